/* SPDX-License-Identifier: MIT */
/* What rings take: locked memory against the kernel's charge; rings in huge pages. */
#include "harness.h"

#include <sys/mman.h>

#include "../tools/stranger.h"

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- the formula ---- */

/* As the newest kernels have it: a header of 64 bytes, completions, the array; then entries. */
static size_t by_the_kernel(uint32_t sq, uint32_t cq, uint32_t flags, size_t page)
{
	size_t rings = 64 + (size_t)cq * (flags & ORING_SETUP_CQE32 ? 32 : 16);
	size_t sqes = (size_t)sq * (flags & ORING_SETUP_SQE128 ? 128 : 64);

	if (!(flags & ORING_SETUP_NO_SQARRAY))
		rings = (rings + 63) / 64 * 64 + (size_t)sq * 4;
	return (rings + page - 1) / page * page + (sqes + page - 1) / page * page;
}

Test(memory, locked_size_is_exact)
{
	static const uint32_t flags[] = { 0, ORING_SETUP_NO_SQARRAY, ORING_SETUP_SQE128,
					  ORING_SETUP_CQE32,
					  ORING_SETUP_CQE32 | ORING_SETUP_NO_SQARRAY };
	struct oring_params params;
	size_t i, page;

	memset(&params, 0, sizeof(params));
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		for (page = 4096; page <= 65536; page *= 4) {
			uint32_t sq, cq;

			for (sq = 1; sq <= 32768; sq *= 2) {
				params.flags = flags[i];
				cr_assert_eq(oring_locked_size(sq, &params, page),
					     by_the_kernel(sq, 2 * sq, flags[i], page));
				params.flags |= ORING_SETUP_CQSIZE;
				for (cq = sq; cq <= 65536; cq *= 2) {
					params.cq_entries = cq;
					cr_assert_eq(oring_locked_size(sq, &params, page),
						     by_the_kernel(sq, cq, flags[i], page));
				}
			}
		}
	}
	cr_assert_eq(oring_locked_size(100, NULL, 4096), oring_locked_size(128, NULL, 4096));
	cr_assert_eq(oring_locked_size(4096, NULL, 4096), 413696);
	cr_assert_eq(oring_locked_size(0, NULL, 4096), 0);
	cr_assert_eq(oring_locked_size(32769, NULL, 4096), 0);
	cr_assert_eq(oring_locked_size(8, NULL, 4095), 0);
}

/* ---- the charge ---- */

struct wanted {
	uint32_t entries;
	uint32_t flags;
};

static struct oring_params params_of(const struct wanted *wanted)
{
	struct oring_params params;

	memset(&params, 0, sizeof(params));
	params.flags = wanted->flags;
	params.sq_thread_idle = 10;
	return params;
}

static int make(struct oring *ring, const struct wanted *wanted)
{
	struct oring_params params = params_of(wanted);
	struct oring_mem memory;

	if (!(wanted->flags & ORING_SETUP_NO_MMAP))
		return oring_init(ring, wanted->entries, &params);
	memory.page = page_size();
	memory.size = oring_mem_size(wanted->entries, &params, memory.page);
	memory.base =
		mmap(NULL, memory.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory.base != MAP_FAILED ? oring_init_mem(ring, wanted->entries, &params, &memory)
					 : -ENOMEM;
}

static int make_only(void *wanted)
{
	struct oring ring;

	return make(&ring, wanted);
}

static void require_strangers(int ret)
{
	if (ret == STRANGER_CANNOT)
		cr_skip_test("this process cannot become another user");
	if (ret == -EPERM)
		cr_skip_test("other users may not make rings here");
}

/* Before 5.12 kernels charge otherwise. */
static void require_exact_charge(void)
{
	struct oring ring;
	bool newer;

	require_ring(&ring, 4, 0);
	newer = oring_features(&ring) & ORING_FEAT_NATIVE_WORKERS;
	cr_assert_eq(oring_exit(&ring), 0);
	if (!newer)
		cr_skip_test("kernels before 5.12 charge otherwise");
}

/* Whether the ring's flags are known here. */
static bool is_known(struct wanted *wanted)
{
	struct wanted small = { 4, wanted->flags };
	struct oring ring;
	int ret = make(&ring, &small);

	if (ret == 0)
		oring_exit(&ring);
	return ret == 0;
}

Test(memory, locked_memory_of_one_page_less, .timeout = TEST_SECONDS)
{
	static const uint32_t flags[] = { 0,
					  ORING_SETUP_NO_SQARRAY,
					  ORING_SETUP_SQE128,
					  ORING_SETUP_CQE32,
					  ORING_SETUP_SQPOLL,
					  ORING_SETUP_NO_MMAP,
					  ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN };
	static const uint32_t entries[] = { 1, 1000 };
	size_t i, n, charged = 0;

	require_exact_charge();
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		for (n = 0; n < sizeof(entries) / sizeof(entries[0]); n++) {
			struct wanted wanted = { entries[n], flags[i] };
			struct oring_params params = params_of(&wanted);
			size_t size = oring_locked_size(entries[n], &params, page_size());
			int none;

			if (!is_known(&wanted))
				continue;
			none = stranger_act(0, make_only, &wanted);
			require_strangers(none);
			if (none == 0)
				continue;
			cr_assert_eq(none, -ENOMEM, "%s", strerror(-none));
			cr_assert_eq(stranger_act(size - page_size(), make_only, &wanted), -ENOMEM,
				     "flags 0x%x, %u entries", flags[i], entries[n]);
			cr_assert_eq(stranger_act(size, make_only, &wanted), 0,
				     "flags 0x%x, %u entries", flags[i], entries[n]);
			charged++;
		}
	}
	if (charged == 0)
		cr_skip_test("this kernel charges no ring to RLIMIT_MEMLOCK");
}

