"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.chef.client import Client
from eso.providers.contract import StoreView
from tests.fakes.chef import USER, FakeChef, pem
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole

REF = {"name": "login", "key": "key"}
URL = "https://chef.example.org/organizations/shop/"


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    auth = {"secretRef": {"privateKeySecretRef": REF}}
    block = {"serverUrl": URL, "username": USER, "auth": auth} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "chef", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store at the contract server."""

    def __init__(self, fake: FakeChef) -> None:
        self.fake, self.provider = fake, Whole("chef")
        self.credentials = StaticCredentials({"login/key": pem()})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **({"serverUrl": self.fake.url} | block)), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeChef() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
