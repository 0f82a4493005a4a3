"""Reads by UID and title, properties, files, searches; texts of refusals; hostile replies."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from eso.errors import EsoError
from eso.net.http import Timeouts
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    Throttled,
)
from eso.providers.keepersecurity.client import Client
from eso.providers.keepersecurity.codec import Record
from tests.fakes.backend import Asked, Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.keepersecurity import FOLDER, Held, b64, lock
from tests.unit.providers.keepersecurity.conftest import World

PLANTED = "planted-7f3a9c"
FIELDS = [
    {"type": "login", "value": ["me"]},
    {"type": "password", "label": "pass <word>", "value": [PLANTED]},
    {"type": "url", "value": []},
    {"type": "oneTimeCode", "value": ["otpauth://x"]},
    {"type": "host", "value": [{"port": "22", "hostName": "h&h"}]},
    {"type": "phone", "label": "numbers", "value": ["1", 2, {"b": 1.5, "a": None}]},
]
CUSTOM = [{"type": "text", "label": "note", "value": ["n"]}, {"type": "text", "label": "login", "value": ["other"]}]


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property, members=True)
    return client.mapping(await client.fetch(client.request(ref)), ref)


def full(world: World) -> Held:
    held = world.fake.put("db", fields=FIELDS, custom=CUSTOM[:1], folder=FOLDER)
    world.fake.attach(held, "cert.pem", b"-----\xff")
    return held


@pytest.mark.parametrize("folder", ("", FOLDER), ids=("alone", "in a folder"))
@pytest.mark.parametrize("own_key", (True, False), ids=("with a key", "with the key above"))
async def test_a_record_is_opened_wherever_it_lies(world: World, folder: str, own_key: bool) -> None:
    held = world.fake.put("db", folder=folder, own_key=own_key, custom=CUSTOM)
    client = await world.open()
    assert await read(client, held.uid, "note") == b"n"
    assert len(world.fake.asked) == 1
    assert world.fake.payloads[0]["requestedRecords"] == [held.uid]
    await client.close()


async def test_a_whole_record_is_json_with_its_members_in_their_order(world: World) -> None:
    held = full(world)
    client = await world.open()
    expected = (
        b'{"title":"db","type":"login","fields":['
        b'{"type":"login","value":["me"]},'
        b'{"type":"password","label":"pass \\u003cword\\u003e","value":["planted-7f3a9c"]},'
        b'{"type":"url","value":[]},'
        b'{"type":"oneTimeCode","value":["otpauth://x"]},'
        b'{"type":"host","value":[{"hostName":"h\\u0026h","port":"22"}]},'
        b'{"type":"phone","label":"numbers","value":["1",2,{"a":null,"b":1.5}]}],'
        b'"custom":[{"type":"text","label":"note","value":["n"]}],'
        b'"files":[{"type":"cert.pem","content":"-----\\ufffd"}]}'
    )
    assert await read(client, held.uid) == expected
    bare = world.fake.put("bare", fields=None, custom=None, type="note")
    nothing = b'{"title":"bare","type":"note","fields":null,"custom":null,"files":null}'
    assert await read(client, bare.uid) == nothing
    await client.close()


async def test_a_property_is_a_field_a_custom_field_or_a_file(world: World) -> None:
    held = full(world)
    client = await world.open()
    for name, value in (
        ("login", b"me"),
        ("pass <word>", PLANTED.encode()),
        ("host", b'{"hostName":"h\\u0026h","port":"22"}'),
        ("numbers", b'["1",2,{"a":null,"b":1.5}]'),
        ("note", b"n"),
        ("cert.pem", b"-----\xff"),
    ):
        assert await read(client, held.uid, name) == value
    for name in ("password", "url", "oneTimeCode", "phone", "text", "nope"):
        with pytest.raises(EsoError) as error:
            await read(client, held.uid, name)
        assert str(error.value) == f"invalid Property. Secret db does not have any key matching {name}"
        assert not isinstance(error.value, SecretNotFound)
    await client.close()


async def test_a_map_takes_everything_that_has_a_value(world: World) -> None:
    held = full(world)
    client = await world.open()
    assert await extract(client, held.uid) == {
        "login": b"me",
        "pass <word>": PLANTED.encode(),
        "oneTimeCode": b"otpauth://x",
        "host": b'{"hostName":"h\\u0026h","port":"22"}',
        "numbers": b'["1",2,{"a":null,"b":1.5}]',
        "note": b"n",
        "cert.pem": b"-----\xff",
    }
    assert await extract(client, held.uid, "note") == {"note": b"n"}
    empty = world.fake.put("empty")
    with pytest.raises(EsoError, match="has no values"):
        await extract(client, empty.uid)
    await client.close()


async def test_keys_that_name_two_parts_are_told(world: World) -> None:
    held = world.fake.put("db", fields=FIELDS, custom=[*CUSTOM, CUSTOM[0]])
    client = await world.open()
    with pytest.raises(Malformed, match=r"^the keys of secret db are not unique: login, note$"):
        await read(client, held.uid, "host")
    await client.close()


async def test_a_title_is_looked_for_only_where_the_store_says_so(world: World) -> None:
    world.fake.put("db", custom=CUSTOM)
    client = await world.open()
    with pytest.raises(EsoError, match=r"^no secrets found$") as missing:
        await read(client, "db")
    assert not isinstance(missing.value, SecretNotFound)
    client = client.bind(await titles(world))
    assert await read(client, "db", "note") == b"n"
    world.fake.put("db", custom=CUSTOM)
    with pytest.raises(EsoError, match=r"^more than 1 secret db found$"):
        await read(client, "db")
    with pytest.raises(EsoError, match=r"^no secrets found$"):
        await read(client, "d")
    await client.close()


async def titles(world: World) -> Any:
    return (await world.open(getByTitleFallback=True)).store


async def test_records_that_fall_due_together_are_one_request_and_titles_one_more(world: World) -> None:
    uids = [world.fake.put(f"record-{number}", custom=CUSTOM).uid for number in range(3)]
    client = await world.open(getByTitleFallback=True)
    asked = [client.request(RemoteRef(key)) for key in (*uids, "record-1", "gone")]
    assert len({client.batch(one) for one in asked[:3]}) == 1
    assert client.batch(asked[3]) == client.batch(asked[4]) is not None
    answers = await client.fetch_many(asked)
    assert len(world.fake.asked) == 2
    assert [isinstance(answers[one], Record) for one in asked] == [True, True, True, True, False]
    plain = await world.open()
    assert plain.batch(plain.request(RemoteRef("no uid"))) is None
    await client.close()
    await plain.close()


async def test_a_list_of_all_records_that_cannot_be_read_fails_no_record_that_its_uid_finds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, lost = world.fake.put("db", custom=CUSTOM), world.fake.put("lost")
    del world.fake.records[lost.uid]
    client = await world.open(getByTitleFallback=True)
    there, gone = (client.request(RemoteRef(one.uid)) for one in (held, lost))
    assert client.batch(there) == client.batch(gone)
    answer = world.fake.answer

    async def once(asked: Asked) -> web.StreamResponse:
        world.fake.fail(Fault(200, body="what no key opens, as the answer to the next request"))
        return await answer(asked)

    monkeypatch.setattr(world.fake, "answer", once)
    answers = await client.fetch_many([there, gone])
    assert isinstance(answers[there], Record)
    assert isinstance(answers[gone], Malformed)
    await client.close()


async def test_a_file_that_cannot_be_loaded_fails_those_alone_who_ask_for_it(world: World) -> None:
    held = world.fake.put("db", custom=CUSTOM)
    world.fake.attach(held, "good", b"good")
    gone, moved, sealed = (world.fake.attach(held, name, b"x") for name in ("gone", "moved", "sealed"))
    del world.fake.contents[gone["url"].split("test", 1)[1]]
    moved["url"] = "http://169.254.169.254/latest"
    world.fake.contents[sealed["url"].split("test", 1)[1]] = bytes(64)
    held.files.append({"fileUid": "x", "fileKey": b64(bytes(60)), "data": b64(bytes(60)), "url": "https://x"})
    client = await world.open()
    assert await read(client, held.uid, "note") == b"n"
    assert await read(client, held.uid, "good") == b"good"
    for name, why in (
        ("gone", "the file's storage answered 404 Not Found"),
        ("moved", "it lies at an address that cannot be used"),
        ("sealed", "it cannot be decrypted"),
    ):
        with pytest.raises(EsoError) as error:
            await read(client, held.uid, name)
        assert str(error.value) == f"file {name} cannot be loaded: {why}"
    for whole in (read, extract):
        with pytest.raises(EsoError):
            await whole(client, held.uid)
    await client.close()


async def test_a_storage_that_does_not_answer_is_asked_for_no_more_files_of_the_record(world: World) -> None:
    """The other reads of the request wait for each of them."""
    held = world.fake.put("db", custom=CUSTOM)
    for name in ("first", "second", "third"):
        world.fake.attach(held, name, b"x")
    client = await world.open()
    login = client.connection
    login.files = replace(login.files, timeouts=Timeouts(total=0.05))
    world.fake.fail(Fault(hang=True, path=re.escape(held.files[0]["url"].split("test", 1)[1]), times=9))
    record = await client.fetch(client.request(RemoteRef(held.uid)))
    assert client.value(record, RemoteRef(held.uid, "note")) == b"n"
    for name in ("first", "second", "third"):
        with pytest.raises(EsoError, match=f"^file {name} cannot be loaded: "):
            client.value(record, RemoteRef(held.uid, name))
    asked = [one.path for one in world.fake.asked]
    assert not any(held.files[place]["url"].endswith(path) for place in (1, 2) for path in asked)
    await client.close()


async def test_the_files_of_a_record_have_a_bound(world: World) -> None:
    held = world.fake.put("db", custom=CUSTOM)
    for name in ("first", "second"):
        world.fake.attach(held, name, bytes(3 << 20))
    client = await world.open()
    assert len(await read(client, held.uid, "first")) == 3 << 20
    with pytest.raises(EsoError, match="cannot be loaded"):
        await read(client, held.uid, "second")
    held.files = held.files * 51
    with pytest.raises(Malformed):
        await read(client, held.uid, "note")
    await client.close()


async def test_a_search_is_by_title_alone(world: World) -> None:
    for title in ("prod-db", "dev-db", "api"):
        world.fake.put(title, custom=CUSTOM, folder=FOLDER)
    client = await world.open()
    matches = await found(client, Find(name_regexp="db$"))
    assert sorted(matches) == ["dev-db", "prod-db"]
    assert json.loads(matches["dev-db"])["custom"][0]["value"] == ["n"]
    assert len(await found(client, Find(name_regexp=""))) == 3
    for find, words in (
        (Find(name_regexp="", tags=()), r"^'find.tags' is not implemented in the KeeperSecurity provider$"),
        (Find(name_regexp="", path=""), r"^'find.path' is not implemented in the KeeperSecurity provider$"),
        (Find(), r"^missing: find.name.regexp$"),
    ):
        with pytest.raises(InvalidConfig, match=words):
            await found(client, find)
    await client.close()


async def test_a_record_that_no_key_opens_fails_searches_and_hides_no_other(world: World) -> None:
    held = world.fake.put("db", custom=CUSTOM)
    bad = world.fake.put("bad", custom=CUSTOM)
    bad.data = bytes(64)
    client = await world.open(getByTitleFallback=True)
    assert await read(client, held.uid, "note") == await read(client, "db", "note") == b"n"
    for attempt in (
        lambda: read(client, bad.uid),
        lambda: read(client, "bad"),
        lambda: found(client, Find(name_regexp="db")),
    ):
        with pytest.raises(Malformed, match=r"^1 records cannot be decrypted$"):
            await attempt()
    await client.close()


# the protocol


async def test_another_key_that_the_server_asks_for_is_used_from_then_on(world: World) -> None:
    held = world.fake.put("db", custom=CUSTOM)
    world.fake.wants = "12"
    client = await world.open()
    for _ in range(2):
        assert await read(client, held.uid, "note") == b"n"
    assert [asked.headers["PublicKeyId"] for asked in world.fake.asked] == ["10", "12", "12"]
    world.fake.fail(Fault(401, body='{"error":"key","key_id":13}', times=2))
    with pytest.raises(InvalidConfig, match="a key of its own that is not known here"):
        await read(client, held.uid)
    await client.close()


async def test_a_server_that_asks_for_a_key_that_nobody_published_is_told(world: World) -> None:
    world.credentials.secrets["login/config"] = json.dumps(world.fake.device.config(serverPublicKey=None))
    client = await world.open()
    world.fake.fail(Fault(401, body='{"error":"key","key_id":"../77"}'))
    with pytest.raises(InvalidConfig, match="a key of its own that is not known here"):
        await read(client, "db")
    assert len(world.fake.asked) == 1
    await client.close()


@pytest.mark.parametrize("number", ("1\r\nX: y", "12 3", "\u0661", "", "-1", True))
async def test_what_is_no_number_of_a_key_spoils_no_later_call(world: World, number: object) -> None:
    """The configuration names the server's key, so any number would do."""
    held = world.fake.put("db", custom=CUSTOM)
    client = await world.open()
    world.fake.fail(Fault(401, body=json.dumps({"error": "key", "key_id": number})))
    with pytest.raises(EsoError):
        await read(client, held.uid)
    assert await read(client, held.uid, "note") == b"n"
    assert [asked.headers["PublicKeyId"] for asked in world.fake.asked] == ["10", "10"]
    await client.close()


