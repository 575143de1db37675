/* SPDX-License-Identifier: MIT */
/* What the library knows of each operation. The table is generated: opinfo.c. */
#ifndef ORING_SRC_OPINFO_H
#define ORING_SRC_OPINFO_H

#include "oring/op.h"

/* Fields of an entry, as bits of a set. */
#define FIELD_IOPRIO	 (1U << 0)
#define FIELD_FD	 (1U << 1)
#define FIELD_OFF	 (1U << 2)
#define FIELD_ADDR	 (1U << 3)
#define FIELD_LEN	 (1U << 4)
#define FIELD_OP_FLAGS	 (1U << 5)
#define FIELD_BUF_INDEX	 (1U << 6)
#define FIELD_FILE_INDEX (1U << 7)
#define FIELD_ADDR3	 (1U << 8)
#define FIELD_PAD2	 (1U << 9)

/* sizeof(struct epoll_event): packed on x86 alone. */
#if defined(__x86_64__) || defined(__i386__)
#define EPOLL_EVENT 12
#else
#define EPOLL_EVENT 16
#endif

/* How to tell the size of what an address points to. */
enum memory_kind {
	MEMORY_BYTES, /* unit times a field */
	MEMORY_STRING,
	MEMORY_IOVEC, /* len of them, and what they point to */
	MEMORY_MSGHDR
};

struct op_memory {
	uint16_t field; /* FIELD_*: the address; 0: none */
	uint8_t kind;
	bool writes; /* the kernel does */
	uint16_t unit;
	uint16_t count; /* FIELD_*: how many units; 0: one */
};

struct opinfo {
	const char *name;
	uint16_t since;	     /* major << 8 | minor */
	uint16_t understood; /* fields that mean something to it */
	uint8_t result;	     /* enum oring_result, of its first prep function */
	struct op_memory memory[3];
};

extern const struct opinfo oring_opinfo[ORING_OP_LAST] __attribute__((visibility("hidden")));

#endif
