/* SPDX-License-Identifier: MIT */
/*
 * echo - a TCP server on loopback that sends back what it receives
 *
 *	echo [-p PORT] [-c MAX_CONNECTIONS]
 *
 * What to see here: one thread, one ring, many connections. Each connection is
 * a record of a pool, and its requests carry the record's handle; what has no
 * record (the accept, the signals, a close) carries a direct context, which
 * says by itself what completed. A connection receives, sends, receives: it
 * has one request in flight, so its record can go when that one has failed.
 *
 * SIGINT and SIGTERM come through the ring as well: everything is cancelled,
 * and the server ends when the last request has completed. (To cancel
 * everything is of Linux 5.19.)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <oring.h>

#include "explain.h"

#define OPTIONAL_FLAGS                                                                      \
	(ORING_SETUP_CLAMP | ORING_SETUP_SUBMIT_ALL | ORING_SETUP_COOP_TASKRUN |            \
	 ORING_SETUP_TASKRUN_FLAG | ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | \
	 ORING_SETUP_NO_SQARRAY)

#define QUEUE_ENTRIES	256
#define MAX_CONNECTIONS 65536
#define PAUSE_MS	100 /* before another accept, when one failed */
#define STOP_WAIT_MS	100 /* before what is still in flight is cancelled again */
#define STOP_ROUNDS	20  /* and so often */

/* The caller data of a record. The record's entry is a receive, ready to be pushed. */
struct connection {
	int fd;
	uint32_t received; /* bytes in data */
	uint32_t sent;	   /* of these */
	unsigned char data[4096];
};

struct server {
	struct oring ring;
	struct oring_pool pool;
	void *pool_memory;
	uint32_t max_connections;
	uint32_t in_flight; /* requests without a completion yet */

	int listener;
	int signals;
	struct signalfd_siginfo signal;
	bool accepting; /* an accept is in flight */
	bool paused;	/* an accept failed, and a timeout is in flight */
	bool stopping;

	uint64_t served;
	uint64_t messages;
	uint64_t bytes;
};

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(error));
	exit(EXIT_FAILURE);
}

/* ---- requests ---- */

/* After this the queue takes one more entry. */
static void make_room(struct server *server)
{
	int ret;

	if (oring_sq_space(&server->ring) > 0)
		return;
	ret = oring_submit(&server->ring);
	if (ret <= 0)
		die("submit", -ret);
}

static struct oring_sqe *reserve(struct server *server)
{
	make_room(server);
	server->in_flight++;
	return oring_sq_reserve(&server->ring);
}

/* Nobody's request in particular: its completion says what it was. */
static void set_direct(struct oring_sqe *sqe)
{
	int ret = oring_sqe_set_direct(sqe);

	if (ret < 0)
		die("descriptor", -ret);
}

static void start_accept(struct server *server)
{
	struct oring_sqe *sqe = reserve(server);

	oring_prep_accept(sqe, oring_file_fd(server->listener), NULL, NULL, SOCK_CLOEXEC);
	set_direct(sqe);
	server->accepting = true;
}

static void start_pause(struct server *server)
{
	static const struct oring_timespec pause = { .tv_nsec = PAUSE_MS * 1000000 };
	struct oring_sqe *sqe = reserve(server);

	oring_prep_timeout(sqe, &pause, 0, 0);
	set_direct(sqe);
	server->paused = true;
}

static void start_signal(struct server *server)
{
	struct oring_sqe *sqe = reserve(server);

	oring_prep_read(sqe, oring_file_fd(server->signals), &server->signal,
			sizeof(server->signal), 0);
	set_direct(sqe);
}

static void start_cancel(struct server *server)
{
	struct oring_sqe *sqe = reserve(server);

	oring_prep_async_cancel_any(sqe, 0);
	set_direct(sqe);
}

static void start_close(struct server *server, int fd)
{
	struct oring_sqe *sqe = reserve(server);

	oring_prep_close(sqe, oring_file_fd(fd));
	set_direct(sqe);
}

