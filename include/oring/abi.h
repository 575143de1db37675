/* SPDX-License-Identifier: MIT */
/**
 * abi.h - what the kernel and a program say to each other: entries,
 * completions, rings, and every flag of theirs, as of Linux 7.3
 *
 * These are facts of the kernel's interface under our names, checked against
 * the kernel's own header when the tests are built. Registration is in
 * abi_reg.h; the operation numbers are in op.h.
 *
 * Names map mechanically: IORING_X is ORING_X, IOSQE_X is ORING_SQE_X, struct
 * io_uring_x is struct oring_x. The exceptions:
 *
 *   IOU_PBUF_RING_X, IO_URING_X, IO_X       ORING_PBUF_RING_X, ORING_X, ORING_X
 *   IO_URING_OP_SUPPORTED                   ORING_PROBE_SUPPORTED
 *   SOCKET_URING_OP_X                       ORING_SOCKET_X
 *   SPLICE_F_FD_IN_FIXED                    ORING_SPLICE_F_FD_IN_FIXED
 *   ZCRX_X, struct zcrx_x                   ORING_ZCRX_X, struct oring_zcrx_x
 *   struct io_sqring_offsets, io_cqring_..  struct oring_sqring_offsets, ...
 *   struct __kernel_timespec                struct oring_timespec
 *   struct io_timespec                      struct oring_tx_timespec
 *   struct io_uring_buf_ring                an array of struct oring_buf
 *
 * The release behind a name is the first that has it.
 */
#ifndef ORING_ABI_H
#define ORING_ABI_H

#include "attr.h"

/* Seconds and nanoseconds, 64 bits each on every architecture. */
struct oring_timespec {
	int64_t tv_sec;
	int64_t tv_nsec;
};

/**
 * struct oring_sqe - one submission queue entry, 64 bytes
 *
 * Flat: the kernel overlays several names on one field, and which one is meant
 * depends on the operation. Those names, by our field:
 *
 *   off         addr2, cmd_op (low 32 bits)
 *   addr        splice_off_in, level (low) and optname (high)
 *   op_flags    rw_flags, fsync_flags, poll_events, poll32_events,
 *               sync_range_flags, msg_flags, timeout_flags, accept_flags,
 *               cancel_flags, open_flags, statx_flags, fadvise_advice,
 *               splice_flags, rename_flags, unlink_flags, hardlink_flags,
 *               xattr_flags, msg_ring_flags, uring_cmd_flags, waitid_flags,
 *               futex_flags, install_fd_flags, nop_flags, pipe_flags
 *   buf_index   buf_group
 *   file_index  splice_fd_in, zcrx_ifq_idx, optlen, addr_len (low 16 bits),
 *               write_stream (low 8 bits)
 *   addr3       attr_ptr, optval, cmd (16 bytes; 80 in a 128-byte entry)
 *   pad2        attr_type_mask
 */
struct ORING_MAY_ALIAS oring_sqe {
	uint8_t opcode;	    /* enum oring_op */
	uint8_t flags;	    /* ORING_SQE_* */
	uint16_t ioprio;    /* I/O priority, or flags of send, receive, accept */
	int32_t fd;	    /* descriptor; registered slot with ORING_SQE_FIXED_FILE */
	uint64_t off;	    /* file offset, or a second address */
	uint64_t addr;	    /* buffer, path, structure */
	uint32_t len;	    /* bytes, or how many */
	uint32_t op_flags;  /* flags of the operation */
	uint64_t user_data; /* identity: comes back in the completion */
	uint16_t buf_index; /* registered buffer, or provided-buffer group */
	uint16_t personality;
	uint32_t file_index; /* slot + 1 of a direct result; second descriptor */
	uint64_t addr3;
	uint64_t pad2;
};

/* A 128-byte entry. The command area of 80 bytes begins at sqe.addr3. */
struct ORING_MAY_ALIAS oring_sqe128 {
	struct oring_sqe sqe;
	uint64_t more[8];
};

