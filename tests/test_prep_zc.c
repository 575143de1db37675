/* SPDX-License-Identifier: MIT */
/*
 * Sends to an address, of vectors, and without copying; receives without
 * copying: what arrived at the peer, and when the memory is the caller's again.
 *
 * What is sent lies in one place, which is also a registered buffer, so that
 * the same tests run over all rows.
 */
#include "sockets.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define SLOTS  640 /* in a table; slots from 600 on are no descriptors */
#define SLOT   600
#define ROOM   (96 * 1024)
#define BUFFER 1 /* index of what is sent, among the registered buffers */

static char memory[ROOM], other[64];

/* The file of @fd: as a descriptor the first time, in a slot the second. */
static oring_file by(struct rig *rig, int way, int fd)
{
	int ret;

	if (way == 0)
		return oring_file_fd(fd);
	ret = oring_register_files_update(&rig->ring, SLOT, &fd, 1);
	if (ret == -ENXIO) {
		int32_t empty[SLOTS];

		memset(empty, 0xff, sizeof(empty));
		cr_assert_eq(oring_register_files(&rig->ring, empty, SLOTS), 0);
		ret = oring_register_files_update(&rig->ring, SLOT, &fd, 1);
	}
	cr_assert_eq(ret, 1, "slot %d: %s", SLOT, strerror(-ret));
	return oring_file_slot(SLOT);
}

/* Submit what is pending without waiting for completions, until the kernel has taken it. */
static void issue(struct rig *rig)
{
	int tries;

	cr_assert_geq(oring_submit(&rig->ring), 0);
	for (tries = 0; tries < 100000 && oring_sq_pending(&rig->ring) > 0; tries++)
		usleep(100);
	cr_assert_eq(oring_sq_pending(&rig->ring), 0);
}

/* Nothing comes, though the kernel is asked and given some time. */
static void nothing_comes(struct rig *rig)
{
	int i;

	for (i = 0; i < 5; i++) {
		cr_assert_eq(oring_get_events(&rig->ring), 0, "a completion came, result %d",
			     oring_cq_peek(&rig->ring)->res);
		usleep(1000);
	}
}

/* ---- sockets ---- */

/* A plain socket with an address, which is completed by what the kernel chose. */
static int bound_socket(int type, struct sockaddr *address, socklen_t *len)
{
	int sock = socket(address->sa_family, type | SOCK_CLOEXEC, 0);

	cr_assert_geq(sock, 0);
	cr_assert_eq(bind(sock, address, *len), 0, "%s", strerror(errno));
	cr_assert_eq(getsockname(sock, address, len), 0);
	return sock;
}

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

/* ---- the rows ---- */

/* What the entry that was prepared last sends: parts of the memory, in this order. */
static struct iovec pieces[3];
static unsigned int piece_count;
static struct msghdr message;

static void one_piece(size_t place, size_t len)
{
	pieces[0].iov_base = memory + place;
	pieces[0].iov_len = len;
	piece_count = 1;
}

/* The same bytes in another order, so that each piece counts. */
static void three_pieces(size_t place, size_t len)
{
	size_t third = len / 3;

	pieces[0].iov_base = memory + place + 2 * third;
	pieces[0].iov_len = len - 2 * third;
	pieces[1].iov_base = memory + place;
	pieces[1].iov_len = third;
	pieces[2].iov_base = memory + place + third;
	pieces[2].iov_len = third;
	piece_count = 3;
	memset(&message, 0, sizeof(message));
	message.msg_iov = pieces;
	message.msg_iovlen = 3;
}

/* A part of the memory becomes the pattern; nothing of it is in flight. */
static void fill(size_t place, size_t len)
{
	cr_assert_leq(place + len, ROOM);
	while (len-- > 0) {
		memory[place] = (char)pattern_at(place);
		place++;
	}
}

/* Whether @got is the beginning of what the pieces were. */
static bool is_sent(const char *got, size_t len)
{
	unsigned int i;

	for (i = 0; i < piece_count && len > 0; i++) {
		size_t part = pieces[i].iov_len < len ? pieces[i].iov_len : len;

		if (!is_pattern(got, part, (size_t)((char *)pieces[i].iov_base - memory)))
			return false;
		got += part;
		len -= part;
	}
	return len == 0;
}

/* Prepares a row that sends @len bytes from @place of the memory on a connected socket. */
typedef void send_row(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len, int flags);

static void by_sendto(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len, int flags)
{
	one_piece(place, len);
	oring_prep_sendto(sqe, sock, memory + place, len, flags, NULL, 0);
}

static void by_sendv(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len, int flags)
{
	three_pieces(place, len);
	oring_prep_sendv(sqe, sock, pieces, 3, flags);
}

static void by_send_zc(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len, int flags)
{
	one_piece(place, len);
	oring_prep_send_zc(sqe, sock, memory + place, len, flags);
}

static void by_sendto_zc(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len,
			 int flags)
{
	one_piece(place, len);
	oring_prep_sendto_zc(sqe, sock, memory + place, len, flags, NULL, 0);
}

static void by_send_fixed_zc(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len,
			     int flags)
{
	one_piece(place, len);
	oring_prep_send_fixed_zc(sqe, sock, memory + place, len, flags, BUFFER);
}

static void by_send_buf_zc(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len,
			   int flags)
{
	oring_fixed_buf buf;

	one_piece(place, len);
	cr_assert_eq(oring_fixed_buf_of(memory, ROOM, BUFFER, &buf), 0);
	cr_assert_eq(oring_fixed_buf_slice(buf, place, len, &buf), 0);
	oring_prep_send_buf_zc(sqe, sock, buf, flags);
}

