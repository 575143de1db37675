/* SPDX-License-Identifier: MIT */
/*
 * Zero-copy receive. The books: on a refill ring in our own memory, whose other
 * side is a model of the kernel's. The kernel: what is in the way of it, and,
 * where there is a queue without a device, bytes that come over TCP.
 */
#include "sockets.h"

#include <net/if.h>
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
		cr_assert_gt(model->refs[buffer], 0, "buffer %d: one too many", (int)buffer);
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
		cr_assert_eq(
			oring_zcrx_adopt(&zcrx, &model.ring, &bad, &model.reg, &model.area_reg),
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
			cr_assert_str_neq(text,
					  oring_zcrx_obstacle_text((enum oring_zcrx_obstacle)j));
	}
	cr_assert_str_eq(oring_zcrx_obstacle_text((enum oring_zcrx_obstacle)1000),
			 oring_zcrx_obstacle_text(ORING_ZCRX_UNKNOWN));
}

/* ---- the kernel ---- */

#define AREA_PAGES 64

/* A ring with a queue of its own, and a connection. */
struct live {
	struct oring ring;
	struct oring_zcrx zcrx;
	struct oring_zcrx_params params;
	struct oring_zcrx_note notes[AREA_PAGES];
	struct oring_multishot stream;
	size_t page;
	int pair[2]; /* [0] sends, [1] receives */
	size_t sent, got;
	uint32_t taken; /* pieces */
	int stalls;
};

static void *pages(size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(at, MAP_FAILED);
	return at;
}

/* Parameters that do, for a queue without a device. */
static void fill_params(struct live *live, size_t area_pages, uint32_t entries, bool own_memory)
{
	struct oring_zcrx_params *params = &live->params;

	live->page = (size_t)sysconf(_SC_PAGESIZE);
	memset(params, 0, sizeof(*params));
	params->flags = ORING_ZCRX_REG_NODEV;
	params->entries = entries;
	params->page = (uint32_t)live->page;
	params->area_size = area_pages * live->page;
	params->area = pages(params->area_size);
	params->notes = live->notes;
	if (own_memory) {
		size_t size = oring_zcrx_refill_size(entries, live->page);

		/* What lies in it before is nobody's concern. */
		params->memory = pages(size);
		memset(params->memory, 0xee, size);
	}
}

static void drop_params(struct live *live)
{
	if (live->params.memory != NULL)
		munmap(live->params.memory,
		       oring_zcrx_refill_size(live->params.entries, live->page));
	munmap(live->params.area, live->params.area_size);
}

/* A ring that zero-copy receive can do with. */
static void open_ring(struct oring *ring, uint32_t shape, uint32_t cq_entries)
{
	struct oring_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags =
		shape | ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_CQSIZE;
	params.cq_entries = cq_entries;
	ret = oring_init(ring, RIG_ENTRIES, &params);
	if (ret == -EINVAL)
		cr_skip_test("setup flags 0x%x: not on this kernel", params.flags);
	cr_assert_eq(ret, 0, "%s", strerror(-ret));
}

/* The queue is there, or the test skipped with the reason that the library gives. */
static void open_queue(struct live *live)
{
	int ret = oring_zcrx_init(&live->zcrx, &live->ring, &live->params);

	if (ret < 0) {
		enum oring_zcrx_obstacle why = oring_zcrx_explain(&live->ring, &live->params, ret);

		cr_assert(why == ORING_ZCRX_KERNEL || why == ORING_ZCRX_DEVICELESS ||
				  why == ORING_ZCRX_PERMISSION || why == ORING_ZCRX_EVENTS,
			  "%d: %s", ret, oring_zcrx_obstacle_text(why));
		cr_skip_test("%s", oring_zcrx_obstacle_text(why));
	}
	cr_assert_eq(ret, 0, "%s", strerror(-ret));
	cr_assert_eq(oring_zcrx_explain(&live->ring, &live->params, 0), ORING_ZCRX_CLEAR);
}

