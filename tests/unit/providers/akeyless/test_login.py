"""Every way to log in, and where each credential goes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.akeyless import refusal
from eso.providers.akeyless.login import cloud_of
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    InvalidConfig,
    Malformed,
    Throttled,
    Unavailable,
    Validation,
    ValidationFailed,
)
from eso.providers.kit.http import NothingThere
from tests.fakes.akeyless import ACCESS_ID, API, GATEWAY, cloud_id
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.credentials import StaticCredentials
from tests.unit.providers.akeyless.conftest import REFS, World, credentials, read

KUBERNETES = {"accessID": ACCESS_ID, "k8sConfName": "main"}
BELIEVED = {"k8s-auth-config-name": "main", "k8s-service-account-token": base64.b64encode(b"of-app").decode()}
AWS = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "planted", "AWS_REGION": "eu-central-1"}


async def served(world: World, given: StaticCredentials | None = None, **how: Any) -> None:
    """The store can read."""
    world.fake.put("app", "value")
    client = await world.open(given, **how)
    assert await read(client, "app") == b"value"
    assert client.lifetime == 3540.0
    assert not await client.renew()
    assert await client.validate() is Validation.READY
    await client.close()


async def refused(world: World, given: StaticCredentials | None = None, **how: Any) -> EsoError:
    with pytest.raises(EsoError) as failed:
        await world.open(given, **how)
    assert "planted" not in f"{failed.value}{failed.value.fix}"
    return failed.value


@pytest.mark.parametrize("kind", ["api_key", "access_key"])
async def test_an_access_key_logs_in(world: World, kind: str) -> None:
    await served(world, credentials(kind))
    assert world.meant == [f"{API}/auth", f"{API}/describe-item", f"{API}/get-secret-value"]


async def test_a_token_of_universal_identity_has_a_member_of_its_own(world: World) -> None:
    world.fake.token = "u-"
    await served(world)
    assert world.fake.asked[-1].body["uid-token"] == "u-1"


@pytest.mark.parametrize(
    ("secrets", "text"),
    [
        pytest.param({"login/accessID": ""}, "missing SecretAccessKey", id="an empty access id"),
        pytest.param({"login/accessType": ""}, "missing AccessKeyID", id="an empty type"),
        pytest.param(
            {"login/accessTypeParam": ""}, "missing AccessTypeParam for Akeyless access key auth", id="an empty key"
        ),
        pytest.param(
            {"login/accessType": "planted"},
            "Require Cloud ID unable to determine provider: the access type is none that is known",
            id="an unknown type",
        ),
    ],
)
async def test_a_key_that_cannot_log_in(world: World, secrets: dict[str, str], text: str) -> None:
    given = credentials()
    given.secrets |= secrets
    assert str(await refused(world, given)) == text
    assert world.fake.asked == []


@pytest.mark.parametrize(
    ("name", "word"), [("accessID", "accessID"), ("accessType", "AccessType"), ("accessTypeParam", "AccessTypeParam")]
)
async def test_a_secret_that_is_not_there_is_named(world: World, name: str, word: str) -> None:
    given = credentials()
    del given.secrets[f"login/{name}"]
    assert (
        str(await refused(world, given)) == f'could not fetch {word} secret: cannot find secret data for key: "{name}"'
    )


async def test_a_refused_key_is_told_without_what_was_sent(world: World) -> None:
    error = await refused(world, credentials(param="planted"))
    assert isinstance(error, AuthRejected)
    assert str(error) == "authentication failed: Akeyless answered 401 Unauthorized (failed to authenticate)"


# Kubernetes


class WithLegacy(StaticCredentials):
    """Accounts that list a token Secret."""

    async def legacy_service_account_token(self, selector: Any) -> str:
        return "of-app"


async def test_an_accounts_own_token_secret_comes_first(world: World) -> None:
    world.fake.believed["k8s"] = BELIEVED
    given = WithLegacy({}, tokens={"app": "planted"})
    await served(world, given, kubernetesAuth=KUBERNETES | {"serviceAccountRef": {"name": "app"}})
    assert given.audiences == []


async def test_else_a_token_is_requested(world: World) -> None:
    world.fake.believed["k8s"] = BELIEVED
    given = StaticCredentials({}, tokens={"app": "of-app"})
    ref = {"name": "app", "audiences": ["one"]}
    await served(world, given, kubernetesAuth=KUBERNETES | {"serviceAccountRef": ref})
    assert given.audiences == [("one",)]


async def test_a_token_may_lie_in_a_secret(world: World) -> None:
    world.fake.believed["k8s"] = BELIEVED
    given = StaticCredentials({"jwt/token": "of-app"})
    await served(world, given, kubernetesAuth=KUBERNETES | {"secretRef": {"name": "jwt"}})


@pytest.mark.parametrize(
    ("block", "text"),
    [
        pytest.param({}, "can't determine k8s service account jwt", id="nothing"),
        pytest.param(
            {"serviceAccountRef": {"name": "x"}},
            'cannot request Kubernetes service account token for service account "x": serviceaccounts "x" not found',
            id="no account",
        ),
        pytest.param({"secretRef": {"name": "x"}}, 'cannot find secret data for key: "token"', id="no Secret"),
    ],
)
async def test_kubernetes_without_a_token(world: World, block: dict[str, Any], text: str) -> None:
    error = await refused(world, StaticCredentials({}), kubernetesAuth=KUBERNETES | block)
    assert str(error) == (
        "failed to read JWT with Kubernetes Auth from /var/run/secrets/kubernetes.io/serviceaccount/token. "
        f"error: {text}"
    )


async def test_a_cluster_store_whose_account_belongs_to_each_consumer_is_dialled_only(world: World) -> None:
    given = StaticCredentials({}, namespace="")
    auth = {"kubernetesAuth": KUBERNETES | {"serviceAccountRef": {"name": "app"}}}
    client = await world.open(given, "ClusterSecretStore", world.fake.address, **auth)
    assert await client.validate() is Validation.READY
    assert client.lifetime is None
    assert not await client.renew()
    with pytest.raises(InvalidConfig):
        await read(client, "app")
    assert world.fake.asked == []
    await client.close()


@pytest.mark.parametrize("kind", ["SecretStore", "ClusterSecretStore"])
async def test_a_server_that_is_gone_is_no_valid_store(world: World, kind: str) -> None:
    world.fake.prefix = "/v2"
    client = await world.open(kind=kind, url=f"{GATEWAY}/v2")
    assert await client.validate() is Validation.READY
    await world.fake.stop()
    with pytest.raises(ValidationFailed) as failed:
        await client.validate()
    assert isinstance(failed.value.__cause__, Unavailable)
    await client.close()


# who one is at a cloud


@pytest.mark.parametrize(
    ("kind", "param", "shown"),
    [
        pytest.param("azure_ad", "", "azure-", id="the machine at Azure"),
        pytest.param("azure_ad", "object-1", "azure-object-1", id="one of its identities"),
        pytest.param("gcp", "", "google-akeyless.io", id="the machine at Google"),
        pytest.param("gcp", "mine", "google-mine", id="for another audience"),
    ],
)
async def test_a_machine_shows_who_it_is(world: World, kind: str, param: str, shown: str) -> None:
    world.fake.believed[kind] = {"cloud-id": cloud_id(shown)}
    await served(world, credentials(kind, param, environ={}))
    assert len(world.direct_meant) == 1


def key_file(folder: Path, key: rsa.RSAPrivateKey) -> dict[str, str]:
    """The environment of an operator that has a Google key."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = folder / "key.json"
    path.write_text(json.dumps({"type": "service_account", "client_email": "me@shop", "private_key": pem}))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}


