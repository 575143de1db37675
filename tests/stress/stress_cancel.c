/* SPDX-License-Identifier: MIT */
/*
 * Cancels race with completions, for the seconds given: a thread writes words into
 * pairs of sockets, receives are in flight on each, and are cancelled by identity,
 * by descriptor, by operation and from a register call. Each completes exactly once, while its
 * handle is still the one that was given out; each cancel completes too; a receive
 * that was cancelled took nothing, so no word is lost or out of order.
 */
#include "stress.h"

#define PAIRS	4
#define RECORDS 32
#define OP_RECV 1
#define OP_STOP 2

struct record {
	uint64_t word;
	uint32_t pair;
};

static struct oring ring;
static struct oring_pool pool;
static int pairs[PAIRS][2];
static atomic_bool stop;
static atomic_ulong written[PAIRS];
static struct {
	uint64_t issued, cancelled, received[PAIRS], stops, stopped, found, nothing, late;
	uint32_t flying;
	oring_context newest[PAIRS];
	bool has[PAIRS]; /* one receive for each pair: the order is the words' */
} books;

static void *write_words(void *unused)
{
	uint64_t next[PAIRS] = { 0 };
	uint32_t seed = 11, i;

	while (!atomic_load(&stop)) {
		i = random_of(&seed) % PAIRS;
		if (send(pairs[i][0], &next[i], 8, MSG_DONTWAIT) == 8)
			atomic_store(&written[i], ++next[i]);
		if (random_of(&seed) % 8 == 0)
			usleep(random_of(&seed) % 100);
	}
	return unused;
}

static struct record *acquire(uint8_t op, oring_context *handle)
{
	struct oring_sqe *record;

	if (oring_pool_acquire(&pool, op, handle, &record) < 0)
		return NULL;
	books.flying++;
	return (struct record *)oring_pool_extra(record);
}

static void receive(uint32_t pair)
{
	struct record *record;
	struct oring_sqe *sqe;
	oring_context handle;

	record = acquire(OP_RECV, &handle);
	if (record == NULL)
		return;
	record->word = ~0ULL;
	record->pair = pair;
	sqe = entry(&ring);
	oring_prep_recv(sqe, oring_file_fd(pairs[pair][1]), &record->word, 8, 0);
	oring_sqe_set_context(sqe, handle);
	books.newest[pair] = handle;
	books.has[pair] = true;
	books.issued++;
}

/* The word of a pair, by one of the ways; with what is in flight or no more. */
static void cancel(uint32_t pair, uint32_t *seed)
{
	struct oring_sync_cancel_reg now;
	struct oring_sqe *sqe;
	oring_context handle;
	uint32_t way = random_of(seed) % 5;
	int ret;

	if (way == 4) {
		memset(&now, 0, sizeof(now));
		now.addr = books.newest[pair].bits;
		now.fd = -1;
		now.timeout.tv_sec = now.timeout.tv_nsec = -1;
		/* What was not submitted is not found. */
		MUST((ret = oring_submit(&ring)) >= 0, "%d", ret);
		ret = oring_register_sync_cancel(&ring, &now);
		MUST(ret == 0 || ret == -ENOENT || ret == -EALREADY, "%d", ret);
		books.late++;
		return;
	}
	if (acquire(OP_STOP, &handle) == NULL)
		return;
	sqe = entry(&ring);
	if (way == 0)
		oring_prep_async_cancel_file(sqe, oring_file_fd(pairs[pair][1]),
					     ORING_ASYNC_CANCEL_ALL);
	else if (way == 1)
		oring_prep_async_cancel_op(sqe, ORING_OP_RECV, 0);
	else
		oring_prep_async_cancel(sqe, books.newest[pair], 0);
	oring_sqe_set_context(sqe, handle);
	books.stops++;
}

