"""Fields, items, files, Environments, searches and pushes; texts of refusals; hostile replies."""

from __future__ import annotations

import asyncio
from contextlib import suppress
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
    Timeout,
    Unavailable,
    Validation,
    ValidationFailed,
)
from eso.providers.onepasswordsdk.client import Client
from eso.providers.onepasswordsdk.refusal import WORDS, refuse, unresolved
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.onepasswordsdk import ENVIRONMENT, VAULT_ID, CoreError, field
from tests.unit.providers.onepasswordsdk.conftest import World, view

PLANTED = "planted-7f3a9c"


@pytest.fixture
async def client(world: World) -> Any:
    made = await world.open()
    world.account.asked.clear()
    yield made
    await made.close()


@pytest.fixture
async def variables(world: World) -> Any:
    world.account.variables |= {"USER": "me", "PASSWORD": PLANTED, "EMPTY": ""}
    made = await world.open(environment=ENVIRONMENT)
    world.account.asked.clear()
    yield made
    await made.close()


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


async def extract(client: Client, key: str, property: str = "") -> dict[str, bytes]:
    ref = RemoteRef(key, property, members=True)
    return client.mapping(await client.fetch(client.request(ref)), ref)


# one value


async def test_a_key_names_an_item_and_a_field_and_property_is_not_used(world: World, client: Client) -> None:
    world.account.put("app", {"user": "me", "password": PLANTED})
    assert [await read(client, key) for key in ("app/user", "/app/user")] == [b"me", b"me"]
    assert await read(client, "app/password", "user") == PLANTED.encode()
    assert world.account.asked == ["SecretsResolveAll"] * 3


async def test_a_key_may_name_a_section(world: World, client: Client) -> None:
    app = world.account.put("app", {}, sections=[{"id": "s1", "title": "first"}, {"id": "s2", "title": "second"}])
    entries = [field("host", "1", 0, sectionId="s1"), field("host", "2", 1, sectionId="s2")]
    world.account.items[app]["fields"] = entries
    assert await read(client, "app/second/host") == b"2"
    with pytest.raises(EsoError, match=r"more than one field matched"):
        await read(client, "app/host")


async def test_references_travel_together_and_each_has_its_own_answer(world: World, client: Client) -> None:
    world.account.put("app", {"user": "me", "password": PLANTED})
    refs = [RemoteRef(key) for key in ("app/user", "app/password", "app/nope", "gone/user", "nonsense")]
    requests = [client.request(ref) for ref in refs]
    assert {client.batch(request) for request in requests} == {"references"}
    answers = await client.fetch_many(requests)
    assert [client.value(answers[requests[at]], refs[at]) for at in (0, 1)] == [b"me", PLANTED.encode()]
    refused = [answers[requests[at]] for at in (2, 3, 4)]
    assert [str(error) for error in refused] == [
        "no field matched the secret reference query",
        "no item matched the secret reference query",
        "the secret reference could not be parsed",
    ]
    assert not any(isinstance(error, SecretNotFound) for error in refused)
    assert isinstance(refused[2], InvalidConfig)
    assert world.account.asked == ["SecretsResolveAll"]


async def test_a_reference_that_the_library_does_not_answer_is_an_error(world: World, client: Client) -> None:
    world.account.reply = lambda name, reply: {"individualResponses": {}}
    request = client.request(RemoteRef("app/user"))
    assert isinstance((await client.fetch_many([request]))[request], EsoError)


@pytest.mark.parametrize("kind", (*WORDS, "other", "", "one that came later"))
def test_every_reason_of_a_single_reference_has_words_and_proves_no_absence(kind: str) -> None:
    error = unresolved(kind)
    assert str(error)
    assert not isinstance(error, SecretNotFound)


async def test_a_version_and_an_empty_key_are_refused(client: Client) -> None:
    with pytest.raises(InvalidConfig, match=r"^'remoteRef.version' is not implemented in the 1Password SDK provider$"):
        client.request(RemoteRef("app/user", version="1"))
    with pytest.raises(InvalidConfig, match=r"is empty"):
        client.request(RemoteRef(""))


# all of an item


