/* SPDX-License-Identifier: MIT */
/* The register calls: which argument, and what the kernel counts as its size. */
#include "oring/reg.h"
#include "sys_inline.h"

int oring_register(struct oring *ring, uint32_t opcode, const void *arg, uint32_t nr_args)
{
	return sys_register(ring->fd, opcode, arg, nr_args);
}

int oring_enable(struct oring *ring)
{
	return oring_register(ring, ORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

int oring_register_buffers(struct oring *ring, const struct iovec *iov, uint32_t count)
{
	return oring_register(ring, ORING_REGISTER_BUFFERS, iov, count);
}

int oring_unregister_buffers(struct oring *ring)
{
	return oring_register(ring, ORING_UNREGISTER_BUFFERS, NULL, 0);
}

int oring_register_files(struct oring *ring, const int32_t *fds, uint32_t count)
{
	return oring_register(ring, ORING_REGISTER_FILES, fds, count);
}

int oring_register_files_sparse(struct oring *ring, uint32_t count)
{
	struct oring_rsrc_register reg;

	reg.nr = count;
	reg.flags = ORING_RSRC_REGISTER_SPARSE;
	reg.resv2 = 0;
	reg.data = 0;
	reg.tags = 0;
	return oring_register(ring, ORING_REGISTER_FILES2, &reg, sizeof(reg));
}

int oring_register_files_update(struct oring *ring, uint32_t first, const int32_t *fds,
				uint32_t count)
{
	struct oring_rsrc_update update;

	update.offset = first;
	update.resv = 0;
	update.data = (uint64_t)(uintptr_t)fds;
	return oring_register(ring, ORING_REGISTER_FILES_UPDATE, &update, count);
}

int oring_unregister_files(struct oring *ring)
{
	return oring_register(ring, ORING_UNREGISTER_FILES, NULL, 0);
}

int oring_register_eventfd(struct oring *ring, int eventfd)
{
	int32_t fd = eventfd;

	return oring_register(ring, ORING_REGISTER_EVENTFD, &fd, 1);
}

int oring_register_eventfd_async(struct oring *ring, int eventfd)
{
	int32_t fd = eventfd;

	return oring_register(ring, ORING_REGISTER_EVENTFD_ASYNC, &fd, 1);
}

int oring_unregister_eventfd(struct oring *ring)
{
	return oring_register(ring, ORING_UNREGISTER_EVENTFD, NULL, 0);
}

int oring_register_probe(struct oring *ring, struct oring_probe *probe, uint32_t count)
{
	return oring_register(ring, ORING_REGISTER_PROBE, probe, count);
}

int oring_register_pbuf_ring(struct oring *ring, const struct oring_buf_reg *reg)
{
	return oring_register(ring, ORING_REGISTER_PBUF_RING, reg, 1);
}

int oring_unregister_pbuf_ring(struct oring *ring, uint16_t bgid)
{
	struct oring_buf_reg reg;

	reg.ring_addr = 0;
	reg.ring_entries = 0;
	reg.bgid = bgid;
	reg.flags = 0;
	reg.min_left = 0;
	reg.resv[0] = 0;
	reg.resv[1] = 0;
	reg.resv[2] = 0;
	reg.resv[3] = 0;
	reg.resv[4] = 0;
	return oring_register(ring, ORING_UNREGISTER_PBUF_RING, &reg, 1);
}
