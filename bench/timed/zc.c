/* SPDX-License-Identifier: MIT */
/*
 * Sends over one loopback connection, always by copy, always without, and as the
 * library's chooser says: the chooser should cost what the better one does.
 *
 * The other end is a process on the peer CPU that reads and discards. A buffer is
 * used again when the send has its result and, without copying, its notification.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <oring.h>

#define IN_FLIGHT     8U
#define SINK_BYTES    (1U << 20)
#define DELIVERY_NS   10000000000ULL
#define SINK_POLL_US  20
#define REPORTS_USAGE true

enum way {
	BY_COPY,
	ZERO_COPY,
	ZERO_COPY_FIXED,
	CHOSEN
};

struct send {
	struct oring_zc zc;
	bool zero_copy;
};

struct sender {
	struct oring ring;
	struct oring_zc_chooser chooser;
	enum way way;
	uint32_t bytes;
	unsigned char *memory;
	struct send sends[IN_FLIGHT];
	uint32_t idle[IN_FLIGHT]; /* sends that are not in flight */
	uint32_t idle_count;
	uint64_t copied, zero_copies; /* of this run */
	uint64_t sent;		      /* bytes, since the beginning */
	int32_t error;		      /* of a send; 0: none */
	_Atomic uint64_t *received;   /* bytes; the other process counts them */
	pid_t sink;
	int sock;
};

/* ---- the other end ---- */

__attribute__((noreturn)) static void run_sink(int sock, pid_t parent, _Atomic uint64_t *received)
{
	unsigned char *memory;
	ssize_t got;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	/* No other contender's connection stays open here. */
	if (dup2(sock, 3) != 3 || close_range(4, ~0U, 0) < 0)
		_exit(1);
	bench_pin_peer();
	memory = bench_alloc(SINK_BYTES);
	while ((got = read(3, memory, SINK_BYTES)) > 0)
		atomic_fetch_add_explicit(received, (uint64_t)got, memory_order_relaxed);
	_exit(got < 0);
}

