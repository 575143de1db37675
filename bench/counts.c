/* SPDX-License-Identifier: MIT */
/*
 * The functions whose instructions count.py counts:
 *
 *   counts CASE OPERATIONS    makes so many operations by case_CASE; a multiple of 32
 *   counts --compiler         says what compiled it
 *
 * A case is a function by itself, called through a pointer: its operands come
 * in registers and the compiler knows nothing about them. What it does for one
 * operation, or for a batch of 32, is all that is counted. What can fail is
 * checked, as users do.
 *
 * A mock ring is memory of this program; between the calls run() plays the
 * kernel's side of it, outside of what is counted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oring.h"

#define BATCH	   32U
#define SQ_ENTRIES 256U
#define CQ_ENTRIES 512U
#define RECORDS	   256U
#define REAL_FLAGS                                                                        \
	(ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_NO_SQARRAY | \
	 ORING_SETUP_SUBMIT_ALL)

/* @value is needed here. No instruction. */
#define SINK(value) __asm__ volatile("" : : "r"(value))
/* Any memory, and @value, may be another from here on. No instruction. */
#define HIDE(value) __asm__ volatile("" : "+r"(value) : : "memory")
/* What a case consists of becomes part of it. */
#define PART   __attribute__((always_inline)) static inline
#define UNUSED __attribute__((unused))

struct counted {
	struct oring ring;
	struct oring_pool pool;
	struct oring_wait_arg wait;
	struct oring_sqe template_sqe;
};

/*
 * @extra: an offset, or flags
 * @identity: a user_data, an oring_file, or the number of a buffer or a group
 */
#define CASE(name)                                                                            \
	__attribute__((noinline)) static int case_##name(                                     \
		UNUSED struct counted *c, UNUSED int fd, UNUSED void *buf, UNUSED size_t len, \
		UNUSED uint64_t extra, UNUSED uint64_t identity)

/* The kernel's side of a mock ring. */
static struct {
	uint32_t sq_head, sq_tail, sq_flags, sq_dropped;
	uint32_t cq_head, cq_tail, cq_flags, cq_overflow;
} kernel;

static struct oring_sqe sqes[SQ_ENTRIES] __attribute__((aligned(64)));
static struct oring_cqe cqes[CQ_ENTRIES] __attribute__((aligned(64)));

