/* SPDX-License-Identifier: MIT */
/*
 * How long things live: threads that end, descriptors that are closed, memory
 * that is charged or mapped too far, what entries point to, requests that
 * cannot be cancelled.
 */
#include "waiting.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int one_nop(struct oring *ring)
{
	struct oring_cqe cqe;

	oring_prep_nop(oring_sq_reserve(ring));
	if (oring_submit_and_wait(ring, 1) != 1 || oring_cq_copy(ring, &cqe, 1) != 1)
		return -1;
	return cqe.res;
}

/* ---- threads and tasks ---- */

struct waiter {
	struct oring *ring;
	int submit, wait, events;
};

static void *wait_elsewhere(void *arg)
{
	struct waiter *waiter = arg;
	struct oring_wait_arg limit;

	oring_wait_relative(&limit, 0, 1000000);
	waiter->submit = oring_submit(waiter->ring);
	waiter->wait = oring_wait(waiter->ring, 1, &limit);
	waiter->events = oring_get_events(waiter->ring);
	return NULL;
}

Test(traps, who_may_wait, .timeout = TEST_SECONDS)
{
	/* A single issuer is the only one to submit; where work is deferred, to wait too. */
	static const uint32_t flags[] = { 0, ORING_SETUP_DEFER_TASKRUN };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct waiter waiter;
		struct oring ring;
		pthread_t thread;

		require_ring(&ring, 8, ORING_SETUP_SINGLE_ISSUER | flags[i]);
		oring_prep_nop(oring_sq_reserve(&ring));
		waiter.ring = &ring;
		cr_assert_eq(pthread_create(&thread, NULL, wait_elsewhere, &waiter), 0);
		pthread_join(thread, NULL);
		cr_assert_eq(waiter.submit, -EEXIST);
		cr_assert_eq(waiter.wait, flags[i] == 0 ? -ETIME : -EEXIST);
		cr_assert_eq(waiter.events, flags[i] == 0 ? 0 : -EEXIST);
		cr_assert_eq(oring_exit(&ring), 0);
	}
}

struct leaver {
	struct rig *rig;
	int fd;
	char byte;
	struct oring_timespec hour;
};

static void *submit_and_leave(void *arg)
{
	struct leaver *leaver = arg;

	oring_prep_read(sqe_as(leaver->rig, ID_A), oring_file_fd(leaver->fd), &leaver->byte, 1, 0);
	oring_prep_timeout(sqe_as(leaver->rig, ID_B), &leaver->hour, 0, 0);
	issue(leaver->rig);
	return NULL;
}

