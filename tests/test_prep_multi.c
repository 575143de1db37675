/* SPDX-License-Identifier: MIT */
/*
 * One entry and many completions, and buffers that the kernel chooses: which
 * buffer a completion names, what is in it, and what ends the entry.
 *
 * Where a row takes a file, the test runs twice: with a descriptor and with a
 * registered slot whose number is no open descriptor.
 */
#include "sockets.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#define SLOTS 640 /* in a table; slots from 600 on are no descriptors */
#define SLOT  600

/* ---- files ---- */

/* A table where every slot holds @fd but @free of them, from SLOT + 1 on. */
static void make_table(struct rig *rig, int fd, uint32_t free)
{
	int32_t fds[SLOTS];
	uint32_t i;
	int ret = oring_unregister_files(&rig->ring);

	cr_assert(ret == 0 || ret == -ENXIO);
	for (i = 0; i < SLOTS; i++)
		fds[i] = i > SLOT && i <= SLOT + free ? -1 : fd;
	cr_assert_eq(oring_register_files(&rig->ring, fds, SLOTS), 0);
}

/* The file of @fd: as a descriptor the first time, in a slot the second. */
static oring_file by(struct rig *rig, int way, int fd)
{
	if (way == 0)
		return oring_file_fd(fd);
	if (oring_register_files_update(&rig->ring, SLOT, &fd, 1) != 1)
		make_table(rig, fd, 0);
	return oring_file_slot(SLOT);
}

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

/* Send @len bytes, and wait until @to can receive @there of them. */
static void put(const int pair[2], const void *bytes, size_t len, int there)
{
	int ready = 0, tries;

	cr_assert_eq(send(pair[0], bytes, len, MSG_NOSIGNAL), (ssize_t)len);
	for (tries = 0; tries < 10000 && ready < there; tries++) {
		cr_assert_eq(ioctl(pair[1], FIONREAD, &ready), 0);
		if (ready < there)
			usleep(1000);
	}
	cr_assert_geq(ready, there);
}

