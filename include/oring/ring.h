/* SPDX-License-Identifier: MIT */
/**
 * ring.h - a ring: reserve and commit entries, enter the kernel, peek at
 * completions and release them
 *
 * Nothing here allocates: struct oring is the caller's, ring memory is the
 * kernel's. Nothing enters the kernel but what says so. Results are >= 0 or a
 * negative errno; errno is not touched.
 *
 * Threads. The submission side (oring_sq_*, oring_submit*) belongs to one
 * thread at a time, the completion side (oring_cq_*, oring_wait) to one thread
 * at a time; they touch different cache lines, so two threads may own one side
 * each where the setup flags permit. "Owner only" means the thread that owns
 * that side; with SINGLE_ISSUER the kernel holds to it (-EEXIST).
 */
#ifndef ORING_RING_H
#define ORING_RING_H

#include "abi.h"
#include "mem.h"
#include "sqe.h"
#include "cqe.h"
#include "sys.h"

ORING_BEGIN_DECLS

/*
 * Counters are free-running: they wrap at 2^32, are compared by difference
 * only, and are masked only to find a slot. Fields are for the functions below
 * and for debuggers; programs call functions. No field points into the struct,
 * so it may be moved between calls.
 */
struct oring {
	/* Submission side. sq_head, sq_tail, sq_flags and sqes are ring memory. */
	unsigned char *sqes;
	uint32_t sq_reserved; /* next slot to hand out */
	uint32_t sq_limit;    /* reservations may go up to here: head as last seen + entries */
	uint32_t sq_mask;
	uint32_t sq_stride; /* bytes from entry to entry: 64 or 128 */
	uint32_t sq_committed;
	uint32_t sq_entries;
	uint32_t *sq_tail;
	uint32_t *sq_head;
	uint32_t *sq_flags;
	uint32_t *sq_dropped;
	unsigned char pad1[64];

	/* Completion side. */
	unsigned char *cqes;
	uint32_t cq_released; /* head, as we last stored it */
	uint32_t cq_mask;
	uint32_t cq_stride; /* bytes from slot to slot: 16 or 32 */
	uint32_t cq_mixed;  /* a completion may take two slots */
	uint32_t *cq_tail;
	uint32_t *cq_head;
	uint32_t *cq_flags;
	uint32_t *cq_overflow;
	uint32_t cq_entries;
	unsigned char pad2[64];

	/* Written by init only. */
	int enter_fd;	      /* what owner-only functions enter with */
	uint32_t enter_flags; /* ORING_ENTER_REGISTERED_RING if that is an index */
	uint32_t setup_flags; /* ORING_SETUP_*, as the ring got them */
	uint32_t features;    /* ORING_FEAT_* */
	int fd;		      /* the descriptor */
	uint32_t layout;
	void *ring_memory;
	size_t ring_bytes;
	void *sqe_memory;
	size_t sqe_bytes;
	uint64_t reserved[8];
};

/* The layout number that init compares, beside the size. */
#define ORING_LAYOUT 1U

/** oring_sizeof - sizeof(struct oring), for bindings. Any thread. */
ORING_API size_t oring_sizeof(void);

/* ---- setup ---- */

ORING_API int oring_init_sized(struct oring *ring, uint32_t entries, struct oring_params *params,
			       uint32_t optional, size_t size, uint32_t layout);

/**
 * oring_init - make a ring
 * @ring: filled; any content before
 * @entries: submission entries, 1 to 32768, rounded up to a power of two
 * @params: the kernel's own parameters, filled in as by io_uring_setup(2): set
 *          flags and what they ask for, zero the rest. NULL: no flags.
 *
 * Enters the kernel: setup, and two mmap. The descriptor is close-on-exec.
 * Flags that need other verbs than those below are refused with -EINVAL:
 * NO_MMAP, REGISTERED_FD_ONLY, SQE_MIXED and SQ_REWIND.
 *
 * Return: 0; -EINVAL as io_uring_setup(2) does, or when header and library do
 * not fit; -ENOSYS without io_uring in the kernel; -EPERM where policy forbids
 * it (sysctl kernel.io_uring_disabled, seccomp); -ENOMEM, also where
 * RLIMIT_MEMLOCK is too small for the ring, for the moment even if only rings
 * that were just closed are still charged; -EMFILE, -ENFILE; -EOPNOTSUPP on
 * kernels before 5.4. On error nothing is open or mapped.
 * Threads: any; with SINGLE_ISSUER the caller becomes the owner, unless the
 * ring starts disabled: then the thread that enables it.
 * Since: 5.4.
 */
