/* SPDX-License-Identifier: MIT */
/* Entering the kernel with a ring: to submit, to wait. setup.c makes rings. */
#include "oring/ring.h"
#include "check.h"
#include "oring/cq.h"
#include "oring/sq.h"
#include "setup_inside.h"
#include "sys_inline.h"

static inline int enter(const struct oring *ring, uint32_t to_submit, uint32_t min_complete,
			uint32_t flags, const void *arg, size_t arg_size)
{
	uint32_t by_index = ring->enter_flags;

	/* Another thread's table of registered rings has another ring at this index, or none. */
	if (by_index != 0 && oring_unlikely(ring->owner != sys_thread()))
		return -ORING_EEXIST;
	return sys_enter(ring->enter_fd, to_submit, min_complete, flags | by_index, arg, arg_size);
}

int oring_enter(struct oring *ring, uint32_t to_submit, uint32_t min_complete, uint32_t flags,
		const void *arg, size_t arg_size)
{
	oring_check_pending(ring);
	return enter(ring, to_submit, min_complete, flags, arg, arg_size);
}

/* SQPOLL: commit, and give the enter flag that wakes the kernel's thread if it sleeps. */
static uint32_t commit_polled(struct oring *ring, uint32_t *committed)
{
	*committed = oring_sq_commit(ring);
	return oring_sq_needs_wakeup(ring) ? ORING_ENTER_SQ_WAKEUP : 0;
}

__attribute__((noinline)) static int submit_polled(struct oring *ring, uint32_t want,
						   uint32_t flags, const void *arg, size_t arg_size)
{
	uint32_t committed;
	int ret;

	flags |= commit_polled(ring, &committed);
	/* Nobody sleeps and nothing is to be waited for: no need to enter. */
	if (flags == 0 || (flags == ORING_ENTER_SQ_WAKEUP && oring_sq_pending(ring) == 0))
		return (int)committed;
	/* Entries to submit are the thread's business; the count here is only echoed. */
	ret = enter(ring, committed, want, flags, arg, arg_size);
	/*
	 * What is committed is the thread's: as in the kernel, an error is told
	 * when nothing was.
	 */
	return ret < 0 && committed == 0 ? ret : (int)committed;
}

/*
 * SQ_REWIND: the kernel takes entries from slot 0 on, each time, and looks at
 * neither head nor tail. What it leaves after a short submit moves down there.
 */
__attribute__((noinline)) static int
submit_rewound(struct oring *ring, uint32_t want, uint32_t flags, const void *arg, size_t arg_size)
{
	uint32_t n = ring->sq_reserved;
	int ret = enter(ring, n, want, flags, arg, arg_size);
	uint64_t *to = (uint64_t *)(void *)ring->sqes;
	const uint64_t *from = to;
	size_t words, i;

	if (ret > 0) {
		words = (size_t)(n - (uint32_t)ret) * ring->sq_stride / sizeof(*to);
		from += (size_t)ret * ring->sq_stride / sizeof(*to);
		for (i = 0; i < words; i++)
			to[i] = from[i];
		ring->sq_reserved = n - (uint32_t)ret;
	}
	ring->sq_committed = ring->sq_reserved;
	return ret;
}

/* As oring_sq_commit() and oring_sq_pending(), with one look at what is reserved. */
static inline uint32_t commit(struct oring *ring)
{
	uint32_t tail = ring->sq_reserved;

	ring->sq_committed = tail;
	oring_store_release(ring->sq_tail, tail);
	return tail - oring_load_acquire(ring->sq_head);
}

/* Whatever the ring is like, and whoever calls. */
__attribute__((noinline)) static int submit_any(struct oring *ring, uint32_t want, uint32_t flags,
						const void *arg, size_t arg_size)
{
	if (oring_unlikely(ring->setup_flags & SUBMITS_APART))
		return ring->setup_flags & ORING_SETUP_SQPOLL
			       ? submit_polled(ring, want, flags, arg, arg_size)
			       : submit_rewound(ring, want, flags, arg, arg_size);
	return enter(ring, commit(ring), want, flags, arg, arg_size);
}

