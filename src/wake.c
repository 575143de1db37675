/* SPDX-License-Identifier: MIT */
/* Waking a thread that waits for its ring. */
#include "oring/wake.h"
#include "oring/prep.h"
#include "oring/reg.h"
#include "sys_inline.h"

int oring_wake_ring(int ring_fd, oring_context context)
{
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_msg_ring(&sqe, oring_file_fd(ring_fd), context, 0, 0);
	return oring_send_message(&sqe);
}

int oring_wake_eventfd(int eventfd)
{
	uint64_t one = 1;
	int ret = sys_write(eventfd, &one, sizeof(one));

	return ret < 0 ? ret : 0;
}
