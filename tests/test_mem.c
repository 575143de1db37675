/* SPDX-License-Identifier: MIT */
/*
 * Loads and stores as rings use them: two threads pass numbers through one
 * slot, and no number is torn, lost or seen before it was written. (Order under
 * weak memory models is the stress programs' and the model's business.)
 */
#include "harness.h"

#include <pthread.h>

#define ROUNDS 5000

static uint32_t tail, head;
static uint64_t slot;

static void *produce(void *unused)
{
	uint32_t i;

	(void)unused;
	for (i = 0; i < ROUNDS; i++) {
		while (oring_load_acquire(&head) != i)
			;
		slot = (uint64_t)i * 0x100000001;
		oring_store_release(&tail, i + 1);
	}
	return NULL;
}

Test(mem, release_hands_over_to_acquire, .timeout = TEST_SECONDS)
{
	pthread_t thread;
	uint32_t i;

	cr_assert_eq(pthread_create(&thread, NULL, produce, NULL), 0);
	for (i = 0; i < ROUNDS; i++) {
		while (oring_load_acquire(&tail) != i + 1)
			;
		if (slot != (uint64_t)i * 0x100000001)
			break;
		oring_store_release(&head, i + 1);
	}
	cr_assert_eq(i, ROUNDS);
	pthread_join(thread, NULL);
}

Test(mem, widths)
{
	uint32_t word = 0xffffffff;
	uint16_t halves[2] = { 0xaaaa, 0xbbbb };

	oring_store_relaxed(&word, 0x12345678);
	cr_assert_eq(oring_load_relaxed(&word), 0x12345678);
	oring_store_release16(&halves[0], 0x1111);
	cr_assert_eq(halves[0], 0x1111);
	cr_assert_eq(halves[1], 0xbbbb, "the neighbour is not touched");
	oring_fence();
}
