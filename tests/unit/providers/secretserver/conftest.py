"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.secretserver.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.secretserver import PASSWORD, USER, FakeSecretServer

PASS = {"secretRef": {"name": "login", "key": "password"}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    """None leaves a member out."""
    whole = {"serverURL": "https://secrets.example.com", "username": {"value": USER}, "password": PASS} | block
    given = {name: value for name, value in whole.items() if value is not None}
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "secretserver", given, "uid", 1)


class World:
    def __init__(self, fake: FakeSecretServer) -> None:
        self.fake, self.provider = fake, Whole("secretserver")
        self.credentials = StaticCredentials({"login/password": PASSWORD})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **({"serverURL": self.fake.address} | block)), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeSecretServer() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
