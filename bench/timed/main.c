/* SPDX-License-Identifier: MIT */
/*
 * Runs benchmarks and prints what each run took, a JSON object a line:
 *
 *   timed --list                 the benchmarks, with what they are
 *   timed [--rounds N] [--cpu C --peer-cpu P] NAME...
 *
 * One process, one thread on CPU C; servers' clients and threads that wake others
 * are on CPU P.
 */
#define _GNU_SOURCE
#include "bench.h"
#include "memlock.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define CONTENDERS_MAX 16
#define SIZES_MAX      24
#define NOTES_MAX      8
#define ROUND_US       20000
#define WARM_UPS       2
#define TEARDOWN_MS    1000
#define RINGS_MAX      16 /* registered descriptors of rings that a thread can have */

static const struct bench *const *const lists[] = {
	bench_nop, bench_wait,	bench_read,  bench_queues, bench_echo,
	bench_zc,  bench_setup, bench_fiber, bench_growth,
};

static struct {
	unsigned int rounds;
	int cpu, peer_cpu;
} options = { 21, 0, 1 };

static char absent[256];

static struct note {
	const char *name;
	double value;
} notes[NOTES_MAX];

/* One contender at one size. */
struct entry {
	const struct bench_contender *contender;
	struct bench_job job;
	void *self;
	bool open;
};

void bench_absent(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(absent, sizeof(absent), format, args);
	va_end(args);
}

void bench_fail(int error, const char *format, ...)
{
	va_list args;

	fputs("timed: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (error != 0)
		fprintf(stderr, ": %s", strerror(error < 0 ? -error : error));
	fputc('\n', stderr);
	exit(1);
}

void *bench_alloc(size_t bytes)
{
	void *memory = mmap(NULL, bytes != 0 ? bytes : 1, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		bench_fail(errno, "%zu bytes", bytes);
	return memory;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t bench_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_thread(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		bench_fail(errno, "no CPU %d", cpu);
}

void bench_pin_peer(void)
{
	pin(options.peer_cpu);
}

void bench_note(const char *name, double value)
{
	int i;

	for (i = 0; i < NOTES_MAX && notes[i].name != NULL; i++) {
		if (strcmp(notes[i].name, name) == 0)
			break;
	}
	if (i == NOTES_MAX)
		bench_fail(0, "too many notes");
	notes[i].name = name;
	notes[i].value = value;
}

/* A line of /proc/self/status, in bytes. */
static long status_of(const char *key)
{
	char line[256];
	long kib = -1;
	size_t length = strlen(key);
	FILE *file = fopen("/proc/self/status", "r");

	if (file == NULL)
		return -1;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, length) == 0 && line[length] == ':')
			kib = strtol(line + length + 1, NULL, 10);
	}
	fclose(file);
	return kib < 0 ? -1 : kib * 1024;
}

/* ---- lines ---- */

static void begin_line(const struct bench *bench, const struct entry *entry)
{
	printf("{\"bench\": \"%s\", \"contender\": \"%s\"", bench->name, entry->contender->name);
	if (bench->sizes != NULL)
		printf(", \"size\": %u", entry->job.size);
}

static void print_run(const struct bench *bench, const struct entry *entry, unsigned int round,
		      uint64_t operations, const struct bench_time *time)
{
	int i;

	begin_line(bench, entry);
	printf(", \"round\": %u, \"operations\": %llu, \"wall_ns\": %llu, \"cpu_ns\": %llu", round,
	       (unsigned long long)operations, (unsigned long long)time->wall_ns,
	       (unsigned long long)time->cpu_ns);
	for (i = 0; i < NOTES_MAX && notes[i].name != NULL; i++)
		printf("%s\"%s\": %.6g", i == 0 ? ", \"notes\": {" : ", ", notes[i].name,
		       notes[i].value);
	puts(i > 0 ? "}}" : "}");
	fflush(stdout);
}

static void print_absent(const struct bench *bench, const struct entry *entry)
{
	begin_line(bench, entry);
	printf(", \"absent\": \"%s\"}\n", absent);
	fflush(stdout);
}

/*
 * Registered buffers are pinned. Rings are not, in /proc, but on some kernels both are
 * charged to the user: that shows in what limit they need (memlock.c).
 */
static void print_memory(const struct bench *bench, const struct entry *entry, long resident,
			 long pinned)
{
	int64_t charged = bench->charged ? bench_memlock(entry->contender, &entry->job) : -1;

	begin_line(bench, entry);
	printf(", \"resident_bytes\": %ld, \"pinned_bytes\": %ld", resident, pinned);
	if (charged >= 0)
		printf(", \"charged_bytes\": %lld", (long long)charged);
	puts("}");
	fflush(stdout);
}

