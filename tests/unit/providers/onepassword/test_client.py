"""Items through vaults: fields, files, searches, pushes; texts of refusals; hostile replies."""

from __future__ import annotations

import json
from contextlib import suppress
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
    NotYet,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    Validation,
    ValidationFailed,
)
from eso.providers.onepassword import codec
from eso.providers.onepassword.client import Client
from eso.providers.onepassword.refusal import refuse
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.onepassword import VAULT
from tests.unit.providers.onepassword.conftest import World, view

OTHER = "b" * 26
PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property)
    return client.mapping(await client.fetch(client.request(ref)), ref)


async def refused(client: Client, key: str, property: str = "") -> str:
    with pytest.raises(EsoError) as error:
        await read(client, key, property)
    assert not isinstance(error.value, SecretNotFound)
    return str(error.value)


# fields


async def test_a_property_is_the_label_of_a_field_and_dots_belong_to_it(world: World) -> None:
    world.fake.put("db", {"password": "x", "user.name": "me", "field/odd": "odd"})
    client = await world.open()
    assert [await read(client, "db", name) for name in ("", "user.name", "field/user.name")] == [b"x", b"me", b"me"]
    assert await extract(client, "db") == {"password": b"x", "user.name": b"me", "field/odd": b"odd"}
    assert [await extract(client, "db", name) for name in ("field/password", "gone")] == [{"password": b"x"}, {}]


# P-193
async def test_p_193_a_label_that_no_field_or_two_fields_have_is_an_error(world: World) -> None:
    item = world.fake.put("db", {"a": PLANTED})
    item["fields"].append({"label": "a", "value": "2", "section": {"id": "s"}})
    client = await world.open()
    text = "expected one 1Password ItemField matching: '{}' in 'db', got {}"
    assert await refused(client, "db", "gone") == text.format("gone", 0)
    assert await refused(client, "db", "a") == text.format("a", 2)
    with pytest.raises(EsoError, match="got 2"):
        await extract(client, "db")
    with pytest.raises(EsoError, match="got 2"):
        await found(client, Find(name_regexp="a"))


async def test_a_version_is_refused(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"'remoteRef.version' is not implemented in the 1Password provider"):
        client.request(RemoteRef("db", version="1"))


# finding the item


async def test_vaults_are_searched_in_order_and_a_title_may_hold_quotes(world: World) -> None:
    world.fake.vaults[OTHER] = 'Old "one"'
    world.fake.put("db", {"password": "new"})
    world.fake.put("db", {"password": "old"}, OTHER)
    world.fake.put('a "b"\\', {"password": "quoted"}, OTHER)
    client = await world.open(vaults={'Old "one"': 2, "Shop": 1})
    assert [await read(client, key) for key in ("db", 'a "b"\\')] == [b"new", b"quoted"]


async def test_a_vault_that_is_named_by_its_id_is_not_asked_for_at_each_read(world: World) -> None:
    item = world.fake.put("db", {"password": "x"})
    client = await world.open(vaults={VAULT: 1})
    assert [await read(client, key) for key in ("db", item["id"])] == [b"x", b"x"]
    assert await found(client, Find()) == {"password": b"x"}
    assert len(world.fake.asked) == 2 + 1 + 2
    assert await client.validate() is Validation.READY
    assert world.fake.asked[-1].path == f"/v1/vaults/{VAULT}"
    world.fake.fail(Fault(200, body="<html>"))
    with pytest.raises(EsoError, match="not JSON"):
        await client.validate()


async def test_an_id_is_looked_for_in_the_first_vault_only(world: World) -> None:
    world.fake.vaults[OTHER] = "Other"
    here, there = world.fake.put("here", {"password": "x"}), world.fake.put("there", {"password": "y"}, OTHER)
    client = await world.open(vaults={"Shop": 1, "Other": 2})
    assert await read(client, here["id"]) == b"x"
    assert await refused(client, there["id"]) == "error finding 1Password Item: status 404: item not found"


async def test_what_is_missing_is_told_in_the_words_of_the_reference(world: World) -> None:
    world.fake.vaults[OTHER] = "Shop"
    client = await world.open(vaults={VAULT: 2, OTHER: 1})
    assert await refused(client, "db") == f"key not found in 1Password Vaults: db in: map[{VAULT}:2 {OTHER}:1]"
    client = await world.open()
    assert await refused(client, "db") == 'error finding 1Password Vault: Found 2 vaults with title "Shop"'
    with pytest.raises(ValidationFailed, match="error finding 1Password Vault: Found 2 vaults"):
        await client.validate()
    client = await world.open(vaults={"c" * 26: 1})
    assert await refused(client, "db") == "error finding 1Password Vault: status 404: vault not found"
    with pytest.raises(ValidationFailed, match="error finding 1Password Vault: status 404: vault not found"):
        await client.validate()


async def test_two_items_of_one_title_are_an_error(world: World) -> None:
    world.fake.put("db", {})["title"] = "x"
    world.fake.put("db", {})
    next(iter(world.fake.items.values()))["title"] = "db"
    assert await refused(await world.open(), "db") == "expected one 1Password Item matching: 'db', got 2"


