/* SPDX-License-Identifier: MIT */
/*
 * echo_client - ask an echo server, and compare every byte of its answers
 *
 *	echo_client -p PORT [-c CONNECTIONS] [-n MESSAGES] [-s SIZE] [-t SECONDS]
 *
 * What to see here: no records at all. The direct context of a request says
 * which operation completed, and its tag says on which connection. A message
 * is sent and its answer received at the same time, so that a message larger
 * than what the sockets hold cannot block both ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <oring.h>

#include "explain.h"

#define OPTIONAL_FLAGS                                                                      \
	(ORING_SETUP_CLAMP | ORING_SETUP_SUBMIT_ALL | ORING_SETUP_COOP_TASKRUN |            \
	 ORING_SETUP_TASKRUN_FLAG | ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | \
	 ORING_SETUP_NO_SQARRAY)

#define QUEUE_ENTRIES	256
#define MAX_CONNECTIONS 16384 /* a tag has 16 bits */
#define MAX_SIZE	(1UL << 20)
#define MAX_MEMORY	(1UL << 30)

struct connection {
	int fd;
	uint32_t sequence; /* messages answered; at the last, the connection's end is awaited */
	uint32_t sent;	   /* bytes of the message */
	uint32_t received; /* bytes of its answer, all of them right */
	unsigned char *out;
	unsigned char *in;
};

struct client {
	struct oring ring;
	struct connection *connections;
	unsigned char *memory;
	struct sockaddr_in server;
	uint32_t count; /* of connections */
	uint32_t messages;
	uint32_t size;
	uint32_t finished;
	uint32_t time_limit;
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "echo_client: %s: %s\n", what, strerror(error));
	exit(EXIT_FAILURE);
}

static _Noreturn void fail(const struct client *client, const struct connection *connection,
			   const char *what)
{
	fprintf(stderr, "echo_client: connection %u, message %u of %u, byte %u: %s\n",
		(unsigned int)(connection - client->connections), connection->sequence + 1,
		client->messages, connection->received, what);
	exit(EXIT_FAILURE);
}

/* ---- requests ---- */

static struct oring_sqe *reserve(struct client *client)
{
	if (oring_sq_space(&client->ring) == 0) {
		int ret = oring_submit(&client->ring);

		if (ret <= 0)
			die("submit", -ret);
	}
	return oring_sq_reserve(&client->ring);
}

/* What it is, and on which connection. */
static void set_identity(struct client *client, struct oring_sqe *sqe,
			 const struct connection *connection)
{
	uint16_t tag = (uint16_t)(connection - client->connections);
	int ret = oring_sqe_set_direct_tag(sqe, tag);

	if (ret < 0)
		die("descriptor", -ret);
}

static void start_connect(struct client *client, struct connection *connection)
{
	struct oring_sqe *sqe = reserve(client);

	oring_prep_connect(sqe, oring_file_fd(connection->fd),
			   (const struct sockaddr *)&client->server, sizeof(client->server));
	set_identity(client, sqe, connection);
}

static void start_send(struct client *client, struct connection *connection)
{
	struct oring_sqe *sqe = reserve(client);

	oring_prep_send(sqe, oring_file_fd(connection->fd), connection->out + connection->sent,
			client->size - connection->sent, MSG_NOSIGNAL);
	set_identity(client, sqe, connection);
}

static void start_receive(struct client *client, struct connection *connection)
{
	struct oring_sqe *sqe = reserve(client);

	oring_prep_recv(sqe, oring_file_fd(connection->fd), connection->in + connection->received,
			client->size - connection->received, 0);
	set_identity(client, sqe, connection);
}

/* ---- messages ---- */

/* Bytes that tell connections and messages apart (xorshift). */
static void fill(unsigned char *out, uint32_t size, uint32_t connection, uint32_t sequence)
{
	uint64_t state = (((uint64_t)connection << 32 | sequence) + 1) * 0x9e3779b97f4a7c15U;
	uint32_t i;

	for (i = 0; i < size; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		out[i] = (unsigned char)(state >> 32);
	}
}

/* The next message; after the last, our end of the stream, and the server's is awaited. */
static void start_message(struct client *client, struct connection *connection)
{
	connection->sent = 0;
	connection->received = 0;
	if (connection->sequence < client->messages) {
		fill(connection->out, client->size, (uint32_t)(connection - client->connections),
		     connection->sequence);
		start_send(client, connection);
	} else if (shutdown(connection->fd, SHUT_WR) < 0) {
		fail(client, connection, strerror(errno));
	}
	start_receive(client, connection);
}

static void on_sent(struct client *client, struct connection *connection, uint32_t bytes)
{
	connection->sent += bytes;
	if (connection->sent < client->size)
		start_send(client, connection);
}

static void on_received(struct client *client, struct connection *connection, uint32_t bytes)
{
	const unsigned char *out = connection->out + connection->received;
	const unsigned char *in = connection->in + connection->received;

	if (connection->sequence == client->messages) {
		if (bytes > 0)
			fail(client, connection, "more came than was sent");
		client->finished++;
		return;
	}
	if (bytes == 0)
		fail(client, connection, "the server ended the connection");
	if (memcmp(out, in, bytes) != 0)
		fail(client, connection, "the answer differs");
	connection->received += bytes;
	if (connection->received < client->size)
		start_receive(client, connection);
}

