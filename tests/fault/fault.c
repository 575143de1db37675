/* SPDX-License-Identifier: MIT */
/*
 * Drives every scenario through every fault: of the calls that it makes, each fails
 * once with each errno that the kernel documents for it.
 *
 *   fault                   TAP, a line for each scenario
 *   fault --sites           what was driven: a line for each call site, with its errnos
 *   fault SCENARIO          one of them
 */
#define _GNU_SOURCE
#include "fault.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLS_MAX 512
#define SITES_MAX 128
#define OPEN_MAX  64
/* As many as munmap and close have at most. */
#define SECOND_ERRORS 3

/* What the manual pages and the kernel's code have for each call. */
static const struct call_kind {
	long nr;
	const char *name;
	const short *errors; /* ends with 0 */
} kinds[] = {
	{ __NR_io_uring_setup, "setup",
	  (const short[]){ EACCES, EFAULT, EINVAL, EMFILE, ENFILE, ENOMEM, EPERM, ENOSYS,
			   EOPNOTSUPP, 0 } },
	{ __NR_io_uring_enter, "enter",
	  (const short[]){ EAGAIN, EBADF, EBADFD, EBADR, EBUSY, EEXIST, EFAULT, EINVAL, EINTR,
			   ENOMEM, ENXIO, EOPNOTSUPP, EOWNERDEAD, ETIME, 0 } },
	{ __NR_io_uring_register, "register",
	  (const short[]){ EACCES, EAGAIN, EALREADY, EBADF, EBADFD, EBUSY, EEXIST, EFAULT, EINTR,
			   EINVAL, EMFILE, ENOENT, ENOMEM, ENXIO, EOPNOTSUPP, EOVERFLOW, EPERM,
			   ETIME, 0 } },
	{ __NR_mmap, "mmap", (const short[]){ EACCES, EAGAIN, EINVAL, ENFILE, ENOMEM, EPERM, 0 } },
	{ __NR_munmap, "munmap", (const short[]){ EINVAL, ENOMEM, 0 } },
	{ __NR_madvise, "madvise", (const short[]){ EAGAIN, EINVAL, ENOMEM, EPERM, 0 } },
	{ __NR_close, "close", (const short[]){ EBADF, EINTR, EIO, 0 } },
	{ __NR_write, "write", (const short[]){ EAGAIN, EBADF, EINTR, EIO, EPIPE, 0 } },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* A place in the sources that makes a call; which errnos it was driven through, as bits of kinds. */
struct site {
	const char *file;
	int line;
	size_t kind;
	uint32_t driven;
};

static struct {
	struct site sites[SITES_MAX];
	size_t sites_used;
	const char *file; /* of the call that is about to be made */
	int line;

	size_t calls; /* made in this run */
	size_t kind_of[CALLS_MAX];
	size_t fail_at;
	size_t fail_kind; /* a run may take another way: then nothing fails */
	size_t fail_with; /* place among the kind's errors */
	bool failing, failed;
	/* What cleans up after a fault fails too: which error, + 1; and which was made. */
	size_t second;
	short second_error;

	int open[OPEN_MAX];
	size_t open_used;
	struct mapping {
		unsigned char *at;
		size_t bytes;
	} mapped[OPEN_MAX];
	size_t mapped_used;

	const char *scenario;
	unsigned int broken, broken_here;
} fault;

bool (*fault_stand_in)(const struct fault_call *call, long *ret);

void fault_check(bool holds, const char *what, const char *file, int line)
{
	if (holds)
		return;
	fault.broken++;
	if (fault.broken_here++ < 5)
		printf("# %s, call %zu of %s fails with %s: %s:%d: %s\n", fault.scenario,
		       fault.fail_at, fault.failing ? kinds[fault.fail_kind].name : "none",
		       strerrorname_np((int)-fault_error()), file, line, what);
}

long fault_error(void)
{
	return fault.failed ? -kinds[fault.fail_kind].errors[fault.fail_with] : 0;
}

bool fault_made(int ret)
{
	return ret < 0 && (ret == fault_error() || ret == -fault.second_error);
}

bool fault_is_result(int ret)
{
	return ret >= 0 || (ret > -4096 && strerrorname_np(-ret) != NULL);
}

/* ---- the calls ---- */

static size_t kind_of(long nr)
{
	size_t kind;

	for (kind = 0; kind < KINDS; kind++) {
		if (kinds[kind].nr == nr)
			return kind;
	}
	printf("Bail out! system call %ld is not known here\n", nr);
	exit(1);
}

static struct site *site_of(size_t kind)
{
	size_t i;

	for (i = 0; i < fault.sites_used; i++) {
		if (fault.sites[i].line == fault.line &&
		    strcmp(fault.sites[i].file, fault.file) == 0)
			return &fault.sites[i];
	}
	if (i == SITES_MAX) {
		puts("Bail out! too many call sites");
		exit(1);
	}
	fault.sites[i].file = fault.file;
	fault.sites[i].line = fault.line;
	fault.sites[i].kind = kind;
	fault.sites_used++;
	return &fault.sites[i];
}

static void note_open(int fd)
{
	if (fault.open_used < OPEN_MAX)
		fault.open[fault.open_used++] = fd;
}

static void note_closed(int fd)
{
	size_t i;

	for (i = 0; i < fault.open_used; i++) {
		if (fault.open[i] == fd) {
			fault.open[i] = fault.open[--fault.open_used];
			return;
		}
	}
	CHECK(!"a descriptor is closed that was not open");
}

static void note_mapped(void *at, size_t bytes)
{
	if (fault.mapped_used < OPEN_MAX) {
		fault.mapped[fault.mapped_used].at = (unsigned char *)at;
		fault.mapped[fault.mapped_used++].bytes = bytes;
	}
}

static void note_unmapped(void *at, size_t bytes)
{
	size_t i;

	for (i = 0; i < fault.mapped_used; i++) {
		if (fault.mapped[i].at == at && fault.mapped[i].bytes == bytes) {
			fault.mapped[i] = fault.mapped[--fault.mapped_used];
			return;
		}
	}
	CHECK(!"memory is unmapped that was not mapped");
}

/* Keep books of what succeeded. */
static void note(long nr, long a, long b, long ret)
{
	const struct oring_params *params = (const struct oring_params *)b;

	if (nr == __NR_io_uring_setup && ret >= 0 &&
	    !(params->flags & ORING_SETUP_REGISTERED_FD_ONLY))
		note_open((int)ret);
	else if (nr == __NR_mmap && ret > 0)
		note_mapped((void *)ret, (size_t)b);
	else if (nr == __NR_munmap)
		note_unmapped((void *)a, (size_t)b);
	else if (nr == __NR_close)
		note_closed((int)a);
}

void oring_external_site(const char *file, int line)
{
	fault.file = file;
	fault.line = line;
}

/* The first call after a fault that gives something back, if there are such errors. */
static bool fails_too(size_t kind)
{
	if (!fault.failed || fault.second == 0 || fault.second_error != 0 ||
	    (kinds[kind].nr != __NR_munmap && kinds[kind].nr != __NR_close))
		return false;
	if (kinds[kind].nr == __NR_munmap && fault.second == SECOND_ERRORS)
		return false; /* it has fewer */
	site_of(kind)->driven |= 1U << (fault.second - 1);
	fault.second_error = kinds[kind].errors[fault.second - 1];
	return true;
}

long oring_external_call(long nr, long a, long b, long c, long d, long e, long f)
{
	const struct fault_call call = { nr, a, b, c, d, e, f };
	size_t kind = kind_of(nr);
	bool fails = fault.failing && fault.calls == fault.fail_at && kind == fault.fail_kind;
	long ret;

	if (fault.calls < CALLS_MAX)
		fault.kind_of[fault.calls] = kind;
	fault.calls++;
	if (fails) {
		site_of(kind)->driven |= 1U << fault.fail_with;
		fault.failed = true;
		/* Whatever these return, the thing is gone: as the kernel's close. */
		if (nr == __NR_close || nr == __NR_munmap) {
			syscall(nr, a, b);
			note(nr, a, b, 0);
		} else if (nr == __NR_io_uring_register &&
			   (b & ~(long)ORING_REGISTER_USE_REGISTERED_RING) ==
				   ORING_UNREGISTER_RING_FDS) {
			syscall(nr, a, b, c, d);
		}
		return -kinds[kind].errors[fault.fail_with];
	}
	site_of(kind);
	if (fault_stand_in == NULL || !fault_stand_in(&call, &ret)) {
		ret = syscall(nr, a, b, c, d, e, f);
		if (ret == -1)
			ret = -errno;
	}
	note(nr, a, b, ret);
	return fails_too(kind) ? -fault.second_error : ret;
}

/* ---- runs ---- */

static int open_descriptors(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void run_once(const struct scenario *scenario)
{
	int before = open_descriptors();

	fault.calls = 0;
	fault.failed = false;
	fault.second_error = 0;
	fault.open_used = 0;
	fault.mapped_used = 0;
	scenario->run();
	fault_stand_in = NULL;
	CHECK(fault.open_used == 0);
	CHECK(fault.mapped_used == 0);
	CHECK(open_descriptors() == before);
	while (fault.open_used > 0)
		close(fault.open[--fault.open_used]);
	while (fault.mapped_used > 0) {
		fault.mapped_used--;
		munmap(fault.mapped[fault.mapped_used].at, fault.mapped[fault.mapped_used].bytes);
	}
}

/* Every call of a run without faults, with every error of its kind. */
static unsigned int run_all(const struct scenario *scenario)
{
	static size_t kind_of_call[CALLS_MAX];
	unsigned int runs = 1;
	size_t calls, call, error;

	fault.scenario = scenario->name;
	fault.broken_here = 0;
	fault.failing = false;
	run_once(scenario);
	calls = fault.calls < CALLS_MAX ? fault.calls : CALLS_MAX;
	memcpy(kind_of_call, fault.kind_of, sizeof(kind_of_call));
	for (call = 0; call < calls; call++) {
		const short *errors = kinds[kind_of_call[call]].errors;

		fault.failing = true;
		fault.fail_at = call;
		fault.fail_kind = kind_of_call[call];
		for (error = 0; errors[error] != 0; error++, runs++) {
			fault.fail_with = error;
			fault.broken_here = 0;
			run_once(scenario);
		}
		/* Once more, with what follows. */
		fault.fail_with = 0;
		for (fault.second = 1; fault.second <= SECOND_ERRORS; fault.second++, runs++)
			run_once(scenario);
		fault.second = 0;
	}
	fault.failing = false;
	return runs;
}

static void print_sites(void)
{
	size_t i, error;

	for (i = 0; i < fault.sites_used; i++) {
		const struct site *site = &fault.sites[i];
		const struct call_kind *kind = &kinds[site->kind];

		printf("site %s:%d %s", site->file, site->line, kind->name);
		for (error = 0; kind->errors[error] != 0; error++) {
			if (site->driven & 1U << error)
				printf(" %s", strerrorname_np(kind->errors[error]));
			else
				printf(" -%s", strerrorname_np(kind->errors[error]));
		}
		putchar('\n');
	}
}

static int run_tap(bool sites)
{
	const struct scenario *scenario;
	unsigned int number = 0, failed = 0;

	for (scenario = scenarios; scenario->name != NULL; scenario++)
		number++;
	printf("1..%u\n", number);
	for (scenario = scenarios, number = 1; scenario->name != NULL; scenario++, number++) {
		unsigned int before = fault.broken, runs = run_all(scenario);

		failed += fault.broken != before;
		printf("%s %u - %s: %u runs\n", fault.broken != before ? "not ok" : "ok", number,
		       scenario->name, runs);
		fflush(stdout);
	}
	if (sites)
		print_sites();
	return failed != 0;
}

static int run_named(const char *name)
{
	const struct scenario *scenario;

	for (scenario = scenarios; scenario->name != NULL; scenario++) {
		if (strcmp(scenario->name, name) == 0) {
			printf("%u runs\n", run_all(scenario));
			return fault.broken != 0;
		}
	}
	fprintf(stderr, "fault: no scenario %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 1)
		return run_tap(false);
	if (argc == 2 && strcmp(argv[1], "--sites") == 0)
		return run_tap(true);
	if (argc == 2)
		return run_named(argv[1]);
	fputs("usage: fault [--sites | SCENARIO]\n", stderr);
	return 2;
}
