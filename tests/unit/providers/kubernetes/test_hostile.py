"""An API server that answers with anything: every operation ends with a value or with an error of ours."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from eso.providers.contract import Find, Push, Remote, RemoteRef, Source, StoreView
from eso.providers.kubernetes.client import KubernetesClient
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole, found
from tests.fakes.hostile import BODIES, Hostile, survive

NAMES = ("metadata", "data", "labels", "annotations", "managedFields", "uid", "resourceVersion", "name", "continue")
NAMES += ("status", "allowed", "resourceRules", "resources", "verbs", "apiGroups", "a", "user")
FIRST = ("metadata", "data", "items", "status")
SECRET = b'{"metadata":{"name":"a"%s},"data":%s}'


@pytest.fixture
async def server() -> AsyncIterator[Hostile]:
    async with Hostile() as hostile:
        yield hostile


async def read(client: KubernetesClient, ref: RemoteRef) -> None:
    payload = await client.fetch(client.request(ref))
    client.value(payload, ref)


async def extracted(client: KubernetesClient, ref: RemoteRef) -> None:
    payload = await client.fetch(client.request(ref))
    client.mapping(payload, ref)


async def operations(server: Hostile) -> AsyncIterator[Awaitable[Any]]:
    block = {"server": {"url": server.address}, "auth": {"token": {"bearerToken": {"name": "login", "key": "token"}}}}
    whole = Whole("kubernetes")
    client = await whole.open(
        StoreView("SecretStore", "s", "team-a", "kubernetes", block), StaticCredentials({"login/token": "t"})
    )
    assert isinstance(client, KubernetesClient)
    for property in ("", "a", "a.b"):
        for policy in ("None", "Fetch"):
            yield read(client, RemoteRef("a", property, metadata_policy=policy))
            yield extracted(client, RemoteRef("a", property, metadata_policy=policy))
    yield found(client, Find(name_regexp=".*"))
    yield found(client, Find(tags=(("user", "x"),)))
    yield client.validate()
    for property in ("", "user"):
        yield client.push(Push(Remote("a", property)), Source({"v": b"x"}, labels={"l": "x"}))
        yield client.delete(Remote("a", property))
        yield client.exists(Remote("a", property))
    yield client.close()
    await whole.close()


@pytest.mark.parametrize(
    "body",
    [
        *BODIES,
        b'{"status":null}',
        b'{"status":{"resourceRules":[{"resources":7,"verbs":["get"]},{"resources":[["secrets"]],"verbs":["get"]}]}}',
        SECRET % (b"", b"[1]"),
        SECRET % (b"", b'"text"'),
        SECRET % (b"", b'{"a":7}'),
        SECRET % (b"", b'{"a":"!"}'),
        SECRET % (b"", b'{"a":"bm8gSlNPTg=="}'),
        SECRET % (b',"labels":["x"],"annotations":7', b"{}"),
        SECRET % (b',"uid":{},"resourceVersion":[1]', b'{"user":"eA=="}'),
    ],
    ids=lambda body: repr(body[:60]),
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
