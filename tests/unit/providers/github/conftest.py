"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.github.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.github import PEM, FakeGithub

KEY = {"privateKey": {"name": "login", "key": "pem"}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    """A store of the repository shop/api; None leaves a member out."""
    whole = {"appID": 12, "installationID": 34, "organization": "shop", "repository": "api", "auth": KEY} | block
    given = {name: value for name, value in whole.items() if value is not None}
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "github", given, "uid", 1)


class World:
    def __init__(self, fake: FakeGithub) -> None:
        self.fake, self.provider = fake, Whole("github", hosts={"api.github.com": fake.address})
        self.credentials = StaticCredentials({"login/pem": PEM})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **block), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeGithub() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
