/* SPDX-License-Identifier: MIT */
/*
 * The architecture's system calls. There is no fallback on libc: an
 * architecture without a file here is not supported.
 */
#ifndef ORING_SRC_ARCH_H
#define ORING_SRC_ARCH_H

#if defined(__x86_64__)
#include "x86_64.h"
#elif defined(__aarch64__)
#include "aarch64.h"
#elif defined(__riscv)
#include "riscv64.h"
#elif defined(__i386__)
#include "i386.h"
#else
#error "no system calls for this architecture: add src/arch/<name>.h"
#endif

/* io_uring came after the numbers were unified: the same everywhere. */
#define SYS_NR_IO_URING_SETUP	 425
#define SYS_NR_IO_URING_ENTER	 426
#define SYS_NR_IO_URING_REGISTER 427

/* Never in a library: tests/fault builds the sources so that it makes the calls, and fails some. */
#ifdef ORING_EXTERNAL_CALLS
long oring_external_call(long nr, long a, long b, long c, long d, long e, long f);
void oring_external_site(const char *file, int line); /* of the call that comes next */

#define sys_call2(nr, a, b)		oring_external_call((nr), (a), (b), 0, 0, 0, 0)
#define sys_call4(nr, a, b, c, d)	oring_external_call((nr), (a), (b), (c), (d), 0, 0)
#define sys_call6(nr, a, b, c, d, e, f) oring_external_call((nr), (a), (b), (c), (d), (e), (f))
#endif

#endif
