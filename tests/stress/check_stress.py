#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build the stress programs with clang's ThreadSanitizer, run each, print TAP.

    check_stress.py [SECONDS]

The library's sources are compiled in, so that its accesses are watched too.
(gcc's ThreadSanitizer does not model fences that stand alone.)
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests/stress")
# Frames of the library and the programs; a report ends the program with an error.
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
         "-fsanitize=thread", "-pthread",
         "-I" + os.path.join(ROOT, "include"), "-I" + os.path.join(ROOT, "src")]


def run(name, seconds, folder):
    """The reason why program @name fails, or None."""
    program = os.path.join(folder, name)
    sources = sorted(glob.glob(os.path.join(ROOT, "src/*.c")))
    command = ["clang"] + FLAGS + ["-o", program, os.path.join(HERE, name + ".c")] + sources
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        return built.stderr
    try:
        done = subprocess.run([program, seconds], capture_output=True, text=True, timeout=120,
                              env=dict(os.environ, TSAN_OPTIONS="halt_on_error=1"))
    except subprocess.TimeoutExpired:
        return "no end after 120 s"
    print("# %s: %s" % (name, done.stdout.strip()))
    return done.stdout + done.stderr if done.returncode else None


def main(argv):
    seconds = argv[1] if len(argv) > 1 else "2"
    names = sorted(name[:-2] for name in os.listdir(HERE) if name.endswith(".c"))
    print("1..%d" % len(names))
    for number, name in enumerate(names, 1):
        if shutil.which("clang") is None:
            print("ok %d - %s # SKIP clang is not installed" % (number, name))
            continue
        with tempfile.TemporaryDirectory() as folder:
            reason = run(name, seconds, folder)
        print("%sok %d - %s under ThreadSanitizer" % ("not " if reason else "", number, name))
        for line in (reason or "").splitlines()[:60]:
            print("# " + line)


if __name__ == "__main__":
    main(sys.argv)
