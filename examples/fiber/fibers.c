/* SPDX-License-Identifier: MIT */
/*
 * Fibers from spawn to await: who is ready, who is parked and how long, and switching. Those that
 * are ready run in rounds: each switches straight to the next; between two rounds to the thread's
 * own stack (runtime.c), if there is anything to do.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <time.h>

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

/* ---- limits of parked fibers: a heap, the first to come at its top ---- */

int64_t fiber_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void timer_place(struct fiber_runtime *runtime, uint32_t place, struct fiber *fiber)
{
	runtime->timers[place] = fiber;
	fiber->timer = place + 1;
}

/* @place is empty: it moves up, or down, to where @fiber belongs. */
static void timer_settle(struct fiber_runtime *runtime, uint32_t place, struct fiber *fiber)
{
	struct fiber **timers = runtime->timers;
	uint32_t next;

	while (place > 0 && timers[(place - 1) / 2]->deadline > fiber->deadline) {
		timer_place(runtime, place, timers[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	while ((next = 2 * place + 1) < runtime->timer_count) {
		if (next + 1 < runtime->timer_count &&
		    timers[next + 1]->deadline < timers[next]->deadline)
			next++;
		if (timers[next]->deadline >= fiber->deadline)
			break;
		timer_place(runtime, place, timers[next]);
		place = next;
	}
	timer_place(runtime, place, fiber);
}

static void timer_add(struct fiber *fiber, int64_t limit)
{
	struct fiber_runtime *runtime = fiber->runtime;
	int64_t begin = fiber_now();

	fiber->deadline = limit > INT64_MAX - begin ? INT64_MAX : begin + limit;
	timer_settle(runtime, runtime->timer_count++, fiber);
}

static void timer_remove(struct fiber *fiber)
{
	struct fiber_runtime *runtime = fiber->runtime;
	uint32_t place = fiber->timer - 1;
	struct fiber *last;

	if (fiber->timer == 0)
		return;
	fiber->timer = 0;
	last = runtime->timers[--runtime->timer_count];
	if (last != fiber)
		timer_settle(runtime, place, last);
}

/* ---- parking ---- */

static void unpark(struct fiber *fiber, int result)
{
	list_remove(fiber);
	timer_remove(fiber);
	fiber->woken = result;
	fiber->state = FIBER_RUNS;
	fiber_make_ready(fiber->runtime, fiber);
}

bool fiber_unpark(struct fiber_list *list, int result)
{
	if (list->first == NULL)
		return false;
	unpark(list->first, result);
	return true;
}

void fiber_expire(struct fiber_runtime *runtime)
{
	int64_t time;

	if (runtime->timer_count == 0)
		return;
	time = fiber_now();
	while (runtime->timer_count > 0 && runtime->timers[0]->deadline <= time)
		unpark(runtime->timers[0], -ETIME);
}

/* ---- switching ---- */

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

void fiber_release(struct fiber_runtime *runtime)
{
	struct fiber *fiber = runtime->ended;

	runtime->ended = NULL;
	give_back(fiber);
}

void fiber_suspend(struct fiber *self)
{
	struct fiber_runtime *runtime = self->runtime;
	struct fiber_switch *next = fiber_next_context(runtime);

	if (next == &self->context)
		return;
	fiber_switch_to(&self->context, next, &runtime->left);
	if (runtime->ended != NULL)
		fiber_release(runtime);
}

bool fiber_told(void)
{
	struct fiber *self = fiber_current();

	return self != NULL && self->told;
}

void fiber_tell_again(void)
{
	if (fiber_told())
		fiber_current()->cancelled = true;
}

int fiber_park(struct fiber_list *list, void *item, int64_t limit)
{
	struct fiber *self = fiber_current();

	if (self == NULL)
		return -EINVAL;
	self->told = false;
	if (fiber_take_cancel(self))
		return -ECANCELED;
	if (limit <= 0)
		return -ETIME;
	self->state = FIBER_PARKED;
	self->item = item;
	list_add(list, self);
	if (limit != FIBER_FOREVER)
		timer_add(self, limit);
	fiber_suspend(self);
	return self->woken;
}

int fiber_yield(void)
{
	struct fiber *self = fiber_current();

	if (self == NULL)
		return -EINVAL;
	if (fiber_take_cancel(self))
		return -ECANCELED;
	fiber_make_ready(self->runtime, self);
	fiber_suspend(self);
	return fiber_take_cancel(self) ? -ECANCELED : 0;
}

bool fiber_shield(bool on)
{
	struct fiber *self = fiber_current();
	bool before = self != NULL && self->shielded;

	if (self != NULL)
		self->shielded = on;
	return before;
}

/* ---- the life of a fiber ---- */

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

/* It never returns: ThreadSanitizer must not count its calls. */
FIBER_NOT_TSAN static void fiber_main(void *argument)
{
	struct fiber *self = argument;
	struct fiber_runtime *runtime = self->runtime;
	struct fiber_switch *next;

	fiber_switch_begun(runtime->left);
	if (runtime->ended != NULL)
		fiber_release(runtime);
	self->state = FIBER_RUNS;
	finish(self, self->function(self->argument));
	runtime->ended = self;
	next = fiber_next_context(runtime);
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
	fiber_make_ready(runtime, fiber);
	if (handle != NULL)
		*handle = fiber_handle_of(fiber);
	return 0;
}

void fiber_start_tasks(struct fiber_runtime *runtime)
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
	struct fiber *self = fiber_current();

	return self != NULL ? fiber_handle_of(self) : none;
}

int fiber_await(fiber_handle handle, intptr_t *value)
{
	struct fiber *self = fiber_current();
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
		fiber_queue_cancel(fiber);
	}
	return 0;
}
