/* SPDX-License-Identifier: MIT */
/*
 * Waking a thread that sleeps on another CPU. Time is from the notification until the
 * owner runs and has seen it; CPU time is the notifier's, for the notification alone.
 * What the owner takes is a note.
 */
#include "wait.h"
#include "wake_owner.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oring.h"

/* So long after an owner's last work it is asleep. */
#define TO_SLEEP_NS 50000U

enum way {
	BY_RING,    /* oring_wake_ring() */
	BY_EVENTFD, /* oring_wake_eventfd(), and the ring reads the eventfd */
	BY_READ,    /* an eventfd that the owner itself reads: no ring */
};

struct sleeper {
	struct owner owner;
	enum way way;
	struct oring ring;
	int eventfd;
	bool reading; /* a read of the eventfd is in flight */
	uint64_t value;
	uint64_t sent, woken;
	uint64_t last; /* of a run that is over */
	struct oring_wake wake __attribute__((aligned(64)));
	struct oring_post post __attribute__((aligned(64)));
};

static void set_up(void *self)
{
	struct sleeper *sleeper = self;
	int ret = oring_start(&sleeper->ring);

	if (ret < 0)
		bench_fail(ret, "oring_start");
}

static void ask_eventfd(struct sleeper *sleeper)
{
	struct oring_sqe *sqe = oring_sq_reserve(&sleeper->ring);

	if (sqe == NULL)
		bench_fail(0, "the queue is full");
	oring_prep_read(sqe, oring_file_fd(sleeper->eventfd), &sleeper->value,
			sizeof(sleeper->value), 0);
	oring_sqe_set_user_data(sqe, 1);
	sleeper->reading = true;
}

static void reap(struct sleeper *sleeper)
{
	const struct oring_cqe *cqe;
	uint32_t cursor, end;

	oring_cq_for_each (&sleeper->ring, cursor, end, cqe) {
		if (cqe->user_data != 1 ||
		    cqe->res != (sleeper->way == BY_EVENTFD ? (int)sizeof(sleeper->value) : 0))
			bench_fail(cqe->res < 0 ? cqe->res : 0, "a notification");
		sleeper->reading = false;
	}
	oring_cq_release_to(&sleeper->ring, cursor);
}

/* All that was sent has been handled, and no more will be. */
static bool is_over(const struct sleeper *sleeper)
{
	return owner_is_over(&sleeper->owner) && sleeper->owner.handled == sleeper->last;
}

/* As in wake.h. */
static void serve_ring(void *self)
{
	struct sleeper *sleeper = self;

	for (;;) {
		struct oring_post *post;
		int ret;

		for (post = oring_wake_take(&sleeper->wake); post != NULL; post = post->next)
			owner_handled(&sleeper->owner, 1);
		if (is_over(sleeper))
			return;
		if (sleeper->way == BY_EVENTFD && !sleeper->reading)
			ask_eventfd(sleeper);
		ret = oring_submit_and_wait(&sleeper->ring, oring_wake_sleep(&sleeper->wake));
		if (ret < 0)
			bench_fail(ret, "oring_submit_and_wait");
		reap(sleeper);
	}
}

static void serve_read(void *self)
{
	struct sleeper *sleeper = self;
	uint64_t n;

	while (!is_over(sleeper)) {
		if (read(sleeper->eventfd, &n, sizeof(n)) != (ssize_t)sizeof(n))
			bench_fail(errno, "read of an eventfd");
		owner_handled(&sleeper->owner, n);
	}
}

static void *open_as(enum way way)
{
	struct sleeper *sleeper = bench_alloc(sizeof(*sleeper));
	int ret;

	sleeper->way = way;
	sleeper->eventfd = eventfd(0, EFD_CLOEXEC);
	if (sleeper->eventfd < 0)
		bench_fail(errno, "eventfd");
	oring_wake_init(&sleeper->wake);
	if (way == BY_READ) {
		owner_start(&sleeper->owner, NULL, serve_read, sleeper);
		return sleeper;
	}
	ret = oring_init_fast(&sleeper->ring, WAIT_ENTRIES, NULL, NULL);
	if (ret < 0)
		bench_fail(ret, "oring_init_fast");
	owner_start(&sleeper->owner, set_up, serve_ring, sleeper);
	return sleeper;
}

