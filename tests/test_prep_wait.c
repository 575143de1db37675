/* SPDX-License-Identifier: MIT */
/*
 * NOPs that say more, times without memory of their own, and waits: for a
 * child, a futex, an epoll instance; cancels by several marks, and what is sent
 * to another ring.
 *
 * Where a row takes a file, the test runs twice: with a descriptor and with a
 * registered slot whose number is no open descriptor.
 */
#include "harness.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#define SLOTS 640 /* in a table; slots from 600 on are no descriptors */
#define SLOT  600

/* The file of @fd: as a descriptor the first time, in a slot the second (5.19). */
static oring_file by(struct rig *rig, int way, int fd)
{
	if (way == 0)
		return oring_file_fd(fd);
	oring_register_files_sparse(&rig->ring, SLOTS); /* -EBUSY but for the first time */
	cr_assert_eq(oring_register_files_update(&rig->ring, SLOT, &fd, 1), 1);
	return oring_file_slot(SLOT);
}

/* Submit what is pending without waiting for completions, until the kernel has taken it. */
static void issue(struct rig *rig)
{
	int tries;

	cr_assert_geq(oring_submit(&rig->ring), 0);
	for (tries = 0; tries < 100000 && oring_sq_pending(&rig->ring) > 0; tries++)
		usleep(100);
	cr_assert_eq(oring_sq_pending(&rig->ring), 0);
}

/* Nothing comes, though the kernel is asked and given some time. */
static void nothing_comes(struct rig *rig)
{
	int i;

	for (i = 0; i < 5; i++) {
		cr_assert_eq(oring_get_events(&rig->ring), 0, "a completion came, result %d",
			     oring_cq_peek(&rig->ring)->res);
		usleep(2000);
	}
}

/* An entry with identity @id: rig_sqe() for those that others name. */
static struct oring_sqe *sqe_as(struct rig *rig, uint64_t id)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_sqe_set_user_data(sqe, id);
	return sqe;
}

static oring_context bits(uint64_t id)
{
	return oring_context_from_bits(id);
}

/* Identities that differ in one end of the 64 bits only. */
#define ID_A 0x8000000000000a11
#define ID_B 0x4000000000000a11
#define ID_C 0x4000000000000a12

/* The results of ID_A and ID_B, and of the entry that rig_sqe() gave last. */
struct results {
	int a, b, last;
};

/* The next @n completions, each of another of those three; the others stay INT32_MIN. */
static struct results reap(struct rig *rig, int n)
{
	struct results of = { INT32_MIN, INT32_MIN, INT32_MIN };

	while (n-- > 0) {
		struct oring_cqe cqe = rig_reap(rig);
		int *res = &of.last;

		if (cqe.user_data == ID_A)
			res = &of.a;
		else if (cqe.user_data == ID_B)
			res = &of.b;
		else
			cr_assert_eq(cqe.user_data, rig->next_id - 1);
		cr_assert_eq(*res, INT32_MIN, "a second completion");
		cr_assert_not(oring_cqe_has_more(&cqe));
		*res = cqe.res;
	}
	return of;
}

/* Cancel the request ID_A: both completions. (Of waitid and futexes Linux counts one.) */
static void cancel_a(struct rig *rig)
{
	struct results of;

	oring_prep_async_cancel(rig_sqe(rig), bits(ID_A), 0);
	of = reap(rig, 2);
	cr_assert(of.last == 0 || of.last == 1, "%s", strerror(-of.last));
	cr_assert_eq(of.a, -ECANCELED);
}

static void make_pipe(int ends[2])
{
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
}

static void close_pipe(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

/* ---- NOPs ---- */

/* Some kernels before 6.10 take no notice of a NOP's flags, whatever they are. */
static void require_nop_flags(struct rig *rig)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_nop(sqe);
	sqe->op_flags = 1U << 31;
	if (rig_result(rig) == 0)
		cr_skip_test("flags of a NOP: not on this kernel");
}

RING_TEST(prep, nop_result)
{
	static const int32_t results[] = { 0, 1, INT32_MAX, -1, -EINVAL, -4095, INT32_MIN };
	struct results of;
	size_t i;
	int res;

	require_nop_flags(rig);
	oring_prep_nop_result(rig_sqe(rig), 1);
	res = rig_result(rig);
	SKIP_IF_REFUSED(res, "the result of a NOP");
	cr_assert_eq(res, 1);
	for (i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		oring_prep_nop_result(rig_sqe(rig), results[i]);
		cr_assert_eq(rig_result(rig), results[i]);
	}
	for (i = 0; i < 2; i++) {
		struct oring_sqe *sqe = sqe_as(rig, ID_A);

		res = i == 0 ? -ENOLINK : 4711;
		oring_prep_nop_result(sqe, res);
		oring_sqe_link(sqe);
		oring_prep_nop(rig_sqe(rig));
		of = reap(rig, 2);
		cr_assert_eq(of.a, res);
		cr_assert_eq(of.last, i == 0 ? -ECANCELED : 0, "a negative one breaks the link");
	}
}

/*
 * What a lookup found: 0 or @missing, as the entry linked to it tells. (Older
 * kernels break the link, but the NOP itself says 0.)
 */
static void check_found(struct rig *rig, struct oring_sqe *sqe, int missing)
{
	struct results of;

	oring_sqe_link(sqe);
	oring_prep_nop(rig_sqe(rig));
	of = reap(rig, 2);
	SKIP_IF_REFUSED(of.a, "this lookup by a NOP");
	cr_assert_eq(of.last, missing ? -ECANCELED : 0);
	cr_assert(of.a == missing || of.a == 0, "%s", strerror(-of.a));
}

RING_TEST(prep, nop_file)
{
	int fd = pattern_file(1);
	int way;

	require_nop_flags(rig);
	for (way = 0; way < 2; way++) {
		struct oring_sqe *sqe = sqe_as(rig, ID_A);
		int none = -1;

		oring_prep_nop_file(sqe, by(rig, way, fd));
		check_found(rig, sqe, 0);
		sqe = sqe_as(rig, ID_A);
		oring_prep_nop_file(sqe, oring_file_slot(SLOT + 1));
		check_found(rig, sqe, -EBADF);
		sqe = sqe_as(rig, ID_A);
		oring_prep_nop_file(sqe, oring_file_fd(SLOT));
		check_found(rig, sqe, -EBADF);
		if (way == 0)
			continue;
		cr_assert_eq(oring_register_files_update(&rig->ring, SLOT, &none, 1), 1);
		sqe = sqe_as(rig, ID_A);
		oring_prep_nop_file(sqe, oring_file_slot(SLOT));
		check_found(rig, sqe, -EBADF);
	}
	close(fd);
}

RING_TEST(prep, nop_buffer)
{
	static char memory[2][64];
	struct iovec iov[2] = { { memory[0], 64 }, { memory[1], 64 } };
	struct oring_sqe *sqe;
	uint16_t index;

	require_nop_flags(rig);
	sqe = sqe_as(rig, ID_A);
	oring_prep_nop_buffer(sqe, 0);
	check_found(rig, sqe, -EFAULT);
	cr_assert_eq(oring_register_buffers(&rig->ring, iov, 2), 0);
	for (index = 0; index < 4; index++) {
		sqe = sqe_as(rig, ID_A);
		oring_prep_nop_buffer(sqe, index);
		check_found(rig, sqe, index < 2 ? 0 : -EFAULT);
	}
	cr_assert_eq(oring_unregister_buffers(&rig->ring), 0);
	sqe = sqe_as(rig, ID_A);
	oring_prep_nop_buffer(sqe, 1);
	check_found(rig, sqe, -EFAULT);
}

