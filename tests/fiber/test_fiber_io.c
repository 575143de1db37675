/* SPDX-License-Identifier: MIT */
/* I/O: only the fiber that asks is suspended; limits of time, cancels, room in the queues. */
#include "fiber_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* ---- reading and writing ---- */

static int ends[2]; /* of a pipe: read, write */

static void open_pipe(void)
{
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
}

static void close_pipe(void)
{
	close(ends[0]);
	close(ends[1]);
}

static intptr_t read_three(void *text)
{
	note('r');
	return fiber_read(oring_file_fd(ends[0]), text, 3, FIBER_HERE, FIBER_FOREVER);
}

static intptr_t write_three(void *argument)
{
	int i;

	(void)argument;
	for (i = 0; i < 3; i++) {
		note('y');
		fiber_yield();
	}
	note('w');
	return fiber_write(oring_file_fd(ends[1]), "abc", 3, FIBER_HERE, FIBER_FOREVER);
}

static intptr_t value_of(fiber_handle fiber)
{
	intptr_t value = 0;
	int ret = fiber_await(fiber, &value);

	cr_assert_eq(ret, 0, "%s", strerror(-ret));
	return value;
}

FIBER_TEST(fiber_io, only_the_one_that_reads_is_suspended)
{
	char text[4] = "";
	fiber_handle reads;

	open_pipe();
	reads = spawn(read_three, text);
	spawn(write_three, NULL);
	run_fibers();
	ASSERT_HAPPENED("ryyyw");
	cr_assert_eq(value_of(reads), 3);
	cr_assert_str_eq(text, "abc");
	close_pipe();
}

static intptr_t cancel_after_a_while(void *fiber)
{
	fiber_sleep(2 * MS);
	return fiber_cancel(*(fiber_handle *)fiber);
}

FIBER_TEST(fiber_io, a_read_is_cancelled_and_the_file_is_still_good)
{
	char text[4] = "";
	fiber_handle reads;

	open_pipe();
	reads = spawn(read_three, text);
	spawn(cancel_after_a_while, &reads);
	run_fibers();
	cr_assert_eq(value_of(reads), -ECANCELED);
	reads = spawn(read_three, text);
	spawn(write_three, NULL);
	run_fibers();
	cr_assert_eq(value_of(reads), 3);
	cr_assert_str_eq(text, "abc");
	close_pipe();
}

/* ---- limits of time ---- */

struct connecting {
	struct sockaddr_in address;
	int result;
	int64_t took;
};

static intptr_t connect_within_50_ms(void *argument)
{
	struct connecting *to = argument;
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int64_t begin = time_now();

	to->result = fiber_connect(oring_file_fd(sock), (struct sockaddr *)&to->address,
				   sizeof(to->address), 50 * MS);
	to->took = time_now() - begin;
	return fiber_close(oring_file_fd(sock));
}

/* A listener whose backlog is full answers nobody: the black hole. */
FIBER_TEST(fiber_io, a_connect_into_a_black_hole_ends_at_its_limit)
{
	struct connecting to = { .result = 1 };
	socklen_t length = sizeof(to.address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[8], i;

	to.address.sin_family = AF_INET;
	to.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(listener, (struct sockaddr *)&to.address, length), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&to.address, &length), 0);
	cr_assert_eq(listen(listener, 0), 0);
	for (i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fill[i], (struct sockaddr *)&to.address, length);
	}
	usleep(20000);
	spawn(connect_within_50_ms, &to);
	run_fibers();
	cr_assert_eq(to.result, -ETIME, "%s", strerror(-to.result));
	cr_assert_geq(to.took, 50 * MS);
	cr_assert_lt(to.took, 10000 * MS, "long after the limit");
	cr_assert_eq(oring_cq_ready(&fiber_runtime_current()->ring), 0);
	for (i = 0; i < 8; i++)
		close(fill[i]);
	close(listener);
}

static intptr_t poll_with_limit_0(void *results)
{
	int *result = results;

	result[0] = fiber_poll(oring_file_fd(ends[0]), POLLIN, 0);
	result[1] = fiber_poll(oring_file_fd(ends[1]), POLLOUT, 0);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	result[2] = fiber_poll(oring_file_fd(ends[0]), POLLIN, 0);
	return 0;
}

FIBER_TEST(fiber_io, a_limit_of_0_takes_only_what_is_there)
{
	int results[3] = { 0, 0, 0 };

	open_pipe();
	spawn(poll_with_limit_0, results);
	run_fibers();
	cr_assert_eq(results[0], -ETIME, "%d", results[0]);
	cr_assert_eq(results[1], POLLOUT, "%d", results[1]);
	cr_assert_eq(results[2], POLLIN, "%d", results[2]);
	close_pipe();
}

static intptr_t read_within_10_s(void *argument)
{
	char byte;

	(void)argument;
	return fiber_read(oring_file_fd(ends[0]), &byte, 1, FIBER_HERE, 10000 * MS);
}

static intptr_t read_within_5_ms(void *argument)
{
	char byte;

	(void)argument;
	return fiber_read(oring_file_fd(ends[0]), &byte, 1, FIBER_HERE, 5 * MS);
}

FIBER_TEST(fiber_io, an_expired_limit_and_a_cancel_are_different)
{
	fiber_handle cancelled, expires;

	open_pipe();
	cancelled = spawn(read_within_10_s, NULL);
	expires = spawn(read_within_5_ms, NULL);
	spawn(cancel_after_a_while, &cancelled);
	run_fibers();
	cr_assert_eq(value_of(cancelled), -ECANCELED);
	cr_assert_eq(value_of(expires), -ETIME);
	close_pipe();
}

static intptr_t end_late(void *late)
{
	int ret = fiber_sleep(*(int *)late * MS);

	note((char)('0' + *(int *)late / 5));
	return ret;
}

static intptr_t end_at(void *time)
{
	int ret = fiber_sleep_until(*(int64_t *)time);

	note('a');
	return ret;
}

