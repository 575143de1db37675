/* SPDX-License-Identifier: MIT */
/*
 * The system calls as the library itself makes them: inlined, so that one
 * submit-and-wait is one call deep. src/sys.c gives them their public names.
 */
#ifndef ORING_SRC_SYS_INLINE_H
#define ORING_SRC_SYS_INLINE_H

#include "oring/sys.h"
#include "arch/arch.h"

/* From mman.h of the kernel: the same on the four architectures. */
#define SYS_PROT_READ	  0x1
#define SYS_PROT_WRITE	  0x2
#define SYS_MAP_SHARED	  0x01
#define SYS_MAP_POPULATE  0x8000
#define SYS_MADV_DONTFORK 10

static inline int sys_setup(uint32_t entries, struct oring_params *params)
{
	return (int)sys_call2(SYS_NR_IO_URING_SETUP, (long)entries, (long)params);
}

static inline int sys_enter(int fd, uint32_t to_submit, uint32_t min_complete, uint32_t flags,
			    const void *arg, size_t arg_size)
{
	return (int)sys_call6(SYS_NR_IO_URING_ENTER, fd, (long)to_submit, (long)min_complete,
			      (long)flags, (long)arg, (long)arg_size);
}

static inline int sys_register(int fd, uint32_t opcode, const void *arg, uint32_t nr_args)
{
	return (int)sys_call4(SYS_NR_IO_URING_REGISTER, fd, (long)opcode, (long)arg, (long)nr_args);
}

static inline int sys_mmap(void *address, size_t length, int protection, int flags, int fd,
			   uint64_t offset, void **out)
{
	long ret = sys_call6(SYS_NR_MMAP, (long)address, (long)length, protection, flags, fd,
			     (long)(offset / SYS_MMAP_UNIT));

	/* The last page of the address space is where errors live. */
	if ((unsigned long)ret > -4096UL)
		return (int)ret;
	*out = (void *)ret;
	return 0;
}

static inline int sys_munmap(void *address, size_t length)
{
	return (int)sys_call2(SYS_NR_MUNMAP, (long)address, (long)length);
}

static inline int sys_madvise(void *address, size_t length, int advice)
{
	return (int)sys_call4(SYS_NR_MADVISE, (long)address, (long)length, advice, 0);
}

static inline int sys_write(int fd, const void *from, size_t length)
{
	return (int)sys_call4(SYS_NR_WRITE, fd, (long)from, (long)length, 0);
}

static inline int sys_close(int fd)
{
	return (int)sys_call2(SYS_NR_CLOSE, fd, 0);
}

#ifdef ORING_EXTERNAL_CALLS
#define SYS_FROM_HERE(call) (oring_external_site(__FILE__, __LINE__), call)
#define sys_setup(...)	    SYS_FROM_HERE(sys_setup(__VA_ARGS__))
#define sys_enter(...)	    SYS_FROM_HERE(sys_enter(__VA_ARGS__))
#define sys_register(...)   SYS_FROM_HERE(sys_register(__VA_ARGS__))
#define sys_mmap(...)	    SYS_FROM_HERE(sys_mmap(__VA_ARGS__))
#define sys_munmap(...)	    SYS_FROM_HERE(sys_munmap(__VA_ARGS__))
#define sys_madvise(...)    SYS_FROM_HERE(sys_madvise(__VA_ARGS__))
#define sys_write(...)	    SYS_FROM_HERE(sys_write(__VA_ARGS__))
#define sys_close(...)	    SYS_FROM_HERE(sys_close(__VA_ARGS__))
#endif

#endif
