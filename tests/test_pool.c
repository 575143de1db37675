/* SPDX-License-Identifier: MIT */
/* Records behind handles: none twice, none lost, none from elsewhere. */
#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>

static void *pool_memory(size_t size)
{
	void *memory = aligned_alloc(64, (size + 63) & ~(size_t)63);

	cr_assert_not_null(memory);
	memset(memory, 0xee, size);
	return memory;
}

Test(pool, sizes)
{
	cr_assert_eq(oring_pool_size(0, 0), 0);
	cr_assert_eq(oring_pool_size(ORING_POOL_MAX + 1, 0), 0);
	cr_assert_eq(oring_pool_size(1, (1 << 20) + 1), 0);
	cr_assert_eq(oring_pool_size(1, 0), 128, "64 + 8, rounded up");
	cr_assert_eq(oring_pool_size(16, 1), 16 * (64 + 64 + 8));
	cr_assert_eq(oring_pool_size(ORING_POOL_MAX, 0), (size_t)ORING_POOL_MAX * 72);
	cr_assert_eq(oring_pool_shared_size(5, 0), 448, "5 * 64 + 5 * 4 + 2 * 8 * 4, rounded up");
	cr_assert_eq(oring_pool_shared_size(UINT32_MAX, 0), 0);
	cr_assert_eq(oring_pool_shared_size(0, 0), 0);
}

Test(pool, init_refuses_bad_memory)
{
	size_t size = oring_pool_size(4, 0);
	unsigned char *memory = pool_memory(size + 64);
	struct oring_pool pool;

	cr_assert_eq(oring_pool_init(&pool, memory, size - 1, 4, 0), -EINVAL);
	cr_assert_eq(oring_pool_init(&pool, memory + 4, size, 4, 0), -EINVAL);
	cr_assert_eq(oring_pool_init(&pool, NULL, size, 4, 0), -EINVAL);
	cr_assert_eq(oring_pool_init(&pool, memory, size, 0, 0), -EINVAL);
	cr_assert_eq(oring_pool_init(&pool, memory, size, 4, 0), 0);
	free(memory);
}

Test(pool, shared_init_refuses_bad_memory)
{
	size_t size = oring_pool_shared_size(4, 0);
	unsigned char *memory = pool_memory(size + 64);
	struct oring_pool_shared shared;

	cr_assert_eq(oring_pool_shared_init(&shared, memory, size - 1, 4, 0), -EINVAL);
	cr_assert_eq(oring_pool_shared_init(&shared, memory + 4, size, 4, 0), -EINVAL);
	cr_assert_eq(oring_pool_shared_init(&shared, NULL, size, 4, 0), -EINVAL);
	cr_assert_eq(oring_pool_shared_init(&shared, memory, size, 4, 0), 0);
	free(memory);
}

Test(pool, capacity_and_no_more)
{
	/* A8; the memory around the pool stays as it was (and ASan watches). */
	enum {
		CAPACITY = 7,
		EXTRA = 100
	};
	size_t size = oring_pool_size(CAPACITY, EXTRA);
	void *memory = pool_memory(size);
	struct oring_pool pool;
	oring_context handles[CAPACITY], none = oring_context_from_bits(5);
	struct oring_sqe *records[CAPACITY], *nothing = NULL;
	int i, j;

	cr_assert_eq(oring_pool_init(&pool, memory, size, CAPACITY, EXTRA), 0);
	for (i = 0; i < CAPACITY; i++) {
		cr_assert_eq(oring_pool_acquire(&pool, ORING_OP_RECV, &handles[i], &records[i]), 0);
		memset(records[i], i, 64);
		memset(oring_pool_extra(records[i]), i, EXTRA);
		cr_assert_eq((uintptr_t)records[i] % 64, 0);
		cr_assert_eq(oring_context_op(handles[i]), ORING_OP_RECV);
		for (j = 0; j < i; j++)
			cr_assert_neq(handles[i].bits, handles[j].bits);
	}
	cr_assert_eq(oring_pool_acquire(&pool, 0, &none, &nothing), -ENOBUFS);
	cr_assert_eq(none.bits, 5);
	cr_assert_null(nothing);
	for (i = 0; i < CAPACITY; i++) {
		cr_assert_eq(oring_pool_lookup(&pool, handles[i]), records[i]);
		cr_assert_eq(((unsigned char *)oring_pool_extra(records[i]))[EXTRA - 1], i);
		cr_assert_eq(oring_pool_release(&pool, handles[i]), 0);
	}
	cr_assert_eq(oring_pool_available(&pool), CAPACITY);
	free(memory);
}

