/* SPDX-License-Identifier: MIT */
/*
 * Uses of the library that go on whatever one of their calls returns. What is
 * looked at: results are successes or negative errnos; what was refused has changed
 * nothing, what was done in part is counted; nothing that was submitted is lost, completes
 * twice or out of order; a ring that was not made, or was ended, says that it is closed.
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

/* Until the ring's polling thread sleeps, and has to be woken. */
static void let_it_sleep(const struct oring *ring)
{
	int i;

	for (i = 0; i < PATIENT && !oring_sq_needs_wakeup(ring); i++)
		sleep_us(100);
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

static int by_bare_call(struct oring *ring)
{
	uint32_t committed = oring_sq_commit(ring);

	(void)committed;
	return oring_sys_enter(oring_fd(ring), oring_sq_pending(ring), 0, 0, NULL, 0);
}

static void push_nop(struct oring *ring, uint64_t number)
{
	struct oring_sqe *sqe = oring_sq_reserve(ring);

	CHECK(sqe != NULL);
	if (sqe == NULL)
		return;
	oring_prep_nop(sqe);
	oring_sqe_set_user_data(sqe, number);
}

/* What came completes in the order in which it was prepared. Return: how many came in all. */
static uint32_t reap_nops(struct oring *ring, uint32_t came)
{
	struct oring_cqe cqe;

	while (oring_cq_take(ring, &cqe)) {
		CHECK(cqe.user_data == came && cqe.res == 0);
		came++;
	}
	return came;
}

/*
 * NOPs that are prepared, submitted by @submit until it takes them all, and reaped. When
 * only some went, more are prepared: they come after those that were left.
 */
static void rounds(struct oring *ring, int (*submit)(struct oring *ring))
{
	bool polled = (oring_setup_flags(ring) & ORING_SETUP_SQPOLL) != 0;
	uint32_t prepared, came = 0;
	int i, ret;

	for (prepared = 0; prepared < 3; prepared++)
		push_nop(ring, prepared);
	for (i = 0; i < (polled ? PATIENT : TRIES) && oring_sq_pending(ring) > 0; i++) {
		uint32_t pending = oring_sq_pending(ring);

		ret = submit(ring);
		CHECK(ret >= 0 || fault_made(ret));
		if (polled) {
			sleep_us(100);
			continue;
		}
		/* What was refused or left is still there, all of it. */
		CHECK(oring_sq_pending(ring) == pending - (ret > 0 ? (uint32_t)ret : 0));
		CHECK(ret == (int)pending || ret < 0 || fault_came_to() == ret);
		CHECK(oring_sq_space(ring) <= oring_sq_entries(ring) - oring_sq_pending(ring));
		if (ret > 0 && ret < (int)pending)
			push_nop(ring, prepared++);
	}
	CHECK(oring_sq_pending(ring) == 0);
	for (i = 0; i < TRIES && came < prepared; i++) {
		ret = oring_wait(ring, 1, &second);
		CHECK(ret > 0 || fault_made(ret));
		came = reap_nops(ring, came);
	}
	CHECK(came == prepared);
	went(oring_get_events(ring));
	CHECK(oring_cq_ready(ring) == 0);
}

static void plain(void)
{
	static int (*const ways[])(struct oring *) = { by_submit,   by_submit_and_wait, by_timeout,
						       by_poll,	    by_outcome,		by_enter,
						       by_bare_call };
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
	/* If it did not start, it can be tried again. */
	for (i = 0, ret = -1; i < 3 && ret < 0; i++) {
		ret = oring_start(&ring);
		went(ret);
	}
	CHECK(ret == 0);
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
		let_it_sleep(&ring);
		rounds(&ring, by_submit);
	}
	/* A full queue: the kernel's thread makes room. */
	let_it_sleep(&ring);
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
		/* Work of the task may end the kernel's wait, too: seen on a busy machine. */
		CHECK(ret > 0 || ret == -EINTR || fault_made(ret));
	}
	CHECK(ret > 0);
	for (i = 0; i < PATIENT && oring_cq_ready(&ring) < ENTRIES; i++) {
		went(oring_submit(&ring));
		sleep_us(100);
	}
	CHECK(oring_cq_ready(&ring) == ENTRIES);
	end(&ring);
}

/* ---- memory ---- */

