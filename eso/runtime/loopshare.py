"""Computing on the loop, a little at a time: owners take turns, and between two slices the loop has its own.

Neighbours: doors that run a desk because it is cheap ask here; pool.py takes what is not. One computation of 5 ms holds
up nobody, two hundred that become due in one turn of the loop hold up everybody for a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import islice
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

from eso.runtime.fair import FairSlots

T = TypeVar("T")
SLICE: Final = 0.005  # seconds of computing between two turns of the loop, the last computation not counted in


class LoopShare:
    """The computations of one loop: one after the other, in turn by namespace while several wait."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._slots, self._now, self._spent = FairSlots(1), now, 0.0

    async def run(self, namespace: str, fn: Callable[[], T]) -> T:
        """`fn()`, at once unless others are before it. Raises what it raises."""
        owner = self._slots.owner(namespace)
        await self._slots.acquire(owner)
        began = self._now()
        try:
            return fn()
        finally:
            self._spent += self._now() - began
            if self._spent < SLICE:
                self._slots.release(owner)
            else:
                self._spent = 0.0
                asyncio.get_running_loop().call_soon(self._slots.release, owner)

    async def step(self, owner: str) -> None:
        """Work of an unknown length begins after this: one begins in each turn of the loop, owners in turn."""
        await self._slots.acquire(owner)
        asyncio.get_running_loop().call_soon(self._slots.release, owner)


async def in_slices(items: Iterable[T], length: int) -> AsyncIterator[list[T]]:
    """`items`, so many at a time; between two slices the loop has a turn for others."""
    left = iter(items)
    some = list(islice(left, length))
    while some:
        yield some
        if some := list(islice(left, length)):
            await asyncio.sleep(0)


Shares = WeakKeyDictionary[asyncio.AbstractEventLoop, LoopShare]
_shares: Shares = WeakKeyDictionary()


async def on_loop(namespace: str, fn: Callable[[], T]) -> T:
    """`fn()` in the running loop's share, on behalf of `namespace`."""
    return await share_of(_shares).run(namespace, fn)


def share_of(shares: Shares) -> LoopShare:
    """The running loop's among shares of one purpose."""
    loop = asyncio.get_running_loop()
    found = shares.get(loop)
    if found is None:
        found = shares[loop] = LoopShare()
    return found
