/* SPDX-License-Identifier: MIT */
/*
 * The scheduler. Fibers that are ready run in rounds: each switches straight to the next; at
 * the end of a round the thread's own stack is entered, which looks at the ring: it submits what
 * was prepared, reaps, and sleeps if nobody is ready.
 */
#define _GNU_SOURCE
#include "fiber.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_FIBERS	64
#define DEFAULT_TASKS	256
#define DEFAULT_STACK	65536
#define DEFAULT_ENTRIES 64
#define LEAST_ENTRIES	8
#define MOST		65536
#define TRIES		1000 /* of a submit that the kernel has no memory for */
#define CANCEL_ROUNDS \
	100 /* of fiber_runtime_exit(), with a sleep where there is something to wait for */
#define CANCEL_SLEEP  10000000
#define GENERATION    ((1U << 30) - 1)
#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL, which this C library may not know */
#define GUARD_REMOVE  103

static _Thread_local struct fiber_runtime *running; /* whose fibers run in this thread */
static _Thread_local struct fiber_runtime own;
static _Thread_local bool own_is_made;

/* ---- lists ---- */

static void list_add(struct fiber_list *list, struct fiber *fiber)
{
	fiber->next = NULL;
	fiber->previous = list->last;
	fiber->list = list;
	if (list->last != NULL)
		list->last->next = fiber;
	else
		list->first = fiber;
	list->last = fiber;
}

static void list_remove(struct fiber *fiber)
{
	struct fiber_list *list = fiber->list;

	if (fiber->previous != NULL)
		fiber->previous->next = fiber->next;
	else
		list->first = fiber->next;
	if (fiber->next != NULL)
		fiber->next->previous = fiber->previous;
	else
		list->last = fiber->previous;
	fiber->list = NULL;
}

/* ---- who is ready ---- */

static void make_ready(struct fiber_runtime *runtime, struct fiber *fiber)
{
	fiber->next = NULL;
	if (runtime->ready == NULL)
		runtime->ready = fiber;
	else
		runtime->last_ready->next = fiber;
	runtime->last_ready = fiber;
}

/* One that has not begun, and never does. */
static void unready(struct fiber_runtime *runtime, struct fiber *fiber)
{
	struct fiber *before = NULL, *at = runtime->ready;

	while (at != fiber) {
		before = at;
		at = at->next;
	}
	if (before == NULL)
		runtime->ready = fiber->next;
	else
		before->next = fiber->next;
	if (runtime->last_ready == fiber)
		runtime->last_ready = before;
	if (runtime->round_last == fiber)
		runtime->round_last = before; /* NULL: the round is over */
}

/* ---- limits of parked fibers: a list in order of time ---- */

int64_t fiber_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* From the end: limits mostly grow with time. */
static void timer_add(struct fiber *fiber, int64_t limit)
{
	struct fiber_runtime *runtime = fiber->runtime;
	struct fiber *before = runtime->last_timer;
	int64_t begin = fiber_now();

	fiber->deadline = limit > INT64_MAX - begin ? INT64_MAX : begin + limit;
	while (before != NULL && before->deadline > fiber->deadline)
		before = before->previous_timer;
	fiber->previous_timer = before;
	fiber->next_timer = before != NULL ? before->next_timer : runtime->first_timer;
	if (before != NULL)
		before->next_timer = fiber;
	else
		runtime->first_timer = fiber;
	if (fiber->next_timer != NULL)
		fiber->next_timer->previous_timer = fiber;
	else
		runtime->last_timer = fiber;
	fiber->timed = true;
}

static void timer_remove(struct fiber *fiber)
{
	if (!fiber->timed)
		return;
	if (fiber->previous_timer != NULL)
		fiber->previous_timer->next_timer = fiber->next_timer;
	else
		fiber->runtime->first_timer = fiber->next_timer;
	if (fiber->next_timer != NULL)
		fiber->next_timer->previous_timer = fiber->previous_timer;
	else
		fiber->runtime->last_timer = fiber->previous_timer;
	fiber->timed = false;
}

/* ---- parking ---- */

static void unpark(struct fiber *fiber, int result)
{
	list_remove(fiber);
	timer_remove(fiber);
	fiber->woken = result;
	fiber->state = FIBER_RUNS;
	make_ready(fiber->runtime, fiber);
}

