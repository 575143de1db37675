/* SPDX-License-Identifier: MIT */
/**
 * zcrx.h - zero-copy receive: bytes stay where the network card has put them
 *
 * The caller gives an area, which the kernel cuts into buffers of a page. What
 * arrives is told by 32-byte completions: each is a piece, a stretch of one
 * buffer. Each piece is released once, by an entry in the refill ring; the kernel
 * counts the pieces of a buffer as the books here do, and uses the buffer again
 * when all are back.
 *
 *	oring_prep_recv_multishot_zc(sqe, file, oring_zcrx_id(&zcrx), 0);
 *	oring_multishot_arm(&stream, sqe);                kind ORING_STREAM_RECV
 *	...
 *	step = oring_multishot_step(&stream, cqe);
 *	if (step.data && oring_zcrx_piece(&zcrx, cqe, &piece) == 0) {
 *		use(piece.data, piece.length);
 *		ret = oring_zcrx_release(&zcrx, &piece);  now, or later
 *	}
 *	oring_zcrx_commit(&zcrx);                         after a batch
 *
 * The ends of such a stream, as multishot.h tells them: 0, the peer has closed,
 * or the limit is reached: FINISHED. -ENOMEM, no buffer is free: FAILED, and to
 * be armed again after a release, a commit and a flush. -ENOSPC, the completion
 * queue was full: FAILED, and armed again it goes on. Nothing is lost by either:
 * the bytes wait in the socket.
 *
 * When buffers or room run out within a packet, the kernel may also not end the
 * stream and wait for another packet (seen on 7.1), which may never come: release,
 * then oring_multishot_cancel(), and arm again when it is retired. A completion
 * queue with as many entries as the area has buffers (twice as many if CQE_MIXED)
 * has room for every buffer without a device.
 *
 * Needed: a ring with DEFER_TASKRUN and completions of 32 bytes (CQE32, or
 * CQE_MIXED); CAP_NET_ADMIN; a card whose driver takes part, with header split on
 * and a queue to which the flows are steered. oring_zcrx_explain() says which is
 * missing. Data that did not come by that queue is copied into the area, and looks
 * the same.
 *
 * Without a device (ORING_ZCRX_REG_NODEV, 7.1) the kernel copies every byte. That
 * shows that a program is right: its ring, its completions, its books, what it
 * does when the area or the refill ring is full. It shows nothing of speed (it is
 * a receive with more work), of drivers, steering and header split; and three
 * things only cards do: pieces that begin inside a buffer, several pieces in one
 * buffer, and a refill ring that the kernel empties by itself: without a device
 * only oring_zcrx_flush() does. None of oring was run with such a card.
 *
 * An area in a dma-buf, further areas, and a queue of another process can be had
 * by reg.h. Fixed for the life of a ring: the kernel ends a queue with its ring.
 *
 * No system call, but where it is said. Threads: one at a time, the one that reaps.
 */
#ifndef ORING_ZCRX_H
#define ORING_ZCRX_H

#include "abi_reg.h"
#include "context.h"
#include "cqe.h"
#include "mem.h"
#include "ring.h"

ORING_BEGIN_DECLS

/* One for each buffer; the caller's memory, the library's content. */
struct oring_zcrx_note {
	uint32_t pieces; /* handed out and not released */
	uint32_t bytes;	 /* of them */
};

struct oring_zcrx {
	struct oring_zcrx_rqe *rqes; /* the refill ring */
	uint32_t *head;		     /* the kernel has taken entries up to here */
	uint32_t *tail;		     /* what is committed */
	uint32_t filled;	     /* and with what is not */
	uint32_t mask;
	uint32_t id;
	uint32_t shift; /* of a buffer's size */
	unsigned char *area;
	size_t area_size;
	uint64_t token;
	struct oring_zcrx_note *notes;
	struct oring_zcrx_stats *stats; /* in the refill ring's memory; or NULL */
	void *mapped;			/* memory of the kernel's; or NULL: it is the caller's */
	size_t bytes;
	uint32_t out;	/* pieces */
	uint32_t mixed; /* the ring has completions of both sizes */
};

