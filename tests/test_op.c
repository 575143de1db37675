/* SPDX-License-Identifier: MIT */
/* Names and releases of operations, known and unknown. */
#include "harness.h"

Test(op, names_and_releases)
{
	cr_assert_str_eq(oring_op_name(ORING_OP_NOP), "NOP");
	cr_assert_str_eq(oring_op_name(ORING_OP_URING_CMD128), "URING_CMD128");
	cr_assert_str_eq(oring_op_name(ORING_OP_REFUSED), "REFUSED");
	cr_assert_str_eq(oring_op_name(ORING_OP_LAST), "UNKNOWN");
	cr_assert_str_eq(oring_op_name(UINT32_MAX), "UNKNOWN");
	cr_assert_eq(oring_op_since(ORING_OP_NOP), 5 << 8 | 1);
	cr_assert_eq(oring_op_since(ORING_OP_BIND), 6 << 8 | 11);
	cr_assert_eq(oring_op_since(ORING_OP_LAST), 0);
	cr_assert_eq(oring_op_since(ORING_OP_REFUSED), 0);
}

Test(op, releases_never_go_back)
{
	unsigned int op;

	for (op = 1; op < ORING_OP_LAST; op++)
		cr_assert_geq(oring_op_since(op), oring_op_since(op - 1), "%s", oring_op_name(op));
}

Test(op, results)
{
	static const struct {
		unsigned int op, result;
	} known[] = {
		{ ORING_OP_READ, ORING_RESULT_BYTES },
		{ ORING_OP_SEND_ZC, ORING_RESULT_BYTES },
		{ ORING_OP_SPLICE, ORING_RESULT_BYTES },
		{ ORING_OP_FSYNC, ORING_RESULT_NONE },
		{ ORING_OP_CLOSE, ORING_RESULT_NONE },
		{ ORING_OP_TIMEOUT, ORING_RESULT_NONE },
		{ ORING_OP_PIPE, ORING_RESULT_NONE },
		{ ORING_OP_OPENAT, ORING_RESULT_FD },
		{ ORING_OP_ACCEPT, ORING_RESULT_FD },
		{ ORING_OP_FIXED_FD_INSTALL, ORING_RESULT_FD },
		{ ORING_OP_POLL_ADD, ORING_RESULT_EVENTS },
		{ ORING_OP_ASYNC_CANCEL, ORING_RESULT_COUNT },
		{ ORING_OP_FILES_UPDATE, ORING_RESULT_COUNT },
		{ ORING_OP_EPOLL_WAIT, ORING_RESULT_COUNT },
		{ ORING_OP_FUTEX_WAITV, ORING_RESULT_INDEX },
		{ ORING_OP_URING_CMD128, ORING_RESULT_VALUE },
		{ ORING_OP_LAST, ORING_RESULT_VALUE },
		{ ORING_OP_REFUSED, ORING_RESULT_VALUE },
		{ UINT32_MAX, ORING_RESULT_VALUE },
	};
	unsigned int op;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		cr_assert_eq(oring_op_result(known[i].op), known[i].result, "%s",
			     oring_op_name(known[i].op));
	for (op = 0; op < ORING_OP_LAST; op++) {
		cr_assert_leq(oring_op_result(op), ORING_RESULT_VALUE);
		cr_assert_neq(oring_op_result(op), ORING_RESULT_SLOT, "%s: entries say that",
			      oring_op_name(op));
	}
}
