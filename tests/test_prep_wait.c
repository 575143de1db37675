/* SPDX-License-Identifier: MIT */
/*
 * Waits for a child, a futex, an epoll instance; and what is sent to another
 * ring.
 *
 * Where a row takes a file, the test runs twice: with a descriptor and with a
 * registered slot whose number is no open descriptor.
 */
#include "waiting.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- children ---- */

/*
 * A child that waits for a byte and exits with it, and the socket pair for that.
 * It says a byte first: from then on it dies with a test that fails, even stopped.
 */
static pid_t have_child(int ends[2])
{
	unsigned char code = 255;
	pid_t child;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[1]);
		if (write(ends[0], &code, 1) != 1 || read(ends[0], &code, 1) != 1)
			code = 254;
		_exit(code);
	}
	cr_assert_eq(read(ends[1], &code, 1), 1);
	return child;
}

static void end_child(const int ends[2], unsigned char code)
{
	cr_assert_eq(write(ends[1], &code, 1), 1);
	close_pipe(ends);
}

static int pidfd_of(pid_t child)
{
	int fd = (int)syscall(SYS_pidfd_open, child, 0);

	cr_assert_geq(fd, 0);
	return fd;
}

RING_TEST(prep, waitid)
{
	/* A42: who, how and with what status; by each name that the child has. */
	static const int types[] = { P_PID, P_PIDFD, P_PGID, P_ALL };
	static siginfo_t info;
	size_t i;

	REQUIRE_OP(rig, ORING_OP_WAITID);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		int ends[2];
		pid_t child = have_child(ends);
		int id = child;

		cr_assert_eq(setpgid(child, child), 0);
		if (types[i] == P_PIDFD)
			id = pidfd_of(child);
		if (types[i] == P_ALL)
			id = 0;
		memset(&info, 0xee, sizeof(info));
		oring_prep_waitid(rig_sqe(rig), types[i], id, &info, WEXITED);
		issue(rig);
		nothing_comes(rig);
		end_child(ends, (unsigned char)(42 + i));
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(info.si_signo, SIGCHLD);
		cr_assert_eq(info.si_code, CLD_EXITED);
		cr_assert_eq(info.si_pid, child);
		cr_assert_eq(info.si_uid, getuid());
		cr_assert_eq(info.si_status, 42 + (int)i);
		cr_assert_eq(waitpid(child, NULL, 0), -1, "it is reaped");
		if (types[i] == P_PIDFD)
			close(id);
	}
	oring_prep_waitid(rig_sqe(rig), P_ALL, 0, &info, WEXITED);
	cr_assert_eq(rig_result(rig), -ECHILD);
}

RING_TEST(prep, waitid_of_what_was_signalled)
{
	/* Stopped, continued, killed: each told once, by the signal. */
	static const struct {
		int option, signal, code;
	} steps[] = {
		{ WSTOPPED, SIGSTOP, CLD_STOPPED },
		{ WCONTINUED, SIGCONT, CLD_CONTINUED },
		{ WEXITED, SIGKILL, CLD_KILLED },
	};
	static siginfo_t info;
	int ends[2];
	pid_t child;
	size_t i;

	REQUIRE_OP(rig, ORING_OP_WAITID);
	child = have_child(ends);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, steps[i].option);
		issue(rig);
		cr_assert_eq(kill(child, steps[i].signal), 0);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(info.si_code, steps[i].code);
		cr_assert_eq(info.si_pid, child);
		cr_assert_eq(info.si_status, steps[i].signal);
	}
	close_pipe(ends);
}

