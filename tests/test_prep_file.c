/* SPDX-License-Identifier: MIT */
/*
 * Operations on files: what they did to the file, seen without the ring.
 *
 * Where a row takes a file, the test runs twice: with a descriptor and with a
 * registered slot whose number is no open descriptor, so that an entry that
 * mixes the two up fails.
 */
#include "harness.h"

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define SLOTS  640 /* in a table; slots from 600 on are no descriptors */
#define SLOT   600
#define PLACES 3000 /* bytes in the files that are read */

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

/* Slot @slot, which holds the file of @fd from now on. */
static oring_file in_slot(struct rig *rig, uint32_t slot, int fd)
{
	int ret = oring_register_files_update(&rig->ring, slot, &fd, 1);

	if (ret == -ENXIO) {
		make_table(rig, SLOTS);
		ret = oring_register_files_update(&rig->ring, slot, &fd, 1);
	}
	cr_assert_eq(ret, 1, "slot %u: %s", slot, strerror(-ret));
	return oring_file_slot(slot);
}

/* The file of @fd: as a descriptor the first time, in a slot the second. */
static oring_file by(struct rig *rig, int way, int fd)
{
	return way == 0 ? oring_file_fd(fd) : in_slot(rig, SLOT, fd);
}

/* What a slot holds, read by the ring: -EBADF if it is empty. */
static int read_slot(struct rig *rig, uint32_t slot, void *buf, size_t len, uint64_t off)
{
	oring_prep_read(rig_sqe(rig), oring_file_slot(slot), buf, len, off);
	return rig_result(rig);
}

/* A directory of the test's own; it must be empty when it is dropped. */
struct dir {
	char path[32];
	int fd;
};

static void make_dir(struct dir *dir)
{
	strcpy(dir->path, "/tmp/oring-test-XXXXXX");
	cr_assert_not_null(mkdtemp(dir->path));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir->fd, 0);
}

static void drop_dir(struct dir *dir)
{
	close(dir->fd);
	cr_assert_eq(rmdir(dir->path), 0, "%s: %s", dir->path, strerror(errno));
}

/* A file of @len pattern bytes with a name in @dir. */
static void make_file(const struct dir *dir, const char *name, size_t len)
{
	int fd = openat(dir->fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	size_t i;

	cr_assert_geq(fd, 0);
	for (i = 0; i < len; i++) {
		unsigned char byte = pattern_at(i);

		cr_assert_eq(write(fd, &byte, 1), 1);
	}
	close(fd);
}

static bool has_name(const struct dir *dir, const char *name)
{
	return faccessat(dir->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static off_t size_of(int fd)
{
	struct stat st;

	cr_assert_eq(fstat(fd, &st), 0);
	return st.st_size;
}

/* Bytes from @from up to @to are all zero. */
static bool is_zero(int fd, off_t from, off_t to)
{
	for (; from < to; from++) {
		unsigned char byte = 1;

		if (pread(fd, &byte, 1, from) != 1 || byte != 0)
			return false;
	}
	return true;
}

/* Bytes from @from up to @to are the pattern of pattern_file(). */
static bool is_untouched(int fd, off_t from, off_t to)
{
	unsigned char byte;

	for (; from < to; from++) {
		if (pread(fd, &byte, 1, from) != 1 || byte != pattern_at((size_t)from))
			return false;
	}
	return true;
}

RING_TEST(prep, nop)
{
	struct oring_cqe cqe;

	oring_prep_nop(rig_sqe(rig));
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, rig->next_id - 1);
	cr_assert_eq(cqe.res, 0);
	cr_assert_eq(cqe.flags, 0);
}

RING_TEST(prep, nop_in_a_chain_of_all)
{
	int i;

	for (i = 0; i < RIG_ENTRIES; i++) {
		struct oring_sqe *sqe = rig_sqe(rig);

		oring_prep_nop(sqe);
		if (i < RIG_ENTRIES - 1)
			oring_sqe_link(sqe);
	}
	for (i = 0; i < RIG_ENTRIES; i++)
		cr_assert_eq(rig_reap(rig).res, 0);
	cr_assert_null(oring_cq_peek(&rig->ring));
}

RING_TEST(prep, read)
{
	static unsigned char buf[PLACES];
	int fd = pattern_file(PLACES);
	int way;

	for (way = 0; way < 2; way++) {
		oring_file file = by(rig, way, fd);

		memset(buf, 0xee, sizeof(buf));
		oring_prep_read(rig_sqe(rig), file, buf + 1, 1000, 700);
		cr_assert_eq(rig_result(rig), 1000);
		cr_assert(is_pattern(buf + 1, 1000, 700));
		cr_assert_eq(buf[0], 0xee, "no byte before");
		cr_assert_eq(buf[1001], 0xee, "no byte behind");
		cr_assert_eq(lseek(fd, 0, SEEK_CUR), 0, "the file position stays");

		oring_prep_read(rig_sqe(rig), file, buf, 1000, PLACES - 10);
		cr_assert_eq(rig_result(rig), 10, "short at the end");
		oring_prep_read(rig_sqe(rig), file, buf, 1000, PLACES);
		cr_assert_eq(rig_result(rig), 0, "the end");
	}
	close(fd);
}

RING_TEST(prep, read_at_the_file_position)
{
	static unsigned char buf[200];
	int fd = pattern_file(PLACES);
	int way;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RW_CUR_POS);
	cr_assert_eq(lseek(fd, 40, SEEK_SET), 40);
	for (way = 0; way < 2; way++) {
		oring_prep_read(rig_sqe(rig), by(rig, way, fd), buf, 200, (uint64_t)-1);
		cr_assert_eq(rig_result(rig), 200);
		cr_assert(is_pattern(buf, 200, 40 + 200 * (size_t)way));
		cr_assert_eq(lseek(fd, 0, SEEK_CUR), 240 + 200 * way, "the position moved");
	}
	close(fd);
}

RING_TEST(prep, write)
{
	static const char text[] = "the quick brown fox";
	char back[sizeof(text)];
	int way;

	for (way = 0; way < 2; way++) {
		int fd = pattern_file(PLACES);

		oring_prep_write(rig_sqe(rig), by(rig, way, fd), text, sizeof(text), 1234);
		cr_assert_eq(rig_result(rig), sizeof(text));
		cr_assert_eq(pread(fd, back, sizeof(back), 1234), sizeof(back));
		cr_assert_str_eq(back, text);
		cr_assert(is_untouched(fd, 0, 1234));
		cr_assert(is_untouched(fd, 1234 + sizeof(text), PLACES));
		cr_assert_eq(size_of(fd), PLACES);
		cr_assert_eq(lseek(fd, 0, SEEK_CUR), 0);
		close(fd);
	}
}

RING_TEST(prep, write_at_the_file_position)
{
	char back[10];
	int fd = pattern_file(0);
	int way;

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_RW_CUR_POS);
	cr_assert_eq(lseek(fd, 2, SEEK_SET), 2);
	for (way = 0; way < 2; way++) {
		oring_prep_write(rig_sqe(rig), by(rig, way, fd), "abcd", 4, (uint64_t)-1);
		cr_assert_eq(rig_result(rig), 4);
		cr_assert_eq(lseek(fd, 0, SEEK_CUR), 6 + 4 * way);
	}
	cr_assert_eq(pread(fd, back, 10, 0), 10);
	cr_assert_eq(memcmp(back, "\0\0abcdabcd", 10), 0);
	close(fd);
}

