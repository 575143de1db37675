/* SPDX-License-Identifier: MIT */
/*
 * Commands of files: those of sockets, of block devices and of NVMe drives.
 *
 * Where a row takes a file, the test runs twice: with a descriptor and with a
 * registered slot whose number is no open descriptor.
 */
#include "sockets.h"

#include <linux/errqueue.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/net_tstamp.h>
#include <linux/nvme_ioctl.h>
#include <linux/sockios.h>
#include <linux/ublk_cmd.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#define SLOTS 640 /* in a table; slots from 600 on are no descriptors */
#define SLOT  600

/* For what the shape matters little to: those that differ in who runs the command, and where. */
#define RING_TEST_ON_SOME(suite, name)               \
	static void suite##_##name(struct rig *rig); \
	RING_TEST_ON(suite, name, sqpoll)            \
	RING_TEST_ON(suite, name, plain)             \
	RING_TEST_ON(suite, name, defer_taskrun)     \
	RING_TEST_ON(suite, name, cqe_mixed)         \
	static void suite##_##name(struct rig *rig)

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
	cr_assert_eq(ret, 1, "slot %u: %s", SLOT, strerror(-ret));
	return oring_file_slot(SLOT);
}

/* A ring of the rig's shape, and of sizes @flags too. */
static void make_big(struct rig *big, const struct rig *rig, uint32_t flags)
{
	*big = *rig;
	require_ring(&big->ring, RIG_ENTRIES, shapes[rig->shape].flags | flags);
}

/* As rig_sqe(), of 128 bytes. */
static struct oring_sqe128 *big_sqe(struct rig *rig)
{
	struct oring_sqe128 *sqe = oring_sq_reserve128(&rig->ring);

	cr_assert_not_null(sqe);
	oring_sqe_set_user_data(&sqe->sqe, rig->next_id++);
	return sqe;
}

/* As rig_reap(), of 32 bytes. */
static struct oring_cqe32 reap_big(struct rig *rig)
{
	struct oring_cqe32 cqe;
	int tries;

	for (tries = 0; tries < 3; tries++) {
		if (oring_cq_copy32(&rig->ring, &cqe, 1) == 1)
			return cqe;
		rig_wait(rig, 1); /* on a mixed ring this may be a filler */
	}
	cr_assert_fail("no completion");
	return cqe;
}

/* ---- sockets ---- */

/* Two connected sockets: TCP or UDP. */
static void make_pair(int pair[2], int type)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	int at = local_socket(type, &address);

	pair[0] = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	cr_assert_geq(pair[0], 0);
	pair[1] = at;
	if (type == SOCK_STREAM)
		cr_assert_eq(listen(at, 1), 0);
	cr_assert_eq(connect(pair[0], (struct sockaddr *)&address, len), 0);
	if (type == SOCK_STREAM) {
		pair[1] = accept4(at, NULL, NULL, SOCK_CLOEXEC);
		cr_assert_geq(pair[1], 0);
		close(at);
	}
}

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

static void must_send(int fd, const void *buf, size_t len)
{
	cr_assert_eq(send(fd, buf, len, 0), (ssize_t)len);
}

/* All of the @len bytes are there, and stay. */
static void must_have(int fd, size_t len)
{
	char buf[256];

	cr_assert_leq(len, sizeof(buf));
	cr_assert_eq(recv(fd, buf, len, MSG_PEEK | MSG_WAITALL), (ssize_t)len);
}

static void must_receive(int fd, size_t len)
{
	char buf[256];

	cr_assert_eq(recv_whole(fd, buf, len), len);
}