static void by_sendv_zc(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len, int flags)
{
	three_pieces(place, len);
	oring_prep_sendv_zc(sqe, sock, pieces, 3, flags);
}

static void by_sendv_fixed_zc(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len,
			      int flags)
{
	three_pieces(place, len);
	oring_prep_sendv_fixed_zc(sqe, sock, pieces, 3, flags, BUFFER);
}

static void by_sendmsg_zc(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len,
			  int flags)
{
	three_pieces(place, len);
	oring_prep_sendmsg_zc(sqe, sock, &message, flags);
}

static void by_sendmsg_fixed_zc(struct oring_sqe *sqe, oring_file sock, size_t place, size_t len,
				int flags)
{
	three_pieces(place, len);
	oring_prep_sendmsg_fixed_zc(sqe, sock, &message, flags, BUFFER);
}

enum row {
	ROW_sendto,
	ROW_sendv,
	ROW_send_zc,
	ROW_sendto_zc,
	ROW_send_fixed_zc,
	ROW_send_buf_zc,
	ROW_sendv_zc,
	ROW_sendv_fixed_zc,
	ROW_sendmsg_zc,
	ROW_sendmsg_fixed_zc,
	ROWS
};

#define ROW(name, zc, op, ioprio) [ROW_##name] = { #name, by_##name, zc, ORING_OP_##op, ioprio }

/* What tells that a row is here: an operation that came with it, or its flags in ioprio. */
static const struct {
	const char *name;
	send_row *prep;
	bool zc;
	uint8_t op;
	uint16_t ioprio;
} rows[ROWS] = {
	ROW(sendto, false, SENDMSG_ZC, 0),
	ROW(sendv, false, SEND_ZC, ORING_SEND_VECTORIZED),
	ROW(send_zc, true, SEND_ZC, 0),
	ROW(sendto_zc, true, SEND_ZC, 0),
	ROW(send_fixed_zc, true, SEND_ZC, 0),
	ROW(send_buf_zc, true, SEND_ZC, 0),
	ROW(sendv_zc, true, SEND_ZC, ORING_SEND_VECTORIZED),
	ROW(sendv_fixed_zc, true, SEND_ZC, ORING_SEND_VECTORIZED | ORING_RECVSEND_FIXED_BUF),
	ROW(sendmsg_zc, true, SENDMSG_ZC, 0),
	ROW(sendmsg_fixed_zc, true, READV_FIXED, 0),
};

/* ---- completions ---- */

/*
 * The result of the zero-copy send that rig_sqe() gave last. A notification
 * comes if, and only if, the more flag says so; it ends the request, and is put
 * in @end. Without one @end is the completion.
 */
static int zc_result(struct rig *rig, struct oring_cqe *end)
{
	struct oring_cqe cqe = rig_reap(rig);

	cr_assert_eq(cqe.user_data, rig->next_id - 1, "a completion of another entry");
	cr_assert_not(oring_cqe_is_notification(&cqe), "the notification came first");
	*end = cqe;
	if (oring_cqe_has_more(&cqe)) {
		*end = rig_reap(rig);
		cr_assert_eq(end->user_data, rig->next_id - 1, "the identity of the send");
		cr_assert(oring_cqe_is_notification(end));
		cr_assert_not(oring_cqe_has_more(end));
		cr_assert_eq(oring_cqe_error(end), 0);
	}
	return cqe.res;
}

/* The entry that rig_sqe() gave last completes with @expected, by all that this row sends. */
static void expect(struct rig *rig, enum row row, int expected)
{
	struct oring_cqe end;
	int res;

	if (!rows[row].zc) {
		cr_assert_eq(res = rig_result(rig), expected, "%s: %d", rows[row].name, res);
		return;
	}
	cr_assert_eq(res = zc_result(rig, &end), expected, "%s: %d", rows[row].name, res);
	if (res >= 0) {
		cr_assert(oring_cqe_is_notification(&end), "%s: the memory stays the kernel's",
			  rows[row].name);
		cr_assert_eq(end.res, 0);
	}
}

/* Whether the kernel knows these flags of a send: tried once, with an entry of another row. */
static bool takes(struct rig *rig, uint16_t ioprio)
{
	static int known[1 << 6]; /* 1: it does; -1: it does not */
	struct oring_sqe *sqe;
	struct oring_cqe end;
	int pair[2], res;

	if (known[ioprio] != 0)
		return known[ioprio] > 0;
	sqe = rig_sqe(rig);
	make_tcp_pair(pair);
	one_piece(0, 1);
	oring_prep_send_zc(sqe, oring_file_fd(pair[0]), pieces, 1, 0);
	oring_sqe_add_ioprio_flags(sqe, ioprio);
	if (ioprio & ORING_RECVSEND_FIXED_BUF)
		sqe->buf_index = BUFFER;
	res = zc_result(rig, &end);
	/* Of both flags some kernels before 7.1 look at the second only: no such address. */
	cr_assert(res == 1 || res == -EINVAL ||
			  (res == -EFAULT && (ioprio & ORING_RECVSEND_FIXED_BUF)),
		  "ioprio 0x%x: %d", ioprio, res);
	close_pair(pair);
	known[ioprio] = res == 1 ? 1 : -1;
	return res == 1;
}

static void register_memory(struct rig *rig)
{
	struct iovec iov[2] = { { other, sizeof(other) }, { memory, ROOM } };
	int ret = oring_register_buffers(&rig->ring, iov, 2);

	cr_assert(ret == 0 || ret == -EBUSY, "%s", strerror(-ret));
	fill(0, ROOM);
}

