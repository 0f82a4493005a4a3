"""Equal reads that are in flight share one call to the backend.

Neighbours: reads.py asks; batches and logins are shared here too. Nothing is kept once the last caller has its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from eso.runtime.memory import CURRENT, Hold

T = TypeVar("T")


class Flight:
    """One call on its way: `started` (monotonic seconds), who waits, the task that makes it, and the memory that its
    answer takes, which every pass that got the answer keeps."""

    __slots__ = ("hold", "started", "task", "waiting")

    def __init__(self, started: float, task: asyncio.Task[Any], hold: Hold | None = None) -> None:
        self.started, self.task, self.hold, self.waiting = started, task, hold, 0


class Flights:
    """Calls by key. Its tasks live in the group that `open()` holds; outside of it every caller makes its own call."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.shared = 0  # answers that cost no call of their own
        self._flights: dict[Hashable, Flight] = {}
        self._group: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """While open, calls are shared. On the way out the calls still on their way are cancelled: nobody is left to
        use them."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None
                for flight in self._flights.values():
                    flight.task.cancel()

    async def fly(
        self,
        key: Hashable,
        call: Callable[[], Awaitable[T]],
        since: float | None = None,
        joined: Callable[[], None] = lambda: None,
    ) -> T:
        """The answer of `call`, or of an equal one that started at or after `since` (monotonic seconds) and is
        still on its way.

        `joined` is told when the answer is somebody else's. One caller's cancellation leaves the others alone; the last
        one takes the call with it. Raises what the call raised.
        """
        flight, mine = self._flights.get(key), CURRENT.get()
        if flight is not None and (since is None or flight.started >= since):
            self.shared += 1
            joined()
        elif self._group is None:
            return await call()
        else:
            hold = mine.sibling() if mine is not None else None
            flight = Flight(self.now(), self._group.create_task(outcome(call, hold), name="flight"), hold)
            self._flights[key] = flight
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiting += 1
        try:
            await asyncio.wait([flight.task])
            if mine is not None and flight.hold is not None:
                mine.keep(flight.hold)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0:
                if not flight.task.done():
                    flight.task.cancel()
                    self._landed(key, flight.task)  # nobody may join a call that is being given up
                if flight.hold is not None:
                    flight.hold.close()
        if flight.task.cancelled():
            raise asyncio.CancelledError  # the owner is going down
        result, error = flight.task.result()
        if error is not None:
            raise error.with_traceback(None)
        return result  # type: ignore[no-any-return]  # equal keys make equal calls

    def _landed(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]


async def outcome(call: Callable[[], Awaitable[T]], hold: Hold | None = None) -> tuple[T | None, Exception | None]:
    """An error as a value: several callers wait for it, and it must not take the owner's group down."""
    CURRENT.set(hold)  # in the context of this task alone
    try:
        return await call(), None
    except Exception as error:
        return None, error
