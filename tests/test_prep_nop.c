/* SPDX-License-Identifier: MIT */
/*
 * NOPs that say more, times without memory of their own, and cancels by several
 * marks at once.
 *
 * Where a row takes a file, the test runs twice: with a descriptor and with a
 * registered slot whose number is no open descriptor.
 */
#include "waiting.h"

#include <poll.h>
#include <sys/uio.h>
#include <time.h>

/* ---- NOPs ---- */

/* Some kernels before 6.10 take no notice of a NOP's flags, whatever they are. */
static void require_nop_flags(struct rig *rig)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_nop(sqe);
	sqe->op_flags = 1U << 31;
	if (rig_result(rig) == 0)
		cr_skip_test("flags of a NOP: not on this kernel");
}

RING_TEST(prep, nop_result)
{
	static const int32_t results[] = { 0, 1, INT32_MAX, -1, -EINVAL, -4095, INT32_MIN };
	struct results of;
	size_t i;
	int res;

	require_nop_flags(rig);
	oring_prep_nop_result(rig_sqe(rig), 1);
	res = rig_result(rig);
	SKIP_IF_REFUSED(res, "the result of a NOP");
	cr_assert_eq(res, 1);
	for (i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		oring_prep_nop_result(rig_sqe(rig), results[i]);
		cr_assert_eq(rig_result(rig), results[i]);
	}
	for (i = 0; i < 2; i++) {
		struct oring_sqe *sqe = sqe_as(rig, ID_A);

		res = i == 0 ? -ENOLINK : 4711;
		oring_prep_nop_result(sqe, res);
		oring_sqe_link(sqe);
		oring_prep_nop(rig_sqe(rig));
		of = reap(rig, 2);
		cr_assert_eq(of.a, res);
		cr_assert_eq(of.last, i == 0 ? -ECANCELED : 0, "a negative one breaks the link");
	}
}

/*
 * What a lookup found: 0 or @missing, as the entry linked to it tells. (Older
 * kernels break the link, but the NOP itself says 0.)
 */
static void check_found(struct rig *rig, struct oring_sqe *sqe, int missing)
{
	struct results of;

	oring_sqe_link(sqe);
	oring_prep_nop(rig_sqe(rig));
	of = reap(rig, 2);
	SKIP_IF_REFUSED(of.a, "this lookup by a NOP");
	cr_assert_eq(of.last, missing ? -ECANCELED : 0);
	cr_assert(of.a == missing || of.a == 0, "%s", strerror(-of.a));
}

RING_TEST(prep, nop_file)
{
	int fd = pattern_file(1);
	int way;

	require_nop_flags(rig);
	for (way = 0; way < 2; way++) {
		struct oring_sqe *sqe = sqe_as(rig, ID_A);
		int none = -1;

		oring_prep_nop_file(sqe, by(rig, way, fd));
		check_found(rig, sqe, 0);
		sqe = sqe_as(rig, ID_A);
		oring_prep_nop_file(sqe, oring_file_slot(SLOT + 1));
		check_found(rig, sqe, -EBADF);
		sqe = sqe_as(rig, ID_A);
		oring_prep_nop_file(sqe, oring_file_fd(SLOT));
		check_found(rig, sqe, -EBADF);
		if (way == 0)
			continue;
		cr_assert_eq(oring_register_files_update(&rig->ring, SLOT, &none, 1), 1);
		sqe = sqe_as(rig, ID_A);
		oring_prep_nop_file(sqe, oring_file_slot(SLOT));
		check_found(rig, sqe, -EBADF);
	}
	close(fd);
}

