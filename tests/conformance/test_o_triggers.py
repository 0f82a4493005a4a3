"""O. Triggers and queueing; at the end, who goes first: `spec.target.immediate`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from eso.api.externalsecret import ExternalSecret
from eso.api.secretstore import decode_secret_store
from eso.errors import EsoError
from eso.reconcile.externalsecret.refresh import come_back
from eso.reconcile.externalsecret.triggers import ReverseIndex, Triggers
from eso.runtime.controller import Controller
from eso.runtime.outcome import After, Done, Lane, Outcome, Parked, Retry, Wake
from eso.runtime.workqueue import Key, WorkQueue
from tests.conformance.conftest import Case
from tests.fakes.clock import VirtualClock
from tests.unit.reconcile.objects import NOW
from tests.unit.reconcile.objects import es as desk_es

DATA_HASH = "reconcile.external-secrets.io/data-hash"
VALUE = {"targetProperty": "some-value"}


def one_pass(case: Case, change: Callable[[], Any], seconds: float = 1.5) -> None:
    """`change` leads to one pass and not to a second one."""
    before = case.passes()
    change()
    case.eventually(lambda: case.passes() > before, within=5, what="a pass")
    case.holds(lambda: case.passes() == before + 1, seconds)


# C-236
def test_c_236_a_change_of_the_status_alone_is_ignored(live: Case):
    live.external_secret(refreshInterval="1h")
    live.synced()
    before = live.passes()
    live.edit("externalsecrets", "test-es", {"status": {"binding": {"name": "edited"}}}, subresource="status")
    live.holds(lambda: live.passes() == before, 2)
    assert live.es()["status"]["binding"]["name"] == "edited"


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"spec": {"refreshInterval": "2h"}}, id="C-237 generation"),
        pytest.param({"metadata": {"labels": {"a": "b"}}}, id="C-237 labels"),
        pytest.param({"metadata": {"annotations": {"a": "b"}}}, id="C-237 annotations"),
        pytest.param({"metadata": {"finalizers": ["example.com/mine"]}}, id="C-237 finalizers"),
    ],
)
def test_c_237_a_relevant_change_is_one_pass(live: Case, patch: dict[str, Any]):
    live.external_secret(refreshInterval="1h")
    live.synced()
    one_pass(live, lambda: live.edit_es(patch))
    live.edit_es({"metadata": {"finalizers": None}})


def test_c_237_a_deletion_that_somebody_holds_up_is_one_pass(live: Case):
    live.external_secret(refreshInterval="1h")
    live.synced()
    live.edit_es({"metadata": {"finalizers": ["example.com/mine"]}})
    live.eventually(lambda: live.passes() >= 2)
    one_pass(live, lambda: live.delete("externalsecrets", "test-es"))
    live.edit_es({"metadata": {"finalizers": None}})


# C-238
def test_c_238_a_deleted_secret_is_recreated_without_waiting(live: Case):
    live.external_secret(refreshInterval="10m")
    live.synced()
    before = live.raw_secret()["metadata"]["uid"]
    live.delete("secrets", "test-secret")
    live.eventually(lambda: (live.raw_secret() or {"metadata": {"uid": before}})["metadata"]["uid"] != before, within=5)
    assert live.secret() == VALUE


# C-239
def test_c_239_an_edited_secret_is_restored_without_waiting(live: Case):
    live.external_secret(refreshInterval="10m")
    live.synced()
    before = live.raw_secret()["metadata"]["annotations"][DATA_HASH]
    live.edit("secrets", "test-secret", {"data": {"more": "eA=="}, "metadata": {"annotations": {DATA_HASH: "corrupt"}}})
    live.eventually(
        lambda: live.secret() == VALUE and live.raw_secret()["metadata"]["annotations"][DATA_HASH] == before, within=5
    )


# C-240
def test_c_240_events_of_an_unmanaged_secret_are_ignored(live: Case):
    live.external_secret(refreshInterval="1h", target={"creationPolicy": "Orphan"})
    live.synced()
    live.edit("secrets", "test-secret", {"metadata": {"labels": {"reconcile.external-secrets.io/managed": None}}})
    before = live.passes()
    live.edit("secrets", "test-secret", {"data": {"more": "eA=="}})
    live.holds(lambda: live.passes() == before, 2)
    assert live.secret() == VALUE | {"more": "x"}


# C-241
def test_c_241_an_edited_store_is_a_trigger(live: Case):
    """Ours: the dependants read again at once; in the reference they wait for their next refresh."""
    live.external_secret(refreshInterval="1h")
    live.synced()
    live.provider.value = b"other"
    live.edit("secretstores", "test-store", {"spec": {"provider": {"fake": {"data": [{"key": "a", "value": "b"}]}}}})
    live.eventually(lambda: live.secret() == {"targetProperty": "other"}, within=5)


# C-242: back-off

KEY = ("ns", "test-es")


class Log:
    def error(self, text: str, **_: Any) -> None: ...


async def gaps(outcomes: list[Outcome], until: float) -> list[float]:
    """Seconds between the passes of one key, which end in `outcomes` (the last one for ever)."""
    clock, stop, times = VirtualClock(), asyncio.Event(), []

    async def reconcile(key: Key, wake: Wake, now: datetime) -> Outcome:
        times.append(clock.monotonic())
        return outcomes[min(len(times), len(outcomes)) - 1]

    queue = WorkQueue(clock, gate_epoch=lambda gate: 0)
    running = asyncio.ensure_future(Controller("externalsecret", queue, reconcile, clock, 4, log=Log()).run(stop))
    queue.add(KEY, Lane.NEW)
    await clock.advance(until)
    stop.set()
    await clock.advance(60)
    await running
    return [round(b - a, 6) for a, b in pairwise(times)]


FAILS = Retry(EsoError("no"))


async def test_c_242_failures_back_off_up_to_seven_minutes():
    """Ours as in the reference for what fails on its own; keys of a backend that is down wait at its gate instead, and
    count no failures."""
    assert await gaps([FAILS], 2000) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 420, 420, 420]


async def test_c_242_a_success_starts_over():
    assert await gaps([FAILS, FAILS, FAILS, After(10), FAILS], 30) == [1, 2, 4, 10, 1, 2, 4]


async def test_c_242_waiting_at_a_gate_counts_no_failure():
    clock = VirtualClock()
    queue = WorkQueue(clock, gate_epoch=lambda gate: 0)
    queue.add(KEY, Lane.NEW)
    for _ in range(3):
        key, _ = await queue.get()
        queue.done(key, Parked("endpoint:x", 0))
        assert queue.failures(KEY) == 0
        assert queue.release("endpoint:x", 1) == 1


def test_c_242_a_failing_object_backs_off_and_starts_over(live: Case):
    live.provider.value = EsoError("boom")
    live.external_secret(refreshInterval="1h")
    assert live.operator is not None
    operator = live.operator

    def failures() -> int:
        return operator.failures((live.namespace, "test-es"))

    live.eventually(lambda: failures() >= 2)
    live.provider.value = b"well"
    live.synced()
    live.eventually(lambda: failures() == 0)


# C-243
def test_c_243_only_the_given_namespace_is_looked_at(live: Case):
    other = live.cluster.create_namespace(f"{live.namespace[:50]}-other")
    try:
        theirs = Case(live.cluster, other)
        theirs.store()
        theirs.external_secret()
        live.external_secret()
        live.synced()
        live.holds(lambda: "status" not in theirs.es() and theirs.raw_secret() is None, 2)
    finally:
        live.cluster.delete_namespace(other)


# --- spec.target.immediate
# -------------------------------------------------------------------------------------------------------------------


def member(name: str, *, immediate: bool = False, synced: bool = True) -> ExternalSecret:
    status = (
        {
            "syncedResourceVersion": "1-x",
            "refreshTime": "2026-05-01T11:00:00Z",
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        if synced
        else {}
    )
    return desk_es(
        name=name, uid=name, secretStoreRef={"name": "s"}, target={"name": name, "immediate": immediate}, status=status
    )


class Bench:
    """The queue of ExternalSecrets behind its triggers; objects `a` … `e` wait for their turn, `z` is immediate."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.queue = WorkQueue(self.clock, gate_epoch=lambda gate: 0)
        self.known = {("ns", name): member(name, immediate=name == "z") for name in "abcdez"}
        self.triggers = Triggers(ReverseIndex(), self.queue.add, self.known.get, lambda: NOW)

    def listed(self) -> None:
        for record in self.known.values():
            self.triggers.external_secret(None, record)

    async def order(self, outcome: Outcome | None = None) -> str:
        """The names in the order of their passes."""
        names = ""
        while self.queue.snapshot().depth:
            key, _ = await self.queue.get()
            names += key[1]
            self.queue.done(key, outcome or Done())
        return names


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    made.listed()
    return made


