/* SPDX-License-Identifier: MIT */
/* What is in the way of zero-copy receive: asked, tried, and concluded from what fails. */
#include "oring/feature.h"
#include "oring/reg.h"
#include "zcrx_inside.h"

/* An address that nobody can have: the last step before anything is made fails. */
#define NOWHERE (~(uint64_t)4095)

/*
 * A registration that goes through the kernel's checks of permission, ring and
 * fields, and then cannot read the area's description. Return: -EFAULT if all
 * was well up to there.
 */
static int trial(struct oring *ring, uint32_t flags, uint32_t buffer_size, bool events)
{
	struct oring_zcrx_ifq_reg reg;
	struct oring_region_desc region;

	oring_zcrx_clear(&reg, sizeof(reg));
	oring_zcrx_clear(&region, sizeof(region));
	reg.rq_entries = 1;
	reg.flags = flags;
	reg.area_ptr = NOWHERE;
	reg.region_ptr = (uint64_t)(uintptr_t)&region;
	reg.rx_buf_len = buffer_size;
	reg.event_desc = events ? NOWHERE : 0;
	return oring_register_zcrx_ifq(ring, &reg);
}

static enum oring_zcrx_obstacle of_kernel_and_ring(struct oring *ring)
{
	struct oring_feature_set set;
	int ret = trial(ring, 0, 0, false);

	if (ret == -ORING_EFAULT)
		return ORING_ZCRX_CLEAR;
	if (ret == -ORING_EPERM)
		return ORING_ZCRX_PERMISSION;
	if (ret == -ORING_EOPNOTSUPP)
		return ORING_ZCRX_KERNEL;
	if (ret != -ORING_EINVAL)
		return ORING_ZCRX_RING_REFUSES;
	if (oring_feature_ask(ring, &set) < 0 || !oring_feature_has_op(&set, ORING_OP_RECV_ZC))
		return ORING_ZCRX_KERNEL;
	if (!(ring->setup_flags & ORING_SETUP_DEFER_TASKRUN))
		return ORING_ZCRX_RING_TASKRUN;
	if (!(ring->setup_flags & (ORING_SETUP_CQE32 | ORING_SETUP_CQE_MIXED)))
		return ORING_ZCRX_RING_CQES;
	return ORING_ZCRX_UNKNOWN;
}

static enum oring_zcrx_obstacle of_params(struct oring *ring,
					  const struct oring_zcrx_params *params)
{
	bool pages = params->buffer_size == 0 || params->buffer_size == params->page;

	if (params->flags != 0 && trial(ring, params->flags, 0, false) != -ORING_EFAULT)
		return ORING_ZCRX_DEVICELESS;
	if (!pages && (params->flags == ORING_ZCRX_REG_NODEV ||
		       trial(ring, 0, params->buffer_size, false) != -ORING_EFAULT))
		return ORING_ZCRX_BUFFER_SIZE;
	if ((params->events != 0 || params->stats != 0) && trial(ring, 0, 0, true) != -ORING_EFAULT)
		return ORING_ZCRX_EVENTS;
	return ORING_ZCRX_CLEAR;
}

/* What is left when kernel, ring and parameters do. */
static enum oring_zcrx_obstacle of_result(const struct oring_zcrx_params *params, int ret)
{
	bool device = params->flags != ORING_ZCRX_REG_NODEV;

	if (ret >= 0)
		return ORING_ZCRX_CLEAR;
	if (ret == -ORING_EFAULT)
		return ORING_ZCRX_ADDRESS;
	if (ret == -ORING_ENOMEM)
		return ORING_ZCRX_MEMORY;
	if (ret == -ORING_EBADF)
		return ORING_ZCRX_RING_REFUSES;
	if (!device)
		return ORING_ZCRX_UNKNOWN;
	switch (-ret) {
	case ORING_ENODEV:
		return ORING_ZCRX_INTERFACE;
	case ORING_EOPNOTSUPP:
		return ORING_ZCRX_DRIVER;
	case ORING_ERANGE:
		return ORING_ZCRX_QUEUE;
	case ORING_EEXIST:
	case ORING_EBUSY:
		return ORING_ZCRX_QUEUE_TAKEN;
	case ORING_EINVAL:
		return ORING_ZCRX_HEADER_SPLIT;
	default:
		return ORING_ZCRX_UNKNOWN;
	}
}

enum oring_zcrx_obstacle oring_zcrx_explain(struct oring *ring,
					    const struct oring_zcrx_params *params, int ret)
{
	enum oring_zcrx_obstacle found;

	if (!oring_zcrx_params_do(params))
		return ORING_ZCRX_PARAMS;
	found = of_kernel_and_ring(ring);
	if (found == ORING_ZCRX_CLEAR)
		found = of_params(ring, params);
	return found == ORING_ZCRX_CLEAR ? of_result(params, ret) : found;
}

const char *oring_zcrx_obstacle_text(enum oring_zcrx_obstacle obstacle)
{
	static const char *const texts[] = {
		"nothing that can be seen",
		"parameters that do not fit together",
		"the kernel has no zero-copy receive",
		"CAP_NET_ADMIN is missing",
		"the ring is without DEFER_TASKRUN",
		"the ring is without 32-byte completions (CQE32 or CQE_MIXED)",
		"the ring takes no registrations",
		"the kernel needs a device for zero-copy receive",
		"only buffers of one page can be had",
		"the kernel knows no events and statistics of zero-copy receive",
		"no such interface",
		"no hardware behind the interface, or its driver takes no part",
		"the interface has no such queue, or the area is not contiguous enough",
		"the queue is taken",
		"header split is off (ethtool -G: tcp-data-split on, hds-thresh 0)",
		"the area or the refill ring is not writable memory",
		"not enough memory, or RLIMIT_MEMLOCK",
		"unknown",
	};

	return (uint32_t)obstacle < ORING_ZCRX_UNKNOWN ? texts[obstacle]
						       : texts[ORING_ZCRX_UNKNOWN];
}