static int option_of(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	cr_assert_eq(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

/*
 * Skips unless this kernel's sockets know the command, whatever they say of
 * this one, which makes no sense. The entry is made by hand, on a plain ring.
 */
static void require_socket_command(struct rig *rig, uint32_t command)
{
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct oring_sqe *sqe;
	struct oring ring;
	int res;

	REQUIRE_OP(rig, ORING_OP_URING_CMD);
	cr_assert_geq(sock, 0);
	require_ring(&ring, 4, 0);
	sqe = oring_sq_reserve(&ring);
	sqe->opcode = ORING_OP_URING_CMD;
	sqe->fd = sock;
	sqe->off = command;
	sqe->addr = oring_sockopt(SOL_SOCKET, 0xffff);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	cr_assert_not_null(oring_cq_peek(&ring));
	res = oring_cq_peek(&ring)->res;
	cr_assert_eq(oring_exit(&ring), 0);
	close(sock);
	if (res == -EOPNOTSUPP)
		cr_skip_test("socket command %u: not on this kernel", command);
}

RING_TEST(prep, siocinq)
{
	int way;

	require_socket_command(rig, ORING_SOCKET_SIOCINQ);
	for (way = 0; way < 2; way++) {
		struct sockaddr_in address;
		int pair[2], at;

		make_pair(pair, SOCK_STREAM);
		oring_prep_siocinq(rig_sqe(rig), by(rig, way, pair[1]));
		cr_assert_eq(rig_result(rig), 0);
		must_send(pair[0], "seven c", 7);
		must_have(pair[1], 7);
		oring_prep_siocinq(rig_sqe(rig), by(rig, way, pair[1]));
		cr_assert_eq(rig_result(rig), 7);
		must_receive(pair[1], 3);
		oring_prep_siocinq(rig_sqe(rig), by(rig, way, pair[1]));
		cr_assert_eq(rig_result(rig), 4);
		oring_prep_siocinq(rig_sqe(rig), by(rig, way, pair[0]));
		cr_assert_eq(rig_result(rig), 0, "the other one holds none");
		close_pair(pair);

		/* Of datagrams, the first. */
		make_pair(pair, SOCK_DGRAM);
		must_send(pair[0], "12345", 5);
		must_send(pair[0], "123", 3);
		must_have(pair[1], 5);
		oring_prep_siocinq(rig_sqe(rig), by(rig, way, pair[1]));
		cr_assert_eq(rig_result(rig), 5);
		close_pair(pair);

		at = local_socket(SOCK_STREAM, &address);
		cr_assert_eq(listen(at, 1), 0);
		oring_prep_siocinq(rig_sqe(rig), by(rig, way, at));
		cr_assert_eq(rig_result(rig), -EINVAL, "it only takes connections");
		close(at);
	}
}

RING_TEST(prep, siocoutq)
{
	int way;

	require_socket_command(rig, ORING_SOCKET_SIOCOUTQ);
	for (way = 0; way < 2; way++) {
		int on = 1, off = 0, res = 0, left = 1, pair[2], tries;

		make_pair(pair, SOCK_STREAM);
		oring_prep_siocoutq(rig_sqe(rig), by(rig, way, pair[0]));
		cr_assert_eq(rig_result(rig), 0);
		/* A corked socket keeps what fills no packet, but only for 200 ms. */
		for (tries = 0; tries < 20 && res == 0; tries++) {
			setsockopt(pair[0], IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
			must_send(pair[0], "eleven char", 11);
			oring_prep_siocoutq(rig_sqe(rig), by(rig, way, pair[0]));
			res = rig_result(rig);
		}
		cr_assert_eq(res, 11);
		oring_prep_siocoutq(rig_sqe(rig), by(rig, way, pair[1]));
		cr_assert_eq(rig_result(rig), 0, "the other one sent nothing");
		setsockopt(pair[0], IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
		must_receive(pair[1], 11);
		for (tries = 0; tries < 1000 && left > 0; tries++) {
			cr_assert_eq(ioctl(pair[0], SIOCOUTQ, &left), 0);
			if (left > 0)
				usleep(1000);
		}
		oring_prep_siocoutq(rig_sqe(rig), by(rig, way, pair[0]));
		cr_assert_eq(rig_result(rig), 0);
		close_pair(pair);
	}
}

RING_TEST(prep, getsockopt)
{
	static int value[3];
	int way;

	require_socket_command(rig, ORING_SOCKET_GETSOCKOPT);
	for (way = 0; way < 2; way++) {
		int pair[2], ends[2], on = 1;
		oring_file sock;

		make_pair(pair, SOCK_STREAM);
		sock = by(rig, way, pair[0]);
		memset(value, 0xee, sizeof(value));
		oring_prep_getsockopt(rig_sqe(rig), sock, SOL_SOCKET, SO_RCVBUF, value + 1,
				      sizeof(value[1]));
		cr_assert_eq(rig_result(rig), sizeof(value[1]));
		cr_assert_eq(value[1], option_of(pair[0], SOL_SOCKET, SO_RCVBUF));
		cr_assert_eq(value[0], (int)0xeeeeeeee);
		cr_assert_eq(value[2], (int)0xeeeeeeee);
		/* Not the same thing by chance. */
		cr_assert_eq(setsockopt(pair[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
		oring_prep_getsockopt(rig_sqe(rig), sock, SOL_SOCKET, SO_KEEPALIVE, value,
				      sizeof(value));
		cr_assert_eq(rig_result(rig), sizeof(int), "what it wrote, not the room");
		cr_assert_eq(value[0], 1);
		oring_prep_getsockopt(rig_sqe(rig), sock, SOL_SOCKET, SO_TYPE, value, sizeof(int));
		cr_assert_eq(rig_result(rig), sizeof(int));
		cr_assert_eq(value[0], SOCK_STREAM);

		oring_prep_getsockopt(rig_sqe(rig), sock, SOL_SOCKET, 0xffff, value, sizeof(int));
		cr_assert_eq(rig_result(rig), -ENOPROTOOPT);
		oring_prep_getsockopt(rig_sqe(rig), sock, SOL_SOCKET, SO_TYPE, NULL, sizeof(int));
		cr_assert_eq(rig_result(rig), -EFAULT);
		value[0] = 4711;
		oring_prep_getsockopt(rig_sqe(rig), sock, IPPROTO_TCP, TCP_NODELAY, value,
				      sizeof(int));
		cr_assert_eq(rig_result(rig), -EOPNOTSUPP, "no other level");
		cr_assert_eq(value[0], 4711);
		close_pair(pair);
		cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
		oring_prep_getsockopt(rig_sqe(rig), by(rig, way, ends[0]), SOL_SOCKET, SO_TYPE,
				      value, sizeof(int));
		cr_assert_eq(rig_result(rig), -EOPNOTSUPP, "no socket");
		close_pair(ends);
	}
}

RING_TEST(prep, setsockopt)
{
	static int one = 1, zero = 0;
	static struct linger linger = { 1, 7 };
	int way;

	require_socket_command(rig, ORING_SOCKET_SETSOCKOPT);
	for (way = 0; way < 2; way++) {
		struct linger got = { 0, 0 };
		socklen_t len = sizeof(got);
		oring_file sock;
		int pair[2];

		make_pair(pair, SOCK_STREAM);
		sock = by(rig, way, pair[0]);
		oring_prep_setsockopt(rig_sqe(rig), sock, SOL_SOCKET, SO_KEEPALIVE, &one,
				      sizeof(one));
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(option_of(pair[0], SOL_SOCKET, SO_KEEPALIVE), 1);
		oring_prep_setsockopt(rig_sqe(rig), sock, SOL_SOCKET, SO_KEEPALIVE, &zero,
				      sizeof(zero));
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(option_of(pair[0], SOL_SOCKET, SO_KEEPALIVE), 0);
		oring_prep_setsockopt(rig_sqe(rig), sock, SOL_SOCKET, SO_LINGER, &linger,
				      sizeof(linger));
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(getsockopt(pair[0], SOL_SOCKET, SO_LINGER, &got, &len), 0);
		cr_assert_eq(got.l_onoff, 1);
		cr_assert_eq(got.l_linger, 7);

		oring_prep_setsockopt(rig_sqe(rig), sock, SOL_SOCKET, SO_KEEPALIVE, &one, 2);
		cr_assert_eq(rig_result(rig), -EINVAL, "too short");
		oring_prep_setsockopt(rig_sqe(rig), sock, SOL_SOCKET, 0xffff, &one, sizeof(one));
		cr_assert_eq(rig_result(rig), -ENOPROTOOPT);
		oring_prep_setsockopt(rig_sqe(rig), sock, SOL_SOCKET, SO_KEEPALIVE, NULL,
				      sizeof(one));
		cr_assert_eq(rig_result(rig), -EFAULT);
		close_pair(pair);
	}
}

RING_TEST_ON_SOME(prep, setsockopt_of_a_protocol)
{
	/* Any level, as setsockopt(2). */
	static int one = 1, ttl = 77;
	int way;

	require_socket_command(rig, ORING_SOCKET_SETSOCKOPT);
	for (way = 0; way < 2; way++) {
		oring_file sock;
		int pair[2];

		make_pair(pair, SOCK_STREAM);
		sock = by(rig, way, pair[0]);
		cr_assert_eq(option_of(pair[0], IPPROTO_TCP, TCP_NODELAY), 0);
		oring_prep_setsockopt(rig_sqe(rig), sock, IPPROTO_TCP, TCP_NODELAY, &one,
				      sizeof(one));
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(option_of(pair[0], IPPROTO_TCP, TCP_NODELAY), 1);
		oring_prep_setsockopt(rig_sqe(rig), sock, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(option_of(pair[0], IPPROTO_IP, IP_TTL), 77);
		oring_prep_setsockopt(rig_sqe(rig), sock, 0x7654, TCP_NODELAY, &one, sizeof(one));
		cr_assert_eq(rig_result(rig), -ENOPROTOOPT, "no such level");
		close_pair(pair);
	}
}

RING_TEST(prep, getsockname)
{
	static struct sockaddr_in address;
	static uint32_t len;
	int way;

	require_socket_command(rig, ORING_SOCKET_GETSOCKNAME);
	for (way = 0; way < 2; way++) {
		struct sockaddr_in wanted;
		int at = local_socket(SOCK_DGRAM, &wanted);
		oring_file sock = by(rig, way, at);

		memset(&address, 0xee, sizeof(address));
		len = 100;
		oring_prep_getsockname(rig_sqe(rig), sock, (struct sockaddr *)&address, &len);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(len, sizeof(address));
		cr_assert_eq(memcmp(&address, &wanted, sizeof(address)), 0);
		/* Less room: what fits is written, and the length says how much there is. */
		memset(&address, 0xee, sizeof(address));
		len = 4;
		oring_prep_getsockname(rig_sqe(rig), sock, (struct sockaddr *)&address, &len);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(len, sizeof(address));
		cr_assert_eq(address.sin_port, wanted.sin_port);
		cr_assert_eq(address.sin_addr.s_addr, 0xeeeeeeee);

		len = (uint32_t)-1;
		oring_prep_getsockname(rig_sqe(rig), sock, (struct sockaddr *)&address, &len);
		cr_assert_eq(rig_result(rig), -EINVAL);
		oring_prep_getsockname(rig_sqe(rig), sock, (struct sockaddr *)&address, NULL);
		cr_assert_eq(rig_result(rig), -EFAULT);
		close(at);
	}
}

RING_TEST(prep, getpeername)
{
	static struct sockaddr_in address;
	static uint32_t len;
	int way;

	require_socket_command(rig, ORING_SOCKET_GETSOCKNAME);
	for (way = 0; way < 2; way++) {
		struct sockaddr_in wanted;
		socklen_t wanted_len = sizeof(wanted);
		int pair[2], at;

		make_pair(pair, SOCK_STREAM);
		cr_assert_eq(getsockname(pair[1], (struct sockaddr *)&wanted, &wanted_len), 0);
		memset(&address, 0xee, sizeof(address));
		len = 100;
		oring_prep_getpeername(rig_sqe(rig), by(rig, way, pair[0]),
				       (struct sockaddr *)&address, &len);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(len, sizeof(address));
		cr_assert_eq(memcmp(&address, &wanted, sizeof(address)), 0);
		close_pair(pair);

		at = local_socket(SOCK_STREAM, &wanted);
		len = 100;
		oring_prep_getpeername(rig_sqe(rig), by(rig, way, at), (struct sockaddr *)&address,
				       &len);
		cr_assert_eq(rig_result(rig), -ENOTCONN);
		close(at);
	}
}

/* ---- times of what was sent ---- */

static int64_t nanoseconds(uint64_t sec, uint64_t nsec)
{
	return (int64_t)(sec * 1000000000 + nsec);
}

static int64_t now(void)
{
	struct timespec ts;

	cr_assert_eq(clock_gettime(CLOCK_REALTIME, &ts), 0);
	return nanoseconds((uint64_t)ts.tv_sec, (uint64_t)ts.tv_nsec);
}

static bool has_big_completions(const struct rig *rig)
{
	return shapes[rig->shape].flags & (ORING_SETUP_CQE32 | ORING_SETUP_CQE_MIXED);
}

static void ask_for_times(int fd, int kinds)
{
	int flags = kinds | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
		    SOF_TIMESTAMPING_OPT_TSONLY;

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)), 0);
}

/* One report: its key and its kind; returns the time, which lies between @begin and now. */
static int64_t reap_time(struct rig *rig, uint64_t id, int64_t begin, uint32_t *key, uint32_t *kind)
{
	struct oring_cqe32 cqe = reap_big(rig);
	struct oring_tx_timespec ts;
	int64_t at;

	cr_assert_eq(cqe.cqe.user_data, id);
	cr_assert_geq(cqe.cqe.res, 0, "%s", strerror(-cqe.cqe.res));
	cr_assert(oring_cqe_has_more(&cqe.cqe));
	cr_assert_eq(cqe.cqe.flags & ORING_CQE_F_TSTAMP_HW, 0, "no hardware here");
	cr_assert_eq((cqe.cqe.flags & ORING_CQE_F_32) != 0, rig->shape == SHAPE_cqe_mixed,
		     "the flag is for mixed rings");
	cr_assert_eq(sizeof(ts), sizeof(cqe.big_cqe));
	memcpy(&ts, cqe.big_cqe, sizeof(ts));
	cr_assert_lt(ts.tv_nsec, 1000000000);
	at = nanoseconds(ts.tv_sec, ts.tv_nsec);
	cr_assert(at >= begin && at <= now(), "%" PRId64 " ns after the begin", at - begin);
	*key = (uint32_t)cqe.cqe.res;
	*kind = cqe.cqe.flags >> ORING_TIMESTAMP_TYPE_SHIFT;
	return at;
}

/* End the entry with identity @id, which goes on until then. */
static void cancel(struct rig *rig, uint64_t id)
{
	int i, ended = 0;

	oring_prep_async_cancel(rig_sqe(rig), oring_context_from_bits(id), 0);
	for (i = 0; i < 2; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert_not(oring_cqe_has_more(&cqe));
		cr_assert_eq(cqe.res, cqe.user_data == id ? -ECANCELED : 0);
		ended += cqe.user_data == id;
	}
	cr_assert_eq(ended, 1);
}

RING_TEST(prep, tx_timestamp)
{
	/* A 53: the second half of a completion says when, for each datagram twice. */
	int way, i;

	require_socket_command(rig, ORING_SOCKET_TX_TIMESTAMP);
	for (way = 0; way < 2; way++) {
		int64_t times[3][2] = { { 0 } }, begin = now();
		uint64_t id = rig->next_id;
		int pair[2];

		make_pair(pair, SOCK_DGRAM);
		ask_for_times(pair[0], SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED);
		oring_prep_tx_timestamp(rig_sqe(rig), by(rig, way, pair[0]));
		if (!has_big_completions(rig)) {
			cr_assert_eq(rig_result(rig), -EINVAL, "the completions are too small");
			close_pair(pair);
			continue;
		}
		cr_assert_geq(oring_submit(&rig->ring), 0);
		for (i = 0; i < 6; i++) {
			uint32_t key, kind;
			int64_t at;

			if (i % 2 == 0)
				must_send(pair[0], "datagram", 8);
			at = reap_time(rig, id, begin, &key, &kind);
			cr_assert_lt(key, 3);
			cr_assert_leq(kind, SCM_TSTAMP_SCHED);
			cr_assert_eq(times[key][kind], 0, "twice the same");
			times[key][kind] = at;
		}
		cr_assert_eq(SCM_TSTAMP_SND, 0);
		for (i = 0; i < 3; i++)
			cr_assert_leq(times[i][SCM_TSTAMP_SCHED], times[i][SCM_TSTAMP_SND]);
		cr_assert_leq(times[0][SCM_TSTAMP_SND], times[2][SCM_TSTAMP_SCHED]);
		cancel(rig, id);
		close_pair(pair);
	}
}

static void prep_tx_timestamp_of_a_stream(struct rig *rig);
RING_TEST_ON(prep, tx_timestamp_of_a_stream, cqe32)
RING_TEST_ON(prep, tx_timestamp_of_a_stream, cqe_mixed)
static void prep_tx_timestamp_of_a_stream(struct rig *rig)
{
	/* The key of a stream is the place of its last byte; ACK is a kind above 1. */
	uint32_t sent = 0, key, kind;
	uint64_t id = rig->next_id;
	int64_t begin = now();
	int pair[2], i;

	require_socket_command(rig, ORING_SOCKET_TX_TIMESTAMP);
	make_pair(pair, SOCK_STREAM);
	ask_for_times(pair[0], SOF_TIMESTAMPING_TX_ACK);
	oring_prep_tx_timestamp(rig_sqe(rig), oring_file_fd(pair[0]));
	cr_assert_geq(oring_submit(&rig->ring), 0);
	for (i = 1; i < 4; i++) {
		must_send(pair[0], "some bytes", (size_t)(3 * i));
		sent += 3 * (uint32_t)i;
		reap_time(rig, id, begin, &key, &kind);
		cr_assert_eq(key, sent - 1);
		cr_assert_eq(kind, SCM_TSTAMP_ACK);
	}
	cancel(rig, id);
	close_pair(pair);
}

/* ---- commands by hand ---- */

/* What the caller of a command adds, here: turn keep-alive on or off. */
static void keepalive_data(struct oring_sqe *sqe, const int *value)
{
	uint64_t at = (uint64_t)(uintptr_t)value;

	sqe->addr = oring_sockopt(SOL_SOCKET, SO_KEEPALIVE);
	sqe->file_index = sizeof(*value);
	memcpy(oring_sqe_cmd(sqe), &at, sizeof(at));
}

RING_TEST(prep, uring_cmd)
{
	static int value;
	int way, ends[2];

	require_socket_command(rig, ORING_SOCKET_SETSOCKOPT);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	for (way = 0; way < 2; way++) {
		int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct oring_sqe *sqe;

		cr_assert_geq(sock, 0);
		for (value = 1; value >= 0; value--) {
			sqe = rig_sqe(rig);
			oring_prep_uring_cmd(sqe, by(rig, way, sock), ORING_SOCKET_SETSOCKOPT);
			keepalive_data(sqe, &value);
			cr_assert_eq(rig_result(rig), 0);
			cr_assert_eq(option_of(sock, SOL_SOCKET, SO_KEEPALIVE), value);
		}
		oring_prep_uring_cmd(rig_sqe(rig), by(rig, way, sock), 0x7777);
		cr_assert_eq(rig_result(rig), -EOPNOTSUPP, "no such command");
		oring_prep_uring_cmd(rig_sqe(rig), by(rig, way, ends[0]), 0);
		cr_assert_eq(rig_result(rig), -EOPNOTSUPP, "a file without commands");
		close(sock);
	}
	close_pair(ends);
}

RING_TEST(prep, uring_cmd_fixed)
{
	/* A socket takes the flag and has no use for the buffer; drives have, below. */
	static int value = 1;
	static char memory[2][4096];
	struct iovec iov[2] = { { memory[0], sizeof(memory[0]) },
				{ memory[1], sizeof(memory[1]) } };
	int way;

	require_socket_command(rig, ORING_SOCKET_SETSOCKOPT);
	cr_assert_eq(oring_register_buffers(&rig->ring, iov, 2), 0);
	for (way = 0; way < 2; way++) {
		int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct oring_sqe *sqe = rig_sqe(rig);

		cr_assert_geq(sock, 0);
		oring_prep_uring_cmd_fixed(sqe, by(rig, way, sock), ORING_SOCKET_SETSOCKOPT, 1);
		keepalive_data(sqe, &value);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(option_of(sock, SOL_SOCKET, SO_KEEPALIVE), 1);
		close(sock);
	}
}

RING_TEST(prep, uring_cmd128)
{
	static int value;
	struct rig big;
	int way;

	REQUIRE_OP(rig, ORING_OP_URING_CMD128);
	if (rig->shape != SHAPE_sqe128)
		cr_assert_null(oring_sq_reserve128(&rig->ring), "no place for one here");
	make_big(&big, rig, ORING_SETUP_SQE128);
	for (way = 0; way < 2; way++) {
		int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct oring_sqe128 *sqe;

		cr_assert_geq(sock, 0);
		for (value = 1; value >= 0; value--) {
			sqe = big_sqe(&big);
			oring_prep_uring_cmd128(sqe, by(&big, way, sock), ORING_SOCKET_SETSOCKOPT);
			keepalive_data(&sqe->sqe, &value);
			cr_assert_eq(rig_result(&big), 0);
			cr_assert_eq(option_of(sock, SOL_SOCKET, SO_KEEPALIVE), value);
		}
		oring_prep_uring_cmd128(big_sqe(&big), by(&big, way, sock), 0x7777);
		cr_assert_eq(rig_result(&big), -EOPNOTSUPP, "no such command");
		close(sock);
	}
	cr_assert_eq(oring_exit(&big.ring), 0);
}

RING_TEST(prep, uring_cmd_multishot)
{
	/* A socket's timestamps: many completions of one command, which needs a group and takes no
	 * buffer from it. */
	uint64_t id = rig->next_id;
	uint32_t key, kind, i;
	struct oring_sqe *sqe;
	int64_t begin = now();
	int pair[2], res;

	require_socket_command(rig, ORING_SOCKET_TX_TIMESTAMP);
	make_pair(pair, SOCK_DGRAM);
	for (i = 0; i < 2; i++) {
		sqe = rig_sqe(rig);
		if (i == 0) { /* the flag by hand: does this kernel know it? */
			oring_prep_uring_cmd(sqe, oring_file_fd(pair[0]), 0x7777);
			oring_sqe_add_op_flags(sqe, ORING_URING_CMD_MULTISHOT);
		} else {
			oring_prep_uring_cmd_multishot(sqe, oring_file_fd(pair[0]), 0x7777);
		}
		oring_sqe_buffer_select(sqe, 5);
		res = rig_result(rig);
		if (i == 0)
			SKIP_IF_REFUSED(res, "commands that complete many times");
		cr_assert_eq(res, -EOPNOTSUPP, "the socket has no such command");
	}
	oring_prep_uring_cmd_multishot(rig_sqe(rig), oring_file_fd(pair[0]), 0x7777);
	cr_assert_eq(rig_result(rig), -EINVAL, "no group");
	if (has_big_completions(rig)) {
		int way;

		for (way = 0; way < 2; way++) {
			ask_for_times(pair[0], SOF_TIMESTAMPING_TX_SOFTWARE);
			id = rig->next_id;
			sqe = rig_sqe(rig);
			oring_prep_uring_cmd_multishot(sqe, by(rig, way, pair[0]),
						       ORING_SOCKET_TX_TIMESTAMP);
			oring_sqe_buffer_select(sqe, 5);
			cr_assert_geq(oring_submit(&rig->ring), 0);
			for (i = 0; i < 3; i++) {
				must_send(pair[0], "datagram", 8);
				reap_time(rig, id, begin, &key, &kind);
			}
			cancel(rig, id);
		}
	}
	close_pair(pair);
}

/* ---- block devices ---- */

#define DISK_BYTES (512 << 10)
#define PART_BYTES (128 << 10)

static unsigned char disk_image[DISK_BYTES] __attribute__((aligned(4096)));

static void fill_image(void)
{
	size_t i;

	for (i = 0; i < DISK_BYTES; i++)
		disk_image[i] = pattern_at(i);
}

static bool is_all_zero(const unsigned char *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* In @fd from @base on: the pattern of fill_image(), but zeros from @from, PART_BYTES long. */
static void check_hole(int fd, off_t base, size_t from)
{
	size_t behind = from + PART_BYTES;

	memset(disk_image, 0xee, sizeof(disk_image));
	cr_assert_eq(pread(fd, disk_image, DISK_BYTES, base), DISK_BYTES);
	cr_assert(is_pattern(disk_image, from, 0), "before");
	cr_assert(is_all_zero(disk_image + from, PART_BYTES), "inside");
	cr_assert(is_pattern(disk_image + behind, DISK_BYTES - behind, behind), "behind");
}

/* Skips unless block devices here know the command: half a sector is refused by those. */
static void require_discard(struct rig *rig, int fd)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	REQUIRE_OP(rig, ORING_OP_URING_CMD);
	sqe->opcode = ORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->off = ORING_BLOCK_DISCARD;
	sqe->addr3 = 256;
	if (rig_result(rig) == -EOPNOTSUPP)
		cr_skip_test("discard: not on this kernel");
}

/* A block device whose content is that of @backing; it goes when it is closed. */
static int loop_device(int backing)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), fd = -1, tries;
	struct loop_config config;

	if (control < 0)
		cr_skip_test("/dev/loop-control: %s", strerror(errno));
	memset(&config, 0, sizeof(config));
	config.fd = (uint32_t)backing;
	config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
	for (tries = 0; tries < 50 && fd < 0; tries++) {
		char path[32];
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		if (n < 0)
			cr_skip_test("no loop device: %s", strerror(errno));
		snprintf(path, sizeof(path), "/dev/loop%d", n);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			cr_skip_test("%s: %s", path, strerror(errno));
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			break;
		/* Another process may have been faster. */
		if (errno != EBUSY)
			cr_skip_test("LOOP_CONFIGURE: %s", strerror(errno));
		close(fd);
		fd = -1;
	}
	cr_assert_geq(fd, 0, "no loop device is free");
	close(control);
	return fd;
}

static blkcnt_t sectors_of(int fd)
{
	struct stat st;

	cr_assert_eq(fstat(fd, &st), 0);
	return st.st_blocks;
}

/* A file in memory, with the pattern. */
static int image_file(void)
{
	int fd = memfd_create("oring-test", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	fill_image();
	cr_assert_eq(write(fd, disk_image, DISK_BYTES), DISK_BYTES);
	return fd;
}

RING_TEST(prep, block_discard)
{
	/* The blocks are gone from the file behind the device, and no others. */
	int backing, fd, way;

	REQUIRE_OP(rig, ORING_OP_URING_CMD);
	for (way = 0; way < 2; way++) {
		size_t from = way == 0 ? 64 << 10 : 256 << 10;
		blkcnt_t before;
		oring_file file;

		backing = image_file();
		fd = loop_device(backing);
		if (way == 0)
			require_discard(rig, fd);
		file = by(rig, way, fd);
		cr_assert_eq(pread(fd, disk_image, DISK_BYTES, 0), DISK_BYTES);
		before = sectors_of(backing);
		oring_prep_block_discard(rig_sqe(rig), file, PART_BYTES, from);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(before - sectors_of(backing), PART_BYTES / 512);
		check_hole(backing, 0, from);
		check_hole(fd, 0, from);
		/* The kernel lets go of a slot's file when it likes. */
		if (way == 1)
			cr_assert_eq(oring_unregister_files(&rig->ring), 0);
		close(fd);
		close(backing);
	}
}

RING_TEST_ON_SOME(prep, block_discard_errors)
{
	int backing, fd, readonly, way;
	char path[32];

	REQUIRE_OP(rig, ORING_OP_URING_CMD);
	backing = image_file();
	fd = loop_device(backing);
	require_discard(rig, fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readonly = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(readonly, 0);
	for (way = 0; way < 2; way++) {
		static const struct {
			uint64_t len, off;
		} wrong[] = { { 512, 1 }, { 1, 512 }, { 0, 512 }, { DISK_BYTES, 512 } };
		blkcnt_t before = sectors_of(backing);
		size_t i;

		for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			oring_prep_block_discard(rig_sqe(rig), by(rig, way, fd), wrong[i].len,
						 wrong[i].off);
			cr_assert_eq(rig_result(rig), -EINVAL, "case %zu", i);
		}
		oring_prep_block_discard(rig_sqe(rig), by(rig, way, readonly), 4096, 4096);
		cr_assert_eq(rig_result(rig), -EBADF, "not opened for writing");
		oring_prep_block_discard(rig_sqe(rig), by(rig, way, backing), 4096, 4096);
		cr_assert_eq(rig_result(rig), -EOPNOTSUPP, "no block device");
		cr_assert_eq(sectors_of(backing), before, "nothing is gone");
	}
	cr_assert_eq(oring_unregister_files(&rig->ring), 0);
	close(readonly);
	close(fd);
	close(backing);
}

/* The path in an environment variable of the lab's guests. */
static const char *lab_path(const char *name)
{
	const char *path = getenv(name);

	if (path == NULL || path[0] == '\0')
		cr_skip_test("%s: not given (tools/kernel-lab has it)", name);
	return path;
}

static int open_direct(const char *path)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	return fd;
}

#define DRIVE_BASE (1 << 20) /* where the tests' blocks are on a drive, in bytes */

RING_TEST_ON_SOME(prep, block_discard_of_a_drive)
{
	int fd = open_direct(lab_path("LAB_NVME")), way, result;

	require_discard(rig, fd);
	for (way = 0; way < 2; way++) {
		size_t from = way == 0 ? 64 << 10 : 256 << 10;

		fill_image();
		cr_assert_eq(pwrite(fd, disk_image, DISK_BYTES, DRIVE_BASE), DISK_BYTES);
		oring_prep_block_discard(rig_sqe(rig), by(rig, way, fd), PART_BYTES,
					 DRIVE_BASE + from);
		result = rig_result(rig);
		cr_assert_eq(result, 0, "%s", strerror(-result));
		check_hole(fd, DRIVE_BASE, from);
	}
	close(fd);
}

/* ---- NVMe ---- */

#define NVME_WRITE	  0x01 /* commands of a namespace */
#define NVME_READ	  0x02
#define NVME_SET_FEATURES 0x09 /* of the controller */
#define NVME_GET_FEATURES 0x0a
#define NVME_FEATURE_TEMP 0x04 /* a threshold; the drive does nothing else with it */
#define NVME_OUT_OF_RANGE 0x80 /* status, without its flags */

#define NVME_BYTES  2048
#define NVME_BLOCKS (NVME_BYTES / 512)
#define NVME_SLBA   (DRIVE_BASE / 512)

static unsigned char nvme_buf[2][NVME_BYTES] __attribute__((aligned(4096)));

/* A drive, and a ring with large entries and large completions. */
struct drive {
	struct rig rig;
	int commands; /* the character device */
	int blocks;   /* the block device */
	uint32_t nsid;
};

static void open_drive(struct drive *drive, struct rig *rig)
{
	const char *commands = lab_path("LAB_NVME_CHAR"), *blocks = lab_path("LAB_NVME");
	uint32_t mixed = shapes[rig->shape].flags & ORING_SETUP_CQE_MIXED;
	int nsid, size = 0;

	REQUIRE_OP(rig, ORING_OP_URING_CMD);
	make_big(&drive->rig, rig, ORING_SETUP_SQE128 | (mixed ? 0 : ORING_SETUP_CQE32));
	drive->commands = open(commands, O_RDWR | O_CLOEXEC);
	cr_assert_geq(drive->commands, 0, "%s: %s", commands, strerror(errno));
	drive->blocks = open_direct(blocks);
	nsid = ioctl(drive->commands, NVME_IOCTL_ID);
	cr_assert_gt(nsid, 0);
	drive->nsid = (uint32_t)nsid;
	cr_assert_eq(ioctl(drive->blocks, BLKSSZGET, &size), 0);
	cr_assert_eq(size, 512);
}

static void close_drive(struct drive *drive)
{
	close(drive->commands);
	close(drive->blocks);
	cr_assert_eq(oring_exit(&drive->rig.ring), 0);
}

static struct nvme_uring_cmd transfer(const struct drive *drive, uint8_t opcode, void *buf,
				      uint64_t slba)
{
	struct nvme_uring_cmd cmd;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opcode = opcode;
	cmd.nsid = drive->nsid;
	cmd.addr = (uint64_t)(uintptr_t)buf;
	cmd.data_len = NVME_BYTES;
	cmd.cdw10 = (uint32_t)slba;
	cmd.cdw11 = (uint32_t)(slba >> 32);
	cmd.cdw12 = NVME_BLOCKS - 1;
	return cmd;
}

static void set_data(struct oring_sqe128 *sqe, const struct nvme_uring_cmd *cmd)
{
	memcpy(oring_sqe128_cmd(sqe), cmd, sizeof(*cmd));
}

enum command {
	COMMAND,
	COMMAND_128,
	COMMAND_FIXED
};

static void set_transfer(struct drive *drive, enum command how, int way, uint8_t opcode, int buf,
			 uint64_t slba)
{
	struct nvme_uring_cmd cmd = transfer(drive, opcode, nvme_buf[buf], slba);
	oring_file file = by(&drive->rig, way, drive->commands);
	struct oring_sqe128 *sqe = big_sqe(&drive->rig);

	switch (how) {
	case COMMAND:
		oring_prep_uring_cmd(&sqe->sqe, file, NVME_URING_CMD_IO);
		break;
	case COMMAND_128:
		oring_prep_uring_cmd128(sqe, file, NVME_URING_CMD_IO);
		break;
	case COMMAND_FIXED:
		oring_prep_uring_cmd_fixed(&sqe->sqe, file, NVME_URING_CMD_IO, (uint16_t)buf);
		break;
	}
	set_data(sqe, &cmd);
}

static void fill_buf(int buf, size_t place)
{
	size_t i;

	for (i = 0; i < NVME_BYTES; i++)
		nvme_buf[buf][i] = pattern_at(place + i);
}

/* Blocks that are written by the command, read by it, and read without the ring. */
static void write_and_read(struct drive *drive, enum command how)
{
	static unsigned char block[NVME_BYTES] __attribute__((aligned(4096)));
	int way;

	for (way = 0; way < 2; way++) {
		size_t place = 7 * (size_t)drive->rig.shape + 1000 * (size_t)way + 100 * how;
		uint64_t slba = NVME_SLBA + 8 * (uint64_t)way;
		int res;

		fill_buf(1, place);
		set_transfer(drive, how, way, NVME_WRITE, 1, slba);
		res = rig_result(&drive->rig);
		cr_assert_eq(res, 0, "%d", res);
		memset(block, 0xee, sizeof(block));
		cr_assert_eq(pread(drive->blocks, block, sizeof(block), (off_t)slba * 512),
			     sizeof(block));
		cr_assert(is_pattern(block, sizeof(block), place));

		memset(nvme_buf, 0xee, sizeof(nvme_buf));
		set_transfer(drive, how, way, NVME_READ, 1, slba);
		cr_assert_eq(rig_result(&drive->rig), 0);
		cr_assert(is_pattern(nvme_buf[1], NVME_BYTES, place));
		cr_assert_eq(nvme_buf[0][NVME_BYTES - 1], 0xee);

		set_transfer(drive, how, way, NVME_READ, 1, UINT64_C(1) << 40);
		res = rig_result(&drive->rig);
		cr_assert_eq(res & 0x7ff, NVME_OUT_OF_RANGE, "the drive's own status: %d", res);
	}
}

RING_TEST_ON_SOME(prep, uring_cmd_of_a_drive)
{
	/* A 53: 80 bytes of command data. */
	struct drive drive;

	open_drive(&drive, rig);
	write_and_read(&drive, COMMAND);
	close_drive(&drive);
}

RING_TEST_ON_SOME(prep, uring_cmd128_of_a_drive)
{
	struct drive drive;

	REQUIRE_OP(rig, ORING_OP_URING_CMD128);
	open_drive(&drive, rig);
	write_and_read(&drive, COMMAND_128);
	close_drive(&drive);
}

RING_TEST_ON_SOME(prep, uring_cmd_fixed_of_a_drive)
{
	struct iovec iov[2] = { { nvme_buf[0], NVME_BYTES }, { nvme_buf[1], NVME_BYTES } };
	struct nvme_uring_cmd cmd;
	struct oring_sqe128 *sqe;
	struct drive drive;
	int wrong;

	REQUIRE_OP(rig, ORING_OP_SENDMSG_ZC); /* 6.1, as the flag */
	open_drive(&drive, rig);
	cr_assert_eq(oring_register_buffers(&drive.rig.ring, iov, 2), 0);
	write_and_read(&drive, COMMAND_FIXED);
	/* A buffer that the address is not in, and one that is none. */
	for (wrong = 0; wrong < 3; wrong += 2) {
		cmd = transfer(&drive, NVME_READ, nvme_buf[1], NVME_SLBA);
		sqe = big_sqe(&drive.rig);
		oring_prep_uring_cmd_fixed(&sqe->sqe, oring_file_fd(drive.commands),
					   NVME_URING_CMD_IO, (uint16_t)wrong);
		set_data(sqe, &cmd);
		cr_assert_eq(rig_result(&drive.rig), -EFAULT, "buffer %d", wrong);
	}
	close_drive(&drive);
}

static void prep_uring_cmd_on_small_entries(struct rig *rig);
RING_TEST_ON(prep, uring_cmd_on_small_entries, plain)
static void prep_uring_cmd_on_small_entries(struct rig *rig)
{
	/* A drive's commands do not fit into 64 bytes. */
	struct drive drive;

	open_drive(&drive, rig);
	oring_prep_uring_cmd(rig_sqe(rig), oring_file_fd(drive.commands), NVME_URING_CMD_IO);
	cr_assert_eq(rig_result(rig), -EOPNOTSUPP);
	close_drive(&drive);
}

/* The drive's temperature threshold by a command of its controller: set it, or ask for it. */
static uint64_t threshold(struct drive *drive, oring_file controller, uint8_t opcode,
			  uint32_t kelvin)
{
	struct oring_sqe128 *sqe = big_sqe(&drive->rig);
	struct nvme_uring_cmd cmd;
	struct oring_cqe32 cqe;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opcode = opcode;
	cmd.cdw10 = NVME_FEATURE_TEMP;
	cmd.cdw11 = kelvin;
	oring_prep_uring_cmd(&sqe->sqe, controller, NVME_URING_CMD_ADMIN);
	set_data(sqe, &cmd);
	cqe = reap_big(&drive->rig);
	cr_assert_eq(cqe.cqe.user_data, drive->rig.next_id - 1);
	cr_assert_eq(cqe.cqe.res, 0, "%d", cqe.cqe.res);
	return cqe.big_cqe[0];
}

RING_TEST_ON_SOME(prep, uring_cmd_with_a_large_completion)
{
	/* A 53: what the drive answers is in the second half. */
	struct drive drive;
	char path[64];
	int way, fd;
	unsigned n;

	open_drive(&drive, rig);
	cr_assert_eq(sscanf(lab_path("LAB_NVME_CHAR"), "/dev/ng%un", &n), 1);
	snprintf(path, sizeof(path), "/dev/nvme%u", n);
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	for (way = 0; way < 2; way++) {
		oring_file file = by(&drive.rig, way, fd);
		uint64_t before = threshold(&drive, file, NVME_GET_FEATURES, 0);
		uint32_t wanted = 0x155 + (uint32_t)way;

		cr_assert_neq(before, wanted);
		threshold(&drive, file, NVME_SET_FEATURES, wanted);
		cr_assert_eq(threshold(&drive, file, NVME_GET_FEATURES, 0), wanted);
		threshold(&drive, file, NVME_SET_FEATURES, (uint32_t)before);
	}
	close(fd);
	close_drive(&drive);
}

/* ---- protection information ---- */

#define PI_GUARD     (1U << 0) /* IO_INTEGRITY_CHK_* of linux/fs.h */
#define PI_REFTAG    (1U << 1)
#define PI_APPTAG    (1U << 2)
#define PI_BLOCK     512
#define PI_BLOCKS    4
#define PI_FIRST     2048 /* the block that the tests begin at */
#define PI_APP_VALUE 0xa55a

/* What stands beside each block: big-endian. */
struct pi_tuple {
	uint8_t guard[2], app[2], ref[4];
};

static unsigned char pi_data[PI_BLOCKS * PI_BLOCK] __attribute__((aligned(4096)));
static struct pi_tuple pi_tuples[PI_BLOCKS] __attribute__((aligned(4096)));

/* CRC-16 of T10 DIF: polynomial 0x8bb7. */
static unsigned crc_of(const unsigned char *bytes, size_t len)
{
	unsigned crc = 0;
	int bit;

	while (len-- > 0) {
		crc ^= (unsigned)*bytes++ << 8;
		for (bit = 0; bit < 8; bit++)
			crc = (crc << 1 ^ (crc & 0x8000 ? 0x8bb7 : 0)) & 0xffff;
	}
	return crc;
}

static void protect(uint32_t first)
{
	uint32_t i;

	for (i = 0; i < PI_BLOCKS; i++) {
		unsigned crc = crc_of(pi_data + (size_t)i * PI_BLOCK, PI_BLOCK);
		uint32_t ref = first + i;
		struct pi_tuple tuple = {
			{ (uint8_t)(crc >> 8), (uint8_t)crc },
			{ PI_APP_VALUE >> 8, PI_APP_VALUE & 0xff },
			{ (uint8_t)(ref >> 24), (uint8_t)(ref >> 16), (uint8_t)(ref >> 8),
			  (uint8_t)ref },
		};

		pi_tuples[i] = tuple;
	}
}

static void fill_protected(size_t place)
{
	size_t i;

	for (i = 0; i < sizeof(pi_data); i++)
		pi_data[i] = pattern_at(place + i);
}

/* The result of a write or a read of all blocks, with what is in pi_data and pi_tuples. */
static int with_pi(struct rig *rig, oring_file file, bool is_write, uint16_t flags, uint16_t app)
{
	static struct oring_attr_pi pi;
	struct oring_sqe *sqe = rig_sqe(rig);

	memset(&pi, 0, sizeof(pi));
	pi.flags = flags;
	pi.app_tag = app;
	pi.len = sizeof(pi_tuples);
	pi.addr = (uint64_t)(uintptr_t)pi_tuples;
	pi.seed = PI_FIRST;
	if (is_write)
		oring_prep_write(sqe, file, pi_data, sizeof(pi_data), PI_FIRST * PI_BLOCK);
	else
		oring_prep_read(sqe, file, pi_data, sizeof(pi_data), PI_FIRST * PI_BLOCK);
	oring_sqe_set_attr_pi(sqe, &pi);
	return rig_result(rig);
}

#define PI_ALL (PI_GUARD | PI_REFTAG | PI_APPTAG)

RING_TEST(prep, protection_information)
{
	int fd, way;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RW_ATTR);
	fd = open_direct(lab_path("LAB_NVME_PI"));
	for (way = 0; way < 2; way++) {
		size_t place = 13 * (size_t)rig->shape + 500 * (size_t)way;
		oring_file file = by(rig, way, fd);
		struct pi_tuple written[PI_BLOCKS];

		fill_protected(place);
		protect(PI_FIRST);
		memcpy(written, pi_tuples, sizeof(written));
		cr_assert_eq(with_pi(rig, file, true, PI_ALL, PI_APP_VALUE), sizeof(pi_data));
		memset(pi_data, 0xee, sizeof(pi_data));
		memset(pi_tuples, 0xee, sizeof(pi_tuples));
		cr_assert_eq(with_pi(rig, file, false, PI_ALL, PI_APP_VALUE), sizeof(pi_data));
		cr_assert(is_pattern(pi_data, sizeof(pi_data), place));
		cr_assert_eq(memcmp(pi_tuples, written, sizeof(written)), 0);
		memset(pi_data, 0xee, sizeof(pi_data));
		cr_assert_eq(pread(fd, pi_data, sizeof(pi_data), PI_FIRST * PI_BLOCK),
			     sizeof(pi_data), "and without the ring");
		cr_assert(is_pattern(pi_data, sizeof(pi_data), place));
		cr_assert_eq(with_pi(rig, file, false, PI_APPTAG, PI_APP_VALUE + 1), -EILSEQ,
			     "another tag than was written");
	}
	close(fd);
}

RING_TEST_ON_SOME(prep, protection_information_that_is_wrong)
{
	/* Nothing is written. */
	int fd, way, i;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RW_ATTR);
	fd = open_direct(lab_path("LAB_NVME_PI"));
	for (way = 0; way < 2; way++) {
		oring_file file = by(rig, way, fd);
		int res;

		fill_protected(0);
		protect(PI_FIRST);
		cr_assert_eq(with_pi(rig, file, true, PI_ALL, PI_APP_VALUE), sizeof(pi_data));
		fill_protected(4000);
		for (i = 0; i < 2; i++) {
			protect(i == 0 ? PI_FIRST : PI_FIRST + 1);
			if (i == 0)
				pi_tuples[2].guard[1] ^= 1;
			res = with_pi(rig, file, true, i == 0 ? PI_GUARD : PI_REFTAG, 0);
			cr_assert_eq(res, -EILSEQ, "%s: %d", i == 0 ? "guard" : "reftag", res);
		}
		cr_assert_eq(pread(fd, pi_data, sizeof(pi_data), PI_FIRST * PI_BLOCK),
			     sizeof(pi_data));
		cr_assert(is_pattern(pi_data, sizeof(pi_data), 0));
	}
	close(fd);
}

RING_TEST_ON_SOME(prep, protection_information_elsewhere)
{
	int fd = pattern_file(100);

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RW_ATTR);
	cr_assert_eq(with_pi(rig, oring_file_fd(fd), false, PI_GUARD, 0), -EINVAL);
	cr_assert_eq(with_pi(rig, by(rig, 1, fd), true, PI_GUARD, 0), -EINVAL);
	close(fd);
}

