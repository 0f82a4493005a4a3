"""What this process knows of one ExternalSecret beyond the informer's record.

Neighbours: reconcile.py keeps one entry per uid in a ledger. A restart forgets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from eso.reconcile.externalsecret.brake import PEACE, UNMARKED, Fight, Marks
from eso.reconcile.externalsecret.refresh import Synced


@dataclass(slots=True)
class Known:
    """Changed in place by the one pass that works on the object. `synced` is the last success, None before the first
    pass; `status_at` the last write of the status and `generation` the one that it told; `parked`: the last pass met a
    closed gate; `labels`, `finalizers` and `undone` as brake.py counts them; `inputs` a digest of what the target was
    last made of; `notices` the Events of `noticed_at` (a generation) that are told once."""

    synced: Synced | None = None
    status_at: datetime | None = None
    generation: int = 0
    parked: bool = False
    inputs: bytes = b""
    fight: Fight = PEACE
    labels: Marks = UNMARKED
    finalizers: Marks = UNMARKED
    undone: int = 0
    noticed_at: int = 0
    notices: frozenset[int] = frozenset()
