"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.passworddepot.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.passworddepot import DATABASE, HOST, PASSWORD, USER, FakePasswordDepot


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"host": HOST, "database": DATABASE, "auth": {"secretRef": {"credentials": {"name": "login"}}}} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "passworddepot", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the database at the contract server."""

    def __init__(self, fake: FakePasswordDepot) -> None:
        self.fake, self.provider = fake, Whole("passworddepot", hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/username": USER, "login/password": PASSWORD})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **block), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakePasswordDepot() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
