"""The rules of an `ngrok` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py writes to the vault.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.gocompat.text import quote
from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references

DEFAULT: Final = "https://api.ngrok.com"
KEY: Final = ("auth", "apiKey", "secretRef")


class NgrokSpec:
    name: ClassVar[str] = "ngrok"
    capability: ClassVar[str] = "WriteOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        base(block)
        if not has(block, *KEY):
            raise InvalidConfig("ngrok provider auth APIKey is required", fix="set auth.apiKey.secretRef")
        if not vault(block):
            raise InvalidConfig("ngrok provider vault name is required", fix="set vault.name")
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vault belongs to writes. The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = credentials(block)
        login = {"key": part(block, *KEY)}
        return Plan(base(block), login, consumer(store, named), references({}, named), quota=Quota.LOGIN)


SPEC: Final = NgrokSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, "", *KEY))


def vault(block: Json) -> str:
    return str(part(block, "vault").get("name") or "")


def base(block: Json) -> str:
    """The API's address without a slash at its end. Raises InvalidConfig."""
    url = str(block.get("apiUrl") or DEFAULT).rstrip("/")
    if parts_of(url) is None:
        shown = url.rpartition("@")[2]  # what stands before it may be a password
        raise InvalidConfig(f"{quote(shown)}: invalid API URL", fix=f"write an address such as {DEFAULT}")
    return url
