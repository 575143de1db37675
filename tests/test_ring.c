/* SPDX-License-Identifier: MIT */
/* The ring's verbs on a real kernel, on every shape. */
#include "harness.h"

#include <sys/mman.h>
#include <sys/resource.h>

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

RING_TEST(ring, full_queue_changes_nothing)
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

RING_TEST(ring, drain_yields_all_then_nothing)
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

RING_TEST(ring, walk_may_stop_and_go_on)
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
	cursor = rig->ring.cq_released;
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

RING_TEST(ring, peek_and_release_one)
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

RING_TEST(ring, reserve_n_is_all_or_none)
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

RING_TEST(ring, unreserve_takes_back_the_newest)
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

RING_TEST(ring, reserved_entries_are_blank)
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

RING_TEST(ring, push_copies_a_template)
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

RING_TEST(ring, commit_publishes_without_entering)
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

RING_TEST(ring, bad_entry_in_the_middle)
{
	/* A18, trap 9: all three complete; what remains can be counted. */
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

		cr_assert_eq(cqe.user_data, rig->next_id - 3 + i);
		cr_assert_eq(cqe.res, i == 1 ? -EINVAL : 0);
	}
}

RING_TEST(ring, more_completions_than_the_ring_holds)
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

RING_TEST(ring, large_entries_and_completions)
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

RING_TEST(ring, big_completions_are_whole)
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
		cr_assert_eq(oring_submit_and_wait(&rig->ring, 3), 3);
		cr_assert_eq(oring_cq_copy32(&rig->ring, out, 3), 3);
		SKIP_IF_REFUSED(out[0].cqe.res, "NOP with a 32-byte completion");
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
