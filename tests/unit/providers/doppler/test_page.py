"""The manifest of docs/providers/doppler.md, applied through the front door of stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

from eso.api.externalsecret import StoreRef
from eso.providers.contract import Push, Remote, RemoteRef, Source
from tests.fakes.doppler import IDENTITY, TOKEN
from tests.fakes.front import Front, manifests
from tests.unit.providers.doppler.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "doppler.md"


async def test_the_manifest_of_the_page_is_served_with_one_request(world: World) -> None:
    world.fake.secrets["DB_PASSWORD"] = "secret"
    front = Front(world.provider, manifests(PAGE, SERVICE_TOKEN=TOKEN))
    async with front.running():
        assert await front.read() == b"secret"
    assert front.calls.seen == [("Doppler", "DownloadSecrets", "success")]


async def test_five_references_that_fall_due_together_are_one_request(world: World) -> None:
    names = [f"NAME_{number}" for number in range(5)]
    world.fake.secrets.update({name: name for name in names})
    front = Front(world.provider, manifests(PAGE, SERVICE_TOKEN=TOKEN))
    async with front.running():
        store = StoreRef(name=front.store.metadata.name)
        reads = [front.stores.read("team-a", store, RemoteRef(name)) for name in names]
        assert [value.reveal().decode() for value in await asyncio.gather(*reads)] == names
    assert len(world.fake.asked) == 1


async def test_every_request_goes_through_a_gate(world: World) -> None:
    front = Front(world.provider, manifests(PAGE, SERVICE_TOKEN=TOKEN))
    async with front.running():
        await front.stores.push("team-a", front.store, Push(Remote("PUSHED"), "k"), Source({"k": b"v"}))
        assert await front.stores.exists("team-a", front.store, Remote("PUSHED"))
        await front.stores.delete("team-a", front.store, Remote("PUSHED"))
    assert {call for _, call, _ in front.calls.seen} == {"DownloadSecrets", "UpdateSecrets"}
    assert len(front.calls.seen) == len(world.fake.asked)


async def test_an_exchanged_token_that_is_withdrawn_is_replaced_without_a_failed_read(world: World) -> None:
    world.fake.secrets["DB_PASSWORD"] = "secret"
    objects = manifests(PAGE, SERVICE_TOKEN=TOKEN)
    account = {"identity": IDENTITY, "serviceAccountRef": {"name": "app"}}
    objects[0]["spec"]["provider"]["doppler"]["auth"] = {"oidcConfig": account}
    front = Front(world.provider, objects)
    front.rest.objects["serviceaccounts/team-a/app"] = {"metadata": {"name": "app", "uid": "u"}}
    world.fake.subjects.add("token-of-team-a-app")
    async with front.running():
        for _ in range(2):
            world.fake.tokens.clear()
            assert await front.read() == b"secret"
    assert world.fake.count("/v3/auth/oidc") == 2
    assert front.rest.tokens[0] == {
        "namespace": "team-a",
        "name": "app",
        "audiences": ["https://api.doppler.com", "secretStore:team-a:doppler"],
        "expirationSeconds": 600,
    }
