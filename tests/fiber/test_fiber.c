/* SPDX-License-Identifier: MIT */
/* The runtime: making it, fibers from their beginning to their end, their stacks. */
#include "fiber_test.h"

#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define NOT_ASAN __attribute__((no_sanitize("address")))

/* ---- runtimes ---- */

FIBER_TEST(fiber, zero_means_the_default)
{
	const struct fiber_config *config = &fiber_runtime_current()->config;

	cr_assert_eq(config->tasks, 256);
	cr_assert_eq(config->fibers, 64);
	cr_assert_eq(config->stack_bytes, 65536);
	cr_assert_eq(config->ring_entries, 64);
	cr_assert_eq(oring_sq_entries(&fiber_runtime_current()->ring), 64);
	cr_assert_eq(fiber_init(NULL), -EALREADY, "there is one");
}

Test(fiber, what_cannot_be_is_refused)
{
	struct fiber_config config;
	struct fiber_runtime runtime;

	memset(&config, 0, sizeof(config));
	config.fibers = 65537;
	cr_assert_eq(fiber_runtime_init(&runtime, &config), -EINVAL);
	cr_assert_eq(fiber_memory_size(&config), 0);
	config.fibers = 2;
	config.memory = &config;
	config.memory_bytes = 4096;
	cr_assert_eq(fiber_runtime_init(&runtime, &config), -EINVAL, "too small a memory");
	config.memory = NULL;
	config.ring_entries = 1U << 20;
	cr_assert_eq(fiber_runtime_init(&runtime, &config), -EINVAL, "too large a ring");
}

Test(fiber, without_a_runtime_there_is_an_error)
{
	char byte;

	cr_assert_eq(fiber_run(), -EINVAL);
	cr_assert_eq(fiber_exit(), -EINVAL);
	cr_assert_eq(fiber_yield(), -EINVAL);
	cr_assert_eq(fiber_spawn(NULL, NULL, NULL), -EINVAL);
	cr_assert_null(fiber_user());
	cr_assert_eq(fiber_self().bits, 0);
	cr_assert_eq(fiber_read(oring_file_fd(0), &byte, 1, FIBER_HERE, FIBER_FOREVER), -EINVAL);
	cr_assert_eq(fiber_sleep(1), -EINVAL);
}

static void forget_user(void *user)
{
	++*(int *)user;
}

static intptr_t look_at_user(void *argument)
{
	(void)argument;
	return fiber_user() != NULL;
}

Test(fiber, the_user_pointer_is_destroyed_once)
{
	struct fiber_config config;
	int destroyed = 0;

	memset(&config, 0, sizeof(config));
	config.user = &destroyed;
	config.user_destroy = forget_user;
	begin_fibers(&config);
	cr_assert_eq(fiber_user(), &destroyed);
	spawn(look_at_user, NULL);
	run_fibers();
	cr_assert_eq(destroyed, 0);
	end_fibers();
	cr_assert_eq(destroyed, 1);
}

/* Where the fiber's stack is. */
static intptr_t stack_of(void *argument)
{
	char here;

	(void)argument;
	return (intptr_t)(uintptr_t)&here;
}

Test(fiber, the_callers_memory_holds_all)
{
	struct fiber_config config;
	struct fiber_runtime runtime;
	fiber_handle fiber;
	intptr_t stack = 0;
	size_t size, i;
	char *memory;

	memset(&config, 0, sizeof(config));
	config.fibers = 3;
	config.stack_bytes = 20000; /* whole pages are made of it */
	size = fiber_memory_size(&config);
	cr_assert_gt(size, 3 * 20480);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(memory, MAP_FAILED);
	config.memory = memory;
	config.memory_bytes = size;
	cr_assert_eq(fiber_runtime_init(&runtime, &config), 0);
	cr_assert_eq(fiber_runtime_spawn(&runtime, stack_of, NULL, &fiber), 0);
	cr_assert_eq(fiber_runtime_run(&runtime), 0);
	for (i = 0; i < 3 && stack == 0; i++)
		stack = runtime.fibers[i].value;
	if (!UNDER_ASAN) /* which has a stack of its own for what is pointed to */
		cr_assert((char *)stack >= memory && (char *)stack < memory + size,
			  "not in the memory");
	cr_assert_eq(fiber_runtime_exit(&runtime), 0);
	for (i = 0; i < size; i++)
		memory[i] = 1; /* nothing is guarded any more */
	cr_assert_eq(munmap(memory, size), 0);
}

