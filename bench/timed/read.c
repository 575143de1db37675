/* SPDX-License-Identifier: MIT */
/* Reads of a file, from the page cache and past it. */
#include "bare.h"
#include "read.h"

#include <sys/uio.h>

#include "oring.h"

struct reader {
	struct oring ring;
	struct read_work work;
};

static int register_all(struct oring *ring, struct read_work *work)
{
	struct iovec pieces[READ_DEPTH_MAX];
	uint32_t i;
	int ret;

	for (i = 0; i < work->depth; i++) {
		pieces[i].iov_base = read_memory(work, i);
		pieces[i].iov_len = work->bytes;
	}
	ret = oring_register_buffers(ring, pieces, work->depth);
	return ret < 0 ? ret : oring_register_files(ring, &work->fd, 1);
}

static void *open_ours_as(const struct bench_job *job, bool direct)
{
	struct reader *reader = bench_alloc(sizeof(*reader));
	int ret;

	if (!read_work_open(&reader->work, job, direct)) {
		munmap(reader, sizeof(*reader));
		return NULL;
	}
	ret = oring_init_fast(&reader->ring, READ_DEPTH_MAX, NULL, NULL);
	if (ret == 0)
		ret = oring_start(&reader->ring);
	if (ret == 0)
		ret = register_all(&reader->ring, &reader->work);
	if (ret < 0)
		bench_fail(ret, "a fast ring with registered buffers and files");
	return reader;
}

static void *open_ours(const struct bench_job *job)
{
	return open_ours_as(job, false);
}

static void *open_ours_direct(const struct bench_job *job)
{
	return open_ours_as(job, true);
}

static void close_ours(void *self)
{
	struct reader *reader = self;

	oring_exit(&reader->ring);
	read_work_close(&reader->work);
	munmap(reader, sizeof(*reader));
}

static inline void request_ours(struct reader *reader, uint32_t piece)
{
	struct oring_sqe *sqe = oring_sq_reserve(&reader->ring);
	struct read_work *work = &reader->work;

	if (sqe == NULL)
		bench_fail(0, "the queue is full");
	oring_prep_read_fixed(sqe, oring_file_slot(0), read_memory(work, piece), work->bytes,
			      read_next(work, piece), (uint16_t)piece);
	oring_sqe_set_user_data(sqe, piece);
}

static void run_ours(void *self, uint64_t operations, struct bench_time *time)
{
	struct reader *reader = self;
	uint64_t asked, done = 0;
	const struct oring_cqe *cqe;
	uint32_t cursor, end;

	(void)time;
	for (asked = 0; asked < reader->work.depth; asked++)
		request_ours(reader, (uint32_t)asked);
	while (done < operations) {
		int ret = oring_submit_and_wait(&reader->ring, 1);

		if (ret < 0)
			bench_fail(ret, "oring_submit_and_wait");
		oring_cq_for_each (&reader->ring, cursor, end, cqe) {
			read_done(&reader->work, cqe->user_data, cqe->res);
			done++;
			if (asked < operations) {
				request_ours(reader, (uint32_t)cqe->user_data);
				asked++;
			}
		}
		oring_cq_release_to(&reader->ring, cursor);
	}
}

/* ---- the bare loop ---- */

struct bare_reader {
	struct bare bare;
	struct read_work work;
};

static void register_bare(struct bare *bare, struct read_work *work)
{
	struct iovec pieces[READ_DEPTH_MAX];
	uint32_t i;

	for (i = 0; i < work->depth; i++) {
		pieces[i].iov_base = read_memory(work, i);
		pieces[i].iov_len = work->bytes;
	}
	if (bare_register(bare->fd, ORING_REGISTER_BUFFERS, pieces, work->depth) < 0 ||
	    bare_register(bare->fd, ORING_REGISTER_FILES, &work->fd, 1) < 0)
		bench_fail(errno, "registration of buffers and files");
}

static void *open_bare(const struct bench_job *job)
{
	struct bare_reader *reader = bench_alloc(sizeof(*reader));

	if (!bare_open(&reader->bare, READ_DEPTH_MAX, 0)) {
		munmap(reader, sizeof(*reader));
		return NULL;
	}
	if (!read_work_open(&reader->work, job, false))
		bench_fail(0, "no file");
	register_bare(&reader->bare, &reader->work);
	return reader;
}

static void close_bare(void *self)
{
	struct bare_reader *reader = self;

	bare_close(&reader->bare);
	read_work_close(&reader->work);
	munmap(reader, sizeof(*reader));
}

