"""References, versions, maps, searches and pushes; texts of refusals; hostile replies."""

from __future__ import annotations

import json

import pytest

from eso.errors import EsoError
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
from eso.providers.kit.http import NothingThere
from eso.providers.scaleway.client import Client
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.unit.providers.scaleway.conftest import World

PLANTED = b"planted-7f3a9c"


async def read(client: Client, key: str, property: str = "", version: str = "") -> bytes:
    ref = RemoteRef(key, property, version)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


async def test_a_secret_is_named_by_id_name_or_path(world: World) -> None:
    deep = world.fake.put("db", PLANTED, "/team/prod")
    world.fake.put("top", b"t")
    client = await world.open()
    for key in (f"id:{deep.id}", f"id:{deep.id.upper()}", "name:db", "path:/team/prod/db"):
        assert await read(client, key) == PLANTED
    assert await read(client, "path:/top") == b"t"
    await client.close()


async def test_a_read_by_id_costs_one_request_and_by_name_two(world: World) -> None:
    held = world.fake.put("db", PLANTED)
    client = await world.open()
    await read(client, f"id:{held.id}")
    assert len(world.fake.asked) == 1
    await read(client, "name:db")
    assert len(world.fake.asked) == 3
    await client.close()


@pytest.mark.parametrize(
    ("key", "words"),
    (
        ("db", "invalid secret reference: missing colon ':'"),
        ("other:db", 'invalid secret reference: "db"'),
        ("id:../../projects", 'invalid secret reference: "../../projects"'),
        ("name:", 'invalid secret reference: ""'),
        ("path:db", "ref is not a path"),
        ("path:/", "ref is not a path"),
        ("path:/team/", "ref is not a path"),
    ),
)
async def test_other_references_are_refused(world: World, key: str, words: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig) as error:
        client.request(RemoteRef(key))
    assert str(error.value) == words
    await client.close()


async def test_a_version_is_a_number_or_one_of_the_last(world: World) -> None:
    held = world.fake.put("db", b"one")
    world.fake.put("db", b"two")
    world.fake.put("db", b"three")
    held.versions[2] = (b"three", False)
    client = await world.open()
    assert [await read(client, "name:db", version=version) for version in ("", "1", "latest_enabled")] == [
        b"two",
        b"one",
        b"two",
    ]
    with pytest.raises(InvalidConfig, match="precondition_failed"):
        await read(client, "name:db", version="latest")
    with pytest.raises(SecretNotFound):
        await read(client, "name:db", version="7")
    with pytest.raises(InvalidConfig, match="is no revision"):
        client.request(RemoteRef("name:db", version="../1"))
    await client.close()


async def test_a_property_is_a_path_and_one_that_names_nothing_is_not_found(world: World) -> None:
    world.fake.put("db", json.dumps({"user": "me", "n": 1.50, "deep": {"a": ["x"]}}).encode())
    client = await world.open()
    assert [await read(client, "name:db", path) for path in ("user", "n", "deep", "deep.a.0")] == [
        b"me",
        b"1.5",
        b'{"a": ["x"]}',
        b"x",
    ]
    with pytest.raises(SecretNotFound):
        await read(client, "name:db", "nope")
    await client.close()


async def test_a_map_keeps_what_is_no_text_as_it_is_written(world: World) -> None:
    world.fake.put("db", b'{"user":"me","n":1.50,"none":null,"deep":{"a": 1}}')
    client = await world.open()
    assert await extract(client, "name:db") == {"user": b"me", "n": b"1.50", "none": b"", "deep": b'{"a": 1}'}
    assert await extract(client, "name:db", "deep") == {"a": b"1"}
    world.fake.put("text", PLANTED)
    with pytest.raises(Malformed, match=r"^failed to unmarshal secret: invalid JSON format$"):
        await extract(client, "name:text")
    await client.close()


async def test_bytes_are_kept(world: World) -> None:
    world.fake.put("key", bytes(range(256)))
    client = await world.open()
    assert await read(client, "name:key") == bytes(range(256))
    await client.close()


async def test_only_scaleways_own_word_proves_an_absence(world: World) -> None:
    client = await world.open()
    with pytest.raises(SecretNotFound):
        await read(client, "name:gone")
    for body in ('{"type":"unknown_resource"}', "<html>", "{}", '{"type":7}'):
        world.fake.fail(Fault(404, body=body))
        with pytest.raises(NothingThere):
            await read(client, "name:gone")
    await client.close()


async def test_a_refusal_shows_the_name_of_the_error_alone(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(400, body=json.dumps({"type": "invalid_arguments", "message": PLANTED.decode()})))
    with pytest.raises(InvalidConfig) as error:
        await read(client, "name:db")
    assert str(error.value) == "scaleway-sdk-go: 400 Bad Request (invalid_arguments)"
    world.fake.fail(Fault(409, body='{"type":"transient_state"}'))
    with pytest.raises(Busy):
        await read(client, "name:db")
    await client.close()


async def test_a_store_that_may_not_list_is_not_valid(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(403, body='{"type":"permissions_denied"}'))
    with pytest.raises(ValidationFailed, match="permissions_denied"):
        await client.validate()
    await client.close()


# searches


async def test_a_search_is_by_folder_name_and_names_of_tags(world: World) -> None:
    world.fake.put("db", b"1", "/a", ("prod",))
    world.fake.put("api", b"2", "/a")
    world.fake.put("db2", b"3", "/b", ("prod",))
    client = await world.open()
    assert await found(client, Find()) == {"db": b"1", "api": b"2", "db2": b"3"}
    assert await found(client, Find(path="/a")) == {"db": b"1", "api": b"2"}
    assert await found(client, Find(name_regexp="^db")) == {"db": b"1", "db2": b"3"}
    assert await found(client, Find(tags=(("prod", "whatever"),), path="/b")) == {"db2": b"3"}
    await client.close()


