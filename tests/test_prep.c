/* SPDX-License-Identifier: MIT */
/*
 * Laws that hold for every prep function, tried on every row of the table.
 *
 * rows.h says of each row which fields it owns; that it says the truth is
 * shown by the other test_prep_*.c, which run the operations.
 */
#include "harness.h"

#include "rows.h"

/*
 * What rows are called with. NUMBER makes addresses, offsets and flags, but no
 * flag that says the file is a slot (bit 3 of a cancel, bit 31 of a splice)
 * and no CLOEXEC (bit 19) where flags are NUMBER shifted by 2 to 4.
 */
#define FD	5
#define SLOT	0x12345
#define OTHER	6
#define INDEX	9
#define NUMBER	0x1204064c
#define TOO_BIG (((uint64_t)1 << 32) + 5)

static struct row_args args_by(bool slots)
{
	struct row_args args;

	memset(&args, 0, sizeof(args));
	args.file = slots ? oring_file_slot(SLOT) : oring_file_fd(FD);
	args.other = slots ? oring_file_slot(OTHER) : oring_file_fd(OTHER);
	args.slot = oring_slot_at(INDEX);
	args.buf.addr = (void *)(uintptr_t)0x71234560;
	args.buf.len = 0x345678;
	args.buf.index = 0x4321;
	args.len = 4096;
	args.number = NUMBER;
	return args;
}

/* Prep gets an entry of the size that it wants; no row writes more than 64 bytes of it. */
static void fill(const struct row *row, struct oring_sqe *sqe, const struct row_args *args)
{
	struct oring_sqe128 large;

	memset(&large, 0x5c, sizeof(large));
	large.sqe = *sqe;
	row->fill(&large.sqe, args);
	*sqe = large.sqe;
}

static struct oring_sqe prepared(const struct row *row, const struct row_args *args)
{
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	fill(row, &sqe, args);
	return sqe;
}

static bool is_splice(const struct row *row)
{
	return row->op == ORING_OP_SPLICE || row->op == ORING_OP_TEE;
}

/* Fields by their bit. Identity and personality are nobody's but the caller's. */
static uint64_t get_field(const struct oring_sqe *sqe, unsigned int field)
{
	switch (field) {
	case FIELD_IOPRIO:
		return sqe->ioprio;
	case FIELD_FD:
		return (uint32_t)sqe->fd;
	case FIELD_OFF:
		return sqe->off;
	case FIELD_ADDR:
		return sqe->addr;
	case FIELD_LEN:
		return sqe->len;
	case FIELD_OP_FLAGS:
		return sqe->op_flags;
	case FIELD_BUF_INDEX:
		return sqe->buf_index;
	case FIELD_FILE_INDEX:
		return sqe->file_index;
	case FIELD_ADDR3:
		return sqe->addr3;
	case FIELD_PAD2:
		return sqe->pad2;
	}
	cr_assert_fail("no field %x", field);
	return 0;
}

static void set_field(struct oring_sqe *sqe, unsigned int field, uint64_t value)
{
	switch (field) {
	case FIELD_IOPRIO:
		sqe->ioprio = (uint16_t)value;
		break;
	case FIELD_FD:
		sqe->fd = (int32_t)value;
		break;
	case FIELD_OFF:
		sqe->off = value;
		break;
	case FIELD_ADDR:
		sqe->addr = value;
		break;
	case FIELD_LEN:
		sqe->len = (uint32_t)value;
		break;
	case FIELD_OP_FLAGS:
		sqe->op_flags = (uint32_t)value;
		break;
	case FIELD_BUF_INDEX:
		sqe->buf_index = (uint16_t)value;
		break;
	case FIELD_FILE_INDEX:
		sqe->file_index = (uint32_t)value;
		break;
	case FIELD_ADDR3:
		sqe->addr3 = value;
		break;
	case FIELD_PAD2:
		sqe->pad2 = value;
		break;
	}
}

static void set_user_data(struct oring_sqe *sqe)
{
	oring_sqe_set_user_data(sqe, 0xfedcba9876543210);
}

static void set_context(struct oring_sqe *sqe)
{
	oring_sqe_set_context(sqe, oring_context_from_bits(0x1122334455667788));
}

static void set_personality(struct oring_sqe *sqe)
{
	oring_sqe_set_personality(sqe, 0xabcd);
}

static void set_group(struct oring_sqe *sqe)
{
	oring_sqe_buffer_select(sqe, 0x8421);
}

static void add_op_flags(struct oring_sqe *sqe)
{
	oring_sqe_add_op_flags(sqe, 0x80808080);
}

static void set_ioprio(struct oring_sqe *sqe)
{
	oring_sqe_set_ioprio(sqe, 0x4002);
}

static void add_ioprio_flags(struct oring_sqe *sqe)
{
	oring_sqe_add_ioprio_flags(sqe, 0xa5a5);
}

static void set_command(struct oring_sqe *sqe)
{
	memcpy(oring_sqe_cmd(sqe), "sixteen bytes it", 16);
}

static void set_attr(struct oring_sqe *sqe)
{
	oring_sqe_set_attr_pi(sqe, (struct oring_attr_pi *)(uintptr_t)0x7fed0040);
}

static void set_stream(struct oring_sqe *sqe)
{
	oring_sqe_set_write_stream(sqe, 0xed);
}

