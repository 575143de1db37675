/* SPDX-License-Identifier: MIT */
/*
 * soak - files, sockets, timers, cancels, buffers, zero copy, all at once, and none lost
 *
 * See --help. Every worker has a ring of another shape. At the end each request must have
 * completed, each buffer be back, each byte have arrived, and descriptors, mappings and
 * memory be as many as before.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "soak.h"

#define WORKERS_MOST 8
#define PATIENCE     10 /* seconds without a completion */
#define WARM_UP	     4	/* memory is held against what it was after a quarter of the time */
#define GROWTH_KIB   1024
#define CANNOT	     77

static const char usage[] =
	"usage: soak [--minutes N | --seconds N] [--operations N] [--workers N] [--folder PATH]\n"
	"\n"
	"Files, sockets, timers, cancels, provided buffers and zero copy at once, on a ring for\n"
	"each worker, until the time is over (default: one minute) or so many operations were\n"
	"made. Loopback only; files in PATH (default: $TMPDIR or /tmp), removed at the end.\n"
	"\n"
	"  --break FAULT  see a check fail: lose, twice, flip, descriptor, buffer, memory\n"
	"\n"
	"Exit status: 0 nothing was lost; 1 something was, or does not fit; 77 this kernel "
	"cannot.\n";

static const char *const what_names[DO_KINDS] = {
	"writes",
	"reads",
	"fsyncs",
	"sends",
	"zero-copy sends",
	"receives",
	"multishot receives",
	"timers",
	"timer changes",
	"waits",
	"cancels",
	"opens",
	"statx",
	"closes",
	"unlinks",
	"connects",
	"accepts",
	"shutdowns",
	"messages",
	"NOPs",
};

static const struct lane_kind *const kinds[] = {
	&lane_file,   &lane_file_fixed,	 &lane_file_chain, &lane_open,
	&lane_stream, &lane_stream_unix, &lane_stream_zc,  &lane_timer,
	&lane_wait,   &lane_connect,	 &lane_message,	   &lane_nop,
};

static const char *const fault_names[] = { "none",	 "lose",   "twice", "flip",
					   "descriptor", "buffer", "memory" };

static struct worker workers[WORKERS_MOST];
static uint32_t worker_count = 2;
static char folder[256]; /* one for each worker is in it */
static bool stopping;	 /* no lane begins another round */
static enum fault fault_wanted;
static pthread_barrier_t all_started, all_done, all_measured;

/* ---- what all lanes use ---- */

void flaw(const char *file, int line, const char *condition)
{
	printf("%s:%d: %s: ", file, line, condition);
}

static void remove_files(void);

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	remove_files();
	_exit(1);
}

/* What the lanes have left in the folder, and it: as far as they can be removed. */
static void remove_files(void)
{
	char name[300];
	uint32_t i, n;

	for (i = 0; i < worker_count; i++) {
		for (n = 0; n < lane_open.lanes; n++) {
			open_lane_name(n, name, sizeof(name));
			unlinkat(workers[i].folder, name, 0);
		}
		snprintf(name, sizeof(name), "%s/%u", folder, i);
		rmdir(name);
	}
	rmdir(folder);
}

