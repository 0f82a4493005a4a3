"""An API server that answers with anything: every operation ends with a value or with an error of ours."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from eso.api.meta import Resource
from eso.providers.contract import Find, RemoteRef, StoreView
from eso.providers.crd.client import Connection, CrdClient
from eso.providers.env import Env
from eso.providers.kit.cluster import logged_in
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole, env, found
from tests.fakes.hostile import BODIES, Hostile, survive

NAMES = ("metadata", "items", "name", "namespace", "continue", "spec", "kind", "resources", "namespaced", "status")
FIRST = ("metadata", "items", "resources", "status", "spec", "kind")


@pytest.fixture
async def server() -> AsyncIterator[Hostile]:
    async with Hostile() as hostile:
        yield hostile


async def taken(client: CrdClient, ref: RemoteRef) -> None:
    payload = await client.fetch(client.request(ref))
    client.value(payload, ref)
    client.mapping(payload, ref)


async def operations(server: Hostile) -> AsyncIterator[Awaitable[Any]]:
    """A login, and each operation of a client that logged in while the server was sane."""
    block = {
        "server": {"url": server.address},
        "auth": {"token": {"bearerToken": {"name": "login", "key": "token"}}},
        "resource": {"group": "shop.example.com", "version": "v1", "kind": "Widget"},
    }
    store, who, whole = (
        StoreView("SecretStore", "s", "team-a", "crd", block),
        StaticCredentials({"login/token": "t"}),
        Whole("crd"),
    )
    yield whole.open(store, who)
    here: Env = env()
    login = await logged_in(here, store, who)
    widgets = Resource("shop.example.com", "v1", "widgets", "Widget")
    client = CrdClient(store, Connection(login.rest, login.pool, login.lifetime, widgets, here.offload))
    for property in ("", "spec", "metadata.name"):
        yield taken(client, RemoteRef("a", property))
    yield found(client, Find(name_regexp=".*"))
    yield client.close()
    await whole.close()


@pytest.mark.parametrize(
    "body", [*BODIES, b'{"status":{"allowed":true},"items":[null]}'], ids=lambda body: repr(body[:60])
)
async def test_a_body_that_no_api_server_sends(server: Hostile, body: bytes) -> None:
    for server.status in (200, 404, 400, 500):
        server.body = body
        await survive(operations(server))


@pytest.mark.parametrize("seed", range(12))
async def test_members_of_other_types(server: Hostile, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(12):
        server.say(dice, NAMES, FIRST)
        await survive(operations(server))
