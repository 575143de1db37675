/* SPDX-License-Identifier: MIT */
/*
 * Zero-copy receive. The books: on a refill ring in our own memory, whose other
 * side is a model of the kernel's. The kernel: what is in the way of it, and,
 * where there is a queue without a device, bytes that come over TCP.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>

#define PAGE	4096U
#define BUFFERS 8U
#define TOKEN	((uint64_t)3 << ORING_ZCRX_AREA_SHIFT)
#define HEAD	0
#define TAIL	4
#define RQES	64

/* ---- the books, and a kernel of our own ---- */

struct model {
	struct oring ring;
	struct oring_zcrx zcrx;
	struct oring_zcrx_params params;
	struct oring_zcrx_ifq_reg reg;
	struct oring_zcrx_area_reg area_reg;
	struct oring_zcrx_note notes[BUFFERS];
	uint32_t refs[BUFFERS]; /* what the kernel counts: pieces that we have, by its books */
	uint32_t buffer_size;
	uint32_t head;
	unsigned char *area;
	unsigned char *memory;
};

/* @entries in the refill ring, whose counters begin at @first. */
static void make(struct model *model, uint32_t entries, uint32_t first, uint32_t buffer_size,
		 bool mixed)
{
	memset(model, 0, sizeof(*model));
	model->buffer_size = buffer_size;
	model->head = first;
	model->area = aligned_alloc(PAGE, BUFFERS * buffer_size);
	model->memory = aligned_alloc(PAGE, oring_zcrx_refill_size(entries, PAGE));
	model->ring.cq_mixed = mixed;
	model->params.flags = ORING_ZCRX_REG_NODEV;
	model->params.entries = entries;
	model->params.page = PAGE;
	model->params.buffer_size = buffer_size;
	model->params.area = model->area;
	model->params.area_size = BUFFERS * buffer_size;
	model->params.notes = model->notes;
	model->params.memory = model->memory;
	model->reg.rq_entries = entries;
	model->reg.offsets.head = HEAD;
	model->reg.offsets.tail = TAIL;
	model->reg.offsets.rqes = RQES;
	model->reg.zcrx_id = 77;
	model->reg.rx_buf_len = buffer_size == PAGE ? 0 : buffer_size;
	model->area_reg.rq_area_token = TOKEN;
	memset(model->notes, 0xee, sizeof(model->notes));
	memcpy(model->memory + HEAD, &first, 4);
	memcpy(model->memory + TAIL, &first, 4);
	cr_assert_eq(oring_zcrx_adopt(&model->zcrx, &model->ring, &model->params, &model->reg,
				      &model->area_reg),
		     0);
	cr_assert_eq(oring_zcrx_id(&model->zcrx), 77);
	cr_assert_eq(oring_zcrx_room(&model->zcrx), entries);
}

static void unmake(struct model *model)
{
	free(model->area);
	free(model->memory);
}

static struct oring_cqe32 completion(int32_t res, uint64_t where, uint64_t pad)
{
	struct oring_cqe32 cqe;

	memset(&cqe, 0, sizeof(cqe));
	cqe.cqe.res = res;
	cqe.cqe.flags = ORING_CQE_F_MORE | ORING_CQE_F_32;
	cqe.big_cqe[0] = where;
	cqe.big_cqe[1] = pad;
	return cqe;
}

/* The kernel puts @length bytes at @offset. */
static int give(struct model *model, size_t offset, uint32_t length, struct oring_zcrx_piece *piece)
{
	struct oring_cqe32 cqe = completion((int32_t)length, TOKEN | offset, 0);
	int ret = oring_zcrx_piece(&model->zcrx, &cqe.cqe, piece);

	if (ret == 0) {
		cr_assert_eq(piece->data, model->area + offset);
		cr_assert_eq(piece->length, length);
		model->refs[offset / model->buffer_size]++;
	}
	return ret;
}

static uint32_t committed(const struct model *model)
{
	uint32_t tail;

	memcpy(&tail, model->memory + TAIL, 4);
	return tail - model->head;
}

