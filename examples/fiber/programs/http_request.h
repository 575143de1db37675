/* SPDX-License-Identifier: MIT */
/*
 * http_request.h - a conversation in HTTP/1.1: bytes in, answers out, a path now and then
 *
 * Nothing of rings or sockets here, and no allocation: http.c and http_epoll.c are the same
 * server by it. Heads are read by proactor_http.h; here are bodies, pipelines and paths.
 *
 *	bring bytes to talk->in + talk->used; then, until it wants more,
 *	switch (http_step(talk)) { ... }
 *
 * GET and HEAD are for files; where none are served, for a line at /. POST is answered
 * with its body.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stddef.h>

#include "../../proactor_http.h"

#define HTTP_BODY_MAX 65536
#define HTTP_LINE_MAX 256  /* of what frames chunks */
#define HTTP_LINES    64   /* of a trailer */
#define HTTP_PATH_MAX 1024 /* with its end */
#define HTTP_IN	      (HTTP_HEAD_MAX + HTTP_BODY_MAX + 8192)
#define HTTP_OUT      (HTTP_ANSWER_MAX + HTTP_BODY_MAX + 8192)

static const char http_continue[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* What comes next in the input. */
enum http_place {
	HTTP_AT_HEAD,
	HTTP_AT_BODY,
	HTTP_AT_SIZE, /* of a chunk */
	HTTP_AT_DATA,
	HTTP_AT_DATA_END,
	HTTP_AT_TRAILER,
	HTTP_AT_ANSWER /* all of the request is there */
};

/* What the server has to do. */
enum http_step {
	HTTP_READ,  /* send what is to be sent, and bring more */
	HTTP_WRITE, /* send it: there is no room for more */
	HTTP_FILE,  /* look for talk->path, then http_file() */
	HTTP_END    /* send it, and end */
};

struct http_talk {
	struct http_request request;
	enum http_place place;
	bool files; /* the caller's: there are some */
	bool last;  /* nothing is answered any more */
	unsigned int trailers;
	uint32_t begin;	    /* of the request, in the input */
	uint32_t body, raw; /* body: from its head's end to body_end; raw: not yet decoded */
	uint32_t body_end;
	uint32_t left; /* of a body, or of a chunk */
	uint32_t used; /* of in: the caller adds to it */
	uint32_t done; /* of out: the caller empties it */
	uint64_t answers;
	char path[HTTP_PATH_MAX];
	char in[HTTP_IN];
	char out[HTTP_OUT];
};

static void http_begin(struct http_talk *talk, bool files)
{
	memset(talk, 0, offsetof(struct http_talk, path));
	talk->files = files;
}

/* It is silent, and nothing of a request has come: there is nobody to be answered. */
static bool http_is_quiet(const struct http_talk *talk)
{
	return talk->place == HTTP_AT_HEAD && talk->used == talk->begin;
}

/* ---- answers ---- */

static void http_next(struct http_talk *talk, uint32_t end)
{
	talk->answers++;
	talk->begin = end;
	talk->place = HTTP_AT_HEAD;
	memset(&talk->request, 0, sizeof(talk->request));
}

/* An answer of few words, and the next request; or none, after an error of what frames it. */
static enum http_step http_say(struct http_talk *talk, unsigned int status)
{
	talk->last =
		(status != 200 && status != 404 && status != 405) || http_is_last(&talk->request);
	talk->done += http_answer(&talk->request, status, talk->last, talk->out + talk->done);
	http_next(talk, talk->raw);
	return talk->last ? HTTP_END : HTTP_READ;
}

static void http_echo(struct http_talk *talk)
{
	uint32_t length = talk->body_end - talk->body;

	talk->last = http_is_last(&talk->request);
	talk->done +=
		http_answer_head(&talk->request, 200, length, talk->last, talk->out + talk->done);
	memcpy(talk->out + talk->done, talk->in + talk->body, length);
	talk->done += length;
	http_next(talk, talk->raw);
}

/**
 * http_file - answer HTTP_FILE: @size bytes follow, which the caller sends; or there is no such file
 *
 * Return: whether they are to be sent: not for HEAD.
 */
static bool http_file(struct http_talk *talk, bool there, size_t size)
{
	bool wanted = there && talk->request.method == HTTP_GET;

	if (!there) {
		http_say(talk, 404);
		return false;
	}
	talk->last = http_is_last(&talk->request);
	talk->done +=
		http_answer_head(&talk->request, 200, size, talk->last, talk->out + talk->done);
	http_next(talk, talk->raw);
	return wanted;
}

/** http_late - the limit of time is over. Return: whether there is an answer to that. */
static bool http_late(struct http_talk *talk)
{
	if (talk->last || http_is_quiet(talk) || HTTP_OUT - talk->done < HTTP_ANSWER_MAX)
		return false;
	http_say(talk, 408);
	return true;
}

/* ---- paths ---- */

static int http_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Take a character off @text, %41 for A. Return: it; -1: there cannot be such. */
static int http_character(struct http_text *text)
{
	int high, low, value = (unsigned char)*text->begin++;

	if (value != '%')
		return value;
	if (http_length(*text) < 2)
		return -1;
	high = http_digit(*text->begin++);
	low = http_digit(*text->begin++);
	value = high * 16 + low;
	return high < 0 || low < 0 || value < ' ' || value == 0x7f ? -1 : value;
}

/* Whether a part of @path is "..". Who opens it does not leave his folder either: two walls. */
static bool http_climbs(const char *path)
{
	while (path != NULL) {
		path += *path == '/';
		if (strncmp(path, "..", 2) == 0 && (path[2] == '/' || path[2] == '\0'))
			return true;
		path = strchr(path, '/');
	}
	return false;
}

/* The target's path, relative to the folder of all files. Return: 200, 400, 404. */
static unsigned int http_path(struct http_talk *talk)
{
	const char *data = talk->in + talk->begin + talk->request.target;
	struct http_text text = { data, data + talk->request.target_length }, before;
	static const char scheme[] = "http://", index[] = "index.html";
	size_t length = 0;

	if (http_split(&text, '?', &before))
		text = before;
	if (http_length(text) >= strlen(scheme) &&
	    strncasecmp(text.begin, scheme, strlen(scheme)) == 0) {
		text.begin += strlen(scheme);
		while (text.begin < text.end && *text.begin != '/')
			text.begin++;
	} else if (*data != '/') {
		return 400;
	}
	while (text.begin < text.end && *text.begin == '/')
		text.begin++;
	while (text.begin < text.end) {
		int c = http_character(&text);

		if (c < 0)
			return 400;
		if (length + sizeof(index) >= HTTP_PATH_MAX)
			return 404;
		talk->path[length++] = (char)c;
	}
	talk->path[length] = '\0';
	if (length == 0 || talk->path[length - 1] == '/')
		memcpy(talk->path + length, index, sizeof(index));
	return talk->path[0] == '/' || http_climbs(talk->path) ? 404 : 200;
}

/* ---- bodies ---- */

/* The head is there: where the body is, and how long. Return: a status that refuses it, or 0. */
static unsigned int http_frame(struct http_talk *talk)
{
	struct http_request *request = &talk->request;

	talk->body = talk->body_end = talk->raw = talk->begin + request->line;
	talk->trailers = 0;
	if (request->codings > 0) {
		/* Whoever says both hopes that somebody on the way believes the other. */
		if (request->has_length || request->minor == 0)
			return 400;
		if (request->codings > 1 || !request->chunked)
			return 501;
		talk->place = HTTP_AT_SIZE;
	} else {
		if (request->length > HTTP_BODY_MAX)
			return 413;
		talk->left = (uint32_t)request->length;
		talk->place = HTTP_AT_BODY;
	}
	return request->method == HTTP_OTHER ? 501 : 0;
}

static void http_body(struct http_talk *talk)
{
	uint32_t there = talk->used - talk->raw;

	if (there > talk->left)
		there = talk->left;
	talk->raw += there;
	talk->body_end = talk->raw;
	talk->left -= there;
	if (talk->left == 0)
		talk->place = HTTP_AT_ANSWER;
}

/* A line of what frames chunks. Return: 200; 0: it is not complete; 400. */
static unsigned int http_line(struct http_talk *talk, struct http_text *line)
{
	struct http_text rest = { talk->in + talk->raw, talk->in + talk->used };

	if (!http_split(&rest, '\n', line))
		return http_length(rest) > HTTP_LINE_MAX ? 400 : 0;
	/* Too long is too long, in however many pieces it came. */
	if (http_length(*line) == 0 || http_length(*line) > HTTP_LINE_MAX || line->end[-1] != '\r')
		return 400;
	line->end--;
	talk->raw = (uint32_t)(rest.begin - talk->in);
	return http_is_printable(*line, "") ? 200 : 400;
}

static unsigned int http_size(struct http_talk *talk, struct http_text line)
{
	const char *begin = line.begin;
	uint32_t size = 0;

	while (line.begin < line.end && http_digit(*line.begin) >= 0) {
		size = size * 16 + (uint32_t)http_digit(*line.begin++);
		if (size > HTTP_BODY_MAX)
			return 413;
	}
	/* What may follow the size is an extension: nobody has one. */
	if (line.begin == begin || (line.begin < line.end && *line.begin != ';'))
		return 400;
	if (size > HTTP_BODY_MAX - (talk->body_end - talk->body))
		return 413;
	talk->left = size;
	talk->place = size > 0 ? HTTP_AT_DATA : HTTP_AT_TRAILER;
	return 0;
}

/* Data joins what came before it, over the lines between them. */
static void http_data(struct http_talk *talk)
{
	uint32_t there = talk->used - talk->raw;

	if (there > talk->left)
		there = talk->left;
	memmove(talk->in + talk->body_end, talk->in + talk->raw, there);
	talk->body_end += there;
	talk->raw += there;
	talk->left -= there;
	if (talk->left == 0)
		talk->place = HTTP_AT_DATA_END;
}

/* A line of a trailer: nobody asks for what it says. The empty one is the last. */
static unsigned int http_trailer(struct http_talk *talk, struct http_text line)
{
	struct http_text name;

	if (http_length(line) == 0) {
		talk->place = HTTP_AT_ANSWER;
		return 0;
	}
	if (!http_split(&line, ':', &name) || !http_is_token(name))
		return 400;
	return ++talk->trailers > HTTP_LINES ? 431 : 0;
}

/* As much of a chunked body as is there. Return: a status that refuses it, or 0. */
static unsigned int http_chunks(struct http_talk *talk)
{
	unsigned int status = 0;

	while (status == 0 && talk->place != HTTP_AT_ANSWER && talk->raw < talk->used) {
		struct http_text line;

		if (talk->place == HTTP_AT_DATA) {
			http_data(talk);
			continue;
		}
		status = http_line(talk, &line);
		if (status != 200)
			return status;
		status = 0;
		if (talk->place == HTTP_AT_SIZE)
			status = http_size(talk, line);
		else if (talk->place == HTTP_AT_TRAILER)
			status = http_trailer(talk, line);
		else if (http_length(line) > 0)
			status = 400;
		else
			talk->place = HTTP_AT_SIZE;
	}
	return status;
}

/* ---- one step ---- */

/* What is read, answered or decoded leaves the input. */
static void http_make_room(struct http_talk *talk)
{
	if (talk->place > HTTP_AT_BODY) {
		memmove(talk->in + talk->body_end, talk->in + talk->raw, talk->used - talk->raw);
		talk->used -= talk->raw - talk->body_end;
		talk->raw = talk->body_end;
	}
	memmove(talk->in, talk->in + talk->begin, talk->used - talk->begin);
	talk->used -= talk->begin;
	talk->body -= talk->begin;
	talk->body_end -= talk->begin;
	talk->raw -= talk->begin;
	talk->begin = 0;
}

/* Return: 0: it is complete, or not there yet; or a status that refuses it. */
static unsigned int http_more(struct http_talk *talk)
{
	unsigned int status = 0;

	if (talk->place == HTTP_AT_HEAD) {
		talk->raw = talk->begin;
		status =
			http_take(&talk->request, talk->in + talk->begin, talk->used - talk->begin);
		if (status != 200)
			return status;
		status = http_frame(talk);
		if (status == 0 && talk->request.expects && talk->request.body &&
		    talk->raw == talk->used) {
			memcpy(talk->out + talk->done, http_continue, strlen(http_continue));
			talk->done += (uint32_t)strlen(http_continue);
		}
	}
	if (status == 0 && talk->place == HTTP_AT_BODY)
		http_body(talk);
	else if (status == 0)
		status = http_chunks(talk);
	return status;
}

static enum http_step http_serve(struct http_talk *talk)
{
	unsigned int status = http_path(talk);

	if (status != 200)
		return http_say(talk, status);
	if (talk->files)
		return HTTP_FILE;
	return http_say(talk, strcmp(talk->path, "index.html") == 0 ? 200 : 404);
}

/** http_step - read on, and answer what is complete, as far as there is room. */
static enum http_step http_step(struct http_talk *talk)
{
	for (;;) {
		enum http_step step = HTTP_READ;
		unsigned int status;

		if (talk->last)
			return HTTP_END;
		/* An answer of few words fits always, be it to an error. */
		if (HTTP_OUT - talk->done < HTTP_ANSWER_MAX * 2)
			return HTTP_WRITE;
		status = http_more(talk);
		if (status != 0)
			return http_say(talk, status);
		if (talk->place != HTTP_AT_ANSWER) {
			http_make_room(talk);
			return HTTP_READ;
		}
		if (talk->request.method != HTTP_POST)
			step = http_serve(talk);
		else if (HTTP_OUT - talk->done < HTTP_ANSWER_MAX + talk->body_end - talk->body)
			return HTTP_WRITE;
		else
			http_echo(talk);
		if (step != HTTP_READ)
			return step;
	}
}

#endif
