/* SPDX-License-Identifier: MIT */
/**
 * attr.h - how functions are declared: inline, exported, asserted at compile time
 *
 * One definition serves three uses. ORING_INLINE means
 *   - plain `inline` for users: inlined where the compiler likes, and a call
 *     to the library's symbol where it does not (so the library is linked);
 *   - `static inline` with ORING_HEADER_ONLY: the inline functions need no
 *     library. Functions that enter the kernel are never inline and always do;
 *   - `extern inline`, visible, in src/inline.c alone: there the symbols are made.
 */
#ifndef ORING_ATTR_H
#define ORING_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(__GNUC__)
#error "oring needs a compiler with GNU C builtins (gcc or clang)"
#endif
#if !defined(__linux__)
#error "io_uring is an interface of Linux"
#endif
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "oring is for little-endian machines: poll masks and flag words differ elsewhere"
#endif

#ifdef __cplusplus
#define ORING_BEGIN_DECLS extern "C" {
#define ORING_END_DECLS	  }
#else
#define ORING_BEGIN_DECLS
#define ORING_END_DECLS
#endif

/* A function of the library proper. */
#define ORING_API __attribute__((visibility("default")))

#if defined(ORING_HEADER_ONLY)
#define ORING_INLINE static inline __attribute__((unused))
#elif defined(ORING_EMIT_INLINE)
#define ORING_INLINE extern inline __attribute__((visibility("default")))
#else
#define ORING_INLINE inline
#endif

#ifdef __cplusplus
#define ORING_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define ORING_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/*
 * Entries and completions are written through our types and, in the same
 * program, through the kernel header's or another library's.
 */
#define ORING_MAY_ALIAS __attribute__((may_alias))

#define oring_likely(condition)	  __builtin_expect(!!(condition), 1)
#define oring_unlikely(condition) __builtin_expect(!!(condition), 0)

/* The compiler may rely on it. */
#define oring_assume(condition)                  \
	do {                                     \
		if (!(condition))                \
			__builtin_unreachable(); \
	} while (0)

#endif
