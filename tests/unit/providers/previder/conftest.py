"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.previder.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.previder import TOKEN, FakePrevider

AUTH = {"secretRef": {"accessToken": {"name": "login", "key": "token"}}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"auth": AUTH} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "previder", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store with one token at the contract server."""

    def __init__(self, fake: FakePrevider) -> None:
        self.fake, self.provider = fake, Whole("previder")
        self.credentials = StaticCredentials({"login/token": TOKEN})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        store = view(kind, **({"baseUri": self.fake.address} | block))
        client = await self.provider.open(store, self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakePrevider() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
