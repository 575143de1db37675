/* SPDX-License-Identifier: MIT */
/*
 * trials.h - setup flags, register operations, enter flags: each tried for real
 *
 * A trial makes a small ring of its own, with what the thing that is tried
 * needs beside it, and arguments that a kernel which knows it accepts: then an
 * error means that this kernel does not have it, or not for this process. Each
 * runs in a child, since some hold for the rest of a task's life.
 */
#ifndef ORING_TOOLS_TRIALS_H
#define ORING_TOOLS_TRIALS_H

#include <sys/utsname.h>

#include <oring.h>

enum trial_group {
	TRIAL_SETUP,
	TRIAL_ENTER,
	TRIAL_REGISTER,
	TRIAL_RINGLESS, /* register operations without a ring, most for the whole task */
	TRIAL_REGISTER_FLAG,
	TRIAL_GROUPS
};

struct trial {
	enum trial_group group;
	uint32_t number; /* the flag, or the operation's number */
	const char *name;
	int (*act)(uint32_t number); /* >= 0, a negative errno, or trial_not_tried()'s */
};

#define TRIALS_MOST 96

struct trial_result {
	int error;	  /* 0: taken; or the negative errno */
	char reason[100]; /* why it was not tried; or nothing, and error counts */
};

/** trials_all - fill in every trial there is, group by group. Return: how many. */
size_t trials_all(struct trial trials[TRIALS_MOST]);

/** trial_run - run one in a child. What lacks locked memory for the moment is tried again. */
void trial_run(const struct trial *trial, struct trial_result *result);

/** trial_group_name - "setup flag" and the like. */
const char *trial_group_name(enum trial_group group);

/** trials_report - run them all, and print what they found; beside it what the kernel says. */
void trials_report(const struct utsname *kernel, const struct oring_feature_set *set, bool json);

/* ---- for the trials ---- */

/** trial_not_tried - say why not; the trial returns what this returns. */
int trial_not_tried(const char *reason, int error);

/** trial_ring - a ring of four entries that lasts until the trial's end. */
int trial_ring(struct oring *ring, uint32_t flags);

/** trial_pages - zeroed memory at a page that lasts until the trial's end; NULL without. */
void *trial_pages(size_t bytes);

/** trial_nop - run a NOP through the ring. Return: 0 or a negative errno. */
int trial_nop(struct oring *ring);

int trial_setup(uint32_t flag);
int trial_enter(uint32_t flag);
int trial_register(uint32_t opcode);
int trial_ringless(uint32_t opcode);
int trial_register_flag(uint32_t flag);

#endif
