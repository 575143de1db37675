/* SPDX-License-Identifier: MIT */
/* Making a ring and ending it. */
#include "bare.h"
#include "setup.h"

#include "oring.h"

#define FLAGS                                                                             \
	(ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_SUBMIT_ALL | \
	 ORING_SETUP_NO_SQARRAY)

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

static void end_ours(struct oring *ring, uint32_t entries)
{
	uint32_t made = oring_sq_entries(ring);
	int ret = oring_exit(ring);

	if (ret < 0 || made != entries)
		bench_fail(ret, "a ring of %u entries", made);
}

static void run_ours(void *self, uint64_t operations, struct bench_time *time)
{
	struct setup *setup = self;
	uint64_t done, retries = 0;
	struct oring ring;

	(void)time;
	for (done = 0; done < operations; done++) {
		struct oring_params params = { .flags = FLAGS };
		unsigned int tries = 0;
		int ret;

		while ((ret = oring_init(&ring, setup->entries, &params)) < 0)
			setup_retry(-ret, &retries, tries++);
		end_ours(&ring, setup->entries);
	}
	setup_note(retries);
}

static void run_fast(void *self, uint64_t operations, struct bench_time *time)
{
	struct setup *setup = self;
	uint64_t done, retries = 0;
	struct oring ring;

	(void)time;
	for (done = 0; done < operations; done++) {
		unsigned int tries = 0;
		int ret;

		while ((ret = oring_init_fast(&ring, setup->entries, NULL, NULL)) < 0)
			setup_retry(-ret, &retries, tries++);
		ret = oring_start(&ring);
		if (ret < 0)
			bench_fail(ret, "oring_start");
		end_ours(&ring, setup->entries);
	}
	setup_note(retries);
}

/* ---- the bare calls ---- */

static void *open_bare(const struct bench_job *job)
{
	struct bare bare;

	if (!bare_open(&bare, job->entries, BARE_PLAIN_DESCRIPTOR))
		return NULL;
	bare_close(&bare);
	return open_setup(job);
}

static void run_bare(void *self, uint64_t operations, struct bench_time *time)
{
	struct setup *setup = self;
	uint64_t done, retries = 0;
	struct bare bare;

	(void)time;
	for (done = 0; done < operations; done++) {
		unsigned int tries = 0;
		int error;

		while ((error = bare_try(&bare, setup->entries, BARE_PLAIN_DESCRIPTOR)) != 0)
			setup_retry(error, &retries, tries++);
		bare_close(&bare);
	}
	setup_note(retries);
}

/* ---- the benchmarks ---- */

static const struct bench_contender ours = {
	"ours",	     "oring_init with the flags that L1 has, oring_exit",
	open_setup,  run_ours,
	close_setup, NULL
};
static const struct bench_contender ours_fast = {
	"ours-fast", "oring_init_fast, oring_start: also a wait region and a registered descriptor",
	open_setup,  run_fast,
	close_setup, NULL
};
static const struct bench_contender bare = {
	"bare",	     "the system calls: setup, two mmap, two munmap, close",
	open_bare,   run_bare,
	close_setup, NULL
};

static const struct bench_contender *const contenders[] = { &ours,     &bare,	   &setup_l0,
							    &setup_l1, &ours_fast, &setup_l1_fast,
							    NULL };

static const struct bench setup_256 = {
	.name = "setup-256",
	.what = "A ring of 256 entries is made and ended",
	.operation = "ring",
	.job = { .entries = 256 },
	.round_us = 20000,
	.operations = 100,
	.contenders = contenders,
};
static const struct bench setup_4096 = {
	.name = "setup-4096",
	.what = "A ring of 4096 entries is made and ended",
	.operation = "ring",
	.job = { .entries = 4096 },
	.round_us = 50000,
	.operations = 100,
	.contenders = contenders,
};

const struct bench *const bench_setup[] = { &setup_256, &setup_4096, NULL };
