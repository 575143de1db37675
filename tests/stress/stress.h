/* SPDX-License-Identifier: MIT */
/* What stress programs share. A law that is broken ends the program, and so does one that hangs. */
#ifndef STRESS_H
#define STRESS_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <oring.h>

#define STRESS_SKIP 77
#define STRESS_HANG 60 /* seconds beyond those asked for */

#define MUST(what, ...)                                                            \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #what); \
			fprintf(stderr, __VA_ARGS__);                              \
			fprintf(stderr, "\n");                                     \
			_exit(1);                                                  \
		}                                                                  \
	} while (0)

static inline uint32_t random_of(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static inline uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The seconds asked for; SIGALRM ends what hangs. */
static inline uint64_t begin(int argc, char **argv)
{
	uint64_t seconds = (uint64_t)(argc > 1 ? atoi(argv[1]) : 2);

	alarm((unsigned int)seconds + STRESS_HANG);
	return seconds;
}

/* What this kernel does not have makes no test. */
static inline void make_ring(struct oring *ring, uint32_t entries, uint32_t flags, uint32_t cq)
{
	struct oring_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = flags | (cq != 0 ? ORING_SETUP_CQSIZE : 0);
	params.cq_entries = cq;
	params.sq_thread_idle = 1;
	ret = oring_init(ring, entries, &params);
	if (ret == -ENOSYS || ret == -EPERM || ret == -EINVAL) {
		printf("no such ring here: %s\n", strerror(-ret));
		exit(STRESS_SKIP);
	}
	MUST(ret == 0, "%s", strerror(-ret));
}

static inline struct oring_sqe *entry(struct oring *ring)
{
	struct oring_sqe *sqe;

	while ((sqe = oring_sq_reserve(ring)) == NULL) {
		int ret = oring_submit(ring);

		MUST(ret >= 0 || ret == -EAGAIN || ret == -EBUSY || ret == -EINTR, "%d", ret);
	}
	return sqe;
}

#endif
