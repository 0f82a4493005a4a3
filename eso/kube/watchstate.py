"""Where a list-and-watch stands, as one total function of state and signal; and how long it waits between two tries.

Neighbours: watch.py makes the requests, feeds the signals and does the waiting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

BACKOFF_BASE, BACKOFF_CAP = 0.8, 15.0  # seconds, before the jitter
RELIST_AFTER: Final = 5  # refusals in a row


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything is to be read anew; the cache may miss deletions until that is done."""


@dataclass(frozen=True, slots=True)
class Watching:
    """All changes up to `version` are known."""

    version: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The last page arrived; the list is as of `version`."""

    version: str


@dataclass(frozen=True, slots=True)
class Changed:
    """An object was added, modified or deleted at `version`."""

    version: str


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Nothing happened up to `version`."""

    version: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The stream or the list ended, broke or was refused, and our version may still be good."""


@dataclass(frozen=True, slots=True)
class Gone:
    """410, or a version the server cannot place."""


State = Listing | Watching
Signal = Listed | Changed | Bookmark | Closed | Gone


def advance(state: State, signal: Signal) -> State:
    match state, signal:
        case _, Gone():
            return Listing()  # our version left the server's window; resuming would loop for ever
        case _, Listed(version) if version:
            return Watching(version)
        case Watching(), (Changed(version) | Bookmark(version)) if version:
            return Watching(version)
        case _:
            return state  # server timeout: resume where we were, no relist; a list that broke off starts again


class End(Enum):
    """How one list or one watch ended."""

    COMPLETE = auto()  # the list is complete; or the watch ended after a healthy life
    EMPTY = auto()  # the watch ended without an error, but so soon that the next one should not follow at once
    EXPIRED = auto()  # 410
    REFUSED = auto()  # another status than 2xx
    BROKEN = auto()  # no reply, or one that cannot be read


@dataclass(frozen=True, slots=True)
class Pace:
    """Failures in a row. `expired` are counted apart: after an outage the version is too old, and the new list should
    not wait as long as the outage made us wait."""

    failures: int = 0
    refusals: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What follows an attempt. `seconds`: the wait before the jitter, None for none. `relist`: forget the version."""

    pace: Pace
    seconds: float | None = None
    relist: bool = False


def step(pace: Pace, end: End, *, healthy: bool = False) -> Step:
    """`healthy`: the watch brought an event, or lived long enough.

    A healthy watch clears the failures; a list alone does not, because list, 410, list, 410 must slow down too. After
    RELIST_AFTER refusals the version is given up: a version from before the cluster was restored from a backup is
    refused with a 5xx for ever, not with 410.
    """
    if healthy and end is not End.EXPIRED:
        pace = Pace()
    if end is End.COMPLETE:
        return Step(pace)
    refusals = pace.refusals + (end in (End.EXPIRED, End.REFUSED))
    relist = refusals >= RELIST_AFTER
    pace = replace(pace, refusals=0 if relist else refusals)
    if end is End.EXPIRED:
        return Step(replace(pace, expired=pace.expired + 1), _backoff(pace.expired), relist)
    return Step(replace(pace, failures=pace.failures + 1), _backoff(pace.failures), relist)


def _backoff(count: int) -> float:
    return float(min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(count, 16)))
