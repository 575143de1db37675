/* SPDX-License-Identifier: MIT */
/*
 * memory-table - what rings of each size and shape take, measured here
 *
 *	memory-table
 *
 * Prints a table in Markdown. Needs root: each measurement is made by a user
 * of its own, under a limit of locked memory.
 */
#include "stranger.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include <oring.h>

static const uint32_t sizes[] = { 8, 64, 256, 1024, 4096, 32768 };

static const struct shape {
	const char *name;
	uint32_t flags;
} shapes[] = {
	{ "plain", 0 },
	{ "no_sqarray", ORING_SETUP_NO_SQARRAY },
	{ "sqe128", ORING_SETUP_SQE128 },
	{ "cqe32", ORING_SETUP_CQE32 },
	{ "sqpoll", ORING_SETUP_SQPOLL },
	{ "in memory of the caller's", ORING_SETUP_NO_MMAP },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct wanted {
	uint32_t entries;
	uint32_t flags;
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- a ring ---- */

static void *own_memory(size_t bytes)
{
	size_t page = page_size();
	char *memory = mmap(NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* A mapping of its own, with no neighbour to be counted. */
	if (memory == MAP_FAILED || mprotect(memory + page, bytes, PROT_READ | PROT_WRITE) < 0)
		return NULL;
	return memory + page;
}

static int make(struct oring *ring, const struct wanted *wanted)
{
	struct oring_params params;
	struct oring_mem memory;

	memset(&params, 0, sizeof(params));
	params.flags = wanted->flags;
	if (!(wanted->flags & ORING_SETUP_NO_MMAP))
		return oring_init(ring, wanted->entries, &params);
	memory.page = page_size();
	memory.size = oring_mem_size(wanted->entries, &params, memory.page);
	memory.base = own_memory(memory.size);
	return oring_init_mem(ring, wanted->entries, &params, &memory);
}

static int make_only(void *argument)
{
	struct oring ring;

	return make(&ring, argument);
}

/* ---- locked ---- */

#define MOST ((size_t)64 << 20) /* more than any ring here needs */

/* The smallest limit with which the ring can be made, in bytes; or a negative errno. */
static int64_t locked(struct wanted *wanted)
{
	size_t page = page_size();
	size_t fails = 0, works = (size_t)3 << 20;
	int ret = stranger_act(0, make_only, wanted);

	if (ret == 0)
		return 0;
	if (ret != -ENOMEM)
		return ret < 0 ? ret : -EPERM;
	/* From 4 MiB up, since a high limit may be more than this process can set. */
	do {
		works += (size_t)1 << 20;
		ret = stranger_act(works, make_only, wanted);
	} while (ret == -ENOMEM && works < MOST);
	if (ret != 0)
		return ret < 0 ? ret : -EPERM;
	while (works - fails > page) {
		size_t middle = (fails + works) / 2 / page * page;

		if (stranger_act(middle, make_only, wanted) == 0)
			works = middle;
		else
			fails = middle;
	}
	return (int64_t)works;
}

/* ---- resident ---- */

static bool meets(uint64_t begin, uint64_t end, const void *memory, size_t bytes)
{
	return begin < (uintptr_t)memory + bytes && end > (uintptr_t)memory;
}

/* The sum of Rss of the ring's mappings, in bytes. */
static int64_t resident(const struct oring *ring)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	bool within = false;
	int64_t sum = 0;
	char line[512];

	if (smaps == NULL)
		return -errno;
	while (fgets(line, sizeof(line), smaps) != NULL) {
		uint64_t begin, end, kib;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &begin, &end) == 2)
			within = meets(begin, end, ring->ring_memory, ring->ring_bytes) ||
				 meets(begin, end, ring->sqe_memory, ring->sqe_bytes);
		else if (within && sscanf(line, "Rss: %" SCNu64, &kib) == 1)
			sum += (int64_t)kib * 1024;
	}
	fclose(smaps);
	return sum;
}

