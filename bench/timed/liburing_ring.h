/* SPDX-License-Identifier: MIT */
/*
 * liburing_ring.h - liburing, as two kinds of its users have it
 *
 * L0: as its examples do: no setup flags. L1: tuned, with what oring_init_fast() gives
 * ours: single issuer, deferred task work, a registered descriptor. (Since 2.5 liburing
 * asks for a queue without an index array by itself.)
 *
 * A program built without liburing has these contenders too: they are absent, and say so.
 */
#ifndef BENCH_LIBURING_RING_H
#define BENCH_LIBURING_RING_H

#include "bench.h"

#ifdef BENCH_LIBURING

#include <liburing.h>
#include <string.h>

#define LIBURING_L1_FLAGS \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL)

static inline void liburing_open(struct io_uring *ring, unsigned int entries, bool tuned)
{
	struct io_uring_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = tuned ? LIBURING_L1_FLAGS : 0;
	ret = io_uring_queue_init_params(entries, ring, &params);
	if (ret < 0)
		bench_fail(ret, "io_uring_queue_init_params");
	if (tuned) {
		ret = io_uring_register_ring_fd(ring);
		if (ret < 0)
			bench_fail(ret, "io_uring_register_ring_fd");
	}
}

#else

/* Defines a contender that says that it is not there. */
#define WITHOUT_LIBURING(variable, contender_name)                   \
	static void *open_##variable(const struct bench_job *job)    \
	{                                                            \
		(void)job;                                           \
		bench_absent("built without liburing");              \
		return NULL;                                         \
	}                                                            \
	const struct bench_contender variable = {                    \
		contender_name, "liburing", open_##variable, 0, 0, 0 \
	}

#endif
#endif
