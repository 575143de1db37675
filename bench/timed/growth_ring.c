/* SPDX-License-Identifier: MIT */
/* Growth of the ring and of what is in flight on it: ours. */
#include "growth.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <oring.h>

struct busy {
	struct oring ring;
	uint32_t batch;
	uint32_t polls;
	uint32_t random;
	int eventfd;
};

static struct busy *open_busy(uint32_t entries, uint32_t batch, uint32_t polls)
{
	struct busy *busy = calloc(1, sizeof(*busy));
	int ret;

	if (busy == NULL)
		bench_fail(ENOMEM, "a ring");
	busy->batch = batch;
	busy->polls = polls;
	busy->eventfd = growth_eventfd();
	ret = oring_init_fast(&busy->ring, entries, NULL, NULL);
	if (ret == 0)
		ret = oring_start(&busy->ring);
	if (ret < 0)
		bench_fail(ret, "a ring of %u entries", entries);
	return busy;
}

static void close_busy(void *self)
{
	struct busy *busy = self;

	oring_exit(&busy->ring);
	close(busy->eventfd);
	free(busy);
}

/* ---- NOPs ---- */

static void make_nops(struct oring *ring, uint32_t batch)
{
	const struct oring_cqe *cqe;
	uint32_t cursor, end, i, good = 0;
	struct oring_sqe *sqe;
	int ret;

	for (i = 0; i < batch; i++) {
		sqe = oring_sq_reserve(ring);
		if (sqe == NULL)
			bench_fail(0, "the queue is full");
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, i);
	}
	ret = oring_submit_and_wait(ring, batch);
	if (ret != (int)batch)
		bench_fail(ret < 0 ? ret : 0, "%u NOPs were not submitted", batch);
	oring_cq_for_each (ring, cursor, end, cqe)
		good += cqe->res == 0 && cqe->user_data < batch;
	oring_cq_release_to(ring, cursor);
	if (good != batch)
		bench_fail(0, "%u of %u NOPs completed", good, batch);
}

static void run_nops(void *self, uint64_t operations, struct bench_time *time)
{
	struct busy *busy = self;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += busy->batch)
		make_nops(&busy->ring, busy->batch);
}

static void *open_ring(const struct bench_job *job)
{
	return open_busy(job->size, growth_batch(job), 0);
}

const struct bench_contender growth_ring_ours = { "ours",     "a ring by oring_init_fast()",
						  open_ring,  run_nops,
						  close_busy, NULL };

/* ---- polls in flight ---- */

static void arm(struct busy *busy, uint32_t index)
{
	struct oring_sqe *sqe = oring_sq_reserve(&busy->ring);

	if (sqe == NULL)
		bench_fail(0, "the queue is full");
	oring_prep_poll_add(sqe, oring_file_fd(busy->eventfd), POLLIN);
	oring_sqe_set_user_data(sqe, GROWTH_POLL + index);
}

static void arm_all(struct busy *busy)
{
	uint32_t i;
	int ret;

	for (i = 0; i < busy->polls; i++) {
		arm(busy, i);
		if (oring_sq_space(&busy->ring) > 0 && i + 1 < busy->polls)
			continue;
		ret = oring_submit(&busy->ring);
		if (ret < 0 || oring_sq_pending(&busy->ring) != 0)
			bench_fail(ret < 0 ? ret : 0, "%u polls were not armed", busy->polls);
	}
}

static void *open_in_flight(const struct bench_job *job)
{
	struct busy *busy = open_busy(GROWTH_ENTRIES, job->batch, job->size);

	arm_all(busy);
	return busy;
}

const struct bench_contender growth_in_flight_ours = {
	"ours", "a ring by oring_init_fast()", open_in_flight, run_nops, close_busy, NULL
};

/* ---- cancel one of them ---- */

/* Two completions come: the cancel's own, and that of the poll. */
static void await_cancelled(struct oring *ring, uint64_t target)
{
	uint32_t cursor, end, good = 0, seen = 0;
	const struct oring_cqe *cqe;
	int ret;

	while (seen < 2) {
		oring_cq_for_each (ring, cursor, end, cqe) {
			if (cqe->user_data == GROWTH_CANCEL)
				good += cqe->res == 0;
			else
				good += cqe->user_data == target && cqe->res == -ECANCELED;
			seen++;
		}
		oring_cq_release_to(ring, cursor);
		ret = seen < 2 ? oring_wait(ring, 1, NULL) : 0;
		if (ret < 0 && ret != -EINTR)
			bench_fail(ret, "oring_wait");
	}
	if (good != 2)
		bench_fail(0, "a poll was not cancelled");
}

static void run_cancel(void *self, uint64_t operations, struct bench_time *time)
{
	struct busy *busy = self;
	uint64_t i;

	(void)time;
	for (i = 0; i < operations; i++) {
		uint32_t index = growth_pick(&busy->random, busy->polls);
		struct oring_sqe *sqe = oring_sq_reserve(&busy->ring);
		int ret;

		if (sqe == NULL)
			bench_fail(0, "the queue is full");
		oring_prep_async_cancel(sqe, oring_context_from_bits(GROWTH_POLL + index), 0);
		oring_sqe_set_user_data(sqe, GROWTH_CANCEL);
		arm(busy, index);
		ret = oring_submit_and_wait(&busy->ring, 2);
		if (ret != 2)
			bench_fail(ret < 0 ? ret : 0, "a cancel was not submitted");
		await_cancelled(&busy->ring, GROWTH_POLL + index);
	}
}

const struct bench_contender growth_cancel_ours = { "ours",	    "a ring by oring_init_fast()",
						    open_in_flight, run_cancel,
						    close_busy,	    NULL };
