/* SPDX-License-Identifier: MIT */
/**
 * version.h - the one place where the library's version is written
 *
 * The build reads these lines. ORING_ABI is the number of the binary
 * interface: it becomes the shared library's soversion, and changes whenever a
 * program that was linked before could no longer run.
 */
#ifndef ORING_VERSION_H
#define ORING_VERSION_H

#define ORING_VERSION_MAJOR 0
#define ORING_VERSION_MINOR 1
#define ORING_VERSION_PATCH 0
#define ORING_ABI	    1

/* One number to compare: 0x00MMmmpp. */
#define ORING_VERSION (ORING_VERSION_MAJOR << 16 | ORING_VERSION_MINOR << 8 | ORING_VERSION_PATCH)

#endif
