"""Reads, batches, searches and writes of one environment; texts of refusals; hostile replies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
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
    Throttled,
    Unavailable,
    Validation,
    ValidationFailed,
    batches,
)
from eso.providers.infisical import codec, refusal
from eso.providers.infisical.client import Client
from tests.fakes.backend import Asked, Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import found
from tests.fakes.infisical import PROJECT, Environment, FakeInfisical
from tests.fakes.logs import captured
from tests.unit.providers.infisical.conftest import World

PLANTED = "planted-7f3a9c"


async def read(client: Client, key: str, property: str = "") -> bytes:
    ref = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(ref)), ref)


def place(world: World, path: str, **secrets: str) -> Environment:
    environment = world.fake.environments["dev"]
    environment.folders.setdefault(path, {}).update(secrets)
    return environment


# one secret


@pytest.mark.parametrize(
    ("folder", "key", "expected"),
    [
        ("/", "A", ("/", "A")),
        ("", "A", ("/", "A")),
        ("/app", "A", ("/app", "A")),
        ("/app", "/A", ("/", "A")),
        ("/app", "/x/y/A", ("/x/y", "A")),
        ("/app", "db/A", ("/app/db", "A")),
        ("/", "db/A", ("/db", "A")),
        ("/app/", "./db//x/../A", ("/app/db", "A")),
        ("app", "db/A", ("/app/db", "A")),
        ("/app", "../A", ("/", "A")),
    ],
)
def test_a_key_means_a_name_in_a_folder(folder: str, key: str, expected: tuple[str, str]) -> None:
    assert codec.address(folder, key) == expected


async def test_a_secret_is_asked_for_in_the_project_and_folder_of_the_store(world: World) -> None:
    place(world, "/app", URL="http://${HOST}", HOST="db", EMPTY="")
    client = await world.open(scope={"secretsPath": "/app"})
    assert [await read(client, name) for name in ("URL", "EMPTY")] == [b"http://db", b""]
    asked = world.fake.asked[-2]
    assert asked.path == "/api/v3/secrets/raw/URL"
    assert asked.query == {
        "workspaceSlug": "shop",
        "environment": "dev",
        "secretPath": "/app",
        "include_imports": "true",
        "expandSecretReferences": "true",
        "type": "shared",
    }


async def test_references_in_values_stay_where_the_store_says_so(world: World) -> None:
    place(world, "/", URL="http://${HOST}", HOST="db")
    assert await read(await world.open(scope={"expandSecretReferences": False}), "URL") == b"http://${HOST}"


async def test_a_name_is_one_segment_of_the_path(world: World) -> None:
    world.fake.secrets["a b?c#d%"] = "x"
    client = await world.open()
    assert await read(client, "a b?c#d%") == b"x"
    for key in ("", "folder/", "..", "x/.."):
        with pytest.raises(InvalidConfig):
            client.request(RemoteRef(key))


async def test_version_and_metadata_policy_change_nothing(world: World) -> None:
    client = await world.open()
    assert client.request(RemoteRef("A", "p", "7", "Fetch")) == client.request(RemoteRef("A"))


async def test_only_texts_of_a_property_have_a_value_and_the_log_tells_of_the_others_once(world: World) -> None:
    world.fake.secrets["A"] = '{"text":"x","number":1,"flag":true,"list":["a"],"null":null,"deep":{"text":"y"}}'
    client = await world.open()
    with captured() as log:
        assert [await read(client, "A", path) for path in ("text", "deep.text", "null")] == [b"x", b"y", b""]
        assert "read as empty" not in log
        for _ in range(2):
            assert [await read(client, "A", path) for path in ("number", "flag", "list", "deep")] == [b""] * 4
        told = [line for line in log.lines() if "read as empty" in line["msg"]]
        assert [line["property"] for line in told] == ["number", "flag", "list", "deep"]
    with pytest.raises(EsoError) as missing:
        await read(client, "A", "gone")
    assert str(missing.value) == "property gone does not exist in secret A"
    assert not isinstance(missing.value, SecretNotFound)


async def test_members_are_taken_from_the_value_or_from_the_property(world: World) -> None:
    world.fake.secrets["A"] = json.dumps({"n": 1.50, "inner": '{"x":"y"}'})
    client = await world.open()
    payload = await client.fetch(client.request(RemoteRef("A")))
    assert client.mapping(payload, RemoteRef("A")) == {"n": b"1.5", "inner": b'{"x":"y"}'}
    assert client.mapping(payload, RemoteRef("A", "inner")) == {"x": b"y"}


async def test_a_value_that_is_no_object_has_no_members(world: World) -> None:
    world.fake.secrets["A"] = PLANTED
    client = await world.open()
    payload = await client.fetch(client.request(RemoteRef("A")))
    with pytest.raises(Malformed, match="unable to unmarshal secret A: ") as refused:
        client.mapping(payload, RemoteRef("A"))
    assert PLANTED not in f"{refused.value}{payload!r}"
    assert len(payload) == len(PLANTED)


async def test_a_missing_secret_is_a_proven_absence(world: World) -> None:
    client = await world.open()
    with pytest.raises(SecretNotFound, match="Secret does not exist"):
        await read(client, "GONE")


async def test_a_missing_folder_is_an_absence_where_its_environment_answers(world: World) -> None:
    client = await world.open()
    with pytest.raises(SecretNotFound):
        await read(client, "/gone/A")
    assert world.fake.asked[-1].query["viewSecretValue"] == "false"


@pytest.mark.parametrize(
    "scope", [{"environmentSlug": "prd"}, {"environmentSlug": "prd", "secretsPath": "/x"}, {"projectSlug": "gone"}]
)
async def test_a_missing_environment_or_project_proves_nothing(world: World, scope: dict[str, str]) -> None:
    client = await world.open(scope=scope)
    with pytest.raises(EsoError, match=r"\[status-code=404\]") as missing:
        await read(client, "A")
    assert not isinstance(missing.value, SecretNotFound)
    with pytest.raises(EsoError, match=r"\[status-code=404\]"):
        await client.exists(Remote("A"))


async def test_a_folder_is_no_absence_where_the_identity_may_not_look_at_its_environment(world: World) -> None:
    client = await world.open()
    for status in (403, 404, 400):
        world.fake.fail(Fault(404, body='{"message":"Folder with path \'x\' not found"}'))
        world.fake.fail(Fault(status, path="raw$"))
        with pytest.raises(EsoError, match="folder not found") as missing:
            await read(client, "/x/A")
        assert not isinstance(missing.value, SecretNotFound)
    world.fake.fail(Fault(404, body='{"message":"Folder with path \'x\' not found"}'))
    world.fake.fail(Fault(503, path="raw$"))
    with pytest.raises(Unavailable):
        await read(client, "/x/A")


async def test_a_value_that_is_hidden_is_denied_and_never_its_mask(world: World) -> None:
    world.fake.secrets.update({"A": "1", "B": "2"})
    world.fake.hidden = {"A"}
    client = await world.open()
    with pytest.raises(Denied):
        await read(client, "A")
    with pytest.raises(Denied, match="the value of A is hidden from the identity"):
        await found(client, Find())
    assert await found(client, Find(name_regexp="B")) == {"B": b"2"}
    asked = [client.request(RemoteRef(name)) for name in ("A", "B")]
    answers = await client.fetch_many(asked)
    assert isinstance(answers[asked[0]], Denied)
    assert getattr(answers[asked[1]], "data", None) == b"2"


# many


async def test_secrets_of_one_folder_travel_together_and_each_gets_its_own_answer(world: World) -> None:
    place(world, "/app", A="1", B="2")
    client = await world.open()
    assert batches(client) is client
    asked = [client.request(RemoteRef(f"/app/{name}")) for name in ("A", "B", "GONE")]
    other = client.request(RemoteRef("A"))
    assert len({client.batch(one) for one in asked}) == 1
    assert client.batch(other) != client.batch(asked[0])
    answers = await client.fetch_many(asked)
    assert [getattr(answers[one], "data", None) for one in asked] == [b"1", b"2", None]
    assert isinstance(answers[asked[2]], SecretNotFound)
    assert world.fake.count("/v3/secrets/raw") == 2


async def test_an_imported_secret_travels_along_unless_imports_disagree(world: World) -> None:
    place(world, "/one", X="1", BOTH="1", A="1")
    place(world, "/two", Y="2", BOTH="2")
    place(world, "/", A="own").imports["/"] = ["/one", "/two"]
    client = await world.open()
    asked = {name: client.request(RemoteRef(name)) for name in ("A", "X", "Y", "BOTH")}
    answers = await client.fetch_many(list(asked.values()))
    alone = {name: (await client.fetch(one)).data for name, one in asked.items()}
    assert {name: getattr(answers[one], "data", None) for name, one in asked.items()} == alone
    assert alone == {"A": b"own", "X": b"1", "Y": b"2", "BOTH": b"2"}
    assert world.fake.count("/v3/secrets/raw$") == 1


@pytest.mark.parametrize("fault", [Fault(403), Fault(400), Fault(404), Fault(200, body="{}")])
async def test_a_folder_that_cannot_be_listed_is_read_one_by_one(world: World, fault: Fault) -> None:
    world.fake.secrets.update({"A": "1", "B": "2"})
    client = await world.open()
    fault.path = "raw$"
    world.fake.fail(fault)
    asked = [client.request(RemoteRef(name)) for name in ("A", "B")]
    answers = await client.fetch_many(asked)
    assert [getattr(answers[one], "data", None) for one in asked] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("fault", "kind"), [(Fault(401), AuthExpired), (Fault(429), Throttled), (Fault(503), Unavailable)]
)
@pytest.mark.parametrize("path", ["raw$", "raw/"])
async def test_a_batch_that_fails_as_a_whole_raises(world: World, fault: Fault, kind: type, path: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(fault.status, path=path))
    with pytest.raises(kind):
        await client.fetch_many([client.request(RemoteRef(name)) for name in ("A", "B")])


@pytest.mark.parametrize(
    ("scope", "find", "expected"),
    [
        ({}, Find(), {"A": b"root", "B": b"b", "IMPORTED": b"i"}),
        ({}, Find(name_regexp="^[AI]"), {"A": b"root", "IMPORTED": b"i"}),
        ({}, Find(path="/"), {"A": b"root", "B": b"b", "IMPORTED": b"i"}),
        ({}, Find(path="/app"), {}),
        ({"recursive": True}, Find(), {"A": b"apple", "B": b"b", "C": b"c", "IMPORTED": b"i"}),
        ({"recursive": True}, Find(path="/app"), {"A": b"apple", "C": b"c"}),
        ({"recursive": True}, Find(path="/app/"), {"A": b"app", "C": b"c"}),
        ({"secretsPath": "/app/db"}, Find(), {"A": b"app", "C": b"c"}),
    ],
)
async def test_a_search_is_one_request(
    world: World, scope: dict[str, Any], find: Find, expected: dict[str, bytes]
) -> None:
    place(world, "/", A="root", B="b").imports["/"] = ["/shared"]
    place(world, "/app/db", A="app", C="c")
    place(world, "/apple", A="apple")
    if not scope.get("recursive"):
        place(world, "/shared", A="hidden by the own one", IMPORTED="i")
    else:
        world.fake.environments["dev"].imports["/"] = []
        place(world, "/", IMPORTED="i")
    client = await world.open(scope=scope)
    assert await found(client, find) == expected
    assert world.fake.count("/v3/secrets/raw") == 1


async def test_a_search_by_tags_is_refused(world: World) -> None:
    client = await world.open()
    for tags in ((), (("a", "b"),)):
        with pytest.raises(InvalidConfig, match="find by tags not supported"):
            await found(client, Find(tags=tags))


async def test_a_search_in_a_folder_that_is_not_there_is_an_error_and_no_absence(world: World) -> None:
    client = await world.open(scope={"secretsPath": "/gone"})
    with pytest.raises(EsoError, match="folder not found") as missing:
        await found(client, Find())
    assert not isinstance(missing.value, SecretNotFound)


async def test_a_store_whose_folder_cannot_be_read_is_not_valid(world: World) -> None:
    client = await world.open(scope={"secretsPath": "/x", "recursive": True})
    world.fake.fail(Fault(403, body='{"message":"You are not allowed to access this resource"}'))
    with pytest.raises(ValidationFailed) as failed:
        await client.validate()
    assert str(failed.value) == (
        "cannot read secrets with provided project scope project:shop environment:dev secret-path:/x recursive:true, "
        'APIError: CallListSecretsV3Raw unsuccessful response [status-code=403] [message="You are not allowed to '
        'access this resource"]'
    )
    assert isinstance(failed.value.__cause__, Denied)
    place(world, "/x")
    assert await client.validate() is Validation.READY
    assert world.fake.asked[-1].query["include_imports"] == "false"


# writing


@pytest.mark.parametrize("old", [False, True])
async def test_a_push_writes_what_differs_by_the_projects_id(world: World, old: bool) -> None:
    world.fake.old = old
    place(world, "/app")
    client = await world.open(scope={"secretsPath": "/app"})
    for value in (b"1", b"1", b"2"):
        await client.push(Push(Remote("A"), "k"), Source({"k": value}))
    await client.push(Push(Remote("ALL")), Source({"b": b"<2>", "a": b"1"}))
    folder = world.fake.environments["dev"].folders["/app"]
    assert folder == {"A": "2", "ALL": '{"a":"1","b":"\\u003c2\\u003e"}'}
    assert [method for method, _ in world.fake.wrote] == ["POST", "PATCH", "POST"]
    assert world.fake.wrote[0][1] == {
        "workspaceId": PROJECT,
        "environment": "dev",
        "secretPath": "/app",
        "type": "shared",
        "secretValue": "1",
        "skipMultilineEncoding": True,
    }


async def test_a_push_to_a_property_leaves_the_rest_and_its_references_as_they_are_written(world: World) -> None:
    world.fake.secrets.update({"A": '{ "url": "http://${HOST}", "n": 1.50 }', "HOST": "db"})
    client = await world.open()
    await client.push(Push(Remote("A", "db.pass"), "k"), Source({"k": b"x"}))
    assert world.fake.secrets["A"] == '{ "url": "http://${HOST}", "n": 1.50 ,"db":{"pass":"x"}}'
    assert world.fake.asked[1].query["expandSecretReferences"] == "false"


async def test_an_imported_secret_is_not_taken_for_the_folders_own(world: World) -> None:
    place(world, "/shared", A="theirs")
    world.fake.environments["dev"].imports["/"] = ["/shared"]
    client = await world.open()
    assert not await client.exists(Remote("A"))
    await client.push(Push(Remote("A"), "k"), Source({"k": b"theirs"}))
    assert world.fake.secrets == {"A": "theirs"}


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (Push(Remote(""), "k"), "remoteKey is required to push a secret to Infisical"),
        (Push(Remote("A"), "gone"), 'secret key "gone" not found in the source secret'),
        (Push(Remote("A"), "raw"), "the value is no UTF-8 text: Infisical keeps texts only"),
        (Push(Remote("TEXT", "p"), "k"), 'secret "TEXT" value is not a JSON object; cannot set property "p"'),
        (Push(Remote("OPEN", "p"), "k"), 'secret "OPEN" value is not a JSON object; cannot set property "p"'),
    ],
)
async def test_a_push_that_cannot_be_made_says_why_and_writes_nothing(world: World, entry: Push, text: str) -> None:
    world.fake.secrets.update({"TEXT": PLANTED, "OPEN": f'{{"{PLANTED}'})
    client = await world.open()
    with pytest.raises(InvalidConfig) as refused:
        await client.push(entry, Source({"k": b"v", "raw": b"\xff"}))
    assert str(refused.value) == text
    assert world.fake.wrote == []


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault(400, path="raw/A$", echo=True), 'failed to create secret "A": APIError: CallCreateSecretV3Raw'),
        (Fault(404, path="slug", body='{"message":"x"}', times=2), 'no Infisical project found for slug "shop": '),
        (Fault(403, path="slug"), 'failed to resolve project id for slug "shop": APIError: GetWorkspaceBySlug '),
        (Fault(200, path="slug", body="{}"), 'project lookup for slug "shop" returned no id'),
    ],
)
async def test_a_write_that_fails_is_told_in_the_words_of_the_reference(world: World, fault: Fault, text: str) -> None:
    client = await world.open()
    world.fake.fail(Fault(404, path="raw/A$", body='{"message":"Secret with name \'A\' not found"}'))
    world.fake.fail(fault)
    with pytest.raises(EsoError) as refused:
        await client.push(Push(Remote("A"), "k"), Source({"k": PLANTED.encode()}))
    assert str(refused.value).startswith(text)
    assert PLANTED not in f"{refused.value}{refused.value.__cause__}"
    assert not isinstance(refused.value, SecretNotFound)


async def test_a_deletion_asks_for_what_is_there(world: World) -> None:
    world.fake.secrets.update({"A": "1", "B": '{"x":"1","y":"2"}'})
    client = await world.open()
    for _ in range(2):
        await client.delete(Remote("A"))
        await client.delete(Remote("B", "x"))
        await client.delete(Remote("B", "gone"))
    assert world.fake.secrets == {"B": '{"y":"2"}'}
    assert [method for method, _ in world.fake.wrote] == ["DELETE", "PATCH"]
    await client.delete(Remote("B", "y"))
    assert world.fake.secrets == {}


async def test_what_is_gone_meanwhile_is_deleted_and_cannot_be_updated(world: World) -> None:
    world.fake.secrets.update({"A": "1", "B": "1"})
    world.fake.vanishing = {"A", "B"}
    client = await world.open()
    await client.delete(Remote("A"))
    with pytest.raises(EsoError, match='failed to update secret "B": ') as failed:
        await client.push(Push(Remote("B"), "k"), Source({"k": b"2"}))
    assert not isinstance(failed.value, SecretNotFound)
    assert world.fake.secrets == {}


class NoRoute(FakeInfisical):
    """What stands before the server knows no DELETE."""

    async def answer(self, asked: Asked) -> web.StreamResponse:
        return web.Response(status=404, text="no route") if asked.method == "DELETE" else await super().answer(asked)


async def test_a_deletion_that_no_server_saw_is_none() -> None:
    async with NoRoute() as fake:
        world = World(fake)
        fake.secrets["A"] = "1"
        client = await world.open()
        with pytest.raises(EsoError, match=r'^failed to delete secret "A": .*\[status-code=404\]$'):
            await client.delete(Remote("A"))
        await world.provider.close()


@pytest.mark.parametrize("what", ["check", "delete"])
async def test_a_property_of_a_value_that_is_no_object_is_told(world: World, what: str) -> None:
    world.fake.secrets["A"] = PLANTED
    client = await world.open()
    with pytest.raises(InvalidConfig) as refused:
        await (client.exists(Remote("A", "p")) if what == "check" else client.delete(Remote("A", "p")))
    assert str(refused.value) == f'secret "A" value is not a JSON object; cannot {what} property "p"'


async def test_existence_of_a_secret_and_of_a_property(world: World) -> None:
    world.fake.secrets["A"] = '{"x":null}'
    client = await world.open()
    asked = [Remote("A"), Remote("A", "x"), Remote("A", "y"), Remote("GONE"), Remote("/gone/A")]
    assert [await client.exists(one) for one in asked] == [True, True, False, False, False]


async def test_places_are_folders_and_names(world: World) -> None:
    client = await world.open(scope={"secretsPath": "/app"})
    assert client.place(Remote("db/A")) == client.place(Remote("/app/db/A", "x"))
    assert client.place(Remote("A")) != client.place(Remote("/A"))
    assert len({client.place(Remote(key)) for key in ("A", "/app/A", "/app//A", "/app/./A", "./A")}) == 1
    other = await world.open(scope={"secretsPath": "/app/"})
    assert other.place(Remote("A")) == client.place(Remote("A"))


async def test_every_await_of_a_deletion_may_be_cancelled(world: World) -> None:
    client = await world.open()

    async def deleted() -> None:
        world.fake.secrets["A"] = '{"x":"1"}'
        await client.delete(Remote("A", "x"))

    async for _ in every_await(deleted):
        continue
    await deleted()
    assert world.fake.secrets == {}


# hostile replies


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (401, '{"message":"Token expired"}', '[status-code=401] [message="Token expired"]'),
        (403, '{"message":["planted"]}', "[status-code=403]"),
        (404, f'{{"message":"Project with slug \'{PLANTED}\' not found"}}', '[message="project not found"]'),
        (404, '{"message":"Route GET:/x not found"}', "[status-code=404]"),
        (400, f'{{"message":"{PLANTED}"}}', "[status-code=400]"),
        (502, "<html>", "[status-code=502]"),
        (400, "[" * 5000, "[status-code=400]"),
    ],
)
def test_refusals_show_known_words_only(status: int, body: str, text: str) -> None:
    shown = str(refusal.of_api(Reply(status, {}, body.encode())))
    assert shown.endswith(text)
    assert PLANTED not in shown


async def test_a_reply_that_is_too_long_is_malformed_and_not_kept(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body="x" * (5 << 20), path="raw"))
    with pytest.raises(Malformed):
        await read(client, "A")


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["secret", "secrets", "imports", "secretKey", "secretValue", "message", "project", "id"]),
            inner,
        )
    ),
    max_leaves=9,
)


@given(JSON, st.integers(300, 599))
def test_whatever_a_server_answers_is_a_result_or_an_error_of_ours(reply: Any, status: int) -> None:
    body = json.dumps(reply).encode()
    for read_reply in (codec.secret_of, codec.listing_of, codec.id_of):
        try:
            read_reply(body)
        except EsoError as error:
            assert isinstance(error, Malformed)
    for refused in (refusal.of_api, refusal.of_login):
        assert isinstance(refused(Reply(status, {}, body)), EsoError)


@given(st.text(max_size=30), st.text(max_size=30))
def test_an_address_is_never_below_nothing(folder: str, key: str) -> None:
    where, _ = codec.address(folder, key)
    assert where
    assert folder == where or where.startswith("/")