FIBER_TEST(fiber_io, sleepers_wake_in_order)
{
	int late[4] = { 30, 5, 20, 10 }, i;
	int64_t begin = time_now(), at = begin + 15 * MS, past = 1;
	fiber_handle sleepers[4];

	for (i = 0; i < 4; i++)
		sleepers[i] = spawn(end_late, &late[i]);
	spawn(end_at, &at);
	run_fibers();
	ASSERT_HAPPENED("12a46");
	for (i = 0; i < 4; i++)
		cr_assert_eq(value_of(sleepers[i]), 0);
	cr_assert_geq(time_now() - begin, 30 * MS);
	happened[0] = '\0';
	begin = time_now();
	spawn(end_at, &past);
	run_fibers();
	cr_assert_lt(time_now() - begin, 5000 * MS);
}

/* ---- room in the queues ---- */

static uint32_t timed_out;

static intptr_t timed_read(void *argument)
{
	char byte;
	int ret = fiber_read(oring_file_fd(ends[0]), &byte, 1, FIBER_HERE, 3 * MS);

	(void)argument;
	timed_out += ret == -ETIME;
	return ret;
}

static const struct fiber_config many = { .fibers = 1000, .stack_bytes = 32768 };

FIBER_TEST_WITH(fiber_io, a_thousand_timed_operations_on_64_entries, &many)
{
	struct fiber_runtime *runtime = fiber_runtime_current();
	uint32_t i;

	open_pipe();
	timed_out = 0;
	for (i = 0; i < 1000; i++)
		spawn(timed_read, NULL);
	run_fibers();
	cr_assert_eq(timed_out, 1000);
	cr_assert_leq(runtime->most_in_flight, oring_cq_entries(&runtime->ring));
	cr_assert_geq(runtime->most_in_flight, 64, "they were not at it at once");
	cr_assert_eq(oring_cq_overflow_count(&runtime->ring), 0);
	close_pipe();
}

static intptr_t block(void *argument)
{
	char byte;

	(void)argument;
	return fiber_read(oring_file_fd(ends[0]), &byte, 1, FIBER_HERE, FIBER_FOREVER);
}

struct nops {
	uint32_t n;
	bool fails; /* its head does */
};

/* A chain. Its head fails: then none of the others is done. Torn off, they would be. */
static intptr_t chain_of(void *argument)
{
	const struct nops *nops = argument;
	uint32_t n = nops->n, i;
	int32_t results[8];
	int ret = fiber_chain(n, results);
	char byte;

	if (ret < 0)
		return ret;
	note((char)('0' + n)); /* it has its places */
	for (i = 0; i < n; i++)
		if (i == 0 && nops->fails)
			oring_prep_read(fiber_chain_next(), oring_file_fd(-1), &byte, 1, 0);
		else
			oring_prep_nop(fiber_chain_next());
	cr_assert_null(fiber_chain_next());
	cr_assert_eq(fiber_chain_wait(), (int)n);
	for (i = 0; i < n; i++) {
		int32_t wanted = !nops->fails ? 0 : i == 0 ? -EBADF : -ECANCELED;

		cr_assert_eq(results[i], wanted, "entry %u of %u: %d", i, n, results[i]);
	}
	return 0;
}

static intptr_t cancel_all(void *fibers)
{
	fiber_handle *handles = fibers;
	int i;

	for (i = 0; i < 14; i++) {
		fiber_yield();
		fiber_cancel(handles[i]);
	}
	return 0;
}

/* One that comes when others wait for room, and would fit before them. */
static intptr_t come_late(void *argument)
{
	const struct fiber_runtime *runtime = fiber_runtime_current();

	(void)argument;
	while (runtime->in_flight + runtime->promised > 8)
		fiber_yield();
	oring_prep_nop(fiber_operation(FIBER_FOREVER));
	note('l');
	cr_assert_eq(fiber_wait(), 0);
	return 0;
}

static const struct fiber_config few = { .ring_entries = 8 };

/* The queues are full of reads that block; as these are cancelled, who waited longest comes first. */
FIBER_TEST_WITH(fiber_io, chains_that_wait_for_room_are_not_torn, &few)
{
	struct nops chains[10] = { { 3, true },	 { 1, true }, { 2, false }, { 5, true },
				   { 1, false }, { 8, true }, { 2, true },  { 7, true },
				   { 8, false }, { 3, true } };
	fiber_handle blocks[14];
	int i;

	open_pipe();
	for (i = 0; i < 14; i++)
		blocks[i] = spawn(block, NULL);
	for (i = 0; i < 10; i++)
		spawn(chain_of, &chains[i]);
	spawn(come_late, NULL);
	spawn(cancel_all, blocks);
	run_fibers();
	ASSERT_HAPPENED("3125182783l");
	for (i = 0; i < 14; i++)
		cr_assert_eq(value_of(blocks[i]), -ECANCELED);
	close_pipe();
}

/* Cancels have places of their own in the queues. */
FIBER_TEST_WITH(fiber_io, full_queues_do_not_keep_cancels_out, &few)
{
	fiber_handle blocks[20];
	int i;

	open_pipe();
	for (i = 0; i < 20; i++)
		blocks[i] = spawn(block, NULL);
	spawn(cancel_all, blocks);
	spawn(cancel_all, blocks + 6);
	run_fibers();
	for (i = 0; i < 20; i++)
		cr_assert_eq(value_of(blocks[i]), -ECANCELED);
	close_pipe();
}

static intptr_t too_long(void *argument)
{
	int32_t results[9];

	(void)argument;
	cr_assert_eq(fiber_chain(9, results), -EINVAL);
	cr_assert_eq(fiber_chain(0, results), -EINVAL);
	cr_assert_eq(fiber_chain(4, results), 0);
	oring_prep_nop(fiber_chain_next());
	cr_assert_eq(fiber_chain_wait(), 1, "the rest was given back");
	cr_assert_eq(results[0], 0);
	return 0;
}

FIBER_TEST_WITH(fiber_io, a_chain_longer_than_the_ring_is_refused, &few)
{
	spawn(too_long, NULL);
	run_fibers();
}

