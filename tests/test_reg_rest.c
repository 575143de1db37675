/* SPDX-License-Identifier: MIT */
/* The register calls that most programs never make: each has its effect. */
#include "harness.h"

#include <linux/filter.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

/* What a kernel does not know it answers with -EINVAL, and what this one may not, with others. */
#define SKIP_UNLESS_KNOWN(ret, what) SKIP_IF_REFUSED(ret, what)

static struct oring_sqe *read_into(struct rig *rig, int fd, void *memory, uint16_t index)
{
	struct oring_sqe *sqe = rig_sqe(rig);

	oring_prep_read_fixed(sqe, oring_file_fd(fd), memory, 100, 0, index);
	return sqe;
}

RING_TEST(reg, buffers_in_a_sparse_table)
{
	unsigned char *memory = calloc(2, 4096);
	struct iovec iov[2] = { { memory, 4096 }, { memory + 4096, 4096 } };
	const uint64_t tags[2] = { 0, 77 };
	struct iovec none = { NULL, 0 };
	const uint64_t no_tag = 0;
	struct oring_cqe cqe;
	int fd = pattern_file(100);
	int ret = oring_register_buffers_sparse(&rig->ring, 8);

	SKIP_UNLESS_KNOWN(ret, "sparse buffers");
	cr_assert_eq(ret, 0);
	read_into(rig, fd, memory, 5);
	cr_assert_eq(rig_result(rig), -EFAULT, "empty");
	cr_assert_eq(oring_register_buffers_update(&rig->ring, 7, iov, tags, 2), -EINVAL);
	cr_assert_eq(oring_register_buffers_update(&rig->ring, 5, iov, tags, 2), 2);
	read_into(rig, fd, memory + 4096, 6);
	cr_assert_eq(rig_result(rig), 100);
	cr_assert(is_pattern(memory + 4096, 100, 0));
	/* The tag of the buffer that goes comes back. */
	cr_assert_eq(oring_register_buffers_update(&rig->ring, 6, &none, &no_tag, 1), 1);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, 77);
	cr_assert_eq(oring_unregister_buffers(&rig->ring), 0);
	free(memory);
	close(fd);
}

RING_TEST(reg, buffers_with_tags)
{
	unsigned char *memory = calloc(1, 4096);
	struct iovec iov = { memory, 4096 };
	const uint64_t tag = UINT64_MAX, no_tag = 0;
	struct iovec none = { NULL, 0 };
	struct oring_cqe cqe;
	int ret = oring_register_buffers_tagged(&rig->ring, &iov, &tag, 1);

	SKIP_UNLESS_KNOWN(ret, "tags");
	cr_assert_eq(ret, 0);
	cr_assert_eq(oring_register_buffers_update(&rig->ring, 0, &none, &no_tag, 1), 1);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, UINT64_MAX);
	cr_assert_eq(cqe.res, 0);
	cr_assert_eq(oring_unregister_buffers(&rig->ring), 0);
	free(memory);
}

RING_TEST(reg, buffers_of_another_ring)
{
	/* A50: fixed reads go through the clone, after the other ring is gone too. */
	unsigned char *memory = calloc(2, 4096);
	struct iovec iov[2] = { { memory, 4096 }, { memory + 4096, 4096 } };
	struct oring_clone_buffers clone;
	struct oring other;
	int fd = pattern_file(100);
	int ret;

	require_ring(&other, 4, 0);
	memset(&clone, 0, sizeof(clone));
	clone.src_fd = (uint32_t)oring_fd(&other);
	ret = oring_register_clone_buffers(&rig->ring, &clone);
	if (ret == -EINVAL)
		cr_assert_eq(oring_exit(&other), 0);
	SKIP_UNLESS_KNOWN(ret, "clones of buffers");
	cr_assert_eq(ret, -ENXIO, "there are none");
	cr_assert_eq(oring_register_buffers(&other, iov, 2), 0);
	cr_assert_eq(oring_register_clone_buffers(&rig->ring, &clone), 0);
	cr_assert_eq(oring_register_clone_buffers(&rig->ring, &clone), -EBUSY);
	cr_assert_eq(oring_exit(&other), 0);
	read_into(rig, fd, memory + 4096, 1);
	cr_assert_eq(rig_result(rig), 100);
	cr_assert(is_pattern(memory + 4096, 100, 0));
	cr_assert_eq(oring_unregister_buffers(&rig->ring), 0);
	free(memory);
	close(fd);
}

