/* SPDX-License-Identifier: MIT */
/* Registrations: each has its effect, and each mistake the kernel's error. */
#include "harness.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>

RING_TEST(reg, buffers)
{
	unsigned char memory[2][4096];
	struct iovec iov[2] = { { memory[0], 4096 }, { memory[1], 4096 } };
	struct iovec nowhere = { NULL, 0 }, too_big = { memory[0], (1UL << 30) + 1 };
	int fd = pattern_file(4096);

	cr_assert_eq(oring_unregister_buffers(&rig->ring), -ENXIO);
	cr_assert_eq(oring_register_buffers(&rig->ring, iov, 0), -EINVAL);
	cr_assert_eq(oring_register_buffers(&rig->ring, &too_big, 1), -EFAULT);
	nowhere.iov_len = 4096;
	cr_assert_eq(oring_register_buffers(&rig->ring, &nowhere, 1), -EFAULT);
	cr_assert_eq(oring_register_buffers(&rig->ring, iov, 2), 0);
	cr_assert_eq(oring_register_buffers(&rig->ring, iov, 2), -EBUSY);
	oring_prep_read_fixed(rig_sqe(rig), oring_file_fd(fd), memory[1] + 100, 1000, 50, 1);
	cr_assert_eq(rig_result(rig), 1000);
	cr_assert(is_pattern(memory[1] + 100, 1000, 50));
	oring_prep_read_fixed(rig_sqe(rig), oring_file_fd(fd), memory[1] + 4000, 1000, 0, 1);
	cr_assert_eq(rig_result(rig), -EFAULT, "beyond the buffer");
	oring_prep_read_fixed(rig_sqe(rig), oring_file_fd(fd), memory[0], 10, 0, 2);
	cr_assert_eq(rig_result(rig), -EFAULT, "no such buffer");
	cr_assert_eq(oring_unregister_buffers(&rig->ring), 0);
	oring_prep_read_fixed(rig_sqe(rig), oring_file_fd(fd), memory[0], 10, 0, 0);
	cr_assert_eq(rig_result(rig), -EFAULT);
	close(fd);
}

RING_TEST(reg, files)
{
	/* B8, B9 */
	int fd = pattern_file(100), null_fd = open("/dev/null", O_RDWR);
	int32_t list[3] = { fd, -1, null_fd };
	int32_t bad = 1000000;
	char byte;

	cr_assert_eq(oring_unregister_files(&rig->ring), -ENXIO);
	cr_assert_eq(oring_register_files(&rig->ring, list, 0), -EINVAL);
	cr_assert_eq(oring_register_files(&rig->ring, &bad, 1), -EBADF);
	cr_assert_eq(oring_register_files_update(&rig->ring, 0, list, 1), -ENXIO);
	cr_assert_eq(oring_register_files(&rig->ring, list, 3), 0);
	cr_assert_eq(oring_register_files(&rig->ring, list, 3), -EBUSY);
	close(fd); /* the table holds it */
	oring_prep_read(rig_sqe(rig), oring_file_slot(0), &byte, 1, 77);
	cr_assert_eq(rig_result(rig), 1);
	cr_assert_eq((unsigned char)byte, pattern_at(77));
	oring_prep_read(rig_sqe(rig), oring_file_slot(1), &byte, 1, 0);
	cr_assert_eq(rig_result(rig), -EBADF, "empty");
	oring_prep_read(rig_sqe(rig), oring_file_slot(3), &byte, 1, 0);
	cr_assert_eq(rig_result(rig), -EBADF, "beyond");
	cr_assert_eq(oring_register_files_update(&rig->ring, 2, list, 2), -EINVAL);
	cr_assert_eq(oring_unregister_files(&rig->ring), 0);
	close(null_fd);
}