/* What a caller may do to an entry, unless its row has one of these operands, or flags. */
static const struct {
	void (*call)(struct oring_sqe *sqe);
	unsigned int operands, flags;
} setters[] = {
	{ oring_sqe_link, 0, 0 },
	{ oring_sqe_hardlink, 0, 0 },
	{ oring_sqe_drain, 0, 0 },
	{ oring_sqe_async, 0, 0 },
	{ oring_sqe_skip_success, 0, 0 },
	{ set_user_data, 0, 0 },
	{ set_context, 0, 0 },
	{ set_personality, 0, 0 },
	{ set_group, FIELD_BUF_INDEX, 0 },
	{ add_op_flags, FIELD_OP_FLAGS, 0 },
	{ set_ioprio, FIELD_IOPRIO, FIELD_IOPRIO },
	{ add_ioprio_flags, FIELD_IOPRIO, 0 },
	{ oring_sqe_poll_first, FIELD_IOPRIO, 0 },
	{ oring_sqe_report_usage, FIELD_IOPRIO, 0 },
	{ set_command, FIELD_ADDR3 | FIELD_PAD2, 0 },
	{ set_attr, FIELD_ADDR3 | FIELD_PAD2, 0 },
	{ set_stream, FIELD_FILE_INDEX, 0 },
};

#define SETTERS	  17
#define UNIVERSAL 8 /* these first ones suit every operation */
#define SKIPS	  4
#define GROUP	  8
/* Of each pair that is for one field one; else the later wins, prep or no prep. */
#define ONE_OF_EACH 0x1bbbf
#define OTHERS	    0x147df

static bool set(struct oring_sqe *sqe, const struct row *row, int which)
{
	if ((setters[which].operands & row->operands) || (setters[which].flags & row->flags))
		return false;
	setters[which].call(sqe);
	return true;
}

/* Setters of @mask in order, those of @early before prep, the others after it. */
static struct oring_sqe prepared_among(const struct row *row, const struct row_args *args,
				       unsigned int mask, unsigned int early)
{
	struct oring_sqe sqe;
	int which;

	oring_sqe_clear(&sqe);
	for (which = 0; which < SETTERS; which++) {
		if (mask & early & 1U << which)
			set(&sqe, row, which);
	}
	fill(row, &sqe, args);
	for (which = 0; which < SETTERS; which++) {
		if (mask & ~early & 1U << which)
			set(&sqe, row, which);
	}
	return sqe;
}

Test(rows, each_has_its_own_name)
{
	size_t i, j;

	cr_assert_geq(ROW_COUNT, 119);
	for (i = 0; i < ROW_COUNT; i++) {
		for (j = 0; j < i; j++)
			cr_assert_str_neq(rows[i].name, rows[j].name);
		cr_assert_lt(rows[i].op, ORING_OP_LAST);
		cr_assert_geq(rows[i].since, oring_op_since(rows[i].op), "%s", rows[i].name);
		cr_assert_eq(rows[i].operands & rows[i].flags, 0, "%s: one owner", rows[i].name);
		cr_assert(rows[i].operands & FIELD_FD, "%s owns fd", rows[i].name);
	}
}

Test(rows, prep_and_setters_commute)
{
	/*
	 * Law 6: the same 64 bytes, whichever comes first; each setter alone, all
	 * together, and some before and some after.
	 */
	static const unsigned int all = (1U << SETTERS) - 1;
	static const unsigned int halves[] = { 0x15555, 0x2aaaa, 0x001ff, 0x1fe00 };
	size_t i;
	int way, which;
	unsigned int h;

	for (i = 0; i < ROW_COUNT; i++) {
		for (way = 0; way < 3; way++) {
			struct row_args args = args_by(way == 1);
			struct oring_sqe before, after;

			if (way == 2) { /* what is refused is refused either way */
				args.len = TOO_BIG;
				args.slot = ORING_SLOT_ALLOC;
			}
			for (which = 0; which < SETTERS; which++) {
				before = prepared_among(&rows[i], &args, 1U << which, all);
				after = prepared_among(&rows[i], &args, 1U << which, 0);
				cr_assert_eq(memcmp(&before, &after, sizeof(after)), 0,
					     "%s, setter %d", rows[i].name, which);
			}
			after = prepared_among(&rows[i], &args, all, 0);
			before = prepared_among(&rows[i], &args, all, all);
			cr_assert_eq(memcmp(&before, &after, sizeof(after)), 0, "%s", rows[i].name);
			for (h = 0; h < 8; h++) {
				unsigned int mask = h < 4 ? ONE_OF_EACH : OTHERS;
				unsigned int half = halves[h % 4];

				after = prepared_among(&rows[i], &args, mask, 0);
				before = prepared_among(&rows[i], &args, mask, half);
				cr_assert_eq(memcmp(&before, &after, sizeof(after)), 0,
					     "%s, half %x", rows[i].name, half);
			}
		}
	}
}

Test(rows, bits_of_the_caller_survive)
{
	/* A3: what was set before prep is all there after it. */
	size_t i;
	int way, which;

	for (i = 0; i < ROW_COUNT; i++) {
		for (way = 0; way < 2; way++) {
			struct row_args args = args_by(way == 1);

			for (which = 0; which < SETTERS; which++) {
				struct oring_sqe blank, sqe;

				oring_sqe_clear(&blank);
				if (!set(&blank, &rows[i], which))
					continue;
				sqe = prepared_among(&rows[i], &args, 1U << which, ~0U);
				cr_assert_eq(sqe.flags & blank.flags, blank.flags, "%s, setter %d",
					     rows[i].name, which);
				cr_assert_eq(sqe.ioprio & blank.ioprio, blank.ioprio);
				cr_assert_eq(sqe.op_flags & blank.op_flags, blank.op_flags);
				cr_assert_eq(sqe.user_data, blank.user_data);
				cr_assert_eq(sqe.personality, blank.personality);
				cr_assert(!blank.buf_index || sqe.buf_index == blank.buf_index);
				cr_assert(!blank.file_index || sqe.file_index == blank.file_index);
				cr_assert(!blank.addr3 || sqe.addr3 == blank.addr3);
				cr_assert(!blank.pad2 || sqe.pad2 == blank.pad2);
			}
		}
	}
}

