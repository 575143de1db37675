/* SPDX-License-Identifier: MIT */
/* The recommended shape of a ring. */
#include "oring/fast.h"
#include "oring/reg.h"
#include "setup_inside.h"
#include "sys_inline.h"

/* Some flags do not go with what the caller requires: then they are not asked for. */
static uint32_t flags_beside(uint32_t required)
{
	uint32_t flags = ORING_FAST_FLAGS;

	if (required & ORING_SETUP_SQPOLL)
		flags &= ~(ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_TASKRUN_FLAG);
	return flags & ~required;
}

/* A smallest region of the kernel's: one page, whatever its size is here. */
#define REGION_PAGE 4096

static void clear_region(struct oring_region_desc *desc)
{
	int i;

	desc->user_addr = 0;
	desc->size = 0;
	desc->flags = 0;
	desc->id = 0;
	desc->mmap_offset = 0;
	for (i = 0; i < 4; i++)
		desc->resv[i] = 0;
}

/* The kernel's answer; on success the region's memory is mapped, and zero. */
static int register_wait_region(struct oring *ring, struct oring_wait_region *region)
{
	struct oring_region_desc desc;
	struct oring_mem_region_reg reg;
	int ret;

	clear_region(&desc);
	desc.size = region->slots != NULL ? region->bytes : REGION_PAGE;
	if (region->slots != NULL) {
		desc.user_addr = (uint64_t)(uintptr_t)region->slots;
		desc.flags = ORING_MEM_REGION_TYPE_USER;
	}
	reg.region_uptr = (uint64_t)(uintptr_t)&desc;
	reg.flags = ORING_MEM_REGION_REG_WAIT_ARG;
	reg.resv[0] = 0;
	reg.resv[1] = 0;
	ret = oring_register_region(ring, &reg);
	if (ret < 0 || region->slots != NULL)
		return ret;
	ret = sys_mmap(NULL, REGION_PAGE, SYS_PROT_READ | SYS_PROT_WRITE,
		       SYS_MAP_SHARED | SYS_MAP_POPULATE, ring->fd, desc.mmap_offset,
		       &ring->wait_memory);
	if (ret < 0)
		return ret;
	ring->wait_bytes = REGION_PAGE;
	region->slots = (struct oring_reg_wait *)ring->wait_memory;
	region->bytes = REGION_PAGE;
	return 0;
}

/* Slot 0 is the library's. Fields that it never changes are zero from here on. */
static void take_slot(struct oring *ring, struct oring_reg_wait *slot)
{
	slot->ts.tv_sec = 0;
	slot->ts.tv_nsec = 0;
	slot->min_wait_usec = 0;
	slot->flags = 0;
	slot->sigmask = 0;
	slot->sigmask_sz = 0;
	slot->pad[0] = 0;
	slot->pad[1] = 0;
	slot->pad[2] = 0;
	slot->pad2[0] = 0;
	slot->pad2[1] = 0;
	ring->wait_slot = slot;
}

int oring_init_fast_sized(struct oring *ring, uint32_t entries, struct oring_params *params,
			  struct oring_wait_region *region, size_t size, uint32_t layout)
{
	struct oring_wait_region own;
	struct oring_params none;
	int ret;

	if (params == NULL) {
		oring_clear_params(&none);
		params = &none;
	}
	ret = oring_init_sized(ring, entries, params, flags_beside(params->flags), size, layout);
	if (ret < 0)
		return ret;
	if (region == NULL) {
		own.slots = NULL;
		own.bytes = 0;
		region = &own;
	}
	/* Such regions can be registered only while the ring is disabled. */
	ret = ring->setup_flags & ORING_SETUP_R_DISABLED ? register_wait_region(ring, region)
							 : -ORING_EINVAL;
	if (ret == 0) {
		take_slot(ring, region->slots);
	} else {
		region->slots = NULL;
		region->bytes = 0;
	}
	return 0;
}

int oring_use_registered_fd(struct oring *ring)
{
	struct oring_rsrc_update update;
	int ret;

	if (ring->enter_flags & ORING_ENTER_REGISTERED_RING)
		return -ORING_EEXIST;
	update.offset = ORING_FILE_INDEX_ALLOC;
	update.resv = 0;
	update.data = (uint32_t)ring->fd;
	ret = oring_register_ring_fds(ring, &update, 1);
	if (ret < 0)
		return ret;
	ring->enter_fd = (int)update.offset;
	oring_own(ring);
	return 0;
}

int oring_start(struct oring *ring)
{
	int ret;

	if (ring->setup_flags & ORING_RING_CLOSED)
		return -ORING_EBADF;
	ret = ring->setup_flags & ORING_SETUP_R_DISABLED ? oring_enable(ring) : 0;
	if (ret < 0)
		return ret;
	/* Without room or a kernel for it, enters go by the descriptor. */
	oring_use_registered_fd(ring);
	return 0;
}