async def test_a_google_key_of_the_operator_shows_who_it_is_for_an_audience(world: World, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    world.fake.google_key = key.public_key()
    world.fake.believed["gcp"] = {"cloud-id": cloud_id("google-me@shop-mine")}
    await served(world, credentials("gcp", "mine", environ=key_file(tmp_path, key)))
    assert world.direct_meant == [], "the machine is not asked"
    world.fake.google_key = rsa.generate_private_key(65537, 2048).public_key()
    error = await refused(world, credentials("gcp", "mine", environ=key_file(tmp_path, key)))
    assert isinstance(error, AuthRejected)
    assert str(error) == "Require Cloud ID Google answered 400 Bad Request"


@pytest.mark.parametrize("text", ["planted", "{}", '{"client_email":"planted","private_key":"planted"}', None])
async def test_a_file_that_is_no_google_key_is_not_shown(world: World, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "planted.json"
    if text is not None:
        path.write_text(text)
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}
    error = await refused(world, credentials("gcp", "", environ=environ))
    assert isinstance(error, InvalidConfig)
    assert world.fake.asked == []


async def test_the_operators_aws_identity_is_a_signed_question(world: World) -> None:
    world.fake.believed["aws_iam"] = {}
    await served(world, credentials("aws_iam", "", environ=AWS))
    asked = json.loads(base64.b64decode(world.fake.asked[0].body["cloud-id"]))
    told = {name: value if name == "sts_request_method" else base64.b64decode(value) for name, value in asked.items()}
    assert told["sts_request_method"] == "POST"
    assert told["sts_request_url"] == b"https://sts.us-east-1.amazonaws.com/"
    assert told["sts_request_body"] == b"Action=GetCallerIdentity&Version=2011-06-15"
    headers = json.loads(told["sts_request_headers"])
    assert headers["Authorization"][0].startswith("AWS4-HMAC-SHA256 Credential=AKIA1/")
    assert "/us-east-1/sts/aws4_request" in headers["Authorization"][0]
    assert "planted" not in json.dumps(headers)


@pytest.mark.parametrize("kind", ["azure_ad", "gcp", "aws_iam"])
async def test_the_operators_identity_goes_to_akeyless_only(world: World, kind: str) -> None:
    error = await refused(world, credentials(kind, "", environ=AWS), url=f"{GATEWAY}/v2")
    assert str(error) == (
        "Require Cloud ID a SecretStore cannot show the operator's own identity to a server that it names"
    )
    assert world.fake.asked == []
    error = await refused(world, credentials(kind, ""))
    assert str(error) == "Require Cloud ID this store may not use the operator's own cloud identity"
    assert world.fake.asked == []


async def test_a_cluster_store_may_name_the_gateway_that_sees_it(world: World) -> None:
    world.fake.prefix = "/v2"
    world.fake.believed["azure_ad"] = {"cloud-id": cloud_id("azure-")}
    await served(world, credentials("azure_ad", "", environ={}), kind="ClusterSecretStore", url=f"{GATEWAY}/v2")


AZURE_NOTES = {"azure.workload.identity/client-id": "client-1", "azure.workload.identity/tenant-id": "tenant-1"}


@pytest.mark.parametrize(
    ("notes", "param"),
    [
        pytest.param(AZURE_NOTES, "ignored", id="annotations"),
        pytest.param({"azure.workload.identity/tenant-id": "tenant-1"}, "client-1", id="client of the parameter"),
    ],
)
async def test_an_account_shows_the_identity_that_trusts_it(world: World, notes: dict[str, str], param: str) -> None:
    world.fake.assertions["of-app"] = "client-1"
    shown = "azure-client-1-https://management.azure.com/.default"
    world.fake.believed["azure_ad"] = {"cloud-id": cloud_id(shown)}
    given = credentials("azure_ad", param, tokens={"app": "of-app"}, accounts={"app": notes})
    ref = {"name": "app", "audiences": ["one"]}
    world.fake.prefix = "/v2"
    await served(world, given, url=f"{GATEWAY}/v2", **(REFS | {"serviceAccountRef": ref}))
    assert given.audiences == [("one", "api://AzureADTokenExchange")]
    assert world.meant[0] == "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token"


@pytest.mark.parametrize(
    ("notes", "param", "text"),
    [
        pytest.param(
            {},
            "",
            "missing Azure client ID: set accessTypeParam or annotate the service account with "
            "azure.workload.identity/client-id",
            id="no client",
        ),
        pytest.param(
            {},
            "client-1",
            "missing Azure tenant ID: annotate the service account with azure.workload.identity/tenant-id or set "
            "AZURE_TENANT_ID",
            id="no tenant",
        ),
    ],
)
async def test_an_account_that_no_identity_trusts(world: World, notes: dict[str, str], param: str, text: str) -> None:
    given = credentials("azure_ad", param, tokens={"app": "of-app"}, accounts={"app": notes})
    error = await refused(world, given, **(REFS | {"serviceAccountRef": {"name": "app"}}))
    assert str(error) == f"Require Cloud ID {text}"


@pytest.mark.parametrize(
    ("environ", "cloud"),
    [
        ({}, "PublicCloud"),
        ({"AZURE_ENVIRONMENT": "AzureUSGovernmentCloud"}, "USGovernmentCloud"),
        ({"AZURE_CLOUD": "azure_china-cloud"}, "ChinaCloud"),
        ({"AZURE_ENVIRONMENT": "AzurePublicCloud", "AZURE_CLOUD": "AzureChinaCloud"}, "PublicCloud"),
    ],
)
def test_the_cloud_of_the_operators_variables(environ: dict[str, str], cloud: str) -> None:
    assert cloud_of(environ) == cloud


# where the API is


@pytest.mark.parametrize(
    ("greets", "prefix", "url", "base"),
    [
        pytest.param(True, "", GATEWAY, GATEWAY, id="at the address itself"),
        pytest.param(False, "/v2", GATEWAY, f"{GATEWAY}/v2", id="below /v2"),
        pytest.param(False, "/v2", f"{GATEWAY}/some/path", f"{GATEWAY}/v2", id="not below another path"),
        pytest.param(False, "/v2", f"{GATEWAY}/v2/", f"{GATEWAY}/v2", id="as it is written"),
    ],
)
async def test_a_gateway_is_asked_where_its_api_is(
    world: World, greets: bool, prefix: str, url: str, base: str
) -> None:
    world.fake.greets, world.fake.prefix = greets, prefix
    await served(world, url=url)
    assert f"{base}/auth" in world.meant
    assert (world.fake.asked[0].path == f"{prefix}/auth") is url.rstrip("/").endswith("/v2")


async def test_a_gateway_that_fails_the_question_is_asked_below_v2(world: World) -> None:
    world.fake.prefix = "/v2"
    world.fake.fail(Fault(drop=True, path="^/$", times=9))
    await served(world, url=GATEWAY)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(503, body="planted"), Unavailable, id="down"),
        pytest.param(Fault(429, body='{"error":"rate limit exceeded planted"}'), Throttled, id="throttled"),
        pytest.param(Fault(200, body="{}"), Malformed, id="no token"),
        pytest.param(Fault(200, body='{"token":""}'), Malformed, id="an empty token"),
        pytest.param(Fault(200, body="planted"), Malformed, id="a page"),
        pytest.param(Fault(307, headers={"Location": "https://evil.example.com/auth"}), Unavailable, id="elsewhere"),
    ],
)
async def test_a_login_that_fails_has_its_class(world: World, fault: Fault, kind: type) -> None:
    world.fake.fail(fault)
    assert isinstance(await refused(world), kind)


