"""The rules of a `chef` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads data bags.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import ClassVar, Final
from urllib.parse import urlunsplit

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign

INVALID: Final = "received invalid Chef SecretStore resource: "


class ChefSpec:
    name: ClassVar[str] = "chef"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        username(block)
        base(block)
        if not has(block, "auth", "secretRef"):
            raise InvalidConfig(
                f"{INVALID}cannot initialize Chef Client: no valid authType was specified", fix="set auth.secretRef"
            )
        if not part(block, "auth", "secretRef", "privateKeySecretRef").get("key"):
            raise InvalidConfig(f"{INVALID}missing Secret Key", fix="set auth.secretRef.privateKeySecretRef.key")
        refuse_foreign(store, credentials(block))
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit of requests: the server is its owner's."""
        block = store.provider_spec
        named = tuple(credentials(block))
        return Plan(
            base(block),
            {"username": username(block), "auth": part(block, "auth")},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = ChefSpec()


def credentials(block: Json) -> Iterator[Named]:
    return one(block, INVALID, "auth", "secretRef", "privateKeySecretRef")


def username(block: Json) -> str:
    """Raises InvalidConfig for what is none, or cannot stand in a line of what is signed."""
    given = str(block.get("username") or "")
    if not given:
        raise InvalidConfig(f"{INVALID}missing username", fix="set username")
    if not given.isascii() or not given.isprintable():
        raise InvalidConfig(f"{INVALID}invalid username", fix="write the name of a user or a client")
    return given


def base(block: Json) -> str:
    """The address of the organisation, its path cleaned, without a slash at its end. Raises InvalidConfig."""
    url = str(block.get("serverUrl") or "")
    if not url:
        raise InvalidConfig(f"{INVALID}missing serverurl", fix="set serverUrl")
    if not url.endswith("/"):
        raise InvalidConfig(f"{INVALID}serverurl does not end with slash(/)", fix="write a slash at its end")
    parts = parts_of(url)
    if parts is None:
        raise InvalidConfig(f"{INVALID}invalid serverurl", fix="write https://host/organizations/name/")
    path = posixpath.normpath(f"/{parts.path.lstrip('/')}").rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