RING_TEST(prep, waitid_options)
{
	static siginfo_t info;
	int ends[2];
	pid_t child;

	REQUIRE_OP(rig, ORING_OP_WAITID);
	child = have_child(ends);
	memset(&info, 0xee, sizeof(info));
	oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, WEXITED | WNOHANG);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(info.si_pid, 0, "nothing yet");
	cr_assert_eq(info.si_signo, 0);
	oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, 0);
	cr_assert_eq(rig_result(rig), -EINVAL, "waiting for nothing");
	oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, WEXITED | 1 << 10);
	cr_assert_eq(rig_result(rig), -EINVAL);
	/* A cancelled wait leaves the child as it is. */
	oring_prep_waitid(sqe_as(rig, ID_A), P_PID, child, &info, WEXITED);
	issue(rig);
	cancel_a(rig);
	end_child(ends, 7);
	oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, WEXITED | WNOWAIT);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(info.si_status, 7);
	oring_prep_waitid(rig_sqe(rig), P_PID, child, NULL, WEXITED);
	cr_assert_eq(rig_result(rig), 0, "it was left to wait for, and nobody asks how it ended");
	oring_prep_waitid(rig_sqe(rig), P_PID, child, &info, WEXITED);
	cr_assert_eq(rig_result(rig), -ECHILD);
}

RING_TEST(prep, waitid_into_no_memory)
{
	int ends[2];
	pid_t child;

	REQUIRE_OP(rig, ORING_OP_WAITID);
	child = have_child(ends);
	end_child(ends, 7);
	oring_prep_waitid(rig_sqe(rig), P_PID, child, (void *)8, WEXITED);
	cr_assert_eq(rig_result(rig), -EFAULT);
	cr_assert_eq(waitpid(child, NULL, 0), -1, "it is gone all the same");
}

/* ---- futexes ---- */

#define SHARED	ORING_FUTEX2_SIZE_U32
#define PRIVATE (ORING_FUTEX2_SIZE_U32 | ORING_FUTEX2_PRIVATE)
#define ANYONE	ORING_FUTEX_MATCH_ANY

/* Memory for futexes that a child process shares. */
static uint32_t *shared_words(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(memory, MAP_FAILED);
	return memory;
}

/* What waking @word by the entry gave. Other completions may come before it. */
static int wake(struct rig *rig, const uint32_t *word, uint64_t count, uint64_t mask,
		uint32_t flags)
{
	oring_prep_futex_wake(rig_sqe(rig), word, count, mask, flags);
	return rig_result(rig);
}

/* An own call wakes; until then nothing comes. */
static void check_wait(struct rig *rig, uint32_t *word, uint32_t flags, int op)
{
	struct results of;

	*word = 7;
	oring_prep_futex_wait(sqe_as(rig, ID_A), word, 7, ANYONE, flags);
	issue(rig);
	nothing_comes(rig);
	cr_assert_eq(syscall(SYS_futex, word, op, 1, NULL, NULL, 0), 1, "one waits");
	of = reap(rig, 1);
	cr_assert_eq(of.a, 0);
	oring_prep_futex_wait(rig_sqe(rig), word, 8, ANYONE, flags);
	cr_assert_eq(rig_result(rig), -EAGAIN, "it holds something else");
}

