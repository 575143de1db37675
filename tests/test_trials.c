/* SPDX-License-Identifier: MIT */
/* The trials of oring-probe --try: against what the kernel says of itself, and each other. */
#include "harness.h"

#include <signal.h>

#include "../tools/trials.h"

static struct trial trials[TRIALS_MOST];
static struct trial_result results[TRIALS_MOST];

static size_t run_all(void)
{
	size_t n = trials_all(trials);
	size_t i;

	cr_assert_geq(n, 21 + 8 + 38 + 4 + 1);
	for (i = 0; i < n; i++) {
		trial_run(&trials[i], &results[i]);
		cr_assert(results[i].error <= 0);
		cr_assert_null(strstr(results[i].reason, "no trial"), "%s", trials[i].name);
		cr_assert_null(strstr(results[i].reason, "it "), "%s: %s", trials[i].name,
			       results[i].reason);
	}
	return n;
}

static bool taken(size_t i)
{
	return results[i].error == 0 && results[i].reason[0] == '\0';
}

/* Unknown ones answer so; of these two also kernels that were built without. */
static bool unknown(size_t i)
{
	return results[i].error == -EINVAL && results[i].reason[0] == '\0';
}

static bool may_be_left_out(const struct trial *trial)
{
	return trial->group == TRIAL_REGISTER && trial->number == ORING_REGISTER_BPF_FILTER;
}

static bool said(const struct oring_feature_set *set, const struct trial *trial)
{
	if (trial->group == TRIAL_SETUP)
		return set->setup_flags & trial->number;
	if (trial->group == TRIAL_ENTER)
		return set->enter_flags & trial->number;
	return trial->number < set->register_count;
}

Test(trials, agree_with_queries, .timeout = 3 * TEST_SECONDS)
{
	struct oring_feature_set set;
	struct oring ring;
	size_t n, i;

	require_ring(&ring, 4, 0);
	cr_assert_eq(oring_feature_ask(&ring, &set), 0);
	cr_assert_eq(oring_exit(&ring), 0);
	if (!set.queried)
		cr_skip_test("this kernel answers no queries");
	n = run_all();
	for (i = 0; i < n; i++) {
		if (trials[i].group > TRIAL_REGISTER || may_be_left_out(&trials[i]))
			continue;
		if (said(&set, &trials[i]))
			cr_assert_not(unknown(i), "%s %s: the kernel says that it knows it",
				      trial_group_name(trials[i].group), trials[i].name);
		else
			cr_assert_not(taken(i), "%s %s: the kernel does not say so",
				      trial_group_name(trials[i].group), trials[i].name);
	}
}

/*
 * Numbers are given in the order of releases (but of ZCRX_IFQ): below one that
 * is taken none is unknown. This is for kernels that cannot be asked.
 */
Test(trials, leave_no_gaps, .timeout = 3 * TEST_SECONDS)
{
	uint32_t newest[TRIAL_GROUPS] = { 0 };
	int before = open_descriptors();
	size_t n = run_all();
	size_t i;

	for (i = 0; i < n; i++) {
		if (taken(i) && trials[i].number > newest[trials[i].group])
			newest[trials[i].group] = trials[i].number;
	}
	cr_assert_geq(newest[TRIAL_SETUP], ORING_SETUP_ATTACH_WQ);
	cr_assert_geq(newest[TRIAL_ENTER], ORING_ENTER_SQ_WAKEUP);
	cr_assert_geq(newest[TRIAL_REGISTER], ORING_UNREGISTER_PERSONALITY);
	for (i = 0; i < n; i++) {
		if (trials[i].group > TRIAL_REGISTER ||
		    (trials[i].group == TRIAL_REGISTER &&
		     trials[i].number == ORING_REGISTER_ZCRX_IFQ))
			continue;
		if (trials[i].number < newest[trials[i].group])
			cr_assert_not(unknown(i), "%s %s", trial_group_name(trials[i].group),
				      trials[i].name);
	}
	cr_assert_eq(open_descriptors(), before);
}

static int takes_nothing(uint32_t number)
{
	return -(int)number;
}

static int cannot(uint32_t number)
{
	return trial_not_tried("no device", -(int)number);
}

static int crashes(uint32_t number)
{
	(void)number;
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return 0;
}

Test(trials, what_a_trial_may_end_with)
{
	struct trial trial = { TRIAL_SETUP, ENOENT, "a trial", takes_nothing };
	struct trial_result result;

	trial_run(&trial, &result);
	cr_assert_eq(result.error, -ENOENT);
	cr_assert_str_eq(result.reason, "");
	trial.act = cannot;
	trial_run(&trial, &result);
	cr_assert_str_eq(result.reason, "no device (ENOENT)");
	trial.act = crashes;
	trial_run(&trial, &result);
	cr_assert_str_eq(result.reason, "it crashed");
	trial.act = takes_nothing;
	trial.number = 0;
	trial_run(&trial, &result);
	cr_assert_eq(result.error, 0);
	cr_assert_str_eq(result.reason, "");
}
