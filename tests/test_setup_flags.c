/* SPDX-License-Identifier: MIT */
/* Setup flags by what they change: whose thread polls, where, how long; which queue; which device. */
#include "harness.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* A number that the kernel tells of the ring, as "SqThread"; -1 if it does not. */
static long ring_says(const struct oring *ring, const char *name)
{
	char path[64], line[256];
	long number = -1;
	size_t length = strlen(name);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", oring_fd(ring));
	file = fopen(path, "r");
	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			number = strtol(line + length + 1, NULL, 0);
	}
	fclose(file);
	return number;
}

/* The same of a thread that may be busy: then the kernel does not look. */
static long thread_says(const struct oring *ring, const char *name)
{
	long number = -1;
	int i;

	for (i = 0; i < 2000 && number < 0; i++) {
		number = ring_says(ring, name);
		if (number < 0)
			usleep(1000);
	}
	return number;
}

static void nop_completes(struct oring *ring)
{
	struct oring_wait_arg limit;
	struct oring_cqe cqe;
	struct oring_sqe *sqe = oring_sq_reserve(ring);

	oring_wait_relative(&limit, 10, 0);
	cr_assert_not_null(sqe);
	oring_prep_nop(sqe);
	oring_sqe_set_user_data(sqe, 77);
	cr_assert_geq(oring_submit(ring), 0);
	cr_assert_eq(oring_wait(ring, 1, &limit), 1);
	cr_assert_eq(oring_cq_copy(ring, &cqe, 1), 1);
	cr_assert_eq(cqe.user_data, 77);
	cr_assert_eq(cqe.res, 0);
}

static int init_attached(struct oring *ring, const struct oring *to, uint32_t flags)
{
	struct oring_params params;

	memset(&params, 0, sizeof(params));
	params.flags = flags | ORING_SETUP_ATTACH_WQ;
	params.wq_fd = (uint32_t)oring_fd(to);
	params.sq_thread_idle = 100;
	return oring_init(ring, 8, &params);
}

Test(setup_flags, attached_rings_share_the_polling_thread, .timeout = TEST_SECONDS)
{
	struct oring first, second, third;
	long thread;

	require_ring(&first, 8, ORING_SETUP_SQPOLL);
	require_ring(&third, 8, ORING_SETUP_SQPOLL);
	cr_assert_eq(init_attached(&second, &first, ORING_SETUP_SQPOLL), 0);
	nop_completes(&first);
	nop_completes(&second);
	thread = thread_says(&first, "SqThread");
	if (thread <= 0)
		cr_skip_test("the polling thread in fdinfo: not on this kernel");
	cr_assert_eq(thread_says(&second, "SqThread"), thread);
	cr_assert_neq(thread_says(&third, "SqThread"), thread, "not attached");
	/* The one that it was attached to may go first. */
	cr_assert_eq(oring_exit(&first), 0);
	nop_completes(&second);
	cr_assert_eq(oring_exit(&second), 0);
	cr_assert_eq(oring_exit(&third), 0);
}

Test(setup_flags, attaching_to_what_is_no_ring)
{
	struct oring ring, other;
	int ends[2];

	require_ring(&other, 8, 0);
	cr_assert_eq(init_attached(&ring, &other, 0), 0, "workers are the task's in any case");
	nop_completes(&ring);
	cr_assert_eq(oring_exit(&ring), 0);
	cr_assert_eq(oring_exit(&other), 0);
	cr_assert_eq(pipe(ends), 0);
	other.fd = ends[0];
	cr_assert_eq(init_attached(&ring, &other, 0), -EINVAL);
	cr_assert_eq(oring_fd(&ring), -1);
	other.fd = 10000;
	cr_assert_eq(init_attached(&ring, &other, 0), -ENXIO, "nothing is open there");
	close(ends[0]);
	close(ends[1]);
}

