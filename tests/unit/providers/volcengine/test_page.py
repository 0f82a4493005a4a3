"""The manifest of docs/providers/volcengine.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.front import Front, manifests
from tests.fakes.volcengine import ACCESS, SECRET
from tests.unit.providers.volcengine.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "volcengine.md"


async def test_the_manifest_of_the_page_is_served_with_one_request(world: World) -> None:
    world.fake.put("database", '{"password":"secret"}')
    words = {"SECRET_ACCESS_KEY": SECRET, "ACCESS_KEY_ID": ACCESS}
    async with (cluster := Front(world.provider, manifests(PAGE, **words))).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["GetSecretValue"]
    assert len(cluster.calls.seen) == len(world.fake.asked)
