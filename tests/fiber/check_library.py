#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The fiber layer as a library: it refers to no allocator, does nothing by being linked, and without
io_uring says so. Prints TAP.
"""
import errno
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import program  # noqa: E402 (no bytecode beside the sources)
import seccomp  # noqa: E402 (found by program's path)

# All that it takes from the C library. The calls that map are in runtime.c, at init and exit alone:
# test_fiber_memory.c.
TAKEN = {"__errno_location", "__stack_chk_fail", "__tls_get_addr", "_GLOBAL_OFFSET_TABLE_", "clock_gettime",
         "getcontext", "madvise", "makecontext", "memcpy", "memset", "mmap", "mmap64", "mprotect", "munmap",
         "sched_setaffinity", "setcontext", "swapcontext", "syscall", "sysconf"}
OTHERS = ("oring_", "fiber_", "__asan_", "__ubsan_", "__tsan_", "__sanitizer_", "__gcov_", "__llvm_")
BEGINS = (".init_array", ".ctors", ".preinit_array")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_symbols(tap, archive):
    missing = {line.split()[-1] for line in output("nm", "-u", archive).splitlines() if line.startswith(" ")}
    more = sorted(name for name in missing if name not in TAKEN and not name.startswith(OTHERS))
    tap.say(missing & TAKEN != set() and more == [], "library: takes nothing that allocates", more)


def check_sections(tap, archive):
    sections = output("readelf", "-SW", archive)
    found = [line.strip() for line in sections.splitlines() if any(f" {name}" in line for name in BEGINS)]
    # A sanitizer has something to begin in each file.
    sanitized = "__asan_init" in output("nm", "-u", archive)
    tap.say(".text" in sections and (sanitized or found == []), "library: does nothing by being linked", found,
            skip="a sanitizer begins in each file" if sanitized else None)


def check_refused(tap, build):
    for number in errno.ENOSYS, errno.EPERM:
        status, _, error = program.run(build, "counter", preexec_fn=seccomp.deny_setup(number))
        good = status == program.CANNOT and error.strip() != ""
        tap.say(good, f"library: without io_uring, {errno.errorcode[number]}: an error",
                [] if good else [f"status {status}", error])


def main(argv):
    tap = program.Tap()
    archive = os.path.join(argv[1], "examples/fiber/libfiber.a")
    if not os.path.exists(archive) or not shutil.which("nm") or not shutil.which("readelf"):
        tap.say(True, "library", skip="it is not built, or binutils are missing")
    else:
        check_symbols(tap, archive)
        check_sections(tap, archive)
        check_refused(tap, argv[1])
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