RING_TEST(reg, a_sparse_table)
{
	/* B8: slot 713 of 1024 is given a file, and then taken from again. */
	int fd = pattern_file(100);
	int32_t update[3] = { fd, ORING_REGISTER_FILES_SKIP, fd };
	int32_t empty = -1;
	char byte;
	int ret = oring_register_files_sparse(&rig->ring, 1024);

	SKIP_IF_REFUSED(ret, "sparse files");
	cr_assert_eq(ret, 0);
	oring_prep_read(rig_sqe(rig), oring_file_slot(713), &byte, 1, 0);
	cr_assert_eq(rig_result(rig), -EBADF);
	cr_assert_eq(oring_register_files_update(&rig->ring, 713, update, 3), 3);
	oring_prep_read(rig_sqe(rig), oring_file_slot(713), &byte, 1, 42);
	cr_assert_eq(rig_result(rig), 1);
	cr_assert_eq((unsigned char)byte, pattern_at(42));
	oring_prep_read(rig_sqe(rig), oring_file_slot(714), &byte, 1, 42);
	cr_assert_eq(rig_result(rig), -EBADF, "skipped");
	oring_prep_read(rig_sqe(rig), oring_file_slot(715), &byte, 1, 42);
	cr_assert_eq(rig_result(rig), 1);
	oring_prep_read(rig_sqe(rig), oring_file_slot(0), &byte, 1, 42);
	cr_assert_eq(rig_result(rig), -EBADF);
	cr_assert_eq(oring_register_files_update(&rig->ring, 713, &empty, 1), 1);
	oring_prep_read(rig_sqe(rig), oring_file_slot(713), &byte, 1, 42);
	cr_assert_eq(rig_result(rig), -EBADF);
	cr_assert_eq(oring_unregister_files(&rig->ring), 0);
	close(fd);
}

