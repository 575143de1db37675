/* SPDX-License-Identifier: MIT */
/* The submission queue on a real kernel, on every shape. */
#include "harness.h"

RING_TEST(sq, full_queue_changes_nothing)
{
	/* A14, B1: exactly n entries are given, then NULL; all n complete once. */
	uint64_t seen = 0;
	uint32_t i;

	for (i = 0; i < RIG_ENTRIES; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(&rig->ring);

		cr_assert_not_null(sqe);
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, i);
	}
	cr_assert_null(oring_sq_reserve(&rig->ring));
	cr_assert_null(oring_sq_reserve(&rig->ring));
	cr_assert_eq(oring_sq_pending(&rig->ring), RIG_ENTRIES);
	cr_assert_eq(oring_sq_space(&rig->ring), 0);
	cr_assert_eq(oring_submit(&rig->ring), RIG_ENTRIES);
	rig_wait(rig, RIG_ENTRIES);
	for (i = 0; i < RIG_ENTRIES; i++)
		seen |= 1ULL << rig_reap(rig).user_data;
	cr_assert_eq(seen, (1ULL << RIG_ENTRIES) - 1);
	cr_assert_null(oring_cq_peek(&rig->ring));
}

RING_TEST(sq, reserve_n_is_all_or_none)
{
	uint32_t first = 4711;
	uint32_t i;

	cr_assert_eq(oring_sq_reserve_n(&rig->ring, 0, &first), -EINVAL);
	cr_assert_eq(oring_sq_reserve_n(&rig->ring, RIG_ENTRIES + 1, &first), -EINVAL);
	for (i = 0; i < RIG_ENTRIES - 2; i++)
		oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_sq_reserve_n(&rig->ring, 3, &first), -EAGAIN);
	cr_assert_eq(first, 4711, "untouched on error");
	cr_assert_eq(oring_sq_pending(&rig->ring), RIG_ENTRIES - 2);
	rig_wait(rig, RIG_ENTRIES - 2);
	for (i = 0; i < RIG_ENTRIES - 2; i++)
		rig_reap(rig);
	/* Now across the wrap: slots 14, 15, 0. */
	cr_assert_eq(oring_sq_reserve_n(&rig->ring, 3, &first), 0);
	for (i = 0; i < 3; i++) {
		struct oring_sqe *sqe = oring_sq_at(&rig->ring, first + i);
		static const struct oring_sqe blank;

		cr_assert_eq(memcmp(sqe, &blank, sizeof(blank)), 0, "blank");
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, i);
	}
	rig_wait(rig, 3);
	for (i = 0; i < 3; i++)
		cr_assert_eq(rig_reap(rig).user_data, i);
}

RING_TEST(sq, unreserve_takes_back_the_newest)
{
	struct oring_sqe *sqe;

	oring_prep_nop(rig_sqe(rig));
	oring_prep_nop(rig_sqe(rig));
	sqe = rig_sqe(rig);
	memset(sqe, 0xee, sizeof(*sqe));
	cr_assert_eq(oring_sq_unreserve(&rig->ring, 4), -EINVAL);
	cr_assert_eq(oring_sq_unreserve(&rig->ring, 1), 0);
	cr_assert_eq(oring_sq_pending(&rig->ring), 2);
	rig_wait(rig, 2);
	cr_assert_eq(rig_reap(rig).user_data, rig->next_id - 3);
	cr_assert_eq(rig_reap(rig).user_data, rig->next_id - 2);
	cr_assert_null(oring_cq_peek(&rig->ring));
	cr_assert_eq(oring_sq_unreserve(&rig->ring, 1), -EINVAL, "committed ones stay");
}

