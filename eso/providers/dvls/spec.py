"""The rules of a `dvls` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads and writes.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import address
from eso.providers.kit.selectors import Json, Named, consumer, one, part, references, refuse_loose

AUTH: Final = ("auth", "secretRef")
CREDENTIALS: Final = ("appId", "appSecret")
PLAIN: Final = "http URLs require 'insecure: true' to be set explicitly"


class DvlsSpec:
    name: ClassVar[str] = "dvls"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        if vault(block) != vault(block).strip():
            raise InvalidConfig("vault must not have leading or trailing white space", fix="correct vault")
        base(block)
        for member in CREDENTIALS:
            for word in ("name", "key"):
                if not part(block, *AUTH, member).get(word):
                    raise InvalidConfig(
                        f"{member} secret {word} is required", fix=f"set auth.secretRef.{member}.{word}"
                    )
        refuse_loose(store, credentials(block))
        return []

    def plan(self, store: StoreView) -> Plan:
        """A login looks the vault up. The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(
            base(block),
            {"auth": part(block, *AUTH), "vault": vault(block)},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = DvlsSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(named for member in CREDENTIALS for named in one(block, "", *AUTH, member))


def vault(block: Json) -> str:
    """Name or id of the vault; "" where each key names its own."""
    return str(block.get("vault") or "")


def base(block: Json) -> str:
    """The server's address without a slash at its end. Raises InvalidConfig."""
    if not block.get("serverUrl"):
        raise InvalidConfig("serverUrl is required", fix="set serverUrl")
    url = address(str(block["serverUrl"]), "invalid serverUrl: ", "write an address such as https://dvls.example.com")
    if url.lower().startswith("http:") and block.get("insecure") is not True:
        raise InvalidConfig(PLAIN, fix="write https://, or set insecure")
    return url
