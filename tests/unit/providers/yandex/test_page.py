"""The manifests of the pages, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.front import Front, manifests
from tests.fakes.yandex import key_file
from tests.unit.providers.yandex.conftest import World

PAGES = Path(__file__).parents[4] / "docs" / "providers"


async def test_the_manifest_of_lockbox_is_served_with_one_request_after_the_login(world: World) -> None:
    world.fake.put("e6qetpqfe8vvag9h7jkr", {"password": "secret"})
    front = Front(world.provider, manifests(PAGES / "yandexlockbox.md", AUTHORIZED_KEY=key_file("key-1")))
    async with front.running():
        assert await front.read() == b"secret"
    assert [call for _, call, _ in front.calls.seen] == ["GetEndpoint", "CreateToken", "GetEndpoint", "GetPayload"]
    assert {provider for provider, _, _ in front.calls.seen} == {"Yandex/Lockbox"}
