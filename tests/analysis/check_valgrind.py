#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Some tests under valgrind's memcheck, built without sanitizers. Prints TAP.

    check_valgrind.py [TEST...]    as test_sqe; else those of TESTS

What memcheck sees here and sanitizers do not: decisions that rest on memory which was never set, in
the library's own code and in all that it calls. What it cannot see: it knows the three system calls
of io_uring, but not what an entry makes the kernel read or write. So memory that the kernel filled by
an entry counts as never set, and a buffer that was freed too early is not reported; ring memory and
completions count as set. A wait by a registered region it takes for a bad address (valgrind 3.19), so
nothing of fast.h is run. Hence unit tests, and those kernel tests that look at results and not at data.
"""

import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
from tap import Tap  # noqa: E402 (found by the path above)

TESTS = ["test_cqe", "test_file", "test_ring_model", "test_plan"]
LIMIT = 60  # seconds for one program
# Leaks are LeakSanitizer's business; these programs are children of Criterion's.
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--trace-children=yes", "--leak-check=no",
            "--child-silent-after-fork=no"]
MISTAKE = """
#include <oring.h>
#include <stdlib.h>
int main(void)
{
	struct oring_sqe *sqe = malloc(sizeof(*sqe));
	oring_prep_nop(sqe); /* never cleared */
	return oring_sqe_check(sqe) < 0 ? 1 : 0;
}
"""


def build(folder, names):
    """What went wrong, or None."""
    for command in (["meson", "setup", folder, ROOT, "-Dtests=enabled", "-Dexamples=false", "-Dtools=false",
                     "--buildtype=debugoptimized"],
                    ["ninja", "-C", folder, "-j", "2", *(f"tests/{name}" for name in names)],
                    ["cc", "-std=c11", "-O1", "-g", f"-I{ROOT}/include", "-x", "c", "-o", f"{folder}/mistake",
                     f"{folder}/mistake.c", "-x", "none", f"{folder}/liboring.a"]):
        if command[0] == "cc":
            with open(os.path.join(folder, "mistake.c"), "w", encoding="utf-8") as file:
                file.write(MISTAKE)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              timeout=300)
        if done.returncode:
            return done.stdout[-3000:]
    return None


def examine(program, *arguments):
    """(status, [what valgrind complains of])"""
    try:
        done = subprocess.run([*VALGRIND, program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return None, [f"no end after {LIMIT} s"]
    return done.returncode, [line for line in (done.stderr + done.stdout).splitlines()
                             if line.startswith(("==", "not ok"))]


def main():
    tap = Tap()
    names = sys.argv[1:] or TESTS
    if shutil.which("valgrind") is None:
        tap.say(True, "memcheck", skip="valgrind is not installed")
        print("1..1")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        problem = build(folder, names)
        if problem:
            tap.say(False, "the tests build", [problem])
        else:
            status, _ = examine(f"{folder}/mistake")
            tap.say(status == 99, "memcheck finds an entry that was never cleared",
                    [] if status == 99 else [f"status {status}"])
            for name in names:
                status, said = examine(f"{folder}/tests/{name}", "-Otap:/dev/stdout", "--jobs", "1")
                tap.say(status == 0 and not said, f"{name} under memcheck", said[:60])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
