/* SPDX-License-Identifier: MIT */
/**
 * abi_reg.h - what io_uring_register takes and gives, as of Linux 7.3: its
 * operations, their arguments, queries, zero-copy receive and BPF filters
 *
 * The other half of abi.h, under the same naming rule and the same checks.
 */
#ifndef ORING_ABI_REG_H
#define ORING_ABI_REG_H

#include "abi.h"

enum oring_register_op {
	ORING_REGISTER_BUFFERS = 0,	      /* 5.1 */
	ORING_UNREGISTER_BUFFERS = 1,	      /* 5.1 */
	ORING_REGISTER_FILES = 2,	      /* 5.1 */
	ORING_UNREGISTER_FILES = 3,	      /* 5.1 */
	ORING_REGISTER_EVENTFD = 4,	      /* 5.2 */
	ORING_UNREGISTER_EVENTFD = 5,	      /* 5.2 */
	ORING_REGISTER_FILES_UPDATE = 6,      /* 5.5 */
	ORING_REGISTER_EVENTFD_ASYNC = 7,     /* 5.6 */
	ORING_REGISTER_PROBE = 8,	      /* 5.6 */
	ORING_REGISTER_PERSONALITY = 9,	      /* 5.6 */
	ORING_UNREGISTER_PERSONALITY = 10,    /* 5.6 */
	ORING_REGISTER_RESTRICTIONS = 11,     /* 5.10 */
	ORING_REGISTER_ENABLE_RINGS = 12,     /* 5.10 */
	ORING_REGISTER_FILES2 = 13,	      /* 5.13 */
	ORING_REGISTER_FILES_UPDATE2 = 14,    /* 5.13 */
	ORING_REGISTER_BUFFERS2 = 15,	      /* 5.13 */
	ORING_REGISTER_BUFFERS_UPDATE = 16,   /* 5.13 */
	ORING_REGISTER_IOWQ_AFF = 17,	      /* 5.14 */
	ORING_UNREGISTER_IOWQ_AFF = 18,	      /* 5.14 */
	ORING_REGISTER_IOWQ_MAX_WORKERS = 19, /* 5.15 */
	ORING_REGISTER_RING_FDS = 20,	      /* 5.18 */
	ORING_UNREGISTER_RING_FDS = 21,	      /* 5.18 */
	ORING_REGISTER_PBUF_RING = 22,	      /* 5.19 */
	ORING_UNREGISTER_PBUF_RING = 23,      /* 5.19 */
	ORING_REGISTER_SYNC_CANCEL = 24,      /* 6.0 */
	ORING_REGISTER_FILE_ALLOC_RANGE = 25, /* 6.0 */
	ORING_REGISTER_PBUF_STATUS = 26,      /* 6.8 */
	ORING_REGISTER_NAPI = 27,	      /* 6.9 */
	ORING_UNREGISTER_NAPI = 28,	      /* 6.9 */
	ORING_REGISTER_CLOCK = 29,	      /* 6.12 */
	ORING_REGISTER_CLONE_BUFFERS = 30,    /* 6.12 */
	ORING_REGISTER_SEND_MSG_RING = 31,    /* 6.13 */
	ORING_REGISTER_ZCRX_IFQ = 32,	      /* 6.15 */
	ORING_REGISTER_RESIZE_RINGS = 33,     /* 6.13 */
	ORING_REGISTER_MEM_REGION = 34,	      /* 6.13 */
	ORING_REGISTER_QUERY = 35,	      /* 6.18 */
	ORING_REGISTER_ZCRX_CTRL = 36,	      /* 6.19 */
	ORING_REGISTER_BPF_FILTER = 37,	      /* 7.0 */
	ORING_REGISTER_LAST
};

/* Added to the operation: the ring is named by its registered index (6.3) */
#define ORING_REGISTER_USE_REGISTERED_RING (1U << 31)

/* ---- files and buffers ---- */

/* In a list of descriptors: leave this slot as it is (5.12) */
#define ORING_REGISTER_FILES_SKIP (-2)

struct oring_files_update {
	uint32_t offset;
	uint32_t resv;
	uint64_t fds; /* address of int32_t[] */
};

#define ORING_RSRC_REGISTER_SPARSE (1U << 0) /* 5.19: empty slots, no list */
struct oring_rsrc_register {
	uint32_t nr;
	uint32_t flags;
	uint64_t resv2;
	uint64_t data;
	uint64_t tags;
};

