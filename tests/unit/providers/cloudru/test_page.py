"""The manifest of docs/providers/cloudrusm.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.cloudru import KEY_ID, PROJECT, SECRET
from tests.fakes.front import Front, manifests
from tests.unit.providers.cloudru.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "cloudrusm.md"


async def test_the_manifest_of_the_page_is_served_with_one_request_after_the_login(world: World) -> None:
    world.fake.put("shop/database", b'{"password":"secret"}')
    words = {"PROJECT": PROJECT, "KEY_ID": KEY_ID, "KEY_SECRET": SECRET}
    front = Front(world.provider, manifests(PAGE, **words))
    async with front.running():
        assert await front.read() == b"secret"
    assert [call for _, call, _ in front.calls.seen] == ["GetEndpoints", "GetToken", "AccessSecret"]
    assert {provider for provider, _, _ in front.calls.seen} == {"Cloud.ru/SecretManager"}
