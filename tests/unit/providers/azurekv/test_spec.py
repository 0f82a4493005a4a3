"""What admission refuses, where a store calls, and what makes its login."""

from __future__ import annotations

from typing import Any

import pytest

from eso.providers.azurekv import spec
from eso.providers.azurekv.spec import SPEC, Method
from eso.providers.contract import Consumer, InvalidConfig, Quota
from tests.unit.providers.azurekv.conftest import BLOCK, REFS, view

FOREIGN = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
CUSTOM = {"activeDirectoryEndpoint": "https://adfs.example.com/adfs/"}
STACK = {"environmentType": "AzureStackCloud"}


def foreign(*names: str) -> dict[str, Any]:
    return {"authSecretRef": {name: {**REFS.get(name, {"name": "s"}), "namespace": "elsewhere"} for name in names}}


@pytest.mark.parametrize(
    ("block", "text"),
    [
        pytest.param(foreign("clientId"), f"invalid AuthSecretRef.ClientID: {FOREIGN}", id="a client elsewhere"),
        pytest.param(
            foreign("clientSecret"), f"invalid AuthSecretRef.ClientSecret: {FOREIGN}", id="a secret elsewhere"
        ),
        pytest.param(
            {"serviceAccountRef": {"name": "x", "namespace": "elsewhere"}},
            f"invalid ServiceAccountRef: {FOREIGN}",
            id="an account elsewhere",
        ),
        pytest.param(
            {"customCloudConfig": CUSTOM},
            "CustomCloudConfig requires UseAzureSDK to be set to true - the legacy SDK does not support custom clouds",
            id="a cloud of one's own without useAzureSDK",
        ),
        pytest.param(
            {"customCloudConfig": {}, "useAzureSDK": True},
            "activeDirectoryEndpoint is required in CustomCloudConfig",
            id="a cloud of one's own without an authority",
        ),
        pytest.param(
            STACK,
            "CustomCloudConfig is required when EnvironmentType is AzureStackCloud",
            id="a stack without a config",
        ),
    ],
)
def test_admission_refuses(block: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SPEC.check(view(**(BLOCK | block)))
    assert str(refused.value) == text


@pytest.mark.parametrize(
    "block",
    [
        pytest.param({}, id="a service principal"),
        pytest.param({"tenantId": None}, id="a principal without a tenant, which the login refuses"),
        pytest.param({"authSecretRef": None}, id="a principal without credentials, which the login refuses"),
        pytest.param({"authSecretRef": REFS | {"clientCertificate": {"name": "s", "key": "k"}}}, id="both"),
        pytest.param(foreign("clientCertificate", "tenantId"), id="references that are not checked"),
        pytest.param(STACK | {"customCloudConfig": CUSTOM, "useAzureSDK": True}, id="a stack"),
    ],
)
def test_admission_accepts(block: dict[str, Any]) -> None:
    assert SPEC.check(view(**(BLOCK | block))) == []


def test_a_cluster_secret_store_may_name_any_namespace() -> None:
    assert SPEC.check(view("ClusterSecretStore", **(BLOCK | foreign("clientId", "clientSecret")))) == []


@pytest.mark.parametrize(
    ("block", "consumer"),
    [
        pytest.param({}, Consumer.CREDENTIALS, id="credentials without a namespace"),
        pytest.param(foreign("clientId", "clientSecret"), Consumer.NONE, id="credentials with one"),
        pytest.param(foreign("clientId") | {"serviceAccountRef": {"name": "x"}}, Consumer.CREDENTIALS, id="an account"),
        pytest.param(
            {"authSecretRef": {**foreign("clientId")["authSecretRef"], "clientCertificate": {"name": "s", "key": "k"}}},
            Consumer.CREDENTIALS,
            id="a certificate without one is another one in each namespace",
        ),
        pytest.param({"authSecretRef": None, "authType": "ManagedIdentity"}, Consumer.NONE, id="the machine's"),
    ],
)
def test_a_login_belongs_to_a_consumer_whose_credentials_it_needs(block: dict[str, Any], consumer: Consumer) -> None:
    store = view("ClusterSecretStore", **(BLOCK | block))
    assert SPEC.plan(store).consumer is consumer
    assert spec.referent(store) is (consumer is Consumer.CREDENTIALS)
    assert SPEC.plan(view(**(BLOCK | block))).consumer is Consumer.NONE


def test_the_plan_has_every_credential_and_the_quota_of_the_vault() -> None:
    account = {"serviceAccountRef": {"name": "app"}}
    plan = SPEC.plan(view(**(BLOCK | account | {"vaultUrl": "https://shop.vault.azure.net/"})))
    assert plan.endpoint == "https://shop.vault.azure.net"
    assert plan.references == (("Secret", "", "login"), ("ServiceAccount", "", "app"))
    assert (plan.quota, plan.pace) == (Quota.ENDPOINT, 400.0)
    assert "vaultUrl" not in plan.login


@pytest.mark.parametrize(
    ("block", "shared"),
    [
        pytest.param({}, True, id="credentials of the store"),
        pytest.param({"authType": "ManagedIdentity"}, False, id="the machine's identity"),
        pytest.param({"authType": "WorkloadIdentity"}, False, id="the pod's identity"),
        pytest.param({"authType": "WorkloadIdentity", "serviceAccountRef": {"name": "x"}}, True, id="an account's"),
    ],
)
def test_the_operators_own_identity_is_not_shared_between_kinds_of_stores(block: dict[str, Any], shared: bool) -> None:
    one, other = (SPEC.plan(view(kind, **(BLOCK | block))).login for kind in ("SecretStore", "ClusterSecretStore"))
    assert (one == other) is shared


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.vault.azure.net",
        "ftp://shop.vault.azure.net",
        "https://",
        "https://x@shop.vault.azure.net",
        "https://shop.vault.azure.net?x=y",
        "https://shop.vault.azure.net#x",
        "https://shop.vault.azure.net:port",
        "https://shop\\.vault.azure.net",
        "https://shop vault.azure.net",
        "https://ſhop.vault.azure.net",
        "https://[::1",
    ],
)
def test_a_vault_url_that_is_none_is_refused_for_good(url: str) -> None:
    with pytest.raises(InvalidConfig, match="vaultUrl is no address of a vault"):
        SPEC.plan(view(**(BLOCK | {"vaultUrl": url})))