RING_TEST(prep, futex_wait)
{
	static uint32_t word;
	uint32_t *common;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	common = shared_words();
	check_wait(rig, &word, PRIVATE, FUTEX_WAKE_PRIVATE);
	check_wait(rig, &word, SHARED, FUTEX_WAKE);
	check_wait(rig, common, SHARED, FUTEX_WAKE);
	/* Nobody finds a private one as a shared one. */
	oring_prep_futex_wait(sqe_as(rig, ID_A), common, 7, ANYONE, PRIVATE);
	issue(rig);
	cr_assert_eq(syscall(SYS_futex, common, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	nothing_comes(rig);
	cancel_a(rig);
	cr_assert_eq(syscall(SYS_futex, common, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
	munmap(common, 4096);
}

RING_TEST(prep, futex_wait_refuses)
{
	static uint32_t words[2];

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	oring_prep_futex_wait(rig_sqe(rig), words, 0, 0, PRIVATE);
	cr_assert_eq(rig_result(rig), -EINVAL, "nobody could wake it");
	oring_prep_futex_wait(rig_sqe(rig), words, 0, ANYONE, 0);
	cr_assert_eq(rig_result(rig), -EINVAL, "8 bits");
	oring_prep_futex_wait(rig_sqe(rig), words, 1ULL << 32, ANYONE, PRIVATE);
	cr_assert_eq(rig_result(rig), -EINVAL, "a value of more than 32 bits");
	oring_prep_futex_wait(rig_sqe(rig), words, 0, 1ULL << 32, PRIVATE);
	cr_assert_eq(rig_result(rig), -EINVAL, "and a mask");
	oring_prep_futex_wait(rig_sqe(rig), (void *)((char *)words + 1), 0, ANYONE, PRIVATE);
	cr_assert_eq(rig_result(rig), -EINVAL, "between two words");
	oring_prep_futex_wait(rig_sqe(rig), (void *)8, 0, ANYONE, PRIVATE);
	cr_assert_eq(rig_result(rig), -EFAULT);
}

RING_TEST(prep, futex_wait_in_another_process)
{
	uint32_t *words;
	int status = 0;
	pid_t child;
	struct results of;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	words = shared_words();
	oring_prep_futex_wait(sqe_as(rig, ID_A), words, 0, ANYONE, SHARED);
	issue(rig);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0)
		_exit((int)syscall(SYS_futex, words, FUTEX_WAKE, 99, NULL, NULL, 0));
	of = reap(rig, 1);
	cr_assert_eq(of.a, 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(WEXITSTATUS(status), 1);
	munmap(words, 4096);
}

/* How many waits of identity ID_A or another have ended since the last call. */
static int ended(struct rig *rig, int expected)
{
	int n;

	for (n = 0; n < expected; n++)
		cr_assert_eq(rig_reap(rig).res, 0);
	nothing_comes(rig);
	return n;
}

RING_TEST(prep, futex_wake)
{
	/* As many as are said, of those with a bit in common. */
	static uint32_t word, other;
	struct oring waker;
	struct rig from;
	int i;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAKE);
	memset(&from, 0, sizeof(from));
	require_ring(&waker, 4, 0);
	from.ring = waker;
	cr_assert_eq(wake(&from, &word, 1, ANYONE, PRIVATE), 0, "nobody waits");
	for (i = 0; i < 5; i++)
		oring_prep_futex_wait(rig_sqe(rig), &word, 0, i < 3 ? 1 : 6, PRIVATE);
	oring_prep_futex_wait(rig_sqe(rig), &other, 0, ANYONE, PRIVATE);
	issue(rig);
	cr_assert_eq(wake(&from, &word, 0, ANYONE, PRIVATE), 0);
	cr_assert_eq(wake(&from, &word, 9, 8, PRIVATE), 0, "no bit in common");
	cr_assert_eq(wake(&from, &word, 9, ANYONE, SHARED), 0, "another futex");
	nothing_comes(rig);
	cr_assert_eq(wake(&from, &word, 2, 1, PRIVATE), 2);
	cr_assert_eq(ended(rig, 2), 2);
	cr_assert_eq(wake(&from, &word, 9, 4, PRIVATE), 2);
	cr_assert_eq(ended(rig, 2), 2);
	cr_assert_eq(wake(&from, &word, UINT32_MAX >> 1, ANYONE, PRIVATE), 1);
	cr_assert_eq(ended(rig, 1), 1);
	cr_assert_eq(wake(&from, &other, 1, ANYONE, PRIVATE), 1);
	cr_assert_eq(ended(rig, 1), 1);
	cr_assert_eq(wake(&from, &word, 1, 0, PRIVATE), -EINVAL);
	cr_assert_eq(oring_exit(&from.ring), 0);
}

static void *wait_for_word(void *word)
{
	while (__atomic_load_n((uint32_t *)word, __ATOMIC_ACQUIRE) == 0)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return NULL;
}

RING_TEST(prep, futex_wake_of_a_thread)
{
	static uint32_t word;
	pthread_t thread;
	int tries, woken = 0;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAKE);
	cr_assert_eq(pthread_create(&thread, NULL, wait_for_word, &word), 0);
	for (tries = 0; tries < 5000 && woken == 0; tries++) {
		usleep(1000); /* it may not be asleep yet */
		woken = wake(rig, &word, 1, ANYONE, PRIVATE);
	}
	cr_assert_eq(woken, 1);
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	cr_assert_geq(wake(rig, &word, 1, ANYONE, PRIVATE), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
}

RING_TEST(prep, futex_wait_and_wake_in_one_ring)
{
	static uint32_t word;
	struct results of;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAIT);
	oring_prep_futex_wait(sqe_as(rig, ID_A), &word, 0, ANYONE, PRIVATE);
	oring_prep_futex_wake(rig_sqe(rig), &word, 1, ANYONE, PRIVATE);
	of = reap(rig, 2);
	cr_assert_eq(of.a, 0);
	cr_assert_eq(of.last, 1);
}

/* @n waiters for @words, each for a 0. */
static void fill_waiters(struct futex_waitv *waiters, uint32_t *words, size_t n)
{
	size_t i;

	memset(waiters, 0, n * sizeof(*waiters));
	for (i = 0; i < n; i++) {
		words[i] = 0;
		waiters[i].uaddr = (uint64_t)(uintptr_t)&words[i];
		waiters[i].flags = PRIVATE;
	}
}

RING_TEST(prep, futex_waitv)
{
	/* Which one was woken, of one and of as many as go. */
	static const size_t counts[] = { 1, 3, FUTEX_WAITV_MAX };
	static struct futex_waitv waiters[FUTEX_WAITV_MAX + 1];
	static uint32_t words[FUTEX_WAITV_MAX + 1];
	size_t i, which;

	REQUIRE_OP(rig, ORING_OP_FUTEX_WAITV);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (which = 0; which < counts[i]; which += 1 + counts[i] / 2) {
			struct results of;

			fill_waiters(waiters, words, counts[i]);
			oring_prep_futex_waitv(sqe_as(rig, ID_A), waiters, counts[i]);
			issue(rig);
			nothing_comes(rig);
			oring_prep_futex_wake(rig_sqe(rig), &words[which], 1, ANYONE, PRIVATE);
			of = reap(rig, 2);
			cr_assert_eq(of.last, 1);
			cr_assert_eq(of.a, (int)which);
		}
	}
	fill_waiters(waiters, words, 3);
	words[2] = 1;
	oring_prep_futex_waitv(rig_sqe(rig), waiters, 3);
	cr_assert_eq(rig_result(rig), -EAGAIN, "one of them holds something else");
	oring_prep_futex_waitv(rig_sqe(rig), waiters, 0);
	cr_assert_eq(rig_result(rig), -EINVAL);
	fill_waiters(waiters, words, FUTEX_WAITV_MAX + 1);
	oring_prep_futex_waitv(rig_sqe(rig), waiters, FUTEX_WAITV_MAX + 1);
	cr_assert_eq(rig_result(rig), -EINVAL);
	oring_prep_futex_waitv(sqe_as(rig, ID_A), waiters, 2);
	issue(rig);
	cancel_a(rig);
	cr_assert_eq(wake(rig, &words[1], 1, ANYONE, PRIVATE), 0, "nobody waits any more");
}

/* ---- epoll ---- */

#define DATA_A 0x8000000012345678
#define DATA_B 0xfedcba9800000001

static int have_epoll(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

/* What epoll_wait(2) tells now of one file: its events, 0 without any; and its data. */
static uint32_t told(int epoll, uint64_t *data)
{
	struct epoll_event events[2];
	int n = epoll_wait(epoll, events, 2, 0);

	cr_assert(n == 0 || n == 1);
	if (n == 0)
		return 0;
	*data = events[0].data.u64;
	return events[0].events;
}

RING_TEST(prep, epoll_ctl)
{
	static struct epoll_event event;
	int epoll = have_epoll();
	uint64_t data = 0;
	int ends[2];

	REQUIRE_OP(rig, ORING_OP_EPOLL_CTL);
	make_pipe(ends);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	event.events = EPOLLIN;
	event.data.u64 = DATA_A;
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_MOD, ends[0], &event);
	cr_assert_eq(rig_result(rig), -ENOENT);
	cr_assert_eq(told(epoll, &data), 0);
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_ADD, ends[0], &event);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(told(epoll, &data), EPOLLIN);
	cr_assert_eq(data, DATA_A);
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_ADD, ends[0], &event);
	cr_assert_eq(rig_result(rig), -EEXIST);
	event.data.u64 = DATA_B;
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_MOD, ends[0], &event);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(told(epoll, &data), EPOLLIN);
	cr_assert_eq(data, DATA_B);
	event.events = EPOLLPRI;
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_MOD, ends[0], &event);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(told(epoll, &data), 0);
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_DEL, ends[0], NULL);
	cr_assert_eq(rig_result(rig), 0);
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_DEL, ends[0], NULL);
	cr_assert_eq(rig_result(rig), -ENOENT);
	close_pipe(ends);
	close(epoll);
}

