/* SPDX-License-Identifier: MIT */
/* What zcrx.c lends to the explanations in zcrx_why.c. */
#ifndef ORING_SRC_ZCRX_INSIDE_H
#define ORING_SRC_ZCRX_INSIDE_H

#include "oring/zcrx.h"

/* Whether parameters make sense on any kernel. */
bool oring_zcrx_params_do(const struct oring_zcrx_params *params);

void oring_zcrx_clear(void *memory, size_t bytes);

#endif
