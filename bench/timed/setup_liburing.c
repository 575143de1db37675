/* SPDX-License-Identifier: MIT */
/* Making a ring and ending it by liburing. */
#include "liburing_ring.h"
#include "setup.h"

#ifdef BENCH_LIBURING

#include <sys/mman.h>

struct setup {
	uint32_t entries;
};

static void *open_setup(const struct bench_job *job)
{
	struct setup *setup = bench_alloc(sizeof(*setup));

	setup->entries = job->entries;
	return setup;
}

static void close_setup(void *self)
{
	munmap(self, sizeof(struct setup));
}

static inline void make(struct setup *setup, struct io_uring *ring, uint32_t flags,
			uint64_t *retries)
{
	unsigned int tries = 0;
	int ret;

	for (;;) {
		struct io_uring_params params;

		memset(&params, 0, sizeof(params));
		params.flags = flags;
		ret = io_uring_queue_init_params(setup->entries, ring, &params);
		if (ret >= 0)
			break;
		setup_retry(-ret, retries, tries++);
	}
	if (ring->sq.ring_entries != setup->entries)
		bench_fail(0, "a ring of %u entries", ring->sq.ring_entries);
}

static void run_as(struct setup *setup, uint64_t operations, uint32_t flags)
{
	uint64_t done, retries = 0;
	struct io_uring ring;

	for (done = 0; done < operations; done++) {
		make(setup, &ring, flags, &retries);
		io_uring_queue_exit(&ring);
	}
	setup_note(retries);
}

static void run_l0(void *self, uint64_t operations, struct bench_time *time)
{
	(void)time;
	run_as(self, operations, 0);
}

static void run_l1(void *self, uint64_t operations, struct bench_time *time)
{
	(void)time;
	run_as(self, operations, LIBURING_L1_FLAGS);
}

/* ---- with all that oring_init_fast() gives ---- */

#ifdef BENCH_LIBURING_WAIT_REG

/* A region of the kernel's memory, as ours: 0, or a negative errno. */
static int register_region(struct io_uring *ring, void **region)
{
	struct io_uring_region_desc desc;
	struct io_uring_mem_region_reg reg;
	int ret;

	memset(&desc, 0, sizeof(desc));
	memset(&reg, 0, sizeof(reg));
	desc.size = (uint64_t)sysconf(_SC_PAGESIZE);
	reg.region_uptr = (uint64_t)(uintptr_t)&desc;
	reg.flags = IORING_MEM_REGION_REG_WAIT_ARG;
	ret = io_uring_register_region(ring, &reg);
	if (ret < 0)
		return ret;
	*region = mmap(NULL, desc.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		       ring->ring_fd, (off_t)desc.mmap_offset);
	return *region == MAP_FAILED ? -errno : 0;
}

static void *open_l1_fast(const struct bench_job *job)
{
	struct setup *setup = open_setup(job);
	uint64_t retries = 0;
	struct io_uring ring;
	void *region;
	int ret;

	make(setup, &ring, LIBURING_L1_FLAGS | IORING_SETUP_R_DISABLED, &retries);
	ret = register_region(&ring, &region);
	io_uring_queue_exit(&ring);
	if (ret == 0) {
		munmap(region, (size_t)sysconf(_SC_PAGESIZE));
		return setup;
	}
	bench_absent("this kernel has no wait regions");
	close_setup(setup);
	return NULL;
}

static void run_l1_fast(void *self, uint64_t operations, struct bench_time *time)
{
	struct setup *setup = self;
	uint64_t done, retries = 0;
	struct io_uring ring;
	void *region;

	(void)time;
	for (done = 0; done < operations; done++) {
		int ret;

		make(setup, &ring, LIBURING_L1_FLAGS | IORING_SETUP_R_DISABLED, &retries);
		ret = register_region(&ring, &region);
		if (ret == 0)
			ret = io_uring_enable_rings(&ring);
		if (ret == 0)
			ret = io_uring_register_ring_fd(&ring);
		if (ret < 0)
			bench_fail(ret, "a wait region and a registered descriptor");
		munmap(region, (size_t)sysconf(_SC_PAGESIZE));
		io_uring_queue_exit(&ring);
	}
	setup_note(retries);
}

#else

static void *open_l1_fast(const struct bench_job *job)
{
	(void)job;
	bench_absent("liburing %s has no registered waits", bench_liburing_version());
	return NULL;
}

#define run_l1_fast NULL

#endif

const struct bench_contender setup_l0 = {
	"L0",	     "io_uring_queue_init_params without setup flags, io_uring_queue_exit",
	open_setup,  run_l0,
	close_setup, NULL
};
const struct bench_contender setup_l1 = {
	"L1",	     "io_uring_queue_init_params with L1's flags, io_uring_queue_exit",
	open_setup,  run_l1,
	close_setup, NULL
};
const struct bench_contender setup_l1_fast = {
	"L1-fast",    "the same, with a wait region and a registered descriptor",
	open_l1_fast, run_l1_fast,
	close_setup,  NULL
};

#else

WITHOUT_LIBURING(setup_l0, "L0");
WITHOUT_LIBURING(setup_l1, "L1");
WITHOUT_LIBURING(setup_l1_fast, "L1-fast");

#endif
