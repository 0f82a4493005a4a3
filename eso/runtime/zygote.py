"""The process that workers are forked from, and what a worker does: answer requests until its pipe ends.

Neighbours: pool.py starts it with one descriptor and the name of a module whose CALLS (name → bytes to bytes) workers
serve. It imports once; a fork costs a few milliseconds and shares those imports. It holds no environment, no request
and no value: each worker reads its requests from a socket of its own.

On the wire: 1 byte of name length, the name, then the body, all behind 8 bytes of length; the reply is one byte (DONE
or FAILED) and the body, behind 8 bytes of length.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final

from eso.runtime.confine import confine, ends_with_parent, undumpable

MEMORY: Final = 160 << 20  # bytes that one worker may use on top of what it was born with, unless it is told otherwise
DONE, FAILED = b"\0", b"\1"
Calls = Mapping[str, Callable[[bytes], bytes]]


def main() -> None:
    """`argv`: the descriptor of the operator's end, the module with CALLS (and `warm()`, called before any fork), the
    bytes that a worker may use."""
    ends_with_parent()
    undumpable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended workers leave nothing to wait for
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's interrupt ends the operator, which ends us
    operator = socket.socket(fileno=int(sys.argv[1]))
    module = import_module(sys.argv[2])
    calls: Calls = module.CALLS
    module.warm()
    operator.sendall(b"R")
    while True:
        order, descriptors, *_ = socket.recv_fds(operator, 1, 1)
        if not order:
            return
        worker = os.fork()
        if worker == 0:
            operator.close()
            serve(socket.socket(fileno=descriptors[0]), calls, int(sys.argv[3]))
        os.close(descriptors[0])
        identity = os.pidfd_open(worker)
        socket.send_fds(operator, [b"W"], [identity])
        os.close(identity)


def serve(pipe: socket.socket, calls: Calls, memory: int) -> None:
    """Never returns: a worker that came back would be a second zygote."""
    try:
        ends_with_parent()
        os.nice(10)
        for descriptor in range(3):  # those of /dev/null: it has its pipe and nothing else
            os.close(descriptor)
        confine(memory)
        while (request := received(pipe)) is not None:
            name, body = request[1 : 1 + request[0]].decode(), request[1 + request[0] :]
            try:
                reply = DONE + calls[name](body)
            except (MemoryError, RecursionError) as error:
                reply = FAILED + type(error).__name__.encode()
            except Exception as error:  # its text may quote a value
                reply = FAILED + type(error).__name__.encode()
            del request, body
            pipe.sendall(len(reply).to_bytes(8, "big"))
            pipe.sendall(reply)
    finally:
        os._exit(0)


def received(pipe: socket.socket) -> bytes | None:
    head = exactly(pipe, 8)
    return exactly(pipe, int.from_bytes(head, "big")) if head is not None else None


def exactly(pipe: socket.socket, size: int) -> bytes | None:
    """None when the other side closed the pipe."""
    body = bytearray(size)
    view, filled = memoryview(body), 0
    while filled < size:
        count = pipe.recv_into(view[filled:])
        if not count:
            return None
        filled += count
    return bytes(body)


if __name__ == "__main__":
    main()
