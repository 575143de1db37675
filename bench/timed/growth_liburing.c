/* SPDX-License-Identifier: MIT */
/* Growth with liburing, tuned (L1). */
#include "growth.h"
#include "liburing_ring.h"

#ifdef BENCH_LIBURING

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

struct peer {
	struct io_uring ring;
	uint32_t batch;
	uint32_t count; /* of what grows */
	uint32_t random;
	int eventfd;
	struct io_uring_buf_ring **buf_rings;
	struct growth_groups groups;
	struct growth_memory memory;
	uint32_t next_block; /* of the file */
};

static struct peer *open_peer(uint32_t entries, uint32_t batch, uint32_t count)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL)
		bench_fail(ENOMEM, "a ring");
	peer->batch = batch;
	peer->count = count;
	peer->eventfd = -1;
	liburing_open(&peer->ring, entries, true);
	return peer;
}

static void close_peer(void *self)
{
	struct peer *peer = self;

	io_uring_queue_exit(&peer->ring);
	if (peer->eventfd >= 0)
		close(peer->eventfd);
	free(peer);
}

static struct io_uring_sqe *get_sqe(struct peer *peer)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&peer->ring);

	if (sqe == NULL)
		bench_fail(0, "the queue is full");
	return sqe;
}

static void submit(struct peer *peer)
{
	int ret = io_uring_submit_and_wait(&peer->ring, peer->batch);

	if (ret != (int)peer->batch)
		bench_fail(ret < 0 ? ret : 0, "a batch was not submitted");
	if (io_uring_cq_ready(&peer->ring) != peer->batch)
		bench_fail(0, "a batch did not complete");
}

/* ---- NOPs ---- */

static void make_nops(struct peer *peer)
{
	struct io_uring_cqe *cqe;
	uint32_t i, good = 0;
	unsigned int head;
	int ret;

	for (i = 0; i < peer->batch; i++) {
		struct io_uring_sqe *sqe = get_sqe(peer);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, i);
	}
	ret = io_uring_submit_and_wait(&peer->ring, peer->batch);
	if (ret != (int)peer->batch)
		bench_fail(ret < 0 ? ret : 0, "%u NOPs were not submitted", peer->batch);
	io_uring_for_each_cqe(&peer->ring, head, cqe) good +=
		cqe->res == 0 && cqe->user_data < peer->batch;
	io_uring_cq_advance(&peer->ring, good);
	if (good != peer->batch)
		bench_fail(0, "%u of %u NOPs completed", good, peer->batch);
}

static void run_nops(void *self, uint64_t operations, struct bench_time *time)
{
	struct peer *peer = self;
	uint64_t done;

	(void)time;
	for (done = 0; done < operations; done += peer->batch)
		make_nops(peer);
}

static void *open_ring(const struct bench_job *job)
{
	return open_peer(job->size, growth_batch(job), 0);
}

const struct bench_contender growth_ring_L1 = { "L1",	  "liburing, tuned", open_ring,
						run_nops, close_peer,	     NULL };

/* ---- polls in flight ---- */

static void arm(struct peer *peer, uint32_t index)
{
	struct io_uring_sqe *sqe = get_sqe(peer);

	io_uring_prep_poll_add(sqe, peer->eventfd, POLLIN);
	io_uring_sqe_set_data64(sqe, GROWTH_POLL + index);
}

static void *open_in_flight(const struct bench_job *job)
{
	struct peer *peer = open_peer(GROWTH_ENTRIES, job->batch, job->size);
	uint32_t i;
	int ret;

	peer->eventfd = growth_eventfd();
	for (i = 0; i < peer->count; i++) {
		arm(peer, i);
		if (io_uring_sq_space_left(&peer->ring) > 0 && i + 1 < peer->count)
			continue;
		ret = io_uring_submit(&peer->ring);
		if (ret < 0 || io_uring_sq_ready(&peer->ring) != 0)
			bench_fail(ret < 0 ? ret : 0, "%u polls were not armed", peer->count);
	}
	return peer;
}

const struct bench_contender growth_in_flight_L1 = { "L1",     "liburing, tuned", open_in_flight,
						     run_nops, close_peer,	  NULL };

/* Two completions come: the cancel's own, and that of the poll. */
static void await_cancelled(struct io_uring *ring, uint64_t target)
{
	uint32_t good = 0, seen = 0, now;
	struct io_uring_cqe *cqe;
	unsigned int head;
	int ret;

	while (seen < 2) {
		now = 0;
		io_uring_for_each_cqe(ring, head, cqe)
		{
			if (cqe->user_data == GROWTH_CANCEL)
				good += cqe->res == 0;
			else
				good += cqe->user_data == target && cqe->res == -ECANCELED;
			now++;
		}
		io_uring_cq_advance(ring, now);
		seen += now;
		ret = seen < 2 ? io_uring_wait_cqe(ring, &cqe) : 0;
		if (ret < 0 && ret != -EINTR)
			bench_fail(ret, "io_uring_wait_cqe");
	}
	if (good != 2)
		bench_fail(0, "a poll was not cancelled");
}