async def test_immediate_goes_first_after_a_start(bench: Bench):
    assert await bench.order() == "zabcde"


async def test_immediate_goes_before_those_who_were_queued_first(bench: Bench):
    assert await bench.order() == "zabcde"
    for name in "abcde":
        bench.queue.add(("ns", name), Lane.EVENT, "store changed", NOW)
    await bench.clock.advance(1)
    bench.triggers.target("ns", "z")
    assert await bench.order() == "zabcde"


@pytest.mark.parametrize("event", ["store", "target", "source"])
async def test_a_change_event_puts_an_immediate_object_into_the_first_lane(bench: Bench, event: str):
    await bench.order()
    match event:
        case "store":
            old, new = (
                decode_secret_store(
                    msgspec.json.encode(
                        {
                            "metadata": {"name": "s", "namespace": "ns", "uid": "u", "generation": g},
                            "spec": {"provider": {"fake": {}}},
                        }
                    )
                )
                for g in (1, 2)
            )
            bench.triggers.store(old, new)  # type: ignore[arg-type]  # both are readable
        case "target":
            for name in "abcdez":
                bench.triggers.target("ns", name)
        case "source":
            bench.triggers.depended("SecretStore", "ns", "s", "credential changed")
    ready = bench.queue.snapshot().ready
    assert (ready[Lane.NEW], sum(ready.values())) == (1, 6)
    key, wake = await bench.queue.get()
    assert key == ("ns", "z") and wake.reasons


