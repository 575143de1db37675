/* SPDX-License-Identifier: MIT */
/*
 * http - an HTTP/1.1 server: a fiber for each connection, written as if it were alone
 *
 *	fiber-http [-p PORT] [-r FOLDER] [-c CONNECTIONS] [-t MILLISECONDS]
 *
 * answer() reads from top to bottom, although it waits in many places. Limits of time
 * are one fiber's matter, which walks over the connections now and then and cancels those that
 * are late: nothing is armed for each receive. At the end (SIGINT) it tells how
 * many requests there were, and how often the kernel was entered.
 *
 * What is said is in http_request.h; http_epoll.c says the same without fibers.
 */
#include "http_request.h"
#include "http_service.h"

struct connection {
	struct http_seat seat;
	int64_t since; /* of the request, or of the silence */
	bool late;
	struct http_talk talk;
};

static int64_t now; /* as the watchman saw it last */

/* ---- one connection ---- */

static bool flush(struct connection *connection)
{
	struct http_talk *talk = &connection->talk;
	uint32_t length = talk->done;

	if (length == 0)
		return true;
	talk->done = 0;
	connection->since = now;
	return fiber_send_all(connection->seat.sock, talk->out, length, FIBER_FOREVER) == length;
}

static bool receive(struct connection *connection)
{
	struct http_talk *talk = &connection->talk;
	int ret = fiber_recv(connection->seat.sock, talk->in + talk->used, HTTP_IN - talk->used, 0,
			     FIBER_FOREVER);

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
	connection->since = now;
	shutdown(connection->seat.fd, SHUT_WR);
	while (!http_service.ends && fiber_recv(connection->seat.sock, connection->talk.in, HTTP_IN,
						0, FIBER_FOREVER) > 0)
		;
}

static int open_file(const char *path, uint64_t *size)
{
	struct open_how how = http_how();
	struct oring_sqe *sqe = fiber_operation(FIBER_FOREVER);
	struct statx about = { 0 };
	int fd, ret;

	if (sqe != NULL)
		oring_prep_openat2(sqe, http_service.options.root, path, &how, sizeof(how));
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

static void answer(struct connection *connection)
{
	struct http_talk *talk = &connection->talk;
	bool good = true;

	while (good) {
		switch (http_step(talk)) {
		case HTTP_READ:
			good = flush(connection);
			if (!good || receive(connection))
				break;
			if (!connection->late || http_service.ends || !http_late(talk))
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

static void converse(struct http_seat *seat)
{
	struct connection *connection = (struct connection *)seat;

	connection->since = now;
	connection->late = false;
	http_begin(&connection->talk, http_service.options.root >= 0);
	answer(connection);
	http_service.requests += connection->talk.answers;
}

/* ---- limits of time ---- */

static intptr_t watch(void *argument)
{
	uint32_t i;

	(void)argument;
	while (fiber_sleep(http_service.options.limit / 4) == 0) {
		now = http_clock();
		for (i = 0; i < http_service.options.connections; i++) {
			struct connection *connection = (struct connection *)http_seat(i);

			if (!connection->seat.taken ||
			    now - connection->since < http_service.options.limit)
				continue;
			connection->late = true;
			fiber_cancel(connection->seat.fiber);
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	http_service.options = http_arguments("fiber-http", argc, argv, true);
	http_service.converse = converse;
	http_service.seat_bytes = sizeof(struct connection);
	now = http_clock();
	return http_serve_all("fiber-http", watch);
}
