/* SPDX-License-Identifier: MIT */
/* The recommended shape of a ring. */
#include "harness.h"

#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void one_nop(struct oring *ring)
{
	struct oring_cqe cqe;

	oring_prep_nop(oring_sq_reserve(ring));
	cr_assert_eq(oring_submit_and_wait(ring, 1), 1);
	cr_assert_eq(oring_cq_copy(ring, &cqe, 1), 1);
	cr_assert_eq(cqe.res, 0);
}

static void timed_wait(struct oring *ring)
{
	struct oring_wait_arg arg;
	int64_t begin = now();

	if (!(oring_features(ring) & ORING_FEAT_EXT_ARG))
		return;
	oring_wait_relative(&arg, 0, 30 * 1000 * 1000);
	cr_assert_eq(oring_wait(ring, 1, &arg), -ETIME);
	cr_assert_geq(now() - begin, 29);
	/* What is there in time is taken. */
	oring_prep_nop(oring_sq_reserve(ring));
	oring_wait_relative(&arg, 100, 0);
	cr_assert_eq(oring_submit_and_wait_timeout(ring, 1, &arg, NULL), 1);
	cr_assert_eq(oring_cq_ready(ring), 1);
	oring_cq_release(ring);
	oring_wait_relative(&arg, 0, 0);
	cr_assert_eq(oring_wait(ring, 1, &arg), -ETIME, "it does not sleep");
}

Test(fast, works_on_every_kernel)
{
	struct oring ring;
	int before = open_descriptors();

	cr_assert_eq(oring_init_fast(&ring, 16, NULL, NULL), 0);
	if (oring_setup_flags(&ring) & ORING_SETUP_R_DISABLED) {
		oring_prep_nop(oring_sq_reserve(&ring));
		cr_assert_eq(oring_submit(&ring), -EBADFD, "A11: it is not started");
		cr_assert_eq(oring_sq_unreserve(&ring, 0), 0);
		cr_assert_eq(oring_start(&ring), 0);
		cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
		oring_cq_release(&ring);
		cr_assert_eq(oring_start(&ring), -EBADFD);
	} else {
		cr_assert_eq(oring_start(&ring), 0);
	}
	one_nop(&ring);
	timed_wait(&ring);
	cr_assert_eq(oring_exit(&ring), 0);
	cr_assert_eq(open_descriptors(), before);
}

Test(fast, takes_what_the_kernel_has)
{
	struct oring_wait_region region = { NULL, 0 };
	struct oring_feature_set can;
	struct oring ring;

	cr_assert_eq(oring_init_fast(&ring, 16, NULL, &region), 0);
	cr_assert_eq(oring_feature_ask(&ring, &can), 0);
	if (!can.queried)
		cr_skip_test("queries: not on this kernel");
	cr_assert_eq(oring_setup_flags(&ring) & ORING_FAST_FLAGS, ORING_FAST_FLAGS);
	cr_assert(oring_has_wait_region(&ring));
	cr_assert_not_null(region.slots);
	cr_assert_geq(region.bytes, sizeof(struct oring_reg_wait));
	cr_assert_not(oring_has_registered_fd(&ring));
	cr_assert_eq(oring_start(&ring), 0);
	cr_assert(oring_has_registered_fd(&ring));
	cr_assert_eq(oring_use_registered_fd(&ring), -EEXIST);
	timed_wait(&ring);
	cr_assert_eq(region.slots[0].ts.tv_sec, 100, "waits are read from the region");
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(fast, in_a_region_of_the_callers)
{
	struct oring_wait_region region;
	struct oring ring;
	void *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(memory, MAP_FAILED);
	region.slots = memory;
	region.bytes = 8192;
	cr_assert_eq(oring_init_fast(&ring, 16, NULL, &region), 0);
	cr_assert_eq(oring_start(&ring), 0);
	if (!oring_has_wait_region(&ring)) {
		cr_assert_null(region.slots);
		cr_assert_eq(oring_exit(&ring), 0);
		cr_skip_test("registered waits: not on this kernel");
	}
	cr_assert_eq((void *)region.slots, memory);
	timed_wait(&ring);
	cr_assert_eq(oring_exit(&ring), 0);
	munmap(memory, 8192);
}

/* Nanoseconds that a wait in vain by a slot took; its result in *ret. */
static uint64_t wait_in_vain(struct oring *ring, uint32_t slot, int *ret)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	*ret = oring_submit_and_wait_slot(ring, 1, slot);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (uint64_t)(to.tv_sec - from.tv_sec) * 1000000000 + (uint64_t)to.tv_nsec -
	       (uint64_t)from.tv_nsec;
}

