"""Logins to Vault with the identity of a cloud: `iam` (AWS) and `gcp` (Google)."""

from __future__ import annotations

import base64
import json
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from eso.errors import EsoError
from eso.providers.contract import AuthRejected, InvalidConfig, StoreView, Unavailable
from eso.providers.vault.client import VaultClient
from tests.fakes.cancel import every_await
from tests.fakes.cloudlogin import ACCOUNT_KEYS, Clouds, question
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import Whole
from tests.fakes.vault import FakeVault, Fault

HOSTS = (
    "sts.us-east-1.amazonaws.com",
    "sts.eu-central-1.amazonaws.com",
    "securetoken.googleapis.com",
    "iamcredentials.googleapis.com",
)
STATIC = {
    "secretRef": {
        "accessKeyIDSecretRef": {"name": "aws", "key": "id"},
        "secretAccessKeySecretRef": {"name": "aws", "key": "key"},
    }
}
ROLE = "arn:aws:iam::123456789012:role/reader"
GSA = "reader@project.iam.gserviceaccount.com"


@pytest.fixture
async def clouds() -> AsyncIterator[Clouds]:
    async with Clouds() as server:
        server.secret_keys = {"AKIAUSER": "planted-key", ACCOUNT_KEYS[0]: ACCOUNT_KEYS[1]}
        server.web_tokens = {"planted-jwt"}
        yield server


@pytest.fixture
async def vault(clouds: Clouds) -> AsyncIterator[FakeVault]:
    async with FakeVault() as server:

        def knows(body: Any) -> bool:
            url, text, headers = question(body)
            return url == f"https://{clouds.host}/" and clouds.believes(headers, text)

        server.knows_aws = knows
        yield server


@pytest.fixture
async def whole(clouds: Clouds) -> AsyncIterator[Whole]:
    made = Whole("vault", hosts=dict.fromkeys(HOSTS, clouds.address))
    yield made
    await made.close()


def credentials(environ: dict[str, str] | None = None, **changes: str) -> StaticCredentials:
    secrets = {"aws/id": "AKIAUSER", "aws/key": "planted-key"} | changes
    accounts = {
        "app": {"eks.amazonaws.com/role-arn": ROLE, "iam.gke.io/gcp-service-account": GSA},
        "bare": {},
    }
    return StaticCredentials(secrets, "team-a", {"app": "planted-jwt", "bare": "planted-jwt"}, None, accounts, environ)


async def opened(
    whole: Whole, vault: FakeVault, method: str, block: dict[str, Any], who: StaticCredentials | None = None
) -> VaultClient:
    spec = {"server": vault.address, "path": "secret", "auth": {method: block}}
    client = await whole.open(StoreView("SecretStore", "store", "team-a", "vault", spec), who or credentials())
    assert isinstance(client, VaultClient)
    return client


async def test_static_keys_sign_the_question_that_vault_asks(whole: Whole, vault: FakeVault) -> None:
    client = await opened(whole, vault, "iam", {"vaultRole": "reader"} | STATIC)
    login = vault.asked[-1]
    assert (login.path, login.body["role"], login.body["iam_http_request_method"]) == (
        "/v1/auth/aws/login",
        "reader",
        "POST",
    )
    url, body, headers = question(login.body)
    assert (url, body) == ("https://sts.us-east-1.amazonaws.com/", "Action=GetCallerIdentity&Version=2011-06-15")
    assert headers["Host"] == "sts.us-east-1.amazonaws.com"
    assert "planted-key" not in login.text
    assert client.lifetime == 3600
    await client.close()


async def test_the_region_and_the_header_of_the_server_are_signed(
    whole: Whole, vault: FakeVault, clouds: Clouds
) -> None:
    clouds.host, clouds.region = "sts.eu-central-1.amazonaws.com", "eu-central-1"
    block = {"vaultRole": "r", "region": "eu-central-1", "vaultAwsIamServerID": "vault.example", "path": "aws"}
    await opened(whole, vault, "iam", block | STATIC)
    _, _, headers = question(vault.asked[-1].body)
    assert headers["X-Vault-AWS-IAM-Server-ID"] == "vault.example"
    assert "x-vault-aws-iam-server-id" in headers["Authorization"]


