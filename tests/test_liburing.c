/* SPDX-License-Identifier: MIT */
/*
 * Another judge of the table: the entries that liburing makes for the same
 * operation and operands are, byte for byte, ours. Compiled only where
 * liburing (2.3 or later) is installed; nothing else of the tree knows it.
 *
 * liburing leaves identity alone, as we do. There is no intended difference
 * among the rows below: operations without a file have descriptor -1 in both,
 * close of a slot has fd 0. Where a row is a variant that liburing makes by a
 * flag or a field set afterwards, so do we here. Not compared, for want of a
 * function in 2.3: the variants of nop, fsync_range, ftruncate, bind, listen,
 * readv_fixed, writev_fixed, read_multishot, pipes, futexes, waitid,
 * epoll_wait, commands, vectored and bundled sends, sendmsg_fixed_zc,
 * recv_multishot_zc, fixed_fd_install, immediate timeouts, msg_ring_cqe_flags
 * and msg_ring_fd.
 */
#include "harness.h"

#include <liburing.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

static struct oring_sqe our_entry;
static struct io_uring_sqe their_entry;

/* Blank entries to prepare, each with its own library's function. */
static struct oring_sqe *ours(void)
{
	oring_sqe_clear(&our_entry);
	return &our_entry;
}

static struct io_uring_sqe *theirs(void)
{
	memset(&their_entry, 0, sizeof(their_entry));
	return &their_entry;
}

/* A mark in theirs that liburing leaves to the caller: the file is a slot. */
static void their_file_is_slot(void)
{
	their_entry.flags |= IOSQE_FIXED_FILE;
}

static void same(const char *name)
{
	const unsigned char *a = (const unsigned char *)&our_entry;
	const unsigned char *b = (const unsigned char *)&their_entry;
	size_t i;

	cr_assert_eq(sizeof(our_entry), sizeof(their_entry));
	for (i = 0; i < sizeof(our_entry); i++) {
		if (i >= offsetof(struct oring_sqe, user_data) &&
		    i < offsetof(struct oring_sqe, buf_index))
			continue;
		cr_assert_eq(a[i], b[i], "%s, byte %zu: ours %02x, theirs %02x", name, i, a[i],
			     b[i]);
	}
	cr_assert_eq(oring_sqe_check(&our_entry), 0, "%s", name);
}

/* With buffer selection in both, for what must have it. */
static void same_with_group(const char *name)
{
	oring_sqe_buffer_select(&our_entry, 0x8421);
	their_entry.flags |= IOSQE_BUFFER_SELECT;
	their_entry.buf_group = 0x8421;
	same(name);
}

/* Both prepare @row; the second time round the file is a slot. */
#define COMPARE(row, our_call, their_call)    \
	do {                                  \
		our_call;                     \
		their_call;                   \
		if (way)                      \
			their_file_is_slot(); \
		same(row);                    \
	} while (0)

/* Operands with distinct bits in each byte. Nothing follows these pointers. */
static void *const memory = (void *)(uintptr_t)0x7faabbccdd10;
static void *const more = (void *)(uintptr_t)0x7f1122334450;
#define LEN 0x01234567U
#define OFF 0x89abcdef01234567ULL
#define FD  77

static const struct iovec *iov(void)
{
	return memory;
}

Test(peer, nop)
{
	oring_prep_nop(ours());
	io_uring_prep_nop(theirs());
	same("nop");
}

