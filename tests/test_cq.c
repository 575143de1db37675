/* SPDX-License-Identifier: MIT */
/* The completion queue on a real kernel, on every shape. */
#include "harness.h"

RING_TEST(cq, drain_yields_all_then_nothing)
{
	/* B3 */
	struct oring_cqe out[RIG_ENTRIES];
	int i;

	for (i = 0; i < 8; i++)
		oring_prep_nop(rig_sqe(rig));
	rig_wait(rig, 8);
	cr_assert_eq(oring_cq_copy(&rig->ring, out, RIG_ENTRIES), 8);
	cr_assert_eq(oring_cq_copy(&rig->ring, out, RIG_ENTRIES), 0);
}

RING_TEST(cq, walk_may_stop_and_go_on)
{
	uint32_t cursor, end;
	struct oring_cqe *cqe;
	int i;

	for (i = 0; i < 6; i++)
		oring_prep_nop(rig_sqe(rig));
	rig_wait(rig, 6);
	i = 0;
	oring_cq_for_each (&rig->ring, cursor, end, cqe) {
		if (++i == 2)
			break;
	}
	oring_cq_release_to(&rig->ring, cursor);
	cr_assert_eq(oring_cq_ready(&rig->ring), 4);
	cr_assert_eq(oring_cq_peek(&rig->ring)->user_data, rig->next_id - 4);
	/* The function twin, entries reserved and submitted in the walk. */
	cursor = oring_cq_begin(&rig->ring);
	end = oring_cq_end(&rig->ring);
	for (i = 0; (cqe = oring_cq_next(&rig->ring, &cursor, end)) != NULL; i++) {
		oring_prep_nop(rig_sqe(rig));
		cr_assert_eq(oring_submit(&rig->ring), 1);
	}
	cr_assert_eq(i, 4, "completions that came during the walk are left for the next");
	oring_cq_release_to(&rig->ring, cursor);
	for (i = 0; i < 4; i++)
		rig_reap(rig);
	cr_assert_null(oring_cq_peek(&rig->ring));
}

RING_TEST(cq, peek_and_release_one)
{
	struct oring_cqe *cqe;
	int i;

	oring_cq_release(&rig->ring); /* nothing to release: nothing happens */
	for (i = 0; i < 3; i++)
		oring_prep_nop(rig_sqe(rig));
	rig_wait(rig, 3);
	for (i = 0; i < 3; i++) {
		cqe = oring_cq_peek(&rig->ring);
		cr_assert_eq(cqe, oring_cq_peek(&rig->ring), "peek does not consume");
		cr_assert_eq(cqe->user_data, rig->next_id - 3 + (unsigned int)i);
		oring_cq_release(&rig->ring);
	}
	cr_assert_null(oring_cq_peek(&rig->ring));
	cr_assert_eq(oring_cq_ready(&rig->ring), 0);
}

/* NOPs, three at a time; every other one with a large completion where the ring is mixed. */
static int make_three(struct rig *rig)
{
	int j;

	for (j = 0; j < 3; j++) {
		struct oring_sqe *sqe = rig_sqe(rig);

		oring_prep_nop(sqe);
		if (rig->shape == SHAPE_cqe_mixed && j != 1)
			sqe->op_flags |= ORING_NOP_CQE32;
	}
	rig_wait(rig, 3);
	/* A filler may be among those that were waited for. */
	return oring_get_events(&rig->ring) < 0 ? -1 : 0;
}

RING_TEST(cq, take_one_by_one)
{
	struct oring_cqe cqe = { 17, 18, 19 };
	int i, j;

	cr_assert_not(oring_cq_take(&rig->ring, &cqe));
	cr_assert(cqe.user_data == 17 && cqe.res == 18 && cqe.flags == 19, "untouched");
	for (i = 0; i < 25; i++) { /* over 32 slots twice: fillers on mixed rings */
		cr_assert_eq(make_three(rig), 0);
		for (j = 0; j < 3; j++) {
			cr_assert(oring_cq_take(&rig->ring, &cqe));
			cr_assert_eq(cqe.user_data, rig->next_id - 3 + (unsigned int)j);
			cr_assert_eq(cqe.res, 0);
		}
		cr_assert_not(oring_cq_take(&rig->ring, &cqe));
		cr_assert_eq(oring_cq_ready(&rig->ring), 0);
	}
}

