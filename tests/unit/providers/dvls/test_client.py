"""References, kinds of credentials, proofs that an entry is not there, pushes and deletions; hostile replies."""

from __future__ import annotations

import asyncio
import json

import pytest

from eso.errors import EsoError
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
    Unavailable,
)
from eso.providers.dvls import codec
from eso.providers.dvls.client import Client
from eso.providers.kit import search
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.clock import until
from tests.fakes.dvls import VAULT_ID
from tests.fakes.env import found
from tests.unit.providers.dvls.conftest import World

PLANTED = "planted-7f3a9c"
OTHER = "00000000-2222-4333-8444-555555555555"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property, version="7", metadata_policy="Fetch")
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str) -> dict[str, bytes]:
    ref = RemoteRef(key, "ignored")
    return client.mapping(await client.fetch(client.request(ref)), ref)


async def test_an_entry_is_named_by_its_id_or_its_name_and_path(world: World) -> None:
    top, deep = world.fake.put("top", password="t"), world.fake.put("db", path="Go\\Prod", password="d")
    client = await world.open()
    for key in (deep, f" {deep.upper()} ", f"{{{deep}}}", "db", "Go/Prod/db", "Go\\Prod\\db", "Go/db", " db "):
        assert await read(client, key) == b"d"
    assert await read(client, top) == b"t"
    await client.close()


async def test_a_read_by_id_costs_one_request_and_by_name_two(world: World) -> None:
    id = world.fake.put("db", password="d")
    client = await world.open()
    before = len(world.fake.asked)
    await read(client, id)
    assert len(world.fake.asked) - before == 1
    await read(client, "db")
    assert len(world.fake.asked) - before == 3
    await client.close()


async def test_without_a_vault_a_key_has_both_ids(world: World) -> None:
    id = world.fake.put("db", password="d")
    client = await world.open(vault="")
    for key in (f"{VAULT_ID}/{id}", f" {VAULT_ID} / {id.upper()} "):
        assert await read(client, key) == b"d"
    for key in ("", "db", id, f"{VAULT_ID}/db", f"Shop/{id}", f"{VAULT_ID}/{id}/x", f"{VAULT_ID}/../{id}"):
        with pytest.raises(InvalidConfig, match=r"^invalid key: a store without a vault needs"):
            client.request(RemoteRef(key))
    await client.close()


