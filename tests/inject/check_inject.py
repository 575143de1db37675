#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Errors, signals and delays from outside, by strace, in the library as it is released: a program
must see each error as the kernel's own, and lose nothing. Prints TAP."""

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
from tap import Tap  # noqa: E402 (found by the path above)

ALL_WELL = {"init": "0", "wait": str(-errno.ETIME), "register": "0", "exit": "0",
            "many": "error 0, seen 1000, pending 0, again no", "left": "descriptors 0, mappings 0"}
CLOSED = {"closed": f"-1 {-errno.EBADF} 1", "exit": "0", "left": "descriptors 0, mappings 0"}
AGAIN = {**ALL_WELL, "many": "error 0, seen 1000, pending 0, again yes"}


def refused(name):
    return {"init": str(-getattr(errno, name)), **CLOSED}


def cases():
    """(what is injected, what the program says)"""
    for name in "EPERM", "ENOMEM", "EINVAL", "ENOSYS", "EMFILE", "ENFILE", "EFAULT":
        yield f"io_uring_setup:error={name}", refused(name)
    # Enter 1 is the wait, those after it submit.
    for name in "EINTR", "EAGAIN", "EBUSY":
        yield f"io_uring_enter:error={name}:when=2+3", AGAIN
    for name in "EINTR", "EAGAIN", "EBUSY", "ENOMEM", "EBADF", "EPERM":
        yield f"io_uring_enter:error={name}:when=1", {**ALL_WELL, "wait": str(-getattr(errno, name))}
    for name in "ENOMEM", "EPERM", "EFAULT", "EBADF", "EBADFD", "EINVAL", "EOPNOTSUPP", "ENXIO":
        # Four entries were offered, and stay.
        yield f"io_uring_enter:error={name}:when=2", \
            {**ALL_WELL, "many": f"error {-getattr(errno, name)}, seen 0, pending 4, again no"}
    for name in "EPERM", "ENOMEM", "EINVAL", "EBUSY", "EMFILE", "ENOSYS":
        yield f"io_uring_register:error={name}", {**ALL_WELL, "register": str(-getattr(errno, name))}
    yield "io_uring_enter:signal=USR1:when=2+2", ALL_WELL
    yield "io_uring_enter:error=EINTR:signal=USR1:when=2+2", AGAIN
    yield "io_uring_enter:delay_enter=2000:when=2+20", ALL_WELL
    yield "io_uring_enter:delay_exit=2000:when=2+20", ALL_WELL
    yield "io_uring_setup:delay_exit=50000", ALL_WELL


def build(folder):
    """The program with the library, as `meson setup --buildtype=release` makes it."""
    library = os.path.join(folder, "build")
    program = os.path.join(folder, "inject")
    for command in (["meson", "setup", library, ROOT, "--buildtype=release", "-Dtests=disabled", "-Dexamples=false",
                     "-Dtools=false", "-Ddefault_library=static"],
                    ["ninja", "-C", library, "-j", "2"],
                    ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", "-o", program,
                     os.path.join(HERE, "inject.c"), os.path.join(library, "liboring.a")]):
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return program


def said_under(program, folder, *options):
    """({step: what it said}, strace's record of the calls)"""
    record = os.path.join(folder, "record")
    done = subprocess.run(["strace", "-o", record, "-e", "trace=io_uring_setup,io_uring_enter,io_uring_register,mmap,"
                           "munmap,madvise", *options, program], capture_output=True, text=True, timeout=60, check=False)
    with open(record, encoding="utf-8") as file:
        calls = file.read()
    said = dict(line.replace(":", "", 1).split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    said.update({} if done.returncode == 0 else {"status": f"{done.returncode}: {done.stderr[-500:]}"})
    return said, calls


def differences(said, wanted):
    return [f"{step}: {said.get(step)}, not {wanted.get(step)}" for step in sorted({*said, *wanted})
            if said.get(step) != wanted.get(step)]


def check_mappings(tap, program, folder, calls):
    """Each mmap of the ring fails: they are counted among all mmap calls of the process."""
    numbers = [number for number, call in enumerate(re.findall(r"^mmap\(.*", calls, flags=re.M), 1)
               if "MAP_SHARED|MAP_POPULATE" in call]
    tap.say(bool(numbers), f"the library maps {len(numbers)} times", [] if numbers else [calls])
    for number in numbers:
        for name in "ENOMEM", "EAGAIN", "EPERM", "ENFILE":
            said, _ = said_under(program, folder, "-e", f"inject=mmap:error={name}:when={number}")
            tap.say(not differences(said, refused(name)), f"mmap {numbers.index(number) + 1}: {name}",
                    differences(said, refused(name)))


def main():
    tap = Tap()
    if shutil.which("strace") is None:
        tap.say(True, "injected errors", skip="strace is not installed")
        print("1..1")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = build(folder)
        except subprocess.CalledProcessError as error:
            tap.say(False, "the library and the program build", [error.stdout, error.stderr])
            print("1..1")
            return 1
        said, calls = said_under(program, folder)
        if not calls:
            tap.say(True, "injected errors", skip=f"strace cannot watch processes here: {said}")
            print("1..1")
            return 0
        wrong = differences(said, ALL_WELL)
        tap.say(not wrong, "nothing injected: all is well", wrong)
        check_mappings(tap, program, folder, calls)
        for what, wanted in cases():
            said, calls = said_under(program, folder, "-e", f"inject={what}")
            # strace marks what it did; a signal is told in lines of its own.
            done = "INJECTED" in calls or "DELAYED" in calls or "--- SIGUSR1" in calls
            tap.say(done and not differences(said, wanted), what,
                    differences(said, wanted) + ([] if done else ["strace injected nothing"]))
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
