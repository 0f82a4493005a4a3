"""The manifest of docs/providers/ibm.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.front import Front, manifests
from tests.fakes.ibm import INSTANCE, KEY
from tests.unit.providers.ibm.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "ibm.md"


async def test_the_manifest_of_the_page_is_served_with_one_login_and_one_request(world: World) -> None:
    world.fake.put("username_password", "database", "shop", username="me", password="secret")
    words = {"INSTANCE.REGION.secrets-manager.appdomain.cloud": INSTANCE, "API_KEY": KEY}
    async with (cluster := Front(world.provider, manifests(PAGE, **words))).running():
        assert await cluster.read() == b"secret"
    assert [call for _, call, _ in cluster.calls.seen] == ["GetToken", "GetSecretByNameType"]
    assert len(cluster.calls.seen) == len(world.fake.asked)
