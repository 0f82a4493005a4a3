"""The manifest of docs/providers/senhasegura.md, applied through the front door of stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.fakes.front import Front, manifests
from tests.fakes.senhasegura import CLIENT, HOST, SECRET
from tests.unit.providers.senhasegura.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "senhasegura.md"


async def test_the_manifest_of_the_page_is_served_with_one_login_and_one_request(world: World) -> None:
    world.fake.put("database", {"password": "secret"})
    world.fake.put("other", {"password": "other"})
    words = {"senhasegura.example.com": HOST, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET}
    async with (cluster := Front(world.provider, manifests(PAGE, **words))).running():
        assert await cluster.read() == b"secret"
        assert [call for _, call, _ in cluster.calls.seen] == ["GetToken", "GetApplication"]
        assert await asyncio.gather(cluster.read("database", "password"), cluster.read("other", "password")) == [
            b"secret",
            b"other",
        ]
    assert len(cluster.calls.seen) == len(world.fake.asked)
