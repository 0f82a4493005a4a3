from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.reconcile.externalsecret.brake import (
    MOST,
    MOST_EDITS,
    PEACE,
    UNMARKED,
    Fight,
    Marks,
    after,
    correcting,
    hold,
    holds_until,
    recalled,
    slot_seconds,
    undone,
)
from eso.reconcile.externalsecret.decide import Sync
from eso.reconcile.externalsecret.triggers import SOURCE_CHANGED, SOURCE_REWRITTEN, TARGET_CHANGED
from eso.runtime.outcome import Wake
from tests.unit.reconcile.objects import NOW, es

DRIFT, DUE, EDITED = Sync(True, due=False), Sync(True, due=True), Sync(True, due=False, edited=True)
CHANGED, TIMER = Wake(frozenset({TARGET_CHANGED})), Wake()
STILL = Sync(False, due=False)
ONE, LATER = es(refreshInterval="10m"), NOW + timedelta(minutes=10)


def wake(*reasons: str) -> Wake:
    """Template sources tell the time of their change."""
    return Wake(frozenset(reasons), NOW if {SOURCE_CHANGED, SOURCE_REWRITTEN} & set(reasons) else None)


@pytest.mark.parametrize(
    ("step", "wake", "repairs"),
    [
        pytest.param(DRIFT, CHANGED, True, id="the target was changed"),
        pytest.param(DRIFT, TIMER, True, id="the target was changed, and the last try met a conflict"),
        pytest.param(STILL, wake(SOURCE_REWRITTEN), True, id="we rewrote a template source ourselves"),
        pytest.param(DRIFT, wake(TARGET_CHANGED, SOURCE_REWRITTEN), True, id="both"),
        pytest.param(DRIFT, wake(TARGET_CHANGED, SOURCE_CHANGED), False, id="somebody changed a template source too"),
        pytest.param(STILL, wake(SOURCE_CHANGED), False, id="somebody changed a template source"),
        pytest.param(STILL, TIMER, False, id="a timer"),
        pytest.param(DUE, CHANGED, False, id="a slot is due"),
        pytest.param(EDITED, CHANGED, False, id="the object was edited"),
    ],
)
def test_only_repairs_are_held_back(step: Sync, wake: Wake, repairs: bool):
    assert correcting(step, wake) is repairs
    assert (holds_until(Fight(MOST, NOW), ONE, step, wake, NOW + timedelta(minutes=1)) > 0) is repairs


def test_three_corrections_are_free_and_the_next_waits_for_a_slot():
    fight, waits = PEACE, []
    for second in range(5):
        now = NOW + timedelta(seconds=second)
        waits.append(holds_until(fight, ONE, DRIFT, CHANGED, now))
        if not waits[-1]:
            fight = after(fight, ONE, DRIFT, CHANGED, now, wrote=True)
    assert waits == [0, 0, 0, 599.0, 598.0]


@pytest.mark.parametrize(
    ("fight", "step", "wake", "left"),
    [
        pytest.param(Fight(3, NOW), DUE, TIMER, PEACE, id="a slot without a held correction ends the fight"),
        pytest.param(
            Fight(3, NOW, held=True),
            DUE,
            TIMER,
            Fight(3, LATER, seen_at=LATER),
            id="a slot after a held correction goes on with it",
        ),
        pytest.param(Fight(3, NOW, held=True), EDITED, CHANGED, PEACE, id="an edit ends the fight"),
        pytest.param(
            Fight(2, NOW),
            DRIFT,
            CHANGED,
            Fight(1, LATER, seen_at=LATER, edits=1),
            id="an old correction does not count",
        ),
    ],
)
def test_what_is_left_of_a_fight_after_a_slot(fight: Fight, step: Sync, wake: Wake, left: Fight):
    assert after(fight, ONE, step, wake, LATER, wrote=True) == left


def test_a_pass_that_writes_nothing_is_no_correction():
    assert after(Fight(1, NOW), ONE, DRIFT, CHANGED, NOW + timedelta(seconds=1), wrote=False) == Fight(1, NOW)


def corrected(changes: list[tuple[float, str]]) -> int:
    """How many of these changes are undone: each comes so many seconds after the one before, and leaves that state."""
    fight, now, undone = PEACE, NOW, 0
    for gap, state in changes:
        now, step = now + timedelta(seconds=gap), Sync(True, due=False, state=state)
        if holds_until(fight, ONE, step, CHANGED, now):
            fight = hold(fight, now)
        else:
            fight, undone = after(fight, ONE, step, CHANGED, now, wrote=True), undone + 1
    return undone


@pytest.mark.parametrize(
    ("changes", "undone"),
    [
        pytest.param([(2.0, str(n)) for n in range(9)], 9, id="a person who tries out edits is corrected each time"),
        pytest.param([(2.0, "same")] * 9, 3, id="a program that writes the same again is corrected three times"),
        pytest.param([(0.2, str(n)) for n in range(9)], 3, id="so is a program that writes another value each time"),
        pytest.param(
            [(0.2, str(n)) for n in range(50)], 3, id="which does not get through by being held back for a while"
        ),
        pytest.param([(2.0, "a"), (2.0, "b")] * 2 + [(2.0, "b")] * 4, 6, id="the counting starts with another change"),
    ],
)
def test_what_belongs_to_a_fight(changes: list[tuple[float, str]], undone: int):
    assert corrected(changes) == undone


