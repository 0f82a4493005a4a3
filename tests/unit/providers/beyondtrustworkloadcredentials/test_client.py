"""Names, folders, properties, maps and searches; proofs of absence; texts of refusals; hostile replies."""

from __future__ import annotations

import json

import pytest

from eso.errors import EsoError
from eso.providers.beyondtrustworkloadcredentials.client import Client
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
    writes,
)
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.workloadcredentials import SITE
from tests.unit.providers.beyondtrustworkloadcredentials.conftest import SERVER, World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


async def test_a_name_is_looked_up_in_the_folder_of_the_store(world: World) -> None:
    world.fake.secrets = {"top": {"a": "1"}, "shop/prod/db": {"a": "2"}, "shop/prod/x/y": {"a": "3"}}
    top, deep = await world.open(), await world.open(folderPath="shop/prod")
    assert await read(top, "top", "a") == b"1"
    assert world.fake.asked[-1].query == {}
    assert await read(deep, "db", "a") == b"2"
    assert await read(deep, "x/y", "a") == b"3"  # one part of the path, as the server reads %2F
    assert world.fake.asked[-1].query == {"folder": "shop/prod"}
    assert deep.request(RemoteRef("db")) != top.request(RemoteRef("db"))
    await deep.close()
    await top.close()


@pytest.mark.parametrize("name", ("", ".", ".."))
async def test_a_name_that_is_none_is_refused(world: World, name: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig):
        await read(client, name)
    assert world.fake.asked == []
    await client.close()


async def test_a_text_is_itself_and_anything_else_is_encoded_anew(world: World) -> None:
    world.fake.secrets["db"] = {"z": "<me>", "n": 1.50, "on": True, "no": None, "deep": {"b": 1, "a": "&"}, "a.b": "c"}
    client = await world.open()
    assert await read(client, "db") == (
        b'{"a.b":"c","deep":{"a":"\\u0026","b":1},"n":1.5,"no":null,"on":true,"z":"\\u003cme\\u003e"}'
    )
    expected = {
        "z": b"<me>",
        "n": b"1.5",
        "on": b"true",
        "no": b"null",
        "deep": b'{"a":"\\u0026","b":1}',
        "a.b": b"c",
    }
    assert await extract(client, "db", "z") == expected
    assert {name: await read(client, "db", name) for name in expected} == expected
    with pytest.raises(InvalidConfig, match=r'^property "deep.a" not found in secret$'):
        await read(client, "db", "deep.a")
    await client.close()


async def test_a_secret_without_data_is_an_error_and_no_absence(world: World) -> None:
    world.fake.secrets["db"] = None
    client = await world.open()
    with pytest.raises(Malformed, match="has no data"):
        await read(client, "db")
    with pytest.raises(Malformed, match="has no data"):
        await extract(client, "db")
    await client.close()


# proofs


async def test_an_absence_is_proven_by_the_servers_word_and_its_session(world: World) -> None:
    client = await world.open()
    with pytest.raises(SecretNotFound, match=r"^Secret does not exist$"):
        await read(client, "gone")
    assert [asked.path.rpartition("/")[2] for asked in world.fake.asked] == ["gone", "session"]
    for body in ("<html>", "{}", '{"error":7}', '{"error":"gone"}', '"gone"'):
        world.fake.fail(Fault(404, body=body))
        with pytest.raises(NothingThere):
            await read(client, "gone")
    await client.close()


async def test_another_site_or_address_proves_no_absence(world: World) -> None:
    world.fake.secrets["db"] = {"a": "1"}
    client = await world.open(server=SERVER | {"siteId": SITE.replace("8d", "9d")})
    for attempt in (lambda: read(client, "db"), lambda: found(client, Find())):
        with pytest.raises(InvalidConfig, match="its session is not there either"):
            await attempt()
    await client.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    ((Fault(401, body="{}"), AuthExpired), (Fault(503, times=9), Unavailable), (Fault(200, body="<html>"), Malformed)),
)
async def test_a_proof_that_fails_is_that_failure(world: World, fault: Fault, kind: type[EsoError]) -> None:
    client = await world.open()
    fault.path = "/session$"
    world.fake.fail(fault)
    with pytest.raises(kind, match=r"^cannot tell whether the secret is missing: "):
        await read(client, "gone")
    await client.close()


# searches