RING_TEST(prep, nop_buffer)
{
	static char memory[2][64];
	struct iovec iov[2] = { { memory[0], 64 }, { memory[1], 64 } };
	struct oring_sqe *sqe;
	uint16_t index;

	require_nop_flags(rig);
	sqe = sqe_as(rig, ID_A);
	oring_prep_nop_buffer(sqe, 0);
	check_found(rig, sqe, -EFAULT);
	cr_assert_eq(oring_register_buffers(&rig->ring, iov, 2), 0);
	for (index = 0; index < 4; index++) {
		sqe = sqe_as(rig, ID_A);
		oring_prep_nop_buffer(sqe, index);
		check_found(rig, sqe, index < 2 ? 0 : -EFAULT);
	}
	cr_assert_eq(oring_unregister_buffers(&rig->ring), 0);
	sqe = sqe_as(rig, ID_A);
	oring_prep_nop_buffer(sqe, 1);
	check_found(rig, sqe, -EFAULT);
}

RING_TEST(prep, nop_task_work)
{
	/* Not at once: the NOP behind it, submitted together with it, is before it. */
	struct results of;
	struct oring_cqe cqe;

	require_nop_flags(rig);
	oring_prep_nop_task_work(sqe_as(rig, ID_A));
	rig_wait(rig, 1);
	SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, "a NOP by task work");
	of = reap(rig, 1);
	cr_assert_eq(of.a, 0);
	oring_prep_nop_task_work(sqe_as(rig, ID_A));
	oring_prep_nop(rig_sqe(rig));
	issue(rig);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, rig->next_id - 1);
	cr_assert_eq(cqe.res, 0);
	of = reap(rig, 1);
	cr_assert_eq(of.a, 0);
}

static bool has_big_completions(const struct rig *rig)
{
	return rig->shape == SHAPE_cqe32 || rig->shape == SHAPE_cqe_mixed;
}

/* One NOP with these two values, and its completion. */
static void check_big(struct rig *rig, uint64_t extra1, uint64_t extra2)
{
	const struct oring_cqe *cqe;

	oring_prep_nop_cqe32(rig_sqe(rig), extra1, extra2);
	rig_wait(rig, 1);
	cqe = oring_cq_peek(&rig->ring);
	cr_assert_not_null(cqe);
	SKIP_IF_REFUSED(cqe->res, "a NOP with a 32-byte completion");
	cr_assert_eq(cqe->user_data, rig->next_id - 1);
	cr_assert_eq(cqe->res, 0);
	cr_assert_eq(oring_cqe_big(cqe)[0], extra1);
	cr_assert_eq(oring_cqe_big(cqe)[1], extra2);
	if (rig->shape == SHAPE_cqe_mixed)
		cr_assert(cqe->flags & ORING_CQE_F_32);
	oring_cq_release(&rig->ring);
	cr_assert_eq(oring_cq_ready(&rig->ring), 0);
}

RING_TEST(prep, nop_cqe32)
{
	int i;

	require_nop_flags(rig);
	if (!has_big_completions(rig)) {
		oring_prep_nop_cqe32(rig_sqe(rig), 1, 2);
		cr_assert_eq(rig_result(rig), -EINVAL);
		return;
	}
	for (i = 0; i < 40; i++)
		check_big(rig, UINT64_MAX - (unsigned int)i, 0x8000000000000000 + (unsigned int)i);
}

static void prep_nop_cqe32_at_the_wrap(struct rig *rig)
{
	/* One slot is left before the wrap, and two are wanted: a filler takes it. */
	struct oring_cqe32 out;
	int i;

	for (i = 0; i < 2 * RIG_ENTRIES - 1; i++) {
		oring_prep_nop(rig_sqe(rig));
		cr_assert_eq(rig_result(rig), 0);
	}
	oring_prep_nop_cqe32(rig_sqe(rig), ID_A, ID_B);
	rig_wait(rig, 1);
	cr_assert_eq(oring_cq_ready(&rig->ring), 3);
	cr_assert(oring_cqe_is_filler(oring_cq_at(&rig->ring, rig->ring.cq_released)));
	cr_assert_eq(oring_cq_copy32(&rig->ring, &out, 1), 1);
	cr_assert_eq(out.cqe.user_data, rig->next_id - 1);
	cr_assert_eq(out.cqe.res, 0);
	cr_assert_eq(out.big_cqe[0], ID_A);
	cr_assert_eq(out.big_cqe[1], ID_B);
	cr_assert_eq(oring_cq_ready(&rig->ring), 0);
	check_big(rig, 1, 2);
}

