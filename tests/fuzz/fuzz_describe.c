/* SPDX-License-Identifier: MIT */
/* Any entry and any completion, in any room: nothing is written beyond it, and the text ends. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	enum oring_form form = take(&in, 1) & 1 ? ORING_LINES : ORING_ONE_LINE;
	size_t room = take(&in, 2) & 1023, i;
	char *text = malloc(room); /* of that size: writing on is found */
	struct oring_sqe sqe;
	struct oring_cqe cqe;
	size_t length[2];

	for (i = 0; i < sizeof(sqe); i++)
		((unsigned char *)&sqe)[i] = (unsigned char)take(&in, 1);
	for (i = 0; i < sizeof(cqe); i++)
		((unsigned char *)&cqe)[i] = (unsigned char)take(&in, 1);
	length[0] = oring_describe_sqe(&sqe, form, text, room);
	if (room > 0)
		must(strlen(text) == (length[0] < room ? length[0] : room - 1));
	length[1] = oring_describe_cqe(&cqe, form, text, room);
	if (room > 0)
		must(strlen(text) == (length[1] < room ? length[1] : room - 1));
	free(text);
	return 0;
}
