/* SPDX-License-Identifier: MIT */
/* program.h - how the programs here begin and end */
#ifndef FIBER_PROGRAM_H
#define FIBER_PROGRAM_H

#include <stdio.h>
#include <string.h>

#include "../../explain.h"
#include "fiber.h"

#define CANNOT 77

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
		fprintf(stderr, "%s\n", ret == -EDEADLK ? "fibers wait for each other" : strerror(-ret));
	fiber_exit();
	return ret < 0;
}

#endif
