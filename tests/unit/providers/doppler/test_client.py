"""Reads, batches, searches and writes of one config; texts of refusals; hostile replies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    Throttled,
    Unavailable,
    ValidationFailed,
    batches,
)
from eso.providers.doppler import codec, refusal
from eso.providers.doppler.client import Client
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.unit.providers.doppler.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str) -> bytes:
    ref = RemoteRef(key)
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_a_secret_is_asked_for_by_name_in_the_config_of_the_store(world: World) -> None:
    world.fake.configs["shop", "prd"] = {"DB_PASS": "x", "EMPTY": None, "OTHER": "y"}
    client = await world.open(project="shop", config="prd", nameTransformer="camel", format="env")
    assert [await read(client, name) for name in ("DB_PASS", "EMPTY")] == [b"x", b""]
    assert world.fake.asked[0].query == {"secrets": "DB_PASS", "project": "shop", "config": "prd"}


async def test_property_version_and_metadata_policy_change_nothing(world: World) -> None:
    client = await world.open()
    assert client.request(RemoteRef("A", "p", "7", "Fetch")) == client.request(RemoteRef("A"))


async def test_a_missing_name_is_an_ordinary_error(world: World) -> None:
    client = await world.open()
    with pytest.raises(EsoError) as missing:
        await read(client, "GONE")
    assert str(missing.value) == "could not get secret GONE: Doppler API Client Error: secret 'GONE' not found"
    assert not isinstance(missing.value, SecretNotFound)


async def test_a_value_that_is_no_object_has_no_members(world: World) -> None:
    world.fake.secrets["A"] = PLANTED
    client = await world.open()
    payload = await client.fetch(client.request(RemoteRef("A")))
    with pytest.raises(Malformed, match="unable to unmarshal secret A: ") as refused:
        client.mapping(payload, RemoteRef("A"))
    assert PLANTED not in f"{refused.value}{payload!r}"
    assert len(payload) == len(PLANTED)


async def test_names_of_one_config_travel_together_and_each_gets_its_own_answer(world: World) -> None:
    world.fake.secrets.update({"A": "1", "B": "2"})
    client = await world.open()
    assert batches(client) is client
    asked = [client.request(RemoteRef(name)) for name in ("A", "B", "GONE")]
    assert {client.batch(one) for one in asked} == {("", "")}
    answers = await client.fetch_many(asked)
    assert [getattr(answers[one], "data", None) for one in asked] == [b"1", b"2", None]
    assert str(answers[asked[2]]) == "could not get secret GONE: Doppler API Client Error: secret 'GONE' not found"
    assert len(world.fake.asked) == 1


async def test_a_name_that_doppler_never_gives_travels_alone(world: World) -> None:
    client = await world.open()
    assert [client.batch(client.request(RemoteRef(name))) for name in ("A,B", "a", "1A", "A\n", "")] == [None] * 5


async def test_a_refused_list_is_asked_one_by_one(world: World) -> None:
    world.fake.secrets.update({"A": "1", "BAD": "2"})
    world.fake.refused.add("BAD")
    client = await world.open()
    good, bad = client.request(RemoteRef("A")), client.request(RemoteRef("BAD"))
    answers = await client.fetch_many([good, bad])
    assert getattr(answers[good], "data", None) == b"1"
    assert isinstance(answers[bad], InvalidConfig)
    alone = await client.fetch_many([bad])
    assert str(alone[bad]).startswith("could not get secret BAD: Doppler API Client Error (HTTP 400): ")
    assert len(world.fake.asked) == 4


async def test_a_batch_that_fails_as_a_whole_raises(world: World) -> None:
    client = await world.open()
    asked = [client.request(RemoteRef(name)) for name in ("A", "B")]
    for wanted, words in ((asked, "could not get secrets "), (asked[:1], "could not get secret A: ")):
        world.fake.fail(Fault(503))
        with pytest.raises(Unavailable) as failed:
            await client.fetch_many(wanted)
        assert str(failed.value).startswith(words)


@pytest.mark.parametrize(
    ("block", "find", "expected"),
    [
        ({}, Find(), {"DB_PASS": b"x", "DB_USER": b"me", "API": b"k"}),
        ({}, Find(tags=(("a", "b"),)), {"DB_PASS": b"x", "DB_USER": b"me", "API": b"k"}),
        ({}, Find(path="DB_"), {"DB_PASS": b"x", "DB_USER": b"me"}),
        ({}, Find(path="DB_", name_regexp="PASS$"), {"DB_PASS": b"x"}),
        ({"nameTransformer": "lower-kebab"}, Find(path="db"), {"db-pass": b"x", "db-user": b"me"}),
        ({"nameTransformer": "tf-var"}, Find(path="TF_VAR_a"), {"TF_VAR_api": b"k"}),
        ({"format": "docker"}, Find(), {codec.FILE: b"API=k\nDB_PASS=x\nDB_USER=me\n"}),
        ({"format": "json"}, Find(), {codec.FILE: b'{"API": "k", "DB_PASS": "x", "DB_USER": "me"}'}),
        ({"format": "env"}, Find(name_regexp="^DB"), {}),
    ],
)
async def test_a_search_downloads_the_config_once(
    world: World, block: dict[str, Any], find: Find, expected: dict[str, bytes]
) -> None:
    world.fake.secrets.update({"DB_PASS": "x", "DB_USER": "me", "API": "k"})
    client = await world.open(**block)
    assert await found(client, find) == expected
    assert len(world.fake.asked) == 1
    plain = block.get("format", "json") != "json"
    assert world.fake.asked[0].headers["Accept"] == ("text/plain" if plain else "application/json")


async def test_names_are_told_as_doppler_writes_them_so_that_rewrites_see_them(world: World) -> None:
    world.fake.secrets["Logging:Level"] = "info"
    assert await found(await world.open(), Find(conversion_strategy="Default")) == {"Logging:Level": b"info"}


async def test_a_failed_search_is_told_in_the_words_of_the_reference(world: World) -> None:
    world.fake.fail(Fault(403, body='{"messages":["You do not have access"]}'))
    with pytest.raises(Denied) as failed:
        await found(await world.open(), Find())
    assert str(failed.value) == "could not get secrets Doppler API Client Error (HTTP 403): You do not have access"


# P-192
async def test_p_192_a_push_writes_what_differs(world: World) -> None:
    world.fake.configs["shop", "prd"] = {"A": "old"}
    client = await world.open(project="shop", config="prd")
    for _ in range(2):
        await client.push(Push(Remote("A"), "k"), Source({"k": b"new"}))
    await client.push(Push(Remote("ALL")), Source({"b": b"2", "a": b"1"}))
    assert world.fake.configs["shop", "prd"] == {"A": "new", "ALL": '{"a":"1","b":"2"}'}
    posted = [asked.body for asked in world.fake.asked if asked.method == "POST"]
    assert posted[0] == {"secrets": {"A": "new"}, "project": "shop", "config": "prd"}
    assert len(posted) == 2


# P-192
async def test_p_192_a_deletion_asks_for_what_is_there(world: World) -> None:
    world.fake.secrets.update({"A": "1", "B": "2"})
    client = await world.open()
    for _ in range(2):
        await client.delete(Remote("A", "property"))
    assert world.fake.secrets == {"B": "2"}
    assert world.fake.count(method="POST") == 1
    assert [await client.exists(Remote(name)) for name in ("A", "B")] == [False, True]


async def test_a_push_that_cannot_be_made_says_why_and_shows_no_value(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"could not push secrets A: the value is no UTF-8 text"):
        await client.push(Push(Remote("A"), "k"), Source({"k": b"\xff"}))
    with pytest.raises(InvalidConfig, match=r"could not push secrets A: "):
        await client.push(Push(Remote("A"), "gone"), Source({"k": b"x"}))
    world.fake.fail(Fault(400, path="secrets$", echo=True))
    with pytest.raises(EsoError) as refused:
        await client.push(Push(Remote("A"), "k"), Source({"k": PLANTED.encode()}))
    assert PLANTED not in f"{refused.value}{refused.value.__cause__}"
    world.fake.fail(Fault(403))
    with pytest.raises(Denied, match="could not delete secrets A: "):
        await client.delete(Remote("A"))


async def test_every_await_of_a_deletion_may_be_cancelled(world: World) -> None:
    client = await world.open()

    async def deleted() -> None:
        world.fake.secrets["A"] = "1"
        await client.delete(Remote("A"))

    async for _ in every_await(deleted):
        continue
    await deleted()
    assert world.fake.secrets == {}


async def test_a_store_whose_token_is_refused_is_not_valid(world: World) -> None:
    client = await world.open()
    world.fake.tokens.clear()
    with pytest.raises(ValidationFailed) as failed:
        await client.validate()
    assert str(failed.value) == "Doppler API Client Error (HTTP 401): Invalid Auth token"
    assert isinstance(failed.value.__cause__, AuthExpired)


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (401, '{"messages":["Invalid Service token"]}', "(HTTP 401): Invalid Service token"),
        (404, '{"messages":["Could not find requested config \'x\'"]}', "(HTTP 404): Could not find requested config"),
        (400, f'{{"messages":["{PLANTED}",7]}}', "(HTTP 400): the request was refused"),
        (502, "<html>", "(HTTP 502): unable to load response\n502 status code; 6 bytes"),
        (400, '{"messages":"no list"}', "(HTTP 400): unable to load response\n400 status code; 22 bytes"),
        (400, "[" * 5000, "(HTTP 400): unable to load response\n400 status code; 5000 bytes"),
    ],
)
def test_refusals_show_known_words_only(status: int, body: str, text: str) -> None:
    assert str(refusal.of_api(Reply(status, {}, body.encode()))) == f"Doppler API Client Error {text}"


def test_throttling_keeps_how_long() -> None:
    error = refusal.of_api(Reply(429, {"Retry-After": "9"}, b"{}"))
    assert isinstance(error, Throttled)
    assert error.retry_after == 9.0


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["A", "messages"]), inner),
    max_leaves=9,
)


@given(JSON, st.integers(300, 599))
def test_whatever_a_server_answers_is_a_result_or_an_error_of_ours(reply: Any, status: int) -> None:
    body = json.dumps(reply).encode()
    try:
        assert all(isinstance(value, bytes) for value in codec.secrets_of(body).values())
    except EsoError as error:
        assert isinstance(error, Malformed)
    for refused in (refusal.of_api, refusal.of_login):
        assert isinstance(refused(Reply(status, {}, body)), EsoError)
