/* SPDX-License-Identifier: MIT */
/*
 * What is counted of a bare loop: the rings' memory, written by hand for each case,
 * checked for room and nothing else. The floor that a library can be measured by.
 */
#include "counts.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oring/abi.h"
#include "oring/abi_reg.h"
#include "oring/op.h"

struct bare {
	uint64_t (*sqes)[8];
	struct oring_cqe *cqes;
	uint32_t tail, head; /* of the two queues, ours */
	uint32_t sq_mask, cq_mask, entries;
	uint32_t *sq_head, *sq_tail, *cq_head, *cq_tail;
	struct oring_buf *bufs;
	uint16_t buf_tail;
	int ring;
	uint32_t flags;
	struct slot {
		uint32_t generation, next;
	} slots[256];
	uint32_t free;
};

/* The eight words of an entry, all of them. */
PART int put(struct bare *bare, uint64_t op_flags_fd, uint64_t off, uint64_t addr,
	     uint64_t len_flags, uint64_t user_data, uint64_t buf_index)
{
	uint32_t tail = bare->tail;
	uint64_t *sqe = bare->sqes[tail & bare->sq_mask];

	if (unlikely(tail - __atomic_load_n(bare->sq_head, __ATOMIC_ACQUIRE) == bare->entries))
		return -ENOBUFS;
	sqe[0] = op_flags_fd;
	sqe[1] = off;
	sqe[2] = addr;
	sqe[3] = len_flags;
	sqe[4] = user_data;
	sqe[5] = buf_index;
	sqe[6] = 0;
	sqe[7] = 0;
	bare->tail = tail + 1;
	return 0;
}

PART uint64_t first(uint8_t op, uint8_t flags, uint16_t ioprio, int fd)
{
	return op | (uint64_t)flags << 8 | (uint64_t)ioprio << 16 | (uint64_t)(uint32_t)fd << 32;
}

CASE(bare, empty)
{
	EACH
	{
		OPERANDS;
	}
	return 0;
}

#define ENTRY(name, ...)                                                         \
	CASE(bare, name)                                                         \
	{                                                                        \
		EACH                                                             \
		{                                                                \
			OPERANDS;                                                \
			if (unlikely(put((struct bare *)peer, __VA_ARGS__) < 0)) \
				return -ENOBUFS;                                 \
		}                                                                \
		return 0;                                                        \
	}

ENTRY(nop, first(ORING_OP_NOP, 0, 0, -1), 0, 0, 0, identity, 0)
ENTRY(read, first(ORING_OP_READ, 0, 0, fd), extra, (uintptr_t)buf, (uint32_t)len, identity, 0)
ENTRY(recv, first(ORING_OP_RECV, 0, 0, fd), 0, (uintptr_t)buf,
      (uint32_t)len | (uint64_t)(uint32_t)flags << 32, identity, 0)
ENTRY(send, first(ORING_OP_SEND, 0, 0, fd), 0, (uintptr_t)buf,
      (uint32_t)len | (uint64_t)(uint32_t)flags << 32, identity, 0)
ENTRY(read_fixed, first(ORING_OP_READ_FIXED, ORING_SQE_FIXED_FILE, 0, fd), extra, (uintptr_t)buf,
      (uint32_t)len, identity, index)
ENTRY(recv_multishot, first(ORING_OP_RECV, ORING_SQE_BUFFER_SELECT, ORING_RECV_MULTISHOT, fd), 0, 0,
      (uint64_t)(uint32_t)flags << 32, identity, index)

/* The slots keep what never changes: three words of each are written. */
CASE(bare, push)
{
	struct bare *bare = (struct bare *)peer;

	EACH
	{
		OPERANDS;
		uint32_t tail = bare->tail;
		uint64_t *sqe = bare->sqes[tail & bare->sq_mask];

		if (unlikely(tail - __atomic_load_n(bare->sq_head, __ATOMIC_ACQUIRE) ==
			     bare->entries))
			return -ENOBUFS;
		sqe[1] = extra;
		sqe[2] = (uintptr_t)buf;
		sqe[4] = identity;
		bare->tail = tail + 1;
	}
	return 0;
}

CASE(bare, identity_pointer)
{
	uint64_t *sqe = ((struct bare *)peer)->sqes[0];

	EACH
	{
		OPERANDS;
		sqe[4] = (uintptr_t)buf;
		HIDE();
		SINK(sqe[4]);
	}
	return 0;
}

/* A generation beside the index, compared at the completion. */
CASE(bare, identity_checked)
{
	struct bare *bare = (struct bare *)peer;
	uint64_t *sqe = bare->sqes[0];
	const uint64_t token = bare->free;

	EACH
	{
		struct slot *slot;
		OPERANDS;

		sqe[4] = token;
		HIDE();
		slot = &bare->slots[sqe[4] & 255];
		if (unlikely(slot->generation != sqe[4] >> 32))
			return -ESTALE;
		SINK(slot);
	}
	return 0;
}

