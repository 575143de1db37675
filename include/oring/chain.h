/* SPDX-License-Identifier: MIT */
/**
 * chain.h - entries that start one after the other; an operation with its deadline
 *
 *	struct oring_chain chain;
 *
 *	oring_chain_begin(&chain, &ring, 3);
 *	oring_prep_write(oring_chain_next(&chain), file, data, len, 0);
 *	oring_prep_fsync(oring_chain_next(&chain), file, 0);
 *	oring_chain_end(&chain);
 *
 * Entries are reserved together, so a chain is never torn apart by a full
 * queue, and each is linked to the one before it when it is handed out, so the
 * last one never dangles. An error cancels what comes after it (-ECANCELED);
 * so does a short read, write, send or receive. All of a chain must be
 * submitted by one call: what a short submit leaves behind starts unlinked.
 *
 * All functions here: owner only (submission side), unless told otherwise.
 */
#ifndef ORING_CHAIN_H
#define ORING_CHAIN_H

#include "cqe.h"
#include "prep.h"
#include "sq.h"

ORING_BEGIN_DECLS

/* Zeroed, it is one without room. */
struct oring_chain {
	struct oring *ring;
	struct oring_sqe *last; /* handed out last; NULL: none yet */
	uint32_t next;		/* index of the next entry */
	uint32_t left;		/* reserved, and not handed out */
};

/**
 * oring_chain_begin - reserve room for a chain of at most @n entries
 *
 * Reserve nothing else on the ring before oring_chain_end().
 *
 * Return: 0, -EAGAIN or -EINVAL as oring_sq_reserve_n(); on error nothing has
 * changed, and the chain is one without room.
 */
ORING_API int oring_chain_begin(struct oring_chain *chain, struct oring *ring, uint32_t n);

/**
 * oring_chain_next - the next entry, blank; it starts when the one before it succeeded
 *
 * Return: the entry; NULL if all that were reserved are handed out. Since: 5.3.
 */
ORING_API struct oring_sqe *oring_chain_next(struct oring_chain *chain);

/** oring_chain_left - how many entries are reserved and not handed out. */
ORING_INLINE uint32_t oring_chain_left(const struct oring_chain *chain)
{
	return chain->left;
}

/** oring_chain_next_hard - the same; it starts when the one before it ended, however. Since: 5.5. */
ORING_API struct oring_sqe *oring_chain_next_hard(struct oring_chain *chain);

/** oring_chain_next128 - as oring_chain_next(), of 128 bytes; NULL on a ring without these. */
ORING_API struct oring_sqe128 *oring_chain_next128(struct oring_chain *chain);

/**
 * oring_chain_deadline - cancel the entry handed out last at a time
 * @ts, @flags: as of oring_prep_link_timeout()
 * @timer: identity of the timeout's own completion
 *
 * Takes one of the chain's entries. What is handed out next starts when the
 * operation succeeded, whatever became of the timeout.
 *
 * Return: 0; -EINVAL if there is no entry to cancel, or no room: then nothing
 * has changed. Since: 5.5.
 */
ORING_API int oring_chain_deadline(struct oring_chain *chain, const struct oring_timespec *ts,
				   uint32_t flags, oring_context timer);

/**
 * oring_chain_end - give back what was not handed out
 *
 * Also takes a link flag from the last entry, if the caller has set one. Does
 * not submit.
 *
 * Return: 0; -EBUSY if something else was reserved since the chain began: what
 * was not handed out then stays in the queue, as NOPs with user_data 0.
 */
ORING_API int oring_chain_end(struct oring_chain *chain);

/**
 * oring_reserve_with_deadline - two entries, or none: an operation and its time limit
 * @ts, @flags: as of oring_prep_link_timeout()
 * @timer: identity of the timeout's own completion
 *
 * Return: a blank entry for the operation, linked to the timeout behind it;
 * prep it as any other. NULL if there is no room for both: then nothing has
 * changed. Two completions will come, in either order: oring_deadline_end()
 * says what they mean together. An operation that blocks a kernel worker (an open
 * of a fifo, forced there) may outlast the time: recent kernels start the timeout
 * after it was issued. Since: 5.5.
 */
ORING_API struct oring_sqe *oring_reserve_with_deadline(struct oring *ring,
							const struct oring_timespec *ts,
							uint32_t flags, oring_context timer);

/* How an operation with a deadline ended. */
enum oring_deadline_end {
	ORING_DEADLINE_DONE,	 /* by itself: its result stands, be it an error */
	ORING_DEADLINE_EXPIRED,	 /* the time came, and it was cancelled */
	ORING_DEADLINE_CANCELLED /* by something else, or it never started */
};

/**
 * oring_deadline_end - what the two results mean together
 * @res: of the operation
 * @timer_res: of its link timeout
 *
 *	res            timer_res          means
 *	-ECANCELED     -ETIME, -EALREADY  expired
 *	-ECANCELED     1 or more          expired: a wait for a futex or a child, whose cancel
 *	                                  counts what it found (seen on 6.18)
 *	-EINTR         -ETIME, -EALREADY, expired, while a worker thread was at it
 *	               -ENOENT            (an open tells it as -512, ERESTARTSYS; 6.1
 *	                                  interrupts it, and says that it found nothing)
 *	-ECANCELED     anything else      cancelled: by a cancel, by a failure before
 *	                                  it in its chain, or with the ring
 *	anything else  -ECANCELED         done in time
 *	anything else  -ETIME, -ENOENT,   done, while the time came: nothing is lost
 *	               -EALREADY
 *
 * A cancelled operation has done nothing, but one that was interrupted may
 * have. Which result belongs to which entry, identities tell.
 * Source: io_link_timeout_fn(), io_req_task_link_timeout() in io_uring/timeout.c.
 * Any thread.
 */
ORING_INLINE enum oring_deadline_end oring_deadline_end(int32_t res, int32_t timer_res)
{
	bool timed = timer_res == -ORING_ETIME || timer_res == -ORING_EALREADY || timer_res > 0;

	if (!oring_res_is_cancel(res))
		return ORING_DEADLINE_DONE;
	if (timed || (res != -ORING_ECANCELED && timer_res == -ORING_ENOENT))
		return ORING_DEADLINE_EXPIRED;
	return res == -ORING_ECANCELED ? ORING_DEADLINE_CANCELLED : ORING_DEADLINE_DONE;
}

ORING_END_DECLS

#endif
