/* SPDX-License-Identifier: MIT */
/*
 * The life of requests that complete many times: what each completion means, by
 * a table and in all orders; and what kernels really do, kind by kind.
 */
#include "streams.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#define KINDS (ORING_STREAM_TIMEOUT + 1)

static const char *const kind_names[KINDS] = { "accept", "receive", "message",
					       "read",	 "poll",    "timeout" };

static const oring_context STREAM = { 0xfedcba9876543210 };
static const oring_context CANCELLER = { 0xfedcba9876543211 };

static struct oring_cqe completion(int32_t res, bool more)
{
	struct oring_cqe cqe;

	memset(&cqe, 0, sizeof(cqe));
	cqe.user_data = STREAM.bits;
	cqe.res = res;
	cqe.flags = more ? ORING_CQE_F_MORE : 0;
	return cqe;
}

/* An armed stream; @count as a timeout's entry has it. */
static struct oring_multishot armed(enum oring_stream_kind kind, uint64_t count)
{
	struct oring_multishot stream;
	struct oring_sqe sqe;

	memset(&sqe, 0, sizeof(sqe));
	sqe.off = count;
	oring_multishot_init(&stream, kind, STREAM);
	cr_assert_eq(oring_multishot_arm(&stream, &sqe), 0);
	cr_assert_eq(sqe.user_data, STREAM.bits);
	return stream;
}

/* ---- the table ---- */

#define ANY  KINDS
#define REST 1 /* of the results above 0, whatever they are */

/* The first row that fits tells what the last completion means. */
static const struct {
	uint32_t kind;
	int32_t res;
	uint32_t end;
	bool data, again;
} lasts[] = {
	{ ANY, -ECANCELED, ORING_STREAM_CANCELLED, false, false },
	{ ORING_STREAM_ACCEPT, 0, ORING_STREAM_BROKEN_OFF, true, true },
	{ ORING_STREAM_ACCEPT, REST, ORING_STREAM_BROKEN_OFF, true, true },
	{ ORING_STREAM_ACCEPT, -ENOBUFS, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_ACCEPT, -ENONET, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_ACCEPT, -EPROTO, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_ACCEPT, -ENOPROTOOPT, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_ACCEPT, -ENETDOWN, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_ACCEPT, -ENETUNREACH, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_ACCEPT, -ECONNABORTED, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_ACCEPT, -EHOSTDOWN, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_ACCEPT, -EHOSTUNREACH, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_RECV, 0, ORING_STREAM_FINISHED, false, false },
	{ ORING_STREAM_RECV, REST, ORING_STREAM_BROKEN_OFF, true, true },
	{ ORING_STREAM_RECV, -ENOBUFS, ORING_STREAM_STARVED, false, true },
	{ ORING_STREAM_RECV, -ENOSPC, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_RECVMSG, REST, ORING_STREAM_BROKEN_OFF, true, true },
	{ ORING_STREAM_RECVMSG, -ENOBUFS, ORING_STREAM_STARVED, false, true },
	{ ORING_STREAM_RECVMSG, 0, ORING_STREAM_FINISHED, false, false },
	{ ORING_STREAM_READ, 0, ORING_STREAM_FINISHED, false, false },
	{ ORING_STREAM_READ, REST, ORING_STREAM_BROKEN_OFF, true, true },
	{ ORING_STREAM_READ, -ENOBUFS, ORING_STREAM_STARVED, false, true },
	{ ORING_STREAM_POLL, 0, ORING_STREAM_BROKEN_OFF, true, true },
	{ ORING_STREAM_POLL, REST, ORING_STREAM_BROKEN_OFF, true, true },
	{ ORING_STREAM_POLL, -ENOBUFS, ORING_STREAM_FAILED, false, true },
	{ ORING_STREAM_TIMEOUT, -ETIME, ORING_STREAM_FINISHED, true, false },
	{ ORING_STREAM_TIMEOUT, 0, ORING_STREAM_FINISHED, false, false },
	{ ORING_STREAM_TIMEOUT, REST, ORING_STREAM_FINISHED, false, false },
	{ ORING_STREAM_TIMEOUT, -ENOBUFS, ORING_STREAM_FAILED, false, true },
	{ ANY, -EINTR, ORING_STREAM_FAILED, false, true },
	{ ANY, -ENOMEM, ORING_STREAM_FAILED, false, true },
	{ ANY, -ENFILE, ORING_STREAM_FAILED, false, true },
	{ ANY, -EMFILE, ORING_STREAM_FAILED, false, true },
};

#define ROWS (sizeof(lasts) / sizeof(lasts[0]))

static size_t row_of(uint32_t kind, int32_t res)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if ((lasts[i].kind == ANY || lasts[i].kind == kind) &&
		    (lasts[i].res == res || (lasts[i].res == REST && res > 0)))
			return i;
	}
	return ROWS;
}

static void check_last(enum oring_stream_kind kind, int32_t res)
{
	struct oring_multishot stream = armed(kind, 3);
	struct oring_cqe cqe = completion(res, true);
	struct oring_step more = oring_multishot_step(&stream, &cqe), last;
	size_t row = row_of(kind, res);
	bool data = row < ROWS && lasts[row].data;

	CHECK(more.data == data && more.end == ORING_STREAM_GOES_ON && !more.arm_again &&
		      !more.cancel_again && !more.retired,
	      "%s %d, more", kind_names[kind], res);
	CHECK(oring_multishot_busy(&stream), "%s %d", kind_names[kind], res);
	cqe = completion(res, false);
	last = oring_multishot_step(&stream, &cqe);
	CHECK(last.data == data && !last.cancel_again && last.retired, "%s %d", kind_names[kind],
	      res);
	CHECK(last.end == (row < ROWS ? lasts[row].end : ORING_STREAM_FAILED), "%s %d: %u",
	      kind_names[kind], res, last.end);
	CHECK(last.arm_again == (row < ROWS && lasts[row].again), "%s %d", kind_names[kind], res);
	CHECK(!oring_multishot_busy(&stream), "%s %d", kind_names[kind], res);
	/* Once is enough. */
	last = oring_multishot_step(&stream, &cqe);
	CHECK(!last.retired && !last.data && !last.arm_again, "%s %d", kind_names[kind], res);
}

Test(multishot, what_the_last_completion_means)
{
	static const int32_t large[] = { POLLHUP, POLLERR | POLLIN, 0x7fff, 65536, INT32_MAX };
	int32_t res;
	uint32_t kind;
	size_t i;

	for (kind = 0; kind < KINDS; kind++) {
		for (res = -200; res <= 200; res++)
			check_last((enum oring_stream_kind)kind, res);
		for (i = 0; i < sizeof(large) / sizeof(large[0]); i++)
			check_last((enum oring_stream_kind)kind, large[i]);
		check_last((enum oring_stream_kind)kind, -512);
		check_last((enum oring_stream_kind)kind, INT32_MIN);
	}
}

