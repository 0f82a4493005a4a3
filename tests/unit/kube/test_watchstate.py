from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.kube.watchstate import (
    BACKOFF_CAP,
    RELIST_AFTER,
    Bookmark,
    Changed,
    Closed,
    End,
    Gone,
    Listed,
    Listing,
    Pace,
    Signal,
    State,
    Step,
    Watching,
    advance,
    step,
)

STATES: list[State] = [Listing(), Watching("5")]
SIGNALS: list[Signal] = [Listed("9"), Changed("9"), Bookmark("9"), Closed(), Gone()]

EXPECTED: dict[tuple[State, Signal], State] = {
    (Listing(), Listed("9")): Watching("9"),
    (Listing(), Changed("9")): Listing(),  # changes before the list is complete say nothing about what was missed
    (Listing(), Bookmark("9")): Listing(),
    (Listing(), Closed()): Listing(),
    (Listing(), Gone()): Listing(),
    (Watching("5"), Listed("9")): Watching("9"),
    (Watching("5"), Changed("9")): Watching("9"),
    (Watching("5"), Bookmark("9")): Watching("9"),
    (Watching("5"), Closed()): Watching("5"),
    (Watching("5"), Gone()): Listing(),
}


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(STATES, SIGNALS)), ids=repr)
def test_every_pair_of_state_and_signal_has_one_next_state(state, signal):
    assert advance(state, signal) == EXPECTED[state, signal]


@pytest.mark.parametrize("signal", [Listed(""), Changed(""), Bookmark("")], ids=repr)
@pytest.mark.parametrize("state", STATES, ids=repr)
def test_no_version_is_no_place_to_watch_from(state, signal):
    assert advance(state, signal) == state


versions = st.text("0123456789", min_size=1, max_size=6)
signals = st.one_of(
    versions.map(Listed), versions.map(Changed), versions.map(Bookmark), st.just(Closed()), st.just(Gone())
)


@given(st.lists(signals))
def test_watching_starts_with_a_list_and_ends_with_gone(history):
    state: State = Listing()
    for signal in history:
        state = advance(state, signal)
    after_gone = history[max((n for n, one in enumerate(history) if isinstance(one, Gone)), default=-1) + 1 :]
    assert isinstance(state, Watching) == any(isinstance(one, Listed) for one in after_gone)


TIRED = Pace(failures=3, refusals=2, expired=1)


@pytest.mark.parametrize(
    ("end", "healthy", "expected"),
    [
        pytest.param(End.COMPLETE, False, Step(TIRED), id="a complete list waits for nothing and clears nothing"),
        pytest.param(End.COMPLETE, True, Step(Pace()), id="a watch with a healthy life clears the failures"),
        pytest.param(End.EMPTY, False, Step(Pace(4, 2, 1), 6.4), id="a watch that ends at once waits like a failure"),
        pytest.param(End.BROKEN, False, Step(Pace(4, 2, 1), 6.4), id="no reply doubles the wait"),
        pytest.param(End.BROKEN, True, Step(Pace(1, 0, 0), 0.8), id="a healthy watch that breaks is taken up soon"),
        pytest.param(End.REFUSED, False, Step(Pace(4, 3, 1), 6.4), id="a refusal is counted"),
        pytest.param(End.REFUSED, True, Step(Pace(1, 1, 0), 0.8), id="the first refusal after a healthy life"),
        pytest.param(End.EXPIRED, False, Step(Pace(3, 3, 2), 1.6), id="410 has a wait of its own"),
        pytest.param(End.EXPIRED, True, Step(Pace(3, 3, 2), 1.6), id="410 clears nothing"),
    ],
)
def test_each_end_has_its_next_step(end, healthy, expected):
    assert step(TIRED, end, healthy=healthy) == expected


def test_a_version_that_is_refused_for_ever_is_given_up():
    pace, relists = Pace(), []
    for _ in range(2 * RELIST_AFTER):
        following = step(pace, End.REFUSED)
        pace = following.pace
        relists.append(following.relist)
    assert [n for n, relist in enumerate(relists, 1) if relist] == [RELIST_AFTER, 2 * RELIST_AFTER]


@given(st.lists(st.tuples(st.sampled_from(End), st.booleans()), max_size=50))
def test_no_wait_is_longer_than_the_cap_and_every_error_has_one(history):
    pace = Pace()
    for end, healthy in history:
        following = step(pace, end, healthy=healthy)
        pace = following.pace
        assert (following.seconds is None) == (end is End.COMPLETE)
        assert following.seconds is None or 0 < following.seconds <= BACKOFF_CAP
        assert pace.refusals < RELIST_AFTER
