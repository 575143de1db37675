/* SPDX-License-Identifier: MIT */
/* The two queues without a kernel: what preparing an entry and reading a completion cost. */
#include "bare.h"
#include "queues.h"

#include "oring.h"

struct queue {
	struct oring ring;
	struct queue_read read;
	struct queue_memory memory;
};

static void *open_ours(const struct bench_job *job)
{
	struct queue *queue = bench_alloc(sizeof(*queue));
	struct oring *ring = &queue->ring;

	(void)job;
	ring->sqes = (unsigned char *)queue->memory.sqes;
	ring->sq_entries = QUEUE_SQ_ENTRIES;
	ring->sq_mask = QUEUE_SQ_ENTRIES - 1;
	ring->sq_stride = sizeof(struct oring_sqe);
	ring->sq_head = &queue->memory.sq_head;
	ring->sq_tail = &queue->memory.sq_tail;
	ring->sq_flags = &queue->memory.sq_flags;
	ring->sq_dropped = &queue->memory.sq_dropped;
	oring_sq_refresh(ring);
	ring->cqes = (unsigned char *)queue->memory.cqes;
	ring->cq_entries = QUEUE_CQ_ENTRIES;
	ring->cq_mask = QUEUE_CQ_ENTRIES - 1;
	ring->cq_stride = sizeof(struct oring_cqe);
	ring->cq_head = &queue->memory.cq_head;
	ring->cq_tail = &queue->memory.cq_tail;
	ring->cq_flags = &queue->memory.cq_flags;
	ring->cq_overflow = &queue->memory.cq_overflow;
	queue_fill(&queue->memory);
	queue->read.fd = 7;
	queue->read.length = QUEUE_BYTES;
	queue->read.memory = bench_alloc(QUEUE_BYTES);
	return queue;
}

static void close_ours(void *self)
{
	struct queue *queue = self;

	munmap(queue->read.memory, QUEUE_BYTES);
	munmap(queue, sizeof(*queue));
}

__attribute__((noinline)) static void prep_ours(struct oring *ring, const struct queue_read *read,
						uint64_t first)
{
	uint64_t number;

	for (number = first; number < first + QUEUE_BATCH; number++) {
		struct oring_sqe *sqe = oring_sq_reserve(ring);

		if (sqe == NULL)
			bench_fail(0, "the queue is full");
		oring_prep_read(sqe, oring_file_fd(read->fd), read->memory, read->length,
				QUEUE_OFFSET(number));
		oring_sqe_set_user_data(sqe, number);
	}
}

static void run_prep_ours(void *self, uint64_t operations, struct bench_time *time)
{
	struct queue *queue = self;
	/* Numbers go with slots. */
	uint64_t first = queue->ring.sq_reserved, number;

	(void)time;
	for (number = first; number < first + operations; number += QUEUE_BATCH) {
		prep_ours(&queue->ring, &queue->read, number);
		oring_store_release(&queue->memory.sq_head, queue->ring.sq_reserved);
	}
	queue_check_sqes(&queue->memory, &queue->read, number - 1, ORING_OP_READ);
}

__attribute__((noinline)) static uint64_t reap_ours(struct oring *ring)
{
	const struct oring_cqe *cqe;
	uint32_t cursor, end;
	uint64_t sum = 0;

	oring_cq_for_each (ring, cursor, end, cqe)
		sum += cqe->user_data + (uint64_t)cqe->res;
	oring_cq_release_to(ring, cursor);
	return sum;
}

static void run_reap_ours(void *self, uint64_t operations, struct bench_time *time)
{
	struct queue *queue = self;
	uint64_t done, sum = 0;
	uint32_t first = queue->memory.cq_tail;

	(void)time;
	for (done = 0; done < operations; done += QUEUE_BATCH) {
		oring_store_release(&queue->memory.cq_tail, queue->memory.cq_tail + QUEUE_BATCH);
		sum += reap_ours(&queue->ring);
	}
	queue_check_reaped(first, operations, sum);
}

/* ---- the bare loop ---- */

struct bare_queue {
	struct bare bare;
	struct queue_read read;
	struct queue_memory memory;
};

