/* SPDX-License-Identifier: MIT */
/*
 * A ring is given other sizes, again and again for the seconds given, while two
 * threads post completions to it (by messages from rings of their own, and by such
 * without a ring) and its own entries and timers complete. Everything arrives once,
 * and messages and NOPs in their order, whatever moved while it came.
 */
#include "stress.h"

#define SENDERS 2
#define TIMERS	4
#define FLAGS	(ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_NO_SQARRAY)
#define NOP	SENDERS
#define TIMER	(SENDERS + 1)

static struct oring ring;
static atomic_bool stop;
static atomic_ulong sent[SENDERS];
static atomic_int ended;
static pthread_barrier_t made;

static void *post(void *argument)
{
	uint64_t me = (uint64_t)(uintptr_t)argument, number = 0;
	int fd = oring_fd(&ring);
	struct oring_cqe cqe;
	struct oring own;
	int ret;

	make_ring(&own, 4, 0, 0);
	/* A sanitizer does not see the owner unmap: no other mapping may come where its were. */
	pthread_barrier_wait(&made);
	while (!atomic_load(&stop)) {
		oring_context context = oring_context_from_bits(me << 48 | number);

		if (me == 0) {
			ret = oring_wake_ring(fd, context);
		} else {
			oring_prep_msg_ring(entry(&own), oring_file_fd(fd), context, 0, 0);
			MUST(oring_submit_and_wait(&own, 1) == 1, "submit");
			MUST(oring_cq_copy(&own, &cqe, 1) == 1, "no completion");
			ret = cqe.res;
		}
		MUST(ret == 0 || ret == -EOVERFLOW, "%d", ret);
		number += ret == 0;
		if (number % 64 == 0)
			usleep(200);
	}
	atomic_store(&sent[me], number);
	atomic_fetch_add(&ended, 1);
	oring_exit(&own);
	return NULL;
}

struct books {
	uint64_t made[TIMER + 1], came[TIMER + 1];
};

static void reap(struct books *books)
{
	uint32_t cursor, end;
	struct oring_cqe *cqe;

	oring_cq_for_each (&ring, cursor, end, cqe) {
		uint64_t who = cqe->user_data >> 48, number = cqe->user_data & 0xffffffffffff;

		MUST(who <= TIMER, "%llx", (unsigned long long)cqe->user_data);
		MUST(cqe->res == (who == TIMER ? -ETIME : 0), "%d", cqe->res);
		MUST(who == TIMER || number == books->came[who], "%llu: %llu for %llu",
		     (unsigned long long)who, (unsigned long long)number,
		     (unsigned long long)books->came[who]);
		books->came[who]++;
	}
	oring_cq_release_to(&ring, cursor);
	if (oring_cq_overflowed(&ring))
		MUST(oring_get_events(&ring) >= 0, "events");
}

static void load(struct books *books, uint32_t *seed)
{
	static const struct oring_timespec soon = { 0, 300000 };
	uint32_t n = random_of(seed) % 4;
	struct oring_sqe *sqe;

	while (n-- > 0 && (sqe = oring_sq_reserve(&ring)) != NULL) {
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, (uint64_t)NOP << 48 | books->made[NOP]++);
	}
	if (books->made[TIMER] - books->came[TIMER] < TIMERS &&
	    (sqe = oring_sq_reserve(&ring)) != NULL) {
		oring_prep_timeout(sqe, &soon, 0, 0);
		oring_sqe_set_user_data(sqe, (uint64_t)TIMER << 48 | books->made[TIMER]++);
	}
}

/* Whether it was resized. */
static bool resize(uint32_t *seed)
{
	uint32_t sq = 4U << random_of(seed) % 5, cq = sq << random_of(seed) % 4;
	int ret;

	oring_sq_commit(&ring);
	ret = oring_resize(&ring, sq, cq);
	if (ret == -EINVAL) {
		printf("no resizing here\n");
		exit(STRESS_SKIP);
	}
	MUST(ret == 0 || ret == -EOVERFLOW, "%s", strerror(-ret));
	MUST(ret != 0 || (oring_sq_entries(&ring) == sq && oring_cq_entries(&ring) == cq), "size");
	return ret == 0;
}

int main(int argc, char **argv)
{
	uint64_t until = begin(argc, argv) * 1000 + milliseconds(), resized = 0, refused = 0;
	uint32_t seed = 7, i;
	pthread_t threads[SENDERS];
	struct oring_wait_arg limit;
	struct books books;
	int quiet = 0, ret;

	memset(&books, 0, sizeof(books));
	make_ring(&ring, 8, FLAGS, 0);
	pthread_barrier_init(&made, NULL, SENDERS + 1);
	for (i = 0; i < SENDERS; i++)
		MUST(pthread_create(&threads[i], NULL, post, (void *)(uintptr_t)i) == 0, "thread");
	pthread_barrier_wait(&made);
	oring_wait_relative(&limit, 0, 2000000);
	while (milliseconds() < until) {
		load(&books, &seed);
		if (random_of(&seed) % 2) {
			bool done = resize(&seed);

			resized += done;
			refused += !done;
		}
		ret = oring_submit_and_wait_timeout(&ring, random_of(&seed) % 2, &limit, NULL);
		MUST(ret >= 0 || ret == -ETIME || ret == -EBUSY, "%d", ret);
		if (random_of(&seed) % 4)
			reap(&books);
	}
	atomic_store(&stop, true);
	while (quiet < 20 || atomic_load(&ended) < SENDERS) {
		ret = oring_submit_and_wait_timeout(&ring, 1, &limit, NULL);
		quiet = ret == -ETIME ? quiet + 1 : 0;
		reap(&books);
	}
	for (i = 0; i < SENDERS; i++) {
		pthread_join(threads[i], NULL);
		books.made[i] = sent[i];
	}
	for (i = 0; i <= TIMER; i++)
		MUST(books.made[i] == books.came[i] && books.came[i] > 0,
		     "%u: %llu made, %llu came", i, (unsigned long long)books.made[i],
		     (unsigned long long)books.came[i]);
	MUST(resized > 0, "never resized");
	MUST(oring_cq_overflow_count(&ring) == 0, "lost");
	MUST(oring_exit(&ring) == 0, "exit");
	printf("%llu resized, %llu refused, %llu and %llu messages, %llu nops, %llu timers\n",
	       (unsigned long long)resized, (unsigned long long)refused,
	       (unsigned long long)books.came[0], (unsigned long long)books.came[1],
	       (unsigned long long)books.came[NOP], (unsigned long long)books.came[TIMER]);
	return 0;
}
