/* SPDX-License-Identifier: MIT */
/*
 * http - an HTTP/1.1 server: a fiber for each connection, written as if it were alone
 *
 *	fiber-http [-p PORT] [-r FOLDER] [-c CONNECTIONS] [-t MILLISECONDS]
 *
 * converse() reads from top to bottom, although it waits in many places. Limits of time
 * are one fiber's matter, which walks over the connections now and then and cancels those that
 * are late: nothing is armed for each receive. At the end (SIGINT) it tells how
 * many requests there were, and how often the kernel was entered.
 *
 * What is said is in http_request.h; http_epoll.c says the same without fibers.
 */
#include <inttypes.h>
#include <poll.h>

#include "fiber_io.h"
#include "fiber_sync.h"
#include "http_options.h"
#include "http_request.h"
#include "program.h"

#define OTHERS 3 /* fibers that are no connections */

struct connection {
	struct connection *next_free;
	int sock;
	fiber_handle fiber;
	int64_t since; /* of the request, or of the silence */
	bool open;
	bool late;
	struct http_talk talk;
};

static struct server {
	struct http_options options;
	int listener, signals;
	struct connection *connections, *free;
	struct fiber_semaphore room; /* connections that are free */
	fiber_handle acceptor, watchman;
	int64_t now; /* as the watchman saw it last */
	bool ends;
	uint64_t requests;
} server;

/* ---- one connection ---- */

static bool flush(struct connection *connection)
{
	struct http_talk *talk = &connection->talk;
	uint32_t length = talk->done;

	if (length == 0)
		return true;
	talk->done = 0;
	connection->since = server.now;
	return fiber_send_all(oring_file_fd(connection->sock), talk->out, length, FIBER_FOREVER) ==
	       length;
}

static bool receive(struct connection *connection)
{
	struct http_talk *talk = &connection->talk;
	int ret = fiber_recv(oring_file_fd(connection->sock), talk->in + talk->used,
			     HTTP_IN - talk->used, 0, FIBER_FOREVER);

	if (ret > 0)
		talk->used += (uint32_t)ret;
	return ret > 0;
}

/*
 * After the last answer. Closed with data unread, the connection would be reset, and the
 * reset could overtake the answer: so what comes is thrown away, until the peer ends or is late.
 */
static void linger(struct connection *connection)
{
	connection->since = server.now;
	shutdown(connection->sock, SHUT_WR);
	while (!server.ends && fiber_recv(oring_file_fd(connection->sock), connection->talk.in,
					  HTTP_IN, 0, FIBER_FOREVER) > 0)
		;
}

static int open_file(const char *path, uint64_t *size)
{
	struct open_how how = http_how();
	struct oring_sqe *sqe = fiber_operation(FIBER_FOREVER);
	struct statx about;
	int fd, ret;

	if (sqe != NULL)
		oring_prep_openat2(sqe, server.options.root, path, &how, sizeof(how));
	fd = fiber_wait();
	if (fd < 0)
		return fd;
	ret = fiber_statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &about, FIBER_FOREVER);
	*size = about.stx_size;
	if (ret == 0 && S_ISREG(about.stx_mode))
		return fd;
	fiber_close(oring_file_fd(fd));
	return ret < 0 ? ret : -ENOENT;
}

/* What fits goes with other answers. A file that has become shorter ends the connection. */
static bool send_file(struct connection *connection, int fd, uint64_t size)
{
	struct http_talk *talk = &connection->talk;
	uint64_t at = 0;

	while (at < size) {
		uint64_t length = HTTP_OUT - talk->done;
		int ret;

		if (length == 0) {
			if (!flush(connection))
				return false;
			continue;
		}
		length = length < size - at ? length : size - at;
		ret = fiber_read(oring_file_fd(fd), talk->out + talk->done, length, at,
				 FIBER_FOREVER);
		if (ret <= 0)
			return false;
		talk->done += (uint32_t)ret;
		at += (uint64_t)ret;
	}
	return true;
}

static bool serve_file(struct connection *connection)
{
	uint64_t size = 0;
	bool good = true;
	int fd = open_file(connection->talk.path, &size);

	if (fd == -ECANCELED)
		return false;
	if (http_file(&connection->talk, fd >= 0, size))
		good = send_file(connection, fd, size);
	if (fd >= 0)
		fiber_close(oring_file_fd(fd));
	return good;
}

