/* SPDX-License-Identifier: MIT */
/**
 * zc.h - the life of a zero-copy send; whether to send that way at all
 *
 * A zero-copy send completes once with its result, and, if that completion
 * promises it (oring_cqe_has_more()), once more when the network has let go of
 * the buffer. The promise alone counts: an error may bring a notification too,
 * and a success may bring none.
 *
 *	oring_prep_send_zc(sqe, sock, data, length, 0, ORING_SEND_ZC_REPORT_USAGE);
 *	oring_zc_begin(&send);
 *	...
 *	step = oring_zc_step(&send, cqe);
 *	if (step.result_known) step.result is what a plain send would have returned
 *	if (step.buffer_free)  the bytes may be changed or freed
 *
 * Both become true once for each send, whatever the order. No system call. A
 * send belongs to one thread at a time. Since: 6.0 (usage report 6.2).
 */
#ifndef ORING_ZC_H
#define ORING_ZC_H

#include "cqe.h"

ORING_BEGIN_DECLS

struct oring_zc {
	uint32_t state; /* ORING_ZC_* */
};

#define ORING_ZC_RESULT	  1U /* is due */
#define ORING_ZC_BUFFER	  2U /* is the network's */
#define ORING_ZC_NOTIFIED 4U
#define ORING_ZC_NOTHING  8U /* was sent */

struct oring_zc_step {
	int32_t result; /* bytes, or a negative errno */
	bool result_known;
	bool buffer_free;
	bool usage_known; /* the kernel said whether it had to copy; never of a failed send */
	bool copied;
};

/** oring_zc_begin - a send is submitted. */
ORING_INLINE void oring_zc_begin(struct oring_zc *send)
{
	send->state = ORING_ZC_RESULT | ORING_ZC_BUFFER;
}

/** oring_zc_busy - a completion is to come. */
ORING_INLINE bool oring_zc_busy(const struct oring_zc *send)
{
	return (send->state & (ORING_ZC_RESULT | ORING_ZC_BUFFER)) != 0;
}

/**
 * oring_zc_step - what one of its completions means
 * @reports_usage: the send was asked to report (ORING_SEND_ZC_REPORT_USAGE)
 */
ORING_API struct oring_zc_step oring_zc_step(struct oring_zc *send, const struct oring_cqe *cqe,
					     bool reports_usage);

/* ---- which way to send, for each connection ---- */

/*
 * Copies at first, then tries zero copy with one large enough send, and copies on
 * until its report: nothing had to be copied, then all go by zero copy; else it
 * tries again after a while, longer each time. A socket that cannot do it fails with
 * -EOPNOTSUPP: report that as copied, and send by copy.
 */
struct oring_zc_chooser {
	uint32_t threshold; /* bytes; below, copying is cheaper anyway */
	uint32_t copies;    /* sends still to be made by copy */
	uint32_t pause;	    /* how many the next time */
	uint32_t state;	    /* ORING_ZC_COPIES, ... */
};

/* What a chooser is at. */
#define ORING_ZC_COPIES 0U
#define ORING_ZC_TRIES	1U /* one send is on its way, or will not report */
#define ORING_ZC_TRUSTS 2U

#define ORING_ZC_THRESHOLD 16384U

/** oring_zc_chooser_init - @threshold in bytes; 0: ORING_ZC_THRESHOLD. */
ORING_INLINE void oring_zc_chooser_init(struct oring_zc_chooser *chooser, uint32_t threshold)
{
	chooser->threshold = threshold != 0 ? threshold : ORING_ZC_THRESHOLD;
	chooser->copies = 4;
	chooser->pause = 16;
	chooser->state = ORING_ZC_COPIES;
}

/** oring_zc_choose - true: send these @length bytes by zero copy, with a usage report. */
ORING_API bool oring_zc_choose(struct oring_zc_chooser *chooser, size_t length);

/**
 * oring_zc_report - the usage that a notification told (oring_zc_step.copied)
 *
 * If usage_known only. Sends that were on their way together count as one. A try
 * that is never reported is made again after as many copies as a report would cost.
 */
ORING_API void oring_zc_report(struct oring_zc_chooser *chooser, bool copied);

ORING_END_DECLS

#endif
