/* SPDX-License-Identifier: MIT */
/*
 * Waits go by the ring of whoever waits; wakes by futex(2), which any thread can call. Private
 * futexes both: they meet in the kernel by their address.
 */
#define _GNU_SOURCE
#include "fiber_shared.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS 64 /* looks at a word that may change soon */

static void pause_a_little(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* What is left of a limit that begins with the first call. */
static int64_t left_of(int64_t limit, int64_t *until)
{
	int64_t now;

	if (limit == FIBER_FOREVER)
		return limit;
	now = fiber_now();
	if (*until == 0)
		*until = limit > INT64_MAX - now ? INT64_MAX : now + limit;
	return *until > now ? *until - now : 0;
}

/* While *@word is @value. 0: woken, or it is another value. */
static int wait_on(const uint32_t *word, uint32_t value, int64_t limit)
{
	struct oring_sqe *sqe = fiber_operation(limit);
	int ret;

	if (sqe != NULL)
		oring_prep_futex_wait(sqe, word, value, FUTEX_BITSET_MATCH_ANY,
				      ORING_FUTEX2_SIZE_U32 | ORING_FUTEX2_PRIVATE);
	ret = fiber_wait();
	return ret == -EAGAIN ? 0 : ret;
}

static void wake(const uint32_t *word, int n)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

int fiber_shared_mutex_lock(struct fiber_shared_mutex *mutex, int64_t limit)
{
	int64_t until = 0;
	int spins, ret;

	for (spins = 0; spins < SPINS; spins++) {
		uint32_t expected = 0;

		if (__atomic_compare_exchange_n(&mutex->word, &expected, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return 0;
		if (limit <= 0)
			return -ETIME;
		pause_a_little();
	}
	while (__atomic_exchange_n(&mutex->word, 2, __ATOMIC_ACQUIRE) != 0) {
		ret = wait_on(&mutex->word, 2, left_of(limit, &until));
		if (ret < 0)
			return ret;
	}
	return 0;
}

void fiber_shared_mutex_unlock(struct fiber_shared_mutex *mutex)
{
	if (__atomic_exchange_n(&mutex->word, 0, __ATOMIC_RELEASE) == 2)
		wake(&mutex->word, 1);
}

static bool take_one(struct fiber_shared_semaphore *semaphore)
{
	uint32_t count = __atomic_load_n(&semaphore->count, __ATOMIC_RELAXED);

	while (count > 0)
		if (__atomic_compare_exchange_n(&semaphore->count, &count, count - 1, true,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}

int fiber_shared_semaphore_wait(struct fiber_shared_semaphore *semaphore, int64_t limit)
{
	int64_t until = 0;
	int ret = 0;

	if (take_one(semaphore))
		return 0;
	if (limit <= 0)
		return -ETIME;
	/* Sequentially consistent, as in post: one of the two sees the other. */
	__atomic_add_fetch(&semaphore->waiting, 1, __ATOMIC_SEQ_CST);
	while (ret == 0 && !take_one(semaphore))
		ret = wait_on(&semaphore->count, 0, left_of(limit, &until));
	__atomic_sub_fetch(&semaphore->waiting, 1, __ATOMIC_SEQ_CST);
	return ret;
}

void fiber_shared_semaphore_post(struct fiber_shared_semaphore *semaphore)
{
	__atomic_add_fetch(&semaphore->count, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&semaphore->waiting, __ATOMIC_SEQ_CST) > 0)
		wake(&semaphore->count, 1);
}

uint32_t fiber_shared_event_key(const struct fiber_shared_event *event)
{
	return __atomic_load_n(&event->count, __ATOMIC_ACQUIRE);
}

int fiber_shared_event_wait(struct fiber_shared_event *event, uint32_t key, int64_t limit)
{
	int64_t until = 0;
	int ret = 0;

	__atomic_add_fetch(&event->waiting, 1, __ATOMIC_SEQ_CST);
	while (ret == 0 && __atomic_load_n(&event->count, __ATOMIC_SEQ_CST) == key)
		ret = limit <= 0 ? -ETIME : wait_on(&event->count, key, left_of(limit, &until));
	__atomic_sub_fetch(&event->waiting, 1, __ATOMIC_SEQ_CST);
	return ret;
}

void fiber_shared_event_notify(struct fiber_shared_event *event)
{
	__atomic_add_fetch(&event->count, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&event->waiting, __ATOMIC_SEQ_CST) > 0)
		wake(&event->count, INT32_MAX);
}
