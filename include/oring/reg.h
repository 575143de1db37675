/* SPDX-License-Identifier: MIT */
/**
 * reg.h - io_uring_register: what a ring is told to remember
 *
 * Thin: each function makes one register call by the ring's descriptor and
 * returns the kernel's answer, >= 0 or a negative errno. Nothing is kept in
 * struct oring.
 *
 * Errors of all: -EBADFD the ring is being torn down, -EEXIST the ring has a
 * single issuer and this is not it, -EINVAL the kernel does not know the call,
 * -ENXIO there is nothing registered of this sort.
 * Threads: any, unless the ring has a single issuer: then the owner, and
 * anyone while it is disabled.
 */
#ifndef ORING_REG_H
#define ORING_REG_H

#include "abi_reg.h"
#include "ring.h"

ORING_BEGIN_DECLS

struct iovec;

/**
 * oring_register - the register call itself
 * @opcode: enum oring_register_op
 * @arg, @nr_args: as the operation says
 */
ORING_API int oring_register(struct oring *ring, uint32_t opcode, const void *arg,
			     uint32_t nr_args);

/**
 * oring_enable - let a ring that was made with R_DISABLED start
 *
 * With SINGLE_ISSUER the calling thread becomes the owner.
 *
 * Return: 0; -EBADFD if it was not disabled. Since: 5.10.
 */
ORING_API int oring_enable(struct oring *ring);

/**
 * oring_register_buffers - pin memory for the _fixed operations
 * @iov: the buffers; their place in the list is their index
 * @count: 1 to 16384, each at most 1 GiB
 *
 * A large one that is used in slices (fixed_buf.h) is cheaper to use than thousands
 * of small ones: the kernel's record of each takes room in the caches.
 *
 * Return: 0; -ENOMEM also where RLIMIT_MEMLOCK is too small, -EBUSY if buffers
 * are registered, -EFAULT for memory that is not there. Since: 5.1.
 */
ORING_API int oring_register_buffers(struct oring *ring, const struct iovec *iov, uint32_t count);

/** oring_register_buffers_sparse - a table of @count empty places. Since: 5.19. */
ORING_API int oring_register_buffers_sparse(struct oring *ring, uint32_t count);

/**
 * oring_register_buffers_tagged - as oring_register_buffers(), with a tag for each
 * @tags: @count of them: when the kernel is done with a buffer that was replaced, a
 *        completion comes that has its tag as user_data (on 6.1 and the like not
 *        after an unregistration); 0: none does. NULL: no tags
 *
 * Return: as oring_register_buffers(). Since: 5.13.
 */
ORING_API int oring_register_buffers_tagged(struct oring *ring, const struct iovec *iov,
					    const uint64_t *tags, uint32_t count);

/**
 * oring_register_buffers_update - change @count buffers from index @first on
 * @iov: the buffers; one without address and length empties its place
 * @tags: as of oring_register_buffers_tagged()
 *
 * Return: places changed; -EINVAL beyond the table. Since: 5.13.
 */
ORING_API int oring_register_buffers_update(struct oring *ring, uint32_t first,
					    const struct iovec *iov, const uint64_t *tags,
					    uint32_t count);

/**
 * oring_register_clone_buffers - take another ring's registered buffers
 * @clone: that ring (its descriptor, or a registered index with
 *         ORING_REGISTER_SRC_REGISTERED), and from 6.13 on offsets and a count
 *
 * The memory stays pinned once. Return: 0; -EBUSY if there are buffers, and
 * no ORING_REGISTER_DST_REPLACE; -ENXIO if there are none to take. Since: 6.12.
 */
ORING_API int oring_register_clone_buffers(struct oring *ring,
					   const struct oring_clone_buffers *clone);

/** oring_unregister_buffers - forget them. Waits for none: they go when their last use ends. */
ORING_API int oring_unregister_buffers(struct oring *ring);

/**
 * oring_register_files - make a table of slots from descriptors
 * @fds: the descriptors; their place in the list is their slot; -1 leaves it
 *       empty (5.5)
 * @count: at least 1, at most RLIMIT_NOFILE
 *
 * The table holds the files: the descriptors may be closed.
 *
 * Return: 0; -EBUSY if there is a table, -EBADF, -EMFILE. Since: 5.1.
 */
ORING_API int oring_register_files(struct oring *ring, const int32_t *fds, uint32_t count);

/** oring_register_files_sparse - a table of @count empty slots. Since: 5.19. */
ORING_API int oring_register_files_sparse(struct oring *ring, uint32_t count);

/**
 * oring_register_files_update - change @count slots from @first on
 * @fds: descriptors; -1 empties a slot, ORING_REGISTER_FILES_SKIP leaves it (5.12)
 *
 * Return: slots changed; -EINVAL beyond the table, -EBADF. Since: 5.5.
 */
ORING_API int oring_register_files_update(struct oring *ring, uint32_t first, const int32_t *fds,
					  uint32_t count);

/** oring_register_files_tagged - as oring_register_files(), with tags as buffers have. Since: 5.13. */
ORING_API int oring_register_files_tagged(struct oring *ring, const int32_t *fds,
					  const uint64_t *tags, uint32_t count);