Test(peer, reads_and_writes)
{
	int way;

	for (way = 0; way < 2; way++) {
		oring_file file = way ? oring_file_slot(FD) : oring_file_fd(FD);

		COMPARE("read", oring_prep_read(ours(), file, memory, LEN, OFF),
			io_uring_prep_read(theirs(), FD, memory, LEN, OFF));
		COMPARE("write", oring_prep_write(ours(), file, memory, LEN, OFF),
			io_uring_prep_write(theirs(), FD, memory, LEN, OFF));
		COMPARE("readv", oring_prep_readv(ours(), file, iov(), 9, OFF),
			io_uring_prep_readv(theirs(), FD, iov(), 9, OFF));
		COMPARE("writev", oring_prep_writev(ours(), file, iov(), 9, OFF),
			io_uring_prep_writev(theirs(), FD, iov(), 9, OFF));
		COMPARE("read_fixed", oring_prep_read_fixed(ours(), file, memory, LEN, OFF, 0xfedc),
			io_uring_prep_read_fixed(theirs(), FD, memory, LEN, OFF, 0xfedc));
		COMPARE("write_fixed",
			oring_prep_write_fixed(ours(), file, memory, LEN, OFF, 0xfedc),
			io_uring_prep_write_fixed(theirs(), FD, memory, LEN, OFF, 0xfedc));
		COMPARE("fsync", oring_prep_fsync(ours(), file, ORING_FSYNC_DATASYNC),
			io_uring_prep_fsync(theirs(), FD, IORING_FSYNC_DATASYNC));
		/* Note the order: ours has the length first. */
		COMPARE("fallocate", oring_prep_fallocate(ours(), file, 0x1000200030, OFF >> 1, 3),
			io_uring_prep_fallocate(theirs(), FD, 3, OFF >> 1, 0x1000200030));
		COMPARE("readv with flags",
			(oring_prep_readv(ours(), file, iov(), 9, OFF),
			 oring_sqe_add_op_flags(&our_entry, 8)),
			io_uring_prep_readv2(theirs(), FD, iov(), 9, OFF, 8));
		COMPARE("writev with flags",
			(oring_prep_writev(ours(), file, iov(), 9, OFF),
			 oring_sqe_add_op_flags(&our_entry, 8)),
			io_uring_prep_writev2(theirs(), FD, iov(), 9, OFF, 8));
	}
}

Test(peer, names)
{
	const char *path = memory, *other = more;
	struct open_how *how = more;
	unsigned int slot;

	oring_prep_openat(ours(), AT_FDCWD, path, O_RDWR | O_CREAT, 0640);
	io_uring_prep_openat(theirs(), AT_FDCWD, path, O_RDWR | O_CREAT, 0640);
	same("openat");
	oring_prep_openat2(ours(), FD, path, how, sizeof(*how));
	io_uring_prep_openat2(theirs(), FD, path, how);
	same("openat2");
	for (slot = 0; slot < 9; slot += 4) {
		oring_prep_openat_direct(ours(), FD, path, O_RDWR, 0640, oring_slot_at(slot));
		io_uring_prep_openat_direct(theirs(), FD, path, O_RDWR, 0640, slot);
		same("openat_direct");
		oring_prep_openat2_direct(ours(), FD, path, how, sizeof(*how), oring_slot_at(slot));
		io_uring_prep_openat2_direct(theirs(), FD, path, how, slot);
		same("openat2_direct");
		oring_prep_close(ours(), oring_file_slot(slot));
		io_uring_prep_close_direct(theirs(), slot);
		same("close of a slot");
	}
	oring_prep_close(ours(), oring_file_fd(FD));
	io_uring_prep_close(theirs(), FD);
	same("close");
	oring_prep_statx(ours(), FD, path, (struct statx *)more, AT_EMPTY_PATH, STATX_ALL);
	io_uring_prep_statx(theirs(), FD, path, AT_EMPTY_PATH, STATX_ALL, (struct statx *)more);
	same("statx");
	oring_prep_unlinkat(ours(), FD, path, AT_REMOVEDIR);
	io_uring_prep_unlinkat(theirs(), FD, path, AT_REMOVEDIR);
	same("unlinkat");
	oring_prep_renameat(ours(), FD, path, AT_FDCWD, other, RENAME_NOREPLACE);
	io_uring_prep_renameat(theirs(), FD, path, AT_FDCWD, other, RENAME_NOREPLACE);
	same("renameat");
}

Test(peer, pipes)
{
	int way;

	for (way = 0; way < 4; way++) {
		oring_file in = way & 1 ? oring_file_slot(FD) : oring_file_fd(FD);
		oring_file out = way & 2 ? oring_file_slot(78) : oring_file_fd(78);
		unsigned int flags = 1 | (way & 1 ? SPLICE_F_FD_IN_FIXED : 0);

		oring_prep_splice(ours(), in, 0x1234567890, out, -1, LEN, 1);
		io_uring_prep_splice(theirs(), FD, 0x1234567890, 78, -1, LEN, flags);
		if (way & 2)
			their_file_is_slot();
		same("splice");
		oring_prep_tee(ours(), in, out, LEN, 1);
		io_uring_prep_tee(theirs(), FD, 78, LEN, flags);
		if (way & 2)
			their_file_is_slot();
		same("tee");
	}
}

