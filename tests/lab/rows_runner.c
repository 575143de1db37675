/* SPDX-License-Identifier: MIT */
/*
 * Tests for machines without Criterion, and for 32-bit programs: static, with
 * nothing but libc. Each test is a child process with a ring of its own, on
 * several ring shapes; what the kernel lacks is skipped with that reason.
 * Prints TAP. The rows of the table come first, then the ring, then operations.
 *
 * Arguments: parts of names of the tests to run; none: all.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "tests/rows.h"

#define ENTRIES 16
#define SECONDS 60 /* the limit of one test */
#define HIGH	((uint64_t)0xfedcba9800000000)
#define FAR	((uint64_t)5 << 30) /* an offset above 32 bits */

static struct oring ring;
static struct oring_feature_set can;
static char *why; /* shared with the parent: why a test failed or was skipped */

static void __attribute__((noreturn, format(printf, 2, 3))) leave(int code, const char *text, ...)
{
	va_list args;

	va_start(args, text);
	vsnprintf(why, 512, text, args);
	va_end(args);
	_exit(code);
}

#define PASS 0
#define FAIL 1
#define SKIP 77

static void expect_at(int line, const char *what, int64_t got, int64_t wanted)
{
	if (got != wanted)
		leave(FAIL, "line %d: %s is %" PRId64 " (%s), not %" PRId64, line, what, got,
		      got < 0 && got > -4096 ? strerror((int)-got) : "no error", wanted);
}

#define EXPECT(got, wanted) expect_at(__LINE__, #got, (int64_t)(got), (int64_t)(wanted))
#define EXPECT_TRUE(what)   EXPECT(!!(what), 1)

static void need(unsigned int op)
{
	if (!oring_feature_has_op(&can, op))
		leave(SKIP, "operation %s: not on this kernel", oring_op_name(op));
}

/* ---- submitting ---- */

static uint64_t identity = HIGH;

static struct oring_sqe *entry(void)
{
	struct oring_sqe *sqe = oring_sq_reserve(&ring);

	EXPECT_TRUE(sqe != NULL);
	oring_sqe_set_user_data(sqe, ++identity);
	return sqe;
}

static struct oring_cqe reap(void)
{
	struct oring_cqe cqe;

	while (oring_cq_copy(&ring, &cqe, 1) == 0) {
		int ret = oring_submit_and_wait(&ring, 1);

		if (ret < 0 && ret != -EINTR)
			EXPECT(ret, 0);
	}
	return cqe;
}

/* Submit the one entry that entry() gave last; its result. */
static int result(void)
{
	struct oring_cqe cqe = reap();

	EXPECT(cqe.user_data, identity);
	return cqe.res;
}

/* The results of the last @n entries, by their order. */
static void results(int n, int32_t *res)
{
	uint64_t first = identity + 1 - (uint64_t)n;
	int i;

	for (i = 0; i < n; i++) {
		struct oring_cqe cqe = reap();

		EXPECT_TRUE(cqe.user_data - first < (uint64_t)n);
		res[cqe.user_data - first] = cqe.res;
	}
}

static int new_file(void)
{
	char path[] = "/tmp/oring-runner-XXXXXX";
	int fd = mkstemp(path);

	EXPECT_TRUE(fd >= 0);
	unlink(path);
	return fd;
}

static void make_pair(int pair[2])
{
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
}

/* ---- the rows ---- */

/* Arguments as the table's other tests have them. */
static struct oring_sqe filled(const struct row *row, size_t len, uint32_t slot)
{
	struct row_args args;
	struct oring_sqe128 large;

	memset(&args, 0, sizeof(args));
	args.file = oring_file_fd(5);
	args.other = oring_file_fd(6);
	args.slot = oring_slot_at(slot);
	args.buf.addr = (void *)(uintptr_t)0x71234560;
	args.buf.len = 0x345678;
	args.buf.index = 0x4321;
	args.len = len;
	args.number = 0x1204064c;
	oring_sqe128_clear(&large);
	row->fill(&large.sqe, &args);
	oring_sqe_set_user_data(&large.sqe, ++identity);
	if (row->needs_group) {
		oring_sqe_buffer_select(&large.sqe, 3);
		/* The made-up flags have it, which a multishot receive must not. */
		if (row->op == ORING_OP_RECV || row->op == ORING_OP_RECVMSG)
			large.sqe.op_flags &= ~(uint32_t)MSG_WAITALL;
	}
	return large.sqe;
}

static void refused(struct oring_sqe sqe, const struct row *row, int check)
{
	struct oring_sqe copy = sqe;

	EXPECT(oring_sqe_check(&copy), check);
	EXPECT(copy.opcode, ORING_OP_REFUSED);
	EXPECT(copy.off & 0xff, row->op);
	EXPECT_TRUE(oring_sq_push(&ring, &copy) != NULL);
	EXPECT(result(), -EINVAL);
}

static void test_row(const struct row *row)
{
	struct oring_sqe sqe = filled(row, 4096, 9);
	size_t too_big = (size_t)(((uint64_t)1 << 32) + 5);

	EXPECT(sqe.opcode, row->op);
	EXPECT(oring_sqe_check(&sqe), 0);
	oring_sqe_refuse(&sqe, ORING_REFUSED_LENGTH);
	refused(sqe, row, -EOVERFLOW);
	if (row->takes_size && sizeof(size_t) > 4)
		refused(filled(row, too_big, 9), row, -EOVERFLOW);
	if (row->takes_slot)
		refused(filled(row, 4096, 0xfffffffe), row, -EBADSLT);
}

/* ---- the ring ---- */