Test(setup_flags, the_polling_thread_stays_on_its_processor, .timeout = TEST_SECONDS)
{
	struct oring_params params;
	struct oring ring;
	cpu_set_t mine;
	int cpu, last = -1, ret;

	cr_assert_eq(sched_getaffinity(0, sizeof(mine), &mine), 0);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &mine))
			last = cpu;
	}
	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_SQPOLL | ORING_SETUP_SQ_AFF;
	params.sq_thread_cpu = (uint32_t)last;
	params.sq_thread_idle = 1000;
	ret = oring_init(&ring, 8, &params);
	cr_assert_eq(ret, 0, "%s", strerror(-ret));
	nop_completes(&ring);
	cr_assert_eq(thread_says(&ring, "SqThreadCpu"), last);
	cr_assert_eq(oring_exit(&ring), 0);

	params.flags = ORING_SETUP_SQPOLL | ORING_SETUP_SQ_AFF;
	params.sq_thread_cpu = 1 << 20;
	cr_assert_eq(oring_init(&ring, 8, &params), -EINVAL, "no such processor");
	params.flags = ORING_SETUP_SQ_AFF;
	params.sq_thread_cpu = 0;
	cr_assert_eq(oring_init(&ring, 8, &params), -EINVAL, "nobody to put there");
}

/* Milliseconds until the polling thread sleeps, at most @limit. */
static int sleeps_after(const struct oring *ring, int limit)
{
	int i;

	for (i = 0; i < limit && !oring_sq_needs_wakeup(ring); i++)
		usleep(1000);
	return i;
}

Test(setup_flags, the_polling_thread_sleeps_when_idle, .timeout = TEST_SECONDS)
{
	struct oring_params params;
	struct oring soon, late;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_SQPOLL;
	params.sq_thread_idle = 20000;
	cr_assert_eq(oring_init(&late, 8, &params), 0);
	params.sq_thread_idle = 1;
	cr_assert_eq(oring_init(&soon, 8, &params), 0);
	nop_completes(&late);
	nop_completes(&soon);
	cr_assert_lt(sleeps_after(&soon, 5000), 5000);
	cr_assert_not(oring_sq_needs_wakeup(&late), "20 s are not over");
	nop_completes(&soon);
	cr_assert_eq(oring_exit(&soon), 0);
	cr_assert_eq(oring_exit(&late), 0);
}

Test(setup_flags, waiting_for_room_in_the_queue, .timeout = TEST_SECONDS)
{
	struct oring ring;
	struct oring_sqe *sqe;
	uint64_t sent = 0, came = 0;
	struct oring_cqe cqe;
	struct oring_wait_arg limit;
	int ret;

	require_ring(&ring, 4, ORING_SETUP_SQPOLL);
	oring_wait_relative(&limit, 10, 0);
	while (sent < 200) {
		while ((sqe = oring_sq_reserve(&ring)) != NULL) {
			oring_prep_nop(sqe);
			oring_sqe_set_user_data(sqe, sent++);
		}
		/* Not submitted: it commits, and wakes a thread that sleeps. */
		ret = oring_sq_wait_space(&ring);
		cr_assert(ret > 0 && ret <= 4, "%d", ret);
		while (oring_cq_copy(&ring, &cqe, 1) == 1)
			cr_assert_eq(cqe.user_data, came++);
	}
	while (came < sent) {
		cr_assert_gt(oring_wait(&ring, 1, &limit), 0);
		while (oring_cq_copy(&ring, &cqe, 1) == 1)
			cr_assert_eq(cqe.user_data, came++);
	}
	cr_assert_eq(oring_exit(&ring), 0);

	require_ring(&ring, 1, 0);
	cr_assert_eq(oring_sq_wait_space(&ring), 1, "there is room");
	oring_prep_nop(oring_sq_reserve(&ring));
	cr_assert_eq(oring_sq_wait_space(&ring), -EINVAL, "nobody would make any");
	cr_assert_eq(oring_sq_pending(&ring), 1);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(setup_flags, sizes_of_both_queues)
{
	struct oring_params params;
	struct oring ring;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_CQSIZE;
	params.cq_entries = 100;
	cr_assert_eq(oring_init(&ring, 5, &params), 0);
	cr_assert_eq(ring.sq_entries, 8);
	cr_assert_eq(ring.cq_entries, 128);
	cr_assert_eq(params.sq_entries, 8);
	cr_assert_eq(params.cq_entries, 128);
	cr_assert_eq(oring_exit(&ring), 0);
	params.cq_entries = 4;
	params.flags = ORING_SETUP_CQSIZE;
	cr_assert_eq(oring_init(&ring, 8, &params), -EINVAL, "fewer than entries");
	memset(&params, 0, sizeof(params));
	cr_assert_eq(oring_init(&ring, 32769, &params), -EINVAL);
	params.flags = ORING_SETUP_CLAMP | ORING_SETUP_CQSIZE;
	params.cq_entries = 1 << 20;
	cr_assert_eq(oring_init(&ring, 1 << 20, &params), 0);
	cr_assert_eq(ring.sq_entries, 32768);
	cr_assert_eq(ring.cq_entries, 65536);
	cr_assert_eq(oring_exit(&ring), 0);
}

/* ---- the eventfd of a ring, turned off and on ---- */

RING_TEST(setup_flags, eventfd_toggle)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t count = 0;

	cr_assert_geq(fd, 0);
	cr_assert_eq(oring_register_eventfd(&rig->ring, fd), 0);
	cr_assert_eq(oring_cq_set_eventfd(&rig->ring, false), 0);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(read(fd, &count, sizeof(count)), -1);
	cr_assert_eq(errno, EAGAIN);
	cr_assert_eq(oring_cq_set_eventfd(&rig->ring, true), 0);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(read(fd, &count, sizeof(count)), sizeof(count));
	cr_assert_geq(count, 1);
	cr_assert_eq(oring_unregister_eventfd(&rig->ring), 0);
	close(fd);
}

