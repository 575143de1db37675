/* SPDX-License-Identifier: MIT */
/*
 * Uses of the library that go on whatever one of their calls returns. What is
 * looked at: results are successes or negative errnos; what was refused has changed
 * nothing; nothing that was submitted is lost or completes twice; a ring that was
 * not made, or was ended, says that it is closed.
 */
#define _GNU_SOURCE
#include "fault.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 8
#define TRIES	1000
#define PATIENT 50000 /* tries of 100 us, for a polling thread that has to share its processor */

static void sleep_us(long us)
{
	struct timespec time = { 0, us * 1000 };

	nanosleep(&time, NULL);
}

static void *pages(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		puts("Bail out! no memory");
		exit(1);
	}
	return memory;
}

/* A ring that was not made, or was ended. */
static void closed(struct oring *ring)
{
	CHECK(oring_fd(ring) == -1);
	CHECK(oring_sq_reserve(ring) == NULL);
	CHECK(oring_cq_peek(ring) == NULL);
	CHECK(oring_submit(ring) == -EBADF);
	CHECK(oring_exit(ring) == 0);
}

static void end(struct oring *ring)
{
	int ret = oring_exit(ring);

	CHECK(ret == 0 || fault_made(ret));
	closed(ring);
}

/* Whether it was made; else it is closed. */
static bool made(struct oring *ring, int ret)
{
	CHECK(ret == 0 || fault_made(ret));
	if (ret != 0)
		closed(ring);
	return ret == 0;
}

/* A call that may be refused in this run, by the fault alone. */
static bool went(int ret)
{
	CHECK(ret >= 0 || fault_made(ret));
	return ret >= 0;
}

/* ---- submitting and waiting, by each of the functions that enter ---- */

static struct oring_wait_arg second;

static int by_submit(struct oring *ring)
{
	return oring_submit(ring);
}

static int by_submit_and_wait(struct oring *ring)
{
	return oring_submit_and_wait(ring, 1);
}

static int by_timeout(struct oring *ring)
{
	return oring_submit_and_wait_timeout(ring, 1, &second, NULL);
}

static int by_slot(struct oring *ring)
{
	return oring_submit_and_wait_slot(ring, 1, 1);
}

static int by_poll(struct oring *ring)
{
	struct oring_wait_arg zero;

	oring_wait_relative(&zero, 0, 0);
	return oring_submit_and_wait_timeout(ring, 1, &zero, NULL);
}

static int by_outcome(struct oring *ring)
{
	struct oring_outcome outcome = { 77, 77, 77 };
	int ret = oring_submit_and_wait_timeout(ring, 1, &second, &outcome);

	CHECK(outcome.error == (ret < 0 ? ret : 0));
	CHECK(outcome.submitted == (uint32_t)(ret > 0 ? ret : 0));
	CHECK(outcome.ready == oring_cq_ready(ring));
	return ret;
}

static int by_enter(struct oring *ring)
{
	uint32_t committed = oring_sq_commit(ring);

	(void)committed;
	return oring_enter(ring, oring_sq_pending(ring), 0, 0, NULL, 0);
}

/* NOPs that are prepared, submitted by @submit until it takes them all, and reaped. */
static void rounds(struct oring *ring, int (*submit)(struct oring *ring))
{
	bool polled = (oring_setup_flags(ring) & ORING_SETUP_SQPOLL) != 0;
	uint32_t came[3] = { 0, 0, 0 };
	struct oring_cqe cqe;
	int i, reaped = 0;

	for (i = 0; i < 3; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(ring);

		CHECK(sqe != NULL);
		if (sqe == NULL)
			return;
		oring_prep_nop(sqe);
		oring_sqe_set_user_data(sqe, (uint64_t)i);
	}
	for (i = 0; i < (polled ? PATIENT : TRIES) && oring_sq_pending(ring) > 0; i++) {
		uint32_t pending = oring_sq_pending(ring);
		int ret = submit(ring);

		CHECK(ret >= 0 || fault_made(ret));
		/* What was refused is still there, all of it. */
		CHECK(ret >= 0 || polled || oring_sq_pending(ring) == pending);
		if (polled)
			sleep_us(100);
	}
	CHECK(oring_sq_pending(ring) == 0);
	for (i = 0; i < TRIES && reaped < 3; i++) {
		int ret = oring_wait(ring, 1, &second);

		CHECK(ret > 0 || fault_made(ret));
		while (oring_cq_take(ring, &cqe)) {
			CHECK(cqe.user_data < 3 && cqe.res == 0);
			came[cqe.user_data % 3]++;
			reaped++;
		}
	}
	CHECK(reaped == 3 && came[0] == 1 && came[1] == 1 && came[2] == 1);
	went(oring_get_events(ring));
	CHECK(oring_cq_ready(ring) == 0);
}

