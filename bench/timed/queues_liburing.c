/* SPDX-License-Identifier: MIT */
/* The two queues and a buffer ring by liburing, without a kernel. */
#include "liburing_ring.h"
#include "queues.h"

#ifdef BENCH_LIBURING

#include <sys/mman.h>

struct queue {
	struct io_uring ring;
	struct queue_read read;
	struct io_uring_cqe *cqes[QUEUE_BATCH];
	struct queue_memory memory;
};

static void *open_queue(const struct bench_job *job)
{
	struct queue *queue = bench_alloc(sizeof(*queue));
	struct io_uring *ring = &queue->ring;

	(void)job;
	ring->features = IORING_FEAT_EXT_ARG;
	ring->sq.khead = &queue->memory.sq_head;
	ring->sq.ktail = &queue->memory.sq_tail;
	ring->sq.kflags = &queue->memory.sq_flags;
	ring->sq.kdropped = &queue->memory.sq_dropped;
	ring->sq.sqes = (struct io_uring_sqe *)(void *)queue->memory.sqes;
	ring->sq.ring_mask = QUEUE_SQ_ENTRIES - 1;
	ring->sq.ring_entries = QUEUE_SQ_ENTRIES;
	ring->cq.khead = &queue->memory.cq_head;
	ring->cq.ktail = &queue->memory.cq_tail;
	ring->cq.kflags = &queue->memory.cq_flags;
	ring->cq.koverflow = &queue->memory.cq_overflow;
	ring->cq.cqes = (struct io_uring_cqe *)(void *)queue->memory.cqes;
	ring->cq.ring_mask = QUEUE_CQ_ENTRIES - 1;
	ring->cq.ring_entries = QUEUE_CQ_ENTRIES;
	queue_fill(&queue->memory);
	queue->read.fd = 7;
	queue->read.length = QUEUE_BYTES;
	queue->read.memory = bench_alloc(QUEUE_BYTES);
	return queue;
}

static void close_queue(void *self)
{
	struct queue *queue = self;

	munmap(queue->read.memory, QUEUE_BYTES);
	munmap(queue, sizeof(*queue));
}

__attribute__((noinline)) static void prep(struct io_uring *ring, const struct queue_read *read,
					   uint64_t first)
{
	uint64_t number;

	for (number = first; number < first + QUEUE_BATCH; number++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		if (sqe == NULL)
			bench_fail(0, "the queue is full");
		io_uring_prep_read(sqe, read->fd, read->memory, read->length, QUEUE_OFFSET(number));
		io_uring_sqe_set_data64(sqe, number);
	}
}

static void run_prep(void *self, uint64_t operations, struct bench_time *time)
{
	struct queue *queue = self;
	uint64_t first = queue->ring.sq.sqe_tail, number;

	(void)time;
	for (number = first; number < first + operations; number += QUEUE_BATCH) {
		prep(&queue->ring, &queue->read, number);
		__atomic_store_n(&queue->memory.sq_head, queue->ring.sq.sqe_tail, __ATOMIC_RELEASE);
	}
	queue_check_sqes(&queue->memory, &queue->read, number - 1, IORING_OP_READ);
}

__attribute__((noinline)) static uint64_t reap_each(struct queue *queue)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;
	uint64_t sum = 0;

	io_uring_for_each_cqe(&queue->ring, head, cqe)
	{
		sum += io_uring_cqe_get_data64(cqe) + (uint64_t)cqe->res;
		n++;
	}
	io_uring_cq_advance(&queue->ring, n);
	return sum;
}

__attribute__((noinline)) static uint64_t reap_batch(struct queue *queue)
{
	unsigned int n = io_uring_peek_batch_cqe(&queue->ring, queue->cqes, QUEUE_BATCH), i;
	uint64_t sum = 0;

	for (i = 0; i < n; i++)
		sum += io_uring_cqe_get_data64(queue->cqes[i]) + (uint64_t)queue->cqes[i]->res;
	io_uring_cq_advance(&queue->ring, n);
	return sum;
}

__attribute__((noinline)) static uint64_t reap_peek(struct queue *queue)
{
	struct io_uring_cqe *cqe;
	uint64_t sum = 0;

	while (io_uring_peek_cqe(&queue->ring, &cqe) == 0) {
		sum += io_uring_cqe_get_data64(cqe) + (uint64_t)cqe->res;
		io_uring_cqe_seen(&queue->ring, cqe);
	}
	return sum;
}

