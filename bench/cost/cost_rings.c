/* SPDX-License-Identifier: MIT */
/* Cases with a ring: what one round prepares, submits and reaps. Both ends of all are this thread's. */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "cost.h"

/* user_data: this completion may report an error; this request must go on. */
#define ANY_RESULT 1
#define STAYS	   2
#define GROUP_IN   1
#define GROUP_OUT  2

static const struct oring_timespec an_hour = { .tv_sec = 3600 };

/* Take @n completions: 0, or the first error that was not expected. */
static int reap(struct oring *ring, uint32_t n)
{
	struct oring_cqe *cqe;
	uint32_t cursor, end, seen = 0;
	int error = 0;

	oring_cq_for_each (ring, cursor, end, cqe) {
		if (cqe->res < 0 && cqe->user_data != ANY_RESULT)
			error = cqe->res;
		else if (cqe->user_data == STAYS && !oring_cqe_has_more(cqe))
			error = -ECANCELED;
		seen++;
	}
	oring_cq_release_to(ring, cursor);
	return error != 0 ? error : seen == n ? 0 : -EPROTO;
}

static int finish(struct bench *bench, uint32_t n)
{
	int ret = oring_submit_and_wait(&bench->ring, n);

	return ret < 0 ? ret : reap(&bench->ring, n);
}

static struct oring_sqe *next(struct bench *bench)
{
	return oring_sq_reserve(&bench->ring);
}

/* ---- NOP ---- */

static int nops(struct bench *bench, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++)
		oring_prep_nop(next(bench));
	return finish(bench, batch);
}

static int linked_nops(struct bench *bench, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++) {
		struct oring_sqe *sqe = next(bench);

		oring_prep_nop(sqe);
		if (i + 1 < batch)
			oring_sqe_link(sqe);
	}
	return finish(bench, batch);
}

static int quiet_nops(struct bench *bench, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++) {
		struct oring_sqe *sqe = next(bench);

		oring_prep_nop(sqe);
		if (i + 1 < batch)
			oring_sqe_skip_success(sqe);
	}
	return finish(bench, 1);
}

static int timed_nop(struct bench *bench, uint32_t batch)
{
	int ret;

	oring_prep_nop(next(bench));
	ret = oring_submit_and_wait_timeout(&bench->ring, batch, &bench->wait, NULL);
	return ret < 0 ? ret : reap(&bench->ring, batch);
}

static int enter(struct bench *bench, uint32_t batch)
{
	(void)batch;
	return oring_enter(&bench->ring, 0, 0, 0, NULL, 0);
}

/* ---- read of a page that is cached ---- */

static int register_file(struct bench *bench)
{
	const int32_t files[] = { bench->file, bench->pair[0], bench->pair[1] };

	return oring_register_files(&bench->ring, files, 3);
}

static int register_buffer(struct bench *bench)
{
	const struct iovec all = { bench->memory, MEMORY };

	return oring_register_buffers(&bench->ring, &all, 1);
}

static int register_both(struct bench *bench)
{
	int ret = register_file(bench);

	return ret < 0 ? ret : register_buffer(bench);
}

static int reads(struct bench *bench, oring_file file, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++)
		oring_prep_read(next(bench), file, bench->memory, PAGE, 0);
	return finish(bench, batch);
}

static int reads_fixed(struct bench *bench, oring_file file, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++)
		oring_prep_read_fixed(next(bench), file, bench->memory, PAGE, 0, 0);
	return finish(bench, batch);
}

static int read_plain(struct bench *bench, uint32_t batch)
{
	return reads(bench, oring_file_fd(bench->file), batch);
}

static int read_slot(struct bench *bench, uint32_t batch)
{
	return reads(bench, oring_file_slot(0), batch);
}

static int read_buffer(struct bench *bench, uint32_t batch)
{
	return reads_fixed(bench, oring_file_fd(bench->file), batch);
}

static int read_both(struct bench *bench, uint32_t batch)
{
	return reads_fixed(bench, oring_file_slot(0), batch);
}

/* ---- messages over a socket pair ---- */

static void send_one(struct bench *bench)
{
	oring_prep_send(next(bench), oring_file_fd(bench->pair[0]), bench->memory, MESSAGE, 0);
}

static void recv_one(struct bench *bench)
{
	oring_prep_recv(next(bench), oring_file_fd(bench->pair[1]), bench->memory + PAGE, MESSAGE,
			0);
}

/* Sent before it is received: neither waits. */
static int messages(struct bench *bench, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++) {
		send_one(bench);
		recv_one(bench);
	}
	return finish(bench, 2 * batch);
}

