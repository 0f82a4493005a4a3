"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.ngrok.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.ngrok import KEY, FakeNgrok

AUTH = {"apiKey": {"secretRef": {"name": "login", "key": "key"}}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"auth": AUTH, "vault": {"name": "shop"}} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "ngrok", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the vault at the contract server."""

    def __init__(self, fake: FakeNgrok) -> None:
        self.fake, self.provider = fake, Whole("ngrok")
        self.credentials = StaticCredentials({"login/key": KEY})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        store = view(kind, **({"apiUrl": self.fake.address} | block))
        client = await self.provider.open(store, self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeNgrok() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
