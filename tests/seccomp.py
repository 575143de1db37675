# SPDX-License-Identifier: MIT
"""io_uring refused by a seccomp filter, for programs that a check runs."""
import ctypes

SYS_IO_URING_SETUP = 425  # on every architecture that has it


class Filter(ctypes.Structure):
    """struct sock_filter"""
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte),
                ("k", ctypes.c_uint)]


class FilterProgram(ctypes.Structure):
    """struct sock_fprog"""
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]


def deny_setup(number):
    """A preexec_fn after which io_uring_setup fails with errno @number, by seccomp."""
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = (Filter * 4)(
        Filter(0x20, 0, 0, 0),                    # load the system call's number
        Filter(0x15, 0, 1, SYS_IO_URING_SETUP),   # is it this one?
        Filter(0x06, 0, 0, 0x00050000 | number),  # SECCOMP_RET_ERRNO
        Filter(0x06, 0, 0, 0x7fff0000))           # SECCOMP_RET_ALLOW
    program = FilterProgram(4, instructions)

    def install():
        set_no_new_privs, set_seccomp, filter_mode = 38, 22, 2
        if libc.prctl(set_no_new_privs, 1, 0, 0, 0) != 0 or \
           libc.prctl(set_seccomp, filter_mode, ctypes.byref(program), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    return install
