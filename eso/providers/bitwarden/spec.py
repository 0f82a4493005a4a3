"""The rules of a `bitwardensecretsmanager` store: what admission refuses, which companion server it asks.

Neighbours: connect.py logs in as the Plan says, client.py reads and writes.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, one, part, references

TOKEN: Final = ("auth", "secretRef", "credentials")
NO_CA: Final = "neither caBundle nor caProvider is set: the companion server cannot be trusted without one"


class BitwardenSpec:
    name: ClassVar[str] = "bitwardensecretsmanager"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        """The namespace of the token is not checked, as in the reference."""
        block = store.provider_spec
        if not block.get("bitwardenServerSDKURL"):
            raise InvalidConfig("bitwardenServerSDKURL not configured", fix="set bitwardenServerSDKURL")
        base(block)
        return [] if trusts(block) else [NO_CA]

    def plan(self, store: StoreView) -> Plan:
        """Organization and project belong to reads; the vendor publishes no limit."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(base(block), login(block), consumer(store, named), references(block, named), quota=Quota.LOGIN)


SPEC: Final = BitwardenSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, "", *TOKEN))


def trusts(block: Json) -> bool:
    """Whether the store names an authority."""
    return bool(block.get("caBundle") or part(block, "caProvider"))


def login(block: Json) -> dict[str, Any]:
    return {
        "auth": part(block, "auth"),
        "servers": servers(block),
        "trust": [block.get("caBundle") or "", part(block, "caProvider")],
    }


def servers(block: Json) -> dict[str, str]:
    """What the companion server is told of Bitwarden's own servers; empty for the cloud."""
    return {
        "Warden-Api-Url": str(block.get("apiURL") or "").rstrip("/"),
        "Warden-Identity-Url": str(block.get("identityURL") or "").rstrip("/"),
    }


def base(block: Json) -> str:
    """The companion server's address without a slash at its end. Raises InvalidConfig."""
    url = str(block.get("bitwardenServerSDKURL") or "").rstrip("/")
    if parts_of(url) is None:
        raise InvalidConfig(
            "bitwardenServerSDKURL is no address",
            fix="write https://bitwarden-sdk-server.default.svc.cluster.local:9998",
        )
    return url
