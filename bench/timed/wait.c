/* SPDX-License-Identifier: MIT */
#include "bench.h"

const struct bench *const bench_wait[] = { NULL };
