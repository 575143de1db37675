/* SPDX-License-Identifier: MIT */
/*
 * A caller that reserves, takes back and commits in any way, entries with any
 * fields, and a kernel that consumes: each entry gets there once, in order, as it
 * was. What -Dchecks=true looks at is all in memory of ours, so that it finds
 * nothing wrong with entries that oring_sqe_check() lets pass.
 */
#include "fuzz.h"
#include "check.h"
#include "opinfo.h"

#define ENTRIES 8
#define REGION	65536

/* An address and 16, over and over: good as a string, as bytes, as vectors and as a msghdr. */
static uint64_t region[REGION / 8];
static struct oring ring;
static uint32_t head, tail, sq_flags, dropped;
static struct oring_sqe shadow[ENTRIES]; /* what the kernel is to find, by its slot */
static uint8_t is_ours[ENTRIES];	 /* not a second half, nor what the ring put in */

static void make(uint32_t start, uint32_t flags)
{
	size_t i;

	for (i = REGION / 8; region[0] == 0 && i > 0; i -= 2) {
		region[i - 2] = (uintptr_t)region;
		region[i - 1] = 16;
	}
	memset(&ring, 0, sizeof(ring));
	head = tail = start;
	ring.sq_stride = flags & ORING_SETUP_SQE128 ? 128 : 64;
	ring.sqes =
		malloc((size_t)ENTRIES * ring.sq_stride); /* of that size: writing on is found */
	memset(ring.sqes, 0xff, (size_t)ENTRIES * ring.sq_stride);
	ring.sq_reserved = ring.sq_committed = start;
	ring.sq_limit = start + ENTRIES;
	ring.sq_mask = ENTRIES - 1;
	ring.sq_entries = ENTRIES;
	ring.sq_head = &head;
	ring.sq_tail = &tail;
	ring.sq_flags = &sq_flags;
	ring.sq_dropped = &dropped;
	ring.setup_flags = flags;
	ring.fd = ring.enter_fd = -1;
}

/* What to put into @field: how many units there are, an address of ours, or anything. */
static uint64_t operand(struct input *in, uint8_t opcode, unsigned int field)
{
	const struct op_memory *memory = oring_opinfo[opcode].memory;
	uint8_t what = (uint8_t)take(in, 1);
	int i;

	for (i = 0; i < 3; i++)
		if (memory[i].count == field)
			return what;
	for (i = 0; i < 3; i++)
		if (memory[i].field == field)
			return what & 3 ? (uintptr_t)&region[2 * (what >> 2)] : 0;
	return what & 1 ? take(in, 8) : what >> 1;
}

static void fill(struct input *in, struct oring_sqe *sqe)
{
	sqe->opcode = (uint8_t)take(in, 1) % ORING_OP_LAST;
	if (sqe->opcode == ORING_OP_NOP128 || sqe->opcode == ORING_OP_URING_CMD128)
		sqe->opcode = ORING_OP_URING_CMD; /* those take two slots */
	sqe->flags = (uint8_t)take(in, 1);
	sqe->ioprio = (uint16_t)take(in, 2);
	sqe->fd = (int32_t)take(in, 1);
	sqe->off = operand(in, sqe->opcode, FIELD_OFF);
	sqe->addr = operand(in, sqe->opcode, FIELD_ADDR);
	sqe->addr3 = operand(in, sqe->opcode, FIELD_ADDR3);
	sqe->len = (uint32_t)take(in, 1);
	sqe->op_flags = (uint32_t)take(in, 4);
	sqe->user_data = take(in, 8);
	sqe->buf_index = (uint16_t)take(in, 1);
	sqe->file_index = (uint32_t)take(in, 1);
	/* What is wrong would trap: nothing of it then, but the operation. */
	if (oring_sqe_check(sqe) < 0) {
		memset(sqe, 0, sizeof(*sqe));
		oring_prep_nop(sqe);
		sqe->user_data = 1;
	}
}

/* Ours is in this slot, as it is now. */
static void remember(const struct oring_sqe *sqe)
{
	size_t at = (size_t)((const unsigned char *)sqe - ring.sqes) / ring.sq_stride;

	shadow[at] = *sqe;
	is_ours[at] = 1;
}

static int is_blank(const void *memory, size_t size)
{
	const unsigned char *bytes = memory;

	while (size > 0 && bytes[size - 1] == 0)
		size--;
	return size == 0;
}