Test(peer, sockets)
{
	struct sockaddr *address = memory;
	struct msghdr *message = memory;
	int way;

	oring_prep_socket(ours(), AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 6);
	io_uring_prep_socket(theirs(), AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 6, 0);
	same("socket");
	oring_prep_socket_direct(ours(), AF_INET, SOCK_STREAM, 6, oring_slot_at(3));
	io_uring_prep_socket_direct(theirs(), AF_INET, SOCK_STREAM, 6, 3, 0);
	same("socket_direct");
	oring_prep_socket_direct(ours(), AF_INET, SOCK_STREAM, 6, ORING_SLOT_ALLOC);
	io_uring_prep_socket_direct_alloc(theirs(), AF_INET, SOCK_STREAM, 6, 0);
	same("socket_direct, any slot");
	for (way = 0; way < 2; way++) {
		oring_file file = way ? oring_file_slot(FD) : oring_file_fd(FD);

		COMPARE("accept",
			oring_prep_accept(ours(), file, address, (uint32_t *)more, SOCK_CLOEXEC),
			io_uring_prep_accept(theirs(), FD, address, (socklen_t *)more,
					     SOCK_CLOEXEC));
		COMPARE("accept_direct",
			oring_prep_accept_direct(ours(), file, address, (uint32_t *)more,
						 SOCK_NONBLOCK, oring_slot_at(3)),
			io_uring_prep_accept_direct(theirs(), FD, address, (socklen_t *)more,
						    SOCK_NONBLOCK, 3));
		COMPARE("connect", oring_prep_connect(ours(), file, address, 0x12345678),
			io_uring_prep_connect(theirs(), FD, address, 0x12345678));
		COMPARE("shutdown", oring_prep_shutdown(ours(), file, SHUT_RDWR),
			io_uring_prep_shutdown(theirs(), FD, SHUT_RDWR));
		COMPARE("send", oring_prep_send(ours(), file, memory, LEN, MSG_MORE),
			io_uring_prep_send(theirs(), FD, memory, LEN, MSG_MORE));
		COMPARE("recv", oring_prep_recv(ours(), file, memory, LEN, MSG_WAITALL),
			io_uring_prep_recv(theirs(), FD, memory, LEN, MSG_WAITALL));
		COMPARE("sendmsg", oring_prep_sendmsg(ours(), file, message, MSG_MORE),
			io_uring_prep_sendmsg(theirs(), FD, message, MSG_MORE));
		COMPARE("recvmsg", oring_prep_recvmsg(ours(), file, message, MSG_PEEK),
			io_uring_prep_recvmsg(theirs(), FD, message, MSG_PEEK));
	}
}

Test(peer, polls_and_timeouts)
{
	/* The same two 64-bit numbers, though the layouts have different names. */
	struct __kernel_timespec *their_ts = memory;
	const struct oring_timespec *our_ts = memory;
	oring_context target = oring_context_from_bits(0xfedcba9876543210);
	oring_context renamed = oring_context_from_bits(0x123456789abcdef0);
	int way;

	for (way = 0; way < 2; way++) {
		oring_file file = way ? oring_file_slot(FD) : oring_file_fd(FD);

		COMPARE("poll_add", oring_prep_poll_add(ours(), file, POLLIN | 1U << 31),
			io_uring_prep_poll_add(theirs(), FD, POLLIN | 1U << 31));
		COMPARE("poll_add_multishot", oring_prep_poll_add_multishot(ours(), file, POLLOUT),
			io_uring_prep_poll_multishot(theirs(), FD, POLLOUT));
	}
	oring_prep_poll_remove(ours(), target);
	io_uring_prep_poll_remove(theirs(), target.bits);
	same("poll_remove");
	oring_prep_poll_update(ours(), target, renamed, POLLIN, 6);
	io_uring_prep_poll_update(theirs(), target.bits, renamed.bits, POLLIN, 6);
	same("poll_update");
	oring_prep_timeout(ours(), our_ts, LEN, ORING_TIMEOUT_ABS);
	io_uring_prep_timeout(theirs(), their_ts, LEN, IORING_TIMEOUT_ABS);
	same("timeout");
	oring_prep_timeout_remove(ours(), target);
	io_uring_prep_timeout_remove(theirs(), target.bits, 0);
	same("timeout_remove");
	oring_prep_timeout_update(ours(), target, our_ts, ORING_TIMEOUT_ABS);
	io_uring_prep_timeout_update(theirs(), their_ts, target.bits, IORING_TIMEOUT_ABS);
	same("timeout_update");
	oring_prep_link_timeout(ours(), our_ts, ORING_TIMEOUT_ABS);
	io_uring_prep_link_timeout(theirs(), their_ts, IORING_TIMEOUT_ABS);
	same("link_timeout");
}

