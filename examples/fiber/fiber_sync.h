/* SPDX-License-Identifier: MIT */
/**
 * fiber_sync.h - between fibers of one runtime: channels, locks, counters, events
 *
 * No system call, no allocation: a fiber that has to wait is parked in a list, first come, first
 * served. All that may wait takes a limit of time (nanoseconds; FIBER_FOREVER; 0 or less: do not wait)
 * and returns -ETIME or -ECANCELED when nothing was done.
 *
 * An object is zeroed or made by its init function, and belongs to the runtime whose fibers use it.
 * Between threads: fiber_shared.h.
 */
#ifndef FIBER_SYNC_H
#define FIBER_SYNC_H

#include "fiber.h"

/* ---- bounded channels ---- */

struct fiber_channel {
	unsigned char *items;
	uint32_t item_bytes, capacity;
	uint32_t first, count;
	struct fiber_list senders, receivers;
	bool closed, shut;
};

/**
 * fiber_channel_init - a channel of @capacity items
 * @memory: the caller's, @capacity * @item_bytes bytes
 *
 * Return: 0; -EINVAL for a capacity or a size of 0.
 */
int fiber_channel_init(struct fiber_channel *channel, void *memory, size_t item_bytes,
		       uint32_t capacity);

/** fiber_channel_send - copy an item in. Return: 0; -EPIPE closed; -ESHUTDOWN; -ETIME; -ECANCELED. */
int fiber_channel_send(struct fiber_channel *channel, const void *item, int64_t limit);

/** fiber_channel_recv - copy the oldest item out. Return: as send; -EPIPE: closed, and empty. */
int fiber_channel_recv(struct fiber_channel *channel, void *item, int64_t limit);

/** fiber_channel_close - nothing more is sent; what is in it can be received. Who waits to send gets -EPIPE. */
void fiber_channel_close(struct fiber_channel *channel);

/** fiber_channel_shutdown - nothing more is sent or received; what is in it is dropped; all who wait wake. */
void fiber_channel_shutdown(struct fiber_channel *channel);

/* ---- a mutex ---- */

struct fiber_mutex {
	struct fiber *owner;
	struct fiber_list waiting;
};

/** fiber_mutex_lock - Return: 0; -EDEADLK: the caller has it; -ETIME; -ECANCELED. */
int fiber_mutex_lock(struct fiber_mutex *mutex, int64_t limit);

/** fiber_mutex_unlock - hands it to the one that waits longest. Return: 0; -EPERM: it is not the caller's. */
int fiber_mutex_unlock(struct fiber_mutex *mutex);

/* ---- a counting semaphore ---- */

struct fiber_semaphore {
	uint32_t count;
	struct fiber_list waiting;
};

/** fiber_semaphore_init - with @count to take. */
void fiber_semaphore_init(struct fiber_semaphore *semaphore, uint32_t count);

/** fiber_semaphore_wait - take one. Return: 0; -ETIME; -ECANCELED. */
int fiber_semaphore_wait(struct fiber_semaphore *semaphore, int64_t limit);

/** fiber_semaphore_post - give one. Return: 0; -EOVERFLOW at 2^32 - 1. */
int fiber_semaphore_post(struct fiber_semaphore *semaphore);

/* ---- an event count: wait for any condition ---- */

struct fiber_event {
	uint64_t count;
	struct fiber_list waiting;
};

/** fiber_event_key - to be taken before the condition is looked at. */
uint64_t fiber_event_key(const struct fiber_event *event);

/** fiber_event_wait - until something happened since @key was taken. Return: 0; -ETIME; -ECANCELED. */
int fiber_event_wait(struct fiber_event *event, uint64_t key, int64_t limit);

/** fiber_event_notify - it happened: wakes at most @most. Return: how many. */
uint32_t fiber_event_notify(struct fiber_event *event, uint32_t most);

#endif
