/* SPDX-License-Identifier: MIT */
/*
 * Where io_uring surprises: setup in every combination that the library offers,
 * ownership, the SQPOLL thread, deferred work, and what happens to the rest
 * when something goes wrong.
 */
#include "harness.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int ring_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	while (fgets(line, sizeof(line), maps) != NULL)
		n += strstr(line, "io_uring") != NULL;
	fclose(maps);
	return n;
}

static void nop(struct oring *ring, uint64_t id)
{
	struct oring_sqe *sqe = oring_sq_reserve(ring);

	cr_assert_not_null(sqe);
	oring_prep_nop(sqe);
	oring_sqe_set_user_data(sqe, id);
}

/* ---- setup ---- */

Test(setup, nothing_is_left_open_or_mapped, .timeout = TEST_SECONDS)
{
	int descriptors = open_descriptors(), mappings = ring_mappings();
	struct oring_params params;
	struct oring ring;

	memset(&ring, 0, sizeof(ring));
	cr_assert_eq(oring_exit(&ring), 0, "never initialised: descriptor 0 stays open");
	cr_assert_eq(open_descriptors(), descriptors);
	memset(&params, 0, sizeof(params));
	cr_assert_eq(oring_init(&ring, 8, &params), 0);
	cr_assert_eq(open_descriptors(), descriptors + 1);
	cr_assert_gt(ring_mappings(), mappings);
	cr_assert_eq(fcntl(oring_fd(&ring), F_GETFD), FD_CLOEXEC);
	cr_assert_eq(oring_exit(&ring), 0);
	cr_assert_eq(oring_exit(&ring), 0, "a second time does nothing");
	cr_assert_eq(oring_init(&ring, 8, NULL), 0, "and the struct may be used again");
	cr_assert_eq(oring_exit(&ring), 0);
	params.flags = 1U << 31;
	cr_assert_eq(oring_init(&ring, 8, &params), -EINVAL);
	cr_assert_eq(oring_exit(&ring), 0, "after a failed init too");
	cr_assert_eq(open_descriptors(), descriptors);
	cr_assert_eq(ring_mappings(), mappings);
}

/* From now on this process's mmap calls at file offset @offset fail with ENOMEM. */
static void forbid_mmap_at(uint32_t offset)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 3, 0), /* no file: none of ours */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, offset, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(program) / sizeof(program[0]), program };

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

static void init_with_forbidden_mmap(uint32_t offset)
{
	int descriptors = open_descriptors(), mappings = ring_mappings();
	struct oring ring;

	forbid_mmap_at(offset);
	cr_assert_eq(oring_init(&ring, 8, NULL), -ENOMEM);
	cr_assert_eq(open_descriptors(), descriptors);
	cr_assert_eq(ring_mappings(), mappings);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(setup, the_first_mmap_fails, .timeout = TEST_SECONDS)
{
	init_with_forbidden_mmap(ORING_OFF_SQ_RING);
}

Test(setup, the_second_mmap_fails, .timeout = TEST_SECONDS)
{
	init_with_forbidden_mmap(ORING_OFF_SQES);
}

Test(setup, header_and_library_must_fit)
{
	struct oring ring;

	cr_assert_eq(oring_sizeof(), sizeof(ring));
	cr_assert_eq(oring_init_sized(&ring, 8, NULL, 0, sizeof(ring) - 8, ORING_LAYOUT), -EINVAL);
	cr_assert_eq(oring_init_sized(&ring, 8, NULL, 0, sizeof(ring), ORING_LAYOUT + 1), -EINVAL);
}

Test(setup, flags_that_need_memory_are_refused)
{
	static const uint32_t flags[] = { ORING_SETUP_NO_MMAP, ORING_SETUP_REGISTERED_FD_ONLY };
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct oring_params params;
		struct oring ring;

		memset(&params, 0, sizeof(params));
		params.flags = flags[i];
		cr_assert_eq(oring_init(&ring, 8, &params), -EINVAL);
		params.flags = 0;
		cr_assert_eq(oring_init_flags(&ring, 8, &params, flags[i]), 0,
			     "dropped if optional");
		cr_assert_eq(oring_setup_flags(&ring), 0);
		cr_assert_eq(oring_exit(&ring), 0);
	}
}

