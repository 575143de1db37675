/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for the kernel: a thread that takes entries from the shared rings and
 * puts completions there, in the order that the kernel has, for the seconds given.
 * The library makes its calls to it. Since this kernel's accesses can be watched, a
 * thread sanitizer tells if a store or load of the library's does not order what it
 * publishes; what it does not see (fences), entries and completions show: each has
 * one number in all of its words, comes once, and in its thread's order.
 *
 * Each kind of ring has its turn; short submissions, refusals, overflow (kept, or
 * counted and lost), a polling thread that falls asleep. All counters start so
 * near 2^32 that they wrap. What the calls themselves pass goes by relaxed accesses
 * between fences: real order, of which the sanitizer does not know, so that it
 * judges by the rings alone.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <oring.h>
#include "arch/arch.h"

#define SQ_ENTRIES 8U
#define CQ_ENTRIES 16U
#define SENDERS	   3
#define FLYING	   64U	/* consumed and not completed */
#define BACKLOG	   128U /* completions that overflowed */
#define LIMIT	   30	/* seconds that anything may take */
#define ROUND_OFF  (0U - 100U)

static const struct kind {
	const char *name;
	uint32_t flags;
	int senders; /* more than one: by oring_shared */
	bool drops;  /* an overflow is lost, and counted */
} kinds[] = {
	{ "plain", 0, 1, false },
	{ "drops", 0, 1, true },
	{ "no array", ORING_SETUP_NO_SQARRAY, 1, false },
	{ "large", ORING_SETUP_SQE128 | ORING_SETUP_CQE32, 1, false },
	{ "mixed", ORING_SETUP_SQE_MIXED | ORING_SETUP_CQE_MIXED | ORING_SETUP_NO_SQARRAY, 1,
	  false },
	{ "polled", ORING_SETUP_SQPOLL, 1, false },
	{ "polled mixed",
	  ORING_SETUP_SQPOLL | ORING_SETUP_SQE_MIXED | ORING_SETUP_CQE_MIXED |
		  ORING_SETUP_NO_SQARRAY,
	  1, false },
	{ "shared", 0, SENDERS, false },
	{ "shared polled", ORING_SETUP_SQPOLL | ORING_SETUP_CQE32, SENDERS, false },
};

/* What a call wants of the kernel's thread. */
struct bell {
	_Alignas(64) uint32_t rung;
	uint32_t flags, to_submit;
	int32_t result;
};

/* Ring memory, as setup tells of it. */
static struct {
	uint32_t sq_head, sq_tail, sq_flags, sq_dropped, cq_head, cq_tail, cq_flags, cq_overflow;
	uint32_t array[SQ_ENTRIES];
	_Alignas(64) unsigned char cqes[CQ_ENTRIES * 32];
} rings;
static _Alignas(64) unsigned char sqes[SQ_ENTRIES * 128];

/* The kernel's thread's own. */
static struct {
	uint32_t flags, sq_head, cq_tail;
	bool drops, asleep;
	uint64_t flying[FLYING], backlog[BACKLOG];
	uint32_t flying_head, flying_tail, backlog_head, backlog_tail;
	uint32_t seed, idle;
	uint64_t taken[SENDERS]; /* entries that came, of each sender */
	uint64_t torn, overflowed, sleeps;
} kernel;

static struct oring ring;
static struct oring_shared shared;
static uint32_t committed[SQ_ENTRIES];
static struct bell bells[SENDERS + 1]; /* the last one is the reaper's */
static _Thread_local struct bell *my_bell;
static const struct kind *kind;
static atomic_bool stop, kernel_ends;
static atomic_int ended;
static atomic_int failed; /* the line that found something wrong, or hung */
static atomic_ulong sent[SENDERS];

#define WRONG(because)                                                            \
	do {                                                                      \
		int none = 0;                                                     \
		if (because)                                                      \
			atomic_compare_exchange_strong(&failed, &none, __LINE__); \
	} while (0)

