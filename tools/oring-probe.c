/* SPDX-License-Identifier: MIT */
/*
 * oring-probe - what the io_uring of the running kernel can do
 *
 *	oring-probe [--brief | --json | --try [--json]]
 *
 * Everything is asked of the kernel or tried. Its release is shown for
 * information: nothing is concluded from it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include <oring.h>

#include "explain.h"
#include "json_text.h"
#include "trials.h"

/* Flags have their names from the library: that of bit n, or NULL from some bit on. */
typedef const char *(*namer)(uint32_t flag);

struct findings {
	struct utsname kernel;
	struct oring_feature_set set;
	int setup[32]; /* of each flag: 0, or why not */
};

/* How many flags have a name: bits 0 to this - 1. */
static unsigned int known(namer name)
{
	unsigned int bit = 0;

	while (bit < 32 && name(1U << bit) != NULL)
		bit++;
	return bit;
}

static unsigned int setup_known(void)
{
	return known(oring_setup_flag_name);
}

static const char *setup_name(unsigned int bit)
{
	return oring_setup_flag_name(1U << bit);
}

/* ---- asking ---- */

/*
 * The memory of a closed ring comes back later, and where RLIMIT_MEMLOCK is
 * small the next one may not fit before. @patience counts waits, of all flags.
 */
static int try_setup(uint32_t flags, unsigned int *patience)
{
	const struct timespec moment = { .tv_nsec = 10000000 };
	int ret = oring_feature_try_setup(flags);

	while (ret == -ENOMEM && *patience > 0) {
		*patience -= 1;
		nanosleep(&moment, NULL);
		ret = oring_feature_try_setup(flags);
	}
	return ret;
}

/* Return: 0, or the negative errno with which no ring could be made. */
static int ask(struct findings *findings)
{
	unsigned int patience = 200;
	struct oring ring;
	unsigned int i;
	int ret = oring_init(&ring, 4, NULL);

	if (ret < 0)
		return ret;
	uname(&findings->kernel);
	/* Before 5.6 there is no probe; then no operation is known to be there. */
	if (oring_feature_ask(&ring, &findings->set) < 0)
		findings->set.features = oring_features(&ring);
	oring_exit(&ring);
	for (i = 0; i < setup_known(); i++)
		findings->setup[i] = try_setup(1U << i, &patience);
	return 0;
}

/* Rows of the table: what the library knows, and what a newer kernel has beside. */
static unsigned int op_rows(const struct oring_feature_set *set)
{
	return set->op_count > ORING_OP_LAST ? set->op_count : ORING_OP_LAST;
}

static unsigned int ops_supported(const struct oring_feature_set *set)
{
	unsigned int count = 0;
	unsigned int op;

	for (op = 0; op < op_rows(set); op++)
		count += oring_feature_has_op(set, op);
	return count;
}

/* "5.19", in @text; "?" for an operation that the library does not know. */
static const char *since(unsigned int op, char text[16])
{
	unsigned int release = oring_op_since(op);

	snprintf(text, 16, release != 0 ? "%u.%u" : "?", release >> 8, release & 0xff);
	return text;
}

/* Each flag is tried with what it needs, so that -EINVAL means the flag itself. */
static const char *setup_reason(int result)
{
	if (result == 0)
		return "";
	return result == -EINVAL ? "not known to this kernel" : strerror(-result);
}

/* Of three words the one that fits; other errors (a limit, a policy) decide nothing. */
static const char *verdict(int result, const char *yes, const char *no, const char *undecided)
{
	if (result == 0)
		return yes;
	return result == -EINVAL ? no : undecided;
}

/* ---- for people ---- */

static void print_names(namer name, uint64_t flags)
{
	unsigned int i;

	for (i = 0; i < known(name); i++) {
		if (flags & 1U << i)
			printf("  %s\n", name(1U << i));
		flags &= ~((uint64_t)1 << i);
	}
	if (flags != 0)
		printf("  and 0x%" PRIx64 ", unknown to this library\n", flags);
}

static void print_operations(const struct oring_feature_set *set)
{
	char release[16];
	unsigned int op;

	printf("\noperations: %u of %u\n  %6s  %-18s %-6s %s\n", ops_supported(set), op_rows(set),
	       "number", "name", "since", "here");
	for (op = 0; op < op_rows(set); op++)
		printf("  %6u  %-18s %-6s %s\n", op, oring_op_name(op), since(op, release),
		       oring_feature_has_op(set, op) ? "yes" : "no");
}

static void print_text(const struct findings *findings)
{
	const struct oring_feature_set *set = &findings->set;
	unsigned int i;

	printf("kernel: %s %s %s (for information)\n", findings->kernel.sysname,
	       findings->kernel.release, findings->kernel.machine);
	print_operations(set);

	printf("\nsetup flags, each tried with those that it needs:\n");
	for (i = 0; i < setup_known(); i++)
		printf("  %-18s %s%s\n", setup_name(i),
		       verdict(findings->setup[i], "yes", "no: ", "undecided: "),
		       setup_reason(findings->setup[i]));

	printf("\nfeatures:\n");
	print_names(oring_feature_name, set->features);

	if (!set->queried) {
		printf("\nregister operations, enter flags: not told (Linux 6.18 and later do)\n");
		return;
	}
	printf("\nregister operations: %u (this library knows %d)\n", set->register_count,
	       ORING_REGISTER_LAST);
	printf("\nenter flags:\n");
	print_names(oring_enter_flag_name, set->enter_flags);
}