RING_TEST(prep, epoll_ctl_refuses)
{
	static struct epoll_event event = { .events = EPOLLIN };
	int epoll = have_epoll();
	int file = pattern_file(1);
	int ends[2];

	REQUIRE_OP(rig, ORING_OP_EPOLL_CTL);
	make_pipe(ends);
	oring_prep_epoll_ctl(rig_sqe(rig), SLOT, EPOLL_CTL_ADD, ends[0], &event);
	cr_assert_eq(rig_result(rig), -EBADF, "no such instance");
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_ADD, SLOT, &event);
	cr_assert_eq(rig_result(rig), -EBADF, "no such descriptor");
	oring_prep_epoll_ctl(rig_sqe(rig), ends[1], EPOLL_CTL_ADD, ends[0], &event);
	cr_assert_eq(rig_result(rig), -EINVAL, "a pipe watches nothing");
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_ADD, file, &event);
	cr_assert_eq(rig_result(rig), -EPERM, "a file is always ready");
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, 99, ends[0], &event);
	cr_assert_eq(rig_result(rig), -EINVAL);
	oring_prep_epoll_ctl(rig_sqe(rig), epoll, EPOLL_CTL_ADD, ends[0], (void *)8);
	cr_assert_eq(rig_result(rig), -EFAULT);
	close_pipe(ends);
	close(file);
	close(epoll);
}