/* What oring_zcrx_init() is asked for. Zero what is not wanted. */
struct oring_zcrx_params {
	uint32_t interface;   /* its index, as if_nametoindex(3) */
	uint32_t queue;	      /* of that interface */
	uint32_t flags;	      /* ORING_ZCRX_REG_NODEV: no interface, no queue (7.1) */
	uint32_t entries;     /* of the refill ring: a power of two, 1 to 32768 */
	uint32_t page;	      /* bytes of a page */
	uint32_t buffer_size; /* 0: a page; or a power of two above it, if the card can (7.0) */
	void *area;	      /* at a page; the kernel's, but for the pieces, until the ring ends */
	size_t area_size;     /* whole buffers; locked memory */
	struct oring_zcrx_note *notes; /* oring_zcrx_notes() of them */
	void *memory; /* of the refill ring, at a page, oring_zcrx_refill_size(); NULL: the kernel's */
	uint32_t stats; /* not 0: count what is copied, for oring_zcrx_copied() (7.2) */
	uint32_t
		events; /* 1 << ORING_ZCRX_EVENT_*: each is told once, then when armed again (7.2) */
	oring_context event; /* identity of the completions that tell; the result is the event */
};

/* Bytes kept before the entries for the kernel's head and tail, and after them. */
#define ORING_ZCRX_HEADER 256
#define ORING_ZCRX_AFTER  64

/** oring_zcrx_refill_size - bytes of a refill ring of @entries, whole pages. Any thread. Pure. */
ORING_INLINE size_t oring_zcrx_refill_size(uint32_t entries, size_t page)
{
	return (ORING_ZCRX_HEADER + (size_t)entries * sizeof(struct oring_zcrx_rqe) +
		ORING_ZCRX_AFTER + page - 1) &
	       ~(page - 1);
}

/** oring_zcrx_notes - notes for an area, by the size of a buffer: a page. Any thread. Pure. */
ORING_INLINE size_t oring_zcrx_notes(size_t area_size, uint32_t buffer_size)
{
	return area_size / buffer_size;
}

/**
 * oring_zcrx_init - register the queue, map the refill ring, open the books
 * @params: read here, not kept
 *
 * Enters the kernel: a registration, and for memory of the kernel's two calls
 * more. A forked child does not get that memory; what it gets of the caller's, the
 * area above all, is the caller's business. Taking a card's queue stops it for a
 * moment.
 *
 * Return: 0; else oring_zcrx_explain() tells what is missing: -EINVAL for params
 * that do not do, a ring that does not do, and kernels before 6.15; -EPERM without
 * CAP_NET_ADMIN; -ENODEV, -EOPNOTSUPP, -ERANGE, -EEXIST, -EBUSY of the interface
 * and its queue; -ENOMEM, also where RLIMIT_MEMLOCK is too small for the area;
 * -EBADF for memory of the kernel's on a ring without a descriptor; what mmap(2)
 * says: only then, and with -EINVAL for a wrong
 * params->page, may the queue stay registered, until the ring ends.
 * Threads: owner only. Since: 6.15.
 */
ORING_API int oring_zcrx_init(struct oring_zcrx *zcrx, struct oring *ring,
			      const struct oring_zcrx_params *params);

/**
 * oring_zcrx_adopt - open the books over a queue that was registered by reg.h
 * @ring: whose completions are to be looked at
 * @params: memory, area, notes, page, entries: as with oring_zcrx_init()
 * @reg: as the kernel filled it in; offsets are within params->memory
 * @area: likewise
 *
 * Return: 0; -EINVAL for params that do not do. Threads: any.
 */
ORING_API int oring_zcrx_adopt(struct oring_zcrx *zcrx, const struct oring *ring,
			       const struct oring_zcrx_params *params,
			       const struct oring_zcrx_ifq_reg *reg,
			       const struct oring_zcrx_area_reg *area);

