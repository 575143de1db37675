/* SPDX-License-Identifier: MIT */
/* What completions of multishot requests mean: no more than a table, and three bits of state. */
#include "oring/multishot.h"
#include "oring/prep.h"

static bool brings_data(uint32_t kind, int32_t res)
{
	switch (kind) {
	case ORING_STREAM_RECV:
	case ORING_STREAM_RECVMSG:
	case ORING_STREAM_READ:
		return res > 0;
	case ORING_STREAM_TIMEOUT:
		return res == -ORING_ETIME;
	default:
		return res >= 0;
	}
}

/* Why a stream ended, by its last result. */
static uint32_t end_of(const struct oring_multishot *stream, int32_t res)
{
	if (res == -ORING_ECANCELED)
		return ORING_STREAM_CANCELLED;
	switch (stream->kind) {
	case ORING_STREAM_TIMEOUT:
		if (res == -ORING_ETIME && stream->state & ORING_MULTISHOT_ENDLESS)
			return ORING_STREAM_BROKEN_OFF;
		return res == -ORING_ETIME || res >= 0 ? ORING_STREAM_FINISHED
						       : ORING_STREAM_FAILED;
	case ORING_STREAM_ONCE:
		return res >= 0 ? ORING_STREAM_FINISHED : ORING_STREAM_FAILED;
	case ORING_STREAM_POLL:
	case ORING_STREAM_ACCEPT:
		return res >= 0 ? ORING_STREAM_BROKEN_OFF : ORING_STREAM_FAILED;
	default:
		if (res == -ORING_ENOBUFS)
			return ORING_STREAM_STARVED;
		if (res == 0)
			return ORING_STREAM_FINISHED;
		return res > 0 ? ORING_STREAM_BROKEN_OFF : ORING_STREAM_FAILED;
	}
}

/* What had befallen a connection that is accepted, not its listener: see accept(2). */
static bool befell_connection(int32_t error)
{
	switch (error) {
	case -ORING_ENONET:
	case -ORING_EPROTO:
	case -ORING_ENOPROTOOPT:
	case -ORING_ENETDOWN:
	case -ORING_ENETUNREACH:
	case -ORING_ECONNABORTED:
	case -ORING_EHOSTDOWN:
	case -ORING_EHOSTUNREACH:
		return true;
	default:
		return false;
	}
}

/*
 * Errors of the moment: the same request may work a little later. Not -EAGAIN: the request was
 * told not to wait, and it would come again at once.
 */
static bool passes(uint32_t kind, int32_t error)
{
	if (kind == ORING_STREAM_ACCEPT && befell_connection(error))
		return true;
	/* Of a zero-copy receive: the completion queue was full. */
	if (kind == ORING_STREAM_RECV && error == -ORING_ENOSPC)
		return true;
	switch (error) {
	case -ORING_EINTR:
	case -ORING_ENOMEM:
	case -ORING_ENFILE:
	case -ORING_EMFILE:
	case -ORING_ENOBUFS:
		return true;
	default:
		return false;
	}
}

/* Not at once: something has to be given back first. */
static bool lacks_something(uint32_t end, int32_t res)
{
	return end == ORING_STREAM_STARVED ||
	       (end == ORING_STREAM_FAILED && (res == -ORING_ENOMEM || res == -ORING_ENFILE ||
					       res == -ORING_EMFILE || res == -ORING_ENOBUFS));
}

static bool worth_arming(uint32_t kind, uint32_t end, int32_t res)
{
	return kind != ORING_STREAM_ONCE &&
	       (end == ORING_STREAM_STARVED || end == ORING_STREAM_BROKEN_OFF ||
		(end == ORING_STREAM_FAILED && passes(kind, res)));
}

static struct oring_step nothing(void)
{
	struct oring_step step;

	step.end = ORING_STREAM_GOES_ON;
	step.data = false;
	step.arm_again = false;
	step.arm_later = false;
	step.cancel_again = false;
	step.retired = false;
	return step;
}

int oring_multishot_arm(struct oring_multishot *stream, struct oring_sqe *sqe)
{
	if (oring_multishot_busy(stream))
		return -ORING_EBUSY;
	oring_sqe_set_context(sqe, stream->context);
	stream->state = ORING_MULTISHOT_ARMED;
	if (stream->kind == ORING_STREAM_TIMEOUT && sqe->off == 0)
		stream->state |= ORING_MULTISHOT_ENDLESS;
	return 0;
}

struct oring_step oring_multishot_step(struct oring_multishot *stream, const struct oring_cqe *cqe)
{
	struct oring_step step = nothing();

	/* Nothing was armed: it is not this stream's completion. */
	if (!(stream->state & ORING_MULTISHOT_ARMED))
		return step;
	step.data = brings_data(stream->kind, cqe->res);
	if (oring_cqe_has_more(cqe))
		return step;
	stream->state &= ~ORING_MULTISHOT_ARMED;
	step.end = end_of(stream, cqe->res);
	step.arm_again =
		!oring_multishot_asked(stream) && worth_arming(stream->kind, step.end, cqe->res);
	step.arm_later = step.arm_again && lacks_something(step.end, cqe->res);
	step.retired = !(stream->state & ORING_MULTISHOT_CANCEL);
	return step;
}

int oring_multishot_cancel(struct oring_multishot *stream, struct oring_sqe *sqe,
			   oring_context canceller)
{
	stream->state |= ORING_MULTISHOT_ASKED;
	if (stream->state & ORING_MULTISHOT_CANCEL)
		return -ORING_EALREADY;
	if (!(stream->state & ORING_MULTISHOT_ARMED))
		return -ORING_ENOENT;
	if (sqe == NULL)
		return -ORING_EAGAIN;
	oring_prep_async_cancel(sqe, stream->context, 0);
	oring_sqe_set_context(sqe, canceller);
	stream->state |= ORING_MULTISHOT_CANCEL;
	return 0;
}

struct oring_step oring_multishot_cancel_step(struct oring_multishot *stream,
					      const struct oring_cqe *cqe)
{
	struct oring_step step = nothing();

	if (!(stream->state & ORING_MULTISHOT_CANCEL))
		return step;
	stream->state &= ~ORING_MULTISHOT_CANCEL;
	step.retired = !(stream->state & ORING_MULTISHOT_ARMED);
	/* Not found, or busy at this moment: its last completion may be on its way, or not. */
	step.cancel_again = !step.retired && cqe->res < 0;
	return step;
}
