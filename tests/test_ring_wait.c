/* SPDX-License-Identifier: MIT */
/* Waiting: counts, times, signals, and what each kind of end is told as. */
#include "harness.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static int64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* An entry that completes by itself only after a minute. */
static uint64_t arm_long_timeout(struct rig *rig)
{
	static struct oring_timespec minute = { 60, 0 };
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_timeout(sqe, &minute, 0, 0);
	return sqe->user_data;
}

RING_TEST_FAST(wait, nothing_comes_in_time)
{
	/* A16, B11: -ETIME, not early, and no completion of the wait's own. */
	struct oring_wait_arg arg;
	int64_t begin = now_ns(CLOCK_MONOTONIC);

	oring_wait_relative(&arg, 0, 10 * 1000 * 1000);
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -ETIME);
	cr_assert_geq(now_ns(CLOCK_MONOTONIC) - begin, 10 * 1000 * 1000);
	cr_assert_null(oring_cq_peek(&rig->ring));
	cr_assert_eq(oring_get_events(&rig->ring), 0);
}

RING_TEST_FAST(wait, absolute_times)
{
	struct oring_wait_arg arg;
	int64_t begin = now_ns(CLOCK_MONOTONIC);
	int64_t until = begin + 10 * 1000 * 1000;
	int ret;

	oring_wait_absolute(&arg, until / 1000000000, until % 1000000000);
	ret = oring_wait(&rig->ring, 1, &arg);
	if (ret == -EOPNOTSUPP)
		cr_skip_test("absolute wait: not on this kernel");
	cr_assert_eq(ret, -ETIME);
	cr_assert_geq(now_ns(CLOCK_MONOTONIC), until);
	oring_wait_absolute(&arg, 0, 1); /* long past */
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -ETIME);
}

RING_TEST_FAST(wait, zero_time_does_not_sleep)
{
	struct oring_wait_arg arg;
	int i;

	oring_wait_relative(&arg, 0, 0);
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -ETIME);
	cr_assert_eq(oring_submit_and_wait_timeout(&rig->ring, 1, &arg, NULL), -ETIME);
	oring_prep_nop(rig_sqe(rig));
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_submit_and_wait_timeout(&rig->ring, 5, &arg, NULL), 2);
	for (i = 0; i < 1000 && oring_cq_ready(&rig->ring) < 2; i++) /* SQPOLL takes its time */
		usleep(1000);
	cr_assert_eq(oring_wait(&rig->ring, 5, &arg), 2, "those that there are");
	cr_assert_eq(oring_wait(&rig->ring, 0, &arg), 2);
}

/* Waits without time until all of @polls have completed; how many it took. */
static int reap_by_zero_waits(struct rig *rig, int polls)
{
	struct oring_wait_arg arg;
	struct oring_cqe cqe;
	int tries, came = 0;

	oring_wait_relative(&arg, 0, 0);
	for (tries = 0; tries < 10000 && came < polls; tries++) {
		int ret = oring_wait(&rig->ring, 1, &arg);

		cr_assert(ret > 0 || ret == -ETIME, "%d", ret);
		for (; oring_cq_take(&rig->ring, &cqe); came++) /* nothing else that enters */
			cr_assert_eq(cqe.res, POLLIN);
		if (rig->shape == SHAPE_sqpoll)
			usleep(100);
	}
	cr_assert_eq(came, polls);
	return tries;
}

RING_TEST_FAST(wait, zero_time_finds_what_comes)
{
	/* Also what the kernel put off: it does some 20 pieces of work in an enter. */
	struct oring_wait_arg arg;
	char byte = 0;
	int ends[2];
	int i, round;

	oring_wait_relative(&arg, 0, 0);
	cr_assert_eq(pipe(ends), 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 4 * RIG_ENTRIES; i++) {
			oring_prep_poll_add(rig_sqe(rig), oring_file_fd(ends[0]), POLLIN);
			cr_assert_geq(oring_submit(&rig->ring), 0);
			while (oring_sq_pending(&rig->ring) > 0)
				usleep(100);
		}
		for (i = 0; i < 40; i++)
			cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -ETIME);
		cr_assert_eq(write(ends[1], "x", 1), 1);
		if (rig->shape != SHAPE_sqpoll)
			cr_assert_gt(oring_wait(&rig->ring, 1, &arg), 0,
				     "what is shown is fetched");
		cr_assert_leq(reap_by_zero_waits(rig, 4 * RIG_ENTRIES), 4 * RIG_ENTRIES * 17);
		cr_assert_eq(read(ends[0], &byte, 1), 1);
	}
	close(ends[0]);
	close(ends[1]);
}

