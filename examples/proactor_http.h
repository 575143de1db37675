/* SPDX-License-Identifier: MIT */
/*
 * proactor_http.h - as much of HTTP/1.1 as proactor.c serves
 *
 * Nothing of rings here: bytes in, a status and bytes out. Requests have no body;
 * one that has is answered, and the connection ends. What bodies and paths need to be
 * read is kept for who reads them: fiber/programs/http_request.h.
 */
#ifndef PROACTOR_HTTP_H
#define PROACTOR_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HTTP_HEAD_MAX	8192 /* request line and header lines */
#define HTTP_ANSWER_MAX 256

enum http_method {
	HTTP_OTHER,
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST
};

/* What is known of a head that is being read; all zero before. */
struct http_request {
	uint32_t line;	   /* where the line begins that is not complete */
	uint32_t searched; /* for its end */
	unsigned int lines;
	unsigned int blank; /* empty lines before it */
	unsigned int method;
	unsigned int minor; /* HTTP/1.minor */
	unsigned int hosts;
	unsigned int codings; /* lines of Transfer-Encoding */
	uint32_t target;      /* where it begins */
	uint32_t target_length;
	uint64_t length; /* Content-Length, if has_length */
	bool has_length;
	bool chunked;
	bool expects; /* 100-continue */
	bool close;
	bool keep_alive;
	bool body;
};

/* A stretch of the input. */
struct http_text {
	const char *begin;
	const char *end;
};

static size_t http_length(struct http_text text)
{
	return (size_t)(text.end - text.begin);
}

static bool http_is(struct http_text text, const char *word)
{
	return http_length(text) == strlen(word) && memcmp(text.begin, word, strlen(word)) == 0;
}

static bool http_is_word(struct http_text text, const char *word)
{
	return http_length(text) == strlen(word) &&
	       strncasecmp(text.begin, word, strlen(word)) == 0;
}

/* Take what stands before @mark off @text; false if there is no mark. */
static bool http_split(struct http_text *text, char mark, struct http_text *before)
{
	const char *found = memchr(text->begin, mark, http_length(*text));

	if (found == NULL)
		return false;
	before->begin = text->begin;
	before->end = found;
	text->begin = found + 1;
	return true;
}

static bool http_is_token(struct http_text text)
{
	static const char others[] = "!#$%&'*+-.^_`|~";
	const char *c;

	for (c = text.begin; c < text.end; c++) {
		bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');

		if (!letter && !(*c >= '0' && *c <= '9') &&
		    memchr(others, *c, sizeof(others) - 1) == NULL)
			return false;
	}
	return http_length(text) > 0;
}

/* No control characters, and none of those in @except. */
static bool http_is_printable(struct http_text text, const char *except)
{
	const char *c;

	for (c = text.begin; c < text.end; c++) {
		unsigned char value = (unsigned char)*c;

		if ((value < ' ' && value != '\t') || value == 0x7f || strchr(except, *c) != NULL)
			return false;
	}
	return true;
}

static struct http_text http_trim(struct http_text text)
{
	while (text.begin < text.end && (*text.begin == ' ' || *text.begin == '\t'))
		text.begin++;
	while (text.begin < text.end && (text.end[-1] == ' ' || text.end[-1] == '\t'))
		text.end--;
	return text;
}

/* Return: 0, or the status of a request that cannot be served. */
static unsigned int http_request_line(struct http_request *request, const char *data,
				      struct http_text line)
{
	struct http_text method, target;

	if (!http_split(&line, ' ', &method) || !http_is_token(method) ||
	    !http_split(&line, ' ', &target) || http_length(target) == 0 ||
	    !http_is_printable(target, "\t"))
		return 400;
	if (http_is(method, "GET"))
		request->method = HTTP_GET;
	else if (http_is(method, "HEAD"))
		request->method = HTTP_HEAD;
	else if (http_is(method, "POST"))
		request->method = HTTP_POST;
	request->target = (uint32_t)(target.begin - data);
	request->target_length = (uint32_t)http_length(target);
	if (http_length(line) != 8 || memcmp(line.begin, "HTTP/", 5) != 0 || line.begin[6] != '.' ||
	    line.begin[5] < '0' || line.begin[5] > '9' || line.begin[7] < '0' ||
	    line.begin[7] > '9')
		return 400;
	request->minor = (unsigned int)(line.begin[7] - '0');
	return line.begin[5] == '1' ? 0 : 505;
}

static void http_options(struct http_request *request, struct http_text list)
{
	struct http_text option;
	bool more;

	do {
		more = http_split(&list, ',', &option);
		if (!more)
			option = list;
		option = http_trim(option);
		request->close |= http_is_word(option, "close");
		request->keep_alive |= http_is_word(option, "keep-alive");
	} while (more);
}

