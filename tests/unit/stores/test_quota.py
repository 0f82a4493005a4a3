"""Pace by quota, fail by namespace: real gates, a real queue and controller, a backend that counts."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from eso.errors import EsoError
from eso.observe.metrics import gate_labels
from eso.providers.contract import Quota, Throttled, Unavailable, turn
from eso.runtime.controller import Controller
from eso.runtime.outcome import After, Lane, Outcome, Parked, Retry, Wake
from eso.runtime.workqueue import WorkQueue
from eso.stores.gate import GateClosed, Gates, Route, route
from eso.stores.sessions import route_of
from tests.fakes.clock import VirtualClock
from tests.harness.inprocess import Log
from tests.unit.stores.backends import World, store

LIMIT = 20  # requests per second


class Account:
    """Refuses what comes above LIMIT in one second, without saying when to come back."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.seen, self.refused = clock, Counter[int](), 0

    async def request(self) -> None:
        await self.clock.sleep(0.05)
        second = int(self.clock.monotonic())
        self.seen[second] += 1
        if self.seen[second] > LIMIT:
            self.refused += 1
            raise Throttled("Rate exceeded")


@pytest.mark.parametrize("declared", [None, 20.0], ids=["learnt from refusals", "declared by the store"])
async def test_the_quota_of_one_account_holds_for_300_namespaces_and_all_are_served(declared: float | None) -> None:
    clock = VirtualClock()
    account, served = Account(clock), set[str]()
    gates = Gates(clock, lambda gate, count: queue.release(gate, count))

    def to(namespace: str) -> Route:
        return route("aws", "eu-west-1", namespace, "platform", "platform", declared)

    def admit(key: tuple[str, str]) -> Parked | None:
        closed = gates.admit(to(key[0]).names)
        return Parked(closed.gate, closed.epoch) if closed else None

    async def reconcile(key: tuple[str, str], wake: Wake, now: object) -> Outcome:
        try:
            async with gates.call(to(key[0])), turn("aws", "Get"):
                await account.request()
        except GateClosed as closed:
            return Parked(closed.gate, closed.epoch)
        except EsoError as error:
            return admit(key) or Retry(error)
        served.add(key[0])
        return After(20.0)

    queue = WorkQueue(clock, gate_epoch=gates.epoch, admit=admit, workers=256)
    controller = Controller("externalsecret", queue, reconcile, clock, 256, log=Log())
    tasks = [asyncio.ensure_future(gates.run()), asyncio.ensure_future(controller.run(asyncio.Event()))]
    began = int(clock.monotonic())
    for n in range(300):
        queue.add((f"team-{n}", "db"), Lane.NEW, "new")
    await clock.advance(120.0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    # The backend's own second does not start with ours, so a burst of one more can be seen.
    settled = [account.seen[second] for second in range(began + 10, began + 120)]
    assert max(settled) <= LIMIT + 4
    assert sum(settled) / len(settled) >= LIMIT / 3
    assert len(served) == 300
    if declared:
        assert account.refused == 0


@pytest.mark.parametrize(
    ("quota", "same"),
    [
        pytest.param(Quota.LOGIN, False, id="counted by login: each login has its own"),
        pytest.param(Quota.ENDPOINT, True, id="counted by endpoint: the logins of one cluster store share it"),
    ],
)
def test_what_a_quota_is_counted_by(quota: Quota, same: bool) -> None:
    world = World(quota=quota)
    cluster = world.reader.plans.of(store(namespace=""))
    assert (route_of(cluster, "a", "login-a").quota == route_of(cluster, "b", "login-b").quota) is same


def test_a_store_that_merely_names_the_same_endpoint_spends_no_quota_of_another() -> None:
    world = World(quota=Quota.ENDPOINT)
    cluster, foreign = world.reader.plans.of(store(namespace="")), world.reader.plans.of(store(namespace="team-b"))
    ours, theirs = route_of(cluster, "team-a", "platform"), route_of(foreign, "team-b", "guessed")
    assert not set(ours.names) & set(theirs.names)


async def test_what_a_store_of_another_login_meets_closes_no_gate_of_a_cluster_store() -> None:
    """The same server, in the same namespace, with a login that the server answers with 500, throttles or refuses."""
    gates = Gates(VirtualClock())
    healthy, broken = route("vault", "a", "team", "good", "good", None), route("vault", "a", "team", "bad", "bad", None)
    for error in (Unavailable("could not load backend configuration", answered=True), Throttled("slow down")):
        for _ in range(5):
            with pytest.raises(EsoError):
                async with gates.call(broken), turn():
                    raise error
    assert gates.admit(broken.names) is not None
    assert gates.admit(healthy.names) is None


async def test_a_new_pace_takes_effect_at_the_next_call() -> None:
    clock = VirtualClock()
    gates = Gates(clock)

    async def calls(pace: float | None, times: int) -> float:
        began = clock.monotonic()
        for _ in range(times):
            async with gates.call(route("p", "a", "team", "b", "b", pace)), turn():
                pass
        return clock.monotonic() - began

    assert await calls(None, 10) == 0.0
    task = asyncio.ensure_future(calls(1.0, 4))
    await clock.advance(10.0)
    assert task.result() == 3.0
    assert await calls(None, 10) == 0.0


def test_every_gate_of_a_call_has_a_level_in_the_metrics() -> None:
    ways = route("vault", "a:8200", "shop", "login", "login", None)
    levels = ["endpoint", "service", "use", "identity", "quota"]
    served, owned = ["vault", "vault", "vault", "", "vault"], ["shop", "shop", "shop", "", ""]
    assert [gate_labels(name) for name in ways.names] == list(zip(levels, served, owned, strict=True))
