/* SPDX-License-Identifier: MIT */
/* Rings, entries and completions in words. */
#include "oring/describe.h"
#include "oring/cq.h"
#include "oring/cqe.h"
#include "oring/sq.h"

/* ---- names ---- */

/* Of flags, by bit. */
static const char *const setup_names[] = {
	"IOPOLL",	 "SQPOLL",	  "SQ_AFF",	"CQSIZE",
	"CLAMP",	 "ATTACH_WQ",	  "R_DISABLED", "SUBMIT_ALL",
	"COOP_TASKRUN",	 "TASKRUN_FLAG",  "SQE128",	"CQE32",
	"SINGLE_ISSUER", "DEFER_TASKRUN", "NO_MMAP",	"REGISTERED_FD_ONLY",
	"NO_SQARRAY",	 "HYBRID_IOPOLL", "CQE_MIXED",	"SQE_MIXED",
	"SQ_REWIND",
};

static const char *const feature_names[] = {
	"SINGLE_MMAP", "NODROP",      "SUBMIT_STABLE",	 "RW_CUR_POS",	 "CUR_PERSONALITY",
	"FAST_POLL",   "POLL_32BITS", "SQPOLL_NONFIXED", "EXT_ARG",	 "NATIVE_WORKERS",
	"RSRC_TAGS",   "CQE_SKIP",    "LINKED_FILE",	 "REG_REG_RING", "RECVSEND_BUNDLE",
	"MIN_TIMEOUT", "RW_ATTR",     "NO_IOWAIT",
};

static const char *const enter_names[] = {
	"GETEVENTS",	   "SQ_WAKEUP", "SQ_WAIT",     "EXT_ARG",
	"REGISTERED_RING", "ABS_TIMER", "EXT_ARG_REG", "NO_IOWAIT",
};

static const char *const sqe_names[] = {
	"FIXED_FILE", "DRAIN", "LINK", "HARDLINK", "ASYNC", "BUFFER_SELECT", "SKIP_SUCCESS",
};

static const char *const cqe_names[] = {
	"BUFFER", "MORE", "SOCK_NONEMPTY", "NOTIFICATION", "BUFFER_MORE", "FILLER",
};

/* By operation. */
static const char *const register_names[] = {
	"REGISTER_BUFFERS",	  "UNREGISTER_BUFFERS",	       "REGISTER_FILES",
	"UNREGISTER_FILES",	  "REGISTER_EVENTFD",	       "UNREGISTER_EVENTFD",
	"REGISTER_FILES_UPDATE",  "REGISTER_EVENTFD_ASYNC",    "REGISTER_PROBE",
	"REGISTER_PERSONALITY",	  "UNREGISTER_PERSONALITY",    "REGISTER_RESTRICTIONS",
	"REGISTER_ENABLE_RINGS",  "REGISTER_FILES2",	       "REGISTER_FILES_UPDATE2",
	"REGISTER_BUFFERS2",	  "REGISTER_BUFFERS_UPDATE",   "REGISTER_IOWQ_AFF",
	"UNREGISTER_IOWQ_AFF",	  "REGISTER_IOWQ_MAX_WORKERS", "REGISTER_RING_FDS",
	"UNREGISTER_RING_FDS",	  "REGISTER_PBUF_RING",	       "UNREGISTER_PBUF_RING",
	"REGISTER_SYNC_CANCEL",	  "REGISTER_FILE_ALLOC_RANGE", "REGISTER_PBUF_STATUS",
	"REGISTER_NAPI",	  "UNREGISTER_NAPI",	       "REGISTER_CLOCK",
	"REGISTER_CLONE_BUFFERS", "REGISTER_SEND_MSG_RING",    "REGISTER_ZCRX_IFQ",
	"REGISTER_RESIZE_RINGS",  "REGISTER_MEM_REGION",       "REGISTER_QUERY",
	"REGISTER_ZCRX_CTRL",	  "REGISTER_BPF_FILTER",
};

