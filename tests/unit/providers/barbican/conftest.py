"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.barbican.client import Client
from eso.providers.contract import StoreView
from tests.fakes.barbican import DOMAIN, PASSWORD, PROJECT, USER, FakeBarbican
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole

AUTH: dict[str, Any] = {
    "username": {"secretRef": {"name": "login", "key": "username"}},
    "password": {"secretRef": {"name": "login", "key": "password"}},
}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"authURL": "https://keystone:5000/v3", "tenantName": PROJECT, "domainName": DOMAIN, "auth": AUTH} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "barbican", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the project at the contract server. `path`: behind its address."""

    def __init__(self, fake: FakeBarbican) -> None:
        self.fake, self.provider = fake, Whole("barbican")
        self.credentials = StaticCredentials({"login/username": USER, "login/password": PASSWORD})

    async def open(self, kind: str = "SecretStore", path: str = "/v3", **block: Any) -> Client:
        store = view(kind, **({"authURL": f"{self.fake.address}{path}"} | block))
        client = await self.provider.open(store, self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeBarbican() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
