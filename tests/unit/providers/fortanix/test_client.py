"""Secrets and other objects, members, texts of refusals; hostile replies."""

from __future__ import annotations

import json

import pytest

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, Find, InvalidConfig, Malformed, RemoteRef, SecretNotFound
from eso.providers.fortanix.client import Client
from tests.fakes.backend import Fault
from tests.fakes.env import found
from tests.unit.providers.fortanix.conftest import World

PLANTED = b"planted-7f3a9c"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property, version="7", metadata_policy="Fetch")
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


async def test_a_secret_is_described_by_name_and_exported_by_id(world: World) -> None:
    world.fake.put("db", bytes(range(256)))
    client = await world.open()
    assert await read(client, "db") == bytes(range(256))
    assert [(asked.path, asked.body) for asked in world.fake.asked] == [
        ("/crypto/v1/keys/info", {"name": "db"}),
        ("/crypto/v1/keys/export", {"kid": "kid-of-db"}),
    ]
    assert {asked.headers["Content-Type"] for asked in world.fake.asked} == {"application/json"}
    await client.close()


async def test_another_object_shows_its_value_at_once(world: World) -> None:
    world.fake.objects["opaque"] = {"kid": "k", "obj_type": "OPAQUE", "value": "cGxhaW4="}
    client = await world.open()
    assert await read(client, "opaque") == b"plain"
    assert len(world.fake.asked) == 1
    await client.close()


async def test_an_object_without_a_value_is_told(world: World) -> None:
    world.fake.objects["aes"] = {"kid": "k", "obj_type": "AES"}
    world.fake.put("kept", b"x")
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^the object has no value that can be read$"):
        await read(client, "aes")
    world.fake.fail(Fault(200, body='{"kid":"k","obj_type":"SECRET"}', path="/export"))
    with pytest.raises(InvalidConfig, match=r"^the object has no value that can be read$"):
        await read(client, "kept")
    await client.close()


async def test_a_property_is_a_member_and_no_path(world: World) -> None:
    world.fake.put("db", b'{"user":"me","a.b":"dots","none":null,"twice":"1","twice":"2"}')
    client = await world.open()
    assert [await read(client, "db", name) for name in ("user", "a.b", "none", "twice")] == [b"me", b"dots", b"", b"2"]
    with pytest.raises(InvalidConfig, match=r"^unable to get value for key a$"):
        await read(client, "db", "a")
    assert await extract(client, "db") == {"user": b"me", "a.b": b"dots", "none": b"", "twice": b"2"}
    world.fake.put("nested", json.dumps({"inner": '{"k":"v"}'}).encode())
    assert await extract(client, "nested", "inner") == {"k": b"v"}
    await client.close()


@pytest.mark.parametrize("value", (b'{"user":"planted-7f3a9c","n":1}', b'["planted-7f3a9c"]', PLANTED, b'{"a":"x"} y'))
async def test_what_is_no_object_of_texts_is_told_without_showing_it(world: World, value: bytes) -> None:
    world.fake.put("db", value)
    client = await world.open()
    for attempt in (read(client, "db", "user"), extract(client, "db")):
        with pytest.raises(Malformed) as error:
            await attempt
        assert str(error.value).startswith("unable to unmarshal secret, is it a valid JSON?: ")
        assert PLANTED.decode() not in f"{error.value}{error.value.__cause__}"
    assert await read(client, "db") == value
    await client.close()


async def test_a_404_proves_no_absence(world: World) -> None:
    client = await world.open()
    with pytest.raises(EsoError) as missing:
        await read(client, "gone")
    assert not isinstance(missing.value, SecretNotFound)
    assert str(missing.value) == "fortanix answered 404 Not Found"
    await client.close()


@pytest.mark.parametrize(("status", "kind"), ((401, AuthExpired), (403, Denied), (400, InvalidConfig)))
async def test_a_refusal_shows_the_status_alone(world: World, status: int, kind: type[EsoError]) -> None:
    world.fake.put("db", PLANTED)
    client = await world.open()
    world.fake.fail(Fault(status, body="planted words of the server"))
    with pytest.raises(kind) as error:
        await read(client, "db")
    assert "planted" not in f"{error.value}{error.value.fix}"
    await client.close()


async def test_what_the_provider_does_not_do_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match="currently not supported"):
        await found(client, Find(name_regexp="db"))
    with pytest.raises(InvalidConfig, match=r"^remoteRef.key is empty$"):
        client.request(RemoteRef(""))
    assert world.fake.asked == []
    await client.close()


@pytest.mark.parametrize(
    "body",
    (
        '{"kid":"k","obj_type":7}',
        '{"obj_type":"SECRET"}',
        '{"kid":["k"],"obj_type":"SECRET"}',
        '{"kid":"k","obj_type":"AES","value":{"a":1}}',
        '{"kid":"k","obj_type":"AES","value":"%%%"}',
        '{"kid":"k","obj_type":"AES","value":"abc"}',
        '{"kid":"k","obj_type":"AES","value":"\u00e9\u00e9\u00e9\u00e9"}',
        "[" * 5000,
    ),
)
async def test_an_object_of_another_form_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await read(client, "db")
    assert len(world.fake.asked) == 1
    await client.close()
