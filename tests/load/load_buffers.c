/* SPDX-License-Identifier: MIT */
/*
 * Much through provided buffers: bytes with a checksum, over TCP and a unix
 * socket, into plain, incremental and bundled buffers that come back in random
 * order; then many short connections, each echoing a few bytes.
 *
 *	load_buffers [MIB [CONNECTIONS]]
 *
 * Exit status: 0; 1 with a reason; 77: this kernel cannot.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <oring.h>

#define COUNT	64    /* buffers */
#define SIZE	8192  /* bytes of each */
#define HELD	4096  /* pieces that are kept for a while */
#define LARGEST 65536 /* bytes of one send */
#define BATCH	16    /* connections at a time */
#define GROUP	3
#define WAIT	20 /* seconds for one completion */

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static void skip(const char *what)
{
	printf("%s: not on this kernel\n", what);
	fflush(stdout);
	_exit(77);
}

#define MUST(condition, ...)                                           \
	do {                                                           \
		if (!(condition)) {                                    \
			printf("line %d: %s: ", __LINE__, #condition); \
			die(__VA_ARGS__);                              \
		}                                                      \
	} while (0)

static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* FNV-1a: the order of the bytes counts. */
static uint64_t checksum(uint64_t sum, const unsigned char *bytes, size_t length)
{
	while (length-- > 0)
		sum = (sum ^ *bytes++) * 1099511628211u;
	return sum;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- a ring and its buffers ---- */

struct bench {
	struct oring ring;
	struct oring_bufgroup group;
	struct oring_buf_note notes[COUNT];
	void *entries, *arena;
};

static void *memory_of(size_t length)
{
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(at != MAP_FAILED, "%s", strerror(errno));
	return at;
}

/* Whether this kernel has such buffers. */
static bool open_bench(struct bench *bench, uint16_t flags)
{
	struct oring_bufgroup_params group;
	struct oring_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	ret = oring_init(&bench->ring, 64, &params);
	if (ret == -ENOSYS || ret == -EPERM)
		skip("io_uring");
	MUST(ret == 0, "%s", strerror(-ret));
	memset(&group, 0, sizeof(group));
	bench->entries = memory_of(4096);
	bench->arena = memory_of((size_t)COUNT * SIZE);
	group.ring.memory = bench->entries;
	group.ring.entries = COUNT;
	group.ring.bgid = GROUP;
	group.ring.flags = flags;
	group.base = bench->arena;
	group.notes = bench->notes;
	group.size = SIZE;
	group.count = COUNT;
	ret = oring_bufgroup_init(&bench->group, &bench->ring, &group);
	if (ret == -EINVAL) {
		oring_exit(&bench->ring);
		return false;
	}
	MUST(ret == 0, "%s", strerror(-ret));
	return true;
}

/* All buffers are there again. */
static void close_bench(struct bench *bench)
{
	int available;

	oring_bufgroup_commit(&bench->group);
	MUST(oring_bufgroup_out(&bench->group) == 0, "%u", oring_bufgroup_out(&bench->group));
	available = oring_bufring_available(&bench->group.ring, &bench->ring);
	MUST(available == COUNT || available == -EINVAL, "%d available, %d registered", available,
	     COUNT);
	MUST(oring_bufgroup_exit(&bench->group, &bench->ring) == 0, "exit");
	MUST(oring_exit(&bench->ring) == 0, "exit");
	munmap(bench->entries, 4096);
	munmap(bench->arena, (size_t)COUNT * SIZE);
}

static struct oring_sqe *entry(struct bench *bench)
{
	struct oring_sqe *sqe = oring_sq_reserve(&bench->ring);

	if (sqe == NULL) {
		MUST(oring_submit(&bench->ring) > 0, "submit");
		sqe = oring_sq_reserve(&bench->ring);
	}
	MUST(sqe != NULL, "the queue is full");
	return sqe;
}

static struct oring_cqe reap(struct bench *bench)
{
	struct oring_wait_arg limit;
	struct oring_cqe cqe;
	double until = seconds() + WAIT;

	oring_wait_relative(&limit, 1, 0);
	while (oring_cq_copy(&bench->ring, &cqe, 1) == 0) {
		oring_submit_and_wait_timeout(&bench->ring, 1, &limit, NULL);
		MUST(seconds() < until, "no completion");
	}
	return cqe;
}

/* ---- bytes ---- */

struct sender {
	int sock;
	uint64_t bytes, sum;
};

static void *send_all(void *argument)
{
	static unsigned char noise[LARGEST * 2];
	struct sender *sender = argument;
	uint64_t seed = 1, left = sender->bytes;
	size_t i;

	for (i = 0; i < sizeof(noise); i++)
		noise[i] = (unsigned char)next_random(&seed);
	sender->sum = 0;
	while (left > 0) {
		/* Mostly short, sometimes long. */
		uint32_t most = next_random(&seed) % 4 == 0 ? 900 : LARGEST;
		size_t length = 1 + next_random(&seed) % most;
		const unsigned char *from = noise + next_random(&seed) % LARGEST;

		length = length < left ? length : left;
		sender->sum = checksum(sender->sum, from, length);
		left -= length;
		while (length > 0) {
			ssize_t n = send(sender->sock, from, length, MSG_NOSIGNAL);

			MUST(n > 0, "%s", strerror(errno));
			from += n;
			length -= (size_t)n;
		}
	}
	shutdown(sender->sock, SHUT_WR);
	return NULL;
}

/* Pieces that were received and not released; ends[] tells whether anybody wrote to them. */
struct held {
	struct oring_piece pieces[HELD];
	unsigned char ends[HELD][2];
	uint32_t count;
	uint64_t seed;
};

static void keep(struct held *held, const struct oring_piece *piece)
{
	MUST(held->count < HELD, "too many pieces");
	held->pieces[held->count] = *piece;
	if (piece->length > 0) {
		held->ends[held->count][0] = piece->data[0];
		held->ends[held->count][1] = piece->data[piece->length - 1];
	}
	held->count++;
}

/* Release pieces in random order until @most are held. */
static void let_go(struct bench *bench, struct held *held, uint32_t most)
{
	while (held->count > most) {
		uint32_t i = next_random(&held->seed) % held->count;
		struct oring_piece *piece = &held->pieces[i];

		MUST(piece->length == 0 || (held->ends[i][0] == piece->data[0] &&
					    held->ends[i][1] == piece->data[piece->length - 1]),
		     "a buffer that is held was written to");
		MUST(oring_bufgroup_release(&bench->group, piece->bid) == 0, "released twice");
		held->count--;
		*piece = held->pieces[held->count];
		memcpy(held->ends[i], held->ends[held->count], 2);
	}
	oring_bufgroup_commit(&bench->group);
}

struct receiver {
	struct oring_multishot stream;
	uint64_t bytes, sum, completions, armed;
	int sock;
	bool bundle;
};

static void arm(struct bench *bench, struct receiver *receiver)
{
	struct oring_sqe *sqe = entry(bench);

	if (receiver->bundle)
		oring_prep_recv_multishot_bundle(sqe, oring_file_fd(receiver->sock), 0);
	else
		oring_prep_recv_multishot(sqe, oring_file_fd(receiver->sock), 0);
	oring_sqe_buffer_select(sqe, GROUP);
	MUST(oring_multishot_arm(&receiver->stream, sqe) == 0, "busy");
	receiver->armed++;
}

/* One completion. Whether it was the last of all. */
static bool receive(struct bench *bench, struct receiver *receiver, struct held *held)
{
	struct oring_cqe cqe = reap(bench);
	struct oring_step step = oring_multishot_step(&receiver->stream, &cqe);
	struct oring_bufwalk walk;
	struct oring_piece piece;

	receiver->completions++;
	if (oring_bufgroup_open(&bench->group, &cqe, &walk) == 0) {
		while (oring_bufgroup_next(&walk, &piece)) {
			receiver->sum = checksum(receiver->sum, piece.data, piece.length);
			receiver->bytes += piece.length;
			keep(held, &piece);
		}
	} else {
		MUST(!step.data, "data without a buffer");
	}
	let_go(bench, held, next_random(&held->seed) % (COUNT - 8));
	if (!step.retired)
		return false;
	if (!step.arm_again) {
		MUST(step.end == ORING_STREAM_FINISHED, "%s", strerror(-cqe.res));
		return true;
	}
	if (step.end == ORING_STREAM_STARVED)
		let_go(bench, held, 0);
	arm(bench, receiver);
	return false;
}

static void connect_to(int sock, const struct sockaddr_in *address)
{
	MUST(connect(sock, (const struct sockaddr *)address, sizeof(*address)) == 0, "%s",
	     strerror(errno));
}

static int listen_to(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(bind(sock, (struct sockaddr *)address, length) == 0, "%s", strerror(errno));
	MUST(getsockname(sock, (struct sockaddr *)address, &length) == 0, "%s", strerror(errno));
	MUST(listen(sock, 4 * BATCH) == 0, "%s", strerror(errno));
	return sock;
}

static void make_pair(bool tcp, int pair[2])
{
	struct sockaddr_in address;
	int listener;

	if (!tcp) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "%s",
		     strerror(errno));
		return;
	}
	listener = listen_to(&address);
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	connect_to(pair[0], &address);
	pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	MUST(pair[1] >= 0, "%s", strerror(errno));
	close(listener);
}