async def test_a_search_reads_all_pages_and_what_matches_only(world: World) -> None:
    for at in range(120):
        world.fake.put(f"secret-{at}", str(at).encode())
    client = await world.open()
    assert len(await found(client, Find(name_regexp="-1"))) == 1 + 10 + 20
    assert world.fake.count("secrets$") == 3
    assert world.fake.count("/access$") == 31
    await client.close()


async def test_a_secret_without_an_enabled_version_is_left_out_and_a_failure_ends_the_search(world: World) -> None:
    world.fake.put("db", b"1").versions[0] = (b"1", False)
    world.fake.put("api", b"2")
    client = await world.open()
    assert await found(client, Find()) == {"api": b"2"}
    world.fake.fail(Fault(403, body='{"type":"permissions_denied"}', path="/access"))
    with pytest.raises(EsoError, match="permissions_denied"):
        await found(client, Find())
    await client.close()


# writes


def source(**data: bytes) -> Source:
    return Source(data, "app", "team-a", "Opaque")


async def test_a_push_makes_a_secret_in_its_folder(world: World) -> None:
    client = await world.open()
    await client.push(Push(Remote("path:/team/db"), "k"), source(k=b"v"))
    (held,) = world.fake.secrets.values()
    assert (held.name, held.path, held.versions) == ("db", "/team", [(b"v", True)])
    assert await client.exists(Remote("path:/team/db"))
    assert not await client.exists(Remote("path:/db"))
    await client.close()


async def test_a_push_adds_a_version_and_disables_the_one_before(world: World) -> None:
    held = world.fake.put("db", b"one")
    client = await world.open()
    for value in (b"two", b"two", b"three"):
        await client.push(Push(Remote("name:db"), "k"), source(k=value))
    assert held.versions == [(b"one", False), (b"two", False), (b"three", True)]
    await client.close()


async def test_a_push_that_was_cut_after_the_secret_was_made_is_healed_by_the_next(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(500, body='{"type":"internal_error"}', path="/versions$"))
    with pytest.raises(EsoError):
        await client.push(Push(Remote("name:db"), "k"), source(k=b"v"))
    await client.push(Push(Remote("name:db"), "k"), source(k=b"v"))
    (held,) = world.fake.secrets.values()
    assert held.versions == [(b"v", True)]
    await client.close()


async def test_what_cannot_be_pushed_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^pushing the whole secret is not yet implemented$"):
        await client.push(Push(Remote("name:db")), source(k=b"v"))
    with pytest.raises(InvalidConfig, match=r"^secrets can only be pushed by name or path$"):
        await client.push(Push(Remote("id:99999999-2222-4333-8444-555555555555"), "k"), source(k=b"v"))
    with pytest.raises(InvalidConfig, match="not found in the source secret"):
        await client.push(Push(Remote("name:db"), "gone"), source(k=b"v"))
    assert world.fake.asked == []
    await client.close()


async def test_a_deletion_removes_the_secret(world: World) -> None:
    world.fake.put("db", b"one")
    client = await world.open()
    for _ in range(2):
        await client.delete(Remote("name:db"))
    assert world.fake.secrets == {}
    await client.close()


async def test_writes_to_one_name_have_one_place(world: World) -> None:
    client = await world.open()
    assert client.place(Remote("name:db")) == client.place(Remote("path:/team/db"))
    assert client.place(Remote("name:db")) != client.place(Remote("name:api"))
    await client.close()


# hostile replies


@pytest.mark.parametrize(
    "body",
    (
        '{"secrets":[{"id":"../../x","name":"db"}]}',
        '{"secrets":[{"id":7,"name":"db"}]}',
        '{"secrets":[{"name":"db"}]}',
        '{"secrets":{"id":"x"}}',
        "[" * 5000,
    ),
)
async def test_a_list_that_lies_is_malformed_and_leads_nowhere(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await read(client, "name:db")
    assert len(world.fake.asked) == 1
    await client.close()


async def test_an_answer_with_another_secret_proves_no_absence(world: World) -> None:
    """Nothing is deleted, made anew or taken for deleted because of it."""
    other = world.fake.put("other", PLANTED)
    client = await world.open()
    attempts = (
        lambda: read(client, "name:db"),
        lambda: client.push(Push(Remote("name:db"), "k"), source(k=b"v")),
        lambda: client.delete(Remote("name:db")),
        lambda: client.exists(Remote("name:db")),
    )
    for attempt in attempts:
        world.fake.fail(Fault(200, body=json.dumps({"secrets": [other.shown]})))
        with pytest.raises(Malformed):
            await attempt()
    assert list(world.fake.secrets.values()) == [other]
    await client.close()


@pytest.mark.parametrize("data", ("%%%", "abc", "\u00e9\u00e9\u00e9\u00e9"), ids=("signs", "cut", "no ASCII"))
async def test_a_value_that_is_no_base64_is_malformed(world: World, data: str) -> None:
    held = world.fake.put("db", PLANTED)
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps({"data": data})))
    with pytest.raises(Malformed, match=r"has no base64 in data$"):
        await read(client, f"id:{held.id}")
    await client.close()


async def test_every_await_of_a_search_and_a_push_may_be_cancelled(world: World) -> None:
    world.fake.put("db", b"1")
    client = await world.open()

    async def everything() -> None:
        await found(client, Find())
        await client.push(Push(Remote("name:db"), "k"), source(k=b"2"))

    async for _ in every_await(everything):
        continue
    assert await read(client, "name:db") == b"2"
    await client.close()
