/* SPDX-License-Identifier: MIT */
/* Any bytes as a received message: nothing is read beyond them, and all parts lie inside. */
#include "fuzz.h"

static void inside(const unsigned char *part, size_t length, const unsigned char *all, size_t size)
{
	must(part >= all && length <= size && (size_t)(part - all) <= size - length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	size_t name_room = take(&in, 1), control_room = take(&in, 2);
	unsigned char *bytes = malloc(in.left); /* of that size: reading on is found */
	struct oring_control control;
	struct oring_message message;
	size_t length = in.left, cursor = 0, steps = 0;

	memcpy(bytes, in.data, length);
	if (oring_message_parse(bytes, length, name_room, control_room, &message) == 0) {
		inside(message.name, message.name_length, bytes, length);
		inside(message.control, message.control_length, bytes, length);
		inside(message.payload, message.payload_length, bytes, length);
		must(message.name_length <= name_room && message.control_length <= control_room);
		while (oring_message_control(&message, &cursor, &control)) {
			inside(control.data, control.length, message.control,
			       message.control_length);
			must(++steps <= length);
		}
	}
	free(bytes);
	return 0;
}