static void arm(struct live *live)
{
	struct oring_sqe *sqe = oring_sq_reserve(&live->ring);

	cr_assert_not_null(sqe);
	oring_prep_recv_multishot_zc(sqe, oring_file_fd(live->pair[1]), oring_zcrx_id(&live->zcrx),
				     0);
	cr_assert_eq(oring_multishot_arm(&live->stream, sqe), 0);
	cr_assert_geq(oring_submit(&live->ring), 0);
}

static void open_area(struct live *live, uint32_t shape, uint32_t cq_entries, size_t area_pages,
		      uint32_t entries, bool own_memory)
{
	memset(live, 0, sizeof(*live));
	fill_params(live, area_pages, entries, own_memory);
	open_ring(&live->ring, shape, cq_entries);
	open_queue(live);
	make_tcp_pair(live->pair);
	oring_multishot_init(&live->stream, ORING_STREAM_RECV,
			     oring_context_from_bits(0x1234567890abcde0));
	arm(live);
}

static void open_live(struct live *live, uint32_t shape, uint32_t cq_entries, uint32_t entries,
		      bool own_memory)
{
	open_area(live, shape, cq_entries, AREA_PAGES, entries, own_memory);
}

static void close_live(struct live *live)
{
	close(live->pair[0]);
	close(live->pair[1]);
	cr_assert_eq(oring_exit(&live->ring), 0);
	drop_params(live);
}

