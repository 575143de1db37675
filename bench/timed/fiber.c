/* SPDX-License-Identifier: MIT */
/*
 * What the fibers of examples/fiber cost: a switch, a yield, a fiber from its beginning to its
 * end, an item through a channel. None of it enters the kernel; who does the same in other ways often does.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#include "fiber.h"
#include "fiber_sync.h"

#define STACK 65536

/* ---- a runtime, and what each benchmark does in it ---- */

struct fibers {
	struct fiber_runtime runtime;
	uint64_t left;
	struct fiber_channel channel;
	uint64_t item;
};

static void *open_fibers(const struct bench_job *job)
{
	struct fibers *fibers = calloc(1, sizeof(*fibers));
	int ret;

	(void)job;
	if (fibers == NULL)
		bench_fail(ENOMEM, "fibers");
	ret = fiber_runtime_init(&fibers->runtime, NULL);
	if (ret < 0) {
		free(fibers);
		bench_absent("no runtime: errno %d", -ret);
		return NULL;
	}
	return fibers;
}

static void close_fibers(void *self)
{
	struct fibers *fibers = self;

	fiber_runtime_exit(&fibers->runtime);
	free(fibers);
}

static void spawn(struct fibers *fibers, fiber_function function)
{
	int ret = fiber_runtime_spawn(&fibers->runtime, function, fibers, NULL);

	if (ret < 0)
		bench_fail(ret, "spawn");
}

/* Until all have ended; @enters: how often the kernel may have been entered. */
static void run_all(struct fibers *fibers, uint64_t operations)
{
	uint64_t before = fibers->runtime.enters;
	int ret = fiber_runtime_run(&fibers->runtime);

	if (ret < 0 || fibers->runtime.enters != before)
		bench_fail(ret, "a run that entered the kernel %llu times",
			   (unsigned long long)(fibers->runtime.enters - before));
	bench_note("enters per operation",
		   (double)(fibers->runtime.enters - before) / (double)operations);
}

static intptr_t yield_in_turn(void *argument)
{
	struct fibers *fibers = argument;

	while (fibers->left > 0) {
		fibers->left--;
		fiber_yield();
	}
	return 0;
}

static void run_yield(void *self, uint64_t operations, struct bench_time *time)
{
	struct fibers *fibers = self;
	int i;

	(void)time;
	fibers->left = operations;
	for (i = 0; i < 8; i++)
		spawn(fibers, yield_in_turn);
	run_all(fibers, operations);
	if (fibers->left != 0)
		bench_fail(0, "yields are left");
}

static intptr_t end_at_once(void *argument)
{
	return (intptr_t)argument;
}

static intptr_t spawn_and_await(void *argument)
{
	struct fibers *fibers = argument;

	for (; fibers->left > 0; fibers->left--) {
		fiber_handle fiber;
		intptr_t value = 0;

		if (fiber_spawn(end_at_once, (void *)(uintptr_t)fibers->left, &fiber) < 0 ||
		    fiber_await(fiber, &value) < 0 || (uintptr_t)value != fibers->left)
			bench_fail(0, "another value");
	}
	return 0;
}

static void run_spawn(void *self, uint64_t operations, struct bench_time *time)
{
	struct fibers *fibers = self;

	(void)time;
	fibers->left = operations;
	spawn(fibers, spawn_and_await);
	run_all(fibers, operations);
}

static intptr_t send_items(void *argument)
{
	struct fibers *fibers = argument;
	uint64_t i;

	for (i = 1; i <= fibers->left; i++)
		fiber_channel_send(&fibers->channel, &i, FIBER_FOREVER);
	fiber_channel_close(&fibers->channel);
	return 0;
}

static intptr_t receive_items(void *argument)
{
	struct fibers *fibers = argument;
	uint64_t item, last = 0;

	while (fiber_channel_recv(&fibers->channel, &item, FIBER_FOREVER) == 0)
		if (item != ++last)
			bench_fail(0, "another item");
	if (last != fibers->left)
		bench_fail(0, "items were lost");
	return 0;
}

/* Of one place: each item is handed over. */
static void run_channel(void *self, uint64_t operations, struct bench_time *time)
{
	struct fibers *fibers = self;

	(void)time;
	fibers->left = operations;
	fiber_channel_init(&fibers->channel, &fibers->item, sizeof(fibers->item), 1);
	spawn(fibers, receive_items);
	spawn(fibers, send_items);
	run_all(fibers, operations);
}

/* ---- two contexts without a scheduler ---- */

struct pair {
	struct fiber_switch here, there, *left;
	ucontext_t main, other;
	void *stack;
	bool leave;
};

static void *open_pair(const struct bench_job *job)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	(void)job;
	if (pair == NULL)
		bench_fail(ENOMEM, "pair");
	pair->stack = bench_alloc(STACK);
	return pair;
}

static void close_pair(void *self)
{
	free(self); /* its stack is the process's until it ends: a few pages */
}

static void bounce(void *self)
{
	struct pair *pair = self;

	for (;;)
		fiber_switch_to(&pair->there, &pair->here, &pair->left);
}

