/* SPDX-License-Identifier: MIT */
/**
 * cq.h - the completion queue: peek at completions, release them
 *
 * Nothing here enters the kernel; waiting is ring.h's. All of it belongs to the
 * thread that owns the ring's completion side.
 */
#ifndef ORING_CQ_H
#define ORING_CQ_H

#include "abi.h"
#include "cqe.h"
#include "mem.h"
#include "ring.h"

ORING_BEGIN_DECLS

/** oring_cq_entries - slots that the queue has. Any thread. */
ORING_INLINE uint32_t oring_cq_entries(const struct oring *ring)
{
	return ring->cq_entries;
}

/* Acquire: pairs with the kernel's release of cq.tail in io_commit_cqring(). */
ORING_INLINE uint32_t oring_cq_end(const struct oring *ring)
{
	return oring_load_acquire(ring->cq_tail);
}

/** oring_cq_begin - the oldest slot that was not released: where a walk begins. Owner only. */
ORING_INLINE uint32_t oring_cq_begin(const struct oring *ring)
{
	return ring->cq_released;
}

/**
 * oring_cq_ready - completion slots that can be read now
 *
 * On a mixed ring a large completion takes two slots, and a filler one. Does
 * not enter the kernel. Owner only.
 */
ORING_INLINE uint32_t oring_cq_ready(const struct oring *ring)
{
	return oring_cq_end(ring) - ring->cq_released;
}

/* The completion in slot @index. */
ORING_INLINE struct oring_cqe *oring_cq_at(const struct oring *ring, uint32_t index)
{
	uint32_t offset = (index & ring->cq_mask) * ring->cq_stride;
	struct oring_cqe *cqe = (struct oring_cqe *)(void *)(ring->cqes + offset);

	oring_assume(cqe != NULL);
	return cqe;
}

/* oring_cq_next() where completions may take two slots. */
ORING_INLINE struct oring_cqe *oring_cq_next_mixed(const struct oring *ring, uint32_t *cursor,
						   uint32_t end)
{
	while (*cursor != end) {
		struct oring_cqe *cqe = oring_cq_at(ring, *cursor);

		*cursor += cqe->flags & ORING_CQE_F_32 ? 2 : 1;
		if (!(cqe->flags & ORING_CQE_F_SKIP))
			return cqe;
	}
	return NULL;
}

/**
 * oring_cq_next - the completion at a cursor, and the cursor after it
 * @cursor: a slot index; moved past what is returned, and past fillers
 * @end: as oring_cq_end() gave it
 *
 * Return: the completion, readable until it is released; NULL at the end.
 * Threads: owner only.
 */
ORING_INLINE struct oring_cqe *oring_cq_next(const struct oring *ring, uint32_t *cursor,
					     uint32_t end)
{
	uint32_t index = *cursor;

	if (index == end)
		return NULL;
	if (oring_unlikely(ring->cq_mixed != 0))
		return oring_cq_next_mixed(ring, cursor, end);
	/* Where all have one size, the next place does not depend on what is loaded here. */
	*cursor = index + 1;
	return oring_cq_at(ring, index);
}

/**
 * oring_cq_for_each - walk over the completions that are ready now
 * @ring: struct oring *
 * @cursor: uint32_t variable; always the first slot not consumed, also after break
 * @end: uint32_t variable; the tail as it was at the beginning
 * @cqe: struct oring_cqe * variable
 *
 * Releases nothing: call oring_cq_release_to(ring, cursor) after the loop, or
 * in it. Completions that come during the walk are left for the next. Reserving
 * and submitting inside the loop is fine.
 */
#define oring_cq_for_each(ring, cursor, end, cqe)                        \
	for ((cursor) = (ring)->cq_released, (end) = oring_cq_end(ring); \
	     ((cqe) = oring_cq_next((ring), &(cursor), (end))) != NULL;)

/**
 * oring_cq_run - completions that are ready and lie side by side in memory
 * @cursor: a slot index; moved past what is returned
 * @end: as oring_cq_end() gave it
 * @n: receives how many there are
 *
 * The fastest way through many completions, as an array:
 *
 *	uint32_t n, i, cursor = oring_cq_begin(ring), end = oring_cq_end(ring);
 *
 *	while ((cqe = oring_cq_run(ring, &cursor, end, &n)) != NULL)
 *		for (i = 0; i < n; i++)
 *			use(&cqe[i]);
 *	oring_cq_release_to(ring, cursor);
 *
 * A queue wraps, so there may be two runs. On rings with completions of 32 bytes,
 * and on mixed ones, each is a run by itself.
 *
 * Return: the first of them; NULL at the end.
 * Threads: owner only.
 */
ORING_INLINE struct oring_cqe *oring_cq_run(const struct oring *ring, uint32_t *cursor,
					    uint32_t end, uint32_t *n)
{
	uint32_t index = *cursor;
	uint32_t ready = end - index;
	uint32_t until_wrap;

	if (ready == 0)
		return NULL;
	*n = 1;
	if (oring_unlikely(ring->cq_stride != sizeof(struct oring_cqe) || ring->cq_mixed != 0))
		return oring_cq_next(ring, cursor, end);
	until_wrap = (~index & ring->cq_mask) + 1;
	*n = ready < until_wrap ? ready : until_wrap;
	oring_assume(*n != 0);
	*cursor = index + *n;
	return oring_cq_at(ring, index);
}

