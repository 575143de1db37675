#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The shared library used from Python as any foreign language would: real
symbols, plain integers and pointers, no C compiler at run time. Prints TAP.

    check_ctypes.py [liboring.so]    without a path, one is built
"""

import ctypes
import glob
import os
import subprocess
import sys
import tempfile
from ctypes import POINTER, byref, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TEXT = b"written from Python, by the kernel\n"


class Cqe(ctypes.Structure):
    _fields_ = [("user_data", c_uint64), ("res", c_int32), ("flags", c_uint32)]


class Tap:
    def __init__(self):
        self.count, self.failed = 0, False

    def equal(self, got, wanted, name):
        self.count += 1
        self.failed |= got != wanted
        print(f"{'ok' if got == wanted else 'not ok'} {self.count} - {name}")
        if got != wanted:
            print(f"# it is {got!r}, not {wanted!r}")


def build(folder):
    """A library without sanitizers: Python cannot load one with them."""
    result = subprocess.run(
        f"meson setup '{folder}' '{ROOT}' -Dtests=disabled -Dexamples=false -Dtools=false"
        f" && ninja -C '{folder}' -j 2", shell=True, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    found = [path for path in glob.glob(os.path.join(folder, "liboring.so*"))
             if os.path.isfile(path)]
    if result.returncode or not found:
        sys.exit("Bail out! the library does not build\n" + result.stdout)
    return found[0]


def load(path):
    """The library with the signatures that a binding would declare."""
    library = ctypes.CDLL(path)
    ring, sqe, file = c_void_p, c_void_p, c_uint64
    for name, result, *arguments in [
            ("oring_sizeof", c_size_t),
            ("oring_init", c_int, ring, c_uint32, c_void_p),
            ("oring_exit", c_int, ring),
            ("oring_fd", c_int, ring),
            ("oring_file_fd", c_uint64, c_int),
            ("oring_file_slot", c_uint64, c_uint32),
            ("oring_sq_reserve", c_void_p, ring),
            ("oring_sq_pending", c_uint32, ring),
            ("oring_prep_nop", None, sqe),
            ("oring_prep_write", None, sqe, file, c_void_p, c_size_t, c_uint64),
            ("oring_prep_read", None, sqe, file, c_void_p, c_size_t, c_uint64),
            ("oring_sqe_set_user_data", None, sqe, c_uint64),
            ("oring_submit_and_wait", c_int, ring, c_uint32),
            ("oring_cq_ready", c_uint32, ring),
            ("oring_cq_peek", POINTER(Cqe), ring),
            ("oring_cq_release", None, ring)]:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def complete(tap, library, ring, identity, name):
    """Submit the one entry, and the result of its completion."""
    tap.equal(library.oring_submit_and_wait(byref(ring), 1), 1, f"{name}: submitted")
    cqe = library.oring_cq_peek(byref(ring))
    if not cqe:
        tap.equal(None, "a completion", f"{name}: completed")
        return None
    tap.equal(cqe.contents.user_data, identity, f"{name}: the identity comes back")
    result = cqe.contents.res
    library.oring_cq_release(byref(ring))
    tap.equal(library.oring_cq_ready(byref(ring)), 0, f"{name}: released")
    return result


def reserve(library, ring, identity):
    sqe = library.oring_sq_reserve(byref(ring))
    if not sqe:
        sys.exit("Bail out! oring_sq_reserve gave NULL")
    library.oring_sqe_set_user_data(sqe, identity)
    return sqe


def check(tap, library):
    ring = (ctypes.c_ubyte * library.oring_sizeof())()
    tap.equal(library.oring_init(byref(ring), 8, None), 0, "oring_init in a buffer of Python's")
    descriptor = library.oring_fd(byref(ring))
    tap.equal(os.readlink(f"/proc/self/fd/{descriptor}"), "anon_inode:[io_uring]",
              "oring_fd is a ring")

    high = 0xFEDC_BA98_7654_3210
    library.oring_prep_nop(reserve(library, ring, high))
    tap.equal(complete(tap, library, ring, high, "nop"), 0, "nop: the result")

    tap.equal(library.oring_file_slot(3), 1 << 32 | 3, "a file by value is a 64-bit integer")
    with tempfile.TemporaryFile() as file:
        number = library.oring_file_fd(file.fileno())
        out = ctypes.create_string_buffer(TEXT, len(TEXT))
        library.oring_prep_write(reserve(library, ring, 1), number, out, len(TEXT), 5)
        tap.equal(complete(tap, library, ring, 1, "write"), len(TEXT), "write: the result")
        tap.equal(file.read(), b"\0" * 5 + TEXT, "write: the bytes are in the file")

        back = ctypes.create_string_buffer(100)
        library.oring_prep_read(reserve(library, ring, 2), number, back, 100, 5)
        tap.equal(complete(tap, library, ring, 2, "read"), len(TEXT), "read: the result")
        tap.equal(back.raw[:len(TEXT)], TEXT, "read: the bytes are back")

        library.oring_prep_read(reserve(library, ring, 3), library.oring_file_slot(3), back, 1, 0)
        tap.equal(complete(tap, library, ring, 3, "read of no slot"), -9,
                  "read of a slot where nothing is registered: EBADF")

    tap.equal(library.oring_sq_pending(byref(ring)), 0, "nothing is pending")
    tap.equal(library.oring_exit(byref(ring)), 0, "oring_exit")
    tap.equal(os.path.exists(f"/proc/self/fd/{descriptor}"), False, "the descriptor is closed")


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        check(tap, load(sys.argv[1] if len(sys.argv) > 1 else build(folder)))
    print(f"1..{tap.count}")
    return int(tap.failed)


if __name__ == "__main__":
    sys.exit(main())