RING_TEST(prep, nop_task_work)
{
	/* Not at once: the NOP behind it, submitted together with it, is before it. */
	struct results of;
	struct oring_cqe cqe;

	require_nop_flags(rig);
	oring_prep_nop_task_work(sqe_as(rig, ID_A));
	rig_wait(rig, 1);
	SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, "a NOP by task work");
	of = reap(rig, 1);
	cr_assert_eq(of.a, 0);
	oring_prep_nop_task_work(sqe_as(rig, ID_A));
	oring_prep_nop(rig_sqe(rig));
	issue(rig);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, rig->next_id - 1);
	cr_assert_eq(cqe.res, 0);
	of = reap(rig, 1);
	cr_assert_eq(of.a, 0);
}

static bool has_big_completions(const struct rig *rig)
{
	return rig->shape == SHAPE_cqe32 || rig->shape == SHAPE_cqe_mixed;
}

/* One NOP with these two values, and its completion. */
static void check_big(struct rig *rig, uint64_t extra1, uint64_t extra2)
{
	const struct oring_cqe *cqe;

	oring_prep_nop_cqe32(rig_sqe(rig), extra1, extra2);
	rig_wait(rig, 1);
	cqe = oring_cq_peek(&rig->ring);
	cr_assert_not_null(cqe);
	SKIP_IF_REFUSED(cqe->res, "a NOP with a 32-byte completion");
	cr_assert_eq(cqe->user_data, rig->next_id - 1);
	cr_assert_eq(cqe->res, 0);
	cr_assert_eq(oring_cqe_big(cqe)[0], extra1);
	cr_assert_eq(oring_cqe_big(cqe)[1], extra2);
	if (rig->shape == SHAPE_cqe_mixed)
		cr_assert(cqe->flags & ORING_CQE_F_32);
	oring_cq_release(&rig->ring);
	cr_assert_eq(oring_cq_ready(&rig->ring), 0);
}

RING_TEST(prep, nop_cqe32)
{
	int i;

	require_nop_flags(rig);
	if (!has_big_completions(rig)) {
		oring_prep_nop_cqe32(rig_sqe(rig), 1, 2);
		cr_assert_eq(rig_result(rig), -EINVAL);
		return;
	}
	for (i = 0; i < 40; i++)
		check_big(rig, UINT64_MAX - (unsigned int)i, 0x8000000000000000 + (unsigned int)i);
}

static void prep_nop_cqe32_at_the_wrap(struct rig *rig)
{
	/* One slot is left before the wrap, and two are wanted: a filler takes it. */
	struct oring_cqe32 out;
	int i;

	for (i = 0; i < 2 * RIG_ENTRIES - 1; i++) {
		oring_prep_nop(rig_sqe(rig));
		cr_assert_eq(rig_result(rig), 0);
	}
	oring_prep_nop_cqe32(rig_sqe(rig), ID_A, ID_B);
	rig_wait(rig, 1);
	cr_assert_eq(oring_cq_ready(&rig->ring), 3);
	cr_assert(oring_cqe_is_filler(oring_cq_at(&rig->ring, rig->ring.cq_released)));
	cr_assert_eq(oring_cq_copy32(&rig->ring, &out, 1), 1);
	cr_assert_eq(out.cqe.user_data, rig->next_id - 1);
	cr_assert_eq(out.cqe.res, 0);
	cr_assert_eq(out.big_cqe[0], ID_A);
	cr_assert_eq(out.big_cqe[1], ID_B);
	cr_assert_eq(oring_cq_ready(&rig->ring), 0);
	check_big(rig, 1, 2);
}

RING_TEST_ON(prep, nop_cqe32_at_the_wrap, cqe_mixed)

RING_TEST(prep, nop128)
{
	struct oring_sqe128 *large = oring_sq_reserve128(&rig->ring);
	struct oring_sqe128 sqe;

	if (rig->shape != SHAPE_sqe128) {
		cr_assert_null(large);
		oring_sqe128_clear(&sqe);
		oring_prep_nop128(&sqe);
		oring_sqe_copy(rig_sqe(rig), &sqe.sqe);
		cr_assert_eq(rig_reap(rig).res, -EINVAL);
		return;
	}
	REQUIRE_OP(rig, ORING_OP_NOP128);
	cr_assert_not_null(large);
	oring_sqe_set_user_data(&large->sqe, ID_A);
	oring_prep_nop128(large);
	oring_prep_nop(rig_sqe(rig)); /* it takes one place, not two */
	{
		struct results of = reap(rig, 2);

		cr_assert_eq(of.a, 0);
		cr_assert_eq(of.last, 0);
	}
}

/* ---- time ---- */

#define MILLISECOND ((int64_t)1000000)
#define SECOND	    (1000 * MILLISECOND)
#define SHORT	    (5 * MILLISECOND)
#define LONG	    ((int64_t)1 << 42) /* over an hour; the lower 32 bits would be none */

static const struct {
	clockid_t id;
	uint32_t flag;
} clocks[] = {
	{ CLOCK_MONOTONIC, 0 },
	{ CLOCK_BOOTTIME, ORING_TIMEOUT_BOOTTIME },
	{ CLOCK_REALTIME, ORING_TIMEOUT_REALTIME },
};
#define CLOCKS (sizeof(clocks) / sizeof(clocks[0]))

