/* SPDX-License-Identifier: MIT */
/* Rings in the caller's memory; ring memory and fork; both sizes of entries; rewinding. */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* Submit @n NOPs with identities from @first on, and see each come back once. */
static void run_nops(struct oring *ring, uint32_t n, uint64_t first)
{
	struct oring_cqe cqe;
	uint64_t seen = 0;
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(ring);

		cr_assert_not_null(sqe);
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, first + i);
	}
	cr_assert_eq(oring_submit_and_wait(ring, n), (int)n);
	for (i = 0; i < n; i++) {
		cr_assert_eq(oring_cq_copy(ring, &cqe, 1), 1);
		cr_assert_eq(cqe.res, 0);
		seen += cqe.user_data - first;
	}
	cr_assert_eq(seen, (uint64_t)n * (n - 1) / 2);
}

static void *pages(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(memory, MAP_FAILED);
	return memory;
}

static struct oring_mem memory_for(uint32_t entries, const struct oring_params *params)
{
	struct oring_mem memory;

	memory.page = (size_t)sysconf(_SC_PAGESIZE);
	memory.size = oring_mem_size(entries, params, memory.page);
	cr_assert_gt(memory.size, 0);
	memory.base = pages(memory.size);
	return memory;
}

Test(setup, in_the_callers_memory, .timeout = TEST_SECONDS)
{
	static const uint32_t flags[] = { 0, ORING_SETUP_SQE128, ORING_SETUP_CQE32,
					  ORING_SETUP_NO_SQARRAY, ORING_SETUP_REGISTERED_FD_ONLY };
	static const uint32_t entries[] = { 1, 8, 100, 1024 };
	size_t i, n, round;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		for (n = 0; n < sizeof(entries) / sizeof(entries[0]); n++) {
			struct oring_params params;
			struct oring_mem memory;
			struct oring ring;
			int ret;

			memset(&params, 0, sizeof(params));
			params.flags = flags[i];
			memory = memory_for(entries[n], &params);
			memset(memory.base, 0xa5, memory.size);
			ret = oring_init_mem(&ring, entries[n], &params, &memory);
			SKIP_IF_REFUSED(ret, "rings in memory of the caller's");
			cr_assert_eq(ret, 0);
			for (round = 0; round < 3; round++)
				run_nops(&ring, ring.sq_entries, round << 32);
			cr_assert_geq((uintptr_t)ring.sqes, (uintptr_t)memory.base);
			cr_assert_eq(oring_fd(&ring) < 0,
				     flags[i] == ORING_SETUP_REGISTERED_FD_ONLY);
			cr_assert_eq(oring_exit(&ring), 0);
			/* Not unmapped: the kernel may still let go of it. */
			memset(memory.base, 0, memory.size);
		}
	}
}

Test(setup, a_ring_without_descriptor_can_register)
{
	struct oring_params params;
	struct oring_mem memory;
	struct oring ring;
	int32_t fd = pattern_file(10);
	int before = open_descriptors(), ret;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_REGISTERED_FD_ONLY;
	memory = memory_for(8, &params);
	ret = oring_init_mem(&ring, 8, &params, &memory);
	SKIP_IF_REFUSED(ret, "rings without a descriptor");
	cr_assert_eq(ret, 0);
	cr_assert_eq(open_descriptors(), before, "in /proc neither");
	cr_assert_eq(oring_register_files(&ring, &fd, 1), 0);
	cr_assert_eq(oring_unregister_files(&ring), 0);
	cr_assert_eq(oring_exit(&ring), 0);
	cr_assert_eq(oring_register_files(&ring, &fd, 1), -EBADF, "it is closed");
}

Test(setup, memory_that_does_not_do)
{
	struct oring_params params;
	struct oring_mem memory, wrong;
	struct oring ring;

	memset(&params, 0, sizeof(params));
	memory = memory_for(8, &params);
	wrong = memory;
	wrong.size--;
	cr_assert_eq(oring_init_mem(&ring, 8, &params, &wrong), -EINVAL, "too small");
	wrong = memory;
	wrong.base = (char *)wrong.base + 64;
	cr_assert_eq(oring_init_mem(&ring, 8, &params, &wrong), -EINVAL, "not at a page");
	wrong.base = NULL;
	cr_assert_eq(oring_init_mem(&ring, 8, &params, &wrong), -EINVAL);
	cr_assert_eq(oring_init_mem(&ring, 0, &params, &memory), -EINVAL);
	cr_assert_eq(oring_mem_size(0, &params, memory.page), 0);
	cr_assert_eq(oring_mem_size(32769, &params, memory.page), 0);
	cr_assert_eq(oring_mem_size(8, &params, 4095), 0);
	params.flags = ORING_SETUP_CQSIZE;
	params.cq_entries = 1 << 17;
	cr_assert_eq(oring_mem_size(8, &params, memory.page), 0);
	cr_assert_eq(
		oring_init_mem_sized(&ring, 8, &params, &memory, sizeof(ring), ORING_LAYOUT + 1),
		-EINVAL, "compiled for another library");
	cr_assert_eq(
		oring_init_mem_sized(&ring, 8, &params, &memory, sizeof(ring) - 8, ORING_LAYOUT),
		-EINVAL);
}

Test(setup, clamped_sizes_are_the_largest)
{
	struct oring_params params;
	size_t most;

	memset(&params, 0, sizeof(params));
	most = oring_mem_size(32768, &params, 4096);
	cr_assert_gt(most, 0);
	params.flags = ORING_SETUP_CLAMP;
	cr_assert_eq(oring_mem_size(1 << 20, &params, 4096), most);
	params.flags |= ORING_SETUP_CQSIZE;
	params.cq_entries = 1 << 20;
	cr_assert_eq(oring_mem_size(1 << 20, &params, 4096), most);
}