static int messages_slots(struct bench *bench, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++) {
		oring_prep_send(next(bench), oring_file_slot(1), bench->memory, MESSAGE, 0);
		oring_prep_recv(next(bench), oring_file_slot(2), bench->memory + PAGE, MESSAGE, 0);
	}
	return finish(bench, 2 * batch);
}

/* The receive is there first and has to wait: the kernel polls the socket for it. */
static int message_awaited(struct bench *bench, uint32_t batch)
{
	recv_one(bench);
	send_one(bench);
	return finish(bench, 2 * batch);
}

static int message_with_deadline(struct bench *bench, uint32_t batch)
{
	struct oring_sqe *sqe;

	recv_one(bench);
	oring_sqe_link(oring_sq_at(&bench->ring, bench->ring.sq_reserved - 1));
	sqe = next(bench);
	oring_prep_link_timeout(sqe, &an_hour, 0);
	oring_sqe_set_user_data(sqe, ANY_RESULT);
	send_one(bench);
	return finish(bench, 3 * batch);
}

/* ---- provided buffers ---- */

static int make_group(struct bench *bench, struct oring_bufring *bufring, uint16_t bgid)
{
	static unsigned char rings[2][PAGE] __attribute__((aligned(4096)));
	struct oring_bufring_params params = { .memory = rings[bgid - 1],
					       .entries = BUFFERS,
					       .bgid = bgid };
	int ret = oring_bufring_init(bufring, &bench->ring, &params);
	uint16_t i;

	if (ret < 0)
		return ret;
	for (i = 0; i < BUFFERS; i++)
		oring_bufring_add(bufring, bench->memory + bgid * PAGE + i * MESSAGE, MESSAGE, i);
	oring_bufring_commit(bufring);
	return 0;
}

static int provide_in(struct bench *bench)
{
	return make_group(bench, &bench->in, GROUP_IN);
}

static void give_back(struct oring_bufring *bufring, uint32_t n)
{
	oring_bufring_repeat(bufring, (uint16_t)n);
	oring_bufring_commit(bufring);
}

static int messages_select(struct bench *bench, uint32_t batch)
{
	uint32_t i;
	int ret;

	for (i = 0; i < batch; i++) {
		struct oring_sqe *sqe;

		send_one(bench);
		sqe = next(bench);
		oring_prep_recv(sqe, oring_file_fd(bench->pair[1]), NULL, MESSAGE, 0);
		oring_sqe_buffer_select(sqe, GROUP_IN);
	}
	ret = finish(bench, 2 * batch);
	give_back(&bench->in, batch);
	return ret;
}

/* As before there were rings of them: an entry gives each buffer back. */
static int messages_provided(struct bench *bench, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++) {
		struct oring_sqe *sqe = next(bench);

		oring_prep_provide_buffers(sqe, bench->memory + PAGE, MESSAGE, 1, GROUP_IN, 0);
		send_one(bench);
		sqe = next(bench);
		oring_prep_recv(sqe, oring_file_fd(bench->pair[1]), NULL, MESSAGE, 0);
		oring_sqe_buffer_select(sqe, GROUP_IN);
	}
	return finish(bench, 3 * batch);
}

static int arm_receive(struct bench *bench)
{
	struct oring_sqe *sqe;
	int ret = provide_in(bench);

	if (ret < 0)
		return ret;
	sqe = next(bench);
	oring_prep_recv_multishot(sqe, oring_file_fd(bench->pair[1]), 0);
	oring_sqe_buffer_select(sqe, GROUP_IN);
	oring_sqe_set_user_data(sqe, STAYS);
	ret = oring_submit(&bench->ring);
	return ret < 0 ? ret : reap(&bench->ring, 0);
}

static int messages_multishot(struct bench *bench, uint32_t batch)
{
	uint32_t i;
	int ret;

	for (i = 0; i < batch; i++)
		send_one(bench);
	ret = finish(bench, 2 * batch);
	give_back(&bench->in, batch);
	return ret;
}

static int provide_both(struct bench *bench)
{
	int ret = provide_in(bench);

	return ret < 0 ? ret : make_group(bench, &bench->out, GROUP_OUT);
}