static void watch(int epoll, int fd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = data };

	cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
}

static void check_epoll_wait(struct rig *rig, oring_file file, int epoll)
{
	static struct epoll_event events[3];
	int first[2], second[2];

	make_pipe(first);
	make_pipe(second);
	watch(epoll, first[0], DATA_A);
	watch(epoll, second[0], DATA_B);
	memset(events, 0, sizeof(events));
	oring_prep_epoll_wait(rig_sqe(rig), file, events, 3);
	issue(rig);
	nothing_comes(rig);
	cr_assert_eq(write(second[1], "x", 1), 1);
	cr_assert_eq(rig_result(rig), 1);
	cr_assert_eq(events[0].events, EPOLLIN);
	cr_assert_eq(events[0].data.u64, DATA_B);
	cr_assert_eq(events[1].events, 0, "no more than that");
	/* Ready at once; no more of them than there is room for. */
	cr_assert_eq(write(first[1], "x", 1), 1);
	oring_prep_epoll_wait(rig_sqe(rig), file, events, 3);
	cr_assert_eq(rig_result(rig), 2);
	cr_assert_neq(events[0].data.u64, events[1].data.u64);
	cr_assert_eq(events[0].data.u64 ^ events[1].data.u64, DATA_A ^ DATA_B);
	cr_assert_eq(events[1].events, EPOLLIN);
	memset(events, 0, sizeof(events));
	oring_prep_epoll_wait(rig_sqe(rig), file, events, 1);
	cr_assert_eq(rig_result(rig), 1);
	cr_assert_eq(events[1].events, 0);
	close_pipe(first);
	close_pipe(second);
	oring_prep_epoll_wait(sqe_as(rig, ID_A), file, events, 1);
	issue(rig);
	cancel_a(rig);
}