static void transfer(const char *name, uint64_t bytes, bool tcp, uint16_t flags, bool bundle)
{
	static struct held held;
	static struct bench bench;
	struct receiver receiver;
	struct sender sender;
	pthread_t thread;
	double begin = seconds();
	int pair[2];

	if (!open_bench(&bench, flags)) {
		if (flags == 0)
			skip("rings of buffers");
		printf("%s: not on this kernel; ", name);
		return;
	}
	memset(&receiver, 0, sizeof(receiver));
	memset(&held, 0, sizeof(held));
	if (bundle && !(oring_features(&bench.ring) & ORING_FEAT_RECVSEND_BUNDLE)) {
		printf("%s: not on this kernel; ", name);
		close_bench(&bench);
		return;
	}
	make_pair(tcp, pair);
	sender.sock = pair[0];
	sender.bytes = bytes;
	receiver.sock = pair[1];
	receiver.bundle = bundle;
	oring_multishot_init(&receiver.stream, ORING_STREAM_RECV, oring_context_pointer(&receiver));
	MUST(pthread_create(&thread, NULL, send_all, &sender) == 0, "thread");
	arm(&bench, &receiver);
	while (!receive(&bench, &receiver, &held))
		;
	MUST(pthread_join(thread, NULL) == 0, "thread");
	let_go(&bench, &held, 0);
	MUST(receiver.bytes == bytes, "%llu of %llu bytes", (unsigned long long)receiver.bytes,
	     (unsigned long long)bytes);
	MUST(receiver.sum == sender.sum, "the checksum differs");
	close(pair[0]);
	close(pair[1]);
	close_bench(&bench);
	printf("%s: %llu MiB in %llu completions, armed %llu times, %.1f s; ", name,
	       (unsigned long long)bytes >> 20, (unsigned long long)receiver.completions,
	       (unsigned long long)receiver.armed, seconds() - begin);
}

