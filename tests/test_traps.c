/* SPDX-License-Identifier: MIT */
/*
 * What a ring does to those who take it for a plain queue: publication,
 * overflow, waits. The kernel's own behaviour first, by oring_enter() where the
 * library would not let it happen, then what the library's functions make of it.
 */
#include "waiting.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void nop(struct oring *ring, uint64_t id)
{
	struct oring_sqe *sqe = oring_sq_reserve(ring);

	cr_assert_not_null(sqe);
	oring_prep_nop(sqe);
	oring_sqe_set_user_data(sqe, id);
}

/* ---- publication ---- */

RING_TEST(traps, a_slot_is_reused_after_it_was_read)
{
	/* Entries as fast as there is room, without waiting for those before. */
	enum {
		N = 3000
	};
	uint64_t sent = 0, came = 0;
	int idle = 0;

	while (came < N && idle < 20000) {
		struct oring_cqe cqe;
		struct oring_sqe *sqe = NULL;

		if (sent < N && sent - came < RIG_ENTRIES)
			sqe = oring_sq_reserve(&rig->ring);
		if (sqe != NULL) {
			oring_prep_nop(sqe);
			oring_sqe_set_user_data(sqe, sent++);
		}
		cr_assert_geq(oring_submit(&rig->ring), 0);
		idle++;
		while (oring_cq_copy(&rig->ring, &cqe, 1) == 1) {
			cr_assert_eq(cqe.user_data, came++, "each once, in order");
			cr_assert_eq(cqe.res, 0);
			idle = 0;
		}
		if (sqe == NULL && idle > 0)
			usleep(100);
	}
	cr_assert_eq(came, N);
}

/* A queue whose other side is a thread that goes to sleep as the kernel's does. */
struct line {
	_Alignas(128) uint32_t word;
};

static struct {
	struct oring ring;
	struct oring_sqe sqes[8];
	struct line head, tail, flags, arrived[2];
	int saw, stop;
} sleeper;

/* Both threads go on from here at about the same time, now this one first, now that. */
static void meet(int me, uint32_t place)
{
	volatile uint32_t delay = me ? place % 37 : place % 41;
	int spins = 0;

	__atomic_store_n(&sleeper.arrived[me].word, place, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&sleeper.arrived[!me].word, __ATOMIC_SEQ_CST) < place) {
		if (++spins % 1000 == 0)
			sched_yield();
	}
	while (delay > 0)
		delay--;
}