/* Commit everything and enter once. */
static inline int submit(struct oring *ring, uint32_t want, uint32_t flags, const void *arg,
			 size_t arg_size)
{
	oring_check_pending(ring);
	if (oring_unlikely(ring->fast_owner != sys_thread()))
		return submit_any(ring, want, flags, arg, arg_size);
	return sys_enter(ring->enter_fd, commit(ring), want, flags | ORING_ENTER_REGISTERED_RING,
			 arg, arg_size);
}

int oring_submit(struct oring *ring)
{
	if (!(ring->setup_flags & ORING_SETUP_SQPOLL) && oring_sq_pending(ring) == 0)
		return ring->setup_flags & ORING_RING_CLOSED ? -ORING_EBADF : 0;
	return submit(ring, 0, 0, NULL, 0);
}

int oring_submit_and_wait(struct oring *ring, uint32_t want)
{
	return submit(ring, want, ORING_ENTER_GETEVENTS, NULL, 0);
}

int oring_get_events(struct oring *ring)
{
	int ret = enter(ring, 0, 0, ORING_ENTER_GETEVENTS, NULL, 0);

	return ret < 0 ? ret : (int)oring_cq_ready(ring);
}

int oring_sq_wait_space(struct oring *ring)
{
	uint32_t space = oring_sq_space(ring);
	uint32_t wake, committed;
	int ret;

	if (space > 0)
		return (int)space;
	if (ring->setup_flags & ORING_RING_CLOSED)
		return -ORING_EBADF;
	if (!(ring->setup_flags & ORING_SETUP_SQPOLL))
		return -ORING_EINVAL;
	wake = commit_polled(ring, &committed);
	ret = enter(ring, 0, 0, ORING_ENTER_SQ_WAIT | wake, NULL, 0);
	if (ret < 0)
		return ret;
	space = oring_sq_space(ring);
	/* A signal ends the kernel's wait and is no error to it (io_sqpoll_wait_sq()). */
	return space > 0 ? (int)space : -ORING_EINTR;
}

/* The enter flags and the argument that a wait needs. */
struct wait_call {
	uint32_t flags;
	const void *arg;
	size_t arg_size;
};

/* To wait as a slot of the region says. */
#define SLOT_FLAGS (ORING_ENTER_GETEVENTS | ORING_ENTER_EXT_ARG | ORING_ENTER_EXT_ARG_REG)

#define WAIT_POLL 1 /* do not sleep: only get events */

/* The wait in the ring's own slot of a registered region, which costs the kernel no copy. */
static inline void fill_slot(struct oring_reg_wait *slot, const struct oring_wait_arg *arg,
			     const struct oring_timespec *ts)
{
	if (ts != NULL) {
		slot->ts.tv_sec = ts->tv_sec;
		slot->ts.tv_nsec = ts->tv_nsec;
	}
	slot->flags = ts != NULL ? ORING_REG_WAIT_TS : 0;
	slot->min_wait_usec = arg->min_wait_usec;
	slot->sigmask = (uint64_t)(uintptr_t)arg->sigmask;
	slot->sigmask_sz = ORING_SIGSET_SIZE;
}

/* By the registered region if there is one, else by @extended. */
static inline void pass_arg(const struct oring *ring, const struct oring_wait_arg *arg,
			    const struct oring_timespec *ts, struct wait_call *call,
			    struct oring_getevents_arg *extended)
{
	call->flags |= ORING_ENTER_EXT_ARG;
	if (ring->wait_slot != NULL) {
		fill_slot(ring->wait_slot, arg, ts);
		call->flags |= ORING_ENTER_EXT_ARG_REG;
		call->arg = NULL; /* its offset in the region */
		call->arg_size = sizeof(*ring->wait_slot);
		return;
	}
	extended->sigmask = (uint64_t)(uintptr_t)arg->sigmask;
	extended->sigmask_sz = ORING_SIGSET_SIZE; /* without a mask the kernel ignores it */
	extended->min_wait_usec = arg->min_wait_usec;
	extended->ts = (uint64_t)(uintptr_t)ts;
	call->arg = extended;
	call->arg_size = sizeof(*extended);
}