static unsigned int count_setup(const struct findings *findings, const char *word)
{
	unsigned int count = 0;
	unsigned int i;

	for (i = 0; i < setup_known(); i++)
		count += strcmp(verdict(findings->setup[i], "yes", "no", "undecided"), word) == 0;
	return count;
}

/* ", no: A, B", or nothing if none got this verdict. */
static void print_setup(const struct findings *findings, const char *word)
{
	const char *separator = ": ";
	unsigned int i;

	if (count_setup(findings, word) == 0)
		return;
	printf(", %s", word);
	for (i = 0; i < setup_known(); i++) {
		if (strcmp(verdict(findings->setup[i], "yes", "no", "undecided"), word) != 0)
			continue;
		printf("%s%s", separator, setup_name(i));
		separator = " ";
	}
}

/* A few lines: what a newcomer wants to know. */
static void print_brief(const struct findings *findings)
{
	const struct oring_feature_set *set = &findings->set;
	unsigned int newest = op_rows(set) - 1;
	char release[16];

	while (newest > 0 && !oring_feature_has_op(set, newest))
		newest--;
	printf("kernel:      %s %s %s\n", findings->kernel.sysname, findings->kernel.release,
	       findings->kernel.machine);
	printf("operations:  %u of %u, the newest %s (%s)\n", ops_supported(set), op_rows(set),
	       oring_op_name(newest), since(newest, release));
	printf("setup flags: %u of %u", count_setup(findings, "yes"), setup_known());
	print_setup(findings, "no");
	print_setup(findings, "undecided");
	printf("\nfeatures:    %d of %u\n", __builtin_popcount(set->features),
	       known(oring_feature_name));
}

/* ---- for programs ---- */

static void json_names(namer name, uint64_t flags)
{
	const char *separator = "";
	unsigned int i;

	printf("[");
	for (i = 0; i < known(name); i++) {
		if (!(flags & 1U << i))
			continue;
		printf("%s\"%s\"", separator, name(1U << i));
		separator = ", ";
	}
	printf("]");
}

static void json_operations(const struct oring_feature_set *set)
{
	char release[16];
	unsigned int op;

	printf("  \"operations\": [\n");
	for (op = 0; op < op_rows(set); op++)
		printf("    {\"number\": %u, \"name\": \"%s\", \"since\": \"%s\", "
		       "\"supported\": %s}%s\n",
		       op, oring_op_name(op), since(op, release),
		       oring_feature_has_op(set, op) ? "true" : "false",
		       op + 1 < op_rows(set) ? "," : "");
	printf("  ],\n");
}

static void print_json(const struct findings *findings)
{
	const struct oring_feature_set *set = &findings->set;
	unsigned int i;

	printf("{\n  \"kernel\": ");
	json_text(findings->kernel.release);
	printf(",\n  \"machine\": ");
	json_text(findings->kernel.machine);
	printf(",\n");
	json_operations(set);
	printf("  \"setup_flags\": [\n");
	for (i = 0; i < setup_known(); i++)
		printf("    {\"name\": \"%s\", \"bits\": %u, \"supported\": %s, "
		       "\"reason\": \"%s\"}%s\n",
		       setup_name(i), 1U << i, verdict(findings->setup[i], "true", "false", "null"),
		       setup_reason(findings->setup[i]), i + 1 < setup_known() ? "," : "");
	printf("  ],\n  \"feature_bits\": %u,\n  \"features\": ", set->features);
	json_names(oring_feature_name, set->features);
	if (!set->queried) {
		printf(",\n  \"register_operations\": null,\n  \"enter_flags\": null\n}\n");
		return;
	}
	printf(",\n  \"register_operations\": %u,\n  \"enter_flags\": ", set->register_count);
	json_names(oring_enter_flag_name, set->enter_flags);
	printf("\n}\n");
}

/* ---- the program ---- */

static int usage(FILE *stream, int status)
{
	fprintf(stream,
		"usage: oring-probe [--brief | --json | --try [--json]]\n"
		"What the io_uring of the running kernel can do: operations, setup flags,\n"
		"features, register operations and enter flags.\n"
		"  --brief  in four lines\n"
		"  --json   the whole, for programs\n"
		"  --try    each setup flag, enter flag and register operation tried for real,\n"
		"           on a ring of its own; with --json for programs\n"
		"  --help   this text\n"
		"Exit status: 0; 1 where no ring can be made; 2 for wrong usage.\n");
	return status;
}

static int show(bool brief, bool json, bool trials)
{
	static struct findings findings;
	int ret = ask(&findings);

	if (ret < 0) {
		explain_setup("oring-probe", ret);
		return EXIT_FAILURE;
	}
	if (trials)
		trials_report(&findings.kernel, &findings.set, json);
	else if (brief)
		print_brief(&findings);
	else if (json)
		print_json(&findings);
	else
		print_text(&findings);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "brief", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "try", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool brief = false, json = false, trials = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, EXIT_SUCCESS);
		brief = brief || option == 'b';
		json = json || option == 'j';
		trials = trials || option == 't';
		if (option == '?')
			return usage(stderr, 2);
	}
	if (optind != argc || (brief && (json || trials)))
		return usage(stderr, 2);
	return show(brief, json, trials);
}
