"""CPU-heavy work off the loop: RSA, PKCS#12, large templates, rendering.

Neighbours: every part that would hold the loop for more than a few milliseconds, and the providers, which are handed
an Offload. The number of threads is small on purpose:
they share one interpreter with the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from eso.runtime.fair import FairSlots, Group, alone

P = ParamSpec("P")
T = TypeVar("T")


class Offload:
    """At most `threads` calls run at a time; the others wait on the loop, and their owners are served in turn."""

    def __init__(self, threads: int = 2, name: str = "offload", group: Group = alone) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._slots = FairSlots(threads, group)

    async def run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`fn(*args, **kwargs)` in a thread, with the caller's context variables. Raises what `fn` raises."""
        return await self.run_for("", fn, *args, **kwargs)

    async def run_for(self, namespace: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The same on behalf of `namespace`: its next call waits for one call of every other owner that waits.

        Cancelling the caller returns at once; the thread cannot be stopped, so its place stays taken until the call
        ends.
        """
        loop, owner = asyncio.get_running_loop(), self._slots.owner(namespace)
        await self._slots.acquire(owner)
        try:
            future = self._pool.submit(contextvars.copy_context().run, functools.partial(fn, *args, **kwargs))
        except BaseException:
            self._slots.release(owner)
            raise
        future.add_done_callback(lambda _: self._give_back(loop, owner))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Take no more calls. Does not wait for those that run."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _give_back(self, loop: asyncio.AbstractEventLoop, owner: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, so no call waits for the slot any more
            loop.call_soon_threadsafe(self._slots.release, owner)
