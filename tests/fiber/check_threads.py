#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fiber-threads: fibers of two threads lose no increment and no turn; ThreadSanitizer finds no race. Prints TAP."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCREMENTS = 1000000
TURNS = 2000


def complaints(status, output, increments):
    """What is wrong with a run: [] if nothing."""
    match = re.match(r"counted (\d+) of (\d+), (\d+) rounds; (\d+) enters", output)
    if status != 0 or match is None:
        return [f"status {status}", output]
    counted, wanted, rounds, enters = map(int, match.groups())
    found = []
    if counted != wanted or wanted != increments:
        found.append(f"{counted} of {wanted} increments")
    if rounds != TURNS:
        found.append(f"{rounds} of {TURNS} turns")
    # A hand-over is a wait at most; the lock is mostly free.
    if enters > increments / 2 + 4 * TURNS:
        found.append(f"{enters} enters")
    return found


def sanitized(folder):
    """The program built for ThreadSanitizer with all it stands on, or the compiler's words."""
    made = os.path.join(folder, "threads")
    fiber = os.path.join(ROOT, "examples/fiber")
    command = ["clang", "-std=gnu11", "-O1", "-g", "-fsanitize=thread", "-pthread",
               "-I" + os.path.join(ROOT, "include"), "-I" + os.path.join(ROOT, "src"), "-I" + fiber,
               "-o", made, os.path.join(fiber, "programs/threads.c")]
    command += sorted(glob.glob(fiber + "/*.c")) + sorted(glob.glob(os.path.join(ROOT, "src/*.c")))
    done = subprocess.run(command, capture_output=True, text=True)
    return (made, "") if done.returncode == 0 else (None, done.stderr)


def main(argv):
    tap = program.Tap()
    status, output, error = program.run(argv[1], "threads", str(INCREMENTS))
    if status == program.CANNOT:
        tap.say(True, "threads", skip=error.strip())
        print(f"1..{tap.count}")
        return 0
    wrong = complaints(status, output.decode(), INCREMENTS)
    tap.say(not wrong, f"{INCREMENTS} increments, {TURNS} turns", wrong + ([error] if wrong else []))
    name = "the same under ThreadSanitizer"
    if shutil.which("clang") is None:
        tap.say(True, name, skip="clang is not installed")
    else:
        with tempfile.TemporaryDirectory() as folder:
            made, words = sanitized(folder)
            if made is None:
                tap.say(False, name, [words])
            else:
                done = subprocess.run([made, "80000"], capture_output=True, text=True, timeout=program.LIMIT,
                                      env=dict(os.environ, TSAN_OPTIONS="halt_on_error=1"))
                wrong = complaints(done.returncode, done.stdout, 80000)
                tap.say(not wrong, name, wrong + ([done.stderr] if wrong else []))
    status, _, error = program.run(argv[1], "threads", "many")
    tap.say(status == 2 and error != "", "a number that is none is refused", [f"status {status}", error])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