/* Up to @len bytes more of the pattern go into the connection, as far as there is room. */
static void send_some(struct live *live, size_t len)
{
	static unsigned char bytes[32 * 1024];
	size_t i;
	ssize_t ret;

	if (len > sizeof(bytes))
		len = sizeof(bytes);
	for (i = 0; i < len; i++)
		bytes[i] = pattern_at(live->sent + i);
	ret = send(live->pair[0], bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	cr_assert(ret > 0 || (ret < 0 && errno == EAGAIN), "%s", strerror(errno));
	if (ret > 0)
		live->sent += (size_t)ret;
}

/* The next completion of @ring, if one comes within about @tries times 10 ms. */
static bool next_of(struct oring *ring, struct oring_cqe32 *cqe, int tries)
{
	struct oring_wait_arg limit;

	oring_wait_relative(&limit, 0, 10 * 1000 * 1000);
	while (oring_cq_copy32(ring, cqe, 1) == 0) {
		struct oring_outcome outcome;

		if (tries-- == 0)
			return false;
		oring_submit_and_wait_timeout(ring, 1, &limit, &outcome);
		cr_assert(outcome.error == 0 || outcome.error == -ETIME || outcome.error == -EINTR,
			  "%d", outcome.error);
	}
	return true;
}

static struct oring_cqe32 next(struct live *live)
{
	struct oring_cqe32 cqe;

	cr_assert(next_of(&live->ring, &cqe, 1000), "nothing comes after %zu of %zu bytes",
		  live->got, live->sent);
	return cqe;
}

/* What the completion brought is what was sent. */
static struct oring_zcrx_piece look_at(struct live *live, const struct oring_cqe32 *cqe)
{
	struct oring_zcrx_piece piece;
	int ret = oring_zcrx_piece(&live->zcrx, &cqe->cqe, &piece);

	cr_assert_eq(ret, 0, "%d: where %" PRIx64, ret, cqe->big_cqe[0]);
	cr_assert_eq(piece.length, (uint32_t)cqe->cqe.res);
	cr_assert(piece.data >= (unsigned char *)live->params.area &&
		  piece.data + piece.length <=
			  (unsigned char *)live->params.area + live->params.area_size);
	cr_assert(is_pattern(piece.data, piece.length, live->got), "at %zu", live->got);
	live->got += piece.length;
	live->taken++;
	return piece;
}

/* Into the refill ring, which is flushed when it is full. Return: how often that was. */
static uint32_t release_all(struct live *live, struct oring_zcrx_piece *held, uint32_t count)
{
	uint32_t full = 0;

	while (count-- > 0) {
		struct oring_zcrx_piece copy = held[count];
		int ret;

		memset(copy.data, 0xee, copy.length);
		ret = oring_zcrx_release(&live->zcrx, &held[count]);
		if (ret == -EAGAIN) {
			full++;
			cr_assert_eq(oring_zcrx_room(&live->zcrx), 0);
			cr_assert_eq(held[count].data, copy.data);
			ret = oring_zcrx_flush(&live->zcrx, &live->ring);
			cr_assert_eq(ret, 0, "%s", strerror(-ret));
			cr_assert_eq(oring_zcrx_room(&live->zcrx), live->params.entries);
			ret = oring_zcrx_release(&live->zcrx, &held[count]);
		}
		cr_assert_eq(ret, 0, "%s", strerror(-ret));
		cr_assert_eq(oring_zcrx_release(&live->zcrx, &held[count]), -EINVAL, "twice");
	}
	cr_assert_eq(oring_zcrx_flush(&live->zcrx, &live->ring), 0);
	return full;
}

static void nothing_is_out(struct live *live)
{
	uint32_t i;

	cr_assert_eq(oring_zcrx_out(&live->zcrx), 0);
	for (i = 0; i < AREA_PAGES; i++) {
		cr_assert_eq(live->notes[i].pieces, 0);
		cr_assert_eq(live->notes[i].bytes, 0);
	}
}

#define CANCELLER 99

/* Nothing comes, though the stream is armed and bytes wait: as the header says, cancel. */
static void cancel(struct live *live)
{
	struct oring_sqe *sqe = oring_sq_reserve(&live->ring);
	int ret;

	cr_assert_lt(live->stalls++, 40);
	ret = oring_multishot_cancel(&live->stream, sqe, oring_context_from_bits(CANCELLER));
	cr_assert_eq(ret, 0, "%d", ret);
	cr_assert_geq(oring_submit(&live->ring), 0);
}

static struct oring_step step_of(struct live *live, const struct oring_cqe32 *cqe)
{
	struct oring_step step;

	if (cqe->cqe.user_data == CANCELLER)
		return oring_multishot_cancel_step(&live->stream, &cqe->cqe);
	step = oring_multishot_step(&live->stream, &cqe->cqe);
	cr_assert(step.data || cqe->cqe.res == -ENOMEM || cqe->cqe.res == -ENOSPC ||
			  cqe->cqe.res == -ECANCELED,
		  "%d", cqe->cqe.res);
	return step;
}

/*
 * @total bytes through the connection, up to @most pieces out at a time, and the
 * stream armed again where it ends for lack of buffers or of room.
 */
static uint32_t pump(struct live *live, size_t total, uint32_t most)
{
	struct oring_zcrx_piece held[AREA_PAGES];
	uint32_t count = 0, full = 0;
	int turns;

	for (turns = 0; live->got < total; turns++) {
		struct oring_cqe32 cqe;
		struct oring_step step;

		cr_assert_lt(turns, 100000);
		if (oring_cq_ready(&live->ring) == 0 && live->sent < total)
			send_some(live, total - live->sent);
		if (!next_of(&live->ring, &cqe, 20)) {
			cancel(live);
			continue;
		}
		step = step_of(live, &cqe);
		if (step.data)
			held[count++] = look_at(live, &cqe);
		if (count == most || step.retired) {
			full += release_all(live, held, count);
			count = 0;
		}
		if (step.retired)
			arm(live);
	}
	full += release_all(live, held, count);
	return full;
}

static void finishes(struct live *live)
{
	struct oring_cqe32 cqe;
	struct oring_step step;
	struct oring_zcrx_piece piece;

	cr_assert_eq(shutdown(live->pair[0], SHUT_WR), 0);
	cqe = next(live);
	step = oring_multishot_step(&live->stream, &cqe.cqe);
	cr_assert_eq(cqe.cqe.res, 0);
	cr_assert(step.retired && !step.data && step.end == ORING_STREAM_FINISHED);
	cr_assert_eq(oring_zcrx_piece(&live->zcrx, &cqe.cqe, &piece), -ENOENT);
}

/* More than a mebibyte, through a refill ring of fewer entries than pieces are out. */
static void megabyte(uint32_t shape, bool own_memory)
{
	const size_t total = (1U << 20) + 12345;
	int before = open_descriptors();
	struct live live;

	open_live(&live, shape, 512, 16, own_memory);
	cr_assert_eq(live.zcrx.mapped == NULL, own_memory);
	cr_assert_gt(pump(&live, total, 40), 0, "the refill ring was never full");
	cr_assert_eq(live.got, total);
	cr_assert_geq(live.taken, total / live.page);
	finishes(&live);
	nothing_is_out(&live);
	cr_assert_eq(oring_zcrx_exit(&live.zcrx), 0);
	close_live(&live);
	cr_assert_eq(open_descriptors(), before);
}

Test(zcrx, megabyte, .timeout = TEST_SECONDS)
{
	megabyte(ORING_SETUP_CQE32, false);
}

Test(zcrx, megabyte_in_own_memory, .timeout = TEST_SECONDS)
{
	megabyte(ORING_SETUP_CQE32, true);
}

Test(zcrx, megabyte_mixed, .timeout = TEST_SECONDS)
{
	megabyte(ORING_SETUP_CQE_MIXED, false);
}

/* The area is used up: the stream ends, and goes on when pieces are back. */
Test(zcrx, area_is_used_up, .timeout = TEST_SECONDS)
{
	struct oring_zcrx_piece held[AREA_PAGES];
	struct oring_cqe32 cqe;
	struct oring_step step;
	struct live live;
	uint32_t count;
	int turns;

	open_live(&live, ORING_SETUP_CQE32, 512, 64, false);
	for (count = 0, turns = 0;; turns++) {
		cr_assert_lt(turns, 1000);
		if (oring_cq_ready(&live.ring) == 0)
			send_some(&live, 5000);
		cqe = next(&live);
		step = oring_multishot_step(&live.stream, &cqe.cqe);
		if (!step.data)
			break;
		cr_assert_lt(count, AREA_PAGES);
		held[count++] = look_at(&live, &cqe);
	}
	cr_assert_eq(cqe.cqe.res, -ENOMEM, "%d", cqe.cqe.res);
	cr_assert_eq(count, AREA_PAGES, "every buffer is out");
	cr_assert(step.retired && step.arm_again);
	cr_assert_eq(oring_zcrx_out(&live.zcrx), AREA_PAGES);
	/* Armed again, with nothing back: the same. */
	arm(&live);
	cqe = next(&live);
	cr_assert_eq(cqe.cqe.res, -ENOMEM, "%d", cqe.cqe.res);
	cr_assert(oring_multishot_step(&live.stream, &cqe.cqe).retired);
	release_all(&live, held, count);
	arm(&live);
	pump(&live, live.sent + 100000, 10);
	finishes(&live);
	nothing_is_out(&live);
	cr_assert_eq(oring_zcrx_exit(&live.zcrx), 0);
	close_live(&live);
}

/*
 * What does not fit waits in the socket. The stream ends; or, on some kernels,
 * it waits for another packet.
 */
static void does_not_fit(uint32_t cq_entries, size_t area_pages, int32_t error, size_t sent,
			 size_t pieces)
{
	struct oring_zcrx_piece held[AREA_PAGES];
	struct oring_step step = { 0 };
	struct oring_cqe32 cqe;
	struct live live;
	uint32_t count = 0;
	int turns;

	open_area(&live, ORING_SETUP_CQE32, cq_entries, area_pages, 64, false);
	for (turns = 0; turns < 1000 && live.sent < sent * live.page; turns++)
		send_some(&live, sent * live.page - live.sent);
	for (turns = 0; !step.retired && next_of(&live.ring, &cqe, 20); turns++) {
		cr_assert_lt(turns, AREA_PAGES);
		step = step_of(&live, &cqe);
		if (step.data)
			held[count++] = look_at(&live, &cqe);
	}
	cr_assert_geq(count, pieces);
	cr_assert_lt(live.got, live.sent);
	if (step.retired) {
		cr_assert_eq(cqe.cqe.res, error, "%d", cqe.cqe.res);
		cr_assert_eq(step.end, ORING_STREAM_FAILED);
	}
	release_all(&live, held, count);
	if (step.retired)
		arm(&live);
	pump(&live, live.sent, 2);
	finishes(&live);
	nothing_is_out(&live);
	cr_assert_eq(oring_zcrx_exit(&live.zcrx), 0);
	close_live(&live);
}

Test(zcrx, completion_queue_is_full, .timeout = TEST_SECONDS)
{
	does_not_fit(RIG_ENTRIES, AREA_PAGES, -ENOSPC, 40, RIG_ENTRIES);
}

Test(zcrx, area_is_small, .timeout = TEST_SECONDS)
{
	does_not_fit(512, 3, -ENOMEM, 6, 3);
}

/* Pieces that nobody released are the caller's memory all the same. */
static void exit_with_pieces_out(bool ring_first, bool own_memory)
{
	struct oring_zcrx_piece piece, first = { NULL, 0 };
	struct oring_cqe32 cqe;
	struct live live;
	int turns, out;

	open_live(&live, ORING_SETUP_CQE32, 512, 16, own_memory);
	for (turns = 0; live.got < 5 * live.page; turns++) {
		cr_assert_lt(turns, 1000);
		if (oring_cq_ready(&live.ring) == 0 && live.got == live.sent)
			send_some(&live, 3000);
		cqe = next(&live);
		piece = look_at(&live, &cqe);
		if (first.data == NULL)
			first = piece;
	}
	out = (int)oring_zcrx_out(&live.zcrx);
	cr_assert_geq(out, 5);
	if (ring_first)
		cr_assert_eq(oring_exit(&live.ring), 0);
	cr_assert_eq(oring_zcrx_exit(&live.zcrx), out);
	cr_assert(is_pattern(first.data, first.length, 0));
	cr_assert_eq(oring_zcrx_release(&live.zcrx, &piece), -EINVAL, "the books are closed");
	cr_assert_eq(oring_zcrx_piece(&live.zcrx, &cqe.cqe, &piece), -EINVAL);
	if (!ring_first)
		cr_assert_eq(oring_exit(&live.ring), 0);
	memset(live.params.area, 0, live.params.area_size);
	close(live.pair[0]);
	close(live.pair[1]);
	drop_params(&live);
}

Test(zcrx, exit_with_pieces_out, .timeout = TEST_SECONDS)
{
	exit_with_pieces_out(false, false);
	exit_with_pieces_out(true, false);
	exit_with_pieces_out(false, true);
	exit_with_pieces_out(true, true);
}

/* A second ring receives by the same queue; its pieces are in the same books. */
Test(zcrx, several_rings, .timeout = TEST_SECONDS)
{
	struct oring_zcrx_piece piece;
	struct oring_cqe32 cqe;
	struct oring other;
	struct live live;
	int pair[2], fd, id, turns;
	size_t got = 0;

	open_live(&live, ORING_SETUP_CQE32, 512, 16, false);
	fd = oring_zcrx_export(&live.zcrx, &live.ring);
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	open_ring(&other, ORING_SETUP_CQE_MIXED, 64);
	cr_assert_eq(oring_zcrx_import(&live.zcrx, &other, fd), -EINVAL, "of another shape");
	cr_assert_eq(oring_exit(&other), 0);
	open_ring(&other, ORING_SETUP_CQE32, 64);
	cr_assert_eq(oring_zcrx_import(&live.zcrx, &other, -1), -EBADF);
	cr_assert_eq(oring_zcrx_import(&live.zcrx, &other, live.pair[0]), -EBADF);
	id = oring_zcrx_import(&live.zcrx, &other, fd);
	cr_assert_geq(id, 0, "%s", strerror(-id));
	close(fd);

	make_tcp_pair(pair);
	oring_prep_recv_multishot_zc(oring_sq_reserve(&other), oring_file_fd(pair[1]), (uint32_t)id,
				     0);
	cr_assert_geq(oring_submit(&other), 0);
	cr_assert_eq(send(pair[0], "by the second ring", 18, MSG_NOSIGNAL), 18);
	for (turns = 0; got < 18; turns++) {
		cr_assert_lt(turns, 18);
		cr_assert(next_of(&other, &cqe, 1000));
		cr_assert_eq(oring_zcrx_piece(&live.zcrx, &cqe.cqe, &piece), 0);
		cr_assert_arr_eq(piece.data, "by the second ring" + got, piece.length);
		got += piece.length;
		cr_assert_eq(oring_zcrx_release(&live.zcrx, &piece), 0);
	}
	pump(&live, 100000, 10);
	/* By either ring; here the ids are equal. */
	cr_assert_eq(id, (int)oring_zcrx_id(&live.zcrx));
	cr_assert_eq(oring_zcrx_flush(&live.zcrx, &other), 0);
	nothing_is_out(&live);
	cr_assert_eq(oring_exit(&other), 0);
	pump(&live, 200000, 10);
	nothing_is_out(&live);
	close(pair[0]);
	close(pair[1]);
	cr_assert_eq(oring_zcrx_exit(&live.zcrx), 0);
	close_live(&live);
}

/* Waits for the completion that tells of an event; what else comes is looked at, and kept out. */
static bool event_comes(struct live *live, int32_t event)
{
	struct oring_cqe32 cqe;

	while (next_of(&live->ring, &cqe, 10)) {
		if (cqe.cqe.user_data == oring_context_bits(live->params.event)) {
			cr_assert_eq(cqe.cqe.res, event);
			return true;
		}
		look_at(live, &cqe);
	}
	return false;
}

Test(zcrx, copies_are_told, .timeout = TEST_SECONDS)
{
	uint64_t count = 1, bytes = 1;
	struct live live;

	memset(&live, 0, sizeof(live));
	cr_assert_eq(oring_zcrx_copied(&live.zcrx, &count, &bytes), -ENOENT);
	fill_params(&live, AREA_PAGES, 16, false);
	live.params.stats = 1;
	live.params.events = 1U << ORING_ZCRX_EVENT_COPY;
	live.params.event = oring_context_from_bits(0xfeedfacefeedface);
	open_ring(&live.ring, ORING_SETUP_CQE32, 512);
	open_queue(&live);
	make_tcp_pair(live.pair);
	oring_multishot_init(&live.stream, ORING_STREAM_RECV, oring_context_from_bits(7));
	arm(&live);
	cr_assert_eq(oring_zcrx_copied(&live.zcrx, &count, &bytes), 0);
	cr_assert_eq(count, 0);
	cr_assert_eq(bytes, 0);
	send_some(&live, 20000);
	cr_assert(event_comes(&live, ORING_ZCRX_EVENT_COPY));
	send_some(&live, 20000);
	cr_assert_not(event_comes(&live, ORING_ZCRX_EVENT_COPY), "told once");
	cr_assert_eq(oring_zcrx_arm_event(&live.zcrx, &live.ring, ORING_ZCRX_EVENT_COPY), 0);
	cr_assert_eq(oring_zcrx_arm_event(&live.zcrx, &live.ring, ORING_ZCRX_EVENT_COPY), -EINVAL);
	cr_assert_eq(oring_zcrx_arm_event(&live.zcrx, &live.ring, 31), -EINVAL);
	send_some(&live, 20000);
	cr_assert(event_comes(&live, ORING_ZCRX_EVENT_COPY));
	cr_assert_eq(oring_zcrx_copied(&live.zcrx, &count, &bytes), 0);
	cr_assert_gt(count, 0);
	cr_assert(bytes > 0 && bytes <= live.sent);
	cr_assert_geq(oring_zcrx_exit(&live.zcrx), 1);
	close_live(&live);
}

/* Whether the kernel leaves this mapping out of a forked child. */
static bool is_not_inherited(const void *memory)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long from, to;
	bool here = false, found = false;
	char line[512];

	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = from <= (uintptr_t)memory && (uintptr_t)memory < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, " dc") != NULL;
	}
	fclose(maps);
	return found;
}

