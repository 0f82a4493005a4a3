"""Paths, versions, properties, maps, searches and pushes; texts of refusals; hostile replies."""

from __future__ import annotations

import json
import threading

import pytest

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import (
    Busy,
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    ValidationFailed,
)
from eso.providers.kit import search
from eso.providers.kit.http import LARGE, NothingThere
from eso.providers.ovh.client import Client
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.ovh import NOT_FOUND
from tests.unit.providers.ovh.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "", version: str = "") -> bytes:
    ref = RemoteRef(key, property, version)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


def source(**data: bytes) -> Source:
    return Source(data, "app", "team-a", "Opaque")


async def test_a_read_is_one_request_whose_path_is_one_segment(world: World) -> None:
    world.fake.put("team/prod/db?x", {"user": "me"})
    client = await world.open()
    assert await read(client, "team/prod/db?x", "user") == b"me"
    (asked,) = world.fake.asked
    assert asked.query == {"includeData": "true"}
    await client.close()


async def test_a_version_is_a_number_of_32_bits(world: World) -> None:
    world.fake.put("db", {"n": "one"})
    world.fake.put("db", {"n": "two"})
    client = await world.open()
    assert [await read(client, "db", "n", version) for version in ("", "1", "2")] == [b"two", b"one", b"two"]
    with pytest.raises(SecretNotFound):
        await read(client, "db", version="7")
    for wrong in ("x", "-1", "4294967296", "1.0", "²"):
        with pytest.raises(InvalidConfig, match=r"^invalid secret version "):
            client.request(RemoteRef("db", version=wrong))
    await client.close()


async def test_what_cannot_be_asked_for_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^fetch metadata policy not supported$"):
        client.request(RemoteRef("db", metadata_policy="Fetch"))
    with pytest.raises(InvalidConfig, match="key is empty"):
        client.request(RemoteRef(""))
    await client.close()


async def test_a_value_is_encoded_anew_and_a_property_is_a_path_into_it(world: World) -> None:
    world.fake.put("db", {"z": "<&>", "n": 1.50, "big": 12345678901234567890, "deep": {"b": [1, "x"], "a": None}})
    client = await world.open()
    whole = await read(client, "db")
    assert whole == (b'{"big":12345678901234567000,"deep":{"a":null,"b":[1,"x"]},"n":1.5,"z":"\\u003c\\u0026\\u003e"}')
    assert [await read(client, "db", path) for path in ("z", "n", "deep", "deep.b.1", "deep.a")] == [
        b"<&>",
        b"1.5",
        b'{"a":null,"b":[1,"x"]}',
        b"x",
        b"",
    ]
    with pytest.raises(InvalidConfig) as error:
        await read(client, "db", "nope")
    assert str(error.value) == 'secret property "nope" not found'
    assert await extract(client, "db", "deep") == {"a": b"", "b": b'[1,"x"]'}
    with pytest.raises(Malformed):
        await extract(client, "db", "n")
    await client.close()


@pytest.mark.parametrize("data", (None, {}))
async def test_a_version_without_data_is_an_error_and_no_absence(world: World, data: dict[str, str] | None) -> None:
    world.fake.put("db", data)
    client = await world.open()
    with pytest.raises(Malformed, match=r"^secret version data is missing$"):
        await read(client, "db")
    await client.close()


async def test_only_the_servers_own_code_proves_an_absence(world: World) -> None:
    client = await world.open()
    with pytest.raises(SecretNotFound):
        await read(client, "gone")
    for body in ('{"error_code":17125376}', "<html>", "{}", '{"error_code":"17125377"}', '{"error_code":true}'):
        world.fake.fail(Fault(404, body=body))
        with pytest.raises(NothingThere):
            await read(client, "gone")
    world.fake.fail(Fault(500, body=json.dumps({"error_code": NOT_FOUND}), times=3))
    with pytest.raises(EsoError) as error:
        await read(client, "gone")
    assert not isinstance(error.value, SecretNotFound)
    await client.close()


async def test_a_refusal_shows_the_number_of_the_error_alone(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(400, body=json.dumps({"error_code": 7, "errors": [PLANTED], "error_id": PLANTED})))
    with pytest.raises(InvalidConfig) as error:
        await read(client, "db")
    assert str(error.value) == "okms: 400 Bad Request (error code 7)"
    await client.close()


async def test_a_store_that_may_not_list_is_not_valid(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(403, body='{"error_code":6}'))
    with pytest.raises(ValidationFailed, match=r"^failed to validate secret store: okms: 403 Forbidden"):
        await client.validate()
    await client.close()


# searches


