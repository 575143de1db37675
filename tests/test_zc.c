/* SPDX-License-Identifier: MIT */
/*
 * The life of zero-copy sends, in all orders and on the kernel; and the choice
 * whether to send that way at all.
 */
#include "streams.h"

#include <sys/uio.h>

/* ---- all orders ---- */

/* Completions that a send may have, and some that it may not. */
enum event {
	SENT, /* with the promise of a notification */
	SENT_ALONE,
	FAILED,
	FAILED_ALONE,
	NOTIFIED,
	NOTIFIED_COPIED,
	EVENTS
};

static const char event_letters[] = "SsFfnc";

struct world {
	struct oring_zc send;
	bool result, free, notified, failed; /* what is so, whatever the send thinks */
	char path[16];
	int length;
};

static long orders;

static struct oring_cqe completion(enum event event)
{
	struct oring_cqe cqe;

	memset(&cqe, 0, sizeof(cqe));
	if (event == NOTIFIED || event == NOTIFIED_COPIED) {
		cqe.flags = ORING_CQE_F_NOTIF;
		cqe.res = event == NOTIFIED_COPIED ? INT32_MIN : 0;
	} else {
		cqe.flags = event == SENT || event == FAILED ? ORING_CQE_F_MORE : 0;
		cqe.res = event == SENT || event == SENT_ALONE ? 300 : -EPIPE;
	}
	return cqe;
}

static void happens(struct world *world, enum event event, bool reports)
{
	struct oring_cqe cqe = completion(event);
	struct oring_zc_step step;
	bool busy = !world->result || !world->free, was_free = world->free;
	bool notification = event == NOTIFIED || event == NOTIFIED_COPIED;
	bool first = notification ? busy && !world->notified : !world->result;

	world->path[world->length++] = event_letters[event];
	CHECK(oring_zc_busy(&world->send) == busy, "%s", world->path);
	step = oring_zc_step(&world->send, &cqe, reports);
	if (first && notification)
		world->notified = world->free = true;
	if (first && !notification) {
		world->result = true;
		world->failed = cqe.res < 0;
		world->free = world->free || !oring_cqe_has_more(&cqe);
	}
	CHECK(step.result_known == (first && !notification), "%s", world->path);
	CHECK(step.result == (step.result_known ? cqe.res : 0), "%s", world->path);
	CHECK(step.buffer_free == (world->free && !was_free), "%s", world->path);
	CHECK(step.usage_known == (first && notification && reports && !world->failed), "%s",
	      world->path);
	CHECK(step.copied == (step.usage_known && event == NOTIFIED_COPIED), "%s", world->path);
	CHECK(oring_zc_busy(&world->send) == (!world->result || !world->free), "%s", world->path);
}

static void go_on(const struct world *world, int steps, bool reports)
{
	int event;

	orders++;
	for (event = 0; steps > 0 && event < EVENTS; event++) {
		struct world next = *world;

		happens(&next, (enum event)event, reports);
		go_on(&next, steps - 1, reports);
	}
}

Test(zc, all_orders)
{
	/* A34: the result known once, the buffer free once, whatever comes and how often. */
	struct world world;
	int reports;

	for (reports = 0; reports < 2; reports++) {
		memset(&world, 0, sizeof(world));
		oring_zc_begin(&world.send);
		go_on(&world, 5, reports != 0);
	}
	cr_assert_eq(orders, 2 * 9331);
}

Test(zc, completions_of_nothing)
{
	struct oring_zc send = { 0 };
	int event;

	for (event = 0; event < EVENTS; event++) {
		struct oring_cqe cqe = completion((enum event)event);
		struct oring_zc_step step = oring_zc_step(&send, &cqe, true);

		cr_assert_not(step.result_known || step.buffer_free || step.usage_known ||
			      step.copied || oring_zc_busy(&send));
	}
}

/* ---- the choice ---- */

/* How many of the next sends of this length are copies; the one after them is not. */
static int copies(struct oring_zc_chooser *chooser, size_t length)
{
	int n = 0;

	while (n < 10000 && !oring_zc_choose(chooser, length))
		n++;
	return n;
}

