/* SPDX-License-Identifier: MIT */
/**
 * multishot.h - the life of a request that completes many times
 *
 * A stream is armed with an entry, steps through its completions, may be asked
 * to end, and is retired once. No system call here, and nothing is submitted:
 * the functions look at a completion, change the stream's few bytes, and say
 * what it means and what is worth doing next.
 *
 *	oring_prep_recv_multishot(sqe, file, 0);
 *	oring_sqe_buffer_select(sqe, bgid);
 *	oring_multishot_arm(&stream, sqe);
 *	...
 *	step = oring_multishot_step(&stream, cqe);
 *	if (step.data)      the completion brought something
 *	if (step.arm_again) prepare and arm again: at once; with step.arm_later not before
 *	                    buffers, descriptors or slots were given back
 *	if (step.retired)   nothing will come any more: the stream's memory is free
 *
 * When streams end (the last completion, without ORING_CQE_F_MORE):
 *
 *   all         cancelled: -ECANCELED. The completion queue was full: the last
 *               completion has data, and arming again goes on (BROKEN_OFF). Told not
 *               to wait (MSG_DONTWAIT): -EAGAIN; a socket's O_NONBLOCK is no such wish
 *   accept      the listener was shut down: -EINVAL; no descriptor is free: -EMFILE,
 *   (5.19)      and the connection waits; no slot: -ENFILE, and it is lost; it was
 *               aborted: -ECONNABORTED
 *   receive     the peer has closed, or an empty datagram came: 0; no buffer: -ENOBUFS;
 *   (6.0)       the connection's error. Like BROKEN_OFF look: a bundle that took the last
 *               buffer (6.10), the limit that was asked for (6.17)
 *   message     as receive, but an empty datagram, and the end of a connection, are
 *   (6.0)       messages without payload (message.h) and look like BROKEN_OFF: on a
 *               connection do not arm again after one
 *   read        the end of the file: 0; no buffer: -ENOBUFS; a file that cannot be
 *   (6.7)       polled: -EBADFD
 *   poll        not by an error or a hang-up: they are events like others; not by
 *   (5.13)      oring_prep_poll_update() of its events (6.0)
 *   timeout     the count of ticks is over: the last -ETIME. A full queue ends it the
 *   (6.4)       same way: FINISHED too early with a count, BROKEN_OFF without
 *
 * Threads: a stream belongs to one thread at a time, the one that reaps.
 */
#ifndef ORING_MULTISHOT_H
#define ORING_MULTISHOT_H

#include "cqe.h"
#include "sqe.h"

ORING_BEGIN_DECLS

enum oring_stream_kind {
	ORING_STREAM_ACCEPT,
	ORING_STREAM_RECV, /* bundles too */
	ORING_STREAM_RECVMSG,
	ORING_STREAM_READ,
	ORING_STREAM_POLL,
	ORING_STREAM_TIMEOUT,
	ORING_STREAM_ONCE /* a request of one completion, that may be cancelled */
};

/* What a completion means for its stream. */
enum oring_stream_end {
	ORING_STREAM_GOES_ON,
	ORING_STREAM_FINISHED,	 /* the end of what there is */
	ORING_STREAM_STARVED,	 /* no provided buffer: release some, then arm again */
	ORING_STREAM_BROKEN_OFF, /* by the kernel, and nothing is wrong: arm again */
	ORING_STREAM_CANCELLED,
	ORING_STREAM_FAILED /* res is the errno */
};

struct oring_multishot {
	oring_context context; /* identity of its completions */
	uint32_t kind;	       /* enum oring_stream_kind */
	uint32_t state;	       /* ORING_MULTISHOT_* */
};

#define ORING_MULTISHOT_ARMED	1U /* a completion without more is still to come */
#define ORING_MULTISHOT_CANCEL	2U /* the completion of a cancel is still to come */
#define ORING_MULTISHOT_ASKED	4U /* to end: it is not armed again */
#define ORING_MULTISHOT_ENDLESS 8U /* a timeout without a count */

struct oring_step {
	uint32_t end;	/* enum oring_stream_end */
	bool data;	/* the result is a connection, bytes, events or a tick */
	bool arm_again; /* worth it, now or when what it lacked is there; nobody asked for the end */
	bool arm_later; /* with arm_again: not before buffers, descriptors or slots were given back */
	bool cancel_again; /* the cancel has found nothing, and the stream goes on */
	bool retired;	   /* true once for each time it was armed: no completion is to come */
};

/** oring_multishot_init - a stream that is not armed. @context: for all its completions. */
ORING_INLINE void oring_multishot_init(struct oring_multishot *stream, enum oring_stream_kind kind,
				       oring_context context)
{
	stream->context = context;
	stream->kind = kind;
	stream->state = 0;
}

/** oring_multishot_busy - completions are to come: of the request, or of a cancel. */
ORING_INLINE bool oring_multishot_busy(const struct oring_multishot *stream)
{
	return (stream->state & (ORING_MULTISHOT_ARMED | ORING_MULTISHOT_CANCEL)) != 0;
}

/** oring_multishot_asked - it was asked to end, since it was armed. */
ORING_INLINE bool oring_multishot_asked(const struct oring_multishot *stream)
{
	return (stream->state & ORING_MULTISHOT_ASKED) != 0;
}

/**
 * oring_multishot_arm - this entry starts the stream
 * @sqe: prepared; its identity is set here, and a timeout's count looked at
 *
 * An earlier wish to end is forgotten. Return: 0; -EBUSY while completions are to
 * come (a cancel that is on its way would hit the new request): then the entry
 * is as it was.
 */
ORING_API int oring_multishot_arm(struct oring_multishot *stream, struct oring_sqe *sqe);

/**
 * oring_multishot_disarm - the entry was taken back (oring_sq_unreserve()), not submitted
 *
 * And with it the entry of its cancel, if there was one behind it.
 */
ORING_INLINE void oring_multishot_disarm(struct oring_multishot *stream)
{
	stream->state &= ~(ORING_MULTISHOT_ARMED | ORING_MULTISHOT_CANCEL);
}

/**
 * oring_multishot_step - what one of its completions means
 *
 * With provided buffers, look at the completion's buffer whatever the step says
 * (bufgroup.h): failed requests may have one.
 */
ORING_API struct oring_step oring_multishot_step(struct oring_multishot *stream,
						 const struct oring_cqe *cqe);

/**
 * oring_multishot_cancel - ask for the end
 * @sqe: a blank entry, for the cancel, whose success must not be skipped; NULL: the
 *       queue is full
 * @canceller: identity of the cancel's own completion, for oring_multishot_cancel_step()
 *
 * The stream goes on until its last completion. Asked again, it does not ask
 * the kernel twice.
 *
 * Return: 0; -EAGAIN without an entry: ask again, it is not armed again in the
 * meantime; -EALREADY while a cancel is on its way; -ENOENT if it is not armed.
 * On error the entry is as it was: take it back.
 */
ORING_API int oring_multishot_cancel(struct oring_multishot *stream, struct oring_sqe *sqe,
				     oring_context canceller);

/** oring_multishot_cancel_step - what the completion of its cancel means; data is never set. */
ORING_API struct oring_step oring_multishot_cancel_step(struct oring_multishot *stream,
							const struct oring_cqe *cqe);

ORING_END_DECLS

#endif