bool fiber_unpark(struct fiber_list *list, int result)
{
	if (list->first == NULL)
		return false;
	unpark(list->first, result);
	return true;
}

static void expire(struct fiber_runtime *runtime)
{
	int64_t time;

	if (runtime->first_timer == NULL)
		return;
	time = fiber_now();
	while (runtime->first_timer != NULL && runtime->first_timer->deadline <= time)
		unpark(runtime->first_timer, -ETIME);
}

/* ---- switching ---- */

static void release(struct fiber_runtime *runtime);

static struct fiber *take_ready(struct fiber_runtime *runtime)
{
	struct fiber *fiber = runtime->ready;

	runtime->ready = fiber->next;
	if (fiber == runtime->round_last)
		runtime->round_last = NULL;
	runtime->current = fiber;
	return fiber;
}

/* Where to go from here: the next fiber of the round, or the scheduler. */
static inline struct fiber_switch *next_context(struct fiber_runtime *runtime)
{
	if (runtime->round_last != NULL)
		return &take_ready(runtime)->context;
	runtime->current = NULL;
	return &runtime->main;
}

/* The fiber that runs waits for whoever makes it ready. */
static void suspend(struct fiber *self)
{
	struct fiber_runtime *runtime = self->runtime;
	struct fiber_switch *next = next_context(runtime);

	if (next == &self->context)
		return;
	fiber_switch_to(&self->context, next, &runtime->left);
	if (runtime->ended != NULL)
		release(runtime);
}

/* A cancel that was not told yet is told now. */
static bool take_cancel(struct fiber *self)
{
	if (!self->cancelled || self->shielded)
		return false;
	self->cancelled = false;
	self->told = true;
	return true;
}

static struct fiber *current(void)
{
	return running != NULL ? running->current : NULL;
}

bool fiber_told(void)
{
	struct fiber *self = current();

	return self != NULL && self->told;
}

void fiber_tell_again(void)
{
	if (fiber_told())
		current()->cancelled = true;
}

int fiber_park(struct fiber_list *list, void *item, int64_t limit)
{
	struct fiber *self = current();

	if (self == NULL)
		return -EINVAL;
	self->told = false;
	if (take_cancel(self))
		return -ECANCELED;
	if (limit == 0)
		return -ETIME;
	self->state = FIBER_PARKED;
	self->item = item;
	list_add(list, self);
	if (limit > 0)
		timer_add(self, limit);
	suspend(self);
	return self->woken;
}

int fiber_yield(void)
{
	struct fiber *self = current();

	if (self == NULL)
		return -EINVAL;
	if (take_cancel(self))
		return -ECANCELED;
	make_ready(self->runtime, self);
	suspend(self);
	return take_cancel(self) ? -ECANCELED : 0;
}

bool fiber_shield(bool on)
{
	struct fiber *self = current();
	bool before = self != NULL && self->shielded;

	if (self != NULL)
		self->shielded = on;
	return before;
}

/* ---- the life of a fiber ---- */

static fiber_handle handle_of(const struct fiber *fiber)
{
	fiber_handle handle = { (uint64_t)fiber->generation << 32 | (fiber->index + 1) };

	return handle;
}

/* The record that a handle names or has named; NULL: none. */
static struct fiber *record_of(struct fiber_runtime *runtime, fiber_handle handle)
{
	uint32_t index = (uint32_t)handle.bits - 1;
	struct fiber *fiber;

	if (runtime == NULL || index >= runtime->config.fibers || handle.bits >> 32 == 0)
		return NULL;
	fiber = &runtime->fibers[index];
	return fiber->generation == (uint32_t)(handle.bits >> 32) ? fiber : NULL;
}

/* It has ended: its value is there for all who wait, and for those who ask before the record is used again. */
static void finish(struct fiber *fiber, intptr_t value)
{
	fiber->value = value;
	fiber->state = FIBER_FREE;
	while (fiber->awaiting.first != NULL) {
		fiber->awaiting.first->awaited = value;
		fiber_unpark(&fiber->awaiting, 0);
	}
	fiber->runtime->live--;
}

static void give_back(struct fiber *fiber)
{
	struct fiber_runtime *runtime = fiber->runtime;
	uint32_t place = runtime->free_first + runtime->free_count;

	runtime->stacks[runtime->stacks_free++] = fiber->stack;
	if (place >= runtime->config.fibers)
		place -= runtime->config.fibers;
	runtime->free[place] = fiber->index;
	runtime->free_count++;
}