static void traps_requests_end_with_their_thread(struct rig *rig);
RING_TEST_ON(traps, requests_end_with_their_thread, plain)
RING_TEST_ON(traps, requests_end_with_their_thread, no_sqarray)
static void traps_requests_end_with_their_thread(struct rig *rig)
{
	/* They stay, and then fail: what would go on with them was to run in that thread. */
	struct leaver leaver = { rig, -1, 0, { 0, 50 * 1000 * 1000 } };
	pthread_t thread;
	int ends[2], i;

	make_pipe(ends);
	leaver.fd = ends[0];
	cr_assert_eq(pthread_create(&thread, NULL, submit_and_leave, &leaver), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	for (i = 0; i < 2; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		if (cqe.user_data == ID_A)
			cr_assert_eq(cqe.res, -ECANCELED, "%d", cqe.res);
		else
			cr_assert(cqe.res == -ETIME || cqe.res == -ECANCELED, "%d", cqe.res);
	}
	/* Nothing is lost with them, and another thread goes on. */
	oring_prep_read(rig_sqe(rig), oring_file_fd(ends[0]), &leaver.byte, 1, 0);
	cr_assert_eq(rig_result(rig), 1);
	close_pipe(ends);
}

/* In the grandchild: the ring's process has ended, and its SQPOLL thread with it. */
static int enter_without_thread(struct oring *ring, pid_t parent)
{
	int tries, ret = 0;

	for (tries = 0; tries < 10000 && getppid() == parent; tries++)
		usleep(1000);
	oring_prep_nop(oring_sq_reserve(ring));
	for (tries = 0; tries < 5000 && ret >= 0; tries++) {
		ret = oring_submit(ring);
		usleep(1000);
	}
	return ret;
}

static void outlive_the_thread(int report)
{
	struct oring_params params;
	struct oring ring;
	pid_t self = getpid();
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_SQPOLL;
	params.sq_thread_idle = 10;
	ret = oring_init(&ring, 8, &params);
	if (ret == 0)
		ret = oring_set_inherited(&ring, true);
	if (ret == 0) {
		pid_t child = fork();

		if (child > 0)
			_exit(0);
		ret = enter_without_thread(&ring, self);
	}
	ret = write(report, &ret, sizeof(ret)) == sizeof(ret) ? 0 : 1;
	_exit(ret);
}

Test(traps, a_poller_that_is_gone_is_told, .timeout = TEST_SECONDS)
{
	int ends[2], ret = 0;
	pid_t child;

	make_pipe(ends);
	child = fork();
	if (child == 0)
		outlive_the_thread(ends[1]);
	close(ends[1]);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	cr_assert_eq(read(ends[0], &ret, sizeof(ret)), (ssize_t)sizeof(ret));
	cr_assert_eq(ret, -EOWNERDEAD, "%s", strerror(-ret));
	close(ends[0]);
}

Test(traps, an_index_is_of_one_task, .timeout = TEST_SECONDS)
{
	/* It outlives the descriptor, and means nothing in a forked child. */
	struct oring ring;
	int status, fd, copy;
	pid_t child;

	require_ring(&ring, 8, 0);
	cr_assert_eq(oring_set_inherited(&ring, true), 0);
	if (oring_use_registered_fd(&ring) < 0) {
		cr_assert_eq(oring_exit(&ring), 0);
		cr_skip_test("registered descriptors of rings: not on this kernel");
	}
	fd = oring_fd(&ring);
	child = fork();
	if (child == 0) {
		int ret = oring_get_events(&ring);

		_exit(-ret);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status));
	cr_assert(WEXITSTATUS(status) == EINVAL || WEXITSTATUS(status) == EBADF, "%d",
		  WEXITSTATUS(status));
	copy = dup(fd);
	close(fd);
	cr_assert_eq(one_nop(&ring), 0, "by the index");
	cr_assert_eq(dup2(copy, fd), fd);
	close(copy);
	cr_assert_eq(oring_exit(&ring), 0);
}

/* ---- memory ---- */

/* In a child that is nobody and may lock @memlock bytes; its result. */
static int as_nobody(rlim_t memlock, int (*act)(void))
{
	struct rlimit limit = { memlock, memlock };
	int status;
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child == 0) {
		/* Each test is somebody else: the kernel counts by user. */
		unsigned int user = 100000 + (unsigned int)getpid() % 100000;

		if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 || setgid(user) < 0 || setuid(user) < 0)
			_exit(255);
		_exit(-act());
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "status %x", (unsigned int)status);
	return -WEXITSTATUS(status);
}

/* In small pages: some kernels charge all of a huge one. */
static struct iovec pages(size_t size)
{
	struct iovec iov = { NULL, size };

	iov.iov_base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (iov.iov_base == MAP_FAILED)
		_exit(253);
	madvise(iov.iov_base, size, MADV_NOHUGEPAGE);
	return iov;
}

/* 1 MiB, and then 16 KiB, as registered buffers. */
static int register_two_sizes(void)
{
	struct iovec large = pages(1 << 20), small = pages(16 << 10);
	struct oring ring;
	int ret = oring_init(&ring, 4, NULL);

	if (ret < 0)
		return ret;
	ret = oring_register_buffers(&ring, &large, 1);
	if (oring_register_buffers(&ring, &small, 1) != (ret == 0 ? -EBUSY : 0))
		return -254;
	return ret;
}

