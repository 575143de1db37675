/* SPDX-License-Identifier: MIT */
/**
 * pool.h - records behind handles, in the caller's memory
 *
 * A record is an entry template (64 bytes) and as much caller data behind it
 * as the pool was made for. Its handle is a context (context.h): index and
 * generation. A handle whose record was released, or never acquired, is
 * recognised, in every build and at once: what a stale completion or a message
 * from elsewhere carries is compared, never followed.
 *
 * Free records wait first-in first-out, so a handle's bits come round only
 * after 2^30 uses of its record: capacity x 2^30 uses of a pool that is empty.
 * Generations start at a number that depends on the memory's address, so that
 * handles of another pool are not mistaken for one's own except by a chance of
 * 1 in 2^30. A pool made again in the same memory starts at the same number: do
 * that only when no handle of the earlier one can come back.
 *
 * Two forms: struct oring_pool for one thread at a time; struct
 * oring_pool_shared for several. The shared form takes no lock, but is not free
 * of waiting: a release may spin while another thread stands between two
 * instructions of an acquire. So not from a signal handler that may interrupt
 * a call on the same pool, and with care among real-time priorities.
 */
#ifndef ORING_POOL_H
#define ORING_POOL_H

#include "abi.h"
#include "context.h"
#include "mem.h"
#include "sqe.h"

ORING_BEGIN_DECLS

#define ORING_POOL_MAX (1U << ORING_CONTEXT_INDEX_BITS)

/* A record's state: its generation, and this bit while it is free. */
#define ORING_POOL_FREE	    (1U << 31)
#define ORING_POOL_GEN_MASK ((1U << ORING_CONTEXT_GEN_BITS) - 1)
#define ORING_POOL_WRAP	    (1U << ORING_CONTEXT_GEN_BITS) /* what a generation must not reach */

/* One thread's pool. Fields are for the functions below. */
struct oring_pool {
	unsigned char *records;
	uint32_t *states;
	uint32_t *queue; /* free indices, a ring of exactly capacity places */
	uint32_t capacity;
	uint32_t free_count;
	uint32_t first; /* place of the oldest free index */
	uint32_t pad;
	uint64_t stride; /* bytes from record to record */
	uint64_t reserved[2];
};

/**
 * oring_pool_size - memory that a pool needs, in bytes
 * @capacity: records, 1 to 2^24
 * @extra: bytes of caller data in each record, rounded up to a multiple of 64
 *
 * Return: the size, a multiple of 64, for memory aligned to 64 bytes; 0 for a
 * capacity or an extra (above 1 MiB) that is out of range. Any thread.
 */
ORING_API size_t oring_pool_size(uint32_t capacity, size_t extra);

/**
 * oring_pool_init - make a pool in @memory
 * @memory: aligned to 64 bytes; the pool's until it is no longer used
 * @size: its size, at least oring_pool_size(@capacity, @extra)
 *
 * Return: 0; -EINVAL for what oring_pool_size() refuses, for memory that is
 * too small or not aligned.
 */
ORING_API int oring_pool_init(struct oring_pool *pool, void *memory, size_t size, uint32_t capacity,
			      size_t extra);

/** oring_pool_record - the record with @index, acquired or not; below the capacity. */
ORING_INLINE struct oring_sqe *oring_pool_record(const struct oring_pool *pool, uint32_t index)
{
	struct oring_sqe *record =
		(struct oring_sqe *)(void *)(pool->records + (size_t)index * pool->stride);

	oring_assume(record != NULL);
	return record;
}

/** oring_pool_extra - the caller data of a record. */
ORING_INLINE void *oring_pool_extra(struct oring_sqe *record)
{
	return record + 1;
}

/**
 * oring_pool_acquire - take the record that has been free longest
 * @op: goes into the handle, for whoever reads completions: an operation, or any
 *      number of the caller's own
 * @handle: receives the context of the record
 * @record: receives the record, with the content it had
 *
 * Return: 0; -ENOBUFS if all are acquired, and then nothing has changed.
 * Threads: owner only.
 */
ORING_INLINE int oring_pool_acquire(struct oring_pool *pool, uint8_t op, oring_context *handle,
				    struct oring_sqe **record)
{
	uint32_t count = pool->free_count;
	uint32_t first = pool->first;
	uint32_t index, generation;

	if (oring_unlikely(count == 0))
		return -ORING_ENOBUFS;
	index = pool->queue[first];
	generation = pool->states[index] ^ ORING_POOL_FREE;
	*record = oring_pool_record(pool, index);
	*handle = oring_context_handle(op, index, generation);
	pool->first = ++first == pool->capacity ? 0 : first;
	pool->free_count = count - 1;
	pool->states[index] = generation;
	return 0;
}

