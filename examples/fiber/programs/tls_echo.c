/* SPDX-License-Identifier: MIT */
/*
 * tls-echo - a TLS server that sends back what it receives
 *
 *	tls-echo [--limit MS] CERTIFICATE KEY
 *
 * Shows a library that wants to do its own I/O in fibers (tls_stream.h): a fiber for each
 * connection, which says how it ended. Files are PEM. Listens on loopback, ends with SIGINT:
 * whoever is connected is told with close_notify.
 */
#include <getopt.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "program.h"
#include "tls_stream.h"

#define CONNECTIONS_MOST 256
#define MS		 1000000LL
#define LEAVE_LIMIT	 (1000 * MS)
#define PAUSE		 (10 * MS) /* after a connection that could not be accepted */

struct connection {
	fiber_handle fiber;
	int fd; /* -1: there is none */
	unsigned int number;
};

static SSL_CTX *context;
static int64_t limit = 10000 * MS;
static struct connection connections[CONNECTIONS_MOST];
static fiber_handle acceptor;
static bool stops;

/* ---- a connection ---- */

/* Return: 0: the peer said that it was all, and was told the same; an error. */
static int echo(struct tls_stream *stream, uint64_t *bytes)
{
	char piece[TLS_PIECE];
	int ret = tls_stream_handshake(stream, SSL_accept);

	if (ret < 0)
		return ret;
	while ((ret = tls_stream_read(stream, piece, sizeof(piece))) > 0) {
		int length = ret;

		ret = tls_stream_write(stream, piece, length);
		if (ret < 0)
			return ret;
		*bytes += (uint64_t)length;
	}
	return ret < 0 ? ret : tls_stream_leave(stream);
}

static void tell(const struct connection *connection, const struct tls_stream *stream, int error,
		 uint64_t bytes)
{
	printf("connection %u: %s, %llu bytes\n", connection->number,
	       error == 0	     ? "ended well"
	       : error == -ECANCELED ? "stopped"
				     : tls_stream_reason(stream, error),
	       (unsigned long long)bytes);
	fflush(stdout);
}

static intptr_t serve(void *argument)
{
	struct connection *connection = argument;
	struct tls_stream stream;
	uint64_t bytes = 0;
	int ret = tls_stream_init(&stream, context, oring_file_fd(connection->fd), limit);

	net_no_delay(connection->fd);
	if (ret == 0) {
		ret = echo(&stream, &bytes);
		stream.limit = LEAVE_LIMIT;
		if (ret == -ECANCELED && SSL_is_init_finished(stream.ssl))
			tls_stream_leave(&stream);
		tell(connection, &stream, ret, bytes);
		tls_stream_free(&stream);
	}
	fiber_close(oring_file_fd(connection->fd));
	connection->fd = -1;
	return 0;
}

/* ---- all of them ---- */

/* One too many is closed at once. */
static void begin_connection(int fd)
{
	static unsigned int number;
	unsigned int i;

	for (i = 0; i < CONNECTIONS_MOST; i++) {
		struct connection *connection = &connections[i];

		if (connection->fd >= 0)
			continue;
		if (fiber_spawn(serve, connection, &connection->fiber) < 0)
			break;
		connection->fd = fd;
		connection->number = ++number;
		return;
	}
	fiber_close(oring_file_fd(fd));
}

static intptr_t accept_all(void *argument)
{
	int listener = *(int *)argument;

	while (!stops) {
		int fd = fiber_accept(oring_file_fd(listener), NULL, NULL, FIBER_FOREVER);

		if (fd >= 0)
			begin_connection(fd);
		else if (fd != -ECANCELED)
			fiber_sleep(PAUSE);
	}
	return 0;
}

static intptr_t wait_for_signal(void *argument)
{
	struct signalfd_siginfo info;
	unsigned int i;

	fiber_read(oring_file_fd(*(int *)argument), &info, sizeof(info), FIBER_HERE, FIBER_FOREVER);
	stops = true;
	fiber_cancel(acceptor);
	for (i = 0; i < CONNECTIONS_MOST; i++)
		if (connections[i].fd >= 0)
			fiber_cancel(connections[i].fiber);
	return 0;
}

static int run(int listener, int signals)
{
	/* An operation with a limit takes two places; this is enough for all at once. */
	const struct fiber_config config = { .fibers = CONNECTIONS_MOST + 2,
					     .stack_bytes = 128 * 1024,
					     .ring_entries = 2 * CONNECTIONS_MOST };
	int status = program_begin("tls-echo", &config);
	unsigned int i;

	if (status != 0)
		return status;
	for (i = 0; i < CONNECTIONS_MOST; i++)
		connections[i].fd = -1;
	fiber_spawn(accept_all, &listener, &acceptor);
	fiber_spawn(wait_for_signal, &signals, NULL);
	status = program_run();
	/* Those that were cancelled before they began. */
	for (i = 0; i < CONNECTIONS_MOST; i++)
		if (connections[i].fd >= 0)
			close(connections[i].fd);
	return status;
}

/* ---- how it begins ---- */

static int listen_on_loopback(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
	    listen(fd, CONNECTIONS_MOST) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
		perror("tls-echo");
		exit(1);
	}
	printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static int take_sigint(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static SSL_CTX *make_context(const char *certificate, const char *key)
{
	SSL_CTX *made = SSL_CTX_new(TLS_server_method());

	if (made != NULL && SSL_CTX_use_certificate_chain_file(made, certificate) == 1 &&
	    SSL_CTX_use_PrivateKey_file(made, key, SSL_FILETYPE_PEM) == 1) {
		SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
		SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION);
		return made;
	}
	fprintf(stderr, "tls-echo: %s, %s: %s\n", certificate, key,
		ERR_reason_error_string(ERR_peek_error()));
	SSL_CTX_free(made);
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "limit", required_argument, NULL, 'l' },
						 { NULL, 0, NULL, 0 } };
	int option, signals, listener, status;

	while ((option = getopt_long(argc, argv, "l:", options, NULL)) == 'l')
		limit = (int64_t)explain_number("tls-echo", 'l', optarg, 1, 3600000) * MS;
	if (option >= 0 || argc - optind != 2) {
		fprintf(stderr, "usage: tls-echo [--limit MS] CERTIFICATE KEY\n");
		return 2;
	}
	context = make_context(argv[optind], argv[optind + 1]);
	if (context == NULL)
		return 1;
	signals = take_sigint();
	listener = listen_on_loopback();
	status = run(listener, signals);
	close(listener);
	close(signals);
	SSL_CTX_free(context);
	return status;
}
