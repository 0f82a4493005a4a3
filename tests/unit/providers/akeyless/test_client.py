"""Reads, batches and searches, on the contract server."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.providers.akeyless import codec, refusal, spec
from eso.providers.akeyless.client import Asked, Client, folder
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    Throttled,
    Unavailable,
    Unshared,
    batches,
)
from eso.providers.kit import search
from eso.providers.kit.http import Reply
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.unit.providers.akeyless.conftest import REFS, World, credentials, read, view

# one item


@pytest.mark.parametrize(
    ("kind", "answer", "value"),
    [
        pytest.param("STATIC_SECRET", "text <&>", "text <&>", id="a static secret is its text"),
        pytest.param("ROTATED_SECRET", {"value": {"payload": "p<"}, "x": 1}, "p<", id="of a rotated one the payload"),
        pytest.param(
            "ROTATED_SECRET",
            {"value": {"payload": {"b": 1, "a": "<"}}},
            r'{"a":"\u003c","b":1}',
            id="a payload of JSON",
        ),
        pytest.param(
            "ROTATED_SECRET",
            {"value": {"target_value": {"b": 1.50, "a": "<"}, "x": 1}},
            r'{"a":"\u003c","b":1.5}',
            id="else the target's value",
        ),
        pytest.param("ROTATED_SECRET", {"value": {"user": "u"}, "x": 1}, '{"user":"u"}', id="else the value"),
        pytest.param("ROTATED_SECRET", {"user": "u", "a": None}, '{"a":null,"user":"u"}', id="else all of it"),
        pytest.param(
            "CERTIFICATE", {"private_key_pem": "k", "a": 1}, '{"a":1,"private_key_pem":"k"}', id="a certificate"
        ),
    ],
)
async def test_each_type_has_its_own_value(world: World, kind: str, answer: Any, value: str) -> None:
    world.fake.put("/app", answer, type=kind)
    assert await read(await world.open(), "/app") == value.encode()


async def test_a_dynamic_secret_is_made_at_each_read(world: World) -> None:
    world.fake.put("/db", {"user": "u"}, type="DYNAMIC_SECRET")
    client = await world.open()
    assert [await read(client, "/db", "lease") for _ in range(2)] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("kind", "answer", "error", "text"),
    [
        pytest.param(
            "ROTATED_SECRET", {"value": "planted"}, Malformed, "failure converting key from gsvOut", id="text"
        ),
        pytest.param("STATIC_SECRET", {"a": 1}, Malformed, "can't convert secret value to string", id="no text"),
        pytest.param("KEY", "planted", InvalidConfig, "invalid item type: KEY", id="a type without values"),
    ],
)
async def test_values_that_are_none(world: World, kind: str, answer: Any, error: type, text: str) -> None:
    world.fake.put("/app", answer, type=kind)
    with pytest.raises(error) as failed:
        await read(await world.open(), "/app")
    assert str(failed.value) == text


async def test_an_item_that_is_not_there_is_an_error_and_no_proven_absence(world: World) -> None:
    with pytest.raises(EsoError) as missing:
        await read(await world.open(), "/gone")
    assert str(missing.value) == "item does not exist"
    assert not isinstance(missing.value, SecretNotFound)


async def test_a_key_without_its_slash_is_told_to_be_written_whole(world: World) -> None:
    world.fake.slashes = True
    world.fake.put("app", "value")
    client = await world.open()
    assert await read(client, "/app") == b"value"
    with pytest.raises(Malformed, match="can't get secret: app") as failed:
        await read(client, "app")
    assert "slash" in failed.value.fix


async def test_a_denied_item_is_denied(world: World) -> None:
    world.fake.denied.add("/app")
    with pytest.raises(Denied) as failed:
        await read(await world.open(), "/app")
    told = "can't describe item: /app, error: Akeyless answered 403 Forbidden (access denied)"
    assert str(failed.value) == told


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("", 0),
        ("2", 2),
        ("+2", 2),
        ("-1", -1),
        ("latest", 0),
        ("2.0", 0),
        ("2147483647", 2147483647),
        ("2147483648", 0),
        ("9" * 9999, 0),
        ("٢", 0),
        ("--1", 0),
    ],
)
def test_versions(version: str, number: int) -> None:
    assert codec.version_of(version) == number


async def test_a_version_is_read_by_its_number(world: World) -> None:
    world.fake.put("/app", "one", "two")
    client = await world.open()
    assert [await read(client, "/app", version=version) for version in ("1", "2", "", "x")] == [
        b"one",
        b"two",
        b"two",
        b"two",
    ]
    with pytest.raises(EsoError, match=r"can't get secret value: Akeyless answered 404"):
        await read(client, "/app", version="7")


async def test_the_cache_of_a_gateway_may_be_passed_by(world: World) -> None:
    world.fake.put("/app", "value")
    store = view(akeylessGWApiURL="", ignoreCache=True, authSecretRef=REFS)
    client: Any = await world.provider.open(store, credentials())
    await read(client, "/app")
    assert world.fake.asked[-1].body["ignore-cache"] == "true"
    assert "ignore-cache" not in world.fake.asked[-2].body


async def test_a_read_past_the_cache_shares_no_answer_with_one_from_it(world: World) -> None:
    """Both stores have one login: equal requests of one login are one call."""
    stores = [view(akeylessGWApiURL="", authSecretRef=REFS, ignoreCache=fresh) for fresh in (True, False)]
    assert spec.SPEC.plan(stores[0]) == spec.SPEC.plan(stores[1])
    client = await world.open()
    requests = [client.bind(store).request(RemoteRef("/app")) for store in stores]
    assert len(set(requests)) == 2
    assert len({client.batch(request) for request in requests}) == 2


DOCUMENT = '{"a":{"b":"path"},"a.b":"dotted","empty":""}'


def test_properties() -> None:
    value = codec.Value(DOCUMENT.encode())
    assert codec.bytes_of(value, RemoteRef("k", "a.b")) == b"dotted"
    assert codec.bytes_of(value, RemoteRef("k", "empty")) == b""
    with pytest.raises(EsoError, match=r"^key x.y does not exist in value k$"):
        codec.bytes_of(value, RemoteRef("k", "x.y"))
    with pytest.raises(EsoError, match=r"^invalid value received, found no value string : k$"):
        codec.bytes_of(codec.Value(b""), RemoteRef("k"))


def test_maps() -> None:
    assert codec.mapping(codec.Value(b'{"a":1.50,"b":"x"}'), RemoteRef("k")) == {"a": b"1.50", "b": b"x"}
    with pytest.raises(EsoError, match=r"^unable to unmarshal secret from JSON: ") as failed:
        codec.mapping(codec.Value(b"planted"), RemoteRef("k"))
    assert "planted" not in str(failed.value)


# several items


def asked(*names: str) -> list[Asked]:
    return [Asked(name) for name in names]


async def many(client: Client, *names: str) -> dict[str, Any]:
    """Each item's value, or the type of its error."""
    answers = await client.fetch_many(asked(*names))
    return {one.name: getattr(answers[one], "data", type(answers[one])) for one in asked(*names)}