static void test_nop_identity(void)
{
	static const uint64_t ids[] = { 0, 1, UINT64_MAX, INT64_MAX, 0xffffffff, 0x100000000 };
	size_t i;

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		oring_prep_nop(entry());
		identity = ids[i];
		oring_sqe_set_user_data(oring_sq_at(&ring, ring.sq_reserved - 1), identity);
		EXPECT(result(), 0);
	}
}

static void test_full_queue(void)
{
	int32_t res[ENTRIES];
	int i;

	for (i = 0; i < ENTRIES; i++)
		oring_prep_nop(entry());
	EXPECT_TRUE(oring_sq_reserve(&ring) == NULL);
	EXPECT(oring_sq_pending(&ring), ENTRIES);
	EXPECT(oring_submit(&ring), ENTRIES);
	results(ENTRIES, res);
	EXPECT(oring_sq_space(&ring), ENTRIES);
}

static void test_many_wraps(void)
{
	int batch, i;

	for (batch = 0; batch < 1000; batch++) {
		for (i = 0; i < 3; i++)
			oring_prep_nop(entry());
		EXPECT(oring_submit(&ring), 3);
		for (i = 2; i >= 0; i--)
			EXPECT(reap().user_data, identity - (uint64_t)i);
	}
}

static void test_overflow_loses_nothing(void)
{
	uint32_t wanted = ring.cq_entries + 20, i, seen = 0;
	struct oring_cqe cqe;

	if (!(oring_features(&ring) & ORING_FEAT_NODROP))
		leave(SKIP, "ORING_FEAT_NODROP: not on this kernel");
	for (i = 0; i < wanted; i++) {
		oring_prep_nop(entry());
		EXPECT(oring_submit(&ring), 1);
	}
	while (seen < wanted) {
		while (oring_cq_copy(&ring, &cqe, 1) == 1)
			EXPECT(cqe.user_data, HIGH + ++seen);
		if (seen < wanted)
			EXPECT_TRUE(oring_get_events(&ring) >= 0);
	}
	EXPECT(oring_cq_overflow_count(&ring), 0);
}

static void test_links(void)
{
	struct oring_sqe *sqe;
	char byte;
	int32_t res[3];

	sqe = entry();
	oring_prep_read(sqe, oring_file_fd(-1), &byte, 1, 0);
	oring_sqe_link(sqe);
	oring_prep_nop(entry());
	results(2, res);
	EXPECT(res[0], -EBADF);
	EXPECT(res[1], -ECANCELED);
	sqe = entry();
	oring_prep_read(sqe, oring_file_fd(-1), &byte, 1, 0);
	oring_sqe_hardlink(sqe);
	oring_prep_nop(entry());
	results(2, res);
	EXPECT(res[0], -EBADF);
	EXPECT(res[1], 0);
}

static void test_timed_wait(void)
{
	struct oring_wait_arg limit;
	struct oring_outcome outcome;
	struct timespec before, after;

	if (!(oring_features(&ring) & ORING_FEAT_EXT_ARG))
		leave(SKIP, "ORING_FEAT_EXT_ARG: not on this kernel");
	oring_wait_relative(&limit, 0, 50000000);
	clock_gettime(CLOCK_MONOTONIC, &before);
	EXPECT(oring_submit_and_wait_timeout(&ring, 1, &limit, &outcome), -ETIME);
	clock_gettime(CLOCK_MONOTONIC, &after);
	EXPECT(outcome.ready, 0);
	EXPECT_TRUE((after.tv_sec - before.tv_sec) * 1000 +
			    (after.tv_nsec - before.tv_nsec) / 1000000 >=
		    49);
	oring_prep_nop(entry());
	oring_wait_relative(&limit, (int64_t)1 << 33, 0);
	oring_submit_and_wait_timeout(&ring, 1, &limit, &outcome);
	EXPECT(outcome.error, 0);
	EXPECT(outcome.ready, 1);
	EXPECT(result(), 0);
}

static void test_init_refuses(void)
{
	struct oring other;
	struct oring_params params;

	memset(&params, 0, sizeof(params));
	EXPECT(oring_init(&other, 0, NULL), -EINVAL);
	params.flags = 1U << 31;
	EXPECT(oring_init(&other, 8, &params), -EINVAL);
}

/* ---- files ---- */

static void test_read_write(void)
{
	char out[] = "far away", in[sizeof(out)] = "";
	int fd = new_file();

	oring_prep_write(entry(), oring_file_fd(fd), out, sizeof(out), FAR);
	EXPECT(result(), sizeof(out));
	oring_prep_read(entry(), oring_file_fd(fd), in, sizeof(in), FAR);
	EXPECT(result(), sizeof(in));
	EXPECT(memcmp(in, out, sizeof(in)), 0);
	EXPECT(lseek(fd, 0, SEEK_END), FAR + sizeof(out));
	oring_prep_fsync(entry(), oring_file_fd(fd), 0);
	EXPECT(result(), 0);
	oring_prep_close(entry(), oring_file_fd(fd));
	EXPECT(result(), 0);
	EXPECT(fcntl(fd, F_GETFD), -1);
}

static void test_readv_writev(void)
{
	char in[6] = "";
	struct iovec out_iov[2] = { { "abc", 3 }, { "de", 3 } };
	struct iovec in_iov[3] = { { in, 1 }, { in + 1, 2 }, { in + 3, 3 } };
	int fd = new_file();

	oring_prep_writev(entry(), oring_file_fd(fd), out_iov, 2, FAR);
	EXPECT(result(), 6);
	oring_prep_readv(entry(), oring_file_fd(fd), in_iov, 3, FAR);
	EXPECT(result(), 6);
	EXPECT(strcmp(in, "abcde"), 0);
}

