/* SPDX-License-Identifier: MIT */
/* Lanes of what may be taken back: timers that expire, are moved or removed; waits that are cancelled, or are not; messages; NOPs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "soak.h"

/* ---- timers ---- */

enum timer_way {
	TIMER_EXPIRES,
	TIMER_REMOVED,
	TIMER_MOVED,
	TIMER_RACE,
	TIMER_WAYS
};
enum {
	PART_TIMER,
	PART_CHANGE,
	PART_TRIGGER
};

struct timer_lane {
	enum timer_way way;
	struct oring_timespec time, other;
	oring_context timer;
	int32_t result, change; /* of the timer; of its change */
};

static void *timer_open(struct lane *lane, unsigned int number)
{
	struct timer_lane *self = calloc(1, sizeof(*self));

	(void)lane;
	(void)number;
	MUST(self != NULL, "memory");
	return self;
}

static void set_time(struct oring_timespec *time, int64_t microseconds)
{
	time->tv_sec = microseconds / 1000000;
	time->tv_nsec = microseconds % 1000000 * 1000;
}

static void change(struct lane *lane)
{
	struct timer_lane *self = lane->data;
	struct oring_sqe *sqe = entry_of(lane->worker);

	if (self->way == TIMER_MOVED)
		oring_prep_timeout_update(sqe, self->timer, &self->other, 0);
	else
		oring_prep_timeout_remove(sqe, self->timer);
	begin(lane, sqe, DO_TIMEOUT_CHANGE, PART_CHANGE);
}

static void timer_go(struct lane *lane)
{
	struct timer_lane *self = lane->data;
	struct worker *worker = lane->worker;
	struct oring_sqe *sqe;
	uint32_t soon = 1 + next_random(worker) % 300;

	self->way = (enum timer_way)(next_random(worker) % TIMER_WAYS);
	self->result = self->change = 1;
	set_time(&self->other, soon);
	set_time(&self->time,
		 self->way == TIMER_REMOVED || self->way == TIMER_MOVED ? 60000000 : soon);
	sqe = entry_of(worker);
	oring_prep_timeout(sqe, &self->time, 0, 0);
	self->timer = begin(lane, sqe, DO_TIMEOUT, PART_TIMER);
	if (self->way == TIMER_REMOVED || self->way == TIMER_MOVED) {
		change(lane);
	} else if (self->way == TIMER_RACE) {
		sqe = entry_of(worker);
		oring_prep_timeout(sqe, &self->other, 0, 0);
		begin(lane, sqe, DO_TIMEOUT, PART_TRIGGER);
	}
}

static void timer_done(struct lane *lane, const struct event *event)
{
	struct timer_lane *self = lane->data;
	int32_t res = event->cqe->res;
	bool removed;

	switch (event->part) {
	case PART_TIMER:
		self->result = res;
		break;
	case PART_CHANGE:
		self->change = res;
		break;
	default:
		MUST(res == -ETIME, "a timer: %s", strerror(-res));
		change(lane); /* it may have expired: then its handle is stale */
	}
	if (lane->in_flight > 0)
		return;
	removed = self->result == -ECANCELED && self->change == 0;
	switch (self->way) {
	case TIMER_EXPIRES:
		MUST(self->result == -ETIME, "%d", self->result);
		break;
	case TIMER_REMOVED:
		MUST(removed, "removed: %d, timer: %d", self->change, self->result);
		break;
	case TIMER_MOVED:
		MUST(self->result == -ETIME && self->change == 0, "moved: %d, timer: %d",
		     self->change, self->result);
		break;
	default:
		MUST(removed || (self->result == -ETIME &&
				 (self->change == -ENOENT || self->change == -EALREADY)),
		     "removed: %d, timer: %d", self->change, self->result);
	}
}

static void free_data(struct lane *lane)
{
	free(lane->data);
}

const struct lane_kind lane_timer = { "timers", 24,	    0,	  timer_open,
				      timer_go, timer_done, NULL, free_data };

/* ---- waits for a byte in a pipe, cancelled ---- */

struct wait_lane {
	int pipe[2];  /* read; write */
	bool written; /* this round a byte is written, before the cancel */
	uint64_t bytes_in, bytes_out;
	uint32_t waiting; /* bytes that no read has taken */
	unsigned char in, out;
	oring_context wait;
	int32_t result, cancel;
};

enum {
	PART_WAIT,
	PART_CANCEL,
	PART_BYTE
};