static const struct {
	int error;
	const char *name;
} error_names[] = {
	{ 1, "EPERM" },		 { 2, "ENOENT" },
	{ 4, "EINTR" },		 { 5, "EIO" },
	{ 6, "ENXIO" },		 { 7, "E2BIG" },
	{ 9, "EBADF" },		 { 10, "ECHILD" },
	{ 11, "EAGAIN" },	 { 12, "ENOMEM" },
	{ 13, "EACCES" },	 { 14, "EFAULT" },
	{ 16, "EBUSY" },	 { 17, "EEXIST" },
	{ 19, "ENODEV" },	 { 20, "ENOTDIR" },
	{ 21, "EISDIR" },	 { 22, "EINVAL" },
	{ 23, "ENFILE" },	 { 24, "EMFILE" },
	{ 25, "ENOTTY" },	 { 27, "EFBIG" },
	{ 28, "ENOSPC" },	 { 29, "ESPIPE" },
	{ 30, "EROFS" },	 { 32, "EPIPE" },
	{ 34, "ERANGE" },	 { 36, "ENAMETOOLONG" },
	{ 38, "ENOSYS" },	 { 39, "ENOTEMPTY" },
	{ 40, "ELOOP" },	 { 57, "EBADSLT" },
	{ 61, "ENODATA" },	 { 62, "ETIME" },
	{ 75, "EOVERFLOW" },	 { 77, "EBADFD" },
	{ 88, "ENOTSOCK" },	 { 90, "EMSGSIZE" },
	{ 95, "EOPNOTSUPP" },	 { 97, "EAFNOSUPPORT" },
	{ 98, "EADDRINUSE" },	 { 99, "EADDRNOTAVAIL" },
	{ 101, "ENETUNREACH" },	 { 103, "ECONNABORTED" },
	{ 104, "ECONNRESET" },	 { 105, "ENOBUFS" },
	{ 106, "EISCONN" },	 { 107, "ENOTCONN" },
	{ 110, "ETIMEDOUT" },	 { 111, "ECONNREFUSED" },
	{ 113, "EHOSTUNREACH" }, { 114, "EALREADY" },
	{ 115, "EINPROGRESS" },	 { 116, "ESTALE" },
	{ 125, "ECANCELED" },	 { 130, "EOWNERDEAD" },
	{ 512, "ERESTARTSYS" }, /* the kernel's own; an interrupted open shows it */
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *name_of(const char *const *names, size_t count, uint32_t flag)
{
	size_t bit;

	for (bit = 0; bit < count; bit++) {
		if (flag == (uint32_t)1 << bit)
			return names[bit];
	}
	return NULL;
}

const char *oring_setup_flag_name(uint32_t flag)
{
	return name_of(setup_names, COUNT(setup_names), flag);
}

const char *oring_feature_name(uint32_t flag)
{
	return name_of(feature_names, COUNT(feature_names), flag);
}

const char *oring_enter_flag_name(uint32_t flag)
{
	return name_of(enter_names, COUNT(enter_names), flag);
}

const char *oring_register_name(uint32_t opcode)
{
	return opcode < COUNT(register_names) ? register_names[opcode] : NULL;
}

const char *oring_error_name(int error)
{
	size_t i;

	for (i = 0; i < COUNT(error_names); i++) {
		if (-error_names[i].error == error)
			return error_names[i].name;
	}
	return NULL;
}

/* ---- writing ---- */

struct writer {
	char *text;
	size_t size;
	size_t length; /* of all that was put, also what did not fit */
	enum oring_form form;
};

static void put_char(struct writer *to, char c)
{
	if (to->length + 1 < to->size)
		to->text[to->length] = c;
	to->length++;
}

static void put(struct writer *to, const char *text)
{
	while (*text != '\0')
		put_char(to, *text++);
}

static void put_number(struct writer *to, uint64_t number, unsigned int base)
{
	char digits[20];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number != 0);
	while (n > 0)
		put_char(to, digits[--n]);
}

static void put_hex(struct writer *to, uint64_t number)
{
	put(to, "0x");
	put_number(to, number, 16);
}

static void put_signed(struct writer *to, int64_t number)
{
	if (number < 0)
		put_char(to, '-');
	put_number(to, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10);
}

/* Names with | between them; bits without a name as one number. */
static void put_flags(struct writer *to, uint32_t flags, const char *const *names, size_t count)
{
	bool first = true;
	size_t bit;

	for (bit = 0; bit < count; bit++) {
		if (!(flags & (uint32_t)1 << bit))
			continue;
		put(to, first ? "" : "|");
		put(to, names[bit]);
		flags &= ~((uint32_t)1 << bit);
		first = false;
	}
	if (flags != 0 || first) {
		put(to, first ? "" : "|");
		flags != 0 ? put_hex(to, flags) : put(to, "0");
	}
}