RING_TEST(reg, files_with_tags)
{
	int fd = pattern_file(100);
	const int32_t fds[2] = { fd, fd };
	const uint64_t tags[2] = { 5, 6 };
	const int32_t empty = -1;
	const uint64_t no_tag = 0;
	struct oring_cqe cqe;
	char byte = 0;
	int ret = oring_register_files_tagged(&rig->ring, fds, tags, 2);

	SKIP_UNLESS_KNOWN(ret, "tags");
	cr_assert_eq(ret, 0);
	oring_prep_read(rig_sqe(rig), oring_file_slot(1), &byte, 1, 50);
	cr_assert_eq(rig_result(rig), 1);
	cr_assert_eq((unsigned char)byte, pattern_at(50));
	cr_assert_eq(oring_register_files_update_tagged(&rig->ring, 1, &empty, &no_tag, 1), 1);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, 6);
	close(fd);
}

RING_TEST(reg, range_of_slots_to_choose_from)
{
	struct oring_sqe *sqe;
	int ret, i;

	REQUIRE_OP(rig, ORING_OP_SOCKET);
	cr_assert_eq(oring_register_files_sparse(&rig->ring, 8), 0);
	ret = oring_register_file_alloc_range(&rig->ring, 5, 2);
	SKIP_UNLESS_KNOWN(ret, "ranges of slots");
	cr_assert_eq(ret, 0);
	cr_assert_lt(oring_register_file_alloc_range(&rig->ring, 7, 5), 0);
	for (i = 0; i < 3; i++) {
		sqe = rig_sqe(rig);
		oring_prep_socket_direct(sqe, AF_UNIX, SOCK_STREAM, 0, ORING_SLOT_ALLOC);
		cr_assert_eq(rig_result(rig), i < 2 ? 5 + i : -ENFILE);
	}
}

RING_TEST(reg, personality)
{
	struct oring_sqe *sqe;
	int id = oring_register_personality(&rig->ring);

	cr_assert_gt(id, 0, "%d", id);
	sqe = rig_sqe(rig);
	oring_prep_openat(sqe, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
	oring_sqe_set_personality(sqe, (uint16_t)id);
	close(rig_result(rig));
	cr_assert_eq(oring_unregister_personality(&rig->ring, (uint16_t)id), 0);
	cr_assert_eq(oring_unregister_personality(&rig->ring, (uint16_t)id), -EINVAL);
	sqe = rig_sqe(rig);
	oring_prep_nop(sqe);
	oring_sqe_set_personality(sqe, (uint16_t)id);
	cr_assert_eq(rig_result(rig), -EINVAL, "it is gone");
}

Test(reg, restrictions)
{
	struct oring_restriction list[2];
	struct oring_params params;
	struct oring_cqe cqe;
	struct oring ring;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_R_DISABLED;
	cr_assert_eq(oring_init(&ring, 4, &params), 0);
	memset(list, 0, sizeof(list));
	list[0].opcode = ORING_RESTRICTION_SQE_OP;
	list[0].sqe_op = ORING_OP_NOP;
	list[1].opcode = ORING_RESTRICTION_REGISTER_OP;
	list[1].sqe_op = ORING_REGISTER_ENABLE_RINGS;
	cr_assert_eq(oring_register_restrictions(&ring, list, 2), 0);
	cr_assert_eq(oring_register_restrictions(&ring, list, 2), -EBUSY);
	cr_assert_eq(oring_enable(&ring), 0);
	oring_prep_nop(oring_sq_reserve(&ring));
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	cr_assert_eq(oring_cq_copy(&ring, &cqe, 1), 1);
	cr_assert_eq(cqe.res, 0);
	oring_prep_fsync(oring_sq_reserve(&ring), oring_file_fd(0), 0);
	cr_assert_eq(oring_submit_and_wait(&ring, 1), 1);
	cr_assert_eq(oring_cq_copy(&ring, &cqe, 1), 1);
	cr_assert_eq(cqe.res, -EACCES);
	cr_assert_eq(oring_register_personality(&ring), -EACCES);
	cr_assert_eq(oring_exit(&ring), 0);
}

/* The result of a fsync of nothing on a new ring of this task; 1 if there is no ring. */
static int fsync_result(void)
{
	struct oring_cqe cqe;
	struct oring ring;

	if (oring_init(&ring, 4, NULL) < 0)
		return 1;
	oring_prep_fsync(oring_sq_reserve(&ring), oring_file_fd(-1), 0);
	oring_submit_and_wait(&ring, 1);
	cqe.res = 1;
	oring_cq_copy(&ring, &cqe, 1);
	oring_exit(&ring);
	return cqe.res;
}

/* In a child, since it holds for good; its answer as an exit status, errors negated. */
static int in_child(int (*act)(void))
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(-act());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status), "status %x", (unsigned int)status);
	return -WEXITSTATUS(status);
}

