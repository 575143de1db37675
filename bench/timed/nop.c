/* SPDX-License-Identifier: MIT */
/* NOPs: the cheapest operation there is, so that what is around it shows. */
#include "bare.h"
#include "nop.h"

#include <stdlib.h>

#include "oring.h"

struct nop {
	struct oring ring;
	struct oring_wait_arg limit;
	uint32_t batch;
};

static void *open_ours(const struct bench_job *job)
{
	struct nop *nop = bench_alloc(sizeof(*nop));
	int ret = oring_init_fast(&nop->ring, NOP_ENTRIES, NULL, NULL);

	if (ret == 0)
		ret = oring_start(&nop->ring);
	if (ret < 0)
		bench_fail(ret, "a fast ring");
	nop->batch = job->batch;
	oring_wait_relative(&nop->limit, 1, 0);
	return nop;
}

static void close_ours(void *self)
{
	struct nop *nop = self;

	oring_exit(&nop->ring);
	munmap(nop, sizeof(*nop));
}

static inline void prepare_ours(struct oring *ring, uint64_t first, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(ring);

		if (sqe == NULL)
			bench_fail(0, "the queue is full");
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, first + i);
	}
}

static inline void reap_ours(struct oring *ring, uint64_t first, uint32_t batch)
{
	uint32_t cursor = oring_cq_begin(ring), end = oring_cq_end(ring), n, i;
	struct nop_sum sum = { 0, 0, 0 };
	const struct oring_cqe *cqe;

	while ((cqe = oring_cq_run(ring, &cursor, end, &n)) != NULL) {
		for (i = 0; i < n; i++)
			nop_add(&sum, cqe[i].user_data, cqe[i].res);
	}
	oring_cq_release_to(ring, cursor);
	nop_check(&sum, first, batch);
}

static void run_ours(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop *nop = self;
	uint32_t batch = nop->batch;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		int ret;

		prepare_ours(&nop->ring, done, batch);
		ret = oring_submit_and_wait(&nop->ring, batch);
		if (ret != (int)batch)
			bench_fail(ret, "oring_submit_and_wait");
		reap_ours(&nop->ring, done, batch);
	}
}

static void run_ours_timeout(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop *nop = self;
	uint32_t batch = nop->batch;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		int ret;

		prepare_ours(&nop->ring, done, batch);
		ret = oring_submit_and_wait_timeout(&nop->ring, batch, &nop->limit, NULL);
		if (ret != (int)batch)
			bench_fail(ret, "oring_submit_and_wait_timeout");
		reap_ours(&nop->ring, done, batch);
	}
}

/* ---- the bare loop ---- */

struct nop_bare {
	struct bare bare;
	uint32_t batch;
	struct nop_sum sum;
	struct nop_callback callbacks[NOP_TOKENS];
};

static void *open_bare_as(const struct bench_job *job, uint32_t wanted)
{
	struct nop_bare *nop = bench_alloc(sizeof(*nop));

	if (!bare_open(&nop->bare, NOP_ENTRIES, wanted)) {
		munmap(nop, sizeof(*nop));
		return NULL;
	}
	nop->batch = job->batch;
	if (nop->bare.wait != NULL) {
		nop->bare.wait[0].ts.tv_sec = 1;
		nop->bare.wait[0].flags = ORING_REG_WAIT_TS;
	}
	return nop;
}

static void *open_bare(const struct bench_job *job)
{
	return open_bare_as(job, 0);
}

static void *open_bare_timeout(const struct bench_job *job)
{
	return open_bare_as(job, BARE_WAIT_REGION);
}

static void close_bare(void *self)
{
	struct nop_bare *nop = self;

	bare_close(&nop->bare);
	munmap(nop, sizeof(*nop));
}

static inline void reap_bare(struct bare *bare, uint64_t first, uint32_t batch)
{
	struct nop_sum sum = { 0, 0, 0 };
	uint32_t end = bare_end(bare), at;

	for (at = bare->reaped; at != end; at++)
		nop_add(&sum, bare_at(bare, at)->user_data, bare_at(bare, at)->res);
	bare_release(bare, end);
	nop_check(&sum, first, batch);
}

