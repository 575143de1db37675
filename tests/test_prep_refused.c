/* SPDX-License-Identifier: MIT */
/*
 * What oring_sqe_check() calls always refused, the kernel refuses: for each
 * mistake an entry that is right and one that has the mistake alone.
 */
#include "harness.h"

#include <linux/openat2.h>
#include <poll.h>
#include <sys/eventfd.h>

static int kernel_says(struct rig *rig, const struct oring_sqe *sqe)
{
	struct oring_sqe *copy = oring_sq_push(&rig->ring, sqe);
	struct oring_cqe cqe;

	cr_assert_not_null(copy);
	oring_sqe_set_user_data(copy, rig->next_id++);
	cqe = rig_reap(rig);
	cr_assert_eq(cqe.user_data, rig->next_id - 1);
	if (oring_cqe_has_more(&cqe) && cqe.res < 0) {
		/* A zero-copy send has a notification even when it failed. */
		struct oring_cqe last = rig_reap(rig);

		cr_assert(oring_cqe_is_notification(&last));
	}
	return cqe.res;
}

/* As @right, which the kernel answers with @answer, but for one mistake. */
static void check_mistake(struct rig *rig, const struct oring_sqe *right, int answer,
			  const struct oring_sqe *wrong)
{
	int ret = kernel_says(rig, right);

	SKIP_IF_REFUSED(ret, oring_op_name(right->opcode));
	cr_assert_eq(ret, answer, "%s: %d", oring_op_name(right->opcode), ret);
	cr_assert_eq(oring_sqe_check(right), 0);
	cr_assert_eq(oring_sqe_check(wrong), -EINVAL);
	ret = kernel_says(rig, wrong);
	cr_assert_eq(ret, -EINVAL, "%s: %d", oring_op_name(wrong->opcode), ret);
}

static void need_slots(struct rig *rig)
{
	static const int32_t none[2] = { -1, -1 };

	REQUIRE_OP(rig, ORING_OP_MKDIRAT); /* of 5.15, as direct results are */
	cr_assert_eq(oring_register_files(&rig->ring, none, 2), 0);
}

RING_TEST(refused, openat_direct_with_cloexec)
{
	struct open_how how = { .flags = O_RDONLY };
	struct oring_sqe right, wrong;

	need_slots(rig);
	oring_sqe_clear(&right);
	oring_prep_openat_direct(&right, AT_FDCWD, "/", O_RDONLY, 0, oring_slot_at(1));
	wrong = right;
	oring_sqe_add_op_flags(&wrong, O_CLOEXEC);
	check_mistake(rig, &right, 0, &wrong);
	oring_sqe_clear(&right);
	oring_prep_openat2_direct(&right, AT_FDCWD, "/", &how, sizeof(how), oring_slot_at(0));
	cr_assert_eq(kernel_says(rig, &right), 0);
	how.flags |= O_CLOEXEC;
	cr_assert_eq(kernel_says(rig, &right), -EINVAL);
}

RING_TEST(refused, socket_direct_with_cloexec)
{
	struct oring_sqe right, wrong;

	REQUIRE_OP(rig, ORING_OP_SOCKET);
	need_slots(rig);
	oring_sqe_clear(&right);
	wrong = right;
	oring_prep_socket_direct(&right, AF_UNIX, SOCK_STREAM, 0, oring_slot_at(1));
	oring_prep_socket_direct(&wrong, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, oring_slot_at(1));
	check_mistake(rig, &right, 0, &wrong);
}

RING_TEST(refused, pipe_direct_with_cloexec)
{
	struct oring_sqe right, wrong;
	int ends[2];

	REQUIRE_OP(rig, ORING_OP_PIPE);
	need_slots(rig);
	oring_sqe_clear(&right);
	wrong = right;
	oring_prep_pipe_direct(&right, ends, 0, oring_slot_at(0));
	oring_prep_pipe_direct(&wrong, ends, O_CLOEXEC, oring_slot_at(0));
	check_mistake(rig, &right, 0, &wrong);
}

