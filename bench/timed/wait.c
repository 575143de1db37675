/* SPDX-License-Identifier: MIT */
/* A wait of no time, on a ring where nothing is in flight: the look of an event loop that goes on. */
#include "bare.h"
#include "wait.h"

#include "oring.h"

struct waiter {
	struct oring ring;
	struct oring_wait_arg no_time;
};

static void *open_ours(const struct bench_job *job)
{
	struct waiter *waiter = bench_alloc(sizeof(*waiter));
	int ret = oring_init_fast(&waiter->ring, WAIT_ENTRIES, NULL, NULL);

	(void)job;
	if (ret == 0)
		ret = oring_start(&waiter->ring);
	if (ret < 0)
		bench_fail(ret, "a fast ring");
	oring_wait_relative(&waiter->no_time, 0, 0);
	return waiter;
}

static void close_ours(void *self)
{
	struct waiter *waiter = self;

	oring_exit(&waiter->ring);
	munmap(waiter, sizeof(*waiter));
}

static void run_ours(void *self, uint64_t operations, struct bench_time *time)
{
	struct waiter *waiter = self;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done++) {
		int ret = oring_wait(&waiter->ring, 1, &waiter->no_time);

		if (ret != -ETIME)
			bench_fail(ret, "oring_wait on an empty ring returned %d", ret);
	}
}

/* ---- the bare loop ---- */

static void *open_bare(const struct bench_job *job)
{
	struct bare *bare = bench_alloc(sizeof(*bare));

	(void)job;
	if (bare_open(bare, WAIT_ENTRIES, 0))
		return bare;
	munmap(bare, sizeof(*bare));
	return NULL;
}

static void close_bare(void *self)
{
	bare_close(self);
	munmap(self, sizeof(struct bare));
}

static void run_bare(void *self, uint64_t operations, struct bench_time *time)
{
	struct bare *bare = self;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done++) {
		long ret = bare_enter(bare, 0, 0, ORING_ENTER_GETEVENTS, NULL, 0);

		if (ret != 0 || bare_end(bare) != bare->reaped)
			bench_fail(ret < 0 ? errno : 0, "an enter on an empty ring");
	}
}

/* ---- the benchmarks ---- */

static const struct bench_contender ours = { "ours",	 "oring_wait with a time of 0",
					     open_ours,	 run_ours,
					     close_ours, NULL };
static const struct bench_contender bare = {
	"bare", "an enter that gets events and waits for none", open_bare, run_bare, close_bare,
	NULL
};

static const struct bench_contender *const contenders[] = {
	&ours, &bare, &wait_zero_l0, &wait_zero_l1, &wait_zero_l1_events, NULL
};

static const struct bench wait_zero = {
	.name = "wait-zero",
	.what = "A wait for one completion with a time limit of 0, with nothing in flight",
	.operation = "wait",
	.round_us = 400, /* some peers take hundreds of times as long */
	.operations = 1000,
	.contenders = contenders,
};

const struct bench *const bench_wait[] = { &wait_zero, &wake_awake, &wake_asleep, NULL };
