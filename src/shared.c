/* SPDX-License-Identifier: MIT */
/* Several threads fill one queue: indices are taken by one counter, the tail moves over what is complete. */
#include "oring/shared.h"
#include "sys_inline.h"

int oring_shared_init(struct oring_shared *shared, struct oring *ring, uint32_t *committed)
{
	const uint32_t one_owner = ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_REGISTERED_FD_ONLY |
				   ORING_SETUP_SQ_REWIND | ORING_SETUP_SQE_MIXED;
	uint32_t i;

	if (ring->setup_flags & ORING_RING_CLOSED)
		return -ORING_EBADF;
	if (ring->setup_flags & one_owner)
		return -ORING_EINVAL;
	if (ring->sq_reserved != ring->sq_committed)
		return -ORING_EBUSY;
	shared->ring = ring;
	shared->committed = committed;
	shared->reserved = ring->sq_reserved;
	/* As if the round before had been committed. */
	for (i = 0; i < ring->sq_entries; i++) {
		uint32_t index = ring->sq_reserved + i;

		committed[index & ring->sq_mask] = index + 1 - ring->sq_entries;
	}
	return 0;
}

int oring_shared_reserve_n(struct oring_shared *shared, uint32_t n, uint32_t *first)
{
	const struct oring *ring = shared->ring;
	uint32_t head, index, i;

	if (n == 0 || n > ring->sq_entries)
		return -ORING_EINVAL;
	do {
		/* In this order: what is reserved is never behind a head seen before. */
		head = oring_load_acquire(ring->sq_head);
		index = oring_load_relaxed(&shared->reserved);
		if (index - head > ring->sq_entries - n)
			return -ORING_EAGAIN;
	} while (!__atomic_compare_exchange_n(&shared->reserved, &index, index + n, false,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	for (i = 0; i < n; i++) {
		/*
		 * Acquire: pairs with the commit of this slot one round ago. The
		 * kernel has consumed it since; the language does not know that.
		 */
		oring_load_acquire(&shared->committed[(index + i) & ring->sq_mask]);
		oring_sqe_clear(oring_sq_at(ring, index + i));
	}
	*first = index;
	return 0;
}

/*
 * Move the tail over all that is complete. Several threads may be here: each
 * step is taken by one of them, and who sees the last change goes on.
 */
static void publish(const struct oring_shared *shared)
{
	const struct oring *ring = shared->ring;
	uint32_t tail = oring_load_relaxed(ring->sq_tail);

	for (;;) {
		uint32_t end = tail;

		/* Acquire: pairs with the release in oring_shared_commit(). */
		while (oring_load_acquire(&shared->committed[end & ring->sq_mask]) == end + 1)
			end++;
		if (end == tail) {
			/* Nothing is complete there, or the tail was an old one. */
			end = oring_load_relaxed(ring->sq_tail);
			if (end == tail)
				return;
			tail = end;
			continue;
		}
		/* Release: pairs with the kernel's acquire of sq.tail in io_sqring_entries(). */
		if (__atomic_compare_exchange_n(ring->sq_tail, &tail, end, false, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			tail = end;
	}
}

void oring_shared_commit(struct oring_shared *shared, uint32_t first, uint32_t n)
{
	uint32_t i;

	/* The first one last: who finds it complete finds the others complete. */
	for (i = n; i-- > 0;)
		oring_store_release(&shared->committed[(first + i) & shared->ring->sq_mask],
				    first + i + 1);
	/*
	 * Full fence: of two threads that commit neighbours, one at least sees
	 * that both are complete.
	 */
	oring_fence();
	publish(shared);
}

int oring_shared_push_n(struct oring_shared *shared, const struct oring_sqe *entries, uint32_t n)
{
	uint32_t first = 0;
	uint32_t i;
	int ret = oring_shared_reserve_n(shared, n, &first);

	if (ret < 0)
		return ret;
	for (i = 0; i < n; i++)
		oring_sqe_copy(oring_sq_at(shared->ring, first + i), &entries[i]);
	oring_shared_commit(shared, first, n);
	return 0;
}

int oring_shared_submit(struct oring_shared *shared)
{
	const struct oring *ring = shared->ring;

	if (ring->setup_flags & ORING_SETUP_SQPOLL)
		return oring_sq_needs_wakeup(ring)
			       ? sys_enter(ring->fd, 0, 0, ORING_ENTER_SQ_WAKEUP, NULL, 0)
			       : 0;
	if (oring_load_acquire(ring->sq_head) == oring_load_relaxed(ring->sq_tail))
		return 0;
	/*
	 * All that the kernel finds, not what was counted here: entries of
	 * others may have come and gone, and a count could end inside a chain.
	 */
	return sys_enter(ring->fd, ring->sq_entries, 0, 0, NULL, 0);
}
