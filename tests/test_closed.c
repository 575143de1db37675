/* SPDX-License-Identifier: MIT */
/* A ring that is closed says so, whatever is asked of it. */
#include "harness.h"

static void is_closed(struct oring *ring)
{
	struct oring_wait_arg arg;
	struct oring_outcome outcome;
	struct oring_sqe template_sqe;
	struct oring_cqe cqe;
	struct oring_cqe32 cqe32;
	struct oring_timespec limit = { 1, 0 };
	uint32_t first = 17, cursor, end;
	struct oring_cqe *walked;
	char text[100];

	oring_wait_relative(&arg, 5, 0);
	memset(&template_sqe, 0, sizeof(template_sqe));
	cr_assert_null(oring_sq_reserve(ring));
	cr_assert_null(oring_sq_reserve128(ring));
	cr_assert_null(oring_sq_reserve_run(ring, 1));
	cr_assert_null(oring_sq_push(ring, &template_sqe));
	cr_assert_lt(oring_sq_reserve_n(ring, 1, &first), 0);
	cr_assert_eq(first, 17);
	cr_assert_lt(oring_sq_push_n(ring, &template_sqe, 1), 0);
	cr_assert_eq(oring_sq_unreserve(ring, 1), -EINVAL);
	cr_assert_eq(oring_sq_space(ring), 0);
	cr_assert_eq(oring_sq_pending(ring), 0);
	cr_assert_eq(oring_sq_commit(ring), 0);
	cr_assert_eq(oring_sq_dropped(ring), 0);
	cr_assert_not(oring_sq_needs_wakeup(ring));
	cr_assert_not(oring_taskrun_pending(ring));

	cr_assert_eq(oring_cq_ready(ring), 0);
	cr_assert_null(oring_cq_peek(ring));
	oring_cq_release(ring);
	oring_cq_for_each (ring, cursor, end, walked)
		cr_assert_fail();
	oring_cq_release_to(ring, cursor);
	cr_assert_eq(oring_cq_copy(ring, &cqe, 1), 0);
	cr_assert_eq(oring_cq_copy32(ring, &cqe32, 1), 0);
	cr_assert_not(oring_cq_overflowed(ring));
	cr_assert_eq(oring_cq_overflow_count(ring), 0);
	cr_assert_eq(oring_cq_set_eventfd(ring, false), -EBADF);

	cr_assert_eq(oring_enter(ring, 0, 0, 0, NULL, 0), -EBADF);
	cr_assert_eq(oring_submit(ring), -EBADF);
	cr_assert_eq(oring_submit_and_wait(ring, 1), -EBADF);
	cr_assert_eq(oring_submit_and_wait_timeout(ring, 1, NULL, &outcome), -EBADF);
	cr_assert_eq(outcome.submitted, 0);
	cr_assert_eq(outcome.ready, 0);
	cr_assert_eq(outcome.error, -EBADF);
	cr_assert_eq(oring_wait(ring, 0, NULL), -EBADF);
	cr_assert_eq(oring_wait(ring, 1, NULL), -EBADF);
	cr_assert_lt(oring_wait(ring, 1, &arg), 0);
	cr_assert_eq(oring_get_events(ring), -EBADF);
	cr_assert_eq(oring_sq_wait_space(ring), -EBADF);
	cr_assert_eq(oring_start(ring), -EBADF);
	cr_assert_eq(oring_use_registered_fd(ring), -EBADF);
	cr_assert_eq(oring_resize(ring, 8, 8), -EBADF);
	cr_assert_eq(oring_set_inherited(ring, true), -EBADF);
	cr_assert_eq(oring_drain(ring, &limit), -EBADF);
	cr_assert_eq(oring_enable(ring), -EBADF);
	cr_assert_eq(oring_register_files(ring, NULL, 0), -EBADF);

	cr_assert_eq(oring_fd(ring), -1);
	cr_assert_eq(oring_setup_flags(ring), 0);
	cr_assert_eq(oring_features(ring), 0);
	cr_assert_not(oring_has_registered_fd(ring));
	cr_assert_not(oring_has_wait_region(ring));
	cr_assert_gt(oring_describe(ring, ORING_ONE_LINE, text, sizeof(text)), 0);
	cr_assert_not_null(strstr(text, "closed"));
	cr_assert_eq(oring_exit(ring), 0);
}

RING_TEST(closed, by_exit)
{
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(oring_exit(&rig->ring), 0);
	is_closed(&rig->ring);
}

Test(closed, by_exit_with_a_registered_descriptor)
{
	struct oring ring;

	cr_assert_eq(oring_init_fast(&ring, 8, NULL, NULL), 0);
	cr_assert_eq(oring_start(&ring), 0);
	cr_assert_eq(oring_exit(&ring), 0);
	is_closed(&ring);
}

Test(closed, by_an_init_that_failed)
{
	struct oring ring;

	memset(&ring, 0xa5, sizeof(ring));
	cr_assert_eq(oring_init(&ring, 0, NULL), -EINVAL);
	is_closed(&ring);
}

Test(closed, exit_of_a_struct_that_is_all_zero)
{
	struct oring ring;

	memset(&ring, 0, sizeof(ring));
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(closed, enter_before_the_start)
{
	struct oring ring;

	require_ring(&ring, 8, ORING_SETUP_R_DISABLED);
	oring_prep_nop(oring_sq_reserve(&ring));
	cr_assert_eq(oring_submit(&ring), -EBADFD);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), -EBADFD);
	cr_assert_eq(oring_get_events(&ring), -EBADFD);
	cr_assert_eq(oring_sq_pending(&ring), 1, "nothing is lost");
	cr_assert_eq(oring_start(&ring), 0);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	cr_assert_eq(oring_cq_ready(&ring), 1);
	cr_assert_eq(oring_start(&ring), -EBADFD, "it runs already");
	cr_assert_eq(oring_exit(&ring), 0);
}