/* Return: 0, or 400. A length that is told twice has to be the same. */
static unsigned int http_content_length(struct http_request *request, struct http_text value)
{
	uint64_t length = 0;
	const char *c;

	for (c = value.begin; c < value.end; c++) {
		if (*c < '0' || *c > '9')
			return 400;
		length = length > UINT64_MAX / 16 ? UINT64_MAX / 16
						  : length * 10 + (uint64_t)(*c - '0');
	}
	if (http_length(value) == 0 || (request->has_length && request->length != length))
		return 400;
	request->has_length = true;
	request->length = length;
	request->body |= length > 0;
	return 0;
}

static unsigned int http_header(struct http_request *request, struct http_text value)
{
	struct http_text name;

	if (!http_split(&value, ':', &name) || !http_is_token(name) ||
	    !http_is_printable(value, ""))
		return 400;
	value = http_trim(value);
	if (http_is_word(name, "Host"))
		request->hosts++;
	else if (http_is_word(name, "Connection"))
		http_options(request, value);
	else if (http_is_word(name, "Content-Length"))
		return http_content_length(request, value);
	else if (http_is_word(name, "Expect"))
		request->expects |= http_is_word(value, "100-continue");
	else if (http_is_word(name, "Transfer-Encoding")) {
		request->body = true;
		request->codings++;
		request->chunked = http_is_word(value, "chunked");
	}
	return 0;
}

/* The empty line was reached. */
static unsigned int http_judge(const struct http_request *request)
{
	return request->hosts > 1 || (request->hosts == 0 && request->minor > 0) ? 400 : 200;
}

/*
 * Read a head as far as it has come: @length bytes at @data, its beginning each
 * time. Line by line, and each byte once.
 *
 * Return: 0 if it is not complete, or the status of its answer: then
 * request->line bytes were read.
 */
static unsigned int http_take(struct http_request *request, const char *data, uint32_t length)
{
	unsigned int status = 0;

	while (status == 0) {
		struct http_text rest = { data + request->searched, data + length };
		struct http_text line = { data + request->line, NULL };
		struct http_text found;

		if (!http_split(&rest, '\n', &found)) {
			request->searched = length;
			return length > HTTP_HEAD_MAX ? 431 : 0;
		}
		line.end = found.end - 1; /* where the \r has to be */
		request->line = request->searched = (uint32_t)(rest.begin - data);
		if (request->line > HTTP_HEAD_MAX)
			return 431;
		if (line.end < line.begin || *line.end != '\r')
			return 400;
		if (http_length(line) == 0 && request->lines > 0)
			status = http_judge(request);
		else if (http_length(line) == 0)
			status = request->blank++ > 0 ? 400 : 0;
		else if (request->lines++ == 0)
			status = http_request_line(request, data, line);
		else
			status = http_header(request, line);
	}
	return status;
}

static const struct http_answer {
	unsigned int status;
	const char *line;
	const char *headers;
	const char *body;
} http_answers[] = {
	{ 200, "200 OK", "", "hello, world\n" },
	{ 400, "400 Bad Request", "", "bad request\n" },
	{ 404, "404 Not Found", "", "not found\n" },
	{ 405, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "method not allowed\n" },
	{ 408, "408 Request Timeout", "", "request took too long\n" },
	{ 413, "413 Content Too Large", "", "content too large\n" },
	{ 431, "431 Request Header Fields Too Large", "", "request too large\n" },
	{ 501, "501 Not Implemented", "", "not implemented\n" },
	{ 505, "505 HTTP Version Not Supported", "", "version not supported\n" },
};

static const struct http_answer *http_answer_of(unsigned int status)
{
	const struct http_answer *answer = http_answers;

	while (answer->status != status)
		answer++;
	return answer;
}

/* Write what stands before @length bytes of a body. Return: its length. */
static uint32_t http_answer_head(const struct http_request *request, unsigned int status,
				 size_t length, bool last, char *out)
{
	const struct http_answer *answer = http_answer_of(status);
	const char *option = "";

	if (last)
		option = "Connection: close\r\n";
	else if (request->minor == 0)
		option = "Connection: keep-alive\r\n";
	return (uint32_t)snprintf(out, HTTP_ANSWER_MAX,
				  "HTTP/1.1 %s\r\n%sContent-Type: text/plain\r\n"
				  "Content-Length: %zu\r\n%s\r\n",
				  answer->line, answer->headers, length, option);
}

/* Write an answer of less than HTTP_ANSWER_MAX bytes. Return: its length. */
static uint32_t http_answer(const struct http_request *request, unsigned int status, bool last,
			    char *out)
{
	const char *body = http_answer_of(status)->body;
	uint32_t length = http_answer_head(request, status, strlen(body), last, out);

	if (request->method == HTTP_HEAD)
		return length;
	memcpy(out + length, body, strlen(body));
	return length + (uint32_t)strlen(body);
}

/* Whether the client wants the connection to end after its answer. */
static bool http_is_last(const struct http_request *request)
{
	return request->close || (request->minor == 0 && !request->keep_alive);
}

#endif
