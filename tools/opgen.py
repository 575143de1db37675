#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the generated files from tools/ops.tbl.

    tools/opgen.py           write them
    tools/opgen.py --check   write nothing; exit 1 if one differs

The output is committed C that people read, grep and step through. The build
never runs this program.
"""
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# The fields of struct oring_sqe that a row may name, with their C types.
FIELDS = {
    "ioprio": "uint16_t", "fd": "int32_t", "off": "uint64_t", "addr": "uint64_t",
    "len": "uint32_t", "op_flags": "uint32_t", "buf_index": "uint16_t",
    "file_index": "uint32_t", "addr3": "uint64_t", "pad2": "uint64_t",
}
# How a 32-bit size that does not fit, or a slot that would wrap, is refused.
REFUSALS = {"size": ("!oring_len_fits(%s)", "ORING_REFUSED_LENGTH"),
            "slot": ("!oring_slot_fits(%s)", "ORING_REFUSED_SLOT"),
            "named_slot": ("%s.index == ORING_FILE_INDEX_ALLOC", "ORING_REFUSED_SLOT"),
            "close_file": ("!oring_file_closes(%s)", "ORING_REFUSED_SLOT")}
# What each file expression writes besides fd.
FILE_KINDS = ("file", "close_file", "cancel_file", "splice_file", "nop_file", "from_slot")
EXPRESSIONS = FILE_KINDS + ("fixed_buf", "size", "slot", "named_slot", "in", "out", "context")
# What a result >= 0 is: enum oring_result.
GIVES = {"none": "nothing: 0", "bytes": "a number of bytes", "fd": "a new descriptor",
         "slot": "the slot that the kernel chose; 0 for a named one",
         "events": "a mask of POLL* bits", "count": "how many",
         "index": "which of several", "value": "what the operation or its driver says"}


class TableError(Exception):
    pass


class Row:
    """One prep function."""

    def __init__(self, name, op, since, args):
        self.name, self.op, self.since, self.args = name, op, since, args
        self.assigns, self.ors, self.caller, self.doc = [], [], [], []
        self.gives, self.entry = None, "64"

    def operands(self):
        fields = [field for field, _ in self.assigns]
        for _, expr in self.assigns:
            fields += {"close_file": ["file_index"],
                       "fixed_buf": ["len", "buf_index"]}.get(call(expr)[0], [])
        return fields

    def flag_fields(self):
        fields = [field for field, _ in self.ors]
        for _, expr in self.assigns:
            if call(expr)[0] in ("cancel_file", "splice_file", "nop_file"):
                fields.append("op_flags")
        return sorted(set(fields))

    def understood(self):
        return set(self.operands()) | set(self.flag_fields()) | set(self.caller)

    def memory(self):
        """[(field, direction, how much)] of what its addresses point to."""
        return [(field, call(expr)[0], extent(expr)) for field, expr in self.assigns
                if call(expr)[0] in ("in", "out")]

    def uses(self, function):
        return any(call(expr)[0] == function for _, expr in self.assigns)


def call(expr):
    """('file', 'x') of 'file(x)'; (None, expr) of any other expression."""
    match = re.fullmatch(r"([a-z_]+)\((\w+)(?:,[\w*]+)?\)", expr)
    return match.groups() if match and match.group(1) in EXPRESSIONS else (None, expr)


def extent(expr):
    """How much an in() or out() expression points to: '16', 'len', '16*len', 'string', ..."""
    match = re.fullmatch(r"(?:in|out)\(\w+,([\w*]+)\)", expr)
    if not match:
        raise TableError("how much memory is this: " + expr)
    return match.group(1)


def read_table(path):
    ops, rows = [], []
    with open(path, encoding="utf-8") as table:
        for number, line in enumerate(table, 1):
            try:
                read_line(line.rstrip("\n"), ops, rows)
            except TableError as error:
                raise TableError("%s:%d: %s" % (os.path.basename(path), number, error))
    check_table(ops, rows)
    return ops, rows


def read_line(line, ops, rows):
    if not line.strip() or line.startswith("#"):
        return
    match = re.fullmatch(r"op +(\d+) (\w+) +(\d+\.\d+)", line)
    if match:
        ops.append((int(match.group(1)), match.group(2), match.group(3)))
        return
    match = re.fullmatch(r"\[(\w+)\] (\w+) (\d+\.\d+) \((.*)\)", line)
    if match:
        args = [split_arg(arg) for arg in match.group(4).split(", ") if arg]
        rows.append(Row(match.group(1), match.group(2), match.group(3), args))
        return
    if not line.startswith("  ") or not rows:
        raise TableError("cannot read this line: " + line)
    read_stanza_line(line.strip(), rows[-1])


def read_stanza_line(text, row):
    if re.match(r"[a-z_0-9]+\|?=\S", text) and not row.doc:
        for item in text.split():
            match = re.fullmatch(r"([a-z_0-9]+)(\|?=)(\S+)", item)
            if not match:
                raise TableError("not field=expression: " + item)
            field, sign, expr = match.groups()
            if field == "caller":
                row.caller += expr.split(",")
            elif field == "gives" and expr in GIVES:
                row.gives = expr
            elif field == "entry" and expr in ("64", "128"):
                row.entry = expr
            elif field not in FIELDS:
                raise TableError("no such field: " + field)
            elif sign == "=":
                row.assigns.append((field, expr))
            else:
                row.ors.append((field, expr))
    else:
        row.doc.append(text)


def split_arg(arg):
    match = re.fullmatch(r"(.*[ *])(\w+)", arg)
    if not match or re.search(r"struct (?!\w)", arg):
        raise TableError("cannot read argument: " + arg)
    return match.group(1).strip(), match.group(2)


def check_table(ops, rows):
    if [number for number, _, _ in ops] != list(range(len(ops))):
        raise TableError("operations are not numbered 0, 1, 2, ...")
    if len(ops) > 255:
        raise TableError("an opcode above 254: 255 is for refused entries")
    known = {name for _, name, _ in ops}
    names = [row.name for row in rows]
    for row in rows:
        if row.op not in known:
            raise TableError("row %s: no operation %s" % (row.name, row.op))
        if names.count(row.name) > 1:
            raise TableError("row %s stands twice" % row.name)
        if "fd" not in row.operands():
            raise TableError("row %s does not say what fd is" % row.name)
        if len(row.operands()) != len(set(row.operands())):
            raise TableError("row %s assigns a field twice" % row.name)
        if not row.gives:
            raise TableError("row %s does not say what it gives" % row.name)
        row.memory()
        if not row.doc or not any(line.startswith("Result:") for line in row.doc):
            raise TableError("row %s does not say what its result is" % row.name)
        for field in row.caller:
            if field not in FIELDS:
                raise TableError("row %s: no such field: %s" % (row.name, field))


# ---- C ----

NOTICE = "Generated by tools/opgen.py from tools/ops.tbl: change those."


def c_head(what):
    return ["/* SPDX-License-Identifier: MIT */", "/* %s */" % NOTICE,
            "/* clang-format off */"] + ["/**"] + [" * " + line for line in what] + [" */"]


def op_h(ops, rows):
    lines = c_head(["op.h - the operations and the kernel release that each came with"])
    lines += ["#ifndef ORING_OP_H", "#define ORING_OP_H", "", '#include "attr.h"', "",
              "ORING_BEGIN_DECLS", "", "enum oring_op {"]
    for number, name, since in ops:
        lines.append("\tORING_OP_%s = %d, /* %s */" % (name, number, since))
    lines += ["\t/* Not an operation: how many this library knows. */",
              "\tORING_OP_LAST = %d," % len(ops),
              "\t/* Not an operation: an entry that prep refused. See oring_sqe_refuse(). */",
              "\tORING_OP_REFUSED = 255", "};", "",
              "/** oring_op_name - the name of @op as the kernel spells it, or \"UNKNOWN\". */",
              "ORING_API const char *oring_op_name(unsigned int op);", "",
              "/** oring_op_since - first kernel release, major << 8 | minor; 0 if unknown. */",
              "ORING_API unsigned int oring_op_since(unsigned int op);", "",
              "/* What a result >= 0 of an operation is. */", "enum oring_result {"]
    lines += ["\tORING_RESULT_%s%s /* %s */" % (kind.upper(), "" if kind == list(GIVES)[-1] else ",", text)
              for kind, text in GIVES.items()]
    lines += ["};", "",
              "/** oring_op_result - what a result >= 0 of @op is: enum oring_result; see oring_sqe_result(). */",
              "ORING_API unsigned int oring_op_result(unsigned int op);", "",
              "ORING_END_DECLS", "", "#endif"]
    return lines


def wrap(words, first, rest, width=96):
    """Fold words into lines that begin with first, then rest; a tab counts as 8."""
    lines, line = [], first
    for word in words:
        joined = line + ("" if line in (first, rest) else " ") + word
        if len(joined.expandtabs()) > width and line not in (first, rest):
            lines.append(line)
            line = rest + word
        else:
            line = joined
    return lines + [line]


def declarator(kind, name):
    return kind + name if kind.endswith("*") else kind + " " + name


def signature(row):
    args = [("struct oring_sqe128 *" if row.entry == "128" else "struct oring_sqe *", "sqe")] + row.args
    text = ", ".join(declarator(kind, name) for kind, name in args)
    return wrap([word + ("," if not last else ")") for word, last in
                 zip(text.split(", "), [False] * (len(args) - 1) + [True])],
                "ORING_INLINE void oring_prep_%s(" % row.name, "\t\t")


# Fields of one size, side by side: see struct oring_sqe_apart in sqe.h.
NEIGHBOURS = [("addr", "off"), ("len", "op_flags")]


def keep_apart(body, field, neighbour):
    """Stores a field by its own function if its neighbour is stored too."""
    to = "sqe->%s = " % field
    if not any(line.startswith("sqe->%s " % neighbour) for line in body):
        return body
    return ["oring_put_%s(sqe, %s);" % (field, line[len(to):-1]) if line.startswith(to) else line
            for line in body]


def statements(row):
    body = ["sqe->opcode = ORING_OP_%s;" % row.op]
    for field, expr in row.assigns:
        body += assign(field, *call(expr))
    for field, expr in row.ors:
        body.append("sqe->%s |= %s;" % (field, expr.replace("|", " | ")))
    for pair in NEIGHBOURS:
        body = keep_apart(body, *pair)
    for _, expr in row.assigns:
        function, arg = call(expr)
        if function in REFUSALS:
            test, reason = REFUSALS[function]
            body += ["if (oring_unlikely(%s))" % (test % arg),
                     "\toring_sqe_refuse(sqe, %s);" % reason]
    if row.entry == "128":
        body = [line.replace("sqe->", "sqe->sqe.").replace("(sqe,", "(&sqe->sqe,") for line in body]
    return body


def assign(field, function, arg):
    to = "sqe->%s = " % field
    if function == "file":
        return ["sqe->fd = oring_file_value(%s);" % arg, "sqe->flags |= oring_file_flag(%s);" % arg]
    if function == "close_file":
        return ["sqe->fd = oring_file_is_slot(%s) ? 0 : oring_file_value(%s);" % (arg, arg),
                "sqe->file_index = oring_file_is_slot(%s) ?" % arg,
                "\t(uint32_t)oring_file_value(%s) + 1 : 0;" % arg]
    if function == "cancel_file":
        return ["sqe->fd = oring_file_value(%s);" % arg,
                "sqe->op_flags |= oring_file_is_slot(%s) ? ORING_ASYNC_CANCEL_FD_FIXED : 0;" % arg]
    if function == "splice_file":
        return ["sqe->file_index = (uint32_t)oring_file_value(%s);" % arg,
                "sqe->op_flags |= oring_file_is_slot(%s) ? ORING_SPLICE_F_FD_IN_FIXED : 0;" % arg]
    if function == "nop_file":
        return ["sqe->fd = oring_file_value(%s);" % arg,
                "sqe->op_flags |= oring_file_is_slot(%s) ? ORING_NOP_FIXED_FILE : 0;" % arg]
    if function == "from_slot":
        return ["sqe->fd = (int32_t)%s.index;" % arg, "sqe->flags |= ORING_SQE_FIXED_FILE;"]
    if function == "fixed_buf":
        return ["sqe->addr = (uint64_t)(uintptr_t)%s.addr;" % arg, "sqe->len = %s.len;" % arg,
                "sqe->buf_index = %s.index;" % arg]
    if function == "slot":
        return [to + "%s.index == ORING_FILE_INDEX_ALLOC ?" % arg,
                "\tORING_FILE_INDEX_ALLOC : %s.index + 1;" % arg]
    if function == "named_slot":
        return [to + "%s.index;" % arg]
    if function == "size":
        return [to + "(uint32_t)%s;" % arg]
    if function in ("in", "out"):
        return [to + "(uint64_t)(uintptr_t)%s;" % arg]
    if function == "context":
        return [to + "%s.bits;" % arg]
    return [to + "%s;" % arg.replace(",", ", ")]


def refusal_doc(row):
    refused = []
    if row.uses("size"):
        refused.append("a length or count above 32 bits")
    if row.uses("slot"):
        refused.append("slot 2^32 - 2")
    if row.uses("named_slot"):
        refused.append("ORING_SLOT_ALLOC")
    if row.uses("close_file"):
        refused.append("slot 2^32 - 1")
    if not refused:
        return []
    return ["Refused, and completed with -EINVAL: %s." % " or ".join(refused)]


def prep_doc(row):
    title = row.doc[0][0].lower() + row.doc[0][1:].rstrip(".")
    lines = ["/**", " * oring_prep_%s - %s" % (row.name, title)]
    if row.doc[1:]:
        lines.append(" *")
    lines += [" * " + text for text in row.doc[1:] + refusal_doc(row)]
    lines += [" * Since: %s." % row.since, " */"]
    return lines


def prep_h(ops, rows):
    lines = c_head(["prep.h - one function for each variant of each operation", "",
                    "Each makes a blank entry into an operation: it assigns the operands, adds",
                    "flags, and touches nothing else. It does not submit, check descriptors or",
                    "follow pointers, and cannot fail: what the entry cannot hold becomes an",
                    "entry that completes with -EINVAL (oring_sqe_check() says why).", "",
                    "Results are what the completion's res holds: >= 0, or a negative errno as",
                    "of the system call of the same name; only what differs is told here. A",
                    "kernel that does not know the operation answers -EINVAL. Unless told",
                    "otherwise, memory that an argument points to must stay until the kernel",
                    "has consumed the entry: until submit returns, or with SQPOLL until the",
                    "completion. Data buffers stay until the completion.", "",
                    "Any thread that owns the entry may call these."])
    lines += ["#ifndef ORING_PREP_H", "#define ORING_PREP_H", "", '#include "abi.h"',
              '#include "context.h"', '#include "file.h"', '#include "fixed_buf.h"', '#include "op.h"',
              '#include "sqe.h"',
              "",
              "ORING_BEGIN_DECLS", "",
              "/* Whose layouts are the libc's or the kernel's. */"]
    lines += ["struct %s;" % name for name in forward_declared(rows)]
    lines += ["", "/* Whether a length fits the entry's 32 bits. */",
              "ORING_INLINE bool oring_len_fits(uint64_t len)", "{",
              "\treturn len >> 32 == 0;", "}", "",
              "/* Whether slot + 1 neither wraps nor turns into the mark for \"choose one\". */",
              "ORING_INLINE bool oring_slot_fits(oring_slot slot)", "{",
              "\treturn slot.index != ORING_FILE_INDEX_ALLOC - 1;", "}", "",
              "/* Whether slot + 1 does not wrap to 0, which would close descriptor 0. */",
              "ORING_INLINE bool oring_file_closes(oring_file file)", "{",
              "\treturn !oring_file_is_slot(file) || oring_file_value(file) != -1;", "}", "",
              "/* A length of FADVISE or MADVISE: in len if it fits, */",
              "ORING_INLINE uint32_t oring_len_low(uint64_t len)", "{",
              "\treturn oring_len_fits(len) ? (uint32_t)len : 0;", "}", "",
              "/* else in a field of 64 bits, which kernels before 6.10 do not take. */",
              "ORING_INLINE uint64_t oring_len_high(uint64_t len)", "{",
              "\treturn oring_len_fits(len) ? 0 : len;", "}", "",
              "/* Level and option of a socket option: two 32-bit halves of the entry's addr. */",
              "ORING_INLINE uint64_t oring_sockopt(int level, int option)", "{",
              "\treturn (uint32_t)level | (uint64_t)(uint32_t)option << 32;", "}"]
    for row in rows:
        lines += [""] + prep_doc(row) + signature(row) + ["{"]
        lines += ["\t" + line for line in statements(row)] + ["}"]
    return lines + ["", "ORING_END_DECLS", "", "#endif"]


def forward_declared(rows):
    names = {re.search(r"struct (\w+)", kind).group(1)
             for row in rows for kind, _ in row.args if "struct " in kind}
    return sorted(name for name in names if not name.startswith("oring_"))


def mask(fields):
    return " | ".join("FIELD_" + field.upper() for field in FIELDS if field in fields) or "0"


def memory_c(mine):
    """What the addresses of one operation point to, as initialisers. Where its prep functions
    do not agree, the first one that says something of a field is taken: src/check.c knows."""
    said = {}
    for row in mine:
        for field, direction, much in row.memory():
            said.setdefault(field, (direction, much))
    found = []
    for field, (direction, much) in said.items():
        unit, _, count = much.rpartition("*")
        kind = "MEMORY_" + much.upper() if much in ("string", "iovec", "msghdr") else "MEMORY_BYTES"
        if kind != "MEMORY_BYTES":
            unit, count = "0", "0"
        elif count.isdigit() or count == "epoll":
            unit, count = count.replace("epoll", "EPOLL_EVENT"), "0"
        else:
            unit, count = unit.replace("epoll", "EPOLL_EVENT") or "1", "FIELD_" + count.upper()
        found.append("{ FIELD_%s, %s, %d, %s, %s }"
                     % (field.upper(), kind, direction == "out", unit, count))
    return found or ["{ 0, 0, 0, 0, 0 }"]


def opinfo_c(ops, rows):
    lines = ["/* SPDX-License-Identifier: MIT */", "/* %s */" % NOTICE, "/* clang-format off */",
             "/* What is known of each operation, over all its prep functions. */",
             '#include "opinfo.h"', "", "const struct opinfo oring_opinfo[ORING_OP_LAST] = {"]
    for _, name, since in ops:
        mine = [row for row in rows if row.op == name]
        major, minor = since.split(".")
        kinds = {row.gives.replace("slot", "fd") for row in mine}
        gives = kinds.pop() if len(kinds) == 1 else "value"
        lines.append('\t[ORING_OP_%s] = { "%s", %s << 8 | %s,' % (name, name, major, minor))
        lines += wrap((mask(set().union(*[row.understood() for row in mine])) + ",").split(),
                      "\t\t/* understands */ ", "\t\t\t")
        lines.append("\t\tORING_RESULT_%s," % gives.upper())
        lines += ["\t\t{ %s } }," % ", ".join(memory_c(mine))]
    lines += ["};", "",
              "const char *oring_op_name(unsigned int op)", "{",
              "\tif (op == ORING_OP_REFUSED)", '\t\treturn "REFUSED";',
              '\treturn op < ORING_OP_LAST ? oring_opinfo[op].name : "UNKNOWN";', "}", "",
              "unsigned int oring_op_since(unsigned int op)", "{",
              "\treturn op < ORING_OP_LAST ? oring_opinfo[op].since : 0;", "}", "",
              "unsigned int oring_op_result(unsigned int op)", "{",
              "\treturn op < ORING_OP_LAST ? oring_opinfo[op].result : ORING_RESULT_VALUE;", "}"]
    return lines


# ---- what the tests know of a row ----

def sample(row, position):
    """An argument of the wanted type that differs from row to row and is never 0."""
    kind = row.args[position][0]
    if kind == "oring_file":
        first = [other for other, _ in row.args].index(kind) == position
        return "row_file(args, args->%s, %d)" % ("file" if first else "other", position)
    if kind == "oring_slot":
        return "row_slot(args, %d)" % position
    if kind == "oring_fixed_buf":
        return "args->buf"
    number = "row_number(args, %d)" % position
    if kind == "oring_context":
        return "oring_context_from_bits(%s)" % number
    if kind == "size_t":
        return "row_len(args, %d)" % position
    if kind.endswith("*"):
        return "(%s)(uintptr_t)%s" % (kind, number)
    return "(%s)(%s >> %d)" % (kind, number, position + 1)


# How row functions come to their arguments.
ROW_ARGS = """\
/* What rows are called with. */
struct row_args {
	oring_file file;
	oring_file other;
	oring_slot slot;
	oring_fixed_buf buf;
	size_t len;
	uint64_t number; /* all the others come from it */
	int vary;	 /* this one argument is another one, from 1 on; 0: none */
};

