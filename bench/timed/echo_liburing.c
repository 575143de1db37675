/* SPDX-License-Identifier: MIT */
/*
 * Echo servers on liburing. L0: as its examples do, a receive, a send, and so on, on descriptors.
 * L1: tuned, with all that ours has: multishot receives into a ring of provided buffers,
 * registered files, one send of a connection at a time.
 */
#define _GNU_SOURCE
#include "echo.h"
#include "liburing_ring.h"

#ifdef BENCH_LIBURING

#include <errno.h>
#include <sys/socket.h>

/* user_data: the number of the connection, and which request of it. */
#define RECEIVE 0
#define SEND	1

#define NOBODY UINT16_MAX /* ends a list of buffers */

struct connection {
	unsigned char *data; /* L0 */
	uint32_t length;
	uint32_t sent;
	uint16_t first; /* L1: buffers that are to be sent */
	uint16_t last;
};

struct waiting {
	uint32_t length;
	uint16_t next;
};

struct server {
	struct echo echo;
	struct io_uring ring;
	uint64_t spin_ns;
	struct connection *connections;
	unsigned char *data;
	size_t data_bytes;

	/* L1 */
	struct io_uring_buf_ring *buffers;
	uint32_t buffer_count;
	uint32_t buffers_out;	 /* not in the ring */
	uint32_t buffers_back;	 /* added, to be made visible */
	struct waiting *waiting; /* one for each buffer */
	uint32_t *starved;	 /* connections whose receive found none */
	uint32_t starved_count;
};

/* ---- requests ---- */

static void submit(struct server *server)
{
	int ret = io_uring_submit(&server->ring);

	server->echo.calls++;
	if (ret <= 0)
		bench_fail(ret, "%s: submit", server->echo.name);
}

static struct io_uring_sqe *get_sqe(struct server *server)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&server->ring);

	if (sqe == NULL) {
		submit(server);
		sqe = io_uring_get_sqe(&server->ring);
	}
	return sqe;
}

static void set_identity(struct io_uring_sqe *sqe, uint32_t index, uint32_t what)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)index << 1 | what);
}

static void wait_for_completions(struct server *server)
{
	struct io_uring *ring = &server->ring;
	struct io_uring_cqe *cqe;
	int ret;

	if (server->spin_ns != 0) {
		uint64_t end = bench_now() + server->spin_ns;

		if (io_uring_sq_ready(ring) > 0)
			submit(server);
		do {
			/* Enters the kernel if it says that it has work. */
			if (IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_TASKRUN)
				server->echo.calls++;
			if (io_uring_peek_cqe(ring, &cqe) == 0)
				return;
		} while (bench_now() < end);
	}
	server->echo.calls++;
	ret = io_uring_submit_and_wait(ring, 1);
	if (ret < 0 && ret != -EINTR)
		bench_fail(ret, "%s: wait", server->echo.name);
}

/* ---- L0: single receives ---- */

static void start_receive(struct server *server, uint32_t index)
{
	struct io_uring_sqe *sqe = get_sqe(server);

	io_uring_prep_recv(sqe, server->echo.fds[index], server->connections[index].data,
			   server->echo.bytes, 0);
	set_identity(sqe, index, RECEIVE);
}

static void on_plain(struct server *server, const struct io_uring_cqe *cqe)
{
	uint32_t index = (uint32_t)(cqe->user_data >> 1);
	struct connection *c = &server->connections[index];
	bool received = (cqe->user_data & 1) == RECEIVE;
	struct io_uring_sqe *sqe;

	if (cqe->res <= 0)
		echo_broken(&server->echo, received ? "receive" : "send", cqe->res);
	if (received) {
		c->length = (uint32_t)cqe->res;
		c->sent = 0;
	} else {
		c->sent += (uint32_t)cqe->res;
		server->echo.left -= (uint32_t)cqe->res;
	}
	if (c->sent == c->length) {
		start_receive(server, index);
		return;
	}
	sqe = get_sqe(server);
	io_uring_prep_send(sqe, server->echo.fds[index], c->data + c->sent, c->length - c->sent,
			   MSG_NOSIGNAL);
	set_identity(sqe, index, SEND);
}

static void run_plain(void *self, uint64_t messages, struct bench_time *time)
{
	struct server *server = self;
	struct io_uring_cqe *cqe;
	unsigned int head, n;

	echo_begin(&server->echo, messages);
	while (server->echo.left > 0) {
		wait_for_completions(server);
		n = 0;
		io_uring_for_each_cqe(&server->ring, head, cqe)
		{
			on_plain(server, cqe);
			n++;
		}
		io_uring_cq_advance(&server->ring, n);
	}
	echo_end(&server->echo, time);
}

