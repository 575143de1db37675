/* SPDX-License-Identifier: MIT */
/*
 * Growth of a pool of records. Any of the live records is released: a server's
 * requests end in any order. In order, the pool's memory is walked through instead,
 * and what differs between the two is what caches do.
 */
#include "growth.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <oring.h>

#define FREE_RECORDS 8U

struct records {
	struct oring_pool pool;
	void *memory;
	size_t bytes;
	oring_context *live;
	uint32_t live_count;
	uint32_t random;
	uint32_t oldest; /* in order: place of the handle to release next */
};

static void *open_pool(const struct bench_job *job)
{
	struct records *records = calloc(1, sizeof(*records));
	struct oring_sqe *record;
	uint32_t i;
	int ret;

	if (records == NULL)
		bench_fail(ENOMEM, "a pool");
	records->bytes = oring_pool_size(job->size, 0);
	records->memory = bench_alloc(records->bytes);
	ret = oring_pool_init(&records->pool, records->memory, records->bytes, job->size, 0);
	if (ret < 0)
		bench_fail(ret, "oring_pool_init");
	records->live_count = job->size - FREE_RECORDS;
	records->live = bench_alloc(records->live_count * sizeof(*records->live));
	for (i = 0; i < records->live_count; i++) {
		ret = oring_pool_acquire(&records->pool, ORING_OP_NOP, &records->live[i], &record);
		if (ret < 0)
			bench_fail(ret, "oring_pool_acquire");
		oring_prep_nop(record);
	}
	return records;
}

static void close_pool(void *self)
{
	struct records *records = self;

	munmap(records->live, records->live_count * sizeof(*records->live));
	munmap(records->memory, records->bytes);
	free(records);
}

/* One that is live goes, and another takes its place. */
static inline void replace(struct records *records, uint32_t place)
{
	struct oring_sqe *record;
	int ret = oring_pool_release(&records->pool, records->live[place]);

	if (ret == 0)
		ret = oring_pool_acquire(&records->pool, ORING_OP_NOP, &records->live[place],
					 &record);
	if (ret < 0)
		bench_fail(ret, "a record was not replaced");
	/* As a user writes what the record is for. */
	record->user_data = place;
}

static void run_any(void *self, uint64_t operations, struct bench_time *time)
{
	struct records *records = self;
	uint64_t i;

	(void)time;
	for (i = 0; i < operations; i++)
		replace(records, growth_pick(&records->random, records->live_count));
}

static void run_in_order(void *self, uint64_t operations, struct bench_time *time)
{
	struct records *records = self;
	uint64_t i;

	(void)time;
	for (i = 0; i < operations; i++) {
		replace(records, records->oldest);
		if (++records->oldest == records->live_count)
			records->oldest = 0;
	}
}

const struct bench_contender growth_pool_ours = { "ours",     "any live record is released",
						  open_pool,  run_any,
						  close_pool, NULL };

const struct bench_contender growth_pool_in_order = {
	"in-order", "ours; the record that has been live longest is released",
	open_pool,  run_in_order,
	close_pool, NULL
};