# files


async def test_files_are_read_by_name_and_the_first_without_one(world: World) -> None:
    files = [world.fake.file("a.pem", b"A\xff"), world.fake.file("b.pem", b"B")]
    world.fake.put("doc", {"note": "n"}, category="DOCUMENT", files=files)
    world.fake.put("login", {"password": "x"}, files=files)
    client = await world.open()
    assert [await read(client, "doc", name) for name in ("", "b.pem", "file/b.pem")] == [b"A\xff", b"B", b"B"]
    assert await read(client, "doc", "field/note") == b"n"
    assert await read(client, "login", "file/") == b"A\xff"
    assert await extract(client, "doc") == {"a.pem": b"A\xff", "b.pem": b"B"}
    assert await extract(client, "login", "file/b.pem") == {"b.pem": b"B"}
    assert await extract(client, "login") == {"password": b"x"}
    assert await refused(client, "doc", "gone") == "error finding 1Password Document: 'doc', 'gone'"


async def test_one_named_file_is_fetched_alone(world: World) -> None:
    world.fake.put("login", {}, files=[world.fake.file("a", b"A"), world.fake.file("b", b"B")])
    assert await read(await world.open(), "login", "file/b") == b"B"
    assert world.fake.count("/files/") == 1


# searches


async def test_a_search_finds_labels_in_all_vaults_and_the_first_value_wins(world: World) -> None:
    world.fake.vaults[OTHER] = "Other"
    world.fake.put("db", {"user": "me", "pass": "1"})
    world.fake.put("db", {"pass": "2", "port": "3"}, OTHER)
    world.fake.put("api", {"key": "4"}, OTHER)
    client = await world.open(vaults={"Shop": 1, "Other": 2})
    assert await found(client, Find()) == {"user": b"me", "pass": b"1", "port": b"3", "key": b"4"}
    assert await found(client, Find(path="db", name_regexp="^p")) == {"pass": b"1", "port": b"3"}
    assert await found(client, Find(path="d")) == {}


async def test_a_search_by_tags_looks_at_their_names_in_the_first_vault(world: World) -> None:
    world.fake.vaults[OTHER] = "Other"
    world.fake.put("db", {"user": "me", "pass": "1"}, tags=["prod", "db"])
    world.fake.put("api", {"key": "2"}, tags=["prod"])
    world.fake.put("old", {"old": "3"}, OTHER, tags=["prod", "db"])
    client = await world.open(vaults={"Shop": 1, "Other": 2})
    tags = (("prod", "whatever"), ("db", ""))
    assert await found(client, Find(tags=tags, path="no item")) == {"user": b"me", "pass": b"1"}
    assert await found(client, Find(tags=tags, name_regexp="^u")) == {"user": b"me"}


async def test_files_that_a_list_shows_are_found_too(world: World) -> None:
    world.fake.listed_files = True
    world.fake.put("db", {"pass": "1"}, files=[world.fake.file("a.pem", b"A")])
    assert await found(await world.open(), Find(conversion_strategy="Default")) == {"a.pem": b"A", "pass": b"1"}


async def test_labels_are_told_as_they_are_written_so_that_rewrites_see_them(world: World) -> None:
    world.fake.put("db", {"api key": "1", "api/key": "2"})
    find = Find(conversion_strategy="Default")
    assert await found(await world.open(), find) == {"api key": b"1", "api/key": b"2"}


# pushes


