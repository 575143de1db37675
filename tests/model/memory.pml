/* SPDX-License-Identifier: MIT */
/*
 * Memory with a store buffer for each side. SPIN by itself is sequentially consistent.
 *
 * As on x86: a store goes into the side's own buffer, which empties into memory in order, at any
 * time; a load takes the newest store to its word from the side's own buffer, else what is in
 * memory; a full fence, and a locked instruction, wait until the buffer is empty.
 *
 * With WEAK, as the C11 orders allow on other machines: a store may overtake older ones to other
 * words, unless it is a release. A release waits for all that are older; younger ones may overtake
 * it. An atomic exchange that is not a release does not wait for the buffer.
 *
 * Loads are made in the order of the program: the models' switches move those that an acquire holds.
 *
 * Before it is included: SIDES, WORDS and DEPTH, the places in a buffer.
 *
 * In the models, C_OF_OURS(file, function, text) before a step is the line of C that it stands for:
 * check_model.py looks whether that function has it. KERNEL(function) is the kernel's.
 */
#define C_OF_OURS(file, function, text)
#define KERNEL(function)

typedef buffer {
	byte n;
	byte where[DEPTH];
	byte what[DEPTH];
	bit release[DEPTH];
};

byte memory[WORDS];
buffer stores[SIDES];
/* Used within single steps only. */
hidden byte i_;

/* A full buffer makes the side wait. */
inline store_as(side, word, value, is_release)
{
	d_step {
		stores[side].n < DEPTH;
		stores[side].where[stores[side].n] = word;
		stores[side].what[stores[side].n] = value;
		stores[side].release[stores[side].n] = is_release;
		stores[side].n++
	}
}

#define store(side, word, value)	 store_as(side, word, value, 0)
#define store_release(side, word, value) store_as(side, word, value, 1)

/* Also of kind acquire: what follows comes later anyway. */
inline load(side, word, into)
{
	d_step {
		into = memory[word];
		i_ = 0;
		do
		:: i_ < stores[side].n ->
			if
			:: stores[side].where[i_] == word -> into = stores[side].what[i_]
			:: else
			fi;
			i_++
		:: else -> break
		od
	}
}

inline fence(side)
{
	stores[side].n == 0
}

/* Whether an atomic exchange can be made now. Its words are never stored to in another way. */
#ifdef WEAK
#define exchange_waits(side, is_release) (!(is_release) || stores[side].n == 0)
#else
#define exchange_waits(side, is_release) (stores[side].n == 0)
#endif

inline leave(side, at)
{
	memory[stores[side].where[at]] = stores[side].what[at];
	i_ = at;
	do
	:: i_ + 1 < stores[side].n ->
		stores[side].where[i_] = stores[side].where[i_ + 1];
		stores[side].what[i_] = stores[side].what[i_ + 1];
		stores[side].release[i_] = stores[side].release[i_ + 1];
		i_++
	:: else -> break
	od;
	stores[side].where[i_] = 0;
	stores[side].what[i_] = 0;
	stores[side].release[i_] = 0;
	stores[side].n--
}

#define AT(side, k)	   stores[side].where[k]
#define PLAIN(side, k)	   (stores[side].n > (k) && !stores[side].release[k])
#define OVER(side, k, j)   (AT(side, k) != AT(side, j))

/* The buffer empties. */
proctype drain(byte side)
{
end:
	do
	:: d_step { stores[side].n > 0 -> leave(side, 0) }
#ifdef WEAK
	:: d_step { PLAIN(side, 1) && OVER(side, 1, 0) -> leave(side, 1) }
#if DEPTH > 2
	:: d_step { PLAIN(side, 2) && OVER(side, 2, 0) && OVER(side, 2, 1) -> leave(side, 2) }
#endif
#if DEPTH > 3
	:: d_step { PLAIN(side, 3) && OVER(side, 3, 0) && OVER(side, 3, 1) && OVER(side, 3, 2) ->
		leave(side, 3) }
#endif
#endif
	od
}
#if DEPTH > 4
#error "drain() knows no more than four places"
#endif
