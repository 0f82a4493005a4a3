"""Names, versions, properties and maps; texts of refusals; hostile replies."""

from __future__ import annotations

import json

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    Throttled,
    Unavailable,
    writes,
)
from eso.providers.volcengine.client import Client
from tests.fakes.backend import Fault
from tests.fakes.env import found
from tests.fakes.volcengine import REGION
from tests.unit.providers.volcengine.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "", version: str = "") -> bytes:
    ref = RemoteRef(key, property, version)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


@pytest.mark.parametrize("name", ("db", "a/b c", '"', "é ü", "../x?y#z"))
async def test_any_name_is_read(world: World, name: str) -> None:
    world.fake.put(name, PLANTED)
    client = await world.open()
    assert await read(client, name) == PLANTED.encode()
    assert world.fake.asked[0].body == {"SecretName": name}
    await client.close()


@pytest.mark.parametrize("region", (REGION, "ap-southeast-3"))
async def test_a_region_has_its_host_and_its_signature(world: World, region: str) -> None:
    world.fake.put("db", PLANTED)
    client = await world.open(region=region)
    assert await read(client, "db") == PLANTED.encode()
    await client.close()


async def test_a_version_is_an_id(world: World) -> None:
    world.fake.put("db", "one")
    world.fake.put("db", "two")
    client = await world.open()
    assert [await read(client, "db", version=version) for version in ("", "v1", "v2")] == [b"two", b"one", b"two"]
    await client.close()


async def test_a_property_is_the_exact_name_of_a_member(world: World) -> None:
    world.fake.put("db", '{"user":"m\\u00e9","n":1.50,"a.b":{"c": [1]},"none":null}')
    client = await world.open()
    names = ("user", "n", "a.b", "none")
    assert [await read(client, "db", name) for name in names] == ["mé".encode(), b"1.50", b'{"c": [1]}', b""]
    with pytest.raises(InvalidConfig) as error:
        await read(client, "db", "a")
    assert str(error.value) == 'property "a" not found in secret'
    await client.close()


async def test_a_map_keeps_members_as_they_are_written(world: World) -> None:
    world.fake.put("db", '{"user":"me","n":1.50,"deep":{"a": "x"},"none":null}')
    client = await world.open()
    expected = {"user": b'"me"', "n": b"1.50", "deep": b'{"a": "x"}', "none": b"null"}
    assert await extract(client, "db") == expected
    assert await extract(client, "db", "deep") == {"a": b'"x"'}
    await client.close()


async def test_a_value_that_is_no_json_is_told_without_it(world: World) -> None:
    world.fake.put("db", PLANTED)
    world.fake.put("list", f'["{PLANTED}"]')
    client = await world.open()
    for key in ("db", "list"):
        with pytest.raises(Malformed, match=r"^failed to unmarshal secret: invalid JSON format$"):
            await extract(client, key)
        with pytest.raises(Malformed, match=r"^failed to unmarshal secret: invalid JSON format$"):
            await read(client, key, "user")
    await client.close()


async def test_a_secret_without_a_value_is_told(world: World) -> None:
    world.fake.put("db", None)
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^secret db has no value$"):
        await read(client, "db")
    with pytest.raises(InvalidConfig, match=r"^secret name is empty$"):
        client.request(RemoteRef(""))
    await client.close()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    (
        (404, "ResourceNotFound", EsoError),
        (401, "SignatureDoesNotMatch", AuthExpired),
        (400, "InvalidTimestamp", AuthExpired),
        (400, "AccessDenied", Denied),
        (200, "LackPolicy", Denied),
        (200, "InvalidParameter", InvalidConfig),
        (400, "FlowLimitExceeded", Throttled),
        (429, "Planted", Throttled),
        (500, "InternalError", Unavailable),
        (200, "InternalError", InvalidConfig),
    ),
)
async def test_a_refusal_has_the_class_of_its_code_and_shows_nothing_else(
    world: World, status: int, code: str, kind: type
) -> None:
    client = await world.open()
    body = {"ResponseMetadata": {"RequestId": "r", "Error": {"Code": code, "Message": PLANTED}}}
    world.fake.fail(Fault(status, body=json.dumps(body)))
    with pytest.raises(kind) as error:
        await read(client, "db")
    assert not isinstance(error.value, SecretNotFound)
    assert PLANTED not in str(error.value)
    assert str(error.value).startswith(f"Volcengine answered {status} ")
    assert str(error.value).endswith(f"({code})") is (code != "Planted")
    await client.close()


async def test_what_the_backend_does_not_do_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match="not implemented"):
        await found(client, Find(name_regexp="."))
    assert writes(client) is None
    await client.close()


@pytest.mark.parametrize(
    "body", ("[]", "{}", "null", '{"Result":[]}', '{"Result":{"SecretValue":["x"]}}', "[" * 5000, "<html>")
)
async def test_a_reply_that_lies_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await read(client, "db")
    await client.close()
