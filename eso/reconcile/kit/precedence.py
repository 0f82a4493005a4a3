"""Secrets first: after one event for many objects, statuses wait until the Secrets are written.

Neighbours: triggers tell which objects an event has woken, the pass of an object tells when its Secret is written, and
waits before its status. The wait is bounded, so that an object that does not run holds no status up for long.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final

from eso.runtime.clock import Clock
from eso.runtime.controller import lend_slot

LONGEST: Final = 5.0  # seconds that a status waits

Key = tuple[str, str]


class Precedence:
    """A status waits for the Secrets that were to be written when it began to wait: later events do not hold it up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0  # of objects that events have woken so far
        # Objects whose Secrets are to be written → their number, and until when they are waited for; both ascend.
        self._ahead: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        self._waiting: deque[tuple[int, asyncio.Event]] = deque()  # up to which number each waits, ascending
        self._timed = False

    def expect(self, keys: Iterable[Key]) -> None:
        """An event has woken these objects."""
        until = self._clock.monotonic() + LONGEST
        for key in keys:
            self._ahead.pop(key, None)  # the last one in is the last one to expire
            self._count += 1
            self._ahead[key] = (self._count, until)
        self._time()

    def over(self, key: Key) -> None:
        """The Secret is written, or the pass has ended without."""
        if self._ahead.pop(key, None) is not None:
            self._release()

    async def yielding(self, key: Key) -> None:
        """Before the status of an object that an event has woken. A pass that may not run on without its slot does not
        wait: others need the slot."""
        self.over(key)
        if self._ahead and lend_slot():
            clear = asyncio.Event()
            self._waiting.append((self._count, clear))
            await clear.wait()

    def _release(self) -> None:
        first, _ = next(iter(self._ahead.values()), (self._count + 1, 0.0))
        while self._waiting and self._waiting[0][0] < first:
            self._waiting.popleft()[1].set()

    def _time(self) -> None:
        """One timer is enough: it looks at whoever is first."""
        if self._ahead and not self._timed:
            self._timed = True
            _, until = next(iter(self._ahead.values()))
            self._clock.call_later(max(0.0, until - self._clock.monotonic()), self._expire)

    def _expire(self) -> None:
        self._timed, now = False, self._clock.monotonic()
        while self._ahead and self._ahead[key := next(iter(self._ahead))][1] <= now:
            del self._ahead[key]
        self._release()
        self._time()