RING_TEST_ON(prep, nop_cqe32_at_the_wrap, cqe_mixed)

RING_TEST(prep, nop128)
{
	struct oring_sqe128 *large = oring_sq_reserve128(&rig->ring);
	struct oring_sqe128 sqe;

	if (rig->shape != SHAPE_sqe128) {
		cr_assert_null(large);
		oring_sqe128_clear(&sqe);
		oring_prep_nop128(&sqe);
		oring_sqe_copy(rig_sqe(rig), &sqe.sqe);
		cr_assert_eq(rig_reap(rig).res, -EINVAL);
		return;
	}
	REQUIRE_OP(rig, ORING_OP_NOP128);
	cr_assert_not_null(large);
	oring_sqe_set_user_data(&large->sqe, ID_A);
	oring_prep_nop128(large);
	oring_prep_nop(rig_sqe(rig)); /* it takes one place, not two */
	{
		struct results of = reap(rig, 2);

		cr_assert_eq(of.a, 0);
		cr_assert_eq(of.last, 0);
	}
}

/* ---- time ---- */

#define MILLISECOND ((int64_t)1000000)
#define SECOND	    (1000 * MILLISECOND)
#define SHORT	    (5 * MILLISECOND)
#define LONG	    ((int64_t)1 << 42) /* over an hour; the lower 32 bits would be none */

static const struct {
	clockid_t id;
	uint32_t flag;
} clocks[] = {
	{ CLOCK_MONOTONIC, 0 },
	{ CLOCK_BOOTTIME, ORING_TIMEOUT_BOOTTIME },
	{ CLOCK_REALTIME, ORING_TIMEOUT_REALTIME },
};
#define CLOCKS (sizeof(clocks) / sizeof(clocks[0]))

