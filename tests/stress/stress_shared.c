/* SPDX-License-Identifier: MIT */
/*
 * Four threads submit to one ring, a fifth reaps, for the seconds given and until
 * each has sent something; then the same with SQPOLL. Every identity comes back exactly once, in the order of
 * its thread's submissions where the kernel keeps one; chains are not torn: the
 * first entry of each fails, so the others of the same chain must be cancelled
 * and nothing else.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <oring.h>

#define THREADS 4
#define ENTRIES 16

static struct oring ring;
static struct oring_shared shared;
static uint32_t committed[ENTRIES];
static atomic_bool stop;
static atomic_ulong sent[THREADS], pushed;
static atomic_int failed;

/* Identities: thread 8 bits, place in the chain 4, length of the chain 4, number 48. */
static uint64_t identity(uint64_t thread, uint64_t place, uint64_t length, uint64_t number)
{
	return thread << 56 | place << 52 | length << 48 | number;
}

/* A chain of @n whose first entry fails; of one, an entry that succeeds. */
static void prepare(uint32_t first, uint32_t n, uint64_t thread, uint64_t number)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct oring_sqe *sqe = oring_sq_at(&ring, first + i);

		oring_prep_nop(sqe);
		if (n > 1 && i == 0) /* no such file */
			oring_prep_fsync(sqe, oring_file_fd(-1), 0);
		if (i + 1 < n)
			oring_sqe_link(sqe);
		oring_sqe_set_user_data(sqe, identity(thread, i, n, number + i));
	}
}

static void *submit(void *argument)
{
	uint64_t thread = (uint64_t)(uintptr_t)argument, next = 0;
	unsigned int seed = (unsigned int)thread;
	struct oring_sqe one;

	while (!atomic_load(&stop)) {
		uint32_t n = (uint32_t)rand_r(&seed) % 5 + 1, first;
		int ret;

		if (n == 5) { /* a copy of a prepared one */
			oring_sqe_clear(&one);
			oring_prep_nop(&one);
			oring_sqe_set_user_data(&one, identity(thread, 0, 1, next));
			n = 1;
			ret = oring_shared_push_n(&shared, &one, 1);
		} else {
			ret = oring_shared_reserve_n(&shared, n, &first);
			if (ret == 0) {
				prepare(first, n, thread, next);
				oring_shared_commit(&shared, first, n);
			}
		}
		if (ret == 0)
			next += n;
		else /* full: on a busy machine the kernel's thread needs the processor */
			sched_yield();
		atomic_store(&sent[thread], next);
		ret = oring_shared_submit(&shared);
		if (ret < 0)
			atomic_store(&failed, ret);
	}
	atomic_fetch_add(&pushed, next);
	return NULL;
}

static int wrong(const struct oring_cqe *cqe, uint64_t *seen)
{
	uint64_t thread = cqe->user_data >> 56, number = cqe->user_data & 0xffffffffffff;
	uint32_t place = cqe->user_data >> 52 & 15, length = cqe->user_data >> 48 & 15;
	int expected = length == 1 ? 0 : place == 0 ? -EBADF : -ECANCELED;

	if (thread >= THREADS || cqe->res != expected)
		return 1;
	/* Of a chain that fails the kernel may post the first one last. */
	seen[thread] += number;
	return 0;
}

static uint64_t reap(uint64_t *seen, uint64_t *errors)
{
	uint64_t came = 0;
	uint32_t cursor, end;
	struct oring_cqe *cqe;

	oring_cq_for_each (&ring, cursor, end, cqe) {
		*errors += (uint64_t)wrong(cqe, seen);
		came++;
	}
	oring_cq_release_to(&ring, cursor);
	return came;
}

/* A minute is the limit: a thread that could not send until then is starved. */
static bool goes_on(time_t until)
{
	time_t now = time(NULL);
	int i;

	for (i = 0; i < THREADS && sent[i] > 0; i++)
		;
	return now < until || (i < THREADS && now < until + 60);
}

static int run(int seconds, uint32_t flags)
{
	time_t until = time(NULL) + seconds;
	uint64_t came = 0, errors = 0, seen[THREADS] = { 0 };
	struct oring_params params;
	struct oring_wait_arg limit;
	pthread_t threads[THREADS];
	uintptr_t i;
	int ok = 1;

	memset(&params, 0, sizeof(params));
	params.flags = flags | ORING_SETUP_SUBMIT_ALL | ORING_SETUP_CQSIZE;
	params.cq_entries = 256;
	params.sq_thread_idle = 1;
	atomic_store(&stop, false);
	atomic_store(&pushed, 0);
	for (i = 0; i < THREADS; i++)
		atomic_store(&sent[i], 0);
	if (oring_init(&ring, ENTRIES, &params) < 0 ||
	    oring_shared_init(&shared, &ring, committed) < 0)
		return 2;
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, submit, (void *)i);
	oring_wait_relative(&limit, 0, 50000000);
	while (goes_on(until)) {
		oring_wait(&ring, 1, &limit);
		came += reap(seen, &errors);
	}
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++) {
		/* Reaped meanwhile, so that nobody waits for room for ever. */
		pthread_join(threads[i], NULL);
	}
	/* Entries whose submission was short go now. */
	for (i = 0; i < 400 && came < pushed; i++) {
		oring_shared_submit(&shared);
		oring_wait(&ring, 1, &limit);
		came += reap(seen, &errors);
	}
	for (i = 0; i < THREADS; i++)
		ok &= sent[i] > 0 && seen[i] == sent[i] * (sent[i] - 1) / 2;
	printf("%lu sent, %lu came, %lu wrong, submitting failed with %d, threads %s; ", pushed,
	       (unsigned long)came, (unsigned long)errors, failed, ok ? "agree" : "do not agree");
	oring_exit(&ring);
	return ok && !failed && came == pushed && errors == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 2;
	int plain = run(seconds, 0);
	int polled = run(seconds, ORING_SETUP_SQPOLL);

	printf("\n");
	return plain != 0 ? plain : polled;
}
