/* SPDX-License-Identifier: MIT */
/* Trials of setup flags and enter flags. */
#define _GNU_SOURCE
#include "trials.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 4

/* ---- setup ---- */

/* The first CPU that this process may run on. */
static uint32_t own_cpu(void)
{
	cpu_set_t cpus;
	uint32_t cpu = 0;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return 0;
	while (cpu + 1 < CPU_SETSIZE && !CPU_ISSET(cpu, &cpus))
		cpu++;
	return cpu;
}

/* The flag with what it means nothing without. */
static uint32_t combined(uint32_t flag)
{
	switch (flag) {
	case ORING_SETUP_SQ_AFF:
		return flag | ORING_SETUP_SQPOLL;
	case ORING_SETUP_TASKRUN_FLAG:
		return flag | ORING_SETUP_COOP_TASKRUN;
	case ORING_SETUP_DEFER_TASKRUN:
		return flag | ORING_SETUP_SINGLE_ISSUER;
	case ORING_SETUP_HYBRID_IOPOLL:
		return flag | ORING_SETUP_IOPOLL;
	case ORING_SETUP_SQ_REWIND:
		return flag | ORING_SETUP_NO_SQARRAY;
	default:
		return flag;
	}
}

static int init_in_memory(struct oring *ring, struct oring_params *params)
{
	struct oring_mem memory;

	memory.page = (size_t)sysconf(_SC_PAGESIZE);
	memory.size = oring_mem_size(ENTRIES, params, memory.page);
	memory.base = trial_pages(memory.size);
	return oring_init_mem(ring, ENTRIES, params, &memory);
}

/* Made with the flag, and a NOP run through it where its files are not to be polled. */
int trial_setup(uint32_t flag)
{
	struct oring_params params;
	struct oring ring, other;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = combined(flag);
	params.sq_thread_idle = 10;
	if (flag == ORING_SETUP_SQ_AFF)
		params.sq_thread_cpu = own_cpu();
	if (flag == ORING_SETUP_CQSIZE)
		params.cq_entries = 4 * ENTRIES;
	if (flag == ORING_SETUP_ATTACH_WQ) {
		ret = trial_ring(&other, 0);
		if (ret < 0)
			return ret;
		params.wq_fd = (uint32_t)oring_fd(&other);
	}
	if (flag == ORING_SETUP_NO_MMAP || flag == ORING_SETUP_REGISTERED_FD_ONLY)
		ret = init_in_memory(&ring, &params);
	else
		ret = oring_init(&ring, ENTRIES, &params);
	if (ret == -EPERM)
		return trial_not_tried("this process may not", ret);
	if (ret < 0 || params.flags & ORING_SETUP_IOPOLL)
		return ret;
	if (flag == ORING_SETUP_R_DISABLED) {
		ret = oring_enable(&ring);
		if (ret < 0)
			return ret;
	}
	return trial_nop(&ring);
}

/* ---- enter ---- */

/* With a NOP to wait for, so that no flag makes it sleep. */
static int enter_with_nop(struct oring *ring, int fd, uint32_t flags, const void *arg, size_t size)
{
	struct oring_sqe *sqe = oring_sq_reserve(ring);
	int ret;

	if (sqe == NULL)
		return -EBUSY;
	oring_prep_nop(sqe);
	oring_sq_commit(ring);
	ret = oring_sys_enter(fd, 1, 1, flags | ORING_ENTER_GETEVENTS, arg, size);
	if (ret < 0)
		return ret;
	return oring_cq_ready(ring) == 1 ? 0 : -EIO;
}

static int enter_polled(uint32_t flag)
{
	struct oring ring;
	int ret = trial_ring(&ring, ORING_SETUP_SQPOLL);

	if (ret == -EPERM)
		return trial_not_tried("an SQPOLL ring is needed", ret);
	return ret < 0 ? ret : oring_sys_enter(oring_fd(&ring), 0, 0, flag, NULL, 0);
}

static int enter_extended(struct oring *ring, uint32_t flag)
{
	struct oring_getevents_arg arg;
	struct oring_timespec limit;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	limit.tv_sec = flag & ORING_ENTER_ABS_TIMER ? now.tv_sec + 10 : 10;
	limit.tv_nsec = 0;
	memset(&arg, 0, sizeof(arg));
	arg.sigmask_sz = ORING_SIGSET_SIZE;
	arg.ts = (uint64_t)(uintptr_t)&limit;
	return enter_with_nop(ring, oring_fd(ring), flag | ORING_ENTER_EXT_ARG, &arg, sizeof(arg));
}

static int enter_by_index(struct oring *ring)
{
	struct oring_rsrc_update update = { ORING_FILE_INDEX_ALLOC, 0, (uint64_t)oring_fd(ring) };
	int ret = oring_register_ring_fds(ring, &update, 1);

	if (ret < 0)
		return ret;
	return enter_with_nop(ring, (int)update.offset, ORING_ENTER_REGISTERED_RING, NULL, 0);
}

/* By the region that the recommended shape registers; without one the kernel lacks the flag. */
static int enter_by_region(void)
{
	struct oring ring;
	int ret = oring_init_fast(&ring, ENTRIES, NULL, NULL);

	if (ret < 0)
		return ret;
	ret = oring_start(&ring);
	if (ret < 0)
		return ret;
	return enter_with_nop(&ring, oring_fd(&ring), ORING_ENTER_EXT_ARG | ORING_ENTER_EXT_ARG_REG,
			      NULL, sizeof(struct oring_reg_wait));
}

int trial_enter(uint32_t flag)
{
	struct oring ring;
	int ret;

	if (flag == ORING_ENTER_SQ_WAKEUP || flag == ORING_ENTER_SQ_WAIT)
		return enter_polled(flag);
	if (flag == ORING_ENTER_EXT_ARG_REG)
		return enter_by_region();
	ret = trial_ring(&ring, 0);
	if (ret < 0)
		return ret;
	if (flag == ORING_ENTER_EXT_ARG || flag == ORING_ENTER_ABS_TIMER)
		return enter_extended(&ring, flag);
	if (flag == ORING_ENTER_REGISTERED_RING)
		return enter_by_index(&ring);
	return enter_with_nop(&ring, oring_fd(&ring), flag, NULL, 0);
}
