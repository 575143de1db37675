/* SPDX-License-Identifier: MIT */
/* Is this entry one that was prepared as it should be? */
#include "oring/sqe.h"
#include "opinfo.h"

static unsigned int fields_set(const struct oring_sqe *sqe)
{
	unsigned int set = 0;

	set |= sqe->ioprio ? FIELD_IOPRIO : 0;
	set |= sqe->fd ? FIELD_FD : 0;
	set |= sqe->off ? FIELD_OFF : 0;
	set |= sqe->addr ? FIELD_ADDR : 0;
	set |= sqe->len ? FIELD_LEN : 0;
	set |= sqe->op_flags ? FIELD_OP_FLAGS : 0;
	set |= sqe->buf_index ? FIELD_BUF_INDEX : 0;
	set |= sqe->file_index ? FIELD_FILE_INDEX : 0;
	set |= sqe->addr3 ? FIELD_ADDR3 : 0;
	set |= sqe->pad2 ? FIELD_PAD2 : 0;
	return set;
}

static bool is_multishot(const struct oring_sqe *sqe)
{
	switch (sqe->opcode) {
	case ORING_OP_READ_MULTISHOT:
		return true;
	case ORING_OP_RECV:
	case ORING_OP_RECVMSG:
		return sqe->ioprio & ORING_RECV_MULTISHOT;
	case ORING_OP_URING_CMD:
	case ORING_OP_URING_CMD128:
		return sqe->op_flags & ORING_URING_CMD_MULTISHOT;
	}
	return false;
}

/* O_CLOEXEC, SOCK_CLOEXEC: one value on every machine this library runs on. */
#define CLOEXEC 02000000U

#define WAITALL 0x100U /* MSG_WAITALL */

/* The flags that a direct result would come with; 0 where they are elsewhere or none. */
static uint32_t file_flags(const struct oring_sqe *sqe)
{
	switch (sqe->opcode) {
	case ORING_OP_OPENAT:
	case ORING_OP_ACCEPT:
	case ORING_OP_PIPE:
		return sqe->op_flags;
	case ORING_OP_SOCKET:
		return (uint32_t)sqe->off;
	}
	return 0;
}

/* Where the kernel can choose a buffer: buffer_select in io_uring/opdef.c. */
static bool can_select(const struct oring_sqe *sqe)
{
	switch (sqe->opcode) {
	case ORING_OP_READ:
	case ORING_OP_READV:
	case ORING_OP_READ_MULTISHOT:
	case ORING_OP_RECV:
	case ORING_OP_RECVMSG:
	case ORING_OP_SEND:
		return true;
	case ORING_OP_URING_CMD:
	case ORING_OP_URING_CMD128:
		return is_multishot(sqe);
	}
	return false;
}

/*
 * What kernels do not take, or (a send bundle without a group) take for
 * something else: read in io_uring/{openclose,net,poll,rw,kbuf}.c.
 */
static bool is_always_refused(const struct oring_sqe *sqe)
{
	bool selects = sqe->flags & ORING_SQE_BUFFER_SELECT;
	bool skips = sqe->flags & ORING_SQE_CQE_SKIP_SUCCESS;

	if (sqe->file_index != 0 && (file_flags(sqe) & CLOEXEC))
		return true;
	if (selects ? !can_select(sqe) : is_multishot(sqe))
		return true;
	switch (sqe->opcode) {
	case ORING_OP_ACCEPT:
		return (sqe->ioprio & ORING_ACCEPT_MULTISHOT) && sqe->file_index != 0 &&
		       sqe->file_index != ORING_FILE_INDEX_ALLOC;
	case ORING_OP_RECV:
	case ORING_OP_RECVMSG:
		return is_multishot(sqe) && (sqe->op_flags & WAITALL);
	case ORING_OP_SEND:
		return (sqe->ioprio & ORING_RECVSEND_BUNDLE) && !selects;
	case ORING_OP_SEND_ZC:
	case ORING_OP_SENDMSG_ZC:
		return skips;
	case ORING_OP_POLL_ADD:
		return (sqe->len & ORING_POLL_ADD_MULTI) && skips;
	case ORING_OP_RECV_ZC:
		return !(sqe->ioprio & ORING_RECV_MULTISHOT);
	case ORING_OP_FIXED_FD_INSTALL:
		return !(sqe->flags & ORING_SQE_FIXED_FILE);
	}
	return false;
}

int oring_sqe_check(const struct oring_sqe *sqe)
{
	unsigned int understood;

	if (sqe->opcode == ORING_OP_REFUSED)
		return sqe->off >> 8 == ORING_REFUSED_SLOT ? -ORING_EBADSLT : -ORING_EOVERFLOW;
	if (sqe->opcode >= ORING_OP_LAST)
		return -ORING_EOPNOTSUPP;
	understood = oring_opinfo[sqe->opcode].understood;
	if (sqe->flags & ORING_SQE_BUFFER_SELECT)
		understood |= FIELD_BUF_INDEX;
	if ((fields_set(sqe) & ~understood) || is_always_refused(sqe))
		return -ORING_EINVAL;
	return 0;
}
