/* SPDX-License-Identifier: MIT */
/*
 * custom - a runtime of one's own: its size, its memory, its user pointer, and what it costs
 *
 *	fiber-custom [CYCLES]
 *
 * The runtime lives in memory that is this program's. It is filled with fibers until no more fit;
 * then fibers are spawned and end CYCLES times (10000). The process's mappings and resident pages
 * are looked at (/proc/self/maps, /proc/self/statm) before and after: they stay as they are.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "program.h"

#define MOST_CYCLES 10000000UL

struct usage {
	unsigned long mappings, pages;
};

static struct fiber_runtime runtime;
static unsigned long cycles = 10000, ended;
static int ticket = 7;

/* A file of /proc, without stdio: that would allocate. */
static unsigned long count_lines(const char *path)
{
	char text[4096];
	unsigned long lines = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, i;

	while (fd >= 0 && (n = read(fd, text, sizeof(text))) > 0)
		for (i = 0; i < n; i++)
			lines += text[i] == '\n';
	close(fd);
	return lines;
}

static struct usage look(void)
{
	struct usage usage = { .pages = 0 };
	char text[128] = "";
	char *second;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (read(fd, text, sizeof(text) - 1) > 0 && (second = strchr(text, ' ')) != NULL)
		usage.pages = strtoul(second, NULL, 10);
	close(fd);
	usage.mappings = count_lines("/proc/self/maps");
	return usage;
}

static intptr_t end(void *unused)
{
	(void)unused;
	ended++;
	return 0;
}

/* As many as fit. Return: how many; the next one was refused with @refused. */
static uint32_t fill(int *refused)
{
	uint32_t n = 0;

	while ((*refused = fiber_runtime_spawn(&runtime, end, NULL, NULL)) == 0)
		n++;
	return n;
}

static intptr_t spawn_one_by_one(void *unused)
{
	fiber_handle fiber;
	unsigned long i;

	(void)unused;
	for (i = 0; i < cycles; i++) {
		if (fiber_spawn(end, NULL, &fiber) < 0 || fiber_await(fiber, NULL) < 0)
			return -1;
	}
	return 0;
}

static void destroy(void *user)
{
	printf("user pointer destroyed: %d\n", *(int *)user);
}

/* Every stack has been used once before the first look. */
static int measure(void)
{
	struct usage before, after;
	int refused, last_refused, ret;
	uint32_t n, again;

	n = fill(&refused);
	ret = fiber_runtime_run(&runtime);
	look();
	before = look();
	again = fill(&last_refused);
	ret |= fiber_runtime_run(&runtime);
	ended = 0;
	ret |= fiber_runtime_spawn(&runtime, spawn_one_by_one, NULL, NULL);
	ret |= fiber_runtime_run(&runtime);
	after = look();
	printf("fit: %u, then: %s\n", n, program_words(refused));
	printf("fit again: %u, then: %s\n", again, program_words(last_refused));
	printf("stacks used at once: %u\n", fiber_stacks_used(&runtime));
	printf("cycles: %lu\n", ended);
	printf("mappings: %lu before, %lu after\n", before.mappings, after.mappings);
	printf("resident pages: %lu before, %lu after\n", before.pages, after.pages);
	return ret;
}

static int run_in(void *memory, struct fiber_config *config)
{
	int ret;

	config->memory = memory;
	config->memory_bytes--;
	ret = fiber_runtime_init(&runtime, config);
	printf("a byte too little: %s\n", program_words(ret));
	config->memory_bytes++;
	ret = fiber_runtime_init(&runtime, config);
	if (ret < 0) {
		explain_setup("custom", ret);
		return CANNOT;
	}
	ret = measure();
	ret |= fiber_runtime_exit(&runtime);
	/* Guard pages are gone: all of it is ours again. */
	memset(memory, 0xff, config->memory_bytes);
	printf("memory is the program's again\n");
	return ret != 0;
}

int main(int argc, char **argv)
{
	struct fiber_config config = {
		.fibers = 40,
		.tasks = 16,
		.stack_bytes = 32768,
		.ring_entries = 16,
		.slots = 4,
		.user = &ticket,
		.user_destroy = destroy,
	};
	void *memory;
	int status;

	if (argc > 2)
		return program_usage(stderr, "usage: fiber-custom [CYCLES]\n");
	if (argc > 1)
		cycles = program_number("custom", "CYCLES", argv[1], 1, MOST_CYCLES);
	config.memory_bytes = fiber_memory_size(&config);
	printf("by default: %zu bytes\n", fiber_memory_size(NULL));
	printf("as configured: %zu bytes\n", config.memory_bytes);
	memory = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), config.memory_bytes);
	if (memory == NULL)
		return 1;
	status = run_in(memory, &config);
	free(memory);
	return status;
}