static void *fall_asleep(void *unused)
{
	uint32_t place = 0;

	for (;;) {
		__atomic_load_n(&sleeper.tail.word, __ATOMIC_RELAXED);
		meet(1, ++place);
		if (sleeper.stop)
			return unused;
		__atomic_store_n(&sleeper.flags.word, ORING_SQ_NEED_WAKEUP, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		sleeper.saw =
			__atomic_load_n(&sleeper.tail.word, __ATOMIC_RELAXED) != sleeper.head.word;
		meet(1, ++place);
		sleeper.flags.word = 0;
		sleeper.head.word = sleeper.tail.word;
		meet(1, ++place);
	}
}

/* One round: both do their part at once. Whether neither saw the other. */
static bool is_lost(uint32_t *place)
{
	bool wake, lost;

	nop(&sleeper.ring, 1);
	oring_sq_needs_wakeup(&sleeper.ring); /* both have in their caches what they will read */
	meet(0, ++*place);
	oring_sq_commit(&sleeper.ring);
	wake = oring_sq_needs_wakeup(&sleeper.ring);
	meet(0, ++*place);
	lost = !wake && !sleeper.saw;
	meet(0, ++*place);
	return lost;
}

Test(traps, the_tail_is_published_before_the_flag_is_read, .timeout = TEST_SECONDS)
{
	/* Either the sleeper sees the entry, or we see that it sleeps: never neither. */
	int64_t until = now_ms() + 300;
	int rounds = 0, lost = 0;
	uint32_t place = 0;
	pthread_t thread;

	sleeper.ring.sqes = (unsigned char *)sleeper.sqes;
	sleeper.ring.sq_limit = sleeper.ring.sq_entries = 8;
	sleeper.ring.sq_mask = 7;
	sleeper.ring.sq_stride = sizeof(struct oring_sqe);
	sleeper.ring.sq_head = &sleeper.head.word;
	sleeper.ring.sq_tail = &sleeper.tail.word;
	sleeper.ring.sq_flags = &sleeper.flags.word;
	cr_assert_eq(pthread_create(&thread, NULL, fall_asleep, NULL), 0);
	/* Where two threads share a processor a round takes long. */
	for (; now_ms() < until || (rounds <= 10 && now_ms() < until + 10000); rounds++)
		lost += is_lost(&place);
	sleeper.stop = 1;
	meet(0, ++place);
	pthread_join(thread, NULL);
	cr_assert_eq(lost, 0, "%d of %d", lost, rounds);
	cr_assert_gt(rounds, 10);
}

Test(traps, wake_ups_are_not_lost, .timeout = TEST_SECONDS)
{
	/* The kernel's thread goes to sleep after some milliseconds, and entries come then too. */
	struct oring_params params;
	struct oring_wait_arg limit;
	struct oring ring;
	int i;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_SQPOLL;
	params.sq_thread_idle = 1;
	cr_assert_eq(oring_init(&ring, 8, &params), 0);
	if (!(oring_features(&ring) & ORING_FEAT_EXT_ARG)) {
		oring_exit(&ring);
		cr_skip_test("waits with a limit: not on this kernel");
	}
	oring_wait_relative(&limit, 10, 0);
	for (i = 0; i < 60; i++) {
		nop(&ring, (uint64_t)i);
		cr_assert_eq(oring_submit(&ring), 1);
		cr_assert_eq(oring_wait(&ring, 1, &limit), 1, "round %d", i);
		cr_assert_eq(oring_cq_peek(&ring)->user_data, (uint64_t)i);
		oring_cq_release(&ring);
		usleep((useconds_t)(i * 130));
	}
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(traps, a_polled_enter_counts_nothing, .timeout = TEST_SECONDS)
{
	/* With SQPOLL the kernel says back what it was told; the library, what it committed. */
	struct oring ring;

	require_ring(&ring, 8, ORING_SETUP_SQPOLL);
	cr_assert_eq(oring_enter(&ring, 500, 0, 0, NULL, 0), 500, "there are 8 at most, and none");
	cr_assert_eq(oring_submit(&ring), 0);
	nop(&ring, 1);
	nop(&ring, 2);
	cr_assert_eq(oring_submit(&ring), 2);
	cr_assert_eq(oring_submit(&ring), 0);
	cr_assert_eq(oring_submit_and_wait(&ring, 2), 0);
	cr_assert_eq(oring_cq_ready(&ring), 2);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(traps, sizes_in_shared_memory_are_not_trusted)
{
	/* Whoever scribbles over the ring's own words moves no access of ours. */
	struct oring_params params;
	struct oring_cqe cqe;
	struct oring ring;
	uint32_t words[4];
	uint64_t i;

	memset(&params, 0, sizeof(params));
	cr_assert_eq(oring_init(&ring, 8, &params), 0);
	words[0] = params.sq_off.ring_mask;
	words[1] = params.sq_off.ring_entries;
	words[2] = params.cq_off.ring_mask;
	words[3] = params.cq_off.ring_entries;
	for (i = 0; i < 4; i++)
		memset((char *)ring.ring_memory + words[i], 0x7f, 4);
	for (i = 0; i < 50; i++) {
		nop(&ring, i);
		cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
		cr_assert_eq(oring_cq_copy(&ring, &cqe, 1), 1);
		cr_assert_eq(cqe.user_data, i);
	}
	cr_assert_eq(oring_sq_space(&ring), 8);
	cr_assert_eq(oring_exit(&ring), 0);
}

/* ---- what enter takes ---- */

RING_TEST_ENTERED(traps, a_count_too_high_skips_the_wait)
{
	/* Were it to wait for four, this would not end. */
	struct oring_timespec ts = { 0, 20 * 1000 * 1000 };

	cr_assert_eq(oring_enter(&rig->ring, 5, 0, 0, NULL, 0), 0, "nothing is there");
	oring_prep_timeout(rig_sqe(rig), &ts, 0, 0);
	cr_assert_eq(oring_sq_commit(&rig->ring), 1);
	cr_assert_eq(oring_enter(&rig->ring, 2, 4, ORING_ENTER_GETEVENTS, NULL, 0), 1);
	cr_assert_eq(oring_cq_ready(&rig->ring), 0, "not waited");
	cr_assert_eq(rig_result(rig), -ETIME);
	/* The library passes the count there is. */
	oring_prep_timeout(rig_sqe(rig), &ts, 0, 0);
	cr_assert_eq(oring_submit_and_wait(&rig->ring, 1), 1);
	cr_assert_eq(oring_cq_ready(&rig->ring), 1, "waited");
}

/* From now on enters with this many entries to submit, or to wait for, fail. */
static void forbid_enter(uint32_t to_submit, uint32_t submit_error, uint32_t wanted,
			 uint32_t wait_error)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, to_submit, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | submit_error),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | wait_error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(program) / sizeof(program[0]), program };

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

RING_TEST_ENTERED(traps, without_memory_nothing_is_lost)
{
	/* A kernel that has no memory for three requests, played by a filter. */
	int i;

	forbid_enter(3, EAGAIN, 9, EBADR);
	for (i = 0; i < 3; i++)
		oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_submit(&rig->ring), -EAGAIN);
	cr_assert_eq(oring_submit_and_wait(&rig->ring, 1), -EAGAIN);
	cr_assert_eq(oring_sq_pending(&rig->ring), 3);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_submit(&rig->ring), 4, "the next time all go");
	for (i = 0; i < 4; i++)
		cr_assert_eq(rig_reap(rig).user_data, rig->next_id - 4 + (unsigned int)i);
	cr_assert_eq(oring_wait(&rig->ring, 9, NULL), -EBADR, "completions were lost: told");
}

