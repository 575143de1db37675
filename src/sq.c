/* SPDX-License-Identifier: MIT */
/* What of the submission queue is too long to be inline. */
#include "oring/sq.h"

int oring_sq_reserve_n(struct oring *ring, uint32_t n, uint32_t *first)
{
	uint32_t index = ring->sq_reserved;
	uint32_t i;

	if (n == 0 || n > ring->sq_entries)
		return -ORING_EINVAL;
	if (ring->sq_limit - index < n) {
		oring_sq_refresh(ring);
		if (ring->sq_limit - index < n)
			return -ORING_EAGAIN;
	}
	for (i = 0; i < n; i++)
		oring_sqe_clear(oring_sq_at(ring, index + i));
	ring->sq_reserved = index + n;
	*first = index;
	return 0;
}

int oring_sq_push_n(struct oring *ring, const struct oring_sqe *entries, uint32_t n)
{
	uint32_t first = 0;
	uint32_t i;
	int ret = oring_sq_reserve_n(ring, n, &first);

	if (ret < 0)
		return ret;
	for (i = 0; i < n; i++)
		oring_sqe_copy(oring_sq_at(ring, first + i), &entries[i]);
	return 0;
}

struct oring_sqe *oring_sq_reserve_run(struct oring *ring, uint32_t slots)
{
	uint32_t to_end = ring->sq_entries - (ring->sq_reserved & ring->sq_mask);
	uint32_t pads = slots > to_end ? to_end : 0;
	uint32_t first, i;

	if (slots > ring->sq_entries || oring_sq_reserve_n(ring, pads + slots, &first) < 0)
		return NULL;
	for (i = 0; i < pads; i++)
		oring_sqe_skip_success(oring_sq_at(ring, first + i));
	return oring_sq_at(ring, first + pads);
}