static void test_fixed_buffers(void)
{
	static char pages[2][4096] __attribute__((aligned(4096)));
	struct iovec iov[2] = { { pages[0], 4096 }, { pages[1], 4096 } };
	oring_fixed_buf buf;
	int fd = new_file();

	strcpy(pages[0], "registered");
	EXPECT(oring_register_buffers(&ring, iov, 2), 0);
	oring_prep_write_fixed(entry(), oring_file_fd(fd), pages[0], 100, 0, 0);
	EXPECT(result(), 100);
	oring_prep_read_fixed(entry(), oring_file_fd(fd), pages[1], 100, 0, 1);
	EXPECT(result(), 100);
	EXPECT(memcmp(pages[0], pages[1], 100), 0);
	EXPECT(oring_fixed_buf_of(pages[1], 4096, 1, &buf), 0);
	EXPECT(oring_fixed_buf_slice(buf, 3, 20, &buf), 0);
	oring_prep_write_buf(entry(), oring_file_fd(fd), buf, FAR);
	EXPECT(result(), 20);
	EXPECT(oring_fixed_buf_of(pages[0], 4096, 0, &buf), 0);
	EXPECT(oring_fixed_buf_slice(buf, 4000, 20, &buf), 0);
	oring_prep_read_buf(entry(), oring_file_fd(fd), buf, FAR);
	EXPECT(result(), 20);
	EXPECT(strcmp(pages[0] + 4000, "istered"), 0);
	EXPECT(oring_unregister_buffers(&ring), 0);
}

static void test_paths(void)
{
	char dir[] = "/tmp/oring-runner-XXXXXX", one[64], two[64];
	struct statx stat;
	int fd;

	need(ORING_OP_RENAMEAT);
	EXPECT_TRUE(mkdtemp(dir) != NULL);
	snprintf(one, sizeof(one), "%s/one", dir);
	snprintf(two, sizeof(two), "%s/two", dir);
	oring_prep_openat(entry(), AT_FDCWD, one, O_RDWR | O_CREAT, 0640);
	fd = result();
	EXPECT_TRUE(fd >= 0);
	oring_prep_fallocate(entry(), oring_file_fd(fd), 8192, 0, 0);
	EXPECT(result(), 0);
	EXPECT(lseek(fd, 0, SEEK_END), 8192);
	EXPECT(ftruncate(fd, (off_t)FAR), 0);
	oring_prep_renameat(entry(), AT_FDCWD, one, AT_FDCWD, two, 0);
	EXPECT(result(), 0);
	memset(&stat, 0, sizeof(stat));
	oring_prep_statx(entry(), AT_FDCWD, two, &stat, 0, STATX_SIZE | STATX_MODE);
	EXPECT(result(), 0);
	EXPECT(stat.stx_size, FAR);
	EXPECT(stat.stx_mode & 0777, 0640);
	oring_prep_unlinkat(entry(), AT_FDCWD, two, 0);
	EXPECT(result(), 0);
	EXPECT(access(two, F_OK), -1);
	oring_prep_unlinkat(entry(), AT_FDCWD, dir, AT_REMOVEDIR);
	EXPECT(result(), 0);
}

static void test_ftruncate(void)
{
	int fd = new_file();

	need(ORING_OP_FTRUNCATE);
	oring_prep_ftruncate(entry(), oring_file_fd(fd), FAR);
	EXPECT(result(), 0);
	EXPECT(lseek(fd, 0, SEEK_END), FAR);
}

static void test_direct_slots(void)
{
	char in[8] = "";
	int32_t empty[2] = { -1, -1 };
	int fd;

	need(ORING_OP_SOCKET); /* one release later than what is needed: telling from 5.15 */
	EXPECT(oring_register_files(&ring, empty, 2), 0);
	oring_prep_openat_direct(entry(), AT_FDCWD, "/proc/self/comm", O_RDONLY, 0,
				 oring_slot_at(1));
	EXPECT(result(), 0);
	oring_prep_read(entry(), oring_file_slot(1), in, sizeof(in), 0);
	EXPECT_TRUE(result() > 0);
	oring_prep_close(entry(), oring_file_slot(1));
	EXPECT(result(), 0);
	oring_prep_read(entry(), oring_file_slot(1), in, sizeof(in), 0);
	EXPECT(result(), -EBADF);
	fd = new_file();
	EXPECT(oring_register_files_update(&ring, 0, &fd, 1), 1);
	close(fd);
	oring_prep_write(entry(), oring_file_slot(0), "x", 1, 0);
	EXPECT(result(), 1);
}

static void test_splice_tee(void)
{
	char in[16] = "";
	int from[2], to[2], fd = new_file();

	EXPECT(pipe(from), 0);
	EXPECT(pipe(to), 0);
	EXPECT(write(from[1], "through", 7), 7);
	oring_prep_tee(entry(), oring_file_fd(from[0]), oring_file_fd(to[1]), 7, 0);
	EXPECT(result(), 7);
	oring_prep_splice(entry(), oring_file_fd(from[0]), -1, oring_file_fd(fd), (int64_t)FAR, 7,
			  0);
	EXPECT(result(), 7);
	EXPECT(read(to[0], in, sizeof(in)), 7);
	EXPECT(pread(fd, in + 7, 7, (off_t)FAR), 7);
	EXPECT(strcmp(in, "throughthrough"), 0);
}

