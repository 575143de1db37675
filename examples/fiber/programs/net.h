/* SPDX-License-Identifier: MIT */
/* net.h - addresses as text, and limits of time that last over several waits */
#ifndef FIBER_PROGRAM_NET_H
#define FIBER_PROGRAM_NET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fiber.h"

struct net_address {
	struct sockaddr_storage bytes;
	socklen_t length;
};

static inline bool net_port(const char *text, in_port_t *port)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	*port = htons((uint16_t)number);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number <= 65535;
}

/** net_address_parse - "127.0.0.1:53" or "[::1]:53". False: it is neither. */
static inline bool net_address_parse(const char *text, struct net_address *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address->bytes;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->bytes;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t length = colon != NULL ? (size_t)(colon - text) : sizeof(host);

	if (length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		address->length = sizeof(*v4);
		return net_port(colon + 1, &v4->sin_port);
	}
	if (length < 2 || host[0] != '[' || host[length - 1] != ']')
		return false;
	host[length - 1] = '\0';
	v6->sin6_family = AF_INET6;
	address->length = sizeof(*v6);
	return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 &&
	       net_port(colon + 1, &v6->sin6_port);
}

/** net_no_delay - send at once what is sent, for those who wait for an answer to it. */
static inline void net_no_delay(int sock)
{
	const int on = 1;

	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/** net_left - what is left until @until as a limit; 0: it is over. */
static inline int64_t net_left(int64_t until)
{
	int64_t left = until - fiber_now();

	return left > 0 ? left : 0;
}

#endif
