/* SPDX-License-Identifier: MIT */
/*
 * proactor - an event loop to start from; what it serves is HTTP/1.1
 *
 *	proactor [--port N] [--address A] [--connections N] [--timeout SECONDS] [--buffers N]
 *
 * The first line of stdout is the port. SIGINT and SIGTERM end it in order, a second
 * one at once. Linux 6.0; what later kernels have is used where it is. HTTP itself
 * is in proactor_http.h: bytes in, bytes out.
 *
 * What to see here: who owns what, and when memory is free again.
 *
 * Connections are records of a pool. A request carries the record's handle, and in
 * the handle's op field which request of the connection it is. The record goes back when
 * the last of their completions was reaped. A completion that came later all the
 * same would be recognised: the handle's generation is not the record's.
 *
 * Provided buffers are lent for one batch of completions. What they bring is copied
 * to its connection and they are released at once, so no client can keep buffers
 * that others need. A receive that found none (-ENOBUFS) is armed again at the end
 * of the batch, when all are back.
 *
 * A connection has room for one head and one buffer more. Its receive brings no more
 * than fits: a multishot receive with a limit (6.17), else one receive at a time.
 * Who sends and does not read fills that room, and then the windows of TCP. Answers
 * are collected in its output, which does not change while a send is in flight.
 *
 * Time is counted in ticks of one timeout entry. All deadlines are equally far away,
 * so the list of connections in the order in which they got theirs is sorted.
 *
 * A connection ends in two steps: its requests are cancelled (end_connection()), and
 * when none is in flight, file and record go (finish_connection()). After its last
 * answer it lingers: our side is shut, and what comes is thrown away until the peer
 * ends too. Were it closed with data unread, a reset could overtake the answer.
 *
 * The server ends likewise: what is being sent may finish, the rest is cancelled;
 * then oring_drain(), and every record and buffer has to be back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <oring.h>

#include "explain.h"
#include "proactor_http.h"

#define QUEUE_ENTRIES 512
#define CQ_ENTRIES    4096
#define BACKLOG	      256 /* as many may come at once to a multishot accept, or a few more */
#define GROUP	      1	  /* of provided buffers */
#define BUFFER_SIZE   2048
#define IN_SIZE	      (HTTP_HEAD_MAX + BUFFER_SIZE)
#define OUT_SIZE      8192
#define TICK_MS	      250
#define GRACE_TICKS   8	 /* for what is being sent when a signal comes */
#define DRAIN_ROUNDS  20 /* of 250 ms at most */

/* Which request of a connection: the op field of its handle. */
enum what {
	WHAT_RECEIVE = 1,
	WHAT_SEND,
	WHAT_STOP_RECEIVE,
	WHAT_STOP_SEND
};

/* The caller data of a record. */
struct connection {
	struct connection *earlier; /* in the order of deadlines */
	struct connection *later;
	uint64_t deadline; /* a tick */
	oring_context handle;
	struct oring_multishot receive;
	struct oring_multishot send; /* completes once: here for its books of cancels */
	int fd;
	bool starved;	 /* waits for buffers */
	bool peer_ended; /* nothing comes any more */
	bool last;	 /* after the output nothing follows; what comes is thrown away */
	bool lingering;
	bool ending;		     /* cancelled, and not in the list */
	struct http_request request; /* of which in has the beginning */
	uint32_t in_length;
	uint32_t out_length;
	uint32_t out_sent;
	char in[IN_SIZE];
	char out[OUT_SIZE];
};

struct server {
	struct oring ring;
	struct oring_bufgroup group;
	struct oring_pool pool;
	void *pool_memory;
	void *group_memory;
	unsigned char *buffers;
	struct oring_buf_note *notes;
	oring_context *starved; /* connections whose receive found no buffer in this batch */
	uint32_t starved_count;
	struct connection *first; /* the next one whose time is over */
	struct connection *newest;

	int listener;
	int signals;
	struct signalfd_siginfo signal;
	struct oring_multishot accept;
	bool accept_many;   /* the accept in flight is multishot */
	bool accept_paused; /* it failed: until a connection has ended, or the next tick */
	bool accept_told;   /* on stderr */
	bool limited;	    /* receives take a limit (6.17) */
	bool stopping;
	bool draining;

	uint64_t ticks;
	uint64_t stop_tick; /* the grace is over */
	uint64_t served;
	uint64_t answers;

