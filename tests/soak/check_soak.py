#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A short soak, built plainly and with sanitizers; each kind of loss, made on purpose, is found. Prints TAP.

    check_soak.py [SECONDS]    of each run, 4 unless told; for the long run see tools/soak --help
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tap import Tap  # noqa: E402 (found by the path above)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOAK = os.path.join(ROOT, "tools/soak")
CANNOT = 77
# What --break takes, and words of the check that finds it.
FAULTS = {
    "lose": "nothing completes any more",
    "twice": "a completion of nobody",
    "flip": "is not as it was written",
    "descriptor": "descriptors before",
    "buffer": "buffers are missing",
    "memory": "memory grew",
}


def soak(folder, arguments, flags=""):
    """(exit code, output) of one run."""
    made = tempfile.mkdtemp(dir=folder)
    environment = dict(os.environ, SOAK_BUILD=made, CFLAGS=flags, TMPDIR=folder)
    try:
        done = subprocess.run([SOAK] + arguments, capture_output=True, text=True, timeout=300,
                              env=environment)
    except subprocess.TimeoutExpired:
        return 1, "no end after 300 s"
    return done.returncode, done.stdout + done.stderr


def left(folder):
    """Files that soaks left behind."""
    return [name for name in os.listdir(folder) if name.startswith("oring-soak-")]


def main(argv):
    seconds = argv[1] if len(argv) > 1 else "4"
    tap = Tap()
    whole = ["soak", "soak with ASan and UBSan", "soak with one worker"]
    if shutil.which("cc") is None:
        for name in whole:
            tap.say(True, name, skip="no C compiler is installed")
        print(f"1..{tap.count}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        sanitized = "-fsanitize=address,undefined -fno-sanitize-recover=all"
        for name, flags, more in zip(whole, ["", sanitized, ""], [[], [], ["--workers", "1"]]):
            code, output = soak(folder, ["--seconds", seconds] + more, flags)
            if code == CANNOT:
                tap.say(True, name, skip=output.strip())
                continue
            good = code == 0 and "nothing was lost" in output
            print("# " + "; ".join(line for line in output.splitlines() if " operations, " in line))
            tap.say(good, name, [] if good else [output])
        tap.say(not left(folder), "soak leaves no files", left(folder))
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            runs = {fault: pool.submit(soak, folder, ["--seconds", "2", "--break", fault]) for fault in FAULTS}
        for fault, words in FAULTS.items():
            code, output = runs[fault].result()
            if code == CANNOT:
                tap.say(True, "soak finds: " + fault, skip=output.strip())
                continue
            good = code == 1 and words in output
            tap.say(good, "soak finds: " + fault, [] if good else [f"status {code}", output])
        tap.say(not left(folder), "a soak that failed leaves no files", left(folder))
        code, output = soak(folder, ["--minutes", "none"])
        good = code == 2 and "usage:" in output
        tap.say(good, "soak refuses what is no number", [] if good else [output])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
