"""A server whose system calls that flush a file fail with EIO: `python -m tests.support.failing_flush NAME serve`.

NAME is fsync, which Python's `os.fsync` calls, or fdatasync, which SQLite calls. A filter of the kernel (seccomp(2))
makes them fail, so the product runs unchanged.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

from server.cli import app

# https://github.com/torvalds/linux/blob/master/arch/x86/entry/syscalls/syscall_64.tbl, and the generic table of arm64.
SYSCALLS = {"x86_64": {"fsync": 74, "fdatasync": 75}, "aarch64": {"fsync": 82, "fdatasync": 83}}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
# The exit status where the kernel, or a container around the tests, has no such filters.
NOT_PERMITTED = 77
# Classic BPF: load the number of the system call, compare it, return.
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
FAIL_WITH, ALLOW = 0x00050000, 0x7FFF0000


class Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def fail(name: str) -> None:
    """Let every call of this system call fail from now on, in this process and its children."""
    number = SYSCALLS[platform.machine()][name]
    instructions = [
        (LOAD, 0, 0, 0),
        (JUMP_IF_EQUAL, 0, 1, number),
        (RETURN, 0, 0, FAIL_WITH | errno.EIO),
        (RETURN, 0, 0, ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *each) for each in instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(instructions), code)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    try:
        fail(sys.argv.pop(1))
    except (OSError, KeyError):
        sys.exit(NOT_PERMITTED)
    app()
