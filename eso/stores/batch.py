"""Requests that fall due together travel in one call, where the backend has such a call.

Neighbours: reads.py joins, flight.py owns the call that a batch makes. Each request gets its own answer or its own
error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any

from eso.errors import EsoError
from eso.providers.contract import Malformed
from eso.runtime.clock import Clock
from eso.stores.flight import Flights

Answers = Mapping[Hashable, Any]


class Batch:
    """Requests that wait for the same call, and how many readers each has. `leaves` is set when no more may join."""

    __slots__ = ("leaves", "requests")

    def __init__(self) -> None:
        self.requests: dict[Hashable, int] = {}
        self.leaves = asyncio.Event()


class Batches:
    """`window` in seconds: how long a batch waits for more requests; an urgent one only lets the current turn of the
    loop end, in which a pass puts all its reads on the way."""

    def __init__(self, flights: Flights, clock: Clock, window: float) -> None:
        self.flights, self.clock, self.window = flights, clock, window
        self._open: dict[Hashable, Batch] = {}

    async def join(
        self,
        key: Hashable,
        request: Hashable,
        most: int,
        call: Callable[[Sequence[Hashable]], Awaitable[Answers]],
        *,
        urgent: bool = False,
    ) -> Any:
        """The payload for `request`. Batches are by `key`; `call` of the first one is made. Raises what the call, or
        this request alone, failed with."""
        batch = self._open.get(key)
        if batch is None:
            batch = self._open[key] = Batch()
        batch.requests[request] = batch.requests.get(request, 0) + 1
        if urgent or len(batch.requests) >= most:
            batch.leaves.set()
            if len(batch.requests) >= most:
                self._open.pop(key, None)
        joined = batch

        async def travel() -> Answers:
            try:
                await self._wait(joined)
            finally:
                if self._open.get(key) is joined:
                    del self._open[key]
            return await call(tuple(joined.requests))

        try:
            answers: Answers = await self.flights.fly(("batch", key, id(joined)), travel)
        except asyncio.CancelledError:
            if self._open.get(key) is joined:
                joined.requests[request] -= 1
                if not joined.requests[request]:
                    del joined.requests[request]
            raise
        answer = answers.get(request, MISSING)
        if isinstance(answer, EsoError):
            raise answer.with_traceback(None)
        return answer

    async def _wait(self, batch: Batch) -> None:
        if not batch.leaves.is_set():
            timer = self.clock.call_later(self.window, batch.leaves.set)
            try:
                await batch.leaves.wait()
            finally:
                timer.cancel()
        await asyncio.sleep(0)  # the reads that the same turn of the loop starts come along


MISSING = Malformed("the backend's answer to a batch leaves out a secret that was asked for")
