/* SPDX-License-Identifier: MIT */
/* What is counted of this library. */
#include "counts.h"

#include <stdlib.h>
#include <string.h>

#include "oring.h"

#define RECORDS 256U
#define BGID	3

struct ours {
	struct oring ring;
	struct oring_pool pool;
	struct oring_bufring bufring;
	struct oring_wait_arg wait;
	struct oring_sqe prepared;
};

PART int nop(struct oring *ring)
{
	struct oring_sqe *sqe = oring_sq_reserve(ring);

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	oring_prep_nop(sqe);
	return oring_sqe_set_direct(sqe);
}

/* Take what there is to read of the one completion that is ready, and give it back. */
PART int reap_one(struct oring *ring)
{
	struct oring_cqe cqe;

	if (oring_unlikely(!oring_cq_take(ring, &cqe)))
		return -EAGAIN;
	SINK(cqe.user_data);
	SINK(cqe.res);
	return 0;
}

/* The same of all that are ready. */
PART void reap_all(struct oring *ring)
{
	uint32_t cursor = oring_cq_begin(ring), end = oring_cq_end(ring);
	const struct oring_cqe *cqe;
	uint32_t n, i;

	while ((cqe = oring_cq_run(ring, &cursor, end, &n)) != NULL) {
		for (i = 0; i < n; i++) {
			SINK(cqe[i].user_data);
			SINK(cqe[i].res);
		}
	}
	oring_cq_release_to(ring, cursor);
}

/* ---- one entry ---- */

CASE(ours, empty)
{
	EACH
	{
		OPERANDS;
	}
	return 0;
}

/* Reserve an entry, prepare it, give it the direct identity. */
#define ENTRY(name, ...)                                                   \
	CASE(ours, name)                                                   \
	{                                                                  \
		struct oring *ring = &((struct ours *)peer)->ring;         \
                                                                           \
		EACH                                                       \
		{                                                          \
			OPERANDS;                                          \
			struct oring_sqe *sqe = oring_sq_reserve(ring);    \
                                                                           \
			if (oring_unlikely(sqe == NULL))                   \
				return -ENOBUFS;                           \
			__VA_ARGS__;                                       \
			if (oring_unlikely(oring_sqe_set_direct(sqe) < 0)) \
				return -ERANGE;                            \
		}                                                          \
		return 0;                                                  \
	}

ENTRY(nop, oring_prep_nop(sqe))
ENTRY(read, oring_prep_read(sqe, oring_file_fd(fd), buf, len, extra))
ENTRY(recv, oring_prep_recv(sqe, oring_file_fd(fd), buf, len, flags))
ENTRY(send, oring_prep_send(sqe, oring_file_fd(fd), buf, len, flags))
ENTRY(read_fixed, oring_prep_read_fixed(sqe, oring_file_slot((uint32_t)fd), buf, len, extra, index))
/* Of a buffer whose length was checked once. */
ENTRY(read_buf, {
	oring_fixed_buf slice = { buf, (uint32_t)len, index, 0 };

	oring_prep_read_buf(sqe, oring_file_slot((uint32_t)fd), slice, extra);
})
ENTRY(recv_multishot, {
	oring_prep_recv_multishot(sqe, oring_file_fd(fd), flags);
	oring_sqe_buffer_select(sqe, index);
})

/* A file of either kind: which, is known only when it runs. */
ENTRY(read_file, {
	oring_file file;

	file.bits = identity;
	oring_prep_read(sqe, file, buf, len, extra);
})

/* Identity as the caller has it: 64 bits of its own. */
CASE(ours, read_user_data)
{
	struct oring *ring = &((struct ours *)peer)->ring;

	EACH
	{
		OPERANDS;
		struct oring_sqe *sqe = oring_sq_reserve(ring);

		if (oring_unlikely(sqe == NULL))
			return -ENOBUFS;
		oring_prep_read(sqe, oring_file_fd(fd), buf, len, extra);
		oring_sqe_set_user_data(sqe, identity);
	}
	return 0;
}