RING_TEST(cq, runs_of_completions)
{
	bool single = rig->shape == SHAPE_cqe32 || rig->shape == SHAPE_cqe_mixed;
	uint32_t cursor, end, n, i, seen, runs, most_runs = 0;
	const struct oring_cqe *cqe;
	int round;

	for (round = 0; round < 25; round++) {
		cr_assert_eq(make_three(rig), 0);
		cursor = oring_cq_begin(&rig->ring);
		end = oring_cq_end(&rig->ring);
		seen = 0;
		runs = 0;
		while ((cqe = oring_cq_run(&rig->ring, &cursor, end, &n)) != NULL) {
			cr_assert(single ? n == 1 : n >= 1 && n <= 3, "%u", n);
			for (i = 0; i < n; i++)
				cr_assert_eq(cqe[i].user_data, rig->next_id - 3 + seen++);
			runs++;
		}
		cr_assert_eq(seen, 3);
		cr_assert_eq(cursor, end);
		oring_cq_release_to(&rig->ring, cursor);
		most_runs = runs > most_runs ? runs : most_runs;
	}
	cr_assert_eq(most_runs, single ? 3 : 2, "the queue wraps");
}

RING_TEST(cq, more_completions_than_the_ring_holds)
{
	/* A17, B18, traps 18 and 19: 80 completions through a ring of 32 slots. */
	uint64_t came = 0;
	int batch, rounds;

	for (batch = 0; batch < 5; batch++) {
		int i;

		for (i = 0; i < RIG_ENTRIES; i++)
			oring_prep_nop(rig_sqe(rig));
		cr_assert_eq(oring_submit(&rig->ring), RIG_ENTRIES);
		for (i = 0; i < 10000 && oring_sq_pending(&rig->ring) > 0; i++)
			usleep(100);
		cr_assert_eq(oring_sq_pending(&rig->ring), 0);
	}
	cr_assert(oring_cq_overflowed(&rig->ring));
	cr_assert_eq(oring_cq_ready(&rig->ring), 2 * RIG_ENTRIES, "the ring is full");
	for (rounds = 0; rounds < 20 && came < 80; rounds++) {
		struct oring_cqe out[2 * RIG_ENTRIES];
		uint32_t n = oring_cq_copy(&rig->ring, out, 2 * RIG_ENTRIES);
		uint32_t i;

		for (i = 0; i < n; i++)
			cr_assert_eq(out[i].user_data, 0x0123456789abcd00 + came++, "in order");
		cr_assert_geq(oring_get_events(&rig->ring), 0);
	}
	cr_assert_eq(came, 80);
	cr_assert_not(oring_cq_overflowed(&rig->ring));
	cr_assert_eq(oring_cq_overflow_count(&rig->ring), 0, "nothing was lost");
}

RING_TEST(cq, big_completions_are_whole)
{
	/* Trap 22: a NOP that asks for 32 bytes gives its off and addr there (6.18). */
	struct oring_cqe32 out[3];
	struct oring_sqe *sqe;
	int i;

	for (i = 0; i < 11; i++) { /* three at a time over 32 slots: fillers on mixed rings */
		int j;

		for (j = 0; j < 3; j++) {
			sqe = rig_sqe(rig);
			oring_prep_nop(sqe);
			if (j != 1) {
				sqe->op_flags |= ORING_NOP_CQE32;
				sqe->off = 1000 + (unsigned int)i;
				sqe->addr = 2000 + (unsigned int)j;
			}
		}
		if (rig->shape != SHAPE_cqe32 && rig->shape != SHAPE_cqe_mixed) {
			cr_assert_eq(rig_reap(rig).res, -EINVAL, "no room for 32 bytes here");
			return;
		}
		rig_wait(rig, 1);
		SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, "NOP with a 32-byte completion");
		rig_wait(rig, 3);
		cr_assert_eq(oring_cq_copy32(&rig->ring, out, 3), 3);
		for (j = 0; j < 3; j++) {
			cr_assert_eq(out[j].cqe.user_data, rig->next_id - 3 + (unsigned int)j);
			cr_assert_eq(out[j].cqe.res, 0);
			if (j != 1) {
				cr_assert_eq(out[j].big_cqe[0], 1000 + (unsigned int)i);
				cr_assert_eq(out[j].big_cqe[1], 2000 + (unsigned int)j);
			} else {
				cr_assert_eq(out[j].big_cqe[0], 0);
			}
		}
		cr_assert_null(oring_cq_peek(&rig->ring));
	}
}
