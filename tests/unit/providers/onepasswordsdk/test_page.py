"""The manifests of docs/providers/onepasswordsdk.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from eso.api.externalsecret import StoreRef
from eso.providers.contract import Push, Remote, RemoteRef, Source
from tests.fakes.front import Front, manifests
from tests.fakes.onepasswordsdk import TOKEN
from tests.unit.providers.onepasswordsdk.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "onepasswordsdk.md"


def front(world: World) -> Front:
    world.account.put("database", {"password": "secret", "user": "me"})
    return Front(world.provider, manifests(PAGE, SERVICE_ACCOUNT_TOKEN=TOKEN))


async def test_the_manifest_of_the_page_is_served_with_one_request(world: World) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["Authenticate", "Resolve"]


async def test_extract_asks_for_the_item_and_data_for_its_field(world: World) -> None:
    async with (cluster := front(world)).running():
        found = await cluster.stores.read_map("team-a", StoreRef("onepassword"), RemoteRef("database"))
    assert {name: value.reveal() for name, value in found.items()} == {"password": b"secret", "user": b"me"}


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        for value in (b"1", b"2"):
            await cluster.stores.push("team-a", cluster.store, Push(Remote("pushed"), "k"), Source({"k": value}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("pushed"))
        await cluster.stores.delete("team-a", cluster.store, Remote("pushed"))
    names = {"Authenticate", "VaultsList", "ItemsList", "ItemsGet", "ItemsCreate", "ItemsPut", "ItemsDelete"}
    assert {call for _, call, _ in cluster.calls.seen} == names
    assert {provider for provider, _, _ in cluster.calls.seen} == {"1Password/SDK"}
    assert len(cluster.calls.seen) == len(world.account.asked)
