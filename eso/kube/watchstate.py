"""Where a list-and-watch stands, as one total function of state and signal.

Neighbours: watch.py makes the requests and feeds the signals.
"""

from __future__ import annotations

from dataclasses import dataclass


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
