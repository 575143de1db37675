/* SPDX-License-Identifier: MIT */
/* The list of trials, and running one in a child. */
#define _GNU_SOURCE
#include "trials.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT	 30  /* seconds for one trial */
#define PATIENCE 200 /* attempts while locked memory of closed rings comes back */

/* Of the trial that runs; shared with its child. */
static struct trial_result *outcome;

const char *trial_group_name(enum trial_group group)
{
	static const char *const names[TRIAL_GROUPS] = { "setup flag", "enter flag",
							 "register operation",
							 "register operation without a ring",
							 "register flag" };

	return names[group];
}

static size_t add(struct trial *trials, size_t n, const struct trial *trial)
{
	if (trial->name == NULL || n >= TRIALS_MOST)
		return n;
	trials[n] = *trial;
	return n + 1;
}

static size_t add_flags(struct trial *trials, size_t n, enum trial_group group,
			const char *(*name)(uint32_t flag), int (*act)(uint32_t flag))
{
	struct trial trial = { group, 0, NULL, act };
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		trial.number = 1U << bit;
		trial.name = name(trial.number);
		n = add(trials, n, &trial);
	}
	return n;
}

size_t trials_all(struct trial trials[TRIALS_MOST])
{
	static const uint32_t ringless[] = { ORING_REGISTER_RESTRICTIONS,
					     ORING_REGISTER_SEND_MSG_RING, ORING_REGISTER_QUERY,
					     ORING_REGISTER_BPF_FILTER };
	struct trial trial = { TRIAL_REGISTER, 0, NULL, trial_register };
	const struct trial by_index = { TRIAL_REGISTER_FLAG, ORING_REGISTER_USE_REGISTERED_RING,
					"USE_REGISTERED_RING", trial_register_flag };
	size_t n, i;

	n = add_flags(trials, 0, TRIAL_SETUP, oring_setup_flag_name, trial_setup);
	n = add_flags(trials, n, TRIAL_ENTER, oring_enter_flag_name, trial_enter);
	for (i = 0; i < ORING_REGISTER_LAST; i++) {
		trial.number = (uint32_t)i;
		trial.name = oring_register_name(trial.number);
		n = add(trials, n, &trial);
	}
	trial.group = TRIAL_RINGLESS;
	trial.act = trial_ringless;
	for (i = 0; i < sizeof(ringless) / sizeof(ringless[0]); i++) {
		trial.number = ringless[i];
		trial.name = oring_register_name(trial.number);
		n = add(trials, n, &trial);
	}
	return add(trials, n, &by_index);
}

/* ---- for the trials ---- */

int trial_not_tried(const char *reason, int error)
{
	const char *name = oring_error_name(error);

	snprintf(outcome->reason, sizeof(outcome->reason), "%s%s%s%s", reason,
		 name != NULL ? " (" : "", name != NULL ? name : "", name != NULL ? ")" : "");
	return error;
}

int trial_ring(struct oring *ring, uint32_t flags)
{
	struct oring_params params;

	memset(&params, 0, sizeof(params));
	params.flags = flags;
	return oring_init(ring, 4, &params);
}

void *trial_pages(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory != MAP_FAILED ? memory : NULL;
}

int trial_nop(struct oring *ring)
{
	struct oring_sqe *sqe = oring_sq_reserve(ring);
	struct oring_cqe cqe;
	int ret;

	if (sqe == NULL)
		return -EBUSY;
	oring_prep_nop(sqe);
	ret = oring_submit_and_wait(ring, 1);
	if (ret < 0)
		return ret;
	return oring_cq_copy(ring, &cqe, 1) == 1 ? cqe.res : -EIO;
}

/* ---- running one ---- */

static void in_child(const struct trial *trial)
{
	int ret;

	/* A kernel that never answers ends the trial, not the program. */
	signal(SIGALRM, SIG_DFL);
	alarm(LIMIT);
	ret = trial->act(trial->number);
	outcome->error = ret < 0 ? ret : 0;
	_exit(0);
}

static void run_once(const struct trial *trial)
{
	int status = 0;
	pid_t child;

	memset(outcome, 0, sizeof(*outcome));
	child = fork();
	if (child == 0)
		in_child(trial);
	if (child < 0) {
		trial_not_tried("no child for it", -errno);
		return;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status))
		trial_not_tried(WTERMSIG(status) == SIGALRM ? "it did not end" : "it crashed", 0);
	else if (WEXITSTATUS(status) != 0)
		trial_not_tried("it failed", 0);
}

void trial_run(const struct trial *trial, struct trial_result *result)
{
	const struct timespec moment = { .tv_nsec = 10000000 };
	unsigned int left = PATIENCE;

	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (outcome == MAP_FAILED) {
		result->error = -errno;
		snprintf(result->reason, sizeof(result->reason), "no memory");
		return;
	}
	run_once(trial);
	while (outcome->error == -ENOMEM && left-- > 0) {
		nanosleep(&moment, NULL);
		run_once(trial);
	}
	*result = *outcome;
	munmap(outcome, sizeof(*outcome));
}
