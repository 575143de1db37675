/* SPDX-License-Identifier: MIT */
/*
 * Echo servers on our library, on a ring of oring_init_fast().
 *
 * ours: connections are in registered slots; each has a multishot receive that takes buffers
 * from a group, and what came is sent from there. One send of a connection is in flight at a
 * time, so that what comes in pieces goes back in order. ours-plain: a receive, a send, and so
 * on, into a buffer of the connection's own. Both have their connections behind handles of a pool.
 */
#define _GNU_SOURCE
#include "echo.h"

#include <sys/socket.h>

#include <oring.h>

/* Which request of a connection: the op field of its handle. */
enum what {
	WHAT_RECEIVE = 1,
	WHAT_SEND
};

/* Received, in a provided buffer, and not sent yet. */
struct waiting {
	struct oring_piece piece;
	struct waiting *next;
};

/* The caller data of a record. */
struct connection {
	oring_file file;
	oring_context send;
	struct oring_multishot receive;
	struct waiting *first; /* is being sent */
	struct waiting *last;
	uint32_t length; /* plain: of data */
	uint32_t sent;	 /* of the first piece, or of data */
	unsigned char *data;
};

struct server {
	struct echo echo;
	struct oring ring;
	uint64_t spin_ns;
	struct oring_pool pool;
	void *pool_memory;
	size_t pool_bytes;
	unsigned char *data; /* buffers: of the group, or of all connections */
	size_t data_bytes;

	/* Not plain. */
	struct oring_bufgroup group;
	struct oring_buf_note *notes;
	struct waiting *waiting; /* one for each buffer */
	oring_context *starved;	 /* their receive found no buffer */
	uint32_t starved_count;
};

/* ---- requests ---- */

static void submit(struct server *server)
{
	int ret = oring_submit(&server->ring);

	server->echo.calls++;
	if (ret <= 0)
		bench_fail(ret, "%s: submit", server->echo.name);
}

static struct oring_sqe *reserve(struct server *server)
{
	struct oring_sqe *sqe = oring_sq_reserve(&server->ring);

	if (sqe == NULL) {
		submit(server);
		sqe = oring_sq_reserve(&server->ring);
	}
	return sqe;
}

static void start_send(struct server *server, struct connection *c, const unsigned char *data,
		       uint32_t length)
{
	struct oring_sqe *sqe = reserve(server);

	oring_prep_send(sqe, c->file, data + c->sent, length - c->sent, MSG_NOSIGNAL);
	oring_sqe_set_context(sqe, c->send);
}

static void start_stream(struct server *server, struct connection *c)
{
	struct oring_sqe *sqe = reserve(server);

	oring_prep_recv_multishot(sqe, c->file, 0);
	oring_sqe_buffer_select(sqe, ECHO_GROUP);
	oring_multishot_arm(&c->receive, sqe);
}

/* The record is the receive, prepared. */
static void start_receive(struct server *server, const struct oring_sqe *record)
{
	if (oring_sq_push(&server->ring, record) == NULL) {
		submit(server);
		oring_sq_push(&server->ring, record);
	}
}

/* Submit, and wait for a completion. One that spins looks for a while before it sleeps. */
static void wait_for_completions(struct server *server)
{
	struct oring *ring = &server->ring;
	int ret;

	if (server->spin_ns != 0) {
		uint64_t end = bench_now() + server->spin_ns;

		if (oring_sq_pending(ring) > 0)
			submit(server);
		while (oring_cq_ready(ring) == 0 && bench_now() < end) {
			if (oring_taskrun_pending(ring)) {
				server->echo.calls++;
				oring_get_events(ring);
			}
		}
		if (oring_cq_ready(ring) > 0)
			return;
	}
	server->echo.calls++;
	ret = oring_submit_and_wait(ring, 1);
	if (ret < 0 && ret != -ORING_EINTR)
		bench_fail(ret, "%s: wait", server->echo.name);
}

/* ---- a stream of receives ---- */

static void append(struct server *server, struct connection *c, const struct oring_piece *piece)
{
	struct waiting *waiting = &server->waiting[piece->bid];

	waiting->piece = *piece;
	waiting->next = NULL;
	if (c->first != NULL) {
		c->last->next = waiting;
	} else {
		c->first = waiting;
		c->sent = 0;
		start_send(server, c, piece->data, piece->length);
	}
	c->last = waiting;
}

static void on_stream(struct server *server, struct connection *c, const struct oring_cqe *cqe)
{
	struct oring_step step = oring_multishot_step(&c->receive, cqe);
	struct oring_bufwalk walk;
	struct oring_piece piece;

	if (oring_bufgroup_open(&server->group, cqe, &walk) == 0) {
		while (oring_bufgroup_next(&walk, &piece))
			append(server, c, &piece);
	}
	if (step.end == ORING_STREAM_GOES_ON)
		return;
	if (!step.arm_again)
		echo_broken(&server->echo, "receive", cqe->res);
	server->starved[server->starved_count++] = oring_cqe_context(cqe);
}

