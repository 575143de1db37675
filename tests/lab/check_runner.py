#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/lab/rows_runner.c on the running kernel, as a native and as a 32-bit
x86 program: pointers, and structures that differ there, survive. Prints TAP."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools", "lab"))

import debian  # noqa: E402 (found by the path above)
import programs  # noqa: E402

LIMIT = 600  # seconds for all of one program's tests
RUNNERS = [("native", "gcc"), ("i686", "i686-linux-gnu-gcc")]


class Results:
    def __init__(self):
        self.count, self.failed = 0, False

    def say(self, ok, text, notes=()):
        self.count += 1
        self.failed |= not ok
        print(f"{'ok' if ok else 'not ok'} {self.count} - {text}")
        for note in notes:
            print(f"# {note}")
        sys.stdout.flush()

    def take(self, name, output):
        """Tell another program's TAP again, under its name; how many tests it planned and told."""
        planned, told = None, 0
        for line in output.splitlines():
            test = re.match(r"(not )?ok \d+ - (.*)", line)
            if test:
                told += 1
                self.say(not test.group(1), f"{name}: {test.group(2)}")
            elif line.startswith("1.."):
                planned = int(line[3:])
            else:
                print(line)
        return planned, told


def check(results, name, compiler, folder):
    if shutil.which(compiler) is None:
        results.say(True, f"{name} # SKIP there is no {compiler}")
        return
    try:
        path = programs.runner(name, compiler, folder)
    except debian.LabError as error:
        results.say(False, f"{name}: builds", str(error).splitlines())
        return
    try:
        ran = subprocess.run([path], stdout=subprocess.PIPE, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        results.say(False, f"{name}: ends within {LIMIT} s")
        return
    except OSError as error:
        results.say(True, f"{name} # SKIP this kernel does not start it: {error.strerror}")
        return
    planned, told = results.take(name, ran.stdout)
    results.say(planned == told and ran.returncode in (0, 1), f"{name}: all tests are told of",
                [] if planned == told else [f"planned {planned}, told of {told}, exit {ran.returncode}"])


def main():
    results = Results()
    with tempfile.TemporaryDirectory() as folder:
        for name, compiler in RUNNERS:
            check(results, name, compiler, folder)
    print(f"1..{results.count}")
    return int(results.failed)


if __name__ == "__main__":
    sys.exit(main())
