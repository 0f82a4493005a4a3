"""The fake, and clients that are logged in at it as a service principal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.azurekv.client import Client
from eso.providers.contract import RemoteRef, StoreView
from tests.fakes.azurekv import CLIENT, SECRET, TENANT, VAULT, FakeAzure, WholeAzure
from tests.fakes.credentials import StaticCredentials

REFS = {"clientId": {"name": "login", "key": "client"}, "clientSecret": {"name": "login", "key": "secret"}}
BLOCK: dict[str, Any] = {"vaultUrl": VAULT, "tenantId": TENANT, "authSecretRef": REFS}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "azurekv", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store; members that a test gives as None are left out of the block."""

    def __init__(self, fake: FakeAzure) -> None:
        self.fake, self.provider = fake, WholeAzure(fake)
        self.credentials = StaticCredentials({"login/client": CLIENT, "login/secret": SECRET})

    async def open(
        self, credentials: StaticCredentials | None = None, kind: str = "SecretStore", **block: Any
    ) -> Client:
        store = view(kind, **{name: value for name, value in (BLOCK | block).items() if value is not None})
        client = await self.provider.open(store, credentials or self.credentials)
        assert isinstance(client, Client)
        return client

    @property
    def meant(self) -> list[str]:
        return self.provider.world.meant

    @property
    def direct_meant(self) -> list[str]:
        return self.provider.world.direct_meant


async def read(client: Client, key: str, property: str = "", version: str = "", policy: str = "") -> bytes:
    ref = RemoteRef(key, property, version, policy)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extracted(client: Client, key: str, property: str = "", policy: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property, "", policy)
    return client.mapping(await client.fetch(client.request(ref)), ref)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeAzure() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
