"""The gates: who may call, who probes, how parked keys come back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    AuthRejected,
    Denied,
    Malformed,
    SecretNotFound,
    Throttled,
    Timeout,
    Unavailable,
    turn,
)
from eso.runtime.aside import without
from eso.runtime.memory import Memory, holding, reserve
from eso.stores.breaker import Closed
from eso.stores.gate import ALL, IDLE, LONGEST_HOLD, SLOW, GateClosed, Gates, Route, route
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, settle


def to(namespace: str = "team", digest: str = "b", counted: str = "", pace: float | None = None) -> Route:
    return route("p", "a", namespace, digest, counted or digest, pace)


ROUTE = to()
NAMES = ENDPOINT, SERVICE, USE, IDENTITY, QUOTA = ROUTE.names


class Queue:
    """Parked keys by gate, as the work queue keeps them."""

    def __init__(self) -> None:
        self.parked: dict[str, int] = {}
        self.freed: list[tuple[str, int]] = []

    def release(self, gate: str, count: int) -> int:
        freed = min(count, self.parked.get(gate, 0))
        self.parked[gate] = self.parked.get(gate, 0) - freed
        self.freed.append((gate, freed))
        return freed


@asynccontextmanager
async def running(gates: Gates) -> AsyncIterator[None]:
    task = asyncio.ensure_future(gates.run())
    try:
        yield
    finally:
        assert not task.done(), "a background task that dies ends the process"
        task.cancel()
        await asyncio.wait([task])


async def call(gates: Gates, error: EsoError | None = None, to: Route = ROUTE) -> None:
    async with gates.call(to, login=isinstance(error, AuthRejected)), turn():
        if error is not None:
            raise error


async def failing(gates: Gates, error: EsoError, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(type(error)):
            await call(gates, error)


@pytest.mark.parametrize(
    ("error", "times", "closed"),
    [
        pytest.param(Unavailable("down"), 3, {ENDPOINT}, id="three lost connections close the endpoint"),
        pytest.param(Unavailable("down"), 2, set(), id="two do not"),
        pytest.param(Unavailable("500", answered=True), 3, {SERVICE}, id="answers of 5xx close one login's gate"),
        pytest.param(Throttled("slow down", retry_after=9.0), 1, {USE}, id="one 429 holds the consumer that met it"),
        pytest.param(AuthRejected("no"), 1, {IDENTITY}, id="a refused login closes the identity only"),
        pytest.param(Denied("no"), 9, set(), id="a path that may not be read closes nothing"),
        pytest.param(SecretNotFound(), 9, set(), id="a secret that is not there closes nothing"),
        pytest.param(Malformed("what"), 9, set(), id="an answer that nobody understands closes nothing"),
        pytest.param(EsoError("secret missing"), 9, set(), id="a missing credential closes nothing"),
    ],
)
async def test_what_closes_which_gate(error: EsoError, times: int, closed: set[str]) -> None:
    gates = Gates(VirtualClock())
    await failing(gates, error, times)
    assert {name for name in NAMES if gates.admit([name]) is not None} == closed


async def test_the_refusal_names_the_gate_its_epoch_and_the_cause() -> None:
    gates = Gates(VirtualClock())
    await failing(gates, AuthRejected("invalid role or secret ID"))
    refusal = gates.admit(NAMES)
    assert refusal is not None
    assert (refusal.gate, refusal.epoch, str(refusal)) == (IDENTITY, gates.epoch(IDENTITY), "invalid role or secret ID")
    with pytest.raises(GateClosed, match="invalid role"):
        await call(gates)
    with pytest.raises(GateClosed, match="invalid role"):
        gates.check(NAMES)


async def test_an_outage_costs_one_probe_per_interval_and_everybody_comes_back_within_a_minute() -> None:
    clock, queue = VirtualClock(), Queue()
    gates = Gates(clock, queue.release)
    queue.parked[ENDPOINT] = 10_000
    async with running(gates):
        await failing(gates, Unavailable("down"), 3)
        probes = 0
        for _ in range(600):
            before = queue.parked[ENDPOINT]
            await clock.advance(1.0)
            if queue.parked[ENDPOINT] < before and gates.admit(NAMES) is None:
                probes += 1
                await failing(gates, Unavailable("still down"))
                queue.parked[ENDPOINT] += 1
        assert 15 <= probes <= 25  # 1, 2, 4, 8, 16, 30, 30, …
        assert gates.states()[ENDPOINT] in ("closed", "half-open")
        await clock.advance(31.0)
        await call(gates)
        assert gates.states()[ENDPOINT] == "paced"
        await clock.advance(60.0)
    assert queue.parked[ENDPOINT] == 0
    assert gates.states()[ENDPOINT] == "open"


async def test_recovery_starts_slowly() -> None:
    clock, queue = VirtualClock(), Queue()
    gates = Gates(clock, queue.release)
    queue.parked[ENDPOINT] = 1000
    async with running(gates):
        await failing(gates, Unavailable("down"), 3)
        await clock.advance(1.0)
        await call(gates)
        before = queue.parked[ENDPOINT]
        await clock.advance(1.0)
        assert 10 <= before - queue.parked[ENDPOINT] <= 50


async def test_half_open_admits_one_key_and_refuses_the_rest() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    async with running(gates):
        await failing(gates, Unavailable("down"), 3)
        await clock.advance(1.0)
        assert gates.admit(NAMES) is None
        assert isinstance(gates.admit(NAMES), GateClosed)


async def test_a_probe_that_never_calls_gives_its_place_to_the_next_key() -> None:
    clock, queue = VirtualClock(), Queue()
    gates = Gates(clock, queue.release)
    async with running(gates):
        await failing(gates, Unavailable("down"), 3)
        await clock.advance(1.0)
        assert gates.admit(NAMES) is None
        queue.parked[ENDPOINT] = 5
        await clock.advance(2.0)
        assert queue.parked[ENDPOINT] in (3, 4)
        assert gates.admit(NAMES) is None


async def test_all_reads_of_the_probing_pass_are_one_probe() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    async with running(gates):
        await failing(gates, Unavailable("down"), 3)
        await clock.advance(1.0)
        answer = asyncio.Event()
        started: list[int] = []

        async def read(number: int) -> None:
            async with gates.call(ROUTE), turn():
                started.append(number)
                await answer.wait()

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(read(number))
            await settle()
            assert started == [0]
            answer.set()
            await clock.advance(1.0)
        assert sorted(started) == [0, 1, 2, 3, 4]


async def test_when_the_probe_fails_those_who_waited_park() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    async with running(gates):
        await failing(gates, Unavailable("down"), 3)
        await clock.advance(1.0)
        answer = asyncio.Event()

        async def probe() -> None:
            async with gates.call(ROUTE):
                await answer.wait()
                raise Unavailable("still down")

        first, second = asyncio.ensure_future(probe()), asyncio.ensure_future(call(gates))
        await settle()
        answer.set()
        await asyncio.wait([first, second])
        assert isinstance(first.exception(), Unavailable)
        assert isinstance(second.exception(), GateClosed)


async def test_a_probe_that_waits_for_memory_holds_up_nobody_and_its_outcome_counts_all_the_same() -> None:
    clock = VirtualClock()
    gates, memory = Gates(clock, in_flight=1), Memory(64 << 20, clock)
    await failing(gates, AuthRejected("no"), 1)
    busy = memory.open("team")
    await busy.reserve(memory.most)
    await busy.reserve(1 << 20)

    async def probe(error: EsoError | None = None) -> None:
        with holding(memory.open("team")):
            async with gates.call(ROUTE, login=True), turn():
                await reserve(1 << 20)
                if error is not None:
                    raise error

    async with running(gates):
        await clock.advance(6)
        assert gates.states()[IDENTITY] == "half-open"
        waits, fails = asyncio.ensure_future(probe()), asyncio.ensure_future(probe(AuthRejected("still")))
        await settle()
        await asyncio.wait_for(call(gates), 60)
        assert gates.states()[IDENTITY] == "open", "somebody else was the probe, and found the one slot free"
        assert not waits.done()
        busy.close()
        await waits
        with pytest.raises(AuthRejected):
            await fails
        assert gates.states()[IDENTITY] == "closed"


async def test_a_task_that_outlives_its_call_gives_no_probe_away_that_is_of_another_call_by_then() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    await failing(gates, AuthRejected("no"), 1)
    ended, probed = asyncio.Event(), asyncio.Event()

    async def outlives() -> None:
        await ended.wait()
        async with without():
            pass

    async with running(gates):
        await clock.advance(6)
        with suppress(AuthRejected):
            async with gates.call(ROUTE, login=True):
                left = asyncio.create_task(outlives())
                raise AuthRejected("still")
        await clock.advance(30)
        assert gates.states()[IDENTITY] == "half-open"

        async def probe() -> None:
            async with gates.call(ROUTE):
                await probed.wait()

        probing = asyncio.ensure_future(probe())
        await settle()
        ended.set()
        await left
        waits = asyncio.ensure_future(call(gates))
        await settle()
        assert not waits.done(), "the gate still has its probe"
        probed.set()
        await asyncio.gather(probing, waits)


async def test_a_cancelled_probe_leaves_the_place_to_the_next() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    async with running(gates):
        await failing(gates, Unavailable("down"), 3)
        await clock.advance(1.0)

        async def probe() -> None:
            async with gates.call(ROUTE):
                await asyncio.Event().wait()

        first = asyncio.ensure_future(probe())
        await settle()
        second = asyncio.ensure_future(call(gates))
        await settle()
        first.cancel()
        await asyncio.wait([first, second])
        assert second.exception() is None


async def test_the_epoch_moves_when_the_gate_opens_so_that_nobody_parks_too_late() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    async with running(gates):
        await failing(gates, Unavailable("down"), 3)
        refusal = gates.admit(NAMES)
        assert refusal is not None
        await clock.advance(1.0)
        assert gates.epoch(ENDPOINT) == refusal.epoch
        await call(gates)
        assert gates.epoch(ENDPOINT) > refusal.epoch


async def test_a_forgotten_gate_frees_whoever_waits_for_it() -> None:
    queue = Queue()
    gates = Gates(VirtualClock(), queue.release)
    await failing(gates, AuthRejected("no"))
    refusal = gates.admit(NAMES)
    assert refusal is not None
    queue.parked[IDENTITY] = 7
    gates.forget(IDENTITY)
    assert queue.parked[IDENTITY] == 0
    assert gates.epoch(IDENTITY) != refusal.epoch
    assert gates.admit(NAMES) is None


async def test_a_login_that_asks_nobody_is_no_proof() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    async with running(gates):
        await failing(gates, Unavailable("down"), 3)
        await clock.advance(1.0)
        async with gates.call(ROUTE, login=True):
            pass
        assert gates.states()[ENDPOINT] == "half-open"
        async with gates.call(ROUTE, login=True), turn():
            pass
        assert gates.states()[ENDPOINT] == "paced"


async def test_requests_in_flight_are_bounded_per_endpoint() -> None:
    clock = VirtualClock()
    gates = Gates(clock, in_flight=3)
    answer = asyncio.Event()
    inside = 0
    peak = 0

    async def read() -> None:
        nonlocal inside, peak
        async with gates.call(ROUTE), turn():
            inside += 1
            peak = max(peak, inside)
            await answer.wait()
            inside -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(read())
        await settle()
        answer.set()
    assert peak == 3


async def test_a_declared_quota_holds_and_too_long_a_wait_parks() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    sent: list[float] = []

    async def read() -> None:
        async with gates.call(to(pace=1.0)), turn():
            sent.append(clock.monotonic())

    tasks = [asyncio.ensure_future(read()) for _ in range(10)]
    await clock.advance(20.0)
    await asyncio.wait(tasks)
    assert sum(isinstance(task.exception(), GateClosed) for task in tasks) == 10 - len(sent)
    assert [b - a for a, b in itertools.pairwise(sent)] == [1.0] * (len(sent) - 1)
    assert len(sent) == 6


async def test_keys_behind_a_full_budget_are_not_dispatched_and_come_back_at_its_pace() -> None:
    clock, queue = VirtualClock(), Queue()
    gates = Gates(clock, queue.release)
    async with running(gates):
        tasks = [asyncio.ensure_future(call(gates, to=to(pace=2.0))) for _ in range(6)]
        await settle()
        assert isinstance(gates.admit(NAMES), GateClosed)
        queue.parked[QUOTA] = 3
        await clock.advance(3.0)
        await asyncio.wait(tasks)
        assert gates.admit(NAMES) is None
        await clock.advance(5.0)
        assert queue.parked[QUOTA] == 0


async def test_a_429_halves_the_pace_for_what_follows() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    async with running(gates):
        for _ in range(40):
            await call(gates)
        await failing(gates, Throttled("slow down", retry_after=2.0))
        await clock.advance(1.9)
        assert isinstance(gates.admit(NAMES), GateClosed)
        await clock.advance(0.2)
        await call(gates)
        assert gates.states()[USE] == "paced"


async def test_every_await_of_a_call_may_be_cancelled() -> None:
    clock = VirtualClock()
    gates = Gates(clock, in_flight=1)
    answer = asyncio.Event()

    async def holder() -> None:
        async with gates.call(ROUTE), turn():
            await answer.wait()

    async def waiter() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: loop.call_soon(answer.set))
        await call(gates)

    async for _ in every_await(waiter):
        answer.clear()
        held = asyncio.ensure_future(holder())
        await settle()
        answer.set()
        await held
    await call(gates)
    assert gates.states() == dict.fromkeys(NAMES, "open")


async def down(gates: Gates, namespace: str) -> None:
    for _ in range(3):
        with pytest.raises(Unavailable):
            async with gates.call(to(namespace, namespace)), turn():
                raise Unavailable("down")


async def test_the_first_namespace_that_gets_an_answer_brings_the_others_back_at_a_bounded_pace() -> None:
    clock, queue = VirtualClock(), Queue()
    gates = Gates(clock, queue.release)
    async with running(gates):
        names = [to(f"team-{n}").endpoint for n in range(100)]
        for n, name in enumerate(names):
            await down(gates, f"team-{n}")
            queue.parked[name] = 1
        for _ in range(5):  # probes fail: everybody waits for half a minute by now
            await clock.advance(32.0)
            for n, name in enumerate(names):
                if gates.states()[name] == "half-open":
                    with pytest.raises(Unavailable):
                        async with gates.call(to(f"team-{n}")):
                            raise Unavailable("still down")
        assert {gates.states()[name] for name in names} == {"closed"}
        await clock.advance(31.0)
        async with gates.call(to("team-0")), turn():
            pass
        queue.freed.clear()
        await clock.advance(1.0)
        assert sum(freed for name, freed in queue.freed if name != names[0]) <= 22
        await clock.advance(6.0)
        assert {gates.states()[name] for name in names[1:]} == {"half-open"}


async def test_a_backend_cannot_ask_us_to_stay_away_for_ever() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    await failing(gates, Throttled("never", retry_after=float("inf")))
    state = gates._gates[USE].state
    assert isinstance(state, Closed)
    assert state.until == clock.monotonic() + LONGEST_HOLD


async def test_a_slow_path_of_one_namespace_leaves_places_for_the_others() -> None:
    gates = Gates(VirtualClock(), in_flight=4)
    answer = asyncio.Event()

    async def slow() -> None:
        async with gates.call(to("greedy", "greedy")), turn():
            await answer.wait()

    tasks = [asyncio.ensure_future(slow()) for _ in range(9)]
    await settle()
    async with asyncio.timeout(60), gates.call(to("other", "other")), turn():
        pass
    answer.set()
    await asyncio.wait(tasks)


async def test_slow_paths_of_many_namespaces_leave_places_for_the_others() -> None:
    clock = VirtualClock()
    gates = Gates(clock, in_flight=64)

    async def hung(namespace: str) -> None:
        async with gates.call(to(namespace, namespace)), turn():
            await asyncio.Event().wait()

    slow = [asyncio.ensure_future(hung(f"greedy-{n % 40}")) for n in range(400)]
    await clock.advance(SLOW)
    for n in range(20):
        async with asyncio.timeout(60), gates.call(to(f"team-{n}", "team")), turn():
            pass
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)


async def test_gates_that_nobody_uses_any_more_are_forgotten() -> None:
    """A namespace may edit the address of its store for ever."""
    clock, queue = VirtualClock(), Queue()
    gates = Gates(clock, queue.release)
    async with running(gates):
        await call(gates)
        await down(gates, "team-a")
        await clock.advance(2.0)
        other = to("team-a", "team-a")
        opened = dict.fromkeys((*NAMES, *other.names), "open")
        assert gates.states() == opened | {other.endpoint: "half-open"}
        await clock.advance(IDLE * 2)
        assert gates.states() == {}
        assert gates._families == {}


async def test_a_half_open_gate_with_somebody_waiting_is_kept() -> None:
    clock, queue = VirtualClock(), Queue()
    gates = Gates(clock, queue.release)
    queue.parked[ENDPOINT] = 100_000
    async with running(gates):
        await failing(gates, Unavailable("down"), 3)
        await clock.advance(IDLE * 2)
        assert gates.states()[ENDPOINT] == "half-open"


async def test_release_is_asked_for_everybody_once_the_gate_is_freely_open() -> None:
    clock, queue = VirtualClock(), Queue()
    gates = Gates(clock, queue.release)
    async with running(gates):
        await failing(gates, AuthRejected("no"))
        queue.parked[IDENTITY] = 123
        await clock.advance(5.0)
        await call(gates)
        await clock.advance(0.5)
    assert queue.parked[IDENTITY] == 0
    assert ALL > 123


async def test_a_request_that_waited_for_its_slot_is_refused_if_a_gate_closed_meanwhile() -> None:
    gates, refused = Gates(VirtualClock(), in_flight=1), asyncio.Event()
    way = route("p", "x", "a", "login", "login", None)

    async def first() -> None:
        async with gates.call(way):
            async with turn():
                await refused.wait()
            raise AuthRejected("bad credential")

    async def second() -> str:
        async with gates.call(way), turn():
            return "sent"

    calls = [asyncio.ensure_future(first()), asyncio.ensure_future(second())]
    await settle()
    refused.set()
    await asyncio.wait(calls)
    assert isinstance(calls[0].exception(), AuthRejected)
    assert isinstance(calls[1].exception(), GateClosed)


# --- a connection without an answer


HUNG = Timeout("no reply", connected=True)
OTHER, THIRD = to(digest="other"), to(digest="third")


def closed(gates: Gates, names: tuple[str, ...] = NAMES) -> set[str]:
    return {name for name, state in gates.states().items() if name in names and state == "closed"}


async def test_one_login_that_gets_no_answer_closes_its_own_gate_and_not_the_endpoint() -> None:
    gates = Gates(VirtualClock())
    for _ in range(3):
        with pytest.raises(Timeout):
            await call(gates, HUNG)
    assert closed(gates) == {SERVICE}
    await call(gates, to=OTHER)
    assert gates.admit(OTHER.names) is None


async def test_several_logins_that_get_no_answer_close_the_endpoint() -> None:
    gates = Gates(VirtualClock())
    for route_taken in (ROUTE, OTHER, ROUTE, OTHER):
        with pytest.raises(Timeout):
            await call(gates, HUNG, route_taken)
    assert ENDPOINT in closed(gates)
    with pytest.raises(GateClosed):
        await call(gates, to=OTHER)


async def test_a_healthy_login_is_let_through_an_endpoint_that_others_closed_and_opens_it() -> None:
    gates = Gates(VirtualClock())
    for route_taken in (ROUTE, OTHER, ROUTE, OTHER):
        with pytest.raises(Timeout):
            await call(gates, HUNG, route_taken)
    assert gates.admit(NAMES) is not None
    assert gates.admit(THIRD.names) is None
    gates.check(THIRD.names)
    gates.check((ENDPOINT,))  # a store before its first login has met no failure
    epoch = gates.epoch(ENDPOINT)
    await call(gates, to=THIRD)
    assert gates.states()[ENDPOINT] != "closed" and gates.epoch(ENDPOINT) > epoch
    await call(gates, to=OTHER)


async def test_a_healthy_login_that_meets_the_same_failure_is_kept_out_from_then_on() -> None:
    gates = Gates(VirtualClock())
    for route_taken in (ROUTE, OTHER, ROUTE, OTHER, THIRD):
        with pytest.raises(Timeout):
            await call(gates, HUNG, route_taken)
    assert gates.admit(THIRD.names) is not None
    with pytest.raises(GateClosed):
        await call(gates, to=THIRD)


async def test_an_answer_clears_every_doubt() -> None:
    gates = Gates(VirtualClock())
    for _ in range(4):
        for route_taken in (ROUTE, OTHER):
            with pytest.raises(Timeout):
                await call(gates, HUNG, route_taken)
            await call(gates, to=THIRD)
            await call(gates, to=route_taken)
    assert closed(gates, (*NAMES, *OTHER.names)) == set()


async def test_an_endpoint_that_cannot_be_connected_to_is_closed_for_everybody() -> None:
    gates = Gates(VirtualClock())
    await failing(gates, Unavailable("connection refused"), 3)
    assert gates.admit(THIRD.names) is not None


async def test_a_probe_that_gets_no_answer_keeps_the_endpoint_closed() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    async with running(gates):
        await failing(gates, Unavailable("connection refused"), 3)
        await clock.advance(1.5)
        assert gates.states()[ENDPOINT] == "half-open"
        with pytest.raises(Timeout):
            await call(gates, HUNG)
        assert gates.states()[ENDPOINT] == "closed"
