/* SPDX-License-Identifier: MIT */
/* Setters add, and say nothing else; the check finds what was said wrongly. */
#include "harness.h"

Test(sqe, flags_are_added)
{
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_sqe_link(&sqe);
	oring_sqe_hardlink(&sqe);
	oring_sqe_drain(&sqe);
	oring_sqe_async(&sqe);
	oring_sqe_skip_success(&sqe);
	oring_sqe_buffer_select(&sqe, 0xfffe);
	cr_assert_eq(sqe.flags, 0x7e);
	cr_assert_eq(sqe.buf_index, 0xfffe);
	oring_sqe_set_personality(&sqe, 3);
	oring_sqe_set_ioprio(&sqe, 1 << 13);
	oring_sqe_poll_first(&sqe);
	cr_assert_eq(sqe.ioprio, 1 << 13 | 1);
	oring_sqe_add_op_flags(&sqe, 8);
	oring_sqe_add_op_flags(&sqe, 1);
	cr_assert_eq(sqe.op_flags, 9);
	cr_assert_eq(sqe.personality, 3);
}

Test(sqe, clear_and_copy_reach_every_byte)
{
	struct oring_sqe128 large;
	struct oring_sqe from, to;
	size_t i;

	memset(&large, 0xee, sizeof(large));
	oring_sqe128_clear(&large);
	for (i = 0; i < sizeof(large); i++)
		cr_assert_eq(((unsigned char *)&large)[i], 0);
	cr_assert_eq((unsigned char *)oring_sqe128_cmd(&large), (unsigned char *)&large + 48);
	for (i = 0; i < sizeof(from); i++)
		((unsigned char *)&from)[i] = (unsigned char)(i + 1);
	memset(&to, 0, sizeof(to));
	oring_sqe_copy(&to, &from);
	cr_assert_eq(memcmp(&to, &from, sizeof(to)), 0);
}

Test(sqe, file_of_an_entry)
{
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_fsync(&sqe, oring_file_slot(5), 0);
	cr_assert_eq(oring_sqe_file(&sqe).bits, oring_file_slot(5).bits);
	oring_sqe_clear(&sqe);
	oring_prep_close(&sqe, oring_file_slot(5));
	cr_assert_eq(sqe.fd, 0);
	cr_assert_eq(oring_sqe_file(&sqe).bits, oring_file_slot(5).bits);
	oring_sqe_clear(&sqe);
	oring_prep_async_cancel_file(&sqe, oring_file_slot(5), 0);
	cr_assert_eq(oring_sqe_file(&sqe).bits, oring_file_slot(5).bits);
	oring_sqe_clear(&sqe);
	oring_prep_nop(&sqe);
	cr_assert_eq(oring_sqe_file(&sqe).bits, oring_file_fd(-1).bits);
}

Test(sqe, direct_identity)
{
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_recv(&sqe, oring_file_slot(9), NULL, 0, 0);
	oring_sqe_buffer_select(&sqe, 0xfffe);
	cr_assert_eq(oring_sqe_set_direct(&sqe), 0);
	cr_assert_eq(oring_context_tag(oring_context_from_bits(sqe.user_data)), 0xfffe);
	cr_assert_eq(oring_context_op(oring_context_from_bits(sqe.user_data)), ORING_OP_RECV);
	cr_assert_eq(oring_sqe_set_direct_tag(&sqe, 7), 0);
	cr_assert_eq(oring_context_tag(oring_context_from_bits(sqe.user_data)), 7);
	cr_assert_eq(oring_context_file(oring_context_from_bits(sqe.user_data)).bits,
		     oring_file_slot(9).bits);
	sqe.fd = 1 << 29;
	sqe.user_data = 42;
	cr_assert_eq(oring_sqe_set_direct(&sqe), -ERANGE);
	cr_assert_eq(sqe.user_data, 42);
}

Test(sqe, check_says_what_is_wrong)
{
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_nop(&sqe);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	sqe.addr3 = 1;
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL);
	oring_sqe_clear(&sqe);
	oring_prep_fsync(&sqe, oring_file_fd(0), 0);
	oring_sqe_poll_first(&sqe); /* a setter of another operation */
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL);
	sqe.opcode = ORING_OP_LAST;
	cr_assert_eq(oring_sqe_check(&sqe), -EOPNOTSUPP);
	oring_sqe_refuse(&sqe, ORING_REFUSED_LENGTH);
	cr_assert_eq(oring_sqe_check(&sqe), -EOVERFLOW);
	oring_sqe_refuse(&sqe, ORING_REFUSED_SLOT);
	cr_assert_eq(oring_sqe_check(&sqe), -EOVERFLOW, "the first reason stays");
	oring_prep_nop(&sqe);
	oring_sqe_refuse(&sqe, ORING_REFUSED_SLOT);
	cr_assert_eq(oring_sqe_check(&sqe), -EBADSLT);
}
