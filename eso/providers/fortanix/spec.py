"""The rules of a `fortanix` store: what admission refuses, which address it asks, what makes its login.

Neighbours: connect.py reads the key as the Plan says, client.py makes the calls.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import address
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign

DEFAULT: Final = "https://sdkms.fortanix.com"
KEY: Final = ("apiKey", "secretRef")


class FortanixSpec:
    name: ClassVar[str] = "fortanix"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        for depth in range(1, len(KEY) + 1):
            if not has(block, *KEY[:depth]):
                raise InvalidConfig(
                    f"{'.'.join(KEY[:depth])} is required", fix="name the Secret with the app's API key"
                )
        for member in ("name", "key"):
            if not part(block, *KEY).get(member):
                raise InvalidConfig(f"{'.'.join(KEY)}.{member} is required", fix=f"set {'.'.join(KEY)}.{member}")
        refuse_foreign(store, credentials(block))
        base(block)
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(
            base(block),
            {"apiKey": part(block, "apiKey")},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = FortanixSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, "", *KEY))


def base(block: Json) -> str:
    """The server's address without a slash at its end. Raises InvalidConfig."""
    return address(str(block.get("apiUrl") or DEFAULT), "invalid apiUrl: ", f"write an address such as {DEFAULT}")
