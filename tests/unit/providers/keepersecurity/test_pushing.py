"""Pushes of one key of a record, deletions of records."""

from __future__ import annotations

import json

import pytest

from eso.errors import EsoError
from eso.providers.contract import Denied, InvalidConfig, Malformed, Push, Remote, Source
from eso.providers.keepersecurity.client import Client
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.keepersecurity import FOLDER, Held
from tests.unit.providers.keepersecurity.conftest import World

OURS = "externalSecrets"


def source(**data: bytes) -> Source:
    return Source(data, "app", "team-a", "Opaque")


async def push(client: Client, key: str, value: bytes = b"v") -> None:
    await client.push(Push(Remote(key), "k"), source(k=value))


@pytest.fixture
async def client(world: World) -> Client:
    world.fake.put("first of its folder", folder=FOLDER)
    return await world.open()


def held(world: World, title: str) -> Held:
    (one,) = [one for one in world.fake.records.values() if one.document["title"] == title]
    return one


@pytest.mark.parametrize(
    ("key", "member", "made"),
    (
        ("Login", "fields", {"type": "login", "value": ["v"]}),
        ("my-username", "fields", {"type": "login", "value": ["v"]}),
        ("PASSWORD", "fields", {"type": "password", "value": ["v"]}),
        ("BaseURL", "fields", {"type": "url", "value": ["v"]}),
        ("url", "fields", {"type": "url", "value": ["v"]}),
        ("token", "custom", {"type": "secret", "label": "token", "value": ["v"]}),
    ),
)
async def test_a_push_makes_a_record_in_the_folder(
    world: World, client: Client, key: str, member: str, made: dict[str, object]
) -> None:
    await push(client, f"db/{key}")
    record = held(world, "db")
    assert record.folder == FOLDER
    empty: dict[str, object] = {"title": "db", "type": OURS, "fields": [], "custom": []}
    assert record.document == empty | {member: [made]}
    assert await client.exists(Remote(f"db/{key}"))
    assert not await client.exists(Remote("db/other"))
    await client.close()


async def test_a_push_changes_one_value_and_leaves_the_rest_as_it_is(world: World, client: Client) -> None:
    custom = [{"type": "secret", "label": "token", "value": ["old"], "required": True}]
    fields = [{"type": "login", "value": ["a", "b"]}, {"type": "login", "value": ["second"]}]
    rest = {"notes": "n <&>", "big": 12345678901234567890}
    world.fake.put("db", type=OURS, custom=custom, fields=fields, folder=FOLDER, **rest)
    await push(client, "db/token", b"new")
    await push(client, "db/username", b"me")
    await push(client, "db/password", b"secret")
    assert (
        held(world, "db").document
        == {
            "title": "db",
            "type": OURS,
            "custom": [custom[0] | {"value": ["new"]}],
            "fields": [{"type": "login", "value": ["me"]}, fields[1], {"type": "password", "value": ["secret"]}],
        }
        | rest
    )
    revision = held(world, "db").revision
    await push(client, "db/token", b"new")
    assert held(world, "db").revision == revision
    await client.close()


@pytest.mark.parametrize("custom", ([], [{"type": "secret", "label": "token", "value": []}]), ids=("none", "empty"))
async def test_a_custom_field_has_to_be_there(world: World, client: Client, custom: list[object]) -> None:
    world.fake.put("db", type=OURS, custom=custom)
    with pytest.raises(EsoError) as error:
        await push(client, "db/token")
    assert str(error.value) == "secret db does not contain any custom field with label token"
    await client.close()


async def test_records_of_another_type_are_left_alone(world: World, client: Client) -> None:
    other = world.fake.put("db", fields=[{"type": "login", "value": ["theirs"]}])
    await push(client, "db/login")
    assert other.document["fields"][0]["value"] == ["theirs"]
    await client.delete(Remote("db/login"))
    assert other.uid in world.fake.records
    assert not await client.exists(Remote("db/login"))
    await client.close()


