/* SPDX-License-Identifier: MIT */
/*
 * Lanes that send to themselves: the receiving end is a multishot request over provided
 * buffers, and each byte is compared with what belongs in its place. Connections that come and go.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "soak.h"

#define SEND_MOST 4000

struct stream_lane {
	int pair[2]; /* sends; receives */
	uint64_t sent, received;
	uint32_t length; /* of the send that is on its way */
	unsigned char
		*own; /* zero copy: the bytes, which are overwritten when they are ours again */
	oring_fixed_buf own_fixed;
	struct oring_zc zc;
	bool zero_copy, shut;
	struct oring_multishot stream;
};

/* Which of a lane's requests. */
enum {
	PART_RECEIVE,
	PART_SEND
};

static void connect_pair(int pair[2])
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(bind(listener, (struct sockaddr *)&address, length) == 0, "%s", strerror(errno));
	MUST(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "%s",
	     strerror(errno));
	MUST(listen(listener, 1) == 0, "%s", strerror(errno));
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(connect(pair[0], (struct sockaddr *)&address, length) == 0, "%s", strerror(errno));
	pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	MUST(pair[1] >= 0, "%s", strerror(errno));
	close(listener);
}

static void arm(struct lane *lane)
{
	struct stream_lane *self = lane->data;
	struct oring_sqe *sqe = entry_of(lane->worker);

	oring_prep_recv_multishot(sqe, oring_file_fd(self->pair[1]), 0);
	oring_sqe_buffer_select(sqe, GROUP);
	MUST(oring_multishot_arm(&self->stream, sqe) == 0, "it is armed");
	/* The identity of the record, not of the stream: the stream has one completion kind only. */
	self->stream.context = begin(lane, sqe, DO_RECV_MANY, PART_RECEIVE);
}

static struct stream_lane *stream_new(struct lane *lane, bool tcp)
{
	struct stream_lane *self = calloc(1, sizeof(*self));

	(void)lane;
	MUST(self != NULL, "memory");
	if (tcp)
		connect_pair(self->pair);
	else
		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->pair) == 0, "%s",
		     strerror(errno));
	oring_multishot_init(&self->stream, ORING_STREAM_RECV, oring_context_pointer(self));
	return self;
}

static void *stream_open(struct lane *lane, unsigned int number)
{
	(void)number;
	return stream_new(lane, true);
}

static void *stream_open_unix(struct lane *lane, unsigned int number)
{
	(void)number;
	return stream_new(lane, false);
}

static void *stream_open_zc(struct lane *lane, unsigned int number)
{
	struct stream_lane *self = stream_new(lane, true);

	(void)number;
	self->zero_copy = true;
	self->own_fixed = fixed_slice(lane->worker, SEND_MOST);
	self->own = self->own_fixed.addr;
	return self;
}

static void send_some(struct lane *lane)
{
	struct stream_lane *self = lane->data;
	struct oring_sqe *sqe = entry_of(lane->worker);
	oring_file sock = oring_file_fd(self->pair[0]);

	self->length = 1 + next_random(lane->worker) % SEND_MOST;
	if (!self->zero_copy) {
		oring_prep_send(sqe, sock, noise_at(self->sent), self->length, MSG_NOSIGNAL);
		begin(lane, sqe, DO_SEND, PART_SEND);
		return;
	}
	memcpy(self->own, noise_at(self->sent), self->length);
	if (next_random(lane->worker) % 2 == 0) {
		oring_fixed_buf slice;

		MUST(oring_fixed_buf_slice(self->own_fixed, 0, self->length, &slice) == 0, "slice");
		oring_prep_send_buf_zc(sqe, sock, slice, MSG_NOSIGNAL);
	} else {
		oring_prep_send_zc(sqe, sock, self->own, self->length, MSG_NOSIGNAL);
	}
	oring_zc_begin(&self->zc);
	begin(lane, sqe, DO_SEND_ZC, PART_SEND);
}

static void stream_go(struct lane *lane)
{
	struct stream_lane *self = lane->data;

	if (!oring_multishot_busy(&self->stream))
		arm(lane);
	send_some(lane);
}

static void receive(struct lane *lane, const struct oring_cqe *cqe)
{
	struct stream_lane *self = lane->data;
	struct worker *worker = lane->worker;
	struct oring_step step = oring_multishot_step(&self->stream, cqe);
	struct oring_bufwalk walk;
	struct oring_piece piece;

	if (oring_bufgroup_open(&worker->group, cqe, &walk) == 0) {
		while (oring_bufgroup_next(&walk, &piece)) {
			MUST(memcmp(piece.data, noise_at(self->received), piece.length) == 0,
			     "%s: other bytes at %llu", lane->kind->name,
			     (unsigned long long)self->received);
			self->received += piece.length;
			hold(worker, &piece);
		}
	} else {
		MUST(!step.data, "data without a buffer");
	}
	if (!step.retired)
		return;
	if (step.arm_again) {
		if (step.arm_later)
			release_held(worker, 0);
		arm(lane);
		return;
	}
	MUST(step.end == ORING_STREAM_FINISHED, "receive: %s", strerror(-cqe->res));
	MUST(self->shut, "the end, before the sender has ended");
}

