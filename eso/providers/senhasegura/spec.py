"""The rules of a `senhasegura` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads.
"""

from __future__ import annotations

from typing import ClassVar, Final
from urllib.parse import urlsplit

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, one, part, references

MODULE: Final = "DSM"
SECRET: Final = ("auth", "clientSecretSecretRef")
MEMBERS: Final = ("auth", "ignoreSslCertificate")


class SenhaseguraSpec:
    name: ClassVar[str] = "senhasegura"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        """A namespace in a SecretStore is not refused: it has no effect there."""
        block = store.provider_spec
        base(block)
        if not part(block, "auth").get("clientId"):
            raise InvalidConfig("missing senhasegura authentication Client ID", fix="set auth.clientId")
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit of requests."""
        block = store.provider_spec
        if block.get("module") != MODULE:
            raise InvalidConfig(f"unknown senhasegura Provider Service: {block.get('module')}", fix=f"write {MODULE}")
        named = credentials(block)
        return Plan(
            base(block),
            {member: block.get(member) for member in MEMBERS},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = SenhaseguraSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, "", *SECRET))


def base(block: Json) -> str:
    """Scheme, host and port of `url`; its path does not count. Raises InvalidConfig."""
    url = str(block.get("url") or "")
    parts = parts_of(url)
    if parts is None:
        raise InvalidConfig(refused(url), fix="write an address such as https://senhasegura.example.com")
    if parts.scheme != "https":
        raise InvalidConfig("invalid senhasegura URL, must be HTTPS for security reasons", fix="write https://")
    return f"{parts.scheme}://{parts.netloc}"


def refused(url: str) -> str:
    """Which of the two faults an address has that cannot be used."""
    try:
        other = urlsplit(url).scheme not in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        other = False
    return f"invalid senhasegura URL{', must be HTTPS for security reasons' if other else ''}"
