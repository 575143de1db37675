/* SPDX-License-Identifier: MIT */
/**
 * sys.h - the system calls, nothing more
 *
 * Each makes one system call and returns what the kernel returned: a value
 * >= 0, or a negative errno. errno is not touched; nothing is retried. Any
 * thread may call them, and so may a signal handler. A ring needs none of them
 * directly: they are for programs that keep their own rings.
 */
#ifndef ORING_SYS_H
#define ORING_SYS_H

#include "abi.h"

ORING_BEGIN_DECLS

/**
 * oring_sys_setup - io_uring_setup(2): make a ring
 * @entries: submission entries wanted, 1 to 32768; rounded up to a power of two
 * @params: the kernel's parameters, in and out; unused fields are zero
 *
 * Return: a descriptor (close-on-exec), or a registered index with
 * ORING_SETUP_REGISTERED_FD_ONLY; -EINVAL for flags the kernel does not know
 * or does not combine, -ENOSYS without io_uring, -EPERM where policy forbids
 * it, -ENOMEM also where RLIMIT_MEMLOCK is too small.
 * Since: 5.1.
 */
ORING_API int oring_sys_setup(uint32_t entries, struct oring_params *params);

/**
 * oring_sys_enter - io_uring_enter(2): submit, wait, or both
 * @fd: ring descriptor, or a registered index with ORING_ENTER_REGISTERED_RING
 * @to_submit: entries to consume
 * @min_complete: completions to wait for, with ORING_ENTER_GETEVENTS
 * @flags: ORING_ENTER_*
 * @arg: signal set, struct oring_getevents_arg, or an offset, as @flags say
 * @arg_size: its size in bytes
 *
 * Return: entries consumed, or a negative errno. An error of the wait is
 * hidden when something was consumed.
 * Since: 5.1.
 */
ORING_API int oring_sys_enter(int fd, uint32_t to_submit, uint32_t min_complete, uint32_t flags,
			      const void *arg, size_t arg_size);

/**
 * oring_sys_register - io_uring_register(2)
 * @fd: ring descriptor, or an index with ORING_REGISTER_USE_REGISTERED_RING, or
 *      -1 for the few operations that need no ring
 * @opcode: enum oring_register_op, and that flag
 * @arg: as the operation says
 * @nr_args: as the operation says: a count, a size, or 0
 *
 * Since: 5.1.
 */
ORING_API int oring_sys_register(int fd, uint32_t opcode, const void *arg, uint32_t nr_args);

/**
 * oring_sys_mmap - mmap(2)
 * @address: wanted address, or NULL
 * @length: bytes
 * @protection: PROT_* bits
 * @flags: MAP_* bits
 * @fd: descriptor, or -1
 * @offset: bytes, a multiple of the page size
 * @out: receives the address; untouched on error
 *
 * Return: 0 or a negative errno.
 */
ORING_API int oring_sys_mmap(void *address, size_t length, int protection, int flags, int fd,
			     uint64_t offset, void **out);

/** oring_sys_munmap - munmap(2). Return: 0 or a negative errno. */
ORING_API int oring_sys_munmap(void *address, size_t length);

/** oring_sys_close - close(2). Return: 0 or a negative errno; never repeat it. */
ORING_API int oring_sys_close(int fd);

ORING_END_DECLS

#endif