	const char *address;
	const char *port;
	uint32_t connections;
	uint32_t timeout; /* seconds */
	uint32_t buffer_count;
};

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "proactor: %s: %s\n", what, strerror(error));
	exit(EXIT_FAILURE);
}

/* ---- requests ---- */

static struct oring_sqe *reserve(struct server *server)
{
	if (oring_sq_space(&server->ring) == 0) {
		int ret = oring_submit(&server->ring);

		if (ret <= 0)
			die("submit", -ret);
	}
	return oring_sq_reserve(&server->ring);
}

/* Nobody's request in particular: its completion says what it was. */
static void set_direct(struct oring_sqe *sqe)
{
	int ret = oring_sqe_set_direct(sqe);

	if (ret < 0)
		die("descriptor", -ret);
}

static void start_close(struct server *server, int fd)
{
	struct oring_sqe *sqe = reserve(server);

	oring_prep_close(sqe, oring_file_fd(fd));
	set_direct(sqe);
}

static void start_tick(struct server *server)
{
	static const struct oring_timespec tick = { .tv_nsec = TICK_MS * 1000000 };
	struct oring_sqe *sqe = reserve(server);

	oring_prep_timeout(sqe, &tick, 0, 0);
	set_direct(sqe);
}

static void start_signal(struct server *server)
{
	struct oring_sqe *sqe = reserve(server);

	oring_prep_read(sqe, oring_file_fd(server->signals), &server->signal,
			sizeof(server->signal), 0);
	set_direct(sqe);
}

static void start_send(struct server *server, struct connection *connection)
{
	struct oring_sqe *sqe = reserve(server);

	oring_prep_send(sqe, oring_file_fd(connection->fd), connection->out + connection->out_sent,
			connection->out_length - connection->out_sent, MSG_NOSIGNAL);
	oring_multishot_arm(&connection->send, sqe);
}

/*
 * A receive that brings no more than there is room for: a limit ends it once so
 * many bytes have come, and the last buffer may exceed that.
 */
static void start_receive(struct server *server, struct connection *connection)
{
	uint32_t room = IN_SIZE - connection->in_length;
	struct oring_sqe *sqe;

	if (oring_multishot_busy(&connection->receive) || connection->starved ||
	    connection->peer_ended || room < BUFFER_SIZE)
		return;
	sqe = reserve(server);
	if (server->limited) {
		oring_prep_recv_multishot(sqe, oring_file_fd(connection->fd), 0);
		oring_sqe_limit_receive(sqe, room - BUFFER_SIZE + 1);
	} else {
		oring_prep_recv(sqe, oring_file_fd(connection->fd), NULL, 0, 0);
	}
	oring_sqe_buffer_select(sqe, GROUP);
	oring_multishot_arm(&connection->receive, sqe);
}

/* Cancel a request, if it is in flight and that was not done yet. */
static void stop_request(struct server *server, struct oring_multishot *stream,
			 oring_context canceller)
{
	struct oring_sqe *sqe = reserve(server);

	if (oring_multishot_cancel(stream, sqe, canceller) < 0)
		oring_sq_unreserve(&server->ring, 1);
}

/* ---- the end of a connection ---- */

static void list_remove(struct server *server, struct connection *connection)
{
	if (connection->earlier != NULL)
		connection->earlier->later = connection->later;
	else
		server->first = connection->later;
	if (connection->later != NULL)
		connection->later->earlier = connection->earlier;
	else
		server->newest = connection->earlier;
}

static void list_append(struct server *server, struct connection *connection)
{
	connection->deadline = server->ticks + 1 + server->timeout * (1000 / TICK_MS);
	connection->earlier = server->newest;
	connection->later = NULL;
	if (server->newest != NULL)
		server->newest->later = connection;
	else
		server->first = connection;
	server->newest = connection;
}

/* It has made progress: its time begins again. */
static void extend_deadline(struct server *server, struct connection *connection)
{
	list_remove(server, connection);
	list_append(server, connection);
}

/* The second step: nothing of it is in flight, so its memory is ours. */
static void finish_connection(struct server *server, struct connection *connection)
{
	if (oring_multishot_busy(&connection->receive) || oring_multishot_busy(&connection->send))
		return;
	start_close(server, connection->fd);
	oring_pool_release(&server->pool, connection->handle);
}

static void end_connection(struct server *server, struct connection *connection)
{
	if (connection->ending)
		return;
	connection->ending = true;
	list_remove(server, connection);
	stop_request(server, &connection->receive,
		     oring_context_with_op(connection->handle, WHAT_STOP_RECEIVE));
	stop_request(server, &connection->send,
		     oring_context_with_op(connection->handle, WHAT_STOP_SEND));
	finish_connection(server, connection);
}

