/* SPDX-License-Identifier: MIT */
/*
 * Runtimes: their making and ending, and the scheduler. Between two rounds of fibers (fibers.c),
 * unless nothing is to be done, it looks at the ring: it submits what they have prepared, reaps, and
 * sleeps if nobody is ready.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEFAULT_FIBERS	64
#define DEFAULT_TASKS	256
#define DEFAULT_STACK	65536
#define DEFAULT_ENTRIES 64
#define LEAST_ENTRIES	8
#define MOST		65536
#define TRIES		1000 /* of a submit that the kernel has no memory for */
#define CANCEL_ROUNDS \
	100 /* of fiber_runtime_exit(), with a sleep where there is something to wait for */
#define CANCEL_SLEEP  10000000
#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL, which this C library may not know */
#define GUARD_REMOVE  103

_Thread_local struct fiber_runtime *fiber_running;
static _Thread_local struct fiber_runtime own;
static _Thread_local bool own_is_made;

/* ---- running ---- */

/* Submit what there is; sleep until a completion comes, or a parked fiber's time. */
static int sleep_in_ring(struct fiber_runtime *runtime)
{
	/*
	 * Of one fiber alone every part has to come: of a chain, of an operation with its limit.
	 * But some may be room enough for whoever waits for that.
	 */
	bool alone = runtime->operating == 1 && !runtime->cancelling && runtime->room.first == NULL;
	uint32_t want = alone ? runtime->in_flight : 1;
	struct oring_wait_arg arg;
	int64_t limit = CANCEL_SLEEP;
	int ret;

	runtime->enters++;
	if (runtime->timer_count == 0 && runtime->ending == 0)
		return oring_submit_and_wait(&runtime->ring, want);
	if (runtime->ending == 0)
		limit = runtime->timers[0]->deadline - fiber_now();
	limit = limit > 0 ? limit : 1;
	oring_wait_relative(&arg, limit / 1000000000, limit % 1000000000);
	ret = oring_submit_and_wait_timeout(&runtime->ring, want, &arg, NULL);
	return ret == -ETIME ? 0 : ret;
}

/* At the end of the runtime: whoever waits again is told again, as often as ending says. */
static void cancel_all(struct fiber_runtime *runtime)
{
	uint32_t i;

	runtime->ending--;
	for (i = 0; i < runtime->config.fibers; i++)
		fiber_runtime_cancel(runtime, fiber_handle_of(&runtime->fibers[i]));
}

/* Between two rounds. False: nobody is ready, and nothing can make anybody so; or the ring has failed. */
static bool look(struct fiber_runtime *runtime)
{
	struct oring *ring = &runtime->ring;
	uint32_t tries = 0;

	while (!runtime->stopped) {
		bool asleep;
		int ret = 0;

		fiber_expire(runtime);
		fiber_let_in(
			runtime); /* who waited first may have gone without what the next one needs */
		fiber_send_cancels(runtime);
		if (runtime->ready == NULL && runtime->ending > 1) {
			cancel_all(runtime);
			fiber_send_cancels(runtime);
		}
		asleep = runtime->ready == NULL;
		if (asleep) {
			if (runtime->ending == 1 ||
			    (runtime->in_flight == 0 && runtime->timer_count == 0))
				return false;
			ret = sleep_in_ring(runtime);
		} else if (oring_sq_pending(ring) > 0 || oring_taskrun_pending(ring)) {
			runtime->enters++;
			ret = oring_submit_and_wait(ring, 0);
		}
		if (oring_cq_ready(ring) > 0) {
			fiber_reap(runtime);
			tries = 0;
			fiber_expire(runtime); /* before those that came later go on */
		}
		if (ret < 0 && ret != -EINTR && (ret != -EAGAIN || ++tries == TRIES) &&
		    ret != -EBUSY) {
			runtime->error = ret;
			return false;
		}
		if (runtime->ready != NULL)
			return true;
	}
	return false;
}