/* The stack of a fiber that ended is free once another is run on. */
static void release(struct fiber_runtime *runtime)
{
	struct fiber *fiber = runtime->ended;

	runtime->ended = NULL;
	give_back(fiber);
}

/* It never returns: ThreadSanitizer must not count its calls. */
FIBER_NOT_TSAN static void fiber_main(void *argument)
{
	struct fiber *self = argument;
	struct fiber_runtime *runtime = self->runtime;
	struct fiber_switch *next;

	fiber_switch_begun(runtime->left);
	if (runtime->ended != NULL)
		release(runtime);
	self->state = FIBER_RUNS;
	finish(self, self->function(self->argument));
	runtime->ended = self;
	next = next_context(runtime);
	fiber_switch_leave(&self->context, next, &runtime->left);
}

int fiber_runtime_spawn(struct fiber_runtime *runtime, fiber_function function, void *argument,
			fiber_handle *handle)
{
	struct fiber *fiber;

	if (runtime == NULL || function == NULL)
		return -EINVAL;
	if (runtime->free_count == 0)
		return -ENOBUFS;
	fiber = &runtime->fibers[runtime->free[runtime->free_first]];
	if (++runtime->free_first == runtime->config.fibers)
		runtime->free_first = 0;
	runtime->free_count--;
	fiber->stack = runtime->stacks[--runtime->stacks_free];
	if (runtime->stacks_free < runtime->stacks_low)
		runtime->stacks_low = runtime->stacks_free;
	if (++fiber->generation == 0) /* no fiber has that */
		fiber->generation = 1;
	fiber->function = function;
	fiber->argument = argument;
	fiber->cancelled = false;
	fiber->shielded = false;
	fiber->refused = 0;
	fiber->state = FIBER_NEW;
	fiber_switch_prepare(&fiber->context, fiber->stack, runtime->config.stack_bytes, fiber_main,
			     fiber);
	runtime->live++;
	make_ready(runtime, fiber);
	if (handle != NULL)
		*handle = handle_of(fiber);
	return 0;
}

static void start_tasks(struct fiber_runtime *runtime)
{
	while (runtime->task_count > 0 && runtime->free_count > 0) {
		struct fiber_task *task = &runtime->tasks[runtime->task_first];

		fiber_runtime_spawn(runtime, task->function, task->argument, NULL);
		if (++runtime->task_first == runtime->config.tasks)
			runtime->task_first = 0;
		runtime->task_count--;
	}
}

int fiber_post(fiber_function function, void *argument)
{
	struct fiber_runtime *runtime = fiber_runtime_current();
	uint32_t place;

	if (runtime == NULL || function == NULL)
		return -EINVAL;
	if (runtime->task_count == 0 && fiber_runtime_spawn(runtime, function, argument, NULL) == 0)
		return 0;
	if (runtime->task_count == runtime->config.tasks)
		return -ENOBUFS;
	place = runtime->task_first + runtime->task_count;
	if (place >= runtime->config.tasks)
		place -= runtime->config.tasks;
	runtime->tasks[place].function = function;
	runtime->tasks[place].argument = argument;
	runtime->task_count++;
	return 0;
}

fiber_handle fiber_self(void)
{
	fiber_handle none = { 0 };
	struct fiber *self = current();

	return self != NULL ? handle_of(self) : none;
}

int fiber_await(fiber_handle handle, intptr_t *value)
{
	struct fiber *self = current();
	struct fiber *fiber = record_of(fiber_runtime_current(), handle);
	intptr_t ended_with;
	int ret;

	if (fiber == NULL)
		return -ESTALE;
	if (fiber == self)
		return -EDEADLK;
	if (fiber->state != FIBER_FREE) {
		ret = fiber_park(&fiber->awaiting, NULL, FIBER_FOREVER);
		if (ret < 0)
			return ret;
		/* Told when it ended: its record may be another's by now. */
		ended_with = self->awaited;
	} else {
		ended_with = fiber->value;
	}
	if (value != NULL)
		*value = ended_with;
	return 0;
}