/* ---- connections ---- */

/* Answer what has come and fits the output; what is left moves to the front. */
static void answer_requests(struct server *server, struct connection *connection)
{
	const char *in = connection->in;
	uint32_t taken = 0;
	unsigned int status;

	while (!connection->last && OUT_SIZE - connection->out_length >= HTTP_ANSWER_MAX) {
		struct http_request *request = &connection->request;

		status = http_take(request, in + taken, connection->in_length - taken);
		if (status == 0)
			break;
		if (status == 200 && request->method != HTTP_GET && request->method != HTTP_HEAD)
			status = 405;
		connection->last =
			(status != 200 && status != 405) || http_is_last(request) || request->body;
		connection->out_length += http_answer(request, status, connection->last,
						      connection->out + connection->out_length);
		server->answers++;
		taken += request->line;
		memset(request, 0, sizeof(*request));
	}
	if (connection->last)
		taken = connection->in_length;
	connection->in_length -= taken;
	memmove(connection->in, in + taken, connection->in_length);
}

/* The last answer was sent. What the peer still sends is thrown away until it ends. */
static void linger(struct server *server, struct connection *connection)
{
	connection->lingering = true;
	extend_deadline(server, connection);
	/*
	 * A call and no entry: the kernel leaves a shutdown to a worker thread, which
	 * would look up the descriptor when it comes to it.
	 */
	shutdown(connection->fd, SHUT_WR);
}

/* Something has come, or was sent: what next? */
static void advance(struct server *server, struct connection *connection)
{
	if (connection->ending)
		return;
	if (!oring_multishot_busy(&connection->send)) {
		answer_requests(server, connection);
		if (connection->out_length > 0)
			start_send(server, connection);
		else if (connection->peer_ended)
			end_connection(server, connection);
		else if (connection->last && !connection->lingering)
			linger(server, connection);
	}
	if (!connection->ending)
		start_receive(server, connection);
}

static void begin_connection(struct server *server, int fd)
{
	struct connection *connection;
	struct oring_sqe *record;
	oring_context handle;

	/* A multishot accept may bring more than there are records. */
	if (oring_pool_acquire(&server->pool, WHAT_RECEIVE, &handle, &record) < 0) {
		start_close(server, fd);
		return;
	}
	connection = oring_pool_extra(record);
	memset(connection, 0, offsetof(struct connection, in));
	connection->handle = handle;
	connection->fd = fd;
	oring_multishot_init(&connection->receive, ORING_STREAM_RECV, handle);
	oring_multishot_init(&connection->send, ORING_STREAM_RECV,
			     oring_context_with_op(handle, WHAT_SEND));
	list_append(server, connection);
	start_receive(server, connection);
	server->served++;
}

/* Copy what came, and give the buffers back. */
static void take_pieces(struct server *server, struct connection *connection,
			const struct oring_cqe *cqe)
{
	struct oring_bufwalk walk;
	struct oring_piece piece;

	if (oring_bufgroup_open(&server->group, cqe, &walk) < 0)
		return;
	while (oring_bufgroup_next(&walk, &piece)) {
		/* More than the limit is not to be: what follows could not be understood. */
		if (piece.length > IN_SIZE - connection->in_length)
			connection->last = true;
		if (!connection->last) {
			/* With the first byte of a request its time begins. */
			if (connection->in_length == 0 && !connection->ending)
				extend_deadline(server, connection);
			memcpy(connection->in + connection->in_length, piece.data, piece.length);
			connection->in_length += piece.length;
		}
		oring_bufgroup_release(&server->group, piece.bid);
	}
}

static void on_receive(struct server *server, struct connection *connection,
		       const struct oring_cqe *cqe)
{
	struct oring_step step = oring_multishot_step(&connection->receive, cqe);

	take_pieces(server, connection, cqe);
	if (connection->ending) {
		finish_connection(server, connection);
		return;
	}
	switch (step.end) {
	case ORING_STREAM_FINISHED:
		connection->peer_ended = true;
		break;
	case ORING_STREAM_STARVED:
		connection->starved = true;
		server->starved[server->starved_count++] = connection->handle;
		break;
	case ORING_STREAM_FAILED:
		if (cqe->res != -EINVAL || !server->limited) {
			end_connection(server, connection); /* reset, most likely */
			return;
		}
		server->limited = false;
		break;
	default:
		break;
	}
	advance(server, connection);
}

