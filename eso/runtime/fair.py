"""Places that several owners share: whoever comes last still gets one, however many the first one wants.

Neighbours: `stores.gate` for requests in flight, offload.py for threads; workqueue.py follows the same rule for passes.
An owner is a namespace.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

# an owner may hold so many times what is still free: alone three quarters of all places, and never the last one
SHARE: Final = 3


def within_share(held: int, free: int) -> bool:
    """May an owner that holds `held` places take one of the `free` ones? Each owner's bound shrinks as others come,
    none is ever shut out."""
    return held < SHARE * free


class FairSlots:
    """`total` places. Who waits is served in turn, one owner after the other. Belongs to one loop."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._held: dict[str, int] = {}
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, owner: str) -> AsyncIterator[None]:
        """One place for as long as the block lasts."""
        await self.acquire(owner)
        try:
            yield
        finally:
            self.release(owner)

    async def acquire(self, owner: str) -> None:
        if owner not in self._waiting and self._take(owner):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(owner)  # given and cancelled at once: it is for somebody else then
            else:
                self._waiting[owner].remove(turn)
                self._forget(owner)
            raise

    def release(self, owner: str) -> None:
        self._free += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        for waiting in list(self._waiting):
            if not self._free:
                return
            turns = self._waiting[waiting]
            while turns and turns[0].done():
                turns.popleft()  # cancelled, and not yet told
            if turns and self._take(waiting):
                turns.popleft().set_result(None)
                self._waiting.move_to_end(waiting)
            self._forget(waiting)

    @property
    def free(self) -> int:
        return self._free

    def _take(self, owner: str) -> bool:
        held = self._held.get(owner, 0)
        if not within_share(held, self._free):
            return False
        self._held[owner], self._free = held + 1, self._free - 1
        return True

    def _forget(self, owner: str) -> None:
        if owner in self._waiting and not self._waiting[owner]:
            del self._waiting[owner]
