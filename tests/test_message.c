/* SPDX-License-Identifier: MIT */
/*
 * Messages in provided buffers: what the kernel puts there, of sockets of
 * several families; and bytes of nobody, of which nothing beyond the end is read.
 */
#include "streams.h"

#include <sys/time.h>

#define HEAD sizeof(struct oring_recvmsg_out)

static const oring_context STREAM = { 0xfedcba9876543210 };

/* A message stream, and the last message it brought, in memory of exactly its size. */
struct inbox {
	struct store store;
	struct msghdr rooms;
	unsigned char *bytes;
	size_t length;
	bool goes_on;
};

static void open_inbox(struct rig *rig, struct inbox *inbox, int sock, size_t name, size_t control,
		       uint32_t size)
{
	struct oring_sqe *sqe;

	REQUIRE_RECV_MULTISHOT(rig);
	memset(inbox, 0, sizeof(*inbox));
	make_store(rig, &inbox->store, size, 4, 0);
	inbox->rooms.msg_namelen = (socklen_t)name;
	inbox->rooms.msg_controllen = control;
	sqe = oring_sq_reserve(&rig->ring);
	oring_prep_recvmsg_multishot(sqe, oring_file_fd(sock), &inbox->rooms, 0);
	oring_sqe_buffer_select(sqe, GROUP);
	oring_sqe_set_context(sqe, STREAM);
	issue(rig);
}

/* The next message, parsed. */
static void next_message(struct rig *rig, struct inbox *inbox, struct oring_message *message)
{
	struct oring_cqe cqe = rig_reap(rig);
	struct oring_bufwalk walk;
	struct oring_piece piece;

	cr_assert_eq(cqe.user_data, STREAM.bits);
	cr_assert_gt(cqe.res, 0, "%s", strerror(-cqe.res));
	inbox->goes_on = oring_cqe_has_more(&cqe);
	cr_assert_eq(oring_bufgroup_open(&inbox->store.group, &cqe, &walk), 0);
	cr_assert(oring_bufgroup_next(&walk, &piece));
	cr_assert_eq(piece.length, (uint32_t)cqe.res);
	free(inbox->bytes);
	inbox->length = piece.length;
	inbox->bytes = malloc(piece.length);
	memcpy(inbox->bytes, piece.data, piece.length);
	cr_assert_eq(oring_bufgroup_release(&inbox->store.group, piece.bid), 0);
	oring_bufgroup_commit(&inbox->store.group);
	cr_assert_eq(oring_message_parse(inbox->bytes, inbox->length, inbox->rooms.msg_namelen,
					 inbox->rooms.msg_controllen, message),
		     0);
}

static void close_inbox(struct rig *rig, struct inbox *inbox)
{
	int i;

	oring_prep_async_cancel(rig_sqe(rig), STREAM, 0);
	for (i = 0; i < 1 + inbox->goes_on; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert_not(oring_cqe_has_more(&cqe));
	}
	end_store(rig, &inbox->store);
	free(inbox->bytes);
}

static void says(const struct oring_message *message, const char *text, bool cut)
{
	cr_assert_eq(message->payload_length, strlen(text), "%u bytes", message->payload_length);
	cr_assert_eq(memcmp(message->payload, text, strlen(text)), 0, "not \"%s\"", text);
	cr_assert_eq(message->payload_cut, cut);
	cr_assert_eq((message->flags & MSG_TRUNC) != 0, cut, "flags 0x%x", message->flags);
}

/* The only control message of this level and type, of at least @length bytes. */
static const unsigned char *control_of(const struct oring_message *message, int level, int type,
				       size_t length)
{
	const unsigned char *data = NULL;
	struct oring_control control;
	size_t cursor = 0;
	int i;

	for (i = 0; i < 10 && oring_message_control(message, &cursor, &control); i++) {
		if (control.level != level || control.type != type)
			continue;
		cr_assert_null(data);
		cr_assert_geq(control.length, length);
		data = control.data;
	}
	cr_assert_lt(i, 10);
	cr_assert_not_null(data, "level %d type %d", level, type);
	return data;
}