static void list_benchmark(const struct bench *bench)
{
	const struct bench_contender *const *contender;
	const char *between = "";

	printf("{\"bench\": \"%s\", \"what\": \"%s\", \"operation\": \"%s\", \"measure\": \"%s\"",
	       bench->name, bench->what, bench->operation,
	       bench->measure == BENCH_CPU ? "cpu" : "wall");
	if (bench->sizes != NULL)
		printf(", \"size_is\": \"%s\"", bench->size_is);
	printf(", \"contenders\": {");
	for (contender = bench->contenders; *contender != NULL; contender++, between = ", ")
		printf("%s\"%s\": \"%s\"", between, (*contender)->name, (*contender)->what);
	puts("}}");
}

/* ---- runs ---- */

static bool open_entry(const struct bench *bench, struct entry *entry, bool tell)
{
	long resident = status_of("VmRSS"), pinned = status_of("VmPin");
	int error;

	absent[0] = '\0';
	errno = 0;
	entry->self = entry->contender->open(&entry->job);
	error = errno;
	entry->open = entry->self != NULL;
	if (!entry->open) {
		if (absent[0] == '\0')
			bench_fail(error, "%s, %s cannot be opened", bench->name,
				   entry->contender->name);
		if (tell)
			print_absent(bench, entry);
	} else if (tell && bench->sizes != NULL) {
		print_memory(bench, entry, status_of("VmRSS") - resident,
			     status_of("VmPin") - pinned);
	}
	return entry->open;
}

static void close_entry(struct entry *entry)
{
	if (entry->open && entry->contender->close != NULL)
		entry->contender->close(entry->self);
	entry->open = false;
}

/* The kernel takes rings down after close() returns; pages that they pin go last. */
static void await_teardown(void)
{
	int i;

	for (i = 0; i < TEARDOWN_MS && status_of("VmPin") > 0; i++)
		usleep(1000);
}

/* Pages of the program that come with the first use are no contender's. */
static void touch_program(const struct bench *bench, struct entry entry)
{
	if (entry.contender->close == NULL)
		return;
	if (open_entry(bench, &entry, false))
		close_entry(&entry);
	await_teardown();
}

static struct bench_time run_entry(const struct entry *entry, uint64_t operations)
{
	struct bench_time time = { 0, 0 };
	uint64_t wall, cpu;

	memset(notes, 0, sizeof(notes));
	cpu = bench_cpu_thread();
	wall = bench_now();
	entry->contender->run(entry->self, operations, &time);
	wall = bench_now() - wall;
	cpu = bench_cpu_thread() - cpu;
	if (time.wall_ns == 0)
		time.wall_ns = wall;
	if (time.cpu_ns == 0)
		time.cpu_ns = cpu;
	return time;
}

static bool takes_part(const struct bench_contender *contender, uint32_t size)
{
	const uint32_t *at = contender->sizes;

	if (at == NULL)
		return true;
	while (*at != 0 && *at != size)
		at++;
	return *at != 0;
}

static size_t make_entries(const struct bench *bench, struct entry *entries)
{
	static const uint32_t one_size[] = { 0, 0 };
	const uint32_t *size = bench->sizes != NULL ? bench->sizes : one_size;
	const struct bench_contender *const *contender;
	size_t n = 0;

	do {
		for (contender = bench->contenders; *contender != NULL; contender++) {
			if (!takes_part(*contender, *size))
				continue;
			entries[n].contender = *contender;
			entries[n].job = bench->job;
			entries[n].job.size = *size;
			entries[n].open = false;
			n++;
		}
		size++;
	} while (*size != 0);
	return n;
}

/* As many as the first contender makes in the time that a run should take. */
static uint64_t operations_for(const struct bench *bench, struct entry *entry)
{
	uint64_t wanted = (uint64_t)(bench->round_us != 0 ? bench->round_us : ROUND_US) * 1000;
	uint64_t batch = entry->job.batch != 0 ? entry->job.batch : 1;
	uint64_t operations = batch;

	while (bench->round_us != 0 || bench->operations == 0) {
		struct bench_time time = run_entry(entry, operations);

		if (time.wall_ns >= wanted / 2) {
			operations = operations * wanted / time.wall_ns;
			break;
		}
		operations *= time.wall_ns < wanted / 20 ? 8 : 2;
	}
	if (operations < bench->operations)
		operations = bench->operations;
	if (operations == 0) /* the first one took longer than a round */
		operations = 1;
	return (operations + batch - 1) / batch * batch;
}