RING_TEST(prep, write_beyond_4_gib)
{
	/* All 64 bits of the offset arrive. */
	static const uint64_t far = ((uint64_t)1 << 32) + 4096;
	static char back[4];
	int fd = pattern_file(0);

	oring_prep_write(rig_sqe(rig), oring_file_fd(fd), "far!", 4, far);
	cr_assert_eq(rig_result(rig), 4);
	cr_assert_eq(size_of(fd), (off_t)far + 4);
	cr_assert_eq(pread(fd, back, 4, (off_t)far), 4);
	cr_assert_eq(memcmp(back, "far!", 4), 0);
	memset(back, 0, 4);
	oring_prep_read(rig_sqe(rig), oring_file_fd(fd), back, 4, far);
	cr_assert_eq(rig_result(rig), 4);
	cr_assert_eq(memcmp(back, "far!", 4), 0);
	close(fd);
}

RING_TEST(prep, readv)
{
	/* A40: the bytes of offset o, in the order of the list. */
	static unsigned char one[100], two[7], three[500];
	const struct iovec iov[] = { { one, 100 }, { two, 7 }, { three, 500 } };
	int fd = pattern_file(PLACES);
	int way;

	for (way = 0; way < 2; way++) {
		oring_file file = by(rig, way, fd);

		oring_prep_readv(rig_sqe(rig), file, iov, 3, 1111);
		cr_assert_eq(rig_result(rig), 607);
		cr_assert(is_pattern(one, 100, 1111));
		cr_assert(is_pattern(two, 7, 1211));
		cr_assert(is_pattern(three, 500, 1218));
		oring_prep_readv(rig_sqe(rig), file, iov, 2, PLACES - 101);
		cr_assert_eq(rig_result(rig), 101, "the first two only, to the end");
		memset(one, 0, sizeof(one));
		memset(two, 0, sizeof(two));
		memset(three, 0, sizeof(three));
	}
	close(fd);
}

RING_TEST(prep, readv_of_too_many)
{
	static unsigned char byte;
	static struct iovec iov[1025];
	int fd = pattern_file(PLACES);
	size_t i;

	for (i = 0; i < 1025; i++) {
		iov[i].iov_base = &byte;
		iov[i].iov_len = 1;
	}
	oring_prep_readv(rig_sqe(rig), oring_file_fd(fd), iov, 1025, 0);
	cr_assert_eq(rig_result(rig), -EINVAL);
	oring_prep_readv(rig_sqe(rig), oring_file_fd(fd), iov, 1024, 0);
	cr_assert_eq(rig_result(rig), 1024);
	close(fd);
}

RING_TEST(prep, writev)
{
	static char hello[] = "hello ", world[] = "world";
	const struct iovec iov[] = { { hello, 6 }, { world, 5 }, { hello, 5 } };
	char back[11];
	int way;

	for (way = 0; way < 2; way++) {
		int fd = pattern_file(PLACES);

		oring_prep_writev(rig_sqe(rig), by(rig, way, fd), iov, 2, 2000);
		cr_assert_eq(rig_result(rig), 11);
		cr_assert_eq(pread(fd, back, 11, 2000), 11);
		cr_assert_eq(memcmp(back, "hello world", 11), 0);
		cr_assert(is_untouched(fd, 0, 2000));
		cr_assert(is_untouched(fd, 2011, PLACES), "the third was not asked for");
		close(fd);
	}
}