/* ---- a command that fills buffers: a block device that is served by this process ---- */

/* What linux/ublk_cmd.h has since 7.0. */
#define UBLK_BATCH_IO	       (UINT64_C(1) << 15) /* features of a device */
#define UBLK_NO_PARTITION_SCAN (UINT64_C(1) << 18)
#define UBLK_HAS_ADDR	       2 /* elements have one */
#define UBLK_GET_FEATURES      _IOR('u', 0x13, struct ublksrv_ctrl_cmd)
#define UBLK_CONTROL(command)  _IOWR('u', command, struct ublksrv_ctrl_cmd)
#define UBLK_PREPARE	       _IOWR('u', 0x25, struct ublk_batch)
#define UBLK_COMMIT	       _IOWR('u', 0x26, struct ublk_batch)
#define UBLK_FETCH	       _IOWR('u', 0x27, struct ublk_batch)

struct ublk_batch {
	uint16_t queue, flags, count;
	uint8_t element_bytes, reserved;
	uint64_t reserved2;
};

struct ublk_element {
	uint16_t tag, buf_index;
	int32_t result;
	uint64_t addr;
};

#define UBLK_DEPTH	 4
#define UBLK_IO_BYTES	 65536
#define UBLK_SECTORS	 2048
#define UBLK_GROUP	 9
#define UBLK_BUFFERS	 16
#define UBLK_BUFFER_SIZE 64

