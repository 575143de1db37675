/* SPDX-License-Identifier: MIT */
/*
 * stranger.h - act as a user whom nobody has been, with a limit of locked memory
 *
 * What a ring is charged stays with the user for a moment after the ring is
 * closed; a user of its own for each act makes measurements exact.
 */
#ifndef ORING_TOOLS_STRANGER_H
#define ORING_TOOLS_STRANGER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define STRANGER_CANNOT 1 /* this process cannot become another user */
#define STRANGER_FIRST	1000000000U

/* A user that is not in use, of this process's own. */
static inline uid_t stranger_next(void)
{
	static unsigned int used;

	return STRANGER_FIRST + ((unsigned int)getpid() & 0xffff) * 4096 + used++ % 4096;
}

/* Without capabilities from here on, since the user is not root any more. */
static inline int stranger_become(uid_t user, size_t locked)
{
	struct rlimit limit = { locked, locked };

	if (geteuid() != 0 || setrlimit(RLIMIT_MEMLOCK, &limit) < 0 ||
	    setresuid(user, user, user) < 0)
		return STRANGER_CANNOT;
	return 0;
}

/**
 * stranger_act - in a child that is a new user with RLIMIT_MEMLOCK @locked
 * @act: returns 0 or a negative errno above -200
 *
 * Return: what @act returned; STRANGER_CANNOT; -EIO if the child failed.
 */
static inline int stranger_act(size_t locked, int (*act)(void *argument), void *argument)
{
	uid_t user = stranger_next();
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		if (stranger_become(user, locked) != 0)
			_exit(255);
		_exit(-act(argument));
	}
	if (child < 0)
		return -errno;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status))
		return -EIO;
	return WEXITSTATUS(status) == 255 ? STRANGER_CANNOT : -WEXITSTATUS(status);
}

#endif