/* One completion, 16 bytes. */
struct ORING_MAY_ALIAS oring_cqe {
	uint64_t user_data;
	int32_t res;	/* result: >= 0, or a negative errno */
	uint32_t flags; /* ORING_CQE_F_*; the buffer id in the upper 16 bits */
};

/* A 32-byte completion. */
struct ORING_MAY_ALIAS oring_cqe32 {
	struct oring_cqe cqe;
	uint64_t big_cqe[2];
};

ORING_STATIC_ASSERT(sizeof(struct oring_sqe) == 64, "entry");
ORING_STATIC_ASSERT(sizeof(struct oring_sqe128) == 128, "large entry");
ORING_STATIC_ASSERT(sizeof(struct oring_cqe) == 16, "completion");
ORING_STATIC_ASSERT(sizeof(struct oring_cqe32) == 32, "large completion");

/* Entry flags: oring_sqe.flags */
#define ORING_SQE_FIXED_FILE	   (1U << 0) /* 5.1: fd is a registered slot */
#define ORING_SQE_IO_DRAIN	   (1U << 1) /* 5.2: start when all before has ended */
#define ORING_SQE_IO_LINK	   (1U << 2) /* 5.3: the next starts if this succeeds */
#define ORING_SQE_IO_HARDLINK	   (1U << 3) /* 5.5: the next starts when this ends */
#define ORING_SQE_ASYNC		   (1U << 4) /* 5.6: run by a worker at once */
#define ORING_SQE_BUFFER_SELECT	   (1U << 5) /* 5.7: kernel picks from group buf_index */
#define ORING_SQE_CQE_SKIP_SUCCESS (1U << 6) /* 5.17: no completion on success */

/* Completion flags: oring_cqe.flags */
#define ORING_CQE_F_BUFFER	  (1U << 0)  /* 5.7: a provided buffer was used */
#define ORING_CQE_F_MORE	  (1U << 1)  /* 5.13: this request will complete again */
#define ORING_CQE_F_SOCK_NONEMPTY (1U << 2)  /* 5.19: the socket holds more */
#define ORING_CQE_F_NOTIF	  (1U << 3)  /* 6.0: zero-copy notification */
#define ORING_CQE_F_BUF_MORE	  (1U << 4)  /* 6.12: the buffer is not used up yet */
#define ORING_CQE_F_SKIP	  (1U << 5)  /* 6.18: filler before the wrap, ignore */
#define ORING_CQE_F_32		  (1U << 15) /* 6.18: 32 bytes, on a mixed ring */
#define ORING_CQE_BUFFER_SHIFT	  16

/* Flags of a socket timestamp completion, and where its kind begins (6.17) */
#define ORING_TIMESTAMP_HW_SHIFT   16
#define ORING_TIMESTAMP_TYPE_SHIFT (ORING_TIMESTAMP_HW_SHIFT + 1)
#define ORING_CQE_F_TSTAMP_HW	   (1U << ORING_TIMESTAMP_HW_SHIFT)

/* The time in such a completion's second half */
struct oring_tx_timespec {
	uint64_t tv_sec;
	uint64_t tv_nsec;
};

/* In place of a slot + 1: the kernel chooses a free slot (5.19) */
#define ORING_FILE_INDEX_ALLOC (~0U)

/* Directory descriptor that means the working directory */
#define ORING_AT_FDCWD (-100)

/* ---- operation flags (op_flags unless another field is named) ---- */

#define ORING_FSYNC_DATASYNC (1U << 0)