static unsigned char ublk_data[UBLK_DEPTH][UBLK_IO_BYTES] __attribute__((aligned(4096)));
static struct ublk_element ublk_elements[UBLK_DEPTH];
static uint16_t ublk_tags[UBLK_BUFFERS][UBLK_BUFFER_SIZE / sizeof(uint16_t)];
static struct oring_buf ublk_ring[UBLK_BUFFERS] __attribute__((aligned(4096)));

struct served {
	struct rig rig; /* with large entries, which controls need */
	int control, fd;
	uint32_t number;
	const struct ublksrv_io_desc *requests;
	oring_file file;
	uint64_t fetch; /* identity of the fetch command */
	int fetched;	/* its completions with buffers */
	bool over;	/* it completed for the last time */
};

/* Without waiting; the completion has the identity that is returned. */
static uint64_t give_control(struct served *served, uint32_t op, void *addr, uint16_t len,
			     uint64_t data)
{
	struct oring_sqe128 *sqe = big_sqe(&served->rig);
	struct ublksrv_ctrl_cmd cmd;

	memset(&cmd, 0, sizeof(cmd));
	cmd.dev_id = served->number;
	cmd.queue_id = (uint16_t)-1;
	cmd.addr = (uint64_t)(uintptr_t)addr;
	cmd.len = len;
	cmd.data[0] = data;
	oring_prep_uring_cmd(&sqe->sqe, oring_file_fd(served->control), op);
	memcpy(oring_sqe128_cmd(sqe), &cmd, sizeof(cmd));
	return served->rig.next_id - 1;
}