static void wait_enters_seldom(struct rig *rig)
{
	const uint32_t shown = ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_TASKRUN_FLAG;
	struct oring_wait_arg arg;
	int fd = rig->ring.enter_fd;
	int i, entered = 0;

	if ((oring_setup_flags(&rig->ring) & shown) != shown ||
	    !oring_has_registered_fd(&rig->ring))
		cr_skip_test("rings that show their work: not on this kernel");
	oring_wait_relative(&arg, 0, 0);
	rig->ring.enter_fd = 15; /* no ring is there: who enters is told */
	for (i = 0; i < 160; i++)
		entered += oring_wait(&rig->ring, 1, &arg) != -ETIME;
	cr_assert_eq(entered, 10);
	rig->ring.enter_fd = fd;
}

RING_TEST_ON(wait, enters_seldom, fast)

RING_TEST_FAST(wait, times_that_are_none)
{
	/* Trap 28: the kernel would take them for the past. */
	static const struct oring_timespec bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } };
	struct oring_outcome outcome;
	size_t i;

	oring_prep_nop(rig_sqe(rig));
	for (i = 0; i < 3; i++) {
		struct oring_wait_arg arg;

		oring_wait_relative(&arg, bad[i].tv_sec, bad[i].tv_nsec);
		cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -EINVAL);
		cr_assert_eq(oring_submit_and_wait_timeout(&rig->ring, 1, &arg, &outcome), -EINVAL);
		cr_assert_eq(outcome.submitted, 0);
		cr_assert_eq(outcome.error, -EINVAL);
		cr_assert_eq(oring_sq_pending(&rig->ring), 1, "nothing was entered");
		arg.flags = 8;
		cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -EINVAL);
	}
}

RING_TEST(wait, ready_ones_need_no_system_call)
{
	/* A15: the ring's descriptor is made useless, so that an enter would fail. */
	int fd;

	oring_prep_nop(rig_sqe(rig));
	oring_prep_nop(rig_sqe(rig));
	rig_wait(rig, 2);
	fd = rig->ring.enter_fd;
	rig->ring.enter_fd = -1;
	cr_assert_eq(oring_wait(&rig->ring, 2, NULL), 2);
	cr_assert_eq(oring_wait(&rig->ring, 1, NULL), 2);
	cr_assert_eq(oring_cq_ready(&rig->ring), 2);
	cr_assert_not_null(oring_cq_peek(&rig->ring));
	cr_assert_eq(oring_wait(&rig->ring, 3, NULL), -EBADF);
	rig->ring.enter_fd = fd;
}

RING_TEST_FAST(wait, counts)
{
	/* Five that complete later, by workers: waiting for all of them returns no earlier. */
	int i;

	for (i = 0; i < 5; i++) {
		struct oring_sqe *sqe = rig_sqe(rig);

		oring_prep_nop(sqe);
		oring_sqe_async(sqe);
	}
	cr_assert_eq(oring_submit(&rig->ring), 5);
	cr_assert_eq(oring_wait(&rig->ring, 5, NULL), 5);
	cr_assert_eq(oring_wait(&rig->ring, 5, NULL), 5, "again: they are still there");
}

RING_TEST_FAST(wait, an_expired_timeout_entry_ends_it)
{
	/* The kernel returns at a timeout's completion, however many were wanted. */
	struct oring_timespec ts[2] = { { 0, 300 * 1000 * 1000 }, { 60, 0 } };
	uint64_t late;

	oring_prep_timeout(rig_sqe(rig), &ts[0], 0, 0);
	oring_prep_timeout(rig_sqe(rig), &ts[1], 0, 0);
	late = rig->next_id - 1;
	cr_assert_eq(oring_submit(&rig->ring), 2);
	cr_assert_eq(oring_wait(&rig->ring, 2, NULL), 1);
	cr_assert_eq(rig_reap(rig).res, -ETIME);
	oring_prep_timeout_remove(rig_sqe(rig), oring_context_from_bits(late));
	cr_assert_eq(rig_result_of(rig, late, 2), -ECANCELED);
}

RING_TEST_FAST(wait, outcome_of_submit_and_wait)
{
	/* Trap 25: with something submitted an expired wait is no error, but is told. */
	struct oring_outcome outcome;
	struct oring_wait_arg arg;

	/* SQPOLL's thread needs a processor meanwhile. */
	int ms = rig->shape == SHAPE_sqpoll ? 900 : 50;

	oring_prep_nop(rig_sqe(rig));
	arm_long_timeout(rig);
	oring_wait_relative(&arg, 0, ms * 1000 * 1000);
	cr_assert_eq(oring_submit_and_wait_timeout(&rig->ring, 2, &arg, &outcome), 2);
	cr_assert_eq(outcome.submitted, 2);
	cr_assert_eq(outcome.ready, 1);
	cr_assert_eq(outcome.error, 0);
	oring_cq_release(&rig->ring);
	cr_assert_eq(oring_submit_and_wait_timeout(&rig->ring, 1, &arg, &outcome), -ETIME);
	cr_assert_eq(outcome.submitted, 0);
	cr_assert_eq(outcome.ready, 0);
	cr_assert_eq(outcome.error, -ETIME);
}