static void put_text(const int pair[2], const char *text)
{
	cr_assert_eq(send(pair[0], text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* ---- completions ---- */

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

/* Cancel what has identity @id: one last completion, and none after it. */
static void cancel(struct rig *rig, uint64_t id)
{
	int i, ended = 0;

	oring_prep_async_cancel(rig_sqe(rig), oring_context_from_bits(id), 0);
	for (i = 0; i < 2; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert_not(oring_cqe_has_more(&cqe));
		if (cqe.user_data == id) {
			cr_assert_eq(cqe.res, -ECANCELED, "%d", cqe.res);
			ended++;
		} else {
			cr_assert_eq(cqe.user_data, rig->next_id - 1);
			cr_assert_eq(cqe.res, 0, "%d", cqe.res);
		}
	}
	cr_assert_eq(ended, 1);
	nothing_comes(rig);
}

/* The last completion of entry @id: with this result, and without the more flag. */
static void ends(struct rig *rig, uint64_t id, int res)
{
	struct oring_cqe cqe = rig_reap(rig);

	cr_assert_eq(cqe.user_data, id);
	cr_assert_eq(cqe.res, res, "%d, not %d", cqe.res, res);
	cr_assert_not(oring_cqe_has_more(&cqe));
}

/* ---- groups of provided buffers ---- */

enum kind {
	LEGACY,
	RING,
	INC
};

#define FIRST_BID 0xfff0 /* all 16 bits count */
#define MAX_BUFS  8

struct group {
	enum kind kind;
	uint16_t id;
	uint16_t tail;
	uint32_t count, size; /* buffers, and their bytes */
	struct oring_buf *entries;
	unsigned char *memory;
};

static unsigned char *buffer(const struct group *group, uint16_t bid)
{
	cr_assert(bid >= FIRST_BID && bid < FIRST_BID + group->count, "buffer id 0x%x", bid);
	return group->memory + (size_t)(bid - FIRST_BID) * group->size;
}

/* 0; old kernels say how many buffers they were, if the group was there before. */
static bool is_provided(const struct rig *rig, int result, uint32_t count)
{
	return result == 0 ||
	       (!oring_feature_has_op(&rig->can, ORING_OP_SOCKET) && result == (int)count);
}

static void provide(struct rig *rig, const struct group *group, uint16_t bid, uint32_t len)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_provide_buffers(sqe, buffer(group, bid), len, 1, group->id, bid);
	if (oring_features(&rig->ring) & ORING_FEAT_CQE_SKIP) {
		/* Completions of a multishot may stand before its own. */
		oring_sqe_skip_success(sqe);
		issue(rig);
	} else {
		cr_assert(is_provided(rig, rig_result(rig), 1));
	}
}

/* Give buffer @bid to the kernel, @len bytes of it. */
static void give_part(struct rig *rig, struct group *group, uint16_t bid, uint32_t len)
{
	unsigned char *at = buffer(group, bid);

	if (group->kind == LEGACY) {
		provide(rig, group, bid, len);
	} else {
		struct oring_buf *entry = &group->entries[group->tail % group->count];

		entry->addr = (uintptr_t)at;
		entry->len = len;
		entry->bid = bid;
		/* The kernel must see the tail after the entry; it lies over resv of the first. */
		oring_store_release16(&group->entries[0].resv, ++group->tail);
	}
}

static void give(struct rig *rig, struct group *group, uint16_t bid)
{
	memset(buffer(group, bid), 0xee, group->size);
	give_part(rig, group, bid, group->size);
}

static void register_ring(struct rig *rig, struct group *group)
{
	struct oring_buf_reg reg;
	int ret;

	memset(&reg, 0, sizeof(reg));
	group->entries = mmap(NULL, MAX_BUFS * sizeof(struct oring_buf), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(group->entries, MAP_FAILED);
	reg.ring_addr = (uintptr_t)group->entries;
	reg.ring_entries = group->count;
	reg.bgid = group->id;
	reg.flags = group->kind == INC ? ORING_PBUF_RING_INC : 0;
	ret = oring_register_pbuf_ring(&rig->ring, &reg);
	if (ret == -EINVAL)
		cr_skip_test("%s: not on this kernel",
			     group->kind == INC ? "ORING_PBUF_RING_INC" : "rings of buffers");
	cr_assert_eq(ret, 0, "%s", strerror(-ret));
}

/* A group without buffers, with room for @count of @size bytes. */
static void make_empty_group(struct rig *rig, struct group *group, enum kind kind, uint32_t count,
			     uint32_t size)
{
	static unsigned char memory[MAX_BUFS * 4096];

	cr_assert(count <= MAX_BUFS && size <= 4096);
	memset(memory, 0xee, sizeof(memory));
	memset(group, 0, sizeof(*group));
	group->kind = kind;
	group->id = (uint16_t)(0xfff0 + kind);
	group->count = count;
	group->size = size;
	group->memory = memory;
	if (kind != LEGACY)
		register_ring(rig, group);
}

static void make_group(struct rig *rig, struct group *group, enum kind kind, uint32_t count,
		       uint32_t size)
{
	uint32_t i;

	make_empty_group(rig, group, kind, count, size);
	for (i = 0; i < count; i++)
		give(rig, group, (uint16_t)(FIRST_BID + i));
}

/* The buffer that came with @cqe: it holds the @len bytes at @bytes, and no more. */
static unsigned char *holds(const struct group *group, const struct oring_cqe *cqe,
			    const void *bytes, uint32_t len)
{
	unsigned char *at;

	cr_assert_eq(cqe->res, (int)len, "result %d", cqe->res);
	cr_assert(oring_cqe_has_buffer(cqe));
	at = buffer(group, oring_cqe_buffer_id(cqe));
	cr_assert_eq(memcmp(at, bytes, len), 0, "not \"%.*s\"", (int)len, (const char *)bytes);
	cr_assert(len == group->size || at[len] == 0xee, "bytes behind the result");
	return at;
}

/* The next completion: of @id, with @text in a buffer, and not the last. Gives the buffer back. */
static struct oring_cqe brings(struct rig *rig, struct group *group, uint64_t id, const char *text)
{
	struct oring_cqe cqe = rig_reap(rig);

	cr_assert_eq(cqe.user_data, id);
	holds(group, &cqe, text, (uint32_t)strlen(text));
	/* B16: the more flag stands beside an id that uses all its bits. */
	cr_assert(oring_cqe_has_more(&cqe));
	give(rig, group, oring_cqe_buffer_id(&cqe));
	return cqe;
}

/* ---- multishot accept ---- */

/* The plain descriptor @sock is the other end of @client. */
static void is_other_end(int sock, int client)
{
	char byte = 0;

	cr_assert_eq(send(client, "?", 1, MSG_NOSIGNAL), 1);
	cr_assert_eq(recv(sock, &byte, 1, 0), 1);
	cr_assert_eq(byte, '?');
}

RING_TEST(prep, accept_multishot)
{
	/* A24: k clients, k completions with more to come, and one last after the cancel. */
	int way, i;

	for (way = 0; way < 2; way++) {
		struct sockaddr_in address;
		int listener = listening_socket(&address);
		int client[5];
		uint64_t id = rig->next_id;

		client[0] = client_of(&address);
		client[1] = client_of(&address);
		oring_prep_accept_multishot(rig_sqe(rig), by(rig, way, listener),
					    SOCK_CLOEXEC | SOCK_NONBLOCK);
		for (i = 0; i < 4; i++) {
			struct oring_cqe cqe;

			if (i >= 2) {
				issue(rig);
				client[i] = client_of(&address);
			}
			cqe = rig_reap(rig);
			SKIP_IF_REFUSED(cqe.res, "accept_multishot");
			cr_assert_eq(cqe.user_data, id);
			cr_assert_geq(cqe.res, 0, "%s", strerror(-cqe.res));
			cr_assert(oring_cqe_has_more(&cqe));
			cr_assert_eq(fcntl(cqe.res, F_GETFD), FD_CLOEXEC);
			cr_assert(fcntl(cqe.res, F_GETFL) & O_NONBLOCK);
			cr_assert_eq(fcntl(cqe.res, F_SETFL, 0), 0);
			is_other_end(cqe.res, client[i]);
			close(cqe.res);
		}
		cancel(rig, id);
		client[4] = client_of(&address);
		nothing_comes(rig);
		for (i = 0; i < 5; i++)
			close(client[i]);
		close(listener);
	}
}

/* The next completion is a new slot: its first byte arrives at @client. */
static uint32_t slot_serves(struct rig *rig, uint64_t id, int client)
{
	struct oring_cqe cqe = rig_reap(rig);
	char byte = 0;

	SKIP_IF_REFUSED(cqe.res, "accept_direct_multishot");
	cr_assert_eq(cqe.user_data, id);
	cr_assert(cqe.res > SLOT && cqe.res <= SLOT + 3, "slot %d", cqe.res);
	cr_assert(oring_cqe_has_more(&cqe));
	oring_prep_send(rig_sqe(rig), oring_file_slot((uint32_t)cqe.res), "!", 1, 0);
	cr_assert_eq(rig_result(rig), 1);
	cr_assert_eq(recv(client, &byte, 1, 0), 1);
	cr_assert_eq(byte, '!');
	return (uint32_t)cqe.res;
}

RING_TEST(prep, accept_direct_multishot)
{
	int way, i;

	for (way = 0; way < 2; way++) {
		struct sockaddr_in address;
		int listener = listening_socket(&address);
		int client[5], before;
		uint32_t slots = 0, slot = 0;
		uint64_t id;
		oring_file file;
		char byte;

		make_table(rig, listener, 3);
		file = by(rig, way, listener);
		id = rig->next_id;
		oring_prep_accept_direct_multishot(rig_sqe(rig), file, SOCK_NONBLOCK);
		issue(rig);
		for (i = 0; i < 3; i++) {
			client[i] = client_of(&address);
			before = open_descriptors();
			slot = slot_serves(rig, id, client[i]);
			slots |= 1U << (slot - SLOT);
			cr_assert_eq(open_descriptors(), before, "no descriptor was made");
		}
		cr_assert_eq(slots, 0xe, "three different slots");
		/* No slot is left: it ends, and the connection with it. */
		client[3] = client_of(&address);
		ends(rig, id, -ENFILE);
		cr_assert_leq(recv(client[3], &byte, 1, 0), 0);
		/* A slot is given up, and given to the next. */
		oring_prep_close(rig_sqe(rig), oring_file_slot(slot));
		cr_assert_eq(rig_result(rig), 0);
		id = rig->next_id;
		oring_prep_accept_direct_multishot(rig_sqe(rig), file, 0);
		issue(rig);
		client[4] = client_of(&address);
		cr_assert_eq(slot_serves(rig, id, client[4]), slot);
		cancel(rig, id);
		oring_prep_accept_direct_multishot(rig_sqe(rig), file, SOCK_CLOEXEC);
		cr_assert_eq(rig_result(rig), -EINVAL, "a slot is not inherited");
		for (i = 0; i < 5; i++)
			close(client[i]);
		close(listener);
	}
}

/* A single accept with these flags of its own. */
static int accept_with(struct rig *rig, oring_file listener, uint16_t flags)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_accept(sqe, listener, NULL, NULL, 0);
	oring_sqe_add_ioprio_flags(sqe, flags);
	return rig_result(rig);
}

RING_TEST(prep, accept_ioprio_flags)
{
	int way;

	/* They came with the bundles, in 6.10. */
	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	for (way = 0; way < 2; way++) {
		struct sockaddr_in address;
		int listener = listening_socket(&address);
		oring_file file = by(rig, way, listener);
		int client[2], sock;
		struct oring_sqe *sqe;

		cr_assert_eq(accept_with(rig, file, ORING_ACCEPT_DONTWAIT), -EAGAIN);
		client[0] = client_of(&address);
		/* It does not even try before it has waited, and waiting is forbidden. */
		cr_assert_eq(
			accept_with(rig, file, ORING_ACCEPT_POLL_FIRST | ORING_ACCEPT_DONTWAIT),
			-EAGAIN);
		sock = accept_with(rig, file, ORING_ACCEPT_DONTWAIT);
		cr_assert_geq(sock, 0, "%s", strerror(-sock));
		is_other_end(sock, client[0]);
		close(sock);
		sqe = rig_sqe(rig);
		oring_prep_accept(sqe, file, NULL, NULL, 0);
		oring_sqe_add_ioprio_flags(sqe, ORING_ACCEPT_POLL_FIRST);
		issue(rig);
		client[1] = client_of(&address);
		sock = rig_result(rig);
		cr_assert_geq(sock, 0, "%s", strerror(-sock));
		is_other_end(sock, client[1]);
		close(sock);
		close_pair(client);
		close(listener);
	}
}

/* ---- one buffer of the kernel's choice ---- */

static void recv_selects(struct rig *rig, enum kind kind)
{
	struct group group;
	int way, i;

	make_group(rig, &group, kind, 2, 8);
	for (way = 0; way < 2; way++) {
		struct oring_cqe cqe[2];
		struct oring_sqe *sqe;
		int pair[2];

		make_tcp_pair(pair);
		/* Waits for data; no more than a buffer holds; and no more than asked. */
		for (i = 0; i < 2; i++) {
			sqe = rig_sqe(rig);
			oring_prep_recv(sqe, by(rig, way, pair[1]), NULL, i == 0 ? 100 : 3, 0);
			oring_sqe_buffer_select(sqe, group.id);
			if (i == 0) {
				issue(rig);
				put_text(pair, "0123456789abc");
			}
			cqe[i] = rig_reap(rig);
			cr_assert_not(oring_cqe_has_more(&cqe[i]));
		}
		holds(&group, &cqe[0], "01234567", 8);
		holds(&group, &cqe[1], "89a", 3);
		cr_assert_neq(oring_cqe_buffer_id(&cqe[0]), oring_cqe_buffer_id(&cqe[1]));
		/* None is left, though there is data. */
		sqe = rig_sqe(rig);
		oring_prep_recv(sqe, by(rig, way, pair[1]), NULL, 8, 0);
		oring_sqe_buffer_select(sqe, group.id);
		cr_assert_eq(rig_result(rig), -ENOBUFS);
		for (i = 0; i < 2; i++)
			give(rig, &group, oring_cqe_buffer_id(&cqe[i]));
		close_pair(pair);
	}
}

RING_TEST(prep, recv_selects)
{
	recv_selects(rig, RING);
}

RING_TEST(prep, recv_selects_legacy)
{
	recv_selects(rig, LEGACY);
}

/* read and readv: of a file at an offset, into a buffer that the kernel chose. */
static void read_selects(struct rig *rig, enum kind kind)
{
	static struct iovec iov = { NULL, 8 };
	int fd = pattern_file(100);
	struct group group;
	int way, i;

	make_group(rig, &group, kind, 2, 8);
	for (way = 0; way < 2; way++) {
		for (i = 0; i < 2; i++) {
			struct oring_sqe *sqe = rig_sqe(rig);
			oring_file file = by(rig, way, fd);
			struct oring_cqe cqe;

			if (i == 0)
				oring_prep_read(sqe, file, NULL, 8, 40);
			else
				oring_prep_readv(sqe, file, &iov, 1, 50);
			oring_sqe_buffer_select(sqe, group.id);
			cqe = rig_reap(rig);
			cr_assert_eq(cqe.res, 8, "%s: %d", i ? "readv" : "read", cqe.res);
			cr_assert(oring_cqe_has_buffer(&cqe));
			cr_assert(is_pattern(buffer(&group, oring_cqe_buffer_id(&cqe)), 8,
					     i == 0 ? 40 : 50));
			give(rig, &group, oring_cqe_buffer_id(&cqe));
		}
	}
	close(fd);
}

RING_TEST(prep, read_selects)
{
	read_selects(rig, RING);
}

RING_TEST(prep, read_selects_legacy)
{
	read_selects(rig, LEGACY);
}

static void recvmsg_selects(struct rig *rig, enum kind kind)
{
	static struct iovec iov = { NULL, 8 };
	static struct msghdr message;
	static struct sockaddr_in seen;
	struct group group;
	int way;

	make_group(rig, &group, kind, 2, 8);
	for (way = 0; way < 2; way++) {
		struct sockaddr_in from, to;
		int sender = local_socket(SOCK_DGRAM, &from);
		int receiver = local_socket(SOCK_DGRAM, &to);
		struct oring_sqe *sqe = rig_sqe(rig);
		struct oring_cqe cqe;

		memset(&message, 0, sizeof(message));
		memset(&seen, 0xee, sizeof(seen));
		message.msg_iov = &iov;
		message.msg_iovlen = 1;
		message.msg_name = &seen;
		message.msg_namelen = sizeof(seen);
		oring_prep_recvmsg(sqe, by(rig, way, receiver), &message, 0);
		oring_sqe_buffer_select(sqe, group.id);
		issue(rig);
		cr_assert_eq(
			sendto(sender, "much too long", 13, 0, (struct sockaddr *)&to, sizeof(to)),
			13);
		cqe = rig_reap(rig);
		holds(&group, &cqe, "much too", 8);
		cr_assert_eq(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
		cr_assert_eq(seen.sin_port, from.sin_port, "the name is where it always is");
		give(rig, &group, oring_cqe_buffer_id(&cqe));
		close(sender);
		close(receiver);
	}
}

RING_TEST(prep, recvmsg_selects)
{
	recvmsg_selects(rig, RING);
}

RING_TEST(prep, recvmsg_selects_legacy)
{
	recvmsg_selects(rig, LEGACY);
}

static void send_selects(struct rig *rig, enum kind kind)
{
	struct group group;
	int way;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_empty_group(rig, &group, kind, 2, 8);
	for (way = 0; way < 2; way++) {
		struct oring_sqe *sqe;
		char buf[16];
		struct oring_cqe cqe;
		int pair[2];

		make_tcp_pair(pair);
		memcpy(buffer(&group, FIRST_BID + 1), "fiveandmore", 8);
		give_part(rig, &group, FIRST_BID + 1, 5);
		sqe = rig_sqe(rig);
		oring_prep_send(sqe, by(rig, way, pair[0]), NULL, 0, 0);
		oring_sqe_buffer_select(sqe, group.id);
		cqe = rig_reap(rig);
		cr_assert_eq(cqe.res, 5, "%d", cqe.res);
		cr_assert(oring_cqe_has_buffer(&cqe));
		cr_assert_eq(oring_cqe_buffer_id(&cqe), FIRST_BID + 1);
		cr_assert_eq(recv(pair[1], buf, sizeof(buf), 0), 5);
		cr_assert_eq(memcmp(buf, "fivea", 5), 0);
		sqe = rig_sqe(rig);
		oring_prep_send(sqe, by(rig, way, pair[0]), NULL, 0, 0);
		oring_sqe_buffer_select(sqe, group.id);
		cr_assert_eq(rig_result(rig), -ENOBUFS, "the group is empty");
		close_pair(pair);
	}
}

RING_TEST(prep, send_selects)
{
	send_selects(rig, RING);
}

RING_TEST(prep, send_selects_legacy)
{
	send_selects(rig, LEGACY);
}

RING_TEST(prep, recv_poll_first)
{
	int way;

	for (way = 0; way < 2; way++) {
		static char buf[8];
		struct oring_sqe *sqe = rig_sqe(rig);
		struct oring_cqe cqe;
		int pair[2];

		make_tcp_pair(pair);
		put(pair, "here", 4, 4);
		oring_prep_recv(sqe, by(rig, way, pair[1]), buf, sizeof(buf), MSG_DONTWAIT);
		oring_sqe_poll_first(sqe);
		cqe = rig_reap(rig);
		SKIP_IF_REFUSED(cqe.res, "ORING_RECVSEND_POLL_FIRST");
		/* It does not even try before it has waited, and waiting is forbidden. */
		cr_assert_eq(cqe.res, -EAGAIN, "%d", cqe.res);
		sqe = rig_sqe(rig);
		oring_prep_recv(sqe, by(rig, way, pair[1]), buf, sizeof(buf), 0);
		oring_sqe_poll_first(sqe);
		cr_assert_eq(rig_result(rig), 4);
		cr_assert_eq(memcmp(buf, "here", 4), 0);
		close_pair(pair);
	}
}

RING_TEST(prep, recv_tells_of_more)
{
	/* The flag came with poll-first, in 5.19; like it, it cannot be asked for. */
	static char buf[8];
	struct oring_cqe cqe;
	int pair[2];

	REQUIRE_OP(rig, ORING_OP_SOCKET);
	make_tcp_pair(pair);
	put(pair, "a message", 9, 9);
	oring_prep_recv(rig_sqe(rig), oring_file_fd(pair[1]), buf, 4, 0);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.res, 4);
	cr_assert(oring_cqe_sock_nonempty(&cqe));
	oring_prep_recv(rig_sqe(rig), oring_file_fd(pair[1]), buf, 8, 0);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.res, 5);
	cr_assert_not(oring_cqe_sock_nonempty(&cqe));
	close_pair(pair);
}

/* ---- multishot receive ---- */

/* A multishot receive into @group, taken by the kernel. */
static uint64_t start_recv(struct rig *rig, const struct group *group, oring_file sock)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_recv_multishot(sqe, sock, 0);
	oring_sqe_buffer_select(sqe, group->id);
	issue(rig);
	return rig->next_id - 1;
}

