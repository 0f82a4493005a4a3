"""What admission refuses, what makes a login, the role of the operator's pod, and signatures."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Consumer,
    InvalidConfig,
    Malformed,
    RemoteRef,
    Unavailable,
    Validation,
)
from eso.providers.kit.http import Unsigned
from eso.providers.volcengine.client import Client
from eso.providers.volcengine.signing import Keys, headers
from eso.providers.volcengine.spec import SPEC
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.volcengine import ACCESS, POD, ROLE, SECRET
from tests.unit.providers.volcengine.conftest import ID, KEY, STATIC, World, view

WRONG = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
OTHER = {"namespace": "other"}


def static(**refs: Any) -> dict[str, Any]:
    return {"auth": {"secretRef": {"accessKeyID": ID, "secretAccessKey": KEY} | refs}}


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"region": ""}, "region is required"),
        ({"region": "cn/beijing"}, "region is no region of Volcengine"),
        ({"region": "x.example.org"}, "region is no region of Volcengine"),
        ({"auth": {}}, "SecretRef is required when using static credentials"),
        (static(accessKeyID=ID | OTHER), f"invalid AccessKeyID: {WRONG}"),
        (static(secretAccessKey=KEY | OTHER), f"invalid SecretAccessKey: {WRONG}"),
        (static(token=KEY | OTHER), f"invalid Token: {WRONG}"),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value) == words


def test_a_login_is_its_keys_in_a_region() -> None:
    assert SPEC.check(view()) == SPEC.check(view(**static())) == []
    one = SPEC.plan(view(**static()))
    assert one.endpoint == "https://open.volcengineapi.com"
    assert one.references == (("Secret", "", "login"),)
    plans = [one, SPEC.plan(view()), SPEC.plan(view(region="cn-shanghai", **static()))]
    plans.append(SPEC.plan(view(region="cn-beijing-selfdrive", **static())))
    assert len({repr(plan) for plan in plans}) == 4
    assert plans[-1].endpoint == "https://kms.cn-beijing-selfdrive.volcengineapi.com"


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.plan(view("ClusterSecretStore", **static())).consumer is Consumer.CREDENTIALS
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.NONE
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    await client.close()
    assert world.fake.asked == []


async def read(client: Client) -> bytes:
    ref = RemoteRef("db")
    return client.value(await client.fetch(client.request(ref)), ref)


async def test_temporary_keys_send_their_token(world: World) -> None:
    world.fake.put("db", "value")
    world.fake.keys[ACCESS] = (SECRET, "planted-session-token", None)
    world.credentials.secrets["login/token"] = "planted-session-token"
    client = await world.open(**static(token={"name": "login", "key": "token"}))
    assert await read(client) == b"value"
    assert client.lifetime is None
    await client.close()


@pytest.mark.parametrize(("place", "value"), (("id", "planted\n"), ("secret", ""), ("secret", "planted\u00e9")))
async def test_keys_that_are_none_are_refused_without_showing_them(world: World, place: str, value: str) -> None:
    world.credentials.secrets[f"login/{place}"] = value
    with pytest.raises(InvalidConfig) as error:
        await world.open()
    assert "planted" not in str(error.value)


async def test_a_wrong_key_or_clock_ends_the_login(world: World) -> None:
    client = await world.open()
    world.fake.now = lambda: datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(AuthExpired):
        await read(client)
    await client.close()


# the role of the operator's pod


@pytest.fixture
def pod(world: World, tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "token"
    file.write_text(f"{POD}\n")
    environ = {"VOLCENGINE_OIDC_TOKEN_FILE": str(file), "VOLCENGINE_OIDC_ROLE_TRN": ROLE}
    world.credentials.environ = environ
    return environ


async def of_pod(world: World) -> Client:
    client = await world.provider.open(view(), world.credentials)
    assert isinstance(client, Client)
    return client


async def test_the_pods_token_becomes_keys_that_end(world: World, pod: dict[str, str]) -> None:
    world.fake.put("db", "value")
    client = await of_pod(world)
    assert client.lifetime is not None
    assert 2400 < client.lifetime <= 3600  # the clock runs meanwhile
    assert await client.validate() is Validation.READY
    assert await read(client) == b"value"
    await client.close()


async def test_the_operators_environment_names_session_policy_and_server(world: World, pod: dict[str, str]) -> None:
    pod["VOLCENGINE_OIDC_ROLE_SESSION_NAME"], pod["VOLCENGINE_OIDC_ROLE_POLICY"] = "eso", '{"Statement":[]}'
    pod["VOLCENGINE_OIDC_STS_ENDPOINT"] = "sts.example.org"
    world.provider.pools.hosts["sts.example.org"] = world.fake.address
    await (await of_pod(world)).close()
    assert "RoleSessionName=eso" in world.fake.asked[0].text
    assert "Policy=%7B" in world.fake.asked[0].text


async def test_a_store_that_may_not_use_the_operators_identity_is_refused(world: World) -> None:
    with pytest.raises(InvalidConfig, match="this store may not use the operator's own cloud identity"):
        await of_pod(world)
    assert world.fake.asked == []


@pytest.mark.parametrize("name", ("VOLCENGINE_OIDC_TOKEN_FILE", "VOLCENGINE_OIDC_ROLE_TRN"))
async def test_a_pod_without_a_role_is_told(world: World, pod: dict[str, str], name: str) -> None:
    del pod[name]
    with pytest.raises(InvalidConfig, match="VOLCENGINE_OIDC_TOKEN_FILE and VOLCENGINE_OIDC_ROLE_TRN must be set"):
        await of_pod(world)
    pod["VOLCENGINE_OIDC_TOKEN_FILE"], pod["VOLCENGINE_OIDC_ROLE_TRN"] = "/nowhere", ROLE
    with pytest.raises(InvalidConfig, match="the file that VOLCENGINE_OIDC_TOKEN_FILE names cannot be read"):
        await of_pod(world)


async def test_a_role_that_may_not_be_taken_is_rejected(world: World, pod: dict[str, str]) -> None:
    pod["VOLCENGINE_OIDC_ROLE_TRN"] = "another"
    with pytest.raises(AuthRejected) as error:
        await of_pod(world)
    assert str(error.value) == "Volcengine answered 403 Forbidden (AccessDenied)"
    world.fake.fail(Fault(503))
    with pytest.raises(Unavailable):
        await of_pod(world)


KEYS = {"AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2030-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("keys", "kind"),
    (
        ([], Malformed),
        (KEYS | {"AccessKeyId": 7}, Malformed),
        (KEYS | {"SessionToken": ""}, Malformed),
        (KEYS | {"SecretAccessKey": "a\nb"}, Malformed),
        (KEYS | {"Expiration": "soon"}, Malformed),
        (KEYS | {"Expiration": "2030-01-01T00:00:00"}, Malformed),
        (KEYS | {"Expiration": "2001-01-01T00:00:00+08:00"}, AuthRejected),
    ),
)
async def test_keys_that_lie_are_refused(world: World, pod: dict[str, str], keys: Any, kind: type) -> None:
    world.fake.fail(Fault(200, body=json.dumps({"Result": {"Credentials": keys}})))
    with pytest.raises(kind):
        await of_pod(world)


async def test_every_await_of_a_login_may_be_cancelled(world: World, pod: dict[str, str]) -> None:
    async def opened() -> None:
        await (await of_pod(world)).close()

    async for _ in every_await(opened):
        continue
    await opened()
    assert all(pool._session is None for pool in world.provider.pools.opened)


def test_a_signature_goes_by_universal_time_and_prints_no_key() -> None:
    keys = Keys("AKLT", "planted-secret", "planted-token")
    request = Unsigned("POST", "h", "/?Action=A&Version=1", {"Content-Type": "application/json"}, b"{}")
    there = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone(timedelta(hours=8)))
    signed = headers(keys, "cn-beijing", "kms", request, there)
    assert signed == headers(keys, "cn-beijing", "kms", request, there.astimezone(UTC))
    assert signed["X-Date"] == "20240505T230809Z"
    scope, names = "AKLT/20240505/cn-beijing/kms/request", "content-type;host;x-content-sha256;x-date;x-security-token"
    assert signed["Authorization"].startswith(f"HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature=")
    assert "planted" not in repr(keys)
    assert static()["auth"] == STATIC