ORING_INLINE int oring_init(struct oring *ring, uint32_t entries, struct oring_params *params)
{
	return oring_init_sized(ring, entries, params, 0, sizeof(*ring), ORING_LAYOUT);
}

/**
 * oring_init_flags - make a ring with as many of the optional flags as go
 * @params: its flags are the required ones
 * @optional: ORING_SETUP_* that may be dropped
 *
 * Tries all; while the kernel answers -EINVAL, drops the optional flag that
 * came last to Linux (the highest bit), with the flags that need it: DEFER_TASKRUN
 * goes with SINGLE_ISSUER, TASKRUN_FLAG with both COOP_ and DEFER_TASKRUN, SQ_AFF
 * with SQPOLL, HYBRID_IOPOLL with IOPOLL. An optional SQPOLL is dropped on
 * -EPERM too. At most one setup call for each optional flag, and one.
 * What the ring got: oring_setup_flags(), and params->flags.
 *
 * Return: as oring_init(); an impossible combination of required flags gets
 * the kernel's error.
 */
ORING_INLINE int oring_init_flags(struct oring *ring, uint32_t entries, struct oring_params *params,
				  uint32_t optional)
{
	return oring_init_sized(ring, entries, params, optional, sizeof(*ring), ORING_LAYOUT);
}

/**
 * oring_exit - unmap and close
 *
 * Enters the kernel. Requests in flight are cancelled by the kernel, later: it
 * may write to their memory until then. Entries and completions are void, and
 * only oring_init() and oring_exit() may be called on @ring; a second exit, or
 * one on a struct that is all zero, does nothing and returns 0. Owner only, and
 * no other side may be in use.
 *
 * Return: 0, or what munmap or close returned first; all is released all the same.
 */
ORING_API int oring_exit(struct oring *ring);

/** oring_fd - the ring's descriptor: to poll it, or to name it in registrations. Any thread. */
ORING_INLINE int oring_fd(const struct oring *ring)
{
	return ring->fd;
}

/** oring_setup_flags - ORING_SETUP_* that the ring was made with. Any thread. */
ORING_INLINE uint32_t oring_setup_flags(const struct oring *ring)
{
	return ring->setup_flags;
}

/** oring_features - ORING_FEAT_* that the kernel reported at setup. Any thread. */
ORING_INLINE uint32_t oring_features(const struct oring *ring)
{
	return ring->features;
}

/* ---- submission: reserve, commit ---- */

/*
 * Learn how far the kernel has read. Acquire: pairs with the kernel's release
 * of sq.head in io_commit_sqring(), so that a slot is not overwritten before
 * the kernel has read it.
 */
ORING_INLINE void oring_sq_refresh(struct oring *ring)
{
	ring->sq_limit = oring_load_acquire(ring->sq_head) + ring->sq_entries;
}

/** oring_sq_space - entries that can be reserved now. No system call. Owner only. */
ORING_INLINE uint32_t oring_sq_space(struct oring *ring)
{
	oring_sq_refresh(ring);
	return ring->sq_limit - ring->sq_reserved;
}

/**
 * oring_sq_pending - entries reserved or committed that the kernel has not consumed
 *
 * After a failed or short submit: what remains. Owner only.
 */
ORING_INLINE uint32_t oring_sq_pending(const struct oring *ring)
{
	return ring->sq_reserved - oring_load_acquire(ring->sq_head);
}

/**
 * oring_sq_at - the entry with index @index, as given by oring_sq_reserve_n()
 *
 * Valid until it is committed. Owner only.
 */
ORING_INLINE struct oring_sqe *oring_sq_at(const struct oring *ring, uint32_t index)
{
	size_t offset = (size_t)(index & ring->sq_mask) * ring->sq_stride;

	return (struct oring_sqe *)(void *)(ring->sqes + offset);
}

