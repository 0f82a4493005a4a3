"""Logins at Entra ID and at the machine's own metadata service, on a contract server of both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import AuthRejected, InvalidConfig, Malformed, Throttled, Unavailable
from eso.providers.kit import entra
from eso.providers.kit.entra import Certificate, Entra
from eso.runtime.clock import SystemClock
from eso.runtime.offload import Offload
from tests.fakes.azurekv import CLIENT, SECRET, TENANT, FakeAzure
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.env import RecordingPools

AUTHORITY = entra.AUTHORITIES["PublicCloud"]
RESOURCE = "https://vault.azure.net"
SCOPE = f"{RESOURCE}/.default"
KEY = rsa.generate_private_key(65537, 2048)


def certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "eso")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, KEY.public_key(), 1, now, now + timedelta(days=1))
    return made.sign(KEY, hashes.SHA256())


class World:
    def __init__(self, fake: FakeAzure) -> None:
        self.fake, self.pools = fake, RecordingPools(fake.hosts)
        self.pool = self.pools.direct()

    def entra(self, tenant: str = TENANT) -> Entra:
        return Entra(self.pool, "Azure/KeyVault", AUTHORITY, tenant)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeAzure() as fake:
        world = World(fake)
        yield world
        await world.pool.close()


async def test_a_secret_is_exchanged_for_a_token(world: World) -> None:
    token = await world.entra().of_secret(CLIENT, SECRET, SCOPE)
    assert world.fake.tokens[token.value][0] == "https://vault.azure.net"
    assert token.lifetime == 3539.0
    assert world.pools.direct_meant == [f"{AUTHORITY}/tenant-1/oauth2/v2.0/token"]


async def test_an_assertion_is_exchanged_for_a_token(world: World) -> None:
    world.fake.assertions["of-account"] = CLIENT
    assert (await world.entra().of_assertion(CLIENT, "of-account", SCOPE)).value in world.fake.tokens


async def test_a_certificate_signs_an_assertion_that_entra_can_check(world: World) -> None:
    shown = world.fake.certificates[CLIENT] = certificate()
    mine = Certificate(shown.public_bytes(Encoding.DER), KEY)
    clock, offload = SystemClock(), Offload(threads=1)
    token = await world.entra().of_certificate(CLIENT, mine, SCOPE, clock=clock, offload=offload, owner="team-a")
    assert token.value in world.fake.tokens
    with pytest.raises(AuthRejected):
        await world.entra().of_certificate("other", mine, SCOPE, clock=clock, offload=offload, owner="team-a")


@pytest.mark.parametrize(
    ("identity", "member"),
    [
        pytest.param("", "", id="the machine's own"),
        pytest.param("id-1", "client_id", id="a client id"),
        pytest.param("/subscriptions/s/x", "msi_res_id", id="a resource id"),
    ],
)
async def test_the_machine_gives_a_token(world: World, identity: str, member: str) -> None:
    world.fake.identities.add(identity)
    token = await entra.of_machine(world.pool, "Azure/KeyVault", {}, RESOURCE, entra.identity_named(identity))
    assert token.lifetime == 3539.0  # its seconds are a text
    asked = world.fake.asked[0].query
    assert asked == {"api-version": "2018-02-01", "resource": "https://vault.azure.net"} | (
        {member: identity} if member else {}
    )


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        pytest.param(
            Fault(401, body='{"error":"invalid_client","error_codes":[7000215,true,-1,"x"],"error_description":"pw"}'),
            AuthRejected,
            "Entra ID answered 401 Unauthorized: invalid_client (AADSTS7000215)",
            id="a wrong secret",
        ),
        pytest.param(Fault(400, body='{"error":"pw"}'), AuthRejected, "Entra ID answered 400 Bad Request", id="words"),
        pytest.param(Fault(403, body="pw"), AuthRejected, "Entra ID answered 403 Forbidden", id="no JSON"),
        pytest.param(Fault(429, body="[]"), Throttled, "Entra ID answered 429 Too Many Requests", id="throttled"),
        pytest.param(Fault(503, body="{}"), Unavailable, "Entra ID answered 503 Service Unavailable", id="down"),
        pytest.param(Fault(200, body="<pw>"), Malformed, "the server's reply is not JSON", id="a page"),
        pytest.param(
            Fault(302, headers={"Location": "https://evil.example.com/token"}),
            Unavailable,
            "https://login.microsoftonline.com redirects (status 302) where it should answer",
            id="a redirect",
        ),
    ],
)
async def test_a_refusal_is_typed_and_quotes_nothing(world: World, fault: Fault, kind: type, text: str) -> None:
    world.fake.fail(fault)
    with pytest.raises(kind) as refused:
        await world.entra().of_secret(CLIENT, "pw", SCOPE)
    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, AuthRejected), (404, Unavailable), (410, Unavailable), (429, Throttled), (500, Unavailable)],
)
async def test_a_machine_that_gives_no_token(world: World, status: int, kind: type) -> None:
    world.fake.fail(Fault(status, body='{"error":"invalid_request","error_description":"planted"}'))
    with pytest.raises(kind) as refused:
        await entra.of_machine(world.pool, "Azure/KeyVault", {}, RESOURCE, {})
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize("tenant", ["", "..", "."])
async def test_a_tenant_that_is_none_asks_nothing(world: World, tenant: str) -> None:
    with pytest.raises(InvalidConfig):
        await world.entra(tenant).of_secret(CLIENT, SECRET, SCOPE)
    assert world.fake.asked == []


async def test_a_tenant_stays_one_part_of_the_path(world: World) -> None:
    with pytest.raises(AuthRejected):
        await world.entra("a/b?c#d").of_secret(CLIENT, SECRET, SCOPE)
    assert world.pools.direct_meant == [f"{AUTHORITY}/a%2Fb%3Fc%23d/oauth2/v2.0/token"]


async def test_every_await_of_a_login_may_be_cancelled(world: World) -> None:
    async for _ in every_await(lambda: world.entra().of_secret(CLIENT, SECRET, SCOPE)):
        continue
    async for _ in every_await(lambda: entra.of_machine(world.pool, "Azure/KeyVault", {}, RESOURCE, {})):
        continue
    assert (await world.entra().of_secret(CLIENT, SECRET, SCOPE)).value in world.fake.tokens


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"error":{}}', b'{"error":["x"],"error_codes":{}}', b'{"error_codes":[1e400]}', b"[" * 9999]
)
def test_refusals_of_any_shape(body: bytes) -> None:
    for status in (400, 401, 404, 418, 500, 799):
        reply = Reply(status, {}, body)
        assert isinstance(entra.refused(reply), EsoError)
        assert isinstance(entra.refused_by_machine(reply), EsoError)


async def test_the_token_of_the_pod_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-pod\n")
    found: Any = entra.federated(
        {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}
    )
    client, tenant, file = found
    assert (client, tenant, await entra.of_file(file, Offload(threads=1), "")) == ("c", "t", "of-pod")


@pytest.mark.parametrize("missing", entra.VARIABLES)
def test_a_pod_without_one_of_the_variables_has_no_identity(missing: str) -> None:
    assert entra.federated({name: "x" for name in entra.VARIABLES} | {missing: ""}) is None


async def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone"
    with pytest.raises(InvalidConfig) as refused:
        await entra.of_file(str(path), Offload(threads=1), "")
    assert str(refused.value) == f"unable to read token file {path}: open {path}: no such file or directory"
    with pytest.raises(InvalidConfig, match="it is no file that holds a token"):
        await entra.of_file(str(tmp_path), Offload(threads=1), "")


def test_a_certificate_never_prints_its_key() -> None:
    assert "RSAPrivateKey" not in repr(Certificate(b"der", KEY))


def test_an_assertion_holds_nothing_but_its_claims() -> None:
    mine = Certificate(certificate().public_bytes(Encoding.DER), KEY)
    head, claims, _ = entra.assertion_of(mine, CLIENT, "https://a/token", 1_000_000).split(".")
    pad = "=" * 3
    assert set(json.loads(entra.base64.urlsafe_b64decode(head + pad))) == {"alg", "typ", "x5t", "x5c"}
    told = json.loads(entra.base64.urlsafe_b64decode(claims + pad))
    assert (told["nbf"], told["exp"]) == (999_990, 1_000_600)