Test(multishot, ticks_without_end)
{
	/* Only a full completion queue ends a timeout that has no count. */
	struct oring_multishot stream = armed(ORING_STREAM_TIMEOUT, 0);
	struct oring_cqe cqe = completion(-ETIME, false);
	struct oring_step step = oring_multishot_step(&stream, &cqe);

	cr_assert_eq(step.end, ORING_STREAM_BROKEN_OFF);
	cr_assert(step.data && step.arm_again && step.retired);
	/* A count that is forgotten at the next arming. */
	stream = armed(ORING_STREAM_TIMEOUT, 1);
	step = oring_multishot_step(&stream, &cqe);
	cr_assert_eq(step.end, ORING_STREAM_FINISHED);
	/* What other kinds have in that place does not count. */
	stream = armed(ORING_STREAM_RECV, 0);
	step = oring_multishot_step(&stream, &cqe);
	cr_assert_eq(step.end, ORING_STREAM_FAILED);
}

/* ---- all orders ---- */

/* What can happen to a stream, in a world of at most one request and one cancel. */
enum event {
	ARM,
	ASK,
	ASK_FULL, /* the queue has no entry for it */
	MORE,
	LAST,
	LAST_CANCELLED,
	LAST_STARVED,
	CANCEL_DONE,
	CANCEL_NOT_FOUND,
	CANCEL_RUNNING,
	EVENTS
};

static const char event_letters[] = "AaFmlcsdnr";

struct world {
	struct oring_multishot stream;
	bool request, cancel, asked; /* what is so, whatever the stream thinks */
	int arms, retirements;
	char path[16];
	int length;
};

static long orders;

static void arm(struct world *world)
{
	struct oring_sqe sqe, before;
	int ret;

	memset(&sqe, 0x5a, sizeof(sqe));
	before = sqe;
	ret = oring_multishot_arm(&world->stream, &sqe);
	if (world->request || world->cancel) {
		CHECK(ret == -EBUSY, "%s: %d", world->path, ret);
		CHECK(memcmp(&sqe, &before, sizeof(sqe)) == 0, "%s", world->path);
		return;
	}
	CHECK(ret == 0 && sqe.user_data == STREAM.bits, "%s: %d", world->path, ret);
	world->request = true;
	world->asked = false;
	world->arms++;
}

static void ask(struct world *world, bool full)
{
	struct oring_sqe sqe, before;
	int ret, expected = full ? -EAGAIN : 0;

	memset(&sqe, 0, sizeof(sqe));
	before = sqe;
	ret = oring_multishot_cancel(&world->stream, full ? NULL : &sqe, CANCELLER);
	world->asked = true;
	if (world->cancel)
		expected = -EALREADY;
	else if (!world->request)
		expected = -ENOENT;
	CHECK(ret == expected, "%s: %d", world->path, ret);
	if (ret == 0) {
		CHECK(sqe.opcode == ORING_OP_ASYNC_CANCEL && sqe.addr == STREAM.bits &&
			      sqe.user_data == CANCELLER.bits,
		      "%s", world->path);
		world->cancel = true;
	} else {
		CHECK(memcmp(&sqe, &before, sizeof(sqe)) == 0, "%s", world->path);
	}
}

/* Retired: if, and only if, what was armed is idle now and was not a moment ago. */
static void retire(struct world *world, const struct oring_step *step, bool was_busy)
{
	bool idle = !world->request && !world->cancel;

	CHECK(step->retired == (was_busy && idle), "%s", world->path);
	world->retirements += step->retired;
	CHECK(oring_multishot_busy(&world->stream) == !idle, "%s", world->path);
	CHECK(world->retirements == world->arms - !idle, "%s", world->path);
}

static void stream_completes(struct world *world, int32_t res, bool more)
{
	struct oring_cqe cqe = completion(res, more);
	bool was = world->request, was_busy = was || world->cancel;
	struct oring_step step = oring_multishot_step(&world->stream, &cqe);

	if (!more)
		world->request = false;
	CHECK(!step.cancel_again, "%s", world->path);
	CHECK(step.data == (was && res > 0), "%s", world->path);
	CHECK((step.end == ORING_STREAM_GOES_ON) == (more || !was), "%s", world->path);
	CHECK(step.arm_again == (was && !more && res != -ECANCELED && !world->asked), "%s",
	      world->path);
	retire(world, &step, was_busy && was);
}

static void cancel_completes(struct world *world, int32_t res)
{
	struct oring_cqe cqe = completion(res, false);
	bool was = world->cancel;
	struct oring_step step = oring_multishot_cancel_step(&world->stream, &cqe);

	world->cancel = false;
	CHECK(!step.data && !step.arm_again && step.end == ORING_STREAM_GOES_ON, "%s", world->path);
	CHECK(step.cancel_again == (was && res < 0 && world->request), "%s", world->path);
	retire(world, &step, was);
}

static void happens(struct world *world, enum event event)
{
	world->path[world->length++] = event_letters[event];
	if (event == ARM)
		arm(world);
	else if (event == ASK || event == ASK_FULL)
		ask(world, event == ASK_FULL);
	else if (event == MORE || event == LAST)
		stream_completes(world, 5, event == MORE);
	else if (event == LAST_CANCELLED || event == LAST_STARVED)
		stream_completes(world, event == LAST_CANCELLED ? -ECANCELED : -ENOBUFS, false);
	else if (event == CANCEL_DONE)
		cancel_completes(world, 0);
	else
		cancel_completes(world, event == CANCEL_NOT_FOUND ? -ENOENT : -EALREADY);
}

/* Every way on from here, impossible ones too: completions of nothing change nothing. */
static void go_on(const struct world *world, int steps)
{
	int event;

	orders++;
	for (event = 0; steps > 0 && event < EVENTS; event++) {
		struct world next = *world;

		happens(&next, (enum event)event);
		go_on(&next, steps - 1);
	}
}

Test(multishot, all_orders)
{
	/* A24 to A27: retired once for each arming, in every order of six events. */
	struct world world;

	memset(&world, 0, sizeof(world));
	oring_multishot_init(&world.stream, ORING_STREAM_RECV, STREAM);
	arm(&world);
	go_on(&world, 6);
	cr_assert_eq(orders, 1111111);
}

