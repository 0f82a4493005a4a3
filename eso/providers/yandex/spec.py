"""The rules of `yandexlockbox` and `yandexcertificatemanager` stores: what admission refuses, which address is asked,
what makes a login.

Neighbours: connect.py logs in as the Plan says; lockbox.py and certificates.py read by the store's fetching policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import target_of
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references

DEFAULT: Final = "api.cloud.yandex.net:443"
OWN: Final = ("cloud.yandex.net", "yandexcloud.kz")  # domains of the vendor
KEY: Final = ("auth", "authorizedKeySecretRef")
CA: Final = ("caProvider", "certSecretRef")


class YandexSpec:
    name: ClassVar[str]
    service: ClassVar[str]  # in texts
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        fetching = store.provider_spec.get("fetching")
        if fetching is None or has(store.provider_spec, "fetching", "byID"):
            return []
        if not has(store.provider_spec, "fetching", "byName"):
            words = f"invalid Yandex {self.service} SecretStore: requires either 'byName' or 'byID' policy"
            raise InvalidConfig(words, fix="set fetching.byID, or fetching.byName.folderID")
        if not folder(store.provider_spec):
            raise InvalidConfig("folderID is required when fetching policy is 'byName'", fix="set fetching.byName")
        return []

    def plan(self, store: StoreView) -> Plan:
        """The fetching policy belongs to reads. The service counts in the login: each has an address of its own. The
        vendor publishes no limit of requests. Raises InvalidConfig."""
        block = store.provider_spec
        named = tuple(credentials(block))
        return Plan(
            target(block),
            {"service": self.name, "key": part(block, *KEY), "ca": part(block, *CA)},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


class LockboxSpec(YandexSpec):
    name, service = "yandexlockbox", "Lockbox"


class CertificatesSpec(YandexSpec):
    name, service = "yandexcertificatemanager", "Certificate Manager"


LOCKBOX: Final = LockboxSpec()
CERTIFICATES: Final = CertificatesSpec()


def credentials(block: Json) -> Iterator[Named]:
    """The key, if the store names one: without, the machine's own service account is used."""
    if keyed(block):
        yield from one(block, "", *KEY)
    if part(block, *CA).get("name"):
        yield from one(block, "", *CA)


def keyed(block: Json) -> bool:
    return bool(part(block, *KEY).get("name"))


def folder(block: Json) -> str:
    """The folder in which keys are names; "" where they are ids."""
    return str(part(block, "fetching", "byName").get("folderID") or "")


def target(block: Json) -> str:
    """`host:port` of the server that knows the addresses of all others. Raises InvalidConfig."""
    written = str(block.get("apiEndpoint") or DEFAULT)
    found = target_of(written)
    if found is None:
        raise InvalidConfig("apiEndpoint is no host and port", fix=f"write an address such as {DEFAULT}")
    return found


def is_own(address: str) -> bool:
    """Whether the vendor itself answers at `host:port`: only there a token of the machine goes."""
    host = address.rpartition(":")[0].rstrip(".").lower()
    return any(host == domain or host.endswith(f".{domain}") for domain in OWN)