Test(zcrx, refill_ring_is_not_inherited, .timeout = TEST_SECONDS)
{
	struct live live;

	open_live(&live, ORING_SETUP_CQE32, 64, 16, false);
	cr_assert(is_not_inherited(live.zcrx.mapped));
	cr_assert_not(is_not_inherited(live.params.area));
	cr_assert_eq(oring_zcrx_exit(&live.zcrx), 0);
	close_live(&live);
}

/* ---- what is in the way ---- */

/* What init says, and what is concluded from it. */
static void obstacle(struct oring *ring, const struct oring_zcrx_params *params, int expected,
		     enum oring_zcrx_obstacle why)
{
	enum oring_zcrx_obstacle told;
	struct oring_zcrx zcrx;
	int ret = oring_zcrx_init(&zcrx, ring, params);

	cr_assert_eq(ret, expected, "%d instead of %d (%s)", ret, expected,
		     oring_zcrx_obstacle_text(why));
	told = oring_zcrx_explain(ring, params, ret);
	cr_assert_eq(told, why, "%s, instead of: %s", oring_zcrx_obstacle_text(told),
		     oring_zcrx_obstacle_text(why));
}

/* None of the shapes has all that is needed. */
RING_TEST(zcrx, rings_that_do_not_do)
{
	bool here = oring_feature_has_op(&rig->can, ORING_OP_RECV_ZC);
	enum oring_zcrx_obstacle why = ORING_ZCRX_KERNEL;
	struct live live;

	if (here)
		why = rig->shape == SHAPE_defer_taskrun ? ORING_ZCRX_RING_CQES
							: ORING_ZCRX_RING_TASKRUN;
	memset(&live, 0, sizeof(live));
	fill_params(&live, AREA_PAGES, 16, false);
	obstacle(&rig->ring, &live.params, -EINVAL, why);
	cr_assert_eq(oring_zcrx_explain(&rig->ring, &live.params, 0), why);
	live.params.flags = 0;
	live.params.interface = if_nametoindex("lo");
	obstacle(&rig->ring, &live.params, -EINVAL, why);
	drop_params(&live);
}

