"""What one ChangeSource has heard: changes that some object has not taken in yet, and counts.

Neighbours: journal.py keeps one book for each source and writes its status. A change that is heard again while it is
pending stays one entry with the newer time, so that a book is bounded by the number of keys and not of events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from eso.api.changesource import MOST_PENDING, MOST_PENDING_BYTES, Change, ChangeSourceStatus
from eso.api.meta import Condition, utc
from eso.reconcile.kit.conditions import condition_json

Key = tuple[str, str]
MOST_COUNT: Final = (1 << 62) - 1
COUNTED: Final = frozenset(
    (
        "forbidden",
        "forged",
        "full",
        "keyless",
        "late",
        "limited",
        "too_large",
        "unconfirmed",
        "unjudged",
        "unreadable",
        "unsigned",
        "unwritten",
    )
)
"""What a status counts as rejected, and nothing else."""
UNPROVED: Final = frozenset(("unsigned", "forged", "keyless", "unjudged"))


class Entry:
    """A change that was heard at `at`. `waiting`: the objects that read the key and have not done so since then; None
    until they are woken."""

    __slots__ = ("at", "proved", "waiting")

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.proved = False  # an object has found another value
        self.waiting: set[Key] | None = None


class Book:
    def __init__(self) -> None:
        self.pending: dict[Change, Entry] = {}
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self.last_event: datetime | None = None
        self.last_accepted: datetime | None = None
        self.lag_milliseconds: int | None = None
        self.source = ""
        self.seen: tuple[str, ...] = ()

    def load(self, status: ChangeSourceStatus, now: datetime) -> None:
        """Continues where an earlier process stopped. A time that is still to come, and that no pass could be later
        than, counts as `now`."""
        self.accepted, self.lag_milliseconds = status.accepted, status.lag_milliseconds
        self.rejected = Counter({cause: n for cause, n in status.rejected.items() if cause in COUNTED})
        self.last_event, self.last_accepted = past(status.last_event, now), past(status.last_accepted, now)
        self.source, self.seen = status.source, status.seen
        for one in status.pending[:MOST_PENDING]:
            if (time := past(one.time, now)) is not None:
                self.pending[Change(one.key, one.version, one.prefix)] = Entry(time)

    def fits(self, changes: Iterable[Change]) -> bool:
        """Whether all of them may be pending together with those that are."""
        new = {change for change in changes if change not in self.pending}
        size = sum(change.size for change in (*self.pending, *new))
        return len(self.pending) + len(new) <= MOST_PENDING and size <= MOST_PENDING_BYTES

    def put(self, changes: Iterable[Change], at: datetime) -> None:
        for change in changes:
            entry = self.pending.get(change)
            if entry is None:
                self.pending[change] = Entry(at)
            else:
                entry.at = max(at, entry.at)

    def accept(self, at: datetime) -> None:
        self.accepted, self.last_accepted, self.last_event = min(MOST_COUNT, self.accepted + 1), at, at

    def heard(self, outcome: str, at: datetime) -> None:
        """An event that was not accepted; counted where that is its sender's, or our, fault. Only a sender who proved
        itself makes the source look alive."""
        if outcome not in UNPROVED:
            self.last_event = at
        if outcome in COUNTED:
            self.rejected[outcome] += 1

    def woken(self, change: Change, keys: Iterable[Key]) -> bool:
        """The objects that read `change` are on the queue. True when there are none: nothing is pending then."""
        entry = self.pending.get(change)
        if entry is None:
            return True
        entry.waiting = entry.waiting if entry.waiting is not None else set()
        entry.waiting.update(keys)
        if not entry.waiting:
            del self.pending[change]
            return True
        return False

    def proves(self, change: Change, triggered: datetime | None) -> bool:
        """An object that was woken by what was heard up to `triggered` has found another value: whether that is the
        first one for this change."""
        entry = self.pending.get(change)
        if entry is None or entry.proved or triggered is None or triggered < entry.at:
            return False
        entry.proved = True
        return True

    def waits(self, change: Change, key: Key) -> bool:
        """Whether `key` still has to read what changed."""
        entry = self.pending.get(change)
        return entry is not None and entry.waiting is not None and key in entry.waiting

    def read(self, change: Change, key: Key, triggered: datetime | None, now: datetime) -> float | None:
        """A pass of `key`, woken by what was heard up to `triggered` (None: the object is gone), has ended. Seconds
        since the event; None when the pass was older than that."""
        entry = self.pending.get(change)
        if entry is None or entry.waiting is None or key not in entry.waiting:
            return None
        if triggered is not None and triggered < entry.at:
            return None
        entry.waiting.discard(key)
        seconds = max(0.0, (now - entry.at).total_seconds())
        if not entry.waiting:
            del self.pending[change]
            self.lag_milliseconds = round(seconds * 1000)
        return seconds

    def status(self, conditions: Iterable[Condition]) -> dict[str, Any]:
        """The whole status. Members without a value are left out."""
        pending = [
            {"key": change.key, "time": micros(entry.at)}
            | ({"version": change.version} if change.version else {})
            | ({"prefix": True} if change.prefix else {})
            for change, entry in self.pending.items()
        ]
        body: dict[str, Any] = {
            "conditions": [condition_json(condition) for condition in conditions],
            "source": self.source or None,
            "accepted": self.accepted,
            "pending": pending,
            "rejected": dict(sorted(self.rejected.items())),
            "lastEvent": micros(self.last_event) if self.last_event else None,
            "lastAccepted": micros(self.last_accepted) if self.last_accepted else None,
            "lagMilliseconds": self.lag_milliseconds,
            "seen": list(self.seen),
        }
        return {name: value for name, value in body.items() if value is not None and value != [] and value != {}}


def past(time: datetime | None, now: datetime) -> datetime | None:
    return min(utc(time), now) if time is not None else None


def micros(at: datetime) -> str:
    """A cut-off time could let an event look older than the pass that it has to follow."""
    return f"{utc(at).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
