"""Admission, logins, reads, batches, searches and the page of `conjur`; hostile replies."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.harness.certs import Authority
from eso.api.externalsecret import StoreRef
from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.conjur import codec, refusal
from eso.providers.conjur.client import IDS, Client, grouped
from eso.providers.conjur.spec import SPEC, base
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Consumer,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    StoreView,
    Throttled,
    Unavailable,
    Validation,
    batches,
    writes,
)
from eso.providers.kit.http import NothingThere
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.conjur import API_KEY, USER, FakeConjur
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole, found
from tests.fakes.front import Front, manifests

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "conjur.md"
PLANTED = "planted-7f3a9c"
FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"


def ref(key: str, **more: str) -> dict[str, str]:
    return {"name": "login", "key": key, **more}


def by_key(**changes: Any) -> dict[str, Any]:
    given = {"account": "shop", "userRef": ref("user"), "apiKeyRef": ref("key")} | changes
    return {"apikey": {name: value for name, value in given.items() if value is not None}}


def by_jwt(**given: Any) -> dict[str, Any]:
    whole = {"account": "shop", "serviceID": "k8s"} | given
    return {"jwt": {name: value for name, value in whole.items() if value is not None}}


def by_certificate(**changes: Any) -> dict[str, Any]:
    given = {"account": "shop", "serviceID": "c", "clientCertRef": ref("crt"), "clientKeyRef": ref("pem")} | changes
    return {"cert": {name: value for name, value in given.items() if value is not None}}


def view(kind: str = "SecretStore", **block: Any) -> StoreView:
    whole = {"url": "https://conjur.example.com", "auth": by_key()} | block
    return StoreView(kind, "store", "team-a" if kind == "SecretStore" else "", "conjur", whole, "uid", 1)


class World:
    def __init__(self, fake: FakeConjur) -> None:
        self.fake, self.provider = fake, Whole("conjur")
        self.credentials = StaticCredentials({"login/user": USER, "login/key": API_KEY}, tokens={"app": "account-jwt"})

    async def open(self, kind: str = "SecretStore", **block: Any) -> Client:
        client = await self.provider.open(view(kind, **({"url": self.fake.address} | block)), self.credentials)
        assert isinstance(client, Client)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeConjur() as fake:
        world = World(fake)
        yield world
        await world.provider.close()


# admission


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"url": ""}, "conjur URL cannot be empty"),
        ({"auth": {}}, "must specify exactly one Auth.* method"),
        ({"auth": by_key() | by_jwt()}, "must specify exactly one Auth.* method"),
        ({"auth": by_key(account="")}, "missing Auth.ApiKey.Account"),
        ({"auth": by_key(userRef=None)}, "missing Auth.Apikey.UserRef"),
        ({"auth": by_key(apiKeyRef=None)}, "missing Auth.Apikey.ApiKeyRef"),
        ({"auth": by_key(apiKeyRef=ref("key", namespace="x"))}, f"invalid Auth.Apikey.ApiKeyRef: {FOREIGN}"),
        ({"auth": by_jwt(account="")}, "missing Auth.Jwt.Account"),
        ({"auth": by_jwt(serviceID="")}, "missing Auth.Jwt.ServiceID"),
        ({"auth": by_jwt()}, "must specify Auth.Jwt.SecretRef or Auth.Jwt.ServiceAccountRef"),
        ({"auth": by_jwt(secretRef=ref("t", namespace="x"))}, f"invalid Auth.Jwt.SecretRef: {FOREIGN}"),
        (
            {"auth": by_jwt(serviceAccountRef={"name": "app", "namespace": "x"})},
            f"invalid Auth.Jwt.ServiceAccountRef: {FOREIGN}",
        ),
        ({"auth": by_certificate(serviceID="")}, "missing Auth.Cert.ServiceID"),
        ({"auth": by_certificate(clientCertRef=None)}, "missing Auth.Cert.ClientCertRef"),
        ({"auth": by_certificate(clientKeyRef=None)}, "missing Auth.Cert.ClientKeyRef"),
        ({"auth": by_certificate(), "url": "http://conjur"}, "Auth.Cert needs a server of one's own with TLS"),
        (
            {"auth": by_certificate(), "url": "https://shop.secretsmgr.cyberark.cloud"},
            "Auth.Cert needs a server of one's own with TLS",
        ),
        ({"url": "https://me:planted@conjur"}, "conjur URL is no address"),
    ],
)
def test_admission_refuses_in_the_words_of_the_reference(block: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(view(**block))
    assert str(refused.value) == text


@pytest.mark.parametrize(
    "auth", [by_key(), by_jwt(secretRef=ref("t")), by_jwt(serviceAccountRef={"name": "app"}), by_certificate()]
)
def test_admission_accepts_one_way_to_log_in(auth: dict[str, Any]) -> None:
    assert SPEC.check(view(auth=auth)) == []
    assert SPEC.check(view("ClusterSecretStore", auth=auth)) == []
    assert SPEC.plan(view("ClusterSecretStore", auth=auth)).consumer is Consumer.CREDENTIALS
    assert (SPEC.capability, SPEC.maintained) == ("ReadOnly", True)


@pytest.mark.parametrize(
    ("url", "block", "expected"),
    [
        ("https://conjur.example.com/", {}, "https://conjur.example.com"),
        ("conjur.example.com", {}, "http://conjur.example.com"),
        ("conjur.example.com", {"caBundle": "x"}, "https://conjur.example.com"),
        ("https://shop.secretsmgr.cyberark.cloud", {}, "https://shop.secretsmgr.cyberark.cloud/api"),
        ("https://shop.secretsmgr.cyberark.cloud/api", {}, "https://shop.secretsmgr.cyberark.cloud/api"),
        ("https://shop-secretsmanager.test-cyberark.cloud", {}, "https://shop-secretsmanager.test-cyberark.cloud/api"),
        ("http://shop.secretsmgr.cyberark.cloud", {}, "http://shop.secretsmgr.cyberark.cloud"),
        (
            "https://shop.secretsmgr.cyberark.cloud.evil.example",
            {},
            "https://shop.secretsmgr.cyberark.cloud.evil.example",
        ),
    ],
)
def test_the_address_follows_the_rules_of_the_reference(url: str, block: dict[str, Any], expected: str) -> None:
    assert base(view(url=url, **block).provider_spec) == expected


def test_an_account_is_a_credential_and_wins_over_a_secret() -> None:
    plan = SPEC.plan(view(auth=by_jwt(secretRef=ref("t"), serviceAccountRef={"name": "app"})))
    assert plan.references == (("ServiceAccount", "", "app"),)
    assert SPEC.plan(view()).references == (("Secret", "", "login"),)
    assert SPEC.plan(view(caBundle="x")).login != SPEC.plan(view()).login


# logins


async def test_a_host_logs_in_with_its_api_key(world: World) -> None:
    client = await world.open()
    assert client.lifetime == pytest.approx(0.85 * 480)
    assert not await client.renew()
    assert await client.validate() is Validation.READY
    assert writes(client) is None
    asked = world.fake.asked[0]
    assert (asked.path, asked.headers["Content-Type"]) == ("/authn/shop/host/eso/authenticate", "text/plain")


@pytest.mark.parametrize(
    ("given", "host", "token"),
    [
        ({"serviceAccountRef": {"name": "app", "audiences": ["conjur"]}}, "", "account-jwt"),
        ({"secretRef": {"name": "login"}, "hostId": "host/app"}, "host/app", "planted-jwt"),
        ({"secretRef": ref("other")}, "", "planted-other"),
    ],
)
async def test_a_jwt_logs_in(world: World, given: dict[str, Any], host: str, token: str) -> None:
    world.credentials.secrets |= {"login/token": "planted-jwt", "login/other": "planted-other"}
    world.fake.jwts["k8s", host] = token
    await world.open(auth=by_jwt(**given))
    if "serviceAccountRef" in given:
        assert world.credentials.audiences == [("conjur",)]


@pytest.mark.parametrize(("host", "path"), [("", ""), ("app", "host/app"), ("host/app", "host/app")])
async def test_a_client_certificate_logs_in(world: World, tmp_path: Path, host: str, path: str) -> None:
    authority = Authority(tmp_path)
    pair, mine = authority.server("conjur", dns=("localhost",)), authority.client("app", "us")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.cert))
    serving.verify_mode = ssl.CERT_REQUIRED
    serving.load_cert_chain(pair.cert, pair.key)
    world.credentials.secrets |= {"login/crt": mine.cert.read_text(), "login/pem": mine.key.read_text()}
    async with FakeConjur(serving) as fake:
        fake.certified.add(("c", path))
        fake.variables["a"] = b"x"
        auth = by_certificate(hostId=host or None)
        client = await world.open(url=fake.address, auth=auth, caBundle=authority.cert.read_text())
        assert (await client.fetch("a")).data == b"x"
        await client.close()
        world.credentials.secrets["login/pem"] = "planted"
        with pytest.raises(InvalidConfig, match="cannot use the client certificate") as refused:
            await world.open(url=fake.address, auth=auth, caBundle=authority.cert.read_text())
        assert "planted" not in str(refused.value)


async def refused(world: World, kind: str = "SecretStore", **block: Any) -> EsoError:
    with pytest.raises(EsoError) as error:
        await world.open(kind, **block)
    assert all(pool._session is None for pool in world.provider.pools.opened), "nothing stays open"
    return error.value


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (Fault(401, body='{"error":{"message":"CONJ00002E x"}}'), AuthRejected, "401 Unauthorized. CONJ00002E"),
        (Fault(401, echo=True), AuthRejected, "401 Unauthorized"),
        (Fault(404), AuthRejected, "404 Not Found"),
        (Fault(429, headers={"Retry-After": "3"}), Throttled, "429 Too Many Requests"),
        (Fault(502, body="<html>"), Unavailable, "502 Bad Gateway"),
        (Fault(200, body="<html>"), Malformed, "the server's reply is not JSON"),
        (Fault(200, body="{}"), Malformed, "the server's reply is no access token"),
        (Fault(200, body='{"protected":"","payload":7,"signature":""}'), Malformed, "no text in payload"),
        (Fault(200, body='{"protected":"","payload":"!","signature":""}'), Malformed, "the server's reply is not JSON"),
    ],
)
async def test_a_refused_login_has_its_class(world: World, fault: Fault, kind: type, text: str) -> None:
    world.fake.fail(fault)
    error = await refused(world)
    assert type(error) is kind
    assert text in str(error)
    assert "planted" not in str(error)


@pytest.mark.parametrize(
    ("payload", "lifetime"),
    [({"iat": 100, "exp": 200}, 85.0), ({"iat": 100}, 300.0), ({}, 300.0), ({"iat": 9, "exp": 1}, 300.0), ([], 300.0)],
)
async def test_a_token_says_how_long_it_lives(world: World, payload: Any, lifetime: float) -> None:
    world.fake.payload = payload
    assert (await world.open()).lifetime == lifetime


async def test_a_cluster_store_without_namespaces_is_neither_valid_nor_faulty_by_itself(world: World) -> None:
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    assert client.lifetime is None
    with pytest.raises(InvalidConfig, match="each consumer's namespace"):
        await client.fetch("a")
    await client.close()
    assert world.fake.asked == []


async def test_every_await_of_a_login_may_be_cancelled(world: World) -> None:
    async def opened() -> None:
        await (await world.open()).close()

    async for _ in every_await(opened):
        continue
    await opened()


# reading


async def read(client: Client, key: str, property: str = "") -> bytes:
    wanted = RemoteRef(key, property)
    return client.value(await client.fetch(client.request(wanted)), wanted)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a/b", "a/b"),
        ("variable:a/b", "a/b"),
        ("shop:variable:a:b", "a:b"),
        ("other:variable:a", "other:variable:a"),
        ("shop:host:a", "shop:host:a"),
        ("host:a", "host:a"),
    ],
)
def test_an_id_may_be_complete_or_not(key: str, name: str) -> None:
    assert codec.identifier("shop", key) == name


async def test_a_value_is_what_the_server_sends(world: World) -> None:
    world.fake.variables |= {"a/b c%": b"\x00\xff", "json": b'{"x":{"y":1.50},"e":""}', "empty": b""}
    client = await world.open()
    assert [await read(client, key) for key in ("a/b c%", "shop:variable:a/b c%", "empty")] == [b"\x00\xff"] * 2 + [b""]
    assert [await read(client, "json", path) for path in ("x.y", "x", "e")] == [b"1.5", b'{"y":1.50}', b""]
    with pytest.raises(EsoError, match=r'^cannot find secret data for key: "gone"$'):
        await read(client, "json", "gone")
    with pytest.raises(InvalidConfig):
        client.request(RemoteRef(""))


async def test_a_missing_variable_is_an_ordinary_error(world: World) -> None:
    with pytest.raises(NothingThere) as missing:
        await read(await world.open(), "gone")
    assert str(missing.value) == "404 Not Found. CONJ00076E, is empty or not found"
    assert not isinstance(missing.value, SecretNotFound)


async def test_a_page_for_people_is_no_value(world: World) -> None:
    client = await world.open()
    world.fake.variables["a"] = b"<html>"
    reply = Reply(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>")
    with pytest.raises(Malformed, match="answers with a page"):
        codec.variable_of(reply)
    assert (await client.fetch("a")).data == b"<html>", "the value may be such a text"


async def test_members_are_texts(world: World) -> None:
    world.fake.variables |= {"a": b'{"x":"1","n":null,"o":{"k":"v"}}', "b": b'{"x":"1","n":null}'}
    client = await world.open()
    payload = await client.fetch("b")
    assert client.mapping(payload, RemoteRef("b")) == {"x": b"1", "n": b""}
    with pytest.raises(Malformed, match="unable to unmarshal secret a: "):
        client.mapping(await client.fetch("a"), RemoteRef("a"))
    assert client.mapping(await client.fetch("a"), RemoteRef("a", "o")) == {"k": b"v"}
    assert "1" not in repr(payload)


# several


async def together(client: Client, *keys: str) -> list[Any]:
    asked = [client.request(RemoteRef(key)) for key in keys]
    answers = await client.fetch_many(asked)
    return [getattr(answers[one], "data", answers[one]) for one in asked]


@pytest.mark.parametrize("encodes", [True, False])
async def test_variables_travel_together_as_far_as_the_server_can(world: World, encodes: bool) -> None:
    world.fake.encodes = encodes
    world.fake.variables |= {"a": b"1", "b": b"\x00\xff", "c": "ä".encode()}
    client = await world.open()
    assert batches(client) is client
    assert await together(client, "a", "shop:variable:c") == [b"1", "ä".encode()]
    assert await together(client, "a", "b") == [b"1", b"\x00\xff"]
    assert world.fake.count("/secrets/") == (0 if encodes else 2)


async def test_one_that_is_missing_fails_no_other(world: World) -> None:
    world.fake.variables |= {"a": b"1", "b": b"2"}
    first, second, gone = await together(await world.open(), "a", "b", "gone")
    assert (first, second) == (b"1", b"2")
    assert isinstance(gone, NothingThere)


async def test_a_search_reads_ids_with_a_comma_alone(world: World) -> None:
    world.fake.variables.update({"a": b"1", "b": b"2", "c,d": b"3\xff", "e,": b"4"})
    client = await world.open()
    assert await found(client, Find(name_regexp="^[a-e]")) == {"a": b"1", "b": b"2", "c,d": b"3\xff", "e,": b"4"}
    assert world.fake.count("/variable/") == 2


async def test_an_id_with_a_comma_travels_alone(world: World) -> None:
    client = await world.open()
    assert client.batch("a,b") is None
    assert client.batch("a") == client.batch("b")


@pytest.mark.parametrize(("status", "kind"), [(401, AuthExpired), (429, Throttled), (503, Unavailable)])
@pytest.mark.parametrize("keys", [("a",), ("a", "b")])
async def test_a_batch_that_fails_as_a_whole_raises(
    world: World, status: int, kind: type, keys: tuple[str, ...]
) -> None:
    client = await world.open()
    world.fake.fail(Fault(status, path="secrets"))
    with pytest.raises(kind):
        await together(client, *keys)


@pytest.mark.parametrize("body", ["[]", '{"shop:variable:a":7}', "{}"])
async def test_a_batch_of_another_shape_is_read_one_by_one(world: World, body: str) -> None:
    world.fake.variables |= {"a": b"1", "b": b"2"}
    client = await world.open()
    world.fake.fail(Fault(200, body=body, path="secrets$"))
    assert await together(client, "a", "b") == [b"1", b"2"]


# a search


async def test_a_search_looks_at_names_or_else_at_annotations(world: World) -> None:
    for number in range(250):
        world.fake.variables[f"app/{number}"] = str(number).encode()
    world.fake.annotations = {"app/7": {"team": "a", "env": "prd"}, "app/8": {"team": "b"}}
    client = await world.open()
    assert await found(client, Find(name_regexp="/24[0-9]$")) == {f"app/{n}": str(n).encode() for n in range(240, 250)}
    assert world.fake.count("/resources") == 3
    assert await found(client, Find(tags=(("team", "a"), ("env", "prd")))) == {"app/7": b"7"}
    assert sorted(await found(client, Find(tags=()))) == sorted(await found(client, Find())) == ["app/7", "app/8"]
    assert await found(client, Find(name_regexp="/7$", tags=(("team", "b"),), path="x")) == {"app/7": b"7"}
    assert len(await found(client, Find(name_regexp=""))) == 250


async def test_a_search_that_finds_nothing_is_an_error(world: World) -> None:
    client = await world.open()
    with pytest.raises(EsoError, match="no variable is found"):
        await found(client, Find(name_regexp="x"))


async def test_a_search_whose_values_are_not_whole_is_an_error(world: World) -> None:
    world.fake.variables |= {"a": b"1", "b": b"2"}
    client = await world.open()
    world.fake.fail(Fault(200, path="secrets$", body='{"shop:variable:a":"1"}'))
    with pytest.raises(Malformed, match="leaves 1 variables out"):
        await found(client, Find(name_regexp=""))


def test_ids_are_asked_for_in_addresses_of_bounded_length() -> None:
    ids = [f"shop:variable:{'x' * 50}{number}" for number in range(500)] + ["shop:variable:" + "y" * IDS]
    groups = grouped(ids)
    assert [id for group in groups for id in group] == ids
    assert all(len(group) == 1 or len(",".join(group).encode()) <= IDS for group in groups)
    assert grouped([]) == []


# the page


def front(world: World) -> Front:
    return Front(
        world.provider, manifests(PAGE, **{"https://conjur.example.com": world.fake.address, "API_KEY": API_KEY})
    )


async def test_the_manifest_of_the_page_is_served_with_a_login_and_a_request(world: World) -> None:
    world.fake.variables["apps/database/password"] = b"secret"
    async with (cluster := front(world)).running():
        assert await cluster.read() == b"secret"
    assert cluster.calls.seen == [("Conjur", "Authenticate", "success"), ("Conjur", "GetSecret", "success")]


async def test_five_references_that_fall_due_together_are_one_request(world: World) -> None:
    names = [f"app/{number}" for number in range(5)]
    world.fake.variables |= {name: name.encode() for name in names}
    async with (cluster := front(world)).running():
        store = StoreRef(name=cluster.store.metadata.name)
        reads = [cluster.stores.read("team-a", store, RemoteRef(name)) for name in names]
        assert [value.reveal().decode() for value in await asyncio.gather(*reads)] == names
    assert [call for _, call, _ in cluster.calls.seen] == ["Authenticate", "GetSecrets"]


async def test_a_token_that_is_withdrawn_is_replaced_without_a_failed_read(world: World) -> None:
    world.fake.variables["apps/database/password"] = b"secret"
    async with (cluster := front(world)).running():
        for _ in range(3):
            world.fake.tokens.clear()
            assert await cluster.read() == b"secret"
    assert world.fake.count("/authenticate$") == 3


# hostile replies


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (403, f'{{"error":{{"message":"CONJ00006E \'{PLANTED}\'"}}}}', "403 Forbidden. CONJ00006E"),
        (404, '{"error":{"message":7}}', "404 Not Found"),
        (400, f'{{"error":"{PLANTED}"}}', "400 Bad Request"),
        (500, "[" * 5000, "500 Internal Server Error"),
    ],
)
def test_refusals_show_known_words_only(status: int, body: str, text: str) -> None:
    assert str(refusal.of_api(Reply(status, {}, body.encode()))) == text


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "annotations", "name", "value", "protected", "payload", "signature", "error"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON, st.integers(300, 599), st.booleans())
def test_whatever_a_server_answers_is_a_result_or_an_error_of_ours(reply: Any, status: int, encoded: bool) -> None:
    body = json.dumps(reply).encode()
    headers = {"Content-Encoding": "base64"} if encoded else {}
    for read_reply in (codec.token_of, codec.resources_of, lambda one: codec.values_of(Reply(200, headers, one))):
        try:
            read_reply(body)
        except EsoError as error:
            assert isinstance(error, Malformed)
    for refuse in (refusal.of_api, refusal.of_login):
        assert isinstance(refuse(Reply(status, {}, body)), EsoError)