static int control(struct served *served, uint32_t op, void *addr, uint16_t len)
{
	give_control(served, op, addr, len, 0);
	return rig_result(&served->rig);
}

/* Give the first @count of ublk_elements to the device. */
static void give_batch(struct served *served, uint32_t op, uint16_t count)
{
	struct ublk_batch batch = { 0, UBLK_HAS_ADDR, count, sizeof(struct ublk_element), 0, 0 };
	struct oring_sqe128 *sqe = big_sqe(&served->rig);

	oring_prep_uring_cmd(&sqe->sqe, served->file, op);
	sqe->sqe.addr = (uint64_t)(uintptr_t)ublk_elements;
	sqe->sqe.len = count * (uint32_t)sizeof(struct ublk_element);
	memcpy(oring_sqe128_cmd(sqe), &batch, sizeof(batch));
}

static void give_fetch(struct served *served)
{
	struct ublk_batch batch = { 0, 0, 0, sizeof(uint16_t), 0, 0 };
	struct oring_sqe128 *sqe = big_sqe(&served->rig);

	oring_prep_uring_cmd_multishot(&sqe->sqe, served->file, UBLK_FETCH);
	oring_sqe_buffer_select(&sqe->sqe, UBLK_GROUP);
	memcpy(oring_sqe128_cmd(sqe), &batch, sizeof(batch));
	served->fetch = served->rig.next_id - 1;
}

