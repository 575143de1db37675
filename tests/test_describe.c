/* SPDX-License-Identifier: MIT */
/* Rings, entries and completions in words. */
#include "harness.h"

#include <sys/eventfd.h>
#include <sys/uio.h>

static void says(const char *text, const char *part)
{
	cr_assert_not_null(strstr(text, part), "\"%s\" is not in \"%s\"", part, text);
}

RING_TEST(describe, a_ring)
{
	char text[2000], line[600];
	size_t length, cut, i;

	oring_prep_nop(rig_sqe(rig));
	length = oring_describe(&rig->ring, ORING_LINES, text, sizeof(text));
	cr_assert_eq(length, strlen(text));
	says(text, "entries 16 of");
	says(text, "reserved 1 pending 1");
	says(text, "features SINGLE_MMAP|NODROP");
	for (i = 0; i < 21; i++) {
		const char *name = oring_setup_flag_name(1U << i);
		bool has = oring_setup_flags(&rig->ring) & 1U << i;

		cr_assert_not_null(name);
		if (has)
			says(text, name);
	}
	cr_assert_eq(text[length - 1], '\n');
	length = oring_describe(&rig->ring, ORING_ONE_LINE, line, sizeof(line));
	cr_assert_lt(length, sizeof(line));
	cr_assert_null(strchr(line, '\n'));
	/* Whatever the room, nothing is written beyond it. */
	for (cut = 0; cut <= length + 1; cut++) {
		memset(text, 'z', sizeof(text));
		cr_assert_eq(oring_describe(&rig->ring, ORING_ONE_LINE, text, cut), length);
		cr_assert_eq(text[cut], 'z');
		if (cut > 0) {
			cr_assert_lt(strlen(text), cut);
			cr_assert_eq(strncmp(text, line, cut - 1), 0);
		}
	}
	cr_assert_eq(rig_result(rig), 0);
}

/* The index for system calls, and the region of waits, as oring_init_fast() sets them up. */
Test(describe, a_registered_ring)
{
	char text[2000], index[32];
	struct oring ring;

	cr_assert_eq(oring_init_fast(&ring, 4, NULL, NULL), 0);
	cr_assert_eq(oring_start(&ring), 0);
	oring_describe(&ring, ORING_ONE_LINE, text, sizeof(text));
	if (oring_has_registered_fd(&ring)) {
		snprintf(index, sizeof(index), " index %d", ring.enter_fd);
		says(text, index);
	}
	cr_assert_eq(strstr(text, "waits from a registered region") != NULL,
		     oring_has_wait_region(&ring));
	cr_assert_eq(oring_exit(&ring), 0);
	if (strstr(text, " index ") == NULL)
		cr_skip_test("registered rings: not on this kernel");
}

RING_TEST(describe, what_is_registered)
{
	char text[2000], memory[64];
	struct iovec iov[3] = { { memory, 64 }, { memory, 32 }, { memory, 16 } };
	int event = eventfd(0, EFD_CLOEXEC), personality;

	oring_describe(&rig->ring, ORING_LINES, text, sizeof(text));
	cr_assert_null(strstr(text, "registered"), "nothing is");
	cr_assert_eq(oring_register_buffers(&rig->ring, iov, 3), 0);
	cr_assert_lt(oring_register_buffers(&rig->ring, iov, 2), 0, "not twice");
	personality = oring_register_personality(&rig->ring);
	cr_assert_gt(personality, 0);
	cr_assert_eq(oring_register_eventfd(&rig->ring, event), 0);
	oring_describe(&rig->ring, ORING_LINES, text, sizeof(text));
	says(text, "\n  registered buffers 3, personalities, eventfd\n");
	cr_assert_eq(oring_unregister_buffers(&rig->ring), 0);
	cr_assert_eq(oring_unregister_eventfd(&rig->ring), 0);
	cr_assert_eq(oring_unregister_personality(&rig->ring, (uint16_t)personality), 0);
	SKIP_IF_REFUSED(oring_register_files_sparse(&rig->ring, 40), "empty tables");
	oring_describe(&rig->ring, ORING_ONE_LINE, text, sizeof(text));
	says(text, ", registered files 40");
	cr_assert_null(strstr(text, "eventfd"));
	cr_assert_eq(oring_unregister_files(&rig->ring), 0);
	oring_describe(&rig->ring, ORING_ONE_LINE, text, sizeof(text));
	cr_assert_null(strstr(text, "registered"));
	close(event);
}

Test(describe, a_closed_ring)
{
	struct oring ring;
	char text[100];

	memset(&ring, 0, sizeof(ring));
	oring_describe(&ring, ORING_ONE_LINE, text, sizeof(text));
	cr_assert_str_eq(text, "ring closed");
}

