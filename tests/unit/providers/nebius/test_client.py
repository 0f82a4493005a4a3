"""Logins, entries, versions; texts of refusals; hostile replies."""

from __future__ import annotations

import json
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    SecretNotFound,
    Throttled,
    Timeout,
    Unavailable,
    Validation,
)
from eso.providers.kit.protobuf import blob, number, text
from tests.fakes.backend import Fault
from tests.fakes.env import found
from tests.fakes.grpc import framed, refused
from tests.fakes.nebius import FakeNebius, key_file
from tests.unit.providers.nebius.conftest import TOKEN, World, read

PLANTED = "planted-7f3a9c"


async def test_a_key_is_exchanged_for_a_token_that_serves_nine_tenths_of_its_life(world: World) -> None:
    client = await world.open()
    assert [asked.path for asked in world.fake.asked] == ["/nebius.iam.v1.TokenExchangeService/Exchange"]
    assert client.lifetime == pytest.approx(12 * 3600 * 0.9)
    assert await client.validate() is Validation.READY
    await client.close()


async def test_a_ready_token_is_trimmed_and_used_as_it_is(world: World) -> None:
    world.fake.tokens.add("ready-token")
    world.fake.put("mbsec-1", {"user": "me"})
    client = await world.open(auth=TOKEN)
    assert await read(client, "mbsec-1", "user") == b"me"
    assert client.lifetime is None
    assert len(world.fake.asked) == 1
    await client.close()


@pytest.mark.parametrize("token", ("", " \n", "a b\nc", "naïve"))
async def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(world: World, token: str) -> None:
    world.credentials.secrets["login/token"] = token
    with pytest.raises(InvalidConfig) as error:
        await world.open(auth=TOKEN)
    assert not token.strip() or token.strip() not in str(error.value)


@pytest.mark.parametrize(
    "written",
    (
        "no json",
        "[]",
        "{}",
        json.dumps({"subject-credentials": []}),
        json.dumps({"subject-credentials": {"kid": PLANTED}}),
        key_file("publickey-1").replace("RS256", "HS256"),
        key_file("publickey-1").replace('"JWT"', '"mTLS"'),
        key_file("publickey-1")[:-200],
    ),
)
async def test_what_are_no_credentials_is_refused_without_showing_it(world: World, written: str) -> None:
    world.credentials.secrets["login/key.json"] = written
    with pytest.raises(InvalidConfig) as error:
        await world.open()
    assert str(error.value) == "invalid subject credentials: malformed JSON"
    assert world.fake.asked == []


async def test_a_private_key_that_is_none_is_rejected(world: World) -> None:
    told = json.loads(key_file("publickey-1"))
    told["subject-credentials"]["private-key"] = PLANTED
    world.credentials.secrets["login/key.json"] = json.dumps(told)
    with pytest.raises(AuthRejected, match="invalid subject credentials: the private key is none") as error:
        await world.open()
    assert PLANTED not in str(error.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    ((16, AuthRejected), (7, AuthRejected), (3, AuthRejected), (14, Unavailable), (8, Throttled), (4, Timeout)),
)
async def test_a_refused_exchange_is_told(world: World, code: int, kind: type[EsoError]) -> None:
    world.fake.fail(refused(code, **{"grpc-message": PLANTED}))
    words = "failed to retrieve iam token by credentials: could not exchange creds to iam token: rpc error: code = "
    with pytest.raises(kind) as error:
        await world.open()
    assert str(error.value).startswith(words)
    assert PLANTED not in str(error.value)


@pytest.mark.parametrize("reply", (b"", text(1, "t"), text(1, "t") + number(4, -5), number(1, 7), b"\xff"))
async def test_a_token_that_is_none_or_has_ended_is_told(world: World, reply: bytes) -> None:
    world.fake.fail(Fault(200, body=framed(reply)))
    with pytest.raises((Malformed, AuthRejected)):
        await world.open()


@pytest.mark.parametrize("reply", (b"", text(9, "of another service"), number(3, 1)))
async def test_a_reply_that_is_no_payload_does_not_prove_that_an_entry_is_gone(world: World, reply: bytes) -> None:
    world.fake.put("mbsec-1", {"user": "me"})
    client = await world.open()
    world.fake.fail(Fault(200, body=framed(reply)))
    with pytest.raises(Malformed):
        await read(client, "mbsec-1", "user")
    await client.close()


