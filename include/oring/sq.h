/* SPDX-License-Identifier: MIT */
/**
 * sq.h - the submission queue: reserve entries, commit them
 *
 * Nothing here enters the kernel; oring_submit() (ring.h) does, and commits too.
 * All of it belongs to the thread that owns the ring's submission side.
 */
#ifndef ORING_SQ_H
#define ORING_SQ_H

#include "abi.h"
#include "mem.h"
#include "ring.h"
#include "sqe.h"

ORING_BEGIN_DECLS

/*
 * Learn how far the kernel has read. Acquire: pairs with the kernel's release
 * of sq.head in io_commit_sqring(), so that a slot is not overwritten before
 * the kernel has read it.
 */
ORING_INLINE void oring_sq_refresh(struct oring *ring)
{
	ring->sq_limit = oring_load_acquire(ring->sq_head) + ring->sq_entries;
}

/** oring_sq_entries - entries that the queue has. Any thread. */
ORING_INLINE uint32_t oring_sq_entries(const struct oring *ring)
{
	return ring->sq_entries;
}

/** oring_sq_space - entries that can be reserved now. No system call. Owner only. */
ORING_INLINE uint32_t oring_sq_space(struct oring *ring)
{
	oring_sq_refresh(ring);
	return ring->sq_limit - ring->sq_reserved;
}

/**
 * oring_sq_pending - entries reserved or committed that the kernel has not consumed
 *
 * After a failed or short submit: what remains. Owner only.
 */
ORING_INLINE uint32_t oring_sq_pending(const struct oring *ring)
{
	return ring->sq_reserved - oring_load_acquire(ring->sq_head);
}

/**
 * oring_sq_at - the entry with index @index, as given by oring_sq_reserve_n()
 *
 * Valid until it is committed. Owner only.
 */
ORING_INLINE struct oring_sqe *oring_sq_at(const struct oring *ring, uint32_t index)
{
	uint32_t offset = (index & ring->sq_mask) * ring->sq_stride;
	struct oring_sqe *sqe = (struct oring_sqe *)(void *)(ring->sqes + offset);

	/* So that a caller's test for a full queue costs nothing where there is an entry. */
	oring_assume(sqe != NULL);
	return sqe;
}

/* Take one slot, not cleared; NULL if there is none. */
ORING_INLINE struct oring_sqe *oring_sq_take(struct oring *ring)
{
	uint32_t index = ring->sq_reserved;

	if (oring_unlikely(index == ring->sq_limit)) {
		oring_sq_refresh(ring);
		if (index == ring->sq_limit)
			return NULL;
	}
	ring->sq_reserved = index + 1;
	return oring_sq_at(ring, index);
}

/**
 * oring_sq_reserve - a blank entry
 *
 * Does not enter the kernel and does not submit. On a ring with 128-byte
 * entries the second half is left as it was (oring_sq_reserve128() clears both).
 *
 * Return: the entry, the caller's until commit or submit; NULL if the queue is
 * full, and then nothing has changed: oring_submit() and reserve again (with
 * SQPOLL, the kernel's thread may free entries at any time).
 * Threads: owner only.
 */
ORING_INLINE struct oring_sqe *oring_sq_reserve(struct oring *ring)
{
	struct oring_sqe *sqe = oring_sq_take(ring);

	if (oring_likely(sqe != NULL))
		oring_sqe_clear(sqe);
	return sqe;
}

/**
 * oring_sq_reserve_run - @slots neighbouring slots, blank
 *
 * What would lie across the end of the queue's memory begins at its beginning
 * instead: the slots before that become NOPs that skip their completion (so
 * the kernel refuses drain on this ring from then on).
 *
 * Return: the first slot; NULL if there is no room, and then nothing has changed.
 * Threads: owner only.
 */
ORING_API struct oring_sqe *oring_sq_reserve_run(struct oring *ring, uint32_t slots);

/**
 * oring_sq_reserve128 - a blank 128-byte entry
 *
 * On a ring with SQE_MIXED it takes two slots, as oring_sq_reserve_run() does.
 *
 * Return: the entry; NULL if the queue is full, or the ring has none of this size
 * (neither ORING_SETUP_SQE128 nor ORING_SETUP_SQE_MIXED).
 * Threads: owner only. Since: 5.19; mixed 6.19.
 */
