"""Pushes: their metadata, bodies, owners and files; what is there already."""

from __future__ import annotations

from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.beyondtrust import pushing
from eso.providers.beyondtrust.client import Client
from eso.providers.beyondtrust.session import User
from eso.providers.contract import Denied, InvalidConfig, Malformed, Push, Remote, Source, Unavailable
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.unit.providers.beyondtrust.conftest import World

PLANTED = "planted-7f3a9c"
USER = User(7, "eso", "ESO", "eso@example.com")
ID = "99999999-2222-4333-8444-555555555555"
NOBODY = "00000000-0000-0000-0000-000000000000"
TEXT = {"title": "db", "folder_name": "shop", "secret_type": "text"}
CREDENTIAL = {"title": "db", "folder_name": " shop ", "username": "me"}
FILE = {"title": "db", "folder_name": "shop", "secret_type": "File", "file_name": "db.pem"}


async def push(client: Client, metadata: Any, value: bytes = b"v", key: str = "k") -> None:
    await client.push(Push(Remote("db"), key, metadata), Source({"k": value}, "app", "team-a", "Opaque"))


def body(metadata: dict[str, Any], version: str = "3.1", value: bytes = b"v") -> dict[str, Any]:
    return pushing.body_of(pushing.wanted(metadata, value), USER, version)


# bodies


def test_a_credential_is_the_default_and_empty_members_are_left_out() -> None:
    me = {"UserId": 7, "Name": "ESO", "Email": "eso@example.com"}
    assert body(CREDENTIAL) == {"Title": "db", "Username": "me", "Password": "v", "Owners": [me]}
    assert body(CREDENTIAL, "3.2") == body(CREDENTIAL)


def test_a_text_has_the_folder_of_nobody_and_a_file_its_content() -> None:
    assert {name: body(TEXT)[name] for name in ("Title", "Text", "FolderId")} == {
        "Title": "db",
        "Text": "v",
        "FolderId": NOBODY,
    }
    assert {name: body(FILE)[name] for name in ("FileName", "FileContent")} == {
        "FileName": "db.pem",
        "FileContent": "v",
    }
    assert "FileContent" not in body(FILE, value=b"\xff")


def test_everything_of_the_metadata_is_sent() -> None:
    urls = ["https://a.example", {"url": "https://b.example", "id": ID, "credential_id": "no uuid"}]
    given = TEXT | {"description": "d", "notes": "n", "urls": urls, "unknown": {}}
    assert {name: body(given)[name] for name in ("Description", "Notes", "Urls")} == {
        "Description": "d",
        "Notes": "n",
        "Urls": [
            {"Id": NOBODY, "CredentialId": NOBODY, "Url": "https://a.example"},
            {"Id": ID, "CredentialId": NOBODY, "Url": "https://b.example"},
        ],
    }


def test_owners_are_who_is_signed_in_and_those_of_the_metadata() -> None:
    others = [{"owner_id": 8, "owner": "o", "email": "e", "group_id": 9, "user_id": 10, "name": "n"}, "none"]
    given = TEXT | {"owner_type": "Group", "owner_id": 5, "group_id": 6, "owners": others}
    old = body(given, "3.0")
    assert (old["OwnerId"], old["OwnerType"]) == (5, "Group")
    assert old["Owners"] == [
        {"OwnerId": 7, "Owner": "eso", "Email": "eso@example.com"},
        {"OwnerId": 8, "Owner": "o", "Email": "e"},
    ]
    assert body(given)["Owners"] == [
        {"GroupId": 6, "UserId": 7, "Name": "ESO", "Email": "eso@example.com"},
        {"GroupId": 9, "UserId": 10, "Name": "n", "Email": "e"},
    ]
    assert "OwnerType" not in body(given)
    assert "OwnerId" not in body(TEXT | {"owner_type": "User"}, "3.0")