async def test_a_role_is_assumed_before_the_question_is_signed(whole: Whole, vault: FakeVault, clouds: Clouds) -> None:
    block = {"vaultRole": "r", "role": ROLE, "externalID": "me"} | STATIC
    await opened(whole, vault, "iam", block)
    assert "Action=AssumeRole&" in clouds.asked[0].text
    assert "ExternalId=me" in clouds.asked[0].text
    _, _, headers = question(vault.asked[-1].body)
    assert ACCOUNT_KEYS[0] in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == ACCOUNT_KEYS[2]


async def test_an_account_of_the_cluster_becomes_the_role_that_it_is_annotated_with(
    whole: Whole, vault: FakeVault, clouds: Clouds
) -> None:
    who = credentials()
    block = {"vaultRole": "r", "jwt": {"serviceAccountRef": {"name": "app", "audiences": ["more"]}}}
    await opened(whole, vault, "iam", block, who)
    assert who.audiences == [("sts.amazonaws.com", "more")]
    assert "RoleSessionName=external-secrets-provider-vault" in clouds.asked[0].text
    with pytest.raises(InvalidConfig, match=r"an IAM role must be associated with service account bare \(namespace: "):
        await opened(whole, vault, "iam", {"vaultRole": "r", "jwt": {"serviceAccountRef": {"name": "bare"}}})


async def test_the_operators_own_identity_comes_from_a_file_or_from_the_container(
    whole: Whole, vault: FakeVault, clouds: Clouds, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("planted-jwt\n")
    irsa = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": ROLE}
    await opened(whole, vault, "iam", {"vaultRole": "r"}, credentials(irsa))
    pod = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{clouds.address}/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
    }
    await opened(whole, vault, "iam", {"vaultRole": "r"}, credentials(pod))
    assert clouds.asked[-1].headers["Authorization"] == "planted-jwt"


async def test_sts_is_asked_where_the_environment_says(whole: Whole, vault: FakeVault, clouds: Clouds) -> None:
    clouds.host = clouds.address.removeprefix("http://")
    vault.knows_aws = lambda body: clouds.believes(question(body)[2], question(body)[1])
    block = {"vaultRole": "r", "role": ROLE} | STATIC
    await opened(whole, vault, "iam", block, credentials({"AWS_STS_ENDPOINT": clouds.address}))
    assert question(vault.asked[-1].body)[0] == f"{clouds.address}/"


@pytest.mark.parametrize(
    ("block", "who", "kind", "text"),
    [
        pytest.param(
            {}, credentials({}), AuthRejected, "no AWS authentication method found: expected either IRSA", id="nobody"
        ),
        pytest.param({}, credentials(), InvalidConfig, "own cloud identity", id="a store that may not be the operator"),
        pytest.param(
            STATIC,
            credentials(**{"aws/key": "planted-wrong"}),
            AuthRejected,
            "message withheld",
            id="a wrong key",
        ),
        pytest.param(
            STATIC | {"role": ROLE},
            credentials(**{"aws/key": "planted-wrong"}),
            AuthRejected,
            "AWS STS answered 403",
            id="a wrong key that assumes a role",
        ),
        pytest.param(
            STATIC | {"region": "x.evil.example/"}, credentials(), InvalidConfig, "is no region", id="no region"
        ),
    ],
)
async def test_a_login_by_iam_that_fails_says_why_and_shows_no_key(
    whole: Whole, vault: FakeVault, block: dict[str, Any], who: StaticCredentials, kind: type, text: str
) -> None:
    with pytest.raises(EsoError) as refused:
        await opened(whole, vault, "iam", {"vaultRole": "r"} | block, who)
    assert isinstance(refused.value, kind)
    shown = "".join(traceback.format_exception(refused.value))
    assert "unable to log in to auth method: unable to log in with AWS auth: " in str(refused.value)
    assert text in shown
    assert "planted" not in shown