/* Re-arm: an entry that was prepared once, with another buffer each time. */
CASE(ours, push)
{
	struct oring *ring = &((struct ours *)peer)->ring;
	struct oring_sqe prepared;

	oring_sqe_clear(&prepared);
	oring_prep_read(&prepared, oring_file_fd(requests->fd), NULL, requests->len, 0);
	oring_sqe_set_user_data(&prepared, requests->identity);
	EACH
	{
		OPERANDS;
		struct oring_sqe *sqe = oring_sq_push(ring, &prepared);

		if (oring_unlikely(sqe == NULL))
			return -ENOBUFS;
		sqe->addr = (uint64_t)(uintptr_t)buf;
	}
	return 0;
}

/* The same from memory: a record that holds the entry. */
CASE(ours, push_record)
{
	struct ours *ours = (struct ours *)peer;

	EACH
	{
		OPERANDS;
		struct oring_sqe *sqe = oring_sq_push(&ours->ring, &ours->prepared);

		if (oring_unlikely(sqe == NULL))
			return -ENOBUFS;
		sqe->addr = (uint64_t)(uintptr_t)buf;
	}
	return 0;
}

/* ---- identity, from the entry to the completion ---- */

/* A pointer to the record, which the caller has. */
CASE(ours, identity_pointer)
{
	struct oring_sqe *sqe = oring_sq_at(&((struct ours *)peer)->ring, 0);

	EACH
	{
		OPERANDS;
		struct oring_sqe *record = (struct oring_sqe *)buf;

		oring_sqe_set_user_data(sqe, (uint64_t)(uintptr_t)record);
		HIDE();
		record = (struct oring_sqe *)(uintptr_t)sqe->user_data;
		SINK(record);
	}
	return 0;
}

/* A handle that the caller has, checked at the completion. */
CASE(ours, identity_checked)
{
	struct ours *ours = (struct ours *)peer;
	struct oring_sqe *sqe = oring_sq_at(&ours->ring, 0);
	const oring_context handle = oring_context_from_bits(ours->prepared.user_data);

	EACH
	{
		struct oring_sqe *record;
		OPERANDS;

		oring_sqe_set_context(sqe, handle);
		HIDE();
		record = oring_pool_lookup(&ours->pool, oring_context_from_bits(sqe->user_data));
		if (oring_unlikely(record == NULL))
			return -ESTALE;
		SINK(record);
	}
	return 0;
}

/* A record for each: acquired, found again by its handle, given back. */
CASE(ours, identity_record)
{
	struct ours *ours = (struct ours *)peer;
	struct oring_sqe *sqe = oring_sq_at(&ours->ring, 0);

	EACH
	{
		oring_context handle = oring_context_from_bits(0);
		struct oring_sqe *record;
		OPERANDS;

		if (oring_unlikely(
			    oring_pool_acquire(&ours->pool, ORING_OP_READ, &handle, &record) < 0))
			return -ENOBUFS;
		oring_sqe_set_context(sqe, handle);
		HIDE();
		record = oring_pool_retire(&ours->pool, oring_context_from_bits(sqe->user_data));
		if (oring_unlikely(record == NULL))
			return -ESTALE;
		SINK(record);
	}
	return 0;
}

/* ---- completions ---- */

CASE(ours, reap)
{
	reap_all(&((struct ours *)peer)->ring);
	return 0;
}

CASE(ours, reap_for_each)
{
	struct oring *ring = &((struct ours *)peer)->ring;
	const struct oring_cqe *cqe;
	uint32_t cursor, end;

	oring_cq_for_each (ring, cursor, end, cqe) {
		SINK(cqe->user_data);
		SINK(cqe->res);
	}
	oring_cq_release_to(ring, cursor);
	return 0;
}

CASE(ours, reap_singly)
{
	REPEAT
	{
		int ret = reap_one(&((struct ours *)peer)->ring);

		if (oring_unlikely(ret < 0))
			return ret;
	}
	return 0;
}