Test(traps, registered_buffers_are_locked_memory, .timeout = TEST_SECONDS)
{
	int ret;

	if (geteuid() != 0)
		cr_skip_test("needs root, to become somebody without privileges");
	ret = as_nobody(128 << 10, register_two_sizes);
	cr_assert_eq(ret, -ENOMEM, "%d", ret);
	ret = as_nobody(8 << 20, register_two_sizes);
	cr_assert_eq(ret, 0, "%d", ret);
}

/* Rings one after the other, each closed: 1 if one was refused at first, but not for long. */
static int one_ring_after_the_other(void)
{
	int i, late = 0;

	for (i = 0; i < 60; i++) {
		struct oring ring;
		int tries, ret = -ENOMEM;

		for (tries = 0; tries < 3000 && ret == -ENOMEM; tries++) {
			ret = oring_init(&ring, 64, NULL);
			if (ret == -ENOMEM) {
				late = 1;
				usleep(1000);
			}
		}
		if (ret < 0)
			return ret;
		if (one_nop(&ring) != 0 || oring_exit(&ring) != 0)
			return -254;
	}
	return -late;
}

Test(traps, closed_rings_are_charged_for_a_while, .timeout = TEST_SECONDS)
{
	/* There is room for some six of them: -ENOMEM passes when the kernel has cleaned up. */
	int ret;

	if (geteuid() != 0)
		cr_skip_test("needs root, to become somebody without privileges");
	ret = as_nobody(64 << 10, one_ring_after_the_other);
	cr_assert(ret == 0 || ret == -1, "%s", strerror(-ret));
}

