/* SPDX-License-Identifier: MIT */
/**
 * bufring.h - a ring of provided buffers: what the kernel takes receive buffers from
 *
 * The bare ring: buffers of any size and place, ids of the caller's choice, no
 * books kept. bufgroup.h stands on it and knows which buffer is where.
 *
 * The kernel takes buffers in the order in which they were added, and tells
 * with a completion which one it was (oring_cqe_buffer_id()). A request that
 * finds none ends with -ENOBUFS. Since: 5.19.
 */
#ifndef ORING_BUFRING_H
#define ORING_BUFRING_H

#include "abi_reg.h"
#include "mem.h"
#include "ring.h"

ORING_BEGIN_DECLS

struct oring_bufring {
	struct oring_buf *bufs; /* the ring; the first one's resv is the tail */
	uint16_t tail;		/* of what was added; the kernel knows it up to the last commit */
	uint16_t mask;
	uint16_t bgid;
	uint16_t flags; /* ORING_PBUF_RING_* */
	void *mapped;	/* memory of the kernel's; or NULL: it is the caller's */
	size_t bytes;
};

/* What oring_bufring_init() is asked for. Zero what is not wanted. */
struct oring_bufring_params {
	void *memory;	   /* at a page, oring_bufring_size() bytes; NULL: the kernel's (6.4) */
	uint32_t entries;  /* a power of two, 1 to 32768 */
	uint16_t bgid;	   /* the group's number, any that is free; in kernel memory below 2048 */
	uint16_t flags;	   /* ORING_PBUF_RING_INC: buffers are consumed piece by piece (6.12) */
	uint32_t min_left; /* with INC: a rest below this counts as used up (7.1); or 0 */
};

/** oring_bufring_size - bytes of memory for a ring of @entries, whole pages. Any thread. Pure. */
ORING_INLINE size_t oring_bufring_size(uint32_t entries, size_t page)
{
	return ((size_t)entries * sizeof(struct oring_buf) + page - 1) & ~(page - 1);
}

/**
 * oring_bufring_init - register an empty ring
 *
 * Enters the kernel: a registration, and for memory of the kernel's two calls
 * more. A forked child does not get that memory; the caller's is the caller's
 * business.
 *
 * Return: 0; -EINVAL for entries or memory that do not do, and before 5.19;
 * -EEXIST if the group has a ring; -ENOMEM, also where RLIMIT_MEMLOCK is too
 * small; what mmap(2) says. On error nothing is registered or mapped.
 * Threads: owner only. Since: 5.19.
 */
ORING_API int oring_bufring_init(struct oring_bufring *bufring, struct oring *ring,
				 const struct oring_bufring_params *params);

/**
 * oring_bufring_exit - unregister, unmap
 *
 * Buffers that are in it are the caller's again; those that a request has taken
 * already are not, until it completes. Enters the kernel.
 *
 * Return: 0, or what the kernel said first. Threads: owner only.
 */
ORING_API int oring_bufring_exit(struct oring_bufring *bufring, struct oring *ring);

/** oring_bufring_entries - buffers that it can hold. Any thread. */
ORING_INLINE uint32_t oring_bufring_entries(const struct oring_bufring *bufring)
{
	return (uint32_t)bufring->mask + 1;
}

/**
 * oring_bufring_place - put a buffer in a place after the end, not added yet
 * @nth: 0 is the next place
 *
 * For many at once: place them, then add them all by oring_bufring_repeat(@n).
 * Otherwise as oring_bufring_add(). Threads: one at a time.
 */
ORING_INLINE void oring_bufring_place(const struct oring_bufring *bufring, uint32_t nth,
				      void *memory, uint32_t length, uint16_t bid)
{
	struct oring_buf *buf = &bufring->bufs[(bufring->tail + nth) & bufring->mask];

	/* Never resv: in the first one it is the tail that the kernel reads. */
	buf->addr = (uint64_t)(uintptr_t)memory;
	buf->len = length;
	buf->bid = bid;
}

/**
 * oring_bufring_add - put a buffer at the end of the ring
 * @memory: the kernel's from the commit on, until a completion brings it back
 * @length: bytes of it
 * @bid: the id that completions will name
 *
 * The kernel does not see it before oring_bufring_commit(). More buffers than
 * entries overwrite each other: that there is room is the caller's to know. No
 * system call. Threads: one at a time.
 */
ORING_INLINE void oring_bufring_add(struct oring_bufring *bufring, void *memory, uint32_t length,
				    uint16_t bid)
{
	oring_bufring_place(bufring, 0, memory, length, bid);
	bufring->tail++;
}

/**
 * oring_bufring_repeat - add the @n buffers that lie in the next @n places
 *
 * Only the tail moves. After oring_bufring_place(); and for rings with as many
 * buffers as entries, whose buffers come back in the order in which they were
 * taken; not with INC or bundles: there the kernel writes to the ring. Threads:
 * one at a time.
 */
ORING_INLINE void oring_bufring_repeat(struct oring_bufring *bufring, uint16_t n)
{
	bufring->tail = (uint16_t)(bufring->tail + n);
}

/** oring_bufring_commit - let the kernel see what was added. No system call. One at a time. */
ORING_INLINE void oring_bufring_commit(struct oring_bufring *bufring)
{
	/* Release: pairs with the kernel's acquire of tail in io_ring_buffer_select(). */
	oring_store_release16(&bufring->bufs[0].resv, bufring->tail);
}

/**
 * oring_bufring_available - how many committed buffers the kernel has not taken
 *
 * Enters the kernel. With INC, a buffer that is in use counts. Return: how many;
 * -EINVAL before 6.8. Threads: owner only. Since: 6.8.
 */
ORING_API int oring_bufring_available(const struct oring_bufring *bufring, struct oring *ring);

ORING_END_DECLS

#endif
