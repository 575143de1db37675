/* SPDX-License-Identifier: MIT */
/*
 * Operations on directories, attributes, memory and slots, and what may be said
 * of a read or a write beside its operands: what they did, seen without the ring.
 *
 * Where a row takes a file, the test runs twice: with a descriptor and with a
 * registered slot whose number is no open descriptor.
 */
#include "harness.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#define SLOTS 640 /* in a table; slots from 600 on are no descriptors */
#define SLOT  600
#define PAGE  4096

/* A table of @count empty slots in place of what there was. */
static void make_table(struct rig *rig, uint32_t count)
{
	int32_t empty[1024];
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

static int read_slot(struct rig *rig, uint32_t slot, void *buf, size_t len)
{
	oring_prep_read(rig_sqe(rig), oring_file_slot(slot), buf, len, 0);
	return rig_result(rig);
}

/* What the machine lends to tests under this name; NULL if nothing. */
static const char *lent(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Where files have storage, if the machine says of a place. */
static const char *storage(void)
{
	const char *folder = lent("LAB_EXT4");

	return folder != NULL ? folder : "/tmp";
}

/* A directory of the test's own; it must be empty when it is dropped. */
struct dir {
	char path[128];
	int fd;
};

static void make_dir(struct dir *dir)
{
	snprintf(dir->path, sizeof(dir->path), "%s/oring-test-XXXXXX", storage());
	cr_assert_not_null(mkdtemp(dir->path));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir->fd, 0);
	umask(0);
}

static void drop_dir(struct dir *dir)
{
	close(dir->fd);
	cr_assert_eq(rmdir(dir->path), 0, "%s: %s", dir->path, strerror(errno));
}

static void make_file(const struct dir *dir, const char *name)
{
	int fd = openat(dir->fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "content", 7), 7);
	close(fd);
}

static struct stat status_of(const struct dir *dir, const char *name)
{
	struct stat st;

	cr_assert_eq(fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0, "%s: %s", name,
		     strerror(errno));
	return st;
}

/* An unlinked file where there is storage; its pages come to the cache one by one. */
static int stored_file(int pages)
{
	static char page[PAGE];
	char path[128];
	int fd, i;

	snprintf(path, sizeof(path), "%s/oring-test-XXXXXX", storage());
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	unlink(path);
	for (i = 0; i < pages; i++)
		cr_assert_eq(pwrite(fd, page, PAGE, (off_t)i * PAGE), PAGE);
	return fd;
}

static bool has_storage(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == 0xef53 /* ext2, 3, 4 */;
}

/* Pages that the cache has not written yet: cachestat(2), Linux 6.5. -1: it cannot be asked. */
static int unwritten_pages(int fd, uint64_t from, uint64_t len)
{
	const long cachestat = 451;
	uint64_t range[2] = { from, len };
	uint64_t count[5] = { 0 }; /* cache, dirty, writeback, ... */

	if (!has_storage(fd) || syscall(cachestat, fd, range, count, 0) < 0)
		return -1;
	return (int)(count[1] + count[2]);
}

/* Pages of the file that are in memory, of @count from page @first on. */
static int cached_pages(int fd, int first, int count)
{
	static unsigned char in_memory[512];
	void *map =
		mmap(NULL, (size_t)count * PAGE, PROT_READ, MAP_SHARED, fd, (off_t)first * PAGE);
	int i, n = 0;

	cr_assert_neq(map, MAP_FAILED);
	cr_assert_eq(mincore(map, (size_t)count * PAGE, in_memory), 0);
	munmap(map, (size_t)count * PAGE);
	for (i = 0; i < count; i++)
		n += in_memory[i] & 1;
	return n;
}

/* ---- advice, write-back ---- */