/* ---- connections ---- */

struct clients {
	struct sockaddr_in address;
	uint32_t count;
};

/* Open, say something, hear it again, close: @n at a time. */
static void converse(const struct clients *clients, uint32_t first, uint32_t n)
{
	struct linger reset = { 1, 0 }; /* so that no port stays in use */
	int socks[BATCH];
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t word = first + i;

		socks[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		MUST(setsockopt(socks[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0, "%s",
		     strerror(errno));
		connect_to(socks[i], &clients->address);
		MUST(send(socks[i], &word, sizeof(word), MSG_NOSIGNAL) == sizeof(word), "%s",
		     strerror(errno));
	}
	for (i = 0; i < n; i++) {
		uint32_t word = 0;

		MUST(recv(socks[i], &word, sizeof(word), MSG_WAITALL) == sizeof(word), "%s",
		     strerror(errno));
		MUST(word == first + i, "another's echo");
		close(socks[i]);
	}
}

static void *connect_all(void *argument)
{
	const struct clients *clients = argument;
	uint32_t i;

	for (i = 0; i < clients->count; i += BATCH)
		converse(clients, i, clients->count - i < BATCH ? clients->count - i : BATCH);
	return NULL;
}

static oring_context mark(uint8_t op, uint16_t bid, int fd)
{
	oring_context context;

	MUST(oring_context_direct(op, 0, bid, oring_file_fd(fd), &context) == 0, "fd %d", fd);
	return context;
}

static void accept_all(struct bench *bench, struct oring_multishot *stream, int listener)
{
	struct oring_sqe *sqe = entry(bench);

	oring_prep_accept_multishot(sqe, oring_file_fd(listener), SOCK_CLOEXEC);
	MUST(oring_multishot_arm(stream, sqe) == 0, "busy");
}

static void receive_from(struct bench *bench, int fd)
{
	struct oring_sqe *sqe = entry(bench);

	oring_prep_recv(sqe, oring_file_fd(fd), NULL, SIZE, 0);
	oring_sqe_buffer_select(sqe, GROUP);
	oring_sqe_set_context(sqe, mark(ORING_OP_RECV, 0, fd));
}

/* What connection @fd said goes back, from the buffer where it lies. */
static void echo(struct bench *bench, const struct oring_cqe *cqe, int fd)
{
	struct oring_bufwalk walk;
	struct oring_piece piece;
	struct oring_sqe *sqe;

	if (cqe->res == -ENOBUFS) {
		receive_from(bench, fd);
		return;
	}
	MUST(cqe->res == 4, "receive: %d", cqe->res);
	MUST(oring_bufgroup_open(&bench->group, cqe, &walk) == 0, "no buffer");
	MUST(oring_bufgroup_next(&walk, &piece), "no piece");
	sqe = entry(bench);
	oring_prep_send(sqe, oring_file_fd(fd), piece.data, piece.length, MSG_NOSIGNAL);
	oring_sqe_set_context(sqe, mark(ORING_OP_SEND, piece.bid, fd));
}

/* One completion of a connection; whether it was the connection's last. */
static bool serve(struct bench *bench, const struct oring_cqe *cqe)
{
	oring_context context = oring_cqe_context(cqe);
	int fd = oring_file_value(oring_context_file(context));

	if (oring_context_op(context) == ORING_OP_RECV) {
		echo(bench, cqe, fd);
		return false;
	}
	MUST(cqe->res == 4, "send: %d", cqe->res);
	MUST(oring_bufgroup_release(&bench->group, oring_context_tag(context)) == 0, "bid");
	oring_bufgroup_commit(&bench->group);
	MUST(close(fd) == 0, "%s", strerror(errno));
	return true;
}

/* Ask the accept to end, and wait until it has. */
static void stop(struct bench *bench, struct oring_multishot *stream)
{
	oring_context canceller = mark(ORING_OP_ASYNC_CANCEL, 0, -1);
	int retired = 0;

	MUST(oring_multishot_cancel(stream, entry(bench), canceller) == 0, "cancel");
	while (oring_multishot_busy(stream)) {
		struct oring_cqe cqe = reap(bench);

		retired += cqe.user_data == canceller.bits
				   ? oring_multishot_cancel_step(stream, &cqe).retired
				   : oring_multishot_step(stream, &cqe).retired;
	}
	MUST(retired == 1, "%d", retired);
}

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	MUST(dir != NULL, "%s", strerror(errno));
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void connections(uint32_t count)
{
	static struct bench bench;
	struct oring_multishot stream;
	struct clients clients;
	pthread_t thread;
	uint32_t accepted = 0, served = 0;
	double begin = seconds();
	int before = open_descriptors(), listener = listen_to(&clients.address);

	clients.count = count;
	if (!open_bench(&bench, 0))
		skip("rings of buffers");
	oring_multishot_init(&stream, ORING_STREAM_ACCEPT, mark(ORING_OP_ACCEPT, 0, listener));
	accept_all(&bench, &stream, listener);
	MUST(pthread_create(&thread, NULL, connect_all, &clients) == 0, "thread");
	while (served < count) {
		struct oring_cqe cqe = reap(&bench);
		struct oring_step step;

		if (cqe.user_data != stream.context.bits) {
			served += serve(&bench, &cqe);
			continue;
		}
		step = oring_multishot_step(&stream, &cqe);
		MUST(step.data, "accept: %s", strerror(-cqe.res));
		accepted++;
		receive_from(&bench, cqe.res);
		if (step.arm_again)
			accept_all(&bench, &stream, listener);
	}
	stop(&bench, &stream);
	MUST(pthread_join(thread, NULL) == 0, "thread");
	MUST(accepted == count, "%u accepted", accepted);
	close(listener);
	close_bench(&bench);
	MUST(open_descriptors() == before, "%d descriptors, were %d", open_descriptors(), before);
	printf("%u connections, %.1f s", count, seconds() - begin);
}

int main(int argc, char **argv)
{
	uint64_t bytes = (uint64_t)(argc > 1 ? atoi(argv[1]) : 64) << 20;
	uint32_t count = (uint32_t)(argc > 2 ? atoi(argv[2]) : 1000);

	transfer("plain", bytes, true, 0, false);
	transfer("incremental", bytes, false, ORING_PBUF_RING_INC, false);
	transfer("bundles", bytes, true, 0, true);
	transfer("incremental bundles", bytes, false, ORING_PBUF_RING_INC, true);
	connections(count);
	printf("\n");
	return 0;
}
