/* SPDX-License-Identifier: MIT */
/*
 * Drives every scenario through every fault: of the calls that it makes, each fails
 * once with each errno that the kernel documents for it, and twice with those that are
 * no verdict; after a fault what cleans up fails too; and what can come to less than was
 * asked for does.
 *
 *   fault                   TAP, a line for each scenario
 *   fault --sites           what was driven: a line for each call site, with its errnos,
 *                           EINTR+EBUSY for one after the other, "short" for less
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
/* As many as munmap and close have at most; and then all that cleans up fails. */
#define SECOND_ERRORS 3
#define SECOND_ALL    4

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

/* One call fails twice, and goes the third time: with errors that ask for that. */
static const short sequences[][2] = {
	{ EAGAIN, EAGAIN }, { EINTR, EINTR }, { EBUSY, EBUSY }, { EINTR, EBUSY }, { EAGAIN, EINTR },
};

#define SEQUENCES (sizeof(sequences) / sizeof(sequences[0]))

/* How much less of what was asked for is done. */
enum less {
	ALL,
	ALL_BUT_ONE,
	ONE
};

/* A place in the sources that makes a call; which errnos it was driven through, as bits of kinds. */
struct site {
	const char *file;
	int line;
	size_t kind;
	uint32_t driven;
	uint32_t twice; /* through which sequences, as bits */
	bool was_short;
};

static struct {
	struct site sites[SITES_MAX];
	size_t sites_used;
	const char *file; /* of the call that is about to be made */
	int line;

	size_t calls; /* made in this run */
	size_t kind_of[CALLS_MAX];
	bool may_be_short[CALLS_MAX];
	size_t fail_at;
	size_t fail_kind; /* a run may take another way: then nothing fails */
	size_t fail_with; /* place among the kind's errors */
	bool failing, failed;
	bool made[256]; /* which errnos were */
	/* What cleans up after a fault fails too: which error, + 1. */
	size_t second;
	bool second_made;
	/* The same place fails again: by which sequence, + 1. */
	size_t sequence;
	const struct site *failed_site;
	bool again_made;
	enum less less; /* instead of an error */
	int came_to;

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
		printf("# %s, call %zu of %s fails with %s (then %zu, %zu; less %d): %s:%d: %s\n",
		       fault.scenario, fault.fail_at,
		       fault.failing || fault.less ? kinds[fault.fail_kind].name : "none",
		       strerrorname_np((int)-fault_error()), fault.second, fault.sequence,
		       (int)fault.less, file, line, what);
}

long fault_error(void)
{
	return fault.failed ? -kinds[fault.fail_kind].errors[fault.fail_with] : 0;
}