RING_TEST_FAST(wait, min_wait)
{
	/* Section 1.5: after min_wait one completion is enough; without any, the whole time. */
	struct oring_wait_arg arg;
	int64_t begin;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_MIN_TIMEOUT);
	oring_prep_nop(rig_sqe(rig));
	rig_wait(rig, 1);
	oring_wait_relative(&arg, 5, 0);
	arg.min_wait_usec = 5000;
	begin = now_ns(CLOCK_MONOTONIC);
	cr_assert_eq(oring_wait(&rig->ring, 5, &arg), 1);
	cr_assert_geq(now_ns(CLOCK_MONOTONIC) - begin, 5000 * 1000);
	cr_assert_lt(now_ns(CLOCK_MONOTONIC) - begin, 4000 * INT64_C(1000000));
	oring_cq_release(&rig->ring);
	oring_wait_relative(&arg, 0, 20 * 1000 * 1000);
	arg.min_wait_usec = 1000;
	begin = now_ns(CLOCK_MONOTONIC);
	cr_assert_eq(oring_wait(&rig->ring, 5, &arg), -ETIME);
	cr_assert_geq(now_ns(CLOCK_MONOTONIC) - begin, 20 * 1000 * 1000);
}

RING_TEST_FAST(wait, without_extended_arguments)
{
	/* A kernel before 5.11, played by clearing the feature: told without an enter. */
	struct oring_wait_arg arg;
	int fd = rig->ring.enter_fd;

	oring_wait_relative(&arg, 1, 0);
	rig->ring.features &= ~ORING_FEAT_EXT_ARG;
	rig->ring.wait_slot = NULL;
	rig->ring.enter_fd = -1;
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -EOPNOTSUPP);
	cr_assert_eq(oring_submit_and_wait_timeout(&rig->ring, 1, &arg, NULL), -EOPNOTSUPP);
	rig->ring.features |= ORING_FEAT_EXT_ARG;
	rig->ring.features &= ~ORING_FEAT_MIN_TIMEOUT;
	oring_wait_absolute(&arg, 1, 0);
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -EOPNOTSUPP);
	oring_wait_relative(&arg, 1, 0);
	arg.min_wait_usec = 1;
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -EOPNOTSUPP);
	rig->ring.enter_fd = fd;
	oring_wait_relative(&arg, 0, 0); /* zero needs none */
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -ETIME);
}

/* ---- signals ---- */

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

struct killer {
	pthread_t thread, target;
	int delay_ms, times;
};

static void *kill_later(void *arg)
{
	struct killer *killer = arg;
	int i;

	for (i = 0; i < killer->times; i++) {
		usleep((useconds_t)killer->delay_ms * 1000);
		pthread_kill(killer->target, SIGUSR1);
	}
	return NULL;
}

static void start_killer(struct killer *killer, int delay_ms, int times)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	signals = 0;
	killer->target = pthread_self();
	killer->delay_ms = delay_ms;
	killer->times = times;
	cr_assert_eq(pthread_create(&killer->thread, NULL, kill_later, killer), 0);
}

RING_TEST_FAST(wait, interrupted)
{
	/* Traps 21, 25, 29: -EINTR despite SA_RESTART, only if nothing is ready or submitted. */
	struct oring_outcome outcome;
	struct oring_wait_arg arg;
	struct killer killer;
	uint64_t id;

	oring_wait_relative(&arg, 10, 0);
	start_killer(&killer, 20, 1);
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -EINTR);
	pthread_join(killer.thread, NULL);
	cr_assert_eq(signals, 1);
	id = arm_long_timeout(rig);
	start_killer(&killer, 20, 1);
	cr_assert_eq(oring_submit_and_wait_timeout(&rig->ring, 1, &arg, &outcome), 1);
	pthread_join(killer.thread, NULL);
	cr_assert_eq(outcome.submitted, 1);
	cr_assert_eq(outcome.ready, 0, "ended early, for a reason that is not told");
	cr_assert_eq(outcome.error, 0);
	oring_prep_nop(rig_sqe(rig)); /* one is ready: the wait for two ends without an error */
	rig_wait(rig, 1);
	start_killer(&killer, 20, 1);
	cr_assert_eq(oring_wait(&rig->ring, 2, &arg), 1);
	pthread_join(killer.thread, NULL);
	/* Nothing is lost: all of it can still be ended and counted. */
	cr_assert_eq(rig_reap(rig).user_data, id + 1);
	oring_prep_timeout_remove(rig_sqe(rig), oring_context_from_bits(id));
	cr_assert_eq(rig_result_of(rig, id, 2), -ECANCELED);
}

