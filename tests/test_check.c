/* SPDX-License-Identifier: MIT */
/*
 * The library built with -Dchecks=true: an entry that points into freed memory
 * is reported when it is submitted, for every address of every prep function,
 * and one that is not as its prep function made it traps.
 *
 * The ring is disabled, so that the kernel runs nothing of what is submitted.
 * Each try is a child process; what the sanitizer says comes by a pipe.
 */
#include "harness.h"
#include "rows.h"

#include <signal.h>
#include <sys/uio.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#define NEEDS_ASAN
/* A hundred reports need no names of functions; without them leaks of Criterion's cannot be told. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "symbolize=0:detect_leaks=0";
}
#else
#define NEEDS_ASAN cr_skip_test("built without AddressSanitizer")
#endif

/* Pointers among the arguments are NUMBER, NUMBER + STEP, ... */
#define NUMBER 0x1234560000
#define STEP   4096
#define MANY   8 /* more arguments than any function has */

/* All that a good address points to: zeroes, which are no strings, vectors or names. */
static char good[1 << 16];

/* 128 bytes, so that rows of both sizes fit. */
union entry {
	struct oring_sqe sqe;
	struct oring_sqe128 large;
};

static struct oring_sqe prepared(const struct row *row)
{
	struct row_args args;
	union entry entry;

	memset(&args, 0, sizeof(args));
	memset(&entry, 0, sizeof(entry));
	args.file = oring_file_fd(1);
	args.other = oring_file_fd(1);
	args.slot = oring_slot_at(1);
	cr_assert_eq(oring_fixed_buf_of((void *)(uintptr_t)NUMBER, 16, 1, &args.buf), 0);
	args.len = 4;
	args.number = NUMBER;
	row->fill(&entry.sqe, &args);
	/* Lengths that are no size_t come from NUMBER. */
	if (entry.sqe.file_index != ORING_FILE_INDEX_ALLOC && entry.sqe.file_index > 16)
		entry.sqe.file_index = 16;
	if (entry.sqe.len > 16)
		entry.sqe.len = 4;
	if (row->op == ORING_OP_BIND || row->op == ORING_OP_CONNECT)
		entry.sqe.off = 16;
	entry.sqe.op_flags &= ~(uint32_t)O_CLOEXEC;
	if (row->op == ORING_OP_SOCKET)
		entry.sqe.off &= ~(uint64_t)O_CLOEXEC;
	return entry.sqe;
}

/* Identities are 64 bits like addresses, and made of the same number. */
static bool is_identity(const struct oring_sqe *sqe, int which)
{
	switch (sqe->opcode) {
	case ORING_OP_POLL_REMOVE:
		return true;
	case ORING_OP_TIMEOUT_REMOVE:
	case ORING_OP_ASYNC_CANCEL:
		return which == 0;
	case ORING_OP_MSG_RING:
		return which == 1;
	}
	return false;
}

static uint64_t *address_of(struct oring_sqe *sqe, int which)
{
	uint64_t *place = which == 0 ? &sqe->addr : which == 1 ? &sqe->off : &sqe->addr3;
	uint64_t distance = *place - NUMBER;

	if (is_identity(sqe, which) || distance % STEP != 0 || distance > STEP * MANY)
		return NULL;
	return place;
}

/* All addresses good, but @bad, the which-th. */
static struct oring_sqe with_address(const struct oring_sqe *from, int which, const void *bad)
{
	struct oring_sqe sqe = *from;
	int i;

	for (i = 0; i < 3; i++) {
		struct oring_sqe ask = *from;
		uint64_t *place = i == 0 ? &sqe.addr : i == 1 ? &sqe.off : &sqe.addr3;

		if (address_of(&ask, i) != NULL)
			*place = (uint64_t)(uintptr_t)(i == which ? bad : (const void *)good);
	}
	return sqe;
}

static void *freed(void)
{
	void *volatile memory = calloc(1, 256);

	free(memory);
	return memory;
}

