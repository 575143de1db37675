/* SPDX-License-Identifier: MIT */
/*
 * Notifying a thread that is awake on another CPU, and looks for notifications again and
 * again. At most WINDOW are on their way; a run is over when all have been handled.
 */
#include "wait.h"
#include "wake_owner.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oring.h"

#define WINDOW 64U

/* Numbers go up by one from notification to notification, ever. */
struct note {
	struct oring_post post;
	uint64_t number;
};

struct notified {
	struct owner owner;
	struct oring ring; /* the owner's */
	struct oring own;  /* the notifier's */
	bool has_own;
	int eventfd;
	uint64_t sent;
	struct oring_wake wake __attribute__((aligned(64)));
	struct note notes[WINDOW] __attribute__((aligned(64)));
};

/* The next notification may be sent: its number. */
static inline uint64_t next_number(struct notified *notified)
{
	uint64_t number = notified->sent++;

	if (number - owner_progress(&notified->owner) >= WINDOW)
		owner_await(&notified->owner, number + 1 - WINDOW);
	return number;
}

static void finish(struct notified *notified, struct bench_time *time, uint64_t begin)
{
	owner_await(&notified->owner, notified->sent);
	time->wall_ns = bench_now() - begin;
	owner_end(&notified->owner);
	owner_join(&notified->owner);
}

/* ---- oring_wake ---- */

static void serve_posts(void *self)
{
	struct notified *notified = self;
	uint64_t next = notified->owner.handled;

	while (!owner_is_over(&notified->owner)) {
		struct oring_post *post = oring_wake_take(&notified->wake);
		uint64_t n = 0;

		while (post != NULL) {
			struct note *note = (struct note *)post;

			post = post->next;
			if (note->number != next++)
				bench_fail(0, "a post out of turn");
			n++;
		}
		if (n > 0)
			owner_handled(&notified->owner, n);
		else
			owner_relax();
	}
}

static void *open_ours(const struct bench_job *job)
{
	struct notified *notified = bench_alloc(sizeof(*notified));

	(void)job;
	oring_wake_init(&notified->wake);
	owner_start(&notified->owner, NULL, serve_posts, notified);
	return notified;
}

static void close_ours(void *self)
{
	struct notified *notified = self;

	owner_stop(&notified->owner);
	munmap(notified, sizeof(*notified));
}

static void run_ours(void *self, uint64_t operations, struct bench_time *time)
{
	struct notified *notified = self;
	uint64_t begin, done;

	owner_begin(&notified->owner);
	begin = bench_now();
	for (done = 0; done < operations; done++) {
		uint64_t number = next_number(notified);
		struct note *note = &notified->notes[number % WINDOW];

		note->number = number;
		if (oring_wake_post(&notified->wake, &note->post))
			bench_fail(0, "the owner is asleep");
	}
	finish(notified, time, begin);
}

/* ---- an eventfd ---- */

static void serve_eventfd(void *self)
{
	struct notified *notified = self;

	while (!owner_is_over(&notified->owner)) {
		uint64_t n;

		if (read(notified->eventfd, &n, sizeof(n)) == (ssize_t)sizeof(n))
			owner_handled(&notified->owner, n);
		else if (errno == EAGAIN)
			owner_relax();
		else
			bench_fail(errno, "read of an eventfd");
	}
}

static void *open_eventfd(const struct bench_job *job)
{
	struct notified *notified = bench_alloc(sizeof(*notified));

	(void)job;
	notified->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (notified->eventfd < 0)
		bench_fail(errno, "eventfd");
	owner_start(&notified->owner, NULL, serve_eventfd, notified);
	return notified;
}

static void close_eventfd(void *self)
{
	struct notified *notified = self;

	owner_stop(&notified->owner);
	close(notified->eventfd);
	munmap(notified, sizeof(*notified));
}

static void run_eventfd(void *self, uint64_t operations, struct bench_time *time)
{
	struct notified *notified = self;
	const uint64_t one = 1;
	uint64_t begin, done;

	owner_begin(&notified->owner);
	begin = bench_now();
	for (done = 0; done < operations; done++) {
		next_number(notified);
		if (write(notified->eventfd, &one, sizeof(one)) != (ssize_t)sizeof(one))
			bench_fail(errno, "write to an eventfd");
	}
	finish(notified, time, begin);
}

/* ---- completions in the owner's ring ---- */

static void start_ring(void *self)
{
	struct notified *notified = self;
	int ret = oring_start(&notified->ring);

	if (ret < 0)
		bench_fail(ret, "oring_start");
}

