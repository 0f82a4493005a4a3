"""The manifest of docs/providers/barbican.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.barbican import PASSWORD, USER
from tests.fakes.front import Front, manifests
from tests.unit.providers.barbican.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "barbican.md"
KEY = "b7f1c3e0-2222-4333-8444-555555555555"


async def test_the_manifest_of_the_page_is_served_with_one_login_and_one_request(world: World) -> None:
    world.fake.put(KEY, b"secret")
    words = {"https://keystone.example.com:5000": world.fake.address, "ESO_USER": USER, "ESO_PASSWORD": PASSWORD}
    async with (cluster := Front(world.provider, manifests(PAGE, **words))).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["CreateToken", "GetPayload"]
    assert len(cluster.calls.seen) == len(world.fake.asked)