static void add_buffers(struct rig *rig)
{
	struct oring_buf_reg reg;
	uint16_t i;

	memset(&reg, 0, sizeof(reg));
	memset(ublk_ring, 0, sizeof(ublk_ring));
	reg.ring_addr = (uint64_t)(uintptr_t)ublk_ring;
	reg.ring_entries = UBLK_BUFFERS;
	reg.bgid = UBLK_GROUP;
	cr_assert_eq(oring_register_pbuf_ring(&rig->ring, &reg), 0);
	for (i = 0; i < UBLK_BUFFERS - 1; i++) {
		ublk_ring[i].addr = (uint64_t)(uintptr_t)ublk_tags[i];
		ublk_ring[i].len = UBLK_BUFFER_SIZE;
		ublk_ring[i].bid = i;
	}
	/* The tail of the ring is where an entry has its last two bytes. */
	oring_store_release16((uint16_t *)(void *)((char *)ublk_ring + 14), UBLK_BUFFERS - 1);
}

/* A device of one queue, whose commands may be given; skips where ublk has no such commands. */
static void add_device(struct served *served, struct rig *rig)
{
	static struct ublksrv_ctrl_dev_info info;
	static struct ublk_params params;
	static uint64_t features;

	memset(served, 0, sizeof(*served));
	served->control = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (served->control < 0)
		cr_skip_test("/dev/ublk-control: %s", strerror(errno));
	make_big(&served->rig, rig, ORING_SETUP_SQE128);
	served->number = (uint32_t)-1;
	features = 0;
	control(served, UBLK_GET_FEATURES, &features, sizeof(features));
	if (!(features & UBLK_BATCH_IO))
		cr_skip_test("ublk's commands for batches: not on this kernel");
	memset(&info, 0, sizeof(info));
	info.nr_hw_queues = 1;
	info.queue_depth = UBLK_DEPTH;
	info.max_io_buf_bytes = UBLK_IO_BYTES;
	info.dev_id = (uint32_t)-1;
	info.flags = UBLK_BATCH_IO | UBLK_NO_PARTITION_SCAN;
	cr_assert_eq(control(served, UBLK_CONTROL(UBLK_CMD_ADD_DEV), &info, sizeof(info)), 0);
	served->number = info.dev_id;
	memset(&params, 0, sizeof(params));
	params.len = sizeof(params);
	params.types = UBLK_PARAM_TYPE_BASIC;
	params.basic.logical_bs_shift = 9;
	params.basic.physical_bs_shift = 12;
	params.basic.io_opt_shift = 12;
	params.basic.io_min_shift = 9;
	params.basic.max_sectors = UBLK_IO_BYTES / 512;
	params.basic.dev_sectors = UBLK_SECTORS;
	cr_assert_eq(control(served, UBLK_CONTROL(UBLK_CMD_SET_PARAMS), &params, sizeof(params)),
		     0);
}

