/* SPDX-License-Identifier: MIT */
/* Where policy forbids io_uring: a filter of system calls, limits at the edge, the sysctl. */
#include "harness.h"

#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* From now on this process gets @error for system call @nr. */
static void forbid(unsigned int nr, unsigned int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(99);
}

/* In a child, since filters stay: 0 if all is as it should be, else the line that is not. */
static void in_child(int (*act)(void))
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(act());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status), "status %x", (unsigned int)status);
	if (WEXITSTATUS(status) == 99)
		cr_skip_test("filters of system calls: not on this kernel");
	cr_assert_eq(WEXITSTATUS(status), 0, "line %d or %d", WEXITSTATUS(status),
		     256 + WEXITSTATUS(status));
}

#define EXPECT(condition)                      \
	do {                                   \
		if (!(condition))              \
			return __LINE__ % 256; \
	} while (0)

static bool is_closed(struct oring *ring)
{
	return oring_fd(ring) == -1 && oring_sq_reserve(ring) == NULL &&
	       oring_submit(ring) == -EBADF && oring_exit(ring) == 0;
}

static int no_setup(void)
{
	struct oring ring;
	int before = open_descriptors();

	forbid(__NR_io_uring_setup, EPERM);
	EXPECT(oring_init(&ring, 4, NULL) == -EPERM);
	EXPECT(is_closed(&ring));
	EXPECT(oring_init_fast(&ring, 4, NULL, NULL) == -EPERM);
	EXPECT(is_closed(&ring));
	EXPECT(open_descriptors() == before);
	return 0;
}

static int no_such_call(void)
{
	struct oring ring;

	forbid(__NR_io_uring_setup, ENOSYS);
	EXPECT(oring_init(&ring, 4, NULL) == -ENOSYS);
	EXPECT(is_closed(&ring));
	return 0;
}

static int no_enter(void)
{
	struct oring_cqe cqe;
	struct oring ring;

	EXPECT(oring_init(&ring, 4, NULL) == 0);
	oring_prep_nop(oring_sq_reserve(&ring));
	EXPECT(oring_submit_and_wait(&ring, 1) == 1);
	EXPECT(oring_cq_take(&ring, &cqe));
	forbid(__NR_io_uring_enter, EACCES);
	oring_prep_nop(oring_sq_reserve(&ring));
	EXPECT(oring_submit(&ring) == -EACCES);
	EXPECT(oring_submit_and_wait(&ring, 1) == -EACCES);
	EXPECT(oring_sq_pending(&ring) == 1 && oring_cq_ready(&ring) == 0);
	EXPECT(oring_wait(&ring, 1, NULL) == -EACCES);
	EXPECT(oring_get_events(&ring) == -EACCES);
	EXPECT(oring_exit(&ring) == 0);
	return 0;
}

/* The fast shape without registrations: it goes by the descriptor, and waits cost more. */
static int no_register(void)
{
	struct oring_feature_set can;
	struct oring_params params;
	struct oring_cqe cqe;
	struct oring ring;

	memset(&params, 0, sizeof(params));
	forbid(__NR_io_uring_register, EPERM);
	EXPECT(oring_init(&ring, 4, &params) == 0);
	EXPECT(oring_register_files_sparse(&ring, 4) == -EPERM);
	EXPECT(oring_use_registered_fd(&ring) == -EPERM && !oring_has_registered_fd(&ring));
	EXPECT(oring_feature_ask(&ring, &can) <= 0);
	oring_prep_nop(oring_sq_reserve(&ring));
	EXPECT(oring_submit_and_wait(&ring, 1) == 1 && oring_cq_take(&ring, &cqe));
	EXPECT(oring_exit(&ring) == 0);
	/* A ring that starts disabled cannot be started without. */
	EXPECT(oring_init_fast(&ring, 4, NULL, NULL) == 0);
	EXPECT(!oring_has_wait_region(&ring));
	if (oring_setup_flags(&ring) & ORING_SETUP_R_DISABLED)
		EXPECT(oring_start(&ring) == -EPERM);
	EXPECT(oring_exit(&ring) == 0);
	return 0;
}

