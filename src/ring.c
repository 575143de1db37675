/* SPDX-License-Identifier: MIT */
/* Making a ring, entering the kernel with it, ending it. */
#include "oring/ring.h"
#include "oring/cq.h"
#include "oring/sq.h"
#include "check.h"
#include "sys_inline.h"

/* Rings that need verbs other than those of ring.h. */
#define REFUSED_FLAGS                                                                   \
	(ORING_SETUP_NO_MMAP | ORING_SETUP_REGISTERED_FD_ONLY | ORING_SETUP_SQE_MIXED | \
	 ORING_SETUP_SQ_REWIND)

ORING_STATIC_ASSERT(offsetof(struct oring, cqes) - offsetof(struct oring, sq_dropped) >= 64 &&
			    offsetof(struct oring, enter_fd) - offsetof(struct oring, cq_entries) >=
				    64,
		    "the two sides share no cache line, wherever the struct lies");

size_t oring_sizeof(void)
{
	return sizeof(struct oring);
}

/* ---- setup ---- */

static void clear_ring(struct oring *ring)
{
	unsigned char *byte = (unsigned char *)ring;
	size_t i;

	for (i = 0; i < sizeof(*ring); i++)
		byte[i] = 0;
	ring->fd = -1;
	ring->enter_fd = -1;
}

static void clear_params(struct oring_params *params)
{
	unsigned char *byte = (unsigned char *)params;
	size_t i;

	for (i = 0; i < sizeof(*params); i++)
		byte[i] = 0;
}

/* Flags that mean nothing, or -EINVAL, without another one. */
static uint32_t without_orphans(uint32_t flags, uint32_t optional)
{
	uint32_t orphans = 0;

	if (!(flags & ORING_SETUP_SINGLE_ISSUER))
		orphans |= ORING_SETUP_DEFER_TASKRUN;
	if (!(flags & ORING_SETUP_COOP_TASKRUN) && !(flags & ~orphans & ORING_SETUP_DEFER_TASKRUN))
		orphans |= ORING_SETUP_TASKRUN_FLAG;
	if (!(flags & ORING_SETUP_SQPOLL))
		orphans |= ORING_SETUP_SQ_AFF;
	if (!(flags & ORING_SETUP_IOPOLL))
		orphans |= ORING_SETUP_HYBRID_IOPOLL;
	return flags & ~(orphans & optional);
}

/* What to try after this failed: fewer flags, or the same if nothing is left to drop. */
static uint32_t fewer_flags(uint32_t flags, uint32_t optional, int error)
{
	uint32_t left = flags & optional;

	if (error == -ORING_EPERM)
		return without_orphans(flags & ~(left & ORING_SETUP_SQPOLL), optional);
	if (error != -ORING_EINVAL || left == 0)
		return flags;
	/* Down to the highest bit alone. (A builtin for it may be a call into libgcc.) */
	while ((left & (left - 1)) != 0)
		left &= left - 1;
	return without_orphans(flags & ~left, optional);
}

/* Setup until a set of flags is taken. Returns the descriptor; on error @params is as before. */
static int negotiate(uint32_t entries, struct oring_params *params, uint32_t optional)
{
	uint32_t required = params->flags;
	uint32_t next;
	int ret;

	optional &= ~required;
	next = without_orphans(required | optional, optional);
	do {
		params->flags = next;
		ret = sys_setup(entries, params);
		if (ret >= 0)
			return ret;
		next = fewer_flags(params->flags, optional, ret);
	} while (next != params->flags);
	params->flags = required;
	return ret;
}