static bool is_here(struct rig *rig, enum row row)
{
	return oring_feature_has_op(&rig->can, rows[row].op) &&
	       (rows[row].ioprio == 0 || takes(rig, rows[row].ioprio));
}

/* The memory is ready, or the test skipped. */
static void require_row(struct rig *rig, enum row row)
{
	register_memory(rig);
	if (!is_here(rig, row))
		cr_skip_test("%s: not on this kernel", rows[row].name);
}

#define REQUIRE_ZC(rig)                            \
	do {                                       \
		REQUIRE_OP(rig, ORING_OP_SEND_ZC); \
		register_memory(rig);              \
	} while (0)

/* For the tests that are about all rows: those that this kernel has. */
#define FOR_EACH_ROW(rig, row)                           \
	for ((row) = (enum row)0; (row) < ROWS; (row)++) \
		if (is_here((rig), (row)))

/* ---- what all rows do ---- */

/* Of @sent bytes all arrive, and nothing else. */
static void arrives(int sock, size_t sent)
{
	static char got[ROOM];

	memset(got, 0, sent);
	cr_assert_eq(recv_whole(sock, got, sent), sent);
	cr_assert(is_sent(got, sent));
	cr_assert_eq(recv(sock, got, 1, MSG_DONTWAIT), -1);
	cr_assert_eq(errno, EAGAIN);
}

static void over_tcp(struct rig *rig, enum row row)
{
	int way;

	require_row(rig, row);
	for (way = 0; way < 2; way++) {
		int pair[2];
		oring_file file;

		make_tcp_pair(pair);
		file = by(rig, way, pair[0]);
		rows[row].prep(rig_sqe(rig), file, 100, 3001, 0);
		expect(rig, row, 3001);
		/* The memory is ours again, although the peer has read nothing yet. */
		memset(memory + 100, 0xee, 3001);
		arrives(pair[1], 3001);
		fill(100, 3001);
		rows[row].prep(rig_sqe(rig), file, 5000, 3, 0);
		expect(rig, row, 3);
		arrives(pair[1], 3);
		cr_assert_eq(shutdown(pair[0], SHUT_WR), 0);
		rows[row].prep(rig_sqe(rig), file, 0, 3000, 0);
		expect(rig, row, -EPIPE);
		nothing_comes(rig);
		close_pair(pair);
	}
}

RING_TEST(prep, sendv)
{
	over_tcp(rig, ROW_sendv);
}

RING_TEST(prep, send_zc)
{
	over_tcp(rig, ROW_send_zc);
}

RING_TEST(prep, send_fixed_zc)
{
	over_tcp(rig, ROW_send_fixed_zc);
}

RING_TEST(prep, send_buf_zc)
{
	over_tcp(rig, ROW_send_buf_zc);
}

RING_TEST(prep, sendv_zc)
{
	over_tcp(rig, ROW_sendv_zc);
}

RING_TEST(prep, sendv_fixed_zc)
{
	over_tcp(rig, ROW_sendv_fixed_zc);
}

RING_TEST(prep, sendmsg_zc)
{
	over_tcp(rig, ROW_sendmsg_zc);
}

RING_TEST(prep, sendmsg_fixed_zc)
{
	over_tcp(rig, ROW_sendmsg_fixed_zc);
}

/* ---- sends to an address ---- */

static void prep_to(struct rig *rig, enum row row, oring_file file, size_t len,
		    const struct sockaddr *to, socklen_t to_len)
{
	one_piece(7, len);
	if (row == ROW_sendto)
		oring_prep_sendto(rig_sqe(rig), file, memory + 7, len, 0, to, (uint16_t)to_len);
	else
		oring_prep_sendto_zc(rig_sqe(rig), file, memory + 7, len, 0, to, (uint16_t)to_len);
}

/* Of two sockets that are not connected: from @at[0] to @at[1]. */
static void datagrams(struct rig *rig, enum row row, int way, struct sockaddr_storage at[2],
		      socklen_t len)
{
	struct sockaddr *to = (struct sockaddr *)&at[1];
	struct sockaddr_storage seen;
	socklen_t from_len = len, to_len = len, seen_len = sizeof(seen);
	int sender = bound_socket(SOCK_DGRAM, (struct sockaddr *)&at[0], &from_len);
	int receiver = bound_socket(SOCK_DGRAM, to, &to_len);
	oring_file file = by(rig, way, sender);
	bool inet = to->sa_family != AF_UNIX;
	char got[1000];

	prep_to(rig, row, file, 700, to, to_len);
	expect(rig, row, 700);
	memset(&seen, 0, sizeof(seen));
	cr_assert_eq(recvfrom(receiver, got, sizeof(got), 0, (struct sockaddr *)&seen, &seen_len),
		     700);
	cr_assert(is_sent(got, 700));
	cr_assert_eq(seen_len, from_len);
	cr_assert_eq(memcmp(&seen, &at[0], from_len), 0, "from whom it came");
	prep_to(rig, row, file, 700, NULL, 0);
	expect(rig, row, inet ? -EDESTADDRREQ : -ENOTCONN);
	prep_to(rig, row, file, 700, to, sizeof(sa_family_t));
	expect(rig, row, -EINVAL);
	prep_to(rig, row, file, 700, to, sizeof(struct sockaddr_storage) + 1);
	expect(rig, row, -EINVAL);
	cr_assert_eq(recv(receiver, got, sizeof(got), MSG_DONTWAIT), -1);
	close(sender);
	close(receiver);
}