/* ---- L1: streams of receives ---- */

static void start_stream(struct server *server, uint32_t index)
{
	struct io_uring_sqe *sqe = get_sqe(server);

	io_uring_prep_recv_multishot(sqe, (int)index, NULL, 0, 0);
	sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
	sqe->buf_group = ECHO_GROUP;
	set_identity(sqe, index, RECEIVE);
}

static void send_first(struct server *server, uint32_t index)
{
	const struct connection *c = &server->connections[index];
	const unsigned char *data = server->data + (size_t)c->first * server->echo.bytes;
	struct io_uring_sqe *sqe = get_sqe(server);

	io_uring_prep_send(sqe, (int)index, data + c->sent,
			   server->waiting[c->first].length - c->sent, MSG_NOSIGNAL);
	sqe->flags |= IOSQE_FIXED_FILE;
	set_identity(sqe, index, SEND);
}

/* Into the ring, visible after io_uring_buf_ring_advance(). */
static void give_back(struct server *server, uint16_t bid)
{
	io_uring_buf_ring_add(server->buffers, server->data + (size_t)bid * server->echo.bytes,
			      server->echo.bytes, bid, io_uring_buf_ring_mask(server->buffer_count),
			      (int)server->buffers_back++);
}

static void append(struct server *server, uint32_t index, const struct io_uring_cqe *cqe)
{
	struct connection *c = &server->connections[index];
	uint16_t bid = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);

	server->buffers_out++;
	if (cqe->res <= 0) {
		give_back(server, bid);
		return;
	}
	server->waiting[bid].length = (uint32_t)cqe->res;
	server->waiting[bid].next = NOBODY;
	if (c->first != NOBODY) {
		server->waiting[c->last].next = bid;
	} else {
		c->first = bid;
		c->sent = 0;
		send_first(server, index);
	}
	c->last = bid;
}

static void on_stream(struct server *server, uint32_t index, const struct io_uring_cqe *cqe)
{
	if (cqe->flags & IORING_CQE_F_BUFFER)
		append(server, index, cqe);
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	/* No buffer; or the queue of completions was full. */
	if (cqe->res <= 0 && cqe->res != -ENOBUFS)
		echo_broken(&server->echo, "receive", cqe->res);
	server->starved[server->starved_count++] = index;
}

static void on_sent(struct server *server, uint32_t index, const struct io_uring_cqe *cqe)
{
	struct connection *c = &server->connections[index];

	if (cqe->res <= 0)
		echo_broken(&server->echo, "send", cqe->res);
	server->echo.left -= (uint32_t)cqe->res;
	c->sent += (uint32_t)cqe->res;
	if (c->sent == server->waiting[c->first].length) {
		give_back(server, c->first);
		c->first = server->waiting[c->first].next;
		c->sent = 0;
	}
	if (c->first != NOBODY)
		send_first(server, index);
}

static void end_batch(struct server *server)
{
	uint32_t i;

	if (server->buffers_back > 0) {
		io_uring_buf_ring_advance(server->buffers, (int)server->buffers_back);
		server->buffers_out -= server->buffers_back;
		server->buffers_back = 0;
	}
	if (server->buffers_out == server->buffer_count)
		return;
	for (i = 0; i < server->starved_count; i++)
		start_stream(server, server->starved[i]);
	server->starved_count = 0;
}

static void run_streams(void *self, uint64_t messages, struct bench_time *time)
{
	struct server *server = self;
	struct io_uring_cqe *cqe;
	unsigned int head, n;

	echo_begin(&server->echo, messages);
	while (server->echo.left > 0) {
		wait_for_completions(server);
		n = 0;
		io_uring_for_each_cqe(&server->ring, head, cqe)
		{
			uint32_t index = (uint32_t)(cqe->user_data >> 1);

			if ((cqe->user_data & 1) == RECEIVE)
				on_stream(server, index, cqe);
			else
				on_sent(server, index, cqe);
			n++;
		}
		io_uring_cq_advance(&server->ring, n);
		end_batch(server);
	}
	echo_end(&server->echo, time);
}

/* ---- before and after ---- */

static struct server *open_server(const struct bench_job *job, const char *name)
{
	struct server *server = echo_memory(sizeof(*server));

	if (!echo_open(&server->echo, job, name, false)) {
		echo_memory_free(server, sizeof(*server));
		return NULL;
	}
	server->connections = echo_memory(server->echo.connections * sizeof(*server->connections));
	return server;
}