@given(st.lists(st.integers(1, 100), min_size=1, max_size=200))
def test_property_a_fight_costs_three_writes_and_then_one_per_slot(gaps: list[int]):
    """Another writer changes the target after each gap (seconds), for ever; the slots come every ten minutes."""
    fight, now, due, writes = PEACE, NOW, NOW + timedelta(minutes=10), []
    for gap in gaps:
        now += timedelta(seconds=gap)
        if now >= due:
            step, wake, due = DUE, TIMER, due + timedelta(minutes=10)
        else:
            step, wake = DRIFT, CHANGED
        if holds_until(fight, ONE, step, wake, now):
            fight = hold(fight, now)
            continue
        fight = after(fight, ONE, step, wake, now, wrote=True)
        writes.append(now)
    slots = int((now - NOW).total_seconds() // 600)
    assert len(writes) <= MOST + slots


@pytest.mark.parametrize(
    ("step", "by", "same", "wrote", "left"),
    [
        pytest.param(DUE, "argocd", True, True, 3, id="a slot at which our write is gone counts"),
        pytest.param(DUE, "argocd", True, False, 0, id="a slot that found it in place ends the row"),
        pytest.param(DUE, "argocd", False, True, 0, id="so does one with other inputs"),
        pytest.param(DUE, "", True, True, 0, id="and one at which the last writer was ourselves"),
        pytest.param(DRIFT, "argocd", True, True, 2, id="between slots nothing is counted"),
    ],
)
def test_slots_in_a_row_that_undo_another_writer(step: Sync, by: str, same: bool, wrote: bool, left: int):
    assert undone(2, step, by, same=same, wrote=wrote) == left


def test_a_label_that_is_taken_off_again_and_again_is_put_on_once_per_slot():
    one = es()
    assert UNMARKED.held(one, NOW) == 0.0
    assert Marks(2, NOW).held(one, NOW) == 0.0
    assert Marks(3, NOW).held(one, NOW) == slot_seconds(one)
    assert Marks(3, NOW).held(one, NOW + timedelta(seconds=slot_seconds(one))) == 0.0


def test_a_finalizer_that_is_found_within_the_slot_still_counts_and_later_it_does_not():
    one = es()
    marks = Marks(2, NOW)
    assert marks.found(one, NOW + timedelta(seconds=slot_seconds(one) - 1)) == marks
    assert marks.found(one, NOW + timedelta(seconds=slot_seconds(one))) == UNMARKED
    assert marks.again(LATER) == Marks(3, LATER)


def test_a_program_whose_changes_all_differ_is_corrected_ever_more_slowly():
    hour, fight, now, times = es(refreshInterval="1h"), PEACE, NOW, []
    for second in range(0, 3600, 2):  # the other writer changes the target every two seconds
        now = NOW + timedelta(seconds=second)
        step = Sync(True, due=False, state=str(second))
        if holds_until(fight, hour, step, CHANGED, now):
            fight = hold(fight, now, CHANGED)
        else:
            fight = after(fight, hour, step, CHANGED, now, wrote=True)
            times.append(second)
    assert times[:MOST_EDITS] == list(range(0, 2 * MOST_EDITS, 2)), "a person is corrected at once"
    assert len(times) <= MOST_EDITS + 9
    gaps = [b - a for a, b in zip(times[MOST_EDITS - 1 :], times[MOST_EDITS:], strict=False)]
    assert gaps == sorted(gaps)


def test_a_template_source_that_answers_each_write_is_followed_five_times_and_then_ever_more_slowly():
    hour, fight, times = es(refreshInterval="1h"), PEACE, []
    for second in range(600):
        now = NOW + timedelta(seconds=second)
        changed = Wake(frozenset({SOURCE_CHANGED}), now)
        if holds_until(fight, hour, STILL, changed, now):
            fight = hold(fight, now, changed)
            # the change is not forgotten: it is followed by the timer
            assert recalled(fight, TIMER) == Wake(frozenset({SOURCE_CHANGED}), now)
        else:
            fight = after(fight, hour, STILL, changed, now, wrote=True)
            assert recalled(fight, TIMER) == TIMER
            times.append(second)
    assert times == [0, 1, 2, 3, 4, 14, 34, 74, 154, 314]


@pytest.mark.parametrize(
    ("seconds", "reasons", "step"),
    [
        pytest.param(60, {SOURCE_CHANGED}, STILL, id="a template that is edited every minute"),
        pytest.param(1, {SOURCE_CHANGED, "store changed"}, STILL, id="a store that changes as well"),
        pytest.param(1, {SOURCE_CHANGED}, Sync(False, due=False, edited=True), id="an object that is edited as well"),
        pytest.param(1, {SOURCE_CHANGED}, Sync(False, due=True), id="a slot"),
    ],
)
def test_what_is_followed_at_once_however_often(seconds: float, reasons: set[str], step: Sync):
    hour, fight, now = es(refreshInterval="1h"), PEACE, NOW
    for _ in range(50):
        now += timedelta(seconds=seconds)
        changed = Wake(frozenset(reasons), now)
        assert holds_until(fight, hour, step, changed, now) == 0
        fight = after(fight, hour, step, changed, now, wrote=True)


@pytest.mark.parametrize("slow", [Fight(2, NOW, edits=10), Fight(2, NOW, answers=5)])
def test_what_slowed_down_stays_slow_until_a_slot_passes_without_it(slow: Fight):
    slot = Sync(False, due=True)
    left = after(slow, ONE, slot, TIMER, NOW + timedelta(minutes=5), wrote=False)
    assert (left.edits, left.answers, left.corrections) == (slow.edits, slow.answers, 0)
    assert after(slow, ONE, slot, TIMER, LATER, wrote=False) == PEACE
