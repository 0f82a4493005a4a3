"""The contract server, and clients that are logged in at it with a token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.doppler.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.doppler import TOKEN, FakeDoppler
from tests.fakes.env import Whole

BY_TOKEN = {"secretRef": {"dopplerToken": {"name": "login"}}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "doppler", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store; it logs in with the token unless a test gives another `auth`."""

    def __init__(self, fake: FakeDoppler) -> None:
        self.fake, self.provider = fake, Whole("doppler", hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/dopplerToken": TOKEN}, tokens={"app": "account-token"})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **({"auth": BY_TOKEN} | block)), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeDoppler() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
