"""The manifest of docs/providers/onepassword.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from eso.providers.contract import Push, Remote, Source
from tests.fakes.backend import Fault
from tests.fakes.front import Front, manifests
from tests.fakes.onepassword import TOKEN
from tests.unit.providers.onepassword.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "onepassword.md"


def front(world: World) -> Front:
    world.fake.vaults["b" * 26] = "Shared"
    world.fake.put("database", {"password": "secret"})
    words = {"https://connect.example.com": world.fake.address, "CONNECT_TOKEN": TOKEN}
    return Front(world.provider, manifests(PAGE, **words))


async def test_the_manifest_of_the_page_is_served_with_three_requests_for_an_item(world: World) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["ListVaults", "ListItems", "GetItem"]


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        for value in (b"1", b"2"):
            await cluster.stores.push("team-a", cluster.store, Push(Remote("pushed"), "k"), Source({"k": value}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("pushed"))
        await cluster.stores.delete("team-a", cluster.store, Remote("pushed"))
    assert {call for _, call, _ in cluster.calls.seen} == {
        "ListVaults",
        "ListItems",
        "GetItem",
        "CreateItem",
        "UpdateItem",
        "DeleteItem",
    }
    assert {provider for provider, _, _ in cluster.calls.seen} == {"1Password/Connect"}
    assert len(cluster.calls.seen) == len(world.fake.asked)


async def test_a_refusal_that_comes_under_load_fails_no_read(world: World) -> None:
    busy = '{"status":403,"message":"Authorization: forbidden"}'
    async with (cluster := front(world)).running():
        world.fake.fail(Fault(403, body=busy, times=2))
        assert await cluster.read() == b"secret"
    assert [status for _, _, status in cluster.calls.seen] == ["error", "error", "success", "success", "success"]
