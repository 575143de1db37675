/* SPDX-License-Identifier: MIT */
/*
 * Rings end with work in flight, again and again for the seconds given: receives,
 * reads of pipes, timers and sends, while a thread writes to what they read. In the order that the
 * headers have - drain, reap, exit - nothing is written to their memory afterwards:
 * it is filled anew and looked at later (the kernel's writes no sanitizer sees), while
 * what the receives waited for goes on arriving. Each request completes before its
 * ring ends; descriptors do not add up.
 */
#include <dirent.h>
#include <sys/mman.h>

#include "stress.h"

#define READS 12
#define WORDS 64
#define KEPT  16 /* rounds that memory is watched for */
#define AFTER 0xa5

struct memory {
	unsigned char bytes[READS][WORDS * 8];
	bool used;
};

static int pairs[READS][2];
static struct memory memories[KEPT];
static atomic_bool stop;
static atomic_ulong written;

static void *write_words(void *unused)
{
	unsigned char bytes[WORDS * 8];
	uint32_t seed = 5;

	memset(bytes, 0x11, sizeof(bytes));
	while (!atomic_load(&stop)) {
		uint32_t i = random_of(&seed) % READS;

		if (send(pairs[i][0], bytes, random_of(&seed) % sizeof(bytes) + 1, MSG_DONTWAIT) >
		    0)
			atomic_fetch_add(&written, 1);
		if (random_of(&seed) % 4 == 0)
			usleep(random_of(&seed) % 50);
	}
	return unused;
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	MUST(dir != NULL, "%s", strerror(errno));
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void look(const struct memory *memory)
{
	size_t i, k;

	for (i = 0; memory->used && i < READS; i++)
		for (k = 0; k < sizeof(memory->bytes[i]); k++)
			MUST(memory->bytes[i][k] == AFTER, "written after the end: %zu, %zu", i, k);
}

static void start(struct oring *ring, struct memory *memory, uint32_t *seed)
{
	static const struct oring_timespec far = { 1000, 0 };
	uint32_t i;

	for (i = 0; i < READS; i++) {
		struct oring_sqe *sqe = entry(ring);

		if (i % 3 == 2)
			oring_prep_read(sqe, oring_file_fd(pairs[i][1]), memory->bytes[i],
					sizeof(memory->bytes[i]), 0);
		else
			oring_prep_recv(sqe, oring_file_fd(pairs[i][1]), memory->bytes[i],
					sizeof(memory->bytes[i]), 0);
		if (i % 3 == 1 && random_of(seed) % 4 == 0)
			oring_sqe_async(sqe);
		oring_sqe_set_user_data(sqe, i);
	}
	if (random_of(seed) % 2) {
		struct oring_sqe *sqe = entry(ring);

		oring_prep_timeout(sqe, &far, 0, 0);
		oring_sqe_set_user_data(sqe, READS);
	}
}

static uint32_t reap(struct oring *ring)
{
	struct oring_cqe cqe;
	uint32_t n = 0;

	while (oring_cq_take(ring, &cqe)) {
		MUST(cqe.user_data <= READS, "%llx", (unsigned long long)cqe.user_data);
		MUST(cqe.res > 0 || cqe.res == -ECANCELED || cqe.res == -EINTR, "%d", cqe.res);
		n++;
	}
	return n;
}

static uint32_t end(struct oring *ring, uint32_t issued)
{
	struct oring_timespec second = { 1, 0 };
	uint32_t came = reap(ring), rounds = 0;
	int ret;

	/* With SQPOLL what workers are at may outlast a drain: the completions are counted. */
	do {
		ret = oring_drain(ring, &second);
		MUST(ret >= 0, "drain: %d", ret);
		came += reap(ring);
		MUST(came == issued || ++rounds < 20, "%u of %u after %u drains, %d left", came,
		     issued, rounds, ret);
		MUST(ret != 0 || came == issued || (oring_setup_flags(ring) & ORING_SETUP_SQPOLL),
		     "drained, and %u of %u", came, issued);
	} while (came < issued);
	MUST(came == issued, "%u of %u", came, issued);
	return came;
}

static void run(const char *name, uint64_t time, uint32_t flags)
{
	uint64_t until = milliseconds() + time, rounds = 0, requests = 0;
	uint32_t seed = 3;
	struct oring ring;
	int before = 0;

	while (milliseconds() < until) {
		struct memory *memory = &memories[rounds++ % KEPT];
		uint32_t issued;

		look(memory);
		make_ring(&ring, 32, flags, 0);
		start(&ring, memory, &seed);
		issued = oring_sq_pending(&ring);
		if (flags & ORING_SETUP_SQPOLL) {
			MUST(oring_submit(&ring) == (int)issued, "submit");
			while (oring_sq_pending(&ring) > 0)
				usleep(10);
		} else {
			MUST(oring_submit(&ring) == (int)issued, "submit");
		}
		if (random_of(&seed) % 2)
			usleep(random_of(&seed) % 500);
		requests += end(&ring, issued);
		MUST(oring_exit(&ring) == 0, "exit");
		memset(memory->bytes, AFTER, sizeof(memory->bytes));
		memory->used = true;
		/* The kernel closes what belongs to a ring later. */
		if (rounds == 4)
			before = descriptors();
	}
	usleep(20000);
	for (rounds += 0; rounds < 4; rounds++)
		before = descriptors();
	MUST(descriptors() == before, "%d descriptors, were %d", descriptors(), before);
	printf("%s: %llu rings, %llu requests; ", name, (unsigned long long)rounds,
	       (unsigned long long)requests);
}

int main(int argc, char **argv)
{
	uint64_t third = begin(argc, argv) * 1000 / 3;
	pthread_t writer;
	size_t i;

	for (i = 0; i < READS; i++)
		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) == 0, "%s",
		     strerror(errno));
	MUST(pthread_create(&writer, NULL, write_words, NULL) == 0, "thread");
	run("plain", third, 0);
	run("deferred", third, ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN);
	run("polled", third, ORING_SETUP_SQPOLL);
	usleep(100000);
	atomic_store(&stop, true);
	pthread_join(writer, NULL);
	for (i = 0; i < KEPT; i++)
		look(&memories[i]);
	printf("%lu writes\n", atomic_load(&written));
	return 0;
}
