/* SPDX-License-Identifier: MIT */
/*
 * System calls on 32-bit x86: number in eax, arguments in ebx ecx edx esi edi
 * ebp, result in eax. The sixth argument lives in the frame pointer: it is
 * pushed first, while the stack pointer still stands where the compiler
 * believes it, and taken from there once ebp is saved.
 */
#define SYS_NR_MMAP    192 /* mmap2 */
#define SYS_NR_MUNMAP  91
#define SYS_NR_CLOSE   6
#define SYS_NR_MADVISE 219
#define SYS_NR_WRITE   4

#define SYS_MMAP_UNIT 4096 /* mmap2 takes its offset in such units */

static inline long sys_call4(long nr, long a, long b, long c, long d)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory", "cc");
	return ret;
}

static inline long sys_call2(long nr, long a, long b)
{
	return sys_call4(nr, a, b, 0, 0);
}

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;

	__asm__ volatile("pushl %[sixth]\n\t"
			 "pushl %%ebp\n\t"
			 "movl 4(%%esp), %%ebp\n\t"
			 "int $0x80\n\t"
			 "popl %%ebp\n\t"
			 "addl $4, %%esp"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [sixth] "m"(f)
			 : "memory", "cc");
	return ret;
}

/* The thread pointer: tells threads apart without a system call. It stands where it points to. */
static inline void *sys_thread(void)
{
	void *pointer;

	__asm__ volatile("movl %%gs:0, %0" : "=r"(pointer));
	return pointer;
}