/* An update tells how many slots it came to; the others are as they were, and are next. */
static void update_files(struct oring *ring, uint32_t slots)
{
	int32_t none[4] = { -1, -1, -1, -1 };
	uint32_t done = 0;
	int i, ret;

	for (i = 0; i < TRIES && done < slots; i++) {
		int was = fault_came_to();

		ret = oring_register_files_update(ring, done, none, slots - done);
		CHECK(ret > 0 || fault_made(ret));
		CHECK(ret < 0 ||
		      ret == (fault_came_to() != was ? fault_came_to() : (int)(slots - done)));
		CHECK(ring->files == slots);
		done += ret > 0 ? (uint32_t)ret : 0;
	}
	CHECK(done == slots);
}

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
	int i, ret;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_REGISTERED_FD_ONLY;
	memory.page = 4096;
	memory.size = oring_mem_size(ENTRIES, &params, memory.page);
	memory.base = pages(memory.size);
	oring_wait_relative(&second, 1, 0);
	if (made(&ring, oring_init_mem(&ring, ENTRIES, &params, &memory))) {
		rounds(&ring, by_submit);
		for (i = 0, ret = -1; i < 3 && ret < 0; i++) {
			ret = oring_register_files_sparse(&ring, 4);
			went(ret);
		}
		CHECK(ret == 0 && ring.files == 4);
		if (ret == 0)
			update_files(&ring, 4);
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
	int i, ret, tries;

	if (!made(&ring, oring_init(&ring, ENTRIES, NULL))) {
		munmap(memory, 4096);
		return;
	}
	for (i = 0; i < 2; i++) {
		memset(&params, 0, sizeof(params));
		params.memory = i == 0 ? memory : NULL;
		params.entries = 16;
		params.bgid = 3;
		/* After an error nothing is registered, so it goes the next time. */
		for (tries = 0, ret = -1; tries < 3 && ret < 0; tries++) {
			ret = oring_bufring_init(&bufring, &ring, &params);
			went(ret);
		}
		CHECK(ret == 0);
		if (ret != 0)
			continue;
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
	int32_t fds[4] = { 0, 0, 0, 0 };
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
	if (went(oring_register_files(&ring, fds, 4))) {
		CHECK(ring.files == 4);
		update_files(&ring, 4);
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
	/* After an error, those that were cancelled complete all the same. */
	for (i = 0, ret = -1; i < 3 && ret < 0; i++) {
		ret = oring_drain(&ring, &limit);
		went(ret);
	}
	CHECK(ret == 0);
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
	int i, ret;

	ret = oring_feature_try_setup(ORING_SETUP_CQSIZE);
	CHECK(fault_is_result(ret));
	ret = oring_feature_try_setup(0);
	CHECK(fault_is_result(ret));
	memset(&answer, 0, sizeof(answer));
	for (i = 0, ret = -1; i < 3 && ret < 0; i++) {
		ret = oring_feature_query(ORING_QUERY_OPCODES, &answer, sizeof(answer));
		CHECK(fault_is_result(ret));
	}
	if (!made(&ring, oring_init(&ring, ENTRIES, NULL)))
		return;
	for (i = 0, ret = -1; i < 3 && ret < 0; i++) {
		ret = oring_feature_ask(&ring, &set);
		CHECK(fault_is_result(ret));
	}
	CHECK(ret == 0);
	/* Whatever was refused: what is left says that a NOP goes. */
	if (fault_error() == 0)
		CHECK(oring_feature_has_op(&set, ORING_OP_NOP));
	end(&ring);
}

static void woken(void)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct oring_cqe cqe;
	struct oring ring;
	uint64_t count = 0;
	int i, ret;

	ret = oring_wake_eventfd(event);
	went(ret);
	CHECK((read(event, &count, sizeof(count)) > 0 ? count : 0) == (ret == 0));
	close(event);
	if (!made(&ring, oring_init(&ring, ENTRIES, NULL)))
		return;
	oring_wait_relative(&second, 1, 0);
	for (i = 0, ret = -EAGAIN; i < 3 && ret < 0; i++)
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
			oring_sqe_set_user_data(&entries[i], (uint64_t)i);
		}
		CHECK(oring_shared_init(&shared, &ring, committed) == 0);
		if (flags != 0)
			let_it_sleep(&ring);
		CHECK(oring_shared_push_n(&shared, entries, 2) == 0);
		for (i = 0; i < PATIENT && oring_cq_ready(&ring) < 2; i++) {
			uint32_t ready = oring_cq_ready(&ring);
			int ret = oring_shared_submit(&shared);

			CHECK(ret >= 0 || fault_made(ret));
			if (flags != 0) {
				sleep_us(100);
				continue;
			}
			/* Some may go: the others are there for the next, in their order. */
			ready += ret > 0 ? (uint32_t)ret : 0;
			CHECK(oring_cq_ready(&ring) == ready &&
			      *ring.sq_tail - *ring.sq_head == 2 - ready);
			CHECK(ret < 0 || ready == 2 || fault_came_to() == ret);
		}
		CHECK(reap_nops(&ring, 0) == 2);
		end(&ring);
	}
}

