"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import RemoteRef, StoreClient, StoreView
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.yandex import FakeYandex, key_file

AUTH = {"authorizedKeySecretRef": {"name": "login", "key": "key.json"}}


def view(provider: str = "yandexlockbox", kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"auth": AUTH} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", provider, block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store at the contract server."""

    def __init__(self, fake: FakeYandex, provider: str) -> None:
        self.fake, self.provider = fake, Whole(provider, hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/key.json": key_file("key-1")})

    async def open(self, kind: str = "SecretStore", **block: Any) -> StoreClient:
        return await self.provider.open(view(self.provider.name, kind, **block), self.credentials)


async def read(client: StoreClient, key: str, property: str = "", version: str = "") -> bytes:
    ref = RemoteRef(key, property, version)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: StoreClient, key: str) -> dict[str, bytes]:
    ref = RemoteRef(key)
    return client.mapping(await client.fetch(client.request(ref)), ref)


@pytest.fixture
async def fake() -> AsyncIterator[FakeYandex]:
    async with FakeYandex() as made:
        yield made


@pytest.fixture
async def world(fake: FakeYandex) -> AsyncIterator[World]:
    made = World(fake, "yandexlockbox")
    yield made
    await made.provider.close()