static void start_receive(struct server *server, const struct oring_sqe *record)
{
	make_room(server);
	server->in_flight++;
	oring_sq_push(&server->ring, record);
}

static void start_send(struct server *server, oring_context handle, struct connection *connection)
{
	struct oring_sqe *sqe = reserve(server);

	oring_prep_send(sqe, oring_file_fd(connection->fd), connection->data + connection->sent,
			connection->received - connection->sent, MSG_NOSIGNAL);
	/* The same record under another operation: the pool compares index and generation. */
	oring_sqe_set_context(sqe, oring_context_with_op(handle, ORING_OP_SEND));
}

/* ---- connections ---- */

static void begin_connection(struct server *server, int fd)
{
	struct connection *connection;
	struct oring_sqe *record;
	oring_context handle;

	/* An accept is in flight only while a record is free. */
	if (oring_pool_acquire(&server->pool, ORING_OP_RECV, &handle, &record) < 0) {
		start_close(server, fd);
		return;
	}
	connection = oring_pool_extra(record);
	connection->fd = fd;
	oring_sqe_clear(record);
	oring_prep_recv(record, oring_file_fd(fd), connection->data, sizeof(connection->data), 0);
	oring_sqe_set_context(record, handle);
	server->served++;
	start_receive(server, record);
}

static void end_connection(struct server *server, oring_context handle, int fd)
{
	oring_pool_release(&server->pool, handle);
	start_close(server, fd);
}

/* The one request of a connection has completed: what comes next? */
static void on_connection(struct server *server, oring_context handle, int32_t result)
{
	struct oring_sqe *record = oring_pool_lookup(&server->pool, handle);
	struct connection *connection;

	if (record == NULL)
		return; /* of a connection that has ended */
	connection = oring_pool_extra(record);
	/* 0: the peer has ended. Negative: reset, cancelled...; it concerns nobody else. */
	if (result <= 0 || server->stopping) {
		end_connection(server, handle, connection->fd);
		return;
	}
	if (oring_context_op(handle) == ORING_OP_RECV) {
		connection->received = (uint32_t)result;
		connection->sent = 0;
		server->messages++;
	} else {
		connection->sent += (uint32_t)result;
		server->bytes += (uint32_t)result;
	}
	if (connection->sent < connection->received)
		start_send(server, handle, connection);
	else
		start_receive(server, record);
}

/* ---- everything else ---- */

static void on_accept(struct server *server, int32_t result)
{
	server->accepting = false;
	if (server->stopping) {
		if (result >= 0)
			start_close(server, result);
	} else if (result >= 0) {
		begin_connection(server, result);
	} else if (result != -ECONNABORTED) {
		/* No descriptor left, most likely, and still none if we asked at once. */
		fprintf(stderr, "echo: accept: %s; next try in %d ms\n", strerror(-result),
			PAUSE_MS);
		start_pause(server);
	}
}

static void on_signal(struct server *server, int32_t result)
{
	if (server->stopping)
		return;
	if (result < 0)
		die("signals", -result);
	server->stopping = true;
	start_cancel(server);
}

static void on_completion(struct server *server, const struct oring_cqe *cqe)
{
	oring_context context = oring_cqe_context(cqe);

	server->in_flight--;
	if (oring_context_kind_of(context) == ORING_CONTEXT_HANDLE) {
		on_connection(server, context, cqe->res);
		return;
	}
	switch (oring_context_op(context)) {
	case ORING_OP_ACCEPT:
		on_accept(server, cqe->res);
		break;
	case ORING_OP_READ:
		on_signal(server, cqe->res);
		break;
	case ORING_OP_TIMEOUT:
		server->paused = false;
		break;
	default: /* a close or a cancel: nothing follows */
		break;
	}
}

/* Submit, and wait for a completion; not for long while stopping. */
static uint32_t submit_and_wait(struct server *server)
{
	struct oring_outcome outcome;
	struct oring_wait_arg limit;
	int ret;

	oring_wait_relative(&limit, 0, STOP_WAIT_MS * 1000000);
	ret = oring_submit_and_wait_timeout(&server->ring, 1, server->stopping ? &limit : NULL,
					    &outcome);
	if (ret < 0 && ret != -EINTR && ret != -ETIME)
		die("wait", -ret);
	return outcome.ready;
}