/* From now on this task may submit NOP, and of register calls make this one; or any, with 0. */
static int allow_nop_and(uint8_t call)
{
	struct {
		struct oring_task_restriction head;
		struct oring_restriction list[2];
	} task;

	memset(&task, 0, sizeof(task));
	task.head.nr_res = call != 0 ? 2 : 1;
	task.list[0].opcode = ORING_RESTRICTION_SQE_OP;
	task.list[0].sqe_op = ORING_OP_NOP;
	task.list[1].opcode = ORING_RESTRICTION_REGISTER_OP;
	task.list[1].sqe_op = call;
	return oring_register_task_restrictions(&task.head);
}

static int allow_nop_only(void)
{
	return allow_nop_and(0);
}

static int restrict_task(void)
{
	int ret;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -ENOTSUP;
	ret = allow_nop_only();
	return ret < 0 ? ret : fsync_result();
}

/* The result of a register call on a new ring of this task. */
static int registered_after(uint8_t call)
{
	struct oring ring;
	int ret;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || allow_nop_and(call) < 0)
		return -ENOTSUP;
	ret = oring_init(&ring, 4, NULL);
	if (ret < 0)
		return ret;
	ret = oring_register_files_sparse(&ring, 4);
	oring_exit(&ring);
	return ret;
}

static int register_after_no_call(void)
{
	return registered_after(0);
}

static int register_after_another_call(void)
{
	return registered_after(ORING_REGISTER_ENABLE_RINGS);
}

/* A task that is nobody. */
static int restrict_without_privileges(void)
{
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return -ENOTSUP;
	return allow_nop_only();
}

Test(reg, restrictions_of_the_task)
{
	int ret = in_child(restrict_task);

	SKIP_UNLESS_KNOWN(ret, "restrictions of tasks");
	cr_assert_eq(ret, -EACCES);
	cr_assert_eq(fsync_result(), -EBADF, "this task is free");
	cr_assert_eq(in_child(register_after_no_call), 0, "no call is named: all are open");
	cr_assert_eq(in_child(register_after_another_call), -EACCES);
	cr_assert_eq(in_child(restrict_without_privileges), -EACCES, "not without no_new_privs");
}

/*
 * Operations and register calls are the two sides of a list of restrictions.
 * Until restrictions of tasks came (7.0) any list held for both: what it did not
 * name was refused. Since then a list with nothing of a side leaves that side
 * as it was. Whether this kernel does so.
 */
static bool keeps_sides_apart(void)
{
	return in_child(allow_nop_only) != -EINVAL;
}

static struct oring_restriction allow(uint16_t what, uint8_t value)
{
	struct oring_restriction entry;

	memset(&entry, 0, sizeof(entry));
	entry.opcode = what;
	entry.sqe_op = value;
	return entry;
}

/* A ring of the same shape with @fd in slot 0, that may do what is in the list. */
static void make_restricted(struct rig *rig, enum shape shape, int fd,
			    const struct oring_restriction *list, uint32_t count)
{
	memset(rig, 0, sizeof(*rig));
	rig->shape = shape;
	require_ring(&rig->ring, RIG_ENTRIES, shapes[shape].flags | ORING_SETUP_R_DISABLED);
	cr_assert_eq(oring_register_files(&rig->ring, &fd, 1), 0);
	cr_assert_eq(oring_register_restrictions(&rig->ring, list, count), 0);
	cr_assert_eq(oring_enable(&rig->ring), 0);
}

static int read_one(struct rig *rig, struct oring_file file, char *byte)
{
	oring_prep_read(rig_sqe(rig), file, byte, 1, 0);
	return rig_result(rig);
}

static int do_nothing(struct rig *rig)
{
	oring_prep_nop(rig_sqe(rig));
	return rig_result(rig);
}

