/* SPDX-License-Identifier: MIT */
/*
 * http_epoll - the twin of http.c: the same server by epoll, to hold the fibers against
 *
 *	fiber-http-epoll [-p PORT] [-r FOLDER] [-c CONNECTIONS] [-t MILLISECONDS]
 *
 * It reads and answers with the same code (http_request.h). Level-triggered; no read that is known
 * to find nothing, and what is watched is only changed when a client does not take its answers.
 * At the end (SIGINT) it tells how many requests there were, and how often epoll_wait(), recv()
 * and send() were called.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "http_options.h"
#include "http_request.h"

#define EVENTS 256

struct connection {
	struct connection *next_free;
	int sock;
	int file; /* that is being sent; -1: none */
	off_t at, size;
	int64_t since; /* of the request, or of the silence */
	bool open;     /* it is not free */
	bool readable; /* as far as is known */
	bool writes;   /* what is in talk->out has to go before anything else */
	bool blocked;  /* until it is writable */
	bool lingers;  /* its last answer is sent: what comes is thrown away */
	uint32_t sent; /* of talk->out */
	struct http_talk talk;
};

static struct server {
	struct http_options options;
	int listener, signals, epoll;
	struct connection *connections, *free;
	bool full; /* the listener is not watched */
	int64_t now;
	uint64_t requests, calls;
} server;

static int control(int how, int fd, uint32_t events, void *what)
{
	struct epoll_event event = { .events = events, .data.ptr = what };

	return epoll_ctl(server.epoll, how, fd, &event);
}

static void end(struct connection *connection)
{
	server.requests += connection->talk.answers;
	if (connection->file >= 0)
		close(connection->file);
	close(connection->sock);
	connection->open = false;
	connection->next_free = server.free;
	server.free = connection;
	if (server.full)
		server.full = control(EPOLL_CTL_MOD, server.listener, EPOLLIN, &server) < 0;
}

/* ---- bytes: each says whether one can go on; if not, the connection waits or has ended ---- */

static bool went(struct connection *connection, ssize_t ret)
{
	if (ret <= 0 && (ret == 0 || (errno != EAGAIN && errno != EINTR)))
		end(connection);
	return ret > 0;
}

static bool flush(struct connection *connection)
{
	struct http_talk *talk = &connection->talk;

	connection->since = server.now;
	while (connection->sent < talk->done) {
		ssize_t ret = send(connection->sock, talk->out + connection->sent,
				   talk->done - connection->sent, MSG_NOSIGNAL);

		server.calls++;
		if (!went(connection, ret)) {
			if (connection->open && !connection->blocked)
				control(EPOLL_CTL_MOD, connection->sock, EPOLLOUT, connection);
			connection->blocked = true;
			return false;
		}
		connection->sent += (uint32_t)ret;
	}
	if (connection->blocked)
		control(EPOLL_CTL_MOD, connection->sock, EPOLLIN, connection);
	connection->blocked = connection->writes = false;
	connection->sent = talk->done = 0;
	return true;
}

static bool receive(struct connection *connection)
{
	struct http_talk *talk = &connection->talk;
	size_t room = HTTP_IN - talk->used;
	ssize_t ret;

	if (!connection->readable)
		return false;
	ret = recv(connection->sock, talk->in + talk->used, room, 0);
	server.calls++;
	connection->readable = ret == (ssize_t)room;
	if (!went(connection, ret))
		return false;
	talk->used += connection->lingers ? 0 : (uint32_t)ret;
	return true;
}

/* ---- files ---- */

static void open_file(struct connection *connection)
{
	struct open_how how = http_how();
	struct stat about = { 0 };
	long fd =
		syscall(SYS_openat2, server.options.root, connection->talk.path, &how, sizeof(how));
	bool good = fd >= 0 && fstat((int)fd, &about) == 0 && S_ISREG(about.st_mode);

	if (http_file(&connection->talk, good, (size_t)about.st_size)) {
		connection->file = (int)fd;
		connection->at = 0;
		connection->size = about.st_size;
	} else if (fd >= 0) {
		close((int)fd);
	}
}

