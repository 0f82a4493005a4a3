"""Two writers that undo each other's work on one target: after three corrections in one slot, at most one write per
slot.

Neighbours: reconcile.py asks before it reads; triggers.py words the reasons. Time comes in as an argument.

A correction belongs to a fight when it undoes the same change as the one before, follows it within a second, or follows
another write of ours. A person who tries out several edits is corrected each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eso.api.externalsecret import ExternalSecret
from eso.reconcile.externalsecret.decide import Sync
from eso.reconcile.externalsecret.refresh import DEFAULT_INTERVAL, interval_seconds, polls
from eso.reconcile.externalsecret.triggers import SOURCE_REWRITTEN, TARGET_CHANGED
from eso.runtime.outcome import Wake

MOST: Final = 3
AT_ONCE: Final = 1.0  # seconds within which a program answers our write, and a person does not
REPAIRS: Final = frozenset({TARGET_CHANGED, SOURCE_REWRITTEN})


@dataclass(frozen=True, slots=True)
class Fight:
    """Corrections of one target that followed each other within a slot.

    `at` is the last one and `state` what it undid; `seen_at`: the last change by the other writer, or our correction.
    `held`: since `at` at least one correction was held back, so the other writer has not stopped.
    """

    corrections: int = 0
    at: datetime | None = None
    state: str = ""
    seen_at: datetime | None = None
    held: bool = False


PEACE: Final = Fight()


def correcting(step: Sync, wake: Wake) -> bool:
    """The pass only repairs what another writer did, or follows another write of ours: no slot is due, nothing was
    edited and no trigger asks for newer values. A retry after a conflict has no reason any more, and counts too."""
    if step.due or step.edited:
        return False
    return (step.drift and wake.triggered is None) or (bool(wake.reasons) and wake.reasons <= REPAIRS)


def repeats(fight: Fight, es: ExternalSecret, step: Sync, wake: Wake, now: datetime) -> bool:
    """The pass would correct what it corrected before, or what a program wrote in answer to that."""
    if fight.at is None or (now - fight.at).total_seconds() >= slot_seconds(es):
        return False
    at_once = fight.seen_at is not None and (now - fight.seen_at).total_seconds() < AT_ONCE
    return step.state == fight.state or SOURCE_REWRITTEN in wake.reasons or at_once


def holds_until(fight: Fight, es: ExternalSecret, step: Sync, wake: Wake, now: datetime) -> float:
    """Seconds until the next correction is allowed; 0 when it is allowed now."""
    if fight.at is None or fight.corrections < MOST:
        return 0.0
    if not correcting(step, wake) or not repeats(fight, es, step, wake, now):
        return 0.0
    return max(0.0, slot_seconds(es) - (now - fight.at).total_seconds())


def hold(fight: Fight, now: datetime) -> Fight:
    """A correction was held back."""
    return replace(fight, held=True, seen_at=now)


def after(fight: Fight, es: ExternalSecret, step: Sync, wake: Wake, now: datetime, *, wrote: bool) -> Fight:
    """A pass has compared the target, and written it or not."""
    if step.edited:
        return PEACE
    over = fight.at is not None and (now - fight.at).total_seconds() >= slot_seconds(es)
    if fight.held and (step.due or over):
        return Fight(fight.corrections, now, step.state or fight.state, now)
    if wrote and correcting(step, wake):
        again = fight.corrections + 1 if repeats(fight, es, step, wake, now) else 1
        return Fight(again, now, step.state, now)
    return PEACE if step.due or over else fight


def undone(count: int, step: Sync, changed_by: str, *, same: bool, wrote: bool) -> int:
    """Slots in a row at which our last write was gone, although the inputs are the same. Two objects that merge one key
    never correct each other between slots, so no fight begins."""
    if not step.due:
        return count
    return count + 1 if wrote and same and changed_by else 0


@dataclass(frozen=True, slots=True)
class Labels:
    """How often our label was put on the target since it was last found there; a webhook may take it off each time."""

    count: int = 0
    at: datetime | None = None

    def held(self, es: ExternalSecret, now: datetime) -> float:
        """Seconds until the label may be put on again; 0 when it may be now."""
        if self.at is None or self.count < MOST:
            return 0.0
        return max(0.0, slot_seconds(es) - (now - self.at).total_seconds())


UNLABELLED: Final = Labels()


def slot_seconds(es: ExternalSecret) -> float:
    """Objects that never poll have no slots: an hour takes their place."""
    return interval_seconds(es) if polls(es) else DEFAULT_INTERVAL