async def test_an_item_by_title_or_id_becomes_a_map_of_its_fields(world: World, client: Client) -> None:
    id = world.account.put("prod/db", {"user": "me", "password": PLANTED})
    expected = {"user": b"me", "password": PLANTED.encode()}
    assert await extract(client, "prod/db") == await extract(client, id) == expected
    assert await extract(client, "prod/db", "user") == await extract(client, "prod/db", "field/user") == {"user": b"me"}
    assert await extract(client, "prod/db", "nope") == {}
    assert world.account.asked[:3] == ["VaultsList", "ItemsList", "ItemsGet"]


async def test_the_id_of_a_vault_is_asked_for_once(world: World, client: Client) -> None:
    world.account.put("app", {"user": "me"})
    for _ in range(3):
        await extract(client, "app")
    assert world.account.asked.count("VaultsList") == 1


async def test_titles_that_are_missing_or_taken_twice_are_told(world: World, client: Client) -> None:
    with pytest.raises(EsoError, match=r"^key not found$") as missing:
        await extract(client, "gone")
    assert not isinstance(missing.value, SecretNotFound)
    for _ in range(2):
        world.account.put("twice", {"user": "me"})
    with pytest.raises(EsoError, match=r"^found multiple items with name twice$"):
        await extract(client, "twice")


async def test_two_fields_of_one_title_are_told(world: World, client: Client) -> None:
    world.account.put("app", [("user", PLANTED), ("user", "b"), ("other", "c")])
    with pytest.raises(EsoError) as error:
        await extract(client, "app")
    assert str(error.value) == "found more than 1 fields with title 'user' in 'app', got 2"
    assert await extract(client, "app", "other") == {"other": b"c"}


async def test_files_are_asked_for_by_prefix_and_a_document_gives_them_by_itself(world: World, client: Client) -> None:
    app = world.account.put("app", {"user": "me"})
    world.account.attach(app, "key.pem", b"\x00\xff")
    world.account.attach(app, "cert.pem", b"cert")
    assert await extract(client, "app") == {"user": b"me"}
    assert await extract(client, "app", "file/key.pem") == {"key.pem": b"\x00\xff"}
    assert await extract(client, "app", "file/") == {"key.pem": b"\x00\xff", "cert.pem": b"cert"}
    document = world.account.put("paper", {"note": "n"})
    world.account.attach(document, "paper.pdf", b"pdf", document=True)
    assert await extract(client, "paper") == await extract(client, "paper", "paper.pdf") == {"paper.pdf": b"pdf"}
    assert await extract(client, "paper", "field/note") == {"note": b"n"}


async def test_two_files_of_one_name_are_told(world: World, client: Client) -> None:
    app = world.account.put("app", {})
    for content in (b"a", b"b"):
        world.account.attach(app, "key.pem", content)
    with pytest.raises(EsoError, match=r"^found more than 1 files with title 'key.pem' in 'app', got 2$"):
        await extract(client, "app", "file/key.pem")


async def test_a_file_that_no_secret_can_hold_is_not_read(world: World, client: Client) -> None:
    app = world.account.put("app", {})
    world.account.attach(app, "disk.img", b"", size=200 << 20)
    with pytest.raises(InvalidConfig, match=r"longer than a Secret can hold"):
        await extract(client, "app", "file/disk.img")
    assert "ItemsFilesRead" not in world.account.asked


async def test_a_store_whose_vault_is_missing_is_not_valid(world: World, client: Client) -> None:
    assert await client.validate() is Validation.READY
    other = await world.open(vault="Elsewhere")
    with pytest.raises(ValidationFailed, match=r"^failed to get store ID: vault Elsewhere not found$"):
        await other.validate()
    world.account.fault = failing(CoreError("internal server error"))
    with pytest.raises(
        ValidationFailed, match=r"^failed to get store ID: failed to list vaults: internal server error"
    ):
        await other.validate()
    world.account.fault = lambda name: None
    await other.close()


async def test_a_vault_is_named_by_its_id_as_well(world: World, client: Client) -> None:
    world.account.put("app", {"user": "me"})
    other = client.bind(view(vault=VAULT_ID))
    assert await extract(other, "app") == {"user": b"me"}
    assert other.connection is client.connection


# Environments