/* A connection to this machine: its two ends. */
static void connect_pair(int *ours, int *theirs)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || *ours < 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) < 0 ||
	    connect(*ours, (struct sockaddr *)&address, sizeof(address)) < 0)
		bench_fail(errno, "no loopback connection");
	*theirs = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (*theirs < 0 || setsockopt(*ours, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		bench_fail(errno, "no loopback connection");
	close(listener);
}

static void start_sink(struct sender *sender)
{
	pid_t parent = getpid();
	int theirs;

	sender->received = mmap(NULL, sizeof(*sender->received), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sender->received == MAP_FAILED)
		bench_fail(errno, "no shared page");
	connect_pair(&sender->sock, &theirs);
	sender->sink = fork();
	if (sender->sink < 0)
		bench_fail(errno, "fork");
	if (sender->sink == 0)
		run_sink(theirs, parent, sender->received);
	close(theirs);
}

/* Nothing of this run is on its way into the next one. */
static void await_delivery(const struct sender *sender)
{
	uint64_t end = bench_now() + DELIVERY_NS;

	while (atomic_load_explicit(sender->received, memory_order_relaxed) != sender->sent) {
		if (bench_now() > end)
			bench_fail(0, "the bytes sent did not arrive");
		usleep(SINK_POLL_US);
	}
}

/* ---- sends ---- */

static void prepare_zero_copy(struct sender *sender, struct oring_sqe *sqe, uint32_t index)
{
	unsigned char *data = sender->memory + (size_t)index * sender->bytes;
	oring_file sock = oring_file_fd(sender->sock);

	if (sender->way == ZERO_COPY_FIXED)
		oring_prep_send_fixed_zc(sqe, sock, data, sender->bytes, MSG_WAITALL,
					 (uint16_t)index);
	else
		oring_prep_send_zc(sqe, sock, data, sender->bytes, MSG_WAITALL);
	oring_sqe_report_usage(sqe);
	oring_zc_begin(&sender->sends[index].zc);
	sender->zero_copies++;
}

static void start_send(struct sender *sender, uint32_t index, bool zero_copy)
{
	struct oring_sqe *sqe = oring_sq_reserve(&sender->ring);

	if (sqe == NULL)
		bench_fail(0, "the queue is full");
	sender->sends[index].zero_copy = zero_copy;
	if (zero_copy)
		prepare_zero_copy(sender, sqe, index);
	else
		oring_prep_send(sqe, oring_file_fd(sender->sock),
				sender->memory + (size_t)index * sender->bytes, sender->bytes,
				MSG_WAITALL);
	oring_sqe_set_user_data(sqe, index);
}

static bool choose(struct sender *sender)
{
	if (sender->way == CHOSEN)
		return oring_zc_choose(&sender->chooser, sender->bytes);
	return sender->way != BY_COPY;
}

static void check_result(struct sender *sender, int32_t result)
{
	if (result == (int32_t)sender->bytes)
		sender->sent += sender->bytes;
	else
		sender->error = result < 0 ? result : -EIO;
}

/* Return: whether the send has come to its end, and its buffer is free. */
static bool complete(struct sender *sender, const struct oring_cqe *cqe)
{
	struct send *send = &sender->sends[cqe->user_data];
	struct oring_zc_step step;

	if (!send->zero_copy) {
		check_result(sender, cqe->res);
		return true;
	}
	step = oring_zc_step(&send->zc, cqe, REPORTS_USAGE);
	if (step.result_known)
		check_result(sender, step.result);
	if (step.usage_known) {
		sender->copied += step.copied;
		oring_zc_report(&sender->chooser, step.copied);
	}
	return !oring_zc_busy(&send->zc);
}

/* Return: 0, or what a send failed with; then nothing is in flight any more. */
static int32_t send_all(struct sender *sender, uint64_t operations)
{
	uint64_t begun = 0;
	struct oring_cqe *cqe;
	uint32_t cursor, end;
	int ret;

	while (begun < operations || sender->idle_count < IN_FLIGHT) {
		while (begun < operations && sender->idle_count > 0) {
			start_send(sender, sender->idle[--sender->idle_count], choose(sender));
			begun++;
		}
		ret = oring_submit_and_wait(&sender->ring, 1);
		if (ret < 0 && ret != -EINTR)
			bench_fail(ret, "oring_submit_and_wait");
		oring_cq_for_each (&sender->ring, cursor, end, cqe) {
			if (complete(sender, cqe))
				sender->idle[sender->idle_count++] = (uint32_t)cqe->user_data;
		}
		oring_cq_release_to(&sender->ring, cursor);
		if (sender->error != 0)
			begun = operations;
	}
	return sender->error;
}

static void run_sends(void *self, uint64_t operations, struct bench_time *time)
{
	struct sender *sender = self;
	uint64_t cpu = bench_cpu_thread(), wall = bench_now();
	int32_t error;

	sender->copied = 0;
	sender->zero_copies = 0;
	error = send_all(sender, operations);
	if (error != 0)
		bench_fail(error, "a send of %u bytes", sender->bytes);
	time->cpu_ns = bench_cpu_thread() - cpu;
	await_delivery(sender);
	time->wall_ns = bench_now() - wall;
	bench_note("copied notifications per send", (double)sender->copied / (double)operations);
	bench_note("zero-copy requests per send", (double)sender->zero_copies / (double)operations);
}

/* ---- opening and closing ---- */

static void close_sends(void *self)
{
	struct sender *sender = self;

	close(sender->sock);
	if (kill(sender->sink, SIGKILL) < 0 || waitpid(sender->sink, NULL, 0) != sender->sink)
		bench_fail(errno, "the receiver is gone");
	oring_exit(&sender->ring);
	munmap((void *)sender->received, sizeof(*sender->received));
	munmap(sender->memory, (size_t)IN_FLIGHT * sender->bytes);
	free(sender);
}

static int register_memory(struct sender *sender)
{
	struct iovec iov[IN_FLIGHT];
	uint32_t i;

	for (i = 0; i < IN_FLIGHT; i++) {
		iov[i].iov_base = sender->memory + (size_t)i * sender->bytes;
		iov[i].iov_len = sender->bytes;
	}
	return oring_register_buffers(&sender->ring, iov, IN_FLIGHT);
}

/* What a kernel or a limit does not allow shows with the first sends. */
static void *tried(struct sender *sender)
{
	int32_t error = sender->way == ZERO_COPY_FIXED ? register_memory(sender) : 0;

	if (error == 0)
		error = send_all(sender, 2 * IN_FLIGHT);
	if (error == 0) {
		await_delivery(sender);
		return sender;
	}
	bench_absent("%u sends of %u bytes: %s", IN_FLIGHT, sender->bytes, strerror(-error));
	close_sends(sender);
	return NULL;
}

static void *open_sends(const struct bench_job *job, enum way way)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	int ret;

	if (sender == NULL)
		bench_fail(ENOMEM, "a sender");
	sender->way = way;
	sender->bytes = job->size;
	sender->memory = bench_alloc((size_t)IN_FLIGHT * sender->bytes);
	memset(sender->memory, 'z', (size_t)IN_FLIGHT * sender->bytes);
	while (sender->idle_count < IN_FLIGHT) {
		sender->idle[sender->idle_count] = sender->idle_count;
		sender->idle_count++;
	}
	oring_zc_chooser_init(&sender->chooser, 0);
	start_sink(sender);
	ret = oring_init_fast(&sender->ring, 2 * IN_FLIGHT, NULL, NULL);
	if (ret == 0)
		ret = oring_start(&sender->ring);
	if (ret < 0)
		bench_fail(ret, "oring_init_fast");
	return tried(sender);
}

