"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.senhasegura.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.senhasegura import CLIENT, HOST, SECRET, FakeSenhasegura

AUTH: dict[str, Any] = {"clientId": CLIENT, "clientSecretSecretRef": {"name": "login", "key": "secret"}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"url": f"https://{HOST}", "module": "DSM", "auth": AUTH} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "senhasegura", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the application at the contract server."""

    def __init__(self, fake: FakeSenhasegura) -> None:
        self.fake, self.provider = fake, Whole("senhasegura", hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/secret": SECRET})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **block), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeSenhasegura() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
