/* SPDX-License-Identifier: MIT */
/* Trials of register operations, with a ring and without. */
#define _GNU_SOURCE
#include "trials.h"

#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Of the one trial that this process makes; its end releases them. */
static struct oring ring;
static char memory[4096];
static const struct iovec iov = { memory, sizeof(memory) };

static int after(int first, int (*then)(struct oring *ring))
{
	return first < 0 ? first : then(&ring);
}

/* ---- buffers and files ---- */

static int some_fd(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

static int files(uint32_t opcode)
{
	int32_t fd = some_fd();
	int ret;

	if (fd < 0)
		return trial_not_tried("a descriptor is needed", -errno);
	if (opcode == ORING_REGISTER_FILES2)
		return oring_register_files_tagged(&ring, &fd, NULL, 1);
	ret = oring_register_files(&ring, &fd, 1);
	if (ret < 0 || opcode == ORING_REGISTER_FILES)
		return ret;
	if (opcode == ORING_UNREGISTER_FILES)
		return oring_unregister_files(&ring);
	return opcode == ORING_REGISTER_FILES_UPDATE
		       ? oring_register_files_update(&ring, 0, &fd, 1)
		       : oring_register_files_update_tagged(&ring, 0, &fd, NULL, 1);
}

static int buffers(uint32_t opcode)
{
	int ret;

	if (opcode == ORING_REGISTER_BUFFERS2)
		return oring_register_buffers_tagged(&ring, &iov, NULL, 1);
	ret = oring_register_buffers(&ring, &iov, 1);
	if (ret < 0 || opcode == ORING_REGISTER_BUFFERS)
		return ret;
	return opcode == ORING_UNREGISTER_BUFFERS
		       ? oring_unregister_buffers(&ring)
		       : oring_register_buffers_update(&ring, 0, &iov, NULL, 1);
}

static int clone_from(uint32_t opcode)
{
	struct oring_clone_buffers from;
	struct oring other;
	int ret = trial_ring(&other, 0);

	(void)opcode;
	if (ret == 0)
		ret = oring_register_buffers(&other, &iov, 1);
	if (ret < 0)
		return ret;
	memset(&from, 0, sizeof(from));
	from.src_fd = (uint32_t)oring_fd(&other);
	return oring_register_clone_buffers(&ring, &from);
}

static int range(uint32_t opcode)
{
	int ret = oring_register_files_sparse(&ring, 4);

	(void)opcode;
	return ret < 0 ? ret : oring_register_file_alloc_range(&ring, 1, 2);
}

static int provided(uint32_t opcode)
{
	struct oring_buf_reg reg;
	uint16_t head;
	int ret;

	memset(&reg, 0, sizeof(reg));
	reg.ring_addr = (uint64_t)(uintptr_t)trial_pages((size_t)sysconf(_SC_PAGESIZE));
	reg.ring_entries = 4;
	ret = oring_register_pbuf_ring(&ring, &reg);
	if (ret < 0 || opcode == ORING_REGISTER_PBUF_RING)
		return ret;
	return opcode == ORING_UNREGISTER_PBUF_RING ? oring_unregister_pbuf_ring(&ring, 0)
						    : oring_register_pbuf_status(&ring, 0, &head);
}

/* ---- the ring and its task ---- */

static int event(uint32_t opcode)
{
	int fd = some_fd();
	int ret;

	if (fd < 0)
		return trial_not_tried("an eventfd is needed", -errno);
	if (opcode == ORING_REGISTER_EVENTFD_ASYNC)
		return oring_register_eventfd_async(&ring, fd);
	ret = oring_register_eventfd(&ring, fd);
	return opcode == ORING_REGISTER_EVENTFD ? ret : after(ret, oring_unregister_eventfd);
}

static int probe(uint32_t opcode)
{
	struct {
		struct oring_probe head;
		struct oring_probe_op ops[ORING_OP_LAST];
	} answer;

	(void)opcode;
	memset(&answer, 0, sizeof(answer));
	return oring_register_probe(&ring, &answer.head, ORING_OP_LAST);
}

static int query(uint32_t opcode)
{
	struct oring_query_opcode answer;
	struct oring_query_hdr question;
	int ret;

	(void)opcode;
	memset(&question, 0, sizeof(question));
	question.query_op = ORING_QUERY_OPCODES;
	question.query_data = (uint64_t)(uintptr_t)&answer;
	question.size = sizeof(answer);
	ret = oring_register_query(&ring, &question);
	return ret < 0 ? ret : question.result;
}

static int personality(uint32_t opcode)
{
	int ret = oring_register_personality(&ring);

	if (ret < 0 || opcode == ORING_REGISTER_PERSONALITY)
		return ret;
	return oring_unregister_personality(&ring, (uint16_t)ret);
}

static const struct oring_restriction only_nops = {
	ORING_RESTRICTION_SQE_OP, ORING_OP_NOP, 0, { 0 }
};

static int workers(uint32_t opcode)
{
	uint32_t most[2] = { 1, 1 };
	cpu_set_t cpus;
	int ret;

	if (opcode == ORING_REGISTER_IOWQ_MAX_WORKERS)
		return oring_register_iowq_max_workers(&ring, most);
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return trial_not_tried("the CPUs are not known", -errno);
	ret = oring_register_iowq_affinity(&ring, &cpus, sizeof(cpus));
	return opcode == ORING_REGISTER_IOWQ_AFF ? ret : after(ret, oring_unregister_iowq_affinity);
}

static int descriptors(uint32_t opcode)
{
	struct oring_rsrc_update update = { ORING_FILE_INDEX_ALLOC, 0, (uint64_t)oring_fd(&ring) };
	int ret = oring_register_ring_fds(&ring, &update, 1);

	if (ret < 0 || opcode == ORING_REGISTER_RING_FDS)
		return ret;
	update.data = 0;
	return oring_unregister_ring_fds(&ring, &update, 1);
}

/* There must be something to cancel. */
static int cancel(uint32_t opcode)
{
	struct oring_sync_cancel_reg what;
	struct oring_sqe *sqe = oring_sq_reserve(&ring);
	int ends[2];
	int ret;

	(void)opcode;
	if (pipe(ends) < 0)
		return trial_not_tried("a pipe is needed", -errno);
	oring_prep_read(sqe, oring_file_fd(ends[0]), memory, 1, 0);
	oring_sqe_set_user_data(sqe, 1);
	ret = oring_submit(&ring);
	if (ret < 0)
		return ret;
	memset(&what, 0, sizeof(what));
	what.addr = 1;
	what.fd = -1;
	what.timeout.tv_sec = -1;
	what.timeout.tv_nsec = -1;
	return oring_register_sync_cancel(&ring, &what);
}

static int napi(uint32_t opcode)
{
	struct oring_napi setting;
	int ret;

	memset(&setting, 0, sizeof(setting));
	setting.busy_poll_to = 1;
	ret = oring_register_napi(&ring, &setting);
	return ret < 0 || opcode == ORING_REGISTER_NAPI ? ret
							: oring_unregister_napi(&ring, &setting);
}

static int region(uint32_t opcode)
{
	struct oring_region_desc desc;
	struct oring_mem_region_reg reg;

	(void)opcode;
	memset(&desc, 0, sizeof(desc));
	memset(&reg, 0, sizeof(reg));
	desc.size = (uint64_t)sysconf(_SC_PAGESIZE);
	reg.region_uptr = (uint64_t)(uintptr_t)&desc;
	return oring_register_region(&ring, &reg);
}

/* A program that lets every NOP pass. */
static void pass_nops(struct oring_bpf *filter, struct sock_filter *program)
{
	*program = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 1);
	memset(filter, 0, sizeof(*filter));
	filter->cmd_type = ORING_BPF_CMD_FILTER;
	filter->filter.opcode = ORING_OP_NOP;
	filter->filter.filter_len = 1;
	filter->filter.filter_ptr = (uint64_t)(uintptr_t)program;
}

