/* SPDX-License-Identifier: MIT */
/*
 * sockets.h - plain sockets of 127.0.0.1, for what the tests do beside the ring. Their calls wait
 * without a limit of their own: the limit of the test ends them. With SO_RCVTIMEO or SO_SNDTIMEO a
 * call that the ring's work interrupts would end with EINTR; without, the kernel starts it again.
 */
#ifndef TESTS_SOCKETS_H
#define TESTS_SOCKETS_H

#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* 127.0.0.1, with the port that the kernel chooses. */
static inline struct sockaddr_in loopback(void)
{
	struct sockaddr_in address;

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static inline struct sockaddr_in name_of(int sock)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	cr_assert_eq(getsockname(sock, (struct sockaddr *)&address, &len), 0);
	cr_assert_eq(len, sizeof(address));
	return address;
}

/* A socket of 127.0.0.1 with a port of its own; its name is put in @address. */
static inline int local_socket(int type, struct sockaddr_in *address)
{
	int sock = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	cr_assert_geq(sock, 0);
	*address = loopback();
	cr_assert_eq(bind(sock, (struct sockaddr *)address, sizeof(*address)), 0, "%s",
		     strerror(errno));
	*address = name_of(sock);
	return sock;
}

static inline int listening_socket(struct sockaddr_in *address)
{
	int sock = local_socket(SOCK_STREAM, address);

	cr_assert_eq(listen(sock, 64), 0);
	return sock;
}

static inline int client_of(const struct sockaddr_in *address)
{
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(sock, 0);
	cr_assert_eq(connect(sock, (const struct sockaddr *)address, sizeof(*address)), 0, "%s",
		     strerror(errno));
	return sock;
}

/* A connected pair over TCP: [0] is the client. */
static inline void make_tcp_pair(int pair[2])
{
	struct sockaddr_in address;
	int listener = listening_socket(&address);

	pair[0] = client_of(&address);
	pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(pair[1], 0);
	close(listener);
}

/* As with MSG_WAITALL, but no interruption makes it short: how many bytes came before the end. */
static inline size_t recv_whole(int sock, void *bytes, size_t length)
{
	size_t got = 0;
	ssize_t n;

	do {
		n = recv(sock, (char *)bytes + got, length - got, MSG_WAITALL);
		cr_assert(n >= 0 || errno == EINTR, "%s", strerror(errno));
		got += n > 0 ? (size_t)n : 0;
	} while (n != 0 && got < length);
	return got;
}

#endif /* TESTS_SOCKETS_H */
