/* SPDX-License-Identifier: MIT */
/* program.h - how the programs here begin and end */
#ifndef FIBER_PROGRAM_H
#define FIBER_PROGRAM_H

#include <stdio.h>
#include <string.h>

#include "../../explain.h"
#include "fiber.h"

#define CANNOT 77

/* How the program is used: on stdout it was asked for, on stderr the arguments were wrong. Exit status. */
static inline int program_usage(FILE *to, const char *text)
{
	fputs(text, to);
	return to == stderr ? 2 : 0;
}

/* An argument that is a number from @least to @most; anything else is told, and ends the program with 2. */
static inline unsigned long program_number(const char *program, const char *name, const char *text,
					   unsigned long least, unsigned long most)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= least &&
	    value <= most)
		return value;
	fprintf(stderr, "%s: %s is a number from %lu to %lu, not \"%s\"\n", program, name, least,
		most, text);
	exit(2);
}

/* What a call returned, in words. */
static inline const char *program_words(int ret)
{
	return ret < 0 ? strerror(-ret) : "ok";
}

/* This thread's runtime; says why there is none. Exit status of the program, 0: go on. */
static inline int program_begin(const char *program, const struct fiber_config *config)
{
	int ret = fiber_init(config);

	if (ret == 0)
		return 0;
	explain_setup(program, ret);
	return CANNOT;
}

/* Run until all fibers have ended. Exit status of the program. */
static inline int program_run(void)
{
	int ret = fiber_run();

	if (ret < 0)
		fprintf(stderr, "%s\n",
			ret == -EDEADLK ? "fibers wait for each other" : strerror(-ret));
	fiber_exit();
	return ret < 0;
}

#endif
