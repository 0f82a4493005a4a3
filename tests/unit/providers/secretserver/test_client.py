"""How secrets are found; fields, files and whole secrets; pushes and deletions; the page; hostile replies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.net.http import Reply
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
from eso.providers.kit.http import NothingThere
from eso.providers.kit.metadata import API_VERSION, KIND
from eso.providers.secretserver import codec, refusal
from eso.providers.secretserver.client import Client
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.front import Front, manifests
from tests.fakes.secretserver import FOLDER, PASSWORD, TEMPLATE, Item, secret_json
from tests.unit.providers.secretserver.conftest import World

PLANTED = "planted-7f3a9c"
PAGE = Path(__file__).parents[4] / "docs" / "providers" / "secretserver.md"
NEW = {"apiVersion": API_VERSION, "kind": KIND, "spec": {"folderId": FOLDER, "secretTemplateId": TEMPLATE}}


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def mapped(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


def asked(world: World) -> list[str]:
    return [one.path.removeprefix("/api/v1") for one in world.fake.asked[2:]]


# finding one


async def test_a_secret_is_found_by_path_id_and_name(world: World) -> None:
    id = world.fake.put("db", Item("password", "x"))
    world.fake.paths["/Team A/db"] = id
    client = await world.open()
    assert [await read(client, key, "password") for key in ("/Team A/db", str(id), "db")] == [b"x"] * 3
    assert asked(world) == ["/secrets/0", f"/secrets/{id}", "/secrets", f"/secrets/{id}"]


async def test_a_number_that_is_no_id_may_be_a_name(world: World) -> None:
    world.fake.put("4711", Item("password", "x"))
    assert await read(await world.open(), "4711", "password") == b"x"


@pytest.mark.parametrize("tells", [True, False])
async def test_a_name_may_be_looked_for_in_one_folder(world: World, tells: bool) -> None:
    world.fake.tells_folder = tells
    world.fake.put("a/b", Item("password", "other"), folder=1)
    world.fake.put("a/b", Item("password", "x"), folder=2)
    client = await world.open()
    assert await read(client, "folderId:2/a/b", "password") == b"x"
    assert len(asked(world)) == (2 if tells else 3)
    assert await read(client, "a/b", "password") == b"other", "reads take the first"
    with pytest.raises(NothingThere, match=r"^not found$"):
        await read(client, "folderId:3/a/b")
    with pytest.raises(NothingThere, match=r"^unable to retrieve secret at this time$"):
        await read(client, "folderId:0/a/b")


@pytest.mark.parametrize("key", ["gone", "/gone", "17"])
async def test_what_is_not_there_is_an_ordinary_error(world: World, key: str) -> None:
    with pytest.raises(NothingThere):
        await read(await world.open(), key)


async def test_versions_searches_and_empty_keys_are_refused(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^specifying a version is not supported$"):
        client.request(RemoteRef("a", version="1"))
    with pytest.raises(InvalidConfig, match="key is empty"):
        client.request(RemoteRef(""))
    with pytest.raises(InvalidConfig, match="not supported by Delinea Secret Server"):
        await found(client, Find())


# values


async def test_a_property_is_a_path_into_the_first_field_or_the_name_of_one(world: World) -> None:
    world.fake.put("db", secret_json(user="me", deep={"n": 1.5}), Item("pass-word", "x", "Pass Word", 2))
    client = await world.open()
    values = [await read(client, "db", path) for path in ("user", "deep.n", "pass-word", "Pass Word", "data")]
    assert values == [b"me", b"1.5", b"x", b"x", b'{"user":"me","deep":{"n":1.5}}']
    with pytest.raises(SecretNotFound):
        await read(client, "db", "gone")


async def test_a_whole_secret_has_the_names_and_the_order_of_the_reference(world: World) -> None:
    id = world.fake.put("d<b", Item("password", "x"), secretPolicyId=3, sshKeyArgs={"generateSshKeys": True})
    whole = await read(await world.open(), "d<b")
    assert whole.startswith(
        b'{"Name":"d\\u003cb","FolderID":9,"ID":%d,"SiteID":1,"SecretTemplateID":5,"SecretPolicyID":3,'
        b'"LauncherConnectAsSecretID":0,"CheckOutIntervalMinutes":0,"Active":true,"CheckedOut":false,' % id
    )
    assert whole.endswith(
        b'"Items":[{"ItemID":11,"FieldID":21,"FileAttachmentID":0,"FieldName":"Password","Slug":"password",'
        b'"FieldDescription":"","Filename":"","ItemValue":"x","IsFile":false,"IsNotes":false,"IsPassword":true}],'
        b'"SshKeyArgs":{"GeneratePassphrase":false,"GenerateSshKeys":true}}'
    )
    assert list(json.loads(whole))[-2:] == ["Items", "SshKeyArgs"]


async def test_members_of_the_first_field_or_all_fields(world: World) -> None:
    world.fake.put("json", secret_json(a="x", n=3, o={"k": None}), Item("password", "y", id=2))
    world.fake.put("plain", Item("user", "me"), Item("password", '{"a":1}', id=2), Item("", "z", " ", 3))
    client = await world.open()
    assert await mapped(client, "json") == {"a": b"x", "n": b"3", "o": b'{"k":null}'}
    assert await mapped(client, "json", "o") == {"k": b""}
    assert await mapped(client, "json", "a") == {"a": b"x"}
    assert await mapped(client, "plain") == {"user": b"me", "password": b'{"a":1}', " ": b"z"}
    assert await mapped(client, "plain", "password") == {"a": b"1"}
    with pytest.raises(SecretNotFound):
        await mapped(client, "plain", "gone")


async def test_a_secret_without_fields_is_an_error(world: World) -> None:
    world.fake.put("empty")
    client = await world.open()
    for ask in (read, mapped):
        with pytest.raises(EsoError, match=r"^secret contains no fields$"):
            await ask(client, "empty")


async def test_files_are_read_like_fields(world: World) -> None:
    id = world.fake.put("db", Item("user", "me"), Item("cert", id=2, file=b"\x00\xff", filename="c.pem"))
    client = await world.open()
    assert await read(client, "db", "cert") == b"\x00\xff"
    assert await mapped(client, "db") == {"user": b"me", "cert": b"\x00\xff"}
    assert asked(world)[2] == f"/secrets/{id}/fields/cert"


# pushing


async def push(client: Client, key: str = "db", value: bytes = b"v", property: str = "", **more: Any) -> None:
    await client.push(Push(Remote(key, property), "k", **more), Source({"k": value}))


async def test_a_push_writes_the_field_that_differs(world: World) -> None:
    world.fake.put(
        "db", Item("user", "me"), Item("password", "old", "Pass", 2), Item("cert", id=3, file=b"x", filename="c")
    )
    client = await world.open()
    for _ in range(2):
        await push(client, value=b"new", property="Pass")
    await push(client, value=b"you")
    (_, first), (_, second) = world.fake.written
    assert [item["ItemValue"] for item in first["Items"]] == ["me", "new"], "a file is not sent along"
    assert [item["ItemValue"] for item in second["Items"]] == ["you", "new"]
    assert (first["Name"], first["FolderID"], first["SecretTemplateID"]) == ("db", FOLDER, TEMPLATE)


@pytest.mark.parametrize(
    ("key", "metadata", "property", "name", "folder", "slug"),
    [
        ("db", NEW, "", "db", FOLDER, "data"),
        ("/Team A/db", NEW, "password", "db", FOLDER, "password"),
        ("folderId:3/db", NEW, "Password", "db", 3, "password"),
    ],
)
async def test_a_new_secret_is_made_from_its_template(
    world: World, key: str, metadata: Any, property: str, name: str, folder: int, slug: str
) -> None:
    client = await world.open()
    await push(client, key, property=property, metadata=metadata)
    (made,) = world.fake.secrets.values()
    assert (made.name, made.folder, made.items[0].slug, made.items[0].value) == (name, folder, slug, "v")
    assert world.fake.written[0][1]["SiteID"] == 1


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (Push(Remote(""), "k"), "remoteKey must be set"),
        (Push(Remote("db"), "gone"), "failed to find secret key in secret with key: gone"),
        (Push(Remote("db"), "raw"), "the value is no UTF-8 text: a field holds texts only"),
        (Push(Remote("db", "gone"), "k"), "field gone not found in secret"),
        (
            Push(Remote("new"), "k"),
            "folderId and secretTemplateId must be provided in metadata to create a new secret",
        ),
        (Push(Remote("new/"), "k", NEW), "the name of a new secret cannot end in '/'"),
        (Push(Remote("folderId:3/a/b"), "k", NEW), "the name of a new secret cannot have a '/' behind its folder"),
        (Push(Remote("new", "gone"), "k", NEW), "field gone not found in secret template"),
        (Push(Remote("twice"), "k"), "there are 2 secrets named twice"),
    ],
)
async def test_a_push_that_cannot_be_made_says_why_and_writes_nothing(world: World, entry: Push, text: str) -> None:
    world.fake.put("db", Item("user", "me"))
    world.fake.put("twice", Item("user", "me"), folder=1)
    world.fake.put("twice", Item("user", "me"), folder=2)
    client = await world.open()
    with pytest.raises(InvalidConfig) as refused:
        await client.push(entry, Source({"k": b"v", "raw": b"\xff"}))
    assert str(refused.value) == text
    assert world.fake.written == []


async def test_a_whole_source_is_one_object(world: World) -> None:
    client = await world.open()
    await client.push(Push(Remote("db"), metadata=NEW), Source({"b": b"<", "a": b"1"}))
    assert next(iter(world.fake.secrets.values())).items[0].value == '{"a":"1","b":"<"}'


async def test_a_folder_in_the_metadata_tells_secrets_of_one_name_apart(world: World) -> None:
    world.fake.put("twice", Item("user", "1"), folder=1)
    id = world.fake.put("twice", Item("user", "2"), folder=FOLDER)
    await push(await world.open(), "twice", b"new", metadata=NEW)
    assert [one.items[0].value for one in world.fake.secrets.values()] == ["1", "new"]
    assert asked(world)[-1] == f"/secrets/{id}"


async def test_a_file_is_written_on_its_own_and_cleared_by_nothing(world: World) -> None:
    world.fake.put("db", Item("user", "me"), Item("file", id=2), Item("named", id=3, file=b"old", filename='a"b'))
    client = await world.open()
    items = next(iter(world.fake.secrets.values())).items
    for _ in range(2):
        await push(client, value=b"a\nb", property="file")
    assert (items[1].file, items[1].filename) == (b"a\nb", "File.txt")
    await push(client, value=b"new", property="named")
    assert (items[2].file, items[2].filename) == (b"new", "a_b.txt")
    await push(client, value=b"", property="named")
    assert items[2].file is None
    assert world.fake.count("fields/", "PUT") == 2
    assert world.fake.written == []


async def test_deletions_and_looks_need_one_secret(world: World) -> None:
    world.fake.put("db", Item("user", "me"))
    world.fake.put("twice", Item("user", "me"), folder=1)
    world.fake.put("twice", Item("user", "me"), folder=2)
    client = await world.open()
    assert [await client.exists(Remote(key)) for key in ("db", "gone", "/gone", "folderId:1/twice")] == [
        True,
        False,
        False,
        True,
    ]
    for write in (client.delete, client.exists):
        with pytest.raises(InvalidConfig, match="2 secrets named twice"):
            await write(Remote("twice"))
    for _ in range(2):
        await client.delete(Remote("db", "user"))
    assert [one.name for one in world.fake.secrets.values()] == ["twice", "twice"]


async def test_a_secret_is_one_place_by_its_id_its_path_its_folder_and_its_name(world: World) -> None:
    client = await world.open()
    assert len({client.place(Remote(key)) for key in ("7", "/shop/db", "folderId:5/db", "db", "DB")}) == 1


@pytest.mark.parametrize("key", ["db", "/folder/db", "folderId:9/db", "7"])
async def test_where_the_api_is_not_there_nothing_is_proven_absent(world: World, key: str) -> None:
    """What stands before the server answers 404 while it is away: a deletion would seem to be done."""
    client = await world.open()
    world.fake.fail(Fault(404, body="default backend - 404", times=99))
    with pytest.raises(NothingThere, match=r"^404 Not Found$"):
        await client.delete(Remote(key))
    with pytest.raises(NothingThere, match=r"^404 Not Found$"):
        await client.exists(Remote(key))
    with pytest.raises(NothingThere, match=r"^404 Not Found$"):
        await client.push(Push(Remote(key), "k", NEW), Source({"k": b"v"}))
    assert world.fake.count("secret-templates") == 0
    assert world.fake.count("secrets", "POST") == world.fake.count("secrets", "DELETE") == 0


async def test_a_look_that_fails_is_no_absence(world: World) -> None:
    client = await world.open()
    for status, kind in ((403, Denied), (503, Unavailable), (401, AuthExpired)):
        world.fake.fail(Fault(status))
        with pytest.raises(kind):
            await client.exists(Remote("db"))
        world.fake.fail(Fault(status))
        with pytest.raises(kind):
            await client.delete(Remote("db"))


async def test_every_await_of_a_file_that_is_written_may_be_cancelled(world: World) -> None:
    world.fake.put("db", Item("file", id=1))
    client = await world.open()
    async for _ in every_await(lambda: push(client, property="file")):
        next(iter(world.fake.secrets.values())).items[0].file = None
    await push(client, property="file")
    assert next(iter(world.fake.secrets.values())).items[0].file == b"v"


# the page


def front(world: World) -> Front:
    id = world.fake.put("database", Item("password", "secret"))
    world.fake.paths["/Team A/database"] = id
    words = {"https://secrets.example.com": world.fake.address, "USER_PASSWORD": PASSWORD}
    return Front(world.provider, manifests(PAGE, **words))


async def test_the_manifest_of_the_page_is_served_with_a_login_and_a_request(world: World) -> None:
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
        await cluster.stores.push("team-a", cluster.store, Push(Remote("new"), "k", NEW), Source({"k": b"v"}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("new"))
        await cluster.stores.delete("team-a", cluster.store, Remote("new"))
    assert [call for _, call, _ in cluster.calls.seen[:3]] == ["GetHealth", "GetToken", "GetSecret"]
    assert {label for label, _, _ in cluster.calls.seen} == {"Delinea/SecretServer"}
    assert len(cluster.calls.seen) == len(world.fake.asked)


async def test_a_token_that_is_withdrawn_is_replaced_without_a_failed_read(world: World) -> None:
    async with (cluster := front(world)).running():
        for _ in range(3):
            world.fake.tokens.clear()
            assert await cluster.read() == b"secret"
    assert world.fake.count("/token$") == 3


# hostile replies


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (
            403,
            '{"message":"Access Denied","errorCode":"API_AccessDenied"}',
            Denied,
            "403 Forbidden: Access Denied, API_AccessDenied",
        ),
        (
            403,
            '{"message":"Authentication failed or expired token"}',
            AuthExpired,
            "403 Forbidden: Authentication failed, expired token",
        ),
        (400, '{"message":"The secret was not found"}', NothingThere, "400 Bad Request: secret was not found"),
        (400, f'{{"message":"{PLANTED}"}}', InvalidConfig, "400 Bad Request"),
        (404, "<html>", NothingThere, "404 Not Found"),
        (500, "[" * 5000, Unavailable, "500 Internal Server Error"),
    ],
)
def test_refusals_show_known_words_only(status: int, body: str, kind: type, text: str) -> None:
    error = refusal.of_api(Reply(status, {}, body.encode()))
    assert (type(error), str(error)) == (kind, text)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "ID",
                    "name",
                    "items",
                    "itemValue",
                    "slug",
                    "records",
                    "folderId",
                    "fields",
                    "vaults",
                    "connection",
                ]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.integers(300, 599))
def test_whatever_a_server_answers_is_a_result_or_an_error_of_ours(reply: Any, status: int) -> None:
    body = json.dumps(reply).encode()
    for read_reply in (codec.secret_of, codec.records_of, codec.template_of, codec.vault_of):
        try:
            read_reply(body)
        except EsoError as error:
            assert isinstance(error, Malformed)
    codec.healthy(body)
    for refuse in (refusal.of_api, refusal.of_login):
        assert isinstance(refuse(Reply(status, {}, body)), EsoError)
