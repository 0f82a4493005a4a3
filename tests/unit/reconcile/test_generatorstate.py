"""GeneratorStates: when they go, and what keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from eso.api.generators import FINALIZER_GENERATOR_STATE, GENERATOR_STATES
from eso.api.meta import ObjectMeta, Resource
from eso.errors import EsoError
from eso.kube.rest import ApiError
from eso.reconcile.generatorstate.decide import CleanUp, Expire, Hold, Nothing, Wait, decide
from eso.reconcile.generatorstate.reconcile import ReconcileGeneratorState
from eso.reconcile.kit.event import Event
from eso.runtime.deadline import deadline
from eso.runtime.outcome import After, Done, Retry, Wake
from tests.fakes.apiserver import FakeApiServer, Json, Status
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, until
from tests.fakes.generators import Making

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = ("ns", "gs")


class Log:
    def __getattr__(self, level: str) -> Any:
        return lambda text, **fields: None


class Meter:
    def passed(self, key: Any, seconds: float) -> None: ...
    def gone(self, key: Any) -> None: ...


class World:
    def __init__(self, api: FakeApiServer) -> None:
        self.api, self.making, self.events, self.terminating = api, Making(api), list[Event](), False
        self.about = list[str]()
        self.passes = ReconcileGeneratorState(
            self.making.shown.get,
            self.making.generators,
            self.making.rest,
            terminating=lambda namespace: self.terminating,
            emit=self.emit,
            meter=Meter(),
            monotonic=lambda: 0.0,
            log=Log(),
        )

    def emit(self, resource: Resource, meta: ObjectMeta, event: Event) -> None:
        self.about.append(f"{resource.kind}/{meta.name}")
        self.events.append(event)

    def put(self, *, kind: str = "Counting", deadline: str = "", held: bool = True, deleted: str = "") -> None:
        meta: Json = {"name": KEY[1], "namespace": KEY[0]}
        meta |= {"finalizers": [FINALIZER_GENERATOR_STATE, "other/one"]} if held else {}
        meta |= {"deletionTimestamp": deleted} if deleted else {}
        spec: Json = {"resource": {"kind": kind, "spec": {}}, "state": {"number": 1}}
        spec |= {"garbageCollectionDeadline": deadline} if deadline else {}
        self.api.put(GENERATOR_STATES, {"metadata": meta, "spec": spec})

    async def run(self, now: datetime = NOW) -> Any:
        return await self.passes.reconcile(KEY, Wake(), now)

    @property
    def live(self) -> Json:
        found = self.api.get(GENERATOR_STATES, *KEY)
        assert found is not None
        return found

    @property
    def held(self) -> bool:
        return FINALIZER_GENERATOR_STATE in self.live["metadata"].get("finalizers", [])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as api:
        made = World(api)
        yield made
        await made.making.close()


def stamp(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("state", "step"),
    [
        pytest.param({}, Nothing(), id="values in use stay"),
        pytest.param({"held": False}, Hold(), id="a state without a finalizer gets one"),
        pytest.param({"deadline": stamp(60)}, Wait(60.0), id="G-037 a deadline in the future is waited for"),
        pytest.param({"deadline": stamp(0)}, Expire(), id="G-037 a deadline that has come ends it"),
        pytest.param(
            {"deadline": stamp(60), "deleted": stamp(-1)}, CleanUp(False), id="a deletion is cleaned up after"
        ),
        pytest.param({"deleted": stamp(-3600)}, CleanUp(True), id="after an hour it goes whatever happens"),
    ],
)
def test_steps(world: World, state: dict[str, Any], step: object):
    world.put(**state)
    assert decide(world.making.shown.get(KEY), NOW, terminating=False) == step


def test_a_state_that_is_gone_needs_nothing():
    assert decide(None, NOW, terminating=False) == Nothing()


def test_in_a_namespace_that_is_going_twenty_seconds_have_to_do(world: World):
    world.put(deleted=stamp(-20))
    assert decide(world.making.shown.get(KEY), NOW, terminating=True) == CleanUp(True)


async def test_g037_an_expired_state_is_deleted_and_cleaned_up_after(world: World):
    world.put(deadline=stamp(5))
    assert await world.run() == After(5.0)
    assert await world.run(NOW + timedelta(seconds=5)) == Done()
    assert "deletionTimestamp" in world.live["metadata"]
    world.api.edit(GENERATOR_STATES, *KEY, {"metadata": {"deletionTimestamp": stamp(5)}})
    assert await world.run(NOW + timedelta(seconds=5)) == Done()
    assert world.making.counting.taken_back == [1]
    assert world.live["metadata"]["finalizers"] == ["other/one"]
    assert world.events == []


async def test_the_finalizer_is_put_on(world: World):
    world.put(held=False)
    await world.run()
    assert world.held


# G-036
async def test_g036_a_clean_up_that_fails_holds_the_deletion_and_is_tried_again(world: World):
    world.put(deleted=stamp(-1))
    world.making.counting.stuck = EsoError("secret gone", fix="bring it back")
    outcome = await world.run()
    assert isinstance(outcome, Retry) and world.held
    assert world.events == [
        Event(
            "Warning",
            "CleanUpFailed",
            "could not cleanup generator state: secret gone (bring it back)",
            again=True,
        )
    ]
    world.making.counting.stuck = None
    await world.run()
    assert not world.held


@pytest.mark.parametrize("kind", ["Counting", "Dice"], ids=["a backend that is down", "an unknown kind"])
async def test_what_cannot_be_cleaned_up_is_let_go_with_an_event(world: World, kind: str):
    world.put(deleted=stamp(-1), kind=kind)
    world.making.counting.stuck = EsoError("down")
    assert isinstance(await world.run(), Retry)
    assert world.held
    assert await world.run(NOW + timedelta(hours=1)) == Done()
    assert not world.held
    assert world.events[-1].reason == "LeftBehind"
    assert world.events[-1].message.startswith("the values stay valid in the backend: could not ")


@pytest.mark.parametrize(
    "resource",
    [
        {"kind": "GitlabDeployToken", "spec": {"auth": "x", "projectID": "p"}},
        {"kind": "Grafana", "spec": {"auth": ["x"], "url": 7}},
        {"kind": "VaultDynamicSecret", "spec": {"provider": {"server": {}, "auth": 7}}},
        {"kind": "VaultDynamicSecret", "spec": {"provider": {"auth": {"kubernetes": "x"}}}},
    ],
    ids=lambda resource: str(resource["kind"]),
)
async def test_a_state_that_no_generator_would_write_holds_nobody(world: World, resource: Json):
    """Its spec is any JSON, and its author may be anybody."""
    world.put(deleted=stamp(-1))
    state = {"tokenID": 1, "projectID": "p", "leaseID": "l", "serviceAccount": {"id": 1, "tokenID": 1}}
    world.api.edit(GENERATOR_STATES, *KEY, {"spec": {"resource": resource, "state": state}})
    assert isinstance(await world.run(), Retry)
    assert await world.run(NOW + timedelta(hours=1)) == Done()
    assert not world.held and world.events[-1].reason == "LeftBehind"


async def test_of_a_namespace_that_goes_what_is_left_behind_is_told_where_events_are_still_taken(world: World):
    world.put(deleted=stamp(-19))
    world.terminating = True
    world.making.counting.stuck = EsoError("down")
    assert await world.run() == After(5.0)
    assert world.held
    world.about.clear()
    assert await world.run(NOW + timedelta(seconds=5)) == Done()
    assert not world.held
    assert world.about == [f"GeneratorState/{KEY[1]}", f"Namespace/{KEY[0]}"]
    text = "the values stay valid in the backend: could not cleanup generator state: down"
    assert world.events[-1] == Event("Warning", "LeftBehind", f"GeneratorState {KEY[1]}: {text}")


async def test_a_clean_up_that_takes_too_long_is_ended_and_tried_again(world: World, monkeypatch: pytest.MonkeyPatch):
    clock = VirtualClock()

    async def hangs(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(world.making.generators, "clean_up", hangs)
    world.passes.limit = lambda: deadline(clock, 120.0)
    world.put(deleted=stamp(-1))
    running = asyncio.create_task(world.run())
    await until(lambda: clock.timers > 0)
    await clock.advance(121.0)
    assert isinstance(await running, Retry)
    assert world.held
    assert "takes longer than 120 s" in world.events[0].message


async def test_an_api_server_that_fails_says_nothing_about_the_backend(world: World):
    world.put(deleted=stamp(-7200))
    world.api.fail(Status(500, "InternalError"), method="GET", path="generatorstates", times=9)
    with pytest.raises(ApiError):
        await world.run()
    assert world.held and world.events == []


async def test_wherever_it_is_cancelled_the_values_are_taken_back_before_the_state_goes(world: World):
    rounds = 0

    async def begin() -> None:
        if world.api.get(GENERATOR_STATES, *KEY):
            world.api.remove(GENERATOR_STATES, *KEY)
        world.making.counting.taken_back.clear()
        world.put(deleted=stamp(-1))
        await world.run()

    async for _ in every_await(begin):
        rounds += 1
        assert world.held or world.making.counting.taken_back == [1]
    assert rounds > 3