/** oring_register_files_update_tagged - as oring_register_files_update(), with tags. Since: 5.13. */
ORING_API int oring_register_files_update_tagged(struct oring *ring, uint32_t first,
						 const int32_t *fds, const uint64_t *tags,
						 uint32_t count);

/**
 * oring_register_file_alloc_range - the slots that ORING_SLOT_ALLOC chooses from
 *
 * Return: 0; -EINVAL or -EOVERFLOW beyond the table. Since: 6.0.
 */
ORING_API int oring_register_file_alloc_range(struct oring *ring, uint32_t first, uint32_t count);

/** oring_unregister_files - drop the table; requests in flight keep their files. */
ORING_API int oring_unregister_files(struct oring *ring);

/**
 * oring_register_eventfd - signal @eventfd at each completion
 *
 * Signals coalesce and are a hint: look at the ring. Return: 0; -EBUSY if
 * there is one. Since: 5.2.
 */
ORING_API int oring_register_eventfd(struct oring *ring, int eventfd);

/** oring_register_eventfd_async - not for requests that complete inline at submit. Since: 5.6. */
ORING_API int oring_register_eventfd_async(struct oring *ring, int eventfd);

/** oring_unregister_eventfd - stop signalling. Since: 5.2. */
ORING_API int oring_unregister_eventfd(struct oring *ring);

/**
 * oring_register_probe - ask which operations there are
 * @probe: zeroed, followed in memory by room for @count struct oring_probe_op
 * @count: at most 256
 *
 * feature.h does this and more. Since: 5.6.
 */
ORING_API int oring_register_probe(struct oring *ring, struct oring_probe *probe, uint32_t count);

/**
 * oring_register_query - ask about the kernel; a chain of questions at once
 * @query: the first of a chain of struct oring_query_hdr
 *
 * Each answer's own error is in its result. oring_feature_query() needs no
 * ring. Return: 0. Since: 6.18.
 */
ORING_API int oring_register_query(struct oring *ring, struct oring_query_hdr *query);

/**
 * oring_register_personality - remember the caller's credentials
 *
 * Return: an id for oring_sqe_set_personality(), from 1 on. Since: 5.6.
 */
ORING_API int oring_register_personality(struct oring *ring);

/** oring_unregister_personality - forget them. Return: 0; -EINVAL for no such id. Since: 5.6. */
ORING_API int oring_unregister_personality(struct oring *ring, uint16_t id);

/**
 * oring_register_restrictions - allow no more than this on a ring made with R_DISABLED
 * @list: operations and flags of entries, and register calls, that are allowed;
 *        the rest gets -EACCES, but see below
 * @count: 0 allows nothing at all
 *
 * Name both entries and register calls, for of what a list does not mention at
 * all kernels before 7.0 allow nothing, and newer ones everything. To allow no
 * register call, name ORING_REGISTER_ENABLE_RINGS, which a ring that runs answers
 * with -EBADFD; to allow no entry, ORING_RESTRICTION_SQE_FLAGS_ALLOWED with 0.
 *
 * Once, before oring_enable(). Return: 0; -EBADFD if the ring runs, -EBUSY the
 * second time. Since: 5.10.
 */
ORING_API int oring_register_restrictions(struct oring *ring, const struct oring_restriction *list,
					  uint32_t count);

/**
 * oring_register_task_restrictions - restrict every ring that this task makes from now on
 * @restrictions: followed in memory by nr_res records of struct oring_restriction
 *
 * Without a ring. If no operation is named, or no register call, all of those
 * stay open. Return: 0; -EPERM the second time; -EACCES without
 * no_new_privs and CAP_SYS_ADMIN; -EINVAL before 7.0. Since: 7.0.
 * Threads: any, each for itself.
 */
ORING_API int oring_register_task_restrictions(const struct oring_task_restriction *restrictions);

/**
 * oring_register_bpf_filter - let a classic BPF program judge each entry of an operation
 * @filter: its program and operation; what a program sees is struct oring_bpf_ctx
 *
 * A result of 0 refuses the entry (-EACCES). Return: 0. Since: 7.0.
 */
ORING_API int oring_register_bpf_filter(struct oring *ring, const struct oring_bpf *filter);

/** oring_register_task_bpf_filter - the same for every ring that this task makes. Since: 7.0. */
ORING_API int oring_register_task_bpf_filter(const struct oring_bpf *filter);

/**
 * oring_register_iowq_affinity - the CPUs that worker threads may run on
 * @mask: bit n is CPU n; @bytes: its size
 *
 * Return: 0. Since: 5.14.
 */
ORING_API int oring_register_iowq_affinity(struct oring *ring, const void *mask, uint32_t bytes);

/** oring_unregister_iowq_affinity - all CPUs again. Since: 5.14. */
ORING_API int oring_unregister_iowq_affinity(struct oring *ring);

/**
 * oring_register_iowq_max_workers - how many worker threads there may be
 * @workers: for bounded work (files) and for unbounded (the rest); 0 leaves it.
 *           Receives what held before
 *
 * Per NUMA node, for all rings of the task. Return: 0. Since: 5.15.
 */