async def test_every_await_of_a_login_may_be_cancelled_and_leaves_no_pool_open(world: World) -> None:
    world.fake.greets = True

    async def opened() -> None:
        await (await world.open(url=GATEWAY)).close()

    async for _ in every_await(opened):
        assert all(pool._session is None for pool in world.provider.world.opened)
    await opened()


# refusals


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (404, '{"error":"item /planted not found"}', refusal.Missing, "404 Not Found (not found)"),
        (404, "<html>", NothingThere, "404 Not Found"),
        (404, "{}", NothingThere, "404 Not Found"),
        (404, '{"error":"Not Found"}', NothingThere, "404 Not Found (not found)"),
        (404, '{"message":"no Route matched with those values"}', NothingThere, "404 Not Found"),
        (404, '{"error":"path /v2/describe-item not found"}', NothingThere, "404 Not Found (item not found)"),
        (404, '{"error":"/get-secret-value does not exist"}', NothingThere, "404 Not Found"),
        (404, '{"error":"The item /planted does not exist"}', refusal.Missing, "404 Not Found"),
        (404, '{"error":"failed to get secret: not found"}', refusal.Missing, "404 Not Found (not found)"),
        (404, '{"error":"item not found, or access denied"}', Denied, "404 Not Found (item not found, access denied)"),
        (401, '{"error":"Unauthorized"}', AuthExpired, "401 Unauthorized (unauthorized)"),
        (403, '{"error":"planted"}', Denied, "403 Forbidden"),
        (400, '{"message":"Access denied for planted"}', Denied, "400 Bad Request (access denied)"),
        (400, '{"error":["access denied"]}', InvalidConfig, "400 Bad Request"),
        (500, '{"error":"access denied"}', Unavailable, "500 Internal Server Error (access denied)"),
        (429, '{"error":"not allowed"}', Throttled, "429 Too Many Requests (not allowed)"),
    ],
)
def test_refusals(status: int, body: str, kind: type, text: str) -> None:
    error = refusal.of_api(Reply(status, {}, body.encode()))
    assert type(error) is kind
    assert str(error) == f"Akeyless answered {text}"