static int until_it_goes(int fd, uint32_t opcode, const void *arg, uint32_t nr_args)
{
	int i, ret = -1;

	for (i = 0; i < 3 && ret < 0; i++) {
		ret = oring_sys_register(fd, opcode, arg, nr_args);
		went(ret);
	}
	CHECK(ret >= 0);
	return ret;
}

static void bare_calls(void)
{
	struct oring_params params;
	struct oring_files_update update = { 0, 0, 0 };
	unsigned char probe[sizeof(struct oring_probe)];
	int32_t fds[2] = { -1, -1 };
	void *memory = NULL;
	int fd, ret;

	memset(&params, 0, sizeof(params));
	fd = oring_sys_setup(ENTRIES, &params);
	if (!went(fd))
		return;
	went(oring_sys_enter(fd, 0, 0, 0, NULL, 0));
	memset(probe, 0, sizeof(probe));
	until_it_goes(fd, ORING_REGISTER_PROBE, probe, 0);
	if (until_it_goes(fd, ORING_REGISTER_FILES, fds, 2) == 0) {
		update.fds = (uint64_t)(uintptr_t)fds;
		ret = until_it_goes(fd, ORING_REGISTER_FILES_UPDATE, &update, 2);
		CHECK(ret == (fault_came_to() != 0 ? fault_came_to() : 2));
	}
	ret = oring_sys_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, ORING_OFF_SQES,
			     &memory);
	CHECK((ret == 0) == (memory != NULL));
	if (went(ret))
		went(oring_sys_munmap(memory, 4096));
	went(oring_sys_close(fd));
}

/* ---- kernels that answer otherwise than the running one ---- */

static bool in_callers_memory(const struct fault_call *call)
{
	return (((const struct oring_params *)call->b)->flags & ORING_SETUP_NO_MMAP) != 0;
}

static long setup_as(uint32_t entries, const struct fault_call *call)
{
	long ret = syscall(__NR_io_uring_setup, (long)entries, call->b);

	if (ret < 0)
		return -errno;
	fault_answered_oddly();
	return ret;
}

/* Queues of four times the size that was asked for. */
static bool is_generous(const struct fault_call *call, long *ret)
{
	if (call->nr == __NR_io_uring_setup && !in_callers_memory(call)) {
		*ret = setup_as(4 * (uint32_t)call->a, call);
		return true;
	}
	if (call->nr == __NR_io_uring_register && call->b == ORING_REGISTER_RESIZE_RINGS)
		((struct oring_params *)call->c)->sq_entries *= 4;
	return false;
}

/* As many as fit, twice: each slot of a queue, and its wrap. */
static void fill_all(struct oring *ring, uint32_t entries)
{
	uint32_t i, n, came;
	int round, ret;

	CHECK(oring_sq_entries(ring) == entries && oring_cq_entries(ring) == 2 * entries);
	for (round = 0; round < 2; round++) {
		for (n = 0; n < entries; n++)
			push_nop(ring, n);
		CHECK(oring_sq_reserve(ring) == NULL);
		for (i = 0; i < TRIES && oring_sq_pending(ring) > 0; i++) {
			ret = oring_submit(ring);
			CHECK(ret > 0 || fault_made(ret));
		}
		for (i = 0, came = 0; i < TRIES && came < entries; i++) {
			ret = oring_wait(ring, 1, &second);
			CHECK(ret > 0 || fault_made(ret));
			came = reap_nops(ring, came);
		}
		CHECK(came == entries);
	}
}

