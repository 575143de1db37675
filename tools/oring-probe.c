/* SPDX-License-Identifier: MIT */
/*
 * oring-probe - what the io_uring of the running kernel can do
 *
 *	oring-probe [--brief | --json]
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NAMED(prefix, name)         \
	{                           \
		prefix##name, #name \
	}

struct named_flag {
	uint32_t flag;
	const char *name;
};

static const struct named_flag setup_names[] = {
	NAMED(ORING_SETUP_, IOPOLL),	    NAMED(ORING_SETUP_, SQPOLL),
	NAMED(ORING_SETUP_, SQ_AFF),	    NAMED(ORING_SETUP_, CQSIZE),
	NAMED(ORING_SETUP_, CLAMP),	    NAMED(ORING_SETUP_, ATTACH_WQ),
	NAMED(ORING_SETUP_, R_DISABLED),    NAMED(ORING_SETUP_, SUBMIT_ALL),
	NAMED(ORING_SETUP_, COOP_TASKRUN),  NAMED(ORING_SETUP_, TASKRUN_FLAG),
	NAMED(ORING_SETUP_, SQE128),	    NAMED(ORING_SETUP_, CQE32),
	NAMED(ORING_SETUP_, SINGLE_ISSUER), NAMED(ORING_SETUP_, DEFER_TASKRUN),
	NAMED(ORING_SETUP_, NO_MMAP),	    NAMED(ORING_SETUP_, REGISTERED_FD_ONLY),
	NAMED(ORING_SETUP_, NO_SQARRAY),    NAMED(ORING_SETUP_, HYBRID_IOPOLL),
	NAMED(ORING_SETUP_, CQE_MIXED),	    NAMED(ORING_SETUP_, SQE_MIXED),
	NAMED(ORING_SETUP_, SQ_REWIND),
};

static const struct named_flag feature_names[] = {
	NAMED(ORING_FEAT_, SINGLE_MMAP),     NAMED(ORING_FEAT_, NODROP),
	NAMED(ORING_FEAT_, SUBMIT_STABLE),   NAMED(ORING_FEAT_, RW_CUR_POS),
	NAMED(ORING_FEAT_, CUR_PERSONALITY), NAMED(ORING_FEAT_, FAST_POLL),
	NAMED(ORING_FEAT_, POLL_32BITS),     NAMED(ORING_FEAT_, SQPOLL_NONFIXED),
	NAMED(ORING_FEAT_, EXT_ARG),	     NAMED(ORING_FEAT_, NATIVE_WORKERS),
	NAMED(ORING_FEAT_, RSRC_TAGS),	     NAMED(ORING_FEAT_, CQE_SKIP),
	NAMED(ORING_FEAT_, LINKED_FILE),     NAMED(ORING_FEAT_, REG_REG_RING),
	NAMED(ORING_FEAT_, RECVSEND_BUNDLE), NAMED(ORING_FEAT_, MIN_TIMEOUT),
	NAMED(ORING_FEAT_, RW_ATTR),	     NAMED(ORING_FEAT_, NO_IOWAIT),
};

static const struct named_flag enter_names[] = {
	NAMED(ORING_ENTER_, GETEVENTS),	      NAMED(ORING_ENTER_, SQ_WAKEUP),
	NAMED(ORING_ENTER_, SQ_WAIT),	      NAMED(ORING_ENTER_, EXT_ARG),
	NAMED(ORING_ENTER_, REGISTERED_RING), NAMED(ORING_ENTER_, ABS_TIMER),
	NAMED(ORING_ENTER_, EXT_ARG_REG),     NAMED(ORING_ENTER_, NO_IOWAIT),
};

struct findings {
	struct utsname kernel;
	struct oring_feature_set set;
	int setup[COUNT(setup_names)]; /* of each flag: 0, or why not */
};

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
	size_t i;
	int ret = oring_init(&ring, 4, NULL);

	if (ret < 0)
		return ret;
	uname(&findings->kernel);
	/* Before 5.6 there is no probe; then no operation is known to be there. */
	if (oring_feature_ask(&ring, &findings->set) < 0)
		findings->set.features = oring_features(&ring);
	oring_exit(&ring);
	for (i = 0; i < COUNT(setup_names); i++)
		findings->setup[i] = try_setup(setup_names[i].flag, &patience);
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

