/* SPDX-License-Identifier: MIT */
/*
 * cat - files, one after the other, to standard output
 *
 *	fiber-cat [FILE...]		none, or -: standard input
 *
 * Bytes are moved by splice, which does not copy them. One side of it is a pipe; where
 * neither file is one, there is a pipe between: a fiber fills it, another drains it. What cannot be
 * spliced (a file that is appended to, a folder) is read and written.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fiber_io.h"
#include "program.h"

#define PIECE 65536 /* what a pipe holds */
#define HERE  (-1)

static const char usage[] = "usage: fiber-cat [FILE...]\n"
			    "\n"
			    "Writes files to standard output. No FILE, or -: standard input.\n";

/* Bytes that go from one file to another; what ended it. */
struct way {
	oring_file in, out;
	int error;
};

struct names {
	int n;
	char **name;
};

static bool failed;

static void complain(const char *name, int error)
{
	fprintf(stderr, "cat: %s: %s\n", name, strerror(-error));
	failed = true;
}

/* For what splice refuses. */
static int copy(oring_file in, oring_file out)
{
	char bytes[PIECE];
	int64_t written;
	int ret;

	while ((ret = fiber_read(in, bytes, PIECE, FIBER_HERE, FIBER_FOREVER)) > 0) {
		written = fiber_write_all(out, bytes, (size_t)ret, FIBER_HERE, FIBER_FOREVER);
		if (written != ret)
			return written < 0 ? (int)written : -EIO;
	}
	return ret;
}

/* Until the end of @in, or an error. One of the two is a pipe, or they are copied. */
static int move(oring_file in, oring_file out)
{
	int ret;

	do {
		ret = fiber_splice(in, HERE, out, HERE, PIECE, 0, FIBER_FOREVER);
		if (ret == -EAGAIN) {
			/* One of them does not block by itself. */
			ret = fiber_poll(in, POLLIN, FIBER_FOREVER);
			if (ret > 0)
				ret = fiber_poll(out, POLLOUT, FIBER_FOREVER);
		}
	} while (ret > 0);
	return ret == -EINVAL ? copy(in, out) : ret;
}

/* Fills a pipe; that it is full to the end is seen by who drains it. */
static intptr_t fill(void *argument)
{
	struct way *way = argument;

	way->error = move(way->in, way->out);
	fiber_close(way->out);
	return 0;
}

static void through_pipe(const char *name, oring_file in, oring_file out)
{
	struct way way = { .in = in };
	fiber_handle filler;
	int ends[2], ret;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		complain("pipe", -errno);
		return;
	}
	way.out = oring_file_fd(ends[1]);
	fiber_spawn(fill, &way, &filler);
	ret = move(oring_file_fd(ends[0]), out);
	/* If this ended first, the other sees it as EPIPE. */
	fiber_close(oring_file_fd(ends[0]));
	fiber_await(filler, NULL);
	if (ret < 0)
		complain("standard output", ret);
	else if (way.error < 0)
		complain(name, way.error);
}

static void show(const char *name, int fd)
{
	oring_file in = oring_file_fd(fd), out = oring_file_fd(STDOUT_FILENO);
	struct stat from, to;
	int ret;

	if (fstat(fd, &from) < 0 || fstat(STDOUT_FILENO, &to) < 0) {
		complain(name, -errno);
		return;
	}
	if (S_ISREG(from.st_mode) && from.st_dev == to.st_dev && from.st_ino == to.st_ino) {
		fprintf(stderr, "cat: %s: it is standard output, too\n", name);
		failed = true;
		return;
	}
	if (!S_ISFIFO(from.st_mode) && !S_ISFIFO(to.st_mode)) {
		through_pipe(name, in, out);
		return;
	}
	ret = move(in, out);
	if (ret < 0)
		complain(ret == -EPIPE ? "standard output" : name, ret);
}

static intptr_t show_all(void *argument)
{
	const struct names *names = argument;
	int i, fd;

	for (i = 0; i < names->n; i++) {
		if (strcmp(names->name[i], "-") == 0) {
			show("standard input", STDIN_FILENO);
			continue;
		}
		fd = fiber_openat(AT_FDCWD, names->name[i], O_RDONLY | O_CLOEXEC, 0, FIBER_FOREVER);
		if (fd < 0) {
			complain(names->name[i], fd);
			continue;
		}
		show(names->name[i], fd);
		fiber_close(oring_file_fd(fd));
	}
	return 0;
}

int main(int argc, char **argv)
{
	static char *input[] = { "-" };
	struct fiber_config config = { .fibers = 2, .stack_bytes = 4 * PIECE };
	struct names names = { argc - 1, argv + 1 };
	int status;

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return program_usage(stdout, usage);
	if (argc > 1 && argv[1][0] == '-' && argv[1][1] != '\0')
		return program_usage(stderr, usage);
	if (argc == 1)
		names = (struct names){ 1, input };
	signal(SIGPIPE, SIG_IGN);
	status = program_begin("cat", &config);
	if (status != 0)
		return status;
	fiber_spawn(show_all, &names, NULL);
	status = program_run();
	return status != 0 ? status : failed;
}
