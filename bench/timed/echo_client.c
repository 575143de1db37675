/* SPDX-License-Identifier: MIT */
/* The load generator of the echo benchmarks: see echo_client.h. */
#define _GNU_SOURCE
#include "echo_client.h"
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS	    512
#define LIMIT_MS    10000
#define PER_ADDRESS 4096 /* connections from one address: ports are few */
#define OFFSETS	    4096 /* places of the pattern at which a message may begin */
#define CONTROL_FD  3

struct connection {
	int fd;
	uint32_t index;
	uint32_t sent; /* of the message under way */
	uint32_t received;
	uint32_t sequence; /* its number */
	uint64_t messages; /* to be made, this one too */
	bool writing;	   /* EPOLLOUT is asked for */
};

struct client {
	struct connection *connections;
	uint32_t count;
	uint32_t bytes;
	unsigned char *pattern; /* what messages are cut out of */
	unsigned char *buffer;	/* a byte longer than a message */
	int epoll;
	uint64_t left; /* messages */
	struct echo_shared *shared;
};

static void fail(int error, const char *what)
{
	dprintf(STDERR_FILENO, "timed: the echo client: %s%s%s\n", what, error != 0 ? ": " : "",
		error != 0 ? strerror(error) : "");
	_exit(1);
}

static void answer(int error)
{
	if (send(CONTROL_FD, &error, sizeof(error), MSG_NOSIGNAL) != sizeof(error))
		_exit(1);
}

/* ---- messages ---- */

/* Another one for each connection, and each time: what was sent to another or before is noticed. */
static const unsigned char *message_of(const struct client *client, const struct connection *c)
{
	return client->pattern + ((c->index * 61 + c->sequence) % OFFSETS);
}

static void ask_for(struct client *client, struct connection *c, bool writing)
{
	struct epoll_event event = { .events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c };

	if (c->writing == writing)
		return;
	if (epoll_ctl(client->epoll, EPOLL_CTL_MOD, c->fd, &event) < 0)
		fail(errno, "epoll_ctl");
	c->writing = writing;
}

