"""What was seen → the next step, before anything is fetched.

Neighbours: reconcile.py follows the step; refresh.py says whether a read is due. A total function over frozen data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from eso.api.conditions import condition
from eso.api.externalsecret import ExternalSecret
from eso.api.hashing import synced_resource_version
from eso.reconcile.externalsecret.refresh import Synced, should_refresh, slot_reached
from eso.runtime.outcome import Wake


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the target without its values. `hash_matches`: the data-hash annotation is that of the live
    data. `changed_by`: the field manager of the last write, "" when it was ours or is not known. `state`: equal for
    equal contents, "" for what our last write left. `markable` False: it is of a type that others own, and gets no
    label of ours."""

    managed: bool
    hash_matches: bool
    changed_by: str = ""
    state: str = field(default="", compare=False)
    markable: bool = True


@dataclass(frozen=True, slots=True)
class LabelTarget:
    """The target exists without our label: put it on, then look again."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is due and the target is as we left it."""


@dataclass(frozen=True, slots=True)
class Sync:
    """Read, shape, write.

    `drift`: the target is not as our last write left it. `due`: a periodic slot is reached, or the object was never
    synced; `edited`: it is another than at the last success. Neither: the pass only repairs, or follows a trigger.
    """

    drift: bool
    due: bool = True
    edited: bool = False
    state: str = field(default="", compare=False)  # of the target


Step = LabelTarget | Idle | Sync


REMOVED: Final = "removed"
MISSING: Final = ("SecretMissing", "ResourceMissing")


def awaited(es: ExternalSecret) -> bool:
    """The last pass found no target to merge into."""
    ready = condition(es.status.conditions, "Ready")
    return es.spec.target.creation_policy == "Merge" and ready is not None and ready.reason in MISSING


def decide(es: ExternalSecret, target: Seen | None, synced: Synced, wake: Wake, now: datetime) -> Step:
    if target is not None and not target.managed and target.markable:
        return LabelTarget()
    valid = es.spec.target.creation_policy == "Orphan" or (target is not None and target.hash_matches)
    if valid and not should_refresh(es, synced, wake, now) and not (target is not None and awaited(es)):
        return Idle()
    return Sync(
        drift=not valid and not synced.never,
        due=synced.never or slot_reached(es, synced, now),
        edited=not synced.never and synced.version != synced_resource_version(es.metadata),
        state=REMOVED if target is None else target.state,
    )