static int take_flags(const struct oring *ring, uint32_t flags, struct wait_call *call)
{
	if (flags & ~(ORING_WAIT_TIMEOUT | ORING_WAIT_ABS | ORING_WAIT_NO_IOWAIT))
		return -ORING_EINVAL;
	if (flags & ORING_WAIT_ABS)
		call->flags |= ORING_ENTER_ABS_TIMER;
	if (flags & ORING_WAIT_NO_IOWAIT) {
		if (!(ring->features & ORING_FEAT_NO_IOWAIT))
			return -ORING_EOPNOTSUPP;
		call->flags |= ORING_ENTER_NO_IOWAIT;
	}
	return 0;
}

/* Only @extended is memory that the kernel reads. Returns 0, WAIT_POLL or a negative errno. */
static inline int prepare_wait(const struct oring *ring, const struct oring_wait_arg *arg,
			       struct wait_call *call, struct oring_getevents_arg *extended)
{
	const struct oring_timespec *ts;

	call->flags = ORING_ENTER_GETEVENTS;
	call->arg = NULL;
	call->arg_size = 0;
	if (arg == NULL)
		return 0;
	ts = &arg->timeout;
	if (oring_unlikely(arg->flags != ORING_WAIT_TIMEOUT)) {
		int ret = take_flags(ring, arg->flags, call);

		if (ret < 0)
			return ret;
		if (!(arg->flags & (ORING_WAIT_TIMEOUT | ORING_WAIT_ABS)))
			ts = NULL;
		if (ts == NULL && arg->min_wait_usec == 0) {
			call->arg = arg->sigmask;
			call->arg_size = arg->sigmask != NULL ? ORING_SIGSET_SIZE : 0;
			return 0;
		}
	}
	if (ts != NULL) {
		/* The kernel takes any nonsense here for a time that has passed. */
		if (oring_unlikely((uint64_t)ts->tv_nsec >= 1000000000))
			return -ORING_EINVAL;
		if (oring_unlikely(ts->tv_sec <= 0)) {
			if (ts->tv_sec < 0)
				return -ORING_EINVAL;
			if (ts->tv_nsec == 0 && !(arg->flags & ORING_WAIT_ABS) &&
			    arg->sigmask == NULL)
				return WAIT_POLL;
		}
	}
	if (oring_unlikely(!(ring->features & ORING_FEAT_EXT_ARG)))
		return -ORING_EOPNOTSUPP;
	/* Absolute times came with the same release, and have no mark of their own. */
	if (oring_unlikely(arg->min_wait_usec != 0 || (arg->flags & ORING_WAIT_ABS)) &&
	    !(ring->features & ORING_FEAT_MIN_TIMEOUT))
		return -ORING_EOPNOTSUPP;
	pass_arg(ring, arg, ts, call, extended);
	return 0;
}

/* Submit, and instead of a wait only get events. */
__attribute__((noinline)) static int submit_and_poll(struct oring *ring, uint32_t want)
{
	int ret = submit(ring, 0, ORING_ENTER_GETEVENTS, NULL, 0);

	return ret == 0 && want > 0 && oring_cq_ready(ring) == 0 ? -ORING_ETIME : ret;
}

/* Any wait; and with what it came to, if @outcome is not NULL. */
__attribute__((noinline)) static int submit_and_wait_any(struct oring *ring, uint32_t want,
							 const struct oring_wait_arg *arg,
							 struct oring_outcome *outcome)
{
	struct oring_getevents_arg extended;
	struct wait_call call;
	int ret = prepare_wait(ring, arg, &call, &extended);

	if (oring_likely(ret == 0))
		ret = submit(ring, want, call.flags, call.arg, call.arg_size);
	else if (ret == WAIT_POLL)
		ret = submit_and_poll(ring, want);
	if (outcome != NULL) {
		outcome->submitted = ret > 0 ? (uint32_t)ret : 0;
		outcome->ready = oring_cq_ready(ring);
		outcome->error = ret < 0 ? ret : 0;
	}
	return ret;
}

