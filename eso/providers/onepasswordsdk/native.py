"""The vendor's library on a thread of its own: it computes wherever its calls are awaited, half a second in a login.

Neighbours: connect.py makes the one Native of a process; client.py awaits every call through it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
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

    async def made(self, ask: Callable[[], Awaitable[T]], let_go: Callable[[T], object]) -> T:
        """As `run`, for a call that makes something which the library keeps. The call comes to its end when the caller
        is cancelled, since only its result names what was made; `let_go` gets that then."""
        call = asyncio.run_coroutine_threadsafe(asked(ask), self._started())
        try:
            return await asyncio.shield(asyncio.wrap_future(call))
        except asyncio.CancelledError:
            call.add_done_callback(lambda done: abandoned(done, let_go))
            raise

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


def abandoned(call: Future[T], let_go: Callable[[T], object]) -> None:
    if not call.cancelled() and call.exception() is None:
        with suppress(Exception):  # it would be logged with the library's text
            let_go(call.result())


def released(sdk: Any) -> None:
    """Lets the library forget a login. The vendor ties that to the end of the process."""
    sdk._finalizer()
