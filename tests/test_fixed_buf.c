/* SPDX-License-Identifier: MIT */
/* Slices of registered buffers: what lies inside is made, what does not is refused. */
#include "harness.h"

static char memory[4096];

static bool same(const oring_fixed_buf *a, const oring_fixed_buf *b)
{
	return a->addr == b->addr && a->len == b->len && a->index == b->index &&
	       a->unused == b->unused;
}

/* A value that no call below makes. */
static const oring_fixed_buf mark = { memory + 7, 0x12345678, 0x9abc, 0xdef0 };

Test(fixed_buf, two_words)
{
	cr_assert_eq(sizeof(oring_fixed_buf), sizeof(void *) + 8);
}

Test(fixed_buf, all_of_a_buffer)
{
	static const size_t lengths[] = { 0, 1, 4096, 1U << 30, UINT32_MAX };
	static const uint16_t indexes[] = { 0, 1, 0x1234, UINT16_MAX };
	size_t i, j;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (j = 0; j < sizeof(indexes) / sizeof(indexes[0]); j++) {
			oring_fixed_buf buf = mark;

			cr_assert_eq(oring_fixed_buf_of(memory, lengths[i], indexes[j], &buf), 0);
			cr_assert_eq(buf.addr, memory);
			cr_assert_eq(buf.len, lengths[i]);
			cr_assert_eq(buf.index, indexes[j]);
			cr_assert_eq(buf.unused, 0);
		}
	}
}

Test(fixed_buf, no_memory_is_looked_at)
{
	oring_fixed_buf buf;

	cr_assert_eq(oring_fixed_buf_of(NULL, 0, 3, &buf), 0);
	cr_assert_null(buf.addr);
	cr_assert_eq(oring_fixed_buf_of((void *)UINTPTR_MAX, 1, 3, &buf), 0);
	cr_assert_eq(buf.addr, (void *)UINTPTR_MAX);
}

Test(fixed_buf, a_length_that_does_not_fit_is_refused)
{
	static const uint64_t lengths[] = { (uint64_t)1 << 32, ((uint64_t)1 << 32) + 4096,
					    (uint64_t)1 << 63, UINT64_MAX };
	size_t i;

	if (sizeof(size_t) < 8)
		cr_skip_test("size_t has 32 bits: every length fits");
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		oring_fixed_buf buf = mark;

		cr_assert_eq(oring_fixed_buf_of(memory, (size_t)lengths[i], 1, &buf), -EOVERFLOW);
		cr_assert(same(&buf, &mark), "untouched");
	}
}

Test(fixed_buf, slices_lie_inside)
{
	/* Every offset and length of a buffer of 5 bytes, and two beyond. */
	oring_fixed_buf buf, slice;
	size_t offset, len;

	cr_assert_eq(oring_fixed_buf_of(memory + 100, 5, 0xfedc, &buf), 0);
	for (offset = 0; offset < 8; offset++) {
		for (len = 0; len < 8; len++) {
			slice = mark;
			if (offset + len > 5) {
				cr_assert_eq(oring_fixed_buf_slice(buf, offset, len, &slice),
					     -ERANGE, "%zu, %zu", offset, len);
				cr_assert(same(&slice, &mark), "untouched");
				continue;
			}
			cr_assert_eq(oring_fixed_buf_slice(buf, offset, len, &slice), 0, "%zu, %zu",
				     offset, len);
			cr_assert_eq(slice.addr, memory + 100 + offset);
			cr_assert_eq(slice.len, len);
			cr_assert_eq(slice.index, 0xfedc);
			cr_assert_eq(slice.unused, 0);
		}
	}
}

