/* SPDX-License-Identifier: MIT */
/*
 * Any completions, in any order, of a listener and of a multicast that a ring of
 * ours was filled for: each piece of news is told once.
 */
#include "fuzz.h"

#define ENTRIES 16
#define TARGETS 20

static unsigned char entries[ENTRIES * 64];
static uint32_t words[8];

/* A ring that no kernel has: entries are taken back as if they had been consumed. */
static void make(struct oring *ring)
{
	memset(ring, 0, sizeof(*ring));
	memset(words, 0, sizeof(words));
	ring->sqes = entries;
	ring->sq_entries = ENTRIES;
	ring->sq_mask = ENTRIES - 1;
	ring->sq_stride = 64;
	ring->sq_head = &words[0];
	ring->sq_tail = &words[1];
	ring->sq_flags = &words[2];
	oring_sq_refresh(ring);
}

static void listener(struct input *in, struct oring *ring)
{
	struct oring_listener_params params = { 0 };
	struct oring_listener listener;
	int ready = 0, failed = 0, turns;

	params.family = 2;
	params.type = 1;
	params.slot = oring_slot_at((uint32_t)take(in, 1));
	params.options = (uint32_t)take(in, 1);
	if (oring_listener_fill(&listener, ring, &params, oring_context_pointer(&listener)) < 0)
		return;
	oring_sq_unreserve(ring, ring->sq_reserved - ring->sq_committed);
	for (turns = 0; in->left > 0 && turns < 200; turns++) {
		struct oring_listener_step step;
		struct oring_cqe cqe = { 0 };

		cqe.user_data = oring_context_bits(listener.first) + (take(in, 1) & 63);
		cqe.res = (int32_t)take(in, take(in, 1) & 1 ? 4 : 0);
		cqe.flags = (uint32_t)take(in, 1);
		step = oring_listener_step(&listener, &cqe);
		if (step.state == ORING_LISTENER_WORKING)
			continue;
		must(oring_listener_owns(&listener, &cqe) && !oring_listener_busy(&listener));
		must(step.open <= 2);
		ready += step.state == ORING_LISTENER_READY;
		failed += step.state == ORING_LISTENER_FAILED &&
			  step.stage < ORING_LISTENER_CLOSE_SLOT;
		must(ready + failed <= 1);
		if (take(in, 1) & 1) {
			struct oring_sqe sqe = { 0 };

			must((oring_listener_close(&listener, &sqe) == 0) == (step.open > 0));
		}
	}
}

static void multicast(struct input *in, struct oring *ring)
{
	static struct oring_multicast_target targets[TARGETS];
	int known[TARGETS] = { 0 }, all = 0, freed = 0, turns;
	struct oring_multicast multicast;
	static const char payload[10];

	if (oring_multicast_init(&multicast, targets, 1 + (uint32_t)take(in, 1) % TARGETS,
				 oring_context_pointer(targets), payload, sizeof(payload),
				 (uint32_t)take(in, 1) & 3) < 0)
		return;
	for (turns = 0; in->left > 0 && turns < 300; turns++) {
		struct oring_multicast_step step;
		struct oring_cqe cqe = { 0 };

		oring_sq_unreserve(ring, oring_multicast_fill(&multicast, ring));
		cqe.user_data = oring_context_bits(multicast.first) + (take(in, 1) & 127);
		cqe.res = (int32_t)take(in, 1) - 5;
		cqe.flags = (uint32_t)take(in, 1);
		step = oring_multicast_step(&multicast, &cqe);
		all += step.all_known;
		freed += step.payload_free;
		must(all <= 1 && freed <= all);
		if (step.target == ORING_MULTICAST_NONE)
			continue;
		must(step.target < multicast.n);
		known[step.target] += step.result_known;
		must(known[step.target] <= 1);
		must(!freed || !oring_multicast_busy(&multicast));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct oring ring;

	make(&ring);
	if (take(&in, 1) & 1)
		listener(&in, &ring);
	else
		multicast(&in, &ring);
	return 0;
}