Test(traps, what_enter_refuses)
{
	static const uint32_t unknown[] = { 1U << 16, 1U << 30, 1U << 31 };
	struct oring ring;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	size_t i;

	require_ring(&ring, 4, 0);
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		cr_assert_eq(oring_enter(&ring, 0, 0, unknown[i], NULL, 0), -EINVAL);
	cr_assert_eq(oring_sys_enter(fd, 0, 0, 0, NULL, 0), -EOPNOTSUPP, "no ring");
	cr_assert_eq(oring_sys_register(fd, ORING_UNREGISTER_FILES, NULL, 0), -EOPNOTSUPP);
	nop(&ring, 1);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	cr_assert_eq(oring_exit(&ring), 0);
	close(fd);
}

RING_TEST(traps, extended_arguments_have_one_size)
{
	static const size_t sizes[] = { 0, 8, 16, 23 };
	struct oring_getevents_arg arg;
	struct oring_timespec ts = { 0, 1000000 };
	const uint32_t flags = ORING_ENTER_GETEVENTS | ORING_ENTER_EXT_ARG;
	size_t i;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_EXT_ARG);
	memset(&arg, 0, sizeof(arg));
	arg.ts = (uintptr_t)&ts;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		cr_assert_eq(oring_enter(&rig->ring, 0, 0, flags, &arg, sizes[i]), -EINVAL,
			     "even where nothing is waited for");
		cr_assert_eq(oring_enter(&rig->ring, 0, 1, flags, &arg, sizes[i]), -EINVAL);
	}
	cr_assert_eq(oring_enter(&rig->ring, 0, 0, flags, &arg, sizeof(arg)), 0);
	cr_assert_eq(oring_enter(&rig->ring, 0, 1, flags, &arg, sizeof(arg)), -ETIME);
}

