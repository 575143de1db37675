/* SPDX-License-Identifier: MIT */
/* Zero-copy receive: the queue, its refill ring, and who has which piece. */
#include "oring/zcrx.h"
#include "oring/reg.h"
#include "sys_inline.h"
#include "zcrx_inside.h"

#define MOST_ENTRIES 32768

static bool power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static uint32_t buffer_size(const struct oring_zcrx_params *params)
{
	return params->buffer_size != 0 ? params->buffer_size : params->page;
}

bool oring_zcrx_params_do(const struct oring_zcrx_params *params)
{
	bool nodev = params->flags == ORING_ZCRX_REG_NODEV;

	if (!power_of_two(params->page) || !power_of_two(buffer_size(params)) ||
	    buffer_size(params) < params->page)
		return false;
	if (!power_of_two(params->entries) || params->entries > MOST_ENTRIES)
		return false;
	if (params->area == NULL || (uintptr_t)params->area % params->page != 0 ||
	    params->area_size == 0 || params->area_size % buffer_size(params) != 0)
		return false;
	if (params->notes == NULL || (uintptr_t)params->memory % params->page != 0)
		return false;
	if (params->flags != 0 && !nodev)
		return false;
	return !nodev || (params->interface == 0 && params->queue == 0);
}

void oring_zcrx_clear(void *memory, size_t bytes)
{
	unsigned char *byte = (unsigned char *)memory;
	size_t i;

	for (i = 0; i < bytes; i++)
		byte[i] = 0;
}

static void open_books(struct oring_zcrx *zcrx, const struct oring *ring,
		       const struct oring_zcrx_params *params, void *memory,
		       const struct oring_zcrx_ifq_reg *reg)
{
	unsigned char *at = (unsigned char *)memory;
	uint32_t size = reg->rx_buf_len != 0 ? reg->rx_buf_len : buffer_size(params);

	zcrx->rqes = (struct oring_zcrx_rqe *)(void *)(at + reg->offsets.rqes);
	zcrx->head = (uint32_t *)(void *)(at + reg->offsets.head);
	zcrx->tail = (uint32_t *)(void *)(at + reg->offsets.tail);
	zcrx->filled = oring_load_relaxed(zcrx->tail);
	zcrx->mask = reg->rq_entries - 1;
	zcrx->id = reg->zcrx_id;
	/* By a loop: counting zero bits is a call to libgcc on some machines. */
	zcrx->shift = 0;
	while ((size >> zcrx->shift) > 1)
		zcrx->shift++;
	zcrx->area = (unsigned char *)params->area;
	zcrx->area_size = params->area_size;
	zcrx->notes = params->notes;
	zcrx->stats = NULL;
	zcrx->mapped = NULL;
	zcrx->bytes = 0;
	zcrx->out = 0;
	zcrx->mixed = ring->cq_mixed;
	oring_zcrx_clear(params->notes,
			 (params->area_size >> zcrx->shift) * sizeof(struct oring_zcrx_note));
}

/* The kernel's buffers are not smaller than those that the caller has notes for. */
static bool notes_do(const struct oring_zcrx_ifq_reg *reg, const struct oring_zcrx_params *params)
{
	return reg->rx_buf_len == 0 ||
	       (power_of_two(reg->rx_buf_len) && reg->rx_buf_len >= buffer_size(params));
}

int oring_zcrx_adopt(struct oring_zcrx *zcrx, const struct oring *ring,
		     const struct oring_zcrx_params *params, const struct oring_zcrx_ifq_reg *reg,
		     const struct oring_zcrx_area_reg *area)
{
	if (!oring_zcrx_params_do(params) || params->memory == NULL ||
	    !power_of_two(reg->rq_entries) || !notes_do(reg, params))
		return -ORING_EINVAL;
	open_books(zcrx, ring, params, params->memory, reg);
	zcrx->token = area->rq_area_token;
	return 0;
}

/* ---- registration ---- */

/* What the register call is given, in one place: the parts name each other by address. */
struct request {
	struct oring_zcrx_ifq_reg reg;
	struct oring_zcrx_area_reg area;
	struct oring_region_desc region;
	struct oring_zcrx_event_desc event;
};

static uint64_t address_of(const void *memory)
{
	return (uint64_t)(uintptr_t)memory;
}

static size_t stats_offset(uint32_t entries)
{
	return ORING_ZCRX_HEADER + (size_t)entries * sizeof(struct oring_zcrx_rqe);
}