Test(rows, ioprio_flags_are_added_to)
{
	/* Only these rows have flags there, and each of the caller's stays beside them. */
	size_t i, seen = 0;
	int bit;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(false);
		struct oring_sqe sqe = prepared(&rows[i], &args);
		uint16_t flags = sqe.ioprio;

		cr_assert_eq(flags != 0, (rows[i].flags & FIELD_IOPRIO) != 0, "%s", rows[i].name);
		cr_assert_not(rows[i].operands & FIELD_IOPRIO, "%s", rows[i].name);
		seen += flags != 0;
		for (bit = 0; bit < 16; bit++) {
			oring_sqe_clear(&sqe);
			oring_sqe_add_ioprio_flags(&sqe, (uint16_t)(1U << bit));
			fill(&rows[i], &sqe, &args);
			cr_assert_eq(sqe.ioprio, flags | 1U << bit, "%s", rows[i].name);
		}
	}
	cr_assert_geq(seen, 14);
}

Test(rows, large_entries_keep_their_second_half)
{
	/* Their command bytes too: those are the caller's. No row writes behind 64 bytes. */
	struct oring_sqe128 sqe;
	size_t i, j, seen = 0;
	unsigned char *bytes = (unsigned char *)&sqe;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(i & 1);
		bool has_command = rows[i].is_large || rows[i].op == ORING_OP_URING_CMD;
		size_t first = has_command && !(rows[i].operands & FIELD_ADDR3) ? 48 : 64;

		seen += rows[i].is_large;
		memset(&sqe, 0, sizeof(sqe));
		memset(bytes + first, 0xb7, sizeof(sqe) - first);
		rows[i].fill(&sqe.sqe, &args);
		for (j = first; j < sizeof(sqe); j++)
			cr_assert_eq(bytes[j], 0xb7, "%s, byte %zu", rows[i].name, j);
		cr_assert_eq(sqe.sqe.opcode, rows[i].op);
	}
	cr_assert_eq(seen, 2);
	cr_assert_eq((unsigned char *)oring_sqe128_cmd(&sqe), bytes + 48);
}

/* Check what is special in an entry for a slot, and make it that for the descriptor again. */
static void undo_slot(const struct row *row, const struct oring_sqe *fd, struct oring_sqe *slot)
{
	cr_assert_eq(fd->fd, is_splice(row) ? OTHER : FD, "%s", row->name);
	switch (row->op) {
	case ORING_OP_CLOSE: /* slot + 1 elsewhere, nothing in fd, and no entry flag */
		cr_assert_eq(fd->file_index, 0);
		cr_assert_eq(slot->fd, 0);
		cr_assert_eq(slot->file_index, FD + 1);
		slot->fd = fd->fd;
		slot->file_index = fd->file_index;
		return;
	case ORING_OP_ASYNC_CANCEL: /* a cancel flag of its own */
		cr_assert_not(fd->op_flags & ORING_ASYNC_CANCEL_FD_FIXED);
		cr_assert_eq(slot->op_flags, fd->op_flags | ORING_ASYNC_CANCEL_FD_FIXED);
		slot->op_flags = fd->op_flags;
		return;
	case ORING_OP_NOP:
		cr_assert_eq(fd->op_flags, ORING_NOP_FILE);
		cr_assert_eq(slot->op_flags, fd->op_flags | ORING_NOP_FIXED_FILE);
		slot->op_flags = fd->op_flags;
		return;
	case ORING_OP_SPLICE: /* out has the flag of all, in one of its own */
	case ORING_OP_TEE:
		cr_assert_eq(fd->file_index, FD);
		cr_assert_eq(slot->op_flags, fd->op_flags | ORING_SPLICE_F_FD_IN_FIXED);
		slot->op_flags = fd->op_flags;
		break;
	}
	cr_assert_eq(slot->flags, ORING_SQE_FIXED_FILE, "%s", row->name);
	slot->flags = 0;
}

Test(rows, slots_and_descriptors_differ_as_documented)
{
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		const struct row *row = &rows[i];
		struct row_args by_fd = args_by(false), by_slot = args_by(false);
		struct oring_sqe fd, slot;

		if (!row->takes_file)
			continue;
		/* The same number as a descriptor and as a slot. */
		by_slot.file = oring_file_slot(FD);
		if (is_splice(row))
			by_slot.other = oring_file_slot(OTHER);
		fd = prepared(row, &by_fd);
		slot = prepared(row, &by_slot);
		cr_assert_eq(fd.flags, 0, "%s", row->name);
		undo_slot(row, &fd, &slot);
		cr_assert_eq(memcmp(&fd, &slot, sizeof(fd)), 0, "%s: the rest is the same",
			     row->name);
	}
}

Test(rows, each_side_of_a_splice_has_its_own_kind)
{
	size_t i;
	int way;

	for (i = 0; i < ROW_COUNT; i++) {
		if (!is_splice(&rows[i]))
			continue;
		for (way = 0; way < 4; way++) {
			struct row_args args = args_by(false);
			struct oring_sqe sqe;

			if (way & 1)
				args.file = oring_file_slot(SLOT);
			if (way & 2)
				args.other = oring_file_slot(OTHER);
			sqe = prepared(&rows[i], &args);
			cr_assert_eq(sqe.fd, OTHER);
			cr_assert_eq(sqe.file_index, way & 1 ? SLOT : FD);
			cr_assert_eq(sqe.flags, way & 2 ? ORING_SQE_FIXED_FILE : 0);
			cr_assert_eq(sqe.op_flags & ORING_SPLICE_F_FD_IN_FIXED,
				     way & 1 ? ORING_SPLICE_F_FD_IN_FIXED : 0);
		}
	}
}