/* Of sockets: on a file that is none, what passes is told so. */
RING_TEST(refused, accept)
{
	struct oring_sqe right, wrong;
	int fd = pattern_file(1);
	oring_file file = oring_file_fd(fd);

	need_slots(rig);
	oring_sqe_clear(&right);
	oring_prep_accept_direct(&right, file, NULL, NULL, 0, oring_slot_at(1));
	wrong = right;
	oring_sqe_add_op_flags(&wrong, SOCK_CLOEXEC);
	check_mistake(rig, &right, -ENOTSOCK, &wrong);
	close(fd);
}

RING_TEST(refused, accept_multishot_into_a_named_slot)
{
	struct oring_sqe right, wrong;
	int fd = pattern_file(1);

	REQUIRE_OP(rig, ORING_OP_SOCKET); /* of the same release */
	need_slots(rig);
	oring_sqe_clear(&right);
	oring_prep_accept_direct_multishot(&right, oring_file_fd(fd), 0);
	wrong = right;
	wrong.file_index = 1;
	check_mistake(rig, &right, -ENOTSOCK, &wrong);
	oring_sqe_add_op_flags(&right, SOCK_CLOEXEC);
	cr_assert_eq(oring_sqe_check(&right), -EINVAL);
	cr_assert_eq(kernel_says(rig, &right), -EINVAL);
	close(fd);
}

static void check_group_is_needed(struct rig *rig, const struct oring_sqe *wrong, int answer)
{
	struct oring_sqe right = *wrong;

	oring_sqe_buffer_select(&right, 0);
	check_mistake(rig, &right, answer, wrong);
}

RING_TEST(refused, multishot_receive_without_a_group)
{
	struct msghdr message;
	struct oring_sqe sqe;
	int fd = pattern_file(1);

	REQUIRE_OP(rig, ORING_OP_SEND_ZC); /* of the same release */
	memset(&message, 0, sizeof(message));
	oring_sqe_clear(&sqe);
	oring_prep_recv_multishot(&sqe, oring_file_fd(fd), 0);
	check_group_is_needed(rig, &sqe, -ENOTSOCK);
	oring_sqe_clear(&sqe);
	oring_prep_recvmsg_multishot(&sqe, oring_file_fd(fd), &message, 0);
	check_group_is_needed(rig, &sqe, -ENOTSOCK);
	close(fd);
}

RING_TEST(refused, bundles_without_a_group)
{
	struct oring_sqe sqe;
	int pair[2], ret;

	REQUIRE_OP(rig, ORING_OP_SEND_ZC);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	oring_sqe_clear(&sqe);
	oring_prep_recv_multishot_bundle(&sqe, oring_file_fd(pair[0]), MSG_DONTWAIT);
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL);
	cr_assert_eq(kernel_says(rig, &sqe), -EINVAL);
	oring_sqe_clear(&sqe);
	oring_prep_send_bundle(&sqe, oring_file_fd(pair[0]), 0);
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL);
	/* Younger kernels take it, and send nothing, since it names no memory. */
	ret = kernel_says(rig, &sqe);
	cr_assert(ret == -EINVAL || ret == 0, "%d", ret);
	cr_assert_eq(recv(pair[1], &ret, 1, MSG_DONTWAIT), -1);
	/* A single receive takes the flag alone: there is no bundle without a group. */
	oring_sqe_clear(&sqe);
	oring_prep_recv_bundle(&sqe, oring_file_fd(pair[0]), MSG_DONTWAIT);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	ret = kernel_says(rig, &sqe);
	SKIP_IF_REFUSED(ret, "bundles");
	cr_assert(ret == -EAGAIN || ret == 0, "%d", ret);
	close(pair[0]);
	close(pair[1]);
}

