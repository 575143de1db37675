/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an answer of the Domain Name System: nothing is read beyond them, and what is
 * taken for a name or a record is one.
 */
#include "fuzz.h"
#include "../../examples/fiber/programs/dns_packet.h"

#define ID 0x4142

/* Labels up to the empty one, which is where the length says. */
static void check_name(const struct dns_name *name)
{
	char text[DNS_TEXT_MOST];
	size_t at = 0;

	must(name->length > 0 && name->length <= DNS_NAME_MOST);
	while (name->bytes[at] != 0) {
		must(name->bytes[at] <= DNS_LABEL_MOST);
		at += 1 + (size_t)name->bytes[at];
		must(at < name->length);
	}
	must(at + 1 == name->length);
	must(dns_name_equal(name, name));
	dns_name_text(name, text);
	must(strlen(text) < DNS_TEXT_MOST);
}

static void check_records(struct dns_answers answers)
{
	struct dns_answers from = answers, search;
	struct dns_record record, again;
	struct dns_name name;
	size_t steps = 0;
	int ret;

	while ((ret = dns_answers_next(&answers, &record)) > 0) {
		must(++steps <= answers.length);
		check_name(&record.owner);
		must(record.data <= answers.length &&
		     record.data_length <= answers.length - record.data);
		if (dns_record_name(&answers, &record, &name))
			check_name(&name);
		else
			must(record.class != DNS_CLASS ||
			     (record.type != DNS_CNAME && record.type != DNS_PTR));
		search = from;
		if (record.class == DNS_CLASS)
			must(dns_answers_find(&search, &record.owner, record.type, &again));
	}
	must(dns_answers_are_good(from) == (ret == 0));
}

/* A text that is a name comes back as one that is the same. */
static void check_text(struct input *in)
{
	char text[300], back[DNS_TEXT_MOST];
	size_t length = in->left < sizeof(text) - 1 ? in->left : sizeof(text) - 1;
	struct dns_name name, other;

	memcpy(text, in->data, length);
	text[length] = '\0';
	if (!dns_name_parse(text, &name))
		return;
	check_name(&name);
	dns_name_text(&name, back);
	if (strchr(back, '\\') == NULL)
		must(dns_name_parse(back, &other) && dns_name_equal(&name, &other));
}

/* @in behind a header and a question that are what was asked for; or @in alone. */
static void check_message(struct input *in, bool whole, const struct dns_name *name, uint16_t type)
{
	size_t head = whole ? 0 : DNS_HEADER + name->length + 4;
	uint16_t count = whole ? 0 : (uint16_t)take(in, 1);
	uint8_t *bytes = malloc(head + in->left); /* of that size: reading on is found */
	uint8_t query[DNS_QUERY_MOST];
	struct dns_answers answers;

	must(dns_query(query, ID, name, type) == DNS_HEADER + name->length + 4);
	dns_put16(query + 2, DNS_RESPONSE);
	dns_put16(query + 6, count);
	memcpy(bytes, query, head);
	memcpy(bytes + head, in->data, in->left);
	if (dns_answers_begin(&answers, bytes, head + in->left, ID, name, type))
		check_records(answers);
	else
		must(whole);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t kind = take(&in, 1);
	struct dns_name name;

	must(dns_name_parse("a.bc", &name));
	if (kind % 4 == 0)
		check_text(&in);
	else
		check_message(&in, kind % 4 == 1, &name, kind & 16 ? DNS_PTR : DNS_A);
	return 0;
}
