"""Time as an argument: the one thing in this house that reads a clock.

Neighbours: doors get a Clock from wiring.py; tests hand in `tests.fakes.clock.VirtualClock` and advance it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """One armed callback."""

    def cancel(self) -> None:
        """Disarm; harmless when it has run already."""


class Clock(Protocol):
    """Wall time for what users see, monotonic seconds for what is measured or waited for."""

    def now(self) -> datetime:
        """Aware, UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never steps back."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Run `callback` on the loop `seconds` from now. Zero or less: in the loop's next round."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The running loop's timers and the machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, seconds), callback)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
