/* SPDX-License-Identifier: MIT */
/* One payload to many sockets: what each peer receives, and when the payload is free. */
#include "sockets.h"

#define MOST   100
#define ROOM   (256 * 1024)
#define BUFFER 1 /* the payload's index among the registered buffers */
#define SLOTS  8

static char memory[ROOM], other[64], got[ROOM];

/* Targets, their peers, and what was told of them. */
struct crowd {
	struct oring_multicast multicast;
	struct oring_multicast_target targets[MOST];
	int ends[MOST][2]; /* [0] is the target, [1] its peer; -1: closed */
	uint32_t n;
	uint32_t results[MOST]; /* how often it was told */
	uint32_t reports;
	uint32_t whole;
	uint32_t all_known;
	uint32_t payload_free;
};

enum pairs {
	PAIRS_STREAM,
	PAIRS_SEQPACKET,
	PAIRS_TCP
};

/* ---- sockets ---- */

static void add(struct crowd *crowd, enum pairs kind, uint32_t count)
{
	int type = kind == PAIRS_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;

	for (; count > 0; count--) {
		int *pair = crowd->ends[crowd->n];

		if (kind == PAIRS_TCP)
			make_tcp_pair(pair);
		else
			cr_assert_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
		crowd->targets[crowd->n++].file = oring_file_fd(pair[0]);
	}
}

static struct crowd *gather(enum pairs kind, uint32_t count)
{
	static struct crowd crowd;
	size_t i;

	memset(&crowd, 0, sizeof(crowd));
	for (i = 0; i < ROOM; i++)
		memory[i] = (char)pattern_at(i);
	add(&crowd, kind, count);
	return &crowd;
}

