/* SPDX-License-Identifier: MIT */
#include "switch.h"

#include <stdint.h>
#include <string.h>

#ifdef FIBER_UCONTEXT

bool fiber_switch_works(void)
{
	return true;
}

/* makecontext() passes ints only. It never returns: see fiber_main(). */
FIBER_NOT_TSAN static void ucontext_entry(unsigned int entry_high, unsigned int entry_low,
					  unsigned int high, unsigned int low)
{
	void (*entry)(void *) =
		(void (*)(void *))(uintptr_t)((uint64_t)entry_high << 32 | entry_low);

	entry((void *)(uintptr_t)((uint64_t)high << 32 | low));
}

static void prepare(struct fiber_switch *context, void *stack, size_t bytes, void (*entry)(void *),
		    void *argument)
{
	uint64_t function = (uintptr_t)entry, value = (uintptr_t)argument;

	getcontext(&context->context);
	context->context.uc_stack.ss_sp = stack;
	context->context.uc_stack.ss_size = bytes;
	context->context.uc_link = NULL;
	makecontext(&context->context, (void (*)(void))ucontext_entry, 4,
		    (unsigned int)(function >> 32), (unsigned int)function,
		    (unsigned int)(value >> 32), (unsigned int)value);
}

#else

/* The return address of what a prepared stack begins with: nothing is behind it. */
void fiber_switch_root(void);

#if defined(__x86_64__)

/*
 * The processor predicts returns by a stack of its own, which knows nothing of these. So: by ret,
 * since fibers come here through the same calls mostly; but a fiber is begun by jumps, and left for
 * good by jumps, so that the predictions behind whoever waits for it hold when it ends.
 */
__asm__(".text\n"
	".p2align 4\n"
	".globl fiber_switch_stacks\n"
	".hidden fiber_switch_stacks\n"
	".type fiber_switch_stacks, @function\n"
	"fiber_switch_stacks:\n"
	"	endbr64\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	subq $8, %rsp\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	movl (%rsp), %ecx\n"
	"	movzwl 4(%rsp), %edx\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"0:	cmpl (%rsp), %ecx\n" /* loading them is dear; most of the time they are the same */
	"	jne 1f\n"
	"	cmpw 4(%rsp), %dx\n"
	"	jne 1f\n"
	"2:	leaq fiber_switch_root(%rip), %rax\n"
	"	cmpq %rax, 56(%rsp)\n"
	"	je 3f\n"
	"	addq $8, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	"1:	ldmxcsr (%rsp)\n"
	"	fldcw 4(%rsp)\n"
	"	jmp 2b\n"
	"3:	movq 24(%rsp), %rdi\n" /* the first time */
	"	movq 32(%rsp), %rax\n"
	"	addq $56, %rsp\n"
	"	xorl %ebp, %ebp\n"
	"	jmpq *%rax\n"
	".size fiber_switch_stacks, . - fiber_switch_stacks\n"
	".p2align 4\n"
	".globl fiber_switch_abandon\n"
	".hidden fiber_switch_abandon\n"
	".type fiber_switch_abandon, @function\n"
	"fiber_switch_abandon:\n"
	"	stmxcsr -8(%rsp)\n"
	"	fnstcw -4(%rsp)\n"
	"	movl -8(%rsp), %ecx\n"
	"	movzwl -4(%rsp), %edx\n"
	"	movq %rdi, %rsp\n"
	"	jmp 0b\n"
	".size fiber_switch_abandon, . - fiber_switch_abandon\n"
	".globl fiber_switch_root\n"
	".hidden fiber_switch_root\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined rip\n" /* the outermost frame */
	"	nop\n"		      /* who unwinds looks one byte before a return address */
	"fiber_switch_root:\n"
	"	ud2\n"
	"	.cfi_endproc\n");

bool fiber_switch_works(void)
{
	unsigned long long shadow = 0;

	/* rdssp: leaves the register alone without a shadow stack. */
	__asm__ volatile("rdsspq %0" : "+r"(shadow));
	return shadow == 0;
}

static void prepare(struct fiber_switch *context, void *stack, size_t bytes, void (*entry)(void *),
		    void *argument)
{
	uint64_t *top = (uint64_t *)(void *)((char *)stack + bytes);
	uint32_t mxcsr;
	uint16_t control;

	/* A new fiber has its maker's rounding. */
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(control));
	*--top = 0; /* so that the first function finds the alignment of the ABI */
	*--top = 0;
	*--top = (uintptr_t)fiber_switch_root;
	*--top = 0;		      /* rbp */
	*--top = 0;		      /* rbx */
	*--top = (uintptr_t)entry;    /* r12 */
	*--top = (uintptr_t)argument; /* r13 */
	*--top = 0;		      /* r14 */
	*--top = 0;		      /* r15 */
	*--top = mxcsr | (uint64_t)control << 32;
	context->stack_pointer = top;
}

