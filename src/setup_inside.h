/* SPDX-License-Identifier: MIT */
/* What resizing shares with setup. */
#ifndef ORING_SRC_SETUP_INSIDE_H
#define ORING_SRC_SETUP_INSIDE_H

#include "oring/ring.h"

#define ORING_INSIDE __attribute__((visibility("hidden")))

ORING_INSIDE void oring_clear_params(struct oring_params *params);

/* Map both queues where the kernel says they are. Returns 0 or a negative errno. */
ORING_INSIDE int oring_map_rings(struct oring *ring, const struct oring_params *params);

/* Pointers, masks and sizes of what is mapped. */
ORING_INSIDE void oring_fill_ring(struct oring *ring, const struct oring_params *params);

#endif
