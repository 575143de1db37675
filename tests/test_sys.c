/* SPDX-License-Identifier: MIT */
/* The system calls: what the kernel says comes back, errno stays as it was. */
#include "harness.h"

#include <sys/mman.h>
#include <sys/stat.h>

Test(sys, errors_are_returned_and_errno_is_left_alone)
{
	struct oring_params params;
	void *memory = NULL;

	memset(&params, 0, sizeof(params));
	errno = 4711;
	cr_assert_eq(oring_sys_setup(0, &params), -EINVAL);
	cr_assert_eq(oring_sys_setup(1, NULL), -EFAULT);
	cr_assert_eq(oring_sys_enter(-1, 0, 0, 0, NULL, 0), -EBADF);
	cr_assert_eq(oring_sys_register(1000000, ORING_REGISTER_PROBE, NULL, 0), -EBADF);
	cr_assert_eq(oring_sys_close(-1), -EBADF);
	cr_assert_eq(oring_sys_munmap((void *)1, 1), -EINVAL);
	cr_assert_eq(oring_sys_mmap(NULL, 0, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &memory),
		     -EINVAL);
	cr_assert_null(memory);
	cr_assert_eq(errno, 4711);
}

Test(sys, six_arguments_arrive)
{
	/* A file mapped at an offset: the last two arguments of the widest call. */
	int fd = pattern_file(3 * 4096);
	void *memory = NULL;

	cr_assert_eq(oring_sys_mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 8192, &memory), 0);
	cr_assert(is_pattern(memory, 4096, 8192));
	cr_assert_eq(oring_sys_munmap(memory, 4096), 0);
	cr_assert_eq(oring_sys_close(fd), 0);
	cr_assert_eq(oring_sys_close(fd), -EBADF);
}

Test(sys, a_ring_by_hand)
{
	struct oring_params params;
	int before = open_descriptors();
	int fd;

	memset(&params, 0, sizeof(params));
	fd = oring_sys_setup(3, &params);
	cr_assert_geq(fd, 0);
	cr_assert_eq(params.sq_entries, 4, "rounded up");
	cr_assert_eq(params.cq_entries, 8);
	cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_assert_eq(oring_sys_enter(fd, 1, 0, 0, NULL, 0), 0, "nothing queued");
	cr_assert_eq(oring_sys_enter(fd, 0, 0, 1U << 31, NULL, 0), -EINVAL);
	cr_assert_eq(oring_sys_register(fd, ORING_UNREGISTER_FILES, NULL, 0), -ENXIO);
	cr_assert_eq(oring_sys_close(fd), 0);
	cr_assert_eq(open_descriptors(), before);
}

Test(sys, our_error_numbers_are_the_systems)
{
	cr_assert(ORING_EPERM == EPERM && ORING_EINTR == EINTR && ORING_ENXIO == ENXIO &&
		  ORING_EBADF == EBADF && ORING_EAGAIN == EAGAIN && ORING_ENOMEM == ENOMEM &&
		  ORING_EFAULT == EFAULT && ORING_EEXIST == EEXIST && ORING_EINVAL == EINVAL);
	cr_assert(ORING_ERANGE == ERANGE && ORING_ENOSYS == ENOSYS && ORING_EBADSLT == EBADSLT &&
		  ORING_ETIME == ETIME && ORING_EOVERFLOW == EOVERFLOW &&
		  ORING_EOPNOTSUPP == EOPNOTSUPP && ORING_ENOBUFS == ENOBUFS &&
		  ORING_ESTALE == ESTALE);
	cr_assert_eq(ORING_AT_FDCWD, AT_FDCWD);
}