static void require_recv_multishot(struct rig *rig)
{
	/* They came together, in 6.0. */
	REQUIRE_OP(rig, ORING_OP_SEND_ZC);
}

static void recv_multishot(struct rig *rig, enum kind kind)
{
	struct group group;
	int way;

	require_recv_multishot(rig);
	make_group(rig, &group, kind, 4, 16);
	for (way = 0; way < 2; way++) {
		int pair[2];
		uint64_t id;

		make_tcp_pair(pair);
		id = start_recv(rig, &group, by(rig, way, pair[1]));
		nothing_comes(rig);
		put_text(pair, "one");
		brings(rig, &group, id, "one");
		put_text(pair, "second");
		brings(rig, &group, id, "second");
		put_text(pair, "sixteen bytes!!!and the rest");
		brings(rig, &group, id, "sixteen bytes!!!");
		brings(rig, &group, id, "and the rest");
		cancel(rig, id);
		put_text(pair, "late");
		nothing_comes(rig);
		/* What came meanwhile is there for the next; then the peer ends. */
		id = start_recv(rig, &group, by(rig, way, pair[1]));
		brings(rig, &group, id, "late");
		cr_assert_eq(shutdown(pair[0], SHUT_WR), 0);
		ends(rig, id, 0);
		nothing_comes(rig);
		close_pair(pair);
	}
}