/* Take one slot, not cleared; NULL if there is none. */
ORING_INLINE struct oring_sqe *oring_sq_take(struct oring *ring)
{
	uint32_t index = ring->sq_reserved;

	if (oring_unlikely(index == ring->sq_limit)) {
		oring_sq_refresh(ring);
		if (index == ring->sq_limit)
			return NULL;
	}
	ring->sq_reserved = index + 1;
	return oring_sq_at(ring, index);
}

/**
 * oring_sq_reserve - a blank entry
 *
 * Does not enter the kernel and does not submit. On a ring with 128-byte
 * entries the second half is left as it was (oring_sq_reserve128() clears both).
 *
 * Return: the entry, the caller's until commit or submit; NULL if the queue is
 * full, and then nothing has changed: oring_submit() and reserve again (with
 * SQPOLL, the kernel's thread may free entries at any time).
 * Threads: owner only.
 */
ORING_INLINE struct oring_sqe *oring_sq_reserve(struct oring *ring)
{
	struct oring_sqe *sqe = oring_sq_take(ring);

	if (oring_likely(sqe != NULL))
		oring_sqe_clear(sqe);
	return sqe;
}

/**
 * oring_sq_reserve128 - a blank 128-byte entry
 *
 * Return: the entry; NULL if the queue is full, or the ring has none of this size
 * (ORING_SETUP_SQE128).
 * Threads: owner only. Since: 5.19.
 */
ORING_INLINE struct oring_sqe128 *oring_sq_reserve128(struct oring *ring)
{
	struct oring_sqe128 *sqe;

	if (ring->sq_stride != sizeof(*sqe))
		return NULL;
	sqe = (struct oring_sqe128 *)(void *)oring_sq_take(ring);
	if (oring_likely(sqe != NULL))
		oring_sqe128_clear(sqe);
	return sqe;
}

/**
 * oring_sq_reserve_n - @n blank entries, or none
 * @first: receives the index of the first; oring_sq_at(ring, *first + i) are
 *         the entries, i < n. Untouched on error.
 *
 * For what must not be torn apart: a chain ends with the submit call in which
 * it was begun.
 *
 * Return: 0; -EAGAIN if there is no room now; -EINVAL if @n is 0 or more than
 * the ring holds. On error nothing has changed.
 * Threads: owner only.
 */
ORING_API int oring_sq_reserve_n(struct oring *ring, uint32_t n, uint32_t *first);

/**
 * oring_sq_unreserve - take back the @n newest entries
 *
 * Return: 0; -EINVAL if fewer than @n are reserved and not committed, and then
 * nothing has changed.
 * Threads: owner only.
 */
ORING_INLINE int oring_sq_unreserve(struct oring *ring, uint32_t n)
{
	if (n > ring->sq_reserved - ring->sq_committed)
		return -ORING_EINVAL;
	ring->sq_reserved -= n;
	return 0;
}

/**
 * oring_sq_push - reserve an entry and copy a prepared one into it
 * @template_sqe: 64 bytes, prepared elsewhere
 *
 * Return: the copy, to change what differs; NULL if the queue is full.
 * Threads: owner only.
 */
ORING_INLINE struct oring_sqe *oring_sq_push(struct oring *ring,
					     const struct oring_sqe *template_sqe)
{
	struct oring_sqe *sqe = oring_sq_take(ring);

	if (oring_likely(sqe != NULL))
		oring_sqe_copy(sqe, template_sqe);
	return sqe;
}

/**
 * oring_sq_push_n - the same for @n entries, or none
 * @entries: @n prepared entries, one after the other
 *
 * Return: 0, -EAGAIN or -EINVAL as oring_sq_reserve_n().
 * Threads: owner only.
 */
ORING_API int oring_sq_push_n(struct oring *ring, const struct oring_sqe *entries, uint32_t n);

/**
 * oring_sq_commit - let the kernel see what was reserved
 *
 * Does not enter the kernel. With SQPOLL its thread takes the entries from
 * here on (if it is awake: oring_submit() wakes it); otherwise they wait for
 * an enter.
 *
 * Return: entries committed by this call.
 * Threads: owner only.
 */
ORING_INLINE uint32_t oring_sq_commit(struct oring *ring)
{
	uint32_t tail = ring->sq_reserved;
	uint32_t n = tail - ring->sq_committed;

	ring->sq_committed = tail;
	/* Release: pairs with the kernel's acquire of sq.tail in io_sqring_entries(). */
	oring_store_release(ring->sq_tail, tail);
	return n;
}