static int64_t now(clockid_t clock)
{
	struct timespec ts;

	cr_assert_eq(clock_gettime(clock, &ts), 0);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

/* The rows in two forms: a time in memory, or in the entry. */
enum form {
	IN_MEMORY,
	IMMEDIATE
};

static const struct oring_timespec *spec(struct oring_timespec *ts, int64_t nanoseconds)
{
	ts->tv_sec = nanoseconds / SECOND;
	ts->tv_nsec = nanoseconds % SECOND;
	return ts;
}

static void prep_time(struct oring_sqe *sqe, enum form form, int64_t ns, uint32_t count,
		      uint32_t flags)
{
	static struct oring_timespec ts;

	if (form == IMMEDIATE)
		oring_prep_timeout_immediate(sqe, (uint64_t)ns, count, flags);
	else
		oring_prep_timeout(sqe, spec(&ts, ns), count, flags);
}

static void prep_link_time(struct oring_sqe *sqe, enum form form, int64_t ns, uint32_t flags)
{
	static struct oring_timespec ts;

	if (form == IMMEDIATE)
		oring_prep_link_timeout_immediate(sqe, (uint64_t)ns, flags);
	else
		oring_prep_link_timeout(sqe, spec(&ts, ns), flags);
}

/* A44: -ETIME on each clock, relative and absolute, and not before the time. */
static void each_clock(struct rig *rig, enum form form)
{
	size_t i;
	int absolute;

	for (i = 0; i < CLOCKS; i++) {
		for (absolute = 0; absolute < 2; absolute++) {
			int64_t at = now(clocks[i].id) + SHORT;
			int res;

			prep_time(rig_sqe(rig), form, absolute ? at : SHORT, 0,
				  clocks[i].flag | (absolute ? ORING_TIMEOUT_ABS : 0));
			res = rig_result(rig);
			SKIP_IF_REFUSED(res, "this form of a timeout, or this clock");
			cr_assert_eq(res, -ETIME);
			cr_assert_geq(now(clocks[i].id), at);
		}
		/* An absolute time that is over: at once. */
		prep_time(rig_sqe(rig), form, now(clocks[i].id) - SHORT, 0,
			  clocks[i].flag | ORING_TIMEOUT_ABS);
		cr_assert_eq(rig_result(rig), -ETIME);
	}
	prep_time(rig_sqe(rig), form, SHORT, 0, ORING_TIMEOUT_CLOCK_MASK);
	cr_assert_eq(rig_result(rig), -EINVAL, "one clock");
}

RING_TEST(prep, timeout_on_each_clock)
{
	each_clock(rig, IN_MEMORY);
}

RING_TEST(prep, timeout_immediate)
{
	struct results of;
	int i, spared;

	each_clock(rig, IMMEDIATE);
	/* The count is reached first; the upper half of the time counts too. */
	prep_time(sqe_as(rig, ID_A), IMMEDIATE, LONG, 2, 0);
	issue(rig);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	nothing_comes(rig);
	oring_prep_nop(rig_sqe(rig));
	of = reap(rig, 2);
	cr_assert_eq(of.a, 0);
	cr_assert_eq(of.last, 0);
	for (spared = 0; spared < 2; spared++) {
		struct oring_sqe *sqe = sqe_as(rig, ID_A);

		prep_time(sqe, IMMEDIATE, MILLISECOND, 0, spared ? ORING_TIMEOUT_ETIME_SUCCESS : 0);
		oring_sqe_link(sqe);
		oring_prep_nop(rig_sqe(rig));
		of = reap(rig, 2);
		cr_assert_eq(of.a, -ETIME);
		cr_assert_eq(of.last, spared ? 0 : -ECANCELED);
	}
	/* It comes again and again. */
	prep_time(rig_sqe(rig), IMMEDIATE, MILLISECOND, 3, ORING_TIMEOUT_MULTISHOT);
	for (i = 0; i < 3; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert_eq(cqe.res, -ETIME);
		cr_assert_eq(oring_cqe_has_more(&cqe), i < 2);
	}
	nothing_comes(rig);
}

/* A44: from a long time to a short one, relative and absolute. */
static void update(struct rig *rig, enum form form, size_t clock)
{
	static struct oring_timespec ts;
	uint32_t absolute;

	for (absolute = 0; absolute <= ORING_TIMEOUT_ABS; absolute++) {
		int64_t at = now(clocks[clock].id) + SHORT;
		int64_t time = absolute ? at : SHORT;
		struct results of;

		prep_time(sqe_as(rig, ID_A), IN_MEMORY, LONG, 0, clocks[clock].flag);
		issue(rig);
		if (form == IMMEDIATE)
			oring_prep_timeout_update_immediate(rig_sqe(rig), bits(ID_A),
							    (uint64_t)time, absolute);
		else
			oring_prep_timeout_update(rig_sqe(rig), bits(ID_A), spec(&ts, time),
						  absolute);
		rig_wait(rig, 1);
		SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, "this update of a timeout");
		of = reap(rig, 2);
		cr_assert_eq(of.last, 0);
		cr_assert_eq(of.a, -ETIME);
		cr_assert_geq(now(clocks[clock].id), at);
	}
}

RING_TEST(prep, timeout_update_on_each_clock)
{
	/* The clock is as it was when the timeout began. */
	size_t i;

	for (i = 0; i < CLOCKS; i++)
		update(rig, IN_MEMORY, i);
}

RING_TEST(prep, timeout_update_immediate)
{
	size_t i;

	for (i = 0; i < CLOCKS; i++)
		update(rig, IMMEDIATE, i);
	prep_time(sqe_as(rig, ID_A), IN_MEMORY, LONG, 0, 0);
	issue(rig);
	oring_prep_timeout_update_immediate(rig_sqe(rig), bits(ID_B), SHORT, 0);
	cr_assert_eq(rig_result(rig), -ENOENT);
	for (i = 1; i < CLOCKS; i++) {
		oring_prep_timeout_update_immediate(rig_sqe(rig), bits(ID_A), SHORT,
						    clocks[i].flag);
		cr_assert_eq(rig_result(rig), -EINVAL, "the clock stays");
	}
	/* Later is possible too. */
	oring_prep_timeout_update_immediate(rig_sqe(rig), bits(ID_A), 2 * LONG, 0);
	cr_assert_eq(rig_result(rig), 0);
	nothing_comes(rig);
	cancel_a(rig);
}