static int map_rings(struct oring *ring, const struct oring_params *params)
{
	size_t sq_bytes = (size_t)params->sq_off.array + params->sq_entries * sizeof(uint32_t);
	size_t cq_bytes =
		(size_t)params->cq_off.cqes + (size_t)params->cq_entries * ring->cq_stride;
	const int protection = SYS_PROT_READ | SYS_PROT_WRITE;
	const int flags = SYS_MAP_SHARED | SYS_MAP_POPULATE;
	int ret;

	/* The kernel leaves sq_off.array alone on rings without an array. */
	if (params->flags & ORING_SETUP_NO_SQARRAY)
		sq_bytes = 0;
	ring->ring_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
	ret = sys_mmap(NULL, ring->ring_bytes, protection, flags, ring->fd, ORING_OFF_SQ_RING,
		       &ring->ring_memory);
	if (ret < 0)
		return ret;
	ring->sqe_bytes = (size_t)params->sq_entries * ring->sq_stride;
	return sys_mmap(NULL, ring->sqe_bytes, protection, flags, ring->fd, ORING_OFF_SQES,
			&ring->sqe_memory);
}

static uint32_t *word_at(const struct oring *ring, uint32_t offset)
{
	return (uint32_t *)(void *)((unsigned char *)ring->ring_memory + offset);
}

/*
 * Masks, sizes and offsets are taken here, once: ring memory is shared and is
 * never trusted for bounds afterwards.
 */
static void fill_ring(struct oring *ring, const struct oring_params *params)
{
	const struct oring_sqring_offsets *sq = &params->sq_off;
	const struct oring_cqring_offsets *cq = &params->cq_off;

	ring->sqes = (unsigned char *)ring->sqe_memory;
	ring->sq_entries = params->sq_entries;
	ring->sq_mask = params->sq_entries - 1;
	ring->sq_head = word_at(ring, sq->head);
	ring->sq_tail = word_at(ring, sq->tail);
	ring->sq_flags = word_at(ring, sq->flags);
	ring->sq_dropped = word_at(ring, sq->dropped);
	ring->sq_reserved = oring_load_relaxed(ring->sq_tail);
	ring->sq_committed = ring->sq_reserved;
	oring_sq_refresh(ring);

	ring->cqes = (unsigned char *)ring->ring_memory + cq->cqes;
	ring->cq_entries = params->cq_entries;
	ring->cq_mask = params->cq_entries - 1;
	ring->cq_mixed = (params->flags & ORING_SETUP_CQE_MIXED) != 0;
	ring->cq_head = word_at(ring, cq->head);
	ring->cq_tail = word_at(ring, cq->tail);
	ring->cq_flags = word_at(ring, cq->flags);
	ring->cq_overflow = word_at(ring, cq->overflow);
	ring->cq_released = oring_load_relaxed(ring->cq_head);
}

/* The array between the queue and the entries says, for good: slot i is entry i. */
static void fill_array(struct oring *ring, const struct oring_params *params)
{
	uint32_t *array = word_at(ring, params->sq_off.array);
	uint32_t i;

	for (i = 0; i < params->sq_entries; i++)
		array[i] = i;
}

int oring_init_sized(struct oring *ring, uint32_t entries, struct oring_params *params,
		     uint32_t optional, size_t size, uint32_t layout)
{
	struct oring_params none;
	int ret;

	if (size != sizeof(*ring) || layout != ORING_LAYOUT)
		return -ORING_EINVAL;
	clear_ring(ring);
	if (params == NULL) {
		clear_params(&none);
		params = &none;
	}
	if (params->flags & REFUSED_FLAGS)
		return -ORING_EINVAL;
	ret = negotiate(entries, params, optional & ~REFUSED_FLAGS);
	if (ret < 0)
		return ret;

	ring->fd = ret;
	ring->enter_fd = ret;
	ring->layout = ORING_LAYOUT;
	ring->setup_flags = params->flags;
	ring->features = params->features;
	ring->sq_stride = params->flags & ORING_SETUP_SQE128 ? sizeof(struct oring_sqe128)
							     : sizeof(struct oring_sqe);
	ring->cq_stride = params->flags & ORING_SETUP_CQE32 ? sizeof(struct oring_cqe32)
							    : sizeof(struct oring_cqe);
	ret = params->features & ORING_FEAT_SINGLE_MMAP ? map_rings(ring, params)
							: -ORING_EOPNOTSUPP;
	if (ret < 0) {
		oring_exit(ring);
		return ret;
	}
	fill_ring(ring, params);
	if (!(params->flags & ORING_SETUP_NO_SQARRAY))
		fill_array(ring, params);
	return 0;
}

