"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.dvls.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.dvls import APP, SECRET, VAULT, FakeDvls
from tests.fakes.env import Whole


def auth(**namespace: str) -> dict[str, Any]:
    selectors = {member: {"name": "login", "key": key} | namespace for member, key in PARTS.items()}
    return {"secretRef": selectors}


PARTS = {"appId": "id", "appSecret": "secret"}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"serverUrl": "https://dvls.test", "vault": VAULT, "auth": auth()} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "dvls", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the vault at the contract server."""

    def __init__(self, fake: FakeDvls) -> None:
        self.fake, self.provider = fake, Whole("dvls")
        self.credentials = StaticCredentials({"login/id": APP, "login/secret": SECRET})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        store = view(kind, **({"serverUrl": self.fake.address, "insecure": True} | block))
        client = await self.provider.open(store, self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeDvls() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
