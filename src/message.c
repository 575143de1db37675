/* SPDX-License-Identifier: MIT */
/* The layout of received messages. */
#include "oring/message.h"

int oring_message_parse(const void *data, size_t length, size_t name_room, size_t control_room,
			struct oring_message *message)
{
	const unsigned char *at = (const unsigned char *)data;
	const struct oring_recvmsg_out *out = (const struct oring_recvmsg_out *)data;
	size_t payload;

	if (length < sizeof(*out) || length - sizeof(*out) < name_room ||
	    length - sizeof(*out) - name_room < control_room)
		return -ORING_EINVAL;
	payload = length - sizeof(*out) - name_room - control_room;
	message->name = at + sizeof(*out);
	message->name_cut = out->namelen > name_room;
	message->name_length = message->name_cut ? (uint32_t)name_room : out->namelen;
	message->control = message->name + name_room;
	message->control_length =
		out->controllen > control_room ? (uint32_t)control_room : out->controllen;
	message->payload = message->control + control_room;
	message->payload_cut = out->payloadlen > payload;
	message->payload_length = message->payload_cut ? (uint32_t)payload : out->payloadlen;
	message->flags = out->flags;
	return 0;
}

/* struct cmsghdr: a length that counts the header, a level, a type; then aligned to a word. */
struct control_header {
	size_t length;
	int32_t level;
	int32_t type;
};

bool oring_message_control(const struct oring_message *message, size_t *cursor,
			   struct oring_control *control)
{
	struct control_header header;
	unsigned char *to = (unsigned char *)&header;
	size_t left, i;

	if (*cursor > message->control_length)
		return false;
	left = message->control_length - *cursor;
	if (left < sizeof(header))
		return false;
	/* Buffers need not be aligned. */
	for (i = 0; i < sizeof(header); i++)
		to[i] = message->control[*cursor + i];
	if (header.length < sizeof(header) || header.length > left)
		return false;
	control->level = header.level;
	control->type = header.type;
	control->data = message->control + *cursor + sizeof(header);
	control->length = header.length - sizeof(header);
	*cursor += (header.length + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1);
	return true;
}
