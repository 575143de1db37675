/* SPDX-License-Identifier: MIT */
/* Waits of no time by liburing. */
#include "liburing_ring.h"
#include "wait.h"

#ifdef BENCH_LIBURING

#include <errno.h>
#include <sys/mman.h>

static void *open_as(bool tuned)
{
	struct io_uring *ring = bench_alloc(sizeof(*ring));

	liburing_open(ring, WAIT_ENTRIES, tuned);
	return ring;
}

static void *open_l0(const struct bench_job *job)
{
	(void)job;
	return open_as(false);
}

static void *open_l1(const struct bench_job *job)
{
	(void)job;
	return open_as(true);
}

static void close_waiter(void *self)
{
	io_uring_queue_exit(self);
	munmap(self, sizeof(struct io_uring));
}

static void run(void *self, uint64_t operations, struct bench_time *time)
{
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done++) {
		struct __kernel_timespec no_time = { 0, 0 };
		struct io_uring_cqe *cqe;
		int ret = io_uring_wait_cqe_timeout(self, &cqe, &no_time);

		if (ret != -ETIME)
			bench_fail(ret, "io_uring_wait_cqe_timeout returned %d", ret);
	}
}

static void run_events(void *self, uint64_t operations, struct bench_time *time)
{
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done++) {
		struct io_uring_cqe *cqe;
		int ret = io_uring_get_events(self);

		if (ret < 0)
			bench_fail(ret, "io_uring_get_events");
		ret = io_uring_peek_cqe(self, &cqe);
		if (ret != -EAGAIN)
			bench_fail(ret, "io_uring_peek_cqe returned %d", ret);
	}
}

const struct bench_contender wait_zero_l0 = {
	"L0",	      "liburing without setup flags; io_uring_wait_cqe_timeout with a time of 0",
	open_l0,      run,
	close_waiter, NULL
};
const struct bench_contender wait_zero_l1 = {
	"L1",	      "liburing tuned; io_uring_wait_cqe_timeout with a time of 0",
	open_l1,      run,
	close_waiter, NULL
};
const struct bench_contender wait_zero_l1_events = {
	"L1-events",  "liburing tuned; io_uring_get_events and io_uring_peek_cqe instead",
	open_l1,      run_events,
	close_waiter, NULL
};

#else

WITHOUT_LIBURING(wait_zero_l0, "L0");
WITHOUT_LIBURING(wait_zero_l1, "L1");
WITHOUT_LIBURING(wait_zero_l1_events, "L1-events");

#endif
