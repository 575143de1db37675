/* SPDX-License-Identifier: MIT */
/* Where policy forbids io_uring: a filter of system calls, limits at the edge. */
#include "harness.h"

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

static int no_memory_map(void)
{
	struct oring ring;
	int before = open_descriptors();

	forbid(__NR_mmap, ENOMEM);
	EXPECT(oring_init(&ring, 4, NULL) == -ENOMEM);
	EXPECT(is_closed(&ring));
	EXPECT(open_descriptors() == before);
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