static void plain(void)
{
	static int (*const ways[])(struct oring *) = { by_submit, by_submit_and_wait, by_timeout,
						       by_poll,	  by_outcome,	      by_enter };
	struct oring ring;
	size_t i;

	if (!made(&ring, oring_init(&ring, ENTRIES, NULL)))
		return;
	oring_wait_relative(&second, 1, 0);
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		rounds(&ring, ways[i]);
	end(&ring);
}

static void fast(void)
{
	static int (*const ways[])(struct oring *) = { by_submit, by_submit_and_wait, by_timeout,
						       by_poll,	  by_outcome,	      by_enter,
						       by_slot };
	struct oring_wait_region region = { NULL, 0 };
	struct oring ring;
	size_t i;
	int ret;

	oring_wait_relative(&second, 1, 0);
	ret = oring_init_fast(&ring, ENTRIES, NULL, &region);
	/* Flags that are refused with -EINVAL are dropped; a region is not needed. */
	if (!made(&ring, ret))
		return;
	CHECK((region.slots != NULL) == oring_has_wait_region(&ring));
	if (region.slots != NULL)
		CHECK(oring_wait_slot_set(&region.slots[1], &second) == 0);
	ret = oring_start(&ring);
	if (ret < 0) {
		CHECK(fault_made(ret));
		/* It did not start: it can be tried again. */
		CHECK(oring_start(&ring) == 0);
	}
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (ways[i] != by_slot || region.slots != NULL)
			rounds(&ring, ways[i]);
	}
	end(&ring);
}

static void negotiated(void)
{
	const uint32_t wanted = ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN |
				ORING_SETUP_COOP_TASKRUN | ORING_SETUP_TASKRUN_FLAG |
				ORING_SETUP_SQPOLL;
	struct oring_params params;
	struct oring ring;
	int ret;

	memset(&params, 0, sizeof(params));
	ret = oring_init_flags(&ring, ENTRIES, &params, wanted);
	CHECK(ret == 0 || params.flags == 0);
	if (!made(&ring, ret))
		return;
	oring_wait_relative(&second, 1, 0);
	rounds(&ring, by_submit);
	end(&ring);
}

/* A signal ends the kernel's wait for room: no error, and no room (io_sqpoll_wait_sq()). */
static bool by_signal(const struct fault_call *call, long *ret)
{
	if (call->nr != __NR_io_uring_enter || !(call->d & ORING_ENTER_SQ_WAIT))
		return false;
	*ret = 0;
	return true;
}

static void polled(void)
{
	struct oring_params params;
	struct oring ring;
	int i, ret;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_SQPOLL;
	params.sq_thread_idle = 1;
	if (!made(&ring, oring_init(&ring, ENTRIES, &params)))
		return;
	oring_wait_relative(&second, 1, 0);
	/* It sleeps now and then, and is woken. */
	for (i = 0; i < 3; i++) {
		sleep_us(20000);
		rounds(&ring, by_submit);
	}
	/* A full queue: the kernel's thread makes room. */
	sleep_us(20000);
	for (i = 0; i < ENTRIES; i++) {
		struct oring_sqe *sqe = oring_sq_reserve(&ring);

		CHECK(sqe != NULL);
		if (sqe != NULL)
			oring_prep_nop(sqe);
	}
	fault_stand_in = by_signal;
	ret = oring_sq_wait_space(&ring);
	CHECK(ret == -EINTR || fault_made(ret));
	fault_stand_in = NULL;
	for (i = 0, ret = 0; i < TRIES && ret <= 0; i++) {
		ret = oring_sq_wait_space(&ring);
		CHECK(ret > 0 || fault_made(ret));
	}
	for (i = 0; i < PATIENT && oring_cq_ready(&ring) < ENTRIES; i++) {
		went(oring_submit(&ring));
		sleep_us(100);
	}
	CHECK(oring_cq_ready(&ring) == ENTRIES);
	end(&ring);
}

/* ---- memory ---- */

