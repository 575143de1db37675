/* SPDX-License-Identifier: MIT */
/* Making a ring, in the kernel's memory or the caller's; ending it. */
#include "oring/setup.h"
#include "oring/abi_reg.h"
#include "oring/cq.h"
#include "oring/sq.h"
#include "setup_inside.h"
#include "sys_inline.h"

ORING_STATIC_ASSERT(offsetof(struct oring, cqes) - offsetof(struct oring, sq_dropped) >= 64 &&
			    offsetof(struct oring, enter_fd) - offsetof(struct oring, cq_entries) >=
				    64,
		    "the two sides share no cache line, wherever the struct lies");

/* Only with memory of the caller's. */
#define MEMORY_FLAGS (ORING_SETUP_NO_MMAP | ORING_SETUP_REGISTERED_FD_ONLY)

size_t oring_sizeof(void)
{
	return sizeof(struct oring);
}

/*
 * Closed: no entries, no completions, no descriptor. What only looks at the
 * queues finds them empty, and nothing is written to a queue without entries.
 */
static void clear_ring(struct oring *ring)
{
	static const uint32_t zero = 0;
	uint32_t *empty = (uint32_t *)(uintptr_t)&zero;
	unsigned char *byte = (unsigned char *)ring;
	size_t i;

	for (i = 0; i < sizeof(*ring); i++)
		byte[i] = 0;
	ring->sq_head = empty;
	ring->sq_tail = empty;
	ring->sq_flags = empty;
	ring->sq_dropped = empty;
	ring->cq_head = empty;
	ring->cq_tail = empty;
	ring->cq_overflow = empty;
	ring->setup_flags = ORING_RING_CLOSED;
	ring->fd = -1;
	ring->enter_fd = -1;
}

void oring_clear_params(struct oring_params *params)
{
	unsigned char *byte = (unsigned char *)params;
	size_t i;

	for (i = 0; i < sizeof(*params); i++)
		byte[i] = 0;
}

/* Flags that mean nothing, or -EINVAL, without another one. */
static uint32_t without_orphans(uint32_t flags, uint32_t optional)
{
	uint32_t orphans = 0;

	if (!(flags & ORING_SETUP_SINGLE_ISSUER))
		orphans |= ORING_SETUP_DEFER_TASKRUN;
	if (!(flags & ORING_SETUP_COOP_TASKRUN) && !(flags & ~orphans & ORING_SETUP_DEFER_TASKRUN))
		orphans |= ORING_SETUP_TASKRUN_FLAG;
	if (!(flags & ORING_SETUP_SQPOLL))
		orphans |= ORING_SETUP_SQ_AFF;
	if (!(flags & ORING_SETUP_IOPOLL))
		orphans |= ORING_SETUP_HYBRID_IOPOLL;
	return flags & ~(orphans & optional);
}

/* What to try after this failed: fewer flags, or the same if nothing is left to drop. */
static uint32_t fewer_flags(uint32_t flags, uint32_t optional, int error)
{
	uint32_t left = flags & optional;

	if (error == -ORING_EPERM)
		return without_orphans(flags & ~(left & ORING_SETUP_SQPOLL), optional);
	if (error != -ORING_EINVAL || left == 0)
		return flags;
	/* Down to the highest bit alone. (A builtin for it may be a call into libgcc.) */
	while ((left & (left - 1)) != 0)
		left &= left - 1;
	return without_orphans(flags & ~left, optional);
}

/* Setup until a set of flags is taken. Returns the descriptor; on error @params is as before. */
static int negotiate(uint32_t entries, struct oring_params *params, uint32_t optional)
{
	uint32_t required = params->flags;
	uint32_t next;
	int ret;

	optional &= ~required;
	next = without_orphans(required | optional, optional);
	do {
		params->flags = next;
		ret = sys_setup(entries, params);
		if (ret >= 0)
			return ret;
		next = fewer_flags(params->flags, optional, ret);
	} while (next != params->flags);
	params->flags = required;
	return ret;
}

/* ---- memory ---- */

#define MOST_ENTRIES 32768U
/* Above every kernel's struct io_rings (64 to 320 bytes) and its alignments. */
#define RING_HEADER 1024U

static uint32_t power_of_two(uint32_t at_least)
{
	uint32_t power = 1;

	while (power < at_least && power < 1U << 31)
		power <<= 1;
	return power;
}

static size_t whole_pages(size_t bytes, size_t page)
{
	return (bytes + page - 1) & ~(page - 1);
}