/* Cancelled while it waits for room, it has done nothing. */
FIBER_TEST_WITH(fiber_io, who_waits_for_room_can_be_cancelled, &few)
{
	struct nops nops = { 8, false };
	fiber_handle blocks[14], waits;
	int i;

	open_pipe();
	for (i = 0; i < 14; i++)
		blocks[i] = spawn(block, NULL);
	waits = spawn(chain_of, &nops);
	spawn(cancel_after_a_while, &waits); /* its sleep waits for room, too */
	spawn(cancel_all, blocks);
	run_fibers();
	cr_assert(value_of(waits) == -ECANCELED || happened[0] == '8');
	close_pipe();
}

/* A send, and the answer: written by another thread's read and write. */
static intptr_t ask_often(void *pair)
{
	oring_file sock = oring_file_fd(((int *)pair)[0]);
	int32_t results[2];
	char out = 0, in = 0;
	int i;

	for (i = 0; i < 100; i++) {
		out = (char)i;
		cr_assert_eq(fiber_chain(2, results), 0);
		oring_prep_send(fiber_chain_next(), sock, &out, 1, MSG_NOSIGNAL);
		oring_prep_recv(fiber_chain_next(), sock, &in, 1, 0);
		cr_assert_eq(fiber_chain_wait(), 2);
		cr_assert_eq(results[0], 1);
		cr_assert_eq(results[1], 1);
		cr_assert_eq(in, out);
	}
	return 0;
}

static void *answer(void *pair)
{
	int sock = ((int *)pair)[1];
	char byte;

	while (read(sock, &byte, 1) == 1 && write(sock, &byte, 1) == 1)
		;
	return NULL;
}

FIBER_TEST(fiber_io, one_fiber_alone_enters_once_for_a_chain)
{
	uint64_t before = fiber_runtime_current()->enters;
	pthread_t thread;
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(pthread_create(&thread, NULL, answer, pair), 0);
	spawn(ask_often, pair);
	run_fibers();
	cr_assert_leq(fiber_runtime_current()->enters - before, 105, "%llu enters",
		      (unsigned long long)(fiber_runtime_current()->enters - before));
	close(pair[0]);
	pthread_join(thread, NULL);
	close(pair[1]);
}

/* ---- enters for an echo ---- */

#define MESSAGE	    64
#define CONNECTIONS 64
#define ROUNDS	    200

static uint32_t echoed;

static intptr_t echo(void *sock)
{
	oring_file file = oring_file_fd(*(int *)sock);
	char text[MESSAGE];
	int n;

	while ((n = fiber_recv(file, text, sizeof(text), MSG_WAITALL, FIBER_FOREVER)) > 0)
		cr_assert_eq(fiber_send_all(file, text, (size_t)n, FIBER_FOREVER), n);
	cr_assert_eq(n, 0, "%d", n);
	return fiber_close(file);
}

static intptr_t ask_for_echo(void *sock)
{
	oring_file file = oring_file_fd(*(int *)sock);
	char text[MESSAGE], back[MESSAGE];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		memset(text, *(int *)sock + i, sizeof(text));
		cr_assert_eq(fiber_send_all(file, text, MESSAGE, FIBER_FOREVER), MESSAGE);
		cr_assert_eq(fiber_recv(file, back, MESSAGE, MSG_WAITALL, FIBER_FOREVER), MESSAGE);
		cr_assert_arr_eq(back, text, MESSAGE);
		echoed++;
	}
	return fiber_close(file);
}

static const struct fiber_config two_for_each = { .fibers = 2 * CONNECTIONS };

/* Both ends in one runtime: so the count does not depend on who is faster. It is of both. */
FIBER_TEST_WITH(fiber_io, an_echo_of_many_connections_needs_less_than_half_an_enter, &two_for_each)
{
	uint64_t before = fiber_runtime_current()->enters, enters;
	static int pairs[CONNECTIONS][2];
	int i;

	for (i = 0; i < CONNECTIONS; i++) {
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]), 0);
		spawn(echo, &pairs[i][0]);
		spawn(ask_for_echo, &pairs[i][1]);
	}
	run_fibers();
	enters = fiber_runtime_current()->enters - before;
	cr_assert_eq(echoed, CONNECTIONS * ROUNDS);
	cr_assert_lt(2 * enters, echoed, "%llu enters for %u messages", (unsigned long long)enters,
		     echoed);
}

static void *ask_from_a_thread(void *sock)
{
	char text[MESSAGE], back[MESSAGE];
	int fd = *(int *)sock, i;

	for (i = 0; i < ROUNDS; i++) {
		memset(text, i, sizeof(text));
		if (send(fd, text, MESSAGE, MSG_NOSIGNAL) != MESSAGE ||
		    recv(fd, back, MESSAGE, MSG_WAITALL) != MESSAGE ||
		    memcmp(back, text, MESSAGE) != 0)
			break;
		echoed++;
	}
	close(fd);
	return NULL;
}

/* One fiber alone: an enter for its receive, one for its send. */
FIBER_TEST(fiber_io, an_echo_of_one_connection_needs_two_enters)
{
	uint64_t before = fiber_runtime_current()->enters, enters;
	pthread_t thread;
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(pthread_create(&thread, NULL, ask_from_a_thread, &pair[1]), 0);
	spawn(echo, &pair[0]);
	run_fibers();
	pthread_join(thread, NULL);
	enters = fiber_runtime_current()->enters - before;
	cr_assert_eq(echoed, ROUNDS);
	cr_assert_leq(enters, 2 * ROUNDS + 8, "%llu enters", (unsigned long long)enters);
}

/* The first fits into a pipe of 64 KiB with a part of the second. */
static const size_t linked[3] = { 40000, 100000, 160000 };

/* Which of them a byte belongs to. */
static char linked_byte(int64_t at)
{
	return at < 40000 ? 'a' : at < 140000 ? 'b' : 'c';
}