Test(describe, entries)
{
	struct oring_sqe sqe;
	char text[500];

	oring_sqe_clear(&sqe);
	oring_prep_read(&sqe, oring_file_slot(7), (void *)0x1000, 4096, 12);
	oring_sqe_link(&sqe);
	oring_sqe_async(&sqe);
	oring_sqe_set_user_data(&sqe, 0xabc);
	oring_describe_sqe(&sqe, ORING_ONE_LINE, text, sizeof(text));
	cr_assert_str_eq(text, "READ, file slot 7, addr 0x1000, len 4096, off 12, "
			       "flags FIXED_FILE|LINK|ASYNC, user_data 0xabc");
	oring_describe_sqe(&sqe, ORING_LINES, text, sizeof(text));
	cr_assert_str_eq(text, "READ\n  file slot 7\n  addr 0x1000\n  len 4096\n  off 12\n"
			       "  flags FIXED_FILE|LINK|ASYNC\n  user_data 0xabc\n");
	oring_sqe_clear(&sqe);
	oring_prep_recv(&sqe, oring_file_fd(-100), NULL, 0, 0);
	oring_sqe_buffer_select(&sqe, 5);
	oring_describe_sqe(&sqe, ORING_ONE_LINE, text, sizeof(text));
	cr_assert_str_eq(text, "RECV, file fd -100, bgid 5, flags BUFFER_SELECT, user_data 0x0");
	oring_sqe_refuse(&sqe, ORING_REFUSED_LENGTH);
	oring_describe_sqe(&sqe, ORING_ONE_LINE, text, sizeof(text));
	says(text, "RECV refused for its length, ");
	sqe.opcode = 200;
	oring_describe_sqe(&sqe, ORING_ONE_LINE, text, sizeof(text));
	says(text, "UNKNOWN, ");
}

Test(describe, completions)
{
	struct oring_cqe cqe = { 0x4, -ECANCELED, 0 };
	oring_context context;
	char text[500];

	oring_describe_cqe(&cqe, ORING_ONE_LINE, text, sizeof(text));
	cr_assert_str_eq(text, "user_data 0x4, res -125 ECANCELED");
	cqe.res = 100;
	cqe.flags = ORING_CQE_F_BUFFER | ORING_CQE_F_MORE | 9U << ORING_CQE_BUFFER_SHIFT;
	oring_describe_cqe(&cqe, ORING_ONE_LINE, text, sizeof(text));
	cr_assert_str_eq(text, "user_data 0x4, res 100, flags BUFFER|MORE, bid 9");
	cr_assert_eq(oring_context_direct(ORING_OP_RECV, 0, 0, oring_file_fd(3), &context), 0);
	cqe.user_data = context.bits;
	cqe.res = INT32_MIN;
	cqe.flags = ORING_CQE_F_NOTIF;
	oring_describe_cqe(&cqe, ORING_ONE_LINE, text, sizeof(text));
	says(text, "(if direct: RECV fd 3), res -2147483648, flags NOTIFICATION");
}

Test(describe, names)
{
	int error;

	cr_assert_str_eq(oring_setup_flag_name(ORING_SETUP_SQ_REWIND), "SQ_REWIND");
	cr_assert_str_eq(oring_setup_flag_name(ORING_SETUP_DEFER_TASKRUN), "DEFER_TASKRUN");
	cr_assert_str_eq(oring_feature_name(ORING_FEAT_NO_IOWAIT), "NO_IOWAIT");
	cr_assert_str_eq(oring_enter_flag_name(ORING_ENTER_NO_IOWAIT), "NO_IOWAIT");
	cr_assert_str_eq(oring_register_name(ORING_REGISTER_BUFFERS), "REGISTER_BUFFERS");
	cr_assert_str_eq(oring_register_name(ORING_UNREGISTER_NAPI), "UNREGISTER_NAPI");
	cr_assert_str_eq(oring_register_name(ORING_REGISTER_LAST - 1), "REGISTER_BPF_FILTER");
	cr_assert_null(oring_register_name(ORING_REGISTER_LAST));
	cr_assert_null(oring_setup_flag_name(0));
	cr_assert_null(oring_setup_flag_name(3));
	cr_assert_null(oring_setup_flag_name(1U << 31));
	cr_assert_null(oring_error_name(0));
	cr_assert_null(oring_error_name(INT32_MIN + 1));
	for (error = 1; error < 133; error++) {
		const char *name = oring_error_name(-error);

		if (name != NULL && strcmp(name, "EOPNOTSUPP") != 0)
			cr_assert_str_eq(name, strerrorname_np(error));
	}
}
