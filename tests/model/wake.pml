/* SPDX-License-Identifier: MIT */
/*
 * wake.h: two threads post to an owner that sleeps in its ring. Every post is taken once, whole, and
 * in the order in which its poster left it; no wake-up is lost; each sleep is ended by one poster.
 *
 * POSTS posts are the first poster's, one is the second's. A post that was taken is its poster's again.
 * Each poster posts EACH times; with no bound the states are too many.
 * The switches in capitals, in #ifdef below, break one step each.
 */
#ifndef EACH
#define EACH 2
#endif
#ifndef POSTS
#define POSTS 1
#endif
#define SIDES 3
#define OWNER 2 /* and 0, 1: the posters */
#define DEPTH 3

#define NOTHING 0
#define ASLEEP	1
/* Posts are 2, 3, 4: these are addresses. */
#define OF(post)   ((post) == 4)
#define NEXT(post) ((post) - 2)
#define DATA(post) ((post) + 1)
#define NEWEST	   6
#define WORDS	   7
/* What posts hold, one after the other. */
#define MARKS 5
#include "memory.pml"

/* Whether there are completions in the owner's ring; under the kernel's lock. */
bool bell;
/* Posts that are not their posters'. */
bool given[3];
/* Kept by the judge: what was posted and taken, and the sleeps that nobody ended. */
byte made[2], seen[2], stopped, sleeps;

proctype poster(byte me, first, last)
{
	byte post = first, newest, left = EACH;

	do
	:: /* Its post is its own again: the owner said so after it had read it. */
		atomic { left > 0 && !given[post - 2] -> given[post - 2] = true; left-- };
		store(me, DATA(post), made[me] + 1);
		C_OF_OURS(wake.h, oring_wake_post, "__atomic_load_n(&wake->newest, __ATOMIC_RELAXED)")
		load(me, NEWEST, newest);
		do
		:: C_OF_OURS(wake.h, oring_wake_post, "post->next = newest == ORING_WAKE_ASLEEP ? NULL : (struct oring_post *)newest;")
			if
			:: newest == ASLEEP -> store(me, NEXT(post), NOTHING)
			:: else -> store(me, NEXT(post), newest)
			fi;
			C_OF_OURS(wake.h, oring_wake_post, "__atomic_compare_exchange_n(&wake->newest, &newest, (uintptr_t)post, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED)")
			if
#ifdef RELAXED_POST
			:: d_step { exchange_waits(me, 0) && memory[NEWEST] == newest ->
#else
			:: d_step { exchange_waits(me, 1) && memory[NEWEST] == newest ->
#endif
					memory[NEWEST] = post;
					made[me] = (made[me] + 1) % MARKS;
					if
					:: newest == ASLEEP -> assert(sleeps == 1); sleeps--
					:: else
					fi
				}
				break
			:: d_step { memory[NEWEST] != newest -> newest = memory[NEWEST] }
			/* A weak exchange may fail for nothing: the loop comes to the same place. */
			fi
		od;
		C_OF_OURS(wake.h, oring_wake_post, "return newest == ORING_WAKE_ASLEEP;")
		if
#ifndef NOBODY_WAKES
		:: newest == ASLEEP ->
			C_OF_OURS(wake.c, oring_wake_ring, "oring_send_message(&sqe)")
			bell = true
#endif
		:: else
		fi;
		newest = 0;
		if
		:: post == last -> post = first
		:: else -> post++
		fi
	:: d_step { left == 0 -> stopped++ }; break
	od
}

inline take()
{
	C_OF_OURS(wake.h, oring_wake_take, "__atomic_exchange_n(&wake->newest, 0, __ATOMIC_ACQUIRE)")
#ifdef TAKEN_IN_TWO_STEPS
	load(OWNER, NEWEST, newest);
	d_step {
		exchange_waits(OWNER, 0) ->
#else
	d_step {
		exchange_waits(OWNER, 0) -> newest = memory[NEWEST];
#endif
		memory[NEWEST] = NOTHING;
		if
		:: newest == ASLEEP -> sleeps--
		:: else
		fi
	};
	newer = NOTHING;
	if
	:: newest == ASLEEP || newest == NOTHING
	:: else ->
		C_OF_OURS(wake.h, oring_wake_take, "post = (struct oring_post *)newest; post != NULL; post = older")
		post = newest;
		do
		:: post == NOTHING -> break
		:: else ->
			C_OF_OURS(wake.h, oring_wake_take, "older = post->next;")
			load(OWNER, NEXT(post), older);
			C_OF_OURS(wake.h, oring_wake_take, "post->next = newer;")
			store(OWNER, NEXT(post), newer);
			C_OF_OURS(wake.h, oring_wake_take, "newer = post;")
			newer = post;
			d_step { post = older; older = 0 }
		od
	fi;
	newest = 0
}

/* The caller goes through them, the oldest first, and gives each back. */
inline handle()
{
	do
	:: newer == NOTHING -> break
	:: else ->
		post = newer;
		load(OWNER, NEXT(post), newer);
		load(OWNER, DATA(post), data);
		assert(data == seen[OF(post)] + 1);
		seen[OF(post)] = (seen[OF(post)] + 1) % MARKS;
		/* Given back in a way of the caller's that orders all that was before. */
		atomic { stores[OWNER].n == 0 -> given[post - 2] = false; data = 0; post = 0 }
	od
}

proctype owner()
{
	byte newest, post, older, newer, data;

	do
	:: true -> /* for the same reason */
		take();
		handle();
		skip; /* a loop must not end in front of a d_step */
		C_OF_OURS(wake.h, oring_wake_sleep, "__atomic_compare_exchange_n(&wake->newest, &none, ORING_WAKE_ASLEEP, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)")
#ifdef SLEEP_IN_TWO_STEPS
		load(OWNER, NEWEST, newest);
		d_step {
			exchange_waits(OWNER, 0) ->
#else
		d_step {
			exchange_waits(OWNER, 0) -> newest = memory[NEWEST];
#endif
			if
			:: newest == NOTHING -> memory[NEWEST] = ASLEEP; sleeps = 1
			:: else
			fi
		};
#ifdef SLEEPS_WITH_POSTS
		newest = ASLEEP;
#endif
		C_OF_OURS(wake.h, oring_wake_sleep, "none == ORING_WAKE_ASLEEP ? 1 : 0")
		if
		:: newest == NOTHING || newest == ASLEEP ->
			/* It waits for a completion. */
			C_OF_OURS(ring.c, oring_submit_and_wait, "return submit(ring, want, ORING_ENTER_GETEVENTS, NULL, 0);")
			d_step { bell -> bell = false }
		:: else -> bell = false
		fi;
		newest = 0
	od
}

/* Operations of the owner's own: their completions wake it too. */
proctype other()
{
	byte others = 1;

	do
	:: d_step { others > 0 -> others--; bell = true }
	:: d_step { others == 0 -> stopped++ }; break
	od
}

/* When nothing can move any more: the posters went of their own will, and all was taken. */
proctype judge()
{
end:
	timeout -> assert(stopped == 3 && made[0] == seen[0] && made[1] == seen[1])
}

init {
	atomic {
		run poster(0, 2, POSTS + 1);
		run poster(1, 4, 4);
		run owner();
		run other();
		run drain(0);
		run drain(1);
		run drain(OWNER);
		run judge()
	}
}