/* Submit a copy on a disabled ring, in this process. */
static int submit(const struct oring_sqe *sqe)
{
	struct oring_params params;
	struct oring ring;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_R_DISABLED;
	if (oring_init(&ring, 4, &params) < 0)
		return 1;
	if (oring_sq_push(&ring, sqe) == NULL)
		return 2;
	ret = oring_submit(&ring);
	return ret == -EBADFD ? 0 : 3;
}

/* What a child that does this says on stderr; its status as of waitpid(). */
static int in_child(int (*act)(const struct oring_sqe *sqe), const struct oring_sqe *sqe,
		    char *said, size_t size)
{
	char rest[512];
	ssize_t got;
	size_t len = 0;
	int ends[2];
	int status;
	pid_t pid;

	cr_assert_eq(pipe(ends), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		signal(SIGILL, SIG_DFL);
		leave(act(sqe));
	}
	close(ends[1]);
	while (len < size - 1 && (got = read(ends[0], said + len, size - 1 - len)) > 0)
		len += (size_t)got;
	said[len] = '\0';
	/* What does not fit is read too, or the child dies of SIGPIPE while it says it. */
	while (read(ends[0], rest, sizeof(rest)) > 0)
		;
	close(ends[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static int try(const struct oring_sqe *sqe, char *said, size_t size)
{
	return in_child(submit, sqe, said, size);
}

static void reported(const struct row *row, const struct oring_sqe *sqe, const char *what)
{
	char said[4096];
	int status = try(sqe, said, sizeof(said));

	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0, "%s, %s: status %x", row->name,
		  what, (unsigned int)status);
	cr_assert_not_null(strstr(said, "heap-use-after-free"), "%s, %s: %s", row->name, what,
			   said);
}

static void unreported(const struct row *row, const struct oring_sqe *sqe)
{
	char said[4096];
	int status = try(sqe, said, sizeof(said));

	cr_assert_eq(status, 0, "%s: status %x, %s", row->name, (unsigned int)status, said);
}

/* What the kernel never follows: MADVISE is about addresses, not about what is there. */
static bool is_followed(const struct row *row)
{
	return strcmp(row->name, "madvise") != 0;
}

Test(check, freed_memory_is_reported, .timeout = 300)
{
	int addresses = 0;
	size_t i;
	int which;

	NEEDS_ASAN;
	for (i = 0; i < ROW_COUNT; i++) {
		struct oring_sqe sqe = prepared(&rows[i]);
		struct oring_sqe tried;

		if (rows[i].needs_group)
			oring_sqe_buffer_select(&sqe, 1);
		for (which = 0; which < 3 && is_followed(&rows[i]); which++) {
			if (address_of(&sqe, which) == NULL)
				continue;
			addresses++;
			tried = with_address(&sqe, which, freed());
			reported(&rows[i], &tried, "freed");
		}
		tried = with_address(&sqe, -1, NULL);
		unreported(&rows[i], &tried);
	}
	cr_assert_gt(addresses, 60);
}

static const struct row *row_of(const char *name)
{
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	cr_assert_fail("no row %s", name);
	return NULL;
}

Test(check, what_vectors_point_to_is_looked_at)
{
	static const char *const names[] = { "readv", "writev", "sendv", "sendv_zc" };
	struct iovec iov[2] = { { good, 16 }, { good, 16 } };
	size_t i;

	NEEDS_ASAN;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct oring_sqe sqe = prepared(row_of(names[i]));

		sqe.addr = (uint64_t)(uintptr_t)iov;
		sqe.len = 2;
		iov[1].iov_base = good;
		unreported(row_of(names[i]), &sqe);
		iov[1].iov_base = freed();
		reported(row_of(names[i]), &sqe, "the second piece");
	}
}

Test(check, what_messages_point_to_is_looked_at)
{
	static const char *const names[] = { "sendmsg", "recvmsg", "sendmsg_zc" };
	struct iovec iov = { good, 16 };
	size_t i;

	NEEDS_ASAN;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct oring_sqe sqe = prepared(row_of(names[i]));
		struct msghdr message;

		memset(&message, 0, sizeof(message));
		message.msg_iov = &iov;
		message.msg_iovlen = 1;
		sqe.addr = (uint64_t)(uintptr_t)&message;
		unreported(row_of(names[i]), &sqe);
		message.msg_name = freed();
		message.msg_namelen = 16;
		reported(row_of(names[i]), &sqe, "the name");
		message.msg_name = NULL;
		message.msg_control = freed();
		message.msg_controllen = 16;
		reported(row_of(names[i]), &sqe, "the control data");
		message.msg_control = NULL;
		iov.iov_base = freed();
		reported(row_of(names[i]), &sqe, "the data");
		iov.iov_base = good;
	}
}

