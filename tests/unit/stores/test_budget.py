"""The budget: spacing, halving, growing, and the quota that is never exceeded."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.stores.budget import FREE, RAMP, SAFE, SLOWEST, Budget, backlog, declared, grown, ramped, take, throttled


def taken(budget: Budget, now: float, count: int) -> tuple[Budget, list[float]]:
    waits = []
    for _ in range(count):
        budget, wait = take(budget, now)
        waits.append(wait)
    return budget, waits


def test_an_unpaced_budget_lets_everything_through_at_once() -> None:
    assert taken(Budget(), 5.0, 1000)[1] == [0.0] * 1000


def test_a_declared_quota_has_no_burst() -> None:
    budget, waits = taken(declared(2.0), 10.0, 4)
    assert waits == [0.0, 0.5, 1.0, 1.5]
    assert backlog(budget, 10.0) == 2.0


def test_idle_time_is_not_saved_up() -> None:
    budget, _ = taken(declared(2.0), 10.0, 1)
    assert taken(budget, 100.0, 2)[1] == [0.0, 0.5]


def test_a_429_halves_what_was_sent_lately_and_only_once_a_second() -> None:
    budget, _ = taken(Budget(), 10.0, 80)
    cut = throttled(budget, 10.2)
    assert cut.rate == 40.0
    assert throttled(cut, 10.3) == cut
    assert throttled(cut, 11.5).rate < 40.0


def test_after_a_429_the_pace_comes_back_to_what_was_safe_and_then_creeps_and_after_an_outage_it_doubles() -> None:
    cut = throttled(taken(Budget(), 10.0, 80)[0], 10.0)
    assert (cut.rate, grown(cut, 11.0).rate) == (40.0, 80 * SAFE)
    crept = grown(grown(cut, 11.0), 12.0)
    assert 80 * SAFE < crept.rate <= 80 * SAFE * 1.02
    doubled = grown(ramped(Budget(), 10.0), 11.0)
    assert doubled.rate == 2 * RAMP


def test_an_outage_does_not_forget_a_slower_pace() -> None:
    slow = throttled(taken(Budget(), 10.0, 4)[0], 10.0)
    assert ramped(slow, 20.0).rate == slow.rate == 2.0


def test_ten_thousand_keys_are_through_well_within_a_minute_of_recovery() -> None:
    budget, now, sent = ramped(Budget(), 0.0), 0.0, 0.0
    while budget.paced:
        sent += budget.rate * 0.1
        now += 0.1
        budget = grown(budget, now)
    assert now < 10.0
    assert sent > 1000


def test_growth_ends_in_freedom_but_never_above_a_quota() -> None:
    assert grown(Budget(rate=FREE - 1, known=FREE), 1e9).rate == math.inf
    assert grown(Budget(rate=50.0, quota=60.0, known=50.0, grown_at=0.0), 1e9).rate <= 60.0


@given(st.floats(0.1, 100), st.lists(st.floats(0, 2), min_size=2, max_size=60))
def test_no_second_holds_more_requests_than_the_quota(quota: float, pauses: list[float]) -> None:
    budget, now, sent = declared(quota), 0.0, []
    for pause in pauses:
        now += pause
        budget, wait = take(budget, now)
        sent.append(now + wait)
    gaps = [b - a for a, b in itertools.pairwise(sent)]
    assert min(gaps) >= 1 / quota - 1e-9


@given(st.lists(st.sampled_from(["take", "throttle", "grow", "ramp"]), max_size=60), st.floats(0.5, 50))
def test_whatever_happens_the_pace_stays_between_its_bounds(steps: list[str], quota: float) -> None:
    budget, now = declared(quota), 0.0
    for step in steps:
        now += 0.7
        match step:
            case "take":
                budget, _ = take(budget, now)
            case "throttle":
                budget = throttled(budget, now)
            case "grow":
                budget = grown(budget, now)
            case _:
                budget = ramped(budget, now)
        assert min(SLOWEST, quota) / 2 <= budget.rate <= quota


@pytest.mark.parametrize("seconds", [0.0, 0.5, 3.0])
def test_a_backlog_drains_with_time(seconds: float) -> None:
    budget, _ = taken(declared(1.0), 0.0, 3)
    assert backlog(budget, seconds) == 3.0 - seconds
