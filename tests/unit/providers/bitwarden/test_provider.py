"""Admission, reads, searches, writes and the page of `bitwardensecretsmanager`; hostile replies."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.bitwarden import codec, refusal
from eso.providers.bitwarden.client import Client
from eso.providers.bitwarden.spec import NO_CA, SPEC
from eso.providers.contract import (
    AuthExpired,
    Consumer,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Quota,
    Remote,
    RemoteRef,
    Source,
    StoreView,
    Throttled,
    Unavailable,
    Validation,
    batches,
)
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.bitwarden import ORGANIZATION, PROJECT, STRANGER, TOKEN, FakeBitwarden, uuid
from tests.fakes.cancel import every_await
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole, found
from tests.fakes.front import Front, manifests

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "bitwardensecretsmanager.md"
PLANTED = "planted-7f3a9c"


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    """None leaves a member out."""
    whole = {
        "bitwardenServerSDKURL": "https://bitwarden:9998",
        "organizationID": ORGANIZATION,
        "projectID": PROJECT,
        "caBundle": STRANGER,
        "auth": {"secretRef": {"credentials": {"name": "login", "key": "token"}}},
    } | block
    given = {name: value for name, value in whole.items() if value is not None}
    namespace = "team-a" if kind == "SecretStore" else ""
    return StoreView(kind, "store", namespace, "bitwardensecretsmanager", given, "uid", 1)


class World:
    def __init__(self, fake: FakeBitwarden) -> None:
        self.fake, self.provider = fake, Whole("bitwardensecretsmanager")
        self.credentials = StaticCredentials({"login/token": TOKEN})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        changes = {"bitwardenServerSDKURL": self.fake.address} | block
        client = await self.provider.open(view(kind, **changes), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeBitwarden() as fake:
        world = World(fake)
        yield world
        await world.provider.close()


# admission and logins


def test_admission_needs_an_address_and_warns_of_a_missing_authority() -> None:
    assert SPEC.check(view()) == []
    assert SPEC.check(view(caBundle=None, caProvider={"type": "Secret", "name": "ca"})) == []
    assert SPEC.check(view(caBundle=None)) == [NO_CA]
    with pytest.raises(InvalidConfig, match=r"^bitwardenServerSDKURL not configured$"):
        SPEC.check(view(bitwardenServerSDKURL=None))
    with pytest.raises(InvalidConfig, match="is no address"):
        SPEC.check(view(bitwardenServerSDKURL="bitwarden:9998"))


def test_a_login_is_a_token_at_a_companion_server() -> None:
    plan = SPEC.plan(view())
    assert plan == SPEC.plan(view(organizationID="other", projectID="other"))
    assert plan.references == (("Secret", "", "login"),)
    assert (plan.consumer, plan.quota, plan.pace) == (Consumer.NONE, Quota.LOGIN, None)
    assert plan.login != SPEC.plan(view(apiURL="https://vault.example.com/api")).login
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    assert (SPEC.capability, SPEC.maintained) == ("ReadWrite", True)


async def test_every_request_has_the_token_the_servers_and_a_body(world: World) -> None:
    id = world.fake.put("A", "x")
    client = await world.open(apiURL="https://vault.example.com/api/", identityURL="https://vault.example.com/identity")
    assert (await client.fetch(client.request(RemoteRef(id)))).data == b"x"
    asked = world.fake.asked[0]
    assert (asked.method, asked.path, asked.body) == ("GET", "/rest/api/1/secret", {"id": id})
    assert [asked.headers[f"Warden-{name}"] for name in ("Access-Token", "Api-Url", "Identity-Url")] == [
        TOKEN,
        "https://vault.example.com/api",
        "https://vault.example.com/identity",
    ]
    assert client.lifetime is None
    assert not await client.renew()
    assert await client.validate() is Validation.READY


@pytest.mark.parametrize("encoded", [False, True])
async def test_the_companions_authority_is_needed(world: World, tmp_path: Path, encoded: bool) -> None:
    authority = Authority(tmp_path)
    pair = authority.server("bitwarden", dns=("localhost",))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pair.cert, pair.key)
    async with FakeBitwarden(serving) as fake:
        fake.put("A", "x")
        if encoded:
            world.credentials.ca = authority.cert.read_bytes()  # what the reader makes of base64
        bundle = "LS0t" if encoded else authority.cert.read_text()
        client = await world.open(bitwardenServerSDKURL=fake.address, caBundle=bundle)
        assert (await client.fetch(client.request(RemoteRef("A")))).data == b"x"
        await client.close()
        stranger = await world.open(bitwardenServerSDKURL=fake.address)
        with pytest.raises(Unavailable, match="cannot trust"):
            await stranger.fetch(stranger.request(RemoteRef("A")))
        world.credentials.ca = None
        with pytest.raises(InvalidConfig, match=r"^failed to append caBundle$"):
            await world.open(bitwardenServerSDKURL=fake.address, caBundle=None)
        broken = "-----BEGIN CERTIFICATE-----\nplanted"
        with pytest.raises(InvalidConfig, match=r"^failed to append caBundle: ") as refused:
            await world.open(bitwardenServerSDKURL=fake.address, caBundle=broken)
        assert "planted" not in str(refused.value)


async def test_a_token_that_no_header_can_carry_is_named(world: World) -> None:
    world.credentials.secrets["login/token"] = f"{TOKEN}\n"
    with pytest.raises(InvalidConfig, match="the access token ends in a line break"):
        await world.open()


async def test_a_cluster_store_without_a_namespace_is_neither_valid_nor_faulty_by_itself(world: World) -> None:
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig, match="each consumer's namespace"):
        await client.fetch(client.request(RemoteRef(uuid(1))))
    await client.close()
    assert world.fake.asked == []


# reading


async def read(client: Client, key: str) -> bytes:
    ref = RemoteRef(key, "ignored", "7")
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_a_secret_is_read_by_id_or_by_its_name_in_the_project(world: World) -> None:
    id = world.fake.put("A", "x")
    world.fake.put("A", "theirs", project="other")
    world.fake.put("A", "nobody's", project=None)
    world.fake.put("B", "y")
    client = await world.open()
    assert [await read(client, key) for key in (id, id.upper(), "A", "B")] == [b"x", b"x", b"x", b"y"]
    assert world.fake.count("secrets$") == 2
    assert len(world.fake.asked) == 2 + 1 + 3 + 1 + 1


async def test_names_share_one_list_and_each_gets_its_own_answer(world: World) -> None:
    world.fake.put("A", "1")
    world.fake.put("B", "2")
    world.fake.put("C", "3")
    world.fake.put("C", "4")
    client = await world.open()
    asked = [client.request(RemoteRef(key)) for key in ("A", "B", "C", "GONE")]
    assert batches(client) is client
    assert {client.batch(one) for one in asked} == {ORGANIZATION}
    assert client.batch(client.request(RemoteRef(uuid(1)))) is None
    answers = await client.fetch_many(asked)
    assert [getattr(answers[one], "data", str(answers[one])) for one in asked] == [
        b"1",
        b"2",
        "more than one secret found for project project with key C",
        "no secret found for project id project and name GONE",
    ]
    assert world.fake.count("secrets$") == 1
    assert len(world.fake.asked) == 1 + 4
    world.fake.fail(Fault(503))
    with pytest.raises(Unavailable):
        await client.fetch_many(asked)


@pytest.mark.parametrize(
    ("key", "expected"),
    [(uuid(1), True), (uuid(1).replace("-", ""), True), (uuid(1)[:-1], False), ("A", False), (f" {uuid(1)}", False)],
)
def test_what_looks_like_an_id_is_one(key: str, expected: bool) -> None:
    assert (codec.UUID.fullmatch(key) is not None) is expected


async def test_names_that_are_missing_or_not_unique_are_told(world: World) -> None:
    world.fake.put("A", "1")
    world.fake.put("A", "2")
    client = await world.open()
    with pytest.raises(EsoError, match=r"^more than one secret found for project project with key A$"):
        await read(client, "A")
    with pytest.raises(EsoError, match=r"^no secret found for project id project and name B$"):
        await read(client, "B")
    with pytest.raises(NothingThere, match="Resource not found"):
        await read(client, uuid(99))
    with pytest.raises(InvalidConfig, match="key is empty"):
        client.request(RemoteRef(""))


async def test_members_come_from_yaml_and_from_json(world: World) -> None:
    values = {"yaml": "a: x\nb: 1\nc:\n  d: y\n", "json": '{"a":"x","b":[1,"z"]}', "twice": '{"a":1.50,"a":{"k": 2}}'}
    for key, value in values.items():
        world.fake.put(key, value)
    world.fake.put("text", PLANTED)
    client = await world.open()

    async def mapped(key: str) -> dict[str, bytes]:
        ref = RemoteRef(key)
        return client.mapping(await client.fetch(client.request(ref)), ref)

    assert await mapped("yaml") == {"a": b"x", "b": b"1", "c": b"d: y"}
    assert await mapped("json") == {"a": b"x", "b": b"[1 z]"}
    assert await mapped("twice") == {"a": b'{"k": 2}'}, "what YAML refuses may be JSON"
    with pytest.raises(Malformed, match=r"^unable to unmarshal secret text: ") as refused:
        await mapped("text")
    assert PLANTED not in str(refused.value)


async def test_a_search_brings_everything_by_its_id_whatever_it_asks_for(world: World) -> None:
    ids = [world.fake.put(f"A{number}", str(number), project="other") for number in range(70)]
    client = await world.open()
    for find in (Find(), Find(name_regexp="^B", tags=(("a", "b"),), path="x")):
        assert await found(client, find) == {id: str(number).encode() for number, id in enumerate(ids)}


async def test_a_search_that_fails_at_one_secret_fails(world: World) -> None:
    world.fake.put("A", "1")
    client = await world.open()
    world.fake.fail(Fault(400, path="secret$", body="404 Not Found"))
    with pytest.raises(NothingThere):
        await found(client, Find())


# writing


async def push(client: Client, value: bytes = b"v", key: str = "A", metadata: Any = None) -> None:
    await client.push(Push(Remote(key, "ignored"), "k", metadata), Source({"k": value}))


def values(world: World) -> list[tuple[str, str, str]]:
    return [(one["projectId"], one["note"], one["value"]) for one in world.fake.secrets.values()]


async def test_a_push_writes_what_differs(world: World) -> None:
    client = await world.open()
    for value in (b"1", b"1", b"2"):
        await push(client, value)
    assert values(world) == [(PROJECT, "", "2")]
    assert [asked.method for asked in world.fake.asked if asked.method != "GET"] == ["POST", "PUT"]
    await client.push(Push(Remote("ALL")), Source({"b": b"<", "a": b"1"}))
    assert values(world)[1] == (PROJECT, "", '{"a":"1","b":"<"}')


async def test_entries_of_other_projects_and_notes_are_left_alone(world: World) -> None:
    world.fake.put("A", "theirs", project="other")
    world.fake.put("A", "noted", note="n")
    client = await world.open()
    for _ in range(2):
        await push(client)
    await push(client, b"w", metadata={"any": [{"note": "n"}]})
    await push(client, b"x", metadata={"note": 7})
    assert values(world) == [("other", "", "theirs"), (PROJECT, "n", "w"), (PROJECT, "", "x")]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (Push(Remote(""), "k"), "remoteKey must be set"),
        (Push(Remote("A"), "gone"), "failed to find secret key in secret with key: gone"),
        (Push(Remote("A"), "raw"), "the value is no UTF-8 text: Bitwarden keeps texts only"),
    ],
)
async def test_a_push_that_cannot_be_made_says_why(world: World, entry: Push, text: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig) as refused:
        await client.push(entry, Source({"k": b"v", "raw": b"\xff"}))
    assert str(refused.value) == text
    assert world.fake.asked == []


async def test_deletions_by_id_and_by_name(world: World) -> None:
    first, second = world.fake.put("A", "1"), world.fake.put("B", "2")
    world.fake.put("A", "theirs", project="other")
    client = await world.open()
    assert [await client.exists(Remote(key)) for key in ("A", "C", second)] == [True, False, True]
    world.fake.stubborn = {first}
    with pytest.raises(EsoError, match=r"^the server could not delete 1 secrets$"):
        await client.delete(Remote("A"))
    world.fake.stubborn = set()
    for _ in range(2):
        await client.delete(Remote("A"))
    await client.delete(Remote(second))
    assert [one["value"] for one in world.fake.secrets.values()] == ["theirs"]
    with pytest.raises(NothingThere):
        await client.exists(Remote(uuid(99)))
    assert client.place(Remote("A")) == client.place(Remote("00000000-0000-4000-8000-000000000001"))


async def test_every_await_of_a_deletion_may_be_cancelled(world: World) -> None:
    client = await world.open()

    async def deleted() -> None:
        world.fake.replace("A", "1")
        await client.delete(Remote("A"))

    async for _ in every_await(deleted):
        continue
    await deleted()
    assert world.fake.secrets == {}


# the page


def front(world: World) -> Front:
    words = {
        "https://bitwarden-sdk-server.default.svc.cluster.local:9998": world.fake.address,
        "ORGANIZATION": ORGANIZATION,
        "PROJECT": PROJECT,
        "CA_BUNDLE": json.dumps(STRANGER),
        "ACCESS_TOKEN": TOKEN,
    }
    return Front(world.provider, manifests(PAGE, **words))


async def test_the_manifest_of_the_page_is_served_with_one_request(world: World) -> None:
    assert world.fake.put("A", "secret") == uuid(1)
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert cluster.calls.seen == [("Bitwarden/SecretsManager", "GetSecret", "success")]


async def test_every_request_goes_through_a_gate(world: World) -> None:
    async with (cluster := front(world)).running():
        for value in (b"1", b"2"):
            await cluster.stores.push("team-a", cluster.store, Push(Remote("N"), "k"), Source({"k": value}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("N"))
        await cluster.stores.delete("team-a", cluster.store, Remote("N"))
    assert {call for _, call, _ in cluster.calls.seen} == {
        "ListSecrets",
        "GetSecret",
        "CreateSecret",
        "UpdateSecret",
        "DeleteSecret",
    }
    assert len(cluster.calls.seen) == len(world.fake.asked)


# hostile replies


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, "[404 Not Found] Resource not found.", NothingThere, "Not Found, Resource not found"),
        (400, '{"error":"invalid_client"}', AuthExpired, "invalid_client"),
        (400, "Too many requests", Throttled, "Too many requests"),
        (400, PLANTED, InvalidConfig, "the request was refused"),
        (401, "Missing token", AuthExpired, "Missing token"),
        (403, "", Denied, "the request was refused"),
        (502, "<html>", Unavailable, "the request was refused"),
    ],
)
def test_refusals_have_their_class_and_show_known_words_only(status: int, body: str, kind: type, words: str) -> None:
    error = refusal.refuse(Reply(status, {}, body.encode()))
    assert type(error) is kind
    assert str(error) == f"failed to perform http request, got response: {words} with status code {status}"


@pytest.mark.parametrize("status", [201, 202, 204])
async def test_another_success_than_200_is_none(world: World, status: int) -> None:
    client = await world.open()
    world.fake.fail(Fault(status, body='{"data":[]}' if status != 204 else ""))
    with pytest.raises(Malformed, match=f"with status code {status}$"):
        await client.exists(Remote("A"))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "key", "value", "note", "projectId", "data", "error"]), inner)
    ),
    max_leaves=12,
)


@given(JSON, st.integers(300, 599))
def test_whatever_a_server_answers_is_a_result_or_an_error_of_ours(reply: Any, status: int) -> None:
    body = json.dumps(reply).encode()
    for read_reply in (codec.secret_of, codec.listed_of, codec.refuse_failed):
        try:
            read_reply(body)
        except EsoError as error:
            assert isinstance(error, Malformed) or read_reply is codec.refuse_failed
    assert isinstance(refusal.refuse(Reply(status, {}, body)), EsoError)
