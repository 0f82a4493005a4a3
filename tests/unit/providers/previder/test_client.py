"""Secrets, proofs that one is not there, validation with tokens of both types; hostile replies."""

from __future__ import annotations

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
    Unavailable,
    Validation,
    ValidationFailed,
)
from eso.providers.kit.http import NothingThere
from eso.providers.previder.client import Client
from tests.fakes.backend import Fault
from tests.fakes.env import found
from tests.unit.providers.previder.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property, version="7", metadata_policy="Fetch")
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_a_secret_is_its_text_whatever_the_property(world: World) -> None:
    world.fake.secrets["db"] = '{"user":"é"}'
    client = await world.open()
    assert await read(client, "db") == '{"user":"é"}'.encode()
    assert await read(client, "db", "user") == '{"user":"é"}'.encode()
    ref = RemoteRef("db", "user")
    assert client.mapping(await client.fetch(client.request(ref)), ref) == {"db": '{"user":"é"}'.encode()}
    assert {asked.path for asked in world.fake.asked} == {"/secret/db/decrypt"}
    await client.close()


@pytest.mark.parametrize("lists", (True, False), ids=("ReadWrite", "ReadOnly"))
async def test_a_secret_that_is_not_there_is_proven_with_a_token_of_either_type(world: World, lists: bool) -> None:
    world.fake.secrets["other"], world.fake.lists = PLANTED, lists
    client = await world.open()
    with pytest.raises(SecretNotFound):
        await read(client, "gone")
    assert [asked.path for asked in world.fake.asked] == ["/secret/gone/decrypt", "/secret"]
    await client.close()


async def test_a_mistyped_address_proves_no_absence(world: World) -> None:
    client = await world.open(baseUri=f"{world.fake.address}/wrong")
    with pytest.raises(NothingThere) as error:
        await read(client, "db")
    assert str(error.value) == "previder vault answered 404 Not Found"
    with pytest.raises(ValidationFailed):
        await client.validate()
    await client.close()


async def test_a_secret_that_is_listed_is_not_absent(world: World) -> None:
    world.fake.secrets["db"] = PLANTED
    client = await world.open()
    for key in ("db", "of db"):
        world.fake.fail(Fault(404, body="{}", path="/decrypt"))
        with pytest.raises(NothingThere):
            await read(client, key)
    await client.close()


@pytest.mark.parametrize("listed", ('[{"id":123}]', '[{"id":"x","description":"ABC"}]'))
async def test_a_secret_that_is_listed_in_another_spelling_is_not_absent(world: World, listed: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=listed, path="/secret$"))
    with pytest.raises(NothingThere):
        await read(client, "123" if "123" in listed else "abc")
    await client.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    (
        (Fault(500, path="/secret$"), Unavailable),
        (Fault(200, body="{}", path="/secret$"), Malformed),
        (Fault(200, body="[7]", path="/secret$"), Malformed),
        (Fault(200, body="<html>", path="/secret$"), Malformed),
    ),
)
async def test_a_list_that_cannot_be_read_proves_nothing(world: World, fault: Fault, kind: type[EsoError]) -> None:
    client = await world.open()
    world.fake.fail(fault)
    with pytest.raises(kind):
        await read(client, "gone")
    await client.close()


@pytest.mark.parametrize("lists", (True, False), ids=("ReadWrite", "ReadOnly"))
async def test_a_store_with_a_token_of_either_type_is_valid(world: World, lists: bool) -> None:
    world.fake.lists = lists
    client = await world.open()
    assert await client.validate() is Validation.READY
    world.fake.fail(Fault(400, path="/decrypt"))  # a server that wants ids of another form
    assert await client.validate() is Validation.READY
    world.fake.token = "another"
    with pytest.raises(ValidationFailed, match=r"^previder vault answered 401 Unauthorized$"):
        await client.validate()
    await client.close()


@pytest.mark.parametrize(("status", "kind"), ((401, AuthExpired), (403, Denied), (409, InvalidConfig)))
async def test_a_refusal_is_an_error_that_shows_the_status_alone(
    world: World, status: int, kind: type[EsoError]
) -> None:
    client = await world.open()
    world.fake.fail(Fault(status, echo=True))
    with pytest.raises(kind) as error:
        await read(client, "planted-key")
    assert "planted" not in f"{error.value}{error.value.fix}"
    await client.close()


@pytest.mark.parametrize("key", ("token", "a/b?x=1#y", "a b", "%2e%2e"))
async def test_a_key_stays_one_part_of_the_path(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(EsoError):
        await read(client, key)
    assert world.fake.asked[0].path.startswith("/secret/")
    assert world.fake.asked[0].path.endswith("/decrypt")
    assert world.fake.asked[0].query == {}
    await client.close()


@pytest.mark.parametrize("key", ("", ".", "..", "../token"))
async def test_a_key_that_is_no_part_of_a_path_is_refused(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig):
        client.request(RemoteRef(key))
    await client.close()


async def test_nothing_can_be_searched(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match="not implemented"):
        await found(client, Find(name_regexp="db"))
    assert world.fake.asked == []
    await client.close()


@pytest.mark.parametrize("body", ('{"secret":["x"]}', r'{"secret":"\ud800"}', '{"secret":"x"', "null", "[" * 5000))
async def test_a_reply_of_another_form_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await read(client, "db")
    await client.close()