static void fill(struct request *request, const struct oring_zcrx_params *params)
{
	oring_zcrx_clear(request, sizeof(*request));
	request->reg.if_idx = params->interface;
	request->reg.if_rxq = params->queue;
	request->reg.rq_entries = params->entries;
	request->reg.flags = params->flags;
	request->reg.area_ptr = address_of(&request->area);
	request->reg.region_ptr = address_of(&request->region);
	/* Kernels before 7.0 have no such field, and a page is what they take. */
	if (buffer_size(params) != params->page)
		request->reg.rx_buf_len = params->buffer_size;
	request->area.addr = address_of(params->area);
	request->area.len = params->area_size;
	request->region.size = oring_zcrx_refill_size(params->entries, params->page);
	if (params->memory != NULL) {
		request->region.user_addr = address_of(params->memory);
		request->region.flags = ORING_MEM_REGION_TYPE_USER;
	}
	if (params->events != 0 || params->stats != 0)
		request->reg.event_desc = address_of(&request->event);
	request->event.user_data = oring_context_bits(params->event);
	request->event.type_mask = params->events;
	if (params->stats != 0) {
		request->event.flags = ORING_ZCRX_EVENT_DESC_FLAG_STATS;
		request->event.stats_offset = stats_offset(params->entries);
	}
}

int oring_zcrx_init(struct oring_zcrx *zcrx, struct oring *ring,
		    const struct oring_zcrx_params *params)
{
	struct request request;
	void *memory = params->memory;
	int ret;

	if (!oring_zcrx_params_do(params))
		return -ORING_EINVAL;
	if (memory == NULL && ring->fd < 0)
		return -ORING_EBADF;
	fill(&request, params);
	/* Some kernels read head and tail as they find them. */
	if (memory != NULL)
		oring_zcrx_clear(memory, ORING_ZCRX_HEADER);
	ret = oring_register_zcrx_ifq(ring, &request.reg);
	if (ret < 0)
		return ret;
	if (!notes_do(&request.reg, params))
		return -ORING_EINVAL;
	if (memory == NULL) {
		ret = sys_mmap(NULL, (size_t)request.region.size, SYS_PROT_READ | SYS_PROT_WRITE,
			       SYS_MAP_SHARED | SYS_MAP_POPULATE, ring->fd,
			       request.region.mmap_offset, &memory);
		if (ret < 0)
			return ret;
		sys_madvise(memory, (size_t)request.region.size, SYS_MADV_DONTFORK);
	}
	open_books(zcrx, ring, params, memory, &request.reg);
	zcrx->token = request.area.rq_area_token;
	if (params->stats != 0)
		zcrx->stats = (struct oring_zcrx_stats *)(void *)((unsigned char *)memory +
								  stats_offset(params->entries));
	if (params->memory == NULL) {
		zcrx->mapped = memory;
		zcrx->bytes = (size_t)request.region.size;
	}
	return 0;
}

int oring_zcrx_exit(struct oring_zcrx *zcrx)
{
	int ret = zcrx->mapped != NULL ? sys_munmap(zcrx->mapped, zcrx->bytes) : 0;
	int out = (int)zcrx->out;

	/* Nothing is of this area from now on. */
	zcrx->mapped = NULL;
	zcrx->stats = NULL;
	zcrx->area_size = 0;
	zcrx->out = 0;
	return ret < 0 ? ret : out;
}

/* ---- pieces ---- */

int oring_zcrx_piece(struct oring_zcrx *zcrx, const struct oring_cqe *cqe,
		     struct oring_zcrx_piece *piece)
{
	uint32_t length = oring_cqe_bytes(cqe), size = 1U << zcrx->shift;
	struct oring_zcrx_note *note;
	const uint64_t *where;
	uint64_t offset;

	piece->data = NULL;
	piece->length = 0;
	if (length == 0 || (zcrx->mixed && !(cqe->flags & ORING_CQE_F_32)))
		return -ORING_ENOENT;
	where = oring_cqe_big(cqe);
	if ((where[0] & ORING_ZCRX_AREA_MASK) != zcrx->token || where[1] != 0)
		return -ORING_EINVAL;
	offset = where[0] & ~ORING_ZCRX_AREA_MASK;
	if (offset >= zcrx->area_size || length > size - (offset & (size - 1)))
		return -ORING_EINVAL;
	note = &zcrx->notes[offset >> zcrx->shift];
	if (length > size - note->bytes)
		return -ORING_EINVAL;
	note->pieces++;
	note->bytes += length;
	zcrx->out++;
	piece->data = zcrx->area + offset;
	piece->length = length;
	return 0;
}