async def test_a_search_walks_the_folders_and_matches_full_paths(world: World) -> None:
    for path in ("top", "a/db", "a/b/db", "a/b/api", "ab/db"):
        world.fake.put(path, {"at": path})
    client = await world.open()
    everything = {path: json.dumps({"at": path}, separators=(",", ":")).encode() for path in world.fake.secrets}
    assert await found(client, Find()) == everything
    assert set(await found(client, Find(path="a"))) == {"a/db", "a/b/db", "a/b/api"}
    assert set(await found(client, Find(path="a/b/", name_regexp="^a/b/d", tags=(("k", "v"),)))) == {"a/b/db"}
    for wrong in ("/a", "a//b"):
        with pytest.raises(InvalidConfig, match=r"^invalid path "):
            await found(client, Find(path=wrong))
    await client.close()


@pytest.mark.parametrize("path", ("gone", "a/gone/", "secret"))
async def test_a_search_below_a_folder_that_is_not_there_fails_and_finds_no_emptiness(world: World, path: str) -> None:
    world.fake.put("a/db", {"k": "v"})
    world.fake.put("secret", {"k": "v"})
    client = await world.open()
    with pytest.raises(NothingThere) as error:
        await found(client, Find(path=path))
    assert str(error.value) == f'folder "{path.rstrip("/")}" not found'
    await client.close()


async def test_a_folder_that_goes_while_a_search_runs_is_empty(world: World) -> None:
    world.fake.put("a/db", {"k": "v"})
    world.fake.put("top", {"k": "v"})
    client = await world.open()
    world.fake.fail(Fault(404, body=json.dumps({"error_code": NOT_FOUND}), path="/metadata/a$"))
    assert set(await found(client, Find())) == {"top"}
    await client.close()


async def test_what_is_gone_meanwhile_is_left_out_and_any_other_failure_fails_the_search(world: World) -> None:
    world.fake.put("db", {"a": "1"})
    world.fake.put("other", {"a": "2"})
    client = await world.open()
    world.fake.fail(Fault(404, body=json.dumps({"error_code": NOT_FOUND}), path="/secret/db$"))
    assert set(await found(client, Find())) == {"other"}
    world.fake.fail(Fault(403, path="/secret/db$"))
    with pytest.raises(EsoError):
        await found(client, Find())
    await client.close()


async def test_a_server_that_invents_folders_without_end_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_FOLDERS", 20)
    world.fake.fail(Fault(200, body='{"data":{"keys":["again/","","/root"]}}', path="/metadata/", times=100))
    client = await world.open()
    with pytest.raises(InvalidConfig, match="the search looks into more than 20 folders"):
        await found(client, Find())
    assert len(world.fake.asked) == 20
    await client.close()


# pushes


async def test_a_push_makes_a_secret_and_then_versions_of_it(world: World) -> None:
    client = await world.open()
    for value in (b"one", b"two", b"two"):
        await client.push(Push(Remote("team/db"), "k"), source(k=value, other=b"x"))
    assert world.fake.secrets["team/db"].versions == [{"k": "one"}, {"k": "two"}]
    await client.push(Push(Remote("team/db")), source(a=b"1", b=b"text", c=b'{"x":[true]}'))
    assert world.fake.secrets["team/db"].versions[-1] == {"a": 1, "b": "text", "c": {"x": [True]}}
    await client.push(Push(Remote("team/db", "part"), "k"), source(k=b"v"))
    assert world.fake.secrets["team/db"].versions[-1] == {"part": {"k": "v"}}
    assert "cas" not in world.fake.asked[-1].query
    await client.close()


@pytest.mark.parametrize(
    ("here", "there", "writes"),
    (
        (b"12345678901234567890", "12345678901234567890", False),
        (b"12345678901234567890", "12345678901234567000", False),  # a server that keeps doubles
        (b"12345678901234567890", "12345678901234567891", True),
        (b"1.50", "1.5", False),
        (b"1e99999999999999999999", "1e99999999999999999999", False),
        (b"1e99999999999999999999", "1", True),
        (b"true", "1", True),
        (b'"1"', "1", True),
        (b"[1,2]", "[1]", True),
        (b'{"a":1}', '{"b":1}', True),
        (b"null", "null", False),
    ),
)
async def test_a_number_is_the_same_in_another_spelling(world: World, here: bytes, there: str, writes: bool) -> None:
    client = await world.open()
    body = f'{{"metadata":{{"currentVersion":1}},"version":{{"data":{{"k":{there}}}}}}}'
    world.fake.put("db", {"k": "x"})
    world.fake.fail(Fault(200, body=body))
    await client.push(Push(Remote("db"), "k"), source(k=here))
    assert bool(world.fake.count(method="PUT")) is writes
    await client.close()


@pytest.mark.parametrize("key", ("k", ""))
async def test_bytes_that_are_no_text_are_written_once(world: World, key: str) -> None:
    client = await world.open()
    for _ in range(3):
        await client.push(Push(Remote("db"), key), source(k=b"a\xff\xfe<"))
    assert world.fake.secrets["db"].versions == [{"k": "a\ufffd\ufffd<"}]
    await client.close()


