/* SPDX-License-Identifier: MIT */
/*
 * The switch of examples/fiber alone: what a call must keep is kept, a stack that was left for good is begun
 * again, and whoever unwinds finds the end. One line of TAP each; also for machines without a ring.
 */
#include "switch.h"

#include <execinfo.h>
#include <fenv.h>
#include <stdint.h>
#include <stdio.h>

#define STACK 65536
#define MANY  200000

static struct fiber_switch main_context, outer, inner, *left;
static char outer_stack[STACK] __attribute__((aligned(64)));
static char inner_stack[STACK] __attribute__((aligned(64)));
static int begun, frames;
static bool kept = true, rounded = true, argument_came = true;

/* More values than there are registers that a call must keep, of both kinds, across a switch. */
__attribute__((noinline)) static void switch_with_values(struct fiber_switch *from,
							 struct fiber_switch *to, long seed)
{
	long a = seed, b = seed + 1, c = seed + 2, d = seed + 3, e = seed + 4, f = seed + 5;
	double g = (double)seed, h = g + 0.5, i = g + 1.5, j = g + 2.5, k = g + 3.5, l = g + 4.5,
	       m = g + 5.5, n = g + 6.5, o = g + 7.5;
	/* fegetround() asks the x87; this is rounded by SSE. */
	volatile double three = 3, third = 1 / three;

	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
#if defined(__aarch64__)
	__asm__ volatile(""
			 : "+w"(g), "+w"(h), "+w"(i), "+w"(j), "+w"(k), "+w"(l), "+w"(m), "+w"(n),
			   "+w"(o));
#endif
	fiber_switch_to(from, to, &left);
	kept = kept && a == seed && b == a + 1 && c == a + 2 && d == a + 3 && e == a + 4 &&
	       f == a + 5;
	kept = kept && g == (double)seed && h - g == 0.5 && i - g == 1.5 && j - g == 2.5 &&
	       k - g == 3.5 && l - g == 4.5 && m - g == 5.5 && n - g == 6.5 && o - g == 7.5;
	rounded = rounded && third == 1 / three;
}

static void run_inner(void *argument)
{
	void *addresses[32];

	fiber_switch_begun(left);
	argument_came = argument_came && argument == &inner;
	rounded = rounded && fegetround() == FE_UPWARD; /* as in its maker */
	frames = backtrace(addresses, 32);
	fesetround(FE_TOWARDZERO);
	switch_with_values(&inner, &outer, 1000);
	rounded = rounded && fegetround() == FE_TOWARDZERO;
	fiber_switch_leave(&inner, &outer, &left);
}

static void run_outer(void *argument)
{
	int turn;

	fiber_switch_begun(left);
	argument_came = argument_came && argument == &outer;
	begun++;
	for (turn = 0; turn < 3; turn++) {
		fesetround(FE_UPWARD);
		fiber_switch_prepare(&inner, inner_stack, STACK, run_inner, &inner);
		switch_with_values(&outer, &inner, 1);
		rounded = rounded && fegetround() == FE_UPWARD;
		switch_with_values(&outer, &inner, -7);
		rounded = rounded && fegetround() == FE_UPWARD; /* though it was left for good */
	}
	fiber_switch_leave(&outer, &main_context, &left);
}

/* It never returns: ThreadSanitizer must not count its calls. */
FIBER_NOT_TSAN static void end_at_once(void *argument)
{
	fiber_switch_begun(left);
	begun++;
	fiber_switch_leave(argument, &main_context, &left);
}

static void say(int number, bool ok, const char *what)
{
	printf("%s %d - %s\n", ok ? "ok" : "not ok", number, what);
}

int main(void)
{
	int round;

	printf("1..6\n");
	fflush(stdout);
	fiber_switch_here(&main_context);
	for (round = 0; round < 3; round++) {
		fiber_switch_prepare(&outer, outer_stack, STACK, run_outer, &outer);
		switch_with_values(&main_context, &outer, 123456);
		rounded = rounded && fegetround() == FE_TONEAREST;
	}
	say(1, begun == 3, "a context that was left for good begins again");
	say(2, argument_came, "the argument comes");
	say(3, kept, "registers are kept");
	say(4, rounded, "rounding is each one's own");
	say(5, frames > 0 && frames < 5, "a stack ends where it began");
	for (round = 0; round < MANY; round++) {
		fiber_switch_prepare(&outer, outer_stack, STACK, end_at_once, &outer);
		fiber_switch_to(&main_context, &outer, &left);
	}
	say(6, begun == 3 + MANY, "a stack is begun and left as often as one likes");
	return begun != 3 + MANY || !argument_came || !kept || !rounded || frames < 1 || frames > 4;
}