static void test_directories_and_links(void)
{
	char dir[] = "/tmp/oring-runner-XXXXXX", in[16] = "";
	struct stat one, two;
	int at;

	need(ORING_OP_LINKAT);
	EXPECT_TRUE(mkdtemp(dir) != NULL);
	at = open(dir, O_DIRECTORY);
	oring_prep_mkdirat(entry(), at, "sub", 0700);
	EXPECT(result(), 0);
	EXPECT(fstatat(at, "sub", &one, 0), 0);
	EXPECT(one.st_mode & 0777, 0700);
	oring_prep_symlinkat(entry(), "target", at, "sub/symbolic");
	EXPECT(result(), 0);
	EXPECT(readlinkat(at, "sub/symbolic", in, sizeof(in)), 6);
	EXPECT(strcmp(in, "target"), 0);
	close(openat(at, "one", O_CREAT | O_RDWR, 0600));
	oring_prep_linkat(entry(), at, "one", at, "sub/two", 0);
	EXPECT(result(), 0);
	EXPECT(fstatat(at, "one", &one, 0), 0);
	EXPECT(fstatat(at, "sub/two", &two, 0), 0);
	EXPECT(one.st_ino, two.st_ino);
	EXPECT(unlinkat(at, "sub/two", 0) | unlinkat(at, "sub/symbolic", 0) |
		       unlinkat(at, "sub", AT_REMOVEDIR) | unlinkat(at, "one", 0) | rmdir(dir),
	       0);
}

/* By path and by descriptor; each has an address more than other operations. */
static void test_xattrs(void)
{
	char path[] = "/tmp/oring-runner-XXXXXX", in[16] = "";
	int fd = mkstemp(path);

	need(ORING_OP_SETXATTR);
	if (fsetxattr(fd, "trusted.oring", "", 0, 0) && (errno == EPERM || errno == ENOTSUP)) {
		unlink(path);
		leave(SKIP, "trusted attributes in /tmp: not for this user or file system");
	}
	oring_prep_setxattr(entry(), path, "trusted.oring", "by path", 7, XATTR_REPLACE);
	EXPECT(result(), 0);
	oring_prep_fgetxattr(entry(), oring_file_fd(fd), "trusted.oring", in, sizeof(in));
	EXPECT(result(), 7);
	EXPECT(strcmp(in, "by path"), 0);
	oring_prep_fsetxattr(entry(), oring_file_fd(fd), "trusted.oring", "by file", 8, 0);
	EXPECT(result(), 0);
	oring_prep_getxattr(entry(), path, "trusted.oring", in, sizeof(in));
	EXPECT(result(), 8);
	EXPECT(strcmp(in, "by file"), 0);
	oring_prep_setxattr(entry(), path, "trusted.oring", "", 0, XATTR_CREATE);
	EXPECT(result(), -EEXIST);
	unlink(path);
}

static void test_pipe(void)
{
	int ends[2] = { -1, -1 }, filler = 0x5a5a5a5a;
	char byte = 0;

	need(ORING_OP_PIPE);
	oring_prep_pipe(entry(), ends, O_CLOEXEC);
	EXPECT(result(), 0);
	EXPECT(write(ends[1], "x", 1), 1);
	EXPECT(read(ends[0], &byte, 1), 1);
	EXPECT(byte, 'x');
	EXPECT(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
	EXPECT(filler, 0x5a5a5a5a);
}

static void test_files_update(void)
{
	int32_t empty[4] = { -1, -1, -1, -1 }, fds[2] = { new_file(), new_file() };
	char in[4] = "";

	EXPECT(write(fds[1], "one", 4), 4);
	EXPECT(oring_register_files(&ring, empty, 4), 0);
	oring_prep_files_update(entry(), fds, 2, oring_slot_at(1));
	EXPECT(result(), 2);
	close(fds[1]);
	oring_prep_read(entry(), oring_file_slot(2), in, sizeof(in), 0);
	EXPECT(result(), 4);
	EXPECT(strcmp(in, "one"), 0);
	if (!oring_feature_has_op(&can, ORING_OP_SEND_ZC))
		return; /* of the release that chooses slots here */
	fds[1] = fds[0];
	oring_prep_files_update_alloc(entry(), fds, 2);
	EXPECT(result(), 2);
	EXPECT(fds[0] + fds[1], 0 + 3); /* the two that were free */
}

static void test_msg_ring_fd(void)
{
	int32_t empty[4] = { -1, -1, -1, -1 }, fd = new_file();
	struct oring other;
	struct oring_cqe cqe;
	char in[4] = "";

	need(ORING_OP_SEND_ZC); /* of the same release */
	EXPECT(write(fd, "fd", 3), 3);
	EXPECT(oring_init(&other, 4, NULL), 0);
	EXPECT(oring_register_files(&other, empty, 4), 0);
	EXPECT(oring_register_files(&ring, &fd, 1), 0);
	oring_prep_msg_ring_fd(entry(), oring_file_fd(oring_fd(&other)), oring_slot_at(0),
			       oring_slot_at(3), oring_context_from_bits(HIGH + 78), 0);
	EXPECT(result(), 0);
	EXPECT(oring_cq_copy(&other, &cqe, 1), 1);
	EXPECT(cqe.user_data, HIGH + 78);
	oring_prep_read(oring_sq_reserve(&other), oring_file_slot(3), in, sizeof(in), 0);
	EXPECT(oring_submit_and_wait(&other, 1), 1);
	EXPECT(oring_cq_copy(&other, &cqe, 1), 1);
	EXPECT(cqe.res, 3);
	EXPECT(strcmp(in, "fd"), 0);
	EXPECT(oring_exit(&other), 0);
}

/* ---- sockets ---- */

static void test_send_recv(void)
{
	char in[8] = "";
	int pair[2];

	make_pair(pair);
	oring_prep_send(entry(), oring_file_fd(pair[0]), "hello", 6, 0);
	EXPECT(result(), 6);
	oring_prep_recv(entry(), oring_file_fd(pair[1]), in, sizeof(in), 0);
	EXPECT(result(), 6);
	EXPECT(strcmp(in, "hello"), 0);
}

/* Two-part data with a descriptor beside it: iovec, msghdr and cmsghdr of this word size. */
static void test_sendmsg_recvmsg(void)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char in[8] = "";
	struct iovec out_iov[2] = { { "abc", 3 }, { "de", 3 } };
	struct iovec in_iov[2] = { { in, 2 }, { in + 2, 6 } };
	struct msghdr out, back;
	int pair[2], pipes[2], fd;
	char byte;

	make_pair(pair);
	EXPECT(pipe(pipes), 0);
	memset(&out, 0, sizeof(out));
	memset(&control, 0, sizeof(control));
	out.msg_iov = out_iov;
	out.msg_iovlen = 2;
	out.msg_control = &control;
	out.msg_controllen = sizeof(control);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &pipes[0], sizeof(int));
	oring_prep_sendmsg(entry(), oring_file_fd(pair[0]), &out, 0);
	EXPECT(result(), 6);
	memset(&back, 0, sizeof(back));
	memset(&control, 0, sizeof(control));
	back.msg_iov = in_iov;
	back.msg_iovlen = 2;
	back.msg_control = &control;
	back.msg_controllen = sizeof(control);
	oring_prep_recvmsg(entry(), oring_file_fd(pair[1]), &back, 0);
	EXPECT(result(), 6);
	EXPECT(strcmp(in, "abcde"), 0);
	EXPECT(back.msg_controllen >= CMSG_LEN(sizeof(int)), 1);
	EXPECT(control.header.cmsg_type, SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	EXPECT(write(pipes[1], "x", 1), 1);
	EXPECT(read(fd, &byte, 1), 1);
}

