"""What admission refuses, what makes a login, whose credentials are used, tokens that are exchanged."""

from __future__ import annotations

from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import (
    AuthRejected,
    Consumer,
    InvalidConfig,
    Malformed,
    RemoteRef,
    Throttled,
    Unavailable,
    Validation,
)
from eso.providers.pulumi.spec import SPEC
from tests.fakes.backend import Fault
from tests.unit.providers.pulumi.conftest import BY_ACCOUNT, BY_TOKEN, TOKEN_REF, World, view

FOREIGN = {"name": "n", "key": "k", "namespace": "other"}
METHODS = "exactly one of auth.accessToken, auth.oidcConfig or the deprecated accessToken must be specified"
ACCOUNT = "planted-account-token"


@pytest.mark.parametrize(
    ("block", "words"),
    (
        ({"organization": ""}, "organization is required"),
        ({"environment": None}, "environment is required"),
        ({"project": ""}, "project is required"),
        ({"auth": None}, METHODS),
        ({"auth": {}}, METHODS),
        ({"accessToken": TOKEN_REF}, METHODS),
        ({"auth": BY_TOKEN | BY_ACCOUNT}, METHODS),
        ({"auth": {"accessToken": {}}}, "secretRef.name is required"),
        ({"auth": {"accessToken": {"secretRef": {"name": "n"}}}}, "secretRef.key is required"),
        ({"auth": {"accessToken": {"secretRef": FOREIGN}}}, "namespace should either be empty or match"),
        ({"auth": {"oidcConfig": {}}}, "oidcConfig.organization is required"),
        ({"auth": {"oidcConfig": {"organization": "o"}}}, "oidcConfig.serviceAccountRef.name is required"),
        (
            {"auth": {"oidcConfig": {"organization": "o", "serviceAccountRef": FOREIGN}}},
            "namespace should either be empty or match",
        ),
        ({"apiUrl": "ftp://x"}, "apiUrl is no address"),
        ({"apiUrl": "https://user:pass@x"}, "apiUrl is no address"),
    ),
)
def test_admission_refuses(block: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        SPEC.check(view(**block))
    assert str(error.value).startswith(words)


def test_an_account_of_a_cluster_store_has_a_namespace() -> None:
    with pytest.raises(InvalidConfig, match=r"^cluster scope requires namespace$"):
        SPEC.check(view("ClusterSecretStore", auth=BY_ACCOUNT))


def test_environments_share_a_login_and_the_deprecated_member_is_the_same_one() -> None:
    assert SPEC.check(view()) == SPEC.check(view(auth=BY_ACCOUNT)) == []
    one = SPEC.plan(view())
    assert one.endpoint == "https://api.pulumi.com/api/esc"
    assert SPEC.plan(view(environment="test")) == SPEC.plan(view(auth=None, accessToken=TOKEN_REF)) == one
    assert SPEC.plan(view(auth=BY_ACCOUNT)) != one
    assert SPEC.plan(view(auth=BY_ACCOUNT)).references == (("ServiceAccount", "", "app"),)
    assert one.references == (("Secret", "", "login"),)


async def test_a_cluster_store_without_a_namespace_logs_in_for_each_consumer(world: World) -> None:
    assert SPEC.check(view("ClusterSecretStore")) == []
    assert SPEC.plan(view("ClusterSecretStore")).consumer is Consumer.CREDENTIALS
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    await client.close()


# tokens of accounts


async def test_a_token_of_an_account_is_exchanged_and_ends_a_minute_early(world: World) -> None:
    world.fake.subjects.add(ACCOUNT)
    world.fake.values["db"] = "secret"
    client = await world.open(auth=BY_ACCOUNT)
    assert client.lifetime == 3540.0
    assert not await client.renew()
    ref = RemoteRef("db")
    assert client.value(await client.fetch(client.request(ref)), ref) == b"secret"
    assert world.credentials.audiences == [(world.fake.address,)]
    sent = world.fake.asked[0].body
    assert sent["expiration"] == 600
    assert sent["requested_token_type"] == "urn:pulumi:token-type:access_token:organization"
    await client.close()


async def test_audiences_and_seconds_of_the_store_are_used(world: World) -> None:
    world.fake.subjects.add(ACCOUNT)
    account = {"name": "app", "audiences": ["urn:pulumi:org:shop"]}
    config = {"organization": "shop", "serviceAccountRef": account, "expirationSeconds": 900}
    client = await world.open(auth={"oidcConfig": config})
    assert world.credentials.audiences == [("urn:pulumi:org:shop",)]
    assert world.fake.asked[0].body["expiration"] == 900
    await client.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    (
        (Fault(400, body='{"error":"invalid_grant"}'), AuthRejected),
        (Fault(401, body="{}"), AuthRejected),
        (Fault(404, body="<html>"), AuthRejected),
        (Fault(201, body='{"access_token":"t","expires_in":60}'), Malformed),
        (Fault(200, body='{"access_token":"t","expires_in":0}'), AuthRejected),
        (Fault(200, body='{"access_token":"t"}'), Malformed),
        (Fault(200, body='{"access_token":7,"expires_in":60}'), Malformed),
        (Fault(429, headers={"Retry-After": "7"}), Throttled),
        (Fault(503), Unavailable),
        (Fault(400, echo=True), AuthRejected),
    ),
)
async def test_an_exchange_that_fails_is_told_and_shows_no_token(
    world: World, fault: Fault, kind: type[EsoError]
) -> None:
    world.fake.fail(fault)
    with pytest.raises(kind) as error:
        await world.open(auth=BY_ACCOUNT)
    assert str(error.value).startswith("failed to get OIDC token: ")
    assert ACCOUNT not in f"{error.value}{error.value.fix}"
