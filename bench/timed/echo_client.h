/* SPDX-License-Identifier: MIT */
/*
 * echo_client.h - the load generator: a process that sends messages and checks what comes back
 *
 * It has one message in flight on each connection, and an epoll loop. Between runs it sleeps in
 * a read of its control socket.
 */
#ifndef ECHO_CLIENT_H
#define ECHO_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

/* Seen by both processes. */
struct echo_shared {
	uint32_t go; /* the number of the run that may begin */
};

struct echo_client {
	pid_t pid;
	int control; /* a packet each: what is asked, and an errno (0: done) as the answer */
	uint32_t runs;
	struct echo_shared *shared;
};

/* Starts the process, which connects to 127.0.0.1, @port, and answers when it has. */
void echo_client_start(struct echo_client *client, uint16_t port, uint32_t connections,
		       uint32_t bytes);
/* Asks for a run. When this returns the client has everything ready and waits for ..._go(). */
void echo_client_prepare(struct echo_client *client, uint64_t messages);
void echo_client_go(struct echo_client *client);
/* Waits for its answer. Returns a positive errno, or 0. */
int echo_client_answer(struct echo_client *client);
/* Ends and reaps it. */
void echo_client_stop(struct echo_client *client);

#endif
