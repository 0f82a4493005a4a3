"""Whose turn it is to compute: short calls in any place, long ones and those of offenders never in the last.

Neighbours: pool.py has the places. An owner is a namespace, or a group of them. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

REMEMBERED: Final = 10_000  # owners
FORGIVEN: Final = 600.0  # seconds after which a call that had to be ended counts no more
NEVER: Final = -math.inf
Times = OrderedDict[str, float]  # the newest last


@dataclass(eq=False, slots=True)
class _Waiter:
    owner: str
    long: bool
    doubtful: bool
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    served: bool = False


class Turns:
    """`total` places, of which one is for short calls of owners without an offence alone, where there are several.

    Owners none of whose calls had to be ended lately go first, then calls that are doubtful (what they are for has
    failed before, perhaps in another life of this process), then the owners of whose ended call it is longest ago;
    between equals, the owner that was served longest ago. Owners of which no call has come to its end yet are one owner
    in this: hundreds of them that come together, each with an endless first call, hold up the others for one such call
    at a time.
    """

    def __init__(self, total: int, now: Callable[[], float]) -> None:
        self._total, self._now = total, now
        self._taken = self._taken_long = 0
        self._waiting: list[_Waiter] = []
        self._ended: Times = OrderedDict()
        self._served: Times = OrderedDict()
        self._proven: Times = OrderedDict()
        self._newcomers = NEVER  # when one of them was served
        self._order = itertools.count()

    @property
    def taken(self) -> int:
        return self._taken

    @asynccontextmanager
    async def turn(self, owner: str, *, long: bool, doubtful: bool = False) -> AsyncIterator[None]:
        """A place for as long as the block lasts."""
        waiter = _Waiter(owner, long, doubtful)
        self._waiting.append(waiter)
        try:
            self._serve()
            await waiter.turn
            yield
        finally:
            if waiter.served:
                self._taken -= 1
                self._taken_long -= waiter.long
            else:
                self._waiting.remove(waiter)
            self._serve()

    def offended(self, owner: str) -> None:
        """A call of `owner` had to be ended."""
        remember(self._ended, owner, self._now())

    def proved(self, owner: str) -> None:
        """A call of `owner` came to its end by itself."""
        remember(self._proven, owner, self._now())

    def _serve(self) -> None:
        while self._taken < self._total:
            full = self._taken_long >= max(1, self._total - 1)
            fit = [one for one in self._waiting if not one.turn.done() and not (full and self._is_long(one))]
            if not fit:
                return
            first = min(fit, key=self._place)
            self._waiting.remove(first)
            self._taken += 1
            first.long = self._is_long(first)
            self._taken_long += first.long
            first.served = True
            first.turn.set_result(None)
            order = next(self._order)
            remember(self._served, first.owner, order)
            if first.owner not in self._proven:
                self._newcomers = order

    def _place(self, waiter: _Waiter) -> tuple[bool, bool, float, float, float]:
        """The lower the earlier."""
        ended, own = self._offence(waiter.owner), self._served.get(waiter.owner, NEVER)
        served = own if waiter.owner in self._proven else self._newcomers
        return ended != NEVER, waiter.doubtful, ended, served, own

    def _offence(self, owner: str) -> float:
        """When a call of the owner was ended, as long as that counts."""
        when = self._ended.get(owner, NEVER)
        return when if self._now() - when < FORGIVEN else NEVER

    def _is_long(self, waiter: _Waiter) -> bool:
        """Whether it is a long call, or may become one: doubtful calls and those of an offender count as such."""
        return waiter.long or waiter.doubtful or self._offence(waiter.owner) != NEVER


def remember(times: Times, name: str, when: float) -> None:
    times[name] = when
    times.move_to_end(name)
    if len(times) > REMEMBERED:
        times.popitem(last=False)