static void on_completion(struct client *client, const struct oring_cqe *cqe)
{
	oring_context context = oring_cqe_context(cqe);
	struct connection *connection = &client->connections[oring_context_tag(context)];

	if (cqe->res < 0)
		fail(client, connection, strerror(-cqe->res));
	switch (oring_context_op(context)) {
	case ORING_OP_CONNECT:
		start_message(client, connection);
		return;
	case ORING_OP_SEND:
		on_sent(client, connection, (uint32_t)cqe->res);
		break;
	case ORING_OP_RECV:
		on_received(client, connection, (uint32_t)cqe->res);
		break;
	}
	/* The answer may be complete before we hear that the message was sent. */
	if (connection->sequence < client->messages && connection->sent == client->size &&
	    connection->received == client->size) {
		connection->sequence++;
		start_message(client, connection);
	}
}

static void run(struct client *client, double deadline)
{
	struct oring_wait_arg limit;
	struct oring_cqe *cqe;
	uint32_t cursor;
	uint32_t end;

	while (client->finished < client->count) {
		double left = deadline - seconds();
		int ret;

		if (left <= 0) {
			fprintf(stderr, "echo_client: %u of %u connections done after %u s\n",
				client->finished, client->count, client->time_limit);
			exit(EXIT_FAILURE);
		}
		oring_wait_relative(&limit, (int64_t)left, (int64_t)((left - (int64_t)left) * 1e9));
		ret = oring_submit_and_wait_timeout(&client->ring, 1, &limit, NULL);
		if (ret < 0 && ret != -EINTR && ret != -ETIME)
			die("wait", -ret);
		oring_cq_for_each (&client->ring, cursor, end, cqe)
			on_completion(client, cqe);
		oring_cq_release_to(&client->ring, cursor);
	}
}

/* ---- before and after ---- */

static void open_connections(struct client *client)
{
	size_t size = client->size;
	const int one = 1;
	uint32_t i;

	client->connections = calloc(client->count, sizeof(*client->connections));
	client->memory = malloc(2 * size * client->count);
	if (client->connections == NULL || client->memory == NULL)
		die("messages", ENOMEM);
	for (i = 0; i < client->count; i++) {
		struct connection *connection = &client->connections[i];

		connection->out = client->memory + 2 * size * i;
		connection->in = connection->out + size;
		connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connection->fd < 0)
			die("socket", errno);
		setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		start_connect(client, connection);
	}
}

static int init(struct client *client)
{
	/* A send and a receive of each connection may complete at once. */
	struct oring_params params = { .flags = ORING_SETUP_CQSIZE,
				       .cq_entries = 2 * (client->count + QUEUE_ENTRIES) };

	return oring_init_flags(&client->ring, QUEUE_ENTRIES, &params, OPTIONAL_FLAGS);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: echo_client -p PORT [-c CONNECTIONS] [-n MESSAGES] [-s SIZE] [-t SECONDS]\n"
		"  -p PORT         of the server on 127.0.0.1\n"
		"  -c CONNECTIONS  at a time (16)\n"
		"  -n MESSAGES     on each, one after the other (1000)\n"
		"  -s SIZE         bytes in each (64)\n"
		"  -t SECONDS      that all may take together (60)\n");
	exit(2);
}

static void parse(struct client *client, int argc, char **argv)
{
	unsigned long port = 0;
	int option;

	while ((option = getopt(argc, argv, "p:c:n:s:t:")) != -1) {
		if (option == 'p')
			port = explain_number("echo_client", 'p', optarg, 1, 65535);
		else if (option == 'c')
			client->count = (uint32_t)explain_number("echo_client", 'c', optarg, 1,
								 MAX_CONNECTIONS);
		else if (option == 'n')
			client->messages =
				(uint32_t)explain_number("echo_client", 'n', optarg, 1, 1000000000);
		else if (option == 's')
			client->size =
				(uint32_t)explain_number("echo_client", 's', optarg, 1, MAX_SIZE);
		else if (option == 't')
			client->time_limit =
				(uint32_t)explain_number("echo_client", 't', optarg, 1, 86400);
		else
			usage();
	}
	if (port == 0 || optind != argc)
		usage();
	if ((uint64_t)2 * client->count * client->size > MAX_MEMORY) {
		fprintf(stderr, "echo_client: 2 x CONNECTIONS x SIZE is more than %lu bytes\n",
			MAX_MEMORY);
		exit(2);
	}
	client->server.sin_family = AF_INET;
	client->server.sin_port = htons((uint16_t)port);
	client->server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

int main(int argc, char **argv)
{
	static struct client client = {
		.count = 16, .messages = 1000, .size = 64, .time_limit = 60
	};
	double begun;
	double elapsed;
	uint32_t i;
	int ret;

	parse(&client, argc, argv);
	ret = init(&client);
	if (ret < 0) {
		explain_setup("echo_client", ret);
		return EXIT_FAILURE;
	}
	begun = seconds();
	open_connections(&client);
	run(&client, begun + client.time_limit);
	elapsed = seconds() - begun;
	printf("%u connections x %u messages of %u bytes verified: %.0f messages/s\n", client.count,
	       client.messages, client.size, (double)client.count * client.messages / elapsed);
	for (i = 0; i < client.count; i++)
		close(client.connections[i].fd);
	oring_exit(&client.ring);
	free(client.connections);
	free(client.memory);
	return EXIT_SUCCESS;
}
