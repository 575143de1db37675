/* SPDX-License-Identifier: MIT */
/**
 * file.h - a descriptor or a registered slot, told apart by type
 *
 * One word by value. A bare int is not accepted where a file is wanted, so
 * neither a slot passed as a descriptor nor an errno passed as a slot
 * compiles. Bindings without structs by value pass the 64-bit integer.
 */
#ifndef ORING_FILE_H
#define ORING_FILE_H

#include "abi.h"

ORING_BEGIN_DECLS

/* Low half: the descriptor or the slot. Bit 32: it is a slot. */
typedef struct oring_file {
	uint64_t bits;
} oring_file;

/* Where a direct result goes: a slot, 0-based, or one that the kernel chooses. */
typedef struct oring_slot {
	uint32_t index;
} oring_slot;

#define ORING_FILE_SLOT_BIT 32

/** oring_file_fd - the file behind descriptor @fd. */
ORING_INLINE oring_file oring_file_fd(int fd)
{
	oring_file file;

	file.bits = (uint32_t)fd;
	return file;
}

/** oring_file_slot - the file in registered slot @slot, 0-based. */
ORING_INLINE oring_file oring_file_slot(uint32_t slot)
{
	oring_file file;

	file.bits = ((uint64_t)1 << ORING_FILE_SLOT_BIT) + slot;
	return file;
}

/** oring_file_is_slot - whether @file is a registered slot. */
ORING_INLINE bool oring_file_is_slot(oring_file file)
{
	return (file.bits >> ORING_FILE_SLOT_BIT & 1) != 0;
}

/** oring_file_value - the descriptor or the slot, as an entry's fd field holds it. */
ORING_INLINE int32_t oring_file_value(oring_file file)
{
	return (int32_t)(uint32_t)file.bits;
}

/** oring_file_flag - ORING_SQE_FIXED_FILE for a slot, 0 for a descriptor. */
ORING_INLINE uint8_t oring_file_flag(oring_file file)
{
	return (uint8_t)(file.bits >> ORING_FILE_SLOT_BIT & 1);
}

/** oring_slot_at - direct result into slot @index, 0-based. */
ORING_INLINE oring_slot oring_slot_at(uint32_t index)
{
	oring_slot slot;

	slot.index = index;
	return slot;
}

/** oring_slot_alloc - direct result into a free slot; the completion's result names it. */
ORING_INLINE oring_slot oring_slot_alloc(void)
{
	return oring_slot_at(ORING_FILE_INDEX_ALLOC);
}

#define ORING_SLOT_ALLOC (oring_slot_alloc())

ORING_STATIC_ASSERT(ORING_SQE_FIXED_FILE == 1, "oring_file_flag() relies on it");

ORING_END_DECLS

#endif
