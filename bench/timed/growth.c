/* SPDX-License-Identifier: MIT */
/*
 * What an operation costs as a ring, what is in flight, and what is registered grow:
 * the benchmarks, and what ours and its peers work on.
 */
#define _GNU_SOURCE
#include "growth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

int growth_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		bench_fail(errno, "eventfd");
	return fd;
}

/* ---- buffer groups ---- */

void growth_groups_open(struct growth_groups *groups, uint32_t count)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		bench_fail(errno, "pipe2");
	groups->reader = fds[0];
	groups->writer = fds[1];
	groups->count = count;
	groups->ring_bytes = (size_t)sysconf(_SC_PAGESIZE);
	groups->rings = bench_alloc(count * groups->ring_bytes);
	groups->buffers = bench_alloc((size_t)count * GROWTH_GROUP_BUFFERS * GROWTH_MESSAGE);
	groups->written = 0;
	groups->read = 0;
}

void growth_groups_close(struct growth_groups *groups)
{
	close(groups->reader);
	close(groups->writer);
	munmap(groups->rings, groups->count * groups->ring_bytes);
	munmap(groups->buffers, (size_t)groups->count * GROWTH_GROUP_BUFFERS * GROWTH_MESSAGE);
}

void growth_write(struct growth_groups *groups)
{
	unsigned char batch[GROWTH_GROUP_BATCH * GROWTH_MESSAGE] = { 0 };
	uint32_t i;

	for (i = 0; i < GROWTH_GROUP_BATCH; i++) {
		memcpy(batch + i * GROWTH_MESSAGE, &groups->written, sizeof(groups->written));
		groups->written++;
	}
	if (write(groups->writer, batch, sizeof(batch)) != (ssize_t)sizeof(batch))
		bench_fail(errno, "a write to the pipe");
}

void growth_check(struct growth_groups *groups, const unsigned char *message)
{
	if (memcmp(message, &groups->read, sizeof(groups->read)) != 0)
		bench_fail(0, "a message came that is not the next one");
	groups->read++;
}

/* ---- files ---- */

int *growth_files_open(uint32_t count)
{
	int *files = calloc(count, sizeof(*files));
	uint32_t i;

	if (files == NULL)
		bench_fail(ENOMEM, "%u files", count);
	for (i = 0; i < count; i++) {
		files[i] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
		if (files[i] >= 0)
			continue;
		if (errno != EMFILE && errno != ENFILE)
			bench_fail(errno, "/dev/zero");
		bench_absent("%u files: %s", count, strerror(errno));
		growth_files_close(files, i);
		return NULL;
	}
	return files;
}

void growth_files_close(int *files, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		close(files[i]);
	free(files);
}

/* ---- memory ---- */

static int make_file(void)
{
	unsigned char block[GROWTH_BLOCK];
	char name[] = "/var/tmp/oring-bench-XXXXXX";
	int file = mkostemp(name, O_CLOEXEC);
	uint32_t k;

	if (file < 0 || unlink(name) < 0)
		bench_fail(errno, "no file in /var/tmp");
	for (k = 0; k < GROWTH_FILE_BLOCKS; k++) {
		memset(block, (int)k + 1, sizeof(block));
		if (write(file, block, sizeof(block)) != (ssize_t)sizeof(block))
			bench_fail(errno, "a file in /var/tmp");
	}
	return file;
}

void growth_memory_open(struct growth_memory *memory, uint32_t count)
{
	uint32_t i;

	memory->count = count;
	memory->blocks = bench_alloc((size_t)count * GROWTH_BLOCK);
	memory->iov = calloc(count, sizeof(*memory->iov));
	if (memory->iov == NULL)
		bench_fail(ENOMEM, "%u buffers", count);
	for (i = 0; i < count; i++) {
		memory->iov[i].iov_base = growth_block(memory, i);
		memory->iov[i].iov_len = GROWTH_BLOCK;
	}
	memory->file = make_file();
}

void growth_memory_close(struct growth_memory *memory)
{
	close(memory->file);
	free(memory->iov);
	munmap(memory->blocks, (size_t)memory->count * GROWTH_BLOCK);
}

/*
 * ---- the benchmarks ----
 *
 * One thread that never sleeps: its CPU time is what an operation costs, whoever else
 * is on that CPU.
 */

static const uint32_t entries[] = { 8, 32, 128, 512, 2048, 8192, 32768, 0 };
static const uint32_t in_flight[] = { 1, 16, 256, 4096, 16384, 65536, 0 };
static const uint32_t registered[] = { 1, 16, 256, 1024, 4096, 0 };
static const uint32_t records[] = { 16, 64, 256, 1024, 4096, 16384, 65536, 0 };

