/* SPDX-License-Identifier: MIT */
/*
 * A kernel that fills a completion queue as kernels do (one size, the other,
 * both with fillers, counters that wrap), and a caller that takes completions by
 * every function in any order: each comes once, in order, whole, and nothing
 * beside the queue is read.
 */
#include "fuzz.h"

#define ENTRIES 8

static struct oring ring;
static uint32_t head, tail, sq_flags, overflow;
static uint64_t sent, came; /* completions; came: released */

static unsigned char *slot(uint32_t index)
{
	return ring.cqes + (size_t)(index % ENTRIES) * ring.cq_stride;
}

static void make(uint32_t start, uint32_t flags)
{
	memset(&ring, 0, sizeof(ring));
	head = tail = start;
	sent = came = 0;
	ring.cq_stride = flags & ORING_SETUP_CQE32 ? 32 : 16;
	ring.cq_mixed = (flags & ORING_SETUP_CQE_MIXED) != 0;
	ring.cqes = calloc(ENTRIES, ring.cq_stride); /* of that size: reading on is found */
	ring.cq_released = start;
	ring.cq_mask = ENTRIES - 1;
	ring.cq_entries = ENTRIES;
	ring.cq_head = &head;
	ring.cq_tail = &tail;
	ring.cq_overflow = &overflow;
	ring.sq_flags = &sq_flags;
	ring.setup_flags = flags;
}

static int is_large(uint64_t n)
{
	return ring.cq_stride == 32 || (ring.cq_mixed && n % 3 == 0);
}

/* One completion, with any flags but those that tell of the slots; never a large one across the end. */
static void complete(uint32_t flags)
{
	uint32_t large = ring.cq_mixed && is_large(sent), pad;
	struct oring_cqe *cqe;

	pad = large && tail % ENTRIES == ENTRIES - 1;
	if (tail - head + pad + large + 1 > ENTRIES)
		return;
	memset(slot(tail), 0xff, ring.cq_stride); /* what was there before */
	if (pad) {
		((struct oring_cqe *)slot(tail))->flags = ORING_CQE_F_SKIP;
		tail++;
	}
	cqe = (struct oring_cqe *)slot(tail);
	cqe->user_data = sent;
	cqe->res = (int32_t)(sent * 3);
	/* On rings of one size no bit of the flags means a size. */
	cqe->flags = flags & ~ORING_CQE_F_32;
	if (ring.cq_mixed)
		cqe->flags = (flags & ~(ORING_CQE_F_32 | ORING_CQE_F_SKIP)) |
			     (large ? ORING_CQE_F_32 : 0);
	if (is_large(sent)) {
		((struct oring_cqe32 *)cqe)->big_cqe[0] = ~sent;
		((struct oring_cqe32 *)cqe)->big_cqe[1] = ORING_CQE_F_SKIP;
	}
	tail += 1 + large;
	sent++;
}

/* A filler that nothing follows yet, as before a large one that has no room. */
static void fill(void)
{
	if (!ring.cq_mixed || tail - head == ENTRIES)
		return;
	((struct oring_cqe *)slot(tail))->flags = ORING_CQE_F_SKIP;
	tail++;
}

static void is_number(const struct oring_cqe *cqe, uint64_t n)
{
	must(cqe->user_data == n && cqe->res == (int32_t)(n * 3));
}

static void walk(uint32_t most, int runs)
{
	uint32_t cursor = oring_cq_begin(&ring), end = oring_cq_end(&ring), n = 1, i, steps = 0;
	struct oring_cqe *cqe;

	must(end - cursor == oring_cq_ready(&ring));
	while (steps < most) {
		cqe = runs ? oring_cq_run(&ring, &cursor, end, &n)
			   : oring_cq_next(&ring, &cursor, end);
		if (cqe == NULL)
			break;
		must(n > 0 && n <= ENTRIES);
		for (i = 0; i < n; i++)
			is_number(&cqe[i], came++);
		steps += n;
	}
	must(steps >= most || (cursor == end && came == sent));
	oring_cq_release_to(&ring, cursor);
}

static void for_each(uint32_t most)
{
	uint32_t cursor, end;
	struct oring_cqe *cqe;

	oring_cq_for_each (&ring, cursor, end, cqe) {
		if (most-- == 0) { /* seen, and left for the next time */
			is_number(cqe, came);
			cursor -= is_large(came) && ring.cq_mixed ? 2 : 1;
			break;
		}
		is_number(cqe, came++);
	}
	oring_cq_release_to(&ring, cursor);
}

static void copy(uint32_t most)
{
	struct oring_cqe *out = malloc(most * sizeof(*out));
	uint32_t n = oring_cq_copy(&ring, out, most), i;

	must(n <= most && (n == most || came + n == sent));
	for (i = 0; i < n; i++)
		is_number(&out[i], came++);
	free(out);
}

static void copy32(uint32_t most)
{
	struct oring_cqe32 *out = malloc(most * sizeof(*out));
	uint32_t n = oring_cq_copy32(&ring, out, most), i;

	must(n <= most && (n == most || came + n == sent));
	for (i = 0; i < n; i++, came++) {
		is_number(&out[i].cqe, came);
		must(out[i].big_cqe[0] == (is_large(came) ? ~came : 0));
		must(out[i].big_cqe[1] == (is_large(came) ? ORING_CQE_F_SKIP : 0));
	}
	free(out);
}

static void take_one(void)
{
	struct oring_cqe one = { 0 };

	must(oring_cq_take(&ring, &one) == (came < sent));
	if (came < sent)
		is_number(&one, came++);
}

static void peek(void)
{
	struct oring_cqe *cqe = oring_cq_peek(&ring);

	must((cqe != NULL) == (came < sent));
	must(cqe == oring_cq_peek(&ring));
	if (cqe != NULL)
		is_number(cqe, came++);
	oring_cq_release(&ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t kinds[] = { 0, ORING_SETUP_CQE32, ORING_SETUP_CQE_MIXED };
	struct input in = { data, size };
	uint32_t kind = kinds[take(&in, 1) % 3];

	make((uint32_t)take(&in, 1) - 128 + ((uint32_t)take(&in, 1) << 24), kind);
	while (in.left > 0) {
		uint8_t what = (uint8_t)take(&in, 1);

		switch (what & 7) {
		case 0:
		case 1:
			complete((uint32_t)take(&in, what & 8 ? 4 : 0));
			break;
		case 2:
			if (what & 8)
				fill();
			else
				take_one();
			break;
		case 3:
			walk(what >> 4, what & 8);
			break;
		case 4:
			for_each(what >> 4);
			break;
		case 5:
			copy(what >> 4);
			break;
		case 6:
			copy32(what >> 4);
			break;
		default:
			peek();
		}
		must(head == ring.cq_released && tail - head <= ENTRIES);
		must(oring_cq_ready(&ring) == tail - head && sent - came <= tail - head);
	}
	for_each(UINT32_MAX);
	must(came == sent && head == tail);
	free(ring.cqes);
	return 0;
}
