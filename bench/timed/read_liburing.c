/* SPDX-License-Identifier: MIT */
/* Reads by liburing. */
#include "liburing_ring.h"
#include "read.h"

#ifdef BENCH_LIBURING

#include <sys/mman.h>

struct reader {
	struct io_uring ring;
	struct read_work work;
};

static void register_all(struct reader *reader)
{
	struct read_work *work = &reader->work;
	struct iovec pieces[READ_DEPTH_MAX];
	uint32_t i;
	int ret;

	for (i = 0; i < work->depth; i++) {
		pieces[i].iov_base = read_memory(work, i);
		pieces[i].iov_len = work->bytes;
	}
	ret = io_uring_register_buffers(&reader->ring, pieces, work->depth);
	if (ret == 0)
		ret = io_uring_register_files(&reader->ring, &work->fd, 1);
	if (ret < 0)
		bench_fail(ret, "registration of buffers and files");
}

static void *open_as(const struct bench_job *job, bool tuned, bool direct)
{
	struct reader *reader = bench_alloc(sizeof(*reader));

	if (!read_work_open(&reader->work, job, direct)) {
		munmap(reader, sizeof(*reader));
		return NULL;
	}
	liburing_open(&reader->ring, READ_DEPTH_MAX, tuned);
	if (tuned)
		register_all(reader);
	return reader;
}

static void *open_l0(const struct bench_job *job)
{
	return open_as(job, false, false);
}

static void *open_l1(const struct bench_job *job)
{
	return open_as(job, true, false);
}

static void *open_l1_direct(const struct bench_job *job)
{
	return open_as(job, true, true);
}

static void close_reader(void *self)
{
	struct reader *reader = self;

	io_uring_queue_exit(&reader->ring);
	read_work_close(&reader->work);
	munmap(reader, sizeof(*reader));
}

static inline void request_plain(struct reader *reader, uint32_t piece)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&reader->ring);
	struct read_work *work = &reader->work;

	if (sqe == NULL)
		bench_fail(0, "the queue is full");
	io_uring_prep_read(sqe, work->fd, read_memory(work, piece), work->bytes,
			   read_next(work, piece));
	io_uring_sqe_set_data64(sqe, piece);
}

static inline void request_fixed(struct reader *reader, uint32_t piece)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&reader->ring);
	struct read_work *work = &reader->work;

	if (sqe == NULL)
		bench_fail(0, "the queue is full");
	io_uring_prep_read_fixed(sqe, 0, read_memory(work, piece), work->bytes,
				 read_next(work, piece), (int)piece);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data64(sqe, piece);
}

/* Inlined with a constant: each of the two is a loop of its own. */
__attribute__((always_inline)) static inline void request(struct reader *reader, bool fixed,
							  uint32_t piece)
{
	if (fixed)
		request_fixed(reader, piece);
	else
		request_plain(reader, piece);
}

__attribute__((always_inline)) static inline void run(struct reader *reader, bool fixed,
						      uint64_t operations)
{
	uint64_t asked, done = 0;

	for (asked = 0; asked < reader->work.depth; asked++)
		request(reader, fixed, (uint32_t)asked);
	while (done < operations) {
		int ret = io_uring_submit_and_wait(&reader->ring, 1);
		struct io_uring_cqe *cqe;
		unsigned int head, n = 0;

		if (ret < 0)
			bench_fail(ret, "io_uring_submit_and_wait");
		io_uring_for_each_cqe(&reader->ring, head, cqe)
		{
			uint64_t piece = io_uring_cqe_get_data64(cqe);

			read_done(&reader->work, piece, cqe->res);
			n++;
			if (asked < operations) {
				request(reader, fixed, (uint32_t)piece);
				asked++;
			}
		}
		io_uring_cq_advance(&reader->ring, n);
		done += n;
	}
}

static void run_l0(void *self, uint64_t operations, struct bench_time *time)
{
	(void)time;
	run(self, false, operations);
}

static void run_l1(void *self, uint64_t operations, struct bench_time *time)
{
	(void)time;
	run(self, true, operations);
}

const struct bench_contender read_l0 = {
	"L0",	      "liburing without setup flags, plain buffers and descriptor",
	open_l0,      run_l0,
	close_reader, NULL
};
const struct bench_contender read_l1 = {
	"L1", "liburing tuned, registered buffers and file", open_l1, run_l1, close_reader, NULL
};
const struct bench_contender read_l1_direct = {
	"L1", "liburing tuned, registered buffers and file", open_l1_direct, run_l1, close_reader,
	NULL
};

#else

WITHOUT_LIBURING(read_l0, "L0");
WITHOUT_LIBURING(read_l1, "L1");
WITHOUT_LIBURING(read_l1_direct, "L1");

#endif