/* In a child, since SIGBUS is what may come of it. */
static int touch(const char *byte)
{
	int status;
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child == 0) {
		signal(SIGBUS, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		_exit(*(const volatile char *)byte == 0 ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

Test(traps, mappings_end_where_the_ring_ends, .timeout = TEST_SECONDS)
{
	static const uint32_t entries[] = { 1, 8, 32, 1024, 4096 };
	static const uint32_t flags[] = { 0, ORING_SETUP_SQE128 | ORING_SETUP_CQE32,
					  ORING_SETUP_NO_SQARRAY };
	size_t i, n;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		for (n = 0; n < sizeof(entries) / sizeof(entries[0]); n++) {
			struct oring_params params;
			struct oring ring;

			memset(&params, 0, sizeof(params));
			params.flags = flags[i];
			if (oring_init(&ring, entries[n], &params) < 0)
				continue; /* flags that this kernel does not have */
			cr_assert_eq(oring_set_inherited(&ring, true), 0);
			cr_assert_eq(touch((char *)ring.ring_memory + ring.ring_bytes - 1), 0);
			cr_assert_eq(touch((char *)ring.sqe_memory + ring.sqe_bytes - 1), 0);
			cr_assert_geq((uintptr_t)ring.ring_memory + ring.ring_bytes,
				      (uintptr_t)ring.cqes +
					      (size_t)ring.cq_entries * ring.cq_stride);
			cr_assert_eq(ring.sqe_bytes, (size_t)ring.sq_entries * ring.sq_stride);
			cr_assert_eq(oring_exit(&ring), 0);
		}
	}
}

Test(traps, a_mapping_too_long_is_a_trap, .timeout = TEST_SECONDS)
{
	/* Kernels that do not refuse it let the program find out by SIGBUS. */
	struct oring ring;
	void *memory;
	int ret;

	require_ring(&ring, 8, 0);
	ret = oring_sys_mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, oring_fd(&ring),
			     ORING_OFF_SQES, &memory);
	if (ret == 0) {
		/* A child has no such mapping, so make one there. */
		int status;
		pid_t child = fork();

		if (child == 0) {
			signal(SIGBUS, SIG_DFL);
			signal(SIGSEGV, SIG_DFL);
			oring_sys_mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED,
				       oring_fd(&ring), ORING_OFF_SQES, &memory);
			_exit(((volatile char *)memory)[(1 << 20) - 1]);
		}
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert(WIFSIGNALED(status), "status %x", (unsigned int)status);
		oring_sys_munmap(memory, 1 << 20);
	} else {
		cr_assert(ret == -EINVAL || ret == -ENOMEM || ret == -EFAULT, "%d", ret);
	}
	cr_assert_eq(one_nop(&ring), 0);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(traps, an_array_that_is_not_there)
{
	/* Its offset comes back as it went in, and is not followed. */
	struct oring_params params;
	struct oring ring;
	int i;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_NO_SQARRAY;
	params.sq_off.array = 0x7dad0000;
	i = oring_init(&ring, 8, &params);
	SKIP_IF_REFUSED(i, "rings without an array");
	cr_assert_eq(i, 0);
	cr_assert_lt(ring.ring_bytes, 65536);
	for (i = 0; i < 20; i++)
		cr_assert_eq(one_nop(&ring), 0);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(traps, every_layout_survives_a_resize, .timeout = TEST_SECONDS)
{
	/* Large entries, large completions and both sizes: moved whole, or refused. */
	static const uint32_t more[] = { ORING_SETUP_SQE128, ORING_SETUP_CQE32,
					 ORING_SETUP_CQE_MIXED, ORING_SETUP_SQE_MIXED };
	size_t i, n, tried = 0;

	for (i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		struct oring_params params;
		struct oring ring;
		int ret;

		memset(&params, 0, sizeof(params));
		params.flags = more[i] | ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN |
			       ORING_SETUP_NO_SQARRAY;
		if (oring_init(&ring, 8, &params) < 0)
			continue; /* not on this kernel */
		for (n = 0; n < 3; n++) {
			oring_prep_nop(oring_sq_reserve(&ring));
			cr_assert_eq(oring_submit(&ring), 1);
		}
		ret = oring_resize(&ring, 32, 0);
		tried += ret == 0;
		cr_assert(ret == 0 || ret == -EINVAL, "flags 0x%x: %d", more[i], ret);
		cr_assert_eq(oring_cq_ready(&ring), 3);
		oring_cq_release_to(&ring, oring_cq_end(&ring));
		for (n = 0; n < 40; n++)
			cr_assert_eq(one_nop(&ring), 0);
		cr_assert_eq(oring_exit(&ring), 0);
	}
	if (tried == 0)
		cr_skip_test("resizing: not on this kernel");
}

/* ---- what entries point to ---- */

RING_TEST(traps, arguments_may_go_once_consumed)
{
	/* The vector, the message and the time are the caller's again; the data is not. */
	static const struct oring_timespec hour = { 3600, 0 };
	struct oring_timespec ts = { 0, 20 * 1000 * 1000 };
	char first[4] = "", second[4] = "";
	struct iovec iov = { first, 3 }, piece = { second, 3 };
	struct msghdr message;
	int ends[2], pair[2], i, got = 0;

	make_pipe(ends);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	memset(&message, 0, sizeof(message));
	message.msg_iov = &piece;
	message.msg_iovlen = 1;
	oring_prep_readv(rig_sqe(rig), oring_file_fd(ends[0]), &iov, 1, 0);
	oring_prep_recvmsg(rig_sqe(rig), oring_file_fd(pair[0]), &message, 0);
	oring_prep_timeout(sqe_as(rig, ID_A), &ts, 0, 0);
	issue(rig);
	memset(&iov, 0xee, sizeof(iov));
	memset(&piece, 0xee, sizeof(piece));
	ts = hour;
	cr_assert_eq(write(ends[1], "one", 3), 3);
	cr_assert_eq(write(pair[1], "two", 3), 3);
	for (i = 0; i < 3; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert_eq(cqe.res, cqe.user_data == ID_A ? -ETIME : 3, "%d", cqe.res);
		got++;
	}
	cr_assert_eq(got, 3);
	cr_assert_eq(memcmp(first, "one", 4), 0);
	cr_assert_eq(memcmp(second, "two", 4), 0);
	close_pipe(ends);
	close_pipe(pair);
}

RING_TEST_ENTERED(traps, arguments_are_read_when_consumed)
{
	/* Not before: until the submit an entry and what it points to may still change. */
	char right[4] = "", wrong[4] = "";
	struct iovec iov = { wrong, 3 };
	int fd = pattern_file(8);

	oring_prep_readv(rig_sqe(rig), oring_file_fd(fd), &iov, 1, 0);
	oring_sq_commit(&rig->ring);
	iov.iov_base = right;
	cr_assert_eq(rig_result(rig), 3);
	cr_assert(is_pattern(right, 3, 0));
	cr_assert_eq(wrong[0], 0);
	close(fd);
}

RING_TEST(traps, a_failed_read_may_have_taken_a_buffer)
{
	/* Whether a buffer is gone is told by the flag, not by the result. */
	enum {
		BUFFERS = 8,
		GROUP = 3
	};
	static char memory[BUFFERS][16];
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int i, left, taken = 0, ret;

	for (i = 0; i < BUFFERS; i++) {
		oring_prep_provide_buffers(rig_sqe(rig), memory[i], 16, 1, GROUP, (uint16_t)i);
		cr_assert_geq(rig_result(rig), 0);
	}
	for (i = 0; i < 4; i++) {
		struct oring_sqe *sqe = rig_sqe(rig);
		struct oring_cqe cqe;

		oring_prep_read(sqe, oring_file_fd(dir), NULL, 16, 0);
		oring_sqe_buffer_select(sqe, GROUP);
		cqe = rig_reap(rig);
		cr_assert_eq(cqe.res, -EISDIR, "%d", cqe.res);
		taken += oring_cqe_has_buffer(&cqe);
	}
	/* As many are left as the flags say. */
	oring_prep_remove_buffers(rig_sqe(rig), BUFFERS, GROUP);
	left = rig_result(rig);
	cr_assert_eq(left, BUFFERS - taken, "%d left, %d taken", left, taken);
	ret = close(dir);
	cr_assert_eq(ret, 0);
}

/* ---- chains ---- */

RING_TEST_ENTERED(traps, a_deadline_cut_off_by_a_submit)
{
	/* A full queue flushed between the two: the time limit is none, and the read waits on. */
	static const struct oring_timespec ts = { 0, 10 * 1000 * 1000 };
	char byte = 0;
	int ends[2];

	make_pipe(ends);
	oring_prep_read(sqe_as(rig, ID_A), oring_file_fd(ends[0]), &byte, 1, 0);
	oring_sqe_link(oring_sq_at(&rig->ring, rig->ring.sq_reserved - 1));
	cr_assert_eq(oring_submit(&rig->ring), 1);
	oring_prep_link_timeout(rig_sqe(rig), &ts, 0);
	cr_assert_eq(rig_result(rig), -EINVAL);
	nothing_comes(rig);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(rig_reap(rig).user_data, ID_A);
	/* Both or neither is what the library reserves. */
	while (oring_sq_space(&rig->ring) > 1)
		oring_prep_nop(rig_sqe(rig));
	cr_assert_null(oring_reserve_with_deadline(&rig->ring, &ts, 0, bits(ID_B)));
	cr_assert_eq(oring_sq_space(&rig->ring), 1);
	close_pipe(ends);
}

RING_TEST(traps, a_short_read_ends_a_soft_chain)
{
	int hard;

	for (hard = 0; hard < 2; hard++) {
		struct oring_sqe *sqe = sqe_as(rig, ID_A);
		struct results of;
		char buf[16];
		int fd = pattern_file(5);

		oring_prep_read(sqe, oring_file_fd(fd), buf, sizeof(buf), 0);
		if (hard)
			oring_sqe_hardlink(sqe);
		else
			oring_sqe_link(sqe);
		oring_prep_nop(rig_sqe(rig));
		of = reap(rig, 2);
		cr_assert_eq(of.a, 5, "a success, but short");
		cr_assert_eq(of.last, hard ? 0 : -ECANCELED);
		close(fd);
	}
}

RING_TEST_ENTERED(traps, a_deadline_may_not_reach_a_worker)
{
	/*
	 * An open of a FIFO sleeps in a worker. Kernels that begin to count when an operation has
	 * been issued never end it; others interrupt it. It never ends twice, or half.
	 */
	static const struct oring_timespec ts = { 0, 20 * 1000 * 1000 };
	char name[] = "/tmp/oring-test-XXXXXX";
	char fifo[sizeof(name) + 8];
	struct oring_sqe *sqe;
	struct results of;
	int tries, writer;

	cr_assert_not_null(mkdtemp(name));
	snprintf(fifo, sizeof(fifo), "%s/fifo", name);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	sqe = oring_reserve_with_deadline(&rig->ring, &ts, 0, bits(ID_B));
	cr_assert_not_null(sqe);
	oring_sqe_set_user_data(sqe, ID_A);
	oring_prep_openat(sqe, AT_FDCWD, fifo, O_RDONLY | O_CLOEXEC, 0);
	oring_sqe_async(sqe);
	issue(rig);
	for (tries = 0; tries < 20 && oring_cq_ready(&rig->ring) < 2; tries++) {
		cr_assert_geq(oring_get_events(&rig->ring), 0);
		usleep(10000);
	}
	writer = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	of = reap(rig, 2);
	if (writer >= 0) { /* somebody was there to read: the open succeeded, after its time */
		cr_assert_geq(of.a, 0, "%d", of.a);
		cr_assert_eq(of.b, -ECANCELED, "%d", of.b);
		cr_assert_eq(oring_deadline_end(of.a, of.b), ORING_DEADLINE_DONE);
		close(of.a);
		close(writer);
	} else {
		cr_assert(of.a == -EINTR || of.a == -ECANCELED || of.a == -512, "%d", of.a);
		cr_assert(of.b == -ETIME || of.b == -EALREADY || of.b == -ENOENT, "%d", of.b);
	}
	nothing_comes(rig);
	unlink(fifo);
	rmdir(name);
}

RING_TEST(traps, pads_rule_out_drain)
{
	/* They skip their completions, which the kernel does not count with a drain. */
	uint32_t i;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_CQE_SKIP);
	for (i = 0; i < RIG_ENTRIES - 1; i++)
		oring_prep_nop(rig_sqe(rig));
	rig_wait(rig, RIG_ENTRIES - 1);
	while (oring_cq_peek(&rig->ring) != NULL)
		oring_cq_release(&rig->ring);
	oring_sqe_drain(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0, "before");
	for (i = 0; i < RIG_ENTRIES - 1; i++)
		oring_prep_nop(rig_sqe(rig));
	rig_wait(rig, RIG_ENTRIES - 1);
	while (oring_cq_peek(&rig->ring) != NULL)
		oring_cq_release(&rig->ring);
	cr_assert_not_null(oring_sq_reserve_run(&rig->ring, 2), "one pad, then the first two");
	rig_wait(rig, 2);
	cr_assert_eq(oring_cq_ready(&rig->ring), 2, "blank entries are NOPs");
	oring_cq_release_to(&rig->ring, oring_cq_end(&rig->ring));
	oring_sqe_drain(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), -EOPNOTSUPP, "after");
}

