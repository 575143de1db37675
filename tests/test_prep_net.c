/* SPDX-License-Identifier: MIT */
/*
 * Operations on sockets: what arrived at the peer, seen without the ring.
 *
 * Where a row takes a socket, the test runs twice: with a descriptor and with
 * a registered slot whose number is no open descriptor.
 */
#include "sockets.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SLOTS 640 /* in a table; slots from 600 on are no descriptors */
#define SLOT  600

/* A table of @count empty slots in place of what there was. */
static void make_table(struct rig *rig, uint32_t count)
{
	int32_t empty[SLOTS];
	int ret;

	memset(empty, 0xff, sizeof(empty));
	ret = oring_unregister_files(&rig->ring);
	cr_assert(ret == 0 || ret == -ENXIO);
	cr_assert_eq(oring_register_files(&rig->ring, empty, count), 0);
}

/* The file of @fd: as a descriptor the first time, in a slot the second. */
static oring_file by(struct rig *rig, int way, int fd)
{
	uint32_t slot = SLOT;
	int ret;

	if (way == 0)
		return oring_file_fd(fd);
	ret = oring_register_files_update(&rig->ring, slot, &fd, 1);
	if (ret == -ENXIO) {
		make_table(rig, SLOTS);
		ret = oring_register_files_update(&rig->ring, slot, &fd, 1);
	}
	cr_assert_eq(ret, 1, "slot %u: %s", slot, strerror(-ret));
	return oring_file_slot(slot);
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

static bool same_name(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_family == b->sin_family && a->sin_port == b->sin_port &&
	       a->sin_addr.s_addr == b->sin_addr.s_addr;
}

static void make_pair(int type, int pair[2])
{
	cr_assert_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
}

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

static int option_of(int sock, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	cr_assert_eq(getsockopt(sock, level, option, &value, &len), 0);
	return value;
}

RING_TEST(prep, socket)
{
	static const struct {
		int domain, type, flags, protocol;
	} kinds[] = {
		{ AF_INET, SOCK_STREAM, SOCK_CLOEXEC, IPPROTO_TCP },
		{ AF_INET, SOCK_DGRAM, SOCK_NONBLOCK, IPPROTO_UDP },
		{ AF_UNIX, SOCK_SEQPACKET, SOCK_CLOEXEC | SOCK_NONBLOCK, 0 },
		{ AF_UNIX, SOCK_STREAM, 0, 0 },
	};
	size_t i;

	REQUIRE_OP(rig, ORING_OP_SOCKET);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int flags = kinds[i].flags;
		int sock;

		oring_prep_socket(rig_sqe(rig), kinds[i].domain, kinds[i].type | flags,
				  kinds[i].protocol);
		sock = rig_result(rig);
		cr_assert_geq(sock, 0, "%s", strerror(-sock));
		cr_assert_eq(option_of(sock, SOL_SOCKET, SO_DOMAIN), kinds[i].domain);
		cr_assert_eq(option_of(sock, SOL_SOCKET, SO_TYPE), kinds[i].type);
		cr_assert_eq(option_of(sock, SOL_SOCKET, SO_PROTOCOL), kinds[i].protocol);
		cr_assert_eq(fcntl(sock, F_GETFD), flags & SOCK_CLOEXEC ? FD_CLOEXEC : 0);
		cr_assert_eq((fcntl(sock, F_GETFL) & O_NONBLOCK) != 0,
			     (flags & SOCK_NONBLOCK) != 0);
		close(sock);
	}
	oring_prep_socket(rig_sqe(rig), AF_INET, SOCK_STREAM, IPPROTO_UDP);
	cr_assert_eq(rig_result(rig), -EPROTONOSUPPORT);
}

/* Whether slot @slot is a datagram socket of AF_INET: one byte goes to a plain one. */
static int sends_datagrams(struct rig *rig, uint32_t slot)
{
	struct sockaddr_in address;
	int receiver = local_socket(SOCK_DGRAM, &address);
	char byte = 0;
	int ret;

	oring_prep_connect(rig_sqe(rig), oring_file_slot(slot), (struct sockaddr *)&address,
			   sizeof(address));
	ret = rig_result(rig);
	if (ret == 0) {
		oring_prep_send(rig_sqe(rig), oring_file_slot(slot), "!", 1, 0);
		cr_assert_eq(rig_result(rig), 1);
		cr_assert_eq(recv(receiver, &byte, 1, 0), 1);
		cr_assert_eq(byte, '!');
	}
	close(receiver);
	return ret;
}

