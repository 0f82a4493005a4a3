"""Every way to log in, and where each credential goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from eso.errors import EsoError
from eso.providers.azurekv import material
from eso.providers.azurekv.login import resource_of
from eso.providers.contract import AuthRejected, InvalidConfig, Malformed, Unavailable, Validation
from eso.providers.kit.http import Reply
from tests.fakes.azurekv import CLIENT, TENANT, FakeAzure
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.credentials import StaticCredentials
from tests.unit.providers.azurekv.conftest import REFS, World, read

KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
ACCOUNT: dict[str, Any] = {"authType": "WorkloadIdentity", "serviceAccountRef": {"name": "app"}, "authSecretRef": None}
CLIENT_NOTE, TENANT_NOTE = "azure.workload.identity/client-id", "azure.workload.identity/tenant-id"
CERTIFICATE_REFS = {"clientId": REFS["clientId"], "clientCertificate": {"name": "login", "key": "pem"}}
STACK = {
    "environmentType": "AzureStackCloud",
    "useAzureSDK": True,
    "customCloudConfig": {"activeDirectoryEndpoint": "https://adfs.example.com/"},
    "vaultUrl": "https://shop.vault.adfs.example.com",
}


def signed(key: rsa.RSAPrivateKey, name: str = "eso") -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=1))
    return made.sign(key, hashes.SHA256())


SHOWN, ROOT = signed(KEY), signed(OTHER, "root")


def pem(*parts: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    texts = [
        part.private_bytes(Encoding.PEM, form, NoEncryption())
        if isinstance(part, rsa.RSAPrivateKey)
        else part.public_bytes(Encoding.PEM)
        for part in parts
    ]
    return b"".join(texts).decode()


def account(world: World, **notes: str) -> StaticCredentials:
    """The account `app`; its token speaks for CLIENT."""
    world.fake.assertions["of-app"] = CLIENT
    secrets = {"login/client": CLIENT, "login/tenant": TENANT}
    return StaticCredentials(secrets, tokens={"app": "of-app"}, accounts={"app": notes})


async def served(world: World, credentials: StaticCredentials | None = None, **block: Any) -> None:
    """The store can read."""
    world.fake.put("app", "value")
    client = await world.open(credentials, **block)
    assert await read(client, "app") == b"value"
    assert 3500 < (client.lifetime or 0) < 3600
    assert await client.validate() is Validation.READY
    assert not await client.renew()
    await client.close()


async def refused(world: World, credentials: StaticCredentials | None = None, **block: Any) -> EsoError:
    with pytest.raises(EsoError) as failed:
        await world.open(credentials, **block)
    assert world.provider.world.opened
    return failed.value


def asked_for(fake: FakeAzure) -> dict[str, str]:
    """The form of the first request for a token."""
    return dict(parse_qsl(next(asked.text for asked in fake.asked if asked.path.endswith("/token"))))


# a service principal


async def test_a_secret_logs_in_at_the_public_cloud(world: World) -> None:
    await served(world)
    assert world.meant == [
        "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token",
        "https://shop.vault.azure.net/secrets/app/",
    ]
    assert asked_for(world.fake)["scope"] == "https://vault.azure.net/.default"
    assert world.fake.asked[-1].query == {"api-version": "7.0"}


@pytest.mark.parametrize(
    ("environment", "host", "authority", "resource"),
    [
        ("USGovernmentCloud", "shop.vault.usgovcloudapi.net", "login.microsoftonline.us", "vault.usgovcloudapi.net"),
        ("ChinaCloud", "shop.vault.azure.cn", "login.chinacloudapi.cn", "vault.azure.cn"),
        ("GermanCloud", "shop.vault.microsoftazure.de", "login.microsoftonline.de", "vault.microsoftazure.de"),
    ],
)
async def test_each_cloud_has_its_authority_and_its_audience(
    world: World, environment: str, host: str, authority: str, resource: str
) -> None:
    world.fake.resource = f"https://{resource}"
    await served(world, environmentType=environment, vaultUrl=f"https://{host}/")
    assert world.meant[0] == f"https://{authority}/tenant-1/oauth2/v2.0/token"
    assert asked_for(world.fake)["scope"] == f"https://{resource}/.default"


async def test_the_newer_way_asks_the_vault_for_the_audience(world: World) -> None:
    world.fake.resource = "https://managedhsm.azure.net"
    await served(world, useAzureSDK=True, vaultUrl="https://shop.managedhsm.azure.net")
    assert [(asked.method, asked.path) for asked in world.fake.asked] == [
        ("GET", "/secrets"),
        ("POST", "/tenant-1/oauth2/v2.0/token"),
        ("GET", "/secrets/app/"),
    ]
    assert "Authorization" not in world.fake.asked[0].headers
    assert asked_for(world.fake)["scope"] == "https://managedhsm.azure.net/.default"
    assert world.fake.asked[-1].query == {"api-version": "7.4"}


@pytest.mark.parametrize(
    ("tenant", "path"),
    [
        pytest.param(TENANT, "tenant-1/oauth2/v2.0/token", id="Entra ID"),
        pytest.param("adfs", "adfs/oauth2/token", id="federation services"),
    ],
)
async def test_a_stack_has_an_authority_of_its_own(world: World, tenant: str, path: str) -> None:
    world.fake.resource = "https://vault.adfs.example.com"
    await served(world, **(STACK | {"tenantId": tenant}))
    assert world.meant[1] == f"https://adfs.example.com/{path}"


async def test_a_vault_that_asks_for_a_token_of_somebody_else_gets_none(world: World) -> None:
    world.fake.told_resource = "https://management.azure.com"
    error = await refused(world, useAzureSDK=True)
    assert isinstance(error, Malformed)
    assert str(error) == "the vault asks for a token that is not for its own domain"
    assert world.fake.count("/token") == 0


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(200, body="{}"), id="it takes no token"),
        pytest.param(Fault(401), id="it does not say which"),
        pytest.param(Fault(401, headers={"WWW-Authenticate": "Bearer " + "x" * 5000}), id="a challenge without end"),
        pytest.param(
            Fault(401, headers={"WWW-Authenticate": 'Bearer resource="http://vault.azure.net"'}), id="one in clear"
        ),
        pytest.param(Fault(401, headers={"WWW-Authenticate": 'Bearer resource="https://a@b"'}), id="one with a user"),
    ],
)
async def test_a_vault_without_a_challenge_is_none(world: World, fault: Fault) -> None:
    world.fake.fail(fault)
    assert isinstance(await refused(world, useAzureSDK=True), Malformed)
    assert world.fake.count("/token") == 0


@pytest.mark.parametrize(
    ("header", "resource"),
    [
        ('Bearer authorization="https://l/t", resource="https://vault.azure.net"', "https://vault.azure.net"),
        ("Bearer authorization=https://l/t, resource=https://vault.azure.net/", "https://vault.azure.net"),
        ('Bearer authorization="https://l/t", scope="https://vault.azure.net/.default"', "https://vault.azure.net"),
    ],
)
def test_forms_of_a_challenge(header: str, resource: str) -> None:
    assert resource_of(Reply(401, {"WWW-Authenticate": header}, b"")) == resource


SECRET_OR_CERTIFICATE = "missing accessKeyID/secretAccessKey in store config"


@pytest.mark.parametrize(
    ("block", "text"),
    [
        pytest.param({"tenantId": None}, "missing tenantID in store config", id="no tenant"),
        pytest.param({"authSecretRef": None}, "missing secretRef in provider config", id="no credentials"),
        pytest.param({"authSecretRef": {"clientSecret": {"name": "s"}}}, SECRET_OR_CERTIFICATE, id="no client"),
        pytest.param({"authSecretRef": {"clientId": REFS["clientId"]}}, SECRET_OR_CERTIFICATE, id="a client alone"),
        pytest.param(
            {"authSecretRef": REFS | CERTIFICATE_REFS}, "both clientSecret and clientCredentials set", id="both"
        ),
        pytest.param(
            {"authType": "Passkey"}, "cannot initialize Azure Client: no valid authType was specified", id="no method"
        ),
        pytest.param(
            {"authSecretRef": REFS | {"clientId": {"name": "x"}}}, 'cannot find secret data for key: ""', id="x"
        ),
    ],
)
async def test_a_principal_that_cannot_log_in(world: World, block: dict[str, Any], text: str) -> None:
    assert str(await refused(world, **block)) == text
    assert world.fake.asked == []


@pytest.mark.parametrize(
    "block",
    [
        pytest.param({}, id="a principal"),
        pytest.param({"authType": "ManagedIdentity"}, id="a machine"),
        pytest.param(ACCOUNT | {"authType": "WorkloadIdentity"}, id="an account"),
    ],
)
async def test_a_cloud_that_is_gone_is_refused_before_anything_is_asked(world: World, block: dict[str, Any]) -> None:
    gone = {"environmentType": "GermanCloud", "useAzureSDK": True, "vaultUrl": "https://shop.vault.microsoftazure.de"}
    credentials = account(world, **{CLIENT_NOTE: CLIENT})
    credentials.secrets |= {"login/secret": "s"}
    credentials.environ = {}
    error = await refused(world, credentials, **(block | gone))
    assert str(error).startswith("failed to get cloud configuration: Azure Germany")
    assert world.fake.asked == []


async def test_a_refused_secret_is_told_by_entras_numbers_alone(world: World) -> None:
    world.credentials.secrets["login/secret"] = "planted"
    error = await refused(world)
    assert isinstance(error, AuthRejected)
    assert str(error) == "Entra ID answered 401 Unauthorized: invalid_client (AADSTS7000215)"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(pem(SHOWN, KEY), id="certificate first"),
        pytest.param(pem(KEY, SHOWN), id="key first"),
        pytest.param(pem(ROOT, SHOWN, KEY), id="of a chain the certificate of the key"),
        pytest.param(pem(SHOWN, KEY, form=PrivateFormat.TraditionalOpenSSL), id="PKCS#1"),
        pytest.param(f"Bag Attributes\n{pem(SHOWN)}\nx\n{pem(KEY)}", id="words between"),
    ],
)
@pytest.mark.parametrize("modern", [False, True])
async def test_a_certificate_logs_in(world: World, text: str, modern: bool) -> None:
    world.fake.certificates[CLIENT] = SHOWN
    world.credentials.secrets["login/pem"] = text
    await served(world, authSecretRef=CERTIFICATE_REFS, useAzureSDK=modern)


class Binary(StaticCredentials):
    """A credential that is no text."""

    data = b""

    async def secret(self, selector: Any, *, default_key: str = "") -> bytes:
        return self.data if selector["key"] == "pem" else CLIENT.encode()


def packed(password: bytes = b"") -> bytes:
    how = BestAvailableEncryption(password) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"eso", KEY, SHOWN, [ROOT], how)


async def test_the_newer_way_takes_pkcs12(world: World) -> None:
    world.fake.certificates[CLIENT] = SHOWN
    credentials = Binary({})
    credentials.data = packed()
    await served(world, credentials, authSecretRef=CERTIFICATE_REFS, useAzureSDK=True)
    error = await refused(world, credentials, authSecretRef=CERTIFICATE_REFS)
    assert str(error) == f"{material.DECODE}no certificate found in PEM file"


LOCKED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("", "no certificate found in PEM file", id="nothing"),
        pytest.param(pem(KEY), "no certificate found in PEM file", id="a key alone"),
        pytest.param(pem(SHOWN), "no private key found in PEM file", id="a certificate alone"),
        pytest.param(pem(SHOWN) + LOCKED, "no private key found in PEM file", id="an encrypted key"),
        pytest.param("-----BEGIN " * 90_000, "no certificate found in PEM file", id="a megabyte of beginnings"),
    ],
)
async def test_what_is_no_certificate_with_a_key(world: World, text: str, fault: str) -> None:
    world.credentials.secrets["login/pem"] = text
    error = await refused(world, authSecretRef=CERTIFICATE_REFS)
    assert str(error) == f"failed to get oauth token from certificate auth: failed to decode certificate: {fault}"
    assert world.fake.asked == []


def test_a_pkcs12_file_cannot_ask_for_work_without_end() -> None:
    data = packed(b"x")
    rounds = data.index(b"\x02\x02\x4e\x20") if b"\x02\x02\x4e\x20" in data else data.rindex(b"\x02\x02")
    hostile = data[: rounds + 2] + b"\x7f\xff" + data[rounds + 4 :]
    for file in (packed(b"x"), hostile, data[:-9], b"\x30\x84\xff\xff\xff\xff"):
        with pytest.raises(InvalidConfig) as failed:
            material.of_client(file, pkcs12_too=True)
        assert str(failed.value).startswith(material.DECODE)


# the machine's identity


@pytest.mark.parametrize("identity", ["", "id-1"])
@pytest.mark.parametrize("modern", [False, True])
async def test_the_machine_logs_in_past_every_proxy(world: World, identity: str, modern: bool) -> None:
    world.fake.identities = {identity}
    machine = StaticCredentials({}, environ={})
    block = {"authType": "ManagedIdentity", "tenantId": None, "authSecretRef": None, "useAzureSDK": modern}
    await served(world, machine, identityId=identity or None, **block)
    assert world.direct_meant == ["http://169.254.169.254/metadata/identity/oauth2/token"]
    assert world.fake.count("/oauth2/v2.0/token") == 0


async def test_a_machine_without_the_identity_is_rejected(world: World) -> None:
    machine = StaticCredentials({}, environ={})
    error = await refused(world, machine, authType="ManagedIdentity", identityId="planted")
    assert isinstance(error, AuthRejected)
    assert "planted" not in str(error)


OWN = [
    pytest.param({"authType": "ManagedIdentity"}, id="a machine's"),
    pytest.param({"authType": "WorkloadIdentity"}, id="a pod's"),
]


@pytest.mark.parametrize("block", OWN)
async def test_the_operators_identity_needs_the_operators_leave(world: World, block: dict[str, str]) -> None:
    error = await refused(world, StaticCredentials({}), **block)
    assert str(error) == "this store may not use the operator's own cloud identity"
    assert world.fake.asked == []


@pytest.mark.parametrize("block", OWN)
@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com",
        "http://shop.vault.azure.net",
        "https://shop.vault.azure.cn",
        "https://vault.azure.net.evil.example.com",
    ],
)
async def test_the_operators_identity_goes_to_vaults_of_the_cloud_only(
    world: World, pod: StaticCredentials, block: dict[str, str], modern: bool, url: str
) -> None:
    error = await refused(world, pod, vaultUrl=url, useAzureSDK=modern, **block)
    assert isinstance(error, InvalidConfig)
    assert str(error) == "the operator's own identity is shown to vaults of the store's cloud only"
    assert world.fake.asked == []


@pytest.mark.parametrize("block", OWN)
async def test_the_operators_identity_goes_to_no_authority_that_a_store_names(
    world: World, pod: StaticCredentials, block: dict[str, str]
) -> None:
    for url in ("https://shop.vault.azure.net", STACK["vaultUrl"]):
        assert isinstance(await refused(world, pod, **(STACK | block | {"vaultUrl": url})), InvalidConfig)
    assert world.fake.asked == []


# the pod's identity


@pytest.fixture
def pod(world: World, tmp_path: Path) -> StaticCredentials:
    (tmp_path / "token").write_text("of-pod\n")
    world.fake.assertions["of-pod"] = CLIENT
    environ = {
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
        "AZURE_AUTHORITY_HOST": "https://evil.example.com",
    }
    return StaticCredentials({}, environ=environ)


@pytest.mark.parametrize("modern", [False, True])
async def test_the_pod_logs_in_with_the_token_that_was_mounted(
    world: World, pod: StaticCredentials, modern: bool
) -> None:
    await served(world, pod, authType="WorkloadIdentity", tenantId=None, authSecretRef=None, useAzureSDK=modern)
    assert asked_for(world.fake)["client_assertion"] == "of-pod"
    assert not [url for url in world.meant if "evil" in url]


async def test_a_pod_without_its_variables_is_told_which(world: World) -> None:
    error = await refused(world, StaticCredentials({}, environ={"AZURE_CLIENT_ID": "x"}), authType="WorkloadIdentity")
    assert str(error) == (
        "missing environment variables. AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE must be set"
    )


async def test_a_pod_whose_token_is_gone_is_told_where_it_was(world: World, pod: StaticCredentials) -> None:
    path = f"{pod.ambient()['AZURE_FEDERATED_TOKEN_FILE']}.gone"
    pod.environ = {**pod.ambient(), "AZURE_FEDERATED_TOKEN_FILE": path}
    error = await refused(world, pod, authType="WorkloadIdentity")
    assert str(error) == f"unable to read token file {path}: open {path}: no such file or directory"


# a ServiceAccount


NAMES_CLIENT = {"authSecretRef": {"clientId": {"name": "login", "key": "client"}}}
NAMES_BOTH = {
    "authSecretRef": {"clientId": {"name": "login", "key": "client"}, "tenantId": {"name": "login", "key": "tenant"}}
}


@pytest.mark.parametrize(
    ("block", "notes"),
    [
        pytest.param({}, {CLIENT_NOTE: CLIENT}, id="client of the account, tenant of the store"),
        pytest.param({"tenantId": None}, {CLIENT_NOTE: CLIENT, TENANT_NOTE: TENANT}, id="both of the account"),
        pytest.param(NAMES_CLIENT, {}, id="client of a Secret, tenant of the store"),
        pytest.param(NAMES_BOTH | {"tenantId": "other"}, {}, id="the tenant of a Secret wins over the store's"),
        pytest.param(NAMES_CLIENT | {"tenantId": None}, {TENANT_NOTE: TENANT}, id="tenant of the account alone"),
    ],
)
async def test_an_account_logs_in(world: World, block: dict[str, Any], notes: dict[str, str]) -> None:
    credentials = account(world, **notes)
    await served(world, credentials, **(ACCOUNT | block))
    assert credentials.audiences == [("api://AzureADTokenExchange",)]
    assert asked_for(world.fake)["client_assertion"] == "of-app"


async def test_an_accounts_own_audiences_are_added(world: World) -> None:
    credentials = account(world, **{CLIENT_NOTE: CLIENT})
    ref = {"name": "app", "audiences": ["one", "two"]}
    await served(world, credentials, **(ACCOUNT | {"serviceAccountRef": ref}))
    assert credentials.audiences == [("api://AzureADTokenExchange", "one", "two")]


async def test_the_tenant_of_the_process_is_the_last_that_counts(world: World) -> None:
    credentials = account(world, **{CLIENT_NOTE: CLIENT})
    world.provider.azure.env.environ["AZURE_TENANT_ID"] = TENANT  # type: ignore[index]  # a dict in tests
    await served(world, credentials, **(ACCOUNT | {"tenantId": None}))
    error = await refused(world, credentials, **(ACCOUNT | {"tenantId": None, "useAzureSDK": True}))
    assert str(error) == "missing tenantID in store config"


@pytest.mark.parametrize(
    ("block", "notes", "text"),
    [
        pytest.param({"authSecretRef": {}}, {CLIENT_NOTE: CLIENT}, SECRET_OR_CERTIFICATE, id="an empty authSecretRef"),
        pytest.param(
            NAMES_CLIENT,
            {CLIENT_NOTE: CLIENT},
            "multiple clientID found. Check secretRef and serviceAccountRef",
            id="two clients",
        ),
        pytest.param(
            {},
            {CLIENT_NOTE: CLIENT, TENANT_NOTE: TENANT},
            "multiple tenantID found. Check secretRef, 'spec.provider.azurekv.tenantId', and serviceAccountRef",
            id="two tenants",
        ),
        pytest.param(
            {},
            {},
            "missing clientID: either serviceAccountRef or service account annotation "
            "'azure.workload.identity/client-id' is missing",
            id="no client",
        ),
        pytest.param({"tenantId": None}, {CLIENT_NOTE: CLIENT}, "missing tenantID in store config", id="no tenant"),
    ],
)
async def test_an_account_that_cannot_log_in(
    world: World, block: dict[str, Any], notes: dict[str, str], text: str
) -> None:
    assert str(await refused(world, account(world, **notes), **(ACCOUNT | block))) == text
    assert world.fake.asked == []


@pytest.mark.parametrize(
    ("block", "notes"),
    [
        pytest.param({}, {CLIENT_NOTE: CLIENT, TENANT_NOTE: "other"}, id="the store's tenant wins"),
        pytest.param({"tenantId": None}, {CLIENT_NOTE: CLIENT, TENANT_NOTE: TENANT}, id="else the account's"),
        pytest.param(
            {"authSecretRef": {"clientId": {"name": "none", "key": "none"}}},
            {CLIENT_NOTE: CLIENT},
            id="no Secret is read",
        ),
    ],
)
async def test_the_newer_way_takes_the_client_from_the_account(
    world: World, block: dict[str, Any], notes: dict[str, str]
) -> None:
    await served(world, account(world, **notes), **(ACCOUNT | {"useAzureSDK": True} | block))


# referent stores, and all of it


async def test_a_referent_store_is_unknown_until_a_consumer_asks(world: World) -> None:
    client = await world.open(StaticCredentials({}, namespace=""), "ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    assert client.lifetime is None
    with pytest.raises(InvalidConfig):
        await read(client, "app")
    await client.close()
    assert world.fake.asked == []


async def test_a_cluster_store_whose_credentials_have_a_namespace_is_validated_with_them(world: World) -> None:
    refs = {name: {**ref, "namespace": "infra"} for name, ref in REFS.items()}
    world.credentials.namespace = ""
    client = await world.open(kind="ClusterSecretStore", authSecretRef=refs)
    assert await client.validate() is Validation.READY
    await client.close()


@pytest.mark.parametrize("fault", [Fault(503), Fault(drop=True, times=9), Fault(reset=True, times=9)])
async def test_an_authority_that_is_down_is_no_wrong_credential(world: World, fault: Fault) -> None:
    world.fake.fail(fault)
    assert isinstance(await refused(world), Unavailable)


@pytest.mark.parametrize("modern", [False, True])
async def test_every_await_of_a_login_may_be_cancelled_and_leaves_no_pool_open(world: World, modern: bool) -> None:
    async def opened() -> None:
        await (await world.open(useAzureSDK=modern)).close()

    async for _ in every_await(opened):
        assert all(pool._session is None for pool in world.provider.world.opened)
    await opened()