static bool read_word(int fd, uint64_t index, uint64_t *word)
{
	return pread(fd, word, sizeof(*word), (off_t)(index * sizeof(*word))) == sizeof(*word);
}

#define PRESENT	   ((uint64_t)1 << 63) /* in pagemap; below it the frame */
#define FRAME	   (((uint64_t)1 << 55) - 1)
#define PART_FIRST ((uint64_t)1 << 15) /* in kpageflags: of pages that are one block */
#define PART_OTHER ((uint64_t)1 << 16)

/*
 * What the kernel holds for one region, which it allocates as one block of 2^n
 * pages if it can; or -1 if that cannot be seen.
 */
static int64_t block_of(int map, int flags, const void *from, size_t bytes)
{
	size_t page = page_size();
	uint64_t entry, bits;
	int64_t pages = 1;

	if (!read_word(map, (uintptr_t)from / page, &entry) || !(entry & PRESENT) ||
	    (entry & FRAME) == 0 || !read_word(flags, entry & FRAME, &bits))
		return -1;
	if (!(bits & PART_FIRST))
		return (int64_t)((bytes + page - 1) / page * page);
	while (read_word(flags, (entry & FRAME) + (uint64_t)pages, &bits) && bits & PART_OTHER)
		pages++;
	return pages * (int64_t)page;
}

static int64_t held(const struct oring *ring)
{
	int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	int64_t rings = block_of(map, flags, ring->ring_memory, ring->ring_bytes);
	int64_t sqes = block_of(map, flags, ring->sqe_memory, ring->sqe_bytes);

	close(map);
	close(flags);
	return rings < 0 || sqes < 0 ? -1 : rings + sqes;
}

struct found {
	int64_t locked, resident, held;
};

static void measure(struct wanted *wanted, struct found *found)
{
	struct oring ring;
	int ret = make(&ring, wanted);

	found->locked = locked(wanted);
	found->resident = ret;
	found->held = -1;
	if (ret < 0)
		return;
	found->resident = resident(&ring);
	found->held = ring.memory_is_callers ? found->resident : held(&ring);
	oring_exit(&ring);
}

/* ---- the table ---- */

static void print_number(int64_t bytes)
{
	if (bytes < 0)
		printf("-");
	else
		printf("%" PRId64, bytes / 1024);
}

static void print_cell(const struct found *found)
{
	printf(" ");
	print_number(found->locked);
	printf(" / ");
	print_number(found->resident);
	printf(" / ");
	print_number(found->held);
	printf(" |");
}

static void print_table(void)
{
	size_t row, column;

	printf("| entries |");
	for (column = 0; column < COUNT(shapes); column++)
		printf(" %s |", shapes[column].name);
	printf("\n| ---: |");
	for (column = 0; column < COUNT(shapes); column++)
		printf(" ---: |");
	for (row = 0; row < COUNT(sizes); row++) {
		printf("\n| %" PRIu32 " |", sizes[row]);
		for (column = 0; column < COUNT(shapes); column++) {
			struct wanted wanted = { sizes[row], shapes[column].flags };
			struct found found;

			measure(&wanted, &found);
			print_cell(&found);
		}
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
	struct utsname kernel;

	if (argc > 1) {
		fprintf(help ? stdout : stderr,
			"usage: memory-table\n"
			"Measures what rings of each size and shape take in memory, and prints a "
			"table\n"
			"in Markdown: KiB locked / resident / held. Needs root.\n");
		return help ? EXIT_SUCCESS : 2;
	}
	if (geteuid() != 0) {
		fprintf(stderr,
			"memory-table: only root can become the users that it measures as\n");
		return EXIT_FAILURE;
	}
	uname(&kernel);
	printf("Linux %s, %s, pages of %zu bytes; KiB locked / resident / held:\n\n",
	       kernel.release, kernel.machine, page_size());
	print_table();
	return EXIT_SUCCESS;
}
