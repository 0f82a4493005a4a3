"""The fake, and clients that are logged in at it with an access key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.akeyless.client import Client
from eso.providers.contract import RemoteRef, StoreView, Unshared
from tests.fakes.akeyless import ACCESS_ID, ACCESS_KEY, FakeAkeyless, WholeAkeyless
from tests.fakes.credentials import StaticCredentials

NAMES = ("accessID", "accessType", "accessTypeParam")
REFS = {"secretRef": {name: {"name": "login", "key": name} for name in NAMES}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "akeyless", block, "uid", 1)


def credentials(kind: str = "api_key", param: str = ACCESS_KEY, **more: Any) -> StaticCredentials:
    secrets = {"login/accessID": ACCESS_ID, "login/accessType": kind, "login/accessTypeParam": param}
    return StaticCredentials(secrets, **more)


class World:
    """`world.open(...)`: a client of a store at the service, with an access key unless a test says otherwise."""

    def __init__(self, fake: FakeAkeyless) -> None:
        self.fake, self.provider = fake, WholeAkeyless(fake)

    async def open(
        self, given: StaticCredentials | None = None, kind: str = "SecretStore", url: str = "", **auth: Any
    ) -> Client:
        store = view(kind, akeylessGWApiURL=url, authSecretRef=auth or REFS)
        client = await self.provider.open(store, given or credentials())
        assert isinstance(client, Client)
        return client

    @property
    def meant(self) -> list[str]:
        return self.provider.world.meant

    @property
    def direct_meant(self) -> list[str]:
        return self.provider.world.direct_meant


async def read(client: Client, key: str, property: str = "", version: str = "") -> bytes:
    ref = RemoteRef(key, property, version)
    payload = await client.fetch(client.request(ref))
    if isinstance(payload, Unshared):
        payload = await client.fetch(payload.request)
    return client.value(payload, ref)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeAkeyless() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