static void test_connect_accept(void)
{
	struct sockaddr_in address, peer;
	uint32_t size = sizeof(peer);
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	int32_t res[2];

	memset(&address, 0, sizeof(address));
	memset(&peer, 0, sizeof(peer));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EXPECT(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	EXPECT(listen(listener, 1), 0);
	EXPECT(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	oring_prep_accept(entry(), oring_file_fd(listener), (struct sockaddr *)&peer, &size, 0);
	oring_prep_connect(entry(), oring_file_fd(client), (struct sockaddr *)&address,
			   sizeof(address));
	results(2, res);
	EXPECT_TRUE(res[0] >= 0);
	EXPECT(res[1], 0);
	EXPECT(size, sizeof(peer));
	EXPECT(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	EXPECT(send(client, "x", 1, 0), 1);
	if (oring_feature_has_op(&can, ORING_OP_SHUTDOWN)) {
		char in[4];

		oring_prep_shutdown(entry(), oring_file_fd(client), SHUT_WR);
		EXPECT(result(), 0);
		EXPECT(recv(res[0], in, 4, 0), 1);
		EXPECT(recv(res[0], in, 4, 0), 0);
	}
}

static void test_socket(void)
{
	int type = 0, fd;
	socklen_t len = sizeof(type);

	need(ORING_OP_SOCKET);
	oring_prep_socket(entry(), AF_INET, SOCK_DGRAM, 0);
	fd = result();
	EXPECT_TRUE(fd >= 0);
	EXPECT(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len), 0);
	EXPECT(type, SOCK_DGRAM);
}

static void test_sendto(void)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	int to = socket(AF_INET, SOCK_DGRAM, 0), from = socket(AF_INET, SOCK_DGRAM, 0);
	char in[8] = "";

	need(ORING_OP_SEND_ZC); /* of the same release */
	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EXPECT(bind(to, (struct sockaddr *)&address, sizeof(address)), 0);
	EXPECT(getsockname(to, (struct sockaddr *)&address, &len), 0);
	oring_prep_sendto(entry(), oring_file_fd(from), "udp", 4, 0, (struct sockaddr *)&address,
			  sizeof(address));
	EXPECT(result(), 4);
	EXPECT(recv(to, in, sizeof(in), 0), 4);
	EXPECT(strcmp(in, "udp"), 0);
}

static void test_socket_options(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), value = -1, one = 1, res;
	struct linger on = { 1, 77 }, back;
	socklen_t len = sizeof(back);

	need(ORING_OP_URING_CMD);
	oring_prep_getsockopt(entry(), oring_file_fd(fd), SOL_SOCKET, SO_TYPE, &value,
			      sizeof(value));
	res = result();
	if (res == -EOPNOTSUPP)
		leave(SKIP, "socket options: not on this kernel");
	EXPECT(res, sizeof(value));
	EXPECT(value, SOCK_STREAM);
	oring_prep_setsockopt(entry(), oring_file_fd(fd), IPPROTO_TCP, TCP_NODELAY, &one,
			      sizeof(one));
	EXPECT(result(), 0);
	len = sizeof(value);
	EXPECT(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
	EXPECT(value, 1);
	oring_prep_setsockopt(entry(), oring_file_fd(fd), SOL_SOCKET, SO_LINGER, &on, sizeof(on));
	EXPECT(result(), 0);
	memset(&back, 0, sizeof(back));
	oring_prep_getsockopt(entry(), oring_file_fd(fd), SOL_SOCKET, SO_LINGER, &back,
			      sizeof(back));
	EXPECT(result(), sizeof(back));
	EXPECT(memcmp(&on, &back, sizeof(on)), 0);
}

static void test_bind_listen(void)
{
	struct sockaddr_in address;
	int value = 0, fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(value);

	need(ORING_OP_LISTEN);
	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	oring_prep_bind(entry(), oring_file_fd(fd), (struct sockaddr *)&address, sizeof(address));
	EXPECT(result(), 0);
	oring_prep_listen(entry(), oring_file_fd(fd), 4);
	EXPECT(result(), 0);
	EXPECT(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len), 0);
	EXPECT(value, 1);
}