struct oring_rsrc_update {
	uint32_t offset;
	uint32_t resv;
	uint64_t data;
};

struct oring_rsrc_update2 {
	uint32_t offset;
	uint32_t resv;
	uint64_t data;
	uint64_t tags;
	uint32_t nr;
	uint32_t resv2;
};

/* Slots [off, off + len) are the ones that the kernel chooses from */
struct oring_file_index_range {
	uint32_t off;
	uint32_t len;
	uint64_t resv;
};

#define ORING_REGISTER_SRC_REGISTERED (1U << 0)
#define ORING_REGISTER_DST_REPLACE    (1U << 1) /* 6.13 */
struct oring_clone_buffers {
	uint32_t src_fd;
	uint32_t flags;
	uint32_t src_off;
	uint32_t dst_off;
	uint32_t nr;
	uint32_t pad[3];
};

/* ---- provided-buffer rings ---- */

/*
 * One buffer of the ring. The ring's tail, 16 bits, lies over the resv field
 * of the first: write the other fields of entry 0, never the whole.
 */
struct oring_buf {
	uint64_t addr;
	uint32_t len;
	uint16_t bid;
	uint16_t resv;
};

#define ORING_PBUF_RING_MMAP 1U /* 6.4: kernel memory, to be mapped */
#define ORING_PBUF_RING_INC  2U /* 6.12: a buffer is consumed piece by piece */
struct oring_buf_reg {
	uint64_t ring_addr;    /* aligned to a page */
	uint32_t ring_entries; /* a power of two, at most 32768 */
	uint16_t bgid;
	uint16_t flags;	   /* ORING_PBUF_RING_* */
	uint32_t min_left; /* 7.1, with INC: a rest below this counts as used up */
	uint32_t resv[5];
};

struct oring_buf_status {
	uint32_t buf_group; /* in */
	uint32_t head;	    /* out */
	uint32_t resv[8];
};

/* ---- what the kernel can do ---- */

#define ORING_PROBE_SUPPORTED (1U << 0)
struct oring_probe_op {
	uint8_t op;
	uint8_t resv;
	uint16_t flags; /* ORING_PROBE_SUPPORTED */
	uint32_t resv2;
};

/* Followed in memory by ops_len records of struct oring_probe_op */
struct oring_probe {
	uint8_t last_op;
	uint8_t ops_len;
	uint16_t resv;
	uint32_t resv2[3];
};

#define ORING_QUERY_OPCODES    0U
#define ORING_QUERY_ZCRX       1U
#define ORING_QUERY_SCQ	       2U
#define ORING_QUERY_ZCRX_EVENT 3U
struct oring_query_hdr {
	uint64_t next_entry;
	uint64_t query_data;
	uint32_t query_op; /* ORING_QUERY_* */
	uint32_t size;
	int32_t result;
	uint32_t resv[3];
};

struct oring_query_opcode {
	uint32_t nr_request_opcodes;
	uint32_t nr_register_opcodes;
	uint64_t feature_flags;
	uint64_t ring_setup_flags;
	uint64_t enter_flags;
	uint64_t sqe_flags;
	uint32_t nr_query_opcodes;
	uint32_t pad;
};

struct oring_query_zcrx {
	uint64_t register_flags;
	uint64_t area_flags;
	uint32_t nr_ctrl_opcodes;
	uint32_t features;
	uint32_t rq_hdr_size;
	uint32_t rq_hdr_alignment;
	uint64_t resv2;
};

struct oring_query_zcrx_event {
	uint32_t event_flags;
	uint32_t stats_size;
	uint32_t stats_off_alignment;
	uint32_t resv1;
	uint64_t resv2[4];
};

struct oring_query_scq {
	uint64_t hdr_size;
	uint64_t hdr_alignment;
};

/* ---- limits, clocks, cancellation, memory, network polling ---- */

#define ORING_RESTRICTION_REGISTER_OP	     0
#define ORING_RESTRICTION_SQE_OP	     1
#define ORING_RESTRICTION_SQE_FLAGS_ALLOWED  2
#define ORING_RESTRICTION_SQE_FLAGS_REQUIRED 3
#define ORING_RESTRICTION_LAST		     4
struct oring_restriction {
	uint16_t opcode; /* ORING_RESTRICTION_* */
	uint8_t sqe_op;	 /* also register_op, sqe_flags */
	uint8_t resv;
	uint32_t resv2[3];
};

