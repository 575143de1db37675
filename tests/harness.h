/* SPDX-License-Identifier: MIT */
/*
 * What tests stand on: a ring of each shape, gates that turn what this kernel
 * lacks into a visible skip, and a check that no descriptor is left open.
 *
 * RING_TEST(suite, name) { ... rig ... } makes one test for each ring shape,
 * called name__shape. The body gets a struct rig with a ring of 16 entries.
 */
#ifndef ORING_TESTS_HARNESS_H
#define ORING_TESTS_HARNESS_H

#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <oring.h>

#define RIG_ENTRIES  16
#define TEST_SECONDS 30 /* the limit of one test; waits below are shorter */

enum shape {
	SHAPE_plain,
	SHAPE_single_issuer,
	SHAPE_defer_taskrun,
	SHAPE_sqpoll,
	SHAPE_sqe128,
	SHAPE_cqe32,
	SHAPE_no_sqarray,
	SHAPE_cqe_mixed,
	SHAPE_COUNT,
	SHAPE_fast = SHAPE_COUNT /* as oring_init_fast() makes it; only where a test names it */
};

static const struct {
	const char *name;
	uint32_t flags;
} shapes[SHAPE_COUNT + 1] = {
	{ "plain", 0 },
	{ "single_issuer", ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_COOP_TASKRUN },
	{ "defer_taskrun", ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN |
				   ORING_SETUP_TASKRUN_FLAG | ORING_SETUP_SUBMIT_ALL },
	{ "sqpoll", ORING_SETUP_SQPOLL },
	{ "sqe128", ORING_SETUP_SQE128 },
	{ "cqe32", ORING_SETUP_CQE32 },
	{ "no_sqarray", ORING_SETUP_NO_SQARRAY },
	{ "cqe_mixed", ORING_SETUP_CQE_MIXED },
	{ "fast", 0 },
};

struct rig {
	struct oring ring;
	enum shape shape;
	struct oring_feature_set can;
	uint64_t next_id; /* identity of the next entry of rig_sqe() */
};

/* In programs built for coverage: counters are written at exit(), which children do not reach. */
extern void __gcov_dump(void) __attribute__((weak));

/* The end of a child that a test forked. */
static inline _Noreturn void leave(int status)
{
	if (__gcov_dump != NULL)
		__gcov_dump();
	_exit(status);
}

/* Descriptors open in this process, the one that looks not counted. */
static inline int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3;
}

/* A ring with these flags, or a skip that says which the kernel refuses. */
static inline void require_ring(struct oring *ring, uint32_t entries, uint32_t flags)
{
	struct oring_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = flags;
	params.sq_thread_idle = 100;
	ret = oring_init(ring, entries, &params);
	if (ret == -EINVAL)
		cr_skip_test("setup flags 0x%x: not on this kernel", flags);
	cr_assert_eq(ret, 0, "oring_init(flags 0x%x): %s", flags, strerror(-ret));
}

#define REQUIRE_OP(rig, op)                                                                  \
	do {                                                                                 \
		if (!oring_feature_has_op(&(rig)->can, (op)))                                \
			cr_skip_test("operation %s: not on this kernel", oring_op_name(op)); \
	} while (0)

