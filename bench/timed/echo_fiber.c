/* SPDX-License-Identifier: MIT */
/* An echo server of examples/fiber: a fiber for each connection receives and sends, as one writes it first. */
#define _GNU_SOURCE
#include "echo.h"

#include <errno.h>
#include <sys/socket.h>

#include "fiber_io.h"

struct server {
	struct echo echo;
	struct fiber_runtime runtime;
	struct connection *connections;
	unsigned char *buffers;
	uint64_t enters;
};

struct connection {
	struct server *server;
	oring_file file;
	unsigned char *buffer;
};

static intptr_t serve(void *argument)
{
	struct connection *c = argument;
	struct echo *echo = &c->server->echo;

	for (;;) {
		int n = fiber_recv(c->file, c->buffer, echo->bytes, 0, FIBER_FOREVER);

		if (n == -ECANCELED)
			return n;
		if (n <= 0)
			echo_broken(echo, "recv", n);
		if (fiber_send_all(c->file, c->buffer, (size_t)n, FIBER_FOREVER) != n)
			echo_broken(echo, "send", -EIO);
		echo->left -= (uint64_t)n;
		if (echo->left == 0)
			fiber_stop();
	}
}

static void run(void *self, uint64_t messages, struct bench_time *time)
{
	struct server *server = self;
	int ret;

	echo_begin(&server->echo, messages);
	server->enters = server->runtime.enters;
	ret = fiber_runtime_run(&server->runtime);
	if (ret != 1)
		bench_fail(ret, "the runtime");
	server->echo.calls = server->runtime.enters - server->enters;
	echo_end(&server->echo, time);
}

static void *open_server(const struct bench_job *job)
{
	struct server *server = echo_memory(sizeof(*server));
	struct echo *echo = &server->echo;
	struct fiber_config config = { .ring_entries = ECHO_QUEUE };
	uint32_t i;
	int ret;

	if (!echo_open(echo, job, "ours-fiber", false)) {
		echo_memory_free(server, sizeof(*server));
		return NULL;
	}
	config.fibers = echo->connections;
	config.stack_bytes = 16384;
	while (config.ring_entries < echo->connections)
		config.ring_entries *= 2;
	ret = fiber_runtime_init(&server->runtime, &config);
	if (ret < 0)
		bench_fail(ret, "no runtime for %u fibers", config.fibers);
	server->connections = echo_memory(echo->connections * sizeof(*server->connections));
	server->buffers = echo_memory((size_t)echo->connections * echo->bytes);
	for (i = 0; i < echo->connections; i++) {
		struct connection *c = &server->connections[i];

		c->server = server;
		c->file = oring_file_fd(echo->fds[i]);
		c->buffer = server->buffers + (size_t)i * echo->bytes;
		ret = fiber_runtime_spawn(&server->runtime, serve, c, NULL);
		if (ret < 0)
			bench_fail(ret, "spawn");
	}
	return server;
}

static void close_server(void *self)
{
	struct server *server = self;
	struct echo *echo = &server->echo;
	int ret = fiber_runtime_exit(&server->runtime);

	if (ret < 0)
		bench_fail(ret, "the runtime's end");
	echo_stop(echo);
	echo_close(echo);
	echo_memory_free(server->buffers, (size_t)echo->connections * echo->bytes);
	echo_memory_free(server->connections, echo->connections * sizeof(*server->connections));
	echo_memory_free(server, sizeof(*server));
}

const struct bench_contender echo_fiber = {
	"ours-fiber", "a fiber for each connection (examples/fiber)",
	open_server,  run,
	close_server, 0,
};
