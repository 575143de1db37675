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
