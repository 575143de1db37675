/* SPDX-License-Identifier: MIT */
/* Between fibers of one runtime: channels, locks, semaphores, events. */
#include "fiber_test.h"

/* ---- channels ---- */

static struct fiber_channel channel;
static int places[8];

static void open_channel(uint32_t capacity)
{
	cr_assert_eq(fiber_channel_init(&channel, places, sizeof(int), capacity), 0);
}

static intptr_t send_three(void *argument)
{
	int i;

	(void)argument;
	for (i = 1; i <= 3; i++) {
		cr_assert_eq(fiber_channel_send(&channel, &i, FIBER_FOREVER), 0);
		note((char)('0' + i));
	}
	return 0;
}

static intptr_t receive_one(void *argument)
{
	int value = 0;
	int ret = fiber_channel_recv(&channel, &value, FIBER_FOREVER);

	(void)argument;
	note(ret == 0		 ? (char)('a' + value - 1)
	     : ret == -EPIPE	 ? 'P'
	     : ret == -ESHUTDOWN ? 'S'
				 : '?');
	return value;
}

static intptr_t receive_late(void *argument)
{
	int i;

	for (i = 0; i < 3; i++)
		fiber_yield();
	note('|');
	return receive_one(argument);
}

FIBER_TEST(fiber_sync, a_full_channel_parks_its_sender)
{
	open_channel(2);
	spawn(send_three, NULL);
	spawn(receive_late, NULL);
	run_fibers();
	ASSERT_HAPPENED("12|a3");
	spawn(receive_one, NULL);
	spawn(receive_one, NULL);
	run_fibers();
	ASSERT_HAPPENED("12|a3bc");
}

FIBER_TEST(fiber_sync, a_closed_channel_gives_what_is_in_it)
{
	int value = 9;

	open_channel(3);
	spawn(send_three, NULL);
	run_fibers();
	fiber_channel_close(&channel);
	cr_assert_eq(fiber_channel_send(&channel, &value, 0), -EPIPE);
	spawn(receive_one, NULL);
	spawn(receive_one, NULL);
	spawn(receive_one, NULL);
	spawn(receive_one, NULL);
	run_fibers();
	ASSERT_HAPPENED("123abcP");
}

static intptr_t send_and_tell(void *value)
{
	int ret = fiber_channel_send(&channel, value, FIBER_FOREVER);

	note(ret == 0 ? 's' : ret == -EPIPE ? 'p' : ret == -ESHUTDOWN ? 'x' : '?');
	return ret;
}

static intptr_t close_channel(void *argument)
{
	(void)argument;
	fiber_channel_close(&channel);
	return 0;
}

FIBER_TEST(fiber_sync, close_wakes_senders_and_receivers)
{
	int value = 1;

	open_channel(1);
	spawn(send_and_tell, &value);
	spawn(send_and_tell, &value);
	spawn(send_and_tell, &value);
	spawn(close_channel, NULL);
	run_fibers();
	ASSERT_HAPPENED("spp");
	spawn(receive_one, NULL);
	spawn(receive_one, NULL);
	run_fibers();
	ASSERT_HAPPENED("sppaP");
	open_channel(1);
	spawn(receive_one, NULL);
	spawn(receive_one, NULL);
	spawn(close_channel, NULL);
	run_fibers();
	ASSERT_HAPPENED("sppaPPP");
}

static intptr_t shut_channel(void *argument)
{
	(void)argument;
	fiber_channel_shutdown(&channel);
	return 0;
}

FIBER_TEST(fiber_sync, shutdown_wakes_all_once)
{
	int value = 1;

	open_channel(1);
	spawn(send_and_tell, &value);
	spawn(send_and_tell, &value);
	spawn(send_and_tell, &value);
	spawn(shut_channel, NULL);
	run_fibers();
	ASSERT_HAPPENED("sxx");
	cr_assert_eq(fiber_channel_send(&channel, &value, 0), -ESHUTDOWN);
	spawn(receive_one, NULL);
	run_fibers();
	ASSERT_HAPPENED("sxxS");
	open_channel(1);
	spawn(receive_one, NULL);
	spawn(receive_one, NULL);
	spawn(shut_channel, NULL);
	run_fibers();
	ASSERT_HAPPENED("sxxSSS");
}