static int64_t now(clockid_t clock)
{
	struct timespec ts;

	cr_assert_eq(clock_gettime(clock, &ts), 0);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

/* The rows in two forms: a time in memory, or in the entry. */
enum form {
	IN_MEMORY,
	IMMEDIATE
};

static const struct oring_timespec *spec(struct oring_timespec *ts, int64_t nanoseconds)
{
	ts->tv_sec = nanoseconds / SECOND;
	ts->tv_nsec = nanoseconds % SECOND;
	return ts;
}

static void prep_time(struct oring_sqe *sqe, enum form form, int64_t ns, uint32_t count,
		      uint32_t flags)
{
	static struct oring_timespec ts;

	if (form == IMMEDIATE)
		oring_prep_timeout_immediate(sqe, (uint64_t)ns, count, flags);
	else
		oring_prep_timeout(sqe, spec(&ts, ns), count, flags);
}

static void prep_link_time(struct oring_sqe *sqe, enum form form, int64_t ns, uint32_t flags)
{
	static struct oring_timespec ts;

	if (form == IMMEDIATE)
		oring_prep_link_timeout_immediate(sqe, (uint64_t)ns, flags);
	else
		oring_prep_link_timeout(sqe, spec(&ts, ns), flags);
}

/* A44: -ETIME on each clock, relative and absolute, and not before the time. */
static void each_clock(struct rig *rig, enum form form)
{
	size_t i;
	int absolute;

	for (i = 0; i < CLOCKS; i++) {
		for (absolute = 0; absolute < 2; absolute++) {
			int64_t at = now(clocks[i].id) + SHORT;
			int res;

			prep_time(rig_sqe(rig), form, absolute ? at : SHORT, 0,
				  clocks[i].flag | (absolute ? ORING_TIMEOUT_ABS : 0));
			res = rig_result(rig);
			SKIP_IF_REFUSED(res, "this form of a timeout, or this clock");
			cr_assert_eq(res, -ETIME);
			cr_assert_geq(now(clocks[i].id), at);
		}
		/* An absolute time that is over: at once. */
		prep_time(rig_sqe(rig), form, now(clocks[i].id) - SHORT, 0,
			  clocks[i].flag | ORING_TIMEOUT_ABS);
		cr_assert_eq(rig_result(rig), -ETIME);
	}
	prep_time(rig_sqe(rig), form, SHORT, 0, ORING_TIMEOUT_CLOCK_MASK);
	cr_assert_eq(rig_result(rig), -EINVAL, "one clock");
}

RING_TEST(prep, timeout_on_each_clock)
{
	each_clock(rig, IN_MEMORY);
}

RING_TEST(prep, timeout_immediate)
{
	struct results of;
	int i, spared;

	each_clock(rig, IMMEDIATE);
	/* The count is reached first; the upper half of the time counts too. */
	prep_time(sqe_as(rig, ID_A), IMMEDIATE, LONG, 2, 0);
	issue(rig);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	nothing_comes(rig);
	oring_prep_nop(rig_sqe(rig));
	of = reap(rig, 2);
	cr_assert_eq(of.a, 0);
	cr_assert_eq(of.last, 0);
	for (spared = 0; spared < 2; spared++) {
		struct oring_sqe *sqe = sqe_as(rig, ID_A);

		prep_time(sqe, IMMEDIATE, MILLISECOND, 0, spared ? ORING_TIMEOUT_ETIME_SUCCESS : 0);
		oring_sqe_link(sqe);
		oring_prep_nop(rig_sqe(rig));
		of = reap(rig, 2);
		cr_assert_eq(of.a, -ETIME);
		cr_assert_eq(of.last, spared ? 0 : -ECANCELED);
	}
	/* It comes again and again. */
	prep_time(rig_sqe(rig), IMMEDIATE, MILLISECOND, 3, ORING_TIMEOUT_MULTISHOT);
	for (i = 0; i < 3; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert_eq(cqe.res, -ETIME);
		cr_assert_eq(oring_cqe_has_more(&cqe), i < 2);
	}
	nothing_comes(rig);
}

/* A44: from a long time to a short one, relative and absolute. */
static void update(struct rig *rig, enum form form, size_t clock)
{
	static struct oring_timespec ts;
	uint32_t absolute;

	for (absolute = 0; absolute <= ORING_TIMEOUT_ABS; absolute++) {
		int64_t at = now(clocks[clock].id) + SHORT;
		int64_t time = absolute ? at : SHORT;
		struct results of;

		prep_time(sqe_as(rig, ID_A), IN_MEMORY, LONG, 0, clocks[clock].flag);
		issue(rig);
		if (form == IMMEDIATE)
			oring_prep_timeout_update_immediate(rig_sqe(rig), bits(ID_A),
							    (uint64_t)time, absolute);
		else
			oring_prep_timeout_update(rig_sqe(rig), bits(ID_A), spec(&ts, time),
						  absolute);
		rig_wait(rig, 1);
		SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, "this update of a timeout");
		of = reap(rig, 2);
		cr_assert_eq(of.last, 0);
		cr_assert_eq(of.a, -ETIME);
		cr_assert_geq(now(clocks[clock].id), at);
	}
}

RING_TEST(prep, timeout_update_on_each_clock)
{
	/* The clock is as it was when the timeout began. */
	size_t i;

	for (i = 0; i < CLOCKS; i++)
		update(rig, IN_MEMORY, i);
}

RING_TEST(prep, timeout_update_immediate)
{
	size_t i;

	for (i = 0; i < CLOCKS; i++)
		update(rig, IMMEDIATE, i);
	prep_time(sqe_as(rig, ID_A), IN_MEMORY, LONG, 0, 0);
	issue(rig);
	oring_prep_timeout_update_immediate(rig_sqe(rig), bits(ID_B), SHORT, 0);
	cr_assert_eq(rig_result(rig), -ENOENT);
	for (i = 1; i < CLOCKS; i++) {
		oring_prep_timeout_update_immediate(rig_sqe(rig), bits(ID_A), SHORT,
						    clocks[i].flag);
		cr_assert_eq(rig_result(rig), -EINVAL, "the clock stays");
	}
	/* Later is possible too. */
	oring_prep_timeout_update_immediate(rig_sqe(rig), bits(ID_A), 2 * LONG, 0);
	cr_assert_eq(rig_result(rig), 0);
	nothing_comes(rig);
	cancel_a(rig);
}

/* A read of @fd with identity ID_A, linked to the entry that comes next. */
static void prep_linked_read(struct rig *rig, int fd)
{
	static char buf[8];
	struct oring_sqe *sqe = sqe_as(rig, ID_A);

	oring_prep_read(sqe, oring_file_fd(fd), buf, sizeof(buf), 0);
	oring_sqe_link(sqe);
}

/* A44: on each clock, the operation is cancelled; and in time, the timeout is. */
static void link_on_each_clock(struct rig *rig, enum form form)
{
	struct results of;
	size_t i;
	int absolute, ends[2];

	make_pipe(ends);
	for (i = 0; i < CLOCKS; i++) {
		for (absolute = 0; absolute < 2; absolute++) {
			int64_t at = now(clocks[i].id) + SHORT;

			prep_linked_read(rig, ends[0]);
			prep_link_time(rig_sqe(rig), form, absolute ? at : SHORT,
				       clocks[i].flag | (absolute ? ORING_TIMEOUT_ABS : 0));
			of = reap(rig, 2);
			SKIP_IF_REFUSED(of.last, "this form of a link timeout, or this clock");
			cr_assert_eq(of.a, -ECANCELED);
			cr_assert_eq(of.last, -ETIME);
			cr_assert_geq(now(clocks[i].id), at);
		}
	}
	prep_linked_read(rig, ends[0]);
	prep_link_time(rig_sqe(rig), form, LONG, 0);
	issue(rig);
	nothing_comes(rig);
	cr_assert_eq(write(ends[1], "in time", 7), 7);
	of = reap(rig, 2);
	cr_assert_eq(of.a, 7);
	cr_assert_eq(of.last, -ECANCELED);
	prep_linked_read(rig, ends[0]);
	prep_link_time(rig_sqe(rig), form, LONG, ORING_TIMEOUT_CLOCK_MASK);
	of = reap(rig, 2);
	cr_assert_eq(of.last, -EINVAL, "one clock");
	cr_assert_eq(of.a, -ECANCELED);
	close_pipe(ends);
}

RING_TEST(prep, link_timeout_on_each_clock)
{
	link_on_each_clock(rig, IN_MEMORY);
}

RING_TEST(prep, link_timeout_immediate)
{
	link_on_each_clock(rig, IMMEDIATE);
	prep_link_time(rig_sqe(rig), IMMEDIATE, SHORT, 0);
	cr_assert_eq(rig_result(rig), -EINVAL, "linked to nothing");
}