static const struct bench ring = {
	.name = "growth-ring",
	.what = "NOPs, 32 in an enter (8 where the ring has 8 entries), by entries of the ring",
	.operation = "NOP",
	.measure = BENCH_CPU,
	.job = { .batch = GROWTH_BATCH },
	.sizes = entries,
	.size_is = "entries",
	.charged = true,
	.contenders =
		(const struct bench_contender *const[]){ &growth_ring_ours, &growth_ring_L1, NULL },
};

static const struct bench nop_beside = {
	.name = "growth-in-flight",
	.what = "NOPs, 32 in an enter, beside polls in flight on an eventfd that never fires",
	.operation = "NOP",
	.measure = BENCH_CPU,
	.job = { .batch = GROWTH_BATCH },
	.sizes = in_flight,
	.size_is = "requests in flight",
	.contenders = (const struct bench_contender *const[]){ &growth_in_flight_ours,
							       &growth_in_flight_L1, NULL },
};

static const struct bench cancel = {
	.name = "growth-cancel",
	.what = "one of the polls in flight, any, is cancelled by user_data and armed again, in "
		"one enter",
	.operation = "cancel and arm",
	.measure = BENCH_CPU,
	.job = { .batch = 1 },
	.sizes = in_flight,
	.size_is = "requests in flight",
	.contenders = (const struct bench_contender *const[]){ &growth_cancel_ours,
							       &growth_cancel_L1, NULL },
};

static const struct bench groups_of = {
	.name = "growth-groups",
	.what = "64-byte reads from a pipe, 8 in an enter, each through any of the buffer groups; "
		"one write(2) fills the pipe for all 8",
	.operation = "read",
	.measure = BENCH_CPU,
	.job = { .batch = GROWTH_GROUP_BATCH, .bytes = GROWTH_MESSAGE },
	.sizes = registered,
	.size_is = "buffer groups",
	.contenders =
		(const struct bench_contender *const[]){ &growth_groups_ours, &growth_groups_hot,
							 &growth_groups_L1, NULL },
};

static const struct bench files_of = {
	.name = "growth-files",
	.what = "1-byte reads of /dev/zero, 32 in an enter, each through any of the registered "
		"files, which were opened one by one",
	.operation = "read",
	.measure = BENCH_CPU,
	.job = { .batch = GROWTH_BATCH, .bytes = 1 },
	.sizes = registered,
	.size_is = "registered files",
	.contenders =
		(const struct bench_contender *const[]){ &growth_files_ours, &growth_files_hot,
							 &growth_files_L1, NULL },
};

static const struct bench buffers_of = {
	.name = "growth-buffers",
	.what = "4 KiB reads of 16 cached blocks, 32 in an enter, each into any of the registered "
		"buffers of 4 KiB",
	.operation = "4 KiB read",
	.measure = BENCH_CPU,
	.job = { .batch = GROWTH_BATCH, .bytes = GROWTH_BLOCK },
	.sizes = registered,
	.size_is = "registered buffers",
	.charged = true,
	.contenders =
		(const struct bench_contender *const[]){ &growth_buffers_ours, &growth_buffers_hot,
							 &growth_buffers_L1, NULL },
};

static const struct bench slices_of = {
	.name = "growth-slices",
	.what = "4 KiB reads of 16 cached blocks, 32 in an enter, each into any slice of one "
		"registered buffer",
	.operation = "4 KiB read",
	.measure = BENCH_CPU,
	.job = { .batch = GROWTH_BATCH, .bytes = GROWTH_BLOCK },
	.sizes = registered,
	.size_is = "slices",
	.charged = true,
	.contenders =
		(const struct bench_contender *const[]){ &growth_slices_ours, &growth_slices_hot,
							 &growth_slices_plain, NULL },
};

static const struct bench pool = {
	.name = "growth-pool",
	.what = "a record is released and another acquired, all but 8 of the pool being live; "
		"user space only",
	.operation = "release and acquire",
	.measure = BENCH_CPU,
	.sizes = records,
	.size_is = "records",
	.contenders = (const struct bench_contender *const[]){ &growth_pool_ours,
							       &growth_pool_in_order, NULL },
};

const struct bench *const bench_growth[] = { &ring,	 &nop_beside, &cancel,
					     &groups_of, &files_of,   &buffers_of,
					     &slices_of, &pool,	      NULL };
