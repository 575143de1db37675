/* SPDX-License-Identifier: MIT */
/* A listener's chain, and what its completions mean together. */
#include "oring/listen.h"
#include "oring/chain.h"

/* As in setsockopt(2), the same on every architecture of src/arch. */
#define LEVEL_SOCKET	     1
#define LEVEL_IPV6	     41
#define OPTION_REUSE_ADDRESS 2
#define OPTION_REUSE_PORT    15
#define OPTION_V6_ONLY	     26

#define V6_OPTIONS  (ORING_LISTENER_OPT_V6_ONLY | ORING_LISTENER_OPT_V6_AND_V4)
#define ALL_OPTIONS (ORING_LISTENER_OPT_ACCEPT_DIRECT * 2 - 1)
#define BIT(stage)  (1U << (stage))
#define CLOSES	    (BIT(ORING_LISTENER_CLOSE_SLOT) | BIT(ORING_LISTENER_CLOSE_DESCRIPTOR))

static const char *const names[ORING_LISTENER_STAGES] = {
	"socket", "reuse address", "reuse port", "IPv6",       "bind",
	"listen", "install",	   "empty slot", "close slot", "close descriptor",
};

const char *oring_listener_stage_name(unsigned int stage)
{
	return stage < ORING_LISTENER_STAGES ? names[stage] : "?";
}

static uint32_t count(uint32_t bits)
{
	uint32_t n = 0;

	for (; bits != 0; bits &= bits - 1)
		n++;
	return n;
}

/* The stages that these parameters need, a bit each. */
static uint32_t stages_of(const struct oring_listener_params *params)
{
	uint32_t stages =
		BIT(ORING_LISTENER_SOCKET) | BIT(ORING_LISTENER_BIND) | BIT(ORING_LISTENER_LISTEN);

	if (params->options & ORING_LISTENER_OPT_REUSE_ADDRESS)
		stages |= BIT(ORING_LISTENER_REUSE_ADDRESS);
	if (params->options & ORING_LISTENER_OPT_REUSE_PORT)
		stages |= BIT(ORING_LISTENER_REUSE_PORT);
	if (params->options & V6_OPTIONS)
		stages |= BIT(ORING_LISTENER_V6);
	if (params->options & ORING_LISTENER_OPT_DESCRIPTOR) {
		stages |= BIT(ORING_LISTENER_INSTALL);
		if (params->accept == NULL)
			stages |= BIT(ORING_LISTENER_EMPTY);
	}
	return stages;
}

static void identify(const struct oring_listener *listener, struct oring_sqe *sqe, uint32_t stage)
{
	oring_sqe_set_user_data(sqe, listener->first.bits + (uint64_t)stage * 4);
}

static void prepare(struct oring_listener *listener, struct oring_sqe *sqe, uint32_t stage,
		    const struct oring_listener_params *params)
{
	oring_file file = oring_file_slot(listener->slot);
	const int32_t *value = &listener->value[1];

	switch (stage) {
	case ORING_LISTENER_SOCKET:
		oring_prep_socket_direct(sqe, params->family, params->type, params->protocol,
					 params->slot);
		break;
	case ORING_LISTENER_REUSE_ADDRESS:
		oring_prep_setsockopt(sqe, file, LEVEL_SOCKET, OPTION_REUSE_ADDRESS, value,
				      sizeof(*value));
		break;
	case ORING_LISTENER_REUSE_PORT:
		oring_prep_setsockopt(sqe, file, LEVEL_SOCKET, OPTION_REUSE_PORT, value,
				      sizeof(*value));
		break;
	case ORING_LISTENER_V6:
		if (params->options & ORING_LISTENER_OPT_V6_AND_V4)
			value = &listener->value[0];
		oring_prep_setsockopt(sqe, file, LEVEL_IPV6, OPTION_V6_ONLY, value, sizeof(*value));
		break;
	case ORING_LISTENER_BIND:
		oring_prep_bind(sqe, file, params->address, params->address_length);
		break;
	case ORING_LISTENER_LISTEN:
		oring_prep_listen(sqe, file, params->backlog);
		break;
	case ORING_LISTENER_INSTALL:
		oring_prep_fixed_fd_install(sqe, params->slot,
					    params->options & ORING_LISTENER_OPT_NO_CLOEXEC
						    ? ORING_FIXED_FD_NO_CLOEXEC
						    : 0);
		break;
	default:
		oring_prep_close(sqe, file);
	}
	identify(listener, sqe, stage);
}

static void prepare_accept(struct oring_sqe *sqe, const struct oring_listener_params *params)
{
	oring_file file = oring_file_slot(params->slot.index);

	if (params->options & ORING_LISTENER_OPT_ACCEPT_DIRECT)
		oring_prep_accept_direct_multishot(sqe, file, params->accept_flags);
	else
		oring_prep_accept_multishot(sqe, file, params->accept_flags);
	oring_multishot_arm(params->accept, sqe);
}

static void begin(struct oring_listener *listener, const struct oring_listener_params *params,
		  oring_context first)
{
	listener->first = first;
	listener->value[0] = 0;
	listener->value[1] = 1;
	listener->due = stages_of(params);
	listener->done = 0;
	listener->slot = params->slot.index;
	listener->fd = -1;
	listener->failed = ORING_LISTENER_STAGES;
	listener->error = 0;
}

