"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.beyondtrustworkloadcredentials.client import Client
from eso.providers.contract import StoreView
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.workloadcredentials import ADDRESS, SITE, TOKEN, FakeWorkloadCredentials

NAME = "beyondtrustworkloadcredentials"
SERVER = {"apiUrl": ADDRESS, "siteId": SITE}
AUTH = {"apikey": {"token": {"name": "login", "key": "token"}}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    given = {name: value for name, value in ({"server": SERVER, "auth": AUTH} | block).items() if value is not None}
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", NAME, given, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the site at the contract server."""

    def __init__(self, fake: FakeWorkloadCredentials) -> None:
        self.fake, self.provider = fake, Whole(NAME, hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/token": TOKEN})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **block), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeWorkloadCredentials() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
