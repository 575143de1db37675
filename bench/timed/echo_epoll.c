/* SPDX-License-Identifier: MIT */
/*
 * Echo servers on epoll: level-triggered, sockets that do not block, each answer tried at once.
 * A connection is asked whether it can be written to only after it could not.
 */
#define _GNU_SOURCE
#include "echo.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
	int fd;
	uint32_t length; /* of data: what could not be sent at once */
	uint32_t sent;	 /* of these */
	unsigned char *data;
};

struct server {
	struct echo echo;
	int epoll;
	uint64_t spin_ns;
	unsigned char *buffer;
	struct connection *connections;
	unsigned char *rests; /* of all connections */
	struct epoll_event events[ECHO_QUEUE];
};

static void ask_for(struct server *server, struct connection *c, uint32_t what, int how)
{
	struct epoll_event event = { .events = what, .data.ptr = c };

	server->echo.calls++;
	if (epoll_ctl(server->epoll, how, c->fd, &event) < 0)
		bench_fail(errno, "epoll_ctl");
}

static uint32_t send_some(struct server *server, struct connection *c, const unsigned char *data,
			  uint32_t length)
{
	ssize_t n = send(c->fd, data, length, MSG_NOSIGNAL);

	server->echo.calls++;
	if (n < 0) {
		if (errno != EAGAIN)
			echo_broken(&server->echo, "send", -errno);
		n = 0;
	}
	server->echo.left -= (uint64_t)n;
	return (uint32_t)n;
}

static void on_readable(struct server *server, struct connection *c)
{
	ssize_t n = recv(c->fd, server->buffer, server->echo.bytes, 0);
	uint32_t sent;

	server->echo.calls++;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		echo_broken(&server->echo, "recv", n < 0 ? -errno : 0);
	sent = send_some(server, c, server->buffer, (uint32_t)n);
	if (sent == (uint32_t)n)
		return;
	c->length = (uint32_t)n - sent;
	c->sent = 0;
	memcpy(c->data, server->buffer + sent, c->length);
	ask_for(server, c, EPOLLOUT, EPOLL_CTL_MOD);
}

static void on_writable(struct server *server, struct connection *c)
{
	c->sent += send_some(server, c, c->data + c->sent, c->length - c->sent);
	if (c->sent < c->length)
		return;
	c->length = 0;
	ask_for(server, c, EPOLLIN, EPOLL_CTL_MOD);
}

/* Look for a while, if it is one that spins, and sleep then. */
static int wait_for_events(struct server *server)
{
	int n;

	if (server->spin_ns != 0) {
		uint64_t end = bench_now() + server->spin_ns;

		do {
			server->echo.calls++;
			n = epoll_wait(server->epoll, server->events, ECHO_QUEUE, 0);
			if (n != 0)
				return n;
		} while (bench_now() < end);
	}
	server->echo.calls++;
	return epoll_wait(server->epoll, server->events, ECHO_QUEUE, -1);
}

static void run(void *self, uint64_t messages, struct bench_time *time)
{
	struct server *server = self;
	int n, i;

	echo_begin(&server->echo, messages);
	while (server->echo.left > 0) {
		n = wait_for_events(server);
		if (n < 0 && errno != EINTR)
			bench_fail(errno, "epoll_wait");
		for (i = 0; i < n; i++) {
			struct connection *c = server->events[i].data.ptr;

			if (c->length > 0)
				on_writable(server, c);
			else
				on_readable(server, c);
		}
	}
	echo_end(&server->echo, time);
}

static void *open_server(const struct bench_job *job, const char *name, uint64_t spin_ns)
{
	struct server *server = echo_memory(sizeof(*server));
	struct echo *echo = &server->echo;
	uint32_t i;

	if (!echo_open(echo, job, name, true)) {
		echo_memory_free(server, sizeof(*server));
		return NULL;
	}
	server->spin_ns = spin_ns;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll < 0)
		bench_fail(errno, "epoll_create1");
	server->buffer = echo_memory(echo->bytes);
	server->rests = echo_memory((size_t)echo->connections * echo->bytes);
	server->connections = echo_memory(echo->connections * sizeof(*server->connections));
	for (i = 0; i < echo->connections; i++) {
		struct connection *c = &server->connections[i];

		c->fd = echo->fds[i];
		c->data = server->rests + (size_t)i * echo->bytes;
		ask_for(server, c, EPOLLIN, EPOLL_CTL_ADD);
	}
	return server;
}

static void *open_plain(const struct bench_job *job)
{
	return open_server(job, "epoll", 0);
}

static void *open_spin(const struct bench_job *job)
{
	return open_server(job, "epoll-spin", ECHO_SPIN_NS);
}

static void close_server(void *self)
{
	struct server *server = self;
	struct echo *echo = &server->echo;

	echo_stop(echo);
	close(server->epoll);
	echo_close(echo);
	echo_memory_free(server->connections, echo->connections * sizeof(*server->connections));
	echo_memory_free(server->rests, (size_t)echo->connections * echo->bytes);
	echo_memory_free(server->buffer, echo->bytes);
	echo_memory_free(server, sizeof(*server));
}

const struct bench_contender echo_epoll = {
	"epoll", "level-triggered, recv and send at once, sleeps", open_plain, run, close_server, 0,
};
const struct bench_contender echo_epoll_spin = {
	"epoll-spin", "the same, looks for 50 us before it sleeps", open_spin, run, close_server, 0,
};
