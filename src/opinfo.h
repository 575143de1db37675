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

struct opinfo {
	const char *name;
	uint16_t since;	     /* major << 8 | minor */
	uint16_t understood; /* fields that mean something to it; 0: no prep function yet */
	uint16_t reads;	     /* fields that are addresses of what the kernel reads */
	uint16_t writes;     /* and of what it writes */
};

extern const struct opinfo oring_opinfo[ORING_OP_LAST] __attribute__((visibility("hidden")));

#endif
