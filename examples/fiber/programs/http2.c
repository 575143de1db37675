/* SPDX-License-Identifier: MIT */
/*
 * http2 - an HTTP/2 server in clear text, by libnghttp2: a fiber for each connection
 *
 *	fiber-http2 [-p PORT] [-c CONNECTIONS] [-t MILLISECONDS]
 *
 * The library reads and makes frames, and knows nothing of sockets; the fiber moves the bytes:
 * converse() is all that is to be seen of I/O. GET and HEAD are for a line at /, POST is
 * answered with its body. Clients have to know that it is HTTP/2 (prior knowledge).
 */
#include <nghttp2/nghttp2.h>

#include "http_service.h"

#define BODY_MAX 65536
#define STREAMS	 100 /* of a connection, at once */
#define OUT	 65536
#define GOODBYE	 100000000 /* nanoseconds for the last frame */
#define PIECES	 64	   /* that are read after it */

enum method {
	OTHER,
	GET,
	HEAD,
	POST
};

struct stream {
	struct stream *next, *previous;
	enum method method;
	bool root;     /* its path is / */
	bool too_long; /* its body */
	char *body;    /* room for all that there may be; NULL: nothing came */
	const char *answer;
	size_t length, left;
};

struct connection {
	struct http_seat seat;
	nghttp2_session *session;
	struct stream *streams;
	char in[16384];
	char out[OUT];
};

/* ---- streams ---- */

static int begin_stream(nghttp2_session *session, const nghttp2_frame *frame, void *argument)
{
	struct connection *connection = argument;
	struct stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	stream->next = connection->streams;
	if (stream->next != NULL)
		stream->next->previous = stream;
	connection->streams = stream;
	return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
}

static void free_stream(struct connection *connection, struct stream *stream)
{
	if (stream->previous != NULL)
		stream->previous->next = stream->next;
	else
		connection->streams = stream->next;
	if (stream->next != NULL)
		stream->next->previous = stream->previous;
	free(stream->body);
	free(stream);
}

static int end_stream(nghttp2_session *session, int32_t id, uint32_t error, void *argument)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void)error;
	if (stream != NULL)
		free_stream(argument, stream);
	return 0;
}

static bool is(const uint8_t *text, size_t length, const char *word)
{
	return length == strlen(word) && memcmp(text, word, length) == 0;
}

static int take_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		       size_t name_length, const uint8_t *value, size_t length, uint8_t flags,
		       void *argument)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)flags;
	(void)argument;
	if (stream == NULL)
		return 0;
	if (is(name, name_length, ":method"))
		stream->method = is(value, length, "GET")    ? GET
				 : is(value, length, "HEAD") ? HEAD
				 : is(value, length, "POST") ? POST
							     : OTHER;
	else if (is(name, name_length, ":path"))
		stream->root = is(value, length, "/");
	return 0;
}

static int take_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		     size_t length, void *argument)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void)flags;
	(void)argument;
	if (stream == NULL)
		return 0;
	if (stream->body == NULL)
		stream->body = malloc(BODY_MAX);
	if (stream->body == NULL)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	stream->too_long |= length > BODY_MAX - stream->length;
	if (stream->too_long)
		return 0; /* the rest is thrown away, so that the answer is read */
	memcpy(stream->body + stream->length, data, length);
	stream->length += length;
	return 0;
}

/* ---- answers ---- */

static ssize_t give_data(nghttp2_session *session, int32_t id, uint8_t *data, size_t length,
			 uint32_t *flags, nghttp2_data_source *source, void *argument)
{
	struct stream *stream = source->ptr;

	(void)session;
	(void)id;
	(void)argument;
	if (length > stream->left)
		length = stream->left;
	memcpy(data, stream->answer, length);
	stream->answer += length;
	stream->left -= length;
	if (stream->left == 0)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)length;
}

static const char *judge(struct stream *stream)
{
	if (stream->too_long)
		return "413";
	if (stream->method == POST) {
		stream->answer = stream->body != NULL ? stream->body : "";
		stream->left = stream->length;
		return "200";
	}
	if (stream->method == OTHER)
		return "501";
	stream->answer = stream->root ? "hello, world\n" : "not found\n";
	stream->left = strlen(stream->answer);
	return stream->root ? "200" : "404";
}