/* Prepare all requests of the device and begin to fetch them. */
static void open_device(struct served *served, int way)
{
	char path[32];
	uint16_t i;

	snprintf(path, sizeof(path), "/dev/ublkc%u", served->number);
	served->fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_geq(served->fd, 0, "%s: %s", path, strerror(errno));
	served->requests = mmap(NULL, 4096, PROT_READ, MAP_SHARED, served->fd, 0);
	cr_assert_neq(served->requests, MAP_FAILED);
	served->file = by(&served->rig, way, served->fd);
	for (i = 0; i < UBLK_DEPTH; i++) {
		struct ublk_element element = { i, 0, 0, (uint64_t)(uintptr_t)ublk_data[i] };

		ublk_elements[i] = element;
	}
	give_batch(served, UBLK_PREPARE, UBLK_DEPTH);
	cr_assert_eq(rig_result(&served->rig), 0);
	add_buffers(&served->rig);
	give_fetch(served);
}

/* A read of the device: the pattern, each byte by its place. */
static void answer(struct served *served, uint16_t tag)
{
	const struct ublksrv_io_desc *request = &served->requests[tag];
	uint32_t len = request->nr_sectors * 512, i;
	struct ublk_element element = { tag, 0, (int32_t)len, (uint64_t)(uintptr_t)ublk_data[tag] };

	cr_assert_eq(request->op_flags & 0xff, UBLK_IO_OP_READ);
	cr_assert_leq(len, UBLK_IO_BYTES);
	for (i = 0; i < len; i++)
		ublk_data[tag][i] = pattern_at(request->start_sector * 512 + i);
	ublk_elements[0] = element;
	give_batch(served, UBLK_COMMIT, 1);
	cr_assert_geq(oring_submit(&served->rig.ring), 0);
}