/* Whether all there is to say of a wait is a relative time above zero. */
static inline bool is_plain(const struct oring_wait_arg *arg)
{
	return arg->flags == ORING_WAIT_TIMEOUT && (uint64_t)arg->timeout.tv_nsec < 1000000000 &&
	       (arg->timeout.tv_sec > 0 || (arg->timeout.tv_sec == 0 && arg->timeout.tv_nsec > 0));
}

int oring_submit_and_wait_timeout(struct oring *ring, uint32_t want,
				  const struct oring_wait_arg *arg, struct oring_outcome *outcome)
{
	/* A ring with a region has the features that min_wait_usec and the rest ask for. */
	if (oring_likely(arg != NULL && outcome == NULL && ring->wait_slot != NULL) &&
	    oring_likely(is_plain(arg))) {
		fill_slot(ring->wait_slot, arg, &arg->timeout);
		return submit(ring, want, SLOT_FLAGS, NULL, sizeof(*ring->wait_slot));
	}
	return submit_and_wait_any(ring, want, arg, outcome);
}

int oring_wait_slot_set(struct oring_reg_wait *slot, const struct oring_wait_arg *arg)
{
	const struct oring_timespec *ts = arg->flags & ORING_WAIT_TIMEOUT ? &arg->timeout : NULL;

	if (arg->flags & ~ORING_WAIT_TIMEOUT)
		return -ORING_EINVAL;
	if (ts != NULL && (ts->tv_sec < 0 || (uint64_t)ts->tv_nsec >= 1000000000))
		return -ORING_EINVAL;
	slot->pad[0] = 0;
	slot->pad[1] = 0;
	slot->pad[2] = 0;
	slot->pad2[0] = 0;
	slot->pad2[1] = 0;
	fill_slot(slot, arg, ts);
	return 0;
}

int oring_submit_and_wait_slot(struct oring *ring, uint32_t want, uint32_t slot)
{
	/* Its offset in the region takes the place of an address. */
	uintptr_t offset = (uintptr_t)slot * sizeof(*ring->wait_slot);

	if (oring_unlikely(ring->wait_slot == NULL))
		return -ORING_EOPNOTSUPP;
	return submit(ring, want, SLOT_FLAGS, (const void *)offset, sizeof(*ring->wait_slot));
}

/*
 * Whether the ring shows its owner that to enter brings nothing: no work of its own
 * waits, no completion overflowed. Kernels put work off that is more than 20 pieces,
 * and not all were seen to show that: so each 16th time the answer is no.
 */
static bool holds_nothing(struct oring *ring)
{
	const uint32_t shown = ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_TASKRUN_FLAG;

	if (ring->fast_owner != sys_thread() ||
	    (ring->setup_flags & (shown | ORING_SETUP_IOPOLL)) != shown ||
	    oring_load_relaxed(ring->sq_flags) & (ORING_SQ_TASKRUN | ORING_SQ_CQ_OVERFLOW))
		return false;
	return ++ring->polls % 16 != 0;
}

int oring_wait(struct oring *ring, uint32_t want, const struct oring_wait_arg *arg)
{
	struct oring_getevents_arg extended;
	struct wait_call call;
	uint32_t ready = oring_cq_ready(ring);
	bool poll;
	int ret;

	if (want > 0 && ready >= want)
		return (int)ready;
	ret = prepare_wait(ring, arg, &call, &extended);
	if (ret < 0)
		return ret;
	poll = ret == WAIT_POLL;
	if (poll && want > 0 && holds_nothing(ring))
		return ready > 0 ? (int)ready : -ORING_ETIME;
	ret = enter(ring, 0, poll ? 0 : want, call.flags, call.arg, call.arg_size);
	if (ret < 0)
		return ret;
	ready = oring_cq_ready(ring);
	return ready == 0 && poll && want > 0 ? -ORING_ETIME : (int)ready;
}
