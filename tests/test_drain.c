/* SPDX-License-Identifier: MIT */
/* Ending what is in flight. */
#include "harness.h"

#include <poll.h>

/* One of each kind of request that waits: polled, in a worker, timed, multishot. */
#define KINDS 4

static void wait_in_vain(struct rig *rig, int fd, char *byte, const struct oring_timespec *ts)
{
	struct oring_sqe *sqe;

	oring_prep_read(rig_sqe(rig), oring_file_fd(fd), byte, 1, 0);
	sqe = rig_sqe(rig);
	oring_prep_read(sqe, oring_file_fd(fd), byte, 1, 0);
	oring_sqe_async(sqe);
	oring_prep_timeout(rig_sqe(rig), ts, 0, 0);
	oring_prep_poll_add(rig_sqe(rig), oring_file_fd(fd), POLLIN);
	cr_assert_geq(oring_submit(&rig->ring), 0);
}

/* Whether the kernel tells of requests that a worker is at (6.6, not with SQPOLL). */
static bool workers_are_told_of(struct rig *rig)
{
	struct oring_sync_cancel_reg cancel = {
		.fd = -1,
		.flags = ORING_ASYNC_CANCEL_OP,
		.opcode = ORING_OP_READV, /* 0 would do before 6.6, too: there it is padding */
	};

	return rig->shape != SHAPE_sqpoll &&
	       oring_register_sync_cancel(&rig->ring, &cancel) == -ENOENT;
}

RING_TEST(drain, cancels_what_waits)
{
	/* A52: when it returns, every request has completed, and its memory is the caller's. */
	static const struct oring_timespec hour = { 3600, 0 };
	struct oring_timespec limit = { 5, 0 };
	char byte = 0;
	int ends[2];
	int ret, i;

	ret = oring_drain(&rig->ring, &limit);
	SKIP_IF_REFUSED(ret, "synchronous cancel of everything");
	cr_assert_eq(ret, 0, "there is nothing");
	cr_assert_eq(pipe(ends), 0);
	for (i = 0; i < 3; i++)
		wait_in_vain(rig, ends[0], &byte, &hour);
	for (i = 0; i < 1000 && oring_sq_pending(&rig->ring) > 0; i++)
		usleep(1000);
	cr_assert_eq(oring_drain(&rig->ring, &limit), 0);
	/* Workers that no kernel tells of may outlast the 0: their completions are counted. */
	for (i = 0; i < 500 && !workers_are_told_of(rig) && oring_cq_ready(&rig->ring) < 3 * KINDS;
	     i++) {
		usleep(10000);
		cr_assert_eq(oring_drain(&rig->ring, &limit), 0);
	}
	cr_assert_eq(oring_cq_ready(&rig->ring), 3 * KINDS, "%u", oring_cq_ready(&rig->ring));
	for (i = 0; i < 3 * KINDS; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert(cqe.res == -ECANCELED || cqe.res == -EINTR, "%d", cqe.res);
	}
	/* Nobody reads this any more. */
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	close(ends[1]);
}

RING_TEST(drain, leaves_entries_that_are_not_submitted)
{
	struct oring_timespec limit = { 5, 0 };
	int ret;

	if (rig->shape == SHAPE_sqpoll)
		return; /* its thread takes them when it likes */
	oring_prep_nop(rig_sqe(rig));
	ret = oring_drain(&rig->ring, &limit);
	SKIP_IF_REFUSED(ret, "synchronous cancel of everything");
	cr_assert_eq(ret, 0);
	cr_assert_eq(oring_sq_pending(&rig->ring), 1);
	cr_assert_eq(rig_result(rig), 0);
}