static void in_memory(void)
{
	struct oring_params params;
	struct oring_mem memory;
	struct oring ring;

	memset(&params, 0, sizeof(params));
	memory.page = 4096;
	memory.size = oring_mem_size(ENTRIES, &params, memory.page);
	memory.base = pages(memory.size);
	oring_wait_relative(&second, 1, 0);
	if (made(&ring, oring_init_mem(&ring, ENTRIES, &params, &memory))) {
		rounds(&ring, by_submit);
		end(&ring);
	}
	munmap(memory.base, memory.size);
}

static void without_descriptor(void)
{
	struct oring_params params;
	struct oring_mem memory;
	struct oring ring;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_REGISTERED_FD_ONLY;
	memory.page = 4096;
	memory.size = oring_mem_size(ENTRIES, &params, memory.page);
	memory.base = pages(memory.size);
	oring_wait_relative(&second, 1, 0);
	if (made(&ring, oring_init_mem(&ring, ENTRIES, &params, &memory))) {
		rounds(&ring, by_submit);
		went(oring_register_files_sparse(&ring, 4));
		end(&ring);
	}
	munmap(memory.base, memory.size);
}

static void inherited(void)
{
	struct oring ring;

	if (!made(&ring, oring_init(&ring, ENTRIES, NULL)))
		return;
	oring_wait_relative(&second, 1, 0);
	went(oring_set_inherited(&ring, true));
	rounds(&ring, by_submit);
	went(oring_set_inherited(&ring, false));
	rounds(&ring, by_submit);
	end(&ring);
}

static void resized(void)
{
	struct oring_params params;
	struct oring ring;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags =
		ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_NO_SQARRAY;
	if (!made(&ring, oring_init(&ring, ENTRIES, &params)))
		return;
	oring_wait_relative(&second, 1, 0);
	rounds(&ring, by_submit_and_wait);
	ret = oring_resize(&ring, 4 * ENTRIES, 0);
	went(ret);
	/* A refused registration leaves the ring as it was; after a failed map it is closed. */
	if (ret < 0 && oring_fd(&ring) < 0) {
		closed(&ring);
		return;
	}
	rounds(&ring, by_submit_and_wait);
	CHECK(oring_sq_entries(&ring) == (ret < 0 ? ENTRIES : 4 * ENTRIES));
	end(&ring);
}

/* ---- what is registered ---- */

static void buffer_rings(void)
{
	struct oring_bufring_params params;
	struct oring_bufring bufring;
	struct oring ring;
	void *memory = pages(4096);
	int i, ret;

	if (!made(&ring, oring_init(&ring, ENTRIES, NULL))) {
		munmap(memory, 4096);
		return;
	}
	for (i = 0; i < 2; i++) {
		memset(&params, 0, sizeof(params));
		params.memory = i == 0 ? memory : NULL;
		params.entries = 16;
		params.bgid = 3;
		ret = oring_bufring_init(&bufring, &ring, &params);
		if (!went(ret)) {
			/* Nothing is registered, so it goes now. */
			ret = oring_bufring_init(&bufring, &ring, &params);
			CHECK(ret == 0);
			if (ret != 0)
				continue;
		}
		oring_bufring_add(&bufring, memory, 64, 7);
		oring_bufring_commit(&bufring);
		ret = oring_bufring_available(&bufring, &ring);
		CHECK(ret == 1 || fault_made(ret));
		ret = oring_bufring_exit(&bufring, &ring);
		if (!went(ret) && oring_bufring_init(&bufring, &ring, &params) == -EEXIST)
			CHECK(oring_unregister_pbuf_ring(&ring, 3) == 0);
		else if (ret < 0) {
			ret = oring_bufring_exit(&bufring, &ring);
			CHECK(ret == 0 || fault_made(ret));
		}
	}
	end(&ring);
	munmap(memory, 4096);
}

static void buffer_groups(void)
{
	struct oring_bufgroup_params params;
	struct oring_buf_note notes[4];
	struct oring_bufgroup group;
	struct oring ring;
	void *memory = pages(4096);

	if (made(&ring, oring_init(&ring, ENTRIES, NULL))) {
		memset(&params, 0, sizeof(params));
		params.ring.entries = 4;
		params.base = memory;
		params.notes = notes;
		params.size = 1024;
		params.count = 4;
		if (went(oring_bufgroup_init(&group, &ring, &params)))
			went(oring_bufgroup_exit(&group, &ring));
		end(&ring);
	}
	munmap(memory, 4096);
}

