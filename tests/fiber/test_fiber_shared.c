/* SPDX-License-Identifier: MIT */
/* Between fibers of two threads: a runtime each, and waits by their rings. */
#include "fiber_test.h"

#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "fiber_shared.h"

#define TIMES  1000000
#define EVERY  1024
#define SLEEPS ((TIMES / 2 + EVERY - 1) / EVERY)

static struct fiber_shared_mutex mutex;
static struct fiber_shared_semaphore semaphore, back;
static struct fiber_shared_event event;
static uint32_t counter, flag;

/* Run one fiber in a thread of its own; what it returned, or the error of the runtime. */
struct thread {
	pthread_t thread;
	fiber_function function;
	intptr_t value;
	uint64_t enters;
	uint32_t operations; /* of its fiber: waits and sleeps */
	uint32_t wakes;
};

/* This thread's futex(2) calls that wake. */
static _Thread_local uint32_t wakes;

/* In front of the C library's, for the layer wakes by it. It looks at arguments that may not be there. */
__attribute__((no_sanitize("address"))) long syscall(long number, ...)
{
	void *symbol = dlsym(RTLD_NEXT, "syscall");
	long (*next)(long number, ...);
	long argument[6];
	va_list list;
	int i;

	va_start(list, number);
	for (i = 0; i < 6; i++)
		argument[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_futex && (int)argument[1] == FUTEX_WAKE_PRIVATE)
		wakes++;
	memcpy(&next, &symbol, sizeof(next));
	return next(number, argument[0], argument[1], argument[2], argument[3], argument[4],
		    argument[5]);
}

static void *run_thread(void *argument)
{
	struct thread *self = argument;
	struct fiber_runtime runtime;
	fiber_handle fiber;
	int ret = fiber_runtime_init(&runtime, NULL);

	if (ret == 0)
		ret = fiber_runtime_spawn(&runtime, self->function, NULL, &fiber);
	if (ret == 0)
		ret = fiber_runtime_run(&runtime);
	self->value = ret < 0 ? ret : runtime.fibers[(uint32_t)fiber.bits - 1].value;
	self->enters = runtime.enters;
	self->operations = runtime.fibers[(uint32_t)fiber.bits - 1].operation;
	self->wakes = wakes;
	fiber_runtime_exit(&runtime);
	return NULL;
}

static void begin(struct thread *thread, fiber_function function)
{
	thread->function = function;
	cr_assert_eq(pthread_create(&thread->thread, NULL, run_thread, thread), 0);
}

static intptr_t end(struct thread *thread)
{
	cr_assert_eq(pthread_join(thread->thread, NULL), 0);
	if (thread->value == -EINVAL)
		cr_skip_test("FUTEX_WAIT: not on this kernel");
	return thread->value;
}

static const void *last_owner; /* these by who has the mutex */
static uint32_t hand_overs;

static intptr_t increment(void *argument)
{
	const struct fiber_runtime *self = fiber_runtime_current();
	int i, ret;

	(void)argument;
	for (i = 0; i < TIMES / 2; i++) {
		ret = fiber_shared_mutex_lock(&mutex, FIBER_FOREVER);
		if (ret < 0)
			return ret;
		counter++;
		hand_overs += last_owner != self;
		last_owner = self;
		/* So that the other one really has to wait, now and then. */
		if (i % EVERY == 0)
			fiber_sleep(10000);
		fiber_shared_mutex_unlock(&mutex);
	}
	return 0;
}

Test(fiber_shared, a_mutex_between_two_threads, .timeout = 120)
{
	struct thread threads[2];
	uint32_t waits[2];

	begin(&threads[0], increment);
	begin(&threads[1], increment);
	cr_assert_eq(end(&threads[0]), 0);
	cr_assert_eq(end(&threads[1]), 0);
	cr_assert_eq(counter, TIMES, "%u", counter);
	/*
	 * Futex operations: each wait is ended by a wake of the other one; and a wake is for a wait,
	 * or because the mutex was taken after a wait for it, which is a hand-over.
	 */
	waits[0] = threads[0].operations - SLEEPS;
	waits[1] = threads[1].operations - SLEEPS;
	cr_assert_leq(waits[0], threads[1].wakes, "%u, %u", waits[0], threads[1].wakes);
	cr_assert_leq(waits[1], threads[0].wakes, "%u, %u", waits[1], threads[0].wakes);
	cr_assert_leq(threads[0].wakes + threads[1].wakes, hand_overs + waits[0] + waits[1],
		      "%u and %u wakes, %u and %u waits, %u hand-overs", threads[0].wakes,
		      threads[1].wakes, waits[0], waits[1], hand_overs);
	cr_assert_lt(threads[0].enters + threads[1].enters, TIMES);
}

