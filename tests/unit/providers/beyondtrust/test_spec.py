"""What admission refuses, what makes a login, sessions, certificates, whose credentials are used."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.providers.beyondtrust.spec import SPEC
from eso.providers.contract import (
    AuthRejected,
    Consumer,
    InvalidConfig,
    Malformed,
    RemoteRef,
    Throttled,
    Unavailable,
    Validation,
    ValidationFailed,
)
from tests.fakes.backend import Fault
from tests.fakes.beyondtrust import ADDRESS, API_KEY, CLIENT_ID, CLIENT_SECRET, FakeBeyondtrust
from tests.unit.providers.beyondtrust.conftest import BY_CLIENT, BY_KEY, World, view

NOTHING = "no authentication method configured: set auth.apiKey, or auth.clientId and auth.clientSecret"
FOREIGN = {"secretRef": {"name": "n", "key": "k", "namespace": "other"}}
PAIR = {"certificate": {"value": "c"}, "certificateKey": {"value": "k"}}


@pytest.mark.parametrize(
    ("auth", "server", "words"),
    (
        (BY_KEY, {"apiUrl": "https://"}, "invalid host URL"),
        (BY_KEY, {"apiUrl": "https://user:pass@x/BeyondTrust/api/public/v3"}, "invalid host URL"),
        ({}, {}, NOTHING),
        ({"certificate": {"value": "c"}}, {}, NOTHING),
        ({"clientId": {"value": "x"}}, {}, "both clientId and clientSecret must be set for OAuth authentication"),
        ({"apiKey": {}}, {}, "apiKey: either secretRef or value must be set"),
        (BY_CLIENT | {"clientSecret": {}}, {}, "clientSecret: either secretRef or value must be set"),
        (BY_KEY | PAIR | {"certificate": {}}, {}, "certificate: either secretRef or value must be set"),
        ({"apiKey": {"value": "v"} | BY_KEY["apiKey"]}, {}, "apiKey: cannot specify both value and reference"),
        ({"apiKey": {"secretRef": {"name": "n"}}}, {}, "apiKey: must specify a secret key"),
        ({"apiKey": {"secretRef": {"key": "k"}}}, {}, "apiKey: must specify a secret name"),
        ({"apiKey": FOREIGN}, {}, "namespace should either be empty or match the namespace of the SecretStore for a"),
    ),
)
def test_admission_refuses(auth: dict[str, Any], server: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(auth=auth, **server))
    assert str(error.value).startswith(words)
    assert "pass" not in str(error.value)


def test_a_certificate_without_its_key_is_warned_of_and_ignored() -> None:
    assert SPEC.check(view(auth=BY_KEY | PAIR)) == []
    for member in PAIR:
        alone = view(auth=BY_KEY | {member: FOREIGN})
        assert SPEC.check(alone) == ["certificate and certificateKey must both be set: the one alone is ignored"]
        assert SPEC.plan(alone) == SPEC.plan(view())


@pytest.mark.parametrize(
    ("server", "words"),
    (
        ({"apiUrl": ADDRESS.replace("https", "http")}, "error in Inputs: apiUrl must be https and hold"),
        ({"apiUrl": ADDRESS.lower()}, "error in Inputs: apiUrl must be https and hold"),
        ({"apiUrl": "https://host/other"}, "error in Inputs: apiUrl must be https and hold"),
        ({"apiVersion": "3"}, "error in Inputs: apiVersion must have 3 characters"),
        ({"clientTimeOutSeconds": 301}, "error in Inputs: clientTimeOutSeconds is not between 1 and 300"),
        ({"clientTimeOutSeconds": -1}, "error in Inputs: clientTimeOutSeconds is not between 1 and 300"),
    ),
)
def test_what_admission_lets_pass_can_still_never_work(server: dict[str, Any], words: str) -> None:
    assert SPEC.check(view(**server)) == []
    with pytest.raises(InvalidConfig) as error:
        SPEC.plan(view(**server))
    assert str(error.value).startswith(words)


def test_kinds_of_secrets_share_a_login_and_credentials_and_trust_do_not() -> None:
    one = SPEC.plan(view())
    assert one.endpoint == ADDRESS
    for same in ({"retrievalType": None}, {"separator": "."}, {"apiVersion": "3.1"}, {"clientTimeOutSeconds": 0}):
        assert SPEC.plan(view(**same)) == one
    for other in ({"verifyCA": False}, {"clientTimeOutSeconds": 5}):
        assert SPEC.plan(view(**other)) != one
    assert SPEC.plan(view(auth=BY_CLIENT)) != one
    assert SPEC.plan(view(auth=BY_CLIENT | BY_KEY)) == one
    assert one.references == (("Secret", "", "login"),)


async def test_a_cluster_store_without_a_namespace_signs_in_for_each_consumer(world: World) -> None:
    assert SPEC.check(view("ClusterSecretStore")) == []
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    assert SPEC.plan(view("ClusterSecretStore", {"apiKey": {"value": API_KEY}})).consumer is Consumer.NONE
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("a/b")))
    await client.close()
    assert world.fake.asked == []


# sessions


async def test_an_api_key_signs_in_and_the_cookies_are_what_counts_from_then_on(world: World) -> None:
    world.fake.put("db", "secret")
    client = await world.open()
    ref = RemoteRef("shop/db")
    assert client.value(await client.fetch(client.request(ref)), ref) == b"secret"
    assert world.fake.asked[0].headers["Authorization"] == f"PS-Auth key={API_KEY}"
    assert "Authorization" not in world.fake.asked[1].headers
    assert world.fake.asked[1].headers["Cookie"].endswith("; balancer=b1")
    assert client.lifetime is None
    await client.close()
    assert world.fake.tokens == set()
    assert world.fake.asked[-1].path.endswith("/Auth/Signout")


async def test_a_client_signs_in_with_a_token(world: World) -> None:
    client = await world.open(auth=BY_CLIENT)
    assert [asked.path.rpartition("/")[2] for asked in world.fake.asked] == ["token", "SignAppIn"]
    assert world.fake.asked[1].headers["Authorization"].startswith("Bearer ")
    await client.close()


@pytest.mark.parametrize("body", ("[]", "{", '{"UserId": "7"}'))
async def test_a_sign_in_whose_reply_is_malformed_leaves_no_session_behind(world: World, body: str) -> None:
    world.fake.tokens.add("made")
    cookie = {"Set-Cookie": "ASP.NET_SessionId=made; path=/"}
    world.fake.fail(Fault(200, body=body, headers=cookie, path="SignAppIn$"))
    with pytest.raises(Malformed):
        await world.open()
    assert world.fake.asked[-1].path.endswith("/Auth/Signout")
    assert world.fake.tokens == set()


async def test_a_sign_out_that_fails_is_nobodys_business(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(500, path="Signout", times=3))
    await client.close()
    assert len(world.fake.tokens) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    (
        (Fault(401, body=f'"{API_KEY}"'), AuthRejected),
        (Fault(403, body="{}"), AuthRejected),
        (Fault(404, body="<html>"), AuthRejected),
        (Fault(400, echo=True), AuthRejected),
        (Fault(429, headers={"Retry-After": "7"}), Throttled),
        (Fault(503), Unavailable),
        (Fault(200, body="<html>"), Malformed),
        (Fault(200, body="[]"), Malformed),
        (Fault(200, body='{"UserId":"7"}'), Malformed),
        (Fault(200, body='{"UserId":true}'), Malformed),
    ),
)
async def test_a_sign_in_that_fails_is_told_and_shows_no_key(world: World, fault: Fault, kind: type[EsoError]) -> None:
    fault.path = "SignAppIn"
    world.fake.fail(fault)
    with pytest.raises(kind) as error:
        await world.open()
    assert "planted" not in f"{error.value}{error.value.fix}"


@pytest.mark.parametrize("body", ('{"access_token":7}', "{}", '{"access_token":"a\\nb"}', '{"access_token":""}'))
async def test_a_token_that_is_none_signs_nobody_in(world: World, body: str) -> None:
    world.fake.fail(Fault(200, body=body))
    with pytest.raises(Malformed):
        await world.open(auth=BY_CLIENT)
    assert len(world.fake.asked) == 1


async def test_cookies_that_no_header_can_carry_are_left_out(world: World) -> None:
    cookies = "bad name=x; path=/"
    world.fake.fail(Fault(200, body='{"UserId":7}', headers={"Set-Cookie": cookies}))
    client = await world.open()
    await client.close()
    assert "Cookie" not in world.fake.asked[-1].headers


@pytest.mark.parametrize(
    ("auth", "words"),
    (
        ({"apiKey": {"value": "short"}}, "error in Inputs: apiKey does not have 128 to 263 characters"),
        ({"apiKey": {"value": "x" * 264}}, "error in Inputs: apiKey does not have 128 to 263 characters"),
        (
            BY_CLIENT | {"clientId": {"value": CLIENT_ID[:-1]}},
            "error in Inputs: clientId does not have 36 to 36 characters",
        ),
        (
            BY_CLIENT | {"clientSecret": {"value": CLIENT_SECRET[:9]}},
            "error in Inputs: clientSecret does not have 36 to 64 characters",
        ),
        (BY_KEY | PAIR, "error in Inputs: certificate is no PEM of at most 4096 characters"),
    ),
)
async def test_credentials_that_can_be_none_are_refused_before_anything_is_asked(
    world: World, auth: dict[str, Any], words: str
) -> None:
    with pytest.raises(AuthRejected) as error:
        await world.open(auth=auth)
    assert str(error.value) == words
    assert world.fake.asked == []


async def test_a_port_that_nobody_listens_at_makes_a_store_that_is_not_valid(world: World) -> None:
    client = await world.open()
    assert await client.validate() is Validation.READY
    await world.fake.stop()
    with pytest.raises(ValidationFailed, match=r"^error accessing external store: "):
        await client.validate()
    await client.close()


# certificates


async def test_a_client_certificate_is_shown_and_the_servers_need_not_be_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, own = authority.server("pam", dns=("localhost",)), authority.client("eso", "eso")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.cert))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(pair.cert, pair.key)
    key = load_pem_private_key(own.key.read_bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    certificates = {"certificate": {"value": own.cert.read_text()}, "certificateKey": {"value": pem}}
    async with FakeBeyondtrust(tls) as fake:
        world = World(fake)
        with pytest.raises(Unavailable, match="cannot trust"):
            await world.open(auth=BY_KEY | certificates)
        client = await world.open(auth=BY_KEY | certificates, verifyCA=False)
        assert len(fake.tokens) == 1
        await client.close()
        await world.provider.close()


@pytest.mark.parametrize("verify", (True, False))
async def test_a_certificate_that_is_none_is_told_without_showing_it(world: World, verify: bool) -> None:
    framed = {
        "certificate": {"value": "-----BEGIN CERTIFICATE-----\nplanted\n-----END CERTIFICATE-----\n"},
        "certificateKey": {"value": "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----\n"},
    }
    with pytest.raises(InvalidConfig, match="cannot use the client certificate") as error:
        await world.open(auth=BY_KEY | framed, verifyCA=verify)
    assert "planted" not in f"{error.value}{error.value.fix}"
