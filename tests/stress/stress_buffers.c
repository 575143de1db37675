/* SPDX-License-Identifier: MIT */
/*
 * Two threads send numbered packets, one ring receives them by multishot into one
 * group of buffers, and two others work at them: a buffer is given back when its
 * worker has looked at all of it, and the kernel fills it again at once. For the
 * seconds given, with plain buffers and with such as are consumed piece by piece. A
 * buffer is held once at a time, nobody writes to it meanwhile, packets come whole and
 * in order; packets sent are packets received, buffers out are buffers back.
 */
#include <sys/mman.h>

#include "stress.h"

#define STREAMS 2
#define WORKERS 2
#define COUNT	16U
#define SIZE	1024U
#define PACKET	256U /* bytes; of plain buffers the rest stays empty */
#define QUEUE	256U
#define GROUP	3
#define LAST	(~0ULL)

/* A piece on its way: to a worker, and back. */
struct job {
	unsigned char *data;
	uint32_t length;
	uint16_t bid;
	uint64_t number;
};

struct queue {
	pthread_mutex_t lock;
	struct job jobs[QUEUE];
	uint32_t head, tail;
};

static struct oring ring;
static struct oring_bufgroup group;
static struct oring_buf_note notes[COUNT];
static unsigned char arena[COUNT * SIZE];
static struct queue todo = { .lock = PTHREAD_MUTEX_INITIALIZER };
static struct queue done = { .lock = PTHREAD_MUTEX_INITIALIZER };
/* Who holds which part of the arena, in packets. */
static atomic_bool held[COUNT * SIZE / PACKET];
static atomic_bool stop, finished;
static int pairs[STREAMS][2];
static atomic_ulong sent[STREAMS];

static void put(struct queue *queue, const struct job *job)
{
	pthread_mutex_lock(&queue->lock);
	MUST(queue->tail - queue->head < QUEUE, "more pieces than there are packets");
	queue->jobs[queue->tail++ % QUEUE] = *job;
	pthread_mutex_unlock(&queue->lock);
}

static bool take(struct queue *queue, struct job *job)
{
	bool some;

	pthread_mutex_lock(&queue->lock);
	some = queue->head != queue->tail;
	if (some)
		*job = queue->jobs[queue->head++ % QUEUE];
	pthread_mutex_unlock(&queue->lock);
	return some;
}

static void fill(uint64_t *packet, uint64_t number)
{
	uint32_t i;

	for (i = 0; i < PACKET / 8; i++)
		packet[i] = number + i;
}

static void *send_packets(void *argument)
{
	uint64_t me = (uint64_t)(uintptr_t)argument, next = 0, packet[PACKET / 8];
	uint32_t seed = (uint32_t)me + 1;

	while (!atomic_load(&stop)) {
		fill(packet, me << 48 | next << 8);
		if (send(pairs[me][0], packet, PACKET, MSG_DONTWAIT) == PACKET)
			next++;
		else
			usleep(20);
		if (random_of(&seed) % 64 == 0)
			usleep(random_of(&seed) % 300);
	}
	atomic_store(&sent[me], next);
	packet[0] = LAST;
	while (send(pairs[me][0], packet, PACKET, 0) != PACKET)
		;
	return NULL;
}

static void *work(void *argument)
{
	uint32_t seed = (uint32_t)(uintptr_t)argument + 1;
	uint64_t packet[PACKET / 8];
	struct job job;

	while (!atomic_load(&finished)) {
		if (!take(&todo, &job)) {
			sched_yield();
			continue;
		}
		fill(packet, job.number);
		if (random_of(&seed) % 8 == 0)
			usleep(random_of(&seed) % 50);
		MUST(memcmp(job.data, packet, PACKET) == 0, "buffer %u was written to", job.bid);
		put(&done, &job);
	}
	return NULL;
}

struct books {
	struct oring_multishot streams[STREAMS];
	uint64_t next[STREAMS], starved, pieces, out;
	bool over[STREAMS];
};

static void arm(struct books *books, uint32_t i)
{
	struct oring_sqe *sqe = entry(&ring);

	oring_prep_recv_multishot(sqe, oring_file_fd(pairs[i][1]), 0);
	oring_sqe_buffer_select(sqe, GROUP);
	MUST(oring_multishot_arm(&books->streams[i], sqe) == 0, "busy");
}

static void give_back(struct books *books)
{
	struct job job;

	while (take(&done, &job)) {
		MUST(atomic_exchange(&held[(size_t)(job.data - arena) / PACKET], false),
		     "not held");
		/* A use after this is somebody's mistake: the kernel writes there soon. */
		MUST(oring_bufgroup_release(&group, job.bid) == 0, "release");
		books->out--;
	}
	oring_bufgroup_commit(&group);
}