/**
 * oring_pool_lookup - the record of a handle
 * @handle: any context
 *
 * Return: the record; NULL if the context is no handle, or none of a record
 * that is acquired now in this pool.
 * Threads: owner only.
 */
ORING_INLINE struct oring_sqe *oring_pool_lookup(const struct oring_pool *pool,
						 oring_context handle)
{
	uint32_t index = oring_context_index(handle);

	if (oring_unlikely(oring_context_kind_of(handle) != ORING_CONTEXT_HANDLE ||
			   index >= pool->capacity ||
			   pool->states[index] != oring_context_generation(handle)))
		return NULL;
	return oring_pool_record(pool, index);
}

/* Put a record that is acquired at the end of the queue. */
ORING_INLINE void oring_pool_put(struct oring_pool *pool, oring_context handle)
{
	uint32_t index = oring_context_index(handle);
	uint32_t next = (oring_context_generation(handle) + 1) | ORING_POOL_FREE;
	uint32_t count = pool->free_count;
	uint32_t place = pool->first + count;

	if (place >= pool->capacity)
		place -= pool->capacity;
	pool->free_count = count + 1;
	pool->queue[place] = index;
	pool->states[index] = next & ~ORING_POOL_WRAP;
}

/**
 * oring_pool_release - give a record back
 *
 * Return: 0; -EINVAL if the context is no handle or its index is beyond the
 * pool; -ESTALE if it is not the handle of a record acquired now: released
 * already, or of another pool. On error nothing has changed.
 * Threads: owner only.
 */
ORING_INLINE int oring_pool_release(struct oring_pool *pool, oring_context handle)
{
	if (oring_unlikely(oring_pool_lookup(pool, handle) == NULL))
		return oring_context_kind_of(handle) == ORING_CONTEXT_HANDLE &&
				       oring_context_index(handle) < pool->capacity
			       ? -ORING_ESTALE
			       : -ORING_EINVAL;
	oring_pool_put(pool, handle);
	return 0;
}

/**
 * oring_pool_retire - the record of a handle, which is given back at once
 *
 * For the last completion of a request: lookup and release in one. The record keeps
 * its content until the pool hands it out again: read it before you acquire.
 *
 * Return: as oring_pool_lookup(); with NULL nothing has changed.
 * Threads: owner only.
 */
ORING_INLINE struct oring_sqe *oring_pool_retire(struct oring_pool *pool, oring_context handle)
{
	struct oring_sqe *record = oring_pool_lookup(pool, handle);

	if (oring_likely(record != NULL))
		oring_pool_put(pool, handle);
	return record;
}

/** oring_pool_available - records that can be acquired now. Owner only. */
ORING_INLINE uint32_t oring_pool_available(const struct oring_pool *pool)
{
	return pool->free_count;
}

/*
 * Several threads' pool: the same records and handles; the free indices wait
 * in a bounded queue whose places carry a turn number.
 */
struct oring_pool_shared {
	struct oring_pool pool; /* its queue, free_count and first are not used */
	uint32_t *turns;	/* for each place of the queue */
	uint32_t mask;		/* places - 1; a power of two, at least the capacity */
	unsigned char pad1[64];
	uint32_t take; /* next place to take from */
	unsigned char pad2[64];
	uint32_t give; /* next place to give to */
	unsigned char pad3[64];
	uint64_t reserved[2];
};

/** oring_pool_shared_size - as oring_pool_size(). */
ORING_API size_t oring_pool_shared_size(uint32_t capacity, size_t extra);

/** oring_pool_shared_init - as oring_pool_init(); by one thread, before the others come. */
ORING_API int oring_pool_shared_init(struct oring_pool_shared *shared, void *memory, size_t size,
				     uint32_t capacity, size_t extra);

/**
 * oring_pool_shared_acquire - as oring_pool_acquire()
 *
 * -ENOBUFS also in the moment in which the record that is next was released by
 * a thread that has not finished doing so. Any thread.
 */
ORING_API int oring_pool_shared_acquire(struct oring_pool_shared *shared, uint8_t op,
					oring_context *handle, struct oring_sqe **record);

/**
 * oring_pool_shared_lookup - as oring_pool_lookup()
 *
 * Who holds a handle is the caller's order: another thread that releases it
 * meanwhile takes the record away. Any thread.
 */
ORING_API struct oring_sqe *oring_pool_shared_lookup(const struct oring_pool_shared *shared,
						     oring_context handle);

/**
 * oring_pool_shared_release - as oring_pool_release()
 *
 * Of two threads that release the same handle one gets -ESTALE. Any thread.
 */
ORING_API int oring_pool_shared_release(struct oring_pool_shared *shared, oring_context handle);

ORING_END_DECLS

#endif
