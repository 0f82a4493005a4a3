"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.passbolt.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.passbolt import HOST, ONE, PASSPHRASE, FakePassbolt

AUTH = {
    "passwordSecretRef": {"name": "login", "key": "passphrase"},
    "privateKeySecretRef": {"name": "login", "key": "privateKey"},
}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"host": f"https://{HOST}", "auth": AUTH} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "passbolt", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the user at the contract server."""

    def __init__(self, fake: FakePassbolt) -> None:
        self.fake, self.provider = fake, Whole("passbolt", hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/passphrase": PASSPHRASE, "login/privateKey": ONE})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **block), self.credentials)
        assert isinstance(client, Client)
        return client

    def paths(self) -> list[str]:
        """What was asked for since the last login."""
        asked = [one.path for one in self.fake.asked]
        return asked[len(asked) - asked[::-1].index("/users/me.json") :]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakePassbolt() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