Test(traps, registered_arguments_lie_in_their_region)
{
	const uint32_t flags =
		ORING_ENTER_GETEVENTS | ORING_ENTER_EXT_ARG | ORING_ENTER_EXT_ARG_REG;
	struct oring_wait_region region = { NULL, 0 };
	struct oring_wait_arg limit;
	struct oring ring;
	uintptr_t second = sizeof(struct oring_reg_wait);

	cr_assert_eq(oring_init_fast(&ring, 8, NULL, &region), 0);
	cr_assert_eq(oring_start(&ring), 0);
	if (!oring_has_wait_region(&ring)) {
		cr_assert_eq(oring_exit(&ring), 0);
		cr_skip_test("registered waits: not on this kernel");
	}
	region.slots[1].ts.tv_nsec = 1000000;
	region.slots[1].flags = ORING_REG_WAIT_TS;
	cr_assert_eq(oring_enter(&ring, 0, 1, flags, (void *)second, 64), -ETIME);
	cr_assert_eq(oring_enter(&ring, 0, 1, flags, (void *)second, 24), -EINVAL);
	cr_assert_eq(oring_enter(&ring, 0, 1, flags, (void *)region.bytes, 64), -EFAULT,
		     "an offset, and out of range");
	cr_assert_eq(oring_enter(&ring, 0, 1, flags, &region.slots[1], 64), -EFAULT, "no address");
	oring_wait_relative(&limit, 0, 1000000);
	cr_assert_eq(oring_wait(&ring, 1, &limit), -ETIME);
	cr_assert_eq(region.slots[1].ts.tv_nsec, 1000000, "it uses its own slot");
	cr_assert_eq(oring_exit(&ring), 0);
}

RING_TEST(traps, signal_masks_have_the_kernels_size)
{
	/* Not the C library's 128 bytes; the kernel tells only where it has to wait. */
	static const uint64_t mask[16];
	struct oring_getevents_arg arg;
	struct oring_wait_arg limit;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_EXT_ARG);
	cr_assert_eq(oring_enter(&rig->ring, 0, 1, ORING_ENTER_GETEVENTS, mask, 128), -EINVAL);
	cr_assert_eq(oring_enter(&rig->ring, 0, 0, ORING_ENTER_GETEVENTS, mask, 128), 0);
	memset(&arg, 0, sizeof(arg));
	arg.sigmask = (uintptr_t)mask;
	arg.sigmask_sz = 128;
	cr_assert_eq(oring_enter(&rig->ring, 0, 1, ORING_ENTER_GETEVENTS | ORING_ENTER_EXT_ARG,
				 &arg, sizeof(arg)),
		     -EINVAL);
	oring_wait_relative(&limit, 0, 1000000);
	limit.sigmask = mask;
	cr_assert_eq(oring_wait(&rig->ring, 1, &limit), -ETIME, "ours is right");
}

RING_TEST(traps, the_kernel_takes_any_time)
{
	/* A negative one has passed; nanoseconds may be any number. The library refuses both. */
	static const struct oring_timespec odd[] = { { -1, 0 }, { -2, 2001000000 } };
	struct oring_getevents_arg arg;
	struct oring_wait_arg limit;
	size_t i;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_EXT_ARG);
	memset(&arg, 0, sizeof(arg));
	for (i = 0; i < 2; i++) {
		arg.ts = (uintptr_t)&odd[i];
		cr_assert_eq(oring_enter(&rig->ring, 0, 1,
					 ORING_ENTER_GETEVENTS | ORING_ENTER_EXT_ARG, &arg,
					 sizeof(arg)),
			     -ETIME);
		oring_wait_relative(&limit, odd[i].tv_sec, odd[i].tv_nsec);
		cr_assert_eq(oring_wait(&rig->ring, 1, &limit), -EINVAL);
	}
}

/* ---- overflow ---- */

static void many_nops(struct rig *rig, int n)
{
	while (n-- > 0) {
		oring_prep_nop(rig_sqe(rig));
		if (n % RIG_ENTRIES == 0)
			issue(rig);
	}
}

static bool readable(const struct rig *rig)
{
	struct pollfd fd = { .fd = oring_fd(&rig->ring), .events = POLLIN };

	return poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN) != 0;
}