/* The kernel takes up to @n committed entries; each is good for one piece that we had. */
static uint32_t take(struct model *model, uint32_t n)
{
	uint32_t i, there = committed(model);

	cr_assert_leq(there, model->reg.rq_entries);
	for (i = 0; i < n && i < there; i++) {
		struct oring_zcrx_rqe rqe;
		uint32_t slot = model->head++ & (model->reg.rq_entries - 1);
		uint64_t buffer;

		memcpy(&rqe, model->memory + RQES + slot * sizeof(rqe), sizeof(rqe));
		cr_assert_eq(rqe.pad, 0);
		cr_assert_eq(rqe.off & ORING_ZCRX_AREA_MASK, TOKEN);
		buffer = (rqe.off & ~ORING_ZCRX_AREA_MASK) / model->buffer_size;
		cr_assert_lt(buffer, BUFFERS);
		cr_assert_gt(model->refs[buffer], 0, "buffer %d: one too many",
			     (int)buffer);
		model->refs[buffer]--;
	}
	memcpy(model->memory + HEAD, &model->head, 4);
	return i;
}

/* By both books, nothing is out. */
static void balanced(struct model *model)
{
	uint32_t i;

	oring_zcrx_commit(&model->zcrx);
	take(model, UINT32_MAX);
	cr_assert_eq(oring_zcrx_out(&model->zcrx), 0);
	cr_assert_eq(oring_zcrx_room(&model->zcrx), model->reg.rq_entries);
	for (i = 0; i < BUFFERS; i++) {
		cr_assert_eq(model->refs[i], 0, "buffer %u: %u", i, model->refs[i]);
		cr_assert_eq(model->notes[i].pieces, 0);
		cr_assert_eq(model->notes[i].bytes, 0);
	}
}

Test(zcrx, sizes)
{
	uint32_t entries;

	for (entries = 1; entries <= 32768; entries *= 2) {
		size_t bytes = oring_zcrx_refill_size(entries, PAGE);

		cr_assert_eq(bytes % PAGE, 0);
		cr_assert_geq(bytes, 256 + 16 * (size_t)entries + 64);
		cr_assert_lt(bytes, 256 + 16 * (size_t)entries + 64 + PAGE);
	}
	cr_assert_eq(oring_zcrx_refill_size(1, 65536), 65536);
	cr_assert_eq(oring_zcrx_notes(8 * PAGE, PAGE), 8);
	cr_assert_eq(oring_zcrx_notes(8 * PAGE, 4 * PAGE), 2);
}

