"""The manifest of docs/providers/fortanix.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.fortanix import KEY
from tests.fakes.front import Front, manifests
from tests.unit.providers.fortanix.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "fortanix.md"


async def test_the_manifest_of_the_page_is_served_with_two_requests(world: World) -> None:
    world.fake.put("database", b'{"password":"secret"}')
    words = {"https://sdkms.fortanix.com": world.fake.address, "API_KEY": KEY}
    async with (cluster := Front(world.provider, manifests(PAGE, **words))).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["GetSobject", "ExportSobject"]
    assert len(cluster.calls.seen) == len(world.fake.asked)
