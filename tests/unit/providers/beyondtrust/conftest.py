"""The contract server, and clients that are signed in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.beyondtrust.client import Client
from eso.providers.contract import StoreView
from tests.fakes.beyondtrust import ADDRESS, API_KEY, CLIENT_ID, CLIENT_SECRET, FakeBeyondtrust
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole

BY_KEY = {"apiKey": {"secretRef": {"name": "login", "key": "key"}}}
BY_CLIENT = {
    "clientId": {"value": CLIENT_ID},
    "clientSecret": {"secretRef": {"name": "login", "key": "secret"}},
}


def view(kind: str = "SecretStore", auth: Any = BY_KEY, **server: Any) -> StoreView:
    given = {"apiUrl": ADDRESS, "verifyCA": True, "retrievalType": "secret"} | server
    block = {"auth": auth, "server": {name: value for name, value in given.items() if value is not None}}
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "beyondtrust", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store at the contract server."""

    def __init__(self, fake: FakeBeyondtrust) -> None:
        self.fake, self.provider = fake, Whole("beyondtrust", hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/key": API_KEY, "login/secret": CLIENT_SECRET})

    async def open(self, kind: str = "SecretStore", auth: Any = BY_KEY, **server: Any) -> Client:
        client = await self.provider.open(view(kind, auth, **server), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeBeyondtrust() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
