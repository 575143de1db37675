/* SPDX-License-Identifier: MIT */
/*
 * System calls on x86_64: number in rax, arguments in rdi rsi rdx r10 r8 r9,
 * result in rax; rcx and r11 are lost. x32 has numbers of its own.
 */
#ifdef __ILP32__
#error "the x32 ABI is not supported"
#endif

#define SYS_NR_MMAP    9
#define SYS_NR_MUNMAP  11
#define SYS_NR_CLOSE   3
#define SYS_NR_MADVISE 28
#define SYS_NR_WRITE   1

#define SYS_MMAP_UNIT 1 /* mmap takes its offset in bytes */

static inline long sys_call2(long nr, long a, long b)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return ret;
}

static inline long sys_call4(long nr, long a, long b, long c, long d)
{
	long ret;
	register long r10 __asm__("r10") = d;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* The thread pointer: tells threads apart without a system call. It stands where it points to. */
static inline void *sys_thread(void)
{
	void *pointer;

	__asm__ volatile("mov %%fs:0, %0" : "=r"(pointer));
	return pointer;
}