RING_TEST(prep, epoll_wait)
{
	/* A42: the data is the caller's 64 bits, whatever the layout of the events. */
	static struct epoll_event events[1];
	int way, ends[2];

	REQUIRE_OP(rig, ORING_OP_EPOLL_WAIT);
	make_pipe(ends);
	for (way = 0; way < 2; way++) {
		int epoll = have_epoll();
		oring_file file = by(rig, way, epoll);

		check_epoll_wait(rig, file, epoll);
		oring_prep_epoll_wait(rig_sqe(rig), file, events, 0);
		cr_assert_eq(rig_result(rig), -EINVAL, "no room at all");
		oring_prep_epoll_wait(rig_sqe(rig), by(rig, way, ends[0]), events, 1);
		cr_assert_eq(rig_result(rig), -EINVAL, "a pipe");
		close(epoll);
	}
	oring_prep_epoll_wait(rig_sqe(rig), oring_file_fd(SLOT), events, 1);
	cr_assert_eq(rig_result(rig), -EBADF);
	oring_prep_epoll_wait(rig_sqe(rig), oring_file_slot(SLOT + 1), events, 1);
	cr_assert_eq(rig_result(rig), -EBADF);
	close_pipe(ends);
}

/* ---- messages to another ring ---- */

static oring_file ring_file(const struct oring *ring)
{
	return oring_file_fd(oring_fd(ring));
}

/* The next completion of another ring than the rig's. */
static struct oring_cqe reap_other(struct oring *ring)
{
	struct oring_wait_arg limit;
	struct oring_cqe cqe;
	int ret;

	oring_wait_relative(&limit, 10, 0);
	ret = oring_wait(ring, 1, &limit);
	cr_assert_eq(ret, 1, "%s", strerror(-ret));
	cr_assert_eq(oring_cq_copy(ring, &cqe, 1), 1);
	return cqe;
}

/* A ring of @shape; false: not on this kernel. */
static bool have_other(struct oring *ring, enum shape shape)
{
	struct oring_params params;

	memset(&params, 0, sizeof(params));
	params.flags = shapes[shape].flags;
	params.sq_thread_idle = 1;
	return oring_init(ring, 4, &params) == 0;
}

RING_TEST(prep, msg_ring_cqe_flags)
{
	/* A46: the receiver of each shape sees just these flags. */
	static const uint32_t flags[] = { 0, ORING_CQE_F_MORE, 0xabcd0000 | ORING_CQE_F_BUFFER,
					  UINT32_MAX & ~(ORING_CQE_F_32 | ORING_CQE_F_SKIP) };
	enum shape shape;
	size_t i;

	REQUIRE_OP(rig, ORING_OP_MSG_RING);
	for (shape = 0; shape < SHAPE_COUNT; shape++) {
		struct oring other;

		if (!have_other(&other, shape))
			continue;
		for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			struct oring_cqe cqe;
			int result;

			oring_prep_msg_ring_cqe_flags(rig_sqe(rig), ring_file(&other), bits(ID_A),
						      -4711, flags[i], 0);
			result = rig_result(rig);
			SKIP_IF_REFUSED(result, "ORING_MSG_RING_FLAGS_PASS");
			cr_assert_eq(result, 0);
			cqe = reap_other(&other);
			cr_assert_eq(cqe.user_data, ID_A);
			cr_assert_eq(cqe.res, -4711);
			cr_assert_eq(cqe.flags, flags[i], "shape %s: %x", shapes[shape].name,
				     cqe.flags);
		}
		oring_prep_msg_ring_cqe_flags(rig_sqe(rig), ring_file(&other), bits(ID_A), 1, 0,
					      1U << 31);
		cr_assert_eq(rig_result(rig), -EINVAL, "no such flag");
		cr_assert_null(oring_cq_peek(&other));
		cr_assert_eq(oring_exit(&other), 0);
	}
}

/* One byte from the file in slot @slot of @ring. */
static char read_from_slot(struct oring *ring, uint32_t slot)
{
	static char byte;
	struct oring_sqe *sqe = oring_sq_reserve(ring);
	struct oring_cqe cqe;

	cr_assert_not_null(sqe);
	byte = 0;
	oring_prep_read(sqe, oring_file_slot(slot), &byte, 1, 0);
	cr_assert_geq(oring_submit(ring), 0);
	cqe = reap_other(ring);
	cr_assert_eq(cqe.res, 1, "%s", strerror(-cqe.res));
	return byte;
}

/* Send the file in slot @source to slot @target of @other: the sender's result. */
static int send_fd(struct rig *rig, struct oring *other, uint32_t source, oring_slot target,
		   uint32_t flags)
{
	oring_prep_msg_ring_fd(rig_sqe(rig), ring_file(other), oring_slot_at(source), target,
			       bits(ID_B), flags);
	return rig_result(rig);
}

