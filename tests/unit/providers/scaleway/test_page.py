"""The manifest of docs/providers/scaleway.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from eso.providers.contract import Push, Remote, Source
from tests.fakes.front import Front, manifests
from tests.fakes.scaleway import ACCESS, SECRET
from tests.unit.providers.scaleway.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "scaleway.md"


def front(world: World) -> Front:
    world.fake.put("database", b'{"password":"secret"}', "/shop")
    words = {"https://api.scaleway.com": world.fake.address, "ACCESS_KEY": ACCESS, "SECRET_KEY": SECRET}
    return Front(world.provider, manifests(PAGE, **words))


async def test_the_manifest_of_the_page_is_served_with_two_requests(world: World) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["ListSecrets", "AccessSecretVersion"]


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        for value in (b"1", b"2"):
            await cluster.stores.push("team-a", cluster.store, Push(Remote("name:p"), "k"), Source({"k": value}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("name:p"))
        await cluster.stores.delete("team-a", cluster.store, Remote("name:p"))
    assert {call for _, call, _ in cluster.calls.seen} == {
        "ListSecrets",
        "CreateSecret",
        "CreateSecretVersion",
        "GetSecretVersion",
        "AccessSecretVersion",
        "DisableSecretVersion",
        "DeleteSecret",
    }
    assert len(cluster.calls.seen) == len(world.fake.asked)
