"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import RemoteRef, StoreView
from eso.providers.nebius.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.nebius import DOMAIN, FakeNebius, key_file

KEY = {"serviceAccountCredsSecretRef": {"name": "login", "key": "key.json"}}
TOKEN = {"tokenSecretRef": {"name": "login", "key": "token"}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"apiDomain": DOMAIN, "auth": KEY} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "nebiusmysterybox", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store at the contract server."""

    def __init__(self, fake: FakeNebius) -> None:
        self.fake, self.provider = fake, Whole("nebiusmysterybox", hosts=fake.hosts)
        self.credentials = StaticCredentials(
            {"login/key.json": key_file("publickey-1"), "login/token": "ready-token\n"}
        )

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **block), self.credentials)
        assert isinstance(client, Client)
        return client


async def read(client: Client, key: str, property: str = "", version: str = "") -> bytes:
    ref = RemoteRef(key, property, version)
    return client.value(await client.fetch(client.request(ref)), ref)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeNebius() as fake:
        made = World(fake)
        yield made
        await made.provider.close()