static intptr_t write_linked(void *argument)
{
	static char bytes[3][160000];
	struct iovec iov[3];
	int i;

	(void)argument;
	for (i = 0; i < 3; i++) {
		memset(bytes[i], 'a' + i, linked[i]);
		iov[i].iov_base = bytes[i];
		iov[i].iov_len = linked[i];
	}
	cr_assert_eq(fiber_write_linked(oring_file_fd(ends[1]), iov, 3, FIBER_HERE), 300000);
	return fiber_close(oring_file_fd(ends[1]));
}

/* Before 6.4 a worker thread writes into pipes, and waits until all is written. */
static bool short_writes;

static bool pipes_know_nowait(void)
{
	char byte = 'x';
	struct iovec iov = { &byte, 1 };

	if (pwritev2(ends[1], &iov, 1, -1, RWF_NOWAIT) != 1)
		return false;
	cr_assert_eq(read(ends[0], &byte, 1), 1);
	return true;
}

static intptr_t read_all(void *writes)
{
	struct fiber_runtime *runtime = fiber_runtime_current();
	const struct fiber *writer = &runtime->fibers[(uint32_t)((fiber_handle *)writes)->bits - 1];
	char buf[7000];
	int64_t total = 0;
	int n, i, there = 0;

	/* It is at its second chain, whose head is the rest of the second write: that was short. */
	while (short_writes && writer->operation < 2)
		cr_assert_eq(fiber_sleep(MS), 0);
	cr_assert_eq(ioctl(ends[0], FIONREAD, &there), 0);
	cr_assert(!short_writes || (there > 40000 && there < 140000), "%d bytes", there);
	while ((n = fiber_read(oring_file_fd(ends[0]), buf, sizeof(buf), FIBER_HERE,
			       FIBER_FOREVER)) > 0) {
		for (i = 0; i < n; i++)
			cr_assert_eq(buf[i], linked_byte(total + i), "byte %lld",
				     (long long)total + i);
		total += n;
	}
	cr_assert_eq(total, 300000);
	return n;
}

FIBER_TEST(fiber_io, linked_writes_go_on_where_a_short_one_stopped)
{
	fiber_handle writes;

	open_pipe();
	cr_assert_eq(fcntl(ends[1], F_SETPIPE_SZ, 65536), 65536);
	short_writes = pipes_know_nowait();
	writes = spawn(write_linked, NULL);
	spawn(read_all, &writes);
	run_fibers();
	close(ends[0]);
}

static intptr_t write_linked_to_file(void *fd)
{
	struct iovec iov[100];
	char bytes[100], back[100];
	int i;

	for (i = 0; i < 100; i++) {
		bytes[i] = (char)i;
		iov[i].iov_base = &bytes[i];
		iov[i].iov_len = 1;
	}
	cr_assert_eq(fiber_write_linked(oring_file_fd(*(int *)fd), iov, 100, 3), 100);
	cr_assert_eq(pread(*(int *)fd, back, 100, 3), 100);
	cr_assert_eq(memcmp(bytes, back, 100), 0);
	cr_assert_eq(fiber_write_linked(oring_file_fd(-1), iov, 2, 0), -EBADF);
	return 0;
}

FIBER_TEST(fiber_io, more_linked_writes_than_entries)
{
	char path[] = "/tmp/oring-fiber-XXXXXX";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	unlink(path);
	spawn(write_linked_to_file, &fd);
	run_fibers();
	close(fd);
}

/* ---- sockets ---- */

static int listener;
static struct sockaddr_in listens_at;

static void open_listener(void)
{
	socklen_t length = sizeof(listens_at);

	memset(&listens_at, 0, sizeof(listens_at));
	listens_at.sin_family = AF_INET;
	listens_at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&listens_at, length), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&listens_at, &length), 0);
	cr_assert_eq(listen(listener, 128), 0);
}

static intptr_t accept_one(void *argument)
{
	(void)argument;
	return fiber_accept(oring_file_fd(listener), NULL, NULL, FIBER_FOREVER);
}

static intptr_t cancel_listener(void *argument)
{
	int *found = argument;

	fiber_sleep(2 * MS);
	*found = fiber_cancel_file(oring_file_fd(listener));
	return 0;
}

FIBER_TEST(fiber_io, a_cancel_of_the_file_reaches_all_who_wait_for_it)
{
	fiber_handle accepts[3];
	int found = 0, i;

	open_listener();
	for (i = 0; i < 3; i++)
		accepts[i] = spawn(accept_one, NULL);
	spawn(cancel_listener, &found);
	run_fibers();
	cr_assert_eq(found, 3, "%d", found);
	for (i = 0; i < 3; i++)
		cr_assert_eq(value_of(accepts[i]), -ECANCELED);
	close(listener);
}

static intptr_t connect_often(void *count)
{
	int i, ret, sock;

	for (i = 0; i < *(int *)count; i++) {
		struct linger reset = { 1, 0 };
		char byte;

		sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert_eq(setsockopt(sock, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
		ret = fiber_connect(oring_file_fd(sock), (struct sockaddr *)&listens_at,
				    sizeof(listens_at), FIBER_FOREVER);
		cr_assert_eq(ret, 0, "%s", strerror(-ret));
		ret = fiber_recv(oring_file_fd(sock), &byte, 1, 0, 5000 * MS);
		cr_assert_eq(ret, 1, "%d", ret);
		fiber_close(oring_file_fd(sock));
	}
	return 0;
}

static intptr_t accept_often(void *count)
{
	oring_file files[3];
	int i, ret;

	/* Two slots: the third is a descriptor. */
	for (i = 0; i < *(int *)count; i++) {
		oring_file *file = &files[i % 3];

		ret = fiber_accept_file(oring_file_fd(listener), file, FIBER_FOREVER);
		cr_assert_eq(ret, 0, "%s", strerror(-ret));
		cr_assert_eq(fiber_send(*file, "x", 1, 0, FIBER_FOREVER), 1);
		if (i % 3 == 2) {
			cr_assert(oring_file_is_slot(files[0]) && oring_file_is_slot(files[1]));
			cr_assert_not(oring_file_is_slot(files[2]));
			for (ret = 0; ret < 3; ret++)
				cr_assert_eq(fiber_close(files[ret]), 0);
		}
	}
	return 0;
}

static const struct fiber_config two_slots = { .slots = 2 };

FIBER_TEST_WITH(fiber_io, a_full_table_falls_back_to_descriptors_and_no_slot_leaks, &two_slots)
{
	int count = 10002; /* by threes */

	open_listener();
	spawn(accept_often, &count);
	spawn(connect_often, &count);
	run_fibers();
	close(listener);
}

static intptr_t accept_without_a_descriptor(void *argument)
{
	struct rlimit before, none_left;
	oring_file file;
	int next = dup(listener), ret;

	(void)argument;
	cr_assert_geq(next, 0);
	close(next);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none_left = before;
	none_left.rlim_cur = (rlim_t)next;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none_left), 0);
	ret = fiber_accept_file(oring_file_fd(listener), &file, 20000 * MS);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	cr_assert_eq(ret, -ENFILE, "%d", ret);
	ret = fiber_accept_file(oring_file_fd(listener), &file, 20000 * MS);
	cr_assert_eq(ret, 0, "%d", ret);
	cr_assert_eq(fiber_send(file, "x", 1, 0, FIBER_FOREVER), 1);
	return fiber_close(file);
}

