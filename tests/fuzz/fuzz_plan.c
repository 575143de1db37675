/* SPDX-License-Identifier: MIT */
/* Any wish: refused, or a plan within its budget. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct oring_plan_request request = { 0 };
	struct oring_params params = { 0 };
	struct oring_plan plan;
	uint32_t i;

	request.budget = (size_t)(take(&in, 8) >> (take(&in, 1) & 63));
	request.page = (size_t)1 << (take(&in, 1) & 31);
	request.ring_share = (uint32_t)take(&in, 4);
	request.ring_entries = (uint32_t)take(&in, 4);
	request.pool_share = (uint32_t)take(&in, 2);
	request.records = (uint32_t)take(&in, 4);
	request.record_extra = (size_t)take(&in, 4);
	request.registered_share = (uint32_t)take(&in, 2);
	request.registered_size = (uint32_t)take(&in, 4);
	params.flags = (uint32_t)take(&in, 4);
	params.cq_entries = (uint32_t)take(&in, 4);
	if (take(&in, 1) & 1)
		request.params = &params;
	request.tiers = take(&in, 1) & 15;
	for (i = 0; i < request.tiers && i < ORING_PLAN_TIERS; i++) {
		request.tier[i].share = (uint32_t)take(&in, 2);
		request.tier[i].size = (uint32_t)take(&in, 4);
	}
	if (oring_plan_make(&request, &plan) == 0) {
		must(plan.total <= request.budget);
		must(plan.ring + plan.ring_size <= plan.total);
		must(plan.pool + plan.pool_size <= plan.total);
		for (i = 0; i < plan.tiers; i++)
			must(plan.tier[i].base + (uint64_t)plan.tier[i].count * plan.tier[i].size <=
			     plan.total);
	}
	return 0;
}
