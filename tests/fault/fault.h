/* SPDX-License-Identifier: MIT */
/*
 * fault.h - the library with its system calls in our hands
 *
 * The sources of the library are built once more with ORING_EXTERNAL_CALLS: each call
 * goes through oring_external_call(), which counts it, keeps books of what is open and
 * mapped, and lets one of them fail, or come to less than it was asked for. A scenario is
 * a use of the library that goes on, or ends well, whatever its calls return.
 */
#ifndef FAULT_H
#define FAULT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oring.h>

/* The library's law is broken: say where, with what fails, and go on. */
#define CHECK(condition) fault_check((condition), #condition, __FILE__, __LINE__)

void fault_check(bool holds, const char *what, const char *file, int line);

/* The error that was the first made to happen in this run, negative; 0 before it has. */
long fault_error(void);

/* Whether it is an error that was made to happen in this run. */
bool fault_made(int ret);

/* Whether a result is a success or a negative errno that the kernel or the library gives. */
bool fault_is_result(int ret);

/* The result of the call of this run that came to less than it was asked for; 0 before it. */
int fault_came_to(void);

/* A stand-in says: the setup that is being made was answered as by another kernel. */
void fault_answered_oddly(void);

/* A system call as the library makes it. */
struct fault_call {
	long nr, a, b, c, d, e, f;
};

/*
 * Stands for the kernel where the running one cannot: is asked first, and returns
 * whether it has made the call, with the result in *ret. NULL again at a scenario's end.
 */
extern bool (*fault_stand_in)(const struct fault_call *call, long *ret);

struct scenario {
	const char *name;
	void (*run)(void);
};

extern const struct scenario scenarios[]; /* ends with a name of NULL */

#endif