ORING_API int oring_register_iowq_max_workers(struct oring *ring, uint32_t workers[2]);

/**
 * oring_register_ring_fds - keep descriptors of rings in the task, for cheaper enters
 * @updates: offset is an index or ORING_FILE_INDEX_ALLOC, data a ring's
 *           descriptor; offset receives the index
 * @count: at most 16, as many as a task has
 *
 * oring_use_registered_fd() does this for one ring. Return: how many were
 * registered; -EBUSY if there is no room. Since: 5.18.
 */
ORING_API int oring_register_ring_fds(struct oring *ring, struct oring_rsrc_update *updates,
				      uint32_t count);

/**
 * oring_unregister_ring_fds - forget them
 * @updates: offset is the index, all else 0
 *
 * Return: how many; -EINVAL if data is not 0. Since: 5.18.
 */
ORING_API int oring_unregister_ring_fds(struct oring *ring, const struct oring_rsrc_update *updates,
					uint32_t count);

/**
 * oring_register_pbuf_ring - a ring of provided buffers
 * @reg: address (aligned to a page; or 0 with ORING_PBUF_RING_MMAP), entries (a
 *       power of two up to 32768), group, flags
 *
 * Return: 0; -EEXIST the group is taken, -EINVAL, -ENOMEM. Since: 5.19.
 */
ORING_API int oring_register_pbuf_ring(struct oring *ring, const struct oring_buf_reg *reg);

/**
 * oring_unregister_pbuf_ring - forget the ring of group @bgid
 *
 * Return: 0; -ENOENT if there is none (-EINVAL on 6.1). Since: 5.19.
 */
ORING_API int oring_unregister_pbuf_ring(struct oring *ring, uint16_t bgid);

/**
 * oring_register_pbuf_status - where the kernel stands in the buffer ring of group @bgid
 * @head: receives how many buffers it has taken, modulo 2^16
 *
 * Return: 0; -ENOENT if there is no such group. Since: 6.8.
 */
ORING_API int oring_register_pbuf_status(struct oring *ring, uint16_t bgid, uint16_t *head);

/**
 * oring_register_sync_cancel - cancel requests, and wait until they have ended
 * @cancel: what to cancel (as ASYNC_CANCEL), and how long to wait at most; both
 *          numbers of the timeout -1: without limit
 *
 * Their completions come as ever. It does not wait well for requests that a
 * worker is at: with ANY they are not counted, on SQPOLL rings not found, and with
 * DEFER_TASKRUN the whole time passes although they have ended.
 *
 * Return: 0; -ENOENT if there is none; -ETIME. Since: 6.0.
 */
ORING_API int oring_register_sync_cancel(struct oring *ring,
					 const struct oring_sync_cancel_reg *cancel);

/**
 * oring_register_napi - poll network devices busily while waiting
 * @napi: receives the setting that held before
 *
 * Return: 0; -EINVAL on an IOPOLL ring, or without CONFIG_NET_RX_BUSY_POLL. Since: 6.9.
 */
ORING_API int oring_register_napi(struct oring *ring, struct oring_napi *napi);

/** oring_unregister_napi - no more; @napi receives the last setting, or is NULL. Since: 6.9. */
ORING_API int oring_unregister_napi(struct oring *ring, struct oring_napi *napi);

/**
 * oring_register_clock - the clock of waits with a timeout
 * @clock: CLOCK_MONOTONIC (1) or CLOCK_BOOTTIME (7)
 *
 * Return: 0; -EINVAL for another. Since: 6.12.
 */
ORING_API int oring_register_clock(struct oring *ring, uint32_t clock);

/**
 * oring_register_region - memory that ring and kernel share, for registered waits
 * @region: ORING_MEM_REGION_REG_WAIT_ARG only while the ring is disabled
 *
 * Return: 0; -EBUSY the second time. Since: 6.13.
 */
ORING_API int oring_register_region(struct oring *ring, const struct oring_mem_region_reg *region);

/**
 * oring_send_message - post a message to a ring, by no ring of one's own
 * @sqe: an entry that oring_prep_msg_ring() prepared, without entry flags
 *
 * Return: 0; otherwise as the entry would complete. Since: 6.13.
 * Threads: any.
 */
ORING_API int oring_send_message(const struct oring_sqe *sqe);

/**
 * oring_register_zcrx_ifq - a queue for zero-copy receive
 * @reg: interface, area, region; receives offsets and id
 *
 * Needs DEFER_TASKRUN, 32-byte completions and CAP_NET_ADMIN. Return: 0;
 * -EOPNOTSUPP or -EINVAL where device or kernel have none. Since: 6.15.
 */
ORING_API int oring_register_zcrx_ifq(struct oring *ring, struct oring_zcrx_ifq_reg *reg);

/** oring_register_zcrx_ctrl - flush, export, ...: ORING_ZCRX_CTRL_*. Return: 0. Since: 6.19. */
ORING_API int oring_register_zcrx_ctrl(struct oring *ring, struct oring_zcrx_ctrl *ctrl);

ORING_END_DECLS

#endif