/* How the caller's memory is divided: entries first, then the rings. */
struct division {
	size_t sqe_bytes;
	size_t ring_bytes;
};

static int divide(uint32_t entries, const struct oring_params *params, size_t page,
		  struct division *parts)
{
	uint32_t sq = entries, cq;

	if (params->flags & ORING_SETUP_CLAMP && sq > MOST_ENTRIES)
		sq = MOST_ENTRIES;
	if (sq == 0 || sq > MOST_ENTRIES || page == 0 || (page & (page - 1)) != 0)
		return -ORING_EINVAL;
	sq = power_of_two(sq);
	cq = 2 * sq;
	if (params->flags & ORING_SETUP_CQSIZE) {
		cq = params->cq_entries;
		if (params->flags & ORING_SETUP_CLAMP && cq > 2 * MOST_ENTRIES)
			cq = 2 * MOST_ENTRIES;
		if (cq == 0 || cq > 2 * MOST_ENTRIES)
			return -ORING_EINVAL;
		cq = power_of_two(cq);
	}
	parts->sqe_bytes =
		whole_pages((size_t)sq * (params->flags & ORING_SETUP_SQE128 ? 128 : 64), page);
	parts->ring_bytes = whole_pages(
		RING_HEADER + (size_t)cq * (params->flags & ORING_SETUP_CQE32 ? 32 : 16) +
			(params->flags & ORING_SETUP_NO_SQARRAY ? 0 : (size_t)sq * 4),
		page);
	return 0;
}

size_t oring_mem_size(uint32_t entries, const struct oring_params *params, size_t page)
{
	struct division parts;

	if (divide(entries, params, page, &parts) < 0)
		return 0;
	return parts.sqe_bytes + parts.ring_bytes;
}

/*
 * The same pages, whoever provides them. RING_HEADER is more than the header
 * takes, but never a page more: what follows it are powers of two from 4 bytes
 * on, which leave that much of their last page.
 */
size_t oring_locked_size(uint32_t entries, const struct oring_params *params, size_t page)
{
	struct oring_params none;

	if (params == NULL) {
		oring_clear_params(&none);
		params = &none;
	}
	return oring_mem_size(entries, params, page);
}

static size_t ring_bytes_of(const struct oring *ring, const struct oring_params *params)
{
	size_t sq_bytes = (size_t)params->sq_off.array + params->sq_entries * sizeof(uint32_t);
	size_t cq_bytes =
		(size_t)params->cq_off.cqes + (size_t)params->cq_entries * ring->cq_stride;

	/* The kernel leaves sq_off.array alone on rings without an array. */
	if (params->flags & ORING_SETUP_NO_SQARRAY)
		sq_bytes = 0;
	return sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
}

static int map_one(const struct oring *ring, size_t bytes, uint64_t offset, void **out)
{
	return sys_mmap(NULL, bytes, SYS_PROT_READ | SYS_PROT_WRITE,
			SYS_MAP_SHARED | SYS_MAP_POPULATE, ring->fd, offset, out);
}

/* A forked child that touched the ring would move its parent's. */
static int keep_from_children(const struct oring *ring)
{
	int ret = sys_madvise(ring->ring_memory, ring->ring_bytes, SYS_MADV_DONTFORK);

	return ret < 0 ? ret : sys_madvise(ring->sqe_memory, ring->sqe_bytes, SYS_MADV_DONTFORK);
}

int oring_map_rings(struct oring *ring, const struct oring_params *params)
{
	int ret;

	if (!(params->features & ORING_FEAT_SINGLE_MMAP))
		return -ORING_EOPNOTSUPP;
	ring->ring_bytes = ring_bytes_of(ring, params);
	ret = map_one(ring, ring->ring_bytes, ORING_OFF_SQ_RING, &ring->ring_memory);
	if (ret < 0)
		return ret;
	ring->sqe_bytes = (size_t)params->sq_entries * ring->sq_stride;
	ret = map_one(ring, ring->sqe_bytes, ORING_OFF_SQES, &ring->sqe_memory);
	if (ret == 0)
		keep_from_children(ring);
	return ret;
}

/* The caller's memory, as setup was told of it. */
static int take_memory(struct oring *ring, const struct oring_params *params,
		       const struct division *parts)
{
	ring->ring_bytes = parts->ring_bytes;
	ring->sqe_bytes = parts->sqe_bytes;
	ring->sqe_memory = (void *)(uintptr_t)params->sq_off.user_addr;
	ring->ring_memory = (void *)(uintptr_t)params->cq_off.user_addr;
	ring->memory_is_callers = 1;
	/* A kernel whose header is larger than any known one would have needed more. */
	return ring_bytes_of(ring, params) > parts->ring_bytes ? -ORING_EOVERFLOW : 0;
}

