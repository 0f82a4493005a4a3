"""Reads the bodies of requests to a server of ours: bounded in their length, their time, and their bytes together.

Neighbours: `admission.server` and `notify.server` read with it what strangers send as well. A body that is announced
costs nothing, only bytes that came do. When there are too many, the body that has been read for longest is given up: a
sender in earnest is done in a moment, one that stalls makes room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web


class TooLong(Exception):
    """The body is longer than one may be."""


class TooSlow(Exception):
    """The body did not come in time."""


class Crowded(Exception):
    """All bodies together are too long, and this one made room."""


@dataclass(eq=False, slots=True)
class Held:
    """Bytes of one request that are in memory. `reading`: ends the reading of its body, None when nothing is read."""

    size: int = 0
    reading: asyncio.Timeout | None = None


class Bodies:
    """`most`: bytes of one body, `together`: of all that are held. `seconds`: for a body to come."""

    def __init__(self, most: int, together: int, seconds: float) -> None:
        self._most, self._together, self._seconds = most, together, seconds
        self._held: dict[Held, None] = {}  # in the order in which they began
        self.size = 0  # of all that are held

    @contextmanager
    def holding(self) -> Iterator[Held]:
        """What is read for it counts until the block ends."""
        held = Held()
        self._held[held] = None
        try:
            yield held
        finally:
            self._drop(held)

    async def read(self, request: web.BaseRequest, held: Held) -> bytes:
        """The whole body. Raises TooLong, TooSlow, Crowded, RequestPayloadError, OSError."""
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._seconds) as held.reading:
                while part := await request.content.readany():
                    self._add(held, len(part))
                    parts.append(part)
        except TimeoutError:
            raise (TooSlow if held in self._held else Crowded) from None
        finally:
            held.reading = None
        return b"".join(parts)

    def _add(self, held: Held, size: int) -> None:
        if held not in self._held:
            raise Crowded  # it made room already
        held.size += size
        self.size += size
        if held.size > self._most:
            raise TooLong
        if self.size > self._together:
            self._make_room(held)

    def _make_room(self, wanting: Held) -> None:
        """Raises Crowded when too few bodies are still being read."""
        over = self.size - self._together
        for one in [one for one in self._held if one.reading is not None and one is not wanting]:
            assert one.reading is not None
            if not one.reading.expired():
                one.reading.reschedule(asyncio.get_running_loop().time())
            over -= one.size
            self._drop(one)
            if over <= 0:
                return
        raise Crowded

    def _drop(self, held: Held) -> None:
        if held in self._held:
            del self._held[held]
            self.size -= held.size
