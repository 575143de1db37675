/* SPDX-License-Identifier: MIT */
/*
 * http_service.h - what surrounds the connections of a server of fibers
 *
 * One fiber accepts, one waits for the signal, each connection has one. A connection's record
 * begins with a seat; whoever comes when all seats are taken waits to be accepted.
 */
#ifndef HTTP_SERVICE_H
#define HTTP_SERVICE_H

#include <inttypes.h>
#include <poll.h>

#include "fiber_io.h"
#include "fiber_sync.h"
#include "http_options.h"
#include "program.h"

#define HTTP_OTHERS 3 /* fibers that are no connections: two here, and one of the server's own */

struct http_seat {
	struct http_seat *next_free;
	fiber_handle fiber;
	int fd;
	oring_file sock;
	bool taken;
};

static struct http_service {
	struct http_options options;
	void (*converse)(struct http_seat *seat);
	char *seats;
	size_t seat_bytes;
	struct http_seat *free;
	struct fiber_semaphore room; /* seats that are free */
	int listener, signals;
	fiber_handle acceptor, other;
	bool ends;
	uint64_t requests;
} http_service;

static struct http_seat *http_seat(uint32_t i)
{
	return (struct http_seat *)(void *)(http_service.seats + i * http_service.seat_bytes);
}

static intptr_t http_seat_main(void *argument)
{
	struct http_seat *seat = argument;

	/* Only now: cancelled before it began, it would never give its seat back. */
	seat->taken = true;
	if (!http_service.ends)
		http_service.converse(seat);
	seat->taken = false;
	fiber_close(seat->sock);
	seat->next_free = http_service.free;
	http_service.free = seat;
	fiber_semaphore_post(&http_service.room);
	return 0;
}

static void http_seat_take(int fd)
{
	struct http_seat *seat = http_service.free;

	http_service.free = seat->next_free;
	memset(seat, 0, sizeof(*seat));
	seat->fd = fd;
	seat->sock = oring_file_fd(fd);
	/* There is a fiber for each. */
	fiber_spawn(http_seat_main, seat, &seat->fiber);
}

static intptr_t http_accept(void *argument)
{
	int ret = 0;

	(void)argument;
	while (!http_service.ends && fiber_semaphore_wait(&http_service.room, FIBER_FOREVER) == 0) {
		ret = fiber_accept(oring_file_fd(http_service.listener), NULL, NULL, FIBER_FOREVER);
		if (ret >= 0) {
			http_seat_take(ret);
			continue;
		}
		fiber_semaphore_post(&http_service.room);
		/* Out of descriptors, perhaps: others give some back. */
		if (ret == -ECANCELED || fiber_sleep(10000000) < 0)
			break;
	}
	return ret;
}

static intptr_t http_wait_for_signal(void *argument)
{
	uint32_t i;

	(void)argument;
	fiber_poll(oring_file_fd(http_service.signals), POLLIN, FIBER_FOREVER);
	http_service.ends = true;
	fiber_cancel(http_service.acceptor);
	fiber_cancel(http_service.other);
	for (i = 0; i < http_service.options.connections; i++) {
		if (http_seat(i)->taken)
			fiber_cancel(http_seat(i)->fiber);
	}
	return 0;
}

static bool http_prepare(const char *program)
{
	uint32_t i = http_service.options.connections;

	http_service.seats = calloc(i, http_service.seat_bytes);
	http_service.signals = http_signals();
	if (http_service.seats == NULL || http_service.signals < 0) {
		perror(program);
		return false;
	}
	fiber_semaphore_init(&http_service.room, i);
	while (i-- > 0) {
		http_seat(i)->next_free = http_service.free;
		http_service.free = http_seat(i);
	}
	http_service.listener = http_listen(http_service.options.port, 0);
	return http_service.listener >= 0;
}

/* Serve until the signal. @other: one more fiber, cancelled at the end; NULL: none. Return: exit status. */
static int http_serve_all(const char *program, fiber_function other)
{
	struct fiber_config config = { 0 };
	int status;

	/* A place in the queues for all that may wait at once: who receives holds one, or two with a limit. */
	config.fibers = http_service.options.connections + HTTP_OTHERS;
	config.ring_entries = config.fibers * 2;
	status = program_begin(program, &config);
	if (status != 0)
		return status;
	status = 1;
	if (http_prepare(program)) {
		fiber_spawn(http_accept, NULL, &http_service.acceptor);
		fiber_spawn(http_wait_for_signal, NULL, NULL);
		if (other != NULL)
			fiber_spawn(other, NULL, &http_service.other);
		status = fiber_run() < 0;
		printf("%" PRIu64 " requests, %" PRIu64 " enters\n", http_service.requests,
		       fiber_runtime_current()->enters);
	}
	fiber_exit();
	free(http_service.seats);
	return status;
}

#endif