async def test_a_change_event_is_applied_at_once_and_not_at_the_next_due_time(bench: Bench):
    await bench.order(After(3600, Lane.PERIODIC))
    assert bench.queue.snapshot().scheduled == 6
    bench.triggers.depended("SecretStore", "ns", "s", "credential changed")
    assert (await bench.order())[0] == "z"


def test_the_next_pass_of_an_immediate_object_is_in_the_first_lane():
    for immediate, lane in ((True, Lane.NEW), (False, Lane.PERIODIC)):
        found = come_back(member("z", immediate=immediate), NOW.replace(hour=13), NOW, "phase")
        assert found == After(3600, lane)


@pytest.mark.parametrize(
    ("outcome", "bring_back"),
    [
        pytest.param(FAILS, lambda b: b.clock.advance(1), id="after a failure"),
        pytest.param(Parked("endpoint:x", 0), lambda b: gate_opens(b), id="out of a gate"),
    ],
)
async def test_an_immediate_object_keeps_its_lane(bench: Bench, outcome: Outcome, bring_back: Callable[[Bench], Any]):
    assert await bench.order(outcome) == "zabcde"
    await bring_back(bench)
    assert await bench.order() == "zabcde"


async def gate_opens(bench: Bench) -> None:
    assert bench.queue.release("endpoint:x", 100) == 6


def test_an_immediate_object_is_read_before_all_others(case: Case):
    """One pass at a time: of all who depend on an edited store, the immediate one reads first, whatever its name."""
    with case.running(passes_in_flight="1"):
        case.store()
        for name in ("a", "b", "c", "z"):
            target = {"name": name} | ({"immediate": True} if name == "z" else {})
            case.external_secret(
                name, target=target, data=[{"secretKey": "k", "remoteRef": {"key": name}}], refreshInterval="1h"
            )
        for name in ("a", "b", "c", "z"):
            case.synced(name)
        case.provider.calls.clear()
        case.edit(
            "secretstores", "test-store", {"spec": {"provider": {"fake": {"data": [{"key": "a", "value": "b"}]}}}}
        )
        case.eventually(lambda: case.provider.count("get") >= 4)
        read = [ref.key for kind, ref in case.provider.calls if kind == "get"]
        assert read[0] == "z" and sorted(read) == ["a", "b", "c", "z"]