/* TIMEOUT, TIMEOUT_REMOVE, LINK_TIMEOUT */
#define ORING_TIMEOUT_ABS	    (1U << 0) /* 5.5 */
#define ORING_TIMEOUT_UPDATE	    (1U << 1) /* 5.11 */
#define ORING_TIMEOUT_BOOTTIME	    (1U << 2) /* 5.15 */
#define ORING_TIMEOUT_REALTIME	    (1U << 3) /* 5.15 */
#define ORING_LINK_TIMEOUT_UPDATE   (1U << 4) /* 5.15 */
#define ORING_TIMEOUT_ETIME_SUCCESS (1U << 5) /* 5.16: expiry does not break a link */
#define ORING_TIMEOUT_MULTISHOT	    (1U << 6) /* 6.4 */
#define ORING_TIMEOUT_IMMEDIATE_ARG (1U << 7) /* 7.1: addr holds nanoseconds */
#define ORING_TIMEOUT_CLOCK_MASK    (ORING_TIMEOUT_BOOTTIME | ORING_TIMEOUT_REALTIME)
#define ORING_TIMEOUT_UPDATE_MASK   (ORING_TIMEOUT_UPDATE | ORING_LINK_TIMEOUT_UPDATE)

/* SPLICE, TEE: the source descriptor is a slot (5.7) */
#define ORING_SPLICE_F_FD_IN_FIXED (1U << 31)

/* POLL_ADD, POLL_REMOVE: in len */
#define ORING_POLL_ADD_MULTI	    (1U << 0) /* 5.13 */
#define ORING_POLL_UPDATE_EVENTS    (1U << 1) /* 5.13 */
#define ORING_POLL_UPDATE_USER_DATA (1U << 2) /* 5.13 */
#define ORING_POLL_ADD_LEVEL	    (1U << 3) /* 6.0 */

/* ASYNC_CANCEL, and the register call */
#define ORING_ASYNC_CANCEL_ALL	    (1U << 0) /* 5.19: every match, result is a count */
#define ORING_ASYNC_CANCEL_FD	    (1U << 1) /* 5.19: match the file */
#define ORING_ASYNC_CANCEL_ANY	    (1U << 2) /* 5.19: match everything */
#define ORING_ASYNC_CANCEL_FD_FIXED (1U << 3) /* 6.0: the file is a slot */
#define ORING_ASYNC_CANCEL_USERDATA (1U << 4) /* 6.6: match identity as well */
#define ORING_ASYNC_CANCEL_OP	    (1U << 5) /* 6.6: match the operation */

/* Send and receive: in ioprio */
#define ORING_RECVSEND_POLL_FIRST  (1U << 0) /* 5.19: wait for readiness, then try */
#define ORING_RECV_MULTISHOT	   (1U << 1) /* 6.0 */
#define ORING_RECVSEND_FIXED_BUF   (1U << 2) /* 6.0 */
#define ORING_SEND_ZC_REPORT_USAGE (1U << 3) /* 6.2 */
#define ORING_RECVSEND_BUNDLE	   (1U << 4) /* 6.10 */
#define ORING_SEND_VECTORIZED	   (1U << 5) /* 6.17 */

/* In the result of a zero-copy notification that reports usage: it was copied */
#define ORING_NOTIF_USAGE_ZC_COPIED (1U << 31)

/* ACCEPT: in ioprio */
#define ORING_ACCEPT_MULTISHOT	(1U << 0) /* 5.19 */
#define ORING_ACCEPT_DONTWAIT	(1U << 1) /* 6.10 */
#define ORING_ACCEPT_POLL_FIRST (1U << 2) /* 6.10 */

/* MSG_RING: the command, in addr */
#define ORING_MSG_DATA	  0 /* 5.18 */
#define ORING_MSG_SEND_FD 1 /* 6.0 */
/* MSG_RING: flags */
#define ORING_MSG_RING_CQE_SKIP	  (1U << 0) /* 6.0 */
#define ORING_MSG_RING_FLAGS_PASS (1U << 1) /* 6.3: file_index becomes the cqe's flags */

#define ORING_FIXED_FD_NO_CLOEXEC (1U << 0) /* FIXED_FD_INSTALL */

/* NOP */
#define ORING_NOP_INJECT_RESULT (1U << 0) /* 6.10: len becomes the result */
#define ORING_NOP_FILE		(1U << 1)
#define ORING_NOP_FIXED_FILE	(1U << 2)
#define ORING_NOP_FIXED_BUFFER	(1U << 3)
#define ORING_NOP_TW		(1U << 4) /* complete by task work */
#define ORING_NOP_CQE32		(1U << 5) /* 6.18 */