@pytest.mark.parametrize("key", ("", " ", "/", "folder/", "\\"))
async def test_an_empty_name_is_refused(world: World, key: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^invalid key: the name of the entry is empty$"):
        client.request(RemoteRef(key))
    await client.close()


async def test_a_path_reaches_below_itself_and_not_beside(world: World) -> None:
    world.fake.put("db", path="base\\sub", password="below")
    world.fake.put("db", path="baseother", password="beside")
    client = await world.open()
    assert await read(client, "base/db") == b"below"
    with pytest.raises(InvalidConfig, match=r"^multiple entries found: 2 entries have this name"):
        await read(client, "db")
    await client.close()


@pytest.mark.parametrize("key", ("base/db", "/Base/db", "Base//sub/DB", "BASE\\db"))
async def test_a_folder_in_another_spelling_proves_no_absence(world: World, key: str) -> None:
    """The server compares without case."""
    client = await world.open()
    shown = [{"id": OTHER, "name": "db", "path": "Base\\sub", "type": "Credential", "subType": "Default"}]
    body = json.dumps({"data": shown, "currentPage": 1, "totalPage": 1})
    for attempt in (read(client, key), client.delete(Remote(key)), client.exists(Remote(key))):
        world.fake.fail(Fault(200, body=body, path="/entry$"))
        with pytest.raises(InvalidConfig, match="written in other letters"):
            await attempt
    assert not [asked for asked in world.fake.asked if asked.method == "DELETE"]
    await client.close()


async def test_entries_that_are_no_credentials_do_not_count(world: World) -> None:
    id = world.fake.put("db", password="d", path="a")
    world.fake.entries[world.fake.put("db", path="b")]["type"] = "Folder"
    client = await world.open()
    assert await read(client, "db") == b"d"
    world.fake.entries[id]["type"] = "Website"
    with pytest.raises(SecretNotFound):
        await read(client, "db")
    with pytest.raises(InvalidConfig, match=r"^unsupported entry type or credential subtype \(Default\)$"):
        await read(client, id)
    world.fake.entries[id] |= {"type": "Credential", "subType": f"{PLANTED} \x00"}
    with pytest.raises(InvalidConfig, match=r"^unsupported entry type or credential subtype$"):
        await read(client, id)
    await client.close()


async def test_all_pages_of_a_list_are_read(world: World) -> None:
    world.fake.per_page = 2
    for at in range(5):
        world.fake.put("db", path=f"folder{at}", password=str(at))
    client = await world.open()
    assert await read(client, "folder4/db") == b"4"
    with pytest.raises(InvalidConfig, match="5 entries have this name"):
        await read(client, "db")
    await client.close()


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    (
        (
            "Default",
            {"username": "u", "password": "p", "domain": "d"},
            {"username": "u", "password": "p", "domain": "d"},
        ),
        ("Default", {"Username": "u", "PASSWORD": "p", "domain": "", "more": "x"}, {"username": "u", "password": "p"}),
        ("AccessCode", {"password": "p"}, {"password": "p"}),
        ("ApiKey", {"apiId": "a", "apiKey": "k", "tenantId": "t"}, {"api-id": "a", "api-key": "k", "tenant-id": "t"}),
        (
            "AzureServicePrincipal",
            {"clientId": "c", "clientSecret": "s", "tenantId": None},
            {"client-id": "c", "client-secret": "s"},
        ),
        ("ConnectionString", {"connectionString": "c"}, {"connection-string": "c"}),
        (
            "PrivateKey",
            {
                "privateKeyOverrideUsername": "u",
                "privateKeyOverridePassword": "p",
                "privateKeyData": "k",
                "publicKeyData": "b",
                "privateKeyPassPhrase": "f",
            },
            {"username": "u", "password": "p", "private-key": "k", "public-key": "b", "passphrase": "f"},
        ),
    ),
)
async def test_each_kind_has_its_names(world: World, kind: str, data: dict[str, str], expected: dict[str, str]) -> None:
    id = world.fake.put("db", kind, **data)
    client = await world.open()
    whole = {name: text.encode() for name, text in expected.items()}
    assert await extract(client, "db") == whole | {"entry-id": id.encode(), "entry-name": b"db"}
    for name, text in expected.items():
        assert await read(client, "db", name) == text.encode()
    await client.close()


async def test_a_property_is_the_password_where_none_is_named(world: World) -> None:
    world.fake.put("db", username="u", password="p", domain="")
    world.fake.put("api", "ApiKey", apiKey="k")
    client = await world.open()
    assert await read(client, "db") == b"p"
    assert await read(client, "db", "entry-name") == b"db"
    for key, property, shown in (("db", "domain", "domain"), ("db", "Username", "Username"), ("api", "", "password")):
        with pytest.raises(InvalidConfig) as error:
            await read(client, key, property)
        assert str(error.value) == f'property "{shown}" not found in entry'
    await client.close()


# absence


async def test_an_entry_that_is_not_there_is_proven(world: World) -> None:
    world.fake.put("db", password="d")
    client = await world.open()
    before = len(world.fake.asked)
    for key, paths in (("gone", ["entry", "is-logged"]), (OTHER, [OTHER, "entry", "is-logged"])):
        with pytest.raises(SecretNotFound):
            await read(client, key)
        assert [asked.path.rpartition("/")[2] for asked in world.fake.asked[before:]] == paths
        before = len(world.fake.asked)
    await client.close()


