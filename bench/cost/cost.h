/* SPDX-License-Identifier: MIT */
/*
 * cost.h - what the parts of the cost program share
 *
 * The program runs where a clock counts instructions (tools/kernel-lab cost):
 * then the time between two readings is the number of instructions between them,
 * of user and kernel together.
 */
#ifndef COST_H
#define COST_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <oring.h>

#define ENTRIES 64U /* of a submission queue */
#define MESSAGE 64U /* bytes of one message between two sockets */
#define PAGE	4096U
#define BUFFERS 64U /* provided buffers in a group, of MESSAGE bytes each */
#define MEMORY	(64U * 1024)

struct bench {
	struct oring ring;
	struct oring other;	    /* where messages between rings go */
	uint32_t flags;		    /* setup flags of the other */
	uint32_t bytes;		    /* of the case */
	int file;		    /* one page, cached */
	int pair[2];		    /* stream sockets */
	int udp;		    /* connected to an address behind a device without a peer */
	int epoll;		    /* watches pair[1] */
	unsigned char *memory;	    /* MEMORY bytes; registered as buffer 0 */
	struct oring_bufring in;    /* group 1: what receives take */
	struct oring_bufring out;   /* group 2: what bundles send */
	struct oring_wait_arg wait; /* an hour */
};

struct cost_case {
	const char *name;
	uint32_t batch;	   /* operations in one round */
	const char *since; /* the first release that has it */
	uint32_t bytes;	   /* of one operation; 0: none */
	uint32_t copies;   /* how often the kernel copies them */
	/* Registrations and requests that stay; NULL: none. 0 or a negative errno. */
	int (*begin)(struct bench *bench);
	/* One round. 0 or a negative errno. */
	int (*round)(struct bench *bench, uint32_t batch);
};

/* Cases with a ring, and plain system calls. A name of NULL ends a list. */
extern const struct cost_case ring_cases[];
extern const struct cost_case call_cases[];

#endif
