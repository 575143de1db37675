/* SPDX-License-Identifier: MIT */
/* The same work by plain system calls. */
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cost.h"

/* 0, or why a call did not do all of @wanted. */
static int all(ssize_t done, size_t wanted)
{
	return done < 0 ? -errno : (size_t)done == wanted ? 0 : -EPROTO;
}

static int nothing(struct bench *bench, uint32_t batch)
{
	(void)bench;
	(void)batch;
	return getppid() >= 0 ? 0 : -EPROTO;
}

static int read_page(struct bench *bench, uint32_t batch)
{
	(void)batch;
	return all(pread(bench->file, bench->memory, bench->bytes, 0), bench->bytes);
}

static int send_one(struct bench *bench)
{
	return all(send(bench->pair[0], bench->memory, MESSAGE, 0), MESSAGE);
}

static int recv_one(struct bench *bench)
{
	return all(recv(bench->pair[1], bench->memory + PAGE, MESSAGE, 0), MESSAGE);
}

static int message(struct bench *bench, uint32_t batch)
{
	int ret = send_one(bench);

	(void)batch;
	return ret < 0 ? ret : recv_one(bench);
}

static int message_epoll(struct bench *bench, uint32_t batch)
{
	struct epoll_event event;
	int ret = send_one(bench);

	(void)batch;
	if (ret == 0)
		ret = all(epoll_wait(bench->epoll, &event, 1, -1), 1);
	return ret < 0 ? ret : recv_one(bench);
}

static int send_datagram(struct bench *bench, uint32_t batch)
{
	(void)batch;
	return all(send(bench->udp, bench->memory, bench->bytes, 0), bench->bytes);
}

const struct cost_case call_cases[] = {
	{ "getppid", 1, "5.10", 0, 0, NULL, nothing },
	{ "read", 1, "5.10", PAGE, 1, NULL, read_page },
	{ "read of 1 byte", 1, "5.10", 1, 1, NULL, read_page },
	{ "message", 1, "5.10", MESSAGE, 2, NULL, message },
	{ "message, epoll", 1, "5.10", MESSAGE, 2, NULL, message_epoll },
	{ "datagram 1,000", 1, "5.10", 1000, 1, NULL, send_datagram },
	{ "datagram 8,000", 1, "5.10", 8000, 1, NULL, send_datagram },
	{ "datagram 60,000", 1, "5.10", 60000, 1, NULL, send_datagram },
	{ NULL, 0, NULL, 0, 0, NULL, NULL },
};