static inline void request_bare(struct bare_reader *reader, uint32_t piece)
{
	struct read_work *work = &reader->work;

	bare_put(&reader->bare, ORING_OP_READ_FIXED | ORING_SQE_FIXED_FILE << 8, 0,
		 read_memory(work, piece), work->bytes, read_next(work, piece), piece, piece);
}

static void run_bare(void *self, uint64_t operations, struct bench_time *time)
{
	struct bare_reader *reader = self;
	uint32_t submit = reader->work.depth, at, end;
	uint64_t asked, done = 0;

	(void)time;
	for (asked = 0; asked < reader->work.depth; asked++)
		request_bare(reader, (uint32_t)asked);
	while (done < operations) {
		if (bare_submit_and_wait(&reader->bare, submit, 1) != (long)submit)
			bench_fail(errno, "io_uring_enter");
		end = bare_end(&reader->bare);
		submit = 0;
		for (at = reader->bare.reaped; at != end; at++) {
			const struct oring_cqe *cqe = bare_at(&reader->bare, at);

			read_done(&reader->work, cqe->user_data, cqe->res);
			done++;
			if (asked < operations) {
				request_bare(reader, (uint32_t)cqe->user_data);
				asked++;
				submit++;
			}
		}
		bare_release(&reader->bare, end);
	}
}

/* ---- one system call a read ---- */

static void *open_pread(const struct bench_job *job)
{
	struct read_work *work = bench_alloc(sizeof(*work));

	if (!read_work_open(work, job, false))
		bench_fail(0, "no file");
	return work;
}

static void close_pread(void *self)
{
	struct read_work *work = self;

	read_work_close(work);
	munmap(work, sizeof(*work));
}

static void run_pread(void *self, uint64_t operations, struct bench_time *time)
{
	struct read_work *work = self;
	uint32_t piece = 0;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done++) {
		uint64_t offset = read_next(work, piece);
		ssize_t ret = pread(work->fd, read_memory(work, piece), work->bytes, (off_t)offset);

		read_done(work, piece, ret < 0 ? -errno : ret);
		piece = piece + 1 == work->depth ? 0 : piece + 1;
	}
}

/* ---- the benchmarks ---- */

static const struct bench_contender ours = {
	"ours", "oring_init_fast, registered buffers and file", open_ours, run_ours, close_ours,
	NULL
};
static const struct bench_contender bare = {
	"bare",	    "hand-written loop on the mapped rings, registered buffers and file",
	open_bare,  run_bare,
	close_bare, NULL
};
static const struct bench_contender by_pread = { "pread",     "pread(2), one after the other",
						 open_pread,  run_pread,
						 close_pread, NULL };
static const struct bench_contender ours_direct = {
	"ours",		  "oring_init_fast, registered buffers and file",
	open_ours_direct, run_ours,
	close_ours,	  NULL
};

static const struct bench_contender *const contenders[] = { &ours,    &bare,	 &read_l0,
							    &read_l1, &by_pread, &read_libaio,
							    NULL };
static const struct bench_contender *const direct_contenders[] = { &ours_direct, &read_l1_direct,
								   &read_libaio_direct, NULL };

static const struct bench read4k_d1 = {
	.name = "read4k-d1",
	.what = "4 KiB at random offsets of a cached 64 MiB file, one read in flight",
	.operation = "4 KiB read",
	.job = { .batch = 1, .bytes = 4096 },
	.contenders = contenders,
};
static const struct bench read4k_d32 = {
	.name = "read4k-d32",
	.what = "4 KiB at random offsets of a cached 64 MiB file, 32 reads in flight",
	.operation = "4 KiB read",
	.job = { .batch = 32, .bytes = 4096 },
	.contenders = contenders,
};
static const struct bench read4k_d128 = {
	.name = "read4k-d128",
	.what = "4 KiB at random offsets of a cached 64 MiB file, 128 reads in flight",
	.operation = "4 KiB read",
	.job = { .batch = 128, .bytes = 4096 },
	.contenders = contenders,
};
static const struct bench read512_d32 = {
	.name = "read512-d32",
	.what = "512 bytes at random offsets of a cached 64 MiB file, 32 reads in flight",
	.operation = "512-byte read",
	.job = { .batch = 32, .bytes = 512 },
	.contenders = contenders,
};
static const struct bench odirect_d32 = {
	.name = "odirect-d32",
	.what = "4 KiB at random offsets of a 64 MiB file past the page cache (O_DIRECT), "
		"32 reads in flight",
	.operation = "4 KiB read",
	.measure = BENCH_CPU,
	.job = { .batch = 32, .bytes = 4096 },
	.round_us = 100000,
	.contenders = direct_contenders,
};

const struct bench *const bench_read[] = { &read4k_d1,	 &read4k_d32,  &read4k_d128,
					   &read512_d32, &odirect_d32, NULL };
