"""What a work queue tells about itself: the whole queue for metrics and the watchdog, one key to explain why it does
not run.

Neighbours: workqueue.py fills these in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from eso.runtime.outcome import Lane
from eso.runtime.schedule import Key


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The queue at one moment. Parked and scheduled keys are not overdue, whatever their age."""

    ready: dict[Lane, int]
    scheduled: int
    running: int
    parked: dict[str, int] = field(default_factory=dict)
    oldest_overdue_seconds: float = 0.0
    oldest_overdue_key: Key | None = None
    longest_running_seconds: float = 0.0
    longest_running_key: Key | None = None
    unfinished_seconds: float = 0.0
    stalled_seconds: float = 0.0

    @property
    def depth(self) -> int:
        """Keys that could run now."""
        return sum(self.ready.values())


@dataclass(frozen=True, slots=True)
class Absent:
    """The queue knows nothing of the key: only an event brings it."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The key runs in `seconds`, in `lane`."""

    seconds: float
    lane: Lane


@dataclass(frozen=True, slots=True)
class Waiting:
    """The key could run; it waits for a worker since `seconds`. `held`: its namespace has its share of the workers."""

    seconds: float
    lane: Lane
    held: bool


@dataclass(frozen=True, slots=True)
class Running:
    """A pass is in hand since `seconds`. `again`: seconds until the key runs once more, None when it does not have
    to."""

    seconds: float
    lane: Lane
    again: float | None


@dataclass(frozen=True, slots=True)
class AtGate:
    """The key waits until `gate` lets it out. `seconds`: then it runs, gate or no gate; None: it has no deadline."""

    gate: str
    lane: Lane
    seconds: float | None


Place = Absent | Scheduled | Waiting | Running | AtGate


@dataclass(frozen=True, slots=True)
class KeyState:
    """One key at one moment. `failures` in a row; `reasons`: what the next pass is woken for, as far as it is known."""

    place: Place
    failures: int = 0
    reasons: frozenset[str] = frozenset()