static void send_to(int sock, const char *text, const void *address, socklen_t length)
{
	cr_assert_eq(sendto(sock, text, strlen(text), 0, (const struct sockaddr *)address, length),
		     (ssize_t)strlen(text), "%s", strerror(errno));
}

static void turn_on(int sock, int level, int option)
{
	int on = 1;

	cr_assert_eq(setsockopt(sock, level, option, &on, sizeof(on)), 0);
}

/* ---- real ones ---- */

RING_TEST(message, udp)
{
	/* Two control messages, and the address. */
	struct sockaddr_in from, to;
	struct oring_message message;
	struct in_pktinfo info;
	struct timeval when;
	struct inbox inbox;
	int sender = local_socket(SOCK_DGRAM, &from), receiver = local_socket(SOCK_DGRAM, &to);

	turn_on(receiver, IPPROTO_IP, IP_PKTINFO);
	turn_on(receiver, SOL_SOCKET, SO_TIMESTAMP);
	open_inbox(rig, &inbox, receiver, sizeof(struct sockaddr_storage), 128, 512);
	send_to(sender, "first", &to, sizeof(to));
	next_message(rig, &inbox, &message);
	says(&message, "first", false);
	cr_assert_eq(message.name_length, sizeof(from));
	cr_assert_not(message.name_cut);
	cr_assert_eq(memcmp(message.name, &from, sizeof(from)), 0);
	memcpy(&info, control_of(&message, IPPROTO_IP, IP_PKTINFO, sizeof(info)), sizeof(info));
	cr_assert_eq(info.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
	memcpy(&when, control_of(&message, SOL_SOCKET, SO_TIMESTAMP, sizeof(when)), sizeof(when));
	cr_assert_gt(when.tv_sec, 0);
	cr_assert_eq(message.flags, 0);
	close(sender);
	close(receiver);
	close_inbox(rig, &inbox);
}

RING_TEST(message, udp6)
{
	struct sockaddr_in6 from = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in6 to = from;
	struct oring_message message;
	struct in6_pktinfo info;
	struct inbox inbox;
	socklen_t len = sizeof(to);
	int sender = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), receiver;

	if (sender < 0 || bind(sender, (struct sockaddr *)&from, len) != 0) {
		close(sender);
		cr_skip_test("IPv6: not on this machine");
	}
	receiver = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(receiver, (struct sockaddr *)&to, len), 0);
	cr_assert_eq(getsockname(sender, (struct sockaddr *)&from, &len), 0);
	cr_assert_eq(getsockname(receiver, (struct sockaddr *)&to, &len), 0);
	turn_on(receiver, IPPROTO_IPV6, IPV6_RECVPKTINFO);
	open_inbox(rig, &inbox, receiver, sizeof(from), CMSG_SPACE(sizeof(info)), 256);
	send_to(sender, "over six", &to, sizeof(to));
	next_message(rig, &inbox, &message);
	says(&message, "over six", false);
	cr_assert_eq(message.name_length, sizeof(from));
	cr_assert_eq(memcmp(message.name, &from, sizeof(from)), 0);
	memcpy(&info, control_of(&message, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(info)), sizeof(info));
	cr_assert_eq(memcmp(&info.ipi6_addr, &in6addr_loopback, sizeof(in6addr_loopback)), 0);
	close(sender);
	close(receiver);
	close_inbox(rig, &inbox);
}

/* Send the descriptors in @fds with one byte. */
static void send_rights(int sock, const int *fds, size_t count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	char byte = 'r';
	struct iovec iov = { &byte, 1 };
	struct msghdr message;

	memset(&message, 0, sizeof(message));
	memset(&control, 0, sizeof(control));
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = &control;
	message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	cr_assert_eq(sendmsg(sock, &message, 0), 1, "%s", strerror(errno));
}

/* Whether both descriptors are of one pipe. */
static void is_pipe(int in, int out)
{
	char byte = 0;

	cr_assert_eq(write(in, "p", 1), 1);
	cr_assert_eq(read(out, &byte, 1), 1);
	cr_assert_eq(byte, 'p');
}