/* The link timeout ID_B of a read that lasts gets a new time. */
static void update_link(struct rig *rig, enum form form, size_t clock, uint32_t absolute)
{
	static struct oring_timespec ts;
	int64_t at = now(clocks[clock].id) + SHORT;
	int64_t time = absolute ? at : SHORT;
	struct results of;
	int ends[2];

	make_pipe(ends);
	prep_linked_read(rig, ends[0]);
	prep_link_time(sqe_as(rig, ID_B), IN_MEMORY, LONG, clocks[clock].flag);
	issue(rig);
	if (form == IMMEDIATE)
		oring_prep_link_timeout_update_immediate(rig_sqe(rig), bits(ID_B), (uint64_t)time,
							 absolute);
	else
		oring_prep_link_timeout_update(rig_sqe(rig), bits(ID_B), spec(&ts, time), absolute);
	rig_wait(rig, 1);
	SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, "this update of a link timeout");
	of = reap(rig, 3);
	cr_assert_eq(of.last, 0);
	cr_assert_eq(of.a, -ECANCELED);
	cr_assert_eq(of.b, -ETIME);
	cr_assert_geq(now(clocks[clock].id), at);
	close_pipe(ends);
}

RING_TEST(prep, link_timeout_update_on_each_clock)
{
	size_t i;

	for (i = 0; i < CLOCKS; i++) {
		update_link(rig, IN_MEMORY, i, 0);
		update_link(rig, IN_MEMORY, i, ORING_TIMEOUT_ABS);
	}
}

RING_TEST(prep, link_timeout_update_immediate)
{
	size_t i;

	for (i = 0; i < CLOCKS; i++) {
		update_link(rig, IMMEDIATE, i, 0);
		update_link(rig, IMMEDIATE, i, ORING_TIMEOUT_ABS);
	}
	/* A timeout of the other sort is not found by that name. */
	prep_time(sqe_as(rig, ID_A), IN_MEMORY, LONG, 0, 0);
	issue(rig);
	oring_prep_link_timeout_update_immediate(rig_sqe(rig), bits(ID_A), SHORT, 0);
	cr_assert_eq(rig_result(rig), -ENOENT);
	cancel_a(rig);
}

/* ---- cancelling by several marks ---- */

/* A poll that nothing will ever end but a cancel. */
static void wait_in_vain(struct rig *rig, uint64_t id, oring_file file)
{
	oring_prep_poll_add(sqe_as(rig, id), file, POLLPRI);
}

/*
 * The result of the cancel that rig_sqe() gave last, and whose @n completions
 * come with it: ids' bits are 1 for ID_A, 2 for ID_B, 4 for ID_C.
 */
static int reap_cancelled(struct rig *rig, int n, unsigned int ids)
{
	int result = INT32_MIN;
	unsigned int seen = 0;

	for (n++; n > 0; n--) {
		struct oring_cqe cqe = rig_reap(rig);

		if (cqe.user_data == rig->next_id - 1) {
			result = cqe.res;
			continue;
		}
		cr_assert_eq(cqe.res, -ECANCELED);
		seen |= cqe.user_data == ID_A ? 1 : cqe.user_data == ID_B ? 2 : 4;
	}
	cr_assert_eq(seen, ids, "%x, not %x", seen, ids);
	nothing_comes(rig);
	return result;
}

#define BY_ID	ORING_ASYNC_CANCEL_USERDATA
#define BY_FILE ORING_ASYNC_CANCEL_FD
#define BY_OP	ORING_ASYNC_CANCEL_OP
#define ALL	ORING_ASYNC_CANCEL_ALL

/* Polls on @file: ID_A twice, ID_B; on @other: ID_A, ID_C. And a timeout ID_A, in no file. */
static void begin_six(struct rig *rig, oring_file file, oring_file other)
{
	wait_in_vain(rig, ID_A, file);
	wait_in_vain(rig, ID_A, file);
	wait_in_vain(rig, ID_B, file);
	wait_in_vain(rig, ID_A, other);
	wait_in_vain(rig, ID_C, other);
	prep_time(sqe_as(rig, ID_A), IN_MEMORY, LONG, 0, 0);
	issue(rig);
}

/* 6.1 takes these flags, and they have no effect. */
static void require_marks(struct rig *rig, oring_file file)
{
	int result;

	wait_in_vain(rig, ID_A, file);
	issue(rig);
	oring_prep_async_cancel_op(rig_sqe(rig), ORING_OP_POLL_ADD, 0);
	rig_wait(rig, 1);
	result = oring_cq_peek(&rig->ring)->res;
	if (result == -EINVAL || result == -ENOENT)
		cr_skip_test("a cancel by several marks: not on this kernel");
	cr_assert_eq(reap_cancelled(rig, 1, 1), 0);
}

static void check_match(struct rig *rig, oring_file file, oring_file other)
{
	static const uint8_t poll_op = ORING_OP_POLL_ADD;

	/* A45: one of those that have all the marks, then every one; the rest stays. */
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), file, poll_op,
				      BY_ID | BY_FILE | BY_OP);
	cr_assert_eq(rig_result(rig), -ENOENT);
	begin_six(rig, file, other);
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_C), file, poll_op,
				      BY_ID | BY_FILE | BY_OP);
	cr_assert_eq(rig_result(rig), -ENOENT, "on another file");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), file, ORING_OP_READ,
				      BY_ID | BY_FILE | BY_OP | ALL);
	cr_assert_eq(rig_result(rig), 0, "another operation");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), file, poll_op,
				      BY_ID | BY_FILE | BY_OP);
	cr_assert_eq(reap_cancelled(rig, 1, 1), 0, "one");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), file, 0, BY_ID | BY_FILE | ALL);
	cr_assert_eq(reap_cancelled(rig, 1, 1), 1, "the other on that file");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), oring_file_fd(0), poll_op,
				      BY_ID | BY_OP | ALL);
	cr_assert_eq(reap_cancelled(rig, 1, 1), 1, "on any file, but not the timeout");
	wait_in_vain(rig, ID_A, file);
	issue(rig);
	oring_prep_async_cancel_match(rig_sqe(rig), bits(0), file, poll_op, BY_FILE | BY_OP | ALL);
	cr_assert_eq(reap_cancelled(rig, 2, 3), 2, "of any identity");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), oring_file_fd(0), 0, BY_ID);
	cr_assert_eq(reap_cancelled(rig, 1, 1), 0, "the timeout");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(0), other, 0, BY_FILE);
	cr_assert_eq(reap_cancelled(rig, 1, 4), 0);
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), oring_file_slot(SLOT + 1), poll_op,
				      BY_ID | BY_FILE | BY_OP);
	cr_assert_eq(rig_result(rig), -EBADF, "an empty slot");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), oring_file_fd(SLOT), poll_op,
				      BY_ID | BY_FILE | BY_OP);
	cr_assert_eq(rig_result(rig), -EBADF, "no such descriptor");
}

RING_TEST(prep, async_cancel_match)
{
	int way;

	for (way = 0; way < 2; way++) {
		int ends[2], others[2];

		make_pipe(ends);
		make_pipe(others);
		require_marks(rig, oring_file_fd(ends[0]));
		check_match(rig, by(rig, way, ends[0]), oring_file_fd(others[0]));
		close_pipe(ends);
		close_pipe(others);
	}
}

