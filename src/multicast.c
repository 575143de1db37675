/* SPDX-License-Identifier: MIT */
/* One payload to many sockets: the sends, and what their completions mean together. */
#include "oring/multicast.h"
#include "oring/prep.h"
#include "oring/sq.h"

#define ALL_OPTIONS (ORING_MULTICAST_ZERO_COPY | ORING_MULTICAST_REPORT_USAGE)

int oring_multicast_init(struct oring_multicast *multicast, struct oring_multicast_target *targets,
			 uint32_t n, oring_context first, const void *payload, size_t length,
			 uint32_t options)
{
	uint32_t i;

	if (n == 0 || options & ~ALL_OPTIONS || options == ORING_MULTICAST_REPORT_USAGE)
		return -ORING_EINVAL;
	if (length > ORING_MULTICAST_LONGEST)
		return -ORING_EOVERFLOW;
	multicast->targets = targets;
	multicast->payload = payload;
	multicast->first = first;
	multicast->length = (uint32_t)length;
	multicast->n = n;
	multicast->next = 0;
	multicast->known = 0;
	multicast->whole = 0;
	multicast->held = 0;
	multicast->copied = 0;
	multicast->options = options;
	multicast->msg_flags = ORING_MULTICAST_MSG_FLAGS;
	multicast->buf_index = 0;
	multicast->fixed = false;
	for (i = 0; i < n; i++) {
		targets[i].result = 0;
		targets[i].send.state = 0;
	}
	return 0;
}

int oring_multicast_init_fixed(struct oring_multicast *multicast,
			       struct oring_multicast_target *targets, uint32_t n,
			       oring_context first, oring_fixed_buf payload, uint32_t options)
{
	int ret = oring_multicast_init(multicast, targets, n, first, payload.addr, payload.len,
				       options | ORING_MULTICAST_ZERO_COPY);

	if (ret < 0)
		return ret;
	multicast->buf_index = payload.index;
	multicast->fixed = true;
	return 0;
}

static void prepare(const struct oring_multicast *multicast, struct oring_sqe *sqe, oring_file file)
{
	if (!(multicast->options & ORING_MULTICAST_ZERO_COPY))
		oring_prep_send(sqe, file, multicast->payload, multicast->length,
				multicast->msg_flags);
	else if (multicast->fixed)
		oring_prep_send_fixed_zc(sqe, file, multicast->payload, multicast->length,
					 multicast->msg_flags, multicast->buf_index);
	else
		oring_prep_send_zc(sqe, file, multicast->payload, multicast->length,
				   multicast->msg_flags);
	if (multicast->options & ORING_MULTICAST_REPORT_USAGE)
		oring_sqe_report_usage(sqe);
}

uint32_t oring_multicast_fill(struct oring_multicast *multicast, struct oring *ring)
{
	uint32_t filled = 0;

	while (multicast->next < multicast->n) {
		struct oring_multicast_target *target = &multicast->targets[multicast->next];
		struct oring_sqe *sqe = oring_sq_reserve(ring);

		if (sqe == NULL)
			break;
		prepare(multicast, sqe, target->file);
		oring_sqe_set_user_data(sqe, multicast->first.bits + (uint64_t)multicast->next * 4);
		oring_zc_begin(&target->send);
		multicast->held++;
		multicast->next++;
		filled++;
	}
	return filled;
}

static struct oring_multicast_step nothing(uint32_t target)
{
	struct oring_multicast_step step;

	step.target = target;
	step.result = 0;
	step.result_known = false;
	step.all_known = false;
	step.payload_free = false;
	step.usage_known = false;
	step.copied = false;
	return step;
}

static void note(struct oring_multicast *multicast, struct oring_multicast_target *target,
		 const struct oring_zc_step *sent)
{
	if (sent->result_known) {
		target->result = sent->result;
		multicast->known++;
		multicast->whole +=
			sent->result >= 0 && (uint32_t)sent->result == multicast->length;
	}
	multicast->held -= sent->buffer_free;
	multicast->copied += sent->copied;
}

struct oring_multicast_step oring_multicast_step(struct oring_multicast *multicast,
						 const struct oring_cqe *cqe)
{
	struct oring_multicast_step step = nothing(ORING_MULTICAST_NONE);
	struct oring_multicast_target *target;
	struct oring_zc_step sent;
	uint32_t i;

	if (!oring_multicast_owns(multicast, cqe))
		return step;
	i = (uint32_t)((cqe->user_data - multicast->first.bits) / 4);
	target = &multicast->targets[i];
	if (!oring_zc_busy(&target->send))
		return step;
	sent = oring_zc_step(&target->send, cqe,
			     (multicast->options & ORING_MULTICAST_REPORT_USAGE) != 0);
	note(multicast, target, &sent);
	step.target = i;
	step.result = sent.result;
	step.result_known = sent.result_known;
	step.usage_known = sent.usage_known;
	step.copied = sent.copied;
	step.all_known = sent.result_known && multicast->known == multicast->n;
	step.payload_free = (sent.result_known || sent.buffer_free) &&
			    multicast->known == multicast->n && multicast->held == 0;
	return step;
}

struct oring_multicast_step oring_multicast_stop(struct oring_multicast *multicast)
{
	struct oring_multicast_step step = nothing(ORING_MULTICAST_NONE);
	uint32_t i;

	if (multicast->next == multicast->n)
		return step;
	for (i = multicast->next; i < multicast->n; i++)
		multicast->targets[i].result = -ORING_ECANCELED;
	multicast->n = multicast->next;
	step.all_known = multicast->known == multicast->n;
	step.payload_free = step.all_known && multicast->held == 0;
	return step;
}