Test(peer, link_timeout_update)
{
	oring_context target = oring_context_from_bits(0xfedcba9876543210);

	oring_prep_link_timeout_update(ours(), target, memory, ORING_TIMEOUT_ABS);
	io_uring_prep_timeout_update(theirs(), memory, target.bits,
				     IORING_LINK_TIMEOUT_UPDATE | IORING_TIMEOUT_ABS);
	same("link_timeout_update");
}

Test(peer, cancels_and_messages)
{
	oring_context target = oring_context_from_bits(0xfedcba9876543210);
	int way;

	oring_prep_async_cancel(ours(), target, ORING_ASYNC_CANCEL_ALL);
	io_uring_prep_cancel64(theirs(), target.bits, IORING_ASYNC_CANCEL_ALL);
	same("async_cancel");
	oring_prep_async_cancel_file(ours(), oring_file_fd(FD), ORING_ASYNC_CANCEL_ALL);
	io_uring_prep_cancel_fd(theirs(), FD, IORING_ASYNC_CANCEL_ALL);
	same("async_cancel_file");
	oring_prep_async_cancel_file(ours(), oring_file_slot(FD), 0);
	io_uring_prep_cancel_fd(theirs(), FD, IORING_ASYNC_CANCEL_FD_FIXED);
	same("async_cancel_file of a slot");
	oring_prep_async_cancel_any(ours(), 0);
	io_uring_prep_cancel64(theirs(), 0, IORING_ASYNC_CANCEL_ANY);
	same("async_cancel_any");
	/* The flag is younger than liburing 2.3, and so is the operation's place in len. */
	oring_prep_async_cancel_op(ours(), ORING_OP_RECV, 0);
	io_uring_prep_cancel64(theirs(), 0, ORING_ASYNC_CANCEL_OP);
	their_entry.len = IORING_OP_RECV;
	same("async_cancel_op");
	for (way = 0; way < 2; way++) {
		oring_file file = way ? oring_file_slot(FD) : oring_file_fd(FD);

		COMPARE("msg_ring", oring_prep_msg_ring(ours(), file, target, -5, 0),
			io_uring_prep_msg_ring(theirs(), FD, (unsigned int)-5, target.bits, 0));
	}
}