/* The connection waits until there is a descriptor again. */
FIBER_TEST_WITH(fiber_io, an_accept_that_finds_no_descriptor_says_so, &two_slots)
{
	char byte = 0;
	int sock;

	open_listener();
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(sock, (struct sockaddr *)&listens_at, sizeof(listens_at)), 0);
	spawn(accept_without_a_descriptor, NULL);
	run_fibers();
	cr_assert_eq(recv(sock, &byte, 1, 0), 1);
	cr_assert_eq(byte, 'x');
	close(sock);
	close(listener);
}

static intptr_t move_to_slots(void *argument)
{
	oring_file file, more;
	char byte = 0;
	int other;

	(void)argument;
	other = dup(ends[0]);
	cr_assert_eq(fiber_to_slot(ends[0], &file), 0);
	cr_assert_eq(fcntl(ends[0], F_GETFD), -1, "the descriptor is closed");
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(fiber_read(file, &byte, 1, FIBER_HERE, FIBER_FOREVER), 1);
	cr_assert_eq(byte, 'x');
	cr_assert_eq(fiber_to_slot(ends[1], &more), 0);
	cr_assert_eq(fiber_to_slot(other, &more), -ENFILE, "two slots");
	cr_assert_geq(fcntl(other, F_GETFD), 0, "the descriptor is open");
	cr_assert_eq(fiber_close(file), 0);
	cr_assert_eq(fiber_to_slot(other, &file), 0);
	return 0;
}

FIBER_TEST_WITH(fiber_io, a_descriptor_moves_into_a_slot_or_stays, &two_slots)
{
	open_pipe();
	spawn(move_to_slots, NULL);
	run_fibers();
}

static intptr_t poll_hung_up(void *pair)
{
	int *socks = pair, ret;
	char byte;

	cr_assert_eq(write(socks[1], "x", 1), 1);
	close(socks[1]);
	ret = fiber_poll(oring_file_fd(socks[0]), POLLIN, FIBER_FOREVER);
	cr_assert(ret & POLLIN, "%x", ret);
	cr_assert(ret & POLLHUP, "%x", ret);
	cr_assert_eq(fiber_recv(oring_file_fd(socks[0]), &byte, 1, 0, FIBER_FOREVER), 1);
	close(socks[0]);
	return 0;
}

FIBER_TEST(fiber_io, data_and_a_hang_up_are_both_told)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	spawn(poll_hung_up, pair);
	run_fibers();
}

static intptr_t exchange_messages(void *pair)
{
	int *socks = pair;
	char one[3] = "ab", two[3] = "cd", back[8] = "";
	struct iovec iov[2] = { { one, 2 }, { two, 2 } }, in = { back, sizeof(back) };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };

	cr_assert_eq(fiber_sendmsg(oring_file_fd(socks[0]), &message, 0, FIBER_FOREVER), 4);
	message.msg_iov = &in;
	message.msg_iovlen = 1;
	cr_assert_eq(fiber_recvmsg(oring_file_fd(socks[1]), &message, 0, FIBER_FOREVER), 4);
	cr_assert_str_eq(back, "abcd");
	cr_assert_eq(fiber_send_all(oring_file_fd(socks[0]), "xyz", 3, 100 * MS), 3);
	cr_assert_eq(fiber_recv(oring_file_fd(socks[1]), back, 3, MSG_WAITALL, FIBER_FOREVER), 3);
	cr_assert_eq(close(socks[1]), 0);
	cr_assert_eq(fiber_send(oring_file_fd(socks[0]), "x", 1, 0, FIBER_FOREVER), -EPIPE,
		     "and no signal");
	close(socks[0]);
	return 0;
}

FIBER_TEST(fiber_io, messages)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	spawn(exchange_messages, pair);
	run_fibers();
}

static intptr_t send_too_much(void *sock)
{
	static char much[1 << 22];

	return (intptr_t)fiber_send_all(oring_file_fd(*(int *)sock), much, sizeof(much), 20 * MS);
}

FIBER_TEST(fiber_io, a_limit_holds_for_all_of_a_long_send)
{
	int pair[2];
	fiber_handle sends;
	intptr_t sent;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	sends = spawn(send_too_much, &pair[0]);
	run_fibers();
	sent = value_of(sends);
	cr_assert(sent > 0 && sent < 1 << 22, "%ld", (long)sent);
	close(pair[0]);
	close(pair[1]);
}

/* ---- the limit of whatever can wait for ever ---- */

/* Nothing to read, no room to write: one row's files, made anew for each. */
static int full[2], quiet[2], choked[2];
static pid_t child;
static char byte_of_mine = 'x';

static int wait_to_accept(int64_t limit)
{
	int ret = fiber_accept(oring_file_fd(listener), NULL, NULL, limit);

	return ret < 0 ? ret : fiber_close(oring_file_fd(ret)) + 1;
}

