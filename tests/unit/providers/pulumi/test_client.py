"""Property paths, values with their traces, maps, batches and pushes; texts of refusals; hostile replies."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    Busy,
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    Unavailable,
    Validation,
)
from eso.providers.kit.http import LARGE, NothingThere
from eso.providers.pulumi import codec
from eso.providers.pulumi.client import Client
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.unit.providers.pulumi.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str) -> bytes:
    ref = RemoteRef(key)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str) -> dict[str, bytes]:
    ref = RemoteRef(key)
    return client.mapping(await client.fetch(client.request(ref)), ref)


def source(**data: bytes) -> Source:
    return Source(data, "app", "team-a", "Opaque")


async def test_a_key_is_a_property_path_that_the_server_reads(world: World) -> None:
    world.fake.values = {"db": {"users": ["me", "you"], "a.b": "dotted", "n": 1.50, "on": True, "no": None}}
    client = await world.open()
    paths = ("db.users[1]", 'db["a.b"]', "db.n", "db.on", "db.no")
    assert [await read(client, path) for path in paths] == [b"you", b"dotted", b"1.5", b"true", b""]
    assert [asked.path.count("//") for asked in world.fake.asked[:2]] == [0, 1]
    await client.close()


async def test_what_is_in_an_object_keeps_its_trace_and_a_map_has_none_of_its_own(world: World) -> None:
    world.fake.values = {"db": {"user": "<me>", "deep": {"n": 1}}, "list": ["a"]}
    client = await world.open()
    trace = b'"trace":{"def":{"environment":"prod"}}'
    assert await read(client, "list") == b'[{%b,"value":"a"}]' % trace
    assert await extract(client, "db") == {"user": b"<me>", "deep": b'{"n":{%b,"value":1}}' % trace}
    assert await extract(client, "list") == {}
    await client.close()


async def test_a_server_that_knows_one_slash_only_is_asked_again(world: World) -> None:
    world.fake.values = {"db": "secret"}
    world.fake.double = False
    client = await world.open()
    assert await read(client, "db") == b"secret"
    assert len(world.fake.asked) == 3
    await client.close()


async def test_a_missing_property_is_an_ordinary_error(world: World) -> None:
    client = await world.open()
    with pytest.raises(NothingThere) as error:
        await read(client, "gone")
    assert str(error.value) == "404 Not Found: Not Found, unknown property"
    assert not isinstance(error.value, SecretNotFound)
    with pytest.raises(InvalidConfig, match="key is empty"):
        client.request(RemoteRef(""))
    await client.close()


async def test_a_batch_opens_the_environment_once_and_one_missing_value_fails_no_other(world: World) -> None:
    world.fake.values = {f"k{number}": str(number) for number in range(5)}
    client = await world.open()
    asked = [client.request(RemoteRef(f"k{number}")) for number in range(6)]
    assert len({client.batch(one) for one in asked}) == 1
    answers = await client.fetch_many(asked)
    assert [client.value(answers[one], RemoteRef("x")) for one in asked[:5]] == [b"0", b"1", b"2", b"3", b"4"]
    assert isinstance(answers[asked[5]], NothingThere)
    assert world.fake.count("/open$", "POST") == 1
    world.fake.fail(Fault(401, path="/open//", body="{}"))
    with pytest.raises(AuthExpired):
        await client.fetch_many(asked)
    await client.close()


async def test_other_environments_travel_apart(world: World) -> None:
    client = await world.open()
    other = await world.open(environment="test")
    assert client.batch(client.request(RemoteRef("a"))) != client.batch(other.request(RemoteRef("a")))
    assert client.place(Remote("a")) != other.place(Remote("a"))
    await other.close()
    await client.close()


async def test_a_validation_asks_nothing(world: World) -> None:
    client = await world.open()
    assert await client.validate() is Validation.READY
    assert world.fake.asked == []
    with pytest.raises(InvalidConfig, match="not supported by Pulumi ESC"):
        await found(client, Find())
    await client.close()


async def test_a_refusal_shows_known_phrases_alone(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(400, body=json.dumps({"code": 400, "message": f"Conflict with {PLANTED}"})))
    with pytest.raises(InvalidConfig) as error:
        await read(client, "db")
    assert str(error.value) == "400 Bad Request: Conflict"
    await client.close()


# pushes


async def test_a_push_puts_a_text_among_the_values_of_the_environment(world: World) -> None:
    world.fake.values = {"db": {"user": "me", "n": [1, 2.50]}, "flat": "x"}
    client = await world.open()
    await client.push(Push(Remote("db.password"), "k"), source(k=b"1"))
    await client.push(Push(Remote("flat.deep.er"), "k"), source(k=b"2"))
    assert world.fake.values == {
        "db": {"user": "me", "n": [1, 2.50], "password": "1"},
        "flat": {"deep": {"er": "2"}},
    }
    writes = world.fake.count(method="PATCH")
    await client.push(Push(Remote("db.password"), "k"), source(k=b"1"))
    assert world.fake.count(method="PATCH") == writes == 2
    assert await client.exists(Remote("db.password"))
    assert not await client.exists(Remote("db.password.more"))
    await client.close()


async def test_digits_and_dollar_signs_survive_a_push(world: World) -> None:
    world.fake.values = {"old": "${secrets.admin} costs $5 or $$", "big": 12345678901234567890}
    client = await world.open()
    await client.push(Push(Remote("new"), "k"), source(k=b"${secrets.admin}$"))
    assert world.fake.values == {
        "old": "${secrets.admin} costs $5 or $$",
        "big": 12345678901234567890,
        "new": "${secrets.admin}$",
    }
    await client.close()


async def test_a_large_environment_is_put_together_beside_the_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = set[bool]()
    real = codec.redefined

    def watched(*given: Any) -> bytes | None:
        here.add(threading.current_thread() is threading.main_thread())
        return real(*given)

    monkeypatch.setattr(codec, "redefined", watched)
    world.fake.values = {"old": "x" * LARGE}
    client = await world.open()
    await client.push(Push(Remote("new"), "k"), source(k=b"v"))
    assert world.fake.values["new"] == "v"
    assert here == {False}
    await client.close()


@pytest.mark.parametrize("key", ("", "a..b", ".a", "a."))
async def test_a_path_with_an_empty_name_is_refused(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^remoteKey has an empty name$"):
        await client.push(Push(Remote(key), "k"), source(k=b"v"))
    await client.close()


@pytest.mark.parametrize("names", (65, 300, 5000))
async def test_a_path_has_a_bound_of_names(world: World, names: int) -> None:
    client = await world.open()
    await client.push(Push(Remote(".".join("a" * 64)), "k"), source(k=b"v"))
    for attempt in (
        client.push(Push(Remote(".".join("a" * names)), "k"), source(k=b"v")),
        client.exists(Remote(".".join("a" * names))),
    ):
        with pytest.raises(InvalidConfig, match=r"^remoteKey has more than 64 names$"):
            await attempt
    await client.close()


async def test_what_cannot_be_pushed_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^pushing the whole secret is not yet implemented$"):
        await client.push(Push(Remote("db")), source(k=b"v"))
    with pytest.raises(InvalidConfig, match="names a function"):
        await client.push(Push(Remote("a.fn::open::aws-secrets"), "k"), source(k=b"v"))
    with pytest.raises(InvalidConfig, match="no UTF-8"):
        await client.push(Push(Remote("db"), "k"), source(k=b"\xff"))
    with pytest.raises(InvalidConfig, match="deleting secrets is not supported"):
        await client.delete(Remote("db"))
    assert world.fake.asked == []
    await client.close()


async def test_data_that_looks_like_a_function_is_not_written_back_as_one(world: World) -> None:
    world.fake.values = {"db": {"list": [{"fn::open::aws-login": {"x": PLANTED}}]}}
    client = await world.open()
    with pytest.raises(InvalidConfig, match="name of a function") as error:
        await client.push(Push(Remote("new"), "k"), source(k=b"v"))
    assert PLANTED not in f"{error.value}{error.value.fix}"
    assert not [asked for asked in world.fake.asked if asked.method == "PATCH"]
    await client.close()


async def test_an_environment_with_values_that_are_not_known_is_not_written_back(world: World) -> None:
    """They would be lost."""
    client = await world.open()
    body = '{"properties":{"a":{"value":{"b":{"unknown":true,"trace":{}}},"trace":{}}}}'
    world.fake.fail(Fault(200, body=body, path="/open/"))
    with pytest.raises(Malformed, match="does not know this value yet"):
        await client.push(Push(Remote("db"), "k"), source(k=b"v"))
    assert world.fake.count(method="PATCH") == 0
    await client.close()


async def test_a_definition_that_somebody_else_changes_is_tried_again(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(409, body="{}", path="/prod$"))
    with pytest.raises(Busy):
        await client.push(Push(Remote("db"), "k"), source(k=b"v"))
    await client.close()


# hostile replies


@pytest.mark.parametrize(
    "body",
    (
        '{"value":"x"}',
        '{"trace":{}}',
        '{"unknown":true,"trace":{}}',
        '{"value":"x","unknown":true,"trace":{}}',
        "[]",
        "[" * 5000,
        '{"value":' + "[" * 300 + "]" * 300 + ',"trace":{}}',
    ),
)
async def test_a_value_that_is_none_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body, path="/open//"))
    with pytest.raises(Malformed):
        await read(client, "db")
    await client.close()


@pytest.mark.parametrize("body", ('{"value":{"a":"x"},"trace":{}}', '{"value":{"a":{"value":1}},"trace":{}}'))
async def test_a_map_of_something_else_than_values_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body, path="/open//"))
    with pytest.raises(Malformed):
        await extract(client, "db")
    await client.close()


async def test_an_environment_that_cannot_be_opened_is_told_without_its_diagnostics(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps({"id": "", "diagnostics": [{"summary": PLANTED}]})))
    with pytest.raises(InvalidConfig) as error:
        await read(client, "db")
    assert str(error.value) == "the environment cannot be opened: it has errors"
    await client.close()


@pytest.mark.parametrize("id", ("..", ".", 7, None))
async def test_a_session_that_leads_elsewhere_is_not_asked(world: World, id: object) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps({"id": id})))
    with pytest.raises(Malformed):
        await read(client, "db")
    assert len(world.fake.asked) == 1
    await client.close()


async def test_names_of_the_store_are_parts_of_a_path_and_no_more(world: World) -> None:
    client = await world.open(environment="a/b?c")
    with pytest.raises(EsoError):
        await read(client, "db")
    assert world.fake.asked[0].path.endswith("/a/b?c/open")  # as the server reads %2F
    assert world.fake.asked[0].query == {}
    await client.close()
    with pytest.raises(InvalidConfig):
        await world.open(environment="a/../b")
    assert len(world.fake.asked) == 1


async def test_every_await_of_a_batch_and_a_push_may_be_cancelled(world: World) -> None:
    world.fake.values = {"a": "1", "b": "2"}
    client = await world.open()

    async def everything() -> None:
        await client.fetch_many([client.request(RemoteRef("a")), client.request(RemoteRef("b"))])
        await client.push(Push(Remote("c"), "k"), source(k=b"3"))

    async for _ in every_await(everything):
        world.fake.values.pop("c", None)
    await client.push(Push(Remote("c"), "k"), source(k=b"3"))
    assert await read(client, "c") == b"3"
    world.fake.fail(Fault(503, path="/open$"))
    with pytest.raises(Unavailable):
        await read(client, "a")
    await client.close()