/**
 * oring_zcrx_exit - close the books, unmap
 *
 * The kernel has no call that ends a queue: the ring's end does, before or after
 * this one. Pieces may be out: they are the caller's memory, and cannot be released
 * any more. Requests on the queue find no new buffers.
 *
 * Return: pieces that were out, or what munmap(2) says. Threads: owner only.
 */
ORING_API int oring_zcrx_exit(struct oring_zcrx *zcrx);

/** oring_zcrx_id - what oring_prep_recv_multishot_zc() calls @ifq. Any thread. */
ORING_INLINE uint32_t oring_zcrx_id(const struct oring_zcrx *zcrx)
{
	return zcrx->id;
}

/** oring_zcrx_out - pieces that were handed out and not released. */
ORING_INLINE uint32_t oring_zcrx_out(const struct oring_zcrx *zcrx)
{
	return zcrx->out;
}

/* ---- pieces ---- */

/* A stretch of one buffer. Not to be changed until it is released. */
struct oring_zcrx_piece {
	unsigned char *data;
	uint32_t length;
};

/**
 * oring_zcrx_piece - what a completion brought
 * @cqe: of a zero-copy receive, in the ring or copied whole (oring_cq_copy32())
 *
 * Ask it once of every completion that has data. An offset of another area, or
 * that leads out of its buffer, is refused, never followed.
 *
 * Return: 0; -ENOENT if it brought nothing: the end, an error, 16 bytes only;
 * -EINVAL if that cannot be this queue's now: then nothing is handed out. The same
 * completion twice is told so only if its buffer cannot hold both.
 */
ORING_API int oring_zcrx_piece(struct oring_zcrx *zcrx, const struct oring_cqe *cqe,
			       struct oring_zcrx_piece *piece);

/** oring_zcrx_room - entries that the refill ring has free. */
ORING_INLINE uint32_t oring_zcrx_room(const struct oring_zcrx *zcrx)
{
	/* Acquire: the kernel has read the entries before it moved the head. */
	return zcrx->mask + 1 - (zcrx->filled - oring_load_acquire(zcrx->head));
}

/**
 * oring_zcrx_release - a piece is not needed any more
 * @piece: emptied, so that a second release of it is seen
 *
 * The kernel may have it after the next oring_zcrx_commit(). In any order.
 *
 * Return: 0; -EAGAIN while the refill ring is full: the piece stays; commit, let
 * the kernel take some (it does when the card needs buffers, or flush), and
 * release again. -EINVAL if there is no such piece; copies of a piece that was
 * released are told so once no other piece of their buffer is out.
 */
ORING_API int oring_zcrx_release(struct oring_zcrx *zcrx, struct oring_zcrx_piece *piece);

/** oring_zcrx_commit - let the kernel see what was released. One store. */
ORING_INLINE void oring_zcrx_commit(struct oring_zcrx *zcrx)
{
	oring_store_release(zcrx->tail, zcrx->filled);
}

/**
 * oring_zcrx_flush - commit, and have the kernel take all that is in the refill ring
 *
 * Without a device nothing else empties it. Enters the kernel. Return: 0; -EINVAL
 * before 6.19. Threads: owner only. Since: 6.19.
 */
ORING_API int oring_zcrx_flush(struct oring_zcrx *zcrx, struct oring *ring);

/* ---- copies, events ---- */

/**
 * oring_zcrx_copied - how much the kernel had to copy, since the beginning
 * @count, @bytes: filled; copies of packets' fragments. What a packet carries beside its
 *                 fragments is copied too, and not counted.
 *
 * Return: 0; -ENOENT if it was not asked for (oring_zcrx_params.stats). Since: 7.2.
 */
ORING_API int oring_zcrx_copied(const struct oring_zcrx *zcrx, uint64_t *count, uint64_t *bytes);

/**
 * oring_zcrx_arm_event - tell of an event once more
 * @event: ORING_ZCRX_EVENT_*
 *
 * Enters the kernel. Return: 0; -EINVAL if it is armed already, or was never asked
 * for; -EOPNOTSUPP, -EINVAL where kernels know no events. Threads: owner only.
 * Since: 7.2.
 */
