/* SPDX-License-Identifier: MIT */
/*
 * growth.h - what the benchmarks of growth share: the things that operations work on
 */
#ifndef BENCH_GROWTH_H
#define BENCH_GROWTH_H

#include "bench.h"

#include <sys/uio.h>

#define GROWTH_BATCH   32U   /* operations of one enter; of groups: 8 */
#define GROWTH_ENTRIES 4096U /* of rings with requests in flight: the most hash buckets */

/* Requests in flight have this and their number; what is done beside them has less. */
#define GROWTH_POLL   (1ULL << 32)
#define GROWTH_CANCEL 1U

#define GROWTH_MESSAGE	     64U
#define GROWTH_GROUP_BATCH   8U
#define GROWTH_GROUP_BUFFERS GROWTH_GROUP_BATCH /* one batch may come from one group */

#define GROWTH_BLOCK	   4096U
#define GROWTH_FILE_BLOCKS 16U

/* A number below @n. Each contender has its own sequence, and all the same. */
static inline uint32_t growth_pick(uint32_t *random, uint32_t n)
{
	*random = *random * 1664525U + 1013904223U;
	return (uint32_t)((uint64_t)*random * n >> 32);
}

/*
 * The same of few: if @hot, one of GROWTH_HOT numbers from everywhere below @n, whose
 * distances are no powers of two. What they are about stays in the caches, so only a
 * table's size is left to cost something.
 */
#define GROWTH_HOT 16U

static inline uint32_t growth_pick_of(uint32_t *random, uint32_t n, bool hot)
{
	uint32_t step = n / GROWTH_HOT, place;

	if (!hot || step == 0)
		return growth_pick(random, n);
	place = growth_pick(random, GROWTH_HOT);
	return place * step + place % step;
}

static inline uint32_t growth_batch(const struct bench_job *job)
{
	return job->size < job->batch ? job->size : job->batch;
}

/* ---- an eventfd that never fires ---- */

int growth_eventfd(void);

/* ---- buffer groups, and what is read through them ---- */

struct growth_groups {
	uint32_t count;
	size_t ring_bytes;	/* of one group: a page */
	unsigned char *rings;	/* @count of them */
	unsigned char *buffers; /* GROWTH_GROUP_BUFFERS for each group */
	int reader, writer;	/* a pipe */
	uint64_t written, read; /* messages; each begins with its number */
};

void growth_groups_open(struct growth_groups *groups, uint32_t count);
void growth_groups_close(struct growth_groups *groups);

static inline unsigned char *growth_buffer(const struct growth_groups *groups, uint32_t group,
					   uint32_t buffer)
{
	return groups->buffers + ((size_t)group * GROWTH_GROUP_BUFFERS + buffer) * GROWTH_MESSAGE;
}

/* Put a batch of messages into the pipe. */
void growth_write(struct growth_groups *groups);

/* The next message must be this one. */
void growth_check(struct growth_groups *groups, const unsigned char *message);

/* ---- files ---- */

/* @count descriptors of /dev/zero, each opened by itself; NULL after bench_absent(). */
int *growth_files_open(uint32_t count);
void growth_files_close(int *files, uint32_t count);

/* ---- a file in the page cache, and memory to read it to ---- */

struct growth_memory {
	uint32_t count;
	unsigned char *blocks; /* of GROWTH_BLOCK bytes */
	struct iovec *iov;     /* each block */
	int file;	       /* block k is full of bytes k + 1 */
};

void growth_memory_open(struct growth_memory *memory, uint32_t count);
void growth_memory_close(struct growth_memory *memory);

static inline unsigned char *growth_block(const struct growth_memory *memory, uint32_t index)
{
	return memory->blocks + (size_t)index * GROWTH_BLOCK;
}

/* What was read came from block @k of the file. */
static inline void growth_check_block(const unsigned char *block, uint32_t k)
{
	if (block[0] != k + 1 || block[GROWTH_BLOCK - 1] != k + 1)
		bench_fail(0, "a read brought other bytes");
}

/* ---- contenders ---- */

extern const struct bench_contender growth_ring_ours, growth_ring_L1;
extern const struct bench_contender growth_in_flight_ours, growth_in_flight_L1;
extern const struct bench_contender growth_cancel_ours, growth_cancel_L1;
extern const struct bench_contender growth_groups_ours, growth_groups_hot, growth_groups_L1;
extern const struct bench_contender growth_files_ours, growth_files_hot, growth_files_L1;
extern const struct bench_contender growth_buffers_ours, growth_buffers_hot, growth_buffers_L1;
extern const struct bench_contender growth_slices_ours, growth_slices_hot, growth_slices_plain;
extern const struct bench_contender growth_pool_ours, growth_pool_in_order;

#endif