@pytest.mark.parametrize("key", ("gone", OTHER))
async def test_a_login_that_has_ended_proves_nothing_whatever_the_server_answers(world: World, key: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body="false", path="is-logged"))
    with pytest.raises(AuthExpired, match=r"^the login has ended$"):
        await read(client, key)
    for body in ("7", '"true"', "<html>", "null"):
        world.fake.fail(Fault(200, body=body, path="is-logged"))
        with pytest.raises(Malformed):
            await read(client, key)
    world.fake.fail(Fault(404, path="is-logged"))
    with pytest.raises(NothingThere):
        await read(client, key)
    await client.close()


async def test_a_login_that_has_ended_may_be_refused_like_one_without_rights(world: World) -> None:
    id = world.fake.put("db", password="d")
    client = await world.open()
    world.fake.fail(Fault(403, path=id))
    with pytest.raises(Denied):
        await read(client, id)
    for odd in (Fault(404, path="is-logged"), Fault(500, path="is-logged"), Fault(200, body="{", path="is-logged")):
        world.fake.fail(Fault(403, path=id))
        world.fake.fail(odd)
        with pytest.raises(Denied):
            await read(client, id)
    world.fake.mute = True
    world.fake.tokens.clear()
    with pytest.raises(AuthExpired):
        await read(client, id)
    await client.close()


@pytest.mark.parametrize("key", ("db", OTHER))
async def test_a_vault_that_is_gone_proves_no_absence(world: World, key: str) -> None:
    """A new login looks the name up again."""
    client = await world.open()
    named = await world.open(vault=VAULT_ID)
    world.fake.vaults = {OTHER: "Shop"}
    with pytest.raises(AuthExpired, match=r"^the vault was replaced$"):
        await read(client, key)
    with pytest.raises(NothingThere):
        await read(named, key)
    world.fake.vaults = {}
    with pytest.raises(InvalidConfig, match=r"^vault not found$"):
        await read(client, key)
    for one in (client, named):
        await one.close()


async def test_a_list_of_other_entries_proves_no_absence(world: World) -> None:
    world.fake.put("other", password=PLANTED)
    client = await world.open()
    shown = [{"id": OTHER, "name": "other", "path": "", "type": "Credential", "subType": "Default"}]
    body = json.dumps({"data": shown, "currentPage": 1, "totalPage": 1})
    attempts = (
        lambda: read(client, "db"),
        lambda: client.exists(Remote("db")),
        lambda: client.delete(Remote("db")),
        lambda: client.push(Push(Remote("db"), "k"), source(k=b"v")),
    )
    for attempt in attempts:
        world.fake.fail(Fault(200, body=body, path="/entry$"))
        with pytest.raises(Malformed, match="lists other entries"):
            await attempt()
    await client.close()


@pytest.mark.parametrize("page", ((9, 9), (2, 9), (0, 2), (1, 2)))
async def test_another_page_than_the_one_that_was_asked_for_proves_no_absence(
    world: World, page: tuple[int, int]
) -> None:
    client = await world.open()
    body = json.dumps({"data": [], "currentPage": page[0], "totalPage": page[1]})
    world.fake.fail(Fault(200, body=body, path="/entry$", times=3))
    with pytest.raises(Malformed, match="another page"):
        await read(client, "db")
    await client.close()


async def test_an_empty_list_without_a_page_is_a_list(world: World) -> None:
    client = await world.open()
    body = json.dumps({"data": [], "currentPage": 0, "totalPage": 0})
    world.fake.fail(Fault(200, body=body, path="/entry$"))
    with pytest.raises(SecretNotFound):
        await read(client, "db")
    await client.close()


async def test_an_entry_that_two_pages_have_is_one(world: World) -> None:
    """The list grew between two pages."""
    id = world.fake.put("db", password="d")
    client = await world.open()
    for number in (1, 2):
        shown = [{"id": id, "name": "db", "path": "", "type": "Credential", "subType": "Default"}]
        body = json.dumps({"data": shown, "currentPage": number, "totalPage": 2})
        world.fake.fail(Fault(200, body=body, path="/entry$"))
    assert await read(client, "db") == b"d"
    await client.close()