/* The last byte counts as the first: a buffer that ends too early. */
Test(check, all_of_a_buffer_is_looked_at)
{
	char *memory = malloc(100);
	struct oring_sqe sqe;
	char said[4096];

	NEEDS_ASAN;
	oring_sqe_clear(&sqe);
	oring_prep_read(&sqe, oring_file_fd(0), memory, 100, 0);
	cr_assert_eq(try(&sqe, said, sizeof(said)), 0, "%s", said);
	oring_prep_read(&sqe, oring_file_fd(0), memory, 101, 0);
	cr_assert_neq(try(&sqe, said, sizeof(said)), 0);
	cr_assert_not_null(strstr(said, "heap-buffer-overflow"), "%s", said);
	free(memory);
}

Test(check, an_immediate_time_is_no_address)
{
	struct oring_sqe sqe;
	char said[4096];

	oring_sqe_clear(&sqe);
	oring_prep_timeout_immediate(&sqe, (uint64_t)(uintptr_t)freed(), 0, 0);
	cr_assert_eq(try(&sqe, said, sizeof(said)), 0, "%s", said);
}

Test(check, an_entry_that_was_spoilt_traps)
{
	struct oring_sqe sqe;
	char said[4096];
	int status;

	oring_sqe_clear(&sqe);
	oring_prep_fsync(&sqe, oring_file_fd(0), 0);
	cr_assert_eq(try(&sqe, said, sizeof(said)), 0, "%s", said);
	sqe.addr = 1;
	status = try(&sqe, said, sizeof(said));
	cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) != 0, "status %x: %s",
		  (unsigned int)status, said);
}

Test(check, a_refused_entry_goes_to_the_kernel)
{
	struct oring_sqe sqe;
	char said[4096];

	oring_sqe_clear(&sqe);
	oring_prep_read(&sqe, oring_file_fd(0), NULL, (size_t)UINT32_MAX + 1, 0);
	cr_assert_eq(sqe.opcode, ORING_OP_REFUSED);
	cr_assert_eq(try(&sqe, said, sizeof(said)), 0, "%s", said);
}

/* Memory that was good when its entry was committed, and freed before it was submitted. */
static int free_in_between(const struct oring_sqe *none)
{
	struct oring_params params;
	struct oring ring;
	char *volatile memory = malloc(64);

	(void)none;
	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_R_DISABLED;
	if (oring_init(&ring, 4, &params) < 0)
		return 0;
	oring_prep_write(oring_sq_reserve(&ring), oring_file_fd(0), memory, 64, 0);
	oring_sq_commit(&ring);
	free(memory);
	oring_enter(&ring, 1, 0, 0, NULL, 0);
	return 0;
}

Test(check, what_waits_in_the_queue_is_looked_at_again)
{
	char said[4096];

	NEEDS_ASAN;
	cr_assert_neq(in_child(free_in_between, NULL, said, sizeof(said)), 0);
	cr_assert_not_null(strstr(said, "heap-use-after-free"), "%s", said);
}