Test(zcrx, offsets)
{
	const uint64_t size = BUFFERS * PAGE;
	const struct {
		uint64_t where, pad;
		int32_t res;
		int expected;
	} rows[] = {
		{ TOKEN, 0, 1, 0 },
		{ TOKEN, 0, PAGE, 0 },
		{ TOKEN | 1, 0, PAGE - 1, 0 },
		{ TOKEN | (PAGE - 1), 0, 1, 0 },
		{ TOKEN | (size - PAGE), 0, PAGE, 0 },
		{ TOKEN | (size - 1), 0, 1, 0 },
		/* nothing came */
		{ TOKEN, 0, 0, -ENOENT },
		{ TOKEN, 0, -ENOMEM, -ENOENT },
		{ UINT64_MAX, 1, INT32_MIN, -ENOENT },
		/* out of the buffer, of the area */
		{ TOKEN, 0, PAGE + 1, -EINVAL },
		{ TOKEN, 0, INT32_MAX, -EINVAL },
		{ TOKEN | 1, 0, PAGE, -EINVAL },
		{ TOKEN | (PAGE - 1), 0, 2, -EINVAL },
		{ TOKEN | (size - 1), 0, 2, -EINVAL },
		{ TOKEN | size, 0, 1, -EINVAL },
		{ TOKEN | (size + PAGE), 0, 1, -EINVAL },
		{ TOKEN | (uint64_t)1 << 32, 0, 1, -EINVAL },
		{ TOKEN | (uint64_t)1 << 47, 0, 1, -EINVAL },
		{ TOKEN | ~ORING_ZCRX_AREA_MASK, 0, 1, -EINVAL },
		{ TOKEN | ~ORING_ZCRX_AREA_MASK, 0, INT32_MAX, -EINVAL },
		/* of another area, of another request */
		{ 0, 0, 1, -EINVAL },
		{ (uint64_t)2 << ORING_ZCRX_AREA_SHIFT, 0, 1, -EINVAL },
		{ (uint64_t)1 << 63 | TOKEN, 0, 1, -EINVAL },
		{ UINT64_MAX, 0, 1, -EINVAL },
		{ TOKEN, 1, 1, -EINVAL },
		{ TOKEN, UINT64_MAX, 1, -EINVAL },
	};
	struct model model;
	size_t i;

	make(&model, 4, 0, PAGE, false);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct oring_cqe32 cqe = completion(rows[i].res, rows[i].where, rows[i].pad);
		struct oring_zcrx_piece piece = { model.area, 5 };
		size_t offset = rows[i].where & ~ORING_ZCRX_AREA_MASK;
		int ret = oring_zcrx_piece(&model.zcrx, &cqe.cqe, &piece);

		cr_assert_eq(ret, rows[i].expected, "row %zu: %d", i, ret);
		cr_assert_eq(oring_zcrx_out(&model.zcrx), ret == 0);
		if (ret < 0) {
			cr_assert_null(piece.data);
			cr_assert_eq(piece.length, 0);
			cr_assert_eq(oring_zcrx_release(&model.zcrx, &piece), -EINVAL);
			continue;
		}
		cr_assert_eq(piece.data, model.area + offset);
		cr_assert_eq(piece.length, (uint32_t)rows[i].res);
		model.refs[offset / PAGE]++;
		cr_assert_eq(oring_zcrx_release(&model.zcrx, &piece), 0);
		balanced(&model);
	}
	balanced(&model);
	unmake(&model);
}

Test(zcrx, short_completions_of_mixed_rings)
{
	/* What follows them is not looked at: it is not theirs. */
	struct oring_cqe *cqe = malloc(sizeof(*cqe));
	struct oring_zcrx_piece piece;
	struct model model;

	make(&model, 4, 0, PAGE, true);
	memset(cqe, 0, sizeof(*cqe));
	cqe->res = 100;
	cqe->flags = ORING_CQE_F_MORE;
	cr_assert_eq(oring_zcrx_piece(&model.zcrx, cqe, &piece), -ENOENT);
	cr_assert_null(piece.data);
	cr_assert_eq(give(&model, 5, 100, &piece), 0);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &piece), 0);
	balanced(&model);
	unmake(&model);
	free(cqe);
}

Test(zcrx, released_once)
{
	struct oring_zcrx_piece piece, copy, wrong;
	struct model model;
	int i;

	make(&model, 8, 0, PAGE, false);
	cr_assert_eq(give(&model, 2 * PAGE + 10, 1000, &piece), 0);
	cr_assert_eq(model.notes[2].pieces, 1);
	copy = piece;
	for (i = 0; i < 5; i++) {
		wrong = piece;
		switch (i) {
		case 0:
			wrong.data = model.area - 1;
			break;
		case 1:
			wrong.data = model.area + BUFFERS * PAGE;
			break;
		case 2:
			wrong.data += PAGE;
			break;
		case 3:
			wrong.length++;
			break;
		default:
			wrong.length--;
		}
		cr_assert_eq(oring_zcrx_release(&model.zcrx, &wrong), -EINVAL, "%d", i);
	}
	cr_assert_eq(oring_zcrx_out(&model.zcrx), 1);
	cr_assert_eq(oring_zcrx_room(&model.zcrx), 8);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &piece), 0);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &piece), -EINVAL, "twice");
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &copy), -EINVAL, "a copy of it");
	cr_assert_eq(oring_zcrx_room(&model.zcrx), 7);
	balanced(&model);
	unmake(&model);
}

