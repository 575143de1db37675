/* SPDX-License-Identifier: MIT */
/*
 * timers - what time does to fibers, a line for each as it fires
 *
 *	fiber-timers [STEP]
 *
 * The fibers begin at once, and in an order that is not that of their times. STEP (50) is the
 * number of milliseconds between two of them. Each line begins with the milliseconds since the start.
 */
#include <stdio.h>
#include <unistd.h>

#include "fiber_io.h"
#include "fiber_sync.h"
#include "program.h"

#define MILLISECOND 1000000LL

static int64_t start, step = 50 * MILLISECOND;
static fiber_handle sleeper, reader;
static struct fiber_semaphore semaphore;
static int ends[2];

static void tell(const char *what, int ret)
{
	printf("%lld %s: %s\n", (long long)((fiber_now() - start) / MILLISECOND), what,
	       program_words(ret));
}

static intptr_t sleep_for(void *steps)
{
	int ret = fiber_sleep((intptr_t)steps * step);

	tell("relative", ret);
	return ret;
}

static intptr_t sleep_until(void *steps)
{
	int ret = fiber_sleep_until(start + (intptr_t)steps * step);

	tell("absolute", ret);
	return ret;
}

static intptr_t sleep_until_cancelled(void *unused)
{
	(void)unused;
	tell("sleep that was cancelled", fiber_sleep(3600000 * MILLISECOND));
	return 0;
}

static int read_one(int64_t limit)
{
	char byte;

	return fiber_read(oring_file_fd(ends[0]), &byte, 1, FIBER_HERE, limit);
}

/* A limit that comes first, and one that does not because somebody cancels: they are told apart. */
static intptr_t read_with_limit(void *steps)
{
	tell("read with a limit", read_one((intptr_t)steps * step));
	return 0;
}

static intptr_t read_until_cancelled(void *unused)
{
	(void)unused;
	tell("read that was cancelled", read_one(3600000 * MILLISECOND));
	return 0;
}

static intptr_t wait_with_limit(void *steps)
{
	tell("semaphore with a limit", fiber_semaphore_wait(&semaphore, (intptr_t)steps * step));
	return 0;
}

static intptr_t cancel(void *argument)
{
	fiber_sleep((argument == &sleeper ? 5 : 7) * step);
	fiber_cancel(*(fiber_handle *)argument);
	return 0;
}

static intptr_t nothing_to_wait_for(void *unused)
{
	(void)unused;
	tell("no time at all", fiber_sleep(0));
	tell("a time that is over", fiber_sleep_until(1));
	tell("semaphore, not waiting", fiber_semaphore_wait(&semaphore, 0));
	return 0;
}

static void spawn_all(void)
{
	fiber_spawn(read_with_limit, (void *)6, NULL);
	fiber_spawn(sleep_for, (void *)3, NULL);
	fiber_spawn(sleep_until, (void *)2, NULL);
	fiber_spawn(cancel, &reader, NULL);
	fiber_spawn(cancel, &sleeper, NULL);
	fiber_spawn(wait_with_limit, (void *)4, NULL);
	fiber_spawn(read_until_cancelled, NULL, &reader);
	fiber_spawn(sleep_until_cancelled, NULL, &sleeper);
	fiber_spawn(sleep_until, (void *)8, NULL);
	fiber_spawn(sleep_for, (void *)1, NULL);
	fiber_spawn(nothing_to_wait_for, NULL, NULL);
}

int main(int argc, char **argv)
{
	int status;

	if (argc > 2)
		return program_usage(stderr, "usage: fiber-timers [STEP]\n");
	if (argc > 1)
		step = (int64_t)program_number("timers", "STEP", argv[1], 1, 10000) * MILLISECOND;
	if (pipe(ends) < 0) {
		perror("pipe");
		return 1;
	}
	status = program_begin("timers", NULL);
	if (status != 0)
		return status;
	start = fiber_now();
	spawn_all();
	status = program_run();
	close(ends[0]);
	close(ends[1]);
	return status;
}
