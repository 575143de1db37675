/* SPDX-License-Identifier: MIT */
/*
 * copy_liburing SOURCE TARGET - copies a file, 8 blocks in flight; as copy_oring.c
 *
 * Only here to be weighed: no message, an exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <liburing.h>

#define DEPTH 8
#define BLOCK 65536

static struct block {
	uint64_t offset;
	uint32_t length, done;
	int writing;
	unsigned char data[BLOCK];
} blocks[DEPTH];

static struct io_uring ring;
static int source, target;
static uint64_t size, next;
static unsigned int in_flight;

/* Ask for what is left to do with the block. */
static void request(struct block *block)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	unsigned char *data = block->data + block->done;
	uint32_t length = block->length - block->done;
	uint64_t offset = block->offset + block->done;

	if (sqe == NULL)
		_exit(1);
	if (block->writing)
		io_uring_prep_write(sqe, target, data, length, offset);
	else
		io_uring_prep_read(sqe, source, data, length, offset);
	io_uring_sqe_set_data(sqe, block);
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
	struct io_uring_cqe *cqe;
	unsigned int head, seen;
	int i, ret;

	for (i = 0; i < DEPTH; i++)
		take_piece(&blocks[i]);
	while (in_flight > 0) {
		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR)
			_exit(1);
		seen = 0;
		io_uring_for_each_cqe(&ring, head, cqe)
		{
			advance(io_uring_cqe_get_data(cqe), cqe->res);
			seen++;
		}
		io_uring_cq_advance(&ring, seen);
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
	if (io_uring_queue_init(DEPTH, &ring, 0) < 0)
		return 1;
	copy();
	io_uring_queue_exit(&ring);
	return close(target) < 0;
}
