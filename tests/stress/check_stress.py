#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build the stress programs with clang's sanitizers, run each, print TAP.

    check_stress.py [SECONDS]

The library's sources are compiled in, so that its accesses are watched too: by
ThreadSanitizer, and once more by AddressSanitizer with UBSan. (gcc's ThreadSanitizer
does not model fences that stand alone.) A program that exits with 77 found no kernel
for what it does.
"""
import concurrent.futures
import glob
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests/stress")
sys.path.insert(0, os.path.join(ROOT, "tests"))
from tap import Tap  # noqa: E402 (found by the path above)

# Frames of the library and the programs; a report ends the program with an error.
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread",
         "-I" + os.path.join(ROOT, "include"), "-I" + os.path.join(ROOT, "src")]
BUILDS = {
    "ThreadSanitizer": ["-fsanitize=thread"],
    "AddressSanitizer": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}
# These play the kernel themselves.
STAND_INS = {"stress_protocol"}
SKIP = 77
LIMIT = 180


def compile_one(folder, build, source, extra):
    """One object; its name, or what the compiler said."""
    name = os.path.splitext(os.path.basename(source))[0]
    target = os.path.join(folder, "%s.%s%s.o" % (name, build, "".join(extra)))
    done = subprocess.run(["clang"] + FLAGS + BUILDS[build] + extra + ["-c", "-o", target, source],
                          capture_output=True, text=True, check=False)
    return (target, None) if done.returncode == 0 else (None, done.stderr)


def build_all(folder, names):
    """{(program, build): (path, None) or (None, why not)}"""
    sources = sorted(glob.glob(os.path.join(ROOT, "src/*.c")))
    jobs = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for build in BUILDS:
            for name in names:
                extra = ["-DORING_EXTERNAL_CALLS"] if name in STAND_INS else []
                for source in sources + [os.path.join(HERE, name + ".c")]:
                    key = (build, source, tuple(extra))
                    if key not in jobs:
                        jobs[key] = pool.submit(compile_one, folder, build, source, extra)
    programs = {}
    for build in BUILDS:
        for name in names:
            extra = ("-DORING_EXTERNAL_CALLS",) if name in STAND_INS else ()
            made = [jobs[build, source, extra].result()
                    for source in sources + [os.path.join(HERE, name + ".c")]]
            errors = "".join(error for _, error in made if error)
            program = os.path.join(folder, "%s.%s" % (name, build))
            if not errors:
                done = subprocess.run(["clang", "-pthread"] + BUILDS[build] + ["-o", program]
                                      + [target for target, _ in made],
                                      capture_output=True, text=True, check=False)
                errors = done.stderr if done.returncode else ""
            programs[name, build] = (None, errors) if errors else (program, None)
    return programs


def run(tap, name, build, program, seconds):
    title = "%s under %s" % (name, build)
    environment = dict(os.environ, TSAN_OPTIONS="halt_on_error=1", UBSAN_OPTIONS="print_stacktrace=1")
    try:
        done = subprocess.run([program, seconds], capture_output=True, text=True, timeout=LIMIT,
                              env=environment, check=False)
    except subprocess.TimeoutExpired:
        tap.say(False, title, ["no end after %d s" % LIMIT])
        return
    if done.returncode == SKIP:
        tap.say(True, title, skip=done.stdout.strip())
    elif done.returncode:
        lines = (done.stdout + done.stderr).splitlines()
        tap.say(False, title, ["exit status %d" % done.returncode] + lines[:60])
    else:
        tap.say(True, title, [done.stdout.strip()])


def main(argv):
    seconds = argv[1] if len(argv) > 1 else "2"
    names = sorted(name[:-2] for name in os.listdir(HERE) if name.endswith(".c"))
    tap = Tap()
    print("1..%d" % (len(names) * len(BUILDS)))
    with tempfile.TemporaryDirectory() as folder:
        programs = build_all(folder, names) if shutil.which("clang") else {}
        for name in names:
            for build in BUILDS:
                if not programs:
                    tap.say(True, "%s under %s" % (name, build), skip="clang is not installed")
                    continue
                program, error = programs[name, build]
                if error:
                    tap.say(False, "%s under %s" % (name, build), error.splitlines()[:60])
                else:
                    run(tap, name, build, program, seconds)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