Test(zcrx, nothing_is_seen_before_the_commit)
{
	struct oring_zcrx_piece piece;
	struct model model;

	make(&model, 4, 0, PAGE, false);
	cr_assert_eq(give(&model, 0, 10, &piece), 0);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &piece), 0);
	cr_assert_eq(committed(&model), 0);
	cr_assert_eq(take(&model, 1), 0);
	oring_zcrx_commit(&model.zcrx);
	cr_assert_eq(committed(&model), 1);
	cr_assert_eq(take(&model, 9), 1);
	balanced(&model);
	unmake(&model);
}

Test(zcrx, pieces_of_one_buffer)
{
	struct oring_zcrx_piece pieces[5], more;
	struct model model;
	uint32_t i;

	make(&model, 8, 0, PAGE, false);
	for (i = 0; i < 4; i++)
		cr_assert_eq(give(&model, PAGE + i * 1024, 1024, &pieces[i]), 0);
	cr_assert_eq(model.notes[1].pieces, 4);
	/* The buffer has no more: the same completion came twice. */
	cr_assert_eq(give(&model, PAGE + 1024, 1, &more), -EINVAL);
	cr_assert_eq(give(&model, 3 * PAGE, PAGE, &pieces[4]), 0);
	for (i = 5; i-- > 1;) {
		cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[i]), 0);
		oring_zcrx_commit(&model.zcrx);
		cr_assert_eq(take(&model, 1), 1);
		cr_assert_eq(model.refs[1], i < 4 ? i : 4);
	}
	/* Three are back, so none but the first can be. */
	more.data = model.area + PAGE;
	more.length = 1000;
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &more), -EINVAL);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[0]), 0);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &more), -EINVAL);
	balanced(&model);

	/* Two of one byte: 4095 bytes cannot be one of them. */
	cr_assert_eq(give(&model, 0, 4095, &pieces[0]), 0);
	cr_assert_eq(give(&model, 4095, 1, &pieces[1]), 0);
	more.data = model.area;
	more.length = 4096;
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &more), -EINVAL);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[0]), 0);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[1]), 0);
	balanced(&model);
	unmake(&model);
}

Test(zcrx, larger_buffers)
{
	struct oring_zcrx_piece piece, other;
	struct model model;

	make(&model, 8, 0, 4 * PAGE, false);
	cr_assert_eq(give(&model, 8 * 4 * PAGE - 2 * PAGE, 2 * PAGE, &piece), 0);
	cr_assert_eq(model.notes[7].pieces, 1);
	cr_assert_eq(give(&model, 4 * PAGE, 4 * PAGE, &other), 0);
	cr_assert_eq(model.notes[1].bytes, 4 * PAGE);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &other), 0);
	cr_assert_eq(give(&model, 3 * PAGE, PAGE + 1, &other), -EINVAL, "into the next one");
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &piece), 0);
	balanced(&model);
	unmake(&model);
}

Test(zcrx, refill_ring_is_full)
{
	struct oring_zcrx_piece pieces[6], copy;
	struct model model;
	uint32_t i;

	make(&model, 4, 0, PAGE, false);
	for (i = 0; i < 6; i++)
		cr_assert_eq(give(&model, i * PAGE, i + 1, &pieces[i]), 0);
	for (i = 0; i < 4; i++)
		cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[i]), 0);
	cr_assert_eq(oring_zcrx_room(&model.zcrx), 0);
	copy = pieces[4];
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[4]), -EAGAIN);
	cr_assert_eq(pieces[4].data, copy.data, "it stays");
	cr_assert_eq(pieces[4].length, copy.length);
	cr_assert_eq(oring_zcrx_out(&model.zcrx), 2);
	cr_assert_eq(model.notes[4].pieces, 1);
	/* What is wrong is told, also when there is no room. */
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[0]), -EINVAL);
	oring_zcrx_commit(&model.zcrx);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[4]), -EAGAIN, "a commit is no room");
	cr_assert_eq(take(&model, 1), 1);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[4]), 0);
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[5]), -EAGAIN);
	cr_assert_eq(take(&model, 4), 3, "the fifth is not committed");
	cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[5]), 0);
	balanced(&model);
	unmake(&model);
}