static void *open_L0(const struct bench_job *job)
{
	struct server *server = open_server(job, "L0");
	uint32_t i;

	if (server == NULL)
		return NULL;
	liburing_open(&server->ring, ECHO_QUEUE, false);
	server->data_bytes = (size_t)server->echo.connections * server->echo.bytes;
	server->data = echo_memory(server->data_bytes);
	for (i = 0; i < server->echo.connections; i++) {
		server->connections[i].data = server->data + (size_t)i * server->echo.bytes;
		start_receive(server, i);
	}
	submit(server);
	return server;
}

static size_t buffer_ring_bytes(const struct server *server)
{
	return server->buffer_count * sizeof(struct io_uring_buf);
}

static void open_buffers(struct server *server)
{
	struct io_uring_buf_reg reg = { .bgid = ECHO_GROUP };
	uint32_t i;
	int ret;

	server->buffer_count = echo_buffers(&server->echo);
	server->data_bytes = (size_t)server->buffer_count * server->echo.bytes;
	server->data = echo_memory(server->data_bytes);
	server->buffers = echo_memory(buffer_ring_bytes(server));
	server->waiting = echo_memory(server->buffer_count * sizeof(*server->waiting));
	server->starved = echo_memory(server->echo.connections * sizeof(*server->starved));
	reg.ring_addr = (uint64_t)(uintptr_t)server->buffers;
	reg.ring_entries = server->buffer_count;
	ret = io_uring_register_buf_ring(&server->ring, &reg, 0);
	if (ret < 0)
		bench_fail(ret, "%s: io_uring_register_buf_ring", server->echo.name);
	io_uring_buf_ring_init(server->buffers);
	server->buffers_out = server->buffer_count;
	for (i = 0; i < server->buffer_count; i++)
		give_back(server, (uint16_t)i);
	end_batch(server);
}

/* As liburing_open(), and the ring says when it has work: else a peek would not see it. */
static void open_ring_to_peek(struct server *server)
{
	struct io_uring_params params = { .flags = LIBURING_L1_FLAGS | IORING_SETUP_TASKRUN_FLAG };
	int ret = io_uring_queue_init_params(ECHO_QUEUE, &server->ring, &params);

	if (ret < 0)
		bench_fail(ret, "io_uring_queue_init_params");
	ret = io_uring_register_ring_fd(&server->ring);
	if (ret < 0)
		bench_fail(ret, "io_uring_register_ring_fd");
}

static void *open_streams(const struct bench_job *job, const char *name, uint64_t spin_ns)
{
	struct server *server = open_server(job, name);
	uint32_t i;
	int ret;

	if (server == NULL)
		return NULL;
	server->spin_ns = spin_ns;
	if (spin_ns == 0)
		liburing_open(&server->ring, ECHO_QUEUE, true);
	else
		open_ring_to_peek(server);
	open_buffers(server);
	ret = io_uring_register_files(&server->ring, server->echo.fds, server->echo.connections);
	if (ret < 0)
		bench_fail(ret, "%s: io_uring_register_files", name);
	for (i = 0; i < server->echo.connections; i++) {
		server->connections[i].first = NOBODY;
		start_stream(server, i);
	}
	submit(server);
	return server;
}

static void *open_L1(const struct bench_job *job)
{
	return open_streams(job, "L1", 0);
}

static void *open_spin(const struct bench_job *job)
{
	return open_streams(job, "L1-spin", ECHO_SPIN_NS);
}

static void close_server(void *self)
{
	struct server *server = self;
	const struct echo *echo = &server->echo;

	echo_stop(&server->echo);
	io_uring_queue_exit(&server->ring);
	echo_close(&server->echo);
	if (server->buffers != NULL) {
		echo_memory_free(server->buffers, buffer_ring_bytes(server));
		echo_memory_free(server->waiting, server->buffer_count * sizeof(*server->waiting));
		echo_memory_free(server->starved, echo->connections * sizeof(*server->starved));
	}
	echo_memory_free(server->data, server->data_bytes);
	echo_memory_free(server->connections, echo->connections * sizeof(*server->connections));
	echo_memory_free(server, sizeof(*server));
}

const struct bench_contender echo_L0 = {
	"L0",	      "receive and send in turn, no setup flags, descriptors",
	open_L0,      run_plain,
	close_server, 0,
};
const struct bench_contender echo_L1 = {
	"L1",	      "multishot receive into a buffer ring, send, registered files",
	open_L1,      run_streams,
	close_server, 0,
};
const struct bench_contender echo_L1_spin = {
	"L1-spin", "as L1, looks for 50 us before it sleeps", open_spin, run_streams, close_server,
	0,
};

#else

WITHOUT_LIBURING(echo_L0, "L0");
WITHOUT_LIBURING(echo_L1, "L1");
WITHOUT_LIBURING(echo_L1_spin, "L1-spin");

#endif