/* A ring that does, on a kernel that has zero-copy receive at all. */
static void open_for_obstacles(struct live *live)
{
	enum oring_zcrx_obstacle why;

	memset(live, 0, sizeof(*live));
	fill_params(live, AREA_PAGES, 16, false);
	live->params.flags = 0;
	live->params.interface = if_nametoindex("lo");
	open_ring(&live->ring, ORING_SETUP_CQE32, 64);
	why = oring_zcrx_explain(&live->ring, &live->params, 0);
	if (why == ORING_ZCRX_KERNEL || why == ORING_ZCRX_PERMISSION)
		cr_skip_test("%s", oring_zcrx_obstacle_text(why));
	cr_assert_eq(why, ORING_ZCRX_CLEAR, "%s", oring_zcrx_obstacle_text(why));
}

static void close_for_obstacles(struct live *live)
{
	cr_assert_eq(oring_exit(&live->ring), 0);
	drop_params(live);
}

Test(zcrx, interfaces_that_do_not_do, .timeout = TEST_SECONDS)
{
	const char *dummy = getenv("LAB_DUMMY");
	struct live live;

	open_for_obstacles(&live);
	cr_assert_gt(live.params.interface, 0);
	obstacle(&live.ring, &live.params, -EOPNOTSUPP, ORING_ZCRX_DRIVER);
	if (dummy != NULL && if_nametoindex(dummy) > 0) {
		live.params.interface = if_nametoindex(dummy);
		obstacle(&live.ring, &live.params, -EOPNOTSUPP, ORING_ZCRX_DRIVER);
	}
	live.params.interface = 0x7ffffff0;
	obstacle(&live.ring, &live.params, -ENODEV, ORING_ZCRX_INTERFACE);
	live.params.interface = 0;
	obstacle(&live.ring, &live.params, -ENODEV, ORING_ZCRX_INTERFACE);
	close_for_obstacles(&live);
}