Test(traps, a_large_entry_must_not_straddle_the_end, .timeout = TEST_SECONDS)
{
	struct oring_cqe cqe;
	struct oring ring;
	int i;

	require_ring(&ring, 8, ORING_SETUP_SQE_MIXED);
	for (i = 0; i < 7; i++)
		cr_assert_eq(one_nop(&ring), 0);
	/* By hand in the last slot, the second half in the first. */
	oring_sq_reserve(&ring)->opcode = ORING_OP_NOP128;
	oring_prep_nop(oring_sq_reserve(&ring));
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	cr_assert_eq(oring_cq_copy(&ring, &cqe, 1), 1);
	cr_assert_eq(cqe.res, -EINVAL);
	while (oring_sq_pending(&ring) > 0)
		cr_assert_gt(oring_submit(&ring), 0);
	oring_cq_release_to(&ring, oring_cq_end(&ring));
	/* The library goes round the end. */
	while (((oring_sq_at(&ring, ring.sq_reserved) - oring_sq_at(&ring, 0)) & 7) != 7)
		cr_assert_eq(one_nop(&ring), 0);
	oring_prep_nop128(oring_sq_reserve128(&ring));
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 3, "a pad, and two slots");
	cr_assert_eq(oring_cq_copy(&ring, &cqe, 1), 1);
	cr_assert_eq(cqe.res, 0);
	cr_assert_eq(oring_exit(&ring), 0);
}

