/* SPDX-License-Identifier: MIT */
/*
 * One thread submits, one reaps, and a third plays the kernel with the order
 * that the kernel has, for the seconds given: it reads whole entries behind the
 * tail and writes completions that the head has left. Since this kernel's
 * accesses can be watched, a thread sanitizer tells if a store or load of the
 * library's does not order what it publishes.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <oring.h>

#define SQ_ENTRIES 8
#define CQ_ENTRIES 16

static struct oring ring;
static struct oring_sqe sqes[SQ_ENTRIES];
static struct oring_cqe cqes[CQ_ENTRIES];
static uint32_t sq_head, sq_tail, sq_flags, cq_head, cq_tail;
static atomic_bool stop, submitted;
static uint64_t sent, torn;

/* One number in all of an entry, so that a half-written one shows. */
static void fill(struct oring_sqe *sqe, uint64_t value)
{
	uint64_t words[8];
	int i;

	for (i = 0; i < 8; i++)
		words[i] = value;
	memcpy(sqe, words, sizeof(words));
}

static uint64_t take(const struct oring_sqe *sqe)
{
	uint64_t words[8];
	int i;

	memcpy(words, sqe, sizeof(words));
	for (i = 1; i < 8; i++)
		torn += words[i] != words[0];
	return words[0];
}

static void *play_kernel(void *unused)
{
	uint32_t head = 0, tail = 0;

	for (;;) {
		bool last = atomic_load(&submitted);
		uint32_t end = __atomic_load_n(&sq_tail, __ATOMIC_ACQUIRE);

		if (head == end && last)
			return unused;
		while (head != end &&
		       tail - __atomic_load_n(&cq_head, __ATOMIC_ACQUIRE) < CQ_ENTRIES) {
			struct oring_cqe *cqe = &cqes[tail % CQ_ENTRIES];

			cqe->user_data = take(&sqes[head % SQ_ENTRIES]);
			cqe->res = (int32_t)cqe->user_data;
			cqe->flags = 0;
			__atomic_store_n(&cq_tail, ++tail, __ATOMIC_RELEASE);
			__atomic_store_n(&sq_head, ++head, __ATOMIC_RELEASE);
		}
		sched_yield();
	}
}

static void *submit(void *unused)
{
	uint64_t value = 0;

	while (!atomic_load(&stop)) {
		struct oring_sqe *sqe = oring_sq_reserve(&ring);

		if (sqe != NULL) {
			fill(sqe, value++);
			oring_sq_commit(&ring);
		} else {
			sched_yield();
		}
	}
	sent = value;
	atomic_store(&submitted, true);
	return unused;
}

static void reap(uint64_t *came, uint64_t *wrong)
{
	struct oring_cqe *cqe;
	uint32_t cursor, end;

	if (oring_cq_ready(&ring) == 0)
		sched_yield();
	if (*came & 1) {
		oring_cq_for_each (&ring, cursor, end, cqe) {
			*wrong += cqe->user_data != *came || cqe->res != (int32_t)*came;
			++*came;
		}
		oring_cq_release_to(&ring, cursor);
	} else if ((cqe = oring_cq_peek(&ring)) != NULL) {
		*wrong += cqe->user_data != *came || cqe->res != (int32_t)*came;
		++*came;
		oring_cq_release(&ring);
	}
}

static void make_ring(void)
{
	ring.sqes = (unsigned char *)sqes;
	ring.sq_limit = ring.sq_entries = SQ_ENTRIES;
	ring.sq_mask = SQ_ENTRIES - 1;
	ring.sq_stride = sizeof(sqes[0]);
	ring.sq_head = &sq_head;
	ring.sq_tail = &sq_tail;
	ring.sq_flags = &sq_flags;
	ring.cqes = (unsigned char *)cqes;
	ring.cq_entries = CQ_ENTRIES;
	ring.cq_mask = CQ_ENTRIES - 1;
	ring.cq_stride = sizeof(cqes[0]);
	ring.cq_head = &cq_head;
	ring.cq_tail = &cq_tail;
}

int main(int argc, char **argv)
{
	time_t until = time(NULL) + (argc > 1 ? atoi(argv[1]) : 2);
	uint64_t came = 0, wrong = 0;
	pthread_t kernel, submitter;

	make_ring();
	pthread_create(&kernel, NULL, play_kernel, NULL);
	pthread_create(&submitter, NULL, submit, NULL);
	while (time(NULL) < until)
		reap(&came, &wrong);
	atomic_store(&stop, true);
	while (!atomic_load(&submitted) || came < sent)
		reap(&came, &wrong);
	pthread_join(submitter, NULL);
	pthread_join(kernel, NULL);
	printf("%lu sent, %lu came, %lu wrong, %lu torn\n", (unsigned long)sent,
	       (unsigned long)came, (unsigned long)wrong, (unsigned long)torn);
	return sent > 0 && came == sent && wrong == 0 && torn == 0 ? 0 : 1;
}