static void queue_cancel(struct fiber *fiber)
{
	struct fiber_runtime *runtime = fiber->runtime;

	runtime->cancelling = true;
	fiber->cancel_of = fiber->operation;
	fiber->cancel_part = 0;
	if (fiber->cancel_queued)
		return;
	fiber->cancel_queued = true;
	fiber->next_cancel = NULL;
	if (runtime->cancels == NULL)
		runtime->cancels = fiber;
	else
		runtime->last_cancel->next_cancel = fiber;
	runtime->last_cancel = fiber;
}

int fiber_runtime_cancel(struct fiber_runtime *runtime, fiber_handle handle)
{
	struct fiber *fiber = record_of(runtime, handle);

	if (fiber == NULL)
		return -ESTALE;
	switch (fiber->state) {
	case FIBER_FREE:
		return -EALREADY;
	case FIBER_NEW:
		unready(runtime, fiber);
		finish(fiber, -ECANCELED);
		give_back(fiber);
		return 0;
	default:
		break;
	}
	fiber->cancelled = true;
	if (fiber->shielded)
		return 0;
	if (fiber->state == FIBER_PARKED) {
		fiber->cancelled = false;
		fiber->told = true;
		unpark(fiber, -ECANCELED);
	} else if (fiber->state == FIBER_OPERATES) {
		queue_cancel(fiber);
	}
	return 0;
}

/* ---- operations ---- */

static bool is_chain(const struct fiber *fiber)
{
	return fiber->results != fiber->own_results;
}

static oring_context identity(const struct fiber *fiber, uint32_t part)
{
	return oring_context_handle((uint8_t)part, fiber->index, fiber->operation & GENERATION);
}

/*
 * As many completions as the queue has room for: so none ever overflows. Some places are kept
 * for cancels, which always complete at once.
 */
static bool has_room(const struct fiber_runtime *runtime, uint32_t n)
{
	uint32_t entries = oring_cq_entries(&runtime->ring);

	return runtime->in_flight + runtime->promised + n <= entries - entries / 8;
}

/* Whoever waits longest comes first, be it for one entry or for a chain. */
static void let_in(struct fiber_runtime *runtime)
{
	while (runtime->room.first != NULL && has_room(runtime, runtime->room.first->wanted)) {
		runtime->promised += runtime->room.first->wanted;
		fiber_unpark(&runtime->room, 0);
	}
}

static int flush(struct fiber_runtime *runtime)
{
	int ret = oring_submit(&runtime->ring);

	runtime->enters++;
	return ret;
}

/* Places in the queues for @n entries: of @limit, what is left after the wait for them remains. */
static int wait_for_room(struct fiber *self, uint32_t n, int64_t *limit)
{
	int64_t begun = fiber_now(), gone;
	int ret;

	self->wanted = n;
	ret = fiber_park(&self->runtime->room, NULL, *limit);
	if (ret < 0)
		return ret;
	self->runtime->promised -= n;
	gone = fiber_now() - begun;
	if (*limit > 0)
		*limit = gone < *limit ? *limit - gone : 0;
	return 0;
}

/* Begin an operation of @n entries: there is room for them when this returns 0. */
static int begin(struct fiber *self, uint32_t n, int32_t *results, int64_t *limit)
{
	struct fiber_runtime *runtime = self->runtime;
	int ret;

	self->told = false;
	if (take_cancel(self))
		return -ECANCELED;
	if (n > oring_sq_entries(&runtime->ring))
		return -EINVAL;
	if (runtime->room.first != NULL || !has_room(runtime, n)) {
		ret = wait_for_room(self, n, limit);
		if (ret < 0)
			return ret;
		if (take_cancel(self)) /* after it was let in */
			return -ECANCELED;
	}
	if (oring_sq_space(&runtime->ring) < n) {
		ret = flush(runtime);
		if (oring_sq_space(&runtime->ring) < n)
			return ret < 0 ? ret : -EAGAIN;
	}
	self->operation++;
	self->parts = n;
	self->results = results;
	runtime->in_flight += n;
	if (runtime->in_flight > runtime->most_in_flight)
		runtime->most_in_flight = runtime->in_flight;
	return 0;
}

struct oring_sqe *fiber_operation(int64_t limit)
{
	struct fiber *self = current();
	struct oring_sqe *sqe;

	if (self == NULL)
		return NULL;
	self->refused = begin(self, limit < 0 ? 1 : 2, self->own_results, &limit);
	if (self->refused < 0)
		return NULL;
	if (limit < 0) {
		sqe = oring_sq_reserve(&self->runtime->ring);
	} else {
		self->limit.tv_sec = limit / 1000000000;
		self->limit.tv_nsec = limit % 1000000000;
		sqe = oring_reserve_with_deadline(&self->runtime->ring, &self->limit, 0,
						  identity(self, 1));
	}
	oring_sqe_set_context(sqe, identity(self, 0));
	return sqe;
}

