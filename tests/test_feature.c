/* SPDX-License-Identifier: MIT */
/* What the kernel says of itself, against what it does. */
#include "harness.h"

RING_TEST(feature, probe_knows_operations)
{
	/* B10 */
	cr_assert(oring_feature_has_op(&rig->can, ORING_OP_NOP));
	cr_assert_not(oring_feature_has_op(&rig->can, 250));
	cr_assert_not(oring_feature_has_op(&rig->can, ORING_OP_REFUSED));
	cr_assert_not(oring_feature_has_op(&rig->can, 1000));
	cr_assert_eq(rig->can.features, oring_features(&rig->ring));
	cr_assert_geq(rig->can.op_count, 37, "5.10 has as many");
	if (rig->can.op_count < 256)
		cr_assert_not(oring_feature_has_op(&rig->can, rig->can.op_count));
}

Test(feature, query_agrees_with_probe_and_trial)
{
	struct oring_feature_set set;
	struct oring ring;
	unsigned int bit;

	require_ring(&ring, 2, 0);
	cr_assert_eq(oring_feature_ask(&ring, &set), 0);
	cr_assert_eq(oring_exit(&ring), 0);
	if (!set.queried)
		cr_skip_test("REGISTER_QUERY: not on this kernel");
	cr_assert_eq(set.features, ring.features | set.features);
	cr_assert_gt(set.register_count, ORING_REGISTER_QUERY);
	cr_assert_geq(set.query_count, 1);
	cr_assert_eq(set.enter_flags & ORING_ENTER_GETEVENTS, ORING_ENTER_GETEVENTS);
	cr_assert_eq(set.sqe_flags & 0x7f, 0x7f);
	for (bit = 0; bit < 32; bit++) {
		int ret = oring_feature_try_setup(1U << bit);
		bool known = set.setup_flags >> bit & 1;

		cr_assert_eq(ret == 0, known, "setup flag %u: trial says %d, query says %d", bit,
			     ret, known);
	}
}

Test(feature, queries_by_hand)
{
	struct oring_query_opcode answer;
	uint64_t unknown[4] = { 1, 2, 3, 4 };
	int ret = oring_feature_query(ORING_QUERY_OPCODES, &answer, sizeof(answer));

	SKIP_IF_REFUSED(ret, "REGISTER_QUERY");
	cr_assert_eq(ret, 0);
	cr_assert_gt(answer.nr_request_opcodes, ORING_OP_PIPE);
	/* A47: a query that does not exist is refused, not answered with zeros. */
	cr_assert_eq(oring_feature_query(0xffff, unknown, sizeof(unknown)), -EOPNOTSUPP);
}

Test(feature, a_set_is_written_whole)
{
	struct oring_feature_set a, b;
	struct oring ring;

	require_ring(&ring, 2, 0);
	memset(&a, 0x00, sizeof(a));
	memset(&b, 0xff, sizeof(b));
	cr_assert_eq(oring_feature_ask(&ring, &a), 0);
	cr_assert_eq(oring_feature_ask(&ring, &b), 0);
	cr_assert_eq(memcmp(a.ops, b.ops, sizeof(a.ops)), 0);
	cr_assert(a.op_count == b.op_count && a.features == b.features && a.queried == b.queried);
	cr_assert(a.setup_flags == b.setup_flags && a.register_count == b.register_count);
	cr_assert_eq(oring_exit(&ring), 0);
}

Test(feature, trial_leaves_nothing_open)
{
	int before = open_descriptors();
	unsigned int bit;

	for (bit = 0; bit < 32; bit++)
		oring_feature_try_setup(1U << bit);
	cr_assert_eq(open_descriptors(), before);
	cr_assert_eq(oring_feature_try_setup(1U << 31), -EINVAL);
	cr_assert_eq(oring_feature_try_setup(0), 0);
}