Test(fixed_buf, sums_do_not_wrap)
{
	oring_fixed_buf buf = { memory, 4096, 1, 0 }, slice = mark;

	cr_assert_eq(oring_fixed_buf_slice(buf, SIZE_MAX, 1, &slice), -ERANGE);
	cr_assert_eq(oring_fixed_buf_slice(buf, 1, SIZE_MAX, &slice), -ERANGE);
	cr_assert_eq(oring_fixed_buf_slice(buf, SIZE_MAX, SIZE_MAX, &slice), -ERANGE);
	cr_assert_eq(oring_fixed_buf_slice(buf, SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1, &slice),
		     -ERANGE);
	cr_assert_eq(oring_fixed_buf_slice(buf, 4097, SIZE_MAX - 4096, &slice), -ERANGE);
	if (sizeof(size_t) > 4) /* equal to 0 and 4096 in 32 bits */
		cr_assert_eq(
			oring_fixed_buf_slice(buf, 0, (size_t)(((uint64_t)1 << 32) + 4096), &slice),
			-ERANGE);
	cr_assert(same(&slice, &mark), "untouched");
}

Test(fixed_buf, greatest_slice)
{
	oring_fixed_buf buf = { memory, UINT32_MAX, 1, 0 }, slice;

	cr_assert_eq(oring_fixed_buf_slice(buf, 0, UINT32_MAX, &slice), 0);
	cr_assert_eq(slice.len, UINT32_MAX);
	cr_assert_eq(oring_fixed_buf_slice(buf, 1, UINT32_MAX, &slice), -ERANGE);
	cr_assert_eq(oring_fixed_buf_slice(buf, 4000, UINT32_MAX - 4000, &slice), 0);
	cr_assert_eq(slice.addr, memory + 4000);
	cr_assert_eq(slice.len, UINT32_MAX - 4000);
}

Test(fixed_buf, a_slice_in_its_own_place)
{
	/* As a loop does that goes through a buffer. */
	oring_fixed_buf rest = { memory, sizeof(memory), 9, 0 };
	size_t done = 0, steps = 0;

	while (rest.len > 0) {
		size_t step = rest.len < 1000 ? rest.len : 1000;

		cr_assert_eq(rest.addr, memory + done);
		cr_assert_eq(rest.len, sizeof(memory) - done);
		cr_assert_eq(rest.index, 9);
		cr_assert_eq(oring_fixed_buf_slice(rest, step, rest.len - step, &rest), 0);
		done += step;
		cr_assert_lt(steps++, 10);
	}
	cr_assert_eq(done, sizeof(memory));
	cr_assert_eq(oring_fixed_buf_slice(rest, 1, 0, &rest), -ERANGE);
	cr_assert_eq(rest.addr, memory + sizeof(memory), "untouched");
	cr_assert_eq(oring_fixed_buf_slice(rest, 0, 0, &rest), 0);
}

Test(fixed_buf, slices_of_slices_are_slices)
{
	oring_fixed_buf buf = { memory, sizeof(memory), 2, 0 }, twice, once;

	cr_assert_eq(oring_fixed_buf_slice(buf, 100, 1000, &twice), 0);
	cr_assert_eq(oring_fixed_buf_slice(twice, 900, 101, &twice), -ERANGE,
		     "inside the buffer, but not inside the slice");
	cr_assert_eq(oring_fixed_buf_slice(twice, 900, 100, &twice), 0);
	cr_assert_eq(oring_fixed_buf_slice(buf, 1000, 100, &once), 0);
	cr_assert(same(&once, &twice));
}

Test(fixed_buf, entries_hold_all_of_it)
{
	oring_fixed_buf buf = { memory + 1, 0x89abcdef, 0xfedc, 0 };
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_read_buf(&sqe, oring_file_slot(4), buf, 77);
	cr_assert_eq(sqe.opcode, ORING_OP_READ_FIXED);
	cr_assert_eq(sqe.addr, (uintptr_t)(memory + 1));
	cr_assert_eq(sqe.len, 0x89abcdef);
	cr_assert_eq(sqe.buf_index, 0xfedc);
	cr_assert_eq(sqe.off, 77);
	oring_sqe_clear(&sqe);
	oring_prep_send_buf_zc(&sqe, oring_file_fd(4), buf, MSG_MORE);
	cr_assert_eq(sqe.ioprio, ORING_RECVSEND_FIXED_BUF);
	cr_assert_eq(sqe.buf_index, 0xfedc);
	cr_assert_eq(sqe.op_flags, MSG_MORE);
}