async def test_static_secrets_are_read_in_one_call(world: World) -> None:
    for name in ("/a", "/b", "/c"):
        world.fake.put(name, f"v{name}")
    client = await world.open()
    assert batches(client) is client
    assert await many(client, "/a", "/b", "/c") == {"/a": b"v/a", "/b": b"v/b", "/c": b"v/c"}
    assert world.fake.count("get-secret-value") == 1
    assert client.batch(Asked("/a")) == client.batch(Asked("/b"))
    assert client.batch(Asked("/a", 1)) != client.batch(Asked("/b"))


async def test_each_of_a_batch_gets_its_own_answer(world: World) -> None:
    world.fake.put("/a", "v")
    world.fake.put("/b", "v")
    world.fake.put("/db", {"user": "u"}, type="DYNAMIC_SECRET")
    world.fake.put("/key", "k", type="KEY")
    world.fake.denied.add("/secret")
    client = await world.open()
    assert await many(client, "/a", "/b", "/db", "/key", "/gone", "/secret") == {
        "/a": b"v",
        "/b": b"v",
        "/db": Unshared,
        "/key": InvalidConfig,
        "/gone": refusal.Missing,
        "/secret": Denied,
    }


async def test_one_that_cannot_be_read_fails_no_other(world: World) -> None:
    world.fake.put("/a", "v")
    world.fake.put("/b")
    client = await world.open()
    answers = await many(client, "/a", "/b")
    assert answers["/a"] == b"v"
    assert issubclass(answers["/b"], EsoError)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(401, body='{"error":"token expired"}'), AuthExpired, id="a token that ended"),
        pytest.param(Fault(429), Throttled, id="throttled"),
        pytest.param(Fault(503), Unavailable, id="down"),
    ],
)
@pytest.mark.parametrize("path", ["describe-item", "get-secret-value"])
async def test_what_ails_the_login_or_the_server_is_the_answer_for_all(
    world: World, fault: Fault, kind: type, path: str
) -> None:
    for name in ("/a", "/b"):
        world.fake.put(name, "v")
    client = await world.open()
    fault.path, fault.times = path, 9
    world.fake.fail(fault)
    with pytest.raises(kind):
        await client.fetch_many(asked("/a", "/b"))
    fault.times = 0


