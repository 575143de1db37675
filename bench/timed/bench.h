/* SPDX-License-Identifier: MIT */
/*
 * bench.h - timed benchmarks: several contenders do the same, side by side
 *
 * A benchmark is work that can be counted in operations, and the contenders that
 * can do it: "ours", and what a user would pick instead. main.c opens all of them,
 * and then in each round lets every contender make as many operations, one after
 * the other, each round in another order. Each run is a line on standard output;
 * ratios are made from them elsewhere (bench/suite), round by round.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one run took. Left 0 by a run: from its beginning to its end, this thread. */
struct bench_time {
	uint64_t wall_ns;
	uint64_t cpu_ns; /* of the thread that does the work, in user mode and in the kernel */
};

/* What a contender is opened with: numbers of the benchmark, and of the size where it has several. */
struct bench_job {
	uint32_t batch;	      /* operations that are submitted together, or in flight */
	uint32_t bytes;	      /* of a message or a read */
	uint32_t connections; /* of a server */
	uint32_t entries;     /* of a ring that is made */
	uint32_t size;	      /* what a growth benchmark varies; else 0 */
};

struct bench_contender {
	const char *name; /* "ours", "bare", "L0", "L1", "epoll", ... */
	const char *what; /* how it does it, in a few words */
	/*
	 * Returns what the others get, or NULL after bench_absent() (it cannot be had here:
	 * told, and left out). What fails in any other way ends the program by bench_fail().
	 */
	void *(*open)(const struct bench_job *job);
	/* Makes @operations operations. Fills *time only if its own measure is the better one. */
	void (*run)(void *self, uint64_t operations, struct bench_time *time);
	void (*close)(void *self); /* may be NULL */
	/* Zero-terminated list of the only sizes it takes part in; NULL: all. */
	const uint32_t *sizes;
};

enum bench_measure {
	BENCH_WALL, /* judged by time */
	BENCH_CPU   /* judged by the worker's CPU time: where two programs talk, time is noise */
};

struct bench {
	const char *name;      /* "nop-1" */
	const char *what;      /* a sentence: what is done, with which numbers */
	const char *operation; /* what one operation is: "NOP", "message", "4 KiB read" */
	enum bench_measure measure;
	struct bench_job job;
	const uint32_t *sizes; /* growth: the sizes, ascending, zero-terminated; NULL: no growth */
	const char *size_is;   /* growth: what the size counts: "entries", "connections" */
	uint32_t round_us;     /* how long a run of ours should be; 0: 20,000 */
	uint64_t operations;   /* of one run, at least; 0: chosen by the time */
	bool charged;	       /* growth: tell the locked memory of each size (memlock.h) */
	bool alone;	       /* only one contender is open at a time: opened for each run */
	const struct bench_contender *const *contenders; /* "ours" first; NULL-terminated */
};

/* Every file of benchmarks has a NULL-terminated list, which main.c knows. */
extern const struct bench *const bench_nop[];
extern const struct bench *const bench_wait[];
extern const struct bench *const bench_read[];
extern const struct bench *const bench_queues[];
extern const struct bench *const bench_echo[];
extern const struct bench *const bench_zc[];
extern const struct bench *const bench_setup[];
extern const struct bench *const bench_fiber[];
extern const struct bench *const bench_growth[];

/* The version of liburing that this program is linked with, or NULL. */
const char *bench_liburing_version(void);

/* Why open() returns NULL. One sentence, without a stop. */
void bench_absent(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Print what failed, with the name of @error (an errno, of either sign; 0: none), and end the program. */
void bench_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

/* Zeroed memory, at a page; ends the program without it. */
void *bench_alloc(size_t bytes);

/* This thread is on one CPU; what it talks to is on the other. */
void bench_pin_peer(void); /* for a helper thread or a child process */

uint64_t bench_now(void);	 /* CLOCK_MONOTONIC, nanoseconds */
uint64_t bench_cpu_thread(void); /* CPU time of this thread */

/*
 * A number that a run wants to tell beside its time (bytes that were copied, how
 * many waits slept): the mean over the runs is in the result. @name is a literal.
 */
void bench_note(const char *name, double value);

#endif