Test(zcrx, counters_wrap)
{
	uint32_t first;

	for (first = UINT32_MAX - 20; first != 5; first += 13) {
		struct oring_zcrx_piece pieces[BUFFERS];
		struct model model;
		uint32_t round, i, full = 0;

		if (first > 5 && first < UINT32_MAX - 20)
			break;
		make(&model, 4, first, PAGE, false);
		for (round = 0; round < 20; round++) {
			for (i = 0; i < BUFFERS; i++)
				cr_assert_eq(give(&model, i * PAGE + round, 1 + i, &pieces[i]), 0);
			for (i = 0; i < BUFFERS; i++) {
				uint32_t at = (i * 3 + round) % BUFFERS;
				int ret = oring_zcrx_release(&model.zcrx, &pieces[at]);

				if (ret == 0)
					continue;
				cr_assert_eq(ret, -EAGAIN);
				full++;
				oring_zcrx_commit(&model.zcrx);
				cr_assert_eq(take(&model, 1 + round % 4), 1 + round % 4);
				cr_assert_eq(oring_zcrx_release(&model.zcrx, &pieces[at]), 0);
			}
		}
		cr_assert_gt(full, 20);
		balanced(&model);
		cr_assert_eq(model.head, first + 20 * BUFFERS);
		unmake(&model);
	}
}

/* What no kernel is asked. */
Test(zcrx, params)
{
	struct oring_zcrx_params good, bad;
	struct oring_zcrx zcrx;
	struct model model;
	int i;

	make(&model, 4, 0, PAGE, false);
	good = model.params;
	for (i = 0; i < 15; i++) {
		bad = good;
		switch (i) {
		case 0:
			bad.entries = 0;
			break;
		case 1:
			bad.entries = 3;
			break;
		case 2:
			bad.entries = 65536;
			break;
		case 3:
			bad.page = 0;
			break;
		case 4:
			bad.page = 5000;
			break;
		case 5:
			bad.buffer_size = PAGE / 2;
			break;
		case 6:
			bad.buffer_size = 3 * PAGE;
			break;
		case 7:
			bad.area = NULL;
			break;
		case 8:
			bad.area = model.area + 8;
			break;
		case 9:
			bad.area_size = 0;
			break;
		case 10:
			bad.area_size -= 1;
			break;
		case 11:
			bad.notes = NULL;
			break;
		case 12:
			bad.memory = model.memory + 64;
			break;
		case 13:
			bad.flags |= 1U << 31;
			break;
		default:
			bad.interface = 1; /* and none */
		}
		cr_assert_eq(oring_zcrx_init(&zcrx, &model.ring, &bad), -EINVAL, "%d", i);
		cr_assert_eq(oring_zcrx_explain(&model.ring, &bad, -EINVAL), ORING_ZCRX_PARAMS);
		cr_assert_eq(oring_zcrx_adopt(&zcrx, &model.ring, &bad, &model.reg,
					      &model.area_reg),
			     -EINVAL);
	}
	unmake(&model);
}

Test(zcrx, texts)
{
	int i, j;

	for (i = 0; i <= ORING_ZCRX_UNKNOWN; i++) {
		const char *text = oring_zcrx_obstacle_text((enum oring_zcrx_obstacle)i);

		cr_assert_not_null(text);
		for (j = 0; j < i; j++)
			cr_assert_str_neq(text, oring_zcrx_obstacle_text(
							(enum oring_zcrx_obstacle)j));
	}
	cr_assert_str_eq(oring_zcrx_obstacle_text((enum oring_zcrx_obstacle)1000),
			 oring_zcrx_obstacle_text(ORING_ZCRX_UNKNOWN));
}
