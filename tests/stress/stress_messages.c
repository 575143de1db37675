/* SPDX-License-Identifier: MIT */
/*
 * Three threads, a ring each, send numbered messages to each other's rings for the
 * seconds given, and now and then a file into the other's table; first with rings
 * that deliver at once, then with such as deliver when their owner enters. What a
 * sender was told is what a receiver got: each message once, in its sender's order,
 * each file the one that was sent.
 */
#include <sys/mman.h>

#include "stress.h"

#define RINGS  3
#define WINDOW 32
#define SLOTS  8
#define SENT   (1ULL << 63) /* the completion of a send; else a message */
#define A_FILE (1ULL << 62)
#define A_READ (1ULL << 61)

/* One ring's books; those of others are only read when all threads have ended. */
struct side {
	struct oring ring;
	uint64_t sent[RINGS], came[RINGS], files_sent[RINGS], files_came[RINGS], refused;
	uint32_t me, seed, flying;
	uint64_t words[SLOTS + 1]; /* what was read from each slot */
};

static struct side sides[RINGS];
static pthread_barrier_t all;
static atomic_int ready;
static atomic_bool stop;
static uint32_t flags;

static uint64_t identity(uint64_t from, uint64_t to, uint64_t number)
{
	return from << 48 | to << 40 | number;
}

static void send_one(struct side *side)
{
	uint32_t to = (side->me + 1 + random_of(&side->seed) % (RINGS - 1)) % RINGS;
	oring_file target = oring_file_fd(oring_fd(&sides[to].ring));
	struct oring_sqe *sqe = entry(&side->ring);
	oring_context context;

	if (random_of(&side->seed) % 16 == 0) {
		context = oring_context_from_bits(identity(side->me, to, 0) | A_FILE);
		/* Slot 0 has the file that says whose it is; the others are for the kernel to choose. */
		oring_prep_msg_ring_fd(sqe, target, oring_slot_at(0), ORING_SLOT_ALLOC, context, 0);
		oring_sqe_set_user_data(sqe, context.bits | SENT);
	} else {
		uint64_t number = side->sent[to]++;

		context = oring_context_from_bits(identity(side->me, to, number));
		oring_prep_msg_ring(sqe, target, context, (int32_t)number, 0);
		oring_sqe_set_user_data(sqe, context.bits | SENT);
	}
	side->flying++;
}

static void read_slot(struct side *side, uint64_t from, int32_t slot)
{
	struct oring_sqe *sqe;

	MUST(slot > 0 && slot <= SLOTS, "slot %d", slot);
	side->words[slot] = ~0ULL;
	sqe = entry(&side->ring);
	oring_prep_read(sqe, oring_file_slot((uint32_t)slot), &side->words[slot], 8, 0);
	oring_sqe_set_user_data(sqe, identity(from, side->me, (uint64_t)slot) | A_READ);
	side->flying++;
}

static void got(struct side *side, const struct oring_cqe *cqe)
{
	uint64_t from = cqe->user_data >> 48 & 0xff, number = cqe->user_data & 0xffffffffff;
	uint64_t to = cqe->user_data >> 40 & 0xff;
	int32_t none = -1;

	MUST(from < RINGS && to < RINGS, "%llx", (unsigned long long)cqe->user_data);
	if (cqe->user_data & A_READ) {
		MUST(cqe->res == 8 && side->words[number] == from, "%d", cqe->res);
		MUST(oring_register_files_update(&side->ring, (uint32_t)number, &none, 1) == 1,
		     " ");
		side->flying--;
	} else if (cqe->user_data & SENT) {
		side->flying--;
		if (!(cqe->user_data & A_FILE)) {
			MUST(cqe->res == 0, "a message: %d", cqe->res);
		} else if (cqe->res == -ENFILE) {
			side->refused++;
		} else {
			MUST(cqe->res > 0, "a file: %d", cqe->res);
			side->files_sent[to]++;
		}
	} else if (cqe->user_data & A_FILE) {
		MUST(to == side->me, "another's");
		side->files_came[from]++;
		read_slot(side, from, cqe->res);
	} else {
		MUST(to == side->me && number == side->came[from] && cqe->res == (int32_t)number,
		     "%llu of %llu", (unsigned long long)number,
		     (unsigned long long)side->came[from]);
		side->came[from]++;
	}
}

