/* SPDX-License-Identifier: MIT */
/* Any 64 bits as a context, any entry to make one from: decoding follows nothing, and packing keeps all. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t bits = take(&in, 8);
	oring_context context = oring_context_from_bits(bits), made;
	struct oring_sqe sqe, *record;
	struct oring_pool pool;
	static _Alignas(64) uint64_t memory[8192];
	size_t i;

	must(oring_context_bits(context) == bits);
	(void)oring_context_kind_of(context);
	(void)oring_context_op(context);
	(void)oring_context_file(context);
	if (oring_context_direct((uint8_t)take(&in, 1), (uint8_t)take(&in, 1),
				 (uint16_t)take(&in, 2), oring_file_fd((int32_t)take(&in, 4)),
				 &made) == 0)
		must(oring_context_kind_of(made) == ORING_CONTEXT_DIRECT);
	for (i = 0; i < sizeof(sqe); i++)
		((unsigned char *)&sqe)[i] = (unsigned char)take(&in, 1);
	(void)oring_sqe_check(&sqe);
	(void)oring_sqe_set_direct(&sqe);
	must(oring_pool_init(&pool, memory, sizeof(memory), 16, 0) == 0);
	record = oring_pool_lookup(&pool, context);
	must(record == NULL);
	return 0;
}
