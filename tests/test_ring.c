/* SPDX-License-Identifier: MIT */
/* What goes in comes out, whatever goes wrong between, on every shape. */
#include "harness.h"

RING_TEST(ring, nop_completes_with_its_identity)
{
	/* B17: every 64 bits round-trip, 0 and 2^64 - 1 among them. */
	static const uint64_t ids[] = {
		0, 1, 2, 3, 0x8000000000000000, UINT64_MAX, INT64_MAX, 0xffffffff, 0x100000000
	};
	size_t i;

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct oring_sqe *sqe = rig_sqe(rig);
		struct oring_cqe cqe;

		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, ids[i]);
		cqe = rig_reap(rig);
		cr_assert_eq(cqe.user_data, ids[i]);
		cr_assert_eq(cqe.res, 0);
		cr_assert_eq(cqe.flags, 0);
	}
}

RING_TEST(ring, thousand_batches_of_three)
{
	/* B2: over many wraps every identity comes back once, in order for NOPs. */
	uint64_t sent = 0, came = 0;
	int batch;

	for (batch = 0; batch < 1000; batch++) {
		uint32_t cursor, end;
		struct oring_cqe *cqe;
		int i;

		for (i = 0; i < 3; i++) {
			struct oring_sqe *sqe = oring_sq_reserve(&rig->ring);

			cr_assert_not_null(sqe);
			oring_prep_nop(sqe);
			oring_sqe_set_user_data(sqe, sent++);
		}
		rig_wait(rig, 3);
		oring_cq_for_each (&rig->ring, cursor, end, cqe) {
			cr_assert_eq(cqe->user_data, came++);
		}
		oring_cq_release_to(&rig->ring, cursor);
	}
	cr_assert_eq(came, 3000);
}

RING_TEST(ring, bad_entry_in_the_middle)
{
	/* A18, trap 9: all three complete; what remains can be counted. */
	unsigned int seen = 0;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		struct oring_sqe *sqe = rig_sqe(rig);

		oring_prep_nop(sqe);
		if (i == 1)
			oring_sqe_refuse(sqe, ORING_REFUSED_LENGTH);
	}
	if (shapes[rig->shape].flags & (ORING_SETUP_SUBMIT_ALL | ORING_SETUP_SQPOLL)) {
		cr_assert_eq(oring_submit(&rig->ring), 3);
	} else {
		cr_assert_eq(oring_submit(&rig->ring), 2);
		cr_assert_eq(oring_sq_pending(&rig->ring), 1);
		cr_assert_eq(oring_submit(&rig->ring), 1);
	}
	rig_wait(rig, 3);
	for (i = 0; i < 3; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		/* Each once; older kernels tell of the bad one first. */
		cr_assert_eq(cqe.res, cqe.user_data == rig->next_id - 2 ? -EINVAL : 0);
		seen |= 1U << (cqe.user_data - (rig->next_id - 3));
	}
	cr_assert_eq(seen, 7);
}

RING_TEST(ring, links)
{
	/* B4: the second of four fails; soft links break, hard links do not. */
	int hard;

	for (hard = 0; hard < 2; hard++) {
		uint64_t first_id = rig->next_id;
		int results[4];
		uint32_t first, i;

		cr_assert_eq(oring_sq_reserve_n(&rig->ring, 4, &first), 0);
		for (i = 0; i < 4; i++) {
			struct oring_sqe *sqe = oring_sq_at(&rig->ring, first + i);

			oring_prep_nop(sqe);
			if (i == 1) /* fails when it runs, not when it is read */
				oring_prep_close(sqe, oring_file_fd(1000000));
			if (i < 3 && hard)
				oring_sqe_hardlink(sqe);
			else if (i < 3)
				oring_sqe_link(sqe);
			oring_sqe_set_user_data(sqe, rig->next_id++);
		}
		rig_wait(rig, 4);
		for (i = 0; i < 4; i++) {
			struct oring_cqe cqe = rig_reap(rig);

			results[cqe.user_data - first_id] = cqe.res;
		}
		cr_assert_eq(results[0], 0);
		cr_assert_eq(results[1], -EBADF);
		cr_assert_eq(results[2], hard ? 0 : -ECANCELED);
		cr_assert_eq(results[3], hard ? 0 : -ECANCELED);
	}
}

RING_TEST(ring, skip_success_rules_out_drain)
{
	/* A20, A21, trap 14: no completion on success, one on failure; drain is refused then. */
	struct oring_sqe *sqe;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_CQE_SKIP);
	oring_prep_nop(rig_sqe(rig));
	sqe = rig_sqe(rig);
	oring_prep_nop(sqe);
	oring_sqe_skip_success(sqe);
	oring_prep_nop(rig_sqe(rig));
	rig_wait(rig, 2);
	cr_assert_eq(rig_reap(rig).user_data, rig->next_id - 3);
	cr_assert_eq(rig_reap(rig).user_data, rig->next_id - 1);
	cr_assert_null(oring_cq_peek(&rig->ring));
	sqe = rig_sqe(rig);
	oring_prep_close(sqe, oring_file_fd(1000000));
	oring_sqe_skip_success(sqe);
	cr_assert_eq(rig_result(rig), -EBADF);
	sqe = rig_sqe(rig);
	oring_prep_nop(sqe);
	oring_sqe_drain(sqe);
	cr_assert_eq(rig_result(rig), -EOPNOTSUPP);
}

RING_TEST(ring, moves_between_calls)
{
	/* No pointer leads into the struct: a copy goes on where the first stopped. */
	struct oring elsewhere;

	oring_prep_nop(rig_sqe(rig));
	memcpy(&elsewhere, &rig->ring, sizeof(elsewhere));
	memset(&rig->ring, 0xee, sizeof(rig->ring));
	cr_assert_eq(oring_submit_and_wait(&elsewhere, 1), 1);
	memcpy(&rig->ring, &elsewhere, sizeof(elsewhere));
	memset(&elsewhere, 0xee, sizeof(elsewhere));
	cr_assert_eq(rig_result(rig), 0);
}
