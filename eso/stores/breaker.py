"""Open → closed → half-open: what one signal makes of a gate, as a total function.

Neighbours: gate.py feeds it and does the waiting, budget.py says how fast an open gate lets through. An open gate lets
requests pass.
"""

from __future__ import annotations

from dataclasses import dataclass

FAILURES = 3  # in a row: one lost connection is no outage
FIRST_PROBE, LAST_PROBE = 1.0, 30.0  # seconds
FIRST_LOGIN, LAST_LOGIN = 5.0, 60.0  # a refused login may lock the account: ask less often


@dataclass(frozen=True, slots=True)
class Open:
    """Requests pass; `failures` in a row so far."""

    failures: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """No request passes before `until` (monotonic seconds). `times`: closings since it was last open."""

    until: float
    cause: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """One probe may pass; its outcome decides."""

    cause: str
    times: int = 1


State = Open | Closed | HalfOpen


@dataclass(frozen=True, slots=True)
class Passed:
    """The backend answered, be it with a refusal."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No connection, no answer, 5xx, sealed."""

    cause: str


@dataclass(frozen=True, slots=True)
class Held:
    """429: the backend named (or we assume) the seconds to stay away."""

    cause: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Rejected:
    """The login was refused."""

    cause: str


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Time went by."""


Signal = Passed | Failed | Held | Rejected | Elapsed


def advance(state: State, signal: Signal, now: float) -> State:
    """The next state. `now`: monotonic seconds. Never raises."""
    match state, signal:
        case Closed(until=until, cause=cause, times=times), Elapsed():
            return HalfOpen(cause, times) if now >= until else state
        case _, Elapsed():
            return state
        case Closed(until=until, times=times), Held(cause, seconds):
            return Closed(max(until, now + seconds), cause, times)
        case Closed(), _:
            return state  # a straggler sent before the gate closed: the probe decides, not it
        case _, Passed():
            return Open()
        case Open(failures), Failed(cause) if failures + 1 < FAILURES:
            return Open(failures + 1)
        case _, Failed(cause):
            return Closed(now + probe_delay(closings(state)), cause, closings(state) + 1)
        case _, Rejected(cause):
            return Closed(now + login_delay(closings(state)), cause, closings(state) + 1)
        case _, Held(cause, seconds):  # longer each time that a probe meets it, also where the backend says otherwise
            return Closed(now + max(seconds, probe_delay(closings(state))), cause, closings(state) + 1)
    raise AssertionError("unreachable: every pair is listed")


def closings(state: State) -> int:
    return 0 if isinstance(state, Open) else state.times


def probe_delay(times: int) -> float:
    """Seconds until the next probe after `times` failed ones: 1, 2, 4, … 30."""
    return float(min(LAST_PROBE, FIRST_PROBE * 2.0 ** min(times, 16)))


def login_delay(times: int) -> float:
    """Seconds until a refused login is tried again: 5, 10, … 60."""
    return float(min(LAST_LOGIN, FIRST_LOGIN * 2.0 ** min(times, 16)))
