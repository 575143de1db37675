/* SPDX-License-Identifier: MIT */
/**
 * feature.h - what this kernel can do
 *
 * Asked, or tried; never concluded from a version number, since releases carry
 * features of later ones and configurations lack features of earlier ones.
 */
#ifndef ORING_FEATURE_H
#define ORING_FEATURE_H

#include "abi_reg.h"
#include "op.h"
#include "ring.h"

ORING_BEGIN_DECLS

/* The answers, in the caller's memory. */
struct oring_feature_set {
	uint64_t ops[4];	 /* bit n: operation n can be submitted */
	uint32_t op_count;	 /* operations that the kernel has a number for */
	uint32_t features;	 /* ORING_FEAT_* */
	bool queried;		 /* the rest is known; it is 0 on kernels before 6.18 */
	uint32_t register_count; /* register operations: 0 to this - 1 exist */
	uint32_t query_count;	 /* and so for ORING_QUERY_* */
	uint64_t setup_flags;	 /* ORING_SETUP_* that the kernel knows */
	uint64_t enter_flags;	 /* ORING_ENTER_* */
	uint64_t sqe_flags;	 /* ORING_SQE_* */
};

/**
 * oring_feature_ask - fill @set from what the kernel tells
 * @ring: any ring, enabled or not
 *
 * Enters the kernel twice: probe (5.6), query (6.18; its absence is no error).
 *
 * Return: 0, or a negative errno of the probe: -EINVAL before 5.6.
 * Threads: as for register calls (reg.h).
 */
ORING_API int oring_feature_ask(struct oring *ring, struct oring_feature_set *set);

/** oring_feature_has_op - whether operation @op can be submitted here. Pure. */
ORING_INLINE bool oring_feature_has_op(const struct oring_feature_set *set, unsigned int op)
{
	return op < 256 && (set->ops[op / 64] >> op % 64 & 1) != 0;
}

/**
 * oring_feature_query - one REGISTER_QUERY, without a ring
 * @query_op: ORING_QUERY_*
 * @out: the query's structure; what the kernel does not know of it is zero
 * @size: its size in bytes
 *
 * Return: 0; -EOPNOTSUPP: the kernel does not know this query; -EINVAL: it
 * knows no queries, or no task without a ring may ask them (before 6.18).
 * Threads: any. Since: 6.18.
 */
ORING_API int oring_feature_query(uint32_t query_op, void *out, uint32_t size);

/**
 * oring_feature_try_setup - make a small ring with these flags, and close it
 * @flags: ORING_SETUP_*; what a flag needs beside it is added
 *
 * A flag that needs memory or a descriptor of the caller's (NO_MMAP,
 * ATTACH_WQ) counts as taken if the kernel complains of that and not of the
 * flag. Enters the kernel.
 *
 * Return: 0; -EINVAL: unknown, or not combined so; -EPERM, -ENOMEM, -ENOSYS...:
 * not decided, for that reason. Without privileges -ENOMEM may pass: rings that
 * were closed a moment ago are still charged against RLIMIT_MEMLOCK.
 * Threads: any. Since: 5.1.
 */
ORING_API int oring_feature_try_setup(uint32_t flags);

ORING_END_DECLS

#endif
