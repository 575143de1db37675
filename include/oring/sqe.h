/* SPDX-License-Identifier: MIT */
/**
 * sqe.h - what may be said of any entry, whatever its operation
 *
 * An entry is cleared once (oring_sq_reserve does it) and prepared once
 * (prep.h). The setters here may come before or after the prep call, in any
 * order: prep assigns only the operands of its operation, and flags are only
 * ever added. Only oring_sqe_set_direct(), which records what the entry says,
 * comes last.
 *
 * All functions here only write the entry: any thread that owns it.
 */
#ifndef ORING_SQE_H
#define ORING_SQE_H

#include "abi.h"
#include "context.h"
#include "file.h"
#include "op.h"

ORING_BEGIN_DECLS

/* The same 64 bytes, for clearing and copying many fields at once. */
struct oring_sqe_words {
	uint64_t word[8];
} ORING_MAY_ALIAS;

/*
 * Two fields by other types than their neighbours. Of stores of one type side by
 * side gcc, from 12 on, makes a vector first: four instructions for two.
 */
struct oring_sqe_apart {
	uint64_t word[2];
	int64_t addr;
	int32_t len;
	uint32_t rest[9];
} ORING_MAY_ALIAS;

/* addr, of this type. */
ORING_INLINE void oring_put_addr(struct oring_sqe *sqe, uint64_t addr)
{
	((struct oring_sqe_apart *)sqe)->addr = (int64_t)addr;
}

/* len, of this type. */
ORING_INLINE void oring_put_len(struct oring_sqe *sqe, uint32_t len)
{
	((struct oring_sqe_apart *)sqe)->len = (int32_t)len;
}

/**
 * oring_sqe_clear - make an entry blank
 * @sqe: an entry in the caller's own memory; reserved ones are blank already
 *
 * Field by field, so that what prep assigns next costs no second store.
 */
ORING_INLINE void oring_sqe_clear(struct oring_sqe *sqe)
{
	sqe->opcode = 0;
	sqe->flags = 0;
	sqe->ioprio = 0;
	sqe->fd = 0;
	sqe->off = 0;
	sqe->addr = 0;
	sqe->len = 0;
	sqe->op_flags = 0;
	sqe->user_data = 0;
	/* buf_index, personality and file_index: gcc would not join them again. */
	((struct oring_sqe_words *)sqe)->word[5] = 0;
	sqe->addr3 = 0;
	sqe->pad2 = 0;
}

/** oring_sqe128_clear - the same for all 128 bytes of a large entry. */
ORING_INLINE void oring_sqe128_clear(struct oring_sqe128 *sqe)
{
	int i;

	oring_sqe_clear(&sqe->sqe);
	for (i = 0; i < 8; i++)
		sqe->more[i] = 0;
}

/** oring_sqe128_cmd - the 80 bytes of command data in a large entry. */
ORING_INLINE void *oring_sqe128_cmd(struct oring_sqe128 *sqe)
{
	return &sqe->sqe.addr3;
}

/** oring_sqe_cmd - the 16 bytes of command data in a 64-byte entry. */
ORING_INLINE void *oring_sqe_cmd(struct oring_sqe *sqe)
{
	return &sqe->addr3;
}

/* 16 bytes at once, where the machine can. */
typedef uint64_t oring_wide __attribute__((vector_size(16), aligned(4), may_alias));

/** oring_sqe_copy - copy all 64 bytes of @from to @to. */
ORING_INLINE void oring_sqe_copy(struct oring_sqe *to, const struct oring_sqe *from)
{
	const oring_wide *in = (const oring_wide *)from;
	oring_wide *out = (oring_wide *)to;
	oring_wide a = in[0], b = in[1], c = in[2], d = in[3];

	out[0] = a;
	out[1] = b;
	out[2] = c;
	out[3] = d;
}

/**
 * oring_sqe_link - the next entry starts when this one succeeded
 *
 * A short read or a short receive counts as a failure. A chain ends with the
 * submit call that it was begun in: reserve its entries together. Since: 5.3.
 */
ORING_INLINE void oring_sqe_link(struct oring_sqe *sqe)
{
	sqe->flags |= ORING_SQE_IO_LINK;
}

/** oring_sqe_hardlink - the next entry starts when this one ended, however. Since: 5.5. */
ORING_INLINE void oring_sqe_hardlink(struct oring_sqe *sqe)
{
	sqe->flags |= ORING_SQE_IO_HARDLINK;
}

/**
 * oring_sqe_drain - start when all entries before this one have completed
 *
 * Refused with -EOPNOTSUPP, for good, on a ring where a skip-success entry was
 * ever submitted. Since: 5.2.
 */
ORING_INLINE void oring_sqe_drain(struct oring_sqe *sqe)
{
	sqe->flags |= ORING_SQE_IO_DRAIN;
}

/** oring_sqe_async - hand it to a worker thread without trying it inline. Since: 5.6. */
ORING_INLINE void oring_sqe_async(struct oring_sqe *sqe)
{
	sqe->flags |= ORING_SQE_ASYNC;
}

