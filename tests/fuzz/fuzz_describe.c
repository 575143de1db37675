/* SPDX-License-Identifier: MIT */
/*
 * Any entry, any completion and any ring, in any room: nothing is written beyond
 * it, the text ends, and it is the beginning of what a larger room gets.
 */
#include "fuzz.h"

#define LARGE 8192

static struct oring_sqe sqe;
static struct oring_cqe cqe;
static struct oring ring;
static uint32_t words[6]; /* of the rings */

static size_t describe(unsigned int what, enum oring_form form, char *text, size_t room)
{
	switch (what) {
	case 0:
		return oring_describe_sqe(&sqe, form, text, room);
	case 1:
		return oring_describe_cqe(&cqe, form, text, room);
	}
	return oring_describe(&ring, form, text, room);
}

static void take_all(struct input *in, void *memory, size_t size)
{
	unsigned char *bytes = memory;

	while (size-- > 0)
		*bytes++ = (unsigned char)take(in, 1);
}

/* Any counters, flags and sizes; what points into memory points into ours. */
static void make_ring(struct input *in)
{
	memset(&ring, 0, sizeof(ring));
	take_all(in, words, sizeof(words));
	ring.sq_head = &words[0];
	ring.sq_tail = &words[1];
	ring.sq_flags = &words[2];
	ring.sq_dropped = &words[3];
	ring.cq_head = ring.cq_tail = &words[4];
	ring.cq_overflow = &words[5];
	ring.setup_flags = (uint32_t)take(in, 4);
	ring.features = (uint32_t)take(in, 4);
	ring.sq_reserved = (uint32_t)take(in, 4);
	ring.sq_committed = (uint32_t)take(in, 4);
	ring.sq_entries = (uint32_t)take(in, 4);
	ring.cq_entries = (uint32_t)take(in, 4);
	ring.cq_released = (uint32_t)take(in, 4);
	ring.fd = ring.enter_fd = (int)take(in, 4);
	ring.enter_flags = (uint32_t)take(in, 1);
	ring.files = (uint32_t)take(in, 4);
	ring.buffers = (uint32_t)take(in, 4);
	ring.buffer_groups = (uint32_t)take(in, 1);
	ring.personalities = (uint32_t)take(in, 1);
	ring.registered = (uint32_t)take(in, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char large[LARGE];
	struct input in = { data, size };
	uint8_t what = (uint8_t)take(&in, 1);
	enum oring_form form = what & 1 ? ORING_LINES : ORING_ONE_LINE;
	size_t room = (size_t)take(&in, 2) & 1023, length;
	char *text = malloc(room); /* of that size: writing on is found */

	what = (what >> 1) % 3;
	if (what == 0)
		take_all(&in, &sqe, sizeof(sqe));
	else if (what == 1)
		take_all(&in, &cqe, sizeof(cqe));
	else
		make_ring(&in);
	length = describe(what, form, large, sizeof(large));
	must(length > 0 && length < sizeof(large) && strlen(large) == length);
	must(describe(what, form, text, room) == length);
	if (room > 0) {
		must(strlen(text) == (length < room ? length : room - 1));
		must(memcmp(text, large, strlen(text)) == 0);
	}
	free(text);
	return 0;
}