/* ---- devices that are polled ---- */

#define BLOCK 4096

/* Whether the drive has queues for polling; reads fail with -EOPNOTSUPP otherwise. */
static int open_drive(void)
{
	const char *drive = getenv("LAB_NVME");
	int fd;

	if (drive == NULL)
		cr_skip_test("no drive to poll: only in the lab");
	fd = open(drive, O_RDWR | O_DIRECT | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s: %s", drive, strerror(errno));
	return fd;
}

static struct oring_cqe poll_one(struct oring *ring)
{
	struct oring_cqe cqe;
	int i;

	cr_assert_eq(oring_submit(ring), 1);
	for (i = 0; i < 100000 && oring_cq_peek(ring) == NULL; i++)
		cr_assert_geq(oring_wait(ring, 1, NULL), 0);
	cr_assert_eq(oring_cq_copy(ring, &cqe, 1), 1);
	return cqe;
}

static void poll_device(uint32_t flags)
{
	int fd = open_drive();
	unsigned char *out =
		mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *in = out + BLOCK;
	struct oring_cqe cqe;
	struct oring ring;
	int round, i;

	require_ring(&ring, 8, flags);
	for (round = 0; round < 4; round++) {
		for (i = 0; i < BLOCK; i++)
			out[i] = (unsigned char)(i * 7 + round);
		oring_prep_write(oring_sq_reserve(&ring), oring_file_fd(fd), out, BLOCK,
				 (uint64_t)round * BLOCK);
		cqe = poll_one(&ring);
		if (cqe.res == -EOPNOTSUPP)
			cr_skip_test("the drive has no queue for polling");
		cr_assert_eq(cqe.res, BLOCK, "%s", strerror(-cqe.res));
		memset(in, 0, BLOCK);
		oring_prep_read(oring_sq_reserve(&ring), oring_file_fd(fd), in, BLOCK,
				(uint64_t)round * BLOCK);
		cqe = poll_one(&ring);
		cr_assert_eq(cqe.res, BLOCK);
		cr_assert_arr_eq(in, out, BLOCK);
	}
	/* What cannot be polled for is refused. */
	oring_prep_timeout(oring_sq_reserve(&ring), &(struct oring_timespec){ 0, 1 }, 0, 0);
	cqe = poll_one(&ring);
	cr_assert(cqe.res == -EINVAL || cqe.res == -EOPNOTSUPP, "%d", cqe.res);
	cr_assert_eq(oring_exit(&ring), 0);
	munmap(out, 2 * BLOCK);
	close(fd);
}

Test(setup_flags, a_polled_drive, .timeout = TEST_SECONDS)
{
	poll_device(ORING_SETUP_IOPOLL);
}

Test(setup_flags, a_drive_polled_after_a_sleep, .timeout = TEST_SECONDS)
{
	poll_device(ORING_SETUP_IOPOLL | ORING_SETUP_HYBRID_IOPOLL);
}

Test(setup_flags, sleeping_before_polling_needs_polling)
{
	struct oring_params params;
	struct oring ring;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_HYBRID_IOPOLL;
	cr_assert_eq(oring_init(&ring, 8, &params), -EINVAL);
	/* As optional flags they go together. */
	memset(&params, 0, sizeof(params));
	cr_assert_eq(oring_init_flags(&ring, 8, &params, ORING_SETUP_HYBRID_IOPOLL), 0);
	cr_assert_eq(oring_setup_flags(&ring), 0);
	cr_assert_eq(params.flags, 0);
	nop_completes(&ring);
	cr_assert_eq(oring_exit(&ring), 0);
}