static void udp4(struct rig *rig, enum row row)
{
	int way, i;

	require_row(rig, row);
	for (way = 0; way < 2; way++) {
		struct sockaddr_storage at[2];

		memset(at, 0, sizeof(at));
		for (i = 0; i < 2; i++) {
			struct sockaddr_in *own = (struct sockaddr_in *)&at[i];

			own->sin_family = AF_INET;
			own->sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i);
		}
		datagrams(rig, row, way, at, sizeof(struct sockaddr_in));
	}
}

static void udp6(struct rig *rig, enum row row)
{
	struct sockaddr_in6 loopback;
	int sock = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int way;

	require_row(rig, row);
	memset(&loopback, 0, sizeof(loopback));
	loopback.sin6_family = AF_INET6;
	loopback.sin6_addr = in6addr_loopback;
	if (sock < 0 || bind(sock, (struct sockaddr *)&loopback, sizeof(loopback)) != 0)
		cr_skip_test("IPv6: not on this machine");
	close(sock);
	for (way = 0; way < 2; way++) {
		struct sockaddr_storage at[2];

		memset(at, 0, sizeof(at));
		memcpy(&at[0], &loopback, sizeof(loopback));
		memcpy(&at[1], &loopback, sizeof(loopback));
		datagrams(rig, row, way, at, sizeof(loopback));
	}
}

RING_TEST(prep, sendto)
{
	udp4(rig, ROW_sendto);
}

RING_TEST(prep, sendto_ipv6)
{
	udp6(rig, ROW_sendto);
}

RING_TEST(prep, sendto_unix)
{
	int way, i;

	require_row(rig, ROW_sendto);
	for (way = 0; way < 2; way++) {
		struct sockaddr_storage at[2];
		char path[2][64];

		memset(at, 0, sizeof(at));
		for (i = 0; i < 2; i++) {
			struct sockaddr_un *own = (struct sockaddr_un *)&at[i];

			snprintf(path[i], sizeof(path[i]), "/tmp/oring-test-%d-%d", (int)getpid(),
				 i);
			unlink(path[i]);
			own->sun_family = AF_UNIX;
			strcpy(own->sun_path, path[i]);
		}
		datagrams(
			rig, ROW_sendto, way, at,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path[0]) + 1));
		for (i = 0; i < 2; i++)
			cr_assert_eq(unlink(path[i]), 0);
	}
}

RING_TEST(prep, sendto_zc)
{
	udp4(rig, ROW_sendto_zc);
}

RING_TEST(prep, sendto_zc_ipv6)
{
	udp6(rig, ROW_sendto_zc);
}

/* ---- registered buffers ---- */

RING_TEST(prep, zc_outside_the_buffer)
{
	static const enum row fixed[] = { ROW_send_fixed_zc, ROW_sendv_fixed_zc,
					  ROW_sendmsg_fixed_zc };
	struct oring_cqe end;
	oring_fixed_buf buf;
	oring_file file;
	int pair[2];
	size_t i;

	REQUIRE_ZC(rig);
	make_tcp_pair(pair);
	file = oring_file_fd(pair[0]);
	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (!is_here(rig, fixed[i]))
			continue;
		rows[fixed[i]].prep(rig_sqe(rig), file, ROOM - 29, 30, 0);
		expect(rig, fixed[i], -EFAULT);
		rows[fixed[i]].prep(rig_sqe(rig), file, ROOM - 30, 30, 0);
		expect(rig, fixed[i], 30);
		arrives(pair[1], 30);
	}
	/* Memory of another buffer, and no buffer at all. */
	for (i = 0; i < 3; i += 2) {
		oring_prep_send_fixed_zc(rig_sqe(rig), file, memory, 30, 0, (uint16_t)i);
		cr_assert_eq(zc_result(rig, &end), -EFAULT, "buffer %zu", i);
		cr_assert_eq(oring_fixed_buf_of(memory, ROOM, (uint16_t)i, &buf), 0);
		oring_prep_send_buf_zc(rig_sqe(rig), file, buf, 0);
		cr_assert_eq(zc_result(rig, &end), -EFAULT, "buffer %zu", i);
		if (is_here(rig, ROW_sendmsg_fixed_zc)) {
			three_pieces(0, 30);
			oring_prep_sendmsg_fixed_zc(rig_sqe(rig), file, &message, 0, (uint16_t)i);
			cr_assert_eq(zc_result(rig, &end), -EFAULT, "buffer %zu", i);
		}
	}
	nothing_comes(rig);
	cr_assert_eq(recv(pair[1], other, 1, MSG_DONTWAIT), -1);
	close_pair(pair);
}

/* ---- completions and notifications ---- */

RING_TEST(prep, zc_notifies_once_and_after)
{
	/* A34: of each send a completion, then a notification, each once; also from a worker. */
	int asynchronous;

	REQUIRE_ZC(rig);
	for (asynchronous = 0; asynchronous < 2; asynchronous++) {
		int completed[4] = { 0 }, notified[4] = { 0 };
		uint64_t first = rig->next_id;
		int pair[2], i;

		make_tcp_pair(pair);
		for (i = 0; i < 4; i++) {
			struct oring_sqe *sqe = rig_sqe(rig);

			by_send_zc(sqe, oring_file_fd(pair[0]), 0, 1000, 0);
			if (asynchronous)
				oring_sqe_async(sqe);
		}
		for (i = 0; i < 8; i++) {
			struct oring_cqe cqe = rig_reap(rig);
			uint64_t which = cqe.user_data - first;

			cr_assert_lt(which, 4);
			if (oring_cqe_is_notification(&cqe)) {
				cr_assert_eq(completed[which], 1);
				notified[which]++;
			} else {
				cr_assert(oring_cqe_has_more(&cqe));
				cr_assert_eq(oring_cqe_bytes(&cqe), 1000);
				completed[which]++;
			}
		}
		for (i = 0; i < 4; i++)
			cr_assert(completed[i] == 1 && notified[i] == 1);
		nothing_comes(rig);
		close_pair(pair);
	}
}

