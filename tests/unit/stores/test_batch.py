"""Reads that fall due together travel in one call; each gets its own answer or its own error."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from eso.api.externalsecret import StoreRef
from eso.errors import EsoError
from eso.providers.contract import Denied, Malformed, RemoteRef, SecretNotFound, StoreView, Unavailable
from eso.stores.gate import GateClosed
from tests.fakes.cancel import every_await
from tests.fakes.clock import settle
from tests.unit.stores import backends
from tests.unit.stores.backends import ScriptedClient, World, store
from tests.unit.stores.test_reader import CLUSTER, MAIN, running


class BatchingClient(ScriptedClient):
    most: ClassVar[int] = 3
    errors: ClassVar[dict[str, EsoError]] = {}

    def bind(self, store: StoreView) -> BatchingClient:
        return BatchingClient(self.backend, store, self.token, self.session)

    def batch(self, request: Hashable) -> Hashable | None:
        assert isinstance(request, tuple)
        return None if request[1].startswith("alone") else ("mount", request[0])

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, Any]:
        keys = [request[1] for request in requests if isinstance(request, tuple)]
        await self.ask("many " + " ".join(keys))
        answers: dict[Hashable, Any] = {}
        for request, key in zip(requests, keys, strict=True):
            if key in self.errors:
                answers[request] = self.errors[key]
            elif key in self.backend.values:
                answers[request] = self.backend.values[key]
        return answers


@pytest.fixture(autouse=True)
def batching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "ScriptedClient", BatchingClient)
    monkeypatch.setattr(BatchingClient, "errors", {"gone": SecretNotFound(), "secret": Denied("permission denied")})


def start(world: World, *keys: str, urgent: bool = False, ref: StoreRef = MAIN, namespace: str = "team-a") -> list[Any]:
    world.backend.values |= {key: key.encode() for key in keys if key not in ("gone", "secret", "forgotten")}
    reads = world.reader.reads
    return [asyncio.ensure_future(reads.read(namespace, ref, RemoteRef(key), urgent=urgent)) for key in keys]


async def test_reads_within_the_window_are_one_call_and_errors_stay_with_their_own() -> None:
    async with running(World()) as world:
        tasks = start(world, "a", "gone")
        await world.clock.advance(0.04)
        tasks += start(world, "secret")  # the third fills it
        await settle()
        assert world.backend.calls == ["many a gone secret"]
        assert tasks[0].result().reveal() == b"a"
        assert [type(task.exception()) for task in tasks[1:]] == [SecretNotFound, Denied]


async def test_a_batch_leaves_when_its_window_ends_or_it_is_full() -> None:
    async with running(World()) as world:
        tasks = start(world, "a", "b", "c", "d")
        await settle()
        assert world.backend.calls == ["many a b c"]
        await world.clock.advance(0.05)
        assert world.backend.calls == ["many a b c", "many d"]
        assert [task.result().reveal() for task in tasks] == [b"a", b"b", b"c", b"d"]


async def test_an_urgent_read_takes_the_waiting_ones_along_at_once() -> None:
    async with running(World()) as world:
        tasks = start(world, "a")
        await settle()
        tasks += start(world, "b", urgent=True)
        await settle()
        assert world.backend.calls == ["many a b"]
        assert all(task.done() for task in tasks)


async def test_the_urgent_reads_of_one_turn_travel_together() -> None:
    async with running(World()) as world:
        await asyncio.gather(*start(world, "a", "b", urgent=True))
        assert world.backend.calls == ["many a b"]


async def test_equal_reads_are_one_place_in_the_batch() -> None:
    async with running(World()) as world:
        tasks = start(world, "a", "a", "b")
        await world.clock.advance(0.05)
        assert world.backend.calls == ["many a b"]
        assert [task.result().reveal() for task in tasks] == [b"a", b"a", b"b"]


async def test_a_request_that_travels_alone_does() -> None:
    async with running(World()) as world:
        await asyncio.gather(*start(world, "alone-1", "alone-2"))
        assert sorted(world.backend.calls) == ["read alone-1", "read alone-2"]


async def test_a_secret_that_the_answer_leaves_out_is_no_proven_absence() -> None:
    async with running(World()) as world:
        (task,) = start(world, "forgotten")
        await world.clock.advance(0.05)
        assert isinstance(task.exception(), Malformed)


async def test_one_failed_batch_is_one_failure() -> None:
    async with running(World()) as world:
        await asyncio.gather(*start(world, "warm", urgent=True))
        for _ in range(2):
            world.backend.failures = [Unavailable("down")]
            tasks = start(world, "a", "b", "c")
            await settle()
            assert {type(task.exception()) for task in tasks} == {Unavailable}
        assert world.gates.admit(world.reader.gates_of("team-a", MAIN)) is None
        world.backend.failures = [Unavailable("down")]
        tasks = start(world, "a", "b", "c")
        await settle()
        assert {type(task.exception()) for task in tasks} == {GateClosed}


async def test_another_login_and_another_mount_are_other_batches() -> None:
    async with running(World()) as world:
        world.add(store("mounted", block={"mount": "other"}))
        world.add(store(namespace="team-b"))
        world.rest.secret("team-b", "token", token="t-2")
        tasks = (
            start(world, "a") + start(world, "b", ref=StoreRef(name="mounted")) + start(world, "c", namespace="team-b")
        )
        await world.clock.advance(0.05)
        assert sorted(world.backend.calls) == ["many a", "many b", "many c"]
        assert all(task.done() for task in tasks)


async def test_namespaces_of_one_cluster_store_share_a_batch_but_not_a_closed_path() -> None:
    async with running(World()) as world:
        world.add(store(namespace="", block={"token": {"name": "token", "key": "token", "namespace": "team-a"}}))
        await asyncio.gather(*start(world, "warm", urgent=True, ref=CLUSTER))
        tasks = start(world, "a", ref=CLUSTER) + start(world, "b", ref=CLUSTER, namespace="team-b")
        await world.clock.advance(0.05)
        assert world.backend.calls == ["many warm", "many a b"]
        for _ in range(3):
            world.backend.failures = [Unavailable("the path of team-a")]
            (task,) = start(world, "a", urgent=True, ref=CLUSTER)
            await settle()
            assert task.exception()
        tasks = start(world, "a", ref=CLUSTER) + start(world, "b", ref=CLUSTER, namespace="team-b")
        await world.clock.advance(0.05)
        assert isinstance(tasks[0].exception(), GateClosed)
        assert tasks[1].result().reveal() == b"b"


async def test_a_reader_that_gives_up_leaves_the_batch_to_the_others() -> None:
    async with running(World()) as world:
        tasks = start(world, "a", "b")
        await settle()
        tasks[0].cancel()
        await world.clock.advance(0.05)
        assert world.backend.calls == ["many b"]
        assert tasks[1].result().reveal() == b"b"


async def test_a_reader_that_gives_up_leaves_the_request_to_a_newer_reader_of_the_same() -> None:
    async with running(World()) as world:
        (first,) = start(world, "a")
        await world.clock.advance(0.01)
        newer = asyncio.ensure_future(world.reader.reads.read("team-a", MAIN, RemoteRef("a"), world.clock.monotonic()))
        await settle()
        first.cancel()
        await world.clock.advance(0.05)
        assert world.backend.calls == ["many a"]
        assert newer.result().reveal() == b"a"


async def test_every_await_of_a_batched_read_may_be_cancelled() -> None:
    async with running(World()) as world:

        async def once() -> None:
            tasks = start(world, "a", urgent=True)
            await tasks[0]

        async for _ in every_await(lambda: world.reader.reads.read("team-a", MAIN, RemoteRef("db"), urgent=True)):
            await settle()
            assert world.backend.in_flight == 0
            assert world.reader.reads.batcher._open == {}
        await once()