Test(rows, prep_touches_its_fields_only)
{
	/* Laid over two patterns: operands come out equal, flags added to, the rest as it was. */
	static const unsigned char patterns[] = { 0x00, 0xa5, 0x5a, 0xff };
	size_t i, p;
	int way;

	for (i = 0; i < ROW_COUNT; i++) {
		for (way = 0; way < 2; way++) {
			const struct row *row = &rows[i];
			struct row_args args = args_by(way == 1);
			struct oring_sqe blank = prepared(row, &args);

			for (p = 0; p < sizeof(patterns); p++) {
				struct oring_sqe before, after;
				unsigned int field;

				memset(&before, patterns[p], sizeof(before));
				after = before;
				row->fill(&after, &args);
				cr_assert_eq(after.opcode, row->op);
				cr_assert_eq(after.flags, before.flags | blank.flags, "%s",
					     row->name);
				cr_assert_eq(blank.flags & ~ORING_SQE_FIXED_FILE, 0);
				cr_assert_eq(after.user_data, before.user_data);
				cr_assert_eq(after.personality, before.personality);
				for (field = 1; field <= FIELD_PAD2; field <<= 1) {
					uint64_t was = get_field(&before, field);
					uint64_t is = get_field(&after, field);
					uint64_t adds = get_field(&blank, field);

					if (row->operands & field)
						cr_assert_eq(is, adds, "%s, field %x", row->name,
							     field);
					else if (row->flags & field)
						cr_assert_eq(is, was | adds, "%s, field %x",
							     row->name, field);
					else
						cr_assert_eq(is, was, "%s, field %x", row->name,
							     field);
				}
			}
		}
	}
}

Test(rows, each_argument_reaches_the_entry)
{
	/* Another argument makes another entry, in fields that the row names. */
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		const struct row *row = &rows[i];
		struct row_args args = args_by(false);
		struct oring_sqe sqe = prepared(row, &args), other;
		unsigned int field;

		/* A slice of a registered buffer has a test of its own. */
		if (sqe.buf_index == args.buf.index && sqe.len == args.buf.len)
			continue;
		for (args.vary = 1; args.vary <= row->arguments; args.vary++) {
			other = prepared(row, &args);
			cr_assert_neq(memcmp(&sqe, &other, sizeof(sqe)), 0, "%s: argument %d",
				      row->name, args.vary);
			for (field = 1; field <= FIELD_PAD2; field <<= 1) {
				if (!((row->operands | row->flags) & field))
					cr_assert_eq(get_field(&sqe, field),
						     get_field(&other, field));
			}
		}
	}
}

Test(rows, each_part_of_a_slice_reaches_the_entry)
{
	size_t i, seen = 0;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(i & 1);
		struct oring_sqe sqe = prepared(&rows[i], &args), other;

		args.buf.index++;
		other = prepared(&rows[i], &args);
		if (memcmp(&sqe, &other, sizeof(sqe)) == 0)
			continue; /* it takes none */
		seen++;
		cr_assert_eq(other.addr, (uintptr_t)args.buf.addr, "%s", rows[i].name);
		cr_assert_eq(other.len, args.buf.len);
		cr_assert_eq(other.buf_index, args.buf.index);
		args.buf.addr = (void *)UINTPTR_MAX;
		args.buf.len = UINT32_MAX;
		args.buf.index = UINT16_MAX;
		other = prepared(&rows[i], &args);
		cr_assert_eq(other.addr, UINTPTR_MAX);
		cr_assert_eq(other.len, UINT32_MAX);
		cr_assert_eq(other.buf_index, UINT16_MAX);
	}
	cr_assert_eq(seen, 3);
}

Test(rows, slots_are_counted_from_one)
{
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(false);
		struct oring_sqe sqe = prepared(&rows[i], &args);

		if (!rows[i].takes_slot)
			continue;
		cr_assert_eq(sqe.file_index, INDEX + 1, "%s: slot + 1", rows[i].name);
		args.slot = oring_slot_at(0);
		sqe = prepared(&rows[i], &args);
		cr_assert_eq(sqe.file_index, 1, "%s", rows[i].name);
		args.slot = ORING_SLOT_ALLOC;
		sqe = prepared(&rows[i], &args);
		cr_assert_eq(sqe.file_index, ORING_FILE_INDEX_ALLOC);
		cr_assert_eq(oring_sqe_check(&sqe), 0, "%s", rows[i].name);
	}
}

Test(rows, a_length_that_does_not_fit_is_refused)
{
	/* A41: not cut to 5 bytes. */
	static const uint64_t lengths[] = { TOO_BIG, (uint64_t)1 << 32, UINT64_MAX, INT64_MIN };
	size_t i, n;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(i & 1);
		struct oring_sqe sqe;

		if (!rows[i].takes_size)
			continue;
		for (n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++) {
			args.len = (size_t)lengths[n];
			if (args.len != lengths[n])
				continue; /* size_t has 32 bits here: nothing to refuse */
			sqe = prepared(&rows[i], &args);
			cr_assert_eq(sqe.opcode, 255, "%s", rows[i].name);
			cr_assert_eq(oring_sqe_check(&sqe), -EOVERFLOW, "%s", rows[i].name);
		}
		args.len = UINT32_MAX;
		sqe = prepared(&rows[i], &args);
		cr_assert_eq(sqe.opcode, rows[i].op, "%s: the greatest that fits", rows[i].name);
		cr_assert_eq(sqe.len, UINT32_MAX);
	}
}

Test(rows, a_slot_that_wraps_is_refused)
{
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(i & 1);
		struct oring_sqe sqe;

		if (!rows[i].takes_slot)
			continue;
		args.slot = oring_slot_at(0xfffffffe);
		sqe = prepared(&rows[i], &args);
		cr_assert_eq(sqe.opcode, 255, "%s", rows[i].name);
		cr_assert_eq(oring_sqe_check(&sqe), -EBADSLT, "%s", rows[i].name);
		args.slot = oring_slot_at(0xfffffffd);
		sqe = prepared(&rows[i], &args);
		cr_assert_eq(sqe.opcode, rows[i].op, "%s: the greatest that fits", rows[i].name);
		cr_assert_eq(sqe.file_index, 0xfffffffe);
	}
}

