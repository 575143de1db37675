/* SPDX-License-Identifier: MIT */
/* All of it runs between two points of suspension: nothing needs a lock. */
#define _GNU_SOURCE
#include "fiber_sync.h"
#include "internal.h"

#include <errno.h>
#include <string.h>

/* ---- channels ---- */

int fiber_channel_init(struct fiber_channel *channel, void *memory, size_t item_bytes,
		       uint32_t capacity)
{
	if (memory == NULL || item_bytes == 0 || item_bytes > UINT32_MAX || capacity == 0)
		return -EINVAL;
	memset(channel, 0, sizeof(*channel));
	channel->items = memory;
	channel->item_bytes = (uint32_t)item_bytes;
	channel->capacity = capacity;
	return 0;
}

static unsigned char *place_of(const struct fiber_channel *channel, uint32_t nth)
{
	uint64_t place = (uint64_t)channel->first + nth;

	if (place >= channel->capacity)
		place -= channel->capacity;
	return channel->items + place * channel->item_bytes;
}

/*
 * Whoever waits is served by the one that wakes it: an item goes straight to the first receiver,
 * and the first sender's item into the place that a receiver has made.
 */
int fiber_channel_send(struct fiber_channel *channel, const void *item, int64_t limit)
{
	if (channel->shut)
		return -ESHUTDOWN;
	if (channel->closed)
		return -EPIPE;
	if (channel->receivers.first != NULL) {
		memcpy(channel->receivers.first->item, item, channel->item_bytes);
		fiber_unpark(&channel->receivers, 0);
		return 0;
	}
	if (channel->count == channel->capacity)
		return fiber_park(&channel->senders, (void *)(uintptr_t)item, limit);
	memcpy(place_of(channel, channel->count++), item, channel->item_bytes);
	return 0;
}

int fiber_channel_recv(struct fiber_channel *channel, void *item, int64_t limit)
{
	if (channel->shut)
		return -ESHUTDOWN;
	if (channel->count == 0)
		return channel->closed ? -EPIPE : fiber_park(&channel->receivers, item, limit);
	memcpy(item, place_of(channel, 0), channel->item_bytes);
	if (++channel->first == channel->capacity)
		channel->first = 0;
	channel->count--;
	if (channel->senders.first != NULL) {
		memcpy(place_of(channel, channel->count++), channel->senders.first->item,
		       channel->item_bytes);
		fiber_unpark(&channel->senders, 0);
	}
	return 0;
}

static void wake_all(struct fiber_list *list, int result)
{
	while (fiber_unpark(list, result))
		;
}

void fiber_channel_close(struct fiber_channel *channel)
{
	channel->closed = true;
	wake_all(&channel->senders, -EPIPE);
	wake_all(&channel->receivers, -EPIPE); /* they wait: so it is empty */
}

void fiber_channel_shutdown(struct fiber_channel *channel)
{
	channel->shut = true;
	channel->count = 0;
	wake_all(&channel->senders, -ESHUTDOWN);
	wake_all(&channel->receivers, -ESHUTDOWN);
}

/* ---- the mutex ---- */

int fiber_mutex_lock(struct fiber_mutex *mutex, int64_t limit)
{
	struct fiber *self = fiber_current();

	if (self == NULL)
		return -EINVAL;
	if (mutex->owner == self)
		return -EDEADLK;
	if (mutex->owner != NULL)
		return fiber_park(&mutex->waiting, NULL, limit);
	mutex->owner = self;
	return 0;
}

int fiber_mutex_unlock(struct fiber_mutex *mutex)
{
	if (mutex->owner == NULL || mutex->owner != fiber_current())
		return -EPERM;
	mutex->owner = mutex->waiting.first;
	fiber_unpark(&mutex->waiting, 0);
	return 0;
}

/* ---- the semaphore ---- */

void fiber_semaphore_init(struct fiber_semaphore *semaphore, uint32_t count)
{
	memset(semaphore, 0, sizeof(*semaphore));
	semaphore->count = count;
}

int fiber_semaphore_wait(struct fiber_semaphore *semaphore, int64_t limit)
{
	if (semaphore->count == 0)
		return fiber_park(&semaphore->waiting, NULL, limit);
	semaphore->count--;
	return 0;
}

int fiber_semaphore_post(struct fiber_semaphore *semaphore)
{
	if (fiber_unpark(&semaphore->waiting, 0))
		return 0;
	if (semaphore->count == UINT32_MAX)
		return -EOVERFLOW;
	semaphore->count++;
	return 0;
}

/* ---- the event count ---- */

uint64_t fiber_event_key(const struct fiber_event *event)
{
	return event->count;
}

int fiber_event_wait(struct fiber_event *event, uint64_t key, int64_t limit)
{
	return event->count != key ? 0 : fiber_park(&event->waiting, NULL, limit);
}

uint32_t fiber_event_notify(struct fiber_event *event, uint32_t most)
{
	uint32_t n;

	event->count++;
	for (n = 0; n < most && fiber_unpark(&event->waiting, 0); n++)
		;
	return n;
}
