/* SPDX-License-Identifier: MIT */
/*
 * nop.h - what the contenders of the NOP benchmarks have in common
 *
 * Each batch: entries one by one, with a number of the program's as identity; one call
 * that submits and waits for all; a walk over the completions, which adds up what they
 * say; and the check that it is what was asked for.
 */
#ifndef BENCH_TIMED_NOP_H
#define BENCH_TIMED_NOP_H

#include "bench.h"

#define NOP_ENTRIES 256U
#define NOP_TOKENS  128U /* operations in flight that have a record each */

extern const struct bench_contender nop_l0, nop_l1, nop_l1_batch;
extern const struct bench_contender nop_timeout_l0, nop_timeout_l1, nop_timeout_l1_reg;
extern const struct bench_contender nop_token_l1;

/* What a walk over completions found. */
struct nop_sum {
	uint64_t count;
	uint64_t identities;
	uint32_t results; /* bits of all */
};

static inline void nop_add(struct nop_sum *sum, uint64_t identity, int32_t result)
{
	sum->count++;
	sum->identities += identity;
	sum->results |= (uint32_t)result;
}

static inline void nop_check(const struct nop_sum *sum, uint64_t first, uint64_t batch)
{
	if (sum->count != batch || sum->results != 0 ||
	    sum->identities != batch * first + batch * (batch - 1) / 2)
		bench_fail(0, "NOPs: %llu completions of %llu, or wrong ones",
			   (unsigned long long)sum->count, (unsigned long long)batch);
}

/* Who is called when a NOP with a callback has completed. */
struct nop_callback {
	void (*done)(void *argument, int32_t result);
	void *argument;
};

/* A callback: not to be inlined where it is called. */
__attribute__((noinline, unused)) static void nop_done(void *argument, int32_t result)
{
	nop_add(argument, 1, result);
}

static inline void nop_check_called(struct nop_sum *sum, uint64_t batch)
{
	if (sum->count != batch || sum->results != 0)
		bench_fail(0, "NOPs: %llu callbacks of %llu, or wrong results",
			   (unsigned long long)sum->count, (unsigned long long)batch);
	sum->count = 0;
}

#endif