async def test_a_value_that_is_too_deep_for_the_body_of_a_push_is_refused(world: World) -> None:
    client = await world.open()
    deepest = b"[" * jsonenc.MAX_DEPTH + b"]" * jsonenc.MAX_DEPTH
    with pytest.raises(InvalidConfig) as error:
        await client.push(Push(Remote("db"), "k"), source(k=deepest))
    assert str(error.value) == "the value is nested too deeply"
    assert world.fake.secrets == {}
    await client.close()


async def test_what_is_pushed_keeps_its_digits(world: World) -> None:
    client = await world.open()
    await client.push(Push(Remote("db"), "k"), source(k=b"12345678901234567890"))
    assert world.fake.asked[-1].text == '{"path":"db","version":{"data":{"k":12345678901234567890}}}'
    await client.close()


async def test_a_store_that_asks_for_it_names_the_version_that_a_push_replaces(world: World) -> None:
    world.fake.cas = True
    world.fake.put("db", {"k": "one"})
    client = await world.open()
    with pytest.raises(Busy):
        await client.push(Push(Remote("db"), "k"), source(k=b"two"))
    careful = await world.open(casRequired=True)
    await careful.push(Push(Remote("db"), "k"), source(k=b"two"))
    assert world.fake.secrets["db"].versions == [{"k": "one"}, {"k": "two"}]
    await careful.close()
    await client.close()


async def test_a_secret_whose_version_cannot_be_read_gets_a_new_one(world: World) -> None:
    world.fake.put("db", None)
    client = await world.open()
    await client.push(Push(Remote("db"), "k"), source(k=b"v"))
    assert world.fake.secrets["db"].versions == [None, {"k": "v"}]
    await client.close()


async def test_what_cannot_be_pushed_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match="not found in the source secret"):
        await client.push(Push(Remote("db"), "gone"), source(k=b"v"))
    with pytest.raises(InvalidConfig, match="is empty"):
        await client.push(Push(Remote("db")), source())
    assert world.fake.asked == []
    await client.close()


async def test_a_404_that_is_not_the_servers_word_makes_and_deletes_nothing(world: World) -> None:
    world.fake.put("db", {"k": "v"})
    client = await world.open()
    world.fake.fail(Fault(404, body="<html>", times=3))
    attempts = (
        lambda: client.push(Push(Remote("db"), "k"), source(k=b"w")),
        lambda: client.delete(Remote("db")),
        lambda: client.exists(Remote("db")),
    )
    for attempt in attempts:
        with pytest.raises(NothingThere):
            await attempt()
    assert world.fake.count(method="POST") == 0
    await client.close()


async def test_a_large_push_is_put_together_beside_the_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    here = set[bool]()
    real = jsonenc.decode

    def watched(document: bytes, **how: bool) -> jsonenc.Value:
        here.add(threading.current_thread() is threading.main_thread())
        return real(document, **how)

    monkeypatch.setattr(jsonenc, "decode", watched)
    client = await world.open()
    for last in (b"1", b"1", b"2"):
        await client.push(Push(Remote("db"), "k"), source(k=b"[" + b"7," * LARGE + last + b"]"))
    assert len(world.fake.secrets["db"].versions) == 2
    assert here == {False}
    await client.close()


# hostile replies


@pytest.mark.parametrize(
    "body",
    (
        '{"data":{"keys":"a"}}',
        '{"data":{"keys":[1]}}',
        '{"data":[]}',
        "[" * 5000,
        '{"data":{"keys":' + "[" * 300 + "]" * 300 + "}}",
    ),
)
async def test_a_folder_that_lies_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await found(client, Find())
    await client.close()


@pytest.mark.parametrize(
    "body",
    ('{"version":{"data":"x"}}', '{"version":[]}', '{"version":{"data":{"a":' + "[" * 300 + "]" * 300 + "}}}", "[1]"),
)
async def test_a_secret_that_lies_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    for attempt in (lambda: read(client, "db"), lambda: client.push(Push(Remote("db"), "k"), source(k=b"v"))):
        world.fake.fail(Fault(200, body=body))
        with pytest.raises(Malformed):
            await attempt()
    assert world.fake.count(method="PUT") == 0
    await client.close()


async def test_a_version_number_that_is_none_is_not_sent(world: World) -> None:
    world.fake.put("db", {"k": "v"})
    client = await world.open(casRequired=True)
    for number in ('"1"', "true", "1.5", "1e400", "null"):
        body = f'{{"metadata":{{"currentVersion":{number}}},"version":{{"data":{{"k":"old"}}}}}}'
        world.fake.fail(Fault(200, body=body))
        await client.push(Push(Remote("db"), "k"), source(k=b"w"))
        assert world.fake.asked[-1].query == {}
    await client.close()


async def test_every_await_of_a_search_and_a_push_may_be_cancelled(world: World) -> None:
    world.fake.put("a/db", {"k": "1"})
    client = await world.open()

    async def everything() -> None:
        await found(client, Find())
        await client.push(Push(Remote("a/db"), "k"), source(k=b"two"))

    async for _ in every_await(everything):
        continue
    assert await read(client, "a/db", "k") == b"two"
    await client.close()