static void *open_chosen(const struct bench_job *job)
{
	return open_sends(job, CHOSEN);
}

static void *open_copying(const struct bench_job *job)
{
	return open_sends(job, BY_COPY);
}

static void *open_zero_copy(const struct bench_job *job)
{
	return open_sends(job, ZERO_COPY);
}

static void *open_zero_copy_fixed(const struct bench_job *job)
{
	return open_sends(job, ZERO_COPY_FIXED);
}

static const struct bench_contender chosen = {
	"ours",	     "oring_zc_choose() for each send, oring_zc_report() for each notification",
	open_chosen, run_sends,
	close_sends, NULL
};

static const struct bench_contender copying = { "send",	      "always oring_prep_send()",
						open_copying, run_sends,
						close_sends,  NULL };

static const struct bench_contender zero_copy = { "send_zc",	  "always oring_prep_send_zc()",
						  open_zero_copy, run_sends,
						  close_sends,	  NULL };

static const struct bench_contender zero_copy_fixed = {
	"send_zc-fixed",      "always oring_prep_send_fixed_zc(), from registered buffers",
	open_zero_copy_fixed, run_sends,
	close_sends,	      NULL
};

static const struct bench_contender *const contenders[] = { &chosen, &copying, &zero_copy,
							    &zero_copy_fixed, NULL };

static const uint32_t sizes[] = { 512, 4096, 16384, 65536, 262144, 1048576, 0 };

static const struct bench sendzc_auto = {
	.name = "sendzc-auto",
	.what = "8 sends in flight on one TCP connection over loopback, a receiver that discards",
	.operation = "send",
	.measure = BENCH_CPU,
	.job = { .batch = IN_FLIGHT },
	.sizes = sizes,
	.size_is = "bytes",
	.round_us = 60000,
	.contenders = contenders,
};

const struct bench *const bench_zc[] = { &sendzc_auto, NULL };