async def test_a_secret_is_read_whole_and_its_entries_share_the_read(world: World) -> None:
    world.fake.put("mbsec-1", {"user": "me", "raw": b"\0\xff"})
    client = await world.open()
    assert await read(client, "mbsec-1") == b'{"raw":"AP8=","user":"me"}'
    assert [await read(client, "mbsec-1", name) for name in ("user", "raw")] == [b"me", b"\0\xff"]
    ref = RemoteRef("mbsec-1", "user")
    assert client.mapping(await client.fetch(client.request(ref)), ref) == {"user": b"me", "raw": b"\0\xff"}
    assert client.request(ref) == client.request(RemoteRef("mbsec-1", "raw"))
    await client.close()


async def test_a_version_is_read_where_one_is_named(world: World) -> None:
    world.fake.put("mbsec-1", {"k": "old"}, "v1")
    world.fake.put("mbsec-1", {"k": "new"}, "v2")
    client = await world.open()
    assert [await read(client, "mbsec-1", "k", version) for version in ("", "v1")] == [b"new", b"old"]
    await client.close()


async def test_secrets_versions_and_entries_that_are_not_there_are_not_found(world: World) -> None:
    world.fake.put("mbsec-1", {"k": "v"})
    client = await world.open()
    for key, name, version in (("gone", "", ""), ("mbsec-1", "", "v9"), ("mbsec-1", "other", "")):
        with pytest.raises(SecretNotFound):
            await read(client, key, name, version)
    with pytest.raises(InvalidConfig, match="not implemented"):
        await found(client, Find(name_regexp="."))
    await client.close()


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    (
        (16, AuthExpired, "get secret: auth error: rpc error: code = Unauthenticated"),
        (7, Denied, "get secret: auth error: rpc error: code = PermissionDenied"),
        (14, Unavailable, "get secret: service unavailable: rpc error: code = Unavailable"),
        (4, Timeout, "get secret: deadline exceeded: rpc error: code = DeadlineExceeded"),
        (13, Unavailable, "get secret: internal error: rpc error: code = Internal"),
        (3, InvalidConfig, "get secret: internal error: rpc error: code = InvalidArgument"),
        (8, Throttled, "get secret: internal error: rpc error: code = ResourceExhausted"),
    ),
)
async def test_a_refused_read_is_worded_by_what_ails(world: World, code: int, kind: type[EsoError], words: str) -> None:
    client = await world.open()
    world.fake.fail(refused(code, **{"grpc-message": PLANTED}))
    with pytest.raises(kind) as error:
        await read(client, "mbsec-1")
    assert str(error.value) == words
    await client.close()


@pytest.mark.parametrize(
    "reply",
    (
        pytest.param(number(2, 7), id="entries that are a number"),
        pytest.param(blob(2, b"\xff"), id="an entry that is no message"),
        pytest.param(blob(2, number(1, 7)), id="a key that is a number"),
        pytest.param(blob(2, text(1, "k") + number(12, 7)), id="a text that is a number"),
        pytest.param(blob(2, text(1, "k") + blob(12, b"\xff" + PLANTED.encode())), id="a text that is no UTF-8"),
        pytest.param(blob(2, text(1, "k") + number(13, 7)), id="bytes that are a number"),
        pytest.param(PLANTED.encode() * 9, id="no message"),
    ),
)
async def test_a_reply_of_another_form_is_malformed_and_shows_nothing(world: World, reply: bytes) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body=framed(reply)))
    with pytest.raises(Malformed) as error:
        await read(client, "mbsec-1")
    assert PLANTED not in str(error.value)
    await client.close()


async def test_a_404_of_a_proxy_is_no_absence(world: World) -> None:
    client = await world.open()
    for fault in (Fault(404), replace(refused(12))):
        world.fake.fail(fault)
        with pytest.raises(EsoError) as error:
            await read(client, "mbsec-1")
        assert not isinstance(error.value, SecretNotFound)
    await client.close()


async def test_both_services_are_trusted_by_the_stores_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.server("backend", dns=("localhost",))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.cert, pair.key)
    async with FakeNebius(tls) as fake:
        world = World(fake)
        fake.put("mbsec-1", {"k": "v"})
        with pytest.raises(Unavailable, match="cannot trust"):
            await world.open()
        world.credentials.secrets["ca/ca.crt"] = authority.cert.read_text()
        client = await world.open(caProvider={"certSecretRef": {"name": "ca", "key": "ca.crt"}})
        assert await read(client, "mbsec-1", "k") == b"v"
        await client.close()
        await world.provider.close()
