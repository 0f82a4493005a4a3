"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.onepassword.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.onepassword import TOKEN, FakeConnect

AUTH = {"secretRef": {"connectTokenSecretRef": {"name": "login", "key": "token"}}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"connectHost": "https://connect:8080", "vaults": {"Shop": 1}, "auth": AUTH} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "onepassword", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store that looks in the vault `Shop` unless a test gives others."""

    def __init__(self, fake: FakeConnect) -> None:
        self.fake, self.provider = fake, Whole("onepassword")
        self.credentials = StaticCredentials({"login/token": TOKEN})

    async def open(self, **block: Any) -> Client:
        client = await self.provider.open(view(**({"connectHost": self.fake.address} | block)), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeConnect() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
