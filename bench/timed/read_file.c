/* SPDX-License-Identifier: MIT */
/* The files that are read: made when they are first asked for, gone with the program. */
#define _GNU_SOURCE
#include "read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK (1U << 20)

static void fill(int fd)
{
	uint64_t *chunk = bench_alloc(CHUNK);
	uint64_t offset;
	uint32_t i;

	for (offset = 0; offset < READ_FILE_BYTES; offset += CHUNK) {
		for (i = 0; i < CHUNK / 8; i++)
			chunk[i] = read_content(offset + (uint64_t)i * 8);
		if (pwrite(fd, chunk, CHUNK, (off_t)offset) != (ssize_t)CHUNK)
			bench_fail(errno, "a file to read cannot be written");
	}
	munmap(chunk, CHUNK);
}

/* On the disk, and not in memory. */
static void flush(int fd)
{
	int error;

	if (fsync(fd) < 0)
		bench_fail(errno, "fsync");
	error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (error != 0)
		bench_fail(error, "posix_fadvise");
}

/* Opened with @flags, filled, and without a name. -1 after bench_absent(). */
static int make_file(const char *directory, int flags)
{
	char name[4096];
	int made, fd;

	snprintf(name, sizeof(name), "%s/oring-bench-XXXXXX", directory);
	made = mkostemp(name, O_CLOEXEC);
	if (made < 0)
		bench_fail(errno, "no file in %s", directory);
	fd = open(name, O_RDONLY | O_CLOEXEC | flags);
	unlink(name);
	if (fd < 0 && errno == EINVAL && flags & O_DIRECT) {
		bench_absent("the file system of the temporary directory has no direct I/O");
		close(made);
		return -1;
	}
	if (fd < 0)
		bench_fail(errno, "a file in %s", directory);
	fill(made);
	if (flags & O_DIRECT)
		flush(made);
	close(made);
	return fd;
}

static int file_of(bool direct)
{
	static int files[2] = { -1, -1 };
	const char *directory = getenv("TMPDIR");

	if (directory == NULL || *directory == '\0')
		directory = direct ? "/var/tmp" : "/tmp";
	if (files[direct] < 0)
		files[direct] = make_file(directory, direct ? O_DIRECT : 0);
	return files[direct];
}

/* So that the page cache has all of it. */
static void read_all(struct read_work *work)
{
	uint64_t offset;

	for (offset = 0; offset < READ_FILE_BYTES; offset += work->bytes) {
		ssize_t ret = pread(work->fd, work->memory, work->bytes, (off_t)offset);

		if (ret != (ssize_t)work->bytes)
			bench_fail(ret < 0 ? errno : 0, "pread of the whole file");
	}
}

bool read_work_open(struct read_work *work, const struct bench_job *job, bool direct)
{
	work->fd = file_of(direct);
	if (work->fd < 0)
		return false;
	if (job->batch > READ_DEPTH_MAX)
		bench_fail(0, "a depth of %u", job->batch);
	work->depth = job->batch;
	work->bytes = job->bytes;
	work->blocks = READ_FILE_BYTES / job->bytes;
	work->random = 1;
	work->since_check = 0;
	work->memory = bench_alloc((size_t)work->depth * work->bytes);
	if (!direct)
		read_all(work);
	return true;
}

void read_work_close(struct read_work *work)
{
	munmap(work->memory, (size_t)work->depth * work->bytes);
}