static void stream_done(struct lane *lane, const struct event *event)
{
	struct stream_lane *self = lane->data;
	int32_t res = event->cqe->res;

	if (event->part == PART_RECEIVE) {
		receive(lane, event->cqe);
		return;
	}
	if (event->what == DO_SHUTDOWN) {
		MUST(res == 0, "shutdown: %s", strerror(-res));
		return;
	}
	if (event->what == DO_SEND_ZC) {
		struct oring_zc_step step = oring_zc_step(&self->zc, event->cqe, false);

		MUST(event->last == !oring_zc_busy(&self->zc), "the last of a zero-copy send");
		if (step.buffer_free)
			memset(self->own, 0xa5, SEND_MOST); /* whoever still reads it finds out */
		if (!step.result_known)
			return;
		res = step.result;
	}
	MUST(res > 0, "send: %s", strerror(-res));
	self->sent += (uint32_t)res;
}

/* The next send of a lane whose multishot is in flight all the time. */
static bool stream_finish(struct lane *lane)
{
	struct stream_lane *self = lane->data;
	struct oring_sqe *sqe;

	if (self->shut)
		return false;
	self->shut = true;
	sqe = entry_of(lane->worker);
	oring_prep_shutdown(sqe, oring_file_fd(self->pair[0]), SHUT_WR);
	begin(lane, sqe, DO_SHUTDOWN, PART_SEND);
	return true;
}

static void stream_close(struct lane *lane)
{
	struct stream_lane *self = lane->data;

	MUST(self->received == self->sent, "%s: %llu bytes sent, %llu received", lane->kind->name,
	     (unsigned long long)self->sent, (unsigned long long)self->received);
	close(self->pair[0]);
	close(self->pair[1]);
	free(self);
}

const struct lane_kind lane_stream = { "TCP",	      8,	   1,
				       stream_open,   stream_go,   stream_done,
				       stream_finish, stream_close };
const struct lane_kind lane_stream_unix = { "unix sockets",   8,	   1,
					    stream_open_unix, stream_go,   stream_done,
					    stream_finish,    stream_close };
const struct lane_kind lane_stream_zc = { "zero copy",	  6,	       1,
					  stream_open_zc, stream_go,   stream_done,
					  stream_finish,  stream_close };

/* ---- connections that come and go ---- */

struct connect_lane {
	int listener;
	struct sockaddr_un address;
	socklen_t length;
	int client, server; /* -1: not there */
	char out[16], in[16];
	uint32_t round;
	uint32_t closed;
};

static void *connect_open(struct lane *lane, unsigned int number)
{
	struct connect_lane *self = calloc(1, sizeof(*self));

	(void)lane;
	(void)number;
	MUST(self != NULL, "memory");
	self->address.sun_family = AF_UNIX;
	self->length = sizeof(self->address);
	self->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Without a name: the kernel chooses one. */
	MUST(bind(self->listener, (struct sockaddr *)&self->address, sizeof(sa_family_t)) == 0,
	     "%s", strerror(errno));
	MUST(getsockname(self->listener, (struct sockaddr *)&self->address, &self->length) == 0,
	     "%s", strerror(errno));
	MUST(listen(self->listener, 4) == 0, "%s", strerror(errno));
	return self;
}

static void connect_go(struct lane *lane)
{
	struct connect_lane *self = lane->data;
	struct oring_sqe *sqe;

	self->client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(self->client >= 0, "%s", strerror(errno));
	self->server = -1;
	self->closed = 0;
	sqe = entry_of(lane->worker);
	oring_prep_accept(sqe, oring_file_fd(self->listener), NULL, NULL, SOCK_CLOEXEC);
	begin(lane, sqe, DO_ACCEPT, 0);
	sqe = entry_of(lane->worker);
	oring_prep_connect(sqe, oring_file_fd(self->client), (struct sockaddr *)&self->address,
			   self->length);
	begin(lane, sqe, DO_CONNECT, 0);
}

static void talk(struct lane *lane)
{
	struct connect_lane *self = lane->data;
	struct oring_sqe *sqe;

	memcpy(self->out, noise_at(self->round++), sizeof(self->out));
	sqe = entry_of(lane->worker);
	oring_prep_recv(sqe, oring_file_fd(self->server), self->in, sizeof(self->in), MSG_WAITALL);
	begin(lane, sqe, DO_RECV, 0);
	sqe = entry_of(lane->worker);
	oring_prep_send(sqe, oring_file_fd(self->client), self->out, sizeof(self->out),
			MSG_NOSIGNAL);
	begin(lane, sqe, DO_SEND, 0);
}

static void connect_done(struct lane *lane, const struct event *event)
{
	struct connect_lane *self = lane->data;
	int32_t res = event->cqe->res;
	struct oring_sqe *sqe;

	MUST(res >= 0, "%s", strerror(-res));
	if (event->what == DO_ACCEPT)
		self->server = res;
	if (event->what == DO_ACCEPT || event->what == DO_CONNECT) {
		if (lane->in_flight == 0)
			talk(lane);
		return;
	}
	if (event->what == DO_CLOSE)
		return;
	MUST(res == (int32_t)sizeof(self->in), "%d bytes", res);
	if (lane->in_flight > 0)
		return;
	MUST(memcmp(self->in, self->out, sizeof(self->in)) == 0, "other bytes");
	sqe = entry_of(lane->worker);
	oring_prep_close(sqe, oring_file_fd(self->client));
	begin(lane, sqe, DO_CLOSE, 0);
	sqe = entry_of(lane->worker);
	oring_prep_close(sqe, oring_file_fd(self->server));
	begin(lane, sqe, DO_CLOSE, 0);
}

static void connect_close(struct lane *lane)
{
	struct connect_lane *self = lane->data;

	close(self->listener);
	free(self);
}

const struct lane_kind lane_connect = {
	"connections", 4, 0, connect_open, connect_go, connect_done, NULL, connect_close
};