static uint64_t signalled(int event)
{
	uint64_t count = 0;

	return read(event, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

/* The signal comes after the completion can be seen: up to 5 s later, at the worst. */
static bool signal_comes(int event)
{
	struct pollfd ready = { .fd = event, .events = POLLIN };

	return poll(&ready, 1, 5000) == 1 && signalled(event) >= 1;
}

RING_TEST(reg, eventfd)
{
	/* B15: the plain form is signalled by an inline completion, the async form is not. */
	int event = eventfd(0, EFD_NONBLOCK);
	struct oring_sqe *sqe;

	cr_assert_eq(oring_unregister_eventfd(&rig->ring), -ENXIO);
	cr_assert_eq(oring_register_eventfd(&rig->ring, 1000000), -EBADF);
	cr_assert_eq(oring_register_eventfd(&rig->ring, event), 0);
	cr_assert_eq(oring_register_eventfd(&rig->ring, event), -EBUSY);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	cr_assert(signal_comes(event));
	cr_assert_eq(oring_unregister_eventfd(&rig->ring), 0);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	cr_assert_eq(signalled(event), 0);

	cr_assert_eq(oring_register_eventfd_async(&rig->ring, event), 0);
	oring_prep_nop(rig_sqe(rig));
	cr_assert_eq(rig_result(rig), 0);
	if (rig->shape != SHAPE_sqpoll)
		cr_assert_eq(signalled(event), 0, "completed inline");
	sqe = rig_sqe(rig);
	oring_prep_nop(sqe);
	oring_sqe_async(sqe);
	cr_assert_eq(rig_result(rig), 0);
	if (!(shapes[rig->shape].flags & ORING_SETUP_DEFER_TASKRUN))
		cr_assert(signal_comes(event), "completed by a worker");
	cr_assert_eq(oring_unregister_eventfd(&rig->ring), 0);
	close(event);
}

RING_TEST(reg, probe)
{
	struct {
		struct oring_probe head;
		struct oring_probe_op ops[64];
	} probe;

	memset(&probe, 0, sizeof(probe));
	cr_assert_eq(oring_register_probe(&rig->ring, &probe.head, 64), 0);
	cr_assert_geq(probe.head.last_op, ORING_OP_TEE);
	cr_assert_eq(probe.ops[ORING_OP_NOP].flags, ORING_PROBE_SUPPORTED);
	cr_assert_eq(probe.ops[5].op, 5);
	cr_assert_eq(oring_register_probe(&rig->ring, &probe.head, 64), -EINVAL, "not zeroed");
	cr_assert_eq(oring_register_probe(&rig->ring, NULL, 64), -EINVAL);
}

RING_TEST(reg, provided_buffer_ring)
{
	/* Receives pick buffers from a ring that this program filled; trap 45. */
	enum {
		BUFFERS = 4,
		SIZE = 16
	};
	static unsigned char buffers[BUFFERS][SIZE];
	struct oring_buf *bufs =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct oring_buf_reg reg;
	struct oring_cqe cqe;
	int pair[2], i, ret;

	memset(&reg, 0, sizeof(reg));
	reg.ring_addr = (uintptr_t)bufs;
	reg.ring_entries = BUFFERS;
	reg.bgid = 3;
	ret = oring_register_pbuf_ring(&rig->ring, &reg);
	SKIP_IF_REFUSED(ret, "buffer rings");
	cr_assert_eq(ret, 0);
	cr_assert_eq(oring_register_pbuf_ring(&rig->ring, &reg), -EEXIST);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (i = 0; i <= BUFFERS; i++) {
		struct oring_sqe *sqe;

		if (i == 0) { /* the ring is empty: refused at once, though nothing came yet */
			sqe = rig_sqe(rig);
			oring_prep_recv(sqe, oring_file_fd(pair[0]), NULL, 0, 0);
			oring_sqe_buffer_select(sqe, 3);
			cr_assert_eq(rig_result(rig), -ENOBUFS);
			continue;
		}
		bufs[i - 1].addr = (uintptr_t)buffers[i - 1];
		bufs[i - 1].len = SIZE;
		bufs[i - 1].bid = (uint16_t)(100 + i);
		oring_store_release16(&bufs[0].resv, (uint16_t)i); /* the tail lies there */
		sqe = rig_sqe(rig);
		oring_prep_recv(sqe, oring_file_fd(pair[0]), NULL, 0, 0);
		oring_sqe_buffer_select(sqe, 3);
		cr_assert_eq(write(pair[1], "abcdefgh", (size_t)i), i);
		cqe = rig_reap(rig);
		cr_assert_eq(cqe.res, i);
		cr_assert(oring_cqe_has_buffer(&cqe));
		cr_assert_eq(oring_cqe_buffer_id(&cqe), 100 + i);
		cr_assert_eq(memcmp(buffers[i - 1], "abcdefgh", (size_t)i), 0);
	}
	ret = oring_unregister_pbuf_ring(&rig->ring, 4);
	cr_assert(ret == -ENOENT || ret == -EINVAL, "no such group: %d", ret); /* 6.1: EINVAL */
	cr_assert_eq(oring_unregister_pbuf_ring(&rig->ring, 3), 0);
	ret = oring_unregister_pbuf_ring(&rig->ring, 3);
	cr_assert(ret == -ENOENT || ret == -EINVAL, "gone: %d", ret);
	reg.ring_entries = 3;
	cr_assert_eq(oring_register_pbuf_ring(&rig->ring, &reg), -EINVAL, "no power of two");
	munmap(bufs, 4096);
	close(pair[0]);
	close(pair[1]);
}

Test(reg, closed_rings_and_unknown_calls)
{
	struct oring ring;

	require_ring(&ring, 4, 0);
	cr_assert_eq(oring_register(&ring, 1000, NULL, 0), -EINVAL);
	cr_assert_eq(oring_enable(&ring), -EBADFD);
	cr_assert_eq(oring_exit(&ring), 0);
	cr_assert_lt(oring_register_files_sparse(&ring, 4), 0);
	cr_assert_lt(oring_unregister_buffers(&ring), 0);
}
