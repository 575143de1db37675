/* SPDX-License-Identifier: MIT */
/* One queue filled by several threads. Their race is tests/stress/stress_shared.c. */
#include "harness.h"

#include <pthread.h>
#include <sys/stat.h>

struct both {
	struct oring ring;
	struct oring_shared shared;
	uint32_t committed[8];
};

static void begin(struct both *both, uint32_t flags)
{
	require_ring(&both->ring, 8, flags);
	cr_assert_eq(oring_shared_init(&both->shared, &both->ring, both->committed), 0);
}

static uint32_t nops(struct both *both, uint32_t n, uint64_t identity)
{
	uint32_t first = 0, i;

	cr_assert_eq(oring_shared_reserve_n(&both->shared, n, &first), 0);
	for (i = 0; i < n; i++) {
		oring_prep_nop(oring_sq_at(&both->ring, first + i));
		oring_sqe_set_user_data(oring_sq_at(&both->ring, first + i), identity + i);
	}
	return first;
}

static struct oring_cqe next_completion(struct both *both)
{
	struct oring_wait_arg limit;
	struct oring_cqe cqe;

	oring_wait_relative(&limit, 10, 0);
	cr_assert_geq(oring_wait(&both->ring, 1, &limit), 1);
	cr_assert_eq(oring_cq_copy(&both->ring, &cqe, 1), 1);
	return cqe;
}

static uint64_t comes(struct both *both)
{
	struct oring_cqe cqe = next_completion(both);

	cr_assert_eq(cqe.res, 0);
	return cqe.user_data;
}

Test(shared, entries_behind_an_open_one_wait)
{
	struct both both;
	uint32_t early, late;

	begin(&both, 0);
	early = nops(&both, 1, 1);
	late = nops(&both, 2, 2);
	oring_shared_commit(&both.shared, late, 2);
	cr_assert_eq(oring_shared_submit(&both.shared), 0);
	cr_assert_eq(oring_get_events(&both.ring), 0);
	oring_shared_commit(&both.shared, early, 1);
	cr_assert_eq(oring_shared_submit(&both.shared), 3, "its commit let all go");
	cr_assert_eq(comes(&both), 1);
	cr_assert_eq(comes(&both), 2);
	cr_assert_eq(comes(&both), 3);
	cr_assert_eq(oring_shared_submit(&both.shared), 0);
	cr_assert_eq(oring_exit(&both.ring), 0);
}

Test(shared, all_slots_and_round_again)
{
	struct both both;
	struct oring_sqe prepared[8];
	uint32_t first = 99;
	int round, i;

	begin(&both, 0);
	cr_assert_eq(oring_shared_reserve_n(&both.shared, 0, &first), -EINVAL);
	cr_assert_eq(oring_shared_reserve_n(&both.shared, 9, &first), -EINVAL);
	for (round = 0; round < 20; round++) {
		oring_shared_commit(&both.shared, nops(&both, 3, 0), 3);
		cr_assert_eq(oring_shared_reserve_n(&both.shared, 6, &first), -EAGAIN);
		cr_assert_eq(first, 99, "untouched");
		for (i = 0; i < 5; i++) {
			oring_sqe_clear(&prepared[i]);
			oring_prep_nop(&prepared[i]);
			oring_sqe_set_user_data(&prepared[i], (uint64_t)(3 + i));
		}
		cr_assert_eq(oring_shared_push_n(&both.shared, prepared, 5), 0);
		cr_assert_eq(oring_shared_push_n(&both.shared, prepared, 1), -EAGAIN);
		cr_assert_eq(oring_shared_submit(&both.shared), 8);
		for (i = 0; i < 8; i++)
			cr_assert_eq(comes(&both), (uint64_t)i);
	}
	cr_assert_eq(oring_exit(&both.ring), 0);
}

Test(shared, counters_wrap)
{
	/* Of a ring that no kernel has: what is committed, as the kernel would see it. */
	struct both both;
	uint32_t i, head, first;

	begin(&both, 0);
	for (i = 0; i < 3; i++) {
		head = UINT32_MAX - 3 + 4 * i;
		both.ring.sq_reserved = head;
		both.ring.sq_committed = head;
		both.ring.sq_head = &head;
		both.ring.sq_tail = &both.ring.sq_committed;
		cr_assert_eq(oring_shared_init(&both.shared, &both.ring, both.committed), 0);
		first = nops(&both, 8, 0);
		cr_assert_eq(first, head);
		cr_assert_eq(oring_shared_reserve_n(&both.shared, 1, &first), -EAGAIN);
		oring_shared_commit(&both.shared, head, 8);
		cr_assert_eq(both.ring.sq_committed, head + 8);
	}
	oring_exit(&both.ring);
}

