"""All that a pass can tell the queue.

Neighbours: reconcilers return one, `controller.py` hands it to `workqueue.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class Lane(IntEnum):
    """The best lane goes first. Ageing in the queue keeps the last lane from starving."""

    NEW = 0
    EVENT = 1
    DRIFT = 2
    PERIODIC = 3


@dataclass(frozen=True, slots=True)
class Wake:
    """Why a key runs now: the merged reasons and the newest trigger's time (UTC), None when only a timer fired.

    `since`: monotonic seconds at which the newest trigger came in. What was read before then may be older than it; the
    wall clock cannot tell, since it may be set back.
    """

    reasons: frozenset[str] = frozenset()
    triggered: datetime | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Forget the failures; nothing is scheduled."""


@dataclass(frozen=True, slots=True)
class After:
    """Forget the failures; run again `seconds` from now, in `lane`."""

    seconds: float
    lane: Lane = Lane.PERIODIC


@dataclass(frozen=True, slots=True)
class Retry:
    """Run again after the key's back-off; `error` is None for a plain requeue (conflict, label written)."""

    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """Wait, without a failure count, until gate `gate` opens.

    `epoch` is the gate's epoch when it refused: if the epoch moved meanwhile, the key is requeued at once. After
    `seconds` the key runs, gate or no gate, because it has something to tell; None: it has nothing to tell.
    """

    gate: str
    epoch: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Fatal:
    """Log and count the error; only an event brings the key back."""

    error: Exception


Outcome = Done | After | Retry | Parked | Fatal
