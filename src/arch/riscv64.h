/* SPDX-License-Identifier: MIT */
/*
 * System calls on riscv64: number in a7, arguments in a0 to a5, result in a0.
 * Every other general and floating register is kept; vector registers are not, so
 * the library must not be built for the vector extension.
 */
#ifdef __riscv_vector
#error "system calls lose vector registers: build without the vector extension"
#endif
#if __riscv_xlen != 64
#error "only the 64-bit RISC-V is supported"
#endif

#define SYS_NR_MMAP    222
#define SYS_NR_MUNMAP  215
#define SYS_NR_CLOSE   57
#define SYS_NR_MADVISE 233
#define SYS_NR_WRITE   64

#define SYS_MMAP_UNIT 1 /* mmap takes its offset in bytes */

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long a7 __asm__("a7") = nr;
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;
	register long a5 __asm__("a5") = f;

	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
			 : "memory");
	return a0;
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

	__asm__ volatile("mv %0, tp" : "=r"(pointer));
	return pointer;
}
