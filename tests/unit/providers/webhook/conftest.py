"""A service, and clients of stores that ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.webhook.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.webhook import FakeService

LABELS = {"login": {"external-secrets.io/type": "webhook"}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    made = {"url": "https://hooks.test/{{ .remoteRef.key }}", "result": {}} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "webhook", made, "uid", 1)


class World:
    """`world.open(url="/path", ...)`: a client of a store that asks the service without a token."""

    def __init__(self, service: FakeService) -> None:
        self.service, self.provider = service, Whole("webhook")
        self.credentials = StaticCredentials({"login/user": "bob+b c", "login/pass": "p/w&x"}, labels=LABELS)

    async def open(self, kind: str = "SecretStore", url: str = "/{{ .remoteRef.key }}", **block: Any) -> Client:
        store = view(kind, url=f"{self.service.address}{url}", **block)
        client = await self.provider.open(store, self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeService(token="") as service:
        world = World(service)
        yield world
        await world.provider.close()