async def test_every_await_of_a_batch_may_be_cancelled(world: World) -> None:
    for name in ("/a", "/b"):
        world.fake.put(name, "v")
    client = await world.open()
    async for _ in every_await(lambda: client.fetch_many(asked("/a", "/b"))):
        continue
    assert await many(client, "/a", "/b") == {"/a": b"v", "/b": b"v"}


# find


@pytest.mark.parametrize(("path", "prefix"), [(None, ""), ("", "/"), ("a", "/a/"), ("/a/b/", "/a/b/"), ("/", "/")])
def test_folders(path: str | None, prefix: str) -> None:
    assert folder(path) == prefix


@pytest.mark.parametrize(
    ("find", "names"),
    [
        pytest.param(Find(name_regexp="db"), ["/other/team-a/db", "/team-a/db", "/team-b/db"], id="a part of the path"),
        pytest.param(Find(name_regexp="^/team-a/"), ["/team-a/api", "/team-a/db"], id="the whole path"),
        pytest.param(Find(path="team-a", name_regexp=""), ["/team-a/api", "/team-a/db"], id="below a folder"),
        pytest.param(Find(path="team", name_regexp=""), [], id="a folder is a whole name"),
        pytest.param(Find(tags=(("x", "prod"),)), ["/team-a/db"], id="the value of a tag"),
        pytest.param(Find(tags=(("x", "prod"), ("y", "test"))), ["/team-a/api", "/team-a/db"], id="any of the values"),
        pytest.param(Find(name_regexp="api", tags=(("x", "prod"),)), ["/team-a/api"], id="a name before tags"),
        pytest.param(Find(name_regexp="nothing"), [], id="nothing"),
    ],
)
async def test_searches(world: World, find: Find, names: list[str]) -> None:
    world.fake.put("/team-a/db", "1", tags=["prod", "both"])
    world.fake.put("/team-a/api", "2", tags=["test"])
    world.fake.put("/team-b/db", "3")
    world.fake.put("/other/team-a/db", "4")
    world.fake.put("/team-b/empty-db", "")
    world.fake.put("/team-a/cert", {"a": 1}, type="CERTIFICATE")
    world.fake.page = 2
    assert sorted(await found(await world.open(), find)) == names


@pytest.mark.parametrize("find", [Find(), Find(path="/a"), Find(tags=())])
async def test_a_search_without_a_name_or_tags_is_refused(world: World, find: Find) -> None:
    with pytest.raises(InvalidConfig, match=r"^unexpected find operator$"):
        await found(await world.open(), find)


async def test_a_search_reads_static_secrets_in_calls_of_many(world: World) -> None:
    for number in range(120):
        world.fake.put(f"/s{number:03}", f"v{number}" if number else "")
    client = await world.open()
    values = await found(client, Find(name_regexp=""))
    assert values == {f"/s{number:03}": f"v{number}".encode() for number in range(1, 120)}
    assert world.fake.count("get-secret-value") == 3


