/* SPDX-License-Identifier: MIT */
/* Asking the kernel what it can do, and trying it. */
#include "oring/feature.h"
#include "sys_inline.h"

/* The probe's header and the most records that it may have. */
struct whole_probe {
	struct oring_probe head;
	struct oring_probe_op ops[256];
};

static void clear_bytes(void *memory, size_t size)
{
	unsigned char *byte = (unsigned char *)memory;
	size_t i;

	for (i = 0; i < size; i++)
		byte[i] = 0;
}

static void clear_set(struct oring_feature_set *set)
{
	int i;

	for (i = 0; i < 4; i++)
		set->ops[i] = 0;
	set->op_count = 0;
	set->features = 0;
	set->queried = false;
	set->register_count = 0;
	set->query_count = 0;
	set->setup_flags = 0;
	set->enter_flags = 0;
	set->sqe_flags = 0;
}

static int ask_probe(struct oring *ring, struct oring_feature_set *set)
{
	struct whole_probe probe;
	unsigned int i;
	int ret;

	clear_bytes(&probe, sizeof(probe));
	ret = sys_register(ring->fd, ORING_REGISTER_PROBE, &probe, 256);
	if (ret < 0)
		return ret;
	set->op_count = probe.head.last_op + 1U;
	for (i = 0; i < probe.head.ops_len; i++) {
		const struct oring_probe_op *op = &probe.ops[i];

		if (op->flags & ORING_PROBE_SUPPORTED)
			set->ops[op->op / 64] |= (uint64_t)1 << op->op % 64;
	}
	return 0;
}

int oring_feature_query(uint32_t query_op, void *out, uint32_t size)
{
	struct oring_query_hdr query;
	int ret;

	clear_bytes(&query, sizeof(query));
	clear_bytes(out, size);
	query.query_op = query_op;
	query.query_data = (uint64_t)(uintptr_t)out;
	query.size = size;
	ret = sys_register(-1, ORING_REGISTER_QUERY, &query, 0);
	/* Kernels that know no ring-less query complain of the descriptor. */
	if (ret == -ORING_EBADF)
		return -ORING_EINVAL;
	return ret < 0 ? ret : query.result;
}

int oring_feature_ask(struct oring *ring, struct oring_feature_set *set)
{
	struct oring_query_opcode answer;
	int ret;

	clear_set(set);
	ret = ask_probe(ring, set);
	if (ret < 0)
		return ret;
	set->features = ring->features;
	if (oring_feature_query(ORING_QUERY_OPCODES, &answer, sizeof(answer)) < 0)
		return 0;
	set->queried = true;
	set->register_count = answer.nr_register_opcodes;
	set->query_count = answer.nr_query_opcodes;
	set->setup_flags = answer.ring_setup_flags;
	set->enter_flags = answer.enter_flags;
	set->sqe_flags = answer.sqe_flags;
	return 0;
}

/* The flags that the kernel wants to see beside those asked for. */
static uint32_t with_needed(uint32_t flags)
{
	if (flags & ORING_SETUP_SQ_AFF)
		flags |= ORING_SETUP_SQPOLL;
	if (flags & ORING_SETUP_HYBRID_IOPOLL)
		flags |= ORING_SETUP_IOPOLL;
	if (flags & ORING_SETUP_DEFER_TASKRUN)
		flags |= ORING_SETUP_SINGLE_ISSUER;
	if ((flags & ORING_SETUP_TASKRUN_FLAG) && !(flags & ORING_SETUP_DEFER_TASKRUN))
		flags |= ORING_SETUP_COOP_TASKRUN;
	if (flags & ORING_SETUP_REGISTERED_FD_ONLY)
		flags |= ORING_SETUP_NO_MMAP;
	if (flags & ORING_SETUP_SQ_REWIND)
		flags |= ORING_SETUP_NO_SQARRAY;
	return flags;
}

int oring_feature_try_setup(uint32_t flags)
{
	struct oring_params params;
	int ret;

	clear_bytes(&params, sizeof(params));
	params.flags = with_needed(flags);
	params.cq_entries = 8;	     /* with CQSIZE */
	params.wq_fd = (uint32_t)-1; /* with ATTACH_WQ: no such descriptor */
	ret = sys_setup(4, &params);
	if (ret >= 0) {
		sys_close(ret);
		return 0;
	}
	if ((flags & ORING_SETUP_ATTACH_WQ) && (ret == -ORING_EBADF || ret == -ORING_ENXIO))
		return 0;
	if ((params.flags & ORING_SETUP_NO_MMAP) && ret == -ORING_EFAULT)
		return 0;
	return ret;
}