async def test_all_variables_of_an_environment_come_in_one_call(world: World, variables: Client) -> None:
    assert [await read(variables, name) for name in ("USER", "EMPTY")] == [b"me", b""]
    everything = {"USER": b"me", "PASSWORD": PLANTED.encode(), "EMPTY": b""}
    assert await extract(variables, "whatever") == everything
    assert await extract(variables, "", "USER") == {"USER": b"me"}
    assert await found(variables, Find(name_regexp="^nothing$", tags=(("a", "b"),))) == everything
    assert variables.request(RemoteRef("USER")) == variables.request(RemoteRef("EMPTY", members=True))
    assert set(world.account.asked) == {"EnvironmentsGetVariables"}


async def test_a_variable_that_is_missing_is_an_error(variables: Client) -> None:
    for missing in (read(variables, "GONE"), extract(variables, "", "GONE")):
        with pytest.raises(EsoError, match=r"^key not found$") as error:
            await missing
        assert not isinstance(error.value, SecretNotFound)


async def test_an_environment_that_cannot_be_read_is_told(world: World, variables: Client) -> None:
    world.account.fault = failing(CoreError("you don't have the right permissions to access this resource"))
    with pytest.raises(Denied, match=r"^failed to get environment variables: you don't have the right permissions"):
        await read(variables, "USER")
    world.account.fault = lambda name: None


# P-194
async def test_p_194_an_environment_is_read_only(world: World, variables: Client) -> None:
    source = Source({"k": b"v"}, "app", "team-a")
    for call, name in (
        (variables.push(Push(Remote("USER"), "k"), source), "PushSecret"),
        (variables.delete(Remote("USER")), "DeleteSecret"),
        (variables.exists(Remote("USER")), "SecretExists"),
    ):
        with pytest.raises(InvalidConfig) as error:
            await call
        assert str(error.value) == f"1Password Environment is read-only: {name} is not supported"
    assert world.account.asked == []


# searches


async def test_a_search_takes_fields_and_files_by_name_tags_and_title(world: World, client: Client) -> None:
    one = world.account.put("one", {"db-user": "me", "other": "x"}, tags=["prod", "db"])
    world.account.attach(one, "db.pem", b"pem")
    world.account.put("two", {"db-pass": "p"}, tags=["dev"])
    assert await found(client, Find(name_regexp="^db")) == {"db-user": b"me", "db.pem": b"pem", "db-pass": b"p"}
    assert await found(client, Find(tags=(("prod", "any"), ("db", "")))) == {
        "db-user": b"me",
        "other": b"x",
        "db.pem": b"pem",
    }
    assert await found(client, Find(path="two")) == {"db-pass": b"p"}
    assert await found(client, Find(path="tw")) == {}


async def test_items_of_a_search_are_read_together(world: World, client: Client) -> None:
    for at in range(60):
        world.account.put(f"item {at}", {f"field {at}": "x"})
    assert len(await found(client, Find())) == 60
    assert world.account.asked.count("ItemsGetAll") == 3
    assert "ItemsGet" not in world.account.asked


async def test_a_name_that_two_items_have_is_told(world: World, client: Client) -> None:
    for title in ("one", "two"):
        world.account.put(title, {"user": PLANTED})
    with pytest.raises(EsoError, match=r"^found multiple labels with the same key 'user'$"):
        await found(client, Find())


async def test_an_item_that_goes_during_a_search_is_told(world: World, client: Client) -> None:
    world.account.put("one", {"user": "me"})
    gone = {"individualResponses": [{"error": {"type": "itemNotFound"}}]}
    world.account.reply = lambda name, reply: gone if name == "ItemsGetAll" else reply
    with pytest.raises(EsoError, match=r"^failed to get item for item one: "):
        await found(client, Find())


async def test_fewer_items_than_were_asked_for_are_malformed(world: World, client: Client) -> None:
    world.account.put("one", {"user": "me"})
    world.account.reply = lambda name, reply: {"individualResponses": []} if name == "ItemsGetAll" else reply
    with pytest.raises(Malformed):
        await found(client, Find())


# pushes


def source(**data: bytes) -> Source:
    return Source(data, "app", "team-a", "Opaque")


def pushed(metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kubernetes.external-secrets.io/v1alpha1",
        "kind": "PushSecretMetadata",
        "spec": metadata,
    }


def fields(world: World, title: str) -> dict[str, tuple[str, str]]:
    (item,) = world.account.titled(title)
    return {entry["title"]: (entry["value"], entry["fieldType"]) for entry in item["fields"]}