/* Registered buffers; number 2 is what the tests use, so that an index counts. */
static unsigned char pinned[3][4096];

static void pin_buffers(struct rig *rig)
{
	const struct iovec iov[] = {
		{ pinned[0], 4096 },
		{ pinned[1], 4096 },
		{ pinned[2], 4096 },
	};
	int ret = oring_register_buffers(&rig->ring, iov, 3);

	cr_assert_eq(ret, 0, "oring_register_buffers: %s", strerror(-ret));
	memset(pinned, 0xee, sizeof(pinned));
}

RING_TEST(prep, read_fixed)
{
	int fd = pattern_file(PLACES);
	int way;

	pin_buffers(rig);
	for (way = 0; way < 2; way++) {
		oring_file file = by(rig, way, fd);

		memset(pinned, 0xee, sizeof(pinned));
		oring_prep_read_fixed(rig_sqe(rig), file, pinned[2] + 50, 900, 321, 2);
		cr_assert_eq(rig_result(rig), 900);
		cr_assert(is_pattern(pinned[2] + 50, 900, 321));
		cr_assert_eq(pinned[2][49], 0xee);
		cr_assert_eq(pinned[2][950], 0xee);
		oring_prep_read_fixed(rig_sqe(rig), file, pinned[0], 900, PLACES, 0);
		cr_assert_eq(rig_result(rig), 0, "the end");
		/* The index decides which memory may be named. */
		oring_prep_read_fixed(rig_sqe(rig), file, pinned[2], 10, 0, 1);
		cr_assert_eq(rig_result(rig), -EFAULT);
		oring_prep_read_fixed(rig_sqe(rig), file, pinned[2] + 4000, 97, 0, 2);
		cr_assert_eq(rig_result(rig), -EFAULT, "one byte beyond");
		oring_prep_read_fixed(rig_sqe(rig), file, pinned[2], 10, 0, 3);
		cr_assert_eq(rig_result(rig), -EFAULT, "no such buffer");
	}
	close(fd);
}

RING_TEST(prep, write_fixed)
{
	unsigned char back[64];
	int way;

	pin_buffers(rig);
	for (way = 0; way < 2; way++) {
		int fd = pattern_file(PLACES);
		oring_file file = by(rig, way, fd);
		int i;

		for (i = 0; i < 64; i++)
			pinned[2][10 + i] = (unsigned char)(200 - i - way);
		oring_prep_write_fixed(rig_sqe(rig), file, pinned[2] + 10, 64, 777, 2);
		cr_assert_eq(rig_result(rig), 64);
		cr_assert_eq(pread(fd, back, 64, 777), 64);
		cr_assert_eq(memcmp(back, pinned[2] + 10, 64), 0);
		cr_assert(is_untouched(fd, 0, 777));
		cr_assert(is_untouched(fd, 841, PLACES));
		oring_prep_write_fixed(rig_sqe(rig), file, pinned[2], 10, 0, 0);
		cr_assert_eq(rig_result(rig), -EFAULT);
		close(fd);
	}
}

RING_TEST(prep, readv_fixed)
{
	/* A43 */
	static struct iovec iov[2];
	int fd = pattern_file(PLACES);
	int way;

	REQUIRE_OP(rig, ORING_OP_READV_FIXED);
	pin_buffers(rig);
	iov[0].iov_base = pinned[2] + 2000;
	iov[0].iov_len = 300;
	iov[1].iov_base = pinned[2] + 5;
	iov[1].iov_len = 100;
	for (way = 0; way < 2; way++) {
		oring_file file = by(rig, way, fd);

		memset(pinned, 0xee, sizeof(pinned));
		oring_prep_readv_fixed(rig_sqe(rig), file, iov, 2, 1500, 2);
		cr_assert_eq(rig_result(rig), 400);
		cr_assert(is_pattern(pinned[2] + 2000, 300, 1500));
		cr_assert(is_pattern(pinned[2] + 5, 100, 1800));
		cr_assert_eq(pinned[2][2300], 0xee);
		cr_assert_eq(pinned[2][105], 0xee);
		oring_prep_readv_fixed(rig_sqe(rig), file, iov, 2, 0, 1);
		cr_assert_eq(rig_result(rig), -EFAULT, "pieces of another buffer");
	}
	close(fd);
}

RING_TEST(prep, writev_fixed)
{
	static struct iovec iov[2];
	char back[8];
	int way;

	REQUIRE_OP(rig, ORING_OP_WRITEV_FIXED);
	pin_buffers(rig);
	memcpy(pinned[2] + 3000, "over", 4);
	memcpy(pinned[2] + 9, "here", 4);
	iov[0].iov_base = pinned[2] + 3000;
	iov[0].iov_len = 4;
	iov[1].iov_base = pinned[2] + 9;
	iov[1].iov_len = 4;
	for (way = 0; way < 2; way++) {
		int fd = pattern_file(PLACES);
		oring_file file = by(rig, way, fd);

		oring_prep_writev_fixed(rig_sqe(rig), file, iov, 2, 600, 2);
		cr_assert_eq(rig_result(rig), 8);
		cr_assert_eq(pread(fd, back, 8, 600), 8);
		cr_assert_eq(memcmp(back, "overhere", 8), 0);
		cr_assert(is_untouched(fd, 0, 600));
		cr_assert(is_untouched(fd, 608, PLACES));
		oring_prep_writev_fixed(rig_sqe(rig), file, iov, 2, 0, 0);
		cr_assert_eq(rig_result(rig), -EFAULT);
		close(fd);
	}
}