static void reserve(struct input *in, uint8_t what)
{
	uint32_t before = ring.sq_reserved, space = oring_sq_space(&ring), first, n = what >> 4, i;
	struct oring_sqe few[16] = { 0 }, *sqe;
	struct oring_sqe128 *large;

	must(space <= ENTRIES);
	for (i = 0; i < ENTRIES; i++)
		if (i < space)
			is_ours[(before + i) % ENTRIES] = 0;
	switch (what & 3) {
	case 0:
		sqe = oring_sq_reserve(&ring);
		must((sqe != NULL) == (space > 0));
		if (sqe == NULL)
			return;
		must(is_blank(sqe, sizeof(*sqe)));
		fill(in, sqe);
		remember(sqe);
		break;
	case 1:
		if (oring_sq_reserve_n(&ring, n, &first) < 0) {
			must(n == 0 || n > space);
			must(ring.sq_reserved == before);
			return;
		}
		must(n > 0 && n <= space && ring.sq_reserved == before + n);
		for (i = 0; i < n; i++) {
			sqe = oring_sq_at(&ring, first + i);
			must(is_blank(sqe, sizeof(*sqe)));
			fill(in, sqe);
			remember(sqe);
		}
		break;
	case 2:
		for (i = 0; i < n; i++)
			fill(in, &few[i]);
		if (oring_sq_push_n(&ring, few, n) < 0) {
			must(n == 0 || n > space);
			return;
		}
		for (i = 0; i < n; i++) {
			sqe = oring_sq_at(&ring, before + i);
			must(memcmp(sqe, &few[i], sizeof(*sqe)) == 0);
			remember(sqe);
		}
		break;
	default:
		large = oring_sq_reserve128(&ring);
		if (large == NULL) {
			must(ring.sq_reserved == before);
			return;
		}
		must((unsigned char *)large + sizeof(*large) <=
		     ring.sqes + (size_t)ENTRIES * ring.sq_stride);
		must(is_blank(large, sizeof(*large)));
		large->sqe.opcode = ORING_OP_NOP128;
		large->sqe.user_data = take(in, 8);
		memset(large->more, 0xee, sizeof(large->more)); /* no entry, and looks like none */
		remember(&large->sqe);
	}
}

/* The kernel takes up to @n slots, and finds what was put there. */
static void consume(uint32_t n)
{
	while (n-- > 0 && head != tail) {
		const struct oring_sqe *sqe = oring_sq_at(&ring, head);

		if (is_ours[head % ENTRIES])
			must(memcmp(sqe, &shadow[head % ENTRIES], sizeof(*sqe)) == 0);
		else /* what fills up the end */
			must(sqe->opcode == ORING_OP_NOP && is_blank(&sqe->off, 24));
		if (sqe->opcode == ORING_OP_NOP128 && ring.sq_stride == 64) {
			if (tail - head < 2)
				return;
			head++;
		}
		head++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t kinds[] = { 0, ORING_SETUP_SQE128, ORING_SETUP_SQE_MIXED };
	struct input in = { data, size };
	uint32_t kind = kinds[take(&in, 1) % 3], fresh, before;

	make((uint32_t)take(&in, 1) - 128 + ((uint32_t)take(&in, 1) << 24), kind);
	while (in.left > 0) {
		uint8_t what = (uint8_t)take(&in, 1);

		fresh = ring.sq_reserved - ring.sq_committed;
		switch (what >> 2 & 3) {
		case 0:
		case 1:
			reserve(&in, what);
			break;
		case 2:
			before = ring.sq_reserved;
			/* Not half a large entry. */
			if (kind == ORING_SETUP_SQE_MIXED && (what & 3))
				break;
			must((oring_sq_unreserve(&ring, what >> 4) == 0) == (what >> 4 <= fresh));
			must(ring.sq_reserved == before - (what >> 4 <= fresh ? what >> 4 : 0) ||
			     kind == ORING_SETUP_SQE_MIXED);
			if (kind == ORING_SETUP_SQE_MIXED)
				oring_sq_unreserve(&ring, ring.sq_reserved - ring.sq_committed);
			break;
		default:
			oring_check_pending(&ring);
			must(oring_sq_commit(&ring) == fresh);
			must(tail == ring.sq_reserved);
			consume(what >> 4);
		}
		must(ring.sq_reserved - head <= ENTRIES);
		must(oring_sq_pending(&ring) == ring.sq_reserved - head);
		must(tail == ring.sq_committed);
	}
	oring_check_pending(&ring);
	oring_sq_commit(&ring);
	consume(ENTRIES);
	must(head == tail);
	free(ring.sqes);
	return 0;
}
