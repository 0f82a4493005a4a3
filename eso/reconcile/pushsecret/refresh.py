"""Due or not: the fingerprint of the object, its interval, and what was seen of its sources and stores at the last
success.

Neighbours: reconcile.py asks before and after it looked at sources and stores. Time comes in as an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from eso.api.hashing import synced_resource_version
from eso.api.pushsecret import PushSecret
from eso.errors import Terminal
from eso.gocompat.duration import DurationError
from eso.runtime.outcome import After, Done, Outcome

SHORTEST = 1.0  # seconds: no interval is shorter,
ENTRIES = 100  # and none than a second for so many entries, each of which is looked at
LATE = 5.0  # seconds that the interval's timer waits longer, as in the reference
BURST = 10.0  # pushes because of news that are made at once
EVERY = 10.0  # seconds, then
SKEW = timedelta(seconds=5)  # between the API server's clock and ours


class BadInterval(Terminal):
    """spec.refreshInterval has no meaning: only an edit can help."""


class Due(Enum):
    """Why the values are sent now."""

    EDITED = "edited"  # or never synced: every entry is compared with the backend
    INTERVAL = "interval"  # the same
    NEWS = "news"  # a source or a store is another one: entries that are known to be there are not sent
    NO = "no"


@dataclass(frozen=True, slots=True)
class Situation:
    """What an object's values depend on besides itself. `sources`, `templates`: (name, uid, resourceVersion) of what is
    pushed and of what the template refers to; `stores`: (key, uid, generation)."""

    sources: tuple[tuple[str, str, str], ...] = ()
    templates: tuple[tuple[str, str, str], ...] = ()
    stores: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """The situation at the last success, in this process."""

    situation: Situation
    version: str


@dataclass(frozen=True, slots=True)
class Pace:
    """What holds back an object whose pushes change its own sources: `left` pushes may follow news at once, and one
    more each EVERY seconds since `at`. An edit and the interval are never held."""

    left: float = BURST
    at: datetime | None = None

    def now(self, now: datetime) -> float:
        gained = (now - self.at).total_seconds() / EVERY if self.at is not None else 0.0
        return min(BURST, self.left + max(gained, 0.0))

    def wait(self, now: datetime) -> float:
        """Seconds until news may be followed; 0 for at once."""
        return max(0.0, 1.0 - self.now(now)) * EVERY

    def spent(self, now: datetime) -> Pace:
        return Pace(max(0.0, self.now(now) - 1.0), now)


FULL = Pace()


def interval(ps: PushSecret) -> float:
    """Seconds; zero or less means "only when the object changes". Raises BadInterval."""
    try:
        seconds = ps.spec.interval_seconds
        return max(SHORTEST, entries(ps) / ENTRIES, seconds) if seconds > 0 else seconds
    except DurationError as error:
        raise BadInterval(
            f'invalid spec.refreshInterval "{ps.spec.refresh_interval}": {error}',
            fix="write a Go duration such as 1h or 90s",
        ) from error


def entries(ps: PushSecret) -> int:
    """How many there are, as far as the object tells."""
    recorded = sum(len(entries) for entries in ps.status.synced_push_secrets.values())
    return max(recorded, len(ps.spec.data) + len(ps.spec.data_to))


def by_itself(ps: PushSecret, now: datetime) -> Due:
    """Section 5.3 of the rules: what the object alone tells. Raises BadInterval."""
    seconds, status = interval(ps), ps.status
    if status.synced_resource_version != synced_resource_version(ps.metadata):
        return Due.EDITED
    if seconds <= 0:
        return Due.NO
    if status.refresh_time is None or status.refresh_time > now:
        return Due.EDITED
    return Due.INTERVAL if status.refresh_time + timedelta(seconds=seconds) < now else Due.NO


def waits_for_edits(ps: PushSecret) -> bool:
    """An object with interval zero is pushed when it changes, and never because of its sources."""
    return interval(ps) <= 0


def rests(ps: PushSecret) -> bool:
    """An object that nothing but an edit or its interval moves. Looking at a generator would make another value."""
    return waits_for_edits(ps) or ps.spec.selector.generator_ref is not None


def as_recorded(ps: PushSecret, newest: datetime | None) -> bool:
    """For an object that this process meets for the first time: whether its sources are as they were at the last
    success. `newest`: when one of them was written last, None for unknown."""
    refreshed = ps.status.refresh_time
    return refreshed is not None and newest is not None and newest + SKEW < refreshed


def come_back(ps: PushSecret, now: datetime) -> Outcome:
    """After a pass that found nothing due."""
    seconds, refreshed = interval(ps), ps.status.refresh_time
    if seconds <= 0 or refreshed is None:
        return Done()
    left = (refreshed + timedelta(seconds=seconds) - now).total_seconds() + LATE
    return After(left) if left > 0 else Done()


def next_time(ps: PushSecret) -> Outcome:
    """After a success."""
    seconds = interval(ps)
    return After(seconds) if seconds > 0 else Done()