static uint32_t random_of(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Some time, at most times none. */
static void dawdle(uint32_t *seed)
{
	uint32_t what = random_of(seed) % 64;
	volatile uint32_t i;

	if (what == 0)
		sched_yield();
	else if (what < 8)
		for (i = 0; i < what * 16; i++)
			;
}

static bool late(time_t since)
{
	return time(NULL) > since + LIMIT || atomic_load(&failed) != 0;
}

/* ---- entries and completions: one number, spread over all words ---- */

static uint64_t spread(uint64_t number, uint32_t word)
{
	return (number + word + 1) * 0x9e3779b97f4a7c15;
}

static bool is_large(uint64_t number)
{
	return spread(number, 77) >> 63;
}

static void fill(void *entry, uint64_t number, uint32_t words, uint8_t op)
{
	uint64_t all[16];
	uint32_t i;

	for (i = 0; i < words; i++)
		all[i] = spread(number, i);
	/* Operation and flags are as a kernel needs them. */
	all[0] = (all[0] & ~(uint64_t)0xffff) | op;
	all[4] = number;
	memcpy(entry, all, (size_t)words * 8);
}

static bool is_whole(const void *entry, uint64_t number, uint32_t words, uint8_t op)
{
	uint64_t expected[16];

	fill(expected, number, words, op);
	return memcmp(entry, expected, (size_t)words * 8) == 0;
}

/* ---- the stand-in ---- */

static uint32_t sqe_bytes(void)
{
	return kernel.flags & ORING_SETUP_SQE128 ? 128 : 64;
}

static uint32_t cqe_bytes(void)
{
	return kernel.flags & ORING_SETUP_CQE32 ? 32 : 16;
}

/* Look at the entry at @head; how many slots it takes, 0 if not all of them are there. */
static uint32_t take(uint32_t head, uint32_t tail)
{
	uint32_t index = head & (SQ_ENTRIES - 1), words = sqe_bytes() / 8;
	uint64_t first, number;
	unsigned char *entry;

	if (!(kernel.flags & ORING_SETUP_NO_SQARRAY))
		index = oring_load_relaxed(&rings.array[index]);
	WRONG(index >= SQ_ENTRIES);
	entry = sqes + (size_t)index * sqe_bytes();
	memcpy(&first, entry, 8);
	memcpy(&number, entry + 32, 8);
	if ((first & 0xffff) == ((uint64_t)ORING_SQE_CQE_SKIP_SUCCESS << 8 | ORING_OP_NOP))
		return 1; /* before the end of the queue's memory */
	if ((kernel.flags & ORING_SETUP_SQE_MIXED) && (first & 0xff) == ORING_OP_NOP128) {
		if (tail - head < 2)
			return 0;
		WRONG(index == SQ_ENTRIES - 1);
		words = 16;
	}
	kernel.torn += !is_whole(entry, number, words, (uint8_t)first);
	WRONG(number >> 48 >= SENDERS);
	if (number >> 48 < SENDERS) {
		WRONG((number & 0xffffffffffff) != kernel.taken[number >> 48]);
		kernel.taken[number >> 48]++;
	}
	kernel.flying[kernel.flying_tail++ % FLYING] = number;
	return words * 8 > sqe_bytes() ? 2 : 1;
}

/* As io_submit_sqes(): the head moves when a batch was read. */
static uint32_t consume(uint32_t most)
{
	uint32_t tail = __atomic_load_n(&rings.sq_tail, __ATOMIC_ACQUIRE), n = 0;

	WRONG(tail - kernel.sq_head > SQ_ENTRIES);
	while (n < most && kernel.sq_head != tail &&
	       kernel.flying_tail - kernel.flying_head < FLYING) {
		uint32_t slots = take(kernel.sq_head, tail);

		WRONG(slots == 0);
		if (slots == 0)
			break;
		kernel.sq_head += slots;
		n += slots;
		dawdle(&kernel.seed);
		if (random_of(&kernel.seed) % 32 == 0)
			break;
	}
	if (n > 0)
		__atomic_store_n(&rings.sq_head, kernel.sq_head, __ATOMIC_RELEASE);
	return n;
}

static void put(uint32_t slot, uint64_t number, uint32_t bytes, uint32_t flags)
{
	uint64_t words[4] = { number, 0, spread(number, 2), spread(number, 3) };
	uint32_t low = (uint32_t)spread(number, 1);

	flags |= (uint32_t)(spread(number, 1) >> 32) & 0xffff0000;
	words[1] = (uint64_t)flags << 32 | low;
	memcpy(rings.cqes + (size_t)(slot & (CQ_ENTRIES - 1)) * cqe_bytes(), words, bytes);
}

/* Into the ring, if there is room; not visible before the tail is. */
static bool post(uint64_t number)
{
	bool mixed = kernel.flags & ORING_SETUP_CQE_MIXED, large = mixed && is_large(number);
	uint32_t head = __atomic_load_n(&rings.cq_head, __ATOMIC_ACQUIRE);
	uint32_t pad = large && (kernel.cq_tail & (CQ_ENTRIES - 1)) == CQ_ENTRIES - 1;

	WRONG(kernel.cq_tail - head > CQ_ENTRIES);
	if (CQ_ENTRIES - (kernel.cq_tail - head) < pad + 1 + large)
		return false;
	if (pad)
		put(kernel.cq_tail++, 0, 16, ORING_CQE_F_SKIP);
	put(kernel.cq_tail, number, large ? 32 : cqe_bytes(), large ? ORING_CQE_F_32 : 0);
	kernel.cq_tail += 1 + large;
	return true;
}

static void show_tail(void)
{
	__atomic_store_n(&rings.cq_tail, kernel.cq_tail, __ATOMIC_RELEASE);
}

static void complete(uint32_t most)
{
	while (most-- > 0 && kernel.flying_head != kernel.flying_tail) {
		uint64_t number = kernel.flying[kernel.flying_head % FLYING];

		if (kernel.backlog_tail - kernel.backlog_head == BACKLOG)
			break;
		if (kernel.backlog_head != kernel.backlog_tail || !post(number)) {
			kernel.overflowed++;
			if (kernel.drops) {
				__atomic_fetch_add(&rings.cq_overflow, 1, __ATOMIC_RELAXED);
			} else {
				kernel.backlog[kernel.backlog_tail++ % BACKLOG] = number;
				__atomic_fetch_or(&rings.sq_flags, ORING_SQ_CQ_OVERFLOW,
						  __ATOMIC_RELAXED);
			}
		}
		kernel.flying_head++;
		dawdle(&kernel.seed);
	}
	show_tail();
}

static void flush(void)
{
	if (kernel.backlog_head == kernel.backlog_tail)
		return;
	while (kernel.backlog_head != kernel.backlog_tail &&
	       post(kernel.backlog[kernel.backlog_head % BACKLOG]))
		kernel.backlog_head++;
	show_tail();
	if (kernel.backlog_head == kernel.backlog_tail)
		__atomic_fetch_and(&rings.sq_flags, ~(uint32_t)ORING_SQ_CQ_OVERFLOW,
				   __ATOMIC_RELAXED);
}

/* As io_sq_thread(): the flag, a full fence, a last look. */
static void poll_queue(void)
{
	if (kernel.asleep)
		return;
	if (consume(SQ_ENTRIES) > 0) {
		kernel.idle = random_of(&kernel.seed) % 8;
		return;
	}
	if (kernel.idle-- > 0 || kernel.flying_tail - kernel.flying_head == FLYING)
		return;
	kernel.idle = 0;
	__atomic_fetch_or(&rings.sq_flags, ORING_SQ_NEED_WAKEUP, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&rings.sq_tail, __ATOMIC_ACQUIRE) == kernel.sq_head) {
		kernel.asleep = true;
		kernel.sleeps++;
	} else {
		__atomic_fetch_and(&rings.sq_flags, ~(uint32_t)ORING_SQ_NEED_WAKEUP,
				   __ATOMIC_RELAXED);
	}
}