static void on_send(struct server *server, struct connection *connection,
		    const struct oring_cqe *cqe)
{
	oring_multishot_step(&connection->send, cqe);
	if (connection->ending) {
		finish_connection(server, connection);
		return;
	}
	if (cqe->res <= 0) {
		end_connection(server, connection); /* the peer is gone */
		return;
	}
	extend_deadline(server, connection);
	connection->out_sent += (uint32_t)cqe->res;
	if (connection->out_sent < connection->out_length) {
		start_send(server, connection);
		return;
	}
	connection->out_length = 0;
	connection->out_sent = 0;
	advance(server, connection);
}

/* A cancel has completed. What it has not found may be about to start: again. */
static void on_stopped(struct server *server, struct connection *connection,
		       struct oring_multishot *stream, const struct oring_cqe *cqe)
{
	struct oring_step step = oring_multishot_cancel_step(stream, cqe);

	if (step.cancel_again)
		stop_request(server, stream, oring_cqe_context(cqe));
	finish_connection(server, connection);
}

static void on_connection(struct server *server, const struct oring_cqe *cqe)
{
	oring_context handle = oring_cqe_context(cqe);
	struct oring_sqe *record = oring_pool_lookup(&server->pool, handle);
	struct connection *connection;

	if (record == NULL) { /* of a connection that is no more */
		oring_bufgroup_drop(&server->group, cqe);
		return;
	}
	connection = oring_pool_extra(record);
	switch (oring_context_op(handle)) {
	case WHAT_RECEIVE:
		on_receive(server, connection, cqe);
		break;
	case WHAT_SEND:
		on_send(server, connection, cqe);
		break;
	case WHAT_STOP_RECEIVE:
		on_stopped(server, connection, &connection->receive, cqe);
		break;
	default:
		on_stopped(server, connection, &connection->send, cqe);
		break;
	}
}

/* The end of a batch: all buffers are back, so receives that found none go on. */
static void feed_starved(struct server *server)
{
	uint32_t i;

	oring_bufgroup_commit(&server->group);
	for (i = 0; i < server->starved_count; i++) {
		/* The connection may have ended since, and the record be another's. */
		struct oring_sqe *record = oring_pool_lookup(&server->pool, server->starved[i]);
		struct connection *connection = record != NULL ? oring_pool_extra(record) : NULL;

		if (connection == NULL || connection->ending)
			continue;
		connection->starved = false;
		start_receive(server, connection);
	}
	server->starved_count = 0;
}

/* ---- accept ---- */

static oring_context direct(uint8_t op, int fd)
{
	oring_context context;
	int ret = oring_context_direct(op, 0, 0, oring_file_fd(fd), &context);

	if (ret < 0)
		die("descriptor", -ret);
	return context;
}

/* Multishot while there are many records, then one at a time, then none. */
static void tend_accept(struct server *server)
{
	uint32_t records = oring_pool_available(&server->pool);
	bool many = records > BACKLOG;
	struct oring_sqe *sqe;

	if (oring_multishot_busy(&server->accept)) {
		if ((server->stopping || (server->accept_many && !many)) &&
		    !(server->accept.state & ORING_MULTISHOT_ASKED))
			stop_request(server, &server->accept, direct(ORING_OP_ASYNC_CANCEL, -1));
		return;
	}
	if (server->stopping || server->accept_paused || records == 0)
		return;
	sqe = reserve(server);
	if (many)
		oring_prep_accept_multishot(sqe, oring_file_fd(server->listener), SOCK_CLOEXEC);
	else
		oring_prep_accept(sqe, oring_file_fd(server->listener), NULL, NULL, SOCK_CLOEXEC);
	oring_multishot_arm(&server->accept, sqe);
	server->accept_many = many;
}

static void on_accept(struct server *server, const struct oring_cqe *cqe)
{
	struct oring_step step = oring_multishot_step(&server->accept, cqe);

	if (step.data) {
		server->accept_told = false;
		if (server->stopping)
			start_close(server, cqe->res);
		else
			begin_connection(server, cqe->res);
	} else if (step.end == ORING_STREAM_FAILED && cqe->res != -ECONNABORTED) {
		/* No descriptor left, most likely, and still none if we asked at once. */
		server->accept_paused = true;
		if (!server->accept_told)
			fprintf(stderr, "proactor: accept: %s; waiting\n", strerror(-cqe->res));
		server->accept_told = true;
	}
}

