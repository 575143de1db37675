/* SPDX-License-Identifier: MIT */
/* Chains that do not dangle, and operations with a deadline, on the kernel. */
#include "harness.h"

#include <signal.h>
#include <sys/wait.h>

#define BAD_FD 1000000

/* A blank entry of the chain with an identity of its own. */
static struct oring_sqe *named(struct rig *rig, struct oring_sqe *sqe)
{
	cr_assert_not_null(sqe);
	oring_sqe_set_user_data(sqe, rig->next_id++);
	return sqe;
}

/* The results of the @n entries named from @first on, in the order of their identities. */
static void results(struct rig *rig, uint64_t first, int n, int32_t *res)
{
	int i;

	for (i = 0; i < n; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert(cqe.user_data >= first && cqe.user_data < first + (uint64_t)n,
			  "a completion of %" PRIx64, cqe.user_data);
		res[cqe.user_data - first] = cqe.res;
	}
}

/* Move the ring's indices on by @n. */
static void spend(struct rig *rig, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		oring_prep_nop(rig_sqe(rig));
		cr_assert_eq(rig_result(rig), 0);
	}
}

Test(chain, zeroed_it_has_no_room)
{
	struct oring_chain chain = { 0 };

	cr_assert_eq(oring_chain_left(&chain), 0);
	cr_assert_null(oring_chain_next(&chain));
	cr_assert_null(oring_chain_next_hard(&chain));
	cr_assert_eq(oring_chain_end(&chain), 0);
}

RING_TEST(chain, starts_one_after_the_other)
{
	/* Each byte is written where the file position is: out of order it would show. */
	struct oring_chain chain;
	uint64_t first = rig->next_id;
	char text[9] = "";
	int32_t res[8];
	int fd = pattern_file(0);
	int i;

	cr_assert_eq(oring_chain_begin(&chain, &rig->ring, 8), 0);
	for (i = 0; i < 8; i++) {
		cr_assert_eq(oring_chain_left(&chain), 8 - (uint32_t)i);
		oring_prep_write(named(rig, oring_chain_next(&chain)), oring_file_fd(fd),
				 &"abcdefgh"[i], 1, (uint64_t)-1);
	}
	cr_assert_null(oring_chain_next(&chain), "no room is left");
	cr_assert_eq(oring_chain_end(&chain), 0);
	results(rig, first, 8, res);
	cr_assert_eq(pread(fd, text, 8, 0), 8);
	cr_assert_str_eq(text, "abcdefgh");
	for (i = 0; i < 8; i++)
		cr_assert_eq(res[i], 1);
	close(fd);
}

RING_TEST(chain, does_not_dangle_across_the_wrap)
{
	/* The chain's last entry fails; what was submitted after the chain runs all the same. */
	int directory = open("/", O_RDONLY | O_CLOEXEC);
	int before;
	char byte;

	for (before = 0; before < RIG_ENTRIES; before += 5) {
		struct oring_chain chain;
		uint64_t first;
		int32_t res[4];

		spend(rig, 5);
		first = rig->next_id;
		cr_assert_eq(oring_chain_begin(&chain, &rig->ring, 3), 0);
		oring_prep_nop(named(rig, oring_chain_next(&chain)));
		oring_prep_nop(named(rig, oring_chain_next(&chain)));
		/* (A bad descriptor would fail the whole chain at once before 5.17.) */
		oring_prep_read(named(rig, oring_chain_next(&chain)), oring_file_fd(directory),
				&byte, 1, 0);
		cr_assert_eq(oring_chain_end(&chain), 0);
		oring_prep_nop(rig_sqe(rig));
		results(rig, first, 4, res);
		cr_assert_eq(res[0], 0);
		cr_assert_eq(res[1], 0);
		cr_assert_eq(res[2], -EISDIR);
		cr_assert_eq(res[3], 0, "what follows is no part of the chain");
	}
	close(directory);
}