/* What the receiver sees of a file that went into a slot. */
static void check_notice(struct oring *other, int res)
{
	struct oring_cqe cqe = reap_other(other);

	cr_assert_eq(cqe.user_data, ID_B);
	cr_assert_eq(cqe.res, res);
	cr_assert_eq(cqe.flags, 0);
}

/* The pipe's end in slot SLOT goes to @other, and bytes come through there. */
static void check_send_fd(struct rig *rig, struct oring *other, int fd)
{
	int result;

	cr_assert_eq(oring_register_files_sparse(other, 4), 0);
	result = send_fd(rig, other, SLOT, oring_slot_at(3), 0);
	SKIP_IF_REFUSED(result, "ORING_MSG_SEND_FD");
	cr_assert_eq(result, 0);
	check_notice(other, 0);
	cr_assert_eq(write(fd, "abc", 3), 3);
	cr_assert_eq(read_from_slot(other, 3), 'a');
	/* The kernel chooses the first that is free, and both are told which. */
	cr_assert_eq(send_fd(rig, other, SLOT, ORING_SLOT_ALLOC, 0), 0);
	check_notice(other, 0);
	cr_assert_eq(send_fd(rig, other, SLOT, ORING_SLOT_ALLOC, 0), 1);
	check_notice(other, 1);
	cr_assert_eq(read_from_slot(other, 1), 'b');
	/* Here there is no notice: the file is there all the same. */
	cr_assert_eq(send_fd(rig, other, SLOT, oring_slot_at(2), ORING_MSG_RING_CQE_SKIP), 0);
	cr_assert_eq(oring_get_events(other), 0);
	cr_assert_eq(read_from_slot(other, 2), 'c');
	cr_assert_eq(send_fd(rig, other, SLOT, ORING_SLOT_ALLOC, 0), -ENFILE, "a full table");
	cr_assert_eq(send_fd(rig, other, SLOT, oring_slot_at(4), 0), -EINVAL, "beyond the table");
	cr_assert_eq(send_fd(rig, other, SLOT + 1, oring_slot_at(0), 0), -EBADF, "an empty source");
	cr_assert_eq(send_fd(rig, other, SLOTS, oring_slot_at(0), 0), -EBADF, "no such source");
	cr_assert_null(oring_cq_peek(other));
}

RING_TEST(prep, msg_ring_fd)
{
	/* A46: into a named slot and one that is chosen; receivers of each shape. */
	int ends[2];
	enum shape shape;

	REQUIRE_OP(rig, ORING_OP_SEND_ZC); /* it came with 6.0, as sending files did */
	make_pipe(ends);
	by(rig, 1, ends[0]);
	for (shape = 0; shape < SHAPE_COUNT; shape++) {
		struct oring other;

		if (!have_other(&other, shape))
			continue;
		cr_assert_eq(send_fd(rig, &other, SLOT, oring_slot_at(0), 0), -ENXIO, "no table");
		check_send_fd(rig, &other, ends[1]);
		cr_assert_eq(oring_exit(&other), 0);
	}
	cr_assert_eq(send_fd(rig, &rig->ring, SLOT, oring_slot_at(0), 0), -EINVAL, "to itself");
	close_pipe(ends);
}

RING_TEST(prep, msg_ring_fd_outlives_the_sender)
{
	/* The receiver's slot holds the file when nobody else does. */
	struct oring other;
	int none = -1;
	int ends[2];

	REQUIRE_OP(rig, ORING_OP_SEND_ZC);
	require_ring(&other, 4, 0);
	cr_assert_eq(oring_register_files_sparse(&other, 2), 0);
	make_pipe(ends);
	by(rig, 1, ends[0]);
	close(ends[0]);
	cr_assert_eq(send_fd(rig, &other, SLOT, oring_slot_at(1), 0), 0);
	check_notice(&other, 0);
	cr_assert_eq(oring_register_files_update(&rig->ring, SLOT, &none, 1), 1);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(read_from_slot(&other, 1), 'x');
	close(ends[1]);
	cr_assert_eq(oring_exit(&other), 0);
}
