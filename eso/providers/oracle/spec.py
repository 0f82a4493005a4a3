"""The rules of an `oracle` store: what admission refuses, which region it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads and writes the vault, realms.py knows the domains.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, Retries, StoreView
from eso.providers.kit.retries import after_the_first
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign
from eso.providers.oracle import realms


class Method(Enum):
    """How a store logs in."""

    USER = "user"
    INSTANCE = "instance"
    WORKLOAD = "workload"


class OracleSpec:
    name: ClassVar[str] = "oracle"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        if not block.get("vault"):
            raise InvalidConfig("vault cannot be empty", fix="set vault to the vault's OCID")
        region(block)
        auth = part(block, "auth")
        if has(block, "auth"):
            for member, shown in (("user", "user"), ("tenancy", "tenant")):
                if not auth.get(member):
                    raise InvalidConfig(f"{shown} cannot be empty", fix=f"set auth.{member}")
            for member, shown in (("privatekey", "privateKey"), ("fingerprint", "fingerprint")):
                selector = part(auth, "secretRef", member)
                for name in ("name", "key"):
                    if not selector.get(name):
                        raise InvalidConfig(
                            f"{shown}.{name} cannot be empty", fix=f"set auth.secretRef.{member}.{name}"
                        )
                refuse_foreign(store, one(auth, "", "secretRef", member))
        refuse_foreign(store, one(block, "", "serviceAccountRef", kind="ServiceAccount"))
        retries(store)
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vault, the compartment and the master key belong to reads and writes. The vendor publishes no limit of
        requests."""
        block = store.provider_spec
        named = tuple(credentials(block))
        way = method(block)
        shown = part(block, {Method.USER: "auth", Method.WORKLOAD: "serviceAccountRef"}.get(way, "none"))
        return Plan(
            address(region(block), "secrets.vaults.", "oci."),
            {"method": way.value, "shown": shown},
            consumer(store, named),
            references({}, named),
            retries(store),
            quota=Quota.LOGIN,
        )


SPEC: Final = OracleSpec()


def method(block: Json) -> Method:
    match block.get("principalType"):
        case "Workload":
            return Method.WORKLOAD
        case "InstancePrincipal":
            return Method.INSTANCE
    return Method.USER if has(block, "auth") else Method.INSTANCE


def credentials(block: Json) -> Iterator[Named]:
    """The credentials that count."""
    match method(block):
        case Method.USER:
            for member in ("privatekey", "fingerprint"):
                yield from one(block, "", "auth", "secretRef", member)
        case Method.WORKLOAD:
            yield from one(block, "", "serviceAccountRef", kind="ServiceAccount")


def region(block: Json) -> str:
    """Raises InvalidConfig."""
    given = str(block.get("region") or "")
    if not given:
        raise InvalidConfig("region cannot be empty", fix="set region")
    found = realms.region_of(given)
    if not found:
        raise InvalidConfig("region is no region of Oracle Cloud", fix="write for example eu-frankfurt-1")
    return found


def address(region: str, service: str, before_domain: str = "") -> str:
    """Where a service answers in a region."""
    return f"https://{service}{region}.{before_domain}{realms.domain_of(region)}"


def retries(store: StoreView) -> Retries:
    """`maxRetries` counts what follows the first attempt. Raises InvalidConfig."""
    return after_the_first(store.retry_settings, Retries())
