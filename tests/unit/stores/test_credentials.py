"""What a login may read, from where, and the texts for what is missing."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from eso.errors import EsoError
from eso.kube.rest import Forbidden
from eso.providers.contract import InvalidConfig, StoreView
from eso.stores.credentials import Credentials, decoded_bundle, one_line
from tests.fakes.cancel import every_await
from tests.fakes.credentials import DictRest

SECRET_STORE = StoreView("SecretStore", "main", "team-a", "vault", {})
CLUSTER_STORE = StoreView("ClusterSecretStore", "main", "", "vault", {})


def certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    signed = built.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


PEM = certificate()


def reader(store: StoreView = SECRET_STORE, namespace: str = "team-a", **options: Any) -> tuple[Credentials, DictRest]:
    rest = DictRest()
    rest.secret("team-a", "creds", token="t-a", empty="")
    rest.secret("other", "creds", token="t-other")
    return Credentials(rest, store, namespace, **options), rest  # type: ignore[arg-type]  # it only reads


@pytest.mark.parametrize(
    ("store", "selector", "value"),
    [
        pytest.param(SECRET_STORE, {"name": "creds", "key": "token"}, b"t-a", id="the store's namespace"),
        pytest.param(
            SECRET_STORE,
            {"name": "creds", "key": "token", "namespace": "other"},
            b"t-a",
            id="a SecretStore cannot reach into another namespace",
        ),
        pytest.param(
            CLUSTER_STORE,
            {"name": "creds", "key": "token", "namespace": "other"},
            b"t-other",
            id="a ClusterSecretStore names one",
        ),
        pytest.param(CLUSTER_STORE, {"name": "creds", "key": "token"}, b"t-a", id="or looks with the consumer"),
        pytest.param(SECRET_STORE, {"name": "creds", "key": "empty"}, b"", id="an empty value is a value"),
    ],
)
async def test_a_secret_is_read_where_the_rules_say(store: StoreView, selector: dict[str, str], value: bytes) -> None:
    credentials, _ = reader(store)
    assert await credentials.secret(selector) == value


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        pytest.param(
            {"name": "gone", "key": "k"},
            'cannot get Kubernetes secret "gone" from namespace "team-a": secrets "gone" not found',
            id="no secret",
        ),
        pytest.param({"name": "creds", "key": "nope"}, 'cannot find secret data for key: "nope"', id="no such key"),
        pytest.param({"name": "creds"}, 'cannot find secret data for key: ""', id="an empty key is looked up as it is"),
    ],
)
async def test_what_is_missing_is_told_as_the_reference_tells_it(selector: dict[str, str], text: str) -> None:
    credentials, _ = reader()
    with pytest.raises(EsoError) as missing:
        await credentials.secret(selector)
    assert str(missing.value) == text


async def test_a_default_key_stands_in_for_an_absent_one() -> None:
    credentials, _ = reader()
    assert await credentials.secret({"name": "creds"}, default_key="token") == b"t-a"


async def test_the_api_servers_refusal_is_told() -> None:
    credentials, rest = reader()
    rest.failure = Forbidden('secrets "creds" is forbidden', status=403)
    with pytest.raises(
        EsoError, match=r'cannot get Kubernetes secret "creds" from namespace "team-a": secrets "creds" is forbidden'
    ):
        await credentials.secret({"name": "creds", "key": "token"})


async def test_a_secret_with_several_keys_is_read_once_per_login() -> None:
    credentials, rest = reader()
    await credentials.secret({"name": "creds", "key": "token"})
    await credentials.secret({"name": "creds", "key": "empty"})
    assert rest.gets == ["secrets/team-a/creds"]


async def test_a_token_is_asked_for_as_the_provider_says() -> None:
    credentials, rest = reader(CLUSTER_STORE)
    assert (
        await credentials.service_account_token({"name": "app", "namespace": "other"}, audiences=("vault",))
        == "token-of-other-app"
    )
    assert rest.tokens == [{"namespace": "other", "name": "app", "audiences": ["vault"], "expirationSeconds": 600}]


async def test_the_first_listed_secret_with_a_token_is_the_legacy_token() -> None:
    credentials, rest = reader()
    rest.objects["serviceaccounts/team-a/app"] = {"secrets": [{"name": "gone"}, {"name": "creds"}]}
    assert await credentials.legacy_service_account_token({"name": "app"}) == "t-a"


@pytest.mark.parametrize(
    ("account", "text"),
    [
        pytest.param(
            None, 'cannot get Kubernetes service account "app": serviceaccounts "app" not found', id="no account"
        ),
        pytest.param({}, 'cannot find secrets bound to service account: "app"', id="nothing listed"),
        pytest.param(
            {"secrets": [{"name": "x"}]},
            'cannot find token in secrets bound to service account: "app"',
            id="nothing with a token",
        ),
    ],
)
async def test_why_there_is_no_legacy_token(account: dict[str, Any] | None, text: str) -> None:
    credentials, rest = reader()
    if account is not None:
        rest.objects["serviceaccounts/team-a/app"] = account
    with pytest.raises(EsoError) as missing:
        await credentials.legacy_service_account_token({"name": "app"})
    assert str(missing.value) == text


async def test_our_own_token_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("own\n")
    assert await reader(CLUSTER_STORE, own_token=str(tmp_path / "token"))[0].own_token() == "own"
    with pytest.raises(EsoError, match="cannot read Kubernetes service account token from file system"):
        await reader(CLUSTER_STORE, own_token=str(tmp_path / "none"))[0].own_token()


async def test_our_own_token_is_not_for_a_secret_store_whose_author_chooses_the_server(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("own\n")
    with pytest.raises(InvalidConfig, match="cannot log in with the controller's own ServiceAccount"):
        await reader(own_token=str(tmp_path / "token"))[0].own_token()


async def test_credentials_that_cannot_be_read_are_equal_in_no_two_namespaces() -> None:
    digests = {
        await reader(namespace=namespace)[0].digest([("Secret", "", "gone")]) for namespace in ("team-a", "team-b")
    }
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        pytest.param(base64.b64encode(PEM), PEM, id="base64 once, as the field says"),
        pytest.param(base64.b64encode(base64.b64encode(PEM)), PEM, id="encoded twice by mistake"),
        pytest.param(base64.b64encode(base64.urlsafe_b64encode(PEM)), PEM, id="encoded for a URL by mistake"),
        pytest.param(
            base64.b64encode(PEM + b"-----BEGIN X-----\nrest"),
            PEM + b"-----BEGIN X-----\nrest",
            id="only the first block is looked at",
        ),
    ],
)
def test_a_bundle_is_understood(bundle: bytes, expected: bytes) -> None:
    assert decoded_bundle(bundle.decode()) == expected


@pytest.mark.parametrize(
    ("bundle", "text"),
    [
        pytest.param(
            b"not pem",
            "failed to decode ca bundle: failed to parse the new certificate, not valid pem data",
            id="no PEM",
        ),
        pytest.param(
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "failed to decode ca bundle: failed to validate certificate: ",
            id="no certificate",
        ),
    ],
)
def test_a_bundle_that_is_none(bundle: bytes, text: str) -> None:
    with pytest.raises(EsoError) as refused:
        decoded_bundle(base64.b64encode(bundle).decode())
    assert str(refused.value).startswith(text)


def ca(**provider: str) -> dict[str, Any]:
    return {"caProvider": provider}


@pytest.mark.parametrize(
    ("store", "spec", "text"),
    [
        pytest.param(
            CLUSTER_STORE,
            ca(type="Secret", name="ca", key="k"),
            "missing namespace on caProvider secret",
            id="a cluster store has to name one",
        ),
        pytest.param(
            SECRET_STORE,
            ca(type="Secret", name="ca", key="k", namespace="other"),
            "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore",
            id="a SecretStore may not name another",
        ),
        pytest.param(
            SECRET_STORE,
            ca(type="Secret", name="ca", key="k"),
            "failed to get cert from secret: failed to resolve secret key ref: "
            'cannot get Kubernetes secret "ca" from namespace "team-a": secrets "ca" not found',
            id="no secret",
        ),
        pytest.param(
            SECRET_STORE,
            ca(type="ConfigMap", name="ca", key="k"),
            'failed to get cert from configmap: failed to get caProvider secret ca: configmaps "ca" not found',
            id="no config map",
        ),
        pytest.param(
            SECRET_STORE,
            ca(type="ConfigMap", name="roots", key="nope"),
            "failed to get cert from configmap: failed to get caProvider configMap roots -> nope",
            id="no such key",
        ),
        pytest.param(
            SECRET_STORE, ca(type="File", name="x"), "unsupported CA provider type: File", id="an unknown type"
        ),
    ],
)
async def test_why_there_is_no_ca(store: StoreView, spec: dict[str, Any], text: str) -> None:
    credentials, rest = reader(store)
    rest.objects["configmaps/team-a/roots"] = {"data": {"ca.crt": "pem"}, "binaryData": {"nope": "eA=="}}
    with pytest.raises(EsoError) as missing:
        await credentials.ca_bundle(spec)
    assert str(missing.value) == text


async def test_a_ca_comes_from_the_bundle_first() -> None:
    credentials, rest = reader()
    rest.objects["configmaps/team-a/roots"] = {"data": {"ca.crt": "pem"}}
    assert await credentials.ca_bundle({}) is None
    assert await credentials.ca_bundle(ca(type="ConfigMap", name="roots", key="ca.crt")) == b"pem"
    assert (
        await credentials.ca_bundle({"caBundle": base64.b64encode(PEM).decode(), **ca(type="Nonsense", name="x")})
        == PEM
    )


async def test_a_digest_tells_contents_apart_and_shows_none() -> None:
    first, rest = reader()
    again, _ = reader()
    edited, other = reader()
    other.secret("team-a", "creds", token="t-new")
    references = [("Secret", "", "creds"), ("ServiceAccount", "", "app"), ("ConfigMap", "", "gone")]
    digest = await first.digest(references)
    assert digest == await again.digest(references)
    assert digest != await edited.digest(references)
    assert b"t-a" not in digest
    other.secret("team-a", "creds", {"external-secrets.io/type": "webhook"}, token="t-a")
    assert await Credentials(other, SECRET_STORE, "team-a").digest(references) != digest  # type: ignore[arg-type]  # it only reads
    rest.failure = Forbidden("no", status=403)
    assert await Credentials(rest, SECRET_STORE, "team-a").digest(references) != digest  # type: ignore[arg-type]  # it only reads


async def test_every_await_may_be_cancelled() -> None:
    credentials, _ = reader()
    async for _ in every_await(lambda: credentials.secret({"name": "creds", "key": "token"})):
        continue
    assert await credentials.secret({"name": "creds", "key": "token"}) == b"t-a"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        pytest.param(b"s.token\n", True, id="a line break at the end"),
        pytest.param(b"s.token\r\n", True, id="one of Windows"),
        pytest.param(b"s.token", False, id="none"),
        pytest.param(b"", False, id="nothing"),
        pytest.param(b"one\ntwo\n", False, id="a text of several lines"),
        pytest.param(b'{"type": "service_account"}\n', False, id="JSON"),
        pytest.param(b"-----BEGIN PRIVATE KEY-----\n", False, id="PEM"),
        pytest.param(b"\n", True, id="a line break and nothing else"),
    ],
)
def test_a_credential_of_one_line_that_ends_in_a_line_break_is_noticed(value: bytes, named: bool) -> None:
    assert one_line(value) is named


async def test_credentials_that_are_read_as_a_whole_secret_are_looked_at_too() -> None:
    rest = DictRest()
    rest.secret("team-a", "login", user="alice", password="pass\n", key="-----BEGIN KEY-----\nAA\n-----END KEY-----\n")
    given: Any = rest  # it only reads
    credentials = Credentials(given, StoreView("SecretStore", "main", "team-a", "webhook", {}), "team-a")
    await credentials.secret_object({"name": "login"})
    assert credentials.trailing == ['key "password" of secret "login"']
