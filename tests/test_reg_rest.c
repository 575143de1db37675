/* SPDX-License-Identifier: MIT */
/* The register calls that most programs never make: each has its effect. */
#include "harness.h"

#include <linux/filter.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
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

static int restrict_task(void)
{
	struct {
		struct oring_task_restriction head;
		struct oring_restriction list[1];
	} task;
	int ret;

	memset(&task, 0, sizeof(task));
	task.head.nr_res = 1;
	task.list[0].opcode = ORING_RESTRICTION_SQE_OP;
	task.list[0].sqe_op = ORING_OP_NOP;
	ret = oring_register_task_restrictions(&task.head);
	return ret < 0 ? ret : fsync_result();
}

Test(reg, restrictions_of_the_task)
{
	int ret = in_child(restrict_task);

	SKIP_UNLESS_KNOWN(ret, "restrictions of tasks");
	cr_assert_eq(ret, -EACCES);
	cr_assert_eq(fsync_result(), -EBADF, "this task is free");
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