static void got(const struct oring_cqe *cqe)
{
	oring_context handle = oring_cqe_context(cqe);
	struct oring_sqe *found = oring_pool_retire(&pool, handle);
	struct record *record;

	MUST(found != NULL, "a completion of nothing in flight: %llx",
	     (unsigned long long)cqe->user_data);
	MUST(oring_pool_lookup(&pool, handle) == NULL, "the handle of a request that has ended");
	books.flying--;
	if (oring_context_op(handle) == OP_STOP) {
		MUST(cqe->res >= 0 || cqe->res == -ENOENT || cqe->res == -EALREADY, "%d", cqe->res);
		books.stopped++;
		books.found += cqe->res >= 0;
		books.nothing += cqe->res == -ENOENT;
		return;
	}
	record = (struct record *)oring_pool_extra(found);
	MUST(record->pair < PAIRS && books.has[record->pair], "retired twice");
	books.has[record->pair] = false;
	if (cqe->res == 8) {
		MUST(record->word == books.received[record->pair], "word %llu for %llu",
		     (unsigned long long)record->word,
		     (unsigned long long)books.received[record->pair]);
		books.received[record->pair]++;
	} else {
		MUST(cqe->res == -ECANCELED, "%d", cqe->res);
		MUST(record->word == ~0ULL, "cancelled, and something was written");
		books.cancelled++;
	}
}

static void reap(uint32_t want)
{
	struct oring_wait_arg limit;
	struct oring_cqe cqe;
	int ret;

	oring_wait_relative(&limit, 0, 1000000);
	ret = oring_submit_and_wait_timeout(&ring, want, &limit, NULL);
	MUST(ret >= 0 || ret == -ETIME, "%d", ret);
	while (oring_cq_take(&ring, &cqe))
		got(&cqe);
}

static void run(const char *name, uint64_t time, uint32_t flags)
{
	uint64_t until = milliseconds() + time, words = 0, left;
	void *memory = aligned_alloc(64, oring_pool_size(RECORDS, sizeof(struct record)));
	pthread_t writer;
	uint32_t seed = 9, i;

	memset(&books, 0, sizeof(books));
	atomic_store(&stop, false);
	make_ring(&ring, 16, flags, 0);
	MUST(memory != NULL &&
		     oring_pool_init(&pool, memory, oring_pool_size(RECORDS, sizeof(struct record)),
				     RECORDS, sizeof(struct record)) == 0,
	     "pool");
	for (i = 0; i < PAIRS; i++) {
		atomic_store(&written[i], 0);
		books.newest[i] = oring_context_from_bits(~0ULL);
		MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pairs[i]) == 0, "pair");
	}
	MUST(pthread_create(&writer, NULL, write_words, NULL) == 0, "thread");
	while (milliseconds() < until) {
		i = random_of(&seed) % PAIRS;
		if (!books.has[i])
			receive(i);
		else if (random_of(&seed) % 2)
			cancel(i, &seed);
		if (random_of(&seed) % 2)
			reap(random_of(&seed) % 2);
	}
	atomic_store(&stop, true);
	pthread_join(writer, NULL);
	for (i = 0; i < PAIRS; i++)
		while (books.has[i]) {
			cancel(i, &seed);
			reap(1);
		}
	while (books.flying > 0)
		reap(1);
	MUST(oring_pool_available(&pool) == RECORDS, "records");
	for (i = 0; i < PAIRS; i++) {
		/* What no receive took lies in the socket. */
		while (recv(pairs[i][1], &left, 8, MSG_DONTWAIT) == 8)
			MUST(left == books.received[i]++, "a word is lost");
		MUST(books.received[i] == written[i], "%llu of %lu words",
		     (unsigned long long)books.received[i], written[i]);
		words += books.received[i];
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	MUST(books.stops == books.stopped, "cancels");
	MUST(words > 0 && books.cancelled > 0 && books.found > 0, "no race");
	MUST(oring_exit(&ring) == 0, "exit");
	free(memory);
	printf("%s: %llu receives, %llu cancelled, %llu words, %llu cancels found it, %llu "
	       "nothing, %llu at once; ",
	       name, (unsigned long long)books.issued, (unsigned long long)books.cancelled,
	       (unsigned long long)words, (unsigned long long)books.found,
	       (unsigned long long)books.nothing, (unsigned long long)books.late);
}

int main(int argc, char **argv)
{
	uint64_t third = begin(argc, argv) * 1000 / 3;

	run("plain", third, 0);
	run("deferred", third, ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN);
	run("polled", third, ORING_SETUP_SQPOLL);
	printf("\n");
	return 0;
}
