/* SPDX-License-Identifier: MIT */
/*
 * copy - copy a file through a ring, several blocks at a time
 *
 *	copy [-d DEPTH] [-b BLOCK] [-q] SOURCE TARGET
 *
 * What to see here: DEPTH blocks of memory, each with at most one request in
 * flight. A block is read, then written, then gets the next piece of the file.
 * The block's address is its request's context, so that completions may come
 * in any order, and a short read or write goes on where it stopped.
 *
 * Holes of the source are not read, and stay holes in the target.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <oring.h>

#include "explain.h"

/* Each makes the ring cheaper, and none is needed: old kernels get what they know. */
#define OPTIONAL_FLAGS                                                                      \
	(ORING_SETUP_CLAMP | ORING_SETUP_SUBMIT_ALL | ORING_SETUP_COOP_TASKRUN |            \
	 ORING_SETUP_TASKRUN_FLAG | ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | \
	 ORING_SETUP_NO_SQARRAY)

#define DEPTH_MAX  1024
#define BLOCK_MAX  (16UL << 20)
#define MEMORY_MAX (1UL << 30)

/* A piece of the file on its way. */
struct block {
	unsigned char *data;
	uint64_t offset; /* where the piece begins, in both files */
	uint32_t length; /* bytes in the piece */
	uint32_t done;	 /* of these, how many have been read; or written, if writing */
	bool writing;
};

struct copy {
	struct oring ring;
	struct block *blocks;
	unsigned char *memory;
	size_t block_size;
	uint32_t depth;
	uint32_t in_flight; /* requests without a completion yet */

	const char *source_name;
	const char *target_name;
	int source;
	int target;
	bool keep_holes;
	mode_t mode;	   /* of the source */
	uint64_t size;	   /* of the source, as we began */
	uint64_t next;	   /* first byte that no block has taken */
	uint64_t data_end; /* there is data from next up to here */
	uint64_t copied;   /* bytes of data in the target */

