"""Entries of secrets by id and by name, their versions, and replies that are none."""

from __future__ import annotations

import pytest

from eso.errors import EsoError
from eso.providers.contract import Find, InvalidConfig, Malformed, SecretNotFound
from eso.providers.kit.protobuf import blob, number, text
from tests.fakes.backend import Fault
from tests.fakes.env import found
from tests.fakes.grpc import framed
from tests.fakes.yandex import FOLDER
from tests.unit.providers.yandex.conftest import World, extract, read

PLANTED = "planted-7f3a9c"
BY_NAME = {"byName": {"folderID": FOLDER}}


async def test_a_secret_is_read_by_its_id(world: World) -> None:
    world.fake.put("e6q", {"user": "me", "<b>": "a&b", "raw": b"\0\xff"})
    client = await world.open()
    assert await read(client, "e6q") == rb'{"\u003cb\u003e":"a\u0026b","raw":"AP8=","user":"me"}'
    assert [await read(client, "e6q", name) for name in ("user", "raw")] == [b"me", b"\0\xff"]
    assert await extract(client, "e6q") == {"user": b"me", "<b>": b"a&b", "raw": b"\0\xff"}
    await client.close()


async def test_by_name_all_values_are_binary_so_they_stand_in_base64_where_all_are_read(world: World) -> None:
    world.fake.put("e6q", {"user": "me", "raw": b"\0\xff"}, name="database")
    client = await world.open(fetching=BY_NAME)
    assert await read(client, "database") == b'{"raw":"AP8=","user":"bWU="}'
    assert await read(client, "database", "user") == b"me"
    assert await extract(client, "database") == {"user": b"me", "raw": b"\0\xff"}
    with pytest.raises(EsoError, match="code = NotFound"):
        await read(client, "e6q")
    await client.close()


@pytest.mark.parametrize("fetching", ({"byID": {}}, BY_NAME))
async def test_a_version_is_read_where_one_is_named(world: World, fetching: dict[str, object]) -> None:
    world.fake.put("app", {"k": "old"}, version="v1")
    world.fake.put("app", {"k": "new"}, version="v2")
    client = await world.open(fetching=fetching)
    assert [await read(client, "app", "k", version) for version in ("", "v1", "v2")] == [b"new", b"old", b"new"]
    await client.close()


async def test_an_entry_that_is_not_there_is_told_and_no_absence_of_the_secret(world: World) -> None:
    world.fake.put("app", {"k": PLANTED})
    client = await world.open()
    with pytest.raises(InvalidConfig) as error:
        await read(client, "app", "other")
    assert str(error.value) == "payload entry with key 'other' not found"
    await client.close()


async def test_a_secret_that_is_not_there_is_an_ordinary_error(world: World) -> None:
    client = await world.open()
    with pytest.raises(EsoError) as error:
        await read(client, "gone")
    assert not isinstance(error.value, SecretNotFound)
    assert str(error.value) == "unable to request secret payload to get secret: rpc error: code = NotFound"
    await client.close()


async def test_a_search_is_refused(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match="not implemented"):
        await found(client, Find(name_regexp="."))
    await client.close()


async def test_a_large_secret_is_decoded_beside_the_loop(world: World) -> None:
    world.fake.put("app", {"k": b"x" * 100_000})
    client = await world.open()
    assert len(await read(client, "app", "k")) == 100_000
    await client.close()


@pytest.mark.parametrize(
    "reply",
    (
        pytest.param(number(2, 7), id="entries that are a number"),
        pytest.param(blob(2, b"\xff"), id="an entry that is no message"),
        pytest.param(blob(2, number(1, 7)), id="a key that is a number"),
        pytest.param(blob(2, blob(1, b"\xff")), id="a key that is no text"),
        pytest.param(blob(2, text(1, "k") + number(2, 7)), id="a text that is a number"),
        pytest.param(blob(2, text(1, "k") + blob(2, b"\xff" + PLANTED.encode())), id="a text that is no UTF-8"),
        pytest.param(blob(2, text(1, "k") + number(3, 7)), id="bytes that are a number"),
        pytest.param(blob(2, text(1, "k") + b"\x18\x01"), id="bytes of another kind"),
        pytest.param(b"\x12", id="half a field"),
        pytest.param(PLANTED.encode() * 9, id="no message"),
    ),
)
async def test_a_reply_of_another_form_is_malformed_and_shows_nothing(world: World, reply: bytes) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=framed(text(1, "v") + reply), path="PayloadService"))
    with pytest.raises(Malformed) as error:
        await read(client, "app")
    assert PLANTED not in str(error.value)
    await client.close()


@pytest.mark.parametrize("by_name", [False, True], ids=["by id", "by name"])
async def test_an_empty_answer_is_no_secret_without_entries(world: World, by_name: bool) -> None:
    """One would empty what a deletion policy allows to empty."""
    client = await world.open(**({"fetching": BY_NAME} if by_name else {}))
    world.fake.fail(Fault(200, body=framed(b""), path="PayloadService"))
    with pytest.raises(Malformed):
        await read(client, "app")
    await client.close()
