/* SPDX-License-Identifier: MIT */
/* Operations of fibers: room for them in the queues, chains, cancels, and what completions wake. */
#include "internal.h"

#include <errno.h>
#include <string.h>

static bool is_chain(const struct fiber *fiber)
{
	return fiber->results != fiber->own_results;
}

static oring_context identity(const struct fiber *fiber, uint32_t part)
{
	return oring_context_handle((uint8_t)part, fiber->index, fiber->operation);
}

/* ---- room ---- */

/*
 * As many completions as the queue has room for: so none ever overflows. Some places are kept
 * for cancels, which always complete at once.
 */
static bool has_room(const struct fiber_runtime *runtime, uint32_t n)
{
	uint32_t entries = oring_cq_entries(&runtime->ring);

	return runtime->in_flight + runtime->promised + n <= entries - entries / 8;
}

void fiber_let_in(struct fiber_runtime *runtime)
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
	int64_t begun = fiber_now();
	int ret;

	self->wanted = n;
	ret = fiber_park(&self->runtime->room, NULL, *limit);
	if (ret < 0)
		return ret;
	self->runtime->promised -= n;
	if (*limit != FIBER_FOREVER)
		*limit -= fiber_now() - begun;
	return 0;
}

/* ---- operations ---- */

/* Begin an operation of @n entries: there is room for them when this returns 0. */
static int begin(struct fiber *self, uint32_t n, int32_t *results, int64_t *limit)
{
	struct fiber_runtime *runtime = self->runtime;
	int ret;

	self->told = false;
	if (fiber_take_cancel(self))
		return -ECANCELED;
	if (n > oring_sq_entries(&runtime->ring))
		return -EINVAL;
	if (runtime->room.first != NULL || !has_room(runtime, n)) {
		ret = wait_for_room(self, n, limit);
		if (ret < 0)
			return ret;
		if (fiber_take_cancel(self)) /* after it was let in */
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
	struct fiber *self = fiber_current();
	struct oring_sqe *sqe;

	if (self == NULL)
		return NULL;
	self->refused = begin(self, limit == FIBER_FOREVER ? 1 : 2, self->own_results, &limit);
	if (self->refused < 0)
		return NULL;
	if (limit == FIBER_FOREVER) {
		sqe = oring_sq_reserve(&self->runtime->ring);
	} else {
		limit = limit > 0 ? limit : 0;
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
	fiber_suspend(self);
}

/* A cancel by its one name: by this fiber's, or by one of its file; the latter is not known here. */
static int32_t tell(struct fiber *self, int32_t res)
{
	if (!oring_res_is_cancel(res) || (res == -EINTR && !self->cancelled))
		return res;
	fiber_take_cancel(self);
	return -ECANCELED;
}

int fiber_wait(void)
{
	struct fiber *self = fiber_current();
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
	return tell(self, res);
}

int fiber_chain(uint32_t n, int32_t *results)
{
	struct fiber *self = fiber_current();
	int64_t limit = FIBER_FOREVER;
	int ret;

	if (self == NULL)
		return -EINVAL;
	memset(&self->chain, 0, sizeof(self->chain));
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
	struct fiber *self = fiber_current();
	struct oring_sqe *sqe = self != NULL ? oring_chain_next(&self->chain) : NULL;

	if (sqe != NULL)
		oring_sqe_set_context(sqe, identity(self, self->parts++));
	return sqe;
}

int fiber_chain_wait(void)
{
	struct fiber *self = fiber_current();
	uint32_t i, n;

	if (self == NULL)
		return -EINVAL;
	self->runtime->in_flight -= oring_chain_left(&self->chain);
	oring_chain_end(&self->chain);
	if (self->parts > 0)
		wait_for_all(self);
	for (i = 0; i < self->parts; i++)
		self->results[i] = tell(self, self->results[i]);
	n = self->parts;
	self->parts = 0;
	return (int)n;
}

/* ---- cancels ---- */

void fiber_queue_cancel(struct fiber *fiber)
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

void fiber_send_cancels(struct fiber_runtime *runtime)
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

/* ---- completions ---- */

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
	if (oring_context_bits(context) !=
		    oring_context_bits(identity(fiber, oring_context_op(context))) ||
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
		fiber_make_ready(runtime, fiber);
	} else if (fiber->cancelled && !fiber->shielded && is_chain(fiber)) {
		/* The cancels may have come when one part had ended, and the next had not begun. */
		fiber_queue_cancel(fiber);
	}
}

void fiber_reap(struct fiber_runtime *runtime)
{
	struct oring *ring = &runtime->ring;
	uint32_t cursor, end;
	struct oring_cqe *cqe;

	oring_cq_for_each (ring, cursor, end, cqe)
		complete(runtime, cqe);
	oring_cq_release_to(ring, cursor);
	fiber_let_in(runtime);
}
