"""What one pass did: the frozen record at its end, for metrics and for everybody who explains later.

Neighbours: each room's reconcile.py makes one per pass; the meters consume it. No value of a secret is in it. Structs,
because one is made per pass.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import msgspec

from eso.api.meta import Condition
from eso.runtime.outcome import Outcome, Wake

Key = tuple[str, str]


class Ended(Enum):
    """How a pass ended."""

    SYNCED = "synced"  # read, compared, written where something differed
    IDLE = "idle"  # nothing was due
    FAILED = "failed"  # told in a condition
    PARKED = "parked"  # a gate was closed
    RACED = "raced"  # somebody else wrote in between: looked at again at once
    SUSPENDED = "suspended"
    FOREIGN = "foreign"  # another controller class
    DELETED = "deleted"  # the clean-up of an object that is being deleted
    GONE = "gone"
    BROKEN = "broken"  # an error that was not told: of the API server, or a bug
    CUT = "cut"  # cancelled


class ChangeRecord(msgspec.Struct, frozen=True):
    """What was sent to a target. `verb` is create, patch or delete; key names only."""

    verb: str
    kind: str
    name: str
    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class PassRecord(msgspec.Struct, frozen=True):
    """One pass. `began` is the wall clock, `seconds` the duration.

    `uid` "" and `outcome` None: the object was gone; the pass raised. `ready`: the Ready condition as evaluated now,
    None when the pass did not get so far. `refreshed` is the last success before this pass and `due` the slot that it
    was for. `read_from`: kind and name of each store and generator that was asked. `missed` slots passed while the key
    was parked. `drift`: the target was changed or removed by `changed_by`. `stage` names where a failure happened.
    """

    kind: str
    key: Key
    wake: Wake
    began: datetime
    seconds: float
    ended: Ended
    outcome: Outcome | None = None
    uid: str = ""
    generation: int = 0
    read_from: frozenset[tuple[str, str]] = frozenset()
    change: ChangeRecord | None = None
    ready: Condition | None = None
    refreshed: datetime | None = None
    due: datetime | None = None
    missed: int = 0
    drift: bool = False
    changed_by: str = ""
    stage: str = ""
    error: str = ""
    failed: bool = False
    """Counts as an error of the object."""