	bool quiet;
	bool progress; /* a line of it stands on the terminal */
	bool failed;
	double begun;
	double shown; /* when progress was shown last */
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Only the first failure is told: others follow from it, or say the same. */
static void fail(struct copy *copy, const char *name, const char *what, const char *why)
{
	if (!copy->failed)
		fprintf(stderr, "%scopy: %s: %s: %s\n", copy->progress ? "\n" : "", name, what,
			why);
	copy->progress = false;
	copy->failed = true;
}

static void show_progress(struct copy *copy)
{
	double now;

	if (copy->quiet || !isatty(STDERR_FILENO))
		return;
	now = seconds();
	if (now - copy->shown < 0.1)
		return;
	copy->shown = now;
	copy->progress = true;
	fprintf(stderr, "\r%3.0f %% of %.1f MB", 100.0 * (double)copy->next / (double)copy->size,
		(double)copy->size / 1e6);
}

/* ---- which pieces there are ---- */

/* Step over a hole: data goes from next to data_end, or next is the end of the file. */
static void find_data(struct copy *copy)
{
	off_t data = (off_t)copy->next;
	off_t hole = (off_t)copy->size;

	if (copy->keep_holes) {
		data = lseek(copy->source, (off_t)copy->next, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			data = (off_t)copy->size;
		else if (data < 0)
			data = (off_t)copy->next; /* a file system that does not tell */
		hole = lseek(copy->source, data, SEEK_HOLE);
	}
	copy->next = (uint64_t)data < copy->size ? (uint64_t)data : copy->size;
	copy->data_end = hole > data && (uint64_t)hole < copy->size ? (uint64_t)hole : copy->size;
}

/* Give the block the next piece to read. False: there is none. */
static bool take_piece(struct copy *copy, struct block *block)
{
	uint64_t left;

	if (copy->next < copy->size && copy->next == copy->data_end)
		find_data(copy);
	left = copy->data_end - copy->next;
	if (left == 0)
		return false;
	block->offset = copy->next;
	block->length = (uint32_t)(left < copy->block_size ? left : copy->block_size);
	block->done = 0;
	block->writing = false;
	copy->next += block->length;
	return true;
}

/* ---- the ring ---- */

/* Ask for what is left to do with the block. */
static void request(struct copy *copy, struct block *block)
{
	/* Not NULL: the queue has a place for each block, and a block has one request. */
	struct oring_sqe *sqe = oring_sq_reserve(&copy->ring);
	unsigned char *data = block->data + block->done;
	uint32_t length = block->length - block->done;
	uint64_t offset = block->offset + block->done;

	if (block->writing)
		oring_prep_write(sqe, oring_file_fd(copy->target), data, length, offset);
	else
		oring_prep_read(sqe, oring_file_fd(copy->source), data, length, offset);
	oring_sqe_set_context(sqe, oring_context_pointer(block));
	copy->in_flight++;
}

/* A request that moved no byte. */
static void fail_block(struct copy *copy, const struct block *block, int32_t result)
{
	const char *name = block->writing ? copy->target_name : copy->source_name;
	const char *what = block->writing ? "write" : "read";
	char why[128];

	if (result < 0)
		snprintf(why, sizeof(why), "%s", strerror(-result));
	else if (block->writing)
		snprintf(why, sizeof(why), "nothing was written");
	else
		snprintf(why, sizeof(why),
			 "short read: the file ends at byte %" PRIu64 " and had %" PRIu64,
			 block->offset + block->done, copy->size);
	fail(copy, name, what, why);
}

/* What a completion says of its block, and what follows. */
static void advance(struct copy *copy, struct block *block, int32_t result)
{
	copy->in_flight--;
	if (result <= 0) {
		fail_block(copy, block, result);
		return;
	}
	block->done += (uint32_t)result;
	if (block->done == block->length && block->writing) {
		copy->copied += block->length;
		if (!take_piece(copy, block))
			return;
	} else if (block->done == block->length) {
		block->done = 0;
		block->writing = true;
	}
	/* After a failure what is in flight comes to its end, and nothing is added. */
	if (!copy->failed)
		request(copy, block);
}

/* Return: 0, or a negative errno with which the ring gave up; requests may be in flight then. */
static int run(struct copy *copy)
{
	struct oring_cqe *cqe;
	uint32_t cursor;
	uint32_t end;
	uint32_t i;

	for (i = 0; i < copy->depth && take_piece(copy, &copy->blocks[i]); i++)
		request(copy, &copy->blocks[i]);
	while (copy->in_flight > 0) {
		int ret = oring_submit_and_wait(&copy->ring, 1);

		if (ret < 0 && ret != -EINTR)
			return ret;
		oring_cq_for_each (&copy->ring, cursor, end, cqe)
			advance(copy, oring_context_to_pointer(oring_cqe_context(cqe)), cqe->res);
		oring_cq_release_to(&copy->ring, cursor);
		show_progress(copy);
	}
	return 0;
}

/* ---- before and after ---- */

/* Return: whether it worked; what did not is told. */
static bool open_source(struct copy *copy)
{
	struct stat status;
	char byte;

	copy->source = open(copy->source_name, O_RDONLY | O_CLOEXEC);
	if (copy->source < 0 || fstat(copy->source, &status) < 0) {
		fail(copy, copy->source_name, "open", strerror(errno));
		return false;
	}
	if (!S_ISREG(status.st_mode)) {
		fail(copy, copy->source_name, "open", "not a regular file");
		return false;
	}
	copy->size = (uint64_t)status.st_size;
	copy->mode = status.st_mode & 0777;
	/* Files of /proc and the like are made up while they are read. */
	if (copy->size == 0 && pread(copy->source, &byte, 1, 0) > 0) {
		fail(copy, copy->source_name, "open", "the file does not tell its size");
		return false;
	}
	return true;
}

/* The target is emptied only when it is known to be another file. */
static bool open_target(struct copy *copy)
{
	struct stat source;
	struct stat target;
	const char *why = NULL;

	copy->target = open(copy->target_name, O_WRONLY | O_CREAT | O_CLOEXEC, copy->mode & 0700);
	if (copy->target < 0 || fstat(copy->target, &target) < 0 ||
	    fstat(copy->source, &source) < 0)
		why = strerror(errno);
	else if (source.st_dev == target.st_dev && source.st_ino == target.st_ino)
		why = "source and target are the same file";
	else if (lseek(copy->target, 0, SEEK_CUR) < 0)
		why = "blocks come in any order, and this cannot be written so";
	else if (S_ISREG(target.st_mode) && ftruncate(copy->target, 0) < 0)
		why = strerror(errno);
	if (why != NULL) {
		fail(copy, copy->target_name, "open", why);
		return false;
	}
	/* A device has no holes, only what it held before. */
	copy->keep_holes = S_ISREG(target.st_mode);
	return true;
}

/* Size, permission bits, and errors that a file system keeps for the end. */
static void finish(struct copy *copy)
{
	struct stat source;

	/* A source cut off where a hole was looked for shows only here. */
	if (fstat(copy->source, &source) == 0 && (uint64_t)source.st_size < copy->size)
		fail(copy, copy->source_name, "read", "short read: the file has become shorter");
	if (copy->keep_holes && !copy->failed) {
		if (ftruncate(copy->target, (off_t)copy->size) < 0)
			fail(copy, copy->target_name, "size", strerror(errno));
		else if (fchmod(copy->target, copy->mode) < 0)
			fail(copy, copy->target_name, "permissions", strerror(errno));
	}
	if (close(copy->target) < 0)
		fail(copy, copy->target_name, "close", strerror(errno));
}

static void report(struct copy *copy)
{
	double elapsed = seconds() - copy->begun;

	if (copy->progress)
		fprintf(stderr, "\r%24s\r", "");
	if (copy->failed)
		fprintf(stderr, "copy: %s is incomplete\n", copy->target_name);
	if (copy->failed || copy->quiet)
		return;
	printf("%" PRIu64 " bytes", copy->size);
	if (copy->copied < copy->size)
		printf(" (%" PRIu64 " of data, the rest holes)", copy->copied);
	printf(" in %.3f s: %.1f MB/s\n", elapsed, (double)copy->copied / 1e6 / elapsed);
}

static void copy_file(struct copy *copy)
{
	int ret;

	copy->begun = seconds();
	if (!open_source(copy) || !open_target(copy))
		return;
	ret = run(copy);
	if (ret < 0) {
		fail(copy, copy->target_name, "ring", strerror(-ret));
		report(copy);
		exit(EXIT_FAILURE); /* the kernel may still use the blocks: they stay */
	}
	finish(copy);
	report(copy);
}

/* The ring comes first: without one, no file is touched. */
static bool init(struct copy *copy)
{
	struct oring_params params = { .flags = 0 };
	uint32_t i;
	int ret;

	copy->blocks = calloc(copy->depth, sizeof(*copy->blocks));
	copy->memory = malloc(copy->depth * copy->block_size);
	if (copy->blocks == NULL || copy->memory == NULL) {
		fprintf(stderr, "copy: no memory for %u blocks\n", copy->depth);
		return false;
	}
	for (i = 0; i < copy->depth; i++)
		copy->blocks[i].data = copy->memory + i * copy->block_size;
	ret = oring_init_flags(&copy->ring, copy->depth, &params, OPTIONAL_FLAGS);
	if (ret < 0)
		explain_setup("copy", ret);
	return ret == 0;
}

static void usage(void)
{
	fprintf(stderr, "usage: copy [-d DEPTH] [-b BLOCK] [-q] SOURCE TARGET\n"
			"  -d DEPTH  blocks on their way at a time (16)\n"
			"  -b BLOCK  bytes in each (131072)\n"
			"  -q        no progress and no figures\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static struct copy copy = { .depth = 16, .block_size = 128 << 10 };
	int option;

	while ((option = getopt(argc, argv, "d:b:q")) != -1) {
		if (option == 'd')
			copy.depth = (uint32_t)explain_number("copy", 'd', optarg, 1, DEPTH_MAX);
		else if (option == 'b')
			copy.block_size = explain_number("copy", 'b', optarg, 1, BLOCK_MAX);
		else if (option == 'q')
			copy.quiet = true;
		else
			usage();
	}
	if (argc - optind != 2)
		usage();
	if ((uint64_t)copy.depth * copy.block_size > MEMORY_MAX) {
		fprintf(stderr, "copy: DEPTH x BLOCK is more than %lu bytes\n", MEMORY_MAX);
		return 2;
	}
	copy.source_name = argv[optind];
	copy.target_name = argv[optind + 1];
	if (!init(&copy))
		return EXIT_FAILURE;
	copy_file(&copy);
	oring_exit(&copy.ring);
	free(copy.blocks);
	free(copy.memory);
	return copy.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
