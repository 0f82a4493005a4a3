"""The rules of a `secretserver` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py looks secrets up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit import valueorref
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, has, part, references

MISSING: Final = {"username": "username must not be empty", "password": "password must be set"}


class SecretServerSpec:
    name: ClassVar[str] = "secretserver"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        if not block.get("serverURL"):
            raise InvalidConfig("serverURL must be set", fix="set serverURL")
        for member in members(block):
            if not has(block, member):
                raise InvalidConfig(MISSING[member], fix=f"set {member}, or a token")
        for member in members(block):
            valueorref.refuse(store, part(block, member))
        base(block)
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit."""
        block = store.provider_spec
        named = tuple(credentials(block))
        return Plan(
            base(block),
            login(block),
            consumer(store, named),
            references(block, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = SecretServerSpec()


def members(block: Json) -> tuple[str, ...]:
    """The credentials that count: a token before a user."""
    return ("token",) if has(block, "token") else ("username", "password")


def credentials(block: Json) -> Iterator[Named]:
    for member in members(block):
        yield from valueorref.references(part(block, member))


def login(block: Json) -> dict[str, Any]:
    made: dict[str, Any] = {member: part(block, member) for member in members(block)}
    made["domain"] = block.get("domain") or ""
    made["trust"] = [block.get("caBundle") or "", part(block, "caProvider")]
    return made


def base(block: Json) -> str:
    """The server's address without a slash at its end. Raises InvalidConfig."""
    url = str(block.get("serverURL") or "").rstrip("/")
    if parts_of(url) is None:
        raise InvalidConfig("serverURL is no address", fix="write https://host/SecretServer")
    return url