RING_TEST(message, descriptors)
{
	struct oring_message message;
	struct inbox inbox;
	int pair[2], pipe_ends[2], got[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	make_pipe(pipe_ends);
	open_inbox(rig, &inbox, pair[1], 0, CMSG_SPACE(sizeof(got)), 256);
	send_rights(pair[0], pipe_ends, 2);
	next_message(rig, &inbox, &message);
	says(&message, "r", false);
	cr_assert_eq(message.name_length, 0);
	memcpy(got, control_of(&message, SOL_SOCKET, SCM_RIGHTS, sizeof(got)), sizeof(got));
	close(pipe_ends[0]);
	is_pipe(got[1], got[0]);
	is_pipe(pipe_ends[1], got[0]);
	close(pipe_ends[1]);
	close_pipe(got);
	close_pipe(pair);
	close_inbox(rig, &inbox);
}

RING_TEST(message, descriptors_without_room)
{
	/* Room for one of two: the kernel closes the other, and says that something was cut. */
	struct oring_message message;
	struct oring_control control;
	struct inbox inbox;
	size_t cursor = 0;
	int pair[2], pipe_ends[2], got, before;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	make_pipe(pipe_ends);
	open_inbox(rig, &inbox, pair[1], 0, CMSG_LEN(sizeof(got)), 256);
	before = open_descriptors();
	send_rights(pair[0], pipe_ends, 2);
	next_message(rig, &inbox, &message);
	says(&message, "r", false);
	cr_assert(message.flags & MSG_CTRUNC);
	cr_assert_eq(message.control_length, CMSG_LEN(sizeof(got)));
	cr_assert(oring_message_control(&message, &cursor, &control));
	cr_assert_eq(control.type, SCM_RIGHTS);
	cr_assert_eq(control.length, sizeof(got));
	cr_assert_not(oring_message_control(&message, &cursor, &control));
	memcpy(&got, message.control + sizeof(struct cmsghdr), sizeof(got));
	is_pipe(pipe_ends[1], got);
	cr_assert_eq(open_descriptors(), before + 1);
	close(got);
	close_pipe(pipe_ends);
	close_pipe(pair);
	close_inbox(rig, &inbox);
}

RING_TEST(message, too_long)
{
	/* For the buffer; then one that just fits; then an empty one. */
	struct sockaddr_in from, to;
	struct oring_message message;
	struct inbox inbox;
	int sender = local_socket(SOCK_DGRAM, &from), receiver = local_socket(SOCK_DGRAM, &to);

	open_inbox(rig, &inbox, receiver, sizeof(from), 0, HEAD + sizeof(from) + 16);
	send_to(sender, "sixteen bytes!!! and some", &to, sizeof(to));
	next_message(rig, &inbox, &message);
	says(&message, "sixteen bytes!!!", true);
	send_to(sender, "sixteen bytes!!!", &to, sizeof(to));
	next_message(rig, &inbox, &message);
	says(&message, "sixteen bytes!!!", false);
	send_to(sender, "", &to, sizeof(to));
	next_message(rig, &inbox, &message);
	says(&message, "", false);
	cr_assert_eq(message.name_length, sizeof(from));
	close(sender);
	close(receiver);
	close_inbox(rig, &inbox);
}

RING_TEST(message, names_and_control_without_room)
{
	struct sockaddr_in from, to;
	struct oring_message message;
	struct oring_control control;
	struct inbox inbox;
	size_t cursor = 0;
	int sender = local_socket(SOCK_DGRAM, &from), receiver = local_socket(SOCK_DGRAM, &to);

	turn_on(receiver, IPPROTO_IP, IP_PKTINFO);
	/* Not even a header of control data; and an odd room, so that nothing is aligned. */
	open_inbox(rig, &inbox, receiver, 5, 11, 128);
	send_to(sender, "text", &to, sizeof(to));
	next_message(rig, &inbox, &message);
	says(&message, "text", false);
	cr_assert(message.name_cut);
	cr_assert_eq(message.name_length, 5);
	cr_assert_eq(memcmp(message.name, &from, 5), 0);
	cr_assert(message.flags & MSG_CTRUNC);
	cr_assert_leq(message.control_length, 11);
	cr_assert_not(oring_message_control(&message, &cursor, &control));
	close(sender);
	close(receiver);
	close_inbox(rig, &inbox);
}

RING_TEST(message, no_name_wanted)
{
	/* Then nobody tells that there is one. */
	struct sockaddr_in from, to;
	struct oring_message message;
	struct inbox inbox;
	int sender = local_socket(SOCK_DGRAM, &from), receiver = local_socket(SOCK_DGRAM, &to);

	open_inbox(rig, &inbox, receiver, 0, 0, 128);
	send_to(sender, "text", &to, sizeof(to));
	next_message(rig, &inbox, &message);
	says(&message, "text", false);
	cr_assert_eq(message.name_length, 0);
	cr_assert_not(message.name_cut);
	close(sender);
	close(receiver);
	close_inbox(rig, &inbox);
}

/* ---- hostile ones ---- */

/* Touch all that the parser says is there. */
static unsigned int sum_of(const struct oring_message *message)
{
	struct oring_control control;
	unsigned int sum = 0;
	size_t cursor = 0, i, n = 0;

	for (i = 0; i < message->name_length; i++)
		sum += message->name[i];
	for (i = 0; i < message->payload_length; i++)
		sum += message->payload[i];
	while (oring_message_control(message, &cursor, &control)) {
		for (i = 0; i < control.length; i++)
			sum += control.data[i];
		CHECK(control.data >= message->control, "before");
		CHECK(control.data + control.length <= message->control + message->control_length,
		      "behind");
		CHECK(++n <= message->control_length / 8, "no end");
	}
	return sum;
}

/* Parse a copy in memory of exactly @length bytes, which begins at no aligned address. */
static int parse_exactly(const unsigned char *bytes, size_t length, size_t name, size_t control)
{
	unsigned char *memory = malloc(length + 1);
	struct oring_message message;
	int ret;

	memcpy(memory + 1, bytes, length);
	memset(&message, 0, sizeof(message));
	ret = oring_message_parse(memory + 1, length, name, control, &message);
	if (ret == 0) {
		sum_of(&message);
		CHECK(HEAD + name + control + message.payload_length <= length, "payload");
	}
	free(memory);
	return ret;
}

#define VALID_NAME    16
#define VALID_CONTROL 64
#define VALID_PAYLOAD 20
#define VALID	      (HEAD + VALID_NAME + VALID_CONTROL + VALID_PAYLOAD)

/* A message with two control messages, the second of an odd length. */
static void make_valid(unsigned char *bytes)
{
	struct oring_recvmsg_out out = { VALID_NAME, 0, VALID_PAYLOAD, 0 };
	struct cmsghdr header = { .cmsg_len = CMSG_LEN(8), .cmsg_level = 1, .cmsg_type = 2 };
	unsigned char *control = bytes + HEAD + VALID_NAME;

	memset(bytes, 0x5a, VALID);
	out.controllen = (uint32_t)(CMSG_SPACE(8) + CMSG_LEN(3));
	memcpy(bytes, &out, sizeof(out));
	memcpy(control, &header, sizeof(header));
	header.cmsg_len = CMSG_LEN(3);
	header.cmsg_type = 3;
	memcpy(control + CMSG_SPACE(8), &header, sizeof(header));
}

Test(message, valid)
{
	unsigned char bytes[VALID];
	struct oring_message message;
	struct oring_control control;
	size_t cursor = 0;

	make_valid(bytes);
	cr_assert_eq(oring_message_parse(bytes, VALID, VALID_NAME, VALID_CONTROL, &message), 0);
	cr_assert_eq(message.name, bytes + HEAD);
	cr_assert_eq(message.control, bytes + HEAD + VALID_NAME);
	cr_assert_eq(message.payload, bytes + HEAD + VALID_NAME + VALID_CONTROL);
	cr_assert_eq(message.name_length, VALID_NAME);
	cr_assert_eq(message.payload_length, VALID_PAYLOAD);
	cr_assert_not(message.name_cut || message.payload_cut);
	cr_assert(oring_message_control(&message, &cursor, &control));
	cr_assert(control.level == 1 && control.type == 2 && control.length == 8);
	cr_assert(oring_message_control(&message, &cursor, &control));
	cr_assert(control.level == 1 && control.type == 3 && control.length == 3);
	cr_assert_not(oring_message_control(&message, &cursor, &control));
	cr_assert_not(oring_message_control(&message, &cursor, &control), "again");
}

Test(message, truncated)
{
	unsigned char bytes[VALID];
	size_t length, name, control;

	make_valid(bytes);
	for (length = 0; length <= VALID; length++) {
		cr_assert_eq(parse_exactly(bytes, length, VALID_NAME, VALID_CONTROL),
			     length < VALID - VALID_PAYLOAD ? -EINVAL : 0, "%zu", length);
		/* Rooms that the request did not have. */
		for (name = 0; name <= VALID; name += 7) {
			for (control = 0; control <= VALID; control += 9)
				CHECK(parse_exactly(bytes, length, name, control) ==
					      (length < HEAD + name + control ? -EINVAL : 0),
				      "%zu %zu %zu", length, name, control);
		}
	}
	cr_assert_eq(parse_exactly(bytes, VALID, SIZE_MAX, 0), -EINVAL);
	cr_assert_eq(parse_exactly(bytes, VALID, 0, SIZE_MAX), -EINVAL);
	cr_assert_eq(parse_exactly(bytes, VALID, SIZE_MAX, SIZE_MAX), -EINVAL);
	cr_assert_eq(parse_exactly(bytes, VALID, SIZE_MAX - HEAD, 1), -EINVAL);
	cr_assert_eq(parse_exactly(bytes, VALID, SIZE_MAX - 15, HEAD), -EINVAL);
}

static uint64_t seed = 20260101;

static uint32_t anything(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 32);
}

