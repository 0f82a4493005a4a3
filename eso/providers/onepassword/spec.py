"""The rules of a `onepassword` store: what admission refuses, which Connect server it asks, in which vaults it looks.

Neighbours: connect.py logs in as the Plan says, client.py looks through the vaults in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, Retries, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, one, part, references, refuse_loose

INVALID: Final = "received invalid 1Password SecretStore resource: "
TOKEN: Final = ("auth", "secretRef", "connectTokenSecretRef")
RETRIES: Final = Retries(2, 0.1)  # under load Connect refuses requests that it would serve a moment later


class OnePasswordSpec:
    name: ClassVar[str] = "onepassword"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        for member in ("name", "key"):
            if not part(block, *TOKEN).get(member):
                raise InvalidConfig(f"{INVALID}missing: spec.provider.onepassword.{'.'.join(TOKEN)}.{member}")
        refuse_loose(store, credentials(block))
        places = list(part(block, "vaults").values())
        if not places:
            raise InvalidConfig(f"{INVALID}must be at least one vault: spec.provider.onepassword.vaults")
        if len(set(places)) != len(places):
            raise InvalidConfig(f"{INVALID}vault order numbers must be unique")
        host(block)
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit of a Connect server; the vaults belong to reads."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(
            host(block),
            {"auth": part(block, "auth")},
            consumer(store, named),
            references(block, named),
            RETRIES,
            Quota.LOGIN,
        )


SPEC: Final = OnePasswordSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, INVALID, *TOKEN))


def host(block: Json) -> str:
    """The Connect server's address without a slash at its end. Raises InvalidConfig."""
    url = str(block.get("connectHost") or "").rstrip("/")
    if parts_of(url) is None:
        shown = url.rpartition("@")[2]  # what stands before it may be a password
        why = "missing protocol scheme" if url.startswith(":") else "invalid URL"
        raise InvalidConfig(
            f'{INVALID}unable to parse URL: spec.provider.onepassword.connectHost: parse "{shown}": {why}',
            fix="write connectHost as https://host:8080",
        )
    return url


def vaults(block: Json) -> tuple[str, ...]:
    """Names or ids in the order of the search."""
    found = part(block, "vaults")
    return tuple(sorted((str(name) for name in found), key=lambda name: (number(found, name), name)))


def number(found: Mapping[str, object], name: str) -> int:
    place = found.get(name)
    return place if isinstance(place, int) else 0