Test(multishot, entries_that_were_taken_back)
{
	struct oring_multishot stream = armed(ORING_STREAM_RECV, 0);
	struct oring_sqe sqe;

	oring_multishot_disarm(&stream);
	cr_assert_not(oring_multishot_busy(&stream));
	cr_assert_eq(oring_multishot_arm(&stream, &sqe), 0);
	/* Its cancel stands behind it in the queue, and is taken back with it. */
	oring_sqe_clear(&sqe);
	cr_assert_eq(oring_multishot_cancel(&stream, &sqe, CANCELLER), 0);
	oring_multishot_disarm(&stream);
	cr_assert_not(oring_multishot_busy(&stream));
	cr_assert_eq(oring_multishot_arm(&stream, &sqe), 0);
}

/* ---- on the kernel ---- */

/* The next completion, which is the stream's, and what it means. */
static struct oring_step step_of(struct rig *rig, struct oring_multishot *stream,
				 struct oring_cqe *cqe)
{
	*cqe = rig_reap(rig);
	cr_assert_eq(cqe->user_data, STREAM.bits, "a completion of another entry: %d", cqe->res);
	return oring_multishot_step(stream, cqe);
}

/* It brings something, and goes on. */
static struct oring_cqe brings(struct rig *rig, struct oring_multishot *stream)
{
	struct oring_cqe cqe;
	struct oring_step step = step_of(rig, stream, &cqe);

	cr_assert(step.data, "%s: %d", kind_names[stream->kind], cqe.res);
	cr_assert_eq(step.end, ORING_STREAM_GOES_ON, "%s: %d", kind_names[stream->kind], cqe.res);
	return cqe;
}

/* It ends so, with this result. */
static struct oring_step ends(struct rig *rig, struct oring_multishot *stream, uint32_t end,
			      int res)
{
	struct oring_cqe cqe;
	struct oring_step step = step_of(rig, stream, &cqe);

	cr_assert_eq(cqe.res, res, "%s: %d, not %d", kind_names[stream->kind], cqe.res, res);
	cr_assert_eq(step.end, end, "%s: %d: %u", kind_names[stream->kind], res, step.end);
	cr_assert(step.retired);
	cr_assert_not(oring_multishot_busy(stream));
	return step;
}

/* Asked to end: retired once, by whichever completion is the last; what it brings is dropped. */
static void cancelled(struct rig *rig, struct oring_multishot *stream)
{
	int i, retired = 0, end = -1;

	cr_assert_eq(oring_multishot_cancel(stream, NULL, CANCELLER), -EAGAIN, "no entry");
	cr_assert_eq(oring_multishot_cancel(stream, rig_sqe(rig), CANCELLER), 0);
	cr_assert_eq(oring_multishot_cancel(stream, NULL, CANCELLER), -EALREADY, "twice");
	for (i = 0; i < 100 && oring_multishot_busy(stream); i++) {
		struct oring_cqe cqe = rig_reap(rig);
		struct oring_step step;

		if (cqe.user_data == STREAM.bits) {
			step = oring_multishot_step(stream, &cqe);
			if (step.end != ORING_STREAM_GOES_ON)
				end = (int)step.end;
		} else {
			cr_assert_eq(cqe.user_data, CANCELLER.bits);
			step = oring_multishot_cancel_step(stream, &cqe);
		}
		cr_assert_not(step.arm_again);
		retired += step.retired;
		if (step.cancel_again)
			cr_assert_eq(oring_multishot_cancel(stream, rig_sqe(rig), CANCELLER), 0);
	}
	cr_assert_eq(retired, 1);
	/* Ticks go on by themselves: one may have found the queue full, on a machine that is slow. */
	if (stream->kind != ORING_STREAM_TIMEOUT || end != ORING_STREAM_BROKEN_OFF)
		cr_assert_eq(end, ORING_STREAM_CANCELLED);
	nothing_comes(rig);
}

static void start(struct rig *rig, struct oring_multishot *stream, struct oring_sqe *sqe)
{
	cr_assert_eq(oring_multishot_arm(stream, sqe), 0);
	issue(rig);
}

/* ---- accept ---- */

static void accepts(struct rig *rig, struct oring_multishot *stream, int listener, int direct)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_multishot_init(stream, ORING_STREAM_ACCEPT, STREAM);
	if (direct)
		oring_prep_accept_direct_multishot(sqe, oring_file_fd(listener), 0);
	else
		oring_prep_accept_multishot(sqe, oring_file_fd(listener), SOCK_CLOEXEC);
	start(rig, stream, sqe);
	if (oring_cq_peek(&rig->ring) != NULL)
		SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, "accept_multishot");
}

/* What connection @res is sends a byte, which arrives at @client. */
static void serves(struct rig *rig, int res, int client, bool direct)
{
	char byte = 0;

	oring_prep_send(rig_sqe(rig), direct ? oring_file_slot((uint32_t)res) : oring_file_fd(res),
			"!", 1, 0);
	cr_assert_eq(rig_result(rig), 1);
	cr_assert_eq(recv(client, &byte, 1, 0), 1);
	cr_assert_eq(byte, '!');
}

RING_TEST(multishot, accept)
{
	/* A24: k clients, k steps, one last after the cancel. */
	struct oring_multishot stream;
	struct sockaddr_in address;
	int listener = listening_socket(&address);
	int client[6], direct, i;

	cr_assert(oring_register_files_sparse(&rig->ring, 8) == 0 ||
		  !oring_feature_has_op(&rig->can, ORING_OP_SOCKET));
	for (direct = 0; direct < 2; direct++) {
		client[0] = client_of(&address);
		accepts(rig, &stream, listener, direct);
		for (i = 0; i < 5; i++) {
			struct oring_cqe cqe;

			if (i > 0)
				client[i] = client_of(&address);
			cqe = brings(rig, &stream);
			cr_assert_geq(cqe.res, 0);
			serves(rig, cqe.res, client[i], direct);
			if (!direct)
				close(cqe.res);
		}
		cancelled(rig, &stream);
		client[5] = client_of(&address);
		nothing_comes(rig);
		/* It waits for the next. */
		if (!direct)
			close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
		for (i = 0; i < 6; i++)
			close(client[i]);
	}
	close(listener);
}

RING_TEST(multishot, accept_until_shutdown)
{
	struct oring_multishot stream;
	struct sockaddr_in address;
	int listener = listening_socket(&address);
	int client = client_of(&address);

	accepts(rig, &stream, listener, 0);
	close(brings(rig, &stream).res);
	cr_assert_eq(shutdown(listener, SHUT_RDWR), 0);
	cr_assert_not(ends(rig, &stream, ORING_STREAM_FAILED, -EINVAL).arm_again);
	nothing_comes(rig);
	close(client);
	close(listener);
}

static void is_other_end(int sock, int client)
{
	char byte = 0;

	put_text(sock, "!");
	cr_assert_eq(recv(client, &byte, 1, 0), 1);
	cr_assert_eq(byte, '!');
}

/* From now on there is one descriptor left. Returns what undoes that. */
static struct rlimit one_descriptor(void)
{
	struct rlimit before, limit;
	int lowest = dup(0);

