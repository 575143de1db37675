/* SPDX-License-Identifier: MIT */
/*
 * A process with a busy ring forks, again and again for the seconds given: children
 * that end at once, that close the descriptor, that work with a ring of their own,
 * and that become another program. None of it disturbs the parent's: its receives
 * stay in flight until their words come, its NOPs complete once and in order. And
 * the other program finds the descriptor closed.
 *
 *     stress_fork SECONDS
 *     stress_fork --look DESCRIPTOR    in the child: is it closed?
 */
#include <fcntl.h>
#include <sys/wait.h>

#include "stress.h"

#define WAYS  4
#define READS 4

static struct oring ring;
static int pairs[READS][2];
static uint64_t words[READS], made, came, received[READS];
static bool waits[READS], ending;

static void reap(void)
{
	uint32_t cursor, end;
	struct oring_cqe *cqe;

	oring_cq_for_each (&ring, cursor, end, cqe) {
		if (cqe->user_data >> 63) {
			uint32_t i = (uint32_t)cqe->user_data % READS;

			MUST(waits[i], "%u: twice", i);
			waits[i] = false;
			if (ending && cqe->res == -ECANCELED)
				continue;
			MUST(cqe->res == 8 && words[i] == received[i], "%u: %d", i, cqe->res);
			received[i]++;
		} else {
			MUST(cqe->res == 0 && cqe->user_data == came, "%d", cqe->res);
			came++;
		}
	}
	oring_cq_release_to(&ring, cursor);
}

static void turn(void)
{
	struct oring_sqe *sqe;
	uint32_t i;
	int ret;

	for (i = 0; i < 8; i++) {
		sqe = entry(&ring);
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, made++);
	}
	for (i = 0; i < READS; i++) {
		if (waits[i])
			continue;
		sqe = entry(&ring);
		oring_prep_recv(sqe, oring_file_fd(pairs[i][1]), &words[i], 8, 0);
		oring_sqe_set_user_data(sqe, 1ULL << 63 | i);
		waits[i] = true;
	}
	ret = oring_submit_and_wait(&ring, 0);
	MUST(ret >= 0 || ret == -EAGAIN, "%d", ret);
	reap();
}

/* What a child does; nothing that needs a lock of a library's. */
static void be_child(uint32_t way, char *self)
{
	char number[16], *arguments[] = { self, (char *)"--look", number, NULL };
	struct oring_cqe cqe;
	struct oring own;
	int own_pipe[2];

	switch (way) {
	case 0:
		/* The ring's memory is not there: nobody can move the parent's counters. */
		if (pipe(own_pipe) != 0)
			_exit(8);
		_exit(write(own_pipe[1], ring.sq_head, 4) == -1 && errno == EFAULT ? 0 : 9);
	case 1:
		_exit(close(oring_fd(&ring)) == 0 ? 0 : 2);
	case 2:
		if (oring_init(&own, 4, NULL) < 0)
			_exit(3);
		oring_prep_nop(oring_sq_reserve(&own));
		if (oring_submit_and_wait(&own, 1) != 1 || oring_cq_copy(&own, &cqe, 1) != 1)
			_exit(4);
		_exit(oring_exit(&own) == 0 ? 0 : 5);
	default:
		snprintf(number, sizeof(number), "%d", oring_fd(&ring));
		execv("/proc/self/exe", arguments);
		_exit(6);
	}
}

static void run(const char *name, uint64_t time, uint32_t flags, char *self)
{
	uint64_t until = milliseconds() + time, forks[WAYS] = { 0 }, sent[READS] = { 0 };
	uint32_t seed = 13, i;

	made = came = 0;
	ending = false;
	memset(received, 0, sizeof(received));
	make_ring(&ring, 32, flags, 0);
	for (i = 0; i < READS; i++)
		MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pairs[i]) == 0, "pair");
	turn();
	while (milliseconds() < until) {
		uint32_t way = random_of(&seed) % (WAYS * 4);
		int status = 0;
		pid_t child;

		way = way < WAYS ? way : way % (WAYS - 1); /* another program takes its time */
		child = fork();
		if (child == 0)
			be_child(way, self);
		MUST(child > 0, "%s", strerror(errno));
		forks[way]++;
		turn();
		i = random_of(&seed) % READS;
		if (waits[i] && sent[i] == received[i])
			MUST(send(pairs[i][0], &sent[i], 8, 0) == 8 && ++sent[i], "send");
		MUST(waitpid(child, &status, 0) == child && status == 0, "a child: %x, way %u",
		     (unsigned int)status, way);
		turn();
	}
	/* The receives are still there: each gets one word more. */
	for (i = 0; i < READS; i++)
		if (sent[i] == received[i])
			MUST(send(pairs[i][0], &sent[i], 8, 0) == 8 && ++sent[i], "send");
	for (until = milliseconds() + 10000, i = 0; i < READS; i += received[i] == sent[i]) {
		MUST(milliseconds() < until, "a receive is gone");
		turn();
	}
	ending = true;
	MUST(oring_drain(&ring, NULL) == 0, "drain");
	reap();
	MUST(came == made, "%llu of %llu nops", (unsigned long long)came, (unsigned long long)made);
	for (i = 0; i < READS; i++) {
		MUST(!waits[i], "a receive has no end");
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	MUST(oring_exit(&ring) == 0, "exit");
	printf("%s: %llu nops, %llu words, %llu + %llu + %llu + %llu children; ", name,
	       (unsigned long long)came,
	       (unsigned long long)(received[0] + received[1] + received[2] + received[3]),
	       (unsigned long long)forks[0], (unsigned long long)forks[1],
	       (unsigned long long)forks[2], (unsigned long long)forks[3]);
	fflush(stdout); /* children have a copy of what is not written yet */
	MUST(forks[3] > 0, "no other program");
}

int main(int argc, char **argv)
{
	uint64_t third;

	if (argc > 2)
		return fcntl(atoi(argv[2]), F_GETFD) == -1 && errno == EBADF ? 0 : 7;
	third = begin(argc, argv) * 1000 / 3;
	run("plain", third, 0, argv[0]);
	run("deferred", third, ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN, argv[0]);
	run("polled", third, ORING_SETUP_SQPOLL, argv[0]);
	printf("\n");
	return 0;
}