static void got_piece(struct books *books, uint32_t i, const struct oring_piece *piece)
{
	struct job job = { piece->data, piece->length, piece->bid, 0 };
	size_t place = (size_t)(piece->data - arena) / PACKET;

	if (piece->length == 0) {
		MUST(oring_bufgroup_release(&group, piece->bid) == 0, "release");
		return;
	}
	MUST(piece->length == PACKET && (size_t)(piece->data - arena) % PACKET == 0, "%u bytes",
	     piece->length);
	MUST(!atomic_exchange(&held[place], true), "buffer %u is held twice", piece->bid);
	memcpy(&job.number, piece->data, 8);
	books->pieces++;
	books->out++;
	if (job.number == LAST) {
		books->over[i] = true;
		put(&done, &job);
		return;
	}
	MUST(job.number == ((uint64_t)i << 48 | books->next[i] << 8), "%llx for %llu",
	     (unsigned long long)job.number, (unsigned long long)books->next[i]);
	books->next[i]++;
	put(&todo, &job);
}

static void got(struct books *books, const struct oring_cqe *cqe)
{
	uint32_t i = (uint32_t)cqe->user_data - 1;
	struct oring_bufwalk walk;
	struct oring_piece piece;
	struct oring_step step;

	MUST(i < STREAMS, "%llx", (unsigned long long)cqe->user_data);
	step = oring_multishot_step(&books->streams[i], cqe);
	if (oring_bufgroup_open(&group, cqe, &walk) == 0) {
		while (oring_bufgroup_next(&walk, &piece))
			got_piece(books, i, &piece);
	} else {
		MUST(!step.data, "data without a buffer");
	}
	books->starved += step.end == ORING_STREAM_STARVED;
	MUST(!step.retired || step.arm_again || books->over[i], "ended: %d", cqe->res);
}

static void run(const char *name, uint64_t time, uint32_t flags, uint16_t inc)
{
	uint64_t until = milliseconds() + time, all = 0;
	pthread_t senders[STREAMS], workers[WORKERS];
	struct oring_bufgroup_params params;
	struct oring_wait_arg limit;
	struct books books;
	struct oring_cqe cqe;
	uint32_t i;
	int ret;

	memset(&books, 0, sizeof(books));
	memset(&params, 0, sizeof(params));
	atomic_store(&stop, false);
	atomic_store(&finished, false);
	make_ring(&ring, 16, flags, 0);
	params.ring.entries = COUNT;
	params.ring.bgid = GROUP;
	params.ring.flags = inc;
	params.base = arena;
	params.notes = notes;
	params.size = inc ? SIZE : PACKET;
	params.count = COUNT;
	ret = oring_bufgroup_init(&group, &ring, &params);
	if (ret == -EINVAL) {
		printf("%s: no such buffers here; ", name);
		oring_exit(&ring);
		return;
	}
	MUST(ret == 0, "%d", ret);
	for (i = 0; i < STREAMS; i++) {
		MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pairs[i]) == 0, "pair");
		oring_multishot_init(&books.streams[i], ORING_STREAM_RECV,
				     oring_context_from_bits(i + 1));
	}
	for (i = 0; i < STREAMS; i++)
		MUST(!pthread_create(&senders[i], NULL, send_packets, (void *)(uintptr_t)i), " ");
	for (i = 0; i < WORKERS; i++)
		MUST(!pthread_create(&workers[i], NULL, work, (void *)(uintptr_t)i), " ");
	oring_wait_relative(&limit, 0, 1000000);
	while (!books.over[0] || !books.over[1]) {
		if (milliseconds() > until)
			atomic_store(&stop, true);
		for (i = 0; i < STREAMS; i++)
			if (!oring_multishot_busy(&books.streams[i]) && !books.over[i] &&
			    oring_bufgroup_out(&group) < COUNT)
				arm(&books, i);
		ret = oring_submit_and_wait_timeout(&ring, 1, &limit, NULL);
		MUST(ret >= 0 || ret == -ETIME, "%d", ret);
		while (oring_cq_take(&ring, &cqe))
			got(&books, &cqe);
		give_back(&books);
	}
	while (books.out > 0)
		give_back(&books);
	atomic_store(&finished, true);
	for (i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	for (i = 0; i < STREAMS; i++) {
		pthread_join(senders[i], NULL);
		MUST(books.next[i] == sent[i] && sent[i] > 0, "%llu of %lu packets",
		     (unsigned long long)books.next[i], sent[i]);
		all += books.next[i];
	}
	MUST(oring_drain(&ring, NULL) == 0, "drain");
	while (oring_cq_take(&ring, &cqe))
		got(&books, &cqe);
	give_back(&books);
	MUST(oring_bufgroup_out(&group) == 0, "%u buffers are out", oring_bufgroup_out(&group));
	ret = oring_bufring_available(&group.ring, &ring);
	MUST(ret == (int)COUNT || ret == -EINVAL, "%d buffers in the ring", ret);
	for (i = 0; i < STREAMS; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	MUST(oring_bufgroup_exit(&group, &ring) == 0 && oring_exit(&ring) == 0, "exit");
	printf("%s: %llu packets, %llu times without a buffer; ", name, (unsigned long long)all,
	       (unsigned long long)books.starved);
}

int main(int argc, char **argv)
{
	uint64_t third = begin(argc, argv) * 1000 / 3;
	const uint32_t deferred = ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN;

	run("plain", third, 0, 0);
	run("deferred", third, deferred, 0);
	run("incremental", third, deferred, ORING_PBUF_RING_INC);
	printf("\n");
	return 0;
}