/* URING_CMD */
#define ORING_URING_CMD_FIXED	  (1U << 0) /* 6.1 */
#define ORING_URING_CMD_MULTISHOT (1U << 1) /* 6.18 */
#define ORING_URING_CMD_MASK	  (ORING_URING_CMD_FIXED | ORING_URING_CMD_MULTISHOT)

/* URING_CMD on a socket: the command, in off */
#define ORING_SOCKET_SIOCINQ	  0 /* 6.6 */
#define ORING_SOCKET_SIOCOUTQ	  1 /* 6.6 */
#define ORING_SOCKET_GETSOCKOPT	  2 /* 6.7 */
#define ORING_SOCKET_SETSOCKOPT	  3 /* 6.7 */
#define ORING_SOCKET_TX_TIMESTAMP 4 /* 6.17 */
#define ORING_SOCKET_GETSOCKNAME  5 /* 6.19 */

/* Command of block devices (BLOCK_URING_CMD_DISCARD of linux/blkdev.h). 6.12. */
#define ORING_BLOCK_DISCARD 0x1200

/* FUTEX_*: flags (FUTEX2_* of linux/futex.h) and the mask that any wake matches. 6.7. */
#define ORING_FUTEX2_SIZE_U32 0x02
#define ORING_FUTEX2_PRIVATE  0x80
#define ORING_FUTEX_MATCH_ANY 0xffffffffU

/* Read and write with attributes: in pad2 (6.14); addr3 points to this */
#define ORING_RW_ATTR_FLAG_PI (1U << 0)
struct oring_attr_pi {
	uint16_t flags;
	uint16_t app_tag;
	uint32_t len;
	uint64_t addr;
	uint64_t seed;
	uint64_t rsvd;
};

/* What a multishot RECVMSG writes before name, control data and payload (6.0) */
struct oring_recvmsg_out {
	uint32_t namelen;
	uint32_t controllen;
	uint32_t payloadlen;
	uint32_t flags;
};

/* ---- setup ---- */

#define ORING_SETUP_IOPOLL	       (1U << 0)
#define ORING_SETUP_SQPOLL	       (1U << 1)
#define ORING_SETUP_SQ_AFF	       (1U << 2)
#define ORING_SETUP_CQSIZE	       (1U << 3)  /* 5.5: cq_entries is given */
#define ORING_SETUP_CLAMP	       (1U << 4)  /* 5.6 */
#define ORING_SETUP_ATTACH_WQ	       (1U << 5)  /* 5.6: wq_fd is given */
#define ORING_SETUP_R_DISABLED	       (1U << 6)  /* 5.10 */
#define ORING_SETUP_SUBMIT_ALL	       (1U << 7)  /* 5.18 */
#define ORING_SETUP_COOP_TASKRUN       (1U << 8)  /* 5.19 */
#define ORING_SETUP_TASKRUN_FLAG       (1U << 9)  /* 5.19: needs COOP or DEFER */
#define ORING_SETUP_SQE128	       (1U << 10) /* 5.19 */
#define ORING_SETUP_CQE32	       (1U << 11) /* 5.19 */
#define ORING_SETUP_SINGLE_ISSUER      (1U << 12) /* 6.0 */
#define ORING_SETUP_DEFER_TASKRUN      (1U << 13) /* 6.1: needs SINGLE_ISSUER */
#define ORING_SETUP_NO_MMAP	       (1U << 14) /* 6.5 */
#define ORING_SETUP_REGISTERED_FD_ONLY (1U << 15) /* 6.5: needs NO_MMAP */
#define ORING_SETUP_NO_SQARRAY	       (1U << 16) /* 6.6 */
#define ORING_SETUP_HYBRID_IOPOLL      (1U << 17) /* 6.13: needs IOPOLL */
#define ORING_SETUP_CQE_MIXED	       (1U << 18) /* 6.18 */
#define ORING_SETUP_SQE_MIXED	       (1U << 19) /* 6.19 */
#define ORING_SETUP_SQ_REWIND	       (1U << 20) /* 7.0: needs NO_SQARRAY */

