/* SPDX-License-Identifier: MIT */
/*
 * Rings end with work in flight, again and again for the seconds given: receives and
 * reads of sockets, one with provided buffers that completes many times, a send into a
 * socket that is full, a zero-copy send, timers; while a thread writes to what they read.
 * In the order that the headers have - drain, reap, exit - nothing is written to their
 * memory afterwards: it is filled anew and looked at later (the kernel's writes no
 * sanitizer sees), while what the receives waited for goes on arriving; nor is what was
 * sent without a copy read from there any more. Each request completes before its ring
 * ends; descriptors do not add up. What a kernel has not is left out.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include "stress.h"

#define READS 12
#define WORDS 64
#define KEPT  16 /* rounds that memory is watched for */
#define AFTER 0xa5
#define SENT  0x33

#define BUFFERS 4
#define GROUP	3

/* Which request it is: a read, or one of these. */
enum {
	TIMER = READS,
	FULL,
	MANY,
	ZERO_COPY,
	REQUESTS
};

struct memory {
	unsigned char bytes[READS][WORDS * 8];
	unsigned char provided[BUFFERS][WORDS * 8];
	unsigned char sent[16384];
	bool used;
};

static int pairs[READS][2];
static int full[2]; /* nobody reads it */
static int wire[2]; /* for zero copy, which has to be TCP */
static struct memory memories[KEPT];
static atomic_bool stop;
static atomic_ulong written;
static unsigned long came_of[REQUESTS], cancelled[REQUESTS];

/* Memory that was sent without a copy may change from its notification on, and no sooner. */
static void read_wire(void)
{
	unsigned char bytes[8192];
	ssize_t i, n = recv(wire[1], bytes, sizeof(bytes), MSG_DONTWAIT);

	for (i = 0; i < n; i++)
		MUST(bytes[i] == SENT, "sent from what was given back: %x", bytes[i]);
}

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
		if (random_of(&seed) % 16 == 0)
			read_wire();
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
	for (i = 0; memory->used && i < BUFFERS; i++)
		for (k = 0; k < sizeof(memory->provided[i]); k++)
			MUST(memory->provided[i][k] == AFTER, "written after the end: %zu, %zu", i,
			     k);
}

static void start_others(struct oring *ring, struct memory *memory, struct oring_bufring *bufring)
{
	struct oring_bufring_params params;
	struct oring_sqe *sqe = entry(ring);
	uint16_t i;
	int ret;

	oring_prep_send(sqe, oring_file_fd(full[0]), memory->sent, sizeof(memory->sent), 0);
	oring_sqe_set_user_data(sqe, FULL);
	memset(memory->sent, SENT, sizeof(memory->sent));
	sqe = entry(ring);
	oring_prep_send_zc(sqe, oring_file_fd(wire[0]), memory->sent, sizeof(memory->sent), 0);
	oring_sqe_set_user_data(sqe, ZERO_COPY);
	memset(&params, 0, sizeof(params));
	params.entries = BUFFERS;
	params.bgid = GROUP;
	ret = oring_bufring_init(bufring, ring, &params);
	MUST(ret == 0 || ret == -EINVAL, "%d", ret);
	if (ret < 0)
		return;
	for (i = 0; i < BUFFERS; i++)
		oring_bufring_add(bufring, memory->provided[i], sizeof(memory->provided[i]), i);
	oring_bufring_commit(bufring);
	sqe = entry(ring);
	oring_prep_recv_multishot(sqe, oring_file_fd(pairs[0][1]), 0);
	oring_sqe_buffer_select(sqe, GROUP);
	oring_sqe_set_user_data(sqe, MANY);
}

static void start(struct oring *ring, struct memory *memory, struct oring_bufring *bufring,
		  uint32_t *seed)
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
		oring_sqe_set_user_data(sqe, TIMER);
	}
	start_others(ring, memory, bufring);
}

/* No buffer left, or memory of the socket's; or a kernel that does not have it. */
static bool may_refuse(uint64_t request, int error)
{
	return (request == MANY || request == ZERO_COPY) &&
	       (error == -ENOBUFS || error == -ENOMEM || error == -EINVAL || error == -EOPNOTSUPP);
}