Test(rows, close_of_a_slot_that_wraps_is_refused)
{
	/* slot + 1 would be 0, and close descriptor 0. */
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_close(&sqe, oring_file_slot(0xffffffff));
	cr_assert_eq(sqe.opcode, 255);
	cr_assert_eq(oring_sqe_check(&sqe), -EBADSLT);
	oring_sqe_clear(&sqe);
	oring_prep_close(&sqe, oring_file_slot(0xfffffffe));
	cr_assert_eq(sqe.opcode, ORING_OP_CLOSE);
	cr_assert_eq(sqe.file_index, 0xffffffff);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	oring_sqe_clear(&sqe);
	oring_prep_close(&sqe, oring_file_fd(-1));
	cr_assert_eq(sqe.opcode, ORING_OP_CLOSE, "a bad descriptor is the kernel's to refuse");
	cr_assert_eq(sqe.fd, -1);
}

/* Submit @sqe as it is, but for identity: the kernel says -EINVAL to that identity. */
static void check_refused(struct rig *rig, const struct oring_sqe *sqe, const char *name)
{
	struct oring_sqe *copy = oring_sq_push(&rig->ring, sqe);

	cr_assert_not_null(copy);
	cr_assert_eq(copy->opcode, 255, "%s", name);
	oring_sqe_set_user_data(copy, rig->next_id++);
	cr_assert_eq(rig_result(rig), -EINVAL, "%s", name);
}

RING_TEST(rows, refused_entries_complete)
{
	struct row_args args;
	struct oring_sqe sqe;
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		if (rows[i].takes_size && sizeof(size_t) > 4) {
			args = args_by(i & 1);
			args.len = (size_t)TOO_BIG;
			sqe = prepared(&rows[i], &args);
			check_refused(rig, &sqe, rows[i].name);
		}
		if (rows[i].takes_slot) {
			args = args_by(i & 1);
			args.slot = oring_slot_at(0xfffffffe);
			sqe = prepared(&rows[i], &args);
			check_refused(rig, &sqe, rows[i].name);
		}
	}
	oring_sqe_clear(&sqe);
	oring_prep_close(&sqe, oring_file_slot(0xffffffff));
	check_refused(rig, &sqe, "close");
}

RING_TEST(rows, refused_entries_end_their_chain)
{
	/* Trap 10: nothing runs that should have come after what was refused. */
	static char buf[8];
	struct oring_sqe *sqe;
	uint64_t first_id = rig->next_id;
	int results[3] = { 1, 1, 1 };
	int i;

	oring_prep_nop(rig_sqe(rig));
	oring_sqe_link(oring_sq_at(&rig->ring, rig->ring.sq_reserved - 1));
	sqe = rig_sqe(rig);
	oring_prep_read(sqe, oring_file_fd(0), buf, (size_t)TOO_BIG, 0);
	if (sqe->opcode != 255)
		oring_sqe_refuse(sqe, ORING_REFUSED_LENGTH); /* size_t has 32 bits */
	oring_sqe_link(sqe);
	oring_prep_nop(rig_sqe(rig));
	for (i = 0; i < 3; i++) {
		struct oring_cqe cqe = rig_reap(rig);

		cr_assert_lt(cqe.user_data - first_id, 3);
		results[cqe.user_data - first_id] = cqe.res;
	}
	cr_assert_eq(results[0], -ECANCELED);
	cr_assert_eq(results[1], -EINVAL);
	cr_assert_eq(results[2], -ECANCELED);
}

/* As its doc wants it: with buffer selection where it needs that. */
static struct oring_sqe as_documented(const struct row *row, const struct row_args *args)
{
	struct oring_sqe sqe = prepared(row, args);

	if (row->needs_group)
		set_group(&sqe);
	/* The made-up flags have it, which a multishot receive must not. */
	if ((row->op == ORING_OP_RECV || row->op == ORING_OP_RECVMSG) &&
	    (sqe.ioprio & ORING_RECV_MULTISHOT))
		sqe.op_flags &= ~(uint32_t)MSG_WAITALL;
	return sqe;
}

/* The operations in which the kernel can choose a buffer: 6.18 was asked of each. */
static bool selects(unsigned int op)
{
	return op == ORING_OP_READ || op == ORING_OP_READV || op == ORING_OP_RECV ||
	       op == ORING_OP_RECVMSG || op == ORING_OP_SEND || op == ORING_OP_READ_MULTISHOT;
}

Test(rows, check_finds_a_group_without_use)
{
	size_t i, seen = 0;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(i & 1);
		struct oring_sqe sqe = prepared(&rows[i], &args);

		if (selects(rows[i].op) || rows[i].needs_group || !set(&sqe, &rows[i], GROUP))
			continue;
		seen++;
		cr_assert_eq(oring_sqe_check(&sqe), -EINVAL, "%s", rows[i].name);
	}
	cr_assert_gt(seen, 60);
}

/* What the kernel never lets go without a completion. */
static bool always_completes(const struct oring_sqe *sqe)
{
	return sqe->opcode == ORING_OP_SEND_ZC || sqe->opcode == ORING_OP_SENDMSG_ZC ||
	       (sqe->opcode == ORING_OP_POLL_ADD && (sqe->len & ORING_POLL_ADD_MULTI));
}

Test(rows, check_finds_nothing_wrong)
{
	size_t i;
	int way, which;

	for (i = 0; i < ROW_COUNT; i++) {
		for (way = 0; way < 2; way++) {
			struct row_args args = args_by(way == 1);
			struct oring_sqe sqe = as_documented(&rows[i], &args);

			cr_assert_eq(oring_sqe_check(&sqe), 0, "%s", rows[i].name);
			/* Flags, identity and personality suit any operation. */
			for (which = 0; which < UNIVERSAL; which++) {
				if (which == SKIPS && always_completes(&sqe))
					continue;
				set(&sqe, &rows[i], which);
				cr_assert_eq(oring_sqe_check(&sqe), 0, "%s", rows[i].name);
			}
			if (selects(rows[i].op) && set(&sqe, &rows[i], GROUP))
				cr_assert_eq(oring_sqe_check(&sqe), 0, "%s", rows[i].name);
		}
	}
}