Test(setup, sizes)
{
	static const struct {
		uint32_t entries, flags, cq_in, sq, cq;
		int ret;
	} cases[] = {
		{ 0, 0, 0, 0, 0, -EINVAL },
		{ 1, 0, 0, 1, 2, 0 },
		{ 5, 0, 0, 8, 16, 0 },
		{ 32768, 0, 0, 32768, 65536, 0 },
		{ 32769, 0, 0, 0, 0, -EINVAL },
		{ 1000000, ORING_SETUP_CLAMP, 0, 32768, 65536, 0 },
		{ 8, ORING_SETUP_CQSIZE, 100, 8, 128, 0 },
		{ 8, ORING_SETUP_CQSIZE, 4, 0, 0, -EINVAL },
		{ 8, ORING_SETUP_CQSIZE | ORING_SETUP_CLAMP, 1000000, 8, 65536, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct oring_params params;
		struct oring ring;

		memset(&params, 0, sizeof(params));
		params.flags = cases[i].flags;
		params.cq_entries = cases[i].cq_in;
		cr_assert_eq(oring_init(&ring, cases[i].entries, &params), cases[i].ret, "%zu", i);
		if (cases[i].ret < 0)
			continue;
		cr_assert_eq(oring_sq_space(&ring), cases[i].sq);
		cr_assert_eq(ring.cq_entries, cases[i].cq);
		nop(&ring, 1);
		cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
		cr_assert_eq(oring_exit(&ring), 0);
	}
}

Test(setup, optional_flags_are_negotiated)
{
	static const struct {
		uint32_t required, optional, got;
	} cases[] = {
		/* A bit that no kernel knows goes first, and alone. */
		{ 0, 1U << 30 | ORING_SETUP_CLAMP, ORING_SETUP_CLAMP },
		{ ORING_SETUP_CLAMP, ORING_SETUP_CLAMP, ORING_SETUP_CLAMP },
		/* What SQPOLL does not combine with gives way to it. */
		{ ORING_SETUP_SQPOLL,
		  ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_TASKRUN_FLAG,
		  ORING_SETUP_SQPOLL | ORING_SETUP_SINGLE_ISSUER },
		/* What makes no sense alone does not take others with it. */
		{ 0, ORING_SETUP_TASKRUN_FLAG | ORING_SETUP_NO_SQARRAY | ORING_SETUP_CQE_MIXED,
		  ORING_SETUP_NO_SQARRAY | ORING_SETUP_CQE_MIXED },
		/* Without its owner, deferred work is not asked for. */
		{ ORING_SETUP_SQE128, ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_TASKRUN_FLAG,
		  ORING_SETUP_SQE128 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct oring_params params;
		struct oring ring;

		if (oring_feature_try_setup(cases[i].got) < 0)
			continue; /* an older kernel gets less, and the last case always runs */
		memset(&params, 0, sizeof(params));
		params.flags = cases[i].required;
		cr_assert_eq(oring_init_flags(&ring, 8, &params, cases[i].optional), 0, "%zu", i);
		cr_assert_eq(oring_setup_flags(&ring), cases[i].got, "%zu: got 0x%x", i,
			     oring_setup_flags(&ring));
		cr_assert_eq(params.flags, cases[i].got);
		cr_assert_eq(oring_exit(&ring), 0);
	}
}

Test(setup, impossible_flags_get_the_kernels_error)
{
	struct oring_params params;
	struct oring ring;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_SQPOLL | ORING_SETUP_DEFER_TASKRUN;
	cr_assert_eq(oring_init_flags(&ring, 8, &params, ORING_SETUP_CLAMP), -EINVAL);
	cr_assert_eq(params.flags, ORING_SETUP_SQPOLL | ORING_SETUP_DEFER_TASKRUN,
		     "as before, for another try");
}

/* In a child, as nobody, with @memlock bytes: the result of making @count rings. */
static int rings_as_nobody(rlim_t memlock, uint32_t entries, int count)
{
	struct rlimit limit = { memlock, memlock };
	int status;
	pid_t child = fork();

	if (child == 0) {
		static struct oring rings[64];
		int i, ret = 0;

		if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(255);
		for (i = 0; i < count && ret == 0; i++)
			ret = oring_init(&rings[i], entries, NULL);
		_exit(-ret);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

Test(setup, locked_memory, .timeout = TEST_SECONDS)
{
	/* A12, trap 38: the usual 8 MiB are enough; too little is -ENOMEM. */
	int ret;

	if (geteuid() != 0)
		cr_skip_test("needs root, to become somebody without privileges");
	cr_assert_eq(rings_as_nobody(8 << 20, 256, 1), 0);
	ret = rings_as_nobody(16 << 10, 4096, 1);
	if (ret == 0)
		cr_skip_test("rings are not charged against RLIMIT_MEMLOCK on this kernel");
	cr_assert_eq(ret, -ENOMEM);
}

Test(setup, disabled_until_enabled)
{
	/* A11, traps 34 and 43 */
	struct oring ring;

	require_ring(&ring, 8, ORING_SETUP_R_DISABLED);
	nop(&ring, 7);
	cr_assert_eq(oring_submit(&ring), -EBADFD);
	cr_assert_eq(oring_sq_pending(&ring), 1, "nothing is lost");
	cr_assert_eq(oring_get_events(&ring), -EBADFD);
	cr_assert_eq(oring_enable(&ring), 0);
	cr_assert_eq(oring_enable(&ring), -EBADFD);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	cr_assert_eq(oring_cq_peek(&ring)->user_data, 7);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(setup, polled_completions)
{
	/* Trap 31: with IOPOLL completions are made inside enter; NOPs show the path. */
	struct oring ring;
	struct oring_cqe cqe;

	require_ring(&ring, 8, ORING_SETUP_IOPOLL);
	nop(&ring, 9);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	cr_assert_eq(oring_cq_copy(&ring, &cqe, 1), 1);
	cr_assert_eq(cqe.user_data, 9);
	if (cqe.res == -EOPNOTSUPP || cqe.res == -EINVAL)
		cr_skip_test("NOP on a polled ring: not on this kernel");
	cr_assert_eq(cqe.res, 0);
	cr_assert_eq(oring_exit(&ring), 0);
}

/* ---- ownership ---- */

struct elsewhere {
	struct oring *ring;
	int submit, events, reg;
};

static void *use_elsewhere(void *arg)
{
	struct elsewhere *result = arg;

	result->submit = oring_submit(result->ring);
	result->events = oring_get_events(result->ring);
	result->reg = oring_register_files_sparse(result->ring, 4);
	return NULL;
}

static struct elsewhere from_a_second_thread(struct oring *ring)
{
	struct elsewhere result = { ring, 0, 0, 0 };
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, use_elsewhere, &result), 0);
	pthread_join(thread, NULL);
	return result;
}

Test(owner, a_second_thread_is_told, .timeout = TEST_SECONDS)
{
	/* A13, trap 34 */
	struct elsewhere result;
	struct oring ring;

	require_ring(&ring, 8, ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN);
	nop(&ring, 1);
	result = from_a_second_thread(&ring);
	cr_assert_eq(result.submit, -EEXIST);
	cr_assert_eq(result.events, -EEXIST);
	cr_assert_eq(result.reg, -EEXIST);
	cr_assert_eq(oring_sq_pending(&ring), 1);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1, "and the owner goes on");
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(owner, who_enables_owns, .timeout = TEST_SECONDS)
{
	struct elsewhere result;
	struct oring ring;

	require_ring(&ring, 8,
		     ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN |
			     ORING_SETUP_R_DISABLED);
	result = from_a_second_thread(&ring);
	cr_assert_eq(result.reg, 0, "while it is disabled anyone may register");
	cr_assert_eq(oring_enable(&ring), 0);
	nop(&ring, 1);
	cr_assert_eq(from_a_second_thread(&ring).submit, -EEXIST);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(owner, two_threads_own_a_side_each, .timeout = TEST_SECONDS)
{
	/* One thread submits while this one reaps; each identity comes once. */
	enum {
		N = 20000
	};
	static struct oring ring;
	static unsigned char seen[N];
	int status, got = 0;
	pthread_t thread;
	struct oring_wait_arg second;
	void *submitter(void *unused);

	require_ring(&ring, 64, 0);
	oring_wait_relative(&second, 1, 0);
	status = pthread_create(&thread, NULL, submitter, &ring);
	cr_assert_eq(status, 0);
	while (got < N) {
		struct oring_cqe out[32];
		uint32_t i, n = oring_cq_copy(&ring, out, 32);

		for (i = 0; i < n; i++)
			cr_assert_eq(seen[out[i].user_data]++, 0);
		got += (int)n;
		if (n == 0)
			cr_assert_neq(oring_wait(&ring, 1, &second), -ETIME, "%d of %d", got, N);
	}
	pthread_join(thread, NULL);
	cr_assert_eq(oring_exit(&ring), 0);
}

void *submitter(void *arg)
{
	struct oring *ring = arg;
	uint64_t i;

	for (i = 0; i < 20000; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(ring);

		while (sqe == NULL) {
			oring_submit(ring);
			sqe = oring_sq_reserve(ring);
		}
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, i);
	}
	while (oring_sq_pending(ring) > 0)
		oring_submit(ring);
	return NULL;
}

Test(owner, a_forked_child_is_told, .timeout = TEST_SECONDS)
{
	/* Trap 37: the child has the same ring; a single issuer keeps it out. */
	struct oring ring;
	pid_t child;
	int status;

	require_ring(&ring, 8, ORING_SETUP_SINGLE_ISSUER);
	cr_assert_eq(oring_set_inherited(&ring, true), 0);
	nop(&ring, 1);
	child = fork();
	if (child == 0)
		_exit(oring_submit(&ring) == -EEXIST ? 0 : 1);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	cr_assert_eq(oring_exit(&ring), 0);
}

/* ---- SQPOLL ---- */

Test(sqpoll, a_sleeping_thread_is_woken, .timeout = TEST_SECONDS)
{
	/* Traps 4 and 5 */
	struct oring ring;
	int round;

	require_ring(&ring, 8, ORING_SETUP_SQPOLL);
	for (round = 0; round < 3; round++) {
		struct oring_wait_arg limit;
		int i;

		for (i = 0; i < 500 && !oring_sq_needs_wakeup(&ring); i++)
			usleep(10000);
		cr_assert(oring_sq_needs_wakeup(&ring), "asleep after its idle time");
		usleep(50000); /* between the flag and the sleep it looks once more */
		nop(&ring, 1);
		cr_assert_eq(oring_sq_commit(&ring), 1);
		usleep(20000);
		cr_assert_eq(oring_sq_pending(&ring), 1, "it does not look while it sleeps");
		nop(&ring, 2);
		cr_assert_eq(oring_submit(&ring), 1, "the entries that this call committed");
		oring_wait_relative(&limit, 5, 0);
		cr_assert_eq(oring_wait(&ring, 2, &limit), 2);
		/* It says how far it came after the completions are there. */
		for (i = 0; i < 500 && oring_sq_pending(&ring) > 0; i++)
			usleep(1000);
		cr_assert_eq(oring_sq_pending(&ring), 0);
		cr_assert_eq(oring_submit(&ring), 0);
		oring_cq_release_to(&ring, oring_cq_end(&ring));
	}
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(sqpoll, an_awake_thread_needs_no_system_call, .timeout = TEST_SECONDS)
{
	struct oring_params params;
	struct oring ring;
	int i, fd;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_SQPOLL;
	params.sq_thread_idle = 20000;
	cr_assert_eq(oring_init(&ring, 8, &params), 0);
	nop(&ring, 1);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	oring_cq_release(&ring);
	fd = ring.enter_fd;
	ring.enter_fd = -1; /* an enter would be -EBADF now */
	nop(&ring, 2);
	cr_assert_eq(oring_submit(&ring), 1);
	for (i = 0; i < 5000 && oring_cq_peek(&ring) == NULL; i++)
		usleep(1000);
	cr_assert_eq(oring_cq_peek(&ring)->user_data, 2);
	ring.enter_fd = fd;
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(sqpoll, an_error_after_the_commit_is_told_next, .timeout = TEST_SECONDS)
{
	/* The entry is the thread's, and counted; the ring is disabled, and that is told too. */
	struct oring ring;
	int i;

	require_ring(&ring, 8, ORING_SETUP_SQPOLL | ORING_SETUP_R_DISABLED);
	for (i = 0; i < 500 && !oring_sq_needs_wakeup(&ring); i++)
		usleep(10000);
	nop(&ring, 1);
	cr_assert_eq(oring_submit(&ring), 1);
	cr_assert_eq(oring_submit(&ring), -EBADFD);
	cr_assert_eq(oring_enable(&ring), 0);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 0);
	cr_assert_eq(oring_cq_peek(&ring)->user_data, 1);
	cr_assert_eq(oring_exit(&ring), 0);
}

/* ---- deferred work ---- */

Test(deferred, completions_are_made_in_enter, .timeout = TEST_SECONDS)
{
	/* Traps 23, 32 and 33: 100 ready polls come out, 20 to an enter on 6.18. */
	enum {
		N = 100
	};
	struct pollfd ring_poll;
	struct oring ring;
	int event = eventfd(0, 0);
	uint64_t one = 1;
	int i, got = 0, enters = 0;

	require_ring(&ring, 128,
		     ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN |
			     ORING_SETUP_TASKRUN_FLAG);
	for (i = 0; i < N; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(&ring);

		oring_prep_poll_add(sqe, oring_file_fd(event), POLLIN);
	}
	cr_assert_eq(oring_submit(&ring), N);
	cr_assert_not(oring_taskrun_pending(&ring));
	cr_assert_eq(write(event, &one, 8), 8);
	cr_assert(oring_taskrun_pending(&ring), "visible, and not run by itself");
	cr_assert_eq(oring_cq_ready(&ring), 0);
	ring_poll.fd = oring_fd(&ring);
	ring_poll.events = POLLIN;
	cr_assert_eq(poll(&ring_poll, 1, 0), 1, "pending work makes the ring readable");
	while (oring_taskrun_pending(&ring) && enters++ < 100) {
		cr_assert_geq(oring_get_events(&ring), 0);
		got = (int)oring_cq_ready(&ring);
	}
	cr_assert_eq(got, N, "a drain re-enters while work is pending");
	/* 6.1 runs all of it in one enter. */
	close(event);
	cr_assert_eq(oring_exit(&ring), 0);
}

/* ---- the rest, when something goes wrong ---- */

RING_TEST_ENTERED(rest, short_submit_skips_the_wait)
{
	/* Trap 12: were it to wait for ten, this test would not end. */
	bool submit_all = shapes[rig->shape].flags & ORING_SETUP_SUBMIT_ALL;
	struct oring_outcome outcome;
	int i;

	for (i = 0; i < 3; i++) {
		struct oring_sqe *sqe = rig_sqe(rig);

		oring_prep_nop(sqe);
		if (i == 0)
			oring_sqe_refuse(sqe, ORING_REFUSED_LENGTH);
	}
	if (submit_all) { /* nothing is short here: three go, and three can be waited for */
		cr_assert_eq(oring_submit_and_wait(&rig->ring, 3), 3);
		return;
	}
	cr_assert_eq(oring_submit_and_wait_timeout(&rig->ring, 10, NULL, &outcome), 1);
	cr_assert_eq(outcome.submitted, 1);
	cr_assert_eq(outcome.ready, 1);
	cr_assert_eq(oring_sq_pending(&rig->ring), 2);
	rig_wait(rig, 3);
}

RING_TEST(rest, bad_entry_in_a_chain)
{
	/* Trap 10: the whole chain is consumed, and each entry completes. */
	uint64_t first_id = rig->next_id;
	int results[3], i;

	for (i = 0; i < 3; i++) {
		struct oring_sqe *sqe = rig_sqe(rig);

		oring_prep_nop(sqe);
		if (i == 1)
			oring_sqe_refuse(sqe, ORING_REFUSED_LENGTH);
		if (i < 2)
			oring_sqe_link(sqe);
	}
	for (i = 0; i < 3; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		results[cqe.user_data - first_id] = cqe.res;
	}
	cr_assert_eq(results[0], -ECANCELED);
	cr_assert_eq(results[1], -EINVAL);
	cr_assert_eq(results[2], -ECANCELED);
}

RING_TEST_ENTERED(rest, chains_end_with_the_submit)
{
	/* Trap 11: the last entry's link leads nowhere, and the next starts afresh. */
	struct oring_sqe *sqe = rig_sqe(rig);
	uint64_t closing = sqe->user_data;
	int i;

	oring_prep_close(sqe, oring_file_fd(1000000));
	oring_sqe_link(sqe);
	cr_assert_eq(oring_submit(&rig->ring), 1);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_submit(&rig->ring), 1);
	rig_wait(rig, 2);
	for (i = 0; i < 2; i++) { /* in either order: the first one runs as task work */
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert_eq(cqe.res, cqe.user_data == closing ? -EBADF : 0,
			     "not cancelled: it was in no chain");
	}
}

RING_TEST(rest, wanting_more_than_the_ring_holds)
{
	/* Trap 21: the count is clamped to the completion queue. */
	int i;

	for (i = 0; i < 2 * RIG_ENTRIES; i++) {
		oring_prep_nop(rig_sqe(rig));
		if (i % RIG_ENTRIES == RIG_ENTRIES - 1)
			rig_wait(rig, (uint32_t)i + 1);
	}
	cr_assert_eq(oring_wait(&rig->ring, 1000000, NULL), 2 * RIG_ENTRIES);
}

static void rest_an_index_out_of_range_is_dropped(struct rig *rig);
RING_TEST_ON(rest, an_index_out_of_range_is_dropped, plain)
RING_TEST_ON(rest, an_index_out_of_range_is_dropped, sqe128)
RING_TEST_ON(rest, an_index_out_of_range_is_dropped, cqe32)
static void rest_an_index_out_of_range_is_dropped(struct rig *rig)
{
	/* Trap 8: no completion, but counted. Only a program that writes the array can do it. */
	uint32_t *array;

	array = (uint32_t *)(void *)((unsigned char *)rig->ring.ring_memory +
				     rig->ring.ring_bytes) -
		RIG_ENTRIES;
	cr_assert_eq(array[3], 3, "the array is the identity and ends the mapping");
	array[0] = 4711;
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_submit(&rig->ring), 0);
	cr_assert_eq(oring_sq_dropped(&rig->ring), 1);
	cr_assert_eq(oring_sq_pending(&rig->ring), 0, "consumed all the same");
	cr_assert_null(oring_cq_peek(&rig->ring));
	array[0] = 0;
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
}

RING_TEST_ENTERED(rest, entries_before_a_failed_enter_stay)
{
	/* Enter fails before it looks at the queue: all stays, and goes the next time. */
	int fd = rig->ring.enter_fd;
	int i;

	for (i = 0; i < 5; i++)
		oring_prep_nop(rig_sqe(rig));
	rig->ring.enter_fd = 0;
	cr_assert_lt(oring_submit(&rig->ring), 0);
	cr_assert_lt(oring_submit_and_wait(&rig->ring, 1), 0);
	rig->ring.enter_fd = fd;
	cr_assert_eq(oring_sq_pending(&rig->ring), 5);
	cr_assert_eq(oring_sq_unreserve(&rig->ring, 1), -EINVAL, "committed ones stay");
	cr_assert_eq(oring_submit_and_wait(&rig->ring, 5), 5);
	for (i = 0; i < 5; i++)
		cr_assert_eq(rig_reap(rig).user_data, rig->next_id - 5 + (unsigned int)i);
}

RING_TEST(rest, fields_that_an_operation_does_not_use)
{
	/* Trap 13: the kernel looks at some of them; a reserved entry has none set. */
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_fsync(sqe, oring_file_fd(0), 0);
	sqe->addr = 1;
	cr_assert_eq(oring_sqe_check(sqe), -EINVAL, "found here");
	cr_assert_eq(rig_result(rig), -EINVAL, "and there");
}
