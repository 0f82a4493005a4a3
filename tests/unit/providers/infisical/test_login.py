"""Each way to log in: what is sent, whose servers may see it, how a token lives and ends."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from e2e.harness.certs import Authority
from eso.errors import EsoError
from eso.net.keys import UNKNOWN
from eso.providers.contract import AuthRejected, InvalidConfig, Malformed, Throttled, Unavailable, Validation
from eso.providers.infisical.login import FORWARDED, Token
from eso.providers.kit import files
from tests.fakes.aws import FakeAws
from tests.fakes.backend import Asked, Backend, Fault
from tests.fakes.cancel import every_await
from tests.fakes.cloudlogin import Clouds
from tests.fakes.infisical import CLIENT, PASSWORD, FakeInfisical, question
from tests.unit.providers.infisical.conftest import UNIVERSAL, World

KEY = rsa.generate_private_key(65537, 2048)
ELSEWHERE = "https://secrets.example.com"
OWN_IDENTITY = "a SecretStore cannot show the operator's own identity to a server that it names"


def pem(password: bytes | None = None) -> str:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden).decode()


def way(world: World, method: str, **values: str) -> dict[str, Any]:
    """The `auth` of a store, its leaves in the Secret `login`."""
    world.credentials.secrets |= {f"login/{leaf}": value for leaf, value in values.items()}
    return {method: {leaf: {"name": "login", "key": leaf, "namespace": "eso"} for leaf in values}}


def believe(world: World, path: str, **body: Any) -> None:
    world.fake.identities.setdefault(path, []).append(body)


async def refused(world: World, kind: str = "SecretStore", **block: Any) -> EsoError:
    with pytest.raises(EsoError) as error:
        await world.open(kind, **block)
    assert all(pool._session is None for pool in world.provider.pools.opened), "nothing stays open"
    return error.value


class Machine(Backend):
    """The metadata services of Azure and Google machines."""

    azure, google = "planted-azure", "planted-google"

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if asked.path == "/metadata/identity/oauth2/token" and asked.headers.get("Metadata") == "true":
            if asked.query["api-version"] != "2018-02-01":
                return web.Response(status=400)
            return web.json_response({"access_token": f"{self.azure}-{asked.query['resource']}", "expires_in": "86399"})
        if asked.path.endswith("/default/identity") and asked.headers.get("Metadata-Flavor") == "Google":
            text = f"{self.google}-{asked.query['audience']}"
            return web.Response(text=text, headers={"Metadata-Flavor": "Google"})
        return web.Response(status=404)


@pytest.fixture
async def machine(world: World) -> AsyncIterator[Machine]:
    async with Machine() as server:
        world.credentials.environ = {
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": server.address,
            "GCE_METADATA_HOST": server.address.removeprefix("http://"),
        }
        yield server


# credentials of the store's own


async def test_a_client_secret_logs_in_and_the_organization_goes_along(world: World) -> None:
    client = await world.open(scope={"organizationSlug": "sub"})
    assert await client.validate() is Validation.READY
    assert world.fake.organizations == ["sub"]
    assert world.fake.asked[0].body == {"clientId": CLIENT, "clientSecret": PASSWORD, "organizationSlug": "sub"}


async def test_a_jwt_of_a_secret_logs_in(world: World) -> None:
    believe(world, "jwt-auth", identityId="me", jwt="planted-jwt")
    await world.open(
        hostAPI=world.fake.address, auth=way(world, "jwtAuthCredentials", identityId="me", jwt="planted-jwt")
    )


async def test_a_user_of_a_directory_logs_in(world: World) -> None:
    believe(world, "ldap-auth", identityId="me", username="u", password="planted-password")
    auth = way(world, "ldapAuthCredentials", identityId="me", ldapUsername="u", ldapPassword="planted-password")
    await world.open(auth=auth)


async def test_a_token_is_used_as_it_is_and_stays_when_the_store_goes(world: World) -> None:
    world.fake.tokens.add("planted-own")
    client = await world.open(auth=way(world, "tokenAuthCredentials", accessToken="planted-own"))
    assert await client.validate() is Validation.READY
    assert client.lifetime is None
    assert not await client.renew()
    await client.close()
    assert world.fake.tokens == {"planted-own"}
    assert world.fake.count("/v1/auth") == 0


async def test_a_token_that_ends_in_a_line_break_is_named_as_such(world: World) -> None:
    auth = way(world, "tokenAuthCredentials", accessToken="planted-own\n")
    assert str(await refused(world, auth=auth)) == "the access token ends in a line break"


@pytest.mark.parametrize("password", [None, "planted-passphrase"])
async def test_a_key_of_oracle_signs_a_question_about_its_user(world: World, password: str | None) -> None:
    given = {
        "identityId": "me",
        "privateKey": pem(password.encode() if password else None),
        "fingerprint": "aa:bb",
        "userId": "ocid1.user.oc1..u",
        "tenancyId": "ocid1.tenancy.oc1..t",
        "region": "eu-frankfurt-1",
    } | ({"privateKeyPassphrase": password} if password else {})
    error = await refused(world, auth=way(world, "ociAuthCredentials", **given))  # no body is known in advance
    assert str(error).startswith("failed to authenticate via oci auth unsuccessful response [status-code=401]")
    body = world.fake.asked[0].body
    headers = body["headers"]
    assert (body["identityId"], body["userOcid"]) == ("me", "ocid1.user.oc1..u")
    assert headers["host"] == "identity.eu-frankfurt-1.oraclecloud.com"
    kind, _, rest = headers["authorization"].partition(" ")
    fields = dict(field.split("=", 1) for field in rest.split(","))
    assert (kind, fields["version"], fields["algorithm"]) == ("Signature", '"1"', '"rsa-sha256"')
    assert fields["keyId"] == '"ocid1.tenancy.oc1..t/ocid1.user.oc1..u/aa:bb"'
    target = "get /20160918/users/ocid1.user.oc1..u"
    text = f"date: {headers['date']}\n(request-target): {target}\nhost: {headers['host']}"
    assert headers["date"].endswith(" GMT")
    KEY.public_key().verify(
        base64.b64decode(fields["signature"].strip('"')), text.encode(), padding.PKCS1v15(), hashes.SHA256()
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"region": "eu/../x"}, "the region has a form that no region has"),
        ({"userId": "u\n"}, "the userId has a form that no userId has"),
        (
            {"privateKey": "planted"},
            f"the privateKey cannot be used: {UNKNOWN}",
        ),
        ({"privateKey": pem(b"planted-passphrase")}, "the privateKey cannot be used: the key is encrypted"),
    ],
)
async def test_a_key_of_oracle_that_cannot_sign_is_told(world: World, changes: dict[str, str], text: str) -> None:
    names = ("identityId", "privateKey", "fingerprint", "userId", "tenancyId", "region")
    given = dict.fromkeys(names, "x") | {"privateKey": pem()} | changes
    error = await refused(world, auth=way(world, "ociAuthCredentials", **given))
    assert str(error) == f"failed to authenticate via oci auth {text}"
    assert world.fake.asked == []


# the operator's own identity


@pytest.mark.parametrize(
    ("given", "resource"), [({}, "https://management.azure.com/"), ({"resource": "api://x"}, "api://x")]
)
async def test_a_managed_identity_of_azure_logs_in(
    world: World, machine: Machine, given: dict[str, str], resource: str
) -> None:
    believe(world, "azure-auth", identityId="me", jwt=f"planted-azure-{resource}")
    await world.open(auth=way(world, "azureAuthCredentials", identityId="me", **given))


async def test_the_service_account_of_a_google_machine_logs_in(world: World, machine: Machine) -> None:
    believe(world, "gcp-auth", identityId="me", jwt="planted-google-me")
    await world.open(auth=way(world, "gcpIdTokenAuthCredentials", identityId="me"))


async def test_a_key_file_of_google_beside_the_operator_signs(world: World, tmp_path: Path) -> None:
    world.credentials.environ = {}
    path = tmp_path / "key.json"
    email = "reader@project.iam.gserviceaccount.com"
    path.write_text(json.dumps({"client_email": email, "private_key": pem(), "private_key_id": "k1"}))
    auth = way(world, "gcpIamAuthCredentials", identityId="me", serviceAccountKeyFilePath=str(path))
    await refused(world, auth=auth)
    head, claims, mark = world.fake.asked[0].body["jwt"].split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    found = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (found["sub"], found["aud"], found["exp"] - found["iat"]) == (email, "me", 900)
    made = base64.urlsafe_b64decode(mark + "==")
    KEY.public_key().verify(made, f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("content", ["planted", "{}", '{"client_email":"a","private_key":"planted"}'])
async def test_a_file_that_is_no_key_is_told_and_not_shown(world: World, tmp_path: Path, content: str) -> None:
    world.credentials.environ = {}
    path = tmp_path / "planted.json"
    path.write_text(content)
    auth = way(world, "gcpIamAuthCredentials", identityId="me", serviceAccountKeyFilePath=str(path))
    error = await refused(world, auth=auth)
    assert str(error) == (
        "failed to authenticate via gcp iam auth the file of serviceAccountKeyFilePath is no key of a service account"
    )


async def test_the_operators_own_token_logs_in_from_a_cluster_store_only(world: World) -> None:
    believe(world, "kubernetes-auth", identityId="me", jwt="planted-own-token")
    world.credentials.tokens["own"] = "planted-own-token"
    await world.open("ClusterSecretStore", auth=way(world, "kubernetesAuthCredentials", identityId="me"))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("planted", "the file of serviceAccountTokenPath holds no token"),
        ("", "the file of serviceAccountTokenPath holds no token"),
        (None, "the file of serviceAccountTokenPath cannot be read"),
        ("a.b.c\n", ""),
    ],
)
async def test_a_token_file_beside_the_operator_logs_in(
    world: World, tmp_path: Path, content: str | None, text: str
) -> None:
    world.credentials.environ = {}
    believe(world, "kubernetes-auth", identityId="me", jwt="a.b.c")
    path = tmp_path / "planted-token"
    if content is not None:
        path.write_text(content)
    auth = way(world, "kubernetesAuthCredentials", identityId="me", serviceAccountTokenPath=str(path))
    if text:
        error = await refused(world, "ClusterSecretStore", auth=auth)
        assert str(error) == f"failed to authenticate via kubernetes auth {text}"
        assert world.fake.asked == []
    else:
        await world.open("ClusterSecretStore", auth=auth)


@pytest.mark.parametrize("path", [{}, {"serviceAccountTokenPath": "file"}], ids=["its own", "of a file"])
@pytest.mark.parametrize(
    ("kind", "namespace"),
    [
        pytest.param("SecretStore", "eso", id="of a SecretStore"),
        pytest.param("ClusterSecretStore", "", id="in the consumer's namespace"),
    ],
)
async def test_an_identity_that_a_tenant_chose_gets_no_token_of_the_operator(
    world: World, tmp_path: Path, path: dict[str, str], kind: str, namespace: str
) -> None:
    """Infisical shows the token to the API server that the owner of the identity wrote down."""
    (tmp_path / "token").write_text("a.b.c")
    world.credentials.environ = {}
    world.credentials.tokens["own"] = "planted-own-token"
    more = {name: str(tmp_path / "token") for name in path}
    auth = way(world, "kubernetesAuthCredentials", identityId="mine", **more)
    auth["kubernetesAuthCredentials"]["identityId"]["namespace"] = namespace
    error = await refused(world, kind, auth=auth)
    assert isinstance(error, InvalidConfig)
    assert str(error) == f"failed to authenticate via kubernetes auth {FORWARDED}"
    assert world.fake.asked == []


async def test_no_path_leads_to_the_operators_own_token(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.credentials.environ = {}
    monkeypatch.setattr(files, "OWN_FOLDER", str(tmp_path))
    (tmp_path / "token").write_text("a.b.c")
    auth = way(world, "kubernetesAuthCredentials", identityId="me", serviceAccountTokenPath=str(tmp_path / "token"))
    assert "operator's own ServiceAccount" in str(await refused(world, "ClusterSecretStore", auth=auth))


async def test_keys_of_the_operator_sign_a_question_to_aws(world: World) -> None:
    clouds = Clouds()
    clouds.secret_keys, clouds.host, clouds.region = (
        {"AKIAOWN": "planted-key"},
        "sts.eu-west-1.amazonaws.com",
        "eu-west-1",
    )
    world.credentials.environ = {
        "AWS_ACCESS_KEY_ID": "AKIAOWN",
        "AWS_SECRET_ACCESS_KEY": "planted-key",
        "AWS_REGION": "eu-west-1",
    }
    await refused(world, auth=way(world, "awsAuthCredentials", identityId="me"))
    body = world.fake.asked[0].body
    text, headers = question(body)
    assert (body["identityId"], body["iamHttpRequestMethod"]) == ("me", "POST")
    assert text == "Action=GetCallerIdentity&Version=2011-06-15"
    assert headers["Host"] == clouds.host
    assert clouds.believes(headers, text)


async def test_a_web_identity_is_exchanged_before_the_question_is_signed(world: World, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("planted-jwt")
    async with Clouds() as clouds:
        clouds.web_tokens, clouds.secret_keys = {"planted-jwt"}, {"AKIAROLE": "planted-role-key"}
        world.credentials.environ = {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/reader",
            "AWS_REGION": "us-east-1",
            "AWS_STS_ENDPOINT": clouds.address,
        }
        await refused(world, auth=way(world, "awsAuthCredentials", identityId="me"))
        text, headers = question(world.fake.asked[0].body)
        assert clouds.believes(headers, text)
        assert headers["X-Amz-Security-Token"] == "planted-role-token"


async def test_the_region_of_an_instance_counts_where_the_environment_names_none(world: World) -> None:
    async with FakeAws() as server:
        server.instance_region = "us-east-2"
        world.credentials.environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.address}
        await refused(world, auth=way(world, "awsAuthCredentials", identityId="me"))
    _, headers = question(world.fake.asked[0].body)
    assert headers["Host"] == "sts.us-east-2.amazonaws.com"


AMBIENT = {
    "azureAuthCredentials": {},
    "gcpIdTokenAuthCredentials": {},
    "gcpIamAuthCredentials": {"serviceAccountKeyFilePath": "/planted"},
    "kubernetesAuthCredentials": {"serviceAccountTokenPath": "/planted"},
    "awsAuthCredentials": {},
}


@pytest.mark.parametrize("method", AMBIENT)
async def test_a_secret_store_shows_the_operators_identity_to_no_server_that_it_names(
    world: World, machine: Machine, method: str
) -> None:
    auth = way(world, method, identityId="me", **AMBIENT[method])
    told = FORWARDED if method == "kubernetesAuthCredentials" else OWN_IDENTITY
    for host in (ELSEWHERE, "http://app.infisical.com", "https://infisical.com.example.com"):
        error = await refused(world, hostAPI=host, auth=auth)
        assert isinstance(error, InvalidConfig)
        assert str(error).endswith(told)
    assert machine.asked == world.fake.asked == []


@pytest.mark.parametrize("method", AMBIENT)
async def test_a_flag_of_the_operator_keeps_its_identity_to_itself(world: World, method: str) -> None:
    error = await refused(world, "ClusterSecretStore", auth=way(world, method, identityId="me", **AMBIENT[method]))
    assert str(error).endswith("this store may not use the operator's own cloud identity")


async def test_a_cluster_store_may_name_the_server_that_sees_the_operators_identity(
    world: World, machine: Machine
) -> None:
    believe(world, "azure-auth", identityId="me", jwt="planted-azure-https://management.azure.com/")
    auth = way(world, "azureAuthCredentials", identityId="me")
    await world.open("ClusterSecretStore", hostAPI=world.fake.address, auth=auth)


async def test_a_metadata_service_that_refuses_is_a_refused_login(world: World, machine: Machine) -> None:
    machine.fail(Fault(400, echo=True))
    error = await refused(world, auth=way(world, "azureAuthCredentials", identityId="me"))
    assert isinstance(error, AuthRejected)
    assert str(error) == "failed to authenticate via azure auth the metadata service answered 400 Bad Request"


# whose they are, what goes wrong


async def test_no_method_is_told(world: World) -> None:
    assert str(await refused(world, auth={})) == "authentication method not found"


async def test_a_missing_credential_is_told_in_the_words_of_the_reference(world: World) -> None:
    missing = 'cannot find secret data for key: "id"'
    del world.credentials.secrets["login/id"]
    assert str(await refused(world)) == missing
    auth = {"jwtAuthCredentials": {"identityId": {"name": "login", "key": "id"}}}
    assert str(await refused(world, auth=auth)) == f"failed to get secret data identityId {missing}"


async def test_a_cluster_store_without_namespaces_is_neither_valid_nor_faulty_by_itself(world: World) -> None:
    world.credentials.namespace = ""
    client = await world.open("ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    assert client.lifetime is None
    await client.close()
    assert world.fake.asked == []


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (Fault(401, body='{"message":"Invalid credentials"}'), AuthRejected, '401] [message="Invalid credentials"]'),
        (Fault(404, body='{"message":"Identity with ID \'planted\' not found"}'), AuthRejected, "identity not found"),
        (Fault(400, echo=True), AuthRejected, "[status-code=400]"),
        (Fault(429, headers={"Retry-After": "3"}), Throttled, "[status-code=429]"),
        (Fault(502, body="<html>"), Unavailable, "[status-code=502]"),
        (Fault(200, body="<html>"), Malformed, "the server's reply is not JSON"),
        (Fault(200, body='{"accessToken":7,"expiresIn":1}'), Malformed, "no text in accessToken"),
        (Fault(200, body='{"accessToken":"","expiresIn":1}'), Malformed, "no usable access token"),
        (Fault(200, body='{"accessToken":"a\\nb","expiresIn":1}'), Malformed, "no usable access token"),
        (Fault(200, body='{"accessToken":"a"}'), Malformed, "no number in expiresIn"),
        (Fault(200, body='{"accessToken":"a","expiresIn":true}'), Malformed, "no number in expiresIn"),
        (Fault(200, body='{"accessToken":"a","expiresIn":-1}'), Malformed, "no number in expiresIn"),
        (Fault(200, body=f'{{"accessToken":"{"a" * 70_000}","expiresIn":1}}'), Malformed, "longer than"),
    ],
)
async def test_a_refused_login_has_its_class(world: World, fault: Fault, kind: type, text: str) -> None:
    world.fake.fail(fault)
    error = await refused(world)
    assert type(error) is kind
    assert str(error).startswith("failed to authenticate via universal auth ")
    assert text in str(error)
    assert "planted" not in str(error)


def test_a_token_is_let_go_before_it_ends_and_one_without_a_life_is_kept() -> None:
    assert [Token("t", seconds).lifetime for seconds in (7200.0, 100.0, None)] == [7140.0, 50.0, None]


async def test_a_token_is_renewed_for_every_view_of_the_login(world: World) -> None:
    world.fake.seconds = 600
    client = await world.open()
    world.fake.seconds = 300
    other = client.bind((await world.open(scope={"secretsPath": "/x"})).store)
    assert await client.renew()
    assert client.lifetime == other.lifetime == 240.0
    renewed = world.fake.asked[-1].body["accessToken"]
    world.fake.tokens.discard(renewed)
    assert await client.validate() is Validation.READY


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_token_that_is_too_old_is_replaced_and_not_renewed(world: World, status: int) -> None:
    client = await world.open()
    world.fake.fail(Fault(status, path="renew"))
    assert not await client.renew()


async def test_a_server_that_fails_to_renew_says_so(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(503, path="renew"))
    with pytest.raises(Unavailable):
        await client.renew()


async def test_closing_revokes_the_token_and_never_fails(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(500, path="revoke"))
    await client.close()
    assert world.fake.count("revoke") == 1


async def test_every_await_of_a_renewal_may_be_cancelled(world: World) -> None:
    client = await world.open()

    async def renewed() -> None:
        world.fake.tokens.add(client.connection.token.value)  # the answer that was cancelled took it away
        await client.renew()

    async for _ in every_await(renewed):
        continue
    assert await client.renew()


async def test_the_stores_authority_is_trusted_beside_the_systems(tmp_path: Path, world: World) -> None:
    authority = Authority(tmp_path)
    pair = authority.server("infisical", dns=("localhost",))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pair.cert, pair.key)
    async with FakeInfisical(serving) as fake:
        host = fake.address
        world.credentials.ca = authority.cert.read_bytes()
        client = await world.open(hostAPI=host, auth=UNIVERSAL)
        assert await client.validate() is Validation.READY
        await client.close()
        world.credentials.ca = None
        with pytest.raises(Unavailable, match="cannot trust"):
            await world.open(hostAPI=host)
        world.credentials.ca = b"planted"
        with pytest.raises(InvalidConfig, match="failed to get CA certificate: cannot use the CA certificates"):
            await world.open(hostAPI=host)