RING_TEST(prep, openat)
{
	static char path[64];
	struct dir dir;
	struct stat st;
	int fd, cwd;

	make_dir(&dir);
	umask(0);
	oring_prep_openat(rig_sqe(rig), dir.fd, "new", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0615);
	fd = rig_result(rig);
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_mode, S_IFREG | 0615);
	cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_assert_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	cr_assert_eq(write(fd, "content", 7), 7);
	close(fd);
	oring_prep_openat(rig_sqe(rig), dir.fd, "new", O_CREAT | O_EXCL | O_RDWR, 0600);
	cr_assert_eq(rig_result(rig), -EEXIST);

	/* An absolute path, and one relative to the working directory. */
	snprintf(path, sizeof(path), "%s/new", dir.path);
	oring_prep_openat(rig_sqe(rig), -1, path, O_RDONLY, 0);
	fd = rig_result(rig);
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	cr_assert_eq(size_of(fd), 7);
	cr_assert_eq(fcntl(fd, F_GETFD), 0);
	close(fd);
	cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(fchdir(dir.fd), 0);
	oring_prep_openat(rig_sqe(rig), ORING_AT_FDCWD, "new", O_WRONLY | O_TRUNC, 0);
	fd = rig_result(rig);
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	cr_assert_eq(size_of(fd), 0, "it was cut");
	close(fd);
	cr_assert_eq(fchdir(cwd), 0);
	close(cwd);
	oring_prep_openat(rig_sqe(rig), dir.fd, "none", O_RDONLY, 0);
	cr_assert_eq(rig_result(rig), -ENOENT);
	cr_assert_eq(unlinkat(dir.fd, "new", 0), 0);
	drop_dir(&dir);
}

/*
 * The slots of a direct result, whichever operation makes it: @prepare makes
 * an entry that opens a file of @PLACES pattern bytes.
 */
static void check_direct_slots(struct rig *rig,
			       void (*prepare)(struct oring_sqe *sqe, int dirfd, oring_slot slot))
{
	unsigned char buf[100];
	struct dir dir;
	int open_before, slot;
	uint32_t i;

	make_dir(&dir);
	make_file(&dir, "data", PLACES);
	make_table(rig, 6);
	open_before = open_descriptors();
	/* A23: slot 3 is slot 3, counted from 0. */
	prepare(rig_sqe(rig), dir.fd, oring_slot_at(3));
	cr_assert_eq(rig_result(rig), 0);
	for (i = 0; i < 6; i++)
		cr_assert_eq(read_slot(rig, i, buf, 100, 5), i == 3 ? 100 : -EBADF, "slot %u", i);
	cr_assert(is_pattern(buf, 100, 5));
	prepare(rig_sqe(rig), dir.fd, oring_slot_at(3));
	cr_assert_eq(rig_result(rig), 0, "what the slot held is replaced");
	cr_assert_eq(read_slot(rig, 3, buf, 100, 7), 100);
	cr_assert(is_pattern(buf, 100, 7));
	prepare(rig_sqe(rig), dir.fd, oring_slot_at(6));
	cr_assert_eq(rig_result(rig), -EINVAL, "beyond the table");

	/* Slots that the kernel chooses: each of the others once, then none. */
	for (i = 0; i < 5; i++) {
		prepare(rig_sqe(rig), dir.fd, ORING_SLOT_ALLOC);
		slot = rig_result(rig);
		SKIP_IF_REFUSED(slot, "a slot of the kernel's choice");
		cr_assert(slot >= 0 && slot < 6 && slot != 3, "slot %d", slot);
		cr_assert_eq(read_slot(rig, (uint32_t)slot, buf, 100, (uint64_t)i), 100);
		cr_assert(is_pattern(buf, 100, i));
	}
	prepare(rig_sqe(rig), dir.fd, ORING_SLOT_ALLOC);
	cr_assert_eq(rig_result(rig), -ENFILE);
	for (i = 0; i < 6; i++)
		cr_assert_eq(read_slot(rig, i, buf, 1, 0), 1, "slot %u is in use", i);
	cr_assert_eq(open_descriptors(), open_before, "no descriptor was made");
	cr_assert_eq(unlinkat(dir.fd, "data", 0), 0);
	drop_dir(&dir);
}

static void open_direct(struct oring_sqe *sqe, int dirfd, oring_slot slot)
{
	oring_prep_openat_direct(sqe, dirfd, "data", O_RDONLY, 0, slot);
}

RING_TEST(prep, openat_direct)
{
	check_direct_slots(rig, open_direct);
}