static intptr_t receive_within(void *limit)
{
	int value;
	int ret = fiber_channel_recv(&channel, &value, *(int64_t *)limit);

	note(ret == 0 ? (char)('0' + value) : ret == -ETIME ? 't' : ret == -ECANCELED ? 'c' : '?');
	return ret;
}

static intptr_t sleep_and_send(void *value)
{
	fiber_sleep(10 * MS);
	return fiber_channel_send(&channel, value, FIBER_FOREVER);
}

/* What nobody received any more is in the channel. */
FIBER_TEST(fiber_sync, waits_have_limits)
{
	int64_t none = 0, short_one = 3 * MS, long_one = 10000 * MS;
	int value = 5;

	open_channel(1);
	spawn(receive_within, &short_one);
	spawn(receive_within, &long_one);
	spawn(receive_within, &none);
	spawn(sleep_and_send, &value);
	run_fibers();
	ASSERT_HAPPENED("tt5");
	cr_assert_eq(fiber_runtime_current()->timer_count, 0, "a limit is left over");
	cr_assert_eq(channel.count, 0);
}

FIBER_TEST(fiber_sync, limits_end_in_the_order_of_time)
{
	int64_t limits[4] = { 9 * MS, 1 * MS, 5 * MS, 3 * MS };
	fiber_handle fibers[4];
	int64_t begin = time_now();
	int i;

	open_channel(1);
	for (i = 0; i < 4; i++)
		fibers[i] = spawn(receive_within, &limits[i]);
	run_fibers();
	ASSERT_HAPPENED("tttt");
	cr_assert_geq(time_now() - begin, 9 * MS);
	for (i = 0; i < 4; i++) {
		intptr_t value = 0;

		cr_assert_eq(fiber_await(fibers[i], &value), 0);
		cr_assert_eq(value, -ETIME);
	}
}

/* Of a thousand limits in no order, half of which end early. */
static const struct fiber_config thousand = { .fibers = 1001 };
static struct fiber_semaphore nobody_posts;
static int64_t last_deadline;
static int ended;

static intptr_t wait_and_compare(void *argument)
{
	int64_t deadline;

	if (fiber_semaphore_wait(&nobody_posts, *(int64_t *)argument) == -ETIME) {
		deadline = fiber_runtime_current()->current->deadline;
		cr_assert_geq(deadline, last_deadline);
		cr_assert_leq(deadline, time_now());
		last_deadline = deadline;
		ended++;
	}
	return 0;
}

static intptr_t cancel_each_other(void *fibers)
{
	fiber_handle *fiber = fibers;
	int i;

	for (i = 0; i < 1000; i += 2)
		cr_assert_eq(fiber_cancel(fiber[i]), 0);
	return 0;
}

FIBER_TEST_WITH(fiber_sync, a_thousand_limits_end_in_the_order_of_time, &thousand)
{
	static int64_t limits[1000];
	static fiber_handle fibers[1000];
	uint32_t random = 12345;
	int i;

	fiber_semaphore_init(&nobody_posts, 0);
	for (i = 0; i < 1000; i++) {
		random = random * 1664525 + 1013904223;
		limits[i] = 200 * MS + random % (100 * MS);
		fibers[i] = spawn(wait_and_compare, &limits[i]);
	}
	spawn(cancel_each_other, fibers);
	run_fibers();
	cr_assert_eq(ended, 500);
	cr_assert_eq(fiber_runtime_current()->timer_count, 0);
}

static intptr_t cancel_it(void *fiber)
{
	return fiber_cancel(*(fiber_handle *)fiber);
}

