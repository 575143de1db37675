/* SPDX-License-Identifier: MIT */
/**
 * multicast.h - one payload to many sockets
 *
 * A send for each target, by copy or zero copy, with a result for each, and one
 * answer to the question when the payload may be changed or freed.
 *
 *	targets[i].file = ...
 *	oring_multicast_init(&multicast, targets, n, oring_context_pointer(targets),
 *			     payload, length, 0);
 *	do {
 *		oring_multicast_fill(&multicast, &ring);
 *		submit; for each completion:
 *			step = oring_multicast_step(&multicast, cqe);
 *			if (step.result_known) targets[step.target].result
 *			if (step.payload_free) the bytes are the caller's again
 *	} while (oring_multicast_busy(&multicast) || oring_multicast_left(&multicast) > 0);
 *
 * Every target's send is a request of its own: a peer that does not read delays
 * its own result, and with it the payload, but nobody else's. Cancel it by its
 * identity.
 *
 * Since: 5.6; all of it to a stream socket 5.19; zero copy 6.0, usage reports 6.2.
 * Threads: a multicast belongs to one thread at a time. No system call here.
 */
#ifndef ORING_MULTICAST_H
#define ORING_MULTICAST_H

#include "cqe.h"
#include "file.h"
#include "fixed_buf.h"
#include "ring.h"
#include "zc.h"

ORING_BEGIN_DECLS

struct oring_multicast_target {
	oring_file file; /* set by the caller, before init */
	int32_t result;	 /* once known: bytes, or a negative errno */
	struct oring_zc send;
};

#define ORING_MULTICAST_ZERO_COPY    (1U << 0)
#define ORING_MULTICAST_REPORT_USAGE (1U << 1) /* of zero copy: step.copied; 6.2 */

#define ORING_MULTICAST_MSG_FLAGS 0x4100 /* MSG_WAITALL, MSG_NOSIGNAL */
#define ORING_MULTICAST_LONGEST	  0x7ffff000U

struct oring_multicast {
	struct oring_multicast_target *targets;
	const void *payload;
	oring_context first; /* the identity of target i is first + 4 * i */
	uint32_t length;
	uint32_t n;
	uint32_t next; /* the first target without a send */
	uint32_t known;
	uint32_t whole;	 /* results that are all of the payload */
	uint32_t held;	 /* sends that have the payload still */
	uint32_t copied; /* notifications that said so */
	uint32_t options;
	int32_t msg_flags;  /* as of send(2); may be changed before the first fill */
	uint16_t buf_index; /* of a registered buffer */
	bool fixed;
};

#define ORING_MULTICAST_NONE UINT32_MAX

/* Each of the bools is news: it is told once. */
struct oring_multicast_step {
	uint32_t target; /* ORING_MULTICAST_NONE: not a completion of this multicast */
	int32_t result;	 /* also in the target */
	bool result_known;
	bool all_known;	   /* the last of the results: no target is left */
	bool payload_free; /* after all results: nobody looks at the payload any more */
	bool usage_known;  /* of this target */
	bool copied;
};

/**
 * oring_multicast_init - nothing is sent yet
 * @targets, @n: the caller's, with their files; stay until the last completion.
 *               All else in them is overwritten.
 * @first: the identity of target i is first + 4 * i, so the kind (context.h) stays. The
 *         address of @targets is fit for it; a handle (of operation 0) for 256 at most.
 * @payload: must not change until it is free
 * @options: ORING_MULTICAST_*
 *
 * Return: 0; -EOVERFLOW for more than one send can take (ORING_MULTICAST_LONGEST);
 * -EINVAL without targets, or for options that are not known.
 */
ORING_API int oring_multicast_init(struct oring_multicast *multicast,
				   struct oring_multicast_target *targets, uint32_t n,
				   oring_context first, const void *payload, size_t length,
				   uint32_t options);

/** oring_multicast_init_fixed - the same, zero copy from a slice of a registered buffer. */
ORING_API int oring_multicast_init_fixed(struct oring_multicast *multicast,
					 struct oring_multicast_target *targets, uint32_t n,
					 oring_context first, oring_fixed_buf payload,
					 uint32_t options);

/**
 * oring_multicast_fill - prepare sends for as many further targets as there is room for
 *
 * Goes on where the last call stopped. Does not submit.
 * Return: how many; 0 if none is left, or there is no room.
 */
ORING_API uint32_t oring_multicast_fill(struct oring_multicast *multicast, struct oring *ring);

/** oring_multicast_left - targets without a send. */
ORING_INLINE uint32_t oring_multicast_left(const struct oring_multicast *multicast)
{
	return multicast->n - multicast->next;
}

/** oring_multicast_busy - completions are to come. */
ORING_INLINE bool oring_multicast_busy(const struct oring_multicast *multicast)
{
	return multicast->held > 0 || multicast->known < multicast->next;
}

/** oring_multicast_owns - this completion is for oring_multicast_step(). */
ORING_INLINE bool oring_multicast_owns(const struct oring_multicast *multicast,
				       const struct oring_cqe *cqe)
{
	uint64_t distance = cqe->user_data - multicast->first.bits;

	return (distance & 3) == 0 && distance / 4 < multicast->n;
}

/** oring_multicast_step - what one completion means; of one that is not its own, nothing. */
ORING_API struct oring_multicast_step oring_multicast_step(struct oring_multicast *multicast,
							   const struct oring_cqe *cqe);

/**
 * oring_multicast_stop - no further targets
 *
 * The result of those that are left becomes -ECANCELED; what is under way goes on.
 * Return: as of a step of no target; all_known, payload_free if nothing is under way.
 */
ORING_API struct oring_multicast_step oring_multicast_stop(struct oring_multicast *multicast);

ORING_END_DECLS

#endif