/* Open one and let it run for the first times. Return: how many operations are a run. */
static uint64_t warm_up(const struct bench *bench, struct entry *entry, uint64_t operations)
{
	unsigned int i;

	if (!open_entry(bench, entry, true)) {
		entry->contender = NULL;
		return operations;
	}
	if (operations == 0)
		operations = operations_for(bench, entry);
	for (i = 0; i < WARM_UPS; i++)
		run_entry(entry, operations);
	if (bench->alone)
		close_entry(entry);
	return operations;
}

static void run_rounds(const struct bench *bench, struct entry *entries, const uint64_t *operations,
		       size_t n)
{
	unsigned int round;
	size_t i;

	for (round = 0; round < options.rounds; round++) {
		for (i = 0; i < n; i++) {
			/* Another one begins each round, and every other round goes backwards. */
			size_t at = (round % 2 == 0 ? i + round : n - 1 - i + n - round % n) % n;
			struct bench_time time;

			if (entries[at].contender == NULL)
				continue;
			if (bench->alone && !open_entry(bench, &entries[at], false))
				bench_fail(0, "%s: %s", entries[at].contender->name, absent);
			time = run_entry(&entries[at], operations[at]);
			print_run(bench, &entries[at], round, operations[at], &time);
			if (bench->alone)
				close_entry(&entries[at]);
		}
	}
}

static void run_entries(const struct bench *bench, struct entry *entries, size_t n)
{
	static uint64_t operations[CONTENDERS_MAX * SIZES_MAX];
	size_t i;

	for (i = 0; i < n; i++) {
		/* The same number for all of one size, whoever is the first there. */
		bool same = i > 0 && entries[i - 1].job.size == entries[i].job.size;

		operations[i] = warm_up(bench, &entries[i], same ? operations[i - 1] : 0);
	}
	run_rounds(bench, entries, operations, n);
	for (i = 0; i < n; i++) {
		if (entries[i].contender != NULL)
			close_entry(&entries[i]);
	}
	await_teardown();
}

/*
 * All sizes in each round, so that what changes with time is in all of them; size by size
 * where that would be more rings than a thread can register, and some would be slower.
 */
static void run_benchmark(const struct bench *bench)
{
	static struct entry entries[CONTENDERS_MAX * SIZES_MAX];
	size_t n = make_entries(bench, entries), from, to;

	if (bench->sizes != NULL)
		touch_program(bench, entries[0]);
	for (from = 0; from < n; from = to) {
		to = from + 1;
		while (to < n && ((n <= RINGS_MAX || bench->alone) ||
				  entries[to].job.size == entries[from].job.size))
			to++;
		run_entries(bench, entries + from, to - from);
	}
}

/* ---- the command ---- */

static const struct bench *find(const char *name)
{
	size_t i, k;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (k = 0; lists[i][k] != NULL; k++) {
			if (strcmp(lists[i][k]->name, name) == 0)
				return lists[i][k];
		}
	}
	return NULL;
}

static void list_all(void)
{
	size_t i, k;

	printf("{\"liburing\": \"%s\"}\n",
	       bench_liburing_version() != NULL ? bench_liburing_version() : "");
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (k = 0; lists[i][k] != NULL; k++)
			list_benchmark(lists[i][k]);
	}
}

static int usage(void)
{
	fputs("usage: timed --list | [--rounds N] [--cpu C] [--peer-cpu P] NAME...\n", stderr);
	return 2;
}

/* Numbers of options are small. */
static bool number(const char *text, int *out)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < 0 || value > 100000)
		return false;
	*out = (int)value;
	return true;
}

/* As many descriptors as the machine allows: some benchmarks have thousands of connections. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	int i, rounds;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list_all();
		return 0;
	}
	for (i = 1; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--rounds") == 0 && number(argv[i + 1], &rounds) && rounds > 0)
			options.rounds = (unsigned int)rounds;
		else if (!(strcmp(argv[i], "--cpu") == 0 && number(argv[i + 1], &options.cpu)) &&
			 !(strcmp(argv[i], "--peer-cpu") == 0 &&
			   number(argv[i + 1], &options.peer_cpu)))
			return usage();
	}
	if (i == argc)
		return usage();
	raise_limit();
	pin(options.cpu);
	for (; i < argc; i++) {
		const struct bench *bench = find(argv[i]);

		if (bench == NULL) {
			fprintf(stderr, "timed: no benchmark %s; see --list\n", argv[i]);
			return 2;
		}
		run_benchmark(bench);
	}
	return 0;
}
