/* SPDX-License-Identifier: MIT */
/* Pools: their layout in memory, and the form that threads share. */
#include "oring/pool.h"

#define RECORD_ALIGN 64
#define EXTRA_MAX    (1U << 20)

static size_t round_up(size_t bytes)
{
	return (bytes + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

static size_t stride_of(size_t extra)
{
	return sizeof(struct oring_sqe) + round_up(extra);
}

/* Places in the shared queue: a power of two, so that turns survive the wrap at 2^32. */
static uint32_t places_of(uint32_t capacity)
{
	uint32_t places = 1;

	while (places < capacity)
		places <<= 1;
	return places;
}

/* Bytes of the arrays beside the records: states, and @words more words. */
static uint64_t pool_bytes(uint32_t capacity, size_t extra, uint64_t words)
{
	uint64_t bytes;

	if (capacity == 0 || capacity > ORING_POOL_MAX || extra > EXTRA_MAX)
		return 0;
	bytes = (uint64_t)capacity * stride_of(extra);
	bytes += (capacity + words) * sizeof(uint32_t);
	bytes = (bytes + RECORD_ALIGN - 1) & ~(uint64_t)(RECORD_ALIGN - 1);
	return bytes > SIZE_MAX ? 0 : bytes;
}

size_t oring_pool_size(uint32_t capacity, size_t extra)
{
	return (size_t)pool_bytes(capacity, extra, capacity);
}

size_t oring_pool_shared_size(uint32_t capacity, size_t extra)
{
	if (capacity > ORING_POOL_MAX)
		return 0;
	return (size_t)pool_bytes(capacity, extra, 2 * (uint64_t)places_of(capacity));
}

/* Records first, then the states; returns the word behind them. */
static uint32_t *lay_out(struct oring_pool *pool, void *memory, uint32_t capacity, size_t extra)
{
	/* Where the memory lies decides where generations start: see pool.h. */
	uint32_t seed = (uint32_t)((uintptr_t)memory >> 6) * 2654435769U;
	uint32_t i;

	pool->records = (unsigned char *)memory;
	pool->stride = (uint32_t)stride_of(extra);
	pool->capacity = capacity;
	pool->states = (uint32_t *)(void *)(pool->records + (size_t)capacity * pool->stride);
	pool->queue = NULL;
	pool->free_count = 0;
	pool->pad = 0;
	pool->first = 0;
	pool->reserved[0] = 0;
	pool->reserved[1] = 0;
	for (i = 0; i < capacity; i++)
		pool->states[i] = (seed & ORING_POOL_GEN_MASK) | ORING_POOL_FREE;
	return pool->states + capacity;
}

static bool usable(const void *memory, size_t size, size_t needed)
{
	return needed != 0 && size >= needed && memory != NULL &&
	       ((uintptr_t)memory & (RECORD_ALIGN - 1)) == 0;
}

int oring_pool_init(struct oring_pool *pool, void *memory, size_t size, uint32_t capacity,
		    size_t extra)
{
	uint32_t i;

	if (!usable(memory, size, oring_pool_size(capacity, extra)))
		return -ORING_EINVAL;
	pool->queue = lay_out(pool, memory, capacity, extra);
	for (i = 0; i < capacity; i++)
		pool->queue[i] = i;
	pool->free_count = capacity;
	return 0;
}

/*
 * The shared form. Place p of the queue, with turn t: at t == p it waits to be
 * given an index by whoever draws p from `give`; at t == p + 1 it waits to be
 * taken by whoever draws p from `take`, who sets the turn one round ahead. The
 * turn's release and acquire carry the index; taking a number is relaxed.
 */
int oring_pool_shared_init(struct oring_pool_shared *shared, void *memory, size_t size,
			   uint32_t capacity, size_t extra)
{
	struct oring_pool *pool = &shared->pool;
	uint32_t places;
	uint32_t i;

	if (!usable(memory, size, oring_pool_shared_size(capacity, extra)))
		return -ORING_EINVAL;
	places = places_of(capacity);
	shared->turns = lay_out(pool, memory, capacity, extra);
	pool->queue = shared->turns + places;
	shared->mask = places - 1;
	shared->take = 0;
	shared->give = capacity;
	shared->reserved[0] = 0;
	shared->reserved[1] = 0;
	for (i = 0; i < places; i++) {
		pool->queue[i] = i;
		shared->turns[i] = i < capacity ? i + 1 : i;
	}
	return 0;
}

static bool take_free(struct oring_pool_shared *shared, uint32_t *index)
{
	uint32_t place = oring_load_relaxed(&shared->take);

	for (;;) {
		uint32_t turn = oring_load_acquire(&shared->turns[place & shared->mask]);
		int32_t ahead = (int32_t)(turn - (place + 1));

		if (ahead < 0)
			return false;
		if (ahead > 0) {
			place = oring_load_relaxed(&shared->take);
			continue;
		}
		if (__atomic_compare_exchange_n(&shared->take, &place, place + 1, true,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	}
	*index = shared->pool.queue[place & shared->mask];
	oring_store_release(&shared->turns[place & shared->mask], place + shared->mask + 1);
	return true;
}

/* There is always a place: no more indices than places exist. */
static void give_free(struct oring_pool_shared *shared, uint32_t index)
{
	uint32_t place = __atomic_fetch_add(&shared->give, 1, __ATOMIC_RELAXED);
	uint32_t *turn = &shared->turns[place & shared->mask];

	/* It may still be being taken in the round before: a store away. */
	while (oring_load_acquire(turn) != place)
		;
	shared->pool.queue[place & shared->mask] = index;
	oring_store_release(turn, place + 1);
}

int oring_pool_shared_acquire(struct oring_pool_shared *shared, uint8_t op, oring_context *handle,
			      struct oring_sqe **record)
{
	uint32_t index = 0;
	uint32_t state;

	if (!take_free(shared, &index))
		return -ORING_ENOBUFS;
	state = oring_load_relaxed(&shared->pool.states[index]) ^ ORING_POOL_FREE;
	oring_store_release(&shared->pool.states[index], state);
	*handle = oring_context_handle(op, index, state);
	*record = oring_pool_record(&shared->pool, index);
	return 0;
}

struct oring_sqe *oring_pool_shared_lookup(const struct oring_pool_shared *shared,
					   oring_context handle)
{
	const struct oring_pool *pool = &shared->pool;
	uint32_t index = oring_context_index(handle);

	if (oring_context_kind_of(handle) != ORING_CONTEXT_HANDLE || index >= pool->capacity ||
	    oring_load_acquire(&pool->states[index]) != oring_context_generation(handle))
		return NULL;
	return oring_pool_record(pool, index);
}

int oring_pool_shared_release(struct oring_pool_shared *shared, oring_context handle)
{
	uint32_t index = oring_context_index(handle);
	uint32_t generation = oring_context_generation(handle);
	uint32_t state = generation;

	if (oring_context_kind_of(handle) != ORING_CONTEXT_HANDLE || index >= shared->pool.capacity)
		return -ORING_EINVAL;
	if (!__atomic_compare_exchange_n(&shared->pool.states[index], &state,
					 ((generation + 1) & ORING_POOL_GEN_MASK) | ORING_POOL_FREE,
					 false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return -ORING_ESTALE;
	give_free(shared, index);
	return 0;
}