static void run_bare(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop_bare *nop = self;
	uint32_t batch = nop->batch, i;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		for (i = 0; i < batch; i++)
			bare_put(&nop->bare, ORING_OP_NOP, -1, NULL, 0, 0, 0, done + i);
		if (bare_submit_and_wait(&nop->bare, batch, batch) != (long)batch)
			bench_fail(errno, "io_uring_enter");
		reap_bare(&nop->bare, done, batch);
	}
}

static void run_bare_timeout(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop_bare *nop = self;
	uint32_t batch = nop->batch, i;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		for (i = 0; i < batch; i++)
			bare_put(&nop->bare, ORING_OP_NOP, -1, NULL, 0, 0, 0, done + i);
		bare_commit(&nop->bare);
		/* The argument is an offset in the region. */
		if (bare_enter(&nop->bare, batch, batch,
			       ORING_ENTER_GETEVENTS | ORING_ENTER_EXT_ARG |
				       ORING_ENTER_EXT_ARG_REG,
			       NULL, sizeof(*nop->bare.wait)) != (long)batch)
			bench_fail(errno, "io_uring_enter");
		reap_bare(&nop->bare, done, batch);
	}
}

static void run_bare_token(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop_bare *nop = self;
	uint32_t batch = nop->batch, i, at, end;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		for (i = 0; i < batch; i++) {
			struct nop_callback *callback = &nop->callbacks[i];

			callback->done = nop_done;
			callback->argument = &nop->sum;
			bare_put(&nop->bare, ORING_OP_NOP, -1, NULL, 0, 0, 0,
				 (uint64_t)(uintptr_t)callback);
		}
		if (bare_submit_and_wait(&nop->bare, batch, batch) != (long)batch)
			bench_fail(errno, "io_uring_enter");
		end = bare_end(&nop->bare);
		for (at = nop->bare.reaped; at != end; at++) {
			const struct oring_cqe *cqe = bare_at(&nop->bare, at);
			struct nop_callback *callback =
				(struct nop_callback *)(uintptr_t)cqe->user_data;

			callback->done(callback->argument, cqe->res);
		}
		bare_release(&nop->bare, end);
		nop_check_called(&nop->sum, batch);
	}
}

/* ---- handles that recognise stale completions ---- */

struct nop_token {
	struct oring ring;
	struct oring_pool pool;
	uint32_t batch;
	void *memory;
	struct nop_sum sum;
};

static void *open_token(const struct bench_job *job)
{
	size_t size = oring_pool_size(NOP_TOKENS, sizeof(struct nop_callback));
	struct nop_token *nop = bench_alloc(sizeof(*nop));
	int ret = oring_init_fast(&nop->ring, NOP_ENTRIES, NULL, NULL);

	if (ret == 0)
		ret = oring_start(&nop->ring);
	if (ret < 0)
		bench_fail(ret, "a fast ring");
	nop->memory = bench_alloc(size);
	ret = oring_pool_init(&nop->pool, nop->memory, size, NOP_TOKENS,
			      sizeof(struct nop_callback));
	if (ret < 0)
		bench_fail(ret, "oring_pool_init");
	nop->batch = job->batch;
	return nop;
}

static void close_token(void *self)
{
	struct nop_token *nop = self;

	oring_exit(&nop->ring);
	munmap(nop->memory, oring_pool_size(NOP_TOKENS, sizeof(struct nop_callback)));
	munmap(nop, sizeof(*nop));
}

static inline void prepare_token(struct nop_token *nop)
{
	struct oring_sqe *sqe = oring_sq_reserve(&nop->ring);
	struct nop_callback *callback;
	struct oring_sqe *record;
	oring_context handle = oring_context_from_bits(0);

	if (sqe == NULL || oring_pool_acquire(&nop->pool, ORING_OP_NOP, &handle, &record) < 0)
		bench_fail(0, "no entry or no record");
	callback = oring_pool_extra(record);
	callback->done = nop_done;
	callback->argument = &nop->sum;
	oring_prep_nop(sqe);
	oring_sqe_set_context(sqe, handle);
}

