"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.volcengine.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.volcengine import ACCESS, REGION, SECRET, FakeVolcengine

ID, KEY = {"name": "login", "key": "id"}, {"name": "login", "key": "secret"}
STATIC = {"secretRef": {"accessKeyID": ID, "secretAccessKey": KEY}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    namespace = "team-a" if kind == "SecretStore" else ""
    return StoreView(kind, "store", namespace, "volcengine", {"region": REGION} | block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store at the contract server."""

    def __init__(self, fake: FakeVolcengine) -> None:
        self.fake, self.provider = fake, Whole("volcengine", hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/id": ACCESS, "login/secret": SECRET})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **({"auth": STATIC} | block)), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeVolcengine() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