static uint32_t reap(struct side *side)
{
	struct oring_wait_arg limit;
	struct oring_cqe cqe;
	uint32_t n = 0;
	int ret;

	oring_wait_relative(&limit, 0, 1000000);
	ret = oring_submit_and_wait_timeout(&side->ring, 1, &limit, NULL);
	MUST(ret >= 0 || ret == -ETIME || ret == -EBUSY || ret == -EAGAIN, "%d", ret);
	while (oring_cq_take(&side->ring, &cqe)) {
		got(side, &cqe);
		n++;
	}
	return n;
}

static void make_side(struct side *side, uint32_t me)
{
	uint64_t word = me;
	int file;

	memset(side, 0, sizeof(*side));
	side->me = me;
	side->seed = me + 1;
	make_ring(&side->ring, WINDOW, flags, 0);
	MUST(oring_register_files_sparse(&side->ring, SLOTS + 1) == 0, "files");
	file = memfd_create("stress", MFD_CLOEXEC);
	MUST(file >= 0 && write(file, &word, 8) == 8, "%s", strerror(errno));
	MUST(oring_register_files_update(&side->ring, 0, &file, 1) == 1, "update");
	MUST(oring_register_file_alloc_range(&side->ring, 1, SLOTS) == 0, "range");
	close(file);
}

static void *work(void *argument)
{
	struct side *side = &sides[(uintptr_t)argument];
	int none, i;

	make_side(side, (uint32_t)(uintptr_t)argument);
	pthread_barrier_wait(&all);
	while (!atomic_load(&stop)) {
		while (side->flying < WINDOW && random_of(&side->seed) % 8)
			send_one(side);
		reap(side);
	}
	while (side->flying > 0)
		reap(side);
	atomic_fetch_add(&ready, 1);
	/* All have been told of all that they sent; what arrives now are the last files' reads. */
	while (atomic_load(&ready) < RINGS)
		reap(side);
	for (none = 0; none < 20; none++)
		none = reap(side) > 0 ? 0 : none;
	MUST(side->flying == 0, "%u in flight", side->flying);
	pthread_barrier_wait(&all);
	for (i = 0; i < RINGS; i++) {
		MUST(side->came[i] == sides[i].sent[side->me], "%llu messages of %llu",
		     (unsigned long long)side->came[i],
		     (unsigned long long)sides[i].sent[side->me]);
		MUST(side->files_came[i] == sides[i].files_sent[side->me], "%llu files of %llu",
		     (unsigned long long)side->files_came[i],
		     (unsigned long long)sides[i].files_sent[side->me]);
	}
	pthread_barrier_wait(&all);
	MUST(oring_exit(&side->ring) == 0, "exit");
	return NULL;
}

static void run(uint64_t time)
{
	uint64_t messages = 0, files = 0, refused = 0;
	pthread_t threads[RINGS];
	uintptr_t i, k;

	atomic_store(&ready, 0);
	atomic_store(&stop, false);
	pthread_barrier_init(&all, NULL, RINGS);
	for (i = 0; i < RINGS; i++)
		MUST(pthread_create(&threads[i], NULL, work, (void *)i) == 0, "thread");
	usleep((useconds_t)time * 1000);
	atomic_store(&stop, true);
	for (i = 0; i < RINGS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&all);
	for (i = 0; i < RINGS; i++) {
		for (k = 0; k < RINGS; k++) {
			messages += sides[i].came[k];
			files += sides[i].files_came[k];
		}
		refused += sides[i].refused;
	}
	MUST(messages > 0 && files > 0, "nothing came");
	printf("%llu messages, %llu files, %llu had no slot; ", (unsigned long long)messages,
	       (unsigned long long)files, (unsigned long long)refused);
}

int main(int argc, char **argv)
{
	uint64_t seconds = begin(argc, argv);

	run(seconds * 500);
	flags = ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN;
	run(seconds * 500);
	printf("\n");
	return 0;
}