RING_TEST(prep, zc_refused_by_the_socket)
{
	/*
	 * A35: a socket that cannot. One error and, where it says more, one
	 * notification, which gives the memory back; nothing arrives.
	 */
	enum row row;
	int way;

	REQUIRE_ZC(rig);
	FOR_EACH_ROW(rig, row)
	{
		for (way = 0; way < 2 && rows[row].zc; way++) {
			struct oring_cqe end;
			char byte;
			int pair[2];

			cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
			rows[row].prep(rig_sqe(rig), by(rig, way, pair[0]), 0, 300, 0);
			cr_assert_eq(zc_result(rig, &end), -EOPNOTSUPP, "%s", rows[row].name);
			nothing_comes(rig);
			cr_assert_eq(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
			close_pair(pair);
		}
	}
	oring_prep_send_zc(rig_sqe(rig), oring_file_slot(SLOT + 1), memory, 1, 0);
	cr_assert_eq(rig_result(rig), -EBADF, "an empty slot");
}

/* Sends with a usage report; whether the notification says that the data was copied. */
static bool is_copied(struct rig *rig, enum row row, int sock, size_t len)
{
	struct oring_sqe *sqe = rig_sqe(rig);
	struct oring_cqe end;
	int res;

	rows[row].prep(sqe, oring_file_fd(sock), 0, len, 0);
	oring_sqe_report_usage(sqe);
	res = zc_result(rig, &end);
	cr_assert_eq(res, (int)len, "%s: %d", rows[row].name, res);
	cr_assert(oring_cqe_is_notification(&end));
	return oring_cqe_zc_copied(&end);
}

RING_TEST(prep, zc_reports_usage)
{
	/* A34: over loopback all is copied in the end, and that is told. */
	enum row row;

	REQUIRE_ZC(rig);
	if (!takes(rig, ORING_SEND_ZC_REPORT_USAGE))
		cr_skip_test("a usage report: not on this kernel");
	FOR_EACH_ROW(rig, row)
	{
		int pair[2];

		if (!rows[row].zc)
			continue;
		make_tcp_pair(pair);
		cr_assert(is_copied(rig, row, pair[0], 3000), "%s", rows[row].name);
		arrives(pair[1], 3000);
		close_pair(pair);
	}
}

RING_TEST(prep, zc_reports_usage_of_a_device)
{
	const char *device = getenv("LAB_DUMMY");
	struct sockaddr_in to;
	enum row row;
	int sock;

	REQUIRE_ZC(rig);
	if (!takes(rig, ORING_SEND_ZC_REPORT_USAGE))
		cr_skip_test("a usage report: not on this kernel");
	if (device == NULL || device[0] == '\0')
		cr_skip_test("a network device that does not copy: not on this machine");
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memset(&to, 0, sizeof(to));
	to.sin_family = AF_INET;
	to.sin_port = htons(9);
	cr_assert_eq(inet_pton(AF_INET, "192.0.2.7", &to.sin_addr), 1);
	cr_assert_eq(connect(sock, (struct sockaddr *)&to, sizeof(to)), 0, "%s", strerror(errno));
	FOR_EACH_ROW(rig, row)
	{
		if (rows[row].zc)
			cr_assert_not(is_copied(rig, row, sock, 1000), "%s", rows[row].name);
	}
	close(sock);
}

/* Reads what comes until @want bytes, or nothing comes for a while; lets the ring work. */
static size_t drain(struct rig *rig, int sock, char *got, size_t want)
{
	struct pollfd in = { .fd = sock, .events = POLLIN };
	size_t len = 0;
	int idle = 0;

	while (len < want && idle < 1000) {
		ssize_t n;

		oring_get_events(&rig->ring);
		n = recv(sock, got + len, want - len, MSG_DONTWAIT);
		if (n > 0) {
			len += (size_t)n;
			idle = 0;
		} else {
			cr_assert(n < 0 && errno == EAGAIN);
			poll(&in, 1, 10);
			idle++;
		}
	}
	return len;
}

RING_TEST(prep, skip_success_is_asked_for)
{
	/* A20: by default success is told; a zero-copy send may not keep it to itself. */
	struct oring_sqe *sqe;
	enum row row;
	char got[8];
	int pair[2];

	make_tcp_pair(pair);
	oring_prep_write(rig_sqe(rig), oring_file_fd(pair[0]), "told", 4, 0);
	cr_assert_eq(rig_result(rig), 4);
	cr_assert_eq(recv_whole(pair[1], got, 4), 4);
	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_CQE_SKIP);
	sqe = rig_sqe(rig);
	oring_prep_write(sqe, oring_file_fd(pair[0]), "quiet", 5, 0);
	oring_sqe_skip_success(sqe);
	cr_assert_eq(oring_sqe_check(sqe), 0);
	issue(rig);
	cr_assert_eq(drain(rig, pair[1], got, 5), 5);
	cr_assert_eq(memcmp(got, "quiet", 5), 0);
	nothing_comes(rig);
	close_pair(pair);

	REQUIRE_ZC(rig);
	FOR_EACH_ROW(rig, row)
	{
		make_tcp_pair(pair);
		sqe = rig_sqe(rig);
		rows[row].prep(sqe, oring_file_fd(pair[0]), 0, 300, 0);
		cr_assert_eq(oring_sqe_check(sqe), 0, "%s", rows[row].name);
		oring_sqe_skip_success(sqe);
		cr_assert_eq(oring_sqe_check(sqe), rows[row].zc ? -EINVAL : 0, "%s",
			     rows[row].name);
		if (rows[row].zc) {
			expect(rig, row, -EINVAL);
		} else {
			issue(rig);
			arrives(pair[1], 300);
		}
		nothing_comes(rig);
		close_pair(pair);
	}
}

