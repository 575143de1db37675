/* SPDX-License-Identifier: MIT */
/**
 * plan.h - a budget of bytes, divided
 *
 * Ring, pool of records, registered buffers and groups of provided buffers in
 * one arena of the caller's: each gets its share, rounded down to what can be
 * made of it, and what is left over goes to the next ones. The sum is never above the
 * budget. Pure: nothing is allocated, nothing is made; the plan says where.
 */
#ifndef ORING_PLAN_H
#define ORING_PLAN_H

#include "bufgroup.h"
#include "setup.h"

ORING_BEGIN_DECLS

#define ORING_PLAN_TIERS 8

/*
 * What is wanted. Shares count in proportion to each other: 1 and 3 are a
 * quarter and three quarters. A share of 0: none of it. Zero what is not wanted.
 */
struct oring_plan_request {
	size_t budget; /* bytes, for all */
	size_t page;   /* the machine's page size */

	uint32_t ring_share;
	uint32_t ring_entries;		   /* at most; 0: 32768 */
	const struct oring_params *params; /* the ring's flags; NULL: none */

	uint32_t pool_share;
	uint32_t records;    /* at most; 0: as many as fit */
	size_t record_extra; /* bytes behind the template, as of oring_pool_init() */

	uint32_t registered_share;
	uint32_t registered_size; /* bytes of a registered buffer */

	uint32_t tiers; /* groups of provided buffers */
	struct {
		uint32_t share;
		uint32_t size; /* bytes of a buffer */
	} tier[ORING_PLAN_TIERS];
};

/* Where it goes: offsets into the arena, which begins at a page. */
struct oring_plan {
	size_t total; /* bytes of the arena, at most the budget */
	size_t page;

	size_t ring; /* for oring_init_mem() */
	size_t ring_size;
	uint32_t ring_entries;

	uint32_t pool_capacity;
	size_t pool; /* for oring_pool_init() */
	size_t pool_size;

	size_t registered; /* the first; the others follow it */
	uint32_t registered_size;
	uint32_t registered_count;

	uint32_t tiers;
	struct {
		size_t ring; /* of the buffer ring */
		size_t notes;
		size_t base; /* of the buffers */
		uint32_t entries;
		uint32_t count;
		uint32_t size;
	} tier[ORING_PLAN_TIERS];
};

/**
 * oring_plan_make - divide a budget
 *
 * What has a share gets one at least, of entries, records or buffers: a budget that
 * does for that is accepted, and so is every larger one.
 *
 * Return: 0; -ENOMEM if the budget is too small; -EINVAL for a page that is no power of two, no share at all, buffers of 0
 * bytes, more than ORING_PLAN_TIERS, or what oring_mem_size() or oring_pool_size()
 * refuse. Threads: any.
 */
ORING_API int oring_plan_make(const struct oring_plan_request *request, struct oring_plan *plan);

/** oring_plan_memory - the ring's part of @arena, as oring_init_mem() wants it. Any thread. */
ORING_API void oring_plan_memory(const struct oring_plan *plan, void *arena,
				 struct oring_mem *memory);

/**
 * oring_plan_bufgroup - tier @tier as oring_bufgroup_init() wants it
 * @bgid, @flags: as of struct oring_bufring_params
 *
 * Return: 0; -EINVAL without such a tier. Threads: any.
 */
ORING_API int oring_plan_bufgroup(const struct oring_plan *plan, void *arena, uint32_t tier,
				  uint16_t bgid, uint16_t flags,
				  struct oring_bufgroup_params *params);

ORING_END_DECLS

#endif