	cr_assert_geq(lowest, 0);
	close(lowest);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)lowest + 1;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

RING_TEST(multishot, accept_without_descriptors)
{
	/* A second connection is not lost: it waits. (The kernel counts when it takes the entry.) */
	struct oring_multishot stream;
	struct sockaddr_in address;
	struct rlimit limit;
	int listener = listening_socket(&address);
	int client[3], i, sock;

	for (i = 0; i < 3; i++)
		client[i] = client_of(&address);
	limit = one_descriptor();
	accepts(rig, &stream, listener, 0);
	sock = brings(rig, &stream).res;
	is_other_end(sock, client[0]);
	cr_assert(ends(rig, &stream, ORING_STREAM_FAILED, -EMFILE).arm_again);
	nothing_comes(rig);
	close(sock);
	accepts(rig, &stream, listener, 0);
	sock = brings(rig, &stream).res;
	is_other_end(sock, client[1]);
	ends(rig, &stream, ORING_STREAM_FAILED, -EMFILE);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(sock);
	for (i = 0; i < 3; i++)
		close(client[i]);
	close(listener);
}

RING_TEST(multishot, accept_without_slots)
{
	struct oring_multishot stream;
	struct sockaddr_in address;
	int listener = listening_socket(&address);
	int client[4], i, slot = -1;
	char byte;

	REQUIRE_OP(rig, ORING_OP_SOCKET);
	cr_assert_eq(oring_register_files_sparse(&rig->ring, 2), 0);
	accepts(rig, &stream, listener, 1);
	for (i = 0; i < 2; i++) {
		client[i] = client_of(&address);
		slot = brings(rig, &stream).res;
		serves(rig, slot, client[i], true);
	}
	client[2] = client_of(&address);
	cr_assert(ends(rig, &stream, ORING_STREAM_FAILED, -ENFILE).arm_again);
	cr_assert_leq(recv(client[2], &byte, 1, 0), 0, "this connection is lost");
	oring_prep_close(rig_sqe(rig), oring_file_slot((uint32_t)slot));
	cr_assert_eq(rig_result(rig), 0);
	accepts(rig, &stream, listener, 1);
	client[3] = client_of(&address);
	cr_assert_eq(brings(rig, &stream).res, slot);
	serves(rig, slot, client[3], true);
	cancelled(rig, &stream);
	for (i = 0; i < 4; i++)
		close(client[i]);
	close(listener);
}

/* ---- receive, message, read ---- */

static void receives(struct rig *rig, struct oring_multishot *stream, int sock, bool bundle)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_multishot_init(stream, ORING_STREAM_RECV, STREAM);
	if (bundle)
		oring_prep_recv_multishot_bundle(sqe, oring_file_fd(sock), 0);
	else
		oring_prep_recv_multishot(sqe, oring_file_fd(sock), 0);
	oring_sqe_buffer_select(sqe, GROUP);
	start(rig, stream, sqe);
}

/* The bytes of a completion, gathered; its buffers are given back. Returns how many. */
static size_t gather(struct store *store, const struct oring_cqe *cqe, char *into)
{
	struct oring_bufwalk walk;
	struct oring_piece piece;
	size_t length = 0;

	if (oring_bufgroup_open(&store->group, cqe, &walk) != 0)
		return 0;
	while (oring_bufgroup_next(&walk, &piece)) {
		memcpy(into + length, piece.data, piece.length);
		length += piece.length;
		cr_assert_eq(oring_bufgroup_release(&store->group, piece.bid), 0);
	}
	oring_bufgroup_commit(&store->group);
	cr_assert_eq(length, oring_cqe_bytes(cqe));
	return length;
}

/* The next completions bring @text. */
static void brings_text(struct rig *rig, struct oring_multishot *stream, struct store *store,
			const char *text)
{
	size_t length = 0;
	char got[256];

	while (length < strlen(text)) {
		struct oring_cqe cqe = brings(rig, stream);

		cr_assert_leq(length + oring_cqe_bytes(&cqe), sizeof(got));
		length += gather(store, &cqe, got + length);
	}
	cr_assert_eq(length, strlen(text));
	cr_assert_eq(memcmp(got, text, length), 0, "not \"%s\"", text);
}

static void receive(struct rig *rig, bool bundle)
{
	struct oring_multishot stream;
	struct store store;
	int pair[2];

	REQUIRE_RECV_MULTISHOT(rig);
	if (bundle)
		REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_store(rig, &store, 16, 8, 0);
	make_tcp_pair(pair);
	receives(rig, &stream, pair[1], bundle);
	put_text(pair[0], "one");
	brings_text(rig, &stream, &store, "one");
	put_text(pair[0], "more than a buffer of sixteen bytes");
	brings_text(rig, &stream, &store, "more than a buffer of sixteen bytes");
	cancelled(rig, &stream);
	put_text(pair[0], "late");
	nothing_comes(rig);
	receives(rig, &stream, pair[1], bundle);
	brings_text(rig, &stream, &store, "late");
	cr_assert_eq(shutdown(pair[0], SHUT_WR), 0);
	cr_assert_not(ends(rig, &stream, ORING_STREAM_FINISHED, 0).arm_again);
	/* Armed all the same, it says so again. */
	receives(rig, &stream, pair[1], bundle);
	ends(rig, &stream, ORING_STREAM_FINISHED, 0);
	close_pipe(pair);
	end_store(rig, &store);
}

RING_TEST(multishot, receive)
{
	receive(rig, false);
}

RING_TEST(multishot, receive_bundles)
{
	receive(rig, true);
}

