"""Ways to log in, on moto's STS: keys, accounts with a role, role chains, tags."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from e2e.harness.moto import Moto
from eso.errors import EsoError
from eso.providers.aws.connect import Connector
from eso.providers.aws.login import session_tags
from eso.providers.aws.secretsmanager import SecretsManagerReader
from eso.providers.aws.spec import SPEC
from eso.providers.contract import InvalidConfig, RemoteRef, Validation
from tests.fakes.awslogin import ACCOUNT, KEYS, ROLE, STATIC, AwsCredentials, view
from tests.fakes.env import env

ANNOTATED = {"app": {"eks.amazonaws.com/role-arn": ROLE}}


@asynccontextmanager
async def opened(
    moto: Moto, credentials: AwsCredentials, kind: str = "SecretStore", **block: Any
) -> AsyncIterator[SecretsManagerReader]:
    connector = Connector(replace(env(), environ=moto.environ))
    store = view(kind, **block)
    client = await connector.open(store, SPEC.plan(store), credentials)
    assert isinstance(client, SecretsManagerReader)
    yield client
    await connector.close()


async def refused(credentials: AwsCredentials, **block: Any) -> EsoError:
    connector = Connector(env())
    store = view(**block)
    with pytest.raises(EsoError) as failed:
        await connector.open(store, SPEC.plan(store), credentials)
    await connector.close()
    return failed.value


def calls(moto: Moto) -> list[dict[str, str]]:
    """The forms that STS was sent."""
    return [{name: values[0] for name, values in parse_qs(body).items()} for _, body in moto.recorded()]


async def test_keys_need_no_call(moto: Moto) -> None:
    moto.record()
    async with opened(moto, AwsCredentials()) as client:
        assert client.lifetime is None
        assert not moto.requests()


async def test_an_account_is_exchanged_for_its_role(moto: Moto) -> None:
    moto.record()
    credentials = AwsCredentials({}, tokens={"app": "token-of-app"}, accounts=ANNOTATED)
    auth = {"jwt": {"serviceAccountRef": {"name": "app", "audiences": ["more"]}}} | STATIC
    async with opened(moto, credentials, auth=auth) as client:
        assert client.lifetime is not None
        assert 3000 < client.lifetime < 3600
        assert not await client.renew(), "a new login is the renewal"
    assert credentials.audiences == [("sts.amazonaws.com", "more")]
    assert credentials.seconds == [None], "the API server's own lifetime"
    (form,) = calls(moto)
    assert form == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "external-secrets-provider-aws",
        "WebIdentityToken": "token-of-app",
    }


async def test_the_audience_of_the_account_wins_over_the_default(moto: Moto) -> None:
    annotations = ANNOTATED["app"] | {"eks.amazonaws.com/audience": "sts.amazonaws.com.cn"}
    credentials = AwsCredentials({}, tokens={"app": "t" * 8}, accounts={"app": annotations})
    async with opened(moto, credentials, auth=ACCOUNT):
        assert credentials.audiences == [("sts.amazonaws.com.cn",)]


async def test_roles_are_assumed_in_order_and_only_the_last_has_id_and_tags(moto: Moto) -> None:
    moto.record()
    block = {
        "additionalRoles": [f"{ROLE}-1", f"{ROLE}-2"],
        "role": f"{ROLE}-3",
        "externalID": "outside",
        "sessionTags": [{"key": "team", "value": "a"}],
        "transitiveTagKeys": ["team"],
    }
    async with opened(moto, AwsCredentials(), **block) as client:
        assert client.lifetime is not None
        assert 700 < client.lifetime < 900
    first, second, third = calls(moto)
    assert [form["RoleArn"] for form in (first, second, third)] == [f"{ROLE}-1", f"{ROLE}-2", f"{ROLE}-3"]
    assert {form["DurationSeconds"] for form in (first, second, third)} == {"900"}
    assert "ExternalId" not in first
    assert "Tags.member.1.Key" not in second
    assert (third["ExternalId"], third["Tags.member.1.Key"], third["Tags.member.1.Value"]) == ("outside", "team", "a")
    assert third["TransitiveTagKeys.member.1"] == "team"


async def test_keys_of_a_role_read_what_the_store_asks_for(moto: Moto) -> None:
    moto.secret("app", "x")
    async with opened(moto, AwsCredentials(), role=ROLE) as client:
        request = client.request(RemoteRef("app"))
        assert client.value(await client.fetch(request), RemoteRef("app")) == b"x"


@pytest.mark.parametrize(
    ("block", "tags"),
    [
        pytest.param({"sessionTagsPolicy": "None", "sessionTags": [{"key": "k", "value": "v"}]}, {"k": "v"}, id="None"),
        pytest.param(
            {
                "sessionTagsPolicy": "Simple",
                "sessionTags": [{"key": "k", "value": "v"}],
                "customSessionTags": {"a": "b"},
            },
            {"esoNamespace": "team-b", "esoStoreName": "store", "esoStoreKind": "SecretStore"},
            id="Simple replaces the tags of the store",
        ),
        pytest.param(
            {"sessionTagsPolicy": "Custom", "customSessionTags": {"a": "b", "": "x", "empty": ""}},
            {"esoNamespace": "team-b", "esoStoreName": "store", "esoStoreKind": "SecretStore", "a": "b"},
            id="Custom adds those that have a key and a value",
        ),
    ],
)
def test_session_tags(block: dict[str, Any], tags: dict[str, str]) -> None:
    assert dict(session_tags(view(role=ROLE, **block), "team-b")) == tags


@pytest.mark.parametrize(
    ("credentials", "block", "message"),
    [
        pytest.param(
            AwsCredentials({}),
            {},
            "unable to create session: could not fetch SecretAccessKey secret: cannot find secret data for key: "
            '"secret"',
            id="the secret key is read first",
        ),
        pytest.param(
            AwsCredentials({"keys/secret": "x"}),
            {},
            'unable to create session: could not fetch accessKeyID secret: cannot find secret data for key: "id"',
            id="no access key",
        ),
        pytest.param(
            AwsCredentials({"keys/secret": "x", "keys/id": "y"}),
            {"auth": {"secretRef": STATIC["secretRef"] | {"sessionTokenSecretRef": {"name": "keys", "key": "token"}}}},
            'unable to create session: could not fetch SessionToken secret: cannot find secret data for key: "token"',
            id="no session token",
        ),
        pytest.param(
            AwsCredentials({}, accounts={"app": {}}),
            {"auth": ACCOUNT},
            "unable to create session: an IAM role must be associated with service account app (namespace: team-a)",
            id="an account without a role",
        ),
        pytest.param(
            AwsCredentials({}),
            {"auth": ACCOUNT},
            'unable to create session: serviceaccounts "app" not found',
            id="no account",
        ),
        pytest.param(
            AwsCredentials({}),
            {"auth": None},
            "unable to create session: this store may not use the operator's own cloud identity",
            id="the operator keeps its identity to itself",
        ),
        pytest.param(
            AwsCredentials(),
            {"region": ""},
            "unable to create session: Invalid Configuration: Missing Region",
            id="no region anywhere",
        ),
    ],
)
async def test_what_keeps_a_client_from_being_made(
    credentials: AwsCredentials, block: dict[str, Any], message: str
) -> None:
    error = await refused(credentials, **block)
    assert str(error) == message


async def test_a_session_token_of_the_store_is_signed_in(moto: Moto) -> None:
    auth = {"secretRef": STATIC["secretRef"] | {"sessionTokenSecretRef": {"name": "keys", "key": "token"}}}
    async with opened(moto, AwsCredentials(), auth=auth) as client:
        keys = client.connection.apis["secretsmanager"]._raw._request_signer._credentials
        assert (keys.access_key, keys.token) == (KEYS["keys/id"], KEYS["keys/token"])


async def test_an_unbound_store_reads_no_credential_and_its_state_is_unknown(moto: Moto) -> None:
    credentials = AwsCredentials({}, namespace="")
    async with opened(moto, credentials, "ClusterSecretStore") as client:
        assert await client.validate() is Validation.UNKNOWN
        with pytest.raises(InvalidConfig, match="logs in with credentials of each consumer"):
            await client.fetch(client.request(RemoteRef("app")))
        assert client.lifetime is None


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_a_store_without_a_region_is_in_the_one_of_the_operator(variable: str) -> None:
    connector = Connector(replace(env(), environ={variable: "eu-west-3"}))
    store = view(region="")
    client = await connector.open(store, SPEC.plan(store), AwsCredentials())
    assert isinstance(client, SecretsManagerReader)
    url = client.connection.apis["secretsmanager"]._raw.meta.endpoint_url
    assert url == "https://secretsmanager.eu-west-3.amazonaws.com"
    await connector.close()
