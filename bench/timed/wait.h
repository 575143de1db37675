/* SPDX-License-Identifier: MIT */
/* wait.h - the contenders and the benchmarks of waiting and waking, by file */
#ifndef BENCH_TIMED_WAIT_H
#define BENCH_TIMED_WAIT_H

#include "bench.h"

#define WAIT_ENTRIES 256U

extern const struct bench_contender wait_zero_l0, wait_zero_l1, wait_zero_l1_events;

extern const struct bench wake_awake;  /* wake.c */
extern const struct bench wake_asleep; /* wake_asleep.c */

#endif
