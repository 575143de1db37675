/* SPDX-License-Identifier: MIT */
/**
 * ring.h - a ring: making it, entering the kernel with it, ending it
 *
 * Its entries are reserved and committed by sq.h, its completions peeked at and
 * released by cq.h.
 *
 * Nothing here allocates: struct oring is the caller's, ring memory is the
 * kernel's. Nothing enters the kernel but what says so. Results are >= 0 or a
 * negative errno; errno is not touched.
 *
 * Since 5.4, where nothing later is told.
 *
 * IOPOLL without SQPOLL is apart: the kernel then polls the device instead of
 * waiting, takes no notice of times and signal masks, and returns as soon as
 * any completion is ready or nothing is there to poll: waits return fewer than
 * wanted, even 0. Release what is ready before polling again.
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
	uint32_t memory_is_callers;	  /* these two are not ours to unmap */
	struct oring_reg_wait *wait_slot; /* slot 0 of a registered region; or NULL */
	void *wait_memory;		  /* the region, if we mapped it */
	size_t wait_bytes;
	void *owner;	  /* the thread whose index enter_fd is; NULL: it is none */
	void *fast_owner; /* the same, where submitting needs no other look; else NULL */
	/* What was registered through oring_register(); any thread writes it. For oring_describe(). */
	uint32_t files; /* slots */
	uint32_t buffers;
	uint32_t buffer_groups;
	uint32_t personalities;
	uint32_t registered; /* ORING_HAS_* */
	uint32_t polls;	     /* waits with a zero time that found nothing; the owner's */
	uint64_t reserved[7];
};

#define ORING_HAS_EVENTFD      (1U << 0)
#define ORING_HAS_NAPI	       (1U << 1)
#define ORING_HAS_RESTRICTIONS (1U << 2)
#define ORING_HAS_REGION       (1U << 3)

/* In setup_flags: the ring was ended, or never made. Not the kernel's; no setup flag has this bit. */
#define ORING_RING_CLOSED (1U << 31)

/* The layout number that init compares, beside the size. */
#define ORING_LAYOUT 1U

/** oring_sizeof - sizeof(struct oring), for bindings. Any thread. */
ORING_API size_t oring_sizeof(void);

/* ---- setup ---- */

/**
 * oring_init_sized - what oring_init() and oring_init_flags() call
 * @size: the caller's sizeof(struct oring)
 * @layout: the caller's ORING_LAYOUT
 *
 * Bindings pass oring_sizeof() and ORING_LAYOUT. Return: as those two.
 */
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
 * NO_MMAP and REGISTERED_FD_ONLY are for oring_init_mem() and refused here with
 * -EINVAL. With SQ_REWIND call oring_submit() and the waits, never
 * oring_enter(): the kernel takes entries from the first slot on each time,
 * and these functions keep to that.
 *
 * Return: 0; -EINVAL as io_uring_setup(2) does, or when header and library do
 * not fit; -ENOSYS without io_uring in the kernel; -EPERM where policy forbids
 * it (sysctl kernel.io_uring_disabled, seccomp); -ENOMEM, also where
 * RLIMIT_MEMLOCK is too small for the ring, for the moment even if only rings
 * that were just closed are still charged; -EMFILE, -ENFILE; -EOPNOTSUPP on
 * kernels before 5.4. On error nothing is open or mapped.
 * Threads: any; with SINGLE_ISSUER the caller becomes the owner, unless the
 * ring starts disabled: then the thread that enables it. A forked child does not
 * inherit ring memory (setup.h).
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
 * What the ring got: oring_setup_flags(), and params->flags (on error these are
 * as they were).
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
 * may write to their memory until then. Entries and completions are void. The
 * ring is closed then, as after an init that failed: there is nothing to reserve
 * and nothing to reap, and what enters the kernel returns -EBADF. A second exit, or
 * one on a struct that is all zero, does nothing and returns 0. Owner only, and
 * no other side may be in use.
 *
 * Return: 0, or what munmap or close returned first; all is released all the same.
 * -EEXIST: enters went by another thread's index (fast.h): memory and
 * descriptor are released, and the kernel keeps the ring until that thread ends.
 */
ORING_API int oring_exit(struct oring *ring);

/**
 * oring_fd - the ring's descriptor: to poll it, or to name it in registrations
 *
 * -1 of a ring with REGISTERED_FD_ONLY. Any thread.
 */
ORING_INLINE int oring_fd(const struct oring *ring)
{
	return ring->fd;
}

/** oring_setup_flags - ORING_SETUP_* that the ring was made with. Any thread. */
ORING_INLINE uint32_t oring_setup_flags(const struct oring *ring)
{
	return ring->setup_flags & ~ORING_RING_CLOSED;
}