__attribute__((noreturn)) static void fail(const char *what, int error)
{
	fprintf(stderr, "counts: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

/* ---- parts of cases ---- */

PART int nop(struct oring *ring)
{
	struct oring_sqe *sqe = oring_sq_reserve(ring);

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	oring_prep_nop(sqe);
	return oring_sqe_set_direct(sqe);
}

/* Walk over what is ready, take what there is to read, and give it back. */
PART void reap(struct oring *ring)
{
	const struct oring_cqe *cqe;
	uint64_t sum = 0;
	uint32_t cursor;
	uint32_t end;

	oring_cq_for_each (ring, cursor, end, cqe)
		sum += cqe->user_data + (uint64_t)cqe->res;
	oring_cq_release_to(ring, cursor);
	SINK(sum);
}

/* ---- one entry, on a mock ring ---- */

CASE(empty)
{
	return 0;
}

CASE(prep_nop)
{
	return nop(&c->ring);
}

CASE(prep_read)
{
	struct oring_sqe *sqe = oring_sq_reserve(&c->ring);

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	oring_prep_read(sqe, oring_file_fd(fd), buf, len, extra);
	return oring_sqe_set_direct(sqe);
}

/* A file of either kind: which, is known only when it runs. */
CASE(prep_read_file)
{
	struct oring_sqe *sqe = oring_sq_reserve(&c->ring);
	oring_file file;

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	file.bits = identity;
	oring_prep_read(sqe, file, buf, len, extra);
	return oring_sqe_set_direct(sqe);
}

CASE(prep_read_userdata)
{
	struct oring_sqe *sqe = oring_sq_reserve(&c->ring);

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	oring_prep_read(sqe, oring_file_fd(fd), buf, len, extra);
	oring_sqe_set_user_data(sqe, identity);
	return 0;
}

/* A record is acquired for the entry, and released as if the completion had come. */
CASE(prep_read_handle)
{
	struct oring_sqe *sqe = oring_sq_reserve(&c->ring);
	struct oring_sqe *record;
	oring_context handle;
	int ret;

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	ret = oring_pool_acquire(&c->pool, ORING_OP_READ, &handle, &record);
	if (oring_unlikely(ret < 0))
		return ret;
	SINK(record);
	oring_prep_read(sqe, oring_file_fd(fd), buf, len, extra);
	oring_sqe_set_context(sqe, handle);
	HIDE(handle.bits);
	return oring_pool_release(&c->pool, handle);
}

CASE(prep_read_fixed)
{
	struct oring_sqe *sqe = oring_sq_reserve(&c->ring);

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	oring_prep_read_fixed(sqe, oring_file_slot((uint32_t)fd), buf, len, extra,
			      (uint16_t)identity);
	return oring_sqe_set_direct(sqe);
}

CASE(prep_recv)
{
	struct oring_sqe *sqe = oring_sq_reserve(&c->ring);

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	oring_prep_recv(sqe, oring_file_fd(fd), buf, len, (int)extra);
	return oring_sqe_set_direct(sqe);
}

CASE(prep_recv_select)
{
	struct oring_sqe *sqe = oring_sq_reserve(&c->ring);

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	oring_prep_recv(sqe, oring_file_fd(fd), NULL, len, (int)extra);
	oring_sqe_buffer_select(sqe, (uint16_t)identity);
	return oring_sqe_set_direct(sqe);
}

CASE(prep_send)
{
	struct oring_sqe *sqe = oring_sq_reserve(&c->ring);

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	oring_prep_send(sqe, oring_file_fd(fd), buf, len, (int)extra);
	return oring_sqe_set_direct(sqe);
}

CASE(push)
{
	struct oring_sqe *sqe = oring_sq_push(&c->ring, &c->template_sqe);

	if (oring_unlikely(sqe == NULL))
		return -ENOBUFS;
	sqe->addr = (uint64_t)(uintptr_t)buf;
	oring_sqe_set_user_data(sqe, identity);
	return 0;
}

/* ---- a batch of completions, on a mock ring ---- */

CASE(reap)
{
	reap(&c->ring);
	return 0;
}

CASE(reap_handle)
{
	const struct oring_cqe *cqe;
	uint32_t cursor;
	uint32_t end;

	oring_cq_for_each (&c->ring, cursor, end, cqe) {
		struct oring_sqe *record = oring_pool_lookup(&c->pool, oring_cqe_context(cqe));

		if (oring_unlikely(record == NULL))
			return -ESTALE;
		SINK(record);
		SINK(cqe->res);
	}
	oring_cq_release_to(&c->ring, cursor);
	return 0;
}

/* ---- whole calls, on a ring of the kernel ---- */

CASE(call_1)
{
	int ret = nop(&c->ring);

	if (oring_unlikely(ret < 0))
		return ret;
	ret = oring_submit_and_wait(&c->ring, 1);
	if (oring_unlikely(ret < 0))
		return ret;
	reap(&c->ring);
	return 0;
}

CASE(call_1_timeout)
{
	int ret = nop(&c->ring);

	if (oring_unlikely(ret < 0))
		return ret;
	ret = oring_submit_and_wait_timeout(&c->ring, 1, &c->wait, NULL);
	if (oring_unlikely(ret < 0))
		return ret;
	reap(&c->ring);
	return 0;
}

CASE(call_32)
{
	uint32_t i;
	int ret;

	for (i = 0; i < BATCH; i++) {
		ret = nop(&c->ring);
		if (oring_unlikely(ret < 0))
			return ret;
	}
	ret = oring_submit_and_wait(&c->ring, BATCH);
	if (oring_unlikely(ret < 0))
		return ret;
	reap(&c->ring);
	return 0;
}

/* ---- what cases work on ---- */

static void make_mock(struct oring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->sqes = (unsigned char *)sqes;
	ring->sq_entries = SQ_ENTRIES;
	ring->sq_mask = SQ_ENTRIES - 1;
	ring->sq_stride = sizeof(sqes[0]);
	ring->sq_head = &kernel.sq_head;
	ring->sq_tail = &kernel.sq_tail;
	ring->sq_flags = &kernel.sq_flags;
	ring->sq_dropped = &kernel.sq_dropped;
	oring_sq_refresh(ring);

	ring->cqes = (unsigned char *)cqes;
	ring->cq_entries = CQ_ENTRIES;
	ring->cq_mask = CQ_ENTRIES - 1;
	ring->cq_stride = sizeof(cqes[0]);
	ring->cq_head = &kernel.cq_head;
	ring->cq_tail = &kernel.cq_tail;
	ring->cq_flags = &kernel.cq_flags;
	ring->cq_overflow = &kernel.cq_overflow;
}

static void make_real(struct oring *ring)
{
	struct oring_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	ret = oring_init_flags(ring, SQ_ENTRIES, &params, REAL_FLAGS);
	if (ret < 0)
		fail("oring_init_flags", ret);
	if (oring_setup_flags(ring) != REAL_FLAGS)
		fprintf(stderr, "counts: the kernel gave setup flags %#x instead of %#x\n",
			oring_setup_flags(ring), REAL_FLAGS);
}

static void make_pool(struct oring_pool *pool)
{
	size_t size = oring_pool_size(RECORDS, 0);
	void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
	int ret = memory != NULL ? oring_pool_init(pool, memory, size, RECORDS, 0) : -ENOMEM;

	if (ret < 0)
		fail("oring_pool_init", ret);
}

/* Every completion carries the handle of a record that is acquired. */
static void fill_completions(struct oring_pool *pool)
{
	oring_context handles[RECORDS];
	uint32_t i;

	for (i = 0; i < RECORDS; i++) {
		struct oring_sqe *record;

		if (oring_pool_acquire(pool, ORING_OP_NOP, &handles[i], &record) < 0)
			fail("oring_pool_acquire", ENOBUFS);
	}
	for (i = 0; i < CQ_ENTRIES; i++) {
		cqes[i].user_data = oring_context_bits(handles[i % RECORDS]);
		cqes[i].res = (int32_t)i;
	}
}

static const struct {
	const char *name;
	int (*run)(struct counted *c, int fd, void *buf, size_t len, uint64_t extra,
		   uint64_t identity);
	uint32_t batch; /* operations in one call */
	bool real;	/* needs a ring of the kernel */
	bool handles;	/* the completions carry handles: all records are acquired */
} cases[] = {
	{ "empty", case_empty, 1, false, false },
	{ "prep-nop", case_prep_nop, 1, false, false },
	{ "prep-read", case_prep_read, 1, false, false },
	{ "prep-read-file", case_prep_read_file, 1, false, false },
	{ "prep-read-userdata", case_prep_read_userdata, 1, false, false },
	{ "prep-read-handle", case_prep_read_handle, 1, false, false },
	{ "prep-read_fixed", case_prep_read_fixed, 1, false, false },
	{ "prep-recv", case_prep_recv, 1, false, false },
	{ "prep-recv_select", case_prep_recv_select, 1, false, false },
	{ "prep-send", case_prep_send, 1, false, false },
	{ "push", case_push, 1, false, false },
	{ "reap", case_reap, BATCH, false, true },
	{ "reap-handle", case_reap_handle, BATCH, false, true },
	{ "call-1", case_call_1, 1, true, false },
	{ "call-32", case_call_32, BATCH, true, false },
	{ "call-1-timeout", case_call_1_timeout, 1, true, false },
};

static void run(size_t i, uint64_t operations)
{
	static unsigned char memory[4096];
	static struct counted counted;
	struct oring *ring = &counted.ring;
	uint64_t done;
	int ret;

	if (cases[i].real)
		make_real(ring);
	else
		make_mock(ring);
	make_pool(&counted.pool);
	if (cases[i].handles)
		fill_completions(&counted.pool);
	oring_sqe_clear(&counted.template_sqe);
	oring_prep_read(&counted.template_sqe, oring_file_fd(7), memory, sizeof(memory), 0);
	oring_wait_relative(&counted.wait, 1, 0);

	for (done = 0; done < operations; done += cases[i].batch) {
		if (done % BATCH == 0 && !cases[i].real) {
			/* The kernel consumes what was reserved, and completes as much. */
			oring_store_release(&kernel.sq_head, ring->sq_reserved);
			oring_store_release(&kernel.cq_tail, ring->cq_released + BATCH);
		}
		ret = cases[i].run(&counted, 7, memory, sizeof(memory), 0, 5);
		if (ret < 0)
			fail(cases[i].name, ret);
	}
}

int main(int argc, char **argv)
{
	uint64_t operations = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
	size_t i;

	if (argc == 2 && strcmp(argv[1], "--compiler") == 0) {
#ifdef __clang__
		puts(__VERSION__);
#else
		puts("gcc " __VERSION__);
#endif
		return 0;
	}
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (operations > 0 && operations % BATCH == 0 &&
		    strcmp(argv[1], cases[i].name) == 0) {
			run(i, operations);
			return 0;
		}
	}
	fputs("usage: counts CASE OPERATIONS (a multiple of 32)\n", stderr);
	return 2;
}