int fiber_runtime_run(struct fiber_runtime *runtime)
{
	struct fiber_runtime *outer = fiber_running;

	if (runtime->current != NULL)
		return -EINVAL; /* it runs */
	if (runtime->config.pin) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(runtime->config.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0)
			return -errno;
	}
	runtime->error = 0;
	fiber_running = runtime;
	fiber_switch_here(&runtime->main);
	for (;;) {
		struct fiber_switch *next;

		if (runtime->ended != NULL)
			fiber_release(runtime);
		fiber_start_tasks(runtime);
		if (!look(runtime))
			break;
		runtime->round_last = runtime->last_ready;
		next = fiber_next_context(runtime);
		fiber_switch_to(&runtime->main, next, &runtime->left);
	}
	fiber_running = outer;
	if (runtime->error < 0)
		return runtime->error;
	if (runtime->stopped) {
		runtime->stopped = false;
		return 1;
	}
	return runtime->live > 0 ? -EDEADLK : 0;
}

/* ---- making and ending ---- */

static size_t whole(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

/* With the defaults; false if it asks for what there cannot be. */
static bool complete_config(struct fiber_config *config, const struct fiber_config *wish)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	memset(config, 0, sizeof(*config));
	if (wish != NULL)
		*config = *wish;
	if (config->fibers == 0)
		config->fibers = DEFAULT_FIBERS;
	if (config->tasks == 0)
		config->tasks = DEFAULT_TASKS;
	if (config->stack_bytes == 0)
		config->stack_bytes = DEFAULT_STACK;
	if (config->ring_entries == 0)
		config->ring_entries = DEFAULT_ENTRIES;
	if (config->ring_entries < LEAST_ENTRIES)
		config->ring_entries = LEAST_ENTRIES;
	if (config->fibers > MOST || config->tasks > MOST * 16 || config->stack_bytes > 1U << 30)
		return false;
	config->stack_bytes = (uint32_t)whole(config->stack_bytes, page);
	return !config->pin || config->cpu < CPU_SETSIZE;
}

/* Bytes before the stacks. */
static size_t records_size(const struct fiber_config *config)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return whole(
		config->fibers * (sizeof(struct fiber) + 2 * sizeof(void *) + sizeof(uint32_t)) +
			config->tasks * sizeof(struct fiber_task),
		page);
}

static size_t stack_stride(const struct fiber_config *config)
{
	return config->stack_bytes + (size_t)sysconf(_SC_PAGESIZE);
}

size_t fiber_memory_size(const struct fiber_config *wish)
{
	struct fiber_config config;

	if (!complete_config(&config, wish))
		return 0;
	return records_size(&config) + config.fibers * stack_stride(&config);
}

/* Each stack has a page below it that nobody may touch. */
static int guard(struct fiber_runtime *runtime, bool on)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), stride = stack_stride(&runtime->config);
	char *first = (char *)runtime->config.memory + records_size(&runtime->config);
	uint32_t i;

	for (i = 0; i < runtime->config.fibers; i++) {
		/* Since 6.13; mprotect() makes mappings of it, of which there cannot be as many. */
		int ret = madvise(first + i * stride, page, on ? GUARD_INSTALL : GUARD_REMOVE);

		if (ret < 0 || !on)
			ret = mprotect(first + i * stride, page,
				       on ? PROT_NONE : PROT_READ | PROT_WRITE);
		if (ret < 0)
			return -errno;
	}
	return 0;
}

static void divide(struct fiber_runtime *runtime)
{
	const struct fiber_config *config = &runtime->config;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), stride = stack_stride(config);
	char *memory = config->memory, *first = memory + records_size(config);
	uint32_t i;

	memset(memory, 0, records_size(config));
	runtime->fibers = (struct fiber *)(void *)memory;
	memory += config->fibers * sizeof(struct fiber);
	runtime->stacks = (void **)(void *)memory;
	memory += config->fibers * sizeof(void *);
	runtime->timers = (struct fiber **)(void *)memory;
	memory += config->fibers * sizeof(void *);
	runtime->tasks = (struct fiber_task *)(void *)memory;
	memory += config->tasks * sizeof(struct fiber_task);
	runtime->free = (uint32_t *)(void *)memory;
	for (i = 0; i < config->fibers; i++) {
		runtime->fibers[i].index = i;
		runtime->fibers[i].runtime = runtime;
		runtime->free[i] = i;
		/* The last is taken first: it is the first in memory. */
		runtime->stacks[config->fibers - 1 - i] = first + i * stride + page;
	}
	runtime->free_count = runtime->stacks_free = runtime->stacks_low = config->fibers;
}

