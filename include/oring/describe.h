/* SPDX-License-Identifier: MIT */
/**
 * describe.h - a ring, an entry, a completion in words; flags by name
 *
 * Each writes into the caller's buffer, never more than @size bytes, always
 * with a NUL at the end (unless @size is 0), and returns how long the whole
 * text is without it, as snprintf() does: a result >= @size means that it was
 * cut. No system call; nothing is followed that an entry points to.
 */
#ifndef ORING_DESCRIBE_H
#define ORING_DESCRIBE_H

#include "ring.h"
#include "sqe.h"

ORING_BEGIN_DECLS

enum oring_form {
	ORING_ONE_LINE, /* for logs; without a newline */
	ORING_LINES	/* for people; each ends with a newline */
};

/**
 * oring_describe - what a ring is and how it stands
 *
 * Sizes, flags by name, what is reserved, pending and ready, overflow, and what
 * was registered through the functions of reg.h (the kernel tells more in
 * /proc/self/fdinfo). A closed ring is said to be one. Threads: owner only
 * (both sides).
 */
ORING_API size_t oring_describe(const struct oring *ring, enum oring_form form, char *text,
				size_t size);

/**
 * oring_describe_sqe - what an entry says
 *
 * Operation, file, fields that are not zero, flags by name, identity; why it
 * was refused, if it was. Any thread that owns the entry.
 */
ORING_API size_t oring_describe_sqe(const struct oring_sqe *sqe, enum oring_form form, char *text,
				    size_t size);

/**
 * oring_describe_cqe - what a completion says
 *
 * Identity (and, of a direct context, what it was asked for), result (an errno
 * by name), flags by name. Any thread, while it is not released.
 */
ORING_API size_t oring_describe_cqe(const struct oring_cqe *cqe, enum oring_form form, char *text,
				    size_t size);

/** oring_setup_flag_name - the name of one ORING_SETUP_* flag, as "SQPOLL"; NULL if unknown. */
ORING_API const char *oring_setup_flag_name(uint32_t flag);

/** oring_feature_name - the name of one ORING_FEAT_* flag, as "NODROP"; NULL if unknown. */
ORING_API const char *oring_feature_name(uint32_t flag);

/** oring_enter_flag_name - the name of one ORING_ENTER_* flag; NULL if unknown. */
ORING_API const char *oring_enter_flag_name(uint32_t flag);

/** oring_register_name - of an enum oring_register_op, as "REGISTER_FILES"; NULL if unknown. */
ORING_API const char *oring_register_name(uint32_t opcode);

/** oring_error_name - the name of a negative errno, as "EAGAIN"; NULL if this library has none. */
ORING_API const char *oring_error_name(int error);

ORING_END_DECLS

#endif