/** oring_sq_dropped - entries that the kernel dropped: their index was out of range. Any thread. */
ORING_INLINE uint32_t oring_sq_dropped(const struct oring *ring)
{
	return oring_load_relaxed(ring->sq_dropped);
}

/**
 * oring_sq_needs_wakeup - SQPOLL: does the kernel's thread sleep?
 *
 * After a commit. Any thread.
 */
ORING_INLINE bool oring_sq_needs_wakeup(const struct oring *ring)
{
	/*
	 * Full fence: the tail must be visible before the flag is read. Pairs
	 * with the smp_mb() in io_sq_thread() between setting the flag and
	 * looking at the tail a last time.
	 */
	oring_fence();
	return (oring_load_relaxed(ring->sq_flags) & ORING_SQ_NEED_WAKEUP) != 0;
}

/** oring_taskrun_pending - with TASKRUN_FLAG: work waits for an enter. Any thread. */
ORING_INLINE bool oring_taskrun_pending(const struct oring *ring)
{
	return (oring_load_relaxed(ring->sq_flags) & ORING_SQ_TASKRUN) != 0;
}

/* ---- entering the kernel ---- */

/* How long to wait, and with which signals. Fill it with the two functions below. */
struct oring_wait_arg {
	struct oring_timespec timeout;
	const uint64_t *sigmask; /* signals blocked while waiting, as the kernel's set; or NULL */
	uint32_t flags;		 /* ORING_WAIT_* */
	uint32_t min_wait_usec;	 /* after this, one completion is enough (6.12); or 0 */
};

#define ORING_WAIT_TIMEOUT (1U << 0) /* timeout is meant, relative */
#define ORING_WAIT_ABS	   (1U << 1) /* timeout is meant, a time of the ring's clock (6.12) */

/** oring_wait_relative - wait at most @sec seconds and @nsec nanoseconds. */
ORING_INLINE void oring_wait_relative(struct oring_wait_arg *arg, int64_t sec, int64_t nsec)
{
	arg->timeout.tv_sec = sec;
	arg->timeout.tv_nsec = nsec;
	arg->sigmask = NULL;
	arg->flags = ORING_WAIT_TIMEOUT;
	arg->min_wait_usec = 0;
}

/** oring_wait_absolute - wait until a time of CLOCK_MONOTONIC (unless another was registered). */
ORING_INLINE void oring_wait_absolute(struct oring_wait_arg *arg, int64_t sec, int64_t nsec)
{
	oring_wait_relative(arg, sec, nsec);
	arg->flags = ORING_WAIT_ABS;
}

/* What a combined submit and wait did. */
struct oring_outcome {
	uint32_t submitted; /* entries consumed (SQPOLL: committed) by this call */
	uint32_t ready;	    /* completion slots that can be read now */
	int32_t error;	    /* what enter returned, if negative; else 0 */
};

/**
 * oring_enter - io_uring_enter(2) on this ring, as it is
 *
 * Adds nothing but the ring's own descriptor. Commits nothing. For what the
 * functions below do not say. Enters the kernel. Owner only.
 */
ORING_API int oring_enter(struct oring *ring, uint32_t to_submit, uint32_t min_complete,
			  uint32_t flags, const void *arg, size_t arg_size);

/**
 * oring_submit - commit, and enter so that the kernel consumes the entries
 *
 * Enters the kernel if there is something to submit; with SQPOLL only if the
 * kernel's thread sleeps.
 *
 * Return: entries consumed; with SQPOLL, entries committed by this call. Fewer
 * than pending means: the kernel stopped at a bad entry (which completes with
 * its error; never with SUBMIT_ALL) or ran short of memory. The rest stays
 * queued (oring_sq_pending()); if that was inside a chain the chain ended, and
 * the rest would run unlinked. Negative: nothing was consumed and everything
 * stays queued: -EAGAIN no memory for a request, -EBUSY completions overflowed
 * (before 5.13), -EBADFD the ring is disabled, -EEXIST not the owner,
 * -EOWNERDEAD the SQPOLL thread is gone.
 * Threads: owner only.
 */
