/* SPDX-License-Identifier: MIT */
/*
 * With -Dchecks=true: entries that are not as their prep function made them
 * trap, and under AddressSanitizer what they point to is read here, so that
 * freed or poisoned memory is reported before the kernel, which no sanitizer
 * sees, writes into it.
 */
#include "check.h"

#ifdef ORING_CHECKS

#include "oring/sq.h"
#include "opinfo.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
void *__asan_region_is_poisoned(void *beginning, size_t size);

/* The first poisoned byte is read: the sanitizer reports that. */
static void look_at(const void *memory, uint64_t size)
{
	const volatile char *bad = NULL;

	if (memory != NULL && size > 0)
		bad = __asan_region_is_poisoned((void *)(uintptr_t)memory, (size_t)size);
	if (bad != NULL)
		(void)*bad;
}

static void look_at_string(const char *text)
{
	const volatile char *at = text;

	while (at != NULL && *at != '\0')
		at++;
}
#else
static void look_at(const void *memory, uint64_t size)
{
	(void)memory;
	(void)size;
}

static void look_at_string(const char *text)
{
	(void)text;
}
#endif

/* As the kernel reads them. */
struct iovec {
	void *base;
	size_t len;
};

struct msghdr {
	void *name;
	uint32_t name_len;
	struct iovec *iov;
	size_t iov_count;
	void *control;
	size_t control_len;
	uint32_t flags;
};

static void look_at_iovec(const struct iovec *iov, uint64_t count)
{
	uint64_t i;

	look_at(iov, count * sizeof(*iov));
	for (i = 0; iov != NULL && i < count; i++)
		look_at(iov[i].base, iov[i].len);
}

static void look_at_msghdr(const struct msghdr *message, bool multishot)
{
	look_at(message, sizeof(*message));
	if (message == NULL || multishot) /* which only says how much room to leave */
		return;
	look_at(message->name, message->name_len);
	look_at_iovec(message->iov, message->iov_count);
	look_at(message->control, message->control_len);
}

static uint64_t field_of(const struct oring_sqe *sqe, unsigned int field)
{
	switch (field) {
	case FIELD_OFF:
		return sqe->off;
	case FIELD_ADDR:
		return sqe->addr;
	case FIELD_ADDR3:
		return sqe->addr3;
	case FIELD_LEN:
		return sqe->len;
	case FIELD_FILE_INDEX:
		return sqe->file_index;
	}
	return 1;
}

/* Where this entry's address is none, or points to something else than the table says. */
static struct op_memory as_used(const struct oring_sqe *sqe, struct op_memory memory)
{
	bool is_timer = sqe->opcode == ORING_OP_TIMEOUT || sqe->opcode == ORING_OP_LINK_TIMEOUT ||
			sqe->opcode == ORING_OP_TIMEOUT_REMOVE;
	bool is_send = sqe->opcode == ORING_OP_SEND || sqe->opcode == ORING_OP_SEND_ZC;

	if (is_timer && (sqe->op_flags & ORING_TIMEOUT_IMMEDIATE_ARG))
		memory.field = 0;
	if (is_send && memory.field == FIELD_ADDR && (sqe->ioprio & ORING_SEND_VECTORIZED))
		memory.kind = MEMORY_IOVEC;
	/* A command's fields are its driver's; of the sockets' the table tells. */
	if (sqe->opcode == ORING_OP_URING_CMD) {
		if (sqe->off == ORING_SOCKET_GETSOCKNAME) {
			memory.unit = memory.field == FIELD_ADDR ? 2 : 4;
			memory.count = 0;
		} else if (memory.field == FIELD_ADDR || (sqe->off != ORING_SOCKET_GETSOCKOPT &&
							  sqe->off != ORING_SOCKET_SETSOCKOPT)) {
			memory.field = 0;
		}
	}
	return memory;
}

static void look_at_memory(const struct oring_sqe *sqe, struct op_memory memory)
{
	const void *address = (const void *)(uintptr_t)field_of(sqe, memory.field);

	if (memory.field == 0)
		return;
	switch (memory.kind) {
	case MEMORY_STRING:
		look_at_string(address);
		break;
	case MEMORY_IOVEC:
		look_at_iovec(address, sqe->len);
		break;
	case MEMORY_MSGHDR:
		look_at_msghdr(address, sqe->opcode == ORING_OP_RECVMSG &&
						(sqe->ioprio & ORING_RECV_MULTISHOT));
		break;
	default:
		look_at(address, memory.unit * field_of(sqe, memory.count));
	}
}

/* A name that a stack trace shows. */
__attribute__((noinline)) static void entry_is_not_as_prepared(const struct oring_sqe *sqe)
{
	if (sqe->opcode != ORING_OP_REFUSED && oring_sqe_check(sqe) < 0)
		__builtin_trap();
}

static void check_entry(const struct oring_sqe *sqe)
{
	const struct op_memory *memory;
	int i;

	entry_is_not_as_prepared(sqe);
	if (sqe->opcode >= ORING_OP_LAST)
		return;
	memory = oring_opinfo[sqe->opcode].memory;
	for (i = 0; i < 3; i++)
		look_at_memory(sqe, as_used(sqe, memory[i]));
}

void oring_check_pending(const struct oring *ring)
{
	uint32_t index = ring->sq_reserved - oring_sq_pending(ring);
	const struct oring_sqe *sqe;

	while (index != ring->sq_reserved) {
		sqe = oring_sq_at(ring, index++);
		check_entry(sqe);
		/* Two slots of a mixed ring. */
		if (ring->sq_stride == sizeof(*sqe) && index != ring->sq_reserved &&
		    (sqe->opcode == ORING_OP_NOP128 || sqe->opcode == ORING_OP_URING_CMD128))
			index++;
	}
}

#else
typedef int oring_no_checks; /* ISO C wants a declaration */
#endif