/* Whether the call has its answer. */
static bool serve(struct bell *bell)
{
	uint32_t flags = oring_load_relaxed(&bell->flags);
	uint32_t to_submit = oring_load_relaxed(&bell->to_submit);
	uint32_t n = to_submit;

	if ((flags & ORING_ENTER_SQ_WAKEUP) && kernel.asleep) {
		kernel.asleep = false;
		__atomic_fetch_and(&rings.sq_flags, ~(uint32_t)ORING_SQ_NEED_WAKEUP,
				   __ATOMIC_RELAXED);
	}
	if (flags & ORING_ENTER_GETEVENTS)
		flush();
	if (!(kernel.flags & ORING_SETUP_SQPOLL) && to_submit > 0) {
		if (random_of(&kernel.seed) % 64 == 0)
			n = (uint32_t)-EAGAIN;
		else if (kernel.flying_tail - kernel.flying_head == FLYING)
			n = (uint32_t)-EBUSY;
		else
			n = consume(to_submit);
	}
	/* The thread may sleep once more before the caller looks: the flags hold for one wake-up. */
	__atomic_store_n(&bell->flags, flags & ~(uint32_t)ORING_ENTER_SQ_WAKEUP, __ATOMIC_RELAXED);
	if ((flags & ORING_ENTER_SQ_WAIT) &&
	    __atomic_load_n(&rings.sq_tail, __ATOMIC_RELAXED) - kernel.sq_head == SQ_ENTRIES)
		return false;
	__atomic_store_n(&bell->result, (int32_t)n, __ATOMIC_RELAXED);
	return true;
}

