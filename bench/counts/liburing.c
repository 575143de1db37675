/* SPDX-License-Identifier: MIT */
/* What is counted of liburing, tuned with the features that ours has. */
#include "counts.h"

#ifdef BENCH_LIBURING

#include <liburing.h>
#include <string.h>

#define TUNED (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL)

struct peer {
	struct io_uring ring;
	struct io_uring_buf_ring *bufs;
	struct __kernel_timespec limit;
};

CASE(liburing, empty)
{
	EACH
	{
		OPERANDS;
	}
	return 0;
}

/* Get an entry, prepare it, give it user_data. */
#define ENTRY(name, prepare)                                               \
	CASE(liburing, name)                                               \
	{                                                                  \
		struct io_uring *ring = &((struct peer *)peer)->ring;      \
                                                                           \
		EACH                                                       \
		{                                                          \
			OPERANDS;                                          \
			struct io_uring_sqe *sqe = io_uring_get_sqe(ring); \
                                                                           \
			if (unlikely(sqe == NULL))                         \
				return -ENOBUFS;                           \
			prepare;                                           \
			io_uring_sqe_set_data64(sqe, identity);            \
		}                                                          \
		return 0;                                                  \
	}

ENTRY(nop, io_uring_prep_nop(sqe))
ENTRY(read, io_uring_prep_read(sqe, fd, buf, (unsigned int)len, extra))
ENTRY(recv, io_uring_prep_recv(sqe, fd, buf, len, flags))
ENTRY(send, io_uring_prep_send(sqe, fd, buf, len, flags))
ENTRY(read_fixed, {
	io_uring_prep_read_fixed(sqe, fd, buf, (unsigned int)len, extra, index);
	sqe->flags |= IOSQE_FIXED_FILE;
})
ENTRY(recv_multishot, {
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, flags);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = index;
})

PART void reap_for_each(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned int head, seen = 0;

	io_uring_for_each_cqe(ring, head, cqe)
	{
		SINK(cqe->user_data);
		SINK(cqe->res);
		seen++;
	}
	io_uring_cq_advance(ring, seen);
}

CASE(liburing, reap)
{
	reap_for_each(&((struct peer *)peer)->ring);
	return 0;
}

CASE(liburing, reap_batch)
{
	struct io_uring *ring = &((struct peer *)peer)->ring;
	struct io_uring_cqe *cqes[STEPS_MAX];
	unsigned int i, ready = io_uring_peek_batch_cqe(ring, cqes, n);

	for (i = 0; i < ready; i++) {
		SINK(cqes[i]->user_data);
		SINK(cqes[i]->res);
	}
	io_uring_cq_advance(ring, ready);
	return 0;
}

CASE(liburing, reap_singly)
{
	struct io_uring *ring = &((struct peer *)peer)->ring;

	REPEAT
	{
		struct io_uring_cqe *cqe;

		if (unlikely(io_uring_peek_cqe(ring, &cqe) < 0))
			return -EAGAIN;
		SINK(cqe->user_data);
		SINK(cqe->res);
		io_uring_cqe_seen(ring, cqe);
	}
	return 0;
}

CASE(liburing, give_back)
{
	struct io_uring_buf_ring *bufs = ((struct peer *)peer)->bufs;
	uint32_t at = 0;

	EACH
	{
		OPERANDS;
		io_uring_buf_ring_add(bufs, buf, (unsigned int)len, index, BUFFERS - 1, (int)at++);
	}
	io_uring_buf_ring_advance(bufs, (int)n);
	return 0;
}

/* ---- whole calls ---- */

PART int nop(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (unlikely(sqe == NULL))
		return -ENOBUFS;
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data64(sqe, 1);
	return 0;
}

CASE(liburing, call_1)
{
	struct io_uring *ring = &((struct peer *)peer)->ring;

	REPEAT
	{
		if (unlikely(nop(ring) < 0 || io_uring_submit_and_wait(ring, 1) < 0))
			return -EIO;
		reap_for_each(ring);
	}
	return 0;
}

/* As its manual pages show it: submit, wait for one, say that it was seen. */
CASE(liburing, call_1_wait_cqe)
{
	struct io_uring *ring = &((struct peer *)peer)->ring;

	REPEAT
	{
		struct io_uring_cqe *cqe;

		if (unlikely(nop(ring) < 0 || io_uring_submit(ring) < 0 ||
			     io_uring_wait_cqe(ring, &cqe) < 0))
			return -EIO;
		SINK(cqe->user_data);
		SINK(cqe->res);
		io_uring_cqe_seen(ring, cqe);
	}
	return 0;
}

