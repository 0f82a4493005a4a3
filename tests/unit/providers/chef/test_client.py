"""Keys, properties and bags; proofs of absence; hostile replies."""

from __future__ import annotations

import json

import pytest

from eso.providers.chef.client import Client
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    Unavailable,
    Validation,
    ValidationFailed,
    writes,
)
from eso.providers.kit import search
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.unit.providers.chef.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str) -> dict[str, bytes]:
    ref = RemoteRef(key, "ignored", members=True)
    return client.mapping(await client.fetch(client.request(ref)), ref)


async def test_an_item_is_compact_json_as_go_writes_it(world: World) -> None:
    world.fake.put("shop", "db", z="<&>", a=1.50, deep={"b": [1, "x"]})
    client = await world.open()
    expected = b'{"a":1.5,"deep":{"b":[1,"x"]},"id":"db","z":"\\u003c\\u0026\\u003e"}'
    for key in ("shop/db", "shop/db/more/parts"):
        assert await read(client, key) == expected
    await client.close()


async def test_a_property_is_a_path_to_a_text(world: World) -> None:
    world.fake.put("shop", "db", user="m<e", n=7, none=None, deep={"a": ["x"]})
    client = await world.open()
    paths = ("user", "deep.a.0", "n", "none", "deep")
    assert [await read(client, "shop/db", path) for path in paths] == [b"m<e", b"x", b"", b"", b""]
    with pytest.raises(InvalidConfig) as error:
        await read(client, "shop/db", "nope")
    assert str(error.value) == "property nope not found in data bag item"
    await client.close()


async def test_a_map_is_a_whole_bag(world: World) -> None:
    world.fake.put("shop", "db", user="me")
    world.fake.put("shop", "api", token="t")
    world.fake.bags["empty"] = {}
    client = await world.open()
    expected = {"api": b'{"id":"api","token":"t"}', "db": b'{"id":"db","user":"me"}'}
    assert await extract(client, "shop") == expected
    assert len(world.fake.asked) == 3
    assert await extract(client, "empty") == {}
    await client.close()


@pytest.mark.parametrize("key", ("db", "", "/db", "shop/"))
async def test_other_keys_of_values_are_refused(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig) as error:
        client.request(RemoteRef(key))
    text = "invalid key format in data section. Expected value 'databagName/databagItemName'"
    assert str(error.value) == text
    await client.close()


@pytest.mark.parametrize("key", ("shop/db", "", "shop/"))
async def test_other_keys_of_maps_are_refused(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig) as error:
        client.request(RemoteRef(key, members=True))
    assert str(error.value) == "invalid key format in dataForm section. Expected only 'databagName'"
    await client.close()


@pytest.mark.parametrize("key", ("../db", "shop/..", "./x"))
async def test_a_key_cannot_leave_its_place_in_the_address(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig):
        await read(client, key)
    assert world.fake.asked == []
    await client.close()


@pytest.mark.parametrize("item", ("a b", "x:y", "50%", "é"))
async def test_a_signature_covers_the_path_as_it_is_sent(world: World, item: str) -> None:
    world.fake.put("shop", item, user="me")
    client = await world.open()
    assert await read(client, f"shop/{item}", "user") == b"me"
    await client.close()


async def test_only_the_servers_word_of_this_item_proves_an_absence(world: World) -> None:
    client = await world.open()
    with pytest.raises(SecretNotFound) as gone:
        await read(client, "shop/gone")
    assert str(gone.value) == "data bag item gone not found in data bag shop"
    with pytest.raises(SecretNotFound) as gone:
        await extract(client, "gone")
    assert str(gone.value).startswith("unable to list items in data bag gone, ")
    bodies: tuple[object, ...] = (
        {"error": ["Cannot load data bag item other for data bag shop"]},
        {"error": "Cannot load data bag item gone for data bag shop"},
        {"error": ["organization 'x' does not exist."]},
        {"error": [["Cannot load data bag item gone for data bag shop"]]},
        [],
    )
    for body in bodies:
        world.fake.fail(Fault(404, body=json.dumps(body)))
        with pytest.raises(NothingThere):
            await read(client, "shop/gone")
    world.fake.fail(Fault(500, body='{"error":["Cannot load data bag item gone for data bag shop"]}'))
    with pytest.raises(Unavailable):
        await read(client, "shop/gone")
    await client.close()


