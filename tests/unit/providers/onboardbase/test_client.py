"""Reads, maps, searches; texts of refusals; hostile replies."""

from __future__ import annotations

import json

import pytest

from eso.errors import EsoError
from eso.providers.contract import Denied, Find, InvalidConfig, Malformed, RemoteRef, SecretNotFound, ValidationFailed
from eso.providers.kit.http import NothingThere
from eso.providers.onboardbase.client import Client
from eso.providers.onboardbase.codec import Secret
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.onboardbase import PASSCODE, sealed
from tests.unit.providers.onboardbase.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property, members=True)
    return client.mapping(await client.fetch(client.request(ref)), ref)


async def test_a_property_is_json_as_it_is_written(world: World) -> None:
    world.fake.secrets["db"] = '{"user":"me","n":1.50,"deep":{"a": ["x"]},"none":null}'
    client = await world.open()
    assert [await read(client, "db", path) for path in ("user", "n", "deep", "deep.a.0", "none")] == [
        b'"me"',
        b"1.50",
        b'{"a": ["x"]}',
        b'"x"',
        b"null",
    ]
    with pytest.raises(EsoError) as missing:
        await read(client, "db", "nope")
    assert str(missing.value) == 'cannot find property nope in secret data for key: "db"'
    await client.close()


async def test_a_map_takes_the_quotes_of_texts_and_nothing_else(world: World) -> None:
    world.fake.secrets["db"] = '{"user":"me","n":1.50,"none":null,"deep":{"a": 1}}'
    client = await world.open()
    assert await extract(client, "db") == {"user": b"me", "n": b"1.50", "none": b"", "deep": b'{"a": 1}'}
    assert await extract(client, "db", "deep") == {"a": b"1"}
    world.fake.secrets["text"] = PLANTED
    with pytest.raises(Malformed, match=r"^unable to unmarshal secret text: ") as error:
        await extract(client, "text")
    assert PLANTED not in str(error.value)
    await client.close()


@pytest.mark.parametrize("held", ({}, {"db": ""}), ids=("absent", "empty"))
async def test_a_secret_without_a_value_is_an_ordinary_error(world: World, held: dict[str, str]) -> None:
    world.fake.secrets.update(held)
    client = await world.open()
    with pytest.raises(EsoError) as missing:
        await read(client, "db")
    assert not isinstance(missing.value, SecretNotFound)
    assert str(missing.value) == (
        "could not get secret db: secret db for project 'shop' and environment 'production' not found"
    )
    await client.close()


async def test_secrets_that_fall_due_together_are_one_request_and_each_has_its_own_answer(world: World) -> None:
    world.fake.secrets.update({"a": "1", "b": "2"})
    client = await world.open()
    asked = [client.request(RemoteRef(name)) for name in ("a", "b", "gone")]
    assert len({client.batch(one) for one in asked}) == 1
    answers = await client.fetch_many(asked)
    assert len(world.fake.asked) == 1
    values = [answer.data for answer in answers.values() if isinstance(answer, Secret)]
    assert values == [b"1", b"2"]
    assert isinstance(answers[asked[2]], EsoError)
    await client.close()


async def test_a_value_that_cannot_be_decrypted_fails_no_other_read_of_its_request(world: World) -> None:
    entries = [{"key": sealed("db", PASSCODE), "value": sealed("1", PASSCODE)}]
    entries += [{"key": sealed("bad", PASSCODE), "value": "%"}]
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps({"data": {"secrets": entries}})))
    good, bad = (client.request(RemoteRef(name)) for name in ("db", "bad"))
    answers = await client.fetch_many([good, bad])
    assert isinstance(answers[good], Secret)
    assert isinstance(answers[bad], Malformed)
    assert str(answers[bad]) == "could not get secret bad: a secret cannot be decrypted"
    await client.close()


async def test_another_environment_is_another_request(world: World) -> None:
    world.fake.environments["shop", "test & more"] = {"db": "theirs"}
    client = await world.open(environment="test & more")
    assert await read(client, "db") == b"theirs"
    await client.close()


async def test_a_search_takes_names_that_begin_with_the_path_and_match(world: World) -> None:
    world.fake.secrets.update({"prod-db": "1", "prod-api": "", "dev-db": "3"})
    client = await world.open()
    assert await found(client, Find()) == {"prod-db": b"1", "prod-api": b"", "dev-db": b"3"}
    assert await found(client, Find(path="prod-")) == {"prod-db": b"1", "prod-api": b""}
    assert await found(client, Find(path="prod-", name_regexp="db$")) == {"prod-db": b"1"}
    assert await found(client, Find(name_regexp="db", tags=())) == {"prod-db": b"1", "dev-db": b"3"}
    with pytest.raises(InvalidConfig, match=r"^find by tags not supported$"):
        await found(client, Find(tags=(("a", "b"),)))
    await client.close()


async def test_another_passcode_fails_reads_and_searches_and_empties_nothing(world: World) -> None:
    world.fake.secrets["db"] = PLANTED
    world.credentials.secrets["login/passcode"] = "another"
    client = await world.open()
    for attempt in (lambda: read(client, "db"), lambda: found(client, Find())):
        with pytest.raises(Malformed, match=r"a secret cannot be decrypted$") as error:
            await attempt()
        assert "passcode" in error.value.fix
    await client.close()


async def test_a_value_that_nobody_asks_for_need_not_be_readable_but_a_search_leaves_none_out(world: World) -> None:
    entries = [
        {"key": sealed("db", PASSCODE), "value": sealed("1", PASSCODE)},
        {"key": sealed("bad", PASSCODE), "value": "%"},
    ]
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps({"data": {"secrets": entries}}), times=2))
    assert await read(client, "db") == b"1"
    with pytest.raises(Malformed):
        await found(client, Find())
    await client.close()


async def test_a_refusal_shows_the_status_alone(world: World) -> None:
    client = await world.open()
    for status, kind, text in (
        (400, InvalidConfig, "400 Bad Request"),
        (403, Denied, "403 Forbidden"),
        (404, NothingThere, "404 Not Found"),
    ):
        world.fake.fail(Fault(status, body=json.dumps({"messages": [PLANTED]})))
        with pytest.raises(kind) as error:
            await read(client, "db")
        assert str(error.value) == f"could not get secret db: Onboardbase answered {text}"
    await client.close()


async def test_a_validation_asks_who_is_on_the_team(world: World) -> None:
    client = await world.open()
    await client.validate()
    assert [asked.path for asked in world.fake.asked] == ["/api/v1/team/members"]
    world.fake.fail(Fault(403))
    with pytest.raises(ValidationFailed, match="403 Forbidden"):
        await client.validate()
    await client.close()


async def test_fifty_megabytes_are_not_read(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=" " * (50 << 20)))
    with pytest.raises(Malformed):
        await read(client, "db")
    await client.close()


async def test_every_await_of_a_search_may_be_cancelled(world: World) -> None:
    world.fake.secrets["db"] = "1"
    client = await world.open()
    async for _ in every_await(lambda: found(client, Find())):
        continue
    assert await found(client, Find()) == {"db": b"1"}
    await client.close()
