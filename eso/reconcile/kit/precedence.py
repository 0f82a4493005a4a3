"""Secrets first: after one event for many objects, statuses wait until the Secrets are written.

Neighbours: triggers tell which objects an event has woken, the pass of an object tells when its Secret is written, and
waits before its status. The wait is bounded, so that an object that does not run holds no status up for long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

from eso.runtime.clock import Clock
from eso.runtime.controller import lend_slot

LONGEST: Final = 5.0  # seconds that a status waits

Key = tuple[str, str]


class Wave:
    """The objects that one change has woken and whose Secrets are to be written."""

    def __init__(self) -> None:
        self.left: set[Key] = set()
        self.over = asyncio.Event()


class Precedence:
    """A status waits for the Secrets of its own wave only: nobody is held up by the events of others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waves: dict[Key, Wave] = {}  # the newest one of each object
        self._ending: deque[tuple[float, Wave]] = deque()  # until when the Secrets of each are waited for, ascending
        self._timed = False

    def expect(self, keys: Iterable[Key]) -> None:
        """A change has woken these objects."""
        wave = Wave()
        for key in keys:
            self.over(key)
            self._waves[key] = wave
            wave.left.add(key)
        if wave.left:
            self._ending.append((self._clock.monotonic() + LONGEST, wave))
            self._time()

    def over(self, key: Key) -> None:
        """The Secret is written, or the pass has ended without."""
        self._out(key)

    async def yielding(self, key: Key) -> None:
        """Before the status of an object that an event has woken. A pass that may not run on without its slot does not
        wait: others need the slot."""
        wave = self._out(key)
        if wave is not None and not wave.over.is_set() and lend_slot():
            await wave.over.wait()

    def _out(self, key: Key) -> Wave | None:
        wave = self._waves.pop(key, None)
        if wave is not None:
            wave.left.discard(key)
            if not wave.left:
                wave.over.set()
        return wave

    def _time(self) -> None:
        """One timer is enough: it looks at the wave that ends first."""
        if self._ending and not self._timed:
            self._timed = True
            self._clock.call_later(max(0.0, self._ending[0][0] - self._clock.monotonic()), self._expire)

    def _expire(self) -> None:
        self._timed, now = False, self._clock.monotonic()
        while self._ending and self._ending[0][0] <= now:
            _, wave = self._ending.popleft()
            for key in wave.left:
                del self._waves[key]
            wave.left.clear()
            wave.over.set()
        self._time()