RING_TEST(prep, sync_file_range)
{
	const uint32_t all =
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	int fd = stored_file(16);
	int ends[2];
	int way;

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	for (way = 0; way < 2; way++) {
		int around = 0, tries;

		/* The kernel may write the rest at any time too: some try must find it dirty. */
		for (tries = 0; tries < 20 && around == 0; tries++) {
			close(fd);
			fd = stored_file(16);
			oring_prep_sync_file_range(rig_sqe(rig), by(rig, way, fd), 2 * PAGE,
						   5 * PAGE, all);
			cr_assert_eq(rig_result(rig), 0);
			cr_assert_leq(unwritten_pages(fd, 5 * PAGE, 2 * PAGE), 0);
			around = unwritten_pages(fd, 0, 5 * PAGE) +
				 unwritten_pages(fd, 7 * PAGE, 9 * PAGE);
		}
		cr_assert_neq(around, 0, "the rest was not asked for");
		oring_prep_sync_file_range(rig_sqe(rig), by(rig, way, fd), 0, 3 * PAGE, all);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert_leq(unwritten_pages(fd, 3 * PAGE, 13 * PAGE), 0, "up to the end");
		oring_prep_sync_file_range(rig_sqe(rig), by(rig, way, fd), 1, 0, 1U << 3);
		cr_assert_eq(rig_result(rig), -EINVAL, "no such flag");
		oring_prep_sync_file_range(rig_sqe(rig), by(rig, way, ends[0]), 1, 0, all);
		cr_assert_eq(rig_result(rig), -ESPIPE, "a pipe has no places");
	}
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

/* Advise, until the page at @off is gone or it was tried often enough. */
static void drop_pages(struct rig *rig, oring_file file, int fd, uint64_t len, uint64_t off)
{
	int first = (int)(off / PAGE), tries;

	/* A page that another processor is just using stays. */
	for (tries = 0; tries < 50; tries++) {
		cr_assert_eq(fsync(fd), 0);
		oring_prep_fadvise(rig_sqe(rig), file, len, off, POSIX_FADV_DONTNEED);
		cr_assert_eq(rig_result(rig), 0);
		if (!has_storage(fd) || cached_pages(fd, first, 1) == 0)
			return;
		usleep(2000);
	}
}

RING_TEST(prep, fadvise)
{
	int ends[2];
	int way;

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	for (way = 0; way < 2; way++) {
		int fd = stored_file(16);
		oring_file file = by(rig, way, fd);

		drop_pages(rig, file, fd, 2 * PAGE, 5 * PAGE);
		if (has_storage(fd)) {
			cr_assert_eq(cached_pages(fd, 5, 2), 0, "forgotten");
			cr_assert_eq(cached_pages(fd, 0, 5), 5);
			cr_assert_eq(cached_pages(fd, 7, 9), 9);
		}
		oring_prep_fadvise(rig_sqe(rig), file, 0, 0, POSIX_FADV_SEQUENTIAL);
		cr_assert_eq(rig_result(rig), 0);
		oring_prep_fadvise(rig_sqe(rig), file, 1, 0, 77);
		cr_assert_eq(rig_result(rig), -EINVAL, "no such advice");
		oring_prep_fadvise(rig_sqe(rig), by(rig, way, ends[0]), 1, 0, POSIX_FADV_NORMAL);
		cr_assert_eq(rig_result(rig), -ESPIPE);
		close(fd);
	}
	close(ends[0]);
	close(ends[1]);
}

RING_TEST(prep, fadvise_of_more_than_4_gib)
{
	/* A length that lost its high half would not reach page 300, or reach beyond @len. */
	const uint64_t len = ((uint64_t)1 << 32) + PAGE;
	const int behind = (int)(len / PAGE) + 1;
	bool can = oring_features(&rig->ring) & ORING_FEAT_RECVSEND_BUNDLE; /* 6.10, too */
	int fd = stored_file(1);
	static char page[PAGE];
	int tries;

	cr_assert_eq(pwrite(fd, page, PAGE, 300 * PAGE), PAGE);
	cr_assert_eq(pwrite(fd, page, PAGE, (off_t)behind * PAGE), PAGE);
	for (tries = 0; tries < 50; tries++) {
		cr_assert_eq(fsync(fd), 0);
		oring_prep_fadvise(rig_sqe(rig), oring_file_fd(fd), len, 0, POSIX_FADV_DONTNEED);
		cr_assert_eq(rig_result(rig), can ? 0 : -EINVAL);
		if (!can || !has_storage(fd) || cached_pages(fd, 300, 1) == 0)
			break;
		usleep(2000);
	}
	if (can && has_storage(fd)) {
		cr_assert_eq(cached_pages(fd, 300, 1), 0);
		cr_assert_eq(cached_pages(fd, 0, 1), 0);
		cr_assert_eq(cached_pages(fd, behind, 1), 1, "it was not meant");
	}
	close(fd);
}

RING_TEST(prep, madvise)
{
	/* Private memory that is not needed comes back as zeroes. */
	unsigned char *memory =
		mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	cr_assert_neq(memory, MAP_FAILED);
	memset(memory, 0xee, 8 * PAGE);
	oring_prep_madvise(rig_sqe(rig), memory + 3 * PAGE, 2 * PAGE, MADV_DONTNEED);
	cr_assert_eq(rig_result(rig), 0);
	for (i = 0; i < 8; i++) {
		unsigned char wanted = i == 3 || i == 4 ? 0 : 0xee;

		cr_assert_eq(memory[i * PAGE], wanted, "page %d", i);
		cr_assert_eq(memory[i * PAGE + PAGE - 1], wanted, "page %d", i);
	}
	oring_prep_madvise(rig_sqe(rig), memory, PAGE, 7777);
	cr_assert_eq(rig_result(rig), -EINVAL, "no such advice");
	oring_prep_madvise(rig_sqe(rig), memory + 1, PAGE, MADV_DONTNEED);
	cr_assert_eq(rig_result(rig), -EINVAL, "not at a page");
	cr_assert_eq(munmap(memory + 7 * PAGE, PAGE), 0);
	oring_prep_madvise(rig_sqe(rig), memory + 6 * PAGE, 2 * PAGE, MADV_NORMAL);
	cr_assert_eq(rig_result(rig), -ENOMEM, "not all of it is there");
	munmap(memory, 7 * PAGE);
}

RING_TEST(prep, madvise_of_more_than_4_gib)
{
	const uint64_t len = ((uint64_t)1 << 32) + PAGE;
	bool can = oring_features(&rig->ring) & ORING_FEAT_RECVSEND_BUNDLE; /* 6.10, too */
	unsigned char *memory = mmap(NULL, len + PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	cr_assert_neq(memory, MAP_FAILED);
	cr_assert_eq(madvise(memory, len + PAGE, MADV_NOHUGEPAGE), 0);
	memory[0] = memory[len / 2] = memory[len - 1] = memory[len] = 0xee;
	oring_prep_madvise(rig_sqe(rig), memory, len, MADV_DONTNEED);
	cr_assert_eq(rig_result(rig), can ? 0 : -EINVAL);
	cr_assert_eq(memory[0], can ? 0 : 0xee);
	cr_assert_eq(memory[len / 2], can ? 0 : 0xee);
	cr_assert_eq(memory[len - 1], can ? 0 : 0xee);
	cr_assert_eq(memory[len], 0xee, "behind it");
	munmap(memory, len + PAGE);
}

/* ---- names ---- */

RING_TEST(prep, mkdirat)
{
	static char path[160];
	struct dir dir;
	struct stat st;

	REQUIRE_OP(rig, ORING_OP_MKDIRAT);
	make_dir(&dir);
	oring_prep_mkdirat(rig_sqe(rig), dir.fd, "sub", 0751);
	cr_assert_eq(rig_result(rig), 0);
	st = status_of(&dir, "sub");
	cr_assert_eq(st.st_mode, S_IFDIR | 0751);
	oring_prep_mkdirat(rig_sqe(rig), dir.fd, "sub", 0700);
	cr_assert_eq(rig_result(rig), -EEXIST);
	oring_prep_mkdirat(rig_sqe(rig), dir.fd, "none/sub", 0700);
	cr_assert_eq(rig_result(rig), -ENOENT);
	snprintf(path, sizeof(path), "%s/sub/two", dir.path);
	oring_prep_mkdirat(rig_sqe(rig), ORING_AT_FDCWD, path, 0700);
	cr_assert_eq(rig_result(rig), 0);
	st = status_of(&dir, "sub/two");
	cr_assert_eq(st.st_mode, S_IFDIR | 0700);
	oring_prep_mkdirat(rig_sqe(rig), 1000000, "other", 0700);
	cr_assert_eq(rig_result(rig), -EBADF);
	cr_assert_eq(unlinkat(dir.fd, "sub/two", AT_REMOVEDIR), 0);
	cr_assert_eq(unlinkat(dir.fd, "sub", AT_REMOVEDIR), 0);
	drop_dir(&dir);
}

RING_TEST(prep, symlinkat)
{
	char said[32] = "";
	struct dir dir;
	int cwd;

	REQUIRE_OP(rig, ORING_OP_SYMLINKAT);
	make_dir(&dir);
	oring_prep_symlinkat(rig_sqe(rig), "where it leads", dir.fd, "link");
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(readlinkat(dir.fd, "link", said, sizeof(said) - 1), 14);
	cr_assert_str_eq(said, "where it leads");
	oring_prep_symlinkat(rig_sqe(rig), "elsewhere", dir.fd, "link");
	cr_assert_eq(rig_result(rig), -EEXIST);
	oring_prep_symlinkat(rig_sqe(rig), "", dir.fd, "other");
	cr_assert_eq(rig_result(rig), -ENOENT, "it must say something");

	cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(fchdir(dir.fd), 0);
	oring_prep_symlinkat(rig_sqe(rig), "a", ORING_AT_FDCWD, "b");
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(fchdir(cwd), 0);
	close(cwd);
	cr_assert_eq(readlinkat(dir.fd, "b", said, sizeof(said)), 1);
	cr_assert_eq(said[0], 'a');
	cr_assert_eq(unlinkat(dir.fd, "b", 0), 0);
	cr_assert_eq(unlinkat(dir.fd, "link", 0), 0);
	drop_dir(&dir);
}

RING_TEST(prep, linkat)
{
	struct dir from, to;
	struct stat st;

	REQUIRE_OP(rig, ORING_OP_LINKAT);
	make_dir(&from);
	make_dir(&to);
	make_file(&from, "old");
	cr_assert_eq(symlinkat("old", from.fd, "link"), 0);
	oring_prep_linkat(rig_sqe(rig), from.fd, "old", to.fd, "new", 0);
	cr_assert_eq(rig_result(rig), 0);
	st = status_of(&to, "new");
	cr_assert_eq(st.st_ino, status_of(&from, "old").st_ino);
	cr_assert_eq(st.st_nlink, 2);
	oring_prep_linkat(rig_sqe(rig), from.fd, "old", to.fd, "new", 0);
	cr_assert_eq(rig_result(rig), -EEXIST);
	oring_prep_linkat(rig_sqe(rig), from.fd, "none", to.fd, "other", 0);
	cr_assert_eq(rig_result(rig), -ENOENT);

	/* The flags: of a symbolic link, itself or what it leads to. */
	oring_prep_linkat(rig_sqe(rig), from.fd, "link", to.fd, "itself", 0);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert(S_ISLNK(status_of(&to, "itself").st_mode));
	oring_prep_linkat(rig_sqe(rig), from.fd, "link", to.fd, "target", AT_SYMLINK_FOLLOW);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(status_of(&to, "target").st_ino, st.st_ino);
	oring_prep_linkat(rig_sqe(rig), from.fd, "old", to.fd, "other", 1 << 30);
	cr_assert_eq(rig_result(rig), -EINVAL, "no such flag");
	cr_assert_eq(unlinkat(to.fd, "target", 0), 0);
	cr_assert_eq(unlinkat(to.fd, "itself", 0), 0);
	cr_assert_eq(unlinkat(to.fd, "new", 0), 0);
	cr_assert_eq(unlinkat(from.fd, "link", 0), 0);
	cr_assert_eq(unlinkat(from.fd, "old", 0), 0);
	drop_dir(&from);
	drop_dir(&to);
}

/* ---- extended attributes ---- */

/* A file in a directory, and a name of an attribute that it can have. */
struct labelled {
	struct dir dir;
	char path[160];
	char link[160]; /* a symbolic link to it */
	const char *name;
	int fd;
};

static void make_labelled(struct labelled *file)
{
	static const char *const names[] = { "user.oring", "trusted.oring" };
	size_t i;

	make_dir(&file->dir);
	make_file(&file->dir, "file");
	cr_assert_eq(symlinkat("file", file->dir.fd, "link"), 0);
	snprintf(file->path, sizeof(file->path), "%s/file", file->dir.path);
	snprintf(file->link, sizeof(file->link), "%s/link", file->dir.path);
	file->fd = open(file->path, O_RDWR | O_CLOEXEC);
	file->name = NULL;
	for (i = 0; i < 2 && file->name == NULL; i++) {
		if (fsetxattr(file->fd, names[i], "", 0, 0) == 0)
			file->name = names[i];
	}
	if (file->name != NULL)
		cr_assert_eq(fremovexattr(file->fd, file->name), 0);
}

static void drop_labelled(struct labelled *file)
{
	close(file->fd);
	cr_assert_eq(unlinkat(file->dir.fd, "link", 0), 0);
	cr_assert_eq(unlinkat(file->dir.fd, "file", 0), 0);
	drop_dir(&file->dir);
}

#define REQUIRE_ATTRIBUTES(file)                                                 \
	do {                                                                     \
		if ((file)->name == NULL) {                                      \
			drop_labelled(file);                                     \
			cr_skip_test("extended attributes: not on this kernel"); \
		}                                                                \
	} while (0)

/* For a slot as the file of an attribute: -EBADF before 6.13 or so, never where 6.15 is. */
#define SKIP_IF_NO_SLOT(rig, file, result)                                                  \
	do {                                                                                \
		if ((result) == -EBADF &&                                                   \
		    !oring_feature_has_op(&(rig)->can, ORING_OP_READV_FIXED)) {             \
			drop_labelled(file);                                                \
			cr_skip_test("attributes of a file in a slot: not on this kernel"); \
		}                                                                           \
	} while (0)

static bool attribute_is(const struct labelled *file, const char *text)
{
	char value[64];
	ssize_t len = fgetxattr(file->fd, file->name, value, sizeof(value));

	return len == (ssize_t)strlen(text) && memcmp(value, text, (size_t)len) == 0;
}

RING_TEST(prep, setxattr)
{
	struct labelled file;

	REQUIRE_OP(rig, ORING_OP_SETXATTR);
	make_labelled(&file);
	REQUIRE_ATTRIBUTES(&file);
	oring_prep_setxattr(rig_sqe(rig), file.path, file.name, "a value", 5, XATTR_CREATE);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert(attribute_is(&file, "a val"), "5 bytes of it");
	oring_prep_setxattr(rig_sqe(rig), file.path, file.name, "other", 5, XATTR_CREATE);
	cr_assert_eq(rig_result(rig), -EEXIST);
	oring_prep_setxattr(rig_sqe(rig), file.link, file.name, "by link", 7, XATTR_REPLACE);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert(attribute_is(&file, "by link"), "the link was followed");
	cr_assert_eq(fremovexattr(file.fd, file.name), 0);
	oring_prep_setxattr(rig_sqe(rig), file.path, file.name, "other", 5, XATTR_REPLACE);
	cr_assert_eq(rig_result(rig), -ENODATA);
	oring_prep_setxattr(rig_sqe(rig), file.path, file.name, "other", 5, 1 << 9);
	cr_assert_eq(rig_result(rig), -EINVAL, "no such flag");
	oring_prep_setxattr(rig_sqe(rig), "/nowhere", file.name, "other", 5, 0);
	cr_assert_eq(rig_result(rig), -ENOENT);
	oring_prep_setxattr(rig_sqe(rig), file.path, "none.such", "other", 5, 0);
	cr_assert_eq(rig_result(rig), -EOPNOTSUPP, "no such namespace");
	drop_labelled(&file);
}

RING_TEST(prep, fsetxattr)
{
	struct labelled file;
	int way, ret;

	REQUIRE_OP(rig, ORING_OP_FSETXATTR);
	make_labelled(&file);
	REQUIRE_ATTRIBUTES(&file);
	for (way = 0; way < 2; way++) {
		oring_prep_fsetxattr(rig_sqe(rig), by(rig, way, file.fd), file.name, "a value", 5,
				     XATTR_CREATE);
		ret = rig_result(rig);
		if (way == 1)
			SKIP_IF_NO_SLOT(rig, &file, ret);
		cr_assert_eq(ret, 0, "%s", strerror(-ret));
		cr_assert(attribute_is(&file, "a val"));
		oring_prep_fsetxattr(rig_sqe(rig), by(rig, way, file.fd), file.name, "other", 5,
				     XATTR_CREATE);
		cr_assert_eq(rig_result(rig), -EEXIST);
		cr_assert_eq(fremovexattr(file.fd, file.name), 0);
		oring_prep_fsetxattr(rig_sqe(rig), by(rig, way, file.fd), file.name, "other", 5,
				     XATTR_REPLACE);
		cr_assert_eq(rig_result(rig), -ENODATA);
	}
	drop_labelled(&file);
}

RING_TEST(prep, getxattr)
{
	static char value[16];
	struct labelled file;

	REQUIRE_OP(rig, ORING_OP_GETXATTR);
	make_labelled(&file);
	REQUIRE_ATTRIBUTES(&file);
	oring_prep_getxattr(rig_sqe(rig), file.path, file.name, value, sizeof(value));
	cr_assert_eq(rig_result(rig), -ENODATA);
	cr_assert_eq(fsetxattr(file.fd, file.name, "a value", 7, 0), 0);
	memset(value, 0xee, sizeof(value));
	oring_prep_getxattr(rig_sqe(rig), file.path, file.name, value, sizeof(value));
	cr_assert_eq(rig_result(rig), 7);
	cr_assert_eq(memcmp(value, "a value\xee", 8), 0);
	memset(value, 0, sizeof(value));
	oring_prep_getxattr(rig_sqe(rig), file.link, file.name, value, 7);
	cr_assert_eq(rig_result(rig), 7, "the link was followed");
	cr_assert_str_eq(value, "a value");
	oring_prep_getxattr(rig_sqe(rig), file.path, file.name, value, 6);
	cr_assert_eq(rig_result(rig), -ERANGE);
	oring_prep_getxattr(rig_sqe(rig), file.path, file.name, NULL, 0);
	cr_assert_eq(rig_result(rig), 7, "the size");
	oring_prep_getxattr(rig_sqe(rig), "/nowhere", file.name, value, 7);
	cr_assert_eq(rig_result(rig), -ENOENT);
	drop_labelled(&file);
}

RING_TEST(prep, fgetxattr)
{
	static char value[16];
	struct labelled file;
	int way, ret;

	REQUIRE_OP(rig, ORING_OP_FGETXATTR);
	make_labelled(&file);
	REQUIRE_ATTRIBUTES(&file);
	cr_assert_eq(fsetxattr(file.fd, file.name, "a value", 7, 0), 0);
	for (way = 0; way < 2; way++) {
		memset(value, 0xee, sizeof(value));
		oring_prep_fgetxattr(rig_sqe(rig), by(rig, way, file.fd), file.name, value,
				     sizeof(value));
		ret = rig_result(rig);
		if (way == 1)
			SKIP_IF_NO_SLOT(rig, &file, ret);
		cr_assert_eq(ret, 7, "%s", strerror(-ret));
		cr_assert_eq(memcmp(value, "a value\xee", 8), 0);
		oring_prep_fgetxattr(rig_sqe(rig), by(rig, way, file.fd), file.name, value, 6);
		cr_assert_eq(rig_result(rig), -ERANGE);
		oring_prep_fgetxattr(rig_sqe(rig), by(rig, way, file.fd), file.name, NULL, 0);
		cr_assert_eq(rig_result(rig), 7, "the size");
	}
	drop_labelled(&file);
}

/* ---- pipes, slots ---- */

RING_TEST(prep, pipe)
{
	static int ends[2];
	char byte = 0;
	int i, before = open_descriptors();

	REQUIRE_OP(rig, ORING_OP_PIPE);
	oring_prep_pipe(rig_sqe(rig), ends, O_CLOEXEC | O_NONBLOCK);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(open_descriptors(), before + 2);
	for (i = 0; i < 2; i++) {
		cr_assert_eq(fcntl(ends[i], F_GETFD), FD_CLOEXEC);
		cr_assert_eq(fcntl(ends[i], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	}
	cr_assert_eq(read(ends[0], &byte, 1), -1);
	cr_assert_eq(errno, EAGAIN);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(read(ends[0], &byte, 1), 1);
	cr_assert_eq(byte, 'x');
	close(ends[0]);
	close(ends[1]);
	oring_prep_pipe(rig_sqe(rig), ends, 0);
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(fcntl(ends[0], F_GETFD), 0);
	cr_assert_eq(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
	close(ends[0]);
	close(ends[1]);
	oring_prep_pipe(rig_sqe(rig), ends, O_APPEND);
	cr_assert_eq(rig_result(rig), -EINVAL, "no flag of a pipe");
	oring_prep_pipe(rig_sqe(rig), (int *)8, 0);
	cr_assert_eq(rig_result(rig), -EFAULT);
	cr_assert_eq(open_descriptors(), before);
}

/* Whether slot @in is the reading end of the pipe that slot @out is the writing one of. */
static bool slots_are_a_pipe(struct rig *rig, uint32_t in, uint32_t out)
{
	static char text[8];

	memset(text, 0, sizeof(text));
	oring_prep_write(rig_sqe(rig), oring_file_slot(out), "through", 7, 0);
	if (rig_result(rig) != 7)
		return false;
	return read_slot(rig, in, text, 8) == 7 && strcmp(text, "through") == 0;
}

/* F_GETFL of the file in @slot, by a descriptor of its own. */
static int slot_flags(struct rig *rig, uint32_t slot)
{
	int fd, flags;

	oring_prep_fixed_fd_install(rig_sqe(rig), oring_slot_at(slot), 0);
	fd = rig_result(rig);
	cr_assert_geq(fd, 0);
	flags = fcntl(fd, F_GETFL);
	close(fd);
	return flags;
}

RING_TEST(prep, pipe_direct)
{
	/* A 23: slots 3 and 4 are slots 3 and 4, counted from 0. */
	static int ends[2];
	int before;
	uint32_t i;
	char byte;

	REQUIRE_OP(rig, ORING_OP_PIPE);
	make_table(rig, 6);
	before = open_descriptors();
	oring_prep_pipe_direct(rig_sqe(rig), ends, 0, oring_slot_at(3));
	cr_assert_eq(rig_result(rig), 0);
	cr_assert(slots_are_a_pipe(rig, 3, 4));
	for (i = 0; i < 6; i++) {
		if (i != 3 && i != 4)
			cr_assert_eq(read_slot(rig, i, &byte, 1), -EBADF, "slot %u", i);
	}
	/* The first kernels with this say 0 and 0. */
	cr_assert((ends[0] == 3 && ends[1] == 4) || (ends[0] == 0 && ends[1] == 0), "%d, %d",
		  ends[0], ends[1]);
	cr_assert_eq(slot_flags(rig, 3) & O_NONBLOCK, 0);
	oring_prep_pipe_direct(rig_sqe(rig), ends, O_NONBLOCK, oring_slot_at(3));
	cr_assert_eq(rig_result(rig), 0, "what the slots held is replaced");
	cr_assert_eq(slot_flags(rig, 3) & O_NONBLOCK, O_NONBLOCK);
	cr_assert(slots_are_a_pipe(rig, 3, 4));
	cr_assert_eq(open_descriptors(), before, "no descriptor was made");
}

RING_TEST(prep, pipe_direct_refused)
{
	static int ends[2];
	int fd = pattern_file(10);
	struct oring_sqe *sqe;
	unsigned char buf[16];

	REQUIRE_OP(rig, ORING_OP_PIPE);
	make_table(rig, 6);
	cr_assert_eq(oring_register_files_update(&rig->ring, 0, &fd, 1), 1);
	close(fd);
	/* A 23: a slot is not inherited, and that needs no kernel to tell. */
	sqe = rig_sqe(rig);
	oring_prep_pipe_direct(sqe, ends, O_CLOEXEC, oring_slot_at(1));
	cr_assert_eq(oring_sqe_check(sqe), -EINVAL);
	cr_assert_eq(rig_result(rig), -EINVAL);
	cr_assert_eq(read_slot(rig, 1, buf, 16), -EBADF);
	oring_prep_pipe_direct(rig_sqe(rig), ends, 0, oring_slot_at(6));
	cr_assert_eq(rig_result(rig), -EINVAL, "beyond the table");
	cr_assert_eq(read_slot(rig, 0, buf, 16), 10, "no other slot was touched");
	/* Kernels that say 0 and 0 empty slot 0 where there is no room for the writing end. */
	oring_prep_pipe_direct(rig_sqe(rig), ends, 0, oring_slot_at(3));
	cr_assert_eq(rig_result(rig), 0);
	if (ends[0] != 3)
		cr_skip_test("a direct pipe's slot numbers: not on this kernel");
	oring_prep_pipe_direct(rig_sqe(rig), ends, 0, oring_slot_at(5));
	cr_assert_eq(rig_result(rig), -EINVAL);
	cr_assert_eq(read_slot(rig, 5, buf, 16), -EBADF);
	cr_assert_eq(read_slot(rig, 0, buf, 16), 10);
}

RING_TEST(prep, pipe_direct_allocates)
{
	static int ends[2];
	int i;

	REQUIRE_OP(rig, ORING_OP_PIPE);
	make_table(rig, 5);
	for (i = 0; i < 2; i++) {
		ends[0] = ends[1] = -1;
		oring_prep_pipe_direct(rig_sqe(rig), ends, 0, ORING_SLOT_ALLOC);
		cr_assert_eq(rig_result(rig), 0);
		cr_assert(ends[0] >= 0 && ends[0] < 5 && ends[1] >= 0 && ends[1] < 5);
		cr_assert(slots_are_a_pipe(rig, (uint32_t)ends[0], (uint32_t)ends[1]));
	}
	/* One is free: the reading end gets it, and gives it back. */
	for (i = 0; i < 2; i++) {
		oring_prep_pipe_direct(rig_sqe(rig), ends, 0, ORING_SLOT_ALLOC);
		cr_assert_eq(rig_result(rig), -ENFILE);
	}
	oring_prep_socket_direct(rig_sqe(rig), AF_UNIX, SOCK_STREAM, 0, ORING_SLOT_ALLOC);
	cr_assert_geq(rig_result(rig), 0, "it is free");
}

RING_TEST(prep, files_update)
{
	/* B 6, from slot 0 on. */
	int one = pattern_file(10), two = pattern_file(20);
	static int32_t list[3];
	unsigned char buf[32];

	list[0] = one;
	list[1] = two;
	oring_prep_files_update(rig_sqe(rig), list, 2, oring_slot_at(0));
	cr_assert_eq(rig_result(rig), -ENXIO, "there is no table");
	make_table(rig, 5);
	oring_prep_files_update(rig_sqe(rig), list, 2, oring_slot_at(0));
	cr_assert_eq(rig_result(rig), 2);
	cr_assert_eq(read_slot(rig, 0, buf, sizeof(buf)), 10);
	cr_assert_eq(read_slot(rig, 1, buf, sizeof(buf)), 20);
	cr_assert_eq(read_slot(rig, 2, buf, sizeof(buf)), -EBADF);
	oring_prep_files_update(rig_sqe(rig), list, 2, oring_slot_at(3));
	cr_assert_eq(rig_result(rig), 2);
	cr_assert_eq(read_slot(rig, 3, buf, sizeof(buf)), 10);
	cr_assert_eq(read_slot(rig, 4, buf, sizeof(buf)), 20);

	list[0] = -1;
	list[1] = one;
	list[2] = 1000000;
	oring_prep_files_update(rig_sqe(rig), list, 3, oring_slot_at(0));
	cr_assert_eq(rig_result(rig), 2, "up to the error");
	cr_assert_eq(read_slot(rig, 0, buf, sizeof(buf)), -EBADF, "emptied");
	cr_assert_eq(read_slot(rig, 1, buf, sizeof(buf)), 10);
	oring_prep_files_update(rig_sqe(rig), list + 2, 1, oring_slot_at(0));
	cr_assert_eq(rig_result(rig), -EBADF);
	oring_prep_files_update(rig_sqe(rig), list, 2, oring_slot_at(4));
	cr_assert_eq(rig_result(rig), -EINVAL, "beyond the table");
	oring_prep_files_update(rig_sqe(rig), list, 0, oring_slot_at(0));
	cr_assert_eq(rig_result(rig), -EINVAL, "nothing to do");
	cr_assert_eq(read_slot(rig, 4, buf, sizeof(buf)), 20, "as it was");
	close(one);
	close(two);
}

RING_TEST(prep, files_update_skips)
{
	int one = pattern_file(10), two = pattern_file(20);
	static int32_t list[3];
	unsigned char buf[32];

	REQUIRE_FEATURE(&rig->ring, ORING_FEAT_NATIVE_WORKERS); /* 5.12, too */
	make_table(rig, 5);
	cr_assert_eq(oring_register_files_update(&rig->ring, 2, &two, 1), 1);
	list[0] = one;
	list[1] = ORING_REGISTER_FILES_SKIP;
	list[2] = one;
	oring_prep_files_update(rig_sqe(rig), list, 3, oring_slot_at(1));
	cr_assert_eq(rig_result(rig), 3);
	cr_assert_eq(read_slot(rig, 1, buf, sizeof(buf)), 10);
	cr_assert_eq(read_slot(rig, 2, buf, sizeof(buf)), 20, "as it was");
	cr_assert_eq(read_slot(rig, 3, buf, sizeof(buf)), 10);
	close(one);
	close(two);
}

RING_TEST(prep, files_update_alloc)
{
	int one = pattern_file(10), two = pattern_file(20);
	static int32_t list[3];
	unsigned char buf[32];

	/* No number tells of this; 6.0 has both. */
	if (!oring_feature_has_op(&rig->can, ORING_OP_SEND_ZC))
		cr_skip_test("an update with slots of the kernel's choice: not on this kernel");
	list[0] = one;
	oring_prep_files_update_alloc(rig_sqe(rig), list, 1);
	cr_assert_eq(rig_result(rig), -ENXIO, "there is no table");
	make_table(rig, 5);
	cr_assert_eq(oring_register_files_update(&rig->ring, 1, &one, 1), 1);
	list[1] = two;
	oring_prep_files_update_alloc(rig_sqe(rig), list, 2);
	cr_assert_eq(rig_result(rig), 2);
	cr_assert_neq(list[0], list[1]);
	cr_assert_neq(list[0], 1, "it was not free");
	cr_assert_neq(list[1], 1);
	cr_assert_eq(read_slot(rig, (uint32_t)list[0], buf, sizeof(buf)), 10);
	cr_assert_eq(read_slot(rig, (uint32_t)list[1], buf, sizeof(buf)), 20);
	list[0] = list[1] = list[2] = two;
	oring_prep_files_update_alloc(rig_sqe(rig), list, 3);
	cr_assert_eq(rig_result(rig), 2, "no more were free");
	cr_assert_eq(read_slot(rig, (uint32_t)list[1], buf, sizeof(buf)), 20);
	cr_assert_eq(list[2], two, "not touched");
	oring_prep_files_update_alloc(rig_sqe(rig), list + 2, 1);
	cr_assert_eq(rig_result(rig), -ENFILE);
	list[0] = 1000000;
	oring_prep_files_update_alloc(rig_sqe(rig), list, 1);
	cr_assert_eq(rig_result(rig), -EBADF);
	close(one);
	close(two);
}

RING_TEST(prep, a_slot_of_many)
{
	/* B 8: of 1024 placeholders slot 713 is given a file, and written to. */
	static int32_t list[1];
	int fd = pattern_file(100);
	char back[4];

	make_table(rig, 1024);
	list[0] = fd;
	oring_prep_files_update(rig_sqe(rig), list, 1, oring_slot_at(713));
	cr_assert_eq(rig_result(rig), 1);
	oring_prep_write(rig_sqe(rig), oring_file_slot(713), "here", 4, 50);
	cr_assert_eq(rig_result(rig), 4);
	cr_assert_eq(pread(fd, back, 4, 50), 4);
	cr_assert_eq(memcmp(back, "here", 4), 0);
	oring_prep_write(rig_sqe(rig), oring_file_slot(0), "here", 4, 50);
	cr_assert_eq(rig_result(rig), -EBADF);
	oring_prep_write(rig_sqe(rig), oring_file_slot(712), "here", 4, 50);
	cr_assert_eq(rig_result(rig), -EBADF);
	close(fd);
}

RING_TEST(prep, writes_through_slot_0)
{
	/* B 6: the operation stays the same, and descriptor 0 is another matter. */
	int fd = pattern_file(100);
	struct oring_sqe *sqe;
	unsigned char back[100];

	make_table(rig, 2);
	cr_assert_eq(oring_register_files_update(&rig->ring, 0, &fd, 1), 1);
	sqe = rig_sqe(rig);
	oring_prep_write(sqe, oring_file_slot(0), "zero", 4, 30);
	cr_assert_eq(sqe->opcode, ORING_OP_WRITE);
	cr_assert_eq(sqe->flags, ORING_SQE_FIXED_FILE);
	cr_assert_eq(rig_result(rig), 4);
	cr_assert_eq(pread(fd, back, 100, 0), 100);
	cr_assert_eq(memcmp(back + 30, "zero", 4), 0);
	cr_assert(is_pattern(back, 30, 0));
	cr_assert(is_pattern(back + 34, 66, 34));
	close(fd);
}

RING_TEST(prep, fixed_fd_install)
{
	static const struct {
		uint32_t flags;
		int fd_flags;
	} cases[] = { { 0, FD_CLOEXEC }, { ORING_FIXED_FD_NO_CLOEXEC, 0 } };
	int fd = pattern_file(100);
	struct stat held, installed;
	unsigned char byte;
	size_t i;

	REQUIRE_OP(rig, ORING_OP_FIXED_FD_INSTALL);
	in_slot(rig, SLOT, fd);
	cr_assert_eq(fstat(fd, &held), 0);
	close(fd);
	for (i = 0; i < 2; i++) {
		int new_fd;

		oring_prep_fixed_fd_install(rig_sqe(rig), oring_slot_at(SLOT), cases[i].flags);
		new_fd = rig_result(rig);
		cr_assert_geq(new_fd, 0, "%s", strerror(-new_fd));
		cr_assert_eq(fcntl(new_fd, F_GETFD), cases[i].fd_flags);
		cr_assert_eq(fstat(new_fd, &installed), 0);
		cr_assert_eq(installed.st_ino, held.st_ino);
		close(new_fd);
		cr_assert_eq(read_slot(rig, SLOT, &byte, 1), 1, "the slot stays");
	}
	oring_prep_fixed_fd_install(rig_sqe(rig), oring_slot_at(SLOT), 1U << 5);
	cr_assert_eq(rig_result(rig), -EINVAL, "no such flag");
	oring_prep_fixed_fd_install(rig_sqe(rig), oring_slot_at(SLOT + 1), 0);
	cr_assert_eq(rig_result(rig), -EBADF, "empty");
	oring_prep_fixed_fd_install(rig_sqe(rig), oring_slot_at(SLOTS), 0);
	cr_assert_eq(rig_result(rig), -EBADF, "beyond the table");
}

/* ---- slices of registered buffers ---- */

static unsigned char pinned[3][PAGE];

/* All of buffer 2. */
static oring_fixed_buf pin_buffers(struct rig *rig)
{
	const struct iovec iov[] = { { pinned[0], PAGE },
				     { pinned[1], PAGE },
				     { pinned[2], PAGE } };
	oring_fixed_buf buf;

	cr_assert_eq(oring_register_buffers(&rig->ring, iov, 3), 0);
	cr_assert_eq(oring_fixed_buf_of(pinned[2], PAGE, 2, &buf), 0);
	return buf;
}

RING_TEST(prep, read_buf)
{
	/* B 7 */
	oring_fixed_buf all = pin_buffers(rig), slice, other;
	int fd = pattern_file(3000);
	int way;

	for (way = 0; way < 2; way++) {
		oring_file file = by(rig, way, fd);
		struct oring_sqe *sqe;

		memset(pinned, 0xee, sizeof(pinned));
		cr_assert_eq(oring_fixed_buf_slice(all, 50, 900, &slice), 0);
		sqe = rig_sqe(rig);
		oring_prep_read_buf(sqe, file, slice, 321);
		cr_assert_eq(sqe->opcode, ORING_OP_READ_FIXED);
		cr_assert_eq(sqe->buf_index, 2);
		cr_assert_eq(rig_result(rig), 900);
		cr_assert(is_pattern(pinned[2] + 50, 900, 321));
		cr_assert_eq(pinned[2][49], 0xee);
		cr_assert_eq(pinned[2][950], 0xee);
		oring_prep_read_buf(rig_sqe(rig), file, slice, 3000);
		cr_assert_eq(rig_result(rig), 0, "the end");

		/* What does not lie inside is refused where it is made. */
		cr_assert_eq(oring_fixed_buf_slice(all, PAGE - 10, 11, &other), -ERANGE);
		cr_assert_eq(oring_fixed_buf_slice(slice, 0, 901, &other), -ERANGE);
		cr_assert_eq(oring_fixed_buf_slice(all, PAGE - 10, 10, &other), 0);
		oring_prep_read_buf(rig_sqe(rig), file, other, 0);
		cr_assert_eq(rig_result(rig), 10);
		cr_assert(is_pattern(pinned[2] + PAGE - 10, 10, 0));
		other.len = 11;
		oring_prep_read_buf(rig_sqe(rig), file, other, 0);
		cr_assert_eq(rig_result(rig), -EFAULT, "it lies about its length");
		other = slice;
		other.index = 1;
		oring_prep_read_buf(rig_sqe(rig), file, other, 0);
		cr_assert_eq(rig_result(rig), -EFAULT, "and about its buffer");
	}
	close(fd);
}

RING_TEST(prep, write_buf)
{
	/* B 7 */
	oring_fixed_buf all = pin_buffers(rig), slice;
	unsigned char back[3000];
	int way;

	for (way = 0; way < 2; way++) {
		int fd = pattern_file(3000);
		oring_file file = by(rig, way, fd);
		int i;

		for (i = 0; i < 64; i++)
			pinned[2][10 + i] = (unsigned char)(200 - i - way);
		cr_assert_eq(oring_fixed_buf_slice(all, 10, 64, &slice), 0);
		oring_prep_write_buf(rig_sqe(rig), file, slice, 777);
		cr_assert_eq(rig_result(rig), 64);
		cr_assert_eq(pread(fd, back, 3000, 0), 3000);
		cr_assert_eq(memcmp(back + 777, pinned[2] + 10, 64), 0);
		cr_assert(is_pattern(back, 777, 0));
		cr_assert(is_pattern(back + 841, 3000 - 841, 841));
		slice.len = PAGE - 9;
		oring_prep_write_buf(rig_sqe(rig), file, slice, 0);
		cr_assert_eq(rig_result(rig), -EFAULT, "it lies about its length");
		close(fd);
	}
}

/* ---- multishot read ---- */

#define BUFFERS	    4
#define BUFFER_SIZE 64
#define FIRST_BID   10

static unsigned char provided[BUFFERS][BUFFER_SIZE];

/* The four buffers as group 5, given one way or the other. */
static void provide_legacy(struct rig *rig)
{
	oring_prep_provide_buffers(rig_sqe(rig), provided, BUFFER_SIZE, BUFFERS, 5, FIRST_BID);
	cr_assert_eq(rig_result(rig), 0);
}

static void provide_ring(struct rig *rig)
{
	static struct oring_buf entries[BUFFERS] __attribute__((aligned(PAGE)));
	struct oring_buf_reg reg;
	int i, ret;

	memset(&reg, 0, sizeof(reg));
	memset(entries, 0, sizeof(entries));
	for (i = 0; i < BUFFERS; i++) {
		entries[i].addr = (uint64_t)(uintptr_t)provided[i];
		entries[i].len = BUFFER_SIZE;
		entries[i].bid = (uint16_t)(FIRST_BID + i);
	}
	reg.ring_addr = (uint64_t)(uintptr_t)entries;
	reg.ring_entries = BUFFERS;
	reg.bgid = 5;
	ret = oring_register_pbuf_ring(&rig->ring, &reg);
	cr_assert_eq(ret, 0, "oring_register_pbuf_ring: %s", strerror(-ret));
	__atomic_store_n(&entries[0].resv, BUFFERS, __ATOMIC_RELEASE);
}

static uint64_t arm(struct rig *rig, oring_file file, uint64_t off)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_read_multishot(sqe, file, off);
	oring_sqe_buffer_select(sqe, 5);
	cr_assert_geq(oring_submit(&rig->ring), 0);
	return rig->next_id - 1;
}

/* One piece goes through the pipe, and comes in a buffer that was not used yet. */
static void expect_piece(struct rig *rig, uint64_t id, int writer, const char *piece, bool *used)
{
	size_t len = strlen(piece);
	struct oring_cqe cqe;
	int bid;

	cr_assert_eq(write(writer, piece, len), (ssize_t)len);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, id);
	cr_assert_eq(cqe.res, (int)len, "%d", cqe.res);
	cr_assert(oring_cqe_has_more(&cqe));
	cr_assert(oring_cqe_has_buffer(&cqe));
	bid = oring_cqe_buffer_id(&cqe) - FIRST_BID;
	cr_assert(bid >= 0 && bid < BUFFERS && !used[bid], "buffer %d", bid + FIRST_BID);
	used[bid] = true;
	cr_assert_eq(memcmp(provided[bid], piece, len), 0);
	cr_assert_eq(provided[bid][len], 0xee, "and no more");
}

static void expect_end(struct rig *rig, uint64_t id, int result)
{
	struct oring_cqe cqe = rig_reap(rig);

	cr_assert_eq(cqe.user_data, id);
	cr_assert_eq(cqe.res, result, "%d, not %d", cqe.res, result);
	cr_assert_not(oring_cqe_has_more(&cqe));
	cr_assert_not(oring_cqe_has_buffer(&cqe));
}

/* Cancel the multishot read @id, which ends with -ECANCELED and without a buffer. */
static void cancel(struct rig *rig, uint64_t id)
{
	struct oring_cqe cqe;
	int i, seen = 0;

	oring_prep_async_cancel(rig_sqe(rig), oring_context_from_bits(id), 0);
	for (i = 0; i < 2; i++) {
		cqe = rig_reap(rig);
		seen += cqe.user_data == id ? 1 : 10;
		cr_assert_eq(cqe.res, cqe.user_data == id ? -ECANCELED : 0, "%d", cqe.res);
		cr_assert_eq(cqe.flags & (ORING_CQE_F_MORE | ORING_CQE_F_BUFFER), 0);
	}
	cr_assert_eq(seen, 11, "one of each");
}

/* Pieces in all four buffers; ended by a cancel, and by the empty group. */
static void check_multishot(struct rig *rig, void (*provide)(struct rig *rig), int way)
{
	bool used[BUFFERS] = { false };
	uint64_t id;
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	memset(provided, 0xee, sizeof(provided));
	provide(rig);
	id = arm(rig, by(rig, way, ends[0]), (uint64_t)-1);
	expect_piece(rig, id, ends[1], "one", used);
	cancel(rig, id);
	id = arm(rig, by(rig, way, ends[0]), 0);
	expect_piece(rig, id, ends[1], "the second", used);
	expect_piece(rig, id, ends[1], "3", used);
	expect_piece(rig, id, ends[1], "and the last", used);
	cr_assert_eq(write(ends[1], "no place", 8), 8);
	expect_end(rig, id, -ENOBUFS);
	cr_assert_eq(read(ends[0], provided, BUFFER_SIZE), 8, "it is still in the pipe");
	close(ends[0]);
	close(ends[1]);
}

RING_TEST(prep, read_multishot)
{
	int way;

	REQUIRE_OP(rig, ORING_OP_READ_MULTISHOT);
	for (way = 0; way < 2; way++)
		check_multishot(rig, provide_legacy, way);
}

RING_TEST(prep, read_multishot_into_a_buffer_ring)
{
	int way;

	REQUIRE_OP(rig, ORING_OP_READ_MULTISHOT);
	for (way = 0; way < 2; way++) {
		check_multishot(rig, provide_ring, way);
		cr_assert_eq(oring_unregister_pbuf_ring(&rig->ring, 5), 0);
	}
}

RING_TEST(prep, read_multishot_up_to_the_end)
{
	bool used[BUFFERS] = { false };
	int ends[2], way;
	uint64_t id;

	REQUIRE_OP(rig, ORING_OP_READ_MULTISHOT);
	provide_ring(rig);
	for (way = 0; way < 2; way++) {
		memset(provided, 0xee, sizeof(provided));
		cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
		id = arm(rig, by(rig, way, ends[0]), 0);
		expect_piece(rig, id, ends[1], "all there is", used);
		close(ends[1]);
		expect_end(rig, id, 0);
		close(ends[0]);
	}
}

RING_TEST(prep, read_multishot_refused)
{
	int fd = pattern_file(100);
	int ends[2];

	REQUIRE_OP(rig, ORING_OP_READ_MULTISHOT);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	oring_prep_read_multishot(rig_sqe(rig), oring_file_fd(ends[0]), 0);
	cr_assert_eq(rig_result(rig), -EINVAL, "it must select buffers");
	expect_end(rig, arm(rig, oring_file_fd(ends[0]), 0), -ENOBUFS);
	provide_ring(rig);
	expect_end(rig, arm(rig, oring_file_fd(fd), 0), -EBADFD);
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

/* ---- what may be said of reads and writes ---- */

RING_TEST(prep, write_appends)
{
	int way;

	for (way = 0; way < 2; way++) {
		int fd = pattern_file(100);
		unsigned char back[108];
		struct oring_sqe *sqe = rig_sqe(rig);

		oring_prep_write(sqe, by(rig, way, fd), "appended", 8, 5);
		oring_sqe_add_op_flags(sqe, RWF_APPEND);
		cr_assert_eq(rig_result(rig), 8);
		cr_assert_eq(lseek(fd, 0, SEEK_END), 108);
		cr_assert_eq(pread(fd, back, 108, 0), 108);
		cr_assert(is_pattern(back, 100, 0));
		cr_assert_eq(memcmp(back + 100, "appended", 8), 0);
		close(fd);
	}
}

/* The result of a read from an empty pipe that a writer still has open. */
static int read_nowait(struct rig *rig, int way)
{
	static char byte;
	struct oring_sqe *sqe;
	int ends[2], ret;

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	sqe = rig_sqe(rig);
	oring_prep_read(sqe, by(rig, way, ends[0]), &byte, 1, 0);
	oring_sqe_add_op_flags(sqe, RWF_NOWAIT);
	ret = rig_result(rig);
	close(ends[0]);
	close(ends[1]);
	return ret;
}

RING_TEST(prep, read_does_not_wait)
{
	int way;

	for (way = 0; way < 2; way++) {
		int ret = read_nowait(rig, way);

		if (ret == -EOPNOTSUPP)
			cr_skip_test("RWF_NOWAIT on a pipe: not on this kernel");
		cr_assert_eq(ret, -EAGAIN, "%d", ret);
	}
}

RING_TEST(prep, read_of_what_is_cached_does_not_wait)
{
	static unsigned char buf[100];
	int fd = stored_file(1);
	int way;

	cr_assert_eq(pwrite(fd, "cached", 6, 20), 6);
	for (way = 0; way < 2; way++) {
		struct oring_sqe *sqe = rig_sqe(rig);
		int ret;

		memset(buf, 0, sizeof(buf));
		oring_prep_read(sqe, by(rig, way, fd), buf, 10, 20);
		oring_sqe_add_op_flags(sqe, RWF_NOWAIT);
		ret = rig_result(rig);
		if (ret == -EOPNOTSUPP) {
			close(fd);
			cr_skip_test("RWF_NOWAIT on a file here: not on this kernel");
		}
		cr_assert_eq(ret, 10, "%d", ret);
		cr_assert_str_eq((char *)buf, "cached");
	}
	close(fd);
}

RING_TEST(prep, write_reaches_the_storage)
{
	static char page[PAGE];
	int way;

	for (way = 0; way < 2; way++) {
		int dirty = 0, tries, fd = stored_file(0);
		struct oring_sqe *sqe;

		/* Without the flag the page stays dirty for a while: some try must find it so. */
		for (tries = 0; tries < 20 && dirty == 0; tries++) {
			oring_prep_write(rig_sqe(rig), by(rig, way, fd), page, PAGE, 0);
			cr_assert_eq(rig_result(rig), PAGE);
			dirty = unwritten_pages(fd, 0, PAGE);
		}
		cr_assert_neq(dirty, 0);
		sqe = rig_sqe(rig);
		oring_prep_write(sqe, by(rig, way, fd), page, PAGE, 0);
		oring_sqe_add_op_flags(sqe, RWF_DSYNC);
		cr_assert_eq(rig_result(rig), PAGE);
		cr_assert_leq(unwritten_pages(fd, 0, PAGE), 0);
		close(fd);
	}
}

RING_TEST(prep, flags_that_no_read_has)
{
	static char byte;
	int fd = pattern_file(100);
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_read(sqe, oring_file_fd(fd), &byte, 1, 0);
	oring_sqe_add_op_flags(sqe, 1U << 30);
	cr_assert_eq(rig_result(rig), -EOPNOTSUPP);
	close(fd);
}

RING_TEST(prep, priority_of_reads_and_writes)
{
	/* Classes: 1 realtime, 2 best effort, 3 idle; there is none above. */
	static const struct {
		uint16_t priority;
		bool right;
	} cases[] = { { 2 << 13 | 4, true },
		      { 3 << 13, true },
		      { 1 << 13 | 7, true },
		      { 4 << 13, false },
		      { 7 << 13 | 1, false } };
	static char buf[4];
	int fd = pattern_file(100);
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int wanted = cases[i].right ? 4 : -EINVAL;
		struct oring_sqe *sqe = rig_sqe(rig);

		oring_prep_write(sqe, oring_file_fd(fd), "prio", 4, 50);
		oring_sqe_set_ioprio(sqe, cases[i].priority);
		cr_assert_eq(rig_result(rig), wanted, "priority 0x%x", cases[i].priority);
		sqe = rig_sqe(rig);
		oring_prep_read(sqe, oring_file_fd(fd), buf, 4, 50);
		oring_sqe_set_ioprio(sqe, cases[i].priority);
		cr_assert_eq(rig_result(rig), wanted, "priority 0x%x", cases[i].priority);
		if (cases[i].right)
			cr_assert_eq(memcmp(buf, "prio", 4), 0);
	}
	close(fd);
}

/* Write a block at @file's beginning as part of @stream. */
static int write_to_stream(struct rig *rig, oring_file file, uint8_t stream)
{
	static unsigned char block[PAGE] __attribute__((aligned(PAGE)));
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_write(sqe, file, block, PAGE, 0);
	oring_sqe_set_write_stream(sqe, stream);
	return rig_result(rig);
}

/* It came with PIPE; before, nobody looked at the field. */
#define REQUIRE_STREAMS(rig)                                               \
	do {                                                               \
		if (!oring_feature_has_op(&(rig)->can, ORING_OP_PIPE))     \
			cr_skip_test("write streams: not on this kernel"); \
	} while (0)

RING_TEST(prep, write_stream_of_a_file)
{
	/* Only what goes to a drive by itself is asked; in a file system nobody looks. */
	int fd;

	REQUIRE_STREAMS(rig);
	fd = stored_file(1);
	cr_assert_eq(write_to_stream(rig, oring_file_fd(fd), 0), PAGE);
	cr_assert_eq(write_to_stream(rig, oring_file_fd(fd), 1), PAGE);
	close(fd);
}

RING_TEST(prep, write_stream_of_a_drive)
{
	const char *drive = lent("LAB_NVME");
	int fd;

	REQUIRE_STREAMS(rig);
	if (drive == NULL)
		cr_skip_test("LAB_NVME names no drive to write to");
	fd = open(drive, O_RDWR | O_DIRECT | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s: %s", drive, strerror(errno));
	cr_assert_eq(write_to_stream(rig, oring_file_fd(fd), 0), PAGE);
	cr_assert_eq(write_to_stream(rig, oring_file_fd(fd), 1), -EINVAL, "it has none");
	cr_assert_eq(write_to_stream(rig, oring_file_fd(fd), 255), -EINVAL);
	close(fd);
}
