"""The time that a block may take: when it is over, the block is cancelled and ends with an error that says so.

Neighbours: controller.py bounds whole passes, the reconcile rooms what comes before their writes. As
`asyncio.timeout`, on a Clock that tests can advance.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eso.errors import EsoError
from eso.runtime.clock import Clock


class TooLate(EsoError):
    """The pass has used up its time."""


@asynccontextmanager
async def deadline(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """Raises TooLate. A cancellation that comes from elsewhere goes on as one."""
    task = asyncio.current_task()
    assert task is not None
    before, late = task.cancelling(), False

    def end() -> None:
        nonlocal late
        late = True
        task.cancel()

    timer = clock.call_later(seconds, end)
    try:
        yield
    except BaseException as error:
        if late and task.uncancel() <= before and isinstance(error, asyncio.CancelledError):
            raise TooLate(
                f"the pass takes longer than {seconds:g} s",
                fix="look for a backend that answers slowly, or set --pass-timeout",
            ) from None
        raise
    else:
        if late:  # the block held its cancellation back
            task.uncancel()
    finally:
        timer.cancel()