RING_TEST(multishot, receive_from_a_reset)
{
	/* The connection's error ends it. */
	struct linger none = { 1, 0 };
	struct oring_multishot stream;
	struct store store;
	int pair[2];

	REQUIRE_RECV_MULTISHOT(rig);
	make_store(rig, &store, 16, 8, 0);
	make_tcp_pair(pair);
	receives(rig, &stream, pair[1], false);
	cr_assert_eq(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	close(pair[0]);
	cr_assert_not(ends(rig, &stream, ORING_STREAM_FAILED, -ECONNRESET).arm_again);
	close(pair[1]);
	end_store(rig, &store);
}

RING_TEST(multishot, receive_without_waiting)
{
	/* Told not to wait, it would end at once again. That the socket is O_NONBLOCK is no such wish. */
	struct oring_sqe *sqe = rig_sqe(rig);
	struct oring_multishot stream;
	struct store store;
	struct oring_cqe cqe;
	struct oring_step step;
	int pair[2];

	REQUIRE_RECV_MULTISHOT(rig);
	make_store(rig, &store, 16, 8, 0);
	make_tcp_pair(pair);
	cr_assert_eq(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	oring_multishot_init(&stream, ORING_STREAM_RECV, STREAM);
	oring_prep_recv_multishot(sqe, oring_file_fd(pair[1]), MSG_DONTWAIT);
	oring_sqe_buffer_select(sqe, GROUP);
	start(rig, &stream, sqe);
	step = step_of(rig, &stream, &cqe);
	cr_assert_eq(cqe.res, -EAGAIN, "%d", cqe.res);
	cr_assert_eq(step.end, ORING_STREAM_FAILED);
	cr_assert_not(step.arm_again);
	gather(&store, &cqe, NULL);
	receives(rig, &stream, pair[1], false);
	nothing_comes(rig);
	put_text(pair[0], "bytes");
	brings_text(rig, &stream, &store, "bytes");
	cancelled(rig, &stream);
	close_pipe(pair);
	end_store(rig, &store);
}

/* All that a starving stream brings until it ends; buffers are kept in @held. */
static int until_starved(struct rig *rig, struct oring_multishot *stream, struct store *store,
			 struct oring_piece *held, size_t *bytes, bool bundle)
{
	int n = 0, i;

	for (i = 0; i < 20; i++) {
		struct oring_bufwalk walk;
		struct oring_cqe cqe;
		struct oring_step step = step_of(rig, stream, &cqe);

		if (oring_bufgroup_open(&store->group, &cqe, &walk) == 0) {
			while (oring_bufgroup_next(&walk, &held[n]))
				*bytes += held[n++].length;
		}
		if (step.end == ORING_STREAM_GOES_ON)
			continue;
		cr_assert(step.arm_again);
		/* The bundle that takes the last buffer may be the end: then it brought something. */
		if (bundle && step.data)
			cr_assert_eq(step.end, ORING_STREAM_BROKEN_OFF);
		else
			cr_assert_eq(step.end, ORING_STREAM_STARVED, "%d", cqe.res);
		break;
	}
	return n;
}

static void starve(struct rig *rig, bool bundle)
{
	struct oring_multishot stream;
	struct oring_piece held[8];
	struct store store;
	size_t bytes = 0;
	int pair[2], n;
	char rest[8];

	REQUIRE_RECV_MULTISHOT(rig);
	if (bundle)
		REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_store(rig, &store, 8, 4, 0);
	make_tcp_pair(pair);
	put_text(pair[0], "thirty-two bytes fill it, and more");
	receives(rig, &stream, pair[1], bundle);
	n = until_starved(rig, &stream, &store, held, &bytes, bundle);
	cr_assert_eq(bytes, 32, "%zu", bytes);
	cr_assert_eq(n, 4);
	/* Nothing is free: at once the same again. */
	receives(rig, &stream, pair[1], bundle);
	cr_assert(ends(rig, &stream, ORING_STREAM_STARVED, -ENOBUFS).arm_again);
	while (n > 0) {
		n--;
		cr_assert_eq(memcmp(held[n].data, "thirty-two bytes fill it, and more" + n * 8, 8),
			     0);
		cr_assert_eq(oring_bufgroup_release(&store.group, held[n].bid), 0);
	}
	oring_bufgroup_commit(&store.group);
	receives(rig, &stream, pair[1], bundle);
	brings_text(rig, &stream, &store, "re");
	cancelled(rig, &stream);
	cr_assert_eq(recv(pair[1], rest, sizeof(rest), MSG_DONTWAIT), -1, "nothing was left");
	close_pipe(pair);
	end_store(rig, &store);
}

RING_TEST(multishot, receive_without_buffers)
{
	/* A29: what stays in the socket comes after a release. */
	starve(rig, false);
}

RING_TEST(multishot, receive_bundles_without_buffers)
{
	starve(rig, true);
}

RING_TEST(multishot, receive_empty_datagrams)
{
	/* Nothing tells an empty datagram from an end: the caller knows what the socket is. */
	struct oring_multishot stream;
	struct store store;
	int pair[2];

	REQUIRE_RECV_MULTISHOT(rig);
	make_store(rig, &store, 16, 4, 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	put_text(pair[0], "one");
	put_text(pair[0], "");
	put_text(pair[0], "two");
	receives(rig, &stream, pair[1], false);
	brings_text(rig, &stream, &store, "one");
	ends(rig, &stream, ORING_STREAM_FINISHED, 0);
	receives(rig, &stream, pair[1], false);
	brings_text(rig, &stream, &store, "two");
	cancelled(rig, &stream);
	close_pipe(pair);
	end_store(rig, &store);
}

static struct msghdr rooms;

static void receives_messages(struct rig *rig, struct oring_multishot *stream, int sock)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	memset(&rooms, 0, sizeof(rooms));
	rooms.msg_namelen = sizeof(struct sockaddr_in);
	rooms.msg_controllen = 64;
	oring_multishot_init(stream, ORING_STREAM_RECVMSG, STREAM);
	oring_prep_recvmsg_multishot(sqe, oring_file_fd(sock), &rooms, 0);
	oring_sqe_buffer_select(sqe, GROUP);
	start(rig, stream, sqe);
}

/* The message that a completion brought: who sent it, and what. Its buffer is given back. */
static void is_message(struct store *store, const struct oring_cqe *cqe,
		       const struct sockaddr_in *from, const char *text)
{
	struct oring_message message;
	struct oring_control control;
	char bytes[256];
	size_t length = gather(store, cqe, bytes), cursor = 0;

	cr_assert_eq(oring_message_parse(bytes, length, rooms.msg_namelen, rooms.msg_controllen,
					 &message),
		     0);
	cr_assert_eq(message.payload_length, strlen(text));
	cr_assert_eq(memcmp(message.payload, text, strlen(text)), 0);
	if (from == NULL)
		return;
	cr_assert_eq(message.name_length, sizeof(*from));
	cr_assert_eq(memcmp(message.name, from, sizeof(*from)), 0);
	cr_assert(oring_message_control(&message, &cursor, &control));
	cr_assert_eq(control.level, IPPROTO_IP);
	cr_assert_eq(control.type, IP_PKTINFO);
}

RING_TEST(multishot, messages)
{
	/* A38: address and control data. An empty one ends it; armed again, it goes on. */
	struct sockaddr_in from, to;
	struct oring_multishot stream;
	struct oring_cqe cqe;
	struct oring_step step;
	struct store store;
	int sender = local_socket(SOCK_DGRAM, &from), receiver = local_socket(SOCK_DGRAM, &to);
	int on = 1;

	REQUIRE_RECV_MULTISHOT(rig);
	make_store(rig, &store, 256, 4, 0);
	cr_assert_eq(setsockopt(receiver, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
	cr_assert_eq(connect(sender, (struct sockaddr *)&to, sizeof(to)), 0);
	receives_messages(rig, &stream, receiver);
	put_text(sender, "first");
	cqe = brings(rig, &stream);
	is_message(&store, &cqe, &from, "first");
	put_text(sender, "");
	step = step_of(rig, &stream, &cqe);
	cr_assert(step.data, "a message without payload is one: %d", cqe.res);
	if (step.end != ORING_STREAM_GOES_ON) {
		cr_assert_eq(step.end, ORING_STREAM_BROKEN_OFF);
		cr_assert(step.arm_again && step.retired);
		is_message(&store, &cqe, &from, "");
		receives_messages(rig, &stream, receiver);
	} else {
		is_message(&store, &cqe, &from, "");
	}
	put_text(sender, "second");
	cqe = brings(rig, &stream);
	is_message(&store, &cqe, &from, "second");
	cancelled(rig, &stream);
	close(sender);
	close(receiver);
	end_store(rig, &store);
}

RING_TEST(multishot, messages_of_a_connection)
{
	/* Its end is a message without payload, again and again: the caller must look. */
	struct oring_multishot stream;
	struct oring_cqe cqe;
	struct oring_step step;
	struct store store;
	int pair[2], i;

	REQUIRE_RECV_MULTISHOT(rig);
	make_store(rig, &store, 256, 4, 0);
	make_tcp_pair(pair);
	receives_messages(rig, &stream, pair[1]);
	put_text(pair[0], "bytes");
	cqe = brings(rig, &stream);
	is_message(&store, &cqe, NULL, "bytes");
	cr_assert_eq(shutdown(pair[0], SHUT_WR), 0);
	for (i = 0; i < 2; i++) {
		step = step_of(rig, &stream, &cqe);
		cr_assert_eq(step.end, ORING_STREAM_BROKEN_OFF, "%d", cqe.res);
		is_message(&store, &cqe, NULL, "");
		if (i == 0)
			receives_messages(rig, &stream, pair[1]);
	}
	close_pipe(pair);
	end_store(rig, &store);
}

static void reads(struct rig *rig, struct oring_multishot *stream, int fd)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_multishot_init(stream, ORING_STREAM_READ, STREAM);
	oring_prep_read_multishot(sqe, oring_file_fd(fd), (uint64_t)-1);
	oring_sqe_buffer_select(sqe, GROUP);
	start(rig, stream, sqe);
}

RING_TEST(multishot, read)
{
	struct oring_multishot stream;
	struct store store;
	int pipe_ends[2], file;

	REQUIRE_OP(rig, ORING_OP_READ_MULTISHOT);
	make_store(rig, &store, 16, 4, 0);
	make_pipe(pipe_ends);
	reads(rig, &stream, pipe_ends[0]);
	cr_assert_eq(write(pipe_ends[1], "one", 3), 3);
	brings_text(rig, &stream, &store, "one");
	cancelled(rig, &stream);
	cr_assert_eq(write(pipe_ends[1], "and more than a buffer", 22), 22);
	close(pipe_ends[1]);
	reads(rig, &stream, pipe_ends[0]);
	brings_text(rig, &stream, &store, "and more than a buffer");
	cr_assert_not(ends(rig, &stream, ORING_STREAM_FINISHED, 0).arm_again);
	close(pipe_ends[0]);

	file = pattern_file(10);
	reads(rig, &stream, file);
	cr_assert_not(ends(rig, &stream, ORING_STREAM_FAILED, -EBADFD).arm_again);
	close(file);
	end_store(rig, &store);
}

/* ---- poll, timeout ---- */

static void polls(struct rig *rig, struct oring_multishot *stream, int fd)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RSRC_TAGS); /* came with multishot polls */
	oring_multishot_init(stream, ORING_STREAM_POLL, STREAM);
	oring_prep_poll_add_multishot(sqe, oring_file_fd(fd), POLLIN);
	start(rig, stream, sqe);
}

RING_TEST(multishot, poll_and_hang_up)
{
	/* A hang-up is an event like others: it ends nothing. */
	struct oring_multishot stream;
	int pipe_ends[2];

	make_pipe(pipe_ends);
	polls(rig, &stream, pipe_ends[0]);
	cr_assert_eq(write(pipe_ends[1], "x", 1), 1);
	cr_assert_eq(brings(rig, &stream).res, POLLIN);
	close(pipe_ends[1]);
	cr_assert(brings(rig, &stream).res & POLLHUP);
	cancelled(rig, &stream);
	close(pipe_ends[0]);
}

RING_TEST(multishot, poll_update)
{
	/* A poll with other events goes on, as the same stream. */
	struct oring_multishot stream;
	struct oring_cqe cqe;
	int pair[2], i, events = 0;

	REQUIRE_OP(rig, ORING_OP_SEND_ZC); /* before 6.0 an update can lose the poll */
	make_tcp_pair(pair);
	polls(rig, &stream, pair[1]);
	oring_prep_poll_update(rig_sqe(rig), STREAM, oring_context_from_bits(0), POLLIN | POLLOUT,
			       ORING_POLL_UPDATE_EVENTS | ORING_POLL_ADD_MULTI);
	for (i = 0; i < 2; i++) {
		cqe = rig_reap(rig);
		if (cqe.user_data == STREAM.bits) {
			cr_assert_eq(oring_multishot_step(&stream, &cqe).end, ORING_STREAM_GOES_ON,
				     "%d", cqe.res);
			events |= cqe.res;
		} else {
			SKIP_IF_REFUSED(cqe.res, "an update of a poll");
			cr_assert_eq(cqe.res, 0, "%d", cqe.res);
		}
	}
	cr_assert_eq(events, POLLOUT);
	put_text(pair[0], "x");
	for (i = 0; i < 10 && !(events & POLLIN); i++)
		events |= brings(rig, &stream).res;
	cr_assert(events & POLLIN);
	cancelled(rig, &stream);
	close_pipe(pair);
}

static void ticks(struct rig *rig, struct oring_multishot *stream, uint32_t count)
{
	static const struct oring_timespec ts = { 0, 2000000 };
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_multishot_init(stream, ORING_STREAM_TIMEOUT, STREAM);
	oring_prep_timeout_multishot(sqe, &ts, count, 0);
	start(rig, stream, sqe);
	if (oring_cq_peek(&rig->ring) != NULL)
		SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, "timeout_multishot");
}

