"""The manifest of docs/providers/previder.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from eso.providers.contract import SecretNotFound
from tests.fakes.front import Front, manifests
from tests.fakes.previder import TOKEN
from tests.unit.providers.previder.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "previder.md"


async def test_the_manifest_of_the_page_is_served_with_one_request(world: World) -> None:
    world.fake.secrets["database-password"] = "secret"
    words = {"https://vault.previder.io": world.fake.address, "ACCESS_TOKEN": TOKEN}
    async with (cluster := Front(world.provider, manifests(PAGE, **words))).running():
        assert await cluster.read() == b"secret"
        assert [call for _, call, _ in cluster.calls.seen] == ["DecryptSecret"]
        with pytest.raises(SecretNotFound):
            await cluster.read("gone")
    assert [call for _, call, _ in cluster.calls.seen] == ["DecryptSecret", "DecryptSecret", "ListSecrets"]
    assert len(cluster.calls.seen) == len(world.fake.asked)
