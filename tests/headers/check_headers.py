#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each header compiles alone, first and twice, in every standard, and beside
the headers that others clash with; headers include only what stands below
them; files and functions stay short. Prints TAP."""

import glob
import itertools
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tap import Tap  # noqa: E402 (found by the path above)

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
INCLUDE = os.path.join(ROOT, "include")
WARN = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]

COMPILERS = [("gcc", "c", ["c11", "c17", "c2x"]), ("clang", "c", ["c11", "c17", "c2x"]),
             ("g++", "c++", ["c++11", "c++17", "c++20"]),
             ("clang++", "c++", ["c++11", "c++17", "c++20"])]

# Headers that know the same things under the same names.
SUSPECTS = ["fcntl.h", "poll.h", "signal.h", "time.h", "sched.h", "sys/stat.h", "sys/types.h",
            "sys/socket.h", "sys/mount.h", "sys/epoll.h", "sys/uio.h", "sys/wait.h",
            "netinet/in.h", "linux/fs.h", "linux/openat2.h", "linux/stat.h", "linux/futex.h",
            "linux/time_types.h", "linux/types.h", "linux/eventpoll.h"]
TOGETHER = [["fcntl.h", "poll.h", "sys/stat.h", "sys/socket.h", "sys/mount.h", "sys/epoll.h"],
            ["fcntl.h", "sys/stat.h", "linux/openat2.h"],
            ["linux/fs.h", "linux/openat2.h", "linux/stat.h"],
            ["sys/socket.h", "linux/fs.h", "linux/io_uring.h"]]

# Who may include whom: a header those of the rows above its own, and no other.
LAYERS = [
    ["attr", "version"],
    ["abi", "mem"],
    ["abi_reg", "op", "file", "fixed_buf"],
    ["context"],
    ["sqe", "cqe", "sys"],
    ["prep", "ring"],
    ["sq", "cq"],
    ["reg"],
    ["setup", "fast", "resize", "drain", "bufring"],
    ["feature", "chain", "shared", "wake", "describe", "bufgroup", "multishot", "message", "zc", "pool",
     "zcrx"],
    ["listen", "multicast", "plan"],
]
# And neither includes the other: entries are filled without a ring, rings driven without prep.
APART = ({"prep"}, {"ring", "sq", "cq"})
FREESTANDING = {"stddef.h", "stdint.h", "stdbool.h"}
GENERATED = {"op.h", "prep.h", "opinfo.c"}
FILE_LINES, FUNCTION_LINES, UMBRELLA_LINES = 500, 50, 50


def headers():
    """Paths under include/, as they are included."""
    paths = glob.glob(os.path.join(INCLUDE, "oring", "*.h"))
    return ["oring.h"] + sorted("oring/" + os.path.basename(path) for path in paths)


def sources():
    return sorted(glob.glob(os.path.join(ROOT, "src", "**", "*.[ch]"), recursive=True))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# ---- compiling ----

def compile_unit(compiler, language, standard, includes, *options):
    """What the compiler complains of; '' if nothing."""
    unit = "".join(f"#include <{name}>\n" for name in includes) + "extern int unit;\n"
    result = subprocess.run([compiler, f"-x{language}", f"-std={standard}", *WARN, *options,
                             "-fsyntax-only", f"-I{INCLUDE}", "-"],
                            input=unit, capture_output=True, text=True)
    return "" if result.returncode == 0 else (result.stderr or "failed") + "\n"


def try_all(pool, cases):
    """The first complaints of cases (name, arguments of compile_unit), named."""
    complaints = pool.map(lambda case: compile_unit(*case[1]), cases)
    notes = []
    for (name, _), text in zip(cases, complaints):
        if text:
            errors = [line for line in text.splitlines() if "error:" in line] or text.splitlines()
            notes.append(f"{name}:\n  " + "\n  ".join(errors[:3]))
    return notes if len(notes) <= 8 else notes[:8] + [f"and {len(notes) - 8} units more"]


def check_alone(tap, pool, compiler, language, standard):
    cases = [(f"{name} {' '.join(options)}", (compiler, language, standard, [name] * 2, *options))
             for name in headers() for options in ([], ["-DORING_HEADER_ONLY"])]
    notes = try_all(pool, cases)
    tap.say(not notes, f"{compiler} {standard}: each header alone, first, twice, header-only "
                       f"({len(cases)} units)", notes)


def check_beside(tap, pool, compiler, language, standard):
    def unit(names):
        return compiler, language, standard, names, "-D_GNU_SOURCE"

    rings = ["oring.h", "linux/io_uring.h", "liburing.h"]
    groups = [names for size in (2, 3) for names in itertools.combinations(rings, size)]
    groups += [["oring.h", name] for name in SUSPECTS] + [["oring.h"] + more for more in TOGETHER]
    cases, without = [], []
    for group in groups:
        others = [name for name in group if name != "oring.h"]
        if len(others) == len(group):
            continue
        reason = compile_unit(*unit(others))
        if reason:  # not there, or not valid without us either
            without.append(f"not tried, since it fails without oring: {' '.join(others)}")
            continue
        orders = itertools.permutations(group) if "oring.h" in group and set(group) <= set(rings) \
            else [group, others + ["oring.h"]]
        cases += [(" ".join(order), unit(order)) for order in orders]
    notes = try_all(pool, cases)
    tap.say(not notes and len(cases) >= 2 * len(SUSPECTS),
            f"{compiler} {standard}: beside the headers of kernel, libc and liburing "
            f"({len(cases)} units)", notes + without)


def check_compilers(tap):
    with ThreadPoolExecutor(2) as pool:
        for compiler, language, standards in COMPILERS:
            for standard in standards:
                if shutil.which(compiler) is None:
                    for what in ("alone", "beside others"):
                        tap.say(True, f"{compiler} {standard}: {what}", skip="not installed")
                    continue
                check_alone(tap, pool, compiler, language, standard)
                check_beside(tap, pool, compiler, language, standard)


# ---- reading ----

def included(path):
    return re.findall(r'^\s*#\s*include\s*([<"][^>"]+[>"])', read(path), flags=re.M)


def check_direction(tap):
    level = {name: number for number, row in enumerate(LAYERS) for name in row}
    notes = []
    for header in headers()[1:]:
        name = os.path.basename(header)[:-2]
        if name not in level:
            notes.append(f"{header}: has no place in LAYERS")
            continue
        for target in included(os.path.join(INCLUDE, header)):
            other = target[1:-1]
            if target[0] == "<":
                if other not in FREESTANDING:
                    notes.append(f"{header}: includes {target}")
            elif level.get(other[:-2], len(LAYERS)) >= level[name] \
                    or any(name in one and other[:-2] in two for one, two in (APART, APART[::-1])):
                notes.append(f"{header}: may not include {target}")
    tap.say(not notes, "headers include what stands below them, and nothing of kernel or libc",
            notes)

    umbrella = included(os.path.join(INCLUDE, "oring.h"))
    wanted = {f'"{header}"' for header in headers()[1:]}
    notes = [f"oring.h: lacks {name}" for name in sorted(wanted - set(umbrella))]
    notes += [f"oring.h: includes {name}" for name in umbrella if name not in wanted]
    lines = len(read(os.path.join(INCLUDE, "oring.h")).splitlines())
    if lines > UMBRELLA_LINES:
        notes.append(f"oring.h: {lines} lines")
    tap.say(not notes, f"oring.h includes every header, in {UMBRELLA_LINES} lines", notes)

    notes = [f"{os.path.relpath(path, ROOT)}: includes {target}" for path in sources()
             for target in included(path) if target[0] == "<" and target[1:-1] not in FREESTANDING]
    tap.say(not notes, "sources include nothing of kernel or libc", notes)


def functions(text):
    """(name, lines) of each function body that begins with a brace in column 0."""
    text = re.sub(r'/\*.*?\*/|"(\\.|[^"\\\n])*"', lambda match: "\n" * match.group().count("\n"),
                  text, flags=re.S)
    start, head = None, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            yield head, number - start + 1
            start = None
        elif not start and re.match(r"[A-Za-z].*\(", line):
            head = re.search(r"(\w+)\s*\(", line).group(1)


def check_sizes(tap):
    paths = [os.path.join(INCLUDE, header) for header in headers()] + sources()
    long_files, long_functions, seen = [], [], 0
    for path in paths:
        if os.path.basename(path) in GENERATED:
            continue
        text, name = read(path), os.path.relpath(path, ROOT)
        lines = len(text.splitlines())
        if lines > FILE_LINES:
            long_files.append(f"{name}: {lines} lines")
        for function, length in functions(text):
            seen += 1
            if length > FUNCTION_LINES:
                long_functions.append(f"{name}: {function}: {length} lines")
    tap.say(not long_files, f"no file is longer than {FILE_LINES} lines", long_files)
    tap.say(not long_functions and seen >= 100,
            f"none of {seen} functions is longer than {FUNCTION_LINES} lines", long_functions)


def check_symmetry(tap):
    no_test = {"attr", "version"}
    elsewhere = {"abi": "tests/abi", "abi_reg": "tests/abi"}
    made_in = {"op": "src/opinfo.c"}  # src/inline.c for all that is inline
    notes = []
    for header in headers()[1:]:
        name = os.path.basename(header)[:-2]
        code = read(os.path.join(INCLUDE, header))
        source = made_in.get(name, f"src/{name}.c")
        if re.search(r"^ORING_API\b", code, flags=re.M) \
                and not os.path.exists(os.path.join(ROOT, source)):
            notes.append(f"{header}: declares what is not inline, and there is no {source}")
        test = elsewhere.get(name, f"tests/test_{name}.c")
        if name not in no_test and not os.path.exists(os.path.join(ROOT, test)):
            notes.append(f"{header}: there is no {test}")
    tap.say(not notes, "each header has its source and its test", notes)


def main():
    tap = Tap()
    check_compilers(tap)
    check_direction(tap)
    check_sizes(tap)
    check_symmetry(tap)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