RING_TEST(prep, socket_direct)
{
	/* A23 */
	int open_before;
	uint32_t i;

	REQUIRE_OP(rig, ORING_OP_SOCKET);
	make_table(rig, 5);
	open_before = open_descriptors();
	oring_prep_socket_direct(rig_sqe(rig), AF_INET, SOCK_DGRAM, IPPROTO_UDP, oring_slot_at(3));
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(open_descriptors(), open_before, "no descriptor was made");
	for (i = 0; i < 5; i++)
		cr_assert_eq(sends_datagrams(rig, i), i == 3 ? 0 : -EBADF, "slot %u", i);
	for (i = 0; i < 4; i++) {
		int slot;

		oring_prep_socket_direct(rig_sqe(rig), AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0,
					 ORING_SLOT_ALLOC);
		slot = rig_result(rig);
		cr_assert(slot >= 0 && slot < 5 && slot != 3, "slot %d", slot);
		cr_assert_eq(sends_datagrams(rig, (uint32_t)slot), 0);
	}
	oring_prep_socket_direct(rig_sqe(rig), AF_INET, SOCK_DGRAM, 0, ORING_SLOT_ALLOC);
	cr_assert_eq(rig_result(rig), -ENFILE);
	oring_prep_socket_direct(rig_sqe(rig), AF_INET, SOCK_DGRAM, IPPROTO_TCP, oring_slot_at(3));
	cr_assert_eq(rig_result(rig), -EPROTONOSUPPORT);
	oring_prep_socket_direct(rig_sqe(rig), AF_INET, SOCK_DGRAM, 0, oring_slot_at(5));
	cr_assert_eq(rig_result(rig), -EINVAL, "beyond the table");
}

RING_TEST(prep, socket_direct_refuses_cloexec)
{
	REQUIRE_OP(rig, ORING_OP_SOCKET);
	make_table(rig, 5);
	oring_prep_socket_direct(rig_sqe(rig), AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0,
				 oring_slot_at(3));
	cr_assert_eq(rig_result(rig), -EINVAL);
	oring_prep_socket_direct(rig_sqe(rig), AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0,
				 ORING_SLOT_ALLOC);
	cr_assert_eq(rig_result(rig), -EINVAL);
}

RING_TEST(prep, bind)
{
	int way;

	REQUIRE_OP(rig, ORING_OP_BIND);
	for (way = 0; way < 2; way++) {
		int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct sockaddr_in address = loopback();
		struct sockaddr_in name;

		cr_assert_eq(name_of(sock).sin_port, 0);
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)way);
		oring_prep_bind(rig_sqe(rig), by(rig, way, sock), (struct sockaddr *)&address,
				sizeof(address));
		cr_assert_eq(rig_result(rig), 0);
		name = name_of(sock);
		cr_assert_eq(name.sin_addr.s_addr, address.sin_addr.s_addr);
		cr_assert_neq(name.sin_port, 0);
		oring_prep_bind(rig_sqe(rig), by(rig, way, sock), (struct sockaddr *)&address,
				sizeof(address));
		cr_assert_eq(rig_result(rig), -EINVAL, "it has one");
		close(sock);

		sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		oring_prep_bind(rig_sqe(rig), by(rig, way, sock), (struct sockaddr *)&address,
				sizeof(address) - 9);
		cr_assert_eq(rig_result(rig), -EINVAL, "the length counts");
		close(sock);
	}
}

