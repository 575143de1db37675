/* SPDX-License-Identifier: MIT */
/**
 * context.h - the SQEContext: who a completion belongs to, in 64 bits
 *
 * A context travels as an entry's user_data and comes back unchanged in every
 * completion of it. The low two bits say what the rest means:
 *
 *   kind 0, pointer   any pointer or number that is a multiple of 4, as it is
 *                     (tag bits at the top included)
 *   kind 1, direct    op 8 bits, entry flags 8, tag 16, file 30 signed: the
 *                     completion tells what it was, and no record is needed
 *   kind 2, handle    op 8 (advisory), index 24, generation 30: a record of a
 *                     pool (pool.h), which recognises stale handles
 *   kind 3, caller    62 bits of the caller's own
 *
 * No value is reserved. Decoding is shifts and masks: it never follows a
 * pointer, whatever value a message from another ring brought. Programs with
 * a full 64-bit scheme of their own use user_data and never decode.
 *
 * All functions here are pure: any thread, any kernel.
 */
#ifndef ORING_CONTEXT_H
#define ORING_CONTEXT_H

#include "abi.h"
#include "file.h"

ORING_BEGIN_DECLS

typedef struct oring_context {
	uint64_t bits;
} oring_context;

enum oring_context_kind {
	ORING_CONTEXT_POINTER = 0,
	ORING_CONTEXT_DIRECT = 1,
	ORING_CONTEXT_HANDLE = 2,
	ORING_CONTEXT_CALLER = 3
};

#define ORING_CONTEXT_OP_SHIFT	   2
#define ORING_CONTEXT_FLAGS_SHIFT  10
#define ORING_CONTEXT_TAG_SHIFT	   18
#define ORING_CONTEXT_FILE_SHIFT   34
#define ORING_CONTEXT_FILE_MIN	   (-(1 << 29))
#define ORING_CONTEXT_FILE_MAX	   ((1 << 29) - 1)
#define ORING_CONTEXT_INDEX_SHIFT  10
#define ORING_CONTEXT_INDEX_BITS   24
#define ORING_CONTEXT_GEN_SHIFT	   34
#define ORING_CONTEXT_GEN_BITS	   30
#define ORING_CONTEXT_CALLER_SHIFT 2

/** oring_context_from_bits - any 64 bits as a context, for instance a user_data. */
ORING_INLINE oring_context oring_context_from_bits(uint64_t bits)
{
	oring_context context;

	context.bits = bits;
	return context;
}

/** oring_context_bits - the 64 bits that the kernel carries. */
ORING_INLINE uint64_t oring_context_bits(oring_context context)
{
	return context.bits;
}

/** oring_context_kind_of - enum oring_context_kind of @context. */
ORING_INLINE unsigned int oring_context_kind_of(oring_context context)
{
	return (unsigned int)(context.bits & 3);
}

/**
 * oring_context_pointer - a pointer, untouched
 * @pointer: aligned to 4 bytes; another alignment makes a context of another kind
 */
ORING_INLINE oring_context oring_context_pointer(const void *pointer)
{
	return oring_context_from_bits((uint64_t)(uintptr_t)pointer);
}

/** oring_context_to_pointer - the pointer again, or NULL if @context is of another kind. */
ORING_INLINE void *oring_context_to_pointer(oring_context context)
{
	if (oring_context_kind_of(context) != ORING_CONTEXT_POINTER)
		return NULL;
	return (void *)(uintptr_t)context.bits;
}

/* Whether 30 bits hold a descriptor or slot. */
ORING_INLINE bool oring_context_holds(uint32_t file)
{
	int64_t top = (int64_t)((uint64_t)file << ORING_CONTEXT_FILE_SHIFT);

	/* The first comparison does for all but negative ones. */
	return oring_likely(file <= (uint32_t)ORING_CONTEXT_FILE_MAX) ||
	       (uint32_t)(top >> ORING_CONTEXT_FILE_SHIFT) == file;
}

/* The fields of a direct context, put together. Sums: some machines add three at once. */
ORING_INLINE uint64_t oring_context_join(uint32_t op, uint32_t flags, uint32_t tag, uint32_t file)
{
	return ((uint64_t)file << ORING_CONTEXT_FILE_SHIFT) +
	       ((uint64_t)tag << ORING_CONTEXT_TAG_SHIFT) + (flags << ORING_CONTEXT_FLAGS_SHIFT) +
	       (op << ORING_CONTEXT_OP_SHIFT) + ORING_CONTEXT_DIRECT;
}