/* Until the last of its completions. */
static void wait_for_all(struct fiber *self)
{
	self->pending = self->parts;
	self->state = FIBER_OPERATES;
	self->runtime->operating++;
	suspend(self);
}

int fiber_wait(void)
{
	struct fiber *self = current();
	int32_t res;

	if (self == NULL)
		return -EINVAL;
	if (self->refused < 0) {
		res = self->refused;
		self->refused = 0;
		return res;
	}
	wait_for_all(self);
	res = self->own_results[0];
	if (self->parts == 2) {
		switch (oring_deadline_end(res, self->own_results[1])) {
		case ORING_DEADLINE_EXPIRED:
			return -ETIME;
		case ORING_DEADLINE_CANCELLED:
			res = -ECANCELED;
			break;
		default:
			break;
		}
	}
	/* A worker thread that was at it, and was interrupted, says so in its own way. */
	if (res == -ORING_ERESTARTSYS || (self->cancelled && res == -EINTR))
		res = -ECANCELED;
	if (res == -ECANCELED)
		take_cancel(self);
	return res;
}

int fiber_chain(uint32_t n, int32_t *results)
{
	struct fiber *self = current();
	int64_t limit = FIBER_FOREVER;
	int ret;

	if (self == NULL)
		return -EINVAL;
	memset(&self->chain, 0, sizeof(self->chain));
	self->chain.ring = &self->runtime->ring;
	self->parts = 0; /* of a chain that is refused there is nothing to wait for */
	if (n == 0 || n > 255)
		return -EINVAL;
	ret = begin(self, n, results, &limit);
	if (ret < 0)
		return ret;
	ret = oring_chain_begin(&self->chain, &self->runtime->ring, n);
	self->parts = 0;
	if (ret < 0)
		self->runtime->in_flight -= n;
	return ret;
}

struct oring_sqe *fiber_chain_next(void)
{
	struct fiber *self = current();
	struct oring_sqe *sqe = self != NULL ? oring_chain_next(&self->chain) : NULL;

	if (sqe != NULL)
		oring_sqe_set_context(sqe, identity(self, self->parts++));
	return sqe;
}

int fiber_chain_wait(void)
{
	struct fiber *self = current();
	uint32_t i, n;

	if (self == NULL)
		return -EINVAL;
	self->runtime->in_flight -= self->chain.left;
	oring_chain_end(&self->chain);
	if (self->parts > 0)
		wait_for_all(self);
	for (i = 0; i < self->parts && self->cancelled; i++)
		if (self->results[i] == -ECANCELED)
			take_cancel(self);
	n = self->parts;
	self->parts = 0;
	return (int)n;
}

/* ---- the ring ---- */

/* Identity of all cancels: what they cancel tells how it went. */
static oring_context of_cancels(void)
{
	oring_context context;

	oring_context_caller(0x0f1be2ca9ce1, &context);
	return context;
}

/* An entry for one part of what a fiber waits for. False: there is no room now. */
static bool send_cancel(struct fiber_runtime *runtime, struct fiber *fiber)
{
	struct oring_sqe *sqe;

	if (runtime->in_flight + runtime->promised >= oring_cq_entries(&runtime->ring))
		return false;
	sqe = oring_sq_reserve(&runtime->ring);
	if (sqe == NULL) {
		flush(runtime);
		sqe = oring_sq_reserve(&runtime->ring);
	}
	if (sqe == NULL)
		return false;
	oring_prep_async_cancel(sqe, identity(fiber, fiber->cancel_part++), 0);
	oring_sqe_set_context(sqe, of_cancels());
	runtime->in_flight++;
	return true;
}

/* The cancels that were asked for, as far as there is room: of a chain, for each of its parts. */
static void send_cancels(struct fiber_runtime *runtime)
{
	while (runtime->cancels != NULL) {
		struct fiber *fiber = runtime->cancels;
		uint32_t parts = is_chain(fiber) ? fiber->parts : 1;

		while (fiber->state == FIBER_OPERATES && fiber->cancel_of == fiber->operation &&
		       fiber->cancel_part < parts)
			if (!send_cancel(runtime, fiber))
				return;
		fiber->cancel_queued = false;
		runtime->cancels = fiber->next_cancel;
	}
}

