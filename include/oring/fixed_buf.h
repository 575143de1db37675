/* SPDX-License-Identifier: MIT */
/**
 * fixed_buf.h - a slice of a registered buffer, by value
 *
 * Address, length and index in one word pair, so that none of them can go with
 * another buffer's. Register the buffer itself with oring_register_buffers().
 */
#ifndef ORING_FIXED_BUF_H
#define ORING_FIXED_BUF_H

#include "abi.h"

ORING_BEGIN_DECLS

typedef struct oring_fixed_buf {
	void *addr;
	uint32_t len;	/* bytes; a registered buffer has at most 1 GiB */
	uint16_t index; /* in the table of registered buffers */
	uint16_t unused;
} oring_fixed_buf;

/**
 * oring_fixed_buf_of - all of a registered buffer
 * @addr: as it was registered; @len likewise, in bytes, at most 2^32 - 1
 * @index: its index in the table
 * @out: receives the slice; untouched on error
 *
 * Does not ask the kernel whether such a buffer is registered.
 * Return: 0; -EOVERFLOW for a length that no registered buffer has.
 */
ORING_INLINE int oring_fixed_buf_of(void *addr, size_t len, uint16_t index, oring_fixed_buf *out)
{
	if ((uint64_t)len >> 32 != 0)
		return -ORING_EOVERFLOW;
	out->addr = addr;
	out->len = (uint32_t)len;
	out->index = index;
	out->unused = 0;
	return 0;
}

/**
 * oring_fixed_buf_slice - a part of @buf
 * @offset: where it begins, in bytes from the beginning of @buf
 * @len: its bytes
 * @out: receives the slice; untouched on error; may be @buf's own place
 *
 * Return: 0; -ERANGE if it does not lie inside @buf.
 */
ORING_INLINE int oring_fixed_buf_slice(oring_fixed_buf buf, size_t offset, size_t len,
				       oring_fixed_buf *out)
{
	if (offset > buf.len || len > buf.len - offset)
		return -ORING_ERANGE;
	out->addr = (char *)buf.addr + offset;
	out->len = (uint32_t)len;
	out->index = buf.index;
	out->unused = 0;
	return 0;
}

ORING_END_DECLS

#endif