/* A length of a kind that parsers get wrong, around @right. */
static uint64_t edge(uint64_t right)
{
	static const uint64_t edges[] = {
		0,
		1,
		7,
		8,
		15,
		16,
		17,
		23,
		24,
		25,
		0x7fffffff,
		0x80000000,
		0xfffffff0,
		0xfffffff8,
		0xffffffff,
		UINT64_MAX,
		UINT64_MAX - 7,
		INT64_MAX,
	};
	uint32_t n = sizeof(edges) / sizeof(edges[0]), which = anything() % (n + 4);

	return which < n ? edges[which] : right + which - n - 1;
}

/* Random bytes, whose lengths are then made edges, or right. */
static void make_hostile(unsigned char *bytes, size_t length, size_t name, size_t control)
{
	size_t i, at;

	for (i = 0; i < length; i++)
		bytes[i] = (unsigned char)anything();
	if (anything() % 4 != 0) {
		uint32_t lengths[3] = { (uint32_t)edge(name), (uint32_t)edge(control),
					(uint32_t)edge(length) };

		memcpy(bytes, lengths, sizeof(lengths));
	}
	/* Control messages one after the other, of lengths that lie. */
	for (at = HEAD + name, i = 0; i < 6; i++) {
		size_t len = 16 + anything() % 32;
		uint64_t told = anything() % 2 != 0 ? len : edge(control);

		if (at + sizeof(told) > length)
			break;
		memcpy(bytes + at, &told, sizeof(told));
		at += (len + 7) & ~(size_t)7;
	}
}

Test(message, hostile)
{
	unsigned char bytes[300];
	int round, parsed = 0;

	for (round = 0; round < 20000; round++) {
		size_t length = anything() % sizeof(bytes);
		size_t name = anything() % 40, control = anything() % 160;

		make_hostile(bytes, sizeof(bytes), name, control);
		if (parse_exactly(bytes, length, name, control) == 0)
			parsed++;
	}
	cr_assert_gt(parsed, 5000, "%d", parsed);
}
