"""The manifest of docs/providers/pulumi.md, applied through the front door of stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

from eso.providers.contract import Push, Remote, Source
from tests.fakes.front import Front, manifests
from tests.fakes.pulumi import TOKEN
from tests.unit.providers.pulumi.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "pulumi.md"


def front(world: World) -> Front:
    world.fake.values["database"] = {"password": "secret", "user": "me"}
    words = {"https://api.pulumi.com": world.fake.address, "ACCESS_TOKEN": TOKEN}
    return Front(world.provider, manifests(PAGE, **words))


async def test_the_manifest_of_the_page_is_served_with_two_requests(world: World) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["OpenEnvironment", "ReadProperty"]


async def test_reads_that_fall_due_together_open_the_environment_once(world: World) -> None:
    async with (cluster := front(world)).running():
        keys = ("database.password", "database.user")
        assert await asyncio.gather(*map(cluster.read, keys)) == [b"secret", b"me"]
    calls = sorted(call for _, call, _ in cluster.calls.seen)
    assert calls == ["OpenEnvironment", "ReadProperty", "ReadProperty"]


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        await cluster.read()
        await cluster.stores.push("team-a", cluster.store, Push(Remote("p"), "k"), Source({"k": b"1"}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("p"))
    seen = {call for _, call, _ in cluster.calls.seen}
    assert seen == {"OpenEnvironment", "ReadProperty", "ReadEnvironment", "UpdateEnvironment"}
    assert len(cluster.calls.seen) == len(world.fake.asked)
