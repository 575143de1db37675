/* SPDX-License-Identifier: MIT */
/*
 * The verbs on a ring without a kernel: its counters start just below 2^32, and
 * the test plays the other side. What is checked: which slots are used, that
 * nothing is lost or handed out twice across the wrap of the counters.
 */
#include "harness.h"

#define SQ_ENTRIES 8
#define CQ_ENTRIES 16

struct model {
	struct oring ring;
	uint32_t sq_head, sq_tail, sq_flags, sq_dropped;
	uint32_t cq_head, cq_tail, cq_flags, cq_overflow;
	struct oring_sqe sqes[2 * SQ_ENTRIES];
	struct oring_cqe cqes[2 * CQ_ENTRIES];
	uint32_t consumed; /* the kernel's own copy of the head */
};

static void model_init(struct model *model, uint32_t start, uint32_t setup_flags)
{
	struct oring *ring = &model->ring;

	memset(model, 0, sizeof(*model));
	model->sq_head = model->sq_tail = model->consumed = start;
	model->cq_head = model->cq_tail = start + 3;
	ring->sqes = (unsigned char *)model->sqes;
	ring->sq_reserved = ring->sq_committed = start;
	ring->sq_limit = start + SQ_ENTRIES;
	ring->sq_mask = SQ_ENTRIES - 1;
	ring->sq_entries = SQ_ENTRIES;
	ring->sq_stride = setup_flags & ORING_SETUP_SQE128 ? 128 : 64;
	ring->sq_head = &model->sq_head;
	ring->sq_tail = &model->sq_tail;
	ring->sq_flags = &model->sq_flags;
	ring->sq_dropped = &model->sq_dropped;
	ring->cqes = (unsigned char *)model->cqes;
	ring->cq_released = start + 3;
	ring->cq_mask = CQ_ENTRIES - 1;
	ring->cq_entries = CQ_ENTRIES;
	ring->cq_stride = setup_flags & ORING_SETUP_CQE32 ? 32 : 16;
	ring->cq_mixed = (setup_flags & ORING_SETUP_CQE_MIXED) != 0;
	ring->cq_head = &model->cq_head;
	ring->cq_tail = &model->cq_tail;
	ring->cq_flags = &model->cq_flags;
	ring->cq_overflow = &model->cq_overflow;
	ring->setup_flags = setup_flags;
	ring->fd = ring->enter_fd = -1;
}

/* The kernel's side: read up to @max committed entries and complete each. */
static uint32_t consume(struct model *model, uint32_t max)
{
	struct oring *ring = &model->ring;
	uint32_t n = 0;

	while (n < max && model->consumed != model->sq_tail &&
	       model->cq_tail - model->cq_head < CQ_ENTRIES) {
		struct oring_sqe *sqe =
			(struct oring_sqe *)(ring->sqes + (size_t)(model->consumed % SQ_ENTRIES) *
								  ring->sq_stride);
		struct oring_cqe *cqe =
			(struct oring_cqe *)(ring->cqes + (size_t)(model->cq_tail % CQ_ENTRIES) *
								  ring->cq_stride);

		cqe->user_data = sqe->user_data;
		cqe->res = 0;
		cqe->flags = 0;
		model->consumed++;
		model->cq_tail++;
		n++;
	}
	model->sq_head = model->consumed;
	return n;
}

