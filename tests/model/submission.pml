/* SPDX-License-Identifier: MIT */
/*
 * Submission: the owner reserves, fills and commits; the kernel's thread reads the tail, reads the
 * entries, gives the slots back. Every committed entry is seen once, in order, whole.
 *
 * A queue of two entries of two words; the counters wrap at WRAP as 32 bits do.
 * The switches in capitals, in #ifdef below, break one step each.
 */
#ifndef WRAP
#define WRAP 4
#endif
#define ENTRIES 2
#define MARKS	5 /* what entries hold: no two neighbours in a slot hold the same */

#define SIDES 2
#define OWNER 0
#define POLLER 1
#define DEPTH 4

#define HEAD 0
#define TAIL 1
#define SLOT(index, word) (2 + ((index) % ENTRIES) * 2 + (word))
#define WORDS (2 + 2 * ENTRIES)
#include "memory.pml"

/* Kept by the judge, not by the two sides. */
byte made, seen;
bool stopped;

inline commit()
{
	C_OF_OURS(sq.h, oring_sq_commit, "if (n == 0) return 0;")
	if
	:: reserved != committed ->
		C_OF_OURS(sq.h, oring_sq_commit, "ring->sq_committed = tail;")
		made = (made + (reserved + WRAP - committed) % WRAP) % MARKS;
		committed = reserved;
		C_OF_OURS(sq.h, oring_sq_commit, "oring_store_release(ring->sq_tail, tail);")
#ifdef RELAXED_TAIL
		store(OWNER, TAIL, committed)
#else
		store_release(OWNER, TAIL, committed)
#endif
	:: else
	fi
}

inline fill()
{
	C_OF_OURS(sq.h, oring_sq_at, "(index & ring->sq_mask) * ring->sq_stride")
	C_OF_OURS(sq.h, oring_sq_reserve, "oring_sqe_clear(sqe);")
	store(OWNER, SLOT(index, 0), 0);
	/* The caller, with an oring_prep_ function. */
	store(OWNER, SLOT(index, 0), mark + 1);
	store(OWNER, SLOT(index, 1), mark + 1);
	mark = (mark + 1) % MARKS
}

proctype owner()
{
	byte reserved, committed, index, mark, head;
	byte limit = ENTRIES;

	do
	:: C_OF_OURS(sq.h, oring_sq_take, "uint32_t index = ring->sq_reserved;")
		index = reserved;
		C_OF_OURS(sq.h, oring_sq_take, "index == ring->sq_limit")
#ifdef COMPARED_BY_SIZE
		if
		:: index >= limit ->
#else
		if
		:: index == limit ->
#endif
			/* A full queue is committed; then the owner waits until the head moves. */
			commit();
			(memory[HEAD] + ENTRIES) % WRAP != limit;
			C_OF_OURS(sq.h, oring_sq_refresh, "ring->sq_limit = oring_load_acquire(ring->sq_head) + ring->sq_entries;")
			load(OWNER, HEAD, head);
#ifdef ONE_TOO_MANY
			limit = (head + ENTRIES + 1) % WRAP
#else
			limit = (head + ENTRIES) % WRAP
#endif
		:: else ->
			C_OF_OURS(sq.h, oring_sq_take, "ring->sq_reserved = index + 1;")
			reserved = (index + 1) % WRAP;
#ifdef TAIL_FIRST
			commit();
#endif
			fill()
		fi
	:: reserved != committed -> commit()
	:: reserved != committed ->
		C_OF_OURS(sq.h, oring_sq_unreserve, "ring->sq_reserved -= n;")
		reserved = (reserved + WRAP - 1) % WRAP;
		mark = (mark + MARKS - 1) % MARKS
	:: stopped = true; break
	od
}

inline look(word, into)
{
	load(POLLER, SLOT(head, word), into)
}

proctype poller()
{
	byte head, tail, first, second;

	do
	::
#ifdef ENTRY_BEFORE_TAIL
		look(0, first);
#endif
		/* To poll and find nothing changes nothing: it waits for a change. */
		memory[TAIL] != head;
		KERNEL(io_sqring_entries) /* smp_load_acquire(&rings->sq.tail) */
		load(POLLER, TAIL, tail);
		do
		:: head != tail ->
#ifdef HEAD_FIRST
			store_release(POLLER, HEAD, (head + 1) % WRAP);
#endif
			KERNEL(io_get_sqe) /* and io_init_req() reads it */
#ifndef ENTRY_BEFORE_TAIL
			look(0, first);
#endif
			look(1, second);
			assert(first == seen + 1 && second == seen + 1);
			seen = (seen + 1) % MARKS;
			head = (head + 1) % WRAP;
#ifdef ENTRY_BEFORE_TAIL
			break
#endif
		:: else -> break
		:: break /* io_submit_sqes() may take fewer */
		od;
		KERNEL(io_commit_sqring) /* smp_store_release(&rings->sq.head, ...) */
		store_release(POLLER, HEAD, head)
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
		run poller();
		run drain(OWNER);
		run drain(POLLER);
		run judge()
	}
}
