"""Sockets to servers that tenants name: how much of what such a server sends is read, at a time and in all, and how
many of them are kept between two exchanges.

Neighbours: `http.py` makes one per connection. The client library parses all that one read brings in one step on the
loop, and parsing costs by messages and chunks, not by bytes of content: interim replies without end or chunks of one
byte would hold the loop for seconds, and their framing counts in no limit of a body. The library also keeps what a
server sends without being asked, and would take it for the answer to the next request on the connection.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary, WeakSet

READ: Final = 8 << 10  # bytes of one read: 5 ms of parsing at worst
SLICE: Final = 0.005  # seconds of reading between two turns of the loop, the last read not counted in
HEAD: Final = 128 << 10  # bytes before the head of a reply is complete: a TLS handshake, interim replies
FRAMING: Final = 2  # a reply may take so many times the bytes of the longest body that is wanted, with its framing
MOST_RESTING: Final = 256  # connections that are kept between two exchanges; one over TLS takes 70 KiB


class Client(Protocol):
    """The client library's end of a connection."""

    @property
    def should_close(self) -> bool:
        """Whether there is more than the answers to what was asked."""


class Exchange:
    """One request and its reply, on the connection that the request is written to. `owner`: on whose behalf. `spoiled`:
    nothing was written, since an answer to it was there already."""

    __slots__ = ("line", "over", "owner", "spoiled")

    def __init__(self, owner: str) -> None:
        self.owner, self.over, self.spoiled = owner, False, False
        self.line: Line | None = None

    def begin_body(self, longest: int, client: Client) -> None:
        """The head is there; a body of `longest` bytes is wanted at most."""
        if self.line is not None and self.line.exchange is self:
            self.line.begin_body(longest)
            self.line.client = client

    def end(self) -> None:
        """The reply is complete, or not wanted any more."""
        self.over = True
        if self.line is not None and self.line.exchange is self:
            self.line.rest()


CURRENT: Final[ContextVar[Exchange | None]] = ContextVar("exchange", default=None)
"""The exchange of the code that runs."""


