/* SPDX-License-Identifier: MIT */
/*
 * The program whose instructions count.py counts:
 *
 *   counts --list                  the cases, the peers, what compiled it: JSON
 *   counts PEER CASE CALLS N       calls case_PEER_CASE so often, for N operations each
 *
 * Between the calls run() plays the kernel's side of a mock ring, outside of what
 * is counted.
 */
#include "counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const struct counted_peer *const peers[] = {
	&counted_ours,
	&counted_bare,
	&counted_liburing,
};

#define PEERS (sizeof(peers) / sizeof(peers[0]))

void counted_fail(const char *what, int error)
{
	fprintf(stderr, "counts: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static void *pages(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		counted_fail("memory", errno);
	return memory;
}

static void make(struct mock *mock)
{
	uint64_t *cqes = (uint64_t *)pages(CQ_ENTRIES * 16);
	uint32_t i;

	memset(mock, 0, sizeof(*mock));
	mock->sqes = pages(SQ_ENTRIES * 64);
	mock->cqes = cqes;
	for (i = 0; i < CQ_ENTRIES; i++) {
		cqes[2 * i] = i + 1;
		cqes[2 * i + 1] = i;
	}
	mock->array = (uint32_t *)pages(SQ_ENTRIES * sizeof(uint32_t));
	mock->bufs = pages(BUFFERS * 16);
}

/* Operands as they may be; which, makes no difference to what is counted. */
static void make_requests(struct request *requests)
{
	static unsigned char memory[4096];
	uint32_t i;

	for (i = 0; i < STEPS_MAX; i++) {
		requests[i].buf = memory;
		requests[i].len = sizeof(memory);
		requests[i].extra = (uint64_t)i * sizeof(memory);
		requests[i].identity = i;
		requests[i].fd = 7;
		requests[i].flags = 0;
		requests[i].index = 5;
	}
}

static void run(const struct counted_peer *peer, const struct counted_case *what, uint32_t calls,
		uint32_t n)
{
	static struct request requests[STEPS_MAX];
	static struct mock mock;
	uint32_t i;
	void *self;
	int ret;

	make(&mock);
	make_requests(requests);
	self = peer->setup(&mock, what->needs);
	for (i = 0; i < calls; i++) {
		/* The kernel consumes what was committed or reserved, and completes as much. */
		__atomic_store_n(&mock.sq_head, i * n, __ATOMIC_RELEASE);
		__atomic_store_n(&mock.cq_tail, (i + 1) * n, __ATOMIC_RELEASE);
		ret = what->run(self, requests, n);
		if (ret < 0)
			counted_fail(what->name, ret);
	}
}

static void list(void)
{
	const struct counted_case *what;
	size_t i;

#ifdef __clang__
	printf("{\"compiler\": \"clang %s\", \"peers\": {", __clang_version__);
#else
	printf("{\"compiler\": \"gcc %s\", \"peers\": {", __VERSION__);
#endif
	for (i = 0; i < PEERS; i++) {
		printf("%s\"%s\": {\"version\": \"%s\", \"cases\": {", i > 0 ? ", " : "",
		       peers[i]->name, peers[i]->version != NULL ? peers[i]->version : "");
		for (what = peers[i]->cases; what->name != NULL; what++)
			printf("%s\"%s\": \"%s\"", what != peers[i]->cases ? ", " : "", what->name,
			       what->needs & SINGLE ? "step"
			       : what->needs & LOOP ? "loop"
						    : "batch");
		fputs("}}", stdout);
	}
	puts("}}");
}

int main(int argc, char **argv)
{
	uint32_t calls = argc == 5 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
	uint32_t n = argc == 5 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0;
	const struct counted_case *what;
	size_t i;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list();
		return 0;
	}
	for (i = 0; i < PEERS && calls > 0 && n > 0 && n <= STEPS_MAX; i++) {
		for (what = peers[i]->cases; what->name != NULL; what++) {
			if (strcmp(argv[1], peers[i]->name) == 0 &&
			    strcmp(argv[2], what->name) == 0) {
				run(peers[i], what, calls, n);
				return 0;
			}
		}
	}
	fprintf(stderr, "usage: counts --list | PEER CASE CALLS N (at most %u)\n", STEPS_MAX);
	return 2;
}
