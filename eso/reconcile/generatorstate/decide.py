"""What to do about one GeneratorState: a total function of the record and the time.

Neighbours: reconcile.py carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eso.api.generators import FINALIZER_GENERATOR_STATE, GeneratorState
from eso.api.meta import Undecodable

PATIENCE: Final = 3600.0  # seconds for which a deletion waits for its clean-up
SHORT_PATIENCE: Final = 20.0  # the same in a namespace that is going: its credentials go with it


@dataclass(frozen=True, slots=True)
class Nothing:
    """The state is in use, or gone."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The finalizer is missing."""


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Expire:
    """The deadline has passed."""


@dataclass(frozen=True, slots=True)
class CleanUp:
    """The object is being deleted; its values have to be taken back first. `last`: it has waited long enough, and goes
    whether that succeeds or not."""

    last: bool


Step = Nothing | Hold | Wait | Expire | CleanUp


def decide(record: GeneratorState | Undecodable | None, now: datetime, *, terminating: bool) -> Step:
    """`terminating`: the namespace is going."""
    if record is None:
        return Nothing()
    meta = record.metadata
    held = FINALIZER_GENERATOR_STATE in meta.finalizers
    if meta.deletion_timestamp is not None:
        waited = (now - meta.deletion_timestamp).total_seconds()
        return CleanUp(waited >= (SHORT_PATIENCE if terminating else PATIENCE)) if held else Nothing()
    if not held:
        return Hold()
    if isinstance(record, Undecodable) or record.deadline is None:
        return Nothing()
    left = (record.deadline - now).total_seconds()
    return Wait(left) if left > 0 else Expire()
