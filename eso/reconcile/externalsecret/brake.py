"""Two writers that undo each other's work on one target: after three corrections in one slot, at most one write per
slot.

Neighbours: reconcile.py asks before it reads; triggers.py words the reasons. Time comes in as an argument.

A correction belongs to a fight when it undoes the same change as the one before, follows it within a second, or follows
another write of ours. A person who tries out several edits is corrected each time, up to a number that no person needs:
then each correction waits twice as long as the one before. So do templates whose source changes within five seconds of
our write, because a program answers it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eso.api.externalsecret import ExternalSecret
from eso.reconcile.externalsecret.decide import Sync
from eso.reconcile.externalsecret.refresh import DEFAULT_INTERVAL, interval_seconds, polls
from eso.reconcile.externalsecret.triggers import SOURCE_CHANGED, SOURCE_REWRITTEN, TARGET_CHANGED
from eso.runtime.outcome import Wake

MOST: Final = 3
AT_ONCE: Final = 1.0  # seconds within which a program answers our write, and a person does not
REPAIRS: Final = frozenset({TARGET_CHANGED, SOURCE_REWRITTEN})
FOLLOWED: Final = REPAIRS | {SOURCE_CHANGED}
MOST_EDITS: Final = 10  # corrections of different changes in a row, before they slow down
MOST_ANSWERS: Final = 5  # writes in a row whose template source changed in answer to the one before
ANSWER: Final = 5.0  # seconds that such an answer may take
PAUSE: Final = 10.0  # seconds of the first pause; each is twice as long as the one before, up to a slot
NOTHING: Final = Wake()


@dataclass(frozen=True, slots=True)
class Fight:
    """Corrections of one target that followed each other within a slot.

    `at` is the last one and `state` what it undid; `seen_at`: the last change by the other writer, or our correction.
    `held`: since `at` at least one correction was held back, so the other writer has not stopped. `edits` counts
    corrections of changes that differed, `answers` writes after which a template source changed at once. `source_at`: a
    change of a source that was held back, to be followed later.
    """

    corrections: int = 0
    at: datetime | None = None
    state: str = ""
    seen_at: datetime | None = None
    held: bool = False
    edits: int = 0
    answers: int = 0
    source_at: datetime | None = None


PEACE: Final = Fight()


def correcting(step: Sync, wake: Wake) -> bool:
    """The pass only repairs what another writer did, or follows another write of ours: no slot is due, nothing was
    edited and no trigger asks for newer values. A retry after a conflict has no reason any more, and counts too."""
    if step.due or step.edited:
        return False
    return (step.drift and wake.triggered is None) or (bool(wake.reasons) and wake.reasons <= REPAIRS)


def answering(step: Sync, wake: Wake) -> bool:
    """The pass follows a change of a template source, and nothing else: no slot, no edit, no event of a backend."""
    return not step.due and not step.edited and SOURCE_CHANGED in wake.reasons and wake.reasons <= FOLLOWED


def at_once(fight: Fight, now: datetime, seconds: float = AT_ONCE) -> bool:
    return fight.seen_at is not None and (now - fight.seen_at).total_seconds() < seconds


def answered(fight: Fight, now: datetime) -> bool:
    """A template source changed soon after our last write."""
    return fight.held or at_once(fight, now, ANSWER)


def repeats(fight: Fight, es: ExternalSecret, step: Sync, wake: Wake, now: datetime) -> bool:
    """The pass would correct what it corrected before, or what a program wrote in answer to that."""
    if fight.at is None or (now - fight.at).total_seconds() >= slot_seconds(es):
        return False
    return step.state == fight.state or SOURCE_REWRITTEN in wake.reasons or at_once(fight, now)


def holds_until(fight: Fight, es: ExternalSecret, step: Sync, wake: Wake, now: datetime) -> float:
    """Seconds until the next correction is allowed; 0 when it is allowed now."""
    if fight.at is None:
        return 0.0
    most = 0.0
    if correcting(step, wake):
        if fight.corrections >= MOST and repeats(fight, es, step, wake, now):
            most = slot_seconds(es)
        elif fight.edits >= MOST_EDITS:
            most = pause(fight.edits - MOST_EDITS, es)
    elif answering(step, wake) and fight.answers >= MOST_ANSWERS and answered(fight, now):
        most = pause(fight.answers - MOST_ANSWERS, es)
    return max(0.0, most - (now - fight.at).total_seconds())


def slows(fight: Fight, step: Sync, wake: Wake) -> bool:
    """What is held back is no repetition: it is followed later."""
    return answering(step, wake) or fight.corrections < MOST


def pause(times: int, es: ExternalSecret) -> float:
    return min(slot_seconds(es), PAUSE * 2.0 ** min(times, 60))


def hold(fight: Fight, now: datetime, wake: Wake = NOTHING) -> Fight:
    """A correction was held back."""
    source_at = wake.triggered if SOURCE_CHANGED in wake.reasons else fight.source_at
    return replace(fight, held=True, seen_at=now, source_at=source_at)


def recalled(fight: Fight, wake: Wake) -> Wake:
    """Why the object runs, with the change of a source that was held back before."""
    if fight.source_at is None or wake.triggered is not None:
        return wake
    return replace(wake, reasons=wake.reasons | {SOURCE_CHANGED}, triggered=fight.source_at)


def after(fight: Fight, es: ExternalSecret, step: Sync, wake: Wake, now: datetime, *, wrote: bool) -> Fight:
    """A pass has compared the target, and written it or not."""
    if step.edited:
        return PEACE
    over = fight.at is not None and (now - fight.at).total_seconds() >= slot_seconds(es)
    if fight.held and (step.due or over):
        return Fight(fight.corrections, now, step.state or fight.state, now, edits=fight.edits, answers=fight.answers)
    if wrote and correcting(step, wake):
        again = repeats(fight, es, step, wake, now)
        return Fight(fight.corrections + 1 if again else 1, now, step.state, now, edits=1 if over else fight.edits + 1)
    if wrote and answering(step, wake):
        answers = fight.answers + 1 if answered(fight, now) else 1
        return Fight(fight.corrections, now, fight.state, now, edits=fight.edits, answers=answers)
    if over or (step.due and fight.edits < MOST_EDITS and fight.answers < MOST_ANSWERS):
        return PEACE
    # what slowed down stays slow until a slot passes without it
    return replace(fight, corrections=0 if step.due else fight.corrections, source_at=None)


def undone(count: int, step: Sync, changed_by: str, *, same: bool, wrote: bool) -> int:
    """Slots in a row at which our last write was gone, although the inputs are the same. Two objects that merge one key
    never correct each other between slots, so no fight begins."""
    if not step.due:
        return count
    return count + 1 if wrote and same and changed_by else 0


@dataclass(frozen=True, slots=True)
class Marks:
    """How often our label was put on the target, or our finalizer on the object, since it was last found there; another
    writer may take it off each time."""

    count: int = 0
    at: datetime | None = None

    def held(self, es: ExternalSecret, now: datetime) -> float:
        """Seconds until it may be put on again; 0 when it may be now."""
        if self.at is None or self.count < MOST:
            return 0.0
        return max(0.0, slot_seconds(es) - (now - self.at).total_seconds())

    def again(self, now: datetime) -> Marks:
        return Marks(self.count + 1, now)

    def found(self, es: ExternalSecret, now: datetime) -> Marks:
        """It is there. One that is taken off later, but within a slot, still counts."""
        return self if self.at is not None and (now - self.at).total_seconds() < slot_seconds(es) else UNMARKED


UNMARKED: Final = Marks()


def slot_seconds(es: ExternalSecret) -> float:
    """Objects that never poll have no slots: an hour takes their place."""
    return interval_seconds(es) if polls(es) else DEFAULT_INTERVAL