RING_TEST(prep, listen)
{
	int way;

	REQUIRE_OP(rig, ORING_OP_LISTEN);
	for (way = 0; way < 2; way++) {
		struct sockaddr_in address, other;
		int sock = local_socket(SOCK_STREAM, &address);
		int early = local_socket(SOCK_STREAM, &other);
		struct tcp_info info;
		socklen_t len = sizeof(info);
		int client;

		cr_assert_eq(connect(early, (struct sockaddr *)&address, sizeof(address)), -1);
		cr_assert_eq(errno, ECONNREFUSED);
		oring_prep_listen(rig_sqe(rig), by(rig, way, sock), 7);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(option_of(sock, SOL_SOCKET, SO_ACCEPTCONN), 1);
		/* Of a listener, this field is the limit of its queue. */
		cr_assert_eq(getsockopt(sock, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
		cr_assert_eq(info.tcpi_sacked, 7);
		client = client_of(&address);
		close(client);
		close(early);
		close(sock);
	}
}

RING_TEST(prep, accept)
{
	/* B13: the address is the client's. */
	int way;

	for (way = 0; way < 2; way++) {
		static struct sockaddr_in peer;
		static uint32_t peer_len;
		struct sockaddr_in address, name;
		int listener = listening_socket(&address);
		int client, sock;

		/* Nobody is there yet. */
		memset(&peer, 0xee, sizeof(peer));
		peer_len = sizeof(peer);
		oring_prep_accept(rig_sqe(rig), by(rig, way, listener), (struct sockaddr *)&peer,
				  &peer_len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		issue(rig);
		client = client_of(&address);
		sock = rig_result(rig);
		cr_assert_geq(sock, 0, "%s", strerror(-sock));
		cr_assert_eq(peer_len, sizeof(peer));
		name = name_of(client);
		cr_assert(same_name(&peer, &name));
		cr_assert_eq(fcntl(sock, F_GETFD), FD_CLOEXEC);
		cr_assert(fcntl(sock, F_GETFL) & O_NONBLOCK);
		close(sock);
		close(client);

		/* One waits already; no address, no flags. */
		client = client_of(&address);
		oring_prep_accept(rig_sqe(rig), by(rig, way, listener), NULL, NULL, 0);
		sock = rig_result(rig);
		cr_assert_geq(sock, 0, "%s", strerror(-sock));
		cr_assert_eq(fcntl(sock, F_GETFD), 0);
		cr_assert_not(fcntl(sock, F_GETFL) & O_NONBLOCK);
		cr_assert_eq(send(client, "x", 1, MSG_NOSIGNAL), 1);
		cr_assert_eq(shutdown(client, SHUT_WR), 0);
		{
			char buf[4];

			cr_assert_eq(recv(sock, buf, 4, MSG_WAITALL), 1, "it is this client");
			cr_assert_eq(buf[0], 'x');
		}
		close(sock);
		close(client);
		close(listener);
	}
}

RING_TEST(prep, accept_keeps_to_the_room)
{
	/* An address that does not fit is cut, and its length told. */
	static unsigned char room[16];
	static uint32_t room_len = 4;
	struct sockaddr_in address;
	int listener = listening_socket(&address);
	int client = client_of(&address);
	int sock;

	memset(room, 0xee, sizeof(room));
	oring_prep_accept(rig_sqe(rig), oring_file_fd(listener), (struct sockaddr *)room, &room_len,
			  0);
	sock = rig_result(rig);
	cr_assert_geq(sock, 0, "%s", strerror(-sock));
	cr_assert_eq(room_len, sizeof(address));
	cr_assert_eq(room[0], AF_INET);
	cr_assert_eq(room[4], 0xee, "no byte behind");
	close(sock);
	close(client);
	close(listener);
}

RING_TEST(prep, accept_direct)
{
	int way;

	for (way = 0; way < 2; way++) {
		static struct sockaddr_in peer;
		static uint32_t peer_len;
		struct sockaddr_in address, name;
		int listener = listening_socket(&address);
		oring_file file = by(rig, way, listener);
		int client, slot, open_before;

		if (way == 0)
			make_table(rig, SLOTS);
		client = client_of(&address);
		open_before = open_descriptors();
		peer_len = sizeof(peer);
		memset(&peer, 0xee, sizeof(peer));
		oring_prep_accept_direct(rig_sqe(rig), file, (struct sockaddr *)&peer, &peer_len,
					 SOCK_NONBLOCK, oring_slot_at(3));
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(open_descriptors(), open_before, "no descriptor was made");
		name = name_of(client);
		cr_assert(same_name(&peer, &name));
		oring_prep_send(rig_sqe(rig), oring_file_slot(3), "three", 5, 0);
		cr_assert_eq(rig_result(rig), 5);
		{
			char buf[8];

			cr_assert_eq(recv(client, buf, sizeof(buf), 0), 5);
			cr_assert_eq(memcmp(buf, "three", 5), 0);
		}
		close(client);

		client = client_of(&address);
		oring_prep_accept_direct(rig_sqe(rig), file, NULL, NULL, 0, ORING_SLOT_ALLOC);
		slot = rig_result(rig);
		SKIP_IF_REFUSED(slot, "a slot of the kernel's choice");
		cr_assert(slot >= 0 && slot < SLOTS && slot != 3, "slot %d", slot);
		oring_prep_send(rig_sqe(rig), oring_file_slot((uint32_t)slot), "free", 4, 0);
		cr_assert_eq(rig_result(rig), 4);
		{
			char buf[8];

			cr_assert_eq(recv(client, buf, sizeof(buf), 0), 4);
			cr_assert_eq(memcmp(buf, "free", 4), 0);
		}
		/* The connection ends when the slot is emptied: nothing else holds it. */
		oring_prep_close(rig_sqe(rig), oring_file_slot((uint32_t)slot));
		cr_assert_eq(rig_result(rig), 0);
		{
			char byte;

			cr_assert_eq(recv(client, &byte, 1, 0), 0);
		}
		close(client);
		oring_prep_accept_direct(rig_sqe(rig), file, NULL, NULL, SOCK_CLOEXEC,
					 oring_slot_at(4));
		cr_assert_eq(rig_result(rig), -EINVAL, "a slot is not inherited");
		close(listener);
	}
}

RING_TEST(prep, accept_direct_without_a_free_slot)
{
	int fds[2] = { 0, 0 };
	struct sockaddr_in address;
	int listener = listening_socket(&address);
	int client = client_of(&address);

	/* The choice of a slot came with this operation; 5.10 ignores slots here. */
	REQUIRE_OP(rig, ORING_OP_SOCKET);
	fds[0] = listener;
	fds[1] = client;
	cr_assert_eq(oring_register_files(&rig->ring, fds, 2), 0);
	oring_prep_accept_direct(rig_sqe(rig), oring_file_slot(0), NULL, NULL, 0, ORING_SLOT_ALLOC);
	cr_assert_eq(rig_result(rig), -ENFILE);
	close(client);
	close(listener);
}

RING_TEST(prep, connect)
{
	int way;

	for (way = 0; way < 2; way++) {
		struct sockaddr_in address, own, name;
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);
		int listener = listening_socket(&address);
		int client = local_socket(SOCK_STREAM, &own);
		struct oring_sqe *sqe = rig_sqe(rig);
		struct oring_cqe cqe;
		int sock;

		oring_prep_connect(sqe, by(rig, way, client), (struct sockaddr *)&address,
				   sizeof(address));
		oring_sqe_set_user_data(sqe, 42); /* B14 */
		cqe = rig_reap(rig);
		cr_assert_eq(cqe.user_data, 42);
		cr_assert_eq(cqe.res, 0);
		sock = accept(listener, (struct sockaddr *)&peer, &len);
		cr_assert_geq(sock, 0);
		name = name_of(client);
		cr_assert(same_name(&peer, &name));
		cr_assert_eq(send(client, "hi", 2, MSG_NOSIGNAL), 2);
		{
			char buf[4];

			cr_assert_eq(recv(sock, buf, 4, 0), 2);
		}
		close(sock);
		close(client);
		close(listener);

		/* Bound, but nobody listens there; an address that is cut short. */
		listener = local_socket(SOCK_STREAM, &address);
		client = local_socket(SOCK_STREAM, &own);
		oring_prep_connect(rig_sqe(rig), by(rig, way, client), (struct sockaddr *)&address,
				   sizeof(address));
		cr_assert_eq(rig_result(rig), -ECONNREFUSED);
		oring_prep_connect(rig_sqe(rig), by(rig, way, client), (struct sockaddr *)&address,
				   1);
		cr_assert_eq(rig_result(rig), -EINVAL);
		close(client);
		close(listener);
	}
}

RING_TEST(prep, shutdown)
{
	int way;

	REQUIRE_OP(rig, ORING_OP_SHUTDOWN);
	for (way = 0; way < 2; way++) {
		char buf[4];
		int pair[2], sock;

		make_pair(SOCK_STREAM, pair);
		oring_prep_shutdown(rig_sqe(rig), by(rig, way, pair[0]), SHUT_WR);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(recv(pair[1], buf, 4, 0), 0, "this direction ended");
		cr_assert_eq(send(pair[1], "back", 4, MSG_NOSIGNAL), 4, "that one did not");
		cr_assert_eq(recv(pair[0], buf, 4, 0), 4);
		oring_prep_shutdown(rig_sqe(rig), by(rig, way, pair[0]), SHUT_RD);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(send(pair[1], "back", 4, MSG_NOSIGNAL), -1);
		cr_assert_eq(errno, EPIPE);
		close_pair(pair);

		make_pair(SOCK_STREAM, pair);
		oring_prep_shutdown(rig_sqe(rig), by(rig, way, pair[0]), SHUT_RDWR);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(recv(pair[1], buf, 4, 0), 0);
		cr_assert_eq(recv(pair[0], buf, 4, 0), 0);
		oring_prep_shutdown(rig_sqe(rig), by(rig, way, pair[0]), 3);
		cr_assert_eq(rig_result(rig), -EINVAL);
		close_pair(pair);

		sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		oring_prep_shutdown(rig_sqe(rig), by(rig, way, sock), SHUT_WR);
		cr_assert_eq(rig_result(rig), -ENOTCONN);
		close(sock);
	}
}

RING_TEST(prep, send)
{
	int way;

	for (way = 0; way < 2; way++) {
		char buf[16];
		int pair[2];

		make_pair(SOCK_STREAM, pair);
		oring_prep_send(rig_sqe(rig), by(rig, way, pair[0]), "a message, cut", 9, 0);
		cr_assert_eq(rig_result(rig), 9);
		cr_assert_eq(recv(pair[1], buf, sizeof(buf), 0), 9);
		cr_assert_eq(memcmp(buf, "a message", 9), 0);
		close(pair[1]);
		oring_prep_send(rig_sqe(rig), by(rig, way, pair[0]), "more", 4, MSG_NOSIGNAL);
		cr_assert_eq(rig_result(rig), -EPIPE);
		close(pair[0]);
	}
}

RING_TEST(prep, send_flags)
{
	int way;

	for (way = 0; way < 2; way++) {
		char byte = 0;
		int pair[2];

		make_tcp_pair(pair);
		oring_prep_send(rig_sqe(rig), by(rig, way, pair[0]), "u", 1, MSG_OOB);
		cr_assert_eq(rig_result(rig), 1);
		{
			struct pollfd urgent = { .fd = pair[1], .events = POLLPRI };

			cr_assert_eq(poll(&urgent, 1, 10000), 1, "it is urgent data");
		}
		cr_assert_eq(recv(pair[1], &byte, 1, MSG_OOB), 1);
		cr_assert_eq(byte, 'u');
		close_pair(pair);
	}
}

RING_TEST(prep, recv)
{
	int way;

	for (way = 0; way < 2; way++) {
		static char buf[4096];
		int pair[2];
		oring_file file;

		make_pair(SOCK_STREAM, pair);
		file = by(rig, way, pair[1]);
		/* A39: without flags a short message completes at once. */
		memset(buf, 0xee, sizeof(buf));
		oring_prep_recv(rig_sqe(rig), file, buf, sizeof(buf), 0);
		issue(rig);
		cr_assert_eq(send(pair[0], "short", 5, 0), 5);
		cr_assert_eq(rig_result(rig), 5);
		cr_assert_eq(memcmp(buf, "short\xee", 6), 0);
		/* Not more than asked. */
		cr_assert_eq(send(pair[0], "longer", 6, 0), 6);
		oring_prep_recv(rig_sqe(rig), file, buf, 4, 0);
		cr_assert_eq(rig_result(rig), 4);
		oring_prep_recv(rig_sqe(rig), file, buf + 4, 4, 0);
		cr_assert_eq(rig_result(rig), 2);
		cr_assert_eq(memcmp(buf, "longer", 6), 0);
		close(pair[0]);
		oring_prep_recv(rig_sqe(rig), file, buf, 4, 0);
		cr_assert_eq(rig_result(rig), 0, "the peer has ended");
		close(pair[1]);
	}
}

RING_TEST(prep, recv_flags)
{
	int way;

	for (way = 0; way < 2; way++) {
		static char buf[16];
		int pair[2];
		oring_file file;

		make_pair(SOCK_STREAM, pair);
		file = by(rig, way, pair[1]);
		cr_assert_eq(send(pair[0], "peep", 4, 0), 4);
		oring_prep_recv(rig_sqe(rig), file, buf, sizeof(buf), MSG_PEEK);
		cr_assert_eq(rig_result(rig), 4);
		oring_prep_recv(rig_sqe(rig), file, buf, sizeof(buf), 0);
		cr_assert_eq(rig_result(rig), 4, "it was only looked at");
		/* All that was asked for, or nothing yet. */
		cr_assert_eq(send(pair[0], "first", 5, 0), 5);
		oring_prep_recv(rig_sqe(rig), file, buf, 11, MSG_WAITALL);
		issue(rig);
		usleep(20000);
		cr_assert_eq(oring_get_events(&rig->ring), 0, "a part is not enough");
		cr_assert_eq(send(pair[0], "second", 6, 0), 6);
		cr_assert_eq(rig_result(rig), 11);
		cr_assert_eq(memcmp(buf, "firstsecond", 11), 0);
		close_pair(pair);
	}
}

RING_TEST(prep, sendmsg)
{
	/* Two pieces to an address: a datagram. */
	int way;

	for (way = 0; way < 2; way++) {
		static char hello[] = "hello ", world[] = "world";
		struct iovec iov[] = { { hello, 6 }, { world, 5 } };
		struct sockaddr_in from, to, seen, name;
		int sender = local_socket(SOCK_DGRAM, &from);
		int receiver = local_socket(SOCK_DGRAM, &to);
		socklen_t len = sizeof(seen);
		struct msghdr message;
		char buf[32];

		memset(&message, 0, sizeof(message));
		message.msg_name = &to;
		message.msg_namelen = sizeof(to);
		message.msg_iov = iov;
		message.msg_iovlen = 2;
		oring_prep_sendmsg(rig_sqe(rig), by(rig, way, sender), &message, 0);
		cr_assert_eq(rig_result(rig), 11);
		cr_assert_eq(
			recvfrom(receiver, buf, sizeof(buf), 0, (struct sockaddr *)&seen, &len),
			11);
		cr_assert_eq(memcmp(buf, "hello world", 11), 0);
		name = name_of(sender);
		cr_assert(same_name(&seen, &name));
		close(sender);
		close(receiver);
	}
}

/* Room for control data with one descriptor. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static void put_descriptor(struct msghdr *message, union control *control, int fd)
{
	struct cmsghdr *header;

	memset(control, 0, sizeof(*control));
	message->msg_control = control;
	message->msg_controllen = sizeof(control->room);
	header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
}

/* The descriptor in a received message's control data. */
static int got_descriptor(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd = -1;

	cr_assert_not_null(header);
	cr_assert_eq(header->cmsg_level, SOL_SOCKET);
	cr_assert_eq(header->cmsg_type, SCM_RIGHTS);
	cr_assert_eq(header->cmsg_len, CMSG_LEN(sizeof(int)));
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	cr_assert_geq(fcntl(fd, F_GETFD), 0, "%d is not open", fd);
	return fd;
}

static bool same_file(int a, int b)
{
	struct stat one, two;

	cr_assert_eq(fstat(a, &one), 0);
	cr_assert_eq(fstat(b, &two), 0);
	return one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

RING_TEST(prep, sendmsg_control)
{
	int way;

	for (way = 0; way < 2; way++) {
		static char byte = 'd';
		struct iovec iov = { &byte, 1 };
		int file = pattern_file(10);
		union control control;
		struct msghdr message;
		int pair[2], fd;

		make_pair(SOCK_STREAM, pair);
		memset(&message, 0, sizeof(message));
		message.msg_iov = &iov;
		message.msg_iovlen = 1;
		put_descriptor(&message, &control, file);
		oring_prep_sendmsg(rig_sqe(rig), by(rig, way, pair[0]), &message, 0);
		cr_assert_eq(rig_result(rig), 1);
		memset(&control, 0, sizeof(control));
		cr_assert_eq(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC), 1);
		fd = got_descriptor(&message);
		cr_assert(same_file(fd, file));
		close(fd);
		close(file);
		close_pair(pair);
	}
}

RING_TEST(prep, sendmsg_flags)
{
	int way;

	for (way = 0; way < 2; way++) {
		static char letter = 'v';
		struct iovec iov = { &letter, 1 };
		struct msghdr message;
		struct pollfd urgent;
		char byte = 0;
		int pair[2];

		make_tcp_pair(pair);
		memset(&message, 0, sizeof(message));
		message.msg_iov = &iov;
		message.msg_iovlen = 1;
		oring_prep_sendmsg(rig_sqe(rig), by(rig, way, pair[0]), &message, MSG_OOB);
		cr_assert_eq(rig_result(rig), 1);
		urgent.fd = pair[1];
		urgent.events = POLLPRI;
		cr_assert_eq(poll(&urgent, 1, 10000), 1, "it is urgent data");
		cr_assert_eq(recv(pair[1], &byte, 1, MSG_OOB), 1);
		cr_assert_eq(byte, 'v');
		close_pair(pair);
	}
}

RING_TEST(prep, recvmsg)
{
	/* A38: the sender's address, and flags that tell what was cut. */
	int way;

	for (way = 0; way < 2; way++) {
		static char one[4], two[5];
		static struct iovec iov[2];
		static struct msghdr message;
		static struct sockaddr_in seen;
		struct sockaddr_in from, to;
		int sender = local_socket(SOCK_DGRAM, &from);
		int receiver = local_socket(SOCK_DGRAM, &to);

		iov[0].iov_base = one;
		iov[0].iov_len = sizeof(one);
		iov[1].iov_base = two;
		iov[1].iov_len = sizeof(two);
		memset(&message, 0, sizeof(message));
		memset(&seen, 0xee, sizeof(seen));
		message.msg_name = &seen;
		message.msg_namelen = sizeof(seen);
		message.msg_iov = iov;
		message.msg_iovlen = 2;
		message.msg_flags = -1;
		oring_prep_recvmsg(rig_sqe(rig), by(rig, way, receiver), &message, 0);
		issue(rig);
		cr_assert_eq(sendto(sender, "datagram", 8, 0, (struct sockaddr *)&to, sizeof(to)),
			     8);
		cr_assert_eq(rig_result(rig), 8);
		cr_assert_eq(memcmp(one, "data", 4), 0);
		cr_assert_eq(memcmp(two, "gram", 4), 0);
		cr_assert_eq(message.msg_namelen, sizeof(seen));
		cr_assert(same_name(&seen, &from));
		cr_assert_eq(message.msg_flags, 0);
		cr_assert_eq(message.msg_controllen, 0);

		/* Longer than the room: cut, and said so; with MSG_TRUNC also how long. */
		message.msg_flags = 0;
		cr_assert_eq(sendto(sender, "too long a datagram", 19, 0, (struct sockaddr *)&to,
				    sizeof(to)),
			     19);
		oring_prep_recvmsg(rig_sqe(rig), by(rig, way, receiver), &message, MSG_PEEK);
		cr_assert_eq(rig_result(rig), 9);
		cr_assert_eq(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
		oring_prep_recvmsg(rig_sqe(rig), by(rig, way, receiver), &message, MSG_TRUNC);
		cr_assert_eq(rig_result(rig), 19);
		cr_assert_eq(memcmp(one, "too ", 4), 0);
		cr_assert_eq(memcmp(two, "long ", 5), 0);
		close(sender);
		close(receiver);
	}
}

RING_TEST(prep, recvmsg_control)
{
	/* A38: control bytes, and MSG_CTRUNC where there is no room for them. */
	int way;

	for (way = 0; way < 2; way++) {
		static char byte;
		static struct iovec iov;
		static struct msghdr message;
		static union control control;
		char letter = 'd';
		struct iovec out_iov = { &letter, 1 };
		union control out_control;
		struct msghdr out;
		int file = pattern_file(10);
		int pair[2], fd, i;

		make_pair(SOCK_STREAM, pair);
		memset(&out, 0, sizeof(out));
		out.msg_iov = &out_iov;
		out.msg_iovlen = 1;
		put_descriptor(&out, &out_control, file);
		for (i = 0; i < 2; i++)
			cr_assert_eq(sendmsg(pair[0], &out, 0), 1);

		iov.iov_base = &byte;
		iov.iov_len = 1;
		memset(&message, 0, sizeof(message));
		memset(&control, 0, sizeof(control));
		message.msg_iov = &iov;
		message.msg_iovlen = 1;
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.room);
		oring_prep_recvmsg(rig_sqe(rig), by(rig, way, pair[1]), &message, MSG_CMSG_CLOEXEC);
		cr_assert_eq(rig_result(rig), 1);
		cr_assert_eq(byte, 'd');
		cr_assert_eq(message.msg_flags & MSG_CTRUNC, 0);
		fd = got_descriptor(&message);
		cr_assert(same_file(fd, file));
		cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC, "as the flag asked");
		close(fd);

		message.msg_control = NULL;
		message.msg_controllen = 0;
		message.msg_flags = 0;
		oring_prep_recvmsg(rig_sqe(rig), by(rig, way, pair[1]), &message, 0);
		cr_assert_eq(rig_result(rig), 1);
		cr_assert_eq(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
		close(file);
		close_pair(pair);
	}
}

/* An address without a file, that no other test has. */
static struct sockaddr_un own_address(uint32_t *len)
{
	static int times;
	struct sockaddr_un address;

	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	*len = (uint32_t)offsetof(struct sockaddr_un, sun_path) + 1 +
	       (uint32_t)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
				  "oring-test-%d-%d", (int)getpid(), times++);
	return address;
}

RING_TEST(prep, socket_direct_lives_by_slots)
{
	int tries, result = 0;
	/* A22: a whole connection without a descriptor: listener 3, client 1, server 4. */
	const oring_file listener = oring_file_slot(3);
	const oring_file client = oring_file_slot(1);
	const oring_file server = oring_file_slot(4);
	static char buf[32];
	struct sockaddr_un address;
	uint64_t accept_id;
	uint32_t len;
	int open_before;

	REQUIRE_OP(rig, ORING_OP_BIND);
	REQUIRE_OP(rig, ORING_OP_LISTEN);
	make_table(rig, 5);
	address = own_address(&len);
	open_before = open_descriptors();
	oring_prep_socket_direct(rig_sqe(rig), AF_UNIX, SOCK_STREAM, 0, oring_slot_at(3));
	cr_assert_eq(rig_result(rig), 0);
	oring_prep_bind(rig_sqe(rig), listener, (struct sockaddr *)&address, len);
	cr_assert_eq(rig_result(rig), 0);
	oring_prep_listen(rig_sqe(rig), listener, 2);
	cr_assert_eq(rig_result(rig), 0);
	oring_prep_socket_direct(rig_sqe(rig), AF_UNIX, SOCK_STREAM, 0, oring_slot_at(1));
	cr_assert_eq(rig_result(rig), 0);

	accept_id = rig->next_id;
	oring_prep_accept_direct(rig_sqe(rig), listener, NULL, NULL, 0, oring_slot_at(4));
	issue(rig);
	oring_prep_connect(rig_sqe(rig), client, (struct sockaddr *)&address, len);
	rig_wait(rig, 2);
	{
		struct oring_cqe one = rig_reap(rig);
		struct oring_cqe two = rig_reap(rig);

		cr_assert_eq(one.res, 0);
		cr_assert_eq(two.res, 0);
		cr_assert_eq(one.user_data + two.user_data, 2 * accept_id + 1, "one of each");
	}
	oring_prep_send(rig_sqe(rig), client, "request", 7, 0);
	cr_assert_eq(rig_result(rig), 7);
	oring_prep_recv(rig_sqe(rig), server, buf, sizeof(buf), 0);
	cr_assert_eq(rig_result(rig), 7);
	cr_assert_eq(memcmp(buf, "request", 7), 0);
	oring_prep_send(rig_sqe(rig), server, "answer", 6, 0);
	cr_assert_eq(rig_result(rig), 6);
	oring_prep_recv(rig_sqe(rig), client, buf, sizeof(buf), 0);
	cr_assert_eq(rig_result(rig), 6);
	cr_assert_eq(memcmp(buf, "answer", 6), 0);
	oring_prep_shutdown(rig_sqe(rig), server, SHUT_WR);
	cr_assert_eq(rig_result(rig), 0);
	oring_prep_recv(rig_sqe(rig), client, buf, sizeof(buf), 0);
	cr_assert_eq(rig_result(rig), 0);
	oring_prep_close(rig_sqe(rig), server);
	cr_assert_eq(rig_result(rig), 0);
	/* The socket goes some time after its slot was emptied; until then the peer may send. */
	for (tries = 0; tries < 500; tries++) {
		oring_prep_send(rig_sqe(rig), client, "late", 4, MSG_NOSIGNAL);
		result = rig_result(rig);
		if (result < 0)
			break;
		usleep(10000);
	}
	cr_assert(result == -EPIPE || result == -ECONNRESET, "%d", result);
	oring_prep_recv(rig_sqe(rig), server, buf, sizeof(buf), 0);
	cr_assert_eq(rig_result(rig), -EBADF);
	cr_assert_eq(open_descriptors(), open_before);
}
