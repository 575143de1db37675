#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The sources and headers through compilers' warnings, gcc -fanalyzer, clang-tidy and cppcheck: none
has anything to say that is not answered in .clang-tidy, cppcheck.supp or KNOWN. Each tool is first
shown something wrong, in a source and in a header, and has to see it. Prints TAP."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tap import Tap  # noqa: E402 (found by the path above)

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 240  # seconds for one source; the slowest takes 5
SHOWN = 20

WARN = """-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wundef -Wcast-qual
    -Wwrite-strings -Wpointer-arith -Wvla -Wredundant-decls -Wdouble-promotion -Wformat=2
    -Wswitch-enum -Wnull-dereference""".split()
WARN_C = """-Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wnested-externs
    -Wbad-function-cast""".split()
WARN_GCC = "-Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wcast-align=strict".split()
WARN_CLANG = """-Wcomma -Wassign-enum -Wcast-align -Wmissing-variable-declarations -Wunreachable-code
    -Wshadow -Watomic-alignment -Wshorten-64-to-32 -Wconditional-uninitialized""".split()
# A struct and a function of one name are C's way (struct stat, stat()); g++ calls it hiding.
WARN_GXX = ["-Wshadow=local"]
FREESTANDING = ["-ffreestanding", "-fno-builtin"]
TARGETS = ["aarch64-linux-gnu", "riscv64-linux-gnu", "i686-linux-gnu"]

# cppcheck knows of no machine: what the headers and src/arch ask for.
DEFINED = """__linux__=1 __GNUC__=12 __BYTE_ORDER__=1234 __ORDER_LITTLE_ENDIAN__=1234 __SIZEOF_POINTER__={size}
    __ATOMIC_RELAXED=0 __ATOMIC_ACQUIRE=2 __ATOMIC_RELEASE=3 __ATOMIC_ACQ_REL=4 __ATOMIC_SEQ_CST=5"""
MACHINES = {"x86_64": ("unix64", 8, ["__x86_64__=1", "__LP64__=1"]),
            "aarch64": ("unix64", 8, ["__aarch64__=1", "__LP64__=1"]),
            "riscv64": ("unix64", 8, ["__riscv=1", "__riscv_xlen=64", "__LP64__=1"]),
            "i386": ("unix32", 4, ["__i386__=1"])}

# What gcc's analyzer says wrongly: (file, text) and the reason.
KNOWN = {
    ("src/fast.c", "-Wanalyzer-null-dereference"):
        "it takes an error of mmap(2), between -4095 and -1, for 0 once it is an int",
}

Unit = namedtuple("Unit", "path language options")  # a source, "c" or "c++", options for compilers


def sources(*options):
    return [Unit(path, "c", list(options))
            for path in sorted(glob.glob(os.path.join(ROOT, "src", "*.c")))
            if os.path.basename(path) != "inline.c"]


def groups(folder):
    """{name: units}; check.c is empty without ORING_CHECKS."""
    plus = os.path.join(folder, "all.cpp")
    with open(plus, "w", encoding="utf-8") as file:
        file.write('#include "oring.h"\n')
    alone = os.path.join(folder, "alone.c")
    with open(alone, "w", encoding="utf-8") as file:
        file.write('#define ORING_HEADER_ONLY\n#include "oring.h"\nextern int unit;\n')
    return {
        "src/*.c": sources(),
        "src/*.c with checks": [Unit(os.path.join(ROOT, "src", "check.c"), "c", ["-DORING_CHECKS"]),
                                Unit(os.path.join(ROOT, "src", "ring.c"), "c", ["-DORING_CHECKS"])],
        "the headers, in C": [Unit(os.path.join(ROOT, "src", "inline.c"), "c", []),
                              Unit(alone, "c", [])],
        "the headers, in C++": [Unit(plus, "c++", [])],
    }


def includes(unit):
    paths = ["-I" + os.path.join(ROOT, "include"), "-I" + os.path.join(ROOT, "src")]
    return [f"-std={'c11' if unit.language == 'c' else 'c++11'}", *paths, *unit.options]


# ---- tools: each gives the commands for a unit ----

def gcc_warnings(unit, level="-O2"):
    own = WARN_C + FREESTANDING if unit.language == "c" else WARN_GXX
    return [["gcc" if unit.language == "c" else "g++", *includes(unit), level, *WARN, *WARN_GCC,
             *own, "-Werror", "-c", "-o", os.devnull, unit.path]]


def clang_warnings(unit):
    own = WARN_C + FREESTANDING if unit.language == "c" else []
    return [["clang" if unit.language == "c" else "clang++", *includes(unit), "-O2", *WARN,
             *WARN_CLANG, *own, "-Werror", "-c", "-o", os.devnull, unit.path]]


def clang_elsewhere(unit):
    """The same for other machines. They have no libc here, and C needs none."""
    command = clang_warnings(unit)[0]
    return [[command[0], "--target=" + target, *command[1:]] for target in TARGETS]


def gcc_analyzer(unit):
    """Without optimization it knows the source better, with it more of what is inlined."""
    return [["gcc", *includes(unit), *FREESTANDING, level, "-fanalyzer", "-fanalyzer-transitivity",
             "-fdiagnostics-path-format=none", "-c", "-o", os.devnull, unit.path]
            for level in ("-O0", "-O2")]


def clang_tidy(unit):
    return [["clang-tidy", "--quiet", "--config-file=" + os.path.join(ROOT, ".clang-tidy"), unit.path,
             "--", *includes(unit), *(FREESTANDING if unit.language == "c" else [])]]


