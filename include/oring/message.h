/* SPDX-License-Identifier: MIT */
/**
 * message.h - what oring_prep_recvmsg_multishot() puts into a provided buffer
 *
 * A header, room for the sender's address, room for control data, the payload.
 * Both rooms are as large as the msghdr of the request said; messages need not
 * be aligned. Pure: nothing is read beyond the bytes that the completion tells of.
 * Descriptors that came as control data (SCM_RIGHTS) are open, wanted or not.
 */
#ifndef ORING_MESSAGE_H
#define ORING_MESSAGE_H

#include "abi.h"

ORING_BEGIN_DECLS

struct oring_message {
	const unsigned char *name;    /* a struct sockaddr_*; as far as there was room */
	const unsigned char *control; /* for oring_message_control() */
	const unsigned char *payload;
	uint32_t name_length;
	uint32_t control_length;
	uint32_t payload_length;
	uint32_t flags;	  /* msg_flags, as of recvmsg(2): MSG_TRUNC, MSG_CTRUNC... */
	bool name_cut;	  /* the address is longer; with no room at all nothing tells */
	bool payload_cut; /* the datagram was longer than the buffer (MSG_TRUNC) */
};

/**
 * oring_message_parse - find the parts of a received message
 * @data, @length: the piece of the completion: its buffer, and its result
 * @name_room, @control_room: msg_namelen and msg_controllen of the request
 *
 * Return: 0; -EINVAL if the parts do not fit into @length: the rooms are not
 * those of the request. Threads: any.
 */
ORING_API int oring_message_parse(const void *data, size_t length, size_t name_room,
				  size_t control_room, struct oring_message *message);

/* One control message, as between CMSG_FIRSTHDR() and CMSG_NXTHDR(). */
struct oring_control {
	int32_t level;
	int32_t type;
	const unsigned char *data;
	size_t length;
};

/**
 * oring_message_control - the next control message
 * @cursor: 0 at first
 *
 * Return: true; false at the end, or where what follows is no control message.
 * Threads: any.
 */
ORING_API bool oring_message_control(const struct oring_message *message, size_t *cursor,
				     struct oring_control *control);

ORING_END_DECLS

#endif