RING_TEST(prep, recv_multishot)
{
	recv_multishot(rig, RING);
}

RING_TEST(prep, recv_multishot_legacy)
{
	recv_multishot(rig, LEGACY);
}

static void recv_multishot_without_buffers(struct rig *rig, enum kind kind)
{
	struct oring_cqe cqe[2];
	struct group group;
	int pair[2], i;
	uint64_t id;

	require_recv_multishot(rig);
	make_group(rig, &group, kind, 2, 8);
	make_tcp_pair(pair);
	put(pair, "nineteen bytes here", 19, 19);
	id = start_recv(rig, &group, oring_file_fd(pair[1]));
	for (i = 0; i < 2; i++) {
		cqe[i] = rig_reap(rig);
		cr_assert_eq(cqe[i].user_data, id);
		holds(&group, &cqe[i], i == 0 ? "nineteen" : " bytes h", 8);
		cr_assert(oring_cqe_has_more(&cqe[i]));
	}
	ends(rig, id, -ENOBUFS);
	put_text(pair, ", and");
	nothing_comes(rig);
	/* Armed again, but nothing was given back. */
	id = start_recv(rig, &group, oring_file_fd(pair[1]));
	ends(rig, id, -ENOBUFS);
	for (i = 0; i < 2; i++)
		give(rig, &group, oring_cqe_buffer_id(&cqe[i]));
	id = start_recv(rig, &group, oring_file_fd(pair[1]));
	brings(rig, &group, id, "ere, and");
	put_text(pair, "more");
	brings(rig, &group, id, "more");
	cancel(rig, id);
	close_pair(pair);
}

RING_TEST(prep, recv_multishot_without_buffers)
{
	/* A29: an empty group ends it; armed again, it goes on where it was. */
	recv_multishot_without_buffers(rig, RING);
}

RING_TEST(prep, recv_multishot_without_buffers_legacy)
{
	recv_multishot_without_buffers(rig, LEGACY);
}

RING_TEST(prep, recv_multishot_of_datagrams)
{
	struct group group;
	int way;

	require_recv_multishot(rig);
	make_group(rig, &group, RING, 4, 8);
	for (way = 0; way < 2; way++) {
		int pair[2];
		uint64_t id;

		cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
		put_text(pair, "one");
		put_text(pair, "other");
		id = start_recv(rig, &group, by(rig, way, pair[1]));
		brings(rig, &group, id, "one");
		brings(rig, &group, id, "other");
		/* What has no room in a buffer is lost. */
		put_text(pair, "much too long");
		brings(rig, &group, id, "much too");
		put_text(pair, "next");
		brings(rig, &group, id, "next");
		/* Nothing tells an empty one from an end. */
		put_text(pair, "");
		ends(rig, id, 0);
		close_pair(pair);
	}
}

RING_TEST(prep, recv_multishot_refusals)
{
	struct oring_sqe *sqe = rig_sqe(rig);
	struct group group;
	int pair[2];

	require_recv_multishot(rig);
	make_group(rig, &group, RING, 2, 8);
	make_tcp_pair(pair);
	put(pair, "some", 4, 4);
	oring_prep_recv_multishot(sqe, oring_file_fd(pair[1]), 0);
	cr_assert_eq(rig_result(rig), -EINVAL, "no buffer selection");
	sqe = rig_sqe(rig);
	oring_prep_recv_multishot(sqe, oring_file_fd(pair[1]), MSG_WAITALL);
	oring_sqe_buffer_select(sqe, group.id);
	cr_assert_eq(rig_result(rig), -EINVAL, "MSG_WAITALL");
	sqe = rig_sqe(rig);
	oring_prep_recv_multishot(sqe, oring_file_fd(pair[1]), MSG_PEEK);
	oring_sqe_buffer_select(sqe, (uint16_t)(group.id + 7));
	cr_assert_eq(rig_result(rig), -ENOBUFS, "there is no such group");
	close_pair(pair);
}

/* A multishot receive with limits: each one's, and all ones'. */
static uint64_t start_limited(struct rig *rig, const struct group *group, oring_file sock,
			      uint32_t each, uint32_t all)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_recv_multishot(sqe, sock, 0);
	oring_sqe_buffer_select(sqe, group->id);
	sqe->len = each;
	oring_sqe_limit_receive(sqe, all);
	return rig->next_id - 1;
}