static inline uint64_t row_number(const struct row_args *args, int position)
{
	/* Bit 8 is left where 8 bits are taken of it, shifted by 1 to 7. */
	uint64_t changed = args->vary == position + 1 ? 0x100 : 0;

	return (args->number + 4096 * (uint64_t)position) ^ changed;
}

static inline size_t row_len(const struct row_args *args, int position)
{
	return args->len + (args->vary == position + 1);
}

static inline oring_file row_file(const struct row_args *args, oring_file file, int position)
{
	file.bits += args->vary == position + 1;
	return file;
}

static inline oring_slot row_slot(const struct row_args *args, int position)
{
	oring_slot slot = args->slot;

	slot.index += args->vary == position + 1;
	return slot;
}

struct row {
	const char *name;
	uint8_t op;
	unsigned int since; /* major << 8 | minor */
	bool takes_file, takes_size, takes_slot, is_large;
	bool needs_group;      /* its doc says: with buffer selection */
	unsigned int gives;    /* enum oring_result */
	int arguments;	       /* besides the entry */
	unsigned int operands; /* FIELD_*: assigned by prep */
	unsigned int flags;    /* FIELD_*: prep adds to them */
	void (*fill)(struct oring_sqe *sqe, const struct row_args *args);
};"""


def rows_h(ops, rows):
    lines = c_head(["rows.h - every prep function, callable with made-up arguments", "",
                    "For tests of laws that hold for every row."])
    lines += ["#ifndef ORING_TESTS_ROWS_H", "#define ORING_TESTS_ROWS_H", "",
              "#include <oring.h>", "", '#include "src/opinfo.h"', ""] + ROW_ARGS.split("\n")
    for row in rows:
        lines += ["", "static inline void row_%s(" % row.name +
                  "struct oring_sqe *sqe, const struct row_args *args)", "{"]
        entry = "(struct oring_sqe128 *)(void *)sqe" if row.entry == "128" else "sqe"
        lines += [] if row.args else ["\t(void)args;"]
        lines += wrap([entry + ("," if row.args else ");")] +
                      [sample(row, i) + ("," if i + 1 < len(row.args) else ");")
                       for i in range(len(row.args))],
                      "\toring_prep_%s(" % row.name, "\t\t") + ["}"]
    lines += ["", "static const struct row rows[] = {"]
    for row in rows:
        major, minor = row.since.split(".")
        has_file = any(kind == "oring_file" for kind, _ in row.args)
        needs_group = "Needs oring_sqe_buffer_select()" in " ".join(row.doc)
        lines.append('\t{ "%s", ORING_OP_%s, %s << 8 | %s, %d, %d, %d, %d,' % (
            row.name, row.op, major, minor, has_file, row.uses("size"), row.uses("slot"),
            row.entry == "128"))
        lines.append("\t  %d, ORING_RESULT_%s, %d," % (
            needs_group, row.gives.upper(), len(row.args)))
        lines.append("\t  %s," % mask(row.operands()))
        lines.append("\t  %s, row_%s }," % (mask(row.flag_fields()), row.name))
    lines += ["};", "", "#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))", "", "#endif"]
    return lines


# ---- the symbol map, the JSON for bindings, the README ----

def exported_names():
    """Every function of the public headers, by the two macros that declare one."""
    names, folder = [], os.path.join(ROOT, "include/oring")
    for header in sorted(os.listdir(folder)):
        if header == "prep.h" or header == "op.h":
            continue  # written below, from the table
        with open(os.path.join(folder, header), encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        text = re.sub(r"^#.*(\\\n.*)*", "", text, flags=re.M)
        names += re.findall(r"ORING_(?:API|INLINE)\b[^;{(]*?(oring_\w+)\(", text)
    return names


def oring_map(ops, rows):
    generated = re.findall(r"^ORING_(?:API|INLINE)\b[^;{(]*?(oring_\w+)\(",
                           "\n".join(op_h(ops, rows) + prep_h(ops, rows)), flags=re.M)
    names = sorted(set(exported_names() + generated))
    return ["# %s" % NOTICE, "ORING {", "global:"] + ["\t%s;" % name for name in names] + \
        ["local:", "\t*;", "};"]


def ops_json(ops, rows):
    """For generators of bindings: what prep.h says, as data."""
    return json.dumps({
        "notice": NOTICE,
        "operations": [{"number": number, "name": name, "since": since}
                       for number, name, since in ops],
        "functions": [{
            "name": "oring_prep_" + row.name, "operation": row.op, "since": row.since,
            "arguments": [{"type": kind, "name": name} for kind, name in row.args],
            "assigns": [{"field": field, "expression": expr} for field, expr in row.assigns],
            "adds": [{"field": field, "expression": expr} for field, expr in row.ors],
            "caller": row.caller, "entry": int(row.entry), "gives": row.gives, "doc": row.doc,
        } for row in rows]}, indent=1).split("\n")


def proofs():
    """{prep function: the test file that completes it on a kernel}"""
    found, folder = {}, os.path.join(ROOT, "tests")
    for name in sorted(os.listdir(folder)):
        if re.fullmatch(r"test_prep_\w+\.c", name):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                for row in re.findall(r"^RING_TEST\w*\(prep, (\w+)\)", file.read(), flags=re.M):
                    found.setdefault(row, name)
    return found


def readme_table(ops, rows):
    lines = ["| operation | since | functions | proof |", "| --- | --- | --- | --- |"]
    proof = proofs()
    for _, name, since in ops:
        mine = [row for row in rows if row.op == name]
        later = {row.name: "" if row.since == since else " (%s)" % row.since for row in mine}
        shown = ", ".join("`%s`%s" % (row.name, later[row.name]) for row in mine)
        files = sorted({proof[row.name] for row in mine if row.name in proof})
        files += ["not %s" % row.name for row in mine if row.name not in proof]
        lines.append("| %s | %s | %s | %s |" % (name, since, shown or "none yet", ", ".join(files)))
    return lines


def readme(ops, rows):
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    begin, end = "<!-- operations: begin -->", "<!-- operations: end -->"
    if begin not in text or end not in text:
        raise TableError("README.md has no place for the table of operations")
    table = [begin] + readme_table(ops, rows) + [end]
    text = text.split(begin)[0] + "\n".join(table) + text.split(end)[1]
    return text.rstrip("\n").split("\n")


OUTPUTS = {"include/oring/op.h": op_h, "include/oring/prep.h": prep_h, "src/opinfo.c": opinfo_c,
           "src/oring.map": oring_map, "tests/rows.h": rows_h, "tools/ops.json": ops_json,
           "README.md": readme}


def main(argv):
    if argv[1:] == ["--help"]:
        print(__doc__.strip())
        return 0
    if argv[1:] not in ([], ["--check"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    stale = 0
    try:
        ops, rows = read_table(os.path.join(ROOT, "tools/ops.tbl"))
        for name, make in OUTPUTS.items():
            path = os.path.join(ROOT, name)
            text = "\n".join(make(ops, rows)) + "\n"
            old = open(path, encoding="utf-8").read() if os.path.exists(path) else None
            if old == text:
                continue
            stale += 1
            if argv[1:]:
                print("%s differs from what tools/ops.tbl says" % name)
            else:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                print("wrote " + name)
    except (TableError, OSError) as error:
        print("opgen: %s" % error, file=sys.stderr)
        return 2
    return 1 if argv[1:] and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
