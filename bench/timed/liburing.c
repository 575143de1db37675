/* SPDX-License-Identifier: MIT */
/* Which liburing this is. */
#include "liburing_ring.h"

const char *bench_liburing_version(void)
{
#ifdef BENCH_LIBURING
	return BENCH_LIBURING_VERSION;
#else
	return NULL;
#endif
}