RING_TEST(sq, reserved_entries_are_blank)
{
	/* A4: nothing of the slot's previous entry leaks, over several rounds. */
	static const struct oring_sqe blank;
	int i;

	for (i = 0; i < 3 * RIG_ENTRIES; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(&rig->ring);

		cr_assert_eq(memcmp(sqe, &blank, sizeof(blank)), 0);
		sqe->opcode = ORING_OP_REFUSED;
		memset(&sqe->ioprio, 0xee, sizeof(*sqe) - offsetof(struct oring_sqe, ioprio));
		rig_wait(rig, 1);
		cr_assert_eq(rig_reap(rig).res, -EINVAL);
	}
}

RING_TEST(sq, push_copies_a_template)
{
	struct oring_sqe template_sqe, three[3];
	struct oring_sqe *sqe;
	int i;

	oring_sqe_clear(&template_sqe);
	oring_prep_nop(&template_sqe);
	oring_sqe_set_user_data(&template_sqe, 77);
	for (i = 0; i < 2; i++) {
		sqe = oring_sq_push(&rig->ring, &template_sqe);
		cr_assert_not_null(sqe);
		cr_assert_eq(memcmp(sqe, &template_sqe, sizeof(*sqe)), 0);
		cr_assert_neq(sqe, &template_sqe);
	}
	for (i = 0; i < 3; i++) {
		three[i] = template_sqe;
		oring_sqe_set_user_data(&three[i], 100 + (unsigned int)i);
	}
	cr_assert_eq(oring_sq_push_n(&rig->ring, three, 3), 0);
	cr_assert_eq(oring_sq_push_n(&rig->ring, three, 0), -EINVAL);
	rig_wait(rig, 5);
	cr_assert_eq(rig_reap(rig).user_data, 77);
	cr_assert_eq(rig_reap(rig).user_data, 77);
	for (i = 0; i < 3; i++)
		cr_assert_eq(rig_reap(rig).user_data, 100 + (unsigned int)i);
	/* Full: neither form changes anything. */
	for (i = 0; i < RIG_ENTRIES; i++)
		cr_assert_not_null(oring_sq_push(&rig->ring, &template_sqe));
	cr_assert_null(oring_sq_push(&rig->ring, &template_sqe));
	cr_assert_eq(oring_sq_push_n(&rig->ring, three, 1), -EAGAIN);
	cr_assert_eq(oring_sq_pending(&rig->ring), RIG_ENTRIES);
}

RING_TEST(sq, commit_publishes_without_entering)
{
	int i;

	for (i = 0; i < 3; i++)
		oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(oring_sq_commit(&rig->ring), 3);
	cr_assert_eq(oring_sq_commit(&rig->ring), 0);
	if (rig->shape != SHAPE_sqpoll) {
		cr_assert_eq(oring_sq_pending(&rig->ring), 3, "nothing is consumed by itself");
		cr_assert_null(oring_cq_peek(&rig->ring));
	}
	rig_wait(rig, 3);
}

RING_TEST(sq, large_entries)
{
	struct oring_sqe128 *sqe = oring_sq_reserve128(&rig->ring);
	size_t i;

	if (rig->shape != SHAPE_sqe128) {
		cr_assert_null(sqe, "only where entries are large");
		cr_assert_eq(oring_sq_pending(&rig->ring), 0);
		return;
	}
	for (i = 0; i < 80; i++)
		cr_assert_eq(((unsigned char *)oring_sqe128_cmd(sqe))[i], 0);
	memset(oring_sqe128_cmd(sqe), 0xee, 80); /* NOP takes no notice */
	oring_prep_nop(&sqe->sqe);
	oring_sqe_set_user_data(&sqe->sqe, rig->next_id++);
	cr_assert_eq(rig_result(rig), 0);
	for (i = 1; i < RIG_ENTRIES; i++) {
		oring_prep_nop(rig_sqe(rig));
		cr_assert_eq(rig_result(rig), 0);
	}
	sqe = oring_sq_reserve128(&rig->ring);
	for (i = 0; i < 80; i++)
		cr_assert_eq(((unsigned char *)oring_sqe128_cmd(sqe))[i], 0, "cleared whole");
}
