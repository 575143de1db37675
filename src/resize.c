/* SPDX-License-Identifier: MIT */
/* Resizing: the kernel moves what is pending, we move to its new memory. */
#include "oring/resize.h"
#include "oring/reg.h"
#include "setup_inside.h"
#include "sys_inline.h"

int oring_resize(struct oring *ring, uint32_t sq_entries, uint32_t cq_entries)
{
	const uint32_t needed = ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_NO_SQARRAY;
	struct oring_params params;
	struct oring old;
	int ret;

	if (ring->setup_flags & ORING_RING_CLOSED)
		return -ORING_EBADF;
	if ((ring->setup_flags & needed) != needed || ring->memory_is_callers)
		return -ORING_EINVAL;
	if (ring->sq_reserved != ring->sq_committed)
		return -ORING_EBUSY;
	oring_clear_params(&params);
	params.sq_entries = sq_entries;
	params.cq_entries = cq_entries;
	params.flags = cq_entries != 0 ? ORING_SETUP_CQSIZE : 0;
	ret = oring_register(ring, ORING_REGISTER_RESIZE_RINGS, &params, 1);
	if (ret < 0)
		return ret;
	/* Flags come back as far as they say how memory is laid out, features not at all. */
	params.flags = ring->setup_flags;
	params.features = ring->features;
	old.ring_memory = ring->ring_memory;
	old.ring_bytes = ring->ring_bytes;
	old.sqe_memory = ring->sqe_memory;
	old.sqe_bytes = ring->sqe_bytes;
	ring->ring_memory = NULL;
	ring->sqe_memory = NULL;
	ret = oring_map_rings(ring, &params);
	sys_munmap(old.ring_memory, old.ring_bytes);
	sys_munmap(old.sqe_memory, old.sqe_bytes);
	if (ret == 0)
		oring_fill_ring(ring, &params);
	else
		oring_exit(ring); /* there is nothing left to reach it by */
	return ret;
}
