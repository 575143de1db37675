/* SPDX-License-Identifier: MIT */
/* For tests of what waits and is cancelled: identities, results by identity, pipes. */
#ifndef ORING_TESTS_WAITING_H
#define ORING_TESTS_WAITING_H

#include "harness.h"

#define SLOTS 640 /* in a table; slots from 600 on are no descriptors */
#define SLOT  600

/* The file of @fd: as a descriptor the first time, in a slot the second (5.19). */
static inline oring_file by(struct rig *rig, int way, int fd)
{
	if (way == 0)
		return oring_file_fd(fd);
	oring_register_files_sparse(&rig->ring, SLOTS); /* -EBUSY but for the first time */
	cr_assert_eq(oring_register_files_update(&rig->ring, SLOT, &fd, 1), 1);
	return oring_file_slot(SLOT);
}

/* Submit what is pending without waiting for completions, until the kernel has taken it. */
static inline void issue(struct rig *rig)
{
	int tries;

	cr_assert_geq(oring_submit(&rig->ring), 0);
	for (tries = 0; tries < 100000 && oring_sq_pending(&rig->ring) > 0; tries++)
		usleep(100);
	cr_assert_eq(oring_sq_pending(&rig->ring), 0);
}

/* Nothing comes, though the kernel is asked and given some time. */
static inline void nothing_comes(struct rig *rig)
{
	int i;

	for (i = 0; i < 5; i++) {
		cr_assert_eq(oring_get_events(&rig->ring), 0, "a completion came, result %d",
			     oring_cq_peek(&rig->ring)->res);
		usleep(2000);
	}
}

/* An entry with identity @id: rig_sqe() for those that others name. */
static inline struct oring_sqe *sqe_as(struct rig *rig, uint64_t id)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_sqe_set_user_data(sqe, id);
	return sqe;
}

static inline oring_context bits(uint64_t id)
{
	return oring_context_from_bits(id);
}

/* Identities that differ in one end of the 64 bits only. */
#define ID_A 0x8000000000000a11
#define ID_B 0x4000000000000a11
#define ID_C 0x4000000000000a12

/* The results of ID_A and ID_B, and of the entry that rig_sqe() gave last. */
struct results {
	int a, b, last;
};

/* The next @n completions, each of another of those three; the others stay INT32_MIN. */
static inline struct results reap(struct rig *rig, int n)
{
	struct results of = { INT32_MIN, INT32_MIN, INT32_MIN };

	while (n-- > 0) {
		struct oring_cqe cqe = rig_reap(rig);
		int *res = &of.last;

		if (cqe.user_data == ID_A)
			res = &of.a;
		else if (cqe.user_data == ID_B)
			res = &of.b;
		else
			cr_assert_eq(cqe.user_data, rig->next_id - 1);
		cr_assert_eq(*res, INT32_MIN, "a second completion");
		cr_assert_not(oring_cqe_has_more(&cqe));
		*res = cqe.res;
	}
	return of;
}

/* Cancel the request ID_A: both completions. (Of waitid and futexes Linux counts one.) */
static inline void cancel_a(struct rig *rig)
{
	struct results of;

	oring_prep_async_cancel(rig_sqe(rig), bits(ID_A), 0);
	of = reap(rig, 2);
	cr_assert(of.last == 0 || of.last == 1, "%s", strerror(-of.last));
	cr_assert_eq(of.a, -ECANCELED);
}

static inline void make_pipe(int ends[2])
{
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
}

static inline void close_pipe(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

#endif