/* ---- buffers ---- */

/* All came back in the order in which they were taken: only the tail moves. */
CASE(ours, give_back_in_order)
{
	struct oring_bufring *bufring = &((struct ours *)peer)->bufring;

	EACH
	{
		OPERANDS;
		oring_bufring_repeat(bufring, 1);
	}
	oring_bufring_commit(bufring);
	return 0;
}

CASE(ours, give_back)
{
	struct oring_bufring *bufring = &((struct ours *)peer)->bufring;

	EACH
	{
		OPERANDS;
		oring_bufring_add(bufring, buf, (uint32_t)len, index);
	}
	oring_bufring_commit(bufring);
	return 0;
}

/* ---- whole calls, on a ring of the kernel ---- */

CASE(ours, call_1)
{
	struct oring *ring = &((struct ours *)peer)->ring;

	REPEAT
	{
		int ret = nop(ring);

		if (oring_unlikely(ret < 0))
			return ret;
		ret = oring_submit_and_wait(ring, 1);
		if (oring_unlikely(ret < 0))
			return ret;
		ret = reap_one(ring);
		if (oring_unlikely(ret < 0))
			return ret;
	}
	return 0;
}

/* The limit lies in the wait region, set once. */
CASE(ours, call_1_timeout)
{
	struct oring *ring = &((struct ours *)peer)->ring;

	REPEAT
	{
		int ret = nop(ring);

		if (oring_unlikely(ret < 0))
			return ret;
		ret = oring_submit_and_wait_slot(ring, 1, 1);
		if (oring_unlikely(ret < 0))
			return ret;
		ret = reap_one(ring);
		if (oring_unlikely(ret < 0))
			return ret;
	}
	return 0;
}

/* The limit is an argument, another one each time if the caller likes. */
CASE(ours, call_1_timeout_arg)
{
	struct ours *ours = (struct ours *)peer;
	struct oring *ring = &ours->ring;

	REPEAT
	{
		int ret = nop(ring);

		if (oring_unlikely(ret < 0))
			return ret;
		ret = oring_submit_and_wait_timeout(ring, 1, &ours->wait, NULL);
		if (oring_unlikely(ret < 0))
			return ret;
		ret = reap_one(ring);
		if (oring_unlikely(ret < 0))
			return ret;
	}
	return 0;
}

CASE(ours, call_32)
{
	struct oring *ring = &((struct ours *)peer)->ring;
	int ret;

	REPEAT
	{
		ret = nop(ring);
		if (oring_unlikely(ret < 0))
			return ret;
	}
	ret = oring_submit_and_wait(ring, n);
	if (oring_unlikely(ret < 0))
		return ret;
	reap_all(ring);
	return 0;
}

/* ---- what the cases work on ---- */

static void make_mock(struct oring *ring, struct mock *mock)
{
	memset(ring, 0, sizeof(*ring));
	ring->sqes = (unsigned char *)mock->sqes;
	ring->sq_entries = SQ_ENTRIES;
	ring->sq_mask = SQ_ENTRIES - 1;
	ring->sq_stride = sizeof(struct oring_sqe);
	ring->sq_head = &mock->sq_head;
	ring->sq_tail = &mock->sq_tail;
	ring->sq_flags = &mock->sq_flags;
	ring->sq_dropped = &mock->sq_dropped;
	oring_sq_refresh(ring);

	ring->cqes = (unsigned char *)mock->cqes;
	ring->cq_entries = CQ_ENTRIES;
	ring->cq_mask = CQ_ENTRIES - 1;
	ring->cq_stride = sizeof(struct oring_cqe);
	ring->cq_head = &mock->cq_head;
	ring->cq_tail = &mock->cq_tail;
	ring->cq_flags = &mock->cq_flags;
	ring->cq_overflow = &mock->cq_overflow;
}

