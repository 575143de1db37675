/* SPDX-License-Identifier: MIT */
/*
 * cost - instructions per operation, of user and kernel together
 *
 *   cost [PART]                      all cases, or those whose name begins with PART
 *   cost --loop CASE BATCH SHAPE     this one, for ever: for those who watch
 *
 * It needs a clock that counts instructions, and one processor that nobody else
 * uses: a guest of tools/kernel-lab. Its result is a line of JSON for each case
 * and shape of ring: the cheapest of many short samples, and the mean of their
 * middle half, each without an interrupt or a change of threads; or why there is none.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cost.h"

#define KEPT	     60	    /* samples that count, of each case */
#define TRIED	     300    /* samples at most */
#define SAMPLE_LIMIT 400000 /* instructions: a tenth of the time between two ticks */

static const struct shape {
	const char *name;
	uint32_t flags;
	bool indexed; /* entered by a registered index */
	bool region;  /* oring_init_fast(): with a region for waits, too */
	const char *since;
} shapes[] = {
	{ "plain", 0, false, false, "5.10" },
	{ "coop_taskrun", ORING_SETUP_COOP_TASKRUN, false, false, "5.19" },
	{ "defer_taskrun", ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN, false, false,
	  "6.1" },
	{ "no_sqarray", ORING_SETUP_NO_SQARRAY, false, false, "6.6" },
	{ "registered_fd", 0, true, false, "5.18" },
	{ "fast", ORING_FAST_FLAGS & ~ORING_SETUP_R_DISABLED, true, true, "6.6" },
};

static const struct shape no_ring = { "system calls", 0, false, false, "5.10" };

/* Interrupts and changes of threads until now. */
struct counters {
	unsigned long long interrupts, switches;
};

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "cost: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t instructions(void)
{
#if defined(__x86_64__)
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
#else
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
#endif
}

static unsigned long long number_after(const char *text, const char *word)
{
	const char *found = strstr(text, word);

	return found != NULL ? strtoull(found + strlen(word), NULL, 10) : 0;
}

static struct counters count(void)
{
	static char text[16384];
	static int stat = -1;
	struct counters now;
	ssize_t n;

	if (stat < 0 && (stat = open("/proc/stat", O_RDONLY | O_CLOEXEC)) < 0)
		fail("/proc/stat");
	n = pread(stat, text, sizeof(text) - 1, 0);
	if (n <= 0)
		fail("/proc/stat");
	text[n] = '\0';
	now.interrupts = number_after(text, "\nintr ");
	now.switches = number_after(text, "\nctxt ");
	return now;
}

/* ---- what cases work on ---- */

/* Its packets go nowhere: the lab's device has no peer. */
static int datagram_socket(void)
{
	const char *device = getenv("LAB_DUMMY");
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct ifreq request;
	int fd;

	if (device == NULL || *device == '\0')
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memset(&request, 0, sizeof(request));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	request.ifr_mtu = 65000;
	peer.sin_addr.s_addr = inet_addr("192.0.2.9");
	if (fd < 0 || ioctl(fd, SIOCSIFMTU, &request) < 0 ||
	    connect(fd, (struct sockaddr *)&peer, sizeof(peer)) < 0)
		fail("the datagram socket");
	return fd;
}

/* In a file system that reads without a worker: the lab's ext4, if there is one. */
static int cached_file(unsigned char *memory)
{
	const char *folder = getenv("LAB_EXT4");
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/page",
		 folder != NULL && *folder != '\0' ? folder : "/tmp");
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || pwrite(fd, memory, PAGE, 0) != (ssize_t)PAGE || fsync(fd) < 0)
		fail(path);
	return fd;
}

static void make_common(struct bench *bench)
{
	memset(bench, 0, sizeof(*bench));
	bench->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (bench->memory == MAP_FAILED)
		fail("mmap");
	memset(bench->memory, 'o', MEMORY);
	bench->file = cached_file(bench->memory);
	bench->udp = datagram_socket();
	oring_wait_relative(&bench->wait, 3600, 0);
}

static void open_sockets(struct bench *bench)
{
	struct epoll_event event = { .events = EPOLLIN };

	bench->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bench->pair) < 0 ||
	    bench->epoll < 0 || epoll_ctl(bench->epoll, EPOLL_CTL_ADD, bench->pair[1], &event) < 0)
		fail("sockets");
}