static void run_cancel(void *self, uint64_t operations, struct bench_time *time)
{
	struct peer *peer = self;
	uint64_t i;
	int ret;

	(void)time;
	for (i = 0; i < operations; i++) {
		uint32_t index = growth_pick(&peer->random, peer->count);
		struct io_uring_sqe *sqe = get_sqe(peer);

		io_uring_prep_cancel64(sqe, GROWTH_POLL + index, 0);
		io_uring_sqe_set_data64(sqe, GROWTH_CANCEL);
		arm(peer, index);
		ret = io_uring_submit_and_wait(&peer->ring, 2);
		if (ret != 2)
			bench_fail(ret < 0 ? ret : 0, "a cancel was not submitted");
		await_cancelled(&peer->ring, GROWTH_POLL + index);
	}
}

const struct bench_contender growth_cancel_L1 = { "L1",	      "liburing, tuned", open_in_flight,
						  run_cancel, close_peer,	 NULL };

/* ---- buffer groups ---- */

static void open_group(struct peer *peer, uint32_t group)
{
	struct io_uring_buf_reg reg = {
		.ring_addr = (uintptr_t)(peer->groups.rings + group * peer->groups.ring_bytes),
		.ring_entries = GROWTH_GROUP_BUFFERS,
		.bgid = (uint16_t)group,
	};
	struct io_uring_buf_ring *buf_ring = (struct io_uring_buf_ring *)(uintptr_t)reg.ring_addr;
	int ret = io_uring_register_buf_ring(&peer->ring, &reg, 0), i;

	if (ret < 0)
		bench_fail(ret, "buffer group %u", group);
	peer->buf_rings[group] = buf_ring;
	io_uring_buf_ring_init(buf_ring);
	for (i = 0; i < (int)GROWTH_GROUP_BUFFERS; i++)
		io_uring_buf_ring_add(buf_ring, growth_buffer(&peer->groups, group, (uint32_t)i),
				      GROWTH_MESSAGE, (uint16_t)i,
				      io_uring_buf_ring_mask(GROWTH_GROUP_BUFFERS), i);
	io_uring_buf_ring_advance(buf_ring, (int)GROWTH_GROUP_BUFFERS);
}

static void *open_groups(const struct bench_job *job)
{
	struct peer *peer = open_peer(2 * GROWTH_BATCH, job->batch, job->size);
	uint32_t i;

	growth_groups_open(&peer->groups, job->size);
	peer->buf_rings = calloc(job->size, sizeof(*peer->buf_rings));
	if (peer->buf_rings == NULL)
		bench_fail(ENOMEM, "%u buffer groups", job->size);
	for (i = 0; i < job->size; i++)
		open_group(peer, i);
	return peer;
}

static void close_groups(void *self)
{
	struct peer *peer = self;

	growth_groups_close(&peer->groups);
	free(peer->buf_rings);
	close_peer(peer);
}

/* The buffer that a completion names has the next message, and goes back to its group. */
static void take_message(struct peer *peer, const struct io_uring_cqe *cqe)
{
	uint32_t group = (uint32_t)cqe->user_data;
	uint16_t bid = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	unsigned char *message;

	if (cqe->res != (int)GROWTH_MESSAGE || !(cqe->flags & IORING_CQE_F_BUFFER))
		bench_fail(cqe->res < 0 ? cqe->res : 0, "a read through buffer group %u", group);
	message = growth_buffer(&peer->groups, group, bid);
	growth_check(&peer->groups, message);
	io_uring_buf_ring_add(peer->buf_rings[group], message, GROWTH_MESSAGE, bid,
			      io_uring_buf_ring_mask(GROWTH_GROUP_BUFFERS), 0);
	io_uring_buf_ring_advance(peer->buf_rings[group], 1);
}

static void run_groups(void *self, uint64_t operations, struct bench_time *time)
{
	struct peer *peer = self;
	struct io_uring_cqe *cqe;
	unsigned int head;
	uint64_t done;
	uint32_t i;

	(void)time;
	for (done = 0; done < operations; done += peer->batch) {
		growth_write(&peer->groups);
		for (i = 0; i < peer->batch; i++) {
			uint32_t group = growth_pick(&peer->random, peer->count);
			struct io_uring_sqe *sqe = get_sqe(peer);

			io_uring_prep_read(sqe, peer->groups.reader, NULL, GROWTH_MESSAGE,
					   (uint64_t)-1);
			sqe->flags |= IOSQE_BUFFER_SELECT;
			sqe->buf_group = (uint16_t)group;
			io_uring_sqe_set_data64(sqe, group);
		}
		submit(peer);
		io_uring_for_each_cqe(&peer->ring, head, cqe) take_message(peer, cqe);
		io_uring_cq_advance(&peer->ring, peer->batch);
	}
}