Test(fast, waits_that_lie_in_the_region)
{
	struct oring_wait_region region = { NULL, 0 };
	struct oring_wait_arg arg;
	struct oring ring;
	int ret;

	cr_assert_eq(oring_init_fast(&ring, 16, NULL, &region), 0);
	cr_assert_eq(oring_start(&ring), 0);
	if (!oring_has_wait_region(&ring)) {
		cr_assert_eq(oring_submit_and_wait_slot(&ring, 0, 1), -EOPNOTSUPP);
		cr_assert_eq(oring_exit(&ring), 0);
		cr_skip_test("registered waits: not on this kernel");
	}
	memset(&region.slots[1], 0xff, 2 * sizeof(region.slots[1]));
	oring_wait_relative(&arg, 0, 20000000);
	cr_assert_eq(oring_wait_slot_set(&region.slots[1], &arg), 0);
	oring_wait_relative(&arg, 100, 0);
	cr_assert_eq(oring_wait_slot_set(&region.slots[2], &arg), 0);
	cr_assert_geq(wait_in_vain(&ring, 1, &ret), 20000000);
	cr_assert_eq(ret, -ETIME);
	/* What is there ends either wait; each slot is good for any number of them. */
	oring_prep_nop(oring_sq_reserve(&ring));
	cr_assert_eq(oring_submit_and_wait_slot(&ring, 1, 2), 1);
	oring_prep_nop(oring_sq_reserve(&ring));
	cr_assert_eq(oring_submit_and_wait_slot(&ring, 2, 1), 1);
	cr_assert_eq(oring_cq_ready(&ring), 2);
	oring_cq_release_to(&ring, oring_cq_end(&ring));
	cr_assert_geq(wait_in_vain(&ring, 1, &ret), 20000000);
	cr_assert_eq(ret, -ETIME);
	/* A slot that nothing but min_wait_usec is in. */
	arg.flags = 0;
	arg.min_wait_usec = 30000;
	cr_assert_eq(oring_wait_slot_set(&region.slots[1], &arg), 0);
	cr_assert_geq(wait_in_vain(&ring, 1, &ret), 30000000);
	cr_assert_eq(ret, -ETIME);
	cr_assert_eq(oring_submit_and_wait_slot(&ring, 1, (uint32_t)(region.bytes / 64)), -EFAULT);
	cr_assert_eq(oring_exit(&ring), 0);
	cr_assert_eq(oring_submit_and_wait_slot(&ring, 0, 1), -EOPNOTSUPP);
}

Test(fast, what_a_slot_does_not_hold)
{
	struct oring_reg_wait slot;
	struct oring_wait_arg arg;

	oring_wait_absolute(&arg, 1, 0);
	cr_assert_eq(oring_wait_slot_set(&slot, &arg), -EINVAL);
	oring_wait_relative(&arg, 1, 0);
	arg.flags |= ORING_WAIT_NO_IOWAIT;
	cr_assert_eq(oring_wait_slot_set(&slot, &arg), -EINVAL);
	oring_wait_relative(&arg, 0, 1000000000);
	cr_assert_eq(oring_wait_slot_set(&slot, &arg), -EINVAL);
	oring_wait_relative(&arg, 0, -1);
	cr_assert_eq(oring_wait_slot_set(&slot, &arg), -EINVAL);
	oring_wait_relative(&arg, -1, 0);
	cr_assert_eq(oring_wait_slot_set(&slot, &arg), -EINVAL);
}

Test(fast, keeps_to_what_is_required)
{
	struct oring_params params;
	struct oring ring;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_SQPOLL;
	params.sq_thread_idle = 10;
	cr_assert_eq(oring_init_fast(&ring, 16, &params, NULL), 0);
	cr_assert(oring_setup_flags(&ring) & ORING_SETUP_SQPOLL);
	cr_assert_not(oring_setup_flags(&ring) & ORING_SETUP_DEFER_TASKRUN);
	cr_assert_eq(oring_start(&ring), 0);
	cr_assert_eq(oring_exit(&ring), 0);
}

struct other {
	struct oring *ring;
	struct oring own;
	int submit, get_events, wait;
};

/* It has a ring of its own at the same index of its own table. */
static void *elsewhere(void *argument)
{
	struct other *other = argument;

	oring_init_fast(&other->own, 4, NULL, NULL);
	oring_start(&other->own);
	other->submit = oring_submit_and_wait(other->ring, 0);
	other->get_events = oring_get_events(other->ring);
	other->wait = oring_wait(other->ring, 1, NULL);
	oring_prep_nop(oring_sq_reserve(&other->own));
	oring_submit_and_wait(&other->own, 1);
	return NULL;
}

Test(fast, another_thread_is_told)
{
	/* A13: and it never enters that thread's ring. */
	struct oring ring;
	struct other other;
	pthread_t thread;

	cr_assert_eq(oring_init_fast(&ring, 16, NULL, NULL), 0);
	cr_assert_eq(oring_start(&ring), 0);
	if (!oring_has_registered_fd(&ring)) {
		cr_assert_eq(oring_exit(&ring), 0);
		cr_skip_test("registered descriptors of rings: not on this kernel");
	}
	other.ring = &ring;
	cr_assert_eq(pthread_create(&thread, NULL, elsewhere, &other), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_assert_eq(other.submit, -EEXIST);
	cr_assert_eq(other.get_events, -EEXIST);
	cr_assert_eq(other.wait, -EEXIST);
	cr_assert_eq(oring_cq_ready(&other.own), 1, "only its own entry went there");
	one_nop(&ring);
	cr_assert_eq(oring_exit(&other.own), -EEXIST, "it was that thread's");
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(fast, a_thread_has_sixteen_indices)
{
	struct oring rings[17];
	int i, registered = 0;

	for (i = 0; i < 17; i++) {
		require_ring(&rings[i], 2, 0);
		registered += oring_use_registered_fd(&rings[i]) == 0;
		one_nop(&rings[i]);
	}
	for (i = 0; i < 17; i++)
		cr_assert_eq(oring_exit(&rings[i]), 0);
	if (registered == 0)
		cr_skip_test("registered descriptors of rings: not on this kernel");
	cr_assert_eq(registered, 16);
}