/* A ring of provided buffers: struct oring_buf_reg and 64-bit addresses in it. */
static void test_provided_buffers(void)
{
	static struct oring_buf bufs[4096 / sizeof(struct oring_buf)]
		__attribute__((aligned(4096)));
	static char memory[2][32];
	struct oring_buf_reg reg;
	struct oring_sqe *sqe;
	struct oring_cqe cqe;
	int pair[2], ret, i;

	make_pair(pair);
	memset(&reg, 0, sizeof(reg));
	reg.ring_addr = (uintptr_t)bufs;
	reg.ring_entries = 2;
	reg.bgid = 7;
	ret = oring_register_pbuf_ring(&ring, &reg);
	if (ret == -EINVAL)
		leave(SKIP, "provided-buffer rings: not on this kernel");
	EXPECT(ret, 0);
	for (i = 0; i < 2; i++) {
		bufs[i].addr = (uintptr_t)memory[i];
		bufs[i].len = sizeof(memory[i]);
		bufs[i].bid = (uint16_t)(100 + i);
	}
	/* The tail is what the first entry keeps in its last field. */
	oring_store_release16((uint16_t *)(void *)((char *)bufs + 14), 2);
	EXPECT(send(pair[0], "chosen", 7, 0), 7);
	sqe = entry();
	oring_prep_recv(sqe, oring_file_fd(pair[1]), NULL, 0, 0);
	oring_sqe_buffer_select(sqe, 7);
	cqe = reap();
	EXPECT(cqe.res, 7);
	EXPECT(oring_cqe_has_buffer(&cqe), 1);
	EXPECT(oring_cqe_buffer_id(&cqe), 100);
	EXPECT(strcmp(memory[0], "chosen"), 0);
	EXPECT(oring_unregister_pbuf_ring(&ring, 7), 0);
}

/* The way before rings of buffers. */
static void test_provide_buffers(void)
{
	static char memory[2][32];
	struct oring_sqe *sqe;
	struct oring_cqe cqe;
	int pair[2], ret;

	make_pair(pair);
	oring_prep_provide_buffers(entry(), memory, sizeof(memory[0]), 2, 8, 200);
	ret = result();
	EXPECT_TRUE(ret == 0 || ret == 2); /* 5.7: the count */
	EXPECT(send(pair[0], "chosen", 7, 0), 7);
	sqe = entry();
	oring_prep_recv(sqe, oring_file_fd(pair[1]), NULL, 32, 0);
	oring_sqe_buffer_select(sqe, 8);
	cqe = reap();
	EXPECT(cqe.res, 7);
	EXPECT(oring_cqe_has_buffer(&cqe), 1);
	EXPECT_TRUE(oring_cqe_buffer_id(&cqe) - 200 < 2);
	EXPECT(strcmp(memory[oring_cqe_buffer_id(&cqe) - 200], "chosen"), 0);
	oring_prep_remove_buffers(entry(), 99, 8);
	EXPECT(result(), 1);
}

/* ---- time, poll, cancel ---- */

static void test_timeouts(void)
{
	oring_context target;
	struct oring_timespec brief = { 0, 20000000 }, ages = { (int64_t)1 << 33, 0 };
	int32_t res[2];

	oring_prep_timeout(entry(), &brief, 0, 0);
	EXPECT(result(), -ETIME);
	/* Cut to 32 bits, 2^33 seconds would be over at once. */
	oring_prep_timeout(entry(), &ages, 0, 0);
	EXPECT(oring_submit(&ring), 1);
	usleep(50000);
	EXPECT(oring_get_events(&ring), 0);
	target = oring_context_from_bits(identity);
	oring_prep_timeout_remove(entry(), target);
	results(2, res);
	EXPECT(res[0], -ECANCELED);
	EXPECT(res[1], 0);
}

static void test_timeout_update(void)
{
	oring_context target;
	struct oring_timespec brief = { 0, 20000000 }, ages = { 1000, 0 };
	int32_t res[2];

	if (!(oring_features(&ring) & ORING_FEAT_EXT_ARG))
		leave(SKIP, "timeout update: not on this kernel");
	oring_prep_timeout(entry(), &ages, 0, 0);
	EXPECT(oring_submit(&ring), 1);
	target = oring_context_from_bits(identity);
	oring_prep_timeout_update(entry(), target, &brief, 0);
	results(2, res);
	EXPECT(res[0], -ETIME);
	EXPECT(res[1], 0);
}

/* Nanoseconds in the entry: 2^33 s need more than 32 bits, and would be over at once if cut. */
static void test_timeout_immediate(void)
{
	oring_context target;
	int32_t res[2];
	int ret;

	oring_prep_timeout_immediate(entry(), 20000000, 0, 0);
	ret = result();
	if (ret == -EINVAL)
		leave(SKIP, "immediate timeouts: not on this kernel");
	EXPECT(ret, -ETIME);
	oring_prep_timeout_immediate(entry(), (uint64_t)1 << 61, 0, 0);
	EXPECT(oring_submit(&ring), 1);
	usleep(50000);
	EXPECT(oring_get_events(&ring), 0);
	EXPECT(oring_cq_ready(&ring), 0);
	target = oring_context_from_bits(identity);
	oring_prep_timeout_update_immediate(entry(), target, 20000000, 0);
	results(2, res);
	EXPECT(res[0], -ETIME);
	EXPECT(res[1], 0);
}

static void test_timeout_multishot(void)
{
	struct oring_timespec brief = { 0, 10000000 };
	struct oring_cqe cqe;
	int i;

	oring_prep_timeout_multishot(entry(), &brief, 3, 0);
	for (i = 0; i < 3; i++) {
		cqe = reap();
		if (cqe.res == -EINVAL)
			leave(SKIP, "multishot timeouts: not on this kernel");
		EXPECT(cqe.res, -ETIME);
		EXPECT(cqe.user_data, identity);
		EXPECT(oring_cqe_has_more(&cqe), i < 2);
	}
}