bool fault_made(int ret)
{
	return ret < 0 && ret > -256 && fault.made[-ret];
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

static long make_error(size_t kind, size_t which)
{
	short error = kinds[kind].errors[which];

	site_of(kind)->driven |= 1U << which;
	fault.made[error] = true;
	return -error;
}

static bool is_unregister_self(const struct fault_call *call)
{
	return call->nr == __NR_io_uring_register &&
	       (call->b & ~(long)ORING_REGISTER_USE_REGISTERED_RING) == ORING_UNREGISTER_RING_FDS;
}

/* A call after a fault that gives something back: the first, or each. */
static bool fails_too(const struct fault_call *call)
{
	if (!fault.failed || fault.second == 0)
		return false;
	if (fault.second == SECOND_ALL)
		return call->nr == __NR_munmap || call->nr == __NR_close ||
		       is_unregister_self(call);
	if (fault.second_made || (call->nr != __NR_munmap && call->nr != __NR_close) ||
	    (call->nr == __NR_munmap && fault.second == SECOND_ERRORS)) /* it has fewer */
		return false;
	fault.second_made = true;
	return true;
}

static size_t place_of(size_t kind, short error)
{
	size_t i;

	for (i = 0; kinds[kind].errors[i] != error; i++) {
		if (kinds[kind].errors[i] == 0)
			return SIZE_MAX;
	}
	return i;
}

/* The place that failed is tried again, and fails again. */
static bool fails_again(size_t kind)
{
	struct site *site;

	if (!fault.failed || fault.sequence == 0 || fault.again_made)
		return false;
	site = site_of(kind);
	if (site != fault.failed_site)
		return false;
	site->twice |= 1U << (fault.sequence - 1);
	fault.again_made = true;
	return true;
}

/* Whether the kernel may do less of a call than it is asked for. */
static bool may_be_short(const struct fault_call *call)
{
	uint32_t opcode = (uint32_t)call->b & ~ORING_REGISTER_USE_REGISTERED_RING;

	/* With SQPOLL the count is no matter: the thread takes what it finds. */
	if (call->nr == __NR_io_uring_enter)
		return call->b >= 2 && !(call->d & (ORING_ENTER_SQ_WAKEUP | ORING_ENTER_SQ_WAIT));
	return call->nr == __NR_io_uring_register && opcode == ORING_REGISTER_FILES_UPDATE &&
	       call->d >= 2;
}

/* As a kernel that stops before all is done, which then does not wait either. */
static void make_less(struct fault_call *call)
{
	long *count = call->nr == __NR_io_uring_enter ? &call->b : &call->d;

	*count = fault.less == ONE ? 1 : *count - 1;
	if (call->nr == __NR_io_uring_enter) {
		call->c = 0;
		call->d &= (long)ORING_ENTER_REGISTERED_RING;
		call->e = 0;
		call->f = 0;
	}
}

void fault_answered_oddly(void)
{
	site_of(kind_of(__NR_io_uring_setup))->was_short = true;
}

int fault_came_to(void)
{
	return fault.came_to;
}

static long make_call(const struct fault_call *call)
{
	long ret;

	if (fault_stand_in == NULL || !fault_stand_in(call, &ret)) {
		ret = syscall(call->nr, call->a, call->b, call->c, call->d, call->e, call->f);
		if (ret == -1)
			ret = -errno;
	}
	note(call->nr, call->a, call->b, ret);
	return ret;
}

/* It fails. Whatever some calls return, the thing is gone: as with the kernel's close. */
static long fail(const struct fault_call *call, size_t kind, size_t with)
{
	fault.failed = true;
	fault.failed_site = site_of(kind);
	if (call->nr == __NR_close || call->nr == __NR_munmap) {
		syscall(call->nr, call->a, call->b);
		note(call->nr, call->a, call->b, 0);
	} else if (is_unregister_self(call)) {
		syscall(call->nr, call->a, call->b, call->c, call->d);
	}
	return make_error(kind, with);
}

long oring_external_call(long nr, long a, long b, long c, long d, long e, long f)
{
	struct fault_call call = { nr, a, b, c, d, e, f };
	size_t kind = kind_of(nr);
	bool here = fault.calls == fault.fail_at && kind == fault.fail_kind;
	struct site *site = site_of(kind);
	long ret, asked = nr == __NR_io_uring_enter ? b : d;

	if (fault.calls < CALLS_MAX) {
		fault.kind_of[fault.calls] = kind;
		fault.may_be_short[fault.calls] = may_be_short(&call);
	}
	fault.calls++;
	if (fault.failing && here)
		return fail(&call, kind, fault.fail_with);
	if (fails_again(kind))
		return make_error(kind, place_of(kind, sequences[fault.sequence - 1][1]));
	if (fails_too(&call))
		return fail(&call, kind, fault.second == SECOND_ALL ? 0 : fault.second - 1);
	if (fault.less == ALL || !here || !may_be_short(&call))
		return make_call(&call);
	make_less(&call);
	ret = make_call(&call);
	CHECK(ret > 0 && ret < asked);
	fault.came_to = (int)ret;
	site->was_short = true;
	return ret;
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
	fault.second_made = false;
	fault.again_made = false;
	fault.came_to = 0;
	memset(fault.made, 0, sizeof(fault.made));
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

/* The call that is next to fail: once with each error. */
static unsigned int run_errors(const struct scenario *scenario)
{
	unsigned int runs = 0;

	fault.failing = true;
	for (fault.fail_with = 0; kinds[fault.fail_kind].errors[fault.fail_with] != 0;
	     fault.fail_with++, runs++) {
		fault.broken_here = 0;
		run_once(scenario);
	}
	/* Once more, with what follows. */
	fault.fail_with = 0;
	for (fault.second = 1; fault.second <= SECOND_ALL; fault.second++, runs++)
		run_once(scenario);
	fault.second = 0;
	return runs;
}

static unsigned int run_sequences(const struct scenario *scenario)
{
	unsigned int runs = 0;

	for (fault.sequence = 1; fault.sequence <= SEQUENCES; fault.sequence++) {
		const short *errors = sequences[fault.sequence - 1];

		if (place_of(fault.fail_kind, errors[0]) == SIZE_MAX ||
		    place_of(fault.fail_kind, errors[1]) == SIZE_MAX)
			continue;
		fault.fail_with = place_of(fault.fail_kind, errors[0]);
		fault.broken_here = 0;
		run_once(scenario);
		runs++;
	}
	fault.sequence = 0;
	return runs;
}

static unsigned int run_short(const struct scenario *scenario)
{
	unsigned int runs = 0;

	fault.failing = false;
	for (fault.less = ALL_BUT_ONE; fault.less <= ONE; fault.less++, runs++) {
		fault.broken_here = 0;
		run_once(scenario);
	}
	fault.less = ALL;
	return runs;
}

/* Every call of a run without faults, with all that can become of its kind. */
static unsigned int run_all(const struct scenario *scenario)
{
	static size_t kind_of_call[CALLS_MAX];
	static bool short_call[CALLS_MAX];
	unsigned int runs = 1;
	size_t calls;

	fault.scenario = scenario->name;
	fault.broken_here = 0;
	fault.failing = false;
	run_once(scenario);
	calls = fault.calls < CALLS_MAX ? fault.calls : CALLS_MAX;
	memcpy(kind_of_call, fault.kind_of, sizeof(kind_of_call));
	memcpy(short_call, fault.may_be_short, sizeof(short_call));
	for (fault.fail_at = 0; fault.fail_at < calls; fault.fail_at++) {
		long nr;

		fault.fail_kind = kind_of_call[fault.fail_at];
		nr = kinds[fault.fail_kind].nr;
		runs += run_errors(scenario);
		if (nr == __NR_io_uring_enter || nr == __NR_io_uring_register)
			runs += run_sequences(scenario);
		if (short_call[fault.fail_at])
			runs += run_short(scenario);
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
		for (error = 0; error < SEQUENCES; error++)
			printf(" %s%s+%s", site->twice & 1U << error ? "" : "-",
			       strerrorname_np(sequences[error][0]),
			       strerrorname_np(sequences[error][1]));
		puts(site->was_short ? " short" : " -short");
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