async def test_an_item_that_goes_while_its_bag_is_read_is_no_absence_of_the_bag(world: World) -> None:
    world.fake.put("shop", "api", token="t")
    world.fake.put("shop", "db", user="me")
    client = await world.open()
    gone = json.dumps({"error": ["Cannot load data bag item db for data bag shop"]})
    world.fake.fail(Fault(404, body=gone, path="/data/shop/db$"))
    assert await extract(client, "shop") == {"api": b'{"id":"api","token":"t"}'}
    world.fake.fail(Fault(404, body="{}", path="/data/shop/db$"))
    with pytest.raises(NothingThere):
        await extract(client, "shop")
    await client.close()


async def test_an_item_that_may_not_be_read_fails_the_map(world: World) -> None:
    world.fake.put("shop", "db", user="me")
    client = await world.open()
    world.fake.fail(Fault(403, path="/data/shop/db$"))
    with pytest.raises(Denied):
        await extract(client, "shop")
    await client.close()


async def test_a_store_is_valid_when_its_user_is_seen(world: World) -> None:
    client = await world.open()
    assert await client.validate() is Validation.READY
    world.fake.fail(Fault(403, body=json.dumps({"error": [PLANTED]})))
    with pytest.raises(ValidationFailed) as failed:
        await client.validate()
    text = "unable to validate provided store. Check if username, serverUrl and privateKey are correct"
    assert (str(failed.value), failed.value.fix) == (text, "Chef Infra Server answered 403 Forbidden")
    await client.close()


async def test_a_wrong_key_ends_the_login_and_shows_nothing(world: World) -> None:
    world.fake.key = "stranger"
    client = await world.open()
    with pytest.raises(AuthExpired) as error:
        await read(client, "shop/db")
    assert str(error.value) == "Chef Infra Server answered 401 Unauthorized"
    await client.close()


async def test_what_the_backend_does_not_do_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^dataFrom.find not suppported$"):
        await found(client, Find(name_regexp="."))
    assert writes(client) is None
    await client.close()


@pytest.mark.parametrize("body", ("[]", "null", '"text"', "{", "[" * 5000, '{"a":' * 5000, '{"a":1e999}', "<html>"))
async def test_an_item_that_lies_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await read(client, "shop/db")
    await client.close()


@pytest.mark.parametrize("body", ("[]", "null", "7", "[" * 5000))
async def test_a_list_that_lies_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await extract(client, "shop")
    await client.close()


async def test_a_list_leads_nowhere_else(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body='{"..":"https://elsewhere.example.org"}'))
    with pytest.raises(InvalidConfig):
        await extract(client, "shop")
    assert len(world.fake.asked) == 1
    await client.close()


async def test_a_bag_without_end_is_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_NAMES", 5)
    monkeypatch.setattr(search, "MOST_BYTES", 100)
    for at in range(4):
        world.fake.put("large", f"item-{at}", text="x" * 40)
    for at in range(6):
        world.fake.put("many", f"item-{at}")
    client = await world.open()
    for bag in ("large", "many"):
        with pytest.raises(InvalidConfig, match="the search"):
            await extract(client, bag)
    assert world.fake.count("/many/") == 0
    await client.close()


async def test_every_await_of_a_map_may_be_cancelled(world: World) -> None:
    world.fake.put("shop", "db", user="me")
    client = await world.open()
    async for _ in every_await(lambda: extract(client, "shop")):
        continue
    assert await extract(client, "shop") == {"db": b'{"id":"db","user":"me"}'}
    await client.close()
