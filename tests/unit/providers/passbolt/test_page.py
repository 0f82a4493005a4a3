"""The manifest of docs/providers/passbolt.md, applied through the front door of stores."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fakes.front import Front, manifests
from tests.fakes.passbolt import HOST, ONE, PASSPHRASE
from tests.unit.providers.passbolt.conftest import World

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "passbolt.md"
RESOURCE = "8dc5b3a1-6f3e-4a3d-9b0c-2f5f0f7d1c11"


async def test_the_manifest_of_the_page_is_served_and_every_request_goes_through_a_gate(world: World) -> None:
    world.fake.put(RESOURCE, "database", "secret")
    objects = manifests(PAGE, PASSPHRASE=PASSPHRASE)
    for one in objects:
        if one["kind"] == "Secret":
            assert re.match("-----BEGIN PGP PRIVATE KEY BLOCK-----", one["stringData"]["privateKey"])
            one["stringData"]["privateKey"] = ONE
        if one["kind"] == "SecretStore":
            one["spec"]["provider"]["passbolt"]["host"] = f"https://{HOST}"
    cluster = Front(world.provider, objects)
    async with cluster.running():
        assert await cluster.read() == b"secret"
        assert await cluster.read() == b"secret"
    calls = [call for _, call, _ in cluster.calls.seen]
    assert calls[:6] == ["Login", "Login", "GetMe", "GetResource", "GetResourceType", "GetSecret"]


async def test_a_session_that_ended_is_renewed_without_a_failed_read(world: World) -> None:
    world.fake.put(RESOURCE, "database", "secret")
    objects = manifests(PAGE, PASSPHRASE=PASSPHRASE)
    for one in objects:
        if one["kind"] == "Secret":
            one["stringData"]["privateKey"] = ONE
        if one["kind"] == "SecretStore":
            one["spec"]["provider"]["passbolt"]["host"] = f"https://{HOST}"
    cluster = Front(world.provider, objects)
    async with cluster.running():
        for _ in range(2):
            assert await cluster.read(RESOURCE, "password") == b"secret"
            world.fake.tokens.clear()
            assert await cluster.read(RESOURCE, "name") == b"database"
    assert world.fake.count("/users/me.json") == 3
