/* SPDX-License-Identifier: MIT */
/* http_options.h - what the HTTP servers here have in common: their arguments, their listener, their end */
#ifndef HTTP_OPTIONS_H
#define HTTP_OPTIONS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "../../explain.h"

struct http_options {
	uint16_t port;	      /* 0: any */
	int root;	      /* the folder of files; -1: there are none */
	uint32_t connections; /* at once; whoever comes then waits to be accepted */
	int64_t limit;	      /* nanoseconds of a request, or of silence */
};

static void http_usage(const char *program, bool files)
{
	fprintf(stderr,
		"usage: %s [-p PORT]%s [-c CONNECTIONS] [-t MILLISECONDS]\n"
		"Serves 127.0.0.1 until SIGINT. -c: connections at once (256). -t: limit of %s"
		"silence (10000).\n",
		program, files ? " [-r FOLDER]" : "", files ? "a request, and of " : "");
	if (files)
		fprintf(stderr,
			"-r: the folder of the files that are served; without it, a line.\n");
	exit(2);
}

static struct http_options http_arguments(const char *program, int argc, char **argv, bool files)
{
	struct http_options options = { 0, -1, 256, 10000 * INT64_C(1000000) };
	int c;

	while ((c = getopt(argc, argv, files ? "p:r:c:t:" : "p:c:t:")) != -1) {
		if (c == 'p') {
			options.port = (uint16_t)explain_number(program, 'p', optarg, 0, 65535);
		} else if (c == 'c') {
			options.connections =
				(uint32_t)explain_number(program, 'c', optarg, 1, 4096);
		} else if (c == 't') {
			options.limit = (int64_t)explain_number(program, 't', optarg, 10, 3600000) *
					1000000;
		} else if (c == 'r' && options.root < 0) {
			options.root = open(optarg, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (options.root < 0) {
				perror(optarg);
				exit(2);
			}
		} else {
			http_usage(program, files);
		}
	}
	if (optind < argc)
		http_usage(program, files);
	return options;
}

/*
 * A listener, told on stdout; -1, told on stderr. What it accepts inherits that nothing is held back.
 * @flags: SOCK_NONBLOCK for who polls; for a ring it would be the wish not to wait.
 */
static int http_listen(uint16_t port, int flags)
{
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t length = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    bind(sock, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(sock, SOMAXCONN) < 0 ||
	    getsockname(sock, (struct sockaddr *)&address, &length) < 0) {
		perror("listen");
		if (sock >= 0)
			close(sock);
		return -1;
	}
	printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return sock;
}

/* Readable when the server has to end. */
static int http_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static inline int64_t http_clock(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* How files are opened: none outside of the folder, be it by .. or by a link, and no waiting for a pipe. */
static inline struct open_how http_how(void)
{
	struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };

	return how;
}

#endif
