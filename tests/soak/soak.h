/* SPDX-License-Identifier: MIT */
/*
 * soak.h - everything at once, for long, and no operation lost
 *
 * A worker is a thread with a ring. Its lanes do one kind of work each, round after
 * round: a round begins when nothing of the lane is in flight. Each request has a record
 * of the worker's pool, whose handle is its identity: a completion that comes
 * twice, or late, or to nobody, is recognised.
 */
#ifndef SOAK_H
#define SOAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <oring.h>

#define RECORDS	     4096
#define SLOTS	     64	  /* files that each worker registers, at most */
#define BUFFERS	     256  /* provided buffers of each worker */
#define BUFFER_BYTES 2048 /* of each */
#define GROUP	     7
#define HELD	     32		/* received pieces that are kept for a while */
#define FIXED_BYTES  (1U << 20) /* of the registered buffer, which lanes have in slices */
#define LANES_MOST   256

/* What was asked for: each is counted by itself. */
enum what {
	DO_WRITE,
	DO_READ,
	DO_FSYNC,
	DO_SEND,
	DO_SEND_ZC,
	DO_RECV,
	DO_RECV_MANY, /* multishot, into provided buffers */
	DO_TIMEOUT,
	DO_TIMEOUT_CHANGE, /* updated or removed */
	DO_WAIT,	   /* for what may never come: a byte in a pipe */
	DO_CANCEL,
	DO_OPEN,
	DO_STATX,
	DO_CLOSE,
	DO_UNLINK,
	DO_CONNECT,
	DO_ACCEPT,
	DO_SHUTDOWN,
	DO_MESSAGE,
	DO_NOP,
	DO_KINDS
};

/* Ways to break the bookkeeping on purpose: each must be found. */
enum fault {
	FAULT_NONE,
	FAULT_LOSE,
	FAULT_TWICE,
	FAULT_FLIP,
	FAULT_LEAK_FD,
	FAULT_LEAK_BUFFER,
	FAULT_LEAK_MEMORY
};

struct lane;
struct worker;

/* What a record of the pool holds for us. */
struct request {
	struct lane *lane;
	enum what what;
	uint32_t part; /* the lane's own number for it */
};

/* A completion, and whose it is. */
struct event {
	enum what what;
	uint32_t part;
	oring_context handle; /* no record has it any more if this was the last */
	const struct oring_cqe *cqe;
	bool last;
};

struct lane_kind {
	const char *name;
	/* How many a worker has. */
	unsigned int lanes;
	unsigned int standing; /* requests that are in flight between the rounds too */
	/* The lane's own data; NULL: this kernel cannot do it. */
	void *(*open)(struct lane *lane, unsigned int number);
	/* Begin a round: nothing is in flight but what is standing. */
	void (*go)(struct lane *lane);
	void (*done)(struct lane *lane, const struct event *event);
	/* The run is over, nothing of the lane is in flight: true: something more was begun. */
	bool (*finish)(struct lane *lane);
	void (*close)(struct lane *lane);
};

struct lane {
	const struct lane_kind *kind;
	struct worker *worker;
	void *data;
	uint32_t in_flight;
	bool finished;
};

struct worker {
	struct oring ring;
	struct oring_pool pool;
	struct oring_bufgroup group;
	struct oring_buf_note notes[BUFFERS];
	struct oring_piece held[HELD];
	unsigned char ends[HELD][2]; /* of those pieces: does anybody write to them? */
	uint32_t held_count;
	uint32_t number;
	uint64_t seed;
	unsigned char *fixed; /* the registered buffer */
	uint32_t fixed_used;
	int folder;  /* descriptor of an empty directory, its own */
	bool direct; /* there are slots that the kernel allocates */
	struct lane lanes[LANES_MOST];
	uint32_t lane_count;
	void *pool_memory, *buffer_memory, *ring_memory;
	struct worker *peer;
	/* Read by the thread that reports. */
	uint64_t issued[DO_KINDS], completed[DO_KINDS];
	uint64_t completions; /* of multishot requests, notifications and messages too */
	uint64_t messages;    /* that came from the peer */
	bool idle;	      /* all lanes are finished: nothing more is sent to the peer */
};

extern const struct lane_kind lane_file, lane_file_fixed, lane_file_chain, lane_open, lane_stream,
	lane_stream_unix, lane_stream_zc, lane_timer, lane_wait, lane_connect, lane_message,
	lane_nop;

/* The name of what lane @number of lane_open makes. */
void open_lane_name(unsigned int number, char *name, size_t size);

/* Give up: says why, and ends the program. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#define MUST(condition, ...)                                  \
	do {                                                  \
		if (!(condition)) {                           \
			flaw(__FILE__, __LINE__, #condition); \
			die(__VA_ARGS__);                     \
		}                                             \
	} while (0)
void flaw(const char *file, int line, const char *condition);

/* The fault that is asked for, once; then none. */
bool fault_now(enum fault fault);

uint32_t next_random(struct worker *worker);
void *memory_of(size_t bytes);

/* A blank entry; submits if the queue is full. */
struct oring_sqe *entry_of(struct worker *worker);
/* The prepared entry is @lane's: counts it, and gives it its identity. */
oring_context begin(struct lane *lane, struct oring_sqe *sqe, enum what what, uint32_t part);
/* A slice of the registered buffer. */
oring_fixed_buf fixed_slice(struct worker *worker, uint32_t bytes);

/* Bytes that depend on their place in a stream alone. */
#define NOISE_PERIOD 65521U
#define NOISE_RUN    65536U /* bytes that lie side by side from any place */
const unsigned char *noise_at(uint64_t place);

/* Keep a received piece for a while; older ones are released in random order. */
void hold(struct worker *worker, const struct oring_piece *piece);
void release_held(struct worker *worker, uint32_t most);

#endif
