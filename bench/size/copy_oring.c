/* SPDX-License-Identifier: MIT */
/*
 * copy_oring SOURCE TARGET - copies a file, 8 blocks in flight; as copy_liburing.c
 *
 * Only here to be weighed: no message, an exit status. examples/copy.c is the one to read.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <oring.h>

#define DEPTH 8
#define BLOCK 65536

static struct block {
	uint64_t offset;
	uint32_t length, done;
	int writing;
	unsigned char data[BLOCK];
} blocks[DEPTH];

static struct oring ring;
static int source, target;
static uint64_t size, next;
static unsigned int in_flight;

/* Ask for what is left to do with the block. */
static void request(struct block *block)
{
	struct oring_sqe *sqe = oring_sq_reserve(&ring);
	unsigned char *data = block->data + block->done;
	uint32_t length = block->length - block->done;
	uint64_t offset = block->offset + block->done;

	if (sqe == NULL)
		_exit(1);
	if (block->writing)
		oring_prep_write(sqe, oring_file_fd(target), data, length, offset);
	else
		oring_prep_read(sqe, oring_file_fd(source), data, length, offset);
	oring_sqe_set_context(sqe, oring_context_pointer(block));
	in_flight++;
}

static void take_piece(struct block *block)
{
	uint64_t left = size - next;

	if (left == 0)
		return;
	block->offset = next;
	block->length = left < BLOCK ? (uint32_t)left : BLOCK;
	block->done = 0;
	block->writing = 0;
	next += block->length;
	request(block);
}

static void advance(struct block *block, int32_t result)
{
	in_flight--;
	if (result <= 0)
		_exit(1);
	block->done += (uint32_t)result;
	if (block->done < block->length) {
		request(block);
	} else if (block->writing) {
		take_piece(block);
	} else {
		block->done = 0;
		block->writing = 1;
		request(block);
	}
}

static void copy(void)
{
	struct oring_cqe *cqe;
	uint32_t cursor, end;
	int i, ret;

	for (i = 0; i < DEPTH; i++)
		take_piece(&blocks[i]);
	while (in_flight > 0) {
		ret = oring_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR)
			_exit(1);
		oring_cq_for_each (&ring, cursor, end, cqe)
			advance(oring_context_to_pointer(oring_cqe_context(cqe)), cqe->res);
		oring_cq_release_to(&ring, cursor);
	}
}

int main(int argc, char **argv)
{
	struct stat status;

	if (argc != 3)
		return 2;
	source = open(argv[1], O_RDONLY);
	target = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (source < 0 || target < 0 || fstat(source, &status) < 0)
		return 1;
	size = (uint64_t)status.st_size;
	if (oring_init(&ring, DEPTH, NULL) < 0)
		return 1;
	copy();
	oring_exit(&ring);
	return close(target) < 0;
}
