/* SPDX-License-Identifier: MIT */
/*
 * tls-client - send standard input to a TLS echo server, print what comes back
 *
 *	tls-client [--limit MS] --ca FILE --name NAME ADDRESS:PORT
 *
 * The server's certificate must be of an authority in FILE (PEM) and for NAME, a host name or an
 * address; otherwise nothing is sent. Each piece is back before the next one goes: so neither
 * side ever waits for the other to read. Status 0: all came back, and both sides said that it
 * was all; 1: why not is on standard error.
 */
#include <getopt.h>
#include <unistd.h>

#include "program.h"
#include "tls_stream.h"

#define MS 1000000LL

static struct net_address server;
static const char *name;
static int64_t limit = 10000 * MS;
static SSL_CTX *context;

/* As much as was sent, to standard output. */
static int copy_back(struct tls_stream *stream, int length)
{
	char piece[TLS_PIECE];

	while (length > 0) {
		int ret = tls_stream_read(
			stream, piece, length < (int)sizeof(piece) ? length : (int)sizeof(piece));

		if (ret <= 0)
			return ret < 0 ? ret : -EPIPE;
		if (fiber_write_all(oring_file_fd(STDOUT_FILENO), piece, (size_t)ret, FIBER_HERE,
				    limit) != ret)
			return -EIO;
		length -= ret;
	}
	return 0;
}

static int talk(struct tls_stream *stream)
{
	char piece[TLS_PIECE];
	int ret = tls_stream_handshake(stream, SSL_connect);

	if (ret < 0)
		return ret;
	while ((ret = fiber_read(oring_file_fd(STDIN_FILENO), piece, sizeof(piece), FIBER_HERE,
				 FIBER_FOREVER)) > 0) {
		int length = ret;

		ret = tls_stream_write(stream, piece, length);
		if (ret == 0)
			ret = copy_back(stream, length);
		if (ret < 0)
			return ret;
	}
	return ret < 0 ? ret : tls_stream_end(stream);
}

static int connect_and_talk(oring_file sock)
{
	struct tls_stream stream;
	int ret = fiber_connect(sock, (struct sockaddr *)&server.bytes, server.length, limit);

	if (ret < 0) {
		fprintf(stderr, "tls-client: %s\n", strerror(-ret));
		return ret;
	}
	ret = tls_stream_init(&stream, context, sock, limit);
	if (ret < 0)
		return ret;
	ret = tls_stream_expect(&stream, name) ? talk(&stream) : -EINVAL;
	if (ret < 0)
		fprintf(stderr, "tls-client: %s\n", tls_stream_reason(&stream, ret));
	tls_stream_free(&stream);
	return ret;
}

static intptr_t client(void *argument)
{
	int fd = socket(server.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int *result = argument;

	net_no_delay(fd);
	*result = fd < 0 ? -errno : connect_and_talk(oring_file_fd(fd));
	if (fd >= 0)
		fiber_close(oring_file_fd(fd));
	return 0;
}

static int run(void)
{
	const struct fiber_config config = { .stack_bytes = 128 * 1024 };
	int status = program_begin("tls-client", &config);
	int result = 0;

	if (status != 0)
		return status;
	fiber_spawn(client, &result, NULL);
	status = program_run();
	return status == 0 && result < 0 ? 1 : status;
}

static SSL_CTX *make_context(const char *ca)
{
	SSL_CTX *made = SSL_CTX_new(TLS_client_method());

	if (made != NULL && SSL_CTX_load_verify_file(made, ca) == 1) {
		SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
		return made;
	}
	fprintf(stderr, "tls-client: %s: no certificates\n", ca);
	SSL_CTX_free(made);
	return NULL;
}

static int usage(void)
{
	fprintf(stderr, "usage: tls-client [--limit MS] --ca FILE --name NAME ADDRESS:PORT\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "limit", required_argument, NULL, 'l' },
						 { "ca", required_argument, NULL, 'c' },
						 { "name", required_argument, NULL, 'n' },
						 { NULL, 0, NULL, 0 } };
	const char *ca = NULL;
	int option, status;

	while ((option = getopt_long(argc, argv, "l:c:n:", options, NULL)) >= 0) {
		if (option == 'l')
			limit = (int64_t)explain_number("tls-client", 'l', optarg, 1, 3600000) * MS;
		else if (option == 'c')
			ca = optarg;
		else if (option == 'n')
			name = optarg;
		else
			return usage();
	}
	if (ca == NULL || name == NULL || *name == '\0' || argc - optind != 1 ||
	    !net_address_parse(argv[optind], &server))
		return usage();
	context = make_context(ca);
	if (context == NULL)
		return 1;
	status = run();
	SSL_CTX_free(context);
	return status;
}
