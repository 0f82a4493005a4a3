"""Admission, logins, reads and the page of `delinea`; hostile replies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import (
    AuthRejected,
    Consumer,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    StoreView,
    Throttled,
    Unavailable,
    Validation,
    writes,
)
from eso.providers.delinea import codec, refusal
from eso.providers.delinea.client import Client
from eso.providers.delinea.spec import SPEC, address, path_of
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.credentials import StaticCredentials
from tests.fakes.delinea import CLIENT, PASSWORD, FakeDelinea
from tests.fakes.env import Whole, found
from tests.fakes.front import Front, manifests

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "delinea.md"
SECRET = {"secretRef": {"name": "login", "key": "secret"}}
FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    """None leaves a member out."""
    whole = {"tenant": "shop", "clientId": {"value": CLIENT}, "clientSecret": SECRET} | block
    given = {name: value for name, value in whole.items() if value is not None}
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "delinea", given, "uid", 1)


class World:
    def __init__(self, fake: FakeDelinea) -> None:
        self.fake = fake
        self.provider = Whole("delinea", hosts={"shop.secretsvaultcloud.com": fake.address})
        self.credentials = StaticCredentials({"login/secret": PASSWORD})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **({"urlTemplate": self.fake.template} | block)), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeDelinea() as fake:
        world = World(fake)
        yield world
        await world.provider.close()


# admission


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"tenant": ""}, "tenant must not be empty"),
        ({"clientId": None}, "clientID must be set"),
        ({"clientSecret": None}, "clientSecret must be set"),
        ({"clientId": {"value": "x", **SECRET}}, "cannot specify both value and reference"),
        ({"clientId": {}}, "must specify either value or reference"),
        ({"clientSecret": {"value": ""}}, "must specify either value or reference"),
        ({"clientId": {"secretRef": {"key": "k"}}}, "must specify a secret name"),
        ({"clientId": {"secretRef": {"name": "n"}}}, "must specify a secret key"),
        ({"clientId": {"secretRef": {"name": "n", "key": "k", "namespace": "elsewhere"}}}, FOREIGN),
        ({"urlTemplate": "https://host/%s"}, "urlTemplate needs %s four times: tenant, domain, resource, path"),
        ({"urlTemplate": "https://%d/%s/%s/%s%s"}, "urlTemplate needs %s four times: tenant, domain, resource, path"),
        ({"urlTemplate": "ftp://%s/%s/%s%s"}, "tenant, tld and urlTemplate make no address"),
        ({"tenant": "me:planted@host/"}, "tenant, tld and urlTemplate make no address"),
    ],
)
def test_admission_refuses_in_the_words_of_the_reference(block: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(view(**block))
    assert str(refused.value) == text


def test_admission_accepts_values_and_references() -> None:
    assert SPEC.check(view()) == []
    assert SPEC.check(view("ClusterSecretStore")) == []
    assert (SPEC.capability, SPEC.maintained) == ("ReadOnly", True)


def test_addresses_have_four_parts() -> None:
    block = view(tld="eu").provider_spec
    assert address(block, "token") == "https://shop.secretsvaultcloud.eu/v1/token"
    assert address(block, "secrets", "/a") == "https://shop.secretsvaultcloud.eu/v1/secrets/a"


def test_a_login_is_one_client_at_one_tenant() -> None:
    plan = SPEC.plan(view())
    assert plan.references == (("Secret", "", "login"),)
    assert plan.consumer is Consumer.NONE
    assert plan.pace is None
    assert plan.endpoint != SPEC.plan(view(tenant="other")).endpoint
    assert plan.login != SPEC.plan(view(clientId={"value": "other"})).login
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS


@pytest.mark.parametrize(
    ("key", "path"),
    [("a/b", "/a/b"), ("//a:b c?", "/a:b%20c%3F"), ("a%2F..", "/a%252F.."), ("a//b", "/a//b")],
)
def test_a_key_is_a_path(key: str, path: str) -> None:
    assert path_of(key) == path


@pytest.mark.parametrize("key", ["", "/", "..", "a/../b", "a/."])
def test_a_path_that_leaves_its_place_is_refused(key: str) -> None:
    with pytest.raises(InvalidConfig, match="as the path of a secret"):
        path_of(key)


# logins


async def test_a_client_gets_a_token_that_is_let_go_before_it_ends(world: World) -> None:
    client = await world.open()
    assert client.lifetime == 3540.0
    assert not await client.renew()
    assert await client.validate() is Validation.READY
    assert writes(client) is None
    world.fake.seconds = 60
    assert (await world.open()).lifetime == 30.0


async def refused(world: World, kind: str = "SecretStore", **block: Any) -> EsoError:
    with pytest.raises(EsoError) as error:
        await world.open(kind, **block)
    assert all(pool._session is None for pool in world.provider.pools.opened), "nothing stays open"
    return error.value


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (Fault(401, echo=True), AuthRejected, "401 Unauthorized"),
        (Fault(404), AuthRejected, "404 Not Found"),
        (Fault(429, headers={"Retry-After": "3"}), Throttled, "429 Too Many Requests"),
        (Fault(502, body="<html>"), Unavailable, "502 Bad Gateway"),
        (Fault(200, body="<html>"), Malformed, "the server's reply is not JSON"),
        (
            Fault(200, body='{"accessToken":7,"expiresIn":9}'),
            Malformed,
            "the server's reply has no text in accessToken",
        ),
        (
            Fault(200, body='{"accessToken":"a\\nb","expiresIn":9}'),
            Malformed,
            "the server's reply has no usable access token",
        ),
        (Fault(200, body='{"accessToken":"a"}'), Malformed, "the server's reply has no number in expiresIn"),
        (
            Fault(200, body='{"accessToken":"a","expiresIn":true}'),
            Malformed,
            "the server's reply has no number in expiresIn",
        ),
        (
            Fault(200, body='{"accessToken":"a","expiresIn":0}'),
            AuthRejected,
            "the access token has ended before it could be used",
        ),
    ],
)
async def test_a_refused_login_has_its_class(world: World, fault: Fault, kind: type, text: str) -> None:
    world.fake.fail(fault)
    error = await refused(world)
    assert (type(error), str(error)) == (kind, text)


@pytest.mark.parametrize(("name", "member"), [("ClientID", "clientId"), ("ClientSecret", "clientSecret")])
async def test_an_empty_credential_is_told(world: World, name: str, member: str) -> None:
    world.credentials.secrets["login/empty"] = ""
    error = await refused(world, **{member: {"secretRef": {"name": "login", "key": "empty"}}})
    assert str(error) == f"Credentials.{name} must be set"
    assert world.fake.asked == []


async def test_a_cluster_store_without_namespaces_is_neither_valid_nor_faulty_by_itself(world: World) -> None:
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    assert client.lifetime is None
    with pytest.raises(InvalidConfig, match="each consumer's namespace"):
        await client.fetch("/a")
    await client.close()
    assert world.fake.asked == []


async def test_every_await_of_a_login_may_be_cancelled(world: World) -> None:
    async def opened() -> None:
        await (await world.open()).close()

    async for _ in every_await(opened):
        continue
    await opened()


# reading


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_a_whole_secret_is_encoded_anew_and_parts_come_out_of_that(world: World) -> None:
    world.fake.secrets["a:b"] = {"z": 1.50, "a": "<x>", "deep": {"k": [1, None]}}
    client = await world.open()
    assert await read(client, "a:b") == b'{"a":"\\u003cx\\u003e","deep":{"k":[1,null]},"z":1.5}'
    assert [await read(client, "a:b", path) for path in ("a", "z", "deep.k", "deep.k.1")] == [
        b"<x>",
        b"1.5",
        b"[1,null]",
        b"",
    ]
    payload = await client.fetch(client.request(RemoteRef("a:b", "z")))
    assert client.mapping(payload, RemoteRef("a:b", "z")) == {"a": b"<x>", "deep": b'{"k":[1,null]}', "z": b"1.5"}
    assert "<x>" not in repr(payload)


async def test_a_secret_without_data_is_empty(world: World) -> None:
    world.fake.secrets["a"] = None
    client = await world.open()
    assert [await read(client, "a", path) for path in ("", "x")] == [b"", b""]
    assert client.mapping(await client.fetch(client.request(RemoteRef("a"))), RemoteRef("a")) == {}


async def test_a_missing_property_is_an_absence_and_a_missing_secret_is_none(world: World) -> None:
    world.fake.secrets["a"] = {"x": 1}
    client = await world.open()
    with pytest.raises(SecretNotFound):
        await read(client, "a", "y")
    with pytest.raises(NothingThere, match=r"^404 Not Found$"):
        await read(client, "gone")


async def test_versions_and_searches_are_refused(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^specifying a version is not yet supported$"):
        client.request(RemoteRef("a", version="1"))
    with pytest.raises(InvalidConfig, match="is not supported by Delinea DevOps Secrets Vault"):
        await found(client, Find())


# the page


async def test_the_manifest_of_the_page_is_served_with_a_login_and_a_request(world: World) -> None:
    world.fake.secrets["apps/database"] = {"password": "secret"}
    objects = manifests(PAGE, CLIENT_ID=CLIENT, CLIENT_SECRET=PASSWORD)
    objects[0]["spec"]["provider"]["delinea"]["urlTemplate"] = world.fake.template
    front = Front(world.provider, objects)
    async with front.running():
        assert await front.read() == b"secret"
    assert front.calls.seen == [
        ("Delinea/DevOpsSecretsVault", "GetToken", "success"),
        ("Delinea/DevOpsSecretsVault", "GetSecret", "success"),
    ]


async def test_a_token_that_is_withdrawn_is_replaced_without_a_failed_read(world: World) -> None:
    world.fake.secrets["apps/database"] = {"password": "secret"}
    objects = manifests(PAGE, CLIENT_ID=CLIENT, CLIENT_SECRET=PASSWORD)
    objects[0]["spec"]["provider"]["delinea"]["urlTemplate"] = world.fake.template
    front = Front(world.provider, objects)
    async with front.running():
        for _ in range(3):
            world.fake.tokens.clear()
            assert await front.read() == b"secret"
    assert world.fake.count("/token$") == 3


# hostile replies


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "id", "x"]), inner),
    max_leaves=9,
)


@given(JSON, st.integers(300, 599))
def test_whatever_a_server_answers_is_a_result_or_an_error_of_ours(reply: Any, status: int) -> None:
    body = json.dumps(reply).encode()
    try:
        secret = codec.secret_of(body)
        assert all(isinstance(value, bytes) for value in codec.mapping(secret).values())
    except EsoError as error:
        assert isinstance(error, Malformed)
    for refuse in (refusal.of_api, refusal.of_login):
        assert isinstance(refuse(Reply(status, {}, body)), EsoError)


def test_a_reply_that_is_nested_too_deep_is_malformed() -> None:
    with pytest.raises(Malformed):
        codec.secret_of(b'{"data":' + b"[" * 100_000)
