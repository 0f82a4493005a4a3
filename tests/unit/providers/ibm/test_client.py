"""Keys, types, properties and maps; texts of refusals; hostile replies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eso.providers.contract import Denied, Find, InvalidConfig, Malformed, RemoteRef, Unavailable, writes
from eso.providers.ibm.client import Client
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.env import found
from tests.unit.providers.ibm.conftest import World

PLANTED = "planted-7f3a9c"
CERTIFICATE = {"certificate": "CERT", "intermediate": "CHAIN", "private_key": PLANTED}


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "", policy: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property, metadata_policy=policy, members=True)
    return client.mapping(await client.fetch(client.request(ref)), ref)


async def test_a_secret_is_named_by_its_id_or_by_group_type_and_name(world: World) -> None:
    id = world.fake.put("arbitrary", "db", "shop", payload=PLANTED)
    client = await world.open()
    for key in (id, f"arbitrary/{id}", f"shop/arbitrary/{id}", "shop/arbitrary/db"):
        assert await read(client, key) == PLANTED.encode()
    calls = [asked.path for asked in world.fake.asked[1:]]
    assert calls == [f"/api/v2/secrets/{id}"] * 3 + ["/api/v2/secret_groups/shop/secret_types/arbitrary/secrets/db"]
    await client.close()


@pytest.mark.parametrize(
    "id",
    (
        "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f",
        "0A1B2C3D0A1B2C3D4E5F0A1B2C3D4E5F",
        "{0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f}",
        "urn:uuid:0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f",
    ),
)
async def test_an_id_is_sent_in_the_form_it_has(world: World, id: str) -> None:
    world.fake.put("arbitrary", "db", payload=PLANTED)
    world.fake.secrets["default", "arbitrary", "db"]["id"] = id
    client = await world.open()
    assert await read(client, id) == PLANTED.encode()
    await client.close()


@pytest.mark.parametrize(
    ("key", "words"),
    (
        ("db", "failed to fetch the secret, secret group name is missing"),
        ("kv/db", "failed to fetch the secret, secret group name is missing"),
        ("/kv/db", "failed to fetch the secret, secret group name is missing"),
        ("a/b/kv/db", "failed to fetch the secret, secret group name is missing"),
        ("shop/password/db", "unknown secret type password"),
        ("shop/username_password/db", "remoteRef.property required for secret type username_password"),
        ("shop/imported_cert/db", "remoteRef.property required for secret type imported_cert"),
        ("shop/public_cert/db", "remoteRef.property required for secret type public_cert"),
        ("shop/private_cert/db", "remoteRef.property required for secret type private_cert"),
    ),
)
async def test_keys_that_cannot_work_are_refused_before_a_request(world: World, key: str, words: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig) as error:
        client.request(RemoteRef(key))
    assert str(error.value) == words
    await client.close()


@pytest.mark.parametrize("key", ("../kv/db", "shop/kv/..", "shop/kv/"))
async def test_a_key_cannot_leave_its_place_in_the_address(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig):
        await read(client, key)
    assert world.fake.count("^/api/") == 0
    await client.close()


@pytest.mark.parametrize(
    ("type", "fields", "property", "expected"),
    (
        ("arbitrary", {"payload": PLANTED}, "", PLANTED.encode()),
        ("arbitrary", {"payload": PLANTED}, "ignored", PLANTED.encode()),
        ("iam_credentials", {"api_key": PLANTED}, "", PLANTED.encode()),
        ("service_credentials", {"credentials": {"b": "<1>", "a": 1.50}}, "x", b'{"a":1.5,"b":"\\u003c1\\u003e"}'),
        ("username_password", {"username": "me", "password": PLANTED}, "password", PLANTED.encode()),
        ("username_password", {"username": "me", "password": PLANTED, "created_by": "u"}, "created_by", b"u"),
        ("imported_cert", CERTIFICATE, "intermediate", b"CHAIN"),
        ("imported_cert", {"certificate": "CERT"}, "intermediate", b""),
        ("imported_cert", {"certificate": "CERT", "private_key": None}, "private_key", b""),
        ("public_cert", CERTIFICATE, "private_key", PLANTED.encode()),
        ("private_cert", CERTIFICATE | {"issuing_ca": "CA"}, "issuing_ca", b"CA"),
        ("kv", {"data": {"b": {"c": [1, "x"]}, "a": "1"}}, "", b'{"a":"1","b":{"c":[1,"x"]}}'),
        ("kv", {"data": {"b": {"c": [1, "x"]}}}, "b.c.1", b"x"),
        ("kv", {"data": {"b.c": "literal", "b": {"c": "path"}}}, "b.c", b"literal"),
        ("kv", {"data": {"b": {"c": 7}}}, "b", b'{"c":7}'),
        ("custom_credentials", {"credentials_content": {"id": 7, "on": True}}, "on", b"true"),
    ),
)
async def test_each_type_has_its_value(
    world: World, type: str, fields: dict[str, Any], property: str, expected: bytes
) -> None:
    world.fake.put(type, "db", **fields)
    client = await world.open()
    assert await read(client, f"default/{type}/db", property) == expected
    await client.close()


@pytest.mark.parametrize(
    ("type", "fields", "property"),
    (
        ("username_password", {"username": "me"}, "password"),
        ("username_password", {"username": "me", "password": 7}, "password"),
        ("public_cert", {"certificate": "CERT"}, "intermediate"),
        ("imported_cert", {"private_key": PLANTED}, "certificate"),
        ("imported_cert", {"certificate": None}, "certificate"),
        ("kv", {"data": {"a": PLANTED}}, "b"),
        ("custom_credentials", {"credentials_content": {}}, "a.b"),
    ),
)
async def test_a_property_that_names_nothing_is_told(
    world: World, type: str, fields: dict[str, Any], property: str
) -> None:
    world.fake.put(type, "db", **fields)
    client = await world.open()
    with pytest.raises(InvalidConfig) as error:
        await read(client, f"default/{type}/db", property)
    assert str(error.value) == f"key {property} does not exist in secret db"
    await client.close()


@pytest.mark.parametrize(
    ("type", "fields", "expected"),
    (
        ("arbitrary", {"payload": "p"}, {"arbitrary": b"p"}),
        ("username_password", {"username": "me", "password": "p"}, {"username": b"me", "password": b"p"}),
        ("iam_credentials", {"api_key": "p"}, {"apikey": b"p"}),
        (
            "service_credentials",
            {"credentials": {"z": "1", "a": {"n": 1e6, "l": ["x", None, True]}}},
            {"credentials": b"map[a:map[l:[x <nil> true] n:1e+06] z:1]"},
        ),
        ("imported_cert", {"certificate": "C"}, {"certificate": b"C", "intermediate": b"", "private_key": b""}),
        ("imported_cert", {}, {"certificate": b"", "intermediate": b"", "private_key": b""}),
        ("public_cert", CERTIFICATE, {name: text.encode() for name, text in CERTIFICATE.items()}),
        ("private_cert", CERTIFICATE, {"certificate": b"CERT", "private_key": PLANTED.encode()}),
        ("kv", {"data": {"s": "t", "n": 1.50, "o": {"b": 1}}}, {"s": b"t", "n": b"1.5", "o": b'{"b":1}'}),
        ("custom_credentials", {"credentials_content": {"s": "t", "e": None}}, {"s": b"t", "e": b""}),
    ),
)
async def test_each_type_has_its_map(
    world: World, type: str, fields: dict[str, Any], expected: dict[str, bytes]
) -> None:
    world.fake.put(type, "db", **fields)
    client = await world.open()
    assert await extract(client, f"default/{type}/db") == expected
    await client.close()


async def test_a_property_chooses_a_part_of_an_object_for_the_map(world: World) -> None:
    world.fake.put("kv", "db", data={"deep": {"a": 1}, "text": PLANTED})
    client = await world.open()
    assert await extract(client, "default/kv/db", "deep") == {"a": b"1"}
    with pytest.raises(Malformed, match="the secret is no map") as error:
        await extract(client, "default/kv/db", "text")
    assert PLANTED not in str(error.value)
    await client.close()


async def test_metadata_comes_along_as_go_prints_it_and_the_secret_wins(world: World) -> None:
    world.fake.put("private_cert", "db", **CERTIFICATE, rotation={"auto": False}, crn=None, expires=1.5e9)
    client = await world.open()
    mapped = await extract(client, "default/private_cert/db", policy="Fetch")
    assert mapped["certificate"] == b"CERT"
    assert mapped["labels"] == b"[a b]"
    assert mapped["rotation"] == b"map[auto:false]"
    assert mapped["crn"] == b"<nil>"
    assert mapped["expires"] == b"1.5e+09"
    assert mapped["versions_total"] == b"1"
    assert mapped["intermediate"] == b"CHAIN"
    await client.close()


async def test_a_secret_of_another_type_is_told(world: World) -> None:
    id = world.fake.put("kv", "db", data={"a": PLANTED})
    client = await world.open()
    with pytest.raises(InvalidConfig) as error:
        await read(client, id)
    assert str(error.value) == f"unable to extract the fetched secret {id} of type arbitrary: it is a secret of type kv"
    assert await read(client, f"kv/{id}", "a") == PLANTED.encode()
    await client.close()


async def test_refusals_show_the_status_and_a_known_code_alone(world: World) -> None:
    client = await world.open()
    with pytest.raises(NothingThere) as gone:
        await read(client, "default/kv/gone")
    assert str(gone.value) == "IBM Cloud Secrets Manager answered 404 Not Found (not_found)"
    for body in ('{"errors":[7]}', '{"errors":{}}', '{"errors":[{"code":"planted_words"}]}', "[" * 9000):
        world.fake.fail(Fault(403, body=body))
        with pytest.raises(Denied) as error:
            await read(client, "default/kv/gone")
        assert str(error.value) == "IBM Cloud Secrets Manager answered 403 Forbidden"
    await client.close()


async def test_what_the_backend_does_not_do_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match="not implemented"):
        await found(client, Find(name_regexp="."))
    assert writes(client) is None
    await client.close()


@pytest.mark.parametrize(
    ("type", "fields"),
    (
        ("arbitrary", {}),
        ("arbitrary", {"payload": {"a": PLANTED}}),
        ("iam_credentials", {"api_key": 7}),
        ("service_credentials", {"credentials": PLANTED}),
        ("kv", {"data": [PLANTED]}),
        ("custom_credentials", {}),
    ),
)
async def test_a_reply_without_its_value_is_malformed(world: World, type: str, fields: dict[str, Any]) -> None:
    world.fake.put(type, "db", **fields)
    client = await world.open()
    for attempt in (read, extract):
        with pytest.raises(Malformed) as error:
            await attempt(client, f"default/{type}/db")
        assert PLANTED not in str(error.value)
    await client.close()


@pytest.mark.parametrize(
    "body",
    ("[" * 5000, '{"a":' * 5000, '{"secret_type":["kv"]}', '{"secret_type":"kv","data":{"a":1e999}}', "null"),
    ids=("lists", "objects", "a type that is a list", "a number without end", "null"),
)
async def test_a_reply_that_lies_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await read(client, "default/kv/db")
    await client.close()


async def test_a_reply_that_is_too_long_is_not_kept(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps({"secret_type": "kv", "data": {"a": "x" * (5 << 20)}})))
    with pytest.raises((Malformed, Unavailable)):
        await read(client, "default/kv/db")
    await client.close()
