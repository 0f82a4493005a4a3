"""An event loop that fails a test at once when nothing is left that could wake it: a lost wake-up, not a slow machine.

Neighbours: tests/unit/conftest.py gives it to every unit test. Without it such a test would hang until its timeout.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Mapping

NOTHING_SECONDS = 0.5  # neither a timer, nor a socket, nor a thread is left
SOMETHING_SECONDS = 60.0  # a socket or a thread may still answer, on a machine that is busy


class LostWakeUp(AssertionError):
    """The loop waits for something that will never come."""


class ImpatientSelector(selectors.DefaultSelector):  # type: ignore[valid-type,misc]  # the platform's own class
    """The loop asks to wait without an end only when no timer is armed; that wait ends here."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None:
            return super().select(timeout)  # type: ignore[no-any-return]
        registered: Mapping[object, object] = self.get_map()
        threads = [
            one for one in threading.enumerate() if not isinstance(one, threading.Timer)
        ]  # the test's own timeout
        alone = len(registered) <= 1 and len(threads) == 1  # the loop's own pipe, the thread that runs it
        found = super().select(NOTHING_SECONDS if alone else SOMETHING_SECONDS)
        if not found:
            raise LostWakeUp("no timer, socket or thread is left that could wake: " + "; ".join(_waiting()))
        return found  # type: ignore[no-any-return]


def impatient_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(ImpatientSelector())


def _waiting() -> list[str]:
    """Each task of the loop in this thread, and the line at which it waits."""
    found = []
    for task in asyncio.all_tasks(asyncio.get_running_loop()):
        [*_, frame] = task.get_stack(limit=1) or [None]
        found.append(f"{task.get_name()} in {frame.f_code.co_name} line {frame.f_lineno}" if frame else task.get_name())
    return sorted(found)
