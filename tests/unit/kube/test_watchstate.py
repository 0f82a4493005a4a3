from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.kube.watchstate import Bookmark, Changed, Closed, Gone, Listed, Listing, Signal, State, Watching, advance

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
