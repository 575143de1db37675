/* SPDX-License-Identifier: MIT */
/*
 * The SQPOLL wake-up: the owner commits and looks whether the kernel's thread sleeps; the thread
 * says that it sleeps, looks for entries a last time, and sleeps. No wake-up is lost: nothing that
 * was committed lies there while nothing moves.
 *
 * A queue of two entries of one word. The switches in capitals, in #ifdef below, break one step each.
 */
#ifndef WRAP
#define WRAP 4
#endif
#define ENTRIES 2
#define MARKS	5

#define SIDES 2
#define OWNER 0
#define POLLER 1
#define DEPTH 4

#define HEAD 0
#define TAIL 1
#define FLAGS 2
#define NEED_WAKEUP 1
#define SLOT(index) (3 + (index) % ENTRIES)
#define WORDS (3 + ENTRIES)
#include "memory.pml"

/* Kept by the judge, not by the two sides. */
byte made, seen;
bool stopped;
/* On the kernel's wait queue, under its lock. */
bool queued;

inline submit()
{
#ifdef FLAG_BEFORE_TAIL
	load(OWNER, FLAGS, flags);
#endif
	C_OF_OURS(ring.c, commit_polled, "*committed = oring_sq_commit(ring);")
	if
	:: reserved != committed ->
		made = (made + (reserved + WRAP - committed) % WRAP) % MARKS;
		committed = reserved;
		C_OF_OURS(sq.h, oring_sq_commit, "oring_store_release(ring->sq_tail, tail);")
		store_release(OWNER, TAIL, committed)
	:: else
	fi;
	C_OF_OURS(sq.h, oring_sq_needs_wakeup, "oring_fence();")
#ifndef NO_FENCE
	fence(OWNER);
#endif
	C_OF_OURS(sq.h, oring_sq_needs_wakeup, "oring_load_relaxed(ring->sq_flags) & ORING_SQ_NEED_WAKEUP")
#ifndef FLAG_BEFORE_TAIL
	load(OWNER, FLAGS, flags);
#endif
	if
	:: flags == NEED_WAKEUP ->
		C_OF_OURS(ring.c, submit_polled, "flags == ORING_ENTER_SQ_WAKEUP && oring_sq_pending(ring) == 0")
		C_OF_OURS(sq.h, oring_sq_pending, "ring->sq_reserved - oring_load_acquire(ring->sq_head)")
		load(OWNER, HEAD, head);
		if
		:: reserved == head
		:: else ->
			C_OF_OURS(ring.c, submit_polled, "enter(ring, committed, want, flags, arg, arg_size)")
			KERNEL(io_uring_enter) /* wake_up(&ctx->sq_data->wait) */
			queued = false
		fi
	:: else
	fi
}

proctype owner()
{
	byte reserved, committed, mark, head, flags;

	do
	:: /* Room, or it waits for room. */
		(memory[HEAD] + ENTRIES) % WRAP != reserved;
		load(OWNER, HEAD, head);
		C_OF_OURS(sq.h, oring_sq_take, "ring->sq_reserved = index + 1;")
		store(OWNER, SLOT(reserved), mark + 1);
		mark = (mark + 1) % MARKS;
		reserved = (reserved + 1) % WRAP;
		if
		:: submit()
		:: (reserved + WRAP - committed) % WRAP < ENTRIES /* or another with it */
		fi
	:: reserved == committed -> submit() /* oring_submit() with nothing new */
	:: stopped = true; break
	od;
	if
	:: reserved != committed -> submit()
	:: else
	fi
}

proctype thread()
{
	byte head, tail, mark;

	do
	:: /* io_sq_thread() as long as it is awake */
		memory[TAIL] != head;
		KERNEL(io_sqring_entries) /* smp_load_acquire(&rings->sq.tail) */
		load(POLLER, TAIL, tail);
		do
		:: head != tail ->
			KERNEL(io_get_sqe)
			load(POLLER, SLOT(head), mark);
			assert(mark == seen + 1);
			seen = (seen + 1) % MARKS;
			head = (head + 1) % WRAP
		:: else -> break
		:: break
		od;
		KERNEL(io_commit_sqring)
		store_release(POLLER, HEAD, head)
	:: /* its time is over: nothing came for sq_thread_idle, as it thinks */
		KERNEL(io_sq_thread) /* prepare_to_wait(&sqd->wait, ...) */
		queued = true;
		KERNEL(io_sq_thread) /* atomic_or(IORING_SQ_NEED_WAKEUP, &rings->sq_flags) */
		store(POLLER, FLAGS, NEED_WAKEUP);
		KERNEL(io_sq_thread) /* smp_mb__after_atomic() */
#ifndef NO_FENCE_OF_THE_KERNEL
		fence(POLLER);
#endif
		KERNEL(io_sqring_entries) /* the last look */
		load(POLLER, TAIL, tail);
		if
#ifndef NO_LAST_LOOK
		:: head != tail
		:: head == tail ->
#else
		::
#endif
			KERNEL(io_sq_thread) /* schedule() */
			!queued
		fi;
		KERNEL(io_sq_thread) /* atomic_andnot(IORING_SQ_NEED_WAKEUP, &rings->sq_flags) */
		store(POLLER, FLAGS, 0);
		fence(POLLER);
		KERNEL(io_sq_thread) /* finish_wait(&sqd->wait, ...) */
		queued = false
	od
}

/* When nothing can move any more: the owner went of its own will, and all was seen. */
proctype judge()
{
end:
	timeout -> assert(stopped && made == seen)
}

init {
	atomic {
		run owner();
		run thread();
		run drain(OWNER);
		run drain(POLLER);
		run judge()
	}
}
