/* SPDX-License-Identifier: MIT */
/*
 * dns_packet.h - questions and answers of the Domain Name System as bytes (RFC 1035)
 *
 * Pure functions without allocation. Nothing of a message is believed before it was checked: no
 * byte beyond its length is read, and whatever it says, the work is bounded by its length.
 */
#ifndef DNS_PACKET_H
#define DNS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DNS_HEADER	 12
#define DNS_NAME_MOST	 255 /* bytes on the wire, with the zero at the end */
#define DNS_LABEL_MOST	 63
#define DNS_TEXT_MOST	 1024 /* a name's worst text: \DDD for each byte */
#define DNS_QUERY_MOST	 (DNS_HEADER + DNS_NAME_MOST + 4)
#define DNS_UDP_MOST	 512
#define DNS_TCP_MOST	 65535
#define DNS_JUMPS_MOST	 64 /* compression pointers in one name */
#define DNS_CLASS	 1  /* the Internet */
#define DNS_RESPONSE	 0x8000
#define DNS_OPCODE	 0x7800
#define DNS_TRUNCATION	 0x0200
#define DNS_RECURSE	 0x0100
#define DNS_RCODE	 0x000f
#define DNS_SERVFAIL	 2
#define DNS_NXDOMAIN	 3
#define DNS_REVERSE_MOST 80 /* text of ip6.arpa names, and the zero */

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_AAAA = 28
};

/* Labels with their lengths before them, an empty one last. */
struct dns_name {
	size_t length;
	uint8_t bytes[DNS_NAME_MOST];
};

struct dns_record {
	struct dns_name owner;
	uint16_t type, class;
	size_t data; /* where it begins in the message */
	size_t data_length;
};

/* The answers of a message that are still to be read. */
struct dns_answers {
	const uint8_t *bytes;
	size_t length, at;
	uint32_t left;
};