static void lose(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void dismiss(struct crowd *crowd)
{
	uint32_t i;

	for (i = 0; i < crowd->n; i++) {
		lose(&crowd->ends[i][0]);
		lose(&crowd->ends[i][1]);
	}
}

/* Peer @i has received exactly this part of the pattern. */
static void arrived(struct crowd *crowd, uint32_t i, size_t place, size_t length)
{
	int peer = crowd->ends[i][1];

	memset(got, 0, length);
	if (length > 0)
		cr_assert_eq(recv_whole(peer, got, length), length, "peer %u", i);
	cr_assert(is_pattern(got, length, place), "peer %u", i);
	cr_assert_eq(recv(peer, got, 1, MSG_DONTWAIT), -1);
	cr_assert_eq(errno, EAGAIN, "peer %u: more than was sent", i);
}

/* ---- the loop that a program has ---- */

static void init(struct crowd *crowd, size_t place, size_t length, uint32_t options)
{
	cr_assert_eq(oring_multicast_init(&crowd->multicast, crowd->targets, crowd->n,
					  oring_context_pointer(crowd->targets), memory + place,
					  length, options),
		     0);
}

static void count(struct crowd *crowd, const struct oring_multicast_step *step)
{
	uint32_t i;

	if (step->result_known) {
		cr_assert_lt(step->target, crowd->n);
		crowd->results[step->target]++;
		crowd->whole += step->result == (int32_t)crowd->multicast.length;
		cr_assert_eq(crowd->targets[step->target].result, step->result);
	}
	crowd->reports += step->usage_known;
	crowd->all_known += step->all_known;
	crowd->payload_free += step->payload_free;
	if (step->all_known || step->payload_free) {
		cr_assert_eq(oring_multicast_left(&crowd->multicast), 0);
		for (i = 0; i < crowd->multicast.n; i++)
			cr_assert_eq(crowd->results[i], 1);
	}
	if (step->payload_free) {
		cr_assert_eq(crowd->all_known, 1);
		cr_assert_not(oring_multicast_busy(&crowd->multicast));
	}
}

static void step_one(struct rig *rig, struct crowd *crowd)
{
	struct oring_cqe cqe = rig_reap(rig);
	struct oring_multicast_step step;

	cr_assert(oring_multicast_owns(&crowd->multicast, &cqe));
	step = oring_multicast_step(&crowd->multicast, &cqe);
	cr_assert_neq(step.target, ORING_MULTICAST_NONE);
	count(crowd, &step);
}

/* Send to all, and say so; then the payload is ours. Returns how often it had to be filled. */
static uint32_t drive(struct rig *rig, struct crowd *crowd)
{
	struct oring_multicast *multicast = &crowd->multicast;
	uint32_t fills = 0, turns;

	for (turns = 0; turns < 4 * MOST; turns++) {
		fills += oring_multicast_fill(multicast, &rig->ring) > 0;
		if (!oring_multicast_busy(multicast))
			break;
		cr_assert_eq(crowd->payload_free, 0);
		step_one(rig, crowd);
	}
	cr_assert_eq(oring_multicast_left(multicast), 0);
	cr_assert_not(oring_multicast_busy(multicast));
	cr_assert_eq(crowd->all_known, 1);
	cr_assert_eq(crowd->payload_free, 1);
	cr_assert_eq(multicast->known, crowd->n);
	cr_assert_eq(oring_multicast_fill(multicast, &rig->ring), 0);
	cr_assert_eq(oring_sq_pending(&rig->ring), 0);
	return fills;
}

/* All that the kernel has to say of it was said. */
static void all_got(struct crowd *crowd, size_t place, size_t length)
{
	uint32_t i;

	/* The payload is free: what is written there now, nobody receives. */
	memset(memory + place, 0xee, length);
	for (i = 0; i < crowd->n; i++) {
		cr_assert_eq(crowd->targets[i].result, (int32_t)length, "target %u: %s", i,
			     strerror(-crowd->targets[i].result));
		arrived(crowd, i, place, length);
	}
	cr_assert_eq(crowd->multicast.whole, crowd->n);
}

/* ---- by copy ---- */

static void to_all(struct rig *rig, enum pairs kind, uint32_t n, size_t length)
{
	struct crowd *crowd = gather(kind, n);
	uint32_t fills;

	init(crowd, 77, length, 0);
	fills = drive(rig, crowd);
	cr_assert(n <= RIG_ENTRIES ? fills == 1 : fills > 1, "%u fills", fills);
	cr_assert_eq(crowd->reports, 0);
	all_got(crowd, 77, length);
	dismiss(crowd);
}

RING_TEST(multicast, copies)
{
	to_all(rig, PAIRS_STREAM, 1, 1);
	to_all(rig, PAIRS_STREAM, 5, 3001);
	to_all(rig, PAIRS_SEQPACKET, 5, 3001);
	to_all(rig, PAIRS_TCP, 3, 3001);
	to_all(rig, PAIRS_STREAM, RIG_ENTRIES, 10);
}

RING_TEST(multicast, more_targets_than_entries)
{
	to_all(rig, PAIRS_STREAM, MOST, 100);
	to_all(rig, PAIRS_SEQPACKET, MOST, 1000);
}

RING_TEST(multicast, slots_and_descriptors)
{
	struct crowd *crowd = gather(PAIRS_STREAM, 2 * SLOTS);
	int32_t files[SLOTS];
	uint32_t i;

	for (i = 0; i < SLOTS; i++)
		files[i] = crowd->ends[2 * i][0];
	cr_assert_eq(oring_register_files(&rig->ring, files, SLOTS), 0);
	for (i = 0; i < SLOTS; i++) {
		crowd->targets[2 * i].file = oring_file_slot(i);
		lose(&crowd->ends[2 * i][0]);
	}
	init(crowd, 0, 500, 0);
	drive(rig, crowd);
	all_got(crowd, 0, 500);
	cr_assert_eq(oring_unregister_files(&rig->ring), 0);
	dismiss(crowd);
}

/* What the kernel's buffers do not hold: the send goes on as the peers read. */
RING_TEST(multicast, slow_readers)
{
	struct crowd *crowd = gather(PAIRS_STREAM, 3);
	int small = 4096, turns;
	size_t have[3] = { 0, 0, 0 };
	uint32_t i;

	/* MSG_WAITALL of a send, that is. */
	REQUIRE_OP(rig, ORING_OP_SOCKET);
	for (i = 0; i < 3; i++)
		cr_assert_eq(
			setsockopt(crowd->ends[i][0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
			0);
	init(crowd, 0, 100000, 0);
	cr_assert_eq(oring_multicast_fill(&crowd->multicast, &rig->ring), 3);
	cr_assert_geq(oring_submit(&rig->ring), 0);
	for (turns = 0; turns < 100000 && crowd->payload_free == 0; turns++) {
		for (i = 0; i < 3; i++) {
			ssize_t n = recv(crowd->ends[i][1], got, ROOM, MSG_DONTWAIT);

			if (n > 0)
				cr_assert(is_pattern(got, (size_t)n, have[i]));
			have[i] += n > 0 ? (size_t)n : 0;
		}
		oring_get_events(&rig->ring);
		if (oring_cq_peek(&rig->ring) != NULL)
			step_one(rig, crowd);
		else if (turns % 8 == 7)
			usleep(100);
	}
	cr_assert_eq(crowd->multicast.whole, 3);
	cr_assert_eq(crowd->payload_free, 1);
	for (i = 0; i < 3; i++)
		arrived(crowd, i, have[i], 100000 - have[i]);
	dismiss(crowd);
}

/* ---- targets that fail ---- */

/* Three of @count are not what they were; all others receive. */
static void some_fail(struct rig *rig, enum pairs kind, uint32_t count, uint32_t options)
{
	struct crowd *crowd = gather(kind, count);
	uint32_t gone = count / 2, shut = count / 2 + 1, closed = count - 1, i;
	int32_t wanted;

	cr_assert_eq(shutdown(crowd->ends[shut][0], SHUT_WR), 0);
	if (kind == PAIRS_TCP)
		cr_assert_eq(shutdown(crowd->ends[gone][0], SHUT_RDWR), 0);
	else
		lose(&crowd->ends[gone][1]);
	lose(&crowd->ends[closed][0]);
	init(crowd, 0, 900, options);
	drive(rig, crowd);
	for (i = 0; i < count; i++) {
		wanted = i == closed ? -EBADF : i == gone || i == shut ? -EPIPE : 900;
		cr_assert_eq(crowd->targets[i].result, wanted, "target %u: %d", i,
			     crowd->targets[i].result);
		if (wanted > 0)
			arrived(crowd, i, 0, 900);
	}
	cr_assert_eq(crowd->multicast.whole, count - 3);
	dismiss(crowd);
}

RING_TEST(multicast, some_targets_fail)
{
	some_fail(rig, PAIRS_STREAM, 5, 0);
	some_fail(rig, PAIRS_STREAM, 40, 0);
	some_fail(rig, PAIRS_SEQPACKET, 7, 0);
	some_fail(rig, PAIRS_TCP, 5, 0);
}

RING_TEST(multicast, some_targets_fail_without_copy)
{
	REQUIRE_OP(rig, ORING_OP_SEND_ZC);
	some_fail(rig, PAIRS_TCP, 20, ORING_MULTICAST_ZERO_COPY);
}

/* ---- zero copy ---- */

static void register_memory(struct rig *rig)
{
	struct iovec iov[2] = { { other, sizeof(other) }, { memory, ROOM } };

	cr_assert_eq(oring_register_buffers(&rig->ring, iov, 2), 0);
}

static void without_copy(struct rig *rig, uint32_t n, bool fixed, uint32_t options)
{
	struct crowd *crowd = gather(PAIRS_TCP, n);
	oring_fixed_buf buf;

	if (fixed) {
		cr_assert_eq(oring_fixed_buf_of(memory, ROOM, BUFFER, &buf), 0);
		cr_assert_eq(oring_fixed_buf_slice(buf, 500, 20000, &buf), 0);
		cr_assert_eq(oring_multicast_init_fixed(&crowd->multicast, crowd->targets, n,
							oring_context_pointer(crowd->targets), buf,
							options),
			     0);
	} else {
		init(crowd, 500, 20000, options | ORING_MULTICAST_ZERO_COPY);
	}
	drive(rig, crowd);
	if (crowd->targets[0].result == -EINVAL)
		cr_skip_test("usage reports: not on this kernel");
	cr_assert_eq(crowd->reports, options ? n : 0);
	cr_assert_leq(crowd->multicast.copied, crowd->reports);
	all_got(crowd, 500, 20000);
	dismiss(crowd);
}

RING_TEST(multicast, zero_copy)
{
	REQUIRE_OP(rig, ORING_OP_SEND_ZC);
	without_copy(rig, 1, false, 0);
	without_copy(rig, 5, false, 0);
	without_copy(rig, 30, false, 0);
}

RING_TEST(multicast, zero_copy_of_a_registered_buffer)
{
	REQUIRE_OP(rig, ORING_OP_SEND_ZC);
	register_memory(rig);
	without_copy(rig, 1, true, 0);
	without_copy(rig, 5, true, 0);
	without_copy(rig, 30, true, 0);
}

RING_TEST(multicast, zero_copy_reports_usage)
{
	REQUIRE_OP(rig, ORING_OP_SEND_ZC);
	register_memory(rig);
	without_copy(rig, 5, false, ORING_MULTICAST_REPORT_USAGE);
	without_copy(rig, 20, true, ORING_MULTICAST_REPORT_USAGE);
}

RING_TEST(multicast, zero_copy_is_refused)
{
	struct crowd *crowd;
	uint32_t i;

	REQUIRE_OP(rig, ORING_OP_SEND_ZC);
	crowd = gather(PAIRS_TCP, 2);
	add(crowd, PAIRS_STREAM, 20);
	add(crowd, PAIRS_TCP, 2);
	init(crowd, 0, 700, ORING_MULTICAST_ZERO_COPY);
	drive(rig, crowd);
	for (i = 0; i < crowd->n; i++) {
		bool tcp = i < 2 || i >= 22;

		cr_assert_eq(crowd->targets[i].result, tcp ? 700 : -EOPNOTSUPP);
		if (tcp)
			arrived(crowd, i, 0, 700);
		else
			cr_assert_eq(recv(crowd->ends[i][1], got, 1, MSG_DONTWAIT), -1);
	}
	cr_assert_eq(crowd->multicast.whole, 4);
	dismiss(crowd);
	/* None but those that refuse. */
	crowd = gather(PAIRS_STREAM, 3);
	init(crowd, 0, 700, ORING_MULTICAST_ZERO_COPY);
	drive(rig, crowd);
	cr_assert_eq(crowd->multicast.whole, 0);
	dismiss(crowd);
}

/* ---- no further targets ---- */

RING_TEST(multicast, stop)
{
	struct crowd *crowd = gather(PAIRS_STREAM, 40);
	struct oring_multicast_step step;
	uint32_t i;

	init(crowd, 0, 50, 0);
	cr_assert_eq(oring_multicast_fill(&crowd->multicast, &rig->ring), RIG_ENTRIES);
	step_one(rig, crowd);
	step = oring_multicast_stop(&crowd->multicast);
	cr_assert_eq(step.target, ORING_MULTICAST_NONE);
	cr_assert_not(step.result_known || step.all_known || step.payload_free);
	for (i = 1; i < RIG_ENTRIES; i++) {
		cr_assert_eq(crowd->payload_free, 0);
		step_one(rig, crowd);
	}
	cr_assert_eq(crowd->all_known, 1);
	cr_assert_eq(crowd->payload_free, 1);
	cr_assert_eq(oring_multicast_fill(&crowd->multicast, &rig->ring), 0);
	for (i = 0; i < 40; i++) {
		cr_assert_eq(crowd->targets[i].result, i < RIG_ENTRIES ? 50 : -ECANCELED);
		if (i < RIG_ENTRIES)
			arrived(crowd, i, 0, 50);
	}
	/* No news the second time; at once where nothing was begun. */
	step = oring_multicast_stop(&crowd->multicast);
	cr_assert_not(step.all_known || step.payload_free);
	init(crowd, 0, 50, 0);
	step = oring_multicast_stop(&crowd->multicast);
	cr_assert(step.all_known && step.payload_free);
	dismiss(crowd);
}

/* ---- by the books ---- */

RING_TEST(multicast, entries_are_as_they_should_be)
{
	struct crowd *crowd = gather(PAIRS_STREAM, 0);
	oring_context first = oring_context_handle(0, 9, 99);
	struct oring_sqe *before = rig_sqe(rig);
	uint32_t i;

	oring_prep_nop(before);
	for (i = 0; i < 20; i++)
		crowd->targets[i].file = i % 2 ? oring_file_slot(i) : oring_file_fd((int)i);
	cr_assert_eq(oring_multicast_init(&crowd->multicast, crowd->targets, 20, first, memory, 5,
					  ORING_MULTICAST_ZERO_COPY | ORING_MULTICAST_REPORT_USAGE),
		     0);
	crowd->multicast.msg_flags |= MSG_MORE;
	cr_assert_eq(oring_multicast_fill(&crowd->multicast, &rig->ring), RIG_ENTRIES - 1);
	cr_assert_eq(oring_multicast_fill(&crowd->multicast, &rig->ring), 0, "no room");
	cr_assert_eq(oring_multicast_left(&crowd->multicast), 20 - (RIG_ENTRIES - 1));
	for (i = 0; i < RIG_ENTRIES - 1; i++) {
		const struct oring_sqe *sqe =
			oring_sq_at(&rig->ring, rig->ring.sq_reserved - (RIG_ENTRIES - 1) + i);
		oring_context context = oring_context_from_bits(sqe->user_data);

		cr_assert_eq(oring_sqe_check(sqe), 0);
		cr_assert_eq(sqe->opcode, ORING_OP_SEND_ZC);
		cr_assert_eq(oring_sqe_file(sqe).bits, crowd->targets[i].file.bits);
		cr_assert_eq(sqe->op_flags, MSG_WAITALL | MSG_NOSIGNAL | MSG_MORE);
		cr_assert_eq(sqe->ioprio, ORING_SEND_ZC_REPORT_USAGE);
		cr_assert_eq(oring_context_kind_of(context), ORING_CONTEXT_HANDLE);
		cr_assert_eq(oring_context_index(context), 9);
		cr_assert_eq(oring_context_generation(context), 99);
		cr_assert_eq(oring_context_op(context), i);
	}
	cr_assert_eq(oring_sq_unreserve(&rig->ring, RIG_ENTRIES), 0);
}

RING_TEST(multicast, entries_name_the_registered_buffer)
{
	struct crowd *crowd = gather(PAIRS_STREAM, 0);
	oring_fixed_buf buf;
	const struct oring_sqe *sqe;

	cr_assert_eq(oring_fixed_buf_of(memory, ROOM, BUFFER, &buf), 0);
	cr_assert_eq(oring_fixed_buf_slice(buf, 50, 60, &buf), 0);
	cr_assert_eq(oring_multicast_init_fixed(&crowd->multicast, crowd->targets, 1,
						oring_context_pointer(crowd->targets), buf, 0),
		     0);
	cr_assert_eq(oring_multicast_fill(&crowd->multicast, &rig->ring), 1);
	sqe = oring_sq_at(&rig->ring, rig->ring.sq_reserved - 1);
	cr_assert_eq(oring_sqe_check(sqe), 0);
	cr_assert_eq(sqe->opcode, ORING_OP_SEND_ZC);
	cr_assert_eq(sqe->addr, (uintptr_t)(memory + 50));
	cr_assert_eq(sqe->len, 60);
	cr_assert_eq(sqe->buf_index, BUFFER);
	cr_assert_eq(sqe->ioprio, ORING_RECVSEND_FIXED_BUF);
	cr_assert_eq(oring_sq_unreserve(&rig->ring, 1), 0);
}

/* All results of what was begun are known, but the network has the payload still. */
Test(multicast, stop_before_a_notification)
{
	struct oring_cqe result = { 400, 5, ORING_CQE_F_MORE };
	struct oring_cqe notification = { 400, 0, ORING_CQE_F_NOTIF };
	struct oring_multicast_target targets[2];
	struct oring_multicast multicast;
	struct oring_multicast_step step;
	struct oring ring;
	uint32_t first;

	require_ring(&ring, 4, 0);
	cr_assert_eq(oring_sq_reserve_n(&ring, 3, &first), 0);
	targets[0].file = targets[1].file = oring_file_fd(0);
	cr_assert_eq(oring_multicast_init(&multicast, targets, 2, oring_context_from_bits(400),
					  memory, 5, ORING_MULTICAST_ZERO_COPY),
		     0);
	cr_assert_eq(oring_multicast_fill(&multicast, &ring), 1);
	step = oring_multicast_step(&multicast, &result);
	cr_assert(step.result_known && !step.all_known && !step.payload_free);
	step = oring_multicast_stop(&multicast);
	cr_assert(step.all_known && !step.payload_free);
	cr_assert(oring_multicast_busy(&multicast));
	cr_assert_eq(targets[1].result, -ECANCELED);
	step = oring_multicast_step(&multicast, &notification);
	cr_assert(!step.all_known && step.payload_free);
	cr_assert_not(oring_multicast_busy(&multicast));
	cr_assert_eq(oring_sq_unreserve(&ring, 4), 0);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(multicast, parameters_are_checked)
{
	struct oring_multicast_target target;
	struct oring_multicast multicast;
	oring_context first = oring_context_from_bits(0);
	oring_fixed_buf buf;
	size_t most = 0x7ffff000;

	target.file = oring_file_fd(0);
	cr_assert_eq(oring_multicast_init(&multicast, &target, 0, first, memory, 1, 0), -EINVAL);
	cr_assert_eq(oring_multicast_init(&multicast, &target, 1, first, memory, 1, 4), -EINVAL);
	cr_assert_eq(oring_multicast_init(&multicast, &target, 1, first, memory, 1,
					  ORING_MULTICAST_REPORT_USAGE),
		     -EINVAL, "a copy has none");
	cr_assert_eq(oring_multicast_init(&multicast, &target, 1, first, memory, most + 1, 0),
		     -EOVERFLOW);
	cr_assert_eq(oring_multicast_init(&multicast, &target, 1, first, memory, most, 0), 0);
	cr_assert_eq(oring_multicast_init(&multicast, &target, 1, first, memory, 0, 0), 0);
	cr_assert_eq(oring_fixed_buf_of(memory, ROOM, BUFFER, &buf), 0);
	cr_assert_eq(oring_multicast_init_fixed(&multicast, &target, 1, first, buf,
						ORING_MULTICAST_REPORT_USAGE),
		     0);
	cr_assert_eq(oring_multicast_init_fixed(&multicast, &target, 1, first, buf, 4), -EINVAL);
}

/* ---- every order of completions, by chance ---- */

static uint32_t seed;

static uint32_t chance(uint32_t below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % below;
}

/* Completions that may come now, of targets that were begun. */
struct hat {
	struct oring_cqe cqes[2 * MOST];
	uint32_t n;
};

static void put(struct hat *hat, uint64_t id, int32_t res, uint32_t flags)
{
	hat->cqes[hat->n].user_data = id;
	hat->cqes[hat->n].res = res;
	hat->cqes[hat->n++].flags = flags;
}

/* What the kernel might say of one send, a notification if it is promised. */
static void put_send(struct hat *hat, uint64_t id, uint32_t length, bool zero_copy)
{
	static const int32_t bad[] = { -EPIPE, -EBADF, -EOPNOTSUPP, -ECANCELED, 3, 0 };
	int32_t res = chance(3) == 0 ? bad[chance(6)] : (int32_t)length;
	bool promised = zero_copy && chance(4) > 0;

	put(hat, id, res, promised ? ORING_CQE_F_MORE : 0);
	if (promised)
		put(hat, id, chance(2) ? (int32_t)ORING_NOTIF_USAGE_ZC_COPIED : 0,
		    ORING_CQE_F_NOTIF);
}

static struct oring_cqe pull(struct hat *hat)
{
	uint32_t i = chance(hat->n);
	struct oring_cqe cqe = hat->cqes[i];

	hat->cqes[i] = hat->cqes[--hat->n];
	return cqe;
}

/* Completions of others, and the same once more, change nothing. */
static void nothing_else(struct crowd *crowd, const struct oring_cqe *cqe)
{
	uint64_t first = crowd->multicast.first.bits;
	struct oring_multicast before = crowd->multicast;
	struct oring_cqe strange[4] = { *cqe, *cqe, *cqe, *cqe };
	int i;

	strange[0].user_data = first - 4;
	strange[1].user_data = cqe->user_data + 1 + chance(3);
	strange[2].user_data = first + (uint64_t)crowd->multicast.n * 4;
	/* Not begun, or the completion that was. */
	if (oring_multicast_left(&crowd->multicast) > 0)
		strange[3].user_data = first + (uint64_t)crowd->multicast.next * 4;
	for (i = 0; i < 4; i++) {
		struct oring_multicast_step step =
			oring_multicast_step(&crowd->multicast, &strange[i]);

		cr_assert((i == 3 && strange[3].user_data == cqe->user_data) ||
			  step.target == ORING_MULTICAST_NONE);
		cr_assert_eq(step.result_known || step.all_known || step.payload_free ||
				     step.usage_known || step.copied,
			     false);
	}
	cr_assert_eq(memcmp(&before, &crowd->multicast, sizeof(before)), 0);
}

static uint32_t random_run(struct oring *ring, struct crowd *crowd, uint32_t options)
{
	static struct hat hat;
	uint32_t early = 0, promised = 0, copied = 0, i, turns;

	hat.n = 0;
	for (turns = 0; turns < 20 * MOST; turns++) {
		struct oring_multicast_step step;
		struct oring_cqe cqe;
		uint32_t at = crowd->multicast.next;

		if (hat.n == 0 || chance(5) == 0) {
			uint32_t filled = oring_multicast_fill(&crowd->multicast, ring);

			cr_assert_eq(oring_sq_unreserve(ring, filled), 0);
			for (i = at; i < at + filled; i++)
				put_send(&hat, crowd->multicast.first.bits + 4 * (uint64_t)i, 10,
					 options != 0);
		}
		if (hat.n == 0)
			break;
		cqe = pull(&hat);
		i = (uint32_t)((cqe.user_data - crowd->multicast.first.bits) / 4);
		if (oring_cqe_is_notification(&cqe)) {
			/* Of a send that is known to have failed no usage is told. */
			bool failed =
				crowd->results[i] != 0 && crowd->multicast.targets[i].result <= 0;

			early += crowd->results[i] == 0;
			promised += !failed;
			copied += !failed && cqe.res != 0;
		}
		step = oring_multicast_step(&crowd->multicast, &cqe);
		cr_assert_eq(step.target, i);
		cr_assert_eq(step.result_known, !oring_cqe_is_notification(&cqe));
		count(crowd, &step);
		nothing_else(crowd, &cqe);
	}
	cr_assert_eq(crowd->all_known, 1);
	cr_assert_eq(crowd->payload_free, 1);
	cr_assert_not(oring_multicast_busy(&crowd->multicast));
	cr_assert_eq(crowd->multicast.whole, crowd->whole);
	cr_assert_eq(crowd->reports, options & ORING_MULTICAST_REPORT_USAGE ? promised : 0);
	cr_assert_eq(crowd->multicast.copied, options & ORING_MULTICAST_REPORT_USAGE ? copied : 0);
	return early;
}

static uint32_t random_runs(uint32_t options)
{
	struct oring ring;
	uint32_t run, early = 0;

	require_ring(&ring, 4, 0);
	for (run = 0; run < 200; run++) {
		static struct crowd crowd;

		memset(&crowd, 0, sizeof(crowd));
		seed = run * 7919 + options;
		crowd.n = run < 100 ? 1 + run % 6 : 1 + chance(40);
		cr_assert_eq(oring_multicast_init(&crowd.multicast, crowd.targets, crowd.n,
						  oring_context_from_bits(UINT64_MAX - run), memory,
						  10, options),
			     0);
		early += random_run(&ring, &crowd, options);
	}
	cr_assert_eq(oring_exit(&ring), 0);
	return early;
}

Test(multicast, random_orders)
{
	cr_assert_eq(random_runs(0), 0);
	cr_assert_gt(random_runs(ORING_MULTICAST_ZERO_COPY), 100,
		     "notifications before their results were tried");
	cr_assert_gt(random_runs(ORING_MULTICAST_ZERO_COPY | ORING_MULTICAST_REPORT_USAGE), 100);
}