/* ---- requests that cannot be cancelled ---- */

/* A directory that somebody reads into memory that is not there yet, and so keeps locked. */
struct blocked {
	char name[32];
	int dir, faults;
	void *memory;
	pthread_t reader;
};

static void *read_directory(void *arg)
{
	struct blocked *blocked = arg;

	syscall(SYS_getdents64, blocked->dir, blocked->memory, 4096);
	return NULL;
}

static int catch_faults(void *memory)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)memory, 4096 },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &reg) < 0)
		cr_skip_test("faults cannot be caught here: %s", strerror(errno));
	return fd;
}

static void block(struct blocked *blocked)
{
	struct pollfd fault = { .events = POLLIN };

	strcpy(blocked->name, "/tmp/oring-test-XXXXXX");
	cr_assert_not_null(mkdtemp(blocked->name));
	blocked->dir = open(blocked->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(blocked->dir, 0);
	blocked->memory =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	blocked->faults = catch_faults(blocked->memory);
	fault.fd = blocked->faults;
	cr_assert_eq(pthread_create(&blocked->reader, NULL, read_directory, blocked), 0);
	cr_assert_eq(poll(&fault, 1, 10000), 1);
}

static void unblock(struct blocked *blocked)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)blocked->memory, 4096 } };

	cr_assert_eq(ioctl(blocked->faults, UFFDIO_ZEROPAGE, &zero), 0);
	pthread_join(blocked->reader, NULL);
}

