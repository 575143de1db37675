/* SPDX-License-Identifier: MIT */
/*
 * read.h - what the contenders of the read benchmarks have in common
 *
 * A file whose content tells where in it one is, read at offsets that only look random:
 * the same ones for all. As many reads as the depth are in flight, each with its own
 * piece of memory; what is complete is looked at and asked for again. One system call
 * submits and waits for at least one.
 */
#ifndef BENCH_TIMED_READ_H
#define BENCH_TIMED_READ_H

#include "bench.h"

#include <string.h>

#define READ_FILE_BYTES (64U << 20)
#define READ_DEPTH_MAX	128U
#define READ_CHECK_EACH 64U /* of so many reads one is looked into */

extern const struct bench_contender read_l0, read_l1, read_l1_direct;
extern const struct bench_contender read_libaio, read_libaio_direct;

struct read_work {
	int fd;
	uint32_t depth, bytes;
	unsigned char *memory; /* depth times bytes */
	uint64_t random;
	uint64_t blocks; /* in the file; a power of two */
	uint32_t since_check;
	uint64_t offsets[READ_DEPTH_MAX]; /* what each piece was asked for */
};

/*
 * The file, and memory for @job. @direct: past the page cache, in another directory.
 * False after bench_absent().
 */
bool read_work_open(struct read_work *work, const struct bench_job *job, bool direct);
void read_work_close(struct read_work *work);

/* The word at @offset, which is a multiple of 8. */
static inline uint64_t read_content(uint64_t offset)
{
	return (offset + 8) * 0x9e3779b97f4a7c15U;
}

static inline unsigned char *read_memory(const struct read_work *work, uint32_t piece)
{
	return work->memory + (size_t)piece * work->bytes;
}

/* Where to read next. */
static inline uint64_t read_next(struct read_work *work, uint32_t piece)
{
	work->random = work->random * 6364136223846793005U + 1442695040888963407U;
	work->offsets[piece] = (work->random >> 33 & (work->blocks - 1)) * work->bytes;
	return work->offsets[piece];
}

static inline void read_check(const struct read_work *work, uint32_t piece)
{
	uint64_t offset = work->offsets[piece], first, last;
	uint32_t end = work->bytes - 8;

	memcpy(&first, read_memory(work, piece), 8);
	memcpy(&last, read_memory(work, piece) + end, 8);
	if (first != read_content(offset) || last != read_content(offset + end))
		bench_fail(0, "what was read at %llu is not what is there",
			   (unsigned long long)offset);
}

/* A read has completed. */
static inline void read_done(struct read_work *work, uint64_t piece, long result)
{
	if (piece >= work->depth || result != (long)work->bytes)
		bench_fail(result < 0 ? (int)result : 0, "a read returned %ld", result);
	if (++work->since_check == READ_CHECK_EACH) {
		work->since_check = 0;
		read_check(work, (uint32_t)piece);
	}
}

#endif