/* It enters the kernel only when the kernel says that there is something to do. */
static void serve_ring(void *self)
{
	struct notified *notified = self;
	uint64_t next = notified->owner.handled;
	const struct oring_cqe *cqe;
	uint32_t cursor, end;

	while (!owner_is_over(&notified->owner)) {
		uint64_t n = 0;
		int ret;

		if (oring_taskrun_pending(&notified->ring)) {
			ret = oring_get_events(&notified->ring);
			if (ret < 0)
				bench_fail(ret, "oring_get_events");
		}
		oring_cq_for_each (&notified->ring, cursor, end, cqe) {
			if (cqe->user_data != next++)
				bench_fail(0, "a message out of turn");
			n++;
		}
		oring_cq_release_to(&notified->ring, cursor);
		if (n > 0)
			owner_handled(&notified->owner, n);
		else
			owner_relax();
	}
}

static struct notified *open_ring(void)
{
	struct notified *notified = bench_alloc(sizeof(*notified));
	int ret = oring_init_fast(&notified->ring, WAIT_ENTRIES, NULL, NULL);

	if (ret < 0)
		bench_fail(ret, "oring_init_fast");
	owner_start(&notified->owner, start_ring, serve_ring, notified);
	return notified;
}

static void close_ring(void *self)
{
	struct notified *notified = self;

	owner_stop(&notified->owner);
	/* Its thread is gone, and with it what was registered there. */
	oring_exit(&notified->ring);
	if (notified->has_own)
		oring_exit(&notified->own);
	munmap(notified, sizeof(*notified));
}

static void *open_register(const struct bench_job *job)
{
	struct notified *notified = open_ring();
	/* A file that is no ring: refused for that, or because the call is not known. */
	int ret = oring_wake_ring(STDIN_FILENO, oring_context_from_bits(0));

	(void)job;
	if (ret != -EINVAL)
		return notified;
	bench_absent("this kernel has no messages to rings by registration");
	close_ring(notified);
	return NULL;
}

static void run_register(void *self, uint64_t operations, struct bench_time *time)
{
	struct notified *notified = self;
	int fd = oring_fd(&notified->ring);
	uint64_t begin, done;

	owner_begin(&notified->owner);
	begin = bench_now();
	for (done = 0; done < operations; done++) {
		uint64_t number = next_number(notified);
		int ret = oring_wake_ring(fd, oring_context_from_bits(number));

		if (ret < 0)
			bench_fail(ret, "oring_wake_ring");
	}
	finish(notified, time, begin);
}

static void *open_message(const struct bench_job *job)
{
	struct notified *notified = open_ring();
	int ret = oring_init_fast(&notified->own, WAIT_ENTRIES, NULL, NULL);

	(void)job;
	if (ret == 0)
		ret = oring_start(&notified->own);
	if (ret < 0)
		bench_fail(ret, "a fast ring");
	notified->has_own = true;
	return notified;
}

/* Of a message that arrives the sender hears nothing. */
static inline void send_message(struct notified *notified, uint64_t number)
{
	struct oring_sqe *sqe = oring_sq_reserve(&notified->own);
	int ret;

	if (sqe == NULL)
		bench_fail(0, "the queue is full");
	oring_prep_msg_ring(sqe, oring_file_fd(oring_fd(&notified->ring)),
			    oring_context_from_bits(number), 0, 0);
	oring_sqe_skip_success(sqe);
	ret = oring_submit(&notified->own);
	if (ret != 1 || oring_cq_peek(&notified->own) != NULL)
		bench_fail(ret < 0 ? ret : 0, "a message to a ring");
}

static void run_message(void *self, uint64_t operations, struct bench_time *time)
{
	struct notified *notified = self;
	uint64_t begin, done;

	owner_begin(&notified->owner);
	begin = bench_now();
	for (done = 0; done < operations; done++)
		send_message(notified, next_number(notified));
	finish(notified, time, begin);
}

/* ---- the benchmark ---- */

static const struct bench_contender ours = {
	"ours",	    "oring_wake_post, oring_wake_take: no system call for an owner that is awake",
	open_ours,  run_ours,
	close_ours, NULL
};
static const struct bench_contender by_eventfd = {
	"eventfd",     "write by the notifier, non-blocking reads by the owner",
	open_eventfd,  run_eventfd,
	close_eventfd, NULL
};
static const struct bench_contender by_message = {
	"msg-ring",   "MSG_RING from a ring of the notifier's to the owner's",
	open_message, run_message,
	close_ring,   NULL
};
static const struct bench_contender by_register = {
	"register-msg-ring", "a message to the owner's ring by io_uring_register(2)",
	open_register,	     run_register,
	close_ring,	     NULL
};

static const struct bench_contender *const contenders[] = { &ours, &by_eventfd, &by_message,
							    &by_register, NULL };

const struct bench wake_awake = {
	.name = "wake-awake",
	.what = "A thread on another CPU that is awake is notified; "
		"at most 64 notifications are on their way",
	.operation = "notification",
	.round_us = 2000, /* peers take dozens of times as long */
	.contenders = contenders,
};