Test(peer, more_files)
{
	oring_fixed_buf buf = { memory, LEN, 0xfedc, 0 };
	int way;

	for (way = 0; way < 2; way++) {
		oring_file file = way ? oring_file_slot(FD) : oring_file_fd(FD);

		COMPARE("read_buf", oring_prep_read_buf(ours(), file, buf, OFF),
			io_uring_prep_read_fixed(theirs(), FD, memory, LEN, OFF, 0xfedc));
		COMPARE("write_buf", oring_prep_write_buf(ours(), file, buf, OFF),
			io_uring_prep_write_fixed(theirs(), FD, memory, LEN, OFF, 0xfedc));
		COMPARE("sync_file_range",
			oring_prep_sync_file_range(ours(), file, LEN, OFF, SYNC_FILE_RANGE_WRITE),
			io_uring_prep_sync_file_range(theirs(), FD, LEN, OFF,
						      SYNC_FILE_RANGE_WRITE));
		/* liburing cuts a length to 32 bits; ours goes elsewhere then. */
		COMPARE("fadvise",
			oring_prep_fadvise(ours(), file, UINT32_MAX, OFF, POSIX_FADV_WILLNEED),
			io_uring_prep_fadvise(theirs(), FD, OFF, UINT32_MAX, POSIX_FADV_WILLNEED));
		COMPARE("fsetxattr", oring_prep_fsetxattr(ours(), file, memory, more, LEN, 2),
			io_uring_prep_fsetxattr(theirs(), FD, memory, more, 2, LEN));
		COMPARE("fgetxattr", oring_prep_fgetxattr(ours(), file, memory, more, LEN),
			io_uring_prep_fgetxattr(theirs(), FD, memory, more, LEN));
	}
	oring_prep_madvise(ours(), memory, UINT32_MAX, 4);
	io_uring_prep_madvise(theirs(), memory, UINT32_MAX, 4);
	same("madvise");
}

Test(peer, more_names)
{
	static char value[4];
	const char *path = memory, *other = more;

	oring_prep_mkdirat(ours(), FD, path, 0751);
	io_uring_prep_mkdirat(theirs(), FD, path, 0751);
	same("mkdirat");
	oring_prep_symlinkat(ours(), path, AT_FDCWD, other);
	io_uring_prep_symlinkat(theirs(), path, AT_FDCWD, other);
	same("symlinkat");
	oring_prep_linkat(ours(), AT_FDCWD, path, FD, other, AT_SYMLINK_FOLLOW);
	io_uring_prep_linkat(theirs(), AT_FDCWD, path, FD, other, AT_SYMLINK_FOLLOW);
	same("linkat");
	/* Note the order: ours has the file first, as setxattr(2). */
	oring_prep_setxattr(ours(), path, other, value, LEN, 1);
	io_uring_prep_setxattr(theirs(), other, value, path, 1, LEN);
	same("setxattr");
	oring_prep_getxattr(ours(), path, other, value, LEN);
	io_uring_prep_getxattr(theirs(), other, value, path, LEN);
	same("getxattr");
	oring_prep_files_update(ours(), memory, LEN, oring_slot_at(0x1234567));
	io_uring_prep_files_update(theirs(), memory, LEN, 0x1234567);
	same("files_update");
	/* To choose slots is a mark in the offset: 32 bits of it, without a sign. */
	oring_prep_files_update_alloc(ours(), memory, 3);
	io_uring_prep_files_update(theirs(), memory, 3, 0);
	their_entry.off = IORING_FILE_INDEX_ALLOC;
	same("files_update_alloc");
}

Test(peer, more_sends)
{
	const struct sockaddr *address = more;
	const struct msghdr *message = memory;
	oring_fixed_buf buf = { memory, LEN, 0xfedc, 0 };
	int way;

	for (way = 0; way < 2; way++) {
		oring_file file = way ? oring_file_slot(FD) : oring_file_fd(FD);

		COMPARE("sendto",
			oring_prep_sendto(ours(), file, memory, LEN, MSG_MORE, address, 0xabcd),
			(io_uring_prep_send(theirs(), FD, memory, LEN, MSG_MORE),
			 io_uring_prep_send_set_addr(&their_entry, address, 0xabcd)));
		COMPARE("send_zc", oring_prep_send_zc(ours(), file, memory, LEN, MSG_MORE),
			io_uring_prep_send_zc(theirs(), FD, memory, LEN, MSG_MORE, 0));
		COMPARE("send_zc, told of",
			(oring_prep_send_zc(ours(), file, memory, LEN, MSG_MORE),
			 oring_sqe_report_usage(&our_entry), oring_sqe_poll_first(&our_entry)),
			io_uring_prep_send_zc(theirs(), FD, memory, LEN, MSG_MORE,
					      1U << 3 | IORING_RECVSEND_POLL_FIRST));
		COMPARE("sendto_zc",
			oring_prep_sendto_zc(ours(), file, memory, LEN, MSG_MORE, address, 0xabcd),
			(io_uring_prep_send_zc(theirs(), FD, memory, LEN, MSG_MORE, 0),
			 io_uring_prep_send_set_addr(&their_entry, address, 0xabcd)));
		COMPARE("send_fixed_zc",
			oring_prep_send_fixed_zc(ours(), file, memory, LEN, MSG_MORE, 0xfedc),
			io_uring_prep_send_zc_fixed(theirs(), FD, memory, LEN, MSG_MORE, 0,
						    0xfedc));
		COMPARE("send_buf_zc", oring_prep_send_buf_zc(ours(), file, buf, MSG_MORE),
			io_uring_prep_send_zc_fixed(theirs(), FD, memory, LEN, MSG_MORE, 0,
						    0xfedc));
		COMPARE("sendmsg_zc", oring_prep_sendmsg_zc(ours(), file, message, MSG_MORE),
			io_uring_prep_sendmsg_zc(theirs(), FD, message, MSG_MORE));
	}
}