static int filter(uint32_t opcode)
{
	struct sock_filter program;
	struct oring_bpf bpf;

	(void)opcode;
	pass_nops(&bpf, &program);
	return oring_register_bpf_filter(&ring, &bpf);
}

/* ---- zero-copy receive ---- */

#define NO_INTERFACE 0x7fffffff

static int queue(uint32_t *id, uint32_t flags, uint32_t interface)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct oring_zcrx_area_reg area;
	struct oring_zcrx_ifq_reg reg;
	struct oring_region_desc desc;
	int ret;

	memset(&area, 0, sizeof(area));
	memset(&reg, 0, sizeof(reg));
	memset(&desc, 0, sizeof(desc));
	desc.user_addr = (uint64_t)(uintptr_t)trial_pages(page);
	desc.size = page;
	desc.flags = ORING_MEM_REGION_TYPE_USER;
	area.addr = (uint64_t)(uintptr_t)trial_pages(page);
	area.len = page;
	reg.if_idx = interface;
	reg.flags = flags;
	reg.rq_entries = 4;
	reg.area_ptr = (uint64_t)(uintptr_t)&area;
	reg.region_ptr = (uint64_t)(uintptr_t)&desc;
	ret = oring_register_zcrx_ifq(&ring, &reg);
	*id = reg.zcrx_id;
	return ret;
}