static void run_model(uint32_t start, uint32_t flags)
{
	static struct model model;
	uint64_t sent = 0, came = 0;
	uint32_t random = start * 2654435761U + 12345;
	int round;

	model_init(&model, start, flags);
	for (round = 0; round < 2000; round++) {
		uint32_t cursor, end, i;
		struct oring_cqe *cqe;

		random = random * 1103515245 + 12345;
		for (i = 0; i < (random >> 16) % 12; i++) {
			struct oring_sqe *sqe = oring_sq_reserve(&model.ring);

			if (model.ring.sq_reserved - model.consumed > SQ_ENTRIES)
				cr_assert_fail("more handed out than there is");
			if (sqe == NULL) {
				cr_assert_eq(model.ring.sq_reserved - model.sq_head, SQ_ENTRIES);
				break;
			}
			oring_prep_nop(sqe);
			oring_sqe_set_user_data(sqe, sent++);
		}
		if (oring_sq_unreserve(&model.ring, (random >> 8) % 3) == 0)
			sent -= (random >> 8) % 3;
		oring_sq_commit(&model.ring);
		consume(&model, (random >> 20) % 10);
		i = 0;
		oring_cq_for_each (&model.ring, cursor, end, cqe) {
			cr_assert_eq(cqe->user_data, came++);
			if (++i == (random >> 24) % 9)
				break;
		}
		oring_cq_release_to(&model.ring, cursor);
		cr_assert_eq(oring_cq_ready(&model.ring), model.cq_tail - model.cq_head);
	}
	while (model.consumed != model.sq_tail || oring_cq_ready(&model.ring) > 0) {
		struct oring_cqe out[5];
		uint32_t i, n = oring_cq_copy(&model.ring, out, 5);

		for (i = 0; i < n; i++)
			cr_assert_eq(out[i].user_data, came++);
		consume(&model, 3);
	}
	cr_assert_eq(came, sent);
	cr_assert_gt(came, 2000);
}

Test(ring_model, counters_wrap)
{
	static const uint32_t starts[] = {
		0,	    UINT32_MAX,	   UINT32_MAX - 2, UINT32_MAX - 7, UINT32_MAX - 500,
		0x7fffffff, 0x80000000 - 3
	};
	size_t i;

	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		run_model(starts[i], 0);
		run_model(starts[i], ORING_SETUP_SQE128 | ORING_SETUP_CQE32);
	}
}

Test(ring_model, groups_across_the_wrap)
{
	static struct model model;
	uint32_t start = UINT32_MAX - 2, first, i;
	struct oring_sqe three[3];

	model_init(&model, start, 0);
	memset(three, 0, sizeof(three));
	cr_assert_eq(oring_sq_reserve_n(&model.ring, 8, &first), 0);
	cr_assert_eq(first, start);
	for (i = 0; i < 8; i++)
		cr_assert_eq(oring_sq_at(&model.ring, first + i), &model.sqes[(start + i) % 8]);
	cr_assert_eq(oring_sq_reserve_n(&model.ring, 1, &first), -EAGAIN);
	cr_assert_eq(oring_sq_commit(&model.ring), 8);
	cr_assert_eq(model.sq_tail, start + 8);
	cr_assert_eq(oring_sq_pending(&model.ring), 8);
	consume(&model, 2);
	cr_assert_eq(oring_sq_pending(&model.ring), 6);
	cr_assert_eq(oring_sq_push_n(&model.ring, three, 3), -EAGAIN);
	cr_assert_eq(oring_sq_push_n(&model.ring, three, 2), 0);
	cr_assert_eq(oring_sq_unreserve(&model.ring, 3), -EINVAL);
	cr_assert_eq(oring_sq_unreserve(&model.ring, 2), 0);
	cr_assert_eq(oring_sq_space(&model.ring), 2);
}

Test(ring_model, flags_are_told)
{
	static struct model model;

	model_init(&model, 0, 0);
	cr_assert_not(oring_cq_overflowed(&model.ring));
	cr_assert_not(oring_taskrun_pending(&model.ring));
	cr_assert_not(oring_sq_needs_wakeup(&model.ring));
	model.sq_flags = ORING_SQ_CQ_OVERFLOW;
	cr_assert(oring_cq_overflowed(&model.ring));
	model.sq_flags = ORING_SQ_TASKRUN;
	cr_assert(oring_taskrun_pending(&model.ring));
	model.sq_flags = ORING_SQ_NEED_WAKEUP;
	cr_assert(oring_sq_needs_wakeup(&model.ring));
	cr_assert_not(oring_cq_overflowed(&model.ring));
	model.cq_overflow = 7;
	model.sq_dropped = 9;
	cr_assert_eq(oring_cq_overflow_count(&model.ring), 7);
	cr_assert_eq(oring_sq_dropped(&model.ring), 9);
}