static void end_block(struct blocked *blocked)
{
	rmdir(blocked->name);
	close(blocked->faults);
	close(blocked->dir);
	munmap(blocked->memory, 4096);
}

static int cancel_in_time(struct rig *rig, uint64_t id, int64_t ms)
{
	struct oring_sync_cancel_reg cancel;

	memset(&cancel, 0, sizeof(cancel));
	cancel.addr = id;
	cancel.fd = -1;
	cancel.timeout.tv_nsec = ms * 1000000;
	return oring_register_sync_cancel(&rig->ring, &cancel);
}

static int cancel_by_operation(struct rig *rig)
{
	struct oring_sync_cancel_reg cancel;

	memset(&cancel, 0, sizeof(cancel));
	cancel.fd = -1;
	cancel.flags = ORING_ASYNC_CANCEL_OP;
	cancel.opcode = ORING_OP_MKDIRAT;
	return oring_register_sync_cancel(&rig->ring, &cancel);
}

RING_TEST_ENTERED(traps, what_runs_cannot_be_cancelled)
{
	/* A directory is made where another thread reads: its worker hears of no cancel. */
	struct blocked blocked;
	int64_t begin;
	int ret;

	REQUIRE_OP(rig, ORING_OP_MKDIRAT);
	ret = cancel_in_time(rig, ID_A, 1);
	SKIP_IF_REFUSED(ret, "synchronous cancel");
	cr_assert_eq(ret, -ENOENT);
	block(&blocked);
	oring_prep_mkdirat(sqe_as(rig, ID_A), blocked.dir, "new", 0700);
	issue(rig);
	usleep(100000); /* until a worker is at it */
	oring_prep_async_cancel(rig_sqe(rig), bits(ID_A), 0);
	ret = rig_result(rig);
	cr_assert_eq(ret, -EALREADY, "asked, not done: %d", ret);
	begin = now_ms();
	cr_assert_eq(cancel_in_time(rig, ID_A, 20), -ETIME);
	cr_assert_geq(now_ms() - begin, 19);
	unblock(&blocked);
	ret = rig_result_of(rig, ID_A, 1);
	cr_assert_eq(ret, 0, "it ran to its end: %d", ret);
	cr_assert_eq(unlinkat(blocked.dir, "new", AT_REMOVEDIR), 0);
	end_block(&blocked);
}

