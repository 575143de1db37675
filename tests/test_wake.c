/* SPDX-License-Identifier: MIT */
/* Posts to an owner that may sleep. The race is tests/stress/stress_wake.c. */
#include "harness.h"

#include <pthread.h>
#include <sys/eventfd.h>

struct letter {
	struct oring_post post;
	int number;
};

Test(wake, the_first_post_of_a_sleep_wakes)
{
	struct letter letters[4] = {
		{ { NULL }, 0 }, { { NULL }, 1 }, { { NULL }, 2 }, { { NULL }, 3 }
	};
	struct oring_wake wake;
	struct oring_post *post;

	oring_wake_init(&wake);
	cr_assert_null(oring_wake_take(&wake));
	cr_assert_not(oring_wake_post(&wake, &letters[0].post), "it is awake");
	cr_assert_eq(oring_wake_sleep(&wake), 0, "there is a post");
	cr_assert_not(oring_wake_post(&wake, &letters[1].post));
	post = oring_wake_take(&wake);
	cr_assert_eq(post, &letters[0].post, "the oldest first");
	cr_assert_eq(post->next, &letters[1].post);
	cr_assert_null(post->next->next);
	cr_assert_eq(oring_wake_sleep(&wake), 1);
	cr_assert_eq(oring_wake_sleep(&wake), 1, "it slept already");
	cr_assert(oring_wake_post(&wake, &letters[2].post), "this one wakes");
	cr_assert_not(oring_wake_post(&wake, &letters[3].post), "and no other");
	cr_assert_eq(oring_wake_sleep(&wake), 0);
	post = oring_wake_take(&wake);
	cr_assert_eq(post, &letters[2].post);
	cr_assert_eq(post->next, &letters[3].post);
	cr_assert_null(post->next->next);
	/* Woken by something else: a take, and no one needs to wake it any more. */
	cr_assert_eq(oring_wake_sleep(&wake), 1);
	cr_assert_null(oring_wake_take(&wake));
	cr_assert_not(oring_wake_post(&wake, &letters[0].post));
}

struct sleeper {
	struct oring *ring;
	struct oring_wake *wake;
	struct letter *letter;
	int event;
	int result;
};

/* Until the owner says that it sleeps; then a post, and the waking that it asks for. */
static void *post_to_sleeper(void *argument)
{
	struct sleeper *to = argument;
	int i;

	for (i = 0; i < 5000; i++) {
		if (__atomic_load_n(&to->wake->newest, __ATOMIC_RELAXED) == ORING_WAKE_ASLEEP)
			break;
		usleep(1000);
	}
	usleep(2000);
	to->result = -ETIMEDOUT;
	if (oring_wake_post(to->wake, &to->letter->post))
		to->result = to->event >= 0 ? oring_wake_eventfd(to->event)
					    : oring_wake_ring(oring_fd(to->ring),
							      oring_context_from_bits(0xabcde));
	return NULL;
}

static void sleeps_until_posted(struct rig *rig, int event)
{
	struct oring_wake wake;
	struct letter letter = { { NULL }, 7 };
	struct sleeper sleeper = { &rig->ring, &wake, &letter, event, 0 };
	struct oring_wait_arg limit;
	struct oring_cqe cqe;
	pthread_t thread;

	oring_wake_init(&wake);
	cr_assert_eq(oring_wake_sleep(&wake), 1);
	cr_assert_eq(pthread_create(&thread, NULL, post_to_sleeper, &sleeper), 0);
	oring_wait_relative(&limit, 10, 0);
	oring_submit_and_wait_timeout(&rig->ring, 1, &limit, NULL);
	pthread_join(thread, NULL);
	SKIP_IF_REFUSED(sleeper.result, "messages without a ring");
	cr_assert_eq(sleeper.result, 0, "%s", strerror(-sleeper.result));
	cr_assert_eq(oring_wake_take(&wake), &letter.post);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.res, event >= 0 ? 8 : 0);
	if (event < 0)
		cr_assert_eq(cqe.user_data, 0xabcde);
}

RING_TEST(wake, by_a_message_without_a_ring)
{
	sleeps_until_posted(rig, -1);
}

RING_TEST(wake, by_an_eventfd)
{
	int event = eventfd(0, EFD_CLOEXEC);
	uint64_t count = 0;

	cr_assert_geq(event, 0);
	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_EXT_ARG);
	oring_prep_read(rig_sqe(rig), oring_file_fd(event), &count, sizeof(count), 0);
	sleeps_until_posted(rig, event);
	cr_assert_eq(count, 1);
	close(event);
}

Test(wake, what_cannot_be_woken)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t most = UINT64_MAX - 1;
	int ret = oring_wake_ring(event, oring_context_from_bits(1));

	cr_assert_geq(event, 0);
	cr_assert_eq(oring_wake_eventfd(-1), -EBADF);
	cr_assert_eq(write(event, &most, sizeof(most)), sizeof(most));
	cr_assert_eq(oring_wake_eventfd(event), -EAGAIN);
	SKIP_IF_REFUSED(ret, "messages without a ring");
	cr_assert_eq(ret, -EBADFD, "it is no ring");
	cr_assert_lt(oring_wake_ring(-1, oring_context_from_bits(1)), 0);
	close(event);
}
