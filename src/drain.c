/* SPDX-License-Identifier: MIT */
/* Cancelling everything, and waiting until it has ended. */
#include "oring/drain.h"
#include "oring/cq.h"
#include "oring/op.h"
#include "oring/reg.h"

#define SLICE 10000000 /* nanoseconds of one wait; the library reads no clock */

static void fill_cancel(struct oring_sync_cancel_reg *cancel, uint32_t flags, int64_t time)
{
	int i;

	cancel->addr = 0;
	cancel->fd = -1;
	cancel->flags = flags;
	cancel->timeout.tv_sec = time;
	cancel->timeout.tv_nsec = time;
	cancel->opcode = 0;
	for (i = 0; i < 7; i++)
		cancel->pad[i] = 0;
	for (i = 0; i < 3; i++)
		cancel->pad2[i] = 0;
}

/*
 * The kernel does not count those that a worker is at among all (io_try_cancel()
 * forgets them), but tells of them where one operation is asked for (6.6).
 */
static int cancel_each_operation(struct oring *ring)
{
	struct oring_sync_cancel_reg cancel;
	uint32_t op;
	int found = 0;

	fill_cancel(&cancel, ORING_ASYNC_CANCEL_OP, 0);
	for (op = 0; op <= ORING_OP_URING_CMD128; op++) {
		int ret;

		cancel.opcode = (uint8_t)op;
		ret = oring_register_sync_cancel(ring, &cancel);
		if (ret == -ORING_EINVAL)
			return 0;
		found += ret != -ORING_ENOENT;
	}
	return found;
}

/* How many requests were found, also such as can only be waited for. */
static int cancel_all(struct oring *ring)
{
	struct oring_sync_cancel_reg cancel;
	int ret;

	fill_cancel(&cancel, ORING_ASYNC_CANCEL_ANY | ORING_ASYNC_CANCEL_ALL, -1);
	ret = oring_register_sync_cancel(ring, &cancel);
	if (ret != 0 && ret != -ORING_ENOENT)
		return ret;
	/* What SQPOLL's workers are at is found in no way. */
	return ring->setup_flags & ORING_SETUP_SQPOLL ? 0 : cancel_each_operation(ring);
}

/* Run what was cancelled to its completion: some 20 requests with each enter. */
static int run_task_work(struct oring *ring)
{
	int before, ready = (int)oring_cq_ready(ring);

	do {
		before = ready;
		ready = oring_get_events(ring);
	} while (ready > before);
	return ready;
}

int oring_drain(struct oring *ring, const struct oring_timespec *limit)
{
	int64_t slices = limit != NULL ? limit->tv_sec * (1000000000 / SLICE) +
						 ((uint32_t)limit->tv_nsec + SLICE - 1) / SLICE
				       : INT64_MAX;
	struct oring_wait_arg slice;
	bool polled = (ring->setup_flags & ORING_SETUP_SQPOLL) != 0;
	bool waits = false; /* not before all was tried twice */
	int left, ready, before, ret;

	oring_wait_relative(&slice, 0, SLICE);
	for (before = -1;; before = ready) {
		left = cancel_all(ring);
		/* After nothing was found too: workers queue completions just before they end. */
		ready = left < 0 ? left : run_task_work(ring);
		if (ready < 0)
			return ready;
		/* SQPOLL's thread makes completions later: only a slice without any is an end. */
		if (left == 0 && (!polled || ready == before))
			return 0;
		if (waits || left == 0) {
			if (slices <= 0)
				return left;
			if ((uint32_t)ready >= ring->cq_entries)
				return left == 0 ? 0 : -ORING_EAGAIN;
			ret = oring_wait(ring, (uint32_t)ready + 1, &slice);
			if (ret == -ORING_EINTR)
				return ret;
			if ((int)oring_cq_ready(ring) == ready)
				slices--;
		}
		waits = true;
	}
}
