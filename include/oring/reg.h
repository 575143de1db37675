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
 * Return: 0; -ENOMEM also where RLIMIT_MEMLOCK is too small, -EBUSY if buffers
 * are registered, -EFAULT for memory that is not there. Since: 5.1.
 */
ORING_API int oring_register_buffers(struct oring *ring, const struct iovec *iov, uint32_t count);

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

ORING_END_DECLS

#endif