/* The next piece of it. A file that has become shorter ends the connection. */
static bool read_file(struct connection *connection)
{
	struct http_talk *talk = &connection->talk;
	off_t left = connection->size - connection->at;
	size_t room = HTTP_OUT - talk->done;
	ssize_t ret;

	if (left == 0) {
		close(connection->file);
		connection->file = -1;
		return true;
	}
	connection->writes = room == 0;
	if (room == 0)
		return true;
	ret = pread(connection->file, talk->out + talk->done,
		    (off_t)room < left ? room : (size_t)left, connection->at);
	if (ret <= 0) {
		end(connection);
		return false;
	}
	talk->done += (uint32_t)ret;
	connection->at += ret;
	return true;
}

/* ---- one connection ---- */

/* As far as it goes without waiting. */
static void serve(struct connection *connection)
{
	bool good = true;

	while (good) {
		if (connection->writes) {
			good = flush(connection);
			continue;
		}
		if (connection->file >= 0) {
			good = read_file(connection);
			continue;
		}
		if (connection->lingers) {
			good = receive(connection);
			continue;
		}
		switch (http_step(&connection->talk)) {
		case HTTP_READ:
			good = (connection->talk.done == 0 || flush(connection)) &&
			       receive(connection);
			break;
		case HTTP_WRITE:
			connection->writes = true;
			break;
		case HTTP_FILE:
			open_file(connection);
			break;
		case HTTP_END:
			if (connection->talk.done > 0) {
				connection->writes = true;
				break;
			}
			shutdown(connection->sock, SHUT_WR);
			connection->since = server.now;
			connection->lingers = true;
			break;
		}
	}
}

/* It is late: what it can be told is told, if it takes what it is told. */
static void expire(struct connection *connection)
{
	if (connection->lingers || connection->blocked || !http_late(&connection->talk))
		end(connection);
	else
		serve(connection);
}

/* ---- all of them ---- */

static void accept_all(void)
{
	while (server.free != NULL) {
		int sock = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct connection *connection = server.free;

		if (sock < 0)
			return;
		server.free = connection->next_free;
		memset(connection, 0, offsetof(struct connection, talk));
		http_begin(&connection->talk, server.options.root >= 0);
		connection->sock = sock;
		connection->file = -1;
		connection->since = server.now;
		connection->open = true;
		if (control(EPOLL_CTL_ADD, sock, EPOLLIN, connection) < 0)
			end(connection);
	}
	server.full = control(EPOLL_CTL_MOD, server.listener, 0, &server) == 0;
}

static void watch(void)
{
	uint32_t i;

	for (i = 0; i < server.options.connections; i++) {
		struct connection *connection = &server.connections[i];

		if (connection->open && server.now - connection->since >= server.options.limit)
			expire(connection);
	}
}

/* Until the signal comes. */
static void run(void)
{
	struct epoll_event events[EVENTS];
	int64_t tick = server.options.limit / 4, watched = server.now;

	for (;;) {
		int i, n = epoll_wait(server.epoll, events, EVENTS, (int)(tick / 1000000) + 1);

		server.calls++;
		for (i = 0; i < n; i++) {
			struct connection *connection = events[i].data.ptr;

			if (events[i].data.ptr == NULL)
				return;
			if (events[i].data.ptr == &server) {
				accept_all();
			} else if (connection->open) {
				connection->readable = !connection->blocked;
				serve(connection);
			}
		}
		server.now = http_clock();
		if (server.now - watched >= tick) {
			watch();
			watched = server.now;
		}
	}
}

static bool prepare(void)
{
	uint32_t i;

	server.connections = calloc(server.options.connections, sizeof(*server.connections));
	server.signals = http_signals();
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server.connections == NULL || server.signals < 0 || server.epoll < 0) {
		perror("http_epoll");
		return false;
	}
	for (i = server.options.connections; i-- > 0;) {
		server.connections[i].next_free = server.free;
		server.free = &server.connections[i];
	}
	server.now = http_clock();
	server.listener = http_listen(server.options.port, SOCK_NONBLOCK);
	return server.listener >= 0 &&
	       control(EPOLL_CTL_ADD, server.listener, EPOLLIN, &server) == 0 &&
	       control(EPOLL_CTL_ADD, server.signals, EPOLLIN, NULL) == 0;
}

int main(int argc, char **argv)
{
	bool good;
	uint32_t i;

	server.options = http_arguments("fiber-http-epoll", argc, argv, true);
	good = prepare();
	if (good)
		run();
	for (i = 0; good && i < server.options.connections; i++) {
		if (server.connections[i].open)
			end(&server.connections[i]);
	}
	if (good)
		printf("%" PRIu64 " requests, %" PRIu64 " calls\n", server.requests, server.calls);
	free(server.connections);
	return !good;
}
