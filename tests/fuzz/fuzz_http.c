/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as requests of HTTP: nothing is read beyond what has come, the places of a
 * request stay in their order inside it, and the same bytes in pieces come to the same
 * answers as at once.
 */
#include "fuzz.h"
#include "../../examples/fiber/programs/http_request.h"

#include <sanitizer/asan_interface.h>

#define TEXT_MOST (2 * HTTP_IN)
#define MANY	  0xff /* the byte before it, so often: to reach the limits with short inputs */
#define OFTEN	  1000

static char text[TEXT_MOST];
static size_t text_length;

static void expand(const uint8_t *data, size_t size)
{
	size_t i, n;

	text_length = 0;
	for (i = 0; i < size; i++) {
		n = i > 0 && data[i] == MANY ? OFTEN : 1;
		if (n > TEXT_MOST - text_length)
			return;
		memset(text + text_length, data[n > 1 ? i - 1 : i], n);
		text_length += n;
	}
}

/* Lengths of pieces: 1 and more, of all magnitudes. */
static size_t next_piece(uint32_t *seed, size_t left)
{
	size_t length;

	*seed = *seed * 1103515245 + 12345;
	length = 1 + (*seed >> 8) % (1U << (*seed >> 28));
	return length < left ? length : left;
}

/* ---- a head ---- */

static unsigned int take_head(struct http_request *request, size_t length)
{
	char *bytes = malloc(length); /* of that size: reading on is found */
	unsigned int status;

	memcpy(bytes, text, length);
	status = http_take(request, bytes, (uint32_t)length);
	free(bytes);
	must(request->line <= length && request->searched <= length);
	must(request->line <= HTTP_HEAD_MAX || status == 431);
	if (request->lines > 0)
		must(request->target <= length &&
		     request->target_length <= length - request->target);
	return status;
}

static void check_head(uint32_t seed)
{
	struct http_request once = { 0 }, pieces = { 0 };
	unsigned int status = take_head(&once, text_length), now = 0;
	size_t length = 0, steps;

	for (steps = 0; now == 0 && length < text_length; steps++) {
		/* Each piece is copied with all before it: few, where there is much. */
		length +=
			steps < 64 ? next_piece(&seed, text_length - length) : text_length - length;
		now = take_head(&pieces, length);
	}
	must(now == status);
	if (status == 431) /* it may be told before the line's end is there */
		return;
	must(memcmp(&once, &pieces, sizeof(once)) == 0);
}

/* ---- a conversation ---- */

struct course {
	uint64_t answers;
	size_t length;
	size_t read; /* of the text */
	bool ended;
	char out[4 * HTTP_OUT];
};

static void add(struct course *course, const char *bytes, size_t length)
{
	must(length <= sizeof(course->out) - course->length);
	memcpy(course->out + course->length, bytes, length);
	course->length += length;
}

/* Send what is to be sent. Whether a body was waited for in words depends on the pieces. */
static void send_out(struct course *course, struct http_talk *talk)
{
	const size_t length = strlen(http_continue);
	uint32_t at;

	must(talk->done <= HTTP_OUT);
	for (at = 0; at < talk->done;) {
		if (talk->done - at >= length && memcmp(talk->out + at, http_continue, length) == 0)
			at += (uint32_t)length;
		else
			add(course, talk->out + at++, 1);
	}
	talk->done = 0;
}

static void check_places(const struct http_talk *talk)
{
	must(talk->used <= HTTP_IN && talk->begin <= talk->used);
	if (talk->place == HTTP_AT_HEAD)
		return;
	must(talk->begin <= talk->body && talk->body <= talk->body_end);
	must(talk->body_end <= talk->raw && talk->raw <= talk->used);
	must(talk->body_end - talk->body <= HTTP_BODY_MAX);
}

/* Look for a file: some are there. */
static void answer_file(struct course *course, struct http_talk *talk)
{
	size_t length = strnlen(talk->path, HTTP_PATH_MAX);

	must(length < HTTP_PATH_MAX && talk->path[0] != '/' && !http_climbs(talk->path));
	add(course, talk->path, length);
	add(course, http_file(talk, length % 2 == 0, length) ? "+" : "-", 1);
}

static void converse(struct http_talk *talk, struct course *course, bool files, uint32_t seed)
{
	enum http_step step = HTTP_READ;
	size_t n;

	http_begin(talk, files);
	course->length = course->read = 0;
	while (step != HTTP_END) {
		if (step == HTTP_READ) {
			if (course->read == text_length)
				break;
			n = HTTP_IN - talk->used;
			must(n > 0);
			n = n < text_length - course->read ? n : text_length - course->read;
			n = seed != 0 ? next_piece(&seed, n) : n;
			memcpy(talk->in + talk->used, text + course->read, n);
			talk->used += (uint32_t)n;
			course->read += n;
		}
		/* What has not come is not to be looked at. */
		ASAN_POISON_MEMORY_REGION(talk->in + talk->used, HTTP_IN - talk->used);
		step = http_step(talk);
		ASAN_UNPOISON_MEMORY_REGION(talk->in, HTTP_IN);
		check_places(talk);
		must(step != HTTP_WRITE || talk->done > 0); /* else it stood still */
		if (step == HTTP_FILE) {
			send_out(course, talk); /* what comes before it */
			answer_file(course, talk);
			step = HTTP_WRITE; /* go on with what is there */
		}
		if (seed != 0 || step != HTTP_READ)
			send_out(course, talk);
	}
	send_out(course, talk);
	course->ended = step == HTTP_END;
	if (!course->ended) {
		bool quiet = http_is_quiet(talk);

		must(http_late(talk) == !quiet);
		send_out(course, talk);
	}
	course->answers = talk->answers;
}

static void check_talk(bool files, uint32_t seed)
{
	static struct course once, pieces;
	struct http_talk *talk = malloc(sizeof(*talk));

	converse(talk, &once, files, 0);
	converse(talk, &pieces, files, seed | 1);
	free(talk);
	must(once.answers == pieces.answers && once.ended == pieces.ended);
	must(once.length == pieces.length && memcmp(once.out, pieces.out, once.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t kind = take(&in, 1);
	uint32_t seed = (uint32_t)take(&in, 1);

	expand(in.data, in.left);
	if (kind % 4 == 0)
		check_head(seed);
	else
		check_talk(kind & 2, seed);
	return 0;
}