FIBER_TEST(fiber_sync, one_that_waits_is_cancelled_and_the_next_is_served)
{
	int64_t limit = 10000 * MS;
	fiber_handle first;
	int value = 6;

	open_channel(1);
	first = spawn(receive_within, &limit);
	spawn(receive_within, &limit);
	spawn(cancel_it, &first);
	spawn(send_and_tell, &value);
	run_fibers();
	cr_assert_eq(happened[0] == 's' ? happened[1] : happened[0], 'c', "%s", happened);
	cr_assert_not_null(strchr(happened, '6'), "%s", happened);
}

Test(fiber_sync, a_channel_of_nothing_is_refused)
{
	cr_assert_eq(fiber_channel_init(&channel, places, 0, 1), -EINVAL);
	cr_assert_eq(fiber_channel_init(&channel, places, 1, 0), -EINVAL);
	cr_assert_eq(fiber_channel_init(&channel, NULL, 1, 1), -EINVAL);
}

/* Items of many senders to many receivers: each once, and each sender's in order. */
#define MANY 2000

static uint32_t received[4], sum;

static intptr_t send_many(void *number)
{
	int i;

	for (i = 1; i <= MANY; i++) {
		int item = *(int *)number * 10000 + i;

		cr_assert_eq(fiber_channel_send(&channel, &item, FIBER_FOREVER), 0);
	}
	return 0;
}

static intptr_t receive_many(void *argument)
{
	uint32_t last[4] = { 0, 0, 0, 0 };
	int item;

	(void)argument;
	while (fiber_channel_recv(&channel, &item, FIBER_FOREVER) == 0) {
		uint32_t sender = (uint32_t)item / 10000, number = (uint32_t)item % 10000;

		cr_assert_gt(number, last[sender], "out of order");
		last[sender] = number;
		received[sender]++;
		sum += number;
		if (number % 7 == 0)
			fiber_yield();
	}
	return 0;
}

static intptr_t close_after(void *fibers)
{
	int i;

	for (i = 0; i < 4; i++)
		fiber_await(((fiber_handle *)fibers)[i], NULL);
	fiber_channel_close(&channel);
	return 0;
}

FIBER_TEST(fiber_sync, many_to_many)
{
	static int numbers[4] = { 0, 1, 2, 3 };
	fiber_handle senders[4];
	int i;

	memset(received, 0, sizeof(received));
	sum = 0;
	open_channel(5);
	for (i = 0; i < 3; i++)
		spawn(receive_many, NULL);
	for (i = 0; i < 4; i++)
		senders[i] = spawn(send_many, &numbers[i]);
	spawn(close_after, senders);
	run_fibers();
	for (i = 0; i < 4; i++)
		cr_assert_eq(received[i], MANY);
	cr_assert_eq(sum, 4 * MANY * (MANY + 1) / 2);
}

/* ---- the mutex ---- */

static struct fiber_mutex mutex;
static int inside;

static intptr_t lock_and_yield(void *argument)
{
	int i;

	(void)argument;
	for (i = 0; i < 20; i++) {
		cr_assert_eq(fiber_mutex_lock(&mutex, FIBER_FOREVER), 0);
		cr_assert_eq(inside++, 0, "two are inside");
		fiber_yield();
		inside--;
		cr_assert_eq(fiber_mutex_unlock(&mutex), 0);
	}
	note('d');
	return 0;
}

FIBER_TEST(fiber_sync, one_at_a_time)
{
	int i;

	for (i = 0; i < 10; i++)
		spawn(lock_and_yield, NULL);
	run_fibers();
	ASSERT_HAPPENED("dddddddddd");
	cr_assert_eq(fiber_runtime_current()->enters, 0, "without the kernel");
}

static bool limit_came;