static int take_memory(struct fiber_runtime *runtime)
{
	struct fiber_config *config = &runtime->config;
	size_t size = fiber_memory_size(config);

	if (config->memory != NULL)
		return config->memory_bytes >= size ? 0 : -EINVAL;
	config->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (config->memory == MAP_FAILED)
		return -errno;
	config->memory_bytes = size;
	runtime->mapped = true;
	return 0;
}

static void give_memory(struct fiber_runtime *runtime)
{
	if (runtime->mapped)
		munmap(runtime->config.memory, runtime->config.memory_bytes);
	else
		guard(runtime, false);
}

int fiber_runtime_init(struct fiber_runtime *runtime, const struct fiber_config *config)
{
	int ret;

	memset(runtime, 0, sizeof(*runtime));
	if (!complete_config(&runtime->config, config))
		return -EINVAL;
	if (!fiber_switch_works())
		return -ENOTSUP;
	ret = oring_init_fast(&runtime->ring, runtime->config.ring_entries, NULL, NULL);
	if (ret < 0)
		return ret;
	ret = take_memory(runtime);
	if (ret < 0) {
		oring_exit(&runtime->ring);
		return ret;
	}
	divide(runtime);
	ret = guard(runtime, true);
	if (ret == 0 && runtime->config.slots > 0)
		ret = oring_register_files_sparse(&runtime->ring, runtime->config.slots);
	if (ret == 0)
		ret = oring_start(&runtime->ring);
	if (ret < 0) {
		oring_exit(&runtime->ring);
		give_memory(runtime);
	}
	return ret;
}

int fiber_runtime_exit(struct fiber_runtime *runtime)
{
	uint32_t i;
	int ret;

	runtime->task_count = 0;
	if (runtime->live > 0 && runtime->error == 0) {
		runtime->ending = CANCEL_ROUNDS;
		cancel_all(runtime);
		fiber_runtime_run(runtime);
		runtime->ending = 0;
	}
	if (runtime->live > 0 && runtime->error == 0)
		return -EBUSY;
	/* After an error of the ring fibers are left where they stand; what the kernel does for them ends first. */
	if (runtime->error < 0)
		oring_drain(&runtime->ring, NULL);
	ret = oring_exit(&runtime->ring);
	for (i = 0; i < runtime->config.fibers; i++)
		fiber_switch_forget(&runtime->fibers[i].context);
	if (runtime->config.user_destroy != NULL)
		runtime->config.user_destroy(runtime->config.user);
	give_memory(runtime);
	memset(runtime, 0, sizeof(*runtime));
	return ret;
}

struct fiber_runtime *fiber_runtime_current(void)
{
	if (fiber_running != NULL)
		return fiber_running;
	return own_is_made ? &own : NULL;
}

int fiber_init(const struct fiber_config *config)
{
	int ret;

	if (own_is_made)
		return -EALREADY;
	ret = fiber_runtime_init(&own, config);
	own_is_made = ret == 0;
	return ret;
}

void fiber_stop(void)
{
	struct fiber_runtime *runtime = fiber_runtime_current();

	if (runtime != NULL)
		runtime->stopped = true;
}

int fiber_run(void)
{
	return own_is_made ? fiber_runtime_run(&own) : -EINVAL;
}

int fiber_exit(void)
{
	int ret;

	if (!own_is_made)
		return -EINVAL;
	ret = fiber_runtime_exit(&own);
	own_is_made = ret == -EBUSY;
	return ret;
}

int fiber_spawn(fiber_function function, void *argument, fiber_handle *handle)
{
	return fiber_runtime_spawn(fiber_runtime_current(), function, argument, handle);
}

int fiber_cancel(fiber_handle fiber)
{
	return fiber_runtime_cancel(fiber_runtime_current(), fiber);
}

void *fiber_user(void)
{
	struct fiber_runtime *runtime = fiber_runtime_current();

	return runtime != NULL ? runtime->config.user : NULL;
}

uint32_t fiber_live(const struct fiber_runtime *runtime)
{
	return runtime->live;
}

uint32_t fiber_stacks_used(const struct fiber_runtime *runtime)
{
	return runtime->config.fibers - runtime->stacks_low;
}