static int wait_to_accept_file(int64_t limit)
{
	oring_file file;
	int ret = fiber_accept_file(oring_file_fd(listener), &file, limit);

	return ret < 0 ? ret : fiber_close(file) + 1;
}

static int wait_to_read(int64_t limit)
{
	return fiber_read(oring_file_fd(ends[0]), &byte_of_mine, 1, FIBER_HERE, limit);
}

static int wait_to_readv(int64_t limit)
{
	struct iovec iov = { &byte_of_mine, 1 };

	return fiber_readv(oring_file_fd(ends[0]), &iov, 1, FIBER_HERE, limit);
}

static int wait_to_write(int64_t limit)
{
	return fiber_write(oring_file_fd(full[1]), "x", 1, FIBER_HERE, limit);
}

static int wait_to_write_all(int64_t limit)
{
	return (int)fiber_write_all(oring_file_fd(full[1]), "x", 1, FIBER_HERE, limit);
}

static int wait_to_writev(int64_t limit)
{
	struct iovec iov = { &byte_of_mine, 1 };

	return fiber_writev(oring_file_fd(choked[0]), &iov, 1, FIBER_HERE, limit);
}

static int wait_to_write_a_socket(int64_t limit)
{
	return fiber_write(oring_file_fd(choked[0]), "x", 1, FIBER_HERE, limit);
}

static int wait_to_send(int64_t limit)
{
	return fiber_send(oring_file_fd(choked[0]), "x", 1, 0, limit);
}

static int wait_to_send_all(int64_t limit)
{
	return (int)fiber_send_all(oring_file_fd(choked[0]), "x", 1, limit);
}

static int wait_to_recv(int64_t limit)
{
	return fiber_recv(oring_file_fd(quiet[0]), &byte_of_mine, 1, 0, limit);
}

static int wait_to_sendmsg(int64_t limit)
{
	struct iovec iov = { &byte_of_mine, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	return fiber_sendmsg(oring_file_fd(choked[0]), &message, 0, limit);
}

static int wait_to_recvmsg(int64_t limit)
{
	struct iovec iov = { &byte_of_mine, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	return fiber_recvmsg(oring_file_fd(quiet[0]), &message, 0, limit);
}

static int wait_to_splice_from(int64_t limit)
{
	return fiber_splice(oring_file_fd(ends[0]), -1, oring_file_fd(choked[1]), -1, 1, 0, limit);
}

static int wait_to_splice_into(int64_t limit)
{
	return fiber_splice(oring_file_fd(quiet[0]), -1, oring_file_fd(full[1]), -1, 1, 0, limit);
}

static int wait_to_poll(int64_t limit)
{
	return fiber_poll(oring_file_fd(ends[0]), POLLIN, limit) / POLLIN;
}

static int wait_for_child(int64_t limit)
{
	int ret;

	if (child == 0) {
		child = fork();
		if (child == 0)
			for (;;)
				pause();
	}
	ret = fiber_wait_child(child, WEXITED, NULL, limit);
	if (ret == child)
		child = 0;
	return ret < 0 ? ret : 1;
}

/* As much as there is room for, or as there is. */
static void choke(int fd)
{
	static const char bytes[4096];
	int flags = fcntl(fd, F_GETFL);

	cr_assert_eq(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
	while (write(fd, bytes, 1) > 0)
		;
	cr_assert_eq(fcntl(fd, F_SETFL, flags), 0);
}

static void drain(int fd)
{
	char bytes[4096];
	int flags = fcntl(fd, F_GETFL);

	cr_assert_eq(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
	cr_assert_eq(fcntl(fd, F_SETFL, flags), 0);
}

/* What everyone waits for; the connection that an accept finds. */
static int let_all_go(void)
{
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(sock, (struct sockaddr *)&listens_at, sizeof(listens_at)), 0);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(write(quiet[1], "x", 1), 1);
	drain(full[0]);
	drain(choked[1]);
	if (child != 0)
		kill(child, SIGKILL);
	return sock;
}

static const struct {
	const char *name;
	int (*wait)(int64_t limit); /* 1 when it is done */
	bool may_lack;		    /* -EINVAL on older kernels */
} waits[] = {
	{ "accept", wait_to_accept, false },
	{ "accept into a slot", wait_to_accept_file, false },
	{ "read", wait_to_read, false },
	{ "readv", wait_to_readv, false },
	{ "write", wait_to_write, false },
	{ "write into a socket", wait_to_write_a_socket, false },
	{ "write_all", wait_to_write_all, false },
	{ "writev", wait_to_writev, false },
	{ "send", wait_to_send, false },
	{ "send_all", wait_to_send_all, false },
	{ "recv", wait_to_recv, false },
	{ "sendmsg", wait_to_sendmsg, false },
	{ "recvmsg", wait_to_recvmsg, false },
	{ "splice from an empty pipe", wait_to_splice_from, false },
	{ "splice into a full pipe", wait_to_splice_into, false },
	{ "poll", wait_to_poll, false },
	{ "wait for a child", wait_for_child, true },
};

/* Twice in vain; then what it waits for comes, while a limit that is far away is set. */
static intptr_t wait_with_limits(void *number)
{
	const char *name = waits[(intptr_t)number].name;
	int (*wait)(int64_t limit) = waits[(intptr_t)number].wait;
	int64_t begin = time_now(), took;
	int ret = wait(5 * MS), sock;

	took = time_now() - begin;
	if (ret == -EINVAL && waits[(intptr_t)number].may_lack) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		child = 0;
		return ret;
	}
	cr_assert_eq(ret, -ETIME, "%s: %d", name, ret);
	cr_assert_geq(took, 5 * MS, "%s ended too early", name);
	cr_assert_lt(took, 10000 * MS, "%s outlasted its limit", name);
	ret = wait(0);
	cr_assert_eq(ret, -ETIME, "%s, limit 0: %d", name, ret);
	sock = let_all_go();
	ret = wait(20000 * MS);
	cr_assert_eq(ret, 1, "%s, when it could be done: %d", name, ret);
	close(sock);
	return 0;
}

FIBER_TEST_WITH(fiber_io, whatever_can_wait_for_ever_ends_at_its_limit, &two_slots)
{
	size_t i;

	for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		fiber_handle fiber;
		intptr_t value;

		open_pipe();
		open_listener();
		cr_assert_eq(pipe2(full, O_CLOEXEC), 0);
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, quiet), 0);
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, choked), 0);
		choke(full[1]);
		choke(choked[0]);
		fiber = spawn(wait_with_limits, (void *)i);
		run_fibers();
		value = value_of(fiber);
		cr_assert(value == 0 || waits[i].may_lack, "%s: %d", waits[i].name, (int)value);
		cr_assert_eq(oring_cq_ready(&fiber_runtime_current()->ring), 0, "%s",
			     waits[i].name);
		close_pipe();
		close(listener);
		close(full[0]);
		close(full[1]);
		close(quiet[0]);
		close(quiet[1]);
		close(choked[0]);
		close(choked[1]);
	}
}

