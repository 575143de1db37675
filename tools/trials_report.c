/* SPDX-License-Identifier: MIT */
/* What the trials found, for people and for programs. */
#include "json_text.h"
#include "trials.h"

#include <inttypes.h>
#include <stdio.h>

struct report {
	struct trial trials[TRIALS_MOST];
	struct trial_result results[TRIALS_MOST];
	size_t count;
};

static bool taken(const struct trial_result *result)
{
	return result->error == 0 && result->reason[0] == '\0';
}

/* "EINVAL", or the number of an errno without a name here. */
static const char *error_text(int error, char text[16])
{
	const char *name = oring_error_name(error);

	if (name != NULL)
		return name;
	snprintf(text, 16, "%d", -error);
	return text;
}

/* ---- for people ---- */

static void print_one(const struct trial *trial, const struct trial_result *result)
{
	char text[16];

	if (trial->group == TRIAL_REGISTER || trial->group == TRIAL_RINGLESS)
		printf("  %2u  %-25s ", trial->number, trial->name);
	else
		printf("  %-29s ", trial->name);
	if (result->reason[0] != '\0')
		printf("not tried: %s\n", result->reason);
	else if (result->error == 0)
		printf("yes\n");
	else
		printf("no: %s\n", error_text(result->error, text));
}

static void print_group(const struct report *report, enum trial_group group)
{
	unsigned int yes = 0, all = 0;
	size_t i;

	for (i = 0; i < report->count; i++) {
		if (report->trials[i].group != group)
			continue;
		yes += taken(&report->results[i]);
		all++;
	}
	printf("\n%s: %u of %u\n", trial_group_name(group), yes, all);
	for (i = 0; i < report->count; i++) {
		if (report->trials[i].group == group)
			print_one(&report->trials[i], &report->results[i]);
	}
}

static void print_text(const struct report *report, const struct utsname *kernel,
		       const struct oring_feature_set *set)
{
	unsigned int group;

	printf("kernel: %s %s %s (for information)\neach was tried on a ring of its own\n",
	       kernel->sysname, kernel->release, kernel->machine);
	for (group = 0; group < TRIAL_GROUPS; group++)
		print_group(report, (enum trial_group)group);
	if (set->register_count > ORING_REGISTER_LAST)
		printf("\nand %u register operations that this library does not know\n",
		       set->register_count - ORING_REGISTER_LAST);
}

/* ---- for programs ---- */

static void json_one(const struct trial *trial, const struct trial_result *result)
{
	bool tried = result->reason[0] == '\0';
	char text[16];

	printf("    {\"group\": \"%s\", \"name\": \"%s\", \"number\": %" PRIu32 ", \"taken\": %s, "
	       "\"error\": ",
	       trial_group_name(trial->group), trial->name, trial->number,
	       !tried	       ? "null"
	       : taken(result) ? "true"
			       : "false");
	if (result->error != 0)
		json_text(error_text(result->error, text));
	else
		printf("null");
	printf(", \"reason\": ");
	if (tried)
		printf("null}");
	else {
		json_text(result->reason);
		printf("}");
	}
}

/* What the kernel says of the same, where it can be asked. */
static void json_query(const struct oring_feature_set *set)
{
	printf(",\n  \"query\": ");
	if (!set->queried) {
		printf("null");
		return;
	}
	printf("{\"setup_flags\": %" PRIu64 ", \"enter_flags\": %" PRIu64
	       ", \"register_operations\": %" PRIu32 "}",
	       set->setup_flags, set->enter_flags, set->register_count);
}

static void print_json(const struct report *report, const struct utsname *kernel,
		       const struct oring_feature_set *set)
{
	size_t i;

	printf("{\n  \"kernel\": ");
	json_text(kernel->release);
	printf(",\n  \"machine\": ");
	json_text(kernel->machine);
	json_query(set);
	printf(",\n  \"trials\": [\n");
	for (i = 0; i < report->count; i++) {
		json_one(&report->trials[i], &report->results[i]);
		printf("%s\n", i + 1 < report->count ? "," : "");
	}
	printf("  ]\n}\n");
}

void trials_report(const struct utsname *kernel, const struct oring_feature_set *set, bool json)
{
	static struct report report;
	size_t i;

	report.count = trials_all(report.trials);
	for (i = 0; i < report.count; i++)
		trial_run(&report.trials[i], &report.results[i]);
	(json ? print_json : print_text)(&report, kernel, set);
}
