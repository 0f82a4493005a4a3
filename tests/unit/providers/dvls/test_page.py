"""The manifest of docs/providers/dvls.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from eso.providers.contract import Push, Remote, Source
from tests.fakes.dvls import APP, SECRET
from tests.fakes.front import Front, manifests
from tests.unit.providers.dvls.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "dvls.md"


def front(world: World) -> Front:
    world.fake.put("database", path="Prod", password="secret")
    words = {
        "https://dvls.example.com": f"{world.fake.address}\n      insecure: true",
        "APP_ID": APP,
        "APP_SECRET": SECRET,
    }
    return Front(world.provider, manifests(PAGE, **words))


async def test_the_manifest_of_the_page_is_served_with_one_login_and_two_requests(world: World) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen][:4] == ["Login", "ListVaults", "ListEntries", "GetEntry"]


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        key = Remote("Prod/database")
        await cluster.stores.push("team-a", cluster.store, Push(key, "k"), Source({"k": b"new"}))
        assert await cluster.stores.exists("team-a", cluster.store, key)
        await cluster.stores.delete("team-a", cluster.store, key)
        assert not await cluster.stores.exists("team-a", cluster.store, key)
    assert {call for _, call, _ in cluster.calls.seen} >= {
        "Login",
        "ListVaults",
        "ListEntries",
        "GetEntry",
        "UpdateEntry",
        "DeleteEntry",
        "IsLogged",
    }
    assert len(cluster.calls.seen) == len(world.fake.asked) - world.fake.count("logout")  # no store asks for that one
