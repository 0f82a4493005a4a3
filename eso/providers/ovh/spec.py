"""The rules of an `ovh` store: what admission refuses, which server it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads and writes in the OKMS domain.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references
from eso.providers.kit.uuids import canonical

SECONDS: Final = 30  # of a request, where the store does not say
NO_CREDENTIALS: Final = {
    "token": "missing token secret for token authentication",
    "mtls": "missing tls certificate or key for mtls authentication",
}
SELECTORS: Final = {"token": ("tokenSecretRef",), "mtls": ("certSecretRef", "keySecretRef")}


class OvhSpec:
    name: ClassVar[str] = "ovh"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        seconds(block)
        base(block)
        if not block.get("okmsid"):
            raise InvalidConfig("ovh store okmsID is required", fix="set okmsid to the id of the OKMS domain")
        way = method(block)
        for member in SELECTORS[way]:
            selector = part(block, "auth", way, member)
            if not (selector.get("name") and selector.get("key")):
                raise InvalidConfig(NO_CREDENTIALS[way], fix=f"set name and key of auth.{way}.{member}")
        return []

    def plan(self, store: StoreView) -> Plan:
        """The domain belongs to reads. The vendor publishes no limit of requests."""
        block = store.provider_spec
        domain(block)
        named = credentials(block)
        trust = part(block, "auth", "mtls") if method(block) == "mtls" else {}
        return Plan(base(block), login(block), consumer(store, named), references(trust, named), quota=Quota.LOGIN)


SPEC: Final = OvhSpec()


def method(block: Json) -> str:
    """Raises InvalidConfig."""
    found = [way for way in SELECTORS if has(block, "auth", way)]
    if not found:
        raise InvalidConfig("missing authentication method", fix="set auth.token or auth.mtls")
    if len(found) > 1:
        raise InvalidConfig("only one authentication method allowed (mtls | token)", fix="leave one of them out")
    return found[0]


def credentials(block: Json) -> tuple[Named, ...]:
    way = method(block)
    return tuple(named for member in SELECTORS[way] for named in one(block, "", "auth", way, member))


def login(block: Json) -> dict[str, Any]:
    way = method(block)
    return {"auth": {way: part(block, "auth", way)}, "seconds": seconds(block)}


def seconds(block: Json) -> int:
    """How long a request may take. Raises InvalidConfig."""
    given = block.get("okmsTimeout")
    if given is None:
        return SECONDS
    if isinstance(given, bool) or not isinstance(given, int) or given <= 0:
        raise InvalidConfig("ovh store okmsTimeout must be greater than 0", fix="write seconds, or leave it out")
    return given


def domain(block: Json) -> str:
    """The id of the OKMS domain, as its API writes it. Raises InvalidConfig."""
    found = canonical(str(block.get("okmsid") or ""))
    if found is None:
        raise InvalidConfig(
            "failed to create new ovh provider client: okmsid is no UUID", fix="copy the id of the OKMS domain"
        )
    return found


def base(block: Json) -> str:
    """The server's address without a slash at its end. Raises InvalidConfig."""
    url = str(block.get("server") or "").rstrip("/")
    if not url:
        raise InvalidConfig("ovh store server is required", fix="write https://eu-west-rbx.okms.ovh.net")
    if parts_of(url) is None:
        raise InvalidConfig("ovh store server is no address", fix="write https://eu-west-rbx.okms.ovh.net")
    return url
