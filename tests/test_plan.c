/* SPDX-License-Identifier: MIT */
/* Budgets, divided: no sum above the budget, nothing on top of something else, and all of it works. */
#include "harness.h"

#include <sys/mman.h>
#include <sys/uio.h>

#define PARTS (3 + 3 * ORING_PLAN_TIERS)

struct part {
	size_t from, to;
};

static int by_place(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Every part lies inside the total, aligned, and apart from the others. */
static void is_sound(const struct oring_plan_request *request, const struct oring_plan *plan)
{
	struct part parts[PARTS];
	size_t n = 0, i;

	cr_assert_leq(plan->total, request->budget);
	parts[n++] = (struct part){ plan->ring, plan->ring + plan->ring_size };
	parts[n++] = (struct part){ plan->pool, plan->pool + plan->pool_size };
	parts[n++] = (struct part){ plan->registered,
				    plan->registered + (size_t)plan->registered_size *
							       plan->registered_count };
	for (i = 0; i < plan->tiers; i++) {
		size_t count = plan->tier[i].count;

		cr_assert_geq(plan->tier[i].entries, count);
		cr_assert_eq(plan->tier[i].ring % request->page, 0);
		parts[n++] = (struct part){ plan->tier[i].ring,
					    plan->tier[i].ring + plan->tier[i].entries * 16 };
		parts[n++] = (struct part){ plan->tier[i].notes,
					    plan->tier[i].notes +
						    count * sizeof(struct oring_buf_note) };
		parts[n++] = (struct part){ plan->tier[i].base,
					    plan->tier[i].base + count * plan->tier[i].size };
	}
	cr_assert_eq(plan->ring % request->page, 0);
	cr_assert_eq(plan->pool % 64, 0);
	qsort(parts, n, sizeof(parts[0]), by_place);
	for (i = 0; i < n; i++) {
		cr_assert_leq(parts[i].to, plan->total);
		if (i > 0 && parts[i].to > parts[i].from)
			cr_assert_geq(parts[i].from, parts[i - 1].to);
	}
}

static void wish(struct oring_plan_request *request)
{
	memset(request, 0, sizeof(*request));
	request->page = 4096;
	request->ring_share = 1;
	request->pool_share = 1;
	request->record_extra = 64;
	request->registered_share = 2;
	request->registered_size = 4096;
	request->tiers = 3;
	request->tier[0].share = 2;
	request->tier[0].size = 256;
	request->tier[1].share = 4;
	request->tier[1].size = 4096;
	request->tier[2].share = 4;
	request->tier[2].size = 65536;
}

Test(plan, every_budget)
{
	struct oring_plan_request request;
	struct oring_plan plan;
	size_t budget, accepted = 0;

	wish(&request);
	for (budget = 0; budget < 64 << 20; budget += budget < 1 << 20 ? 997 : 100003) {
		int ret;

		request.budget = budget;
		ret = oring_plan_make(&request, &plan);
		cr_assert(ret == 0 || (ret == -ENOMEM && accepted == 0), "budget %zu: %d", budget,
			  ret);
		if (ret < 0)
			continue;
		accepted++;
		is_sound(&request, &plan);
		/* Not the least of it is wasted: what rounding leaves is below a half. */
		cr_assert_geq(plan.total, budget / 2, "%zu of %zu", plan.total, budget);
		cr_assert(plan.ring_entries > 0 && plan.pool_capacity > 0 &&
			  plan.registered_count > 0 && plan.tier[0].count > 0 &&
			  plan.tier[1].count > 0 && plan.tier[2].count > 0);
	}
	cr_assert_gt(accepted, 500);
}

Test(plan, any_wish)
{
	struct oring_plan_request request;
	struct oring_plan plan;
	uint64_t seed = 88172645463325252u;
	int i, made = 0;
	uint32_t k;

	for (i = 0; i < 20000; i++) {
		uint64_t bits;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		bits = seed;
		memset(&request, 0, sizeof(request));
		request.page = bits & 1 ? 4096 : 65536;
		request.budget = (size_t)(bits >> 1) & ((1u << (10 + (bits >> 60))) - 1);
		request.ring_share = bits >> 20 & 3;
		request.ring_entries = bits >> 8 & 1 ? bits >> 9 & 1023 : 0;
		request.pool_share = bits >> 22 & 3;
		request.record_extra = bits >> 30 & 255;
		request.registered_share = bits >> 24 & 3;
		request.registered_size = 1 + (bits >> 40 & 0xffff);
		request.tiers = bits >> 26 & 7;
		for (k = 0; k < request.tiers; k++) {
			request.tier[k].share = bits >> (k * 5) & 7;
			request.tier[k].size = 1 + ((uint32_t)(bits >> k * 4) & 0xfff);
		}
		if (oring_plan_make(&request, &plan) == 0) {
			is_sound(&request, &plan);
			made++;
		}
	}
	cr_assert_gt(made, 2000);
}

Test(plan, what_cannot_be_planned)
{
	struct oring_params params;
	struct oring_plan_request request;
	struct oring_plan plan;

	wish(&request);
	request.budget = 1 << 24;
	cr_assert_eq(oring_plan_make(&request, &plan), 0);
	request.page = 5000;
	cr_assert_eq(oring_plan_make(&request, &plan), -EINVAL);
	wish(&request);
	request.budget = 1 << 24;
	request.pool_share = 1;
	request.records = ORING_POOL_MAX + 1;
	cr_assert_eq(oring_plan_make(&request, &plan), -EINVAL);
	wish(&request);
	request.budget = 1 << 24;
	request.registered_share = 1;
	request.registered_size = 0;
	cr_assert_eq(oring_plan_make(&request, &plan), -EINVAL);
	wish(&request);
	request.tiers = ORING_PLAN_TIERS + 1;
	cr_assert_eq(oring_plan_make(&request, &plan), -EINVAL);
	wish(&request);
	request.tier[1].size = 0;
	request.budget = 1 << 24;
	cr_assert_eq(oring_plan_make(&request, &plan), -EINVAL);
	memset(&request, 0, sizeof(request));
	request.page = 4096;
	request.budget = 1 << 24;
	cr_assert_eq(oring_plan_make(&request, &plan), -EINVAL, "no share");
	request.ring_share = 1;
	request.ring_entries = 40000;
	cr_assert_eq(oring_plan_make(&request, &plan), -EINVAL);
	request.ring_entries = 100;
	cr_assert_eq(oring_plan_make(&request, &plan), 0);
	cr_assert_eq(plan.ring_entries, 128, "as the kernel rounds it");
	cr_assert_eq(oring_plan_bufgroup(&plan, NULL, 0, 0, 0, NULL), -EINVAL);
	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_CQSIZE;
	request.params = &params;
	cr_assert_eq(oring_plan_make(&request, &plan), -EINVAL, "no completions");
	params.cq_entries = 64;
	cr_assert_eq(oring_plan_make(&request, &plan), 0);
	cr_assert_eq(plan.ring_entries, 64, "no more entries than completions");
	request.params = NULL;
	request.budget = SIZE_MAX;
	cr_assert_eq(oring_plan_make(&request, &plan), 0, "more than there is");
}

/* One message into a buffer of tier @i, through the planned ring. */
static void receive(struct oring *ring, struct oring_bufgroup *group, uint32_t length)
{
	unsigned char *bytes = malloc(length);
	struct oring_bufwalk walk;
	struct oring_piece piece;
	struct oring_sqe *sqe = oring_sq_reserve(ring);
	int ends[2];

	memset(bytes, 0x5a, length);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	cr_assert_eq(send(ends[1], bytes, length, 0), (ssize_t)length);
	oring_prep_recv(sqe, oring_file_fd(ends[0]), NULL, 0, 0);
	oring_sqe_buffer_select(sqe, group->ring.bgid);
	cr_assert_eq(oring_submit_and_wait(ring, 1), 1);
	cr_assert_eq(oring_bufgroup_open(group, oring_cq_peek(ring), &walk), 0);
	cr_assert(oring_bufgroup_next(&walk, &piece));
	cr_assert_eq(piece.length, length);
	cr_assert_arr_eq(piece.data, bytes, length);
	cr_assert_eq(oring_bufgroup_release(group, piece.bid), 0);
	oring_cq_release(ring);
	close(ends[0]);
	close(ends[1]);
	free(bytes);
}

Test(plan, all_of_it_works)
{
	struct oring_bufgroup groups[3];
	struct oring_plan_request request;
	struct oring_params params;
	struct oring_mem memory;
	struct oring_plan plan;
	struct oring_pool pool;
	struct oring ring;
	struct iovec iov[64];
	unsigned char *arena;
	uint32_t i;
	int ret;

	wish(&request);
	request.page = (size_t)sysconf(_SC_PAGESIZE);
	request.budget = 3 << 20;
	cr_assert_eq(oring_plan_make(&request, &plan), 0);
	arena = mmap(NULL, plan.total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq((void *)arena, MAP_FAILED);
	memset(&params, 0, sizeof(params));
	oring_plan_memory(&plan, arena, &memory);
	ret = oring_init_mem(&ring, plan.ring_entries, &params, &memory);
	SKIP_IF_REFUSED(ret, "rings in memory of the caller's");
	cr_assert_eq(ret, 0);
	cr_assert_eq(oring_pool_init(&pool, arena + plan.pool, plan.pool_size, plan.pool_capacity,
				     request.record_extra),
		     0);
	for (i = 0; i < 64 && i < plan.registered_count; i++) {
		iov[i].iov_base = arena + plan.registered + (size_t)i * plan.registered_size;
		iov[i].iov_len = plan.registered_size;
	}
	cr_assert_eq(oring_register_buffers(&ring, iov, i), 0);
	for (i = 0; i < plan.tiers; i++) {
		struct oring_bufgroup_params each;

		cr_assert_eq(oring_plan_bufgroup(&plan, arena, i, (uint16_t)i, 0, &each), 0);
		cr_assert_eq(oring_bufgroup_init(&groups[i], &ring, &each), 0);
	}
	for (i = 0; i < plan.tiers; i++) {
		uint32_t size = plan.tier[i].size;

		cr_assert_eq(oring_bufgroup_fit(groups, 3, size), &groups[i]);
		receive(&ring, &groups[i], size);
		cr_assert_eq(oring_bufgroup_exit(&groups[i], &ring), 0);
	}
	cr_assert_eq(oring_exit(&ring), 0);
}