/* There and back are two. */
static void run_switch(void *self, uint64_t operations, struct bench_time *time)
{
	struct pair *pair = self;
	uint64_t i;

	(void)time;
	fiber_switch_prepare(&pair->there, pair->stack, STACK, bounce, pair);
	for (i = 0; i < operations; i += 2)
		fiber_switch_to(&pair->here, &pair->there, &pair->left);
}

static struct pair *bouncing; /* makecontext() passes no pointers */

static void bounce_ucontext(void)
{
	for (;;)
		swapcontext(&bouncing->other, &bouncing->main);
}

static void run_ucontext(void *self, uint64_t operations, struct bench_time *time)
{
	struct pair *pair = self;
	uint64_t i;

	(void)time;
	bouncing = pair;
	getcontext(&pair->other);
	pair->other.uc_stack.ss_sp = pair->stack;
	pair->other.uc_stack.ss_size = STACK;
	makecontext(&pair->other, bounce_ucontext, 0);
	for (i = 0; i < operations; i += 2)
		swapcontext(&pair->main, &pair->other);
}

/* ---- the kernel's ways ---- */

static void run_sched_yield(void *self, uint64_t operations, struct bench_time *time)
{
	(void)self;
	(void)time;
	while (operations-- > 0)
		sched_yield();
}

static void *thread_ends(void *argument)
{
	return argument;
}

static void run_thread(void *self, uint64_t operations, struct bench_time *time)
{
	(void)self;
	(void)time;
	for (; operations > 0; operations--) {
		pthread_t thread;
		void *value;

		if (pthread_create(&thread, NULL, thread_ends, (void *)(uintptr_t)operations) !=
			    0 ||
		    pthread_join(thread, &value) != 0 || (uintptr_t)value != operations)
			bench_fail(0, "a thread");
	}
}

struct a_pipe {
	int ends[2];
};

static void *open_pipe(const struct bench_job *job)
{
	struct a_pipe *a_pipe = malloc(sizeof(*a_pipe));

	(void)job;
	if (a_pipe == NULL || pipe(a_pipe->ends) < 0)
		bench_fail(errno, "pipe");
	return a_pipe;
}

static void close_pipe(void *self)
{
	struct a_pipe *a_pipe = self;

	close(a_pipe->ends[0]);
	close(a_pipe->ends[1]);
	free(a_pipe);
}

static void run_pipe(void *self, uint64_t operations, struct bench_time *time)
{
	struct a_pipe *a_pipe = self;

	(void)time;
	for (; operations > 0; operations--) {
		uint64_t item = operations, back = 0;

		if (write(a_pipe->ends[1], &item, sizeof(item)) != sizeof(item) ||
		    read(a_pipe->ends[0], &back, sizeof(back)) != sizeof(back) || back != item)
			bench_fail(errno, "a pipe");
	}
}

/* ---- the benchmarks ---- */

static const struct bench_contender yield_ours = { "ours",	 "fiber_yield(), 8 fibers",
						   open_fibers,	 run_yield,
						   close_fibers, 0 };
static const struct bench_contender yield_kernel = {
	"sched_yield", "the system call alone, nobody else to run",
	open_pair,     run_sched_yield,
	close_pair,    0
};
static const struct bench_contender switch_ours = { "ours",	"fiber_switch_to()", open_pair,
						    run_switch, close_pair,	     0 };
static const struct bench_contender switch_ucontext = {
	"swapcontext", "the C library's, with a system call", open_pair, run_ucontext, close_pair, 0
};
static const struct bench_contender spawn_ours = { "ours",	 "fiber_spawn() and fiber_await()",
						   open_fibers,	 run_spawn,
						   close_fibers, 0 };
static const struct bench_contender spawn_thread = {
	"thread", "pthread_create() and pthread_join()", open_pair, run_thread, close_pair, 0
};
static const struct bench_contender channel_ours = {
	"ours", "a channel of one place, two fibers", open_fibers, run_channel, close_fibers, 0
};
static const struct bench_contender channel_pipe = { "pipe",	 "write and read of one thread",
						     open_pipe,	 run_pipe,
						     close_pipe, 0 };

#define FIBER(variable, a_name, a_what, an_operation, ...)                                   \
	static const struct bench_contender *const variable##_all[] = { __VA_ARGS__, NULL }; \
	static const struct bench variable = {                                               \
		.name = a_name,                                                              \
		.what = a_what,                                                              \
		.operation = an_operation,                                                   \
		.measure = BENCH_WALL,                                                       \
		.job = { .batch = 1 },                                                       \
		.contenders = variable##_all,                                                \
	}

FIBER(switches, "fiber-switch", "From one stack to another and back", "switch", &switch_ours,
      &switch_ucontext);
FIBER(yields, "fiber-yield", "Who runs lets the next one run", "yield", &yield_ours, &yield_kernel);
FIBER(spawns, "fiber-spawn", "A function that returns at once, begun and waited for", "fiber",
      &spawn_ours, &spawn_thread);
FIBER(channels, "fiber-channel", "Eight bytes from one to the other", "item", &channel_ours,
      &channel_pipe);

const struct bench *const bench_fiber[] = { &switches, &yields, &spawns, &channels, NULL };
