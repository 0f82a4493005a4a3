"""The contract server, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.ovh.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.ovh import DOMAIN, TOKEN, FakeOvh

TOKEN_REF = {"token": {"tokenSecretRef": {"name": "login", "key": "token"}}}
MTLS = {"mtls": {"certSecretRef": {"name": "pair", "key": "cert"}, "keySecretRef": {"name": "pair", "key": "key"}}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    block = {"server": "https://eu-west-rbx.okms.ovh.net", "okmsid": DOMAIN, "auth": TOKEN_REF} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "ovh", block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the domain at the contract server."""

    def __init__(self, fake: FakeOvh) -> None:
        self.fake, self.provider = fake, Whole("ovh")
        self.credentials = StaticCredentials({"login/token": TOKEN})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        store = view(kind, **({"server": self.fake.address} | block))
        client = await self.provider.open(store, self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeOvh() as fake:
        world = World(fake)
        yield world
        await world.provider.close()
