/* SPDX-License-Identifier: MIT */
/*
 * Giving buffers back to a ring of provided buffers, without a kernel. The number of each
 * is read from a list, as it would be from a completion; a batch is made visible at once.
 */
#include "queues.h"

#include <string.h>
#include <sys/mman.h>

#include "oring.h"

#define RING_BYTES   (QUEUE_BUFFERS * sizeof(struct queue_buffer))
#define MEMORY_BYTES ((size_t)QUEUE_BUFFERS * QUEUE_BYTES)

static void put_all(struct queue_group *group)
{
	uint32_t i;

	for (i = 0; i < QUEUE_BUFFERS; i++) {
		group->ring[i].addr =
			(uint64_t)(uintptr_t)(group->memory + (size_t)i * QUEUE_BYTES);
		group->ring[i].len = QUEUE_BYTES;
		group->ring[i].bid = (uint16_t)i;
	}
}

void queue_group_open(struct queue_group *group, bool in_order)
{
	uint64_t random = 1;
	uint32_t i;

	group->ring = bench_alloc(RING_BYTES);
	group->memory = bench_alloc(MEMORY_BYTES);
	put_all(group);
	for (i = 0; i < QUEUE_BUFFERS; i++)
		group->back[i] = (uint16_t)i;
	for (i = QUEUE_BUFFERS - 1; i > 0 && !in_order; i--) {
		uint16_t *one = &group->back[i], *other, swapped;

		random = random * 6364136223846793005U + 1442695040888963407U;
		other = &group->back[(random >> 33) % (i + 1)];
		swapped = *one;
		*one = *other;
		*other = swapped;
	}
}

void queue_group_close(struct queue_group *group)
{
	munmap(group->ring, RING_BYTES);
	munmap(group->memory, MEMORY_BYTES);
}

void queue_group_check(const struct queue_group *group, uint64_t given)
{
	uint64_t number;

	if (group->ring[0].tail != (uint16_t)given)
		bench_fail(0, "the buffer ring's tail is not where it should be");
	for (number = given - QUEUE_BATCH; number < given; number++) {
		const struct queue_buffer *buffer = &group->ring[number % QUEUE_BUFFERS];
		uint16_t bid = group->back[number % QUEUE_BUFFERS];

		if (buffer->bid != bid || buffer->len != QUEUE_BYTES ||
		    buffer->addr !=
			    (uint64_t)(uintptr_t)(group->memory + (size_t)bid * QUEUE_BYTES))
			bench_fail(0, "a buffer is not where it should be");
	}
}

/* ---- ours ---- */

struct recycler {
	struct queue_group group;
	struct oring_bufring ring;
	uint64_t given;
};

static void *open_as(bool in_order)
{
	struct recycler *recycler = bench_alloc(sizeof(*recycler));

	queue_group_open(&recycler->group, in_order);
	recycler->ring.bufs = (struct oring_buf *)(void *)recycler->group.ring;
	recycler->ring.mask = QUEUE_BUFFERS - 1;
	return recycler;
}

static void *open_order(const struct bench_job *job)
{
	(void)job;
	return open_as(true);
}

static void *open_any(const struct bench_job *job)
{
	(void)job;
	return open_as(false);
}

static void close_recycler(void *self)
{
	struct recycler *recycler = self;

	queue_group_close(&recycler->group);
	munmap(recycler, sizeof(*recycler));
}

/* Buffers that lie in the next places are added by moving on; after the first other, one by one. */
__attribute__((noinline)) static void give_in_order(struct oring_bufring *ring,
						    const uint16_t *back, unsigned char *memory)
{
	uint16_t first = ring->tail, mask = ring->mask;
	uint32_t i = 0;

	while (i < QUEUE_BATCH && back[i] == ((first + i) & mask))
		i++;
	oring_bufring_repeat(ring, (uint16_t)i);
	for (; i < QUEUE_BATCH; i++)
		oring_bufring_add(ring, memory + (size_t)back[i] * QUEUE_BYTES, QUEUE_BYTES,
				  back[i]);
	oring_bufring_commit(ring);
}

__attribute__((noinline)) static void give_any(struct oring_bufring *ring, const uint16_t *back,
					       unsigned char *memory)
{
	uint32_t i;

	for (i = 0; i < QUEUE_BATCH; i++)
		oring_bufring_place(ring, i, memory + (size_t)back[i] * QUEUE_BYTES, QUEUE_BYTES,
				    back[i]);
	oring_bufring_repeat(ring, QUEUE_BATCH);
	oring_bufring_commit(ring);
}