Test(rows, check_finds_a_missing_group)
{
	/* Where the doc says -EINVAL, and nowhere else. */
	size_t i, seen = 0;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(i & 1);
		struct oring_sqe sqe = prepared(&rows[i], &args);

		seen += rows[i].needs_group;
		/* A bundle into no group is a receive of no bytes, which the kernel takes. */
		if (strcmp(rows[i].name, "recv_bundle") == 0)
			continue;
		cr_assert_eq(oring_sqe_check(&sqe), rows[i].needs_group ? -EINVAL : 0, "%s",
			     rows[i].name);
	}
	cr_assert_eq(seen, 7);
}

Test(rows, check_finds_waitall_in_a_multishot_receive)
{
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_recv_multishot(&sqe, oring_file_fd(0), 0);
	set_group(&sqe);
	cr_assert_eq(oring_sqe_check(&sqe), 0);
	oring_sqe_add_op_flags(&sqe, MSG_WAITALL);
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL);
}

Test(rows, check_finds_cloexec_beside_a_slot)
{
	size_t i, seen = 0;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(i & 1);
		struct oring_sqe sqe = prepared(&rows[i], &args);
		bool takes = rows[i].op == ORING_OP_SOCKET || rows[i].op == ORING_OP_OPENAT ||
			     rows[i].op == ORING_OP_ACCEPT || rows[i].op == ORING_OP_PIPE;

		if (!takes)
			continue;
		if (rows[i].op == ORING_OP_SOCKET)
			sqe.off |= SOCK_CLOEXEC;
		else
			sqe.op_flags |= O_CLOEXEC;
		seen += sqe.file_index != 0;
		cr_assert_eq(oring_sqe_check(&sqe), sqe.file_index ? -EINVAL : 0, "%s",
			     rows[i].name);
	}
	cr_assert_eq(seen, 5);
}

Test(rows, check_finds_skips_where_all_must_complete)
{
	size_t i, seen = 0;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(i & 1);
		struct oring_sqe sqe = as_documented(&rows[i], &args);

		seen += always_completes(&sqe);
		oring_sqe_skip_success(&sqe);
		cr_assert_eq(oring_sqe_check(&sqe), always_completes(&sqe) ? -EINVAL : 0, "%s",
			     rows[i].name);
	}
	cr_assert_eq(seen, 9);
}

Test(rows, check_finds_fields_without_use)
{
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(false);
		unsigned int understood = oring_opinfo[rows[i].op].understood;
		unsigned int field;

		cr_assert_eq((rows[i].operands | rows[i].flags) & ~understood, 0,
			     "%s: the operation understands what prep sets", rows[i].name);
		for (field = 1; field <= FIELD_PAD2; field <<= 1) {
			struct oring_sqe sqe = as_documented(&rows[i], &args);
			bool selects = rows[i].needs_group && field == FIELD_BUF_INDEX;

			set_field(&sqe, field, get_field(&sqe, field) | 1);
			if (sqe.opcode == ORING_OP_ACCEPT && (sqe.ioprio & 1) &&
			    sqe.file_index + 1 > 1)
				continue; /* multishot into a named slot */
			cr_assert_eq(oring_sqe_check(&sqe),
				     understood & field || selects ? 0 : -EINVAL, "%s, field %x",
				     rows[i].name, field);
		}
	}
}

Test(rows, check_finds_what_the_kernel_would)
{
	/* Some mistakes by hand, so that the table is not its own judge. */
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_nop(&sqe);
	sqe.addr3 = 1;
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL, "no memory for a nop");
	oring_sqe_clear(&sqe);
	oring_prep_fsync(&sqe, oring_file_fd(1), 0);
	sqe.addr3 = 1;
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL);
	oring_sqe_clear(&sqe);
	oring_prep_close(&sqe, oring_file_fd(1));
	oring_sqe_add_op_flags(&sqe, 1);
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL);
	oring_sqe_clear(&sqe);
	oring_prep_connect(&sqe, oring_file_fd(1), NULL, 0);
	oring_sqe_poll_first(&sqe);
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL, "no flags of send and receive");
	oring_sqe_clear(&sqe);
	oring_prep_write_fixed(&sqe, oring_file_fd(1), NULL, 1, 0, 7);
	oring_prep_shutdown(&sqe, oring_file_fd(1), SHUT_WR);
	cr_assert_eq(oring_sqe_check(&sqe), -EINVAL, "prepared twice");
	oring_sqe_clear(&sqe);
	oring_prep_write(&sqe, oring_file_fd(1), NULL, 1, 0);
	oring_sqe_set_ioprio(&sqe, 1 << 13);
	oring_sqe_add_op_flags(&sqe, 2);
	cr_assert_eq(oring_sqe_check(&sqe), 0, "a write has both");
}

RING_TEST(rows, check_agrees_with_the_kernel)
{
	/* Trap 13: what check calls a mistake, the kernel refuses or, for some fields, ignores. */
	struct oring_sqe *sqe;
	int ret;

	sqe = rig_sqe(rig);
	oring_prep_fsync(sqe, oring_file_fd(1), 0);
	sqe->addr = 1;
	cr_assert_eq(oring_sqe_check(sqe), -EINVAL);
	cr_assert_eq(rig_result(rig), -EINVAL);
	sqe = rig_sqe(rig);
	oring_prep_close(sqe, oring_file_fd(1000000));
	sqe->len = 1;
	cr_assert_eq(oring_sqe_check(sqe), -EINVAL);
	cr_assert_eq(rig_result(rig), -EINVAL);
	sqe = rig_sqe(rig);
	oring_prep_shutdown(sqe, oring_file_fd(1), SHUT_WR); /* 5.10 looks for the file first */
	sqe->off = 1;
	cr_assert_eq(oring_sqe_check(sqe), -EINVAL);
	cr_assert_eq(rig_result(rig), -EINVAL);
	sqe = rig_sqe(rig);
	oring_prep_poll_remove(sqe, oring_context_from_bits(4711));
	sqe->buf_index = 1;
	cr_assert_eq(oring_sqe_check(sqe), -EINVAL);
	ret = rig_result(rig);
	cr_assert(ret == -EINVAL || ret == -ENOENT, "%d", ret); /* 5.10 ignores it */
	sqe = rig_sqe(rig);
	oring_prep_timeout_remove(sqe, oring_context_from_bits(4711));
	sqe->file_index = 1;
	cr_assert_eq(oring_sqe_check(sqe), -EINVAL);
	cr_assert_eq(rig_result(rig), -EINVAL);
}

