/* SPDX-License-Identifier: MIT */
/**
 * listen.h - a listening socket in one submission
 *
 * Socket, options, bind, listen, and the first accept, as one chain of entries.
 * Only a registered slot can name a socket that is not there yet: the chain
 * works in one, and can turn it into a descriptor at its end.
 *
 *	oring_listener_fill(&listener, &ring, &params, oring_context_pointer(&listener));
 *	oring_submit(&ring);
 *	...
 *	if (oring_listener_owns(&listener, cqe)) {
 *		step = oring_listener_step(&listener, cqe);
 *		if (step.state == ORING_LISTENER_READY) step.file listens
 *		if (step.state == ORING_LISTENER_FAILED) step.stage has failed, with step.error;
 *			if (step.open > 0) close it
 *	}
 *
 * Kernels: 6.11 for all of it (bind and listen); options 6.7, a descriptor 6.8,
 * the first accept 5.19. What a kernel lacks is the stage that fails: -EINVAL
 * (operations, and sockets in slots before 5.19), -EOPNOTSUPP (options).
 *
 * Submit all of it by one call. Without ORING_SETUP_SUBMIT_ALL a submit stops
 * behind an entry that is no operation of this kernel; the rest of the chain,
 * submitted by the next call, then finds an empty slot, and fails too.
 *
 * Threads: a listener belongs to one thread at a time. No system call here.
 */
#ifndef ORING_LISTEN_H
#define ORING_LISTEN_H

#include "cqe.h"
#include "file.h"
#include "multishot.h"
#include "ring.h"

ORING_BEGIN_DECLS

struct sockaddr;

/* In the order of the chain; what was not asked for is left out. */
enum oring_listener_stage {
	ORING_LISTENER_SOCKET,
	ORING_LISTENER_REUSE_ADDRESS,
	ORING_LISTENER_REUSE_PORT,
	ORING_LISTENER_V6,
	ORING_LISTENER_BIND,
	ORING_LISTENER_LISTEN,
	ORING_LISTENER_INSTALL, /* the descriptor */
	ORING_LISTENER_EMPTY,	/* the slot, once there is a descriptor */
	ORING_LISTENER_CLOSE_SLOT,
	ORING_LISTENER_CLOSE_DESCRIPTOR,
	ORING_LISTENER_STAGES
};

/* Options of a chain. */
#define ORING_LISTENER_OPT_REUSE_ADDRESS (1U << 0)
#define ORING_LISTENER_OPT_REUSE_PORT	 (1U << 1)
#define ORING_LISTENER_OPT_V6_ONLY	 (1U << 2)
#define ORING_LISTENER_OPT_V6_AND_V4	 (1U << 3) /* neither: as the machine is set up */
#define ORING_LISTENER_OPT_DESCRIPTOR	 (1U << 4) /* closed on exec; the slot is empty again */
#define ORING_LISTENER_OPT_NO_CLOEXEC	 (1U << 5) /* not closed on exec */
#define ORING_LISTENER_OPT_ACCEPT_DIRECT (1U << 6) /* connections go into free slots */

/* Set all to 0 first. */
struct oring_listener_params {
	int family;
	int type;     /* SOCK_STREAM or SOCK_SEQPACKET; SOCK_NONBLOCK. With SOCK_CLOEXEC: -EINVAL */
	int protocol; /* 0, as a rule */
	int backlog;
	const struct sockaddr *address; /* must stay until the entries are consumed */
	uint32_t address_length;
	uint32_t options; /* ORING_LISTENER_OPT_* */
	oring_slot slot;  /* its number; empty: what it holds would be replaced */
	int accept_flags; /* SOCK_NONBLOCK, SOCK_CLOEXEC of the connections */
	/*
	 * NULL, or the stream that a multishot accept is armed for, whose completions are not
	 * the listener's. It works in the slot, which then stays, also beside a descriptor. It
	 * may begin after the listener is ready: a slot closed before gives it -EBADF.
	 */
	struct oring_multishot *accept;
};

struct oring_listener {
	oring_context first; /* the identity of stage i is first + 4 * i */
	int32_t value[2];    /* 0, 1: options point to them */
	uint32_t due;	     /* stages whose completion is to come, a bit each */
	uint32_t done;	     /* stages that succeeded */
	uint32_t slot;
	int32_t fd;
	uint32_t failed; /* the first stage that failed by itself */
	int32_t error;
};

/* The identities of a listener that are pointers point into it. */
ORING_STATIC_ASSERT(sizeof(struct oring_listener) >= 4 * (size_t)ORING_LISTENER_STAGES,
		    "a listener's own address serves as its identity");

enum oring_listener_state {
	ORING_LISTENER_WORKING, /* nothing new to be told */
	ORING_LISTENER_READY,	/* once: it listens */
	ORING_LISTENER_FAILED,	/* once, or a close has failed: no completion is to come */
	ORING_LISTENER_CLOSED	/* once: nothing is open any more */
};

struct oring_listener_step {
	uint32_t state;	 /* enum oring_listener_state */
	uint32_t stage;	 /* failed: enum oring_listener_stage */
	int32_t error;	 /* failed: a negative errno */
	uint32_t open;	 /* how often oring_listener_close() has something to do now */
	oring_file file; /* ready: the descriptor, or else the slot */
};

/**
 * oring_listener_fill - reserve and prepare the chain, or nothing at all
 * @listener: stays where it is until the last completion; what it held is forgotten
 * @params: copied; what it points to is not
 * @first: the identity of stage i is first + 4 * i, so the kind (context.h) stays, and a
 *         handle (of operation 0) remains one of the same record. The address of
 *         @listener is fit for it.
 *
 * Does not submit.
 *
 * Return: 0; -EAGAIN: no room for the whole chain now; -EINVAL: no room ever, no
 * slot number (ORING_SLOT_ALLOC), options that contradict each other or are
 * not known; -EBUSY: the accept's stream is armed. On error nothing has changed.
 */
ORING_API int oring_listener_fill(struct oring_listener *listener, struct oring *ring,
				  const struct oring_listener_params *params, oring_context first);

/** oring_listener_owns - this completion is for oring_listener_step(). */
ORING_INLINE bool oring_listener_owns(const struct oring_listener *listener,
				      const struct oring_cqe *cqe)
{
	uint64_t distance = cqe->user_data - listener->first.bits;

	return (distance & 3) == 0 && distance / 4 < ORING_LISTENER_STAGES;
}

/** oring_listener_busy - completions are to come; those of the accept do not count. */
ORING_INLINE bool oring_listener_busy(const struct oring_listener *listener)
{
	return listener->due != 0;
}

/** oring_listener_step - what one completion means; of one that is not its own, nothing. */
ORING_API struct oring_listener_step oring_listener_step(struct oring_listener *listener,
							 const struct oring_cqe *cqe);

/**
 * oring_listener_close - close what is open: after a failure, or when it was ready
 * @sqe: blank
 *
 * One thing at a time, as often as step.open said. Its completion goes to
 * oring_listener_step(). An accept that is armed keeps the socket: cancel it too.
 * A path of AF_UNIX stays.
 *
 * Return: 0; -EBUSY while the chain is under way; -ENOENT: there is nothing more
 * to close. On error the entry is as it was.
 */
ORING_API int oring_listener_close(struct oring_listener *listener, struct oring_sqe *sqe);

/** oring_listener_stage_name - "bind" and so on; "?" for what is no stage. Any thread. */
ORING_API const char *oring_listener_stage_name(unsigned int stage);

ORING_END_DECLS

#endif
