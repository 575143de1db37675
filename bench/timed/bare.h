/* SPDX-License-Identifier: MIT */
/*
 * bare.h - the floor: a ring as a program without any library has it
 *
 * Only the layouts of the kernel's structures come from oring; all the rest is here.
 * The shape is that of oring_init_fast(): single issuer, deferred task work, no index
 * array, a registered descriptor, and a registered wait region where one is asked for.
 * What a program knows of its own loop it does not check: the queue is empty after each
 * submit, so there is room for as many entries as the ring has.
 *
 * Words of an entry are put together as little-endian machines have them.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include "bench.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oring/abi.h"
#include "oring/abi_reg.h"
#include "oring/op.h"

#define BARE_FLAGS                                                                        \
	(ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_SUBMIT_ALL | \
	 ORING_SETUP_NO_SQARRAY)

/* For bare_open(). */
#define BARE_WAIT_REGION      (1U << 0)
#define BARE_PLAIN_DESCRIPTOR (1U << 1) /* enters go by the descriptor */

typedef uint64_t bare_word __attribute__((may_alias));

struct bare {
	bare_word *sqes;
	struct oring_cqe *cqes;
	uint32_t sq_mask, cq_mask;
	uint32_t filled; /* entries that were written, ever */
	uint32_t reaped; /* completions that were given back, ever */
	uint32_t *sq_tail, *cq_head, *cq_tail;
	int enter_fd;
	uint32_t enter_flags;
	struct oring_reg_wait *wait; /* the region, or NULL */
	int fd;
	void *rings, *sqe_memory;
	size_t ring_bytes, sqe_bytes;
};

static inline long bare_register(int fd, uint32_t opcode, const void *arg, uint32_t n)
{
	return syscall(__NR_io_uring_register, fd, opcode, arg, n);
}

static inline void *bare_map(int fd, size_t bytes, uint64_t offset)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			    (off_t)offset);

	if (memory == MAP_FAILED)
		bench_fail(errno, "mmap of a ring");
	return memory;
}

static inline void bare_map_rings(struct bare *bare, const struct oring_params *params)
{
	unsigned char *rings;

	bare->ring_bytes =
		params->cq_off.cqes + (size_t)params->cq_entries * sizeof(struct oring_cqe);
	bare->sqe_bytes = (size_t)params->sq_entries * sizeof(struct oring_sqe);
	rings = bare_map(bare->fd, bare->ring_bytes, ORING_OFF_SQ_RING);
	bare->rings = rings;
	bare->sqe_memory = bare_map(bare->fd, bare->sqe_bytes, ORING_OFF_SQES);
	bare->sqes = bare->sqe_memory;
	bare->cqes = (struct oring_cqe *)(void *)(rings + params->cq_off.cqes);
	bare->sq_mask = params->sq_entries - 1;
	bare->cq_mask = params->cq_entries - 1;
	bare->sq_tail = (uint32_t *)(void *)(rings + params->sq_off.tail);
	bare->cq_head = (uint32_t *)(void *)(rings + params->cq_off.head);
	bare->cq_tail = (uint32_t *)(void *)(rings + params->cq_off.tail);
}

/* False: the kernel has no such regions. */
static inline bool bare_add_region(struct bare *bare)
{
	struct oring_region_desc desc;
	struct oring_mem_region_reg reg;

	memset(&desc, 0, sizeof(desc));
	memset(&reg, 0, sizeof(reg));
	desc.size = (uint64_t)sysconf(_SC_PAGESIZE);
	bare->wait = bench_alloc(desc.size);
	desc.user_addr = (uint64_t)(uintptr_t)bare->wait;
	desc.flags = ORING_MEM_REGION_TYPE_USER;
	reg.region_uptr = (uint64_t)(uintptr_t)&desc;
	reg.flags = ORING_MEM_REGION_REG_WAIT_ARG;
	return bare_register(bare->fd, ORING_REGISTER_MEM_REGION, &reg, 1) == 0;
}

static inline void bare_close(struct bare *bare)
{
	struct oring_rsrc_update update;

	if (bare->enter_flags & ORING_ENTER_REGISTERED_RING) {
		memset(&update, 0, sizeof(update));
		update.offset = (uint32_t)bare->enter_fd;
		if (bare_register(bare->fd, ORING_UNREGISTER_RING_FDS, &update, 1) != 1)
			bench_fail(errno, "unregister of a ring's descriptor");
	}
	munmap(bare->sqe_memory, bare->sqe_bytes);
	munmap(bare->rings, bare->ring_bytes);
	if (bare->wait != NULL)
		munmap(bare->wait, (size_t)sysconf(_SC_PAGESIZE));
	close(bare->fd);
}

