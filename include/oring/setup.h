/* SPDX-License-Identifier: MIT */
/**
 * setup.h - rings in the caller's memory; what becomes of ring memory at fork
 *
 * ring.h makes rings in the kernel's memory, which is what most programs want.
 */
#ifndef ORING_SETUP_H
#define ORING_SETUP_H

#include "ring.h"

ORING_BEGIN_DECLS

/* Memory for a ring: the caller's, until long after oring_exit() (see oring_init_mem()). */
struct oring_mem {
	void *base;  /* at a page */
	size_t size; /* bytes, at least oring_mem_size() */
	size_t page; /* the machine's page size, as of sysconf(_SC_PAGESIZE) */
};

/**
 * oring_mem_size - how many bytes oring_init_mem() needs
 * @entries, @params: as they will be given to it
 * @page: the machine's page size
 *
 * Never too little, and at most one page above what the kernel will use:
 * kernels differ in the size of what stands before the completions.
 *
 * Return: bytes, whole pages; 0 for entries that no kernel takes.
 * Threads: any. Pure.
 */
ORING_API size_t oring_mem_size(uint32_t entries, const struct oring_params *params, size_t page);

/**
 * oring_locked_size - how much locked memory a ring is charged
 * @entries, @params: as of oring_init(); NULL: no flags
 * @page: the machine's page size
 *
 * What kernels of 6.14 to 7.1 count against RLIMIT_MEMLOCK, for the user and
 * without CAP_IPC_LOCK, wherever the memory is: -ENOMEM from init, with a limit
 * below this beside what the user's other rings and registered buffers have,
 * means too little locked memory. Rings that were closed count for a moment
 * more. A region for waits (oring_init_fast()) is a page more, and left out if
 * it does not fit. Kernels from 7.2 on charge no ring, nor do those of 5.12 to
 * 6.13 and late ones of 5.10; older ones charge more.
 *
 * Return: bytes, whole pages; 0 for entries that no kernel takes.
 * Threads: any. Pure.
 */
ORING_API size_t oring_locked_size(uint32_t entries, const struct oring_params *params,
				   size_t page);

/**
 * oring_init_mem_sized - what oring_init_mem() calls
 * @size: the caller's sizeof(struct oring)
 * @layout: the caller's ORING_LAYOUT
 */
ORING_API int oring_init_mem_sized(struct oring *ring, uint32_t entries,
				   struct oring_params *params, const struct oring_mem *memory,
				   size_t size, uint32_t layout);

/**
 * oring_init_mem - make a ring in the caller's memory
 * @params: as of oring_init(), not NULL; NO_MMAP is added. With
 *          REGISTERED_FD_ONLY the ring has no descriptor, only an index in the
 *          calling thread's table: only that thread may use it
 * @memory: huge pages are welcome; zeroed here
 *
 * The kernel pins the pages. It lets go of them some time after oring_exit(),
 * when the last request has ended: do not use them for something else before
 * the process ends, or after oring_drain() and a wait.
 *
 * Return: as oring_init(); -EINVAL also for memory too small or not at a page,
 * and before 6.5; -EFAULT for memory that is not there.
 * Since: 6.5.
 */
ORING_INLINE int oring_init_mem(struct oring *ring, uint32_t entries, struct oring_params *params,
				const struct oring_mem *memory)
{
	return oring_init_mem_sized(ring, entries, params, memory, sizeof(*ring), ORING_LAYOUT);
}

/**
 * oring_set_inherited - whether a forked child gets the ring's memory too
 *
 * By default it does not: a child that moved the shared indices would move its
 * parent's. (The descriptor is inherited in either case, until exec.) Enters
 * the kernel. Ring memory may move: entries, completions and cursors taken
 * before are void, as after oring_resize().
 *
 * Return: 0; -EINVAL for memory of the caller's, which is the caller's business;
 * what mmap(2) or madvise(2) returned. Threads: owner only (both sides).
 */
ORING_API int oring_set_inherited(struct oring *ring, bool inherited);

ORING_END_DECLS

#endif