@pytest.mark.parametrize(
    ("metadata", "version", "words"),
    (
        (None, "3.1", "title is required"),
        (TEXT | {"title": " "}, "3.1", "title is required"),
        (TEXT | {"title": "t" * 257}, "3.1", "title is longer than 256 characters"),
        (TEXT | {"title": 7}, "3.1", "title in the metadata is no text"),
        (TEXT | {"description": "d" * 257}, "3.1", "description is longer than 256 characters"),
        (TEXT | {"notes": "n" * 4001}, "3.1", "notes is longer than 4000 characters"),
        (TEXT | {"folder_name": ""}, "3.1", "folder_name is required"),
        (TEXT | {"secret_type": "OTHER"}, "3.1", "Unknown secret type"),
        (CREDENTIAL | {"username": ""}, "3.1", "username is required"),
        (FILE | {"file_name": None}, "3.1", "file_name is required"),
        (FILE | {"file_name": "f" * 257}, "3.1", "file_name is longer than 256 characters"),
        (TEXT | {"owner_id": True}, "3.1", "owner_id in the metadata is no number"),
        (TEXT | {"owners": {}}, "3.1", "owners in the metadata is no list"),
        (TEXT | {"urls": ["ftp://x"]}, "3.1", "urls in the metadata holds one that is none"),
        (TEXT | {"urls": [{}]}, "3.1", "urls in the metadata holds one that is none"),
        (TEXT | {"urls": ["https://x/" + "y" * 2048]}, "3.1", "urls in the metadata holds one that is none"),
        (TEXT, "", "unsupported API version: "),
        (TEXT, "4.0", "unsupported API version: 4.0"),
        (TEXT, "3.0", "owner_type must be User or Group"),
        (TEXT | {"owner_type": "user"}, "3.0", "owner_type must be User or Group"),
        (TEXT | {"owner_type": "Group"}, "3.0", "owner_id is required for owner_type Group"),
    ),
)
def test_metadata_that_cannot_be_pushed_is_told(metadata: Any, version: str, words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        body(metadata, version)
    assert str(error.value).startswith(words)


@pytest.mark.parametrize(
    ("metadata", "value"),
    (
        (CREDENTIAL, b"p" * 257),
        (TEXT, b"t" * 4097),
        (FILE, b"f" * 5_000_001),
        (TEXT, b""),
        (TEXT, b"\xff" + PLANTED.encode()),
    ),
)
def test_a_value_that_does_not_fit_is_told_without_showing_it(metadata: Any, value: bytes) -> None:
    with pytest.raises(InvalidConfig) as error:
        pushing.wanted(metadata, value)
    assert PLANTED not in str(error.value)
    assert "ppp" not in str(error.value)
    assert PLANTED not in repr(pushing.wanted(TEXT, PLANTED.encode()))


def test_a_name_of_a_file_stays_in_its_place() -> None:
    for name in ('a"; x="', "a\r\nX: y", "a\\"):
        with pytest.raises(InvalidConfig, match="holds a quote or a line break"):
            pushing.multipart({}, name, b"", "b")


# pushes


async def test_a_push_makes_a_secret_of_each_kind_in_its_folder(world: World) -> None:
    client = await world.open(apiVersion="3.1")
    for number, metadata in enumerate((CREDENTIAL, TEXT, FILE)):
        await push(client, metadata | {"title": f"t{number}"}, b"v\r\n1")
    held = [(one.kind, one.title, one.password, one.file, one.folder) for one in world.fake.secrets]
    shop = world.fake.folders["shop"]
    assert held == [
        ("CREDENTIAL", "t0", "v\r\n1", b"", shop),
        ("TEXT", "t1", "v\r\n1", b"", shop),
        ("FILE", "t2", "", b"v\r\n1", shop),
    ]
    assert all(asked.query.get("version") == "3.1" for asked in world.fake.asked[1:])
    await client.close()


async def test_a_whole_secret_is_json(world: World) -> None:
    client = await world.open(apiVersion="3.1")
    await push(client, TEXT, b"<v>", key="")
    assert world.fake.secrets[0].password == '{"k":"<v>"}'
    with pytest.raises(InvalidConfig, match=r"^failed to find secret key in secret with key: gone$"):
        await push(client, TEXT, key="gone")
    await client.close()


@pytest.mark.parametrize("metadata", (CREDENTIAL, TEXT, FILE), ids=("credential", "text", "file"))
async def test_what_is_there_with_its_value_is_not_made_again(world: World, metadata: dict[str, Any]) -> None:
    client = await world.open(apiVersion="3.2")
    world.fake.wrapped = True
    for value in (b"1", b"1", b"2", b"2"):
        await push(client, metadata, value)
    assert len(world.fake.secrets) == 2
    world.fake.folders["other"] = ID
    await push(client, metadata | {"folder_name": "other"}, b"2")
    assert len(world.fake.secrets) == 3
    await client.close()


async def test_a_file_that_may_not_be_read_hides_no_other_of_its_title(world: World) -> None:
    client = await world.open(apiVersion="3.1")
    for value in (b"1", b"2"):
        await push(client, FILE, value)
    world.fake.fail(Fault(403, body="{}", path="/download$"))
    await push(client, FILE, b"2")
    assert len(world.fake.secrets) == 2
    await client.close()


async def test_what_may_not_be_looked_at_is_made_and_an_outage_makes_nothing(world: World) -> None:
    client = await world.open(apiVersion="3.1")
    world.fake.fail(Fault(403, body="{}", path="/secrets$"))
    await push(client, TEXT)
    assert len(world.fake.secrets) == 1
    for fault, kind in ((Fault(503, path="/secrets$", times=3), Unavailable), (Fault(200, body="7"), Malformed)):
        world.fake.faults = [fault]
        with pytest.raises(kind):
            await push(client, TEXT, b"other")
    assert len(world.fake.secrets) == 1
    await client.close()


@pytest.mark.parametrize("body", ("[]", '[{"Name":"other","Id":"x"}]'))
async def test_a_folder_that_is_missing_is_told(world: World, body: str) -> None:
    client = await world.open(apiVersion="3.1")
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(InvalidConfig, match=r"^folder shop was not found$"):
        await push(client, TEXT)
    await client.close()


async def test_a_folder_whose_id_leads_elsewhere_is_malformed(world: World) -> None:
    client = await world.open(apiVersion="3.1")
    world.fake.fail(Fault(200, body='[{"Name":"shop","Id":"../../Auth"}]'))
    with pytest.raises(Malformed):
        await push(client, TEXT)
    assert len(world.fake.asked) == 2
    await client.close()


async def test_metadata_is_checked_before_anything_is_asked(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^unsupported API version: $"):
        await push(client, TEXT)
    assert len(world.fake.asked) == 1
    await client.close()


async def test_a_refused_push_shows_nothing_of_the_value(world: World) -> None:
    client = await world.open(apiVersion="3.1")
    for status in (400, 403, 409, 500):
        world.fake.faults = [Fault(status, echo=True, path="/text$", times=3)]
        with pytest.raises(EsoError) as error:
            await push(client, TEXT, PLANTED.encode())
        assert str(error.value) == f"error - status code: {status}"
    await client.close()


async def test_a_secret_is_looked_for_by_the_title_that_a_push_writes(world: World) -> None:
    world.fake.put("db", "v")
    client = await world.open()
    assert await client.exists(Remote("db"))
    assert await client.exists(Remote("other", metadata=TEXT))
    assert not await client.exists(Remote("db", metadata={"title": "other"}))
    world.fake.fail(Fault(404, body='"Secret was not found"'))
    assert not await client.exists(Remote("db"))
    world.fake.fail(Fault(403, body="{}"))
    with pytest.raises(Denied):
        await client.exists(Remote("db"))
    await client.close()


async def test_a_deletion_is_refused(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^DeleteSecret not implemented$"):
        await client.delete(Remote("db"))
    await client.close()


async def test_every_await_of_a_push_may_be_cancelled(world: World) -> None:
    client = await world.open(apiVersion="3.1")
    async for _ in every_await(lambda: push(client, FILE)):
        world.fake.secrets.clear()
    await push(client, FILE)
    assert len(world.fake.secrets) == 1
    await client.close()