#define REQUIRE_FEATURE(ring, flag)                                    \
	do {                                                           \
		if (!(oring_features(ring) & (flag)))                  \
			cr_skip_test("%s: not on this kernel", #flag); \
	} while (0)

/* For what only a try tells: an operation's flag that is answered with -EINVAL. */
#define SKIP_IF_REFUSED(result, what)                                   \
	do {                                                            \
		if ((result) == -EINVAL)                                \
			cr_skip_test("%s: not on this kernel", (what)); \
	} while (0)

static inline void run_on_shape(enum shape shape, void (*body)(struct rig *rig))
{
	struct rig rig;
	int before = open_descriptors();

	memset(&rig, 0, sizeof(rig));
	rig.shape = shape;
	rig.next_id = 0x0123456789abcd00;
	if (shape == SHAPE_fast) {
		cr_assert_eq(oring_init_fast(&rig.ring, RIG_ENTRIES, NULL, NULL), 0);
		cr_assert_eq(oring_start(&rig.ring), 0);
	} else {
		require_ring(&rig.ring, RIG_ENTRIES, shapes[shape].flags);
	}
	cr_assert_eq(oring_feature_ask(&rig.ring, &rig.can), 0);
	body(&rig);
	cr_assert_eq(oring_exit(&rig.ring), 0);
	cr_assert_eq(open_descriptors(), before, "shape %s: descriptors left open: %d, were %d",
		     shapes[shape].name, open_descriptors(), before);
}

#define RING_TEST_ON(suite, name, shape)                      \
	Test(suite, name##__##shape, .timeout = TEST_SECONDS) \
	{                                                     \
		run_on_shape(SHAPE_##shape, suite##_##name);  \
	}

/* For what is about an enter that consumes entries: on every shape but SQPOLL. */
#define RING_TEST_ENTERED(suite, name)               \
	static void suite##_##name(struct rig *rig); \
	RING_TEST_ON(suite, name, plain)             \
	RING_TEST_ON(suite, name, single_issuer)     \
	RING_TEST_ON(suite, name, defer_taskrun)     \
	RING_TEST_ON(suite, name, sqe128)            \
	RING_TEST_ON(suite, name, cqe32)             \
	RING_TEST_ON(suite, name, no_sqarray)        \
	RING_TEST_ON(suite, name, cqe_mixed)         \
	static void suite##_##name(struct rig *rig)

#define RING_TEST(suite, name)                       \
	static void suite##_##name(struct rig *rig); \
	RING_TEST_ON(suite, name, sqpoll)            \
	RING_TEST_ENTERED(suite, name)

/* On each shape, and as oring_init_fast() makes rings. */
#define RING_TEST_FAST(suite, name)                  \
	static void suite##_##name(struct rig *rig); \
	RING_TEST_ON(suite, name, fast)              \
	RING_TEST(suite, name)

/* An entry with an identity of its own: rig->next_id, which then grows. */
static inline struct oring_sqe *rig_sqe(struct rig *rig)
{
	struct oring_sqe *sqe = oring_sq_reserve(&rig->ring);

	cr_assert_not_null(sqe, "the queue is full");
	oring_sqe_set_user_data(sqe, rig->next_id++);
	return sqe;
}

/*
 * Submit what is pending and wait, at most about 10 s, until @want completions
 * are ready and the kernel has consumed all entries. (SQPOLL's thread posts
 * completions before it says that it has consumed.)
 */
static inline void rig_wait(struct rig *rig, uint32_t want)
{
	/* Before 5.11 no wait has a limit: ask and sleep. */
	bool limited = oring_features(&rig->ring) & ORING_FEAT_EXT_ARG;
	struct oring_wait_arg limit;
	int tries;

	oring_wait_relative(&limit, 0, 10 * 1000 * 1000);
	for (tries = 0; tries < 1000; tries++) {
		struct oring_outcome outcome;

		oring_submit_and_wait_timeout(&rig->ring, limited ? want : 0,
					      limited ? &limit : NULL, &outcome);
		if (outcome.ready >= want && oring_sq_pending(&rig->ring) == 0)
			return;
		cr_assert(outcome.error == 0 || outcome.error == -ETIME || outcome.error == -EINTR,
			  "enter: %s", strerror(-outcome.error));
		if (outcome.ready >= want || !limited)
			usleep(10000);
	}
	cr_assert_fail("shape %s: %u of %u completions, %u entries pending",
		       shapes[rig->shape].name, oring_cq_ready(&rig->ring), want,
		       oring_sq_pending(&rig->ring));
}

/* The next completion, copied out and released. */
static inline struct oring_cqe rig_reap(struct rig *rig)
{
	struct oring_cqe cqe;

	if (oring_cq_peek(&rig->ring) == NULL)
		rig_wait(rig, 1);
	cr_assert_eq(oring_cq_copy(&rig->ring, &cqe, 1), 1);
	return cqe;
}

/*
 * Submit the one entry that rig_sqe() gave last, and return its result. No
 * other completion may come before it.
 */
static inline int rig_result(struct rig *rig)
{
	struct oring_cqe cqe = rig_reap(rig);

	cr_assert_eq(cqe.user_data, rig->next_id - 1, "shape %s: a completion of another entry",
		     shapes[rig->shape].name);
	return cqe.res;
}

/* The result of the completion with identity @id among the next @n, which are all consumed. */
static inline int rig_result_of(struct rig *rig, uint64_t id, int n)
{
	int res = INT32_MIN;

	while (n-- > 0) {
		struct oring_cqe cqe = rig_reap(rig);

		if (cqe.user_data == id)
			res = cqe.res;
	}
	cr_assert_neq(res, INT32_MIN, "no completion with identity %" PRIx64, id);
	return res;
}

/* An unlinked file with @len bytes of a pattern that tells each byte's place. */
static inline unsigned char pattern_at(size_t place)
{
	return (unsigned char)(place * 131 + (place >> 8) * 7 + 3);
}

static inline int pattern_file(size_t len)
{
	char path[] = "/tmp/oring-test-XXXXXX";
	int fd = mkstemp(path);
	size_t i;

	cr_assert_geq(fd, 0);
	unlink(path);
	for (i = 0; i < len; i++) {
		unsigned char byte = pattern_at(i);

		cr_assert_eq(pwrite(fd, &byte, 1, (off_t)i), 1);
	}
	return fd;
}

static inline bool is_pattern(const void *memory, size_t len, size_t place)
{
	const unsigned char *byte = memory;
	size_t i;

	for (i = 0; i < len; i++) {
		if (byte[i] != pattern_at(place + i))
			return false;
	}
	return true;
}

#endif
