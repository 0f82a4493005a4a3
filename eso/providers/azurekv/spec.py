"""The rules of an `azurekv` store: what admission refuses, which vault it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says. "Legacy" is the reference's first way to talk to a vault, the default;
`useAzureSDK` asks for the second one. Both are served by one code here; where users can see a difference, `modern`
says which one the store wants.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final
from urllib.parse import urlsplit

from eso.providers.contract import Consumer, InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.entra import AUTHORITIES
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign

# requests/s: 4,000 in 10 s for all but key operations of a vault in one region, and for reads of software keys,
# https://learn.microsoft.com/azure/key-vault/general/service-limits
PACE: Final = 400.0
LEGACY_VERSION, VERSION = "7.0", "7.4"
STACK: Final = "AzureStackCloud"
GERMAN: Final = (
    "failed to get cloud configuration: Azure Germany (Microsoft Cloud Deutschland) was discontinued on October 29, "
    "2021. Please use AzureStackCloud or one of the regions of the public cloud"
)


class Method(Enum):
    SERVICE_PRINCIPAL = "ServicePrincipal"
    MANAGED_IDENTITY = "ManagedIdentity"
    WORKLOAD_IDENTITY = "WorkloadIdentity"


@dataclass(frozen=True, slots=True)
class Cloud:
    """`resource`: what tokens are asked for. `suffixes`: of the hosts that this cloud gives to vaults and to managed
    HSMs."""

    resource: str
    suffixes: tuple[str, ...]


CLOUDS: Final = {
    "PublicCloud": Cloud("https://vault.azure.net", (".vault.azure.net", ".managedhsm.azure.net")),
    "USGovernmentCloud": Cloud(
        "https://vault.usgovcloudapi.net", (".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net")
    ),
    "ChinaCloud": Cloud("https://vault.azure.cn", (".vault.azure.cn", ".managedhsm.azure.cn")),
    "GermanCloud": Cloud("https://vault.microsoftazure.de", (".vault.microsoftazure.de",)),
}


class AzureSpec:
    name: ClassVar[str] = "azurekv"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        """The certificate and the tenant are not checked, as in the reference."""
        block = store.provider_spec
        refuse_foreign(store, (found for found in selectors(block) if found.words))
        if has(block, "customCloudConfig"):
            if not modern(block):
                raise InvalidConfig(
                    "CustomCloudConfig requires UseAzureSDK to be set to true - "
                    "the legacy SDK does not support custom clouds"
                )
            if not part(block, "customCloudConfig").get("activeDirectoryEndpoint"):
                raise InvalidConfig("activeDirectoryEndpoint is required in CustomCloudConfig")
        elif environment(block) == STACK:
            raise InvalidConfig(NO_CONFIG)
        return []

    def plan(self, store: StoreView) -> Plan:
        """The quota counts for the vault, whoever asks."""
        block = store.provider_spec
        named = selectors(block)
        return Plan(
            vault(block),
            login(store),
            consumer(store, named),
            references(block, named),
            quota=Quota.ENDPOINT,
            pace=PACE,
        )


SPEC: Final = AzureSpec()
NO_CONFIG: Final = "CustomCloudConfig is required when EnvironmentType is AzureStackCloud"


def selectors(block: Json) -> tuple[Named, ...]:
    """Every credential; those without words are not looked at by admission. Each makes a ClusterSecretStore referent
    that does not name its namespace."""
    return (
        *one(block, "invalid AuthSecretRef.ClientID: ", "authSecretRef", "clientId"),
        *one(block, "invalid AuthSecretRef.ClientSecret: ", "authSecretRef", "clientSecret"),
        *one(block, "", "authSecretRef", "clientCertificate"),
        *one(block, "", "authSecretRef", "tenantId"),
        *one(block, "invalid ServiceAccountRef: ", "serviceAccountRef", kind="ServiceAccount"),
    )


def referent(store: StoreView) -> bool:
    return consumer(store, selectors(store.provider_spec)) is Consumer.CREDENTIALS


def modern(block: Json) -> bool:
    return block.get("useAzureSDK") is True


def version(block: Json) -> str:
    """Of the API."""
    return VERSION if modern(block) else LEGACY_VERSION


def environment(block: Json) -> str:
    return str(block.get("environmentType") or "PublicCloud")


def method(block: Json) -> Method:
    """Raises InvalidConfig with the reference's text."""
    try:
        return Method(block.get("authType") or "ServicePrincipal")
    except ValueError:
        raise InvalidConfig("cannot initialize Azure Client: no valid authType was specified") from None


def authority(block: Json) -> str:
    """Where tokens are asked for, without a slash at its end. Raises InvalidConfig."""
    name = environment(block)
    if name == "GermanCloud" and modern(block):
        raise InvalidConfig(GERMAN)
    if name in AUTHORITIES:
        return AUTHORITIES[name]
    config = part(block, "customCloudConfig")
    if name != STACK or not config:
        raise InvalidConfig(f"failed to get cloud configuration: {NO_CONFIG}" if name == STACK else f"no cloud {name}")
    url = str(config.get("activeDirectoryEndpoint") or "").rstrip("/")
    if parts_of(url) is None:
        raise InvalidConfig("activeDirectoryEndpoint is no address", fix="write for example https://adfs.example.com")
    return url


def vault(block: Json) -> str:
    """The vault's address without a slash at its end. Raises InvalidConfig."""
    url = str(block.get("vaultUrl") or "").rstrip("/")
    if parts_of(url) is None:
        raise InvalidConfig("vaultUrl is no address of a vault", fix="write for example https://name.vault.azure.net")
    return url


def own_host(block: Json) -> bool:
    """Whether the vault's host is one that the store's cloud itself gives to vaults: only there goes a token of the
    operator's own identity."""
    parts = urlsplit(vault(block))
    cloud = CLOUDS.get(environment(block))
    host = (parts.hostname or "").rstrip(".")
    return cloud is not None and parts.scheme == "https" and host.endswith(cloud.suffixes)


def own_identity(block: Json) -> bool:
    """Whether the store logs in as the operator itself."""
    way = block.get("authType")
    return way == Method.MANAGED_IDENTITY.value or (
        way == Method.WORKLOAD_IDENTITY.value and not has(block, "serviceAccountRef")
    )


def login(store: StoreView) -> dict[str, object]:
    """What makes the token: everything but the vault, which is the endpoint. A flag may allow the operator's identity
    to one kind of store alone, so the kinds share no such login."""
    block = store.provider_spec
    kind = {"kind": store.kind} if own_identity(block) else {}
    return {name: value for name, value in block.items() if name != "vaultUrl"} | kind
