/* SPDX-License-Identifier: MIT */
/* NOPs by liburing. */
#include "liburing_ring.h"
#include "nop.h"

#ifdef BENCH_LIBURING

#include <sys/mman.h>
#include <unistd.h>

struct nop {
	struct io_uring ring;
	struct __kernel_timespec limit;
	uint32_t batch;
	struct io_uring_reg_wait *region;
	struct nop_sum sum;
	struct io_uring_cqe *cqes[NOP_ENTRIES];
	struct nop_callback callbacks[NOP_TOKENS];
};

static struct nop *open_as(const struct bench_job *job, bool tuned)
{
	struct nop *nop = bench_alloc(sizeof(*nop));

	liburing_open(&nop->ring, NOP_ENTRIES, tuned);
	nop->batch = job->batch;
	nop->limit.tv_sec = 1;
	return nop;
}

static void *open_l0(const struct bench_job *job)
{
	return open_as(job, false);
}

static void *open_l1(const struct bench_job *job)
{
	return open_as(job, true);
}

static void close_nop(void *self)
{
	struct nop *nop = self;

	io_uring_queue_exit(&nop->ring);
	if (nop->region != NULL)
		munmap(nop->region, (size_t)sysconf(_SC_PAGESIZE));
	munmap(nop, sizeof(*nop));
}

static inline void prepare(struct io_uring *ring, uint64_t first, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		if (sqe == NULL)
			bench_fail(0, "the queue is full");
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, first + i);
	}
}

static inline void reap(struct io_uring *ring, uint64_t first, uint32_t batch)
{
	struct nop_sum sum = { 0, 0, 0 };
	struct io_uring_cqe *cqe;
	unsigned int head;

	io_uring_for_each_cqe(ring, head, cqe)
		nop_add(&sum, io_uring_cqe_get_data64(cqe), cqe->res);
	io_uring_cq_advance(ring, (unsigned int)sum.count);
	nop_check(&sum, first, batch);
}

static void run(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop *nop = self;
	uint32_t batch = nop->batch;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		int ret;

		prepare(&nop->ring, done, batch);
		ret = io_uring_submit_and_wait(&nop->ring, batch);
		if (ret != (int)batch)
			bench_fail(ret, "io_uring_submit_and_wait");
		reap(&nop->ring, done, batch);
	}
}

static void run_batch(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop *nop = self;
	uint32_t batch = nop->batch;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		struct nop_sum sum = { 0, 0, 0 };
		unsigned int n, i;
		int ret;

		prepare(&nop->ring, done, batch);
		ret = io_uring_submit_and_wait(&nop->ring, batch);
		if (ret != (int)batch)
			bench_fail(ret, "io_uring_submit_and_wait");
		n = io_uring_peek_batch_cqe(&nop->ring, nop->cqes, batch);
		for (i = 0; i < n; i++)
			nop_add(&sum, io_uring_cqe_get_data64(nop->cqes[i]), nop->cqes[i]->res);
		io_uring_cq_advance(&nop->ring, n);
		nop_check(&sum, done, batch);
	}
}

static void run_timeout(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop *nop = self;
	uint32_t batch = nop->batch;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		struct io_uring_cqe *cqe;
		int ret;

		prepare(&nop->ring, done, batch);
		ret = io_uring_submit_and_wait_timeout(&nop->ring, &cqe, batch, &nop->limit, NULL);
		if (ret != (int)batch)
			bench_fail(ret, "io_uring_submit_and_wait_timeout");
		reap(&nop->ring, done, batch);
	}
}

static void run_token(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop *nop = self;
	uint32_t batch = nop->batch, i;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		struct io_uring_cqe *cqe;
		unsigned int head, n = 0;
		int ret;

		for (i = 0; i < batch; i++) {
			struct nop_callback *callback = &nop->callbacks[i];
			struct io_uring_sqe *sqe = io_uring_get_sqe(&nop->ring);

			if (sqe == NULL)
				bench_fail(0, "the queue is full");
			callback->done = nop_done;
			callback->argument = &nop->sum;
			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data(sqe, callback);
		}
		ret = io_uring_submit_and_wait(&nop->ring, batch);
		if (ret != (int)batch)
			bench_fail(ret, "io_uring_submit_and_wait");
		io_uring_for_each_cqe(&nop->ring, head, cqe)
		{
			struct nop_callback *callback = io_uring_cqe_get_data(cqe);

			callback->done(callback->argument, cqe->res);
			n++;
		}
		io_uring_cq_advance(&nop->ring, n);
		nop_check_called(&nop->sum, batch);
	}
}

