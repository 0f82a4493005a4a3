"""A server that answers with anything: every operation ends with a value or with an error of ours that quotes
nothing.
"""

from __future__ import annotations

import json
import random
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from eso.errors import EsoError
from eso.providers.contract import Find, Push, Remote, RemoteRef, Source, StoreView
from eso.providers.vault.client import VaultClient
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole, found
from tests.fakes.vault import ROOT, FakeVault

PLANTED = "planted-7f3a9c"
SCALARS: list[Any] = [None, True, 0, -1, 1.5, 10**400, "", PLANTED, "../..", "a/", [], {}, [PLANTED], {PLANTED: 1}]
NAMES = ["data", "metadata", "custom_metadata", "keys", "auth", "client_token", "lease_duration", "renewable", "errors"]
NAMES += ["warnings", "current_version", "type", "ttl", "expire_time", "options", "version", "managed-by", "user"]
BODIES = [
    b"",
    b"null",
    b"[" * 100_000,
    b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"data":{"data":{"user":"' + b"x" * (5 << 20) + b'"}}}',
    b'{"data":{"keys":5}}',
    b'{"data":{"keys":["../x","a//b",""]}}',
    b'{"data":{"metadata":{},"current_version":'
    + b"9" * 5_000
    + b',"custom_metadata":{"managed-by":"external-secrets"}}}',
    b"\xff\xfe{}",
    b'{"data":{"data":{"\\ud800":"\\udfff"}}}',
    b"<html>" + PLANTED.encode(),
]


def made(dice: random.Random, depth: int = 0) -> Any:
    """A JSON value with members that a Vault could have, of types that it would not send."""
    if depth > 3 or dice.random() < 0.3:
        return dice.choice(SCALARS)
    if dice.random() < 0.2:
        return [made(dice, depth + 1) for _ in range(dice.randrange(3))]
    return {dice.choice(NAMES): made(dice, depth + 1) for _ in range(dice.randrange(1, 4))}


class Hostile(FakeVault):
    """Answers every request with one body and one status."""

    body, status = b"", 200

    async def answer(self, asked: Any) -> web.StreamResponse:
        return web.Response(status=self.status, body=self.body, content_type="application/json")


@pytest.fixture
async def server() -> AsyncIterator[Hostile]:
    async with Hostile() as hostile:
        yield hostile


async def operations(server: Hostile, whole: Whole) -> AsyncIterator[Any]:
    """Each operation of a client, against the server as it is; the login by role is one of them."""
    block = {"server": server.address, "path": "secret"}
    who = StaticCredentials({"login/token": ROOT, "role/id": "x"})

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


async def survive(server: Hostile) -> None:
    whole = Whole("vault")
    async for operation in operations(server, whole):
        try:
            await operation
        except EsoError as error:
            assert PLANTED not in "".join(traceback.format_exception(error)) + error.fix
    await whole.close()


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:40]))
async def test_a_body_that_no_vault_sends(server: Hostile, body: bytes) -> None:
    for status in (200, 404, 400, 500):
        server.body, server.status = body, status
        await survive(server)


@pytest.mark.parametrize("seed", range(12))
async def test_members_of_other_types(server: Hostile, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(12):
        server.body = json.dumps({name: made(dice) for name in ("data", "auth", "errors")}).encode()
        server.status = dice.choice((200, 200, 200, 204, 404, 400, 403, 412, 429, 503))
        await survive(server)
