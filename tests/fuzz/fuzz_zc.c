/* SPDX-License-Identifier: MIT */
/* Any completions of a zero-copy send: the result is told once, the buffer is freed once. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct oring_zc_chooser chooser;
	int results = 0, frees = 0;
	struct oring_zc send;

	oring_zc_begin(&send);
	oring_zc_chooser_init(&chooser, (uint32_t)take(&in, 2));
	while (in.left > 0) {
		struct oring_cqe cqe = { 0 };
		struct oring_zc_step step;

		cqe.res = (int32_t)take(&in, 4);
		cqe.flags = (uint32_t)take(&in, 1);
		step = oring_zc_step(&send, &cqe, take(&in, 1) & 1);
		results += step.result_known;
		frees += step.buffer_free;
		must(results <= 1 && frees <= 1);
		must(!step.copied || step.usage_known);
		must(!(results == 1 && frees == 1) || !oring_zc_busy(&send));
		must(oring_zc_busy(&send) == !(results == 1 && frees == 1));
		if (oring_zc_choose(&chooser, take(&in, 4)))
			oring_zc_report(&chooser, take(&in, 1) & 1);
	}
	return 0;
}