/**
 * oring_context_direct - what is asked of which file, and a tag
 * @op: enum oring_op, or any 8 bits
 * @flags: entry flags (ORING_SQE_*); FIXED_FILE is set or cleared to suit @file
 * @tag: 16 bits of the caller's, often a buffer group or a buffer id
 * @file: descriptor or slot, -2^29 to 2^29 - 1; -1 stands for none
 * @out: receives the context; untouched on error
 *
 * Return: 0, or -ERANGE for a file outside 30 bits: it is never masked.
 */
ORING_INLINE int oring_context_direct(uint8_t op, uint8_t flags, uint16_t tag, oring_file file,
				      oring_context *out)
{
	uint32_t value = (uint32_t)oring_file_value(file);
	uint8_t all = (uint8_t)((flags & ~ORING_SQE_FIXED_FILE) | oring_file_flag(file));

	if (oring_unlikely(!oring_context_holds(value)))
		return -ORING_ERANGE;
	out->bits = oring_context_join(op, all, tag, value);
	return 0;
}

/** oring_context_op - the operation in a direct context or a handle. */
ORING_INLINE uint8_t oring_context_op(oring_context context)
{
	return (uint8_t)(context.bits >> ORING_CONTEXT_OP_SHIFT);
}

/** oring_context_with_op - the same direct context or handle, for another operation. */
ORING_INLINE oring_context oring_context_with_op(oring_context context, uint8_t op)
{
	uint64_t mask = (uint64_t)0xff << ORING_CONTEXT_OP_SHIFT;

	return oring_context_from_bits((context.bits & ~mask) | (uint64_t)op
									<< ORING_CONTEXT_OP_SHIFT);
}

/** oring_context_flags - the entry flags in a direct context. */
ORING_INLINE uint8_t oring_context_flags(oring_context context)
{
	return (uint8_t)(context.bits >> ORING_CONTEXT_FLAGS_SHIFT);
}

/** oring_context_tag - the tag in a direct context. */
ORING_INLINE uint16_t oring_context_tag(oring_context context)
{
	return (uint16_t)(context.bits >> ORING_CONTEXT_TAG_SHIFT);
}

/** oring_context_file - the file in a direct context; descriptor -1 if there was none. */
ORING_INLINE oring_file oring_context_file(oring_context context)
{
	int32_t value = (int32_t)((int64_t)context.bits >> ORING_CONTEXT_FILE_SHIFT);

	if (oring_context_flags(context) & ORING_SQE_FIXED_FILE)
		return oring_file_slot((uint32_t)value);
	return oring_file_fd(value);
}

/**
 * oring_context_handle - a record's place and the number of its use
 * @op: enum oring_op, advisory: a lookup does not compare it
 * @index: below 2^24; higher bits are cut off
 * @generation: below 2^30; higher bits are cut off
 */
ORING_INLINE oring_context oring_context_handle(uint8_t op, uint32_t index, uint32_t generation)
{
	return oring_context_from_bits(ORING_CONTEXT_HANDLE |
				       (uint64_t)op << ORING_CONTEXT_OP_SHIFT |
				       (uint64_t)(index & ((1U << ORING_CONTEXT_INDEX_BITS) - 1))
					       << ORING_CONTEXT_INDEX_SHIFT |
				       (uint64_t)generation << ORING_CONTEXT_GEN_SHIFT);
}

/** oring_context_index - the index in a handle. */
ORING_INLINE uint32_t oring_context_index(oring_context context)
{
	return (uint32_t)(context.bits >> ORING_CONTEXT_INDEX_SHIFT) &
	       ((1U << ORING_CONTEXT_INDEX_BITS) - 1);
}

/** oring_context_generation - the generation in a handle. */
ORING_INLINE uint32_t oring_context_generation(oring_context context)
{
	return (uint32_t)(context.bits >> ORING_CONTEXT_GEN_SHIFT);
}

/**
 * oring_context_caller - 62 bits of the caller's own
 * @value: below 2^62
 * @out: receives the context; untouched on error
 *
 * Return: 0, or -ERANGE.
 */
ORING_INLINE int oring_context_caller(uint64_t value, oring_context *out)
{
	if (value >> 62)
		return -ORING_ERANGE;
	out->bits = value << ORING_CONTEXT_CALLER_SHIFT | ORING_CONTEXT_CALLER;
	return 0;
}

/** oring_context_value - those 62 bits again. */
ORING_INLINE uint64_t oring_context_value(oring_context context)
{
	return context.bits >> ORING_CONTEXT_CALLER_SHIFT;
}

ORING_END_DECLS

#endif