static void complete(struct fiber_runtime *runtime, const struct oring_cqe *cqe)
{
	oring_context context = oring_cqe_context(cqe);
	uint32_t index = oring_context_index(context);
	struct fiber *fiber;

	if (oring_context_bits(context) == oring_context_bits(of_cancels())) {
		runtime->in_flight--;
		return;
	}
	if (oring_context_kind_of(context) != ORING_CONTEXT_HANDLE ||
	    index >= runtime->config.fibers)
		return; /* somebody else's message */
	fiber = &runtime->fibers[index];
	if ((fiber->operation & GENERATION) != oring_context_generation(context) ||
	    oring_context_op(context) >= fiber->parts)
		return;
	runtime->in_flight--;
	if (fiber->state != FIBER_OPERATES)
		return; /* nobody has waited for it */
	fiber->results[oring_context_op(context)] = cqe->res;
	if (--fiber->pending == 0) {
		if (--runtime->operating == 0)
			runtime->cancelling = false;
		fiber->state = FIBER_RUNS;
		make_ready(runtime, fiber);
	} else if (fiber->cancelled && !fiber->shielded && is_chain(fiber)) {
		/* The cancels may have come when one part had ended, and the next had not begun. */
		queue_cancel(fiber);
	}
}

static void reap(struct fiber_runtime *runtime)
{
	struct oring *ring = &runtime->ring;
	uint32_t cursor, end;
	struct oring_cqe *cqe;

	oring_cq_for_each (ring, cursor, end, cqe)
		complete(runtime, cqe);
	oring_cq_release_to(ring, cursor);
	let_in(runtime);
}

/* Submit what there is; sleep until a completion comes, or a parked fiber's time. */
static int sleep_in_ring(struct fiber_runtime *runtime)
{
	/* Of one fiber alone every part has to come: of a chain, of an operation with its limit. */
	uint32_t want = runtime->operating == 1 && !runtime->cancelling ? runtime->in_flight : 1;
	struct oring_wait_arg arg;
	int64_t limit = CANCEL_SLEEP;
	int ret;

	runtime->enters++;
	if (runtime->first_timer == NULL && runtime->ending == 0)
		return oring_submit_and_wait(&runtime->ring, want);
	if (runtime->ending == 0)
		limit = runtime->first_timer->deadline - fiber_now();
	limit = limit > 0 ? limit : 1;
	oring_wait_relative(&arg, limit / 1000000000, limit % 1000000000);
	ret = oring_submit_and_wait_timeout(&runtime->ring, want, &arg, NULL);
	return ret == -ETIME ? 0 : ret;
}

/* At the end of the runtime: whoever waits again is told again, as often as ending says. */
static void cancel_all(struct fiber_runtime *runtime)
{
	uint32_t i;

	runtime->ending--;
	for (i = 0; i < runtime->config.fibers; i++)
		fiber_runtime_cancel(runtime, handle_of(&runtime->fibers[i]));
}

/* Between two rounds. False: nobody is ready, and nothing can make anybody so; or the ring has failed. */
static bool look(struct fiber_runtime *runtime)
{
	struct oring *ring = &runtime->ring;
	uint32_t tries = 0;

	while (!runtime->stopped) {
		bool asleep;
		int ret = 0;

		expire(runtime);
		let_in(runtime); /* who waited first may have gone without what the next one needs */
		send_cancels(runtime);
		if (runtime->ready == NULL && runtime->ending > 1) {
			cancel_all(runtime);
			send_cancels(runtime);
		}
		asleep = runtime->ready == NULL;
		if (asleep) {
			if (runtime->ending == 1 ||
			    (runtime->in_flight == 0 && runtime->first_timer == NULL))
				return false;
			ret = sleep_in_ring(runtime);
		} else if (oring_sq_pending(ring) > 0 || oring_taskrun_pending(ring)) {
			runtime->enters++;
			ret = oring_submit_and_wait(ring, 0);
		}
		if (oring_cq_ready(ring) > 0) {
			reap(runtime);
			tries = 0;
		}
		if (ret < 0 && ret != -EINTR && (ret != -EAGAIN || ++tries == TRIES) &&
		    ret != -EBUSY) {
			runtime->error = ret;
			return false;
		}
		if (runtime->ready != NULL)
			return true;
	}
	return false;
}

