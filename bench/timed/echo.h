/* SPDX-License-Identifier: MIT */
/*
 * echo.h - what all echo servers have: connections, the client, the clocks
 *
 * A server opens its connections with echo_open(), and serves runs:
 *
 *	echo_begin(&server->echo, messages);
 *	while (server->echo.left > 0)
 *		...receive, send, and subtract what was sent from left...
 *	echo_end(&server->echo, time);
 *
 * The client is a process of its own on the peer's CPU, sleeps between runs, and has looked at
 * every byte of what came back when echo_end() returns. Who gets stuck is ended, by name.
 */
#ifndef ECHO_H
#define ECHO_H

#include "bench.h"
#include "echo_client.h"

#define ECHO_QUEUE   512   /* submission entries, and events at a time of an epoll server */
#define ECHO_BUFFERS 256   /* provided buffers at most */
#define ECHO_GROUP   1	   /* their number */
#define ECHO_SPIN_NS 50000 /* how long a server that spins looks for work before it sleeps */
#define ECHO_TICK_S  5	   /* who makes no progress in two ticks is stuck */

struct echo {
	const char *name; /* of the contender */
	uint32_t connections;
	uint32_t bytes; /* of a message */
	int *fds;	/* of the connections */
	uint64_t left;	/* bytes to be sent back in this run */
	uint64_t calls; /* system calls in this run */

	/* echo.c's own. */
	struct echo_client client;
	uint64_t messages;
	struct bench_time started;
	long slept;
};

/*
 * Connects a client. @nonblocking: the server's sockets are; those of a ring need not be.
 * Returns false after bench_absent().
 */
bool echo_open(struct echo *echo, const struct bench_job *job, const char *name, bool nonblocking);
void echo_begin(struct echo *echo, uint64_t messages);
void echo_end(struct echo *echo, struct bench_time *time);
/* Ends the client: then nothing comes any more, and the ring can go. */
void echo_stop(struct echo *echo);
void echo_close(struct echo *echo);

/* What received data become when the client is gone: @result is 0 or negative. */
void echo_broken(const struct echo *echo, const char *what, int result) __attribute__((noreturn));

/* Memory that is not copied for clients that are started later. */
void *echo_memory(size_t bytes);
void echo_memory_free(void *memory, size_t bytes);

/* Provided buffers that a server has for its connections, each of a message's size; a power of two. */
uint32_t echo_buffers(const struct echo *echo);

extern const struct bench_contender echo_ours, echo_ours_plain, echo_ours_spin, echo_epoll,
	echo_fiber, echo_epoll_spin, echo_L0, echo_L1, echo_L1_spin;

#endif
