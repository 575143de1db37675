/* SPDX-License-Identifier: MIT */
/*
 * A kernel that takes buffers as kernels do (plain, incremental, in bundles) and
 * a caller that releases in any order, now and then wrongly: pieces do not
 * overlap while they are out, lie in the arena, and no buffer is lost. Some
 * kernels do not tell that they go on in a buffer. And completions that no kernel
 * makes: of other groups, twice, of any length, dropped.
 */
#include "fuzz.h"

#define COUNT 8
#define SIZE  16
#define HELD  256

static struct oring_bufgroup group;
static struct oring_buf_note notes[COUNT];
static struct oring_buf slots[COUNT];
static unsigned char arena[COUNT * SIZE];
static unsigned char owner[COUNT * SIZE]; /* bytes that are out */

/* As oring_bufgroup_init() makes it, without a kernel. */
static void make(uint16_t flags)
{
	uint16_t i;

	memset(&group, 0, sizeof(group));
	memset(owner, 0, sizeof(owner));
	group.ring.bufs = slots;
	group.ring.mask = COUNT - 1;
	group.ring.flags = flags;
	group.base = arena;
	group.notes = notes;
	group.size = SIZE;
	group.count = COUNT;
	for (i = 0; i < COUNT; i++) {
		notes[i].used = 0;
		notes[i].pieces = 0;
		notes[i].state = ORING_BUF_KERNEL;
		notes[group.newest].next = i;
		group.newest = i;
		oring_bufring_add(&group.ring, arena + i * SIZE, SIZE, i);
	}
	oring_bufring_commit(&group.ring);
}

/* What the kernel does with up to @length bytes; false if it has no buffer. */
static int kernel(uint16_t *head, uint32_t *used, uint32_t length, int bundle, int quiet,
		  struct oring_cqe *cqe)
{
	uint32_t left = length, room;
	int more = 0;

	memset(cqe, 0, sizeof(*cqe));
	if (*head == slots[0].resv)
		return 0;
	cqe->flags = ORING_CQE_F_BUFFER | (uint32_t)slots[*head & (COUNT - 1)].bid << 16;
	do {
		uint32_t n;

		room = SIZE - *used;
		n = left < room ? left : room;
		left -= n;
		*used += n;
		more = (group.ring.flags & ORING_PBUF_RING_INC) && *used < SIZE;
		if (!more) {
			*used = 0;
			++*head;
		}
	} while (bundle && left > 0 && *head != slots[0].resv);
	cqe->res = (int32_t)(length - left);
	if (more && !quiet)
		cqe->flags |= ORING_CQE_F_BUF_MORE;
	return 1;
}

static void claim(const struct oring_piece *piece, unsigned char value)
{
	size_t at = (size_t)(piece->data - arena), i;

	must(at + piece->length <= sizeof(arena) && at / SIZE == piece->bid);
	for (i = 0; i < piece->length; i++) {
		must(owner[at + i] != value);
		owner[at + i] = value;
	}
}

/* Any completion, and releases that may be one too many: all stays in the arena, and the books are whole. */
static void hostile(struct input *in)
{
	uint32_t pieces[COUNT] = { 0 }, n, i;
	struct oring_bufwalk walk;
	struct oring_piece piece;
	struct oring_cqe cqe;

	if (take(in, 1) & 1)
		group.min_left = 4;
	while (in->left > 0) {
		uint8_t what = (uint8_t)take(in, 1);
		uint16_t bid = (uint16_t)take(in, what & 1 ? 2 : 1);
		int ret;

		if (what & 2) {
			ret = oring_bufgroup_release(&group, bid);
			must((ret == 0) == (bid < COUNT && pieces[bid] > 0));
			if (ret == 0)
				pieces[bid]--;
			must((oring_bufgroup_at(&group, bid) != NULL) == (bid < COUNT));
		} else {
			memset(&cqe, 0, sizeof(cqe));
			cqe.res = (int32_t)take(in, what & 4 ? 4 : 1);
			cqe.flags = (uint32_t)bid << 16 | (uint32_t)take(in, 1);
			if (what & 8) {
				ret = oring_bufgroup_drop(&group, &cqe);
				must(ret < 0 || ret == (cqe.res > 0 ? cqe.res : 0));
			} else if (oring_bufgroup_open(&group, &cqe, &walk) == 0) {
				uint64_t length = 0;

				for (n = 0; oring_bufgroup_next(&walk, &piece); n++) {
					size_t at = (size_t)(piece.data - arena);

					must(piece.bid < COUNT && at <= sizeof(arena));
					must(at >= (size_t)piece.bid * SIZE);
					must(at + piece.length <= (size_t)(piece.bid + 1) * SIZE);
					pieces[piece.bid]++;
					length += piece.length;
				}
				must(n > 0 && n <= COUNT);
				must(length <= (cqe.res > 0 ? (uint32_t)cqe.res : 0));
			}
		}
		for (n = i = 0; i < COUNT; i++) {
			must(notes[i].pieces == pieces[i] && notes[i].used <= SIZE);
			n += notes[i].state == ORING_BUF_OURS;
		}
		must(oring_bufgroup_out(&group) == n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct oring_piece held[HELD], piece;
	uint32_t used = 0, n = 0, k;
	struct oring_bufwalk walk;
	struct oring_cqe cqe;
	uint8_t kind = (uint8_t)take(&in, 1);
	uint16_t head = 0;

	make(kind & 1 ? ORING_PBUF_RING_INC : 0);
	if (kind & 4) {
		hostile(&in);
		return 0;
	}
	while (in.left > 0 && n + COUNT < HELD) {
		uint8_t what = (uint8_t)take(&in, 1);

		if (what & 1 && kernel(&head, &used, 1 + what / 4, what & 2, kind & 2, &cqe)) {
			uint32_t length = 0;

			must(oring_bufgroup_open(&group, &cqe, &walk) == 0);
			while (oring_bufgroup_next(&walk, &piece)) {
				claim(&piece, 1);
				length += piece.length;
				held[n++] = piece;
			}
			must(length == (uint32_t)cqe.res);
		} else if (what & 2 && n > 0) {
			k = what / 4 % n;
			must(oring_bufgroup_release(&group, held[k].bid) == 0);
			claim(&held[k], 0);
			held[k] = held[--n];
			oring_bufgroup_commit(&group);
		} else {
			for (k = 0; k < n && held[k].bid != what / 4; k++)
				;
			if (k == n)
				must(oring_bufgroup_release(&group, what / 4) < 0);
		}
	}
	while (n > 0)
		must(oring_bufgroup_release(&group, held[--n].bid) == 0);
	oring_bufgroup_commit(&group);
	must(oring_bufgroup_out(&group) == 0);
	must((uint16_t)(slots[0].resv - head) == COUNT);
	return 0;
}
