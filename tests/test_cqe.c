/* SPDX-License-Identifier: MIT */
/* Questions to a completion: each flag answers its own question only. */
#include "harness.h"

static struct oring_cqe with_flags(uint32_t flags)
{
	struct oring_cqe cqe = { .user_data = 1, .res = 0, .flags = flags };

	return cqe;
}

Test(cqe, each_flag_answers_one_question)
{
	static const struct {
		uint32_t flag;
		bool (*ask)(const struct oring_cqe *cqe);
	} questions[] = {
		{ ORING_CQE_F_BUFFER, oring_cqe_has_buffer },
		{ ORING_CQE_F_MORE, oring_cqe_has_more },
		{ ORING_CQE_F_SOCK_NONEMPTY, oring_cqe_sock_nonempty },
		{ ORING_CQE_F_NOTIF, oring_cqe_is_notification },
		{ ORING_CQE_F_BUF_MORE, oring_cqe_buffer_has_more },
		{ ORING_CQE_F_SKIP, oring_cqe_is_filler },
	};
	size_t i;

	for (i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct oring_cqe one = with_flags(questions[i].flag);
		struct oring_cqe rest = with_flags(~questions[i].flag);

		cr_assert(questions[i].ask(&one));
		cr_assert_not(questions[i].ask(&rest));
	}
}

Test(cqe, buffer_id_leaves_the_flags_alone)
{
	/* B16: the id is the upper half, and the more flag survives beside it. */
	struct oring_cqe cqe = with_flags(0xfffeU << 16 | ORING_CQE_F_BUFFER | ORING_CQE_F_MORE);

	cr_assert_eq(oring_cqe_buffer_id(&cqe), 0xfffe);
	cr_assert(oring_cqe_has_more(&cqe));
}

Test(cqe, usage_of_a_notification)
{
	struct oring_cqe cqe = with_flags(ORING_CQE_F_NOTIF);

	cr_assert_not(oring_cqe_zc_copied(&cqe));
	cqe.res = INT32_MIN; /* not an errno: bit 31 says that it was copied */
	cr_assert(oring_cqe_zc_copied(&cqe));
}

Test(cqe, second_half)
{
	struct oring_cqe32 cqe = { { 1, 2, ORING_CQE_F_32 }, { 3, 4 } };

	cr_assert_eq(oring_cqe_big(&cqe.cqe)[0], 3);
	cr_assert_eq(oring_cqe_big(&cqe.cqe)[1], 4);
	cr_assert_eq(oring_cqe_context(&cqe.cqe).bits, 1);
}

Test(cqe, cancels_are_told_in_three_ways)
{
	static const int32_t others[] = { 0, 1, 125, 512, -EAGAIN, -EIO, -ETIME, -511, -513 };
	size_t i;

	cr_assert(oring_res_is_cancel(-ECANCELED));
	cr_assert(oring_res_is_cancel(-EINTR));
	cr_assert(oring_res_is_cancel(-512));
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		cr_assert_not(oring_res_is_cancel(others[i]), "%d", others[i]);
}

Test(cqe, errors_are_told_from_results)
{
	static const struct {
		int32_t res;
		uint32_t flags;
		int error;
		uint32_t bytes;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 1, 0, 0, 1 },
		{ INT32_MAX, 0, 0, INT32_MAX },
		{ -1, 0, -1, 0 },
		{ -4095, 0, -4095, 0 },
		{ INT32_MIN, 0, INT32_MIN, 0 },
		/* Failed, and yet with a buffer, or with a notification to come. */
		{ -ENOBUFS, ORING_CQE_F_BUFFER | 7U << 16, -ENOBUFS, 0 },
		{ -EPIPE, ORING_CQE_F_MORE, -EPIPE, 0 },
		{ 512, ~ORING_CQE_F_NOTIF, 0, 512 },
		{ -EPIPE, ~ORING_CQE_F_NOTIF, -EPIPE, 0 },
		/* A notification: bit 31 is the usage report, and no sign. */
		{ 0, ORING_CQE_F_NOTIF, 0, 0 },
		{ INT32_MIN, ORING_CQE_F_NOTIF, 0, 0 },
		{ INT32_MIN, ORING_CQE_F_NOTIF | ORING_CQE_F_BUFFER, 0, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct oring_cqe cqe = with_flags(cases[i].flags);

		cqe.res = cases[i].res;
		cr_assert_eq(oring_cqe_error(&cqe), cases[i].error, "case %zu", i);
		cr_assert_eq(oring_cqe_bytes(&cqe), cases[i].bytes, "case %zu", i);
	}
}