Test(ring_model, mixed_sizes_and_fillers_across_the_wrap)
{
	/* Slots 14: small, 15: filler, 0 and 1: large, 2: small. */
	static struct model model;
	uint32_t cursor, end;
	struct oring_cqe *cqe;
	struct oring_cqe32 out[4];
	uint64_t seen = 0;

	model_init(&model, UINT32_MAX - 4, ORING_SETUP_CQE_MIXED); /* completions start at -2 */
	cr_assert_eq(model.ring.cq_released % CQ_ENTRIES, 14);
	model.cqes[14].user_data = 1;
	model.cqes[15].flags = ORING_CQE_F_SKIP;
	model.cqes[0].user_data = 2;
	model.cqes[0].flags = ORING_CQE_F_32;
	model.cqes[1].user_data = 0xaaaa; /* the second half: data, whatever its bits look like */
	model.cqes[1].flags = ORING_CQE_F_SKIP;
	model.cqes[2].user_data = 3;
	model.cq_tail += 5;
	cr_assert_eq(oring_cq_ready(&model.ring), 5, "slots, not completions");
	oring_cq_for_each (&model.ring, cursor, end, cqe) {
		seen = seen * 10 + cqe->user_data;
	}
	cr_assert_eq(seen, 123);
	cr_assert_eq(cursor, model.cq_tail);
	cr_assert_eq(model.cq_head, model.ring.cq_released, "a walk releases nothing");
	cr_assert_eq(oring_cq_peek(&model.ring)->user_data, 1);
	oring_cq_release(&model.ring);
	cr_assert_eq(oring_cq_peek(&model.ring)->user_data, 2, "over the filler");
	cr_assert_eq(oring_cq_copy32(&model.ring, out, 4), 2);
	cr_assert_eq(out[0].big_cqe[0], 0xaaaa);
	cr_assert_eq(out[1].big_cqe[0], 0);
	cr_assert_eq(model.cq_head, model.cq_tail);
	/* A filler that nothing follows yet: nothing to peek at, and it is given back. */
	model.cqes[model.cq_tail++ % CQ_ENTRIES].flags = ORING_CQE_F_SKIP;
	cr_assert_null(oring_cq_peek(&model.ring));
	cr_assert_eq(model.cq_head, model.cq_tail);
}

Test(ring_model, fillers_alone_are_no_completion)
{
	static struct model model;
	struct oring_cqe cqe;

	model_init(&model, UINT32_MAX - 4, ORING_SETUP_CQE_MIXED);
	model.cqes[14].flags = model.cqes[15].flags = ORING_CQE_F_SKIP;
	model.cq_tail += 1;
	cr_assert(!oring_cq_take(&model.ring, &cqe));
	cr_assert_eq(model.cq_head, model.cq_tail, "they are given back");
	model.cq_tail += 1;
	cr_assert_null(oring_cq_peek(&model.ring));
	model.cqes[0].user_data = 5;
	model.cq_tail++;
	cr_assert(oring_cq_take(&model.ring, &cqe));
	cr_assert_eq(cqe.user_data, 5);
}

Test(ring_model, large_entries_among_small_ones_take_two_slots)
{
	static struct model model;
	struct oring_sqe128 *sqe;
	int i;

	model_init(&model, 0, ORING_SETUP_SQE_MIXED);
	memset(model.sqes, 0x5a, sizeof(model.sqes));
	sqe = oring_sq_reserve128(&model.ring);
	cr_assert_eq((void *)sqe, (void *)&model.sqes[0]);
	for (i = 0; i < 128; i++)
		cr_assert_eq(((unsigned char *)sqe)[i], 0);
	cr_assert_eq(oring_sq_reserve(&model.ring), &model.sqes[2]);
	cr_assert_eq(model.ring.sq_reserved, 3);
}

Test(ring_model, signals_cannot_be_turned_off_without_the_word)
{
	static struct model model;

	model_init(&model, 0, 0);
	cr_assert_eq(oring_cq_set_eventfd(&model.ring, false), 0);
	cr_assert_eq(model.cq_flags, ORING_CQ_EVENTFD_DISABLED);
	model.ring.cq_flags = NULL; /* as before 5.8 */
	cr_assert_eq(oring_cq_set_eventfd(&model.ring, false), -EOPNOTSUPP);
}
