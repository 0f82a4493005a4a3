"""The manifest of docs/providers/nebiusmysterybox.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.front import Front, manifests
from tests.fakes.nebius import key_file
from tests.unit.providers.nebius.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "nebiusmysterybox.md"


async def test_the_manifest_of_the_page_is_served_with_one_request_after_the_login(world: World) -> None:
    world.fake.put("mbsec-e00hx4rz4ex8vn7mqk", {"password": "secret"})
    front = Front(world.provider, manifests(PAGE, CREDENTIALS=key_file("publickey-1")))
    async with front.running():
        assert await front.read() == b"secret"
    assert [(provider, call) for provider, call, _ in front.calls.seen] == [
        ("Nebius/Mysterybox", "Auth"),
        ("Nebius/Mysterybox", "GetSecret"),
    ]