static intptr_t misuse_mutex(void *argument)
{
	(void)argument;
	cr_assert_eq(fiber_mutex_unlock(&mutex), -EPERM);
	cr_assert_eq(fiber_mutex_lock(&mutex, 0), 0);
	cr_assert_eq(fiber_mutex_lock(&mutex, FIBER_FOREVER), -EDEADLK);
	while (!limit_came)
		fiber_sleep(MS);
	return fiber_mutex_unlock(&mutex);
}

static intptr_t lock_within_1_ms(void *argument)
{
	(void)argument;
	cr_assert_eq(fiber_mutex_lock(&mutex, 0), -ETIME);
	cr_assert_eq(fiber_mutex_lock(&mutex, 1 * MS), -ETIME);
	limit_came = true;
	cr_assert_eq(fiber_mutex_unlock(&mutex), -EPERM, "it is another's");
	cr_assert_eq(fiber_mutex_lock(&mutex, 10000 * MS), 0);
	note('l');
	return fiber_mutex_unlock(&mutex);
}

FIBER_TEST(fiber_sync, a_lock_that_is_held_has_a_limit)
{
	spawn(misuse_mutex, NULL);
	spawn(lock_within_1_ms, NULL);
	run_fibers();
	ASSERT_HAPPENED("l");
	cr_assert_eq(fiber_mutex_lock(&mutex, 0), -EINVAL, "outside of fibers");
}

/* ---- the semaphore ---- */

static struct fiber_semaphore semaphore;

static intptr_t take_one(void *limit)
{
	int ret = fiber_semaphore_wait(&semaphore, *(int64_t *)limit);

	note(ret == 0 ? '+' : ret == -ETIME ? 't' : '?');
	return ret;
}

static intptr_t give_two(void *argument)
{
	(void)argument;
	note('p');
	cr_assert_eq(fiber_semaphore_post(&semaphore), 0);
	cr_assert_eq(fiber_semaphore_post(&semaphore), 0);
	return 0;
}

FIBER_TEST(fiber_sync, a_semaphore_counts)
{
	int64_t now = 0, ever = FIBER_FOREVER, soon = 2 * MS;

	fiber_semaphore_init(&semaphore, 1);
	spawn(take_one, &ever);
	spawn(take_one, &now);
	spawn(take_one, &ever);
	spawn(give_two, NULL);
	spawn(take_one, &soon);
	run_fibers();
	cr_assert_eq(semaphore.count, 0);
	spawn(take_one, &soon);
	run_fibers();
	ASSERT_HAPPENED("+tp++t");
	semaphore.count = UINT32_MAX;
	cr_assert_eq(fiber_semaphore_post(&semaphore), -EOVERFLOW);
}

/* ---- the event count ---- */

static struct fiber_event event;
static bool condition;

static intptr_t wait_for_condition(void *argument)
{
	(void)argument;
	for (;;) {
		uint64_t key = fiber_event_key(&event);

		if (condition)
			break;
		note('w');
		cr_assert_eq(fiber_event_wait(&event, key, FIBER_FOREVER), 0);
	}
	note('d');
	return 0;
}

static intptr_t make_it_true(void *argument)
{
	(void)argument;
	cr_assert_eq(fiber_event_notify(&event, UINT32_MAX), 2);
	fiber_yield();
	condition = true;
	cr_assert_eq(fiber_event_notify(&event, 1), 1);
	cr_assert_eq(fiber_event_notify(&event, 1), 1);
	cr_assert_eq(fiber_event_notify(&event, 1), 0);
	return 0;
}

FIBER_TEST(fiber_sync, an_event_that_came_in_between_is_not_missed)
{
	uint64_t key = fiber_event_key(&event);

	condition = false;
	spawn(wait_for_condition, NULL);
	spawn(wait_for_condition, NULL);
	spawn(make_it_true, NULL);
	run_fibers();
	ASSERT_HAPPENED("wwwwdd");
	cr_assert_eq(fiber_event_wait(&event, key, FIBER_FOREVER), 0, "it happened since");
}