RING_TEST(prep, recv_multishot_limits)
{
	struct group group;
	int way;

	require_recv_multishot(rig);
	make_group(rig, &group, RING, 8, 16);
	for (way = 0; way < 2; way++) {
		struct oring_cqe cqe;
		oring_file sock;
		uint64_t id;
		int pair[2];

		make_tcp_pair(pair);
		sock = by(rig, way, pair[1]);
		put(pair, "0123456789", 10, 10);
		id = start_limited(rig, &group, sock, 4, 0);
		if (oring_cq_peek(&rig->ring) == NULL)
			rig_wait(rig, 1);
		SKIP_IF_REFUSED(oring_cq_peek(&rig->ring)->res, "a limit of a multishot receive");
		brings(rig, &group, id, "0123");
		brings(rig, &group, id, "4567");
		brings(rig, &group, id, "89");
		cancel(rig, id);

		id = start_limited(rig, &group, sock, 0, 10);
		issue(rig);
		put_text(pair, "abcdef");
		brings(rig, &group, id, "abcdef");
		put_text(pair, "ghijkl");
		cqe = rig_reap(rig);
		/* The limit is looked at after a receive; it does not cut one. */
		cr_assert_eq(cqe.user_data, id);
		holds(&group, &cqe, "ghijkl", 6);
		cr_assert_not(oring_cqe_has_more(&cqe));
		give(rig, &group, oring_cqe_buffer_id(&cqe));
		put_text(pair, "z");
		nothing_comes(rig);
		close_pair(pair);
	}
}

/* ---- bundles ---- */

/*
 * The pattern's bytes from @place on lie in the buffers from the one that @cqe names on. Gives
 * them back. Returns how many.
 */
static uint32_t bundle_holds(struct rig *rig, struct group *group, const struct oring_cqe *cqe,
			     uint32_t place)
{
	uint32_t len = oring_cqe_bytes(cqe), at = 0, count = 0;

	cr_assert_gt(cqe->res, 0, "result %d", cqe->res);
	cr_assert(oring_cqe_has_buffer(cqe));
	for (; at < len; at += group->size, count++) {
		uint32_t bid = oring_cqe_buffer_id(cqe) - FIRST_BID + count;
		uint32_t n = len - at < group->size ? len - at : group->size;
		unsigned char *bytes = buffer(group, (uint16_t)(FIRST_BID + bid % group->count));

		cr_assert(is_pattern(bytes, n, place + at), "buffer %u", bid);
		cr_assert(n == group->size || bytes[n] == 0xee);
		give(rig, group, (uint16_t)(FIRST_BID + bid % group->count));
	}
	return count;
}

static void put_pattern(const int pair[2], uint32_t len, int there)
{
	unsigned char bytes[2048];
	uint32_t i;

	for (i = 0; i < len; i++)
		bytes[i] = pattern_at(i);
	put(pair, bytes, len, there);
}

/* A bundled receive of all that is there, in one completion; @limit as the entry's len. */
static struct oring_cqe recv_bundle(struct rig *rig, const struct group *group, oring_file sock,
				    uint32_t limit)
{
	struct oring_sqe *sqe = rig_sqe(rig);
	struct oring_cqe cqe;

	oring_prep_recv_bundle(sqe, sock, 0);
	oring_sqe_buffer_select(sqe, group->id);
	sqe->len = limit;
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, rig->next_id - 1);
	cr_assert_not(oring_cqe_has_more(&cqe));
	return cqe;
}

RING_TEST(prep, recv_bundle)
{
	/* A32: 2048 bytes are one completion and eight buffers, whichever is the first. */
	struct group group;
	int way, i;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_group(rig, &group, RING, 8, 256);
	for (way = 0; way < 2; way++) {
		struct oring_cqe cqe;
		struct oring_sqe *sqe;
		oring_file sock;
		uint32_t len;
		int pair[2];

		make_tcp_pair(pair);
		sock = by(rig, way, pair[1]);
		for (i = 0; i < 2; i++) {
			/* Three buffers, so that the next receive goes over the end of the ring. */
			put_pattern(pair, 600, 600);
			for (len = 0; len < 600; len += oring_cqe_bytes(&cqe)) {
				cqe = recv_bundle(rig, &group, sock, 0);
				bundle_holds(rig, &group, &cqe, len);
			}
			cr_assert_eq(len, 600);
			put_pattern(pair, 2048, 2048);
			cqe = recv_bundle(rig, &group, sock, 0);
			cr_assert_eq(cqe.res, 2048, "%d", cqe.res);
			cr_assert_eq(bundle_holds(rig, &group, &cqe, 0), 8);
		}
		sqe = rig_sqe(rig);
		oring_prep_recv_bundle(sqe, sock, MSG_DONTWAIT);
		oring_sqe_buffer_select(sqe, group.id);
		cr_assert_eq(rig_result(rig), -EAGAIN);
		close_pair(pair);
	}
}

RING_TEST(prep, recv_bundle_limit)
{
	struct group group;
	struct oring_sqe *sqe;
	struct oring_cqe cqe;
	int pair[2];

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_group(rig, &group, RING, 8, 256);
	make_tcp_pair(pair);
	put_pattern(pair, 2048, 2048);
	cqe = recv_bundle(rig, &group, oring_file_fd(pair[1]), 600);
	/* From 6.15 or so on a bundle has no buffer that is filled in part. */
	cr_assert(cqe.res == 512 || cqe.res == 600, "%d", cqe.res);
	bundle_holds(rig, &group, &cqe, 0);
	/* A limit of all receives belongs to a multishot. */
	sqe = rig_sqe(rig);
	oring_prep_recv_bundle(sqe, oring_file_fd(pair[1]), 0);
	oring_sqe_buffer_select(sqe, group.id);
	oring_sqe_limit_receive(sqe, 600);
	cr_assert_eq(rig_result(rig), -EINVAL);
	close_pair(pair);
}

/*
 * The next @len bytes that @id receives, a pattern, in buffers from @*next on: in as many
 * completions as the kernel likes, but fewer than buffers.
 */
static void brings_bundles(struct rig *rig, struct group *group, uint64_t id, uint32_t len,
			   uint32_t *next)
{
	uint32_t place = 0, buffers = 0, completions = 0;

	while (place < len) {
		struct oring_cqe cqe = rig_reap(rig);
		uint32_t n = bundle_holds(rig, group, &cqe, place);

		cr_assert_eq(cqe.user_data, id);
		cr_assert(oring_cqe_has_more(&cqe));
		cr_assert_eq(oring_cqe_buffer_id(&cqe), FIRST_BID + *next % group->count);
		*next += n;
		buffers += n;
		completions++;
		place += oring_cqe_bytes(&cqe);
	}
	cr_assert_eq(place, len);
	cr_assert_lt(completions, buffers, "%u buffers, one by one", buffers);
}

RING_TEST(prep, recv_multishot_bundle)
{
	struct group group;
	uint32_t next = 0;
	int way, i;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_group(rig, &group, RING, 8, 256);
	for (way = 0; way < 2; way++) {
		struct oring_sqe *sqe = rig_sqe(rig);
		uint64_t id = rig->next_id - 1;
		int pair[2];

		make_tcp_pair(pair);
		oring_prep_recv_multishot_bundle(sqe, by(rig, way, pair[1]), 0);
		oring_sqe_buffer_select(sqe, group.id);
		issue(rig);
		for (i = 0; i < 4; i++) {
			put_pattern(pair, 600, 0);
			brings_bundles(rig, &group, id, 600, &next);
		}
		cancel(rig, id);
		close_pair(pair);
	}
}

