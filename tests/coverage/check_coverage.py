#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which lines of src/ and include/oring/ the tests run; at least 95 % of them. Prints TAP.

    check_coverage.py [--keep] BUILD    the folder of the build, made anew, and kept with --keep

Everything is built by clang with AddressSanitizer, UBSan and counters for coverage, and the suites
unit, kernel and fault run once. There are no exclusion markers. A line counts as run if one program
ran it. src/inline.c makes a symbol of each inline function, so that one which no program uses is
counted too: as not run. What is not run is listed in uncovered.txt, with the reason.
"""

import argparse
import collections
import glob
import json
import os
import platform
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
from tap import Tap  # noqa: E402 (found by the path above)

LEAST = 95.0
GCOV = "llvm-cov-14"
SUITES = ["unit", "kernel", "fault"]
# Only what this machine compiles is counted.
OF_OTHERS = {"src/arch/aarch64.h", "src/arch/riscv64.h", "src/arch/i386.h"}
NAME = re.compile(r"\b(\w+)\(")


def run(*command, limit=900, environment=None):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=limit, env=environment)
    return done.returncode, done.stdout


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def build(folder):
    """What went wrong, or None."""
    for command in (["meson", "setup", folder, ROOT, "--buildtype=debug", "-Db_sanitize=address,undefined",
                     "-Db_lundef=false", "-Dtests=enabled", "-Dexamples=false", "-Dtools=false",
                     "-Dc_args=--coverage", "-Dc_link_args=--coverage"], ["ninja", "-C", folder, "-j", "2"]):
        code, output = run(*command, environment=dict(os.environ, CC="clang"))
        if code:
            return "\n".join(output.splitlines()[-30:])
    return None


def failures(folder):
    """[what failed] in the log of the tests."""
    found = []
    with open(os.path.join(folder, "meson-logs", "testlog.json"), encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            if entry["result"] not in ("OK", "SKIP"):
                found.append(f"{entry['name']}: {entry['result']}")
                found += re.findall(r"^not ok.*", entry.get("stdout", ""), flags=re.M)
                found += entry.get("stderr", "").splitlines()[-40:]
    return found


def measure(folder):
    """{file: ({line: times}, {first line: function})}"""
    report = os.path.join(folder, "coverage.json")
    code, output = run("gcovr", "--gcov-executable", f"{GCOV} gcov", "--root", ROOT, "--object-directory", folder,
                       "--filter", os.path.join(ROOT, "src/"), "--filter", os.path.join(ROOT, "include/"),
                       "--json", report, "-j", "2", folder)
    if code:
        raise RuntimeError(output)
    with open(report, encoding="utf-8") as file:
        files = json.load(file)["files"]
    return {os.path.relpath(os.path.join(ROOT, one["file"]), ROOT):
            ({line["line_number"]: line["count"] for line in one["lines"] if not line["gcovr/noncode"]},
             {function["lineno"]: function["name"] for function in one["functions"]}) for one in files}


# ---- what should be counted ----

def defined(text):
    """Names of the functions that a file defines, by the form they have in this tree."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"^#(?:\\\n|.)*$", "", text, flags=re.M)
    # A head begins at the margin, and its body with a brace there.
    heads = re.findall(r"^([A-Za-z_][^;{}=]*?\))\s*\n\{", text, flags=re.M)
    return {NAME.findall(re.sub(r"__attribute__\(\(.*?\)\)", "", head))[0] for head in heads}


def not_counted(files):
    """Functions and files of which the compiler made no counters."""
    wrong = []
    for path in sorted(glob.glob(os.path.join(ROOT, "src", "**", "*.[ch]"), recursive=True)
                       + glob.glob(os.path.join(ROOT, "include", "oring", "*.h"))):
        name = os.path.relpath(path, ROOT)
        if name in OF_OTHERS:
            continue
        functions = set(files[name][1].values()) if name in files else set()
        wrong += [f"{name}: {function}" for function in sorted(defined(read(name)) - functions)]
    return wrong


def markers():
    found = subprocess.run(["grep", "-rnE", "(GCOV|GCOVR|LCOV)_EXCL", os.path.join(ROOT, "src"),
                            os.path.join(ROOT, "include")], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


# ---- what was not run ----

def uncovered(files):
    """{"file function": [lines]}"""
    found = collections.defaultdict(list)
    for name, (lines, functions) in sorted(files.items()):
        for line, count in sorted(lines.items()):
            if count == 0:
                begin = max((first for first in functions if first <= line), default=None)
                found[f"{name} {functions.get(begin, '?')}"].append(line)
    return found


def reasons():
    """((kernel of the list), {"file function": reason})"""
    known, kernel, reason = {}, None, None
    for line in read("tests/coverage/uncovered.txt").splitlines():
        if line.startswith("# Linux "):
            kernel = tuple(int(part) for part in line[8:].split(".")[:2])
        elif line and not line.startswith("#"):
            if line[0] in " \t":
                known[" ".join(line.split())] = reason
            else:
                reason = line
    return kernel, known


def judge(tap, files):
    lines = sum(len(one) for one, _ in files.values())
    ran = sum(sum(count > 0 for count in one.values()) for one, _ in files.values())
    share = 100.0 * ran / max(lines, 1)
    kernel, known = reasons()
    here = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
    left = uncovered(files)
    tap.say(share >= LEAST, f"{share:.1f} % of lines are run ({ran} of {lines}), at least {LEAST:.0f} %",
            [f"{place}: {', '.join(map(str, numbers))}: {known.get(place, 'no reason is told')}"
             for place, numbers in left.items()])
    missing = not_counted(files)
    tap.say(not missing, "each function of src/ and of the headers is counted", missing)
    tap.say(not markers(), "nothing is excluded by a marker", markers())
    told = [f"{place}: {numbers}" for place, numbers in left.items() if place not in known]
    tap.say(not told, "what is not run is listed in uncovered.txt, with a reason", told,
            skip=f"the list is of Linux {kernel[0]}.{kernel[1]}" if here < kernel else None)
    functions = {f"{name} {function}" for name, (_, of) in files.items() for function in of.values()}
    gone = sorted(set(known) - functions)
    tap.say(not gone, "the list names functions that exist", gone)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--again", action="store_true", help="only judge what an earlier run left")
    parser.add_argument("build")
    arguments = parser.parse_args()
    tap = Tap()
    absent = [name for name in ("clang", GCOV, "gcovr", "meson", "ninja") if shutil.which(name) is None]
    if absent:
        tap.say(True, "coverage", skip=f"not installed: {', '.join(absent)}")
    else:
        folder = os.path.abspath(arguments.build)
        problem = None
        if not arguments.again:
            shutil.rmtree(folder, ignore_errors=True)
            problem = build(folder)
        tap.say(problem is None, "clang builds the tests with sanitizers and counters", [problem or ""])
        if problem is None:
            if not arguments.again:
                run("meson", "test", "-C", folder, "--no-rebuild", "--num-processes", "2",
                    *(f"--suite={suite}" for suite in SUITES), limit=1200)
            failed = failures(folder)
            tap.say(not failed, "all tests pass, built by clang with ASan and UBSan", failed)
            judge(tap, measure(folder))
            if not arguments.keep and not arguments.again:
                shutil.rmtree(folder, ignore_errors=True)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
