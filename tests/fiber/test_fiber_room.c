/* SPDX-License-Identifier: MIT */
/* Fibers that want to begin an operation while the queues have no room for it. */
#include "../harness.h"

#include "fiber_io.h"

#define ENTRIES 8
#define ROOM	14 /* of the 16 places in the completion queue */
#define MS	1000000LL

static int ends[2]; /* of a pipe that nobody writes to */

static intptr_t read_for(void *limit)
{
	char byte;

	return fiber_read(oring_file_fd(ends[0]), &byte, 1, FIBER_HERE, *(int64_t *)limit);
}

static intptr_t rest(void *argument)
{
	(void)argument;
	return fiber_sleep(MS);
}

static int64_t forever = FIBER_FOREVER, none, some = 20 * MS;
static fiber_handle readers[ROOM];

static void fill(int n)
{
	int i;

	for (i = 0; i < n; i++)
		cr_assert_eq(fiber_spawn(read_for, &forever, &readers[i]), 0);
}

static void ends_with(fiber_handle fiber, intptr_t wanted)
{
	intptr_t value;

	cr_assert_eq(fiber_await(fiber, &value), 0);
	cr_assert_eq(value, wanted, "%zd", (ssize_t)value);
}

static void empty(int n)
{
	int i;

	for (i = 0; i < n; i++) {
		cr_assert_eq(fiber_cancel(readers[i]), 0);
		ends_with(readers[i], -ECANCELED);
	}
}

static intptr_t too_late(void *argument)
{
	fiber_handle late[2];

	(void)argument;
	fill(ROOM);
	fiber_spawn(read_for, &some, &late[0]);
	fiber_spawn(read_for, &none, &late[1]);
	ends_with(late[0], -ETIME);
	ends_with(late[1], -ETIME);
	empty(ROOM);
	return 0;
}

/* The first waits for two places, there is one, and the next needs no more. */
static intptr_t next_in_line(void *argument)
{
	fiber_handle first, next;

	(void)argument;
	fill(ROOM - 1);
	fiber_spawn(read_for, &some, &first);
	fiber_spawn(rest, NULL, &next);
	ends_with(first, -ETIME);
	ends_with(next, 0);
	empty(ROOM - 1);
	return 0;
}

/* Two chains that have no room beside each other: the third entry of one waits for the first of the other. */
static intptr_t chain_of(bool writes)
{
	int32_t results[ENTRIES];
	static char byte;
	int i;

	cr_assert_eq(fiber_chain(ENTRIES, results), 0);
	for (i = 0; i < ENTRIES; i++) {
		struct oring_sqe *sqe = fiber_chain_next();

		if (writes && i == 0)
			oring_prep_write(sqe, oring_file_fd(ends[1]), "x", 1, 0);
		else if (!writes && i == 2)
			oring_prep_read(sqe, oring_file_fd(ends[0]), &byte, 1, 0);
		else
			oring_prep_nop(sqe);
	}
	cr_assert_eq(fiber_chain_wait(), ENTRIES);
	for (i = 0; i < ENTRIES; i++)
		cr_assert_geq(results[i], 0, "%d: %d", i, results[i]);
	return 0;
}

static intptr_t chain_that_reads(void *argument)
{
	(void)argument;
	return chain_of(false);
}

static intptr_t chain_that_writes(void *argument)
{
	fiber_spawn(chain_that_reads, NULL, NULL);
	fiber_yield();
	(void)argument;
	return chain_of(true);
}

static void run(fiber_function function)
{
	const struct fiber_config config = { .ring_entries = ENTRIES };

	cr_assert_eq(pipe(ends), 0);
	if (fiber_init(&config) < 0)
		cr_skip_test("no runtime here");
	fiber_spawn(function, NULL, NULL);
	cr_assert_eq(fiber_run(), 0);
	cr_assert_eq(fiber_exit(), 0);
}

Test(fiber_room, a_limit_holds_while_there_is_no_room, .timeout = TEST_SECONDS)
{
	run(too_late);
}

Test(fiber_room, who_gives_up_lets_the_next_one_in, .timeout = TEST_SECONDS)
{
	run(next_in_line);
}

Test(fiber_room, some_of_a_chain_may_be_room_enough, .timeout = TEST_SECONDS)
{
	run(chain_that_writes);
}