RING_TEST_ENTERED(traps, drain_waits_for_workers)
{
	/* To cancel everything is answered with 0 while a worker runs: that is no end. */
	const struct oring_timespec soon = { 0, 50 * 1000 * 1000 }, enough = { 10, 0 };
	struct blocked blocked;
	int ret;

	REQUIRE_OP(rig, ORING_OP_MKDIRAT);
	ret = cancel_by_operation(rig);
	SKIP_IF_REFUSED(ret, "a synchronous cancel by operation");
	cr_assert_eq(ret, -ENOENT);
	block(&blocked);
	oring_prep_mkdirat(sqe_as(rig, ID_A), blocked.dir, "new", 0700);
	issue(rig);
	usleep(100000); /* until a worker is at it */
	ret = oring_drain(&rig->ring, &soon);
	cr_assert_eq(ret, 1, "one is left: %d", ret);
	cr_assert_eq(oring_cq_ready(&rig->ring), 0);
	unblock(&blocked);
	cr_assert_eq(oring_drain(&rig->ring, &enough), 0);
	cr_assert_eq(oring_cq_ready(&rig->ring), 1, "it has completed");
	ret = rig_result_of(rig, ID_A, 1);
	cr_assert_eq(ret, 0, "%d", ret);
	cr_assert_eq(unlinkat(blocked.dir, "new", AT_REMOVEDIR), 0);
	end_block(&blocked);
}

RING_TEST_ENTERED(traps, a_cancel_waits_until_it_has_worked)
{
	/* An open of a FIFO sleeps in a worker; interrupted, it ends before the call returns. */
	bool deferred = shapes[rig->shape].flags & ORING_SETUP_DEFER_TASKRUN;
	char name[] = "/tmp/oring-test-XXXXXX";
	char fifo[sizeof(name) + 8];
	struct oring_sqe *sqe;
	struct oring_cqe cqe;
	int tries, ret = cancel_in_time(rig, ID_A, 1);

	SKIP_IF_REFUSED(ret, "synchronous cancel");
	cr_assert_not_null(mkdtemp(name));
	snprintf(fifo, sizeof(fifo), "%s/fifo", name);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	sqe = sqe_as(rig, ID_A);
	oring_prep_openat(sqe, AT_FDCWD, fifo, O_RDONLY | O_CLOEXEC, 0);
	oring_sqe_async(sqe);
	issue(rig);
	usleep(100000); /* until a worker is at it */
	/*
	 * Where work is deferred nobody wakes the call, though the request has ended. A worker
	 * that is about to begin may miss the interruption, or not be found: then the next call
	 * interrupts it.
	 */
	for (tries = 0; tries < 10 && oring_cq_ready(&rig->ring) == 0; tries++) {
		ret = cancel_in_time(rig, ID_A, deferred ? 50 : 1000);
		if (ret != -ETIME && ret != -ENOENT)
			break;
		usleep(10000);
		cr_assert_geq(oring_get_events(&rig->ring), 0);
	}
	cr_assert(ret == 0 || deferred || tries > 0, "%d", ret);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, ID_A);
	/* 512 is the kernel's "restart the call", which it lets slip out here. */
	cr_assert(cqe.res == -EINTR || cqe.res == -ECANCELED || cqe.res == -512, "%d", cqe.res);
	cr_assert_eq(cancel_in_time(rig, ID_A, 1), -ENOENT, "it is over");
	unlink(fifo);
	rmdir(name);
}