RING_TEST(multishot, ticks)
{
	struct oring_multishot stream;

	ticks(rig, &stream, 3);
	brings(rig, &stream);
	brings(rig, &stream);
	cr_assert_not(ends(rig, &stream, ORING_STREAM_FINISHED, -ETIME).arm_again);
	nothing_comes(rig);
	ticks(rig, &stream, 0);
	brings(rig, &stream);
	brings(rig, &stream);
	cancelled(rig, &stream);
}

/* ---- more completions than there is room for ---- */

#define ROUNDS 4

/* A stream of any kind, and what went in and came out. */
struct flow {
	struct oring_multishot stream;
	struct store store;
	int in, out; /* where it is fed; what it is armed on */
	struct sockaddr_in address;
	void (*arm)(struct rig *rig, struct flow *flow);
	void (*feed)(struct flow *flow);
	void (*take)(struct flow *flow, const struct oring_cqe *cqe);
	size_t fed, taken;
	int broken;
};

/* Completions that nobody reaps, until there is no room. */
static void fill_queue(struct rig *rig)
{
	uint32_t entries = oring_cq_entries(&rig->ring), i;

	while (oring_cq_ready(&rig->ring) < entries) {
		uint32_t n = entries - oring_cq_ready(&rig->ring);

		for (i = 0; i < n && i < RIG_ENTRIES; i++)
			oring_prep_nop(rig_sqe(rig));
		/* A tick may come in between: no more than the queue holds can be waited for. */
		n = oring_cq_ready(&rig->ring) + (n < RIG_ENTRIES ? n : RIG_ENTRIES);
		rig_wait(rig, n < entries ? n : entries);
	}
}