RING_TEST(prep, recv_multishot_bundle_to_the_last_buffer)
{
	/* No -ENOBUFS here: the bundle that takes the last buffer is the last completion. */
	struct oring_sqe *sqe = rig_sqe(rig);
	uint64_t id = rig->next_id - 1;
	struct oring_cqe cqe;
	struct group group;
	uint32_t len = 0;
	int pair[2];

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_group(rig, &group, RING, 4, 256);
	make_tcp_pair(pair);
	put_pattern(pair, 2048, 2048);
	oring_prep_recv_multishot_bundle(sqe, oring_file_fd(pair[1]), 0);
	oring_sqe_buffer_select(sqe, group.id);
	do {
		cqe = rig_reap(rig);
		cr_assert_eq(cqe.user_data, id);
		cr_assert_gt(cqe.res, 0, "%d", cqe.res);
		cr_assert_eq(oring_cqe_buffer_id(&cqe), FIRST_BID + len / 256);
		cr_assert_eq(cqe.res % 256, 0);
		len += oring_cqe_bytes(&cqe);
	} while (oring_cqe_has_more(&cqe));
	cr_assert_eq(len, 1024);
	cr_assert(is_pattern(group.memory, 1024, 0));
	nothing_comes(rig);
	close_pair(pair);
}

RING_TEST(prep, recv_multishot_bundle_refusals)
{
	struct oring_sqe *sqe = rig_sqe(rig);
	struct group group;
	int pair[2];

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_empty_group(rig, &group, RING, 8, 256);
	make_tcp_pair(pair);
	put(pair, "some", 4, 4);
	oring_prep_recv_multishot_bundle(sqe, oring_file_fd(pair[1]), 0);
	cr_assert_eq(rig_result(rig), -EINVAL, "no buffer selection");
	sqe = rig_sqe(rig);
	oring_prep_recv_multishot_bundle(sqe, oring_file_fd(pair[1]), MSG_WAITALL);
	oring_sqe_buffer_select(sqe, group.id);
	cr_assert_eq(rig_result(rig), -EINVAL, "MSG_WAITALL");
	sqe = rig_sqe(rig);
	oring_prep_recv_multishot_bundle(sqe, oring_file_fd(pair[1]), 0);
	oring_sqe_buffer_select(sqe, group.id);
	cr_assert_eq(rig_result(rig), -ENOBUFS, "the group is empty");
	close_pair(pair);
}

/* Give the kernel "one", "two" and "three", in this order. */
static void give_words(struct rig *rig, struct group *group)
{
	static const char *const words[] = { "one", "two", "three" };
	uint16_t i;

	for (i = 0; i < 3; i++) {
		memcpy(buffer(group, FIRST_BID + i), words[i], strlen(words[i]));
		give_part(rig, group, FIRST_BID + i, (uint32_t)strlen(words[i]));
	}
}

static void send_bundle(struct rig *rig, enum kind kind)
{
	struct group group;
	int way;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_empty_group(rig, &group, kind, 4, 8);
	for (way = 0; way < 2; way++) {
		struct oring_sqe *sqe;
		struct oring_cqe cqe;
		uint16_t first = FIRST_BID;
		char buf[16];
		int pair[2], sent = 0;

		make_tcp_pair(pair);
		give_words(rig, &group);
		sqe = rig_sqe(rig);
		oring_prep_send_bundle(sqe, by(rig, way, pair[0]), 0);
		oring_sqe_buffer_select(sqe, group.id);
		do {
			cqe = rig_reap(rig);
			cr_assert_eq(cqe.user_data, rig->next_id - 1);
			cr_assert_gt(cqe.res, 0, "%d", cqe.res);
			cr_assert_eq(oring_cqe_buffer_id(&cqe), first++);
			sent += cqe.res;
		} while (oring_cqe_has_more(&cqe));
		cr_assert_eq(sent, 11);
		/* Without a ring they go one by one. */
		cr_assert_eq(first - FIRST_BID, kind == LEGACY ? 3 : 1);
		cr_assert_eq(recv_whole(pair[1], buf, 11), 11);
		cr_assert_eq(memcmp(buf, "onetwothree", 11), 0);
		sqe = rig_sqe(rig);
		oring_prep_send_bundle(sqe, by(rig, way, pair[0]), 0);
		cqe = rig_reap(rig);
		cr_assert(cqe.res == -EINVAL || cqe.res == 0, "no buffer selection: %d", cqe.res);
		sqe = rig_sqe(rig);
		oring_prep_send_bundle(sqe, by(rig, way, pair[0]), 0);
		oring_sqe_buffer_select(sqe, group.id);
		cr_assert_eq(rig_result(rig), -ENOBUFS, "the group is empty");
		close_pair(pair);
	}
}

RING_TEST(prep, send_bundle)
{
	send_bundle(rig, RING);
}

RING_TEST(prep, send_bundle_legacy)
{
	send_bundle(rig, LEGACY);
}

RING_TEST(prep, send_bundle_flags)
{
	struct pollfd urgent;
	struct oring_sqe *sqe;
	struct group group;
	char byte = 0;
	int pair[2];

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_empty_group(rig, &group, RING, 4, 8);
	make_tcp_pair(pair);
	buffer(&group, FIRST_BID)[0] = 'u';
	give_part(rig, &group, FIRST_BID, 1);
	sqe = rig_sqe(rig);
	oring_prep_send_bundle(sqe, oring_file_fd(pair[0]), MSG_OOB);
	oring_sqe_buffer_select(sqe, group.id);
	cr_assert_eq(rig_result(rig), 1);
	urgent.fd = pair[1];
	urgent.events = POLLPRI;
	cr_assert_eq(poll(&urgent, 1, 10000), 1, "it is urgent data");
	cr_assert_eq(recv(pair[1], &byte, 1, MSG_OOB), 1);
	cr_assert_eq(byte, 'u');
	close_pair(pair);
}

RING_TEST(prep, send_bundle_limit)
{
	/* The entry's len limits the first completion; those after it, nothing. */
	struct oring_sqe *sqe;
	struct oring_cqe cqe;
	struct group group;
	char buf[16];
	int pair[2];

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RECVSEND_BUNDLE);
	make_empty_group(rig, &group, RING, 4, 8);
	make_tcp_pair(pair);
	give_words(rig, &group);
	sqe = rig_sqe(rig);
	oring_prep_send_bundle(sqe, oring_file_fd(pair[0]), 0);
	oring_sqe_buffer_select(sqe, group.id);
	sqe->len = 6;
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.res, 6, "%d", cqe.res);
	cr_assert_eq(oring_cqe_buffer_id(&cqe), FIRST_BID);
	cr_assert(oring_cqe_has_more(&cqe));
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.res, 5, "%d", cqe.res);
	cr_assert_eq(oring_cqe_buffer_id(&cqe), FIRST_BID + 2);
	cr_assert_not(oring_cqe_has_more(&cqe));
	cr_assert_eq(recv_whole(pair[1], buf, 11), 11);
	cr_assert_eq(memcmp(buf, "onetwothree", 11), 0);
	close_pair(pair);
}

/* ---- buffers that are used up piece by piece ---- */

/* The next hundred bytes of buffer @bid, filled with @letter, at @offset; maybe the last. */
static void brings_piece(struct rig *rig, struct group *group, uint16_t bid, uint32_t offset,
			 char letter, bool last)
{
	struct oring_cqe cqe = rig_reap(rig);
	uint32_t i;

	cr_assert_eq(cqe.res, 100, "%d", cqe.res);
	cr_assert_eq(oring_cqe_buffer_id(&cqe), bid);
	cr_assert_neq(oring_cqe_buffer_has_more(&cqe), last);
	for (i = 0; i < 100; i++)
		cr_assert_eq(buffer(group, bid)[offset + i], letter);
}

static void put_letters(const int pair[2], char letter)
{
	char bytes[100];

	memset(bytes, letter, sizeof(bytes));
	cr_assert_eq(send(pair[0], bytes, sizeof(bytes), MSG_NOSIGNAL), 100);
}

