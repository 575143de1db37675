/* SPDX-License-Identifier: MIT */
/* For tests of the fiber layer: the thread's runtime, begun and ended; a log of what happened. */
#ifndef ORING_TESTS_FIBER_H
#define ORING_TESTS_FIBER_H

#include "harness.h"

#include <time.h>

#include "fiber.h"
#include "fiber_io.h"
#include "fiber_sync.h"

#define MS INT64_C(1000000)

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN true
#else
#define UNDER_ASAN false
#endif

/* A runtime for this thread, or a skip. */
static inline void begin_fibers(const struct fiber_config *config)
{
	int ret = fiber_init(config);

	if (ret == -ENOTSUP)
		cr_skip_test("stacks cannot be switched here");
	cr_assert_eq(ret, 0, "%s", strerror(-ret));
}

/* All fibers end by themselves; nothing is left in flight. */
static inline void run_fibers(void)
{
	int ret = fiber_run();

	cr_assert_eq(ret, 0, "%s", strerror(-ret));
	cr_assert_eq(fiber_runtime_current()->in_flight, 0, "%u in flight",
		     fiber_runtime_current()->in_flight);
}

static inline void end_fibers(void)
{
	cr_assert_eq(fiber_exit(), 0);
}

/* One test: @config may be NULL. No descriptor is left open. */
#define FIBER_TEST_WITH(suite, name, config)                                           \
	static void suite##_##name(void);                                              \
	Test(suite, name, .timeout = TEST_SECONDS)                                     \
	{                                                                              \
		int before = open_descriptors();                                       \
                                                                                       \
		begin_fibers(config);                                                  \
		suite##_##name();                                                      \
		end_fibers();                                                          \
		cr_assert_eq(open_descriptors(), before, "descriptors are left open"); \
	}                                                                              \
	static void suite##_##name(void)
#define FIBER_TEST(suite, name) FIBER_TEST_WITH(suite, name, NULL)

static inline fiber_handle spawn(fiber_function function, void *argument)
{
	fiber_handle handle = { 0 };
	int ret = fiber_spawn(function, argument, &handle);

	cr_assert_eq(ret, 0, "%s", strerror(-ret));
	return handle;
}

static inline int64_t time_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* What happened, in order. */
static char happened[512];

static inline void note(char what)
{
	size_t length = strlen(happened);

	if (length + 1 < sizeof(happened))
		happened[length] = what;
}

#define ASSERT_HAPPENED(wanted) cr_assert_str_eq(happened, wanted, "%s, not %s", happened, wanted)

#endif
