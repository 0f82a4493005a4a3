"""Cancels a coroutine at its n-th await, for tests that want every one of them to end cleanly.

Neighbours: tests of doors. The cancellation is a real `Task.cancel`, so timeouts and task groups see it as they would
in the operator.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any


class CancelAt:
    """Awaits `coroutine` and asks for the cancellation of the current task when it waits for the `at`-th time (from
    1)."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], at: int) -> None:
        self._coroutine, self._at = coroutine, at
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
            if count == self._at:
                self.reached = True
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                yield waited_for
            except BaseException as error:
                thrown = error
                step = lambda: inner.throw(thrown)  # noqa: E731, B023 - called before the next round
            else:
                step = lambda: next(inner)  # noqa: E731


async def every_await(make: Callable[[], Coroutine[Any, Any, Any]], most: int = 200) -> AsyncIterator[int]:
    """Runs `make()` again and again, cancelled at the first, second, … await; yields after each, so that the caller can
    look around.

    Ends when a run was over before its await was reached. Raises AssertionError when a cancelled run went on.
    """
    for at in range(1, most):
        attempt = CancelAt(make(), at)
        task = asyncio.ensure_future(_run(attempt))
        await asyncio.wait([task])
        if not attempt.reached:
            task.result()
            return
        assert task.cancelled(), f"cancelled at await {at}, and went on: {task}"
        yield at
    raise AssertionError(f"still running after {most} awaits")


async def _run(attempt: Awaitable[Any]) -> Any:
    return await attempt