RING_TEST_ENTERED(traps, overflowed_completions_wait_to_be_fetched)
{
	/* 48 through a ring of 32: the rest comes with get events only, later ones behind it. */
	uint64_t first = rig->next_id, came = 0;
	struct oring_cqe cqe;

	many_nops(rig, 48);
	cr_assert(oring_cq_overflowed(&rig->ring));
	cr_assert_eq(oring_cq_overflow_count(&rig->ring), 0, "kept, not lost");
	for (; came < 32; came++) {
		cr_assert_eq(oring_cq_copy(&rig->ring, &cqe, 1), 1);
		cr_assert_eq(cqe.user_data, first + came);
	}
	cr_assert_eq(oring_cq_ready(&rig->ring), 0);
	cr_assert(readable(rig), "nothing to see, but there is something to fetch");
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_submit(&rig->ring), 1, "never refused");
	if (oring_cq_ready(&rig->ring) > 0)
		cr_skip_test("later completions behind those that overflowed: not on this kernel");
	cr_assert_eq(oring_get_events(&rig->ring), 17);
	for (; came < 49; came++) {
		cr_assert_eq(oring_cq_copy(&rig->ring, &cqe, 1), 1);
		cr_assert_eq(cqe.user_data, first + came, "in order");
	}
	cr_assert_not(oring_cq_overflowed(&rig->ring));
	cr_assert_not(readable(rig));
}

/* Take all that is and comes; the completion of @id, of which there is at most one. */
static bool drain_for(struct rig *rig, uint64_t id, struct oring_cqe *found)
{
	struct oring_cqe cqe;
	int n = 0, quiet;

	for (quiet = 0; quiet < 10; quiet++) {
		cr_assert_geq(oring_get_events(&rig->ring), 0);
		while (oring_cq_copy(&rig->ring, &cqe, 1) == 1) {
			if (cqe.user_data == id) {
				n++;
				*found = cqe;
			}
			quiet = 0;
		}
		usleep(1000);
	}
	cr_assert_leq(n, 1);
	return n == 1;
}

RING_TEST(traps, overflow_ends_a_multishot)
{
	struct oring_cqe cqe = { 0 };
	int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t one = 1, id;
	int i;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RSRC_TAGS); /* came with multishot polls */
	oring_prep_poll_add_multishot(rig_sqe(rig), oring_file_fd(event), POLLIN);
	id = rig->next_id - 1;
	issue(rig);
	many_nops(rig, 2 * RIG_ENTRIES);
	cr_assert_eq(oring_cq_ready(&rig->ring), 2 * RIG_ENTRIES, "full, and no more");
	cr_assert_not(oring_cq_overflowed(&rig->ring));
	cr_assert_eq(write(event, &one, 8), 8);
	for (i = 0; i < 1000 && !oring_cq_overflowed(&rig->ring); i++) {
		oring_get_events(&rig->ring);
		usleep(1000);
	}
	cr_assert(oring_cq_overflowed(&rig->ring));
	cr_assert(drain_for(rig, id, &cqe), "its completion is not lost");
	if (oring_cqe_has_more(&cqe) && !oring_feature_has_op(&rig->can, ORING_OP_SEND_ZC))
		cr_skip_test("an end of multishots by overflow: not on this kernel (before 6.0)");
	cr_assert_not(oring_cqe_has_more(&cqe), "and says that it was the last");
	cr_assert_eq(write(event, &one, 8), 8);
	cr_assert_not(drain_for(rig, id, &cqe));
	/* Armed again, it goes on. */
	oring_prep_poll_add_multishot(rig_sqe(rig), oring_file_fd(event), POLLIN);
	id = rig->next_id - 1;
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, id);
	cr_assert_eq(cqe.res, POLLIN);
	cr_assert(oring_cqe_has_more(&cqe));
	close(event);
}

static uint64_t signals_of(int event, int wait_ms)
{
	struct pollfd fd = { .fd = event, .events = POLLIN };
	uint64_t count = 0;

	if (poll(&fd, 1, wait_ms) == 1)
		cr_assert_eq(read(event, &count, sizeof(count)), 8);
	return count;
}

