/* SPDX-License-Identifier: MIT */
/* What the completions of a zero-copy send mean. */
#include "oring/zc.h"

#define FIRST_PAUSE   16U /* as oring_zc_chooser_init() has it */
#define LONGEST_PAUSE 4096U

/* The buffer is free, if it was not already. */
static bool let_go(struct oring_zc *send)
{
	bool held = (send->state & ORING_ZC_BUFFER) != 0;

	send->state &= ~ORING_ZC_BUFFER;
	return held;
}

struct oring_zc_step oring_zc_step(struct oring_zc *send, const struct oring_cqe *cqe,
				   bool reports_usage)
{
	struct oring_zc_step step;

	step.result = 0;
	step.result_known = false;
	step.buffer_free = false;
	step.usage_known = false;
	step.copied = false;
	if (oring_cqe_is_notification(cqe)) {
		if (send->state & ORING_ZC_NOTIFIED || !oring_zc_busy(send))
			return step;
		send->state |= ORING_ZC_NOTIFIED;
		step.buffer_free = let_go(send);
		/* Of a send that sent nothing the kernel says copied, too. */
		step.usage_known = reports_usage && !(send->state & ORING_ZC_NOTHING);
		step.copied = step.usage_known && oring_cqe_zc_copied(cqe);
		return step;
	}
	if (!(send->state & ORING_ZC_RESULT))
		return step;
	send->state &= ~ORING_ZC_RESULT;
	step.result = cqe->res;
	step.result_known = true;
	if (cqe->res <= 0)
		send->state |= ORING_ZC_NOTHING;
	if (!oring_cqe_has_more(cqe))
		step.buffer_free = let_go(send);
	return step;
}

bool oring_zc_choose(struct oring_zc_chooser *chooser, size_t length)
{
	if (length < chooser->threshold)
		return false;
	if (chooser->state == ORING_ZC_TRUSTS)
		return true;
	if (chooser->copies > 0) {
		chooser->copies--;
		return false;
	}
	chooser->state = ORING_ZC_TRIES;
	chooser->copies = chooser->pause;
	return true;
}

void oring_zc_report(struct oring_zc_chooser *chooser, bool copied)
{
	if (!copied) {
		chooser->state = ORING_ZC_TRUSTS;
		chooser->pause = FIRST_PAUSE;
		return;
	}
	/* Of several sends that were on their way one counts. */
	if (chooser->state == ORING_ZC_COPIES)
		return;
	chooser->state = ORING_ZC_COPIES;
	chooser->copies = chooser->pause;
	if (chooser->pause < LONGEST_PAUSE)
		chooser->pause *= 2;
}