async def test_a_search_whose_call_of_many_is_refused_reads_each_alone(world: World) -> None:
    for name in ("/a", "/b"):
        world.fake.put(name, "v")
    world.fake.put("/c", {"user": "u"}, type="ROTATED_SECRET")
    client = await world.open()
    for fault in (Fault(403), Fault(200, body="x" * (5 << 20))):
        fault.path = "get-secret-value"
        world.fake.fail(fault)
        assert await found(client, Find(name_regexp="")) == {"/a": b"v", "/b": b"v", "/c": b'{"user":"u"}'}


async def test_a_secret_that_has_two_of_the_tags_is_read_once(world: World) -> None:
    world.fake.put("/app", "v", tags=["a", "b"])
    assert await found(await world.open(), Find(tags=(("x", "a"), ("y", "b")))) == {"/app": b"v"}
    assert world.fake.count("get-secret-value") == 1


async def test_a_secret_that_cannot_be_read_fails_the_search(world: World) -> None:
    world.fake.put("/a", "v")
    world.fake.denied.add("/a")
    with pytest.raises(Denied):
        await found(await world.open(), Find(name_regexp=""))


@pytest.mark.parametrize("body", ['{"items":{}}', '{"items":[7]}', '{"items":[{}]}', '{"next_page":7}', "[]"])
async def test_a_list_of_another_shape_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body, path="list-items"))
    with pytest.raises(Malformed, match=r"^can't get secrets list: "):
        await found(client, Find(name_regexp=""))


async def test_a_list_without_end_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body='{"next_page":"same"}', path="list-items", times=9))
    with pytest.raises(Malformed, match="does not end"):
        await found(client, Find(name_regexp=""))
    monkeypatch.setattr(search, "MOST_FOLDERS", 3)
    world.fake.faults = [Fault(200, body=f'{{"next_page":"{n}"}}', path="list-items") for n in range(9)]
    with pytest.raises(InvalidConfig, match="looks into more than 3"):
        await found(client, Find(name_regexp=""))


async def test_every_await_of_a_search_may_be_cancelled(world: World) -> None:
    world.fake.put("/app", "v")
    client = await world.open()
    async for _ in every_await(lambda: found(client, Find(name_regexp=""))):
        continue
    assert await found(client, Find(name_regexp="")) == {"/app": b"v"}


# hostile servers


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(200, body="[" * 1_000_000), Malformed, id="a million brackets"),
        pytest.param(Fault(200, body='{"/app":"' + "x" * (5 << 20) + '"}'), Malformed, id="five megabytes"),
        pytest.param(Fault(200, body="<html>"), Malformed, id="a page"),
        pytest.param(Fault(204, body=""), Malformed, id="nothing"),
        pytest.param(Fault(307, headers={"Location": "https://evil.example.com/"}), Unavailable, id="elsewhere"),
    ],
)
@pytest.mark.parametrize("path", ["describe-item", "get-secret-value"])
async def test_a_hostile_server_ends_one_read(world: World, fault: Fault, kind: type, path: str) -> None:
    world.fake.put("/app", "fine")
    client = await world.open()
    world.fake.faults = [Fault(fault.status, fault.body, fault.headers, path)]
    with pytest.raises(kind):
        await read(client, "/app")
    assert await read(client, "/app") == b"fine"


async def test_a_thousand_reads_at_once_share_one_pool(world: World) -> None:
    for number in range(50):
        world.fake.put(f"/s{number}", f"v{number}")
    client = await world.open()
    values = await asyncio.gather(*(read(client, f"/s{number % 50}") for number in range(1000)))
    assert values == [f"v{number % 50}".encode() for number in range(1000)]
    await client.close()


NAMES = st.sampled_from(
    ["item_name", "item_type", "item_tags", "items", "next_page", "value", "payload", "target_value"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=6), st.integers(300, 599))
def test_replies_of_any_shape_end_in_a_value_or_a_typed_error(reply: dict[str, Any], status: int) -> None:
    body = json.dumps(reply).encode("utf-8", "surrogatepass")
    for decode in (codec.item_of, codec.page, codec.rotated, codec.whole, lambda found: codec.static(found, "value")):
        with suppress(EsoError):
            decode(body)
    assert isinstance(refusal.of_api(Reply(status, {}, body)), EsoError)
    assert isinstance(refusal.of_login(Reply(status, {}, body)), EsoError)