static void *register_elsewhere(void *argument)
{
	int32_t fd = 0;

	return (void *)(intptr_t)oring_register_files(argument, &fd, 1);
}

/* The index of a ring without descriptor is its thread's. */
Test(setup, another_thread_cannot_register_without_descriptor)
{
	struct oring_params params;
	struct oring_mem memory;
	struct oring ring;
	pthread_t thread;
	void *result;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_REGISTERED_FD_ONLY;
	memory = memory_for(8, &params);
	ret = oring_init_mem(&ring, 8, &params, &memory);
	SKIP_IF_REFUSED(ret, "rings without a descriptor");
	cr_assert_eq(ret, 0);
	cr_assert_eq(oring_set_inherited(&ring, true), -EINVAL, "the memory is the caller's");
	cr_assert_eq(pthread_create(&thread, NULL, register_elsewhere, &ring), 0);
	cr_assert_eq(pthread_join(thread, &result), 0);
	cr_assert_eq((int)(intptr_t)result, -EEXIST);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(setup, a_child_does_not_inherit_ring_memory)
{
	struct oring ring;
	pid_t child;
	int status, inherited;

	for (inherited = 0; inherited < 2; inherited++) {
		require_ring(&ring, 8, 0);
		if (inherited)
			cr_assert_eq(oring_set_inherited(&ring, true), 0);
		cr_assert_eq(fcntl(oring_fd(&ring), F_GETFD), FD_CLOEXEC);
		child = fork();
		if (child == 0) {
			/* The descriptor it has. */
			if (oring_sys_enter(oring_fd(&ring), 0, 0, 0, NULL, 0) != 0)
				_exit(2);
			/* Without a sanitizer's report. */
			signal(SIGSEGV, SIG_DFL);
			_exit(oring_cq_ready(&ring) == 0 ? 7 : 1);
		}
		cr_assert_eq(waitpid(child, &status, 0), child);
		if (inherited)
			cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		else
			cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %x",
				  (unsigned int)status);
		run_nops(&ring, 8, 0);
		cr_assert_eq(oring_exit(&ring), 0);
	}
}

Test(setup, both_sizes_of_entries, .timeout = TEST_SECONDS)
{
	/* 64 and 128 bytes in turn, so that large ones meet the wrap. */
	struct oring ring;
	struct oring_cqe cqe;
	uint64_t id = 1, next = 1;
	int round, i;

	require_ring(&ring, 8, ORING_SETUP_SQE_MIXED);
	for (round = 0; round < 50; round++) {
		for (i = 0; i < 2; i++) {
			struct oring_sqe *sqe = oring_sq_reserve(&ring);
			struct oring_sqe128 *large = oring_sq_reserve128(&ring);

			cr_assert(sqe != NULL && large != NULL);
			oring_prep_nop(sqe);
			oring_sqe_set_user_data(sqe, id++);
			cr_assert_eq(large->more[0] | large->more[7], 0);
			large->more[7] = UINT64_MAX;
			oring_prep_nop128(large);
			oring_sqe_set_user_data(&large->sqe, id++);
		}
		cr_assert_geq(oring_submit_and_wait(&ring, 4), 6);
		for (i = 0; i < 4; i++) {
			cr_assert_eq(oring_cq_copy(&ring, &cqe, 1), 1);
			cr_assert_eq(cqe.user_data, next++);
			cr_assert_eq(cqe.res, 0);
		}
		cr_assert_eq(oring_sq_pending(&ring), 0);
	}
	cr_assert_null(oring_sq_reserve_run(&ring, 9));
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(setup, runs_need_room_for_their_pads)
{
	struct oring ring;
	uint32_t space;

	require_ring(&ring, 8, 0);
	run_nops(&ring, 6, 0);
	space = oring_sq_space(&ring);
	cr_assert_eq(space, 8);
	/* Two pads and eight slots are more than there is. */
	cr_assert_null(oring_sq_reserve_run(&ring, 8));
	cr_assert_eq(oring_sq_space(&ring), space, "nothing has changed");
	cr_assert_not_null(oring_sq_reserve_run(&ring, 3));
	cr_assert_eq(oring_sq_space(&ring), 3, "two pads");
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(setup, rewinding, .timeout = TEST_SECONDS)
{
	struct oring_cqe cqe;
	struct oring ring;
	int round, i;

	require_ring(&ring, 8, ORING_SETUP_SQ_REWIND | ORING_SETUP_NO_SQARRAY);
	for (round = 0; round < 5; round++)
		run_nops(&ring, 3 + (uint32_t)round, 100);
	/* A bad entry ends the submit; the rest is submitted by the next, from the first slot on. */
	for (i = 0; i < 4; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(&ring);

		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, (uint64_t)i);
		if (i == 1)
			oring_sqe_refuse(sqe, ORING_REFUSED_LENGTH);
	}
	cr_assert_eq(oring_submit(&ring), 2);
	cr_assert_eq(oring_sq_pending(&ring), 2);
	cr_assert_eq(oring_submit_and_wait(&ring, 4), 2);
	cr_assert_eq(oring_sq_pending(&ring), 0);
	for (i = 0; i < 4; i++) {
		cr_assert_eq(oring_cq_copy(&ring, &cqe, 1), 1);
		cr_assert_eq(cqe.user_data, (uint64_t)i);
		cr_assert_eq(cqe.res, i == 1 ? -EINVAL : 0);
	}
	cr_assert_eq(oring_exit(&ring), 0);
}
