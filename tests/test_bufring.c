/* SPDX-License-Identifier: MIT */
/* The bare ring of provided buffers. */
#include "harness.h"

#include <sys/mman.h>

#define SIZE 64

static void *pages(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(memory, MAP_FAILED);
	return memory;
}

static void init(struct rig *rig, struct oring_bufring *bufring,
		 struct oring_bufring_params *params)
{
	int ret = oring_bufring_init(bufring, &rig->ring, params);

	SKIP_IF_REFUSED(ret,
			params->memory == NULL ? "buffer rings of the kernel's" : "buffer rings");
	cr_assert_eq(ret, 0, "%s", strerror(-ret));
}

/* One byte through a pipe, into a buffer that the kernel chooses. */
static struct oring_cqe read_one(struct rig *rig, const int ends[2], uint16_t bgid, char byte)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	cr_assert_eq(write(ends[1], &byte, 1), 1);
	oring_prep_read(sqe, oring_file_fd(ends[0]), NULL, SIZE, 0);
	oring_sqe_buffer_select(sqe, bgid);
	return rig_reap(rig);
}

/* More reads than entries: around the ring, and around its 16-bit counter if @rounds say so. */
static void go_round(struct rig *rig, void *memory, uint32_t entries, uint32_t rounds)
{
	struct oring_bufring_params params = { memory, entries, 3, 0, 0 };
	struct oring_bufring bufring;
	unsigned char *arena = pages((size_t)entries * SIZE);
	uint32_t i;
	int ends[2];

	init(rig, &bufring, &params);
	cr_assert_eq(oring_bufring_entries(&bufring), entries);
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(read_one(rig, ends, 3, 'x').res, -ENOBUFS, "it is empty");
	cr_assert_eq(read(ends[0], arena, 1), 1);
	/* One by one, or all in their places first. */
	for (i = 0; i < entries; i++) {
		if (memory != NULL)
			oring_bufring_add(&bufring, arena + i * SIZE, SIZE, (uint16_t)i);
		else
			oring_bufring_place(&bufring, i, arena + i * SIZE, SIZE, (uint16_t)i);
	}
	if (memory == NULL)
		oring_bufring_repeat(&bufring, (uint16_t)entries);
	cr_assert_eq(read_one(rig, ends, 3, 'y').res, -ENOBUFS, "it was not committed");
	cr_assert_eq(read(ends[0], arena, 1), 1);
	oring_bufring_commit(&bufring);
	for (i = 0; i < rounds; i++) {
		char byte = (char)('a' + i % 23);
		struct oring_cqe cqe = read_one(rig, ends, 3, byte);
		uint16_t bid = oring_cqe_buffer_id(&cqe);

		cr_assert_eq(cqe.res, 1);
		cr_assert(oring_cqe_has_buffer(&cqe));
		cr_assert_eq(bid, i % entries, "in the order of adding");
		cr_assert_eq(arena[bid * SIZE], byte);
		if (i % 2 == 0)
			oring_bufring_add(&bufring, arena + bid * SIZE, SIZE, bid);
		else
			oring_bufring_repeat(&bufring, 1);
		oring_bufring_commit(&bufring);
	}
	cr_assert_eq(oring_bufring_exit(&bufring, &rig->ring), 0);
	cr_assert_eq(read_one(rig, ends, 3, 'z').res, -ENOBUFS, "there is no such group");
	munmap(arena, (size_t)entries * SIZE);
	close(ends[0]);
	close(ends[1]);
}

RING_TEST(bufring, in_the_callers_memory)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = pages(oring_bufring_size(16, page));

	go_round(rig, memory, 16, 100);
	munmap(memory, oring_bufring_size(16, page));
}

RING_TEST(bufring, in_the_kernels_memory)
{
	go_round(rig, NULL, 4, 40);
}

RING_TEST(bufring, of_one_entry)
{
	void *memory = pages(4096);

	go_round(rig, memory, 1, 10);
	munmap(memory, 4096);
}