static void *play_kernel(void *unused)
{
	uint32_t i;

	while (!atomic_load_explicit(&kernel_ends, memory_order_relaxed)) {
		for (i = 0; i <= SENDERS; i++) {
			if (oring_load_relaxed(&bells[i].rung) == 0)
				continue;
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			if (serve(&bells[i])) {
				__atomic_thread_fence(__ATOMIC_SEQ_CST);
				oring_store_relaxed(&bells[i].rung, 0);
			}
		}
		if (kernel.flags & ORING_SETUP_SQPOLL)
			poll_queue();
		if (random_of(&kernel.seed) % 2 == 0)
			complete(random_of(&kernel.seed) % 24);
		if (random_of(&kernel.seed) % 8 == 0)
			sched_yield();
	}
	return unused;
}

static int ring_bell(uint32_t to_submit, uint32_t flags)
{
	time_t begin = time(NULL);

	oring_store_relaxed(&my_bell->to_submit, to_submit);
	oring_store_relaxed(&my_bell->flags, flags);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	oring_store_relaxed(&my_bell->rung, 1);
	while (oring_load_relaxed(&my_bell->rung) != 0) {
		sched_yield();
		WRONG(late(begin));
		if (atomic_load(&failed))
			return -EIO;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&my_bell->result, __ATOMIC_RELAXED);
}

/* A wait ends after some looks: the time limit is not looked at. */
static int play_enter(uint32_t to_submit, uint32_t want, uint32_t flags)
{
	int ret = ring_bell(to_submit, flags), looks = 200;

	if (ret < 0 || !(flags & ORING_ENTER_GETEVENTS) || want == 0)
		return ret;
	while (oring_load_relaxed(&rings.cq_tail) - oring_load_relaxed(&rings.cq_head) < want) {
		if (--looks == 0)
			return to_submit > 0 ? ret : -ETIME;
		sched_yield();
		ring_bell(0, ORING_ENTER_GETEVENTS);
	}
	return ret;
}

#define OFFSET(field) (uint32_t)((unsigned char *)&rings.field - (unsigned char *)&rings)

static int play_setup(struct oring_params *params)
{
	params->sq_entries = SQ_ENTRIES;
	params->cq_entries = CQ_ENTRIES;
	params->features =
		ORING_FEAT_SINGLE_MMAP | ORING_FEAT_EXT_ARG | (kind->drops ? 0 : ORING_FEAT_NODROP);
	params->sq_off.head = OFFSET(sq_head);
	params->sq_off.tail = OFFSET(sq_tail);
	params->sq_off.flags = OFFSET(sq_flags);
	params->sq_off.dropped = OFFSET(sq_dropped);
	params->sq_off.array = OFFSET(array);
	params->cq_off.head = OFFSET(cq_head);
	params->cq_off.tail = OFFSET(cq_tail);
	params->cq_off.flags = OFFSET(cq_flags);
	params->cq_off.overflow = OFFSET(cq_overflow);
	params->cq_off.cqes = (uint32_t)(rings.cqes - (unsigned char *)&rings);
	memset(&rings, 0, sizeof(rings));
	memset(sqes, 0, sizeof(sqes));
	memset(&kernel, 0, sizeof(kernel));
	kernel.flags = params->flags;
	kernel.drops = kind->drops;
	kernel.seed = 12345;
	kernel.sq_head = rings.sq_head = rings.sq_tail = ROUND_OFF;
	kernel.cq_tail = rings.cq_head = rings.cq_tail = ROUND_OFF + 3;
	return 1000; /* a descriptor that nothing has */
}