Test(pool, stale_foreign_and_double)
{
	/* A10, A6 */
	size_t size = oring_pool_size(4, 0);
	void *memory = pool_memory(size), *other_memory = pool_memory(size);
	struct oring_pool pool, other;
	oring_context a, b, far;
	struct oring_sqe *record;
	uint64_t bits = 1;
	int i;

	cr_assert_eq(oring_pool_init(&pool, memory, size, 4, 0), 0);
	cr_assert_eq(oring_pool_init(&other, other_memory, size, 4, 0), 0);
	cr_assert_eq(oring_pool_acquire(&pool, 0, &a, &record), 0);
	cr_assert_eq(oring_pool_acquire(&other, 0, &far, &record), 0);
	cr_assert_eq(oring_pool_release(&pool, far), -ESTALE, "of another pool");
	cr_assert_null(oring_pool_lookup(&pool, far));
	cr_assert_eq(oring_pool_release(&pool, a), 0);
	cr_assert_eq(oring_pool_release(&pool, a), -ESTALE, "twice");
	cr_assert_null(oring_pool_retire(&pool, a));
	cr_assert_null(oring_pool_lookup(&pool, a));
	for (i = 0; i < 4; i++) /* round the queue: the same record comes again */
		cr_assert_eq(oring_pool_acquire(&pool, 0, &b, &record), 0);
	cr_assert_eq(oring_context_index(a), oring_context_index(b));
	cr_assert_null(oring_pool_lookup(&pool, a), "the old handle does not lead to it");
	cr_assert_eq(oring_pool_lookup(&pool, b), record);
	cr_assert_eq(oring_pool_release(&pool, oring_context_handle(0, 4, 0)), -EINVAL, "beyond");
	cr_assert_eq(oring_pool_release(&pool, oring_context_pointer(&pool)), -EINVAL);
	cr_assert_eq(oring_pool_available(&pool), 0, "errors change nothing");
	for (i = 0; i < 100000; i++, bits = bits * 6364136223846793005 + 1442695040888963407)
		oring_pool_lookup(&pool, oring_context_from_bits(bits));
	free(memory);
	free(other_memory);
}

Test(pool, handles_come_round_late)
{
	/* First-in first-out, and the generation wraps at 2^30 without confusion. */
	size_t size = oring_pool_size(2, 0);
	void *memory = pool_memory(size);
	struct oring_pool pool;
	oring_context first, second, last;
	struct oring_sqe *record;

	cr_assert_eq(oring_pool_init(&pool, memory, size, 2, 0), 0);
	cr_assert_eq(oring_pool_acquire(&pool, 0, &first, &record), 0);
	cr_assert_eq(oring_pool_release(&pool, first), 0);
	cr_assert_eq(oring_pool_acquire(&pool, 0, &second, &record), 0);
	cr_assert_neq(oring_context_index(first), oring_context_index(second), "the oldest first");
	cr_assert_eq(oring_pool_release(&pool, second), 0);
	pool.states[oring_context_index(first)] = ORING_POOL_GEN_MASK | ORING_POOL_FREE;
	cr_assert_eq(oring_pool_acquire(&pool, 0, &last, &record), 0);
	cr_assert_eq(oring_context_generation(last), ORING_POOL_GEN_MASK);
	cr_assert_eq(oring_pool_release(&pool, last), 0);
	cr_assert_eq(pool.states[oring_context_index(last)], ORING_POOL_FREE, "wrapped, and free");
	cr_assert_eq(oring_pool_release(&pool, last), -ESTALE);
	free(memory);
}