/* A read of @fd with identity ID_A, linked to the entry that comes next. */
static void prep_linked_read(struct rig *rig, int fd)
{
	static char buf[8];
	struct oring_sqe *sqe = sqe_as(rig, ID_A);

	oring_prep_read(sqe, oring_file_fd(fd), buf, sizeof(buf), 0);
	oring_sqe_link(sqe);
}

/* A44: on each clock, the operation is cancelled; and in time, the timeout is. */
static void link_on_each_clock(struct rig *rig, enum form form)
{
	struct results of;
	size_t i;
	int absolute, ends[2];

	make_pipe(ends);
	for (i = 0; i < CLOCKS; i++) {
		for (absolute = 0; absolute < 2; absolute++) {
			int64_t at = now(clocks[i].id) + SHORT;

			prep_linked_read(rig, ends[0]);
			prep_link_time(rig_sqe(rig), form, absolute ? at : SHORT,
				       clocks[i].flag | (absolute ? ORING_TIMEOUT_ABS : 0));
			of = reap(rig, 2);
			SKIP_IF_REFUSED(of.last, "this form of a link timeout, or this clock");
			cr_assert_eq(of.a, -ECANCELED);
			cr_assert_eq(of.last, -ETIME);
			cr_assert_geq(now(clocks[i].id), at);
		}
	}
	prep_linked_read(rig, ends[0]);
	prep_link_time(rig_sqe(rig), form, LONG, 0);
	issue(rig);
	nothing_comes(rig);
	cr_assert_eq(write(ends[1], "in time", 7), 7);
	of = reap(rig, 2);
	cr_assert_eq(of.a, 7);
	cr_assert_eq(of.last, -ECANCELED);
	prep_linked_read(rig, ends[0]);
	prep_link_time(rig_sqe(rig), form, LONG, ORING_TIMEOUT_CLOCK_MASK);
	of = reap(rig, 2);
	cr_assert_eq(of.last, -EINVAL, "one clock");
	cr_assert_eq(of.a, -ECANCELED);
	close_pipe(ends);
}

RING_TEST(prep, link_timeout_on_each_clock)
{
	link_on_each_clock(rig, IN_MEMORY);
}

RING_TEST(prep, link_timeout_immediate)
{
	link_on_each_clock(rig, IMMEDIATE);
	prep_link_time(rig_sqe(rig), IMMEDIATE, SHORT, 0);
	cr_assert_eq(rig_result(rig), -EINVAL, "linked to nothing");
}

/* The link timeout ID_B of a read that lasts gets a new time. */
static void update_link(struct rig *rig, enum form form, size_t clock, uint32_t absolute)
{
	static struct oring_timespec ts;
	int64_t at = now(clocks[clock].id) + SHORT;
	int64_t time = absolute ? at : SHORT;
	struct results of;
	int ends[2];

	make_pipe(ends);
	prep_linked_read(rig, ends[0]);
	prep_link_time(sqe_as(rig, ID_B), IN_MEMORY, LONG, clocks[clock].flag);
	issue(rig);
	if (form == IMMEDIATE)
		oring_prep_link_timeout_update_immediate(rig_sqe(rig), bits(ID_B), (uint64_t)time,
							 absolute);
	else
		oring_prep_link_timeout_update(rig_sqe(rig), bits(ID_B), spec(&ts, time), absolute);
	rig_wait(rig, 1);
	SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, "this update of a link timeout");
	of = reap(rig, 3);
	cr_assert_eq(of.last, 0);
	cr_assert_eq(of.a, -ECANCELED);
	cr_assert_eq(of.b, -ETIME);
	cr_assert_geq(now(clocks[clock].id), at);
	close_pipe(ends);
}