RING_TEST(prep, async_cancel_match_refuses)
{
	/* "Any" goes with no other mark; unknown flags go with nothing. */
	oring_prep_async_cancel_match(rig_sqe(rig), bits(0), oring_file_fd(0), ORING_OP_POLL_ADD,
				      ORING_ASYNC_CANCEL_ANY | BY_OP);
	cr_assert_eq(rig_result(rig), -EINVAL);
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), oring_file_fd(0), 0, 1U << 31);
	cr_assert_eq(rig_result(rig), -EINVAL);
}

/* ---- children ---- */

/*
 * A child that waits for a byte and exits with it, and the socket pair for that.
 * It says a byte first: from then on it dies with a test that fails, even stopped.
 */
static pid_t have_child(int ends[2])
{
	unsigned char code = 255;
	pid_t child;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[1]);
		if (write(ends[0], &code, 1) != 1 || read(ends[0], &code, 1) != 1)
			code = 254;
		_exit(code);
	}
	cr_assert_eq(read(ends[1], &code, 1), 1);
	return child;
}

static void end_child(const int ends[2], unsigned char code)
{
	cr_assert_eq(write(ends[1], &code, 1), 1);
	close_pipe(ends);
}

static int pidfd_of(pid_t child)
{
	int fd = (int)syscall(SYS_pidfd_open, child, 0);

	cr_assert_geq(fd, 0);
	return fd;
}

RING_TEST(prep, waitid)
{
	/* A42: who, how and with what status; by each name that the child has. */
	static const int types[] = { P_PID, P_PIDFD, P_PGID, P_ALL };
	static siginfo_t info;
	size_t i;

	REQUIRE_OP(rig, ORING_OP_WAITID);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		int ends[2];
		pid_t child = have_child(ends);
		int id = child;

		cr_assert_eq(setpgid(child, child), 0);
		if (types[i] == P_PIDFD)
			id = pidfd_of(child);
		if (types[i] == P_ALL)
			id = 0;
		memset(&info, 0xee, sizeof(info));
		oring_prep_waitid(rig_sqe(rig), types[i], id, &info, WEXITED);
		issue(rig);
		nothing_comes(rig);
		end_child(ends, (unsigned char)(42 + i));
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(info.si_signo, SIGCHLD);
		cr_assert_eq(info.si_code, CLD_EXITED);
		cr_assert_eq(info.si_pid, child);
		cr_assert_eq(info.si_uid, getuid());
		cr_assert_eq(info.si_status, 42 + (int)i);
		cr_assert_eq(waitpid(child, NULL, 0), -1, "it is reaped");
		if (types[i] == P_PIDFD)
			close(id);
	}
	oring_prep_waitid(rig_sqe(rig), P_ALL, 0, &info, WEXITED);
	cr_assert_eq(rig_result(rig), -ECHILD);
}

RING_TEST(prep, waitid_of_what_was_signalled)
{
	/* Stopped, continued, killed: each told once, by the signal. */
	static const struct {
		int option, signal, code;
	} steps[] = {
		{ WSTOPPED, SIGSTOP, CLD_STOPPED },
		{ WCONTINUED, SIGCONT, CLD_CONTINUED },
		{ WEXITED, SIGKILL, CLD_KILLED },
	};
	static siginfo_t info;
	int ends[2];
	pid_t child;
	size_t i;

	REQUIRE_OP(rig, ORING_OP_WAITID);
	child = have_child(ends);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, steps[i].option);
		issue(rig);
		cr_assert_eq(kill(child, steps[i].signal), 0);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(info.si_code, steps[i].code);
		cr_assert_eq(info.si_pid, child);
		cr_assert_eq(info.si_status, steps[i].signal);
	}
	close_pipe(ends);
}

RING_TEST(prep, waitid_options)
{
	static siginfo_t info;
	int ends[2];
	pid_t child;

	REQUIRE_OP(rig, ORING_OP_WAITID);
	child = have_child(ends);
	memset(&info, 0xee, sizeof(info));
	oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, WEXITED | WNOHANG);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(info.si_pid, 0, "nothing yet");
	cr_assert_eq(info.si_signo, 0);
	oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, 0);
	cr_assert_eq(rig_result(rig), -EINVAL, "waiting for nothing");
	oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, WEXITED | 1 << 10);
	cr_assert_eq(rig_result(rig), -EINVAL);
	/* A cancelled wait leaves the child as it is. */
	oring_prep_waitid(sqe_as(rig, ID_A), P_PID, child, &info, WEXITED);
	issue(rig);
	cancel_a(rig);
	end_child(ends, 7);
	oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, WEXITED | WNOWAIT);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(info.si_status, 7);
	oring_prep_waitid(rig_sqe(rig), P_PID, child, NULL, WEXITED);
	cr_assert_eq(rig_result(rig), 0, "it was left to wait for, and nobody asks how it ended");
	oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, WEXITED);
	cr_assert_eq(rig_result(rig), -ECHILD);
}

RING_TEST(prep, waitid_into_no_memory)
{
	int ends[2];
	pid_t child;

	REQUIRE_OP(rig, ORING_OP_WAITID);
	child = have_child(ends);
	end_child(ends, 7);
	oring_prep_waitid(rig_sqe(rig), P_PID, child, (void *)8, WEXITED);
	cr_assert_eq(rig_result(rig), -EFAULT);
	cr_assert_eq(waitpid(child, NULL, 0), -1, "it is gone all the same");
}

/* ---- futexes ---- */

#define SHARED	ORING_FUTEX2_SIZE_U32
#define PRIVATE (ORING_FUTEX2_SIZE_U32 | ORING_FUTEX2_PRIVATE)
#define ANYONE	ORING_FUTEX_MATCH_ANY

/* Memory for futexes that a child process shares. */
static uint32_t *shared_words(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(memory, MAP_FAILED);
	return memory;
}

/* What waking @word by the entry gave. Other completions may come before it. */
static int wake(struct rig *rig, const uint32_t *word, uint64_t count, uint64_t mask,
		uint32_t flags)
{
	oring_prep_futex_wake(rig_sqe(rig), word, count, mask, flags);
	return rig_result(rig);
}

/* An own call wakes; until then nothing comes. */
static void check_wait(struct rig *rig, uint32_t *word, uint32_t flags, int op)
{
	struct results of;

	*word = 7;
	oring_prep_futex_wait(sqe_as(rig, ID_A), word, 7, ANYONE, flags);
	issue(rig);
	nothing_comes(rig);
	cr_assert_eq(syscall(SYS_futex, word, op, 1, NULL, NULL, 0), 1, "one waits");
	of = reap(rig, 1);
	cr_assert_eq(of.a, 0);
	oring_prep_futex_wait(rig_sqe(rig), word, 8, ANYONE, flags);
	cr_assert_eq(rig_result(rig), -EAGAIN, "it holds something else");
}

