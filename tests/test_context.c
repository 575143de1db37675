/* SPDX-License-Identifier: MIT */
/* Identity: what is packed comes back, and nothing that does not fit is masked. */
#include "harness.h"

#define FD_MAX ((1 << 29) - 1)
#define FD_MIN (-(1 << 29))

Test(context, direct_round_trips_at_the_extremes)
{
	/* A1, A2 */
	static const int fds[] = { 0, 1, -1, ORING_AT_FDCWD, FD_MAX, FD_MIN, 4711 };
	static const unsigned int ops[] = { 0, 1, 62, 64, 255 };
	static const unsigned int flags[] = { 0, 0x7e, 0xfe, ORING_SQE_IO_LINK };
	static const unsigned int tags[] = { 0, 1, 0x8000, 0xffff };
	size_t o, f, t, d;

	for (o = 0; o < 5; o++)
		for (f = 0; f < 4; f++)
			for (t = 0; t < 4; t++)
				for (d = 0; d < 7; d++) {
					oring_context ctx;

					cr_assert_eq(oring_context_direct(
							     (uint8_t)ops[o], (uint8_t)flags[f],
							     (uint16_t)tags[t],
							     oring_file_fd(fds[d]), &ctx),
						     0);
					cr_assert_eq(oring_context_kind_of(ctx),
						     ORING_CONTEXT_DIRECT);
					cr_assert_eq(oring_context_op(ctx), ops[o]);
					cr_assert_eq(oring_context_flags(ctx), flags[f]);
					cr_assert_eq(oring_context_tag(ctx), tags[t]);
					cr_assert_eq(oring_context_file(ctx).bits,
						     oring_file_fd(fds[d]).bits);
				}
}

Test(context, direct_keeps_slots_apart_from_descriptors)
{
	oring_context ctx;

	cr_assert_eq(oring_context_direct(22, 0, 9, oring_file_slot(7), &ctx), 0);
	cr_assert(oring_file_is_slot(oring_context_file(ctx)));
	cr_assert_eq(oring_file_value(oring_context_file(ctx)), 7);
	cr_assert_eq(oring_context_flags(ctx), ORING_SQE_FIXED_FILE);
	/* The flag follows the file, whatever was passed. */
	cr_assert_eq(oring_context_direct(22, 0xff, 9, oring_file_fd(7), &ctx), 0);
	cr_assert_eq(oring_context_file(ctx).bits, oring_file_fd(7).bits);
	cr_assert_eq(oring_context_flags(ctx), 0xfe);
}

Test(context, direct_refuses_what_does_not_fit)
{
	static const int bad[] = { FD_MAX + 1, FD_MIN - 1, INT32_MAX, INT32_MIN };
	oring_context ctx = oring_context_from_bits(42);
	size_t i;

	for (i = 0; i < 4; i++)
		cr_assert_eq(oring_context_direct(1, 2, 3, oring_file_fd(bad[i]), &ctx), -ERANGE);
	cr_assert_eq(oring_context_direct(1, 2, 3, oring_file_slot(1U << 29), &ctx), -ERANGE);
	cr_assert_eq(ctx.bits, 42, "untouched on error");
}

Test(context, pointers_are_untouched)
{
	static int object;
	uint64_t tagged = (uint64_t)(uintptr_t)&object | 0xab00000000000000;
	oring_context ctx = oring_context_pointer(&object);

	cr_assert_eq(ctx.bits, (uintptr_t)&object);
	cr_assert_eq(oring_context_kind_of(ctx), ORING_CONTEXT_POINTER);
	cr_assert_eq(oring_context_to_pointer(ctx), &object);
	ctx = oring_context_from_bits(tagged); /* memory tags live in the top byte */
	cr_assert_eq(oring_context_kind_of(ctx), ORING_CONTEXT_POINTER);
	cr_assert_eq((uintptr_t)oring_context_to_pointer(ctx), tagged);
	cr_assert_null(oring_context_to_pointer(oring_context_from_bits(tagged | 1)));
	cr_assert_null(oring_context_to_pointer(oring_context_from_bits(0)));
}

Test(context, handles_round_trip)
{
	static const uint32_t indices[] = { 0, 1, 0x123456, 0xffffff };
	static const uint32_t generations[] = { 0, 1, 0x2aaaaaaa, 0x3fffffff };
	size_t i, g;

	for (i = 0; i < 4; i++)
		for (g = 0; g < 4; g++) {
			oring_context ctx = oring_context_handle(27, indices[i], generations[g]);

			cr_assert_eq(oring_context_kind_of(ctx), ORING_CONTEXT_HANDLE);
			cr_assert_eq(oring_context_op(ctx), 27);
			cr_assert_eq(oring_context_index(ctx), indices[i]);
			cr_assert_eq(oring_context_generation(ctx), generations[g]);
		}
}

Test(context, op_can_be_changed)
{
	oring_context ctx = oring_context_handle(27, 0xffffff, 0x3fffffff);

	ctx = oring_context_with_op(ctx, 0);
	cr_assert_eq(oring_context_op(ctx), 0);
	cr_assert_eq(oring_context_with_op(ctx, 27).bits,
		     oring_context_handle(27, 0xffffff, 0x3fffffff).bits);
}

Test(context, caller_values_have_62_bits)
{
	static const uint64_t values[] = { 0, 1, 0x3fffffffffffffff, 0x2aaaaaaaaaaaaaaa };
	oring_context ctx;
	size_t i;

	for (i = 0; i < 4; i++) {
		cr_assert_eq(oring_context_caller(values[i], &ctx), 0);
		cr_assert_eq(oring_context_kind_of(ctx), ORING_CONTEXT_CALLER);
		cr_assert_eq(oring_context_value(ctx), values[i]);
	}
	cr_assert_eq(oring_context_caller(0x4000000000000000, &ctx), -ERANGE);
}

Test(context, foreign_values_are_decoded_without_a_look_at_memory)
{
	/* A6: any 64 bits, every accessor; a pointer followed here would fault. */
	uint64_t bits = 0x9e3779b97f4a7c15;
	int i;

	for (i = 0; i < 100000; i++) {
		oring_context ctx = oring_context_from_bits(bits);
		uint64_t sum = oring_context_op(ctx) + oring_context_flags(ctx) +
			       oring_context_tag(ctx) + oring_context_file(ctx).bits +
			       oring_context_index(ctx) + oring_context_generation(ctx) +
			       oring_context_value(ctx) + (uintptr_t)oring_context_to_pointer(ctx) +
			       oring_context_kind_of(ctx);

		cr_assert_eq(oring_context_bits(ctx), bits);
		bits = bits * 6364136223846793005 + (sum & 1) * 2 + 1;
	}
}