/* ---- everything else ---- */

static void on_tick(struct server *server)
{
	server->ticks++;
	server->accept_paused = false;
	while (server->first != NULL && server->first->deadline <= server->ticks)
		end_connection(server, server->first);
	if (!server->draining)
		start_tick(server);
}

/* Nobody is accepted, and nobody is served who has no answer on the way. */
static void on_signal(struct server *server, int32_t result)
{
	struct connection *connection;
	struct connection *later;

	if (server->draining)
		return;
	if (result < 0)
		die("signals", -result);
	server->stop_tick = server->ticks + (server->stopping ? 0 : GRACE_TICKS);
	server->stopping = true;
	start_signal(server);
	for (connection = server->first; connection != NULL; connection = later) {
		later = connection->later;
		connection->last = true;
		if (connection->out_length == 0 && !connection->lingering)
			end_connection(server, connection);
	}
}

static void on_completion(struct server *server, const struct oring_cqe *cqe)
{
	oring_context context = oring_cqe_context(cqe);

	if (oring_context_kind_of(context) == ORING_CONTEXT_HANDLE) {
		on_connection(server, cqe);
		return;
	}
	switch (oring_context_op(context)) {
	case ORING_OP_ACCEPT:
		on_accept(server, cqe);
		break;
	case ORING_OP_ASYNC_CANCEL:
		if (oring_multishot_cancel_step(&server->accept, cqe).cancel_again)
			stop_request(server, &server->accept, context);
		break;
	case ORING_OP_CLOSE:
		server->accept_paused = false; /* there is a descriptor again */
		break;
	case ORING_OP_TIMEOUT:
		on_tick(server);
		break;
	case ORING_OP_READ:
		on_signal(server, cqe->res);
		break;
	default:
		break;
	}
}

static void reap(struct server *server)
{
	struct oring_cqe *cqe;
	uint32_t cursor;
	uint32_t end;

	oring_cq_for_each (&server->ring, cursor, end, cqe)
		on_completion(server, cqe);
	oring_cq_release_to(&server->ring, cursor);
	feed_starved(server);
	tend_accept(server);
}

static bool all_ended(const struct server *server)
{
	return oring_pool_available(&server->pool) == server->connections;
}

static void serve(struct server *server)
{
	start_tick(server);
	start_signal(server);
	tend_accept(server);
	while (!server->stopping || (!all_ended(server) && server->ticks < server->stop_tick)) {
		int ret = oring_submit_and_wait(&server->ring, 1);

		if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			die("wait", -ret);
		reap(server);
	}
}

/*
 * Cancel what is left. Reaping its completions ends connections, which starts
 * what closes them: until nothing is in flight and nothing has started.
 *
 * Return: whether everything is ours again.
 */
