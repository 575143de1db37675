/* SPDX-License-Identifier: MIT */
/*
 * queues.h - what the contenders of the queue benchmarks have in common
 *
 * A mock ring is memory of this program. Between batches, which are functions that are
 * called and not inlined, one store plays the kernel: it has taken all entries, or has
 * made as many completions. No system call is made; so only the library's own
 * instructions are timed, and these benchmarks say nothing of a program's speed.
 */
#ifndef BENCH_TIMED_QUEUES_H
#define BENCH_TIMED_QUEUES_H

#include "bench.h"

#define QUEUE_BATCH	 32U
#define QUEUE_SQ_ENTRIES 256U
#define QUEUE_CQ_ENTRIES 512U
#define QUEUE_BUFFERS	 256U
#define QUEUE_BYTES	 4096U /* of a read, and of a buffer */

extern const struct bench_contender queue_prep_l1;
extern const struct bench_contender queue_reap_l1, queue_reap_l1_batch, queue_reap_l1_peek;
extern const struct bench_contender queue_order_l1, queue_any_l1;
extern const struct bench queue_recycle_order, queue_recycle_any; /* queues_bufring.c */

/* A mock ring's memory, as the kernel lays out 64-byte entries and 16-byte completions. */
struct queue_memory {
	uint64_t sqes[QUEUE_SQ_ENTRIES][8] __attribute__((aligned(64)));
	struct {
		uint64_t user_data;
		int32_t res;
		uint32_t flags;
	} cqes[QUEUE_CQ_ENTRIES] __attribute__((aligned(64)));
	uint32_t sq_head __attribute__((aligned(64)));
	uint32_t sq_tail, sq_flags, sq_dropped;
	uint32_t cq_head __attribute__((aligned(64)));
	uint32_t cq_tail, cq_flags, cq_overflow;
};

/* What is prepared: known only when the program runs. */
struct queue_read {
	int fd;
	uint32_t length;
	void *memory;
};

/* Identity and offset of read @number. */
#define QUEUE_OFFSET(number) ((uint64_t)(number)*QUEUE_BYTES)

/* The completion in slot @i. */
static inline uint64_t queue_identity(uint32_t i)
{
	return (uint64_t)(i + 1) << 4;
}

static inline void queue_fill(struct queue_memory *memory)
{
	uint32_t i;

	for (i = 0; i < QUEUE_CQ_ENTRIES; i++) {
		memory->cqes[i].user_data = queue_identity(i);
		memory->cqes[i].res = (int32_t)i;
	}
}

/* What @operations completions from slot @first add up to: identities and results. */
static inline void queue_check_reaped(uint32_t first, uint64_t operations, uint64_t sum)
{
	uint64_t times = operations / QUEUE_CQ_ENTRIES, rest = operations % QUEUE_CQ_ENTRIES;
	uint64_t expected = 0;
	uint32_t i;

	for (i = 0; i < QUEUE_CQ_ENTRIES; i++) {
		uint32_t slot = (first + i) % QUEUE_CQ_ENTRIES;

		expected += (times + (i < rest ? 1 : 0)) * (queue_identity(slot) + slot);
	}
	if (sum != expected)
		bench_fail(0, "completions are not what was made");
}

/* The last batch of entries, which ends with read @last, is what was asked for. */
static inline void queue_check_sqes(const struct queue_memory *memory,
				    const struct queue_read *read, uint64_t last, uint32_t opcode)
{
	uint64_t number;

	for (number = last + 1 - QUEUE_BATCH; number <= last; number++) {
		const uint64_t *word = memory->sqes[number % QUEUE_SQ_ENTRIES];

		if (word[0] != (opcode | (uint64_t)(uint32_t)read->fd << 32) ||
		    word[1] != QUEUE_OFFSET(number) ||
		    word[2] != (uint64_t)(uintptr_t)read->memory || word[3] != read->length ||
		    word[4] != number || word[5] != 0 || word[6] != 0 || word[7] != 0)
			bench_fail(0, "an entry is not what was asked for");
	}
}

/* ---- buffer rings ---- */

/* As the kernel lays it out; the tail is where the first one's last member is. */
struct queue_buffer {
	uint64_t addr;
	uint32_t len;
	uint16_t bid;
	uint16_t tail;
};

/*
 * A group whose ring is memory of this program too, and full. Buffers come back as
 * their numbers stand in @back, again and again.
 */
struct queue_group {
	struct queue_buffer *ring; /* one page */
	unsigned char *memory;	   /* the buffers */
	uint16_t back[QUEUE_BUFFERS];
};

void queue_group_open(struct queue_group *group, bool in_order);
void queue_group_close(struct queue_group *group);
/* @given: buffers given back since the beginning. */
void queue_group_check(const struct queue_group *group, uint64_t given);

#endif
