"""An account behind the vendor's library, and clients that are logged in at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eso.providers.contract import StoreView
from eso.providers.onepasswordsdk.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.onepasswordsdk import TOKEN, VAULT, Account, served

AUTH = {"serviceAccountSecretRef": {"name": "login", "key": "token"}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    namespace = "team-a" if kind == "SecretStore" else ""
    return StoreView(kind, "store", namespace, "onepasswordSDK", {"auth": AUTH} | block, "uid", 1)


class World:
    """`world.open(...)`: a client of a store of the vault `Shop` unless a test gives something else."""

    def __init__(self, account: Account) -> None:
        self.account, self.provider = account, Whole("onepasswordSDK")
        self.credentials = StaticCredentials({"login/token": TOKEN})

    async def open(self, **block: Any) -> Client:
        client = await self.provider.open(view(**(block or {"vault": VAULT})), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    with served(Account()) as account:
        world = World(account)
        yield world
        await world.provider.close()
        assert not account.clients, "every login is released"