/* Followed in memory by nr_res records of struct oring_restriction (7.0) */
struct oring_task_restriction {
	uint16_t flags;
	uint16_t nr_res;
	uint32_t resv[3];
};

#define ORING_WQ_BOUND	 0
#define ORING_WQ_UNBOUND 1

struct oring_clock_register {
	uint32_t clockid;
	uint32_t resv[3];
};

struct oring_sync_cancel_reg {
	uint64_t addr;
	int32_t fd;
	uint32_t flags; /* ORING_ASYNC_CANCEL_* */
	struct oring_timespec timeout;
	uint8_t opcode; /* 6.6 */
	uint8_t pad[7];
	uint64_t pad2[3];
};

#define ORING_MEM_REGION_TYPE_USER 1U /* memory at user_addr; else the kernel's */
struct oring_region_desc {
	uint64_t user_addr;
	uint64_t size;
	uint32_t flags;
	uint32_t id;
	uint64_t mmap_offset;
	uint64_t resv[4];
};

#define ORING_MEM_REGION_REG_WAIT_ARG 1U /* holds struct oring_reg_wait records */
struct oring_mem_region_reg {
	uint64_t region_uptr;
	uint64_t flags;
	uint64_t resv[2];
};

#define ORING_NAPI_REGISTER_OP	     0
#define ORING_NAPI_STATIC_ADD_ID     1
#define ORING_NAPI_STATIC_DEL_ID     2
#define ORING_NAPI_TRACKING_DYNAMIC  0
#define ORING_NAPI_TRACKING_STATIC   1
#define ORING_NAPI_TRACKING_INACTIVE 255
struct oring_napi {
	uint32_t busy_poll_to;
	uint8_t prefer_busy_poll;
	uint8_t opcode; /* ORING_NAPI_*_OP, _ID */
	uint8_t pad[2];
	uint32_t op_param;
	uint32_t resv;
};

/* ---- zero-copy receive ---- */

#define ORING_ZCRX_AREA_SHIFT 48
#define ORING_ZCRX_AREA_MASK  (~(((uint64_t)1 << ORING_ZCRX_AREA_SHIFT) - 1))

struct oring_zcrx_rqe {
	uint64_t off;
	uint32_t len;
	uint32_t pad;
};

struct oring_zcrx_cqe {
	uint64_t off;
	uint64_t pad;
};

struct oring_zcrx_offsets {
	uint32_t head;
	uint32_t tail;
	uint32_t rqes;
	uint32_t resv2;
	uint64_t resv[2];
};

#define ORING_ZCRX_AREA_DMABUF 1U /* 6.16 */
struct oring_zcrx_area_reg {
	uint64_t addr;
	uint64_t len;
	uint64_t rq_area_token;
	uint32_t flags; /* ORING_ZCRX_AREA_* */
	uint32_t dmabuf_fd;
	uint64_t resv2[2];
};

#define ORING_ZCRX_REG_IMPORT		1U /* 6.19 */
#define ORING_ZCRX_REG_NODEV		2U /* 7.1: no device: everything is copied */
#define ORING_ZCRX_FEATURE_RX_PAGE_SIZE (1U << 0)
#define ORING_ZCRX_FEATURE_EVENT	(1U << 1)
struct oring_zcrx_ifq_reg {
	uint32_t if_idx;
	uint32_t if_rxq;
	uint32_t rq_entries;
	uint32_t flags; /* ORING_ZCRX_REG_* */
	uint64_t area_ptr;
	uint64_t region_ptr;
	struct oring_zcrx_offsets offsets;
	uint32_t zcrx_id;
	uint32_t rx_buf_len;
	uint64_t event_desc; /* address of a struct oring_zcrx_event_desc, or 0 */
	uint64_t resv[2];
};

#define ORING_ZCRX_EVENT_ALLOC_FAIL	 0
#define ORING_ZCRX_EVENT_COPY		 1
#define ORING_ZCRX_EVENT_DESC_FLAG_STATS (1U << 0)
struct oring_zcrx_stats {
	uint64_t copy_count;
	uint64_t copy_bytes;
};

