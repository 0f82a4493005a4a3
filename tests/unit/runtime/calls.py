"""What the workers of these tests can be asked for."""

from __future__ import annotations

import ctypes
import os
import socket
import time
from collections.abc import Callable
from typing import Any, Final

_libc: Final = ctypes.CDLL(None, use_errno=True)
_buffer: Final = ctypes.create_string_buffer(4096)
_path: Final = ctypes.create_string_buffer(b"/etc/passwd")
PLACE: Final = ctypes.addressof(_buffer)
PASSWD: Final = ctypes.addressof(_path)


def PARENT() -> int:  # stands among numbers
    return os.getppid()


def attempt(what: Callable[[], object]) -> bytes:
    try:
        return f"did it: {what()!r}".encode()
    except BaseException as error:
        return type(error).__name__.encode()


def spin(body: bytes) -> bytes:
    until = time.monotonic() + float(body)
    while time.monotonic() < until:
        pass
    return b"done"


X32: Final = 0x40000000
RAW: Final[dict[str, tuple[Any, ...]]] = {
    # the number on x86_64, and arguments that would do it
    "open": (2, PASSWD, 0),
    "openat": (257, -100, PASSWD, 0),
    "openat2": (437, -100, PASSWD, 0, 24),
    "a socket of the machine": (41, 1, 1, 0),
    "a socket of the kernel": (41, 16, 3, 0),
    "a pair of sockets": (53, 1, 1, 0, PLACE),
    "a message with descriptors": (46, 0, PLACE, 0),
    "a message that may bring descriptors": (47, 0, PLACE, 0),
    "memory with a name": (319, PASSWD, 0),
    "shared memory": (29, 0, 4096, 0o1600),
    "a fork": (57,),
    "a clone": (56, 17, 0, 0, 0, 0),
    "a clone of the new kind": (435, PLACE, 88),
    "a program": (59, PASSWD, 0, 0),
    "a signal to the parent": (62, PARENT, 0),
    "a signal to a thread": (200, PARENT, 0),
    "a signal by descriptor": (424, 0, 0, 0, 0),
    "a look into the parent": (310, PARENT, PLACE, 1, PLACE, 1, 0),
    "a change of the parent": (311, PARENT, PLACE, 1, PLACE, 1, 0),
    "ptrace": (101, 16, PARENT, 0, 0),
    "a descriptor of the parent": (438, 0, 0, 0),
    "a handle of the parent": (434, PARENT, 0),
    "limits of the parent": (302, PARENT, 7, 0, PLACE),
    "its own limits": (160, 7, PLACE),
    "prctl": (157, 4, 1, 0, 0, 0),
    "another name space": (272, 0x10000000),
    "rings": (425, 8, PLACE),
    "events of the processor": (298, PLACE, 0, -1, -1, 0),
    "programs in the kernel": (321, 0, PLACE, 8),
    "keys": (250, 0, -3, 0),
    "faults in user space": (323, 0),
    "a mount": (165, PASSWD, PASSWD, PASSWD, 0, 0),
    "a directory": (83, PASSWD, 0),
    "an end of a file": (90, PASSWD, 0),
    "a duplicate": (32, 0),
    "a pipe": (22, PLACE),
    "a timer": (283, 0, 0),
    "a watch": (253,),
    "a priority": (141, 0, 0, -5),
    "a processor": (203, 0, 8, PLACE),
    "a write by another interface": (X32 | 257, -100, PASSWD, 0),
    "the clock": (227, 0, PLACE),
}


def raw(body: bytes) -> bytes:
    """What a system call of RAW says: the number of its error, or that it was done."""
    found = _libc.syscall(*(ctypes.c_long(part() if callable(part) else part) for part in RAW[body.decode()]))
    return f"did it: {found}".encode() if found >= 0 else f"error {ctypes.get_errno()}".encode()


def seen(body: bytes) -> bytes:
    """The descriptors that are open."""
    return repr([number for number in range(256) if _libc.lseek(number, 0, 1) >= 0 or ctypes.get_errno() != 9]).encode()


def run_through(body: bytes) -> bytes:
    """One thing that a worker must not be able to do."""
    tricks: dict[str, Callable[[], object]] = {
        "a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "a file after it closed what it has": lambda: (os.close(2), os.open("/etc/passwd", os.O_RDONLY)),
        "a socket": lambda: socket.socket(),
        "a process": os.fork,
        "a program": lambda: os.execv("/bin/true", ["true"]),
        "a look at its parent": lambda: os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY),
        "a signal to its parent": lambda: os.kill(1, 0),
        "a raw call": lambda: ctypes.CDLL(None, use_errno=True).syscall(41, 2, 1, 0) < 0 and 1 / 0,
        "a thread": lambda: __import__("_thread").start_new_thread(lambda: None, ()),
    }
    return attempt(tricks[body.decode()])


def see(body: bytes) -> bytes:
    return repr(dict(os.environ)).encode()


def eat(body: bytes) -> bytes:
    return bytes(len(bytearray(int(body))) % 7)


def raises(body: bytes) -> bytes:
    raise KeyError(body.decode())


CALLS = {
    "echo": lambda body: body,
    "pid": lambda body: str(os.getpid()).encode(),
    "spin": spin,
    "try": run_through,
    "raw": raw,
    "descriptors": seen,
    "see": see,
    "eat": eat,
    "raise": raises,
    "end": lambda body: os._exit(3),
    "lie": lambda body: bytes(100),
}


def warm() -> None:
    """Nothing here is imported late but ctypes, which is there."""
