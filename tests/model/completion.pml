/* SPDX-License-Identifier: MIT */
/*
 * Completion: the kernel posts, the owner looks and releases. Nothing is lost, nothing is seen twice,
 * nothing is written over before it was released.
 *
 * A queue of two completions of two words; the counters wrap at WRAP as 32 bits do.
 * The switches in capitals, in #ifdef below, break one step each.
 */
#ifndef WRAP
#define WRAP 4
#endif
#define ENTRIES 2
#define MARKS	5 /* what completions hold: no two neighbours in a slot hold the same */

#define SIDES 2
#define OWNER 0
#define POSTER 1
#define DEPTH 4

#define HEAD 0
#define TAIL 1
#define SLOT(index, word) (2 + ((index) % ENTRIES) * 2 + (word))
#define WORDS (2 + 2 * ENTRIES)
#include "memory.pml"

/* Kept by the judge, not by the two sides. */
byte made, seen;
bool stopped;

proctype kernel()
{
	byte tail, head, mark;

	do
	::
#ifndef HEAD_IGNORED
		/* With a full queue the kernel keeps completions, in order, until there is room. */
		memory[HEAD] != (tail + WRAP - ENTRIES) % WRAP;
		KERNEL(io_cqe_cache_refill) /* READ_ONCE(rings->cq.head) */
		load(POSTER, HEAD, head);
		assert((tail + WRAP - head) % WRAP < ENTRIES);
#endif
		made = (made + 1) % MARKS;
#ifdef TAIL_FIRST
		tail = (tail + 1) % WRAP;
		store_release(POSTER, TAIL, tail);
		store(POSTER, SLOT(tail + WRAP - 1, 0), mark + 1);
		store(POSTER, SLOT(tail + WRAP - 1, 1), mark + 1);
#else
		KERNEL(io_fill_cqe_req) /* the slot is written */
		store(POSTER, SLOT(tail, 0), mark + 1);
		store(POSTER, SLOT(tail, 1), mark + 1);
		tail = (tail + 1) % WRAP;
		KERNEL(io_commit_cqring) /* smp_store_release(&rings->cq.tail, ...) */
#ifdef RELAXED_TAIL
		store(POSTER, TAIL, tail);
#else
		store_release(POSTER, TAIL, tail);
#endif
#endif
		mark = (mark + 1) % MARKS
	:: stopped = true; break
	od
}

/* The caller reads a completion: both words, and as long as it is not released they stay. */
inline look(at)
{
	load(OWNER, SLOT(at, 0), first);
	load(OWNER, SLOT(at, 1), second);
	assert(first == seen + 1 && second == seen + 1)
}

inline consumed(cursor_after)
{
	seen = (seen + 1) % MARKS;
	cursor = cursor_after
}

inline release_to()
{
	C_OF_OURS(cq.h, oring_cq_store, "ring->cq_released = cursor;")
	released = cursor;
	C_OF_OURS(cq.h, oring_cq_store, "oring_store_release(ring->cq_head, cursor);")
	store_release(OWNER, HEAD, cursor)
}

proctype owner()
{
	byte released, cursor, end_, first, second;

	do
	::
#ifdef SLOT_BEFORE_TAIL
		load(OWNER, SLOT(released, 0), first);
#endif
		/* To look and find nothing changes nothing: it waits for a change. */
		memory[TAIL] != released;
		C_OF_OURS(cq.h, oring_cq_end, "oring_load_acquire(ring->cq_tail)")
		load(OWNER, TAIL, end_);
		C_OF_OURS(cq.h, oring_cq_for_each, "(cursor) = (ring)->cq_released, (end) = oring_cq_end(ring)")
		cursor = released;
#ifdef SLOT_BEFORE_TAIL
		load(OWNER, SLOT(released, 1), second);
		assert(first == seen + 1 && second == seen + 1);
		consumed((released + 1) % WRAP);
		release_to()
#else
#ifdef RELEASED_FIRST
		cursor = end_;
		release_to();
		cursor = (released + WRAP - 1) % WRAP;
		look(cursor);
		consumed(end_)
#else
		if
		:: /* The same one again and again, until it is released. */
			C_OF_OURS(cq.h, oring_cq_peek, "oring_cq_at(ring, ring->cq_released)")
			look(released);
			look(released);
			C_OF_OURS(cq.h, oring_cq_release, "oring_cq_next(ring, &cursor, oring_cq_end(ring)) != NULL")
			load(OWNER, TAIL, end_);
			assert(cursor != end_);
			consumed((cursor + 1) % WRAP);
			C_OF_OURS(cq.h, oring_cq_release, "oring_cq_release_to(ring, cursor);")
			release_to()
		:: /* A walk, left at any place; all that was walked over is released at once. */
			do
			:: cursor != end_ ->
				C_OF_OURS(cq.h, oring_cq_next, "return oring_cq_at(ring, index);")
				look(cursor);
				C_OF_OURS(cq.h, oring_cq_next, "*cursor = index + 1;")
				consumed((cursor + 1) % WRAP)
			:: else -> break
			:: break
			od;
			C_OF_OURS(cq.h, oring_cq_release_to, "if (cursor != ring->cq_released) oring_cq_store(ring, cursor);")
			if
			:: cursor != released -> release_to()
			:: else
			fi
		fi
#endif
#endif
	od
}

/* When nothing can move any more: the kernel had no more to post, and all was seen. */
proctype judge()
{
end:
	timeout -> assert(stopped && made == seen)
}

init {
	atomic {
		run kernel();
		run owner();
		run drain(OWNER);
		run drain(POSTER);
		run judge()
	}
}
