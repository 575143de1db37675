/* SPDX-License-Identifier: MIT */
/**
 * internal.h - what the layer's own files share
 */
#ifndef FIBER_INTERNAL_H
#define FIBER_INTERNAL_H

#include "fiber.h"

/* Whose fibers run in this thread. */
extern _Thread_local struct fiber_runtime *fiber_running;

static inline struct fiber *fiber_current(void)
{
	return fiber_running != NULL ? fiber_running->current : NULL;
}

static inline fiber_handle fiber_handle_of(const struct fiber *fiber)
{
	fiber_handle handle = { (uint64_t)fiber->generation << 32 | (fiber->index + 1) };

	return handle;
}

/* ---- fibers.c ---- */

static inline void fiber_make_ready(struct fiber_runtime *runtime, struct fiber *fiber)
{
	fiber->next = NULL;
	if (runtime->ready == NULL)
		runtime->ready = fiber;
	else
		runtime->last_ready->next = fiber;
	runtime->last_ready = fiber;
}

static inline struct fiber *fiber_take_ready(struct fiber_runtime *runtime)
{
	struct fiber *fiber = runtime->ready;

	runtime->ready = fiber->next;
	if (fiber == runtime->round_last)
		runtime->round_last = NULL;
	runtime->current = fiber;
	return fiber;
}

/* Between two rounds there is nothing to do: no entry to submit, no completion, nobody to let in. */
static inline bool fiber_is_quiet(struct fiber_runtime *runtime)
{
	return oring_sq_pending(&runtime->ring) == 0 && oring_cq_ready(&runtime->ring) == 0 &&
	       !oring_taskrun_pending(&runtime->ring) && runtime->timer_count == 0 &&
	       runtime->cancels == NULL && runtime->room.first == NULL &&
	       runtime->task_count == 0 && !runtime->stopped;
}

/* Where to go from here: the next fiber of the round, or of the next one; or the scheduler. */
static inline struct fiber_switch *fiber_next_context(struct fiber_runtime *runtime)
{
	if (runtime->round_last == NULL && runtime->ready != NULL && fiber_is_quiet(runtime))
		runtime->round_last = runtime->last_ready;
	if (runtime->round_last != NULL)
		return &fiber_take_ready(runtime)->context;
	runtime->current = NULL;
	return &runtime->main;
}

/* A cancel that was not told yet is told now. */
static inline bool fiber_take_cancel(struct fiber *self)
{
	if (!self->cancelled || self->shielded)
		return false;
	self->cancelled = false;
	self->told = true;
	return true;
}

/* The fiber that runs waits for whoever makes it ready. */
void fiber_suspend(struct fiber *self);

/* The stack of a fiber that ended is free once another is run on. */
void fiber_release(struct fiber_runtime *runtime);

/* Tasks that wait, as far as there are fibers for them. */
void fiber_start_tasks(struct fiber_runtime *runtime);

/* Parked fibers whose time has come are ready. */
void fiber_expire(struct fiber_runtime *runtime);

/* ---- operations.c ---- */

/* Whoever waits longest for room comes first, be it for one entry or for a chain. */
void fiber_let_in(struct fiber_runtime *runtime);

/* Ask for a cancel of what @fiber has in flight; it is sent when there is room. */
void fiber_queue_cancel(struct fiber *fiber);

/* The cancels that were asked for, as far as there is room: of a chain, for each of its parts. */
void fiber_send_cancels(struct fiber_runtime *runtime);

/* Take all completions that are there. */
void fiber_reap(struct fiber_runtime *runtime);

#endif
