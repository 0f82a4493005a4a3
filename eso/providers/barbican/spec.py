"""The rules of a `barbican` store: what admission refuses, which Keystone it asks, what makes its login.

Neighbours: connect.py and login.py log in as the Plan says, client.py reads.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import address
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_loose

MISSING: Final = "barbican provider missing required field: "
FAILED: Final = "barbican provider error: "
MEMBERS: Final = ("authURL", "tenantName", "domainName", "region", "auth")


class BarbicanSpec:
    name: ClassVar[str] = "barbican"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        if not block.get("authURL"):
            raise InvalidConfig(f"{MISSING}authURL", fix="set authURL to the address of Keystone")
        identity(block)
        username = part(block, "auth", "username")
        if not username.get("value") and not has(username, "secretRef"):
            raise InvalidConfig(f"{MISSING}username", fix="set auth.username.value or auth.username.secretRef")
        if not has(block, "auth", "password", "secretRef"):
            raise InvalidConfig(f"{MISSING}password", fix="set auth.password.secretRef")
        refuse_loose(store, credentials(block))
        return []

    def plan(self, store: StoreView) -> Plan:
        """The project publishes no limit of requests."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(
            identity(block),
            {member: block.get(member) for member in MEMBERS},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = BarbicanSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    """A name that is written down needs no Secret."""
    written = bool(part(block, "auth", "username").get("value"))
    username = () if written else tuple(one(block, FAILED, "auth", "username", "secretRef"))
    return (*username, *one(block, FAILED, "auth", "password", "secretRef"))


def identity(block: Json) -> str:
    """Keystone's address with a slash at its end. Raises InvalidConfig."""
    url = str(block.get("authURL") or "")
    return f"{address(url, f'{FAILED}invalid authURL: ', 'write an address such as https://keystone:5000/v3')}/"
