"""The manifest of docs/providers/beyondtrust.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from eso.providers.contract import Push, Remote, Source
from tests.fakes.beyondtrust import API_KEY, HOST
from tests.fakes.front import Front, manifests
from tests.unit.providers.beyondtrust.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "beyondtrust.md"
METADATA = {"title": "p", "folder_name": "shop", "secret_type": "TEXT"}


def front(world: World) -> Front:
    world.fake.put("database", "secret", "shop/prod")
    return Front(world.provider, manifests(PAGE, **{"pam.example.com": HOST, "PS_AUTH_KEY": API_KEY}))


async def test_the_manifest_of_the_page_is_served_with_one_request_after_the_sign_in(world: World) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen][:2] == ["SignAppIn", "GetSecret"]


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        for _ in range(2):
            entry = Push(Remote("p"), "k", METADATA)
            await cluster.stores.push("team-a", cluster.store, entry, Source({"k": b"v"}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("p"))
        asked = len(world.fake.asked)
        seen = {call for _, call, _ in cluster.calls.seen}
        assert len(cluster.calls.seen) == asked
    assert seen == {"SignAppIn", "GetFolders", "FindSecret", "CreateSecret"}
    assert world.fake.count("/secrets/text$", "POST") == 1