/* Return: how many requests came to their end. */
static uint32_t reap(struct oring *ring)
{
	struct oring_cqe cqe;
	uint32_t n = 0;

	while (oring_cq_take(ring, &cqe)) {
		MUST(cqe.user_data < REQUESTS, "%llx", (unsigned long long)cqe.user_data);
		MUST(cqe.res > 0 || cqe.res == -ECANCELED || cqe.res == -EINTR ||
			     (cqe.flags & ORING_CQE_F_NOTIF) || may_refuse(cqe.user_data, cqe.res),
		     "%llu: %d", (unsigned long long)cqe.user_data, cqe.res);
		came_of[cqe.user_data] += cqe.res > 0;
		cancelled[cqe.user_data] += cqe.res == -ECANCELED;
		n += !oring_cqe_has_more(&cqe);
	}
	return n;
}

static uint32_t end(struct oring *ring, uint32_t issued)
{
	struct oring_timespec second = { 1, 0 };
	struct oring_wait_arg wait;
	uint32_t came = reap(ring), rounds = 0;
	int ret;

	oring_wait_relative(&wait, 1, 0);
	/*
	 * With SQPOLL what workers are at may outlast a drain, and everywhere the notification
	 * of what was sent without a copy: the completions are counted.
	 */
	do {
		ret = oring_drain(ring, &second);
		MUST(ret >= 0, "drain: %d", ret);
		came += reap(ring);
		MUST(came == issued || ++rounds < 20, "%u of %u after %u drains, %d left", came,
		     issued, rounds, ret);
		MUST(ret != 0 || came + 1 >= issued ||
			     (oring_setup_flags(ring) & ORING_SETUP_SQPOLL),
		     "drained, and %u of %u", came, issued);
		if (came < issued) {
			ret = oring_wait(ring, 1, &wait);
			MUST(ret >= 0 || ret == -ETIME || ret == -EINTR, "%d", ret);
			came += reap(ring);
		}
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
		struct oring_bufring bufring = { 0 };
		uint32_t issued;

		look(memory);
		make_ring(&ring, 32, flags, 0);
		start(&ring, memory, &bufring, &seed);
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
		if (bufring.bufs != NULL)
			MUST(oring_bufring_exit(&bufring, &ring) == 0, "buffers");
		MUST(oring_exit(&ring) == 0, "exit");
		memset(memory->bytes, AFTER, sizeof(memory->bytes));
		memset(memory->provided, AFTER, sizeof(memory->provided));
		memset(memory->sent, AFTER, sizeof(memory->sent));
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

static void make_wire(void)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	wire[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0 &&
		     getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
		     connect(wire[0], (struct sockaddr *)&address, size) == 0,
	     "%s", strerror(errno));
	wire[1] = accept(listener, NULL, NULL);
	MUST(wire[1] >= 0, "%s", strerror(errno));
	close(listener);
}

int main(int argc, char **argv)
{
	uint64_t third = begin(argc, argv) * 1000 / 3;
	pthread_t writer;
	size_t i;

	for (i = 0; i < READS; i++)
		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) == 0, "%s",
		     strerror(errno));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, full) == 0, "%s", strerror(errno));
	while (send(full[0], memories, 512, MSG_DONTWAIT) > 0)
		;
	make_wire();
	MUST(pthread_create(&writer, NULL, write_words, NULL) == 0, "thread");
	run("plain", third, 0);
	run("deferred", third, ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN);
	run("polled", third, ORING_SETUP_SQPOLL);
	usleep(100000);
	atomic_store(&stop, true);
	pthread_join(writer, NULL);
	for (i = 0; i < KEPT; i++)
		look(&memories[i]);
	MUST(cancelled[FULL] > 0 && came_of[FULL] == 0, "no send was in flight");
	printf("%lu writes; sends %lu, zero-copy %lu (cancelled %lu), many %lu (cancelled %lu)\n",
	       atomic_load(&written), cancelled[FULL], came_of[ZERO_COPY], cancelled[ZERO_COPY],
	       came_of[MANY], cancelled[MANY]);
	return 0;
}
