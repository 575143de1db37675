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

int oring_sqe_check(const struct oring_sqe *sqe)
{
	unsigned int understood;

	if (sqe->opcode == ORING_OP_REFUSED)
		return sqe->off >> 8 == ORING_REFUSED_SLOT ? -ORING_EBADSLT : -ORING_EOVERFLOW;
	if (sqe->opcode >= ORING_OP_LAST)
		return -ORING_EOPNOTSUPP;
	understood = oring_opinfo[sqe->opcode].understood;
	if (understood == 0)
		return 0; /* without a prep function there is nothing to compare with */
	if (sqe->flags & ORING_SQE_BUFFER_SELECT)
		understood |= FIELD_BUF_INDEX;
	return fields_set(sqe) & ~understood ? -ORING_EINVAL : 0;
}