static intptr_t ping(void *argument)
{
	int i, ret = 0;

	(void)argument;
	for (i = 0; i < 2000 && ret == 0; i++) {
		fiber_shared_semaphore_post(&semaphore);
		ret = fiber_shared_semaphore_wait(&back, FIBER_FOREVER);
	}
	return ret;
}

static intptr_t pong(void *argument)
{
	int i, ret = 0;

	(void)argument;
	for (i = 0; i < 2000 && ret == 0; i++) {
		ret = fiber_shared_semaphore_wait(&semaphore, FIBER_FOREVER);
		counter++;
		fiber_shared_semaphore_post(&back);
	}
	return ret;
}

Test(fiber_shared, a_semaphore_between_two_threads, .timeout = 120)
{
	struct thread threads[2];

	begin(&threads[0], ping);
	begin(&threads[1], pong);
	cr_assert_eq(end(&threads[0]), 0);
	cr_assert_eq(end(&threads[1]), 0);
	cr_assert_eq(counter, 2000);
	cr_assert_eq(semaphore.count, 0);
	cr_assert_eq(back.count, 0);
	cr_assert_eq(semaphore.waiting, 0);
}

static intptr_t wait_for_flag(void *argument)
{
	(void)argument;
	for (;;) {
		uint32_t key = fiber_shared_event_key(&event);
		int ret;

		if (__atomic_load_n(&flag, __ATOMIC_ACQUIRE) == 1000)
			return 0;
		ret = fiber_shared_event_wait(&event, key, FIBER_FOREVER);
		if (ret < 0)
			return ret;
	}
}

Test(fiber_shared, an_event_from_a_thread_without_a_runtime, .timeout = 120)
{
	struct thread thread;
	int i;

	begin(&thread, wait_for_flag);
	for (i = 0; i < 1000; i++) {
		__atomic_add_fetch(&flag, 1, __ATOMIC_RELEASE);
		fiber_shared_event_notify(&event);
	}
	cr_assert_eq(end(&thread), 0);
}

static intptr_t wait_in_vain(void *argument)
{
	int64_t began = time_now();
	int ret;

	(void)argument;
	mutex.word = 1;
	cr_assert_eq(fiber_shared_mutex_lock(&mutex, 0), -ETIME);
	cr_assert_eq(fiber_shared_semaphore_wait(&semaphore, 0), -ETIME);
	cr_assert_eq(fiber_shared_event_wait(&event, event.count, 0), -ETIME);
	cr_assert_lt(time_now() - began, 1000 * MS);
	ret = fiber_shared_mutex_lock(&mutex, 2 * MS);
	if (ret == -EINVAL)
		return ret;
	cr_assert_eq(ret, -ETIME, "%s", strerror(-ret));
	cr_assert_eq(fiber_shared_semaphore_wait(&semaphore, 2 * MS), -ETIME);
	cr_assert_eq(fiber_shared_event_wait(&event, event.count, 2 * MS), -ETIME);
	cr_assert_eq(semaphore.waiting, 0);
	cr_assert_eq(event.waiting, 0);
	return 0;
}

FIBER_TEST(fiber_shared, limits_expire)
{
	fiber_handle fiber = spawn(wait_in_vain, NULL);
	intptr_t value = 0;

	run_fibers();
	cr_assert_eq(fiber_await(fiber, &value), 0);
	if (value == -EINVAL) {
		end_fibers();
		cr_skip_test("FUTEX_WAIT: not on this kernel");
	}
}

static intptr_t wait_for_good(void *argument)
{
	(void)argument;
	return fiber_shared_semaphore_wait(&semaphore, FIBER_FOREVER);
}

static intptr_t cancel_later(void *fiber)
{
	fiber_sleep(2 * MS);
	return fiber_cancel(*(fiber_handle *)fiber);
}

FIBER_TEST(fiber_shared, one_that_waits_is_cancelled)
{
	fiber_handle fiber = spawn(wait_for_good, NULL);
	intptr_t value = 0;

	spawn(cancel_later, &fiber);
	run_fibers();
	cr_assert_eq(fiber_await(fiber, &value), 0);
	if (value == -EINVAL) {
		end_fibers();
		cr_skip_test("FUTEX_WAIT: not on this kernel");
	}
	cr_assert_eq(value, -ECANCELED);
	cr_assert_eq(semaphore.waiting, 0);
}