/* All calls get -EACCES, but @of_enable for ENABLE_RINGS; -EINVAL where the kernel's end. */
static void refuses_register_calls(struct rig *rig, int of_enable)
{
	struct oring_query_opcode told;
	uint32_t op, known = ORING_REGISTER_LAST;

	for (op = ORING_REGISTER_LAST; op-- > 0;) {
		int ret = oring_register(&rig->ring, op, NULL, 0);

		if (ret == -EINVAL && known == op + 1)
			known = op;
		else
			cr_assert_eq(ret, op == ORING_REGISTER_ENABLE_RINGS ? of_enable : -EACCES,
				     "call %u: %d", op, ret);
	}
	cr_assert_gt(known, ORING_REGISTER_ENABLE_RINGS);
	if (oring_feature_query(ORING_QUERY_OPCODES, &told, sizeof(told)) == 0)
		cr_assert(known == ORING_REGISTER_LAST || known == told.nr_register_opcodes, "%u",
			  known);
}

RING_TEST(reg, restrictions_without_register_calls)
{
	const struct oring_restriction list[] = {
		allow(ORING_RESTRICTION_SQE_OP, ORING_OP_READ),
		allow(ORING_RESTRICTION_SQE_FLAGS_REQUIRED, ORING_SQE_FIXED_FILE),
	};
	bool apart = keeps_sides_apart();
	int fd = pattern_file(1), other = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	unsigned char memory[64];
	struct iovec iov = { memory, sizeof(memory) };
	struct rig strict;
	char byte = 1;
	int ret;

	make_restricted(&strict, rig->shape, fd, list, 2);
	cr_assert_eq(read_one(&strict, oring_file_slot(0), &byte), 1);
	cr_assert_eq((unsigned char)byte, pattern_at(0));
	cr_assert_eq(read_one(&strict, oring_file_fd(fd), &byte), -EACCES, "a descriptor");
	cr_assert_eq(do_nothing(&strict), -EACCES, "another operation");
	if (!apart) {
		refuses_register_calls(&strict, -EACCES);
	} else {
		/* Any file of the process may take the slot, and all else may be registered. */
		ret = oring_register_files_update(&strict.ring, 0, &other, 1);
		cr_assert_eq(ret, 1, "%d", ret);
		cr_assert_eq(read_one(&strict, oring_file_slot(0), &byte), 1);
		cr_assert_eq(byte, 0, "the other file's");
		cr_assert_eq(oring_register_buffers(&strict.ring, &iov, 1), 0);
		cr_assert_gt(oring_register_personality(&strict.ring), 0);
	}
	cr_assert_eq(oring_exit(&strict.ring), 0);
	close(other);
	close(fd);
}

/* What holds on all kernels: both sides are named. */
RING_TEST(reg, restrictions_with_a_register_call)
{
	const struct oring_restriction list[] = {
		allow(ORING_RESTRICTION_SQE_OP, ORING_OP_READ),
		allow(ORING_RESTRICTION_SQE_FLAGS_REQUIRED, ORING_SQE_FIXED_FILE),
		allow(ORING_RESTRICTION_REGISTER_OP, ORING_REGISTER_ENABLE_RINGS),
	};
	int fd = pattern_file(1), other = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct rig strict;
	char byte = 0;

	make_restricted(&strict, rig->shape, fd, list, 3);
	cr_assert_eq(read_one(&strict, oring_file_fd(fd), &byte), -EACCES, "a descriptor");
	cr_assert_eq(do_nothing(&strict), -EACCES, "another operation");
	cr_assert_eq(oring_register_files_update(&strict.ring, 0, &other, 1), -EACCES);
	refuses_register_calls(&strict, -EBADFD);
	cr_assert_eq(read_one(&strict, oring_file_slot(0), &byte), 1);
	cr_assert_eq((unsigned char)byte, pattern_at(0), "the file is the same");
	cr_assert_eq(oring_exit(&strict.ring), 0);
	close(other);
	close(fd);
}