/* The same, of a slot that is taken from a list and put back. */
CASE(bare, identity_record)
{
	struct bare *bare = (struct bare *)peer;
	uint64_t *sqe = bare->sqes[0];

	EACH
	{
		struct slot *slot = &bare->slots[bare->free];
		uint64_t token = (uint64_t)slot->generation << 32 | bare->free;
		OPERANDS;

		bare->free = slot->next;
		sqe[4] = token;
		HIDE();
		token = sqe[4];
		slot = &bare->slots[token & 255];
		if (unlikely(slot->generation != token >> 32))
			return -ESTALE;
		slot->generation++;
		slot->next = bare->free;
		bare->free = token & 255;
		SINK(slot);
	}
	return 0;
}

PART void reap(struct bare *bare)
{
	uint32_t head = bare->head;
	uint32_t tail = __atomic_load_n(bare->cq_tail, __ATOMIC_ACQUIRE);

	for (; head != tail; head++) {
		const struct oring_cqe *cqe = &bare->cqes[head & bare->cq_mask];

		SINK(cqe->user_data);
		SINK(cqe->res);
	}
	bare->head = head;
	__atomic_store_n(bare->cq_head, head, __ATOMIC_RELEASE);
}

CASE(bare, reap)
{
	reap((struct bare *)peer);
	return 0;
}

CASE(bare, give_back_in_order)
{
	struct bare *bare = (struct bare *)peer;

	EACH
	{
		OPERANDS;
		bare->buf_tail++;
	}
	__atomic_store_n(&bare->bufs[0].resv, bare->buf_tail, __ATOMIC_RELEASE);
	return 0;
}

CASE(bare, give_back)
{
	struct bare *bare = (struct bare *)peer;

	EACH
	{
		OPERANDS;
		struct oring_buf *slot = &bare->bufs[bare->buf_tail & (BUFFERS - 1)];

		slot->addr = (uintptr_t)buf;
		slot->len = (uint32_t)len;
		slot->bid = index;
		bare->buf_tail++;
	}
	__atomic_store_n(&bare->bufs[0].resv, bare->buf_tail, __ATOMIC_RELEASE);
	return 0;
}

/* ---- whole calls ---- */

PART long enter(const struct bare *bare, uint32_t n, uint32_t want, uint32_t flags, const void *arg,
		size_t size)
{
#ifdef __x86_64__
	register const void *r8 __asm__("r8") = arg;
	register size_t r9 __asm__("r9") = size;
	register uint64_t r10 __asm__("r10") = flags | bare->flags;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(__NR_io_uring_enter), "D"(bare->ring), "S"(n), "d"(want), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#else
	return syscall(__NR_io_uring_enter, bare->ring, n, want, flags | bare->flags, arg, size);
#endif
}

PART int submit_and_wait(struct bare *bare, uint32_t n, uint32_t flags, size_t size)
{
	__atomic_store_n(bare->sq_tail, bare->tail, __ATOMIC_RELEASE);
	return enter(bare, n, n, ORING_ENTER_GETEVENTS | flags, NULL, size) == (long)n ? 0 : -EIO;
}

PART int nop(struct bare *bare)
{
	return put(bare, first(ORING_OP_NOP, 0, 0, -1), 0, 0, 0, 1, 0);
}

CASE(bare, call_1)
{
	struct bare *bare = (struct bare *)peer;

	REPEAT
	{
		if (unlikely(nop(bare) < 0 || submit_and_wait(bare, 1, 0, 0) < 0))
			return -EIO;
		reap(bare);
	}
	return 0;
}

/* The limit lies in the registered region, written once. */
CASE(bare, call_1_timeout)
{
	struct bare *bare = (struct bare *)peer;

	REPEAT
	{
		if (unlikely(nop(bare) < 0 ||
			     submit_and_wait(bare, 1, ORING_ENTER_EXT_ARG | ORING_ENTER_EXT_ARG_REG,
					     sizeof(struct oring_reg_wait)) < 0))
			return -EIO;
		reap(bare);
	}
	return 0;
}

CASE(bare, call_32)
{
	struct bare *bare = (struct bare *)peer;

	REPEAT
	{
		if (unlikely(nop(bare) < 0))
			return -EIO;
	}
	if (unlikely(submit_and_wait(bare, n, 0, 0) < 0))
		return -EIO;
	reap(bare);
	return 0;
}

/* ---- what the cases work on ---- */

static long reg(int ring, unsigned int what, void *arg, unsigned int n)
{
	long ret = syscall(__NR_io_uring_register, ring, what, arg, n);

	if (ret < 0)
		counted_fail("io_uring_register", errno);
	return ret;
}