/**
 * oring_sqe_skip_success - no completion if the operation succeeds
 *
 * The kernel then refuses drain on this ring for good. Since: 5.17.
 */
ORING_INLINE void oring_sqe_skip_success(struct oring_sqe *sqe)
{
	sqe->flags |= ORING_SQE_CQE_SKIP_SUCCESS;
}

/**
 * oring_sqe_buffer_select - let the kernel choose a provided buffer
 * @group: buffer group id (bgid)
 *
 * The completion names the buffer. Without one: -ENOBUFS; a send from a group
 * that does not exist: -ENOENT. Since: 5.7; send 6.10.
 */
ORING_INLINE void oring_sqe_buffer_select(struct oring_sqe *sqe, uint16_t group)
{
	sqe->flags |= ORING_SQE_BUFFER_SELECT;
	sqe->buf_index = group;
}

/**
 * oring_sqe_limit_receive - how many bytes a multishot receive may take in all
 *
 * It ends after the completion that reaches @bytes. The last receive is not cut: it
 * may go beyond by as much as a buffer holds, less one. Since: 6.17.
 */
ORING_INLINE void oring_sqe_limit_receive(struct oring_sqe *sqe, uint32_t bytes)
{
	sqe->file_index = bytes; /* the kernel's optlen */
}

/** oring_sqe_set_personality - act with registered credentials @id. Since: 5.6. */
ORING_INLINE void oring_sqe_set_personality(struct oring_sqe *sqe, uint16_t id)
{
	sqe->personality = id;
}

/**
 * oring_sqe_set_ioprio - I/O priority of a read or a write
 * @priority: class << 13 | level, as ioprio_set(2) has it
 *
 * Send, receive and accept keep flags in this field; they have no priority.
 */
ORING_INLINE void oring_sqe_set_ioprio(struct oring_sqe *sqe, uint16_t priority)
{
	sqe->ioprio = priority;
}

/**
 * oring_sqe_add_ioprio_flags - add flags that an operation keeps where others have a priority
 * @flags: ORING_RECVSEND_* of a send or receive, ORING_ACCEPT_* of an accept
 */
ORING_INLINE void oring_sqe_add_ioprio_flags(struct oring_sqe *sqe, uint16_t flags)
{
	sqe->ioprio |= flags;
}

/** oring_sqe_add_op_flags - add flags of the operation: RWF_* of a read or a write, ... */
ORING_INLINE void oring_sqe_add_op_flags(struct oring_sqe *sqe, uint32_t flags)
{
	sqe->op_flags |= flags;
}

/** oring_sqe_poll_first - send or receive: wait for readiness before the first try. Since: 5.19. */
ORING_INLINE void oring_sqe_poll_first(struct oring_sqe *sqe)
{
	sqe->ioprio |= ORING_RECVSEND_POLL_FIRST;
}

/** oring_sqe_report_usage - zero-copy send: the notification says whether it was copied. Since: 6.2. */
ORING_INLINE void oring_sqe_report_usage(struct oring_sqe *sqe)
{
	sqe->ioprio |= ORING_SEND_ZC_REPORT_USAGE;
}

/**
 * oring_sqe_set_write_stream - a write: which of the drive's streams it belongs to
 *
 * -EINVAL for direct I/O on a block device that has fewer; other files, and
 * kernels before 6.16, take no notice. Since: 6.16.
 */
ORING_INLINE void oring_sqe_set_write_stream(struct oring_sqe *sqe, uint8_t stream)
{
	sqe->file_index = stream;
}

/**
 * oring_sqe_set_attr_pi - a read or a write: with protection information
 * @pi: must stay until the entry is consumed; the memory it names until the completion
 *
 * Direct I/O on a drive that has it; -EINVAL elsewhere. Kernels without
 * ORING_FEAT_RW_ATTR take no notice. Since: 6.14.
 */
ORING_INLINE void oring_sqe_set_attr_pi(struct oring_sqe *sqe, const struct oring_attr_pi *pi)
{
	sqe->addr3 = (uint64_t)(uintptr_t)pi;
	sqe->pad2 = ORING_RW_ATTR_FLAG_PI;
}

/** oring_sqe_set_user_data - identity, as any 64 bits. */
ORING_INLINE void oring_sqe_set_user_data(struct oring_sqe *sqe, uint64_t user_data)
{
	sqe->user_data = user_data;
}

/** oring_sqe_set_context - identity. */
ORING_INLINE void oring_sqe_set_context(struct oring_sqe *sqe, oring_context context)
{
	sqe->user_data = context.bits;
}

/**
 * oring_sqe_file - the file that a prepared entry is about
 *
 * Close, cancel and NOP keep a slot elsewhere than other operations: this knows.
 * Operations without a file give descriptor -1; those that take a directory,
 * a domain or a count there give that number as a descriptor.
 */
