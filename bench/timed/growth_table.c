/* SPDX-License-Identifier: MIT */
/*
 * Growth of what is registered with a ring: ours. Beside it, to tell a table's size from
 * what caches do: the same table, of which few places are used; and the same reads
 * without a table.
 */
#include "growth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <oring.h>

/* How a contender differs from ours of a benchmark. */
#define HOT    1U /* few places of the table are used */
#define SLICES 2U /* buffers are slices of one that is registered */
#define PLAIN  4U /* nothing is registered */

struct table {
	struct oring ring;
	uint32_t batch;
	uint32_t count;
	uint32_t random;
	unsigned int kind;
	struct oring_bufring *bufrings;
	struct growth_groups groups;
	struct growth_memory memory;
	uint32_t next_block; /* of the file */
};

static struct table *open_table(const struct bench_job *job, unsigned int kind)
{
	struct table *table = calloc(1, sizeof(*table));
	int ret;

	if (table == NULL)
		bench_fail(ENOMEM, "a ring");
	table->batch = job->batch;
	table->count = job->size;
	table->kind = kind;
	ret = oring_init_fast(&table->ring, 2 * GROWTH_BATCH, NULL, NULL);
	if (ret == 0)
		ret = oring_start(&table->ring);
	if (ret < 0)
		bench_fail(ret, "oring_init_fast");
	return table;
}

static struct oring_sqe *reserve(struct table *table)
{
	struct oring_sqe *sqe = oring_sq_reserve(&table->ring);

	if (sqe == NULL)
		bench_fail(0, "the queue is full");
	return sqe;
}

static uint32_t pick(struct table *table)
{
	return growth_pick_of(&table->random, table->count, (table->kind & HOT) != 0);
}

static void submit(struct table *table)
{
	int ret = oring_submit_and_wait(&table->ring, table->batch);

	if (ret != (int)table->batch)
		bench_fail(ret < 0 ? ret : 0, "a batch was not submitted");
	if (oring_cq_ready(&table->ring) != table->batch)
		bench_fail(0, "a batch did not complete");
}

/* ---- buffer groups ---- */

static void open_group(struct table *table, uint32_t group)
{
	struct oring_bufring_params params = {
		.memory = table->groups.rings + group * table->groups.ring_bytes,
		.entries = GROWTH_GROUP_BUFFERS,
		.bgid = (uint16_t)group,
	};
	struct oring_bufring *bufring = &table->bufrings[group];
	int ret = oring_bufring_init(bufring, &table->ring, &params);
	uint16_t i;

	if (ret < 0)
		bench_fail(ret, "buffer group %u", group);
	for (i = 0; i < GROWTH_GROUP_BUFFERS; i++)
		oring_bufring_add(bufring, growth_buffer(&table->groups, group, i), GROWTH_MESSAGE,
				  i);
	oring_bufring_commit(bufring);
}

static void *open_groups(const struct bench_job *job, unsigned int kind)
{
	struct table *table = open_table(job, kind);
	uint32_t i;

	growth_groups_open(&table->groups, job->size);
	table->bufrings = calloc(job->size, sizeof(*table->bufrings));
	if (table->bufrings == NULL)
		bench_fail(ENOMEM, "%u buffer groups", job->size);
	for (i = 0; i < job->size; i++)
		open_group(table, i);
	return table;
}

static void *open_groups_any(const struct bench_job *job)
{
	return open_groups(job, 0);
}

static void *open_groups_hot(const struct bench_job *job)
{
	return open_groups(job, HOT);
}

static void close_groups(void *self)
{
	struct table *table = self;

	oring_exit(&table->ring);
	growth_groups_close(&table->groups);
	free(table->bufrings);
	free(table);
}

