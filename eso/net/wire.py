"""Sockets to servers that tenants name: how much of what such a server sends is read, at a time and in all.

Neighbours: `http.py` makes one per connection. The client library parses all that one read brings in one step on the
loop, and parsing costs by messages and chunks, not by bytes of content: interim replies without end or chunks of one
byte would hold the loop for seconds, and their framing counts in no limit of a body.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

READ: Final = 8 << 10  # bytes of one read: 5 ms of parsing at worst
SLICE: Final = 0.005  # seconds of reading between two turns of the loop, the last read not counted in
HEAD: Final = 128 << 10  # bytes before the head of a reply is complete: a TLS handshake, interim replies
FRAMING: Final = 2  # a reply may take so many times the bytes of the longest body that is wanted, with its framing


class Line(socket.socket):
    """A socket that reads little at a time, waits for its turn, and fails once a reply is longer than it may be.

    What is sent begins a new exchange, unless the body of the last one is being read.
    """

    def __init__(self, family: int, kind: int, protocol: int) -> None:
        super().__init__(family, kind, protocol)
        self._read, self._limit, self._reading_body = 0, HEAD, False

    def begin_body(self, longest: int) -> None:
        """The head is there; a body of `longest` bytes is wanted at most."""
        self._limit, self._reading_body = self._read + FRAMING * longest + HEAD, True

    def count_elsewhere(self) -> None:
        """Something that knows where a message ends counts what arrives; reads stay short and wait for their turn."""
        self._limit, self._reading_body = sys.maxsize, True

    def end_body(self) -> None:
        self._reading_body = False

    def send(self, data: Any, flags: int = 0, /) -> int:
        self._begin()
        return super().send(data, flags)

    def sendmsg(self, *given: Any) -> int:
        self._begin()
        return super().sendmsg(*given)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        found = super().recv(self._allowed(size), flags)
        self._count(len(found))
        return found

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0, /) -> int:
        count = super().recv_into(buffer, self._allowed(size or memoryview(buffer).nbytes), flags)
        self._count(count)
        return count

    def _begin(self) -> None:
        if not self._reading_body:
            self._read, self._limit = 0, HEAD

    def _allowed(self, size: int) -> int:
        """Raises BlockingIOError when the turn is used up: the loop asks again in the next one."""
        if self._read >= self._limit:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        if not turn().more(self):
            raise BlockingIOError
        return min(size, READ)

    def _count(self, size: int) -> None:
        self._read += size


class Turn:
    """What may still be read in this turn of the loop. What is done with the bytes of one read ends before the next.

    The loop names its sockets in the same order again and again. When a turn was too short for all of them, those that
    had a read wait until each of the others had one: a few that send without end take nobody's turn.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now, self._until = now, 0.0
        self._served: WeakSet[object] = WeakSet()  # have read in this turn, or since the first turn that was too short
        self._short = self._crowded = False  # this turn is too short, the last one was

    def more(self, line: object) -> bool:
        """Whether `line` may make one more read."""
        now = self._now()
        if not self._until:
            self._until = now + SLICE
            asyncio.get_running_loop().call_soon(self._renew)  # runs before the reads of the next turn
        if self._crowded and line in self._served:
            return False
        if now >= self._until:
            self._short = True
            return False
        self._served.add(line)
        return True

    def _renew(self) -> None:
        self._until, self._crowded, self._short = 0.0, self._short, False
        if not self._crowded:
            self._served.clear()


_turns: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Turn]] = WeakKeyDictionary()


def turn() -> Turn:
    """The running loop's."""
    loop = asyncio.get_running_loop()
    found = _turns.get(loop)
    if found is None:
        found = _turns[loop] = Turn()
    return found