ORING_INLINE oring_file oring_sqe_file(const struct oring_sqe *sqe)
{
	if (sqe->opcode == ORING_OP_CLOSE && sqe->file_index != 0)
		return oring_file_slot(sqe->file_index - 1);
	if (sqe->flags & ORING_SQE_FIXED_FILE)
		return oring_file_slot((uint32_t)sqe->fd);
	if (sqe->opcode == ORING_OP_ASYNC_CANCEL && (sqe->op_flags & ORING_ASYNC_CANCEL_FD_FIXED))
		return oring_file_slot((uint32_t)sqe->fd);
	if (sqe->opcode == ORING_OP_NOP && (sqe->op_flags & ORING_NOP_FIXED_FILE))
		return oring_file_slot((uint32_t)sqe->fd);
	return oring_file_fd(sqe->fd);
}

/**
 * oring_sqe_set_direct_tag - identity that says what the entry says now
 * @tag: 16 bits of the caller's
 *
 * The last call on an entry: operation, flags, tag and file become a direct
 * context. Of a refused entry it is the operation that was refused.
 *
 * Return: 0, or -ERANGE for a file outside 30 bits (a descriptor of 2^29 or
 * more); then user_data is as before.
 */
ORING_INLINE int oring_sqe_set_direct_tag(struct oring_sqe *sqe, uint16_t tag)
{
	uint64_t bits = sqe->user_data;
	uint32_t op = sqe->opcode;
	uint32_t flags = sqe->flags;
	uint32_t file = (uint32_t)sqe->fd;
	int ret = 0;

	/* So that the operation is a constant, also where prep may have refused. */
	if (oring_unlikely(op == ORING_OP_REFUSED))
		op = (uint8_t)sqe->off;
	/* As oring_sqe_file(). */
	if (op == ORING_OP_CLOSE && sqe->file_index != 0) {
		file = sqe->file_index - 1;
		flags |= ORING_SQE_FIXED_FILE;
	} else if ((op == ORING_OP_ASYNC_CANCEL && (sqe->op_flags & ORING_ASYNC_CANCEL_FD_FIXED)) ||
		   (op == ORING_OP_NOP && (sqe->op_flags & ORING_NOP_FIXED_FILE))) {
		flags |= ORING_SQE_FIXED_FILE;
	}
	if (oring_likely(oring_context_holds(file)))
		bits = oring_context_join(op, flags, tag, file);
	else
		ret = -ORING_ERANGE;
	/* Stored in either case, so that the store which cleared the field can go. */
	sqe->user_data = bits;
	return ret;
}

/** oring_sqe_set_direct - the same, with the buffer group as the tag. */
ORING_INLINE int oring_sqe_set_direct(struct oring_sqe *sqe)
{
	return oring_sqe_set_direct_tag(sqe, sqe->buf_index);
}

/**
 * oring_sqe_result - what a result >= 0 of a prepared entry will be: enum oring_result
 *
 * As oring_op_result(), but of an entry whose result goes into a registered
 * slot it is that slot.
 */
ORING_INLINE unsigned int oring_sqe_result(const struct oring_sqe *sqe)
{
	unsigned int result = oring_op_result(sqe->opcode);

	return result == ORING_RESULT_FD && sqe->file_index != 0 ? (unsigned int)ORING_RESULT_SLOT
								 : result;
}

/* Why an entry was refused by its prep function; read by oring_sqe_check(). */
enum oring_refusal {
	ORING_REFUSED_LENGTH = 1, /* a length above what the field holds */
	ORING_REFUSED_SLOT = 2	  /* a slot that the field cannot hold */
};

/**
 * oring_sqe_refuse - make an entry that the kernel completes with -EINVAL
 * @refusal: enum oring_refusal
 *
 * Opcode 255 belongs to no operation. Flags and identity stay, so the error
 * comes back to whom it concerns, and ends the chain that the entry was in.
 */
ORING_INLINE void oring_sqe_refuse(struct oring_sqe *sqe, unsigned int refusal)
{
	if (sqe->opcode == ORING_OP_REFUSED)
		return; /* the first reason stays */
	sqe->off = (uint64_t)refusal << 8 | sqe->opcode;
	sqe->opcode = ORING_OP_REFUSED;
}

/**
 * oring_sqe_check - is this entry one that was prepared as it should be?
 * @sqe: a prepared entry
 *
 * Looks for mistakes that the kernel answers with a bare -EINVAL, or not at
 * all. Needs no kernel and does not ask it: what this kernel supports is
 * feature.h's business.
 *
 * Return: 0; -EOVERFLOW: prep refused a length that does not fit;
 * -EBADSLT: prep refused a slot number; -EOPNOTSUPP: an opcode that this
 * library does not know; -EINVAL: a field is set that the operation has no use
 * for (a setter of another operation, an entry that was prepared twice), or
 * what the kernel always refuses: a direct result with CLOEXEC, a multishot
 * accept into a named slot, a multishot or bundled operation without buffer
 * selection, buffer selection where there is none, skip-success on a zero-copy
 * send or a multishot poll, MSG_WAITALL on a multishot receive, a zero-copy
 * receive that is not multishot, FIXED_FD_INSTALL of a descriptor.
 */
ORING_API int oring_sqe_check(const struct oring_sqe *sqe);

ORING_END_DECLS

#endif
