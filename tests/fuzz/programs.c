// SPDX-License-Identifier: MIT
/*
 * Random programs on the real kernel, in a jail (jail.h).
 *
 *	programs [SECONDS [SEED [COUNT]]]	with a COUNT of 1 it tells what it does
 *
 * A program makes a ring of random flags, files, sockets, buffers and a group of
 * provided buffers, submits random entries, most of which make sense, and makes
 * random register calls. What must hold: each entry that the kernel consumed
 * completes once for good, unless it skips that; nothing else completes; the
 * counters fit together; pieces of buffers lie in their buffers; after a drain
 * nothing is in flight; and nothing was written beside the memory that entries
 * named. Program i of seed S is the only one of seed S + i.
 */
#define _GNU_SOURCE
#include "jail.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <time.h>

#include <oring.h>
#include "opinfo.h"

#define ROUNDS	 12
#define ENTRIES	 1024 /* of one program, at most */
#define FILES	 24
#define SLOTS	 16
#define GROUP	 1
#define BUFFERS	 8
#define BUF_SIZE 256
#define PAGE	 65536 /* the largest */
#define DATA	 (1U << 20)
#define NEAR	 16384 /* addresses begin within this, so that lengths have room */
#define IDENTITY 0x0517000000000000ULL
#define LIMIT	 60 /* seconds of one program */
#define CANARY	 0xc5
#define TRACE	 255 /* a descriptor that programs do not reach */

static uint64_t state;

static uint32_t any(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state * 0x2545f4914f6cdd1dULL >> 32) % below;
}

static int one_in(uint32_t n)
{
	return any(n) == 0;
}

/* ---- what a program tells ---- */

static struct report {
	char reason[400];
	uint64_t programs, entries, completions, calls, pieces;
	uint64_t succeeded[256];
} * report; /* shared by all programs */

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(report->reason, sizeof(report->reason), format, args);
	va_end(args);
	_exit(EXIT_FAILURE);
}

/* What a single program does. */
static int trace = -1;

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
	va_list args;

	if (trace < 0)
		return;
	va_start(args, format);
	vdprintf(trace, format, args);
	va_end(args);
}