static void converse(struct connection *connection)
{
	struct http_talk *talk = &connection->talk;
	bool good = true;

	while (good) {
		switch (http_step(talk)) {
		case HTTP_READ:
			good = flush(connection);
			if (!good || receive(connection))
				break;
			if (!connection->late || server.ends || !http_late(talk))
				return;
			break;
		case HTTP_WRITE:
			good = flush(connection);
			break;
		case HTTP_FILE:
			good = serve_file(connection);
			break;
		case HTTP_END:
			if (flush(connection))
				linger(connection);
			return;
		}
	}
}

static intptr_t connection_main(void *argument)
{
	struct connection *connection = argument;

	converse(connection);
	server.requests += connection->talk.answers;
	connection->open = false;
	fiber_close(oring_file_fd(connection->sock));
	connection->next_free = server.free;
	server.free = connection;
	fiber_semaphore_post(&server.room);
	return 0;
}

/* ---- the others ---- */

static void begin(int fd)
{
	struct connection *connection = server.free;

	server.free = connection->next_free;
	connection->sock = fd;
	connection->since = server.now;
	connection->late = false;
	connection->open = true;
	http_begin(&connection->talk, server.options.root >= 0);
	/* There is a fiber for each. */
	fiber_spawn(connection_main, connection, &connection->fiber);
}

static intptr_t accept_all(void *argument)
{
	int ret = 0;

	(void)argument;
	while (!server.ends && fiber_semaphore_wait(&server.room, FIBER_FOREVER) == 0) {
		ret = fiber_accept(oring_file_fd(server.listener), NULL, NULL, FIBER_FOREVER);
		if (ret >= 0) {
			begin(ret);
			continue;
		}
		fiber_semaphore_post(&server.room);
		/* Out of descriptors, perhaps: others give some back. */
		if (ret == -ECANCELED || fiber_sleep(10000000) < 0)
			break;
	}
	return ret;
}

static intptr_t watch(void *argument)
{
	uint32_t i;

	(void)argument;
	while (fiber_sleep(server.options.limit / 4) == 0) {
		server.now = http_clock();
		for (i = 0; i < server.options.connections; i++) {
			struct connection *connection = &server.connections[i];

			if (!connection->open ||
			    server.now - connection->since < server.options.limit)
				continue;
			connection->late = true;
			fiber_cancel(connection->fiber);
		}
	}
	return 0;
}

static intptr_t wait_for_signal(void *argument)
{
	uint32_t i;

	(void)argument;
	fiber_poll(oring_file_fd(server.signals), POLLIN, FIBER_FOREVER);
	server.ends = true;
	fiber_cancel(server.acceptor);
	fiber_cancel(server.watchman);
	for (i = 0; i < server.options.connections; i++) {
		if (server.connections[i].open)
			fiber_cancel(server.connections[i].fiber);
	}
	return 0;
}

static bool prepare(void)
{
	uint32_t i;

	server.connections = calloc(server.options.connections, sizeof(*server.connections));
	server.signals = http_signals();
	if (server.connections == NULL || server.signals < 0) {
		perror("http");
		return false;
	}
	for (i = server.options.connections; i-- > 0;) {
		server.connections[i].next_free = server.free;
		server.free = &server.connections[i];
	}
	fiber_semaphore_init(&server.room, server.options.connections);
	server.now = http_clock();
	server.listener = http_listen(server.options.port, 0);
	return server.listener >= 0;
}

int main(int argc, char **argv)
{
	struct fiber_config config = { 0 };
	int status;

	server.options = http_arguments("fiber-http", argc, argv, true);
	/* A place in the queues for all that may wait at once: who receives holds one. */
	config.fibers = config.ring_entries = server.options.connections + OTHERS;
	status = program_begin("fiber-http", &config);
	if (status != 0)
		return status;
	status = 1;
	if (prepare()) {
		fiber_spawn(accept_all, NULL, &server.acceptor);
		fiber_spawn(watch, NULL, &server.watchman);
		fiber_spawn(wait_for_signal, NULL, NULL);
		status = fiber_run() < 0;
		printf("%" PRIu64 " requests, %" PRIu64 " enters\n", server.requests,
		       fiber_runtime_current()->enters);
	}
	fiber_exit();
	free(server.connections);
	return status;
}