RING_TEST(prep, futex_wait)
{
	static uint32_t word;
	uint32_t *common;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	common = shared_words();
	check_wait(rig, &word, PRIVATE, FUTEX_WAKE_PRIVATE);
	check_wait(rig, &word, SHARED, FUTEX_WAKE);
	check_wait(rig, common, SHARED, FUTEX_WAKE);
	/* Nobody finds a private one as a shared one. */
	oring_prep_futex_wait(sqe_as(rig, ID_A), common, 7, ANYONE, PRIVATE);
	issue(rig);
	cr_assert_eq(syscall(SYS_futex, common, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	nothing_comes(rig);
	cancel_a(rig);
	cr_assert_eq(syscall(SYS_futex, common, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
	munmap(common, 4096);
}

RING_TEST(prep, futex_wait_refuses)
{
	static uint32_t words[2];

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	oring_prep_futex_wait(rig_sqe(rig), words, 0, 0, PRIVATE);
	cr_assert_eq(rig_result(rig), -EINVAL, "nobody could wake it");
	oring_prep_futex_wait(rig_sqe(rig), words, 0, ANYONE, 0);
	cr_assert_eq(rig_result(rig), -EINVAL, "8 bits");
	oring_prep_futex_wait(rig_sqe(rig), words, 1ULL << 32, ANYONE, PRIVATE);
	cr_assert_eq(rig_result(rig), -EINVAL, "a value of more than 32 bits");
	oring_prep_futex_wait(rig_sqe(rig), words, 0, 1ULL << 32, PRIVATE);
	cr_assert_eq(rig_result(rig), -EINVAL, "and a mask");
	oring_prep_futex_wait(rig_sqe(rig), (void *)((char *)words + 1), 0, ANYONE, PRIVATE);
	cr_assert_eq(rig_result(rig), -EINVAL, "between two words");
	oring_prep_futex_wait(rig_sqe(rig), (void *)8, 0, ANYONE, PRIVATE);
	cr_assert_eq(rig_result(rig), -EFAULT);
}

RING_TEST(prep, futex_wait_in_another_process)
{
	uint32_t *words;
	int status = 0;
	pid_t child;
	struct results of;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	words = shared_words();
	oring_prep_futex_wait(sqe_as(rig, ID_A), words, 0, ANYONE, SHARED);
	issue(rig);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0)
		_exit((int)syscall(SYS_futex, words, FUTEX_WAKE, 99, NULL, NULL, 0));
	of = reap(rig, 1);
	cr_assert_eq(of.a, 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(WEXITSTATUS(status), 1);
	munmap(words, 4096);
}

/* How many waits of identity ID_A or another have ended since the last call. */
static int ended(struct rig *rig, int expected)
{
	int n;

	for (n = 0; n < expected; n++)
		cr_assert_eq(rig_reap(rig).res, 0);
	nothing_comes(rig);
	return n;
}

RING_TEST(prep, futex_wake)
{
	/* As many as are said, of those with a bit in common. */
	static uint32_t word, other;
	struct oring waker;
	struct rig from;
	int i;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAKE);
	memset(&from, 0, sizeof(from));
	require_ring(&waker, 4, 0);
	from.ring = waker;
	cr_assert_eq(wake(&from, &word, 1, ANYONE, PRIVATE), 0, "nobody waits");
	for (i = 0; i < 5; i++)
		oring_prep_futex_wait(rig_sqe(rig), &word, 0, i < 3 ? 1 : 6, PRIVATE);
	oring_prep_futex_wait(rig_sqe(rig), &other, 0, ANYONE, PRIVATE);
	issue(rig);
	cr_assert_eq(wake(&from, &word, 0, ANYONE, PRIVATE), 0);
	cr_assert_eq(wake(&from, &word, 9, 8, PRIVATE), 0, "no bit in common");
	cr_assert_eq(wake(&from, &word, 9, ANYONE, SHARED), 0, "another futex");
	nothing_comes(rig);
	cr_assert_eq(wake(&from, &word, 2, 1, PRIVATE), 2);
	cr_assert_eq(ended(rig, 2), 2);
	cr_assert_eq(wake(&from, &word, 9, 4, PRIVATE), 2);
	cr_assert_eq(ended(rig, 2), 2);
	cr_assert_eq(wake(&from, &word, UINT32_MAX >> 1, ANYONE, PRIVATE), 1);
	cr_assert_eq(ended(rig, 1), 1);
	cr_assert_eq(wake(&from, &other, 1, ANYONE, PRIVATE), 1);
	cr_assert_eq(ended(rig, 1), 1);
	cr_assert_eq(wake(&from, &word, 1, 0, PRIVATE), -EINVAL);
	cr_assert_eq(oring_exit(&from.ring), 0);
}

static void *wait_for_word(void *word)
{
	while (__atomic_load_n((uint32_t *)word, __ATOMIC_ACQUIRE) == 0)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return NULL;
}

RING_TEST(prep, futex_wake_of_a_thread)
{
	static uint32_t word;
	pthread_t thread;
	int tries, woken = 0;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAKE);
	cr_assert_eq(pthread_create(&thread, NULL, wait_for_word, &word), 0);
	for (tries = 0; tries < 5000 && woken == 0; tries++) {
		usleep(1000); /* it may not be asleep yet */
		woken = wake(rig, &word, 1, ANYONE, PRIVATE);
	}
	cr_assert_eq(woken, 1);
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	cr_assert_geq(wake(rig, &word, 1, ANYONE, PRIVATE), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
}

RING_TEST(prep, futex_wait_and_wake_in_one_ring)
{
	static uint32_t word;
	struct results of;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	oring_prep_futex_wait(sqe_as(rig, ID_A), &word, 0, ANYONE, PRIVATE);
	oring_prep_futex_wake(rig_sqe(rig), &word, 1, ANYONE, PRIVATE);
	of = reap(rig, 2);
	cr_assert_eq(of.a, 0);
	cr_assert_eq(of.last, 1);
}

/* @n waiters for @words, each for a 0. */
static void fill_waiters(struct futex_waitv *waiters, uint32_t *words, size_t n)
{
	size_t i;

	memset(waiters, 0, n * sizeof(*waiters));
	for (i = 0; i < n; i++) {
		words[i] = 0;
		waiters[i].uaddr = (uint64_t)(uintptr_t)&words[i];
		waiters[i].flags = PRIVATE;
	}
}

static void prep_waitv(struct oring_sqe *sqe, const struct futex_waitv *waiters, size_t count)
{
	oring_prep_futex_waitv(sqe, waiters, count);
	sqe->fd = 0; /* Linux wants no -1 here */
}

RING_TEST(prep, futex_waitv)
{
	/* Which one was woken, of one and of as many as go. */
	static const size_t counts[] = { 1, 3, FUTEX_WAITV_MAX };
	static struct futex_waitv waiters[FUTEX_WAITV_MAX + 1];
	static uint32_t words[FUTEX_WAITV_MAX + 1];
	size_t i, which;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAITV);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (which = 0; which < counts[i]; which += 1 + counts[i] / 2) {
			struct results of;

			fill_waiters(waiters, words, counts[i]);
			prep_waitv(sqe_as(rig, ID_A), waiters, counts[i]);
			issue(rig);
			nothing_comes(rig);
			oring_prep_futex_wake(rig_sqe(rig), &words[which], 1, ANYONE, PRIVATE);
			of = reap(rig, 2);
			cr_assert_eq(of.last, 1);
			cr_assert_eq(of.a, (int)which);
		}
	}
	fill_waiters(waiters, words, 3);
	words[2] = 1;
	prep_waitv(rig_sqe(rig), waiters, 3);
	cr_assert_eq(rig_result(rig), -EAGAIN, "one of them holds something else");
	prep_waitv(rig_sqe(rig), waiters, 0);
	cr_assert_eq(rig_result(rig), -EINVAL);
	fill_waiters(waiters, words, FUTEX_WAITV_MAX + 1);
	prep_waitv(rig_sqe(rig), waiters, FUTEX_WAITV_MAX + 1);
	cr_assert_eq(rig_result(rig), -EINVAL);
	prep_waitv(sqe_as(rig, ID_A), waiters, 2);
	issue(rig);
	cancel_a(rig);
	cr_assert_eq(wake(rig, &words[1], 1, ANYONE, PRIVATE), 0, "nobody waits any more");
}

RING_TEST(prep, futex_cancel_of_all)
{
	/* A45: every wait ends, though Linux counts all of them as one. */
	static uint32_t word;
	int i, result;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	for (i = 0; i < 3; i++)
		oring_prep_futex_wait(sqe_as(rig, ID_A), &word, 0, ANYONE, PRIVATE);
	issue(rig);
	oring_prep_async_cancel(rig_sqe(rig), bits(ID_A), ALL);
	result = reap_cancelled(rig, 3, 1);
	cr_assert(result == 1 || result == 3, "%d", result);
	cr_assert_eq(wake(rig, &word, 9, ANYONE, PRIVATE), 0);
}

/* ---- epoll ---- */

#define DATA_A 0x8000000012345678
#define DATA_B 0xfedcba9800000001

static int have_epoll(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

/* What epoll_wait(2) tells now of one file: its events, 0 without any; and its data. */
static uint32_t told(int epoll, uint64_t *data)
{
	struct epoll_event events[2];
	int n = epoll_wait(epoll, events, 2, 0);

	cr_assert(n == 0 || n == 1);
	if (n == 0)
		return 0;
	*data = events[0].data.u64;
	return events[0].events;
}

RING_TEST(prep, epoll_ctl)
{
	static struct epoll_event event;
	int epoll = have_epoll();
	uint64_t data = 0;
	int ends[2];

	REQUIRE_OP(rig, ORING_OP_EPOLL_CTL);
	make_pipe(ends);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	event.events = EPOLLIN;
	event.data.u64 = DATA_A;
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_MOD, ends[0], &event);
	cr_assert_eq(rig_result(rig), -ENOENT);
	cr_assert_eq(told(epoll, &data), 0);
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_ADD, ends[0], &event);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(told(epoll, &data), EPOLLIN);
	cr_assert_eq(data, DATA_A);
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_ADD, ends[0], &event);
	cr_assert_eq(rig_result(rig), -EEXIST);
	event.data.u64 = DATA_B;
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_MOD, ends[0], &event);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(told(epoll, &data), EPOLLIN);
	cr_assert_eq(data, DATA_B);
	event.events = EPOLLPRI;
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_MOD, ends[0], &event);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(told(epoll, &data), 0);
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_DEL, ends[0], NULL);
	cr_assert_eq(rig_result(rig), 0);
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_DEL, ends[0], NULL);
	cr_assert_eq(rig_result(rig), -ENOENT);
	close_pipe(ends);
	close(epoll);
}