int fiber_runtime_run(struct fiber_runtime *runtime)
{
	struct fiber_runtime *outer = running;

	if (runtime->current != NULL)
		return -EINVAL; /* it runs */
	if (runtime->config.pin) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(runtime->config.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0)
			return -errno;
	}
	runtime->error = 0;
	running = runtime;
	fiber_switch_here(&runtime->main);
	for (;;) {
		struct fiber_switch *next;

		if (runtime->ended != NULL)
			release(runtime);
		start_tasks(runtime);
		if (!look(runtime))
			break;
		runtime->round_last = runtime->last_ready;
		next = next_context(runtime);
		fiber_switch_to(&runtime->main, next, &runtime->left);
	}
	running = outer;
	if (runtime->error < 0)
		return runtime->error;
	if (runtime->stopped) {
		runtime->stopped = false;
		return 1;
	}
	return runtime->live > 0 ? -EDEADLK : 0;
}

/* ---- making and ending ---- */

static size_t whole(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

/* With the defaults; false if it asks for what there cannot be. */
static bool complete_config(struct fiber_config *config, const struct fiber_config *wish)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	memset(config, 0, sizeof(*config));
	if (wish != NULL)
		*config = *wish;
	if (config->fibers == 0)
		config->fibers = DEFAULT_FIBERS;
	if (config->tasks == 0)
		config->tasks = DEFAULT_TASKS;
	if (config->stack_bytes == 0)
		config->stack_bytes = DEFAULT_STACK;
	if (config->ring_entries == 0)
		config->ring_entries = DEFAULT_ENTRIES;
	if (config->ring_entries < LEAST_ENTRIES)
		config->ring_entries = LEAST_ENTRIES;
	if (config->fibers > MOST || config->tasks > MOST * 16 || config->stack_bytes > 1U << 30)
		return false;
	config->stack_bytes = (uint32_t)whole(config->stack_bytes, page);
	return !config->pin || config->cpu < CPU_SETSIZE;
}

/* Bytes before the stacks. */
static size_t records_size(const struct fiber_config *config)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return whole(config->fibers * (sizeof(struct fiber) + sizeof(void *) + sizeof(uint32_t)) +
			     config->tasks * sizeof(struct fiber_task),
		     page);
}

static size_t stack_stride(const struct fiber_config *config)
{
	return config->stack_bytes + (size_t)sysconf(_SC_PAGESIZE);
}

size_t fiber_memory_size(const struct fiber_config *wish)
{
	struct fiber_config config;

	if (!complete_config(&config, wish))
		return 0;
	return records_size(&config) + config.fibers * stack_stride(&config);
}

/* Each stack has a page below it that nobody may touch. */
static int guard(struct fiber_runtime *runtime, bool on)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), stride = stack_stride(&runtime->config);
	char *first = (char *)runtime->config.memory + records_size(&runtime->config);
	uint32_t i;

	for (i = 0; i < runtime->config.fibers; i++) {
		/* Since 6.13; mprotect() makes mappings of it, of which there cannot be as many. */
		int ret = madvise(first + i * stride, page, on ? GUARD_INSTALL : GUARD_REMOVE);

		if (ret < 0 || !on)
			ret = mprotect(first + i * stride, page,
				       on ? PROT_NONE : PROT_READ | PROT_WRITE);
		if (ret < 0)
			return -errno;
	}
	return 0;
}

static void divide(struct fiber_runtime *runtime)
{
	const struct fiber_config *config = &runtime->config;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), stride = stack_stride(config);
	char *memory = config->memory, *first = memory + records_size(config);
	uint32_t i;

	memset(memory, 0, records_size(config));
	runtime->fibers = (struct fiber *)(void *)memory;
	memory += config->fibers * sizeof(struct fiber);
	runtime->stacks = (void **)(void *)memory;
	memory += config->fibers * sizeof(void *);
	runtime->tasks = (struct fiber_task *)(void *)memory;
	memory += config->tasks * sizeof(struct fiber_task);
	runtime->free = (uint32_t *)(void *)memory;
	for (i = 0; i < config->fibers; i++) {
		runtime->fibers[i].index = i;
		runtime->fibers[i].runtime = runtime;
		runtime->free[i] = i;
		/* The last is taken first: it is the first in memory. */
		runtime->stacks[config->fibers - 1 - i] = first + i * stride + page;
	}
	runtime->free_count = runtime->stacks_free = runtime->stacks_low = config->fibers;
}

