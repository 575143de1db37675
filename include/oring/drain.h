/* SPDX-License-Identifier: MIT */
/**
 * drain.h - end what is in flight, before memory is given back
 */
#ifndef ORING_DRAIN_H
#define ORING_DRAIN_H

#include "ring.h"

ORING_BEGIN_DECLS

/**
 * oring_drain - cancel every request of the ring, and wait until none is left
 * @limit: how long to wait at most; NULL: without limit
 *
 * Entries that are reserved or committed, and not consumed, are not touched.
 * Completions come as ever, of the cancelled requests too: reap them
 * afterwards; those that do not fit the ring are kept by the kernel
 * (oring_cq_overflowed()) until room is made and the kernel is entered.
 *
 * What the program submits while it reaps them (a close for each) is in flight
 * again: submit, drain and reap until nothing was submitted and nothing is ready.
 *
 * When it returns 0, no request of this ring uses memory of the caller's any
 * more, except zero-copy sends whose notification has not come: the network
 * has their buffers. Then oring_exit(), and what entries pointed to may be freed.
 * A request that a worker thread is at (a read of a disk, say) cannot be
 * cancelled: it is waited for. But of such requests the kernel tells nothing
 * before 6.6, and never on rings with SQPOLL: there they may outlast the 0, so
 * count the completions of what may block in a worker, and drain until they came.
 *
 * Return: how many requests are still in flight after @limit, 0 if none; -EAGAIN:
 * the completion queue is full, reap and call again; -EINTR; -EEXIST not the
 * owner; -EINVAL before 6.0.
 * Threads: owner only (both sides). Since: 6.0.
 */
ORING_API int oring_drain(struct oring *ring, const struct oring_timespec *limit);

ORING_END_DECLS

#endif
