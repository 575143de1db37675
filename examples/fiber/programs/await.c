/* SPDX-License-Identifier: MIT */
/*
 * await - fibers that wait for the end of others, and what ends a wait
 *
 *	fiber-await
 *
 * A result, before and after its fiber's end; two that wait for one; a name that became
 * stale; oneself; one that was cancelled before it began; one that was cancelled while it read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fiber_io.h"
#include "program.h"

#define FIBERS 8

static fiber_handle seven;

static void tell(const char *what, int ret, intptr_t value)
{
	if (ret < 0)
		printf("%s: %s\n", what, program_words(ret));
	else
		printf("%s: %ld\n", what, (long)value);
}

static intptr_t give_seven(void *turns)
{
	intptr_t i;

	for (i = 0; i < (intptr_t)turns; i++)
		fiber_yield();
	printf("seven ends\n");
	return 7;
}

static intptr_t wait_for_seven(void *name)
{
	intptr_t value = 0;
	int ret = fiber_await(seven, &value);

	tell(name, ret, value);
	return ret;
}

static intptr_t nothing(void *unused)
{
	(void)unused;
	return 0;
}

static intptr_t never(void *unused)
{
	(void)unused;
	printf("this is not to be seen\n");
	return 0;
}

/* A result is there as long as its fiber's record is not another's. */
static void show_results(void)
{
	fiber_handle first, second;
	intptr_t value = 0;
	int i, ret;

	fiber_spawn(give_seven, (void *)3, &seven);
	fiber_spawn(wait_for_seven, "first that waits", &first);
	fiber_spawn(wait_for_seven, "second that waits", &second);
	fiber_await(second, NULL);
	fiber_await(first, NULL);
	ret = fiber_await(seven, &value);
	tell("after its end", ret, value);
	for (i = 0; i < FIBERS; i++) {
		fiber_spawn(nothing, NULL, &first);
		fiber_await(first, NULL);
	}
	tell("its record is another's", fiber_await(seven, &value), 0);
	tell("itself", fiber_await(fiber_self(), &value), 0);
}

static void show_cancel_before(void)
{
	fiber_handle fiber;
	intptr_t value = 0;
	int ret;

	fiber_spawn(never, NULL, &fiber);
	fiber_cancel(fiber);
	ret = fiber_await(fiber, &value);
	tell("cancelled before it began, await", ret, 0);
	tell("cancelled before it began, value", (int)value, 0);
	tell("cancelled again", fiber_cancel(fiber), 0);
}

static intptr_t read_one(void *file)
{
	char byte;
	int ret = fiber_read(*(oring_file *)file, &byte, 1, FIBER_HERE, FIBER_FOREVER);

	return ret == 1 ? byte : ret;
}

/* The byte that comes later is the next reader's: the one that was cancelled takes nothing. */
static void show_cancel_reader(void)
{
	fiber_handle reader;
	intptr_t value = 0;
	oring_file file;
	int ends[2];

	if (pipe(ends) < 0)
		return;
	file = oring_file_fd(ends[0]);
	fiber_spawn(read_one, &file, &reader);
	fiber_yield();
	fiber_cancel(reader);
	fiber_await(reader, &value);
	tell("cancelled while it read", (int)value, 0);
	fiber_spawn(read_one, &file, &reader);
	fiber_write(oring_file_fd(ends[1]), "x", 1, FIBER_HERE, FIBER_FOREVER);
	fiber_await(reader, &value);
	tell("the next that reads there", (int)value, value);
	close(ends[0]);
	close(ends[1]);
}

static intptr_t show(void *unused)
{
	(void)unused;
	show_results();
	show_cancel_before();
	show_cancel_reader();
	return 0;
}

int main(int argc, char **argv)
{
	struct fiber_config config = { .fibers = FIBERS };
	int status;

	(void)argv;
	if (argc > 1)
		return program_usage(stderr, "usage: fiber-await\n");
	status = program_begin("await", &config);
	if (status != 0)
		return status;
	fiber_spawn(show, NULL, NULL);
	return program_run();
}
