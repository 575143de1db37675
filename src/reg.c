/* SPDX-License-Identifier: MIT */
/* The register calls: which argument, and what the kernel counts as its size. */
#include "oring/reg.h"
#include "oring/mem.h"
#include "sys_inline.h"

static uint32_t resources(const void *arg)
{
	return ((const struct oring_rsrc_register *)arg)->nr;
}

static uint32_t cloned(const struct oring *ring, const void *arg)
{
	const struct oring_clone_buffers *clone = (const struct oring_clone_buffers *)arg;
	uint32_t buffers = oring_load_relaxed(&ring->buffers);

	/* All of a table whose size is the other ring's business: at least one. */
	if (clone->nr == 0)
		return buffers > 0 ? buffers : 1;
	return clone->dst_off + clone->nr > buffers ? clone->dst_off + clone->nr : buffers;
}

static void note_marks(struct oring *ring, uint32_t opcode)
{
	uint32_t on = 0, off = 0;

	switch (opcode) {
	case ORING_REGISTER_EVENTFD:
	case ORING_REGISTER_EVENTFD_ASYNC:
		on = ORING_HAS_EVENTFD;
		break;
	case ORING_UNREGISTER_EVENTFD:
		off = ORING_HAS_EVENTFD;
		break;
	case ORING_REGISTER_NAPI:
		on = ORING_HAS_NAPI;
		break;
	case ORING_UNREGISTER_NAPI:
		off = ORING_HAS_NAPI;
		break;
	case ORING_REGISTER_RESTRICTIONS:
		on = ORING_HAS_RESTRICTIONS;
		break;
	case ORING_REGISTER_MEM_REGION:
		on = ORING_HAS_REGION;
		break;
	}
	if (on != 0)
		__atomic_fetch_or(&ring->registered, on, __ATOMIC_RELAXED);
	if (off != 0)
		__atomic_fetch_and(&ring->registered, ~off, __ATOMIC_RELAXED);
}

/* The kernel has taken it: what oring_describe() tells of it. */
static void note(struct oring *ring, uint32_t opcode, const void *arg, uint32_t nr_args)
{
	switch (opcode) {
	case ORING_REGISTER_FILES:
	case ORING_UNREGISTER_FILES: /* of 0 */
		oring_store_relaxed(&ring->files, nr_args);
		break;
	case ORING_REGISTER_FILES2:
		oring_store_relaxed(&ring->files, resources(arg));
		break;
	case ORING_REGISTER_BUFFERS:
	case ORING_UNREGISTER_BUFFERS: /* of 0 */
		oring_store_relaxed(&ring->buffers, nr_args);
		break;
	case ORING_REGISTER_BUFFERS2:
		oring_store_relaxed(&ring->buffers, resources(arg));
		break;
	case ORING_REGISTER_CLONE_BUFFERS:
		oring_store_relaxed(&ring->buffers, cloned(ring, arg));
		break;
	case ORING_REGISTER_PBUF_RING:
		__atomic_fetch_add(&ring->buffer_groups, 1, __ATOMIC_RELAXED);
		break;
	case ORING_UNREGISTER_PBUF_RING:
		__atomic_fetch_sub(&ring->buffer_groups, 1, __ATOMIC_RELAXED);
		break;
	case ORING_REGISTER_PERSONALITY:
		__atomic_fetch_add(&ring->personalities, 1, __ATOMIC_RELAXED);
		break;
	case ORING_UNREGISTER_PERSONALITY:
		__atomic_fetch_sub(&ring->personalities, 1, __ATOMIC_RELAXED);
		break;
	default:
		note_marks(ring, opcode);
	}
}

int oring_register(struct oring *ring, uint32_t opcode, const void *arg, uint32_t nr_args)
{
	int ret;

	if (oring_likely(ring->fd >= 0)) {
		ret = sys_register(ring->fd, opcode, arg, nr_args);
	} else {
		/* A ring without a descriptor, known by an index to one thread. */
		if (ring->layout != ORING_LAYOUT)
			return -ORING_EBADF;
		if (ring->owner != sys_thread())
			return -ORING_EEXIST;
		ret = sys_register(ring->enter_fd, opcode | ORING_REGISTER_USE_REGISTERED_RING, arg,
				   nr_args);
	}
	if (ret >= 0)
		note(ring, opcode, arg, nr_args);
	return ret;
}