RING_TEST(prep, zc_poll_first)
{
	/* Without a first try there is nothing that may go without waiting. */
	enum row row;

	REQUIRE_ZC(rig);
	FOR_EACH_ROW(rig, row)
	{
		struct oring_sqe *sqe = rig_sqe(rig);
		oring_file file;
		int pair[2];

		make_tcp_pair(pair);
		file = oring_file_fd(pair[0]);
		rows[row].prep(sqe, file, 0, 300, 0);
		oring_sqe_poll_first(sqe);
		expect(rig, row, 300);
		arrives(pair[1], 300);
		sqe = rig_sqe(rig);
		rows[row].prep(sqe, file, 0, 300, MSG_DONTWAIT);
		oring_sqe_poll_first(sqe);
		expect(rig, row, -EAGAIN);
		rows[row].prep(rig_sqe(rig), file, 0, 300, MSG_DONTWAIT);
		expect(rig, row, 300);
		arrives(pair[1], 300);
		close_pair(pair);
	}
}

RING_TEST(prep, zc_waitall)
{
	/* More than the socket takes: sent in part, or with MSG_WAITALL to the end. */
	static char got[ROOM];
	enum row row;

	REQUIRE_ZC(rig);
	FOR_EACH_ROW(rig, row)
	{
		int all;

		for (all = 0; all < 2; all++) {
			int small = 8192, pair[2];
			struct oring_cqe cqe;
			size_t sent;

			make_tcp_pair(pair);
			cr_assert_eq(
				setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
				0);
			rows[row].prep(rig_sqe(rig), oring_file_fd(pair[0]), 0, ROOM,
				       all ? MSG_WAITALL : 0);
			issue(rig);
			if (all) {
				cr_assert_eq(drain(rig, pair[1], got, ROOM), ROOM, "%s",
					     rows[row].name);
				expect(rig, row, ROOM);
				sent = ROOM;
			} else {
				cqe = rig_reap(rig);
				cr_assert(cqe.res > 0 && cqe.res < ROOM, "%s: %d", rows[row].name,
					  cqe.res);
				sent = oring_cqe_bytes(&cqe);
				cr_assert_eq(drain(rig, pair[1], got, sent), sent);
				if (rows[row].zc)
					cr_assert_eq(rig_reap(rig).flags, ORING_CQE_F_NOTIF);
			}
			cr_assert(is_sent(got, sent), "%s", rows[row].name);
			nothing_comes(rig);
			close_pair(pair);
		}
	}
}

/* ---- zero-copy receive ---- */

#define AREA_PAGES 12 /* fewer than completions fit on a mixed ring */
#define RQ_ENTRIES 16

/* A ring with an interface queue of its own. */
struct zcrx {
	struct rig rig;
	size_t page;
	char *area;
	char *region;
	uint32_t rq_tail;
	struct oring_zcrx_ifq_reg reg;
	struct oring_zcrx_area_reg area_reg;
	struct oring_region_desc region_desc;
};

/* What a registration is given; @zcrx has its memory. */
static void fill_registration(struct zcrx *zcrx)
{
	memset(&zcrx->reg, 0, sizeof(zcrx->reg));
	memset(&zcrx->area_reg, 0, sizeof(zcrx->area_reg));
	memset(&zcrx->region_desc, 0, sizeof(zcrx->region_desc));
	zcrx->region_desc.user_addr = (uintptr_t)zcrx->region;
	zcrx->region_desc.size = zcrx->page;
	zcrx->region_desc.flags = ORING_MEM_REGION_TYPE_USER;
	zcrx->area_reg.addr = (uintptr_t)zcrx->area;
	zcrx->area_reg.len = AREA_PAGES * zcrx->page;
	zcrx->reg.rq_entries = RQ_ENTRIES;
	zcrx->reg.flags = ORING_ZCRX_REG_NODEV;
	zcrx->reg.area_ptr = (uintptr_t)&zcrx->area_reg;
	zcrx->reg.region_ptr = (uintptr_t)&zcrx->region_desc;
}

static char *pages(size_t len)
{
	char *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(at, MAP_FAILED);
	return at;
}

static void give_memory(struct zcrx *zcrx)
{
	zcrx->page = (size_t)sysconf(_SC_PAGESIZE);
	zcrx->area = pages(AREA_PAGES * zcrx->page);
	zcrx->region = pages(zcrx->page);
	fill_registration(zcrx);
}

static int register_ifq(struct rig *rig, struct zcrx *zcrx)
{
	return oring_register(&rig->ring, ORING_REGISTER_ZCRX_IFQ, &zcrx->reg, 1);
}

/* The next completion, with its second half. */
static struct oring_cqe32 reap32(struct rig *rig)
{
	struct oring_cqe32 cqe;

	if (oring_cq_peek(&rig->ring) == NULL)
		rig_wait(rig, 1);
	cr_assert_eq(oring_cq_copy32(&rig->ring, &cqe, 1), 1);
	cr_assert_eq(cqe.cqe.user_data, rig->next_id - 1);
	return cqe;
}