RING_TEST(chain, ends_early)
{
	/* B 5: two of eight are used; the rest goes back, and the last has no link flag. */
	struct oring_chain chain;
	struct oring_sqe *last;
	uint32_t space = oring_sq_space(&rig->ring);
	uint64_t first = rig->next_id;
	int32_t res[3];

	cr_assert_eq(oring_chain_begin(&chain, &rig->ring, 8), 0);
	oring_prep_nop(named(rig, oring_chain_next(&chain)));
	last = named(rig, oring_chain_next(&chain));
	oring_prep_fsync(last, oring_file_fd(BAD_FD), 0);
	cr_assert_eq(oring_chain_end(&chain), 0);
	cr_assert_eq(last->flags, 0);
	cr_assert_eq(oring_sq_space(&rig->ring), space - 2);
	cr_assert_null(oring_chain_next(&chain), "the chain has ended");
	oring_prep_nop(rig_sqe(rig));
	results(rig, first, 3, res);
	cr_assert_eq(res[1], -EBADF);
	cr_assert_eq(res[2], 0);
}

RING_TEST(chain, takes_a_link_from_its_last_entry)
{
	struct oring_chain chain;
	struct oring_sqe *last;
	uint64_t first = rig->next_id;
	int32_t res[3];

	cr_assert_eq(oring_chain_begin(&chain, &rig->ring, 2), 0);
	oring_prep_nop(named(rig, oring_chain_next(&chain)));
	last = named(rig, oring_chain_next(&chain));
	oring_prep_fsync(last, oring_file_fd(BAD_FD), 0);
	oring_sqe_link(last);
	oring_sqe_hardlink(last);
	oring_sqe_async(last);
	cr_assert_eq(oring_chain_end(&chain), 0);
	cr_assert_eq(last->flags, ORING_SQE_ASYNC, "links alone are taken");
	oring_prep_nop(rig_sqe(rig));
	results(rig, first, 3, res);
	cr_assert_eq(res[1], -EBADF);
	cr_assert_eq(res[2], 0);
}

RING_TEST(chain, an_error_cancels_what_follows_unless_hard)
{
	struct oring_chain chain;
	uint64_t first = rig->next_id;
	int32_t res[4];

	cr_assert_eq(oring_chain_begin(&chain, &rig->ring, 4), 0);
	oring_prep_fsync(named(rig, oring_chain_next(&chain)), oring_file_fd(BAD_FD), 0);
	oring_prep_fsync(named(rig, oring_chain_next_hard(&chain)), oring_file_fd(BAD_FD), 0);
	oring_prep_nop(named(rig, oring_chain_next(&chain)));
	oring_prep_nop(named(rig, oring_chain_next(&chain)));
	cr_assert_eq(oring_chain_end(&chain), 0);
	results(rig, first, 4, res);
	cr_assert_eq(res[0], -EBADF);
	cr_assert_eq(res[1], -EBADF, "it started though the one before it had failed");
	cr_assert_eq(res[2], -ECANCELED);
	cr_assert_eq(res[3], -ECANCELED);
}

RING_TEST(chain, needs_room_for_all)
{
	struct oring_chain chain;
	uint32_t space = oring_sq_space(&rig->ring);

	cr_assert_eq(oring_chain_begin(&chain, &rig->ring, 0), -EINVAL);
	cr_assert_eq(oring_chain_begin(&chain, &rig->ring, RIG_ENTRIES + 1), -EINVAL);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_chain_begin(&chain, &rig->ring, RIG_ENTRIES), -EAGAIN);
	cr_assert_null(oring_chain_next(&chain));
	cr_assert_eq(oring_chain_end(&chain), 0);
	cr_assert_eq(oring_sq_space(&rig->ring), space - 1, "nothing has changed");
	cr_assert_eq(rig_result(rig), 0);
}

