"""Keys of users, sessions of machines and of pods: whose they are, where they go, when they end."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from eso.net.http import TlsError
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    InvalidConfig,
    Malformed,
    RemoteRef,
    Throttled,
    Unavailable,
    Validation,
)
from eso.providers.oracle import principals
from eso.providers.oracle.client import Client
from eso.providers.oracle.connect import Connector, straight
from tests.fakes import front as front_module
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock
from tests.fakes.front import Front
from tests.fakes.oracle import REGION, VAULT, key, pem
from tests.unit.providers.oracle.conftest import ACCOUNTS, KEYS, World

INSTANCE = {"auth": None, "principalType": "InstancePrincipal"}
WORKLOAD = {"auth": None, "principalType": "Workload"}
OF_ACCOUNT = WORKLOAD | {"serviceAccountRef": ACCOUNTS}


async def read(client: Client) -> bytes:
    ref = RemoteRef("db")
    return client.value(await client.fetch(client.request(ref)), ref)


@pytest.mark.parametrize("block", (INSTANCE, WORKLOAD, OF_ACCOUNT), ids=("instance", "workload", "account"))
async def test_a_session_reads_and_ends_five_minutes_early(world: World, block: dict[str, Any]) -> None:
    world.fake.put("db", b"value")
    world.credentials.environ = {}
    client = await world.open(**block)
    assert client.lifetime is not None
    assert 2400 < client.lifetime <= 3300  # the clock runs meanwhile
    assert await read(client) == b"value"
    await client.close()


async def test_a_key_of_a_user_does_not_end(world: World) -> None:
    client = await world.open()
    assert client.lifetime is None
    await client.close()


@pytest.mark.parametrize("block", (INSTANCE, WORKLOAD), ids=("instance", "workload"))
async def test_a_store_that_may_not_use_the_operators_identity_is_refused(world: World, block: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match="this store may not use the operator's own cloud identity"):
        await world.open(**block)
    assert world.fake.asked == []


async def test_an_account_of_the_store_needs_no_leave_and_its_token_is_for_the_cluster(world: World) -> None:
    await (await world.open(**OF_ACCOUNT)).close()
    assert world.credentials.audiences == [("api", "more")]


async def test_the_machines_own_services_are_reached_past_the_proxies_and_trust_the_cluster(world: World) -> None:
    world.credentials.environ = {}
    await (await world.open(**INSTANCE)).close()
    await (await world.open(**WORKLOAD)).close()
    world_ = world.provider.world
    assert {url.split("/")[2] for url in world_.direct_meant} == {"169.254.169.254", "10.96.0.1:12250"}
    assert world_.meant == [f"https://auth.{REGION}.oraclecloud.com/v1/x509"]
    assert world.provider.authorities == [None, b"authority of the cluster"]
    with pytest.raises(TlsError):
        straight(b"no authority")


async def test_the_metadata_service_is_the_operators_choice(world: World) -> None:
    world.credentials.environ = {"OCI_METADATA_BASE_URL": "http://169.254.169.254/opc/v2/"}
    world.fake.region = "eu-frankfurt-1\n"
    await (await world.open(**INSTANCE)).close()


async def test_without_a_cluster_there_is_no_workload(world: World) -> None:
    world.credentials.environ = {}
    world.provider.environ.pop("KUBERNETES_SERVICE_HOST")
    with pytest.raises(InvalidConfig, match="the operator runs in no cluster of OKE"):
        await world.open(**OF_ACCOUNT)
    assert world.fake.asked == []


async def test_a_cluster_that_is_not_enhanced_is_told_so(world: World) -> None:
    world.credentials.tokens["reader"] = "another"
    with pytest.raises(AuthRejected) as error:
        await world.open(**OF_ACCOUNT)
    assert error.value.fix == "ensure the cluster type is enhanced"
    assert "planted" not in str(error.value)


async def test_a_cluster_store_whose_key_is_each_consumers_is_valid(world: World) -> None:
    world.credentials.namespace = ""
    for block in ({"auth": KEYS}, OF_ACCOUNT):
        client = await world.open("ClusterSecretStore", **block)
        assert await client.validate() is Validation.UNKNOWN
        await client.close()
    assert world.fake.asked == []


@pytest.mark.parametrize(
    ("place", "value"),
    (
        ("login/key", "planted: no PEM"),
        ("login/key", "-----BEGIN RSA PRIVATE KEY-----\nplanted\n-----END RSA PRIVATE KEY-----\n"),
        ("login/fingerprint", "planted\n"),
        ("login/fingerprint", 'planted",algorithm="none'),
        ("login/fingerprint", ""),
    ),
)
async def test_a_credential_that_is_none_is_refused_without_showing_it(world: World, place: str, value: str) -> None:
    world.credentials.secrets[place] = value
    with pytest.raises(InvalidConfig) as error:
        await world.open()
    assert "planted" not in f"{error.value}{error.value.fix}"
    assert world.fake.asked == []


@pytest.mark.parametrize("member", ("tenancy", "user"))
async def test_names_of_a_user_cannot_change_the_signature(world: World, member: str) -> None:
    for value in ('x",headers="date', "a/b", "a\nb"):
        with pytest.raises(InvalidConfig):
            await world.open(auth=KEYS | {member: value})
    assert world.fake.asked == []


async def test_a_key_that_is_not_registered_ends_the_login(world: World) -> None:
    world.credentials.secrets["login/key"] = pem("stranger")
    client = await world.open()
    with pytest.raises(AuthExpired):
        await read(client)
    await client.close()


async def test_a_clock_that_is_wrong_ends_the_login(world: World) -> None:
    world.fake.now = lambda: datetime.now(UTC) + timedelta(minutes=10)
    client = await world.open()
    with pytest.raises(AuthExpired) as error:
        await read(client)
    assert "is the clock right?" in error.value.fix
    await client.close()


def token(**claims: Any) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"


@pytest.mark.parametrize(
    ("told", "kind"),
    (
        ({}, Malformed),
        ([], Malformed),
        ({"token": 7}, Malformed),
        ({"token": ""}, Malformed),
        ({"token": "no-jwt"}, Malformed),
        ({"token": "a.%%%.c"}, Malformed),
        ({"token": f'{token(exp=9e9)}"x'}, Malformed),
        ({"token": f"{token(exp=9e9)}\n"}, Malformed),
        ({"token": token()}, Malformed),
        ({"token": token(exp=True)}, Malformed),
        ({"token": token(exp="soon")}, Malformed),
        ({"token": token(exp=7)}, AuthRejected),
        ({"token": token(exp=1e300)}, AuthRejected),
    ),
)
async def test_a_session_that_lies_is_refused(world: World, told: Any, kind: type) -> None:
    world.credentials.environ = {}
    world.fake.fail(Fault(200, body=json.dumps(told), path="/v1/x509"))
    with pytest.raises(kind) as error:
        await world.open(**INSTANCE)
    assert "e30" not in str(error.value)


@pytest.mark.parametrize(
    "reply",
    (
        "{}",
        '"%%%"',
        '"é"',
        json.dumps(base64.b64encode(b'{"token":7}').decode()),
        json.dumps(base64.b64encode(json.dumps({"token": token(exp=9e9)}).encode()).decode()),
        "<html>",
    ),
    ids=("no text", "no base64", "no ASCII", "no token", "without its prefix", "a page"),
)
async def test_a_cluster_that_lies_is_malformed(world: World, reply: str) -> None:
    world.fake.fail(Fault(200, body=reply, path="/resourcePrincipalSessionTokens"))
    with pytest.raises(Malformed):
        await world.open(**OF_ACCOUNT)


@pytest.mark.parametrize("path", ("instance/region", "cert.pem", "key.pem"))
@pytest.mark.parametrize("body", ("", "<html>", "../x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"))
async def test_a_metadata_service_that_lies_is_malformed(world: World, path: str, body: str) -> None:
    world.credentials.environ = {}
    world.fake.fail(Fault(200, body=body, path=path))
    with pytest.raises(Malformed):
        await world.open(**INSTANCE)
    assert world.fake.count("/v1/x509") == 0


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    (
        ("/opc/", 404, Unavailable),
        ("/opc/", 503, Unavailable),
        ("/opc/", 401, AuthRejected),
        ("/v1/x509", 401, AuthRejected),
        ("/v1/x509", 404, AuthRejected),
        ("/v1/x509", 429, Throttled),
        ("/v1/x509", 500, Unavailable),
    ),
)
async def test_a_refused_session_has_its_class(world: World, path: str, status: int, kind: type) -> None:
    world.credentials.environ = {}
    world.fake.fail(Fault(status, body='{"code":"planted"}', path=path))
    with pytest.raises(kind) as error:
        await world.open(**INSTANCE)
    assert "planted" not in str(error.value)


@pytest.mark.parametrize("block", (INSTANCE, OF_ACCOUNT), ids=("instance", "account"))
async def test_every_await_of_a_login_may_be_cancelled_and_leaves_no_socket(
    world: World, block: dict[str, Any]
) -> None:
    world.credentials.environ = {}

    async def opened() -> None:
        await (await world.open(**block)).close()

    async for _ in every_await(opened):
        continue
    await opened()
    assert all(pool._session is None for pool in world.provider.world.opened)


async def test_sessions_that_end_are_replaced_without_a_failed_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signatures and tokens go by the virtual clock here, and the server's as well."""
    clock = VirtualClock(datetime.now(UTC))
    monkeypatch.setattr(front_module, "load", lambda _, env: Connector(env, world.provider.direct))
    world.fake.now = clock.now
    world.fake.skew = 24 * 3600.0  # a login may be on its way while this clock jumps
    world.fake.put("db", b"value")
    spec = {"provider": {"oracle": {"region": REGION, "vault": VAULT, "principalType": "InstancePrincipal"}}}
    swift = {"extensions.external-secrets.io/requests-per-second": "1000"}
    meta = {"name": "store", "namespace": "team-a", "annotations": swift}
    store = {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": meta, "spec": spec}
    async with (front := Front(world.provider, [store], clock=clock)).running():
        for _ in range(36):
            call = asyncio.ensure_future(front.read("db"))
            while not call.done():  # the gate waits for this clock, the sockets for the real one
                await clock.advance(0.01)
                await asyncio.wait([call], timeout=0.001)
            assert call.result() == b"value"
            clock.jump(400.0)
    assert 4 <= world.fake.count("/v1/x509") < 36


def test_a_new_key_is_of_the_length_that_the_vendor_wants() -> None:
    assert principals.KEY_BITS == 2048
    assert "planted" not in repr(principals.session_of(token(exp=9e9), key("session"), datetime.now(UTC)))