RING_TEST(reg, restrictions_without_operations)
{
	const struct oring_restriction list[] = {
		allow(ORING_RESTRICTION_REGISTER_OP, ORING_REGISTER_PERSONALITY),
		allow(ORING_RESTRICTION_SQE_FLAGS_ALLOWED, 0),
	};
	bool apart = keeps_sides_apart();
	int fd = pattern_file(1);
	uint32_t count;

	/* An entry on flags is of the side of operations, of which it allows none. */
	for (count = 1; count <= 2; count++) {
		bool open = apart && count == 1;
		struct rig strict;
		char byte;

		make_restricted(&strict, rig->shape, fd, list, count);
		cr_assert_eq(do_nothing(&strict), open ? 0 : -EACCES);
		cr_assert_eq(read_one(&strict, oring_file_fd(fd), &byte), open ? 1 : -EACCES);
		cr_assert_eq(oring_unregister_files(&strict.ring), -EACCES);
		cr_assert_gt(oring_register_personality(&strict.ring), 0);
		cr_assert_eq(oring_exit(&strict.ring), 0);
	}
	close(fd);
}

RING_TEST(reg, restrictions_to_nothing)
{
	const struct oring_restriction list = allow(0, 0);
	int fd = pattern_file(1);
	struct rig strict;

	make_restricted(&strict, rig->shape, fd, &list, 0);
	cr_assert_eq(do_nothing(&strict), -EACCES);
	refuses_register_calls(&strict, -EACCES);
	cr_assert_eq(oring_exit(&strict.ring), 0);
	close(fd);
}

/* A program that refuses everything, for FSYNC. */
static void deny_fsync(struct oring_bpf *filter, struct sock_filter *program)
{
	*program = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	memset(filter, 0, sizeof(*filter));
	filter->cmd_type = ORING_BPF_CMD_FILTER;
	filter->filter.opcode = ORING_OP_FSYNC;
	filter->filter.filter_len = 1;
	filter->filter.filter_ptr = (uint64_t)(uintptr_t)program;
}

RING_TEST(reg, filter)
{
	struct sock_filter program;
	struct oring_bpf filter;
	int ret;

	deny_fsync(&filter, &program);
	ret = oring_register_bpf_filter(&rig->ring, &filter);
	SKIP_UNLESS_KNOWN(ret, "filters");
	cr_assert_eq(ret, 0);
	oring_prep_fsync(rig_sqe(rig), oring_file_fd(0), 0);
	cr_assert_eq(rig_result(rig), -EACCES);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
}

/* Pass entries of @op that have @value in those 32 bits at @offset of what a program sees. */
static int pass_only(struct rig *rig, uint8_t op, size_t size, size_t offset, uint32_t mask,
		     uint32_t value)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct oring_bpf filter;

	memset(&filter, 0, sizeof(filter));
	filter.cmd_type = ORING_BPF_CMD_FILTER;
	filter.filter.opcode = op;
	filter.filter.filter_len = sizeof(program) / sizeof(program[0]);
	filter.filter.filter_ptr = (uint64_t)(uintptr_t)program;
	filter.filter.pdu_size = (uint8_t)size;
	return oring_register_bpf_filter(&rig->ring, &filter);
}

/* The result of an open of /dev/null with @flags; what opens is closed. */
static int open_null(struct rig *rig, int flags)
{
	int ret;

	oring_prep_openat(rig_sqe(rig), AT_FDCWD, "/dev/null", flags, 0);
	ret = rig_result(rig);
	return ret >= 0 ? close(ret) : ret;
}

