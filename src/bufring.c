/* SPDX-License-Identifier: MIT */
/* Making and ending rings of provided buffers. */
#include "oring/bufring.h"
#include "oring/reg.h"
#include "sys_inline.h"

static int map_ring(struct oring_bufring *bufring, const struct oring *ring, uint32_t entries)
{
	int ret;

	bufring->bytes = (size_t)entries * sizeof(struct oring_buf);
	ret = sys_mmap(NULL, bufring->bytes, SYS_PROT_READ | SYS_PROT_WRITE,
		       SYS_MAP_SHARED | SYS_MAP_POPULATE, ring->fd,
		       ORING_OFF_PBUF_RING | (uint64_t)bufring->bgid << ORING_OFF_PBUF_SHIFT,
		       &bufring->mapped);
	if (ret < 0)
		return ret;
	sys_madvise(bufring->mapped, bufring->bytes, SYS_MADV_DONTFORK);
	bufring->bufs = (struct oring_buf *)bufring->mapped;
	return 0;
}

/* Above it, offsets of groups run into those of the other things that can be mapped. */
#define MOST_MAPPED 2048

int oring_bufring_init(struct oring_bufring *bufring, struct oring *ring,
		       const struct oring_bufring_params *params)
{
	struct oring_buf_reg reg;
	int ret, i;

	if (params->memory == NULL && params->bgid >= MOST_MAPPED)
		return -ORING_EINVAL;
	bufring->bufs = (struct oring_buf *)params->memory;
	bufring->tail = 0;
	bufring->mask = (uint16_t)(params->entries - 1);
	bufring->bgid = params->bgid;
	bufring->flags = params->flags;
	bufring->mapped = NULL;
	bufring->bytes = 0;
	reg.ring_addr = (uint64_t)(uintptr_t)params->memory;
	reg.ring_entries = params->entries;
	reg.bgid = params->bgid;
	reg.flags = params->flags;
	if (params->memory == NULL)
		reg.flags |= ORING_PBUF_RING_MMAP;
	reg.min_left = params->min_left;
	for (i = 0; i < 5; i++)
		reg.resv[i] = 0;
	/* The kernel reads the tail as it finds it. */
	if (params->memory != NULL)
		bufring->bufs[0].resv = 0;
	ret = oring_register_pbuf_ring(ring, &reg);
	if (ret < 0)
		return ret;
	if (params->memory == NULL) {
		ret = map_ring(bufring, ring, params->entries);
		if (ret < 0) {
			oring_unregister_pbuf_ring(ring, params->bgid);
			return ret;
		}
	}
	return 0;
}

int oring_bufring_exit(struct oring_bufring *bufring, struct oring *ring)
{
	int ret = oring_unregister_pbuf_ring(ring, bufring->bgid);
	int unmapped = bufring->mapped != NULL ? sys_munmap(bufring->mapped, bufring->bytes) : 0;

	bufring->bufs = NULL;
	bufring->mapped = NULL;
	return ret < 0 ? ret : unmapped;
}

int oring_bufring_available(const struct oring_bufring *bufring, struct oring *ring)
{
	uint16_t head = 0;
	int ret = oring_register_pbuf_status(ring, bufring->bgid, &head);

	return ret < 0 ? ret : (int)(uint16_t)(bufring->bufs[0].resv - head);
}
