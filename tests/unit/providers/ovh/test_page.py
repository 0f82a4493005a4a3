"""The manifest of docs/providers/ovh.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from eso.providers.contract import Push, Remote, Source
from tests.fakes.front import Front, manifests
from tests.fakes.ovh import TOKEN
from tests.unit.providers.ovh.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "ovh.md"


def front(world: World) -> Front:
    world.fake.put("shop/database", {"password": "secret"})
    words = {"https://eu-west-rbx.okms.ovh.net": world.fake.address, "TOKEN_OF_OKMS": TOKEN}
    return Front(world.provider, manifests(PAGE, **words))


async def test_the_manifest_of_the_page_is_served_with_one_request(world: World) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["GetSecret"]


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        for value in (b"1", b"2"):
            await cluster.stores.push("team-a", cluster.store, Push(Remote("p"), "k"), Source({"k": value}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("p"))
        await cluster.stores.delete("team-a", cluster.store, Remote("p"))
    seen = {call for _, call, _ in cluster.calls.seen}
    assert seen == {"GetSecret", "CreateSecret", "UpdateSecret", "DeleteSecret"}
    assert len(cluster.calls.seen) == len(world.fake.asked)