static int take_memory(struct fiber_runtime *runtime)
{
	struct fiber_config *config = &runtime->config;
	size_t size = fiber_memory_size(config);

	if (config->memory != NULL)
		return config->memory_bytes >= size ? 0 : -EINVAL;
	config->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (config->memory == MAP_FAILED)
		return -errno;
	config->memory_bytes = size;
	runtime->mapped = true;
	return 0;
}

static void give_memory(struct fiber_runtime *runtime)
{
	if (runtime->mapped)
		munmap(runtime->config.memory, runtime->config.memory_bytes);
	else
		guard(runtime, false);
}

int fiber_runtime_init(struct fiber_runtime *runtime, const struct fiber_config *config)
{
	int ret;

	memset(runtime, 0, sizeof(*runtime));
	if (!complete_config(&runtime->config, config))
		return -EINVAL;
	if (!fiber_switch_works())
		return -ENOTSUP;
	ret = oring_init_fast(&runtime->ring, runtime->config.ring_entries, NULL, NULL);
	if (ret < 0)
		return ret;
	ret = take_memory(runtime);
	if (ret < 0) {
		oring_exit(&runtime->ring);
		return ret;
	}
	divide(runtime);
	ret = guard(runtime, true);
	if (ret == 0 && runtime->config.slots > 0)
		ret = oring_register_files_sparse(&runtime->ring, runtime->config.slots);
	if (ret == 0)
		ret = oring_start(&runtime->ring);
	if (ret < 0) {
		oring_exit(&runtime->ring);
		give_memory(runtime);
	}
	return ret;
}

int fiber_runtime_exit(struct fiber_runtime *runtime)
{
	uint32_t i;
	int ret;

	runtime->task_count = 0;
	if (runtime->live > 0 && runtime->error == 0) {
		runtime->ending = CANCEL_ROUNDS;
		cancel_all(runtime);
		fiber_runtime_run(runtime);
		runtime->ending = 0;
	}
	if (runtime->live > 0 && runtime->error == 0)
		return -EBUSY;
	/* After an error of the ring fibers are left where they stand; what the kernel does for them ends first. */
	if (runtime->error < 0)
		oring_drain(&runtime->ring, NULL);
	ret = oring_exit(&runtime->ring);
	for (i = 0; i < runtime->config.fibers; i++)
		fiber_switch_forget(&runtime->fibers[i].context);
	if (runtime->config.user_destroy != NULL)
		runtime->config.user_destroy(runtime->config.user);
	give_memory(runtime);
	memset(runtime, 0, sizeof(*runtime));
	return ret;
}

struct fiber_runtime *fiber_runtime_current(void)
{
	if (running != NULL)
		return running;
	return own_is_made ? &own : NULL;
}

int fiber_init(const struct fiber_config *config)
{
	int ret;

	if (own_is_made)
		return -EALREADY;
	ret = fiber_runtime_init(&own, config);
	own_is_made = ret == 0;
	return ret;
}

void fiber_stop(void)
{
	struct fiber_runtime *runtime = fiber_runtime_current();

	if (runtime != NULL)
		runtime->stopped = true;
}

int fiber_run(void)
{
	return own_is_made ? fiber_runtime_run(&own) : -EINVAL;
}

int fiber_exit(void)
{
	int ret;

	if (!own_is_made)
		return -EINVAL;
	ret = fiber_runtime_exit(&own);
	own_is_made = ret == -EBUSY;
	return ret;
}

int fiber_spawn(fiber_function function, void *argument, fiber_handle *handle)
{
	return fiber_runtime_spawn(fiber_runtime_current(), function, argument, handle);
}

int fiber_cancel(fiber_handle fiber)
{
	return fiber_runtime_cancel(fiber_runtime_current(), fiber);
}

void *fiber_user(void)
{
	struct fiber_runtime *runtime = fiber_runtime_current();

	return runtime != NULL ? runtime->config.user : NULL;
}

uint32_t fiber_live(const struct fiber_runtime *runtime)
{
	return runtime->live;
}

uint32_t fiber_stacks_used(const struct fiber_runtime *runtime)
{
	return runtime->config.fibers - runtime->stacks_low;
}