/** oring_features - ORING_FEAT_* that the kernel reported at setup. Any thread. */
ORING_INLINE uint32_t oring_features(const struct oring *ring)
{
	return ring->features;
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
/* The wait does not count as one for I/O in the system's load and frequencies (6.15). */
#define ORING_WAIT_NO_IOWAIT (1U << 2)

/** oring_wait_relative - wait at most @sec seconds and @nsec nanoseconds. */
ORING_INLINE void oring_wait_relative(struct oring_wait_arg *arg, int64_t sec, int64_t nsec)
{
	arg->timeout.tv_sec = sec;
	arg->timeout.tv_nsec = nsec;
	arg->sigmask = NULL;
	arg->flags = ORING_WAIT_TIMEOUT;
	arg->min_wait_usec = 0;
}

/**
 * oring_wait_absolute - wait until a time of the ring's clock
 *
 * CLOCK_MONOTONIC, unless oring_register_clock() chose CLOCK_BOOTTIME.
 */
ORING_INLINE void oring_wait_absolute(struct oring_wait_arg *arg, int64_t sec, int64_t nsec)
{
	oring_wait_relative(arg, sec, nsec);
	arg->flags = ORING_WAIT_ABS;
}

/**
 * oring_wait_slot_set - a wait's argument as a slot of the ring's wait region has it
 * @slot: one of the region's but the first, which the library keeps for itself
 * @arg: relative, or without a time; it may have a signal mask and min_wait_usec
 *
 * Once, for any number of oring_submit_and_wait_slot(). It may be set again when no
 * wait uses it. Return: 0; -EINVAL for a time that is none, and for what is not
 * kept in a slot (ORING_WAIT_ABS, ORING_WAIT_NO_IOWAIT). Any thread. Since: 6.13.
 */
ORING_API int oring_wait_slot_set(struct oring_reg_wait *slot, const struct oring_wait_arg *arg);

/* What a combined submit and wait did. */
struct oring_outcome {
	uint32_t submitted; /* entries consumed (SQPOLL: committed) by this call */
	uint32_t ready;	    /* completion slots that can be read now */
	int32_t error;	    /* what the call returned, if negative; else 0 */
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
 * Return: entries consumed; with SQPOLL, entries committed by this call (an
 * error is then told by the next call that commits none). Fewer
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
 * kernel has no timeouts here (before 5.11), or no absolute ones and no
 * min_wait_usec (before 6.12), or no NO_IOWAIT: then nothing was entered. Instead:
 *
 *	oring_prep_timeout(sqe, &ts, 1, 0);
 *	oring_submit_and_wait(ring, 1);
 *
 * completes after ts, or when one other completion has come; it takes an entry
 * and a completion.
 * Threads: owner only (both sides).
 */
ORING_API int oring_submit_and_wait_timeout(struct oring *ring, uint32_t want,
					    const struct oring_wait_arg *arg,
					    struct oring_outcome *outcome);

/**
 * oring_submit_and_wait_slot - the same, with a limit that lies in the wait region
 * @slot: its place in the region (fast.h), set by oring_wait_slot_set()
 *
 * Nothing is checked and nothing copied for the wait: with a limit it costs what it
 * costs without one. A zero time does not mean to poll: the kernel sleeps for
 * the shortest time it can.
 *
 * Return: as oring_submit_and_wait_timeout(), and -EFAULT for a slot beyond the
 * region; -EOPNOTSUPP if the ring has none (oring_has_wait_region()).
 * Threads: owner only (both sides). Since: 6.13.
 */
ORING_API int oring_submit_and_wait_slot(struct oring *ring, uint32_t want, uint32_t slot);

/**
 * oring_wait - wait until @want completions are ready
 * @want: slots ready, at most the ring's size; 0 is oring_get_events()
 * @arg: timeout, signals; NULL: without limit. min_wait_usec without a timeout
 *       is one: the wait ends then
 *
 * Submits nothing. If enough are ready it does not enter the kernel. (On a
 * mixed ring what is ready may be a filler alone: peek, then get events.) A zero
 * relative timeout without signal mask reaps what the kernel holds and does
 * not sleep; where the ring shows that the kernel holds nothing (as those of
 * oring_init_fast() do), only every 16th such wait enters the kernel. A timeout entry that expires ends any wait, however many
 * completions were wanted (io_should_wake() in the kernel).
 *
 * Return: completion slots ready, fewer than @want if time, a signal or a
 * timeout entry ended the wait when there were some; if there is none: -ETIME, -EINTR, or 0
 * where a timeout entry ended it whose completion is still to be made (by the next enter with
 * DEFER_TASKRUN, by the polling thread with SQPOLL). -EINVAL, -EOPNOTSUPP as above; -EBADR
 * if completions were lost for want of memory (told once; they are counted by
 * oring_cq_overflow_count()).
 * Threads: owner only (completion side).
 */
ORING_API int oring_wait(struct oring *ring, uint32_t want, const struct oring_wait_arg *arg);

/**
 * oring_get_events - let the kernel make what completions it can, without waiting
 *
 * Runs deferred task work (since 6.13 or so up to 20 items), moves completions that overflowed
 * into the ring as far as there is room, polls devices with IOPOLL. Enters the
 * kernel.
 *
 * Return: completion slots ready, or a negative errno.
 * Threads: owner only (completion side).
 */
ORING_API int oring_get_events(struct oring *ring);

/**
 * oring_sq_wait_space - SQPOLL: wait until the kernel's thread has taken entries
 *
 * Commits what is reserved, and wakes the thread. Enters the kernel if the
 * queue is full.
 *
 * Return: entries that can be reserved now; fewer than 1 never, but for -EINTR;
 * -EINVAL without SQPOLL (oring_submit() makes room there), and before 5.10.
 * Threads: owner only (submission side). Since: 5.10.
 */
ORING_API int oring_sq_wait_space(struct oring *ring);

ORING_END_DECLS

#endif