/*
 * Until nothing is in flight, which is so only after a signal. A request that
 * was about to start when everything was cancelled is cancelled again.
 *
 * Return: 0, or the number of requests that would not end.
 */
static uint32_t serve(struct server *server)
{
	unsigned int rounds = 0;
	struct oring_cqe *cqe;
	uint32_t cursor;
	uint32_t end;

	while (server->in_flight > 0 && rounds < STOP_ROUNDS) {
		if (!server->accepting && !server->paused && !server->stopping &&
		    oring_pool_available(&server->pool) > 0)
			start_accept(server);
		if (submit_and_wait(server) == 0 && server->stopping) {
			start_cancel(server);
			rounds++;
		}
		oring_cq_for_each (&server->ring, cursor, end, cqe)
			on_completion(server, cqe);
		oring_cq_release_to(&server->ring, cursor);
	}
	return server->in_flight;
}

/* ---- before and after ---- */

static void open_signals(struct server *server)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		die("sigprocmask", errno);
	server->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (server->signals < 0)
		die("signalfd", errno);
}

static void open_listener(struct server *server, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket", errno);
	/* Accepted connections inherit this: a short piece is sent at once. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die("bind", errno);
	if (listen(fd, SOMAXCONN) < 0)
		die("listen", errno);
	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		die("getsockname", errno);
	server->listener = fd;
	printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
}

/* Return: 0, or a negative errno of the ring. */
static int init(struct server *server)
{
	/* One completion for each connection, its close, and a few for the rest: no overflow. */
	struct oring_params params = { .flags = ORING_SETUP_CQSIZE,
				       .cq_entries =
					       2 * (server->max_connections + QUEUE_ENTRIES) };
	size_t size = oring_pool_size(server->max_connections, sizeof(struct connection));
	int ret;

	server->pool_memory = aligned_alloc(64, size);
	if (server->pool_memory == NULL)
		die("pool", ENOMEM);
	ret = oring_pool_init(&server->pool, server->pool_memory, size, server->max_connections,
			      sizeof(struct connection));
	if (ret < 0)
		die("pool", -ret);
	return oring_init_flags(&server->ring, QUEUE_ENTRIES, &params, OPTIONAL_FLAGS);
}

static void usage(void)
{
	fprintf(stderr, "usage: echo [-p PORT] [-c MAX_CONNECTIONS]\n"
			"  -p PORT             on 127.0.0.1; 0 lets the kernel choose (0)\n"
			"  -c MAX_CONNECTIONS  at a time; more wait until one ends (1024)\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static struct server server = { .max_connections = 1024 };
	uint16_t port = 0;
	uint32_t left;
	int option;
	int ret;

	while ((option = getopt(argc, argv, "p:c:")) != -1) {
		if (option == 'p')
			port = (uint16_t)explain_number("echo", 'p', optarg, 0, 65535);
		else if (option == 'c')
			server.max_connections =
				(uint32_t)explain_number("echo", 'c', optarg, 1, MAX_CONNECTIONS);
		else
			usage();
	}
	if (optind != argc)
		usage();
	ret = init(&server);
	if (ret < 0) {
		explain_setup("echo", ret);
		return EXIT_FAILURE;
	}
	open_signals(&server);
	open_listener(&server, port);
	start_signal(&server);
	left = serve(&server);
	printf("%" PRIu64 " connections served, %" PRIu64 " messages and %" PRIu64
	       " bytes sent back\n",
	       server.served, server.messages, server.bytes);
	if (left > 0) {
		fprintf(stderr, "echo: %u requests would not end\n", left);
		return EXIT_FAILURE; /* the kernel may still use the records: they stay */
	}
	close(server.listener);
	close(server.signals);
	oring_exit(&server.ring);
	free(server.pool_memory);
	return EXIT_SUCCESS;
}