async def test_a_search_is_of_members_below_a_folder_by_the_bare_names(world: World) -> None:
    world.fake.secrets = {
        "shop/db": {"user": "me", "n": 1},
        "shop/prod/db2": {"user": "you"},
        "shop/prod/api": {"key": "k"},
        "other/db": {"user": "they"},
        "shop/none": None,
    }
    client = await world.open(folderPath="shop")
    everything = {"shop/db/user": b"me", "shop/db/n": b"1", "shop/prod/db2/user": b"you", "shop/prod/api/key": b"k"}
    assert await found(client, Find()) == everything
    assert set(await found(client, Find(name_regexp="^db"))) == {"shop/db/user", "shop/db/n", "shop/prod/db2/user"}
    assert set(await found(client, Find(path="other/"))) == {"other/db/user"}
    assert len(await found(client, Find(path=""))) == 5
    await client.close()


async def test_tags_and_names_both_have_to_match(world: World) -> None:
    world.fake.secrets = {"a": {"v": "1"}, "b": {"v": "2"}, "c": {"v": "3"}}
    world.fake.tags = {"a": {"env": "prod", "team": "x"}, "b": {"env": "test"}}
    client = await world.open()
    assert set(await found(client, Find(tags=(("env", "prod"),)))) == {"a/v"}
    assert set(await found(client, Find(tags=()))) == {"a/v", "b/v", "c/v"}
    for nothing in (Find(tags=(("env", "prod"), ("team", "y"))), Find(name_regexp="b", tags=(("env", "prod"),))):
        with pytest.raises(SecretNotFound):
            await found(client, nothing)
    await client.close()


async def test_a_folder_that_is_not_there_is_not_found(world: World) -> None:
    client = await world.open()
    for nothing in (Find(path="gone"), Find()):
        with pytest.raises(SecretNotFound):
            await found(client, nothing)
    await client.close()


async def test_what_is_gone_meanwhile_is_left_out_and_any_other_failure_fails_the_search(world: World) -> None:
    world.fake.secrets = {"db": {"a": "1"}, "other": {"a": "2"}}
    client = await world.open()
    world.fake.fail(Fault(404, body='{"error":"Secret not found"}', path="/db$"))
    assert set(await found(client, Find())) == {"other/a"}
    for body in ("<html>", "{}"):
        world.fake.fail(Fault(404, body=body, path="/db$"))
        with pytest.raises(NothingThere):
            await found(client, Find())
    world.fake.fail(Fault(403, body='{"error":"Forbidden"}', path="/db$"))
    with pytest.raises(Denied):
        await found(client, Find())
    await client.close()


async def test_an_expression_that_does_not_compile_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^could not compile find.name.regexp \[\(\]: "):
        await found(client, Find(name_regexp="("))
    await client.close()


# refusals and hostile replies


async def test_a_refusal_shows_known_phrases_and_the_folder(world: World) -> None:
    client = await world.open(folderPath="shop/prod")
    body = {"error": "Bad Request", "message": f"cannot read {PLANTED}", "details": {"v": PLANTED}}
    world.fake.fail(Fault(400, body=json.dumps(body)))
    with pytest.raises(InvalidConfig) as error:
        await read(client, "db")
    assert str(error.value) == 'API error (HTTP 400): Bad Request at path "shop/prod"'
    await client.close()


async def test_a_store_whose_token_is_none_is_not_valid(world: World) -> None:
    client = await world.open()
    world.fake.token = "another"
    with pytest.raises(ValidationFailed) as error:
        await client.validate()
    assert str(error.value) == 'authentication validation failed: API error (HTTP 401): Unauthorized at path "/"'
    world.fake.fail(Fault(404, body='{"error":"Not Found"}'))
    with pytest.raises(ValidationFailed, match="HTTP 404"):
        await client.validate()
    await client.close()


@pytest.mark.parametrize(
    "body",
    (
        "[]",
        "{}",
        '{"data":7}',
        '{"data":[7]}',
        '{"data":[{"path":7}]}',
        '{"data":[],"error":"partial"}',
        "[" * 5000,
        '{"data":' + "[" * 300 + "]" * 300 + "}",
    ),
)
async def test_a_list_that_lies_is_malformed_and_no_absence(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await found(client, Find())
    await client.close()


async def test_paths_of_a_list_lead_nowhere_else(world: World) -> None:
    client = await world.open()
    body = '{"data":[{"path":"a/.."},{"path":"b/"},{"path":""}]}'
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(InvalidConfig, match="as a part of a path"):
        await found(client, Find())
    assert len(world.fake.asked) == 1
    await client.close()


async def test_nothing_is_written(world: World) -> None:
    client = await world.open()
    assert writes(client) is None
    await client.close()


async def test_every_await_of_a_search_may_be_cancelled(world: World) -> None:
    world.fake.secrets = {"a/db": {"k": "1"}, "b": {"k": "2"}}
    client = await world.open()

    async def everything() -> None:
        await found(client, Find())
        with pytest.raises(SecretNotFound):
            await read(client, "gone")

    async for _ in every_await(everything):
        continue
    assert set(await found(client, Find())) == {"a/db/k", "b/k"}
    await client.close()
