/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: numbers out of the input, and a condition that must hold. */
#ifndef ORING_TESTS_FUZZ_H
#define ORING_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oring.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t left;
};

/* The next @n bytes as a number; zeros when there are none left. */
static inline uint64_t take(struct input *in, size_t n)
{
	uint64_t value = 0;
	size_t have = n < in->left ? n : in->left;

	memcpy(&value, in->data, have);
	in->data += have;
	in->left -= have;
	return value;
}

/* Says which line, since the traces of inlined functions do not. */
#define must(holds) must_hold((holds) != 0, #holds, __LINE__)

static inline void must_hold(int holds, const char *what, int line)
{
	if (holds)
		return;
	fprintf(stderr, "line %d: this does not hold: %s\n", line, what);
	abort();
}

#endif
