"""What was seen → the next step, before anything is fetched.

Neighbours: reconcile.py follows the step; refresh.py says whether a read is due. A total function over frozen data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from eso.api.externalsecret import ExternalSecret
from eso.reconcile.externalsecret.refresh import Synced, should_refresh
from eso.runtime.outcome import Wake


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the target without its values. `hash_matches`: the data-hash annotation is that of the live
    data.

    `changed_by`: the field manager that wrote last, "" when it is us or nobody knows.
    """

    managed: bool
    hash_matches: bool
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class LabelTarget:
    """The target exists without our label: put it on, then look again."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is due and the target is as we left it."""


@dataclass(frozen=True, slots=True)
class Sync:
    """Read, shape, write. `drift`: the target was changed or removed by somebody else."""

    drift: bool


Step = LabelTarget | Idle | Sync


def decide(es: ExternalSecret, target: Seen | None, synced: Synced, wake: Wake, now: datetime) -> Step:
    if target is not None and not target.managed:
        return LabelTarget()
    valid = es.spec.target.creation_policy == "Orphan" or (target is not None and target.hash_matches)
    if valid and not should_refresh(es, synced, wake, now):
        return Idle()
    return Sync(drift=not valid and not synced.never)
