/* SPDX-License-Identifier: MIT */
/**
 * fiber.h - cooperative fibers on a ring: a scheduler above oring, by its public headers alone
 *
 * A runtime belongs to one thread: it has a ring, fibers with pooled stacks, and a queue
 * of fibers that are ready. A fiber runs until it waits for something, yields, or ends.
 * I/O (fiber_io.h) suspends the fiber that asked for it and nobody else; channels, locks
 * and counters (fiber_sync.h) too; fiber_shared.h is for fibers of several threads.
 *
 *	static intptr_t greet(void *name)
 *	{
 *		printf("hello %s\n", (char *)name);
 *		return 0;
 *	}
 *
 *	fiber_init(NULL);                        this thread's runtime
 *	fiber_spawn(greet, "world", NULL);
 *	fiber_run();                             until all fibers have ended
 *	fiber_exit();
 *
 * All memory is one region, given by the caller or mapped once at init; afterwards nothing is
 * allocated or mapped. (The ring's two mappings are the kernel's.) Errors are negative
 * errno values.
 *
 * Threads: all functions belong to the runtime's thread, unless told otherwise. Those
 * without a runtime argument mean the one that runs now, else the thread's own.
 */
#ifndef FIBER_H
#define FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <oring.h>

#include "switch.h"

struct fiber;
struct fiber_runtime;

/* What a fiber runs; its value is what awaiting it gives. */
typedef intptr_t (*fiber_function)(void *argument);

/* A fiber, as long as its record is not used for another: then it is stale. 0 is none. */
typedef struct fiber_handle {
	uint64_t bits;
} fiber_handle;

/* Zero means the default. */
struct fiber_config {
	uint32_t fibers; /* that are alive at once: 64; at most 65536, before 6.13 half of it */
	uint32_t tasks;	 /* that wait for a fiber (fiber_post()): 256 */
	uint32_t stack_bytes;  /* of each fiber, whole pages: 65536 */
	uint32_t ring_entries; /* 64; at least 8. See fiber_operation() */
	uint32_t slots;	       /* registered files: none */
	bool pin;	       /* fiber_run() pins its thread to @cpu */
	uint32_t cpu;
	void *user;			  /* fiber_user() */
	void (*user_destroy)(void *user); /* called by fiber_runtime_exit(); NULL: not */
	void *memory; /* at a page, fiber_memory_size() bytes; NULL: mapped at init */
	size_t memory_bytes;
};

/* No limit of time. Others are nanoseconds from now; 0 or less: only what is there at once. */
#define FIBER_FOREVER INT64_MAX

/* ---- fields are not the caller's ---- */

struct fiber_list {
	struct fiber *first, *last;
};

enum fiber_state {
	FIBER_FREE, /* its record waits for the next; before, it ended with value */
	FIBER_NEW,
	FIBER_RUNS,    /* or is ready to */
	FIBER_PARKED,  /* in a list, until another fiber or a limit of time takes it out */
	FIBER_OPERATES /* until its operations have completed */
};

struct fiber {
	struct fiber_switch context;
	struct fiber *next, *previous; /* parked: in list; ready: next alone */
	struct fiber_list *list;
	struct fiber_list awaiting; /* fibers that wait for its end */
	struct fiber_runtime *runtime;
	fiber_function function;
	void *argument;
	intptr_t value;
	void *stack;
	/* Its operations. */
	struct oring_chain chain;
	struct oring_timespec limit;
	int32_t *results; /* own_results, or a chain's */
	int32_t own_results[2];
	uint32_t parts;	    /* entries of it, each with a completion */
	uint32_t pending;   /* completions to come */
	uint32_t operation; /* its number: part of their identity */
	uint32_t wanted;    /* entries that it waits to reserve */
	int32_t refused;    /* why there is no operation */
	uint32_t cancel_of; /* number of the operation that is to be cancelled */
	uint32_t cancel_part;
	struct fiber *next_cancel;
	/* A parked fiber's limit of time. */
	void *item; /* for the one that wakes it */
	int64_t deadline;
	intptr_t awaited; /* what the fiber that it waited for ended with */
	int32_t woken;	  /* what parking ended with */
	uint32_t timer;	  /* its place in the heap of limits, and 1; 0: none */
	uint32_t generation;
	uint32_t index;
	uint8_t state;	/* enum fiber_state */
	bool cancelled; /* to be told at its next point of suspension */
	bool told;	/* that it was cancelled, by what it waited for last */
	bool shielded;
	bool cancel_queued;
};