/* ---- opens of a fifo ---- */

static char fifo[64];
static int opened;
static bool open_has_ended;

static int32_t open_results[2]; /* of the operation and its limit */

static intptr_t open_fifo(void *flags)
{
	opened = fiber_openat(AT_FDCWD, fifo, *(int *)flags | O_CLOEXEC, 0600, 5 * MS);
	open_results[0] = fiber_runtime_current()->current->own_results[0];
	open_results[1] = fiber_runtime_current()->current->own_results[1];
	open_has_ended = true;
	return opened;
}

/* The other end, after a while: whatever waits in the kernel for it goes on. */
static intptr_t open_other_end(void *argument)
{
	int fd, i;

	(void)argument;
	for (i = 0; i < 10 && !open_has_ended; i++)
		fiber_sleep(10 * MS);
	fd = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	while (!open_has_ended)
		fiber_sleep(MS);
	return close(fd);
}

static void try_to_open(int flags)
{
	opened = 1;
	open_has_ended = false;
	spawn(open_fifo, &flags);
	spawn(open_other_end, NULL);
	run_fibers();
	if (opened >= 0)
		close(opened);
}

static void make_fifo(char *folder)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
}

/*
 * The kernel opens without waiting first: a reader is there at once, and a writer is told that there is
 * none (older ones ask a worker thread, which the limit interrupts). With O_CREAT a worker waits, and
 * recent kernels start the limit after that: then it is done, late, and not lost.
 */
FIBER_TEST(fiber_io, an_open_of_a_fifo_ends)
{
	char folder[] = "/tmp/oring-fiber-XXXXXX";

	make_fifo(folder);
	try_to_open(O_RDONLY);
	cr_assert(opened >= 0 || opened == -ETIME, "%d: %d, %d", opened, open_results[0],
		  open_results[1]);
	try_to_open(O_WRONLY);
	cr_assert(opened == -ENXIO || opened == -ETIME, "%d: %d, %d", opened, open_results[0],
		  open_results[1]);
	try_to_open(O_RDONLY | O_CREAT);
	cr_assert(opened >= 0 || opened == -ETIME, "%d: %d, %d", opened, open_results[0],
		  open_results[1]);
	unlink(fifo);
	rmdir(folder);
}

/* Its limit may not end it, but a cancel does. */
FIBER_TEST(fiber_io, an_open_that_waits_for_the_other_end_is_cancelled)
{
	char folder[] = "/tmp/oring-fiber-XXXXXX";
	int flags = O_WRONLY | O_CREAT;
	fiber_handle opens;

	make_fifo(folder);
	opens = spawn(open_fifo, &flags);
	spawn(cancel_after_a_while, &opens);
	run_fibers();
	cr_assert(opened == -ECANCELED || opened == -ETIME, "%d", opened);
	unlink(fifo);
	rmdir(folder);
}

/* ---- files ---- */