@pytest.mark.parametrize(
    "body",
    ["", "<a/>", "no XML", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "<AccessKeyId>x</AccessKeyId>", "{}"],
)
async def test_an_answer_of_sts_without_keys_is_malformed(
    whole: Whole, vault: FakeVault, clouds: Clouds, body: str
) -> None:
    clouds.fail(Fault(200, body=body))
    with pytest.raises(EsoError, match="the answer of AWS STS holds no credentials"):
        await opened(whole, vault, "iam", {"vaultRole": "r", "role": ROLE} | STATIC)


async def test_every_await_of_a_login_by_iam_may_be_cancelled(whole: Whole, vault: FakeVault) -> None:
    async def login() -> None:
        await (await opened(whole, vault, "iam", {"vaultRole": "r", "role": ROLE} | STATIC)).close()

    await login()  # the signer is loaded
    async for _ in every_await(login):
        continue


# Google


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def key_file(key: rsa.RSAPrivateKey) -> str:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return json.dumps({"client_email": GSA, "private_key": pem.decode(), "private_key_id": "k1"})


def part(jwt: str, at: int) -> dict[str, Any]:
    text = jwt.split(".")[at]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


KEY_REF = {"secretRef": {"secretAccessKeySecretRef": {"name": "gcp", "key": "json"}}}


async def test_a_key_file_signs_for_its_service_account(
    whole: Whole, vault: FakeVault, key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "jwts", Anyone("reader"))
    who = credentials(**{"gcp/json": key_file(key)})
    await opened(whole, vault, "gcp", {"role": "reader"} | KEY_REF, who)
    jwt = vault.asked[-1].body["jwt"]
    assert part(jwt, 0) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    claims = part(jwt, 1)
    assert (claims["sub"], claims["aud"]) == (GSA, "vault/reader")
    assert claims["exp"] - claims["iat"] == 900
    said, _, signature = jwt.rpartition(".")
    key.public_key().verify(
        base64.urlsafe_b64decode(signature + "=="), said.encode(), padding.PKCS1v15(), hashes.SHA256()
    )


