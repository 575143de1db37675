/* SPDX-License-Identifier: MIT */
/*
 * A ring used by a 32-bit program: identities above 2^32, pointers in 64-bit
 * fields, 64-bit times. Prints ok.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <oring.h>

#define HIGH ((uint64_t)0xfedcba9800000000)

static struct oring ring;

static void expect(long long got, long long wanted, const char *what)
{
	if (got == wanted)
		return;
	printf("%s: %lld, not %lld\n", what, got, wanted);
	exit(1);
}

static struct oring_sqe *reserve(uint64_t identity)
{
	struct oring_sqe *sqe = oring_sq_reserve(&ring);

	expect(sqe != NULL, 1, "oring_sq_reserve");
	oring_sqe_set_user_data(sqe, identity);
	return sqe;
}

/* Submit one entry; the result of its completion, which must carry @identity. */
static int result_of(uint64_t identity)
{
	struct oring_cqe cqe;

	expect(oring_submit_and_wait(&ring, 1), 1, "oring_submit_and_wait");
	expect(oring_cq_copy(&ring, &cqe, 1), 1, "oring_cq_copy");
	expect((int64_t)cqe.user_data, (int64_t)identity, "identity");
	return cqe.res;
}

static void nops(void)
{
	uint64_t i;

	for (i = 0; i < 20; i++) {
		oring_prep_nop(reserve(HIGH + i));
		expect(result_of(HIGH + i), 0, "nop");
	}
}

static void pipe_through_the_ring(void)
{
	static const char text[] = "through a 32-bit pointer";
	char buf[sizeof(text)] = "";
	int ends[2];

	expect(pipe(ends), 0, "pipe");
	oring_prep_write(reserve(HIGH + 1), oring_file_fd(ends[1]), text, sizeof(text), 0);
	expect(result_of(HIGH + 1), sizeof(text), "write");
	oring_prep_read(reserve(HIGH + 2), oring_file_fd(ends[0]), buf, sizeof(buf), 0);
	expect(result_of(HIGH + 2), sizeof(text), "read");
	expect(memcmp(buf, text, sizeof(text)), 0, "what was read");
	close(ends[0]);
	close(ends[1]);
}

static void timed_wait(void)
{
	struct oring_timespec time = { 0, 20000000 };
	struct oring_outcome outcome;
	struct oring_wait_arg limit;

	oring_wait_relative(&limit, 0, 10000000);
	oring_submit_and_wait_timeout(&ring, 1, &limit, &outcome);
	expect(outcome.error, -ETIME, "a wait of 10 ms for nothing");
	oring_prep_timeout(reserve(HIGH + 3), &time, 0, 0);
	expect(result_of(HIGH + 3), -ETIME, "a timeout of 20 ms");
}

int main(void)
{
	expect(oring_init(&ring, 8, NULL), 0, "oring_init");
	nops();
	pipe_through_the_ring();
	timed_wait();
	expect(oring_exit(&ring), 0, "oring_exit");
	puts("ok");
	return 0;
}