RING_TEST(chain, tells_of_a_reservation_in_between)
{
	struct oring_chain chain;
	struct oring_cqe cqe;
	int i;

	cr_assert_eq(oring_chain_begin(&chain, &rig->ring, 3), 0);
	oring_prep_nop(named(rig, oring_chain_next(&chain)));
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_chain_end(&chain), -EBUSY);
	for (i = 0; i < 4; i++) {
		cqe = rig_reap(rig);
		cr_assert_eq(cqe.res, 0);
	}
}

RING_TEST(chain, of_large_entries)
{
	struct oring_chain chain;
	struct oring_sqe128 *sqe;
	uint64_t first;
	int32_t res[3];
	int i, round;

	for (round = 0; round < 7; round++) {
		first = rig->next_id;
		cr_assert_eq(oring_chain_begin(&chain, &rig->ring, 3), 0);
		for (i = 0; i < 2; i++) {
			sqe = oring_chain_next128(&chain);
			if (rig->shape != SHAPE_sqe128) {
				cr_assert_null(sqe, "this ring has none");
				cr_assert_eq(oring_chain_end(&chain), 0);
				return;
			}
			cr_assert_eq(sqe->more[0] | sqe->more[7], 0);
			sqe->more[0] = sqe->more[7] = UINT64_MAX;
			oring_prep_nop(named(rig, &sqe->sqe));
		}
		cr_assert_eq(oring_chain_end(&chain), 0);
		oring_prep_fsync(rig_sqe(rig), oring_file_fd(BAD_FD), 0);
		results(rig, first, 3, res);
		cr_assert_eq(res[0], 0);
		cr_assert_eq(res[1], 0);
		cr_assert_eq(res[2], -EBADF);
	}
}

/* ---- deadlines ---- */

#define TIMER_ID 0xdead00000000beef

static oring_context timer(void)
{
	return oring_context_from_bits(TIMER_ID);
}

/* The results of an operation and its timer, which come in either order. */
static void two_results(struct rig *rig, uint64_t id, int32_t *res, int32_t *timer_res)
{
	struct oring_cqe cqe = rig_reap(rig);
	bool timer_first = cqe.user_data == TIMER_ID;

	*(timer_first ? timer_res : res) = cqe.res;
	cr_assert(timer_first || cqe.user_data == id);
	cqe = rig_reap(rig);
	*(timer_first ? res : timer_res) = cqe.res;
	cr_assert_eq(cqe.user_data, timer_first ? id : TIMER_ID);
}

static void short_time(struct oring_timespec *ts)
{
	ts->tv_sec = 0;
	ts->tv_nsec = 20 * 1000 * 1000;
}

static void long_time(struct oring_timespec *ts)
{
	ts->tv_sec = 3600;
	ts->tv_nsec = 0;
}

RING_TEST(chain, deadline_expires)
{
	struct oring_timespec ts;
	int32_t res = 0, timer_res = 0;
	char byte;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	short_time(&ts);
	oring_prep_read(named(rig, oring_reserve_with_deadline(&rig->ring, &ts, 0, timer())),
			oring_file_fd(ends[0]), &byte, 1, 0);
	two_results(rig, rig->next_id - 1, &res, &timer_res);
	cr_assert_eq(oring_deadline_end(res, timer_res), ORING_DEADLINE_EXPIRED, "%d, %d", res,
		     timer_res);
	/* The byte that comes now is nobody's. */
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	close(ends[1]);
}

/* The cancel of such a wait counts what it found, and the timeout's result is that number. */
RING_TEST(chain, deadline_expires_of_a_futex)
{
	struct oring_timespec ts;
	int32_t res = 0, timer_res = 0;
	uint32_t word = 0;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	short_time(&ts);
	oring_prep_futex_wait(named(rig, oring_reserve_with_deadline(&rig->ring, &ts, 0, timer())),
			      &word, 0, ORING_FUTEX_MATCH_ANY, ORING_FUTEX2_SIZE_U32);
	two_results(rig, rig->next_id - 1, &res, &timer_res);
	cr_assert_eq(oring_deadline_end(res, timer_res), ORING_DEADLINE_EXPIRED, "%d, %d", res,
		     timer_res);
}