RING_TEST(prep, openat_direct_creates)
{
	struct dir dir;
	struct stat st;

	make_dir(&dir);
	make_table(rig, 4);
	umask(0);
	oring_prep_openat_direct(rig_sqe(rig), dir.fd, "new", O_CREAT | O_EXCL | O_WRONLY, 0634,
				 oring_slot_at(1));
	cr_assert_eq(rig_result(rig), 0);
	oring_prep_write(rig_sqe(rig), oring_file_slot(1), "text", 4, 0);
	cr_assert_eq(rig_result(rig), 4);
	cr_assert_eq(fstatat(dir.fd, "new", &st, 0), 0);
	cr_assert_eq(st.st_mode, S_IFREG | 0634);
	cr_assert_eq(st.st_size, 4);
	oring_prep_openat_direct(rig_sqe(rig), dir.fd, "new", O_RDONLY | O_CLOEXEC, 0,
				 oring_slot_at(2));
	cr_assert_eq(rig_result(rig), -EINVAL, "a slot is not inherited");
	cr_assert_eq(unlinkat(dir.fd, "new", 0), 0);
	drop_dir(&dir);
}

RING_TEST(prep, openat2)
{
	static struct open_how how;
	static struct {
		struct open_how how;
		uint64_t later;
	} longer;
	struct dir dir;
	struct stat st;
	int fd;

	make_dir(&dir);
	umask(0);
	memset(&how, 0, sizeof(how));
	how.flags = O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC;
	how.mode = 0621;
	oring_prep_openat2(rig_sqe(rig), dir.fd, "new", &how, sizeof(how));
	fd = rig_result(rig);
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_mode, S_IFREG | 0621);
	cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);

	cr_assert_eq(symlinkat("new", dir.fd, "link"), 0);
	memset(&how, 0, sizeof(how));
	oring_prep_openat2(rig_sqe(rig), dir.fd, "link", &how, sizeof(how));
	fd = rig_result(rig);
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	close(fd);
	how.resolve = RESOLVE_NO_SYMLINKS;
	oring_prep_openat2(rig_sqe(rig), dir.fd, "link", &how, sizeof(how));
	cr_assert_eq(rig_result(rig), -ELOOP);

	/* The size counts: what lies behind must be zero. */
	memset(&longer, 0, sizeof(longer));
	longer.later = 1;
	oring_prep_openat2(rig_sqe(rig), dir.fd, "new", &longer.how, sizeof(longer));
	cr_assert_eq(rig_result(rig), -E2BIG);
	oring_prep_openat2(rig_sqe(rig), dir.fd, "new", &longer.how, sizeof(how) - 1);
	cr_assert_eq(rig_result(rig), -EINVAL);
	cr_assert_eq(unlinkat(dir.fd, "link", 0), 0);
	cr_assert_eq(unlinkat(dir.fd, "new", 0), 0);
	drop_dir(&dir);
}

static struct open_how direct_how;

static void open2_direct(struct oring_sqe *sqe, int dirfd, oring_slot slot)
{
	oring_prep_openat2_direct(sqe, dirfd, "data", &direct_how, sizeof(direct_how), slot);
}

RING_TEST(prep, openat2_direct)
{
	memset(&direct_how, 0, sizeof(direct_how));
	check_direct_slots(rig, open2_direct);
}

RING_TEST(prep, openat2_direct_refuses_cloexec)
{
	make_table(rig, 4);
	memset(&direct_how, 0, sizeof(direct_how));
	direct_how.flags = O_CLOEXEC;
	oring_prep_openat2_direct(rig_sqe(rig), ORING_AT_FDCWD, "/dev/null", &direct_how,
				  sizeof(direct_how), oring_slot_at(2));
	cr_assert_eq(rig_result(rig), -EINVAL);
}

RING_TEST(prep, close)
{
	char byte;
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	oring_prep_close(rig_sqe(rig), oring_file_fd(ends[1]));
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(fcntl(ends[1], F_GETFD), -1);
	cr_assert_eq(errno, EBADF);
	cr_assert_eq(read(ends[0], &byte, 1), 0, "no writer is left");
	oring_prep_close(rig_sqe(rig), oring_file_fd(ends[1]));
	cr_assert_eq(rig_result(rig), -EBADF);
	oring_prep_close(rig_sqe(rig), oring_file_fd(INT32_MAX));
	cr_assert_eq(rig_result(rig), -EBADF);
	close(ends[0]);
}

RING_TEST(prep, close_of_a_slot)
{
	/* A22; and descriptors of the slot's number stay open, 0 above all. */
	static const uint32_t slots[] = { 0, 1, 2, SLOT, SLOTS - 1 };
	bool had_stdin = fcntl(0, F_GETFD) >= 0;
	int fd = pattern_file(PLACES);
	struct stat before, after;
	unsigned char buf[10];
	size_t i;

	cr_assert_eq(dup2(fd, 0), 0);
	cr_assert_eq(fstat(0, &before), 0);
	oring_prep_close(rig_sqe(rig), oring_file_slot(0));
	cr_assert_eq(rig_result(rig), -ENXIO, "there is no table");
	for (i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		oring_file file = in_slot(rig, slots[i], fd);

		cr_assert_eq(read_slot(rig, slots[i], buf, 10, 0), 10);
		oring_prep_close(rig_sqe(rig), file);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(read_slot(rig, slots[i], buf, 10, 0), -EBADF);
		oring_prep_close(rig_sqe(rig), file);
		cr_assert_eq(rig_result(rig), -EBADF, "slot %u is empty", slots[i]);
		cr_assert_eq(fstat(0, &after), 0, "descriptor 0 is open");
		cr_assert_eq(after.st_ino, before.st_ino);
		cr_assert_eq(fcntl(fd, F_GETFD), 0, "the descriptor is another matter");
	}
	oring_prep_close(rig_sqe(rig), oring_file_slot(SLOTS));
	cr_assert_eq(rig_result(rig), -EINVAL, "beyond the table");
	oring_prep_close(rig_sqe(rig), oring_file_slot(UINT32_MAX - 1));
	cr_assert_eq(rig_result(rig), -EINVAL);
	cr_assert_eq(fstat(0, &after), 0, "descriptor 0 is open");
	if (!had_stdin)
		close(0);
	close(fd);
}