/* A page with one wait of a second. */
static void register_wait(int ring)
{
	struct oring_reg_wait *wait = (struct oring_reg_wait *)mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct oring_region_desc region;
	struct oring_mem_region_reg arg;

	if (wait == MAP_FAILED)
		counted_fail("memory", errno);
	memset(&region, 0, sizeof(region));
	memset(&arg, 0, sizeof(arg));
	wait->ts.tv_sec = 1;
	wait->flags = ORING_REG_WAIT_TS;
	wait->sigmask_sz = 8;
	region.user_addr = (uintptr_t)wait;
	region.size = 4096;
	region.flags = ORING_MEM_REGION_TYPE_USER;
	arg.region_uptr = (uintptr_t)&region;
	arg.flags = ORING_MEM_REGION_REG_WAIT_ARG;
	reg(ring, ORING_REGISTER_MEM_REGION, &arg, 1);
}

static void make_real(struct bare *bare)
{
	struct oring_params params;
	struct oring_rsrc_update update;
	unsigned char *memory;
	int fd;

	memset(&params, 0, sizeof(params));
	memset(&update, 0, sizeof(update));
	params.flags = ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN |
		       ORING_SETUP_NO_SQARRAY | ORING_SETUP_SUBMIT_ALL | ORING_SETUP_R_DISABLED;
	fd = (int)syscall(__NR_io_uring_setup, SQ_ENTRIES, &params);
	if (fd < 0)
		counted_fail("io_uring_setup", errno);
	register_wait(fd);
	reg(fd, ORING_REGISTER_ENABLE_RINGS, NULL, 0);
	update.offset = ~0U;
	update.data = (uint64_t)fd;
	reg(fd, ORING_REGISTER_RING_FDS, &update, 1);
	bare->ring = (int)update.offset;
	bare->flags = ORING_ENTER_REGISTERED_RING;
	memory = (unsigned char *)mmap(NULL, params.cq_off.cqes + params.cq_entries * 16,
				       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
				       ORING_OFF_SQ_RING);
	bare->sqes = (uint64_t(*)[8])mmap(NULL, params.sq_entries * 64, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_POPULATE, fd, ORING_OFF_SQES);
	if (memory == MAP_FAILED || (void *)bare->sqes == MAP_FAILED)
		counted_fail("mmap", errno);
	bare->sq_head = (uint32_t *)(void *)(memory + params.sq_off.head);
	bare->sq_tail = (uint32_t *)(void *)(memory + params.sq_off.tail);
	bare->cq_head = (uint32_t *)(void *)(memory + params.cq_off.head);
	bare->cq_tail = (uint32_t *)(void *)(memory + params.cq_off.tail);
	bare->cqes = (struct oring_cqe *)(void *)(memory + params.cq_off.cqes);
	bare->entries = params.sq_entries;
	bare->sq_mask = params.sq_entries - 1;
	bare->cq_mask = params.cq_entries - 1;
}

static void make_mock(struct bare *bare, struct mock *mock)
{
	bare->sqes = (uint64_t(*)[8])mock->sqes;
	bare->cqes = (struct oring_cqe *)mock->cqes;
	bare->sq_head = &mock->sq_head;
	bare->sq_tail = &mock->sq_tail;
	bare->cq_head = &mock->cq_head;
	bare->cq_tail = &mock->cq_tail;
	bare->entries = SQ_ENTRIES;
	bare->sq_mask = SQ_ENTRIES - 1;
	bare->cq_mask = CQ_ENTRIES - 1;
}

static void *setup(struct mock *mock, unsigned int needs)
{
	static struct bare bare;
	uint32_t i;

	if (needs & REAL)
		make_real(&bare);
	else
		make_mock(&bare, mock);
	bare.bufs = (struct oring_buf *)mock->bufs;
	for (i = 0; i < 256; i++)
		bare.slots[i].next = (i + 1) % 256;
	return &bare;
}

static const struct counted_case cases[] = {
	{ "empty", case_bare_empty, MOCK | SINGLE },
	{ "nop", case_bare_nop, MOCK | SINGLE },
	{ "read", case_bare_read, MOCK | SINGLE },
	{ "recv", case_bare_recv, MOCK | SINGLE },
	{ "send", case_bare_send, MOCK | SINGLE },
	{ "read_fixed", case_bare_read_fixed, MOCK | SINGLE },
	{ "recv_multishot", case_bare_recv_multishot, MOCK | SINGLE },
	{ "push", case_bare_push, MOCK | SINGLE },
	{ "identity_pointer", case_bare_identity_pointer, MOCK | SINGLE },
	{ "identity_checked", case_bare_identity_checked, MOCK | SINGLE },
	{ "identity_record", case_bare_identity_record, MOCK | SINGLE },
	{ "reap", case_bare_reap, MOCK },
	{ "give_back_in_order", case_bare_give_back_in_order, MOCK | SINGLE },
	{ "give_back", case_bare_give_back, MOCK | SINGLE },
	{ "call_1", case_bare_call_1, REAL | LOOP },
	{ "call_1_timeout", case_bare_call_1_timeout, REAL | LOOP },
	{ "call_32", case_bare_call_32, REAL },
	{ NULL, NULL, 0 },
};

const struct counted_peer counted_bare = { "bare", NULL, setup, cases };
