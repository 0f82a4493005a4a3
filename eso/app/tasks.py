"""Tasks of a process: the wish to stop, waits that it ends, background tasks whose errors end the block.

Neighbours: lifecycle.py, webhook.py and certcontroller.py nest these; nothing here knows what runs.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from eso.runtime.watchdog import Watchdog


@dataclass(frozen=True, slots=True)
class Stop:
    """`asked`: take no new keys, let passes in hand end. `now`: cut those off, too."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    now: asyncio.Event = field(default_factory=asyncio.Event)

    def signal(self) -> None:
        """The first one asks, the second one does not wait."""
        (self.now if self.asked.is_set() else self.asked).set()


@asynccontextmanager
async def background(*running: Awaitable[Any], watchdog: Watchdog | None = None) -> AsyncIterator[None]:
    """Runs the coroutines for as long as the block lasts; one that ends by an error ends the block with it.

    `watchdog`: one that returns makes the process unhealthy, as nobody else would miss it.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(awaited(one), name=getattr(one, "__qualname__", None)) for one in running]
        try:
            with watchdog.expecting(*tasks) if watchdog else nullcontext():
                yield
        finally:
            for task in tasks:
                task.cancel()


async def awaited(one: Awaitable[Any]) -> None:
    await one


async def unless(stop: Stop, wanted: Coroutine[Any, Any, Any]) -> bool:
    """Waits for `wanted`; False when `stop` was asked for first, which cancels it."""
    return await before(stop.asked, wanted)


async def before(event: asyncio.Event, wanted: Coroutine[Any, Any, Any]) -> bool:
    """Whether `wanted` ended before the event was set; otherwise it is cancelled. Raises what `wanted` raises."""
    async with asyncio.TaskGroup() as group:
        happened, waiting = group.create_task(event.wait()), group.create_task(wanted)
        await asyncio.wait([happened, waiting], return_when=asyncio.FIRST_COMPLETED)
        happened.cancel()
        waiting.cancel()
    return waiting.done() and not waiting.cancelled()


def settle() -> None:
    """What is there now stays for long: takes it out of the collector's sight. What comes later is looked through five
    thousand objects at a time: passes that make hundreds of thousands would be held up for a quarter of a second. What
    lived through that and went later in a circle stays for a million more at most."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 20)
    sys.setswitchinterval(0.001)  # 1 ms instead of 5 ms: the loop preempts template threads sooner


def leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
