/* SPDX-License-Identifier: MIT */
/* What the ways to make, own and resize a ring share. */
#ifndef ORING_SRC_SETUP_INSIDE_H
#define ORING_SRC_SETUP_INSIDE_H

#include "oring/ring.h"
#include "sys_inline.h"

#define ORING_INSIDE __attribute__((visibility("hidden")))

ORING_INSIDE void oring_clear_params(struct oring_params *params);

/* Map both queues where the kernel says they are. Returns 0 or a negative errno. */
ORING_INSIDE int oring_map_rings(struct oring *ring, const struct oring_params *params);

/* Pointers, masks and sizes of what is mapped. */
ORING_INSIDE void oring_fill_ring(struct oring *ring, const struct oring_params *params);

/* Rings whose entries are not submitted by an enter with their number. */
#define SUBMITS_APART (ORING_SETUP_SQPOLL | ORING_SETUP_SQ_REWIND | ORING_RING_CLOSED)

/* From now on enters go by an index in this thread's table. */
static inline void oring_own(struct oring *ring)
{
	ring->enter_flags |= ORING_ENTER_REGISTERED_RING;
	ring->owner = sys_thread();
	ring->fast_owner = ring->setup_flags & SUBMITS_APART ? NULL : ring->owner;
}

#endif
