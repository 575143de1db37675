/* SPDX-License-Identifier: MIT */
/* Dividing a budget: each part takes the most that fits into its share of what is left. */
#include "oring/plan.h"
#include "oring/pool.h"

#define MOST_ENTRIES 32768U
#define LINE	     64U /* alignment of what needs no page */

/* What is left to be given: bytes from @at on, and the shares that wait for them. */
struct purse {
	size_t at;
	size_t end;
	size_t least; /* what those that wait need at least */
	uint64_t shares;
};

static size_t aligned(size_t offset, size_t to)
{
	return (offset + to - 1) & ~(to - 1);
}

static uint32_t entries_for(uint32_t count)
{
	uint32_t entries = 1;

	while (entries < count)
		entries *= 2;
	return entries;
}

/* Bytes of a group, from its ring on: the ring, the notes, the buffers. */
static uint64_t group_size(uint32_t count, uint32_t size, size_t page, size_t *notes, size_t *base)
{
	*notes = oring_bufring_size(entries_for(count), page);
	*base = aligned(*notes + count * sizeof(struct oring_buf_note), LINE);
	return (uint64_t)*base + (uint64_t)count * size;
}

/* The least that a part needs, wherever it begins: one of its things, and to align it. */
static uint64_t least_ring(const struct oring_plan_request *request,
			   const struct oring_params *params)
{
	return request->ring_share != 0 ? oring_mem_size(1, params, request->page) + request->page
					: 0;
}

static uint64_t least_pool(const struct oring_plan_request *request)
{
	return request->pool_share != 0 ? oring_pool_size(1, request->record_extra) + LINE : 0;
}

static uint64_t least_registered(const struct oring_plan_request *request)
{
	return request->registered_share != 0 ? (uint64_t)request->registered_size + request->page
					      : 0;
}

static uint64_t least_tier(const struct oring_plan_request *request, uint32_t tier)
{
	size_t notes, base;

	return request->tier[tier].share != 0
		       ? group_size(1, request->tier[tier].size, request->page, &notes, &base) +
				 request->page
		       : 0;
}

/* The room of the next part, from an aligned offset on: its share of what is left, or its least. */
static size_t open_share(struct purse *purse, uint32_t share, uint64_t least, size_t alignment,
			 size_t *offset)
{
	size_t room;

	purse->least -= (size_t)least;
	room = purse->end - purse->at - purse->least;
	/* By the size of the machine's words: no 64-bit division where there is none. */
	if (share < purse->shares) {
		size_t part = room / (size_t)purse->shares * share;

		room = part > least ? part : (size_t)least;
	}
	purse->shares -= share;
	*offset = aligned(purse->at, alignment);
	return room - (*offset - purse->at);
}

/* As many as were asked for, and no more than completions. */
static uint32_t most_entries(const struct oring_plan_request *request,
			     const struct oring_params *params)
{
	uint32_t most = request->ring_entries != 0 ? request->ring_entries : MOST_ENTRIES;

	return params->flags & ORING_SETUP_CQSIZE && params->cq_entries < most ? params->cq_entries
									       : most;
}

static void plan_ring(const struct oring_plan_request *request, const struct oring_params *params,
		      struct purse *purse, struct oring_plan *plan)
{
	uint32_t most = most_entries(request, params);
	uint32_t entries = MOST_ENTRIES;
	size_t room;

	if (request->ring_share == 0)
		return;
	room = open_share(purse, request->ring_share, least_ring(request, params), request->page,
			  &plan->ring);
	while (entries / 2 >= most)
		entries /= 2;
	while (entries > 1 && oring_mem_size(entries, params, request->page) > room)
		entries /= 2;
	plan->ring_entries = entries;
	plan->ring_size = oring_mem_size(entries, params, request->page);
	purse->at = plan->ring + plan->ring_size;
}

static void plan_pool(const struct oring_plan_request *request, struct purse *purse,
		      struct oring_plan *plan)
{
	uint32_t low = 1, high = request->records != 0 ? request->records : ORING_POOL_MAX;
	size_t room;

	if (request->pool_share == 0)
		return;
	room = open_share(purse, request->pool_share, least_pool(request), LINE, &plan->pool);
	while (low < high) {
		uint32_t middle = high - (high - low) / 2;
		size_t size = oring_pool_size(middle, request->record_extra);

		if (size != 0 && size <= room)
			low = middle;
		else
			high = middle - 1;
	}
	plan->pool_capacity = low;
	plan->pool_size = oring_pool_size(low, request->record_extra);
	purse->at = plan->pool + plan->pool_size;
}

static void plan_registered(const struct oring_plan_request *request, struct purse *purse,
			    struct oring_plan *plan)
{
	size_t room, count;

	if (request->registered_share == 0)
		return;
	room = open_share(purse, request->registered_share, least_registered(request),
			  request->page, &plan->registered);
	count = room / request->registered_size;
	/* The kernel's limit of registered buffers. */
	plan->registered_count = count < 16384 ? (uint32_t)count : 16384;
	plan->registered_size = request->registered_size;
	purse->at = plan->registered + (size_t)plan->registered_count * plan->registered_size;
}