static void close_sockets(struct bench *bench)
{
	close(bench->pair[0]);
	close(bench->pair[1]);
	close(bench->epoll);
}

static int open_ring(struct bench *bench, const struct shape *shape)
{
	struct oring_params params;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = shape->flags;
	bench->flags = shape->flags;
	if (shape->region) {
		ret = oring_init_fast(&bench->ring, ENTRIES, &params, NULL);
		return ret < 0 ? ret : oring_start(&bench->ring);
	}
	ret = oring_init(&bench->ring, ENTRIES, &params);
	return ret < 0 || !shape->indexed ? ret : oring_use_registered_fd(&bench->ring);
}

/* The kernel ends a ring a little later; the next case shall not find it at that. */
static void close_rings(struct bench *bench)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	oring_exit(&bench->ring);
	oring_exit(&bench->other);
	nanosleep(&pause, NULL);
}

/* ---- samples ---- */

struct result {
	uint64_t costs[KEPT]; /* instructions of each sample that counts, in the end sorted */
	double middle;
	uint32_t rounds; /* in a sample */
	uint32_t kept, dropped;
	int error;
};

/* One sample: 1 if it counts, 0 if something came between, or a negative errno. */
static int sample(const struct cost_case *which, struct bench *bench, uint32_t rounds,
		  uint64_t *cost)
{
	/* What the kernel frees later is freed meanwhile: each sample begins alike. */
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct counters before, after;
	uint64_t begin;
	uint32_t i;

	nanosleep(&pause, NULL);
	before = count();
	begin = instructions();
	for (i = 0; i < rounds; i++) {
		int ret = which->round(bench, which->batch);

		if (ret < 0)
			return ret;
	}
	*cost = instructions() - begin;
	after = count();
	return before.interrupts == after.interrupts && before.switches == after.switches;
}

/* Rounds that make about 64 operations, fewer where that would be a long sample. */
static int choose_rounds(const struct cost_case *which, struct bench *bench, uint32_t *rounds)
{
	uint64_t cost, cheapest = UINT64_MAX;
	int i, ret;

	for (i = 0; i < 20; i++) {
		ret = sample(which, bench, 1, &cost);
		if (ret < 0)
			return ret;
		if (cost < cheapest)
			cheapest = cost;
	}
	*rounds = which->batch >= 64 ? 1 : 64 / which->batch;
	while (*rounds > 1 && *rounds * cheapest > SAMPLE_LIMIT)
		*rounds /= 2;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

	return first < second ? -1 : first > second;
}

/* The mean of the middle half: far from the cheapest, samples would not be alike. */
static double middle(const uint64_t *sorted, uint32_t n)
{
	uint32_t first = n / 4, end = n - n / 4, i;
	double sum = 0;

	for (i = first; i < end; i++)
		sum += (double)sorted[i];
	return sum / (end - first);
}

static int measure(const struct cost_case *which, struct bench *bench, struct result *result)
{
	uint64_t cost;
	int ret = choose_rounds(which, bench, &result->rounds);

	while (ret >= 0 && result->kept < KEPT && result->kept + result->dropped < TRIED) {
		ret = sample(which, bench, result->rounds, &cost);
		if (ret == 0)
			result->dropped++;
		else if (ret > 0)
			result->costs[result->kept++] = cost;
	}
	qsort(result->costs, result->kept, sizeof(cost), compare);
	result->middle = middle(result->costs, result->kept);
	return ret < 0 ? ret : result->kept > 0 ? 0 : -EAGAIN;
}

static void show(const struct cost_case *which, const struct shape *shape,
		 const struct result *result)
{
	printf("{\"case\": \"%s\", \"batch\": %u, \"shape\": \"%s\", \"since\": [\"%s\", \"%s\"], "
	       "\"copied\": %u, ",
	       which->name, which->batch, shape->name, which->since, shape->since,
	       which->bytes * which->copies);
	if (result->error != 0)
		printf("\"absent\": \"%s\"}\n", strerror(-result->error));
	else
		printf("\"instructions\": %llu, \"middle\": %.1f, \"operations\": %u, "
		       "\"kept\": %u, \"dropped\": %u}\n",
		       (unsigned long long)result->costs[0], result->middle,
		       which->batch * result->rounds, result->kept, result->dropped);
}

