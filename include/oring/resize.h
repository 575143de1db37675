/* SPDX-License-Identifier: MIT */
/**
 * resize.h - a ring that grows or shrinks while it is in use
 */
#ifndef ORING_RESIZE_H
#define ORING_RESIZE_H

#include "ring.h"

ORING_BEGIN_DECLS

/**
 * oring_resize - give both queues other sizes
 * @sq_entries: as of oring_init()
 * @cq_entries: at least as many; 0: twice @sq_entries
 *
 * Completions that are ready, and entries that are committed, move along. Both
 * queues get new memory: entries, completions, cursors and indices taken
 * before are void. Enters the kernel three to five times.
 *
 * Return: 0; -EINVAL without DEFER_TASKRUN, with an SQ array (make the ring with
 * NO_SQARRAY: kernels would let the new array overwrite the ring) or in memory
 * of the caller's, and before 6.13; -EBUSY while entries are reserved but not
 * committed; -EOVERFLOW if what is pending would not fit; -ENOMEM. After these
 * the ring works as before. If the kernel has resized and its memory then could
 * not be mapped, what mmap(2) returned: the ring is closed then, as by oring_exit().
 * Threads: owner only (both sides). Since: 6.13.
 */
ORING_API int oring_resize(struct oring *ring, uint32_t sq_entries, uint32_t cq_entries);

ORING_END_DECLS

#endif
