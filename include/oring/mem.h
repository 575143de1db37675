/* SPDX-License-Identifier: MIT */
/**
 * mem.h - the loads, stores and the fence that rings are made of
 *
 * The kernel is the other side. An acquire load pairs with its
 * smp_store_release(), a release store with its smp_load_acquire(); the full
 * fence stands where a store must be seen before a later load is made (the
 * SQPOLL wake-up). A relaxed access is one that must not tear and orders nothing.
 */
#ifndef ORING_MEM_H
#define ORING_MEM_H

#include "attr.h"

ORING_BEGIN_DECLS

/** oring_load_acquire - what the other side wrote before its release is visible after it. */
ORING_INLINE uint32_t oring_load_acquire(const uint32_t *from)
{
	return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

/** oring_load_relaxed - a value that does not tear, and no order. */
ORING_INLINE uint32_t oring_load_relaxed(const uint32_t *from)
{
	return __atomic_load_n(from, __ATOMIC_RELAXED);
}

/** oring_store_release - whoever acquires it sees all that was written before. */
ORING_INLINE void oring_store_release(uint32_t *to, uint32_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELEASE);
}

/** oring_store_relaxed - a value that does not tear, and no order. */
ORING_INLINE void oring_store_relaxed(uint32_t *to, uint32_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELAXED);
}

/** oring_store_release16 - the 16-bit form: the tail of a provided-buffer ring. */
ORING_INLINE void oring_store_release16(uint16_t *to, uint16_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELEASE);
}

/** oring_fence - full fence: stores before it are visible before loads after it are made. */
ORING_INLINE void oring_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

ORING_END_DECLS

#endif
