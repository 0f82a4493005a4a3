"""Slots that several owners share: an owner that comes late still gets one, however many the first owner wants.

Neighbours: `stores.gate` for requests in flight, `kube.rest` for requests to the API server, offload.py for threads;
lanes.py follows the same rule for passes. An owner is a namespace, or a group of them. A slot whose user says that it
only waits may be lent to an owner that has none.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from eso.runtime.aside import keeping

# An owner may hold at most SHARE times the free slots. One owner alone stops at 3/4 of all slots. One slot in RESERVE
# goes to owners that hold none, one each.
SHARE: Final = 3
RESERVE: Final = 8
LENT: Final = 4  # times the slots: users that wait without one, in shares as well

Group = Callable[[str], str]
"""Namespace → who shares with whom: namespaces of one group are one owner."""


def alone(namespace: str) -> str:
    """Each namespace is an owner of its own."""
    return namespace


def room(held: int, free: int, total: int) -> int:
    """How many of the `free` slots an owner that holds `held` may have now.

    The bound of each owner shrinks as other owners come, but nobody gives back what is held already. So the last slots
    of `total` are kept for owners that hold none.
    """
    more = min(SHARE * free - held, free - total // RESERVE)
    return max(more, 1 if free > 0 and not held else 0)


class Slot:
    """One slot of a block, which holds it from the start. Tasks of the block may give it back at the same time: the
    last to come back takes it. Once it is lent, the block goes on without."""

    __slots__ = ("_away", "_held", "_lent", "_owner", "_slots")

    def __init__(self, slots: FairSlots, owner: str) -> None:
        self._slots, self._owner, self._held, self._away, self._lent = slots, owner, True, 0, False

    @property
    def owner(self) -> str:
        return self._owner

    def only_waits(self) -> None:
        """From now on an owner that has no slot may have this one."""
        if self._held:
            self._slots.offer(self)

    def lend(self) -> None:
        self._held, self._lent = False, True

    def end(self) -> None:
        """The block is over."""
        self._slots.withdraw(self, lent=self._lent)
        if not self._lent:
            self.give_back()

    def give_back(self) -> None:
        self._slots.withdraw(self, lent=False)
        self._away += 1
        if self._held:
            self._held = False
            self._slots.release(self._owner)

    async def take_again(self) -> None:
        self._away -= 1
        if self._away or self._lent:
            return
        try:
            await self._slots.acquire(self._owner)
        except BaseException:
            self._take_over()
            raise
        if self._away or self._held:
            self._slots.release(self._owner)  # given back while it was waited for, and perhaps taken again
        else:
            self._held = True

    def take_back(self) -> None:
        self._away -= 1
        self._take_over()

    def _take_over(self) -> None:
        if not self._away and not self._held and not self._lent:
            self._slots.take_over(self._owner)
            self._held = True


class FairSlots:
    """`total` slots. Waiting owners are served in turn, one slot each. Belongs to one event loop.

    A future in `_waiting` is completed by `release` and removed by its waiter. `release` must not remove it: a waiter
    that is cancelled in the same turn of the loop is still to look for it.
    """

    def __init__(self, total: int, group: Group = alone) -> None:
        self._total = self._free = total
        self._group = group
        self._held: dict[str, int] = {}
        self._offered: dict[Slot, None] = {}  # the longest first
        self._lent: dict[str, int] = {}  # owner → users that go on without a slot
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, namespace: str) -> AsyncIterator[Slot]:
        """One slot for as long as the block lasts, apart from the time that it waits for memory."""
        owner = self.owner(namespace)
        await self.acquire(owner)
        slot = Slot(self, owner)
        try:
            with keeping(slot):
                yield slot
        finally:
            slot.end()

    def owner(self, namespace: str) -> str:
        """Whose slots `namespace` uses now. It may be another owner later, so what was acquired is released by this."""
        return self._group(namespace)

    async def acquire(self, owner: str) -> None:
        """Waits for a slot. Cancelled, it holds none."""
        if self._next_of(owner) is None and self._take(owner):
            return
        if self._has_none(owner) and self._lend_one() and self._take(owner):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turns = self._waiting.setdefault(owner, deque())
        turns.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(owner)  # served and cancelled in one turn of the loop: the slot goes to the next waiter
            raise
        finally:
            turns.remove(turn)
            if not turns and self._waiting.get(owner) is turns:
                del self._waiting[owner]

    def take_over(self, owner: str) -> None:
        """A slot at once, though none may be free: as many more are to be released before anybody gets another."""
        self._held[owner] = self._held.get(owner, 0) + 1
        self._free -= 1

    def release(self, owner: str) -> None:
        self._give(owner)
        self._serve()

    def _give(self, owner: str) -> None:
        self._free += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]

    def _serve(self) -> None:
        for waiting in list(self._waiting):
            if self._free <= 0:
                return
            turn = self._next_of(waiting)
            if turn is not None and self._take(waiting):
                turn.set_result(None)
                self._waiting.move_to_end(waiting)

    def offer(self, slot: Slot) -> None:
        """The user of `slot` only waits."""
        self._offered[slot] = None
        if any(map(self._has_none, self._waiting)) and self._lend_one():
            self._serve()

    def withdraw(self, slot: Slot, *, lent: bool) -> None:
        """The user of `slot` is over, or has given the slot back."""
        self._offered.pop(slot, None)
        if lent:
            self._lent[slot.owner] -= 1
            if not self._lent[slot.owner]:
                del self._lent[slot.owner]

    def _has_none(self, owner: str) -> bool:
        return owner not in self._held and owner not in self._lent

    def _lend_one(self) -> bool:
        """Takes the slot of a user that only waits, unless its owner, or all of them, have lent too many."""
        total = LENT * self._total
        free = total - sum(self._lent.values())
        for slot in self._offered:
            if room(self._lent.get(slot.owner, 0), free, total) > 0:
                slot.lend()
                del self._offered[slot]
                self._lent[slot.owner] = self._lent.get(slot.owner, 0) + 1
                self._give(slot.owner)
                return True
        return False

    @property
    def free(self) -> int:
        return self._free

    def _next_of(self, owner: str) -> asyncio.Future[None] | None:
        """The first waiter of `owner` that is neither served nor cancelled."""
        return next((turn for turn in self._waiting.get(owner, ()) if not turn.done()), None)

    def _take(self, owner: str) -> bool:
        held = self._held.get(owner, 0)
        if room(held, self._free, self._total) <= 0:
            return False
        self._held[owner], self._free = held + 1, self._free - 1
        return True
