/* SPDX-License-Identifier: MIT */
/*
 * explain.h - what keeps a program from starting, in plain words
 *
 * explain_setup() for a ring that could not be made; explain_number() for an
 * argument that should have been a number. Shared by examples/ and tools/.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* The number in a file of /proc, or -1. */
static inline int explain_read(const char *path)
{
	FILE *file = fopen(path, "re");
	int value = -1;

	if (file == NULL)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

/* EPERM: a sysctl or a filter. The sysctl can be read, the filter cannot. */
static inline void explain_forbidden(const char *program)
{
	int disabled = explain_read("/proc/sys/kernel/io_uring_disabled");

	if (disabled == 2)
		fprintf(stderr,
			"%s: io_uring is switched off on this machine: sysctl "
			"kernel.io_uring_disabled is 2 (nobody may make a ring)\n",
			program);
	else if (disabled == 1)
		fprintf(stderr,
			"%s: io_uring is not for everyone on this machine: sysctl "
			"kernel.io_uring_disabled is 1 (only CAP_SYS_ADMIN and the group in "
			"kernel.io_uring_group may make a ring)\n",
			program);
	else
		fprintf(stderr,
			"%s: this process may not use io_uring: most likely a seccomp filter "
			"forbids it (container runtimes install one; their profile can allow "
			"io_uring_setup, io_uring_enter and io_uring_register)\n",
			program);
}

/* A limit as people know it; @unit is what one of it is called. */
static inline void explain_limit(int resource, const char *name, unsigned int divisor,
				 const char *unit)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		fprintf(stderr, "%s is unlimited", name);
	else
		fprintf(stderr, "%s is %llu %s", name, (unsigned long long)limit.rlim_cur / divisor,
			unit);
}

/**
 * explain_setup - say on stderr why there is no ring
 * @program: begins the sentence
 * @error: negative errno from oring_init() or oring_feature_try_setup()
 */
static inline void explain_setup(const char *program, int error)
{
	switch (-error) {
	case ENOSYS:
		fprintf(stderr,
			"%s: no io_uring here: the kernel was built without it or is older than "
			"5.1, or a container's seccomp filter hides it\n",
			program);
		break;
	case EPERM:
		explain_forbidden(program);
		break;
	case ENOMEM:
		fprintf(stderr, "%s: no memory for a ring: ", program);
		explain_limit(RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", 1024, "KiB");
		/* Not from 5.12 on, and again by 6.18; what is closed is given back later. */
		fprintf(stderr, " (many kernels count rings against it, closed ones for a moment "
				"more: raise it with `ulimit -l`), or the machine or its cgroup "
				"is out of memory\n");
		break;
	case EMFILE:
		fprintf(stderr, "%s: no descriptor left for a ring: ", program);
		explain_limit(RLIMIT_NOFILE, "RLIMIT_NOFILE", 1, "descriptors");
		fprintf(stderr, " (raise it with `ulimit -n`)\n");
		break;
	default:
		fprintf(stderr, "%s: cannot make a ring: %s\n", program, strerror(-error));
		break;
	}
}

/**
 * explain_number - the number that an option was given
 *
 * Return: the number; a text that is none, or not within @least and @most, is
 * told on stderr and ends the program with 2.
 */
static inline unsigned long explain_number(const char *program, char option, const char *text,
					   unsigned long least, unsigned long most)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= least &&
	    value <= most)
		return value;
	fprintf(stderr, "%s: -%c takes a number from %lu to %lu, not \"%s\"\n", program, option,
		least, most, text);
	exit(2);
}

#endif
