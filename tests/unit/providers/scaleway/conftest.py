"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.scaleway.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.scaleway import ACCESS, PROJECT, REGION, SECRET, FakeScaleway

KEYS = {
    "accessKey": {"value": ACCESS},
    "secretKey": {"secretRef": {"name": "login", "key": "secret"}},
}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"region": REGION, "projectId": PROJECT} | KEYS | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "scaleway", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the project at the contract server."""

    def __init__(self, fake: FakeScaleway) -> None:
        self.fake, self.provider = fake, Whole("scaleway")
        self.credentials = StaticCredentials({"login/secret": SECRET})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        store = view(kind, **({"apiUrl": self.fake.address} | block))
        client = await self.provider.open(store, self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeScaleway() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
