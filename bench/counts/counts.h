/* SPDX-License-Identifier: MIT */
/*
 * counts.h - what the cases of each peer share
 *
 * A case is a function by itself, case_PEER_NAME, called through a pointer. One
 * call makes @n operations in a loop, by what a user of that peer would write; what
 * can fail is checked. The operands of each come from a request in memory, all of
 * them into registers, and the compiler knows nothing about them. Of rows of a
 * single step the same loop with nothing else in it is taken off.
 */
#ifndef COUNTS_H
#define COUNTS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STEPS_MAX  64U /* at once */
#define SQ_ENTRIES 256U
#define CQ_ENTRIES 512U
#define BUFFERS	   256U
#define BUF_BYTES  2048U

/* @value is needed here. No instruction. */
#define SINK(value) __asm__ volatile("" : : "r"(value))
/* Any memory may be another from here on. No instruction. */
#define HIDE() __asm__ volatile("" : : : "memory")

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
/* What a case consists of becomes part of it. */
#define PART   __attribute__((always_inline)) static inline
#define UNUSED __attribute__((unused))

struct request {
	void *buf;
	size_t len;
	uint64_t extra;	   /* an offset */
	uint64_t identity; /* a user_data */
	int fd;
	int flags;
	uint16_t index; /* of a buffer or a group */
};

/* @peer: what its setup made. @requests: n of them. */
#define CASE(peer_name, name)                                           \
	__attribute__((noinline)) static int case_##peer_name##_##name( \
		UNUSED void *peer, UNUSED const struct request *requests, UNUSED uint32_t n)

/* For each request. */
#define EACH                                                                                  \
	for (const struct request *request = requests, *end_ = requests + n; request != end_; \
	     request++)

/* So many times. */
#define REPEAT for (uint32_t each = 0; each < n; each++)

/*
 * Inside of EACH: the operands, in registers. Loads of less than 64 bits fill the
 * rest with zeros: by way of wide variables the compiler does not forget that.
 */
#define OPERANDS                                                                          \
	UNUSED const uint64_t wide_fd = (uint32_t)request->fd;                            \
	UNUSED const uint64_t wide_index = request->index;                                \
	UNUSED const int fd = (int)(uint32_t)wide_fd;                                     \
	UNUSED const uint16_t index = (uint16_t)wide_index;                               \
	UNUSED void *const buf = request->buf;                                            \
	UNUSED const size_t len = request->len;                                           \
	UNUSED const uint64_t extra = request->extra;                                     \
	UNUSED const int flags = request->flags;                                          \
	UNUSED const uint64_t identity = request->identity;                               \
	__asm__ volatile(""                                                               \
			 :                                                                \
			 : "r"(wide_fd), "r"(wide_index), "r"(buf), "r"(len), "r"(extra), \
			   "r"(flags), "r"(identity))

/* What a case needs. */
#define MOCK   1U /* a mock ring: memory of this program */
#define REAL   2U /* a ring of the kernel */
#define SINGLE 4U /* a single step: its loop is made longer, and the empty one is taken off */
#define LOOP   8U /* its loop is made longer; otherwise there are more calls */

struct counted_case {
	const char *name;
	int (*run)(void *peer, const struct request *requests, uint32_t n);
	unsigned int needs;
};

/* The kernel's side of a mock ring, and its memory. */
struct mock {
	uint32_t sq_head, sq_tail, sq_flags, sq_dropped;
	uint32_t cq_head, cq_tail, cq_flags, cq_overflow;
	void *sqes, *cqes; /* at a page */
	uint32_t *array;
	void *bufs; /* of a ring of provided buffers */
};

struct counted_peer {
	const char *name;
	const char *version; /* or NULL */
	/* Returns what the cases get as @peer; ends the program if it cannot. */
	void *(*setup)(struct mock *mock, unsigned int needs);
	const struct counted_case *cases; /* ends with a name of NULL */
};

extern const struct counted_peer counted_ours, counted_bare, counted_liburing;

/* Ends the program. @error: an errno, of either sign. */
void counted_fail(const char *what, int error) __attribute__((noreturn));

#endif
