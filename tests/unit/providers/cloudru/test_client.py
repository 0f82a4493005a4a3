"""References, versions, properties, maps and searches; hostile replies."""

from __future__ import annotations

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    Unavailable,
)
from eso.providers.kit import search
from eso.providers.kit.protobuf import blob, number, text
from eso.values.convert import KeyRefused
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.grpc import DENIED, NOT_FOUND, framed, refused
from tests.unit.providers.cloudru.conftest import World, extract, read

PLANTED = "planted-7f3a9c"


async def test_a_secret_is_named_by_id_or_path(world: World) -> None:
    held = world.fake.put("team/db", b"\0value")
    client = await world.open()
    assert [await read(client, key) for key in (held.id, "team/db")] == [b"\0value", b"\0value"]
    assert len(world.fake.asked) == 3
    await client.close()


async def test_a_version_is_a_number_or_the_last(world: World) -> None:
    held = world.fake.put("db", b"one")
    world.fake.put("db", b"two")
    client = await world.open()
    for key in (held.id, "db"):
        assert [await read(client, key, version=one) for one in ("", "1", "latest", "2")] == [
            b"two",
            b"one",
            b"two",
            b"two",
        ]
        with pytest.raises(SecretNotFound):
            await read(client, key, version="7")
    for version in ("v1", "1.0", "2147483648", "-2147483649", " 1", "\u0661"):
        with pytest.raises(InvalidConfig) as error:
            client.request(RemoteRef("db", version=version))
        assert str(error.value) == "invalid secret version: should be a valid int32 value or 'latest' keyword"
    assert client.request(RemoteRef(held.id, version="any")) is not None
    await client.close()


async def test_a_property_is_a_path_and_only_texts_have_a_value(world: World) -> None:
    world.fake.put("db", b'{"user":"m\\u00e9","n":1.50,"deep":{"a":["x"]},"on":true,"none":null}')
    client = await world.open()
    asked = ("user", " user ", "deep.a.0", "n", "deep", "on", "none")
    assert [await read(client, "db", path) for path in asked] == [
        "mé".encode(),
        "mé".encode(),
        b"x",
        b"",
        b"",
        b"",
        b"",
    ]
    with pytest.raises(InvalidConfig, match="the secret has no property other"):
        await read(client, "db", "other")
    world.fake.put("list", f'["{PLANTED}"]'.encode())
    world.fake.put("text", PLANTED.encode())
    for key in ("list", "text"):
        with pytest.raises(Malformed) as error:
            await read(client, key, "user")
        assert PLANTED not in str(error.value)
    await client.close()


async def test_a_map_has_members_as_they_are_written_without_the_quotes_of_texts(world: World) -> None:
    world.fake.put("db", b'{"user":"me","quoted":"\\"a\\"","n":1.50,"none":null,"deep":{"a": 1},"empty":""}')
    client = await world.open()
    assert await extract(client, "db") == {
        "user": b"me",
        "quoted": b'\\"a\\',
        "n": b"1.50",
        "none": b"null",
        "deep": b'{"a": 1}',
        "empty": b"",
    }
    world.fake.put("text", PLANTED.encode())
    with pytest.raises(Malformed) as error:
        await extract(client, "text")
    assert PLANTED not in str(error.value)
    await client.close()


async def test_an_empty_value_is_a_value(world: World) -> None:
    held = world.fake.put("db", b"")
    client = await world.open()
    assert [await read(client, key) for key in (held.id, "db")] == [b"", b""]
    await client.close()


async def test_a_search_by_folder_labels_and_name_is_the_servers_and_keys_are_converted_paths(world: World) -> None:
    world.fake.put("team/prod-db", b"1", env="prod", tier="a")
    world.fake.put("team/dev-db", b"2", env="dev")
    world.fake.put("other/prod-db", b"3", env="prod")
    client = await world.open()
    assert await found(client, Find(name_regexp="^prod")) == {"team_prod-db": b"1", "other_prod-db": b"3"}
    assert await found(client, Find(path="team/")) == {"team_prod-db": b"1", "team_dev-db": b"2"}
    assert await found(client, Find(tags=(("env", "prod"), ("tier", "a")))) == {"team_prod-db": b"1"}
    assert await found(client, Find(path="team/", conversion_strategy="Unicode")) == {
        "team_U002f_prod-db": b"1",
        "team_U002f_dev-db": b"2",
    }
    assert len(await found(client, Find(name_regexp=""))) == 3
    assert await found(client, Find(path="nowhere")) == {}
    await client.close()


