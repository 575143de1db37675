/* SPDX-License-Identifier: MIT */
/*
 * wake_owner.h - a thread on the other CPU that is notified: it owns a queue, or a ring
 *
 * Between runs it waits without using its CPU, so that several of them can be there.
 * A run begins with owner_begin(), after which it serves, and ends with owner_end().
 */
#ifndef BENCH_TIMED_WAKE_OWNER_H
#define BENCH_TIMED_WAKE_OWNER_H

#include "bench.h"

#include <pthread.h>
#include <semaphore.h>

struct owner {
	pthread_t thread;
	sem_t begin, serving, ended;
	void (*set_up)(void *self); /* on the thread, once; may be NULL */
	void (*serve)(void *self);  /* until owner_is_over() */
	void *self;
	bool quit;
	/* What it has been told of, ever. */
	uint64_t handled __attribute__((aligned(64)));
	bool over __attribute__((aligned(64)));
};

void owner_start(struct owner *owner, void (*set_up)(void *self), void (*serve)(void *self),
		 void *self);
void owner_begin(struct owner *owner);
/* Say that it is over; then wake whom has to be woken, and owner_join(). */
void owner_end(struct owner *owner);
void owner_join(struct owner *owner);
void owner_stop(struct owner *owner);
/* CPU time of the thread. */
uint64_t owner_cpu(const struct owner *owner);

static inline bool owner_is_over(const struct owner *owner)
{
	return __atomic_load_n(&owner->over, __ATOMIC_ACQUIRE);
}

/* The owner's: @n more have been handled. */
static inline void owner_handled(struct owner *owner, uint64_t n)
{
	__atomic_store_n(&owner->handled, owner->handled + n, __ATOMIC_RELEASE);
}

/* The other side's. */
static inline uint64_t owner_progress(const struct owner *owner)
{
	return __atomic_load_n(&owner->handled, __ATOMIC_ACQUIRE);
}

static inline void owner_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#else
	__asm__ volatile("");
#endif
}

/* Until the owner has handled @count, ever. Ends the program where it never does. */
void owner_await(const struct owner *owner, uint64_t count);

#endif
