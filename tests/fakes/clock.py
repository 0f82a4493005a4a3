"""A clock that stands still until a test advances it.

Neighbours: implements `eso.runtime.clock.Clock`. Timers run on the real event loop, in order of their due time, one at
a time; after each one the loop runs until it has nothing left to do, so that all work of one timer is done before the
next timer runs.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2024, 1, 1, tzinfo=UTC)


class VirtualTimer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """`start` is the wall time at which monotonic() is `monotonic`."""

    def __init__(self, start: datetime = START, monotonic: float = 1000.0) -> None:
        self._start, self._zero, self._monotonic = start, monotonic, monotonic
        self._heap: list[tuple[float, int, VirtualTimer]] = []
        self._sequence = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._monotonic - self._zero)

    def monotonic(self) -> float:
        return self._monotonic

    def call_later(self, seconds: float, callback: Callable[[], object]) -> VirtualTimer:
        timer = VirtualTimer(callback)
        heapq.heappush(self._heap, (self._monotonic + max(0.0, seconds), next(self._sequence), timer))
        return timer

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    @property
    def timers(self) -> int:
        """How many timers are armed."""
        return sum(timer.callback is not None for _, _, timer in self._heap)

    @property
    def next(self) -> float:
        """Seconds until the next timer that is armed; infinite without one."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        return max(0.0, self._heap[0][0] - self._monotonic) if self._heap else math.inf

    def jump(self, seconds: float) -> None:
        """Move the time without a loop: timers that fall due run at the next `advance`."""
        self._monotonic += seconds

    async def advance(self, seconds: float = 0.0) -> None:
        """Let `seconds` pass: every timer due until then runs at its own time; returns when the loop is idle."""
        until = self._monotonic + seconds
        await settle()
        while self._heap and self._heap[0][0] <= until:
            due, _, timer = heapq.heappop(self._heap)
            if timer.callback is None:
                continue
            self._monotonic = max(self._monotonic, due)
            timer.callback()
            await settle()
        self._monotonic = max(self._monotonic, until)
        await settle()


async def settle(most: int = 1_000_000) -> None:
    """Returns when the loop has no callback left to run, or after `most` turns. Work that waits for a socket or a
    thread is not waited for; see `until`."""
    loop = asyncio.get_running_loop()
    ready = loop._ready  # type: ignore[attr-defined]  # no public way to ask whether the loop is idle
    for _ in range(most):
        await asyncio.sleep(0)
        if not ready:
            return


async def until(predicate: Callable[[], bool], seconds: float = 120.0) -> None:
    """Spin the real loop until `predicate()` holds: for tests in which a loopback socket or a thread must answer first.

    Raises TimeoutError after `seconds` of real time.
    """
    async with asyncio.timeout(seconds):
        while not predicate():  # noqa: ASYNC110  # no one announces the state that it looks at
            await asyncio.sleep(0.001)
