"""The manifest of docs/providers/passworddepot.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.front import Front, manifests
from tests.fakes.passworddepot import HOST, PASSWORD, USER
from tests.unit.providers.passworddepot.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "passworddepot.md"


async def test_the_manifest_of_the_page_is_served_with_one_login(world: World) -> None:
    world.fake.put("Shop.database", **{"pass": "secret"})
    words = {"depot.example.com": HOST, "DEPOT_USER": USER, "DEPOT_PASSWORD": PASSWORD}
    async with (cluster := Front(world.provider, manifests(PAGE, **words))).running():
        assert await cluster.read() == b"secret"
    calls = ["Login", "ListDatabases", "ListEntries", "ListEntries", "ReadEntry"]
    assert [call for _, call, _ in cluster.calls.seen] == calls
    assert len(cluster.calls.seen) == len(world.fake.asked)