/* One entry sends all that the group holds, one receives as much. */
static int bundle(struct bench *bench, uint32_t batch)
{
	struct oring_sqe *sqe = next(bench);
	int ret;

	oring_prep_send_bundle(sqe, oring_file_fd(bench->pair[0]), 0);
	oring_sqe_buffer_select(sqe, GROUP_OUT);
	sqe = next(bench);
	oring_prep_recv_bundle(sqe, oring_file_fd(bench->pair[1]), 0);
	oring_sqe_buffer_select(sqe, GROUP_IN);
	ret = finish(bench, 2);
	give_back(&bench->in, batch);
	give_back(&bench->out, batch);
	return ret;
}

/* ---- copy and zero copy, by datagrams to a device that takes all and gives nothing ---- */

static int send_copy(struct bench *bench, uint32_t batch)
{
	oring_prep_send(next(bench), oring_file_fd(bench->udp), bench->memory, bench->bytes, 0);
	return finish(bench, batch);
}

/* A notification follows the result; what the kernel copied all the same is told as an error. */
static int finish_zero_copy(struct bench *bench, struct oring_sqe *sqe)
{
	const struct oring *ring = &bench->ring;
	int ret;

	oring_sqe_report_usage(sqe);
	ret = oring_submit_and_wait(&bench->ring, 2);
	if (ret < 0)
		return ret;
	if (oring_cq_ready(ring) == 2 &&
	    oring_cqe_zc_copied(oring_cq_at(ring, ring->cq_released + 1)))
		return -EXDEV;
	return reap(&bench->ring, 2);
}

/* Where it is missing it would fail with one completion, and the wait for two not end. */
static int need_zc(struct bench *bench)
{
	struct oring_feature_set set;
	int ret = oring_feature_ask(&bench->ring, &set);

	return ret < 0 ? ret : oring_feature_has_op(&set, ORING_OP_SEND_ZC) ? 0 : -EOPNOTSUPP;
}

static int need_zc_buffer(struct bench *bench)
{
	int ret = need_zc(bench);

	return ret < 0 ? ret : register_buffer(bench);
}

static int send_zc(struct bench *bench, uint32_t batch)
{
	struct oring_sqe *sqe = next(bench);

	(void)batch;
	oring_prep_send_zc(sqe, oring_file_fd(bench->udp), bench->memory, bench->bytes, 0);
	return finish_zero_copy(bench, sqe);
}

static int send_fixed_zc(struct bench *bench, uint32_t batch)
{
	struct oring_sqe *sqe = next(bench);

	(void)batch;
	oring_prep_send_fixed_zc(sqe, oring_file_fd(bench->udp), bench->memory, bench->bytes, 0, 0);
	return finish_zero_copy(bench, sqe);
}

/* ---- timeouts ---- */

static int timeouts(struct bench *bench, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++) {
		struct oring_sqe *sqe = next(bench);
		oring_context context = { ANY_RESULT };

		oring_prep_timeout(sqe, &an_hour, 0, 0);
		oring_sqe_set_user_data(sqe, ANY_RESULT);
		oring_prep_timeout_remove(next(bench), context);
	}
	return finish(bench, 2 * batch);
}

/* ---- messages between rings ---- */

static int make_other(struct bench *bench)
{
	struct oring_params params;

	memset(&params, 0, sizeof(params));
	params.flags = bench->flags;
	return oring_init(&bench->other, ENTRIES, &params);
}

static int ring_messages(struct bench *bench, uint32_t batch)
{
	uint32_t i;
	int ret;

	for (i = 0; i < batch; i++) {
		oring_context context = { 0 };

		oring_prep_msg_ring(next(bench), oring_file_fd(oring_fd(&bench->other)), context, 0,
				    0);
	}
	ret = finish(bench, batch);
	if (ret == 0)
		ret = oring_wait(&bench->other, batch, NULL);
	return ret < 0 ? ret : reap(&bench->other, batch);
}

/* ---- poll ---- */

static int polls_ready(struct bench *bench, uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++)
		oring_prep_poll_add(next(bench), oring_file_fd(bench->pair[0]), POLLOUT);
	return finish(bench, batch);
}

static int poll_awaited(struct bench *bench, uint32_t batch)
{
	oring_prep_poll_add(next(bench), oring_file_fd(bench->pair[1]), POLLIN);
	send_one(bench);
	recv_one(bench);
	return finish(bench, 3 * batch);
}

static int arm_poll(struct bench *bench)
{
	struct oring_sqe *sqe = next(bench);
	int ret;

	oring_prep_poll_add_multishot(sqe, oring_file_fd(bench->pair[1]), POLLIN);
	oring_sqe_set_user_data(sqe, STAYS);
	ret = oring_submit(&bench->ring);
	return ret < 0 ? ret : reap(&bench->ring, 0);
}

