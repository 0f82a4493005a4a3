"""Calls that namespaces share, led by one that uses up what it may have: the others do not wait in its line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from eso.providers.contract import Unavailable
from eso.runtime.memory import Memory, holding
from eso.stores.gate import GateClosed, route
from tests.fakes.clock import settle
from tests.unit.stores.backends import World, store
from tests.unit.stores.test_reader import CLUSTER, MAIN, read, running


@asynccontextmanager
async def shared(in_flight: int = 4) -> AsyncIterator[World]:
    """A ClusterSecretStore for everybody, and a SecretStore `main` of `team-a` at the same server."""
    world = World(in_flight=in_flight)
    world.memory = Memory(64 << 20, world.clock)
    world.add(store(namespace="", block={"token": {"name": "token", "key": "token", "namespace": "team-a"}}))
    world.backend.values |= {f"slow-{n}": b"" for n in range(20)}
    world.backend.hanging = {f"slow-{n}" for n in range(20)}
    async with running(world):
        yield world


async def counted(world: World, namespace: str, key: str = "db", ref: object = CLUSTER) -> bytes:
    assert world.memory is not None
    with holding(world.memory.open(namespace)):
        return await read(world, namespace, ref, key)  # type: ignore[arg-type]


async def reading(world: World, namespace: str, keys: list[str], ref: object = CLUSTER) -> list[asyncio.Task[bytes]]:
    tasks = [asyncio.create_task(counted(world, namespace, key, ref)) for key in keys]
    await settle()
    return tasks


async def end(*tasks: asyncio.Task[bytes]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_read_whose_leader_waits_for_a_slot_is_made_by_those_who_joined_it() -> None:
    async with shared() as world:
        await counted(world, "team-b", "db")
        slow = await reading(world, "team-a", [f"slow-{n}" for n in range(20)])
        led = await reading(world, "team-a", ["db"])
        joined = await reading(world, "team-b", ["db"]) + await reading(world, "team-c", ["db"])
        await world.clock.advance(1.5)
        assert [task.done() and task.result() for task in joined] == [b"hunter2"] * 2
        assert not led[0].done()
        await end(*slow, *led)


async def test_a_login_whose_leader_waits_for_a_slot_is_made_by_those_who_joined_it() -> None:
    async with shared() as world:
        slow = await reading(world, "team-a", [f"slow-{n}" for n in range(20)], MAIN)
        led = await reading(world, "team-a", ["db"])
        joined = await reading(world, "team-b", ["db"]) + await reading(world, "team-c", ["db"])
        await world.clock.advance(3.0)
        assert [task.done() and task.result() for task in joined] == [b"hunter2"] * 2
        assert not led[0].done()
        await end(*slow, *led)


async def test_a_read_whose_leader_waits_for_a_probe_of_its_own_namespace_is_made_by_those_who_joined_it() -> None:
    async with shared() as world:
        await counted(world, "team-b", "db")
        endpoint = route("scripted", "a:443", "team-a", "", "", None).endpoint
        for _ in range(3):
            with pytest.raises(Unavailable):
                async with world.gates.call(route("scripted", "a:443", "team-a", "x", "x", None)):
                    raise Unavailable("connection refused")
        await world.clock.advance(1.5)
        assert world.gates.states()[endpoint] == "half-open"
        probe = await reading(world, "team-a", ["slow-1"])
        led = await reading(world, "team-a", ["db"])
        joined = await reading(world, "team-b", ["db"])
        await world.clock.advance(1.5)
        assert joined[0].done() and not led[0].done()
        await end(*probe, *led)


async def test_a_call_that_is_sent_is_shared_however_long_it_takes() -> None:
    async with shared() as world:
        await counted(world, "team-b", "db")
        world.backend.calls.clear()
        world.backend.hold = asyncio.Event()
        tasks = [task for name in "abcdef" for task in await reading(world, f"team-{name}", ["db"])]
        await world.clock.advance(30.0)
        world.backend.hold.set()
        assert await asyncio.gather(*tasks) == [b"hunter2"] * 6
        assert world.backend.calls == ["read db"]


async def test_the_gate_that_the_leader_of_a_login_met_parks_no_other_namespace() -> None:
    async with shared() as world:
        for _ in range(3):
            with pytest.raises(Unavailable):
                async with world.gates.call(route("scripted", "a:443", "team-a", "x", "x", None)):
                    raise Unavailable("connection refused")
        led = asyncio.create_task(counted(world, "team-a"))
        joined = asyncio.create_task(counted(world, "team-b"))
        await asyncio.wait([led, joined])
        assert isinstance(led.exception(), GateClosed)
        assert joined.result() == b"hunter2"


async def test_a_shared_login_is_renewed_though_the_namespace_that_opened_it_has_closed_its_gates() -> None:
    async with shared() as world:
        world.backend.lifetime = 90.0
        await counted(world, "team-a")
        for _ in range(3):
            with pytest.raises(Unavailable):
                async with world.gates.call(route("scripted", "a:443", "team-a", "x", "x", None)):
                    raise Unavailable("connection refused")
        for _ in range(3):  # its probes fail: the gate is closed for half a minute by then
            await world.clock.advance(18.0)
            with suppress(Unavailable, GateClosed):
                async with world.gates.call(route("scripted", "a:443", "team-a", "x", "x", None)):
                    raise Unavailable("connection refused")
        assert world.gates.states()["endpoint:scripted:a:443@team-a"] == "closed"
        await world.clock.advance(7.0)
        assert world.gates.states()["endpoint:scripted:a:443@team-a"] == "closed"
        assert world.backend.renewals == 1