ORING_API int oring_zcrx_arm_event(struct oring_zcrx *zcrx, struct oring *ring, uint32_t event);

/* ---- several rings ---- */

/**
 * oring_zcrx_export - a descriptor of the queue, for other rings
 *
 * The queue lives as long as the descriptor or a ring. Enters the kernel.
 *
 * Return: the descriptor, close-on-exec; -EINVAL before 6.19; -EMFILE, -ENFILE.
 * Threads: owner only. Since: 6.19.
 */
ORING_API int oring_zcrx_export(struct oring_zcrx *zcrx, struct oring *ring);

/**
 * oring_zcrx_import - let another ring receive by this queue
 * @ring: of the same shape as the first, as far as completions go
 * @fd: of oring_zcrx_export(); may be closed afterwards
 *
 * Its pieces are found and released by the same @zcrx, one thread at a time.
 * Enters the kernel.
 *
 * Return: the queue's id on that ring, for oring_prep_recv_multishot_zc(); -EINVAL
 * if that ring does not do, and before 6.19; -EBADF; -EPERM as oring_zcrx_init().
 * Threads: @ring's owner. Since: 6.19.
 */
ORING_API int oring_zcrx_import(const struct oring_zcrx *zcrx, struct oring *ring, int fd);

/* ---- why not ---- */

enum oring_zcrx_obstacle {
	ORING_ZCRX_CLEAR,	 /* nothing that can be seen beforehand */
	ORING_ZCRX_PARAMS,	 /* sizes, addresses or flags that contradict each other */
	ORING_ZCRX_KERNEL,	 /* has no zero-copy receive: before 6.15, or built without */
	ORING_ZCRX_PERMISSION,	 /* no CAP_NET_ADMIN in the first user namespace */
	ORING_ZCRX_RING_TASKRUN, /* the ring has no DEFER_TASKRUN */
	ORING_ZCRX_RING_CQES,	 /* the ring has no completions of 32 bytes */
	ORING_ZCRX_RING_REFUSES, /* registrations: closed, restricted, of another thread */
	ORING_ZCRX_DEVICELESS,	 /* the kernel knows no queue without a device: before 7.1 */
	ORING_ZCRX_BUFFER_SIZE, /* other than a page: not by this kernel, or not without a device */
	ORING_ZCRX_EVENTS,	/* and statistics: not known to this kernel */
	ORING_ZCRX_INTERFACE,	/* there is none of this index */
	ORING_ZCRX_DRIVER,	/* no hardware behind the interface, or its driver takes no part */
	ORING_ZCRX_QUEUE, /* there is none of this number; or the area is in too small parts */
	ORING_ZCRX_QUEUE_TAKEN, /* the queue, or the interface, is used by XDP or another provider */
	ORING_ZCRX_HEADER_SPLIT, /* off, or with a threshold (ethtool -G tcp-data-split, hds-thresh) */
	ORING_ZCRX_ADDRESS,	 /* the area or the refill ring is no memory that can be written */
	ORING_ZCRX_MEMORY,	 /* not enough, or RLIMIT_MEMLOCK */
	ORING_ZCRX_UNKNOWN	 /* none of these */
};

/**
 * oring_zcrx_explain - what is in the way
 * @ret: what oring_zcrx_init() returned for this ring and these params; or 0: ask
 *       before trying, as far as can be seen without an interface
 *
 * Enters the kernel a few times, with registrations that cannot succeed.
 *
 * Return: enum oring_zcrx_obstacle; the first, in their order, where there are
 * several. Threads: owner only.
 */
ORING_API enum oring_zcrx_obstacle
oring_zcrx_explain(struct oring *ring, const struct oring_zcrx_params *params, int ret);

/** oring_zcrx_obstacle_text - a short English phrase for it. Any thread. Pure. */
ORING_API const char *oring_zcrx_obstacle_text(enum oring_zcrx_obstacle obstacle);

ORING_END_DECLS

#endif
