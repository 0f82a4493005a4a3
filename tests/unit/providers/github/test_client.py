"""Logins of Apps; secrets that are pushed, deleted and looked for; texts of refusals; hostile replies."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    Source,
    Throttled,
    Timeout,
    Unavailable,
    Validation,
    ValidationFailed,
)
from eso.providers.github import codec, refusal, seal
from eso.providers.github.client import Client
from eso.providers.kit import githubapp, written
from tests.fakes.backend import Asked, Backend, Fault
from tests.fakes.cancel import every_await
from tests.fakes.clock import until
from tests.fakes.env import found
from tests.fakes.github import FakeGithub
from tests.fakes.logs import captured
from tests.unit.providers.github.conftest import World

PLANTED = "planted-7f3a9c"
A = Remote("A")


async def push(client: Client, value: bytes = b"v", key: str = "A") -> None:
    await client.push(Push(Remote(key), "k"), Source({"k": value}))


def called(world: World) -> list[str]:
    return [f"{asked.method} {asked.path.rpartition('/')[2]}" for asked in world.fake.asked]


# logins


async def test_an_app_signs_who_it_is_and_gets_a_token_for_an_hour(world: World) -> None:
    client = await world.open()
    claims = world.fake.jwts[0]
    assert (claims["iss"], claims["exp"] - claims["iat"]) == ("12", 310)
    assert world.fake.asked[0].path == "/app/installations/34/access_tokens"
    assert client.lifetime is not None
    assert 3500 < client.lifetime <= 3540
    assert not await client.renew()


async def test_an_enterprise_server_is_asked_below_its_version(world: World) -> None:
    world.fake.prefix = "/api/v3"
    client = await world.open(url=world.fake.address)
    await push(client)
    assert world.fake.secrets()["A"].value == b"v"


async def refused(world: World, kind: str = "SecretStore", **block: Any) -> EsoError:
    with pytest.raises(EsoError) as error:
        await world.open(kind, **block)
    assert all(pool._session is None for pool in world.provider.pools.opened), "nothing stays open"
    return error.value


def other_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.mark.parametrize(
    ("pem", "text"),
    [
        (
            None,
            "couldn't get private key from secret: resolvers.SecretKeyRef failed with error cannot find secret data",
        ),
        ("planted", "could not instantiate new installation transport: the key is no sound RSA"),
        (other_key(), "could not instantiate new installation transport: no RSA key of usual length"),
    ],
)
async def test_a_key_that_is_none_is_told(world: World, pem: str | None, text: str) -> None:
    world.credentials.secrets = {} if pem is None else {"login/pem": pem}
    error = await refused(world)
    assert str(error).startswith(f"could not get private key: {text}")
    assert "planted" not in str(error)


async def test_an_app_that_is_not_known_is_refused(world: World) -> None:
    assert str(await refused(world, installationID=35)) == "404 Not Found"
    world.fake.trusted = rsa.generate_private_key(65537, 2048).public_key()
    error = await refused(world)
    assert isinstance(error, AuthRejected)
    assert str(error) == "401 Unauthorized (A JSON web token could not be decoded)"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(403), AuthRejected),
        (Fault(422, echo=True), AuthRejected),
        (Fault(429, headers={"Retry-After": "3"}), Throttled),
        (Fault(502, body="<html>"), Unavailable),
        (Fault(200, body="<html>"), Malformed),
        (Fault(200, body="[]"), Malformed),
        (Fault(200, body='{"token":7,"expires_at":"2999-01-01T00:00:00Z"}'), Malformed),
        (Fault(200, body='{"token":"a\\nb","expires_at":"2999-01-01T00:00:00Z"}'), Malformed),
        (Fault(200, body='{"token":"t","expires_at":"soon"}'), Malformed),
        (Fault(200, body='{"token":"t"}'), Malformed),
        (Fault(200, body='{"token":"t","expires_at":"2001-01-01T00:00:00Z"}'), AuthRejected),
    ],
)
async def test_a_refused_login_has_its_class(world: World, fault: Fault, kind: type) -> None:
    world.fake.fail(fault)
    error = await refused(world)
    assert type(error) is kind
    assert "eyJ" not in f"{error}{error.fix}{error.__cause__}", "no part of the token that was sent"


def test_a_time_without_a_zone_is_utc() -> None:
    assert githubapp.ends({"expires_at": "2030-01-01T00:00:00"}) == datetime(2030, 1, 1, tzinfo=UTC)


async def test_every_await_of_a_login_may_be_cancelled(world: World) -> None:
    async def opened() -> None:
        await (await world.open()).close()

    async for _ in every_await(opened):
        continue
    await opened()


# stores


async def test_a_store_that_may_list_secrets_is_valid(world: World) -> None:
    assert await (await world.open()).validate() is Validation.READY
    assert await (await world.open(environment="prd")).validate() is Validation.READY
    assert called(world)[-2:] == ["GET api", "GET secrets"]


async def test_a_store_that_may_not_says_why(world: World) -> None:
    world.fake.denied.add("/repos/shop/api/actions/secrets")
    with pytest.raises(ValidationFailed, match=r"^store is not allowed to list secrets: 404 Not Found$"):
        await (await world.open()).validate()
    with pytest.raises(ValidationFailed, match=r"^error fetching repository: 404 Not Found$"):
        await (await world.open(repository="gone", environment="prd")).validate()


@pytest.mark.parametrize("namespace", ["", "team-a"])
async def test_of_a_cluster_store_nothing_is_said(world: World, namespace: str) -> None:
    world.credentials.namespace = namespace
    client = await world.open("ClusterSecretStore")
    world.fake.asked.clear()
    assert await client.validate() is Validation.UNKNOWN
    assert world.fake.asked == []
    if not namespace:
        assert client.lifetime is None
        with pytest.raises(InvalidConfig, match="each consumer's namespace"):
            await push(client)
    await client.close()


async def test_nothing_can_be_read(world: World) -> None:
    text = "not implemented - this provider supports write-only operations"
    client = await world.open()
    with pytest.raises(InvalidConfig, match=text):
        client.request(RemoteRef("A"))
    with pytest.raises(InvalidConfig, match=text):
        await client.fetch(None)
    for take in (client.value, client.mapping):
        with pytest.raises(InvalidConfig, match=text):
            take(None, RemoteRef("A"))
    with pytest.raises(InvalidConfig, match=text):
        await found(client, Find())


# pushing


@pytest.mark.parametrize(
    ("block", "kind"),
    [({"repository": None}, "orgs"), ({}, "repos"), ({"environment": "prd"}, "repositories")],
)
async def test_a_push_is_sealed_for_the_scope_of_the_store(world: World, block: dict[str, Any], kind: str) -> None:
    client = await world.open(**block)
    await push(client, PLANTED.encode())
    assert world.fake.secrets(kind)["A"].value == PLANTED.encode()
    assert all(PLANTED not in asked.text for asked in world.fake.asked)
    assert await client.exists(A)
    await client.delete(A)
    assert not await client.exists(A)


async def test_a_whole_secret_is_an_object_of_base64_and_bytes_stay_bytes(world: World) -> None:
    client = await world.open()
    await client.push(Push(Remote("ALL", "ignored"), metadata={"any": "thing"}), Source({"b": b"\xff", "a": b"<"}))
    await push(client, b"\x00\xff")
    assert world.fake.secrets()["ALL"].value == b'{"a":"PA==","b":"/w=="}'
    assert world.fake.secrets()["A"].value == b"\x00\xff"


async def test_a_value_is_written_when_it_changed_or_somebody_else_wrote(world: World) -> None:
    client = await world.open()
    for _ in range(3):
        await push(client)
    assert world.fake.count(method="PUT") == 1
    await push(client, b"other")
    assert world.fake.count(method="PUT") == 2
    world.fake.put("repos", "A", b"theirs")
    await push(client, b"other")
    assert world.fake.secrets()["A"].value == b"other"
    del world.fake.secrets()["A"]
    await push(client, b"other")
    assert world.fake.count(method="PUT") == 4
    again = await world.open()
    await push(again, b"other")
    assert world.fake.count(method="PUT") == 4, "another login of the process knows it as well"


async def test_names_that_differ_in_case_are_one_secret(world: World) -> None:
    client = await world.open()
    await push(client, key="token")
    await push(client, key="TOKEN")
    assert list(world.fake.secrets()) == ["TOKEN"]
    assert world.fake.count(method="PUT") == 1
    assert client.place(Remote("token", "x")) == client.place(Remote("TOKEN"))
    assert client.place(Remote("token")) != client.place(Remote("other"))


async def test_a_write_whose_time_stays_unknown_is_made_once_more(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(404, path="A$"))
    world.fake.fail(Fault(201, path="A$", body=""))
    world.fake.fail(Fault(503, path="A$"))
    await push(client)
    for _ in range(2):
        await push(client)
    assert world.fake.count(method="PUT") == 2


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        (None, None, "all"),
        ("private", None, "private"),
        (None, "private", "private"),
        ("all", "private", "all"),
        ("private", "selected", "private"),
    ],
)
async def test_visibility_of_a_secret_of_the_organization(
    world: World, wanted: str | None, there: str | None, expected: str
) -> None:
    if there:
        world.fake.put("orgs", "A", b"old", there)
    client = await world.open(repository=None, orgSecretVisibility=wanted)
    for _ in range(2):
        await push(client)
    secret = world.fake.secrets("orgs")["A"]
    assert (secret.visibility, secret.repositories, secret.value) == (expected, [], b"v")
    assert world.fake.count(method="PUT") == 1


async def test_repositories_that_were_selected_stay_all_of_them(world: World) -> None:
    world.fake.put("orgs", "A", b"old", "selected", *range(1, 251))
    await push(await world.open(repository=None))
    secret = world.fake.secrets("orgs")["A"]
    assert (secret.visibility, secret.repositories) == ("selected", list(range(1, 251)))
    assert world.fake.count("repositories$") == 3


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"total_count":9,"repositories":[]}', Malformed),
        ('{"total_count":true,"repositories":[]}', Malformed),
        ('{"total_count":1,"repositories":[{"id":"x"}]}', Malformed),
        ("[]", Malformed),
    ],
)
async def test_a_list_of_repositories_that_is_not_whole_is_not_sent(world: World, body: str, kind: type) -> None:
    world.fake.put("orgs", "A", b"old", "selected", 1)
    client = await world.open(repository=None)
    world.fake.fail(Fault(200, path="repositories$", body=body))
    with pytest.raises(kind):
        await push(client)
    assert world.fake.secrets("orgs")["A"].repositories == [1]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault(403, path="secrets/A$"), "error fetching secret: 403 Forbidden"),
        (Fault(404, path="public-key$"), "error fetching public key: 404 Not Found"),
        (Fault(200, path="public-key$", body='{"key_id":"1","key":"!"}'), "unable to decode public key: "),
        (Fault(200, path="public-key$", body='{"key_id":"1","key":"AAAA"}'), "unable to decode public key: it has 3 "),
    ],
)
async def test_a_push_that_fails_is_told_in_the_words_of_the_reference(world: World, fault: Fault, text: str) -> None:
    client = await world.open()
    world.fake.fail(fault)
    with pytest.raises(EsoError) as failed:
        await push(client, PLANTED.encode())
    assert str(failed.value).startswith(text)
    assert world.fake.count(method="PUT") == 0


async def test_a_write_that_is_refused_shows_nothing_of_what_was_sent(world: World) -> None:
    client = await world.open()
    with captured() as log:
        for status in (400, 401, 403, 409, 422, 429, 500, 502):
            world.fake.fail(Fault(404, path="A$"))
            world.fake.fail(Fault(status, path="A$", echo=True))
            with pytest.raises(EsoError, match="failed to create secret: ") as failed:
                await push(client, PLANTED.encode())
            assert "planted" not in f"{failed.value}{failed.value.fix}{failed.value.__cause__}"
        assert "planted" not in log
    assert world.fake.secrets() == {}


async def test_a_key_that_the_source_does_not_have_is_told(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^key gone not found in secret$"):
        await client.push(Push(A, "gone"), Source({"k": b"x"}))


async def test_a_name_is_one_segment_of_the_path(world: World) -> None:
    client = await world.open()
    for name in ("", ".", "..", "../../../orgs"):
        for write in (client.delete, client.exists):
            with pytest.raises(InvalidConfig):
                await write(Remote(name))
    await client.exists(Remote("a/orgs"))
    assert world.fake.asked[-1].path.startswith("/repos/shop/api/actions/secrets/")


# deleting


async def test_what_is_not_there_is_deleted_as_long_as_the_scope_is_seen(world: World) -> None:
    client = await world.open()
    await push(client)
    for _ in range(2):
        await client.delete(A)
    assert world.fake.secrets() == {}
    world.fake.denied.add("/repos/shop/api/actions/secrets")
    with pytest.raises(EsoError, match=r"^failed to delete secret: 404 Not Found$"):
        await client.delete(A)
    world.fake.fail(Fault(404, path="A$"))
    world.fake.fail(Fault(503, path="public-key$"))
    with pytest.raises(Unavailable, match=r"^failed to delete secret: 503"):
        await client.delete(A)


async def test_a_deletion_that_is_refused_is_told(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(403))
    with pytest.raises(Denied, match=r"^failed to delete secret: 403 Forbidden$"):
        await client.delete(A)


async def test_what_was_deleted_is_written_again(world: World) -> None:
    client = await world.open()
    await push(client)
    await client.delete(A)
    await push(client)
    assert world.fake.secrets()["A"].value == b"v"


async def test_a_look_that_fails_is_no_absence(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(500))
    with pytest.raises(Unavailable, match=r"^error fetching secret: 500"):
        await client.exists(A)


@pytest.mark.parametrize("what", ["push", "delete", "exists"])
async def test_every_await_may_be_cancelled_and_leaves_no_socket(world: World, what: str) -> None:
    client = await world.open(repository=None)

    async def done() -> None:
        world.fake.put("orgs", "A", b"old", "selected", 1)
        await {"push": lambda: push(client), "delete": lambda: client.delete(A), "exists": lambda: client.exists(A)}[
            what
        ]()

    async for _ in every_await(done):
        continue
    await done()
    await client.close()
    await world.provider.close()
    await until(lambda: world.fake.open_connections() == 0)


# the wire


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(200, body='{"name":"A"' * 9, reset=True, times=9), Unavailable),
        (Fault(drop=True, times=9), Unavailable),
        (Fault(200, body='{"name":"A'), Malformed),
        (Fault(200, body="<html>"), Malformed),
        (Fault(200, body="[]"), Malformed),
        (Fault(200, body='{"name":"A"}'), Malformed),
        (Fault(200, body='{"name":7,"updated_at":"x"}'), Malformed),
        (Fault(200, body="x" * (5 << 20)), Malformed),
        (Fault(401), AuthExpired),
        (Fault(403), Denied),
        (Fault(429), Throttled),
        (Fault(503), Unavailable),
        (Fault(504), Timeout),
        (Fault(418), InvalidConfig),
    ],
)
async def test_a_failure_of_the_wire_has_its_class(world: World, fault: Fault, kind: type) -> None:
    client = await world.open()
    world.fake.fail(fault)
    with pytest.raises(EsoError) as failed:
        await client.exists(A)
    assert type(failed.value) is kind


class Stranger(Backend):
    async def answer(self, asked: Asked) -> Any:
        raise AssertionError("a credential travelled")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_a_token_to_another_server(world: World, status: int) -> None:
    client = await world.open()
    async with Stranger() as stranger:
        world.fake.fail(Fault(status, headers={"Location": f"{stranger.address}/x"}))
        with pytest.raises(Unavailable, match="redirects to another server"):
            await client.exists(A)
        assert stranger.asked == []


async def test_a_server_that_nobody_trusts_gets_nothing(world: World, tmp_path: Path) -> None:
    pair = Authority(tmp_path).server("github", dns=("localhost",))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pair.cert, pair.key)
    async with FakeGithub(serving) as fake:
        error = await refused(world, url=fake.address)
        assert isinstance(error, Unavailable)
        assert "cannot trust" in str(error)
        assert fake.asked == []


# words and waits


@pytest.mark.parametrize(
    ("status", "headers", "body", "text", "wait"),
    [
        (403, {"Retry-After": "7"}, "{}", "403 Forbidden", 7.0),
        (
            403,
            {
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": "1577836860",
                "Date": "Wed, 01 Jan 2020 00:00:00 GMT",
            },
            '{"message":"API rate limit exceeded for installation ID 34."}',
            "403 Forbidden (API rate limit exceeded)",
            60.0,
        ),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, "{}", "403 Forbidden", None),
        (429, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 30}, "{}", "429 Too Many Requests", None),
        (
            403,
            {},
            '{"message":"You have exceeded a secondary rate limit. Please wait"}',
            "403 Forbidden (You have exceeded a secondary rate limit)",
            None,
        ),
        (429, {"Retry-After": "9"}, "<html>", "429 Too Many Requests", 9.0),
    ],
)
def test_asking_too_often_is_throttling_whatever_the_status(
    status: int, headers: dict[str, str], body: str, text: str, wait: float | None
) -> None:
    error = refusal.of_api(Reply(status, headers, body.encode()))
    assert isinstance(error, Throttled)
    assert (str(error), error.retry_after) == (text, wait)


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (
            403,
            '{"message":"Resource not accessible by integration"}',
            "403 Forbidden (Resource not accessible by integration)",
        ),
        (404, '{"message":"Not Found"}', "404 Not Found"),
        (422, f'{{"message":"{PLANTED}"}}', "422 Unprocessable Entity"),
        (422, '{"message":7}', "422 Unprocessable Entity"),
        (502, "<html>", "502 Bad Gateway"),
        (500, "[" * 5000, "500 Internal Server Error"),
    ],
)
def test_refusals_show_known_words_only(status: int, body: str, text: str) -> None:
    shown = str(refusal.of_api(Reply(status, {}, body.encode())))
    assert shown == text or (status == 422 and shown.startswith("422 ") and PLANTED not in shown)


def test_a_box_is_opened_by_its_key_alone_and_is_another_one_each_time() -> None:
    key = PrivateKey.generate()
    boxes = {seal.sealed(b"x", bytes(key.public_key)) for _ in range(3)}
    assert len(boxes) == 3
    with pytest.raises(Malformed, match="unable to decode public key"):
        seal.sealed(b"x", b"short")


def test_memory_of_what_was_written_is_bounded_and_holds_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "MOST", 2)
    remembered = written.Written()
    for place in ("a", "b", "a", "c"):
        remembered.remember(place, PLANTED.encode(), "now")
    assert [remembered.is_there(place, PLANTED.encode(), "now") for place in "abc"] == [True, False, True]
    assert not remembered.is_there("a", PLANTED.encode(), "later")
    assert not remembered.is_there("a", b"other", "now")
    assert PLANTED not in repr(vars(remembered))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "updated_at", "key", "key_id", "id", "repositories", "total_count", "message"]),
            inner,
        )
    ),
    max_leaves=9,
)


@given(JSON, st.integers(300, 599))
def test_whatever_a_server_answers_is_a_result_or_an_error_of_ours(reply: Any, status: int) -> None:
    body = json.dumps(reply).encode()
    for read in (codec.known_of, codec.public_key_of, codec.repository_of, codec.repositories_of):
        try:
            read(body)
        except EsoError as error:
            assert isinstance(error, Malformed)
    for refuse in (refusal.of_api, refusal.of_login):
        assert isinstance(refuse(Reply(status, {}, body)), EsoError)