RING_TEST(refused, read_multishot_without_a_group)
{
	struct oring_sqe sqe;
	int fd = pattern_file(1);

	REQUIRE_OP(rig, ORING_OP_READ_MULTISHOT);
	oring_sqe_clear(&sqe);
	oring_prep_read_multishot(&sqe, oring_file_fd(fd), 0);
	check_group_is_needed(rig, &sqe, -EBADFD); /* a file that cannot be polled */
	close(fd);
}

RING_TEST(refused, uring_cmd_multishot_without_a_group)
{
	struct oring_sqe sqe;
	int fd = pattern_file(1);

	REQUIRE_OP(rig, ORING_OP_URING_CMD);
	oring_sqe_clear(&sqe);
	oring_prep_uring_cmd(&sqe, oring_file_fd(fd), 1);
	oring_sqe_buffer_select(&sqe, 0);
	if (kernel_says(rig, &sqe) != -EINVAL) /* none of its commands selects a buffer */
		cr_skip_test("multishot commands: not on this kernel");
	oring_sqe_clear(&sqe);
	oring_prep_uring_cmd_multishot(&sqe, oring_file_fd(fd), 1);
	check_group_is_needed(rig, &sqe, -EOPNOTSUPP);
	close(fd);
}

RING_TEST(refused, zero_copy_sends_that_skip)
{
	static const struct msghdr message;
	struct oring_sqe right, wrong;
	int fd = pattern_file(1);

	REQUIRE_OP(rig, ORING_OP_SEND_ZC);
	oring_sqe_clear(&right);
	oring_prep_send_zc(&right, oring_file_fd(fd), "x", 1, 0);
	wrong = right;
	oring_sqe_skip_success(&wrong);
	check_mistake(rig, &right, -ENOTSOCK, &wrong);
	REQUIRE_OP(rig, ORING_OP_SENDMSG_ZC);
	oring_sqe_clear(&right);
	oring_prep_sendmsg_zc(&right, oring_file_fd(fd), &message, 0);
	wrong = right;
	oring_sqe_skip_success(&wrong);
	check_mistake(rig, &right, -ENOTSOCK, &wrong);
	close(fd);
}

RING_TEST(refused, multishot_polls_that_skip)
{
	struct oring_sqe right, wrong;
	uint64_t first = rig->next_id;
	int fd = eventfd(1, 0);

	oring_sqe_clear(&right);
	oring_prep_poll_add_multishot(&right, oring_file_fd(fd), POLLIN);
	wrong = right;
	oring_sqe_skip_success(&wrong);
	check_mistake(rig, &right, POLLIN, &wrong);
	oring_prep_poll_remove(rig_sqe(rig), oring_context_from_bits(first));
	cr_assert_eq(rig_result_of(rig, rig->next_id - 1, 2), 0);
	close(fd);
}

RING_TEST(refused, recv_zc_without_multishot)
{
	struct oring_sqe sqe;
	int fd = pattern_file(1);

	REQUIRE_OP(rig, ORING_OP_RECV_ZC);
	oring_sqe_clear(&sqe);
	oring_prep_recv_multishot_zc(&sqe, oring_file_fd(fd), 0, 0);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	sqe.ioprio = 0;
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL);
	cr_assert_eq(kernel_says(rig, &sqe), -EINVAL);
	close(fd);
}

RING_TEST(refused, install_of_a_descriptor)
{
	struct oring_sqe sqe;
	int32_t fd = pattern_file(1);
	int ret;

	REQUIRE_OP(rig, ORING_OP_FIXED_FD_INSTALL);
	cr_assert_eq(oring_register_files(&rig->ring, &fd, 1), 0);
	oring_sqe_clear(&sqe);
	oring_prep_fixed_fd_install(&sqe, oring_slot_at(0), 0);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	ret = kernel_says(rig, &sqe);
	cr_assert_geq(ret, 0);
	close(ret);
	sqe.flags = 0;
	sqe.fd = fd;
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL);
	cr_assert_eq(kernel_says(rig, &sqe), -EBADF, "not -EINVAL");
	close(fd);
}