static void send_rest(struct client *client, struct connection *c)
{
	const unsigned char *message = message_of(client, c);
	ssize_t n = send(c->fd, message + c->sent, client->bytes - c->sent, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		fail(errno, "send");
	if (n > 0)
		c->sent += (uint32_t)n;
	ask_for(client, c, c->sent < client->bytes);
}

static void begin_message(struct client *client, struct connection *c)
{
	c->sent = 0;
	c->received = 0;
	send_rest(client, c);
}

static void receive(struct client *client, struct connection *c)
{
	/* One byte more than there may be, to see it. */
	ssize_t n = recv(c->fd, client->buffer, client->bytes - c->received + 1, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		fail(n < 0 ? errno : 0, "the server has closed a connection");
	if ((uint32_t)n > c->sent - c->received)
		fail(0, "more came back than was sent");
	if (memcmp(client->buffer, message_of(client, c) + c->received, (size_t)n) != 0)
		fail(0, "not what was sent came back");
	c->received += (uint32_t)n;
	if (c->received < client->bytes)
		return;
	client->left--;
	c->messages--;
	c->sequence++;
	if (c->messages > 0)
		begin_message(client, c);
}

/* ---- runs ---- */

static void wait_for_go(const struct client *client, uint32_t run)
{
	uint64_t end = bench_now() + (uint64_t)LIMIT_MS * 1000000;

	while (__atomic_load_n(&client->shared->go, __ATOMIC_ACQUIRE) != run) {
		if (bench_now() > end)
			fail(0, "the server does not begin");
	}
}

static void run(struct client *client, uint64_t messages)
{
	struct epoll_event events[EVENTS];
	int n, k, timeouts = 0;
	uint32_t i;

	client->left = messages;
	for (i = 0; i < client->count; i++) {
		struct connection *c = &client->connections[i];

		c->messages = messages / client->count + (i < messages % client->count);
		if (c->messages > 0)
			begin_message(client, c);
	}
	while (client->left > 0) {
		n = epoll_wait(client->epoll, events, EVENTS, LIMIT_MS / 2);
		if (n < 0 && errno != EINTR)
			fail(errno, "epoll_wait");
		/* One alone may be a machine that stood still. */
		timeouts = n == 0 ? timeouts + 1 : 0;
		if (timeouts == 2)
			fail(0, "nothing comes back");
		for (k = 0; k < n; k++) {
			struct connection *c = events[k].data.ptr;

			if (events[k].events & EPOLLOUT)
				send_rest(client, c);
			if (events[k].events & ~(uint32_t)EPOLLOUT)
				receive(client, c);
		}
	}
}

static void serve_control(struct client *client)
{
	uint64_t messages;
	uint32_t runs = 0;

	answer(0);
	while (recv(CONTROL_FD, &messages, sizeof(messages), 0) == sizeof(messages)) {
		answer(0);
		wait_for_go(client, ++runs);
		run(client, messages);
		answer(0);
	}
	_exit(0);
}

/* ---- the beginning ---- */

/* Returns an errno. */
static int connect_one(struct client *client, struct connection *c, uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = from;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	const struct linger none = { 1, 0 };
	const int one = 1;
	int type = SOCK_STREAM | SOCK_CLOEXEC;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + c->index / PER_ADDRESS);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(port);
	c->fd = socket(AF_INET, type, 0);
	if (c->fd < 0)
		return errno;
	/* The port is chosen when it is known where to; none is kept after the end. */
	if (setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) < 0 ||
	    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)) < 0 ||
	    bind(c->fd, (const struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
	    fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 ||
	    epoll_ctl(client->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
		return errno;
	return 0;
}

static void connect_all(struct client *client, uint16_t port)
{
	uint32_t i;

	client->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (client->epoll < 0)
		fail(errno, "epoll_create1");
	for (i = 0; i < client->count; i++) {
		int error;

		client->connections[i].index = i;
		error = connect_one(client, &client->connections[i], port);
		if (error != 0) {
			answer(error);
			_exit(0);
		}
	}
}

static void fill_pattern(struct client *client)
{
	uint32_t state = 1, i;

	client->pattern = bench_alloc(client->bytes + OFFSETS);
	for (i = 0; i < client->bytes + OFFSETS; i++) {
		state = state * 1664525 + 1013904223;
		client->pattern[i] = (unsigned char)(state >> 24);
	}
}

/* Of what was inherited only the control socket and what is told to people stay open. */
static void close_others(int control)
{
	struct rlimit limit;
	rlim_t fd;

	if (control != CONTROL_FD && dup2(control, CONTROL_FD) < 0)
		fail(errno, "dup2");
	if (syscall(SYS_close_range, CONTROL_FD + 1, ~0U, 0) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		fail(errno, "getrlimit");
	for (fd = CONTROL_FD + 1; fd < limit.rlim_cur; fd++)
		close((int)fd);
}

/* The child: nothing of the server's is looked at here, its memory may not have come along. */
static void be_client(struct client *client, int control, uint16_t port, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	close_others(control);
	bench_pin_peer();
	client->connections = bench_alloc(client->count * sizeof(*client->connections));
	client->buffer = bench_alloc(client->bytes + 1);
	fill_pattern(client);
	connect_all(client, port);
	serve_control(client);
}

void echo_client_start(struct echo_client *client, uint16_t port, uint32_t connections,
		       uint32_t bytes)
{
	struct client self = { .count = connections, .bytes = bytes };
	pid_t pid, parent = getpid();
	int pair[2];

	self.shared = mmap(NULL, sizeof(*self.shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (self.shared == MAP_FAILED)
		bench_fail(errno, "mmap");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		bench_fail(errno, "socketpair");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		bench_fail(errno, "fork");
	if (pid == 0)
		be_client(&self, pair[1], port, parent);
	close(pair[1]);
	client->pid = pid;
	client->control = pair[0];
	client->shared = self.shared;
	client->runs = 0;
}

/* ---- the side of the server ---- */

void echo_client_prepare(struct echo_client *client, uint64_t messages)
{
	int error;

	if (send(client->control, &messages, sizeof(messages), MSG_NOSIGNAL) != sizeof(messages))
		bench_fail(errno, "the echo client has ended");
	error = echo_client_answer(client);
	if (error != 0)
		bench_fail(error, "the echo client");
}

void echo_client_go(struct echo_client *client)
{
	__atomic_store_n(&client->shared->go, ++client->runs, __ATOMIC_RELEASE);
}

int echo_client_answer(struct echo_client *client)
{
	int error;
	ssize_t n = recv(client->control, &error, sizeof(error), 0);

	if (n != sizeof(error))
		bench_fail(n < 0 ? errno : 0, "the echo client has ended");
	return error;
}

void echo_client_stop(struct echo_client *client)
{
	if (client->pid <= 0)
		return;
	close(client->control);
	kill(client->pid, SIGKILL);
	if (waitpid(client->pid, NULL, 0) != client->pid)
		bench_fail(errno, "waitpid");
	munmap(client->shared, sizeof(*client->shared));
	client->pid = 0;
}
