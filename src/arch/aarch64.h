/* SPDX-License-Identifier: MIT */
/*
 * System calls on aarch64: number in x8, arguments in x0 to x5, result in x0.
 * Every other general and vector register is kept; SVE's wider parts are not, so
 * the library must not be built for SVE.
 */
#ifdef __ARM_FEATURE_SVE
#error "system calls lose SVE registers: build without SVE"
#endif
/*
 * The rest as in the kernel's asm-generic/unistd.h.
 */
#define SYS_NR_MMAP    222
#define SYS_NR_MUNMAP  215
#define SYS_NR_CLOSE   57
#define SYS_NR_MADVISE 233
#define SYS_NR_WRITE   64

#define SYS_MMAP_UNIT 1 /* mmap takes its offset in bytes */

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
}

static inline long sys_call2(long nr, long a, long b)
{
	return sys_call6(nr, a, b, 0, 0, 0, 0);
}

static inline long sys_call4(long nr, long a, long b, long c, long d)
{
	return sys_call6(nr, a, b, c, d, 0, 0);
}

/* The thread pointer: tells threads apart without a system call. */
static inline void *sys_thread(void)
{
	void *pointer;

	__asm__ volatile("mrs %0, tpidr_el0" : "=r"(pointer));
	return pointer;
}
