/* SPDX-License-Identifier: MIT */
/*
 * Four threads leave posts for the owner of a ring, for the seconds given; with
 * messages without a ring, messages from rings of their own, and an eventfd.
 * Every post arrives once, in its thread's order, and no wake is lost: the owner
 * waits without a limit until the last post has come.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <oring.h>

#define THREADS 4
#define WINDOW	32 /* posts of a thread that are on their way */
#define WAKE_UP 0xfffffffffffffff0

enum how {
	BY_MESSAGE,
	BY_RING,
	BY_EVENTFD,
	WAYS
};

/* Of one thread. A letter is free again when the owner says so. */
struct letter {
	struct oring_post post;
	uint64_t number;
	uint32_t sender;
	atomic_bool taken;
};

static struct oring ring;
static struct oring_wake wake;
static struct letter letters[THREADS][WINDOW];
static atomic_bool stop;
static atomic_ulong sent, wakes;
static atomic_int ended, failed;
static enum how how;
static int event;

static void wake_owner(struct oring *own)
{
	oring_context context = oring_context_from_bits(WAKE_UP);
	int ret;

	atomic_fetch_add(&wakes, 1);
	if (how == BY_MESSAGE) {
		ret = oring_wake_ring(oring_fd(&ring), context);
	} else if (how == BY_EVENTFD) {
		ret = oring_wake_eventfd(event);
	} else {
		struct oring_sqe *sqe = oring_sq_reserve(own);
		struct oring_cqe cqe;

		oring_prep_msg_ring(sqe, oring_file_fd(oring_fd(&ring)), context, 0, 0);
		oring_submit_and_wait(own, 1);
		oring_cq_copy(own, &cqe, 1);
		ret = cqe.res;
	}
	if (ret < 0)
		atomic_store(&failed, ret);
}

static void *post(void *argument)
{
	uint32_t me = (uint32_t)(uintptr_t)argument;
	uint64_t number = 0;
	struct oring own;

	if (oring_init(&own, 4, NULL) < 0)
		exit(2);
	while (!atomic_load(&stop)) {
		struct letter *letter = &letters[me][number % WINDOW];

		if (!atomic_load_explicit(&letter->taken, memory_order_acquire)) {
			usleep(10);
			continue;
		}
		atomic_store_explicit(&letter->taken, false, memory_order_relaxed);
		letter->number = number++;
		letter->sender = me;
		if (oring_wake_post(&wake, &letter->post))
			wake_owner(&own);
		if (number % 64 == 0)
			usleep(100); /* so that the owner falls asleep at times */
	}
	atomic_fetch_add(&sent, number);
	atomic_fetch_add(&ended, 1);
	/* The last word of a thread: whoever sleeps looks again. */
	wake_owner(&own);
	oring_exit(&own);
	return NULL;
}

static uint64_t take(uint64_t *next, uint64_t *errors)
{
	struct oring_post *each = oring_wake_take(&wake), *after;
	uint64_t came = 0;

	for (; each != NULL; each = after) {
		struct letter *letter = (struct letter *)(void *)each;

		after = each->next;
		*errors += letter->number != next[letter->sender]++;
		came++;
		atomic_store_explicit(&letter->taken, true, memory_order_release);
	}
	return came;
}

static void read_event(void)
{
	static uint64_t count;

	if (how == BY_EVENTFD)
		oring_prep_read(oring_sq_reserve(&ring), oring_file_fd(event), &count,
				sizeof(count), 0);
}

static int run(int seconds)
{
	time_t until = time(NULL) + seconds;
	uint64_t came = 0, errors = 0, sleeps = 0, next[THREADS] = { 0 };
	pthread_t threads[THREADS];
	struct oring_cqe cqe;
	uintptr_t i, k;

	if (oring_init_fast(&ring, 64, NULL, NULL) < 0 || oring_start(&ring) < 0)
		return 2;
	oring_wake_init(&wake);
	event = eventfd(0, EFD_CLOEXEC);
	atomic_store(&stop, false);
	atomic_store(&sent, 0);
	atomic_store(&wakes, 0);
	atomic_store(&ended, 0);
	read_event();
	for (i = 0; i < THREADS; i++) {
		for (k = 0; k < WINDOW; k++)
			atomic_store(&letters[i][k].taken, true);
		pthread_create(&threads[i], NULL, post, (void *)i);
	}
	while (atomic_load(&ended) < THREADS || came < atomic_load(&sent)) {
		uint32_t want;

		came += take(next, &errors);
		if (time(NULL) >= until)
			atomic_store(&stop, true);
		if (atomic_load(&ended) == THREADS && came == atomic_load(&sent))
			break;
		want = oring_wake_sleep(&wake);
		sleeps += want;
		oring_submit_and_wait(&ring, want);
		while (oring_cq_copy(&ring, &cqe, 1) == 1) {
			if (cqe.user_data != WAKE_UP)
				read_event();
		}
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%lu posts, %lu wrong, %lu sleeps, %lu wakes; ", (unsigned long)came,
	       (unsigned long)errors, (unsigned long)sleeps, wakes);
	oring_exit(&ring);
	close(event);
	return came > 0 && errors == 0 && failed == 0 && wakes <= sleeps + THREADS ? 0 : 1;
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 2;
	int ret = 0;

	for (how = 0; how < WAYS && ret == 0; how++)
		ret = run((seconds + 1) / 2);
	printf("failed %d\n", failed);
	return ret;
}