static inline uint16_t dns_get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void dns_put16(uint8_t *bytes, unsigned int value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

/* ---- names ---- */

/** dns_name_parse - "www.example.org", with or without a dot at its end. False: it cannot be a name. */
static inline bool dns_name_parse(const char *text, struct dns_name *name)
{
	name->length = 0;
	while (*text != '\0') {
		size_t label = strcspn(text, ".");

		if (label == 0 || label > DNS_LABEL_MOST ||
		    name->length + 1 + label >= DNS_NAME_MOST)
			return false;
		name->bytes[name->length++] = (uint8_t)label;
		memcpy(name->bytes + name->length, text, label);
		name->length += label;
		text += label + (text[label] == '.');
	}
	name->bytes[name->length++] = 0;
	return name->length > 1;
}

/** dns_name_text - what can be shown of @name: other bytes than plain ones become \DDD. */
static inline void dns_name_text(const struct dns_name *name, char text[DNS_TEXT_MOST])
{
	char *to = text;
	size_t at = 0, i;

	while (name->bytes[at] != 0) {
		size_t label = name->bytes[at++];

		if (to != text)
			*to++ = '.';
		for (i = 0; i < label; i++) {
			uint8_t byte = name->bytes[at + i];

			if (byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\')
				*to++ = (char)byte;
			else
				to += sprintf(to, "\\%03u", byte);
		}
		at += label;
	}
	if (to == text)
		*to++ = '.';
	*to = '\0';
}

static inline uint8_t dns_lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

/** dns_name_equal - upper and lower case are the same. (Lengths of labels are below 'A'.) */
static inline bool dns_name_equal(const struct dns_name *one, const struct dns_name *other)
{
	size_t i;

	if (one->length != other->length)
		return false;
	for (i = 0; i < one->length; i++)
		if (dns_lower(one->bytes[i]) != dns_lower(other->bytes[i]))
			return false;
	return true;
}

/** dns_reverse - the name that the PTR of an address of 4 or 16 bytes has. */
static inline void dns_reverse(const uint8_t *address, size_t n, char text[DNS_REVERSE_MOST])
{
	size_t i;

	for (i = n; i-- > 0;)
		text += n == 4 ? sprintf(text, "%u.", address[i])
			       : sprintf(text, "%x.%x.", address[i] & 15, address[i] >> 4);
	strcpy(text, n == 4 ? "in-addr.arpa" : "ip6.arpa");
}

/**
 * dns_name_read - the name at *@at, moved behind it
 *
 * A pointer leads to what came before the part that ends with it, never on or ahead: no loops.
 * Return: false: it is none, or reaches out of the message.
 */
static inline bool dns_name_read(const uint8_t *bytes, size_t length, size_t *at,
				 struct dns_name *name)
{
	size_t here = *at, before = *at, jumps = 0, label;

	name->length = 0;
	do {
		if (here >= length)
			return false;
		label = bytes[here];
		if (label >= 0xc0) {
			if (length - here < 2)
				return false;
			if (jumps++ == 0)
				*at = here + 2;
			here = dns_get16(bytes + here) & 0x3fff;
			if (here >= before || jumps > DNS_JUMPS_MOST)
				return false;
			before = here;
			continue;
		}
		if (label > DNS_LABEL_MOST || label >= length - here ||
		    name->length + 1 + label > DNS_NAME_MOST)
			return false;
		memcpy(name->bytes + name->length, bytes + here, 1 + label);
		name->length += 1 + label;
		here += 1 + label;
	} while (label != 0);
	if (jumps == 0)
		*at = here;
	return true;
}

/* ---- messages ---- */

/** dns_query - a question, recursion desired. Return: its length. */
static inline size_t dns_query(uint8_t to[DNS_QUERY_MOST], uint16_t id, const struct dns_name *name,
			       uint16_t type)
{
	memset(to, 0, DNS_HEADER);
	dns_put16(to, id);
	dns_put16(to + 2, DNS_RECURSE);
	dns_put16(to + 4, 1);
	memcpy(to + DNS_HEADER, name->bytes, name->length);
	dns_put16(to + DNS_HEADER + name->length, type);
	dns_put16(to + DNS_HEADER + name->length + 2, DNS_CLASS);
	return DNS_HEADER + name->length + 4;
}

/**
 * dns_answers_begin - whether a message is the answer to this very question
 * @answers: receives the way to its records
 */
static inline bool dns_answers_begin(struct dns_answers *answers, const uint8_t *bytes,
				     size_t length, uint16_t id, const struct dns_name *name,
				     uint16_t type)
{
	size_t at = DNS_HEADER;
	struct dns_name asked;

	if (length < DNS_HEADER || dns_get16(bytes) != id ||
	    (dns_get16(bytes + 2) & (DNS_RESPONSE | DNS_OPCODE)) != DNS_RESPONSE ||
	    dns_get16(bytes + 4) != 1)
		return false;
	if (!dns_name_read(bytes, length, &at, &asked) || length - at < 4 ||
	    !dns_name_equal(&asked, name) || dns_get16(bytes + at) != type ||
	    dns_get16(bytes + at + 2) != DNS_CLASS)
		return false;
	answers->bytes = bytes;
	answers->length = length;
	answers->at = at + 4;
	answers->left = dns_get16(bytes + 6);
	return true;
}

static inline bool dns_is_truncated(const struct dns_answers *answers)
{
	return (dns_get16(answers->bytes + 2) & DNS_TRUNCATION) != 0;
}

static inline uint8_t dns_code(const struct dns_answers *answers)
{
	return dns_get16(answers->bytes + 2) & DNS_RCODE;
}

/** dns_record_name - the name that is the data of a CNAME or a PTR; it fills them exactly. */
static inline bool dns_record_name(const struct dns_answers *answers,
				   const struct dns_record *record, struct dns_name *name)
{
	size_t at = record->data, end = record->data + record->data_length;

	return dns_name_read(answers->bytes, end, &at, name) && at == end;
}

static inline bool dns_record_is_good(const struct dns_answers *answers,
				      const struct dns_record *record)
{
	struct dns_name name;

	if (record->class != DNS_CLASS)
		return true;
	switch (record->type) {
	case DNS_A:
		return record->data_length == 4;
	case DNS_AAAA:
		return record->data_length == 16;
	case DNS_CNAME:
	case DNS_PTR:
		return dns_record_name(answers, record, &name);
	default:
		return true;
	}
}

/** dns_answers_next - the next record. Return: 1; 0 at the end; -1: it is not what it says it is. */
static inline int dns_answers_next(struct dns_answers *answers, struct dns_record *record)
{
	const uint8_t *fixed;

	if (answers->left == 0)
		return 0;
	if (!dns_name_read(answers->bytes, answers->length, &answers->at, &record->owner) ||
	    answers->length - answers->at < 10)
		return -1;
	fixed = answers->bytes + answers->at; /* type, class, time to live, length of the data */
	record->type = dns_get16(fixed);
	record->class = dns_get16(fixed + 2);
	record->data = answers->at + 10;
	record->data_length = dns_get16(fixed + 8);
	if (record->data_length > answers->length - record->data)
		return -1;
	answers->at = record->data + record->data_length;
	answers->left--;
	return dns_record_is_good(answers, record) ? 1 : -1;
}

/** dns_answers_are_good - whether all records are what they say they are. */
static inline bool dns_answers_are_good(struct dns_answers answers)
{
	struct dns_record record;
	int ret;

	do
		ret = dns_answers_next(&answers, &record);
	while (ret > 0);
	return ret == 0;
}

/** dns_answers_find - the next record of @name and @type. */
static inline bool dns_answers_find(struct dns_answers *answers, const struct dns_name *name,
				    uint16_t type, struct dns_record *record)
{
	while (dns_answers_next(answers, record) > 0)
		if (record->class == DNS_CLASS && record->type == type &&
		    dns_name_equal(&record->owner, name))
			return true;
	return false;
}

#endif