/* B12 */
static int run_default(void *argument)
{
	struct oring rings[4];
	struct oring_cqe cqe;
	int i, ret;

	for (i = 0; i < 4; i++) {
		ret = argument != NULL ? oring_init_fast(&rings[i], 4096, NULL, NULL)
				       : oring_init(&rings[i], 4096, NULL);
		if (ret == 0 && argument != NULL)
			ret = oring_start(&rings[i]);
		if (ret < 0)
			return ret;
		oring_prep_nop(oring_sq_reserve(&rings[i]));
		if (oring_submit_and_wait(&rings[i], 1) != 1 ||
		    oring_cq_copy(&rings[i], &cqe, 1) != 1 || cqe.res != 0)
			return -EIO;
	}
	return 0;
}

Test(memory, default_options_under_8_mib, .timeout = TEST_SECONDS)
{
	int fast;

	for (fast = 0; fast < 2; fast++) {
		int ret = stranger_act((size_t)8 << 20, run_default, fast ? &fast : NULL);

		require_strangers(ret);
		cr_assert_eq(ret, 0, "%s", strerror(-ret));
	}
}

/* ---- huge pages ---- */

#define RESERVED "/proc/sys/vm/nr_hugepages"

static long pages_before = -1; /* reserved before this test; -1: not changed */

static long read_number(const char *path, const char *format)
{
	FILE *file = fopen(path, "re");
	char line[200];
	long value = -1;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, format, &value) == 1)
			break;
	}
	if (file != NULL)
		fclose(file);
	return value;
}

static void reserve(long pages)
{
	FILE *file = fopen(RESERVED, "we");

	if (file == NULL)
		return;
	fprintf(file, "%ld", pages);
	fclose(file);
}

static void give_back(void)
{
	if (pages_before >= 0)
		reserve(pages_before);
}

/* One huge page, reserved if none is; or a skip. */
static struct oring_mem huge_page(void)
{
	long kib = read_number("/proc/meminfo", "Hugepagesize: %ld");
	struct oring_mem memory;

	if (kib <= 0 || kib > 64 * 1024)
		cr_skip_test("no huge pages of a useful size on this kernel");
	memory.page = page_size();
	memory.size = (size_t)kib * 1024;
	if (read_number("/proc/meminfo", "HugePages_Free: %ld") <= 0) {
		long before = read_number(RESERVED, "%ld");

		if (before >= 0) {
			pages_before = before;
			reserve(before + 1);
		}
	}
	memory.base = mmap(NULL, memory.size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (memory.base == MAP_FAILED)
		cr_skip_test("no huge page is to be had: %s", strerror(errno));
	return memory;
}

/* Fill the queue, submit, reap: each entry comes back once. */
static void run_full(struct oring *ring, uint64_t first)
{
	uint64_t sum = 0;
	struct oring_cqe cqe;
	uint32_t i;

	for (i = 0; i < ring->sq_entries; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(ring);

		cr_assert_not_null(sqe);
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, first + i);
	}
	cr_assert_null(oring_sq_reserve(ring));
	cr_assert_eq(oring_submit_and_wait(ring, i), (int)i);
	for (i = 0; i < ring->sq_entries; i++) {
		cr_assert_eq(oring_cq_copy(ring, &cqe, 1), 1);
		cr_assert_eq(cqe.res, 0);
		sum += cqe.user_data - first;
	}
	cr_assert_eq(sum, (uint64_t)i * (i - 1) / 2);
	cr_assert_eq(oring_cq_ready(ring), 0);
}

static void in_huge_page(uint32_t flags, uint32_t entries)
{
	struct oring_mem memory = huge_page();
	struct wanted wanted = { entries, flags };
	struct oring_params params = params_of(&wanted);
	struct oring ring;
	uint64_t round;
	int ret;

	memset(memory.base, 0xa5, memory.size);
	ret = oring_init_mem(&ring, entries, &params, &memory);
	SKIP_IF_REFUSED(ret, "rings in memory of the caller's, of this shape");
	cr_assert_eq(ret, 0, "%s", strerror(-ret));
	cr_assert_geq((uintptr_t)ring.sqes, (uintptr_t)memory.base);
	cr_assert_lt((uintptr_t)ring.cqes, (uintptr_t)memory.base + memory.size);
	for (round = 0; round < 5; round++)
		run_full(&ring, round << 32);
	cr_assert_eq(oring_exit(&ring), 0);
	munmap(memory.base, memory.size);
}

Test(memory, huge_page_plain, .timeout = TEST_SECONDS, .fini = give_back)
{
	in_huge_page(0, 1024);
}

Test(memory, huge_page_full, .timeout = TEST_SECONDS, .fini = give_back)
{
	/* 1 MiB of entries, half of completions, and an array: most of 2 MiB. */
	in_huge_page(0, 16384);
}

Test(memory, huge_page_sqe128, .timeout = TEST_SECONDS, .fini = give_back)
{
	in_huge_page(ORING_SETUP_SQE128 | ORING_SETUP_CQE32, 256);
}

Test(memory, huge_page_no_sqarray, .timeout = TEST_SECONDS, .fini = give_back)
{
	in_huge_page(ORING_SETUP_NO_SQARRAY | ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN,
		     512);
}
