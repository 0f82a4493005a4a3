"""The manifest of docs/providers/onboardbase.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.front import Front, manifests
from tests.fakes.onboardbase import KEY, PASSCODE
from tests.unit.providers.onboardbase.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "onboardbase.md"


async def test_the_manifest_of_the_page_is_served_with_one_request_through_a_gate(world: World) -> None:
    world.fake.secrets["DATABASE_PASSWORD"] = "secret"
    cluster = Front(world.provider, manifests(PAGE, API_KEY=KEY, PASSCODE=PASSCODE))
    async with cluster.running():
        assert await cluster.read() == b"secret"
    assert cluster.calls.seen == [("Onboardbase", "GetSecrets", "success")]
    assert len(world.fake.asked) == 1
