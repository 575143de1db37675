/* SPDX-License-Identifier: MIT */
/**
 * switch.h - from one stack to another
 *
 * A few instructions of assembly on x86_64 and aarch64: the registers that a call
 * must keep, and the floating-point control state (rounding, masks). Elsewhere, or
 * with -DFIBER_UCONTEXT, swapcontext(), which makes a system call each time.
 *
 * The assembly does not know of shadow stacks (x86 user shadow stacks, arm64 GCS):
 * fiber_switch_works() says whether this thread has one. swapcontext() does.
 * AddressSanitizer and ThreadSanitizer are told of every switch.
 */
#ifndef FIBER_SWITCH_H
#define FIBER_SWITCH_H

#include <stdbool.h>
#include <stddef.h>

#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(FIBER_UCONTEXT)
#define FIBER_UCONTEXT
#endif
#ifdef FIBER_UCONTEXT
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN
#endif
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
/* clang's no_sanitize_thread leaves a function its calls at entry and exit. */
#if defined(__clang__)
#define FIBER_NOT_TSAN __attribute__((disable_sanitizer_instrumentation))
#else
#define FIBER_NOT_TSAN __attribute__((no_sanitize_thread))
#endif
#else
#define FIBER_NOT_TSAN
#endif

/* Where a context stands while another runs. */
struct fiber_switch {
#ifdef FIBER_UCONTEXT
	ucontext_t context;
#else
	void *stack_pointer;
#endif
#ifdef FIBER_ASAN
	void *fake_stack;
	const void *stack;
	size_t bytes;
#endif
#ifdef FIBER_TSAN
	void *tsan;
#endif
};

/** fiber_switch_works - whether this build can switch stacks in this thread. */
bool fiber_switch_works(void);

/**
 * fiber_switch_prepare - the next switch to @context begins @entry on @stack
 * @context: zeroed the first time; may be prepared again when its entry was left for good
 * @entry: must not return
 */
void fiber_switch_prepare(struct fiber_switch *context, void *stack, size_t bytes,
			  void (*entry)(void *), void *argument);

/** fiber_switch_begun - the first call on a new stack. @left: whom the switch has left. */
void fiber_switch_begun(struct fiber_switch *left);

/** fiber_switch_here - @context is the thread's own stack, about to be left. */
void fiber_switch_here(struct fiber_switch *context);

/** fiber_switch_forget - give back what a sanitizer holds for @context. */
void fiber_switch_forget(struct fiber_switch *context);

/* ---- the switch itself ---- */

#ifndef FIBER_UCONTEXT
/* Saves what a call must keep on the stack, its pointer in *@save; goes on where @load was saved. */
void fiber_switch_stacks(void **save, void *load);

/* Without saving anything. Not a call: the processor would expect it to return. */
#if defined(__x86_64__)
#define FIBER_SWITCH_ABANDON(load) \
	__asm__ volatile("jmp fiber_switch_abandon" : : "D"(load) : "memory")
#else
#define FIBER_SWITCH_ABANDON(load)                                                 \
	do {                                                                       \
		register void *x0 __asm__("x0") = (load);                          \
		__asm__ volatile("b fiber_switch_abandon" : : "r"(x0) : "memory"); \
	} while (0)
#endif
#endif

/**
 * fiber_switch_to - leave @from, go on in @to; returns when somebody switches to @from
 * @left: where those who switch leave word of whom they left; one place for all of them
 */
FIBER_NOT_TSAN static inline void
fiber_switch_to(struct fiber_switch *from, struct fiber_switch *to, struct fiber_switch **left)
{
	*left = from;
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->bytes);
#endif
#ifdef FIBER_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
#ifdef FIBER_UCONTEXT
	swapcontext(&from->context, &to->context);
#else
	fiber_switch_stacks(&from->stack_pointer, to->stack_pointer);
#endif
#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(from->fake_stack, &(*left)->stack, &(*left)->bytes);
#endif
}

/** fiber_switch_leave - the same, for good: @from is not switched to again before it is prepared. */
FIBER_NOT_TSAN static inline void
fiber_switch_leave(struct fiber_switch *from, struct fiber_switch *to, struct fiber_switch **left)
{
	*left = from;
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(NULL, to->stack, to->bytes);
#endif
#ifdef FIBER_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
#ifdef FIBER_UCONTEXT
	setcontext(&to->context);
#else
	FIBER_SWITCH_ABANDON(to->stack_pointer);
#endif
	__builtin_unreachable();
}

#endif