#define must(holds)                                            \
	do {                                                   \
		if (!(holds))                                  \
			fail("line %d: %s", __LINE__, #holds); \
	} while (0)

/* ---- memory ---- */

struct arena {
	unsigned char *memory;
	size_t size; /* between canaries and pages without access */
};

static struct arena data, words, buffers;

static void arena_make(struct arena *arena, size_t size)
{
	unsigned char *all =
		mmap(NULL, size + 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(all != MAP_FAILED &&
	     mprotect(all + PAGE, size + 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
	memset(all + PAGE, CANARY, size + 2 * PAGE);
	arena->memory = all + 2 * PAGE;
	arena->size = size;
	memset(arena->memory, 0, size);
}

static void arena_check(const struct arena *arena)
{
	size_t i;

	for (i = 1; i <= PAGE; i++)
		must(arena->memory[-(ptrdiff_t)i] == CANARY &&
		     arena->memory[arena->size + i - 1] == CANARY);
}

/*
 * What entries point to for the kernel to read: mostly pairs of an address of
 * data and a short length, good as vectors and much else; then times, names,
 * addresses of sockets. Nobody can write to it, so that it stays good.
 */
static void words_make(void)
{
	uint64_t *pairs;
	size_t i;

	arena_make(&words, PAGE);
	pairs = (uint64_t *)(void *)words.memory;
	for (i = 0; i < PAGE / 16; i++) {
		unsigned char *at = words.memory + i * 16;

		pairs[2 * i] = (uintptr_t)data.memory + any(NEAR) / 16 * 16;
		pairs[2 * i + 1] = 1 + any(200);
		if (i % 8)
			continue;
		switch (any(8)) {
		case 0: {
			struct timespec soon = { 0, any(3000000) };

			memcpy(at, &soon, sizeof(soon));
			break;
		}
		case 1:
		case 2: {
			char name[16] = { (char)('a' + any(4)) };

			if (one_in(3))
				memcpy(name + 1, "/b", 2);
			memcpy(at, name, sizeof(name));
			break;
		}
		case 3: {
			struct sockaddr_in inet = { .sin_family = AF_INET,
						    .sin_port = htons((uint16_t)(5000 + any(3))),
						    .sin_addr = { htonl(INADDR_LOOPBACK) } };

			memcpy(at, &inet, sizeof(inet));
			break;
		}
		case 4: {
			int32_t fds[4] = { (int32_t)any(FILES), (int32_t)any(FILES), -1,
					   (int32_t)any(FILES) };

			memcpy(at, fds, sizeof(fds));
			break;
		}
		}
	}
	must(mprotect(words.memory, PAGE, PROT_READ) == 0);
}

static uint64_t address(void)
{
	static const uint64_t wild[] = { 0,	    1, 0x10000, 0x7fffffffe000, 0xffff888000000000,
					 UINT64_MAX };

	switch (any(8)) {
	case 0:
	case 1:
	case 2:
		return (uintptr_t)data.memory +
		       any(NEAR) / (one_in(2) ? 1 : 64) * (one_in(2) ? 1 : 64) % NEAR;
	case 7:
		return one_in(4) ? wild[any(6)] : any(4);
	default:
		return (uintptr_t)words.memory + any(PAGE / 256) * 128;
	}
}

/* ---- a program's things ---- */

static struct oring ring, second;
static struct oring_bufgroup group;
static struct oring_buf_note notes[BUFFERS];
static int has_group;
static struct entry {
	uint32_t index; /* of its slot, free-running */
	uint8_t opcode;
	uint8_t silent; /* may complete without a word */
	uint8_t selects;
	uint8_t ended;
	uint8_t notified;
	uint16_t came;
} entries[ENTRIES];
static uint32_t used;
static int in_chain, chain_silent;

/* A program that touches what it must not says where. */
static void died(int number, siginfo_t *info, void *context)
{
	(void)context;
	fail("signal %d at %p, entries %p, rings %p, data %p, words %p, group %p", number,
	     info->si_addr, (void *)ring.sqes, ring.ring_memory, (void *)data.memory,
	     (void *)words.memory, (void *)group.ring.bufs);
}

static void tell_of_signals(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = died;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static int any_fd(void)
{
	return one_in(20) ? (int)any(250) - 110 : (int)any(FILES);
}

static void files_make(void)
{
	struct sockaddr_in inet = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(inet);
	int pair[2], listener, i;

	for (i = 0; i < 2; i++) {
		must(pipe2(pair, O_CLOEXEC | (one_in(2) ? O_NONBLOCK : 0)) == 0);
		must(socketpair(AF_UNIX, (one_in(2) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0,
				pair) == 0);
	}
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(listener, (struct sockaddr *)&inet, sizeof(inet)) == 0 &&
	     listen(listener, 4) == 0);
	must(getsockname(listener, (struct sockaddr *)&inet, &length) == 0);
	for (i = 0; i < 2; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		must(connect(fd, (struct sockaddr *)&inet, sizeof(inet)) == 0);
		must(accept4(listener, NULL, NULL, SOCK_CLOEXEC) >= 0 || i);
	}
	must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0);
	must(eventfd(any(3), EFD_CLOEXEC) >= 0);
	must(epoll_create1(EPOLL_CLOEXEC) >= 0);
	must(open("a", O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0);
	must(open("b", O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0);
	must(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0);
}

static void rings_make(void)
{
	static const uint32_t kinds[] = {
		0,
		ORING_SETUP_COOP_TASKRUN | ORING_SETUP_TASKRUN_FLAG,
		ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN,
		ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_TASKRUN_FLAG |
			ORING_SETUP_NO_SQARRAY,
		ORING_SETUP_SQPOLL,
		ORING_SETUP_SINGLE_ISSUER,
	};
	static const uint32_t sizes[] = { ORING_SETUP_SQE128,	  ORING_SETUP_CQE32,
					  ORING_SETUP_CQE_MIXED,  ORING_SETUP_SQE_MIXED,
					  ORING_SETUP_SUBMIT_ALL, ORING_SETUP_NO_SQARRAY,
					  ORING_SETUP_CQSIZE };
	struct oring_params params = { 0 };
	uint32_t optional = kinds[any(6)] | (one_in(2) ? ORING_SETUP_SUBMIT_ALL : 0);
	char text[1024];
	int ret;

	if (one_in(2))
		optional |= sizes[any(7)];
	if (one_in(2))
		optional |= sizes[any(7)];
	params.sq_thread_idle = 10;
	if (optional & ORING_SETUP_CQSIZE) {
		optional &= ~ORING_SETUP_CQSIZE;
		params.flags = ORING_SETUP_CQSIZE;
		params.cq_entries = 64;
	}
	/*
	 * Where a mixed queue is full but for its last slot, Linux 6.18 counts the
	 * filler, and writes the next completion over it: an old one comes again.
	 */
	if (optional & ORING_SETUP_CQE_MIXED) {
		params.flags = ORING_SETUP_CQSIZE;
		params.cq_entries = 8192;
	}
	/* A mixed queue has two slots at least. */
	ret = oring_init_flags(&ring, (optional & ORING_SETUP_SQE_MIXED ? 2U : 1U) << any(6),
			       &params, optional);
	if (ret != 0 && ret != -ENOMEM)
		fail("line %d: a ring with %x or less: %d", __LINE__, optional, ret);
	ret = ret < 0 ? ret : oring_init(&second, 8, NULL);
	if (ret == -ENOMEM) /* rings of programs before this one are still charged */
		_exit(EXIT_SUCCESS);
	must(ret == 0);
	oring_describe(&ring, ORING_ONE_LINE, text, sizeof(text));
	tell("# %s\n# entries at %p, rings at %p\n", text, (void *)ring.sqes, ring.ring_memory);
}

static void group_make(void)
{
	struct oring_bufgroup_params params = { 0 };

	arena_make(&buffers, BUFFERS * BUF_SIZE + PAGE - BUFFERS * BUF_SIZE % PAGE);
	/* Buffers at the end: the canary is next to them. */
	params.base = buffers.memory + buffers.size - BUFFERS * BUF_SIZE;
	params.notes = notes;
	params.size = BUF_SIZE;
	params.count = BUFFERS;
	params.ring.entries = BUFFERS;
	params.ring.bgid = GROUP;
	params.ring.flags = one_in(2) ? ORING_PBUF_RING_INC : 0;
	has_group = oring_bufgroup_init(&group, &ring, &params) == 0;
}

static void registers_make(void)
{
	struct iovec iov[4];
	int32_t fds[SLOTS];
	uint32_t i;

	if (one_in(4))
		return;
	for (i = 0; i < 4; i++) {
		iov[i].iov_base = data.memory;
		iov[i].iov_len = DATA / 16;
	}
	oring_register_buffers(&ring, iov, 4);
	for (i = 0; i < SLOTS; i++)
		fds[i] = one_in(4) ? -1 : (int32_t)any(18);
	oring_register_files(&ring, fds, SLOTS);
}

/* ---- entries ---- */

/* What may be asked of this operation, so that it ends and stays in here, and so that the books hold. */
static void tame(struct oring_sqe *sqe)
{
	switch (sqe->opcode) {
	case ORING_OP_SOCKET: /* other families would load modules */
		sqe->fd = one_in(2) ? AF_UNIX : AF_INET;
		sqe->off = (one_in(2) ? SOCK_STREAM : SOCK_DGRAM) | (one_in(4) ? SOCK_NONBLOCK : 0);
		sqe->len = 0;
		break;
	case ORING_OP_MADVISE: /* the canaries stay what they are */
		sqe->addr = (uintptr_t)data.memory;
		sqe->off = 0; /* a length, if it is not 0 */
		sqe->op_flags &= 31;
		break;
	case ORING_OP_MSG_RING: /* to the ring that nobody keeps books of */
		sqe->fd = second.fd;
		sqe->flags &= (uint8_t)~ORING_SQE_FIXED_FILE;
		break;
	case ORING_OP_SEND_ZC: /* on new kernels the identity of the notification (seen on 7.3) */
	case ORING_OP_SENDMSG_ZC:
		sqe->addr3 = 0;
		break;
	case ORING_OP_URING_CMD: /* a command that is not made for it never completes (6.18) */
	case ORING_OP_URING_CMD128:
		sqe->op_flags &= ~ORING_URING_CMD_MULTISHOT;
		break;
	case ORING_OP_POLL_REMOVE: /* it would change who completes */
		sqe->len &= ~ORING_POLL_UPDATE_USER_DATA;
		break;
	case ORING_OP_ASYNC_CANCEL:
		sqe->addr = IDENTITY + any(used + 1);
		break;
	case ORING_OP_TIMEOUT_REMOVE:
		sqe->addr = IDENTITY + any(used + 1);
		break;
	}
	/*
	 * Linux 6.18 loses count where entries with this flag are refused in
	 * chains: what comes after them never starts, and nothing finds it.
	 */
	sqe->flags &= (uint8_t)~ORING_SQE_IO_DRAIN;
	/* A buffer that was taken without a word would be missing in the books. */
	if (sqe->flags & ORING_SQE_BUFFER_SELECT)
		sqe->flags &= (uint8_t)~ORING_SQE_CQE_SKIP_SUCCESS;
}

/* Fields that mean nothing to an operation are refused, most of them. */
static void understandable(struct oring_sqe *sqe, unsigned int understood)
{
	sqe->ioprio = understood & FIELD_IOPRIO ? sqe->ioprio : 0;
	sqe->fd = understood & FIELD_FD ? sqe->fd : 0;
	sqe->off = understood & FIELD_OFF ? sqe->off : 0;
	sqe->addr = understood & FIELD_ADDR ? sqe->addr : 0;
	sqe->len = understood & FIELD_LEN ? sqe->len : 0;
	sqe->op_flags = understood & FIELD_OP_FLAGS ? sqe->op_flags : 0;
	if (!(understood & FIELD_BUF_INDEX) && !(sqe->flags & ORING_SQE_BUFFER_SELECT))
		sqe->buf_index = 0;
	sqe->file_index = understood & FIELD_FILE_INDEX ? sqe->file_index : 0;
	sqe->addr3 = understood & FIELD_ADDR3 ? sqe->addr3 : 0;
	sqe->pad2 = understood & FIELD_PAD2 ? sqe->pad2 : 0;
}

/* Entries that are right, of those that most comes of: data flows, buffers are taken. */
static void likely(struct oring_sqe *sqe)
{
	static const uint8_t pipes[] = { 0, 4 }, sockets[] = { 2, 3, 6, 7, 9, 10, 11, 12 };
	static const uint16_t ways[] = { 0, ORING_RECV_MULTISHOT, ORING_RECVSEND_BUNDLE,
					 ORING_RECV_MULTISHOT | ORING_RECVSEND_BUNDLE };

	sqe->fd = sockets[any(8)];
	sqe->addr = (uintptr_t)data.memory + any(NEAR);
	sqe->len = 1 + any(one_in(4) ? 3000 : 300);
	switch (any(8)) {
	case 0:
		sqe->opcode = ORING_OP_NOP;
		sqe->fd = 0;
		sqe->addr = 0;
		sqe->op_flags = one_in(2) ? ORING_NOP_CQE32
					  : ORING_NOP_INJECT_RESULT | any(2) * ORING_NOP_TW;
		break;
	case 1:
	case 2:
		sqe->opcode = one_in(6) ? ORING_OP_SEND_ZC : ORING_OP_SEND;
		break;
	case 3:
		sqe->opcode = ORING_OP_WRITE;
		sqe->fd = pipes[any(2)] + 1;
		break;
	case 4:
		sqe->opcode = one_in(2) ? ORING_OP_READ : ORING_OP_READ_MULTISHOT;
		sqe->fd = pipes[any(2)];
		sqe->addr = 0;
		sqe->len = sqe->opcode == ORING_OP_READ ? BUF_SIZE : 0;
		sqe->flags = ORING_SQE_BUFFER_SELECT;
		sqe->buf_index = GROUP;
		break;
	case 5:
		sqe->opcode = ORING_OP_RECV;
		break;
	default:
		sqe->opcode = ORING_OP_RECV;
		sqe->addr = 0;
		sqe->len = 0;
		sqe->ioprio = ways[any(4)];
		sqe->flags = ORING_SQE_BUFFER_SELECT;
		sqe->buf_index = GROUP;
	}
	if (one_in(8))
		sqe->flags |= ORING_SQE_IO_LINK;
	if (one_in(8))
		sqe->flags |= ORING_SQE_ASYNC;
	tame(sqe);
}

static void fill(struct oring_sqe *sqe)
{
	static const uint8_t plausible[] = { 0,
					     0,
					     ORING_SQE_FIXED_FILE,
					     ORING_SQE_ASYNC,
					     ORING_SQE_IO_LINK,
					     ORING_SQE_BUFFER_SELECT,
					     ORING_SQE_CQE_SKIP_SUCCESS };

	if (one_in(2)) {
		likely(sqe);
		return;
	}
	sqe->opcode = (uint8_t)any(one_in(50) ? 256 : ORING_OP_LAST);
	sqe->flags = one_in(4) ? (uint8_t)any(128) : plausible[any(7)];
	if (one_in(100))
		sqe->flags |= 128;
	sqe->ioprio = (uint16_t)(one_in(2) ? 0 : one_in(8) ? any(65536) : any(32));
	sqe->fd = sqe->flags & ORING_SQE_FIXED_FILE ? (int32_t)any(SLOTS + 1) : any_fd();
	sqe->off = one_in(2) ? 0 : one_in(2) ? any(4096) : address();
	sqe->addr = address();
	sqe->len = one_in(3) ? any(4) : any(4096);
	sqe->op_flags = one_in(2) ? 0 : one_in(2) ? 1U << any(32) : any(256);
	sqe->buf_index =
		(uint16_t)(sqe->flags & ORING_SQE_BUFFER_SELECT ? (one_in(8) ? any(4) : GROUP)
			   : one_in(3)				? any(5)
								: 0);
	sqe->personality = (uint16_t)(one_in(50) ? any(3) : 0);
	sqe->file_index = one_in(8) ? (one_in(2) ? ORING_FILE_INDEX_ALLOC : any(SLOTS + 2)) : 0;
	sqe->addr3 = one_in(4) ? address() : 0;
	if (one_in(100))
		sqe->pad2 = any(2);
	if (sqe->opcode < ORING_OP_LAST && !one_in(8))
		understandable(sqe, oring_opinfo[sqe->opcode].understood);
	tame(sqe);
}

/* Write down what was made; the entries of a chain that fails without a word may do so too. */
static void note(const struct oring_sqe *sqe, uint32_t index)
{
	struct entry *entry = &entries[used];
	char text[512];

	entry->index = index;
	entry->opcode = sqe->opcode;
	entry->silent = (sqe->flags & ORING_SQE_CQE_SKIP_SUCCESS) != 0;
	entry->selects = (sqe->flags & ORING_SQE_BUFFER_SELECT) && sqe->buf_index == GROUP;
	chain_silent = in_chain ? chain_silent | entry->silent : entry->silent;
	entry->silent = (uint8_t)chain_silent;
	in_chain = (sqe->flags & (ORING_SQE_IO_LINK | ORING_SQE_IO_HARDLINK)) != 0;
	used++;
	if (trace >= 0) {
		oring_describe_sqe(sqe, ORING_ONE_LINE, text, sizeof(text));
		tell("# %u: slot %u%s: %s\n", used - 1, index, entry->silent ? ", silent" : "",
		     text);
	}
}

static void reserve(void)
{
	struct oring_sqe *sqe, made;
	uint32_t first = ring.sq_reserved;

	if (used == ENTRIES)
		return;
	memset(&made, 0, sizeof(made));
	fill(&made);
	made.user_data = IDENTITY + used;
	/* Of two slots, or of one, as the operation wants it. */
	if (made.opcode == ORING_OP_NOP128 || made.opcode == ORING_OP_URING_CMD128) {
		struct oring_sqe128 *large = oring_sq_reserve128(&ring);

		if (large == NULL)
			return;
		if (ring.sq_stride == 64 && ring.sq_reserved - first > 2) /* NOPs fill up the end */
			in_chain = 0;
		large->sqe = made;
		first = ring.sq_reserved - (ring.sq_stride == 64 ? 2 : 1);
	} else if (one_in(2)) {
		sqe = oring_sq_push(&ring, &made);
		if (sqe == NULL)
			return;
	} else {
		sqe = oring_sq_reserve(&ring);
		if (sqe == NULL)
			return;
		*sqe = made;
	}
	note(&made, first);
	if (one_in(30) && oring_sq_unreserve(&ring, ring.sq_reserved - first) == 0) {
		used--;
		in_chain = chain_silent = 0;
		/* Whatever it was linked to ends with what comes next. */
		if (used > 0)
			chain_silent = entries[used - 1].silent, in_chain = 1;
	}
}

/* ---- completions ---- */

static void pieces(const struct oring_cqe *cqe)
{
	struct oring_bufwalk walk;
	struct oring_piece piece;
	uint32_t n = 0;

	if (oring_bufgroup_open(&group, cqe, &walk) < 0)
		fail("line %d: buffer %u is not the kernel's", __LINE__, oring_cqe_buffer_id(cqe));
	while (oring_bufgroup_next(&walk, &piece)) {
		must(piece.data >= oring_bufgroup_at(&group, piece.bid));
		must(piece.data + piece.length <= oring_bufgroup_at(&group, piece.bid) + BUF_SIZE);
		must(++n <= BUFFERS);
		report->pieces++;
		must(oring_bufgroup_release(&group, piece.bid) == 0);
	}
	oring_bufgroup_commit(&group);
}

static void completion(const struct oring_cqe *cqe)
{
	struct entry *entry = &entries[cqe->user_data - IDENTITY];

	report->completions++;
	tell("# completion %llx: %d, flags %x\n", (unsigned long long)cqe->user_data, cqe->res,
	     cqe->flags);
	/* Of the NOPs that fill up the end of a ring, where they failed. */
	if (cqe->user_data == 0 && (ring.setup_flags & ORING_SETUP_SQE_MIXED))
		return;
	if (cqe->user_data - IDENTITY >= used)
		fail("line %d: nobody's completion %llx", __LINE__,
		     (unsigned long long)cqe->user_data);
	/* A send that failed may bring it without a promise. */
	if (entry->ended && oring_cqe_is_notification(cqe) && !entry->notified &&
	    (entry->opcode == ORING_OP_SEND_ZC || entry->opcode == ORING_OP_SENDMSG_ZC)) {
		entry->notified = 1;
		return;
	}
	if (entry->ended)
		fail("line %d: operation %u completes again: %d, flags %x", __LINE__, entry->opcode,
		     cqe->res, cqe->flags);
	entry->came++;
	entry->ended = !oring_cqe_has_more(cqe);
	if (cqe->res >= 0 && entry->opcode < ORING_OP_LAST)
		report->succeeded[entry->opcode]++;
	if (entry->selects && has_group && oring_cqe_has_buffer(cqe))
		pieces(cqe);
}

static void reap(void)
{
	uint32_t cursor, end, turns;
	struct oring_cqe *cqe, one;

	must(oring_cq_ready(&ring) <= oring_cq_entries(&ring));
	for (turns = 0; turns < 64 && one_in(2) && oring_cq_take(&ring, &one); turns++)
		completion(&one);
	oring_cq_for_each (&ring, cursor, end, cqe)
		completion(cqe);
	oring_cq_release_to(&ring, cursor);
	must(*ring.cq_head == ring.cq_released);
}

/* ---- entering ---- */

static void submit(void)
{
	struct oring_wait_arg soon;
	uint32_t committed = ring.sq_committed, reserved = ring.sq_reserved;
	struct oring_outcome outcome = { 0 };
	int ret;

	oring_wait_relative(&soon, 0, any(2000000));
	switch (any(4)) {
	case 0:
		ret = oring_submit_and_wait_timeout(&ring, any(3), &soon, &outcome);
		must(outcome.error <= 0);
		break;
	default:
		ret = oring_submit(&ring);
	}
	tell("# submit: %d, pending %u\n", ret, oring_sq_pending(&ring));
	must(ret <= (int)ring.sq_entries && ret > -4096);
	must(ring.sq_reserved == reserved && ring.sq_committed - committed <= ring.sq_entries);
	must(oring_sq_pending(&ring) <= ring.sq_entries);
	if (one_in(2))
		oring_wait(&ring, any(2), &soon);
	if (one_in(4))
		oring_get_events(&ring);
	if (oring_sq_pending(&ring) == 0) /* a submit ends it */
		in_chain = 0;
}

static void call(void)
{
	uint32_t opcode = any(one_in(20) ? 200 : ORING_REGISTER_LAST);

	tell("# register %u\n", opcode);
	switch (opcode) {
	/* The library has functions for these, since its own memory or time changes with them. */
	case ORING_REGISTER_RESIZE_RINGS:
		if (ring.sq_committed == ring.sq_reserved)
			oring_resize(&ring, 1U << any(7), 1U << (4 + any(4)));
		must(!(ring.setup_flags & ORING_RING_CLOSED));
		return;
	case ORING_REGISTER_SYNC_CANCEL: /* waits */
	case ORING_REGISTER_SEND_MSG_RING:
		return;
	/* Completes with a tag of its own. */
	case ORING_REGISTER_FILES2:
	case ORING_REGISTER_FILES_UPDATE2:
	case ORING_REGISTER_BUFFERS2:
	case ORING_REGISTER_BUFFERS_UPDATE:
		return;
	case ORING_REGISTER_IOWQ_MAX_WORKERS: {
		uint32_t most[2] = { 1 + any(4), 1 + any(4) };

		oring_register_iowq_max_workers(&ring, most);
		return;
	}
	}
	report->calls++;
	oring_register(&ring, opcode, (const void *)(uintptr_t)(one_in(4) ? 0 : address()),
		       one_in(2) ? any(3) : any(16));
}

/* ---- the end ---- */

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* An entry that did not end, though it has to; or -1. */
static int unfinished(void)
{
	uint32_t head = *ring.sq_head, i;

	for (i = 0; i < used; i++)
		if (!entries[i].ended && !entries[i].silent &&
		    (int32_t)(head - entries[i].index) > 0)
			return (int)i;
	return -1;
}

static void finish(void)
{
	struct oring_timespec limit_of_drain = { 0, 200000000 };
	int64_t begin = now();
	/* What SQPOLL's workers wait for is found in no way (drain.h). */
	int polled = (ring.setup_flags & ORING_SETUP_SQPOLL) != 0, ret = 0, turns, left = -1;

	for (turns = 0; turns < (polled ? 20 : 1000) && now() - begin < LIMIT / 2; turns++) {
		oring_submit(&ring);
		ret = oring_drain(&ring, &limit_of_drain);
		if (ret == -EINVAL) /* before 6.0 */
			return;
		tell("# drain: %d\n", ret);
		must(ret >= 0 || ret == -EAGAIN || ret == -EINTR || ret == -EBADR);
		reap();
		/* Nothing may be behind that which it waits for: sockets that nobody reads from. */
		if (turns == 3) {
			syscall(SYS_close_range, 0, 15, 0);
			oring_unregister_files(&ring);
		}
		left = unfinished();
		if (ret == 0 && left < 0 && oring_cq_ready(&ring) == 0 &&
		    !oring_cq_overflowed(&ring) && turns > 4)
			break;
	}
	if (oring_cq_overflow_count(&ring) > 0)
		return;
	if (left >= 0 && !polled)
		fail("line %d: entry %d, operation %u, did not end, came %u times; drain says %d",
		     __LINE__, left, entries[left].opcode, entries[left].came, ret);
	must(ret == 0);
	must(oring_sq_dropped(&ring) == 0 || !(ring.features & ORING_FEAT_NODROP) ||
	     (ring.setup_flags & ORING_SETUP_SQE_MIXED));
}

static void run(uint64_t seed)
{
	uint32_t round, i, n;
	char text[2048];

	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	for (i = 0; i < 10; i++)
		any(2);
	if (trace >= 0)
		dup2(trace, TRACE);
	trace = trace >= 0 ? TRACE : -1;
	syscall(SYS_close_range, 0, TRACE - 1, 0);
	if (trace < 0)
		close(TRACE);
	tell_of_signals();
	files_make();
	rings_make();
	arena_make(&data, DATA);
	words_make();
	group_make();
	registers_make();
	for (round = 0; round < ROUNDS; round++) {
		for (n = any(12); n > 0; n--)
			reserve();
		if (one_in(6))
			call();
		submit();
		if (one_in(2))
			reap();
		must(oring_describe(&ring, ORING_ONE_LINE, text, sizeof(text)) < sizeof(text));
	}
	finish();
	report->entries += used;
	report->programs++;
	if (has_group)
		oring_bufgroup_exit(&group, &ring);
	oring_exit(&second);
	must(oring_exit(&ring) == 0 || oring_fd(&ring) == -1);
	arena_check(&data);
	arena_check(&words);
	arena_check(&buffers);
	_exit(EXIT_SUCCESS);
}

/* ---- all of them ---- */

/* What programs leave on the tmpfs. */
static void sweep(void)
{
	const char *names[] = { "a", "b", "c", "d" }, *inner[] = { "a/b", "b/b", "c/b", "d/b" };
	int i, again;

	for (again = 0; again < 2; again++) {
		for (i = 0; i < 4; i++) {
			unlink(inner[i]);
			rmdir(inner[i]);
			unlink(names[i]);
			rmdir(names[i]);
		}
	}
}

/* Run one; false if it failed, and then the reason is there. */
static int run_one(uint64_t seed)
{
	struct timespec most = { LIMIT, 0 };
	int64_t begin = now();
	int status = 0;
	sigset_t ended;
	pid_t pid;

	report->reason[0] = '\0';
	sigemptyset(&ended);
	sigaddset(&ended, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ended, NULL);
	sweep();
	pid = fork();
	if (pid == 0)
		run(seed);
	if (pid < 0)
		return 1; /* processes are still ending */
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now() - begin >= LIMIT) {
			kill(pid, SIGKILL);
			most.tv_sec = 10;
			sigtimedwait(&ended, NULL, &most);
			strcpy(report->reason, waitpid(pid, &status, WNOHANG) == pid
						       ? "it did not end"
						       : "it did not end, and cannot be killed");
			return 0;
		}
		most.tv_sec = 1;
		sigtimedwait(&ended, NULL, &most);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 1;
	if (report->reason[0] == '\0')
		snprintf(report->reason, sizeof(report->reason), "it ended with status %x", status);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? (unsigned int)atoi(argv[1]) : 5;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL) * 100000;
	uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 0) : UINT64_MAX, i, failed = 0;
	int64_t begin = now();
	int operation, worked = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..1\n");
	if (count == 1)
		trace = STDOUT_FILENO;
	jail_enter(seconds + 2 * LIMIT);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (report == MAP_FAILED)
		refuse("memory");
	for (i = 0; i < count && failed < 5 && now() - begin < seconds; i++) {
		if (run_one(seed + i))
			continue;
		failed++;
		printf("# finding: seed %llu: %s\n", (unsigned long long)(seed + i),
		       report->reason);
	}
	for (operation = 0; operation < 256; operation++)
		worked += report->succeeded[operation] > 0;
	printf("# seed %llu: %llu programs, %llu entries, %llu completions, %llu pieces of "
	       "buffers, %llu register calls, "
	       "%d operations succeeded\n",
	       (unsigned long long)seed, (unsigned long long)report->programs,
	       (unsigned long long)report->entries, (unsigned long long)report->completions,
	       (unsigned long long)report->pieces, (unsigned long long)report->calls, worked);
	if (report->programs == 0)
		printf("# not one program ran\n");
	printf("%sok 1 - random programs\n", failed || report->programs == 0 ? "not " : "");
	return failed || report->programs == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
