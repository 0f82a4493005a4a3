"""Names → addresses, in threads of their own: a name whose servers do not answer takes a thread for half a minute.

Neighbours: http.py asks here instead of in the loop's own few threads, which others need for files and metrics. The
places are shared fairly by namespaces. A thread cannot be stopped, so its place stays taken until the system gives up,
however early the caller does.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

from eso.runtime.fair import FairSlots
from eso.runtime.memory import CURRENT

PLACES: Final = 32
LONGEST = 20.0  # seconds for one lookup, the wait for a place included


class Lookups:
    """The lookups of one loop. Its methods are named as the loop's own, so that the client library takes it for one."""

    def __init__(self) -> None:
        self.slots = FairSlots(PLACES)

    async def getaddrinfo(
        self, host: str, port: int, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """Raises OSError, and UnicodeError for what cannot be a name."""
        found: list[Any] = await self._run(socket.getaddrinfo, host, port, family, type, proto, flags)
        return found

    async def getnameinfo(self, address: tuple[Any, ...], flags: int = 0) -> tuple[str, str]:
        """Raises OSError."""
        found: tuple[str, str] = await self._run(socket.getnameinfo, address, flags)
        return found

    async def _run(self, look: Callable[..., Any], *args: Any) -> Any:
        hold, loop = CURRENT.get(), asyncio.get_running_loop()
        owner = hold.owner if hold is not None else ""
        try:
            async with asyncio.timeout(LONGEST):
                await self.slots.acquire(owner)
                over = Over(loop.create_future(), partial(self.slots.release, owner))
                try:
                    # no pool, whose threads the process would wait for at its end
                    threading.Thread(target=answered, args=(loop, over, look, args), daemon=True, name="name").start()
                except BaseException:
                    self.slots.release(owner)
                    raise
                return await over.answer
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution") from None


class Over:
    """What is left to do when a thread has its answer."""

    def __init__(self, answer: asyncio.Future[Any], release: Callable[[], None]) -> None:
        self.answer, self._release = answer, release

    def take(self, found: Any, error: Exception | None) -> None:
        self._release()
        if self.answer.done():
            return  # nobody waits any more
        if error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(found)


def answered(loop: asyncio.AbstractEventLoop, over: Over, look: Callable[..., Any], args: tuple[Any, ...]) -> None:
    found, failed = None, None
    try:
        found = look(*args)
    except Exception as error:  # it is the caller's
        failed = error
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(over.take, found, failed)


_lookups: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Lookups]] = WeakKeyDictionary()


def lookups() -> Lookups:
    """Those of the running loop."""
    loop = asyncio.get_running_loop()
    found = _lookups.get(loop)
    if found is None:
        found = _lookups[loop] = Lookups()
    return found