static intptr_t use_files(void *folder)
{
	int at = *(int *)folder, fd;
	struct statx stat;
	char back[16] = "";
	struct iovec iov[2] = { { "hel", 3 }, { "lo", 2 } },
		     in[2] = { { back, 2 }, { back + 2, 3 } };

	cr_assert_eq(fiber_mkdirat(at, "d", 0700, FIBER_FOREVER), 0);
	fd = fiber_openat(at, "d/f", O_RDWR | O_CREAT | O_CLOEXEC, 0600, FIBER_FOREVER);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fiber_writev(oring_file_fd(fd), iov, 2, 0, FIBER_FOREVER), 5);
	cr_assert_eq(fiber_readv(oring_file_fd(fd), in, 2, 0, FIBER_FOREVER), 5);
	cr_assert_str_eq(back, "hello");
	cr_assert_eq(fiber_write_all(oring_file_fd(fd), "HELLO", 5, 1, FIBER_FOREVER), 5);
	cr_assert_eq(fiber_fsync(oring_file_fd(fd), false, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_fsync(oring_file_fd(fd), true, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_close(oring_file_fd(fd)), 0);
	cr_assert_eq(fiber_close(oring_file_fd(fd)), -EBADF);
	cr_assert_eq(fiber_statx(at, "d/f", 0, STATX_SIZE, &stat, FIBER_FOREVER), 0);
	cr_assert_eq(stat.stx_size, 6);
	cr_assert_eq(fiber_linkat(at, "d/f", at, "d/g", 0, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_symlinkat("g", at, "d/h", FIBER_FOREVER), 0);
	cr_assert_eq(faccessat(at, "d/h", F_OK, 0), 0);
	cr_assert_eq(fiber_renameat(at, "d/g", at, "d/k", 0, FIBER_FOREVER), 0);
	cr_assert_neq(faccessat(at, "d/h", F_OK, 0), 0, "it leads nowhere");
	cr_assert_eq(fiber_unlinkat(at, "d/f", 0, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_unlinkat(at, "d/h", 0, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_unlinkat(at, "d/k", 0, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_unlinkat(at, "d/f", 0, FIBER_FOREVER), -ENOENT);
	cr_assert_eq(fiber_unlinkat(at, "d", AT_REMOVEDIR, FIBER_FOREVER), 0);
	return 0;
}

FIBER_TEST(fiber_io, files)
{
	char path[] = "/tmp/oring-fiber-XXXXXX";
	int folder;

	cr_assert_not_null(mkdtemp(path));
	folder = open(path, O_RDONLY | O_DIRECTORY);
	spawn(use_files, &folder);
	run_fibers();
	close(folder);
	cr_assert_eq(rmdir(path), 0, "something is left in it");
}

static intptr_t use_files_here(void *argument)
{
	char target[8] = "";
	struct statx stat;
	int fd;

	(void)argument;
	cr_assert_eq(fiber_symlinkat("a", AT_FDCWD, "b", FIBER_FOREVER), 0);
	cr_assert_eq(readlink("b", target, sizeof(target) - 1), 1);
	cr_assert_str_eq(target, "a");
	fd = fiber_openat(AT_FDCWD, "b", O_WRONLY | O_CREAT | O_CLOEXEC, 0600, FIBER_FOREVER);
	cr_assert_geq(fd, 0, "%d", fd);
	cr_assert_eq(fiber_close(oring_file_fd(fd)), 0);
	cr_assert_eq(fiber_linkat(AT_FDCWD, "a", AT_FDCWD, "c", 0, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_statx(AT_FDCWD, "c", 0, STATX_NLINK, &stat, FIBER_FOREVER), 0);
	cr_assert_eq(stat.stx_nlink, 2, "a and c are one file");
	cr_assert_eq(fiber_renameat(AT_FDCWD, "c", AT_FDCWD, "d", 0, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_unlinkat(AT_FDCWD, "a", 0, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_unlinkat(AT_FDCWD, "b", 0, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_unlinkat(AT_FDCWD, "d", 0, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_mkdirat(AT_FDCWD, "e", 0700, FIBER_FOREVER), 0);
	cr_assert_eq(fiber_unlinkat(AT_FDCWD, "e", AT_REMOVEDIR, FIBER_FOREVER), 0);
	return 0;
}

FIBER_TEST(fiber_io, files_of_the_working_directory)
{
	char path[] = "/tmp/oring-fiber-XXXXXX";
	int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert_not_null(mkdtemp(path));
	cr_assert_eq(chdir(path), 0);
	spawn(use_files_here, NULL);
	run_fibers();
	cr_assert_eq(fchdir(before), 0);
	close(before);
	cr_assert_eq(rmdir(path), 0, "something is left in it");
}

static intptr_t move_bytes(void *fd)
{
	char back[6] = "";

	cr_assert_eq(pwrite(*(int *)fd, "hello", 5, 0), 5);
	cr_assert_eq(fiber_splice(oring_file_fd(*(int *)fd), 0, oring_file_fd(ends[1]), -1, 5, 0,
				  FIBER_FOREVER),
		     5);
	cr_assert_eq(fiber_read(oring_file_fd(ends[0]), back, 5, FIBER_HERE, FIBER_FOREVER), 5);
	cr_assert_str_eq(back, "hello");
	return 0;
}

FIBER_TEST(fiber_io, splice)
{
	char path[] = "/tmp/oring-fiber-XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	open_pipe();
	spawn(move_bytes, &fd);
	run_fibers();
	close_pipe();
	close(fd);
}

/* ---- a close is not interrupted ---- */

static intptr_t close_though_cancelled(void *fd)
{
	return fiber_close(oring_file_fd(*(int *)fd));
}

static intptr_t yield_then_close(void *fd)
{
	fiber_shield(true);
	fiber_yield();
	fiber_shield(false);
	/* The cancel was not told yet: close is done all the same, and what waits next is told. */
	cr_assert_eq(close_though_cancelled(fd), 0);
	return fiber_yield();
}

static intptr_t cancel_it(void *fiber)
{
	return fiber_cancel(*(fiber_handle *)fiber);
}

FIBER_TEST(fiber_io, a_close_is_not_interrupted)
{
	fiber_handle closes;
	int fd;

	open_pipe();
	fd = dup(ends[0]);
	closes = spawn(yield_then_close, &fd);
	spawn(cancel_it, &closes);
	run_fibers();
	cr_assert_eq(value_of(closes), -ECANCELED);
	cr_assert_eq(fcntl(fd, F_GETFD), -1);
	close_pipe();
}

/* ---- children ---- */

static intptr_t wait_for_children(void *argument)
{
	int status = 0, ret;
	pid_t pid;

	(void)argument;
	pid = fork();
	if (pid == 0)
		_exit(7);
	ret = fiber_wait_child(pid, WEXITED, &status, FIBER_FOREVER);
	if (ret == -EINVAL) {
		waitpid(pid, NULL, 0);
		return ret; /* before 6.7 */
	}
	cr_assert_eq(ret, pid, "%d", ret);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%x", status);
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		for (;;)
			pause();
	}
	cr_assert_eq(fiber_wait_child(pid, WSTOPPED, &status, FIBER_FOREVER), pid);
	cr_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "%x", status);
	cr_assert_eq(fiber_wait_child(pid, WEXITED, &status, 2 * MS), -ETIME);
	kill(pid, SIGCONT);
	cr_assert_eq(fiber_wait_child(pid, WCONTINUED, &status, FIBER_FOREVER), pid);
	cr_assert(WIFCONTINUED(status), "%x", status);
	kill(pid, SIGTERM);
	cr_assert_eq(fiber_wait_child(pid, WEXITED, &status, FIBER_FOREVER), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "%x", status);
	cr_assert_eq(fiber_wait_child(pid, WEXITED, &status, FIBER_FOREVER), -ECHILD);
	return 0;
}

FIBER_TEST(fiber_io, children)
{
	fiber_handle waits = spawn(wait_for_children, NULL);

	run_fibers();
	if (value_of(waits) == -EINVAL) {
		end_fibers();
		cr_skip_test("WAITID: not on this kernel");
	}
}
