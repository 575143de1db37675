/* SPDX-License-Identifier: MIT */
/* The layout of received messages. */
#include "oring/message.h"

/* As in recvmsg(2), MSG_TRUNC: unless it was asked for, payloadlen does not tell of what was cut. */
#define TRUNCATED 0x20U

/* Messages need not be aligned: in incremental buffers they lie one after the other. */
static void take(void *to, const unsigned char *from, size_t length)
{
	unsigned char *bytes = (unsigned char *)to;
	size_t i;

	for (i = 0; i < length; i++)
		bytes[i] = from[i];
}

static uint32_t at_most(uint32_t length, size_t room)
{
	return length > room ? (uint32_t)room : length;
}

int oring_message_parse(const void *data, size_t length, size_t name_room, size_t control_room,
			struct oring_message *message)
{
	const unsigned char *at = (const unsigned char *)data;
	struct oring_recvmsg_out out;
	size_t payload;

	if (length < sizeof(out) || length - sizeof(out) < name_room ||
	    length - sizeof(out) - name_room < control_room)
		return -ORING_EINVAL;
	take(&out, at, sizeof(out));
	payload = length - sizeof(out) - name_room - control_room;
	message->name = at + sizeof(out);
	message->name_cut = out.namelen > name_room;
	message->name_length = at_most(out.namelen, name_room);
	message->control = message->name + name_room;
	message->control_length = at_most(out.controllen, control_room);
	message->payload = message->control + control_room;
	message->payload_cut = (out.flags & TRUNCATED) != 0 || out.payloadlen > payload;
	message->payload_length = at_most(out.payloadlen, payload);
	message->flags = out.flags;
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
	size_t left;

	if (*cursor > message->control_length)
		return false;
	left = message->control_length - *cursor;
	if (left < sizeof(header))
		return false;
	take(&header, message->control + *cursor, sizeof(header));
	if (header.length < sizeof(header) || header.length > left)
		return false;
	control->level = header.level;
	control->type = header.type;
	control->data = message->control + *cursor + sizeof(header);
	control->length = header.length - sizeof(header);
	*cursor += (header.length + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1);
	return true;
}
