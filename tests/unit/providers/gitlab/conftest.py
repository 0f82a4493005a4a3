"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.gitlab.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.gitlab import TOKEN, FakeGitlab

AUTH = {"SecretRef": {"accessToken": {"name": "login", "key": "token"}}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    """A store of the project 7 unless a test names other places."""
    whole = {"url": "https://gitlab.com/", "projectID": "7", "auth": AUTH} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "gitlab", whole, "uid", 1)


class World:
    def __init__(self, fake: FakeGitlab) -> None:
        self.fake, self.provider = fake, Whole("gitlab", hosts={"gitlab.com": fake.address})
        self.credentials = StaticCredentials({"login/token": TOKEN})

    async def open(self, **block: Any) -> Client:
        client = await self.provider.open(view(**block), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeGitlab() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