/* The recommended shape, and it has to have all of it: else other paths would be counted. */
static void make_real(struct oring *ring, const struct oring_wait_arg *wait)
{
	struct oring_wait_region region = { NULL, 0 };
	int ret = oring_init_fast(ring, SQ_ENTRIES, NULL, &region);

	if (ret == 0 && region.slots != NULL)
		ret = oring_wait_slot_set(&region.slots[1], wait);
	if (ret == 0)
		ret = oring_start(ring);
	if (ret < 0)
		counted_fail("oring_init_fast", ret);
	if (!oring_has_registered_fd(ring) || !oring_has_wait_region(ring))
		counted_fail("a ring with registered waits (6.13)", EOPNOTSUPP);
}

static void make_pool(struct ours *ours)
{
	size_t size = (oring_pool_size(RECORDS, 0) + 63) / 64 * 64;
	void *memory = aligned_alloc(64, size);
	struct oring_sqe *record;
	oring_context handle = oring_context_from_bits(0);
	int ret = memory != NULL ? oring_pool_init(&ours->pool, memory, size, RECORDS, 0) : -ENOMEM;

	if (ret == 0)
		ret = oring_pool_acquire(&ours->pool, ORING_OP_READ, &handle, &record);
	if (ret < 0)
		counted_fail("oring_pool_init", ret);
	oring_sqe_clear(&ours->prepared);
	oring_prep_read(&ours->prepared, oring_file_fd(7), NULL, 4096, 0);
	oring_sqe_set_context(&ours->prepared, handle);
}

static void *setup(struct mock *mock, unsigned int needs)
{
	static struct ours ours;

	oring_wait_relative(&ours.wait, 1, 0);
	if (needs & REAL)
		make_real(&ours.ring, &ours.wait);
	else
		make_mock(&ours.ring, mock);
	make_pool(&ours);
	ours.bufring.bufs = (struct oring_buf *)mock->bufs;
	ours.bufring.mask = BUFFERS - 1;
	ours.bufring.bgid = BGID;
	return &ours;
}

static const struct counted_case cases[] = {
	{ "empty", case_ours_empty, MOCK | SINGLE },
	{ "nop", case_ours_nop, MOCK | SINGLE },
	{ "read", case_ours_read, MOCK | SINGLE },
	{ "recv", case_ours_recv, MOCK | SINGLE },
	{ "send", case_ours_send, MOCK | SINGLE },
	{ "read_fixed", case_ours_read_fixed, MOCK | SINGLE },
	{ "read_buf", case_ours_read_buf, MOCK | SINGLE },
	{ "recv_multishot", case_ours_recv_multishot, MOCK | SINGLE },
	{ "read_file", case_ours_read_file, MOCK | SINGLE },
	{ "read_user_data", case_ours_read_user_data, MOCK | SINGLE },
	{ "push", case_ours_push, MOCK | SINGLE },
	{ "push_record", case_ours_push_record, MOCK | SINGLE },
	{ "identity_pointer", case_ours_identity_pointer, MOCK | SINGLE },
	{ "identity_checked", case_ours_identity_checked, MOCK | SINGLE },
	{ "identity_record", case_ours_identity_record, MOCK | SINGLE },
	{ "reap", case_ours_reap, MOCK },
	{ "reap_for_each", case_ours_reap_for_each, MOCK },
	{ "reap_singly", case_ours_reap_singly, MOCK | LOOP },
	{ "give_back_in_order", case_ours_give_back_in_order, MOCK | SINGLE },
	{ "give_back", case_ours_give_back, MOCK | SINGLE },
	{ "call_1", case_ours_call_1, REAL | LOOP },
	{ "call_1_timeout", case_ours_call_1_timeout, REAL | LOOP },
	{ "call_1_timeout_arg", case_ours_call_1_timeout_arg, REAL | LOOP },
	{ "call_32", case_ours_call_32, REAL },
	{ NULL, NULL, 0 },
};

const struct counted_peer counted_ours = { "ours", NULL, setup, cases };