Test(pool, retire_finds_and_releases)
{
	struct oring_pool pool;
	size_t size = oring_pool_size(2, 64);
	void *memory = aligned_alloc(64, size);
	oring_context handles[2], again;
	struct oring_sqe *records[2], *record;
	int i, round;

	cr_assert_eq(oring_pool_init(&pool, memory, size, 2, 64), 0);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 2; i++) {
			cr_assert_eq(oring_pool_acquire(&pool, 0, &handles[i], &records[i]), 0);
			memset(oring_pool_extra(records[i]), 'a' + i, 64);
		}
		cr_assert_eq(oring_pool_acquire(&pool, 0, &again, &record), -ENOBUFS);
		for (i = 0; i < 2; i++) {
			record = oring_pool_retire(&pool, handles[i]);
			cr_assert_eq(record, records[i]);
			cr_assert_eq(*(char *)oring_pool_extra(record), 'a' + i, "its content");
			cr_assert_null(oring_pool_lookup(&pool, handles[i]));
			cr_assert_null(oring_pool_retire(&pool, handles[i]), "only once");
			cr_assert_eq(oring_pool_release(&pool, handles[i]), -ESTALE);
			cr_assert_eq(oring_pool_available(&pool), (uint32_t)i + 1);
		}
	}
	cr_assert_null(oring_pool_retire(&pool, oring_context_handle(0, 2, 0)), "beyond");
	cr_assert_null(oring_pool_retire(&pool, oring_context_pointer(&pool)));
	cr_assert_eq(oring_pool_available(&pool), 2, "nothing has changed");
	free(memory);
}

/* ---- the shared form ---- */

#define THREADS	 8
#define CAPACITY 13
#define ROUNDS	 30000

static struct oring_pool_shared shared;
static atomic_int owner[CAPACITY];
static atomic_int conflicts, acquired, double_releases;

static void *borrow(void *arg)
{
	int me = (int)(intptr_t)arg + 1;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		oring_context handle;
		struct oring_sqe *record;
		uint32_t index;

		if (oring_pool_shared_acquire(&shared, 1, &handle, &record) < 0)
			continue;
		index = oring_context_index(handle);
		conflicts += atomic_exchange(&owner[index], me) != 0;
		record->user_data = handle.bits;
		acquired++;
		if (oring_pool_shared_lookup(&shared, handle) != record ||
		    record->user_data != handle.bits)
			conflicts++;
		conflicts += atomic_exchange(&owner[index], 0) != me;
		conflicts += oring_pool_shared_release(&shared, handle) != 0;
		double_releases += oring_pool_shared_release(&shared, handle) == -ESTALE;
	}
	return NULL;
}

Test(pool, threads_share, .timeout = 120)
{
	/* A9: no record is held twice and none is lost; each second release is told. */
	size_t size = oring_pool_shared_size(CAPACITY, 0);
	void *memory = pool_memory(size);
	pthread_t threads[THREADS];
	oring_context handle;
	struct oring_sqe *record;
	intptr_t i;

	cr_assert_eq(oring_pool_shared_init(&shared, memory, size, CAPACITY, 0), 0);
	shared.take -= 5; /* start just below the wrap of the turns */
	shared.give = shared.take + CAPACITY;
	for (i = 0; i < 16; i++) { /* places are found by the number's low bits */
		uint32_t number = shared.take + (uint32_t)i;

		shared.turns[number & shared.mask] = i < CAPACITY ? number + 1 : number;
		shared.pool.queue[number & shared.mask] = (uint32_t)i;
	}
	for (i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, borrow, (void *)i), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(conflicts, 0);
	cr_assert_gt(acquired, THREADS);
	cr_assert_eq(double_releases, acquired);
	for (i = 0; i < CAPACITY; i++)
		cr_assert_eq(oring_pool_shared_acquire(&shared, 0, &handle, &record), 0,
			     "all are back");
	cr_assert_eq(oring_pool_shared_acquire(&shared, 0, &handle, &record), -ENOBUFS);
	cr_assert_eq(oring_pool_shared_release(&shared, oring_context_from_bits(0)), -EINVAL);
	free(memory);
}

static atomic_int winners, ready_count;
static oring_context contested;

static void *release_once(void *unused)
{
	(void)unused;
	ready_count++;
	while (ready_count < THREADS)
		;
	winners += oring_pool_shared_release(&shared, contested) == 0;
	return NULL;
}

Test(pool, one_of_racing_releases_wins, .timeout = 60)
{
	size_t size = oring_pool_shared_size(1, 0);
	void *memory = pool_memory(size);
	int round;

	cr_assert_eq(oring_pool_shared_init(&shared, memory, size, 1, 0), 0);
	for (round = 0; round < 50; round++) {
		pthread_t threads[THREADS];
		struct oring_sqe *record;
		int i;

		winners = 0;
		ready_count = 0;
		cr_assert_eq(oring_pool_shared_acquire(&shared, 0, &contested, &record), 0);
		for (i = 0; i < THREADS; i++)
			cr_assert_eq(pthread_create(&threads[i], NULL, release_once, NULL), 0);
		for (i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		cr_assert_eq(winners, 1);
	}
	free(memory);
}
