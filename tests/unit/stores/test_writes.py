"""Pushes and deletions: behind the same gates as reads, in order, never shared and never repeated blindly."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import pytest

from eso.providers.contract import (
    AuthExpired,
    Busy,
    Push,
    Remote,
    Retries,
    Source,
    StoreView,
    Throttled,
    Unavailable,
)
from eso.stores.gate import GateClosed
from eso.stores.writes import ReadOnly
from tests.fakes.cancel import every_await
from tests.fakes.clock import settle
from tests.unit.stores import backends
from tests.unit.stores.backends import ScriptedClient, World, store
from tests.unit.stores.test_reader import MAIN, running


class WritingClient(ScriptedClient):
    def bind(self, store: StoreView) -> WritingClient:
        return WritingClient(self.backend, store, self.token, self.session)

    def place(self, remote: Remote) -> Hashable:
        return self.store.provider_spec.get("mount"), remote.key

    async def push(self, entry: Push, source: Source) -> None:
        await self.ask(f"push {entry.remote.key}")
        self.backend.values[entry.remote.key] = source.data[entry.secret_key]

    async def delete(self, remote: Remote) -> None:
        await self.ask(f"delete {remote.key}")
        self.backend.values.pop(remote.key, None)

    async def exists(self, remote: Remote) -> bool:
        await self.ask(f"exists {remote.key}")
        return remote.key in self.backend.values


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "ScriptedClient", WritingClient)


def push(world: World, key: str = "db", value: bytes = b"new") -> asyncio.Task[None]:
    entry, source = Push(Remote(key), "k"), Source({"k": value})
    return asyncio.ensure_future(world.reader.push("team-a", store(), entry, source))


async def test_a_provider_without_writes_says_so() -> None:
    async with running(World()) as world:
        with pytest.raises(ReadOnly, match="the provider scripted cannot write"):
            await push(world)


@pytest.mark.usefixtures("writing")
async def test_push_exists_and_delete_use_the_login_of_the_reads() -> None:
    async with running(World()) as world:
        await push(world, "new")
        assert await world.reader.exists("team-a", store(), Remote("new"))
        await world.reader.delete("team-a", store(), Remote("new"))
        assert not await world.reader.exists("team-a", store(), Remote("new"))
        assert world.backend.logins == ["t-1"]


@pytest.mark.usefixtures("writing")
async def test_equal_writes_are_made_one_after_the_other_and_writes_elsewhere_at_the_same_time() -> None:
    async with running(World()) as world:
        await push(world)
        world.backend.calls.clear()
        world.backend.hold = asyncio.Event()
        tasks = [push(world, value=b"1"), push(world, value=b"1"), push(world, value=b"2"), push(world, "other")]
        await settle()
        assert sorted(world.backend.calls) == ["push db", "push other"]
        world.backend.hold.set()
        await asyncio.wait(tasks)
        assert world.backend.calls.count("push db") == 3
        assert world.backend.values["db"] == b"2"
        assert world.reader.writing._turns._locks == {}


@pytest.mark.usefixtures("writing")
@pytest.mark.parametrize(
    "error", [Unavailable("the connection broke"), Busy("somebody else writes"), Throttled("slow down")], ids=repr
)
async def test_a_write_whose_outcome_is_unknown_is_not_made_again(error: Exception) -> None:
    async with running(World(retries=Retries(5, 1.0))) as world:
        await push(world)
        world.backend.failures = [error]  # type: ignore[list-item]  # each is an EsoError
        task = push(world)
        await world.clock.advance(30.0)
        assert task.exception() is not None
        assert world.backend.calls.count("push db") == 2


@pytest.mark.usefixtures("writing")
async def test_a_login_that_ran_out_is_replaced_because_a_refused_token_wrote_nothing() -> None:
    async with running(World()) as world:
        await push(world)
        world.backend.sessions.clear()
        await push(world)
        assert world.backend.logins == ["t-1", "t-1"]
        world.backend.failures = [AuthExpired("ended"), AuthExpired("ended")]
        assert await asyncio.wait([task := push(world)])
        assert task.exception() is not None


@pytest.mark.usefixtures("writing")
async def test_a_write_meets_the_gates_that_failed_reads_closed() -> None:
    async with running(World()) as world:
        await push(world)
        for _ in range(3):
            world.backend.failures = [Unavailable("down")]
            with pytest.raises(Unavailable):
                await push(world)
        with pytest.raises(GateClosed):
            await push(world)
        assert world.gates.admit(world.reader.gates_of("team-a", MAIN)) is not None


@pytest.mark.usefixtures("writing")
async def test_every_await_of_a_write_may_be_cancelled_and_the_next_one_gets_its_turn() -> None:
    async with running(World()) as world:
        entry, source = Push(Remote("db"), "k"), Source({"k": b"v"})
        async for _ in every_await(lambda: world.reader.push("team-a", store(), entry, source)):
            await settle()
            assert world.reader.writing._turns._locks == {}
        await push(world)


def test_what_is_pushed_never_prints() -> None:
    assert "hunter2" not in repr(Source({"k": b"hunter2"}))