RING_TEST(traps, an_eventfd_says_that_not_how_many)
{
	int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t told;
	int i;

	cr_assert_eq(oring_register_eventfd(&rig->ring, event), 0);
	for (i = 0; i < 8; i++)
		oring_prep_nop(rig_sqe(rig));
	rig_wait(rig, 8);
	told = signals_of(event, 5000);
	cr_assert(told >= 1 && told <= 8, "%" PRIu64, told);
	for (i = 0; i < 8; i++)
		rig_reap(rig);
	while (signals_of(event, 50) > 0) /* SQPOLL's thread may have signalled again */
		;
	/* The program's own switch, in shared memory: no signal, but the completion. */
	__atomic_fetch_or(rig->ring.cq_flags, ORING_CQ_EVENTFD_DISABLED, __ATOMIC_SEQ_CST);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(signals_of(event, 20), 0);
	__atomic_fetch_and(rig->ring.cq_flags, ~ORING_CQ_EVENTFD_DISABLED, __ATOMIC_SEQ_CST);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_geq(signals_of(event, 5000), 1);
	cr_assert_eq(oring_unregister_eventfd(&rig->ring), 0);
	close(event);
}

/* ---- deferred work, polled devices ---- */

Test(traps, submitting_alone_runs_no_deferred_work, .timeout = TEST_SECONDS)
{
	int event = eventfd(0, EFD_CLOEXEC);
	struct oring_cqe cqe;
	struct oring ring;
	uint64_t one = 1;

	require_ring(&ring, 8,
		     ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN |
			     ORING_SETUP_TASKRUN_FLAG);
	oring_prep_poll_add(oring_sq_reserve(&ring), oring_file_fd(event), POLLIN);
	cr_assert_eq(oring_submit(&ring), 1);
	cr_assert_eq(write(event, &one, 8), 8);
	cr_assert(oring_taskrun_pending(&ring));
	nop(&ring, 7);
	cr_assert_eq(oring_submit(&ring), 1);
	cr_assert_eq(oring_enter(&ring, 0, 0, 0, NULL, 0), 0);
	cr_assert_eq(oring_cq_ready(&ring), 1, "the NOP");
	cr_assert(oring_taskrun_pending(&ring), "the poll is waiting still");
	/* Enough is ready, so that a wait does not enter: that is what get events is for. */
	cr_assert_eq(oring_wait(&ring, 1, NULL), 1);
	cr_assert_eq(oring_get_events(&ring), 2);
	cr_assert_not(oring_taskrun_pending(&ring));
	cr_assert_eq(oring_cq_copy(&ring, &cqe, 1), 1);
	cr_assert_eq(cqe.user_data, 7);
	close(event);
	cr_assert_eq(oring_exit(&ring), 0);
}

/* A block device of the lab, else a file: what can be polled. */
static int open_direct(void)
{
	const char *drive = getenv("LAB_NVME");
	int fd = -1;

	if (drive != NULL)
		fd = open(drive, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0) {
		int plain = pattern_file(8192);
		char name[64];

		fsync(plain);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", plain);
		fd = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
		close(plain);
	}
	return fd;
}

Test(traps, polled_reads_complete_inside_enter, .timeout = TEST_SECONDS)
{
	struct oring_wait_arg limit;
	struct oring_cqe cqe;
	struct oring ring;
	void *memory = aligned_alloc(4096, 4096);
	int fd = open_direct();
	int tries;

	if (fd < 0)
		cr_skip_test("no file here can be read directly");
	require_ring(&ring, 8, ORING_SETUP_IOPOLL);
	oring_prep_read(oring_sq_reserve(&ring), oring_file_fd(fd), memory, 4096, 0);
	cr_assert_eq(oring_submit(&ring), 1);
	usleep(20000);
	if (oring_cq_ready(&ring) == 1 && oring_cq_peek(&ring)->res < 0)
		cr_skip_test("a device that can be polled: not here");
	cr_assert_eq(oring_cq_ready(&ring), 0, "not by itself");
	oring_wait_relative(&limit, 0, 0);
	for (tries = 0; tries < 1000 && oring_wait(&ring, 1, &limit) < 1; tries++)
		usleep(1000);
	cr_assert_eq(oring_cq_copy(&ring, &cqe, 1), 1);
	if (cqe.res == -EOPNOTSUPP || cqe.res == -EAGAIN)
		cr_skip_test("a device that can be polled: not here");
	cr_assert_eq(cqe.res, 4096, "%d", cqe.res);
	cr_assert_eq(oring_exit(&ring), 0);
	free(memory);
	close(fd);
}