static void test_link_timeout(void)
{
	struct oring_timespec brief = { 0, 20000000 };
	struct oring_sqe *sqe = entry();
	char byte;
	int pair[2];
	int32_t res[2];

	make_pair(pair);
	oring_prep_recv(sqe, oring_file_fd(pair[0]), &byte, 1, 0);
	oring_sqe_link(sqe);
	oring_prep_link_timeout(entry(), &brief, 0);
	results(2, res);
	EXPECT(res[0], -ECANCELED);
	EXPECT(res[1], -ETIME);
}

static void test_poll(void)
{
	oring_context target;
	int32_t res[2];
	int pair[2];

	make_pair(pair);
	oring_prep_poll_add(entry(), oring_file_fd(pair[0]), POLLIN);
	EXPECT(oring_submit(&ring), 1);
	EXPECT(oring_cq_ready(&ring), 0);
	EXPECT(send(pair[1], "x", 1, 0), 1);
	EXPECT(result() & POLLIN, POLLIN);
	oring_prep_poll_add(entry(), oring_file_fd(pair[1]), POLLIN);
	EXPECT(oring_submit(&ring), 1);
	target = oring_context_from_bits(identity);
	oring_prep_poll_remove(entry(), target);
	results(2, res);
	EXPECT(res[0], -ECANCELED);
	EXPECT(res[1], 0);
}

static void test_cancel(void)
{
	oring_context target;
	int32_t res[2];
	int pair[2];
	char byte;

	make_pair(pair);
	oring_prep_recv(entry(), oring_file_fd(pair[0]), &byte, 1, 0);
	EXPECT(oring_submit(&ring), 1);
	target = oring_context_from_bits(identity);
	oring_prep_async_cancel(entry(), target, 0);
	results(2, res);
	EXPECT(res[0], -ECANCELED);
	EXPECT(res[1], 0);
	oring_prep_async_cancel(entry(), oring_context_from_bits(1), 0);
	EXPECT(result(), -ENOENT);
}

static void test_msg_ring(void)
{
	struct oring other;
	struct oring_cqe cqe;

	need(ORING_OP_MSG_RING);
	EXPECT(oring_init(&other, 4, NULL), 0);
	oring_prep_msg_ring(entry(), oring_file_fd(oring_fd(&other)),
			    oring_context_from_bits(HIGH + 77), -5, 0);
	EXPECT(result(), 0);
	EXPECT(oring_cq_copy(&other, &cqe, 1), 1);
	EXPECT(cqe.user_data, HIGH + 77);
	EXPECT(cqe.res, -5);
	EXPECT(oring_exit(&other), 0);
}

static void test_eventfd(void)
{
	uint64_t count = 0;
	int fd = eventfd(0, 0);

	EXPECT(oring_register_eventfd(&ring, fd), 0);
	oring_prep_nop(entry());
	EXPECT(result(), 0);
	EXPECT(read(fd, &count, sizeof(count)), sizeof(count));
	EXPECT_TRUE(count > 0);
	EXPECT(oring_unregister_eventfd(&ring), 0);
}

/* ---- other processes and threads ---- */

static void test_futex(void)
{
	uint32_t words[2] = { 7, 8 };
	struct futex_waitv waiters[2];
	int32_t res[2];
	int i;

	need(ORING_OP_FUTEX_WAITV);
	oring_prep_futex_wait(entry(), &words[0], 6, ORING_FUTEX_MATCH_ANY, ORING_FUTEX2_SIZE_U32);
	EXPECT(result(), -EAGAIN);
	oring_prep_futex_wait(entry(), &words[0], 7, 0xf0, ORING_FUTEX2_SIZE_U32);
	EXPECT(oring_submit(&ring), 1);
	oring_prep_futex_wake(entry(), &words[0], 1, 0x0f, ORING_FUTEX2_SIZE_U32);
	EXPECT(result(), 0);
	identity--; /* as if the wait and the next wake were neighbours */
	oring_prep_futex_wake(entry(), &words[0], 1, 0x80, ORING_FUTEX2_SIZE_U32);
	results(2, res);
	EXPECT(res[0], 0);
	EXPECT(res[1], 1);
	memset(waiters, 0, sizeof(waiters));
	for (i = 0; i < 2; i++) {
		waiters[i].val = words[i];
		waiters[i].uaddr = (uintptr_t)&words[i];
		waiters[i].flags = ORING_FUTEX2_SIZE_U32;
	}
	oring_prep_futex_waitv(entry(), waiters, 2);
	EXPECT(oring_submit(&ring), 1);
	oring_prep_futex_wake(entry(), &words[1], 1, ORING_FUTEX_MATCH_ANY, ORING_FUTEX2_SIZE_U32);
	results(2, res);
	EXPECT(res[0], 1); /* the second one */
	EXPECT(res[1], 1);
}

/* The kernel writes a siginfo_t of this word size. */
static void test_waitid(void)
{
	siginfo_t info;
	pid_t child;

	need(ORING_OP_WAITID);
	child = fork();
	if (child == 0)
		_exit(42);
	memset(&info, 0, sizeof(info));
	oring_prep_waitid(entry(), P_PID, child, &info, WEXITED);
	EXPECT(result(), 0);
	EXPECT(info.si_pid, child);
	EXPECT(info.si_status, 42);
	EXPECT(info.si_code, CLD_EXITED);
	EXPECT(info.si_signo, SIGCHLD);
	EXPECT(waitpid(child, NULL, 0), -1);
}