Test(shared, rings_that_belong_to_one_thread)
{
	static const uint32_t flags[] = { ORING_SETUP_SINGLE_ISSUER,
					  ORING_SETUP_SQ_REWIND | ORING_SETUP_NO_SQARRAY,
					  ORING_SETUP_SQE_MIXED };
	struct oring_params params;
	uint32_t committed[8];
	struct oring_shared shared;
	struct oring ring;
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		memset(&params, 0, sizeof(params));
		params.flags = flags[i];
		if (oring_init(&ring, 8, &params) < 0)
			continue; /* not on this kernel; plain SINGLE_ISSUER is below */
		cr_assert_eq(oring_shared_init(&shared, &ring, committed), -EINVAL);
		cr_assert_eq(oring_exit(&ring), 0);
	}
	cr_assert_eq(oring_shared_init(&shared, &ring, committed), -EBADF, "closed");
	require_ring(&ring, 8, 0);
	oring_prep_nop(oring_sq_reserve(&ring));
	cr_assert_eq(oring_shared_init(&shared, &ring, committed), -EBUSY);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	oring_cq_release(&ring);
	cr_assert_eq(oring_shared_init(&shared, &ring, committed), 0);
	cr_assert_eq(oring_exit(&ring), 0);
}

struct request {
	struct both *both;
	const char *fifo; /* opened if not NULL, which a kernel worker does */
	int fd;		  /* else read from */
	char byte;
};

static void *submit_one(void *argument)
{
	struct request *request = argument;
	uint32_t first = 0;
	struct oring_sqe *sqe;

	if (oring_shared_reserve_n(&request->both->shared, 1, &first) < 0)
		return NULL;
	sqe = oring_sq_at(&request->both->ring, first);
	if (request->fifo != NULL) {
		oring_prep_openat(sqe, ORING_AT_FDCWD, request->fifo, O_RDONLY | O_CLOEXEC, 0);
		oring_sqe_async(sqe);
	} else {
		oring_prep_read(sqe, oring_file_fd(request->fd), &request->byte, 1, 0);
	}
	oring_sqe_set_user_data(sqe, 42);
	oring_shared_commit(&request->both->shared, first, 1);
	oring_shared_submit(&request->both->shared);
	if (request->fifo != NULL)
		usleep(20000); /* so that the worker is at it */
	return NULL;
}

static void submit_and_end(struct request *request)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, submit_one, request), 0);
	pthread_join(thread, NULL);
}

static int result(struct both *both)
{
	struct oring_cqe cqe = next_completion(both);

	cr_assert_eq(cqe.user_data, 42);
	cr_assert_eq(oring_cq_ready(&both->ring), 0, "it alone");
	return cqe.res;
}

Test(shared, requests_of_a_thread_that_ends, .timeout = TEST_SECONDS)
{
	char dir[] = "/tmp/oring_XXXXXX", fifo[64];
	struct request request;
	struct both both;
	int ends[2], ret;

	begin(&both, 0);
	cr_assert_eq(pipe(ends), 0);
	memset(&request, 0, sizeof(request));
	request.both = &both;
	request.fd = ends[0];
	submit_and_end(&request);
	usleep(1000);
	cr_assert_eq(oring_get_events(&both.ring), 0);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(result(&both), -ECANCELED, "not before now");
	cr_assert_eq(read(ends[0], &request.byte, 1), 1, "it has taken nothing");
	close(ends[0]);
	close(ends[1]);

	cr_assert_not_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	request.fifo = fifo;
	submit_and_end(&request);
	ret = result(&both);
	/* An open that was interrupted shows the number that the kernel uses inside. */
	cr_assert(ret == -ECANCELED || ret == -EINTR || ret == -512, "%d", ret);
	unlink(fifo);
	rmdir(dir);
	cr_assert_eq(oring_exit(&both.ring), 0);
}
