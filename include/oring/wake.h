/* SPDX-License-Identifier: MIT */
/**
 * wake.h - posts to a thread that may be asleep in its ring
 *
 * Any thread posts; one thread, the owner, takes. A post is a node in memory of
 * the poster's. One word holds both the posts and whether the owner sleeps: so
 * no post is missed by an owner that goes to sleep, and the kernel is entered
 * once for each sleep at most.
 *
 *	owner                                      any thread
 *
 *	for (;;) {                                 if (oring_wake_post(&wake, &mine->post))
 *		handle(oring_wake_take(&wake));            oring_wake_ring(owner_fd, context);
 *		want = oring_wake_sleep(&wake);
 *		oring_submit_and_wait(&ring, want);
 *		reap(&ring);
 *	}
 *
 * How the owner is woken is the poster's choice: oring_wake_ring() (6.13, by no
 * ring of one's own), a message from a ring of its own (oring_prep_msg_ring(),
 * 5.18), or an eventfd that the owner's ring reads (oring_wake_eventfd()).
 */
#ifndef ORING_WAKE_H
#define ORING_WAKE_H

#include "context.h"
#include "ring.h"

ORING_BEGIN_DECLS

/* A node of the poster's; inside a record of its own, as a rule. */
struct oring_post {
	struct oring_post *next;
};

struct oring_wake {
	uintptr_t newest; /* a post; ORING_WAKE_ASLEEP; or 0 */
};

/* No post has this address. */
#define ORING_WAKE_ASLEEP ((uintptr_t)1)

/** oring_wake_init - no posts, the owner is awake. */
ORING_INLINE void oring_wake_init(struct oring_wake *wake)
{
	wake->newest = 0;
}

/**
 * oring_wake_post - leave a post for the owner
 * @post: the owner's from now on, until it has been taken
 *
 * No system call. Return: true: the owner is asleep, and this caller, no other,
 * has to wake it. Threads: any; signal-safe.
 */
ORING_INLINE bool oring_wake_post(struct oring_wake *wake, struct oring_post *post)
{
	uintptr_t newest = __atomic_load_n(&wake->newest, __ATOMIC_RELAXED);

	do {
		post->next = newest == ORING_WAKE_ASLEEP ? NULL : (struct oring_post *)newest;
		/* Release: what was written to the post; pairs with the acquire in take. */
	} while (!__atomic_compare_exchange_n(&wake->newest, &newest, (uintptr_t)post, true,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	return newest == ORING_WAKE_ASLEEP;
}

/**
 * oring_wake_take - all posts, and the owner is awake
 *
 * No system call. Return: the oldest post, linked to the newer ones by next; NULL
 * if there is none. Threads: the owner.
 */
ORING_INLINE struct oring_post *oring_wake_take(struct oring_wake *wake)
{
	uintptr_t newest = __atomic_exchange_n(&wake->newest, 0, __ATOMIC_ACQUIRE);
	struct oring_post *post, *older, *newer = NULL;

	if (newest == ORING_WAKE_ASLEEP)
		return NULL;
	for (post = (struct oring_post *)newest; post != NULL; post = older) {
		older = post->next;
		post->next = newer;
		newer = post;
	}
	return newer;
}

/**
 * oring_wake_sleep - say that the owner is going to wait for its ring
 *
 * No system call. From now on until the next take, the first post wakes.
 *
 * Return: how many completions to wait for: 1; 0 if there are posts: then take
 * them, and do not wait. Threads: the owner.
 */
ORING_INLINE uint32_t oring_wake_sleep(struct oring_wake *wake)
{
	uintptr_t none = 0;

	return __atomic_compare_exchange_n(&wake->newest, &none, ORING_WAKE_ASLEEP, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
			       none == ORING_WAKE_ASLEEP
		       ? 1
		       : 0;
}

/**
 * oring_wake_ring - post a completion to a ring, by no ring of one's own
 * @ring_fd: the descriptor of the owner's ring
 * @context: the identity that the completion carries; its result is 0
 *
 * Enters the kernel. Return: 0; -EINVAL before 6.13; -EBADF, -EBADFD as
 * oring_prep_msg_ring() tells; -EOVERFLOW if its queue is full: then it does not
 * sleep. Threads: any. Since: 6.13.
 */
ORING_API int oring_wake_ring(int ring_fd, oring_context context);

/**
 * oring_wake_eventfd - add 1 to an eventfd
 *
 * For owners whose ring has a read of it in flight; any kernel. Enters the kernel.
 * Return: 0; -EAGAIN if the counter of a non-blocking one is full; as write(2).
 * Threads: any; signal-safe.
 */
ORING_API int oring_wake_eventfd(int eventfd);

ORING_END_DECLS

#endif
