"""Resources of both generations, their five values, searches; hostile replies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import Find, InvalidConfig, Malformed, RemoteRef, SecretNotFound
from eso.providers.kit.http import NothingThere
from eso.providers.passbolt.client import Client
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.passbolt import FIFTH, PASSWORD
from tests.unit.providers.passbolt.conftest import World

PLANTED = "planted-7f3a9c"
ID = "99999999-2222-4333-8444-555555555555"
PROPERTIES = ("name", "username", "password", "uri", "description")


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def all_of(client: Client, key: str) -> list[str]:
    return [(await read(client, key, name)).decode() for name in PROPERTIES]


async def test_a_password_alone_is_a_secret_of_the_fourth_generation(world: World) -> None:
    world.fake.put(ID, "db", "p<&>", type=PASSWORD, username="me", uri="https://x", description="clear")
    client = await world.open()
    assert await all_of(client, ID) == ["db", "me", "p<&>", "https://x", "clear"]
    expected = b'{"name":"db","username":"me","password":"p<&>","uri":"https://x","description":"clear"}'
    assert await read(client, ID) == expected
    await client.close()


async def test_a_description_may_be_part_of_the_secret(world: World) -> None:
    world.fake.put(ID, "db", "p", username=None, uri=None)
    client = await world.open()
    assert await all_of(client, ID) == ["db", "", "p", "", "of the secret"]
    world.fake.put(ID, "db", "p", description="in the clear")
    assert await read(client, ID, "description") == b"in the clear"
    await client.close()


@pytest.mark.parametrize("shared", (True, False), ids=("with the shared key", "with the user's key"))
async def test_all_of_a_resource_of_the_fifth_generation_is_encrypted(world: World, shared: bool) -> None:
    world.fake.put_sealed(ID, "p", shared=shared, name="db", username="me", uris=["https://1", "https://2"])
    client = await world.open()
    assert await all_of(client, ID) == ["db", "me", "p", "https://1", "in secret"]
    world.fake.put_sealed(ID, "p", shared=shared, name="db", uri="https://0", uris=[], description="about")
    assert await all_of(client, ID) == ["db", "", "p", "https://0", "about"]
    await client.close()


async def test_a_read_costs_two_requests_and_what_the_login_learns_costs_one_each(world: World) -> None:
    world.fake.put_sealed(ID, "p", name="db")
    client = await world.open()
    await read(client, ID)
    assert world.paths() == [
        f"/resources/{ID}.json",
        "/metadata/keys.json",
        f"/resource-types/{FIFTH}.json",
        f"/secrets/resource/{ID}.json",
    ]
    await read(client, ID)
    assert world.paths()[4:] == [f"/resources/{ID}.json", f"/secrets/resource/{ID}.json"]
    await client.close()


async def test_a_metadata_key_that_is_replaced_is_learned(world: World) -> None:
    world.fake.put_sealed(ID, "p", name="db")
    client = await world.open()
    assert await read(client, ID, "name") == b"db"
    world.fake.metadata_id = "11111111-2222-4333-8444-555555555555"
    world.fake.metadata_key = type(world.fake.metadata_key).generate("next@passbolt.test")
    assert await read(client, ID, "name") == b"db"
    world.fake.user = "nobody"
    world.fake.metadata_id = ID
    with pytest.raises(Malformed, match="has no key for the metadata"):
        await read(client, ID)
    await client.close()


async def test_other_properties_and_maps_are_refused(world: World) -> None:
    world.fake.put(ID, "db", "p")
    client = await world.open()
    with pytest.raises(InvalidConfig) as error:
        await read(client, ID, "user")
    assert str(error.value) == "property must be one of name, username, uri, password or description"
    with pytest.raises(InvalidConfig, match=r"^not implemented$"):
        client.request(RemoteRef(ID, members=True))
    payload = await client.fetch(client.request(RemoteRef(ID)))
    with pytest.raises(InvalidConfig, match=r"^not implemented$"):
        client.mapping(payload, RemoteRef(ID))
    await client.close()


async def test_a_resource_that_is_not_there_is_an_ordinary_error(world: World) -> None:
    client = await world.open()
    with pytest.raises(NothingThere) as missing:
        await read(client, ID)
    assert not isinstance(missing.value, SecretNotFound)
    assert str(missing.value) == "Passbolt answered 404 Not Found"
    with pytest.raises(InvalidConfig):
        client.request(RemoteRef(".."))
    await client.close()


async def test_an_id_stays_one_part_of_the_path(world: World) -> None:
    client = await world.open()
    with pytest.raises(NothingThere):
        await read(client, "a/users/me")
    with pytest.raises(InvalidConfig):
        await read(client, "../users/me")
    assert not [path for path in world.paths() if path.startswith("/users")]
    await client.close()


async def test_a_search_decrypts_all_names_and_reads_the_secrets_of_those_that_match(world: World) -> None:
    for number in range(12):
        world.fake.put(f"clear-{number}", f"prod-{number}", "p")
    world.fake.put_sealed("shared", "p", name="prod-shared")
    world.fake.put_sealed("own", "p", shared=False, name="dev-own")
    client = await world.open()
    matches = await found(client, Find(name_regexp="shared|own|-1$"))
    assert sorted(matches) == ["clear-1", "own", "shared"]
    assert json.loads(matches["own"])["name"] == "dev-own"
    assert world.fake.count("/secrets/") == 3
    assert len(await found(client, Find(name_regexp="^prod", path="unused", tags=(("not", "used"),)))) == 13
    for find in (Find(), Find(name_regexp="")):
        with pytest.raises(InvalidConfig, match=r"^missing: find.name.regexp$"):
            await found(client, find)
    await client.close()


async def test_a_resource_that_cannot_be_decrypted_fails_the_search_and_no_other_read(world: World) -> None:
    world.fake.put(ID, "db", "p")
    bad = world.fake.put_sealed("bad", "p", name="other")
    client = await world.open()
    key = world.fake.metadata_key
    await read(client, "bad")
    world.fake.metadata_key = type(key).generate("unknown@passbolt.test")
    with pytest.raises(Malformed, match=r"^a message of the server cannot be decrypted$"):
        await found(client, Find(name_regexp="db"))
    assert await read(client, ID, "password") == b"p"
    world.fake.metadata_key, bad.secret = key, b"no JSON"
    with pytest.raises(Malformed, match=r"^a decrypted document is no JSON object$"):
        await found(client, Find(name_regexp="other"))
    await client.close()


# hostile replies


@pytest.mark.parametrize(
    "about",
    (
        {"name": 7},
        {"name": "db", "username": ["x"]},
        {"name": "db", "uris": "https://x"},
        {"name": "db", "uris": [7]},
        {"name": "db", "description": {}},
    ),
)
async def test_metadata_of_another_form_are_malformed(world: World, about: dict[str, Any]) -> None:
    world.fake.put_sealed(ID, PLANTED, **about)
    client = await world.open()
    with pytest.raises(Malformed) as error:
        await read(client, ID)
    assert PLANTED not in str(error.value)
    await client.close()


@pytest.mark.parametrize("secret", (b"[]", b'{"password":7}', b'{"description":[]}', b"\xff", b"[" * 9000, b"planted"))
async def test_a_secret_of_another_form_is_malformed_and_not_shown(world: World, secret: bytes) -> None:
    world.fake.put(ID, "db", "p").secret = secret
    client = await world.open()
    with pytest.raises(Malformed) as error:
        await read(client, ID)
    assert "planted" not in str(error.value)
    await client.close()


async def test_a_password_that_is_no_text_is_malformed_and_one_that_is_missing_is_empty(world: World) -> None:
    world.fake.put(ID, "db", "p", type=PASSWORD).secret = b"\xff"
    client = await world.open()
    with pytest.raises(Malformed, match=r"^a password is no text$"):
        await read(client, ID)
    world.fake.put(ID, "db", "p").secret = b'{"totp":{}}'
    assert await read(client, ID, "password") == b""
    await client.close()


@pytest.mark.parametrize(
    ("path", "body"),
    (
        ("^/resources/", "null"),
        ("^/resources/", '{"id":7}'),
        ("^/resources/", f'{{"id":"{ID}"}}'),
        ("^/resources/", f'{{"id":"{ID}","resource_type_id":"x","metadata":7,"metadata_key_type":"user_key"}}'),
        ("^/resources/", f'{{"id":"{ID}","resource_type_id":"x","metadata":"y"}}'),
        ("^/resources/", f'{{"id":"{ID}","resource_type_id":".."}}'),
        ("^/resource-types/", "[]"),
        ("^/resource-types/", '{"definition":"{"}'),
        ("^/resource-types/", '{"definition":{"secret":"string"}}'),
        ("^/secrets/", "[]"),
        ("^/secrets/", '{"data":7}'),
        ("^/secrets/", '{"data":"no message"}'),
        ("^/secrets/", '{"data":"\\ud800"}'),
        ("^/metadata/", "{}"),
        ("^/metadata/", "[7]"),
        ("^/metadata/", '[{"id":"x","metadata_private_keys":7}]'),
        ("^/metadata/", '[{"id":"x","metadata_private_keys":[7]}]'),
    ),
)
async def test_a_reply_of_another_form_is_an_error(world: World, path: str, body: str) -> None:
    world.fake.put_sealed(ID, PLANTED, name="db")
    client = await world.open()
    world.fake.fail(Fault(200, body=f'{{"header":{{"status":"success"}},"body":{body}}}', path=path))
    with pytest.raises((Malformed, InvalidConfig)) as error:
        await read(client, ID)
    assert PLANTED not in str(error.value)
    await client.close()


async def test_a_metadata_key_that_is_none_is_told(world: World) -> None:
    world.fake.put_sealed(ID, "p", name="db")
    client = await world.open()
    key = world.fake.sealed(b'{"armored_key":"none","passphrase":"planted"}')
    keys = [{"id": world.fake.metadata_id, "metadata_private_keys": [{"user_id": world.fake.user, "data": key}]}]
    body = json.dumps({"header": {"status": "success"}, "body": keys})
    world.fake.fail(Fault(200, body=body, path="^/metadata/"))
    with pytest.raises(EsoError) as error:
        await read(client, ID)
    assert isinstance(error.value, Malformed)
    await client.close()


async def test_fifty_megabytes_are_not_read(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=" " * (50 << 20)))
    with pytest.raises(Malformed):
        await read(client, ID)
    await client.close()


async def test_every_await_of_a_search_may_be_cancelled(world: World) -> None:
    world.fake.put_sealed(ID, "p", name="db")
    client = await world.open()
    async for _ in every_await(lambda: found(client, Find(name_regexp="db"))):
        continue
    assert list(await found(client, Find(name_regexp="db"))) == [ID]
    await client.close()