long oring_external_call(long nr, long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)e;
	switch (nr) {
	case SYS_NR_IO_URING_SETUP:
		return play_setup((struct oring_params *)b);
	case SYS_NR_IO_URING_ENTER:
		return play_enter((uint32_t)b, (uint32_t)c, (uint32_t)d);
	case SYS_NR_MMAP:
		return (uint64_t)f * SYS_MMAP_UNIT == ORING_OFF_SQES ? (long)sqes : (long)&rings;
	case SYS_NR_MUNMAP:
	case SYS_NR_MADVISE:
	case SYS_NR_CLOSE:
		return 0;
	default:
		return -ENOSYS;
	}
}

void oring_external_site(const char *file, int line)
{
	(void)file, (void)line;
}

/* ---- the program ---- */

/* Up to @n entries by one of the ways to reserve; how many. */
static uint32_t prepare_some(uint64_t number, uint32_t n, uint32_t *seed)
{
	const uint32_t words = sqe_bytes() / 8, way = random_of(seed) % 4;
	struct oring_sqe templates[4];
	uint32_t first, i;
	void *entry;

	if (way == 0 || ((kernel.flags & ORING_SETUP_SQE_MIXED) && is_large(number))) {
		bool large =
			words == 16 || (kernel.flags & ORING_SETUP_SQE_MIXED && is_large(number));

		entry = large ? (void *)oring_sq_reserve128(&ring) : oring_sq_reserve(&ring);
		if (entry != NULL)
			fill(entry, number, large ? 16 : words,
			     large && words == 8 ? ORING_OP_NOP128 : ORING_OP_NOP);
		return entry != NULL;
	}
	if (kernel.flags & ORING_SETUP_SQE_MIXED)
		n = 1;
	if (way == 1 && words == 8) { /* copies */
		for (i = 0; i < n; i++)
			fill(&templates[i], number + i, words, ORING_OP_NOP);
		return oring_sq_push_n(&ring, templates, n) == 0 ? n : 0;
	}
	if (way == 2) { /* one too many, and taken back */
		if (oring_sq_reserve_n(&ring, n + 1, &first) < 0)
			return 0;
		fill(oring_sq_at(&ring, first + n), ~number, words, ORING_OP_NOP);
		WRONG(oring_sq_unreserve(&ring, 1) != 0);
	} else if (oring_sq_reserve_n(&ring, n, &first) < 0) {
		return 0;
	}
	for (i = 0; i < n; i++)
		fill(oring_sq_at(&ring, first + i), number + i, words, ORING_OP_NOP);
	return n;
}

static uint32_t share_some(uint64_t number, uint32_t n, uint32_t *seed)
{
	struct oring_sqe templates[4];
	uint32_t first, i;

	if (random_of(seed) % 2) {
		for (i = 0; i < n; i++)
			fill(&templates[i], number + i, 8, ORING_OP_NOP);
		return oring_shared_push_n(&shared, templates, n) == 0 ? n : 0;
	}
	if (oring_shared_reserve_n(&shared, n, &first) < 0)
		return 0;
	for (i = 0; i < n; i++)
		fill(oring_sq_at(&ring, first + i), number + i, 8, ORING_OP_NOP);
	dawdle(seed);
	oring_shared_commit(&shared, first, n);
	return n;
}

static void go(uint32_t *seed)
{
	int ret;

	if (kind->senders > 1)
		ret = oring_shared_submit(&shared);
	else if (!(kernel.flags & ORING_SETUP_SQPOLL) || random_of(seed) % 2)
		ret = oring_submit(&ring);
	else
		ret = oring_sq_wait_space(&ring);
	WRONG(ret < 0 && ret != -EAGAIN && ret != -EBUSY);
}

