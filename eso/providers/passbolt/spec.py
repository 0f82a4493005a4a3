"""The rules of a `passbolt` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from eso.providers.contract import Consumer, InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references

MISSING: Final = "missing: spec.provider.passbolt"
KEYS: Final = ("passwordSecretRef", "privateKeySecretRef")


class PassboltSpec:
    name: ClassVar[str] = "passbolt"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        if not block:
            raise InvalidConfig(MISSING, fix="set host and auth")
        if not has(block, "auth"):
            raise InvalidConfig(f"{MISSING}.auth", fix="set auth")
        for member in KEYS:
            reference = part(block, "auth", member)
            if not (reference.get("name") and reference.get("key")):
                raise InvalidConfig(f"{MISSING}.auth.{member}", fix=f"set name and key of auth.{member}")
        base(block)
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit: servers are the users' own."""
        block = store.provider_spec
        named = tuple(credentials(block))
        return Plan(
            base(block),
            {"auth": part(block, "auth"), "ca": [block.get("caBundle"), part(block, "caProvider")]},
            consumer(store, named),
            references(block, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = PassboltSpec()


def credentials(block: Json) -> Iterator[Named]:
    for member in KEYS:
        yield from one(block, "", "auth", member)


def referent(store: StoreView) -> bool:
    """Whether each consumer logs in with keys of its own namespace."""
    return consumer(store, tuple(credentials(store.provider_spec))) is Consumer.CREDENTIALS


def base(block: Json) -> str:
    """The server's address without a slash at its end. Raises InvalidConfig."""
    url = str(block.get("host") or "").rstrip("/")
    if not url:
        raise InvalidConfig(f"{MISSING}.host", fix="set host")
    if not url.startswith("https://"):
        raise InvalidConfig("host Url has to be https scheme", fix="write host as https://…")
    if parts_of(url) is None:
        raise InvalidConfig("host is no address", fix="write host as https://passbolt.example.org")
    return url