#else

__asm__(".text\n"
	".p2align 4\n"
	".globl fiber_switch_stacks\n"
	".hidden fiber_switch_stacks\n"
	".type fiber_switch_stacks, %function\n"
	"fiber_switch_stacks:\n"
	"	hint #34\n" /* bti c */
	"	sub sp, sp, #176\n"
	"	stp x19, x20, [sp, #0]\n"
	"	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n"
	"	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mrs x9, fpcr\n"
	"	str x9, [sp, #160]\n"
	"	mov x10, sp\n"
	"	str x10, [x0]\n"
	"	mov sp, x1\n"
	"0:	ldr x11, [sp, #160]\n"
	"	cmp x9, x11\n"
	"	b.ne 1f\n"
	"2:	ldp x29, x30, [sp, #80]\n"
	"	ldp x19, x20, [sp, #0]\n"
	"	adr x9, fiber_switch_root\n"
	"	cmp x30, x9\n"
	"	b.eq 3f\n"
	"	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #176\n"
	"	ret x30\n"
	"1:	msr fpcr, x11\n"
	"	b 2b\n"
	"3:	add sp, sp, #176\n" /* the first time */
	"	mov x0, x20\n"
	"	mov x16, x19\n" /* by this register a bti c may be jumped to */
	"	br x16\n"
	".size fiber_switch_stacks, . - fiber_switch_stacks\n"
	".p2align 4\n"
	".globl fiber_switch_abandon\n"
	".hidden fiber_switch_abandon\n"
	".type fiber_switch_abandon, %function\n"
	"fiber_switch_abandon:\n"
	"	mrs x9, fpcr\n"
	"	mov sp, x0\n"
	"	b 0b\n"
	".size fiber_switch_abandon, . - fiber_switch_abandon\n"
	".globl fiber_switch_root\n"
	".hidden fiber_switch_root\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined x30\n"
	"	nop\n"
	"fiber_switch_root:\n"
	"	brk #1\n"
	"	.cfi_endproc\n");

/* No guarded control stack: the kernel turns it on only for programs that ask for it. */
bool fiber_switch_works(void)
{
	unsigned long long enabled = 0;

	/* chkfeat x16: bit 0 is cleared where GCS is on; a NOP on older processors. */
	__asm__ volatile("mov x16, #1\n\thint #40\n\tmov %0, x16" : "=r"(enabled) : : "x16");
	return enabled != 0;
}

static void prepare(struct fiber_switch *context, void *stack, size_t bytes, void (*entry)(void *),
		    void *argument)
{
	uint64_t *top = (uint64_t *)(void *)((char *)stack + bytes - 176);
	uint64_t fpcr;

	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	memset(top, 0, 176);
	top[0] = (uintptr_t)entry;		/* x19 */
	top[1] = (uintptr_t)argument;		/* x20 */
	top[11] = (uintptr_t)fiber_switch_root; /* x30 */
	top[20] = fpcr;
	context->stack_pointer = top;
}

#endif

#endif

void fiber_switch_prepare(struct fiber_switch *context, void *stack, size_t bytes,
			  void (*entry)(void *), void *argument)
{
#ifdef FIBER_ASAN
	/* What an earlier fiber left there: its frames ended without returning. */
	__asan_unpoison_memory_region(stack, bytes);
	context->fake_stack = NULL;
	context->stack = stack;
	context->bytes = bytes;
#endif
#ifdef FIBER_TSAN
	if (context->tsan == NULL)
		context->tsan = __tsan_create_fiber(0);
#endif
	prepare(context, stack, bytes, entry, argument);
}

void fiber_switch_here(struct fiber_switch *context)
{
	(void)context;
#ifdef FIBER_TSAN
	context->tsan = __tsan_get_current_fiber();
#endif
}

void fiber_switch_begun(struct fiber_switch *left)
{
	(void)left;
#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(NULL, &left->stack, &left->bytes);
#endif
}

void fiber_switch_forget(struct fiber_switch *context)
{
	(void)context;
#ifdef FIBER_TSAN
	if (context->tsan != NULL)
		__tsan_destroy_fiber(context->tsan);
	context->tsan = NULL;
#endif
}