/* Nothing more is sent until all was taken: a wake-up that was lost would not come later. */
static void settle(uint32_t *seed)
{
	time_t begin = time(NULL);

	while (oring_load_acquire(&rings.sq_head) != oring_load_relaxed(&rings.sq_tail) &&
	       !atomic_load(&failed)) {
		if (!(kernel.flags & ORING_SETUP_SQPOLL))
			go(seed);
		sched_yield();
		WRONG(late(begin));
	}
}

static void *submit(void *argument)
{
	uint64_t me = (uint64_t)(uintptr_t)argument, next = 0;
	uint32_t seed = (uint32_t)me + 1, n;

	my_bell = &bells[me];
	while (!atomic_load_explicit(&stop, memory_order_relaxed) && !atomic_load(&failed)) {
		n = random_of(&seed) % 4 + 1;
		n = kind->senders > 1 ? share_some(me << 48 | next, n, &seed)
				      : prepare_some(me << 48 | next, n, &seed);
		next += n;
		if (kind->senders == 1 && random_of(&seed) % 2)
			oring_sq_commit(&ring);
		if (n == 0 || random_of(&seed) % 2 || kind->senders > 1)
			go(&seed);
		if (n == 0)
			sched_yield();
		dawdle(&seed);
		if (random_of(&seed) % 16 == 0) {
			if (kind->senders == 1)
				oring_submit(&ring);
			settle(&seed);
		}
	}
	if (kind->senders == 1)
		oring_submit(&ring);
	settle(&seed);
	atomic_store(&sent[me], next);
	atomic_fetch_add(&ended, 1);
	return NULL;
}

struct books {
	uint64_t next[SENDERS], came, missing, wrong;
};

/* One completion: of the words that it has, all are right, and none before it is missing. */
static void book(struct books *books, const struct oring_cqe *cqe, const uint64_t *big)
{
	uint64_t number = cqe->user_data, sender = number >> 48, count = number & 0xffffffffffff;
	uint32_t flags = (uint32_t)(spread(number, 1) >> 32) & 0xffff0000;
	bool large = (kernel.flags & ORING_SETUP_CQE_MIXED) && is_large(number);

	flags |= large ? ORING_CQE_F_32 : 0;
	books->came++;
	if (sender >= SENDERS || count < books->next[sender] ||
	    cqe->res != (int32_t)spread(number, 1) || cqe->flags != flags) {
		books->wrong++;
		return;
	}
	books->missing += count - books->next[sender];
	books->next[sender] = count + 1;
	if (big != NULL && (large || (kernel.flags & ORING_SETUP_CQE32)))
		books->wrong += big[0] != spread(number, 2) || big[1] != spread(number, 3);
}

static const uint64_t *big_of(const struct oring_cqe *cqe)
{
	bool big = (kernel.flags & ORING_SETUP_CQE32) || (cqe->flags & ORING_CQE_F_32);

	return big ? (const uint64_t *)oring_cqe_big(cqe) : NULL;
}

static void reap(struct books *books, uint32_t *seed)
{
	uint32_t cursor, end, n, i;
	struct oring_cqe32 big[4];
	struct oring_cqe *cqe, few[4];

	switch (random_of(seed) % 6) {
	case 0:
		oring_cq_for_each (&ring, cursor, end, cqe)
			book(books, cqe, big_of(cqe));
		oring_cq_release_to(&ring, cursor);
		break;
	case 1:
		cqe = oring_cq_peek(&ring);
		if (cqe != NULL) {
			book(books, cqe, big_of(cqe));
			oring_cq_release(&ring);
		}
		break;
	case 2:
		if (oring_cq_take(&ring, few))
			book(books, few, NULL);
		break;
	case 3:
		n = oring_cq_copy(&ring, few, 4);
		for (i = 0; i < n; i++)
			book(books, &few[i], NULL);
		break;
	case 4:
		n = oring_cq_copy32(&ring, big, 4);
		for (i = 0; i < n; i++)
			book(books, &big[i].cqe, (const uint64_t *)big[i].big_cqe);
		break;
	default:
		cursor = oring_cq_begin(&ring);
		end = oring_cq_end(&ring);
		while ((cqe = oring_cq_run(&ring, &cursor, end, &n)) != NULL)
			for (i = 0; i < n; i++)
				book(books, &cqe[i], big_of(&cqe[i]));
		oring_cq_release_to(&ring, cursor);
	}
	if (oring_cq_overflowed(&ring))
		WRONG(oring_get_events(&ring) < 0);
}