CASE(liburing, call_1_timeout)
{
	struct peer *self = (struct peer *)peer;

	REPEAT
	{
		struct io_uring_cqe *cqe;

		if (unlikely(nop(&self->ring) < 0 ||
			     io_uring_submit_and_wait_timeout(&self->ring, &cqe, 1, &self->limit,
							      NULL) < 0))
			return -EIO;
		reap_for_each(&self->ring);
	}
	return 0;
}

CASE(liburing, call_32)
{
	struct io_uring *ring = &((struct peer *)peer)->ring;

	REPEAT
	{
		if (unlikely(nop(ring) < 0))
			return -EIO;
	}
	if (unlikely(io_uring_submit_and_wait(ring, n) < 0))
		return -EIO;
	reap_for_each(ring);
	return 0;
}

/* ---- what the cases work on ---- */

static void make_mock(struct io_uring *ring, struct mock *mock)
{
	memset(ring, 0, sizeof(*ring));
	ring->sq.khead = &mock->sq_head;
	ring->sq.ktail = &mock->sq_tail;
	ring->sq.kflags = &mock->sq_flags;
	ring->sq.kdropped = &mock->sq_dropped;
	ring->sq.array = mock->array;
	ring->sq.sqes = (struct io_uring_sqe *)mock->sqes;
	ring->sq.ring_mask = SQ_ENTRIES - 1;
	ring->sq.ring_entries = SQ_ENTRIES;
	ring->cq.khead = &mock->cq_head;
	ring->cq.ktail = &mock->cq_tail;
	ring->cq.kflags = &mock->cq_flags;
	ring->cq.koverflow = &mock->cq_overflow;
	ring->cq.cqes = (struct io_uring_cqe *)mock->cqes;
	ring->cq.ring_mask = CQ_ENTRIES - 1;
	ring->cq.ring_entries = CQ_ENTRIES;
}

static void make_real(struct io_uring *ring)
{
	struct io_uring_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = TUNED;
	ret = io_uring_queue_init_params(SQ_ENTRIES, ring, &params);
	if (ret < 0)
		counted_fail("io_uring_queue_init_params", ret);
	ret = io_uring_register_ring_fd(ring);
	if (ret < 0)
		counted_fail("io_uring_register_ring_fd", ret);
}

static void *setup(struct mock *mock, unsigned int needs)
{
	static struct peer self;

	if (needs & REAL)
		make_real(&self.ring);
	else
		make_mock(&self.ring, mock);
	self.bufs = (struct io_uring_buf_ring *)mock->bufs;
	self.limit.tv_sec = 1;
	return &self;
}

static const struct counted_case cases[] = {
	{ "empty", case_liburing_empty, MOCK | SINGLE },
	{ "nop", case_liburing_nop, MOCK | SINGLE },
	{ "read", case_liburing_read, MOCK | SINGLE },
	{ "recv", case_liburing_recv, MOCK | SINGLE },
	{ "send", case_liburing_send, MOCK | SINGLE },
	{ "read_fixed", case_liburing_read_fixed, MOCK | SINGLE },
	{ "recv_multishot", case_liburing_recv_multishot, MOCK | SINGLE },
	{ "reap", case_liburing_reap, MOCK },
	{ "reap_batch", case_liburing_reap_batch, MOCK },
	{ "reap_singly", case_liburing_reap_singly, MOCK | LOOP },
	{ "give_back", case_liburing_give_back, MOCK | SINGLE },
	{ "call_1", case_liburing_call_1, REAL | LOOP },
	{ "call_1_wait_cqe", case_liburing_call_1_wait_cqe, REAL | LOOP },
	{ "call_1_timeout", case_liburing_call_1_timeout, REAL | LOOP },
	{ "call_32", case_liburing_call_32, REAL },
	{ NULL, NULL, 0 },
};

const struct counted_peer counted_liburing = { "liburing", BENCH_LIBURING_VERSION, setup, cases };

#else

static const struct counted_case cases[] = { { NULL, NULL, 0 } };

const struct counted_peer counted_liburing = { "liburing", NULL, NULL, cases };

#endif