@pytest.mark.parametrize(
    ("body", "seconds"),
    (
        ('{"error":"throttled"}', 11.0),
        ('{"result_code":"throttled","retry_after":7.5}', 7.5),
        ('{"error":"throttled","retry_after":"soon"}', 11.0),
        ('{"error":"throttled","retry_after":-1}', 11.0),
        ('{"error":"throttled","retry_after":1e99}', 11.0),
    ),
)
async def test_a_403_that_speaks_of_throttling_says_how_long_to_wait(world: World, body: str, seconds: float) -> None:
    client = await world.open()
    world.fake.fail(Fault(403, body=body))
    with pytest.raises(Throttled) as error:
        await read(client, "db")
    assert error.value.retry_after == seconds
    await client.close()


async def test_a_refusal_shows_the_name_of_the_error_alone(world: World) -> None:
    client = await world.open()
    for status, kind, expected, text in (
        (400, "bad_request", InvalidConfig, "Keeper answered 400 Bad Request (bad_request)"),
        (403, "access_denied", AuthExpired, "Keeper answered 403 Forbidden (access_denied)"),
        (403, "invalid_client_version", Denied, "Keeper answered 403 Forbidden (invalid_client_version)"),
        (403, f"access_denied {PLANTED}", Denied, "Keeper answered 403 Forbidden"),
    ):
        world.fake.fail(Fault(status, body=json.dumps({"error": kind, "message": PLANTED})))
        with pytest.raises(expected) as error:
            await read(client, "db")
        assert str(error.value) == text
    await client.close()


