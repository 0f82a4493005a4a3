"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.infisical.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.infisical import CLIENT, PASSWORD, FakeInfisical

UNIVERSAL = {
    "universalAuthCredentials": {
        "clientId": {"name": "login", "key": "id"},
        "clientSecret": {"name": "login", "key": "secret"},
    }
}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    """A store of the project `shop`; `scope` changes its secretsScope."""
    scope = {"projectSlug": "shop", "environmentSlug": "dev"} | block.pop("scope", {})
    whole = {"hostAPI": "https://app.infisical.com", "auth": UNIVERSAL} | block | {"secretsScope": scope}
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "infisical", whole, "uid", 1)


class World:
    """`world.open(...)`: a client of a store; it logs in with a client secret unless a test gives another `auth`.
    Infisical's own host leads to the contract server."""

    def __init__(self, fake: FakeInfisical) -> None:
        self.fake, self.provider = fake, Whole("infisical", hosts={"app.infisical.com": fake.address})
        self.credentials = StaticCredentials({"login/id": CLIENT, "login/secret": PASSWORD})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **block), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeInfisical() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