/* The slots before @cursor are the kernel's. */
ORING_INLINE void oring_cq_store(struct oring *ring, uint32_t cursor)
{
	ring->cq_released = cursor;
	/*
	 * Release: our reads come before. The kernel's side is the control
	 * dependency of its writes on cq.head in io_cqe_cache_refill().
	 */
	oring_store_release(ring->cq_head, cursor);
}

/**
 * oring_cq_release_to - give the slots before @cursor back to the kernel
 *
 * Their completions must not be read any more. Owner only.
 */
ORING_INLINE void oring_cq_release_to(struct oring *ring, uint32_t cursor)
{
	/* A store would take the cache line from the kernel's side for nothing. */
	if (cursor != ring->cq_released)
		oring_cq_store(ring, cursor);
}

/**
 * oring_cq_peek - the oldest completion, or NULL
 *
 * Does not enter the kernel and does not consume: the same one comes again
 * until oring_cq_release(). On a mixed ring, fillers before it are released.
 * Owner only.
 */
ORING_INLINE struct oring_cqe *oring_cq_peek(struct oring *ring)
{
	uint32_t end = oring_cq_end(ring);

	while (ring->cq_released != end) {
		struct oring_cqe *cqe = oring_cq_at(ring, ring->cq_released);

		if (oring_likely(!ring->cq_mixed || !(cqe->flags & ORING_CQE_F_SKIP)))
			return cqe;
		oring_cq_release_to(ring, ring->cq_released + 1);
	}
	return NULL;
}

/**
 * oring_cq_release - give back the completion that oring_cq_peek() returned
 *
 * Only after a peek that returned one: what is released is the oldest completion
 * there is, looked at or not. With none ready nothing happens. Owner only.
 */
ORING_INLINE void oring_cq_release(struct oring *ring)
{
	uint32_t cursor = ring->cq_released;

	if (oring_cq_next(ring, &cursor, oring_cq_end(ring)) != NULL)
		oring_cq_release_to(ring, cursor);
}

/**
 * oring_cq_take - copy the oldest completion out, and release it
 * @out: receives it; of 32-byte completions the first half. Untouched if there is none
 *
 * Does not enter the kernel. Return: whether there was one.
 * Threads: owner only.
 */
ORING_INLINE bool oring_cq_take(struct oring *ring, struct oring_cqe *out)
{
	uint32_t index = ring->cq_released;
	uint32_t end = oring_cq_end(ring);
	uint32_t cursor = index + 1;
	const struct oring_cqe *cqe;

	if (index == end)
		return false;
	if (oring_unlikely(ring->cq_mixed != 0)) {
		cursor = index;
		cqe = oring_cq_next_mixed(ring, &cursor, end);
		if (cqe == NULL) {
			oring_cq_store(ring, cursor); /* fillers alone */
			return false;
		}
	} else {
		cqe = oring_cq_at(ring, index);
	}
	out->user_data = cqe->user_data;
	out->res = cqe->res;
	out->flags = cqe->flags;
	oring_cq_store(ring, cursor);
	return true;
}

/**
 * oring_cq_copy - copy completions out and release them
 * @out: room for @max
 *
 * Of 32-byte completions the first half is copied. Does not enter the kernel.
 *
 * Return: how many, 0 if none is ready.
 * Threads: owner only.
 */
ORING_API uint32_t oring_cq_copy(struct oring *ring, struct oring_cqe *out, uint32_t max);

/**
 * oring_cq_copy32 - the same, whole completions of 32 bytes
 *
 * Where a completion has 16 bytes, the rest of its record is zero.
 */
ORING_API uint32_t oring_cq_copy32(struct oring *ring, struct oring_cqe32 *out, uint32_t max);

/**
 * oring_cq_overflowed - completions wait in the kernel for room in the ring
 *
 * They come, in order, with an enter that gets events once there is room:
 * release, then oring_get_events(), until this says false. Since: 5.8. Any thread.
 */
ORING_INLINE bool oring_cq_overflowed(const struct oring *ring)
{
	return (oring_load_relaxed(ring->sq_flags) & ORING_SQ_CQ_OVERFLOW) != 0;
}

/**
 * oring_cq_overflow_count - completions that were lost for good
 *
 * 0 unless the kernel had no memory to keep them. Any thread.
 */
ORING_INLINE uint32_t oring_cq_overflow_count(const struct oring *ring)
{
	return oring_load_relaxed(ring->cq_overflow);
}

/**
 * oring_cq_set_eventfd - whether the registered eventfd is signalled
 * @signals: false: no more, until this is called with true
 *
 * A store to ring memory, no system call: a thread that reaps anyway spares itself
 * the wake-ups. Completions that come meanwhile are not signalled later: look
 * for them after turning it on again.
 *
 * Return: 0; -EOPNOTSUPP before 5.8; -EBADF of a closed ring.
 * Threads: owner only. Since: 5.8.
 */
ORING_INLINE int oring_cq_set_eventfd(struct oring *ring, bool signals)
{
	if (ring->setup_flags & ORING_RING_CLOSED)
		return -ORING_EBADF;
	if (ring->cq_flags == NULL)
		return -ORING_EOPNOTSUPP;
	oring_store_relaxed(ring->cq_flags, signals ? 0 : ORING_CQ_EVENTFD_DISABLED);
	return 0;
}

ORING_END_DECLS

#endif