static const uint32_t resizable =
	ORING_SETUP_SINGLE_ISSUER | ORING_SETUP_DEFER_TASKRUN | ORING_SETUP_NO_SQARRAY;

/* A ring of a kernel that takes @times as many entries as it is asked for, before and after a resize. */
static void use_all(uint32_t flags, uint32_t times)
{
	struct oring_params params;
	struct oring ring;
	int ret;

	memset(&params, 0, sizeof(params));
	params.flags = flags;
	if (!made(&ring, oring_init(&ring, ENTRIES, &params)))
		return;
	oring_wait_relative(&second, 1, 0);
	CHECK(params.sq_entries == times * ENTRIES);
	fill_all(&ring, times * ENTRIES);
	if (flags == resizable) {
		ret = oring_resize(&ring, 2 * ENTRIES, 0);
		if (ret < 0 && oring_fd(&ring) < 0) {
			CHECK(fault_made(ret));
			closed(&ring);
			return;
		}
		if (went(ret))
			fill_all(&ring, times * 2 * ENTRIES);
	} else {
		went(oring_set_inherited(&ring, true));
		rounds(&ring, by_submit_and_wait);
	}
	end(&ring);
}

static void larger_queues(void)
{
	struct oring_params params;
	int fd;

	fault_stand_in = is_generous;
	use_all(0, 4);
	use_all(resizable, 4);
	CHECK(fault_is_result(oring_feature_try_setup(0)));
	memset(&params, 0, sizeof(params));
	fd = oring_sys_setup(ENTRIES, &params);
	if (!went(fd))
		return;
	CHECK(params.sq_entries == 4 * ENTRIES && params.cq_entries == 8 * ENTRIES);
	went(oring_sys_close(fd));
}

#define SHIFT 4096

static void shift_offsets(struct oring_params *params)
{
	params->sq_off.head += SHIFT;
	params->sq_off.tail += SHIFT;
	params->sq_off.ring_mask += SHIFT;
	params->sq_off.ring_entries += SHIFT;
	params->sq_off.flags += SHIFT;
	params->sq_off.dropped += SHIFT;
	if (!(params->flags & ORING_SETUP_NO_SQARRAY))
		params->sq_off.array += SHIFT;
	params->cq_off.head += SHIFT;
	params->cq_off.tail += SHIFT;
	params->cq_off.ring_mask += SHIFT;
	params->cq_off.ring_entries += SHIFT;
	params->cq_off.overflow += SHIFT;
	params->cq_off.cqes += SHIFT;
	params->cq_off.flags += SHIFT;
}

/*
 * The ring's memory as the kernel has it, behind a page that means nothing. The kernel
 * alone says where it lies, so a place is looked for that is free in front of it.
 */
static long map_behind(const struct fault_call *call)
{
	size_t bytes = (size_t)call->b - SHIFT;
	unsigned char *tried[16], *before = (unsigned char *)MAP_FAILED;
	int i, n;
	long ret = -ENOMEM;

	for (n = 0; n < 16 && before == MAP_FAILED; n++) {
		ret = syscall(__NR_mmap, 0, (long)bytes, call->c, call->d, call->e, call->f);
		if (ret == -1) {
			ret = -errno;
			break;
		}
		tried[n] = (unsigned char *)ret;
		before = (unsigned char *)mmap(tried[n] - SHIFT, SHIFT, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
					       -1, 0);
	}
	for (i = 0; i < n - (before != MAP_FAILED); i++)
		munmap(tried[i], bytes);
	if (before == MAP_FAILED)
		return ret < 0 ? ret : -ENOMEM;
	memset(before, 0xff, SHIFT);
	return (long)before;
}

/* Everything lies a page further back than in the running kernel. */
static bool lies_elsewhere(const struct fault_call *call, long *ret)
{
	struct oring_params *params = (struct oring_params *)call->c;

	if (call->nr == __NR_io_uring_setup && !in_callers_memory(call)) {
		*ret = setup_as((uint32_t)call->a, call);
		if (*ret >= 0)
			shift_offsets((struct oring_params *)call->b);
		return true;
	}
	if (call->nr == __NR_io_uring_register && call->b == ORING_REGISTER_RESIZE_RINGS) {
		*ret = syscall(call->nr, call->a, call->b, call->c, call->d);
		if (*ret >= 0)
			shift_offsets(params);
		else
			*ret = -errno;
		return true;
	}
	if (call->nr == __NR_mmap && call->e >= 0 && call->f == ORING_OFF_SQ_RING) {
		*ret = map_behind(call);
		return true;
	}
	return false;
}

