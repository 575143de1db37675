#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the shared library exports - symbols, and what their types look like - is what oring.abi says.

    check_abi.py             compare, by abidiff; prints TAP
    check_abi.py --update    write oring.abi anew: after a change that is meant

Adding to the ABI needs an update too: the baseline is what a release promises.
"""

import glob
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tap import Tap  # noqa: E402 (found by the path above)

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BASELINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "oring.abi")
LIMIT = 120  # seconds for one command
# The baseline's machine and compiler. Without optimization all types are in the debug information.
COMPILER = """gcc -std=c11 -g -O0 -fPIC -shared -ffreestanding -fno-builtin -fno-stack-protector
    -fvisibility=hidden -nostdlib -Wl,-z,defs -Wl,--version-script=src/oring.map -Iinclude -Isrc""".split()
MACHINE = "x86_64"


def run(command, folder=ROOT):
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=LIMIT, check=False)


def build(folder, source=ROOT):
    """The library's path; its soname is the one that the build gives it."""
    with open(os.path.join(source, "include", "oring", "version.h"), encoding="utf-8") as file:
        abi = re.search(r"^#define ORING_ABI\s+(\d+)", file.read(), re.M).group(1)
    library = os.path.join(folder, "liboring.so")
    paths = [os.path.relpath(path, source)
             for path in sorted(glob.glob(os.path.join(source, "src", "*.c")))]
    done = run([*COMPILER, f"-Wl,-soname,liboring.so.{abi}", "-o", library, *paths], source)
    if done.returncode:
        raise RuntimeError(done.stdout)
    return library


def describe(library, out):
    """As abidw writes it, without what is of this machine or only says where a thing stands."""
    done = run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs",
                "--type-id-style", "hash", "--out-file", out, library])
    if done.returncode:
        raise RuntimeError(done.stdout)


def compare(library):
    """What abidiff tells, "" if nothing."""
    done = run(["abidiff", "--no-show-locs", "--harmless", BASELINE, library])
    return (done.stdout.strip() or f"status {done.returncode}") if done.returncode else ""


# Changes that each have to be seen: (file, what, by what)
CHANGES = {
    "a member more": ("include/oring/message.h", "struct oring_message {", "struct oring_message {\n\tint more;"),
    "a result's type": ("include/oring/cq.h", "ORING_INLINE uint32_t oring_cq_overflow_count(",
                        "ORING_INLINE uint64_t oring_cq_overflow_count("),
    "a value more in an enum": ("include/oring/describe.h", "enum oring_form {", "enum oring_form {\n\tFIRST,"),
    "a symbol less": ("src/oring.map", "\toring_drain;\n", ""),
}


def check(tap):
    with tempfile.TemporaryDirectory() as folder:
        library = build(folder)
        said = compare(library)
        tap.say(not said, "the exported ABI is the baseline's", [said] if said else [])
        for name, (path, old, new) in CHANGES.items():
            copy = os.path.join(folder, "copy")
            for part in ("src", "include"):
                shutil.copytree(os.path.join(ROOT, part), os.path.join(copy, part))
            with open(os.path.join(copy, path), encoding="utf-8") as file:
                text = file.read()
            with open(os.path.join(copy, path), "w", encoding="utf-8") as file:
                file.write(text.replace(old, new, 1))
            said = compare(build(folder, copy))
            shutil.rmtree(copy)
            tap.say(old in text and bool(said), f"a change would be seen: {name}",
                    ["nothing was said" if old in text else f"{path} lacks {old!r}"] if not said else [])


def main():
    tap = Tap()
    lacks = [tool for tool in ("gcc", "abidw", "abidiff") if shutil.which(tool) is None]
    if platform.machine() != MACHINE:
        tap.say(True, "the exported ABI is the baseline's", skip=f"the baseline is of {MACHINE}")
    elif lacks:
        tap.say(True, "the exported ABI is the baseline's", skip=f"{' and '.join(lacks)} not installed")
    elif sys.argv[1:] == ["--update"]:
        with tempfile.TemporaryDirectory() as folder:
            describe(build(folder), BASELINE)
        return 0
    else:
        check(tap)
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
