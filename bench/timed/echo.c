/* SPDX-License-Identifier: MIT */
/*
 * echo - a TCP server on loopback sends back what it receives: its CPU time per message
 *
 * The servers are in echo_ours.c, echo_fiber.c, echo_epoll.c and echo_liburing.c; the load generator is in
 * echo_client.c. This is what they have in common.
 */
#define _GNU_SOURCE
#include "echo.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define OTHER_FILES 128 /* descriptors beside the connections */

/* ---- what does not end ---- */

/* What the watchdog looks at: two ticks without progress are the end. */
static const struct echo *watched;
static uint64_t left_before;
static bool stood_still;

static void on_tick(int number)
{
	char text[160];
	int length;

	(void)number;
	if (watched->left != left_before) {
		left_before = watched->left;
		stood_still = false;
	} else if (!stood_still) {
		stood_still = true;
	} else {
		length = snprintf(text, sizeof(text),
				  "timed: echo server %s, %u connections: stuck, with %llu left\n",
				  watched->name, watched->connections,
				  (unsigned long long)watched->left);
		if (write(STDERR_FILENO, text, (size_t)length) != length)
			_exit(2);
		_exit(1);
	}
}

static void set_timer(int seconds)
{
	const struct itimerval ticks = { { seconds, 0 }, { seconds, 0 } };

	if (setitimer(ITIMER_REAL, &ticks, NULL) < 0)
		bench_fail(errno, "setitimer");
}

static void watch(const struct echo *echo)
{
	struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART };

	watched = echo;
	left_before = echo->left;
	stood_still = false;
	if (sigaction(SIGALRM, &action, NULL) < 0)
		bench_fail(errno, "sigaction");
	set_timer(ECHO_TICK_S);
}

static void unwatch(void)
{
	set_timer(0);
}

void echo_broken(const struct echo *echo, const char *what, int result)
{
	bench_fail(result, "%s, %s%s", echo->name, what,
		   result == 0 ? ": the client has closed the connection" : "");
}

/* ---- memory ---- */

void *echo_memory(size_t bytes)
{
	void *memory = bench_alloc(bytes);

	if (madvise(memory, bytes, MADV_DONTFORK) < 0)
		bench_fail(errno, "madvise");
	return memory;
}

void echo_memory_free(void *memory, size_t bytes)
{
	if (munmap(memory, bytes) < 0)
		bench_fail(errno, "munmap");
}

uint32_t echo_buffers(const struct echo *echo)
{
	uint32_t buffers = 16;

	/*
	 * Two for each: one is taken until it is seen that its message was sent, and by then the
	 * next message may be there.
	 */
	while (buffers < 2 * echo->connections && buffers < ECHO_BUFFERS)
		buffers *= 2;
	return buffers;
}

/* ---- connections ---- */

static int listen_on_loopback(uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* Accepted connections inherit the option. */
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, SOMAXCONN) < 0 || getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		bench_fail(errno, "no listener");
	*port = ntohs(address.sin_port);
	return fd;
}

/* Returns an errno: the client's, or that of an accept. */
static int accept_all(struct echo *echo, int listener, int flags)
{
	struct pollfd fds[2] = { { listener, POLLIN, 0 }, { echo->client.control, POLLIN, 0 } };
	bool has_answered = false;
	uint32_t i = 0;
	int error;

	while (i < echo->connections) {
		echo->fds[i] = accept4(listener, NULL, NULL, flags);
		if (echo->fds[i] >= 0) {
			i++;
			echo->left--;
			continue;
		}
		if (errno != EAGAIN)
			return errno;
		if (poll(fds, has_answered ? 1 : 2, -1) < 0 && errno != EINTR)
			return errno;
		/*
		 * It speaks when it has all of them, or has failed. What it has may still be on
		 * its way to the listener.
		 */
		if (!has_answered && fds[1].revents != 0 && fds[0].revents == 0) {
			error = echo_client_answer(&echo->client);
			if (error != 0)
				return error;
			has_answered = true;
		}
	}
	return has_answered ? 0 : echo_client_answer(&echo->client);
}

/* Returns false after bench_absent(). */
static bool has_room(const struct echo *echo)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		bench_fail(errno, "getrlimit");
	if (limit.rlim_cur < echo->connections + OTHER_FILES) {
		bench_absent("RLIMIT_NOFILE is %llu, too small for %u connections",
			     (unsigned long long)limit.rlim_cur, echo->connections);
		return false;
	}
	return true;
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == EADDRNOTAVAIL || error == ENOBUFS ||
	       error == ENOMEM;
}