Test(zc, choice_by_length)
{
	struct oring_zc_chooser chooser;
	int i;

	oring_zc_chooser_init(&chooser, 0);
	for (i = 0; i < 100; i++)
		cr_assert_not(oring_zc_choose(&chooser, ORING_ZC_THRESHOLD - 1));
	cr_assert_eq(copies(&chooser, ORING_ZC_THRESHOLD), 4, "it starts with copies");
	oring_zc_report(&chooser, false);
	cr_assert_not(oring_zc_choose(&chooser, ORING_ZC_THRESHOLD - 1));
	cr_assert(oring_zc_choose(&chooser, SIZE_MAX));
	oring_zc_chooser_init(&chooser, 1);
	copies(&chooser, 1);
	oring_zc_report(&chooser, false);
	cr_assert_not(oring_zc_choose(&chooser, 0));
	cr_assert(oring_zc_choose(&chooser, 1));
}

Test(zc, choice_waits_for_the_report)
{
	struct oring_zc_chooser chooser;

	oring_zc_chooser_init(&chooser, 100);
	cr_assert_eq(copies(&chooser, 100), 4);
	cr_assert_eq(copies(&chooser, 100), 16, "one try at a time, and another if it is lost");
	cr_assert_eq(copies(&chooser, 100), 16);
	cr_assert_not(oring_zc_choose(&chooser, 100));
	oring_zc_report(&chooser, false);
	cr_assert(oring_zc_choose(&chooser, 100));
	cr_assert(oring_zc_choose(&chooser, 100));
}

Test(zc, choice_where_all_is_copied)
{
	static const int pauses[] = { 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096, 4096 };
	struct oring_zc_chooser chooser;
	size_t i;

	oring_zc_chooser_init(&chooser, 100);
	cr_assert_eq(copies(&chooser, 100), 4);
	for (i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		/* Three were on their way: that is one piece of news. */
		oring_zc_report(&chooser, true);
		oring_zc_report(&chooser, true);
		oring_zc_report(&chooser, true);
		cr_assert_eq(copies(&chooser, 100), pauses[i]);
	}
	/* Another way through the network: it does without copies, and forgets. */
	oring_zc_report(&chooser, false);
	for (i = 0; i < 100; i++)
		cr_assert(oring_zc_choose(&chooser, 100));
	oring_zc_report(&chooser, true);
	cr_assert_eq(copies(&chooser, 100), 16);
}

/* ---- on the kernel ---- */

static char memory[64 * 1024];

/* What all the steps of one send said. */
struct sent {
	int result, results, frees, usages;
	bool copied;
};

/* Submit the entry that rig_sqe() gave last, and step until the send is over. */
static struct sent all_of(struct rig *rig, bool reports)
{
	struct sent sent = { 0, 0, 0, 0, false };
	struct oring_zc send;
	int i;

	oring_zc_begin(&send);
	for (i = 0; i < 3 && oring_zc_busy(&send); i++) {
		struct oring_cqe cqe = rig_reap(rig);
		struct oring_zc_step step = oring_zc_step(&send, &cqe, reports);

		cr_assert_eq(cqe.user_data, rig->next_id - 1);
		if (step.result_known)
			sent.result = step.result;
		sent.results += step.result_known;
		sent.frees += step.buffer_free;
		sent.usages += step.usage_known;
		sent.copied |= step.copied;
	}
	cr_assert_not(oring_zc_busy(&send));
	cr_assert_eq(sent.results, 1);
	cr_assert_eq(sent.frees, 1);
	nothing_comes(rig);
	return sent;
}

/* The same for a send of @length bytes of the memory, which arrive at @sock. */
static struct sent arrives(struct rig *rig, bool reports, size_t length, int sock)
{
	static char got[sizeof(memory)];
	struct sent sent = all_of(rig, reports);

	cr_assert_eq(sent.result, (int)length, "%s", strerror(-sent.result));
	/* The bytes are ours: those that were sent stay as they were. */
	memset(memory, 0xee, sizeof(memory));
	cr_assert_eq(recv_whole(sock, got, length), length);
	cr_assert(is_pattern(got, length, 0));
	return sent;
}

