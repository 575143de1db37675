/* SPDX-License-Identifier: MIT */
/* Chains: an entry is linked to the one before it when it is handed out. */
#include "oring/chain.h"

#define LINKS ((uint8_t)(ORING_SQE_IO_LINK | ORING_SQE_IO_HARDLINK))

int oring_chain_begin(struct oring_chain *chain, struct oring *ring, uint32_t n)
{
	uint32_t first = ring->sq_reserved;
	int ret = oring_sq_reserve_n(ring, n, &first);

	chain->ring = ring;
	chain->last = NULL;
	chain->next = first;
	chain->left = ret < 0 ? 0 : n;
	return ret;
}

static struct oring_sqe *next(struct oring_chain *chain, uint8_t link)
{
	struct oring_sqe *sqe;

	if (chain->left == 0)
		return NULL;
	sqe = oring_sq_at(chain->ring, chain->next);
	if (chain->last != NULL)
		chain->last->flags |= link;
	chain->last = sqe;
	chain->next++;
	chain->left--;
	return sqe;
}

struct oring_sqe *oring_chain_next(struct oring_chain *chain)
{
	return next(chain, ORING_SQE_IO_LINK);
}

struct oring_sqe *oring_chain_next_hard(struct oring_chain *chain)
{
	return next(chain, ORING_SQE_IO_HARDLINK);
}

struct oring_sqe128 *oring_chain_next128(struct oring_chain *chain)
{
	struct oring_sqe128 *sqe;

	if (chain->ring->sq_stride != sizeof(*sqe))
		return NULL;
	sqe = (struct oring_sqe128 *)(void *)next(chain, ORING_SQE_IO_LINK);
	if (sqe != NULL)
		oring_sqe128_clear(sqe);
	return sqe;
}

int oring_chain_deadline(struct oring_chain *chain, const struct oring_timespec *ts, uint32_t flags,
			 oring_context timer)
{
	struct oring_sqe *sqe;

	if (chain->last == NULL || chain->last->opcode == ORING_OP_LINK_TIMEOUT || chain->left == 0)
		return -ORING_EINVAL;
	sqe = next(chain, ORING_SQE_IO_LINK);
	oring_prep_link_timeout(sqe, ts, flags);
	oring_sqe_set_context(sqe, timer);
	return 0;
}

int oring_chain_end(struct oring_chain *chain)
{
	uint32_t left = chain->left;

	if (chain->last != NULL)
		chain->last->flags &= (uint8_t)~LINKS;
	chain->left = 0;
	if (chain->ring == NULL)
		return 0;
	if (chain->ring->sq_reserved - chain->next != left)
		return left > 0 ? -ORING_EBUSY : 0;
	return oring_sq_unreserve(chain->ring, left);
}

struct oring_sqe *oring_reserve_with_deadline(struct oring *ring, const struct oring_timespec *ts,
					      uint32_t flags, oring_context timer)
{
	struct oring_chain chain;
	struct oring_sqe *sqe;

	if (oring_chain_begin(&chain, ring, 2) < 0)
		return NULL;
	sqe = oring_chain_next(&chain);
	oring_chain_deadline(&chain, ts, flags, timer);
	return sqe;
}
