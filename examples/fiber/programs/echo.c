/* SPDX-License-Identifier: MIT */
/*
 * echo - a server that sends back what it gets, over TCP or UDP
 *
 *	fiber-echo tcp|udp [IDLE]
 *
 * Listens at a port of 127.0.0.1 that the kernel chooses, and says which. TCP: a fiber for each
 * connection, in a registered slot where one is free; a connection on which nothing moves for
 * IDLE milliseconds (30000) is closed; while as many are open as there are fibers for, those that
 * come wait in the listener's queue. UDP: some fibers on one socket, any size of datagram.
 * SIGINT and SIGTERM end it: every fiber is cancelled and closes what it has.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fiber_io.h"
#include "fiber_sync.h"
#include "program.h"

#define CONNECTIONS 64
#define SLOTS	    48 /* fewer: the last ones go without */
#define WORKERS	    4  /* of UDP */
#define BYTES	    16384
#define DATAGRAM    65536
#define BACKLOG	    512
#define MILLISECOND 1000000LL
#define PAUSE	    (10 * MILLISECOND) /* when the process has no descriptor left */
#define MOST_IDLE   86400000UL

static const char usage[] = "usage: fiber-echo tcp|udp [IDLE]\n"
			    "\n"
			    "IDLE: milliseconds until a silent connection is closed.\n";

struct connection {
	oring_file file;
	fiber_handle fiber;	 /* none: nobody is connected */
	struct connection *next; /* of the free ones */
};

static struct connection connections[CONNECTIONS], *free_connections;
static struct fiber_semaphore room;
static fiber_handle workers[WORKERS];
static unsigned char datagrams[WORKERS][DATAGRAM];
static int64_t idle = 30000 * MILLISECOND;
static oring_file sock, signals;
static bool ending;
static struct {
	unsigned long connections, slots, idle, broken, datagrams;
	unsigned long long bytes;
} seen;

/* ---- TCP ---- */

/* Return: 0; what happened instead. */
static int send_back(oring_file file, const char *bytes, int length)
{
	int done = 0, ret;

	while (done < length) {
		ret = fiber_send(file, bytes + done, (size_t)(length - done), 0, idle);
		if (ret < 0)
			return ret;
		done += ret;
	}
	seen.bytes += (unsigned long long)length;
	return 0;
}

static intptr_t serve(void *argument)
{
	struct connection *connection = argument;
	char bytes[BYTES];
	int length, ret = 0;

	do {
		length = fiber_recv(connection->file, bytes, sizeof(bytes), 0, idle);
		if (length > 0)
			ret = send_back(connection->file, bytes, length);
	} while (length > 0 && ret == 0);
	if (length < 0)
		ret = length;
	if (ret == -ETIME)
		seen.idle++;
	else if (ret < 0 && ret != -ECANCELED)
		seen.broken++;
	fiber_close(connection->file);
	connection->fiber.bits = 0;
	connection->next = free_connections;
	free_connections = connection;
	fiber_semaphore_post(&room);
	return 0;
}

/* Return: negative when it is time to end. */
static int accept_one(void)
{
	struct connection *connection;
	oring_file file;
	int ret = fiber_accept_file(sock, &file, FIBER_FOREVER);

	if (ret < 0) {
		fiber_semaphore_post(&room);
		/* Whoever came is gone already, or waits until there is a descriptor. */
		return ret == -ECANCELED ? ret : fiber_sleep(PAUSE);
	}
	connection = free_connections;
	free_connections = connection->next;
	connection->file = file;
	seen.connections++;
	seen.slots += oring_file_is_slot(file);
	return fiber_spawn(serve, connection, &connection->fiber);
}

static intptr_t accept_all(void *unused)
{
	(void)unused;
	while (!ending && fiber_semaphore_wait(&room, FIBER_FOREVER) == 0 && accept_one() == 0)
		;
	return 0;
}

static int start_tcp(void)
{
	int i;

	for (i = 0; i < CONNECTIONS; i++) {
		connections[i].next = free_connections;
		free_connections = &connections[i];
	}
	fiber_semaphore_init(&room, CONNECTIONS);
	return fiber_spawn(accept_all, NULL, &workers[0]);
}

/* ---- UDP ---- */

/* An error is the last datagram's affair: whoever sent it may be gone. */
static intptr_t answer(void *buffer)
{
	struct sockaddr_in from;
	struct iovec iov = { .iov_base = buffer };
	struct msghdr message = { .msg_name = &from, .msg_iov = &iov, .msg_iovlen = 1 };
	int ret = 0;

	while (!ending && ret != -ECANCELED) {
		iov.iov_len = DATAGRAM;
		message.msg_namelen = sizeof(from);
		ret = fiber_recvmsg(sock, &message, 0, FIBER_FOREVER);
		if (ret < 0)
			continue;
		iov.iov_len = (size_t)ret;
		ret = fiber_sendmsg(sock, &message, 0, idle);
		if (ret < 0)
			continue;
		seen.datagrams++;
		seen.bytes += (unsigned long long)ret;
	}
	return 0;
}

static int start_udp(void)
{
	int i, ret = 0;

	for (i = 0; i < WORKERS && ret == 0; i++)
		ret = fiber_spawn(answer, datagrams[i], &workers[i]);
	return ret;
}

/* ---- both ---- */

static intptr_t end_by_signal(void *unused)
{
	int i;

	(void)unused;
	fiber_poll(signals, POLLIN, FIBER_FOREVER);
	ending = true;
	for (i = 0; i < WORKERS; i++)
		fiber_cancel(workers[i]);
	for (i = 0; i < WORKERS; i++)
		fiber_await(workers[i], NULL);
	/* A fiber that has not begun would never, and its file stay open. */
	fiber_yield();
	for (i = 0; i < CONNECTIONS; i++)
		fiber_cancel(connections[i].fiber);
	return 0;
}

/* A file for the signals that end this, which then interrupt nothing. Negative: errno is set. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int open_socket(bool tcp)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    (tcp && listen(fd, BACKLOG) < 0) ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return -1;
	printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static int run(bool tcp)
{
	struct fiber_config config = {
		.fibers = CONNECTIONS + WORKERS + 1,
		.ring_entries = 2 * CONNECTIONS,
		.slots = tcp ? SLOTS : 0,
	};
	int fd, status = program_begin("echo", &config);

	if (status != 0)
		return status;
	fd = open_socket(tcp);
	if (fd < 0) {
		perror("echo");
		fiber_exit();
		return 1;
	}
	sock = oring_file_fd(fd);
	fiber_spawn(end_by_signal, NULL, NULL);
	if (tcp)
		start_tcp();
	else
		start_udp();
	status = program_run();
	close(fd);
	return status;
}

int main(int argc, char **argv)
{
	bool tcp = argc > 1 && strcmp(argv[1], "tcp") == 0;
	int fd, status;

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return program_usage(stdout, usage);
	if (argc < 2 || argc > 3 || (!tcp && strcmp(argv[1], "udp") != 0))
		return program_usage(stderr, usage);
	if (argc > 2)
		idle = (int64_t)program_number("echo", "IDLE", argv[2], 1, MOST_IDLE) * MILLISECOND;
	fd = open_signals();
	if (fd < 0) {
		perror("echo");
		return 1;
	}
	signals = oring_file_fd(fd);
	status = run(tcp);
	close(fd);
	if (status != 0)
		return status;
	printf("%lu connections, %lu in slots, %lu idle, %lu broken\n", seen.connections,
	       seen.slots, seen.idle, seen.broken);
	printf("%lu datagrams, %llu bytes\n", seen.datagrams, seen.bytes);
	return 0;
}