class Anyone(dict[str, str]):
    """Every token belongs to `role`."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def get(self, key: str, default: Any = None) -> Any:
        return self.role


@pytest.mark.parametrize("text", ["", "planted", "{}", '{"client_email":"a","private_key":"planted"}', "[]"])
async def test_a_key_file_that_is_none_is_not_shown(whole: Whole, vault: FakeVault, text: str) -> None:
    with pytest.raises(InvalidConfig, match="failed to process the provided JSON credentials") as refused:
        await opened(whole, vault, "gcp", {"role": "r"} | KEY_REF, credentials(**{"gcp/json": text}))
    assert "planted" not in "".join(traceback.format_exception(refused.value))
    assert vault.asked == []


@pytest.mark.parametrize("told", ["by the store", "by the metadata server"])
async def test_an_account_of_the_cluster_signs_as_the_google_account_behind_it(
    whole: Whole, vault: FakeVault, clouds: Clouds, told: str
) -> None:
    vault.jwts = {f"signed.{GSA}.vault/reader": "reader"}
    who = credentials({"GCE_METADATA_HOST": clouds.address.removeprefix("http://")})
    block: dict[str, Any] = {"serviceAccountRef": {"name": "app", "audiences": ["more"]}}
    if told == "by the store":
        block |= {"clusterProjectID": "p", "clusterLocation": "l", "clusterName": "c"}
    else:
        clouds.metadata = {
            "project/project-id": "p",
            "instance/attributes/cluster-location": "l",
            "instance/attributes/cluster-name": "c",
        }
    await opened(whole, vault, "gcp", {"role": "reader", "workloadIdentity": block}, who)
    assert who.audiences == [("p.svc.id.goog", "more")]
    asked = next(asked for asked in clouds.asked if asked.path == "/v1/identitybindingtoken")
    assert asked.body["audience"] == (
        "identitynamespace:p.svc.id.goog:https://container.googleapis.com/v1/projects/p/locations/l/clusters/c"
    )


async def test_the_project_of_the_store_stands_in_for_a_metadata_server_that_does_not_name_one(
    whole: Whole, vault: FakeVault, clouds: Clouds
) -> None:
    vault.jwts = {f"signed.{GSA}.vault/reader": "reader"}
    who = credentials({"GCE_METADATA_HOST": clouds.address.removeprefix("http://")})
    place = {"serviceAccountRef": {"name": "app"}, "clusterLocation": "l", "clusterName": "c"}
    block = {"role": "reader", "projectID": "own", "workloadIdentity": place}
    await opened(whole, vault, "gcp", block, who)
    assert who.audiences == [("own.svc.id.goog",)]
    clouds.metadata = {"project/project-id": "of-the-cluster"}
    await opened(whole, vault, "gcp", block, who)
    assert who.audiences[1:] == [("of-the-cluster.svc.id.goog",)]
    with pytest.raises(EsoError):
        await opened(whole, vault, "gcp", {**block, "projectID": "", "workloadIdentity": place}, credentials())


async def test_an_account_without_a_google_account_is_named(whole: Whole, vault: FakeVault) -> None:
    block = {"role": "r", "workloadIdentity": {"serviceAccountRef": {"name": "bare"}}}
    with pytest.raises(InvalidConfig, match=r"bare \(namespace: team-a\) stands for no Google service account"):
        await opened(whole, vault, "gcp", block)


async def test_the_machine_vouches_for_the_operator(whole: Whole, vault: FakeVault, clouds: Clouds) -> None:
    clouds.metadata = {"instance/service-accounts/default/identity": "machine.{audience}.{format}"}
    vault.jwts = {f"machine.{vault.address}/vault/reader.full": "reader"}
    environ = {"GCE_METADATA_HOST": clouds.address.removeprefix("http://")}
    await opened(whole, vault, "gcp", {"role": "reader"}, credentials(environ))


@pytest.mark.parametrize(
    ("environ", "kind", "text"),
    [
        pytest.param(
            {"GCE_METADATA_HOST": "127.0.0.1:9"},
            Unavailable,
            r"Application Default Credentials \(ADC\) not available: ",
            id="no metadata server",
        ),
        pytest.param(None, InvalidConfig, "own cloud identity", id="a store that may not be the operator"),
    ],
)
async def test_a_login_by_gcp_that_fails_says_why(
    whole: Whole, vault: FakeVault, environ: dict[str, str] | None, kind: type[EsoError], text: str
) -> None:
    with pytest.raises(kind, match=text) as refused:
        await opened(whole, vault, "gcp", {"role": "r"}, credentials(environ))
    assert str(refused.value).startswith("unable to log in to auth method: unable to log in with GCP auth: ")


async def test_what_is_no_metadata_server_of_google_is_not_believed(
    whole: Whole, vault: FakeVault, clouds: Clouds
) -> None:
    clouds.fail(Fault(200, body="planted"))
    environ = {"GCE_METADATA_HOST": clouds.address.removeprefix("http://")}
    with pytest.raises(EsoError, match="no metadata server of Google") as refused:
        await opened(whole, vault, "gcp", {"role": "r"}, credentials(environ))
    assert "planted" not in str(refused.value)


def test_a_vault_login_loads_no_signer_unless_it_needs_one() -> None:
    import subprocess

    code = "import sys, eso.providers.vault.connect; print([m for m in sys.modules if m.startswith('botocore')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
