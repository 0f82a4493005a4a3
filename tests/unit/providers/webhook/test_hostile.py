"""A service that answers with anything: every operation ends with a value or with an error of ours."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from eso.providers.contract import Push, Remote, RemoteRef, Source
from eso.providers.webhook.client import Client
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.hostile import BODIES, Hostile, survive
from tests.unit.providers.webhook.conftest import view

NAMES = ("a", "b", "data", "items", "user")


@pytest.fixture
async def server() -> AsyncIterator[Hostile]:
    async with Hostile() as hostile:
        yield hostile


async def taken(client: Client, ref: RemoteRef) -> None:
    payload = await client.fetch(client.request(ref))
    client.value(payload, ref)


async def extracted(client: Client, ref: RemoteRef) -> None:
    payload = await client.fetch(client.request(ref))
    client.mapping(payload, ref)


async def operations(server: Hostile) -> AsyncIterator[Awaitable[Any]]:
    whole = Whole("webhook")
    for path in ("", "$.a", "$..b", "$.items[0:2].a", '$.items[?(@.a == "b")]', "$.*", "$"):
        store = view(url=f"{server.address}/{{{{ .remoteRef.key }}}}", result={"jsonPath": path})
        client = await whole.open(store, StaticCredentials({}))
        assert isinstance(client, Client)
        yield taken(client, RemoteRef("k"))
        yield extracted(client, RemoteRef("k"))
        yield client.made()
        yield client.close()
    client = await whole.open(view(url=f"{server.address}/x"), StaticCredentials({}))
    assert isinstance(client, Client)
    yield client.push(Push(Remote("k")), Source({"v": b"x"}))
    yield client.exists(Remote("k"))
    yield client.delete(Remote("k"))
    yield client.close()
    await whole.close()


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:60]))
async def test_a_body_that_nobody_expects(server: Hostile, body: bytes) -> None:
    for server.status in (200, 404, 400, 500):
        server.body = body
        await survive(operations(server))


@pytest.mark.parametrize("seed", range(12))
async def test_members_of_other_types(server: Hostile, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(6):
        server.say(dice, NAMES, NAMES)
        await survive(operations(server))
