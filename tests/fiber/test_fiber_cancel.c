/* SPDX-License-Identifier: MIT */
/* Cancels that come at bad moments: each is told, and told once; nothing hangs. */
#include "fiber_test.h"

#include <pthread.h>
#include <sys/ioctl.h>

static int pipes[16][2];

static void open_pipes(int n)
{
	int i;

	for (i = 0; i < n; i++)
		cr_assert_eq(pipe2(pipes[i], O_CLOEXEC), 0);
}

static void close_pipes(int n)
{
	int i;

	for (i = 0; i < n; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

static intptr_t value_of(fiber_handle fiber)
{
	intptr_t value = 0;
	int ret = fiber_await(fiber, &value);

	cr_assert_eq(ret, 0, "%s", strerror(-ret));
	return value;
}

static const struct fiber_config few = { .ring_entries = 8 };
static fiber_handle readers[16];

static intptr_t read_one(void *number)
{
	char byte;

	return fiber_read(oring_file_fd(pipes[(intptr_t)number][0]), &byte, 1, FIBER_HERE,
			  FIBER_FOREVER);
}

static intptr_t cancel_eight(void *argument)
{
	int i;

	(void)argument;
	for (i = 0; i < 8; i++)
		cr_assert_eq(fiber_cancel(readers[i]), 0);
	return 0;
}

/* In the round that fills the queue: there is no place for a cancel before a submit. */
FIBER_TEST_WITH(fiber_cancel, while_the_queue_is_full, &few)
{
	intptr_t i;

	open_pipes(8);
	for (i = 0; i < 8; i++)
		readers[i] = spawn(read_one, (void *)i);
	spawn(cancel_eight, NULL);
	run_fibers();
	for (i = 0; i < 8; i++)
		cr_assert_eq(value_of(readers[i]), -ECANCELED);
	close_pipes(8);
}

static intptr_t read_then_cancel_the_last(void *number)
{
	intptr_t ret = read_one(number);

	if (number == NULL)
		fiber_cancel(readers[14]);
	return ret;
}

static intptr_t let_the_first_go(void *argument)
{
	int i;

	(void)argument;
	fiber_yield();
	fiber_yield();
	cr_assert_eq(write(pipes[0][1], "x", 1), 1);
	for (i = 0; i < 10; i++)
		fiber_yield();
	for (i = 1; i < 14; i++)
		fiber_cancel(readers[i]);
	return 0;
}

/* The last was let in by the first one's end, and is cancelled before its turn. */
FIBER_TEST_WITH(fiber_cancel, between_being_let_in_and_ones_turn, &few)
{
	intptr_t i;

	open_pipes(15);
	for (i = 0; i < 15; i++)
		readers[i] = spawn(read_then_cancel_the_last, (void *)i);
	spawn(let_the_first_go, NULL);
	run_fibers();
	cr_assert_eq(value_of(readers[0]), 1);
	cr_assert_eq(value_of(readers[14]), -ECANCELED);
	close_pipes(15);
}

static int file;

static intptr_t sync_then_read(void *argument)
{
	int32_t results[2] = { 1, 1 };
	char byte;

	(void)argument;
	cr_assert_eq(fiber_chain(2, results), 0);
	oring_prep_fsync(fiber_chain_next(), oring_file_fd(file), 0);
	oring_prep_read(fiber_chain_next(), oring_file_fd(pipes[0][0]), &byte, 1, FIBER_HERE);
	cr_assert_eq(fiber_chain_wait(), 2);
	cr_assert_eq(results[1], -ECANCELED, "%d", results[1]);
	cr_assert_eq(fiber_yield(), 0, "told twice");
	return 0;
}

/* A worker has ended the first part, and nobody has entered since: the second has not begun. */
static intptr_t wait_outside_and_cancel(void *fiber)
{
	fiber_yield();
	usleep(100000);
	return fiber_cancel(*(fiber_handle *)fiber);
}

FIBER_TEST(fiber_cancel, between_two_parts_of_a_chain)
{
	char path[] = "/tmp/oring-fiber-XXXXXX";
	fiber_handle chain;

	file = mkstemp(path);
	unlink(path);
	open_pipes(1);
	chain = spawn(sync_then_read, NULL);
	spawn(wait_outside_and_cancel, &chain);
	run_fibers();
	close_pipes(1);
	close(file);
}

static intptr_t read_twice(void *argument)
{
	note(read_one(argument) == -ECANCELED ? 'c' : '?');
	note(read_one(argument) == -ECANCELED ? 'c' : '?');
	return 0;
}

static intptr_t stop(void *argument)
{
	fiber_yield();
	fiber_stop();
	(void)argument;
	return 0;
}

FIBER_TEST(fiber_cancel, at_the_end_as_often_as_one_waits_again)
{
	open_pipes(1);
	spawn(read_twice, NULL);
	spawn(stop, NULL);
	cr_assert_eq(fiber_run(), 1);
	cr_assert_eq(fiber_exit(), 0);
	ASSERT_HAPPENED("cc");
	begin_fibers(NULL);
	close_pipes(1);
}

static intptr_t read_shielded(void *argument)
{
	fiber_shield(true);
	return read_one(argument);
}

static intptr_t end_the_wait(void *argument)
{
	fiber_cancel_file(oring_file_fd(pipes[0][0]));
	(void)argument;
	return 0;
}

FIBER_TEST(fiber_cancel, at_the_end_in_vain_behind_a_shield)
{
	open_pipes(1);
	spawn(read_shielded, NULL);
	spawn(stop, NULL);
	cr_assert_eq(fiber_run(), 1);
	cr_assert_eq(fiber_exit(), -EBUSY);
	spawn(end_the_wait, NULL);
	run_fibers();
	close_pipes(1);
}

static intptr_t shield_a_read(void *argument)
{
	fiber_shield(true);
	cr_assert_eq(read_one(argument), -ECANCELED, "by the file's cancel");
	fiber_shield(false);
	cr_assert_eq(fiber_yield(), -ECANCELED, "by the fiber's");
	cr_assert_eq(fiber_yield(), 0);
	note('d');
	return 0;
}

static intptr_t cancel_both(void *fiber)
{
	fiber_yield();
	fiber_cancel(*(fiber_handle *)fiber);
	return end_the_wait(NULL);
}

FIBER_TEST(fiber_cancel, of_the_file_leaves_that_of_the_fiber)
{
	fiber_handle fiber;

	open_pipes(1);
	fiber = spawn(shield_a_read, NULL);
	spawn(cancel_both, &fiber);
	run_fibers();
	ASSERT_HAPPENED("d");
	close_pipes(1);
}

static char much[200000];

static intptr_t write_much(void *argument)
{
	struct iovec iov[2] = { { much, 100000 }, { much, 100000 } };
	int64_t done = argument == NULL
			       ? fiber_write_all(oring_file_fd(pipes[0][1]), much, sizeof(much),
						 FIBER_HERE, FIBER_FOREVER)
			       : fiber_write_linked(oring_file_fd(pipes[0][1]), iov, 2, FIBER_HERE);

	cr_assert(done > 0 && done < (int64_t)sizeof(much), "%lld", (long long)done);
	cr_assert_eq(fiber_yield(), -ECANCELED, "what was done does not hide it");
	cr_assert_eq(fiber_yield(), 0);
	note('d');
	return 0;
}

static intptr_t nothing_goes(void *argument)
{
	struct iovec iov = { much, 1 };

	(void)argument;
	cr_assert_eq(fiber_write_linked(oring_file_fd(pipes[0][1]), &iov, 1, FIBER_HERE),
		     -ECANCELED);
	cr_assert_eq(fiber_yield(), 0, "told twice");
	note('n');
	return 0;
}

static intptr_t cancel_soon(void *fiber)
{
	int i, there = 0;

	/* What is written has filled the pipe: the rest waits. */
	for (i = 0; i < 5000 && there < 65536; i++) {
		fiber_sleep(MS);
		cr_assert_eq(ioctl(pipes[0][0], FIONREAD, &there), 0);
	}
	cr_assert_geq(there, 65536);
	return fiber_cancel(*(fiber_handle *)fiber);
}

FIBER_TEST(fiber_cancel, in_the_middle_of_a_long_write)
{
	fiber_handle fiber;

	open_pipes(1);
	fiber = spawn(write_much, NULL);
	spawn(cancel_soon, &fiber);
	run_fibers();
	fiber = spawn(nothing_goes, NULL); /* the pipe is full */
	spawn(cancel_soon, &fiber);
	run_fibers();
	close_pipes(1);
	open_pipes(1);
	fiber = spawn(write_much, "linked");
	spawn(cancel_soon, &fiber);
	run_fibers();
	ASSERT_HAPPENED("dnd");
	close_pipes(1);
}

/* ---- who asks for what there is not ---- */

Test(fiber_cancel, outside_of_fibers_there_is_nothing_to_wait_for)
{
	struct iovec iov = { much, 1 };

	cr_assert_eq(fiber_write_linked(oring_file_fd(0), &iov, 1, FIBER_HERE), -EINVAL);
	cr_assert_eq(fiber_chain_wait(), -EINVAL);
	cr_assert_null(fiber_chain_next());
	cr_assert_not(fiber_told());
}

static intptr_t misuse(void *argument)
{
	fiber_handle never = { 5 };
	int32_t result;

	(void)argument;
	cr_assert_eq(fiber_await(never, NULL), -ESTALE, "there was never such a fiber");
	cr_assert_eq(fiber_cancel(never), -ESTALE);
	cr_assert_eq(fiber_chain(0, &result), -EINVAL);
	cr_assert_eq(fiber_chain_wait(), 0, "of what was refused");
	oring_prep_nop(fiber_operation(FIBER_FOREVER)); /* and nobody waits for it */
	return 0;
}

/* A message that somebody else's ring might send. */
static intptr_t send_a_word(void *argument)
{
	struct oring_sqe *sqe = fiber_operation(FIBER_FOREVER);
	oring_context word;

	(void)argument;
	oring_context_caller(7, &word);
	oring_prep_msg_ring(sqe, oring_file_fd(oring_fd(&fiber_runtime_current()->ring)), word, 0,
			    0);
	cr_assert_eq(fiber_wait(), 0);
	return 0;
}

FIBER_TEST(fiber_cancel, misuse_is_not_counted)
{
	spawn(misuse, NULL);
	run_fibers();
	spawn(send_a_word, NULL);
	run_fibers();
}

struct elsewhere {
	struct fiber_runtime *runtime;
	int result;
};

static void *run_elsewhere(void *argument)
{
	struct elsewhere *elsewhere = argument;

	elsewhere->result = fiber_runtime_run(elsewhere->runtime);
	return NULL;
}

static intptr_t sleep_a_little(void *argument)
{
	fiber_stop();
	fiber_sleep(MS);
	note('e');
	return (intptr_t)argument;
}

FIBER_TEST(fiber_cancel, a_run_by_another_thread_is_refused_and_forgotten)
{
	struct elsewhere elsewhere = { fiber_runtime_current(), 1 };
	pthread_t thread;

	spawn(sleep_a_little, NULL);
	cr_assert_eq(fiber_run(), 1);
	cr_assert_eq(pthread_create(&thread, NULL, run_elsewhere, &elsewhere), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(elsewhere.result, -EEXIST, "%d", elsewhere.result);
	run_fibers();
	ASSERT_HAPPENED("e");
}