static void print_names(const struct named_flag *names, size_t count, uint64_t flags)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (flags & names[i].flag)
			printf("  %s\n", names[i].name);
		flags &= ~(uint64_t)names[i].flag;
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
	size_t i;

	printf("kernel: %s %s %s (for information)\n", findings->kernel.sysname,
	       findings->kernel.release, findings->kernel.machine);
	print_operations(set);

	printf("\nsetup flags, each tried with those that it needs:\n");
	for (i = 0; i < COUNT(setup_names); i++)
		printf("  %-18s %s%s\n", setup_names[i].name,
		       verdict(findings->setup[i], "yes", "no: ", "undecided: "),
		       setup_reason(findings->setup[i]));

	printf("\nfeatures:\n");
	print_names(feature_names, COUNT(feature_names), set->features);

	if (!set->queried) {
		printf("\nregister operations, enter flags: not told (Linux 6.18 and later do)\n");
		return;
	}
	printf("\nregister operations: %u (this library knows %d)\n", set->register_count,
	       ORING_REGISTER_LAST);
	printf("\nenter flags:\n");
	print_names(enter_names, COUNT(enter_names), set->enter_flags);
}

static unsigned int count_setup(const struct findings *findings, const char *word)
{
	unsigned int count = 0;
	size_t i;

	for (i = 0; i < COUNT(setup_names); i++)
		count += strcmp(verdict(findings->setup[i], "yes", "no", "undecided"), word) == 0;
	return count;
}

/* ", no: A, B", or nothing if none got this verdict. */
static void print_setup(const struct findings *findings, const char *word)
{
	const char *separator = ": ";
	size_t i;

	if (count_setup(findings, word) == 0)
		return;
	printf(", %s", word);
	for (i = 0; i < COUNT(setup_names); i++) {
		if (strcmp(verdict(findings->setup[i], "yes", "no", "undecided"), word) != 0)
			continue;
		printf("%s%s", separator, setup_names[i].name);
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
	printf("setup flags: %u of %zu", count_setup(findings, "yes"), COUNT(setup_names));
	print_setup(findings, "no");
	print_setup(findings, "undecided");
	printf("\nfeatures:    %d of %zu\n", __builtin_popcount(set->features),
	       COUNT(feature_names));
}

/* ---- for programs ---- */

/* A release is whatever the kernel's builder called it. */
static void json_string(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void json_names(const struct named_flag *names, size_t count, uint64_t flags)
{
	const char *separator = "";
	size_t i;

	printf("[");
	for (i = 0; i < count; i++) {
		if (!(flags & names[i].flag))
			continue;
		printf("%s\"%s\"", separator, names[i].name);
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
	size_t i;

	printf("{\n  \"kernel\": ");
	json_string(findings->kernel.release);
	printf(",\n  \"machine\": ");
	json_string(findings->kernel.machine);
	printf(",\n");
	json_operations(set);
	printf("  \"setup_flags\": [\n");
	for (i = 0; i < COUNT(setup_names); i++)
		printf("    {\"name\": \"%s\", \"bits\": %u, \"supported\": %s, "
		       "\"reason\": \"%s\"}%s\n",
		       setup_names[i].name, setup_names[i].flag,
		       verdict(findings->setup[i], "true", "false", "null"),
		       setup_reason(findings->setup[i]), i + 1 < COUNT(setup_names) ? "," : "");
	printf("  ],\n  \"feature_bits\": %u,\n  \"features\": ", set->features);
	json_names(feature_names, COUNT(feature_names), set->features);
	if (!set->queried) {
		printf(",\n  \"register_operations\": null,\n  \"enter_flags\": null\n}\n");
		return;
	}
	printf(",\n  \"register_operations\": %u,\n  \"enter_flags\": ", set->register_count);
	json_names(enter_names, COUNT(enter_names), set->enter_flags);
	printf("\n}\n");
}

/* ---- the program ---- */

static int usage(FILE *stream, int status)
{
	fprintf(stream, "usage: oring-probe [--brief | --json]\n"
			"What the io_uring of the running kernel can do: operations, setup flags,\n"
			"features, register operations and enter flags.\n"
			"  --brief  in four lines\n"
			"  --json   the whole, for programs\n"
			"  --help   this text\n"
			"Exit status: 0; 1 where no ring can be made; 2 for wrong usage.\n");
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "brief", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static struct findings findings;
	void (*print)(const struct findings *findings) = print_text;
	int option;
	int ret;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, EXIT_SUCCESS);
		if (option != 'b' && option != 'j')
			return usage(stderr, 2);
		print = option == 'b' ? print_brief : print_json;
	}
	if (optind != argc)
		return usage(stderr, 2);
	ret = ask(&findings);
	if (ret < 0) {
		explain_setup("oring-probe", ret);
		return EXIT_FAILURE;
	}
	print(&findings);
	return EXIT_SUCCESS;
}
