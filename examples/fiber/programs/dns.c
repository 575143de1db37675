/* SPDX-License-Identifier: MIT */
/*
 * dns - a stub resolver: names to addresses, addresses to names
 *
 *	dns [--server ADDRESS:PORT] [--timeout MS] [--tries N] NAME|ADDRESS...
 *
 * Shows a fiber for each question (for a name two: A and AAAA), waits with limits, datagrams,
 * and a change to TCP in the middle of it. What is asked first is printed first. Status 0: all
 * that was asked was answered; 1: not all.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/random.h>

#include "dns_packet.h"
#include "fiber_io.h"
#include "net.h"
#include "program.h"

#define AT_ONCE	     64
#define ALIASES_MOST 16 /* from one name to the next, for one question */
#define MS	     1000000LL

static struct net_address server;
static int64_t timeout = 1000 * MS;
static unsigned int tries = 3;

struct question {
	const char *argument;
	struct dns_name name; /* that is looked for: with each alias the next */
	enum dns_type type;
	uint16_t id;
	uint8_t query[2 + DNS_QUERY_MOST]; /* its length before it, as TCP wants it */
	size_t query_length;
	uint8_t *answer; /* DNS_TCP_MOST bytes */
	struct dns_answers answers;
	unsigned int ignored; /* datagrams that were not its answer */
	FILE *out;
	char *text; /* what is to be printed */
	size_t text_bytes;
	bool failed;
};

static const char *type_name(enum dns_type type)
{
	return type == DNS_A ? "A" : type == DNS_AAAA ? "AAAA" : type == DNS_PTR ? "PTR" : "CNAME";
}

/* ---- to the server and back ---- */

static bool is_answer(struct question *question, int length)
{
	return dns_answers_begin(&question->answers, question->answer, (size_t)length, question->id,
				 &question->name, question->type);
}

/* What is not our answer is none: who sends such things must not keep the right one away. */
static int receive_answer(struct question *question, oring_file sock)
{
	int64_t until = fiber_now() + timeout, left;
	int ret;

	while ((left = net_left(until)) > 0) {
		/* With this flag a longer datagram tells its length. */
		ret = fiber_recv(sock, question->answer, DNS_UDP_MOST, MSG_TRUNC, left);
		if (ret < 0)
			return ret;
		if (ret <= DNS_UDP_MOST && is_answer(question, ret))
			return 0;
		question->ignored++;
	}
	return -ETIME;
}

/* All tries have one socket and one number: an answer that comes late is still the answer. */
static int ask_over_udp(struct question *question, oring_file sock)
{
	unsigned int i;
	int ret;

	/* Connected: the kernel lets in what comes from the server's address and port. */
	ret = fiber_connect(sock, (struct sockaddr *)&server.bytes, server.length, timeout);
	if (ret < 0)
		return ret;
	for (i = 0; i < tries; i++) {
		ret = fiber_send(sock, question->query + 2, question->query_length, 0, timeout);
		if (ret >= 0)
			ret = receive_answer(question, sock);
		if (ret != -ETIME && ret != -ECONNREFUSED)
			return ret;
	}
	return ret;
}

/* Exactly @length bytes. */
static int receive_whole(oring_file sock, uint8_t *bytes, size_t length, int64_t until)
{
	size_t have = 0;

	while (have < length) {
		int ret = fiber_recv(sock, bytes + have, length - have, 0, net_left(until));

		if (ret <= 0)
			return ret < 0 ? ret : -EPROTO;
		have += (size_t)ret;
	}
	return 0;
}

/* An answer that was too long for a datagram. */
static int ask_over_tcp(struct question *question, oring_file sock)
{
	int64_t until = fiber_now() + timeout;
	size_t length = 2 + question->query_length;
	uint8_t head[2];
	int64_t sent;
	int ret;

	ret = fiber_connect(sock, (struct sockaddr *)&server.bytes, server.length, timeout);
	if (ret < 0)
		return ret;
	sent = fiber_send_all(sock, question->query, length, net_left(until));
	if (sent < (int64_t)length)
		return sent < 0 ? (int)sent : -EPIPE;
	ret = receive_whole(sock, head, sizeof(head), until);
	if (ret == 0)
		ret = receive_whole(sock, question->answer, dns_get16(head), until);
	if (ret < 0)
		return ret;
	if (!is_answer(question, dns_get16(head)) || dns_is_truncated(&question->answers))
		return -EPROTO;
	return 0;
}