def cppcheck(unit):
    standard, *paths = includes(unit)
    for platform, size, own in MACHINES.values():
        defined = ["-D" + one for one in DEFINED.format(size=size).split() + own]
        yield ["cppcheck", "--quiet", "--enable=warning,style,performance,portability",
               "--inconclusive", "--language=" + unit.language, "--platform=" + platform,
               "--template={file}:{line}:{column}: {severity}: {message} [{id}]",
               "--template-location=", "-" + standard, *paths, *defined, unit.path]


TOOLS = {
    "gcc's warnings": (gcc_warnings, ["gcc", "g++"], ["C", "C++"]),
    "clang's warnings": (clang_warnings, ["clang", "clang++"], ["C", "C++"]),
    "clang's warnings for " + ", ".join(target.partition("-")[0] for target in TARGETS):
        (clang_elsewhere, ["clang"], ["C"]),
    "gcc -fanalyzer": (gcc_analyzer, ["gcc"], ["C"]),  # it does not know C++
    "clang-tidy": (clang_tidy, ["clang-tidy"], ["C", "C++"]),
    "cppcheck": (cppcheck, ["cppcheck"], ["C", "C++"]),
}


# ---- running them ----

def run(command):
    """What a tool printed, with its status if it is not 0."""
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=LIMIT,
                              env={**os.environ, "LC_ALL": "C"}, check=False)
    except subprocess.TimeoutExpired:
        return f"{command[0]}: error: no answer in {LIMIT} s\n"
    return done.stdout + (f"{command[0]}: error: status {done.returncode}\n" if done.returncode else "")


def findings(text):
    """Its lines that complain, with paths from the tree's top; the status alone if there are none."""
    found = [line for line in text.replace(ROOT + os.sep, "").splitlines()
             if re.search(r"\b(error|warning|style|performance|portability|information): ", line)]
    status = [line for line in found if re.match(r"\S+: error: (status|no answer) ", line)]
    return [line for line in found if line not in status] or status


def suppressions():
    """[(id, file or None)] of cppcheck.supp"""
    with open(os.path.join(HERE, "cppcheck.supp"), encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    return [(line.partition(":")[0], line.partition(":")[2] or None) for line in lines]


def answered(used, line):
    """Whether a complaint is known; remembers by what."""
    for path, text in KNOWN:
        if line.startswith(path + ":") and text in line:
            used.add((path, text))
            return True
    for kind, path in suppressions():
        if line.endswith(f"[{kind}]") and (path is None or line.startswith(path + ":")):
            used.add((kind, path))
            return True
    return False


def complaints(pool, tool, units, used):
    """Of all units, each once."""
    commands = [command for unit in units for command in tool(unit)]
    lines = {line: None for text in pool.map(run, commands) for line in findings(text)}
    return [line for line in lines if not answered(used, line)]


# ---- something wrong, for each to find ----

# In a source: an address that is 0; a loss of bits. In a header beside ours: bits again, and more.
PLANTED = """#include "oring/planted.h"
int planted(int which);
int planted(int which)
{
	int *nowhere = 0;
	unsigned char small = which;
	int numbers[2] = {0, 1};

	if (which > 90)
		return planted_bits(which - 90);
	if (which > 7)
		*nowhere = small;
	return numbers[which > 3 ? 2 : 1];
}
"""
PLANTED_HEADER = """static inline unsigned char planted_bits(int all)
{
	int *nowhere = 0;
	unsigned char small = all;

	if (all == 12)
		return (unsigned char)*nowhere;
	if (all == 12)
		return 3;
	return small;
}
"""


def plant(folder):
    os.makedirs(os.path.join(folder, "include", "oring"))
    for name, text in (("src.c", PLANTED), ("src.cpp", PLANTED),
                       (os.path.join("include", "oring", "planted.h"), PLANTED_HEADER)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    option = "-I" + os.path.join(folder, "include")
    return {"C": Unit(os.path.join(folder, "src.c"), "c", [option]),
            "C++": Unit(os.path.join(folder, "src.cpp"), "c++", [option])}


def check_planted(tap, pool, name, tool, unit):
    missing = []
    for command in tool(unit):
        found = findings(run(command))
        for path in (os.path.basename(unit.path) + ":", "planted.h:"):
            if not any(path in line for line in found):
                missing += [f"nothing in {path} by {' '.join(command[:2])}", *found[:3]]
    tap.say(not missing, f"{name}: sees what is wrong, in a {unit.language} source and a header", missing)


def check_tool(tap, pool, name, planted, units, used):
    tool, programs, languages = TOOLS[name]
    lacks = [program for program in programs if shutil.which(program) is None]
    if lacks:
        tap.say(True, name, skip=f"{' and '.join(lacks)} not installed")
        return
    for language in languages:
        check_planted(tap, pool, name, tool, planted[language])
    for group, some in units.items():
        if group.endswith("C++") and "C++" not in languages:
            continue
        found = complaints(pool, tool, some, used)
        more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        tap.say(not found, f"{name}: {group} ({len(some)})", found[:SHOWN] + more)


def main():
    tap, used = Tap(), set()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        planted, units = plant(os.path.join(folder, "planted")), groups(folder)
        for name in TOOLS:
            check_tool(tap, pool, name, planted, units, used)
    wanted = set(KNOWN) if shutil.which("gcc") else set()
    if shutil.which("cppcheck"):
        wanted |= set(suppressions())
    useless = [f"{one[0]} {one[1] or ''}" for one in sorted(wanted - used, key=str)]
    tap.say(not useless, "every exception is still needed", useless)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