async def test_two_records_of_our_type_are_told(world: World, client: Client) -> None:
    for _ in range(2):
        world.fake.put("db", type=OURS)
    for attempt in (
        lambda: push(client, "db/login"),
        lambda: client.delete(Remote("db/login")),
        lambda: client.exists(Remote("db/login")),
    ):
        with pytest.raises(EsoError, match=r"^more than 1 secret db found$"):
            await attempt()
    await client.close()


async def test_what_cannot_be_pushed_is_told(world: World, client: Client) -> None:
    with pytest.raises(InvalidConfig, match=r"^pushing the whole secret is not yet implemented$"):
        await client.push(Push(Remote("db/k")), source(k=b"v"))
    with pytest.raises(InvalidConfig, match="not found in the source secret"):
        await client.push(Push(Remote("db/k"), "gone"), source(k=b"v"))
    with pytest.raises(InvalidConfig, match="is no UTF-8 text"):
        await push(client, "db/k", b"\xff")
    for key in ("db", "db/a/b", "/k", "db/", "/"):
        with pytest.raises(InvalidConfig, match=r"Format should match secretName/key got"):
            await push(client, key)
    assert world.fake.asked == []
    await client.close()


async def test_a_folder_that_is_not_seen_takes_no_record(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match="at least one record must exist in it"):
        await push(client, "db/login")
    world.fake.put("first", folder=FOLDER)
    world.credentials.secrets["login/config"] = json.dumps(world.fake.device.config(appOwnerPublicKey=None))
    with pytest.raises(InvalidConfig, match="no appOwnerPublicKey"):
        await push(await world.open(), "db/login")
    await client.close()


async def test_a_record_that_nobody_can_open_may_be_the_one_so_none_is_made_or_taken_for_deleted(
    world: World, client: Client
) -> None:
    world.fake.put("db", type=OURS).data = bytes(64)
    for attempt in (
        lambda: push(client, "db/login"),
        lambda: client.delete(Remote("db/login")),
        lambda: client.exists(Remote("db/login")),
    ):
        with pytest.raises(Malformed):
            await attempt()
    assert len(world.fake.records) == 2
    await client.close()


async def test_a_deletion_takes_the_whole_record_and_one_that_is_not_done_is_told(world: World, client: Client) -> None:
    world.fake.put("db", type=OURS, fields=[{"type": "login", "value": ["x"]}])
    for told in ("access_denied", ""):
        world.fake.deletes = told
        with pytest.raises(Denied, match=r"^Keeper did not delete the record$"):
            await client.delete(Remote("db/other"))
    world.fake.deletes = "ok"
    for _ in range(2):
        await client.delete(Remote("db/other"))
    assert len(world.fake.records) == 1
    await client.close()


async def test_a_write_that_is_not_allowed_is_denied_and_ends_no_login(world: World, client: Client) -> None:
    world.fake.fail(Fault(403, body='{"error":"access_denied"}', path="create_secret"))
    with pytest.raises(Denied) as error:
        await push(client, "db/login")
    assert error.value.fix == "let the application edit the folder"
    await client.close()


async def test_writes_to_one_record_have_one_place(client: Client) -> None:
    assert client.place(Remote("db/a")) == client.place(Remote("db/b"))
    assert client.place(Remote("db/a")) != client.place(Remote("api/a"))
    await client.close()


async def test_every_await_of_a_change_may_be_cancelled(world: World, client: Client) -> None:
    world.fake.put("db", type=OURS, fields=[{"type": "login", "value": ["x"]}])
    number = 0

    async def everything() -> None:
        nonlocal number
        number += 1
        await push(client, "db/login", str(number).encode())

    async for _ in every_await(everything):
        continue
    await push(client, "db/login", b"last")
    assert held(world, "db").document["fields"][0]["value"] == ["last"]
    await client.close()