@pytest.mark.parametrize(
    "reply",
    (
        b"",
        b"[]",
        b'{"records":7}',
        b'{"records":[7]}',
        b'{"folders":[{"folderUid":7,"folderKey":""}]}',
        b'{"folders":[{"folderKey":"AAAA"}]}',
        b'{"records":' + b"[" * 9000,
    ),
)
async def test_a_listing_of_another_shape_is_malformed(world: World, reply: bytes) -> None:
    client = await world.open()
    world.fake.garble = reply or b" "
    with pytest.raises(Malformed):
        await read(client, "db")
    await client.close()


@pytest.mark.parametrize(
    "document",
    (
        "7",
        "[]",
        '{"title":7}',
        '{"title":"db","fields":{}}',
        '{"title":"db","fields":[7]}',
        '{"title":"db","fields":[{"type":"login","value":"no list"}]}',
        '{"title":"db","custom":[{"label":[],"value":[]}]}',
        "[" * 9000,
    ),
)
async def test_a_record_of_another_shape_is_malformed(world: World, document: str) -> None:
    held = world.fake.put("db")
    held.data = lock(document.encode(), held.key)
    client = await world.open()
    with pytest.raises(Malformed):
        await read(client, held.uid)
    await client.close()


async def test_fifty_megabytes_are_not_read(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=" " * (50 << 20)))
    with pytest.raises(Malformed):
        await read(client, "db")
    await client.close()


async def test_every_await_of_a_search_may_be_cancelled(world: World) -> None:
    held = world.fake.put("db", custom=CUSTOM)
    world.fake.attach(held, "file", b"x")
    client = await world.open()
    async for _ in every_await(lambda: found(client, Find(name_regexp=""))):
        continue
    assert list(await found(client, Find(name_regexp=""))) == ["db"]
    await client.close()
