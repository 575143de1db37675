/* SPDX-License-Identifier: MIT */
/* What of the completion queue is too long to be inline. */
#include "oring/cq.h"

uint32_t oring_cq_copy(struct oring *ring, struct oring_cqe *out, uint32_t max)
{
	const struct oring_cqe *cqe;
	uint32_t cursor = ring->cq_released;
	uint32_t end = oring_cq_end(ring);
	uint32_t n;

	for (n = 0; n < max && (cqe = oring_cq_next(ring, &cursor, end)) != NULL; n++) {
		out[n].user_data = cqe->user_data;
		out[n].res = cqe->res;
		out[n].flags = cqe->flags;
	}
	oring_cq_release_to(ring, cursor);
	return n;
}

uint32_t oring_cq_copy32(struct oring *ring, struct oring_cqe32 *out, uint32_t max)
{
	const struct oring_cqe *cqe;
	uint32_t cursor = ring->cq_released;
	uint32_t end = oring_cq_end(ring);
	uint32_t n;

	for (n = 0; n < max && (cqe = oring_cq_next(ring, &cursor, end)) != NULL; n++) {
		bool big = ring->cq_stride == sizeof(out[n]) || (cqe->flags & ORING_CQE_F_32);

		out[n].cqe.user_data = cqe->user_data;
		out[n].cqe.res = cqe->res;
		out[n].cqe.flags = cqe->flags;
		out[n].big_cqe[0] = big ? oring_cqe_big(cqe)[0] : 0;
		out[n].big_cqe[1] = big ? oring_cqe_big(cqe)[1] : 0;
	}
	oring_cq_release_to(ring, cursor);
	return n;
}