/* Take what comes until nothing does; arm again where that is worth it. */
static void drain_flow(struct rig *rig, struct flow *flow)
{
	struct oring_cqe cqe;
	int quiet, n = 0;

	for (quiet = 0; quiet < 5 && n < 1000; quiet++) {
		cr_assert_geq(oring_get_events(&rig->ring), 0);
		while (oring_cq_copy(&rig->ring, &cqe, 1) == 1) {
			struct oring_step step;

			if (cqe.user_data != STREAM.bits)
				continue;
			n++;
			step = oring_multishot_step(&flow->stream, &cqe);
			if (step.data)
				flow->take(flow, &cqe);
			if (flow->stream.kind != ORING_STREAM_TIMEOUT)
				quiet = 0;
			if (!step.retired)
				continue;
			cr_assert_eq(step.end, ORING_STREAM_BROKEN_OFF, "%d", cqe.res);
			cr_assert(step.data && step.arm_again);
			flow->broken++;
			flow->arm(rig, flow);
		}
		usleep(1000);
	}
}

static void flood(struct rig *rig, struct flow *flow)
{
	int round, tries;

	flow->arm(rig, flow);
	if (oring_cq_peek(&rig->ring) != NULL)
		SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, kind_names[flow->stream.kind]);
	for (round = 0; round < ROUNDS; round++) {
		flow->feed(flow);
		drain_flow(rig, flow);
		fill_queue(rig);
		flow->feed(flow);
		flow->feed(flow);
		for (tries = 0; tries < 100 && !oring_cq_overflowed(&rig->ring); tries++) {
			oring_get_events(&rig->ring);
			usleep(1000);
		}
		drain_flow(rig, flow);
		cr_assert_eq(flow->taken, flow->fed, "round %d: %zu of %zu", round, flow->taken,
			     flow->fed);
	}
	cr_assert_geq(flow->broken, ROUNDS);
	cancelled(rig, &flow->stream);
}

static void feed_bytes(struct flow *flow)
{
	char bytes[40];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)pattern_at(flow->fed++);
	cr_assert_eq(write(flow->in, bytes, sizeof(bytes)), sizeof(bytes));
}

static void take_bytes(struct flow *flow, const struct oring_cqe *cqe)
{
	char got[256];
	size_t length = gather(&flow->store, cqe, got);

	cr_assert(is_pattern(got, length, flow->taken));
	flow->taken += length;
}

static void arm_receive(struct rig *rig, struct flow *flow)
{
	receives(rig, &flow->stream, flow->out, false);
}

RING_TEST(multishot, flood_of_bytes)
{
	struct flow flow = { .arm = arm_receive, .feed = feed_bytes, .take = take_bytes };
	int pair[2];

	REQUIRE_RECV_MULTISHOT(rig);
	make_store(rig, &flow.store, 16, 16, 0);
	make_tcp_pair(pair);
	flow.in = pair[0];
	flow.out = pair[1];
	flood(rig, &flow);
	close_pipe(pair);
	end_store(rig, &flow.store);
}

static void arm_read(struct rig *rig, struct flow *flow)
{
	reads(rig, &flow->stream, flow->out);
}

RING_TEST(multishot, flood_of_a_pipe)
{
	struct flow flow = { .arm = arm_read, .feed = feed_bytes, .take = take_bytes };
	int pipe_ends[2];

	REQUIRE_OP(rig, ORING_OP_READ_MULTISHOT);
	make_store(rig, &flow.store, 16, 16, 0);
	make_pipe(pipe_ends);
	flow.in = pipe_ends[1];
	flow.out = pipe_ends[0];
	flood(rig, &flow);
	close_pipe(pipe_ends);
	end_store(rig, &flow.store);
}

static void arm_messages(struct rig *rig, struct flow *flow)
{
	receives_messages(rig, &flow->stream, flow->out);
}

static void feed_message(struct flow *flow)
{
	char text[16];

	put(flow->in, text, (size_t)snprintf(text, sizeof(text), "%zu", flow->fed++));
}

static void take_message(struct flow *flow, const struct oring_cqe *cqe)
{
	char text[16];

	snprintf(text, sizeof(text), "%zu", flow->taken++);
	is_message(&flow->store, cqe, NULL, text);
}