Test(rows, check_knows_its_operations)
{
	static const struct oring_sqe blank;
	unsigned int op;

	for (op = 0; op < 256; op++) {
		struct oring_sqe sqe = blank;

		sqe.opcode = (uint8_t)op;
		if (op == 255)
			cr_assert_lt(oring_sqe_check(&sqe), 0);
		else if (op == ORING_OP_READ_MULTISHOT || op == ORING_OP_RECV_ZC ||
			 op == ORING_OP_FIXED_FD_INSTALL)
			cr_assert_eq(oring_sqe_check(&sqe), -EINVAL, "blank, it lacks a flag");
		else
			cr_assert_eq(oring_sqe_check(&sqe), op < 65 ? 0 : -EOPNOTSUPP, "%u", op);
	}
}

/* What oring_sqe_file() shall say of an entry of @row that was prepared with @args. */
static oring_file file_of(const struct row *row, const struct row_args *args,
			  const struct oring_sqe *sqe)
{
	if (is_splice(row))
		return args->other;
	if (row->takes_file)
		return args->file;
	if (row->op == ORING_OP_FIXED_FD_INSTALL)
		return oring_file_slot(args->slot.index);
	return oring_file_fd(sqe->fd);
}

Test(rows, direct_context_says_what_the_entry_says)
{
	/* A7, for every row; the caller's flags and the buffer group among it. */
	static const uint32_t files[] = { 0, 1, 5, 4096, (1U << 29) - 1 };
	size_t i, n;
	int way;

	for (i = 0; i < ROW_COUNT; i++) {
		const struct row *row = &rows[i];

		for (way = 0; way < 4; way++) {
			for (n = 0; n < sizeof(files) / sizeof(files[0]); n++) {
				struct row_args args = args_by(false);
				struct oring_sqe sqe;
				oring_context context;
				oring_file file;
				uint8_t flags;

				args.file = way & 1 ? oring_file_slot(files[n])
						    : oring_file_fd((int)files[n]);
				args.other = args.file;
				sqe = prepared(row, &args);
				if (way & 2) {
					oring_sqe_link(&sqe);
					oring_sqe_async(&sqe);
					if (!(row->operands & FIELD_BUF_INDEX))
						oring_sqe_buffer_select(&sqe, 0xbeef);
				}
				sqe.user_data = 77;
				cr_assert_eq(oring_sqe_set_direct(&sqe), 0, "%s", row->name);
				context = oring_context_from_bits(sqe.user_data);
				file = file_of(row, &args, &sqe);
				flags = (uint8_t)((sqe.flags & ~ORING_SQE_FIXED_FILE) |
						  oring_file_flag(file));
				cr_assert_eq(oring_context_kind_of(context), ORING_CONTEXT_DIRECT);
				cr_assert_eq(oring_context_op(context), row->op);
				cr_assert_eq(oring_context_flags(context), flags, "%s", row->name);
				cr_assert_eq(oring_context_tag(context), sqe.buf_index);
				cr_assert_eq(oring_context_file(context).bits, file.bits, "%s",
					     row->name);
			}
		}
	}
}

Test(rows, direct_context_refuses_what_does_not_fit)
{
	/* A1: an error, not a mask; and the identity is as it was. */
	static const uint32_t files[] = { 1U << 29, INT32_MAX, 0x80000000 };
	size_t i, n;
	int way;

	for (i = 0; i < ROW_COUNT; i++) {
		for (way = 0; way < 2; way++) {
			for (n = 0; n < sizeof(files) / sizeof(files[0]); n++) {
				struct row_args args = args_by(false);
				struct oring_sqe sqe;

				if (!rows[i].takes_file)
					continue;
				args.file = way ? oring_file_slot(files[n])
						: oring_file_fd((int)files[n]);
				args.other = args.file;
				sqe = prepared(&rows[i], &args);
				sqe.user_data = 0x123456789abcdef0;
				cr_assert_eq(oring_sqe_set_direct(&sqe), -ERANGE, "%s",
					     rows[i].name);
				cr_assert_eq(sqe.user_data, 0x123456789abcdef0);
			}
		}
	}
}

Test(rows, direct_context_without_a_file)
{
	/* A2: AT_FDCWD survives; operations without a file carry -1. */
	static struct oring_timespec ts;
	struct oring_sqe sqe;
	oring_context context;
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(false);

		args.number = (uint64_t)(int64_t)-200; /* the first argument is number >> 1 */
		switch (rows[i].op) {
		case ORING_OP_SYMLINKAT: /* the second one: (number + 4096) >> 2 */
			args.number = (uint64_t)(int64_t)(-400 - 4096);
			/* fallthrough */
		case ORING_OP_MKDIRAT:
		case ORING_OP_LINKAT:
		case ORING_OP_OPENAT:
		case ORING_OP_OPENAT2:
		case ORING_OP_STATX:
		case ORING_OP_UNLINKAT:
		case ORING_OP_RENAMEAT:
			sqe = prepared(&rows[i], &args);
			cr_assert_eq(sqe.fd, ORING_AT_FDCWD, "%s", rows[i].name);
			cr_assert_eq(oring_sqe_set_direct(&sqe), 0);
			context = oring_context_from_bits(sqe.user_data);
			cr_assert_eq(oring_context_file(context).bits,
				     oring_file_fd(ORING_AT_FDCWD).bits, "%s", rows[i].name);
			cr_assert_eq(oring_file_value(oring_context_file(context)), -100);
		}
	}
	oring_sqe_clear(&sqe);
	oring_prep_timeout(&sqe, &ts, 0, 0);
	cr_assert_eq(oring_sqe_set_direct(&sqe), 0);
	context = oring_context_from_bits(sqe.user_data);
	cr_assert_eq(oring_context_file(context).bits, oring_file_fd(-1).bits);
}

