/* SPDX-License-Identifier: MIT */
/* memlock.h - what a contender is charged against RLIMIT_MEMLOCK */
#ifndef BENCH_MEMLOCK_H
#define BENCH_MEMLOCK_H

#include "bench.h"

/*
 * The smallest limit, in bytes, with which a user without CAP_IPC_LOCK can open it;
 * 0 if it is charged nothing; -1 if that cannot be told: without root, or where it is
 * above 64 MiB or the highest limit that this process may set. Opens it some 15 times.
 */
int64_t bench_memlock(const struct bench_contender *contender, const struct bench_job *job);

#endif
