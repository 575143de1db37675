/* SPDX-License-Identifier: MIT */
/**
 * oring.h - all of oring. Each header below also stands alone.
 */
#ifndef ORING_ORING_H
#define ORING_ORING_H

#include "oring/attr.h"
#include "oring/version.h"
#include "oring/abi.h"
#include "oring/abi_reg.h"
#include "oring/mem.h"
#include "oring/op.h"
#include "oring/file.h"
#include "oring/fixed_buf.h"
#include "oring/context.h"
#include "oring/sqe.h"
#include "oring/cqe.h"
#include "oring/sys.h"
#include "oring/prep.h"
#include "oring/ring.h"
#include "oring/setup.h"
#include "oring/fast.h"
#include "oring/sq.h"
#include "oring/cq.h"
#include "oring/reg.h"
#include "oring/resize.h"
#include "oring/drain.h"
#include "oring/feature.h"
#include "oring/describe.h"
#include "oring/shared.h"
#include "oring/wake.h"
#include "oring/chain.h"
#include "oring/pool.h"
#include "oring/bufring.h"
#include "oring/bufgroup.h"
#include "oring/plan.h"
#include "oring/multishot.h"
#include "oring/message.h"
#include "oring/zc.h"
#include "oring/listen.h"
#include "oring/multicast.h"
#include "oring/zcrx.h"

#endif