static void run_order(void *self, uint64_t operations, struct bench_time *time)
{
	struct recycler *recycler = self;
	struct queue_group *group = &recycler->group;
	uint64_t end = recycler->given + operations;

	(void)time;
	for (; recycler->given < end; recycler->given += QUEUE_BATCH)
		give_in_order(&recycler->ring, &group->back[recycler->given % QUEUE_BUFFERS],
			      group->memory);
	queue_group_check(group, recycler->given);
}

static void run_any(void *self, uint64_t operations, struct bench_time *time)
{
	struct recycler *recycler = self;
	struct queue_group *group = &recycler->group;
	uint64_t end = recycler->given + operations;

	(void)time;
	for (; recycler->given < end; recycler->given += QUEUE_BATCH)
		give_any(&recycler->ring, &group->back[recycler->given % QUEUE_BUFFERS],
			 group->memory);
	queue_group_check(group, recycler->given);
}

/* ---- the bare loop ---- */

__attribute__((noinline)) static void give_bare(struct queue_buffer *ring, uint16_t tail,
						const uint16_t *back, unsigned char *memory)
{
	uint32_t i;

	for (i = 0; i < QUEUE_BATCH; i++) {
		struct queue_buffer *buffer = &ring[(tail + i) % QUEUE_BUFFERS];

		buffer->addr = (uint64_t)(uintptr_t)(memory + (size_t)back[i] * QUEUE_BYTES);
		buffer->len = QUEUE_BYTES;
		buffer->bid = back[i];
	}
	__atomic_store_n(&ring[0].tail, (uint16_t)(tail + QUEUE_BATCH), __ATOMIC_RELEASE);
}

__attribute__((noinline)) static void give_bare_in_order(struct queue_buffer *ring, uint16_t tail,
							 const uint16_t *back)
{
	uint32_t i;

	for (i = 0; i < QUEUE_BATCH; i++) {
		if (back[i] != (tail + i) % QUEUE_BUFFERS)
			bench_fail(0, "a buffer came out of turn");
	}
	__atomic_store_n(&ring[0].tail, (uint16_t)(tail + QUEUE_BATCH), __ATOMIC_RELEASE);
}

static void run_bare_order(void *self, uint64_t operations, struct bench_time *time)
{
	struct recycler *recycler = self;
	struct queue_group *group = &recycler->group;
	uint64_t end = recycler->given + operations;

	(void)time;
	for (; recycler->given < end; recycler->given += QUEUE_BATCH)
		give_bare_in_order(group->ring, (uint16_t)recycler->given,
				   &group->back[recycler->given % QUEUE_BUFFERS]);
	queue_group_check(group, recycler->given);
}

static void run_bare_any(void *self, uint64_t operations, struct bench_time *time)
{
	struct recycler *recycler = self;
	struct queue_group *group = &recycler->group;
	uint64_t end = recycler->given + operations;

	(void)time;
	for (; recycler->given < end; recycler->given += QUEUE_BATCH)
		give_bare(group->ring, (uint16_t)recycler->given,
			  &group->back[recycler->given % QUEUE_BUFFERS], group->memory);
	queue_group_check(group, recycler->given);
}

/* ---- the benchmarks ---- */

static const struct bench_contender ours_order = {
	"ours",
	"oring_bufring_repeat where the buffer is next in turn, oring_bufring_commit",
	open_order,
	run_order,
	close_recycler,
	NULL
};
static const struct bench_contender ours_any = {
	"ours", "oring_bufring_add, oring_bufring_commit", open_any, run_any, close_recycler, NULL
};
static const struct bench_contender bare_order = {
	"bare",		"the turn is checked, and the tail moved once",
	open_order,	run_bare_order,
	close_recycler, NULL
};
static const struct bench_contender bare_any = {
	"bare", "three stores a buffer, and the tail", open_any, run_bare_any, close_recycler, NULL
};

static const struct bench_contender *const order_contenders[] = { &ours_order, &bare_order,
								  &queue_order_l1, NULL };
static const struct bench_contender *const any_contenders[] = { &ours_any, &bare_any, &queue_any_l1,
								NULL };

const struct bench queue_recycle_order = {
	.name = "bufring-recycle-in-order",
	.what = "Provided buffers are given back in the order in which they were taken; "
		"32 at a time, no system call",
	.operation = "buffer",
	.job = { .batch = QUEUE_BATCH },
	.contenders = order_contenders,
};
const struct bench queue_recycle_any = {
	.name = "bufring-recycle-any-order",
	.what = "Provided buffers are given back in any order; 32 at a time, no system call",
	.operation = "buffer",
	.job = { .batch = QUEUE_BATCH },
	.contenders = any_contenders,
};