static uint64_t total(void)
{
	uint64_t all = 0;
	int i;

	for (i = 0; i < SENDERS; i++)
		all += atomic_load(&sent[i]);
	return all;
}

static void reap_and_wait(struct books *books, uint32_t *seed)
{
	struct oring_wait_arg limit;
	int ret;

	oring_wait_relative(&limit, 0, 1000000);
	if (random_of(seed) % 4 == 0) {
		ret = oring_wait(&ring, random_of(seed) % 8 + 1, &limit);
		WRONG(ret < 0 && ret != -ETIME);
	}
	if (random_of(seed) % 64 == 0)
		usleep(random_of(seed) % 300); /* so that completions overflow */
	reap(books, seed);
}

static int run(uint64_t milliseconds)
{
	pthread_t kernel_thread, senders[SENDERS];
	struct timespec begin, now;
	struct books books;
	struct oring_params params;
	uint64_t lost, wraps;
	uint32_t seed = 99;
	uintptr_t i;
	time_t end;

	memset(&books, 0, sizeof(books));
	memset(&params, 0, sizeof(params));
	memset(bells, 0, sizeof(bells));
	params.flags = kind->flags;
	atomic_store(&stop, false);
	atomic_store(&ended, 0);
	atomic_store(&kernel_ends, false);
	my_bell = &bells[SENDERS];
	if (oring_init(&ring, SQ_ENTRIES, &params) < 0 ||
	    (kind->senders > 1 && oring_shared_init(&shared, &ring, committed) < 0))
		return 2;
	pthread_create(&kernel_thread, NULL, play_kernel, NULL);
	for (i = 0; i < SENDERS; i++)
		atomic_store(&sent[i], 0);
	for (i = 0; i < (uintptr_t)kind->senders; i++)
		pthread_create(&senders[i], NULL, submit, (void *)i);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		reap_and_wait(&books, &seed);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((uint64_t)((now.tv_sec - begin.tv_sec) * 1000 +
			    (now.tv_nsec - begin.tv_nsec) / 1000000) < milliseconds &&
		 !atomic_load(&failed));
	atomic_store(&stop, true);
	/* Those who wait for room get it. */
	for (end = time(NULL), lost = 0; !late(end);) {
		reap_and_wait(&books, &seed);
		lost = oring_cq_overflow_count(&ring);
		if (atomic_load(&ended) == kind->senders && books.came + lost == total())
			break;
	}
	for (i = 0; i < (uintptr_t)kind->senders; i++)
		pthread_join(senders[i], NULL);
	atomic_store(&kernel_ends, true);
	pthread_join(kernel_thread, NULL);
	/* What was lost at the end nobody could find missing. */
	for (i = 0; i < SENDERS; i++)
		books.missing += atomic_load(&sent[i]) - books.next[i];
	wraps = rings.sq_tail < ROUND_OFF && rings.cq_tail < ROUND_OFF;
	printf("%s: %lu sent, %lu came, %lu lost, %lu overflowed, %lu sleeps, %lu wrong, %lu "
	       "torn%s; ",
	       kind->name, (unsigned long)total(), (unsigned long)books.came, (unsigned long)lost,
	       (unsigned long)kernel.overflowed, (unsigned long)kernel.sleeps,
	       (unsigned long)books.wrong, (unsigned long)kernel.torn, wraps ? "" : ", no wrap");
	oring_exit(&ring);
	/* Losses are told, and there are some where the kernel may lose any. */
	return total() > 0 && books.came + lost == total() && books.missing == lost &&
			       (lost > 0) == kind->drops && books.wrong == 0 && kernel.torn == 0 &&
			       wraps && atomic_load(&failed) == 0
		       ? 0
		       : 1;
}

int main(int argc, char **argv)
{
	uint64_t seconds = (uint64_t)(argc > 1 ? atoi(argv[1]) : 2);
	int ret = 0;

	for (kind = kinds; ret == 0 && kind < kinds + sizeof(kinds) / sizeof(kinds[0]); kind++)
		ret = run(seconds * 1000 / 4 + 100);
	printf("failed in line %d\n", atomic_load(&failed));
	return ret;
}