static int make_socket(struct rig *rig, int family)
{
	int ret;

	oring_prep_socket(rig_sqe(rig), family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ret = rig_result(rig);
	return ret >= 0 ? close(ret) : ret;
}

RING_TEST(reg, filter_by_what_an_entry_asks_for)
{
	/* Machines of either order of bytes: flags of an open are 64 bits, of an entry 8. */
	const size_t low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;
	const uint8_t flags[4] = { 0, ORING_SQE_ASYNC, 0, 0 };
	const size_t seen = offsetof(struct oring_bpf_ctx, pdu);
	struct oring_sqe *sqe;
	uint32_t async;
	int ret;

	ret = pass_only(rig, ORING_OP_SOCKET, sizeof(struct oring_bpf_socket),
			seen + offsetof(struct oring_bpf_socket, family), UINT32_MAX, AF_UNIX);
	SKIP_UNLESS_KNOWN(ret, "filters");
	cr_assert_eq(ret, 0);
	cr_assert_eq(make_socket(rig, AF_UNIX), 0);
	cr_assert_eq(make_socket(rig, AF_INET), -EACCES);
	ret = pass_only(rig, ORING_OP_OPENAT, sizeof(struct oring_bpf_open),
			seen + offsetof(struct oring_bpf_open, flags) + low, O_ACCMODE, O_RDONLY);
	cr_assert_eq(ret, 0);
	cr_assert_eq(open_null(rig, O_RDONLY | O_CLOEXEC), 0);
	cr_assert_eq(open_null(rig, O_WRONLY | O_CLOEXEC), -EACCES);
	memcpy(&async, flags, sizeof(async));
	ret = pass_only(rig, ORING_OP_NOP, 0, offsetof(struct oring_bpf_ctx, opcode), async, 0);
	cr_assert_eq(ret, 0);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	sqe = rig_sqe(rig);
	oring_prep_nop(sqe);
	oring_sqe_async(sqe);
	cr_assert_eq(rig_result(rig), -EACCES);
}

static int filter_task(void)
{
	struct sock_filter program;
	struct oring_bpf filter;
	int ret;

	deny_fsync(&filter, &program);
	ret = oring_register_task_bpf_filter(&filter);
	return ret < 0 ? ret : fsync_result();
}

Test(reg, filter_of_the_task)
{
	int ret = in_child(filter_task);

	SKIP_UNLESS_KNOWN(ret, "filters of tasks");
	cr_assert_eq(ret, -EACCES);
	cr_assert_eq(fsync_result(), -EBADF);
}

RING_TEST(reg, workers)
{
	uint32_t workers[2] = { 3, 4 };
	uint32_t again[2] = { 0, 0 };
	cpu_set_t cpus;
	int ret = oring_register_iowq_max_workers(&rig->ring, workers);

	SKIP_UNLESS_KNOWN(ret, "limits of workers");
	cr_assert_eq(ret, 0);
	cr_assert_eq(oring_register_iowq_max_workers(&rig->ring, again), 0);
	cr_assert(again[0] == 3 && again[1] == 4, "%u, %u", again[0], again[1]);
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	ret = oring_register_iowq_affinity(&rig->ring, &cpus, sizeof(cpus));
	/* With SQPOLL the workers are the thread's, which some kernels do not reach. */
	cr_assert(ret == 0 || (rig->shape == SHAPE_sqpoll && ret == -EINVAL), "%d", ret);
	if (ret == 0)
		cr_assert_eq(oring_unregister_iowq_affinity(&rig->ring), 0);
}

/* Two opens of which the first blocks, in workers: whether the second completes meanwhile. */
static void open_beside_a_blocked_one(struct rig *rig, const char *fifo, bool both)
{
	struct oring_sqe *sqe = rig_sqe(rig);
	struct oring_cqe cqe;
	int i, end, told = 0;

	oring_prep_openat(sqe, AT_FDCWD, fifo, O_RDONLY | O_CLOEXEC, 0);
	oring_sqe_async(sqe);
	cr_assert_eq(oring_submit(&rig->ring), 1);
	sqe = rig_sqe(rig);
	oring_prep_openat(sqe, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
	oring_sqe_async(sqe);
	cr_assert_eq(oring_submit(&rig->ring), 1);
	if (both)
		rig_wait(rig, 1);
	else
		usleep(100 * 1000);
	oring_get_events(&rig->ring);
	cr_assert_eq(oring_cq_ready(&rig->ring), both);
	/* A writer is what the first waits for. */
	end = open(fifo, O_WRONLY | O_CLOEXEC);
	cr_assert_geq(end, 0);
	for (i = 0; i < 2; i++) {
		cqe = rig_reap(rig);
		cr_assert_geq(cqe.res, 0);
		close(cqe.res);
		told += cqe.user_data == rig->next_id - 1 ? 1 : 2;
	}
	cr_assert_eq(told, 3);
	close(end);
}

Test(reg, workers_at_most, .timeout = TEST_SECONDS)
{
	char folder[] = "/tmp/oring-test-XXXXXX", fifo[64];
	uint32_t most;
	struct rig rig;
	int ret;

	memset(&rig, 0, sizeof(rig));
	require_ring(&rig.ring, RIG_ENTRIES, 0);
	cr_assert_not_null(mkdtemp(folder));
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	for (most = 1; most <= 2; most++) {
		uint32_t workers[2] = { most, 0 };

		ret = oring_register_iowq_max_workers(&rig.ring, workers);
		if (ret == -EINVAL)
			break;
		cr_assert_eq(ret, 0);
		open_beside_a_blocked_one(&rig, fifo, most == 2);
	}
	cr_assert_eq(unlink(fifo), 0);
	cr_assert_eq(rmdir(folder), 0);
	cr_assert_eq(oring_exit(&rig.ring), 0);
	SKIP_UNLESS_KNOWN(ret, "limits of workers");
}

/* The limit of unbounded workers of a task that may have 37 processes. */
static int workers_of_37_processes(void)
{
	struct rlimit limit = { 37, 37 };
	uint32_t workers[2] = { 0, 0 };
	struct oring ring;
	int ret;

	if (setrlimit(RLIMIT_NPROC, &limit) < 0)
		return -EIO;
	ret = oring_init(&ring, 4, NULL);
	if (ret == 0)
		ret = oring_register_iowq_max_workers(&ring, workers);
	return ret < 0 ? ret : -(int)workers[1];
}

Test(reg, workers_of_the_limit_of_processes)
{
	int ret = in_child(workers_of_37_processes);

	SKIP_UNLESS_KNOWN(ret, "limits of workers");
	cr_assert_eq(ret, -37, "%d", ret);
}

RING_TEST(reg, descriptors_of_rings)
{
	struct oring_rsrc_update update = { ORING_FILE_INDEX_ALLOC, 0,
					    (uint64_t)oring_fd(&rig->ring) };
	int ret = oring_register_ring_fds(&rig->ring, &update, 1);

	SKIP_UNLESS_KNOWN(ret, "registered descriptors of rings");
	cr_assert_eq(ret, 1);
	cr_assert_lt(update.offset, 16);
	cr_assert_eq(
		oring_sys_enter((int)update.offset, 0, 0, ORING_ENTER_REGISTERED_RING, NULL, 0), 0);
	cr_assert_eq(oring_unregister_ring_fds(&rig->ring, &update, 1), -EINVAL);
	update.data = 0;
	cr_assert_eq(oring_unregister_ring_fds(&rig->ring, &update, 1), 1);
	cr_assert_lt(
		oring_sys_enter((int)update.offset, 0, 0, ORING_ENTER_REGISTERED_RING, NULL, 0), 0);
}

RING_TEST(reg, synchronous_cancel)
{
	/* A45: what it cancels has completed when the ring is entered. */
	struct oring_sync_cancel_reg cancel;
	struct oring_cqe cqe;
	int ends[2];
	char byte;
	int ret;

	memset(&cancel, 0, sizeof(cancel));
	cancel.fd = -1;
	cancel.timeout.tv_sec = -1;
	cancel.timeout.tv_nsec = -1;
	cancel.addr = rig->next_id;
	ret = oring_register_sync_cancel(&rig->ring, &cancel);
	SKIP_UNLESS_KNOWN(ret, "synchronous cancel");
	cr_assert_eq(ret, -ENOENT);
	cr_assert_eq(pipe(ends), 0);
	oring_prep_read(rig_sqe(rig), oring_file_fd(ends[0]), &byte, 1, 0);
	cr_assert_geq(oring_submit(&rig->ring), 0);
	for (ret = 0; ret < 1000 && oring_sq_pending(&rig->ring) > 0; ret++)
		usleep(1000);
	cr_assert_eq(oring_register_sync_cancel(&rig->ring, &cancel), 0);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.res, -ECANCELED);
	close(ends[0]);
	close(ends[1]);
}

RING_TEST(reg, busy_polling)
{
	/* A49 */
	struct oring_napi napi, old;
	int ret;

	memset(&napi, 0, sizeof(napi));
	napi.busy_poll_to = 50;
	ret = oring_register_napi(&rig->ring, &napi);
	SKIP_UNLESS_KNOWN(ret, "busy polling of devices");
	cr_assert_eq(ret, 0);
	memset(&old, 0, sizeof(old));
	cr_assert_eq(oring_unregister_napi(&rig->ring, &old), 0);
	cr_assert_eq(old.busy_poll_to, 50);
}

RING_TEST(reg, clock)
{
	int ret = oring_register_clock(&rig->ring, CLOCK_BOOTTIME);

	SKIP_UNLESS_KNOWN(ret, "clocks of waits");
	cr_assert_eq(ret, 0);
	cr_assert_eq(oring_register_clock(&rig->ring, CLOCK_MONOTONIC), 0);
	cr_assert_eq(oring_register_clock(&rig->ring, CLOCK_REALTIME), -EINVAL);
}

RING_TEST(reg, message_without_a_ring)
{
	/* A46 */
	struct oring_cqe cqe;
	struct oring_sqe sqe;
	int ret;

	oring_sqe_clear(&sqe);
	oring_prep_msg_ring(&sqe, oring_file_fd(oring_fd(&rig->ring)), oring_context_from_bits(123),
			    -7, 0);
	ret = oring_send_message(&sqe);
	SKIP_UNLESS_KNOWN(ret, "messages without a ring");
	cr_assert_eq(ret, 0);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, 123);
	cr_assert_eq(cqe.res, -7);
}

