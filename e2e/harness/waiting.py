"""Waiting for something to become true, with a message that says what was seen last.

Neighbours: every test and script against real processes. Nothing here sleeps longer than `every`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 120.0  # seconds; a machine that is busy with other things may need as long for a step of moments

# What a check may raise while the world is on its way; anything else is a bug in the check and ends the wait at once.
NOT_YET = (AssertionError, LookupError, OSError, ValueError, RuntimeError)


class NeverHappened(AssertionError):
    """The time is up; the message names what was waited for and the last answer."""


def eventually(
    check: Callable[[], T | None],
    within_seconds: float,
    every: float = 0.1,
    *,
    what: str = "",
    give_up: Callable[[], str | None] = lambda: None,
    waiting: Callable[[float], None] = lambda _: None,
    patience: float = PATIENCE,
) -> T:
    """Calls `check` until its answer is true and returns that answer.

    `within_seconds` is what an idle machine needs; the wait ends `patience` seconds after it began when that is later.
    `give_up` returns a reason when waiting longer is pointless (a dead process). `waiting` is told the seconds so far
    on every round. Raises NeverHappened.
    """
    began, longest = time.monotonic(), max(within_seconds, patience)
    seen: object = None
    while True:
        try:
            if answer := check():
                return answer
            seen = answer
        except NOT_YET as error:
            seen = error
        name = what or getattr(check, "__name__", "the check")
        if reason := give_up():
            raise NeverHappened(f"{name}: {reason}; last answer: {seen!r}")
        passed = time.monotonic() - began
        if passed >= longest:
            raise NeverHappened(f"{name} did not happen within {longest:g} s; last answer: {seen!r}")
        waiting(passed)
        time.sleep(every)


def always(check: Callable[[], object], for_seconds: float, every: float = 0.2, *, what: str = "") -> None:
    """`check` must answer true for the whole time. Raises AssertionError at the first false answer."""
    until = time.monotonic() + for_seconds
    while time.monotonic() < until:
        answer = check()
        assert answer, f"{what or getattr(check, '__name__', 'the check')} stopped being true: {answer!r}"
        time.sleep(every)