/* Between two statements: a comma, or a new line. */
static void next(struct writer *to, const char *what)
{
	put(to, to->form == ORING_LINES ? "\n  " : ", ");
	put(to, what);
	put_char(to, ' ');
}

static size_t finish(struct writer *to)
{
	if (to->form == ORING_LINES)
		put_char(to, '\n');
	if (to->size > 0)
		to->text[to->length < to->size ? to->length : to->size - 1] = '\0';
	return to->length;
}

static void begin(struct writer *to, enum oring_form form, char *text, size_t size)
{
	to->text = text;
	to->size = size;
	to->length = 0;
	to->form = form;
}

static void put_file(struct writer *to, oring_file file)
{
	put(to, oring_file_is_slot(file) ? "slot " : "fd ");
	if (oring_file_is_slot(file))
		put_number(to, (uint32_t)oring_file_value(file), 10);
	else
		put_signed(to, oring_file_value(file));
}

/* ---- a ring ---- */

static void describe_queues(struct writer *to, const struct oring *ring)
{
	next(to, "entries");
	put_number(to, ring->sq_entries, 10);
	put(to, ring->sq_stride == sizeof(struct oring_sqe128) ? " of 128 bytes" : " of 64 bytes");
	put(to, ": reserved ");
	put_number(to, ring->sq_reserved - ring->sq_committed, 10);
	put(to, " pending ");
	put_number(to, oring_sq_pending(ring), 10);
	put(to, " dropped ");
	put_number(to, oring_sq_dropped(ring), 10);
	next(to, "completions");
	put_number(to, ring->cq_entries, 10);
	put(to, ring->cq_stride == sizeof(struct oring_cqe32) ? " of 32 bytes"
		: ring->cq_mixed			      ? " of 16 or 32 bytes"
							      : " of 16 bytes");
	put(to, ": ready ");
	put_number(to, oring_cq_ready(ring), 10);
	put(to, oring_cq_overflowed(ring) ? " and more that do not fit" : "");
	put(to, " lost ");
	put_number(to, oring_cq_overflow_count(ring), 10);
}

static void describe_count(struct writer *to, const char *what, uint32_t count, bool *first)
{
	if (count == 0)
		return;
	if (*first)
		next(to, "registered");
	put(to, *first ? "" : ", ");
	put(to, what);
	if (count > 1) {
		put_char(to, ' ');
		put_number(to, count, 10);
	}
	*first = false;
}

static void describe_registered(struct writer *to, const struct oring *ring)
{
	uint32_t marks = oring_load_relaxed(&ring->registered);
	bool first = true;

	describe_count(to, "files", oring_load_relaxed(&ring->files), &first);
	describe_count(to, "buffers", oring_load_relaxed(&ring->buffers), &first);
	describe_count(to, "buffer groups", oring_load_relaxed(&ring->buffer_groups), &first);
	describe_count(to, "personalities", oring_load_relaxed(&ring->personalities), &first);
	describe_count(to, "eventfd", (marks & ORING_HAS_EVENTFD) != 0, &first);
	describe_count(to, "busy polling", (marks & ORING_HAS_NAPI) != 0, &first);
	describe_count(to, "restrictions", (marks & ORING_HAS_RESTRICTIONS) != 0, &first);
	describe_count(to, "memory region", (marks & ORING_HAS_REGION) != 0, &first);
}

static void describe_positions(struct writer *to, const struct oring *ring)
{
	next(to, "sq");
	put(to, "head ");
	put_number(to, oring_load_acquire(ring->sq_head), 10);
	put(to, " tail ");
	put_number(to, oring_load_relaxed(ring->sq_tail), 10);
	put(to, " flags ");
	put_hex(to, oring_load_relaxed(ring->sq_flags));
	next(to, "cq");
	put(to, "head ");
	put_number(to, ring->cq_released, 10);
	put(to, " tail ");
	put_number(to, oring_load_acquire(ring->cq_tail), 10);
	next(to, "memory");
	put_number(to, ring->ring_bytes, 10);
	put(to, " + ");
	put_number(to, ring->sqe_bytes, 10);
	put(to, ring->memory_is_callers ? " bytes of the caller's" : " bytes");
}

