"""Identities and their maps of values, one request for many, texts of refusals; hostile replies."""

from __future__ import annotations

import json

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
    ValidationFailed,
)
from eso.providers.kit.http import NothingThere
from eso.providers.senhasegura.client import Client
from eso.providers.senhasegura.codec import secrets_of
from tests.fakes.backend import Fault
from tests.fakes.env import found
from tests.unit.providers.senhasegura.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property, version="7", metadata_policy="Fetch")
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


async def test_a_secret_is_the_json_of_its_maps(world: World) -> None:
    world.fake.put("db", {"z": "<&>", "a": "é"}, {"ttl": None})
    world.fake.put("db", {"z": "second"})
    world.fake.put("empty")
    client = await world.open()
    assert await read(client, "db") == '[{"a":"é","z":"\\u003c\\u0026\\u003e"},{"ttl":""}]'.encode()
    assert await read(client, "empty") == b"[]"
    world.fake.secrets[-1]["data"] = None
    assert await read(client, "empty") == b"null"
    await client.close()


async def test_a_property_is_a_name_in_the_first_map_that_has_it(world: World) -> None:
    world.fake.put("db", {"user": "one", "none": None}, {"user": "two", "a.b": "dots"})
    world.fake.put("db", {"only": "second"})
    client = await world.open()
    assert [await read(client, "db", name) for name in ("user", "none", "a.b")] == [b"one", b"", b"dots"]
    for name in ("only", "a", "gone"):
        with pytest.raises(SecretNotFound):
            await read(client, "db", name)
    await client.close()


async def test_a_map_has_the_values_of_all_secrets_with_the_identity(world: World) -> None:
    world.fake.put("db", {"user": "one"}, {"pass": "p"})
    world.fake.put("db", {"user": "two"})
    client = await world.open()
    assert await extract(client, "db") == {"user": b"two", "pass": b"p"}
    assert await extract(client, "db", "user") == {"user": b"two", "pass": b"p"}
    assert await extract(client, "gone") == {}
    await client.close()


async def test_an_identity_that_is_not_listed_is_not_found(world: World) -> None:
    world.fake.put("db", {"user": "one"})
    client = await world.open()
    for key in ("gone", "", "d", "DB"):
        with pytest.raises(SecretNotFound):
            await read(client, key)
    await client.close()


async def test_many_secrets_are_one_request(world: World) -> None:
    for at in range(100):
        world.fake.put(f"s{at}", {"v": str(at)})
    client = await world.open()
    wanted = [client.request(RemoteRef(f"s{at}")) for at in range(101)]
    assert len({client.batch(request) for request in wanted}) == 1
    answers = await client.fetch_many(wanted)
    assert [client.value(answers[f"s{at}"], RemoteRef(f"s{at}", "v")) for at in (0, 99)] == [b"0", b"99"]
    with pytest.raises(SecretNotFound):
        client.value(answers["s100"], RemoteRef("s100"))
    assert world.fake.count("application") == 1
    await client.close()


def test_a_secret_says_how_long_it_is_and_never_prints() -> None:
    """A thread takes out of it what would hold up the loop."""
    listed = [{"identity": "db", "data": [{"user": PLANTED}]}] * 3 + [{"identity": "db", "data": None}]
    (secret,) = secrets_of(json.dumps({"application": {"secrets": listed}}).encode()).values()
    assert len(secret) == 3 * len(PLANTED)
    assert PLANTED not in repr(secret)


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    (
        ({"error": True}, Denied, ""),
        ({"error": True, "status": 200, "message": PLANTED}, Denied, ""),
        ({"error": True, "status": 401}, AuthExpired, ": 401 Unauthorized"),
        ({"error": True, "status": 404}, NothingThere, ": 404 Not Found"),
        ({"error": True, "status": 500}, Unavailable, ": 500 Internal Server Error"),
        ({"error": "yes", "status": True}, Denied, ""),
    ),
)
async def test_an_error_in_a_reply_is_one(
    world: World, response: dict[str, object], kind: type[EsoError], words: str
) -> None:
    client = await world.open()
    body = json.dumps({"response": response, "application": {"secrets": []}})
    world.fake.fail(Fault(200, body=body, times=2))
    with pytest.raises(kind) as error:
        await read(client, "db")
    assert str(error.value) == f"received application error from senhasegura{words}"
    with pytest.raises(ValidationFailed):
        await client.validate()
    await client.close()


@pytest.mark.parametrize(("status", "kind"), ((401, AuthExpired), (403, Denied), (404, NothingThere)))
async def test_a_refusal_shows_the_status_alone(world: World, status: int, kind: type[EsoError]) -> None:
    client = await world.open()
    world.fake.fail(Fault(status, echo=True))
    with pytest.raises(kind) as error:
        await read(client, "db")
    assert str(error.value).startswith(f"received invalid HTTP code from senhasegura: {status} ")
    assert "planted" not in f"{error.value}{error.value.fix}"
    await client.close()


async def test_nothing_can_be_searched(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match="not implemented"):
        await found(client, Find(name_regexp="db"))
    await client.close()


@pytest.mark.parametrize(
    "application",
    (
        None,
        [],
        {},
        {"secrets": None},
        {"secrets": {}},
        {"secrets": [7]},
        {"secrets": [{}]},
        {"secrets": [{"identity": None}]},
        {"secrets": [{"identity": "db", "data": {}}]},
        {"secrets": [{"identity": "db", "data": [7]}]},
        {"secrets": [{"identity": "db", "data": [{"user": 7}]}]},
        {"secrets": [{"identity": "db", "data": [{"user": {"deep": PLANTED}}]}]},
    ),
)
async def test_a_list_of_another_form_proves_no_absence(world: World, application: object) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps({"response": {"error": False}, "application": application})))
    with pytest.raises(Malformed) as error:
        await read(client, "gone")
    assert PLANTED not in str(error.value)
    await client.close()


@pytest.mark.parametrize("response", ([], [1], "down", 7))
async def test_a_list_beside_a_response_that_is_none_proves_no_absence(world: World, response: object) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps({"response": response, "application": {"secrets": []}})))
    with pytest.raises(Malformed):
        await read(client, "db")
    await client.close()


async def test_halves_of_pairs_and_deep_replies_do_no_harm(world: World) -> None:
    client = await world.open()
    for data in (r'[{"user":"\ud800"}]', "[" * 5000):
        body = f'{{"response":{{"error":false}},"application":{{"secrets":[{{"identity":"db","data":{data}}}]}}}}'
        world.fake.fail(Fault(200, body=body))
        with pytest.raises(Malformed):
            await read(client, "db", "user")
    await client.close()