static void plan_tier(const struct oring_plan_request *request, uint32_t tier, struct purse *purse,
		      struct oring_plan *plan)
{
	uint32_t low = 1, high = MOST_ENTRIES, size = request->tier[tier].size;
	size_t room, notes, base, start;

	if (request->tier[tier].share == 0)
		return;
	room = open_share(purse, request->tier[tier].share, least_tier(request, tier),
			  request->page, &start);
	while (low < high) {
		uint32_t middle = high - (high - low) / 2;

		if (group_size(middle, size, request->page, &notes, &base) <= room)
			low = middle;
		else
			high = middle - 1;
	}
	purse->at = start + (size_t)group_size(low, size, request->page, &notes, &base);
	plan->tier[tier].ring = start;
	plan->tier[tier].notes = start + notes;
	plan->tier[tier].base = start + base;
	plan->tier[tier].entries = entries_for(low);
	plan->tier[tier].count = low;
	plan->tier[tier].size = size;
}

static void clear_plan(struct oring_plan *plan)
{
	unsigned char *byte = (unsigned char *)plan;
	size_t i;

	for (i = 0; i < sizeof(*plan); i++)
		byte[i] = 0;
}

/* 0, or what is wrong with it. */
static int examine(const struct oring_plan_request *request, const struct oring_params *params)
{
	uint32_t i;

	if (request->page == 0 || (request->page & (request->page - 1)) != 0 ||
	    request->tiers > ORING_PLAN_TIERS)
		return -ORING_EINVAL;
	if (request->ring_share != 0 &&
	    oring_mem_size(most_entries(request, params), params, request->page) == 0)
		return -ORING_EINVAL;
	if (request->pool_share != 0 &&
	    (request->records > ORING_POOL_MAX || oring_pool_size(1, request->record_extra) == 0))
		return -ORING_EINVAL;
	if (request->registered_share != 0 && request->registered_size == 0)
		return -ORING_EINVAL;
	for (i = 0; i < request->tiers; i++) {
		if (request->tier[i].share != 0 && request->tier[i].size == 0)
			return -ORING_EINVAL;
	}
	return 0;
}

/* All shares, and the least of all parts together. */
static int open_purse(const struct oring_plan_request *request, const struct oring_params *params,
		      struct purse *purse)
{
	uint64_t least =
		least_ring(request, params) + least_pool(request) + least_registered(request);
	uint32_t i;

	purse->at = 0;
	purse->end = request->budget;
	purse->shares =
		(uint64_t)request->ring_share + request->pool_share + request->registered_share;
	for (i = 0; i < request->tiers; i++) {
		purse->shares += request->tier[i].share;
		least += least_tier(request, i);
	}
	if (purse->shares == 0 || purse->shares > UINT32_MAX)
		return -ORING_EINVAL;
	if (least > request->budget)
		return -ORING_ENOMEM;
	purse->least = (size_t)least;
	return 0;
}

int oring_plan_make(const struct oring_plan_request *request, struct oring_plan *plan)
{
	const struct oring_params *params = request->params;
	struct oring_params none;
	struct purse purse;
	uint32_t i;
	int ret;

	clear_plan(plan);
	if (params == NULL) {
		none.flags = 0;
		none.cq_entries = 0;
		params = &none;
	}
	ret = examine(request, params);
	if (ret == 0)
		ret = open_purse(request, params, &purse);
	if (ret < 0)
		return ret;
	plan_ring(request, params, &purse, plan);
	plan_pool(request, &purse, plan);
	plan_registered(request, &purse, plan);
	for (i = 0; i < request->tiers; i++)
		plan_tier(request, i, &purse, plan);
	plan->tiers = request->tiers;
	plan->page = request->page;
	plan->total = purse.at;
	return 0;
}

void oring_plan_memory(const struct oring_plan *plan, void *arena, struct oring_mem *memory)
{
	memory->base = (unsigned char *)arena + plan->ring;
	memory->size = plan->ring_size;
	memory->page = plan->page;
}

int oring_plan_bufgroup(const struct oring_plan *plan, void *arena, uint32_t tier, uint16_t bgid,
			uint16_t flags, struct oring_bufgroup_params *params)
{
	unsigned char *base = (unsigned char *)arena;

	if (tier >= plan->tiers || plan->tier[tier].count == 0)
		return -ORING_EINVAL;
	params->ring.memory = base + plan->tier[tier].ring;
	params->ring.entries = plan->tier[tier].entries;
	params->ring.bgid = bgid;
	params->ring.flags = flags;
	params->ring.min_left = 0;
	params->base = base + plan->tier[tier].base;
	params->notes = (struct oring_buf_note *)(void *)(base + plan->tier[tier].notes);
	params->size = plan->tier[tier].size;
	params->count = plan->tier[tier].count;
	return 0;
}
