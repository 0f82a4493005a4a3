"""The rules of a `passworddepot` store: which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads in the database of the store.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, one, part, references

PORT: Final = 8714
CREDENTIALS: Final = ("auth", "secretRef", "credentials")


class PasswordDepotSpec:
    name: ClassVar[str] = "passworddepot"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        """A namespace in a SecretStore is not refused: it has no effect there."""
        base(store.provider_spec)
        return []

    def plan(self, store: StoreView) -> Plan:
        """A login looks the database up. The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(
            base(block),
            {"credentials": part(block, *CREDENTIALS), "database": database(block)},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = PasswordDepotSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, "", *CREDENTIALS))


def database(block: Json) -> str:
    return str(block.get("database") or "")


def base(block: Json) -> str:
    """The address of the API without a slash at its end. Raises InvalidConfig for a host that would lead elsewhere."""
    host = str(block.get("host") or "")
    parts = parts_of(f"https://{host}:{PORT}")
    if parts is None or parts.path or parts.port != PORT:
        shown = host.rpartition("@")[2]  # what stands before it may be a password
        raise InvalidConfig(f'invalid host: "{shown}"', fix="write the name of the server alone")
    return f"https://{host}:{PORT}/v1.0"
