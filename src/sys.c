/* SPDX-License-Identifier: MIT */
/* The system calls under their public names. */
#include "sys_inline.h"

int oring_sys_setup(uint32_t entries, struct oring_params *params)
{
	return sys_setup(entries, params);
}

int oring_sys_enter(int fd, uint32_t to_submit, uint32_t min_complete, uint32_t flags,
		    const void *arg, size_t arg_size)
{
	return sys_enter(fd, to_submit, min_complete, flags, arg, arg_size);
}

int oring_sys_register(int fd, uint32_t opcode, const void *arg, uint32_t nr_args)
{
	return sys_register(fd, opcode, arg, nr_args);
}

int oring_sys_mmap(void *address, size_t length, int protection, int flags, int fd, uint64_t offset,
		   void **out)
{
	return sys_mmap(address, length, protection, flags, fd, offset, out);
}

int oring_sys_munmap(void *address, size_t length)
{
	return sys_munmap(address, length);
}

int oring_sys_close(int fd)
{
	return sys_close(fd);
}
