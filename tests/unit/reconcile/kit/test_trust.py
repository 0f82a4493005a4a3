"""Trust in events: earned slowly, lost at once, never more than was asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.reconcile.kit.trust import (
    EVENTS,
    LASTS,
    MOST,
    STRETCH,
    Health,
    Heard,
    Lost,
    Missed,
    Signal,
    Trust,
    advance,
    factor,
)

START = datetime(2026, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

times = st.integers(0, 60 * 24).map(lambda hours: START + hours * HOUR)
signals = st.one_of(
    times.map(Heard), st.builds(Missed), st.builds(Lost), st.booleans().map(Health), times.map(Heard), times.map(Heard)
)


def after(*told: Signal) -> Trust:
    trust = Trust()
    for signal in told:
        trust = advance(trust, signal)
    return trust


def proven(days: int = 1) -> list[Signal]:
    """A source that is well and was heard once in every twelve hours."""
    return [Health(True), *(Heard(START + n * 12 * HOUR) for n in range(max(EVENTS, 2 * days + 1)))]


@pytest.mark.parametrize(
    ("told", "hours", "expected"),
    [
        pytest.param(proven(), 47, 2.0, id="a proven stretch doubles the interval"),
        pytest.param(proven(2), 48, 4.0, id="each further one doubles it again"),
        pytest.param(proven(4), 96, 8.0, id="up to what is allowed"),
        pytest.param(proven()[1:], 48, 1.0, id="a source that is not ready"),
        pytest.param([Health(True), *[Heard(START)] * 100], 23, 1.0, id="many changes within less than a stretch"),
        pytest.param([Health(True), *[Heard(START)] * 100], 24, 2.0, id="many changes, and a stretch without a miss"),
        pytest.param([Health(True), *[Heard(START)] * (EVENTS - 1)], 48, 1.0, id="too few changes"),
        pytest.param([*proven(), Missed()], 49, 1.0, id="a change that was missed"),
        pytest.param([*proven(), Lost()], 49, 1.0, id="an event that was not taken"),
        pytest.param([*proven(), Health(False), Health(True)], 49, 1.0, id="a source that was not ready in between"),
        pytest.param([*proven(), Health(True)], 49, 4.0, id="a source that is ready still"),
        pytest.param(proven(), 48 + 7 * 24, 8.0, id="silence for less than it lasts"),
        pytest.param(proven(), 48 + 7 * 24 + 1, 1.0, id="silence for longer"),
        pytest.param([*proven(), Heard(START + 10 * STRETCH)], 10 * 24 + 1, 1.0, id="an event after a long silence"),
    ],
)
def test_how_far_a_source_is_trusted(told: list[Signal], hours: int, expected: float):
    assert factor(after(*told), 8.0, START + hours * HOUR) == expected


@given(st.lists(signals, max_size=60), times, st.floats(-5, 1000, allow_nan=False))
def test_property_a_factor_lies_between_one_and_what_is_allowed(told, now, most):
    assert 1.0 <= factor(after(*told), most, now) <= max(1.0, min(most, MOST))


@given(st.lists(signals, max_size=60), st.sampled_from([Missed(), Lost(), Health(False)]), times)
def test_property_whatever_was_heard_a_bad_sign_ends_it_at_once(told, bad, now):
    assert factor(after(*told, bad), 8.0, now) == 1.0


@given(st.lists(signals, max_size=60), times)
def test_property_nothing_stretches_without_enough_changes_over_a_whole_stretch_since_the_last_bad_sign(told, now):
    since = max((n for n, one in enumerate(told) if one in (Missed(), Lost(), Health(False))), default=-1)
    heard = [one.at for one in told[since + 1 :] if isinstance(one, Heard)]
    if factor(after(*told), 8.0, now) > 1:
        assert len(heard) >= EVENTS and now - min(heard) >= STRETCH and now - max(heard) <= LASTS


@given(st.lists(signals, max_size=40), times, st.integers(0, 100))
def test_property_waiting_makes_no_factor_smaller_until_the_silence_is_too_long(told, now, hours):
    trust = after(*told)
    later = now + hours * HOUR
    if trust.last is not None and later - trust.last <= LASTS:
        assert factor(trust, 8.0, later) >= factor(trust, 8.0, now)


@given(st.lists(signals, max_size=40), times)
def test_property_the_flag_at_one_changes_nothing(told, now):
    assert factor(after(*told), 1.0, now) == 1.0
