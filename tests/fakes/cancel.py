"""Cancels a coroutine at its n-th await, for tests that want every one of them to end cleanly.

Neighbours: tests of doors. The cancellation is a real `Task.cancel`, so timeouts and task groups see it as they would
in the operator.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from enum import Enum
from typing import Any

from tests.fakes.clock import settle


class Way(Enum):
    """When the cancellation comes, seen from the wake-up that the await is waiting for."""

    WAITING = "long before the wake-up"
    WOKEN = "after the wake-up, in the same turn of the loop: the future is done, its waiter has not run"
    LATE = "before the wake-up, in the same turn: the waker meets a future that is cancelled, its waiter has not run"


class CancelAt:
    """Awaits `coroutine` and cancels the current task when it waits for the `at`-th time (from 1)."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], at: int, way: Way = Way.WAITING) -> None:
        self._coroutine, self._at, self._way = coroutine, at, way
        self.reached = False

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._coroutine.__await__()
        step: Callable[[], Any] = lambda: next(inner)  # noqa: E731 - replaced below
        count = 0
        while True:
            try:
                waited_for = step()
            except StopIteration as stop:
                return stop.value
            count += 1
            try:
                if count == self._at:
                    self.reached = True
                    yield from self._cancel(waited_for)
                else:
                    yield waited_for
            except BaseException as error:
                thrown = error
                step = lambda: inner.throw(thrown)  # noqa: E731, B023 - called before the next round
            else:
                step = lambda: next(inner)  # noqa: E731

    def _cancel(self, waited_for: asyncio.Future[Any] | None) -> Generator[Any, Any, Any]:
        """Waits as the coroutine would, and is cancelled meanwhile. None: a bare turn of the loop (`sleep(0)`)."""
        task = asyncio.current_task()
        assert task is not None
        if waited_for is None or self._way is Way.WAITING:
            task.cancel()
            yield waited_for
        elif self._way is Way.WOKEN:
            # This callback is older than the task's own, so it runs between the wake-up and the task.
            waited_for.add_done_callback(lambda _: task.cancel())
            yield waited_for
        else:
            # What Task.cancel does to the future, with the news held back until all other tasks had a turn.
            waited_for._asyncio_future_blocking = False
            waited_for.cancel()
            yield from settle(most=8).__await__()
            task.cancel()
            yield None


async def every_await(make: Callable[[], Coroutine[Any, Any, Any]], most: int = 200) -> AsyncIterator[int]:
    """Runs `make()` again and again, cancelled at the first, second, … await, in each `Way`; yields after each run, so
    that the caller can look around.

    A way is done when a run was over before its await was reached. Raises AssertionError when a cancelled run went on.
    """
    for way in Way:
        async for at in _every_await(make, way, most):
            yield at


async def _every_await(make: Callable[[], Coroutine[Any, Any, Any]], way: Way, most: int) -> AsyncIterator[int]:
    for at in range(1, most):
        attempt = CancelAt(make(), at, way)
        task = asyncio.ensure_future(_run(attempt))
        await asyncio.wait([task])  # a wake-up that got lost is noticed by the loop, see loop.py
        if not attempt.reached:
            task.result()
            return
        assert task.cancelled(), f"await {at}, cancelled {way.value}: it went on: {task}"
        yield at
    raise AssertionError(f"still running after {most} awaits")


async def _run(attempt: Awaitable[Any]) -> Any:
    return await attempt