/* The buffer that a completion names has the next message, and goes back to its group. */
static void take_message(struct table *table, const struct oring_cqe *cqe)
{
	uint32_t group = (uint32_t)cqe->user_data;
	uint16_t bid = oring_cqe_buffer_id(cqe);
	unsigned char *message;

	if (cqe->res != (int)GROWTH_MESSAGE || !oring_cqe_has_buffer(cqe))
		bench_fail(cqe->res < 0 ? cqe->res : 0, "a read through buffer group %u", group);
	message = growth_buffer(&table->groups, group, bid);
	growth_check(&table->groups, message);
	oring_bufring_add(&table->bufrings[group], message, GROWTH_MESSAGE, bid);
	oring_bufring_commit(&table->bufrings[group]);
}

static void run_groups(void *self, uint64_t operations, struct bench_time *time)
{
	struct table *table = self;
	const struct oring_cqe *cqe;
	uint32_t cursor, end, i;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += table->batch) {
		growth_write(&table->groups);
		for (i = 0; i < table->batch; i++) {
			uint32_t group = pick(table);
			struct oring_sqe *sqe = reserve(table);

			oring_prep_read(sqe, oring_file_fd(table->groups.reader), NULL,
					GROWTH_MESSAGE, (uint64_t)-1);
			oring_sqe_buffer_select(sqe, (uint16_t)group);
			oring_sqe_set_user_data(sqe, group);
		}
		submit(table);
		oring_cq_for_each (&table->ring, cursor, end, cqe)
			take_message(table, cqe);
		oring_cq_release_to(&table->ring, cursor);
	}
}

const struct bench_contender growth_groups_ours = {
	"ours", "oring_bufring_init() for each group", open_groups_any, run_groups, close_groups,
	NULL
};

const struct bench_contender growth_groups_hot = {
	"hot",		 "ours; of all that are registered 16 are used",
	open_groups_hot, run_groups,
	close_groups,	 NULL
};

/* ---- files ---- */

static void close_table(void *self)
{
	struct table *table = self;

	oring_exit(&table->ring);
	free(table);
}

static void *open_files(const struct bench_job *job, unsigned int kind)
{
	struct table *table = open_table(job, kind);
	int *files = growth_files_open(job->size), ret = -EMFILE;

	if (files != NULL) {
		ret = oring_register_files(&table->ring, files, job->size);
		growth_files_close(files, job->size);
		if (ret == -EMFILE)
			bench_absent("%u registered files: RLIMIT_NOFILE is too small", job->size);
		else if (ret < 0)
			bench_fail(ret, "oring_register_files");
	}
	if (ret == 0)
		return table;
	close_table(table);
	return NULL;
}

static void *open_files_any(const struct bench_job *job)
{
	return open_files(job, 0);
}

static void *open_files_hot(const struct bench_job *job)
{
	return open_files(job, HOT);
}

static void run_files(void *self, uint64_t operations, struct bench_time *time)
{
	struct table *table = self;
	const struct oring_cqe *cqe;
	uint32_t cursor, end, i;
	unsigned char byte;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += table->batch) {
		for (i = 0; i < table->batch; i++) {
			uint32_t slot = pick(table);
			struct oring_sqe *sqe = reserve(table);

			oring_prep_read(sqe, oring_file_slot(slot), &byte, 1, 0);
			oring_sqe_set_user_data(sqe, slot);
		}
		byte = 1;
		submit(table);
		oring_cq_for_each (&table->ring, cursor, end, cqe) {
			if (cqe->res != 1 || byte != 0)
				bench_fail(cqe->res < 0 ? cqe->res : 0, "a read of /dev/zero");
		}
		oring_cq_release_to(&table->ring, cursor);
	}
}

const struct bench_contender growth_files_ours = { "ours",	   "oring_register_files()",
						   open_files_any, run_files,
						   close_table,	   NULL };

const struct bench_contender growth_files_hot = {
	"hot",		"ours; of all that are registered 16 are used",
	open_files_hot, run_files,
	close_table,	NULL
};

/* ---- buffers ---- */

static void close_buffers(void *self)
{
	struct table *table = self;

	oring_exit(&table->ring);
	growth_memory_close(&table->memory);
	free(table);
}