RING_TEST(chain, deadline_expires_of_a_child)
{
	struct oring_timespec ts;
	int32_t res = 0, timer_res = 0;
	siginfo_t info;
	pid_t pid;

	REQUIRE_OP(rig, ORING_OP_WAITID);
	pid = fork();
	if (pid == 0) {
		pause();
		leave(0);
	}
	short_time(&ts);
	oring_prep_waitid(named(rig, oring_reserve_with_deadline(&rig->ring, &ts, 0, timer())),
			  P_PID, pid, &info, WEXITED);
	two_results(rig, rig->next_id - 1, &res, &timer_res);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_assert_eq(oring_deadline_end(res, timer_res), ORING_DEADLINE_EXPIRED, "%d, %d", res,
		     timer_res);
}

RING_TEST(chain, deadline_interrupts_a_worker)
{
	struct oring_timespec ts;
	struct oring_sqe *sqe;
	int32_t res = 0, timer_res = 0;
	char byte;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	short_time(&ts);
	sqe = named(rig, oring_reserve_with_deadline(&rig->ring, &ts, 0, timer()));
	oring_prep_read(sqe, oring_file_fd(ends[0]), &byte, 1, 0);
	oring_sqe_async(sqe);
	two_results(rig, rig->next_id - 1, &res, &timer_res);
	cr_assert_eq(oring_deadline_end(res, timer_res), ORING_DEADLINE_EXPIRED, "%d, %d", res,
		     timer_res);
	close(ends[0]);
	close(ends[1]);
}

RING_TEST(chain, done_before_the_deadline)
{
	struct oring_timespec ts;
	int32_t res = 0, timer_res = 0;
	char byte = 0;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	long_time(&ts);
	oring_prep_read(named(rig, oring_reserve_with_deadline(&rig->ring, &ts, 0, timer())),
			oring_file_fd(ends[0]), &byte, 1, 0);
	two_results(rig, rig->next_id - 1, &res, &timer_res);
	cr_assert_eq(oring_deadline_end(res, timer_res), ORING_DEADLINE_DONE, "%d, %d", res,
		     timer_res);
	cr_assert_eq(res, 1);
	cr_assert_eq(byte, 'x');
	close(ends[0]);
	close(ends[1]);
}

RING_TEST(chain, cancelled_before_the_deadline)
{
	struct oring_timespec ts;
	uint64_t id = rig->next_id;
	int32_t of[3] = { 0, 0, 0 };
	char byte;
	int ends[2];
	int i;

	cr_assert_eq(pipe(ends), 0);
	long_time(&ts);
	oring_prep_read(named(rig, oring_reserve_with_deadline(&rig->ring, &ts, 0, timer())),
			oring_file_fd(ends[0]), &byte, 1, 0);
	cr_assert_geq(oring_submit(&rig->ring), 0);
	oring_prep_async_cancel(rig_sqe(rig), oring_context_from_bits(id), 0);
	for (i = 0; i < 3; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		of[cqe.user_data == TIMER_ID ? 2 : cqe.user_data - id] = cqe.res;
	}
	cr_assert_eq(of[1], 0, "the cancel: %d", of[1]);
	cr_assert_eq(oring_deadline_end(of[0], of[2]), ORING_DEADLINE_CANCELLED, "%d, %d", of[0],
		     of[2]);
	close(ends[0]);
	close(ends[1]);
}

RING_TEST(chain, deadline_reserves_both_or_neither)
{
	struct oring_timespec ts;
	int i;

	long_time(&ts);
	for (i = 0; i < RIG_ENTRIES - 1; i++)
		oring_prep_nop(rig_sqe(rig));
	cr_assert_null(oring_reserve_with_deadline(&rig->ring, &ts, 0, timer()));
	cr_assert_eq(oring_sq_space(&rig->ring), 1, "nothing has changed");
	rig_wait(rig, RIG_ENTRIES - 1);
	oring_cq_release_to(&rig->ring, rig->ring.cq_released + RIG_ENTRIES - 1);
}