static void take_fetched(struct served *served, const struct oring_cqe *cqe)
{
	const uint16_t *tags;
	int i;

	if (!oring_cqe_has_more(cqe)) {
		cr_assert_lt(cqe->res, 0);
		served->over = true;
		return;
	}
	cr_assert(oring_cqe_has_buffer(cqe));
	cr_assert_lt(oring_cqe_buffer_id(cqe), UBLK_BUFFERS - 1);
	cr_assert_eq(cqe->res, sizeof(uint16_t), "one request at a time");
	served->fetched++;
	tags = ublk_tags[oring_cqe_buffer_id(cqe)];
	for (i = 0; i < cqe->res / (int)sizeof(uint16_t); i++) {
		cr_assert_lt(tags[i], UBLK_DEPTH);
		answer(served, tags[i]);
	}
}

/* Serve until the entry with identity @id completes, or the process @child ends, with success. */
static void serve(struct served *served, uint64_t id, pid_t child)
{
	int tries, status;

	for (tries = 0; tries < 2500; tries++) {
		struct oring_cqe cqe;

		cr_assert_geq(oring_submit_and_wait(&served->rig.ring, 0), 0);
		while (oring_cq_copy(&served->rig.ring, &cqe, 1) == 1) {
			if (cqe.user_data == served->fetch) {
				take_fetched(served, &cqe);
			} else if (cqe.user_data == id) {
				cr_assert_eq(cqe.res, 0);
				return;
			} else {
				cr_assert_eq(cqe.res, sizeof(struct ublk_element), "a commit");
			}
		}
		if (child > 0 && waitpid(child, &status, WNOHANG) == child) {
			cr_assert_eq(status, 0, "the reader says %#x", status);
			return;
		}
		usleep(2000);
	}
	cr_assert_fail("the device hangs");
}

/* Another process, which reads two parts of the device, one after the other. */
static pid_t reader(uint32_t number)
{
	static unsigned char block[4096] __attribute__((aligned(4096)));
	pid_t child = fork();
	char path[32];
	int fd, i;

	cr_assert_geq(child, 0);
	if (child > 0)
		return child;
	snprintf(path, sizeof(path), "/dev/ublkb%u", number);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		_exit(1);
	for (i = 1; i <= 2; i++) {
		if (pread(fd, block, sizeof(block), i * 8192) != sizeof(block) ||
		    !is_pattern(block, sizeof(block), (size_t)i * 8192))
			_exit(1 + i);
	}
	_exit(0);
}

static void prep_uring_cmd_multishot_into_buffers(struct rig *rig);
RING_TEST_ON(prep, uring_cmd_multishot_into_buffers, plain)
RING_TEST_ON(prep, uring_cmd_multishot_into_buffers, defer_taskrun)
static void prep_uring_cmd_multishot_into_buffers(struct rig *rig)
{
	int way, tries;

	REQUIRE_OP(rig, ORING_OP_URING_CMD);
	for (way = 0; way < 2; way++) {
		struct served served;

		add_device(&served, rig);
		open_device(&served, way);
		serve(&served,
		      give_control(&served, UBLK_CONTROL(UBLK_CMD_START_DEV), NULL, 0,
				   (uint64_t)getpid()),
		      0);
		serve(&served, UINT64_MAX, reader(served.number));
		cr_assert_geq(served.fetched, 2);
		cr_assert_not(served.over);
		serve(&served, give_control(&served, UBLK_CONTROL(UBLK_CMD_STOP_DEV), NULL, 0, 0),
		      0);
		for (tries = 0; tries < 10 && !served.over; tries++)
			served.over = rig_reap(&served.rig).user_data == served.fetch;
		cr_assert(served.over, "the fetch ends with the device");
		if (way == 1)
			cr_assert_eq(oring_unregister_files(&served.rig.ring), 0);
		munmap((void *)(uintptr_t)served.requests, 4096);
		close(served.fd);
		cr_assert_eq(control(&served, UBLK_CONTROL(UBLK_CMD_DEL_DEV), NULL, 0), 0);
		close(served.control);
		cr_assert_eq(oring_exit(&served.rig.ring), 0);
	}
}