static uint32_t *word_at(const struct oring *ring, uint32_t offset)
{
	return (uint32_t *)(void *)((unsigned char *)ring->ring_memory + offset);
}

/*
 * Masks, sizes and offsets are taken here, once: ring memory is shared and is
 * never trusted for bounds afterwards.
 */
void oring_fill_ring(struct oring *ring, const struct oring_params *params)
{
	const struct oring_sqring_offsets *sq = &params->sq_off;
	const struct oring_cqring_offsets *cq = &params->cq_off;

	ring->sqes = (unsigned char *)ring->sqe_memory;
	ring->sq_entries = params->sq_entries;
	ring->sq_mask = params->sq_entries - 1;
	ring->sq_head = word_at(ring, sq->head);
	ring->sq_tail = word_at(ring, sq->tail);
	ring->sq_flags = word_at(ring, sq->flags);
	ring->sq_dropped = word_at(ring, sq->dropped);
	ring->sq_reserved = oring_load_relaxed(ring->sq_tail);
	ring->sq_committed = ring->sq_reserved;
	oring_sq_refresh(ring);

	ring->cqes = (unsigned char *)ring->ring_memory + cq->cqes;
	ring->cq_entries = params->cq_entries;
	ring->cq_mask = params->cq_entries - 1;
	ring->cq_mixed = (params->flags & ORING_SETUP_CQE_MIXED) != 0;
	ring->cq_head = word_at(ring, cq->head);
	ring->cq_tail = word_at(ring, cq->tail);
	/* Not there before 5.8: and at 0 lies sq.head. */
	ring->cq_flags = cq->flags != 0 ? word_at(ring, cq->flags) : NULL;
	ring->cq_overflow = word_at(ring, cq->overflow);
	ring->cq_released = oring_load_relaxed(ring->cq_head);
}

/* The array between the queue and the entries says, for good: slot i is entry i. */
static void fill_array(struct oring *ring, const struct oring_params *params)
{
	uint32_t *array = word_at(ring, params->sq_off.array);
	uint32_t i;

	for (i = 0; i < params->sq_entries; i++)
		array[i] = i;
}

/* ---- init, exit ---- */

/* What a setup call gave: a descriptor, or the calling task's index. */
static void take_descriptor(struct oring *ring, const struct oring_params *params, int fd)
{
	ring->layout = ORING_LAYOUT;
	ring->enter_fd = fd;
	ring->setup_flags = params->flags;
	ring->features = params->features;
	ring->sq_stride = params->flags & ORING_SETUP_SQE128 ? sizeof(struct oring_sqe128)
							     : sizeof(struct oring_sqe);
	ring->cq_stride = params->flags & ORING_SETUP_CQE32 ? sizeof(struct oring_cqe32)
							    : sizeof(struct oring_cqe);
	if (params->flags & ORING_SETUP_REGISTERED_FD_ONLY) {
		oring_own(ring);
	} else {
		ring->fd = fd;
	}
}

static int make(struct oring *ring, uint32_t entries, struct oring_params *params,
		uint32_t optional, const struct division *parts)
{
	const uint32_t required = params->flags;
	int ret = negotiate(entries, params, optional);

	if (ret < 0)
		return ret;
	take_descriptor(ring, params, ret);
	ret = parts != NULL ? take_memory(ring, params, parts) : oring_map_rings(ring, params);
	if (ret < 0) {
		/* Who tries again asks for the same, not for what was got this time. */
		params->flags = required;
		oring_exit(ring);
		return ret;
	}
	oring_fill_ring(ring, params);
	if (!(params->flags & ORING_SETUP_NO_SQARRAY))
		fill_array(ring, params);
	return 0;
}

int oring_init_sized(struct oring *ring, uint32_t entries, struct oring_params *params,
		     uint32_t optional, size_t size, uint32_t layout)
{
	struct oring_params none;

	if (size != sizeof(*ring) || layout != ORING_LAYOUT)
		return -ORING_EINVAL;
	clear_ring(ring);
	if (params == NULL) {
		oring_clear_params(&none);
		params = &none;
	}
	if (params->flags & MEMORY_FLAGS)
		return -ORING_EINVAL;
	return make(ring, entries, params, optional & ~MEMORY_FLAGS, NULL);
}

