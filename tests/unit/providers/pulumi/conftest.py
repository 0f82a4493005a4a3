"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.pulumi.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.pulumi import ENVIRONMENT, ORGANIZATION, PROJECT, TOKEN, FakePulumi

TOKEN_REF = {"secretRef": {"name": "login", "key": "token"}}
BY_TOKEN = {"accessToken": TOKEN_REF}
BY_ACCOUNT = {"oidcConfig": {"organization": ORGANIZATION, "serviceAccountRef": {"name": "app"}}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    scope = {"organization": ORGANIZATION, "project": PROJECT, "environment": ENVIRONMENT, "auth": BY_TOKEN}
    given = {name: value for name, value in (scope | block).items() if value is not None}
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "pulumi", given, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the environment at the contract server."""

    def __init__(self, fake: FakePulumi) -> None:
        self.fake, self.provider = fake, Whole("pulumi")
        self.credentials = StaticCredentials({"login/token": TOKEN}, tokens={"app": "planted-account-token"})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        store = view(kind, **({"apiUrl": f"{self.fake.address}/api/esc"} | block))
        client = await self.provider.open(store, self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakePulumi() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