bool fault_now(enum fault fault)
{
	enum fault expected = fault;

	if (__atomic_load_n(&fault_wanted, __ATOMIC_RELAXED) != fault)
		return false;
	return __atomic_compare_exchange_n(&fault_wanted, &expected, FAULT_NONE, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

uint32_t next_random(struct worker *worker)
{
	worker->seed = worker->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(worker->seed >> 33);
}

void *memory_of(size_t bytes)
{
	void *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);

	MUST(memory != NULL, "%zu bytes", bytes);
	memset(memory, 0, bytes);
	return memory;
}

/* Read while others write: whole, if not of the same moment. */
static void bump(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static uint64_t seen(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

struct oring_sqe *entry_of(struct worker *worker)
{
	struct oring_sqe *sqe = oring_sq_reserve(&worker->ring);

	if (sqe == NULL) {
		int ret = oring_submit(&worker->ring);

		MUST(ret > 0 || ret == -EBUSY || ret == -EAGAIN, "submit: %d", ret);
		sqe = oring_sq_reserve(&worker->ring);
	}
	MUST(sqe != NULL, "the queue stays full");
	return sqe;
}

oring_context begin(struct lane *lane, struct oring_sqe *sqe, enum what what, uint32_t part)
{
	struct worker *worker = lane->worker;
	struct oring_sqe *record;
	struct request *request;
	oring_context handle;

	MUST(oring_pool_acquire(&worker->pool, (uint8_t)what, &handle, &record) == 0,
	     "no record is free");
	request = oring_pool_extra(record);
	request->lane = lane;
	request->what = what;
	request->part = part;
	oring_sqe_set_context(sqe, handle);
	lane->in_flight++;
	bump(&worker->issued[what]);
	return handle;
}

oring_fixed_buf fixed_slice(struct worker *worker, uint32_t bytes)
{
	oring_fixed_buf whole, slice;

	MUST(oring_fixed_buf_of(worker->fixed, FIXED_BYTES, 0, &whole) == 0, "buffer");
	MUST(oring_fixed_buf_slice(whole, worker->fixed_used, bytes, &slice) == 0,
	     "the buffer is used up");
	worker->fixed_used += (bytes + 63) / 64 * 64;
	return slice;
}

static unsigned char noise[NOISE_PERIOD + NOISE_RUN];

static void make_noise(void)
{
	struct worker source;
	uint32_t i;

	source.seed = 1;
	for (i = 0; i < NOISE_PERIOD; i++)
		noise[i] = (unsigned char)next_random(&source);
	for (; i < sizeof(noise); i++)
		noise[i] = noise[i - NOISE_PERIOD];
}

const unsigned char *noise_at(uint64_t place)
{
	return noise + place % NOISE_PERIOD;
}

void hold(struct worker *worker, const struct oring_piece *piece)
{
	uint32_t at;

	if (worker->held_count == HELD)
		release_held(worker, next_random(worker) % HELD);
	at = worker->held_count++;
	worker->held[at] = *piece;
	if (piece->length > 0) {
		worker->ends[at][0] = piece->data[0];
		worker->ends[at][1] = piece->data[piece->length - 1];
	}
}

void release_held(struct worker *worker, uint32_t most)
{
	while (worker->held_count > most) {
		uint32_t at = next_random(worker) % worker->held_count;
		const struct oring_piece *piece = &worker->held[at];

		MUST(piece->length == 0 || (worker->ends[at][0] == piece->data[0] &&
					    worker->ends[at][1] == piece->data[piece->length - 1]),
		     "a buffer that is held was written to");
		if (!fault_now(FAULT_LEAK_BUFFER))
			MUST(oring_bufgroup_release(&worker->group, piece->bid) == 0,
			     "released twice");
		worker->held_count--;
		worker->held[at] = worker->held[worker->held_count];
		memcpy(worker->ends[at], worker->ends[worker->held_count], 2);
	}
	oring_bufgroup_commit(&worker->group);
}

/* ---- a worker ---- */

static void open_ring(struct worker *worker)
{
	struct oring_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	if (worker->number % 2 == 0) {
		ret = oring_init_fast(&worker->ring, 256, &params, NULL);
	} else {
		/* So small that completions overflow all the time. */
		params.flags = ORING_SETUP_R_DISABLED | ORING_SETUP_CQSIZE;
		params.cq_entries = 64;
		ret = oring_init(&worker->ring, 32, &params);
	}
	if (ret == -ENOSYS || ret == -EPERM || ret == -EINVAL) {
		printf("no ring: %s\n", strerror(-ret));
		exit(CANNOT);
	}
	MUST(ret == 0, "ring: %s", strerror(-ret));
}

static void open_group(struct worker *worker)
{
	struct oring_bufgroup_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	worker->ring_memory = memory_of(oring_bufring_size(BUFFERS, 4096));
	worker->buffer_memory = memory_of((size_t)BUFFERS * BUFFER_BYTES);
	params.ring.memory = worker->ring_memory;
	params.ring.entries = BUFFERS;
	params.ring.bgid = GROUP;
	params.ring.flags = worker->number % 2 == 1 ? ORING_PBUF_RING_INC : 0;
	params.base = worker->buffer_memory;
	params.notes = worker->notes;
	params.size = BUFFER_BYTES;
	params.count = BUFFERS;
	ret = oring_bufgroup_init(&worker->group, &worker->ring, &params);
	if (ret == -EINVAL && params.ring.flags != 0) {
		params.ring.flags = 0; /* before 6.12 */
		ret = oring_bufgroup_init(&worker->group, &worker->ring, &params);
	}
	if (ret == -EINVAL) {
		printf("no rings of provided buffers\n");
		exit(CANNOT);
	}
	MUST(ret == 0, "buffers: %s", strerror(-ret));
}

static void open_worker(struct worker *worker)
{
	char name[300];
	struct iovec iov;
	size_t size = oring_pool_size(RECORDS, sizeof(struct request));

	worker->seed = worker->number + 17;
	snprintf(name, sizeof(name), "%s/%u", folder, worker->number);
	MUST(mkdir(name, 0700) == 0, "%s", strerror(errno));
	worker->folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(worker->folder >= 0, "%s", strerror(errno));
	open_ring(worker);
	worker->pool_memory = memory_of(size);
	MUST(oring_pool_init(&worker->pool, worker->pool_memory, size, RECORDS,
			     sizeof(struct request)) == 0,
	     "pool");
	open_group(worker);
	worker->fixed = memory_of(FIXED_BYTES);
	iov.iov_base = worker->fixed;
	iov.iov_len = FIXED_BYTES;
	MUST(oring_register_buffers(&worker->ring, &iov, 1) == 0, "buffers");
	MUST(oring_register_files_sparse(&worker->ring, SLOTS) == 0, "slots");
	worker->direct = true;
}

static void open_lanes(struct worker *worker)
{
	unsigned int kind, number;

	for (kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
		for (number = 0; number < kinds[kind]->lanes; number++) {
			struct lane *lane = &worker->lanes[worker->lane_count];

			MUST(worker->lane_count < LANES_MOST, "too many lanes");
			lane->kind = kinds[kind];
			lane->worker = worker;
			lane->data = lane->kind->open(lane, number);
			if (lane->data != NULL)
				worker->lane_count++;
		}
	}
}

static void dispatch(struct worker *worker, const struct oring_cqe *cqe)
{
	oring_context handle = oring_cqe_context(cqe);
	struct oring_sqe *record;
	struct request request;
	struct event event;

	bump(&worker->completions);
	if (oring_context_kind_of(handle) == ORING_CONTEXT_CALLER) {
		MUST(worker->peer != NULL && oring_context_value(handle) == worker->peer->number &&
			     cqe->res == 42,
		     "a message of nobody");
		bump(&worker->messages);
		return;
	}
	event.last = !oring_cqe_has_more(cqe);
	record = event.last ? oring_pool_retire(&worker->pool, handle)
			    : oring_pool_lookup(&worker->pool, handle);
	MUST(record != NULL, "a completion of nobody: %llx, result %d",
	     (unsigned long long)cqe->user_data, cqe->res);
	request = *(struct request *)oring_pool_extra(record);
	MUST(request.what == (enum what)oring_context_op(handle), "another record");
	if (event.last) {
		request.lane->in_flight--;
		bump(&worker->completed[request.what]);
	}
	event.what = request.what;
	event.part = request.part;
	event.handle = handle;
	event.cqe = cqe;
	request.lane->kind->done(request.lane, &event);
}

/* Begin what can be begun. Whether any lane is not finished. */
static bool advance(struct worker *worker)
{
	bool stop = __atomic_load_n(&stopping, __ATOMIC_RELAXED);
	bool any = false;
	uint32_t i;

	for (i = 0; i < worker->lane_count; i++) {
		struct lane *lane = &worker->lanes[i];

		if (lane->finished)
			continue;
		any = true;
		if (lane->in_flight > lane->kind->standing)
			continue;
		if (!stop)
			lane->kind->go(lane);
		else if ((lane->kind->finish == NULL || !lane->kind->finish(lane)) &&
			 lane->in_flight == 0)
			lane->finished = true;
	}
	return any;
}

/* How many completions were there. */
static uint32_t reap(struct worker *worker)
{
	struct oring *ring = &worker->ring;
	uint32_t cursor, end, n = 0;
	struct oring_cqe *cqe;

	oring_cq_for_each (ring, cursor, end, cqe) {
		struct oring_cqe copy = *cqe;

		/* Given back at once: lanes may submit, and that may flush what overflowed. */
		oring_cq_release_to(ring, cursor);
		n++;
		if (fault_now(FAULT_LOSE))
			continue;
		dispatch(worker, &copy);
		if (fault_now(FAULT_TWICE))
			dispatch(worker, &copy);
	}
	return n;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void wait_for_some(struct worker *worker)
{
	struct oring_wait_arg limit;
	int ret;

	oring_wait_relative(&limit, 0, 50000000);
	ret = oring_submit_and_wait_timeout(&worker->ring, 1, &limit, NULL);
	MUST(ret >= 0 || ret == -ETIME || ret == -EINTR || ret == -EBUSY || ret == -EAGAIN,
	     "submit and wait: %s", strerror(-ret));
}

static void finish_worker(struct worker *worker)
{
	int what;

	release_held(worker, 0);
	for (what = 0; what < DO_KINDS; what++)
		MUST(worker->issued[what] == worker->completed[what],
		     "%llu %s issued, %llu completed", (unsigned long long)worker->issued[what],
		     what_names[what], (unsigned long long)worker->completed[what]);
	MUST(oring_pool_available(&worker->pool) == RECORDS, "records are missing");
	MUST(oring_bufgroup_out(&worker->group) == 0, "%u buffers are missing",
	     oring_bufgroup_out(&worker->group));
	MUST(oring_sq_pending(&worker->ring) == 0, "entries are left");
	MUST(oring_cq_ready(&worker->ring) == 0, "completions are left");
	MUST(oring_cq_overflow_count(&worker->ring) == 0, "completions were lost");
	MUST(oring_sq_dropped(&worker->ring) == 0, "entries were dropped");
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	double last = seconds();
	bool busy;

	MUST(oring_start(&worker->ring) == 0, "start");
	pthread_barrier_wait(&all_started);
	for (;;) {
		busy = advance(worker);
		if (!busy)
			__atomic_store_n(&worker->idle, true, __ATOMIC_RELEASE);
		/* The peer's messages are waited for, too. */
		if (!busy && (worker->peer == NULL ||
			      (__atomic_load_n(&worker->peer->idle, __ATOMIC_ACQUIRE) &&
			       worker->messages == worker->peer->completed[DO_MESSAGE])))
			break;
		wait_for_some(worker);
		if (reap(worker) > 0)
			last = seconds();
		MUST(seconds() - last < PATIENCE, "worker %u: nothing completes any more",
		     worker->number);
	}
	if (fault_now(FAULT_LEAK_MEMORY))
		memory_of(16 << 20);
	finish_worker(worker);
	pthread_barrier_wait(&all_done);
	pthread_barrier_wait(&all_measured);
	MUST(oring_bufgroup_exit(&worker->group, &worker->ring) == 0, "exit of the buffers");
	MUST(oring_exit(&worker->ring) == 0, "exit");
	return NULL;
}

static void close_worker(struct worker *worker)
{
	uint32_t i;

	for (i = 0; i < worker->lane_count; i++)
		worker->lanes[i].kind->close(&worker->lanes[i]);
	close(worker->folder);
	free(worker->pool_memory);
	free(worker->ring_memory);
	free(worker->buffer_memory);
	free(worker->fixed);
}

/* ---- what the process has ---- */

struct resources {
	uint32_t descriptors, mappings;
	long resident; /* KiB */
};

static struct resources resources_now(void)
{
	struct resources now = { 0, 0, 0 };
	char line[512];
	DIR *descriptors = opendir("/proc/self/fd");
	FILE *file;

	MUST(descriptors != NULL, "%s", strerror(errno));
	while (readdir(descriptors) != NULL)
		now.descriptors++;
	closedir(descriptors);
	file = fopen("/proc/self/maps", "re");
	MUST(file != NULL, "%s", strerror(errno));
	while (fgets(line, sizeof(line), file) != NULL)
		now.mappings += strchr(line, '\n') != NULL;
	fclose(file);
	file = fopen("/proc/self/status", "re");
	MUST(file != NULL, "%s", strerror(errno));
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "VmRSS:", 6) == 0)
			now.resident = strtol(line + 6, NULL, 10);
	fclose(file);
	return now;
}

struct totals {
	uint64_t operations, nops, completions, in_flight;
};

static struct totals totals_now(void)
{
	struct totals sum = { 0, 0, 0, 0 };
	uint32_t i;
	int what;

	for (i = 0; i < worker_count; i++) {
		sum.completions += seen(&workers[i].completions);
		for (what = 0; what < DO_KINDS; what++) {
			uint64_t done = seen(&workers[i].completed[what]);
			uint64_t issued = seen(&workers[i].issued[what]);

			sum.operations += done;
			sum.in_flight += issued > done ? issued - done : 0;
		}
		sum.nops += seen(&workers[i].completed[DO_NOP]);
	}
	return sum;
}

static void progress(double time, double before, uint64_t operations_before)
{
	struct totals now = totals_now();
	struct resources have = resources_now();

	printf("%5.0f s: %.2f M operations (%.1f %% NOPs), %.0f k/s, %llu in flight; "
	       "%u descriptors, %u mappings, %ld KiB\n",
	       time, (double)now.operations / 1e6,
	       100.0 * (double)now.nops / (double)(now.operations > 0 ? now.operations : 1),
	       (double)(now.operations - operations_before) / (time - before) / 1e3,
	       (unsigned long long)now.in_flight, have.descriptors, have.mappings, have.resident);
	fflush(stdout);
}

static void report(double time)
{
	struct totals now = totals_now();
	uint32_t i;
	int what;

	printf("%llu operations, %llu completions in %.1f s (%.0f k/s), %.1f %% NOPs; all "
	       "completed:\n",
	       (unsigned long long)now.operations, (unsigned long long)now.completions, time,
	       (double)now.operations / time / 1e3,
	       100.0 * (double)now.nops / (double)now.operations);
	for (what = 0; what < DO_KINDS; what++) {
		uint64_t n = 0;

		for (i = 0; i < worker_count; i++)
			n += workers[i].completed[what];
		printf("  %12llu %s\n", (unsigned long long)n, what_names[what]);
	}
}

/* ---- the run ---- */

struct run {
	double seconds;
	uint64_t operations; /* 0: no limit */
};

static void supervise(const struct run *run)
{
	double begin = seconds(), told = 0, now = 0;
	double every = run->seconds < 20 ? run->seconds / 4 : run->seconds < 300 ? 5 : 20;
	uint64_t operations = 0, told_operations = 0;
	struct resources first = { 0, 0, 0 }, last;

	while (now < run->seconds && (run->operations == 0 || operations < run->operations)) {
		usleep(20000);
		now = seconds() - begin;
		operations = totals_now().operations;
		if (first.resident == 0 &&
		    (now > run->seconds / WARM_UP ||
		     (run->operations > 0 && operations > run->operations / WARM_UP)))
			first = resources_now();
		if (now - told >= every) {
			progress(now, told, told_operations);
			told = now;
			told_operations = operations;
		}
	}
	__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
	pthread_barrier_wait(&all_done);
	last = resources_now();
	report(seconds() - begin);
	printf("memory: %ld KiB after a quarter of it, %ld at the end; mappings: %u, %u\n",
	       first.resident, last.resident, first.mappings, last.mappings);
#ifndef __SANITIZE_ADDRESS__
	MUST(last.resident - first.resident <= GROWTH_KIB, "memory grew");
#endif
}

static void make_folder(const char *where)
{
	MUST((size_t)snprintf(folder, sizeof(folder), "%s/oring-soak-XXXXXX", where) <
		     sizeof(folder),
	     "a long path");
	MUST(mkdtemp(folder) != NULL, "%s: %s", folder, strerror(errno));
}

static int soak(const struct run *run)
{
	struct resources before, after;
	pthread_t threads[WORKERS_MOST];
	uint32_t i;

	make_noise();
	pthread_barrier_init(&all_started, NULL, worker_count + 1);
	pthread_barrier_init(&all_done, NULL, worker_count + 1);
	pthread_barrier_init(&all_measured, NULL, worker_count + 1);
	for (i = 0; i < worker_count; i++) {
		workers[i].number = i;
		workers[i].peer = worker_count > 1 ? &workers[(i + 1) % worker_count] : NULL;
		open_worker(&workers[i]);
	}
	for (i = 0; i < worker_count; i++)
		open_lanes(&workers[i]);
	before = resources_now();
	for (i = 0; i < worker_count; i++)
		MUST(pthread_create(&threads[i], NULL, work, &workers[i]) == 0, "thread");
	pthread_barrier_wait(&all_started);
	supervise(run);
	after = resources_now();
	MUST(after.descriptors == before.descriptors, "%u descriptors before, %u after",
	     before.descriptors, after.descriptors);
	pthread_barrier_wait(&all_measured);
	for (i = 0; i < worker_count; i++)
		MUST(pthread_join(threads[i], NULL) == 0, "join");
	for (i = 0; i < worker_count; i++)
		close_worker(&workers[i]);
	remove_files();
	MUST(access(folder, F_OK) != 0, "%s is not empty", folder);
	printf("descriptors: %u before, %u after; nothing was lost\n", before.descriptors,
	       after.descriptors);
	return 0;
}

static double number_of(const char *text)
{
	char *end;
	double number = strtod(text, &end);

	if (*text == '\0' || *end != '\0' || !(number > 0) || number > 1e15) {
		fprintf(stderr, "soak: %s is no number above 0\n%s", text, usage);
		exit(2);
	}
	return number;
}

static enum fault fault_of(const char *name)
{
	size_t i;

	for (i = 1; i < sizeof(fault_names) / sizeof(*fault_names); i++)
		if (strcmp(name, fault_names[i]) == 0)
			return (enum fault)i;
	fprintf(stderr, "soak: no fault is called %s\n%s", name, usage);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "minutes", required_argument, NULL, 'm' },
		{ "seconds", required_argument, NULL, 's' },
		{ "operations", required_argument, NULL, 'o' },
		{ "workers", required_argument, NULL, 'w' },
		{ "folder", required_argument, NULL, 'f' },
		{ "break", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct run run = { 60, 0 };
	const char *where = getenv("TMPDIR");
	int option;

	signal(SIGPIPE, SIG_IGN);
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			run.seconds = number_of(optarg) * 60;
			break;
		case 's':
			run.seconds = number_of(optarg);
			break;
		case 'o':
			run.operations = (uint64_t)number_of(optarg);
			break;
		case 'w':
			worker_count = (uint32_t)number_of(optarg);
			break;
		case 'f':
			where = optarg;
			break;
		case 'b':
			fault_wanted = fault_of(optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc || worker_count < 1 || worker_count > WORKERS_MOST) {
		fputs(usage, stderr);
		return 2;
	}
	make_folder(where != NULL && *where != '\0' ? where : "/tmp");
	return soak(&run);
}