const struct bench_contender growth_groups_L1 = { "L1",	      "liburing, tuned", open_groups,
						  run_groups, close_groups,	 NULL };

/* ---- files ---- */

static void *open_files(const struct bench_job *job)
{
	struct peer *peer = open_peer(2 * GROWTH_BATCH, job->batch, job->size);
	int *files = growth_files_open(job->size), ret = -EMFILE;

	if (files != NULL) {
		ret = io_uring_register_files(&peer->ring, files, job->size);
		growth_files_close(files, job->size);
		if (ret == -EMFILE)
			bench_absent("%u registered files: RLIMIT_NOFILE is too small", job->size);
		else if (ret < 0)
			bench_fail(ret, "io_uring_register_files");
	}
	if (ret == 0)
		return peer;
	close_peer(peer);
	return NULL;
}

static void run_files(void *self, uint64_t operations, struct bench_time *time)
{
	struct peer *peer = self;
	struct io_uring_cqe *cqe;
	unsigned char byte;
	unsigned int head;
	uint64_t done;
	uint32_t i;

	(void)time;
	for (done = 0; done < operations; done += peer->batch) {
		for (i = 0; i < peer->batch; i++) {
			uint32_t slot = growth_pick(&peer->random, peer->count);
			struct io_uring_sqe *sqe = get_sqe(peer);

			io_uring_prep_read(sqe, (int)slot, &byte, 1, 0);
			io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
			io_uring_sqe_set_data64(sqe, slot);
		}
		byte = 1;
		submit(peer);
		io_uring_for_each_cqe(&peer->ring, head, cqe)
		{
			if (cqe->res != 1 || byte != 0)
				bench_fail(cqe->res < 0 ? cqe->res : 0, "a read of /dev/zero");
		}
		io_uring_cq_advance(&peer->ring, peer->batch);
	}
}

const struct bench_contender growth_files_L1 = { "L1",	    "liburing, tuned", open_files,
						 run_files, close_peer,	       NULL };

/* ---- buffers ---- */

static void close_buffers(void *self)
{
	struct peer *peer = self;

	growth_memory_close(&peer->memory);
	close_peer(peer);
}

static void *open_buffers(const struct bench_job *job)
{
	struct peer *peer = open_peer(2 * GROWTH_BATCH, job->batch, job->size);
	int ret;

	growth_memory_open(&peer->memory, job->size);
	ret = io_uring_register_buffers(&peer->ring, peer->memory.iov, job->size);
	if (ret == 0)
		return peer;
	if (ret != -ENOMEM)
		bench_fail(ret, "io_uring_register_buffers");
	bench_absent("%u registered buffers: RLIMIT_MEMLOCK is too small", job->size);
	close_buffers(peer);
	return NULL;
}

static void prepare_block(struct peer *peer)
{
	uint32_t index = growth_pick(&peer->random, peer->count);
	uint32_t block = peer->next_block++ % GROWTH_FILE_BLOCKS;
	struct io_uring_sqe *sqe = get_sqe(peer);

	io_uring_prep_read_fixed(sqe, peer->memory.file, growth_block(&peer->memory, index),
				 GROWTH_BLOCK, (uint64_t)block * GROWTH_BLOCK, (int)index);
	io_uring_sqe_set_data64(sqe, index);
}

static void run_buffers(void *self, uint64_t operations, struct bench_time *time)
{
	struct peer *peer = self;
	struct io_uring_cqe *cqe;
	unsigned int head;
	uint64_t done;
	uint32_t i, last;

	(void)time;
	for (done = 0; done < operations; done += peer->batch) {
		for (i = 0; i < peer->batch; i++)
			prepare_block(peer);
		submit(peer);
		last = 0;
		io_uring_for_each_cqe(&peer->ring, head, cqe)
		{
			if (cqe->res != (int)GROWTH_BLOCK)
				bench_fail(cqe->res < 0 ? cqe->res : 0, "a read of a cached file");
			last = (uint32_t)cqe->user_data;
		}
		io_uring_cq_advance(&peer->ring, peer->batch);
		growth_check_block(growth_block(&peer->memory, last),
				   (peer->next_block - 1) % GROWTH_FILE_BLOCKS);
	}
}

const struct bench_contender growth_buffers_L1 = { "L1",	"liburing, tuned", open_buffers,
						   run_buffers, close_buffers,	   NULL };

#else

WITHOUT_LIBURING(growth_ring_L1, "L1");
WITHOUT_LIBURING(growth_in_flight_L1, "L1");
WITHOUT_LIBURING(growth_cancel_L1, "L1");
WITHOUT_LIBURING(growth_groups_L1, "L1");
WITHOUT_LIBURING(growth_files_L1, "L1");
WITHOUT_LIBURING(growth_buffers_L1, "L1");

#endif
