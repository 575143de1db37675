/* SPDX-License-Identifier: MIT */
/* For tests of long requests: sockets of 127.0.0.1, and a group of provided buffers. */
#ifndef ORING_TESTS_STREAMS_H
#define ORING_TESTS_STREAMS_H

#include "sockets.h"
#include "waiting.h"

#include <sys/mman.h>

/* Asserts of Criterion are too slow for a million. */
#define CHECK(condition, ...)                                        \
	do {                                                         \
		if (!(condition))                                    \
			cr_assert_fail(#condition ": " __VA_ARGS__); \
	} while (0)

static inline void put(int sock, const void *bytes, size_t length)
{
	cr_assert_eq(send(sock, bytes, length, MSG_NOSIGNAL), (ssize_t)length, "%s",
		     strerror(errno));
}

static inline void put_text(int sock, const char *text)
{
	put(sock, text, strlen(text));
}

/* ---- buffers ---- */

#define GROUP	  7
#define MOST_BUFS 64

struct store {
	struct oring_bufgroup group;
	struct oring_buf_note notes[MOST_BUFS];
	unsigned char *arena;
	void *memory;
};

/* @count buffers of @size bytes as group GROUP. */
static inline void make_store(struct rig *rig, struct store *store, uint32_t size, uint32_t count,
			      uint16_t flags)
{
	struct oring_bufgroup_params params;
	uint32_t entries = 1;
	int ret;

	while (entries < count)
		entries *= 2;
	memset(&params, 0, sizeof(params));
	store->arena = malloc((size_t)size * count);
	store->memory =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	params.ring.memory = store->memory;
	params.ring.entries = entries;
	params.ring.bgid = GROUP;
	params.ring.flags = flags;
	params.base = store->arena;
	params.notes = store->notes;
	params.size = size;
	params.count = count;
	ret = oring_bufgroup_init(&store->group, &rig->ring, &params);
	SKIP_IF_REFUSED(ret, flags ? "incremental buffers" : "buffer rings");
	cr_assert_eq(ret, 0, "%s", strerror(-ret));
}

/* All buffers are the kernel's again, by our books and by its own. */
static inline void end_store(struct rig *rig, struct store *store)
{
	int available;

	cr_assert_eq(oring_bufgroup_out(&store->group), 0);
	oring_bufgroup_commit(&store->group);
	available = oring_bufring_available(&store->group.ring, &rig->ring);
	if (available != -EINVAL) /* not before 6.8 */
		cr_assert_eq(available, (int)store->group.count);
	cr_assert_eq(oring_bufgroup_exit(&store->group, &rig->ring), 0);
	munmap(store->memory, 4096);
	free(store->arena);
}

/* They came together, in 6.0. */
#define REQUIRE_RECV_MULTISHOT(rig) REQUIRE_OP(rig, ORING_OP_SEND_ZC)

#endif