/* What the running kernel says of itself in params.features */
#define ORING_FEAT_SINGLE_MMAP	   (1U << 0)  /* 5.4 */
#define ORING_FEAT_NODROP	   (1U << 1)  /* 5.5 */
#define ORING_FEAT_SUBMIT_STABLE   (1U << 2)  /* 5.5 */
#define ORING_FEAT_RW_CUR_POS	   (1U << 3)  /* 5.6 */
#define ORING_FEAT_CUR_PERSONALITY (1U << 4)  /* 5.6 */
#define ORING_FEAT_FAST_POLL	   (1U << 5)  /* 5.7 */
#define ORING_FEAT_POLL_32BITS	   (1U << 6)  /* 5.9 */
#define ORING_FEAT_SQPOLL_NONFIXED (1U << 7)  /* 5.11 */
#define ORING_FEAT_EXT_ARG	   (1U << 8)  /* 5.11 */
#define ORING_FEAT_NATIVE_WORKERS  (1U << 9)  /* 5.12 */
#define ORING_FEAT_RSRC_TAGS	   (1U << 10) /* 5.13 */
#define ORING_FEAT_CQE_SKIP	   (1U << 11) /* 5.17 */
#define ORING_FEAT_LINKED_FILE	   (1U << 12) /* 5.17 */
#define ORING_FEAT_REG_REG_RING	   (1U << 13) /* 6.3 */
#define ORING_FEAT_RECVSEND_BUNDLE (1U << 14) /* 6.10 */
#define ORING_FEAT_MIN_TIMEOUT	   (1U << 15) /* 6.12 */
#define ORING_FEAT_RW_ATTR	   (1U << 16) /* 6.14 */
#define ORING_FEAT_NO_IOWAIT	   (1U << 17) /* 6.15 */

/* Where things lie in the mapped submission ring, in bytes from its start */
struct oring_sqring_offsets {
	uint32_t head;
	uint32_t tail;
	uint32_t ring_mask;
	uint32_t ring_entries;
	uint32_t flags;
	uint32_t dropped;
	uint32_t array; /* left as it was with NO_SQARRAY */
	uint32_t resv1;
	uint64_t user_addr; /* NO_MMAP: memory for the entries */
};

/* The same for the completion ring */
struct oring_cqring_offsets {
	uint32_t head;
	uint32_t tail;
	uint32_t ring_mask;
	uint32_t ring_entries;
	uint32_t overflow;
	uint32_t cqes;
	uint32_t flags;
	uint32_t resv1;
	uint64_t user_addr; /* NO_MMAP: memory for the rings */
};

/* Argument of setup, in and out */
struct oring_params {
	uint32_t sq_entries;	 /* out */
	uint32_t cq_entries;	 /* in with CQSIZE; out */
	uint32_t flags;		 /* in and out: ORING_SETUP_* */
	uint32_t sq_thread_cpu;	 /* in with SQ_AFF */
	uint32_t sq_thread_idle; /* in with SQPOLL: milliseconds */
	uint32_t features;	 /* out: ORING_FEAT_* */
	uint32_t wq_fd;		 /* in with ATTACH_WQ */
	uint32_t resv[3];
	struct oring_sqring_offsets sq_off;
	struct oring_cqring_offsets cq_off;
};

/* What a ring descriptor's mmap offsets mean */
#define ORING_OFF_SQ_RING    0ULL
#define ORING_OFF_CQ_RING    0x8000000ULL
#define ORING_OFF_SQES	     0x10000000ULL
#define ORING_OFF_PBUF_RING  0x80000000ULL /* 6.4: | group << OFF_PBUF_SHIFT */
#define ORING_OFF_PBUF_SHIFT 16
#define ORING_OFF_MMAP_MASK  0xf8000000ULL

