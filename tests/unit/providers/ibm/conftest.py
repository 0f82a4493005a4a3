"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.ibm.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.ibm import INSTANCE, KEY, FakeIbm

REF = {"name": "login", "key": "key"}
BY_KEY = {"secretRef": {"secretApiKeySecretRef": REF}}


def view(kind: str = "SecretStore", retries: dict[str, Any] | None = None, **block: Any) -> StoreView:
    block = {"auth": BY_KEY} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "ibm", block, "uid", 1, retries)


class World:
    """`world.open(...)`: a client of a store at the contract server, which stands for IBM's hosts as well."""

    def __init__(self, fake: FakeIbm) -> None:
        self.fake, self.provider = fake, Whole("ibm", hosts=fake.hosts)
        self.credentials = StaticCredentials({"login/key": KEY})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(
            view(kind, **({"serviceUrl": f"https://{INSTANCE}"} | block)), self.credentials
        )
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeIbm() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