RING_TEST(reg, status_of_provided_buffers)
{
	struct oring_buf *bufs =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct oring_buf_reg reg;
	uint16_t head = 99;
	int ret;

	cr_assert_neq(bufs, MAP_FAILED);
	memset(&reg, 0, sizeof(reg));
	reg.ring_addr = (uint64_t)(uintptr_t)bufs;
	reg.ring_entries = 4;
	reg.bgid = 3;
	ret = oring_register_pbuf_ring(&rig->ring, &reg);
	SKIP_UNLESS_KNOWN(ret, "rings of provided buffers");
	cr_assert_eq(ret, 0);
	ret = oring_register_pbuf_status(&rig->ring, 3, &head);
	SKIP_UNLESS_KNOWN(ret, "the status of provided buffers");
	cr_assert_eq(ret, 0);
	cr_assert_eq(head, 0);
	cr_assert_eq(oring_register_pbuf_status(&rig->ring, 4, &head), -ENOENT);
	cr_assert_eq(oring_unregister_pbuf_ring(&rig->ring, 3), 0);
	munmap(bufs, 4096);
}

RING_TEST(reg, region)
{
	struct oring_region_desc desc;
	struct oring_mem_region_reg reg;
	void *memory;
	int ret;

	memset(&desc, 0, sizeof(desc));
	memset(&reg, 0, sizeof(reg));
	desc.size = 4096;
	reg.region_uptr = (uint64_t)(uintptr_t)&desc;
	ret = oring_register_region(&rig->ring, &reg);
	SKIP_UNLESS_KNOWN(ret, "regions of memory");
	cr_assert_eq(ret, 0);
	cr_assert_eq(oring_sys_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
				    oring_fd(&rig->ring), desc.mmap_offset, &memory),
		     0);
	memset(memory, 1, 4096);
	cr_assert_eq(oring_sys_munmap(memory, 4096), 0);
	cr_assert_eq(oring_register_region(&rig->ring, &reg), -EBUSY);
}

