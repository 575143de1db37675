/* SPDX-License-Identifier: MIT */
/*
 * Eight threads acquire and release records of one shared pool, for the seconds
 * given: no record is held twice, none is lost, each second release is told.
 * Plain writes to the records make a thread sanitizer the judge of their order.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <oring.h>

#define THREADS	 8
#define CAPACITY 11

static struct oring_pool_shared pool;
static atomic_bool stop;
static atomic_ulong uses, conflicts;

static void *work(void *arg)
{
	uint64_t me = (uint64_t)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		oring_context handle;
		struct oring_sqe *record;

		if (oring_pool_shared_acquire(&pool, 0, &handle, &record) < 0)
			continue;
		record->user_data = me;
		record->addr = handle.bits;
		if (oring_pool_shared_lookup(&pool, handle) != record || record->user_data != me ||
		    record->addr != handle.bits)
			conflicts++;
		if (oring_pool_shared_release(&pool, handle) != 0 ||
		    oring_pool_shared_release(&pool, handle) != -ORING_ESTALE)
			conflicts++;
		uses++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct timespec duration = { argc > 1 ? atoi(argv[1]) : 2, 0 };
	size_t size = oring_pool_shared_size(CAPACITY, 0);
	void *memory = aligned_alloc(64, (size + 63) & ~(size_t)63);
	pthread_t threads[THREADS];
	int i, left = 0;

	if (memory == NULL || oring_pool_shared_init(&pool, memory, size, CAPACITY, 0) < 0)
		return 2;
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(i + 1));
	nanosleep(&duration, NULL);
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < CAPACITY + 1; i++) {
		oring_context handle;
		struct oring_sqe *record;

		left += oring_pool_shared_acquire(&pool, 0, &handle, &record) == 0;
	}
	free(memory);
	printf("%lu uses, %lu conflicts, %d of %d records back\n", uses, conflicts, left, CAPACITY);
	return uses > 0 && conflicts == 0 && left == CAPACITY ? 0 : 1;
}