static void *open_buffers(const struct bench_job *job, unsigned int kind)
{
	struct table *table = open_table(job, kind);
	struct iovec whole;
	int ret = 0;

	growth_memory_open(&table->memory, job->size);
	whole.iov_base = table->memory.blocks;
	whole.iov_len = (size_t)job->size * GROWTH_BLOCK;
	if (kind & SLICES)
		ret = oring_register_buffers(&table->ring, &whole, 1);
	else if (!(kind & PLAIN))
		ret = oring_register_buffers(&table->ring, table->memory.iov, job->size);
	if (ret == 0)
		return table;
	if (ret != -ENOMEM)
		bench_fail(ret, "oring_register_buffers");
	bench_absent("%u registered buffers: RLIMIT_MEMLOCK is too small", job->size);
	close_buffers(table);
	return NULL;
}

static void *open_buffers_any(const struct bench_job *job)
{
	return open_buffers(job, 0);
}

static void *open_buffers_hot(const struct bench_job *job)
{
	return open_buffers(job, HOT);
}

static void *open_slices(const struct bench_job *job)
{
	return open_buffers(job, SLICES);
}

static void *open_slices_hot(const struct bench_job *job)
{
	return open_buffers(job, SLICES | HOT);
}

static void *open_slices_plain(const struct bench_job *job)
{
	return open_buffers(job, PLAIN);
}

/* Which block of the file is read to which buffer is in the user_data. */
static void prepare_block(struct table *table)
{
	uint32_t index = pick(table);
	uint32_t block = table->next_block++ % GROWTH_FILE_BLOCKS;
	oring_file file = oring_file_fd(table->memory.file);
	unsigned char *memory = growth_block(&table->memory, index);
	struct oring_sqe *sqe = reserve(table);
	uint64_t offset = (uint64_t)block * GROWTH_BLOCK;

	if (table->kind & PLAIN)
		oring_prep_read(sqe, file, memory, GROWTH_BLOCK, offset);
	else
		oring_prep_read_fixed(sqe, file, memory, GROWTH_BLOCK, offset,
				      table->kind & SLICES ? 0 : (uint16_t)index);
	oring_sqe_set_user_data(sqe, index);
}

static void run_buffers(void *self, uint64_t operations, struct bench_time *time)
{
	struct table *table = self;
	const struct oring_cqe *cqe;
	uint32_t cursor, end, i, last;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += table->batch) {
		for (i = 0; i < table->batch; i++)
			prepare_block(table);
		submit(table);
		last = 0;
		oring_cq_for_each (&table->ring, cursor, end, cqe) {
			if (cqe->res != (int)GROWTH_BLOCK)
				bench_fail(cqe->res < 0 ? cqe->res : 0, "a read of a cached file");
			last = (uint32_t)cqe->user_data;
		}
		oring_cq_release_to(&table->ring, cursor);
		growth_check_block(growth_block(&table->memory, last),
				   (table->next_block - 1) % GROWTH_FILE_BLOCKS);
	}
}

const struct bench_contender growth_buffers_ours = { "ours",	       "oring_register_buffers()",
						     open_buffers_any, run_buffers,
						     close_buffers,    NULL };

const struct bench_contender growth_buffers_hot = { "hot",
						    "ours; of all that are registered 16 are used",
						    open_buffers_hot,
						    run_buffers,
						    close_buffers,
						    NULL };

const struct bench_contender growth_slices_ours = {
	"ours", "slices of one registered buffer", open_slices, run_buffers, close_buffers, NULL
};

const struct bench_contender growth_slices_hot = {
	"hot", "ours; of all slices 16 are used", open_slices_hot, run_buffers, close_buffers, NULL
};

const struct bench_contender growth_slices_plain = {
	"plain",	   "ours, into the same memory, not registered",
	open_slices_plain, run_buffers,
	close_buffers,	   NULL
};