/* An array of struct epoll_event, whose size is not everywhere the same. */
static void test_epoll(void)
{
	struct epoll_event event, events[4];
	int epoll = epoll_create1(0), ready[2] = { eventfd(1, 0), eventfd(1, 0) }, i;
	uint64_t seen = 0;

	for (i = 0; i < 2; i++) {
		event.events = EPOLLIN;
		event.data.u64 = HIGH + 1 + (uint64_t)i;
		oring_prep_epoll_ctl(entry(), epoll, EPOLL_CTL_ADD, ready[i], &event);
		EXPECT(result(), 0);
	}
	EXPECT(epoll_wait(epoll, events, 4, 0), 2);
	need(ORING_OP_EPOLL_WAIT);
	memset(events, 0, sizeof(events));
	oring_prep_epoll_wait(entry(), oring_file_fd(epoll), events, 4);
	EXPECT(result(), 2);
	for (i = 0; i < 2; i++) {
		EXPECT(events[i].events, EPOLLIN);
		seen += events[i].data.u64 - HIGH;
	}
	EXPECT(seen, 1 + 2);
	oring_prep_epoll_ctl(entry(), epoll, EPOLL_CTL_DEL, ready[0], NULL);
	EXPECT(result(), 0);
	oring_prep_epoll_wait(entry(), oring_file_fd(epoll), events, 4);
	EXPECT(result(), 1);
	EXPECT(events[0].data.u64, HIGH + 2);
}

/* ---- running them ---- */

static const struct {
	const char *name;
	void (*body)(void);
} tests[] = {
	{ "nop_identity", test_nop_identity },
	{ "full_queue", test_full_queue },
	{ "many_wraps", test_many_wraps },
	{ "overflow_loses_nothing", test_overflow_loses_nothing },
	{ "links", test_links },
	{ "timed_wait", test_timed_wait },
	{ "init_refuses", test_init_refuses },
	{ "read_write", test_read_write },
	{ "readv_writev", test_readv_writev },
	{ "fixed_buffers", test_fixed_buffers },
	{ "paths", test_paths },
	{ "ftruncate", test_ftruncate },
	{ "direct_slots", test_direct_slots },
	{ "splice_tee", test_splice_tee },
	{ "directories_and_links", test_directories_and_links },
	{ "xattrs", test_xattrs },
	{ "pipe", test_pipe },
	{ "files_update", test_files_update },
	{ "msg_ring_fd", test_msg_ring_fd },
	{ "send_recv", test_send_recv },
	{ "sendmsg_recvmsg", test_sendmsg_recvmsg },
	{ "connect_accept", test_connect_accept },
	{ "socket", test_socket },
	{ "sendto", test_sendto },
	{ "socket_options", test_socket_options },
	{ "bind_listen", test_bind_listen },
	{ "provided_buffers", test_provided_buffers },
	{ "provide_buffers", test_provide_buffers },
	{ "timeouts", test_timeouts },
	{ "timeout_update", test_timeout_update },
	{ "timeout_immediate", test_timeout_immediate },
	{ "timeout_multishot", test_timeout_multishot },
	{ "futex", test_futex },
	{ "waitid", test_waitid },
	{ "epoll", test_epoll },
	{ "link_timeout", test_link_timeout },
	{ "poll", test_poll },
	{ "cancel", test_cancel },
	{ "msg_ring", test_msg_ring },
	{ "eventfd", test_eventfd },
};

static const struct {
	const char *name;
	uint32_t flags;
} shapes[] = {
	{ "plain", 0 },
	{ "large", ORING_SETUP_SQE128 | ORING_SETUP_CQE32 },
	{ "defer_taskrun", ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN },
};

static void in_child(const struct row *row, void (*body)(void), uint32_t flags)
{
	struct oring_params params;
	int ret;

	alarm(SECONDS);
	memset(&params, 0, sizeof(params));
	params.flags = flags;
	ret = oring_init(&ring, ENTRIES, &params);
	if (ret == -EINVAL && flags)
		leave(SKIP, "setup flags 0x%x: not on this kernel", flags);
	EXPECT(ret, 0);
	EXPECT(oring_feature_ask(&ring, &can), 0);
	if (row)
		test_row(row);
	else
		body();
	EXPECT(oring_cq_ready(&ring), 0);
	EXPECT(oring_exit(&ring), 0);
	_exit(PASS);
}

static int number, failed;

static void run(const char *shape, const char *name, const struct row *row, void (*body)(void),
		uint32_t flags, char **wanted)
{
	char label[128];
	int status;
	pid_t child;

	snprintf(label, sizeof(label), "%s: %s", shape, name);
	if (*wanted) {
		while (*wanted && !strstr(label, *wanted))
			wanted++;
		if (!*wanted)
			return;
	}
	*why = '\0';
	child = fork();
	if (child == 0)
		in_child(row, body, flags);
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("fork");
		exit(2);
	}
	number++;
	if (WIFSIGNALED(status)) {
		failed++;
		printf("not ok %d - %s\n# ended by signal %d\n", number, label, WTERMSIG(status));
	} else if (WEXITSTATUS(status) == SKIP) {
		printf("ok %d - %s # SKIP %s\n", number, label, why);
	} else if (WEXITSTATUS(status) == PASS) {
		printf("ok %d - %s\n", number, label);
	} else {
		failed++;
		printf("not ok %d - %s\n# %s\n", number, label, why);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t i, shape;

	(void)argc;
	why = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (why == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	for (i = 0; i < ROW_COUNT; i++)
		run("row", rows[i].name, &rows[i], NULL, 0, argv + 1);
	for (shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++) {
		for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
			run(shapes[shape].name, tests[i].name, NULL, tests[i].body,
			    shapes[shape].flags, argv + 1);
	}
	printf("1..%d\n", number);
	return failed != 0;
}