RING_TEST(prep, epoll_ctl_refuses)
{
	static struct epoll_event event = { .events = EPOLLIN };
	int epoll = have_epoll();
	int file = pattern_file(1);
	int ends[2];

	REQUIRE_OP(rig, ORING_OP_EPOLL_CTL);
	make_pipe(ends);
	oring_prep_epoll_ctl(rig_sqe(rig), SLOT, EPOLL_CTL_ADD, ends[0], &event);
	cr_assert_eq(rig_result(rig), -EBADF, "no such instance");
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_ADD, SLOT, &event);
	cr_assert_eq(rig_result(rig), -EBADF, "no such descriptor");
	oring_prep_epoll_ctl(rig_sqe(rig), ends[1], EPOLL_CTL_ADD, ends[0], &event);
	cr_assert_eq(rig_result(rig), -EINVAL, "a pipe watches nothing");
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_ADD, file, &event);
	cr_assert_eq(rig_result(rig), -EPERM, "a file is always ready");
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, 99, ends[0], &event);
	cr_assert_eq(rig_result(rig), -EINVAL);
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_ADD, ends[0], (void *)8);
	cr_assert_eq(rig_result(rig), -EFAULT);
	close_pipe(ends);
	close(file);
	close(epoll);
}

static void watch(int epoll, int fd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = data };

	cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
}

static void check_epoll_wait(struct rig *rig, oring_file file, int epoll)
{
	static struct epoll_event events[3];
	int first[2], second[2];

	make_pipe(first);
	make_pipe(second);
	watch(epoll, first[0], DATA_A);
	watch(epoll, second[0], DATA_B);
	memset(events, 0, sizeof(events));
	oring_prep_epoll_wait(rig_sqe(rig), file, events, 3);
	issue(rig);
	nothing_comes(rig);
	cr_assert_eq(write(second[1], "x", 1), 1);
	cr_assert_eq(rig_result(rig), 1);
	cr_assert_eq(events[0].events, EPOLLIN);
	cr_assert_eq(events[0].data.u64, DATA_B);
	cr_assert_eq(events[1].events, 0, "no more than that");
	/* Ready at once; no more of them than there is room for. */
	cr_assert_eq(write(first[1], "x", 1), 1);
	oring_prep_epoll_wait(rig_sqe(rig), file, events, 3);
	cr_assert_eq(rig_result(rig), 2);
	cr_assert_neq(events[0].data.u64, events[1].data.u64);
	cr_assert_eq(events[0].data.u64 ^ events[1].data.u64, DATA_A ^ DATA_B);
	cr_assert_eq(events[1].events, EPOLLIN);
	memset(events, 0, sizeof(events));
	oring_prep_epoll_wait(rig_sqe(rig), file, events, 1);
	cr_assert_eq(rig_result(rig), 1);
	cr_assert_eq(events[1].events, 0);
	close_pipe(first);
	close_pipe(second);
	oring_prep_epoll_wait(sqe_as(rig, ID_A), file, events, 1);
	issue(rig);
	cancel_a(rig);
}

RING_TEST(prep, epoll_wait)
{
	/* A42: the data is the caller's 64 bits, whatever the layout of the events. */
	static struct epoll_event events[1];
	int way, ends[2];

	REQUIRE_OP(rig, ORING_OP_EPOLL_WAIT);
	make_pipe(ends);
	for (way = 0; way < 2; way++) {
		int epoll = have_epoll();
		oring_file file = by(rig, way, epoll);

		check_epoll_wait(rig, file, epoll);
		oring_prep_epoll_wait(rig_sqe(rig), file, events, 0);
		cr_assert_eq(rig_result(rig), -EINVAL, "no room at all");
		oring_prep_epoll_wait(rig_sqe(rig), by(rig, way, ends[0]), events, 1);
		cr_assert_eq(rig_result(rig), -EINVAL, "a pipe");
		close(epoll);
	}
	oring_prep_epoll_wait(rig_sqe(rig), oring_file_fd(SLOT), events, 1);
	cr_assert_eq(rig_result(rig), -EBADF);
	oring_prep_epoll_wait(rig_sqe(rig), oring_file_slot(SLOT + 1), events, 1);
	cr_assert_eq(rig_result(rig), -EBADF);
	close_pipe(ends);
}

/* ---- messages to another ring ---- */

static oring_file ring_file(const struct oring *ring)
{
	return oring_file_fd(oring_fd(ring));
}

/* The next completion of another ring than the rig's. */
static struct oring_cqe reap_other(struct oring *ring)
{
	struct oring_wait_arg limit;
	struct oring_cqe cqe;
	int ret;

