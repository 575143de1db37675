/* SPDX-License-Identifier: MIT */
/*
 * The inline functions of the headers, as symbols of the library: for callers
 * that were not inlined, and for languages that cannot inline C.
 */
#define ORING_EMIT_INLINE
#include "oring.h"