struct fiber_task {
	fiber_function function;
	void *argument;
};

struct fiber_runtime {
	struct oring ring;
	struct fiber_switch main;  /* the thread's own stack */
	struct fiber_switch *left; /* what was switched from */
	struct fiber *current;
	struct fiber *ended;		  /* it has left its stack for good, or is about to */
	struct fiber *ready, *last_ready; /* linked by next */
	struct fiber *round_last;	  /* the last one that runs before the ring is looked at */
	struct fiber_list room;		  /* fibers that wait for places in the queues */
	struct fiber *cancels, *last_cancel;
	struct fiber **timers; /* parked fibers with a limit: a heap by deadline */
	uint32_t timer_count;
	uint32_t live;
	uint32_t operating; /* fibers whose operations are in flight */
	uint32_t ending;    /* how often all are still cancelled; 0: it does not end */
	bool cancelling;    /* operations of these are being cancelled */
	uint32_t in_flight, promised, most_in_flight;
	uint32_t stacks_free, stacks_low; /* low: the fewest that were free */
	uint32_t free_first, free_count;
	uint32_t task_first, task_count;
	int error;    /* of the ring: ends the run */
	bool stopped; /* by fiber_stop() */
	struct fiber *fibers;
	uint32_t *free; /* records, first in, first out: results stay as long as possible */
	void **stacks;	/* the free ones, last in, first out: they are warm */
	struct fiber_task *tasks;
	struct fiber_config config; /* with the defaults filled in */
	bool mapped;
	uint64_t enters;
};

/* ---- runtimes ---- */

/** fiber_memory_size - bytes of the region for @config; 0 if it asks for what there cannot be. */
size_t fiber_memory_size(const struct fiber_config *config);

/**
 * fiber_runtime_init - make a runtime
 * @config: NULL: all defaults
 *
 * Return: 0; -EINVAL for a configuration that cannot be, or memory too small; -ENOTSUP where
 * stacks cannot be switched (switch.h); -ENOSYS, -EPERM, ... as oring_init(): no ring here.
 */
int fiber_runtime_init(struct fiber_runtime *runtime, const struct fiber_config *config);

/**
 * fiber_runtime_run - run until all fibers have ended and no task waits
 *
 * Return: 0, at once if there is none; 1 after fiber_stop(); -EDEADLK: fibers are left, and nothing is in flight
 * that could wake them (fiber_live() says how many: cancel them, or let others go on);
 * an error of the ring.
 */
int fiber_runtime_run(struct fiber_runtime *runtime);

/**
 * fiber_stop - by a fiber: when those that are ready have had their turn, fiber_run() returns 1
 *
 * The next run goes on. Outside of a run, the next one returns at once.
 */
void fiber_stop(void);

/**
 * fiber_runtime_exit - cancel what is left, end the ring, give the memory back
 *
 * Whoever waits again is cancelled again, some times, for about a second.
 *
 * Return: 0; -EBUSY if fibers live on all the same: then nothing was given back.
 */
int fiber_runtime_exit(struct fiber_runtime *runtime);

/* The same for a runtime that the thread has for itself. */
int fiber_init(const struct fiber_config *config);
int fiber_run(void);
int fiber_exit(void);

/** fiber_runtime_current - the runtime that runs in this thread, else the thread's own, else NULL. */
struct fiber_runtime *fiber_runtime_current(void);

/** fiber_user - the user pointer of the configuration. */
void *fiber_user(void);

/** fiber_live - fibers that have not ended. */
uint32_t fiber_live(const struct fiber_runtime *runtime);

/** fiber_stacks_used - how many stacks were ever in use at once. */
uint32_t fiber_stacks_used(const struct fiber_runtime *runtime);

/* ---- fibers ---- */

/**
 * fiber_runtime_spawn - a new fiber; it runs when it is its turn
 * @handle: receives its name; may be NULL
 *
 * No system call, no allocation. What @argument leads to stays the caller's until the fiber begins: one
 * that is cancelled before never does. Return: 0; -ENOBUFS if as many live as there can be.
 */
int fiber_runtime_spawn(struct fiber_runtime *runtime, fiber_function function, void *argument,
			fiber_handle *handle);
int fiber_spawn(fiber_function function, void *argument, fiber_handle *handle);