# P-193
async def test_p_193_a_push_makes_an_item_and_then_changes_what_differs(world: World) -> None:
    world.fake.vaults[OTHER] = "Other"
    client = await world.open(vaults={"Shop": 1, "Other": 2})
    spec = {"tags": ["eso"], "vault": "Other"}
    header = {"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata"}
    metadata = {**header, "spec": spec}
    for _ in range(2):
        await client.push(Push(Remote("new", "user"), "k", metadata), Source({"k": b"me"}))
    await client.push(Push(Remote("new"), "k"), Source({"k": b"x"}))
    (vault, _), item = next(iter(world.fake.items.items()))
    assert vault == OTHER
    assert (item["category"], item["tags"]) == ("SERVER", ["eso"])
    assert item["fields"] == [
        {"label": "user", "value": "me", "type": "CONCEALED"},
        {"label": "password", "value": "x", "type": "CONCEALED"},
    ]
    await client.push(Push(Remote("new"), "k", {**header, "spec": {"tags": []}}), Source({"k": b"y"}))
    assert world.fake.fields("new") == {"user": "me", "password": "y"}
    assert next(iter(world.fake.items.values()))["tags"] == []
    assert [world.fake.count(method=method) for method in ("POST", "PUT")] == [1, 2]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (Push(Remote("new")), "key not found in 1Password Vaults"),
        (Push(Remote("new"), "gone"), "key not found in 1Password Vaults"),
        (Push(Remote("new"), "bytes"), "the value is no UTF-8 text: a field holds texts only"),
        (
            Push(
                Remote("new"),
                "k",
                {
                    "apiVersion": "kubernetes.external-secrets.io/v1alpha1",
                    "kind": "PushSecretMetadata",
                    "spec": {"vault": "Nope"},
                },
            ),
            "metadata vault 'Nope' not in provider vaults",
        ),
    ],
)
# P-193
async def test_p_193_a_push_that_cannot_be_made_sends_nothing(world: World, entry: Push, text: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        await (await world.open()).push(entry, Source({"k": b"v", "bytes": b"\xff"}))
    assert str(error.value) == text
    assert world.fake.asked == []


async def test_an_item_is_one_place_by_its_title_and_by_its_id(world: World) -> None:
    item = world.fake.put("db", {"a": "1"})
    client = await world.open()
    other = client.bind(view(vaults={"Other": 1, "Shop": 2}))
    assert client.place(Remote("db", "a")) == other.place(Remote(item["id"], "b"))


# P-193
async def test_p_193_a_deletion_takes_one_field_and_the_last_one_takes_the_item(world: World) -> None:
    sections = [{"id": "s"}]
    world.fake.put("db", {"user": "me", "password": "x"}, sections=sections)
    client = await world.open()
    await client.delete(Remote("db", "gone"))
    await client.delete(Remote("db", "user"))
    assert world.fake.fields("db") == {"password": "x"}
    assert [await client.exists(Remote("db", name)) for name in ("", "user", "password")] == [True, False, True]
    for _ in range(2):
        await client.delete(Remote("db"))
    assert world.fake.items == {}
    assert [world.fake.count(method=method) for method in ("PUT", "DELETE")] == [1, 1]


@pytest.mark.parametrize("kept", [{"sections": [{"id": "s", "label": "mine"}]}, {"files": [{"id": "f", "name": "n"}]}])
async def test_an_item_with_anything_left_stays(world: World, kept: dict[str, Any]) -> None:
    world.fake.put("db", {"password": "x"}, **kept)
    await (await world.open()).delete(Remote("db"))
    assert world.fake.fields("db") == {}


async def test_a_failed_write_is_told_in_the_words_of_the_reference(world: World) -> None:
    world.fake.put("db", {"password": "x"})
    client = await world.open()
    source = Source({"k": b"y"})
    for method, call, words in (
        ("DELETE", client.delete(Remote("db")), "error deleting 1Password Item: status 403: "),
        ("PUT", client.push(Push(Remote("db"), "k"), source), "error updating 1Password Item: status 403: "),
        ("POST", client.push(Push(Remote("new"), "k"), source), "error creating 1Password Item: status 403: "),
    ):
        world.fake.refuses = method
        with pytest.raises(Denied) as error:
            await call
        assert str(error.value).startswith(words)


async def test_every_await_of_a_deletion_may_be_cancelled(world: World) -> None:
    client = await world.open()

    async def deleted() -> None:
        world.fake.put("db", {"password": "x"})
        await client.delete(Remote("db"))

    async for _ in every_await(deleted):
        continue
    await deleted()
    assert world.fake.items == {}


# refusals


@pytest.mark.parametrize(
    ("status", "message", "kind", "text"),
    [
        (401, "Invalid token signature", AuthExpired, "status 401: Invalid token signature"),
        (403, "Authorization: (Forbidden)", NotYet, "status 403: Authorization, Forbidden"),
        (403, f"{PLANTED}", Denied, "status 403: the request was refused"),
        (400, 7, InvalidConfig, "status 400: the request was refused"),
    ],
)
def test_refusals_show_known_words_only(status: int, message: Any, kind: type, text: str) -> None:
    error = refuse(Reply(status, {}, json.dumps({"status": status, "message": message}).encode()))
    assert type(error) is kind
    assert str(error) == text


async def test_a_store_whose_token_is_refused_is_not_valid(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(401))
    with pytest.raises(ValidationFailed) as failed:
        await client.validate()
    assert isinstance(failed.value.__cause__, AuthExpired)


NAMES = st.sampled_from(["id", "title", "category", "fields", "files", "tags", "label", "value", "name", "sections"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just("DOCUMENT"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=15,
)


@given(JSON, st.integers(300, 599))
def test_whatever_a_server_answers_is_a_result_or_an_error_of_ours(reply: Any, status: int) -> None:
    body = json.dumps(reply).encode()
    for decode in (codec.vault_of, codec.vaults_of, codec.summaries_of):
        with suppress(EsoError):
            decode(body)
    with suppress(EsoError):
        item = codec.item_of(body)
        for change in (lambda: codec.changed(item, "label", "x", ["t"]), lambda: codec.without(item, "label")):
            with suppress(EsoError):
                change()
        for name in ("", "file/", "field/label"):
            with suppress(EsoError):
                codec.mapping(codec.Found(item), RemoteRef("k", name))
    assert isinstance(refuse(Reply(status, {}, body)), EsoError)
