/* SPDX-License-Identifier: MIT */
/*
 * After init nothing is mapped: a filter refuses it, and everything goes on as before. That nothing
 * is allocated either, check_library.py shows: the layer refers to no allocator.
 */
#include "fiber_test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ROUNDS 200

/* From here on this thread gets no memory from the kernel. */
static int refuse_mappings(void)
{
	const uint32_t no_memory = SECCOMP_RET_ERRNO | ENOMEM;
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_brk, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, no_memory),
	};
	const struct sock_fprog program = { sizeof(rules) / sizeof(rules[0]), rules };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* What goes wrong is counted: a failed assert would ask for memory. */
static int wrong;
static struct fiber_channel channel;
static int items[4];

#define SHOULD(condition) (wrong += !(condition))

static intptr_t echo(void *fd)
{
	oring_file sock = oring_file_fd(*(int *)fd);
	char text[64];
	int n;

	while ((n = fiber_recv(sock, text, sizeof(text), 0, 5000 * MS)) > 0)
		SHOULD(fiber_send_all(sock, text, (size_t)n, FIBER_FOREVER) == n);
	SHOULD(n == 0);
	return 0;
}

static intptr_t ask(void *fd)
{
	oring_file sock = oring_file_fd(*(int *)fd);
	char text[64];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		SHOULD(fiber_send(sock, "sixteen letters.", 16, 0, FIBER_FOREVER) == 16);
		SHOULD(fiber_recv(sock, text, 16, MSG_WAITALL, 5000 * MS) == 16);
		SHOULD(memcmp(text, "sixteen letters.", 16) == 0);
	}
	return fiber_close(sock);
}

static intptr_t produce(void *argument)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		SHOULD(fiber_channel_send(&channel, &i, FIBER_FOREVER) == 0);
	fiber_channel_close(&channel);
	return (intptr_t)argument;
}

static intptr_t consume(void *argument)
{
	int item, next = 0;

	while (fiber_channel_recv(&channel, &item, FIBER_FOREVER) == 0)
		SHOULD(item == next++);
	SHOULD(next == ROUNDS);
	return (intptr_t)argument;
}

static intptr_t end_with(void *value)
{
	return (intptr_t)value;
}

static intptr_t work(void *ends)
{
	struct fiber_semaphore semaphore;
	fiber_handle fiber;
	intptr_t value;
	int i;

	fiber_semaphore_init(&semaphore, 0);
	for (i = 0; i < ROUNDS; i++) {
		SHOULD(fiber_spawn(end_with, (void *)(intptr_t)i, &fiber) == 0);
		SHOULD(fiber_await(fiber, &value) == 0 && value == i);
		SHOULD(fiber_semaphore_wait(&semaphore, 1000) == -ETIME);
		SHOULD(fiber_sleep(1000) == 0);
	}
	SHOULD(fiber_spawn(echo, (int *)ends + 1, NULL) == 0);
	SHOULD(fiber_spawn(ask, ends, NULL) == 0);
	fiber_channel_init(&channel, items, sizeof(items[0]), 4);
	SHOULD(fiber_spawn(consume, NULL, NULL) == 0);
	SHOULD(fiber_spawn(produce, NULL, NULL) == 0);
	return 0;
}

/* In a process of its own, since a filter stays. Returns what went wrong; -1: no filters here. */
static int run_without_mappings(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 || fiber_init(NULL) < 0)
		return 100;
	if (refuse_mappings() < 0)
		return -1;
	SHOULD(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	SHOULD(fiber_spawn(work, ends, NULL) == 0);
	SHOULD(fiber_run() == 0);
	SHOULD(fiber_exit() == 0);
	return wrong < 100 ? wrong : 99;
}

Test(fiber_memory, after_init_nothing_is_mapped, .timeout = TEST_SECONDS)
{
	int status;
	pid_t child;

	if (UNDER_ASAN)
		cr_skip_test("AddressSanitizer maps memory by itself");
	begin_fibers(NULL);
	end_fibers();
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0)
		_exit(run_without_mappings());
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "status %x", status);
	if (WEXITSTATUS(status) == 255)
		cr_skip_test("no seccomp filters here");
	cr_assert_eq(WEXITSTATUS(status), 0, "%d things", WEXITSTATUS(status));
}
