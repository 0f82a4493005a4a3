"""The vendor's library on a thread of its own: it computes wherever its calls are awaited, half a second in a login.

Neighbours: connect.py makes the one Native of a process; client.py awaits every call through it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from eso.providers.onepasswordsdk.refusal import refuse

T = TypeVar("T")
SECONDS: Final = 30.0  # for one call, as the library sets no bound


class Native:
    """`run` awaits on the other thread's loop. Cancelling it cancels the call there."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    async def run(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Raises the contract's typed errors; no text and no cause of the library's leaves it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked(ask), self._started()))

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=serve, args=(self._loop,), name="onepassword", daemon=True)
            self._thread.start()
        return self._loop

    async def close(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None
            await asyncio.to_thread(self._thread.join)


def serve(loop: asyncio.AbstractEventLoop) -> None:
    """Until the loop is stopped; calls that are under way then are cancelled."""
    try:
        loop.run_forever()
        loop.run_until_complete(drained())
    finally:
        loop.close()


async def drained() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def asked(ask: Callable[[], Awaitable[T]]) -> T:
    try:
        async with asyncio.timeout(SECONDS):
            return await ask()
    except Exception as error:
        raise refuse(error) from None


def released(sdk: Any) -> None:
    """Lets the library forget a login. The vendor ties that to the end of the process."""
    sdk._finalizer()
