/* SPDX-License-Identifier: MIT */
/*
 * setup.h - what the contenders of the setup benchmarks have in common
 *
 * A ring is made and ended, again and again. The kernel gives back what it charged for
 * a ring some time after its end: where that is limited (RLIMIT_MEMLOCK), making one
 * may have to wait for it.
 */
#ifndef BENCH_TIMED_SETUP_H
#define BENCH_TIMED_SETUP_H

#include "bench.h"

#include <errno.h>
#include <unistd.h>

#define SETUP_TRIES   1000
#define SETUP_WAIT_US 1000

extern const struct bench_contender setup_l0, setup_l1, setup_l1_fast;

/* @error: what making a ring said, a positive errno. Returns if it is to be tried again. */
static inline void setup_retry(int error, uint64_t *retries, unsigned int tries)
{
	if (error != ENOMEM || tries == SETUP_TRIES)
		bench_fail(error, "a ring cannot be made");
	++*retries;
	usleep(SETUP_WAIT_US);
}

/* Told only where it happened: such a time is the limit's. */
static inline void setup_note(uint64_t retries)
{
	if (retries > 0)
		bench_note("waits for memory", (double)retries);
}

#endif