/**
 * fiber_post - run @function in a fiber, now or when one is free; nobody can await it
 *
 * Return: 0; -ENOBUFS if as many tasks wait as there can be.
 */
int fiber_post(fiber_function function, void *argument);

/** fiber_self - the fiber that runs; none outside of fibers. */
fiber_handle fiber_self(void);

/** fiber_yield - let the others run first. No system call of its own. Return: 0; -ECANCELED. */
int fiber_yield(void);

/**
 * fiber_await - wait for a fiber's end
 * @value: receives what its function returned; -ECANCELED if it was cancelled before it began;
 *         may be NULL
 *
 * Return: 0; -ESTALE its record is another's already, or it never was one; -EDEADLK it is the
 * caller; -ECANCELED the caller was cancelled; -EINVAL outside of a fiber, of one that has not ended.
 */
int fiber_await(fiber_handle fiber, intptr_t *value);

/**
 * fiber_runtime_cancel - ask a fiber to end
 *
 * The wait that it is in, or comes to next, returns -ECANCELED, once: what it does then is
 * its own affair. One that has not begun never does. Closing a file is not interrupted, nor
 * is a fiber behind fiber_shield().
 *
 * Return: 0; -ESTALE; -EALREADY it has ended.
 */
int fiber_runtime_cancel(struct fiber_runtime *runtime, fiber_handle fiber);
int fiber_cancel(fiber_handle fiber);

/**
 * fiber_shield - whether cancels wait until they are let through again
 *
 * For what must be done to the end. Return: what it was before.
 */
bool fiber_shield(bool on);

/** fiber_now - the time that limits count by: CLOCK_MONOTONIC, in nanoseconds. Any thread. */
int64_t fiber_now(void);

/* ---- any operation of prep.h ---- */

/**
 * fiber_operation - an entry for one operation of the fiber that runs
 * @limit: nanoseconds; FIBER_FOREVER
 *
 *	sqe = fiber_operation(limit);
 *	if (sqe != NULL)
 *		oring_prep_ftruncate(sqe, file, length);
 *	return fiber_wait();
 *
 * Until fiber_wait() nothing else may be waited for. Waits for room in the queues, first come, first served; that counts against the limit. There is
 * room for 7/4 of ring_entries at once, where an operation with a limit counts twice: a server has
 * as many as there are connections that wait. The entry has its identity. One that completes more
 * than once is not for this.
 *
 * Return: NULL if there is none: fiber_wait() says why.
 */
struct oring_sqe *fiber_operation(int64_t limit);

/**
 * fiber_wait - wait for that operation
 *
 * Return: its result; -ETIME: the limit came first; -ECANCELED: it was cancelled, by
 * fiber_cancel() or by a cancel of its file; -EINVAL outside of a fiber; an error of the ring.
 */
int fiber_wait(void);

/**
 * fiber_chain - an operation of up to @n entries (chain.h), which are submitted together
 * @results: receives the result of each
 *
 * Return: 0: take the entries, prepare each, and fiber_chain_wait(); -ECANCELED; -EINVAL outside
 * of a fiber, or for more entries than the ring has, or than 255.
 */
int fiber_chain(uint32_t n, int32_t *results);

/** fiber_chain_next - the next entry: it starts when the one before it succeeded; NULL: all are taken. */
struct oring_sqe *fiber_chain_next(void);

/**
 * fiber_chain_wait - wait for all that were taken
 *
 * A cancel is told by -ECANCELED among the results, as what follows a failure is. Return: how many.
 */
int fiber_chain_wait(void);

/**
 * fiber_tell_again - a cancel that was told by the last wait is told again by the next
 *
 * For who has something better to return: how much was done before.
 */
void fiber_tell_again(void);

/** fiber_told - the last wait told of a cancel by fiber_cancel(), not by one of the file. */
bool fiber_told(void);

/* ---- for waits of one's own, as fiber_sync.h has them ---- */

/**
 * fiber_park - suspend the fiber that runs, at the end of @list
 * @item: what the one that wakes it finds in list->first->item
 * @limit: nanoseconds; FIBER_FOREVER
 *
 * Return: what fiber_unpark() gave; -ETIME, also at once for a limit of 0; -ECANCELED; -EINVAL outside
 * of a fiber.
 */
int fiber_park(struct fiber_list *list, void *item, int64_t limit);

/** fiber_unpark - make @list's first fiber ready; its fiber_park() returns @result. False: it is empty. */
bool fiber_unpark(struct fiber_list *list, int result);

#endif