static inline void bare_use_index(struct bare *bare)
{
	struct oring_rsrc_update update;

	memset(&update, 0, sizeof(update));
	update.offset = ORING_FILE_INDEX_ALLOC;
	update.data = (uint32_t)bare->fd;
	if (bare_register(bare->fd, ORING_REGISTER_RING_FDS, &update, 1) != 1)
		bench_fail(errno, "registration of a ring's descriptor");
	bare->enter_fd = (int)update.offset;
	bare->enter_flags = ORING_ENTER_REGISTERED_RING;
}

/*
 * 0, or the errno of the setup call. ENOSYS after bench_absent(): the kernel has the ring,
 * and no wait region.
 */
static inline int bare_try(struct bare *bare, uint32_t entries, uint32_t wanted)
{
	struct oring_params params;

	memset(&params, 0, sizeof(params));
	memset(bare, 0, sizeof(*bare));
	params.flags = BARE_FLAGS;
	if (wanted & BARE_WAIT_REGION)
		params.flags |= ORING_SETUP_R_DISABLED;
	bare->fd = (int)syscall(__NR_io_uring_setup, entries, &params);
	if (bare->fd < 0)
		return errno;
	bare->enter_fd = bare->fd;
	bare_map_rings(bare, &params);
	if (wanted & BARE_WAIT_REGION) {
		if (!bare_add_region(bare)) {
			bare_close(bare);
			bench_absent("this kernel has no wait regions");
			return ENOSYS;
		}
		if (bare_register(bare->fd, ORING_REGISTER_ENABLE_RINGS, NULL, 0) != 0)
			bench_fail(errno, "a ring cannot be enabled");
	}
	if (!(wanted & BARE_PLAIN_DESCRIPTOR))
		bare_use_index(bare);
	return 0;
}

/* False after bench_absent(). */
static inline bool bare_open(struct bare *bare, uint32_t entries, uint32_t wanted)
{
	int error = bare_try(bare, entries, wanted);

	if (error == EINVAL)
		bench_absent("this kernel has no ring of this shape");
	else if (error != 0 && error != ENOSYS)
		bench_fail(error, "io_uring_setup");
	return error == 0;
}

/* ---- entries: the eight words, each written once ---- */

static inline void bare_put(struct bare *bare, uint32_t op, int32_t fd, const void *memory,
			    uint32_t length, uint64_t offset, uint32_t buffer, uint64_t user_data)
{
	bare_word *word = &bare->sqes[(size_t)(bare->filled & bare->sq_mask) * 8];

	bare->filled++;
	word[0] = op | (uint64_t)(uint32_t)fd
			       << 32; /* op: with the entry's flags in bits 8 to 15 */
	word[1] = offset;
	word[2] = (uint64_t)(uintptr_t)memory;
	word[3] = length;
	word[4] = user_data;
	word[5] = buffer;
	word[6] = 0;
	word[7] = 0;
}

static inline void bare_commit(struct bare *bare)
{
	__atomic_store_n(bare->sq_tail, bare->filled, __ATOMIC_RELEASE);
}

static inline long bare_enter(const struct bare *bare, uint32_t submit, uint32_t want,
			      uint32_t flags, const void *arg, size_t arg_size)
{
	return syscall(__NR_io_uring_enter, bare->enter_fd, submit, want, bare->enter_flags | flags,
		       arg, arg_size);
}

/* Returns what was submitted, or -1 with errno. */
static inline long bare_submit_and_wait(struct bare *bare, uint32_t submit, uint32_t want)
{
	bare_commit(bare);
	return bare_enter(bare, submit, want, ORING_ENTER_GETEVENTS, NULL, 0);
}

/* ---- completions ---- */

static inline uint32_t bare_end(const struct bare *bare)
{
	return __atomic_load_n(bare->cq_tail, __ATOMIC_ACQUIRE);
}

static inline const struct oring_cqe *bare_at(const struct bare *bare, uint32_t index)
{
	return &bare->cqes[index & bare->cq_mask];
}

static inline void bare_release(struct bare *bare, uint32_t end)
{
	bare->reaped = end;
	__atomic_store_n(bare->cq_head, end, __ATOMIC_RELEASE);
}

#endif
