"""The fake, and clients that are logged in at it with a service account's key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.gcpsm.client import Client
from tests.fakes.gcp import PROJECT, FakeGoogle, GcpCredentials, WholeGcp, service_account_key

KEY_AUTH = {"secretRef": {"secretAccessKeySecretRef": {"name": "login", "key": "key.json"}}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "gcpsm", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store; the block is that of a key's login unless a test gives another."""

    def __init__(self, fake: FakeGoogle) -> None:
        self.fake, self.provider = fake, WholeGcp(fake)
        self.credentials = GcpCredentials({"login/key.json": service_account_key()})

    async def open(self, credentials: GcpCredentials | None = None, kind: str = "SecretStore", **block: Any) -> Client:
        store = view(kind, **({"projectID": PROJECT, "auth": KEY_AUTH} | block))
        client = await self.provider.open(store, credentials or self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeGoogle() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