@pytest.mark.parametrize(
    ("environment", "url", "own"),
    [
        pytest.param("", "https://shop.vault.azure.net", True, id="a vault of the public cloud"),
        pytest.param("PublicCloud", "https://SHOP.VAULT.AZURE.NET./", True, id="its name in full"),
        pytest.param("PublicCloud", "https://hsm.managedhsm.azure.net", True, id="a managed HSM"),
        pytest.param("USGovernmentCloud", "https://shop.vault.usgovcloudapi.net", True, id="of the US government"),
        pytest.param("ChinaCloud", "https://shop.vault.azure.cn", True, id="of China"),
        pytest.param("GermanCloud", "https://shop.vault.microsoftazure.de", True, id="of Germany"),
        pytest.param("ChinaCloud", "https://shop.vault.azure.net", False, id="a vault of another cloud"),
        pytest.param("PublicCloud", "http://shop.vault.azure.net", False, id="in clear"),
        pytest.param("PublicCloud", "https://evil.example.com/x.vault.azure.net", False, id="a suffix in the path"),
        pytest.param("PublicCloud", "https://vault.azure.net.evil.example.com", False, id="a suffix in the middle"),
        pytest.param("PublicCloud", "https://evilvault.azure.net", False, id="half a label"),
        pytest.param("AzureStackCloud", "https://shop.vault.azure.net", False, id="a stack has no names of its own"),
    ],
)
def test_hosts_that_may_see_the_operators_own_identity(environment: str, url: str, own: bool) -> None:
    assert spec.own_host({"environmentType": environment, "vaultUrl": url}) is own


@pytest.mark.parametrize(
    ("block", "url"),
    [
        pytest.param({}, "https://login.microsoftonline.com", id="public"),
        pytest.param({"environmentType": "USGovernmentCloud"}, "https://login.microsoftonline.us", id="US government"),
        pytest.param({"environmentType": "ChinaCloud"}, "https://login.chinacloudapi.cn", id="China"),
        pytest.param({"environmentType": "GermanCloud"}, "https://login.microsoftonline.de", id="Germany, legacy"),
        pytest.param(STACK | {"customCloudConfig": CUSTOM}, "https://adfs.example.com/adfs", id="a stack"),
        pytest.param({"customCloudConfig": CUSTOM}, "https://login.microsoftonline.com", id="a config without a stack"),
    ],
)
def test_authorities(block: dict[str, Any], url: str) -> None:
    assert spec.authority(block) == url


@pytest.mark.parametrize(
    ("block", "text"),
    [
        pytest.param(
            {"environmentType": "GermanCloud", "useAzureSDK": True}, "discontinued on October 29, 2021", id="de"
        ),
        pytest.param(STACK, "CustomCloudConfig is required when EnvironmentType is AzureStackCloud", id="no config"),
        pytest.param(
            STACK | {"customCloudConfig": {"activeDirectoryEndpoint": "adfs"}}, "is no address", id="no address"
        ),
        pytest.param({"environmentType": "Moon"}, "no cloud Moon", id="unknown"),
    ],
)
def test_clouds_without_an_authority(block: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig, match=text):
        spec.authority(block)


def test_methods() -> None:
    assert spec.method({}) is Method.SERVICE_PRINCIPAL
    assert spec.method({"authType": "WorkloadIdentity"}) is Method.WORKLOAD_IDENTITY
    with pytest.raises(InvalidConfig) as refused:
        spec.method({"authType": "Passkey"})
    assert str(refused.value) == "cannot initialize Azure Client: no valid authType was specified"