RING_TEST(prep, link_timeout_update_on_each_clock)
{
	size_t i;

	for (i = 0; i < CLOCKS; i++) {
		update_link(rig, IN_MEMORY, i, 0);
		update_link(rig, IN_MEMORY, i, ORING_TIMEOUT_ABS);
	}
}

RING_TEST(prep, link_timeout_update_immediate)
{
	size_t i;

	for (i = 0; i < CLOCKS; i++) {
		update_link(rig, IMMEDIATE, i, 0);
		update_link(rig, IMMEDIATE, i, ORING_TIMEOUT_ABS);
	}
	/* A timeout of the other sort is not found by that name. */
	prep_time(sqe_as(rig, ID_A), IN_MEMORY, LONG, 0, 0);
	issue(rig);
	oring_prep_link_timeout_update_immediate(rig_sqe(rig), bits(ID_A), SHORT, 0);
	cr_assert_eq(rig_result(rig), -ENOENT);
	cancel_a(rig);
}

/* ---- cancelling by several marks ---- */

/* A poll that nothing will ever end but a cancel. */
static void wait_in_vain(struct rig *rig, uint64_t id, oring_file file)
{
	oring_prep_poll_add(sqe_as(rig, id), file, POLLPRI);
}

/*
 * The result of the cancel that rig_sqe() gave last, and whose @n completions
 * come with it: ids' bits are 1 for ID_A, 2 for ID_B, 4 for ID_C.
 */
static int reap_cancelled(struct rig *rig, int n, unsigned int ids)
{
	int result = INT32_MIN;
	unsigned int seen = 0;

	for (n++; n > 0; n--) {
		struct oring_cqe cqe = rig_reap(rig);

		if (cqe.user_data == rig->next_id - 1) {
			result = cqe.res;
			continue;
		}
		cr_assert_eq(cqe.res, -ECANCELED);
		seen |= cqe.user_data == ID_A ? 1 : cqe.user_data == ID_B ? 2 : 4;
	}
	cr_assert_eq(seen, ids, "%x, not %x", seen, ids);
	nothing_comes(rig);
	return result;
}

#define BY_ID	ORING_ASYNC_CANCEL_USERDATA
#define BY_FILE ORING_ASYNC_CANCEL_FD
#define BY_OP	ORING_ASYNC_CANCEL_OP
#define ALL	ORING_ASYNC_CANCEL_ALL

/* Polls on @file: ID_A twice, ID_B; on @other: ID_A, ID_C. And a timeout ID_A, in no file. */
static void begin_six(struct rig *rig, oring_file file, oring_file other)
{
	wait_in_vain(rig, ID_A, file);
	wait_in_vain(rig, ID_A, file);
	wait_in_vain(rig, ID_B, file);
	wait_in_vain(rig, ID_A, other);
	wait_in_vain(rig, ID_C, other);
	prep_time(sqe_as(rig, ID_A), IN_MEMORY, LONG, 0, 0);
	issue(rig);
}

/* 6.1 takes these flags, and they have no effect. */
static void require_marks(struct rig *rig, oring_file file)
{
	int result;

	wait_in_vain(rig, ID_A, file);
	issue(rig);
	oring_prep_async_cancel_op(rig_sqe(rig), ORING_OP_POLL_ADD, 0);
	rig_wait(rig, 1);
	result = oring_cq_peek(&rig->ring)->res;
	if (result == -EINVAL || result == -ENOENT)
		cr_skip_test("a cancel by several marks: not on this kernel");
	cr_assert_eq(reap_cancelled(rig, 1, 1), 0);
}