bool echo_open(struct echo *echo, const struct bench_job *job, const char *name, bool nonblocking)
{
	int listener, error;
	uint16_t port;
	uint32_t i;

	echo->name = name;
	echo->connections = job->size != 0 ? job->size : job->connections;
	echo->bytes = job->bytes;
	echo->left = echo->connections; /* to be accepted */
	if (!has_room(echo))
		return false;
	watch(echo);
	echo->fds = malloc(echo->connections * sizeof(*echo->fds));
	if (echo->fds == NULL)
		bench_fail(ENOMEM, "%s", name);
	for (i = 0; i < echo->connections; i++)
		echo->fds[i] = -1;
	listener = listen_on_loopback(&port);
	echo_client_start(&echo->client, port, echo->connections, echo->bytes);
	error = accept_all(echo, listener, SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0));
	close(listener);
	if (error != 0 && !is_shortage(error))
		bench_fail(error, "%s: %u connections", name, echo->connections);
	unwatch();
	if (error != 0) {
		echo_stop(echo);
		echo_close(echo);
		bench_absent("%u connections cannot be made: %s", echo->connections,
			     strerror(error));
	}
	return error == 0;
}

void echo_stop(struct echo *echo)
{
	watch(echo);
	echo_client_stop(&echo->client);
	unwatch();
}

void echo_close(struct echo *echo)
{
	uint32_t i;

	for (i = 0; i < echo->connections; i++) {
		if (echo->fds[i] >= 0)
			close(echo->fds[i]);
	}
	free(echo->fds);
}

/* ---- runs ---- */

static long times_slept(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_THREAD, &usage) < 0)
		bench_fail(errno, "getrusage");
	return usage.ru_nvcsw;
}

void echo_begin(struct echo *echo, uint64_t messages)
{
	echo->messages = messages;
	echo->left = messages * echo->bytes;
	echo->calls = 0;
	watch(echo);
	echo_client_prepare(&echo->client, messages);
	echo->slept = times_slept();
	echo->started.cpu_ns = bench_cpu_thread();
	echo->started.wall_ns = bench_now();
	echo_client_go(&echo->client);
}

void echo_end(struct echo *echo, struct bench_time *time)
{
	double messages = (double)echo->messages;
	int error;

	time->wall_ns = bench_now() - echo->started.wall_ns;
	time->cpu_ns = bench_cpu_thread() - echo->started.cpu_ns;
	bench_note("system calls per message", (double)echo->calls / messages);
	bench_note("sleeps per message", (double)(times_slept() - echo->slept) / messages);
	error = echo_client_answer(&echo->client);
	if (error != 0)
		bench_fail(error, "%s: the client", echo->name);
	unwatch();
}

/* ---- the benchmarks ---- */

static const struct bench_contender *const all[] = {
	&echo_ours, &echo_ours_plain, &echo_fiber, &echo_epoll, &echo_L0, &echo_L1, NULL,
};

static const struct bench_contender *const with_spin[] = {
	&echo_ours,	  &echo_ours_plain, &echo_ours_spin, &echo_fiber,   &echo_epoll,
	&echo_epoll_spin, &echo_L0,	    &echo_L1,	     &echo_L1_spin, NULL,
};

static const struct bench_contender *const grown[] = { &echo_ours, &echo_epoll, &echo_L1, NULL };

static const uint32_t sizes[] = { 1, 10, 100, 1000, 10000, 0 };

#define WHAT "sent back over TCP on loopback, one message in flight on each connection"

#define ECHO(variable, a_name, messages, a_measure, some, a_bytes, a_count, at_least)  \
	static const struct bench variable = {                                         \
		.name = a_name,                                                        \
		.what = messages " " WHAT,                                             \
		.operation = "message",                                                \
		.measure = a_measure,                                                  \
		.job = { .batch = a_count, .bytes = a_bytes, .connections = a_count }, \
		.round_us = 50000,                                                     \
		.operations = at_least,                                                \
		.contenders = some,                                                    \
	}

ECHO(c1, "echo-64-c1", "64 bytes, 1 connection,", BENCH_WALL, with_spin, 64, 1, 500);
ECHO(c2, "echo-64-c2", "64 bytes, 2 connections,", BENCH_WALL, with_spin, 64, 2, 500);
ECHO(c16, "echo-64-c16", "64 bytes, 16 connections,", BENCH_CPU, all, 64, 16, 8000);
ECHO(c64, "echo-64-c64", "64 bytes, 64 connections,", BENCH_CPU, all, 64, 64, 8000);
ECHO(kib, "echo-1k-c64", "1 KiB, 64 connections,", BENCH_CPU, all, 1024, 64, 8000);
ECHO(kib16, "echo-16k-c64", "16 KiB, 64 connections,", BENCH_CPU, all, 16384, 64, 4000);

static const struct bench growth = {
	.name = "echo-connections",
	.what = "64 bytes " WHAT,
	.operation = "message",
	.measure = BENCH_CPU,
	.job = { .batch = 1, .bytes = 64 },
	.sizes = sizes,
	.size_is = "connections",
	.round_us = 200000,
	.operations = 10000, /* each connection has its turn */
	.alone = true,
	.contenders = grown,
};

const struct bench *const bench_echo[] = {
	&c1, &c2, &c16, &c64, &kib, &kib16, &growth, NULL,
};
