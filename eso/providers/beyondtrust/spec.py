"""The rules of a `beyondtrust` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py signs in as the Plan says, client.py reads and writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit import valueorref
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, has, part, references, refuse_foreign

INPUTS: Final = "error in Inputs: "
API: Final = "/BeyondTrust/api/public/v"
SECONDS: Final = 45  # of a request, where the store does not say
MOST_SECONDS: Final = 300
KEY: Final = ("apiKey",)
OAUTH: Final = ("clientId", "clientSecret")
PAIR: Final = ("certificate", "certificateKey")
LENGTHS: Final = {"apiKey": (128, 263), "clientId": (36, 36), "clientSecret": (36, 64)}


class BeyondtrustSpec:
    name: ClassVar[str] = "beyondtrust"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        if not has(block, "server"):
            raise InvalidConfig("server is required", fix="set server")
        host(block)
        auth = part(block, "auth")
        for member in members(block):
            refuse(store, member, part(auth, member))
        lonely = has(auth, PAIR[0]) is not has(auth, PAIR[1])
        return ["certificate and certificateKey must both be set: the one alone is ignored"] if lonely else []

    def plan(self, store: StoreView) -> Plan:
        """What is read, and how, belongs to reads. The vendor publishes no limit of requests."""
        block = store.provider_spec
        version(block)
        named = tuple(credentials(block))
        return Plan(base(block), login(block), consumer(store, named), references({}, named), quota=Quota.LOGIN)


SPEC: Final = BeyondtrustSpec()


def refuse(store: StoreView, member: str, given: Json) -> None:
    """The rules of one credential. Raises InvalidConfig."""
    written, named = bool(given.get("value")), has(given, "secretRef")
    if not (written or named):
        raise InvalidConfig(f"{member}: either secretRef or value must be set", fix=f"set auth.{member}.secretRef")
    if written and named:
        raise InvalidConfig(f"{member}: cannot specify both value and reference", fix="leave value out")
    if named:
        selector = part(given, "secretRef")
        for name in ("name", "key"):
            if not selector.get(name):
                raise InvalidConfig(f"{member}: must specify a secret {name}", fix=f"set secretRef.{name}")
        refuse_foreign(store, valueorref.references(given))


def members(block: Json) -> tuple[str, ...]:
    """The credentials that count: an API key before a client, and a certificate with its key. Raises InvalidConfig."""
    auth = part(block, "auth")
    pair = PAIR if all(has(auth, member) for member in PAIR) else ()
    if has(auth, *KEY):
        return KEY + pair
    given = [member for member in OAUTH if has(auth, member)]
    if len(given) == 1:
        raise InvalidConfig(
            "both clientId and clientSecret must be set for OAuth authentication", fix="set the other one, too"
        )
    if not given:
        raise InvalidConfig(
            "no authentication method configured: set auth.apiKey, or auth.clientId and auth.clientSecret",
            fix="set auth.apiKey",
        )
    return OAUTH + pair


def credentials(block: Json) -> Iterator[Named]:
    for member in members(block):
        yield from valueorref.references(part(block, "auth", member))


def login(block: Json) -> dict[str, Any]:
    made: dict[str, Any] = {member: part(block, "auth", member) for member in members(block)}
    made["trust"] = verifies(block)
    made["seconds"] = seconds(block)
    return made


def verifies(block: Json) -> bool:
    return part(block, "server").get("verifyCA") is not False


def seconds(block: Json) -> int:
    """How long a request may take. Raises InvalidConfig."""
    given = part(block, "server").get("clientTimeOutSeconds") or SECONDS
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_SECONDS:
        raise InvalidConfig(f"{INPUTS}clientTimeOutSeconds is not between 1 and {MOST_SECONDS}", fix="write 45")
    return given


def version(block: Json) -> str:
    """Raises InvalidConfig."""
    given = str(part(block, "server").get("apiVersion") or "")
    if given and len(given) != 3:
        raise InvalidConfig(f"{INPUTS}apiVersion must have 3 characters", fix="write 3.0, 3.1 or 3.2")
    return given


def separator(block: Json) -> str:
    return str(part(block, "server").get("separator") or "/")


def safe(block: Json) -> bool:
    """Whether secrets of Secrets Safe are read; else credentials of managed accounts."""
    return str(part(block, "server").get("retrievalType") or "").upper() == "SECRET"


def host(block: Json) -> str:
    """Raises InvalidConfig."""
    url = str(part(block, "server").get("apiUrl") or "").rstrip("/")
    if parts_of(url) is None:
        raise InvalidConfig("invalid host URL", fix="write https://host/BeyondTrust/api/public/v3")
    return url


def base(block: Json) -> str:
    """The address before every path, without a slash at its end. Raises InvalidConfig."""
    url = host(block)
    parts = urlsplit(url)
    if parts.scheme != "https" or API not in parts.path:
        raise InvalidConfig(
            f"{INPUTS}apiUrl must be https and hold {API}", fix="write https://host/BeyondTrust/api/public/v3"
        )
    return url