Test(zcrx, without_permission, .timeout = TEST_SECONDS)
{
	struct live live;

	open_for_obstacles(&live);
	cr_assert_eq(seteuid(65534), 0);
	obstacle(&live.ring, &live.params, -EPERM, ORING_ZCRX_PERMISSION);
	cr_assert_eq(seteuid(0), 0);
	obstacle(&live.ring, &live.params, -EOPNOTSUPP, ORING_ZCRX_DRIVER);
	close_for_obstacles(&live);
}

static void *by_another_thread(void *arg)
{
	struct live *live = arg;

	obstacle(&live->ring, &live->params, -EEXIST, ORING_ZCRX_RING_REFUSES);
	return NULL;
}

Test(zcrx, rings_that_refuse, .timeout = TEST_SECONDS)
{
	struct live live;
	pthread_t thread;

	open_for_obstacles(&live);
	cr_assert_eq(pthread_create(&thread, NULL, by_another_thread, &live), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	close_for_obstacles(&live);
	fill_params(&live, AREA_PAGES, 16, false);
	obstacle(&live.ring, &live.params, -EBADF, ORING_ZCRX_RING_REFUSES);
	drop_params(&live);
}

/* What later kernels know: told precisely where they do not. */
Test(zcrx, kernels_that_do_not_do, .timeout = TEST_SECONDS)
{
	enum oring_zcrx_obstacle deviceless, sizes, events;
	struct oring_zcrx_params params;
	struct live live;

	open_for_obstacles(&live);
	params = live.params;
	params.buffer_size = 2 * params.page;
	sizes = oring_zcrx_explain(&live.ring, &params, 0);
	cr_assert(sizes == ORING_ZCRX_CLEAR || sizes == ORING_ZCRX_BUFFER_SIZE);
	obstacle(&live.ring, &params, sizes == ORING_ZCRX_CLEAR ? -EOPNOTSUPP : -EINVAL,
		 sizes == ORING_ZCRX_CLEAR ? ORING_ZCRX_DRIVER : ORING_ZCRX_BUFFER_SIZE);
	params = live.params;
	params.events = 1;
	params.stats = 1;
	events = oring_zcrx_explain(&live.ring, &params, 0);
	cr_assert(events == ORING_ZCRX_CLEAR || events == ORING_ZCRX_EVENTS);
	obstacle(&live.ring, &params, events == ORING_ZCRX_CLEAR ? -EOPNOTSUPP : -EINVAL,
		 events == ORING_ZCRX_CLEAR ? ORING_ZCRX_DRIVER : ORING_ZCRX_EVENTS);
	params = live.params;
	params.interface = 0;
	params.flags = ORING_ZCRX_REG_NODEV;
	deviceless = oring_zcrx_explain(&live.ring, &params, 0);
	cr_assert(deviceless == ORING_ZCRX_CLEAR || deviceless == ORING_ZCRX_DEVICELESS);
	if (deviceless == ORING_ZCRX_DEVICELESS) {
		obstacle(&live.ring, &params, -EINVAL, ORING_ZCRX_DEVICELESS);
	} else {
		params.buffer_size = 2 * params.page;
		obstacle(&live.ring, &params, -EOPNOTSUPP, ORING_ZCRX_BUFFER_SIZE);
		params.buffer_size = 0;
		params.area = (void *)(uintptr_t)params.page;
		obstacle(&live.ring, &params, -EFAULT, ORING_ZCRX_ADDRESS);
	}
	close_for_obstacles(&live);
}