/* In two submissions: the poll reports what arrived, then it is received. */
static int poll_multishot(struct bench *bench, uint32_t batch)
{
	int ret;

	send_one(bench);
	ret = finish(bench, 2 * batch);
	if (ret < 0)
		return ret;
	recv_one(bench);
	return finish(bench, batch);
}

/* name, operations in a round, first release, bytes of one, how often they are copied, begin, round */
const struct cost_case ring_cases[] = {
	{ "nop", 1, "5.10", 0, 0, NULL, nops },
	{ "nop", 8, "5.10", 0, 0, NULL, nops },
	{ "nop", 32, "5.10", 0, 0, NULL, nops },
	{ "nop, linked", 32, "5.10", 0, 0, NULL, linked_nops },
	{ "nop, no completion", 32, "5.17", 0, 0, NULL, quiet_nops },
	{ "nop, timed wait", 1, "5.11", 0, 0, NULL, timed_nop },
	{ "enter with nothing", 1, "5.10", 0, 0, NULL, enter },
	{ "read", 1, "5.10", PAGE, 1, NULL, read_plain },
	{ "read", 32, "5.10", PAGE, 1, NULL, read_plain },
	{ "read, registered file", 1, "5.10", PAGE, 1, register_file, read_slot },
	{ "read, registered file", 32, "5.10", PAGE, 1, register_file, read_slot },
	{ "read, registered buffer", 1, "5.10", PAGE, 1, register_buffer, read_buffer },
	{ "read, registered buffer", 32, "5.10", PAGE, 1, register_buffer, read_buffer },
	{ "read, both registered", 1, "5.10", PAGE, 1, register_both, read_both },
	{ "read, both registered", 32, "5.10", PAGE, 1, register_both, read_both },
	{ "message", 1, "5.10", MESSAGE, 2, NULL, messages },
	{ "message", 16, "5.10", MESSAGE, 2, NULL, messages },
	{ "message, registered files", 16, "5.10", MESSAGE, 2, register_file, messages_slots },
	{ "message, awaited", 1, "5.10", MESSAGE, 2, NULL, message_awaited },
	{ "message, awaited with deadline", 1, "5.10", MESSAGE, 2, NULL, message_with_deadline },
	{ "message, buffer ring", 16, "5.19", MESSAGE, 2, provide_in, messages_select },
	{ "message, buffers by entries", 16, "5.10", MESSAGE, 2, NULL, messages_provided },
	{ "message, multishot", 1, "6.0", MESSAGE, 2, arm_receive, messages_multishot },
	{ "message, multishot", 16, "6.0", MESSAGE, 2, arm_receive, messages_multishot },
	{ "message, bundle", BUFFERS, "6.10", MESSAGE, 2, provide_both, bundle },
	{ "datagram 1,000", 1, "5.10", 1000, 1, NULL, send_copy },
	{ "datagram 8,000", 1, "5.10", 8000, 1, NULL, send_copy },
	{ "datagram 60,000", 1, "5.10", 60000, 1, NULL, send_copy },
	{ "datagram 1,000, zero copy", 1, "6.0", 1000, 0, need_zc, send_zc },
	{ "datagram 8,000, zero copy", 1, "6.0", 8000, 0, need_zc, send_zc },
	{ "datagram 60,000, zero copy", 1, "6.0", 60000, 0, need_zc, send_zc },
	{ "datagram 1,000, zero copy registered", 1, "6.0", 1000, 0, need_zc_buffer,
	  send_fixed_zc },
	{ "datagram 8,000, zero copy registered", 1, "6.0", 8000, 0, need_zc_buffer,
	  send_fixed_zc },
	{ "datagram 60,000, zero copy registered", 1, "6.0", 60000, 0, need_zc_buffer,
	  send_fixed_zc },
	{ "timeout set and removed", 1, "5.10", 0, 0, NULL, timeouts },
	{ "timeout set and removed", 16, "5.10", 0, 0, NULL, timeouts },
	{ "completion in another ring", 1, "5.18", 0, 0, make_other, ring_messages },
	{ "completion in another ring", 16, "5.18", 0, 0, make_other, ring_messages },
	{ "poll, ready", 1, "5.10", 0, 0, NULL, polls_ready },
	{ "poll, ready", 32, "5.10", 0, 0, NULL, polls_ready },
	{ "message, polled", 1, "5.10", MESSAGE, 2, NULL, poll_awaited },
	{ "message, multishot poll", 1, "5.13", MESSAGE, 2, arm_poll, poll_multishot },
	{ NULL, 0, NULL, 0, 0, NULL, NULL },
};
