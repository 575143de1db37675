/* SPDX-License-Identifier: MIT */
/*
 * A storm of signals into every kind of waiting call, for the seconds given: each
 * ends with what its header says, and every entry that was consumed completes once,
 * in order.
 */
#include "stress.h"

/* Rings whose completions are not made as soon as a timer expires. */
#define PUT_OFF (ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_SQPOLL)

static pthread_t target;
static atomic_bool stop;
static atomic_ulong handled, sent;

static void handle(int number)
{
	(void)number;
	atomic_fetch_add_explicit(&handled, 1, memory_order_relaxed);
}

static void *storm(void *unused)
{
	uint32_t seed = 3;

	while (!atomic_load(&stop)) {
		MUST(pthread_kill(target, SIGUSR1) == 0, "kill");
		atomic_fetch_add(&sent, 1);
		if (random_of(&seed) % 4)
			usleep(random_of(&seed) % 200);
	}
	return unused;
}

/* Consumed and completed; timers have numbers of their own, without an order. */
struct books {
	uint64_t made, came, timers, timers_came, interrupted, timed_out, early;
};

static void reap(struct oring *ring, struct books *books)
{
	uint32_t cursor, end;
	struct oring_cqe *cqe;

	oring_cq_for_each (ring, cursor, end, cqe) {
		if (cqe->user_data == ~0ULL) {
			MUST(cqe->res == -ETIME, "%d", cqe->res);
			books->timers_came++;
		} else {
			MUST(cqe->user_data == books->came, "%llu for %llu",
			     (unsigned long long)cqe->user_data, (unsigned long long)books->came);
			books->came++;
		}
	}
	oring_cq_release_to(ring, cursor);
}

static void prepare(struct oring *ring, struct books *books, uint32_t *seed)
{
	static const struct oring_timespec soon = { 0, 400000 };
	uint32_t n = random_of(seed) % 4;
	struct oring_sqe *sqe;

	while (n-- > 0 && (sqe = oring_sq_reserve(ring)) != NULL) {
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, books->made++);
	}
	if (books->timers - books->timers_came < 4 && (sqe = oring_sq_reserve(ring)) != NULL) {
		oring_prep_timeout(sqe, &soon, 0, 0);
		oring_sqe_set_user_data(sqe, ~0ULL);
		books->timers++;
	}
}

static void wait_once(struct oring *ring, struct books *books, uint32_t *seed)
{
	static const uint64_t all_blocked = ~0ULL;
	uint32_t want = random_of(seed) % 4, pending;

	struct oring_outcome outcome;
	struct oring_wait_arg limit;
	bool early;
	int ret = 0;

	/* The polling thread may have taken any number of them. */
	pending = oring_setup_flags(ring) & ORING_SETUP_SQPOLL ? 0 : oring_sq_pending(ring);
	oring_wait_relative(&limit, 0, (int64_t)(random_of(seed) % 2000) * 1000);
	if (random_of(seed) % 4 == 0)
		limit.sigmask = &all_blocked;
	switch (random_of(seed) % 6) {
	case 0:
		ret = oring_submit(ring);
		MUST(ret >= 0, "submit: %d", ret);
		break;
	case 1:
		/* A timer ends it, if nothing else does. */
		want = books->timers > books->timers_came;
		ret = oring_submit_and_wait(ring, want);
		MUST(ret >= 0 || (ret == -EINTR && pending == 0), "submit and wait: %d", ret);
		break;
	case 2:
		ret = oring_submit_and_wait_timeout(ring, want, &limit, &outcome);
		MUST(ret >= 0 || ((ret == -EINTR || ret == -ETIME) && pending == 0),
		     "submit and wait with a limit: %d, %u pending", ret, pending);
		MUST(ret >= 0 ? outcome.submitted == (uint32_t)ret && outcome.error == 0
			      : outcome.error == ret,
		     "outcome");
		break;
	case 3:
		ret = oring_wait(ring, want, &limit);
		MUST(ret >= 0 || ret == -EINTR || ret == -ETIME, "wait: %d", ret);
		/* A timer ended it whose completion waits for the next enter, or for the thread. */
		early = ret == 0 && want > 0;
		MUST(!early || ((oring_setup_flags(ring) & PUT_OFF) &&
				books->timers > books->timers_came),
		     "nothing, and no reason");
		books->early += early;
		break;
	case 4:
		ret = oring_get_events(ring);
		MUST(ret >= 0 || ret == -EINTR, "get events: %d", ret);
		break;
	default:
		if (oring_setup_flags(ring) & ORING_SETUP_SQPOLL) {
			ret = oring_sq_wait_space(ring);
			MUST(ret > 0 || ret == -EINTR, "wait for space: %d", ret);
		}
	}
	books->interrupted += ret == -EINTR;
	books->timed_out += ret == -ETIME;
}

static void run(const char *name, uint64_t time, uint32_t flags)
{
	uint64_t until = milliseconds() + time;
	struct books books;
	struct oring ring;
	pthread_t thread;
	uint32_t seed = 5;

	memset(&books, 0, sizeof(books));
	atomic_store(&stop, false);
	make_ring(&ring, 8, flags, 256);
	MUST(pthread_create(&thread, NULL, storm, NULL) == 0, "thread");
	while (milliseconds() < until) {
		if (oring_sq_pending(&ring) == 0 || random_of(&seed) % 2)
			prepare(&ring, &books, &seed);
		wait_once(&ring, &books, &seed);
		reap(&ring, &books);
	}
	while (books.came < books.made || books.timers_came < books.timers) {
		int ret = oring_submit_and_wait(&ring, 1);

		MUST(ret >= 0 || ret == -EINTR, "%d", ret);
		reap(&ring, &books);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	MUST(oring_cq_ready(&ring) == 0 && oring_get_events(&ring) == 0, "more came than was made");
	MUST(books.came > 0 && books.timers_came > 0, "nothing came");
	MUST(oring_exit(&ring) == 0, "exit");
	printf("%s: %llu nops, %llu timers, %llu interrupted, %llu timed out, %llu by a timer to "
	       "come; ",
	       name, (unsigned long long)books.came, (unsigned long long)books.timers_came,
	       (unsigned long long)books.interrupted, (unsigned long long)books.timed_out,
	       (unsigned long long)books.early);
	MUST(books.interrupted > 0, "the storm was none");
}

int main(int argc, char **argv)
{
	uint64_t third = begin(argc, argv) * 1000 / 3;
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = handle;
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	target = pthread_self();
	run("plain", third, 0);
	run("deferred", third, ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN);
	run("polled", third, ORING_SETUP_SQPOLL);
	printf("%lu signals, %lu handled\n", atomic_load(&sent), atomic_load(&handled));
	return 0;
}