static nghttp2_nv header(const char *name, const char *value)
{
	nghttp2_nv nv = { (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
			  NGHTTP2_NV_FLAG_NONE };

	return nv;
}

static int answer(nghttp2_session *session, int32_t id, struct stream *stream)
{
	nghttp2_data_provider body = { .source.ptr = stream, .read_callback = give_data };
	const char *status = judge(stream);
	nghttp2_nv headers[2];
	char length[24];

	snprintf(length, sizeof(length), "%zu", stream->left);
	headers[0] = header(":status", status);
	headers[1] = header("content-length", length);
	http_service.requests++;
	return nghttp2_submit_response(session, id, headers, 2,
				       stream->method == HEAD || stream->left == 0 ? NULL : &body);
}

/* A frame is there; it may be the request's last. */
static int take_frame(nghttp2_session *session, const nghttp2_frame *frame, void *argument)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)argument;
	if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 || stream == NULL)
		return 0;
	return answer(session, frame->hd.stream_id, stream);
}

/* ---- connections ---- */

static int make_session(struct connection *connection)
{
	nghttp2_settings_entry most = { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS };
	nghttp2_session_callbacks *callbacks;
	int ret = nghttp2_session_callbacks_new(&callbacks);

	if (ret < 0)
		return ret;
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_stream);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, take_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, take_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, take_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, end_stream);
	ret = nghttp2_session_server_new(&connection->session, callbacks, connection);
	nghttp2_session_callbacks_del(callbacks);
	if (ret < 0)
		return ret;
	return nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, &most, 1);
}

/* All frames that are to be sent, together as far as they fit. */
static bool flush(struct connection *connection, int64_t limit)
{
	size_t done = 0;

	for (;;) {
		const uint8_t *data;
		ssize_t n = nghttp2_session_mem_send(connection->session, &data);

		if (n < 0 || n > OUT)
			return false;
		if (done > 0 && (n == 0 || done + (size_t)n > OUT)) {
			if (fiber_send_all(connection->seat.sock, connection->out, done, limit) !=
			    (int64_t)done)
				return false;
			done = 0;
		}
		if (n == 0)
			return true;
		memcpy(connection->out + done, data, (size_t)n);
		done += (size_t)n;
	}
}

/* Whether more is to come: not after an error, silence, or what is no HTTP/2. */
static bool receive(struct connection *connection)
{
	int n = fiber_recv(connection->seat.sock, connection->in, sizeof(connection->in), 0,
			   http_service.options.limit);

	return n > 0 && nghttp2_session_mem_recv(connection->session, (uint8_t *)connection->in,
						 (size_t)n) == n;
}

/* Why it ends is told, if it can be; what comes is thrown away for a while: see linger() in http.c. */
static void say_goodbye(struct connection *connection)
{
	int i;

	nghttp2_session_terminate_session(connection->session, NGHTTP2_NO_ERROR);
	if (!flush(connection, GOODBYE))
		return;
	shutdown(connection->seat.fd, SHUT_WR);
	for (i = 0; i < PIECES && !http_service.ends; i++) {
		if (fiber_recv(connection->seat.sock, connection->in, sizeof(connection->in), 0,
			       GOODBYE) <= 0)
			return;
	}
}

static void converse(struct http_seat *seat)
{
	struct connection *connection = (struct connection *)seat;

	connection->session = NULL;
	connection->streams = NULL;
	if (make_session(connection) == 0) {
		while (flush(connection, http_service.options.limit) &&
		       nghttp2_session_want_read(connection->session) && receive(connection))
			;
		say_goodbye(connection);
	}
	nghttp2_session_del(connection->session);
	while (connection->streams != NULL)
		free_stream(connection, connection->streams);
}

int main(int argc, char **argv)
{
	http_service.options = http_arguments("fiber-http2", argc, argv, false);
	http_service.converse = converse;
	http_service.seat_bytes = sizeof(struct connection);
	return http_serve_all("fiber-http2", NULL);
}
