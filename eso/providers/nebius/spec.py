"""The rules of a `nebiusmysterybox` store: what admission refuses, which servers it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.selectors import Json, Named, consumer, one, part, references, refuse_loose

TOKEN: Final = ("auth", "tokenSecretRef")
CREDENTIALS: Final = ("auth", "serviceAccountCredsSecretRef")
CA: Final = ("caProvider", "certSecretRef")
LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
MOST: Final = 253  # characters of a domain
EXAMPLE: Final = "write a domain such as api.nebius.cloud:443"
INVALID: Final = "API domain is not valid: "


class NebiusSpec:
    name: ClassVar[str] = "nebiusmysterybox"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        domain(block)
        login(block)
        authority = part(block, *CA)
        if authority and not (authority.get("name") and authority.get("key")):
            raise InvalidConfig(
                "invalid caProvider configuration: no secret name or key specified", fix="write both in certSecretRef"
            )
        refuse_loose(store, credentials(block))
        return []

    def plan(self, store: StoreView) -> Plan:
        """The vendor publishes no limit of requests. Raises InvalidConfig."""
        block = store.provider_spec
        named = tuple(credentials(block))
        parts = {".".join(place): part(block, *place) for place in (TOKEN, CREDENTIALS, CA)}
        return Plan(
            host("dpl.mysterybox", block),
            parts,
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = NebiusSpec()


def credentials(block: Json) -> Iterator[Named]:
    for place in (TOKEN, CREDENTIALS, CA):
        if part(block, *place).get("name"):
            yield from one(block, "", *place)


def login(block: Json) -> tuple[str, ...]:
    """The place of the one credential. Raises InvalidConfig."""
    written = [place for place in (TOKEN, CREDENTIALS) if part(block, *place).get("name")]
    if len(written) != 1:
        fault = "exactly one must be specified" if written else "none provided"
        fix = "set one of tokenSecretRef and serviceAccountCredsSecretRef"
        raise InvalidConfig(f"invalid auth configuration: {fault}", fix=fix)
    place = written[0]
    if not part(block, *place).get("key"):
        kind = "token" if place is TOKEN else "ServiceAccount creds"
        raise InvalidConfig(f"invalid {kind} auth configuration: no secret key specified", fix="write its key")
    return place


def domain(block: Json) -> tuple[str, str]:
    """Domain and port of the API. Raises InvalidConfig."""
    written = str(block.get("apiDomain") or "")
    if not written.strip():
        raise InvalidConfig("API domain must be set", fix=EXAMPLE)
    if "://" in written:
        raise InvalidConfig(f"{INVALID}a scheme is not allowed", fix=EXAMPLE)
    name, colon, port = written.partition(":")
    if colon and not (PORT.fullmatch(port) and 0 < int(port) < 1 << 16):
        raise InvalidConfig(f"{INVALID}the port is no number from 1 to 65535", fix=EXAMPLE)
    try:
        plain = (name if name.isascii() else name.encode("idna").decode()).lower()
    except UnicodeError:
        raise InvalidConfig(f"{INVALID}it is no name of the DNS", fix=EXAMPLE) from None
    labels = plain.split(".")
    if len(plain) > MOST or len(labels) < 2 or not all(map(LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise InvalidConfig(f"{INVALID}it is no name of the DNS", fix=EXAMPLE)
    return plain, port or "443"


def host(service: str, block: Json) -> str:
    """`host:port` of a service. Raises InvalidConfig."""
    name, port = domain(block)
    return f"{service}.{name}:{port}"
