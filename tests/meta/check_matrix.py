#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/results/matrix.json against the tree: every test program is among those that run on each
kernel, nothing failed anywhere, nothing is absent on the newest kernel without a good reason, and
what the headers say of first releases is what the kernels showed. Prints TAP.

    check_matrix.py BUILD [MATRIX]    a build folder, and another matrix than the committed one
"""

import glob
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "tools", "lab"), os.path.join(ROOT, "tools")]
import matrix as the_matrix  # noqa: E402 (found by the path above)
from tap import Tap  # noqa: E402

LAB_SUITES = {"unit", "kernel", "fiber"}  # what tools/kernel-lab runs
# Tests that run on the host's kernel alone, and why.
HOST_ONLY = {
    "abi": "compiles only", "analysis": "reads the sources",
    "bindings": "the same calls by another language", "examples": "programs to read",
    "fault": "the errors are made up: no kernel is asked for them",
    "fuzz": "random input to functions that enter no kernel; kernel-lab fuzz runs the rest", "headers": "compiles only",
    "inject": "the errors are made up here too, by strace",
    "lab": "the lab itself", "load": "hours of work under emulation", "meta": "looks at the tree",
    "model": "a model of the protocol, no kernel",
    "runner": "the lab's program for machines without Criterion", "stress": "races need real processors",
    "symbols": "looks at the library",
}
# Why a test may be absent on the newest kernel.
GOOD_REASONS = [
    r"built without AddressSanitizer", r"this kernel has all of it", r"needs a kernel without it",
    r"this kernel charges no ring to RLIMIT_MEMLOCK", r"rings are not charged against RLIMIT_MEMLOCK",
]
# Failures that are a kernel's, and what is known of them.
FAULTS = {
    ("prep", "block_discard_of_a_drive", "7.0"): "-EINVAL where ioctl(BLKDISCARD) of the same blocks works",
    ("prep", "recv_multishot_zc_ends", "7.1"): "a stream may wait for a packet that never comes: zcrx.h says so",
}
# The last point releases of 5.10 carry the io_uring of 5.15.
IS_LIKE = {"5.10": "5.15"}
# Functions whose first release no test can show, and why.
NOT_SHOWN = {
    "oring_cqe_is_filler": "looks at a flag, on any kernel",
    "oring_cqe_zc_copied": "the last point releases of 6.1 have it too",
    "oring_sqe_report_usage": "the last point releases of 6.1 have it too",
    "oring_register_zcrx_ifq": "the tests of oring_zcrx_init() call it",
    "oring_zcrx_flush": "there is no zero-copy receive without a device before 7.1",
    "oring_zcrx_export": "there is no zero-copy receive without a device before 7.1",
    "oring_zcrx_import": "there is no zero-copy receive without a device before 7.1",
    "oring_register_zcrx_ctrl": "the tests of oring_zcrx_export() and oring_zcrx_flush() call it",
}
TEST = re.compile(r"^(?:RING_TEST\w*|Test)\((\w+), (\w+)", re.M)
FUNCTION = re.compile(r"^(?:static |ORING_INLINE |__attribute__\(\(\w+\)\) )*[\w ]+[ *](\w+)\([^;{]*\)\s*\{", re.M)


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


def version(text):
    return tuple(int(number) for number in IS_LIKE.get(text, text).split("."))


# ---- the suites ----

def check_suites(tap, build):
    done = subprocess.run(["meson", "introspect", "--tests", build], capture_output=True, text=True, check=False)
    if done.returncode:
        tap.say(True, "every test program runs in the lab", skip="no build folder")
        return
    wrong = []
    for test in json.loads(done.stdout):
        suites = {suite.partition(":")[2] or suite for suite in test["suite"]}
        if not suites & LAB_SUITES and not suites <= set(HOST_ONLY):
            wrong.append(f"{test['name']} is of {', '.join(suites)}: neither in the lab nor told why not")
    tap.say(not wrong, "every test program runs in the lab, or is told why not", wrong)


# ---- what the matrix says ----

def check_failures(tap, matrix):
    wrong = [f"{feature['suite']}::{feature['feature']} on {series}: {on.get('reason', '')}"
             for feature in matrix["features"] for series, on in feature["on"].items() if on["state"] == "failed"
             and (feature["suite"], feature["feature"], series) not in FAULTS]
    tap.say(not wrong, f"nothing failed on any kernel, but for {len(FAULTS)} faults of kernels", wrong)


def check_newest(tap, matrix):
    newest = matrix["kernels"][-1]["series"]
    wrong = []
    for feature in matrix["features"]:
        on = feature["on"].get(newest, {"state": "passed"})
        if on["state"] == "absent" and not any(re.search(reason, on["reason"]) for reason in GOOD_REASONS):
            wrong.append(f"{feature['suite']}::{feature['feature']}: {on['reason']}")
    tap.say(not wrong, f"nothing is absent on {newest} for want of a test", wrong)


# ---- first releases ----

def bodies(text):
    """{name of a function or (suite, test): its text}"""
    found = {}
    for match in list(TEST.finditer(text)) + list(FUNCTION.finditer(text)):
        name = match.groups() if match.re is TEST else match.group(1)
        end = text.find("\n}", match.start())
        found[name] = text[match.end():end if end >= 0 else len(text)]
    return found


def words_of_tests():
    """{(suite, test): every word of its text and of the functions that it calls}"""
    shared = {}
    for name in glob.glob(os.path.join(ROOT, "tests", "*.h")):
        shared.update(bodies(read(name)))
    found = {}
    for name in glob.glob(os.path.join(ROOT, "tests", "test_*.c")):
        here = {**shared, **bodies(read(name))}
        words = {key: set(re.findall(r"\w+", text)) for key, text in here.items()}
        for key in here:
            if isinstance(key, tuple):
                found[key] = closure(key, words)
    return found


def closure(key, words):
    seen, todo = set(), [key]
    while todo:
        for word in words[todo.pop()]:
            if word not in seen:
                seen.add(word)
                if word in words:
                    todo.append(word)
    return seen


def promises():
    """[(function, first release)] of all public functions whose doc comment names one."""
    found = []
    for header in sorted(glob.glob(os.path.join(ROOT, "include", "oring", "*.h"))):
        for comment, name in re.findall(r"/\*\*((?:[^*]|\*(?!/))*)\*/\s*(?:ORING_\w+ )?[^;{(]*?(\w+)\(", read(header)):
            since = re.search(r"Since: (\d+\.\d+)", comment)
            if since and name.startswith("oring_"):
                found.append((name, since.group(1)))
    return found


def states(matrix, tests, series):
    return {feature["on"][series]["state"] for feature in matrix["features"]
            if (feature["suite"], feature["feature"]) in tests and series in feature["on"]}


def check_since(tap, matrix):
    series = [kernel["series"] for kernel in matrix["kernels"]]
    words = words_of_tests()
    wrong, shown = [], 0
    for name, since in promises():
        tests = {key for key, used in words.items() if name in used}
        if name.startswith("oring_prep_"):
            tests.add(("prep", name[len("oring_prep_"):]))
        before = [one for one in series if version(one) < version(since)]
        after = [one for one in series if version(one) >= version(since)]
        if name in NOT_SHOWN:
            continue
        problems = []
        if not tests:
            problems.append("no test calls it")
        elif after and not {"passed", "partly"} & states(matrix, tests, after[0]):
            problems.append(f"no test with it passed on {after[0]}")
        elif before and not {"absent", "partly"} & states(matrix, tests, before[-1]):
            problems.append(f"all tests with it passed on {before[-1]}")
        shown += not problems
        wrong += [f"{name} (Since: {since}): {problem}" for problem in problems]
    tap.say(not wrong, f"{shown} first releases are as the kernels showed", wrong)


def check_readme(tap, matrix):
    table = the_matrix.readme_table(matrix)
    tap.say(table in read("README.md"), "the README's floors are those of the matrix", [table])


def main():
    tap = Tap()
    check_suites(tap, sys.argv[1] if len(sys.argv) > 1 else ".")
    path = sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, "bench", "results", "matrix.json")
    if not os.path.exists(path):
        tap.say(True, "the matrix agrees with the tree", skip="there is none: tools/kernel-lab matrix")
        print(f"1..{tap.count}")
        return int(tap.failed)
    with open(path, encoding="utf-8") as file:
        matrix = json.load(file)
    check_failures(tap, matrix)
    check_newest(tap, matrix)
    check_since(tap, matrix)
    check_readme(tap, matrix)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