/* What concerns the task. Kernels that do not know it complain of the descriptor. */
static int without_ring(uint32_t opcode, const void *arg, uint32_t nr_args)
{
	int ret = sys_register(-1, opcode, arg, nr_args);

	return ret == -ORING_EBADF ? -ORING_EINVAL : ret;
}

int oring_enable(struct oring *ring)
{
	return oring_register(ring, ORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

int oring_register_buffers(struct oring *ring, const struct iovec *iov, uint32_t count)
{
	return oring_register(ring, ORING_REGISTER_BUFFERS, iov, count);
}

/* Registration with a list, tags and flags: of buffers and of files alike. */
static int register_resources(struct oring *ring, uint32_t opcode, const void *list,
			      const uint64_t *tags, uint32_t count, uint32_t flags)
{
	struct oring_rsrc_register reg;

	reg.nr = count;
	reg.flags = flags;
	reg.resv2 = 0;
	reg.data = (uint64_t)(uintptr_t)list;
	reg.tags = (uint64_t)(uintptr_t)tags;
	return oring_register(ring, opcode, &reg, sizeof(reg));
}

static int update_resources(struct oring *ring, uint32_t opcode, uint32_t first, const void *list,
			    const uint64_t *tags, uint32_t count)
{
	struct oring_rsrc_update2 update;

	update.offset = first;
	update.resv = 0;
	update.data = (uint64_t)(uintptr_t)list;
	update.tags = (uint64_t)(uintptr_t)tags;
	update.nr = count;
	update.resv2 = 0;
	return oring_register(ring, opcode, &update, sizeof(update));
}

int oring_register_buffers_sparse(struct oring *ring, uint32_t count)
{
	return register_resources(ring, ORING_REGISTER_BUFFERS2, NULL, NULL, count,
				  ORING_RSRC_REGISTER_SPARSE);
}

int oring_register_buffers_tagged(struct oring *ring, const struct iovec *iov, const uint64_t *tags,
				  uint32_t count)
{
	return register_resources(ring, ORING_REGISTER_BUFFERS2, iov, tags, count, 0);
}

int oring_register_buffers_update(struct oring *ring, uint32_t first, const struct iovec *iov,
				  const uint64_t *tags, uint32_t count)
{
	return update_resources(ring, ORING_REGISTER_BUFFERS_UPDATE, first, iov, tags, count);
}

int oring_register_clone_buffers(struct oring *ring, const struct oring_clone_buffers *clone)
{
	return oring_register(ring, ORING_REGISTER_CLONE_BUFFERS, clone, 1);
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
	return register_resources(ring, ORING_REGISTER_FILES2, NULL, NULL, count,
				  ORING_RSRC_REGISTER_SPARSE);
}

int oring_register_files_tagged(struct oring *ring, const int32_t *fds, const uint64_t *tags,
				uint32_t count)
{
	return register_resources(ring, ORING_REGISTER_FILES2, fds, tags, count, 0);
}

int oring_register_files_update_tagged(struct oring *ring, uint32_t first, const int32_t *fds,
				       const uint64_t *tags, uint32_t count)
{
	return update_resources(ring, ORING_REGISTER_FILES_UPDATE2, first, fds, tags, count);
}

int oring_register_file_alloc_range(struct oring *ring, uint32_t first, uint32_t count)
{
	struct oring_file_index_range range;

	range.off = first;
	range.len = count;
	range.resv = 0;
	return oring_register(ring, ORING_REGISTER_FILE_ALLOC_RANGE, &range, 0);
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

int oring_register_query(struct oring *ring, struct oring_query_hdr *query)
{
	return oring_register(ring, ORING_REGISTER_QUERY, query, 0);
}

int oring_register_personality(struct oring *ring)
{
	return oring_register(ring, ORING_REGISTER_PERSONALITY, NULL, 0);
}

int oring_unregister_personality(struct oring *ring, uint16_t id)
{
	return oring_register(ring, ORING_UNREGISTER_PERSONALITY, NULL, id);
}

int oring_register_restrictions(struct oring *ring, const struct oring_restriction *list,
				uint32_t count)
{
	return oring_register(ring, ORING_REGISTER_RESTRICTIONS, list, count);
}

int oring_register_task_restrictions(const struct oring_task_restriction *restrictions)
{
	return without_ring(ORING_REGISTER_RESTRICTIONS, restrictions, 1);
}

int oring_register_bpf_filter(struct oring *ring, const struct oring_bpf *filter)
{
	return oring_register(ring, ORING_REGISTER_BPF_FILTER, filter, 1);
}

int oring_register_task_bpf_filter(const struct oring_bpf *filter)
{
	return without_ring(ORING_REGISTER_BPF_FILTER, filter, 1);
}

int oring_register_iowq_affinity(struct oring *ring, const void *mask, uint32_t bytes)
{
	return oring_register(ring, ORING_REGISTER_IOWQ_AFF, mask, bytes);
}

int oring_unregister_iowq_affinity(struct oring *ring)
{
	return oring_register(ring, ORING_UNREGISTER_IOWQ_AFF, NULL, 0);
}

int oring_register_iowq_max_workers(struct oring *ring, uint32_t workers[2])
{
	return oring_register(ring, ORING_REGISTER_IOWQ_MAX_WORKERS, workers, 2);
}

int oring_register_ring_fds(struct oring *ring, struct oring_rsrc_update *updates, uint32_t count)
{
	return oring_register(ring, ORING_REGISTER_RING_FDS, updates, count);
}

int oring_unregister_ring_fds(struct oring *ring, const struct oring_rsrc_update *updates,
			      uint32_t count)
{
	return oring_register(ring, ORING_UNREGISTER_RING_FDS, updates, count);
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

int oring_register_pbuf_status(struct oring *ring, uint16_t bgid, uint16_t *head)
{
	struct oring_buf_status status;
	int ret, i;

	status.buf_group = bgid;
	status.head = 0;
	for (i = 0; i < 8; i++)
		status.resv[i] = 0;
	ret = oring_register(ring, ORING_REGISTER_PBUF_STATUS, &status, 1);
	if (ret >= 0)
		*head = (uint16_t)status.head;
	return ret;
}

int oring_register_sync_cancel(struct oring *ring, const struct oring_sync_cancel_reg *cancel)
{
	return oring_register(ring, ORING_REGISTER_SYNC_CANCEL, cancel, 1);
}

int oring_register_napi(struct oring *ring, struct oring_napi *napi)
{
	return oring_register(ring, ORING_REGISTER_NAPI, napi, 1);
}

int oring_unregister_napi(struct oring *ring, struct oring_napi *napi)
{
	return oring_register(ring, ORING_UNREGISTER_NAPI, napi, 1);
}

int oring_register_clock(struct oring *ring, uint32_t clock)
{
	struct oring_clock_register reg;

	reg.clockid = clock;
	reg.resv[0] = 0;
	reg.resv[1] = 0;
	reg.resv[2] = 0;
	return oring_register(ring, ORING_REGISTER_CLOCK, &reg, 0);
}

int oring_register_region(struct oring *ring, const struct oring_mem_region_reg *region)
{
	return oring_register(ring, ORING_REGISTER_MEM_REGION, region, 1);
}

int oring_send_message(const struct oring_sqe *sqe)
{
	return without_ring(ORING_REGISTER_SEND_MSG_RING, sqe, 1);
}

int oring_register_zcrx_ifq(struct oring *ring, struct oring_zcrx_ifq_reg *reg)
{
	return oring_register(ring, ORING_REGISTER_ZCRX_IFQ, reg, 1);
}

int oring_register_zcrx_ctrl(struct oring *ring, struct oring_zcrx_ctrl *ctrl)
{
	return oring_register(ring, ORING_REGISTER_ZCRX_CTRL, ctrl, 0);
}
