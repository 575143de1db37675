/* SPDX-License-Identifier: MIT */
/* Rings that grow and shrink with completions and entries pending. */
#include "harness.h"

#define FLAGS (ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_NO_SQARRAY)

static void nops(struct oring *ring, uint32_t n, uint64_t *next)
{
	while (n-- > 0) {
		struct oring_sqe *sqe = oring_sq_reserve(ring);

		cr_assert_not_null(sqe);
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, (*next)++);
	}
}

static void reap(struct oring *ring, uint32_t n, uint64_t *next)
{
	struct oring_cqe cqe;

	while (n-- > 0) {
		cr_assert_eq(oring_cq_copy(ring, &cqe, 1), 1);
		cr_assert_eq(cqe.user_data, (*next)++, "each comes once, in order");
	}
}

static void need_resize(struct oring *ring)
{
	int ret = oring_resize(ring, 16, 0);

	if (ret == -EINVAL)
		oring_exit(ring);
	SKIP_IF_REFUSED(ret, "resizing");
	cr_assert_eq(ret, 0);
}

Test(resize, with_completions_pending)
{
	/* A48: 8 to 16 to 128 and back, with completions that were not reaped. */
	static const uint32_t sizes[][2] = { { 16, 0 }, { 128, 512 }, { 8, 16 }, { 4, 64 } };
	struct oring ring;
	uint64_t made = 1, seen = 1;
	size_t i, round;

	require_ring(&ring, 8, FLAGS);
	need_resize(&ring);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			nops(&ring, 4, &made);
			cr_assert_eq(oring_submit_and_wait(&ring, 4), 4);
			cr_assert_eq(oring_resize(&ring, sizes[i][0], sizes[i][1]), 0, "%zu", i);
			cr_assert_eq(oring_cq_ready(&ring), 4);
			cr_assert_eq(oring_sq_space(&ring), sizes[i][0]);
			reap(&ring, 2, &seen);
			nops(&ring, 3, &made);
			cr_assert_eq(oring_submit_and_wait(&ring, 5), 3);
			reap(&ring, 5, &seen);
		}
	}
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(resize, with_entries_committed)
{
	struct oring ring;
	uint64_t made = 1, seen = 1;

	require_ring(&ring, 8, FLAGS);
	need_resize(&ring);
	nops(&ring, 5, &made);
	cr_assert_eq(oring_resize(&ring, 32, 0), -EBUSY, "reserved, not committed");
	cr_assert_eq(oring_sq_commit(&ring), 5);
	cr_assert_eq(oring_resize(&ring, 32, 0), 0);
	cr_assert_eq(oring_sq_pending(&ring), 5);
	nops(&ring, 20, &made);
	cr_assert_eq(oring_submit_and_wait(&ring, 25), 25);
	reap(&ring, 25, &seen);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(resize, too_small_for_what_is_pending)
{
	struct oring ring;
	uint64_t made = 1, seen = 1;

	require_ring(&ring, 16, FLAGS);
	need_resize(&ring);
	nops(&ring, 16, &made);
	cr_assert_eq(oring_submit_and_wait(&ring, 16), 16);
	cr_assert_eq(oring_resize(&ring, 4, 4), -EOVERFLOW);
	cr_assert_eq(oring_cq_ready(&ring), 16, "the ring works as before");
	reap(&ring, 16, &seen);
	nops(&ring, 16, &made);
	cr_assert_eq(oring_submit_and_wait(&ring, 16), 16);
	reap(&ring, 16, &seen);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(resize, shapes_that_are_refused)
{
	static const uint32_t flags[] = { 0, ORING_SETUP_SINGLE_ISSUER,
					  ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN };
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		uint64_t made = 1, seen = 1;
		struct oring ring;

		require_ring(&ring, 8, flags[i]);
		cr_assert_eq(oring_resize(&ring, 16, 0), -EINVAL);
		nops(&ring, 8, &made);
		cr_assert_eq(oring_submit_and_wait(&ring, 8), 8);
		reap(&ring, 8, &seen);
		cr_assert_eq(oring_exit(&ring), 0);
	}
}