@pytest.mark.parametrize("find", (Find(), Find(path=""), Find(tags=())))
async def test_a_search_for_everything_is_refused(world: World, find: Find) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"at least one of find.tags, find.name and find.path is required"):
        await found(client, find)
    await client.close()


async def test_an_expression_that_does_not_compile_is_told_before_anything_is_asked(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"could not compile find.name.regexp \[\(\]: "):
        await found(client, Find(name_regexp="("))
    assert len(world.fake.asked) == 1
    await client.close()


async def test_two_paths_that_become_one_key_end_a_search_before_a_value_is_read(world: World) -> None:
    world.fake.put("a/b", b"1")
    world.fake.put("a:b", b"2")
    client = await world.open()
    with pytest.raises(KeyRefused, match="secret name collision during conversion: a_b"):
        await found(client, Find(path="a"))
    assert len(world.fake.asked) == 2
    await client.close()


async def test_a_secret_without_a_version_is_left_out_and_a_refused_one_fails_the_search(world: World) -> None:
    world.fake.put("a/b", b"1")
    world.fake.put("a/c", b"2").versions.clear()
    client = await world.open()
    assert await found(client, Find(path="a")) == {"a_b": b"1"}
    world.fake.fail(refused(DENIED))
    with pytest.raises(Denied, match="failed to search secrets: rpc error: code = PermissionDenied"):
        await found(client, Find(path="a"))
    fault = refused(DENIED)
    fault.path = "AccessSecretVersion"
    world.fake.fail(fault)
    with pytest.raises(Denied, match="failed to get secret: rpc error: code = PermissionDenied"):
        await found(client, Find(path="a"))
    await client.close()


async def test_a_search_that_finds_no_folder_proves_no_absence(world: World) -> None:
    client = await world.open()
    world.fake.fail(refused(NOT_FOUND))
    with pytest.raises(EsoError) as error:
        await found(client, Find(path="a"))
    assert not isinstance(error.value, SecretNotFound)
    await client.close()


async def test_a_search_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in range(4):
        world.fake.put(f"a/{place}", b"12345")
    client = await world.open()
    monkeypatch.setattr(search, "MOST_BYTES", 12)
    with pytest.raises(InvalidConfig, match="finds more than 12 bytes"):
        await found(client, Find(path="a"))
    monkeypatch.setattr(search, "MOST_NAMES", 3)
    with pytest.raises(InvalidConfig, match="lists more than 3 names"):
        await found(client, Find(path="a"))
    await client.close()


async def test_every_await_of_a_search_may_be_cancelled(world: World) -> None:
    for place in range(3):
        world.fake.put(f"a/{place}", b"v")
    client = await world.open()
    async for _ in every_await(lambda: found(client, Find(path="a"))):
        continue
    assert len(await found(client, Find(path="a"))) == 3
    await client.close()


async def test_an_outage_in_the_middle_of_a_search_fails_it(world: World) -> None:
    for place in range(20):
        world.fake.put(f"a/{place}", b"v")
    client = await world.open()
    fault = refused(14)
    fault.path = "AccessSecretVersion"
    world.fake.fail(fault)
    with pytest.raises(Unavailable):
        await found(client, Find(path="a"))
    await client.close()


@pytest.mark.parametrize(
    "reply",
    (
        pytest.param(b"", id="nothing"),
        pytest.param(number(3, 7), id="a payload that is a number"),
        pytest.param(blob(3, b"\xff"), id="a payload that is no message"),
        pytest.param(blob(3, number(1, 7)), id="a value that is a number"),
        pytest.param(PLANTED.encode() * 9, id="no message"),
    ),
)
async def test_a_reply_of_another_form_is_malformed_and_shows_nothing(world: World, reply: bytes) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=framed(reply)))
    with pytest.raises(Malformed) as error:
        await read(client, "db")
    assert PLANTED not in str(error.value)
    await client.close()


@pytest.mark.parametrize(
    "reply",
    (
        pytest.param(number(1, 7), id="secrets that are a number"),
        pytest.param(blob(1, text(1, "id")), id="a secret without a path"),
        pytest.param(blob(1, text(10, PLANTED)), id="a secret without an id"),
        pytest.param(blob(1, blob(10, b"\xff")), id="a path that is no text"),
    ),
)
async def test_a_search_with_a_reply_of_another_form_is_malformed(world: World, reply: bytes) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=framed(reply)))
    with pytest.raises(Malformed) as error:
        await found(client, Find(path="a"))
    assert PLANTED not in str(error.value)
    await client.close()