RING_TEST(prep, recv_into_pieces)
{
	/* A33: three messages lie at 0, 100 and 200 of one buffer. */
	struct group group;
	uint32_t i;

	make_group(rig, &group, INC, 2, 300);
	for (i = 0; i < 4; i++) {
		struct oring_sqe *sqe = rig_sqe(rig);
		int pair[2];

		make_tcp_pair(pair);
		put_letters(pair, (char)('a' + i));
		oring_prep_recv(sqe, oring_file_fd(pair[1]), NULL, 0, 0);
		oring_sqe_buffer_select(sqe, group.id);
		brings_piece(rig, &group, FIRST_BID + i / 3, i % 3 * 100, (char)('a' + i), i == 2);
		close_pair(pair);
	}
}

RING_TEST(prep, recv_multishot_into_pieces)
{
	struct group group;
	uint64_t id = 0;
	int pair[2], i;

	make_group(rig, &group, INC, 2, 300);
	make_tcp_pair(pair);
	for (i = 0; i < 6; i++) {
		put_letters(pair, (char)('a' + i));
		if (i == 0)
			id = start_recv(rig, &group, oring_file_fd(pair[1]));
		brings_piece(rig, &group, (uint16_t)(FIRST_BID + i / 3), (uint32_t)(i % 3 * 100),
			     (char)('a' + i), i % 3 == 2);
	}
	put_letters(pair, 'x');
	ends(rig, id, -ENOBUFS);
	close_pair(pair);
}

/* ---- multishot receive of messages ---- */

#define NAME_ROOM    sizeof(struct sockaddr_in)
#define CONTROL_ROOM 64
#define HEAD	     (sizeof(struct oring_recvmsg_out) + NAME_ROOM + CONTROL_ROOM)

/* Two plain sockets; what comes to [1] says to which address. */
static void make_datagram_pair(int pair[2], struct sockaddr_in *from)
{
	struct sockaddr_in to;
	int on = 1;

	pair[0] = local_socket(SOCK_DGRAM, from);
	pair[1] = local_socket(SOCK_DGRAM, &to);
	cr_assert_eq(setsockopt(pair[1], IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
	cr_assert_eq(connect(pair[0], (struct sockaddr *)&to, sizeof(to)), 0);
}

/* A multishot receive of messages, not submitted. */
static uint64_t prep_recvmsg(struct rig *rig, const struct group *group, oring_file sock,
			     struct msghdr *message, size_t name, size_t control)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	memset(message, 0, sizeof(*message));
	message->msg_namelen = (socklen_t)name;
	message->msg_controllen = control;
	oring_prep_recvmsg_multishot(sqe, sock, message, 0);
	oring_sqe_buffer_select(sqe, group->id);
	return rig->next_id - 1;
}

static void has_packet_info(const unsigned char *control, size_t len)
{
	struct cmsghdr header;
	struct in_pktinfo info;

	cr_assert_geq(len, CMSG_LEN(sizeof(info)), "%zu bytes of control data", len);
	memcpy(&header, control, sizeof(header));
	memcpy(&info, control + CMSG_LEN(0), sizeof(info));
	cr_assert_eq(header.cmsg_level, IPPROTO_IP);
	cr_assert_eq(header.cmsg_type, IP_PKTINFO);
	cr_assert_eq(header.cmsg_len, CMSG_LEN(sizeof(info)));
	cr_assert_eq(info.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
}

/* The next message: head, name, control data, @text. Gives the buffer back. */
static void brings_message(struct rig *rig, struct group *group, uint64_t id,
			   const struct sockaddr_in *from, const char *text, uint32_t flags)
{
	struct oring_cqe cqe = rig_reap(rig);
	size_t len = strlen(text);
	struct oring_recvmsg_out out;
	struct sockaddr_in name;
	unsigned char *at;

	cr_assert_eq(cqe.user_data, id);
	cr_assert_eq(cqe.res, (int)(HEAD + len), "result %d", cqe.res);
	cr_assert(oring_cqe_has_more(&cqe));
	cr_assert(oring_cqe_has_buffer(&cqe));
	at = buffer(group, oring_cqe_buffer_id(&cqe));
	memcpy(&out, at, sizeof(out));
	memcpy(&name, at + sizeof(out), sizeof(name));
	cr_assert_eq(out.namelen, sizeof(name));
	cr_assert_eq(name.sin_family, AF_INET);
	cr_assert_eq(name.sin_port, from->sin_port);
	cr_assert_eq(name.sin_addr.s_addr, from->sin_addr.s_addr);
	has_packet_info(at + sizeof(out) + NAME_ROOM, out.controllen);
	cr_assert_eq(out.flags, flags, "flags 0x%x", out.flags);
	cr_assert_eq(out.payloadlen, len);
	cr_assert_eq(memcmp(at + HEAD, text, len), 0);
	give(rig, group, oring_cqe_buffer_id(&cqe));
}

RING_TEST(prep, recvmsg_multishot)
{
	/* A38: the sender, control data, and what was cut. */
	static struct msghdr message;
	struct group group;
	int way;

	require_recv_multishot(rig);
	make_group(rig, &group, RING, 2, HEAD + 16);
	for (way = 0; way < 2; way++) {
		struct sockaddr_in from;
		uint64_t id;
		int pair[2];

		make_datagram_pair(pair, &from);
		id = prep_recvmsg(rig, &group, by(rig, way, pair[1]), &message, NAME_ROOM,
				  CONTROL_ROOM);
		issue(rig);
		put_text(pair, "first");
		brings_message(rig, &group, id, &from, "first", 0);
		put_text(pair, "sixteen bytes!!! and some");
		brings_message(rig, &group, id, &from, "sixteen bytes!!!", MSG_TRUNC);
		put_text(pair, "third");
		brings_message(rig, &group, id, &from, "third", 0);
		cancel(rig, id);
		close_pair(pair);
	}
}

RING_TEST(prep, recvmsg_multishot_without_room)
{
	/* Names and control data are cut where the message left no room; their length is told. */
	static struct msghdr message;
	struct oring_recvmsg_out out;
	struct oring_sqe *sqe;
	struct sockaddr_in from;
	struct group group;
	struct oring_cqe cqe;
	unsigned char *at;
	uint64_t id;
	int pair[2];

	require_recv_multishot(rig);
	make_group(rig, &group, RING, 2, 64);
	make_datagram_pair(pair, &from);
	id = prep_recvmsg(rig, &group, oring_file_fd(pair[1]), &message, 4, 0);
	put_text(pair, "payload");
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.res, (int)sizeof(out) + 4 + 7, "%d", cqe.res);
	at = buffer(&group, oring_cqe_buffer_id(&cqe));
	memcpy(&out, at, sizeof(out));
	cr_assert_eq(out.namelen, sizeof(from));
	cr_assert_eq(out.controllen, 0);
	cr_assert_eq(out.flags, MSG_CTRUNC);
	cr_assert_eq(memcmp(at + sizeof(out), &from, 4), 0);
	cr_assert_eq(memcmp(at + sizeof(out) + 4, "payload", 7), 0);
	cancel(rig, id);
	/* A buffer that cannot even hold the head. */
	id = prep_recvmsg(rig, &group, oring_file_fd(pair[1]), &message, 40, 40);
	put_text(pair, "payload");
	ends(rig, id, -EFAULT);
	memset(&message, 0, sizeof(message));
	oring_prep_recvmsg_multishot(rig_sqe(rig), oring_file_fd(pair[1]), &message, 0);
	cr_assert_eq(rig_result(rig), -EINVAL, "no buffer selection");
	sqe = rig_sqe(rig);
	oring_prep_recvmsg_multishot(sqe, oring_file_fd(pair[1]), &message, MSG_WAITALL);
	oring_sqe_buffer_select(sqe, group.id);
	cr_assert_eq(rig_result(rig), -EINVAL, "MSG_WAITALL");
	close_pair(pair);
}

/* ---- provided buffers without a ring ---- */

/* Read one byte of @fd into a buffer of @group. */
static struct oring_cqe read_byte(struct rig *rig, const struct group *group, int fd)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_read(sqe, oring_file_fd(fd), NULL, 1, 77);
	oring_sqe_buffer_select(sqe, group->id);
	return rig_reap(rig);
}