/*
 * What the page cache has not written yet of a range: cachestat(2), Linux 6.5.
 * -1 where it cannot be asked, or where pages stay dirty for good (tmpfs).
 */
static int unwritten_pages(int fd, uint64_t from, uint64_t len)
{
#ifdef __NR_cachestat
	const long number = __NR_cachestat;
#else
	const long number = 451;
#endif
	struct {
		uint64_t off, len;
	} range = { from, len };
	struct {
		uint64_t cache, dirty, writeback, evicted, recently_evicted;
	} stat;
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != 0xef53 /* ext2, 3, 4 */)
		return -1;
	memset(&stat, 0, sizeof(stat));
	if (syscall(number, fd, &range, &stat, 0) < 0)
		return -1;
	return (int)(stat.dirty + stat.writeback);
}

/* Make every page of a file of 16 pages dirty. */
static void soil(int fd)
{
	static char page[4096];
	int i;

	for (i = 0; i < 16; i++)
		cr_assert_eq(pwrite(fd, page, sizeof(page), i * 4096), sizeof(page));
}

RING_TEST(prep, fsync)
{
	int fd = pattern_file(0);
	int pipe_ends[2];
	int way;

	cr_assert_eq(pipe2(pipe_ends, O_CLOEXEC), 0);
	for (way = 0; way < 4; way++) {
		uint32_t flags = way & 2 ? ORING_FSYNC_DATASYNC : 0;

		soil(fd);
		oring_prep_fsync(rig_sqe(rig), by(rig, way & 1, fd), flags);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_leq(unwritten_pages(fd, 0, 16 * 4096), 0, "all is written");
		oring_prep_fsync(rig_sqe(rig), by(rig, way & 1, pipe_ends[0]), flags);
		cr_assert_eq(rig_result(rig), -EINVAL, "a pipe has no storage");
	}
	oring_prep_fsync(rig_sqe(rig), oring_file_fd(fd), 1U << 1);
	cr_assert_eq(rig_result(rig), -EINVAL, "no such flag");
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	close(fd);
}

RING_TEST(prep, fsync_range)
{
	int fd = pattern_file(0);
	int way, tries;

	for (way = 0; way < 4; way++) {
		uint32_t flags = way & 2 ? ORING_FSYNC_DATASYNC : 0;
		int around = 0;

		/* The kernel may write the rest at any time too: some try must find it dirty. */
		for (tries = 0; tries < 20 && around == 0; tries++) {
			soil(fd);
			oring_prep_fsync_range(rig_sqe(rig), by(rig, way & 1, fd), 2 * 4096,
					       5 * 4096, flags);
			cr_assert_eq(rig_result(rig), 0);
			cr_assert_leq(unwritten_pages(fd, 5 * 4096, 2 * 4096), 0, "the range is");
			around = unwritten_pages(fd, 0, 5 * 4096) +
				 unwritten_pages(fd, 7 * 4096, 9 * 4096);
		}
		cr_assert_neq(around, 0, "the rest was not asked for");
		oring_prep_fsync_range(rig_sqe(rig), by(rig, way & 1, fd), 0, 0, flags);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_leq(unwritten_pages(fd, 0, 16 * 4096), 0, "all is written");
	}
	oring_prep_fsync_range(rig_sqe(rig), oring_file_fd(fd), 0, 0, 1U << 1);
	cr_assert_eq(rig_result(rig), -EINVAL, "no such flag");
	close(fd);
}

RING_TEST(prep, statx)
{
	static struct statx out;
	struct dir dir;
	struct stat st;

	make_dir(&dir);
	make_file(&dir, "data", 1234);
	cr_assert_eq(symlinkat("data", dir.fd, "link"), 0);
	cr_assert_eq(fstatat(dir.fd, "data", &st, 0), 0);

	memset(&out, 0xee, sizeof(out));
	oring_prep_statx(rig_sqe(rig), dir.fd, "link", &out, 0, STATX_BASIC_STATS);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(out.stx_size, 1234);
	cr_assert_eq(out.stx_ino, st.st_ino);
	cr_assert_eq(out.stx_mode, S_IFREG | 0600);
	cr_assert_eq(out.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);

	memset(&out, 0xee, sizeof(out));
	oring_prep_statx(rig_sqe(rig), dir.fd, "link", &out, AT_SYMLINK_NOFOLLOW,
			 STATX_TYPE | STATX_SIZE);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert(S_ISLNK(out.stx_mode));
	cr_assert_eq(out.stx_size, 4);

	memset(&out, 0xee, sizeof(out));
	oring_prep_statx(rig_sqe(rig), dir.fd, "", &out, AT_EMPTY_PATH, STATX_INO | STATX_TYPE);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(fstat(dir.fd, &st), 0);
	cr_assert_eq(out.stx_ino, st.st_ino);
	cr_assert(S_ISDIR(out.stx_mode));

	oring_prep_statx(rig_sqe(rig), dir.fd, "", &out, 0, STATX_INO);
	cr_assert_eq(rig_result(rig), -ENOENT);
	oring_prep_statx(rig_sqe(rig), dir.fd, "data", &out, 0, 0x80000000);
	cr_assert_eq(rig_result(rig), -EINVAL, "the mask's reserved bit");
	cr_assert_eq(unlinkat(dir.fd, "data", 0), 0);
	cr_assert_eq(unlinkat(dir.fd, "link", 0), 0);
	drop_dir(&dir);
}