/* A ring such as the rig's, but one that zero-copy receive can do with. */
static void open_zcrx(struct zcrx *zcrx, enum shape shape)
{
	uint32_t flags = shapes[shape].flags & ~(uint32_t)ORING_SETUP_COOP_TASKRUN;
	int ret;

	memset(zcrx, 0, sizeof(*zcrx));
	give_memory(zcrx);
	flags |= ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN;
	if (!(flags & ORING_SETUP_CQE_MIXED))
		flags |= ORING_SETUP_CQE32;
	zcrx->rig.shape = shape;
	zcrx->rig.next_id = 0xfedcba9876543200;
	require_ring(&zcrx->rig.ring, RIG_ENTRIES, flags);
	ret = register_ifq(&zcrx->rig, zcrx);
	SKIP_IF_REFUSED(ret, "zero-copy receive without a device");
	if (ret == -EPERM)
		cr_skip_test("zero-copy receive: without CAP_NET_ADMIN here");
	cr_assert_eq(ret, 0, "%s", strerror(-ret));
	cr_assert_eq(zcrx->reg.rq_entries, RQ_ENTRIES);
	cr_assert_eq(zcrx->area_reg.rq_area_token & ~ORING_ZCRX_AREA_MASK, 0);
}

static void close_zcrx(struct zcrx *zcrx)
{
	cr_assert_eq(oring_exit(&zcrx->rig.ring), 0);
	munmap(zcrx->area, AREA_PAGES * zcrx->page);
	munmap(zcrx->region, zcrx->page);
}

/* Put a buffer into the refill ring, and let the kernel take it from there. */
static void give_back(struct zcrx *zcrx, const struct oring_zcrx_cqe *where, uint32_t len)
{
	uint32_t *tail = (uint32_t *)(void *)(zcrx->region + zcrx->reg.offsets.tail);
	struct oring_zcrx_rqe *rqe = (void *)(zcrx->region + zcrx->reg.offsets.rqes);
	struct oring_zcrx_ctrl ctrl;
	int ret;

	rqe += zcrx->rq_tail++ & (zcrx->reg.rq_entries - 1);
	rqe->off = (where->off & ~ORING_ZCRX_AREA_MASK) | zcrx->area_reg.rq_area_token;
	rqe->len = len;
	rqe->pad = 0;
	oring_store_release(tail, zcrx->rq_tail);
	memset(&ctrl, 0, sizeof(ctrl));
	ctrl.zcrx_id = zcrx->reg.zcrx_id;
	ctrl.op = ORING_ZCRX_CTRL_FLUSH_RQ;
	ret = oring_register(&zcrx->rig.ring, ORING_REGISTER_ZCRX_CTRL, &ctrl, 0);
	cr_assert_eq(ret, 0, "%s", strerror(-ret));
	cr_assert_eq(*(uint32_t *)(void *)(zcrx->region + zcrx->reg.offsets.head), zcrx->rq_tail);
}

/* @len bytes of the pattern come, in as many completions as it takes; @place tells which. */
static void receive(struct zcrx *zcrx, size_t place, size_t len)
{
	while (len > 0) {
		struct oring_cqe32 cqe = reap32(&zcrx->rig);
		struct oring_zcrx_cqe where;
		uint32_t bytes = oring_cqe_bytes(&cqe.cqe);

		cr_assert(cqe.cqe.res > 0 && bytes <= len, "%d of %zu", cqe.cqe.res, len);
		cr_assert(oring_cqe_has_more(&cqe.cqe));
		cr_assert_eq((cqe.cqe.flags & ORING_CQE_F_32) != 0,
			     zcrx->rig.shape == SHAPE_cqe_mixed);
		memcpy(&where, cqe.big_cqe, sizeof(where));
		cr_assert_eq(where.off & ORING_ZCRX_AREA_MASK, zcrx->area_reg.rq_area_token);
		where.off &= ~ORING_ZCRX_AREA_MASK;
		cr_assert_leq(where.off + bytes, AREA_PAGES * zcrx->page);
		cr_assert(is_pattern(zcrx->area + where.off, bytes, place));
		memset(zcrx->area + where.off, 0xee, bytes);
		give_back(zcrx, &where, bytes);
		place += bytes;
		len -= bytes;
	}
}

