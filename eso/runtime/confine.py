"""Takes from a worker process everything it does not need: files, sockets, processes, memory, the sight of others.

Neighbours: zygote.py calls `confine` in each worker before the first request. Linux only; where the machine is unknown
to the filter table, the limits alone have to do, and `confine` says so.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from typing import Final

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
SECCOMP_MODE_FILTER: Final = 2
EPERM: Final = 1
SIGKILL: Final = 9

# What a process that computes needs: the pipe it has, memory, time, chance, its end. The numbers of the calls on x86_64
# and on aarch64.
CALLS: Final = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "brk": (12, 214),
    "madvise": (28, 233),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "sched_yield": (24, 124),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "gettimeofday": (96, 169),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "futex": (202, 98),
    "membarrier": (324, 283),
    "rseq": (334, 293),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
MACHINES: Final = {
    "x86_64": (0xC000003E, tuple(numbers[0] for numbers in CALLS.values())),
    "aarch64": (0xC00000B7, tuple(numbers[1] for numbers in CALLS.values())),
}

_libc = ctypes.CDLL(None, use_errno=True)


class Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def undumpable() -> None:
    """No core file of this process, and no other process of the same user may read its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(PR_SET_DUMPABLE, 0)


def ends_with_parent() -> None:
    """The kernel kills this process when its parent ends."""
    _prctl(PR_SET_PDEATHSIG, SIGKILL)


def confine(memory: int) -> bool:
    """At most `memory` bytes on top of what is mapped now; no new descriptor, process, core file or file content; no
    system call beyond CALLS. Returns False where the machine's calls are not known, so that only the limits hold.

    A process that is confined cannot undo it. Everything that is imported or opened late must be there already.
    """
    undumpable()
    with open("/proc/self/statm") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    for limit, most in (
        (resource.RLIMIT_AS, mapped + memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),  # what is open goes on working
    ):
        resource.setrlimit(limit, (most, most))
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    machine = MACHINES.get(platform.machine())
    if machine is None:
        return False
    code = program(*machine)
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Filter(len(code) // 8, code)))
    return True


def program(architecture: int, allowed: tuple[int, ...]) -> bytes:
    """The filter in the kernel's form: another architecture and every call that is not listed fail with EPERM."""

    def step(code: int, yes: int, no: int, value: int) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    load, equal, give = 0x20, 0x15, 0x06
    checks = b"".join(
        step(equal, len(allowed) - place, 0, number)  # jumps over the refusal behind the last check
        for place, number in enumerate(allowed)
    )
    refuse, allow = step(give, 0, 0, 0x00050000 | EPERM), step(give, 0, 0, 0x7FFF0000)
    wrong = step(equal, 1, 0, architecture) + refuse
    return step(load, 0, 0, 4) + wrong + step(load, 0, 0, 0) + checks + refuse + allow


def _prctl(option: int, *values: object) -> None:
    if _libc.prctl(option, *values, *([0] * (4 - len(values)))) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