Test(bufring, of_all_sizes, .timeout = TEST_SECONDS)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct oring_bufring bufring;
	struct oring ring;
	uint32_t entries;

	require_ring(&ring, 4, 0);
	for (entries = 1; entries <= 32768; entries *= 2) {
		void *memory = pages(oring_bufring_size(entries, page));
		struct oring_bufring_params params = { memory, entries, 2000, 0, 0 };
		int ret = oring_bufring_init(&bufring, &ring, &params);

		SKIP_IF_REFUSED(ret, "buffer rings");
		cr_assert_eq(ret, 0);
		cr_assert_eq(oring_bufring_entries(&bufring), entries);
		cr_assert_eq(oring_bufring_init(&bufring, &ring, &params), -EEXIST);
		cr_assert_eq(oring_bufring_exit(&bufring, &ring), 0);
		cr_assert_lt(oring_bufring_exit(&bufring, &ring), 0, "twice");
		params.memory = NULL;
		ret = oring_bufring_init(&bufring, &ring, &params);
		if (ret == 0)
			cr_assert_eq(oring_bufring_exit(&bufring, &ring), 0);
		else
			cr_assert_eq(ret, -EINVAL, "%u entries: %s", entries, strerror(-ret));
		munmap(memory, oring_bufring_size(entries, page));
	}
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(bufring, what_does_not_do)
{
	char *memory = pages(8192);
	static const uint32_t entries[] = { 0, 3, 65536 };
	struct oring_bufring_params params = { memory, 8, 1, 0, 0 };
	struct oring_bufring bufring;
	struct oring ring;
	size_t i;

	require_ring(&ring, 4, 0);
	SKIP_IF_REFUSED(oring_bufring_init(&bufring, &ring, &params), "buffer rings");
	cr_assert_eq(oring_bufring_exit(&bufring, &ring), 0);
	for (i = 0; i < 3; i++) {
		params.entries = entries[i];
		cr_assert_eq(oring_bufring_init(&bufring, &ring, &params), -EINVAL);
	}
	params.entries = 8;
	params.memory = memory + 16;
	cr_assert_eq(oring_bufring_init(&bufring, &ring, &params), -EINVAL, "not at a page");
	params.memory = memory;
	params.flags = 0x80;
	cr_assert_eq(oring_bufring_init(&bufring, &ring, &params), -EINVAL);
	params.flags = 0;
	params.bgid = 65535;
	cr_assert_eq(oring_bufring_init(&bufring, &ring, &params), 0);
	cr_assert_eq(oring_bufring_exit(&bufring, &ring), 0);
	params.memory = NULL;
	cr_assert_eq(oring_bufring_init(&bufring, &ring, &params), -EINVAL, "cannot be mapped");
	params.memory = memory;
	cr_assert_eq(oring_exit(&ring), 0);
	cr_assert_eq(oring_bufring_init(&bufring, &ring, &params), -EBADF, "closed");
	cr_assert_eq(oring_bufring_size(1, 4096), 4096);
	cr_assert_eq(oring_bufring_size(256, 4096), 4096);
	cr_assert_eq(oring_bufring_size(257, 4096), 8192);
	munmap(memory, 8192);
}

RING_TEST(bufring, what_is_available)
{
	struct oring_bufring_params params = { pages(4096), 8, 1, 0, 0 };
	struct oring_bufring bufring;
	char arena[8 * SIZE];
	int ends[2], ret, i;

	init(rig, &bufring, &params);
	cr_assert_eq(pipe(ends), 0);
	for (i = 0; i < 5; i++)
		oring_bufring_add(&bufring, arena + i * SIZE, SIZE, (uint16_t)(100 + i));
	oring_bufring_commit(&bufring);
	ret = oring_bufring_available(&bufring, &rig->ring);
	SKIP_IF_REFUSED(ret, "the state of buffer rings");
	cr_assert_eq(ret, 5);
	for (i = 0; i < 3; i++) {
		struct oring_cqe cqe = read_one(rig, ends, 1, 'q');

		cr_assert_eq(oring_cqe_buffer_id(&cqe), 100 + i, "ids are the caller's");
		cr_assert_eq(oring_bufring_available(&bufring, &rig->ring), 4 - i);
	}
	cr_assert_eq(oring_bufring_exit(&bufring, &rig->ring), 0);
	munmap(params.memory, 4096);
	close(ends[0]);
	close(ends[1]);
}
