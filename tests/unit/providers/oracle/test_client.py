"""Names, stages, maps, searches and writes; texts of refusals; hostile replies."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    Busy,
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
    Validation,
    ValidationFailed,
)
from eso.providers.kit import search
from eso.providers.kit.http import NothingThere
from eso.providers.kit.payload import pushed
from eso.providers.oracle import client as client_module
from eso.providers.oracle.client import Client
from eso.providers.oracle.refusal import Hidden
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.oracle import VAULT
from tests.unit.providers.oracle.conftest import World

PLANTED = b"planted-7f3a9c"


async def read(client: Client, key: str, property: str = "", version: str = "") -> bytes:
    ref = RemoteRef(key, property, version)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


@pytest.mark.parametrize("name", ("db", "a/b c", "x:y?&=#+%2F", "é ü", "../vaults", "~!$'()*,;@"))
async def test_any_name_is_read_under_a_signature_that_covers_it(world: World, name: str) -> None:
    world.fake.put(name, PLANTED)
    client = await world.open()
    assert await read(client, name) == PLANTED
    assert len(world.fake.asked) == 1
    await client.close()


async def test_a_version_is_a_stage_in_any_case(world: World) -> None:
    world.fake.put("db", b"one")
    world.fake.put("db", b"two")
    client = await world.open()
    for version, expected in (("", b"two"), ("CURRENT", b"two"), ("previous", b"one"), ("LATEST", b"two")):
        assert await read(client, "db", version=version) == expected
    assert world.fake.asked[2].query["stage"] == "PREVIOUS"
    assert "stage" not in world.fake.asked[0].query
    for version in ("7", "../x", "CURRENT&vaultId=other"):
        with pytest.raises(InvalidConfig, match="is no stage"):
            client.request(RemoteRef("db", version=version))
    await client.close()


async def test_a_property_is_a_path(world: World) -> None:
    world.fake.put("db", b'{"user":"me","n":1.50,"deep":{"a":["x"]}}')
    client = await world.open()
    paths = ("user", "n", "deep", "deep.a.0")
    assert [await read(client, "db", path) for path in paths] == [b"me", b"1.5", b'{"a":["x"]}', b"x"]
    with pytest.raises(InvalidConfig) as error:
        await read(client, "db", "nope")
    assert str(error.value) == "missing Key in secret: db"
    await client.close()


async def test_a_map_has_texts_only(world: World) -> None:
    world.fake.put("db", b'{"user":"me","none":null}')
    world.fake.put("number", b'{"user":7}')
    world.fake.put("text", PLANTED)
    client = await world.open()
    assert await extract(client, "db") == {"user": b"me", "none": b""}
    for key in ("number", "text"):
        with pytest.raises(Malformed, match="the secret is no map of texts") as error:
            await extract(client, key)
        assert PLANTED.decode() not in str(error.value)
    await client.close()


async def test_bytes_are_kept(world: World) -> None:
    world.fake.put("key", bytes(range(256)))
    client = await world.open()
    assert await read(client, "key") == bytes(range(256))
    await client.close()


async def test_oracle_does_not_tell_what_is_absent_from_what_is_hidden(world: World) -> None:
    client = await world.open()
    with pytest.raises(Hidden) as gone:
        await read(client, "gone")
    assert not isinstance(gone.value, SecretNotFound)
    text = "Secrets service failed to GetSecretBundleByName, HTTP status code 404"
    assert str(gone.value) == f"{text}: NotAuthorizedOrNotFound"
    await client.close()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    (
        (401, "NotAuthenticated", AuthExpired),
        (403, "NotAuthorized", Denied),
        (404, "Planted", NothingThere),
        (409, "IncorrectState", Busy),
        (429, "TooManyRequests", Throttled),
        (400, "InvalidParameter", InvalidConfig),
        (503, "ServiceUnavailable", Unavailable),
    ),
)
async def test_a_refusal_has_its_class_and_shows_known_words_alone(
    world: World, status: int, code: str, kind: type
) -> None:
    client = await world.open()
    world.fake.fail(Fault(status, body=json.dumps({"code": code, "message": PLANTED.decode()})))
    with pytest.raises(kind) as error:
        await read(client, "db")
    known = "" if code == "Planted" else f": {code}"
    assert str(error.value) == f"Secrets service failed to GetSecretBundleByName, HTTP status code {status}{known}"
    assert not isinstance(error.value, Hidden)
    await client.close()


async def test_a_vault_that_is_not_seen_leaves_the_store_in_use(world: World) -> None:
    client = await world.open()
    assert await client.validate() is Validation.READY
    for status, code, expected in (
        (404, "NotAuthorizedOrNotFound", Validation.UNKNOWN),
        (401, "NotAuthenticated", Validation.ERROR),
        (404, "", Validation.ERROR),
        (500, "InternalServerError", Validation.ERROR),
    ):
        world.fake.fail(Fault(status, body=json.dumps({"code": code})))
        with pytest.raises(ValidationFailed) as failed:
            await client.validate()
        assert failed.value.result is expected
    await client.close()


# searches


async def test_a_search_is_by_name_or_by_one_of_the_tags(world: World) -> None:
    world.fake.put("prod-db", b"1", team="a", stage="prod")
    world.fake.put("dev-db", b"2", team="b")
    world.fake.put("prod-api", b"3", team="b", stage="prod")
    world.fake.put("gone-db", b"4", team="b")
    world.fake.secrets["gone-db"].leaves = True
    client = await world.open()
    assert await found(client, Find(name_regexp="db")) == {"prod-db": b"1", "dev-db": b"2"}
    assert await found(client, Find(tags=(("team", "a"),))) == {"prod-db": b"1"}
    both = (("team", "a"), ("stage", "prod"))
    assert await found(client, Find(tags=both)) == {"prod-db": b"1", "prod-api": b"3"}
    assert await found(client, Find(name_regexp="dev", tags=both)) == {"dev-db": b"2"}
    assert await found(client, Find(path="ignored", name_regexp="dev")) == {"dev-db": b"2"}
    await client.close()


async def test_a_search_for_nothing_asks_nothing(world: World) -> None:
    world.fake.put("db", b"1")
    client = await world.open()
    assert await found(client, Find()) == {}
    assert await found(client, Find(path="db", tags=())) == {}
    assert world.fake.asked == []
    await client.close()


async def test_a_search_reads_all_pages_and_what_matches_only(world: World) -> None:
    for at in range(8):
        world.fake.put(f"secret-{at}", str(at).encode())
    client = await world.open()
    assert await found(client, Find(name_regexp="-[27]$")) == {"secret-2": b"2", "secret-7": b"7"}
    assert world.fake.count("/20180608/secrets$") == 3
    assert world.fake.count("getByName$") == 2
    await client.close()


async def test_a_search_needs_the_compartment(world: World) -> None:
    client = await world.open(compartment="")
    with pytest.raises(InvalidConfig, match="a search needs the compartment"):
        await found(client, Find(name_regexp="."))
    await client.close()


async def test_pages_without_end_are_not_followed_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_FOLDERS", 5)
    client = await world.open()
    world.fake.fail(Fault(200, body="[]", headers={"opc-next-page": "again"}, times=100))
    with pytest.raises(InvalidConfig, match="looks into more than"):
        await found(client, Find(name_regexp="."))
    await client.close()


async def test_a_secret_of_a_search_that_cannot_be_read_fails_it(world: World) -> None:
    world.fake.put("db", b"1")
    client = await world.open()
    world.fake.fail(Fault(403, body='{"code":"NotAuthorized"}', path="getByName"))
    with pytest.raises(Denied):
        await found(client, Find(name_regexp="."))
    await client.close()


# writes


def source(**data: bytes) -> Source:
    return Source(data, "app", "team-a", "Opaque")


async def test_a_push_makes_a_secret_or_a_version_and_leaves_what_is_equal(world: World) -> None:
    client = await world.open()
    for value in (b"one", b"one", b"two"):
        await client.push(Push(Remote("db"), "k"), source(k=value))
    assert world.fake.secrets["db"].versions == [b"one", b"two"]
    assert await client.exists(Remote("db"))
    await client.close()


async def test_a_push_without_a_key_is_the_whole_secret_as_json(world: World) -> None:
    client = await world.open()
    await client.push(Push(Remote("db")), source(b=b"<2>", a=b"1"))
    assert world.fake.secrets["db"].versions == [b'{"a":"1","b":"\\u003c2\\u003e"}']
    await client.close()


async def test_a_large_secret_is_written_down_beside_the_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []

    def watched(entry: Push, source: Source, **more: Any) -> bytes:
        threads.append(threading.current_thread() is threading.main_thread())
        return pushed(entry, source, **more)

    monkeypatch.setattr(client_module, "pushed", watched)
    client = await world.open()
    for size in (1, 100 << 10):
        await client.push(Push(Remote(f"db-{size}")), source(k=b"<" * size))
    assert threads == [True, False]
    assert len(world.fake.secrets["db-102400"].versions[0]) == 6 * (100 << 10) + 8
    await client.close()


async def test_what_cannot_be_pushed_is_told(world: World) -> None:
    client = await world.open(encryptionKey="")
    with pytest.raises(InvalidConfig, match=r"^SecretStore must reference encryption key$"):
        await client.push(Push(Remote("db"), "k"), source(k=b"v"))
    await client.close()
    client = await world.open()
    with pytest.raises(InvalidConfig, match="not found in the source secret"):
        await client.push(Push(Remote("db"), "gone"), source(k=b"v"))
    assert world.fake.asked == []
    client = await world.open(compartment="")
    with pytest.raises(InvalidConfig, match="a push needs the compartment"):
        await client.push(Push(Remote("db"), "k"), source(k=b"v"))
    assert world.fake.secrets == {}
    await client.close()


async def test_a_deletion_is_scheduled_once_and_its_name_cannot_be_used_meanwhile(world: World) -> None:
    world.fake.put("db", b"one")
    client = await world.open()
    for _ in range(2):
        await client.delete(Remote("db"))
    assert world.fake.secrets["db"].leaves
    assert world.fake.count("/scheduleDeletion$") == 1
    assert not await client.exists(Remote("db"))
    with pytest.raises(InvalidConfig) as error:
        await client.push(Push(Remote("db"), "k"), source(k=b"v"))
    assert error.value.fix.startswith("a secret that waits for its deletion keeps its name")
    await client.close()


async def test_a_secret_that_is_shown_with_a_time_of_deletion_is_let_go(world: World) -> None:
    content = {"contentType": "BASE64", "content": "eA=="}
    shown = {"secretId": "ocid1.x", "secretBundleContent": content, "timeOfDeletion": "2030-01-01T00:00:00Z"}
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps(shown)))
    await client.delete(Remote("db"))
    assert len(world.fake.asked) == 1
    await client.close()


async def test_what_something_else_answers_proves_no_absence_to_a_write(world: World) -> None:
    client = await world.open()
    attempts = (
        lambda: client.push(Push(Remote("db"), "k"), source(k=b"v")),
        lambda: client.delete(Remote("db")),
        lambda: client.exists(Remote("db")),
    )
    for attempt in attempts:
        world.fake.fail(Fault(404, body="<html>"))
        with pytest.raises(NothingThere):
            await attempt()
    assert world.fake.secrets == {}
    await client.close()


async def test_every_await_of_a_deletion_may_be_cancelled(world: World) -> None:
    world.fake.put("db", b"one")
    client = await world.open()
    async for _ in every_await(lambda: client.delete(Remote("db"))):
        continue
    await client.delete(Remote("db"))
    assert world.fake.secrets["db"].leaves
    await client.close()


# hostile replies


@pytest.mark.parametrize(
    "told",
    (
        {},
        {"secretId": 7, "secretBundleContent": {"contentType": "BASE64", "content": "eA=="}},
        {"secretId": "x", "secretBundleContent": {"contentType": "TEXT", "content": "eA=="}},
        {"secretId": "x", "secretBundleContent": {"contentType": "BASE64", "content": "é==="}},
        {"secretId": "x", "secretBundleContent": {"contentType": "BASE64", "content": ["eA=="]}},
        {"secretId": "x", "secretBundleContent": ["eA=="]},
    ),
)
async def test_a_bundle_that_lies_is_malformed(world: World, told: dict[str, Any]) -> None:
    client = await world.open()
    for attempt in (lambda: read(client, "db"), lambda: client.delete(Remote("db"))):
        world.fake.fail(Fault(200, body=json.dumps(told)))
        with pytest.raises(Malformed):
            await attempt()
    await client.close()


@pytest.mark.parametrize("body", ('{"items":[]}', "[7]", '[{"secretName":7}]', "[{}]", "[" * 5000))
async def test_a_list_that_lies_is_malformed(world: World, body: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await found(client, Find(name_regexp="."))
    await client.close()


@pytest.mark.parametrize("id", ("", "..", "."))
async def test_an_id_leads_a_write_nowhere_else(world: World, id: str) -> None:
    client = await world.open()
    told = {"secretId": id, "secretBundleContent": {"contentType": "BASE64", "content": "eA=="}}
    world.fake.fail(Fault(200, body=json.dumps(told)))
    with pytest.raises(EsoError):
        await client.delete(Remote("db"))
    assert len(world.fake.asked) == 1
    await client.close()


async def test_the_vault_of_a_store_cannot_leave_its_place(world: World) -> None:
    client = await world.open(vault=f"a/secrets/{VAULT}")
    with pytest.raises(ValidationFailed):
        await client.validate()
    assert world.fake.asked[0].target == f"/20180608/vaults/a%2Fsecrets%2F{VAULT}"
    await client.close()
    client = await world.open(vault=f"../secrets/{VAULT}")
    with pytest.raises(ValidationFailed):
        await client.validate()
    assert len(world.fake.asked) == 1
    await client.close()
