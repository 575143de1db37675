#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build the load programs with optimisation, run each, print TAP.

    check_load.py [MIB [CONNECTIONS]]    64 and 1000; for the long run 1024 and 10000

They are no stress programs: under ThreadSanitizer so much would take hours.
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tap import Tap  # noqa: E402 (found by the path above)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests/load")
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread",
         "-I" + os.path.join(ROOT, "include"), "-I" + os.path.join(ROOT, "src")]
CANNOT = 77
SECONDS = 600


def run(name, arguments, folder):
    """(exit code, output) of program @name, or of its compiler."""
    program = os.path.join(folder, name)
    sources = sorted(glob.glob(os.path.join(ROOT, "src/*.c")))
    built = subprocess.run(["cc"] + FLAGS + ["-o", program, os.path.join(HERE, name + ".c")] +
                           sources, capture_output=True, text=True)
    if built.returncode:
        return 1, built.stderr
    try:
        done = subprocess.run([program] + arguments, capture_output=True, text=True,
                              timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return 1, "no end after %d s" % SECONDS
    return done.returncode, done.stdout + done.stderr


def main(argv):
    tap = Tap()
    for name in sorted(name[:-2] for name in os.listdir(HERE) if name.endswith(".c")):
        what = name + " under load"
        if shutil.which("cc") is None:
            tap.say(True, what, skip="no C compiler is installed")
            continue
        with tempfile.TemporaryDirectory() as folder:
            code, output = run(name, argv[1:], folder)
        if code == CANNOT:
            tap.say(True, what, skip=output.strip())
            continue
        print("# " + "\n# ".join(output.strip().split("; ")))
        tap.say(code == 0, what, [] if code == 0 else [output])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
