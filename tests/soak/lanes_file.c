/* SPDX-License-Identifier: MIT */
/* Lanes that write files and read them again: by descriptor, by slot and registered buffer, as chains; files that come and go. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "soak.h"

#define BLOCK  4096
#define BLOCKS 16

/* A file of a few blocks; each block's bytes are the noise from some place on. */
struct file_lane {
	int fd;
	oring_file file;
	unsigned char *out, *in;
	oring_fixed_buf out_fixed, in_fixed;
	uint64_t places[BLOCKS]; /* where the noise of each block begins */
	uint32_t lengths[BLOCKS];
	uint32_t block;
	bool chained;
};

static void *open_file(struct lane *lane, const char *prefix, unsigned int number)
{
	struct file_lane *self = calloc(1, sizeof(*self));
	char name[32];

	MUST(self != NULL, "memory");
	snprintf(name, sizeof(name), "%s%u", prefix, number);
	self->fd = openat(lane->worker->folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	MUST(self->fd >= 0, "%s: %s", name, strerror(errno));
	MUST(unlinkat(lane->worker->folder, name, 0) == 0, "%s", strerror(errno));
	self->file = oring_file_fd(self->fd);
	return self;
}

static void *file_open(struct lane *lane, unsigned int number)
{
	struct file_lane *self = open_file(lane, "plain", number);

	self->out = memory_of(BLOCK);
	self->in = memory_of(BLOCK);
	return self;
}

static void *file_open_chain(struct lane *lane, unsigned int number)
{
	struct file_lane *self = open_file(lane, "chain", number);

	self->out = memory_of(BLOCK);
	self->in = memory_of(BLOCK);
	self->chained = true;
	return self;
}

/* Through a slot, which keeps the file; its descriptor is closed. */
static void *file_open_fixed(struct lane *lane, unsigned int number)
{
	struct file_lane *self = open_file(lane, "fixed", number);
	uint32_t slot = SLOTS - 1 - number;

	self->out_fixed = fixed_slice(lane->worker, BLOCK);
	self->in_fixed = fixed_slice(lane->worker, BLOCK);
	self->out = self->out_fixed.addr;
	self->in = self->in_fixed.addr;
	MUST(oring_register_files_update(&lane->worker->ring, slot, &self->fd, 1) == 1, "slot %u",
	     slot);
	close(self->fd);
	self->fd = -1;
	self->file = oring_file_slot(slot);
	return self;
}

static bool by_slot(const struct file_lane *self)
{
	return self->fd < 0;
}

/* Another content for a random block. */
static uint32_t renew(struct lane *lane)
{
	struct file_lane *self = lane->data;
	uint32_t length = 1 + next_random(lane->worker) % BLOCK;

	self->block = next_random(lane->worker) % BLOCKS;
	self->places[self->block] = next_random(lane->worker);
	self->lengths[self->block] = length;
	memcpy(self->out, noise_at(self->places[self->block]), length);
	return length;
}

static oring_fixed_buf first_of(oring_fixed_buf buf, uint32_t length)
{
	oring_fixed_buf slice;

	MUST(oring_fixed_buf_slice(buf, 0, length, &slice) == 0, "a slice of %u", length);
	return slice;
}

static void prep_write(struct file_lane *self, struct oring_sqe *sqe)
{
	uint32_t length = self->lengths[self->block];
	uint64_t off = (uint64_t)self->block * BLOCK;

	if (by_slot(self))
		oring_prep_write_buf(sqe, self->file, first_of(self->out_fixed, length), off);
	else
		oring_prep_write(sqe, self->file, self->out, length, off);
}

static void prep_read(struct file_lane *self, struct oring_sqe *sqe)
{
	uint32_t length = self->lengths[self->block];
	uint64_t off = (uint64_t)self->block * BLOCK;

	memset(self->in, 0, length);
	if (by_slot(self))
		oring_prep_read_buf(sqe, self->file, first_of(self->in_fixed, length), off);
	else
		oring_prep_read(sqe, self->file, self->in, length, off);
}

static void file_go(struct lane *lane)
{
	struct file_lane *self = lane->data;
	struct oring_sqe *sqe;

	renew(lane);
	if (self->chained) {
		struct oring_chain chain;

		if (oring_chain_begin(&chain, &lane->worker->ring, 3) < 0) {
			MUST(oring_submit(&lane->worker->ring) > 0, "submit");
			MUST(oring_chain_begin(&chain, &lane->worker->ring, 3) == 0, "room");
		}
		sqe = oring_chain_next(&chain);
		prep_write(self, sqe);
		begin(lane, sqe, DO_WRITE, 0);
		sqe = oring_chain_next(&chain);
		oring_prep_fsync(sqe, self->file, ORING_FSYNC_DATASYNC);
		begin(lane, sqe, DO_FSYNC, 0);
		sqe = oring_chain_next(&chain);
		prep_read(self, sqe);
		begin(lane, sqe, DO_READ, 0);
		MUST(oring_chain_end(&chain) == 0, "chain");
		return;
	}
	sqe = entry_of(lane->worker);
	prep_write(self, sqe);
	begin(lane, sqe, DO_WRITE, 0);
}

static void file_done(struct lane *lane, const struct event *event)
{
	struct file_lane *self = lane->data;
	uint32_t length = self->lengths[self->block];
	int32_t res = event->cqe->res;

	if (event->what == DO_FSYNC) {
		MUST(res == 0, "fsync: %s", strerror(-res));
		return;
	}
	MUST(res == (int32_t)length, "%s: %d of %u", event->what == DO_WRITE ? "write" : "read",
	     res, length);
	if (event->what == DO_WRITE) {
		struct oring_sqe *sqe;

		if (self->chained)
			return;
		/* Also one that was written long ago. */
		if (next_random(lane->worker) % 2 == 0) {
			uint32_t block = next_random(lane->worker) % BLOCKS;

			self->block = self->lengths[block] > 0 ? block : self->block;
		}
		sqe = entry_of(lane->worker);
		prep_read(self, sqe);
		begin(lane, sqe, DO_READ, 0);
		return;
	}
	if (fault_now(FAULT_FLIP))
		self->in[length / 2] ^= 1;
	MUST(memcmp(self->in, noise_at(self->places[self->block]), length) == 0,
	     "%s: block %u is not as it was written", lane->kind->name, self->block);
}

static void file_close(struct lane *lane)
{
	struct file_lane *self = lane->data;

	if (!by_slot(self)) {
		close(self->fd);
		free(self->out);
		free(self->in);
	}
	free(self);
}

const struct lane_kind lane_file = {
	"files", 24, 0, file_open, file_go, file_done, NULL, file_close
};
const struct lane_kind lane_file_fixed = {
	"files, registered", 24, 0, file_open_fixed, file_go, file_done, NULL, file_close
};
const struct lane_kind lane_file_chain = { "chains", 8,		0,    file_open_chain,
					   file_go,  file_done, NULL, file_close };

/* ---- files that come and go: open, write, statx, close, unlink ---- */

struct open_lane {
	char name[32];
	char text[64];
	uint32_t length;
	bool direct;
	oring_file file;
	struct statx stat;
};

void open_lane_name(unsigned int number, char *name, size_t size)
{
	snprintf(name, size, "comes-and-goes-%u", number);
}

static void *open_open(struct lane *lane, unsigned int number)
{
	struct open_lane *self = calloc(1, sizeof(*self));

	MUST(self != NULL, "memory");
	(void)lane;
	open_lane_name(number, self->name, sizeof(self->name));
	return self;
}

static void open_go(struct lane *lane)
{
	struct open_lane *self = lane->data;
	struct oring_sqe *sqe = entry_of(lane->worker);
	int flags = O_RDWR | O_CREAT | O_EXCL;

	self->direct = lane->worker->direct && next_random(lane->worker) % 2 == 0;
	if (self->direct)
		oring_prep_openat_direct(sqe, lane->worker->folder, self->name, flags, 0600,
					 oring_slot_alloc());
	else
		oring_prep_openat(sqe, lane->worker->folder, self->name, flags | O_CLOEXEC, 0600);
	begin(lane, sqe, DO_OPEN, 0);
}

static void open_done(struct lane *lane, const struct event *event)
{
	struct open_lane *self = lane->data;
	int32_t res = event->cqe->res;
	struct oring_sqe *sqe;

	MUST(res >= 0, "%s of %s: %s", event->what == DO_OPEN ? "open" : "work", self->name,
	     strerror(-res));
	if (event->what == DO_UNLINK)
		return;
	sqe = entry_of(lane->worker);
	switch (event->what) {
	case DO_OPEN:
		self->file = self->direct ? oring_file_slot((uint32_t)res) : oring_file_fd(res);
		self->length = 1 + next_random(lane->worker) % sizeof(self->text);
		oring_prep_write(sqe, self->file, noise_at(7), self->length, 0);
		begin(lane, sqe, DO_WRITE, 0);
		break;
	case DO_WRITE:
		MUST(res == (int32_t)self->length, "%d of %u", res, self->length);
		memset(&self->stat, 0, sizeof(self->stat));
		oring_prep_statx(sqe, lane->worker->folder, self->name, &self->stat, 0, STATX_SIZE);
		begin(lane, sqe, DO_STATX, 0);
		break;
	case DO_STATX:
		MUST(self->stat.stx_size == self->length, "a file of %llu bytes, not %u",
		     (unsigned long long)self->stat.stx_size, self->length);
		if (!self->direct && fault_now(FAULT_LEAK_FD))
			MUST(dup(oring_file_value(self->file)) >= 0, "dup");
		oring_prep_close(sqe, self->file);
		begin(lane, sqe, DO_CLOSE, 0);
		break;
	default:
		oring_prep_unlinkat(sqe, lane->worker->folder, self->name, 0);
		begin(lane, sqe, DO_UNLINK, 0);
	}
}

static void open_close(struct lane *lane)
{
	free(lane->data);
}

const struct lane_kind lane_open = {
	"opens", 4, 0, open_open, open_go, open_done, NULL, open_close
};