int oring_init_mem_sized(struct oring *ring, uint32_t entries, struct oring_params *params,
			 const struct oring_mem *memory, size_t size, uint32_t layout)
{
	struct division parts;
	unsigned char *base = (unsigned char *)memory->base;
	size_t i;
	int ret;

	if (size != sizeof(*ring) || layout != ORING_LAYOUT)
		return -ORING_EINVAL;
	clear_ring(ring);
	ret = divide(entries, params, memory->page, &parts);
	if (ret < 0)
		return ret;
	if (base == NULL || (uintptr_t)base % memory->page != 0 ||
	    memory->size < parts.sqe_bytes + parts.ring_bytes)
		return -ORING_EINVAL;
	/* The kernel does not clear what it did not allocate. */
	for (i = 0; i < parts.sqe_bytes + parts.ring_bytes; i++)
		base[i] = 0;
	params->flags |= ORING_SETUP_NO_MMAP;
	params->sq_off.user_addr = (uint64_t)(uintptr_t)base;
	params->cq_off.user_addr = (uint64_t)(uintptr_t)(base + parts.sqe_bytes);
	return make(ring, entries, params, 0, &parts);
}

static void *moved(const void *pointer, const void *from, void *to)
{
	return (unsigned char *)to + ((const unsigned char *)pointer - (const unsigned char *)from);
}

/* The same memory at other addresses, in mappings that are as the kernel makes them. */
static int map_again(struct oring *ring)
{
	uint32_t **words[] = {
		&ring->sq_head, &ring->sq_tail, &ring->sq_flags, &ring->sq_dropped,
		&ring->cq_head, &ring->cq_tail, &ring->cq_flags, &ring->cq_overflow
	};
	void *rings = NULL, *sqes = NULL;
	size_t i;
	int ret = map_one(ring, ring->ring_bytes, ORING_OFF_SQ_RING, &rings);

	if (ret < 0)
		return ret;
	ret = map_one(ring, ring->sqe_bytes, ORING_OFF_SQES, &sqes);
	if (ret < 0) {
		sys_munmap(rings, ring->ring_bytes);
		return ret;
	}
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (*words[i] != NULL)
			*words[i] = (uint32_t *)moved(*words[i], ring->ring_memory, rings);
	}
	ring->cqes = (unsigned char *)moved(ring->cqes, ring->ring_memory, rings);
	ring->sqes = (unsigned char *)sqes;
	sys_munmap(ring->ring_memory, ring->ring_bytes);
	sys_munmap(ring->sqe_memory, ring->sqe_bytes);
	ring->ring_memory = rings;
	ring->sqe_memory = sqes;
	return 0;
}

int oring_set_inherited(struct oring *ring, bool inherited)
{
	if (ring->setup_flags & ORING_RING_CLOSED)
		return -ORING_EBADF;
	if (ring->memory_is_callers)
		return -ORING_EINVAL;
	/* Not MADV_DOFORK: newer kernels (7.3) refuse it for ring memory. */
	return inherited ? map_again(ring) : keep_from_children(ring);
}

/* Give back the index that this task has for the ring. */
static int unregister_self(struct oring *ring)
{
	struct oring_rsrc_update update;
	uint32_t by_index = ring->fd < 0 ? ORING_REGISTER_USE_REGISTERED_RING : 0;
	int ret;

	if (ring->owner != sys_thread())
		return -ORING_EEXIST;
	update.offset = (uint32_t)ring->enter_fd;
	update.resv = 0;
	update.data = 0;
	ret = sys_register(ring->fd < 0 ? ring->enter_fd : ring->fd,
			   ORING_UNREGISTER_RING_FDS | by_index, &update, 1);
	return ret < 0 ? ret : 0;
}

static int unmap(void *memory, size_t bytes)
{
	return memory != NULL ? sys_munmap(memory, bytes) : 0;
}

/* The error to be told: the first. */
static int first_of(int error, int next)
{
	return error != 0 ? error : next;
}

int oring_exit(struct oring *ring)
{
	int ret = 0;

	if (ring->layout != ORING_LAYOUT)
		return 0;
	if (ring->enter_flags & ORING_ENTER_REGISTERED_RING)
		ret = unregister_self(ring);
	if (!ring->memory_is_callers) {
		ret = first_of(ret, unmap(ring->sqe_memory, ring->sqe_bytes));
		ret = first_of(ret, unmap(ring->ring_memory, ring->ring_bytes));
	}
	ret = first_of(ret, unmap(ring->wait_memory, ring->wait_bytes));
	if (ring->fd >= 0)
		ret = first_of(ret, sys_close(ring->fd));
	clear_ring(ring);
	return ret;
}
