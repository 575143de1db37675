/* SPDX-License-Identifier: MIT */
/* Any order of completions, cancels and arms: retired once for each arm, never armed after the end was asked for. */
#include "fuzz.h"

static void check(const struct oring_multishot *stream, const struct oring_step *step, int *armed,
		  int asked)
{
	must(!(step->arm_again && asked));
	must(!(step->cancel_again && step->retired));
	if (step->retired) {
		must(*armed);
		must(!oring_multishot_busy(stream));
		*armed = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct oring_multishot stream;
	int armed = 0, asked = 0;

	oring_multishot_init(&stream, (enum oring_stream_kind)(take(&in, 1) % 7),
			     oring_context_from_bits(take(&in, 8)));
	while (in.left > 0) {
		struct oring_sqe sqe;
		struct oring_cqe cqe;
		struct oring_step step;

		memset(&sqe, 0, sizeof(sqe));
		memset(&cqe, 0, sizeof(cqe));
		switch (take(&in, 1) % 5) {
		case 0:
			if (oring_multishot_arm(&stream, &sqe) == 0) {
				must(!armed);
				armed = 1;
				asked = 0;
				must(sqe.user_data == oring_context_bits(stream.context));
			} else {
				must(armed && sqe.user_data == 0);
			}
			break;
		case 1:
			cqe.res = (int32_t)take(&in, 4);
			cqe.flags = (uint32_t)take(&in, 4);
			step = oring_multishot_step(&stream, &cqe);
			check(&stream, &step, &armed, asked);
			break;
		case 2:
			if (oring_multishot_cancel(&stream, &sqe, oring_context_from_bits(1)) == 0)
				must(armed && sqe.opcode == ORING_OP_ASYNC_CANCEL);
			else
				must(sqe.opcode == 0);
			asked = 1;
			break;
		case 3:
			oring_multishot_cancel(&stream, NULL, oring_context_from_bits(1));
			asked = 1;
			break;
		case 4:
			cqe.res = (int32_t)take(&in, 4);
			step = oring_multishot_cancel_step(&stream, &cqe);
			must(!step.data && step.end == ORING_STREAM_GOES_ON);
			check(&stream, &step, &armed, asked);
			break;
		}
		must(oring_multishot_busy(&stream) == (armed != 0));
	}
	return 0;
}