/* ---- registered waits ---- */

#ifdef BENCH_LIBURING_WAIT_REG

static int register_region(struct nop *nop)
{
	struct io_uring_region_desc desc;
	struct io_uring_mem_region_reg reg;

	memset(&desc, 0, sizeof(desc));
	memset(&reg, 0, sizeof(reg));
	desc.size = (uint64_t)sysconf(_SC_PAGESIZE);
	nop->region = bench_alloc(desc.size);
	nop->region[0].ts.tv_sec = 1;
	nop->region[0].flags = IORING_REG_WAIT_TS;
	desc.user_addr = (uint64_t)(uintptr_t)nop->region;
	desc.flags = IORING_MEM_REGION_TYPE_USER;
	reg.region_uptr = (uint64_t)(uintptr_t)&desc;
	reg.flags = IORING_MEM_REGION_REG_WAIT_ARG;
	return io_uring_register_region(&nop->ring, &reg);
}

static void *open_l1_reg(const struct bench_job *job)
{
	struct nop *nop = bench_alloc(sizeof(*nop));
	int ret = io_uring_queue_init(NOP_ENTRIES, &nop->ring,
				      LIBURING_L1_FLAGS | IORING_SETUP_R_DISABLED);

	if (ret < 0)
		bench_fail(ret, "io_uring_queue_init");
	nop->batch = job->batch;
	ret = register_region(nop);
	if (ret < 0) {
		bench_absent("this kernel has no wait regions");
		close_nop(nop);
		return NULL;
	}
	ret = io_uring_enable_rings(&nop->ring);
	if (ret == 0)
		ret = io_uring_register_ring_fd(&nop->ring);
	if (ret < 0)
		bench_fail(ret, "io_uring_register_ring_fd");
	return nop;
}

static void run_l1_reg(void *self, uint64_t operations, struct bench_time *time)
{
	struct nop *nop = self;
	uint32_t batch = nop->batch;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += batch) {
		struct io_uring_cqe *cqe;
		int ret;

		prepare(&nop->ring, done, batch);
		ret = io_uring_submit_and_wait_reg(&nop->ring, &cqe, batch, 0);
		if (ret != (int)batch)
			bench_fail(ret, "io_uring_submit_and_wait_reg");
		reap(&nop->ring, done, batch);
	}
}

#else

static void *open_l1_reg(const struct bench_job *job)
{
	(void)job;
	bench_absent("liburing %s has no registered waits", bench_liburing_version());
	return NULL;
}

#define run_l1_reg NULL

#endif

const struct bench_contender nop_l0 = {
	"L0",	   "liburing without setup flags; io_uring_submit_and_wait, io_uring_for_each_cqe",
	open_l0,   run,
	close_nop, NULL
};
const struct bench_contender nop_l1 = {
	"L1",	   "liburing tuned; io_uring_submit_and_wait, io_uring_for_each_cqe",
	open_l1,   run,
	close_nop, NULL
};
const struct bench_contender nop_l1_batch = {
	"L1-batch", "liburing tuned; completions by io_uring_peek_batch_cqe",
	open_l1,    run_batch,
	close_nop,  NULL
};
const struct bench_contender nop_timeout_l0 = {
	"L0",	   "liburing without setup flags; io_uring_submit_and_wait_timeout",
	open_l0,   run_timeout,
	close_nop, NULL
};
const struct bench_contender nop_timeout_l1 = {
	"L1", "liburing tuned; io_uring_submit_and_wait_timeout", open_l1, run_timeout, close_nop,
	NULL
};
const struct bench_contender nop_timeout_l1_reg = {
	"L1-reg",
	"liburing tuned; io_uring_submit_and_wait_reg, the limit in a registered region",
	open_l1_reg,
	run_l1_reg,
	close_nop,
	NULL
};
const struct bench_contender nop_token_l1 = {
	"L1",	   "liburing tuned; an unchecked pointer to the callback as identity",
	open_l1,   run_token,
	close_nop, NULL
};

#else

WITHOUT_LIBURING(nop_l0, "L0");
WITHOUT_LIBURING(nop_l1, "L1");
WITHOUT_LIBURING(nop_l1_batch, "L1-batch");
WITHOUT_LIBURING(nop_timeout_l0, "L0");
WITHOUT_LIBURING(nop_timeout_l1, "L1");
WITHOUT_LIBURING(nop_timeout_l1_reg, "L1-reg");
WITHOUT_LIBURING(nop_token_l1, "L1");

#endif