RING_TEST(prep, fallocate)
{
	/* Length and offset differ in size, so that a mix-up shows. */
	int way;

	for (way = 0; way < 2; way++) {
		int fd = pattern_file(PLACES);
		oring_file file = by(rig, way, fd);
		struct stat st;

		oring_prep_fallocate(rig_sqe(rig), file, 70000, 9000, 0);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(fstat(fd, &st), 0);
		cr_assert_eq(st.st_size, 79000);
		cr_assert_geq(st.st_blocks * 512, 70000, "it is there, not a hole");
		cr_assert(is_untouched(fd, 0, PLACES));
		cr_assert(is_zero(fd, PLACES, PLACES + 100));

		oring_prep_fallocate(rig_sqe(rig), file, 500000, 0, FALLOC_FL_KEEP_SIZE);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(size_of(fd), 79000);
		oring_prep_fallocate(rig_sqe(rig), file, 100, 2000,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert(is_untouched(fd, 0, 2000));
		cr_assert(is_zero(fd, 2000, 2100));
		cr_assert(is_untouched(fd, 2100, PLACES));
		oring_prep_fallocate(rig_sqe(rig), file, 0, 2000, 0);
		cr_assert_eq(rig_result(rig), -EINVAL, "no length");
		close(fd);
	}
}

RING_TEST(prep, fallocate_beyond_4_gib)
{
	static const uint64_t far = ((uint64_t)1 << 32) + 8192;
	int fd = pattern_file(0);

	oring_prep_fallocate(rig_sqe(rig), oring_file_fd(fd), 4096, far, 0);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(size_of(fd), (off_t)far + 4096);
	/* A length of 64 bits: a hole from the beginning to the end. */
	oring_prep_fallocate(rig_sqe(rig), oring_file_fd(fd), far + 4096, 0,
			     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(lseek(fd, 0, SEEK_DATA), -1, "all of it is a hole");
	cr_assert_eq(errno, ENXIO);
	close(fd);
}

RING_TEST(prep, ftruncate)
{
	static const uint64_t far = ((uint64_t)1 << 32) + 77;
	int way;

	REQUIRE_OP(rig, ORING_OP_FTRUNCATE);
	for (way = 0; way < 2; way++) {
		int fd = pattern_file(PLACES);
		oring_file file = by(rig, way, fd);

		oring_prep_ftruncate(rig_sqe(rig), file, 1001);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(size_of(fd), 1001);
		cr_assert(is_untouched(fd, 0, 1001));
		oring_prep_ftruncate(rig_sqe(rig), file, far);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(size_of(fd), (off_t)far);
		cr_assert(is_zero(fd, 1001, 1100));
		oring_prep_ftruncate(rig_sqe(rig), file, 0);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_eq(size_of(fd), 0);
		close(fd);
	}
}

RING_TEST(prep, unlinkat)
{
	static char path[64];
	struct dir dir;

	REQUIRE_OP(rig, ORING_OP_UNLINKAT);
	make_dir(&dir);
	make_file(&dir, "one", 1);
	make_file(&dir, "two", 1);
	cr_assert_eq(mkdirat(dir.fd, "sub", 0700), 0);
	oring_prep_unlinkat(rig_sqe(rig), dir.fd, "one", 0);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_not(has_name(&dir, "one"));
	cr_assert(has_name(&dir, "two"));
	snprintf(path, sizeof(path), "%s/two", dir.path);
	oring_prep_unlinkat(rig_sqe(rig), ORING_AT_FDCWD, path, 0);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_not(has_name(&dir, "two"));
	oring_prep_unlinkat(rig_sqe(rig), dir.fd, "two", 0);
	cr_assert_eq(rig_result(rig), -ENOENT);
	oring_prep_unlinkat(rig_sqe(rig), dir.fd, "sub", 0);
	cr_assert_eq(rig_result(rig), -EISDIR);
	cr_assert(has_name(&dir, "sub"));
	oring_prep_unlinkat(rig_sqe(rig), dir.fd, "sub", AT_REMOVEDIR);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_not(has_name(&dir, "sub"));
	drop_dir(&dir);
}

RING_TEST(prep, renameat)
{
	struct dir from, to;

	REQUIRE_OP(rig, ORING_OP_RENAMEAT);
	make_dir(&from);
	make_dir(&to);
	make_file(&from, "old", 1);
	oring_prep_renameat(rig_sqe(rig), from.fd, "old", to.fd, "new", 0);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_not(has_name(&from, "old"));
	cr_assert(has_name(&to, "new"));

	make_file(&from, "old", 2);
	oring_prep_renameat(rig_sqe(rig), from.fd, "old", to.fd, "new", RENAME_NOREPLACE);
	cr_assert_eq(rig_result(rig), -EEXIST);
	cr_assert(has_name(&from, "old"));
	oring_prep_renameat(rig_sqe(rig), from.fd, "none", to.fd, "new", 0);
	cr_assert_eq(rig_result(rig), -ENOENT);
	oring_prep_renameat(rig_sqe(rig), from.fd, "old", to.fd, "new", 0);
	cr_assert_eq(rig_result(rig), 0, "replaced");
	cr_assert_not(has_name(&from, "old"));
	cr_assert_eq(unlinkat(to.fd, "new", 0), 0);
	drop_dir(&from);
	drop_dir(&to);
}

/* Four ways: descriptor or slot as the source, and as the destination. */
static oring_file source_by(struct rig *rig, int way, int fd)
{
	return way & 1 ? in_slot(rig, SLOT + 1, fd) : oring_file_fd(fd);
}

static oring_file destination_by(struct rig *rig, int way, int fd)
{
	return way & 2 ? in_slot(rig, SLOT + 2, fd) : oring_file_fd(fd);
}

RING_TEST(prep, splice)
{
	unsigned char buf[500];
	int way;

	for (way = 0; way < 4; way++) {
		int source = pattern_file(PLACES);
		int target = pattern_file(0);
		int ends[2];

		cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
		/* From a place of a file into a pipe. */
		oring_prep_splice(rig_sqe(rig), source_by(rig, way, source), 400,
				  destination_by(rig, way, ends[1]), -1, 500, 0);
		cr_assert_eq(rig_result(rig), 500);
		cr_assert_eq(read(ends[0], buf, 100), 100);
		cr_assert(is_pattern(buf, 100, 400));
		cr_assert_eq(lseek(source, 0, SEEK_CUR), 0, "the position stays");
		/* From the pipe to a place of another. */
		oring_prep_splice(rig_sqe(rig), source_by(rig, way, ends[0]), -1,
				  destination_by(rig, way, target), 4000, 350, SPLICE_F_MOVE);
		cr_assert_eq(rig_result(rig), 350);
		cr_assert_eq(size_of(target), 4350);
		cr_assert_eq(pread(target, buf, 350, 4000), 350);
		cr_assert(is_pattern(buf, 350, 500));
		cr_assert_eq(lseek(target, 0, SEEK_CUR), 0);
		cr_assert_eq(read(ends[0], buf, 500), 50, "the rest stayed in the pipe");
		/* At the file positions, which move. */
		cr_assert_eq(lseek(source, 123, SEEK_SET), 123);
		oring_prep_splice(rig_sqe(rig), source_by(rig, way, source), -1,
				  destination_by(rig, way, ends[1]), -1, 60, 0);
		cr_assert_eq(rig_result(rig), 60);
		cr_assert_eq(lseek(source, 0, SEEK_CUR), 183);
		cr_assert_eq(read(ends[0], buf, 500), 60);
		cr_assert(is_pattern(buf, 60, 123));
		oring_prep_splice(rig_sqe(rig), source_by(rig, way, source), PLACES,
				  destination_by(rig, way, ends[1]), -1, 60, 0);
		cr_assert_eq(rig_result(rig), 0, "the end");
		close(ends[0]);
		close(ends[1]);
		close(source);
		close(target);
	}
}

RING_TEST(prep, splice_flags)
{
	/* With SPLICE_F_NONBLOCK an empty pipe is no reason to wait. */
	int way;

	for (way = 0; way < 4; way++) {
		int target = pattern_file(0);
		int ends[2];

		cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
		oring_prep_splice(rig_sqe(rig), source_by(rig, way, ends[0]), -1,
				  destination_by(rig, way, target), 0, 10, SPLICE_F_NONBLOCK);
		cr_assert_eq(rig_result(rig), -EAGAIN);
		close(ends[0]);
		close(ends[1]);
		close(target);
	}
}

RING_TEST(prep, tee)
{
	char buf[64];
	int way;

	REQUIRE_OP(rig, ORING_OP_TEE);
	for (way = 0; way < 4; way++) {
		int source[2], target[2];

		cr_assert_eq(pipe2(source, O_CLOEXEC), 0);
		cr_assert_eq(pipe2(target, O_CLOEXEC), 0);
		cr_assert_eq(write(source[1], "to be copied", 12), 12);
		oring_prep_tee(rig_sqe(rig), source_by(rig, way, source[0]),
			       destination_by(rig, way, target[1]), 5, 0);
		cr_assert_eq(rig_result(rig), 5);
		cr_assert_eq(read(target[0], buf, sizeof(buf)), 5);
		cr_assert_eq(memcmp(buf, "to be", 5), 0);
		cr_assert_eq(read(source[0], buf, sizeof(buf)), 12, "they stay in the source");
		cr_assert_eq(memcmp(buf, "to be copied", 12), 0);
		oring_prep_tee(rig_sqe(rig), source_by(rig, way, source[0]),
			       destination_by(rig, way, target[1]), 5, SPLICE_F_NONBLOCK);
		cr_assert_eq(rig_result(rig), -EAGAIN, "empty, and not to wait");
		close(source[0]);
		close(source[1]);
		close(target[0]);
		close(target[1]);
	}
}