Test(peer, more_accepts)
{
	int way;

	for (way = 0; way < 2; way++) {
		oring_file file = way ? oring_file_slot(FD) : oring_file_fd(FD);

		COMPARE("accept_multishot", oring_prep_accept_multishot(ours(), file, SOCK_CLOEXEC),
			io_uring_prep_multishot_accept(theirs(), FD, NULL, NULL, SOCK_CLOEXEC));
		COMPARE("accept_direct_multishot",
			oring_prep_accept_direct_multishot(ours(), file, SOCK_NONBLOCK),
			io_uring_prep_multishot_accept_direct(theirs(), FD, NULL, NULL,
							      SOCK_NONBLOCK));
	}
}

Test(peer, multishot_receives)
{
	struct msghdr *message = memory;
	int way;

	for (way = 0; way < 2; way++) {
		oring_file file = way ? oring_file_slot(FD) : oring_file_fd(FD);

		oring_prep_recv_multishot(ours(), file, MSG_TRUNC);
		io_uring_prep_recv_multishot(theirs(), FD, NULL, 0, MSG_TRUNC);
		if (way)
			their_file_is_slot();
		same_with_group("recv_multishot");
		oring_prep_recvmsg_multishot(ours(), file, message, MSG_TRUNC);
		io_uring_prep_recvmsg_multishot(theirs(), FD, message, MSG_TRUNC);
		if (way)
			their_file_is_slot();
		same_with_group("recvmsg_multishot");
	}
}

Test(peer, more_events_and_buffers)
{
	const struct oring_timespec *our_ts = memory;
	struct __kernel_timespec *their_ts = memory;

	/* Note the order: ours has the operation first, as epoll_ctl(2). */
	oring_prep_epoll_ctl(ours(), FD, 3, 78, more);
	io_uring_prep_epoll_ctl(theirs(), FD, 78, 3, more);
	same("epoll_ctl");
	oring_prep_timeout_multishot(ours(), our_ts, LEN, ORING_TIMEOUT_BOOTTIME);
	io_uring_prep_timeout(theirs(), their_ts, LEN, 1U << 6 | IORING_TIMEOUT_BOOTTIME);
	same("timeout_multishot");
	oring_prep_provide_buffers(ours(), memory, LEN, 99, 0x8421, 0xfedc);
	io_uring_prep_provide_buffers(theirs(), memory, LEN, 99, 0x8421, 0xfedc);
	same("provide_buffers");
	oring_prep_remove_buffers(ours(), 99, 0x8421);
	io_uring_prep_remove_buffers(theirs(), 99, 0x8421);
	same("remove_buffers");
	/* Three criteria together: the file's by their function, the others by hand. */
	oring_prep_async_cancel_match(
		ours(), oring_context_from_bits(OFF), oring_file_fd(FD), ORING_OP_RECV,
		ORING_ASYNC_CANCEL_FD | ORING_ASYNC_CANCEL_OP | ORING_ASYNC_CANCEL_USERDATA);
	io_uring_prep_cancel_fd(theirs(), FD, ORING_ASYNC_CANCEL_OP | ORING_ASYNC_CANCEL_USERDATA);
	their_entry.addr = OFF;
	their_entry.len = IORING_OP_RECV;
	same("async_cancel_match");
}
