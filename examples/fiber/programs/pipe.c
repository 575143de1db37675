/* SPDX-License-Identifier: MIT */
/*
 * pipe - a fiber writes into a pipe, another reads from it, a third is not kept waiting by either
 *
 *	fiber-pipe [BYTES [PIECE]]
 *
 * The reader begins with an empty pipe: only it waits. Then BYTES (1000000) are moved in
 * pieces of PIECE (128) bytes. Both sides take the Adler-32 of what they saw.
 */
#include <stdio.h>
#include <unistd.h>

#include "fiber_io.h"
#include "program.h"

#define MOST_BYTES 1000000000UL
#define MOST_PIECE 4096UL
#define AHEAD	   1000 /* turns of the third fiber before the first byte */

static size_t bytes = 1000000, piece = 128;
static int ends[2];
static unsigned long turns;
static int at_work = 2;

struct side {
	size_t moved;
	uint32_t low, high; /* Adler-32 */
	int error;
};
static struct side reader = { .low = 1 }, writer = { .low = 1 };

static void account(struct side *side, const unsigned char *data, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		side->low = (side->low + data[i]) % 65521;
		side->high = (side->high + side->low) % 65521;
	}
	side->moved += length;
}

static void fill(unsigned char *data, size_t length, size_t offset)
{
	size_t i;

	for (i = 0; i < length; i++)
		data[i] = (unsigned char)((offset + i) * 31 + ((offset + i) >> 8));
}

static intptr_t write_all(void *unused)
{
	unsigned char data[MOST_PIECE];

	(void)unused;
	while (turns < AHEAD)
		fiber_yield();
	printf("nothing came yet: %zu bytes\n", reader.moved);
	while (writer.moved < bytes) {
		size_t left = bytes - writer.moved, length = left < piece ? left : piece;
		int64_t ret;

		fill(data, length, writer.moved);
		ret = fiber_write_all(oring_file_fd(ends[1]), data, length, FIBER_HERE,
				      FIBER_FOREVER);
		if (ret != (int64_t)length) {
			writer.error = ret < 0 ? (int)ret : -EIO;
			break;
		}
		account(&writer, data, length);
	}
	fiber_close(oring_file_fd(ends[1]));
	at_work--;
	return 0;
}

static intptr_t read_all(void *unused)
{
	unsigned char data[MOST_PIECE];
	int ret;

	(void)unused;
	while ((ret = fiber_read(oring_file_fd(ends[0]), data, piece, FIBER_HERE, FIBER_FOREVER)) >
	       0)
		account(&reader, data, (size_t)ret);
	reader.error = ret;
	fiber_close(oring_file_fd(ends[0]));
	at_work--;
	return 0;
}

static intptr_t take_turns(void *unused)
{
	(void)unused;
	for (turns = 0; at_work > 0; turns++)
		fiber_yield();
	return 0;
}

static int report(const char *name, const struct side *side)
{
	printf("%s: %zu bytes, adler32 %08x%s%s\n", name, side->moved, side->high << 16 | side->low,
	       side->error < 0 ? ", " : "", side->error < 0 ? program_words(side->error) : "");
	return side->error < 0;
}

int main(int argc, char **argv)
{
	int status;

	if (argc > 3)
		return program_usage(stderr, "usage: fiber-pipe [BYTES [PIECE]]\n");
	if (argc > 1)
		bytes = program_number("pipe", "BYTES", argv[1], 0, MOST_BYTES);
	if (argc > 2)
		piece = program_number("pipe", "PIECE", argv[2], 1, MOST_PIECE);
	if (pipe(ends) < 0) {
		perror("pipe");
		return 1;
	}
	status = program_begin("pipe", NULL);
	if (status != 0)
		return status;
	fiber_spawn(read_all, NULL, NULL);
	fiber_spawn(write_all, NULL, NULL);
	fiber_spawn(take_turns, NULL, NULL);
	status = program_run();
	status |= report("writer", &writer) | report("reader", &reader);
	printf("turns of the third fiber: %lu\n", turns);
	return status;
}