static void registered(void)
{
	unsigned char memory[64];
	struct iovec iov = { memory, sizeof(memory) };
	int32_t fds[2] = { 0, 0 };
	uint32_t workers[2] = { 0, 0 };
	int event = eventfd(0, EFD_CLOEXEC);
	struct oring ring;
	int ret;

	if (!made(&ring, oring_init(&ring, ENTRIES, NULL))) {
		close(event);
		return;
	}
	if (went(oring_register_buffers(&ring, &iov, 1))) {
		CHECK(ring.buffers == 1);
		if (!went(oring_unregister_buffers(&ring)))
			CHECK(ring.buffers == 1);
		else
			CHECK(ring.buffers == 0);
	} else {
		CHECK(ring.buffers == 0);
	}
	if (went(oring_register_files(&ring, fds, 2))) {
		CHECK(ring.files == 2);
		went(oring_register_files_update(&ring, 0, fds, 1));
		went(oring_register_file_alloc_range(&ring, 0, 1));
		went(oring_unregister_files(&ring));
	} else {
		CHECK(ring.files == 0);
	}
	if (went(oring_register_eventfd(&ring, event)))
		went(oring_unregister_eventfd(&ring));
	ret = oring_register_personality(&ring);
	if (went(ret))
		went(oring_unregister_personality(&ring, (uint16_t)ret));
	went(oring_register_iowq_max_workers(&ring, workers));
	went(oring_use_registered_fd(&ring));
	end(&ring);
	close(event);
}

static void drained(void)
{
	static const struct oring_timespec hour = { 3600, 0 };
	struct oring_timespec limit = { 5, 0 };
	struct oring_cqe cqe;
	struct oring ring;
	int i, ret;

	if (!made(&ring, oring_init(&ring, ENTRIES, NULL)))
		return;
	for (i = 0; i < 2; i++)
		oring_prep_timeout(oring_sq_reserve(&ring), &hour, 0, 0);
	for (i = 0; i < TRIES && oring_sq_pending(&ring) > 0; i++)
		went(oring_submit(&ring));
	ret = oring_drain(&ring, &limit);
	if (!went(ret)) {
		/* Those that were cancelled complete all the same. */
		ret = oring_drain(&ring, &limit);
		CHECK(ret == 0);
	}
	for (i = 0; oring_cq_take(&ring, &cqe); i++)
		CHECK(cqe.res == -ECANCELED);
	CHECK(i == 2);
	end(&ring);
}

/* ---- what asks, wakes, shares ---- */

static void asked(void)
{
	struct oring_feature_set set;
	struct oring_query_opcode answer;
	struct oring ring;
	int ret;

	ret = oring_feature_try_setup(ORING_SETUP_CQSIZE);
	CHECK(fault_is_result(ret));
	ret = oring_feature_try_setup(0);
	CHECK(fault_is_result(ret));
	memset(&answer, 0, sizeof(answer));
	ret = oring_feature_query(ORING_QUERY_OPCODES, &answer, sizeof(answer));
	CHECK(fault_is_result(ret));
	if (!made(&ring, oring_init(&ring, ENTRIES, NULL)))
		return;
	ret = oring_feature_ask(&ring, &set);
	CHECK(fault_is_result(ret));
	/* Whatever was refused: what is left says that a NOP goes. */
	if (ret == 0 && fault_error() == 0)
		CHECK(oring_feature_has_op(&set, ORING_OP_NOP));
	end(&ring);
}

static void woken(void)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct oring_cqe cqe;
	struct oring ring;
	uint64_t count = 0;
	int ret;

	ret = oring_wake_eventfd(event);
	went(ret);
	CHECK((read(event, &count, sizeof(count)) > 0 ? count : 0) == (ret == 0));
	close(event);
	if (!made(&ring, oring_init(&ring, ENTRIES, NULL)))
		return;
	oring_wait_relative(&second, 1, 0);
	ret = oring_wake_ring(oring_fd(&ring), oring_context_from_bits(77));
	/* Without a ring, EBADF is how old kernels say that they do not know the call. */
	CHECK(ret >= 0 || fault_made(ret) || (ret == -EINVAL && fault_error() == -EBADF));
	if (ret >= 0) {
		CHECK(oring_wait(&ring, 1, &second) == 1 || fault_error() != 0);
		CHECK(oring_cq_take(&ring, &cqe) && cqe.user_data == 77);
	} else {
		CHECK(oring_cq_ready(&ring) == 0);
	}
	end(&ring);
}

