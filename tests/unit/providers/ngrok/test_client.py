"""Pushes, deletions, lists in pages; texts of refusals; hostile replies. Nothing can be read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    Source,
    Throttled,
    Unavailable,
    ValidationFailed,
)
from eso.providers.kit import search
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.ngrok import FakeNgrok, Held
from tests.unit.providers.ngrok.conftest import World

PLANTED = "planted-7f3a9c"
VERSION = "kubernetes.external-secrets.io/v1alpha1"


def source(**data: bytes) -> Source:
    return Source(data, "app", "team-a", "Opaque")


def entry(key: str = "db", secret_key: str = "k", metadata: Mapping[str, Any] | None = None) -> Push:
    return Push(Remote(key), secret_key, metadata)


def envelope(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": VERSION, "kind": "PushSecretMetadata", "spec": spec}


def only(fake: FakeNgrok) -> Held:
    (held,) = fake.secrets.values()
    return held


async def test_nothing_can_be_read(world: World) -> None:
    client = await world.open()
    words = r"^not implemented - the ngrok provider only supports write operations$"
    with pytest.raises(InvalidConfig, match=words):
        client.request(RemoteRef("db"))
    with pytest.raises(InvalidConfig, match=words):
        await client.fetch("db")
    with pytest.raises(InvalidConfig, match=words):
        client.value(None, RemoteRef("db"))
    with pytest.raises(InvalidConfig, match=words):
        client.mapping(None, RemoteRef("db"))
    with pytest.raises(InvalidConfig, match=words):
        await found(client, Find())
    await client.close()


async def test_a_push_makes_a_secret_with_its_digest(world: World) -> None:
    client = await world.open()
    await client.push(entry(), source(k=b"v"))
    held = only(world.fake)
    assert (held.name, held.vault, held.value) == ("db", "vault_2", "v")
    assert held.description == "Managed by External Secrets Operator"
    assert json.loads(held.metadata) == {"_sha256": hashlib.sha256(b"v").hexdigest()}
    assert [asked.method for asked in world.fake.asked] == ["GET", "GET", "POST"]
    await client.close()


async def test_metadata_of_the_push_is_kept_beside_the_digest(world: World) -> None:
    client = await world.open()
    given = envelope(description="of the shop", metadata={"team": "<a>", "_sha256": "x"})
    await client.push(entry(metadata=given), source(k=b"v"))
    held = only(world.fake)
    assert held.description == "of the shop"
    assert held.metadata == f'{{"_sha256":"{hashlib.sha256(b"v").hexdigest()}","team":"\\u003ca\\u003e"}}'
    with pytest.raises(InvalidConfig, match='unknown field "desc"'):
        await client.push(entry(metadata=envelope(desc="x")), source(k=b"v"))
    with pytest.raises(InvalidConfig, match="unexpected kind"):
        await client.push(entry(metadata={"apiVersion": VERSION, "kind": "X"}), source(k=b"v"))
    await client.close()


async def test_a_whole_secret_is_json_with_its_values_in_base64(world: World) -> None:
    client = await world.open()
    await client.push(entry(secret_key=""), source(b=b"\xff", a=b"text"))
    assert only(world.fake).value == '{"a":"dGV4dA==","b":"/w=="}'
    await client.close()


async def test_what_cannot_be_pushed_is_told_before_anything_is_asked(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^key gone not found in secret$"):
        await client.push(entry(secret_key="gone"), source(k=b"v"))
    with pytest.raises(InvalidConfig, match="no UTF-8 text"):
        await client.push(entry(), source(k=b"\xff"))
    assert world.fake.asked == []
    await client.close()


async def test_a_value_is_written_again_only_when_it_or_the_secret_has_changed(world: World) -> None:
    client = await world.open()
    for value in (b"1", b"1", b"2", b"2"):
        await client.push(entry(), source(k=value))
    assert world.fake.count(method="PATCH") == 1
    held = only(world.fake)
    held.value, held.updated = "by hand", held.updated + 1
    await client.push(entry(), source(k=b"2"))
    assert held.value == "2"
    await client.push(entry(metadata=envelope(description="new")), source(k=b"2"))
    assert held.description == "new"
    another = await World(world.fake).open()  # a process that has just begun
    await another.push(entry(metadata=envelope(description="new")), source(k=b"2"))
    assert world.fake.count(method="PATCH") == 4
    await another.close()
    await client.close()


async def test_secrets_of_other_vaults_and_of_longer_names_are_left_alone(world: World) -> None:
    world.fake.put("db", "theirs", "vault_1")
    world.fake.put("db2", "other")
    client = await world.open()
    assert not await client.exists(Remote("db"))
    await client.push(entry(), source(k=b"v"))
    await client.delete(Remote("db"))
    assert {(held.name, held.value) for held in world.fake.secrets.values()} == {("db", "theirs"), ("db2", "other")}
    await client.close()


async def test_lists_are_read_to_their_end_and_at_no_other_address(world: World) -> None:
    world.fake.size = 1
    for _ in range(3):
        world.fake.put("db", "theirs", "vault_1")
    ours = world.fake.put("db", "ours")
    client = await world.open()
    await client.push(entry(), source(k=b"v"))
    assert ours.value == "v"
    assert [asked.query["filter"] for asked in world.fake.asked[1:5]] == ['obj.name == "db"'] * 4
    await client.close()


async def test_a_name_is_quoted_in_its_filter(world: World) -> None:
    client = await world.open()
    name = 'a" || "b" == "b\\'
    world.fake.put(name, "v")
    assert await client.exists(Remote(name))
    assert world.fake.asked[-1].query["filter"] == r'obj.name == "a\" || \"b\" == \"b\\"'
    await client.close()


async def test_a_vault_that_is_missing_is_told_and_holds_up_no_deletion(world: World) -> None:
    client = await world.open(vault={"name": "gone"})
    with pytest.raises(InvalidConfig, match=r'^vault "gone" not found$'):
        await client.push(entry(), source(k=b"v"))
    assert not await client.exists(Remote("db"))
    await client.delete(Remote("db"))
    with pytest.raises(ValidationFailed, match=r'^vault "gone" not found$'):
        await client.validate()
    await client.close()


async def test_a_store_that_may_not_list_is_not_valid(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(403, body='{"error_code":"ERR_NGROK_5"}', path="/vault_secrets"))
    with pytest.raises(ValidationFailed, match=r"^store is not allowed to list secrets: 403 Forbidden \(ERR_NGROK_5\)"):
        await client.validate()
    world.fake.fail(Fault(403, body="{}", path="/vaults"))
    with pytest.raises(ValidationFailed, match=r"^error listing vaults: 403 Forbidden"):
        await client.validate()
    await client.close()


async def test_a_secret_that_goes_meanwhile_is_made_anew(world: World) -> None:
    world.fake.put("db", "old")
    client = await world.open()
    world.fake.fail(Fault(404, body='{"error_code":"ERR_NGROK_2108"}', path="/secret_1"))
    await client.push(entry(), source(k=b"v"))
    assert world.fake.count(method="POST") == 1
    await client.delete(Remote("db"))
    await client.close()


async def test_a_404_that_is_not_ngroks_word_is_no_absence(world: World) -> None:
    held = world.fake.put("db", "old")
    client = await world.open()
    world.fake.fail(Fault(404, body="<html>", path=held.id, times=2))
    with pytest.raises(NothingThere):
        await client.delete(Remote("db"))
    with pytest.raises(NothingThere):
        await client.push(entry(), source(k=b"v"))
    assert world.fake.count(method="POST") == 0
    world.fake.fail(Fault(404, body="<html>", path="/vaults"))
    with pytest.raises(NothingThere):
        await client.exists(Remote("db"))
    await client.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    (
        (Fault(401, body="{}"), AuthExpired),
        (Fault(429, headers={"Retry-After": "7"}), Throttled),
        (Fault(503), Unavailable),
        (Fault(400, echo=True), InvalidConfig),
        (Fault(200, body="<html>"), Malformed),
    ),
)
async def test_a_failure_has_its_class_and_shows_nothing_that_was_sent(
    world: World, fault: Fault, kind: type[EsoError]
) -> None:
    client = await world.open()
    world.fake.fail(fault)
    with pytest.raises(kind) as error:
        await client.push(entry(), source(k=PLANTED.encode()))
    assert "planted" not in f"{error.value}{error.value.fix}"
    await client.close()


async def test_a_refused_write_shows_nothing_of_the_value(world: World) -> None:
    held = world.fake.put("db", "old")
    client = await world.open()
    world.fake.fail(Fault(400, echo=True, path=held.id))
    with pytest.raises(InvalidConfig, match=r"^400 Bad Request$") as error:
        await client.push(entry(), source(k=PLANTED.encode()))
    assert "planted" not in f"{error.value}{error.value.fix}"
    await client.close()


@pytest.mark.parametrize(
    "body",
    (
        "[]",
        "{}",
        '{"vaults":7}',
        '{"vaults":[7]}',
        '{"vaults":[{"name":"shop"}]}',
        '{"vaults":[{"id":"../../api_keys","name":"shop"}]}',
        '{"vaults":[{"id":"a?b","name":"shop"}]}',
        '{"vaults":[],"next_page_uri":7}',
        '{"vaults":[],"next_page_uri":"https://[x"}',
        '{"vaults":[],"next_page_uri":"https://api.ngrok.com/vaults"}',
        "[" * 5000,
    ),
)
async def test_a_list_that_lies_is_malformed_and_leads_nowhere(world: World, body: str) -> None:
    client = await world.open()
    for attempt in (
        lambda: client.push(entry(), source(k=b"v")),
        lambda: client.delete(Remote("db")),
        lambda: client.exists(Remote("db")),
    ):
        world.fake.fail(Fault(200, body=body))
        with pytest.raises(Malformed):
            await attempt()
    assert len(world.fake.asked) == 3
    await client.close()


async def test_a_list_without_an_end_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_FOLDERS", 20)
    body = '{"vaults":[],"next_page_uri":"https://elsewhere/vaults?before_id=1"}'
    world.fake.fail(Fault(200, body=body, times=100))
    client = await world.open()
    with pytest.raises(InvalidConfig, match="more than 20 folders"):
        await client.exists(Remote("db"))
    assert len(world.fake.asked) == 20
    await client.close()


async def test_a_write_whose_answer_is_none_counts_and_is_written_again_later(world: World) -> None:
    client = await world.open()
    world.fake.put("db", "old")
    world.fake.fail(Fault(200, body="[]", path="/secret_1"))
    await client.push(entry(), source(k=b"v"))
    await client.push(entry(), source(k=b"v"))
    assert world.fake.count(method="PATCH") == 2
    await client.close()


async def test_every_await_of_a_push_and_a_deletion_may_be_cancelled(world: World) -> None:
    client = await world.open()

    async def everything() -> None:
        await client.push(entry(), source(k=b"1"))
        await client.push(entry(), source(k=b"2"))
        await client.delete(Remote("db"))

    async for _ in every_await(everything):
        continue
    await client.push(entry(), source(k=b"3"))
    assert {held.value for held in world.fake.secrets.values()} == {"3"}
    await client.close()
