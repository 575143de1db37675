/* SPDX-License-Identifier: MIT */
/*
 * tls_stream.h - TLS over a socket, for fibers
 *
 * OpenSSL never sees the socket: it reads from and writes to memory, and whatever it wants or
 * has is received or sent by the fiber, which alone is suspended. A stream belongs to one fiber.
 *
 * Each function's limit is for all that it does, so that a peer of many tiny pieces gains no time.
 * Errors are negative errno values, and of TLS itself these:
 *
 *	-EPROTO		what comes is not TLS, or one side refuses the other: tls_stream_reason()
 *	-ECONNABORTED	the peer's bytes end without its close_notify: something may be missing
 */
#ifndef TLS_STREAM_H
#define TLS_STREAM_H

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "fiber_io.h"
#include "net.h"

#define TLS_PIECE 16384 /* bytes of the longest record */

struct tls_stream {
	SSL *ssl;
	BIO *in, *out; /* what was received, and what is to be sent; ssl's own */
	oring_file sock;
	int64_t limit;
	int64_t until; /* the end of what goes on now */
	bool broken;   /* a part of a record may have been sent: nothing more may follow */
	unsigned long reason;
};

/** tls_stream_init - a stream over a connected socket. Return: 0; -ENOMEM. */
static inline int tls_stream_init(struct tls_stream *stream, SSL_CTX *context, oring_file sock,
				  int64_t limit)
{
	memset(stream, 0, sizeof(*stream));
	stream->sock = sock;
	stream->limit = limit;
	stream->ssl = SSL_new(context);
	stream->in = BIO_new(BIO_s_mem());
	stream->out = BIO_new(BIO_s_mem());
	if (stream->ssl != NULL && stream->in != NULL && stream->out != NULL) {
		SSL_set_bio(stream->ssl, stream->in, stream->out);
		return 0;
	}
	SSL_free(stream->ssl);
	BIO_free(stream->in);
	BIO_free(stream->out);
	return -ENOMEM;
}

/** tls_stream_free - give its memory back; the socket stays open. */
static inline void tls_stream_free(struct tls_stream *stream)
{
	SSL_free(stream->ssl);
}

/** tls_stream_expect - the name or the address that the peer's certificate must have. */
static inline bool tls_stream_expect(struct tls_stream *stream, const char *name)
{
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream->ssl), name) == 1)
		return true;
	return SSL_set1_host(stream->ssl, name) == 1 &&
	       SSL_set_tlsext_host_name(stream->ssl, name) == 1;
}

/** tls_stream_reason - what to say of an error. */
static inline const char *tls_stream_reason(const struct tls_stream *stream, int error)
{
	long verified = SSL_get_verify_result(stream->ssl);
	const char *reason = NULL;

	if (error == -ECONNABORTED)
		return "truncated: the peer ended without close_notify";
	if (error == -ETIME)
		return "nothing within the limit of time";
	if (error != -EPROTO)
		return strerror(-error);
	if (verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	reason = ERR_reason_error_string(stream->reason);
	return reason != NULL ? reason : "TLS failed";
}

/* ---- between OpenSSL's memory and the socket ---- */

static inline int tls_stream_flush(struct tls_stream *stream)
{
	char *bytes;
	size_t length = (size_t)BIO_get_mem_data(stream->out, &bytes), done = 0;

	if (stream->broken)
		return -EPIPE;
	while (done < length) {
		int ret = fiber_send(stream->sock, bytes + done, length - done, 0,
				     net_left(stream->until));

		if (ret <= 0) {
			stream->broken = true;
			return ret < 0 ? ret : -EPIPE;
		}
		done += (size_t)ret;
	}
	BIO_reset(stream->out);
	return 0;
}

static inline int tls_stream_fill(struct tls_stream *stream)
{
	char bytes[TLS_PIECE];
	int64_t left = net_left(stream->until);
	int ret;

	if (left == 0)
		return -ETIME; /* even if more is there: who never stops gets no more time either */
	ret = fiber_recv(stream->sock, bytes, sizeof(bytes), 0, left);
	if (ret <= 0)
		return ret < 0 ? ret : -ECONNABORTED;
	return BIO_write(stream->in, bytes, ret) == ret ? 0 : -ENOMEM;
}

/*
 * After a call of OpenSSL that returned @ret: send what it made, receive what it wants.
 * Return: 0: call it again; 1: it is done; an error.
 *
 * OpenSSL keeps its errors by thread, and all fibers share one: they are cleared before the call
 * and looked at here, before another fiber runs.
 */
static inline int tls_stream_turn(struct tls_stream *stream, int ret)
{
	int why = SSL_get_error(stream->ssl, ret), sent;

	if (why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL)
		stream->reason = ERR_peek_error();
	sent = tls_stream_flush(stream); /* an alert, too, is to arrive */
	if (why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL)
		return -EPROTO;
	if (sent < 0)
		return sent;
	return why == SSL_ERROR_WANT_READ ? tls_stream_fill(stream) : 1;
}

static inline void tls_stream_begin(struct tls_stream *stream)
{
	stream->until = fiber_now() + stream->limit;
}

/* ---- what it is for ---- */

/** tls_stream_handshake - @function: SSL_accept or SSL_connect. Return: 0; an error. */
static inline int tls_stream_handshake(struct tls_stream *stream, int (*function)(SSL *))
{
	int ret;

	tls_stream_begin(stream);
	do {
		ERR_clear_error();
		ret = tls_stream_turn(stream, function(stream->ssl));
	} while (ret == 0);
	return ret < 0 ? ret : 0;
}

static inline int tls_stream_receive(struct tls_stream *stream, void *buf, int length)
{
	int ret, got;

	do {
		ERR_clear_error();
		got = SSL_read(stream->ssl, buf, length);
		ret = tls_stream_turn(stream, got);
	} while (ret == 0);
	return ret < 0 ? ret : got > 0 ? got : 0;
}

/** tls_stream_read - Return: how many bytes came; 0: the peer said that there are no more; an error. */
static inline int tls_stream_read(struct tls_stream *stream, void *buf, int length)
{
	tls_stream_begin(stream);
	return tls_stream_receive(stream, buf, length);
}

/** tls_stream_write - all @length bytes. Return: 0; an error. */
static inline int tls_stream_write(struct tls_stream *stream, const void *buf, int length)
{
	int ret;

	tls_stream_begin(stream);
	do {
		ERR_clear_error();
		ret = tls_stream_turn(stream, SSL_write(stream->ssl, buf, length));
	} while (ret == 0);
	return ret < 0 ? ret : 0;
}

/** tls_stream_leave - say that nothing more comes from here. Return: 0; an error. */
static inline int tls_stream_leave(struct tls_stream *stream)
{
	tls_stream_begin(stream);
	ERR_clear_error();
	SSL_shutdown(stream->ssl);
	return tls_stream_flush(stream);
}

/** tls_stream_end - the same, and wait until the peer says so, too; what it sends before is dropped. */
static inline int tls_stream_end(struct tls_stream *stream)
{
	int ret = tls_stream_leave(stream);
	char rest[1024];

	if (ret == 0)
		do
			ret = tls_stream_receive(stream, rest, sizeof(rest));
		while (ret > 0);
	return ret;
}

#endif