/* The submission ring's flags word, written by the kernel */
#define ORING_SQ_NEED_WAKEUP (1U << 0) /* the polling thread sleeps */
#define ORING_SQ_CQ_OVERFLOW (1U << 1) /* 5.8: completions wait outside the ring */
#define ORING_SQ_TASKRUN     (1U << 2) /* 5.19: task work waits for an enter */

/* The completion ring's flags word, written by the program */
#define ORING_CQ_EVENTFD_DISABLED (1U << 0) /* 5.8 */

/* ---- enter ---- */

#define ORING_ENTER_GETEVENTS	    (1U << 0)
#define ORING_ENTER_SQ_WAKEUP	    (1U << 1)
#define ORING_ENTER_SQ_WAIT	    (1U << 2) /* 5.10 */
#define ORING_ENTER_EXT_ARG	    (1U << 3) /* 5.11: arg is struct oring_getevents_arg */
#define ORING_ENTER_REGISTERED_RING (1U << 4) /* 5.18: fd is an index */
#define ORING_ENTER_ABS_TIMER	    (1U << 5) /* 6.12 */
#define ORING_ENTER_EXT_ARG_REG	    (1U << 6) /* 6.13: arg is an offset into a region */
#define ORING_ENTER_NO_IOWAIT	    (1U << 7) /* 6.15 */

/* With ENTER_EXT_ARG; the size that goes with it is exactly this one's */
struct oring_getevents_arg {
	uint64_t sigmask;
	uint32_t sigmask_sz;
	uint32_t min_wait_usec; /* 6.12 */
	uint64_t ts;		/* address of a struct oring_timespec, or 0 */
};

/* With ENTER_EXT_ARG_REG: one record of the registered region (6.13) */
struct oring_reg_wait {
	struct oring_timespec ts;
	uint32_t min_wait_usec;
	uint32_t flags; /* ORING_REG_WAIT_TS */
	uint64_t sigmask;
	uint32_t sigmask_sz;
	uint32_t pad[3];
	uint64_t pad2[2];
};
#define ORING_REG_WAIT_TS (1U << 0)

/* What the kernel takes for the size of a signal set, in bytes */
#define ORING_SIGSET_SIZE 8

/*
 * The error numbers that the library itself returns (negated), as in Linux's
 * asm-generic/errno.h, which holds on every architecture supported here. They
 * equal <errno.h>'s; they stand here because no libc header is included.
 */
#define ORING_EPERM	   1
#define ORING_ENOENT	   2
#define ORING_EINTR	   4
#define ORING_ENXIO	   6
#define ORING_EBADF	   9
#define ORING_EAGAIN	   11
#define ORING_ENOMEM	   12
#define ORING_EFAULT	   14
#define ORING_EBUSY	   16
#define ORING_EEXIST	   17
#define ORING_ENODEV	   19
#define ORING_EINVAL	   22
#define ORING_ENFILE	   23
#define ORING_EMFILE	   24
#define ORING_ENOSPC	   28
#define ORING_ERANGE	   34
#define ORING_ENOSYS	   38
#define ORING_EBADSLT	   57
#define ORING_ETIME	   62
#define ORING_ENONET	   64
#define ORING_EPROTO	   71
#define ORING_EOVERFLOW	   75
#define ORING_ENOPROTOOPT  92
#define ORING_EOPNOTSUPP   95
#define ORING_ENETDOWN	   100
#define ORING_ENETUNREACH  101
#define ORING_ECONNABORTED 103
#define ORING_ENOBUFS	   105
#define ORING_EHOSTDOWN	   112
#define ORING_EHOSTUNREACH 113
#define ORING_EALREADY	   114
#define ORING_ESTALE	   116
#define ORING_ECANCELED	   125
/* Not meant for programs, but an open that is interrupted in a worker shows it. */
#define ORING_ERESTARTSYS 512

#endif