/* Whether this can be a piece that is out: what stays out has a byte each at least. */
static bool is_out(const struct oring_zcrx_note *note, uint32_t length)
{
	if (length == 0 || note->pieces == 0 || length > note->bytes)
		return false;
	return note->pieces == 1 ? length == note->bytes : note->bytes - length >= note->pieces - 1;
}

int oring_zcrx_release(struct oring_zcrx *zcrx, struct oring_zcrx_piece *piece)
{
	size_t offset = (uintptr_t)piece->data - (uintptr_t)zcrx->area;
	struct oring_zcrx_note *note;
	struct oring_zcrx_rqe *rqe;

	if (piece->data == NULL || offset >= zcrx->area_size)
		return -ORING_EINVAL;
	note = &zcrx->notes[offset >> zcrx->shift];
	if (!is_out(note, piece->length))
		return -ORING_EINVAL;
	if (oring_zcrx_room(zcrx) == 0)
		return -ORING_EAGAIN;
	rqe = &zcrx->rqes[zcrx->filled & zcrx->mask];
	rqe->off = zcrx->token | offset;
	rqe->len = piece->length;
	rqe->pad = 0;
	zcrx->filled++;
	note->pieces--;
	note->bytes -= piece->length;
	zcrx->out--;
	piece->data = NULL;
	piece->length = 0;
	return 0;
}

/* ---- control ---- */

static void prepare(struct oring_zcrx_ctrl *ctrl, const struct oring_zcrx *zcrx, uint32_t op)
{
	oring_zcrx_clear(ctrl, sizeof(*ctrl));
	ctrl->zcrx_id = zcrx->id;
	ctrl->op = op;
}

int oring_zcrx_flush(struct oring_zcrx *zcrx, struct oring *ring)
{
	struct oring_zcrx_ctrl ctrl;

	oring_zcrx_commit(zcrx);
	prepare(&ctrl, zcrx, ORING_ZCRX_CTRL_FLUSH_RQ);
	return oring_register_zcrx_ctrl(ring, &ctrl);
}

/* Where 64-bit words lie at multiples of 4, compilers want to be told, or call a library. */
static uint64_t load_aligned(const void *word)
{
	typedef uint64_t __attribute__((aligned(8))) aligned_word;

	return __atomic_load_n((const aligned_word *)word, __ATOMIC_RELAXED);
}

int oring_zcrx_copied(const struct oring_zcrx *zcrx, uint64_t *count, uint64_t *bytes)
{
	if (zcrx->stats == NULL)
		return -ORING_ENOENT;
	*count = load_aligned(&zcrx->stats->copy_count);
	*bytes = load_aligned(&zcrx->stats->copy_bytes);
	return 0;
}

int oring_zcrx_arm_event(struct oring_zcrx *zcrx, struct oring *ring, uint32_t event)
{
	struct oring_zcrx_ctrl ctrl;

	prepare(&ctrl, zcrx, ORING_ZCRX_CTRL_ARM_EVENT);
	ctrl.arg.zc_arm_event.event_type = event;
	return oring_register_zcrx_ctrl(ring, &ctrl);
}

int oring_zcrx_export(struct oring_zcrx *zcrx, struct oring *ring)
{
	struct oring_zcrx_ctrl ctrl;
	int ret;

	prepare(&ctrl, zcrx, ORING_ZCRX_CTRL_EXPORT);
	ret = oring_register_zcrx_ctrl(ring, &ctrl);
	return ret < 0 ? ret : (int)ctrl.arg.zc_export.zcrx_fd;
}

int oring_zcrx_import(const struct oring_zcrx *zcrx, struct oring *ring, int fd)
{
	struct oring_zcrx_ifq_reg reg;
	int ret;

	if (ring->cq_mixed != zcrx->mixed)
		return -ORING_EINVAL;
	oring_zcrx_clear(&reg, sizeof(reg));
	reg.if_idx = (uint32_t)fd;
	reg.flags = ORING_ZCRX_REG_IMPORT;
	ret = oring_register_zcrx_ifq(ring, &reg);
	return ret < 0 ? ret : (int)reg.zcrx_id;
}
