/* SPDX-License-Identifier: MIT */
/* Any completions and releases: pieces lie inside the area, and the books never owe more than was handed out. */
#include "fuzz.h"

#define PAGE	4096
#define BUFFERS 4
#define ENTRIES 4
#define HELD	256

static _Alignas(PAGE) unsigned char area[BUFFERS * PAGE];
static _Alignas(PAGE) unsigned char memory[2 * PAGE];
static struct oring_zcrx_note notes[BUFFERS];

static void make(struct oring_zcrx *zcrx)
{
	struct oring_zcrx_params params = { 0 };
	struct oring_zcrx_area_reg area_reg = { 0 };
	struct oring_zcrx_ifq_reg reg = { 0 };
	static struct oring ring;

	memset(memory, 0, sizeof(memory));
	params.flags = ORING_ZCRX_REG_NODEV;
	params.entries = ENTRIES;
	params.page = PAGE;
	params.buffer_size = PAGE;
	params.area = area;
	params.area_size = sizeof(area);
	params.notes = notes;
	params.memory = memory;
	reg.rq_entries = ENTRIES;
	reg.offsets.tail = 4;
	reg.offsets.rqes = 64;
	must(oring_zcrx_adopt(zcrx, &ring, &params, &reg, &area_reg) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct oring_zcrx_piece held[HELD];
	struct oring_cqe32 cqe = { 0 };
	struct oring_zcrx zcrx;
	uint32_t n = 0;

	make(&zcrx);
	while (in.left > 0 && n < HELD) {
		uint8_t what = (uint8_t)take(&in, 1);

		switch (what & 3) {
		case 0: /* any completion */
		case 1: /* one that may well be */
			/* More come, or it is the last; which says nothing of a piece. */
			cqe.cqe.flags =
				(what & 8 ? 0 : ORING_CQE_F_MORE) | (what & 4 ? ORING_CQE_F_32 : 0);
			cqe.cqe.res = (int32_t)take(&in, what & 1 ? 2 : 4);
			cqe.big_cqe[0] = take(&in, what & 1 ? 2 : 8);
			if (oring_zcrx_piece(&zcrx, &cqe.cqe, &held[n]) < 0) {
				must(held[n].data == NULL && held[n].length == 0);
				cqe.cqe.flags ^= ORING_CQE_F_MORE;
				must(oring_zcrx_piece(&zcrx, &cqe.cqe, &held[n]) < 0);
				break;
			}
			must(cqe.cqe.res > 0);
			must(held[n].data >= area && held[n].length > 0);
			must((size_t)(held[n].data - area) + held[n].length <= sizeof(area));
			n++;
			break;
		case 2:
			if (n == 0)
				break;
			what = (uint8_t)((what >> 2) % n);
			if (oring_zcrx_release(&zcrx, &held[what]) == 0) {
				must(oring_zcrx_release(&zcrx, &held[what]) < 0);
				held[what] = held[--n];
			} else {
				must(oring_zcrx_room(&zcrx) == 0);
			}
			break;
		default: /* the kernel takes what was committed */
			oring_zcrx_commit(&zcrx);
			memcpy(memory, memory + 4, 4);
		}
		must(oring_zcrx_out(&zcrx) == n);
		must(oring_zcrx_room(&zcrx) <= ENTRIES);
	}
	return 0;
}
