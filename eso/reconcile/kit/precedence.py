"""Secrets first: after one event for many objects, statuses wait until the Secrets are written.

Neighbours: triggers tell which objects an event has woken, the pass of an object tells when its Secret is written, and
waits before its status. The wait is bounded, so that an object that does not run holds no status up for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from eso.runtime.clock import Clock
from eso.runtime.controller import lend_slot

LONGEST: Final = 5.0  # seconds that a status waits

Key = tuple[str, str]


class Precedence:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead: dict[Key, float] = {}  # objects whose Secrets are to be written → until when that is waited for
        self._clear = asyncio.Event()
        self._clear.set()

    def expect(self, keys: Iterable[Key]) -> None:
        """An event has woken these objects."""
        until = self._clock.monotonic() + LONGEST
        woken = False
        for key in keys:
            self._ahead.pop(key, None)  # the last one in is the last one to expire
            self._ahead[key] = until
            woken = True
        if woken:
            self._clear.clear()
            self._clock.call_later(LONGEST, self._expire)

    def over(self, key: Key) -> None:
        """The Secret is written, or the pass has ended without."""
        if self._ahead.pop(key, None) is not None and not self._ahead:
            self._clear.set()

    async def yielding(self, key: Key) -> None:
        """Before the status of an object that an event has woken. A pass that may not run on without its slot does not
        wait: others need the slot."""
        self.over(key)
        if not self._clear.is_set() and lend_slot():
            await self._clear.wait()

    def _expire(self) -> None:
        now = self._clock.monotonic()
        while self._ahead and self._ahead[key := next(iter(self._ahead))] <= now:
            self.over(key)