Test(rows, numbers_keep_all_their_bits)
{
	static const uint32_t files[] = { INT32_MAX, 0x80000000, 0xfffffffe, 0xffffffff, 0 };
	size_t i, n;

	for (i = 0; i < ROW_COUNT; i++) {
		for (n = 0; n < sizeof(files) / sizeof(files[0]); n++) {
			struct row_args args = args_by(false);
			struct oring_sqe sqe;

			if (!rows[i].takes_file)
				continue;
			args.file = oring_file_fd((int)files[n]);
			args.other = args.file;
			sqe = prepared(&rows[i], &args);
			cr_assert_eq((uint32_t)sqe.fd, files[n], "%s", rows[i].name);
			cr_assert_eq(oring_sqe_file(&sqe).bits, args.file.bits, "%s", rows[i].name);
			if (rows[i].op == ORING_OP_CLOSE && files[n] == 0xffffffff)
				continue; /* refused */
			args.file = oring_file_slot(files[n]);
			args.other = args.file;
			sqe = prepared(&rows[i], &args);
			cr_assert_eq(oring_sqe_file(&sqe).bits, args.file.bits, "%s", rows[i].name);
		}
	}
}

Test(rows, addresses_and_offsets_keep_all_their_bits)
{
	/* The top and the bottom bit of every operand of 64 bits. */
	struct oring_sqe sqe;
	char *high = (char *)(uintptr_t)0xfedcba9876543211;

	oring_sqe_clear(&sqe);
	oring_prep_read(&sqe, oring_file_fd(1), high, UINT32_MAX, 0x8000000000000001);
	cr_assert_eq(sqe.addr, (uint64_t)(uintptr_t)high);
	cr_assert_eq(sqe.off, 0x8000000000000001);
	cr_assert_eq(sqe.len, UINT32_MAX);
	oring_sqe_clear(&sqe);
	oring_prep_fallocate(&sqe, oring_file_fd(1), 0x8000000000000001, 0x8000000000000002, -1);
	cr_assert_eq(sqe.addr, 0x8000000000000001);
	cr_assert_eq(sqe.off, 0x8000000000000002);
	cr_assert_eq(sqe.len, UINT32_MAX);
	oring_sqe_clear(&sqe);
	oring_prep_splice(&sqe, oring_file_fd(1), INT64_MIN, oring_file_fd(2), -1, 1, 0);
	cr_assert_eq(sqe.addr, 0x8000000000000000);
	cr_assert_eq(sqe.off, UINT64_MAX);
	oring_sqe_clear(&sqe);
	oring_prep_poll_update(&sqe, oring_context_from_bits(0x8000000000000001),
			       oring_context_from_bits(UINT64_MAX), UINT32_MAX, UINT32_MAX);
	cr_assert_eq(sqe.addr, 0x8000000000000001);
	cr_assert_eq(sqe.off, UINT64_MAX);
	cr_assert_eq(sqe.len, UINT32_MAX);
	cr_assert_eq(sqe.op_flags, UINT32_MAX);
	oring_sqe_clear(&sqe);
	oring_prep_msg_ring(&sqe, oring_file_fd(1), oring_context_from_bits(UINT64_MAX), INT32_MIN,
			    0);
	cr_assert_eq(sqe.off, UINT64_MAX);
	cr_assert_eq(sqe.len, 0x80000000);
	/* 32 bits are not extended by their sign. */
	oring_sqe_clear(&sqe);
	oring_prep_socket(&sqe, -1, INT32_MIN, -1);
	cr_assert_eq(sqe.off, 0x80000000);
	cr_assert_eq(sqe.len, UINT32_MAX);
	oring_sqe_clear(&sqe);
	oring_prep_bind(&sqe, oring_file_fd(1), NULL, UINT32_MAX);
	cr_assert_eq(sqe.off, UINT32_MAX);
	oring_sqe_clear(&sqe);
	oring_prep_timeout(&sqe, NULL, UINT32_MAX, 0);
	cr_assert_eq(sqe.off, UINT32_MAX);
}

/* ---- what a result is ---- */

/* Whether all rows of an operation give the same; a slot is a kind of descriptor. */
static bool gives_one_kind(unsigned int op)
{
	unsigned int kinds = 0;
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		unsigned int gives = rows[i].gives;

		if (rows[i].op == op)
			kinds |= 1U << (gives == ORING_RESULT_SLOT ? ORING_RESULT_FD : gives);
	}
	return (kinds & (kinds - 1)) == 0;
}

Test(rows, results_are_what_the_docs_say)
{
	size_t i, seen = 0;

	for (i = 0; i < ROW_COUNT; i++) {
		struct row_args args = args_by(i & 1);
		struct oring_sqe sqe = prepared(&rows[i], &args);

		if (!gives_one_kind(rows[i].op)) {
			cr_assert_eq(oring_sqe_result(&sqe), ORING_RESULT_VALUE, "%s",
				     rows[i].name);
			continue;
		}
		seen++;
		cr_assert_eq(oring_sqe_result(&sqe), rows[i].gives, "%s", rows[i].name);
	}
	cr_assert_geq(seen, 90);
}

Test(rows, an_update_wants_a_named_slot)
{
	/* The kernel would choose slots and write them over the caller's list. */
	int32_t fd = -1;
	struct oring_sqe sqe;

	oring_sqe_clear(&sqe);
	oring_prep_files_update(&sqe, &fd, 1, ORING_SLOT_ALLOC);
	cr_assert_eq(oring_sqe_check(&sqe), -EBADSLT);
}