RING_TEST_FAST(wait, signal_mask)
{
	/* Trap 27: blocked in the wait, delivered after it; with and without a timeout. */
	uint64_t blocked = 1ULL << (SIGUSR1 - 1);
	struct oring_wait_arg arg;
	struct killer killer;
	struct oring_timespec ts = { 0, 60 * 1000 * 1000 };

	oring_wait_relative(&arg, 0, 60 * 1000 * 1000);
	arg.sigmask = &blocked;
	start_killer(&killer, 10, 1);
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -ETIME);
	pthread_join(killer.thread, NULL);
	cr_assert_eq(signals, 1, "it came in the end");
	oring_prep_timeout(rig_sqe(rig), &ts, 0, 0);
	cr_assert_eq(oring_submit(&rig->ring), 1);
	arg.flags = 0; /* the short form of the argument */
	start_killer(&killer, 10, 1);
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), 1);
	pthread_join(killer.thread, NULL);
	cr_assert_eq(rig_reap(rig).res, -ETIME);
	cr_assert_eq(signals, 1);
	/* An empty mask lets through what the thread has blocked. */
	blocked = 0;
	start_killer(&killer, 20, 1);
	oring_wait_relative(&arg, 10, 0);
	arg.sigmask = &blocked;
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -EINTR);
	pthread_join(killer.thread, NULL);
}

RING_TEST_FAST(wait, not_counted_as_io)
{
	struct oring_wait_arg arg;
	int ret;

	oring_wait_relative(&arg, 0, 1000000);
	arg.flags |= ORING_WAIT_NO_IOWAIT;
	ret = oring_wait(&rig->ring, 1, &arg);
	if (ret == -EOPNOTSUPP) {
		cr_assert_not(oring_features(&rig->ring) & ORING_FEAT_NO_IOWAIT);
		cr_skip_test("waits that do not count as I/O: not on this kernel");
	}
	cr_assert_eq(ret, -ETIME);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_geq(oring_submit_and_wait_timeout(&rig->ring, 1, &arg, NULL), 0);
	cr_assert_eq(rig_result(rig), 0);
	arg.flags = ORING_WAIT_NO_IOWAIT;
	oring_prep_nop(rig_sqe(rig));
	cr_assert_geq(oring_submit_and_wait_timeout(&rig->ring, 1, &arg, NULL), 0);
	cr_assert_eq(rig_result(rig), 0);
	arg.timeout.tv_sec = 0;
	arg.timeout.tv_nsec = 0;
	arg.flags = ORING_WAIT_NO_IOWAIT | ORING_WAIT_TIMEOUT;
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -ETIME, "a zero time does not sleep");
	arg.flags = 1U << 9;
	cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -EINVAL);
}

RING_TEST_FAST(wait, absolute_times_of_each_clock)
{
	static const clockid_t clocks[] = { CLOCK_BOOTTIME, CLOCK_MONOTONIC };
	struct timespec before, after;
	struct oring_wait_arg arg;
	int ret;
	size_t i;

	for (i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		ret = oring_register_clock(&rig->ring, (uint32_t)clocks[i]);
		SKIP_IF_REFUSED(ret, "clocks of waits");
		cr_assert_eq(ret, 0);
		cr_assert_eq(clock_gettime(clocks[i], &before), 0);
		oring_wait_absolute(&arg, before.tv_sec, before.tv_nsec);
		cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -ETIME, "now is over");
		arg.timeout.tv_nsec += 20000000;
		if (arg.timeout.tv_nsec >= 1000000000) {
			arg.timeout.tv_nsec -= 1000000000;
			arg.timeout.tv_sec++;
		}
		cr_assert_eq(oring_wait(&rig->ring, 1, &arg), -ETIME);
		cr_assert_eq(clock_gettime(clocks[i], &after), 0);
		cr_assert(after.tv_sec > arg.timeout.tv_sec ||
				  (after.tv_sec == arg.timeout.tv_sec &&
				   after.tv_nsec >= arg.timeout.tv_nsec),
			  "it ended before its time");
	}
	cr_assert_eq(oring_register_clock(&rig->ring, 12345), -EINVAL);
}