ORING_API int oring_submit(struct oring *ring);

/**
 * oring_submit_and_wait - the same, then wait until @want completions are ready
 * @want: slots ready, those of earlier requests too; at most the ring's size
 *
 * One system call for both. The wait is skipped after a short submit, and may
 * end early: if something was submitted, the kernel does not tell of a signal.
 * Under DEFER_TASKRUN this is where completions are made, also with @want 0.
 *
 * Return: as oring_submit(); with nothing to submit also -EINTR.
 * Threads: owner only (both sides).
 */
ORING_API int oring_submit_and_wait(struct oring *ring, uint32_t want);

/**
 * oring_submit_and_wait_timeout - the same, with a limit
 * @arg: timeout, signals; NULL for none
 * @outcome: receives what was submitted and what is ready; may be NULL
 *
 * If something was submitted, running out of time is not an error: look at
 * outcome.ready, whatever the return value (a loop needs no more than that).
 * Time that the kernel spends on issuing the entries is not bounded.
 *
 * Return: as oring_submit(); with nothing to submit also -ETIME, -EINTR, if no
 * completion is ready; -EINVAL for a time that is none; -EOPNOTSUPP where the
 * kernel has no timeouts here (before 5.11), or no min_wait_usec (before 6.12):
 * then nothing was entered. Link a timeout entry instead.
 * Threads: owner only (both sides).
 */
ORING_API int oring_submit_and_wait_timeout(struct oring *ring, uint32_t want,
					    const struct oring_wait_arg *arg,
					    struct oring_outcome *outcome);

/**
 * oring_wait - wait until @want completions are ready
 * @want: slots ready, at most the ring's size
 * @arg: timeout, signals; NULL: without limit
 *
 * Submits nothing. If enough are ready it does not enter the kernel. A zero
 * relative timeout without signal mask reaps what the kernel holds and does
 * not sleep. A timeout entry that expires ends any wait, however many
 * completions were wanted (io_should_wake() in the kernel).
 *
 * Return: completion slots ready, fewer than @want if time, a signal or a
 * timeout entry ended the wait when there were some; if there is none: -ETIME, -EINTR. -EINVAL,
 * -EOPNOTSUPP as above; -EBADR if completions were lost for want of memory
 * (told once; they are counted by oring_cq_overflow_count()).
 * Threads: owner only (completion side).
 */
ORING_API int oring_wait(struct oring *ring, uint32_t want, const struct oring_wait_arg *arg);

/**
 * oring_get_events - let the kernel make what completions it can, without waiting
 *
 * Runs deferred task work (up to 20 items), moves completions that overflowed
 * into the ring as far as there is room, polls devices with IOPOLL. Enters the
 * kernel.
 *
 * Return: completion slots ready, or a negative errno.
 * Threads: owner only (completion side).
 */
ORING_API int oring_get_events(struct oring *ring);

/* ---- completions: peek, release ---- */

/* Acquire: pairs with the kernel's release of cq.tail in io_commit_cqring(). */
ORING_INLINE uint32_t oring_cq_end(const struct oring *ring)
{
	return oring_load_acquire(ring->cq_tail);
}

/**
 * oring_cq_ready - completion slots that can be read now
 *
 * On a mixed ring a large completion takes two slots, and a filler one. Does
 * not enter the kernel. Owner only.
 */
ORING_INLINE uint32_t oring_cq_ready(const struct oring *ring)
{
	return oring_cq_end(ring) - ring->cq_released;
}

/* The completion in slot @index. */
ORING_INLINE struct oring_cqe *oring_cq_at(const struct oring *ring, uint32_t index)
{
	size_t offset = (size_t)(index & ring->cq_mask) * ring->cq_stride;

	return (struct oring_cqe *)(void *)(ring->cqes + offset);
}

/**
 * oring_cq_next - the completion at a cursor, and the cursor after it
 * @cursor: a slot index; moved past what is returned, and past fillers
 * @end: as oring_cq_end() gave it
 *
 * Return: the completion, readable until it is released; NULL at the end.
 * Threads: owner only.
 */
