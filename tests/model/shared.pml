/* SPDX-License-Identifier: MIT */
/*
 * The shared submission queue: two threads reserve, fill and commit entries, each moves the tail
 * over what is complete; the kernel takes them. Every entry is seen once, in order, whole, and none
 * is left lying when its thread is done.
 *
 * A queue of two slots, gone round twice. The switches in capitals, in #ifdef below, break one
 * step each.
 */
#define ENTRIES 2
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define ALL (ENTRIES * ROUNDS)

#define SIDES 3
#define POLLER 2
#define DEPTH 4

#define HEAD 0
#define TAIL 1
#define RESERVED 2
#define COMMITTED(index) (3 + (index) % ENTRIES)
#define SLOT(index) (3 + ENTRIES + (index) % ENTRIES)
#define WORDS (3 + 2 * ENTRIES)
#include "memory.pml"

/* Kept by the judge. */
byte seen;

inline publish()
{
	C_OF_OURS(shared.c, publish, "uint32_t tail = oring_load_relaxed(ring->sq_tail);")
	load(me, TAIL, tail);
	do
	::	C_OF_OURS(shared.c, publish, "uint32_t end = tail;")
		end_ = tail;
		do
		::	C_OF_OURS(shared.c, publish, "oring_load_acquire(&shared->committed[end & ring->sq_mask]) == end + 1")
			load(me, COMMITTED(end_), done);
			if
#ifdef ANY_COMMITTED
			:: done != 0 && end_ < ALL -> end_++
#else
			:: done == end_ + 1 -> end_++
#endif
			:: else -> break
			fi
		od;
		if
		:: end_ == tail ->
			C_OF_OURS(shared.c, publish, "end = oring_load_relaxed(ring->sq_tail); if (end == tail) return;")
			load(me, TAIL, end_);
			if
			:: end_ == tail -> break
			:: else -> tail = end_
			fi
		:: else ->
			C_OF_OURS(shared.c, publish, "__atomic_compare_exchange_n(ring->sq_tail, &tail, end, false, __ATOMIC_RELEASE,")
#ifdef STORED_TAIL
			memory[TAIL] = end_;
			tail = end_
#else
			atomic {
				exchange_waits(me, 1);
				if
				:: memory[TAIL] == tail -> memory[TAIL] = end_; tail = end_
				:: else -> tail = memory[TAIL]
				fi
			}
#endif
		fi
	od
}

proctype thread(byte me)
{
	byte head, index, tail, end_, done;

	do
	::	C_OF_OURS(shared.c, oring_shared_reserve_n, "head = oring_load_acquire(ring->sq_head);")
		load(me, HEAD, head);
		C_OF_OURS(shared.c, oring_shared_reserve_n, "index = oring_load_relaxed(&shared->reserved);")
		load(me, RESERVED, index);
		if
		:: index == ALL -> break
		:: index < ALL && index - head > ENTRIES - 1 ->
			C_OF_OURS(shared.c, oring_shared_reserve_n, "if (index - head > ring->sq_entries - n) return -ORING_EAGAIN;")
			/* To try again changes nothing before there is room. */
			memory[HEAD] + ENTRIES > memory[RESERVED] || memory[RESERVED] == ALL
		:: else ->
			C_OF_OURS(shared.c, oring_shared_reserve_n, "__atomic_compare_exchange_n(&shared->reserved, &index, index + n, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)")
			atomic {
				exchange_waits(me, 0);
				if
				:: memory[RESERVED] == index -> memory[RESERVED] = index + 1
				:: else -> index = ALL
				fi
			}
			if
			:: index == ALL
			:: else ->
				/* The caller, with an oring_prep_ function. */
#ifndef COMMIT_FIRST
				store(me, SLOT(index), index + 1);
#endif
				C_OF_OURS(shared.c, oring_shared_commit, "oring_store_release(&shared->committed[(first + i) & shared->ring->sq_mask], first + i + 1);")
#ifdef RELAXED_COMMIT
				store(me, COMMITTED(index), index + 1);
#else
				store_release(me, COMMITTED(index), index + 1);
#endif
#ifdef COMMIT_FIRST
				store(me, SLOT(index), index + 1);
#endif
#ifndef NO_FENCE
				C_OF_OURS(shared.c, oring_shared_commit, "oring_fence();")
				fence(me);
#endif
				publish()
			fi
		fi
	od
}

proctype poller()
{
	byte head, tail, first;

	do
	::	/* To poll and find nothing changes nothing: it waits for a change. */
		memory[TAIL] != head;
		KERNEL(io_sqring_entries) /* smp_load_acquire(&rings->sq.tail) */
		load(POLLER, TAIL, tail);
		/* A tail that went back would bring an entry again. */
		assert(tail > head);
		do
		:: head != tail ->
			KERNEL(io_get_sqe)
			load(POLLER, SLOT(head), first);
			assert(first == head + 1);
			head++;
			seen++
		:: else -> break
		od;
		KERNEL(io_commit_sqring) /* smp_store_release(&rings->sq.head, ...) */
		store_release(POLLER, HEAD, head)
	od
}

/* When nothing can move any more: all was reserved, and all was seen. */
proctype judge()
{
end:
	timeout -> assert(seen == ALL)
}

init {
	atomic {
		run thread(0);
		run thread(1);
		run poller();
		run drain(0);
		run drain(1);
		run drain(POLLER);
		run judge()
	}
}
