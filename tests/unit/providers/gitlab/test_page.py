"""The manifest of docs/providers/gitlab.md, applied through the front door of stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

from eso.api.externalsecret import StoreRef
from eso.providers.contract import RemoteRef
from tests.fakes.front import Front, manifests
from tests.fakes.gitlab import TOKEN
from tests.unit.providers.gitlab.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "gitlab.md"


async def test_the_manifest_of_the_page_is_served_with_one_request(world: World) -> None:
    world.fake.put("DB_PASSWORD", "secret")
    front = Front(world.provider, manifests(PAGE, ACCESS_TOKEN=TOKEN))
    async with front.running():
        assert await front.read() == b"secret"
    assert front.calls.seen == [("GitLab", "ProjectVariableGet", "success")]


async def test_five_references_that_fall_due_together_are_one_request(world: World) -> None:
    names = [f"NAME_{number}" for number in range(5)]
    for name in names:
        world.fake.put(name, name)
    front = Front(world.provider, manifests(PAGE, ACCESS_TOKEN=TOKEN))
    async with front.running():
        store = StoreRef(name=front.store.metadata.name)
        reads = [front.stores.read("team-a", store, RemoteRef(name)) for name in names]
        assert [value.reveal().decode() for value in await asyncio.gather(*reads)] == names
    assert front.calls.seen == [("GitLab", "ProjectVariablesList", "success")]
