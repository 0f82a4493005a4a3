"""The rules of a `pulumi` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads and writes one environment.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import (
    Json,
    Named,
    consumer,
    has,
    one,
    part,
    references,
    refuse_foreign,
    refuse_loose,
)

DEFAULT: Final = "https://api.pulumi.com/api/esc"
ESC: Final = "/api/esc"
WAYS: Final = (("auth", "accessToken"), ("auth", "oidcConfig"), ("accessToken",))
ACCOUNT: Final = ("auth", "oidcConfig")


class PulumiSpec:
    name: ClassVar[str] = "pulumi"
    capability: ClassVar[str] = "ReadOnly"  # what the reference's status says, though pushes work
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        for member in ("organization", "environment", "project"):
            if not block.get(member):
                raise InvalidConfig(f"{member} is required", fix=f"set {member}")
        way = method(block)
        given, named = part(block, *way), credentials(block)
        if way == ACCOUNT:
            refuse_empty(given.get("organization"), "oidcConfig.organization")
            refuse_empty(part(given, "serviceAccountRef").get("name"), "oidcConfig.serviceAccountRef.name")
            refuse_loose(store, named)
        else:
            refuse_foreign(store, named)
            for member in ("name", "key"):
                refuse_empty(part(given, "secretRef").get(member), f"secretRef.{member}")
        base(block)
        return []

    def plan(self, store: StoreView) -> Plan:
        """The environment belongs to reads. The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(base(block), login(block), consumer(store, named), references({}, named), quota=Quota.LOGIN)


SPEC: Final = PulumiSpec()


def refuse_empty(value: Any, place: str) -> None:
    if not value:
        raise InvalidConfig(f"{place} is required", fix=f"set {place}")


def method(block: Json) -> tuple[str, ...]:
    """Where the login stands in the block. Raises InvalidConfig for none, or several."""
    found = [way for way in WAYS if has(block, *way)]
    if len(found) != 1:
        raise InvalidConfig(
            "exactly one of auth.accessToken, auth.oidcConfig or the deprecated accessToken must be specified",
            fix="set auth.accessToken or auth.oidcConfig",
        )
    return found[0]


def credentials(block: Json) -> tuple[Named, ...]:
    way = method(block)
    if way == ACCOUNT:
        return tuple(one(block, "", *way, "serviceAccountRef", kind="ServiceAccount"))
    return tuple(one(block, "", *way, "secretRef"))


def login(block: Json) -> dict[str, Any]:
    """The deprecated member is the same login as the one in `auth`."""
    way = method(block)
    return {way[-1]: part(block, *way)}


def base(block: Json) -> str:
    """The API's address without a slash at its end. Raises InvalidConfig."""
    url = str(block.get("apiUrl") or DEFAULT).rstrip("/")
    if parts_of(url) is None:
        raise InvalidConfig("apiUrl is no address", fix=f"write an address such as {DEFAULT}")
    return url


def service(block: Json) -> str:
    """The address of the service, where tokens are exchanged. Raises InvalidConfig."""
    return base(block).removesuffix(ESC)