ORING_INLINE struct oring_sqe128 *oring_sq_reserve128(struct oring *ring)
{
	struct oring_sqe128 *sqe;

	if (ring->setup_flags & ORING_SETUP_SQE_MIXED)
		return (struct oring_sqe128 *)(void *)oring_sq_reserve_run(ring, 2);
	if (ring->sq_stride != sizeof(*sqe))
		return NULL;
	sqe = (struct oring_sqe128 *)(void *)oring_sq_take(ring);
	if (oring_likely(sqe != NULL))
		oring_sqe128_clear(sqe);
	return sqe;
}

/**
 * oring_sq_reserve_n - @n blank entries, or none
 * @first: receives the index of the first; oring_sq_at(ring, *first + i) are
 *         the entries, i < n. Untouched on error.
 *
 * For what must not be torn apart: a chain ends with the submit call in which
 * it was begun.
 *
 * Return: 0; -EAGAIN if there is no room now; -EINVAL if @n is 0 or more than
 * the ring holds. On error nothing has changed.
 * Threads: owner only.
 */
ORING_API int oring_sq_reserve_n(struct oring *ring, uint32_t n, uint32_t *first);

/**
 * oring_sq_unreserve - take back the @n newest entries
 *
 * Return: 0; -EINVAL if fewer than @n are reserved and not committed, and then
 * nothing has changed.
 * Threads: owner only.
 */
ORING_INLINE int oring_sq_unreserve(struct oring *ring, uint32_t n)
{
	if (n > ring->sq_reserved - ring->sq_committed)
		return -ORING_EINVAL;
	ring->sq_reserved -= n;
	return 0;
}

/**
 * oring_sq_push - reserve an entry and copy a prepared one into it
 * @template_sqe: 64 bytes, prepared elsewhere
 *
 * Return: the copy, to change what differs; NULL if the queue is full.
 * Threads: owner only.
 */
ORING_INLINE struct oring_sqe *oring_sq_push(struct oring *ring,
					     const struct oring_sqe *template_sqe)
{
	struct oring_sqe *sqe = oring_sq_take(ring);

	if (oring_likely(sqe != NULL))
		oring_sqe_copy(sqe, template_sqe);
	return sqe;
}

/**
 * oring_sq_push_n - the same for @n entries, or none
 * @entries: @n prepared entries, one after the other
 *
 * Return: 0, -EAGAIN or -EINVAL as oring_sq_reserve_n().
 * Threads: owner only.
 */
ORING_API int oring_sq_push_n(struct oring *ring, const struct oring_sqe *entries, uint32_t n);

/**
 * oring_sq_commit - let the kernel see what was reserved
 *
 * Does not enter the kernel. With SQPOLL its thread takes the entries from
 * here on (if it is awake: oring_submit() wakes it); otherwise they wait for
 * an enter.
 *
 * Return: entries committed by this call.
 * Threads: owner only.
 */
ORING_INLINE uint32_t oring_sq_commit(struct oring *ring)
{
	uint32_t tail = ring->sq_reserved;
	uint32_t n = tail - ring->sq_committed;

	if (n == 0)
		return 0;
	ring->sq_committed = tail;
	/* Release: pairs with the kernel's acquire of sq.tail in io_sqring_entries(). */
	oring_store_release(ring->sq_tail, tail);
	return n;
}

/** oring_sq_dropped - entries that the kernel dropped: their index was out of range. Any thread. */
ORING_INLINE uint32_t oring_sq_dropped(const struct oring *ring)
{
	return oring_load_relaxed(ring->sq_dropped);
}

/**
 * oring_sq_needs_wakeup - SQPOLL: does the kernel's thread sleep?
 *
 * After a commit. Any thread.
 */
ORING_INLINE bool oring_sq_needs_wakeup(const struct oring *ring)
{
	/*
	 * Full fence: the tail must be visible before the flag is read. Pairs
	 * with the smp_mb() in io_sq_thread() between setting the flag and
	 * looking at the tail a last time.
	 */
	oring_fence();
	return (oring_load_relaxed(ring->sq_flags) & ORING_SQ_NEED_WAKEUP) != 0;
}

/** oring_taskrun_pending - with TASKRUN_FLAG: work waits for an enter. Any thread. */
ORING_INLINE bool oring_taskrun_pending(const struct oring *ring)
{
	return (oring_load_relaxed(ring->sq_flags) & ORING_SQ_TASKRUN) != 0;
}

ORING_END_DECLS

#endif