static void other_offsets(void)
{
	fault_stand_in = lies_elsewhere;
	use_all(0, 1);
	use_all(resizable, 1);
}

/* Rings in two mappings, as before 5.4; in the caller's memory, a header that takes it all. */
static bool is_strange(const struct fault_call *call, long *ret)
{
	struct oring_params *params = (struct oring_params *)call->b;

	if (call->nr != __NR_io_uring_setup)
		return false;
	*ret = setup_as((uint32_t)call->a, call);
	if (*ret >= 0 && in_callers_memory(call))
		params->cq_off.cqes += 65536;
	else if (*ret >= 0)
		params->features &= ~ORING_FEAT_SINGLE_MMAP;
	return true;
}

/* What cannot be used is told, and nothing of it stays. */
static void unusable(void)
{
	struct oring_params params;
	struct oring_mem memory;
	struct oring ring;
	int ret;

	fault_stand_in = is_strange;
	ret = oring_init(&ring, ENTRIES, NULL);
	CHECK(ret == -EOPNOTSUPP || fault_made(ret));
	closed(&ring);
	memset(&params, 0, sizeof(params));
	memory.page = 4096;
	memory.size = oring_mem_size(ENTRIES, &params, memory.page);
	memory.base = pages(memory.size);
	ret = oring_init_mem(&ring, ENTRIES, &params, &memory);
	CHECK(ret == -EOVERFLOW || fault_made(ret));
	CHECK(params.flags == ORING_SETUP_NO_MMAP);
	closed(&ring);
	munmap(memory.base, memory.size);
}

/*
 * SQ_REWIND on kernels without it: entries are taken from slot 0 on with each enter, and
 * the head stays where it is. Here they go round in the running kernel, and come back.
 */
static struct {
	const struct oring *ring;
	uint32_t head; /* the kernel's */
} rewound;

static bool rewinds(const struct fault_call *call, long *ret)
{
	struct oring_sqe were[ENTRIES];
	struct oring_sqe *slots;
	uint32_t i, n = (uint32_t)call->b;

	if (call->nr == __NR_io_uring_setup) {
		struct oring_params *params = (struct oring_params *)call->b;

		params->flags &= ~ORING_SETUP_SQ_REWIND;
		*ret = syscall(call->nr, call->a, call->b);
		*ret = *ret < 0 ? -errno : *ret;
		params->flags |= ORING_SETUP_SQ_REWIND;
		return true;
	}
	if (call->nr != __NR_io_uring_enter)
		return false;
	slots = (struct oring_sqe *)(void *)rewound.ring->sqes;
	memcpy(were, slots, sizeof(were));
	for (i = 0; i < n; i++)
		slots[(rewound.head + i) % ENTRIES] = were[i];
	oring_store_release(rewound.ring->sq_tail, rewound.head + n);
	*ret = syscall(call->nr, call->a, call->b, call->c, call->d, call->e, call->f);
	*ret = *ret < 0 ? -errno : *ret;
	rewound.head += *ret > 0 ? (uint32_t)*ret : 0;
	memcpy(slots, were, sizeof(were));
	oring_store_release(rewound.ring->sq_head, 0);
	return true;
}

static void rewinding(void)
{
	static int (*const ways[])(struct oring *) = { by_submit, by_submit_and_wait, by_timeout };
	struct oring_params params;
	struct oring ring;
	size_t i;

	memset(&params, 0, sizeof(params));
	params.flags = ORING_SETUP_SQ_REWIND | ORING_SETUP_NO_SQARRAY;
	rewound.ring = &ring;
	rewound.head = 0;
	fault_stand_in = rewinds;
	if (!made(&ring, oring_init(&ring, ENTRIES, &params)))
		return;
	oring_wait_relative(&second, 1, 0);
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		rounds(&ring, ways[i]);
	end(&ring);
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
	{ "larger queues", larger_queues },
	{ "other offsets", other_offsets },
	{ "unusable", unusable },
	{ "rewinding", rewinding },
	{ "zero-copy receive", zero_copy_receive },
	{ NULL, NULL },
};
