"""The manifest of docs/providers/beyondtrustworkloadcredentials.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.front import Front, manifests
from tests.fakes.workloadcredentials import HOST, SITE, TOKEN
from tests.unit.providers.beyondtrustworkloadcredentials.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "beyondtrustworkloadcredentials.md"


async def test_the_manifest_of_the_page_is_served_with_one_request(world: World) -> None:
    world.fake.secrets["shop/database"] = {"password": "secret"}
    words = {"api.beyondtrust.io": HOST, "SITE_ID": SITE, "API_TOKEN": TOKEN}
    cluster = Front(world.provider, manifests(PAGE, **words))
    async with cluster.running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["GetSecret"]
    assert len(cluster.calls.seen) == len(world.fake.asked)
