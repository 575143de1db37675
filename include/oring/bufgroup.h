/* SPDX-License-Identifier: MIT */
/**
 * bufgroup.h - a group of equal buffers, and who has each of them
 *
 * The caller gives an arena, cut into @count buffers of @size bytes, and a note
 * for each. A completion is opened, its pieces are walked, and each piece is
 * released once: that is all, for plain, incremental and bundled completions
 * alike. A buffer goes back to the kernel when the kernel is done with it and
 * every piece of it was released.
 *
 *	oring_bufgroup_open(&group, cqe, &walk);
 *	while (oring_bufgroup_next(&walk, &piece)) {
 *		use(piece.data, piece.length);
 *		oring_bufgroup_release(&group, piece.bid);   now, or later
 *	}
 *	oring_bufgroup_commit(&group);                       after a batch
 *
 * How many: two for each connection that answers from the buffer it received into.
 * With one each, the next message often comes before the answer was reaped, finds no
 * buffer and ends its multishot receive (one in six of an echo server's at 64 connections).
 *
 * No system call, but in init and exit. All of it belongs to one thread at a
 * time, the one that reaps.
 */
#ifndef ORING_BUFGROUP_H
#define ORING_BUFGROUP_H

#include "bufring.h"
#include "cqe.h"

ORING_BEGIN_DECLS

/* One for each buffer; the caller's memory, the library's content. */
struct oring_buf_note {
	uint32_t used;	 /* incremental: bytes that the kernel has filled so far */
	uint32_t pieces; /* walked over and not released */
	uint16_t next;	 /* the buffer that was added after it */
	uint16_t state;	 /* ORING_BUF_* */
};

#define ORING_BUF_OURS	 0 /* not in the ring */
#define ORING_BUF_KERNEL 1 /* in the ring */

struct oring_bufgroup {
	struct oring_bufring ring;
	unsigned char *base;
	struct oring_buf_note *notes;
	uint32_t size;
	uint32_t count;
	uint32_t out;	 /* buffers that are ours */
	uint16_t newest; /* added last */
	uint16_t pad;
	uint32_t min_left; /* as the ring was asked for */
};

/* Where the buffers of a group are. */
struct oring_bufgroup_params {
	struct oring_bufring_params ring; /* entries: at least count */
	void *base;			  /* count * size bytes */
	struct oring_buf_note *notes;	  /* count of them */
	uint32_t size;			  /* bytes of a buffer */
	uint32_t count;			  /* 1 to 32768 */
};

/**
 * oring_bufgroup_init - register the ring and put every buffer into it
 *
 * Return: 0; -EINVAL if count or size is 0, or count above entries; else as
 * oring_bufring_init(). Threads: owner only.
 */
ORING_API int oring_bufgroup_init(struct oring_bufgroup *group, struct oring *ring,
				  const struct oring_bufgroup_params *params);

/** oring_bufgroup_exit - as oring_bufring_exit(). */
ORING_API int oring_bufgroup_exit(struct oring_bufgroup *group, struct oring *ring);

/** oring_bufgroup_at - where buffer @bid is; NULL if the group has no such buffer. */
ORING_INLINE unsigned char *oring_bufgroup_at(const struct oring_bufgroup *group, uint16_t bid)
{
	return bid < group->count ? group->base + (size_t)bid * group->size : NULL;
}

/** oring_bufgroup_out - buffers that the kernel does not have: to be released, or to be committed. */
ORING_INLINE uint32_t oring_bufgroup_out(const struct oring_bufgroup *group)
{
	return group->out;
}

/* ---- completions ---- */

/* A stretch of one buffer. */
struct oring_piece {
	unsigned char *data;
	uint32_t length; /* 0: the request took the buffer and put nothing in */
	uint16_t bid;
};

/* A walk over the pieces of one completion. */
struct oring_bufwalk {
	struct oring_bufgroup *group;
	uint32_t left;	  /* bytes not walked over */
	uint32_t buffers; /* that it may still lead to: each once */
	uint16_t bid;
	bool more; /* the kernel goes on in the last buffer */
	bool over;
};

/**
 * oring_bufgroup_open - begin the walk over what a completion brought
 * @cqe: of a request that selects from this group; read here, not kept
 *
 * Where an incremental buffer is not full the kernel goes on in it. Some kernels
 * (6.18.15, 6.19.14) leave out the flag that says so, in bundles and at the end of
 * a stream, so the group goes by its sizes; with min_left, by the flag.
 *
 * Ask it of every completion that has a buffer, of failed ones too, once. Walk to
 * the end: what is not walked over is not given back.
 *
 * Return: 0; -ENOENT if it has no buffer; -EINVAL if its buffer cannot come from
 * this group now: of another group, or opened twice. Then there is nothing to walk.
 */
ORING_API int oring_bufgroup_open(struct oring_bufgroup *group, const struct oring_cqe *cqe,
				  struct oring_bufwalk *walk);

/**
 * oring_bufgroup_next - the next piece
 * @piece: filled
 *
 * Return: true; false when there is none left.
 */
ORING_API bool oring_bufgroup_next(struct oring_bufwalk *walk, struct oring_piece *piece);

/**
 * oring_bufgroup_release - one piece of buffer @bid is not needed any more
 *
 * The kernel may have it again after the next oring_bufgroup_commit().
 *
 * Return: 0; -EINVAL if there is no such piece: released twice, or never walked
 * over. Then nothing changes.
 */
ORING_API int oring_bufgroup_release(struct oring_bufgroup *group, uint16_t bid);

/** oring_bufgroup_commit - let the kernel have what was released. One store. */
ORING_INLINE void oring_bufgroup_commit(struct oring_bufgroup *group)
{
	oring_bufring_commit(&group->ring);
}

/**
 * oring_bufgroup_drop - open a completion, and release all that it brought
 *
 * For completions that nobody wants, of a connection that is closed say.
 * Return: bytes that it brought; -ENOENT, -EINVAL as oring_bufgroup_open().
 */
ORING_API int oring_bufgroup_drop(struct oring_bufgroup *group, const struct oring_cqe *cqe);

/**
 * oring_bufgroup_fit - the group whose buffers are the smallest that hold @length
 * @groups: @n of them, in any order
 *
 * Return: the group; the one with the largest buffers if none holds it; NULL
 * if @n is 0.
 */
ORING_API struct oring_bufgroup *oring_bufgroup_fit(struct oring_bufgroup *groups, uint32_t n,
						    uint32_t length);

ORING_END_DECLS

#endif
