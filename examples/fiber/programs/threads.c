/* SPDX-License-Identifier: MIT */
/*
 * threads - two threads, a runtime each; their fibers share a counter and play ping-pong
 *
 *	fiber-threads [INCREMENTS]
 *
 * A lock that is free is taken without the kernel; who finds it taken waits by a
 * futex operation of his own ring, so the other fibers of his thread go on meanwhile.
 */
#include <pthread.h>

#include "fiber_shared.h"
#include "program.h"

#define FIBERS 4 /* of each thread */
#define GAMES  1000

static struct fiber_shared_mutex mutex;
static struct fiber_shared_semaphore ball[2]; /* for each side: it has the ball */
static uint64_t counter, increments = 100000;
static int rounds;

struct side {
	pthread_t thread;
	int number;
	int result;
	uint64_t enters;
};

static intptr_t increment(void *argument)
{
	uint64_t i;

	(void)argument;
	for (i = 0; i < increments / (2 * FIBERS); i++) {
		int ret = fiber_shared_mutex_lock(&mutex, FIBER_FOREVER);

		if (ret < 0)
			return ret;
		counter++;
		if (i % 256 == 0)
			fiber_yield(); /* with the lock: others have to wait for it */
		fiber_shared_mutex_unlock(&mutex);
	}
	return 0;
}

static intptr_t play(void *argument)
{
	const struct side *side = argument;
	int i, ret;

	for (i = 0; i < GAMES; i++) {
		ret = fiber_shared_semaphore_wait(&ball[side->number], FIBER_FOREVER);
		if (ret < 0)
			return ret;
		rounds++; /* who has the ball is alone */
		fiber_shared_semaphore_post(&ball[1 - side->number]);
	}
	return 0;
}

/* All that this thread's fibers do; the first error of any. */
static intptr_t begin_all(void *argument)
{
	fiber_handle fibers[FIBERS + 1];
	intptr_t value, result = 0;
	int i;

	for (i = 0; i < FIBERS; i++)
		fiber_spawn(increment, NULL, &fibers[i]);
	fiber_spawn(play, argument, &fibers[FIBERS]);
	for (i = 0; i <= FIBERS; i++) {
		value = 0;
		if (fiber_await(fibers[i], &value) < 0 || value < 0)
			result = value < 0 ? value : -EINVAL;
	}
	((struct side *)argument)->result = (int)result;
	return result;
}

static void *run_side(void *argument)
{
	struct side *side = argument;
	struct fiber_runtime runtime;

	side->result = fiber_runtime_init(&runtime, NULL);
	if (side->result < 0)
		return NULL;
	fiber_runtime_spawn(&runtime, begin_all, side, NULL);
	if (fiber_runtime_run(&runtime) < 0)
		side->result = -EDEADLK;
	side->enters = runtime.enters;
	fiber_runtime_exit(&runtime);
	return NULL;
}

int main(int argc, char **argv)
{
	struct side sides[2] = { { .number = 0 }, { .number = 1 } };
	int i, error;

	if (argc > 2)
		return program_usage(stderr, "usage: fiber-threads [INCREMENTS]\n");
	if (argc == 2)
		increments = program_number("threads", "INCREMENTS", argv[1], 1, 1000000000);
	fiber_shared_semaphore_post(&ball[0]);
	for (i = 0; i < 2; i++)
		if (pthread_create(&sides[i].thread, NULL, run_side, &sides[i]) != 0)
			return 1;
	for (i = 0; i < 2; i++)
		pthread_join(sides[i].thread, NULL);
	error = sides[0].result < 0 ? sides[0].result : sides[1].result;
	if (error == -EINVAL) {
		fprintf(stderr, "threads: no futex operations on this kernel (6.7)\n");
		return CANNOT;
	}
	if (error < 0) {
		explain_setup("threads", error);
		return CANNOT;
	}
	printf("counted %llu of %llu, %d rounds; %llu enters\n", (unsigned long long)counter,
	       (unsigned long long)(increments / (2 * FIBERS) * 2 * FIBERS), rounds,
	       (unsigned long long)(sides[0].enters + sides[1].enters));
	return 0;
}
