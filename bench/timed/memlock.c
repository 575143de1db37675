/* SPDX-License-Identifier: MIT */
/*
 * What a contender is charged against RLIMIT_MEMLOCK. No file tells: it is the user's,
 * and comes back some time after a close. So it is opened by users that were never seen
 * before, each in a process of its own, with other limits, until the smallest is known.
 */
#define _GNU_SOURCE
#include "memlock.h"

#include "../../tools/stranger.h"

#include <fcntl.h>

#define MOST ((size_t)64 << 20)

struct trial {
	const struct bench_contender *contender;
	const struct bench_job *job;
};

/* Runs in the child. What fails there is an answer, and no message. */
static int open_it(void *argument)
{
	const struct trial *trial = argument;
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (nowhere < 0 || dup2(nowhere, STDERR_FILENO) < 0)
		return -EIO;
	return trial->contender->open(trial->job) != NULL ? 0 : -ENOMEM;
}

static bool opens(size_t limit, struct trial *trial)
{
	return stranger_act(limit, open_it, trial) == 0;
}

int64_t bench_memlock(const struct bench_contender *contender, const struct bench_job *job)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), fails = 0, works = page;
	struct trial trial = { contender, job };

	if (opens(0, &trial))
		return 0;
	while (!opens(works, &trial)) {
		fails = works;
		works *= 2;
		if (works > MOST)
			return -1;
	}
	while (works - fails > page) {
		size_t middle = (fails + works) / 2 / page * page;

		if (opens(middle, &trial))
			works = middle;
		else
			fails = middle;
	}
	return (int64_t)works;
}