/* All that a case needs: 0 or a negative errno. */
static int begin(const struct cost_case *which, struct bench *bench, const struct shape *shape)
{
	int ret = 0;

	open_sockets(bench);
	bench->bytes = which->bytes;
	if (strncmp(which->name, "datagram", 8) == 0 && bench->udp < 0)
		return -ENODEV;
	if (shape != &no_ring)
		ret = open_ring(bench, shape);
	return ret < 0 || which->begin == NULL ? ret : which->begin(bench);
}

static void run(const struct cost_case *which, struct bench *bench, const struct shape *shape)
{
	struct result result = { 0 };

	result.error = begin(which, bench, shape);
	if (result.error == 0)
		result.error = measure(which, bench, &result);
	show(which, shape, &result);
	close_sockets(bench);
	if (shape != &no_ring)
		close_rings(bench);
}

/* Returns only if it cannot. A function of its own: a trace is divided where it comes by here. */
__attribute__((noinline)) static int loop(const char *name, uint32_t batch, const char *shape_name,
					  struct bench *bench)
{
	const struct shape *shape = shapes, *end = shapes + sizeof(shapes) / sizeof(shapes[0]);
	const struct cost_case *which;
	int ret;

	while (shape != end && strcmp(shape->name, shape_name) != 0)
		shape++;
	if (shape == end && strcmp(shape_name, no_ring.name) != 0)
		return -EINVAL;
	if (shape == end)
		shape = &no_ring;
	which = shape == &no_ring ? call_cases : ring_cases;
	while (which->name != NULL && (strcmp(which->name, name) != 0 || which->batch != batch))
		which++;
	if (which->name == NULL)
		return -EINVAL;
	ret = begin(which, bench, shape);
	if (ret == 0)
		puts("looping");
	while (ret >= 0)
		ret = which->round(bench, which->batch);
	return ret;
}

/* What the kernel does against faults of processors costs instructions, and differs by release. */
static void show_mitigations(void)
{
	static const char *const names[] = { "meltdown",
					     "spectre_v1",
					     "spectre_v2",
					     "retbleed",
					     "spec_store_bypass",
					     "spec_rstack_overflow",
					     "indirect_target_selection",
					     "vmscape" };
	char path[128], line[256];
	const char *comma = "";
	size_t i;

	printf("{\"mitigations\": {");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		FILE *file;

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/vulnerabilities/%s",
			 names[i]);
		file = fopen(path, "re");
		if (file == NULL)
			continue;
		if (fgets(line, sizeof(line), file) != NULL) {
			line[strcspn(line, "\n\"\\")] = '\0';
			printf("%s\"%s\": \"%s\"", comma, names[i], line);
			comma = ", ";
		}
		fclose(file);
	}
	printf("}}\n");
}

/*
 * For its first seconds a kernel tests its own algorithms, in threads of their
 * own: samples would be short then, and few. To sleep costs nothing here, since
 * the clock goes on at once when nobody runs.
 */
static void settle(void)
{
	const struct timespec second = { .tv_sec = 1 };
	int quiet = 0, i;

	for (i = 0; i < 40 && quiet < 5; i++) {
		struct counters before;
		uint64_t end;

		nanosleep(&second, NULL);
		before = count();
		for (end = instructions() + 20000000; instructions() < end;)
			;
		quiet = count().switches - before.switches <= 2 ? quiet + 1 : 0;
	}
}

int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";
	const struct cost_case *which;
	static struct bench bench;
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	make_common(&bench);
	settle();
	if (argc == 5 && strcmp(argv[1], "--loop") == 0) {
		errno = -loop(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), argv[4], &bench);
		fail("the loop");
	}
	show_mitigations();
	for (which = call_cases; which->name != NULL; which++)
		if (strncmp(which->name, part, strlen(part)) == 0)
			run(which, &bench, &no_ring);
	for (which = ring_cases; which->name != NULL; which++)
		for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
			if (strncmp(which->name, part, strlen(part)) == 0)
				run(which, &bench, &shapes[i]);
	return 0;
}