FIBER_TEST(fiber, with_nothing_to_do_it_returns_at_once)
{
	int64_t begin = time_now();
	uint64_t enters = fiber_runtime_current()->enters;

	run_fibers();
	run_fibers();
	cr_assert_lt(time_now() - begin, 1000 * MS);
	cr_assert_eq(fiber_runtime_current()->enters, enters, "the kernel was entered");
}

static intptr_t park_for_good(void *list)
{
	int ret = fiber_park(list, NULL, FIBER_FOREVER);

	note(ret == -ECANCELED ? 'c' : '?');
	return ret;
}

FIBER_TEST(fiber, a_deadlock_is_reported)
{
	struct fiber_list list = { NULL, NULL };
	fiber_handle fiber = spawn(park_for_good, &list);

	cr_assert_eq(fiber_run(), -EDEADLK);
	cr_assert_eq(fiber_run(), -EDEADLK, "again");
	cr_assert_eq(fiber_live(fiber_runtime_current()), 1);
	cr_assert_eq(fiber_cancel(fiber), 0);
	run_fibers();
	ASSERT_HAPPENED("c");
}

FIBER_TEST(fiber, exit_cancels_what_is_left)
{
	static struct fiber_list list;

	spawn(park_for_good, &list);
	spawn(park_for_good, &list);
	cr_assert_eq(fiber_run(), -EDEADLK);
	cr_assert_eq(fiber_exit(), 0);
	ASSERT_HAPPENED("cc");
	begin_fibers(NULL);
}

static intptr_t stop_each_time(void *argument)
{
	int i;

	for (i = 0; i < 2; i++) {
		note('s');
		fiber_stop();
		fiber_sleep(1000000);
	}
	note('e');
	(void)argument;
	return 0;
}

FIBER_TEST(fiber, a_run_can_be_stopped_and_goes_on)
{
	spawn(stop_each_time, NULL);
	cr_assert_eq(fiber_run(), 1);
	ASSERT_HAPPENED("s");
	cr_assert_eq(fiber_run(), 1);
	ASSERT_HAPPENED("ss");
	run_fibers();
	ASSERT_HAPPENED("sse");
}

static intptr_t never_gives_up(void *list)
{
	while (*(bool *)fiber_user() == false)
		fiber_park(list, NULL, FIBER_FOREVER);
	return 0;
}

Test(fiber, exit_does_not_take_the_stack_of_one_that_lives_on)
{
	struct fiber_list list = { NULL, NULL };
	struct fiber_config config;
	bool enough = false;

	memset(&config, 0, sizeof(config));
	config.user = &enough;
	begin_fibers(&config);
	spawn(never_gives_up, &list);
	cr_assert_eq(fiber_run(), -EDEADLK);
	cr_assert_eq(fiber_exit(), -EBUSY);
	enough = true;
	cr_assert_eq(fiber_exit(), 0);
}