async def test_a_login_that_finds_no_vault_is_ended(world: World) -> None:
    with pytest.raises(InvalidConfig, match=r"^vault not found$"):
        await world.open(vault="Other")
    assert world.fake.tokens == set()
    world.fake.fail(Fault(500, path="/vault$"))
    world.fake.fail(Fault(500, path="/logout$"))
    with pytest.raises(Unavailable):
        await world.open()


async def test_a_login_that_is_cancelled_at_its_vault_is_ended(world: World) -> None:
    world.fake.fail(Fault(hang=True, path="/vault$"))
    opening = asyncio.create_task(world.open())
    await until(lambda: world.fake.count("/vault$") > 0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert world.fake.tokens == set()


async def test_a_name_in_other_letters_is_found_where_the_server_finds_it(world: World) -> None:
    id = world.fake.put("DB", password="d")
    client = await world.open()
    shown = [{"id": id, "name": "DB", "path": "", "type": "Credential", "subType": "Default"}]
    body = json.dumps({"data": shown, "currentPage": 1, "totalPage": 1})
    world.fake.fail(Fault(200, body=body, path="/entry$"))
    assert await read(client, "db") == b"d"
    await client.close()


# writes


def source(**data: bytes) -> Source:
    return Source(data, "app", "team-a", "Opaque")


@pytest.mark.parametrize("kind", ("Default", "AccessCode"))
async def test_a_push_sets_the_password_and_keeps_all_else(world: World, kind: str) -> None:
    id = world.fake.put("db", kind, path="a", Password="old", username="u", more={"deep": 1})
    client = await world.open()
    for key in ("a/db", id):
        await client.push(Push(Remote(key, "ignored"), "k"), source(k=b"new"))
    (update,) = [asked for asked in world.fake.asked if asked.method == "PUT"]
    assert update.body == {
        "name": "db",
        "description": "kept",
        "path": "a",
        "tags": ["one"],
        "data": {"username": "u", "more": {"deep": 1}, "password": "new"},
    }
    assert await read(client, id) == b"new"
    await client.close()


async def test_what_cannot_be_pushed_is_told_and_nothing_is_written(world: World) -> None:
    world.fake.put("api", "ApiKey", apiKey="k")
    world.fake.put("db", password="d")
    client = await world.open()
    for entry, words in (
        (Push(Remote("db")), "secretKey is required"),
        (Push(Remote("db"), "gone"), 'secret key "gone" not found in the source secret'),
        (Push(Remote("db"), "empty"), 'the value of secret key "empty" is empty'),
        (Push(Remote("db"), "bytes"), "the value is no UTF-8 text"),
        (Push(Remote("gone"), "k"), "entry gone not found: entry must exist before pushing secrets"),
        (Push(Remote(OTHER), "k"), f"entry {OTHER} not found: entry must exist before pushing secrets"),
        (Push(Remote("api"), "k"), "cannot set secret for credential subtype (ApiKey)"),
    ):
        with pytest.raises(InvalidConfig) as error:
            await client.push(entry, source(k=b"v", empty=b"", bytes=b"\xff"))
        assert str(error.value).startswith(words)
    assert not [asked for asked in world.fake.asked if asked.method == "PUT"]
    await client.close()


async def test_a_deletion_removes_the_entry_and_may_be_repeated(world: World) -> None:
    id = world.fake.put("db", password="d")
    client = await world.open()
    assert await client.exists(Remote("db"))
    assert await client.exists(Remote(id, "ignored"))
    for key in ("db", "db", id):
        await client.delete(Remote(key))
    assert world.fake.entries == {}
    assert not await client.exists(Remote("db"))
    assert not await client.exists(Remote(id))
    await client.close()


async def test_a_refused_deletion_is_an_error(world: World) -> None:
    id = world.fake.put("db", password="d")
    client = await world.open()
    world.fake.fail(Fault(403, path=id))
    with pytest.raises(Denied):
        await client.delete(Remote(id))
    assert world.fake.entries
    await client.close()


async def test_a_login_is_ended_and_a_server_that_is_gone_hinders_no_one(world: World) -> None:
    client = await world.open()
    await client.close()
    assert world.fake.asked[-1].path == "/api/v1/logout"
    assert world.fake.tokens == set()
    client = await world.open()
    world.fake.down = True
    await client.close()


async def test_nothing_can_be_searched(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^GetAllSecrets is not implemented$"):
        await found(client, Find(name_regexp="db"))
    await client.close()


# hostile replies


LISTED = {"id": OTHER, "name": "db", "path": "", "type": "Credential"}


@pytest.mark.parametrize(
    "page",
    (
        {},
        {"data": []},
        {"data": [], "currentPage": "1", "totalPage": 1},
        {"data": {}, "currentPage": 1, "totalPage": 1},
        {"data": [7], "currentPage": 1, "totalPage": 1},
        {"data": [LISTED | {"id": "../../x"}], "currentPage": 1, "totalPage": 1},
        {"data": [LISTED | {"id": 7}], "currentPage": 1, "totalPage": 1},
        {"data": [LISTED | {"name": None}], "currentPage": 1, "totalPage": 1},
        {"data": [LISTED | {"path": 7}], "currentPage": 1, "totalPage": 1},
        {"data": [LISTED | {"type": 7}], "currentPage": 1, "totalPage": 1},
    ),
)
async def test_a_list_of_another_form_is_malformed_and_leads_nowhere(world: World, page: object) -> None:
    client = await world.open()
    before = len(world.fake.asked)
    world.fake.fail(Fault(200, body=json.dumps(page)))
    with pytest.raises(Malformed):
        await read(client, "db")
    assert len(world.fake.asked) - before == 1
    await client.close()


ENTRY = {"id": OTHER, "name": "db", "type": "Credential", "subType": "Default", "data": {}}


@pytest.mark.parametrize(
    "entry",
    (
        [],
        {},
        ENTRY | {"id": VAULT_ID},
        ENTRY | {"id": "x"},
        ENTRY | {"name": 7},
        ENTRY | {"subType": None},
        ENTRY | {"data": [PLANTED]},
        ENTRY | {"data": {"password": {"deep": PLANTED}}},
        ENTRY | {"data": {"password": 7}},
    ),
)
async def test_an_entry_of_another_form_is_malformed(world: World, entry: object) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=json.dumps(entry), path=OTHER))
    with pytest.raises(Malformed) as error:
        await read(client, OTHER)
    assert PLANTED not in str(error.value)
    await client.close()


