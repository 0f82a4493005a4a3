"""What the workers of these tests can be asked for."""

from __future__ import annotations

import ctypes
import os
import socket
import time
from collections.abc import Callable


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
    "see": see,
    "eat": eat,
    "raise": raises,
    "end": lambda body: os._exit(3),
    "lie": lambda body: bytes(100),
}


def warm() -> None:
    """Nothing here is imported late but ctypes, which is there."""
