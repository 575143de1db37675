/* SPDX-License-Identifier: MIT */
/* With -Dchecks=true: what is about to be submitted is looked at first. */
#ifndef ORING_SRC_CHECK_H
#define ORING_SRC_CHECK_H

#include "oring/ring.h"

#ifdef ORING_CHECKS
/* Look at all that was reserved and that the kernel has not consumed. */
void oring_check_pending(const struct oring *ring) __attribute__((visibility("hidden")));
#else
static inline void oring_check_pending(const struct oring *ring)
{
	(void)ring;
}
#endif

#endif