static int no_descriptor(void)
{
	struct rlimit limit = { 0, 0 };
	struct oring ring;
	int before = open_descriptors();

	limit.rlim_max = limit.rlim_cur = (rlim_t)before + 3;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 99;
	while (dup(0) >= 0)
		;
	EXPECT(errno == EMFILE);
	EXPECT(oring_init(&ring, 4, NULL) == -EMFILE);
	EXPECT(is_closed(&ring));
	close(3);
	EXPECT(oring_init(&ring, 4, NULL) == 0);
	EXPECT(oring_exit(&ring) == 0);
	return 0;
}

/* What is open below it does not change if nothing was left open. Asks for no memory, unlike a list of all. */
static int next_descriptor(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static int no_memory_map(void)
{
	struct oring ring;
	int before = next_descriptor();

	forbid(__NR_mmap, ENOMEM);
	EXPECT(oring_init(&ring, 4, NULL) == -ENOMEM);
	EXPECT(is_closed(&ring));
	EXPECT(next_descriptor() == before);
	return 0;
}

Test(refused, setup_by_a_filter)
{
	in_child(no_setup);
}

Test(refused, as_if_there_were_no_such_call)
{
	in_child(no_such_call);
}

Test(refused, enter_by_a_filter)
{
	in_child(no_enter);
}

Test(refused, registrations_by_a_filter)
{
	in_child(no_register);
}

Test(refused, mapping_by_a_filter)
{
	in_child(no_memory_map);
}

Test(refused, when_descriptors_run_out)
{
	in_child(no_descriptor);
}

#define SYSCTL_DISABLED "/proc/sys/kernel/io_uring_disabled"
#define SYSCTL_GROUP	"/proc/sys/kernel/io_uring_group"
#define SOME_GROUP	4321
#define NOBODY		65534

/* One line of a file; false if it cannot be read. */
static bool read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "r");
	bool done = file != NULL && fgets(line, size, file) != NULL;

	if (file != NULL)
		fclose(file);
	return done;
}

static bool set_sysctl(const char *path, const char *value)
{
	size_t length = strlen(value);
	int fd = open(path, O_WRONLY);
	bool done = fd >= 0 && write(fd, value, length) == (ssize_t)length;

	if (fd >= 0)
		close(fd);
	return done;
}

/*
 * Where the sysctl may be changed: every process of the machine feels it, so only in guests of
 * tools/kernel-lab, whose kernels have a word of their own on the command line.
 */
static void under_sysctl(int (*const acts[])(void), int count)
{
	char disabled[32], group[32], line[4096];
	bool failed = true;
	int i;

	if (access(SYSCTL_DISABLED, F_OK) < 0)
		cr_skip_test("io_uring_disabled: not on this kernel");
	cr_assert(read_line("/proc/cmdline", line, sizeof(line)));
	if (strstr(line, "lab_results=") == NULL || getuid() != 0)
		cr_skip_test("io_uring_disabled: changed in guests of tools/kernel-lab only");
	cr_assert(read_line(SYSCTL_DISABLED, disabled, sizeof(disabled)));
	cr_assert(read_line(SYSCTL_GROUP, group, sizeof(group)));
	for (i = 0; i < count; i++) {
		int status = -1;
		pid_t pid = fork();

		cr_assert_geq(pid, 0);
		if (pid == 0) {
			alarm(10);
			_exit(acts[i]());
		}
		failed = waitpid(pid, &status, 0) != pid || status != 0;
		/* Whatever came of it, what runs next finds it as it was. */
		cr_assert(set_sysctl(SYSCTL_DISABLED, disabled) && set_sysctl(SYSCTL_GROUP, group));
		cr_assert(!failed, "act %d: status %x (its second byte: the line, modulo 256)", i,
			  (unsigned int)status);
	}
}

/* A user of group @group too, without a privilege. */
static bool become_user(gid_t group)
{
	/* Without the last, /proc/self is root's. */
	return setgroups(1, &group) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	       setresuid(NOBODY, NOBODY, NOBODY) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
}

