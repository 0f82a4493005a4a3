"""The breaker as a table, and what must hold for every pair of state and signal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.stores.breaker import (
    Closed,
    Elapsed,
    Failed,
    HalfOpen,
    Held,
    Open,
    Passed,
    Rejected,
    Signal,
    State,
    advance,
    login_delay,
    probe_delay,
)

NOW = 100.0


@pytest.mark.parametrize(
    ("state", "signal", "expected"),
    [
        pytest.param(Open(2), Passed(), Open(0), id="an answer forgets the failures"),
        pytest.param(Open(), Failed("x"), Open(1), id="one lost connection closes nothing"),
        pytest.param(Open(2), Failed("x"), Closed(101.0, "x", 1), id="the third failure in a row closes for a second"),
        pytest.param(Open(), Held("x", 7.0), Closed(107.0, "x", 1), id="a 429 closes at once, for as long as it says"),
        pytest.param(Open(), Rejected("x"), Closed(105.0, "x", 1), id="a refused login closes at once"),
        pytest.param(Open(1), Elapsed(), Open(1), id="time changes nothing in an open gate"),
        pytest.param(Closed(110.0, "x"), Elapsed(), Closed(110.0, "x"), id="it stays closed until its time"),
        pytest.param(Closed(100.0, "x", 3), Elapsed(), HalfOpen("x", 3), id="its time has come: one may try"),
        pytest.param(Closed(110.0, "x"), Passed(), Closed(110.0, "x"), id="a straggler's success opens nothing"),
        pytest.param(Closed(110.0, "x"), Failed("y"), Closed(110.0, "x"), id="a straggler's failure prolongs nothing"),
        pytest.param(Closed(110.0, "x"), Held("y", 30.0), Closed(130.0, "y", 1), id="a longer Retry-After is obeyed"),
        pytest.param(
            Closed(110.0, "x"), Held("y", 1.0), Closed(110.0, "y", 1), id="a shorter Retry-After does not open earlier"
        ),
        pytest.param(HalfOpen("x", 1), Passed(), Open(0), id="the probe succeeded"),
        pytest.param(HalfOpen("x", 1), Failed("y"), Closed(102.0, "y", 2), id="the second closing lasts twice as long"),
        pytest.param(HalfOpen("x", 2), Rejected("y"), Closed(120.0, "y", 3), id="a login refused again waits longer"),
        pytest.param(
            HalfOpen("x", 9), Failed("y"), Closed(130.0, "y", 10), id="half a minute is the longest between two probes"
        ),
        pytest.param(HalfOpen("x", 1), Held("y", 4.0), Closed(104.0, "y", 2), id="a throttled probe waits as told"),
        pytest.param(HalfOpen("x", 1), Elapsed(), HalfOpen("x", 1), id="a probe may take its time"),
    ],
)
def test_a_gate_moves(state: State, signal: Signal, expected: State) -> None:
    assert advance(state, signal, NOW) == expected


times = st.integers(0, 10_000)
moments = st.floats(0, 1e6)
states = st.one_of(
    st.builds(Open, times), st.builds(Closed, moments, st.just("c"), times), st.builds(HalfOpen, st.just("h"), times)
)
signals = st.one_of(
    st.just(Passed()),
    st.just(Elapsed()),
    st.builds(Failed, st.just("f")),
    st.builds(Rejected, st.just("r")),
    st.builds(Held, st.just("t"), st.floats(0, 3600)),
)


@given(states, signals, moments)
def test_every_pair_has_an_answer_and_no_closing_is_for_ever(state: State, signal: Signal, now: float) -> None:
    after = advance(state, signal, now)
    if isinstance(after, Closed) and after != state:
        assert after.until <= max(now + 3600, state.until if isinstance(state, Closed) else 0)
        assert after.cause in ("c", "f", "r", "t")


@given(states, moments)
def test_nothing_opens_without_a_probe(state: State, now: float) -> None:
    assert isinstance(advance(state, Elapsed(), now), Open) == isinstance(state, Open)


@pytest.mark.parametrize(
    ("delay", "longest"), [pytest.param(probe_delay, 30.0, id="probes"), pytest.param(login_delay, 60.0, id="logins")]
)
def test_weeks_of_failures_do_not_overflow(delay: object, longest: float) -> None:
    assert callable(delay)
    assert delay(10_000) == longest