RING_TEST(multishot, flood_of_messages)
{
	struct flow flow = { .arm = arm_messages, .feed = feed_message, .take = take_message };
	int pair[2];

	REQUIRE_RECV_MULTISHOT(rig);
	make_store(rig, &flow.store, 256, 16, 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	flow.in = pair[0];
	flow.out = pair[1];
	flood(rig, &flow);
	close_pipe(pair);
	end_store(rig, &flow.store);
}

static void arm_accept(struct rig *rig, struct flow *flow)
{
	accepts(rig, &flow->stream, flow->out, 0);
}

static void feed_connection(struct flow *flow)
{
	flow->fed++;
	close(client_of(&flow->address));
}

static void take_connection(struct flow *flow, const struct oring_cqe *cqe)
{
	flow->taken++;
	cr_assert_eq(close(cqe->res), 0);
}

RING_TEST(multishot, flood_of_connections)
{
	struct flow flow = { .arm = arm_accept, .feed = feed_connection, .take = take_connection };

	flow.out = listening_socket(&flow.address);
	flood(rig, &flow);
	close(flow.out);
}

static void arm_ticks(struct rig *rig, struct flow *flow)
{
	ticks(rig, &flow->stream, 0);
}

/* It goes on by itself: only that it does so is counted. */
static void await_tick(struct flow *flow)
{
	usleep(4000);
	flow->fed = flow->taken;
}

static void take_tick(struct flow *flow, const struct oring_cqe *cqe)
{
	cr_assert_eq(cqe->res, -ETIME);
	flow->taken++;
	flow->fed = flow->taken;
}

RING_TEST(multishot, flood_of_ticks)
{
	struct flow flow = { .arm = arm_ticks, .feed = await_tick, .take = take_tick };

	flood(rig, &flow);
	cr_assert_geq(flow.taken, ROUNDS);
}

/* ---- what is worth what ---- */

static struct oring_step last_of(enum oring_stream_kind kind, int32_t res)
{
	struct oring_multishot stream;
	struct oring_sqe sqe = { 0 };
	struct oring_cqe cqe = { 0 };

	oring_multishot_init(&stream, kind, oring_context_from_bits(8));
	cr_assert_eq(oring_multishot_arm(&stream, &sqe), 0);
	cr_assert_not(oring_multishot_asked(&stream));
	cqe.res = res;
	return oring_multishot_step(&stream, &cqe);
}

Test(multishot, at_once_or_later)
{
	static const struct {
		enum oring_stream_kind kind;
		int32_t res;
		bool again, later;
	} rows[] = {
		{ ORING_STREAM_RECV, -ENOBUFS, true, true },
		{ ORING_STREAM_RECV, 10, true, false },
		{ ORING_STREAM_RECV, -ECONNRESET, false, false },
		{ ORING_STREAM_RECV, -ENETDOWN, false, false },
		{ ORING_STREAM_ACCEPT, -EMFILE, true, true },
		{ ORING_STREAM_ACCEPT, -ENFILE, true, true },
		{ ORING_STREAM_ACCEPT, -ECONNABORTED, true, false },
		{ ORING_STREAM_ACCEPT, -EPROTO, true, false },
		{ ORING_STREAM_ACCEPT, -ENETDOWN, true, false },
		{ ORING_STREAM_ACCEPT, -ENETUNREACH, true, false },
		{ ORING_STREAM_ACCEPT, -EHOSTUNREACH, true, false },
		{ ORING_STREAM_ACCEPT, -EINVAL, false, false },
		{ ORING_STREAM_ONCE, 7, false, false },
		{ ORING_STREAM_ONCE, -ENOBUFS, false, false },
		{ ORING_STREAM_ONCE, -ECANCELED, false, false },
	};
	struct oring_multishot stream;
	struct oring_sqe sqe = { 0 };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct oring_step step = last_of(rows[i].kind, rows[i].res);

		cr_assert_eq(step.arm_again, rows[i].again, "row %zu", i);
		cr_assert_eq(step.arm_later, rows[i].later, "row %zu", i);
		cr_assert(step.retired);
	}
	cr_assert(last_of(ORING_STREAM_ONCE, 7).data);
	cr_assert_eq(last_of(ORING_STREAM_ONCE, 7).end, ORING_STREAM_FINISHED);
	oring_multishot_init(&stream, ORING_STREAM_ONCE, oring_context_from_bits(8));
	cr_assert_eq(oring_multishot_arm(&stream, &sqe), 0);
	cr_assert_eq(oring_multishot_cancel(&stream, NULL, oring_context_from_bits(4)), -EAGAIN);
	cr_assert(oring_multishot_asked(&stream));
}

/* ---- many streams ---- */

#define MANY 10000

struct subscriber {
	struct oring_multishot stream;
	uint32_t events;
};

/* What is ready, each to the record that its identity names: no list is searched. */
static uint32_t dispatch(struct oring *ring, const struct oring_pool *pool, uint32_t *ended)
{
	uint32_t cursor, end, events = 0;
	struct oring_cqe *cqe;

	oring_cq_for_each (ring, cursor, end, cqe) {
		struct oring_sqe *record = oring_pool_lookup(pool, oring_cqe_context(cqe));
		struct subscriber *subscriber;
		struct oring_step step;

		cr_assert_not_null(record);
		subscriber = oring_pool_extra(record);
		step = oring_multishot_step(&subscriber->stream, cqe);
		subscriber->events += step.data;
		events += step.data;
		*ended += step.retired;
	}
	oring_cq_release_to(ring, cursor);
	return events;
}

Test(multishot, ten_thousand_streams, .timeout = 4 * TEST_SECONDS)
{
	size_t size = oring_pool_size(MANY, sizeof(struct subscriber));
	int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint32_t i, events = 0, ended = 0, tries;
	struct oring_params params;
	struct oring_timespec limit = { 60, 0 };
	uint64_t one = 1;
	struct oring_pool pool;
	struct oring ring;
	void *memory = aligned_alloc(64, size);

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_CQSIZE;
	params.cq_entries = 16384;
	cr_assert_eq(oring_init(&ring, 256, &params), 0);
	REQUIRE_FEATURE(&ring, ORING_FEAT_RSRC_TAGS); /* came with multishot polls */
	cr_assert_eq(oring_pool_init(&pool, memory, size, MANY, sizeof(struct subscriber)), 0);
	for (i = 0; i < MANY; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(&ring), *record;
		struct subscriber *subscriber;
		oring_context handle;

		cr_assert_eq(oring_pool_acquire(&pool, ORING_OP_POLL_ADD, &handle, &record), 0);
		subscriber = oring_pool_extra(record);
		subscriber->events = 0;
		oring_multishot_init(&subscriber->stream, ORING_STREAM_POLL, handle);
		oring_prep_poll_add_multishot(sqe, oring_file_fd(event), POLLIN);
		cr_assert_eq(oring_multishot_arm(&subscriber->stream, sqe), 0);
		if (oring_sq_space(&ring) == 0)
			cr_assert_eq(oring_submit(&ring), 256);
	}
	cr_assert_geq(oring_submit(&ring), 0);
	cr_assert_eq(write(event, &one, sizeof(one)), sizeof(one));
	for (tries = 0; tries < 2000 && events < MANY; tries++) {
		cr_assert_geq(oring_get_events(&ring), 0);
		events += dispatch(&ring, &pool, &ended);
		if (events < MANY)
			usleep(1000);
	}
	cr_assert_eq(events, MANY);
	for (i = 0; i < MANY; i++) {
		struct subscriber *subscriber = oring_pool_extra(oring_pool_record(&pool, i));

		cr_assert_eq(subscriber->events, 1);
	}
	if (oring_drain(&ring, &limit) != -EINVAL) { /* not before 6.0 */
		for (tries = 0; tries < 2000 && ended < MANY; tries++) {
			cr_assert_geq(oring_get_events(&ring), 0);
			dispatch(&ring, &pool, &ended);
		}
		cr_assert_eq(ended, MANY, "each was retired once");
	}
	cr_assert_eq(oring_exit(&ring), 0);
	close(event);
	free(memory);
}
