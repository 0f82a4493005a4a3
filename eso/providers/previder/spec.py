"""The rules of a `previder` store: what admission refuses, which address it asks, what makes its login.

Neighbours: connect.py reads the token as the Plan says, client.py makes the calls.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import address
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references

DEFAULT: Final = "https://vault.previder.io"
TOKEN: Final = ("auth", "secretRef", "accessToken")


class PreviderSpec:
    name: ClassVar[str] = "previder"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        """A namespace in a SecretStore is not refused: it has no effect there."""
        block = store.provider_spec
        if not has(block, "auth", "secretRef"):
            raise InvalidConfig("missing Previder Auth SecretRef", fix="set auth.secretRef.accessToken")
        for member in ("name", "key"):
            if not part(block, *TOKEN).get(member):
                raise InvalidConfig(f"missing Previder accessToken {member}", fix=f"set {'.'.join(TOKEN)}.{member}")
        base(block)
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(
            base(block),
            {"auth": part(block, "auth")},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = PreviderSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, "", *TOKEN))


def base(block: Json) -> str:
    """The server's address without a slash at its end. Raises InvalidConfig."""
    return address(str(block.get("baseUri") or DEFAULT), "invalid baseUri: ", f"write an address such as {DEFAULT}")
