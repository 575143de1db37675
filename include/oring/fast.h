/* SPDX-License-Identifier: MIT */
/**
 * fast.h - the recommended shape of a ring, in two calls
 *
 * One thread owns the ring, completions are made when it asks for them, timed
 * waits are read from a registered region, and enters go by a registered
 * index: what each of these saves is more than any inline function does.
 *
 *	oring_init_fast(&ring, 256, NULL, NULL);
 *	...
 *	oring_start(&ring);     on the thread that will own it
 */
#ifndef ORING_FAST_H
#define ORING_FAST_H

#include "ring.h"

ORING_BEGIN_DECLS

/* Flags that oring_init_fast() asks for, and drops where the kernel lacks them. */
#define ORING_FAST_FLAGS                                                                    \
	(ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_TASKRUN_FLAG | \
	 ORING_SETUP_NO_SQARRAY | ORING_SETUP_SUBMIT_ALL | ORING_SETUP_R_DISABLED)

/* Memory that ring and kernel share for the arguments of waits. */
struct oring_wait_region {
	struct oring_reg_wait *slots; /* at a page; NULL: a page of the kernel's is mapped */
	size_t bytes;		      /* of them, whole pages */
};

/**
 * oring_init_fast_sized - what oring_init_fast() calls
 * @size: the caller's sizeof(struct oring)
 * @layout: the caller's ORING_LAYOUT
 */
ORING_API int oring_init_fast_sized(struct oring *ring, uint32_t entries,
				    struct oring_params *params, struct oring_wait_region *region,
				    size_t size, uint32_t layout);

/**
 * oring_init_fast - make a ring of the recommended shape; it starts disabled
 * @params: as of oring_init(): flags here are required, ORING_FAST_FLAGS are
 *          added as far as the kernel has them and they go with the others.
 *          NULL: none
 * @region: where to keep arguments of waits; slot 0 is oring_wait()'s, the rest
 *          the caller's. Receives what there is: slots NULL if the kernel has
 *          no such regions (before 6.13). NULL: one page of the kernel's
 *
 * What it got: oring_setup_flags(), oring_has_wait_region(). Until
 * oring_start() the ring can be registered with, by any thread, and not
 * entered: -EBADFD.
 *
 * Return: as oring_init().
 * Threads: any.
 */
ORING_INLINE int oring_init_fast(struct oring *ring, uint32_t entries, struct oring_params *params,
				 struct oring_wait_region *region)
{
	return oring_init_fast_sized(ring, entries, params, region, sizeof(*ring), ORING_LAYOUT);
}

/**
 * oring_start - enable the ring, on the thread that will own it
 *
 * Then registers the ring's descriptor with this thread, if there is room for
 * it (16 a thread) and the kernel can (5.18): oring_has_registered_fd().
 *
 * Return: 0; -EBADFD if the ring runs already.
 * Threads: the one that becomes the owner.
 */
ORING_API int oring_start(struct oring *ring);

/**
 * oring_use_registered_fd - enter by an index in this thread's table, not by
 * descriptor
 *
 * Saves the kernel a reference to the file at each enter. From now on enters by
 * another thread return -EEXIST (the index would mean another ring there).
 * Registration, polling and oring_fd() go by the descriptor as before. The
 * library looks at the thread pointer to know the thread: one must be set up,
 * as every libc does. A forked child has its parent's: it must not use the ring.
 *
 * Return: 0; -EBUSY without room (16 a thread), -EEXIST if it is done already;
 * -EINVAL before 5.18. Threads: owner only. Since: 5.18.
 */
ORING_API int oring_use_registered_fd(struct oring *ring);

/** oring_has_registered_fd - whether enters go by an index. Any thread. */
ORING_INLINE bool oring_has_registered_fd(const struct oring *ring)
{
	return (ring->enter_flags & ORING_ENTER_REGISTERED_RING) != 0;
}

/** oring_has_wait_region - whether timed waits are read from a registered region. Any thread. */
ORING_INLINE bool oring_has_wait_region(const struct oring *ring)
{
	return ring->wait_slot != NULL;
}

ORING_END_DECLS

#endif