static int with_socket(struct question *question, int type,
		       int (*ask)(struct question *, oring_file))
{
	int fd = socket(server.bytes.ss_family, type | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -errno;
	ret = ask(question, oring_file_fd(fd));
	fiber_close(oring_file_fd(fd));
	return ret;
}

/* Return: 0: there is an answer, whole and well made. */
static int ask(struct question *question)
{
	int ret;

	if (getrandom(&question->id, sizeof(question->id), 0) != sizeof(question->id))
		return -errno;
	question->query_length =
		dns_query(question->query + 2, question->id, &question->name, question->type);
	dns_put16(question->query, (unsigned int)question->query_length);
	ret = with_socket(question, SOCK_DGRAM, ask_over_udp);
	if (ret == 0 && dns_is_truncated(&question->answers))
		ret = with_socket(question, SOCK_STREAM, ask_over_tcp);
	if (ret == 0 && !dns_answers_are_good(question->answers))
		ret = -EPROTO;
	return ret;
}

/* ---- what it says ---- */

static void fail(struct question *question, const char *reason)
{
	fprintf(question->out, "%s %s: %s\n", question->argument, type_name(question->type),
		reason);
	question->failed = true;
}

static void fail_without_answer(struct question *question, int error)
{
	char reason[100];

	if (error == -ETIME)
		snprintf(reason, sizeof(reason), "no answer, %u tries, %u ignored", tries,
			 question->ignored);
	else
		snprintf(reason, sizeof(reason), "%s",
			 error == -EPROTO ? "malformed answer" : strerror(-error));
	fail(question, reason);
}

static void print_record(struct question *question, const struct dns_record *record)
{
	const uint8_t *data = question->answers.bytes + record->data;
	char owner[DNS_TEXT_MOST], value[DNS_TEXT_MOST];
	struct dns_name name;

	dns_name_text(&record->owner, owner);
	if (record->type == DNS_A)
		inet_ntop(AF_INET, data, value, sizeof(value));
	else if (record->type == DNS_AAAA)
		inet_ntop(AF_INET6, data, value, sizeof(value));
	else if (dns_record_name(&question->answers, record, &name))
		dns_name_text(&name, value);
	fprintf(question->out, "%s %s %s\n", owner, type_name(record->type), value);
}

/* Return: how many records there are of what is looked for. */
static unsigned int print_records(struct question *question)
{
	struct dns_answers answers = question->answers;
	struct dns_record record;
	unsigned int n = 0;

	while (dns_answers_find(&answers, &question->name, question->type, &record)) {
		print_record(question, &record);
		n++;
	}
	return n;
}

/* Go on to the names that ours is an alias of. Return: how many steps; more than @most are not gone. */
static unsigned int follow_aliases(struct question *question, unsigned int most)
{
	unsigned int steps;

	for (steps = 0; steps < most; steps++) {
		struct dns_answers answers = question->answers;
		struct dns_record record;

		if (!dns_answers_find(&answers, &question->name, DNS_CNAME, &record))
			break;
		print_record(question, &record);
		dns_record_name(&answers, &record, &question->name);
	}
	return steps;
}

static void fail_with_code(struct question *question, unsigned int code)
{
	char reason[40];

	if (code == DNS_NXDOMAIN) {
		fail(question, "no such name (NXDOMAIN)");
	} else if (code == DNS_SERVFAIL) {
		fail(question, "the server failed (SERVFAIL)");
	} else {
		snprintf(reason, sizeof(reason), "refused, code %u", code);
		fail(question, reason);
	}
}

/* An answer may end with an alias whose own records it does not have: then that one is asked for. */
static void resolve(struct question *question)
{
	unsigned int aliases = 0;

	while (aliases < ALIASES_MOST) {
		unsigned int steps;
		int ret = ask(question);

		if (ret < 0) {
			fail_without_answer(question, ret);
			return;
		}
		steps = follow_aliases(question, ALIASES_MOST - aliases);
		aliases += steps;
		if (dns_code(&question->answers) != 0) {
			fail_with_code(question, dns_code(&question->answers));
			return;
		}
		if (print_records(question) > 0)
			return;
		if (steps == 0) {
			fprintf(question->out, "%s %s: none\n", question->argument,
				type_name(question->type));
			return;
		}
	}
	fail(question, "too many aliases");
}

static intptr_t question_fiber(void *argument)
{
	struct question *question = argument;

	question->out = open_memstream(&question->text, &question->text_bytes);
	if (question->out == NULL) {
		question->failed = true;
		return 0;
	}
	question->answer = malloc(DNS_TCP_MOST);
	if (question->answer != NULL)
		resolve(question);
	else
		fail(question, strerror(ENOMEM));
	free(question->answer);
	fclose(question->out);
	return 0;
}

/* ---- what is asked ---- */

/* Return: how many questions it is; 0: it is neither a name nor an address. */
static unsigned int make_questions(const char *argument, struct question *questions)
{
	char reverse[DNS_REVERSE_MOST];
	uint8_t address[16];
	size_t n = inet_pton(AF_INET, argument, address) == 1	 ? 4
		   : inet_pton(AF_INET6, argument, address) == 1 ? 16
								 : 0;

	questions[0].argument = questions[1].argument = argument;
	if (n > 0) {
		dns_reverse(address, n, reverse);
		questions[0].type = DNS_PTR;
		return dns_name_parse(reverse, &questions[0].name);
	}
	questions[0].type = DNS_A;
	questions[1].type = DNS_AAAA;
	return dns_name_parse(argument, &questions[0].name) &&
			       dns_name_parse(argument, &questions[1].name)
		       ? 2
		       : 0;
}

static int run(struct question *questions, unsigned int n)
{
	const struct fiber_config config = { .fibers = AT_ONCE,
					     .tasks = n,
					     .ring_entries = 2 * AT_ONCE };
	int status = program_begin("dns", &config);
	unsigned int i;

	if (status != 0)
		return status;
	for (i = 0; i < n; i++)
		fiber_post(question_fiber, &questions[i]);
	status = program_run();
	for (i = 0; i < n; i++) {
		fputs(questions[i].text != NULL ? questions[i].text : "no memory\n", stdout);
		free(questions[i].text);
		if (questions[i].failed)
			status = 1;
	}
	return status;
}

static int usage(void)
{
	fprintf(stderr, "usage: dns [--server ADDRESS:PORT] [--timeout MS] [--tries N] "
			"NAME|ADDRESS...\n");
	return 2;
}

static bool take_options(int argc, char **argv)
{
	static const struct option options[] = { { "server", required_argument, NULL, 's' },
						 { "timeout", required_argument, NULL, 't' },
						 { "tries", required_argument, NULL, 'n' },
						 { NULL, 0, NULL, 0 } };
	int option;

	net_address_parse("127.0.0.1:53", &server);
	while ((option = getopt_long(argc, argv, "s:t:n:", options, NULL)) >= 0) {
		if (option == 's' && net_address_parse(optarg, &server))
			continue;
		else if (option == 't')
			timeout = (int64_t)explain_number("dns", 't', optarg, 1, 60000) * MS;
		else if (option == 'n')
			tries = (unsigned int)explain_number("dns", 'n', optarg, 1, 10);
		else
			return false;
	}
	return optind < argc;
}

int main(int argc, char **argv)
{
	struct question *questions;
	unsigned int n = 0;
	int i, status;

	if (!take_options(argc, argv))
		return usage();
	questions = calloc(2 * (size_t)(argc - optind), sizeof(*questions));
	if (questions == NULL)
		return 1;
	for (i = optind; i < argc; i++) {
		unsigned int more = make_questions(argv[i], questions + n);

		if (more == 0)
			fprintf(stderr, "dns: not a name: %s\n", argv[i]);
		if (more == 0)
			break;
		n += more;
	}
	status = i < argc ? 2 : run(questions, n);
	free(questions);
	return status;
}
