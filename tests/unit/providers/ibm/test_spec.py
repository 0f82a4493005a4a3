"""What admission refuses, what makes a login, whose credentials are used and where they go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    AuthRejected,
    Consumer,
    InvalidConfig,
    Malformed,
    Quota,
    RemoteRef,
    Retries,
    Unavailable,
    Validation,
)
from eso.providers.ibm.spec import SPEC
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.ibm import IAM, INSTANCE, POD, PROFILE
from tests.unit.providers.ibm.conftest import BY_KEY, REF, World, view

URL = f"https://{INSTANCE}"


def by_key(**more: Any) -> dict[str, Any]:
    return {"secretRef": BY_KEY["secretRef"] | more}


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({}, "serviceURL is required"),
        ({"serviceUrl": ""}, "serviceURL is required"),
        ({"serviceUrl": "ftp://x"}, "serviceUrl is no address"),
        ({"serviceUrl": "https://me:planted@x"}, "serviceUrl is no address"),
        ({"serviceUrl": URL, "auth": {}}, "missing auth method"),
        ({"serviceUrl": URL, "auth": BY_KEY | {"containerAuth": {"profile": "p"}}}, "too many auth methods defined"),
        ({"serviceUrl": URL, "auth": {"containerAuth": {"profile": ""}}}, "container auth profile cannot be empty"),
        ({"serviceUrl": URL, "auth": {"secretRef": {}}}, "secretAPIKey.name cannot be empty"),
        ({"serviceUrl": URL, "auth": by_key(secretApiKeySecretRef={"name": "n"})}, "secretAPIKey.key cannot be empty"),
        ({"serviceUrl": URL, "auth": by_key(iamEndpoint="iam")}, "iamEndpoint is no address"),
        (
            {"serviceUrl": URL, "auth": by_key(secretApiKeySecretRef=REF | {"namespace": "other"})},
            "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore",
        ),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value) == words


def test_a_login_is_its_credential_and_its_servers() -> None:
    one = SPEC.plan(view(serviceUrl=f"{URL}/"))
    assert SPEC.check(view(serviceUrl=URL)) == []
    assert SPEC.plan(view(serviceUrl=URL)) == one
    assert (one.endpoint, one.quota, one.pace) == (URL, Quota.ENDPOINT, 20.0)
    assert one.references == (("Secret", "", "login"),)
    assert SPEC.plan(view(serviceUrl=URL, auth=by_key(iamEndpoint="https://other"))) != one
    assert SPEC.plan(view(serviceUrl="https://other")) != one


@pytest.mark.parametrize(
    ("settings", "expected"),
    (
        (None, Retries()),
        ({}, Retries(3, 5.0)),
        ({"maxRetries": 7}, Retries(7, 5.0)),
        ({"maxRetries": 0, "retryInterval": "10s"}, Retries(0, 10.0)),
    ),
)
def test_retries_are_those_of_the_store(settings: dict[str, Any] | None, expected: Retries) -> None:
    assert SPEC.plan(view(serviceUrl=URL, retries=settings)).retries == expected


def test_an_interval_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidConfig):
        SPEC.plan(view(serviceUrl=URL, retries={"retryInterval": "soon"}))


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.check(view("ClusterSecretStore", serviceUrl=URL)) == []
    assert SPEC.plan(view("ClusterSecretStore", serviceUrl=URL)).consumer is Consumer.CREDENTIALS
    named = by_key(secretApiKeySecretRef=REF | {"namespace": "ops"})
    assert SPEC.plan(view("ClusterSecretStore", serviceUrl=URL, auth=named)).consumer is Consumer.NONE
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("default/kv/app")))
    assert world.fake.asked == []
    await client.close()


async def test_a_token_lives_a_minute_less_than_iam_says(world: World) -> None:
    client = await world.open()
    assert client.lifetime == 3540.0
    assert await client.validate() is Validation.READY
    await client.close()


async def test_an_api_key_that_iam_does_not_know_is_rejected_without_showing_it(world: World) -> None:
    world.credentials.secrets["login/key"] = "planted-other-key"
    with pytest.raises(AuthRejected) as error:
        await world.open()
    assert str(error.value) == "IBM Cloud IAM answered 400 Bad Request (BXNIM0415E)"


@pytest.mark.parametrize(
    "reply",
    (
        "[]",
        "{}",
        '{"access_token":7,"expires_in":3600}',
        '{"access_token":"a\\nb","expires_in":3600}',
        '{"access_token":"t"}',
        '{"access_token":"t","expires_in":true}',
        "<html>",
    ),
)
async def test_a_login_reply_that_lies_is_malformed(world: World, reply: str) -> None:
    world.fake.fail(Fault(200, body=reply))
    with pytest.raises(Malformed):
        await world.open()


async def test_iam_that_fails_rejects_nobody(world: World) -> None:
    world.fake.fail(Fault(503))
    with pytest.raises(Unavailable):
        await world.open()


async def test_every_await_of_a_login_may_be_cancelled(world: World) -> None:
    async def opened() -> None:
        await (await world.open()).close()

    async for _ in every_await(opened):
        continue
    await opened()


# the operator's own identity


@pytest.fixture
def mounted(tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "vault-token"
    file.write_text(f"{POD}\n")
    return {"profile": PROFILE, "tokenLocation": str(file)}


async def test_the_pods_token_is_exchanged_for_a_trusted_profile(world: World, mounted: dict[str, Any]) -> None:
    world.credentials.environ = {}
    id = world.fake.put("arbitrary", "db", payload="value")
    for kind, auth in (
        ("SecretStore", mounted),
        ("SecretStore", mounted | {"iamEndpoint": f"https://{IAM}"}),
        ("ClusterSecretStore", mounted | {"iamEndpoint": world.fake.address}),
    ):
        client = await world.open(kind, auth={"containerAuth": auth})
        ref = RemoteRef(id)
        assert client.value(await client.fetch(client.request(ref)), ref) == b"value"
        await client.close()


@pytest.mark.parametrize(
    ("member", "address"),
    (
        ("iamEndpoint", "https://iam.cloud.ibm.com.example.org"),
        ("iamEndpoint", "https://xiam.cloud.ibm.com"),
        ("iamEndpoint", "http://iam.cloud.ibm.com"),
        ("serviceUrl", "https://example.org"),
        ("serviceUrl", "https://mine.eu-de.containers.appdomain.cloud"),
        ("serviceUrl", "https://secrets-manager.appdomain.cloud"),
        ("serviceUrl", f"http://{INSTANCE}"),
    ),
)
async def test_the_author_of_a_secret_store_leads_the_pods_token_to_no_server_of_his_own(
    world: World, mounted: dict[str, Any], member: str, address: str
) -> None:
    world.credentials.environ = {}
    auth = {"containerAuth": mounted | ({"iamEndpoint": address} if member == "iamEndpoint" else {})}
    block = {"serviceUrl": address} if member == "serviceUrl" else {}
    with pytest.raises(InvalidConfig, match="a SecretStore cannot show the operator's own identity"):
        await world.open(auth=auth, **block)
    assert world.fake.asked == []


async def test_a_store_that_may_not_use_the_operators_identity_is_refused(
    world: World, mounted: dict[str, Any]
) -> None:
    with pytest.raises(InvalidConfig, match="this store may not use the operator's own cloud identity"):
        await world.open(auth={"containerAuth": mounted})
    assert world.fake.asked == []


@pytest.mark.parametrize(
    "path", ("/nowhere/vault-token", "/dev/zero", "/var/run/secrets/kubernetes.io/serviceaccount/token")
)
async def test_a_file_that_is_no_token_of_the_pod_is_refused(world: World, path: str) -> None:
    world.credentials.environ = {}
    with pytest.raises(EsoError, match=f"^cannot read container auth token {path}. "):
        await world.open(auth={"containerAuth": {"profile": PROFILE, "tokenLocation": path}})
    assert world.fake.asked == []
