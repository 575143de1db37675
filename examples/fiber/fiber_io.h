/* SPDX-License-Identifier: MIT */
/**
 * fiber_io.h - I/O that suspends only the fiber that asks for it
 *
 * Each takes a file by type (a descriptor or a registered slot, oring/file.h), a limit of time
 * last (nanoseconds; FIBER_FOREVER; 0 or less: only if it is there at once), and returns what the
 * operation does, a negative errno, or one of
 *
 *	-ETIME		the limit came first
 *	-ECANCELED	the fiber was cancelled, or all that waits for this file
 *	-EINVAL		outside of a fiber, too
 *
 * Operations that are not here: fiber_operation() and prep.h.
 */
#ifndef FIBER_IO_H
#define FIBER_IO_H

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "fiber.h"

/* Where a file goes on by itself: pipes, sockets, and files at their position. */
#define FIBER_HERE ((uint64_t)-1)

/* ---- bytes ---- */

int fiber_read(oring_file file, void *buf, size_t length, uint64_t offset, int64_t limit);
int fiber_write(oring_file file, const void *buf, size_t length, uint64_t offset, int64_t limit);
int fiber_readv(oring_file file, const struct iovec *iov, uint32_t n, uint64_t offset,
		int64_t limit);
int fiber_writev(oring_file file, const struct iovec *iov, uint32_t n, uint64_t offset,
		 int64_t limit);
int fiber_recv(oring_file sock, void *buf, size_t length, int flags, int64_t limit);
int fiber_send(oring_file sock, const void *buf, size_t length, int flags, int64_t limit);
int fiber_recvmsg(oring_file sock, struct msghdr *message, int flags, int64_t limit);
int fiber_sendmsg(oring_file sock, const struct msghdr *message, int flags, int64_t limit);

/**
 * fiber_write_all, fiber_send_all - until all @length bytes are gone; the limit is for all of it
 *
 * Return: @length; what was written before an error, if anything was; the error; -EPIPE where nothing goes.
 */
int64_t fiber_write_all(oring_file file, const void *buf, size_t length, uint64_t offset,
			int64_t limit);
int64_t fiber_send_all(oring_file sock, const void *buf, size_t length, int64_t limit);

/**
 * fiber_write_linked - buffers as one chain of writes, in order
 * @n: any number; as many at a time as the ring has entries
 *
 * What a short write breaks off is taken up where it stopped. Return: as fiber_write_all().
 */
int64_t fiber_write_linked(oring_file file, const struct iovec *iov, uint32_t n, uint64_t offset);

/**
 * fiber_splice - move bytes between two files, of which one is a pipe, without copying
 *
 * A limit holds for waiting until both are ready; a splice into a socket that has room for some of the
 * bytes may outlast it.
 */
int fiber_splice(oring_file in, int64_t in_offset, oring_file out, int64_t out_offset,
		 size_t length, unsigned int flags, int64_t limit);

/* ---- sockets ---- */

/** fiber_accept - Return: the new descriptor, close-on-exec. @address may be NULL. */
int fiber_accept(oring_file sock, struct sockaddr *address, socklen_t *length, int64_t limit);

/**
 * fiber_accept_file - the same into a registered slot; without a free one, a descriptor
 *
 * Return: 0; -ENFILE where neither is free. fiber_config.slots must be set.
 */
int fiber_accept_file(oring_file sock, oring_file *file, int64_t limit);

int fiber_connect(oring_file sock, const struct sockaddr *address, socklen_t length, int64_t limit);

/** fiber_cancel_file - whoever waits for @file returns -ECANCELED. Return: how many; -ENOENT nobody. */
int fiber_cancel_file(oring_file file);

/* ---- files ---- */

/**
 * fiber_openat - Return: a descriptor
 *
 * An open that waits in a worker thread (of a fifo that nobody else has open, with O_CREAT) may outlast
 * its limit, as recent kernels start that later; fiber_cancel() ends it.
 */
int fiber_openat(int folder, const char *path, int flags, mode_t mode, int64_t limit);

/** fiber_close - a descriptor or a slot. Not interrupted by cancels. */
int fiber_close(oring_file file);

/**
 * fiber_to_slot - move a descriptor into a registered slot
 *
 * Return: 0: it is @file, and the descriptor is closed; else the descriptor is open as before: -ENFILE: no
 * slot is free; -ENXIO: there are no slots.
 */
int fiber_to_slot(int fd, oring_file *file);

int fiber_statx(int folder, const char *path, int flags, unsigned int mask, struct statx *buf,
		int64_t limit);
int fiber_renameat(int folder, const char *path, int new_folder, const char *new_path,
		   unsigned int flags, int64_t limit);
int fiber_unlinkat(int folder, const char *path, int flags, int64_t limit);
int fiber_mkdirat(int folder, const char *path, mode_t mode, int64_t limit);
int fiber_linkat(int folder, const char *path, int new_folder, const char *new_path, int flags,
		 int64_t limit);
int fiber_symlinkat(const char *target, int folder, const char *path, int64_t limit);
int fiber_fsync(oring_file file, bool data_only, int64_t limit);

/* ---- readiness, time, processes ---- */

/** fiber_poll - wait for events (POLLIN, ...). Return: those that are there, POLLHUP and POLLERR too. */
int fiber_poll(oring_file file, unsigned int events, int64_t limit);

/** fiber_sleep - for @nanoseconds. Return: 0; -ECANCELED. */
int fiber_sleep(int64_t nanoseconds);

/** fiber_sleep_until - until a time of CLOCK_MONOTONIC, in nanoseconds; at once if it is over. */
int fiber_sleep_until(int64_t time);

/**
 * fiber_wait_child - wait for a child process
 * @options: WEXITED, WSTOPPED, WCONTINUED
 * @status: receives it as waitpid(2) gives it (WIFEXITED(), ...)
 *
 * Return: its process number. Since: 6.7.
 */
int fiber_wait_child(pid_t pid, int options, int *status, int64_t limit);

#endif