static int is_refused(void)
{
	struct oring ring;
	int before = open_descriptors();

	EXPECT(oring_init(&ring, 4, NULL) == -EPERM);
	EXPECT(is_closed(&ring));
	EXPECT(oring_init_fast(&ring, 4, NULL, NULL) == -EPERM);
	EXPECT(is_closed(&ring));
	EXPECT(open_descriptors() == before);
	return 0;
}

static int works(struct oring *ring)
{
	struct oring_cqe cqe;

	oring_prep_nop(oring_sq_reserve(ring));
	EXPECT(oring_submit_and_wait(ring, 1) == 1);
	EXPECT(oring_cq_take(ring, &cqe) && cqe.res == 0);
	return 0;
}

static int a_new_one_works(void)
{
	struct oring ring;

	EXPECT(oring_init(&ring, 4, NULL) == 0);
	EXPECT(works(&ring) == 0);
	EXPECT(oring_exit(&ring) == 0);
	return 0;
}

/* 2: nobody makes a ring, root neither; a ring that was there loses nothing. */
static int nobody_may(void)
{
	struct oring ring;

	EXPECT(oring_init(&ring, 4, NULL) == 0);
	EXPECT(set_sysctl(SYSCTL_DISABLED, "2"));
	EXPECT(is_refused() == 0);
	EXPECT(works(&ring) == 0);
	EXPECT(oring_register_files_sparse(&ring, 4) == 0);
	EXPECT(become_user(SOME_GROUP));
	EXPECT(is_refused() == 0);
	EXPECT(works(&ring) == 0);
	EXPECT(oring_exit(&ring) == 0);
	return 0;
}

/* 1: those who have CAP_SYS_ADMIN may, others may not. */
static int the_privileged_may(void)
{
	struct oring ring;

	EXPECT(set_sysctl(SYSCTL_DISABLED, "1"));
	EXPECT(a_new_one_works() == 0);
	EXPECT(oring_init(&ring, 4, NULL) == 0);
	EXPECT(become_user(SOME_GROUP));
	EXPECT(is_refused() == 0);
	EXPECT(works(&ring) == 0);
	EXPECT(oring_exit(&ring) == 0);
	return 0;
}

static int the_group_may(void)
{
	EXPECT(set_sysctl(SYSCTL_GROUP, "4321") && set_sysctl(SYSCTL_DISABLED, "1"));
	EXPECT(become_user(SOME_GROUP));
	EXPECT(a_new_one_works() == 0);
	return 0;
}

static int another_group_may_not(void)
{
	EXPECT(set_sysctl(SYSCTL_GROUP, "4321") && set_sysctl(SYSCTL_DISABLED, "1"));
	EXPECT(become_user(SOME_GROUP + 1));
	EXPECT(is_refused() == 0);
	return 0;
}

static int the_group_may_not_either(void)
{
	EXPECT(set_sysctl(SYSCTL_GROUP, "4321") && set_sysctl(SYSCTL_DISABLED, "2"));
	EXPECT(become_user(SOME_GROUP));
	EXPECT(is_refused() == 0);
	return 0;
}

static int all_may(void)
{
	EXPECT(set_sysctl(SYSCTL_DISABLED, "0"));
	EXPECT(become_user(SOME_GROUP));
	EXPECT(a_new_one_works() == 0);
	return 0;
}

Test(refused, by_sysctl_to_all, .timeout = TEST_SECONDS)
{
	under_sysctl((int (*[])(void)){ nobody_may, the_group_may_not_either }, 2);
}

Test(refused, by_sysctl_to_the_unprivileged, .timeout = TEST_SECONDS)
{
	under_sysctl((int (*[])(void)){ the_privileged_may, all_may }, 2);
}

Test(refused, by_sysctl_to_all_but_a_group, .timeout = TEST_SECONDS)
{
	under_sysctl((int (*[])(void)){ the_group_may, another_group_may_not }, 2);
}
