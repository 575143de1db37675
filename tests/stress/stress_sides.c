/* SPDX-License-Identifier: MIT */
/*
 * One thread submits while another reaps the same ring, for the seconds given:
 * each identity comes back once, in order for NOPs, and the two sides share no
 * field that one of them writes (a thread sanitizer would tell).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <oring.h>

static struct oring ring;
static atomic_bool stop;
static atomic_ulong sent;

static void *submit(void *unused)
{
	uint64_t next = 0;

	(void)unused;
	while (!atomic_load(&stop)) {
		struct oring_sqe *sqe;

		while ((sqe = oring_sq_reserve(&ring)) == NULL)
			oring_submit(&ring);
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, next++);
	}
	while (oring_sq_pending(&ring) > 0)
		oring_submit(&ring);
	atomic_store(&sent, next);
	return NULL;
}

/* Reap until nothing comes for a tenth of a second; returns how many came. */
static uint64_t reap(uint64_t came, uint64_t *wrong)
{
	struct oring_wait_arg limit;

	oring_wait_relative(&limit, 0, 100000000);
	while (oring_wait(&ring, 1, &limit) > 0) {
		uint32_t cursor, end;
		struct oring_cqe *cqe;

		oring_cq_for_each (&ring, cursor, end, cqe)
			*wrong += cqe->user_data != came++;
		oring_cq_release_to(&ring, cursor);
	}
	return came;
}

int main(int argc, char **argv)
{
	time_t until = time(NULL) + (argc > 1 ? atoi(argv[1]) : 2);
	uint64_t came = 0, wrong = 0;
	pthread_t thread;

	if (oring_init(&ring, 64, NULL) < 0)
		return 2;
	pthread_create(&thread, NULL, submit, NULL);
	while (time(NULL) < until) {
		uint32_t cursor, end;
		struct oring_cqe *cqe;

		oring_cq_for_each (&ring, cursor, end, cqe)
			wrong += cqe->user_data != came++;
		oring_cq_release_to(&ring, cursor);
		if (oring_cq_overflowed(&ring))
			oring_get_events(&ring);
	}
	atomic_store(&stop, true);
	came = reap(came, &wrong);
	pthread_join(thread, NULL);
	came = reap(came, &wrong);
	oring_exit(&ring);
	printf("%lu sent, %lu came, %lu wrong\n", sent, (unsigned long)came, (unsigned long)wrong);
	return sent > 0 && came == sent && wrong == 0 ? 0 : 1;
}