class Line(socket.socket):
    """A socket that reads little at a time, waits for its turn, and fails once a reply is longer than it may be.

    What is sent begins a new exchange, unless the body of the last one is being read. Between two exchanges the
    connection ends with the first byte that arrives.
    """

    def __init__(self, family: int, kind: int, protocol: int, owner: str = "") -> None:
        super().__init__(family, kind, protocol)
        self.owner = owner
        self.exchange: Exchange | None = None
        self.client: Client | None = None
        self._read, self._limit, self._reading_body = 0, HEAD, False
        self._rests = self._ended = False

    def begin_body(self, longest: int) -> None:
        self._limit, self._reading_body = self._read + FRAMING * longest + HEAD, True

    def count_elsewhere(self) -> None:
        """Something that knows where a message ends counts what arrives; reads stay short and wait for their turn."""
        self._limit, self._reading_body = sys.maxsize, True

    def rest(self) -> None:
        """The exchange is over, and nothing is to arrive before the next one."""
        self._reading_body, self.exchange = False, None
        if self.fileno() >= 0:
            self._rests = True
            resting().add(self)

    def end(self) -> None:
        """Reads as the end from now on; the transport then closes the descriptor."""
        self._ended = True
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._leave()
        super().close()

    def _leave(self) -> bool:
        """It rests no more. False where it did not."""
        rested, self._rests = self._rests, False
        if rested:
            resting().discard(self)
        return rested

    def send(self, data: Any, flags: int = 0, /) -> int:
        self._begin()
        return super().send(data, flags)

    def sendmsg(self, *given: Any) -> int:
        self._begin()
        return super().sendmsg(*given)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        found = super().recv(self._allowed(size), flags)
        self._count(len(found))
        return b"" if self._rests else found

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0, /) -> int:
        count = super().recv_into(buffer, self._allowed(size or memoryview(buffer).nbytes), flags)
        self._count(count)
        return 0 if self._rests else count

    def _begin(self) -> None:
        """Raises ConnectionResetError where the connection has ended, or there is something already that would be taken
        for the answer."""
        found = CURRENT.get()
        if found is not None and not found.over and found is not self.exchange:
            before, self.exchange = self._leave() or self.exchange is not None, found
            self.owner, found.line, self._reading_body = found.owner, self, False
            found.spoiled = before and (self._ended or self._unasked())
            if found.spoiled:
                raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if not self._reading_body:
            self._read, self._limit = 0, HEAD

    def _unasked(self) -> bool:
        if self.client is not None and self.client.should_close:
            return True
        try:
            return bool(super().recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def _allowed(self, size: int) -> int:
        """Raises BlockingIOError when the turn is used up: the loop asks again in the next one."""
        if self._read >= self._limit:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        if not turn().more(self):
            raise BlockingIOError
        return min(size, READ)

    def _count(self, size: int) -> None:
        self._read += size


class Owned(Protocol):
    @property
    def owner(self) -> str: ...


class Turn:
    """What may still be read in this turn of the loop. What is done with the bytes of one read ends before the next.

    The loop names its sockets in the same order again and again. When a turn was too short for all of them, owners that
    had a read wait until each of the others had one, and so do the lines of an owner: a few that send without end take
    nobody's turn, and many of one owner take the turns of that owner alone.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now, self._until = now, 0.0
        self._refused: dict[str, WeakSet[Owned]] = {}  # in this turn
        self._served: dict[str, WeakSet[Owned]] = {}  # lines that have read while others of their owner wait …
        self._owners: set[str] = set()  # … and owners, while other owners wait
        self._lines_due: dict[str, WeakSet[Owned]] = {}  # what was refused and has not read since
        self._owners_due: set[str] = set()

    def more(self, line: Owned) -> bool:
        """Whether `line` may make one more read."""
        now, owner = self._now(), line.owner
        if not self._until:
            self._until = now + SLICE
            asyncio.get_running_loop().call_soon(self._renew)  # runs before the reads of the next turn
        served, due = self._served.setdefault(owner, WeakSet()), self._lines_due.get(owner)
        if now >= self._until or (self._owners_due and owner in self._owners) or (due and line in served):
            self._refused.setdefault(owner, WeakSet()).add(line)
            return False
        served.add(line)
        self._owners.add(owner)
        self._owners_due.discard(owner)
        if due:
            due.discard(line)
        return True

    def _renew(self) -> None:
        self._until, refused, self._refused = 0.0, self._refused, {}
        self._owners_due = refused.keys() - self._owners
        if not self._owners_due:
            self._owners.clear()
        self._lines_due = {owner: lines - self._served.get(owner, WeakSet()) for owner, lines in refused.items()}
        self._served = {owner: lines for owner, lines in self._served.items() if self._lines_due.get(owner)}


class Resting:
    """Connections that are kept between two exchanges: MOST_RESTING, of which the one of the owner with the most that
    has rested longest ends when there is one more."""

    def __init__(self) -> None:
        self._lines: dict[str, OrderedDict[Line, None]] = {}
        self._count = 0

    def add(self, line: Line) -> None:
        self._lines.setdefault(line.owner, OrderedDict())[line] = None
        self._count += 1
        if self._count > MOST_RESTING:
            most = max(self._lines, key=lambda owner: len(self._lines[owner]))
            ended = next(iter(self._lines[most]))
            self.discard(ended)
            ended.end()

    def discard(self, line: Line) -> None:
        lines = self._lines.get(line.owner, OrderedDict())
        if line in lines:
            del lines[line]
            self._count -= 1
            if not lines:
                del self._lines[line.owner]


_turns: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Turn]] = WeakKeyDictionary()
_resting: Final = Resting()


def resting() -> Resting:
    return _resting


def turn() -> Turn:
    """The running loop's."""
    loop = asyncio.get_running_loop()
    found = _turns.get(loop)
    if found is None:
        found = _turns[loop] = Turn()
    return found