static void fill(void)
{
	size_t i;

	for (i = 0; i < sizeof(memory); i++)
		memory[i] = (char)pattern_at(i);
}

#define REQUIRE_ZC(rig)                            \
	do {                                       \
		REQUIRE_OP(rig, ORING_OP_SEND_ZC); \
		fill();                            \
	} while (0)

/* A usage report came in 6.2. */
static bool knows_reports(struct rig *rig)
{
	struct oring_sqe *sqe = rig_sqe(rig);
	struct sent sent;
	int pair[2];

	make_tcp_pair(pair);
	oring_prep_send_zc(sqe, oring_file_fd(pair[0]), memory, 1, 0);
	oring_sqe_report_usage(sqe);
	sent = all_of(rig, true);
	close_pipe(pair);
	cr_assert(sent.result == 1 || sent.result == -EINVAL, "%d", sent.result);
	return sent.result == 1;
}

RING_TEST(zc, send)
{
	bool reports;
	int pair[2];

	REQUIRE_ZC(rig);
	reports = knows_reports(rig);
	make_tcp_pair(pair);
	oring_prep_send_zc(rig_sqe(rig), oring_file_fd(pair[0]), memory, 3000, 0);
	cr_assert_eq(arrives(rig, false, 3000, pair[1]).usages, 0, "nobody asked");
	if (reports) {
		struct oring_sqe *sqe = rig_sqe(rig);
		struct sent sent;

		fill();
		oring_prep_send_zc(sqe, oring_file_fd(pair[0]), memory, 3000, 0);
		oring_sqe_report_usage(sqe);
		sent = arrives(rig, true, 3000, pair[1]);
		cr_assert_eq(sent.usages, 1);
		cr_assert(sent.copied, "loopback copies in the end");
	}
	close_pipe(pair);
}

RING_TEST(zc, sendmsg)
{
	static struct iovec iov[2];
	static struct msghdr message;
	int pair[2];

	REQUIRE_OP(rig, ORING_OP_SENDMSG_ZC);
	fill();
	make_tcp_pair(pair);
	memset(&message, 0, sizeof(message));
	iov[0].iov_base = memory;
	iov[0].iov_len = 1000;
	iov[1].iov_base = memory + 1000;
	iov[1].iov_len = 500;
	message.msg_iov = iov;
	message.msg_iovlen = 2;
	oring_prep_sendmsg_zc(rig_sqe(rig), oring_file_fd(pair[0]), &message, 0);
	arrives(rig, false, 1500, pair[1]);
	close_pipe(pair);
}

RING_TEST(zc, sendto)
{
	struct sockaddr_in from, to;
	int sender, receiver;

	REQUIRE_ZC(rig);
	sender = local_socket(SOCK_DGRAM, &from);
	receiver = local_socket(SOCK_DGRAM, &to);
	oring_prep_sendto_zc(rig_sqe(rig), oring_file_fd(sender), memory, 1200, 0,
			     (struct sockaddr *)&to, sizeof(to));
	arrives(rig, false, 1200, receiver);
	close(sender);
	close(receiver);
}

RING_TEST(zc, send_from_a_registered_buffer)
{
	struct iovec iov = { memory, sizeof(memory) };
	int pair[2];

	REQUIRE_ZC(rig);
	cr_assert_eq(oring_register_buffers(&rig->ring, &iov, 1), 0);
	make_tcp_pair(pair);
	oring_prep_send_fixed_zc(rig_sqe(rig), oring_file_fd(pair[0]), memory, 5000, 0, 0);
	arrives(rig, false, 5000, pair[1]);
	close_pipe(pair);
}