int oring_listener_fill(struct oring_listener *listener, struct oring *ring,
			const struct oring_listener_params *params, oring_context first)
{
	uint32_t stages = stages_of(params);
	uint32_t entries = count(stages) + (params->accept != NULL);
	struct oring_chain chain;
	uint32_t stage;
	int ret;

	if (params->slot.index == ORING_FILE_INDEX_ALLOC || params->options & ~ALL_OPTIONS ||
	    (params->options & V6_OPTIONS) == V6_OPTIONS)
		return -ORING_EINVAL;
	if (params->accept != NULL && oring_multishot_busy(params->accept))
		return -ORING_EBUSY;
	ret = oring_chain_begin(&chain, ring, entries);
	if (ret < 0)
		return ret;
	begin(listener, params, first);
	for (stage = 0; stage < ORING_LISTENER_STAGES; stage++) {
		if (stages & BIT(stage))
			prepare(listener, oring_chain_next(&chain), stage, params);
	}
	if (params->accept != NULL)
		prepare_accept(oring_chain_next(&chain), params);
	return oring_chain_end(&chain);
}

/* ---- completions ---- */

static bool slot_is_open(const struct oring_listener *listener)
{
	return (listener->done & BIT(ORING_LISTENER_SOCKET)) &&
	       !(listener->done & (BIT(ORING_LISTENER_EMPTY) | BIT(ORING_LISTENER_CLOSE_SLOT)));
}

static bool descriptor_is_open(const struct oring_listener *listener)
{
	return (listener->done & BIT(ORING_LISTENER_INSTALL)) &&
	       !(listener->done & BIT(ORING_LISTENER_CLOSE_DESCRIPTOR));
}

/* Open, and its close is not under way. */
static uint32_t to_close(const struct oring_listener *listener)
{
	uint32_t closes = 0;

	if (slot_is_open(listener))
		closes |= BIT(ORING_LISTENER_CLOSE_SLOT);
	if (descriptor_is_open(listener))
		closes |= BIT(ORING_LISTENER_CLOSE_DESCRIPTOR);
	return closes & ~listener->due;
}

/*
 * An entry that the kernel refuses when it is submitted cancels those before it
 * as well: so the first error that is not a cancellation counts, whatever the order.
 */
static void note_error(struct oring_listener *listener, uint32_t stage, int32_t error)
{
	bool by_itself = error != -ORING_ECANCELED;
	bool had = listener->error != 0;
	bool had_by_itself = had && listener->error != -ORING_ECANCELED;

	if (had && (by_itself == had_by_itself ? stage > listener->failed : had_by_itself))
		return;
	listener->failed = stage;
	listener->error = error;
}

static void note(struct oring_listener *listener, uint32_t stage, int32_t res)
{
	listener->due &= ~BIT(stage);
	if (stage == ORING_LISTENER_INSTALL && res >= 0)
		listener->fd = res;
	if (res < 0)
		note_error(listener, stage, res);
	/* Of a slot or a descriptor that could not be closed nothing is left, if it was tried. */
	if (res >= 0 || (BIT(stage) & CLOSES && res != -ORING_ECANCELED))
		listener->done |= BIT(stage);
}

static void conclude(const struct oring_listener *listener, uint32_t stage,
		     struct oring_listener_step *step)
{
	step->open = count(to_close(listener));
	if (listener->error != 0) {
		step->state = ORING_LISTENER_FAILED;
		step->stage = listener->failed;
		step->error = listener->error;
		return;
	}
	if (BIT(stage) & CLOSES) {
		if (step->open == 0)
			step->state = ORING_LISTENER_CLOSED;
		return;
	}
	step->state = ORING_LISTENER_READY;
	step->file =
		listener->fd >= 0 ? oring_file_fd(listener->fd) : oring_file_slot(listener->slot);
}

struct oring_listener_step oring_listener_step(struct oring_listener *listener,
					       const struct oring_cqe *cqe)
{
	struct oring_listener_step step;
	uint32_t stage;

	step.state = ORING_LISTENER_WORKING;
	step.stage = ORING_LISTENER_STAGES;
	step.error = 0;
	step.open = 0;
	step.file = oring_file_fd(-1);
	if (!oring_listener_owns(listener, cqe))
		return step;
	stage = (uint32_t)((cqe->user_data - listener->first.bits) / 4);
	if (!(listener->due & BIT(stage)))
		return step;
	note(listener, stage, cqe->res);
	if (listener->due == 0)
		conclude(listener, stage, &step);
	return step;
}

int oring_listener_close(struct oring_listener *listener, struct oring_sqe *sqe)
{
	uint32_t closes = to_close(listener);
	uint32_t stage = ORING_LISTENER_CLOSE_SLOT;

	if (listener->due & ~CLOSES)
		return -ORING_EBUSY;
	if (closes == 0)
		return -ORING_ENOENT;
	/* What failed before has been told. */
	if (listener->due == 0)
		listener->error = 0;
	if (closes & BIT(stage)) {
		oring_prep_close(sqe, oring_file_slot(listener->slot));
	} else {
		stage = ORING_LISTENER_CLOSE_DESCRIPTOR;
		oring_prep_close(sqe, oring_file_fd(listener->fd));
	}
	identify(listener, sqe, stage);
	listener->due |= BIT(stage);
	return 0;
}
