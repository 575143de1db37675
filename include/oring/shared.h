/* SPDX-License-Identifier: MIT */
/**
 * shared.h - a submission queue that several threads fill at once
 *
 * Nobody holds a lock, neither across a system call nor otherwise: threads take
 * slots, prepare their entries in place, and each commit lets the kernel see
 * what is complete from the tail on. An entry that another thread is still
 * preparing holds back those behind it; its own commit then lets them all go.
 *
 *	if (oring_shared_reserve_n(&shared, 2, &first) == 0) {
 *		prepare oring_sq_at(ring, first) and oring_sq_at(ring, first + 1)
 *		oring_shared_commit(&shared, first, 2);
 *		oring_shared_submit(&shared);
 *	}
 *
 * What was reserved together the kernel sees together: a chain stays whole.
 * Each thread that commits submits: then nothing is left lying.
 *
 * While it is in use, the ring's own submission functions (oring_sq_*,
 * oring_submit*) must not be called. Its completion side belongs to one thread,
 * as ever: oring_wait() and oring_cq_*. A thread that submits must outlive its
 * requests: they complete with -ECANCELED once it has ended, at once if a kernel
 * worker is at them, otherwise when what they wait for happens.
 */
#ifndef ORING_SHARED_H
#define ORING_SHARED_H

#include "ring.h"
#include "sq.h"

ORING_BEGIN_DECLS

struct oring_shared {
	struct oring *ring;
	uint32_t *committed; /* for each slot: one more than the index last committed there */
	unsigned char pad1[64];
	uint32_t reserved; /* next index to hand out */
	unsigned char pad2[64];
};

/**
 * oring_shared_init - let several threads submit to @ring
 * @committed: oring_sq_entries(ring) words, the caller's while @shared is used
 *
 * Return: 0; -EINVAL for a ring that only one thread may enter (SINGLE_ISSUER,
 * REGISTERED_FD_ONLY), or whose entries have no fixed places (SQ_REWIND,
 * SQE_MIXED); -EBUSY while entries are reserved; -EBADF of a closed ring.
 * Threads: one, before the others begin.
 */
ORING_API int oring_shared_init(struct oring_shared *shared, struct oring *ring,
				uint32_t *committed);

/**
 * oring_shared_reserve_n - @n blank entries, or none
 * @first: receives the index of the first; oring_sq_at(ring, *first + i) are
 *         the entries, i < n. Untouched on error
 *
 * They must be committed, all with one call: there is no way back, other entries
 * may lie behind them. Who does not want them makes them NOPs.
 *
 * Return: 0; -EAGAIN if there is no room now; -EINVAL if @n is 0 or more than
 * the ring holds. Threads: any.
 */
ORING_API int oring_shared_reserve_n(struct oring_shared *shared, uint32_t n, uint32_t *first);

/** oring_shared_commit - entries from oring_shared_reserve_n() are complete. Threads: any. */
ORING_API void oring_shared_commit(struct oring_shared *shared, uint32_t first, uint32_t n);

/**
 * oring_shared_push_n - reserve, copy prepared entries in, commit
 * @entries: @n prepared entries, one after the other
 *
 * Return: as oring_shared_reserve_n(). Threads: any.
 */
ORING_API int oring_shared_push_n(struct oring_shared *shared, const struct oring_sqe *entries,
				  uint32_t n);

/**
 * oring_shared_submit - enter, so that the kernel consumes what was committed
 *
 * Enters the kernel if there is something that the kernel has not consumed,
 * whoever committed it; with SQPOLL only if its thread sleeps. Threads that enter
 * at once wait for each other in the kernel, and none finds the other's work
 * undone. After it, the caller's own entries have been consumed, or are behind
 * those of a thread that has yet to commit (and to submit) or of a submission
 * that was short (call again).
 *
 * Return: entries consumed by this call (0 if others were faster); negative as
 * oring_submit(). Threads: any.
 */
ORING_API int oring_shared_submit(struct oring_shared *shared);

ORING_END_DECLS

#endif