async def test_a_push_makes_a_server_with_one_field(world: World, client: Client) -> None:
    await client.push(Push(Remote("new"), "k", pushed({"tags": ["a"], "fieldType": "EMAIL"})), source(k=b"v"))
    (item,) = world.account.titled("new")
    assert (item["category"], item["tags"], item["vaultId"]) == ("Server", ["a"], VAULT_ID)
    assert [(entry["id"], entry["title"]) for entry in item["fields"]] == [("password", "password")]
    assert fields(world, "new") == {"password": ("v", "Email")}


@pytest.mark.parametrize(
    ("written", "kind"),
    (
        ("text", "Text"),
        ("string", "Text"),
        ("concealed", "Concealed"),
        ("Password", "Concealed"),
        ("url", "Url"),
        ("phone", "Phone"),
        ("date", "Date"),
        ("monthYear", "MonthYear"),
        ("nonsense", "Concealed"),
        ("", "Concealed"),
    ),
)
async def test_the_type_of_a_field_is_written(world: World, client: Client, written: str, kind: str) -> None:
    await client.push(Push(Remote("new", "p"), "k", pushed({"fieldType": written})), source(k=b"v"))
    assert fields(world, "new") == {"p": ("v", kind)}


async def test_a_push_sets_one_field_of_an_item_and_leaves_the_others(world: World, client: Client) -> None:
    id = world.account.put("app", {}, tags=["kept"])
    world.account.items[id]["fields"] = [field("user", "me", 0, sectionId=""), field("pass", "old", 1)]
    await client.push(Push(Remote("app", "pass"), "k"), source(k=b"new"))
    await client.push(Push(Remote(id, "added"), "k", pushed({"fieldType": "text"})), source(k=b"more"))
    assert fields(world, "app") == {
        "user": ("me", "Concealed"),
        "pass": ("new", "Concealed"),
        "added": ("more", "Text"),
    }
    assert world.account.items[id]["tags"] == ["kept"]
    assert [entry["sectionId"] for entry in world.account.items[id]["fields"]] == [None, None, None]


async def test_what_is_there_already_is_not_written(world: World, client: Client) -> None:
    world.account.put("app", {"pass": "same"})
    await client.push(Push(Remote("app", "pass"), "k"), source(k=b"same"))
    assert "ItemsPut" not in world.account.asked
    await client.push(Push(Remote("app", "pass"), "k", pushed({"tags": ["new"]})), source(k=b"same"))
    assert world.account.asked.count("ItemsPut") == 1


# P-194
async def test_p_194_a_whole_secret_becomes_the_fields_of_an_item_and_stale_ones_go(
    world: World, client: Client
) -> None:
    world.account.put("app", {"a": "old", "stale": "x"})
    await client.push(Push(Remote("app", "not used")), source(a=b"1", b=b"2"))
    assert fields(world, "app") == {"a": ("1", "Concealed"), "b": ("2", "Concealed")}
    await client.push(Push(Remote("new")), source(a=b"1", b=b"2"))
    assert fields(world, "new") == {"a": ("1", "Concealed"), "b": ("2", "Concealed")}


async def test_what_cannot_be_pushed_is_told(world: World, client: Client) -> None:
    with pytest.raises(InvalidConfig, match=r"^secret team-a/app does not contain a key$"):
        await client.push(Push(Remote("app"), "gone"), source(k=b"v"))
    with pytest.raises(InvalidConfig, match=r"no UTF-8"):
        await client.push(Push(Remote("app"), "k"), source(k=b"\xff"))
    world.account.put("twice", [("p", "a"), ("p", "b")])
    with pytest.raises(InvalidConfig, match=r"^found more than 1 fields with title 'p' in 'twice', got 2$"):
        await client.push(Push(Remote("twice", "p"), "k"), source(k=b"v"))
    assert not {"ItemsPut", "ItemsCreate"} & set(world.account.asked)


async def test_a_deletion_takes_the_field_and_the_item_with_its_last_one(world: World, client: Client) -> None:
    id = world.account.put("app", {"user": "me", "password": "x"})
    await client.delete(Remote("app", "user"))
    assert fields(world, "app") == {"password": ("x", "Concealed")}
    await client.delete(Remote("app", "gone"))
    await client.delete(Remote("nothing"))
    assert id in world.account.items
    await client.delete(Remote("app"))
    assert id not in world.account.items