RING_TEST(zc, failed_sends)
{
	/* A35: with and without a notification, the buffer is free once; and no usage is told. */
	struct oring_sqe *sqe;
	struct sent sent;
	bool reports;
	int pair[2];

	REQUIRE_ZC(rig);
	reports = knows_reports(rig);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	sqe = rig_sqe(rig);
	oring_prep_send_zc(sqe, oring_file_fd(pair[0]), memory, 300, 0);
	if (reports)
		oring_sqe_report_usage(sqe);
	sent = all_of(rig, reports);
	cr_assert_eq(sent.result, -EOPNOTSUPP, "%d", sent.result);
	cr_assert_eq(sent.usages, 0);
	close_pipe(pair);
	/* A file that is none: one completion, which promises nothing. */
	oring_prep_send_zc(rig_sqe(rig), oring_file_fd(-1), memory, 300, 0);
	cr_assert_eq(all_of(rig, false).result, -EBADF);
	make_tcp_pair(pair);
	cr_assert_eq(shutdown(pair[0], SHUT_WR), 0);
	oring_prep_send_zc(rig_sqe(rig), oring_file_fd(pair[0]), memory, 300, 0);
	cr_assert_eq(all_of(rig, false).result, -EPIPE);
	close_pipe(pair);
}

RING_TEST(zc, plain_sends)
{
	/* The fallback steps through the same machine: it has no second completion. */
	int pair[2];

	fill();
	make_tcp_pair(pair);
	oring_prep_send(rig_sqe(rig), oring_file_fd(pair[0]), memory, 3000, 0);
	cr_assert_eq(arrives(rig, true, 3000, pair[1]).usages, 0);
	close_pipe(pair);
}

/* One send as the chooser wants it; it arrives at @sink if there is one. Whether by zero copy. */
static bool send_as_chosen(struct rig *rig, struct oring_zc_chooser *chooser, int sock, int sink)
{
	bool zc = oring_zc_choose(chooser, 1000);
	struct oring_sqe *sqe = rig_sqe(rig);
	struct sent sent;

	fill();
	if (zc) {
		oring_prep_send_zc(sqe, oring_file_fd(sock), memory, 1000, 0);
		oring_sqe_report_usage(sqe);
	} else {
		oring_prep_send(sqe, oring_file_fd(sock), memory, 1000, 0);
	}
	sent = sink >= 0 ? arrives(rig, zc, 1000, sink) : all_of(rig, zc);
	cr_assert_eq(sent.result, 1000, "%d", sent.result);
	cr_assert_eq(sent.usages, zc);
	if (sent.usages)
		oring_zc_report(chooser, sent.copied);
	return zc;
}

RING_TEST_ENTERED(zc, choice_on_loopback)
{
	struct oring_zc_chooser chooser;
	int pair[2], i;

	REQUIRE_ZC(rig);
	if (!knows_reports(rig))
		cr_skip_test("a usage report: not on this kernel");
	make_tcp_pair(pair);
	oring_zc_chooser_init(&chooser, 1000);
	/* 4 copies, a try, 16 copies, a try, and so on. */
	for (i = 0; i < 24; i++)
		cr_assert_eq(send_as_chosen(rig, &chooser, pair[0], pair[1]), i == 4 || i == 21,
			     "send %d", i);
	cr_assert_eq(chooser.copies, 30);
	close_pipe(pair);
}

RING_TEST(zc, choice_on_a_device)
{
	const char *device = getenv("LAB_DUMMY");
	struct oring_zc_chooser chooser;
	struct sockaddr_in to;
	int sock, i;

	REQUIRE_ZC(rig);
	if (!knows_reports(rig))
		cr_skip_test("a usage report: not on this kernel");
	if (device == NULL || device[0] == '\0')
		cr_skip_test("a network device that does not copy: not on this machine");
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memset(&to, 0, sizeof(to));
	to.sin_family = AF_INET;
	to.sin_port = htons(9);
	cr_assert_eq(inet_pton(AF_INET, "192.0.2.7", &to.sin_addr), 1);
	cr_assert_eq(connect(sock, (struct sockaddr *)&to, sizeof(to)), 0, "%s", strerror(errno));
	oring_zc_chooser_init(&chooser, 1000);
	for (i = 0; i < 12; i++)
		cr_assert_eq(send_as_chosen(rig, &chooser, sock, -1), i >= 4, "send %d", i);
	close(sock);
}