static void *open_bare(const struct bench_job *job)
{
	struct bare_queue *queue = bench_alloc(sizeof(*queue));

	(void)job;
	queue->bare.sqes = (bare_word *)(void *)queue->memory.sqes;
	queue->bare.cqes = (struct oring_cqe *)(void *)queue->memory.cqes;
	queue->bare.sq_mask = QUEUE_SQ_ENTRIES - 1;
	queue->bare.cq_mask = QUEUE_CQ_ENTRIES - 1;
	queue->bare.sq_tail = &queue->memory.sq_tail;
	queue->bare.cq_head = &queue->memory.cq_head;
	queue->bare.cq_tail = &queue->memory.cq_tail;
	queue_fill(&queue->memory);
	queue->read.fd = 7;
	queue->read.length = QUEUE_BYTES;
	queue->read.memory = bench_alloc(QUEUE_BYTES);
	return queue;
}

static void close_bare(void *self)
{
	struct bare_queue *queue = self;

	munmap(queue->read.memory, QUEUE_BYTES);
	munmap(queue, sizeof(*queue));
}

__attribute__((noinline)) static void prep_bare(struct bare *bare, const struct queue_read *read,
						uint64_t first)
{
	uint64_t number;

	for (number = first; number < first + QUEUE_BATCH; number++)
		bare_put(bare, ORING_OP_READ, read->fd, read->memory, read->length,
			 QUEUE_OFFSET(number), 0, number);
}

static void run_prep_bare(void *self, uint64_t operations, struct bench_time *time)
{
	struct bare_queue *queue = self;
	uint64_t first = queue->bare.filled, number;

	(void)time;
	for (number = first; number < first + operations; number += QUEUE_BATCH) {
		prep_bare(&queue->bare, &queue->read, number);
		oring_store_release(&queue->memory.sq_head, queue->bare.filled);
	}
	queue_check_sqes(&queue->memory, &queue->read, number - 1, ORING_OP_READ);
}

__attribute__((noinline)) static uint64_t reap_bare(struct bare *bare)
{
	uint32_t end = bare_end(bare), at;
	uint64_t sum = 0;

	for (at = bare->reaped; at != end; at++)
		sum += bare_at(bare, at)->user_data + (uint64_t)bare_at(bare, at)->res;
	bare_release(bare, end);
	return sum;
}

static void run_reap_bare(void *self, uint64_t operations, struct bench_time *time)
{
	struct bare_queue *queue = self;
	uint64_t done, sum = 0;
	uint32_t first = queue->memory.cq_tail;

	(void)time;
	for (done = 0; done < operations; done += QUEUE_BATCH) {
		oring_store_release(&queue->memory.cq_tail, queue->memory.cq_tail + QUEUE_BATCH);
		sum += reap_bare(&queue->bare);
	}
	queue_check_reaped(first, operations, sum);
}

/* ---- the benchmarks ---- */

static const struct bench_contender prep_by_ours = {
	"ours",	    "oring_sq_reserve, oring_prep_read, oring_sqe_set_user_data",
	open_ours,  run_prep_ours,
	close_ours, NULL
};
static const struct bench_contender prep_by_bare = { "bare",	    "eight stores", open_bare,
						     run_prep_bare, close_bare,	    NULL };
static const struct bench_contender reap_by_ours = {
	"ours", "oring_cq_for_each, oring_cq_release_to", open_ours, run_reap_ours, close_ours, NULL
};
static const struct bench_contender reap_by_bare = { "bare",	    "hand-written walk", open_bare,
						     run_reap_bare, close_bare,		 NULL };

static const struct bench_contender *const prep_contenders[] = { &prep_by_ours, &prep_by_bare,
								 &queue_prep_l1, NULL };
static const struct bench_contender *const reap_contenders[] = {
	&reap_by_ours,	      &reap_by_bare,	   &queue_reap_l1,
	&queue_reap_l1_batch, &queue_reap_l1_peek, NULL
};

static const struct bench prep_read = {
	.name = "prep-read",
	.what = "A read is prepared, with its identity; 32 at a time, no system call",
	.operation = "entry",
	.job = { .batch = QUEUE_BATCH },
	.contenders = prep_contenders,
};
static const struct bench reap = {
	.name = "reap",
	.what = "A completion's identity and result are read; 32 at a time, no system call",
	.operation = "completion",
	.job = { .batch = QUEUE_BATCH },
	.contenders = reap_contenders,
};

const struct bench *const bench_queues[] = { &prep_read, &reap, &queue_recycle_order,
					     &queue_recycle_any, NULL };