async def test_a_list_without_an_end_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_FOLDERS", 20)
    client = await world.open()
    for number in range(1, 99):
        body = json.dumps({"data": [], "currentPage": number, "totalPage": 99999})
        world.fake.fail(Fault(200, body=body, path="/entry$"))
    with pytest.raises(InvalidConfig, match="looks into more than"):
        await read(client, "db")
    await client.close()


@pytest.mark.parametrize("status", (400, 401, 403, 404, 409, 500))
async def test_a_refusal_shows_the_status_alone(world: World, status: int) -> None:
    id = world.fake.put("planted-name", password=PLANTED)
    client = await world.open()
    world.fake.fail(Fault(status, echo=True, path=id))
    with pytest.raises(EsoError) as error:
        await read(client, id)
    assert "planted" not in f"{error.value}{error.value.fix}"
    await client.close()


async def test_every_await_of_a_push_and_a_deletion_may_be_cancelled(world: World) -> None:
    client = await world.open()

    async def everything() -> None:
        world.fake.put("db", password="old")
        await client.push(Push(Remote("db"), "k"), source(k=b"new"))
        await client.delete(Remote("db"))

    async for _ in every_await(everything):
        continue
    assert not await client.exists(Remote("db"))
    await client.close()


def test_values_never_print() -> None:
    entry = codec.entry_of(json.dumps(ENTRY | {"data": {"password": PLANTED}}).encode())
    assert PLANTED not in repr(entry)
    assert len(entry) == len(PLANTED)
