"""How far the events of one source are trusted: by what factor refresh intervals may stretch while it is heard.

Neighbours: the journal of ChangeSources feeds one state for each source, the room of ExternalSecret asks for the
factor. Trust is earned slowly, by changes that an event told of, and lost at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

EVENTS: Final = 5  # changes that events told of, before anything stretches
STRETCH: Final = timedelta(hours=24)  # in which none was missed; each further one doubles the factor
LASTS: Final = timedelta(days=7)  # without an event: a sender that is gone says nothing
MOST: Final = 64.0


@dataclass(frozen=True, slots=True)
class Trust:
    """`heard` changes were told of by events and found by reading, from `since` to `last`, and none was missed. `well`:
    the source is ready."""

    since: datetime | None = None
    last: datetime | None = None
    heard: int = 0
    well: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """An object that an event woke has found another value."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Missed:
    """A refresh or a poll has found a value that no event told of."""


@dataclass(frozen=True, slots=True)
class Lost:
    """An event of the right sender was not taken: it may never come again."""


@dataclass(frozen=True, slots=True)
class Health:
    """The source is ready, or not."""

    well: bool


Signal = Heard | Missed | Lost | Health


def advance(trust: Trust, signal: Signal) -> Trust:
    match signal:
        case Heard(at):
            if trust.since is None or trust.last is None or at - trust.last > LASTS:
                return replace(trust, since=at, last=at, heard=1)
            return replace(trust, last=max(trust.last, at), heard=trust.heard + 1)
        case Missed() | Lost():
            return Trust(well=trust.well)
        case Health(well):
            return replace(trust, well=True) if well else Trust()


def factor(trust: Trust, most: float, now: datetime) -> float:
    """By what an interval may be multiplied: 1, 2, 4, … up to `most`."""
    if not trust.well or trust.since is None or trust.last is None or trust.heard < EVENTS:
        return 1.0
    if now - trust.last > LASTS or now < trust.since + STRETCH:
        return 1.0
    stretches = min(int((now - trust.since) / STRETCH), 16)
    return max(1.0, min(most, MOST, 2.0**stretches))