static void check_match(struct rig *rig, oring_file file, oring_file other)
{
	static const uint8_t poll_op = ORING_OP_POLL_ADD;

	/* A45: one of those that have all the marks, then every one; the rest stays. */
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), file, poll_op,
				      BY_ID | BY_FILE | BY_OP);
	cr_assert_eq(rig_result(rig), -ENOENT);
	begin_six(rig, file, other);
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_C), file, poll_op,
				      BY_ID | BY_FILE | BY_OP);
	cr_assert_eq(rig_result(rig), -ENOENT, "on another file");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), file, ORING_OP_READ,
				      BY_ID | BY_FILE | BY_OP | ALL);
	cr_assert_eq(rig_result(rig), 0, "another operation");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), file, poll_op,
				      BY_ID | BY_FILE | BY_OP);
	cr_assert_eq(reap_cancelled(rig, 1, 1), 0, "one");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), file, 0, BY_ID | BY_FILE | ALL);
	cr_assert_eq(reap_cancelled(rig, 1, 1), 1, "the other on that file");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), oring_file_fd(0), poll_op,
				      BY_ID | BY_OP | ALL);
	cr_assert_eq(reap_cancelled(rig, 1, 1), 1, "on any file, but not the timeout");
	wait_in_vain(rig, ID_A, file);
	issue(rig);
	oring_prep_async_cancel_match(rig_sqe(rig), bits(0), file, poll_op, BY_FILE | BY_OP | ALL);
	cr_assert_eq(reap_cancelled(rig, 2, 3), 2, "of any identity");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), oring_file_fd(0), 0, BY_ID);
	cr_assert_eq(reap_cancelled(rig, 1, 1), 0, "the timeout");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(0), other, 0, BY_FILE);
	cr_assert_eq(reap_cancelled(rig, 1, 4), 0);
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), oring_file_slot(SLOT + 1), poll_op,
				      BY_ID | BY_FILE | BY_OP);
	cr_assert_eq(rig_result(rig), -EBADF, "an empty slot");
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), oring_file_fd(SLOT), poll_op,
				      BY_ID | BY_FILE | BY_OP);
	cr_assert_eq(rig_result(rig), -EBADF, "no such descriptor");
}

RING_TEST(prep, async_cancel_match)
{
	int way;

	for (way = 0; way < 2; way++) {
		int ends[2], others[2];

		make_pipe(ends);
		make_pipe(others);
		require_marks(rig, oring_file_fd(ends[0]));
		check_match(rig, by(rig, way, ends[0]), oring_file_fd(others[0]));
		close_pipe(ends);
		close_pipe(others);
	}
}

RING_TEST(prep, async_cancel_match_refuses)
{
	/* "Any" goes with no other mark; unknown flags go with nothing. */
	oring_prep_async_cancel_match(rig_sqe(rig), bits(0), oring_file_fd(0), ORING_OP_POLL_ADD,
				      ORING_ASYNC_CANCEL_ANY | BY_OP);
	cr_assert_eq(rig_result(rig), -EINVAL);
	oring_prep_async_cancel_match(rig_sqe(rig), bits(ID_A), oring_file_fd(0), 0, 1U << 31);
	cr_assert_eq(rig_result(rig), -EINVAL);
}

RING_TEST(prep, futex_cancel_of_all)
{
	/* A45: every wait ends, though Linux counts all of them as one. */
	static uint32_t word;
	int i, result;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	for (i = 0; i < 3; i++)
		oring_prep_futex_wait(sqe_as(rig, ID_A), &word, 0, ORING_FUTEX_MATCH_ANY,
				      ORING_FUTEX2_SIZE_U32 | ORING_FUTEX2_PRIVATE);
	issue(rig);
	oring_prep_async_cancel(rig_sqe(rig), bits(ID_A), ALL);
	result = reap_cancelled(rig, 3, 1);
	cr_assert(result == 1 || result == 3, "%d", result);
	oring_prep_futex_wake(rig_sqe(rig), &word, 9, ORING_FUTEX_MATCH_ANY,
			      ORING_FUTEX2_SIZE_U32 | ORING_FUTEX2_PRIVATE);
	cr_assert_eq(rig_result(rig), 0);
}
