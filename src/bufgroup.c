/* SPDX-License-Identifier: MIT */
/* Books of provided buffers: which one is where, and how much of it is used. */
#include "oring/bufgroup.h"

static void add(struct oring_bufgroup *group, uint16_t bid)
{
	struct oring_buf_note *note = &group->notes[bid];

	note->used = 0;
	note->state = ORING_BUF_KERNEL;
	group->notes[group->newest].next = bid;
	group->newest = bid;
	oring_bufring_add(&group->ring, group->base + (size_t)bid * group->size, group->size, bid);
}

int oring_bufgroup_init(struct oring_bufgroup *group, struct oring *ring,
			const struct oring_bufgroup_params *params)
{
	uint32_t i;
	int ret;

	if (params->count == 0 || params->size == 0 || params->count > params->ring.entries)
		return -ORING_EINVAL;
	ret = oring_bufring_init(&group->ring, ring, &params->ring);
	if (ret < 0)
		return ret;
	group->base = (unsigned char *)params->base;
	group->notes = params->notes;
	group->size = params->size;
	group->count = params->count;
	group->out = 0;
	group->newest = 0;
	group->min_left = params->ring.min_left;
	for (i = 0; i < params->count; i++) {
		group->notes[i].pieces = 0;
		add(group, (uint16_t)i);
	}
	oring_bufring_commit(&group->ring);
	return 0;
}

int oring_bufgroup_exit(struct oring_bufgroup *group, struct oring *ring)
{
	return oring_bufring_exit(&group->ring, ring);
}

int oring_bufgroup_open(struct oring_bufgroup *group, const struct oring_cqe *cqe,
			struct oring_bufwalk *walk)
{
	uint16_t bid = oring_cqe_buffer_id(cqe);

	walk->group = group;
	walk->bid = bid;
	walk->left = oring_cqe_bytes(cqe);
	walk->buffers = group->count;
	walk->more = oring_cqe_buffer_has_more(cqe) ||
		     ((group->ring.flags & ORING_PBUF_RING_INC) && group->min_left == 0);
	walk->over = true;
	if (!oring_cqe_has_buffer(cqe))
		return -ORING_ENOENT;
	if (bid >= group->count || group->notes[bid].state != ORING_BUF_KERNEL)
		return -ORING_EINVAL;
	walk->over = false;
	return 0;
}

bool oring_bufgroup_next(struct oring_bufwalk *walk, struct oring_piece *piece)
{
	struct oring_bufgroup *group = walk->group;
	struct oring_buf_note *note = &group->notes[walk->bid];
	uint32_t room;

	/* A walk that leads to a buffer of ours, or round, is over: the completion was of another group. */
	if (walk->over || walk->buffers == 0 || note->state != ORING_BUF_KERNEL)
		return false;
	walk->buffers--;
	room = group->size - note->used;
	piece->data = group->base + (size_t)walk->bid * group->size + note->used;
	piece->length = walk->left < room ? walk->left : room;
	piece->bid = walk->bid;
	note->pieces++;
	note->used += piece->length;
	walk->left -= piece->length;
	walk->over = walk->left == 0;
	if (!walk->over || !walk->more || note->used == group->size) {
		note->state = ORING_BUF_OURS;
		group->out++;
	}
	walk->bid = note->next;
	return true;
}

int oring_bufgroup_release(struct oring_bufgroup *group, uint16_t bid)
{
	struct oring_buf_note *note;

	if (bid >= group->count || group->notes[bid].pieces == 0)
		return -ORING_EINVAL;
	note = &group->notes[bid];
	note->pieces--;
	if (note->pieces == 0 && note->state == ORING_BUF_OURS) {
		group->out--;
		add(group, bid);
	}
	return 0;
}

int oring_bufgroup_drop(struct oring_bufgroup *group, const struct oring_cqe *cqe)
{
	struct oring_bufwalk walk;
	struct oring_piece piece;
	int ret = oring_bufgroup_open(group, cqe, &walk);

	if (ret < 0)
		return ret;
	while (oring_bufgroup_next(&walk, &piece))
		oring_bufgroup_release(group, piece.bid);
	return (int)oring_cqe_bytes(cqe);
}

struct oring_bufgroup *oring_bufgroup_fit(struct oring_bufgroup *groups, uint32_t n,
					  uint32_t length)
{
	struct oring_bufgroup *best = n > 0 ? &groups[0] : NULL;
	uint32_t i;

	for (i = 1; i < n; i++) {
		bool holds = groups[i].size >= length;

		if (best->size >= length ? holds && groups[i].size < best->size
					 : groups[i].size > best->size)
			best = &groups[i];
	}
	return best;
}
