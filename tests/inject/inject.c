/* SPDX-License-Identifier: MIT */
/*
 * A program on the released library, into whose system calls strace puts errors. It prints what
 * each step returned: check_inject.py knows what that should be.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <oring.h>

#define MANY 1000

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		closedir(dir);
	return n;
}

/* Mappings of rings. */
static int mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		n += strstr(line, "io_uring") != NULL;
	if (file != NULL)
		fclose(file);
	return n;
}

static void ignore(int signal)
{
	(void)signal;
}

/* Four NOPs at a time, again after what may be asked again: each must come back once, in order. */
static void many(struct oring *ring)
{
	uint64_t next = 0, seen = 0;
	unsigned int again = 0, rounds;
	struct oring_cqe cqe;
	int error = 0;

	for (rounds = 0; rounds < 10 * MANY && seen < MANY && error == 0; rounds++) {
		struct oring_sqe *sqe;
		int ret;

		while (next < MANY && next < seen + 4 && (sqe = oring_sq_reserve(ring)) != NULL) {
			oring_prep_nop(sqe);
			oring_sqe_set_user_data(sqe, next++);
		}
		ret = oring_submit_and_wait(ring, 1);
		if (ret == -4 || ret == -11 || ret == -16) /* EINTR, EAGAIN, EBUSY */
			again++;
		else if (ret < 0)
			error = ret;
		while (oring_cq_take(ring, &cqe)) {
			if (cqe.user_data != seen || cqe.res != 0)
				error = 1;
			seen++;
		}
	}
	printf("many: error %d, seen %u, pending %u, again %s\n", error, (unsigned int)seen,
	       oring_sq_pending(ring), again > 0 ? "yes" : "no");
}

int main(void)
{
	int before = descriptors(), ret;
	struct oring_wait_arg limit;
	struct sigaction action;
	struct oring ring;

	memset(&action, 0, sizeof(action));
	action.sa_handler = ignore; /* and no SA_RESTART */
	sigaction(SIGUSR1, &action, NULL);
	ret = oring_init(&ring, 8, NULL);
	printf("init %d\n", ret);
	if (ret == 0) {
		oring_wait_relative(&limit, 0, 20 * 1000 * 1000);
		printf("wait %d\n", oring_wait(&ring, 1, &limit));
		printf("register %d\n", oring_register_files_sparse(&ring, 4));
		many(&ring);
	} else {
		printf("closed: %d %d %d\n", oring_fd(&ring), oring_submit(&ring),
		       oring_sq_reserve(&ring) == NULL);
	}
	printf("exit %d\n", oring_exit(&ring));
	printf("left: descriptors %d, mappings %d\n", descriptors() - before, mappings());
	return 0;
}