@pytest.mark.parametrize("kept", ("file", "section"))
async def test_an_item_with_something_left_stays(world: World, client: Client, kept: str) -> None:
    id = world.account.put("app", {"password": "x"})
    if kept == "file":
        world.account.attach(id, "key.pem", b"k")
    else:
        world.account.items[id]["sections"] = [{"id": "s", "title": "named"}]
    await client.delete(Remote("app"))
    assert world.account.items[id]["fields"] == []


async def test_a_field_that_is_there_twice_is_not_deleted(world: World, client: Client) -> None:
    world.account.put("app", [("p", "a"), ("p", "b")])
    with pytest.raises(InvalidConfig, match=r'^failed to delete fields: found multiple labels on item "p"$'):
        await client.delete(Remote("app", "p"))


async def test_an_item_and_its_field_exist(world: World, client: Client) -> None:
    world.account.put("app", {"user": "me"})
    asked = (Remote("app"), Remote("app", "user"), Remote("app", "gone"), Remote("gone"))
    assert [await client.exists(remote) for remote in asked] == [True, True, False, False]


# what goes wrong


def failing(error: Exception) -> Any:
    def fail(name: str) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    (
        (CoreError("slow down", "RateLimitExceeded"), Throttled, "rate limit exceeded"),
        (CoreError("request timeout"), Timeout, "request timeout"),
        (CoreError(f"you are not authenticated {PLANTED}"), AuthExpired, "you are not authenticated"),
        (CoreError(f"resource not found {PLANTED}"), EsoError, "resource not found"),
        (CoreError("a conflict occurred on the server. this usually happens"), Busy, "a conflict occurred"),
        (CoreError("reqwest library: error sending request for url (x)"), Unavailable, "could not be sent"),
        (CoreError(f"a text that nobody knows {PLANTED}"), EsoError, "the request was refused"),
        (OSError(PLANTED), Unavailable, "could not work"),
        (TimeoutError(PLANTED), Timeout, "no answer in time"),
    ),
)
async def test_what_the_library_refuses_is_typed_and_quotes_nothing(
    world: World, client: Client, error: Exception, kind: type[EsoError], words: str
) -> None:
    world.account.fault = failing(error)
    with pytest.raises(EsoError, match=words) as refused:
        await read(client, "app/user")
    assert type(refused.value) is kind
    assert PLANTED not in f"{refused.value}{refused.value.fix}{refused.value.__cause__}"
    assert refused.value.__suppress_context__
    world.account.fault = lambda name: None


def test_a_fault_of_our_own_is_no_refusal() -> None:
    fault = AttributeError("x")
    assert refuse(fault) is fault


@pytest.mark.parametrize(
    "reply", (7, None, [], {"secret": PLANTED}, PLANTED.split("-")), ids=("number", "null", "list", "object", "texts")
)
async def test_a_reply_of_another_form_is_malformed_and_quoted_nowhere(
    world: World, client: Client, reply: object
) -> None:
    world.account.put("app", {"user": PLANTED})
    world.account.reply = lambda name, given: reply
    for call in (read(client, "app/user"), extract(client, "app"), found(client, Find()), client.exists(Remote("app"))):
        with pytest.raises(EsoError) as refused:
            await call
        assert PLANTED not in f"{refused.value}{refused.value.__cause__}"
        assert isinstance(refused.value, Malformed) or "not found" in str(refused.value)


async def test_every_await_of_a_read_a_search_and_a_push_may_be_cancelled(world: World, client: Client) -> None:
    app = world.account.put("app", {"user": "me", "password": "x"})
    world.account.attach(app, "key.pem", b"pem")

    async def everything() -> None:
        await read(client, "app/user")
        await extract(client, "app", "file/key.pem")
        await found(client, Find())
        await client.push(Push(Remote("app"), "k"), source(k=b"v"))
        await client.delete(Remote("app", "gone"))

    async for _ in every_await(everything):
        pass
    assert fields(world, "app")["password"] == ("v", "Concealed")


async def test_a_cancelled_call_is_cancelled_in_the_library(world: World, client: Client) -> None:
    world.account.stalled = True
    reading = asyncio.ensure_future(read(client, "app/user"))
    await asyncio.to_thread(world.account.reached.wait)
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    world.account.stalled = False
    assert await client.exists(Remote("gone")) is False