static void on_sent(struct server *server, struct connection *c, const struct oring_cqe *cqe)
{
	struct waiting *first = c->first;

	if (cqe->res <= 0)
		echo_broken(&server->echo, "send", cqe->res);
	server->echo.left -= (uint32_t)cqe->res;
	c->sent += (uint32_t)cqe->res;
	if (c->sent == first->piece.length) {
		oring_bufgroup_release(&server->group, first->piece.bid);
		c->first = first->next;
		c->sent = 0;
	}
	if (c->first != NULL)
		start_send(server, c, c->first->piece.data, c->first->piece.length);
}

/* The end of a batch: buffers are back, so receives that found none go on. */
static void feed_starved(struct server *server)
{
	uint32_t i;

	oring_bufgroup_commit(&server->group);
	if (oring_bufgroup_out(&server->group) == server->group.count)
		return;
	for (i = 0; i < server->starved_count; i++) {
		struct oring_sqe *record = oring_pool_lookup(&server->pool, server->starved[i]);

		start_stream(server, oring_pool_extra(record));
	}
	server->starved_count = 0;
}

static void run_streams(void *self, uint64_t messages, struct bench_time *time)
{
	struct server *server = self;
	uint32_t cursor, end;
	struct oring_cqe *cqe;

	echo_begin(&server->echo, messages);
	while (server->echo.left > 0) {
		wait_for_completions(server);
		oring_cq_for_each (&server->ring, cursor, end, cqe) {
			oring_context handle = oring_cqe_context(cqe);
			struct oring_sqe *record = oring_pool_lookup(&server->pool, handle);

			if (record == NULL)
				bench_fail(0, "%s: a completion of nobody", server->echo.name);
			if (oring_context_op(handle) == WHAT_RECEIVE)
				on_stream(server, oring_pool_extra(record), cqe);
			else
				on_sent(server, oring_pool_extra(record), cqe);
		}
		oring_cq_release_to(&server->ring, cursor);
		feed_starved(server);
	}
	echo_end(&server->echo, time);
}

/* ---- single receives ---- */

static void on_plain(struct server *server, struct oring_sqe *record, const struct oring_cqe *cqe)
{
	bool received = oring_context_op(oring_cqe_context(cqe)) == WHAT_RECEIVE;
	struct connection *c = oring_pool_extra(record);

	if (cqe->res <= 0)
		echo_broken(&server->echo, received ? "receive" : "send", cqe->res);
	if (received) {
		c->length = (uint32_t)cqe->res;
		c->sent = 0;
	} else {
		c->sent += (uint32_t)cqe->res;
		server->echo.left -= (uint32_t)cqe->res;
	}
	if (c->sent < c->length)
		start_send(server, c, c->data, c->length);
	else
		start_receive(server, record);
}

static void run_plain(void *self, uint64_t messages, struct bench_time *time)
{
	struct server *server = self;
	uint32_t cursor, end;
	struct oring_cqe *cqe;

	echo_begin(&server->echo, messages);
	while (server->echo.left > 0) {
		wait_for_completions(server);
		oring_cq_for_each (&server->ring, cursor, end, cqe) {
			struct oring_sqe *record =
				oring_pool_lookup(&server->pool, oring_cqe_context(cqe));

			if (record == NULL)
				bench_fail(0, "%s: a completion of nobody", server->echo.name);
			on_plain(server, record, cqe);
		}
		oring_cq_release_to(&server->ring, cursor);
	}
	/* The last sends have completed: their receives are armed with the next run. */
	echo_end(&server->echo, time);
}

/* ---- before and after ---- */

static void open_ring(struct server *server)
{
	const uint32_t connections = server->echo.connections;
	int ret = oring_init_fast(&server->ring, ECHO_QUEUE, NULL, NULL);

	if (ret == 0)
		ret = oring_start(&server->ring);
	if (ret < 0)
		bench_fail(ret, "%s: no ring", server->echo.name);
	server->pool_bytes = oring_pool_size(connections, sizeof(struct connection));
	server->pool_memory = echo_memory(server->pool_bytes);
	ret = oring_pool_init(&server->pool, server->pool_memory, server->pool_bytes, connections,
			      sizeof(struct connection));
	if (ret < 0)
		bench_fail(ret, "%s: no pool", server->echo.name);
}