Test(fiber, without_io_uring_init_says_so)
{
	struct fiber_runtime runtime;
	struct fiber_config config;
	int ret, status;
	pid_t pid = fork();

	/* No descriptor for a ring: a failure like any other, and nothing is left of it. */
	if (pid == 0) {
		int fd;

		while ((fd = dup(0)) >= 0 && fd < 60000)
			;
		memset(&config, 0, sizeof(config));
		ret = fiber_runtime_init(&runtime, &config);
		leave(ret == -EMFILE ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

/* ---- the CPU of a run ---- */

/* The last one that this thread may use. */
static uint32_t a_cpu(cpu_set_t *allowed)
{
	uint32_t cpu = CPU_SETSIZE - 1;

	cr_assert_eq(sched_getaffinity(0, sizeof(*allowed), allowed), 0);
	while (cpu > 0 && !CPU_ISSET(cpu, allowed))
		cpu--;
	return cpu;
}

static intptr_t look_at_cpu(void *argument)
{
	(void)argument;
	return sched_getcpu();
}

Test(fiber, a_run_is_pinned_to_its_cpu)
{
	struct fiber_config config;
	cpu_set_t allowed, now;
	fiber_handle fiber;
	intptr_t cpu = -1;

	memset(&config, 0, sizeof(config));
	config.pin = true;
	config.cpu = a_cpu(&allowed);
	begin_fibers(&config);
	fiber = spawn(look_at_cpu, NULL);
	run_fibers();
	cr_assert_eq(fiber_await(fiber, &cpu), 0);
	cr_assert_eq(sched_getaffinity(0, sizeof(now), &now), 0);
	cr_assert_eq(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
	cr_assert_eq(cpu, config.cpu, "on %d", (int)cpu);
	cr_assert_eq(CPU_COUNT(&now), 1);
	cr_assert(CPU_ISSET(config.cpu, &now));
	end_fibers();
}

Test(fiber, a_cpu_that_there_is_not_is_refused)
{
	struct fiber_config config;
	struct fiber_runtime runtime;
	cpu_set_t allowed, now;

	memset(&config, 0, sizeof(config));
	config.pin = true;
	config.cpu = CPU_SETSIZE;
	cr_assert_eq(fiber_runtime_init(&runtime, &config), -EINVAL, "no set has that");
	config.cpu = CPU_SETSIZE - 1;
	if (a_cpu(&allowed) == config.cpu)
		cr_skip_test("a machine with all the processors that there can be");
	begin_fibers(&config);
	spawn(look_at_cpu, NULL);
	cr_assert_eq(fiber_run(), -EINVAL);
	cr_assert_eq(fiber_live(fiber_runtime_current()), 1, "it has not begun");
	cr_assert_eq(sched_getaffinity(0, sizeof(now), &now), 0);
	cr_assert(CPU_EQUAL(&now, &allowed));
	fiber_runtime_current()->config.pin = false;
	run_fibers();
	end_fibers();
}

/* ---- spawn, await, yield ---- */

static intptr_t letter_then_yield(void *letter)
{
	int i;

	for (i = 0; i < 3; i++) {
		note(*(char *)letter);
		fiber_yield();
	}
	return *(char *)letter;
}

FIBER_TEST(fiber, those_that_yield_alternate_in_the_order_of_their_making)
{
	spawn(letter_then_yield, "a");
	spawn(letter_then_yield, "b");
	spawn(letter_then_yield, "c");
	run_fibers();
	ASSERT_HAPPENED("abcabcabc");
}

/* Of each of two fibers; ucontext makes system calls of its own, and is slow. */
#ifdef FIBER_UCONTEXT
#define YIELDS 100000
#else
#define YIELDS 500000
#endif

static intptr_t yield_often(void *argument)
{
	int i;

	for (i = 0; i < YIELDS; i++)
		fiber_yield();
	(void)argument;
	return 0;
}

static intptr_t accept_until_cancelled(void *sock)
{
	return fiber_accept(oring_file_fd(*(int *)sock), NULL, NULL, FIBER_FOREVER);
}

static intptr_t yield_then_cancel(void *fiber)
{
	yield_often(NULL);
	cr_assert_eq(fiber_cancel(*(fiber_handle *)fiber), 0);
	return 0;
}

FIBER_TEST(fiber, yields_do_not_enter_the_kernel_while_something_is_in_flight)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fiber_handle accepts;

	cr_assert_eq(bind(sock, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	cr_assert_eq(listen(sock, 1), 0);
	accepts = spawn(accept_until_cancelled, &sock);
	spawn(yield_then_cancel, &accepts);
	spawn(yield_often, NULL);
	run_fibers();
	cr_assert_leq(fiber_runtime_current()->enters, 8, "%llu enters",
		      (unsigned long long)fiber_runtime_current()->enters);
	close(sock);
}

/* What is left of a time that is over is negative. */
static intptr_t wait_until_yesterday(void *ends)
{
	static const int64_t limits[] = { 0, -1, -1000 * MS, INT64_MIN };
	struct fiber_semaphore semaphore;
	char byte;
	int i;

	fiber_semaphore_init(&semaphore, 0);
	for (i = 0; i < 4; i++) {
		cr_assert_eq(fiber_semaphore_wait(&semaphore, limits[i]), -ETIME, "%d", i);
		cr_assert_eq(fiber_read(oring_file_fd(*(int *)ends), &byte, 1, 0, limits[i]),
			     -ETIME, "%d", i);
	}
	return 0;
}

FIBER_TEST(fiber, a_limit_that_is_over_is_no_limit_for_ever)
{
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	spawn(wait_until_yesterday, ends);
	run_fibers();
	close(ends[0]);
	close(ends[1]);
}

/* What comes to pass while a fiber does nothing but yield, one thing after the other. */
struct seen {
	int pipe[2];
	int count;
};

static intptr_t see_a_sleep(void *argument)
{
	cr_assert_eq(fiber_sleep(3 * MS), 0);
	((struct seen *)argument)->count++;
	return 0;
}

static intptr_t see_a_limit(void *argument)
{
	struct fiber_semaphore semaphore;

	fiber_semaphore_init(&semaphore, 0);
	cr_assert_eq(fiber_semaphore_wait(&semaphore, 3 * MS), -ETIME);
	((struct seen *)argument)->count++;
	return 0;
}

static intptr_t see_a_byte(void *argument)
{
	struct seen *seen = argument;
	char byte;

	cr_assert_eq(fiber_read(oring_file_fd(seen->pipe[0]), &byte, 1, 0, FIBER_FOREVER), 1);
	seen->count++;
	return fiber_read(oring_file_fd(seen->pipe[0]), &byte, 1, 0, FIBER_FOREVER) == -ECANCELED
		       ? ++seen->count
		       : 0;
}

static intptr_t see_a_task(void *argument)
{
	((struct seen *)argument)->count++;
	return 0;
}

static void yield_until(struct seen *seen, int count)
{
	int64_t begun = time_now();

	while (seen->count < count && time_now() - begun < 3000 * MS)
		fiber_yield();
	cr_assert_eq(seen->count, count);
}

static intptr_t yield_until_seen(void *argument)
{
	struct seen *seen = argument;
	fiber_handle reads;
	int i;

	spawn(see_a_sleep, seen);
	yield_until(seen, 1);
	spawn(see_a_limit, seen);
	yield_until(seen, 2);
	reads = spawn(see_a_byte, seen);
	for (i = 0; i < 100; i++)
		fiber_yield();
	cr_assert_eq(write(seen->pipe[1], "x", 1), 1);
	yield_until(seen, 3);
	for (i = 0; i < 100; i++)
		fiber_yield();
	cr_assert_eq(fiber_cancel(reads), 0);
	yield_until(seen, 4);
	spawn(letter_then_yield,
	      "a"); /* the last fiber that there can be: the task waits for its end */
	cr_assert_eq(fiber_post(see_a_task, seen), 0);
	yield_until(seen, 5);
	return 0;
}

static const struct fiber_config two_fibers = { .fibers = 2 };

FIBER_TEST_WITH(fiber, who_only_yields_starves_nobody, &two_fibers)
{
	struct seen seen = { .count = 0 };

	cr_assert_eq(pipe2(seen.pipe, O_CLOEXEC), 0);
	spawn(yield_until_seen, &seen);
	run_fibers();
	cr_assert_eq(seen.count, 5);
	close(seen.pipe[0]);
	close(seen.pipe[1]);
}

struct awaited {
	fiber_handle fiber;
	intptr_t value;
	int result;
};

static intptr_t value_of(void *value)
{
	note('v');
	return (intptr_t)value;
}

static intptr_t wait_for(void *argument)
{
	struct awaited *awaited = argument;

	awaited->result = fiber_await(awaited->fiber, &awaited->value);
	note('w');
	return 0;
}

FIBER_TEST(fiber, all_who_wait_get_the_value_once)
{
	struct awaited waits[3];
	int i;

	for (i = 0; i < 3; i++) {
		waits[i].value = 0;
		spawn(wait_for, &waits[i]);
	}
	/* It runs after they have begun to wait. */
	waits[0].fiber = waits[1].fiber = waits[2].fiber = spawn(value_of, (void *)42);
	run_fibers();
	ASSERT_HAPPENED("vwww");
	for (i = 0; i < 3; i++) {
		cr_assert_eq(waits[i].result, 0);
		cr_assert_eq(waits[i].value, 42);
	}
}

FIBER_TEST(fiber, what_has_ended_is_awaited_at_once_until_its_record_is_used_again)
{
	struct awaited wait = { { 0 }, 0, 1 };
	intptr_t value = 0;
	int i;

	wait.fiber = spawn(value_of, (void *)7);
	run_fibers();
	cr_assert_eq(fiber_await(wait.fiber, &value), 0, "outside of fibers, too");
	cr_assert_eq(value, 7);
	spawn(wait_for, &wait);
	run_fibers();
	cr_assert_eq(wait.result, 0);
	cr_assert_eq(wait.value, 7);
	for (i = 0; i < 64; i++)
		spawn(value_of, NULL);
	cr_assert_eq(fiber_await(wait.fiber, &value), -ESTALE, "its record is another's");
	run_fibers();
	wait.fiber.bits = 0;
	cr_assert_eq(fiber_await(wait.fiber, NULL), -ESTALE);
	wait.fiber.bits = UINT64_MAX;
	cr_assert_eq(fiber_await(wait.fiber, NULL), -ESTALE);
}

/* All records there are, and none of those fibers begins: their values are -ECANCELED. */
static intptr_t use_all_records(void *argument)
{
	fiber_handle handles[64];
	int i, n;

	(void)argument;
	for (n = 0; n < 64 && fiber_spawn(value_of, NULL, &handles[n]) == 0; n++)
		;
	for (i = 0; i < n; i++)
		cr_assert_eq(fiber_cancel(handles[i]), 0);
	return 0;
}

FIBER_TEST(fiber, who_waits_gets_the_value_though_the_record_is_used_before_its_turn)
{
	struct awaited wait = { { 0 }, 0, 1 };
	fiber_handle fiber;

	spawn(wait_for, &wait);
	fiber = spawn(value_of, (void *)7);
	wait.fiber = fiber;
	/* It runs between the end of the fiber and the turn of the one that waits. */
	spawn(use_all_records, NULL);
	run_fibers();
	cr_assert_eq(wait.result, 0, "%d", wait.result);
	cr_assert_eq(wait.value, 7);
}

static intptr_t wait_for_self(void *argument)
{
	(void)argument;
	return fiber_await(fiber_self(), NULL);
}

FIBER_TEST(fiber, awaiting_oneself_is_an_error)
{
	intptr_t value = 0;
	fiber_handle fiber = spawn(wait_for_self, NULL);

	cr_assert_eq(fiber_await(fiber, NULL), -EINVAL, "outside of fibers nothing waits");
	run_fibers();
	cr_assert_eq(fiber_await(fiber, &value), 0);
	cr_assert_eq(value, -EDEADLK);
}

FIBER_TEST(fiber, no_more_than_there_can_be)
{
	int i;

	for (i = 0; i < 64; i++)
		spawn(value_of, NULL);
	cr_assert_eq(fiber_spawn(value_of, NULL, NULL), -ENOBUFS);
	run_fibers();
	spawn(value_of, NULL);
	run_fibers();
	cr_assert_eq(fiber_stacks_used(fiber_runtime_current()), 64);
}

static uint32_t tasks_done;

static intptr_t task(void *argument)
{
	(void)argument;
	fiber_yield();
	tasks_done++;
	return 0;
}

FIBER_TEST(fiber, tasks_wait_for_a_fiber)
{
	uint32_t i;

	tasks_done = 0;
	for (i = 0; i < 64 + 256; i++)
		cr_assert_eq(fiber_post(task, NULL), 0, "task %u", i);
	cr_assert_eq(fiber_post(task, NULL), -ENOBUFS);
	run_fibers();
	cr_assert_eq(tasks_done, 64 + 256);
}

/* ---- cancels ---- */

FIBER_TEST(fiber, cancelled_before_it_began_it_never_does)
{
	fiber_handle fiber;
	struct awaited wait = { { 0 }, 0, 1 };
	intptr_t value = 0;

	spawn(value_of, NULL);
	fiber = spawn(letter_then_yield, "x");
	wait.fiber = fiber;
	spawn(wait_for, &wait);
	cr_assert_eq(fiber_cancel(fiber), 0);
	cr_assert_eq(fiber_cancel(fiber), -EALREADY);
	run_fibers();
	ASSERT_HAPPENED("vw");
	cr_assert_eq(wait.result, 0);
	cr_assert_eq(wait.value, -ECANCELED);
	cr_assert_eq(fiber_await(fiber, &value), 0);
	cr_assert_eq(value, -ECANCELED);
}

static intptr_t yield_and_tell(void *argument)
{
	int i, ret;

	(void)argument;
	for (i = 0; i < 5; i++) {
		ret = fiber_yield();
		note(ret == 0 ? 'y' : ret == -ECANCELED ? 'c' : '?');
	}
	return 0;
}

static intptr_t cancel_it(void *fiber)
{
	return fiber_cancel(*(fiber_handle *)fiber);
}

FIBER_TEST(fiber, a_cancel_is_told_once)
{
	fiber_handle fiber = spawn(yield_and_tell, NULL);

	spawn(cancel_it, &fiber);
	run_fibers();
	ASSERT_HAPPENED("cyyyy");
	cr_assert_eq(fiber_cancel(fiber), -EALREADY);
}

static intptr_t shielded(void *argument)
{
	(void)argument;
	cr_assert_not(fiber_shield(true));
	note(fiber_yield() == 0 ? 'y' : '?');
	note(fiber_sleep(2 * MS) == 0 ? 's' : '?');
	cr_assert(fiber_shield(false));
	note(fiber_yield() == -ECANCELED ? 'c' : '?');
	note(fiber_yield() == 0 ? 'y' : '?');
	return 0;
}

FIBER_TEST(fiber, behind_a_shield_cancels_wait)
{
	fiber_handle fiber = spawn(shielded, NULL);

	spawn(cancel_it, &fiber);
	run_fibers();
	ASSERT_HAPPENED("yscy");
}

static intptr_t wait_for_awaited(void *fiber)
{
	int ret = fiber_await(*(fiber_handle *)fiber, NULL);

	note(ret == -ECANCELED ? 'c' : ret == 0 ? 'w' : '?');
	return 0;
}

FIBER_TEST(fiber, who_waits_for_another_can_be_cancelled)
{
	fiber_handle other, waits[2];

	other = spawn(yield_and_tell, NULL);
	waits[0] = spawn(wait_for_awaited, &other);
	waits[1] = spawn(wait_for_awaited, &other);
	spawn(cancel_it, &waits[0]);
	run_fibers();
	ASSERT_HAPPENED("ycyyyyw");
}

/* ---- stacks ---- */

FIBER_TEST(fiber, a_stack_is_used_again)
{
	intptr_t first, value;
	fiber_handle fiber;
	int i;

	fiber = spawn(stack_of, NULL);
	run_fibers();
	cr_assert_eq(fiber_await(fiber, &first), 0);
	for (i = 0; i < 200; i++) {
		fiber = spawn(stack_of, NULL);
		run_fibers();
		cr_assert_eq(fiber_await(fiber, &value), 0);
		if (!UNDER_ASAN)
			cr_assert_eq(value, first, "another stack");
	}
	cr_assert_eq(fiber_stacks_used(fiber_runtime_current()), 1);
}

/* By less than the guard page at a time: a larger frame may begin beyond it. */
static intptr_t overrun(void *argument)
{
	volatile char frame[1024];

	memset((char *)frame, 1, sizeof(frame));
	if (argument != NULL)
		return overrun(argument) + frame[7];
	return frame[0];
}

#define STACK 65536

/* Byte by byte: AddressSanitizer does not like to see another fiber's stack. */
NOT_ASAN static void keep_bytes(volatile char *to, const volatile char *from)
{
	size_t i;

	for (i = 0; i < STACK; i++)
		to[i] = from[i];
}

NOT_ASAN static bool same_bytes(const volatile char *one, const volatile char *other)
{
	size_t i;

	for (i = 0; i < STACK; i++)
		if (one[i] != other[i])
			return false;
	return true;
}

static void *guard_begin, *guard_end;
static char neighbour[STACK]; /* what was on its stack */

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (info->si_addr < guard_begin || info->si_addr >= guard_end)
		_exit(2);
	/* Below the guard page is the end of the neighbour's stack. */
	_exit(same_bytes((char *)guard_begin - STACK, neighbour) ? 0 : 3);
}

/* The neighbour has yielded, and has no other turn. */
static intptr_t overrun_soon(void *argument)
{
	fiber_yield();
	keep_bytes(neighbour, (char *)guard_begin - STACK);
	return overrun(argument);
}

/* Two stacks side by side: the upper one's guard page stands between them. */
Test(fiber, a_stack_overrun_faults_at_the_guard_page)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct sigaction action = { .sa_sigaction = on_fault,
					    .sa_flags = SA_SIGINFO | SA_ONSTACK };
		static char other[65536];
		stack_t stack = { .ss_sp = other, .ss_size = sizeof(other) };
		fiber_handle fiber, other_fiber;

		begin_fibers(NULL);
		sigaltstack(&stack, NULL);
		sigaction(SIGSEGV, &action, NULL);
		other_fiber = spawn(yield_and_tell, NULL);
		fiber = spawn(overrun_soon, "");
		guard_end = fiber_runtime_current()->fibers[(uint32_t)fiber.bits - 1].stack;
		guard_begin = (char *)guard_end - sysconf(_SC_PAGESIZE);
		if ((char *)fiber_runtime_current()->fibers[(uint32_t)other_fiber.bits - 1].stack +
			    STACK !=
		    guard_begin)
			_exit(4); /* not neighbours */
		fiber_run();
		_exit(1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

/* ---- floating point ---- */

static intptr_t round_up(void *argument)
{
	volatile double one = 1, three = 3, result;
	int i;

	(void)argument;
	fesetround(FE_UPWARD);
	for (i = 0; i < 3; i++) {
		result = one / three;
		fiber_yield();
		cr_assert_eq(fegetround(), FE_UPWARD);
		cr_assert_eq(result, one / three);
	}
	return 0;
}

static intptr_t round_as_ever(void *argument)
{
	volatile long double one = 1, three = 3, third = one / three;
	static const double quotient = 1.0 / 3.0; /* by the compiler, to nearest */
	volatile double first = 1, second = 3;	  /* another unit on x86 */
	int i;

	(void)argument;
	for (i = 0; i < 3; i++) {
		cr_assert_eq(fegetround(), FE_TONEAREST);
		fiber_yield();
		cr_assert(one / three == third, "the x87's rounding");
		cr_assert(first / second == quotient, "rounding");
	}
	return 0;
}

FIBER_TEST(fiber, rounding_is_each_fibers_own)
{
	spawn(round_up, NULL);
	spawn(round_as_ever, NULL);
	run_fibers();
	cr_assert_eq(fegetround(), FE_TONEAREST);
}

/* ---- threads ---- */

static intptr_t count_up(void *count)
{
	int i;

	for (i = 0; i < 1000; i++) {
		++*(int *)count;
		fiber_yield();
	}
	return 0;
}

static void *run_a_thread(void *count)
{
	int ret = fiber_init(NULL);

	if (ret == 0) {
		fiber_spawn(count_up, count, NULL);
		fiber_spawn(count_up, count, NULL);
		ret = fiber_run();
		fiber_exit();
	}
	return (void *)(intptr_t)ret;
}

Test(fiber, each_thread_has_a_runtime_of_its_own)
{
	pthread_t threads[4];
	int counts[4] = { 0, 0, 0, 0 }, i;
	void *ret;

	for (i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, run_a_thread, &counts[i]), 0);
	for (i = 0; i < 4; i++) {
		cr_assert_eq(pthread_join(threads[i], &ret), 0);
		cr_assert_eq((intptr_t)ret, 0);
		cr_assert_eq(counts[i], 2000);
	}
	cr_assert_null(fiber_runtime_current(), "none of this thread");
}

static intptr_t run_another(void *runtime)
{
	int count = 0;

	cr_assert_eq(fiber_run(), -EINVAL, "it runs already");
	cr_assert_eq(fiber_runtime_spawn(runtime, count_up, &count, NULL), 0);
	cr_assert_eq(fiber_runtime_run(runtime), 0);
	cr_assert_eq(count, 1000);
	note('r');
	return 0;
}

FIBER_TEST(fiber, a_runtime_can_run_inside_another)
{
	struct fiber_runtime inner;
	int ret = fiber_runtime_init(&inner, NULL);

	cr_assert_eq(ret, 0);
	spawn(run_another, &inner);
	run_fibers();
	ASSERT_HAPPENED("r");
	cr_assert_eq(fiber_runtime_exit(&inner), 0);
}