__attribute__((always_inline)) static inline void run_reap(struct queue *queue, uint64_t operations,
							   uint64_t (*reap)(struct queue *queue))
{
	uint64_t done, sum = 0;
	uint32_t first = queue->memory.cq_tail;

	for (done = 0; done < operations; done += QUEUE_BATCH) {
		__atomic_store_n(&queue->memory.cq_tail, queue->memory.cq_tail + QUEUE_BATCH,
				 __ATOMIC_RELEASE);
		sum += reap(queue);
	}
	queue_check_reaped(first, operations, sum);
}

static void run_each(void *self, uint64_t operations, struct bench_time *time)
{
	(void)time;
	run_reap(self, operations, reap_each);
}

static void run_batch(void *self, uint64_t operations, struct bench_time *time)
{
	(void)time;
	run_reap(self, operations, reap_batch);
}

static void run_peek(void *self, uint64_t operations, struct bench_time *time)
{
	(void)time;
	run_reap(self, operations, reap_peek);
}

/* ---- buffer rings ---- */

struct recycler {
	struct queue_group group;
	uint64_t given;
};

static void *open_order(const struct bench_job *job)
{
	struct recycler *recycler = bench_alloc(sizeof(*recycler));

	(void)job;
	queue_group_open(&recycler->group, true);
	return recycler;
}

static void *open_any(const struct bench_job *job)
{
	struct recycler *recycler = bench_alloc(sizeof(*recycler));

	(void)job;
	queue_group_open(&recycler->group, false);
	return recycler;
}

static void close_recycler(void *self)
{
	struct recycler *recycler = self;

	queue_group_close(&recycler->group);
	munmap(recycler, sizeof(*recycler));
}

__attribute__((noinline)) static void give(struct io_uring_buf_ring *ring, const uint16_t *back,
					   unsigned char *memory, int mask)
{
	uint32_t i;

	for (i = 0; i < QUEUE_BATCH; i++)
		io_uring_buf_ring_add(ring, memory + (size_t)back[i] * QUEUE_BYTES, QUEUE_BYTES,
				      back[i], mask, (int)i);
	io_uring_buf_ring_advance(ring, QUEUE_BATCH);
}

static void run_give(void *self, uint64_t operations, struct bench_time *time)
{
	struct recycler *recycler = self;
	struct queue_group *group = &recycler->group;
	uint64_t end = recycler->given + operations;
	int mask = io_uring_buf_ring_mask(QUEUE_BUFFERS);

	(void)time;
	for (; recycler->given < end; recycler->given += QUEUE_BATCH)
		give((struct io_uring_buf_ring *)(void *)group->ring,
		     &group->back[recycler->given % QUEUE_BUFFERS], group->memory, mask);
	queue_group_check(group, recycler->given);
}

const struct bench_contender queue_prep_l1 = {
	"L1",	     "io_uring_get_sqe, io_uring_prep_read, io_uring_sqe_set_data64",
	open_queue,  run_prep,
	close_queue, NULL
};
const struct bench_contender queue_reap_l1 = {
	"L1", "io_uring_for_each_cqe, io_uring_cq_advance", open_queue, run_each, close_queue, NULL
};
const struct bench_contender queue_reap_l1_batch = {
	"L1-batch",  "io_uring_peek_batch_cqe, io_uring_cq_advance",
	open_queue,  run_batch,
	close_queue, NULL
};
const struct bench_contender queue_reap_l1_peek = {
	"L1-peek", "io_uring_peek_cqe, io_uring_cqe_seen", open_queue, run_peek, close_queue, NULL
};
const struct bench_contender queue_order_l1 = {
	"L1",		"io_uring_buf_ring_add, io_uring_buf_ring_advance",
	open_order,	run_give,
	close_recycler, NULL
};
const struct bench_contender queue_any_l1 = {
	"L1",		"io_uring_buf_ring_add, io_uring_buf_ring_advance",
	open_any,	run_give,
	close_recycler, NULL
};

#else

WITHOUT_LIBURING(queue_prep_l1, "L1");
WITHOUT_LIBURING(queue_reap_l1, "L1");
WITHOUT_LIBURING(queue_reap_l1_batch, "L1-batch");
WITHOUT_LIBURING(queue_reap_l1_peek, "L1-peek");
WITHOUT_LIBURING(queue_order_l1, "L1");
WITHOUT_LIBURING(queue_any_l1, "L1");

#endif