RING_TEST(chain, goes_on_behind_a_deadline)
{
	/* What follows starts when the operation succeeded, not when its timer ended. */
	struct oring_timespec ts;
	struct oring_chain chain;
	uint64_t first = rig->next_id;
	int round, i;

	for (round = 0; round < 2; round++) {
		int32_t of[3] = { 1, 1, 1 };
		char byte;
		int ends[2];

		first = rig->next_id;
		cr_assert_eq(pipe(ends), 0);
		cr_assert_eq(write(ends[1], "x", round), round);
		(round ? long_time : short_time)(&ts);
		cr_assert_eq(oring_chain_begin(&chain, &rig->ring, 3), 0);
		cr_assert_eq(oring_chain_deadline(&chain, &ts, 0, timer()), -EINVAL);
		oring_prep_read(named(rig, oring_chain_next(&chain)), oring_file_fd(ends[0]), &byte,
				1, 0);
		cr_assert_eq(oring_chain_deadline(&chain, &ts, 0, timer()), 0);
		cr_assert_eq(oring_chain_deadline(&chain, &ts, 0, timer()), -EINVAL);
		oring_prep_nop(named(rig, oring_chain_next(&chain)));
		cr_assert_eq(oring_chain_deadline(&chain, &ts, 0, timer()), -EINVAL, "no room");
		cr_assert_eq(oring_chain_end(&chain), 0);
		for (i = 0; i < 3; i++) {
			struct oring_cqe cqe = rig_reap(rig);

			of[cqe.user_data == TIMER_ID ? 2 : cqe.user_data - first] = cqe.res;
		}
		cr_assert_eq(oring_deadline_end(of[0], of[2]),
			     round ? ORING_DEADLINE_DONE : ORING_DEADLINE_EXPIRED);
		cr_assert_eq(of[1], round ? 0 : -ECANCELED);
		close(ends[0]);
		close(ends[1]);
	}
}

Test(chain, what_two_results_mean)
{
	static const struct {
		int32_t res, timer_res;
		enum oring_deadline_end end;
	} known[] = {
		{ -ECANCELED, -ETIME, ORING_DEADLINE_EXPIRED },
		{ -ECANCELED, -EALREADY, ORING_DEADLINE_EXPIRED },
		{ -ECANCELED, 1, ORING_DEADLINE_EXPIRED },
		{ -ECANCELED, 0, ORING_DEADLINE_CANCELLED },
		{ -EINTR, -ETIME, ORING_DEADLINE_EXPIRED },
		{ -EINTR, -EALREADY, ORING_DEADLINE_EXPIRED },
		{ -EINTR, -ENOENT, ORING_DEADLINE_EXPIRED }, /* 6.1 */
		{ -512, -ENOENT, ORING_DEADLINE_EXPIRED },
		{ -512, -ETIME, ORING_DEADLINE_EXPIRED },
		{ -512, -ECANCELED, ORING_DEADLINE_DONE },
		{ -ECANCELED, -ECANCELED, ORING_DEADLINE_CANCELLED },
		{ -ECANCELED, -ENOENT, ORING_DEADLINE_CANCELLED },
		{ -ECANCELED, -EINVAL, ORING_DEADLINE_CANCELLED },
		{ -EINTR, -ECANCELED, ORING_DEADLINE_DONE },
		{ 5, -ECANCELED, ORING_DEADLINE_DONE },
		{ 0, -ETIME, ORING_DEADLINE_DONE },
		{ 5, -ENOENT, ORING_DEADLINE_DONE },
		{ 5, -EALREADY, ORING_DEADLINE_DONE },
		{ -EBADF, -ECANCELED, ORING_DEADLINE_DONE },
		{ -ETIME, -ECANCELED, ORING_DEADLINE_DONE },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		cr_assert_eq(oring_deadline_end(known[i].res, known[i].timer_res), known[i].end,
			     "%d, %d", known[i].res, known[i].timer_res);
}
