"""A server that answers with anything: every operation ends with a value or with an error of ours that quotes
nothing.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import Find, Push, Remote, RemoteRef, Source, StoreView
from eso.providers.vault.client import VaultClient
from tests.fakes import hostile
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole, found
from tests.fakes.hostile import Hostile, survive

NAMES = ["data", "metadata", "custom_metadata", "keys", "auth", "client_token", "lease_duration", "renewable", "errors"]
NAMES += ["warnings", "current_version", "type", "ttl", "expire_time", "options", "version", "managed-by", "user"]
BODIES = [
    *hostile.BODIES,
    b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"data":{"data":{"user":"' + b"x" * (5 << 20) + b'"}}}',
    b'{"data":{"keys":5}}',
    b'{"data":{"keys":["../x","a//b",""]}}',
    b'{"data":{"metadata":{},"current_version":'
    + b"9" * 5_000
    + b',"custom_metadata":{"managed-by":"external-secrets"}}}',
    b'{"data":{"data":{"\\ud800":"\\udfff"}}}',
]


@pytest.fixture
async def server() -> AsyncIterator[Hostile]:
    async with Hostile() as made:
        yield made


async def operations(server: Hostile) -> AsyncIterator[Any]:
    """Each operation of a client, against the server as it is; the login by role is one of them."""
    whole = Whole("vault")
    block = {"server": server.address, "path": "secret"}
    who = StaticCredentials({"login/token": "t", "role/id": "x"})

    async def opened(auth: dict[str, Any]) -> VaultClient:
        view = StoreView("SecretStore", "store", "team-a", whole.name, {**block, "auth": auth})
        client = await whole.open(view, who)
        assert isinstance(client, VaultClient)
        return client

    client = await opened({"tokenSecretRef": {"name": "login", "key": "token"}})
    for ref in (RemoteRef("a"), RemoteRef("a", "user"), RemoteRef("a", metadata_policy="Fetch")):
        yield client.fetch(client.request(ref))
    yield found(client, Find(name_regexp=".*"))
    yield found(client, Find(tags=(("user", "x"),)))
    yield client.validate()
    for property in ("", "user"):
        yield client.push(Push(Remote("a", property), "v"), Source({"v": b'{"user":"me"}'}))
        yield client.delete(Remote("a", property))
        yield client.exists(Remote("a", property))
    yield opened({"appRole": {"roleId": "x", "secretRef": {"name": "role", "key": "id"}}})
    yield client.close()
    await whole.close()


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:40]))
async def test_a_body_that_no_vault_sends(server: Hostile, body: bytes) -> None:
    for status in (200, 404, 400, 500):
        server.body, server.status = body, status
        await survive(operations(server))


@pytest.mark.parametrize("seed", range(12))
async def test_members_of_other_types(server: Hostile, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(12):
        server.say(dice, NAMES, ("data", "auth", "errors"))
        await survive(operations(server))
