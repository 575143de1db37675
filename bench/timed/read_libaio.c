/* SPDX-License-Identifier: MIT */
/* Reads by libaio: what there was before io_uring. */
#include "read.h"

#ifdef BENCH_LIBAIO

#include <errno.h>
#include <libaio.h>
#include <sys/mman.h>

struct reader {
	io_context_t context;
	struct read_work work;
	struct iocb requests[READ_DEPTH_MAX];
	struct iocb *batch[READ_DEPTH_MAX];
	struct io_event events[READ_DEPTH_MAX];
};

static void *open_as(const struct bench_job *job, bool direct)
{
	struct reader *reader = bench_alloc(sizeof(*reader));
	int ret;

	if (!read_work_open(&reader->work, job, direct)) {
		munmap(reader, sizeof(*reader));
		return NULL;
	}
	ret = io_setup((int)reader->work.depth, &reader->context);
	if (ret == -ENOSYS) {
		bench_absent("this kernel has no asynchronous I/O for libaio");
		read_work_close(&reader->work);
		munmap(reader, sizeof(*reader));
		return NULL;
	}
	if (ret < 0)
		bench_fail(ret, "io_setup");
	return reader;
}

static void *open_cached(const struct bench_job *job)
{
	return open_as(job, false);
}

static void *open_direct(const struct bench_job *job)
{
	return open_as(job, true);
}

static void close_reader(void *self)
{
	struct reader *reader = self;

	io_destroy(reader->context);
	read_work_close(&reader->work);
	munmap(reader, sizeof(*reader));
}

static inline void request(struct reader *reader, uint32_t piece, uint32_t place)
{
	struct iocb *iocb = &reader->requests[piece];
	struct read_work *work = &reader->work;

	io_prep_pread(iocb, work->fd, read_memory(work, piece), work->bytes,
		      (long long)read_next(work, piece));
	iocb->data = (void *)(uintptr_t)piece;
	reader->batch[place] = iocb;
}

static void submit(struct reader *reader, uint32_t n)
{
	uint32_t done = 0;

	while (done < n) {
		int ret = io_submit(reader->context, (long)(n - done), reader->batch + done);

		if (ret <= 0)
			bench_fail(ret, "io_submit");
		done += (uint32_t)ret;
	}
}

static void run(void *self, uint64_t operations, struct bench_time *time)
{
	struct reader *reader = self;
	uint32_t depth = reader->work.depth, ready;
	uint64_t asked, done = 0;

	(void)time;
	for (asked = 0; asked < depth; asked++)
		request(reader, (uint32_t)asked, (uint32_t)asked);
	ready = depth;
	while (done < operations) {
		int n, i;

		submit(reader, ready);
		n = io_getevents(reader->context, 1, (long)depth, reader->events, NULL);
		if (n <= 0)
			bench_fail(n, "io_getevents");
		ready = 0;
		for (i = 0; i < n; i++) {
			uint64_t piece = (uintptr_t)reader->events[i].data;

			read_done(&reader->work, piece, (long)reader->events[i].res);
			if (asked < operations) {
				request(reader, (uint32_t)piece, ready++);
				asked++;
			}
		}
		done += (uint64_t)n;
	}
}

#define CLOSE close_reader

#else

static void *open_cached(const struct bench_job *job)
{
	(void)job;
	bench_absent("built without libaio");
	return NULL;
}

#define open_direct open_cached
#define run	    NULL
#define CLOSE	    NULL

#endif

const struct bench_contender read_libaio = {
	"libaio", "io_submit and io_getevents: two system calls", open_cached, run, CLOSE, NULL
};
const struct bench_contender read_libaio_direct = {
	"libaio", "io_submit and io_getevents: two system calls", open_direct, run, CLOSE, NULL
};
