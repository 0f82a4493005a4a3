"""The rules of a `delinea` store: what admission refuses, which addresses it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlsplit

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit import valueorref
from eso.providers.kit.http import climbs
from eso.providers.kit.selectors import Json, Named, consumer, has, part, references

TEMPLATE: Final = "https://%s.secretsvaultcloud.%s/v1/%s%s"
SLOTS: Final = 4  # tenant, domain, resource, path
CREDENTIALS: Final = (("clientId", "clientID"), ("clientSecret", "clientSecret"))  # member, and how texts name it


class DelineaSpec:
    name: ClassVar[str] = "delinea"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        if not block.get("tenant"):
            raise InvalidConfig("tenant must not be empty", fix="set tenant")
        for member, shown in CREDENTIALS:
            if not has(block, member):
                raise InvalidConfig(f"{shown} must be set", fix=f"set {member}")
        for member, _ in CREDENTIALS:
            valueorref.refuse(store, part(block, member))
        address(block, "token")
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit."""
        block = store.provider_spec
        named = tuple(credentials(block))
        return Plan(
            address(block, "token"),
            login(block),
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = DelineaSpec()


def credentials(block: Json) -> Iterator[Named]:
    for member, _ in CREDENTIALS:
        yield from valueorref.references(part(block, member))


def login(block: Json) -> dict[str, Any]:
    return {member: part(block, member) for member, _ in CREDENTIALS}


def address(block: Json, resource: str, path: str = "") -> str:
    """A resource of the vault. Raises InvalidConfig."""
    template = str(block.get("urlTemplate") or TEMPLATE)
    parts = template.split("%s")
    if len(parts) != SLOTS + 1 or "%" in "".join(parts):
        raise InvalidConfig("urlTemplate needs %s four times: tenant, domain, resource, path", fix=f"see {TEMPLATE}")
    words = (str(block.get("tenant") or ""), str(block.get("tld") or "com"), resource, path)
    url = parts[0] + "".join(f"{word}{rest}" for word, rest in zip(words, parts[1:], strict=True))
    try:
        found = urlsplit(url)
        usable = found.scheme in ("http", "https") and bool(found.hostname) and found.username is None
        usable = usable and (found.port is None or found.port > 0) and not found.fragment
    except ValueError:
        usable = False
    if not usable:
        raise InvalidConfig("tenant, tld and urlTemplate make no address", fix="write them without a scheme or a port")
    return url


def path_of(key: str) -> str:
    """The path of a secret behind its resource; folders are parted by `/` or `:`. Raises InvalidConfig for one that
    leaves its place."""
    path = key.lstrip("/")
    if not path or "." in path.split("/") or climbs(path):
        raise InvalidConfig(f'cannot use "{path}" as the path of a secret', fix="correct remoteRef.key")
    return f"/{quote(path, safe='/:')}"