static bool drain(struct server *server)
{
	static const struct oring_timespec limit = { .tv_nsec = 250 * 1000000 };
	unsigned int round;
	int left = 1;

	server->draining = true;
	while (server->first != NULL)
		end_connection(server, server->first);
	for (round = 0; round < DRAIN_ROUNDS && left != 0; round++) {
		int submitted = oring_submit(&server->ring);

		left = oring_drain(&server->ring, &limit);
		left |= submitted | (int)oring_cq_ready(&server->ring) |
			oring_cq_overflowed(&server->ring);
		reap(server);
	}
	return left == 0 && all_ended(server) && oring_bufgroup_out(&server->group) == 0;
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

static void print_port(int fd)
{
	struct sockaddr_in6 address; /* the port is in the same place as in sockaddr_in */
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		die("getsockname", errno);
	printf("%u\n", ntohs(address.sin6_port));
	fflush(stdout);
}

static void open_listener(struct server *server)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	const int one = 1;
	struct addrinfo *found;
	int error = getaddrinfo(server->address, server->port, &hints, &found);
	int fd;

	if (error != 0) {
		fprintf(stderr, "proactor: address %s, port %s: %s\n", server->address,
			server->port, gai_strerror(error));
		exit(2);
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket", errno);
	/* Accepted connections inherit this: a short answer is sent at once. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, found->ai_addr, found->ai_addrlen) < 0)
		die("bind", errno);
	if (listen(fd, BACKLOG) < 0)
		die("listen", errno);
	freeaddrinfo(found);
	server->listener = fd;
	oring_multishot_init(&server->accept, ORING_STREAM_ACCEPT, direct(ORING_OP_ACCEPT, fd));
	print_port(fd);
}

static void *allocate(size_t alignment, size_t size)
{
	void *memory = aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));

	if (memory == NULL)
		die("memory", ENOMEM);
	return memory;
}

static void init_pool(struct server *server)
{
	size_t size = oring_pool_size(server->connections, sizeof(struct connection));
	int ret;

	server->pool_memory = allocate(64, size);
	server->starved = allocate(64, server->connections * sizeof(*server->starved));
	ret = oring_pool_init(&server->pool, server->pool_memory, size, server->connections,
			      sizeof(struct connection));
	if (ret < 0)
		die("pool", -ret);
}

static void init_buffers(struct server *server)
{
	struct oring_bufgroup_params params = { .ring.bgid = GROUP,
						.ring.entries = 1,
						.size = BUFFER_SIZE,
						.count = server->buffer_count };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int ret;

	while (params.ring.entries < server->buffer_count)
		params.ring.entries *= 2;
	/* Our memory, not the kernel's: that is of 6.4. */
	server->group_memory = allocate(page, oring_bufring_size(params.ring.entries, page));
	server->buffers = allocate(64, (size_t)server->buffer_count * BUFFER_SIZE);
	server->notes = allocate(64, server->buffer_count * sizeof(*server->notes));
	params.ring.memory = server->group_memory;
	params.base = server->buffers;
	params.notes = server->notes;
	ret = oring_bufgroup_init(&server->group, &server->ring, &params);
	if (ret < 0)
		die("buffers", -ret);
}

/* Return: 0, or a negative errno of the ring. */
static int init(struct server *server)
{
	struct oring_params params = { .flags = ORING_SETUP_CQSIZE, .cq_entries = CQ_ENTRIES };
	int ret = oring_init_fast(&server->ring, QUEUE_ENTRIES, &params, NULL);

	if (ret < 0)
		return ret;
	ret = oring_start(&server->ring);
	if (ret < 0)
		return ret;
	server->limited = true; /* until the kernel says otherwise */
	init_pool(server);
	init_buffers(server);
	open_signals(server);
	open_listener(server);
	return 0;
}

static void release(struct server *server)
{
	close(server->listener);
	close(server->signals);
	oring_bufgroup_exit(&server->group, &server->ring);
	oring_exit(&server->ring);
	free(server->pool_memory);
	free(server->group_memory);
	free(server->buffers);
	free(server->notes);
	free(server->starved);
}

static _Noreturn void usage(void)
{
	fprintf(stderr,
		"usage: proactor [--port N] [--address A] [--connections N] [--timeout SECONDS]\n"
		"                [--buffers N]\n"
		"  --port N           0 lets the kernel choose (0)\n"
		"  --address A        numeric, IPv4 or IPv6 (127.0.0.1)\n"
		"  --connections N    at a time; more wait until one ends (1024)\n"
		"  --timeout SECONDS  for a request to come, and for an answer to go on (30)\n"
		"  --buffers N        of 2 KiB, for all connections together (1024)\n");
	exit(2);
}

static void read_options(struct server *server, int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "address", required_argument, NULL, 'a' },
		{ "connections", required_argument, NULL, 'c' },
		{ "timeout", required_argument, NULL, 't' },
		{ "buffers", required_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "p:a:c:t:b:", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			explain_number("proactor", 'p', optarg, 0, 65535);
			server->port = optarg;
			break;
		case 'a':
			server->address = optarg;
			break;
		case 'c':
			server->connections =
				(uint32_t)explain_number("proactor", 'c', optarg, 1, 65536);
			break;
		case 't':
			server->timeout =
				(uint32_t)explain_number("proactor", 't', optarg, 1, 86400);
			break;
		case 'b':
			server->buffer_count =
				(uint32_t)explain_number("proactor", 'b', optarg, 1, 32768);
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	static struct server server = { .address = "127.0.0.1",
					.port = "0",
					.connections = 1024,
					.timeout = 30,
					.buffer_count = 1024 };
	int ret;

	read_options(&server, argc, argv);
	ret = init(&server);
	if (ret < 0) {
		explain_setup("proactor", ret);
		return EXIT_FAILURE;
	}
	serve(&server);
	if (!drain(&server)) {
		fprintf(stderr, "proactor: some requests would not end\n");
		return EXIT_FAILURE; /* the kernel may still use their memory: it stays */
	}
	release(&server);
	printf("%" PRIu64 " connections served, %" PRIu64 " answers\n", server.served,
	       server.answers);
	return EXIT_SUCCESS;
}
