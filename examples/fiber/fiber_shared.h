/* SPDX-License-Identifier: MIT */
/**
 * fiber_shared.h - between fibers of several threads, each with a runtime of its own
 *
 * A word in shared memory; who has to wait asks its own ring to wait on that word (futex
 * operations, 6.7), so that only the fiber sleeps. Nobody enters the kernel who finds what he
 * wants. Before 6.7 whatever has to wait returns -EINVAL, as the kernel does.
 *
 * Zeroed memory is a free mutex, a semaphore without any, an event that has not happened.
 * Threads: any that runs a runtime; fiber_shared_event_notify() and fiber_shared_semaphore_post() any
 * at all. Limits of time as in fiber_sync.h.
 */
#ifndef FIBER_SHARED_H
#define FIBER_SHARED_H

#include "fiber.h"

struct fiber_shared_mutex {
	uint32_t word; /* 0 free, 1 locked, 2 locked and somebody may wait */
};

/** fiber_shared_mutex_lock - Return: 0; -ETIME; -ECANCELED. Knows no owner: locked twice it waits for itself. */
int fiber_shared_mutex_lock(struct fiber_shared_mutex *mutex, int64_t limit);

/**
 * fiber_shared_mutex_unlock - wakes one that waits; it has no claim on the lock
 *
 * Whoever comes first has it, and the one that was woken may have to wait again: so a hand-over between
 * two threads can take more than a wait and a wake, and there is no bound (seen: one to three futex
 * operations of each thread, where both hold it most of the time).
 */
void fiber_shared_mutex_unlock(struct fiber_shared_mutex *mutex);

struct fiber_shared_semaphore {
	uint32_t count;
	uint32_t waiting;
};

/** fiber_shared_semaphore_wait - take one. Return: 0; -ETIME; -ECANCELED. */
int fiber_shared_semaphore_wait(struct fiber_shared_semaphore *semaphore, int64_t limit);

/** fiber_shared_semaphore_post - give one. */
void fiber_shared_semaphore_post(struct fiber_shared_semaphore *semaphore);

struct fiber_shared_event {
	uint32_t count;
	uint32_t waiting;
};

/** fiber_shared_event_key - to be taken before the condition is looked at. */
uint32_t fiber_shared_event_key(const struct fiber_shared_event *event);

/** fiber_shared_event_wait - until something happened since. Return: 0; -ETIME; -ECANCELED. */
int fiber_shared_event_wait(struct fiber_shared_event *event, uint32_t key, int64_t limit);

/** fiber_shared_event_notify - it happened: wakes all. */
void fiber_shared_event_notify(struct fiber_shared_event *event);

#endif
