"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.onboardbase.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.onboardbase import ENVIRONMENT, KEY, PASSCODE, PROJECT, FakeOnboardbase

AUTH = {"apiKeyRef": {"name": "login", "key": "key"}, "passcodeRef": {"name": "other", "key": "passcode"}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"project": PROJECT, "environment": ENVIRONMENT, "auth": AUTH} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "onboardbase", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the environment at the contract server."""

    def __init__(self, fake: FakeOnboardbase) -> None:
        self.fake, self.provider = fake, Whole("onboardbase", hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/key": KEY, "login/passcode": PASSCODE})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **block), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeOnboardbase() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
