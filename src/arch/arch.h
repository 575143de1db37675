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

#endif