static void shared_by_threads(void)
{
	uint32_t committed[ENTRIES], flags;
	struct oring_sqe entries[2];
	struct oring_params params;
	struct oring_shared shared;
	struct oring ring;
	int i;

	oring_wait_relative(&second, 1, 0);
	for (flags = 0; flags <= ORING_SETUP_SQPOLL; flags += ORING_SETUP_SQPOLL) {
		memset(&params, 0, sizeof(params));
		params.flags = flags;
		params.sq_thread_idle = 1;
		if (!made(&ring, oring_init(&ring, ENTRIES, &params)))
			return;
		for (i = 0; i < 2; i++) {
			oring_sqe_clear(&entries[i]);
			oring_prep_nop(&entries[i]);
		}
		CHECK(oring_shared_init(&shared, &ring, committed) == 0);
		sleep_us(20000);
		CHECK(oring_shared_push_n(&shared, entries, 2) == 0);
		for (i = 0; i < TRIES && oring_cq_ready(&ring) < 2; i++) {
			int ret = oring_shared_submit(&shared);

			CHECK(ret >= 0 || fault_made(ret));
			sleep_us(100);
		}
		CHECK(oring_cq_ready(&ring) == 2);
		end(&ring);
	}
}

static void bare_calls(void)
{
	struct oring_params params;
	unsigned char probe[sizeof(struct oring_probe)];
	void *memory = NULL;
	int fd, ret;

	memset(&params, 0, sizeof(params));
	fd = oring_sys_setup(ENTRIES, &params);
	if (!went(fd))
		return;
	went(oring_sys_enter(fd, 0, 0, 0, NULL, 0));
	memset(probe, 0, sizeof(probe));
	went(oring_sys_register(fd, ORING_REGISTER_PROBE, probe, 0));
	ret = oring_sys_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, ORING_OFF_SQES,
			     &memory);
	CHECK((ret == 0) == (memory != NULL));
	if (went(ret))
		went(oring_sys_munmap(memory, 4096));
	went(oring_sys_close(fd));
}

/* ---- zero-copy receive: the running kernel may have none ---- */

static bool has_zcrx(const struct fault_call *call, long *ret)
{
	if (call->nr == __NR_io_uring_register && call->b == ORING_REGISTER_ZCRX_IFQ) {
		struct oring_zcrx_ifq_reg *reg = (struct oring_zcrx_ifq_reg *)call->c;
		struct oring_region_desc *region =
			(struct oring_region_desc *)(uintptr_t)reg->region_ptr;

		reg->rq_entries = 8;
		reg->offsets.head = 0;
		reg->offsets.tail = 64;
		reg->offsets.rqes = 256;
		region->mmap_offset = 0x20000000;
		*ret = 0;
		return true;
	}
	if (call->nr == __NR_mmap && call->f == 0x20000000) {
		*ret = syscall(__NR_mmap, 0, call->b, call->c, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return true;
	}
	return false;
}

static void zero_copy_receive(void)
{
	static unsigned char *area;
	struct oring_zcrx_params params;
	struct oring_zcrx_note notes[16];
	struct oring_zcrx zcrx;
	struct oring ring;

	area = area != NULL ? area : (unsigned char *)pages(16 * 4096);
	fault_stand_in = has_zcrx;
	if (!made(&ring, oring_init(&ring, ENTRIES, NULL)))
		return;
	memset(&params, 0, sizeof(params));
	params.flags = ORING_ZCRX_REG_NODEV;
	params.entries = 8;
	params.page = 4096;
	params.area = area;
	params.area_size = 16 * 4096;
	params.notes = notes;
	if (went(oring_zcrx_init(&zcrx, &ring, &params)))
		went(oring_zcrx_exit(&zcrx));
	end(&ring);
}

const struct scenario scenarios[] = {
	{ "plain", plain },
	{ "fast", fast },
	{ "negotiated flags", negotiated },
	{ "polled", polled },
	{ "in the caller's memory", in_memory },
	{ "without a descriptor", without_descriptor },
	{ "inherited", inherited },
	{ "resized", resized },
	{ "buffer rings", buffer_rings },
	{ "buffer groups", buffer_groups },
	{ "registered", registered },
	{ "drained", drained },
	{ "asked", asked },
	{ "woken", woken },
	{ "shared", shared_by_threads },
	{ "bare calls", bare_calls },
	{ "zero-copy receive", zero_copy_receive },
	{ NULL, NULL },
};