static inline void complete_token(struct nop_token *nop, const struct oring_cqe *cqe)
{
	struct oring_sqe *record = oring_pool_retire(&nop->pool, oring_cqe_context(cqe));
	struct nop_callback *callback;

	if (record == NULL)
		bench_fail(0, "a stale completion");
	callback = oring_pool_extra(record);
	callback->done(callback->argument, cqe->res);
}

static void run_token(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop_token *nop = self;
	uint32_t batch = nop->batch, cursor, end, n, i;
	const struct oring_cqe *cqe;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		int ret;

		for (i = 0; i < batch; i++)
			prepare_token(nop);
		ret = oring_submit_and_wait(&nop->ring, batch);
		if (ret != (int)batch)
			bench_fail(ret, "oring_submit_and_wait");
		cursor = oring_cq_begin(&nop->ring);
		end = oring_cq_end(&nop->ring);
		while ((cqe = oring_cq_run(&nop->ring, &cursor, end, &n)) != NULL) {
			for (i = 0; i < n; i++)
				complete_token(nop, &cqe[i]);
		}
		oring_cq_release_to(&nop->ring, cursor);
		nop_check_called(&nop->sum, batch);
	}
}

/* ---- the benchmarks ---- */

static const struct bench_contender ours = {
	"ours",	    "oring_init_fast; oring_submit_and_wait, oring_cq_run",
	open_ours,  run_ours,
	close_ours, NULL
};
static const struct bench_contender bare = {
	"bare",	    "hand-written loop on the mapped rings, the same setup",
	open_bare,  run_bare,
	close_bare, NULL
};
static const struct bench_contender ours_timeout = {
	"ours",	    "oring_init_fast; oring_submit_and_wait_timeout",
	open_ours,  run_ours_timeout,
	close_ours, NULL
};
static const struct bench_contender bare_timeout = {
	"bare",
	"hand-written loop, the time limit in a registered wait region",
	open_bare_timeout,
	run_bare_timeout,
	close_bare,
	NULL
};
static const struct bench_contender ours_token = {
	"ours",	     "oring_pool handles: stale completions are recognised; callback in the record",
	open_token,  run_token,
	close_token, NULL
};
static const struct bench_contender bare_token = {
	"bare",	    "hand-written loop, an unchecked pointer to the callback as identity",
	open_bare,  run_bare_token,
	close_bare, NULL
};

static const struct bench_contender *const contenders[] = { &ours,   &bare,	    &nop_l0,
							    &nop_l1, &nop_l1_batch, NULL };
static const struct bench_contender *const timeout_contenders[] = {
	&ours_timeout, &bare_timeout, &nop_timeout_l0, &nop_timeout_l1, &nop_timeout_l1_reg, NULL
};
static const struct bench_contender *const token_contenders[] = { &ours_token, &bare_token,
								  &nop_token_l1, NULL };

static const struct bench nop_1 = {
	.name = "nop-1",
	.what = "One NOP is submitted and waited for with each system call",
	.operation = "NOP",
	.job = { .batch = 1 },
	.contenders = contenders,
};
static const struct bench nop_32 = {
	.name = "nop-32",
	.what = "32 NOPs are submitted and waited for with each system call",
	.operation = "NOP",
	.job = { .batch = 32 },
	.contenders = contenders,
};
static const struct bench nop_128 = {
	.name = "nop-128",
	.what = "128 NOPs are submitted and waited for with each system call",
	.operation = "NOP",
	.job = { .batch = 128 },
	.contenders = contenders,
};
static const struct bench nop_token_128 = {
	.name = "nop-token-128",
	.what = "128 NOPs with each system call; each completion leads to a callback",
	.operation = "NOP",
	.job = { .batch = 128 },
	.contenders = token_contenders,
};
static const struct bench wait_timeout_1 = {
	.name = "wait-timeout-1",
	.what = "One NOP is submitted and waited for, one second at most, with each system call",
	.operation = "NOP",
	.job = { .batch = 1 },
	.contenders = timeout_contenders,
};

const struct bench *const bench_nop[] = { &nop_1,	  &nop_32,	   &nop_128,
					  &nop_token_128, &wait_timeout_1, NULL };