int oring_exit(struct oring *ring)
{
	int first = 0;
	int ret;

	if (ring->layout != ORING_LAYOUT)
		return 0;
	if (ring->sqe_memory != NULL) {
		ret = sys_munmap(ring->sqe_memory, ring->sqe_bytes);
		first = first ? first : ret;
	}
	if (ring->ring_memory != NULL) {
		ret = sys_munmap(ring->ring_memory, ring->ring_bytes);
		first = first ? first : ret;
	}
	if (ring->fd >= 0) {
		ret = sys_close(ring->fd);
		first = first ? first : ret;
	}
	clear_ring(ring);
	return first;
}

/* ---- entering the kernel ---- */

static inline int enter(const struct oring *ring, uint32_t to_submit, uint32_t min_complete,
			uint32_t flags, const void *arg, size_t arg_size)
{
	return sys_enter(ring->enter_fd, to_submit, min_complete, flags | ring->enter_flags, arg,
			 arg_size);
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
	/* What is committed is the thread's: as in the kernel, an error is told when nothing was. */
	return ret < 0 && committed == 0 ? ret : (int)committed;
}

/* Commit everything and enter once. */
static inline int submit(struct oring *ring, uint32_t want, uint32_t flags, const void *arg,
			 size_t arg_size)
{
	uint32_t tail;

	oring_check_pending(ring);
	if (oring_unlikely(ring->setup_flags & ORING_SETUP_SQPOLL))
		return submit_polled(ring, want, flags, arg, arg_size);
	/* As oring_sq_commit() and oring_sq_pending(), with one look at what is reserved. */
	tail = ring->sq_reserved;
	ring->sq_committed = tail;
	oring_store_release(ring->sq_tail, tail);
	return enter(ring, tail - oring_load_acquire(ring->sq_head), want, flags, arg, arg_size);
}

int oring_submit(struct oring *ring)
{
	if (!(ring->setup_flags & ORING_SETUP_SQPOLL) && oring_sq_pending(ring) == 0)
		return 0;
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

/* The enter flags and the argument that a wait needs. */
struct wait_call {
	uint32_t flags;
	const void *arg;
	size_t arg_size;
};

#define WAIT_POLL 1 /* do not sleep: only get events */

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
		if (arg->flags & ~(ORING_WAIT_TIMEOUT | ORING_WAIT_ABS))
			return -ORING_EINVAL;
		if (arg->flags & ORING_WAIT_ABS)
			call->flags |= ORING_ENTER_ABS_TIMER;
		else
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
			if (ts->tv_nsec == 0 && arg->flags == ORING_WAIT_TIMEOUT &&
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
	call->flags |= ORING_ENTER_EXT_ARG;
	extended->sigmask = (uint64_t)(uintptr_t)arg->sigmask;
	extended->sigmask_sz = ORING_SIGSET_SIZE; /* without a mask the kernel ignores it */
	extended->min_wait_usec = arg->min_wait_usec;
	extended->ts = (uint64_t)(uintptr_t)ts;
	call->arg = extended;
	call->arg_size = sizeof(*extended);
	return 0;
}

/* Submit, and instead of a wait only get events. */
__attribute__((noinline)) static int submit_and_poll(struct oring *ring, uint32_t want)
{
	int ret = submit(ring, 0, ORING_ENTER_GETEVENTS, NULL, 0);

	return ret == 0 && want > 0 && oring_cq_ready(ring) == 0 ? -ORING_ETIME : ret;
}

int oring_submit_and_wait_timeout(struct oring *ring, uint32_t want,
				  const struct oring_wait_arg *arg, struct oring_outcome *outcome)
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
	ret = enter(ring, 0, poll ? 0 : want, call.flags, call.arg, call.arg_size);
	if (ret < 0)
		return ret;
	ready = oring_cq_ready(ring);
	return ready == 0 && poll && want > 0 ? -ORING_ETIME : (int)ready;
}
