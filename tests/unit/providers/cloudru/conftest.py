"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.cloudru.client import Client
from eso.providers.contract import RemoteRef, StoreView
from tests.fakes.cloudru import KEY_ID, PROJECT, SECRET, FakeCloudru
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole

AUTH = {
    "secretRef": {
        "accessKeyIDSecretRef": {"name": "login", "key": "id"},
        "accessKeySecretSecretRef": {"name": "login", "key": "secret"},
    }
}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"auth": AUTH, "projectID": PROJECT} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "cloudrusm", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store at the contract server."""

    def __init__(self, fake: FakeCloudru) -> None:
        self.fake, self.provider = fake, Whole("cloudrusm", hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/id": KEY_ID, "login/secret": SECRET})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **block), self.credentials)
        assert isinstance(client, Client)
        return client


async def read(client: Client, key: str, property: str = "", version: str = "") -> bytes:
    ref = RemoteRef(key, property, version)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str) -> dict[str, bytes]:
    ref = RemoteRef(key, "ignored")
    return client.mapping(await client.fetch(client.request(ref)), ref)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeCloudru() as fake:
        made = World(fake)
        yield made
        await made.provider.close()