static void open_group(struct server *server)
{
	const struct echo *echo = &server->echo;
	struct oring_bufgroup_params params = { .ring.bgid = ECHO_GROUP };
	int ret;

	params.count = params.ring.entries = echo_buffers(echo);
	params.size = echo->bytes;
	server->data_bytes = (size_t)params.count * echo->bytes;
	server->data = echo_memory(server->data_bytes);
	server->notes = echo_memory(params.count * sizeof(*server->notes));
	server->waiting = echo_memory(params.count * sizeof(*server->waiting));
	server->starved = echo_memory(echo->connections * sizeof(*server->starved));
	params.base = server->data;
	params.notes = server->notes;
	ret = oring_bufgroup_init(&server->group, &server->ring, &params);
	if (ret < 0)
		bench_fail(ret, "%s: no group of buffers", echo->name);
}

static struct connection *acquire(struct server *server, oring_context *handle,
				  struct oring_sqe **record)
{
	struct connection *c;
	int ret = oring_pool_acquire(&server->pool, WHAT_RECEIVE, handle, record);

	if (ret < 0)
		bench_fail(ret, "%s: pool", server->echo.name);
	c = oring_pool_extra(*record);
	c->send = oring_context_with_op(*handle, WHAT_SEND);
	return c;
}

static void *open_streams(const struct bench_job *job, const char *name, uint64_t spin_ns)
{
	struct server *server = echo_memory(sizeof(*server));
	struct oring_sqe *record;
	oring_context handle;
	uint32_t i;
	int ret;

	if (!echo_open(&server->echo, job, name, false)) {
		echo_memory_free(server, sizeof(*server));
		return NULL;
	}
	server->spin_ns = spin_ns;
	open_ring(server);
	open_group(server);
	ret = oring_register_files(&server->ring, server->echo.fds, server->echo.connections);
	if (ret < 0)
		bench_fail(ret, "%s: no table of files", name);
	for (i = 0; i < server->echo.connections; i++) {
		struct connection *c = acquire(server, &handle, &record);

		c->file = oring_file_slot(i);
		oring_multishot_init(&c->receive, ORING_STREAM_RECV, handle);
		start_stream(server, c);
	}
	submit(server);
	return server;
}

static void *open_ours(const struct bench_job *job)
{
	return open_streams(job, "ours", 0);
}

static void *open_spin(const struct bench_job *job)
{
	return open_streams(job, "ours-spin", ECHO_SPIN_NS);
}

static void *open_plain(const struct bench_job *job)
{
	struct server *server = echo_memory(sizeof(*server));
	struct echo *echo = &server->echo;
	struct oring_sqe *record;
	oring_context handle;
	uint32_t i;

	if (!echo_open(echo, job, "ours-plain", false)) {
		echo_memory_free(server, sizeof(*server));
		return NULL;
	}
	open_ring(server);
	server->data_bytes = (size_t)echo->connections * echo->bytes;
	server->data = echo_memory(server->data_bytes);
	for (i = 0; i < echo->connections; i++) {
		struct connection *c = acquire(server, &handle, &record);

		c->file = oring_file_fd(echo->fds[i]);
		c->data = server->data + (size_t)i * echo->bytes;
		oring_sqe_clear(record);
		oring_prep_recv(record, c->file, c->data, echo->bytes, 0);
		oring_sqe_set_context(record, handle);
		start_receive(server, record);
	}
	submit(server);
	return server;
}

/* Nothing uses the buffers when this returns. What is reserved still is not submitted any more. */
static void end_ring(struct server *server)
{
	static const struct oring_timespec limit = { .tv_sec = 2 * ECHO_TICK_S };
	struct oring *ring = &server->ring;
	int ret;

	do {
		oring_cq_release_to(ring, oring_cq_end(ring));
		ret = oring_drain(ring, &limit);
	} while (ret == -ORING_EAGAIN);
	if (ret != 0)
		bench_fail(ret < 0 ? ret : 0, "%s: requests do not end", server->echo.name);
	oring_exit(ring);
}

static void close_server(void *self)
{
	struct server *server = self;
	const struct echo *echo = &server->echo;

	echo_stop(&server->echo);
	end_ring(server);
	echo_close(&server->echo);
	echo_memory_free(server->pool_memory, server->pool_bytes);
	if (server->notes != NULL) {
		echo_memory_free(server->notes, server->group.count * sizeof(*server->notes));
		echo_memory_free(server->waiting, server->group.count * sizeof(*server->waiting));
		echo_memory_free(server->starved, echo->connections * sizeof(*server->starved));
	}
	echo_memory_free(server->data, server->data_bytes);
	echo_memory_free(server, sizeof(*server));
}

const struct bench_contender echo_ours = {
	"ours",	      "multishot receive into a buffer group, send, registered files",
	open_ours,    run_streams,
	close_server, 0,
};
const struct bench_contender echo_ours_plain = {
	"ours-plain", "receive and send in turn, descriptors",
	open_plain,   run_plain,
	close_server, 0,
};
const struct bench_contender echo_ours_spin = {
	"ours-spin",  "as ours, looks for 50 us before it sleeps",
	open_spin,    run_streams,
	close_server, 0,
};
