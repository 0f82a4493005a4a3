"""Payloads, their members, searches in pages; what a Barbican that lies gets."""

from __future__ import annotations

import json

import pytest

from eso.errors import EsoError
from eso.providers.barbican.client import Client
from eso.providers.contract import Find, InvalidConfig, Malformed, RemoteRef, SecretNotFound
from eso.providers.kit import search
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.unit.providers.barbican.conftest import World

PLANTED = b"planted-7f3a9c"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property, version="7", metadata_policy="Fetch")
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


async def test_a_payload_is_read_as_it_is(world: World) -> None:
    world.fake.put("id", b'{"a": 1.50}\n')
    client = await world.open()
    assert await read(client, "id") == b'{"a": 1.50}\n'
    await client.close()


async def test_a_property_is_the_json_text_of_a_member(world: World) -> None:
    world.fake.put("id", b'{"text":"me","n":1.50,"none":null,"deep":{"a": "x"},"a.b":"dots","twice":1,"twice":2}')
    client = await world.open()
    assert [await read(client, "id", name) for name in ("text", "n", "none", "deep", "a.b", "twice")] == [
        b'"me"',
        b"1.50",
        b"null",
        b'{"a": "x"}',
        b'"dots"',
        b"2",
    ]
    for path in ("deep.a", "gone", "*"):
        with pytest.raises(InvalidConfig) as error:
            await read(client, "id", path)
        assert str(error.value) == f"barbican client: property {path} not found in secret payload"
    await client.close()


async def test_a_map_has_the_json_texts_of_all_members(world: World) -> None:
    world.fake.put("id", b'{"text":"me","n":1.50,"deep":{"a": "x"}}')
    client = await world.open()
    assert await extract(client, "id") == {"text": b'"me"', "n": b"1.50", "deep": b'{"a": "x"}'}
    assert await extract(client, "id", "deep") == {"a": b'"x"'}
    world.fake.put("plain", PLANTED)
    for attempt in (extract(client, "plain"), read(client, "plain", "user"), extract(client, "id", "text")):
        with pytest.raises(Malformed) as error:
            await attempt
        assert PLANTED.decode() not in f"{error.value}{error.value.__cause__}"
    await client.close()


async def test_a_404_proves_no_absence_for_an_expired_secret_is_answered_so(world: World) -> None:
    client = await world.open()
    with pytest.raises(EsoError) as missing:
        await read(client, "gone")
    assert not isinstance(missing.value, SecretNotFound)
    assert str(missing.value) == "barbican client: 404 Not Found (your secret is in another castle)"
    await client.close()


async def test_a_payload_of_another_type_is_refused(world: World) -> None:
    world.fake.put("key", b"\x00\xff", kind="application/octet-stream")
    client = await world.open()
    with pytest.raises(InvalidConfig) as error:
        await read(client, "key")
    assert str(error.value) == "barbican client: 406 Not Acceptable (Not Acceptable)"
    assert "text/plain" in error.value.fix
    await client.close()


async def test_a_page_of_a_proxy_is_no_payload(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body="<html>sign in</html>"))
    with pytest.raises(Malformed, match="no plain text"):
        await read(client, "id")
    await client.close()


@pytest.mark.parametrize("key", ("v1/secrets", "a/b?x=1", "a b", "é", "%2e%2e"))
async def test_a_key_stays_one_part_of_the_path(world: World, key: str) -> None:
    world.fake.put("id", PLANTED)
    client = await world.open()
    with pytest.raises(EsoError):
        await read(client, key)
    assert world.fake.asked[-1].path.startswith("/key-manager/v1/secrets/")
    assert world.fake.asked[-1].path.endswith("/payload")
    assert world.fake.asked[-1].query == {}
    await client.close()


@pytest.mark.parametrize("key", ("", ".", "..", "../../v1/secrets", "..\\x"))
async def test_a_key_that_is_no_part_of_a_path_is_refused(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig):
        client.request(RemoteRef(key))
    await client.close()


# searches


async def test_a_search_matches_names_and_gives_ids(world: World) -> None:
    for at in range(25):
        world.fake.put(f"id-{at}", str(at).encode(), f"name-{at}")
    world.fake.names["id-3"] = None
    client = await world.open()
    assert await found(client, Find(name_regexp="^name-1[0-9]?$")) == {
        f"id-{at}": str(at).encode() for at in (1, *range(10, 20))
    }
    assert world.fake.count("/secrets$") == 3
    assert world.fake.count("/payload$") == 11
    assert await found(client, Find(path="ignored", name_regexp="^$", tags=(("a", "b"),))) == {"id-3": b"3"}
    await client.close()


@pytest.mark.parametrize("find", (Find(), Find(name_regexp=""), Find(tags=(("a", "b"),))))
async def test_a_search_needs_an_expression(world: World, find: Find) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^barbican client: missing field name and/or regexp$"):
        await found(client, find)
    await client.close()


async def test_a_search_that_matches_nothing_is_an_error_and_proves_nothing(world: World) -> None:
    client = await world.open()
    for _ in range(2):
        with pytest.raises(NothingThere, match=r"^barbican client: no secrets found$"):
            await found(client, Find(name_regexp="db"))
        world.fake.put("other", b"x")
    await client.close()


async def test_a_payload_that_cannot_be_read_fails_the_search(world: World) -> None:
    world.fake.put("a", b"1", "db-1")
    world.fake.put("b", b"\xff", "db-2", "application/octet-stream")
    client = await world.open()
    with pytest.raises(InvalidConfig, match="406"):
        await found(client, Find(name_regexp="db"))
    await client.close()


@pytest.mark.parametrize(
    "body",
    (
        "{}",
        '{"secrets":7}',
        '{"secrets":[7]}',
        '{"secrets":[{"name":"db"}]}',
        '{"secrets":[{"name":"db","secret_ref":7}]}',
        '{"secrets":[{"name":"db","secret_ref":"http://x/.."}]}',
        '{"secrets":[],"next":"http://[x"}',
        '{"secrets":[],"next":"http://x/v1/secrets"}',
        '{"secrets":[],"next":"http://x/v1/secrets?a\\u0000b"}',
        '{"secrets":[],"next":{"href":"http://x/v1/secrets?offset=10"}}',
        "[" * 5000,
    ),
)
async def test_a_list_of_another_form_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await found(client, Find(name_regexp="db"))
    await client.close()


async def test_a_list_without_an_end_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_FOLDERS", 20)
    client = await world.open()
    world.fake.fail(
        Fault(200, body=json.dumps({"secrets": [], "next": "http://elsewhere/v1/secrets?offset=0"}), times=9999)
    )
    with pytest.raises(InvalidConfig, match="looks into more than"):
        await found(client, Find(name_regexp="db"))
    await client.close()


async def test_every_await_of_a_search_may_be_cancelled(world: World) -> None:
    world.fake.put("a", b"1", "db")
    client = await world.open()
    async for _ in every_await(lambda: found(client, Find(name_regexp="db"))):
        continue
    assert await found(client, Find(name_regexp="db")) == {"a": b"1"}
    await client.close()