/* Without a device where the kernel has that (7.1); elsewhere what it says of none. */
static int receive(uint32_t opcode)
{
	struct oring_zcrx_ctrl flush;
	uint32_t id;
	int ret = queue(&id, ORING_ZCRX_REG_NODEV, 0);
	bool have_queue = ret == 0;

	if (opcode == ORING_REGISTER_ZCRX_IFQ && ret == -EINVAL)
		ret = queue(&id, 0, NO_INTERFACE);
	memset(&flush, 0, sizeof(flush));
	flush.zcrx_id = have_queue ? id : 0;
	flush.op = ORING_ZCRX_CTRL_FLUSH_RQ;
	if (opcode == ORING_REGISTER_ZCRX_CTRL)
		ret = oring_register_zcrx_ctrl(&ring, &flush);
	if (ret == -EPERM)
		return trial_not_tried("CAP_NET_ADMIN is needed", ret);
	if (ret == -ENODEV || (ret == -ENXIO && !have_queue))
		return trial_not_tried("a network device is needed, the operation is there", ret);
	return ret;
}

/* ---- by number ---- */

/* What the operation needs of its ring. */
static uint32_t ring_flags(uint32_t opcode)
{
	switch (opcode) {
	case ORING_REGISTER_RESTRICTIONS:
	case ORING_REGISTER_ENABLE_RINGS:
		return ORING_SETUP_R_DISABLED;
	case ORING_REGISTER_RESIZE_RINGS:
		return ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN |
		       ORING_SETUP_NO_SQARRAY;
	case ORING_REGISTER_ZCRX_IFQ:
	case ORING_REGISTER_ZCRX_CTRL:
		return ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_CQE32;
	default:
		return 0;
	}
}

static int restrictions(uint32_t opcode)
{
	(void)opcode;
	return oring_register_restrictions(&ring, &only_nops, 1);
}

static int enabling(uint32_t opcode)
{
	(void)opcode;
	return oring_enable(&ring);
}

static int boot_clock(uint32_t opcode)
{
	(void)opcode;
	return oring_register_clock(&ring, CLOCK_BOOTTIME);
}

static int resize(uint32_t opcode)
{
	(void)opcode;
	return oring_resize(&ring, 8, 0);
}