static void close_sleeper(void *self)
{
	struct sleeper *sleeper = self;

	owner_stop(&sleeper->owner);
	if (sleeper->way != BY_READ)
		oring_exit(&sleeper->ring);
	close(sleeper->eventfd);
	munmap(sleeper, sizeof(*sleeper));
}

static void *open_ours(const struct bench_job *job)
{
	/* A file that is no ring: refused for that, or because the call is not known. */
	int ret = oring_wake_ring(STDIN_FILENO, oring_context_from_bits(0));

	(void)job;
	if (ret == -EINVAL) {
		bench_absent("this kernel has no messages to rings by registration");
		return NULL;
	}
	return open_as(BY_RING);
}

static void *open_ours_eventfd(const struct bench_job *job)
{
	(void)job;
	return open_as(BY_EVENTFD);
}

static void *open_read(const struct bench_job *job)
{
	(void)job;
	return open_as(BY_READ);
}

static void notify(struct sleeper *sleeper)
{
	int ret = 0;

	sleeper->sent++;
	if (sleeper->way == BY_READ) {
		ret = oring_wake_eventfd(sleeper->eventfd);
	} else if (oring_wake_post(&sleeper->wake, &sleeper->post)) {
		sleeper->woken++;
		ret = sleeper->way == BY_EVENTFD ? oring_wake_eventfd(sleeper->eventfd)
						 : oring_wake_ring(oring_fd(&sleeper->ring),
								   oring_context_from_bits(1));
	}
	if (ret < 0)
		bench_fail(ret, "a notification");
}

static void let_sleep(void)
{
	uint64_t until = bench_now() + TO_SLEEP_NS;

	while (bench_now() < until)
		owner_relax();
}

static void run(void *self, uint64_t operations, struct bench_time *time)
{
	struct sleeper *sleeper = self;
	uint64_t cpu, notifying = 0, until_runs = 0, done;

	owner_begin(&sleeper->owner);
	sleeper->woken = 0;
	cpu = owner_cpu(&sleeper->owner);
	for (done = 0; done < operations; done++) {
		uint64_t begin;

		let_sleep();
		begin = bench_now();
		notify(sleeper);
		notifying += bench_now() - begin;
		owner_await(&sleeper->owner, sleeper->sent);
		until_runs += bench_now() - begin;
	}
	cpu = owner_cpu(&sleeper->owner) - cpu;
	if (sleeper->way != BY_READ)
		bench_note("found asleep", (double)sleeper->woken / (double)operations);
	bench_note("owner's CPU, ns a notification", (double)cpu / (double)operations);
	time->wall_ns = until_runs;
	time->cpu_ns = notifying;
	/* One more, so that it wakes up and looks. */
	sleeper->last = sleeper->sent + 1;
	owner_end(&sleeper->owner);
	notify(sleeper);
	owner_join(&sleeper->owner);
}

/* ---- the benchmark ---- */

static const struct bench_contender ours = {
	"ours",	       "oring_wake_post, oring_wake_ring: a completion in the owner's ring",
	open_ours,     run,
	close_sleeper, NULL
};
static const struct bench_contender ours_eventfd = {
	"ours-eventfd",	   "oring_wake_post, oring_wake_eventfd: the owner's ring reads an eventfd",
	open_ours_eventfd, run,
	close_sleeper,	   NULL
};
static const struct bench_contender by_read = {
	"eventfd",     "write; the owner sleeps in read(2), without a ring",
	open_read,     run,
	close_sleeper, NULL
};

static const struct bench_contender *const contenders[] = { &ours, &ours_eventfd, &by_read, NULL };

const struct bench wake_asleep = {
	.name = "wake-asleep",
	.what = "A thread that sleeps on another CPU is notified: time until it runs, "
		"and CPU time of the notifier",
	.operation = "notification",
	.round_us = 20000,
	.operations = 200,
	.contenders = contenders,
};
