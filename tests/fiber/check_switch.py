#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The switch of examples/fiber alone, as each compiler makes it; for aarch64 by emulation. Prints TAP."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tap import Tap  # noqa: E402 (found by the path above)

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = [os.path.join(TOP, name) for name in ("tests/fiber/switch_program.c", "examples/fiber/switch.c")]
LIMIT = 60
# name: compiler and its options; what runs it.
BUILDS = {
    "gcc": (["gcc", "-O2"], []),
    "gcc -O0": (["gcc", "-O0"], []),
    "gcc, checked branches": (["gcc", "-O2", "-fcf-protection=full"], []),
    "gcc, ucontext": (["gcc", "-O2", "-DFIBER_UCONTEXT"], []),
    "gcc, AddressSanitizer": (["gcc", "-O1", "-fsanitize=address"], []),
    "gcc, ThreadSanitizer": (["gcc", "-O1", "-fsanitize=thread"], []),
    "gcc, ThreadSanitizer, ucontext": (["gcc", "-O1", "-fsanitize=thread", "-DFIBER_UCONTEXT"], []),
    "clang": (["clang", "-O2"], []),
    "clang, AddressSanitizer": (["clang", "-O1", "-fsanitize=address"], []),
    "clang, ThreadSanitizer": (["clang", "-O1", "-fsanitize=thread"], []),
    "aarch64": (["aarch64-linux-gnu-gcc", "-O2", "-static"], ["qemu-aarch64-static"]),
    "aarch64, checked branches": (["aarch64-linux-gnu-gcc", "-O2", "-static", "-mbranch-protection=standard"],
                                  ["qemu-aarch64-static"]),
    "aarch64, ucontext": (["aarch64-linux-gnu-gcc", "-O2", "-static", "-DFIBER_UCONTEXT"], ["qemu-aarch64-static"]),
}


def check(tap, folder, name, compiler, runner):
    missing = [program for program in (compiler[0], *runner) if shutil.which(program) is None]
    if missing:
        tap.say(True, f"switch: {name}", skip=f"{', '.join(missing)} is missing")
        return
    program = os.path.join(folder, "program")
    command = [*compiler, "-Wall", "-Wextra", "-Werror", "-I", os.path.join(TOP, "examples/fiber"), *SOURCES,
               "-lm", "-o", program]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        tap.say(False, f"switch: {name}", built.stderr.splitlines())
        return
    try:
        done = subprocess.run([*runner, program], capture_output=True, text=True, timeout=LIMIT)
        good = done.returncode == 0 and "not ok" not in done.stdout and "ok 6" in done.stdout
        tap.say(good, f"switch: {name}", [] if good else [f"status {done.returncode}", done.stdout, done.stderr])
    except subprocess.TimeoutExpired:
        tap.say(False, f"switch: {name}", [f"did not end within {LIMIT} s"])


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        for name, (compiler, runner) in BUILDS.items():
            check(tap, folder, name, compiler, runner)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