static void *wait_open(struct lane *lane, unsigned int number)
{
	struct wait_lane *self = calloc(1, sizeof(*self));

	(void)lane;
	(void)number;
	MUST(self != NULL, "memory");
	MUST(pipe2(self->pipe, O_CLOEXEC) == 0, "%s", strerror(errno));
	return self;
}

static void wait_go(struct lane *lane)
{
	struct wait_lane *self = lane->data;
	struct oring_sqe *sqe = entry_of(lane->worker);

	self->result = self->cancel = 1;
	self->written = next_random(lane->worker) % 4 == 0;
	self->in = 0;
	oring_prep_read(sqe, oring_file_fd(self->pipe[0]), &self->in, 1, (uint64_t)-1);
	self->wait = begin(lane, sqe, DO_WAIT, PART_WAIT);
	if (self->written) {
		self->out = (unsigned char)(self->bytes_out * 7);
		sqe = entry_of(lane->worker);
		oring_prep_write(sqe, oring_file_fd(self->pipe[1]), &self->out, 1, (uint64_t)-1);
		begin(lane, sqe, DO_WRITE, PART_BYTE);
	}
	sqe = entry_of(lane->worker);
	oring_prep_async_cancel(sqe, self->wait, 0);
	begin(lane, sqe, DO_CANCEL, PART_CANCEL);
}

static void wait_done(struct lane *lane, const struct event *event)
{
	struct wait_lane *self = lane->data;
	int32_t res = event->cqe->res;

	if (event->part == PART_BYTE) {
		MUST(res == 1, "write: %d", res);
		self->bytes_out++;
		self->waiting++;
	} else if (event->part == PART_WAIT) {
		self->result = res;
	} else {
		self->cancel = res;
	}
	if (lane->in_flight > 0)
		return;
	if (self->result == 1) {
		MUST(self->cancel == -ENOENT || self->cancel == -EALREADY || self->cancel == 0,
		     "cancel: %d", self->cancel);
		MUST(self->waiting > 0, "a byte out of nothing");
		MUST(self->in == (unsigned char)(self->bytes_in * 7), "another byte");
		self->waiting--;
		self->bytes_in++;
	} else {
		MUST(self->result == -ECANCELED, "a wait: %d", self->result);
		MUST(self->cancel == 0 || self->cancel == -EALREADY, "cancel: %d", self->cancel);
	}
}

static void wait_close(struct lane *lane)
{
	struct wait_lane *self = lane->data;
	unsigned char byte;

	for (; self->waiting > 0; self->waiting--) {
		MUST(read(self->pipe[0], &byte, 1) == 1, "%s", strerror(errno));
		self->bytes_in++;
	}
	MUST(self->bytes_in == self->bytes_out, "bytes");
	close(self->pipe[0]);
	close(self->pipe[1]);
	free(self);
}

const struct lane_kind lane_wait = { "cancels", 16,	   0,	 wait_open,
				     wait_go,	wait_done, NULL, wait_close };

/* ---- messages to the other worker's ring ---- */

static void *message_open(struct lane *lane, unsigned int number)
{
	(void)number;
	return lane->worker->peer != NULL ? calloc(1, 1) : NULL;
}

static void message_go(struct lane *lane)
{
	struct worker *worker = lane->worker;
	struct oring_sqe *sqe = entry_of(worker);
	oring_context word;

	MUST(oring_context_caller(worker->number, &word) == 0, "context");
	oring_prep_msg_ring(sqe, oring_file_fd(oring_fd(&worker->peer->ring)), word, 42, 0);
	begin(lane, sqe, DO_MESSAGE, 0);
}

static void message_done(struct lane *lane, const struct event *event)
{
	(void)lane;
	MUST(event->cqe->res == 0, "message: %s", strerror(-event->cqe->res));
}

const struct lane_kind lane_message = { "messages",   2,    0,	      message_open, message_go,
					message_done, NULL, free_data };

/* ---- NOPs, few ---- */

static void *nop_open(struct lane *lane, unsigned int number)
{
	(void)lane;
	(void)number;
	return calloc(1, 1);
}

static void nop_go(struct lane *lane)
{
	struct oring_sqe *sqe = entry_of(lane->worker);

	oring_prep_nop(sqe);
	begin(lane, sqe, DO_NOP, 0);
}

static void nop_done(struct lane *lane, const struct event *event)
{
	(void)lane;
	MUST(event->cqe->res == 0, "nop: %s", strerror(-event->cqe->res));
}

const struct lane_kind lane_nop = { "NOPs", 4, 0, nop_open, nop_go, nop_done, NULL, free_data };