	oring_wait_relative(&limit, 10, 0);
	ret = oring_wait(ring, 1, &limit);
	cr_assert_eq(ret, 1, "%s", strerror(-ret));
	cr_assert_eq(oring_cq_copy(ring, &cqe, 1), 1);
	return cqe;
}

/* A ring of @shape; false: not on this kernel. */
static bool have_other(struct oring *ring, enum shape shape)
{
	struct oring_params params;

	memset(&params, 0, sizeof(params));
	params.flags = shapes[shape].flags;
	params.sq_thread_idle = 1;
	return oring_init(ring, 4, &params) == 0;
}

RING_TEST(prep, msg_ring_cqe_flags)
{
	/* A46: the receiver of each shape sees just these flags. */
	static const uint32_t flags[] = { 0, ORING_CQE_F_MORE, 0xabcd0000 | ORING_CQE_F_BUFFER,
					  UINT32_MAX & ~(ORING_CQE_F_32 | ORING_CQE_F_SKIP) };
	enum shape shape;
	size_t i;

	REQUIRE_OP(rig, ORING_OP_MSG_RING);
	for (shape = 0; shape < SHAPE_COUNT; shape++) {
		struct oring other;

		if (!have_other(&other, shape))
			continue;
		for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			struct oring_cqe cqe;
			int result;

			oring_prep_msg_ring_cqe_flags(rig_sqe(rig), ring_file(&other), bits(ID_A),
						      -4711, flags[i], 0);
			result = rig_result(rig);
			SKIP_IF_REFUSED(result, "ORING_MSG_RING_FLAGS_PASS");
			cr_assert_eq(result, 0);
			cqe = reap_other(&other);
			cr_assert_eq(cqe.user_data, ID_A);
			cr_assert_eq(cqe.res, -4711);
			cr_assert_eq(cqe.flags, flags[i], "shape %s: %x", shapes[shape].name,
				     cqe.flags);
		}
		oring_prep_msg_ring_cqe_flags(rig_sqe(rig), ring_file(&other), bits(ID_A), 1, 0,
					      1U << 31);
		cr_assert_eq(rig_result(rig), -EINVAL, "no such flag");
		cr_assert_null(oring_cq_peek(&other));
		cr_assert_eq(oring_exit(&other), 0);
	}
}

/* One byte from the file in slot @slot of @ring. */
static char read_from_slot(struct oring *ring, uint32_t slot)
{
	static char byte;
	struct oring_sqe *sqe = oring_sq_reserve(ring);
	struct oring_cqe cqe;

	cr_assert_not_null(sqe);
	byte = 0;
	oring_prep_read(sqe, oring_file_slot(slot), &byte, 1, 0);
	cr_assert_geq(oring_submit(ring), 0);
	cqe = reap_other(ring);
	cr_assert_eq(cqe.res, 1, "%s", strerror(-cqe.res));
	return byte;
}

/* Send the file in slot @source to slot @target of @other: the sender's result. */
static int send_fd(struct rig *rig, struct oring *other, uint32_t source, oring_slot target,
		   uint32_t flags)
{
	oring_prep_msg_ring_fd(rig_sqe(rig), ring_file(other), oring_slot_at(source), target,
			       bits(ID_B), flags);
	return rig_result(rig);
}

/* What the receiver sees of a file that went into a slot. */
static void check_notice(struct oring *other, int res)
{
	struct oring_cqe cqe = reap_other(other);

	cr_assert_eq(cqe.user_data, ID_B);
	cr_assert_eq(cqe.res, res);
	cr_assert_eq(cqe.flags, 0);
}

/* The pipe's end in slot SLOT goes to @other, and bytes come through there. */
static void check_send_fd(struct rig *rig, struct oring *other, int fd)
{
	int result;

	cr_assert_eq(oring_register_files_sparse(other, 4), 0);
	result = send_fd(rig, other, SLOT, oring_slot_at(3), 0);
	SKIP_IF_REFUSED(result, "ORING_MSG_SEND_FD");
	cr_assert_eq(result, 0);
	check_notice(other, 0);
	cr_assert_eq(write(fd, "abc", 3), 3);
	cr_assert_eq(read_from_slot(other, 3), 'a');
	/* The kernel chooses the first that is free, and both are told which. */
	cr_assert_eq(send_fd(rig, other, SLOT, ORING_SLOT_ALLOC, 0), 0);
	check_notice(other, 0);
	cr_assert_eq(send_fd(rig, other, SLOT, ORING_SLOT_ALLOC, 0), 1);
	check_notice(other, 1);
	cr_assert_eq(read_from_slot(other, 1), 'b');
	/* Here there is no notice: the file is there all the same. */
	cr_assert_eq(send_fd(rig, other, SLOT, oring_slot_at(2), ORING_MSG_RING_CQE_SKIP), 0);
	cr_assert_eq(oring_get_events(other), 0);
	cr_assert_eq(read_from_slot(other, 2), 'c');
	cr_assert_eq(send_fd(rig, other, SLOT, ORING_SLOT_ALLOC, 0), -ENFILE, "a full table");
	cr_assert_eq(send_fd(rig, other, SLOT, oring_slot_at(4), 0), -EINVAL, "beyond the table");
	cr_assert_eq(send_fd(rig, other, SLOT + 1, oring_slot_at(0), 0), -EBADF, "an empty source");
	cr_assert_eq(send_fd(rig, other, SLOTS, oring_slot_at(0), 0), -EBADF, "no such source");
	cr_assert_null(oring_cq_peek(other));
}

RING_TEST(prep, msg_ring_fd)
{
	/* A46: into a named slot and one that is chosen; receivers of each shape. */
	int ends[2];
	enum shape shape;

	REQUIRE_OP(rig, ORING_OP_SEND_ZC); /* it came with 6.0, as sending files did */
	make_pipe(ends);
	by(rig, 1, ends[0]);
	for (shape = 0; shape < SHAPE_COUNT; shape++) {
		struct oring other;

		if (!have_other(&other, shape))
			continue;
		cr_assert_eq(send_fd(rig, &other, SLOT, oring_slot_at(0), 0), -ENXIO, "no table");
		check_send_fd(rig, &other, ends[1]);
		cr_assert_eq(oring_exit(&other), 0);
	}
	cr_assert_eq(send_fd(rig, &rig->ring, SLOT, oring_slot_at(0), 0), -EINVAL, "to itself");
	close_pipe(ends);
}

RING_TEST(prep, msg_ring_fd_outlives_the_sender)
{
	/* The receiver's slot holds the file when nobody else does. */
	struct oring other;
	int none = -1;
	int ends[2];

	REQUIRE_OP(rig, ORING_OP_SEND_ZC);
	require_ring(&other, 4, 0);
	cr_assert_eq(oring_register_files_sparse(&other, 2), 0);
	make_pipe(ends);
	by(rig, 1, ends[0]);
	close(ends[0]);
	cr_assert_eq(send_fd(rig, &other, SLOT, oring_slot_at(1), 0), 0);
	check_notice(&other, 0);
	cr_assert_eq(oring_register_files_update(&rig->ring, SLOT, &none, 1), 1);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(read_from_slot(&other, 1), 'x');
	close(ends[1]);
	cr_assert_eq(oring_exit(&other), 0);
}