static int (*const acts[ORING_REGISTER_LAST])(uint32_t opcode) = {
	[ORING_REGISTER_BUFFERS] = buffers,
	[ORING_UNREGISTER_BUFFERS] = buffers,
	[ORING_REGISTER_BUFFERS2] = buffers,
	[ORING_REGISTER_BUFFERS_UPDATE] = buffers,
	[ORING_REGISTER_FILES] = files,
	[ORING_UNREGISTER_FILES] = files,
	[ORING_REGISTER_FILES_UPDATE] = files,
	[ORING_REGISTER_FILES2] = files,
	[ORING_REGISTER_FILES_UPDATE2] = files,
	[ORING_REGISTER_EVENTFD] = event,
	[ORING_UNREGISTER_EVENTFD] = event,
	[ORING_REGISTER_EVENTFD_ASYNC] = event,
	[ORING_REGISTER_PROBE] = probe,
	[ORING_REGISTER_PERSONALITY] = personality,
	[ORING_UNREGISTER_PERSONALITY] = personality,
	[ORING_REGISTER_RESTRICTIONS] = restrictions,
	[ORING_REGISTER_ENABLE_RINGS] = enabling,
	[ORING_REGISTER_IOWQ_AFF] = workers,
	[ORING_UNREGISTER_IOWQ_AFF] = workers,
	[ORING_REGISTER_IOWQ_MAX_WORKERS] = workers,
	[ORING_REGISTER_RING_FDS] = descriptors,
	[ORING_UNREGISTER_RING_FDS] = descriptors,
	[ORING_REGISTER_PBUF_RING] = provided,
	[ORING_UNREGISTER_PBUF_RING] = provided,
	[ORING_REGISTER_PBUF_STATUS] = provided,
	[ORING_REGISTER_SYNC_CANCEL] = cancel,
	[ORING_REGISTER_FILE_ALLOC_RANGE] = range,
	[ORING_REGISTER_NAPI] = napi,
	[ORING_UNREGISTER_NAPI] = napi,
	[ORING_REGISTER_CLOCK] = boot_clock,
	[ORING_REGISTER_CLONE_BUFFERS] = clone_from,
	[ORING_REGISTER_SEND_MSG_RING] = trial_ringless,
	[ORING_REGISTER_ZCRX_IFQ] = receive,
	[ORING_REGISTER_ZCRX_CTRL] = receive,
	[ORING_REGISTER_RESIZE_RINGS] = resize,
	[ORING_REGISTER_MEM_REGION] = region,
	[ORING_REGISTER_QUERY] = query,
	[ORING_REGISTER_BPF_FILTER] = filter,
};

int trial_register(uint32_t opcode)
{
	int ret;

	if (opcode >= ORING_REGISTER_LAST || acts[opcode] == NULL)
		return trial_not_tried("no trial is written", 0);
	ret = trial_ring(&ring, ring_flags(opcode));
	return ret < 0 ? ret : acts[opcode](opcode);
}

/* ---- without a ring ---- */

static int send_message(void)
{
	struct oring_sqe sqe;
	struct oring target;
	int ret = trial_ring(&target, 0);

	if (ret < 0)
		return ret;
	oring_sqe_clear(&sqe);
	oring_prep_msg_ring(&sqe, oring_file_fd(oring_fd(&target)), oring_context_from_bits(1), 0,
			    0);
	ret = oring_send_message(&sqe);
	return ret == 0 && oring_cq_ready(&target) == 0 ? -EIO : ret;
}

/* These two restrict what this child makes from now on. */
static int restrict_task(void)
{
	struct {
		struct oring_task_restriction head;
		struct oring_restriction list[1];
	} task;

	memset(&task, 0, sizeof(task));
	task.head.nr_res = 1;
	task.list[0] = only_nops;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return oring_register_task_restrictions(&task.head);
}

static int filter_task(void)
{
	struct sock_filter program;
	struct oring_bpf bpf;

	pass_nops(&bpf, &program);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return oring_register_task_bpf_filter(&bpf);
}

int trial_ringless(uint32_t opcode)
{
	struct oring_query_opcode answer;

	switch (opcode) {
	case ORING_REGISTER_SEND_MSG_RING:
		return send_message();
	case ORING_REGISTER_RESTRICTIONS:
		return restrict_task();
	case ORING_REGISTER_BPF_FILTER:
		return filter_task();
	case ORING_REGISTER_QUERY:
		return oring_feature_query(ORING_QUERY_OPCODES, &answer, sizeof(answer));
	default:
		return trial_not_tried("no trial is written", 0);
	}
}

/* ---- the flag beside operations ---- */

int trial_register_flag(uint32_t flag)
{
	struct oring_rsrc_update update = { ORING_FILE_INDEX_ALLOC, 0, 0 };
	int ret = trial_ring(&ring, 0);

	if (ret < 0)
		return ret;
	update.data = (uint64_t)oring_fd(&ring);
	ret = oring_register_ring_fds(&ring, &update, 1);
	if (ret < 0)
		return ret;
	return oring_sys_register((int)update.offset, ORING_REGISTER_PERSONALITY | flag, NULL, 0);
}