static int provide_many(struct rig *rig, const struct group *group, uint32_t count)
{
	oring_prep_provide_buffers(rig_sqe(rig), group->memory, 8, count, group->id, FIRST_BID);
	return rig_result(rig);
}

RING_TEST(prep, provide_buffers)
{
	int fd = pattern_file(100);
	struct oring_cqe cqe;
	struct group group;
	uint32_t seen = 0;
	int i;

	make_empty_group(rig, &group, LEGACY, 4, 8);
	cr_assert(is_provided(rig, provide_many(rig, &group, 4), 4));
	for (i = 0; i < 4; i++) {
		cqe = read_byte(rig, &group, fd);
		cr_assert_eq(cqe.res, 1, "%d", cqe.res);
		cr_assert(oring_cqe_has_buffer(&cqe));
		cr_assert_eq(buffer(&group, oring_cqe_buffer_id(&cqe))[0], pattern_at(77));
		cr_assert_eq(buffer(&group, oring_cqe_buffer_id(&cqe))[1], 0xee);
		seen |= 1U << (oring_cqe_buffer_id(&cqe) - FIRST_BID);
	}
	cr_assert_eq(seen, 0xf, "each of them once");
	cqe = read_byte(rig, &group, fd);
	cr_assert_eq(cqe.res, -ENOBUFS);
	cr_assert(is_provided(rig, provide_many(rig, &group, 1), 1));
	cqe = read_byte(rig, &group, fd);
	cr_assert_eq(cqe.res, 1);
	cr_assert_eq(oring_cqe_buffer_id(&cqe), FIRST_BID);
	cr_assert_eq(provide_many(rig, &group, 0), -E2BIG);
	cr_assert_eq(provide_many(rig, &group, 65537), -E2BIG);
	close(fd);
}

static int remove_many(struct rig *rig, const struct group *group, uint32_t count)
{
	oring_prep_remove_buffers(rig_sqe(rig), count, group->id);
	return rig_result(rig);
}

RING_TEST(prep, remove_buffers)
{
	int fd = pattern_file(100);
	struct oring_cqe cqe;
	struct group group;

	make_empty_group(rig, &group, LEGACY, 4, 8);
	cr_assert_eq(remove_many(rig, &group, 1), -ENOENT);
	cr_assert(is_provided(rig, provide_many(rig, &group, 4), 4));
	cr_assert_eq(remove_many(rig, &group, 3), 3);
	cqe = read_byte(rig, &group, fd);
	cr_assert_eq(cqe.res, 1, "one is left");
	cqe = read_byte(rig, &group, fd);
	cr_assert_eq(cqe.res, -ENOBUFS);
	cr_assert(is_provided(rig, provide_many(rig, &group, 4), 4));
	cr_assert_eq(remove_many(rig, &group, 4), 4);
	cqe = read_byte(rig, &group, fd);
	cr_assert_eq(cqe.res, -ENOBUFS);
	cr_assert(is_provided(rig, provide_many(rig, &group, 4), 4));
	cr_assert_eq(remove_many(rig, &group, 9), 4, "not more than there are");
	cr_assert_eq(remove_many(rig, &group, 0), -EINVAL);
	close(fd);
}

RING_TEST(prep, provide_buffers_to_a_ring)
{
	/* A group is of one sort. */
	struct group group;

	make_group(rig, &group, RING, 4, 8);
	cr_assert_eq(provide_many(rig, &group, 1), -EINVAL);
	cr_assert_eq(remove_many(rig, &group, 1), -EINVAL);
	cr_assert_eq(oring_unregister_pbuf_ring(&rig->ring, group.id), 0);
	cr_assert(is_provided(rig, provide_many(rig, &group, 1), 1));
}

/* ---- time ---- */

static int64_t now(clockid_t clock)
{
	struct timespec ts;

	cr_assert_eq(clock_gettime(clock, &ts), 0);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

RING_TEST(prep, timeout_multishot)
{
	/* So many times and no more, each its time later; and without a number, until cancelled. */
	static const struct oring_timespec ts = { 0, 5000000 };
	static const uint32_t clocks[] = { 0, ORING_TIMEOUT_BOOTTIME, ORING_TIMEOUT_REALTIME };
	struct oring_cqe cqe;
	size_t i;
	int k;

	for (i = 0; i < 3; i++) {
		int64_t begin = now(CLOCK_MONOTONIC);

		oring_prep_timeout_multishot(rig_sqe(rig), &ts, 3, clocks[i]);
		for (k = 1; k <= 3; k++) {
			cqe = rig_reap(rig);
			SKIP_IF_REFUSED(cqe.res, "timeout_multishot");
			cr_assert_eq(cqe.user_data, rig->next_id - 1);
			cr_assert_eq(cqe.res, -ETIME);
			cr_assert_eq(oring_cqe_has_more(&cqe), k < 3);
			if (i != 2)
				cr_assert_geq(now(CLOCK_MONOTONIC) - begin, k * ts.tv_nsec);
		}
	}
	usleep(10000);
	nothing_comes(rig);
	oring_prep_timeout_multishot(rig_sqe(rig), &ts, 3, ORING_TIMEOUT_ABS);
	cr_assert_eq(rig_result(rig), -EINVAL);
}

RING_TEST(prep, timeout_multishot_without_end)
{
	static const struct oring_timespec ts = { 0, 2000000 };
	uint64_t id = rig->next_id;
	struct oring_cqe cqe;
	bool ended = false, removed = false;
	int k;

	oring_prep_timeout_multishot(rig_sqe(rig), &ts, 0, 0);
	for (k = 0; k < 5; k++) {
		cqe = rig_reap(rig);
		SKIP_IF_REFUSED(cqe.res, "timeout_multishot");
		cr_assert_eq(cqe.res, -ETIME);
		cr_assert(oring_cqe_has_more(&cqe));
	}
	oring_prep_timeout_remove(rig_sqe(rig), oring_context_from_bits(id));
	for (k = 0; k < 1000 && !(ended && removed); k++) {
		cqe = rig_reap(rig);
		if (cqe.user_data == id) {
			ended = !oring_cqe_has_more(&cqe);
			cr_assert_eq(cqe.res, ended ? -ECANCELED : -ETIME);
		} else if (cqe.res == -ENOENT) {
			/* It had fired, and had no completion yet: nobody finds it then. */
			oring_prep_timeout_remove(rig_sqe(rig), oring_context_from_bits(id));
		} else {
			cr_assert_eq(cqe.res, 0, "%d", cqe.res);
			removed = true;
		}
	}
	cr_assert(ended && removed);
	nothing_comes(rig);
}