size_t oring_describe(const struct oring *ring, enum oring_form form, char *text, size_t size)
{
	struct writer to;

	begin(&to, form, text, size);
	put(&to, "ring ");
	if (ring->layout != ORING_LAYOUT) {
		put(&to, "closed");
		return finish(&to);
	}
	put_file(&to, oring_file_fd(ring->fd));
	if (ring->enter_flags & ORING_ENTER_REGISTERED_RING) {
		put(&to, " index ");
		put_signed(&to, ring->enter_fd);
	}
	next(&to, "flags");
	put_flags(&to, ring->setup_flags, setup_names, COUNT(setup_names));
	describe_queues(&to, ring);
	describe_registered(&to, ring);
	if (ring->wait_slot != NULL)
		next(&to, "waits from a registered region");
	if (form == ORING_LINES) {
		next(&to, "features");
		put_flags(&to, ring->features, feature_names, COUNT(feature_names));
		describe_positions(&to, ring);
	}
	return finish(&to);
}

/* ---- an entry ---- */

static void put_field(struct writer *to, const char *name, uint64_t value, bool hex)
{
	if (value == 0)
		return;
	next(to, name);
	hex ? put_hex(to, value) : put_number(to, value, 10);
}

size_t oring_describe_sqe(const struct oring_sqe *sqe, enum oring_form form, char *text,
			  size_t size)
{
	bool refused = sqe->opcode == ORING_OP_REFUSED;
	struct writer to;

	begin(&to, form, text, size);
	put(&to, oring_op_name(refused ? (uint8_t)sqe->off : sqe->opcode));
	if (refused)
		put(&to, sqe->off >> 8 == ORING_REFUSED_SLOT ? " refused for its slot"
							     : " refused for its length");
	next(&to, "file");
	put_file(&to, oring_sqe_file(sqe));
	put_field(&to, "addr", sqe->addr, true);
	put_field(&to, "len", sqe->len, false);
	put_field(&to, "off", refused ? 0 : sqe->off, false);
	put_field(&to, "operation flags", sqe->op_flags, true);
	put_field(&to, "ioprio", sqe->ioprio, true);
	put_field(&to, sqe->flags & ORING_SQE_BUFFER_SELECT ? "bgid" : "buffer index",
		  sqe->buf_index, false);
	put_field(&to, "file index", sqe->file_index, false);
	put_field(&to, "personality", sqe->personality, false);
	put_field(&to, "addr3", sqe->addr3, true);
	put_field(&to, "pad2", sqe->pad2, true);
	if (sqe->flags != 0) {
		next(&to, "flags");
		put_flags(&to, sqe->flags, sqe_names, COUNT(sqe_names));
	}
	next(&to, "user_data");
	put_hex(&to, sqe->user_data);
	return finish(&to);
}

/* ---- a completion ---- */

static void describe_direct(struct writer *to, oring_context context)
{
	if (oring_context_kind_of(context) != ORING_CONTEXT_DIRECT)
		return;
	put(to, " (if direct: ");
	put(to, oring_op_name(oring_context_op(context)));
	put_char(to, ' ');
	put_file(to, oring_context_file(context));
	put_char(to, ')');
}

size_t oring_describe_cqe(const struct oring_cqe *cqe, enum oring_form form, char *text,
			  size_t size)
{
	const char *error = oring_error_name(oring_cqe_error(cqe));
	uint32_t flags = cqe->flags & 0xffff;
	struct writer to;

	begin(&to, form, text, size);
	put(&to, "user_data ");
	put_hex(&to, cqe->user_data);
	describe_direct(&to, oring_cqe_context(cqe));
	next(&to, "res");
	put_signed(&to, cqe->res);
	if (error != NULL) {
		put_char(&to, ' ');
		put(&to, error);
	}
	if (flags != 0) {
		next(&to, "flags");
		put_flags(&to, flags, cqe_names, COUNT(cqe_names));
	}
	if (oring_cqe_has_buffer(cqe)) {
		next(&to, "bid");
		put_number(&to, oring_cqe_buffer_id(cqe), 10);
	}
	return finish(&to);
}
