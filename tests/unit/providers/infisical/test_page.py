"""The manifest of docs/providers/infisical.md, applied through the front door of stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

from eso.api.externalsecret import StoreRef
from eso.providers.contract import Push, Remote, RemoteRef, Source
from tests.fakes.front import Front, manifests
from tests.fakes.infisical import CLIENT, PASSWORD
from tests.unit.providers.infisical.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "infisical.md"


def front(world: World) -> Front:
    return Front(world.provider, manifests(PAGE, CLIENT_ID=CLIENT, CLIENT_SECRET=PASSWORD))


async def test_the_manifest_of_the_page_is_served_with_a_login_and_a_request(world: World) -> None:
    world.fake.secrets["DB_PASSWORD"] = "secret"
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert cluster.calls.seen[:2] == [
        ("infisical", "MachineIdentityLoginViaUniversalAuth", "success"),
        ("infisical", "GetSecretByKeyV3", "success"),
    ]
    assert world.fake.tokens == set(), "the token is revoked at the end"


async def test_five_references_of_a_folder_that_fall_due_together_are_one_request(world: World) -> None:
    names = [f"NAME_{number}" for number in range(5)]
    world.fake.secrets.update({name: name for name in names})
    async with (cluster := front(world)).running():
        store = StoreRef(name=cluster.store.metadata.name)
        reads = [cluster.stores.read("team-a", store, RemoteRef(name)) for name in names]
        assert [value.reveal().decode() for value in await asyncio.gather(*reads)] == names
    assert world.fake.count("/v3/secrets/raw") == 1


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        for value in (b"1", b"2"):
            await cluster.stores.push("team-a", cluster.store, Push(Remote("PUSHED"), "k"), Source({"k": value}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("PUSHED"))
        await cluster.stores.delete("team-a", cluster.store, Remote("PUSHED"))
    assert {call for _, call, _ in cluster.calls.seen} == {
        "MachineIdentityLoginViaUniversalAuth",
        "GetSecretByKeyV3",
        "GetWorkspaceBySlug",
        "CreateSecretV3",
        "UpdateSecretV3",
        "DeleteSecretV3",
    }
    assert len(cluster.calls.seen) == world.fake.count() - world.fake.count("revoke")


async def test_a_token_that_is_withdrawn_is_replaced_without_a_failed_read(world: World) -> None:
    world.fake.secrets["DB_PASSWORD"] = "secret"
    async with (cluster := front(world)).running():
        for _ in range(3):
            world.fake.tokens.clear()
            assert await cluster.read() == b"secret"
    assert world.fake.count("/login$") == 3