struct oring_zcrx_event_desc {
	uint64_t user_data;
	uint32_t type_mask;
	uint32_t flags; /* ORING_ZCRX_EVENT_DESC_FLAG_* */
	uint64_t stats_offset;
	uint64_t resv2[9];
};

#define ORING_ZCRX_CTRL_FLUSH_RQ  0
#define ORING_ZCRX_CTRL_EXPORT	  1
#define ORING_ZCRX_CTRL_ARM_EVENT 2
#define ORING_ZCRX_CTRL_ADD_AREA  3 /* 7.3 */

struct oring_zcrx_ctrl_flush_rq {
	uint64_t resv[6];
};

struct oring_zcrx_ctrl_export {
	uint32_t zcrx_fd;
	uint32_t resv1[11];
};

struct oring_zcrx_ctrl_arm_event {
	uint32_t event_type;
	uint32_t resv[11];
};

struct oring_zcrx_ctrl_add_area {
	uint64_t area_ptr;
	uint64_t resv[5];
};

struct oring_zcrx_ctrl {
	uint32_t zcrx_id;
	uint32_t op; /* ORING_ZCRX_CTRL_* */
	uint64_t resv[2];
	union oring_zcrx_ctrl_arg {
		struct oring_zcrx_ctrl_export zc_export;
		struct oring_zcrx_ctrl_flush_rq zc_flush;
		struct oring_zcrx_ctrl_arm_event zc_arm_event;
		struct oring_zcrx_ctrl_add_area zc_area;
	} arg;
};

/* ---- BPF filters ---- */

struct oring_bpf_socket {
	uint32_t family;
	uint32_t type;
	uint32_t protocol;
};

struct oring_bpf_open {
	uint64_t flags;
	uint64_t mode;
	uint64_t resolve;
};

/* Port and addresses in network byte order */
struct oring_bpf_connect {
	uint32_t family;
	uint16_t port;
	uint8_t pad[2];
	union oring_bpf_address {
		uint32_t v4_addr;
		uint8_t v6_addr[16];
	} address;
};

/* What a filter program sees */
struct oring_bpf_ctx {
	uint64_t user_data;
	uint8_t opcode;
	uint8_t sqe_flags;
	uint8_t pdu_size; /* bytes of pdu that are filled */
	uint8_t pad[5];
	union oring_bpf_pdu {
		struct oring_bpf_socket socket;
		struct oring_bpf_open open;
		struct oring_bpf_connect connect;
	} pdu;
};

#define ORING_BPF_FILTER_DENY_REST 1U
#define ORING_BPF_FILTER_SZ_STRICT 2U
struct oring_bpf_filter {
	uint32_t opcode; /* operation to filter */
	uint32_t flags;
	uint32_t filter_len; /* instructions */
	uint8_t pdu_size;
	uint8_t resv[3];
	uint64_t filter_ptr;
	uint64_t resv2[5];
};

#define ORING_BPF_CMD_FILTER 1U
struct oring_bpf {
	uint16_t cmd_type; /* ORING_BPF_CMD_* */
	uint16_t cmd_flags;
	uint32_t resv;
	struct oring_bpf_filter filter;
};

/* ---- the mock file driver, for tests of kernels that carry it ---- */

#define ORING_MOCK_FEAT_CMD_COPY	   0
#define ORING_MOCK_FEAT_RW_ZERO		   1
#define ORING_MOCK_FEAT_RW_NOWAIT	   2
#define ORING_MOCK_FEAT_RW_ASYNC	   3
#define ORING_MOCK_FEAT_POLL		   4
#define ORING_MOCK_FEAT_END		   5
#define ORING_MOCK_CREATE_F_SUPPORT_NOWAIT 1U
#define ORING_MOCK_CREATE_F_POLL	   2U
#define ORING_MOCK_MGR_CMD_PROBE	   0
#define ORING_MOCK_MGR_CMD_CREATE	   1
#define ORING_MOCK_CMD_COPY_REGBUF	   0
#define ORING_MOCK_COPY_FROM		   1U
struct oring_mock_probe {
	uint64_t features;
	uint64_t resv[9];
};

struct oring_mock_create {
	uint32_t out_fd;
	uint32_t flags;
	uint64_t file_size;
	uint64_t rw_delay_ns;
	uint64_t resv[13];
};

#endif
