/* SPDX-License-Identifier: MIT */
/**
 * cqe.h - questions to a completion
 *
 * All functions here only read the completion: any thread, while it is not
 * released yet.
 */
#ifndef ORING_CQE_H
#define ORING_CQE_H

#include "abi.h"
#include "context.h"

ORING_BEGIN_DECLS

/** oring_cqe_context - whose completion this is. */
ORING_INLINE oring_context oring_cqe_context(const struct oring_cqe *cqe)
{
	return oring_context_from_bits(cqe->user_data);
}

/*
 * What res and flags say, per family of operations; oring_sqe_result() names
 * the kind of res beforehand. A negative res is an errno, but of a notification.
 *
 *   read, write, send, receive, splice  bytes
 *   with buffer selection               bytes; has_buffer, buffer_id: where they are;
 *                                       buffer_has_more: the kernel goes on in it
 *   receive                             sock_nonempty: there is more to receive
 *   any multishot                       has_more: not the last completion
 *   zero-copy send                      bytes, has_more: a notification will come;
 *                                       then is_notification, zc_copied: the usage report
 *   open, socket, accept, install       a descriptor; a slot where it goes into one
 *   poll                                the mask of events that came
 *   cancel, wake, update, epoll wait    how many
 *   futex waitv                         which one was woken
 *   timeout                             -ETIME: the time came; 0: the count did
 *   any, on rings with mixed sizes      is_filler: none at all
 */

/** oring_cqe_error - 0, or the negative errno; a notification has none. */
ORING_INLINE int oring_cqe_error(const struct oring_cqe *cqe)
{
	return cqe->res < 0 && !(cqe->flags & ORING_CQE_F_NOTIF) ? cqe->res : 0;
}

/** oring_cqe_bytes - how many bytes; 0 of a failed operation, and of a notification. */
ORING_INLINE uint32_t oring_cqe_bytes(const struct oring_cqe *cqe)
{
	return cqe->res < 0 ? 0 : (uint32_t)cqe->res;
}

/** oring_cqe_has_more - this request will complete again. Since: 5.13. */
ORING_INLINE bool oring_cqe_has_more(const struct oring_cqe *cqe)
{
	return (cqe->flags & ORING_CQE_F_MORE) != 0;
}

/**
 * oring_cqe_has_buffer - a provided buffer came with it
 *
 * Also a failed request may bring one back: ask this, never the result.
 * Since: 5.7.
 */
ORING_INLINE bool oring_cqe_has_buffer(const struct oring_cqe *cqe)
{
	return (cqe->flags & ORING_CQE_F_BUFFER) != 0;
}

/** oring_cqe_buffer_id - that buffer's id (bid); meaningless without one. */
ORING_INLINE uint16_t oring_cqe_buffer_id(const struct oring_cqe *cqe)
{
	return (uint16_t)(cqe->flags >> ORING_CQE_BUFFER_SHIFT);
}

/** oring_cqe_buffer_has_more - the buffer is not used up: the kernel keeps it. Since: 6.12. */
ORING_INLINE bool oring_cqe_buffer_has_more(const struct oring_cqe *cqe)
{
	return (cqe->flags & ORING_CQE_F_BUF_MORE) != 0;
}

/** oring_cqe_sock_nonempty - the socket holds more to receive. Since: 5.19. */
ORING_INLINE bool oring_cqe_sock_nonempty(const struct oring_cqe *cqe)
{
	return (cqe->flags & ORING_CQE_F_SOCK_NONEMPTY) != 0;
}

/** oring_cqe_is_notification - a zero-copy send gives its buffer back. Since: 6.0. */
ORING_INLINE bool oring_cqe_is_notification(const struct oring_cqe *cqe)
{
	return (cqe->flags & ORING_CQE_F_NOTIF) != 0;
}

/** oring_cqe_zc_copied - of a notification with usage report: the data was copied. Since: 6.2. */
ORING_INLINE bool oring_cqe_zc_copied(const struct oring_cqe *cqe)
{
	return ((uint32_t)cqe->res & ORING_NOTIF_USAGE_ZC_COPIED) != 0;
}

/**
 * oring_res_is_cancel - whether a request that was asked to end ended because of that
 * @res: its result
 *
 *	-ECANCELED         it has done nothing
 *	-EINTR             a worker thread was at it, and was interrupted: it may have done
 *	                   a part (an open tells it as -512, ERESTARTSYS)
 *
 * Asked by a cancel, or by a deadline. Of a request that nobody asked -EINTR is the operation's own.
 * Source: io_wq_cancel_cb() in io_uring/io-wq.c. Any thread.
 */
ORING_INLINE bool oring_res_is_cancel(int32_t res)
{
	return res == -ORING_ECANCELED || res == -ORING_EINTR || res == -ORING_ERESTARTSYS;
}

/**
 * oring_cqe_is_filler - not a completion: it fills the gap before the wrap
 *
 * On rings with mixed completion sizes only. oring_cq_peek() and the walks
 * pass over fillers by themselves. Since: 6.18.
 */
ORING_INLINE bool oring_cqe_is_filler(const struct oring_cqe *cqe)
{
	return (cqe->flags & ORING_CQE_F_SKIP) != 0;
}

/**
 * oring_cqe_big - the second half of a 32-byte completion
 *
 * Only where it has one: on a ring of 32-byte completions, or on a mixed ring
 * if the flags have ORING_CQE_F_32.
 */
ORING_INLINE const uint64_t *oring_cqe_big(const struct oring_cqe *cqe)
{
	return (const uint64_t *)(cqe + 1);
}

ORING_END_DECLS

#endif