RING_TEST(reg, questions_in_a_chain)
{
	struct oring_query_opcode answer;
	struct oring_query_hdr query[2];
	int ret;

	memset(query, 0, sizeof(query));
	memset(&answer, 0, sizeof(answer));
	query[0].next_entry = (uint64_t)(uintptr_t)&query[1];
	query[0].query_op = 1000000;
	query[1].query_data = (uint64_t)(uintptr_t)&answer;
	query[1].size = sizeof(answer);
	ret = oring_register_query(&rig->ring, query);
	SKIP_UNLESS_KNOWN(ret, "queries");
	cr_assert_eq(ret, 0);
	cr_assert_eq(query[0].result, -EOPNOTSUPP);
	cr_assert_eq(query[1].result, 0);
	cr_assert_geq(answer.nr_request_opcodes, 63);
}

/* Every register operation with nonsense: an error, and the ring still works. */
RING_TEST(reg, nonsense)
{
	static const uint32_t counts[] = { 0, 1, 7, UINT32_MAX };
	uint32_t op, i;

	for (op = 0; op < ORING_REGISTER_LAST + 5U; op++) {
		if (op == ORING_REGISTER_PERSONALITY || op == ORING_REGISTER_ENABLE_RINGS ||
		    op == ORING_UNREGISTER_IOWQ_AFF || op == ORING_REGISTER_QUERY ||
		    op == ORING_UNREGISTER_NAPI)
			continue; /* nothing is the right argument */
		for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			int ret = oring_register(&rig->ring, op, (void *)8, counts[i]);

			cr_assert_lt(ret, 0, "operation %u with %u", op, counts[i]);
		}
	}
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
}
