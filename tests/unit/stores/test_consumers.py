"""One login, many namespaces: what one of them meets holds it alone, and the others only once they meet it as well."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import AuthRejected, Throttled, Unavailable, turn
from eso.runtime.controller import Controller
from eso.runtime.outcome import After, Lane, Outcome, Parked, Retry, Wake
from eso.runtime.workqueue import WorkQueue
from eso.stores.evidence import FORGIVEN, Evidence
from eso.stores.gate import GateClosed, Gates, Route, route
from tests.fakes.clock import VirtualClock, settle
from tests.harness.inprocess import Log

Key = tuple[str, str]


def to(namespace: str) -> Route:
    """Of one ClusterSecretStore."""
    return route("p", "a", namespace, "platform", "platform", None)


class Fleet:
    """Objects of many namespaces read one backend under one login. `asked(key)` answers a request, or raises."""

    def __init__(self, clock: VirtualClock, asked: Callable[[Key], None], every: float = 10.0) -> None:
        self.clock, self.asked, self.every = clock, asked, every
        self.gates = Gates(clock, lambda gate, count: self.queue.release(gate, count))
        self.queue = WorkQueue(clock, gate_epoch=self.gates.epoch, admit=self.admit, workers=256)
        self.controller = Controller("externalsecret", self.queue, self.reconcile, clock, 256, log=Log())
        self.due: dict[Key, float] = {}
        self.waited: dict[str, list[float]] = {}  # namespace → seconds from each due time to its answer
        self.refused = Counter[str]()  # 429s and the like, by namespace

    def admit(self, key: Key) -> Parked | None:
        closed = self.gates.admit(to(key[0]).names)
        return Parked(closed.gate, closed.epoch) if closed else None

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        try:
            async with self.gates.call(to(key[0])), turn("p", "Get"):
                await self.clock.sleep(0.05)
                self.asked(key)
        except GateClosed as closed:
            return Parked(closed.gate, closed.epoch)
        except EsoError as error:
            self.refused[key[0]] += 1
            return self.admit(key) or Retry(error)
        self.waited.setdefault(key[0], []).append(self.clock.monotonic() - self.due[key])
        self.due[key] = self.clock.monotonic() + self.every
        return After(self.every)

    async def run(self, keys: list[Key], seconds: float, late: dict[Key, float] | None = None) -> None:
        """`late`: keys that come after so many seconds."""
        tasks: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self.gates.run()),
            asyncio.ensure_future(self.controller.run(asyncio.Event())),
        ]
        for key in keys:
            self.add(key)
        for key, after in (late or {}).items():
            self.clock.call_later(after, lambda key=key: self.add(key))  # type: ignore[misc]
        await self.clock.advance(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    def add(self, key: Key) -> None:
        self.due[key] = self.clock.monotonic()
        self.queue.add(key, Lane.NEW, "new")


def spoilt(error: Callable[[], EsoError]) -> Callable[[Key], None]:
    """A backend at which the key `bad` always fails."""

    def asked(key: Key) -> None:
        if key[1].startswith("bad"):
            raise error()

    return asked


FAILURES = [
    pytest.param(lambda: Throttled("slow down"), id="429"),
    pytest.param(lambda: Throttled("slow down", retry_after=0.0), id="429, come back at once"),
    pytest.param(lambda: Throttled("slow down", retry_after=3600.0), id="429, come back in an hour"),
    pytest.param(lambda: Unavailable("internal error", answered=True), id="500"),
    pytest.param(lambda: Unavailable("reset"), id="a connection that breaks"),
    pytest.param(lambda: Unavailable("no reply", connected=True), id="no reply"),
    pytest.param(lambda: AuthRejected("401, also after a new login"), id="a path that refuses every token"),
]


@pytest.mark.parametrize("error", FAILURES)
async def test_a_key_that_always_fails_holds_up_no_other_namespace(error: Callable[[], EsoError]) -> None:
    fleet = Fleet(VirtualClock(), spoilt(error))
    victims = [(f"team-{n}", "good") for n in range(10)]
    await fleet.run([("greedy", f"bad-{n}") for n in range(5)] + victims, 150.0, {("late", "good"): 50.0})
    assert fleet.refused["greedy"] > 0
    assert max(seconds for team, waited in fleet.waited.items() for seconds in waited) < 0.5
    assert len(fleet.waited["late"]) >= 9


@pytest.mark.parametrize("attackers", [2, 6])
@pytest.mark.parametrize("error", FAILURES)
async def test_namespaces_that_fail_together_hold_up_a_healthy_one_for_moments(
    error: Callable[[], EsoError], attackers: int
) -> None:
    """They begin while nobody else asks, so nothing speaks against them."""
    fleet = Fleet(VirtualClock(), spoilt(error))
    bad = [(f"greedy-{n}", "bad") for n in range(attackers)]
    await fleet.run(bad, 300.0, {("team", f"good-{n}"): 120.5 for n in range(20)})
    waited = sorted(fleet.waited["team"])
    assert len(waited) >= 20 * 16
    assert waited[-1] < 25.0
    assert waited[len(waited) * 9 // 10] < 1.0


async def test_a_healthy_namespace_opens_what_several_others_closed_for_an_hour() -> None:
    fleet = Fleet(VirtualClock(), spoilt(lambda: Throttled("slow down", retry_after=3600.0)))
    await fleet.run([("a", "bad"), ("b", "bad")], 120.0, {("team", "good"): 0.5, ("other", "good"): 60.0})
    assert fleet.waited["team"][0] < 5.0
    assert fleet.waited["other"][0] < 0.5
    assert max(fleet.waited["team"][1:]) < 0.5
    assert set(fleet.refused.values()) == {1}


@pytest.mark.parametrize(
    ("header", "most"), [pytest.param(30.0, 150, id="told"), pytest.param(None, 200, id="not told")]
)
async def test_a_backend_that_is_truly_limited_refuses_few_requests_of_100_namespaces(
    header: float | None, most: int
) -> None:
    """10 requests a second, and all are refused for half a minute once it is asked for more. `most`: refusals in ten
    minutes, of which the 64 in flight at first cannot be helped; some 700 requests are answered meanwhile."""
    clock, seen, blocked = VirtualClock(), Counter[int](), 0.0

    def asked(key: Key) -> None:
        nonlocal blocked
        now = clock.monotonic()
        seen[int(now)] += 1
        if now >= blocked and seen[int(now)] > 10:
            blocked = now + 30.0
        if now < blocked:
            raise Throttled("Rate exceeded", retry_after=None if header is None else blocked - now)

    fleet = Fleet(clock, asked, every=20.0)
    await fleet.run([(f"team-{n}", "db") for n in range(100)], 600.0)
    assert len(fleet.waited) == 100, "all are served"
    assert fleet.refused.total() <= most
    assert sum(map(len, fleet.waited.values())) >= 600


async def test_the_pace_that_a_refuted_closing_cut_is_as_it_was() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    running = asyncio.ensure_future(gates.run())
    for namespace in ("a", "b"):
        with pytest.raises(Throttled):
            async with gates.call(to(namespace)), turn():
                raise Throttled("slow down", retry_after=60.0)
    quota = to("team").quota
    assert gates.states()[quota] == "closed"
    assert gates.admit(to("team").names) is not None
    await clock.advance(3.0)
    assert gates.admit(to("team").names) is None
    async with gates.call(to("team")), turn():
        pass
    assert gates.states()[quota] == "open"
    assert gates.admit(to("a").names) is not None
    running.cancel()
    await asyncio.wait([running])


async def test_one_healthy_namespace_probes_at_a_time() -> None:
    clock = VirtualClock()
    gates = Gates(clock)
    for namespace in ("a", "b"):
        with pytest.raises(Throttled):
            async with gates.call(to(namespace)), turn():
                raise Throttled("slow down", retry_after=60.0)
    await clock.advance(3.0)
    answer, inside = asyncio.Event(), list[str]()

    async def read(namespace: str) -> None:
        async with gates.call(to(namespace)), turn():
            inside.append(namespace)
            await answer.wait()
            raise Throttled("slow down", retry_after=60.0)

    calls = [asyncio.ensure_future(read(f"team-{n}")) for n in range(10)]
    await settle()
    assert inside == ["team-0"]
    answer.set()
    await asyncio.wait(calls)
    assert inside == ["team-0"]
    assert sum(isinstance(one.exception(), GateClosed) for one in calls) == 9


def test_the_word_of_consumers_that_were_refuted_counts_no_more_for_a_while() -> None:
    evidence, now = Evidence(), 0.0
    assert [evidence.met(name, 1.0, now, 1.0) for name in ("a", "b")] == [False, True]
    evidence.closed(now)
    evidence.opened(now, refuted=True)
    assert [evidence.met(name, 1.0, now, 1.0) for name in ("a", "b", "c", "a")] == [False] * 4
    assert evidence.met("d", 1.0, now, 1.0)
    now += FORGIVEN
    assert [evidence.met(name, 1.0, now, 1.0) for name in ("a", "b")] == [False, True]


def test_an_answer_in_between_clears_the_evidence_and_one_that_was_asked_for_before_does_not() -> None:
    evidence = Evidence()
    assert not evidence.met("a", 1.0, 10.0, 1.0)
    evidence.answered("team", 9.0)
    assert not evidence.healthy("a")
    evidence.answered("a", 11.0)
    assert not evidence.healthy("a"), "its own good key says nothing about others"
    evidence.answered("team", 11.0)
    assert evidence.healthy("a")
    assert not evidence.met("b", 1.0, 12.0, 1.0)
