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
	/* The operation that was refused. */
	oring_sqe_clear(&sqe);
	oring_prep_read(&sqe, oring_file_fd(3), NULL, (size_t)1 << 33, 0);
	cr_assert_eq(sqe.opcode, ORING_OP_REFUSED);
	cr_assert_eq(oring_sqe_set_direct_tag(&sqe, 8), 0);
	cr_assert_eq(oring_context_op(oring_context_from_bits(sqe.user_data)), ORING_OP_READ);
	cr_assert_eq(oring_context_tag(oring_context_from_bits(sqe.user_data)), 8);
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

Test(sqe, ioprio_flags_are_added)
{
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_sqe_add_ioprio_flags(&sqe, 0x8000);
	oring_sqe_add_ioprio_flags(&sqe, ORING_RECV_MULTISHOT);
	oring_sqe_report_usage(&sqe);
	oring_sqe_poll_first(&sqe);
	cr_assert_eq(sqe.ioprio, 0x8000 | ORING_RECV_MULTISHOT | ORING_SEND_ZC_REPORT_USAGE |
					 ORING_RECVSEND_POLL_FIRST);
	oring_sqe_set_ioprio(&sqe, 3);
	cr_assert_eq(sqe.ioprio, 3, "assigned");
}

Test(sqe, streams_and_protection)
{
	struct oring_attr_pi pi;
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_write(&sqe, oring_file_fd(1), NULL, 1, 0);
	oring_sqe_set_write_stream(&sqe, UINT8_MAX);
	cr_assert_eq(sqe.file_index, UINT8_MAX);
	oring_sqe_set_attr_pi(&sqe, &pi);
	cr_assert_eq(sqe.addr3, (uintptr_t)&pi);
	cr_assert_eq(sqe.pad2, ORING_RW_ATTR_FLAG_PI);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	oring_sqe_clear(&sqe);
	oring_prep_read(&sqe, oring_file_fd(1), NULL, 1, 0);
	oring_sqe_set_attr_pi(&sqe, &pi);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	oring_sqe_set_write_stream(&sqe, 1);
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL, "a read has no stream");
	oring_sqe_clear(&sqe);
	oring_prep_fsync(&sqe, oring_file_fd(1), 0);
	oring_sqe_set_attr_pi(&sqe, &pi);
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL, "no data, no protection");
}

Test(sqe, command_bytes)
{
	struct oring_sqe128 large;
	struct oring_sqe *sqe = &large.sqe;

	cr_assert_eq((unsigned char *)oring_sqe_cmd(sqe), (unsigned char *)sqe + 48);
	cr_assert_eq(oring_sqe128_cmd(&large), oring_sqe_cmd(sqe));
	oring_sqe128_clear(&large);
	memset(oring_sqe_cmd(sqe), 0xc3, 16);
	cr_assert_eq(sqe->file_index, 0);
	cr_assert_eq(sqe->addr3, 0xc3c3c3c3c3c3c3c3);
	cr_assert_eq(sqe->pad2, 0xc3c3c3c3c3c3c3c3);
	cr_assert_eq(large.more[0], 0);
	oring_sqe128_clear(&large);
	memset(oring_sqe128_cmd(&large), 0x3c, 80);
	cr_assert_eq(sqe->file_index, 0);
	cr_assert_eq(large.more[7], 0x3c3c3c3c3c3c3c3c);
}

/* Two ends of the range of lengths: 32 bits, and what needs more. */
Test(sqe, halves_of_a_length)
{
	static const uint64_t lengths[] = { 0, 1, UINT32_MAX, (uint64_t)1 << 32, UINT64_MAX };
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		bool fits = lengths[i] <= UINT32_MAX;

		cr_assert_eq(oring_len_low(lengths[i]), fits ? lengths[i] : 0);
		cr_assert_eq(oring_len_high(lengths[i]), fits ? 0 : lengths[i]);
	}
	cr_assert_eq(oring_sockopt(1, 2), 0x200000001);
	cr_assert_eq(oring_sockopt(-1, -2), 0xfffffffeffffffff);
}

static unsigned int result_of(const struct oring_sqe *sqe, unsigned int slot)
{
	struct oring_sqe copy = *sqe;

	copy.file_index = slot;
	return oring_sqe_result(&copy);
}

Test(sqe, result_of_an_entry)
{
	static const uint32_t slots[] = { 1, 2, ORING_FILE_INDEX_ALLOC };
	struct oring_sqe sqe;
	size_t i;

	oring_sqe_clear(&sqe);
	oring_prep_openat(&sqe, 1, NULL, 0, 0);
	cr_assert_eq(oring_sqe_result(&sqe), ORING_RESULT_FD);
	for (i = 0; i < 3; i++)
		cr_assert_eq(result_of(&sqe, slots[i]), ORING_RESULT_SLOT);
	oring_sqe_clear(&sqe);
	oring_prep_accept_direct_multishot(&sqe, oring_file_fd(1), 0);
	cr_assert_eq(oring_sqe_result(&sqe), ORING_RESULT_SLOT);
	/* Elsewhere that field is no slot for a result. */
	oring_sqe_clear(&sqe);
	oring_prep_close(&sqe, oring_file_slot(7));
	cr_assert_eq(oring_sqe_result(&sqe), ORING_RESULT_NONE);
	oring_sqe_clear(&sqe);
	oring_prep_splice(&sqe, oring_file_fd(3), -1, oring_file_fd(4), -1, 1, 0);
	cr_assert_eq(oring_sqe_result(&sqe), ORING_RESULT_BYTES);
	oring_sqe_clear(&sqe);
	oring_prep_recv(&sqe, oring_file_fd(3), NULL, 0, 0);
	cr_assert_eq(result_of(&sqe, 9), ORING_RESULT_BYTES);
	oring_sqe_refuse(&sqe, ORING_REFUSED_LENGTH);
	cr_assert_eq(oring_sqe_result(&sqe), ORING_RESULT_VALUE);
}

Test(sqe, check_wants_a_group)
{
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_recv(&sqe, oring_file_fd(3), NULL, 0, 0);
	sqe.buf_index = 1;
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL, "a group, and no selection");
	oring_sqe_buffer_select(&sqe, 1);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	oring_sqe_add_ioprio_flags(&sqe, ORING_RECV_MULTISHOT);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	sqe.flags = 0;
	sqe.buf_index = 0;
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL, "multishot, and no selection");
	oring_sqe_clear(&sqe);
	oring_prep_recv_bundle(&sqe, oring_file_fd(3), 0);
	cr_assert_eq(oring_sqe_check(&sqe), 0, "no bundle, but a receive");
}

Test(sqe, check_of_direct_accepts)
{
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_accept_direct(&sqe, oring_file_fd(3), NULL, NULL, SOCK_NONBLOCK,
				 oring_slot_at(0));
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	oring_sqe_add_ioprio_flags(&sqe, ORING_ACCEPT_DONTWAIT);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	oring_sqe_add_ioprio_flags(&sqe, ORING_ACCEPT_MULTISHOT);
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL, "each connection into one slot");
	sqe.file_index = ORING_FILE_INDEX_ALLOC;
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	oring_sqe_add_op_flags(&sqe, SOCK_CLOEXEC);
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL);
	sqe.file_index = 0;
	cr_assert_eq(oring_sqe_check(&sqe), 0, "a descriptor may be closed on exec");
}