ORING_INLINE struct oring_cqe *oring_cq_next(const struct oring *ring, uint32_t *cursor,
					     uint32_t end)
{
	while (*cursor != end) {
		struct oring_cqe *cqe = oring_cq_at(ring, *cursor);

		*cursor += 1;
		/* Where all have one size, the next place does not depend on this load. */
		if (oring_likely(ring->cq_mixed == 0))
			return cqe;
		if (cqe->flags & ORING_CQE_F_32)
			*cursor += 1;
		if (!(cqe->flags & ORING_CQE_F_SKIP))
			return cqe;
	}
	return NULL;
}

/**
 * oring_cq_for_each - walk over the completions that are ready now
 * @ring: struct oring *
 * @cursor: uint32_t variable; always the first slot not consumed, also after break
 * @end: uint32_t variable; the tail as it was at the beginning
 * @cqe: struct oring_cqe * variable
 *
 * Releases nothing: call oring_cq_release_to(ring, cursor) after the loop, or
 * in it. Completions that come during the walk are left for the next. Reserving
 * and submitting inside the loop is fine.
 */
#define oring_cq_for_each(ring, cursor, end, cqe)                        \
	for ((cursor) = (ring)->cq_released, (end) = oring_cq_end(ring); \
	     ((cqe) = oring_cq_next((ring), &(cursor), (end))) != NULL;)

/**
 * oring_cq_release_to - give the slots before @cursor back to the kernel
 *
 * Their completions must not be read any more. Owner only.
 */
ORING_INLINE void oring_cq_release_to(struct oring *ring, uint32_t cursor)
{
	ring->cq_released = cursor;
	/*
	 * Release: our reads come before. The kernel's side is the control
	 * dependency of its writes on cq.head in io_cqe_cache_refill().
	 */
	oring_store_release(ring->cq_head, cursor);
}

/**
 * oring_cq_peek - the oldest completion, or NULL
 *
 * Does not enter the kernel and does not consume: the same one comes again
 * until oring_cq_release(). On a mixed ring, fillers before it are released.
 * Owner only.
 */
ORING_INLINE struct oring_cqe *oring_cq_peek(struct oring *ring)
{
	uint32_t end = oring_cq_end(ring);

	while (ring->cq_released != end) {
		struct oring_cqe *cqe = oring_cq_at(ring, ring->cq_released);

		if (oring_likely(!ring->cq_mixed || !(cqe->flags & ORING_CQE_F_SKIP)))
			return cqe;
		oring_cq_release_to(ring, ring->cq_released + 1);
	}
	return NULL;
}

/**
 * oring_cq_release - give back the completion that oring_cq_peek() returned
 *
 * Nothing is peeked: nothing happens. Owner only.
 */
ORING_INLINE void oring_cq_release(struct oring *ring)
{
	uint32_t cursor = ring->cq_released;

	if (oring_cq_next(ring, &cursor, oring_cq_end(ring)) != NULL)
		oring_cq_release_to(ring, cursor);
}

/**
 * oring_cq_copy - copy completions out and release them
 * @out: room for @max
 *
 * Of 32-byte completions the first half is copied. Does not enter the kernel.
 *
 * Return: how many, 0 if none is ready.
 * Threads: owner only.
 */
ORING_API uint32_t oring_cq_copy(struct oring *ring, struct oring_cqe *out, uint32_t max);

/**
 * oring_cq_copy32 - the same, whole completions of 32 bytes
 *
 * Where a completion has 16 bytes, the rest of its record is zero.
 */
ORING_API uint32_t oring_cq_copy32(struct oring *ring, struct oring_cqe32 *out, uint32_t max);

/**
 * oring_cq_overflowed - completions wait in the kernel for room in the ring
 *
 * They come, in order, with an enter that gets events once there is room:
 * release, then oring_get_events(), until this says false. Since: 5.8. Any thread.
 */
ORING_INLINE bool oring_cq_overflowed(const struct oring *ring)
{
	return (oring_load_relaxed(ring->sq_flags) & ORING_SQ_CQ_OVERFLOW) != 0;
}

/**
 * oring_cq_overflow_count - completions that were lost for good
 *
 * 0 unless the kernel had no memory to keep them. Any thread.
 */
ORING_INLINE uint32_t oring_cq_overflow_count(const struct oring *ring)
{
	return oring_load_relaxed(ring->cq_overflow);
}

ORING_END_DECLS

#endif
