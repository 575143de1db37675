/* SPDX-License-Identifier: MIT */
/* A descriptor or a slot: the type keeps them apart. */
#include "harness.h"

Test(file, descriptors_keep_their_sign)
{
	static const int fds[] = { 0, 1, -1, ORING_AT_FDCWD, INT32_MAX, INT32_MIN };
	size_t i;

	for (i = 0; i < 6; i++) {
		oring_file file = oring_file_fd(fds[i]);

		cr_assert_not(oring_file_is_slot(file));
		cr_assert_eq(oring_file_value(file), fds[i]);
		cr_assert_eq(oring_file_flag(file), 0);
		cr_assert_eq(file.bits >> 32, 0);
	}
}

Test(file, slots_are_marked)
{
	static const uint32_t slots[] = { 0, 1, 0x7fffffff, 0xffffffff };
	size_t i;

	for (i = 0; i < 4; i++) {
		oring_file file = oring_file_slot(slots[i]);

		cr_assert(oring_file_is_slot(file));
		cr_assert_eq((uint32_t)oring_file_value(file), slots[i]);
		cr_assert_eq(oring_file_flag(file), ORING_SQE_FIXED_FILE);
	}
}

Test(file, direct_slots)
{
	cr_assert_eq(oring_slot_at(3).index, 3);
	cr_assert_eq(ORING_SLOT_ALLOC.index, ORING_FILE_INDEX_ALLOC);
	cr_assert_eq(sizeof(oring_file), 8, "one word, for bindings");
	cr_assert_eq(sizeof(oring_slot), 4);
}