static void send_pattern(int sock, size_t place, size_t len)
{
	cr_assert_eq(send(sock, memory + place, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* The last completion of a receive: without data, and without more. */
static void ends_with(struct zcrx *zcrx, int result)
{
	struct oring_cqe32 cqe = reap32(&zcrx->rig);

	cr_assert_eq(cqe.cqe.res, result, "%d", cqe.cqe.res);
	cr_assert_not(oring_cqe_has_more(&cqe.cqe));
	nothing_comes(&zcrx->rig);
}

/* What any ring but one for zero-copy receive says. */
static void refuses(struct rig *rig)
{
	struct zcrx zcrx;
	int pair[2], ret;

	memset(&zcrx, 0, sizeof(zcrx));
	give_memory(&zcrx);
	ret = register_ifq(rig, &zcrx);
	cr_assert(ret == -EINVAL || ret == -EPERM, "%d", ret);
	make_tcp_pair(pair);
	oring_prep_recv_multishot_zc(rig_sqe(rig), oring_file_fd(pair[1]), 0, 0);
	cr_assert_eq(rig_result(rig), -EINVAL);
	close_pair(pair);
	munmap(zcrx.area, AREA_PAGES * zcrx.page);
	munmap(zcrx.region, zcrx.page);
}

RING_TEST(prep, recv_multishot_zc)
{
	/* On a ring beside the rig's, which lacks one of the two flags. */
	struct zcrx zcrx;
	int way, round;

	REQUIRE_OP(rig, ORING_OP_RECV_ZC);
	fill(0, ROOM);
	refuses(rig);
	if (rig->shape == SHAPE_sqpoll)
		return; /* and DEFER_TASKRUN exclude each other */
	open_zcrx(&zcrx, rig->shape);
	for (way = 0; way < 2; way++) {
		size_t len = 5 * zcrx.page;
		int pair[2];

		make_tcp_pair(pair);
		oring_prep_recv_multishot_zc(rig_sqe(&zcrx.rig), by(&zcrx.rig, way, pair[1]),
					     zcrx.reg.zcrx_id, 0);
		issue(&zcrx.rig);
		nothing_comes(&zcrx.rig);
		/* More in all than the area holds: it goes round. */
		for (round = 0; round < 5; round++) {
			send_pattern(pair[0], (size_t)round * 100, len);
			receive(&zcrx, (size_t)round * 100, len);
		}
		cr_assert_eq(shutdown(pair[0], SHUT_WR), 0);
		ends_with(&zcrx, 0);
		close_pair(pair);
	}
	close_zcrx(&zcrx);
}

RING_TEST_ENTERED(prep, recv_multishot_zc_ends)
{
	/* With the count of bytes that was asked for, by a cancel, and when no buffer is left. */
	struct oring_sqe *sqe;
	struct oring_cqe cqe;
	oring_context id;
	struct zcrx zcrx;
	oring_file file;
	int pair[2], i;

	REQUIRE_OP(rig, ORING_OP_RECV_ZC);
	fill(0, ROOM);
	open_zcrx(&zcrx, rig->shape);
	make_tcp_pair(pair);
	file = oring_file_fd(pair[1]);
	oring_prep_recv_multishot_zc(rig_sqe(&zcrx.rig), file, zcrx.reg.zcrx_id, 5000);
	send_pattern(pair[0], 0, 3000);
	receive(&zcrx, 0, 3000);
	send_pattern(pair[0], 3000, 3000);
	receive(&zcrx, 3000, 2000);
	ends_with(&zcrx, 0);
	one_piece(5000, 1000);
	arrives(pair[1], 1000); /* is left in the socket */

	sqe = rig_sqe(&zcrx.rig);
	oring_prep_recv_multishot_zc(sqe, file, zcrx.reg.zcrx_id, 0);
	oring_sqe_poll_first(sqe);
	id = oring_context_from_bits(zcrx.rig.next_id - 1);
	send_pattern(pair[0], 0, 10);
	receive(&zcrx, 0, 10);
	oring_prep_async_cancel(oring_sq_reserve(&zcrx.rig.ring), id, 0);
	rig_wait(&zcrx.rig, 2);
	for (i = 0; i < 2; i++) {
		struct oring_cqe cqe = rig_reap(&zcrx.rig);

		cr_assert_eq(cqe.res, cqe.user_data == id.bits ? -ECANCELED : 0);
		cr_assert_not(oring_cqe_has_more(&cqe));
	}

	oring_prep_recv_multishot_zc(rig_sqe(&zcrx.rig), file, zcrx.reg.zcrx_id, 0);
	issue(&zcrx.rig);
	send_pattern(pair[0], 0, (AREA_PAGES + 1) * zcrx.page);
	do
		cqe = reap32(&zcrx.rig).cqe;
	while (oring_cqe_has_more(&cqe));
	cr_assert_eq(cqe.res, -ENOMEM, "%d", cqe.res);
	close_pair(pair);
	close_zcrx(&zcrx);
}

RING_TEST_ENTERED(prep, recv_multishot_zc_refuses)
{
	struct sockaddr_in address;
	struct zcrx zcrx;
	int ends[2], pair[2], udp;
	uint32_t id;

	REQUIRE_OP(rig, ORING_OP_RECV_ZC);
	open_zcrx(&zcrx, rig->shape);
	id = zcrx.reg.zcrx_id;
	make_tcp_pair(pair);
	oring_prep_recv_multishot_zc(rig_sqe(&zcrx.rig), oring_file_fd(pair[1]), id + 1, 0);
	cr_assert_eq(rig_result(&zcrx.rig), -EINVAL, "no such queue");
	udp = local_socket(SOCK_DGRAM, &address);
	oring_prep_recv_multishot_zc(rig_sqe(&zcrx.rig), oring_file_fd(udp), id, 0);
	cr_assert_eq(rig_result(&zcrx.rig), -EPROTONOSUPPORT, "TCP only");
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	oring_prep_recv_multishot_zc(rig_sqe(&zcrx.rig), oring_file_fd(ends[0]), id, 0);
	cr_assert_eq(rig_result(&zcrx.rig), -ENOTSOCK);
	oring_prep_recv_multishot_zc(rig_sqe(&zcrx.rig), oring_file_slot(SLOT), id, 0);
	cr_assert_eq(rig_result(&zcrx.rig), -EBADF, "an empty slot");
	close(udp);
	close_pair(ends);
	close_pair(pair);

	fill_registration(&zcrx);
	zcrx.area_reg.addr++;
	cr_assert_eq(register_ifq(&zcrx.rig, &zcrx), -EINVAL, "the area is not of whole pages");
	fill_registration(&zcrx);
	zcrx.reg.rq_entries = (uint32_t)zcrx.page / sizeof(struct oring_zcrx_rqe);
	cr_assert_eq(register_ifq(&zcrx.rig, &zcrx), -EINVAL, "more entries than the region holds");
	fill_registration(&zcrx);
	zcrx.reg.if_idx = 1;
	cr_assert_eq(register_ifq(&zcrx.rig, &zcrx), -EINVAL, "a device, and none");
	fill_registration(&zcrx);
	cr_assert_eq(seteuid(65534), 0);
	cr_assert_eq(register_ifq(&zcrx.rig, &zcrx), -EPERM, "without CAP_NET_ADMIN");
	cr_assert_eq(seteuid(0), 0);
	close_zcrx(&zcrx);
}
