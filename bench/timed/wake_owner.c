/* SPDX-License-Identifier: MIT */
/* The thread on the other CPU. */
#define _GNU_SOURCE
#include "wake_owner.h"

#include <errno.h>
#include <time.h>

#define PATIENCE_NS 5000000000U

static void await(sem_t *sem)
{
	while (sem_wait(sem) < 0) {
		if (errno != EINTR)
			bench_fail(errno, "sem_wait");
	}
}

static void *thread(void *argument)
{
	struct owner *owner = argument;

	bench_pin_peer();
	if (owner->set_up != NULL)
		owner->set_up(owner->self);
	sem_post(&owner->ended);
	for (;;) {
		await(&owner->begin);
		if (owner->quit)
			return NULL;
		sem_post(&owner->serving);
		owner->serve(owner->self);
		sem_post(&owner->ended);
	}
}

void owner_start(struct owner *owner, void (*set_up)(void *self), void (*serve)(void *self),
		 void *self)
{
	int error;

	owner->set_up = set_up;
	owner->serve = serve;
	owner->self = self;
	sem_init(&owner->begin, 0, 0);
	sem_init(&owner->serving, 0, 0);
	sem_init(&owner->ended, 0, 0);
	error = pthread_create(&owner->thread, NULL, thread, owner);
	if (error != 0)
		bench_fail(error, "pthread_create");
	await(&owner->ended);
}

void owner_begin(struct owner *owner)
{
	__atomic_store_n(&owner->over, false, __ATOMIC_RELEASE);
	sem_post(&owner->begin);
	await(&owner->serving);
}

void owner_end(struct owner *owner)
{
	__atomic_store_n(&owner->over, true, __ATOMIC_RELEASE);
}

void owner_join(struct owner *owner)
{
	await(&owner->ended);
}

void owner_stop(struct owner *owner)
{
	owner->quit = true;
	sem_post(&owner->begin);
	pthread_join(owner->thread, NULL);
	sem_destroy(&owner->begin);
	sem_destroy(&owner->serving);
	sem_destroy(&owner->ended);
}

uint64_t owner_cpu(const struct owner *owner)
{
	struct timespec now;
	clockid_t clock;
	int error = pthread_getcpuclockid(owner->thread, &clock);

	if (error != 0 || clock_gettime(clock, &now) < 0)
		bench_fail(error != 0 ? error : errno, "the CPU time of a thread");
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void owner_await(const struct owner *owner, uint64_t count)
{
	uint64_t until = 0;
	uint32_t spins;

	while ((int64_t)(owner_progress(owner) - count) < 0) {
		for (spins = 0; spins < 1000; spins++) {
			if ((int64_t)(owner_progress(owner) - count) >= 0)
				return;
			owner_relax();
		}
		if (until == 0)
			until = bench_now() + PATIENCE_NS;
		else if (bench_now() > until)
			bench_fail(0, "a notification did not arrive");
	}
}
